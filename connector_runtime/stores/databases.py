"""Persistent stores: SQLite, PostgreSQL, and `Sealed`, which encrypts another store. `open_store` takes a URL."""

from __future__ import annotations

import os
import stat
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from ..errors import StoreError
from .store import DAMAGED, LAST, UNWRITABLE, DamagedEntry, Entry, Lease, MemoryStore, Store, checked, damaged, forking

T = TypeVar("T")
BUSY_TIMEOUT = 5.0  # seconds to wait for another process's write to a SQLite file
STATEMENT_TIMEOUT = 10  # seconds for a connection or a statement in PostgreSQL
SILENCE_TIMEOUT = 15.0  # seconds without any response from a PostgreSQL server, not even a timeout
TABLES = (
    "CREATE TABLE IF NOT EXISTS entries (key {text} PRIMARY KEY, value {bytes} NOT NULL, version BIGINT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS leases (key {text} PRIMARY KEY, owner TEXT NOT NULL, until DOUBLE PRECISION NOT NULL)",
)
LOCKED = ("is locked by another program", "Close other programs that use the file, then try again.")
SQLITE_ERRORS = {
    "SQLITE_BUSY": LOCKED,
    "SQLITE_LOCKED": LOCKED,
    "SQLITE_READONLY": ("is read-only", "Give this user write access to the file and its folder."),
    "SQLITE_FULL": ("can't grow: the disk is full", "Free some disk space; nothing stored is lost."),
    "SQLITE_CORRUPT": ("is damaged", "Restore it from a backup, or move it away and connect again."),
    "SQLITE_NOTADB": ("is not a SQLite file", "Move it away and connect again, or choose another path."),
    "SQLITE_CANTOPEN": ("can't be opened", "Choose a path that you can write to."),
    "SQLITE_IOERR": ("can't be read or written: the disk reports an error", "Check the disk, then try again."),
}
SEAL = "seal"  # key of the entry that verifies the encryption keys of a sealed store
TOKEN = b"gAAAA"  # the prefix of every sealed value
_inherited: list[Any] = []  # the parent process's connections, which must not be closed here


class ConnectionLost(StoreError):
    """The connection to the database was lost, and the statement may have been carried out."""


