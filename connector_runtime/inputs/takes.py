"""What each input accepts, as JSON Schema. Pure; `read` is its other side and reads whatever fits.

Not given, null and a blank string are one thing ("blank"); `8`, `"8"` and `8.0` are one integer. The one thing that
a schema cannot say is what text that holds JSON holds: `contentSchema` says it, and `read` holds it against that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..language import patterns
from ..model import Input, Json

Schema = dict[str, Json]

TEXTS = ("string", "text", "secret", "date", "datetime")
BLANKS: list[Schema] = [{"type": "null"}, {"type": "string", "pattern": patterns.BLANK}]
LONGEST_NUMBER = 25  # characters; a longer number for a text input is a mistake, or was rounded on its way
GUARDED_HEADERS = ("authorization", "host", "content-length", "transfer-encoding", "connection", "proxy-authorization")


def takes(row: Input, *, blank: bool = True) -> Schema:
    """The schema of all that the input accepts; without `blank`, of all that counts as given."""
    if row.collection == "list":
        return _list(row, blank)
    if row.collection == "map":
        return _map(row, blank)
    return _SCALARS[row.type](row, blank)


def is_blank(row: Input, value: Any) -> bool:
    """Whether a value counts as not given; so does a list or map of nothing but blanks, which forms post."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return True
    if row.collection and isinstance(value, list) and value:
        return all(
            item is None or is_blank_text(item) or (row.collection == "map" and blank_pair(item)) for item in value
        )
    return False


def is_blank_text(value: Any) -> bool:
    return isinstance(value, str) and not value.strip()


def blank_pair(value: Any) -> bool:
    """A row of a map that nobody filled in: `{"key": "", "value": ""}`."""
    return (
        isinstance(value, Mapping)
        and set(value) <= {"key", "value"}
        and all(item is None or is_blank_text(item) for item in value.values())
    )


def blanks(row: Input) -> Schema:
    """The schema of what `is_blank` calls blank."""
    if not row.collection:
        return {"anyOf": BLANKS}
    items = {"anyOf": [*BLANKS, BLANK_PAIR] if row.collection == "map" else BLANKS}
    return {"anyOf": [*BLANKS, {"type": "array", "minItems": 1, "items": items}]}


def spelled(row: Input, value: Json) -> Schema:
    """The schema of every accepted spelling of one value: 2 is also `"2"` and `" 2.0 "`."""
    if row.type == "boolean" and isinstance(value, bool):
        return _or_text(value, patterns.any_case(str(value)))
    if row.type == "integer" and isinstance(value, int):
        return _or_text(value, patterns.spelled_integer(value))
    if row.type in TEXTS and isinstance(value, str) and patterns.is_integer(value):
        return {"enum": [value, int(value)]}
    return {"const": value}


def content(row: Input) -> Schema:
    """The schema of the value inside a text that holds JSON."""
    if row.collection == "list":
        return {"type": "array", "items": _item(row)}
    if row.collection == "map":
        return {"anyOf": _maps(row)}
    return {"type": "number", **row.schema} if row.type == "number" else dict(row.schema)


def _or_text(value: Json, pattern: str) -> Schema:
    return {"anyOf": [{"const": value}, {"type": "string", "pattern": patterns.whole(pattern)}]}


def _or_blank(schema: Schema, blank: bool) -> Schema:
    return {"anyOf": [schema, *BLANKS]} if blank else schema


def _null(blank: bool) -> list[str]:
    return ["null"] if blank else []


def _holding(row: Input) -> Schema:
    return {"contentMediaType": "application/json", "contentSchema": content(row)}


# -- one function a type ---------------------------------------------------------------------------------------------


