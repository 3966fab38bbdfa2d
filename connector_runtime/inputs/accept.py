"""An input table, compiled for `bind`: how each input is read, and what several inputs must keep to together. Pure.

An input is *given* if its value is not blank, and *touched* if it is given and not the published default of an optional
input. A value that is refused is given, and equals nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

from ..language import conditions
from ..language.schemas import Judge, judge
from ..model import Condition, Input, Json, Rule, Table
from ..types.base import BLANK, REFUSED, NoValue, Reader, example
from ..types.registry import complaints, reader

Values = Mapping[str, Any]


@dataclass(slots=True)
class Reading:
    """The inputs as they were read: by key what is given, and of that what is touched or filled in."""

    given: dict[str, Any]
    touched: dict[str, Any]
    rejects: dict[str, NoValue]  # by name, what is unknown or refused
    in_order: bool  # of the table


class Constraint(NamedTuple):
    """A constraint with where and what to say when it is broken.

    It is broken where `when` holds and `unless` does not, each group of `touched` has an input that is touched, and
    no input of `needs` is given; or where an input is given under both `names`.
    """

    where: str
    what: str
    when: Condition = ()
    unless: Condition | None = None
    touched: tuple[tuple[str, ...], ...] = ()
    needs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def is_broken(self, given: Values, touched: Values) -> bool:
        """By the values that are given, and by those that are touched or filled in: these decide conditions."""
        for group in self.touched:
            for key in group:
                if key in touched and key in given:
                    break
            else:
                return False
        for key in self.needs:
            if key in given:
                return False
        if self.unless is not None and conditions.holds(self.unless, touched.get):
            return False
        return not self.names and conditions.holds(self.when, touched.get)


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
    filled: Mapping[str, Json]  # the defaults of required inputs
    knobs: Mapping[str, Json]  # and of optional ones that say how to call
    defaults: frozenset[str]  # the inputs of both
    rivals: tuple[Rule, ...]
    may_warn: tuple[tuple[Input, tuple[Judge, ...]], ...]  # the inputs that may warn
    fields: Fields


def acceptance(spec: Table) -> Acceptance:
    """Compile an input table."""
    rows = {key: row for key, row in spec.inputs.items() if row.type != "connection"}
    filled = {key: row.default for key, row in rows.items() if row.fills_in}
    knobs = {key: row.default for key, row in rows.items() if row.optional_default and _is_knob(row)}
    return Acceptance(
        spec=spec,
        constraints=tuple(constraints(spec)),
        needed=tuple(key for key, row in rows.items() if is_always_needed(row) and not row.was),
        filled=filled,
        knobs=knobs,
        defaults=frozenset((*filled, *knobs)),
        rivals=tuple(rule for rule in spec.rules if rule.kind == "at_most_one"),
        may_warn=tuple(
            (row, tuple(judge(warn.schema) for warn in row.warn)) for row in rows.values() if _can_warn(row)
        ),
        fields=Fields(spec),
    )


def _is_knob(row: Input) -> bool:
    return bool(row.to) and row.to[0].kind == "call"


def _can_warn(row: Input) -> bool:
    is_sample = row.optional_default and isinstance(row.default, list | dict)
    return bool(row.warn) or row.deprecated is not None or is_sample


# -- constraints -----------------------------------------------------------------------------------------------------


def is_always_needed(row: Input) -> bool:
    return row.required == () and row.only_when is None and not row.has_default


def constraints(table: Table) -> Iterator[Constraint]:
    """The constraints of a table, in the order in which they are told."""
    rows = {key: row for key, row in table.inputs.items() if row.type != "connection"}
    for row in rows.values():
        where = f"inputs.{row.key}"
        for name, other in combinations(row.names, 2):
            what = f"is the old name of '{name}', which is given too; leave '{other}' out"
            yield Constraint(f"inputs.{other}", what, names=(name, other))
        if row.was and is_always_needed(row):
            yield Constraint(where, complaints(row, None)[0][1], needs=(row.key,))
        if row.only_when is not None:
            what = f"'{row.label}' applies only when {conditions.phrase(row.only_when, rows)}; leave it out"
            yield Constraint(where, what, unless=row.only_when, touched=((row.key,),))
        if row.required is not None and not row.has_default and (row.required or row.only_when is not None):
            when = (*(row.only_when or ()), *row.required)
            what = f"'{row.label}' is needed when {conditions.phrase(when, rows)}{example(row)}"
            yield Constraint(where, what, when=when, needs=(row.key,))
    for rule in table.rules:
        when_said = f" when {conditions.phrase(rule.when, rows)}" if rule.when else ""
        why = f": {rule.says}" if rule.says else ""
        for key, sentence, touched, needs in _rule(rule, [rows[key] for key in rule.keys]):
            yield Constraint(f"inputs.{key}", sentence + when_said + why, rule.when, touched=touched, needs=needs)


def _rule(rule: Rule, rows: list[Input]) -> Iterator[tuple[str, str, tuple[tuple[str, ...], ...], tuple[str, ...]]]:
    """Of each constraint that a rule makes: the input, the sentence, what is touched, what is needed."""
    if rule.kind == "at_least_one":
        yield rule.keys[0], f"give {_labels(rows, 'or')}", (), rule.keys
    elif rule.kind == "at_most_one":
        for row, rival in combinations(rows, 2):
            what = f"give only one of '{row.label}' and '{rival.label}'"
            yield rival.key, what, ((row.key,), (rival.key,)), ()
    else:
        for row in rows:
            others = [other for other in rows if other is not row]
            what = f"'{row.label}' is needed with {_labels(others, 'and')}"
            yield row.key, what, (tuple(other.key for other in others),), (row.key,)


def _labels(rows: list[Input], word: str) -> str:
    *names, last = [f"'{row.label}'" for row in rows]
    return f"{', '.join(names)} {word} {last}" if names else last
