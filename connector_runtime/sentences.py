"""English messages that keep their template and values for translation. Pure; imports nothing from this package."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

VENDOR = "the vendor"
_SLOT = re.compile(r"\{(\w+)\}")


class Sentence(str):
    """English text made from a template and values, such as `Sentence("must be at most {most}", most=5)`.

    Translations are looked up by template. Values that are sentences are translated too, and tuples are joined with
    commas. `{vendor}` needs no value: a `Phrasebook` fills in the name; until then it is "the vendor".
    """

    __slots__ = ("slots", "template")
    slots: Mapping[str, Any]
    template: str

    def __new__(cls, template: str, /, **slots: Any) -> Sentence:
        sentence = super().__new__(cls, _filled(template, {"vendor": VENDOR, **slots}))
        sentence.template, sentence.slots = template, slots
        return sentence

    def then(self, other: str) -> Sentence:
        """Return this sentence followed by `other`, if `other` is not empty."""
        return Sentence("{first} {second}", first=self, second=other) if other else self


def either(parts: Iterable[str]) -> str:
    """Join strings as alternatives: `a, b or c`."""
    *others, last = parts
    return Sentence("{some} or {last}", some=tuple(others), last=last) if others else last


def both(parts: Iterable[str]) -> str:
    """Join strings: `a, b and c`."""
    *others, last = parts
    return Sentence("{some} and {last}", some=tuple(others), last=last) if others else last


def labels(rows: Iterable[Any]) -> list[str]:
    return [Sentence("'{label}'", label=row.label) for row in rows]


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """The language of a connector: the language code, the vendor's name, and translations by template."""

    language: str = "en"
    vendor: str = VENDOR
    texts: Mapping[str, str | None] = field(default_factory=dict, repr=False)

    def say(self, text: Any) -> Any:
        """Translate a sentence; other values, and sentences without a translation, stay unchanged."""
        if isinstance(text, tuple):
            return ", ".join(str(self.say(part)) for part in text)
        if not isinstance(text, Sentence):
            return text
        slots = {name: self.say(value) for name, value in text.slots.items()}
        return _filled(self.texts.get(text.template) or text.template, {"vendor": self.vendor, **slots})


PLAIN = Phrasebook()


def _filled(template: str, slots: Mapping[str, Any]) -> str:
    def filled(slot: re.Match[str]) -> str:
        value = slots.get(slot[1], slot[0])
        return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)

    text = _SLOT.sub(filled, template)
    return text[:1].upper() + text[1:] if template.startswith("{vendor}") else text
