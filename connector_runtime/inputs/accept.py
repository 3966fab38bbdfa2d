"""An input table, compiled for `bind`: how each input is read, and what several inputs must keep to together. Pure.

An input is *given* if its value is not blank, and *touched* if it is given and not the published default of an optional
input. A value that is refused is given, and equals nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from ..language import conditions
from ..model import Condition, Input, Rule, Table
from ..types import registry
from ..types.base import BLANK, NOT_PLAIN, REFUSED, Reader, example

NO_DEFAULT = object()


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

    @property
    def watched(self) -> str:
        """An input without which, touched or filled in, it cannot be broken; or nothing.

        What is given under two names is known as it is read: the old one, which is no key, is never touched.
        """
        alone = [group[0] for group in self.touched if len(group) == 1]
        asked = [test.name for test in self.when if test.negate is (None in test.values)]
        return next(iter((*self.names[1:], *alone, *asked)), "")


class Field:
    """How an input is read that is given under one of its names."""

    __slots__ = ("default", "is_plain", "items", "key", "kind", "may_be_blank", "position", "read", "row")

    def __init__(self, row: Input, position: int, read: Reader) -> None:
        one = registry.TYPES[row.type].plain(row)
        self.row, self.key, self.position = row, row.key, position
        self.kind, self.is_plain = one if row.collection is None else NOT_PLAIN  # the values that are sent as they are
        self.items = one if row.collection == "list" else NOT_PLAIN  # and those of a list
        self.may_be_blank = registry.TYPES[row.type].may_be_blank or row.collection is not None
        self.read = read  # for all others
        self.default = row.default if row.optional_default else NO_DEFAULT  # which is shown and not sent


_UNKNOWN = Field(Input(key="", label="", type="any"), 0, lambda value: REFUSED)


class Acceptance(dict[str, Field]):
    """What a table accepts, compiled: its fields by name, each made when it is first given, and what is in common."""

    def __init__(self, spec: Table) -> None:
        super().__init__()
        rows = {key: row for key, row in spec.inputs.items() if row.type != "connection"}
        optional = {key: row for key, row in rows.items() if row.optional_default}
        samples = [key for key, row in optional.items() if isinstance(row.default, list | dict)]
        self.spec = spec
        self.constraints = tuple((each.watched, each) for each in constraints(spec))
        self.needed = frozenset(key for key, row in rows.items() if row.is_always_needed and not row.was)
        self.filled = {key: row.default for key, row in rows.items() if row.fills_in}
        self.knobs = {key: row.default for key, row in optional.items() if row.to and row.to[0].kind == "call"}
        self.defaults = frozenset((*self.filled, *self.knobs))
        self.rivals = tuple(rule for rule in spec.rules if rule.kind == "at_most_one")
        wary = [row for key, row in rows.items() if row.warn or row.deprecated is not None or key in samples]
        self.may_warn = tuple((row, *_silent(row)) for row in wary)

    def __missing__(self, name: str) -> Field:
        row = self.spec.by_name.get(name)
        if row is None:
            return _UNKNOWN
        read = registry.reader(row) if row.type != "connection" else lambda value: BLANK
        self[name] = Field(row, [*self.spec.inputs].index(row.key), read)
        return self[name]


def _silent(row: Input) -> tuple[float, float]:
    """From where to where a number surely does not warn."""
    if row.deprecated is not None or not all(warn.schema.keys() <= {"minimum", "maximum"} for warn in row.warn):
        return math.inf, -math.inf
    lows = [warn.schema.get("minimum", -math.inf) for warn in row.warn]
    highs = [warn.schema.get("maximum", math.inf) for warn in row.warn]
    return max(lows, default=-math.inf), min(highs, default=math.inf)


def constraints(table: Table) -> Iterator[Constraint]:
    """The constraints of a table, in the order in which they are told."""
    rows = {key: row for key, row in table.inputs.items() if row.type != "connection"}
    for row in rows.values():
        where = f"inputs.{row.key}"
        for name, other in combinations(row.names, 2):
            what = f"is the old name of '{name}', which is given too; leave '{other}' out"
            yield Constraint(f"inputs.{other}", what, names=(name, other))
        if row.was and row.is_always_needed:
            yield Constraint(where, registry.complaints(row, None)[0][1], needs=(row.key,))
        if row.only_when is not None:
            what = f"'{row.label}' applies only when {conditions.phrase(row.only_when, rows)}; leave it out"
            yield Constraint(where, what, unless=row.only_when, touched=((row.key,),))
        if row.required is not None and not row.has_default and (row.required or row.only_when is not None):
            when = (*(row.only_when or ()), *row.required)
            what = f"'{row.label}' is needed when {conditions.phrase(when, rows)}{example(row)}"
            yield Constraint(where, what, when=when, needs=(row.key,))
    for rule in table.rules:
        more = f" when {conditions.phrase(rule.when, rows)}" if rule.when else ""
        more += f": {rule.says}" if rule.says else ""
        for each in _rule(rule, [rows[key] for key in rule.keys]):
            yield each._replace(what=each.what + more, when=rule.when)


def _rule(rule: Rule, rows: list[Input]) -> Iterator[Constraint]:
    """The constraints that a rule makes, whenever it holds."""
    if rule.kind == "at_least_one":
        yield Constraint(f"inputs.{rule.keys[0]}", f"give {_labels(rows, 'or')}", needs=rule.keys)
    elif rule.kind == "at_most_one":
        for row, rival in combinations(rows, 2):
            what = f"give only one of '{row.label}' and '{rival.label}'"
            yield Constraint(f"inputs.{rival.key}", what, touched=((row.key,), (rival.key,)))
    else:
        for row in rows:
            others = [other for other in rows if other is not row]
            what = f"'{row.label}' is needed with {_labels(others, 'and')}"
            yield Constraint(f"inputs.{row.key}", what, touched=(tuple(each.key for each in others),), needs=(row.key,))


def _labels(rows: list[Input], word: str) -> str:
    *names, last = [f"'{row.label}'" for row in rows]
    return f"{', '.join(names)} {word} {last}" if names else last
