"""`number`: a number with or without a fraction, also as a string. Pure."""

from __future__ import annotations

from typing import Any

from ..language import patterns
from ..model import Input
from ..sentences import Sentence
from .base import LONGEST_SCALAR, NUMBER_WORDS, InputType, Schema, holding, read_json


class Number(InputType):
    words = NUMBER_WORDS
    wants = Sentence("a number")
    drawn = "number"

    def schema(self, row: Input, blank: bool) -> Schema:
        kinds = ["number", "string", *(["null"] if blank else [])]
        pattern = patterns.whole(patterns.NUMBER, blank=blank)
        text = {**holding(pattern, {"type": "number", **row.schema}), "maxLength": LONGEST_SCALAR}
        return {"type": kinds, **row.schema, **text}

    def convert(self, row: Input, value: Any) -> Any:
        return read_json(value, {"type": "number", **row.schema}) if isinstance(value, str) else value
