"""API keys, each for a tenant: made once, kept as a digest, compared in constant time. Knows no HTTP.

A key is `ck_ID_SECRET`. Its secret has 256 bits of chance, so that one fast digest of it is enough: there is nothing
to guess. What is found is remembered for some seconds, so a revoked key may be good for as long.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InputError, Problem
from ..language import json_text
from ..stores.store import Store

FORM = re.compile(r"ck_([a-z0-9]{12})_([A-Za-z0-9_-]{43})")
REMEMBERED = 5.0  # seconds
MOST = 1024  # keys that are remembered
NOBODY = hashlib.sha256(b"nobody").hexdigest()
TENANT = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key without its secret. `tenant` is None for one that only reads metrics; `created_at` in seconds."""

    id: str
    tenant: str | None
    label: str
    created_at: float
    digest: str


class ApiKeys:
    """The API keys of a service in a store. May be used from several threads."""

    def __init__(self, store: Store, connector: str) -> None:
        self._store = store
        self._prefix = f"service/{connector}/keys/"
        self._remembered: dict[str, tuple[ApiKey, float]] = {}

    def create(self, tenant: str | None, label: str = "") -> tuple[str, ApiKey]:
        """A new key: its text, which is nowhere kept, and what is."""
        if tenant is not None:
            check_tenant(tenant)
        alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
        key_id = "".join(secrets.choice(alphabet) for _ in range(12))
        secret = secrets.token_urlsafe(32)
        made = ApiKey(id=key_id, tenant=tenant, label=label, created_at=time.time(), digest=_digest(secret))
        content = {name: getattr(made, name) for name in ("tenant", "label", "created_at", "digest")}
        if self._store.put(self._prefix + key_id, json_text.write(content), None) is None:
            return self.create(tenant, label)  # somebody drew the same id
        return f"ck_{key_id}_{secret}", made

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

    def known(self, text: str) -> ApiKey | bool | None:
        """What is remembered of a key: the key, None if it is wrong, False if the store has to be asked."""
        form = FORM.fullmatch(text)
        if form is None:
            return None
        found = self._remembered.get(form[1])
        if found is None or found[1] < time.monotonic():
            return False
        return found[0] if hmac.compare_digest(found[0].digest, _digest(form[2])) else None

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
