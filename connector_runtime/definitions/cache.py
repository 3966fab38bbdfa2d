"""What was read and checked once, kept for the next start until a file that it came from changes.

An entry is JSON in a folder that is the user's alone: data, never code. One that is damaged, or that anything has
changed under, is none; where nothing can be kept, nothing is lost. CONNECTOR_CACHE names another place, or is `off`.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

Stamp = list[int] | None  # a file's length, and when it and its entry changed, in ns; None if there is none
FRESH = 2.0  # seconds; a file changed so lately may change again without a trace in its times
FORGOTTEN = 30 * 86400.0  # seconds after which the entries of a folder go, when another folder comes


class Cache:
    """The entries of one folder of files."""

    def __init__(self, root: str) -> None:
        self._root = os.path.abspath(root)
        self._home = _home()
        self._place = os.path.join(self._home or "", f"{zlib.crc32(os.fsencode(self._root)):08x}")
        self._seen = cache(lambda path: _stamp(os.path.join(self._root, path)))

    def get(self, name: str, make: Callable[[], tuple[Any, Iterable[str]]]) -> Any:
        """The data of that name, or what `make` gives: JSON data, and the files and folders that it comes from."""
        path = os.path.join(self._place, f"{name}.json")
        try:
            if self._home is not None and _is_private(self._home):
                with open(path, encoding="utf-8") as file:
                    head, _, body = file.read().partition("\n")
                said = json.loads(head)
                if said == self._head(said["sources"], body):
                    return json.loads(body)
        except (OSError, ValueError, TypeError, LookupError, RecursionError):
            pass  # it is not there, or damaged
        data, sources = make()
        try:
            if self._home is not None:
                self._put(path, json.dumps(data), sources)
        except (OSError, ValueError):
            pass  # there is no room, or no right to it
        return data

    def _head(self, sources: Iterable[str], body: str) -> dict[str, Any]:
        stamps = {source: self._seen(source) for source in sources}
        return {"root": self._root, "runtime": _runtime(), "sum": zlib.crc32(body.encode()), "sources": stamps}

    def _put(self, path: str, body: str, sources: Iterable[str]) -> None:
        head = self._head(sources, body)
        times = [moment for stamp in head["sources"].values() for moment in (stamp or ())[1:]]
        if max(times, default=0) > (time.time() - FRESH) * 1e9 or not self._has_room():
            return
        mine = f"{path}.{os.getpid()}"
        with open(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{json.dumps(head)}\n{body}")
        os.replace(mine, path)

    def _has_room(self) -> bool:
        """Make the folder for the entries; it must be the user's alone."""
        assert self._home is not None
        if not os.path.isdir(self._home):
            os.makedirs(os.path.dirname(self._home), exist_ok=True)
            os.mkdir(self._home, 0o700)
        if not _is_private(self._home):
            return False
        if not os.path.isdir(self._place):
            _forget(self._home)
            os.mkdir(self._place, 0o700)
        return True


def _home() -> str | None:
    """The folder for the entries of all folders; None if none are to be kept."""
    chosen = os.environ.get("CONNECTOR_CACHE", "")
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    base = chosen or base
    return os.path.join(base, "connector-runtime") if os.path.isabs(base) else None


def _is_private(folder: str) -> bool:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        return False
    return sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077)


def _forget(home: str) -> None:
    import shutil  # which takes longer to load than all the rest

    for entry in os.scandir(home):
        if entry.stat(follow_symlinks=False).st_mtime < time.time() - FORGOTTEN:
            shutil.rmtree(entry.path, ignore_errors=True)


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


@cache
def _runtime() -> int:
    """Which state of the code it is that reads and checks, and of the language's schemas."""
    here = os.path.dirname(__file__)
    above = os.path.dirname(here)
    schemas = [os.path.join(above, "schemas"), os.path.join(os.path.dirname(above), "schemas")]
    rooms = [here, os.path.join(here, "checks"), *(os.path.join(above, room) for room in ("inputs", "calls")), above]
    folders = [*rooms, *(folder for folder in schemas if os.path.isdir(folder))]
    files = [os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder))]
    return zlib.crc32(repr([_stamp(file) for file in files if file.endswith((".py", ".json"))]).encode())
