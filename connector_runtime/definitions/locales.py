"""Translations of a connector's strings: lists the strings, applies a locale and reports its gaps. Pure."""

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

MAX_NAMES = 10  # strings that a report of gaps quotes; the rest are only counted
MIN_SIMILARITY = 0.75  # two strings at least this similar (0 to 1) are treated as versions of one
Texts = dict[str, list[str]]  # string -> the files that contain it, in order
T = TypeVar("T")

TEXTS: Mapping[type, tuple[str, ...]] = {  # attributes that people read, in the order of the definitions
    model.ActionSpec: ("label", "inputs", "description", "summary", "rules", "errors", "files"),
    model.Connection: ("label", "description", "inputs", "errors", "test", "unsupported_values"),
    Trigger: ("label", "description", "inputs", "filters", "load_events"),
    model.Profile: ("label", "description", "errors", "choices"),  # `connections` are translated separately
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
    """One language: translations by original string, so a changed string loses its own, and overrides for actions."""

    key: str
    label: str
    texts: Mapping[str, str | None] = field(default_factory=dict)  # None: not translated yet
    actions: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def say(self, text: str, action: str | None = None) -> str:
        """Return the translation of a string, or the string itself if there is none."""
        return self.actions.get(action or "", {}).get(text) or self.texts.get(text) or text


def translated(part: T, say: Say) -> T:
    """Return a definition, or a part, with `say` applied to every string that people read and to nothing else."""
    result: Any = part
    fields = next((names for kind, names in TEXTS.items() if isinstance(part, kind)), None)
    if isinstance(part, str):
        result = part and say(part)
    elif isinstance(part, model.Choice) and part.label == str(part.value) and is_code(part.value):
        pass  # the label only repeats a code
    elif fields is not None:
        changed = {name: _field(part, name, say) for name in fields}
        if isinstance(part, model.ActionSpec):
            changed["by_name"] = {name: row for row in changed["inputs"].values() for name in row.names}
        result = result._replace(**changed) if isinstance(part, tuple) else _changed(result, changed)
    elif isinstance(part, Mapping):
        result = {key: translated(inner, say) for key, inner in part.items()}
    elif isinstance(part, tuple):
        result = tuple(translated(inner, say) for inner in part)
    return result  # type: ignore[no-any-return]


def is_code(value: str | int) -> bool:
    """True if a value is meant for machines: a number, or one word in one case, such as GET, voip or audio/mp4."""
    text = str(value)
    return isinstance(value, int) or (" " not in text and (text.islower() or text.isupper() or text.isdecimal()))


def _changed(part: Any, fields: dict[str, Any]) -> Any:
    return part.replace(**fields) if isinstance(part, Struct) else replace(part, **fields)


def _field(part: Any, name: str, say: Say) -> Any:
    value = getattr(part, name)
    match name:
        case "if_absent":
            # only text with spaces is a sentence; anything else is a value that the vendor assumes
            is_text = isinstance(value, str) and " " in value and value not in [choice.value for choice in part.choices]
            return say(value) if is_text else value
        case "schema":  # error messages show a pattern's description as the remedy
            has_remedy = "pattern" in value and "description" in value
            return {**value, "description": say(value["description"])} if has_remedy else value
        case "load_events":
            return value and (lambda: _events(value(), say))
        case "test":  # the other keys name actions and inputs
            hints = value and value.get("hints")
            return {**value, "hints": [{**hint, "says": say(hint["says"])} for hint in hints]} if hints else value
    return translated(value, say)


def _events(data: model.Json, say: Say) -> model.Json:
    return {**data, "events": {key: {**event, "label": say(event["label"])} for key, event in data["events"].items()}}


def texts(profile: model.Profile, actions: Mapping[str, model.ActionSpec], triggers: Mapping[str, Trigger]) -> Texts:
    """Return every string that a locale must translate (see `spare`), with its files, in the definitions' order."""
    files: Texts = {}
    parts: list[tuple[Any, str]] = [(profile.errors, "connector.yaml")]
    parts += [(action, f"actions/{key}.yaml") for key, action in actions.items()]
    parts += [(kind, f"connection/{kind.key}.yaml") for kind in profile.connections]
    parts += [(trigger, f"triggers/{key}.yaml") for key, trigger in triggers.items()]
    parts += [(profile, "connector.yaml")]
    for part, file in parts:

        def note(text: str, file: str = file) -> str:
            if file not in files.setdefault(text, []):
                files[text].append(file)
            return text

        translated(part, note)
    return files


def spare(triggers: Mapping[str, Trigger]) -> set[str]:
    """Return the strings that a locale may translate or omit: event labels and the runtime's own sentences."""
    return {event.label for trigger in triggers.values() for event in trigger.events.values()} | phrases("de").keys()


def gaps(document: Document, known: Texts, optional: set[str]) -> Iterator[Problem]:
    """Yield the missing and the superfluous translations of a locale whose shape is valid."""
    shared: Mapping[str, Any] = document.data.get("texts", {})
    by_action: Mapping[str, Mapping[str, Any]] = document.data.get("actions", {})
    missing = untranslated(shared, by_action, known)
    if missing:
        names = ", ".join(_clipped(text) for text in missing[:MAX_NAMES])
        names += f" and {len(missing) - MAX_NAMES:,} more" if len(missing) > MAX_NAMES else ""
        what = f"{len(missing):,} of {len(known):,} strings {'is' if len(missing) == 1 else 'are'} not translated"
        yield Problem(f"{document.name}:{document.line(('texts',))}", f"{what}: {names}")
    for text in shared:
        if text not in known and text not in optional:
            yield _superfluous(document, ("texts", text), missing or list(known))
    for key, entries in by_action.items():
        own = [text for text, files in known.items() if f"actions/{key}.yaml" in files]
        yield from (_superfluous(document, ("actions", key, text), own) for text in entries if text not in own)


def untranslated(shared: Mapping[str, Any], by_action: Mapping[str, Mapping[str, Any]], known: Texts) -> list[str]:
    covered = {(text, f"actions/{key}.yaml") for key, entries in by_action.items() for text in entries if entries[text]}
    return [
        text
        for text, files in known.items()
        if not shared.get(text) and not all((text, file) in covered for file in files)
    ]


def _superfluous(document: Document, path: Path, known: list[str]) -> Problem:
    successor = closest(str(path[-1]), known)
    remedy = f"; is it now {_clipped(successor)}?" if successor else "; delete it"
    where = f"{document.name}:{document.line(path)} {'.'.join(map(str, path[:-1]))}"
    return Problem(where, f"{_clipped(str(path[-1]))} is not in any definition{remedy}")


def closest(text: str, known: list[str]) -> str | None:
    """Return the known string that is most likely another version of this one, or None."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(text, known, n=1, cutoff=MIN_SIMILARITY)), None)


def _clipped(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")
