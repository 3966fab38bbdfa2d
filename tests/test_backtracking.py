"""No regular expression of ours takes longer than its text, and none of an author's."""

from __future__ import annotations

import ast
import importlib
import json
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import connector_runtime
from connector_runtime.definitions.documents import examine, walk
from connector_runtime.definitions.folders import load
from connector_runtime.inputs.schema import input_schema
from connector_runtime.language.backtracking import is_slow
from connector_runtime.model import InputTable

ROOT = Path(__file__).parents[1]
SLOW = [
    r"^\s*(?:a)?\s*$",
    r"^(a+)+$",
    r"^(?:a|ab|b)*$",
    r"^(?:a*b?)*$",
    r"^(?:[a-z]+\.?)*$",
    r"\s+$",
    r"[a-z]+x",
    r"^.*,.*,x$",
    r"<([^>]*)>",
    r"\{\{(.*?)\}\}",
    r"^(?=.*x.*y)a",
    r"^(?!(?:a|aa)+$)b",
    r"(?i)^[A-Z]*[a-z]*$",
    r"^[\s\S]*\s*x$",
    r"^(?:a{1,300})*$",
]
QUICK = [
    r"^\s*(?:a\s*)?$",
    r"^(a|b)*$",
    r"\s+",
    r"\S[\s\S]*",
    r"^\s*(?:\S[\s\S]*)\s*$",
    r"^[^@\s]+@[^@\s]+$",
    r"^(?:[a-z]+\.)*[a-z]+$",
    r"^[a-z]+x",
    r"linkedin\.com",
    r"<([^<>]*)>",
    r"^[A-Z]*[a-z]*$",
    r"^a{1,9}a{1,9}$",
]


@pytest.mark.parametrize("pattern", SLOW)
def test_a_pattern_whose_loops_can_read_the_same_text_is_slow(pattern: str) -> None:
    assert is_slow(pattern)


@pytest.mark.parametrize("pattern", QUICK)
def test_a_pattern_whose_loops_cannot_is_not(pattern: str) -> None:
    assert not is_slow(pattern)


def test_flags_count_and_what_is_no_pattern_says_so() -> None:
    assert is_slow("^[A-Z]*[a-z]*$", re.IGNORECASE) and not is_slow("^[A-Z]*[a-z]*$")
    assert is_slow(r"^a[^;]*b.*", 0) is False and is_slow("^a.*b.*c", re.DOTALL)
    with pytest.raises(re.error):
        is_slow("[a-z")


def in_code() -> Iterator[tuple[str, str, int]]:
    """The patterns of the runtime: those that its modules hold, and those that stand in its calls."""
    for found in pkgutil.walk_packages(connector_runtime.__path__, "connector_runtime."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            held = getattr(value, "__self__", value)
            if isinstance(held, re.Pattern):
                yield f"{found.name}.{name}", as_text(held.pattern), held.flags & ~re.UNICODE
            elif found.name.endswith(".patterns") and name.isupper() and isinstance(value, str):
                yield f"{found.name}.{name}", value, 0
    for file in [*(ROOT / "connector_runtime").rglob("*.py"), *(ROOT / "zoom_connector").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re.") and node.args:
                first, flags = node.args[0], [ast.unparse(each) for each in node.args[1:]]
                if isinstance(first, ast.Constant):
                    named = re.DOTALL if "re.DOTALL" in flags else 0
                    is_whole = "fullmatch" in ast.unparse(node.func) or file.name == "openapi.py"  # its media types
                    whole = f"^(?:{as_text(first.value)})$" if is_whole else first.value
                    yield f"{file}:{node.lineno}", as_text(whole), named


def as_text(pattern: Any) -> str:
    return pattern.decode("latin-1") if isinstance(pattern, bytes) else str(pattern)


def in_schema(where: str, schema: Any) -> Iterator[tuple[str, str, int]]:
    for path, value in walk(schema):
        if path and path[-1] == "pattern" and isinstance(value, str):
            yield f"{where} {path}", value, 0
        if len(path) > 1 and path[-2] == "patternProperties":
            yield f"{where} {path}", str(path[-1]), 0


PATTERNS = ("pattern", "text", "scopes_pattern", "scope_pattern", "preferred_scope_pattern")


def in_definitions(folder: Path) -> Iterator[tuple[str, str, int]]:
    """The patterns that authors wrote, those that are published of their inputs, and those that calls are held to."""
    files = [each for kind in ("actions", "connection", "triggers") for each in (folder / kind).glob("*.yaml")]
    for file in (folder / "connector.yaml", *files):
        for path, value in walk(examine(file.read_text(), str(file)).data):
            if isinstance(value, str) and path and path[-1] in PATTERNS:
                yield f"{file} {path}", value, re.IGNORECASE
    connector = load(folder)
    for key in connector.actions:
        action = connector.actions[key]
        yield from in_schema(f"{folder} {key}", action.input_schema)
        yield from in_schema(f"{folder} {key}", (action.output or {}))
    for kind in connector.connections.values():
        yield from in_schema(f"{folder} {kind.key}", input_schema(InputTable.of(kind.key, kind.label, kind.inputs)))


def test_no_pattern_anywhere_is_slow() -> None:
    found = [*in_code()]
    for file in (ROOT / "schemas").glob("*.json"):
        found += in_schema(str(file), json.loads(file.read_text()))
    folders = [file.parent for file in (ROOT / "examples").glob("*/connector.yaml")]
    for folder in (ROOT, *folders):
        found += in_definitions(folder)
    assert len(found) > 800 and len(folders) >= 5
    assert [(where, pattern) for where, pattern, flags in found if is_slow(pattern, flags)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * 20_000,
        f"(?:{'|'.join(f'{sign}{n:03}' for n in range(10) for sign in 'abcdefghij')})*z",
        "a{1,99999999999}",
    ],
)
def test_a_pattern_too_large_to_be_judged_is_given_up_soon(pattern: str) -> None:
    began = time.monotonic()
    with pytest.raises(OverflowError):
        is_slow(pattern)
    assert time.monotonic() - began < 20
