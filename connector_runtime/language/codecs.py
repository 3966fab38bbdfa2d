"""Codecs, which convert values for sending (`as`). None fails on a string that its `pattern` matches. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from ..sentences import either
from . import datetimes, patterns
from .places import text_of


@dataclass(frozen=True, slots=True)
class Codec:
    """A conversion. `pattern` matches the strings that it can convert (None: all strings); `like` is an example."""

    write: Callable[[Any], Any]
    pattern: str | None = None
    like: str = ""
    joins: bool = False  # joins a list to one string, rather than converting each item


def _digits(value: Any) -> Any:
    """Return `812 7943-2123` as `81279432123`; leave strings with other characters unchanged."""
    bare = re.sub(r"[\s\u2010-\u2015-]", "", str(value))
    return bare if re.fullmatch("[0-9]+", bare) else value


def _slash_twice(value: Any) -> Any:
    """Percent-encode IDs that start with `/` or contain `//` once more; otherwise, servers would split them."""
    text = str(value)
    return quote(text, safe="") if text.startswith("/") or "//" in text else value


_DATE_OR_UTC = f"{patterns.DATE}|{patterns.INSTANT}"
CODECS: dict[str, Codec] = {
    "csv": Codec(lambda data: ",".join(map(text_of, data)) if isinstance(data, list) else text_of(data), joins=True),
    "json": Codec(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")), joins=True),
    "base64": Codec(lambda value: base64.b64encode(text_of(value).encode()).decode()),
    "digits": Codec(_digits),
    "slash_twice": Codec(_slash_twice),
    "utc": Codec(datetimes.written, patterns.INSTANT, "2026-11-01T09:00:00Z"),
    "local_or_utc": Codec(datetimes.written, patterns.MOMENT, either(("2026-11-01T09:00:00", "2026-11-01T09:00:00Z"))),
    "date_or_utc": Codec(datetimes.written, _DATE_OR_UTC, either(("2026-11-01", "2026-11-01T09:00:00Z"))),
}


def codec(name: str, custom: Mapping[str, Callable[[Any], Any]] | None = None) -> Codec | None:
    """Return the codec of an `as`: custom, from `CODECS`, or made from a template with one `{}`; None if unknown."""
    if custom and name in custom:
        return Codec(custom[name])
    if name.count("{}") == 1:
        return Codec(lambda value: name.replace("{}", text_of(value)))
    return CODECS.get(name)


def writer(codecs: tuple[Codec, ...], *, lists: bool) -> Callable[[Any], Any] | None:
    """Return a function that applies codecs in order, or None if there are none; `lists`: values can be lists."""
    if len(codecs) == 1 and (codecs[0].joins or not lists):
        return codecs[0].write
    return partial(encode, codecs) if codecs else None


def encode(codecs: tuple[Codec, ...], value: Any) -> Any:
    for each in codecs:
        by_item = isinstance(value, list) and not each.joins
        value = [each.write(item) for item in value] if by_item else each.write(value)
    return value
