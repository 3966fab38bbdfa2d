"""A connector: the definitions of one folder, each compiled when it is first asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from ..calls.action import Action
from ..errors import DefinitionError, InputError, Problem
from ..inputs.wording import nearest
from ..model import Connection, Json, Profile
from . import check as checks, compile as compiler, documents
from .documents import Document

if TYPE_CHECKING:
    from ..triggers.webhook import Trigger

T = TypeVar("T")


class Folder(Protocol):
    """Where the files of a definition folder come from."""

    @property
    def name(self) -> str: ...
    def stems(self, kind: str) -> list[str]:
        """The names, without .yaml, of the files of `actions`, `connection` or `triggers`."""
        ...

    def strays(self, kind: str) -> list[str]:
        """The names of files in that folder that look like definitions and are not read, such as `x.yml`."""
        ...

    def text(self, path: str) -> str:
        """The text of a file by its path in the folder; raises `DefinitionError` if it can't be read."""
        ...

    def language(self, kind: str) -> str:
        """The text of the language's own schema for a kind of definition."""
        ...


class Definitions(Mapping[str, T], Generic[T]):
    """Compiled definitions by key; each is read, checked and compiled when it is first asked for."""

    def __init__(self, stems: list[str], compiled: Callable[[str], T]) -> None:
        self._stems = stems
        self._compiled = cache(compiled)

    def __getitem__(self, key: str) -> T:
        if key not in self._stems:
            raise KeyError(key)
        return self._compiled(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stems)

    def __len__(self) -> int:
        return len(self._stems)


class Connector:
    """One vendor's connector: `actions`, `triggers` and `connections` by key, and the catalogue of all of them."""

    def __init__(self, folder: Folder, codecs: Mapping[str, Callable[[Any], Any]] | None = None) -> None:
        self._folder = folder
        self._codecs = dict(codecs or {})
        self._validator = cache(self._language)
        self._shared = cache(self._read_shared)
        self.actions: Mapping[str, Action] = Definitions(folder.stems("actions"), self._action)
        self.triggers: Mapping[str, Trigger] = Definitions(folder.stems("triggers"), self._trigger)
        self.connections: Mapping[str, Connection] = Definitions(folder.stems("connection"), self._connection)

    def __repr__(self) -> str:
        return f"Connector({self._folder.name!r})"

    @property
    def key(self) -> str:
        return self.profile.key

    @cached_property
    def profile(self) -> Profile:
        """What all actions share."""
        connections = tuple(self.connections[key] for key in self.connections)
        return compiler.profile(self._common, connections, self._shared)

    @cached_property
    def token_name(self) -> str:
        """The name under which an access token reaches requests."""
        secrets = [grant.name for kind in self.profile.connections for grant in kind.grants if grant.secret]
        return "access_token" if "access_token" in secrets else secrets[0] if secrets else "access_token"

    def action(self, key: str) -> Action:
        """The action of that key; raises `InputError` with the nearest one if there is none."""
        if key not in self.actions:
            what = f"is no action of {self.key}.{nearest(key, self.actions)}"
            raise InputError(f"'{key}' {what}", problems=[Problem("action", f"{key!r} {what}")])
        return self.actions[key]

    def catalogue(self) -> dict[str, Json]:
        """Everything that a platform draws, as one JSON document: see `connector_runtime.definitions.catalogue`."""
        from .catalogue import catalogue

        return catalogue(self)

    def check(self) -> list[Problem]:
        """Every fault of the folder at once; empty if there is none."""
        what = "is not read: a definition's file ends in .yaml; rename it"
        found = [Problem(f"{kind}/{name}:1", what) for kind in checks.PLACES for name in self._folder.strays(kind)]
        kinds = [("connector", "connector", "connector.yaml")]
        kinds += [(kind, stem, f"{kind}/{stem}.yaml") for kind in checks.PLACES for stem in self._folder.stems(kind)]
        for kind, stem, path in kinds:
            try:
                found += checks.faults(documents.examine(self._folder.text(path), path), kind, stem, self._around(kind))
            except DefinitionError as error:
                found += error.problems
        return found if found else self._check_events()

    def _check_events(self) -> list[Problem]:
        from ..triggers import events

        found: list[Problem] = []
        for key, trigger in self.triggers.items():
            if trigger.load_events is None:
                continue
            try:
                found += events.faults(trigger.load_events(), f"triggers/{key}.yaml's events")
            except DefinitionError as error:
                found += error.problems
        return found

    # -- from files to compiled definitions --------------------------------------------------------------------------

    @cached_property
    def _common(self) -> dict[str, Any]:
        return self._checked("connector", "connector", "connector.yaml").data  # type: ignore[no-any-return]

    def _action(self, key: str) -> Action:
        data = self._checked("actions", key, f"actions/{key}.yaml").data
        return compiler.action(data, self._common, self.profile, self._shared, self._codecs)

    def _trigger(self, key: str) -> Trigger:
        data = self._checked("triggers", key, f"triggers/{key}.yaml").data
        return compiler.trigger(data, self._shared, self._codecs, lambda file: self._read_json(f"triggers/{file}"))

    def _connection(self, key: str) -> Connection:
        data = self._checked("connection", key, f"connection/{key}.yaml").data
        return compiler.connection(data, self._shared, self._codecs)

    def _checked(self, kind: str, stem: str, path: str) -> Document:
        document = documents.read(self._folder.text(path), path)
        found = checks.faults(document, kind, stem, self._around(kind))
        if found:
            raise DefinitionError.of(found)
        return document

    def _around(self, kind: str) -> checks.Surroundings:
        common: Mapping[str, Any] = {}
        if kind != "connector":
            try:
                common = self._common
            except DefinitionError:  # its own faults are reported with connector.yaml
                common = readable(self._folder)
        return checks.Surroundings(
            language=self._validator,
            shared=self._shared,
            codecs=self._codecs,
            common=common,
            actions=tuple(self._folder.stems("actions")),
        )

    def _language(self, kind: str) -> Any:
        from jsonschema import Draft202012Validator
        from referencing import Registry, Resource

        names = {"actions": "action", "connection": "connection", "triggers": "trigger", "connector": "connector"}
        common = Resource.from_contents(json.loads(self._folder.language("common")))
        registry: Any = Registry().with_resource("common.schema.json", common)
        return Draft202012Validator(json.loads(self._folder.language(names[kind])), registry=registry)

    def _read_shared(self, name: str) -> Json:
        try:
            text = self._folder.text(f"schemas/{name}")
        except DefinitionError:
            raise LookupError(name) from None
        return _json(text, f"schemas/{name}")

    def _read_json(self, path: str) -> Json:
        return _json(self._folder.text(path), path)


def _json(text: str, path: str) -> Json:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DefinitionError.of([Problem(f"{path}:1", f"is no JSON: {error}")]) from None


def readable(folder: Folder) -> Mapping[str, Any]:
    """connector.yaml's data as far as it can be read, for checking the files that refer to it."""
    try:
        data = documents.read(folder.text("connector.yaml"), "connector.yaml").data
    except DefinitionError:
        return {}
    return data if isinstance(data, dict) else {}
