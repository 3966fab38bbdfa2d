"""Compiled definitions in another language: the same data with every text that a person reads said anew. Pure.

What is sent is never touched. Given a `say` that writes down what it is asked, the same walk lists the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..calls.action import Action
from ..model import Choice, Connection, Errors, Input, Json, Profile
from ..triggers.events import FilterRow

if TYPE_CHECKING:
    from ..triggers.webhook import Trigger

Say = Callable[[str], str]


def action(found: Action, say: Say) -> Action:
    """An action."""
    label, rows = say(found.label), {key: row(entry, say) for key, entry in found.inputs.items()}
    return replace(
        found,
        label=label,
        description=_maybe(found.description, say),
        summary=_maybe(found.summary, say),
        inputs=rows,
        by_name={name: entry for entry in rows.values() for name in entry.names},
        rules=tuple(rule._replace(says=_maybe(rule.says, say)) for rule in found.rules),
        errors=errors(found.errors, say),
        files=replace(found.files, errors=errors(found.files.errors, say)) if found.files else None,
    )


def connection(found: Connection, say: Say) -> Connection:
    """A kind of connection."""
    return replace(
        found,
        label=say(found.label),
        description=_maybe(found.description, say),
        inputs=tuple(row(entry, say) for entry in found.inputs),
        errors=errors(found.errors, say),
        test=_test(found.test, say),
        forbids={
            name: {value: say(instead) for value, instead in values.items()} for name, values in found.forbids.items()
        },
    )


def trigger(found: Trigger, say: Say) -> Trigger:
    """A trigger; of its events, the labels that there are words for."""
    load = found.load_events
    return replace(
        found,
        label=say(found.label),
        description=_maybe(found.description, say),
        inputs=tuple(row(entry, say) for entry in found.inputs),
        filters={key: _filter(entry, say) for key, entry in found.filters.items()},
        load_events=None if load is None else lambda: _events(load(), say),
    )


def profile(found: Profile, say: Say) -> Profile:
    """What all actions share, without its connections."""
    return replace(
        found,
        label=say(found.label),
        description=_maybe(found.description, say),
        errors=errors(found.errors, say),
        choices={
            name: entries._replace(
                choices=_choices(entries.choices, say),
                parameters={key: row(entry, say) for key, entry in entries.parameters.items()},
            )
            for name, entries in found.choices.items()
        },
    )


def row(found: Input, say: Say) -> Input:
    """A row of an input table."""
    return found._replace(
        label=say(found.label),
        comments=_maybe(found.comments, say),
        choices=_choices(found.choices, say),
        warn=tuple(warn._replace(says=say(warn.says)) for warn in found.warn),
        group=_maybe(found.group, say),
        if_absent=say(found.if_absent) if is_phrase(found) else found.if_absent,
        deprecated=_maybe(found.deprecated, say),
    )


def is_phrase(found: Input) -> bool:
    """Whether what happens to an input that is left out is told in words, and not by a value."""
    said = found.if_absent
    return isinstance(said, str) and " " in said and said not in [choice.value for choice in found.choices]


def _maybe(text: Any, say: Say) -> Any:
    return say(text) if text else text


def _choices(found: Iterable[Choice], say: Say) -> tuple[Choice, ...]:
    """Choices with words of their own: one that is shown as its value, such as GET, stays as it is."""
    return tuple(
        choice if choice.label == str(choice.value) else choice._replace(label=say(choice.label)) for choice in found
    )


def errors(found: Errors, say: Say) -> Errors:
    """What can be done about refusals."""
    return found._replace(cases=tuple(case._replace(do=_maybe(case.do, say)) for case in found.cases))


def _filter(found: FilterRow, say: Say) -> FilterRow:
    return replace(found, label=say(found.label), comments=_maybe(found.comments, say))


def _test(found: Mapping[str, Json] | None, say: Say) -> Mapping[str, Json] | None:
    if found is None or "hints" not in found:
        return found
    return {**found, "hints": [{**hint, "says": say(hint["says"])} for hint in found["hints"]]}


def _events(data: Json, say: Say) -> Json:
    return {**data, "events": {key: {**event, "label": say(event["label"])} for key, event in data["events"].items()}}
