"""Where a file is written until it is whole: a part, and beside it what it is a part of. It spares all else."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, Problem
from .fetch import FileVersion, read_version

try:
    import fcntl
except ImportError:  # Windows refuses by itself to rename what another program has open
    fcntl = None  # type: ignore[assignment]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FLAGS = os.O_RDWR | os.O_CREAT
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_CLOEXEC"):  # those that this system has
    FLAGS |= getattr(os, _name, 0)
LONGEST_VERSION = 4096  # bytes of what stands beside a part


def size_of(path: Path) -> int | None:
    """How many bytes a file has, also behind a link; None if there is none that can be looked at."""
    with suppress(OSError, ValueError):
        there = path.stat()
        return there.st_size if stat.S_ISREG(there.st_mode) else None
    return None


def opened(path: Path) -> int:
    """A file that this download has to itself, made if it is missing.

    Raises `OSError` for what is not ours to write: a link, a pipe, a device, a file with a second name; and
    `BlockingIOError` where another download has it.
    """
    file = os.open(path, FLAGS, 0o666)
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.fstat(file)
        if not stat.S_ISREG(there.st_mode) or there.st_nlink > 1:
            raise OSError(errno.EEXIST, "it is a link, a pipe or a device; take it away")
        if not os.path.lexists(path) or not os.path.samestat(there, os.lstat(path)):
            raise BlockingIOError  # which has just finished it
    except BaseException:
        os.close(file)
        raise
    return file


class PartFile:
    """A part that one download has to itself; closing it keeps it for the next one, if there is anything to keep."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")
        self._files: list[int] = []  # the part, and what says of what it is a part
        self.size = 0
        self.version: FileVersion | None = None

    def open(self) -> None:
        """Open the part, or begin one. Raises `InputError` if that can't be, or another download has it."""
        for path in (self._path, self._note):
            try:
                self._files.append(opened(path))
                self.size = os.fstat(self._files[0]).st_size
            except BlockingIOError:
                self.close()
                raise self._unusable("is being downloaded by another program; wait for it") from None
            except OSError as error:
                self.close()
                raise self._unusable(f"can't be written: {error.strerror}", path) from None
        with suppress(OSError, ValueError):
            self.version = read_version(os.read(self._files[1], LONGEST_VERSION).decode())

    def begin(self, at: int, version: FileVersion) -> None:
        """Keep the first `at` bytes, as a part of what `version` names."""
        part, note = self._files
        with self._writing():
            os.ftruncate(part, at)
            os.lseek(part, at, os.SEEK_SET)
            self.size = at
            if version != self.version:
                os.ftruncate(note, 0)
                os.lseek(note, 0, os.SEEK_SET)
                os.write(note, version.text().encode())
                self.version = version

    def forget(self) -> int:
        """Keep nothing of what has arrived; how much it was."""
        size = self.size
        if self.version is not None:
            self.begin(0, self.version)
        return size

    def write(self, piece: bytes | bytearray) -> None:
        with self._writing():
            rest = memoryview(piece)
            while rest:
                written = os.write(self._files[0], rest)
                self.size += written
                rest = rest[written:]

    def finish(self, overwrite: bool) -> None:
        """Make the part the file: on disk first, then under its name."""
        with self._writing():
            os.fsync(self._files[0])
            if not overwrite and os.path.lexists(self.target) and size_of(self.target) != 0:
                raise self._unusable("has appeared meanwhile; say overwrite to replace it")
            if os.name == "nt":  # which does not rename what is open
                self._let_go()
            os.replace(self._path, self.target)
            self._note.unlink(missing_ok=True)
            self._let_go()
            if hasattr(os, "O_DIRECTORY"):
                folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def close(self) -> None:
        """Let go of the part, which stays unless it is empty."""
        empty = (self._path, self._note)[: len(self._files)] if self.size == 0 else ()
        if os.name == "nt":  # which removes nothing that is open
            self._let_go()
        for path in empty:
            with suppress(OSError):
                path.unlink()
        self._let_go()

    def _let_go(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def _unusable(self, what: str, path: Path | None = None) -> InputError:
        return InputError.of("the download", [Problem(str(path or self.target), what)])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """What the disk refuses, as an error that says what to do."""
        try:
            yield
            return
        except OSError as error:
            is_full = error.errno in FULL
            what = "the disk is full" if is_full else str(error.strerror)
        remedy = "make room" if is_full else "mend that"
        raise self._unusable(f"{what}; what has arrived is kept: {remedy} and download it again")
