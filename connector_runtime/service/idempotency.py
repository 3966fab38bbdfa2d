"""Idempotency keys: a run that is repeated gives the first result again. Knows stores, no HTTP and no clock of its own.

Whoever runs holds the key's lease and has written `running` under it. Who comes meanwhile finds the lease taken: in
flight. Who finds `running` and the lease free knows that its holder died: a change may have been made, so it is not
made again; a read is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..language import json_text
from ..stores.store import Entry, Lease, Store
from .problems import Refusal

KEPT = 24 * 3600.0  # seconds
LARGEST = 1024 * 1024  # bytes of an answer that is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The first answer."""

    status: int
    body: bytes


@dataclass(slots=True)
class Held:
    """The right to run, for one key; one of `keep` and `forget` ends it."""

    store: Store
    place: str
    version: int
    lease: Lease
    running: Mapping[str, Any]

    def keep(self, answer: Kept) -> None:
        """This is what repetitions get from now on."""
        said = {**self.running, "status": answer.status, "body": answer.body.decode()}
        self.store.put(self.place, json_text.write(said), self.version)
        self.lease.release()

    def forget(self) -> None:
        """Nothing was done: the key is as if it had never been used."""
        self.store.put(self.place, None, self.version)
        self.lease.release()


class Idempotency:
    """The idempotency keys of all tenants. `lease` is for how many seconds a run may take before it counts as dead."""

    def __init__(self, store: Store, connector: str, lease: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._prefix = f"service/{connector}/idempotency/"
        self._lease = lease
        self._clock = clock

    def begin(self, tenant: str, key: str, fingerprint: str, effect: str) -> Kept | Held:
        """The first answer, or the right to run. Raises `Refusal`: in flight, other inputs, may have been done."""
        place = f"{self._prefix}{quote(tenant, safe='')}/{hashlib.sha256(key.encode()).hexdigest()}"
        running = {"mark": fingerprint, "at": self._clock()}
        said, _ = self._read(place, running)
        if "status" in said:
            return _kept(said)  # most repetitions take no lease
        lease = self._store.lease(f"lease/{place}", self._lease)
        with ExitStack() as held:
            if lease is not None:
                held.enter_context(lease)
            said, version = self._read(place, running)
            if "status" in said:
                return _kept(said)
            if lease is None:
                what = "The first request with this idempotency key is still running."
                hint = "Ask again with the same key a little later."
                raise Refusal("in_flight", what, hint=hint, retriable=True, retry_after=2)
            if said and effect != "read":
                what = "The first request with this idempotency key was cut off: it may have been done."
                hint = "Look whether it was done; if not, send it with a new key."
                raise Refusal("may_have_been_done", what, hint=hint, may_have_been_done=True)
            version = self._store.put(place, json_text.write(running), version)
            if version is None:  # only who holds the lease writes, so its time was over before this
                raise Refusal("in_flight", "Another request took this key.", retriable=True, retry_after=2)
            held.pop_all()
        return Held(self._store, place, version, lease, running)

    def purge(self) -> int:
        """Forget what is older than a day; returns how many."""
        now = self._clock()
        late = ((place, entry) for place, entry in self._store.walk(self._prefix) if not _fresh(entry, now))
        return sum(self._store.remove(place, entry) for place, entry in late)

    def _read(self, place: str, running: Mapping[str, Any]) -> tuple[Mapping[str, Any], int | None]:
        """What the first request with a key left there, empty if nothing, and the version of the entry."""
        entry = self._store.read(place)
        said = _fresh(entry, running["at"]) if entry is not None else {}
        if said and said["mark"] != running["mark"]:
            what = "This idempotency key was used for another request."
            hint = "Take a new key for each operation; repeat an operation with the same body."
            raise Refusal("key_reused", what, hint=hint)
        return said, None if entry is None else entry.version


def fingerprint(asked: Mapping[str, Any]) -> str:
    """What tells one request from another, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _fresh(entry: Entry, now: float) -> dict[str, Any]:
    """What an entry says, empty if it is older than a day."""
    said: dict[str, Any] = json_text.read(entry.value)
    return said if now < said["at"] + KEPT else {}


def _kept(said: Mapping[str, Any]) -> Kept:
    return Kept(status=said["status"], body=said["body"].encode())
