"""Parses strict YAML into plain data, with the line of every key. Pure: takes text and reads no files.

Scalars follow YAML 1.2: `on`, `no`, `12:30:00` and dates stay strings. Tags, duplicate keys and keys that are not text
are faults. Size, depth and expanded aliases are limited.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import DefinitionError, Problem

MAX_CHARACTERS = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 60
LONGEST_NUMBER = 400  # characters; a longer number is treated as too large for a `float`

Path = tuple[str | int, ...]

_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"|~|null|Null|NULL"), lambda text: None),
    (re.compile(r"true|True|TRUE"), lambda text: True),
    (re.compile(r"false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"), float),
)

_REMEDIES = (  # part of the YAML library's message -> the remedy
    ("mapping values", "; put text with a colon in quotes, or change the indentation"),
    ("cannot start", "; put the text in quotes"),
    ("undefined alias", "; put text that begins with * in quotes, or write out the value of the alias"),
    ("another document", "; write one file for each"),
)


@dataclass(slots=True)
class Document:
    """A file's data, and the line of each path into it."""

    name: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict, repr=False)
    problems: list[Problem] = field(default_factory=list)  # faults in the YAML itself
    holes: list[Path] = field(default_factory=list)  # paths whose data is missing because of a fault
    _nodes: int = 0

    def line(self, path: Path = ()) -> int:
        """Return the line of the nearest key on a path."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def where(self, path: Path = (), line: int | None = None) -> str:
        """Return file, line and path as `actions/x.yaml:31 inputs.type.to`."""
        place = ".".join(str(step) for step in path)
        return f"{self.name}:{line or self.line(path)}{' ' + place if place else ''}"

    def _fault(self, node: Any, path: Path, what: str, *, hole: bool = False) -> None:
        self.problems.append(Problem(self.where(path, node.start_mark.line + 1), what))
        self.holes += [path] if hole else []

    def build(self, node: Any, path: Path = (), depth: int = 0) -> Any:
        """Return the data of a YAML node and record its faults and lines."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            reason = "is too large with its aliases" if self._nodes > MAX_NODES else "is nested too deeply"
            problem = Problem(f"{self.name}:{node.start_mark.line + 1}", f"{reason}; write less")
            raise DefinitionError.of([*self.problems, problem])
        self.lines.setdefault(path, node.start_mark.line + 1)
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.split(":")[-1] not in ("str", "seq", "map"):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            what = f"has the tag {tag}, which definitions do not use; put text that begins with ! in quotes"
            self._fault(node, path, what, hole=True)
        if node.id == "mapping":
            return self._mapping(node, path, depth)
        if node.id == "sequence":
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        text: str = node.value
        if node.style:
            return text
        for pattern, convert in _PLAIN:
            if pattern.fullmatch(text):
                value = convert(text) if len(text) <= LONGEST_NUMBER else math.inf
                if type(value) in (int, float) and abs(value) > sys.float_info.max:
                    what = "is a number too large for some programs; put it in quotes if it is text"
                    self._fault(node, path, what, hole=True)
                return value
        if text.lower() in (".inf", "+.inf", "-.inf", ".nan"):
            self._fault(node, path, f"{text} is not a number in JSON; put it in quotes if it is text")
        return text

    def _mapping(self, node: Any, path: Path, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, what = key_node.value, ""
            if key_node.id != "scalar":
                what = "has a key that is not text; put a value that begins with { or [ in quotes"
            elif key == "<<" and not key_node.style:
                what = "merges with <<, which definitions do not use; write the keys out"
            if what:
                self._fault(key_node, path, what, hole=True)
                continue
            if key in data:
                self._fault(key_node, (*path, key), "is a duplicate key; keep one")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            data[key] = self.build(value_node, (*path, key), depth + 1)
        return data


def read(text: str, name: str) -> Document:
    """Read one YAML document. Raises `DefinitionError` with all its faults."""
    document = examine(text, name)
    if document.problems:
        raise DefinitionError.of(document.problems)
    return document


def examine(text: str, name: str) -> Document:
    """Read one YAML document and record its faults. Raises `DefinitionError` only if it cannot be parsed at all."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    line, what, root = 1, "", None
    try:
        if len(text) > MAX_CHARACTERS:
            what = f"is longer than {MAX_CHARACTERS:,} characters; split it"
        elif (root := yaml.compose(text, Loader=loader)) is None:
            what = "is empty; write a definition, or delete the file"
    except yaml.MarkedYAMLError as error:
        line, what = _syntax(text, error)
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        what = f"is not YAML: {getattr(error, 'reason', 'unreadable')}; type the line again"
    except RecursionError:
        what = "is nested too deeply"
    if what:
        raise DefinitionError.of([Problem(f"{name}:{line}", what)])
    document = Document(name)
    document.data = document.build(root)
    return document


def walk(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every path in plain data with its value, outermost first."""
    yield path, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from walk(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from walk(value, (*path, index))


def _syntax(text: str, error: Any) -> tuple[int, str]:
    """Return the line of a syntax error and a message with the remedy."""
    lines = text.splitlines() or [""]
    position, start = error.problem_mark or error.context_mark, error.context_mark
    number = min(position.line + 1 if position else 1, len(lines))
    line = lines[number - 1]
    problem = error.problem or "unreadable"
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return number, "is indented with a tab; use spaces"
    if start and ("flow" in (error.context or "") or "end of stream" in problem):
        opening = "a quote" if "scalar" in error.context else "a { or ["
        return start.line + 1, f"is not YAML: {opening} that begins here is not closed; close it, or add a comma"
    indentation = "; change the indentation" if "block" in (error.context or "") else ""
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in problem), indentation)
    return number, f"is not YAML: {problem}{remedy}"
