"""The inputs an action accepts: one JSON Schema, and why given inputs do not fit it. Pure.

Each constraint (`required`, `only_when`, `rules`) is one entry of the schema's `allOf` with a sentence beside it, so
that the schema decides and the message is written for a person. Three words recur: a value is *given* if it is not
blank, *touched* if it is given and not the published default of an optional input, and *is* a value in any spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import Problem
from ..language import conditions
from ..model import Condition, Input, Json, Rule, Table, Test
from . import takes, wording
from .read import NATIVE
from .settle import Settling, settling
from .verdict import verdict

Schema = dict[str, Json]
MEANT = 20  # unknown names for which the nearest is looked up
NEVER: Schema = {"not": {}}


@dataclass(frozen=True, slots=True)
class Constraint:
    """A part of the schema that several inputs share, with where and what to say when it fails."""

    schema: Schema
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An action's compiled input schema, whether inputs surely fit it, and which of them are sent."""

    spec: Table
    schema: Schema
    constraints: tuple[Constraint, ...]
    surely: Callable[[Mapping[str, Any]], bool]
    settling: Settling
    rows: Mapping[str, tuple[str, type | None, Input]]  # a name -> its input: key, the type that needs no reading, row
    wary: tuple[Input, ...]  # the inputs that may warn

    def problems(self, inputs: Mapping[str, Any]) -> list[Problem]:
        """The reasons why the inputs are not accepted, all or more than `MOST`; empty if they are."""
        found: dict[Problem, None] = {}
        explained: set[str] = set()
        for error in wording.errors(self.schema, inputs):
            place = list(error.absolute_schema_path)
            if place[0] == "properties":  # an input is explained whole, once
                if place[1] in explained:
                    continue
                explained.add(place[1])
            found |= dict.fromkeys(self._explain(place, error, inputs))
            if len(found) > wording.MOST:
                break
        return sorted(found, key=self._position)

    def _explain(self, place: list[Any], error: Any, inputs: Mapping[str, Any]) -> Iterator[Problem]:
        rows = self.spec.by_name
        match place:
            case ["required"]:
                missing = [key for key in error.validator_value if key not in inputs]
                yield from (Problem(f"inputs.{key}", wording.complaints(rows[key], None)[0][1]) for key in missing)
            case ["additionalProperties"]:
                unknown = (key for key in inputs if key not in rows)
                for count, key in enumerate(islice(unknown, wording.MOST + 1)):
                    meant = wording.nearest(str(key), self.spec.inputs) if count < MEANT else ""
                    yield Problem(f"inputs.{key}", f"is no input of {self.spec.key}.{meant}")
            case ["properties", key, *_]:
                for path, what in wording.complaints(rows[key], inputs[key]):
                    yield Problem(".".join(["inputs", key, *map(str, path)]), what)
            case ["allOf", index, *_]:
                constraint = self.constraints[index]
                yield Problem(constraint.where, constraint.what)

    def _position(self, problem: Problem) -> int:
        row = self.spec.by_name.get(problem.where.split(".")[1]) if "." in problem.where else None
        return list(self.spec.inputs).index(row.key) if row else len(self.spec.inputs)


def acceptance(spec: Table) -> Acceptance:
    """Compile the input schema of an action."""
    rows = {key: row for key, row in spec.inputs.items() if row.type != "connection"}
    always = [key for key, row in rows.items() if _always(row) and not row.was]
    constraints = tuple(_constraints(rows, spec.rules))
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": spec.label,
        "description": spec.description,
        "type": "object",
        "properties": {name: _property(row, name, always) for row in rows.values() for name in row.names},
        "required": always,
        "additionalProperties": False,
    }
    named = [(name, row) for name, row in spec.by_name.items() if row.type != "connection"]
    if constraints:
        schema["allOf"] = [constraint.schema for constraint in constraints]
    if len(rows) < len(spec.inputs):
        schema["patternProperties"] = {"^connection$": True}  # the platform chooses it; a form may post it: ignored
    return Acceptance(
        spec=spec,
        schema=schema,
        constraints=constraints,
        surely=verdict(schema),
        settling=settling(spec),
        rows={name: (row.key, None if row.collection else NATIVE.get(row.type), row) for name, row in named},
        wary=tuple(row for row in rows.values() if row.warn or row.deprecated is not None or _is_sample(row)),
    )


def _is_sample(row: Input) -> bool:
    return row.optional_default and isinstance(row.default, list | dict)


def _always(row: Input) -> bool:
    return row.required == () and row.only_when is None and not row.has_default


def _property(row: Input, name: str, always: list[str]) -> Schema:
    schema = takes.takes(row, blank=row.key not in always)
    return {"deprecated": True, **schema} if row.deprecated is not None or name != row.key else schema


# -- conditions as schemas -------------------------------------------------------------------------------------------


def _all(schemas: Iterable[Schema]) -> Schema:
    parts = list(schemas)
    return parts[0] if len(parts) == 1 else {"allOf": parts}


def _some(schemas: Iterable[Schema]) -> Schema:
    parts = [part for part in schemas if part != NEVER]
    return (parts[0] if len(parts) == 1 else {"anyOf": parts}) if parts else NEVER


