"""Turns an operation's parameters and body into rows of an input table, with types and places. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..definitions.checks.tables import RESERVED
from ..definitions.complete import title_case
from ..model import Json
from ..types.collections import GUARDED_HEADERS
from .openapi import Operation, Schema

LONG = 500  # characters; text that may be this long gets a multiline field
MAX_ROWS = 60
MAX_DEPTH = 3
Row = dict[str, Json]
Path = tuple[str, ...]


@dataclass(slots=True)
class DraftTable:
    """The rows so far, their rules, and what is left for a person to do."""

    rows: dict[str, Row] = field(default_factory=dict)
    rules: list[dict[str, Json]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    placeholders: dict[str, str] = field(default_factory=dict)  # name in the document -> key of the row

    def add(self, names: Path, row: Row, to: str, group: str | None = None) -> str:
        """Add a row under a free key and return the key."""
        key = snake("_".join(names))
        if key in (*RESERVED, "connection"):
            key = f"{key}_value"
        stem, number = key, 2
        while key in self.rows:
            key, number = f"{stem}_{number}", number + 1
        kind, _, rest = to.partition(".")
        words = {"label": title_case(key), **row, **({"group": group} if group else {})}
        self.rows[key] = {**words, "to": kind if rest == key and kind != "header" else to}
        if "as" in words:  # to come after `to`
            self.rows[key]["as"] = self.rows[key].pop("as")
        return key


def snake(name: str) -> str:
    """Return a name in snake case: `meeting_id` for `meetingId`, `x_meeting_id` for `X-Meeting-Id`."""
    name = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    name = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return name if name[:1].isalpha() else f"value_{name}".strip("_")


def table(operation: Operation, skipped: set[str]) -> DraftTable:
    """Return the rows of an operation without the query parameters in `skipped`, which paging sets."""
    draft = DraftTable()
    for entry in operation.parameters:
        if entry.place == "query" and entry.name in skipped:
            continue
        is_guarded = entry.place == "header" and entry.name.lower() in GUARDED_HEADERS
        if is_guarded or not re.fullmatch(r"[^\s.*]+(\.[^\s.*]+)*", entry.name):
            draft.left.append(f"the {entry.place} parameter {entry.name!r} was omitted: the language cannot name it")
            continue
        row = typed(entry.schema, entry.place)
        if entry.place == "path" and row["type"] in ("json", "any", "file", "boolean") and not row.get("collection"):
            row = {"type": "string"}
        elif row.get("collection") and (entry.style == "csv" or entry.place == "path"):
            row["as"] = "csv"
        elif entry.place != "path" and (entry.style == "json" or (row["type"] == "json" and entry.place == "query")):
            row["as"] = "json"
            draft.left.append(f"check how {entry.name!r} is written in the {entry.place}; it is sent as JSON text")
        row = _row(row, entry.required, entry.deprecated)
        key = draft.add((entry.name,), row, f"{entry.place}.{entry.name}")
        if entry.place == "path":
            draft.placeholders[entry.name] = key
    if operation.body is not None:
        _body(draft, operation, operation.body)
    return draft


def _row(row: Row, required: bool, deprecated: bool) -> Row:
    """Return a row with `required` after its type, and `deprecated` if the vendor advises against it."""
    advice = {"deprecated": "The vendor advises against it."} if deprecated and not required else {}
    return {"type": row.pop("type"), **({"required": True} if required else {}), **row, **advice}


def _body(draft: DraftTable, operation: Operation, schema: Schema) -> None:
    place = "part" if operation.media == "multipart" else "body"
    properties = writable(schema)
    # a request always has a body, at least {}, so the fields that the body requires are always required
    is_required = operation.body_required or bool(properties and schema.get("required"))
    required = {"required": True} if is_required else {}
    if operation.media == "other":
        draft.add(("body",), {"type": "any", **required}, "request.body")
        draft.left.append("the body is neither JSON nor a form; find out what `body` must contain")
    elif properties and "anyOf" not in schema:
        before = dict(draft.rows)
        keys = _fields(draft, schema, (), place, depth=1, parent=is_required)
        if len(draft.rows) - len(before) > MAX_ROWS:
            draft.rows = before
            keys = _fields(draft, schema, (), place, depth=MAX_DEPTH, parent=is_required)
        # groups of keys, one of which the body needs, as far as a rule can express them
        needs = schema.get("needs", [])
        if schema.get("minProperties") == 1 and not needs and len(keys) == len(properties):
            needs = [[name] for name in keys]
        names = [group[0] for group in needs if len(group) == 1]
        if any(draft.rows[keys[name]].get("required") for name in names if name in keys):
            return
        if len(names) == len(needs) > 1 and all(name in keys for name in names):
            draft.rules.append({"at_least_one": [keys[name] for name in names]})
        elif needs:
            draft.left.append(f"rules: the body needs {' or '.join(' with '.join(group) for group in needs)}")
    elif schema.get("type") == "object" and place == "body" and not required and "anyOf" not in schema:
        draft.add(("fields",), {"type": "json", "schema": {"type": "object"}}, "body.*")
    else:
        row = typed(schema, "body")
        if row.get("collection") or row["type"] not in ("json", "any"):
            limits = {"schema": shape(schema)} if "items" in schema else {}
            row = {"type": "json" if row.get("collection") else "any", **limits}
        draft.add(("body",), {"type": row.pop("type"), **required, **row}, "request.body")
        if "anyOf" in schema:
            draft.left.append("the body has several forms; replace `body` with the inputs of the form that you need")


def _fields(draft: DraftTable, schema: Schema, path: Path, place: str, *, depth: int, parent: bool) -> dict[str, str]:
    """Add rows for an object's properties; return the keys of single rows by name. `parent`: the object is required."""
    keys: dict[str, str] = {}
    missing = [name for name in schema.get("required", ()) if name not in (schema.get("properties") or {})]
    entries = {**writable(schema), **{name: {} for name in missing}}
    odd = [name for name in entries if not nameable(name)]
    for name, part in entries.items():
        if name in odd:
            continue
        is_required, inside = parent and name in schema.get("required", ()), (*path, name)
        if place == "body" and depth < MAX_DEPTH and _flat(part, is_required):
            _fields(draft, part, inside, place, depth=depth + 1, parent=is_required)
            continue
        row = typed(part, place)
        if part.get("nullable") and not is_required and place == "body":
            row["clear"] = None
        row = _row(row, is_required, bool(part.get("deprecated")))
        keys[name] = draft.add(inside, row, ".".join((place, *inside)), title_case(snake(path[0])) if path else None)
    if odd and place == "body":
        draft.add(("more_fields",), {"type": "json", "schema": {"type": "object"}}, "body.*")
    if odd:
        draft.left.append(f"{', '.join(map(repr, odd))}: the language cannot name it as a place; see `more_fields`")
    if missing:
        draft.left.append(f"{', '.join(map(repr, missing))}: required but not described; find out what it is")
    return keys


