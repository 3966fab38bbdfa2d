"""String types: `string`, multiline `text`, `secret`, and formats such as `date` and `datetime`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..language import patterns, places
from ..language.schema_faults import kind_of, out_of_bounds, wrong_format
from ..model import Input, Json
from ..sentences import Sentence
from .base import (
    HEADER_LINE,
    LONGEST_NUMBER,
    LONGEST_SCALAR,
    LONGEST_TEXT,
    TEXT_WORDS,
    InputType,
    Schema,
    example,
    or_blank,
    quoted,
)

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"  # zero-width characters that pasted text may begin or end with


class Text(InputType):
    """Any string, and numbers, which become strings; with a `format`, only strings that match this pattern.

    A row's pattern or codec replaces the format unless it is `fixed`. Length limits also limit the value of numbers. A
    row with a pattern accepts numbers only if it has a `minimum` or `maximum`.
    """

    words = TEXT_WORDS
    choice = str

    def __init__(self, widget: str | None = None, format: str = "", sample: str = "", fixed: bool = True) -> None:
        self.widget, self.format, self.sample, self.fixed = widget, format, sample, fixed

    def tidy(self, row: Input) -> Callable[[str], str] | None:
        if _is_path(row):
            return _with_slash
        is_id = any(place.kind in ("path", "request") for place in row.to)
        has_form = self.format or row.choices or row.choices_from or "pattern" in row.schema
        return _trimmed if is_id or has_form or any(codec.pattern for codec in row.codecs) else None

    def _limits(self, row: Input) -> tuple[Schema, list[str], list[str]]:
        """Return the keywords that limit a value, its possible JSON types, and the patterns that it must match."""
        limits = {key: value for key, value in row.schema.items() if key not in ("type", "pattern")}
        matches = [patterns.sealed(row.schema["pattern"])] if "pattern" in row.schema else []
        matches += [patterns.whole(codec.pattern) for codec in row.codecs if codec.pattern]
        if self.format and (self.fixed or not matches):
            matches.append(patterns.whole(self.format))
        kinds = ["string"]
        if not matches or "minimum" in limits or "maximum" in limits:  # `pattern` does not check numbers
            digits = min(limits.get("maxLength", LONGEST_NUMBER), LONGEST_NUMBER)
            shortest = limits.get("minLength", 1)
            limits.setdefault("minimum", 10 ** (shortest - 1) if shortest > 1 else 1 - 10 ** (digits - 1))
            limits.setdefault("maximum", 10**digits - 1)
            kinds.append("number" if digits == LONGEST_NUMBER and shortest == 1 and not matches else "integer")
        limits.setdefault("maxLength", LONGEST_SCALAR if self.format else LONGEST_TEXT)
        for place in row.to:
            if place.kind == "header":
                matches.append(patterns.HEADER_VALUE)
            elif place.kind == "path":
                limits["not"] = {"enum": [".", ".."]}
            elif _is_path(row):
                matches, kinds = [*matches, patterns.RAW_PATH], ["string"]
        return limits, kinds, matches

    def schema(self, row: Input, blank: bool) -> Schema:
        if row.choices:
            values = [choice.value for choice in row.choices]
            return or_blank({"enum": [*values, *(int(value) for value in values if patterns.is_integer(value))]}, blank)
        limits, kinds, matches = self._limits(row)
        if not matches and blank and "minLength" not in limits:
            return {"type": [*kinds, "null"], **limits}
        matches += [] if blank else [r"\S"]
        others = {"allOf": [{"pattern": pattern} for pattern in matches[1:]]} if matches[1:] else {}
        return or_blank({"type": kinds, **limits, "pattern": (matches or [r"\S"])[0], **others}, blank)

    def spellings(self, row: Input, value: Json) -> Schema:
        if not isinstance(value, str) or not re.fullmatch(patterns.NUMBER, value):
            return {"const": value}
        number = int(value) if patterns.is_integer(value) else float(value)
        return {"enum": [value, number]} if places.text_of(number) == value else {"const": value}

    def convert(self, row: Input, value: Any) -> Any:
        return places.text_of(value)

    def complaint(self, row: Input, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return Sentence("must be text, not {found}", found=kind_of(value))
        text, schema = str(value), row.schema
        if len(text) > (most := self._limits(row)[0]["maxLength"]):
            return out_of_bounds("maxLength", most, text)
        if len(text) < schema.get("minLength", 0):
            return out_of_bounds("minLength", schema["minLength"], text)
        if not isinstance(value, str) and not self.format:
            return Sentence("must be text, in quotes: a number loses its leading zeros")
        for place in row.to:
            if place.kind == "header" and not re.search(patterns.HEADER_VALUE, text):
                return HEADER_LINE
            if place.kind == "path" and text in (".", ".."):
                return Sentence("must not be . or ..")
            if _is_path(row):
                slots = {"example": example(row)}
                if "://" in text:
                    return Sentence("must be only the path{example}: leave out the address in front of it", **slots)
                return Sentence("must be a path{example}, without //, .., \\ or blanks", **slots)
        sample = next((codec.like for codec in row.codecs if codec.like), self.sample or row.example)
        if sample is None or "description" in schema:
            return wrong_format(schema)
        slots = {"example": sample, "value": quoted(row, value)}
        return Sentence("has the wrong format: enter it as in {example}; it is {value}", **slots)

    def field(self, row: Input) -> Schema:
        limits = {key: row.schema[key] for key in ("minLength", "maxLength", "pattern") if key in row.schema}
        return {"type": "string", **limits}


def _trimmed(text: str) -> str:
    return text.strip().strip(INVISIBLE).strip()


def _with_slash(text: str) -> str:
    """Add a missing first slash to a path; the schema catches any other fault."""
    path = _trimmed(text)
    return f"/{path}" if path[:1].isalnum() and "://" not in path.partition("?")[0] else path


def _is_path(row: Input) -> bool:
    return any((place.kind, place.path) == ("request", ("path",)) for place in row.to)
