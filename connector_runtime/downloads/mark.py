"""What is known of a part of a file, and what an answer says of the whole: ranges, validators, sizes. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from ..calls.files import File

STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')
DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Which version of which file a part belongs to, as the vendor named it; `total` is its size in bytes."""

    of: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str | None:
        """What `If-Range` can carry: an ETag that stands for exactly these bytes, else the date of the change."""
        return self.etag if self.etag and STRONG.fullmatch(self.etag) else self.modified

    def fits(self, other: Mark) -> bool:
        """Whether nothing that both say is different."""
        pairs = ((self.etag, other.etag), (self.modified, other.modified), (self.total, other.total))
        return self.of == other.of and all(one == two for one, two in pairs if one is not None and two is not None)

    def text(self) -> str:
        return json.dumps(asdict(self))


def read(text: str) -> Mark | None:
    """A mark from its text; None if it is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    kinds = {"of": str, "etag": str | None, "modified": str | None, "total": int | None}
    if not isinstance(data, dict) or set(data) != set(kinds):
        return None
    return Mark(**data) if all(isinstance(data[key], kind) for key, kind in kinds.items()) else None


def identity(file: File) -> str:
    """What tells a file from others of its vendor; no secret can be read from it."""
    parts = urlsplit(file.url)
    return hashlib.sha256((file.id or f"{parts.netloc}{parts.path}").encode()).hexdigest()[:24]


def of_answer(file: File, headers: Mapping[str, str], total: int | None) -> Mark:
    """What an answer says of the file's version."""
    etag, modified = headers.get("etag"), headers.get("last-modified")
    return Mark(
        of=identity(file),
        etag=etag if etag and re.fullmatch(r'(W/)?"[^"]*"', etag) else None,
        modified=modified if modified and DATE.fullmatch(modified) else None,
        total=total,
    )


def range_headers(have: int, mark: Mark | None) -> dict[str, str]:
    """The headers that ask for what is missing: nothing where all of it is."""
    if have <= 0 or mark is None:
        return {}
    asked = {"Range": f"bytes={have}-"}
    return {**asked, "If-Range": mark.validator} if mark.validator else asked


def length(headers: Mapping[str, str]) -> int | None:
    """The size of a whole answer's body in bytes; None if it does not say."""
    text = headers.get("content-length", "")
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def extent(headers: Mapping[str, str]) -> tuple[int, int | None] | None:
    """Where a partial answer begins, and the size of the whole file; None if it does not say or makes no sense."""
    found: Any = RANGE.fullmatch(headers.get("content-range", "").strip())
    if found is None:
        return None
    first, last, total = int(found[1]), int(found[2]), None if found[3] is None else int(found[3])
    return None if last < first or (total is not None and last != total - 1) else (first, total)
