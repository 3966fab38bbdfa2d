"""Alters JSON bodies of real responses in ways that must not harm a client; sends nothing.

Each function in `EDITS` takes the data of a response and returns the bytes to send instead. Values that Python data
cannot represent (a number of 5,000 digits, a duplicate key) are written as text.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any

from .wire import WireResponse

DEEP = 100_000
LONG = "9" * 5_000
FAR = "99999-12-31T23:59:59Z"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T.*)?")

Write = Callable[[Any], str]  # writes a value that is neither an object nor a list


def _text(value: Any, leaf: Write, pair: Callable[[str, str], str] = lambda key, inner: f"{key}:{inner}") -> str:
    """Write data as JSON, with the given functions for leaves and for pairs of key and value."""
    if isinstance(value, dict):
        pairs = (pair(json.dumps(key), _text(inner, leaf, pair)) for key, inner in value.items())
        return f"{{{','.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{','.join(_text(inner, leaf, pair) for inner in value)}]"
    return leaf(value)


def _numbers(value: Any, numbers: Iterator[str]) -> bytes:
    def leaf(each: Any) -> str:
        is_number = isinstance(each, int | float) and not isinstance(each, bool)
        return next(numbers) if is_number else json.dumps(each)

    return _text(value, leaf).encode()


def _texts(value: Any, change: Callable[[str], str]) -> bytes:
    return _text(value, lambda each: json.dumps(change(each) if isinstance(each, str) else each)).encode()


def _replaced(value: Any, change: Callable[[list[Any]], Any]) -> Any:
    """Return data with `change` applied to its outermost lists."""
    if isinstance(value, dict):
        return {key: _replaced(inner, change) for key, inner in value.items()}
    return change(value) if isinstance(value, list) else value


def _with(value: Any, **changes: Any) -> bytes:
    """Write an object, replacing the values of the keys that are present."""
    present = {key: new for key, new in changes.items() if isinstance(value, dict) and key in value}
    return json.dumps({**value, **present} if present else value).encode()


def _odd(items: list[Any]) -> list[Any]:
    odd: list[Any] = [None, 7, "text", [], True]
    return [each for _, each in zip(items, cycle(odd), strict=False)]


EDITS: dict[str, Callable[[Any], bytes]] = {
    "no_numbers": lambda data: _numbers(data, cycle(("NaN", "Infinity", "-Infinity", "1e400"))),
    "long_numbers": lambda data: _numbers(data, cycle((LONG,))),
    "deep": lambda data: b'{"nested":%b,"said":%b}' % (b"[" * DEEP + b"]" * DEEP, json.dumps(data).encode()),
    "half_characters": lambda data: _texts(data, lambda text: f"{text}\ud83d"),
    "escapes": lambda data: _texts(data, lambda text: f"{ESCAPES}{text}\0"),
    "twice": lambda data: _text(data, json.dumps, lambda key, inner: f"{key}:{inner},{key}:null").encode(),
    "no_lists": lambda data: json.dumps(_replaced(data, lambda items: "none")).encode(),
    "odd_items": lambda data: json.dumps(_replaced(data, _odd)).encode(),
    "no_object": lambda data: json.dumps([data]).encode(),
    "far_dates": lambda data: _texts(data, lambda text: FAR if _DATE.fullmatch(text) else text),
    "endless_list": lambda data: _with(data, next_page_token=secrets.token_urlsafe(12)),
    "charset": lambda data: json.dumps(data, ensure_ascii=False).encode("utf-16", "surrogatepass"),
    "long_lifetime": lambda data: _with(data, expires_in=1e300),
    "no_lifetime": lambda data: _with(data, expires_in=-1e9),
}


def edited(name: str, answer: WireResponse) -> WireResponse:
    """Return the response with the edit `name` applied; a response that is not JSON stays unchanged."""
    try:
        data = json.loads(answer.body) if isinstance(answer.body, bytes) else None
    except ValueError:
        return answer
    return answer if data is None else replace(answer, body=EDITS[name](data))
