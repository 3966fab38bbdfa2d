"""`integer`: a whole number in any spelling, `8`, `"8"` or `8.0`. Pure."""

from __future__ import annotations

from typing import Any

from ..language import patterns
from ..model import Input, Json
from ..sentences import Sentence
from .base import LONGEST_SCALAR, RANGE_WORDS, InputType, Schema, or_text


class Integer(InputType):
    words = RANGE_WORDS
    wants = Sentence("a whole number")
    drawn = "integer"
    choice = int
    any_text = False

    def schema(self, row: Input, blank: bool) -> Schema:
        text = {"maxLength": LONGEST_SCALAR, "pattern": patterns.whole(self.text_pattern(row), blank=blank)}
        if row.choices:
            values = [*(choice.value for choice in row.choices), *([None] if blank else [])]
            return {"anyOf": [{"enum": values}, {"type": "string", **text}]}
        limits = {word: limit for word, limit in row.schema.items() if word != "type"}
        return {"type": ["integer", "string", *(["null"] if blank else [])], **limits, **text}

    def text_pattern(self, row: Input) -> str:
        values = sorted(choice.value for choice in row.choices)
        if values and values[0] >= 0 and values[-1] - values[0] == len(values) - 1:  # a shorter pattern
            return patterns.integers(values[0], values[-1])
        if values:
            return "|".join(map(patterns.spelled_integer, values))
        return patterns.integers(row.schema.get("minimum"), row.schema.get("maximum"))

    def spellings(self, row: Input, value: Json) -> Schema:
        if not isinstance(value, int):
            return {"const": value}
        sign = "-?" if value == 0 and not row.choices else ""  # -0 is not a choice
        return or_text(value, sign + patterns.spelled_integer(value))

    def convert(self, row: Input, value: Any) -> int:
        return int(value.strip().partition(".")[0]) if isinstance(value, str) else int(value)
