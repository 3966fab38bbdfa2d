"""The base class of input types, and what types share. Pure.

A type has a JSON Schema of every value that it accepts, and `convert` turns such values into typed ones. An absent
value, null and a blank string are all *blank*; `8`, `"8"` and `8.0` are the same integer. If a string must contain
JSON, `contentSchema` describes that JSON, and `convert` checks it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..language import json_text, patterns
from ..language.schema_faults import Fault, closest, fits, schema_faults, suggestion
from ..model import Input, Json
from ..sentences import Sentence

LONGEST_NUMBER = 25  # characters; a longer number in a text input is a mistake, or has been rounded
LONGEST_SCALAR = 256  # characters of a number, date or boolean as a string, with surrounding blanks
LONGEST_TEXT = 1_000_000  # characters of any other string, unless its schema sets another limit
HEADER_LINE = Sentence("must be one line of printable ASCII text without leading or trailing blanks")

Schema = dict[str, Json]
Reader = Callable[[Any], Any]  # raw value -> typed value or `NoValue`

BLANKS: list[Schema] = [{"type": "null"}, {"type": "string", "pattern": patterns.BLANK}]
_PAIR = {"key": {"anyOf": BLANKS}, "value": {"anyOf": BLANKS}}
BLANK_PAIR: Schema = {"type": "object", "properties": _PAIR, "additionalProperties": False}  # an empty line in a form

RANGE_WORDS = {"minimum": (int, float), "maximum": (int, float)}
TEXT_WORDS = {"minLength": int, "maxLength": int, "pattern": str, "description": str, **RANGE_WORDS}
NUMBER_WORDS = {**RANGE_WORDS, **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum", "multipleOf"), (int, float))}
ALL_WORDS: dict[str, Any] = {
    **NUMBER_WORDS, **TEXT_WORDS,
    "type": (str, list), "enum": list, "const": object, "format": str, "title": str, "description": str,
    "minItems": int, "maxItems": int, "uniqueItems": bool, "items": dict, "properties": dict, "required": list,
    "additionalProperties": (dict, bool), "minProperties": int, "maxProperties": int, "propertyNames": dict,
    "anyOf": list, "oneOf": list, "allOf": list, "not": dict, "default": object, "examples": list, "$ref": str,
}  # fmt: skip


class NoValue(Exception):
    """Returned by a reader instead of a value: `BLANK`, `REFUSED`, or an instance with the faults as `args`."""


BLANK = NoValue()
REFUSED = NoValue()  # `complaints` explains why


class InputType:
    """An input type. The defaults describe a text field without limits."""

    words: Mapping[str, Any] = {}  # the keywords that its `schema:` may have, with the Python types of their values
    wants: str = ""  # noun phrase for its values in complaints
    widget: str | None = None  # its form widget; None for a line of text
    drawn: str = ""  # the JSON type of its form field; empty for text
    choice: type | None = None  # the Python type of its choices, if it can have any
    may_be_blank = True  # whether a blank value is accepted, regardless of the row's schema
    any_text = True  # whether the values of a map may be any string

    def tidy(self, row: Input) -> Callable[[str], str] | None:
        """Return a function that removes what people type by mistake before a string is read; None for free text."""
        return None

    def schema(self, row: Input, blank: bool) -> Schema:
        """Return the schema of every value that the row accepts; without `blank`, of every non-blank value."""
        return or_blank({"type": "string", "pattern": r"\S"}, blank)

    def text_pattern(self, row: Input) -> str | None:
        """Return the pattern of one value as a string, if a pattern is enough to recognize a list of such values."""
        return None

    def spellings(self, row: Input, value: Json) -> Schema:
        """Return the schema of every accepted spelling of one value: 2 is also `"2"` and `" 2.0 "`."""
        return {"const": value}

    def convert(self, row: Input, value: Any) -> Any:
        """Convert a non-blank value that the schema accepts. Raises `NoValue` only for strings."""
        return value

    def complaints(self, row: Input, value: Any) -> list[Fault]:
        """Return the faults of a refused value: paths inside it, and sentences that end in the remedy."""
        if not row.choices:
            what = self.complaint(row, value)
            return [((), what)] if what else schema_faults(row.schema, value)
        titles = [(str(choice.value), choice.label) for choice in row.choices]
        names: list[str] = [label if text == label else f"{label} ({text})" for text, label in titles]
        if len(names) > 8:
            names = [*names[:6], Sentence("{count} more", count=len(names) - 6)]
        known = {name.casefold(): text for text, label in titles for name in (label, text)}
        close = closest(value.casefold(), known) if isinstance(value, str) else None
        meant = suggestion(known[close] if close is not None else None)
        slots = {"choices": tuple(names), "value": quoted(row, value), "meant": meant}
        return [((), Sentence("must be one of {choices}; it is {value}.{meant}", **slots))]

    def complaint(self, row: Input, value: Any) -> str:
        """Return the complaint about a value of a row without choices; empty if the row's schema explains it."""
        low, high = row.schema.get("minimum"), row.schema.get("maximum")
        slots = {"wanted": self.wants, "low": low, "high": high, "value": quoted(row, value)}
        if not self.wants:
            return ""
        if low is None and high is None:
            return Sentence("must be {wanted}; it is {value}", **slots)
        if low is None:
            return Sentence("must be {wanted} of at most {high}; it is {value}", **slots)
        if high is None:
            return Sentence("must be {wanted} of at least {low}; it is {value}", **slots)
        return Sentence("must be {wanted} from {low} to {high}; it is {value}", **slots)

    def field(self, row: Input) -> Schema:
        """Return the schema of one value in a form."""
        return {"type": self.drawn, **row.schema} if self.drawn else {"type": "string"}


def is_blank(row: Input, value: Any) -> bool:
    """True if a value is blank, or is a list or map with only blank items, as forms post them."""
    if row.collection and isinstance(value, list) and value:
        return all(is_blank_item(item) or (row.collection == "map" and fits(BLANK_PAIR, item)) for item in value)
    return is_blank_item(value)


def is_blank_item(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def or_blank(schema: Schema, blank: bool) -> Schema:
    return {"anyOf": [schema, *BLANKS]} if blank else schema


def or_text(value: Json, pattern: str) -> Schema:
    return {"anyOf": [{"const": value}, {"type": "string", "pattern": patterns.whole(pattern)}]}


def holding(pattern: str, content: Schema) -> Schema:
    """Return the keywords of a schema for a string that contains JSON."""
    text = {"maxLength": LONGEST_TEXT, "pattern": pattern}
    return {**text, "contentMediaType": "application/json", "contentSchema": content}


def read_json(text: Any, content: Mapping[str, Json]) -> Any:
    """Parse a string as JSON; return other data unchanged. Raises `NoValue` for invalid or unsuitable JSON."""
    try:
        value = json_text.read_strictly(text, duplicates=True) if isinstance(text, str) else text
    except json_text.JsonError as error:
        raise NoValue(((), error.args[0])) from None
    faults = schema_faults(content, value)
    if faults:
        raise NoValue(*faults)
    return value


def example(row: Input) -> str:
    """Return `, for example a@b.example`; empty without an example."""
    if row.example is None or row.type == "secret":
        return ""
    text = row.example if isinstance(row.example, str) else json.dumps(row.example, ensure_ascii=False)
    return Sentence(", for example {value}", value=text)


def quoted(row: Input, value: Any) -> str:
    """Return the value as a message may quote it: at most 60 characters, and never a secret."""
    if row.type == "secret":
        return Sentence("something else")
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
