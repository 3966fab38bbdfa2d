"""The JSON Schema of an input table, for other programs: it accepts what `bind` accepts. Pure.

It omits constraints that compare two values, and refuses some blanks that `bind` removes. Each other
constraint is one entry of `allOf`. For text that contains JSON, `contentSchema` describes that JSON.
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
    """Return the JSON Schema 2020-12 of a table's inputs."""
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
    schemas = [_constraint_schema(each, table.by_name) for each in constraints(table) if each.test is None]
    if schemas:
        schema["allOf"] = schemas
    if len(rows) < len(table.inputs):
        schema["patternProperties"] = {"^connection$": True}  # ignored, because the platform chooses it
    return schema


def blanks(row: Input) -> Schema:
    """Return the schema of the values for which `is_blank` is true."""
    if not row.collection:
        return {"anyOf": BLANKS}
    items = {"anyOf": [*BLANKS, BLANK_PAIR] if row.collection == "map" else BLANKS}
    return {"anyOf": [*BLANKS, {"type": "array", "minItems": 1, "items": items}]}


def _constraint_schema(constraint: Constraint, rows: Mapping[str, Input]) -> Schema:
    if constraint.names:
        return {"not": {"allOf": [_property_matches(name, {"not": blanks(rows[name])}) for name in constraint.names]}}
    groups = [_any_of(_is_touched(rows[key]) for key in group) for group in constraint.touched]
    if constraint.unless is not None:
        return {"if": _condition_schema(constraint.unless, rows), "else": {"not": groups[0]}}
    then: Schema = {"not": {"allOf": groups}}
    if constraint.needs:
        needed = _any_of(_is_present(rows[key]) for key in constraint.needs)
        then = {"if": groups[0], "then": needed} if groups else needed
    return {"if": _condition_schema(constraint.when, rows), "then": then} if constraint.when else then


def _condition_schema(condition: Condition, rows: Mapping[str, Input]) -> Schema:
    parts: list[Schema] = []
    for name, values, negate in condition:
        if negate and values == (None,):
            parts.append({} if rows[name].fills_in else _is_touched(rows[name]))
        else:
            part = _any_of(_has_value(rows[name], value) for value in values)
            parts.append({"not": part} if negate else part)
    return parts[0] if len(parts) == 1 else {"allOf": parts} if parts else {}


def _has_value(row: Input, value: Json) -> Schema:
    """Match inputs for which a condition sees the value; an untouched default matches only if it is filled in."""
    if value is None:
        return NEVER if row.fills_in else {"not": _is_touched(row)}
    is_default = row.has_default and same(row.default, value)
    if is_default and not row.fills_in:
        return NEVER
    matches = _input_matches(row, registry.type_of(row).spellings(row, value))
    return _any_of([matches, {"not": _is_present(row)}]) if is_default else matches


def _is_present(row: Input, *exceptions: Schema) -> Schema:
    """Match inputs in which this input is present, with a value that matches none of the `exceptions`."""
    return _input_matches(row, {"not": {"anyOf": [blanks(row), *exceptions]} if exceptions else blanks(row)})


def _is_touched(row: Input) -> Schema:
    exceptions = [registry.type_of(row).spellings(row, row.default)] if row.optional_default else []
    return _is_present(row, *exceptions)


def _input_matches(row: Input, schema: Schema) -> Schema:
    """Match inputs in which a value under one of the row's names matches the schema."""
    return _any_of(_property_matches(name, schema) for name in row.names)


def _property_matches(name: str, schema: Schema) -> Schema:
    return {"required": [name], "properties": {name: schema}}


def _any_of(schemas: Iterable[Schema]) -> Schema:
    parts = [part for part in schemas if part != NEVER]
    return (parts[0] if len(parts) == 1 else {"anyOf": parts}) if parts else NEVER
