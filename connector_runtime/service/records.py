"""What the service keeps in its store: API keys and the first answers of runs. Knows no HTTP.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import InputError, Problem
from ..language import json_text
from ..sentences import Sentence
from ..stores.store import DAMAGED, DamagedEntry, Entry, Lease, Store, key_part
from ..structs import shows
from .problems import ServiceRefusal

CHECK_FIRST = Sentence("Check whether it was done; if not, send it with a new key.")
FORM = re.compile(r"ck_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
NOBODY = hashlib.sha256(b"nobody").hexdigest()
logger = logging.getLogger("connector_runtime.service")
RETENTION = 24 * 3600.0  # seconds
LARGEST = 1024 * 1024  # bytes of an answer that is kept
logger = logging.getLogger("connector_runtime.service")


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
        rows = self._store.rows(self._prefix, _key_fields)
        return (ApiKey(place.removeprefix(self._prefix), **about) for place, about, _ in rows if about is not None)

    def exist(self) -> bool:
        """Whether there is any key, or was one; one that is damaged counts, or the service would stand open for it."""
        return any(self._store.scan(prefix, limit=1) for prefix in (self._prefix, DAMAGED + self._prefix))

    def revoke(self, key_id: str) -> None:
        """Take a key back. Raises `InputError` if there is none."""
        while (row := self._good(key_id)) is not None:
            revoked = json_text.write({"revoked_at": time.time()})  # the entry stays: the store has had a key
            if self._store.put(self._prefix + key_id, revoked, row[1].version) is not None:
                return
        known = ", ".join(key.id for key in self.list()) or "none"
        raise InputError.of("api-key", [Problem("ID", f"{key_id!r} is no key's; there is: {known}")])

    def find(self, text: str) -> ApiKey | None:
        """The key of that text, or None. It takes as long for a wrong secret as for a right one."""
        form = FORM.fullmatch(text)
        row = self._good(form[1]) if form else None
        key = row[0] if row else None
        is_right = form and hmac.compare_digest(NOBODY if key is None else key.digest, _digest(form[2]))
        return key if is_right else None

    def _good(self, key_id: str) -> tuple[ApiKey, Entry] | None:
        """The key of an id, and its entry; None if there is none, or one that was revoked or is damaged."""
        try:
            row = self._store.value(self._prefix + key_id, _key_fields)
        except DamagedEntry as error:
            logger.error("An API key is refused: %s", error.message)
            return None
        return (ApiKey(key_id, **row[0]), row[1]) if row and row[0] is not None else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key_fields(content: bytes) -> dict[str, Any] | None:
    """What an entry says of a key; None if it was revoked."""
    about = json_text.read(content)
    if isinstance(about, dict) and "revoked_at" in about:
        return None
    about = json_text.fields(about, tenant=str | None, label=str, created_at=float | int, digest=str)
    if not about["digest"].isascii():
        raise ValueError("holds no digest")
    time.gmtime(about["created_at"])
    return about


@shows()
class FirstAnswer(NamedTuple):
    """The first answer."""

    status: int
    body: bytes


@dataclass(slots=True)
class RunLock:
    """The right to run, for one key, until its `end`."""

    store: Store
    place: str
    version: int
    lease: Lease
    running: Mapping[str, Any]

    def end(self, first: FirstAnswer | None) -> None:
        """This is what repetitions get from now on; None: the key is as if it had never been used."""
        said = first and {**self.running, "status": first.status, "body": first.body.decode()}
        self.store.put(self.place, json_text.write(said) if said else None, self.version)
        self.lease.release()


class Idempotency:
    """The idempotency keys of all tenants. `lease` is for how many seconds a run may take before it counts as dead."""

    def __init__(self, store: Store, connector: str, lease: float, clock: Callable[[], float]) -> None:
        self._store, self._prefix = store, f"service/{connector}/idempotency/"
        self._lease, self._clock = lease, clock

    def begin(self, tenant: str, key: str, asked: Any, effect: str) -> FirstAnswer | RunLock:
        """The first answer, or the right to run. Raises `ServiceRefusal`: in flight, other inputs, may have been done.

        `asked` is JSON data that tells one request from another, whatever the order of its keys.
        """
        place = f"{self._prefix}{key_part('tenant', tenant)}/{hashlib.sha256(key.encode()).hexdigest()}"
        inputs_digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        running = {"mark": inputs_digest, "at": self._clock()}
        first, _, _ = self._read(place, running, effect)
        if first is not None:
            return first  # most repetitions take no lease
        lease = self._store.lease(f"lease/{place}", self._lease)
        with ExitStack() as stack:
            if lease is not None:
                stack.enter_context(lease)
            first, began, version = self._read(place, running, effect)
            if first is not None:
                return first
            if lease is None:
                what = Sentence("The first request with this idempotency key is still running.")
                hint = Sentence("Send it again with the same key a little later.")
                raise ServiceRefusal("in_flight", what, hint=hint, retriable=True, retry_after=2)
            if began and effect != "read":
                what = Sentence("The first request with this idempotency key was cut off, and may have been done.")
                hint = CHECK_FIRST
                raise ServiceRefusal("may_have_been_done", what, hint=hint, may_have_been_done=True)
            version = self._store.put(place, json_text.write(running), version)
            if version is None:  # only who holds the lease writes, so its time was over before this
                raise ServiceRefusal(
                    "in_flight", Sentence("Another request took this key."), retriable=True, retry_after=2
                )
            stack.pop_all()
        return RunLock(self._store, place, version, lease, running)

    def purge(self) -> int:
        """Forget what is older than a day; returns how many."""
        now = self._clock()
        rows = self._store.rows(self._prefix, _said)
        return sum(self._store.remove(place, entry) for place, said, entry in rows if now >= said["at"] + RETENTION)

    def _read(self, place: str, running: Mapping[str, Any], effect: str) -> tuple[FirstAnswer | None, bool, int | None]:
        """The first answer with a key, whether a run with it began at all, and the version of the entry."""
        try:
            said, entry = self._store.value(place, _said) or ({}, None)
        except DamagedEntry:
            what = Sentence("What was stored for this idempotency key is damaged.")
            if effect == "read":
                raise ServiceRefusal("key_reused", what, hint=Sentence("Use a new key.")) from None
            hint = CHECK_FIRST
            raise ServiceRefusal("may_have_been_done", what, hint=hint, may_have_been_done=True) from None
        if said and running["at"] >= said["at"] + RETENTION:
            said = {}
        if said and said["mark"] != running["mark"]:
            what = Sentence("This idempotency key was used for another request.")
            hint = Sentence("Use a new key for each operation; repeat an operation with the same body.")
            raise ServiceRefusal("key_reused", what, hint=hint)
        first = FirstAnswer(said["status"], said["body"].encode()) if said.get("status") is not None else None
        return first, bool(said), None if entry is None else entry.version


def _said(content: bytes) -> dict[str, Any]:
    said = json_text.read(content)
    said = json_text.fields(said, mark=str, at=float | int, status=int | None, body=str | None)
    if (said["status"] is None) is not (said["body"] is None):
        raise ValueError("holds half an answer")
    return said
