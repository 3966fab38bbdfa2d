"""What drop-downs offer, as frozen data: lists that a connector declares, and what a request for one gives. A leaf."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .model import NOTHING, Choice, Input, Json


class Choices(NamedTuple):
    """Some entries of a drop-down; `cursor` is an opaque text that leads on to more, None at the end."""

    choices: tuple[Choice, ...]
    cursor: str | None = None

    def to_dict(self) -> dict[str, Json]:
        """The entries as JSON data, the shape that platforms and the command line show."""
        entries = [{"value": each.value, "label": each.label, "description": each.description} for each in self.choices]
        return {"choices": entries, "cursor": self.cursor}


class ChoiceList(NamedTuple):
    """A named list of connector.yaml: entries of its own, or what an action answers."""

    key: str
    choices: tuple[Choice, ...] = ()
    action: str | None = None  # None: the entries are its own
    fills: Mapping[str, str] = NOTHING  # input of the action -> input of a form, or parameter
    parameters: Mapping[str, Input] = NOTHING  # asked for where a form lacks the input
    search: Mapping[str, Json] = NOTHING  # inputs by which the vendor searches; {} is what for
    items: tuple[str, ...] = ()  # where the items lie, if the action's paging does not say it
    value: tuple[str, ...] = ()  # paths in an item; of each of these three the first that is not blank counts
    label: tuple[str, ...] = ()  # paths, or texts with expressions
    description: tuple[str, ...] = ()
