"""The inputs that a table accepts as JSON Schema, for others: `bind` accepts exactly what this does. Pure.

Each constraint is one entry of `allOf`. What a text that holds JSON must hold, `contentSchema` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..language.conditions import same
from ..model import Condition, Input, InputTable, Json
from ..types import registry
from ..types.base import BLANK_PAIR, BLANKS, Schema
from .bind import Constraint, constraints

NEVER: Schema = {"not": {}}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def input_schema(table: InputTable) -> Schema:
    """JSON Schema 2020-12 of the inputs of a table."""
    rows = table.fields
    always = [key for key, row in rows.items() if row.is_always_needed and not row.was]
    properties: Schema = {}
    for row in rows.values():
        own = registry.schema(row, blank=row.key not in always)
        for name in row.names:
            old = {"deprecated": True} if row.deprecated is not None or name != row.key else {}
            properties[name] = {**old, **own}
    schema: Schema = {"$schema": DIALECT, "title": table.label, "description": table.description, "type": "object"}
    schema |= {"properties": properties, "required": always, "additionalProperties": False}
    shared = [_constraint(each, table.by_name) for each in constraints(table)]
    if shared:
        schema["allOf"] = shared
    if len(rows) < len(table.inputs):
        schema["patternProperties"] = {"^connection$": True}  # the platform chooses it; a form may post it: ignored
    return schema


def blanks(row: Input) -> Schema:
    """The schema of what `is_blank` calls blank."""
    if not row.collection:
        return {"anyOf": BLANKS}
    items = {"anyOf": [*BLANKS, BLANK_PAIR] if row.collection == "map" else BLANKS}
    return {"anyOf": [*BLANKS, {"type": "array", "minItems": 1, "items": items}]}


def _constraint(each: Constraint, rows: Mapping[str, Input]) -> Schema:
    if each.names:
        return {"not": {"allOf": [_holds(name, {"not": blanks(rows[name])}) for name in each.names]}}
    groups = [_some(_touched(rows[key]) for key in group) for group in each.touched]
    if each.unless is not None:
        return {"if": _met(each.unless, rows), "else": {"not": groups[0]}}
    then: Schema = {"not": {"allOf": groups}}
    if each.needs:
        needed = _some(_given(rows[key]) for key in each.needs)
        then = {"if": groups[0], "then": needed} if groups else needed
    return {"if": _met(each.when, rows), "then": then} if each.when else then


def _met(condition: Condition, rows: Mapping[str, Input]) -> Schema:
    parts: list[Schema] = []
    for name, values, negate in condition:
        if negate and values == (None,):
            parts.append({} if rows[name].fills_in else _touched(rows[name]))
        else:
            found = _some(_is(rows[name], value) for value in values)
            parts.append({"not": found} if negate else found)
    return parts[0] if len(parts) == 1 else {"allOf": parts} if parts else {}


def _is(row: Input, value: Json) -> Schema:
    """The input has the value; an untouched default decides nothing, a default that is filled in does."""
    if value is None:
        return NEVER if row.fills_in else {"not": _touched(row)}
    is_default = row.has_default and same(row.default, value)
    if is_default and not row.fills_in:
        return NEVER
    has = _has(row, registry.of(row).spellings(row, value))
    return _some([has, {"not": _given(row)}]) if is_default else has


def _given(row: Input, *but: Schema) -> Schema:
    """The input is given, with nothing of what `but` names."""
    return _has(row, {"not": {"anyOf": [blanks(row), *but]} if but else blanks(row)})


def _touched(row: Input) -> Schema:
    return _given(row, registry.of(row).spellings(row, row.default)) if row.optional_default else _given(row)


def _has(row: Input, schema: Schema) -> Schema:
    """The input is there, under any of its names, with a value of this kind."""
    return _some(_holds(name, schema) for name in row.names)


def _holds(name: str, schema: Schema) -> Schema:
    return {"required": [name], "properties": {name: schema}}


def _some(schemas: Iterable[Schema]) -> Schema:
    parts = [part for part in schemas if part != NEVER]
    return (parts[0] if len(parts) == 1 else {"anyOf": parts}) if parts else NEVER
