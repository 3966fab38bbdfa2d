"""JSON read so that nothing is lost: a key that stands twice, a NaN, a number too long are refused. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

from ..errors import Problem
from .problems import Refusal

DEPTH = 64  # arrays and objects within each other
SHOWN = 60  # characters of a key that a message quotes


def read(content: bytes, depth: int = DEPTH) -> Any:
    """The value that a body holds. Raises `Refusal` (400) that says where it cannot be read."""
    if not content.strip():
        raise _unreadable("The body is empty.", "Send a JSON object, {} at least.")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _unreadable(f"The body is no UTF-8 text (byte {error.start}).") from None
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _unreadable(f"The body is no JSON: {error.msg} at {where}.", where=where) from None
    except RecursionError:
        raise _too_deep(depth) from None
    except ValueError as error:  # an integer of more digits than Python converts
        raise _unreadable("The body holds a number that is too long to be read.") from error
    if _deeper_than(value, depth):
        raise _too_deep(depth)
    return value


def write(value: Any) -> bytes:
    """A value as compact JSON; what cannot be written as UTF-8 is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(value, separators=(",", ":")).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = _first_twice(name for name, _ in pairs)
        raise _unreadable(f"The key {twice[:SHOWN]!r} stands twice in one object.", "Leave one of them out.")
    return found


def _first_twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _constant(name: str) -> NoReturn:
    raise _unreadable(f"The body is no JSON: {name} is no number there.")


def _float(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise _unreadable("The body holds a number that is too large.")
    return found


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [inner for item in level if isinstance(item, (dict, list)) for inner in _within(item)]
        if not level:
            return False
    return any(isinstance(item, (dict, list)) for item in level)


def _within(item: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return item.values() if isinstance(item, dict) else item


def _too_deep(depth: int) -> Refusal:
    return _unreadable(f"The body is nested deeper than {depth} levels.")


def _unreadable(message: str, hint: str | None = None, where: str = "body") -> Refusal:
    return Refusal(kind="body", message=message, hint=hint, problems=(Problem(where, message),))