def nameable(name: str) -> bool:
    """True if a key of a body can be a step of a place."""
    return re.fullmatch(r"[^\s.*]+", name) is not None


def _flat(part: Schema, required: bool) -> bool:
    """True if an object's keys can be inputs, because the object is sent exactly when one of them has a value."""
    properties = writable(part)
    if part.get("type") != "object" or not 0 < len(properties) <= 15 or "anyOf" in part or part.get("nullable"):
        return False
    inner = [name for name in part.get("required", ()) if name in properties]
    return bool(inner) is required and all(map(nameable, properties)) and not part.get("additionalProperties")


def writable(schema: Mapping[str, Any]) -> dict[str, Schema]:
    """Return the properties that a request may set."""
    return {name: part for name, part in (schema.get("properties") or {}).items() if not part.get("readOnly")}


def typed(schema: Schema, place: str) -> Row:
    """Return the row of one value: its type first, then collection, choices, limits and example."""
    row = _typed(schema, place)
    if row.get("schema") == {} and row["type"] != "json":
        del row["schema"]
    default = schema.get("default")
    if isinstance(default, bool | int | float | str) and default != "" and len(str(default)) <= 60:
        row["if_absent"] = default
    examples = schema.get("examples")
    example = schema.get("example", examples[0] if isinstance(examples, list) and examples else None)
    if isinstance(example, int | float | str) and len(str(example)) <= 60 and "choices" not in row:
        row["example"] = example
    return row


