"""The files of a definition folder as data that has passed the check. It reads what it is given, as a `Traversable`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, Problem

if TYPE_CHECKING:  # what checks is loaded where something is to be checked
    from importlib.resources.abc import Traversable

    from ..model import Json
    from .checks.faults import Faults
    from .documents import Document

Make = Callable[[], tuple[Any, Iterable[str]]]  # gives data, and the files and folders that it comes from
Codecs = Mapping[str, Callable[[Any], Any]]
KINDS = ("actions", "connection", "triggers", "locales")


class Sources:
    """The files of one folder, each read and checked when it is first asked for.

    `cached` gives for a path what the function with it makes, or made at an earlier start.
    """

    def __init__(self, root: Traversable, codecs: Codecs, cached: Callable[[str, Make], Json] | None = None) -> None:
        self.root = root
        self.codecs = codecs
        self._cache = cached or (lambda path, make: make()[0])
        self._validator = cache(self._language)
        self.shared = cache(self._shared)

    def names(self, kind: str) -> list[str]:
        """The names of the files in `actions`, `connection`, `triggers` or `locales`, sorted."""
        folder = self.root / kind
        return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []

    def text(self, path: str) -> str:
        """The text of a file by its path in the folder; raises `DefinitionError` if it can't be read."""
        try:
            return self.root.joinpath(*path.split("/")).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            what = f"is missing in {self.root.name}/"
        except UnicodeDecodeError as error:
            what = f"is no UTF-8 text (byte {error.start})"
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
        raise DefinitionError.of([Problem(f"{path}:1", what)])

    def stems(self, kind: str) -> list[str]:
        """The names, without .yaml, of the definitions of a kind."""
        return sorted(name.removesuffix(".yaml") for name in self.names(kind) if name.endswith(".yaml"))

    @cached_property
    def common(self) -> dict[str, Any]:
        """connector.yaml's data."""
        return self.data("connector", "connector")

    def data(self, kind: str, stem: str) -> dict[str, Any]:
        """A definition's data in full, which has passed the check, now or at an earlier start.

        Raises `DefinitionError`.
        """
        path = path_of(kind, stem)

        def make() -> tuple[Json, Iterable[str]]:
            from . import documents

            sources = {path, "connector.yaml", "actions"}
            own = self._check(documents.read(self.text(path), path), kind, stem, sources, deep=False)
            if found := own.all():
                raise DefinitionError.of(found)
            return own.data, sources

        return self._cache(path, make)  # type: ignore[no-any-return]

    def faults(self, kind: str, stem: str) -> list[Problem]:
        """Every fault of a file, also of what it says about other files."""
        from . import documents

        path, found = path_of(kind, stem), list[Problem]()
        with gathered(found):
            found += self._check(documents.examine(self.text(path), path), kind, stem, set(), deep=True).all()
        return found

    def all_faults(self) -> list[Problem]:
        """Every fault of all files, and of those that look like definitions and are not read, such as `x.yml`."""
        what = "is not read: a definition's file ends in .yaml; rename it"
        paths = [f"{kind}/{name}" for kind in KINDS for name in self.names(kind) if not name.endswith(".yaml")]
        found = [Problem(f"{path}:1", what) for path in paths if path.lower().endswith((".yml", ".yaml"))]
        found += self.faults("connector", "connector")
        return found + [fault for kind in KINDS for stem in self.stems(kind) for fault in self.faults(kind, stem)]

    def json(self, path: str) -> Json:
        """The data of a JSON file."""
        try:
            return json.loads(self.text(path))
        except ValueError as error:
            raise DefinitionError.of([Problem(f"{path}:1", f"is no JSON: {error}")]) from None

    def _shared(self, name: str) -> Json:
        """The data of a file of schemas/; raises `LookupError` if there is none."""
        if not self.root.joinpath("schemas", *name.split("/")).is_file():
            raise LookupError(name)
        return self.json(f"schemas/{name}")

    def _check(self, document: Document, kind: str, stem: str, sources: set[str], *, deep: bool) -> Faults:
        """A document's data in full with its faults; the paths of what it was held against are added to `sources`."""
        from .check import checked
        from .checks.faults import References

        def shared(name: str) -> Json:
            sources.add(f"schemas/{name}")
            return self.shared(name)

        def action(key: str) -> Mapping[str, Any]:
            if not deep and kind != "actions":
                return {}  # connector.yaml points to many actions; to load one of them, the others are not read
            sources.add(path_of("actions", key))
            return self._readable(key)

        common, actions = self._usable if kind != "connector" else {}, tuple(self.stems("actions"))
        around = References(self._validator, shared, self.codecs, common, actions, action)
        return checked(document, kind, stem, around)

    @cached_property
    def _usable(self) -> dict[str, Any]:
        """connector.yaml's data, also where it has faults, which are told with it: a shared row with one is None."""
        from . import documents
        from .complete import shared_rows

        with suppress(DefinitionError):
            return self.common
        with suppress(DefinitionError):
            document = documents.read(self.text("connector.yaml"), "connector.yaml")
            own = self._check(document, "connector", "connector", set(), deep=False)
            rows = {name: row if own.sound("rows", name) else None for name, row in shared_rows(own.data).items()}
            return {**own.data, "rows": rows} if isinstance(own.data, dict) else {}
        return {}

    def _readable(self, key: str) -> dict[str, Any]:
        """An action's data in full as far as it can be read, for checking the files that refer to it."""
        from . import documents
        from .complete import complete

        with suppress(DefinitionError):
            data = documents.read(self.text(path_of("actions", key)), key).data
            return complete(data, "actions", self._usable)[0] if isinstance(data, dict) else {}
        return {}

    def _language(self, kind: str) -> Any:
        """The validator of the language's own schema, which lies inside the package, or beside it in a checkout."""
        from importlib.resources import files

        from jsonschema import Draft202012Validator
        from referencing import Registry, Resource

        package = files("connector_runtime")
        folder = next(found for found in (package / "schemas", package / ".." / "schemas") if found.is_dir())

        own = {"actions": "action", "triggers": "trigger", "locales": "locale"}.get(kind, kind)
        texts = [(folder / f"{name}.schema.json").read_text(encoding="utf-8") for name in ("common", own)]
        common, schema = map(json.loads, texts)
        registry: Any = Registry().with_resource("common.schema.json", Resource.from_contents(common))
        return Draft202012Validator(schema, registry=registry)


@cache
def phrases(code: str) -> Mapping[str, str]:
    """The runtime's own sentences in a language: of de-AT those in de; none where they are not translated."""
    language = code.partition("-")[0]
    if language == "en":  # as they are written
        return {}
    from importlib.resources import files

    from . import documents

    for name in (code, language):
        file = files("connector_runtime") / "locales" / f"{name}.yaml"
        if file.is_file():
            texts: Mapping[str, str] = documents.read(file.read_text(encoding="utf-8"), file.name).data["texts"]
            return texts
    return {}


@contextmanager
def gathered(found: list[Problem]) -> Iterator[None]:
    """Add the faults by which something can't be read to what is found."""
    try:
        yield
    except DefinitionError as error:
        found += error.problems


def path_of(kind: str, stem: str) -> str:
    """Where a definition lies in its folder."""
    return "connector.yaml" if kind == "connector" else f"{kind}/{stem}.yaml"
