"""Why inputs are not accepted, all reasons at once, in the order of the table. Pure; nothing is decided here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..errors import InputError, Problem
from ..language.wording import MOST, kind_of, nearest
from ..model import Table
from ..types.base import REFUSED, NoValue, is_blank
from ..types.registry import complaints
from .accept import Acceptance, Reading

MAX_DEPTH = 100
MEANT = 20  # unknown names for which the nearest is looked up


def refusal(key: str, problems: list[Problem]) -> InputError:
    """The error with all problems, of very many with the first."""
    if len(problems) <= MOST:
        return InputError.of(key, problems)
    return InputError(f"More than {MOST} problems with the inputs of {key}, the first:", problems=problems[:MOST])


def explain(accepts: Acceptance, inputs: Mapping[str, Any], reading: Reading) -> list[Problem]:
    """What is wrong with the inputs, all or more than `MOST`; what a text holds comes last, as it is given."""
    problems: dict[Problem, None] = {}
    for found in _batches(accepts, inputs, reading):
        problems |= dict.fromkeys(found)
        if len(problems) > MOST:
            break
    order = list(accepts.spec.inputs)

    def position(problem: Problem) -> int:
        row = accepts.spec.by_name.get(problem.where.split(".")[1])
        return order.index(row.key) if row else len(order)

    return sorted(problems, key=position)


def _batches(accepts: Acceptance, inputs: Mapping[str, Any], reading: Reading) -> Iterator[Iterable[Problem]]:
    rows = accepts.spec.by_name
    for key, row in accepts.spec.inputs.items():
        for name in row.names:
            if reading.rejects.get(name) is REFUSED:
                yield _problems(name, complaints(row, inputs[name]))
        if key in accepts.needed and key not in reading.given:
            yield _problems(key, complaints(row, None))
    unknown = (name for name in inputs if name not in rows)
    for count, name in enumerate(islice(unknown, MOST + 1)):
        meant = nearest(name, accepts.spec.inputs) if count < MEANT else ""
        yield [Problem(f"inputs.{name}", f"is no input of {accepts.spec.key}.{meant}")]
    for _, each in accepts.constraints:
        both = bool(each.names) and all(not is_blank(rows[name], inputs.get(name)) for name in each.names)
        if both or each in reading.broken:
            yield [Problem(each.where, each.what)]


def _problems(name: str, faults: Iterable[tuple[tuple[str | int, ...], str]]) -> list[Problem]:
    return [Problem(".".join(["inputs", name, *map(str, path)]), what) for path, what in faults]


def unreadable(problems: list[Problem], rejects: Mapping[str, NoValue]) -> Iterator[Problem]:
    """What is wrong inside of texts that should hold JSON, where nothing else is said of the input."""
    known = {problem.where for problem in problems}
    for name, found in rejects.items():
        where = f"inputs.{name}"
        if not any(each == where or each.startswith(f"{where}.") for each in known):
            yield from _problems(name, found.faults)


def unclearable(spec: Table, inputs: Mapping[str, Any], cleared: list[str]) -> Iterator[Problem]:
    """Why inputs cannot be emptied."""
    able = [key for key, row in spec.inputs.items() if row.clear]
    for key in cleared:
        if key not in able:
            known = f"; inputs that can: {', '.join(able)}" if able else ""
            yield Problem(f"clear.{key}", f"is no input of {spec.key} that can be emptied{known}")
        elif any(not is_blank(spec.inputs[key], inputs.get(name)) for name in spec.inputs[key].names):
            yield Problem(f"clear.{key}", "is given a value as well; choose one")


def not_json(value: Any, where: str, depth: int) -> Iterator[Problem]:
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
                yield from not_json(key, where, 0)
                yield from not_json(item, f"{where}.{key}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from not_json(item, f"{where}.{index}", depth + 1)
    elif not (value is None or isinstance(value, int)):
        yield Problem(where, f"must be JSON, not {kind_of(value)}")
