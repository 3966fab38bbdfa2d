"""A stored connection as a client asks it: performs the steps of `renew.renewal`, which says in which order.

Between the vendor's answer and the store lies the only moment in which a token can be lost; what can fail there is
tried more than once, and held in memory for as long as the process lives.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

from .. import transport
from ..errors import StoreError
from ..model import Connection
from ..perform import HANDLERS, Handlers, perform
from ..steps import Acquire, Read, Release, Send, Write
from ..stores.store import Store
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
        self._unsaved: tuple[bytes, int] | None = None  # a new pair that the store has not taken yet

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
        self._save_held()  # if another wrote meanwhile, that counts
        wanted = renew.Wanted(self.kind, self.name, rejected, self._seconds)
        with ExitStack() as held:
            handlers: Handlers = {
                **HANDLERS,
                Send: lambda step: transport.send(step.request),
                Read: lambda step: self._read(),
                Write: lambda step: self._save(step.value, step.version),
                Acquire: lambda step: self._acquire(held),
                Release: lambda step: held.close(),
            }
            record: Record
            (record,) = perform(renew.renewal(wanted, 5 * self._seconds), handlers)
        return record

    def _read(self) -> tuple[Record, int] | None:
        entry = self._store.read(self._key)
        return None if entry is None else (Record.read(entry.value), entry.version)

    def _acquire(self, held: ExitStack) -> bool:
        lease = self._store.lease(f"lease/{self._key}", 4 * self._seconds)
        if lease is not None:
            held.enter_context(lease)
        return lease is not None

    def _save(self, record: Record, version: int) -> int | None:
        """Store a new pair, trying more than once: what it replaces is void."""
        self._unsaved = (record.write(), version)
        for _ in range(TRIES - 1):
            with suppress(StoreError):
                return self._save_held()
            time.sleep(0.2)
        try:
            return self._save_held()
        except StoreError as error:
            held = f"The new token of {self.name} is held in memory until then; let this process run."
            raise StoreError(error.message, hint=f"{error.hint or ''} {held}".strip(), retriable=True) from None

    def _save_held(self) -> int | None:
        version = self._store.put(self._key, *self._unsaved) if self._unsaved else None
        self._unsaved = None
        return version


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
