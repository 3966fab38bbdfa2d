"""The service's records in its store: API keys and the first responses of runs. Independent of HTTP.

A key is `ck_ID_SECRET`. Its secret has 256 random bits, so one fast digest is enough to protect it. Every request looks
up its key in the store. A revoked key leaves an entry behind, so a store that once had keys never becomes open.

A run with an idempotency key holds that key's lease and first writes an entry without a response. A retry that finds
the lease taken is refused. If the lease is free but the entry has no response, the first run died and may have
made its change, so only a read runs again.
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
KEY_PATTERN = re.compile(r"ck_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
NO_DIGEST = hashlib.sha256(b"nobody").hexdigest()
RETENTION = 24 * 3600.0  # seconds
LARGEST = 1024 * 1024  # bytes of a stored response
logger = logging.getLogger("connector_runtime.service")


class ApiKey(NamedTuple):
    """A key without its secret. `tenant` is None for a metrics key; `created_at` is in seconds since 1970."""

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
        """Create a key; return its text, which is not stored, and its record. Raises `InputError` for a bad tenant."""
        if tenant is not None:
            key_part("--tenant", tenant)
        key_id = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))
        secret = secrets.token_urlsafe(32)
        key = ApiKey(key_id, tenant, label, time.time(), _digest(secret))
        fields = {name: value for name, value in key._asdict().items() if name != "id"}
        if self._store.put(self._prefix + key_id, json_text.write(fields), None) is None:
            return self.create(tenant, label)  # the id is taken
        return f"ck_{key_id}_{secret}", key

    def list(self) -> Iterator[ApiKey]:
        """Return the valid keys, ordered by id."""
        rows = self._store.rows(self._prefix, _key_fields)
        return (ApiKey(place.removeprefix(self._prefix), **fields) for place, fields, _ in rows if fields is not None)

    def exist(self) -> bool:
        """Return whether the store has or had a key, even a damaged one, because damage must not open the service."""
        return any(self._store.scan(prefix, limit=1) for prefix in (self._prefix, DAMAGED + self._prefix))

    def revoke(self, key_id: str) -> None:
        """Revoke a key. Raises `InputError` for an unknown id."""
        while (row := self._valid(key_id)) is not None:
            revoked = json_text.write({"revoked_at": time.time()})
            if self._store.put(self._prefix + key_id, revoked, row[1].version) is not None:
                return
        ids = ", ".join(key.id for key in self.list()) or "none"
        raise InputError.of("api-key", [Problem("ID", f"no key has the id {key_id!r}; existing ids: {ids}")])

    def find(self, text: str) -> ApiKey | None:
        """Return the key with this text, or None. A wrong secret takes as long to check as the right one."""
        match = KEY_PATTERN.fullmatch(text)
        row = self._valid(match[1]) if match else None
        key = row[0] if row else None
        is_right = match and hmac.compare_digest(NO_DIGEST if key is None else key.digest, _digest(match[2]))
        return key if is_right else None

    def _valid(self, key_id: str) -> tuple[ApiKey, Entry] | None:
        """Return the key with this id and its entry; None if it is missing, revoked or damaged."""
        try:
            row = self._store.value(self._prefix + key_id, _key_fields)
        except DamagedEntry as error:
            logger.error("An API key is refused: %s", error.message)
            return None
        return (ApiKey(key_id, **row[0]), row[1]) if row and row[0] is not None else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key_fields(content: bytes) -> dict[str, Any] | None:
    """Read the fields of a key from its entry; None if it was revoked."""
    data = json_text.read(content)
    if isinstance(data, dict) and "revoked_at" in data:
        return None
    fields = json_text.fields(data, tenant=str | None, label=str, created_at=float | int, digest=str)
    if not fields["digest"].isascii():
        raise ValueError("holds no digest")
    time.gmtime(fields["created_at"])  # raises for a time that cannot be shown
    return fields


@shows()
class FirstAnswer(NamedTuple):
    """The response to the first request with an idempotency key, which retries also get."""

    status: int
    body: bytes


@dataclass(slots=True)
class RunLock:
    """The right to run with one idempotency key, until `end`."""

    store: Store
    place: str
    version: int
    lease: Lease
    running: Mapping[str, Any]

    def end(self, first: FirstAnswer | None) -> None:
        """Store the response that retries get from now on; None frees the key, as if it had never been used."""
        record = first and {**self.running, "status": first.status, "body": first.body.decode()}
        self.store.put(self.place, json_text.write(record) if record else None, self.version)
        self.lease.release()


class Idempotency:
    """The idempotency keys of all tenants. `lease` is the time in seconds after which a run is presumed dead."""

    def __init__(self, store: Store, connector: str, lease: float, clock: Callable[[], float]) -> None:
        self._store, self._prefix = store, f"service/{connector}/idempotency/"
        self._lease, self._clock = lease, clock

    def begin(self, tenant: str, key: str, request: Any, effect: str) -> FirstAnswer | RunLock:
        """Return the first response, or the right to run.

        `request` is JSON data that identifies the request; the order of its keys does not matter. Raises
        `ServiceRefusal` if the first run is in flight, had other inputs, or died and may have made its change.
        """
        place = f"{self._prefix}{key_part('tenant', tenant)}/{hashlib.sha256(key.encode()).hexdigest()}"
        request_digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        running = {"mark": request_digest, "at": self._clock()}
        first, _, _ = self._read(place, running, effect)
        if first is not None:
            return first  # without a lease, which most retries do not need
        lease = self._store.lease(f"lease/{place}", self._lease)
        with ExitStack() as stack:
            if lease is not None:
                stack.enter_context(lease)
            first, has_begun, version = self._read(place, running, effect)
            if first is not None:
                return first
            if lease is None:
                what = Sentence("The first request with this idempotency key is still running.")
                hint = Sentence("Send it again with the same key a little later.")
                raise ServiceRefusal("in_flight", what, hint=hint, retriable=True, retry_after=2)
            if has_begun and effect != "read":
                what = Sentence("The first request with this idempotency key was cut off, and may have been done.")
                raise ServiceRefusal("may_have_been_done", what, hint=CHECK_FIRST, may_have_been_done=True)
            version = self._store.put(place, json_text.write(running), version)
            if version is None:  # another request has written, so this lease had expired
                what = Sentence("Another request took this key.")
                raise ServiceRefusal("in_flight", what, retriable=True, retry_after=2)
            stack.pop_all()
        return RunLock(self._store, place, version, lease, running)

    def purge(self) -> int:
        """Remove entries older than a day; return their number."""
        now = self._clock()
        rows = self._store.rows(self._prefix, _record)
        return sum(self._store.remove(place, entry) for place, record, entry in rows if now >= record["at"] + RETENTION)

    def _read(self, place: str, running: Mapping[str, Any], effect: str) -> tuple[FirstAnswer | None, bool, int | None]:
        """Return the first response with a key, whether a run with it has begun, and the version of the entry."""
        try:
            record, entry = self._store.value(place, _record) or ({}, None)
        except DamagedEntry:
            what = Sentence("The stored record of this idempotency key is damaged.")
            if effect == "read":
                raise ServiceRefusal("key_reused", what, hint=Sentence("Use a new key.")) from None
            raise ServiceRefusal("may_have_been_done", what, hint=CHECK_FIRST, may_have_been_done=True) from None
        if record and running["at"] >= record["at"] + RETENTION:
            record = {}
        if record and record["mark"] != running["mark"]:
            what = Sentence("This idempotency key was used for another request.")
            hint = Sentence("Use a new key for each operation; repeat an operation with the same body.")
            raise ServiceRefusal("key_reused", what, hint=hint)
        first = FirstAnswer(record["status"], record["body"].encode()) if record.get("status") is not None else None
        return first, bool(record), None if entry is None else entry.version


def _record(content: bytes) -> dict[str, Any]:
    data = json_text.read(content)
    record = json_text.fields(data, mark=str, at=float | int, status=int | None, body=str | None)
    if (record["status"] is None) is not (record["body"] is None):
        raise ValueError("holds half a response")
    return record
