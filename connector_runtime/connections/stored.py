"""A stored connection as a client asks it: performs the effects of `renew.renewal`, which says in which order.

Between the vendor's answer and the store lies the only moment in which a token can be lost; what can fail there is
tried more than once, and held in memory for as long as the process lives.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .. import http
from ..errors import StoreError, TransportError
from ..model import Connection
from ..stores.store import Lease, Store
from . import renew
from .renew import Record

TRIES = 3  # to store a new pair


class Stored:
    """A stored connection as a client asks it: called with what the vendor has just rejected, or None.

    It may be used by any number of threads and clients; each process may have its own.
    """

    def __init__(self, kind: Connection, name: str, store: Store, key: str, seconds: float, account: str) -> None:
        self.kind = kind
        self.name = name
        self.account, self.connection = account, key  # whose limits its calls count against
        self._store = store
        self._key = key
        self._seconds = seconds
        self._lock = threading.Lock()
        self._record: Record | None = None
        self._unsaved: tuple[Record, int] | None = None

    def __repr__(self) -> str:
        return f"Stored({self.name!r})"

    def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """What the connection gives to requests; renewed if it is due or rejected.

        Raises `AuthError` ("reconnect"), `StoreError`, or `TransportError` if the token endpoint does not answer.
        """
        ready = self.ready(rejected)
        if ready is not None:
            return ready
        with self._lock, ThreadPoolExecutor(1) as apart:  # apart: Ctrl-C must not fall between answer and store
            record = self._record = apart.submit(self._renew, rejected).result()
        return record.tokens.granted

    def ready(self, rejected: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """What it gives if nothing has to be asked for, else None."""
        record = self._record
        return record.tokens.granted if record is not None and record.serves(rejected, time.time()) else None

    def _renew(self, rejected: Mapping[str, str] | None) -> Record:
        if self._unsaved is not None:
            self._save_late(*self._unsaved)
        lease: Lease | None = None
        asked = renew.renewal(renew.Wanted(self.kind, self.name, rejected), self._seconds, 5 * self._seconds)
        step: Callable[[Any], renew.Effect] = asked.send
        value: Any = None
        try:
            while True:
                effect = step(value)
                step, value = asked.send, None
                match effect:
                    case renew.Read():
                        entry = self._store.read(self._key)
                        value = None if entry is None else (Record.read(entry.value), entry.version)
                    case renew.Hold():
                        lease = self._store.lease(f"lease/{self._key}", 4 * self._seconds)
                        value = lease is not None
                    case renew.Free() if lease is not None:
                        lease.release()
                    case renew.Ask():
                        try:
                            value = http.send(effect.request)
                        except TransportError as error:
                            step, value = asked.throw, error
                    case renew.Keep():
                        value = self._save(effect.record, effect.version)
                    case renew.Clock():
                        value = time.time()
                    case renew.Pause():
                        time.sleep(effect.seconds)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            asked.close()
            if lease is not None:
                lease.release()

    def _save(self, record: Record, version: int) -> int | None:
        """Store a new pair, trying more than once: what it replaces is void."""
        for left in reversed(range(TRIES)):
            try:
                return self._store.put(self._key, record.write(), version)
            except StoreError as error:
                if left == 0:
                    self._unsaved = (record, version)
                    held = f"The new token of {self.name} is held in memory until then; let this process run."
                    raise StoreError(error.message, hint=f"{error.hint or ''} {held}".strip(), retriable=True) from None
                time.sleep(0.2)
        return None

    def _save_late(self, record: Record, version: int) -> None:
        self._store.put(self._key, record.write(), version)  # if somebody wrote meanwhile, that counts
        self._unsaved = None


class AsyncStored:
    """The same for asyncio: what blocks happens in a thread, and is carried through if the task is cancelled."""

    def __init__(self, stored: Stored) -> None:
        self.kind, self.name, self._stored = stored.kind, stored.name, stored
        self.account, self.connection = stored.account, stored.connection

    def __repr__(self) -> str:
        return f"AsyncStored({self.name!r})"

    async def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        ready = self._stored.ready(rejected)
        return ready if ready is not None else await asyncio.to_thread(self._stored, rejected)
