"""Decides whether a value is JSON, and converts Python's own values to JSON. Pure."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from ..errors import Problem
from ..language.schema_faults import kind_of
from ..sentences import Sentence

MAX_DEPTH = 100
MAX_SHOWN = 100  # characters of a key
MAX_NUMBER = int(sys.float_info.max)
BROKEN_CHARACTER = Sentence("contains a broken character, often half an emoji: delete it and type it again")

_SURROGATE = re.compile("[\ud800-\udfff]")


def is_json(value: Any, depth: int) -> bool:
    """Return True if a value is certainly JSON, as nearly all values are; `json_problems` examines the rest."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii()) or _SURROGATE.search(value) is None
    if kind is dict:
        return {*map(type, value)} <= {str} and is_json("".join(value), 0) and is_json([*value.values()], depth)
    if kind is list and depth <= MAX_DEPTH:
        return all([(type(item) is str and item.isascii()) or is_json(item, depth + 1) for item in value])
    return kind is bool or value is None or (kind is int and -MAX_NUMBER <= value <= MAX_NUMBER)


def as_json(value: Any, depth: int = 0) -> Any:
    """Convert Python's own types in a value, at any depth, to JSON: dates (to ISO 8601), UUIDs, decimals and enums.

    A date-time keeps its offset; without one, it is a local time. Other values are unchanged.
    """
    if isinstance(value, Enum):
        return as_json(value.value, depth)
    if isinstance(value, date | datetime | UUID):
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < len(str(MAX_NUMBER)):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list) and depth <= MAX_DEPTH:
        return [as_json(item, depth + 1) for item in value]
    if isinstance(value, dict) and depth <= MAX_DEPTH:
        return {key: as_json(item, depth + 1) for key, item in value.items()}
    return value


def shortened(text: str) -> str:
    """Return text cut to `MAX_SHOWN` characters for a message."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def json_problems(value: Any, where: str, depth: int) -> Iterator[Problem]:
    """Yield a problem for each value that Python can represent and JSON cannot."""
    if depth > MAX_DEPTH:
        yield Problem(where, Sentence("is nested deeper than {depth} levels", depth=MAX_DEPTH))
    elif isinstance(value, str) and _SURROGATE.search(value):
        yield Problem(where, BROKEN_CHARACTER)
    elif isinstance(value, int) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        yield Problem(where, Sentence("is too large: JSON numbers go up to 1.8e308"))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(where, Sentence("is {value}, which is not a number in JSON", value=value))
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not isinstance(key, str):
                yield Problem(where, Sentence("has the key {key}: keys must be text", key=repr(key)))
            else:
                yield from json_problems(key, where, 0)
                yield from json_problems(item, f"{where}.{key}", depth + 1)
    elif not (value is None or isinstance(value, int | float | str)):
        yield Problem(where, Sentence("must be JSON, not {found}", found=kind_of(value)))
