"""A store whose values are encrypted at rest, and where its key comes from. Knows bytes, not their meaning.

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
from typing import Any

from ..errors import StoreError
from .store import Entry, Lease, Store, open_store


def open_vault(app: str, url: str | None = None, keys: str | None = None) -> Sealed:
    """The sealed store of an app on this machine, or the one at a database URL.

    `url` is a URL of `store.open_store`; without it a SQLite file in the user's data directory is taken. `keys` are
    Fernet keys with commas between them, the newest first; without it a key file in that directory is taken, made at
    first use and readable by its owner alone. Raises `StoreError`.
    """
    home = data_directory(app)
    chosen = split(keys) if keys else read_keys(home / "store.key")
    return Sealed(open_store(url or f"sqlite:///{home / 'store.db'}"), chosen)


def data_directory(app: str) -> Path:
    """Where the user's data of an app lies."""
    from platformdirs import user_data_path

    return user_data_path(app, appauthor=False)


def split(keys: str) -> list[str]:
    """The keys of a text with commas or line breaks between them."""
    return [key for key in keys.replace(",", "\n").split() if key]


def read_keys(path: Path) -> list[str]:
    """The keys of a file, one a line, the newest first; made with a new key (mode 0600) if it is missing."""
    try:
        if not path.exists():
            _make(path)
        mode = path.stat().st_mode
        if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StoreError(f"Others may read the key file {path}.", hint=f"Close it to them: chmod 600 {path}")
        return split(path.read_text())
    except OSError as error:
        hint = "Give yourself the right to it, or give the key in the environment."
        raise StoreError(f"The key file {path} can't be used ({error.strerror}).", hint=hint) from None
    except UnicodeDecodeError:
        raise _bad_key() from None


def _make(path: Path) -> None:
    """Make a key file that is complete from the first moment, if no other process was first."""
    from cryptography.fernet import Fernet

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(FileExistsError):
        os.close(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600))
    draft.write_bytes(Fernet.generate_key() + b"\n")
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


class Sealed:
    """A store that seals what it keeps in another; `keys` are Fernet keys, the newest first."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise _bad_key() from None
        self._invalid: type[Exception] = InvalidToken
        self._store = store

    def __repr__(self) -> str:
        return f"Sealed({type(self._store).__name__})"

    def read(self, key: str) -> Entry | None:
        found = self._store.read(key)
        return None if found is None else self._opened(key, found)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        sealed = None if value is None else self._fernet.encrypt(key.encode() + b"\0" + value)
        return self._store.put(key, sealed, version)

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        return [(key, self._opened(key, found)) for key, found in self._store.scan(prefix, after, limit)]

    def lease(self, key: str, seconds: float) -> Lease | None:
        return self._store.lease(key, seconds)

    def close(self) -> None:
        self._store.close()

    def rekey(self) -> int:
        """Seal everything anew with the newest key, so that older ones can go; returns how many values there are."""
        count, after = 0, ""
        while page := self._store.scan("", after):
            for key, found in page:
                while found is not None and self.put(key, self._opened(key, found).value, found.version) is None:
                    found = self._store.read(key)  # type: ignore[assignment]  # somebody wrote it meanwhile
                count += 1
            after = page[-1][0]
        return count

    def _opened(self, key: str, found: Entry) -> Entry:
        try:
            whose, _, value = self._fernet.decrypt(found.value).partition(b"\0")
        except self._invalid:
            raise StoreError(
                "The store is encrypted with another key, or damaged.",
                hint="Give the key it was made with; if that is lost, remove the store and connect again.",
            ) from None
        if whose.decode() != key:
            raise StoreError(f"The store's entry {key} belongs to another place.", hint="Restore it from a backup.")
        return Entry(value, found.version)


def _bad_key() -> Any:
    return StoreError(
        "The store's key is no Fernet key.",
        hint="It is 32 bytes in URL-safe base64. Make one: "
        "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'",
    )
