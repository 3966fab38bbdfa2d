"""Turns raw inputs into the values to send: compiles an input table and reads the inputs of a call in one pass. Pure.

An input is *present* unless its value is blank. It is *touched* if it is present, unless it is optional and its value
is the published default. A refused value is treated as present, but equal to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import combinations, islice
from typing import Any, NamedTuple

from ..errors import MOST, InputError, Problem
from ..language import conditions
from ..language.datetimes import instant, is_local, written
from ..language.schema_faults import Fault, closest, kind_of, nearest, suggestion
from ..model import Condition, Input, InputTable, Rule
from ..sentences import Sentence, both, either, labels
from ..structs import shows
from ..types import registry
from ..types.base import BLANK, REFUSED, NoValue, Reader, example, is_blank
from .advice import Advice
from .extra import NO_EXTRA, Placed, read_extra
from .values import as_json, is_json, json_problems

DAY = 10  # characters in a date
MAX_SUGGESTIONS = 20  # unknown names for which a message suggests the nearest

_BAD = NoValue()  # not JSON, or present under two names
NO_DEFAULT = object()


class Constraint(NamedTuple):
    """A constraint, with the place and message of its problem.

    It is broken if `when` holds and `unless` does not, each group of `touched` has a touched input, no input in `needs`
    is present, and the touched inputs pass the `test`, if there is one; or if an input is present under both `names`.
    JSON Schema cannot express a `test`, because it compares values.
    """

    where: str
    what: str
    when: Condition = ()
    unless: Condition | None = None
    touched: tuple[tuple[str, ...], ...] = ()
    needs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    test: Callable[[Mapping[str, Any]], bool] | None = None

    @property
    def watched(self) -> str:
        """An input that must be touched or filled in for the constraint to be broken; empty if there is none.

        For two names of one input, this is the old name, which is never touched: `InputReading` detects that itself.
        """
        single = [group[0] for group in self.touched if len(group) == 1]
        tested = [test.name for test in self.when if test.negate is (None in test.values)]
        return next(iter((*self.names[1:], *single, *tested)), "")


class CompiledInput:
    """One row of an input table, compiled for reading under one of its names."""

    __slots__ = ("default", "key", "may_be_blank", "read", "row")

    def __init__(self, row: Input) -> None:
        self.row, self.key = row, row.key
        self.may_be_blank = registry.TYPES[row.type].may_be_blank or row.collection is not None
        self.read: Reader = registry.reader(row) if row.type != "connection" else lambda value: BLANK
        self.default = row.default if row.optional_default else NO_DEFAULT  # forms show it, but it is not sent


_UNKNOWN = CompiledInput(Input(key="", label="", type="any", schema={"not": {}}))


class CompiledInputs(dict[str, CompiledInput]):
    """A compiled input table: its inputs by name, each compiled on first use, and facts about the whole table."""

    def __init__(self, spec: InputTable) -> None:
        super().__init__()
        rows = spec.fields
        optional = {key: row for key, row in rows.items() if row.optional_default}
        self.spec = spec
        self.constraints = tuple((constraint.watched, constraint) for constraint in constraints(spec))
        self.needed = frozenset(key for key, row in rows.items() if row.is_always_needed and not row.was)
        self.filled = {key: row.default for key, row in rows.items() if row.fills_in}
        self.call_defaults = {key: row.default for key, row in optional.items() if row.to and row.to[0].kind == "call"}
        self.defaults = frozenset((*self.filled, *self.call_defaults))
        self.rivals = tuple(rule for rule in spec.rules if rule.kind == "at_most_one")
        self.advice = Advice(spec)
        self.overlaps = tuple(_overlaps(rows))

    def __missing__(self, name: str) -> CompiledInput:
        row = self.spec.by_name.get(name)
        if row is None:
            return _UNKNOWN
        self[name] = CompiledInput(row)
        return self[name]


def constraints(table: InputTable) -> Iterator[Constraint]:
    """Yield the constraints of a table, in the order of their messages."""
    rows = table.fields
    for row in rows.values():
        where = f"inputs.{row.key}"
        for name, other in combinations(row.names, 2):
            what = Sentence("is the old name of '{name}', which is set too: leave '{old}' out", name=name, old=other)
            yield Constraint(f"inputs.{other}", what, names=(name, other))
        if row.was and row.is_always_needed:
            yield Constraint(where, registry.complaints(row, None)[0][1], needs=(row.key,))
        if row.only_when is not None:
            others = either(labels(table.by_name[name] for name in dict.fromkeys(test.name for test in row.only_when)))
            slots = {"condition": conditions.phrase(row.only_when, rows), "others": others}
            is_filled = all(test.negate and test.values == (None,) for test in row.only_when)
            what = Sentence("is used only when {condition}: clear it, or change {others}", **slots)
            if is_filled:
                what = Sentence("is used only when {condition}: clear it, or fill in {others}", **slots)
            yield Constraint(where, what, unless=row.only_when, touched=((row.key,),))
        if row.required is not None and not row.has_default and (row.required or row.only_when is not None):
            when = (*(row.only_when or ()), *row.required)
            slots = {"label": row.label, "condition": conditions.phrase(when, rows), "example": example(row)}
            what = Sentence("is required when {condition}: enter '{label}'{example}", **slots)
            yield Constraint(where, what, when=when, needs=(row.key,))
    for spread, name, key in _overlaps(rows):
        what = Sentence("is also set by '{label}': leave one of the two out", label=rows[key].label)
        test = partial(_has_key, spread, name)
        yield Constraint(f"inputs.{spread}.{name}", what, touched=((key,), (spread,)), test=test)
    for rule in table.rules:
        for constraint in _rule(rule, [rows[key] for key in rule.keys]):
            text: str = constraint.what
            if rule.when:
                text = Sentence("{what} when {condition}", what=text, condition=conditions.phrase(rule.when, rows))
            if rule.says and rule.within is None:  # otherwise, `says` is about the width
                text = Sentence("{what}: {reason}", what=text, reason=rule.says)
            yield constraint._replace(what=text, when=rule.when)


def _rule(rule: Rule, rows: list[Input]) -> Iterator[Constraint]:
    if rule.kind == "at_least_one":
        what = Sentence("enter {labels}", labels=either(labels(rows)))
        yield Constraint(f"inputs.{rule.keys[0]}", what, needs=rule.keys)
    elif rule.kind == "at_most_one":
        for row, rival in combinations(rows, 2):
            what = Sentence("enter only one of {labels}", labels=both(labels([row, rival])))
            yield Constraint(f"inputs.{rival.key}", what, touched=((row.key,), (rival.key,)))
    elif rule.kind == "in_order":
        first, last = rows
        what = Sentence("is earlier than '{label}': enter a later one", label=first.label)
        test = partial(_is_reversed, first.key, last.key)
        yield Constraint(f"inputs.{last.key}", what, touched=((first.key,), (last.key,)), test=test)
    elif rule.kind == "together":
        for row in rows:
            others = [other for other in rows if other is not row]
            slots = {"label": row.label, "others": both(labels(others))}
            what = Sentence("is required together with {others}: enter '{label}'", **slots)
            keys = tuple(other.key for other in others)
            yield Constraint(f"inputs.{row.key}", what, touched=(keys,), needs=(row.key,))


def _overlaps(rows: Mapping[str, Input]) -> Iterator[tuple[str, str, str]]:
    """Yield each input that fills one key of another input's map: the map input, the key, and this input."""
    for spread in rows.values():
        for row in rows.values() if any(place.spread for place in spread.to) else ():
            for place in row.to:
                if not place.spread and (place.kind, place.path[:-1]) == spread.to[0][:2]:
                    yield spread.key, place.path[-1], row.key


