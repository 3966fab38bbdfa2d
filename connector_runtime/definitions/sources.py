"""Reads the files of a definition folder, a `Traversable`, as checked data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from ..errors import DefinitionError, Problem

if TYPE_CHECKING:  # the checking modules are imported only when a file needs a check
    from importlib.resources.abc import Traversable

    from ..model import Json
    from .checks.faults import CheckedFile
    from .documents import Document

Codecs = Mapping[str, Callable[[Any], Any]]
KINDS = ("actions", "connection", "triggers", "locales")


class Sources:
    """The files of one folder, each read and checked on first use, or only read if the folder `is_checked`."""

    def __init__(self, root: Traversable, codecs: Codecs, *, is_checked: bool = False) -> None:
        self.root = root
        self.codecs = codecs
        self._is_checked = is_checked
        self._validator = cache(self._language)
        self.shared = cache(self._shared)
        self.data = cache(self._data)

    def names(self, kind: str) -> list[str]:
        """Return the sorted names of the files in `actions`, `connection`, `triggers` or `locales`."""
        folder = self.root / kind
        return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []

    def text(self, path: str) -> str:
        """Return the text of a file by its path in the folder. Raises `DefinitionError` if it cannot be read."""
        try:
            return self.root.joinpath(*path.split("/")).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            what = f"is missing in {self.root.name}/"
        except UnicodeDecodeError as error:
            what = f"is not UTF-8 text (byte {error.start}); save it as UTF-8"
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
        raise DefinitionError.of([Problem(f"{path}:1", what)])

    def stems(self, kind: str) -> list[str]:
        """Return the names, without .yaml, of the definitions of a kind."""
        return sorted(name.removesuffix(".yaml") for name in self.names(kind) if name.endswith(".yaml"))

    @property
    def common(self) -> dict[str, Any]:
        return self.data("connector", "connector")

    def _data(self, kind: str, stem: str) -> dict[str, Any]:
        """Return a definition's completed data, which callers must not change. Raises `DefinitionError`."""
        from . import documents

        path = path_of(kind, stem)
        document = documents.read(self.text(path), path)
        if self._is_checked:
            from .complete import complete

            return complete(document.data, kind, {} if kind == "connector" else self.common)[0]
        file = self._check(document, kind, stem, deep=False)
        if problems := file.all():
            raise DefinitionError.of(problems)
        data: dict[str, Any] = file.data
        return data

    def faults(self, kind: str, stem: str) -> list[Problem]:
        """Return every fault of a file, including those in its references to other files."""
        from . import documents

        path, problems = path_of(kind, stem), list[Problem]()
        with collected(problems):
            problems += self._check(documents.examine(self.text(path), path), kind, stem, deep=True).all()
        return problems

    def all_faults(self) -> list[Problem]:
        """Return the faults of all files, and of those such as `x.yml` that are not read because of their extension."""
        what = "is not read: a definition's file ends in .yaml; rename it"
        paths = [f"{kind}/{name}" for kind in KINDS for name in self.names(kind) if not name.endswith(".yaml")]
        problems = [Problem(f"{path}:1", what) for path in paths if path.lower().endswith((".yml", ".yaml"))]
        problems += self.faults("connector", "connector")
        return problems + [fault for kind in KINDS for stem in self.stems(kind) for fault in self.faults(kind, stem)]

    def json(self, path: str) -> Json:
        try:
            return json.loads(self.text(path))
        except ValueError as error:
            raise DefinitionError.of([Problem(f"{path}:1", f"is not JSON: {error}")]) from None

    def _shared(self, name: str) -> Json:
        """Return the data of a file in schemas/. Raises `LookupError` if it does not exist."""
        if not self.root.joinpath("schemas", *name.split("/")).is_file():
            raise LookupError(name)
        return self.json(f"schemas/{name}")

    def _check(self, document: Document, kind: str, stem: str, *, deep: bool) -> CheckedFile:
        from .check import checked
        from .checks.faults import References

        def action(key: str) -> Mapping[str, Any]:
            return self._readable(key) if deep or kind == "actions" else {}  # others load without their actions

        common = self._usable if kind != "connector" else {}
        refs = References(self._validator, self.shared, self.codecs, common, self._actions, action)
        return checked(document, kind, stem, refs)

    @cached_property
    def _actions(self) -> tuple[str, ...]:
        return tuple(self.stems("actions"))

    @cached_property
    def _usable(self) -> dict[str, Any]:
        """connector.yaml's data despite its faults, which its own check reports; a faulty shared row is None."""
        from . import documents
        from .complete import shared_rows

        with suppress(DefinitionError):
            return self.common
        with suppress(DefinitionError):
            document = documents.read(self.text("connector.yaml"), "connector.yaml")
            file = self._check(document, "connector", "connector", deep=False)
            rows = {name: row if file.sound("rows", name) else None for name, row in shared_rows(file.data).items()}
            return {**file.data, "rows": rows} if isinstance(file.data, dict) else {}
        return {}

    def _readable(self, key: str) -> dict[str, Any]:
        """Return an action's completed data, unchecked, for files that refer to it; `{}` if it cannot be read."""
        from . import documents
        from .complete import complete

        with suppress(DefinitionError):
            data = documents.read(self.text(path_of("actions", key)), key).data
            return complete(data, "actions", self._usable)[0] if isinstance(data, dict) else {}
        return {}

    def _language(self, kind: str) -> Any:
        """Return the validator of the language's schema, which is in the package, or next to it in a checkout."""
        from importlib.resources import files

        from jsonschema import Draft202012Validator
        from referencing import Registry, Resource

        package = files("connector_runtime")
        folder = next(path for path in (package / "schemas", package / ".." / "schemas") if path.is_dir())
        paths = [folder / f"{name}.schema.json" for name in ("common", kind.removesuffix("s"))]
        common, schema = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
        registry: Any = Registry().with_resource("common.schema.json", Resource.from_contents(common))
        return Draft202012Validator(schema, registry=registry)


@cache
def phrases(code: str) -> Mapping[str, str]:
    """Return the translations of the runtime's sentences, empty if there are none; de-AT falls back to de."""
    language = code.partition("-")[0]
    if language == "en":
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
def collected(problems: list[Problem]) -> Iterator[None]:
    """Add the problems of a `DefinitionError` to a list instead of raising it."""
    try:
        yield
    except DefinitionError as error:
        problems += error.problems


def path_of(kind: str, stem: str) -> str:
    return "connector.yaml" if kind == "connector" else f"{kind}/{stem}.yaml"
