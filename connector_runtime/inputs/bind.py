"""Inputs as they were given to the values that are sent. Pure.

After the input schema has accepted them, three things are left: read each value as its type, fill in what a required
input defaults to, and let untouched defaults fall away where they do not apply or where a rival was touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import InputError, Problem
from ..language import conditions
from ..model import Table
from . import takes, wording
from .accept import Acceptance
from .read import Unreadable, read
from .wording import MOST, misfits

MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Bound:
    """The values to send, by input key, and what a person should know about them."""

    values: dict[str, Any]
    warnings: tuple[Problem, ...]


def bind(accepts: Acceptance, inputs: Mapping[str, Any], clear: Iterable[str] = ()) -> Bound:
    """Read and check inputs; raises `InputError` with every problem at once, of very many with the first."""
    spec = accepts.spec
    problems = [] if accepts.surely(inputs) else _problems(accepts, inputs)
    cleared = [spec.by_name[key].key if key in spec.by_name else key for key in dict.fromkeys(clear)] if clear else []
    if cleared:
        problems += islice(_unclearable(spec, inputs, cleared), MOST + 1)
    if len(problems) > MOST:
        raise _refusal(spec.key, problems)
    refused = {problem.where for problem in problems}
    values: dict[str, Any] = {}
    for name, raw in inputs.items():
        if name not in accepts.rows:
            continue
        key, native, row = accepts.rows[name]
        kind = type(raw)
        if kind is native and raw != "" and not refused and (native is not str or not raw.isspace()):
            values[key] = raw
        elif not takes.is_blank(row, raw) and not _is_refused(f"inputs.{name}", refused):
            try:
                values[key] = read(row, raw)
            except Unreadable as error:
                problems += [Problem(".".join(["inputs", name, *map(str, path)]), what) for path, what in error.faults]
    if problems:
        raise _refusal(spec.key, problems)
    for key in cleared:
        values[key] = spec.inputs[key].clear[0]
    settled = accepts.settling.settle(values)
    return Bound(settled, (*_renamed(spec, inputs), *_warnings(accepts, settled)))


def _problems(accepts: Acceptance, inputs: Any) -> list[Problem]:
    """Why inputs are not accepted; raises `InputError` where they are not even JSON."""
    key = accepts.spec.key
    if not isinstance(inputs, Mapping):
        raise InputError.of(key, [Problem("inputs", f"must be an object, not {wording.kind_of(inputs)}")])
    problems = list(islice(_not_json(dict(inputs), "inputs", 0), MOST + 1))
    if problems:
        raise _refusal(key, problems)
    return accepts.problems(inputs)


def _refusal(key: str, problems: list[Problem]) -> InputError:
    if len(problems) <= MOST:
        return InputError.of(key, problems)
    return InputError(f"More than {MOST} problems with the inputs of {key}, the first:", problems=problems[:MOST])


def _is_refused(where: str, refused: set[str]) -> bool:
    return any(found == where or found.startswith(f"{where}.") for found in refused)


def _unclearable(spec: Table, inputs: Mapping[str, Any], cleared: list[str]) -> Iterable[Problem]:
    able = [key for key, row in spec.inputs.items() if row.clear]
    for key in cleared:
        if key not in able:
            known = f"; inputs that can: {', '.join(able)}" if able else ""
            yield Problem(f"clear.{key}", f"is no input of {spec.key} that can be emptied{known}")
        elif any(not takes.is_blank(spec.inputs[key], inputs.get(name)) for name in spec.inputs[key].names):
            yield Problem(f"clear.{key}", "is given a value as well; choose one")


def _renamed(spec: Table, inputs: Mapping[str, Any]) -> Iterable[Problem]:
    if len(spec.by_name) == len(spec.inputs):
        return  # no input had another name
    for name in inputs:
        row = spec.by_name.get(name)
        if row is not None and name != row.key and not takes.is_blank(row, inputs[name]):
            yield Problem(f"inputs.{name}", f"is the old name of '{row.key}'; it works; better give '{row.key}'")


def _warnings(accepts: Acceptance, values: dict[str, Any]) -> Iterable[Problem]:
    for row in accepts.wary:
        if row.key not in values:
            continue
        key, value = row.key, values[row.key]
        is_untouched = accepts.settling.is_untouched(key, value)
        if row.deprecated is not None and not is_untouched:
            yield Problem(f"inputs.{key}", f"'{row.label}' is deprecated: {row.deprecated}")
        if is_untouched and isinstance(value, list | dict) and value:
            what = f"'{row.label}' is the published sample, unchanged; it is sent as it is"
            yield Problem(f"inputs.{key}", what)
        for warn in row.warn:
            if conditions.holds(warn.when, values.get) and misfits(warn.schema, value):
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
