"""What the service keeps in its store: API keys, the first answers of runs, events that arrived. Knows no HTTP.

A key is `ck_ID_SECRET`. Its secret has 256 bits of chance, so that one fast digest of it is enough: there is nothing
to guess. Each request asks the store for its key. Of a revoked one the entry stays, so that a store that has ever had a
key is known for one.

Whoever runs with an idempotency key holds its lease and has written `running` under it. Who comes meanwhile finds the
lease taken: in flight. Who finds `running` and the lease free knows that its holder died: a change may have been made,
so it is not made again; a read is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import string
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from ..errors import InputError, Problem
from ..language import json_text
from ..stores.store import Entry, Lease, Store, key_part
from .problems import Refusal

if TYPE_CHECKING:
    from ..triggers.webhook import Notification

FORM = re.compile(r"ck_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
NOBODY = hashlib.sha256(b"nobody").hexdigest()
logger = logging.getLogger("connector_runtime.service")
KEPT = 24 * 3600.0  # seconds
LARGEST = 1024 * 1024  # bytes of an answer that is kept
CURSOR = r"^[0-9]{13}(-[0-9a-f]{16})?$"
OVERLAP = 2.0  # seconds: what others may still be writing under a time that has passed


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

    def create(self, tenant: str | None, label: str = "") -> tuple[str, ApiKey]:
        """A new key: its text, which is nowhere kept, and what is. Raises `InputError` for a tenant without a name."""
        if tenant is not None:
            key_part("--tenant", tenant)
        key_id = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
        secret = secrets.token_urlsafe(32)
        about: dict[str, Any] = {"tenant": tenant, "label": label, "created_at": time.time(), "digest": _digest(secret)}
        if self._store.put(self._prefix + key_id, json_text.write(about), None) is None:
            return self.create(tenant, label)  # somebody drew the same id
        return f"ck_{key_id}_{secret}", ApiKey(id=key_id, **about)

    def list(self) -> Iterator[ApiKey]:
        """The keys that are good, by id."""
        found = (_read(key.removeprefix(self._prefix), entry) for key, entry in self._store.walk(self._prefix))
        return (key for key in found if key is not None)

    def exist(self) -> bool:
        """Whether there is any key, or was one."""
        return bool(self._store.scan(self._prefix, limit=1))

    def revoke(self, key_id: str) -> None:
        """Take a key back. Raises `InputError` if there is none."""
        place = self._prefix + key_id
        while (entry := self._store.read(place)) is not None and _read(key_id, entry) is not None:
            if self._store.put(place, json_text.write({"revoked_at": time.time()}), entry.version) is not None:
                return
        known = ", ".join(key.id for key in self.list()) or "none"
        raise InputError.of("api-key", [Problem("ID", f"{key_id!r} is no key's; there is: {known}")])

    def find(self, text: str) -> ApiKey | None:
        """The key of that text, or None. It takes as long for a wrong secret as for a right one."""
        form = FORM.fullmatch(text)
        entry = self._store.read(self._prefix + form[1]) if form else None
        key = _read(form[1], entry) if form and entry else None
        is_right = form and hmac.compare_digest(NOBODY if key is None else key.digest, _digest(form[2]))
        return key if is_right else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _read(key_id: str, entry: Entry) -> ApiKey | None:
    """The key of an entry; None if it was revoked, or if the entry is damaged, which opens nothing."""
    try:
        said = json_text.read(entry.value)
        if "revoked_at" in said:
            return None
        key = ApiKey(id=key_id, **said)
        return key._replace(digest=str(key.digest), created_at=float(key.created_at))
    except (ValueError, TypeError, OverflowError) as error:
        logger.error("The API key %s is damaged in the store: %s", key_id, type(error).__name__)
        return None


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
        place = f"{self._prefix}{key_part('tenant', tenant)}/{hashlib.sha256(key.encode()).hexdigest()}"
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
        if said.get("mark", running["mark"]) != running["mark"]:
            what = "This idempotency key was used for another request."
            hint = "Take a new key for each operation; repeat an operation with the same body."
            raise Refusal("key_reused", what, hint=hint)
        first = Kept(status=said["status"], body=said["body"].encode()) if "status" in said else None
        return first, bool(said), None if entry is None else entry.version


def _fresh(entry: Entry, now: float) -> dict[str, Any]:
    """What an entry says, empty if it is older than a day; of one that is damaged no more than that a run has begun."""
    try:
        said: dict[str, Any] = json_text.read(entry.value)
        return said if now < said["at"] + KEPT and said["mark"] + "" else {}
    except (ValueError, TypeError, LookupError) as error:
        logger.error("The entry of an idempotency key is damaged in the store: %s", type(error).__name__)
        return {"at": now}  # so a change is not made a second time


class Feed:
    """Received events, kept in the store for a day, by account unless one tenant owns all of them.

    Events are added at least once and read in the order in which they were added; who reads remembers a cursor.
    """

    def __init__(self, store: Store, connector: str, *, by_account: bool) -> None:
        self._store, self._prefix = store, f"service/{connector}/events/"
        self._by_account = by_account

    def add(self, found: Notification) -> None:
        """Keep an event for its account."""
        account = (found.account or "") if self._by_account else "*"
        place = f"{self._room(account)}{_stamp(time.time())}-{found.event_id[:16]}"
        self._store.put(place, json_text.write(found.to_dict()), None)

    def read(self, accounts: Iterable[str], cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str]:
        """At most `limit` events after a cursor (None: of the last day), and where to go on."""
        now = time.time()
        after = cursor or _stamp(now - KEPT)
        found: list[tuple[str, bytes]] = []
        for account in set(accounts) if self._by_account else ["*"]:
            room = self._room(account)
            page = self._store.scan(room, room + after, limit)
            found += [(place.removeprefix(room), entry.value) for place, entry in page]
        found = sorted(found)[:limit]
        last = found[-1][0] if len(found) == limit else max(after, _stamp(now - OVERLAP))
        return [json_text.read(value) for _, value in found], last

    def purge(self) -> int:
        """Forget what is older than a day; returns how many."""
        oldest = _stamp(time.time() - KEPT)
        late = (found for found in self._store.walk(self._prefix) if found[0].rpartition("/")[2] < oldest)
        return sum(self._store.remove(place, entry) for place, entry in late)

    def _room(self, account: str) -> str:
        return f"{self._prefix}{quote(account, safe='')}/"


def _stamp(seconds: float) -> str:
    return f"{int(seconds * 1000):013d}"
