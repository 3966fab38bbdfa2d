"""What several inputs must keep to together: conditions, rules and old names as one kind of constraint. Pure.

An input is *given* if its value is not blank, and *touched* if it is given and not the published default of an optional
input. A value that is refused is given, and equals nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..language import conditions
from ..model import Condition, Input, Rule, Table
from ..types.base import example
from ..types.registry import complaints

Values = Mapping[str, Any]


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


def is_always_needed(row: Input) -> bool:
    return row.required == () and row.only_when is None and not row.has_default


def constraints(table: Table) -> tuple[Constraint, ...]:
    """The constraints of a table, in the order in which they are told."""
    rows = {key: row for key, row in table.inputs.items() if row.type != "connection"}
    return (*(each for row in rows.values() for each in _of_row(row, rows)), *_of_rules(table.rules, rows))


def _of_row(row: Input, rows: dict[str, Input]) -> Iterator[Constraint]:
    where = f"inputs.{row.key}"
    for index, name in enumerate(row.names):
        for other in row.names[index + 1 :]:
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


def _of_rules(rules: tuple[Rule, ...], rows: dict[str, Input]) -> Iterator[Constraint]:
    for rule in rules:
        when = f" when {conditions.phrase(rule.when, rows)}" if rule.when else ""
        for key, sentence, touched, needs in _RULES[rule.kind]([rows[key] for key in rule.keys]):
            what = f"{sentence}{when}{f': {rule.says}' if rule.says else ''}"
            yield Constraint(f"inputs.{key}", what, rule.when, touched=touched, needs=needs)


Part = tuple[str, str, tuple[tuple[str, ...], ...], tuple[str, ...]]  # key, sentence, touched, needs


def _at_least_one(members: list[Input]) -> Iterator[Part]:
    yield members[0].key, f"give {_labels(members, 'or')}", (), tuple(row.key for row in members)


def _at_most_one(members: list[Input]) -> Iterator[Part]:
    for index, row in enumerate(members):
        for rival in members[index + 1 :]:
            what = f"give only one of '{row.label}' and '{rival.label}'"
            yield rival.key, what, ((row.key,), (rival.key,)), ()


def _together(members: list[Input]) -> Iterator[Part]:
    for row in members:
        others = [other for other in members if other is not row]
        what = f"'{row.label}' is needed with {_labels(others, 'and') if others[1:] else repr(others[0].label)}"
        yield row.key, what, (tuple(other.key for other in others),), (row.key,)


def _labels(members: list[Input], word: str) -> str:
    names = [f"'{row.label}'" for row in members]
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


_RULES = {"at_least_one": _at_least_one, "at_most_one": _at_most_one, "together": _together}