def _text(row: Input, blank: bool) -> Schema:
    if row.choices:
        values = [choice.value for choice in row.choices]
        return _or_blank({"enum": [*values, *(int(value) for value in values if patterns.is_integer(value))]}, blank)
    schema = {key: value for key, value in row.schema.items() if key not in ("type", "pattern")}
    matches = [patterns.sealed(row.schema["pattern"])] if "pattern" in row.schema else []
    matches += [patterns.whole(step.takes) for step in row.codecs if step.takes]
    if row.type == "date":
        matches.append(patterns.whole(patterns.DATE))
    elif row.type == "datetime" and not matches:
        matches.append(patterns.whole(patterns.MOMENT))
    kinds = ["string", *_numbers(schema, bool(matches) or row.type in ("date", "datetime"))]
    for place in row.to:
        if place.kind == "header":
            matches.append(patterns.HEADER_VALUE)
        elif place.kind == "path":
            schema["not"] = {"enum": [".", ".."]}
        elif place.kind == "request" and place.path == ("path",):
            matches, kinds = [*matches, patterns.RAW_PATH], ["string"]
    if not matches and blank and "minLength" not in schema:
        return {"type": [*kinds, "null"], **schema}
    matches += [] if blank else [r"\S"]
    more = {"allOf": [{"pattern": pattern} for pattern in matches[1:]]} if matches[1:] else {}
    return _or_blank({"type": kinds, **schema, "pattern": (matches or [r"\S"])[0], **more}, blank)


def _numbers(schema: Schema, patterned: bool) -> list[str]:
    """Whether a text may be given as a number, and the bounds that its length limits mean for one.

    A pattern cannot be held against a number, so it takes an explicit `minimum` or `maximum` beside it to admit one.
    """
    if patterned and not {"minimum", "maximum"} & set(schema):
        return []
    longest = min(schema.get("maxLength", LONGEST_NUMBER), LONGEST_NUMBER)
    shortest = schema.get("minLength", 1)
    schema.setdefault("minimum", 10 ** (shortest - 1) if shortest > 1 else 1 - 10 ** (longest - 1))
    schema.setdefault("maximum", 10**longest - 1)
    return ["number" if longest == LONGEST_NUMBER and shortest == 1 and not patterned else "integer"]


def _integer(row: Input, blank: bool) -> Schema:
    if row.choices:
        values = [choice.value for choice in row.choices]
        inner = "|".join(patterns.spelled_integer(value) for value in values)
        text = {"type": "string", "pattern": patterns.whole(inner, blank=blank)}
        return {"anyOf": [{"enum": [*values, *([None] if blank else [])]}, text]}
    inner = patterns.integers(row.schema.get("minimum"), row.schema.get("maximum"))
    kinds = ["integer", "string", *_null(blank)]
    return {"type": kinds, **row.schema, "pattern": patterns.whole(inner, blank=blank)}


def _number(row: Input, blank: bool) -> Schema:
    pattern = patterns.whole(patterns.NUMBER, blank=blank)
    return {"type": ["number", "string", *_null(blank)], **row.schema, "pattern": pattern, **_holding(row)}


def _boolean(row: Input, blank: bool) -> Schema:
    inner = f"{patterns.any_case('true')}|{patterns.any_case('false')}"
    return {"type": ["boolean", "string", *_null(blank)], "pattern": patterns.whole(inner, blank=blank)}


def _json(row: Input, blank: bool) -> Schema:
    shape = row.schema.get("type", "")
    brackets = {"object": r"\{[\s\S]*\}", "array": r"\[[\s\S]*\]"}.get(shape, r"\S[\s\S]*")
    text = {"type": "string", "pattern": patterns.whole(brackets), **_holding(row)}
    data = dict(row.schema) if shape else {**row.schema, "type": ["object", "array", "number", "boolean"]}
    return _or_blank({"anyOf": [data, text]}, blank)


def _any(row: Input, blank: bool) -> Schema:
    return dict(row.schema) if blank else {"allOf": [dict(row.schema), {"not": {"anyOf": BLANKS}}]}


