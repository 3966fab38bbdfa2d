"""Strict YAML text to plain data, with the line of every key. Pure: it is given text and reads no files.

YAML 1.2 scalars (`on`, `no`, `12:30:00` and dates stay text), no tags, no duplicate keys, text keys only,
and a bound on size, depth and what aliases may expand to. Faults come as problems with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .errors import DefinitionError, Problem

MAX_CHARACTERS = 1_000_000
MAX_NODES = 100_000
MAX_DEPTH = 60

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


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data and, for each path into it, the line it stands on."""

    name: str
    data: Any
    lines: dict[Path, int] = field(repr=False)

    def where(self, path: Path = ()) -> str:
        """`actions/x.yaml:31 inputs.type.to`: the file, the line of the nearest key, and the path."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        place = ".".join(str(step) for step in path)
        return f"{self.name}:{self.lines.get(known, 1)}{' ' + place if place else ''}"


def read(text: str, name: str) -> Document:
    """Read one YAML document; raises `DefinitionError` with every fault that can be told at once."""
    import yaml

    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    if len(text) > MAX_CHARACTERS:
        raise DefinitionError.of([Problem(f"{name}:1", f"is longer than {MAX_CHARACTERS:,} characters; split it")])
    try:
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DefinitionError.of([Problem(f"{name}:{line}", _syntax(text, line, error.problem))]) from None
    except yaml.YAMLError as error:
        raise DefinitionError.of([Problem(f"{name}:1", f"is not YAML: {str(error).splitlines()[0]}")]) from None
    except RecursionError:
        raise DefinitionError.of([Problem(f"{name}:1", "is nested too deeply")]) from None
    if root is None:
        raise DefinitionError.of([Problem(f"{name}:1", "is empty; a definition is a mapping of keys")])
    builder = _Builder(name)
    data = builder.build(root, (), 0)
    if builder.problems:
        raise DefinitionError.of(builder.problems)
    return Document(name, data, builder.lines)


def walk(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every path in plain data with what stands there, outermost first."""
    yield path, data
    if isinstance(data, dict):
        for key, value in data.items():
            yield from walk(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from walk(value, (*path, index))


def _syntax(text: str, line: int, problem: str | None) -> str:
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())]:
        return "indents with a tab; YAML wants blanks"
    remedy = "; put the text in quotes" if problem and "mapping values" in problem else ""
    return f"is not YAML: {problem or 'unreadable'}{remedy}"


class _Builder:
    """Turns YAML nodes into data, gathering faults and lines on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self.nodes = 0

    def fault(self, node: Any, path: Path, what: str) -> None:
        place = ".".join(str(step) for step in path)
        self.problems.append(Problem(f"{self.name}:{node.start_mark.line + 1}{' ' + place if place else ''}", what))

    def build(self, node: Any, path: Path, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            reason = "aliases and all" if self.nodes > MAX_NODES else "depth"
            problem = Problem(f"{self.name}:{node.start_mark.line + 1}", f"holds too much ({reason}); make it smaller")
            raise DefinitionError.of([*self.problems, problem])
        self.lines.setdefault(path, node.start_mark.line + 1)
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.split(":")[-1] not in ("str", "seq", "map"):
            self.fault(node, path, f"carries the tag {node.tag}; definitions use none")
        if node.id == "mapping":
            return self.mapping(node, path, depth)
        if node.id == "sequence":
            return [self.build(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]
        return self.scalar(node, path)

    def mapping(self, node: Any, path: Path, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if key_node.id != "scalar":
                self.fault(key_node, path, "has a key that is no text")
                continue
            if key == "<<" and not key_node.style:
                self.fault(key_node, path, "merges with <<; write the keys out, so that each file reads alone")
                continue
            if key in data:
                self.fault(key_node, (*path, key), "stands twice; keep one")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            data[key] = self.build(value_node, (*path, key), depth + 1)
        return data

    def scalar(self, node: Any, path: Path) -> Any:
        text: str = node.value
        if node.style:
            return text
        for pattern, convert in _PLAIN:
            if pattern.fullmatch(text):
                return convert(text)
        if text.lower() in (".inf", "+.inf", "-.inf", ".nan"):
            self.fault(node, path, f"{text} is no number that JSON can carry")
        return text
