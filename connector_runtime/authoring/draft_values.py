"""What one value of an OpenAPI document is as a row: its type, collection, choices, limits and example. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..model import Json
from .openapi import Schema

LONG = 500  # characters from which a text gets a field of several lines
Row = dict[str, Json]


def writable(schema: Mapping[str, Any]) -> dict[str, Schema]:
    """The properties that a request may set."""
    return {name: part for name, part in (schema.get("properties") or {}).items() if not part.get("readOnly")}


def typed(schema: Schema, place: str) -> Row:
    """Type, collection, choices, limits, example of one value; the type comes first."""
    row = _typed(schema, place)
    default = schema.get("default")
    if isinstance(default, bool | int | float | str) and default != "" and len(str(default)) <= 60:
        row["if_absent"] = default
    examples = schema.get("examples")
    example = schema.get("example", examples[0] if isinstance(examples, list) and examples else None)
    if isinstance(example, int | float | str) and len(str(example)) <= 60 and "choices" not in row:
        row["example"] = example
    return row


def _typed(schema: Schema, place: str) -> Row:
    kind, enum = schema.get("type"), _enum(schema)
    if "anyOf" in schema:
        return _either(schema, place)
    if kind == "array":
        return _list(schema, place)
    if kind == "object" or (kind is None and "properties" in schema):
        return {"type": "json", "schema": _top(schema)}
    if kind == "boolean":
        return {"type": "boolean"}
    if kind == "integer" or (kind is None and enum and all(type(value) is int for value in enum)):
        return {"type": "integer", **({"choices": enum} if enum else _schema(_whole(schema)))}
    if kind == "number":
        return {"type": "number", **_schema(_pick(schema, "minimum", "maximum", "multipleOf"))}
    if kind == "file" or (kind == "string" and schema.get("format") == "binary" and place == "part"):
        return {"type": "file"}
    return _text(schema, enum) if kind == "string" or enum else {"type": "any" if place == "body" else "string"}


def _text(schema: Schema, enum: list[Json]) -> Row:
    texts = [value for value in enum if isinstance(value, str) and value.strip()]
    if texts:
        return {"type": "string", "choices": texts}
    form = schema.get("format")
    if form == "date":
        return {"type": "date"}
    if form == "date-time":
        return {"type": "datetime", "as": "utc"}
    limits = _pick(schema, "minLength", "maxLength")
    if limits.get("minLength", 2) < 2:
        limits.pop("minLength")
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and _portable(pattern):
        limits["pattern"] = pattern
    long = limits.get("maxLength", 0) >= LONG and "pattern" not in limits
    return {"type": "secret" if form == "password" else "text" if long else "string", **_schema(limits)}


def _list(schema: Schema, place: str) -> Row:
    items = schema.get("items") or {}
    inner = _typed(items, place) if items.get("type") not in ("array", "object") else {"type": "json"}
    limited = place == "body" and bool({"maxItems", "minItems"} & set(schema))
    if limited or inner["type"] in ("json", "any", "file"):
        return {"type": "json", "schema": _top(schema)}
    return {"type": inner.pop("type"), "collection": "list", **inner}


def _either(schema: Schema, place: str) -> Row:
    kinds = {part.get("type") for part in schema["anyOf"]}
    texts = [part for part in schema["anyOf"] if part.get("type") == "string"]
    if kinds <= {"string", "integer", "number"} and texts:
        return {"type": "string"} if len(texts) < len(schema["anyOf"]) or len(texts) > 1 else _typed(texts[0], place)
    if kinds == {"integer", "number"}:
        return {"type": "number"}
    return {"type": "json"} if kinds <= {"object", "array", "integer", "number", "boolean"} else {"type": "any"}


def _enum(schema: Schema) -> list[Json]:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    return [value for index, value in enumerate(values) if value is not None and value not in values[:index]]


def _schema(limits: Schema) -> Row:
    return {"schema": limits} if limits else {}


def _pick(schema: Schema, *words: str) -> Schema:
    return {word: schema[word] for word in words if isinstance(schema.get(word), int | float)}


def _whole(schema: Schema) -> Schema:
    """The limits of an integer, both inclusive; 3.0 says `exclusiveMinimum: true`, 3.1 a number."""
    found: Schema = {}
    for word, other, step in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        limit, beyond = schema.get(word), schema.get(other)
        if isinstance(beyond, int | float) and not isinstance(beyond, bool):
            found[word] = int(beyond) + step
        elif isinstance(limit, int | float):
            found[word] = int(limit) + (step if beyond is True else 0)
    return found


def _portable(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return len(pattern) <= 200


def _top(schema: Schema) -> Schema:
    made = shape(schema)
    if isinstance(made.get("type"), list):
        made["type"] = made["type"][0]
    return made if len(str(made)) <= 1500 else {"type": made.get("type", "object")}


def shape(schema: Schema, depth: int = 3, *, answer: bool = False) -> Schema:
    """A schema that stands alone and says only what restricts; deeper than `depth`, only the type."""
    kind = schema.get("type")
    made: Schema = {}
    if kind in ("string", "integer", "number", "boolean", "object", "array"):
        made["type"] = [kind, "null"] if schema.get("nullable") else kind
    enum = schema.get("enum")
    if enum and not answer:
        made["enum"] = [*enum, *([None] if schema.get("nullable") and None not in enum else [])]
    if not answer:
        made.update(_pick(schema, "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"))
    if depth and kind == "object" and schema.get("properties"):
        chosen = schema["properties"] if answer else writable(schema)
        made["properties"] = {name: shape(part, depth - 1, answer=answer) for name, part in chosen.items()}
        required = [name for name in schema.get("required", ()) if name in made["properties"]]
        if required and not answer:
            made["required"] = required
    if depth and kind == "array":
        items = shape(schema.get("items") or {}, depth - 1, answer=answer)
        made.update({"items": items} if items else {})
    return made
