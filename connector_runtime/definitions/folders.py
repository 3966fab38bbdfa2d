"""Definition folders on disk or inside a package, and what is kept of them.

What was checked once is kept for the next start until a file that it came from changes, as JSON in a folder that is the
user's alone; a damaged entry is none. CONNECTOR_CACHE names another place, or is `off`.
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

Stamp = list[int] | None  # a file's length, and when it and its entry changed, in ns; None if there is none
FRESH = 2.0  # seconds; a file changed so lately may change again without a trace in its times
FORGOTTEN = 30 * 86400.0  # seconds after which the entries of a folder go, when another folder comes


def load(path: str | Path | Traversable, *, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> Connector:
    """The connector that a definition folder describes. A folder is code: load only folders you would import.

    `codecs` adds words to `as`: pure functions from value to value. Raises `DefinitionError` if there is no
    connector.yaml; an action's faults are raised when it is first asked for, and `Connector.check` finds all.
    """
    root = Path(path) if isinstance(path, str) else path
    if not (root / "connector.yaml").is_file():
        raise DefinitionError.of([Problem(str(path), "is no definition folder: it has no connector.yaml")])
    keeps = isinstance(root, Path) and not codecs  # what lies in an archive is read each time
    return Connector(Sources(root, codecs or {}, Cache(str(root)).get if keeps else None))


class Cache:
    """The entries of one folder of files."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA", "")
        elif sys.platform == "darwin":
            base = os.path.expanduser("~/Library/Caches")
        else:
            base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.environ.get("CONNECTOR_CACHE") or base
        self._home = os.path.join(base, "connector-runtime") if os.path.isabs(base) else None  # None: nothing is kept
        self._place = os.path.join(self._home or "", f"{zlib.crc32(os.fsencode(self._root)):08x}")
        self._seen = cache(lambda path: _stamp(os.path.join(self._root, path)))

    def get(self, path: str, make: Make) -> Any:
        """What was kept for a path in the folder, or what `make` gives."""
        entry = os.path.join(self._place, f"{path.replace('/', '-')}.json")
        try:
            if self._home is not None and _is_private(self._home):
                with open(entry, encoding="utf-8") as file:
                    head, _, body = file.read().partition("\n")
                said = json.loads(head)
                if said == self._head(said["sources"], body):
                    return json.loads(body)
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            pass  # it is not there, or damaged
        data, sources = make()
        try:
            if self._home is not None:
                self._put(self._home, entry, json.dumps(data), sources)
        except (OSError, ValueError):
            pass  # there is no room, or no right to it
        return data

    def _head(self, sources: Iterable[str], body: str) -> dict[str, Any]:
        stamps = {source: self._seen(source) for source in sources}
        return {"root": self._root, "runtime": _runtime(), "sum": zlib.crc32(body.encode()), "sources": stamps}

    def _put(self, home: str, path: str, body: str, sources: Iterable[str]) -> None:
        """Keep an entry, in a folder that is made for it where there is none; it must be the user's alone."""
        head = self._head(sources, body)
        times = [moment for stamp in head["sources"].values() for moment in (stamp or ())[1:]]
        if max(times, default=0) > (time.time() - FRESH) * 1e9:
            return
        if not os.path.isdir(home):
            os.makedirs(os.path.dirname(home), exist_ok=True)
            os.mkdir(home, 0o700)
        if not _is_private(home):
            return
        if not os.path.isdir(self._place):
            import shutil  # which takes longer to load than all the rest

            for old in os.scandir(home):
                if old.stat(follow_symlinks=False).st_mtime < time.time() - FORGOTTEN:
                    shutil.rmtree(old.path, ignore_errors=True)
            os.mkdir(self._place, 0o700)
        mine = f"{path}.{os.getpid()}"
        with open(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{json.dumps(head)}\n{body}")
        os.replace(mine, path)


def _is_private(folder: str) -> bool:
    found = os.lstat(folder)
    mine = sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077)
    return mine and stat.S_ISDIR(found.st_mode)


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


@cache
def _runtime() -> int:
    """Which state of the code it is that reads and checks, and of the language's schemas."""
    above = os.path.dirname(os.path.dirname(__file__))
    rooms = ("", "definitions", "definitions/checks", "language", "types", "inputs", "calls", "schemas", "../schemas")
    folders = [folder for folder in (os.path.join(above, room) for room in rooms) if os.path.isdir(folder)]
    files = [os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder))]
    return zlib.crc32(repr([_stamp(file) for file in files if file.endswith((".py", ".json"))]).encode())
