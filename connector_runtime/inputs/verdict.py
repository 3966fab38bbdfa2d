"""Whether data fits a schema, told fast. Pure; `jsonschema` has the last word, and is not loaded where data fits.

A validator in Rust reads patterns as ECMAScript and numbers as JSON has them, Python's as Python does. So only a yes
counts, and only to data that both read alike: another answer, or any doubt, is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from ..language import patterns
from ..model import Json

DEEPEST = 20  # levels; what lies deeper is left to the slower judge
ROUNDED = 2.0**53  # from here on a float is not the number that was written

_ODD = re.compile("[\x1c-\x1f\x85\ufeff\ud800-\udfff]")  # blank to one and not to the other, or no character


def surely_fits(schema: Mapping[str, Json], data: Any) -> bool:
    """The verdict on one piece of data; a schema that was seen before is not compiled again."""
    return not schema or _known(json.dumps(schema))(data)


@lru_cache(maxsize=512)
def _known(schema: str) -> Callable[[Any], bool]:
    return verdict(json.loads(schema))


def verdict(schema: Json) -> Callable[[Any], bool]:
    """A function that tells whether data surely fits the schema; it may be unsure of what does fit."""
    try:
        from jsonschema_rs import Draft202012Validator
    except ImportError:  # there is none for this machine
        return lambda data: False
    words = list(_words(schema))
    if any(word == "multipleOf" for word, _ in words):  # 0.07 is a multiple of 0.01 to one of them
        return lambda data: False
    alike = all(patterns.is_shared(text) for word, text in words if word == "pattern")
    try:
        fits = Draft202012Validator(schema).is_valid
    except ValueError:  # a pattern that is one in Python alone
        return lambda data: False

    def surely(data: Any) -> bool:
        try:
            return _plain(data, alike, DEEPEST) and fits(data)
        except (TypeError, ValueError):  # it is no JSON
            return False

    return surely


def _plain(data: Any, alike: bool, levels: int) -> bool:
    """Whether it is JSON, by its very types, of texts and numbers that both judges read alike."""
    kind = type(data)
    if kind is dict and levels:
        if not _plain("".join(data), alike, 0):
            return False
        data = data.values()
    elif kind is list and levels:
        pass
    elif kind is str:
        return bool(data.isascii() and data.isprintable()) or (alike and _ODD.search(data) is None)
    elif kind is float:
        return bool(-ROUNDED < data < ROUNDED)
    else:
        return kind is int or kind is bool or data is None
    for value in data:
        kind = type(value)
        if kind is str and value.isascii() and value.isprintable():
            continue  # as nearly all are, without another call
        if kind is not int and kind is not bool and not _plain(value, alike, levels - 1):
            return False
    return True


def _words(schema: Json) -> Iterator[tuple[str, Any]]:
    """Every word of a schema with what it says."""
    if isinstance(schema, Mapping):
        for word, value in schema.items():
            if not isinstance(value, Mapping | list):
                yield word, value
            yield from _words(value)
    elif isinstance(schema, list):
        for part in schema:
            yield from _words(part)
