"""A store in a database: one connection, used by one thread at a time, and statements that every dialect knows."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Protocol
from uuid import uuid4

from ..errors import StoreError
from .store import LAST, Entry, Lease, Store, checked


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


class Database(Store):
    """A store in a database: one connection, used by one thread at a time, opened anew after a fork or a breakdown."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._lock = threading.Lock()
        self._connection: Any = dialect.connect()
        _databases.add(self)

    def read(self, key: str) -> Entry | None:
        rows = self._ask("SELECT value, version FROM entries WHERE key = ?", key)
        return Entry(bytes(rows[0][0]), rows[0][1]) if rows else None

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        new = 0 if value is None else time.time_ns() if version is None else version + 1
        try:
            if value is None:
                count = self._change("DELETE FROM entries WHERE key = ? AND version = ?", key, version)
            elif version is None:
                insert = "INSERT INTO entries (key, value, version) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
                count = self._change(insert, checked(key), value, new)
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
        rows = self._ask(select, after, prefix, prefix + LAST, limit)
        return [(row[0], Entry(bytes(row[1]), row[2])) for row in rows]

    def lease(self, key: str, seconds: float) -> Lease | None:
        owner, now = uuid4().hex, self._dialect.now
        take = (
            f"INSERT INTO leases (key, owner, until) VALUES (?, ?, {now} + ?) ON CONFLICT (key) DO UPDATE"
            f" SET owner = excluded.owner, until = excluded.until WHERE leases.until <= {now}"
        )
        try:
            taken = self._change(take, checked(key), owner, seconds)
        except Lost:
            mine = "SELECT 1 FROM leases WHERE key = ? AND owner = ?"
            taken = self._change(take, key, owner, seconds) or len(self._ask(mine, key, owner))
        end = "DELETE FROM leases WHERE key = ? AND owner = ?"
        return Lease(lambda: self._change(end, key, owner)) if taken else None

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

    def _run(self, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        with self._lock:
            self._connection = self._connection or self._dialect.connect()
            try:
                return self._dialect.run(self._connection, sql, values)
            except Lost:
                self._connection = None
                raise

    def _change(self, sql: str, *values: Any) -> int:
        return self._run(sql, values)[1]

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._run(sql, values)[0]
        except Lost:
            return self._run(sql, values)[0]


_databases: weakref.WeakSet[Database] = weakref.WeakSet()
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