def _has_key(spread: str, name: str, touched: Mapping[str, Any]) -> bool:
    return isinstance(touched[spread], dict) and name in touched[spread]


def _is_reversed(first: str, last: str, touched: Mapping[str, Any]) -> bool:
    """True if two date-times are in the wrong order. A local time and one with a zone cannot be compared."""
    begin, end = (str(written(touched[key])) for key in (first, last))
    if len(begin) == DAY or len(end) == DAY:
        begin, end = begin[:DAY], end[:DAY]
    elif is_local(begin) is not is_local(end):
        return False
    moments = instant(begin), instant(end)
    return None not in moments and moments[0] > moments[1]  # type: ignore[operator]


@shows()
class BoundInputs(NamedTuple):
    """The values to send by input key, the warnings about them, and the values of `extra` by place."""

    values: dict[str, Any]
    warnings: tuple[Problem, ...]
    extra: Placed = NO_EXTRA


def bind(
    accepts: CompiledInputs, inputs: Mapping[str, Any], clear: Iterable[str] = (), extra: Any = None
) -> BoundInputs:
    """Read and check the inputs of a call. Raises `InputError` with all problems, or the first `MOST`."""
    spec = accepts.spec
    reading = InputReading(accepts, inputs)
    cleared = [spec.by_name[key].key if key in spec.by_name else key for key in dict.fromkeys(clear)] if clear else []
    placed, faults = read_extra(spec, extra, reading.present) if extra is not None else (NO_EXTRA, [])
    if faults or reading.rejects or reading.broken or cleared or not accepts.needed <= reading.present.keys():
        problems = [*reading.problems(), *faults]
        problems += islice(_clear_problems(spec, inputs, cleared), MOST + 1)
        if len(problems) <= MOST:
            problems += reading.unreadable(problems)
        if problems:
            raise InputError.of(spec.key, problems, is_all=False)
    values = reading.with_defaults({key: spec.inputs[key].clear[0] for key in cleared})
    return BoundInputs(values, tuple(reading.warnings(values, changes=bool(placed))), placed)


