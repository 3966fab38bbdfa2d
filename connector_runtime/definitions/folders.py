"""Loads definition folders from disk or from a package, and caches checked definitions.

As long as no source file changes, later starts skip the check. Cache entries are JSON in a folder that only the user
can read; damaged entries are ignored. CONNECTOR_CACHE names another folder, or is `off`.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, Problem
from .connector import Connector
from .sources import Make, Sources

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

Stamp = list[int] | None  # a file's length, mtime and ctime in ns; None if it does not exist
MIN_FILE_AGE = 2.0  # seconds; a younger file could change again without a visible change of its times
MAX_FOLDER_AGE = 30 * 86400.0  # seconds; older folders are deleted when the cache gets a new folder


def load(path: str | Path | Traversable, *, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> Connector:
    """Load the connector of a definition folder. A folder is code: load only folders that you would import.

    `codecs` adds codecs for `as`: pure functions from value to value, by name. Raises `DefinitionError` if there is no
    connector.yaml. Other faults are raised when a file is first used; `Connector.check` finds them all.
    """
    root = Path(path) if isinstance(path, str) else path
    if not (root / "connector.yaml").is_file():
        raise DefinitionError.of([Problem(str(path), "is not a definition folder: it has no connector.yaml")])
    is_cached = isinstance(root, Path) and not codecs  # files in an archive have no times to compare
    return Connector(Sources(root, codecs or {}, Cache(str(root)).get if is_cached else None))


class Cache:
    """The cached data of one definition folder, with one entry per file."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA", "")
        elif sys.platform == "darwin":
            base = os.path.expanduser("~/Library/Caches")
        else:
            base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.environ.get("CONNECTOR_CACHE") or base
        self._home = os.path.join(base, "connector-runtime") if os.path.isabs(base) else None  # None: no cache
        self._folder = os.path.join(self._home or "", f"{zlib.crc32(os.fsencode(self._root)):08x}")
        self._stamp = cache(lambda path: _stamp(os.path.join(self._root, path)))

    def get(self, path: str, make: Make) -> Any:
        """Return the cached data of a file, or the data that `make` returns."""
        entry = os.path.join(self._folder, f"{path.replace('/', '-')}.json")
        try:
            if self._home is not None and _is_private(self._home):
                with open(entry, encoding="utf-8") as file:
                    head, _, body = file.read().partition("\n")
                stored = json.loads(head)
                if stored == self._head(stored["sources"], body):
                    return json.loads(body)
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            pass  # missing or damaged
        data, sources = make()
        try:
            if self._home is not None:
                self._put(self._home, entry, json.dumps(data), sources)
        except (OSError, ValueError):
            pass  # the disk is full, or the folder is not writable
        return data

    def _head(self, sources: Iterable[str], body: str) -> dict[str, Any]:
        stamps = {source: self._stamp(source) for source in sources}
        return {"root": self._root, "runtime": _runtime(), "sum": zlib.crc32(body.encode()), "sources": stamps}

    def _put(self, home: str, path: str, body: str, sources: Iterable[str]) -> None:
        """Write an entry, creating its folder if needed, but only below a folder that is private to the user."""
        head = self._head(sources, body)
        times = [moment for stamp in head["sources"].values() for moment in (stamp or ())[1:]]
        if max(times, default=0) > (time.time() - MIN_FILE_AGE) * 1e9:
            return
        if not os.path.isdir(home):
            os.makedirs(os.path.dirname(home), exist_ok=True)
            os.mkdir(home, 0o700)
        if not _is_private(home):
            return
        if not os.path.isdir(self._folder):
            import shutil  # slow to load

            for old in os.scandir(home):
                if old.stat(follow_symlinks=False).st_mtime < time.time() - MAX_FOLDER_AGE:
                    shutil.rmtree(old.path, ignore_errors=True)
            os.mkdir(self._folder, 0o700)
        temporary = f"{path}.{os.getpid()}"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{json.dumps(head)}\n{body}")
        os.replace(temporary, path)


def _is_private(folder: str) -> bool:
    status = os.lstat(folder)
    is_own = sys.platform == "win32" or (status.st_uid == os.geteuid() and not status.st_mode & 0o077)
    return is_own and stat.S_ISDIR(status.st_mode)


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


@cache
def _runtime() -> int:
    """Return a checksum over the stamps of the code that checks definitions and of the language's schemas."""
    package = os.path.dirname(os.path.dirname(__file__))
    parts = ("", "definitions", "definitions/checks", "language", "types", "inputs", "calls", "schemas", "../schemas")
    folders = [folder for folder in (os.path.join(package, part) for part in parts) if os.path.isdir(folder)]
    files = [os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder))]
    return zlib.crc32(repr([_stamp(file) for file in files if file.endswith((".py", ".json"))]).encode())
