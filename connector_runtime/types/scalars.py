"""`integer` in any spelling (`8`, `"8"`, `8.0`), `number`, also as JSON text, and `boolean`, also as text. Pure."""

from __future__ import annotations

import math
from typing import Any

from ..language import patterns
from ..model import Input, Json
from .base import NUMBER_WORDS, RANGE_WORDS, InputType, NoValue, Plain, Schema, holding, or_text, read_json


class Integer(InputType):
    """A whole number."""

    words = RANGE_WORDS
    wants = "a whole number"
    drawn = "integer"
    choice = int
    any_text = False

    def schema(self, row: Input, blank: bool) -> Schema:
        pattern = patterns.whole(self.text_pattern(row), blank=blank)
        if row.choices:
            values = [*(choice.value for choice in row.choices), *([None] if blank else [])]
            return {"anyOf": [{"enum": values}, {"type": "string", "pattern": pattern}]}
        limits = {word: limit for word, limit in row.schema.items() if word != "type"}
        return {"type": ["integer", "string", *(["null"] if blank else [])], **limits, "pattern": pattern}

    def text_pattern(self, row: Input) -> str:
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
        if row.choices or not row.schema.keys() <= self.words.keys():
            return super().plain(row)
        low, high = row.schema.get("minimum", -(2**63)), row.schema.get("maximum", 2**63)
        return int, range(math.ceil(low), math.floor(high) + 1).__contains__


class Number(InputType):
    """A number, with or without a fraction."""

    words = NUMBER_WORDS
    wants = "a number"
    drawn = "number"

    def schema(self, row: Input, blank: bool) -> Schema:
        kinds = ["number", "string", *(["null"] if blank else [])]
        pattern = patterns.whole(patterns.NUMBER, blank=blank)
        return {"type": kinds, **row.schema, **holding(pattern, {"type": "number", **row.schema})}

    def convert(self, row: Input, value: Any) -> Any:
        return read_json(value, {"type": "number", **row.schema}) if isinstance(value, str) else value


class Boolean(InputType):
    """True or false, as text in any case."""

    wants = "true or false"
    widget = "select"
    drawn = "boolean"
    any_text = False

    def schema(self, row: Input, blank: bool) -> Schema:
        inner = f"{patterns.any_case('true')}|{patterns.any_case('false')}"
        kinds = ["boolean", "string", *(["null"] if blank else [])]
        return {"type": kinds, "pattern": patterns.whole(inner, blank=blank)}

    def spellings(self, row: Input, value: Json) -> Schema:
        return or_text(value, patterns.any_case(str(value))) if isinstance(value, bool) else {"const": value}

    def convert(self, row: Input, value: Any) -> bool:
        return value if isinstance(value, bool) else value.strip().lower() == "true"

    def plain(self, row: Input) -> Plain:
        return bool, {True, False}.__contains__
