"""The store interface: primitives, methods built on them, and an in-memory store. Values are bytes.

A key is a string such as `connections/acme/main`. A write succeeds only if the entry still has the version read.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Any, TypeVar
from urllib.parse import quote

from ..errors import InputError, Problem, StoreError
from ..structs import Struct, shows

T = TypeVar("T")
LONGEST_PART = 200  # characters of a URL-encoded name, so two names and a prefix fit into a key
LAST = "\U0010ffff"  # sorts after every character that a key may begin with, so it ends the range of a prefix
MAX_KEY_LENGTH = 500  # characters of a key
UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # NUL and unpaired surrogates, which databases reject
DAMAGED = "damaged/"  # key prefix for entries that could not be read
UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, OSError)  # raised by `read` functions for invalid bytes
logger = logging.getLogger("connector_runtime.stores")
forking: weakref.WeakSet[Any] = weakref.WeakSet()  # `forked` is called on each of these in a child process


def _forked() -> None:
    for owner in forking:
        owner.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@shows("version")
class Entry(Struct):
    """A value of a store and its version. Versions are never reused, even if a key is deleted and written again."""

    value: bytes
    version: int


class WriteConflict(StoreError):
    """Every attempt to write the entry lost to another writer."""


class DamagedEntry(StoreError):
    """An entry cannot be read, although the rest of the store can."""


@shows()
@dataclass(frozen=True, repr=False)
class Lease(AbstractContextManager["Lease"]):
    """An exclusive right that ends when it is released, when its `with` block ends, or when its time is up."""

    give_back: Callable[[], object]

    def release(self, *error: object) -> None:
        """Release the lease early. Never raises."""
        with suppress(StoreError):  # the lease expires anyway, and a failure must not mask an error from the block
            self.give_back()

    __exit__ = release


class Store(ABC):
    """A store of versioned entries. Its methods may be called from any thread; they raise `StoreError`."""

    @abstractmethod
    def read(self, key: str) -> Entry | None:
        """Return the entry at a key, or None."""

    @abstractmethod
    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        """Write a value if the entry still has `version` (None: the key must be absent). A value of None deletes.

        Returns the new version (0 after a deletion), or None, with nothing written, if another writer got there first.
        """

    @abstractmethod
    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        """Return up to `limit` entries in key order, with keys that begin with `prefix` and sort after `after`."""

    @abstractmethod
    def lease(self, key: str, seconds: float) -> Lease | None:
        """Acquire the lease on `key` for `seconds`; None if it is taken. The lease of a dead process expires."""

    @abstractmethod
    def close(self) -> None:
        """Close files and sockets."""

    def walk(self, prefix: str, after: str = "", size: int = 100) -> Iterator[tuple[str, Entry]]:
        """Yield every entry whose key begins with `prefix` and sorts after `after`, in pages of `size` entries."""
        while page := self.scan(prefix, after, size):
            yield from page
            after = page[-1][0]

    def update(self, key: str, change: Callable[[bytes | None], bytes | None], *, tries: float = inf) -> Entry | None:
        """Replace a value with the result of `change` (None: no entry) and return the resulting entry.

        Writes nothing if the value does not change. Tries again if another writer got there first; raises
        `WriteConflict` after `tries` attempts.
        """
        while tries > 0:
            tries -= 1
            entry = self.read(key)
            old = entry.value if entry else None
            new = change(old)
            if new == old:
                return entry
            version = self.put(key, new, entry.version if entry else None)
            if version is not None:
                return None if new is None else Entry(new, version)
        raise WriteConflict(f"The store's entry {key} keeps changing.", hint="Try again.", retriable=True)

    def remove(self, key: str, entry: Entry) -> bool:
        """Delete an entry unless it has changed since it was read; return whether it was deleted."""
        return self.put(key, None, entry.version) is not None

    def rows(
        self, prefix: str, read: Callable[[bytes], T], after: str = "", limit: int | None = None
    ) -> Iterator[tuple[str, T, Entry]]:
        """Yield key, decoded value and entry of up to `limit` entries. Entries that `read` rejects are set aside."""

        def readable() -> Iterator[tuple[str, T, Entry]]:
            for key, entry in self.walk(prefix, after, limit or 100):
                try:
                    value = read(entry.value)
                except UNREADABLE:
                    self.set_aside(key, entry)
                else:
                    yield key, value, entry

        return islice(readable(), limit)

    def value(self, key: str, read: Callable[[bytes], T]) -> tuple[T, Entry] | None:
        """Return a decoded value with its entry, or None. Raises `DamagedEntry`, even if the entry was set aside."""
        entry = self.read(key)
        if entry is None:
            if self.read(_aside(key)) is not None:
                raise damaged(key)
            return None
        try:
            return read(entry.value), entry
        except UNREADABLE:
            raise damaged(key) from None

    def set_aside(self, key: str, entry: Entry) -> None:
        """Move an unreadable entry to `damaged/` unless it has changed since it was read; log its key."""
        if key.startswith(DAMAGED):
            return
        aside = _aside(key)
        try:
            self.update(aside, lambda old: entry.value)
            if self.remove(key, entry):
                logger.error("The store's entry %s is damaged and was moved to %s.", key, aside)
        except StoreError as error:
            logger.error("The store's entry %s is damaged and can't be moved: %s", key, error.message)


class MemoryStore(Store):
    """An in-memory store, lost when its process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}
        self._leases: dict[str, tuple[object, float]] = {}
        self._last = 0

    def read(self, key: str) -> Entry | None:
        with self._lock:
            return self._entries.get(key)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        with self._lock:
            entry = self._entries.get(key)
            if (entry.version if entry else None) != version:
                return None
            if value is None:
                self._entries.pop(key, None)
                return 0
            self._last += 1
            self._entries[checked(key)] = Entry(value, self._last)
            return self._last

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        with self._lock:
            keys = sorted(key for key in self._entries if key.startswith(prefix) and key > after)
            return [(key, self._entries[key]) for key in keys[:limit]]

    def lease(self, key: str, seconds: float) -> Lease | None:
        now, owner = time.monotonic(), object()
        with self._lock:
            if self._leases.get(key, (None, now))[1] > now:
                return None
            self._leases[checked(key)] = (owner, now + seconds)
        return Lease(lambda: self._release(key, owner))

    def _release(self, key: str, owner: object) -> None:
        with self._lock:
            if key in self._leases and self._leases[key][0] is owner:
                del self._leases[key]

    def close(self) -> None:
        pass


def key_part(where: str, name: str) -> str:
    """Return a name that a user chose, encoded as part of a key. Raises `InputError` at `where` if it is invalid."""
    try:
        encoded = quote(name, safe="")
    except UnicodeEncodeError:  # an unpaired surrogate
        encoded = ""
    if not 0 < len(encoded) <= LONGEST_PART or any(character < " " or character == "\x7f" for character in name):
        what = f"must be 1 to {LONGEST_PART} characters when URL-encoded, without control characters"
        raise InputError.of("the store", [Problem(where, f"{what}; a non-ASCII letter counts as six or more")])
    return encoded


def checked(key: str) -> str:
    if not key or len(key) > MAX_KEY_LENGTH or key.startswith(LAST) or UNWRITABLE.search(key):
        raise StoreError(f"A store key must be a string of 1 to {MAX_KEY_LENGTH} characters without NUL.")
    return key


def _aside(key: str) -> str:
    return f"{DAMAGED}{key}"[:MAX_KEY_LENGTH]


def damaged(key: str) -> DamagedEntry:
    return DamagedEntry(f"The store's entry {key} is damaged.", hint="Restore it from a backup, or create it again.")
