"""Sentences: English texts that know how they were made, so that they can be said in other languages. A leaf; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

VENDOR = "the vendor"
_SLOT = re.compile(r"\{(\w+)\}")


class Sentence(str):
    """English text from a template and its values: `Sentence("must be at most {most}", most=5)`.

    The template is what a translation is found under. Values that are sentences are translated with it; a tuple is a
    list with commas. `{vendor}` needs no value: a `Phrasebook` knows the name, and without one it is "the vendor".
    """

    __slots__ = ("slots", "template")
    slots: Mapping[str, Any]
    template: str

    def __new__(cls, template: str, /, **slots: Any) -> Sentence:
        made = super().__new__(cls, _filled(template, {"vendor": VENDOR, **slots}))
        made.template, made.slots = template, slots
        return made

    def then(self, other: str) -> Sentence:
        """This sentence and another behind it, if there is one."""
        return Sentence("{first} {second}", first=self, second=other) if other else self


def either(parts: Iterable[str]) -> str:
    """Texts as alternatives: `a, b or c`."""
    *some, last = parts
    return Sentence("{some} or {last}", some=tuple(some), last=last) if some else last


def both(parts: Iterable[str]) -> str:
    """Texts together: `a, b and c`."""
    *some, last = parts
    return Sentence("{some} and {last}", some=tuple(some), last=last) if some else last


def labels(rows: Iterable[Any]) -> list[str]:
    """The labels of inputs in quotes."""
    return [Sentence("'{label}'", label=row.label) for row in rows]


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """How a connector speaks: the code of its language, the vendor's name, and translations by template."""

    language: str = "en"
    vendor: str = VENDOR
    texts: Mapping[str, str | None] = field(default_factory=dict, repr=False)

    def say(self, text: Any) -> Any:
        """A sentence in this language; any other value, or text without a translation, as it is."""
        if isinstance(text, tuple):
            return ", ".join(str(self.say(part)) for part in text)
        if not isinstance(text, Sentence):
            return text
        slots = {name: self.say(value) for name, value in text.slots.items()}
        return _filled(self.texts.get(text.template) or text.template, {"vendor": self.vendor, **slots})


PLAIN = Phrasebook()


def _filled(template: str, slots: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        said = slots.get(found[1], found[0])
        return ", ".join(map(str, said)) if isinstance(said, tuple) else str(said)

    text = _SLOT.sub(value, template)
    return text[:1].upper() + text[1:] if template.startswith("{vendor}") else text
