"""Values as a definition's types have them, read from anything that `takes` accepted. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from ..language import json_text, places
from ..model import Input
from . import takes
from .wording import misfits


class Unreadable(Exception):
    """Text that should hold JSON and does not, or not of the right shape; `faults` are (path, what) pairs."""

    def __init__(self, *faults: tuple[tuple[str | int, ...], str]) -> None:
        self.faults = faults


NATIVE: dict[str, type] = {**dict.fromkeys(takes.TEXTS, str), "integer": int, "boolean": bool}  # read as they are


def read(row: Input, value: Any) -> Any:
    """The typed value; lists without their blanks, maps as pairs in order. Raises `Unreadable` for text only."""
    one = row._replace(collection=None) if row.collection and row.type not in NATIVE else row
    if row.collection == "list":
        return [_READ[row.type](one, item) for item in _items(row, value) if not _blank(item)]
    if row.collection == "map":
        pairs = ((name.strip(), item) for name, item in _pairs(row, value) if item is not None)
        return [(name, item if item == "" else _READ[row.type](one, item)) for name, item in pairs]
    return _READ[row.type](row, value)


def loads(text: str) -> Any:
    """JSON text as data; NaN and Infinity, which Python admits and JSON does not have, are refused."""

    try:
        return json_text.read_strictly(text, duplicates=True)
    except json_text.JsonError as error:
        raise Unreadable(((), str(error))) from None


def _held(row: Input, text: str) -> Any:
    """The JSON that a text holds, which must fit what the input takes as data."""
    value = loads(text)
    _fit(value, takes.content(row))
    return value


def _fit(value: Any, schema: Mapping[str, Any]) -> None:
    faults = misfits(schema, value)
    if faults:
        raise Unreadable(*faults)


def _blank(item: Any) -> bool:
    """Whether an entry of a list counts as not given; a list within it is a value."""
    return item is None or takes.is_blank_text(item)


def _items(row: Input, value: Any) -> list[Any]:
    if isinstance(value, str) and not value.lstrip().startswith("["):
        value = [part.strip() for part in value.split(",")]
        _fit(value, takes.content(row))
    elif isinstance(value, str):
        value = _held(row, value)
    return value if isinstance(value, list) else [value]


def _pairs(row: Input, value: Any) -> list[tuple[str, Any]]:
    data = _held(row, value) if isinstance(value, str) else value
    if isinstance(data, dict):
        return list(data.items())
    return [(pair["key"], pair.get("value")) for pair in data if pair is not None and not takes.blank_pair(pair)]


def _integer(row: Input, value: Any) -> int:
    return int(value.strip().partition(".")[0]) if isinstance(value, str) else int(value)


def _boolean(row: Input, value: Any) -> bool:
    return value if isinstance(value, bool) else value.strip().lower() == "true"


def _json(row: Input, value: Any) -> Any:
    return _held(row, value) if isinstance(value, str) else value


def _file(row: Input, value: Any) -> Any:
    if isinstance(value, str):
        return {"base64": base64.b64encode(value.encode()).decode(), "content_type": "text/plain; charset=utf-8"}
    return value


_READ: dict[str, Callable[[Input, Any], Any]] = {
    **dict.fromkeys(takes.TEXTS, lambda row, value: places.text_of(value)),
    "integer": _integer,
    "number": _json,
    "boolean": _boolean,
    "json": _json,
    "any": lambda row, value: value,
    "file": _file,
}
