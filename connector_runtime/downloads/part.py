"""The part of a file on disk: `.NAME.part` beside its target, with what it is a part of, until it is renamed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, Problem
from .fetch import Mark, mark_read

try:
    import fcntl
except ImportError:  # Windows refuses by itself to rename what another program has open
    fcntl = None  # type: ignore[assignment]

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Part:
    """A part that one download has to itself; closing it keeps it for the next one."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._path = target.with_name(f".{target.name}.part")
        self._beside = target.with_name(f".{target.name}.part.json")
        self._file = -1
        self.size = 0
        self.mark: Mark | None = None

    def open(self) -> None:
        """Open the part, or begin one. Raises `InputError` if that can't be, or another download has it."""
        try:
            self._file = os.open(self._path, FLAGS, 0o666)
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise _unusable(self.target, "is being downloaded by another program; wait for it") from None
        except OSError as error:
            self.close()
            raise _unusable(self.target, f"can't be written: {error.strerror}") from None
        self.size = os.fstat(self._file).st_size
        with suppress(OSError, ValueError):
            self.mark = mark_read(self._beside.read_text(encoding="utf-8"))

    def begin(self, at: int, mark: Mark) -> None:
        """Keep the first `at` bytes, as a part of what `mark` names."""
        with _writing(self.target):
            os.ftruncate(self._file, at)
            os.lseek(self._file, at, os.SEEK_SET)
            self.size = at
            if mark != self.mark:
                self._beside.write_text(mark.text(), encoding="utf-8")
                self.mark = mark

    def write(self, piece: bytes | bytearray) -> None:
        with _writing(self.target):
            rest = memoryview(piece)
            while rest:
                written = os.write(self._file, rest)
                self.size += written
                rest = rest[written:]

    def finish(self, overwrite: bool) -> None:
        """Make the part the file: on disk first, then under its name."""
        with _writing(self.target):
            os.fsync(self._file)
            if not overwrite and os.path.lexists(self.target):
                raise _unusable(self.target, "has appeared meanwhile; say overwrite to replace it")
            if os.name == "nt":  # which does not rename what is open
                self.close()
            os.replace(self._path, self.target)
            self._beside.unlink(missing_ok=True)
            self.close()
            if hasattr(os, "O_DIRECTORY"):
                folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def close(self) -> None:
        """Let go of the part, which stays."""
        if self._file >= 0:
            file, self._file = self._file, -1
            os.close(file)


def _unusable(target: Path, what: str) -> InputError:
    return InputError.of("the download", [Problem(str(target), what)])


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """What the disk refuses, as an error that says what to do."""
    try:
        yield
        return
    except OSError as error:
        is_full = error.errno in FULL
        what = "the disk is full" if is_full else str(error.strerror)
    remedy = "make room" if is_full else "mend that"
    raise _unusable(target, f"{what}; what has arrived is kept: {remedy} and download it again")
