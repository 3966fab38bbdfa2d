"""Changes a true answer into one that no client should be hurt by; it looks at JSON and moves no bytes.

Each of `EDITS` takes the answer's data and gives the bytes that are sent instead. What cannot be written as data (a
number of 5,000 digits, `NaN`, a key twice) is written as text.
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

Write = Callable[[Any], str]  # of a value that is neither an object nor a list


def _text(value: Any, leaf: Write, pair: Callable[[str, str], str] = lambda key, inner: f"{key}:{inner}") -> str:
    """Write data as JSON, its leaves and its pairs by these functions."""
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
    """Data with its lists changed."""
    if isinstance(value, dict):
        return {key: _replaced(inner, change) for key, inner in value.items()}
    return change(value) if isinstance(value, list) else value


def _with(value: Any, **more: Any) -> bytes:
    """An object in which those of these keys that it has are something else; others are as they are."""
    known = {key: new for key, new in more.items() if isinstance(value, dict) and key in value}
    return json.dumps({**value, **known} if known else value).encode()


def _odd(items: list[Any]) -> list[Any]:
    odd: list[Any] = [None, 7, "text", [], True]
    return [each for _, each in zip(items, cycle(odd), strict=False)]


EDITS: dict[str, Callable[[Any], bytes]] = {
    "no_numbers": lambda said: _numbers(said, cycle(("NaN", "Infinity", "-Infinity", "1e400"))),
    "long_numbers": lambda said: _numbers(said, cycle((LONG,))),
    "deep": lambda said: b'{"nested":%b,"said":%b}' % (b"[" * DEEP + b"]" * DEEP, json.dumps(said).encode()),
    "half_characters": lambda said: _texts(said, lambda text: f"{text}\ud83d"),
    "escapes": lambda said: _texts(said, lambda text: f"{ESCAPES}{text}\0"),
    "twice": lambda said: _text(said, json.dumps, lambda key, inner: f"{key}:{inner},{key}:null").encode(),
    "no_lists": lambda said: json.dumps(_replaced(said, lambda items: "none")).encode(),
    "odd_items": lambda said: json.dumps(_replaced(said, _odd)).encode(),
    "no_object": lambda said: json.dumps([said]).encode(),
    "far_dates": lambda said: _texts(said, lambda text: FAR if _DATE.fullmatch(text) else text),
    "endless_list": lambda said: _with(said, next_page_token=secrets.token_urlsafe(12)),
    "charset": lambda said: json.dumps(said, ensure_ascii=False).encode("utf-16", "surrogatepass"),
    "long_lifetime": lambda said: _with(said, expires_in=1e300),
    "no_lifetime": lambda said: _with(said, expires_in=-1e9),
}


def edited(name: str, answer: WireResponse) -> WireResponse:
    """Give the answer changed; one that is no JSON stays as it is."""
    try:
        said = json.loads(answer.body) if isinstance(answer.body, bytes) else None
    except ValueError:
        return answer
    return answer if said is None else replace(answer, body=EDITS[name](said))
