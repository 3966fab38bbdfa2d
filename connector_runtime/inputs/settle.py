"""Which values are sent of those that were given: defaults fill in, fall away, or give way to a rival. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..language.conditions import holds, same
from ..model import Condition, Input, Json, Rule, Table


@dataclass(frozen=True, slots=True)
class Settling:
    """What a table says about it, gathered once: a call then looks only at the inputs that it is given."""

    order: Mapping[str, int]
    shown: Mapping[str, Json]  # the defaults of optional inputs: who leaves them as they are has decided nothing
    filled: tuple[tuple[str, Json], ...]
    only_when: tuple[tuple[str, Condition], ...]
    rivals: tuple[Rule, ...]

    def settle(self, given: dict[str, Any]) -> dict[str, Any]:
        """The values to send, in the table's order."""
        shown = self.shown
        touched = {key: value for key, value in given.items() if key not in shown or not same(shown[key], value)}
        for key, default in self.filled:
            if key not in given:
                touched[key] = default
        values = {**given, **touched}
        for key, condition in self.only_when:
            if key in values and not holds(condition, touched.get):
                del values[key]
        for rule in self.rivals:
            among = [key for key in rule.keys if key in values]
            if among[1:] and holds(rule.when, touched.get):
                kept = next((key for key in among if key in touched), among[0])
                values = {key: value for key, value in values.items() if key == kept or key not in among}
        return {key: values[key] for key in sorted(values, key=self.order.__getitem__)}

    def is_untouched(self, key: str, value: Any) -> bool:
        """Whether a value is the published default of an optional input."""
        return key in self.shown and same(self.shown[key], value)


def settling(table: Table) -> Settling:
    """What `Settling` says, of one table."""
    rows = table.inputs.items()
    return Settling(
        order={key: index for index, key in enumerate(table.inputs)},
        shown={key: row.default for key, row in rows if row.optional_default},
        filled=tuple((key, row.default) for key, row in rows if row.fills_in or _is_knob(row)),
        only_when=tuple((key, row.only_when) for key, row in rows if row.only_when is not None),
        rivals=tuple(rule for rule in table.rules if rule.kind == "at_most_one"),
    )


def _is_knob(row: Input) -> bool:
    return row.has_default and bool(row.to) and row.to[0].kind == "call"