def _has(row: Input, schema: Schema) -> Schema:
    """The input is there, under any of its names, with a value of this kind."""
    return _some({"required": [name], "properties": {name: schema}} for name in row.names)


def _given(row: Input) -> Schema:
    return _has(row, {"not": takes.blanks(row)})


def _touched(row: Input) -> Schema:
    if not row.optional_default:
        return _given(row)
    untouched = [takes.blanks(row), takes.spelled(row, row.default)]
    return _has(row, {"not": {"anyOf": untouched}})


def _is(row: Input, value: Json) -> Schema:
    """The input has the value; an untouched default decides nothing, a default that is filled in does."""
    if value is None:
        return NEVER if row.fills_in else {"not": _touched(row)}
    if row.optional_default and conditions.same(row.default, value):
        return NEVER
    has = _has(row, takes.spelled(row, value))
    if row.fills_in and conditions.same(row.default, value):
        return _some([has, {"not": _given(row)}])
    return has


def _test(test: Test, rows: Mapping[str, Input]) -> Schema:
    row = rows[test.name]
    if test.negate:
        if test.values == (None,):
            return {} if row.fills_in else _touched(row)
        return {"not": _some(_is(row, value) for value in test.values)}
    return _some(_is(row, value) for value in test.values)


def _met(condition: Condition, rows: Mapping[str, Input]) -> Schema:
    return _all(_test(test, rows) for test in condition) if condition else {}


def _if(condition: Condition, rows: Mapping[str, Input], then: Schema) -> Schema:
    return {"if": _met(condition, rows), "then": then} if condition else then


# -- constraints -----------------------------------------------------------------------------------------------------


def _constraints(rows: dict[str, Input], rules: tuple[Rule, ...]) -> Iterator[Constraint]:
    for row in rows.values():
        yield from _old_names(row)
        if row.was and _always(row):
            yield Constraint(_given(row), f"inputs.{row.key}", wording.complaints(row, None)[0][1])
        if row.only_when is not None:
            schema = {"if": _met(row.only_when, rows), "else": {"not": _touched(row)}}
            remedy = f"applies only when {conditions.phrase(row.only_when, rows)}; leave it out"
            yield Constraint(schema, f"inputs.{row.key}", f"'{row.label}' {remedy}")
        if row.required is not None and not row.has_default and (row.required or row.only_when is not None):
            when = (*(row.only_when or ()), *row.required)
            what = f"'{row.label}' is needed when {conditions.phrase(when, rows)}{wording.example(row)}"
            yield Constraint(_if(when, rows, _given(row)), f"inputs.{row.key}", what)
    for rule in rules:
        yield from _RULES[rule.kind](rule, [rows[key] for key in rule.keys], rows)


def _old_names(row: Input) -> Iterator[Constraint]:
    """An input that had other names is given under one of them."""
    for index, name in enumerate(row.names):
        for other in row.names[index + 1 :]:
            given: list[Schema] = [_has_name(row, name), _has_name(row, other)]
            what = f"is the old name of '{name}', which is given too; leave '{other}' out"
            yield Constraint({"not": {"allOf": given}}, f"inputs.{other}", what)


def _has_name(row: Input, name: str) -> Schema:
    return {"required": [name], "properties": {name: {"not": takes.blanks(row)}}}


def _labels(members: list[Input], word: str) -> str:
    names = [f"'{row.label}'" for row in members]
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def _says(rule: Rule, rows: dict[str, Input], sentence: str) -> str:
    when = f" when {conditions.phrase(rule.when, rows)}" if rule.when else ""
    return f"{sentence}{when}{f': {rule.says}' if rule.says else ''}"


def _at_least_one(rule: Rule, members: list[Input], rows: dict[str, Input]) -> Iterator[Constraint]:
    schema = _if(rule.when, rows, _some(_given(row) for row in members))
    yield Constraint(schema, f"inputs.{members[0].key}", _says(rule, rows, f"give {_labels(members, 'or')}"))


def _at_most_one(rule: Rule, members: list[Input], rows: dict[str, Input]) -> Iterator[Constraint]:
    for index, row in enumerate(members):
        for rival in members[index + 1 :]:
            both = {"not": {"allOf": [_touched(row), _touched(rival)]}}
            sentence = f"give only one of '{row.label}' and '{rival.label}'"
            yield Constraint(_if(rule.when, rows, both), f"inputs.{rival.key}", _says(rule, rows, sentence))


def _together(rule: Rule, members: list[Input], rows: dict[str, Input]) -> Iterator[Constraint]:
    for row in members:
        others = [other for other in members if other is not row]
        schema = {"if": _some(_touched(other) for other in others), "then": _given(row)}
        sentence = f"'{row.label}' is needed with {_labels(others, 'and') if others[1:] else repr(others[0].label)}"
        yield Constraint(_if(rule.when, rows, schema), f"inputs.{row.key}", _says(rule, rows, sentence))


_RULES = {"at_least_one": _at_least_one, "at_most_one": _at_most_one, "together": _together}
