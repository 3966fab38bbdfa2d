"""Texts: `string`, `text` of several lines and `secret`, and those of one form, `date` and `datetime`. Pure."""

from __future__ import annotations

import re
from typing import Any

from ..language import patterns, places
from ..language.wording import Fault, kind_of
from ..model import Input, Json
from .base import (
    NOT_PLAIN,
    NUMBER_WORDS,
    TEXT_WORDS,
    InputType,
    Plain,
    Schema,
    example,
    is_blank_item,
    or_blank,
    quoted,
)

LONGEST_NUMBER = 25  # characters; a longer number for a text input is a mistake, or was rounded on its way
HEADER_LINE = "must be one line of printable ASCII text"


class Text(InputType):
    """Any text, and numbers as they are written."""

    words = TEXT_WORDS | NUMBER_WORDS
    choice = str
    form: str | None = None  # the pattern that every value has
    sample: str | None = None  # what a complaint shows, if not the row's example

    def __init__(self, widget: str | None = None) -> None:
        self.widget = widget

    def _patterns(self, row: Input) -> list[str]:
        matches = [patterns.sealed(row.schema["pattern"])] if "pattern" in row.schema else []
        matches += [patterns.whole(step.takes) for step in row.codecs if step.takes]
        return matches + ([patterns.whole(self.form)] if self.form else [])

    def _limits(self, row: Input) -> tuple[Schema, list[str], list[str]]:
        """The words that limit a value, the JSON types that it may be of, and the patterns that all must match."""
        limits = {key: value for key, value in row.schema.items() if key not in ("type", "pattern")}
        matches = self._patterns(row)
        kinds = ["string", *_numbers(limits, bool(matches) or self.form is not None)]
        for place in row.to:
            if place.kind == "header":
                matches.append(patterns.HEADER_VALUE)
            elif place.kind == "path":
                limits["not"] = {"enum": [".", ".."]}
            elif place.kind == "request" and place.path == ("path",):
                matches, kinds = [*matches, patterns.RAW_PATH], ["string"]
        return limits, kinds, matches

    def schema(self, row: Input, blank: bool) -> Schema:
        if row.choices:
            numbers = [int(each.value) for each in row.choices if patterns.is_integer(each.value)]
            return or_blank({"enum": [*(each.value for each in row.choices), *numbers]}, blank)
        limits, kinds, matches = self._limits(row)
        if not matches and blank and "minLength" not in limits:
            return {"type": [*kinds, "null"], **limits}
        matches += [] if blank else [r"\S"]
        more = {"allOf": [{"pattern": pattern} for pattern in matches[1:]]} if matches[1:] else {}
        return or_blank({"type": kinds, **limits, "pattern": (matches or [r"\S"])[0], **more}, blank)

    def spellings(self, row: Input, value: Json) -> Schema:
        if not isinstance(value, str) or not re.fullmatch(patterns.NUMBER, value):
            return {"const": value}
        number = int(value) if patterns.is_integer(value) else float(value)
        return {"enum": [value, number]} if places.text_of(number) == value else {"const": value}

    def convert(self, row: Input, value: Any) -> Any:
        return places.text_of(value)

    def plain(self, row: Input) -> Plain:
        if row.choices:
            return str, {choice.value for choice in row.choices if not is_blank_item(choice.value)}.__contains__
        limits, _, matches = self._limits(row)
        if not row.schema.keys() <= self.words.keys():
            return NOT_PLAIN
        size = f"{{{limits.get('minLength', 0)},{limits.get('maxLength', '')}}}"
        ahead = [r"\s*\S", rf"(?s:.){size}\Z", *(rf"(?s:.*?)(?:{pattern})" for pattern in matches)]
        if any(step.joins for step in row.codecs):
            ahead.append(r"[^,]*\Z")
        never = r"(?!\.\.?\Z)" if "not" in limits else ""
        try:
            if sum(re.compile(pattern).groups for pattern in matches[1:]):
                return NOT_PLAIN  # its groups would count from those of the pattern before it
            return str, re.compile(never + "".join(f"(?={each})" for each in ahead)).match
        except (re.error, OverflowError):  # flags stand at the beginning, and no text is that long
            return NOT_PLAIN

    def faults(self, row: Input, value: Any) -> list[Fault]:
        return [((), self._complaint(row, value))]

    def _complaint(self, row: Input, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return f"must be text, not {kind_of(value)}"
        text, schema = str(value), row.schema
        if len(text) > schema.get("maxLength", len(text)):
            return f"must have at most {schema['maxLength']} characters; it has {len(text)}"
        if len(text) < schema.get("minLength", 0):
            return f"must have at least {schema['minLength']} characters; it has {len(text)}"
        if not isinstance(value, str):
            return "must be given as text, in quotes: a number does not keep its leading zeros"
        for place in row.to:
            if place.kind == "header" and not re.search(patterns.HEADER_VALUE, text):
                return f"{HEADER_LINE}: it goes into a header"
            if place.kind == "path" and text in (".", ".."):
                return "must not be . or .., which would leave its place in the path"
            if place.kind == "request" and place.path == ("path",):
                what = f"must be a path below the base URL that begins with one /{example(row)}"
                return f"{what}: no host, no dot segments, no backslash"
        like = next((step.like for step in row.codecs if step.like), self.sample or row.example)
        if like is None:
            return "is not of the form that is wanted here"
        shown = quoted(row, value)
        return f"must look like {like}" + (f", not {shown}" if shown else "")

    def field(self, row: Input) -> Schema:
        limits = {key: row.schema[key] for key in ("minLength", "maxLength", "pattern") if key in row.schema}
        return {"type": "string", **limits}


class Date(Text):
    """A day: `2026-11-01`."""

    form = patterns.DATE
    sample = "2026-11-01"


class DateTime(Text):
    """A date with a time, with or without a zone, or what the row's codec takes."""

    form = patterns.MOMENT
    sample = "2026-11-01T09:00:00Z"

    def _patterns(self, row: Input) -> list[str]:
        *own, moment = super()._patterns(row)
        return own or [moment]


def _numbers(limits: Schema, patterned: bool) -> list[str]:
    """Whether a text may be given as a number, and the bounds that its length limits mean for one.

    A pattern cannot be held against a number, so it takes an explicit `minimum` or `maximum` beside it to admit one.
    """
    if patterned and not {"minimum", "maximum"} & set(limits):
        return []
    longest = min(limits.get("maxLength", LONGEST_NUMBER), LONGEST_NUMBER)
    shortest = limits.get("minLength", 1)
    limits.setdefault("minimum", 10 ** (shortest - 1) if shortest > 1 else 1 - 10 ** (longest - 1))
    limits.setdefault("maximum", 10**longest - 1)
    return ["number" if longest == LONGEST_NUMBER and shortest == 1 and not patterned else "integer"]
