"""Whole numbers, in any spelling: `8`, `"8"`, `8.0`. Pure."""

from __future__ import annotations

import math
from typing import Any

from ..language import patterns
from ..language.wording import Fault
from ..model import Input, Json
from .base import NOT_PLAIN, NUMBER_WORDS, InputType, NoValue, Plain, Schema, or_null, or_text, quoted


class Integer(InputType):
    """A whole number."""

    words = NUMBER_WORDS
    choice = int
    any_text = False

    def schema(self, row: Input, blank: bool) -> Schema:
        if row.choices:
            text = {"type": "string", "pattern": patterns.whole(self.text_pattern(row), blank=blank)}
            return {"anyOf": [{"enum": [*(choice.value for choice in row.choices), *([None] if blank else [])]}, text]}
        kinds, limits = ["integer", "string", *or_null(blank)], {k: v for k, v in row.schema.items() if k != "type"}
        return {"type": kinds, **limits, "pattern": patterns.whole(self.text_pattern(row), blank=blank)}

    def text_pattern(self, row: Input) -> str:
        """The pattern of one value as text."""
        values = [patterns.spelled_integer(choice.value) for choice in row.choices]
        return "|".join(values) or patterns.integers(row.schema.get("minimum"), row.schema.get("maximum"))

    def spellings(self, row: Input, value: Json) -> Schema:
        if not isinstance(value, int):
            return {"const": value}
        sign = "-?" if value == 0 and not row.choices else ""  # as a choice, -0 is none
        return or_text(value, sign + patterns.spelled_integer(value))

    def convert(self, row: Input, value: Any) -> int:
        try:
            return int(value.strip().partition(".")[0]) if isinstance(value, str) else int(value)
        except ValueError:  # Python reads 4300 digits and no more
            raise NoValue(((), "has too many digits")) from None

    def plain(self, row: Input) -> Plain:
        if row.choices:
            return int, {choice.value for choice in row.choices}.__contains__
        if not row.schema.keys() <= NUMBER_WORDS.keys():
            return NOT_PLAIN
        low, high = row.schema.get("minimum", -(2**63)), row.schema.get("maximum", 2**63)
        return int, range(math.ceil(low), math.floor(high) + 1).__contains__

    def faults(self, row: Input, value: Any) -> list[Fault]:
        return [((), f"must be a whole number{limits(row)}, not {quoted(row, value)}")]

    def field(self, row: Input) -> Schema:
        return {"type": "integer", **row.schema}


def limits(row: Input) -> str:
    """` from 1 to 60` or nothing."""
    low, high = row.schema.get("minimum"), row.schema.get("maximum")
    if low is None:
        return "" if high is None else f" of at most {high}"
    return f" of at least {low}" if high is None else f" from {low} to {high}"
