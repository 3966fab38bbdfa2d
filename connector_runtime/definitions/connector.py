"""A connector: the definitions of one folder, each compiled when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InputError, Problem
from ..structs import Struct, shows
from .sources import Sources, gathered, phrases

if TYPE_CHECKING:  # what is needed depends on what is asked for, and a list of actions should not wait for all of it
    from ..calls.action import Action
    from ..model import Connection, Json, Profile
    from ..sentences import Phrasebook
    from ..triggers.webhook import Trigger
    from .locales import Locale

T = TypeVar("T")


class Definitions(Mapping[str, T]):
    """Compiled definitions by key; each is read, checked and compiled when it is first asked for."""

    def __init__(self, sources: Sources, kind: str, compiled: Callable[[str, str], T]) -> None:
        self._made: dict[str, T | None] = dict.fromkeys(sources.stems(kind))  # None: not asked for yet
        self._compiled = partial(compiled, kind)

    def __getitem__(self, key: str) -> T:
        made = self._made[key]
        if made is None:
            made = self._made[key] = self._compiled(key)
        return made

    def __contains__(self, key: object) -> bool:
        return key in self._made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)


@shows("key")
class Outline(Struct):
    """What a list says of an action."""

    key: str
    label: str
    description: str
    effect: str | None  # None: it follows from the method
    method: str | None
    path: str


class Connector:
    """One vendor's connector: `actions`, `triggers` and `connections` by key, and the catalogue of all of them.

    Its texts are in the language of the definitions, or in that of `translation`: `localized` gives the other.
    """

    def __init__(self, sources: Sources, translation: Locale | None = None) -> None:
        self._sources = sources
        self._translation = translation
        self._in = cache(lambda code: Connector(sources, code and self.translations[code]))
        self.actions: Mapping[str, Action] = Definitions(sources, "actions", self._compiled)
        self.triggers: Mapping[str, Trigger] = Definitions(sources, "triggers", self._compiled)
        self.connections: Mapping[str, Connection] = Definitions(sources, "connection", self._compiled)
        self.translations: Mapping[str, Locale] = Definitions(sources, "locales", self._compiled)

    def __repr__(self) -> str:
        return f"Connector({self._sources.root.name!r})"

    @property
    def key(self) -> str:
        """The connector's own name, by which its entries are known in stores."""
        return self.profile.key

    @cached_property
    def profile(self) -> Profile:
        """What all actions share."""
        from . import compiler

        connections = tuple(self.connections.values())
        about = self._spoken(compiler.profile(self._sources.common, connections, self._sources.shared))
        own = self._translation.texts if self._translation else {}
        texts = {**phrases(self.locale), **{text: words for text, words in own.items() if words}}
        return replace(about, phrasebook=replace(about.phrasebook, language=self.locale, texts=texts))

    @cached_property
    def icon(self) -> str | None:
        """The connector's icon as SVG text, if it has one."""
        name = self._sources.common.get("icon")
        return self._sources.text(name) if name is not None else None

    @cached_property
    def token_name(self) -> str:
        """The name under which an access token reaches requests."""
        secrets = [grant.name for kind in self.profile.connections for grant in kind.grants if grant.secret]
        return "access_token" if "access_token" in secrets or not secrets else secrets[0]

    def action(self, key: str) -> Action:
        """The action of that key; raises `InputError` with the nearest one if there is none."""
        return _known("action", key, self.key, self.actions)

    def definition(self, key: str) -> dict[str, Json]:
        """The data of an action's file in full: shared rows, labels and places are written out.

        Raises `InputError` with the nearest one if there is none.
        """
        return self._sources.data("actions", self.action(key).key)

    def outlines(self) -> Iterator[Outline]:
        """What a list says of each action; none is compiled for it."""
        for key in self.actions:
            data = self._sources.data("actions", key)
            label, description = (self.say(data.get(word, ""), key) for word in ("label", "description"))
            request = data["request"]
            yield Outline(key, label, description, data.get("effect"), request.get("method"), request.get("path", ""))

    def catalogue(self, locale: str | None = None, *, events: bool = False) -> dict[str, Json]:
        """Everything that a platform draws, as one JSON document: schemas/catalogue.schema.json is its shape.

        `locale`: a language's code, as in `localized`. `events`: with the schema and the sample of every event, which
        make it three times as long; `event` gives those of one. Raises `InputError` for an unknown language.
        """
        from .catalogue import entry, head, offered, trigger_entry

        found = self if locale is None else self.localized(locale)
        return {
            **head(found.profile, found.icon, found.locale, found.locales),
            "triggers": [trigger_entry(each, found.phrasebook.say, events) for each in found.triggers.values()],
            "actions": [entry(each, found.phrasebook.say) for each in found.actions.values()],
            "choices": {name: offered(source) for name, source in found.profile.choices.items()},
        }

    def event(self, trigger: str, name: str) -> dict[str, Json]:
        """A documented event of a trigger as the catalogue lists it, with `schema` and `sample`.

        Raises `InputError` with the nearest one if there is none.
        """
        return _known("event", name, trigger, _known("trigger", trigger, self.key, self.triggers).events).entry()

    @property
    def locale(self) -> str:
        """The code of the language that the texts are in."""
        return self._translation.key if self._translation else self.locales[0]

    @property
    def locales(self) -> tuple[str, ...]:
        """The codes of all languages, that of the definitions first."""
        return (self._sources.common.get("language", "en"), *self.translations)

    def localized(self, locale: str) -> Connector:
        """The same connector with its texts in a language, the hints of errors among them.

        `locale` is a code as in de or pt-BR; where there is no pt-BR, pt is taken. A text that is not translated stays
        as it is. Raises `InputError` for a language that there is none of.
        """
        for code in (locale, locale.partition("-")[0]):
            if code in self.translations:
                return self._in(code)
            if code == self.locales[0]:
                return self if self._translation is None else self._in(None)
        what = f"is not a language of {self.key}; known: {', '.join(self.locales)}"
        raise InputError(f"'{locale}' {what}", problems=[Problem("locale", f"{locale!r} {what}")])

    def say(self, text: str, action: str | None = None) -> str:
        """A text of the definitions in the language of this connector; `action` is the one that says it."""
        return self._translation.say(text, action) if self._translation else text

    @property
    def phrasebook(self) -> Phrasebook:
        """How this connector says what the runtime says to people: `error.speak(connector.phrasebook)`."""
        return self.profile.phrasebook

    def gaps(self) -> list[Problem]:
        """What translations lack and what they say for nothing. It breaks nothing: such a text stays as it is.

        Raises `DefinitionError` if the definitions have faults.
        """
        from . import documents, locales

        if not self.translations:
            return []
        plain = self._in(None)
        known, spare = locales.texts(plain.profile, plain.actions, plain.triggers), locales.spare(plain.triggers)
        paths = [f"locales/{key}.yaml" for key in self.translations]
        files = [documents.read(self._sources.text(path), path) for path in paths]
        return [problem for file in files for problem in locales.gaps(file, known, spare)]

    def check(self) -> list[Problem]:
        """Every fault of the folder at once; empty if there is none."""
        found = self._sources.all_faults()
        if not found:
            from ..triggers.events import faults as event_faults
            from .checks.connector import icon

            with gathered(found):
                faults = dict.fromkeys(icon(self.icon) if self.icon is not None else ())
                found += [Problem(f"{self._sources.common['icon']}:1", what) for what in faults]
            for key, trigger in self.triggers.items():
                with gathered(found):
                    if trigger.load_events is not None:
                        found += event_faults(trigger.load_events(), f"triggers/{key}.yaml's events")
        return found

    def _compiled(self, kind: str, key: str) -> Any:
        """The definition of a kind and key; raises `DefinitionError` with its faults."""
        from . import compiler

        sources, data = self._sources, self._sources.data(kind, key)
        match kind:
            case "actions":
                made = compiler.action(data, sources.common, self.profile, sources.shared, sources.codecs)
                return self._spoken(made, key)
            case "triggers":
                return self._spoken(compiler.trigger(data, sources.shared, sources.codecs, sources.json))
            case "connection":
                return self._spoken(compiler.connection(data, sources.shared, sources.codecs))
        from .locales import Locale

        return Locale(**data)

    def _spoken(self, found: T, action: str | None = None) -> T:
        """A compiled definition with its texts in the language of this connector."""
        if self._translation is None:
            return found
        from .locales import translated  # what the language of the definitions does not need

        return translated(found, lambda text: self.say(text, action))


def _known(what: str, name: str, whose: str, known: Mapping[str, T]) -> T:
    if isinstance(name, str) and name in known:
        return known[name]
    from ..language.schema_faults import nearest

    says = f"is not {'an' if what[0] in 'ae' else 'a'} {what} of {whose}.{nearest(str(name), known)}"
    raise InputError(f"'{name}' {says}", problems=[Problem(what, f"{name!r} {says}")])
