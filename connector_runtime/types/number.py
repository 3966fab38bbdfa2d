"""Numbers, or text that holds one as JSON. Pure."""

from __future__ import annotations

from typing import Any

from ..language import patterns
from ..language.wording import Fault
from ..model import Input
from .base import MORE_NUMBER_WORDS, NUMBER_WORDS, InputType, Schema, content_words, or_null, quoted, read_json
from .integer import limits


class Number(InputType):
    """A number, with or without a fraction."""

    words = NUMBER_WORDS | MORE_NUMBER_WORDS

    def schema(self, row: Input, blank: bool) -> Schema:
        text = {"pattern": patterns.whole(patterns.NUMBER, blank=blank), **content_words(self.content(row))}
        return {"type": ["number", "string", *or_null(blank)], **row.schema, **text}

    def content(self, row: Input) -> Schema:
        return {"type": "number", **row.schema}

    def convert(self, row: Input, value: Any) -> Any:
        return read_json(value, self.content(row)) if isinstance(value, str) else value

    def faults(self, row: Input, value: Any) -> list[Fault]:
        return [((), f"must be a number{limits(row)}, not {quoted(row, value)}")]

    def field(self, row: Input) -> Schema:
        return {"type": "number", **row.schema}
