"""A download's partial file (its part), and a note recording its version. Only `finish` touches another file."""

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
except ImportError:  # Windows refuses to rename a file that another program has open
    fcntl = None  # type: ignore[assignment]

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FLAGS = os.O_RDWR | os.O_CREAT
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY", "O_CLOEXEC"):  # if the system has them
    FLAGS |= getattr(os, _name, 0)
MAX_NOTE_BYTES = 4096


def size_of(path: Path) -> int | None:
    """Return the size of a file (or of a link's target) in bytes; None if no regular file exists."""
    with suppress(OSError, ValueError):
        status = path.stat()
        return status.st_size if stat.S_ISREG(status.st_mode) else None
    return None


def opened(path: Path) -> int:
    """Open or create a file for this download's exclusive use.

    Raises `OSError` for a link (even a hard link), pipe or device, and `BlockingIOError` if another download has it.
    """
    file = os.open(path, FLAGS, 0o666)
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            raise OSError(errno.EEXIST, "it is a hard link, a pipe or a device; remove it")
        if not os.path.lexists(path) or not os.path.samestat(status, os.lstat(path)):
            raise BlockingIOError  # another download has just finished it
    except BaseException:
        os.close(file)
        raise
    return file


class PartFile:
    """A part, open in only one download at a time. It stays on disk after closing unless it is empty."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")
        self._files: list[int] = []  # the part and its note
        self.size = 0
        self.version: FileVersion | None = None

    def open(self) -> None:
        """Open or create the part. Raises `InputError` on failure, or if another download has it open."""
        for path in (self._path, self._note):
            try:
                self._files.append(opened(path))
                self.size = os.fstat(self._files[0]).st_size
            except BlockingIOError:
                self.close()
                raise self._unusable("is being downloaded by another program; wait for it to finish") from None
            except OSError as error:
                self.close()
                raise self._unusable(f"cannot be written: {error.strerror}", path) from None
        with suppress(OSError, ValueError):
            self.version = read_version(os.read(self._files[1], MAX_NOTE_BYTES).decode())

    def begin(self, at: int, version: FileVersion) -> None:
        """Truncate the part to `at` bytes, and record this version."""
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

    def write(self, piece: bytes | bytearray) -> None:
        with self._writing():
            rest = memoryview(piece)
            while rest:
                written = os.write(self._files[0], rest)
                self.size += written
                rest = rest[written:]

    def finish(self, overwrite: bool) -> None:
        """Flush the part to disk, and rename it to the final file."""
        with self._writing():
            os.fsync(self._files[0])
            if not overwrite and os.path.lexists(self.target) and size_of(self.target) != 0:
                raise self._unusable("appeared during the download; use overwrite to replace it")
            if os.name == "nt":  # Windows cannot rename open files
                self._close_files()
            os.replace(self._path, self.target)
            self._note.unlink(missing_ok=True)
            self._close_files()
            if hasattr(os, "O_DIRECTORY"):
                folder = os.open(self.target.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def close(self) -> None:
        """Close the part, and remove it if it is empty."""
        empty = (self._path, self._note)[: len(self._files)] if self.size == 0 else ()
        if os.name == "nt":  # Windows cannot remove open files
            self._close_files()
        for path in empty:
            with suppress(OSError):
                path.unlink()
        self._close_files()

    def _close_files(self) -> None:
        while self._files:
            os.close(self._files.pop())

    def _unusable(self, what: str, path: Path | None = None) -> InputError:
        return InputError.of("the download", [Problem(str(path or self.target), what)])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Convert disk errors to `InputError` with a remedy."""
        try:
            yield
            return
        except OSError as error:
            is_full = error.errno in DISK_FULL
            what = "the disk is full" if is_full else str(error.strerror)
        remedy = "free up some space" if is_full else "fix the problem"
        raise self._unusable(f"{what}; the part is kept: {remedy} and download the file again")
