"""The files of a definition folder as data that has passed the check. It reads through `Folder` alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import DefinitionError, Problem

if TYPE_CHECKING:  # what checks is loaded where something is to be checked
    from ..model import Json
    from .documents import Document


class Folder(Protocol):
    """Where the files of a definition folder come from."""

    @property
    def name(self) -> str: ...
    def names(self, kind: str) -> list[str]:
        """The names of the files in `actions`, `connection`, `triggers` or `locales`, sorted."""
        ...

    def text(self, path: str) -> str:
        """The text of a file by its path in the folder; raises `DefinitionError` if it can't be read."""
        ...

    def language(self, kind: str) -> str:
        """The text of the language's own schema for a kind of definition."""
        ...

    def kept(self, path: str, make: Callable[[], tuple[Json, Iterable[str]]]) -> Json:
        """What `make` gives for a file, or gave before any of the files changed that it names beside it."""
        ...


class Sources:
    """The data of one folder's files; each file is read and checked when it is first asked for."""

    def __init__(self, folder: Folder, codecs: Mapping[str, Callable[[Any], Any]]) -> None:
        self._folder = folder
        self._codecs = codecs
        self._validator = cache(self._language)
        self.shared = cache(self._shared)

    def stems(self, kind: str) -> list[str]:
        """The names, without .yaml, of the definitions of a kind."""
        return sorted(name.removesuffix(".yaml") for name in self._folder.names(kind) if name.endswith(".yaml"))

    def strays(self, kind: str) -> list[str]:
        """The names of files that look like definitions and are not read, such as `x.yml`."""
        names = self._folder.names(kind)
        return [name for name in names if name.lower().endswith((".yml", ".yaml")) and not name.endswith(".yaml")]

    @cached_property
    def common(self) -> dict[str, Any]:
        """connector.yaml's data."""
        return self.data("connector", "connector")

    def data(self, kind: str, stem: str) -> dict[str, Any]:
        """A definition's data, which has passed the check: now, or at an earlier start. Raises `DefinitionError`."""
        path = path_of(kind, stem)

        def make() -> tuple[Json, Iterable[str]]:
            from . import documents

            sources = {path, "connector.yaml", "actions"}
            document = documents.read(self._folder.text(path), path)
            found = self._check(document, kind, stem, sources, deep=False)
            if found:
                raise DefinitionError.of(found)
            return document.data, sources

        return make()[0] if self._codecs else self._folder.kept(path, make)  # type: ignore[no-any-return]

    def faults(self, kind: str, stem: str) -> list[Problem]:
        """Every fault of a file, also of what it says about other files."""
        from . import documents

        path = path_of(kind, stem)
        try:
            return self._check(documents.examine(self._folder.text(path), path), kind, stem, set(), deep=True)
        except DefinitionError as error:
            return list(error.problems)

    def json(self, path: str) -> Json:
        """The data of a JSON file."""
        try:
            return json.loads(self._folder.text(path))
        except ValueError as error:
            raise DefinitionError.of([Problem(f"{path}:1", f"is no JSON: {error}")]) from None

    def _shared(self, name: str) -> Json:
        """The data of a file of schemas/; raises `LookupError` if there is none."""
        path = f"schemas/{name}"
        try:
            self._folder.text(path)
        except DefinitionError:
            raise LookupError(name) from None
        return self.json(path)

    def _check(self, document: Document, kind: str, stem: str, sources: set[str], *, deep: bool) -> list[Problem]:
        """The faults of a document; the paths of the other files that it was held against are added to `sources`."""
        from .check import faults
        from .checks.faults import Surroundings

        def shared(name: str) -> Json:
            sources.add(f"schemas/{name}")
            return self.shared(name)

        def action(key: str) -> Mapping[str, Any]:
            if not deep and kind != "actions":
                return {}  # connector.yaml points to many actions; to load one of them, the others are not read
            sources.add(path_of("actions", key))
            return self._readable("actions", key)

        common: Mapping[str, Any] = {}
        if kind != "connector":
            try:
                common = self.common
            except DefinitionError:  # its own faults are reported with connector.yaml
                common = self._readable("connector", "connector")
        around = Surroundings(
            language=self._validator,
            shared=shared,
            codecs=self._codecs,
            common=common,
            actions=tuple(self.stems("actions")),
            action=action,
        )
        return faults(document, kind, stem, around)

    def _readable(self, kind: str, stem: str) -> Mapping[str, Any]:
        """A file's data as far as it can be read, for checking the files that refer to it."""
        from . import documents

        path = path_of(kind, stem)
        try:
            data = documents.read(self._folder.text(path), path).data
        except DefinitionError:
            return {}
        return data if isinstance(data, dict) else {}

    def _language(self, kind: str) -> Any:
        from jsonschema import Draft202012Validator
        from referencing import Registry, Resource

        names = {"actions": "action", "triggers": "trigger", "locales": "locale"}
        common = Resource.from_contents(json.loads(self._folder.language("common")))
        registry: Any = Registry().with_resource("common.schema.json", common)
        return Draft202012Validator(json.loads(self._folder.language(names.get(kind, kind))), registry=registry)


def path_of(kind: str, stem: str) -> str:
    """Where a definition lies in its folder."""
    return "connector.yaml" if kind == "connector" else f"{kind}/{stem}.yaml"
