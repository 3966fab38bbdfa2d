"""Warnings about accepted inputs that may not do what the caller expects. Pure.

Each `Check` is compiled once for an input table and runs only if its input has a value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import Any

from ..errors import Problem
from ..language import conditions, datetimes, expressions
from ..language.schema_faults import closest, fits, nearest, suggestion
from ..model import Choice, Input, InputTable, Rule, Warn
from ..sentences import Sentence
from ..types.base import quoted
from .values import shortened

Values = Mapping[str, Any]
Check = Callable[[Any, Values, Values], Iterator[Problem]]  # (a value, all values to send, the touched ones)
UNCHANGED = Problem("inputs", Sentence("Nothing would change: fill in what is to change. To empty a field, clear it."))
CLOSE = 0.85  # codes such as time zones look alike, and a wrong suggestion is worse than none
MIN_START = 5  # characters of an incomplete name
MAX_SAYS = 500  # characters of a warning
MAX_UNKNOWN = 20  # keys of one input that are reported


class Advice:
    """The checks of an input table, by input. An action's `profile` holds the lists that its inputs offer."""

    def __init__(self, table: InputTable) -> None:
        profile, self._checks = getattr(table, "profile", None), defaultdict[str, list[Check]](list)
        for row in table.fields.values():
            checks = self._checks[row.key]
            if row.optional_default and isinstance(row.default, list | dict):
                checks.append(partial(_sample, row))
            if row.deprecated is not None:
                checks.append(partial(_deprecated, row))
            checks += [partial(_warning, row, warn) for warn in row.warn]
            if row.type == "json" and row.schema:
                checks.append(partial(_unknown_keys, row))
            offered = profile.choices.get(row.choices_from) if profile and row.choices_from else None
            if offered is not None and offered.choices and not row.choices:
                checks.append(
                    partial(_not_offered, row, offered.choices, frozenset(each.value for each in offered.choices))
                )
        for rule in table.rules:
            for key in rule.keys if rule.kind == "ignored" else ():
                self._checks[key].append(partial(_ignored, rule, key, table.fields))
            if rule.within is not None:
                self._checks[rule.keys[0]].append(partial(_too_wide, rule))
        changing = [row.key for row in table.fields.values() if row.to and _is_change(row)]
        is_update = getattr(table, "effect", None) == "update" and not getattr(table, "body", None)
        self._changing = frozenset(changing if is_update else ())

    def about(self, values: Values, touched: Values, *, changes: bool = False) -> Iterator[Problem]:
        """Yield the warnings about the values to send; with `changes`, something besides these will change."""
        if self._changing and self._changing.isdisjoint(values) and not changes:
            yield UNCHANGED
        for key, value in values.items():
            for check in self._checks.get(key, ()):
                yield from check(value, values, touched)


def _is_change(row: Input) -> bool:
    """Return whether this input changes something in an update; ids and choices in the query only select."""
    return row.to[0].kind in ("body", "part") or (row.to[0].kind == "query" and row.type == "boolean")


def _sample(row: Input, value: Any, values: Values, touched: Values) -> Iterator[Problem]:
    if value and row.key not in touched:
        what = Sentence("'{label}' still has the sample values, which will be sent", label=row.label)
        yield Problem(f"inputs.{row.key}", Sentence("{what}: replace them, or clear the field", what=what))


def _deprecated(row: Input, value: Any, values: Values, touched: Values) -> Iterator[Problem]:
    if row.key in touched:
        what = Sentence("'{label}' is deprecated: {reason}", label=row.label, reason=row.deprecated)
        yield Problem(f"inputs.{row.key}", what)


def _warning(row: Input, warn: Warn, value: Any, values: Values, touched: Values) -> Iterator[Problem]:
    if row.key in touched and conditions.holds(warn.when, touched.get) and not fits(warn.schema, value):
        says = expressions.template(warn.says).value(values) if "{{" in warn.says else warn.says
        if says is not None:  # an expression without a value cancels the warning
            yield Problem(f"inputs.{row.key}", says[:MAX_SAYS])


def _unknown_keys(row: Input, value: Any, values: Values, touched: Values) -> Iterator[Problem]:
    for path, key, known in islice(_strange(row.schema, value, ()), MAX_UNKNOWN):
        where = ".".join(shortened(str(step)) for step in ("inputs", row.key, *path, key))
        what = Sentence("is not a known key, but is sent unchanged.{meant}", meant=nearest(key, known))
        yield Problem(where, what)


def _strange(schema: Any, value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Any, str, Values]]:
    """Yield the keys of data that its schema does not name, each with its path and the keys that it does name."""
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _strange(schema["items"], item, (*path, index))
    elif isinstance(value, dict) and schema.get("properties"):
        known = schema["properties"]
        for key, item in value.items():
            if key in known:
                yield from _strange(known[key], item, (*path, key))
            else:
                yield path, key, known


def _not_offered(
    row: Input, offered: tuple[Choice, ...], codes: frozenset[Any], value: Any, values: Values, touched: Values
) -> Iterator[Problem]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item not in codes:
            known = {text.casefold(): choice.value for choice in offered for text in (choice.label, choice.value)}
            longer = [name for name in known if len(item) >= MIN_START and name.startswith(item.casefold())]
            close = closest(item.casefold(), known, CLOSE) or min(longer, key=len, default=None)
            meant = suggestion(known[close] if close is not None else None)
            what = Sentence("{value} is not in the list of known values.{meant}", value=quoted(row, item), meant=meant)
            yield Problem(f"inputs.{row.key}", what)


def _ignored(
    rule: Rule, key: str, rows: dict[str, Input], value: Any, values: Values, touched: Values
) -> Iterator[Problem]:
    if key in touched and conditions.holds(rule.when, touched.get):
        slots = {"label": rows[key].label, "condition": conditions.phrase(rule.when, rows)}
        what: str = Sentence("'{label}' is ignored when {condition}", **slots)
        yield Problem(f"inputs.{key}", Sentence("{what}: {reason}", what=what, reason=rule.says) if rule.says else what)


def _too_wide(rule: Rule, value: Any, values: Values, touched: Values) -> Iterator[Problem]:
    first, last = (datetimes.instant(values.get(key)) for key in rule.keys)
    is_wide = first and last and rule.within and (last - first).days > rule.within
    if is_wide and conditions.holds(rule.when, touched.get):
        yield Problem(f"inputs.{rule.keys[0]}", rule.says)
