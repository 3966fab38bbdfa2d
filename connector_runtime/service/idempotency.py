"""Idempotency keys: a run that is repeated gives the first result again. Knows stores, no HTTP and no clock of its own.

Whoever runs holds the key's lease and has written `running` under it. Who comes meanwhile finds the lease taken: in
flight. Who finds `running` and the lease free knows that its holder died: a change may have been made, so it is not
made again; a read is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

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
    mark: str
    now: float

    def keep(self, answer: Kept) -> None:
        """This is what repetitions get from now on."""
        said = {"mark": self.mark, "at": self.now, "status": answer.status, "body": answer.body.decode()}
        self.store.put(self.place, json.dumps(said).encode(), self.version)
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
        now = self._clock()
        found = self._read(place, now)
        if found is not None and "status" in found[0]:
            return _first(found[0], fingerprint)
        lease = self._store.lease(f"lease/{place}", self._lease)
        if lease is None:
            found = self._read(place, now)
            if found is not None:
                _check(found[0], fingerprint)
                if "status" in found[0]:
                    return _first(found[0], fingerprint)
            raise Refusal(
                kind="in_flight",
                message="The first request with this idempotency key is still running.",
                hint="Ask again with the same key a little later.",
                retriable=True,
                retry_after=2,
            )
        try:
            return self._under(lease, place, fingerprint, effect, now)
        except BaseException:
            lease.release()
            raise

    def _under(self, lease: Lease, place: str, fingerprint: str, effect: str, now: float) -> Kept | Held:
        """The same once the lease is held."""
        entry = self._store.read(place)
        said = None if entry is None else _fresh(entry, now)
        if said is not None:
            _check(said, fingerprint)
            if "status" in said:
                lease.release()
                return _first(said, fingerprint)
            if effect != "read":
                raise Refusal(
                    kind="may_have_been_done",
                    message="The first request with this idempotency key was cut off: it may have been done.",
                    hint="Look whether it was done; if not, send it with a new key.",
                    may_have_been_done=True,
                )
        running = json.dumps({"mark": fingerprint, "at": now}).encode()
        version = self._store.put(place, running, None if entry is None else entry.version)
        if version is None:  # only who holds the lease writes, so its time was over before this
            raise Refusal(kind="in_flight", message="Another request took this key.", retriable=True, retry_after=2)
        return Held(self._store, place, version, lease, fingerprint, now)

    def purge(self) -> int:
        """Forget what is older than a day; returns how many."""
        count, after, now = 0, "", self._clock()
        while page := self._store.scan(self._prefix, after):
            for place, entry in page:
                if _fresh(entry, now) is None and self._store.put(place, None, entry.version) is not None:
                    count += 1
            after = page[-1][0]
        return count

    def _read(self, place: str, now: float) -> tuple[dict[str, Any], int] | None:
        entry = self._store.read(place)
        said = None if entry is None else _fresh(entry, now)
        return None if entry is None or said is None else (said, entry.version)


def fingerprint(asked: Mapping[str, Any]) -> str:
    """What tells one request from another, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _fresh(entry: Entry, now: float) -> dict[str, Any] | None:
    said: dict[str, Any] = json.loads(entry.value)
    return said if now < said["at"] + KEPT else None


def _check(said: Mapping[str, Any], fingerprint: str) -> None:
    if said["mark"] != fingerprint:
        raise Refusal(
            kind="key_reused",
            message="This idempotency key was used for another request.",
            hint="Take a new key for each operation; repeat an operation with the same body.",
        )


def _first(said: Mapping[str, Any], fingerprint: str) -> Kept:
    _check(said, fingerprint)
    return Kept(status=said["status"], body=said["body"].encode())