class Database(Store):
    """A store in a database. Threads take turns on one connection, which is reopened after a fork or a failure.

    Subclasses connect and run statements. `now` is SQL for the time in seconds by the database's clock, which all users
    of the store share. `blob` is the SQL type that values are read as.
    """

    now: str
    blob: str

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Any = self.connect()
        forking.add(self)

    @abstractmethod
    def connect(self) -> Any:
        """Open a connection that commits each statement, and create the tables if they are missing."""

    @abstractmethod
    def run(self, connection: Any, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        """Run a statement with `?` for values; return its rows and the number of changed rows. Raises `StoreError`."""

    def read(self, key: str) -> Entry | None:
        sql = f"SELECT CAST(value AS {self.blob}), version FROM entries WHERE key = ?"
        rows = [] if UNWRITABLE.search(key) else self._rows(sql, key)
        return Entry(bytes(rows[0][0]), rows[0][1]) if rows else None

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        new = 0 if value is None else time.time_ns() if version is None else version + 1
        try:
            if value is None:
                _, count = self._run("DELETE FROM entries WHERE key = ? AND version = ?", key, version)
            elif version is None:
                insert = "INSERT INTO entries (key, value, version) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING"
                _, count = self._run(insert, checked(key), value, new)
            else:
                update = "UPDATE entries SET value = ?, version = ? WHERE key = ? AND version = ?"
                _, count = self._run(update, value, new, key, version)
        except ConnectionLost:
            entry = self.read(key)
            is_done = entry is None if value is None else entry == Entry(value, new)
            return new if is_done else self.put(key, value, version)
        return new if count or (value is None and version is None and self.read(key) is None) else None

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        select = f"SELECT key, CAST(value AS {self.blob}), version FROM entries"
        where = "WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
        rows = self._rows(f"{select} {where}", after, prefix, prefix + LAST, limit)
        return [(key, Entry(bytes(value), version)) for key, value, version in rows]

    def lease(self, key: str, seconds: float) -> Lease | None:
        owner, now = uuid4().hex, self.now
        acquire = (
            f"INSERT INTO leases (key, owner, until) VALUES (?, ?, {now} + ?) ON CONFLICT (key) DO UPDATE"
            f" SET owner = excluded.owner, until = excluded.until WHERE leases.until <= {now}"
        )
        try:
            _, count = self._run(acquire, checked(key), owner, seconds)
        except ConnectionLost:
            _, count = self._run(acquire, key, owner, seconds)
            count = count or len(self._rows("SELECT 1 FROM leases WHERE key = ? AND owner = ?", key, owner))
        return Lease(lambda: self._run("DELETE FROM leases WHERE key = ? AND owner = ?", key, owner)) if count else None

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def forked(self) -> None:
        """Leave the connection to the process that opened it."""
        if self._connection is not None:
            _inherited.append(self._connection)
        self._connection, self._lock = None, threading.Lock()

    def _run(self, sql: str, *values: Any) -> tuple[list[Any], int]:
        with self._lock:
            self._connection = self._connection or self.connect()
            try:
                return self.run(self._connection, sql, values)
            except ConnectionLost:
                self._connection = None
                raise

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._run(sql, *values)[0]
        except ConnectionLost:
            return self._run(sql, *values)[0]


class Sqlite(Database):
    """A store in a SQLite file, for the processes on one machine."""

    now, blob = "(julianday('now') - 2440587.5) * 86400.0", "BLOB"

    def __init__(self, path: Path) -> None:
        import sqlite3  # not needed by other stores

        self._path, self._sqlite3 = path, sqlite3
        super().__init__()

    def connect(self) -> Any:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._path.exists():  # SQLite gives its -wal and -shm files the same mode
                self._path.touch(0o600)
            connection = self._sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
            )
        except (OSError, ValueError, self._sqlite3.Error) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            message = f"The store {self._path} can't be opened ({reason})."
            raise StoreError(message, hint=SQLITE_ERRORS["SQLITE_CANTOPEN"][1]) from None
        try:
            tables, _ = self.run(connection, "SELECT 1 FROM sqlite_schema WHERE name IN ('entries', 'leases')", ())
            if len(tables) < 2:
                self._write_ahead(connection)
                for table in TABLES:
                    self.run(connection, table.format(text="TEXT", bytes=self.blob), ())
        except StoreError:
            connection.close()
            raise
        return connection

    def _write_ahead(self, connection: Any) -> None:
        deadline = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                self.run(connection, "PRAGMA journal_mode = WAL", ())
                return
            except StoreError as error:  # SQLite's busy timeout does not cover this statement
                if not error.retriable or time.monotonic() >= deadline:
                    raise
            time.sleep(0.02)

    def run(self, connection: Any, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        try:
            cursor = connection.execute(sql, values)
            return cursor.fetchall(), cursor.rowcount
        except self._sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            what, hint = next((texts for code, texts in SQLITE_ERRORS.items() if name.startswith(code)), (None, None))
            message = f"The store {self._path} {what or f'failed ({error})'}."
            raise StoreError(message, hint=hint, retriable=name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))) from None


