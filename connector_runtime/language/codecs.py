"""Codecs: how a value is written (`as`). Each is a total function on the texts that its `pattern` allows. Pure."""

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
    """How a value is written. `pattern` matches the texts it can write (None: all texts); `like` is an example."""

    write: Callable[[Any], Any]
    pattern: str | None = None
    like: str = ""
    joins: bool = False  # writes a list as one text; otherwise a list is written item by item


def _digits(value: Any) -> Any:
    """`812 7943-2123` as `81279432123`; text with other characters stays as it is."""
    bare = re.sub(r"[\s\u2010-\u2015-]", "", str(value))
    return bare if re.fullmatch("[0-9]+", bare) else value


def _slash_twice(value: Any) -> Any:
    """Encode once more an ID that starts with `/` or contains `//`, which servers would otherwise split."""
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
    """The codec of an `as`: one of `CODECS`, one passed to `load`, or a text with one `{}`; None if unknown."""
    if custom and name in custom:
        return Codec(custom[name])
    if name.count("{}") == 1:
        return Codec(lambda value: name.replace("{}", text_of(value)))
    return CODECS.get(name)


def writer(codecs: tuple[Codec, ...], *, lists: bool) -> Callable[[Any], Any] | None:
    """A function that applies codecs one after the other; None if there are none. `lists`: the value can be a list."""
    if len(codecs) == 1 and (codecs[0].joins or not lists):
        return codecs[0].write
    return partial(encode, codecs) if codecs else None


def encode(codecs: tuple[Codec, ...], value: Any) -> Any:
    """Apply codecs to a value, one after the other."""
    for codec in codecs:
        by_item = isinstance(value, list) and not codec.joins
        value = [codec.write(item) for item in value] if by_item else codec.write(value)
    return value
