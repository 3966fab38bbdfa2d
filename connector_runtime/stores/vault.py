"""A store whose values are encrypted at rest. Knows bytes, not their meaning.

Values are sealed with Fernet together with their key in the store, so that nobody who can write the database can put
one tenant's connection in another's place. Several keys may be in use while one follows another: the first seals, all
open.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import StoreError
from .store import Entry, Lease, Store


class Sealed(Store):
    """A store that seals what it keeps in another; `keys` are Fernet keys, the newest first."""

    def __init__(self, store: Store, keys: Sequence[str]) -> None:
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise bad_key() from None
        self._invalid: type[Exception] = InvalidToken
        self._store = store

    def __repr__(self) -> str:
        return f"Sealed({type(self._store).__name__})"

    def read(self, key: str) -> Entry | None:
        entry = self._store.read(key)
        return None if entry is None else self._unsealed(key, entry)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        return self._store.put(key, None if value is None else self._seal(key, value), version)

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

            def anew(sealed: bytes | None, key: str = key) -> bytes | None:
                return None if sealed is None else self._seal(key, self._unseal(key, sealed))

            self._store.update(key, anew)
            count += 1
        return count

    def _unsealed(self, key: str, entry: Entry) -> Entry:
        return Entry(self._unseal(key, entry.value), entry.version)

    def _seal(self, key: str, value: bytes) -> bytes:
        return self._fernet.encrypt(key.encode() + b"\0" + value)

    def _unseal(self, key: str, sealed: bytes) -> bytes:
        try:
            owner, _, value = self._fernet.decrypt(sealed).partition(b"\0")
        except self._invalid:
            raise StoreError(
                "The store is encrypted with another key, or damaged.",
                hint="Give the key it was made with; if that is lost, remove the store and connect again.",
            ) from None
        if owner.decode() != key:
            raise StoreError(f"The store's entry {key} belongs to another place.", hint="Restore it from a backup.")
        return value


def bad_key() -> StoreError:
    return StoreError(
        "The store's key is no Fernet key.",
        hint="It is 32 bytes in URL-safe base64. Make one: "
        "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'",
    )
