"""Faults of one document as they are gathered, and what the document may refer to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Problem
from ..model import Json
from .documents import Document, Path

PLACES = {
    "actions": ("path", "query", "header", "body", "part", "request", "call"),
    "connection": ("header", "query", "base", "basic", "token", "client"),
    "triggers": ("verify",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a document may refer to: connector.yaml's data, shared schemas, codecs, the language's own schemas."""

    language: Callable[[str], Any]  # kind -> a jsonschema validator
    shared: Callable[[str], Json]
    codecs: Mapping[str, Any] = field(default_factory=dict)
    common: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[str, ...] = ()
    action: Callable[[str], Mapping[str, Any]] = lambda key: {}  # its data, for what looks into other files


class Faults:
    """The faults of one document. A part whose shape is wrong is `broken`, and nothing more is asked of it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._found: list[tuple[int, Problem]] = []
        self._broken: set[Path] = set()
        for problem in document.problems:
            line = problem.where.partition(" ")[0].rpartition(":")[2]
            self._found.append((int(line), problem))
        for path in document.holes:
            self.breaks(path)

    def add(self, path: Path, what: str) -> None:
        self._found.append((self.document.line(path), Problem(self.document.where(path), what)))

    def breaks(self, path: Path) -> None:
        """Take the part that holds this path for unusable: one input, or one section of the file."""
        self._broken.add(path[: 2 if path[:1] in (("inputs",), ("choices",)) else 1])

    def sound(self, *path: str | int) -> bool:
        """Whether nothing above, at or below the path is broken."""
        return not any(path[: len(part)] == part[: len(path)] for part in self._broken)

    def whole(self, *path: str | int) -> bool:
        """Whether nothing above or at the path is broken; single entries below may be."""
        return not any(path[: len(part)] == part for part in self._broken)

    def count(self) -> int:
        return len(self._found)

    def all(self) -> list[Problem]:
        """Every fault once, by line."""
        found = sorted(self._found, key=lambda entry: entry[0])
        return list(dict.fromkeys(problem for _, problem in found))


def listed(names: Iterable[str]) -> str:
    """`Known here: a, b.`, or that there is none."""
    shown = ", ".join(sorted(names))
    return f"Known here: {shown}." if shown else "There is none."
