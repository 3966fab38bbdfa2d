"""The house keeps its shape: arrows point one way, the core is pure, the runtime knows no vendor."""

from __future__ import annotations

import ast
import re
import runpy
from collections import Counter
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RUNTIME, CONNECTOR = ROOT / "connector_runtime", ROOT / "zoom_connector"
VENDORS = re.compile(r"zoom|github|slack|stripe|shopify|openweather", re.IGNORECASE)

ROOMS = runpy.run_path(str(ROOT / "docs" / "generate.py"))["ROOMS"]  # as docs/house.md has them, from the ground up
SHELL = {  # what touches files, HTTP, clocks or threads; everything else is pure
    "transport",
    "perform",
    "definitions.folders",
    "client",
    "session",
    "downloads.download",
    "downloads.part",
    "triggers.inbox",
    "triggers.receiver",
    "connections.connections",
    "connections.owners",
    "pacing.accounts",
    "pacing.limits",
    "pacing.pacer",
    "stores.store",
    "stores.databases",
    "connections.oauth",
    "service.app",
    "service.event_routes",
    "service.feed",
    "service.gate",
    "service.records",
    "service.routes",
    "service.serving",
    "service.state",
    "mcp.tools",
    "mcp.web",
    "commands.action_commands",
    "commands.author_commands",
    "commands.cli",
    "commands.connection_commands",
    "commands.context",
    "commands.options",
    "commands.service_commands",
    "commands.webhook_commands",
}
IMPURE = {"httpx", "os", "time", "pathlib", "socket", "subprocess", "random", "asyncio", "threading", "sqlite3", "io"}


@cache
def modules(root: Path = RUNTIME) -> dict[str, Path]:
    """The modules of a package by their name in it: `calls.render`."""
    paths = [path for path in root.rglob("*.py") if path.name != "__init__.py"]
    return {".".join(path.relative_to(root).with_suffix("").parts): path for path in paths}


NAMES = sorted(modules())


@cache
def imports(name: str, root: Path = RUNTIME) -> frozenset[str]:
    """What a module imports anywhere in it, for typing and late too: ours as `calls.render`, others by their name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules(root)[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            room = name.split(".")[: -node.level]
            base = ".".join([*room, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                full = f"{base}.{alias.name}".strip(".")
                found.add(full if full in modules(root) else base)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return frozenset(found)


def room(name: str) -> str:
    """The room of a module: its folder, or the one above where a folder only divides a room."""
    return name.partition(".")[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_module_looks_only_at_rooms_below_its_own(name: str) -> None:
    ours = {target for target in imports(name) if target in modules()}
    above = {target for target in ours if ROOMS.index(room(target)) > ROOMS.index(room(name))}
    assert not above, f"{name} looks up at {above}"


@pytest.mark.parametrize("root", [RUNTIME, CONNECTOR], ids=lambda root: root.name)
def test_the_import_graph_has_no_cycle(root: Path) -> None:
    graph = {name: imports(name, root) & set(modules(root)) for name in modules(root)}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHELL])
def test_a_pure_module_touches_no_network_clock_file_or_thread(name: str) -> None:
    used = {module.partition(".")[0] for module in imports(name)}
    assert not used & IMPURE
    assert not imports(name) & SHELL


def test_only_the_modules_that_speak_http_import_httpx() -> None:
    assert [name for name in NAMES if "httpx" in imports(name)] == ["transport"]


@pytest.mark.parametrize("name", NAMES)
def test_the_runtime_never_imports_the_connector_and_names_no_vendor(name: str) -> None:
    assert not any(module.startswith("zoom_connector") for module in imports(name))
    assert not [line for line in modules()[name].read_text().splitlines() if VENDORS.search(line)]


def test_every_module_says_first_what_it_is() -> None:
    for path in [*RUNTIME.rglob("*.py"), *CONNECTOR.rglob("*.py")]:
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert docstring and docstring.splitlines()[0].endswith((".", ":")), path


def test_no_module_is_longer_than_a_person_reads_at_a_sitting() -> None:
    for path in [*RUNTIME.rglob("*.py"), *CONNECTOR.rglob("*.py")]:
        assert len(path.read_text().splitlines()) <= 500, path


def test_nothing_in_the_repository_names_the_machine_it_was_written_on() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.rglob("*.py"), *ROOT.rglob("*.yaml")]:
        if ".venv" not in path.parts and path != Path(__file__):
            assert "/work/" not in path.read_text(errors="ignore"), path


def _classes() -> list[tuple[str, str]]:
    """Every class of the runtime and the connector, with its module; those inside functions too."""
    trees = [
        (name, ast.parse(file.read_text())) for root in (RUNTIME, CONNECTOR) for name, file in modules(root).items()
    ]
    return [(node.name, name) for name, tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def test_no_class_name_exists_twice() -> None:
    found = _classes()
    assert len(found) > 200
    twice = {name for name, count in Counter(name.strip("_") for name, _ in found).items() if count > 1}
    assert [each for each in found if each[0].strip("_") in twice] == []


@pytest.mark.parametrize("root", [RUNTIME, CONNECTOR, ROOT / "benchmarks"], ids=lambda root: root.name)
def test_no_module_is_renamed_on_import(root: Path) -> None:
    renamed = []
    for name, file in modules(root).items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                renamed += [f"{name}: {each.name}" for each in node.names if each.asname not in (None, each.name)]
            elif isinstance(node, ast.ImportFrom):
                there = _folder(node, file)
                for each in node.names:
                    is_module = (there / f"{each.name}.py").exists() or (there / each.name / "__init__.py").exists()
                    if is_module and each.asname not in (None, each.name):
                        renamed.append(f"{name}: {each.name}")
    assert renamed == []


def _folder(node: ast.ImportFrom, file: Path) -> Path:
    """The folder that an import is from."""
    base = file.parents[node.level - 1] if node.level else ROOT
    return base.joinpath(*(node.module or "").split("."))


def _glossary() -> dict[str, list[str]]:
    """The words of CONTRIBUTING, each with those that it replaces."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| ([a-z]+) \| (.+?) \| *(.*?) *\|$", text.partition("\n## Words\n")[2], re.MULTILINE)
    rows = [row for row in rows if row[0] != "word"]
    words = [word for word, _, _ in rows]
    assert words == sorted(set(words)) and len(words) > 50
    return {word: [other for other in others.split(", ") if other] for word, _, others in rows}


def test_every_word_of_the_glossary_is_used_and_none_that_it_replaces_is_a_name() -> None:
    names: set[str] = set()
    for root in (RUNTIME, CONNECTOR):
        for file in modules(root).values():
            for node in ast.walk(ast.parse(file.read_text())):
                match node:
                    case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.arg(arg=name) | ast.Name(id=name):
                        names.add(name)
    words = {part.lower() for name in names for part in re.findall("[A-Z]?[a-z]+|[A-Z]+", name)}
    glossary = _glossary()
    assert [word for word in glossary if not {word, f"{word}s", word.replace("y", "ies")} & words] == []
    replaced = {other for others in glossary.values() for other in others}
    assert len(replaced) > 10
    assert [name for name in names if name.strip("_").lower() in replaced] == []
