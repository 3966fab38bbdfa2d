"""The types of one value: numbers, true and false, texts, JSON and files. Pure."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from ..language import patterns, places
from ..language.wording import KINDS, fits, kind_of
from ..model import Input, Json
from . import base
from .base import InputType, NoValue, Plain, Schema

LONGEST_NUMBER = 25  # characters; a longer number for a text input is a mistake, or was rounded on its way
HEADER_LINE = "must be one line of printable ASCII text"


class Integer(InputType):
    """A whole number."""

    words = base.RANGE_WORDS
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
        return base.or_text(value, sign + patterns.spelled_integer(value))

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

    words = base.NUMBER_WORDS
    wants = "a number"
    drawn = "number"

    def schema(self, row: Input, blank: bool) -> Schema:
        kinds = ["number", "string", *(["null"] if blank else [])]
        pattern = patterns.whole(patterns.NUMBER, blank=blank)
        return {"type": kinds, **row.schema, **base.holding(pattern, {"type": "number", **row.schema})}

    def convert(self, row: Input, value: Any) -> Any:
        return base.read_json(value, {"type": "number", **row.schema}) if isinstance(value, str) else value


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
        return base.or_text(value, patterns.any_case(str(value))) if isinstance(value, bool) else {"const": value}

    def convert(self, row: Input, value: Any) -> bool:
        return value if isinstance(value, bool) else value.strip().lower() == "true"

    def plain(self, row: Input) -> Plain:
        return bool, {True, False}.__contains__


class Text(InputType):
    """Any text, and numbers as they are written; or texts of one form only.

    Where the form `gives_way`, a row's pattern or codec takes its place. A number has the limits that those of its
    length mean; beside a pattern it takes an explicit `minimum` or `maximum` to admit one.
    """

    words = base.TEXT_WORDS
    choice = str

    def __init__(self, widget: str | None = None, form: str = "", sample: str = "", gives_way: bool = False) -> None:
        self.widget, self.form, self.sample, self.gives_way = widget, form, sample, gives_way

    def _limits(self, row: Input) -> tuple[Schema, list[str], list[str]]:
        """The words that limit a value, the JSON types that it may be of, and the patterns that all must match."""
        limits = {key: value for key, value in row.schema.items() if key not in ("type", "pattern")}
        matches = [patterns.sealed(row.schema["pattern"])] if "pattern" in row.schema else []
        matches += [patterns.whole(step.takes) for step in row.codecs if step.takes]
        if self.form and not (matches and self.gives_way):
            matches.append(patterns.whole(self.form))
        kinds = ["string"]
        if not matches or "minimum" in limits or "maximum" in limits:  # a number cannot be held against a pattern
            longest = min(limits.get("maxLength", LONGEST_NUMBER), LONGEST_NUMBER)
            shortest = limits.get("minLength", 1)
            limits.setdefault("minimum", 10 ** (shortest - 1) if shortest > 1 else 1 - 10 ** (longest - 1))
            limits.setdefault("maximum", 10**longest - 1)
            kinds.append("number" if longest == LONGEST_NUMBER and shortest == 1 and not matches else "integer")
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
            return base.or_blank({"enum": [*(each.value for each in row.choices), *numbers]}, blank)
        limits, kinds, matches = self._limits(row)
        if not matches and blank and "minLength" not in limits:
            return {"type": [*kinds, "null"], **limits}
        matches += [] if blank else [r"\S"]
        more = {"allOf": [{"pattern": pattern} for pattern in matches[1:]]} if matches[1:] else {}
        return base.or_blank({"type": kinds, **limits, "pattern": (matches or [r"\S"])[0], **more}, blank)

    def spellings(self, row: Input, value: Json) -> Schema:
        if not isinstance(value, str) or not re.fullmatch(patterns.NUMBER, value):
            return {"const": value}
        number = int(value) if patterns.is_integer(value) else float(value)
        return {"enum": [value, number]} if places.text_of(number) == value else {"const": value}

    def convert(self, row: Input, value: Any) -> Any:
        return places.text_of(value)

    def plain(self, row: Input) -> Plain:
        if row.choices or not row.schema.keys() <= self.words.keys():
            return super().plain(row)
        limits, _, matches = self._limits(row)
        if any(step.joins for step in row.codecs):
            matches.append("^[^,]*$")
        # all in one pattern, since to match it takes no call of ours
        size = f"{{{limits.get('minLength', 0)},{limits.get('maxLength', '')}}}"
        never = r"(?!\.\.?\Z)" if "not" in limits else ""
        ahead = [rf"(?=\s*\S)(?=(?s:.){size}\Z){never}", *(rf"(?=(?s:.*?)(?:{pattern}))" for pattern in matches)]
        try:
            counts_groups = any(re.compile(pattern).groups for pattern in matches[1:])  # from those before it
            return base.NOT_PLAIN if counts_groups else (str, re.compile("".join(ahead)).match)
        except (re.error, OverflowError):  # flags stand at the beginning, and no text is that long
            return base.NOT_PLAIN

    def complaint(self, row: Input, value: Any) -> str:
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
                what = f"must be a path below the base URL that begins with one /{base.example(row)}"
                return f"{what}: no host, no dot segments, no backslash"
        like = next((step.like for step in row.codecs if step.like), self.sample or row.example)
        if like is None:
            return "is not of the form that is wanted here"
        return f"must look like {like}, not {base.quoted(row, value)}"

    def field(self, row: Input) -> Schema:
        limits = {key: row.schema[key] for key in ("minLength", "maxLength", "pattern") if key in row.schema}
        return {"type": "string", **limits}


class JsonData(InputType):
    """Objects, lists, numbers, true and false; a text is JSON."""

    words = base.ALL_WORDS
    widget = "code"

    def schema(self, row: Input, blank: bool) -> Schema:
        shape = _shape(row)
        brackets = {"object": r"\{[\s\S]*\}", "array": r"\[[\s\S]*\]"}.get(shape, r"\S[\s\S]*")
        text = {"type": "string", **base.holding(patterns.whole(brackets), dict(row.schema))}
        data = {**row.schema, "type": row.schema.get("type", ["object", "array", "number", "boolean"])}
        return base.or_blank({"anyOf": [data, text]}, blank)

    def plain(self, row: Input) -> Plain:
        kind = {"object": dict, "array": list}.get(_shape(row))
        return (kind, partial(fits, row.schema)) if kind else base.NOT_PLAIN

    def convert(self, row: Input, value: Any) -> Any:
        return base.read_json(value, row.schema) if isinstance(value, str) else value

    def complaint(self, row: Input, value: Any) -> str:
        if not isinstance(value, str):
            return ""
        shape = _shape(row)
        shown = {"object": '{"key": "value"}', "array": '[{"key": "value"}]'}.get(shape, "quote text in it")
        return f"must be {KINDS.get(shape, 'JSON')}, as JSON: {shown}"

    def field(self, row: Input) -> Schema:
        if _shape(row) in ("object", "array"):
            return dict(_quiet(row.schema))
        return {"type": "string"}  # JSON of any kind is typed as text, and read as JSON


class Anything(InputType):
    """Whatever is given, as it is."""

    words = base.ALL_WORDS
    widget = "code"
    may_be_blank = False

    def schema(self, row: Input, blank: bool) -> Schema:
        return dict(row.schema) if blank else {"allOf": [dict(row.schema), {"not": {"anyOf": base.BLANKS}}]}


class File(InputType):
    """`{"filename", "content_type", "base64"}`, or a text that becomes one."""

    widget = "file"

    def schema(self, row: Input, blank: bool) -> Schema:
        properties = {
            "filename": {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]+" + patterns.END},
            "content_type": {"type": "string", "pattern": r"^[\x21-\x7e]+/[\x20-\x7e]+" + patterns.END},
            "base64": {"type": "string", "pattern": patterns.BASE64},
        }
        shape = {"type": "object", "properties": properties, "required": ["base64"], "additionalProperties": False}
        return base.or_blank({"anyOf": [shape, {"type": "string", "pattern": r"\S"}]}, blank)

    def convert(self, row: Input, value: Any) -> Any:
        if isinstance(value, str):
            return {"base64": base64.b64encode(value.encode()).decode(), "content_type": "text/plain; charset=utf-8"}
        return value

    def complaint(self, row: Input, value: Any) -> str:
        return 'must be text or a file: {"filename": "a.png", "content_type": "image/png", "base64": "…"}'


def _shape(row: Input) -> str:
    """The one JSON type that it takes, if its schema names one."""
    kind = row.schema.get("type")
    return kind if isinstance(kind, str) else ""


def _quiet(schema: Json, *, added: bool = False) -> Json:
    """A structured value's schema without what libraries fill in, or ask for, before anybody wants the value.

    That is the least number of entries, and what an object needs, unless it is an entry that a person has `added`.
    """
    if not isinstance(schema, Mapping):
        return schema
    said = {word: part for word, part in schema.items() if word not in ("minItems", "minProperties", "required")}
    parts: Mapping[str, Any] = schema.get("properties", {})
    if parts:
        said["properties"] = {name: _quiet(part) for name, part in parts.items()}
    if "items" in schema:
        said["items"] = _quiet(schema["items"], added=True)
    if added and "required" in schema:
        said["required"] = [name for name in schema["required"] if parts.get(name, {}).get("type") != "boolean"]
    return said
