"""What a type of input is, and the types of one value: numbers, true and false, texts, JSON and files. Pure.

A type says the JSON Schema of all that it accepts, and `convert`s whatever fits; it may say sooner which values are
`plain`. Not given, null and a blank string are one thing ("blank"); `8`, `"8"` and `8.0` are one integer. What text
that holds JSON must hold, a schema says by `contentSchema`, and `convert` holds it against that.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..language import json_text, patterns, places
from ..language.wording import KINDS, Fault, closest, fits, kind_of, misfits
from ..model import Input, Json

LONGEST_NUMBER = 25  # characters; a longer number for a text input is a mistake, or was rounded on its way
HEADER_LINE = "must be one line of printable ASCII text"

Schema = dict[str, Json]
Reader = Callable[[Any], Any]  # a value as it was given -> the typed value, or `NoValue`
Plain = tuple[type, Callable[[Any], object]]  # of values of exactly that Python type, which are plain for sure

NOT_PLAIN: Plain = (object, bool)  # no value is an `object` and no more

BLANKS: list[Schema] = [{"type": "null"}, {"type": "string", "pattern": patterns.BLANK}]
_PAIR = {"key": {"anyOf": BLANKS}, "value": {"anyOf": BLANKS}}
BLANK_PAIR: Schema = {"type": "object", "properties": _PAIR, "additionalProperties": False}  # which nobody filled in

RANGE_WORDS = {"minimum": (int, float), "maximum": (int, float)}
TEXT_WORDS = {"minLength": int, "maxLength": int, "pattern": str, **RANGE_WORDS}
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
            return [((), what)] if what else misfits(row.schema, value)
        titles = [(str(choice.value), choice.label) for choice in row.choices]
        shown = [label if text == label else f"{text} ({label})" for text, label in titles]
        if len(shown) > 8:
            shown = [*shown[:6], f"{len(shown) - 6} more"]
        known = {**{text: text for text, _ in titles}, **{label: text for text, label in titles}}
        close = closest(value, known) if isinstance(value, str) else None
        meant = f" Did you mean {known[close]}?" if close is not None else ""
        return [((), f"must be one of {', '.join(shown)}, not {quoted(row, value)}.{meant}")]

    def complaint(self, row: Input, value: Any) -> str:
        """The complaint about a value of a row without choices; nothing if the row's schema is to say it."""
        low, high = row.schema.get("minimum"), row.schema.get("maximum")
        if low is None:
            limits = "" if high is None else f" of at most {high}"
        else:
            limits = f" of at least {low}" if high is None else f" from {low} to {high}"
        return f"must be {self.wants}{limits}, not {quoted(row, value)}" if self.wants else ""

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
    return {"pattern": pattern, "contentMediaType": "application/json", "contentSchema": content}


def read_json(text: Any, content: Mapping[str, Json]) -> Any:
    """The JSON that a text holds, or has been read as. Raises `NoValue` if it holds none, or none that fits."""
    try:
        value = json_text.read_strictly(text, duplicates=True) if isinstance(text, str) else text
    except json_text.JsonError as error:
        raise NoValue(((), str(error))) from None
    faults = misfits(content, value)
    if faults:
        raise NoValue(*faults)
    return value


def example(row: Input) -> str:
    """`, such as a@b.example` or nothing."""
    if row.example is None or row.type == "secret":
        return ""
    return f", such as {row.example if isinstance(row.example, str) else json.dumps(row.example, ensure_ascii=False)}"


def quoted(row: Input, value: Any) -> str:
    """The value as it may be shown: short, and never a secret's."""
    if row.type == "secret":
        return "this"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


# -- the types ---------------------------------------------------------------------------------------------------------