class Postgres(Database):
    """A store in a PostgreSQL database, which several machines can share. Requires psycopg."""

    now, blob = "extract(epoch from clock_timestamp())", "BYTEA"

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError:
            hint = "Install it: pip install 'psycopg[binary]'."
            raise StoreError("A PostgreSQL store needs psycopg.", hint=hint) from None
        self._url, self._psycopg = url, psycopg
        super().__init__()

    def connect(self) -> Any:
        try:
            connection: Any = self._psycopg.connect(self._url, autocommit=True, connect_timeout=STATEMENT_TIMEOUT)
        except self._psycopg.Error as error:
            raise self._failed("can't be reached", error, retriable=True) from None
        wait, connection.wait = connection.wait, lambda steps, *rest: wait(self._in_time(steps, connection), *rest)
        try:
            connection.execute(f"SET statement_timeout = {STATEMENT_TIMEOUT * 1000}")
            tables = connection.execute("SELECT to_regclass('entries') || '', to_regclass('leases') || ''").fetchone()
            if tables is None or None in tables:  # IF NOT EXISTS can fail if processes start concurrently
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(727175)")
                    for table in TABLES:
                        connection.execute(table.format(text='TEXT COLLATE "C"', bytes=self.blob))
        except self._psycopg.Error as error:
            connection.close()
            raise self._failed("can't be used", error) from None
        return connection

    def run(self, connection: Any, sql: str, values: Sequence[Any]) -> tuple[list[Any], int]:
        try:
            cursor = connection.execute(sql.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else [], cursor.rowcount
        except self._psycopg.Error as error:
            if connection.closed:
                what = "The connection to the store was lost."
                raise ConnectionLost(what, hint="Try again.", retriable=True) from None
            code = getattr(error, "sqlstate", None) or ""
            what = "is read-only" if code in ("25006", "42501") else "is full" if code[:2] == "53" else "failed"
            raise self._failed(what, error, retriable=code in ("57014", "55P03", "40P01", "40001")) from None

    def _in_time(self, steps: Generator[Any, Any, T], connection: Any) -> Generator[Any, Any, T]:
        """Pass on the events that psycopg waits for, but close the connection if the server stays silent too long."""
        until, ready = time.monotonic() + SILENCE_TIMEOUT, None
        while True:
            try:
                event = steps.send(ready)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            ready = yield event
            if not ready and time.monotonic() > until:
                connection.close()
                raise self._psycopg.OperationalError("no response")

    def _failed(self, what: str, error: Exception, retriable: bool = False) -> StoreError:
        reason = getattr(getattr(error, "diag", None), "message_primary", None)
        message = f"The PostgreSQL store {what} ({reason or type(error).__name__})."  # the full text may quote the URL
        return StoreError(message, hint="Check the database and its URL, then try again.", retriable=retriable)


def open_store(url: str) -> Store:
    """Open the store at a URL: `memory://`, `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://…`.

    A missing SQLite file is created, readable only by its owner (mode 0600). Raises `StoreError`.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory":
        return MemoryStore()
    if scheme == "sqlite" and rest[1:]:
        return Sqlite(Path(rest[1:]).expanduser())
    if scheme in ("postgresql", "postgres"):
        return Postgres(url)
    hint = "Use sqlite:///path/to/file, postgresql://user@host/database or memory://."
    raise StoreError("The store's URL is not supported.", hint=hint)  # not quoted, because it may contain a password


class Sealed(Store):
    """A store that encrypts another store's values with the first Fernet key and decrypts them with any of the keys.

    Each value is encrypted together with its store key, so write access to the database is not enough to move one
    tenant's connection to another. If a value cannot be decrypted, the `SEAL` entry shows whether the whole store was
    sealed with other keys and must be refused, or only this entry is damaged and is set aside.
    """

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        try:
            self._newest = Fernet(next(iter(keys), ""))
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            make = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            hint = f"A key is 32 bytes in URL-safe base64. Create one: {make}"
            raise StoreError("The store's key is not a Fernet key.", hint=hint) from None
        self._store, self._invalid, self._is_checked = store, InvalidToken, False

    def __repr__(self) -> str:
        return f"Sealed({type(self._store).__name__})"

    def read(self, key: str) -> Entry | None:
        return self._open(key, entry) if (entry := self._store.read(key)) else None

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        self._check_seal()
        return self._store.put(key, None if value is None else self._seal(key, value), version)

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        rows: list[tuple[str, Entry]] = []
        while size := limit - len(rows):
            page = self._store.scan(prefix, after, size)
            for after, entry in page:
                try:
                    rows += [(after, self._open(after, entry))] if after != SEAL else []
                except DamagedEntry:
                    self._store.set_aside(after, entry)
                    rows += [(after, entry)] if after.startswith(DAMAGED) else []  # stays sealed
            if len(page) < size:
                break
        return rows

    def update(self, key: str, change: Callable[[bytes | None], bytes | None], *, tries: float = inf) -> Entry | None:
        try:
            return super().update(key, change, tries=tries)
        except DamagedEntry:
            if entry := self._store.read(key):
                self._store.set_aside(key, entry)
            return super().update(key, change, tries=tries)

    def lease(self, key: str, seconds: float) -> Lease | None:
        return self._store.lease(key, seconds)

    def close(self) -> None:
        self._store.close()

    def rekey(self) -> int:
        """Encrypt all values with the newest key, so older keys can be removed; return the number of values."""
        self._check_seal()
        count = 0
        for key, _ in self.walk(""):
            with suppress(DamagedEntry):
                while (entry := self.read(key)) and self.put(key, entry.value, entry.version) is None:
                    continue  # another writer got there first, perhaps with an older key
                count += 1
        return count

    def _seal(self, key: str, value: bytes) -> bytes:
        return self._newest.encrypt(key.encode() + b"\0" + value)

    def _open(self, key: str, entry: Entry) -> Entry:
        try:
            original_key, _, value = self._fernet.decrypt(entry.value).partition(b"\0")
        except self._invalid:
            seal = self._store.read(SEAL)
            self._check(seal.value if seal else None)
            raise damaged(key) from None
        if original_key != key.encode():
            what = f"The store's entry {key} was copied from another entry."
            raise DamagedEntry(what, hint="Restore it from a backup.")
        return Entry(value, entry.version)

    def _check_seal(self) -> None:
        """Before the first write, check that the store was sealed with these keys, and renew its seal if necessary."""
        if not self._is_checked:
            self._store.update(SEAL, self._renew_seal)
            self._is_checked = True

    def _renew_seal(self, seal: bytes | None) -> bytes:
        self._check(seal)
        return seal if seal is not None and self._can_open(seal, self._newest) else self._seal(SEAL, b"")

    def _check(self, seal: bytes | None) -> None:
        """Raise `StoreError` if the keys open neither the seal nor, without a seal, any of the first entries."""
        is_seal = seal is not None and seal.startswith(TOKEN)
        page = [seal] if is_seal else [entry.value for _, entry in self._store.scan("")]
        if page and not any(self._can_open(value, self._fernet) for value in page):
            hint = "Use the key that encrypted it. If that is lost, delete the store and connect again."
            raise StoreError("The store is encrypted with another key.", hint=hint)

    def _can_open(self, value: bytes | None, fernet: Any) -> bool:
        try:
            fernet.decrypt(value)
        except self._invalid:
            return False
        return True


def open_vault(app: str, url: str | None = None, keys: str | None = None) -> Sealed:
    """Open the sealed store at a URL, by default the app's own store on this machine. Raises `StoreError`.

    `url` is as for `open_store`, by default a SQLite file in the user's data directory. `keys` are Fernet keys
    separated by commas, the newest first, by default those in a key file beside it, which is created on first use and
    readable only by its owner.
    """
    home = data_directory(app)
    fernet_keys = keys.replace(",", " ").split() if keys else read_keys(home / "store.key")
    return Sealed(open_store(url or f"sqlite:///{home / 'store.db'}"), fernet_keys)


def data_directory(app: str) -> Path:
    """Return the directory for an app's user data."""
    from platformdirs import user_data_path

    return user_data_path(app, appauthor=False)


def read_keys(path: Path) -> list[str]:
    """Return the keys in a file, one per line, newest first; create it with a new key (mode 0600) if it is missing."""
    try:
        if not path.exists():
            from cryptography.fernet import Fernet

            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary = path.with_name(f"{path.name}.{os.getpid()}")  # linked only when complete
            temporary.touch(0o600)
            temporary.write_bytes(Fernet.generate_key() + b"\n")
            try:
                with suppress(FileExistsError):  # another process got there first
                    os.link(temporary, path)
            finally:
                temporary.unlink()
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StoreError(f"Other users can read the key file {path}.", hint=f"Restrict it: chmod 600 {path}")
        return path.read_text(errors="replace").replace(",", " ").split()  # invalid text is not a key
    except OSError as error:
        hint = "Give this user access to it, or set the key in the environment."
        raise StoreError(f"The key file {path} can't be used ({error.strerror}).", hint=hint) from None
