"""Inputs as they were given to the values that are sent: a table compiled, and a call read in one pass. Pure.

An input is *given* if its value is not blank, and *touched* if it is given and not the published default of an optional
input. A value that is refused is given, and equals nothing.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations, islice
from typing import Any, NamedTuple

from ..errors import MOST, InputError, Problem
from ..language import conditions
from ..language.schema_faults import Fault, fits, kind_of, nearest
from ..model import Condition, Input, InputTable, Rule
from ..sentences import Sentence, both, either, labels
from ..structs import shows
from ..types import registry
from ..types.base import BLANK, NOT_PLAIN, REFUSED, NoValue, Reader, example, is_blank

MAX_DEPTH = 100
LARGEST = int(sys.float_info.max)
MEANT = 20  # unknown names for which the nearest is looked up

_HALF = re.compile("[\ud800-\udfff]")  # of a character: JSON cannot carry it
_ATOMS = (int, bool)
_BAD = NoValue()  # it is no JSON, or given twice
NO_DEFAULT = object()
HALF = Sentence("contains a broken character, often half an emoji: delete it and type it again")


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


class CompiledInput:
    """How an input is read that is given under one of its names."""

    __slots__ = ("default", "is_plain", "items", "key", "kind", "may_be_blank", "position", "read", "row")

    def __init__(self, row: Input, position: int) -> None:
        one = registry.TYPES[row.type].plain(row)
        self.row, self.key, self.position = row, row.key, position
        self.kind, self.is_plain = one if row.collection is None else NOT_PLAIN  # the values that are sent as they are
        self.items = one if row.collection == "list" else NOT_PLAIN  # and those of a list
        self.may_be_blank = registry.TYPES[row.type].may_be_blank or row.collection is not None
        self.read: Reader = registry.reader(row) if row.type != "connection" else lambda value: BLANK  # for all others
        self.default = row.default if row.optional_default else NO_DEFAULT  # which is shown and not sent


_UNKNOWN = CompiledInput(Input(key="", label="", type="any", schema={"not": {}}), 0)


class CompiledInputs(dict[str, CompiledInput]):
    """What a table accepts, compiled: its fields by name, each made when it is first given, and what is in common."""

    def __init__(self, spec: InputTable) -> None:
        super().__init__()
        rows = spec.fields
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

    def __missing__(self, name: str) -> CompiledInput:
        row = self.spec.by_name.get(name)
        if row is None:
            return _UNKNOWN
        self[name] = CompiledInput(row, [*self.spec.inputs].index(row.key))
        return self[name]


def _silent(row: Input) -> tuple[float, float]:
    """From where to where a number surely does not warn."""
    schemas = [warn.schema for warn in row.warn]
    if row.deprecated is not None or not all(schema.keys() <= {"minimum", "maximum"} for schema in schemas):
        return math.inf, -math.inf
    lows, highs = ([schema[word] for schema in schemas if word in schema] for word in ("minimum", "maximum"))
    return max(lows, default=-math.inf), min(highs, default=math.inf)


def constraints(table: InputTable) -> Iterator[Constraint]:
    """The constraints of a table, in the order in which they are told."""
    rows = table.fields
    for row in rows.values():
        where = f"inputs.{row.key}"
        for name, other in combinations(row.names, 2):
            what = Sentence("is the old name of '{name}', which is set too: leave '{old}' out", name=name, old=other)
            yield Constraint(f"inputs.{other}", what, names=(name, other))
        if row.was and row.is_always_needed:
            yield Constraint(where, registry.complaints(row, None)[0][1], needs=(row.key,))
        if row.only_when is not None:
            decides = either(labels(table.by_name[name] for name in dict.fromkeys(test.name for test in row.only_when)))
            slots = {"condition": conditions.phrase(row.only_when, rows), "others": decides}
            what = Sentence("is used only when {condition}: clear it, or change {others}", **slots)
            yield Constraint(where, what, unless=row.only_when, touched=((row.key,),))
        if row.required is not None and not row.has_default and (row.required or row.only_when is not None):
            when = (*(row.only_when or ()), *row.required)
            slots = {"label": row.label, "condition": conditions.phrase(when, rows), "example": example(row)}
            what = Sentence("is required when {condition}: enter '{label}'{example}", **slots)
            yield Constraint(where, what, when=when, needs=(row.key,))
    for rule in table.rules:
        for each in _rule(rule, [rows[key] for key in rule.keys]):
            says: str = each.what
            if rule.when:
                says = Sentence("{what} when {condition}", what=says, condition=conditions.phrase(rule.when, rows))
            says = Sentence("{what}: {reason}", what=says, reason=rule.says) if rule.says else says
            yield each._replace(what=says, when=rule.when)


def _rule(rule: Rule, rows: list[Input]) -> Iterator[Constraint]:
    if rule.kind == "at_least_one":
        what = Sentence("enter {labels}", labels=either(labels(rows)))
        yield Constraint(f"inputs.{rule.keys[0]}", what, needs=rule.keys)
    elif rule.kind == "at_most_one":
        for row, rival in combinations(rows, 2):
            what = Sentence("enter only one of {labels}", labels=both(labels([row, rival])))
            yield Constraint(f"inputs.{rival.key}", what, touched=((row.key,), (rival.key,)))
    else:
        for row in rows:
            others = [other for other in rows if other is not row]
            slots = {"label": row.label, "others": both(labels(others))}
            what = Sentence("is required together with {others}: enter '{label}'", **slots)
            yield Constraint(f"inputs.{row.key}", what, touched=(tuple(each.key for each in others),), needs=(row.key,))


@shows()
class BoundInputs(NamedTuple):
    """The values to send, by input key, and what a person should know about them."""

    values: dict[str, Any]
    warnings: tuple[Problem, ...]


def bind(accepts: CompiledInputs, inputs: Mapping[str, Any], clear: Iterable[str] = ()) -> BoundInputs:
    """Read and check inputs; raises `InputError` with every problem at once, of very many with the first."""
    spec = accepts.spec
    reading = InputReading(accepts, inputs)
    cleared = [spec.by_name[key].key if key in spec.by_name else key for key in dict.fromkeys(clear)] if clear else []
    if reading.rejects or reading.broken or cleared or not accepts.needed <= reading.given.keys():
        found = reading.problems()
        found += islice(_unclearable(spec, inputs, cleared), MOST + 1)
        if len(found) <= MOST:
            found += reading.unreadable(found)
        if found:
            raise InputError.of(spec.key, found, is_all=False)
    values = reading.with_defaults({key: spec.inputs[key].clear[0] for key in cleared})
    may_warn = accepts.may_warn or len(spec.by_name) > len(spec.inputs)
    return BoundInputs(values, tuple(reading.warnings(values)) if may_warn else ())


def not_object(value: Any) -> str:
    return Sentence("must be an object, not {found}", found=kind_of(value))


class InputReading:
    """The inputs as they were read. Raises `InputError` where they are no object."""

    __slots__ = ("accepts", "broken", "given", "in_order", "inputs", "rejects", "touched")

    def __init__(self, accepts: CompiledInputs, inputs: Mapping[str, Any]) -> None:
        if type(inputs) is not dict and not isinstance(inputs, Mapping):
            raise InputError.of(accepts.spec.key, [Problem("inputs", not_object(inputs))])
        self.accepts, self.inputs = accepts, inputs
        given: dict[str, Any] = {}
        touched = dict(accepts.filled)
        rejects: dict[str, NoValue] = {}
        last, in_order = -1, True
        for name, raw in inputs.items():
            field = accepts[name]
            kind, default = type(raw), field.default
            is_atom = raw.isascii() if kind is str else kind in _ATOMS
            if kind is field.kind and field.is_plain(raw) and (is_atom or _is_json(raw, 1)):
                value = raw
            elif kind is list and raw and _are_plain(raw, *field.items):
                value = [*raw]
            elif field.may_be_blank and (raw is None or (kind is str and not raw)):
                continue
            elif not _is_json(raw, 1) and any(_not_json(raw, "", 1)):
                rejects[name] = _BAD
                continue
            else:
                value = field.read(raw)
                if value is BLANK:
                    continue
                if type(value) is NoValue:
                    rejects[name] = value
                    if is_blank(field.row, raw):
                        continue
            key = field.key
            if key in given and name not in rejects:
                rejects[name] = _BAD
            given[key] = value
            if default is NO_DEFAULT:
                touched[key] = value
            else:
                shown = raw if field.row.collection else value  # a list or map is untouched only as it is published
                if shown is not default and (shown != default or not conditions.same(default, shown)):
                    touched[key] = value
            if field.position < last:
                in_order = False
            last = field.position
        self.given, self.touched, self.rejects, self.in_order = given, touched, rejects, in_order
        self.broken = self._broken() if accepts.constraints else []

    def _broken(self) -> list[Constraint]:
        """The constraints that are broken, by the values that are given, and by those that decide conditions."""
        accepts, given, touched = self.accepts, self.given, self.touched
        present, found = given.keys(), []
        chosen = touched.keys() & present if accepts.filled else touched.keys()
        for watched, each in accepts.constraints:
            if (watched and watched not in touched) or not present.isdisjoint(each.needs):
                continue
            for group in each.touched:
                if chosen.isdisjoint(group):
                    break
            else:
                is_met = each.unless is not None and conditions.holds(each.unless, touched.get)
                if not is_met and conditions.holds(each.when, touched.get):
                    found.append(each)
        return found

    def with_defaults(self, cleared: dict[str, Any]) -> dict[str, Any]:
        """The values to send, in the table's order: defaults fill in, fall away, or give way to a rival."""
        accepts, given, touched, rows = self.accepts, self.given, self.touched, self.accepts.spec.inputs
        if not cleared and len(touched) == len(given) and accepts.defaults <= given.keys():  # no defaults are missing
            return given if self.in_order else {key: given[key] for key in rows if key in given}
        touched |= cleared
        values = {**accepts.knobs, **given, **touched}
        for key in [*values]:
            condition = rows[key].only_when
            if condition is not None and not conditions.holds(condition, touched.get):
                del values[key]
        for rule in accepts.rivals:
            among = [key for key in rule.keys if key in values]
            if among[1:] and conditions.holds(rule.when, touched.get):
                winner = next((key for key in among if key in touched), among[0])
                values = {key: value for key, value in values.items() if key == winner or key not in among}
        return {key: values[key] for key in rows if key in values}

    def warnings(self, values: dict[str, Any]) -> Iterator[Problem]:
        """What a person should know about values that are sent."""
        rows, keys = self.accepts.spec.by_name, self.accepts.spec.inputs
        for name in self.inputs if len(rows) > len(keys) else ():
            key = rows[name].key if name in rows else name
            if name != key and not is_blank(rows[name], self.inputs[name]):
                what = Sentence("is the old name of '{name}': it still works, but use '{name}'", name=key)
                yield Problem(f"inputs.{name}", what)
        for row, least, most in self.accepts.may_warn:
            key = row.key
            value = values.get(key)
            if key not in values or (type(value) is int and least <= value <= most):
                continue
            if key not in self.touched:
                if isinstance(value, list | dict) and value:
                    what = Sentence("'{label}' still has the sample values, which will be sent", label=row.label)
                    yield Problem(f"inputs.{key}", Sentence("{what}: replace them, or clear the field", what=what))
            elif row.deprecated is not None:
                what = Sentence("'{label}' is deprecated: {reason}", label=row.label, reason=row.deprecated)
                yield Problem(f"inputs.{key}", what)
            for warn in row.warn:
                if not fits(warn.schema, value) and conditions.holds(warn.when, values.get):
                    yield Problem(f"inputs.{key}", warn.says)

    # -- a bad call --------------------------------------------------------------------------------------------------

    def problems(self) -> list[Problem]:
        """Why the inputs are not accepted, in the order of the table: all reasons, or more than `MOST`.

        What is wrong inside of texts is not looked for. Raises `InputError` where the inputs are no JSON.
        """
        spec, found = self.accepts.spec, list(islice(_not_json(dict(self.inputs), "inputs", 0), MOST + 1))
        if found:
            raise InputError.of(spec.key, found, is_all=False)
        unused = {each.where: each for each in self.broken if each.unless is not None}
        once: dict[Problem, None] = {}
        for problem in self._reasons():
            if (other := unused.get(".".join(problem.where.split(".")[:2]))) and problem.what != other.what:
                continue  # what is to be cleared need not be corrected
            once[problem] = None
            if len(once) > MOST:
                break
        order = {name: at for at, row in enumerate(spec.inputs.values()) for name in row.names}
        return sorted(once, key=lambda problem: order.get(problem.where.split(".")[1], len(order)))

    def _reasons(self) -> Iterator[Problem]:
        accepts, inputs, rows = self.accepts, self.inputs, self.accepts.spec.by_name
        for key, row in accepts.spec.inputs.items():
            for name in row.names:
                if self.rejects.get(name) is REFUSED:
                    yield from _problems(name, registry.complaints(row, inputs[name]))
            if key in accepts.needed and key not in self.given:
                yield from _problems(key, registry.complaints(row, None))
        unknown = (name for name in inputs if name not in rows)
        for count, name in enumerate(islice(unknown, MOST + 1)):
            meant = nearest(name, accepts.spec.inputs) if count < MEANT else ""
            what = Sentence("is not an input of {action}.{meant}", action=accepts.spec.key, meant=meant)
            yield Problem(f"inputs.{name}", what)
        for _, each in accepts.constraints:
            both = bool(each.names) and all(not is_blank(rows[name], inputs.get(name)) for name in each.names)
            if both or each in self.broken:
                yield Problem(each.where, each.what)

    def unreadable(self, found: list[Problem]) -> Iterator[Problem]:
        """What is wrong inside of texts that should hold JSON, where nothing else is said of the input."""
        known = {problem.where for problem in found}
        for name, reject in self.rejects.items():
            where = f"inputs.{name}"
            if not any(each == where or each.startswith(f"{where}.") for each in known):
                yield from _problems(name, reject.args)


