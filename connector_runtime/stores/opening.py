"""Opens stores: the one that an address means, and the one whose values are encrypted at rest. Knows bytes alone.

Values are sealed with Fernet together with their key in the store, so that nobody who can write the database can put
one tenant's connection in another's place. Several keys may be in use while one follows another: the first seals, all
open.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import StoreError
from .store import Entry, Lease, MemoryStore, Store


def open_store(url: str) -> Store:
    """The store at a database URL: `memory://`, `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://…`.

    A SQLite file is made if it is missing, for its owner alone (mode 0600). Raises `StoreError`.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory":
        return MemoryStore()
    from .database import Postgres, Sqlite  # which a store in memory does without

    if scheme == "sqlite" and rest[1:]:
        return Sqlite(Path(rest[1:]).expanduser())
    if scheme in ("postgresql", "postgres"):
        return Postgres(url)
    hint = "Give sqlite:///path/to/file, postgresql://user@host/database or memory://."
    raise StoreError("The store's address is none that is known.", hint=hint)  # not quoted: it can hold a password


class Sealed(Store):
    """A store that seals what it keeps in another; `keys` are Fernet keys, the newest first."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            make = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
            hint = f"It is 32 bytes in URL-safe base64. Make one: {make}"
            raise StoreError("The store's key is no Fernet key.", hint=hint) from None
        self._invalid: type[Exception] = InvalidToken
        self._store = store

    def __repr__(self) -> str:
        return f"Sealed({type(self._store).__name__})"

    def read(self, key: str) -> Entry | None:
        entry = self._store.read(key)
        return None if entry is None else self._unsealed(key, entry)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        sealed = None if value is None else self._fernet.encrypt(key.encode() + b"\0" + value)
        return self._store.put(key, sealed, version)

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        return [(key, self._unsealed(key, entry)) for key, entry in self._store.scan(prefix, after, limit)]

    def lease(self, key: str, seconds: float) -> Lease | None:
        return self._store.lease(key, seconds)

    def close(self) -> None:
        self._store.close()

    def rekey(self) -> int:
        """Seal everything anew with the newest key, so that older ones can go; returns how many values there are."""
        count = 0
        for key, _ in self._store.walk(""):
            while (entry := self.read(key)) and self.put(key, entry.value, entry.version) is None:
                continue  # another writer was first, perhaps with an older key
            count += 1
        return count

    def _unsealed(self, key: str, entry: Entry) -> Entry:
        try:
            owner, _, value = self._fernet.decrypt(entry.value).partition(b"\0")
        except self._invalid:
            hint = "Give the key it was made with; if that is lost, remove the store and connect again."
            raise StoreError("The store is encrypted with another key, or damaged.", hint=hint) from None
        if owner.decode() != key:
            raise StoreError(f"The store's entry {key} belongs to another place.", hint="Restore it from a backup.")
        return Entry(value, entry.version)


def open_vault(app: str, url: str | None = None, keys: str | None = None) -> Sealed:
    """The sealed store of an app on this machine, or the one at a database URL.

    `url` is a URL of `open_store`; without it a SQLite file in the user's data directory is taken. `keys` are Fernet
    keys with commas between them, the newest first; without it a key file in that directory is taken, made at first
    use and readable by its owner alone. Raises `StoreError`.
    """
    home = data_directory(app)
    chosen = keys.replace(",", " ").split() if keys else read_keys(home / "store.key")
    return Sealed(open_store(url or f"sqlite:///{home / 'store.db'}"), chosen)


def data_directory(app: str) -> Path:
    """Where the user's data of an app lies."""
    from platformdirs import user_data_path

    return user_data_path(app, appauthor=False)


def read_keys(path: Path) -> list[str]:
    """The keys of a file, one a line, the newest first; made with a new key (mode 0600) if it is missing."""
    try:
        if not path.exists():
            _make(path)
        if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StoreError(f"Others may read the key file {path}.", hint=f"Close it to them: chmod 600 {path}")
        return path.read_text(errors="replace").replace(",", " ").split()  # what is no text is no key either
    except OSError as error:
        hint = "Give yourself the right to it, or give the key in the environment."
        raise StoreError(f"The key file {path} can't be used ({error.strerror}).", hint=hint) from None


def _make(path: Path) -> None:
    """Make a key file that is complete from the first moment, if no other process was first."""
    from cryptography.fernet import Fernet

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(0o600)
    draft.write_bytes(Fernet.generate_key() + b"\n")
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
