"""The arguments of a check: the file with its faults so far, and what the file may refer to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ...errors import Problem
from ...language.schema_faults import nearest
from ...model import Input, Json
from ..documents import Document, Path

PLACES = {
    "actions": ("path", "query", "header", "body", "part", "request", "call"),
    "connection": ("header", "query", "base", "basic", "token", "client"),
    "triggers": ("verify",),
}


class References(NamedTuple):
    """The other files that a file may refer to, and its language."""

    language: Callable[[str], Any]  # kind -> validator of the language's schema
    shared: Callable[[str], Json]  # file name in schemas/ -> its data
    codecs: Mapping[str, Any]  # codecs in addition to the runtime's own
    common: Mapping[str, Any]  # connector.yaml's data
    actions: tuple[str, ...]  # the keys of all actions
    action: Callable[[str], Mapping[str, Any]]  # key -> the action's data; {} if it cannot be read


class CheckedFile:
    """One file and its faults. A part with the wrong shape is *broken*, and later checks skip it.

    `kind` is the document's folder (`actions`, `connection`, `triggers`, `locales`) or `connector`.
    """

    def __init__(self, document: Document, kind: str) -> None:
        self.document, self.kind, self.data = document, kind, document.data
        self.shared: Mapping[str, Any] = {}  # connector.yaml's `rows`
        self.found: list[tuple[int, Problem]] = []
        self._broken = {_part(path) for path in document.holes}
        for problem in document.problems:
            self.found.append((int(problem.where.partition(" ")[0].rpartition(":")[2]), problem))

    def add(self, path: Path, what: str, *, breaks: bool = False) -> None:
        """Add a fault; `breaks`: the part at the path is broken. An empty `what`: another file reports the fault."""
        if what:
            what += self._source(path)
            self.found.append((self.document.line(path), Problem(self.document.where(path), what)))
        if breaks:
            self._broken.add(_part(path))

    def _source(self, path: Path) -> str:
        if len(path) < 3 or path[0] != "inputs" or path[:3] in self.document.lines or not self.sound(*path[:2]):
            return ""
        name = self.data["inputs"][path[1]].get("row")
        return f" (from rows.{name} in connector.yaml)" if path[2] in (self.shared.get(name) or ()) else ""

    def known(self, path: Path, name: str, known: Iterable[str], what: str, otherwise: str = "") -> bool:
        """True if a name is known. If not, add the fault `what`, in which `{}` is the name, and a remedy."""
        names = list(known)
        if name not in names:
            self.add(path, f"{what.replace('{}', repr(name))}.{nearest(name, names, otherwise)}")
        return name in names

    def sound(self, *path: str | int) -> bool:
        """True if nothing above, at or below the path is broken."""
        return not any(path[: len(part)] == part[: len(path)] for part in self._broken)

    def whole(self, *path: str | int) -> bool:
        """True if nothing above or at the path is broken; entries below it may be."""
        return not any(path[: len(part)] == part for part in self._broken)

    def part(self, word: str) -> Any:
        """Return the section of the file under a key; `{}` if it is absent or broken."""
        return self.data.get(word, {}) if self.sound(word) else {}

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The input table, in which single rows may be broken."""
        return self.data.get("inputs", {}) if self.whole("inputs") else {}

    def all(self) -> list[Problem]:
        """Return every fault once, by line."""
        return list(dict.fromkeys(problem for _, problem in sorted(self.found, key=lambda entry: entry[0])))


Check = Callable[[CheckedFile, Mapping[str, Input], References], None]  # (file, the rows that could be compiled, refs)


def _part(path: Path) -> Path:
    """Return the smallest part around a path that can be broken: a row, a list of choices, or a section."""
    return path[: 2 if path[:1] in (("inputs",), ("choices",), ("rows",)) else 1]


def listed(names: Iterable[str]) -> str:
    return f"Known here: {', '.join(sorted(names)) or 'none'}."
