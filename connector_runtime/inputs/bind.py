"""Inputs as they were given to the values that are sent. Pure.

A good call is read here in one pass over what is given. Why a bad one is refused, `messages` gathers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import InputError, Problem
from ..language import conditions
from ..language.wording import MOST, kind_of
from ..model import Table
from ..types.base import BLANK, NoValue, is_blank
from . import messages
from .accept import Acceptance, Reading

_HALF = re.compile("[\ud800-\udfff]")  # of a character: JSON cannot carry it
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
    if reading.rejects or cleared or _is_broken(accepts, reading):
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
        kind = type(raw)
        at_once = raw.isascii() if kind is str else kind is int or kind is bool
        if not at_once and not _is_plain(raw, 1) and any(messages.not_json(raw, "", 1)):
            rejects[name] = _NOT_JSON
            continue
        key, position, read, has_default, row = fields[name]
        value = read(raw)
        if type(value) is NoValue:
            if value is BLANK:
                continue
            rejects[name] = value
            if is_blank(row, raw):
                continue
        elif key in given:
            rejects[name] = _TWICE
        given[key] = value
        if not has_default or not conditions.same(row.default, raw if row.collection else value):
            touched[key] = value  # a list or map is untouched only as it is published, not in another spelling
        if position < last:
            in_order = False
        last = position
    return Reading(given, touched, rejects, in_order)


def _is_plain(value: Any, depth: int) -> bool:
    """Whether a value surely is JSON, as nearly all are; `not_json` has the last word."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii()) or _HALF.search(value) is None
    if kind is dict:
        return all([type(name) is str and _is_plain(name, 0) for name in value]) and _is_plain([*value.values()], depth)
    if kind is list:
        return depth <= messages.MAX_DEPTH and all([_is_plain(item, depth + 1) for item in value])
    return kind is int or kind is bool or value is None


def _is_broken(accepts: Acceptance, reading: Reading) -> bool:
    """Whether an input is missing, or a constraint broken."""
    given, touched = reading.given, reading.touched
    for key in accepts.needed:
        if key not in given:
            return True
    return any([each.is_broken(given, touched) for each in accepts.constraints])


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
    for row, fits in accepts.may_warn:
        if row.key not in values:
            continue
        key, value = row.key, values[row.key]
        is_untouched = key not in reading.touched
        if row.deprecated is not None and not is_untouched:
            yield Problem(f"inputs.{key}", f"'{row.label}' is deprecated: {row.deprecated}")
        if is_untouched and isinstance(value, list | dict) and value:
            what = f"'{row.label}' is the published sample, unchanged; it is sent as it is"
            yield Problem(f"inputs.{key}", what)
        for warn, fit in zip(row.warn, fits, strict=True):
            if not fit(value) and conditions.holds(warn.when, values.get):
                yield Problem(f"inputs.{key}", warn.says)