def _typed(schema: Schema, place: str) -> Row:
    kind = schema.get("type")
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    enum = [value for index, value in enumerate(values) if value is not None and value not in values[:index]]
    if "anyOf" in schema:
        return _either(schema, place)
    if kind == "array":
        items = schema.get("items") or {}
        inner = _typed(items, place) if items.get("type") not in ("array", "object") else {"type": "json"}
        limited = place == "body" and bool({"maxItems", "minItems"} & set(schema))
        if limited or inner["type"] in ("json", "any", "file"):
            return {"type": "json", "schema": _top(schema)}
        return {"type": inner.pop("type"), "collection": "list", **inner}
    if kind == "object" or (kind is None and "properties" in schema):
        return {"type": "json", "schema": _top(schema)}
    if kind in ("boolean", "file"):
        return {"type": kind}
    if kind == "integer" or (kind is None and enum and all(type(value) is int for value in enum)):
        return {"type": "integer", "choices": enum} if enum else {"type": "integer", "schema": _whole(schema)}
    if kind == "number":
        return {"type": "number", "schema": _pick(schema, "minimum", "maximum", "multipleOf")}
    if kind == "string" and schema.get("format") == "binary" and place == "part":
        return {"type": "file"}
    return _text(schema, enum) if kind == "string" or enum else {"type": "any" if place == "body" else "string"}


def _text(schema: Schema, enum: list[Json]) -> Row:
    texts = [value for value in enum if isinstance(value, str) and value.strip()]
    if texts:
        return {"type": "string", "choices": texts}
    form = schema.get("format")
    if form in ("date", "date-time"):
        return {"type": "date"} if form == "date" else {"type": "datetime", "as": "utc"}
    limits = _pick(schema, "minLength", "maxLength")
    if limits.get("minLength", 2) < 2:
        limits.pop("minLength")
    if isinstance(pattern := schema.get("pattern"), str) and len(pattern) <= 200:
        with suppress(re.error):  # patterns in another dialect are left out
            limits["pattern"] = re.compile(pattern).pattern
    long = limits.get("maxLength", 0) >= LONG and "pattern" not in limits
    return {"type": "secret" if form == "password" else "text" if long else "string", "schema": limits}


def _either(schema: Schema, place: str) -> Row:
    kinds = {part.get("type") for part in schema["anyOf"]}
    texts = [part for part in schema["anyOf"] if part.get("type") == "string"]
    if kinds <= {"string", "integer", "number"} and texts:
        return {"type": "string"} if len(texts) < len(schema["anyOf"]) or len(texts) > 1 else _typed(texts[0], place)
    if kinds == {"integer", "number"}:
        return {"type": "number"}
    return {"type": "json"} if kinds <= {"object", "array", "integer", "number", "boolean"} else {"type": "any"}


def _pick(schema: Schema, *words: str) -> Schema:
    return {word: schema[word] for word in words if isinstance(schema.get(word), int | float)}


def _whole(schema: Schema) -> Schema:
    """Return the limits of an integer as inclusive ones. OpenAPI 3.0 has `exclusiveMinimum: true`, 3.1 a number."""
    limits: Schema = {}
    for word, other, step in (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1)):
        limit, beyond = schema.get(word), schema.get(other)
        if isinstance(beyond, int | float) and not isinstance(beyond, bool):
            limits[word] = int(beyond) + step
        elif isinstance(limit, int | float):
            limits[word] = int(limit) + (step if beyond is True else 0)
    return limits


def _top(schema: Schema) -> Schema:
    result = shape(schema)
    if isinstance(result.get("type"), list):
        result["type"] = result["type"][0]
    return result if len(str(result)) <= 1500 else {"type": result.get("type", "object")}


def shape(schema: Schema, depth: int = 3, *, answer: bool = False) -> Schema:
    """Return a self-contained schema with the keywords that restrict values; below `depth`, only types."""
    kind = schema.get("type")
    result: Schema = {}
    if kind in ("string", "integer", "number", "boolean", "object", "array"):
        result["type"] = [kind, "null"] if schema.get("nullable") else kind
    if not answer:
        if enum := schema.get("enum"):
            result["enum"] = [*enum, *([None] if schema.get("nullable") and None not in enum else [])]
        result.update(_pick(schema, "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"))
    if depth and kind == "object" and schema.get("properties"):
        properties = schema["properties"] if answer else writable(schema)
        result["properties"] = {name: shape(part, depth - 1, answer=answer) for name, part in properties.items()}
        required = [name for name in schema.get("required", ()) if name in result["properties"]]
        if required and not answer:
            result["required"] = required
    if depth and kind == "array":
        items = shape(schema.get("items") or {}, depth - 1, answer=answer)
        result.update({"items": items} if items else {})
    return result