def not_object(value: Any) -> str:
    return Sentence("must be an object, not {found}", found=kind_of(value))


class InputReading:
    """The inputs of one call, as read. Raises `InputError` if they are not an object."""

    __slots__ = ("accepts", "broken", "inputs", "present", "rejects", "touched")

    def __init__(self, accepts: CompiledInputs, inputs: Mapping[str, Any]) -> None:
        if type(inputs) is not dict and not isinstance(inputs, Mapping):
            raise InputError.of(accepts.spec.key, [Problem("inputs", not_object(inputs))])
        self.accepts, self.inputs = accepts, inputs
        present: dict[str, Any] = {}
        touched = dict(accepts.filled)
        rejects: dict[str, NoValue] = {}
        for name, raw in inputs.items():
            field = accepts[name]
            if field.may_be_blank and (raw is None or raw == ""):
                continue
            if not is_json(raw, 1) and any(json_problems(raw := self._as_json(name, raw), "", 1)):
                rejects[name] = _BAD
                continue
            value = field.read(raw)
            if value is BLANK:
                continue
            if type(value) is NoValue:
                rejects[name] = value
                if is_blank(field.row, raw):
                    continue
            key, default = field.key, field.default
            if key in present and name not in rejects:
                rejects[name] = _BAD
            present[key] = value
            if default is NO_DEFAULT:
                touched[key] = value
            else:
                compared = raw if field.row.collection else value  # lists and maps are compared as written
                if compared is not default and (compared != default or not conditions.same(default, compared)):
                    touched[key] = value
        for spread, part, key in accepts.overlaps:  # a default that nobody changed gives way to the map's key
            if (
                key in present
                and key not in touched
                and isinstance(present.get(spread), dict)
                and part in present[spread]
            ):
                del present[key]
        self.present, self.touched, self.rejects = present, touched, rejects
        self.broken = self._broken() if accepts.constraints else []

    def _as_json(self, name: str, raw: Any) -> Any:
        value = as_json(raw)
        if value is not raw:
            self.inputs = {**self.inputs, name: value}
        return value

    def _broken(self) -> list[Constraint]:
        """Return the broken constraints. Conditions see the touched values, including defaults that are filled in."""
        accepts, touched = self.accepts, self.touched
        present, broken = self.present.keys(), []
        chosen = touched.keys() & present if accepts.filled else touched.keys()
        for watched, constraint in accepts.constraints:
            if (watched and watched not in touched) or not present.isdisjoint(constraint.needs):
                continue
            for group in constraint.touched:
                if chosen.isdisjoint(group):
                    break
            else:
                is_met = constraint.unless is not None and conditions.holds(constraint.unless, touched.get)
                is_broken = not is_met and conditions.holds(constraint.when, touched.get)
                if is_broken and (constraint.test is None or constraint.test(touched)):
                    broken.append(constraint)
        if broken:  # whatever depends on an input that is missing, refused or misspelt is still undecided
            rows, unknown = accepts.spec.by_name, {*accepts.needed} - present
            names = islice(self.rejects, MAX_SUGGESTIONS)
            unknown |= {rows[name].key if name in rows else closest(name, rows) or "" for name in names}
            tested = [{*each.needs, *(test.name for test in each.unless or ())} for each in broken]
            broken = [each for each, names in zip(broken, tested, strict=True) if unknown.isdisjoint(names)]
        return broken

    def with_defaults(self, cleared: dict[str, Any]) -> dict[str, Any]:
        """Return the values to send in table order, with the defaults that apply, but no rivals of touched inputs."""
        accepts, present, touched, rows = self.accepts, self.present, self.touched, self.accepts.spec.inputs
        if not cleared and len(touched) == len(present) and accepts.defaults <= present.keys():  # no default applies
            return {key: present[key] for key in rows if key in present}
        touched |= cleared
        values = {**accepts.call_defaults, **present, **touched}
        for key in [*values]:
            condition = rows[key].only_when
            if condition is not None and not conditions.holds(condition, touched.get):
                del values[key]
        for rule in accepts.rivals:
            rivals = [key for key in rule.keys if key in values]
            if rivals[1:] and conditions.holds(rule.when, touched.get):
                winner = next((key for key in rivals if key in touched), rivals[0])
                values = {key: value for key, value in values.items() if key == winner or key not in rivals}
        return {key: values[key] for key in rows if key in values}

    def warnings(self, values: dict[str, Any], *, changes: bool) -> Iterator[Problem]:
        rows, keys = self.accepts.spec.by_name, self.accepts.spec.inputs
        for name in self.inputs if len(rows) > len(keys) else ():
            key = rows[name].key if name in rows else name
            if name != key and not is_blank(rows[name], self.inputs[name]):
                what = Sentence("is the old name of '{name}': it still works, but use '{name}'", name=key)
                yield Problem(f"inputs.{name}", what)
        yield from self.accepts.advice.about(values, self.touched, changes=changes)

    def problems(self) -> list[Problem]:
        """Return the problems of the inputs in table order: all, or the first `MOST` + 1.

        JSON inside strings is not read. Raises `InputError` if the inputs are not JSON.
        """
        spec, not_json = self.accepts.spec, list(islice(json_problems(dict(self.inputs), "inputs", 0), MOST + 1))
        secrets = tuple(f"inputs.{key}" for key, row in spec.by_name.items() if row.type == "secret")
        not_json = [
            each if not each.where.startswith(secrets) else Problem(".".join(each.where.split(".")[:2]), each.what)
            for each in not_json
        ]
        if not_json:
            raise InputError.of(spec.key, not_json, is_all=False)
        unused = {constraint.where: constraint for constraint in self.broken if constraint.unless is not None}
        problems: dict[Problem, None] = {}
        for problem in self._all_problems():
            if (other := unused.get(".".join(problem.where.split(".")[:2]))) and problem.what != other.what:
                continue  # an input that must be cleared need not be corrected
            problems[problem] = None
            if len(problems) > MOST:
                break
        order = {name: at for at, row in enumerate(spec.inputs.values()) for name in row.names}
        return sorted(problems, key=lambda problem: order.get(problem.where.split(".")[1], len(order)))

    def _all_problems(self) -> Iterator[Problem]:
        accepts, inputs, rows = self.accepts, self.inputs, self.accepts.spec.by_name
        for key, row in accepts.spec.inputs.items():
            for name in row.names:
                if self.rejects.get(name) is REFUSED:
                    yield from _problems(name, registry.complaints(row, inputs[name]))
            if key in accepts.needed and key not in self.present:
                yield from _problems(key, registry.complaints(row, None))
        unknown = (name for name in inputs if name not in rows)
        for count, name in enumerate(islice(unknown, MOST + 1)):
            meant = _meant(accepts.spec, name) if count < MAX_SUGGESTIONS else ""
            what = Sentence("is not an input of {action}.{meant}", action=accepts.spec.key, meant=meant)
            yield Problem(f"inputs.{name}", what)
        for _, constraint in accepts.constraints:
            names = constraint.names
            is_double = bool(names) and all(not is_blank(rows[name], inputs.get(name)) for name in names)
            if is_double or constraint in self.broken:
                yield Problem(constraint.where, constraint.what)

    def unreadable(self, problems: list[Problem]) -> Iterator[Problem]:
        """Yield problems inside strings that should contain JSON, for inputs without other problems."""
        reported = {problem.where for problem in problems}
        for name, reject in self.rejects.items():
            where = f"inputs.{name}"
            if not any(other == where or other.startswith(f"{where}.") for other in reported):
                yield from _problems(name, reject.args)


