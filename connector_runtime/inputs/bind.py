"""Inputs as they were given to the values that are sent. Pure.

A good call is read here in one pass over what is given. Why a bad one is refused, `messages` gathers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import InputError, Problem
from ..language import conditions
from ..language.schemas import fits
from ..language.wording import MOST, kind_of
from ..model import Table
from ..types.base import BLANK, NoValue, is_blank
from . import messages
from .accept import NO_DEFAULT, Acceptance, Constraint, Reading

_HALF = re.compile("[\ud800-\udfff]")  # of a character: JSON cannot carry it
_ATOMS = (int, bool)
_NOT_JSON, _TWICE = NoValue(), NoValue()


@dataclass(frozen=True, slots=True)
class Bound:
    """The values to send, by input key, and what a person should know about them."""

    values: dict[str, Any]
    warnings: tuple[Problem, ...]


def bind(accepts: Acceptance, inputs: Mapping[str, Any], clear: Iterable[str] = ()) -> Bound:
    """Read and check inputs; raises `InputError` with every problem at once, of very many with the first."""
    spec = accepts.spec
    reading = _read(accepts, inputs)
    cleared = [spec.by_name[key].key if key in spec.by_name else key for key in dict.fromkeys(clear)] if clear else []
    if reading.rejects or reading.broken or cleared or not accepts.needed <= reading.given.keys():
        found = problems(accepts, inputs, reading)
        found += islice(messages.unclearable(spec, inputs, cleared), MOST + 1)
        if len(found) <= MOST:
            found += messages.unreadable(found, reading.rejects)
        if found:
            raise messages.refusal(spec.key, found)
    values = _settled(accepts, reading, {key: spec.inputs[key].clear[0] for key in cleared})
    renamed = _renamed(spec, inputs) if len(spec.by_name) > len(spec.inputs) else ()
    return Bound(values, (*renamed, *_warnings(accepts, reading, values)))


def problems(accepts: Acceptance, inputs: Mapping[str, Any], reading: Reading | None = None) -> list[Problem]:
    """Why inputs are not accepted, without what their texts hold; raises `InputError` where they are no JSON."""
    reading = reading or _read(accepts, inputs)
    found = list(islice(messages.not_json(dict(inputs), "inputs", 0), MOST + 1))
    if found:
        raise messages.refusal(accepts.spec.key, found)
    return messages.explain(accepts, inputs, reading)


def _read(accepts: Acceptance, inputs: Mapping[str, Any]) -> Reading:
    """Raises `InputError` where the inputs are no object."""
    if type(inputs) is not dict and not isinstance(inputs, Mapping):
        raise InputError.of(accepts.spec.key, [Problem("inputs", f"must be an object, not {kind_of(inputs)}")])
    fields = accepts.fields
    given: dict[str, Any] = {}
    touched = dict(accepts.filled)
    rejects: dict[str, NoValue] = {}
    last, in_order = -1, True
    for name, raw in inputs.items():
        field = fields[name]
        kind, default = type(raw), field.default
        is_atom = raw.isascii() if kind is str else kind in _ATOMS
        if kind is field.kind and field.is_plain(raw) and (is_atom or _is_json(raw, 1)):
            value = raw
        elif kind is list and raw and _are_plain(raw, *field.items):
            value = [*raw]
        elif not _is_json(raw, 1) and any(messages.not_json(raw, "", 1)):
            rejects[name] = _NOT_JSON
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
            rejects[name] = _TWICE
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
    broken = _broken(accepts, given, touched) if accepts.constraints else []
    return Reading(given, touched, rejects, broken, in_order)


def _are_plain(items: list[Any], kind: type, is_plain: Callable[[Any], object]) -> bool:
    return all([type(item) is kind and is_plain(item) and (kind in _ATOMS or _is_json(item, 2)) for item in items])


def _is_json(value: Any, depth: int) -> bool:
    """Whether a value surely is JSON, as nearly all are; `not_json` has the last word."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii()) or _HALF.search(value) is None
    if kind is dict:
        return all([type(name) is str and _is_json(name, 0) for name in value]) and _is_json([*value.values()], depth)
    if kind is list:
        return depth <= messages.MAX_DEPTH and all([_is_json(item, depth + 1) for item in value])
    return kind is int or kind is bool or value is None


def _broken(accepts: Acceptance, given: dict[str, Any], touched: dict[str, Any]) -> list[Constraint]:
    """The constraints that are broken, by the values that are given, and by those that decide conditions."""
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


def _settled(accepts: Acceptance, reading: Reading, cleared: dict[str, Any]) -> dict[str, Any]:
    """The values to send, in the table's order: defaults fill in, fall away, or give way to a rival."""
    given, touched, rows = reading.given, reading.touched, accepts.spec.inputs
    if not cleared and len(touched) == len(given) and accepts.defaults <= given.keys():  # there is nothing to settle
        return given if reading.in_order else {key: given[key] for key in rows if key in given}
    touched |= cleared
    values = {**accepts.knobs, **given, **touched}
    for key in [*values]:
        condition = rows[key].only_when
        if condition is not None and not conditions.holds(condition, touched.get):
            del values[key]
    for rule in accepts.rivals:
        among = [key for key in rule.keys if key in values]
        if among[1:] and conditions.holds(rule.when, touched.get):
            kept = next((key for key in among if key in touched), among[0])
            values = {key: value for key, value in values.items() if key == kept or key not in among}
    return {key: values[key] for key in rows if key in values}


def _renamed(spec: Table, inputs: Mapping[str, Any]) -> Iterable[Problem]:
    for name in inputs:
        row = spec.by_name.get(name)
        if row is not None and name != row.key and not is_blank(row, inputs[name]):
            yield Problem(f"inputs.{name}", f"is the old name of '{row.key}'; it works; better give '{row.key}'")


def _warnings(accepts: Acceptance, reading: Reading, values: dict[str, Any]) -> Iterable[Problem]:
    for row, least, most in accepts.may_warn:
        key = row.key
        value = values.get(key)
        if key not in values or (type(value) is int and least <= value <= most):
            continue
        is_untouched = key not in reading.touched
        if row.deprecated is not None and not is_untouched:
            yield Problem(f"inputs.{key}", f"'{row.label}' is deprecated: {row.deprecated}")
        if is_untouched and isinstance(value, list | dict) and value:
            what = f"'{row.label}' is the published sample, unchanged; it is sent as it is"
            yield Problem(f"inputs.{key}", what)
        for warn in row.warn:
            if not fits(warn.schema, value) and conditions.holds(warn.when, values.get):
                yield Problem(f"inputs.{key}", warn.says)
