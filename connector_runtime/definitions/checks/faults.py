"""What a check is given: one document with its faults so far, and what the document may refer to. Pure."""

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
    """What a document may refer to."""

    language: Callable[[str], Any]  # kind -> the validator of the language's own schema
    shared: Callable[[str], Json]  # name of a file of schemas/ -> its data
    codecs: Mapping[str, Any]  # those beside the runtime's own
    common: Mapping[str, Any]  # connector.yaml's data
    actions: tuple[str, ...]  # their keys
    action: Callable[[str], Mapping[str, Any]]  # key -> its data, for what looks into other files


class Faults:
    """One document and its faults. A part whose shape is wrong is `broken`, and nothing more is asked of it.

    `kind` is the document's folder (`actions`, `connection`, `triggers`, `locales`) or `connector`.
    """

    def __init__(self, document: Document, kind: str) -> None:
        self.document, self.kind, self.data = document, kind, document.data
        self.shared: Mapping[str, Any] = {}  # connector.yaml's rows, which rows here may refer to
        self.found: list[tuple[int, Problem]] = []
        self._broken = {_part(path) for path in document.holes}
        for problem in document.problems:
            self.found.append((int(problem.where.partition(" ")[0].rpartition(":")[2]), problem))

    def add(self, path: Path, what: str, *, breaks: bool = False) -> None:
        """Note a fault at a path; if it `breaks` the part there, no other check looks at that.

        A fault without words is told elsewhere. One in a word of a shared row says where that is written.
        """
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
        """Whether a name is among the known ones. If not, `what` is the fault, with the nearest name as the remedy,
        or else `otherwise`."""
        names = list(known)
        if name not in names:
            self.add(path, f"{what}.{near(name, names, otherwise)}")
        return name in names

    def sound(self, *path: str | int) -> bool:
        """Whether nothing above, at or below the path is broken."""
        return not any(path[: len(part)] == part[: len(path)] for part in self._broken)

    def whole(self, *path: str | int) -> bool:
        """Whether nothing above or at the path is broken; single entries below may be."""
        return not any(path[: len(part)] == part for part in self._broken)

    def part(self, word: str) -> Any:
        """What the file says under a word; `{}` if it says nothing there, or something of another shape."""
        return self.data.get(word, {}) if self.sound(word) else {}

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The input table; single rows may be broken."""
        return self.data.get("inputs", {}) if self.whole("inputs") else {}

    def all(self) -> list[Problem]:
        """Every fault once, by line."""
        return list(dict.fromkeys(problem for _, problem in sorted(self.found, key=lambda entry: entry[0])))


Check = Callable[[Faults, Mapping[str, Input], References], None]  # `rows`: the inputs that could be compiled


def _part(path: Path) -> Path:
    """The part that holds a path and is unusable if that is broken: one row or list, or one section of the file."""
    return path[: 2 if path[:1] in (("inputs",), ("choices",), ("rows",)) else 1]


def near(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """` Did you mean 'topic'?`, or else the other remedy."""
    return nearest(name, known) or (otherwise and f" {otherwise}")


def listed(names: Iterable[str]) -> str:
    """`Known here: a, b.`, or that there is none."""
    shown = ", ".join(sorted(names))
    return f"Known here: {shown}." if shown else "There is none."
