"""An input table, compiled for `bind`: how each input is read, which constraints concern it, what may warn. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..language.schemas import Judge, judge
from ..model import Input, Json, Rule, Table
from ..types.base import BLANK, REFUSED, Reader
from ..types.registry import reader
from .constraints import Constraint, constraints, is_always_needed


class Field(NamedTuple):
    """How an input is read that is given under one of its names."""

    key: str
    position: int  # its place in the table
    read: Reader
    has_default: bool  # which is shown, and not sent
    row: Input


class Fields(dict[str, Field]):
    """The fields by name, each compiled when it is first given; an unknown name reads nothing."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table, self._order = table, {key: index for index, key in enumerate(table.inputs)}

    def __missing__(self, name: str) -> Field:
        row = self._table.by_name.get(name)
        if row is None:
            return _UNKNOWN
        read = reader(row) if row.type != "connection" else lambda value: BLANK
        self[name] = field = Field(row.key, self._order[row.key], read, row.optional_default, row)
        return field


_UNKNOWN = Field("", 0, lambda value: REFUSED, False, Input(key="", label="", type=""))


@dataclass(frozen=True)
class Acceptance:
    """What a table accepts, compiled."""

    spec: Table
    constraints: tuple[Constraint, ...]
    needed: tuple[str, ...]  # the inputs without which there is no call
    loose: tuple[Constraint, ...]  # the constraints that can be broken by what is not given
    tied: Mapping[str, tuple[Constraint, ...]]  # an input -> those that only what is touched can break
    filled: Mapping[str, Json]  # the defaults of required inputs
    knobs: Mapping[str, Json]  # and of those that say how to call
    rivals: tuple[Rule, ...]
    wary: tuple[tuple[Input, tuple[Judge, ...]], ...]  # the inputs that may warn
    fields: Fields


def acceptance(spec: Table) -> Acceptance:
    """Compile an input table."""
    rows = {key: row for key, row in spec.inputs.items() if row.type != "connection"}
    all_constraints = constraints(spec)
    tied: dict[str, tuple[Constraint, ...]] = {}
    for each in all_constraints:
        for key in each.touched[0] if each.touched else ():
            tied[key] = (*tied.get(key, ()), each)
    return Acceptance(
        spec=spec,
        constraints=all_constraints,
        needed=tuple(key for key, row in rows.items() if is_always_needed(row) and not row.was),
        loose=tuple(each for each in all_constraints if not each.touched and not each.names),
        tied=tied,
        filled={key: row.default for key, row in rows.items() if row.fills_in},
        knobs={key: row.default for key, row in rows.items() if row.optional_default and _is_knob(row)},
        rivals=tuple(rule for rule in spec.rules if rule.kind == "at_most_one"),
        wary=tuple((row, tuple(judge(warn.schema) for warn in row.warn)) for row in rows.values() if _may_warn(row)),
        fields=Fields(spec),
    )


def _is_knob(row: Input) -> bool:
    return bool(row.to) and row.to[0].kind == "call"


def _may_warn(row: Input) -> bool:
    is_sample = row.optional_default and isinstance(row.default, list | dict)
    return bool(row.warn) or row.deprecated is not None or is_sample
