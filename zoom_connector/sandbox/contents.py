"""The bytes of recording files and of endless bodies, which are computed when they are read and never stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A part of an endless sequence derived from `name`: `size` bytes from offset `start`. Can be sliced like bytes.

    The sequence never repeats, so a test notices a piece that arrives twice, in the wrong place or from another file.
    """

    name: str
    size: int
    start: int = 0

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, span: slice) -> bytes:
        first, last, _ = span.indices(self.size)
        first, last = first + self.start, last + self.start
        if first >= last:
            return b""
        block = first // _BLOCK
        row = b"".join(self._block(number) for number in range(block, (last - 1) // _BLOCK + 1))
        return row[first - block * _BLOCK : last - block * _BLOCK]

    def _block(self, number: int) -> bytes:
        return hashlib.shake_128(f"{self.name} {number}".encode()).digest(_BLOCK)


@dataclass(frozen=True, slots=True)
class Endless:
    """The same bytes repeated, for longer than any client reads. Can be sliced like bytes."""

    piece: bytes

    def __len__(self) -> int:
        return 1 << 60

    def __getitem__(self, span: slice) -> bytes:
        first, last, _ = span.indices(len(self))
        skip = first % len(self.piece)
        times = (skip + last - first) // len(self.piece) + 1
        return (self.piece * times)[skip : skip + last - first]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """A file that can be downloaded at `path`; `meeting` is the number of its meeting, 0 if it has none.

    Each `version` has different bytes and a different tag, as when Zoom processes a recording again.
    """

    path: str
    size: int
    extension: str
    meeting: int = 0
    version: int = 1

    @property
    def tag(self) -> str:
        """The ETag."""
        return '"' + hashlib.sha256(f"{self.path} {self.version}".encode()).hexdigest()[:32] + '"'

    def content(self, first: int = 0, last: int | None = None) -> Content:
        """Return the bytes from `first` up to but excluding `last`; None: to the end."""
        stop = self.size if last is None else last
        return Content(name=f"{self.path} {self.version}", start=first, size=stop - first)
