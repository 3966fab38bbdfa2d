"""Where what must outlive a call is kept: a small protocol, in memory or in a database. Knows bytes, not their meaning.

A key is a text such as `connections/acme/main`. A value is written only over the version that was read, so that two
writers never overwrite each other; a lease lets one of several processes do something at a time, and ends by itself.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import uuid4

from ..errors import StoreError

LAST = "\U0010ffff"  # no key begins with it, so it ends the range of a prefix


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and its version. No version returns, even if a key is deleted and made anew."""

    value: bytes = field(repr=False)
    version: int


class Lease(Protocol):
    """A right that nobody else has until it is released or its time is up; `with` releases it."""

    def release(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *what: object) -> None: ...


class Store(Protocol):
    """What keeps entries. All of it may be called from any thread. Raises `StoreError` where it fails."""

    def read(self, key: str) -> Entry | None:
        """The entry of that key, or None."""
        ...

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        """Write if unchanged: `version` is the one read (None: the key must be absent); a value of None deletes.

        Returns the new version (0 for a deletion), or None if somebody else was first: then nothing was written.
        """
        ...

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        """At most `limit` entries whose keys begin with `prefix` and come after `after`, in the order of their keys."""
        ...

    def lease(self, key: str, seconds: float) -> Lease | None:
        """The sole right to `key` for `seconds`, or None if somebody has it. A dead holder's ends with its time."""
        ...

    def close(self) -> None:
        """Let go of files and sockets."""
        ...


def open_store(url: str) -> Store:
    """The store at a database URL: `memory://`, `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://…`.

    A SQLite file is made if it is missing, for its owner alone (mode 0600). Raises `StoreError`.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory":
        return MemoryStore()
    if scheme == "sqlite" and rest[1:]:
        from .sqlite import Sqlite

        return Database(Sqlite(Path(rest[1:]).expanduser()))
    if scheme in ("postgresql", "postgres"):
        from .postgres import Postgres

        return Database(Postgres(url))
    raise StoreError(
        "The store's address is none that is known.",  # it can hold a password
        hint="Give sqlite:///path/to/file, postgresql://user@host/database or memory://.",
    )


# -- in memory -------------------------------------------------------------------------------------------------------


class MemoryStore:
    """A store that ends with its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._leases: dict[str, tuple[str, float]] = {}
        self._last = 0

    def read(self, key: str) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        with self._lock:
            found = self._entries.get(key)
            if (found.version if found else None) != version:
                return None
            if value is None:
                self._entries.pop(key, None)
                return 0
            self._last += 1
            self._entries[_checked(key)] = Entry(value, self._last)
            return self._last

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        with self._lock:
            keys = sorted(key for key in self._entries if key.startswith(prefix) and key > after)
            return [(key, self._entries[key]) for key in keys[:limit]]

    def lease(self, key: str, seconds: float) -> Lease | None:
        now, owner = time.monotonic(), uuid4().hex
        with self._lock:
            if self._leases.get(key, ("", now))[1] > now:
                return None
            self._leases[_checked(key)] = (owner, now + seconds)
        return _Held(self, key, owner)

    def release(self, key: str, owner: str) -> None:
        with self._lock:
            if self._leases.get(key, ("", 0.0))[0] == owner:
                del self._leases[key]

    def close(self) -> None:
        pass


class _Releases(Protocol):
    def release(self, key: str, owner: str) -> None: ...


class _Held:
    """A lease that is held."""

    def __init__(self, store: _Releases, key: str, owner: str) -> None:
        self._store, self._key, self._owner = store, key, owner

    def release(self) -> None:
        with suppress(StoreError):  # it ends by itself, and what happened under it matters more
            self._store.release(self._key, self._owner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *what: object) -> None:
        self.release()


def _checked(key: str) -> str:
    if not key or len(key) > 500 or "\0" in key or key.startswith(LAST):
        raise StoreError("A key of the store must be a text of 1 to 500 characters without NUL.")
    return key


# -- in a database ---------------------------------------------------------------------------------------------------


