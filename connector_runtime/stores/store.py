"""Where what must outlive a call is kept: a few primitives, and the loops around them. Knows bytes, not their meaning.

A key is a text such as `connections/acme/main`. A value is written only over the version that was read.
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
from ..structs import shows

T = TypeVar("T")
LONGEST_PART = 200  # characters of a name in a key, as a URL has it: two of them and what stands around them fit
LAST = "\U0010ffff"  # no key begins with it, so it ends the range of a prefix
LONGEST = 500  # characters of a key
UNWRITABLE = re.compile("[\0\ud800-\udfff]")  # characters and halves of them that no database takes
DAMAGED = "damaged/"  # below it lie entries that could not be read, under the keys that they had
UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, OSError)  # what reading a value raises where it is none
logger = logging.getLogger("connector_runtime.stores")
forking: weakref.WeakSet[Any] = weakref.WeakSet()  # what holds locks or connections: its `forked` runs in a child


def _forked() -> None:
    for each in forking:
        each.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@shows("version")
@dataclass(frozen=True, slots=True, repr=False)
class Entry:
    """A value of a store and its version. No version returns, even if a key is deleted and written again."""

    value: bytes
    version: int


class WriteConflict(StoreError):
    """Other writers were first, again and again."""


class DamagedEntry(StoreError):
    """One entry can't be read; those around it can."""


@shows()
@dataclass(frozen=True, repr=False)
class Lease(AbstractContextManager["Lease"]):
    """A right that nobody else has until it is released, by `give_back`, or its time is up; `with` releases it."""

    give_back: Callable[[], object]

    def release(self, *error: object) -> None:
        """Give the lease back before its time is up. Raises nothing."""
        with suppress(StoreError):  # it ends by itself, and what happened under it matters more
            self.give_back()

    __exit__ = release


class Store(ABC):
    """Keeps values by key. All of it may be called from any thread. Raises `StoreError` where it fails."""

    @abstractmethod
    def read(self, key: str) -> Entry | None:
        """The entry of that key, or None."""

    @abstractmethod
    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        """Write if unchanged: `version` is the one read (None: the key must be absent); a value of None deletes.

        Returns the new version (0 for a deletion), or None if somebody else was first: then nothing was written.
        """

    @abstractmethod
    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        """At most `limit` entries whose keys begin with `prefix` and come after `after`, in the order of their keys."""

    @abstractmethod
    def lease(self, key: str, seconds: float) -> Lease | None:
        """The sole right to `key` for `seconds`, or None if somebody has it. A dead holder's ends with its time."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and sockets."""

    def walk(self, prefix: str) -> Iterator[tuple[str, Entry]]:
        """Every entry whose key begins with `prefix`, in the order of their keys, read a page at a time."""
        after = ""
        while page := self.scan(prefix, after):
            yield from page
            after = page[-1][0]

    def update(self, key: str, change: Callable[[bytes | None], bytes | None], *, tries: float = inf) -> Entry | None:
        """Write what `change` makes of the value that is there (None: none, on both sides); again if another was first.

        Nothing is written where it makes the same. Returns the entry as it is then. After `tries` times in which
        another was first, raises `WriteConflict`.
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
        """Delete an entry if it is still the one that was read."""
        return self.put(key, None, entry.version) is not None

    def rows(
        self, prefix: str, read: Callable[[bytes], T], after: str = "", limit: int | None = None
    ) -> Iterator[tuple[str, T, Entry]]:
        """As `walk`, each entry with its value as `read` gives it, `limit` of them at most.

        What `read` can't read (it raises one of `UNREADABLE`) is set aside and left out.
        """
        return islice(self._read_each(prefix, read, after, limit or 100), limit)

    def _read_each(
        self, prefix: str, read: Callable[[bytes], T], after: str, size: int
    ) -> Iterator[tuple[str, T, Entry]]:
        while page := self.scan(prefix, after, size):
            for after, entry in page:
                try:
                    value = read(entry.value)
                except UNREADABLE:
                    self.set_aside(after, entry)
                else:
                    yield after, value, entry

    def value(self, key: str, read: Callable[[bytes], T]) -> tuple[T, Entry] | None:
        """The value of a key as `read` gives it, and its entry; None if there is none.

        Raises `DamagedEntry` for what `read` can't read, also when it was set aside before.
        """
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
        """Move an entry that can't be read below `damaged/`, if it is still there as it was read, and log its key."""
        if key.startswith(DAMAGED):
            return
        place = _aside(key)
        try:
            self.update(place, lambda old: entry.value)
            if self.remove(key, entry):
                logger.error("The store's entry %s is damaged; it lies under %s now.", key, place)
        except StoreError as error:
            logger.error("The store's entry %s is damaged, and can't be set aside: %s", key, error.message)


class MemoryStore(Store):
    """A store that ends with its process."""

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
            found = self._entries.get(key)
            if (found.version if found else None) != version:
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
    """A name that somebody chose, as it stands in keys. Raises `InputError` for one that cannot, and says `where`."""
    try:
        written = quote(name, safe="")
    except UnicodeEncodeError:  # half of a character
        written = ""
    if not 0 < len(written) <= LONGEST_PART or any(character < " " or character == "\x7f" for character in name):
        what = f"must be a text without control characters that takes 1 to {LONGEST_PART} characters in a URL"
        raise InputError.of("the store", [Problem(where, f"{what}; a letter beyond ASCII takes six or more")])
    return written


def checked(key: str) -> str:
    if not key or len(key) > LONGEST or key.startswith(LAST) or UNWRITABLE.search(key):
        raise StoreError(f"A key of the store must be a text of 1 to {LONGEST} characters without NUL.")
    return key


def _aside(key: str) -> str:
    return f"{DAMAGED}{key}"[:LONGEST]


def damaged(key: str) -> DamagedEntry:
    """What is raised where one entry is asked for that can't be read."""
    return DamagedEntry(f"The store's entry {key} is damaged.", hint="Restore it from a backup, or make it anew.")
