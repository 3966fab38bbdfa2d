"""`boolean`: true or false, also as a string in any case. Pure."""

from __future__ import annotations

from typing import Any

from ..language import patterns
from ..model import Input, Json
from ..sentences import Sentence
from .base import LONGEST_SCALAR, InputType, Schema, or_text


class Boolean(InputType):
    wants = Sentence("true or false")
    widget = "select"
    drawn = "boolean"
    any_text = False

    def schema(self, row: Input, blank: bool) -> Schema:
        inner = f"{patterns.any_case('true')}|{patterns.any_case('false')}"
        kinds = ["boolean", "string", *(["null"] if blank else [])]
        return {"type": kinds, "maxLength": LONGEST_SCALAR, "pattern": patterns.whole(inner, blank=blank)}

    def spellings(self, row: Input, value: Json) -> Schema:
        return or_text(value, patterns.any_case(str(value))) if isinstance(value, bool) else {"const": value}

    def convert(self, row: Input, value: Any) -> bool:
        return value if isinstance(value, bool) else value.strip().lower() == "true"
