"""Inputs as they were given to the values that are sent. Pure.

After the input schema has accepted them, three things are left: read each value as its type, fill in what a required
input defaults to, and let untouched defaults fall away where they do not apply or where a rival was touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import conditions
from ..errors import InputError, Problem
from ..model import Input, Table
from . import takes, wording
from .accept import Acceptance
from .read import Unreadable, read

MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Bound:
    """The values to send, by input key, and what a person should know about them."""

    values: dict[str, Any]
    warnings: tuple[Problem, ...]


def bind(accepts: Acceptance, inputs: Mapping[str, Any], clear: Iterable[str] = ()) -> Bound:
    """Read and check inputs; raises `InputError` with every problem at once."""
    spec = accepts.spec
    if not isinstance(inputs, Mapping):
        raise InputError.of(spec.key, [Problem("inputs", f"must be an object, not {wording.kind_of(inputs)}")])
    problems = list(_not_json(dict(inputs), "inputs", 0))
    if problems:
        raise InputError.of(spec.key, problems)
    cleared = [spec.by_name[key].key if key in spec.by_name else key for key in dict.fromkeys(clear)]
    problems = [*accepts.problems(inputs), *_unclearable(spec, inputs, cleared)]
    values: dict[str, Any] = {}
    refused = {problem.where for problem in problems}
    for key, raw in inputs.items():
        row = spec.by_name.get(key)
        if row is None or row.type == "connection" or takes.is_blank(row, raw):
            continue
        if any(where == f"inputs.{key}" or where.startswith(f"inputs.{key}.") for where in refused):
            continue
        try:
            values[row.key] = read(row, raw)
        except Unreadable as error:
            problems += [Problem(".".join(["inputs", key, *map(str, path)]), what) for path, what in error.faults]
    if problems:
        raise InputError.of(spec.key, problems)
    values.update({key: spec.inputs[key].clear[0] for key in cleared})
    settled = _settle(spec, values)
    return Bound(settled, (*_renamed(spec, inputs), *_warnings(spec, settled)))


def _settle(spec: Table, given: dict[str, Any]) -> dict[str, Any]:
    touched = {key: value for key, value in given.items() if not _untouched(spec.inputs[key], value)}
    for key, row in spec.inputs.items():
        if key not in given and (row.fills_in or (row.has_default and row.to and row.to[0].kind == "call")):
            touched[key] = row.default
    values = {**given, **touched}
    for key, row in spec.inputs.items():
        if row.only_when is not None and key in values and not conditions.holds(row.only_when, touched.get):
            del values[key]
    for rule in spec.rules:
        if rule.kind == "at_most_one" and conditions.holds(rule.when, touched.get):
            rivals = [key for key in rule.keys if key in values]
            kept = [key for key in rivals if key in touched] or rivals
            for key in rivals:
                if key != kept[0]:
                    del values[key]
    return {key: values[key] for key in spec.inputs if key in values}


def _untouched(row: Input, value: Any) -> bool:
    return row.optional_default and conditions.same(row.default, value)


def _unclearable(spec: Table, inputs: Mapping[str, Any], cleared: list[str]) -> Iterable[Problem]:
    able = [key for key, row in spec.inputs.items() if row.clear]
    for key in cleared:
        if key not in able:
            known = f"; inputs that can: {', '.join(able)}" if able else ""
            yield Problem(f"clear.{key}", f"is no input of {spec.key} that can be emptied{known}")
        elif any(not takes.is_blank(spec.inputs[key], inputs.get(name)) for name in spec.inputs[key].names):
            yield Problem(f"clear.{key}", "is given a value as well; choose one")


def _renamed(spec: Table, inputs: Mapping[str, Any]) -> Iterable[Problem]:
    for name in inputs:
        row = spec.by_name.get(name)
        if row is not None and name != row.key and not takes.is_blank(row, inputs[name]):
            yield Problem(f"inputs.{name}", f"is the old name of '{row.key}'; it works; better give '{row.key}'")


def _warnings(spec: Table, values: dict[str, Any]) -> Iterable[Problem]:
    for key, value in values.items():
        row = spec.inputs[key]
        if row.deprecated is not None and not _untouched(row, value):
            yield Problem(f"inputs.{key}", f"'{row.label}' is deprecated: {row.deprecated}")
        if _untouched(row, value) and isinstance(value, list | dict) and value:
            what = f"'{row.label}' is the published sample, unchanged; it is sent as it is"
            yield Problem(f"inputs.{key}", what)
        for warn in row.warn:
            if conditions.holds(warn.when, values.get) and wording.misfits(warn.schema, value):
                yield Problem(f"inputs.{key}", warn.says)


def _not_json(value: Any, where: str, depth: int) -> Iterable[Problem]:
    """What Python can hold and JSON can't carry."""
    if depth > MAX_DEPTH:
        yield Problem(where, f"is nested deeper than {MAX_DEPTH} levels")
    elif isinstance(value, str):
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            yield Problem(where, "holds half of a character (an unpaired surrogate), which cannot be sent")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield Problem(where, f"is {value}, which JSON cannot carry")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield Problem(where, f"has the key {key!r}; keys are text")
            else:
                yield from _not_json(key, where, 0)
                yield from _not_json(item, f"{where}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _not_json(item, f"{where}.{index}", depth + 1)
    elif not (value is None or isinstance(value, int)):
        yield Problem(where, f"must be JSON, not {wording.kind_of(value)}")
