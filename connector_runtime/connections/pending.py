"""Sign-ins that were begun: what is needed to finish one waits in a store under its state, which is good once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from ..errors import AuthError
from ..stores.store import Store

PENDING = 600.0  # seconds that a sign-in may take


class Pending:
    """The pending sign-ins below one prefix of a store. A state is a secret, so the store knows only its digest."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    def add(self, state: str, what: Mapping[str, Any]) -> None:
        """Keep `what`, which is JSON data, for ten minutes; sign-ins that nobody finished in time are deleted."""
        now = time.time()
        for key, entry in self._store.scan(self._prefix):  # a page at a time, however many there are
            if json.loads(entry.value)["until"] < now:
                self._store.remove(key, entry)
        self._store.put(self._prefix + digest(state), json.dumps({**what, "until": now + PENDING}).encode(), None)

    def take(self, state: str) -> dict[str, Any]:
        """What waits for a state, which is used up by this. Raises `AuthError` for a wrong, used or late one."""
        value = self._store.take(self._prefix + digest(state))
        if value is None:
            what = "The state of the callback is wrong or was used before, so it belongs to no sign-in begun here."
            raise AuthError(what, hint="Sign in again.")
        waiting: dict[str, Any] = json.loads(value)
        if waiting["until"] < time.time():
            raise AuthError("The sign-in took longer than ten minutes.", hint="Sign in again.")
        return waiting


def digest(state: str) -> str:
    """What stands for a state where it may be read."""
    return hashlib.sha256(state.encode()).hexdigest()
