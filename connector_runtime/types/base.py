"""What a type of input is, and what types share. Pure.

A type says the JSON Schema of all that it accepts, and `convert`s whatever fits; it may say sooner which values are
`plain`. Not given, null and a blank string are one thing ("blank"); `8`, `"8"` and `8.0` are one integer. What text
that holds JSON must hold, a schema says by `contentSchema`, and `convert` holds it against that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..language import json_text, patterns
from ..language.schema_faults import Fault, closest, fits, schema_faults
from ..model import Input, Json
from ..sentences import Sentence

LONGEST_NUMBER = 25  # characters; a longer number for a text input is a mistake, or was rounded on its way
LONGEST_SCALAR = 256  # characters of a number, a date or true and false as text, with the blanks around them
LONGEST_TEXT = 1_000_000  # characters of any other text, unless its schema says less or more
HEADER_LINE = Sentence("must be one line of printable ASCII text without blanks at its ends")

Schema = dict[str, Json]
Reader = Callable[[Any], Any]  # a value as it was given -> the typed value, or `NoValue`
Plain = tuple[type, Callable[[Any], object]]  # of values of exactly that Python type, which are plain for sure

NOT_PLAIN: Plain = (object, bool)  # no value is an `object` and no more

BLANKS: list[Schema] = [{"type": "null"}, {"type": "string", "pattern": patterns.BLANK}]
_PAIR = {"key": {"anyOf": BLANKS}, "value": {"anyOf": BLANKS}}
BLANK_PAIR: Schema = {"type": "object", "properties": _PAIR, "additionalProperties": False}  # which nobody filled in

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
    """What a reader gives where there is no value: `BLANK`, `REFUSED`, or, of faults, what `convert` has raised."""


BLANK = NoValue()  # nothing was given
REFUSED = NoValue()  # `complaints` says why


class InputType:
    """A type of input. What is not overridden here is that of a text field which takes any text."""

    words: Mapping[str, Any] = {}  # the words of `schema:` that it knows, with the Python types that they hold
    wants: str = ""  # what it takes, as a complaint says it
    widget: str | None = None  # how forms draw it, if not as a line of text
    drawn: str = ""  # the JSON type that forms draw it as, if not as text
    choice: type | None = None  # the Python type of its choices, if it can have any
    may_be_blank = True  # whether it takes a blank value, whatever the row's schema says
    any_text = True  # whether a map may hold any text in the place of a value

    def schema(self, row: Input, blank: bool) -> Schema:
        """The schema of all that the row accepts; without `blank`, of all that counts as given."""
        return or_blank({"type": "string", "pattern": r"\S"}, blank)

    def text_pattern(self, row: Input) -> str | None:
        """The pattern of one value as text, where it takes no more than that to know a list of them."""
        return None

    def spellings(self, row: Input, value: Json) -> Schema:
        """The schema of every accepted spelling of one value: 2 is also `"2"` and `" 2.0 "`."""
        return {"const": value}

    def convert(self, row: Input, value: Any) -> Any:
        """The typed value of whatever the schema accepts and is not blank. Raises `NoValue` for text only."""
        return value

    def plain(self, row: Input) -> Plain:
        """Which values are accepted, not blank, and typed already, as far as it is known without the schema.

        It is asked of each value of each call, so it had better be a function of Python's own, such as a set's.
        """
        known = {choice.value for choice in row.choices if not is_blank_item(choice.value)}
        return (self.choice, known.__contains__) if self.choice and known else NOT_PLAIN

    def complaints(self, row: Input, value: Any) -> list[Fault]:
        """What is wrong with a value that is refused: paths inside it with sentences that end in the remedy."""
        if not row.choices:
            what = self.complaint(row, value)
            return [((), what)] if what else schema_faults(row.schema, value)
        titles = [(str(choice.value), choice.label) for choice in row.choices]
        shown: list[str] = [label if text == label else f"{label} ({text})" for text, label in titles]
        if len(shown) > 8:
            shown = [*shown[:6], Sentence("{count} more", count=len(shown) - 6)]
        known = {**{text: text for text, _ in titles}, **{label: text for text, label in titles}}
        close = closest(value, known) if isinstance(value, str) else None
        meant = Sentence(" Did you mean '{name}'?", name=known[close]) if close is not None else ""
        given = {"choices": tuple(shown), "value": quoted(row, value), "meant": meant}
        return [((), Sentence("must be one of {choices}; it is {value}.{meant}", **given))]

    def complaint(self, row: Input, value: Any) -> str:
        """The complaint about a value of a row without choices; nothing if the row's schema is to say it."""
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
        """The schema that a form draws one value from."""
        return {"type": self.drawn, **row.schema} if self.drawn else {"type": "string"}


def is_blank(row: Input, value: Any) -> bool:
    """Whether a value counts as not given; so does a list or map of nothing but blanks, which forms post."""
    if row.collection and isinstance(value, list) and value:
        return all(is_blank_item(item) or (row.collection == "map" and fits(BLANK_PAIR, item)) for item in value)
    return is_blank_item(value)


def is_blank_item(value: Any) -> bool:
    """Whether one value counts as not given; a list is a value."""
    return value is None or (isinstance(value, str) and not value.strip())


def or_blank(schema: Schema, blank: bool) -> Schema:
    return {"anyOf": [schema, *BLANKS]} if blank else schema


def or_text(value: Json, pattern: str) -> Schema:
    return {"anyOf": [{"const": value}, {"type": "string", "pattern": patterns.whole(pattern)}]}


def holding(pattern: str, content: Schema) -> Schema:
    """What a schema says of text that holds JSON."""
    text = {"maxLength": LONGEST_TEXT, "pattern": pattern}
    return {**text, "contentMediaType": "application/json", "contentSchema": content}


def read_json(text: Any, content: Mapping[str, Json]) -> Any:
    """The JSON that a text holds, or has been read as. Raises `NoValue` if it holds none, or none that fits."""
    try:
        value = json_text.read_strictly(text, duplicates=True) if isinstance(text, str) else text
    except json_text.JsonError as error:
        raise NoValue(((), error.args[0])) from None
    faults = schema_faults(content, value)
    if faults:
        raise NoValue(*faults)
    return value


def example(row: Input) -> str:
    """`, for example a@b.example` or nothing."""
    if row.example is None or row.type == "secret":
        return ""
    shown = row.example if isinstance(row.example, str) else json.dumps(row.example, ensure_ascii=False)
    return Sentence(", for example {value}", value=shown)


def quoted(row: Input, value: Any) -> str:
    """The value as it may be shown: short, and never a secret's."""
    if row.type == "secret":
        return Sentence("something else")
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
