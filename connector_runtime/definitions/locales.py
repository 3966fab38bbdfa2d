"""Translations of a connector's texts: which texts there are, and what a translation lacks. Pure.

A locale says each text once, under the sentence that it translates. So a sentence that is changed loses its
translation by itself and is shown as it is, and `gaps` names it beside the entry that is left over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..language.wording import nearest
from ..triggers.events import OWN as OWN_FILTERS
from . import translate
from .documents import Document, Path
from .faults import Faults, Surroundings
from .forms import OWN_WORDS

if TYPE_CHECKING:
    from .connector import Connector

SLOT = re.compile(r"\{[^{}]*\}")
NAMED = 10  # how many texts one line names before it only counts them
LIKE = 0.75  # how much of a sentence must stay for it to be the same one, changed
Texts = dict[str, list[str]]  # a text -> the files that say it, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Locale:
    """One language: its texts by the original's, and those that an action needs to be said otherwise."""

    key: str
    label: str
    texts: Mapping[str, str | None]  # None: not translated yet
    actions: Mapping[str, Mapping[str, str | None]]

    def say(self, text: str, action: str | None = None) -> str:
        """The text in this language, or as it is."""
        return self.actions.get(action or "", {}).get(text) or self.texts.get(text) or text


def locale(data: Mapping[str, Any]) -> Locale:
    """Compile one file of locales/."""
    return Locale(key=data["key"], label=data["label"], texts=data.get("texts", {}), actions=data.get("actions", {}))


def texts(connector: Connector) -> Texts:
    """Every text that a person reads, in the order of the definitions; the labels of events are not among them."""
    found: Texts = {}

    def at(place: str) -> translate.Say:
        def note(text: str) -> str:
            places = found.setdefault(text, [])
            if place not in places:
                places.append(place)
            return text

        return note

    translate.errors(connector.profile.errors, at("connector.yaml"))
    for key, action in connector.actions.items():
        translate.action(action, at(f"actions/{key}.yaml"))
    for key, kind in connector.connections.items():
        translate.connection(kind, at(f"connection/{key}.yaml"))
    for key, trigger in connector.triggers.items():
        translate.trigger(trigger, at(f"triggers/{key}.yaml"))
    translate.profile(connector.profile, at("connector.yaml"))
    for text in (*OWN_WORDS, *(word for said in OWN_FILTERS.values() if connector.triggers for word in said)):
        at("forms")(text)
    return found


def event_texts(connector: Connector) -> set[str]:
    """The labels of events: names made from the vendor's, which a locale may leave as they are."""
    return {event.label for trigger in connector.triggers.values() for event in trigger.events.values()}


def gaps(document: Document, known: Texts, spare: set[str]) -> Iterator[Problem]:
    """What a locale lacks and what it says for nothing; its shape must be right."""
    said: Mapping[str, Any] = document.data.get("texts", {})
    own: Mapping[str, Mapping[str, Any]] = document.data.get("actions", {})
    lacking = untranslated(said, own, known)
    if lacking:
        named = ", ".join(_clipped(text) for text in lacking[:NAMED])
        more = f" and {len(lacking) - NAMED:,} more" if len(lacking) > NAMED else ""
        what = f"{'is' if len(lacking) == 1 else 'are'} not translated: {named}{more}"
        where = f"{document.name}:{document.line(('texts',))}"
        yield Problem(where, f"{len(lacking):,} of {len(known):,} texts {what}")
    for text in said:
        if text not in known and text not in spare:
            yield _left_over(document, ("texts", text), lacking or list(known))
    for key, entries in own.items():
        here = [text for text, places in known.items() if f"actions/{key}.yaml" in places]
        for text in entries:
            if text not in here:
                yield _left_over(document, ("actions", key, text), here)


def untranslated(said: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]], known: Texts) -> list[str]:
    """The texts that a locale has no words for."""

    def covered(text: str, place: str) -> bool:
        key = place.removeprefix("actions/").removesuffix(".yaml")
        return bool(own.get(key, {}).get(text)) if place.startswith("actions/") else False

    return [
        text for text, places in known.items() if not said.get(text) and not all(covered(text, at) for at in places)
    ]


def _left_over(document: Document, path: Path, known: list[str]) -> Problem:
    changed = closest(str(path[-1]), known)
    remedy = f"; is it now {_clipped(changed)}?" if changed else "; take it out"
    where = f"{document.name}:{document.line(path)} {'.'.join(map(str, path[:-1]))}"
    return Problem(where, f"{_clipped(str(path[-1]))} stands in no definition{remedy}")


def closest(text: str, known: list[str]) -> str | None:
    """The text that this one probably was before it was changed, or is meant to be."""
    found = get_close_matches(text, known, n=1, cutoff=LIKE)
    return found[0] if found else None


def _clipped(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def faults(own: Faults, around: Surroundings) -> None:
    """What is wrong with a locale that its shape does not show: actions that are none, slots that are not kept."""
    data = own.document.data
    for key in data.get("actions", {}) if own.sound("actions") else ():
        if key not in around.actions:
            own.add(("actions", key), f"is no action.{nearest(key, around.actions) or ' Take it out.'}")
    blocks: list[tuple[Path, Any]] = [(("texts",), data.get("texts", {}))] if own.sound("texts") else []
    if own.sound("actions"):
        blocks += [(("actions", key), entries) for key, entries in data.get("actions", {}).items()]
    for path, entries in blocks:
        for text, words in entries.items():
            wanted, has = set(SLOT.findall(text)), set(SLOT.findall(words or ""))
            if words and wanted != has:
                what = f"needs the slots of the original, {', '.join(sorted(wanted)) or 'none'}, and no others"
                own.add((*path, text), f"{what}: they are filled in later")
