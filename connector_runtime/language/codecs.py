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
    """How a value is written. `pattern` is one of the texts it can write (None: any), `like` an example of one."""

    write: Callable[[Any], Any]
    pattern: str | None = None
    like: str = ""
    joins: bool = False  # writes a list as one text; otherwise a list is written item by item


def _digits(value: Any) -> Any:
    """`812 7943-2123` as `81279432123`; anything else than digits, blanks and dashes stays as it is."""
    bare = re.sub(r"[\s\u2010-\u2015-]", "", str(value))
    return bare if re.fullmatch("[0-9]+", bare) else value


def _slash_twice(value: Any) -> Any:
    """One encoding more for an id that starts with `/` or holds `//`, which servers would otherwise take apart."""
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


def codec(name: str, more: Mapping[str, Callable[[Any], Any]] | None = None) -> Codec | None:
    """The codec of an `as`: of the closed list, given to `load`, or a text with one `{}`; None if it is none."""
    if more and name in more:
        return Codec(more[name])
    if name.count("{}") == 1:
        return Codec(lambda value: name.replace("{}", text_of(value)))
    return CODECS.get(name)


def writer(codecs: tuple[Codec, ...], *, lists: bool) -> Callable[[Any], Any] | None:
    """What writes a value by its codecs in turn, compiled once; None if there are none. `lists`: it can be a list."""
    if len(codecs) == 1 and (codecs[0].joins or not lists):
        return codecs[0].write
    return partial(encode, codecs) if codecs else None


def encode(codecs: tuple[Codec, ...], value: Any) -> Any:
    """Write a value by its codecs in turn."""
    for step in codecs:
        by_item = isinstance(value, list) and not step.joins
        value = [step.write(item) for item in value] if by_item else step.write(value)
    return value