def _meant(table: InputTable, name: str) -> str:
    """Suggest the input that an unknown name means: one that fills the vendor's field of that name, or the closest."""
    paging = getattr(table, "paging", None)
    if paging and name in paging.keys:
        return Sentence(" Lists are read page by page: use `limit` and `cursor`.")
    for row in table.fields.values():
        for place in row.to:
            if not place.spread and place.path[-1:] == (name,):
                return suggestion(row.key)
            if place.spread and (place.path[-1:] == (name,) or name in row.schema.get("properties", ())):
                return Sentence(" It belongs in '{label}' ({name}).", label=row.label, name=row.key)
    return nearest(name, table.inputs)


def _problems(name: str, faults: Iterable[Fault]) -> list[Problem]:
    return [Problem(".".join(["inputs", name, *map(str, path)]), what) for path, what in faults]


def _clear_problems(spec: InputTable, inputs: Mapping[str, Any], cleared: list[str]) -> Iterator[Problem]:
    clearable = [key for key, row in spec.inputs.items() if row.clear]
    for key in cleared:
        if key not in clearable:
            what = Sentence("is not an input of {action} that can be cleared", action=spec.key)
            if clearable:
                what = Sentence("{what}; these can: {names}", what=what, names=tuple(clearable))
            yield Problem(f"clear.{key}", what)
        elif any(not is_blank(spec.inputs[key], inputs.get(name)) for name in spec.inputs[key].names):
            yield Problem(f"clear.{key}", Sentence("has a value as well: leave the value out, or do not clear it"))
