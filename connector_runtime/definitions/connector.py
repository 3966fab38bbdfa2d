"""A connector: the definitions of one folder, each compiled on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InputError, Problem
from ..structs import Struct, shows
from .sources import Sources, collected, phrases

if TYPE_CHECKING:  # imported late, so a list of actions loads quickly
    from ..calls.action import Action
    from ..model import Connection, Json, Profile
    from ..sentences import Phrasebook
    from ..triggers.webhook import Trigger
    from .locales import Locale

T = TypeVar("T")


class Definitions(Mapping[str, T]):
    """Definitions by key, each read, checked and compiled on first use."""

    def __init__(self, sources: Sources, kind: str, compile: Callable[[str, str], T]) -> None:
        self._keys = dict.fromkeys(sources.stems(kind), kind)
        self._compile = cache(compile)

    def __getitem__(self, key: str) -> T:
        return self._compile(self._keys[key], key)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@shows("key")
class Outline(Struct):
    """The facts about an action that a list shows."""

    key: str
    label: str
    description: str
    effect: str | None  # None if it follows from the method
    method: str | None
    path: str


class Connector:
    """One vendor's connector: `actions`, `triggers` and `connections` by key, and their catalogue."""

    def __init__(self, sources: Sources, translation: Locale | None = None) -> None:
        self._sources = sources
        self._translation = translation
        self._in = cache(lambda code: Connector(sources, code and self.translations[code]))
        self.actions: Mapping[str, Action] = Definitions(sources, "actions", self._compile)
        self.triggers: Mapping[str, Trigger] = Definitions(sources, "triggers", self._compile)
        self.connections: Mapping[str, Connection] = Definitions(sources, "connection", self._compile)
        self.translations: Mapping[str, Locale] = Definitions(sources, "locales", self._compile)

    def __repr__(self) -> str:
        return f"Connector({self._sources.root.name!r})"

    @property
    def key(self) -> str:
        """The connector's key, which is part of the keys of its entries in stores."""
        return self.profile.key

    @cached_property
    def profile(self) -> Profile:
        """The settings that all actions share: connector.yaml, compiled."""
        from . import compiler

        connections = tuple(self.connections.values())
        profile = self._translated(compiler.profile(self._sources.common, connections, self._sources.shared))
        own = self._translation.texts if self._translation else {}
        texts = {**phrases(self.locale), **{text: words for text, words in own.items() if words}}
        return replace(profile, phrasebook=replace(profile.phrasebook, language=self.locale, texts=texts))

    @cached_property
    def icon(self) -> str | None:
        """The connector's icon as SVG text; None if it has no icon."""
        name = self._sources.common.get("icon")
        return self._sources.text(name) if name is not None else None

    @cached_property
    def token_name(self) -> str:
        """The name of the access token among the values that a connection adds to requests."""
        secrets = [grant.name for kind in self.profile.connections for grant in kind.grants if grant.secret]
        return "access_token" if "access_token" in secrets or not secrets else secrets[0]

    def action(self, key: str) -> Action:
        """Return an action. Raises `InputError` for an unknown key, with the nearest known one."""
        return _known("action", key, self.key, self.actions)

    def definition(self, key: str) -> dict[str, Json]:
        """Return an action's file as data, completed with shared rows, labels and places. Raises `InputError`."""
        return deepcopy(self._sources.data("actions", self.action(key).key))

    def outlines(self) -> Iterator[Outline]:
        """Yield the outline of each action without compiling any."""
        for key in self.actions:
            data = self._sources.data("actions", key)
            label, description = (self.say(data.get(word, ""), key) for word in ("label", "description"))
            request = data["request"]
            yield Outline(key, label, description, data.get("effect"), request.get("method"), request.get("path", ""))

    def catalogue(self, locale: str | None = None, *, events: bool = False) -> dict[str, Json]:
        """Return the catalogue for platforms, whose shape is schemas/catalogue.schema.json.

        `locale` is as in `localized`. With `events`, each event includes its schema and sample, which triples the size;
        `event` returns those of a single event. Raises `InputError` for an unknown language.
        """
        from .catalogue import choice_list, entry, head, trigger_entry

        shown = self if locale is None else self.localized(locale)
        say = shown.phrasebook.say
        return {
            **head(shown.profile, shown.icon, shown.locale, shown.locales),
            "triggers": [trigger_entry(trigger, say, events) for trigger in shown.triggers.values()],
            "actions": [entry(action, say) for action in shown.actions.values()],
            "choices": {name: choice_list(source) for name, source in shown.profile.choices.items()},
        }

    def event(self, trigger: str, name: str) -> dict[str, Json]:
        """Return an event's catalogue entry with `schema` and `sample`. Raises `InputError` if it is unknown."""
        return _known("event", name, trigger, _known("trigger", trigger, self.key, self.triggers).events).entry()

    @property
    def locale(self) -> str:
        """The code of this connector's language."""
        return self._translation.key if self._translation else self.locales[0]

    @property
    def locales(self) -> tuple[str, ...]:
        """The codes of all languages, starting with the language of the definitions."""
        return (self._sources.common.get("language", "en"), *self.translations)

    def localized(self, locale: str) -> Connector:
        """Return this connector in another language, including its error messages.

        `locale` is a code such as de or pt-BR, which falls back to pt. Strings without a translation stay unchanged.
        Raises `InputError` for an unknown language.
        """
        for code in (locale, locale.partition("-")[0]):
            if code in self.translations:
                return self._in(code)
            if code == self.locales[0]:
                return self if self._translation is None else self._in(None)
        what = f"is not a language of {self.key}; known: {', '.join(self.locales)}"
        raise InputError(f"'{locale}' {what}", problems=[Problem("locale", f"{locale!r} {what}")])

    def say(self, text: str, action: str | None = None) -> str:
        """Translate a string from the definitions into this connector's language; `action` is the key of its action."""
        return self._translation.say(text, action) if self._translation else text

    @property
    def phrasebook(self) -> Phrasebook:
        """The translations of the runtime's sentences, as in `error.speak(connector.phrasebook)`."""
        return self.profile.phrasebook

    def gaps(self) -> list[Problem]:
        """Return missing and unused translations; neither breaks anything. Other faults raise `DefinitionError`."""
        from . import documents, locales

        if not self.translations:
            return []
        original = self._in(None)
        known = locales.texts(original.profile, original.actions, original.triggers)
        optional = locales.spare(original.triggers)
        paths = [f"locales/{key}.yaml" for key in self.translations]
        files = [documents.read(self._sources.text(path), path) for path in paths]
        return [problem for file in files for problem in locales.gaps(file, known, optional)]

    def check(self) -> list[Problem]:
        """Check all files in the folder and return every fault."""
        problems = self._sources.all_faults()
        if not problems:
            from ..triggers.events import faults as event_faults
            from .checks.connector import icon

            with collected(problems):
                faults = dict.fromkeys(icon(self.icon) if self.icon is not None else ())
                problems += [Problem(f"{self._sources.common['icon']}:1", what) for what in faults]
            for key, trigger in self.triggers.items():
                with collected(problems):
                    if trigger.load_events is not None:
                        problems += event_faults(trigger.load_events(), f"triggers/{key}.yaml's events")
        return problems

    def _compile(self, kind: str, key: str) -> Any:
        from . import compiler

        sources, data = self._sources, self._sources.data(kind, key)
        match kind:
            case "actions":
                action = compiler.action(data, sources.common, self.profile, sources.shared, sources.codecs)
                return self._translated(action, key)
            case "triggers":
                return self._translated(compiler.trigger(data, sources.shared, sources.codecs, sources.json))
            case "connection":
                return self._translated(compiler.connection(data, sources.shared, sources.codecs))
        from .locales import Locale

        return Locale(**data)

    def _translated(self, definition: T, action: str | None = None) -> T:
        if self._translation is None:
            return definition
        from .locales import translated  # only translations need it

        return translated(definition, lambda text: self.say(text, action))


def _known(kind: str, name: str, owner: str, known: Mapping[str, T]) -> T:
    if isinstance(name, str) and name in known:
        return known[name]
    from ..language.schema_faults import nearest

    what = f"is not {'an' if kind[0] in 'ae' else 'a'} {kind} of {owner}.{nearest(str(name), known)}"
    raise InputError(f"'{name}' {what}", problems=[Problem(kind, f"{name!r} {what}")])
