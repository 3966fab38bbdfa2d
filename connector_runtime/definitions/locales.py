"""Translations of a connector's texts: which texts there are, what a translation says of them and what it lacks. Pure.

A locale says each text once, under the sentence that it translates, so that a changed one loses its translation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from .. import model
from ..errors import Problem
from ..structs import Struct
from ..triggers.webhook import FilterRow, Trigger
from .documents import Document, Path
from .forms import Say
from .sources import phrases

NAMED = 10  # how many texts one line names before it only counts them
LIKE = 0.75  # how much of a sentence must stay for it to be the same one, changed
Texts = dict[str, list[str]]  # a text -> the files that say it, in order
T = TypeVar("T")

TEXTS: Mapping[type, tuple[str, ...]] = {  # where the texts lie that a person reads, in the order of the definitions
    model.ActionSpec: ("label", "inputs", "description", "summary", "rules", "errors", "files"),
    model.Connection: ("label", "description", "inputs", "errors", "test", "unsupported_values"),
    Trigger: ("label", "description", "inputs", "filters", "load_events"),
    model.Profile: ("label", "description", "errors", "choices"),  # its connections are definitions of their own
    model.Input: ("label", "comments", "schema", "choices", "warn", "group", "if_absent", "deprecated"),
    model.ChoiceList: ("choices", "parameters"),
    FilterRow: ("label", "comments"),
    model.Choice: ("label",),
    model.Warn: ("says",),
    model.Rule: ("says",),
    model.Errors: ("cases",),
    model.Case: ("do",),
    model.Files: ("errors",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Locale:
    """One language: its texts by the original's, and those that an action needs to be said otherwise."""

    key: str
    label: str
    texts: Mapping[str, str | None] = field(default_factory=dict)  # None: not translated yet
    actions: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def say(self, text: str, action: str | None = None) -> str:
        """The text in this language, or as it is."""
        return self.actions.get(action or "", {}).get(text) or self.texts.get(text) or text


def translated(found: T, say: Say) -> T:
    """A compiled definition, or a part of one, with every text that a person reads said anew.

    What is sent is never touched. Given a `say` that writes down what it is asked, the same walk lists the texts.
    """
    made: Any = found
    fields = next((names for kind, names in TEXTS.items() if isinstance(found, kind)), None)
    if isinstance(found, str):
        made = found and say(found)
    elif isinstance(found, model.Choice) and found.label == str(found.value) and is_code(found.value):
        pass  # it is shown as its value and has no words of its own
    elif fields is not None:
        changed = {name: _field(found, name, say) for name in fields}
        if isinstance(found, model.ActionSpec):
            changed["by_name"] = {name: row for row in changed["inputs"].values() for name in row.names}
        made = made._replace(**changed) if isinstance(found, tuple) else _changed(made, changed)
    elif isinstance(found, Mapping):
        made = {key: translated(part, say) for key, part in found.items()}
    elif isinstance(found, tuple):
        made = tuple(translated(part, say) for part in found)
    return made  # type: ignore[no-any-return]


def is_code(value: str | int) -> bool:
    """Whether a value is for machines: a number, or one word in one case, as GET, voip and audio/mp4 are."""
    text = str(value)
    return isinstance(value, int) or (" " not in text and (text.islower() or text.isupper() or text.isdecimal()))


def _changed(found: Any, fields: dict[str, Any]) -> Any:
    return found.replace(**fields) if isinstance(found, Struct) else replace(found, **fields)


def _field(found: Any, name: str, say: Say) -> Any:
    value = getattr(found, name)
    match name:
        case "if_absent":
            # what happens to an input that is left out is told in words, or is a value
            words = isinstance(value, str) and " " in value and value not in [each.value for each in found.choices]
            return say(value) if words else value
        case "schema":  # what to enter, where a pattern refuses a text
            is_told = "pattern" in value and "description" in value
            return {**value, "description": say(value["description"])} if is_told else value
        case "load_events":
            return value and (lambda: _events(value(), say))
        case "test":  # the rest of it names actions and inputs
            hints = value and value.get("hints")
            return {**value, "hints": [{**hint, "says": say(hint["says"])} for hint in hints]} if hints else value
    return translated(value, say)


def _events(data: model.Json, say: Say) -> model.Json:
    return {**data, "events": {key: {**event, "label": say(event["label"])} for key, event in data["events"].items()}}


def texts(about: model.Profile, actions: Mapping[str, model.ActionSpec], triggers: Mapping[str, Trigger]) -> Texts:
    """Every text that a person reads, in the order of the definitions.

    The labels of events and the runtime's own sentences, which it translates itself, are not among them.
    """
    found: Texts = {}
    parts: list[tuple[Any, str]] = [(about.errors, "connector.yaml")]
    parts += [(action, f"actions/{key}.yaml") for key, action in actions.items()]
    parts += [(kind, f"connection/{kind.key}.yaml") for kind in about.connections]
    parts += [(trigger, f"triggers/{key}.yaml") for key, trigger in triggers.items()]
    parts += [(about, "connector.yaml")]
    for part, place in parts:

        def note(text: str, place: str = place) -> str:
            if place not in found.setdefault(text, []):
                found[text].append(place)
            return text

        translated(part, note)
    return found


def spare(triggers: Mapping[str, Trigger]) -> set[str]:
    """Texts that a locale may leave as they are, or say: the labels of events, and the runtime's own sentences."""
    return {event.label for trigger in triggers.values() for event in trigger.events.values()} | phrases("de").keys()


def gaps(document: Document, known: Texts, spare: set[str]) -> Iterator[Problem]:
    """What a locale of the right shape lacks and says for nothing; the texts `spare` need no translation."""
    said: Mapping[str, Any] = document.data.get("texts", {})
    own: Mapping[str, Mapping[str, Any]] = document.data.get("actions", {})
    lacking = untranslated(said, own, known)
    if lacking:
        named = ", ".join(_clipped(text) for text in lacking[:NAMED])
        named += f" and {len(lacking) - NAMED:,} more" if len(lacking) > NAMED else ""
        what = f"{len(lacking):,} of {len(known):,} texts {'is' if len(lacking) == 1 else 'are'} not translated"
        yield Problem(f"{document.name}:{document.line(('texts',))}", f"{what}: {named}")
    for text in said:
        if text not in known and text not in spare:
            yield _left_over(document, ("texts", text), lacking or list(known))
    for key, entries in own.items():
        here = [text for text, places in known.items() if f"actions/{key}.yaml" in places]
        yield from (_left_over(document, ("actions", key, text), here) for text in entries if text not in here)


def untranslated(said: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]], known: Texts) -> list[str]:
    """The texts that a locale has no words for."""
    covered = {(text, f"actions/{key}.yaml") for key, entries in own.items() for text in entries if entries[text]}
    return [
        text
        for text, places in known.items()
        if not said.get(text) and not all((text, place) in covered for place in places)
    ]


def _left_over(document: Document, path: Path, known: list[str]) -> Problem:
    changed = closest(str(path[-1]), known)
    remedy = f"; is it now {_clipped(changed)}?" if changed else "; take it out"
    where = f"{document.name}:{document.line(path)} {'.'.join(map(str, path[:-1]))}"
    return Problem(where, f"{_clipped(str(path[-1]))} stands in no definition{remedy}")


def closest(text: str, known: list[str]) -> str | None:
    """The text that this one probably was before it was changed, or is meant to be."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(text, known, n=1, cutoff=LIKE)), None)


def _clipped(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
