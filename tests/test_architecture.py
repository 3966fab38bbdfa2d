"""The house keeps its shape: arrows point one way, the core is pure, the runtime knows no vendor."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNTIME = ROOT / "connector_runtime"
SHELL = {"__init__", "folders", "drive", "client", "cli"}
PURE = {
    "accept", "action", "answer", "bind", "bodies", "catalogue", "check", "compile", "conditions", "connect",
    "connector", "documents", "errors", "exchange", "model", "patterns", "read", "render", "renew", "scopes",
    "tables", "takes", "wording", "words",
}  # fmt: skip
IMPURE = {"httpx", "os", "time", "pathlib", "socket", "subprocess", "random", "asyncio", "threading", "sqlite3", "io"}
VENDORS = re.compile(r"zoom|github|slack|stripe|shopify|openweather", re.IGNORECASE)


def imports(path: Path, *, lazy: bool = True) -> set[str]:
    """The modules that a file imports; without `lazy`, only what importing it imports."""
    tree = ast.parse(path.read_text())
    if not lazy:
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {f".{node.module}"} if node.module else {f".{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def modules() -> dict[str, Path]:
    return {path.stem: path for path in RUNTIME.glob("*.py")}


def test_the_import_graph_has_no_cycle() -> None:
    graph = {
        name: {target[1:] for target in imports(path, lazy=False) if target.startswith(".")}
        for name, path in modules().items()
    }
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, f"cycle: {' -> '.join([*way, name])}"
        if name not in done:
            for target in sorted(graph.get(name, ())):
                visit(target, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_the_pure_core_touches_no_network_clock_file_or_thread() -> None:
    for name in PURE:
        used = {module.partition(".")[0] for module in imports(modules()[name])}
        assert not used & IMPURE, f"{name} imports {used & IMPURE}"


def test_only_one_module_imports_httpx() -> None:
    assert [name for name, path in modules().items() if "httpx" in imports(path)] == ["drive"]


def test_the_runtime_never_imports_the_connector_and_names_no_vendor() -> None:
    for name, path in modules().items():
        assert not any(module.startswith("zoom_connector") for module in imports(path)), name
        found = [line for line in path.read_text().splitlines() if VENDORS.search(line)]
        assert not found, f"{name}: {found}"


def test_every_module_says_first_what_it_is() -> None:
    for path in [*RUNTIME.glob("*.py"), *(ROOT / "zoom_connector").rglob("*.py")]:
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert docstring and docstring.splitlines()[0].endswith((".", ":")), path


def test_nothing_in_the_repository_names_the_machine_it_was_written_on() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.rglob("*.py"), *ROOT.rglob("*.yaml")]:
        if ".venv" not in path.parts and path != Path(__file__):
            assert "/work/" not in path.read_text(errors="ignore"), path