def _file(row: Input, blank: bool) -> Schema:
    properties = {
        "filename": {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]+" + patterns.END},
        "content_type": {"type": "string", "pattern": r"^[\x21-\x7e]+/[\x20-\x7e]+" + patterns.END},
        "base64": {"type": "string", "pattern": patterns.BASE64},
    }
    shape = {"type": "object", "properties": properties, "required": ["base64"], "additionalProperties": False}
    return _or_blank({"anyOf": [shape, {"type": "string", "pattern": r"\S"}]}, blank)


_SCALARS: dict[str, Callable[[Input, bool], Schema]] = {
    **dict.fromkeys(TEXTS, _text),
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "json": _json,
    "any": _any,
    "file": _file,
}


# -- collections -----------------------------------------------------------------------------------------------------


def _one(row: Input, blank: bool) -> Schema:
    """What one entry of a list or map takes."""
    return _SCALARS[row.type](row._replace(collection=None), blank)


def _item(row: Input) -> Schema:
    item = _one(row, True)
    if row.type in TEXTS and any(step.joins for step in row.codecs):
        return {"allOf": [item, {"pattern": "^[^,]*$"}]}  # a comma inside an item would make two of it
    return item


def _list(row: Input, blank: bool) -> Schema:
    items: Schema = {"type": "array", "items": _item(row)}
    if not blank:
        items["not"] = {"minItems": 1, "items": {"anyOf": BLANKS}}
    text = {"type": "string", "pattern": patterns.whole(_list_text(row), blank=blank), **_holding(row)}
    single = {"allOf": [{"type": ["integer", "number", "boolean"]}, _one(row, False)]}
    return {"anyOf": [items, text, single, *([{"type": "null"}] if blank else [])]}


def _list_text(row: Input) -> str:
    """Text for a list: `a, b` or JSON."""
    if row.type == "integer":
        values = [patterns.spelled_integer(choice.value) for choice in row.choices]
        one = f"(?:{'|'.join(values) or patterns.integers(row.schema.get('minimum'), row.schema.get('maximum'))})"
        several = rf"{one}(?:\s*,\s*{one})*"
        return rf"{several}|\[\s*(?:{several})?\s*\]"
    return r"\[[\s\S]*\]|[^\s\[][\s\S]*"


BLANK_PAIR: Schema = {
    "type": "object",
    "properties": {"key": {"anyOf": BLANKS}, "value": {"anyOf": BLANKS}},
    "additionalProperties": False,
}


def _maps(row: Input) -> list[Schema]:
    """The two forms of a map: `{k: v}` and `[{key, value}]`, the second of which keeps repeats."""
    value: Schema = {"anyOf": [{"type": "null"}, {"type": "string"}, _one(row, True)]}
    name: Schema = {"type": "string", "pattern": r"\S"}
    if any(place.kind == "header" for place in row.to):
        value = {"type": ["string", "number", "null"], "pattern": patterns.HEADER_VALUE}
        guarded = "|".join(map(patterns.any_case, GUARDED_HEADERS))
        name = {"type": "string", "pattern": patterns.HEADER_NAME, "not": {"pattern": f"^(?:{guarded})$"}}
    pair = {"type": "object", "properties": {"key": name, "value": value}, "required": ["key"]}
    rows = {
        "type": "array",
        "items": {"anyOf": [{**pair, "additionalProperties": False}, BLANK_PAIR, {"type": "null"}]},
    }
    return [{"type": "object", "propertyNames": name, "additionalProperties": value}, rows]


def _map(row: Input, blank: bool) -> Schema:
    pairs, rows = _maps(row)
    if not blank:
        rows["not"] = {"minItems": 1, "items": {"anyOf": [*BLANKS, BLANK_PAIR]}}
    text = {"type": "string", "pattern": patterns.whole(r"\{[\s\S]*\}|\[[\s\S]*\]"), **_holding(row)}
    return _or_blank({"anyOf": [pairs, rows, text]}, blank)