class Integer(InputType):
    """A whole number."""

    words = RANGE_WORDS
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
        return or_text(value, sign + patterns.spelled_integer(value))

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

    words = NUMBER_WORDS
    wants = "a number"
    drawn = "number"

    def schema(self, row: Input, blank: bool) -> Schema:
        kinds = ["number", "string", *(["null"] if blank else [])]
        pattern = patterns.whole(patterns.NUMBER, blank=blank)
        return {"type": kinds, **row.schema, **holding(pattern, {"type": "number", **row.schema})}

    def convert(self, row: Input, value: Any) -> Any:
        return read_json(value, {"type": "number", **row.schema}) if isinstance(value, str) else value


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
        return or_text(value, patterns.any_case(str(value))) if isinstance(value, bool) else {"const": value}

    def convert(self, row: Input, value: Any) -> bool:
        return value if isinstance(value, bool) else value.strip().lower() == "true"

    def plain(self, row: Input) -> Plain:
        return bool, {True, False}.__contains__


class Text(InputType):
    """Any text, and numbers as they are written; or texts of one form only.

    Where the form `gives_way`, a row's pattern or codec takes its place. A number has the limits that those of its
    length mean; beside a pattern it takes an explicit `minimum` or `maximum` to admit one.
    """

    words = TEXT_WORDS
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
            return NOT_PLAIN if counts_groups else (str, re.compile("".join(ahead)).match)
        except (re.error, OverflowError):  # flags stand at the beginning, and no text is that long
            return NOT_PLAIN

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
                what = f"must be a path below the base URL that begins with one /{example(row)}"
                return f"{what}: no host, no dot segments, no backslash"
        like = next((step.like for step in row.codecs if step.like), self.sample or row.example)
        if like is None:
            return "is not of the form that is wanted here"
        return f"must look like {like}, not {quoted(row, value)}"

    def field(self, row: Input) -> Schema:
        limits = {key: row.schema[key] for key in ("minLength", "maxLength", "pattern") if key in row.schema}
        return {"type": "string", **limits}


class JsonData(InputType):
    """Objects, lists, numbers, true and false; a text is JSON."""

    words = ALL_WORDS
    widget = "code"

    def schema(self, row: Input, blank: bool) -> Schema:
        shape = str(row.schema.get("type"))
        brackets = {"object": r"\{[\s\S]*\}", "array": r"\[[\s\S]*\]"}.get(shape, r"\S[\s\S]*")
        text = {"type": "string", **holding(patterns.whole(brackets), dict(row.schema))}
        data = {**row.schema, "type": row.schema.get("type", ["object", "array", "number", "boolean"])}
        return or_blank({"anyOf": [data, text]}, blank)

    def plain(self, row: Input) -> Plain:
        kind = {"object": dict, "array": list}.get(str(row.schema.get("type")))
        return (kind, partial(fits, row.schema)) if kind else NOT_PLAIN

    def convert(self, row: Input, value: Any) -> Any:
        return read_json(value, row.schema) if isinstance(value, str) else value

    def complaint(self, row: Input, value: Any) -> str:
        if not isinstance(value, str):
            return ""
        shape = str(row.schema.get("type"))
        shown = {"object": '{"key": "value"}', "array": '[{"key": "value"}]'}.get(shape, "quote text in it")
        return f"must be {KINDS.get(shape, 'JSON')}, as JSON: {shown}"

    def field(self, row: Input) -> Schema:
        if str(row.schema.get("type")) in ("object", "array"):
            return dict(_quiet(row.schema))
        return {"type": "string"}  # JSON of any kind is typed as text, and read as JSON


class Anything(InputType):
    """Whatever is given, as it is."""

    words = ALL_WORDS
    widget = "code"
    may_be_blank = False

    def schema(self, row: Input, blank: bool) -> Schema:
        return dict(row.schema) if blank else {"allOf": [dict(row.schema), {"not": {"anyOf": BLANKS}}]}


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
        return or_blank({"anyOf": [shape, {"type": "string", "pattern": r"\S"}]}, blank)

    def convert(self, row: Input, value: Any) -> Any:
        if isinstance(value, str):
            return {"base64": base64.b64encode(value.encode()).decode(), "content_type": "text/plain; charset=utf-8"}
        return value

    def complaint(self, row: Input, value: Any) -> str:
        return 'must be text or a file: {"filename": "a.png", "content_type": "image/png", "base64": "…"}'


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
