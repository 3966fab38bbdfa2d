"""What the service keeps in its store: API keys and the first answers of runs. Knows no HTTP.

A key is `ck_ID_SECRET`. Its secret has 256 bits of chance, so that one fast digest of it is enough: there is nothing
to guess. What is found is remembered for some seconds, so a revoked key may be good for as long.

Whoever runs with an idempotency key holds its lease and has written `running` under it. Who comes meanwhile finds the
lease taken: in flight. Who finds `running` and the lease free knows that its holder died: a change may have been made,
so it is not made again; a read is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from ..errors import InputError, Problem
from ..language import json_text
from ..stores.store import Entry, Lease, Store
from .problems import Refusal

FORM = re.compile(r"ck_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
TENANT = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
NOBODY = hashlib.sha256(b"nobody").hexdigest()
REMEMBERED = 5.0  # seconds
MOST = 1024  # keys that are remembered
KEPT = 24 * 3600.0  # seconds
LARGEST = 1024 * 1024  # bytes of an answer that is kept


class ApiKey(NamedTuple):
    """A key without its secret. `tenant` is None for one that only reads metrics; `created_at` in seconds."""

    id: str
    tenant: str | None
    label: str
    created_at: float
    digest: str


class ApiKeys:
    """The API keys of a service in a store. May be used from several threads."""

    def __init__(self, store: Store, connector: str) -> None:
        self._store, self._prefix = store, f"service/{connector}/keys/"
        self._remembered: dict[str, tuple[ApiKey, float]] = {}

    def create(self, tenant: str | None, label: str = "") -> tuple[str, ApiKey]:
        """A new key: its text, which is nowhere kept, and what is."""
        if tenant is not None:
            check_tenant(tenant)
        key_id = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
        secret = secrets.token_urlsafe(32)
        about: dict[str, Any] = {"tenant": tenant, "label": label, "created_at": time.time(), "digest": _digest(secret)}
        if self._store.put(self._prefix + key_id, json_text.write(about), None) is None:
            return self.create(tenant, label)  # somebody drew the same id
        return f"ck_{key_id}_{secret}", ApiKey(id=key_id, **about)

    def list(self) -> Iterator[ApiKey]:
        """All keys, by id."""
        return (_read(place.removeprefix(self._prefix), entry.value) for place, entry in self._store.walk(self._prefix))

    def exist(self) -> bool:
        """Whether there is any key."""
        return bool(self._store.scan(self._prefix, limit=1))

    def revoke(self, key_id: str) -> None:
        """Take a key back. Raises `InputError` if there is none."""
        self._remembered.pop(key_id, None)
        if self._store.take(self._prefix + key_id) is None:
            known = ", ".join(key.id for key in self.list()) or "none"
            raise InputError.of("api-key", [Problem("ID", f"{key_id!r} is no key's; there is: {known}")])

    def remembered(self, text: str) -> ApiKey | None:
        """The key of that text if it was found some seconds ago; None if the store has to be asked."""
        form = FORM.fullmatch(text)
        key, until = self._remembered.get(form[1] if form else "", (None, 0.0))
        if form is None or key is None or until < time.monotonic():
            return None
        return key if hmac.compare_digest(key.digest, _digest(form[2])) else None

    def find(self, text: str) -> ApiKey | None:
        """The key of that text, or None. It takes as long for a wrong secret as for a right one."""
        form = FORM.fullmatch(text)
        if form is None:
            return None
        entry = self._store.read(self._prefix + form[1])
        key = None if entry is None else _read(form[1], entry.value)
        if not hmac.compare_digest(NOBODY if key is None else key.digest, _digest(form[2])) or key is None:
            return None
        if len(self._remembered) >= MOST:
            self._remembered.clear()
        self._remembered[key.id] = (key, time.monotonic() + REMEMBERED)
        return key


def check_tenant(tenant: str) -> str:
    """A tenant's name as it was given. Raises `InputError` for one that is none."""
    if not TENANT.fullmatch(tenant):
        what = "must be a text of 1 to 100 characters without control characters"
        raise InputError.of("the service", [Problem("--tenant", what)])
    return tenant


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(key_id: str, content: bytes) -> ApiKey:
    return ApiKey(id=key_id, **json_text.read(content))


class Kept(NamedTuple):
    """The first answer."""

    status: int
    body: bytes


@dataclass(slots=True)
class Held:
    """The right to run, for one key, until its `end`."""

    store: Store
    place: str
    version: int
    lease: Lease
    running: Mapping[str, Any]

    def end(self, first: Kept | None) -> None:
        """This is what repetitions get from now on; None: the key is as if it had never been used."""
        said = first and {**self.running, "status": first.status, "body": first.body.decode()}
        self.store.put(self.place, json_text.write(said) if said else None, self.version)
        self.lease.release()


class Idempotency:
    """The idempotency keys of all tenants. `lease` is for how many seconds a run may take before it counts as dead."""

    def __init__(self, store: Store, connector: str, lease: float, clock: Callable[[], float]) -> None:
        self._store, self._prefix = store, f"service/{connector}/idempotency/"
        self._lease, self._clock = lease, clock

    def begin(self, tenant: str, key: str, asked: Any, effect: str) -> Kept | Held:
        """The first answer, or the right to run. Raises `Refusal`: in flight, other inputs, may have been done.

        `asked` is JSON data that tells one request from another, whatever the order of its keys.
        """
        place = f"{self._prefix}{quote(tenant, safe='')}/{hashlib.sha256(key.encode()).hexdigest()}"
        mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        running = {"mark": mark, "at": self._clock()}
        first, _, _ = self._read(place, running)
        if first is not None:
            return first  # most repetitions take no lease
        lease = self._store.lease(f"lease/{place}", self._lease)
        with ExitStack() as held:
            if lease is not None:
                held.enter_context(lease)
            first, began, version = self._read(place, running)
            if first is not None:
                return first
            if lease is None:
                what = "The first request with this idempotency key is still running."
                hint = "Ask again with the same key a little later."
                raise Refusal("in_flight", what, hint=hint, retriable=True, retry_after=2)
            if began and effect != "read":
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

    def _read(self, place: str, running: Mapping[str, Any]) -> tuple[Kept | None, bool, int | None]:
        """The first answer with a key, whether a run with it began at all, and the version of the entry."""
        entry = self._store.read(place)
        said = _fresh(entry, running["at"]) if entry is not None else {}
        if said and said["mark"] != running["mark"]:
            what = "This idempotency key was used for another request."
            hint = "Take a new key for each operation; repeat an operation with the same body."
            raise Refusal("key_reused", what, hint=hint)
        first = Kept(status=said["status"], body=said["body"].encode()) if "status" in said else None
        return first, bool(said), None if entry is None else entry.version


def _fresh(entry: Entry, now: float) -> dict[str, Any]:
    """What an entry says, empty if it is older than a day."""
    said: dict[str, Any] = json_text.read(entry.value)
    return said if now < said["at"] + KEPT else {}