def _are_plain(items: list[Any], kind: type, is_plain: Callable[[Any], object]) -> bool:
    return all([type(item) is kind and is_plain(item) and (kind in _ATOMS or _is_json(item, 2)) for item in items])


def _is_json(value: Any, depth: int) -> bool:
    """Whether a value surely is JSON, as nearly all are; `_not_json` has the last word."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii()) or _HALF.search(value) is None
    if kind is dict:
        return {*map(type, value)} <= {str} and _is_json("".join(value), 0) and _is_json([*value.values()], depth)
    if kind is list and depth <= MAX_DEPTH:
        return all([(type(item) is str and item.isascii()) or _is_json(item, depth + 1) for item in value])
    return kind is bool or value is None or (kind is int and -LARGEST <= value <= LARGEST)


def _problems(name: str, faults: Iterable[Fault]) -> list[Problem]:
    return [Problem(".".join(["inputs", name, *map(str, path)]), what) for path, what in faults]


def _unclearable(spec: InputTable, inputs: Mapping[str, Any], cleared: list[str]) -> Iterator[Problem]:
    able = [key for key, row in spec.inputs.items() if row.clear]
    for key in cleared:
        if key not in able:
            what = Sentence("is not an input of {action} that can be emptied", action=spec.key)
            if able:
                what = Sentence("{what}; those that can: {names}", what=what, names=tuple(able))
            yield Problem(f"clear.{key}", what)
        elif any(not is_blank(spec.inputs[key], inputs.get(name)) for name in spec.inputs[key].names):
            yield Problem(f"clear.{key}", Sentence("has a value as well: leave the value out, or do not clear it"))


def _not_json(value: Any, where: str, depth: int) -> Iterator[Problem]:
    """What Python can hold and JSON can't carry."""
    if depth > MAX_DEPTH:
        yield Problem(where, Sentence("is nested deeper than {depth} levels", depth=MAX_DEPTH))
    elif isinstance(value, str) and _HALF.search(value):
        yield Problem(where, HALF)
    elif isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        yield Problem(where, Sentence("is too large: numbers in JSON reach to 1.8e308"))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(where, Sentence("is {value}, which is not a number in JSON", value=value))
    elif isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, dict) and not isinstance(key, str):
                yield Problem(where, Sentence("has the key {key}; keys are text", key=repr(key)))
            else:
                yield from _not_json(key, where, 0)
                yield from _not_json(item, f"{where}.{key}", depth + 1)
    elif not (value is None or isinstance(value, int | float | str)):
        yield Problem(where, Sentence("must be JSON, not {found}", found=kind_of(value)))