class Lost(StoreError):
    """The connection to the database broke; what was sent may have been done."""

    def __init__(self) -> None:
        super().__init__("The connection to the store broke.", hint="Try again.", retriable=True)


class Dialect(Protocol):
    """What one kind of database does in its own way."""

    now: str  # the SQL for the time in seconds, by the one clock that all users of the store share

    def connect(self) -> Any:
        """A connection that commits each statement, to a database whose tables are there."""
        ...

    def run(self, connection: Any, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        """The rows of a statement with `?` for values, and how many it changed. Raises `StoreError` or `Lost`."""
        ...


_databases: weakref.WeakSet[Database] = weakref.WeakSet()


class Database:
    """A store in a database: one connection, used by one thread at a time, opened anew after a fork or a breakdown."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._lock = threading.Lock()
        self._connection: Any = None
        _databases.add(self)
        with self._connected():
            pass

    def read(self, key: str) -> Entry | None:
        rows, _ = self._ask("SELECT value, version FROM entries WHERE key = ?", key)
        return Entry(bytes(rows[0][0]), rows[0][1]) if rows else None

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        new = 0 if value is None else time.time_ns() if version is None else version + 1
        try:
            if value is None:
                count = self._change("DELETE FROM entries WHERE key = ? AND version = ?", key, version)
            elif version is None:
                insert = "INSERT INTO entries (key, value, version) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
                count = self._change(insert, _checked(key), value, new)
            else:
                update = "UPDATE entries SET value = ?, version = ? WHERE key = ? AND version = ?"
                count = self._change(update, value, new, key, version)
        except Lost:
            found = self.read(key)
            done = found is None if value is None else found == Entry(value, new)
            return new if done else self.put(key, value, version)
        return new if count or (value is None and version is None and self.read(key) is None) else None

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        select = "SELECT key, value, version FROM entries WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
        rows, _ = self._ask(select, after, prefix, prefix + LAST, limit)
        return [(row[0], Entry(bytes(row[1]), row[2])) for row in rows]

    def lease(self, key: str, seconds: float) -> Lease | None:
        owner, now = uuid4().hex, self._dialect.now
        take = (
            f"INSERT INTO leases (key, owner, until) VALUES (?, ?, {now} + ?) ON CONFLICT (key) DO UPDATE"
            f" SET owner = excluded.owner, until = excluded.until WHERE leases.until <= {now}"
        )
        try:
            taken = self._change(take, _checked(key), owner, seconds)
        except Lost:
            taken = self._change(take, key, owner, seconds) or self._owns(key, owner)
        return _Held(self, key, owner) if taken else None

    def _owns(self, key: str, owner: str) -> int:
        return len(self._ask("SELECT 1 FROM leases WHERE key = ? AND owner = ?", key, owner)[0])

    def release(self, key: str, owner: str) -> None:
        self._change("DELETE FROM leases WHERE key = ? AND owner = ?", key, owner)

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def forked(self) -> None:
        """Leave the connection to the process that opened it."""
        if self._connection is not None:
            _left.append(self._connection)
        self._connection, self._lock = None, threading.Lock()

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        with self._lock:
            if self._connection is None:
                self._connection = self._dialect.connect()
            try:
                yield self._connection
            except Lost:
                self._connection = None
                raise

    def _change(self, sql: str, *values: Any) -> int:
        with self._connected() as connection:
            return self._dialect.run(connection, sql, values)[1]

    def _ask(self, sql: str, *values: Any) -> tuple[list[Any], int]:
        try:
            with self._connected() as connection:
                return self._dialect.run(connection, sql, values)
        except Lost:
            with self._connected() as connection:
                return self._dialect.run(connection, sql, values)


_left: list[Any] = []  # closing a connection of the parent's would end the parent's


def _forked() -> None:
    for database in _databases:
        database.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


TABLES = (
    "CREATE TABLE IF NOT EXISTS entries (key {text} PRIMARY KEY, value {bytes} NOT NULL, version BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS leases (key {text} PRIMARY KEY, owner TEXT NOT NULL, until DOUBLE PRECISION NOT NULL)",
)
