"""Which store an address means, and where the key of a sealed one comes from."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import StoreError
from .store import MemoryStore, Store
from .vault import Sealed, bad_key


def open_store(url: str) -> Store:
    """The store at a database URL: `memory://`, `sqlite:///relative/path`, `sqlite:////absolute/path`, `postgresql://…`.

    A SQLite file is made if it is missing, for its owner alone (mode 0600). Raises `StoreError`.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "memory":
        return MemoryStore()
    if scheme == "sqlite" and rest[1:]:
        from .database import Sqlite

        return Sqlite(Path(rest[1:]).expanduser())
    if scheme in ("postgresql", "postgres"):
        from .database import Postgres

        return Postgres(url)
    raise StoreError(
        "The store's address is none that is known.",  # it can hold a password
        hint="Give sqlite:///path/to/file, postgresql://user@host/database or memory://.",
    )


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
        raise bad_key() from None


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
