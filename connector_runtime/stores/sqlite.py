"""A SQLite file as a store, for the processes of one machine. Knows how it opens and fails; `store` says the rest."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import StoreError
from .database import TABLES

BUSY = 5.0  # seconds to wait for another process's write


class Sqlite:
    """A SQLite file for the processes of one machine."""

    now = "(julianday('now') - 2440587.5) * 86400.0"

    def __init__(self, path: Path) -> None:
        self._path = path

    def connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._path.exists():  # SQLite gives its side files the same mode
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            hint = "Give a path that you may write."
            raise StoreError(f"The store {self._path} can't be opened ({reason}).", hint=hint) from None
        try:
            if self._first(connection, "SELECT count(*) FROM sqlite_schema WHERE name IN ('entries', 'leases')") < 2:
                deadline = time.monotonic() + BUSY
                while self._first(connection, "PRAGMA journal_mode = WAL", patient=time.monotonic() < deadline) is None:
                    time.sleep(0.02)  # SQLite does not wait by itself for this one
                for table in TABLES:
                    self.run(connection, table.format(text="TEXT", bytes="BLOB"), ())
        except StoreError:
            connection.close()
            raise
        return connection

    def _first(self, connection: sqlite3.Connection, sql: str, patient: bool = False) -> Any:
        try:
            return self.run(connection, sql, ())[0][0][0]
        except StoreError as error:
            if patient and error.retriable:
                return None
            raise

    def run(self, connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        try:
            cursor = connection.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            what, hint = next((said for code, said in SQLITE_ERRORS.items() if name.startswith(code)), (None, None))
            told = f"The store {self._path} {what or f'failed ({error})'}."
            raise StoreError(told, hint=hint, retriable=name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))) from None


LOCKED = ("is locked by another program", "Try again when it is done; close tools that hold the file open.")
SQLITE_ERRORS = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_READONLY": ("may only be read", "Give yourself the right to write the file and its folder."),
    "SQLITE_FULL": ("can't grow: the disk is full", "Free some space; nothing that was stored is lost."),
    "SQLITE_CORRUPT": ("is damaged", "Restore it from a backup, or move it away and connect again."),
    "SQLITE_NOTADB": ("is no SQLite file", "Move it away and connect again, or give another path."),
    "SQLITE_CANTOPEN": ("can't be opened", "Give a path that you may write."),
    "SQLITE_IOERR": ("can't be read or written: the disk reports an error", "Look after the disk, then try again."),
}
