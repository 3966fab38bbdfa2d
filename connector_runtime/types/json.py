"""`json`: data, or a string that contains it as JSON. `any`: any data, in which strings stay strings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..language import patterns
from ..language.schema_faults import fits, out_of_bounds
from ..model import Input, Json
from ..sentences import Sentence
from .base import ALL_WORDS, BLANKS, LONGEST_TEXT, InputType, Schema, holding, or_blank, read_json
from .file import FILE_LIKE, NO_FILE, or_file


class JsonData(InputType):
    """Objects, lists, numbers and booleans; strings are parsed as JSON."""

    words = ALL_WORDS
    widget = "code"

    def schema(self, row: Input, blank: bool) -> Schema:
        shape = str(row.schema.get("type"))
        brackets = {"object": r"\{[\s\S]*\}", "array": r"\[[\s\S]*\]"}.get(shape, r"\S[\s\S]*")
        text = {"type": "string", **holding(patterns.whole(brackets), dict(row.schema))}
        data = {**row.schema, "type": row.schema.get("type", ["object", "array", "number", "boolean"])}
        return or_blank(or_file(row, {"anyOf": [data, text]}), blank)

    def convert(self, row: Input, value: Any) -> Any:
        return read_json(value, row.schema) if isinstance(value, str) else value

    def complaint(self, row: Input, value: Any) -> str:
        if not isinstance(value, str):
            return NO_FILE if fits(FILE_LIKE, value) else ""
        match row.schema.get("type"):
            case "object":
                return Sentence('must be an object written as JSON, such as {"key": "value"}')
            case "array":
                return Sentence('must be a list written as JSON, such as [{"key": "value"}]')
        return Sentence("must be JSON: put text in double quotes")

    def field(self, row: Input) -> Schema:
        if str(row.schema.get("type")) in ("object", "array"):
            return dict(_quiet(row.schema))
        return {"type": "string"}  # people enter JSON of unknown shape as text


class Anything(InputType):
    """Any data, unchanged."""

    words = ALL_WORDS
    widget = "code"
    may_be_blank = False

    def schema(self, row: Input, blank: bool) -> Schema:
        schema = or_file(row, {"maxLength": LONGEST_TEXT, **row.schema})
        return schema if blank else {"allOf": [schema, {"not": {"anyOf": BLANKS}}]}

    def complaint(self, row: Input, value: Any) -> str:
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            return out_of_bounds("maxLength", LONGEST_TEXT, value)
        return NO_FILE if fits(FILE_LIKE, value) else ""


def _quiet(schema: Json, *, added: bool = False) -> Json:
    """Return a schema without keywords that make form libraries demand entries before a person adds any.

    `required` stays for entries that a person has `added`, except for booleans.
    """
    if not isinstance(schema, Mapping):
        return schema
    quiet = {word: part for word, part in schema.items() if word not in ("minItems", "minProperties", "required")}
    parts: Mapping[str, Any] = schema.get("properties", {})
    if parts:
        quiet["properties"] = {name: _quiet(part) for name, part in parts.items()}
    if "items" in schema:
        quiet["items"] = _quiet(schema["items"], added=True)
    if added and "required" in schema:
        quiet["required"] = [name for name in schema["required"] if parts.get(name, {}).get("type") != "boolean"]
    return quiet
