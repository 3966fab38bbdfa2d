"""Write the generated parts of pages (tables of actions, errors, modules, public names), stubs and schemas."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import connector_runtime
from connector_runtime import HOMES
from connector_runtime.errors import ERRORS, KINDS
from connector_runtime.types.registry import TYPES
from zoom_connector import RENAMED, load

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / "connector_runtime"
ROOMS = (  # folders and single modules; each imports only from those before it
    *(
        "structs",
        "sentences",
        "errors",
        "model",
        "steps",
        "language",
        "types",
        "perform",
        "transport",
        "stores",
        "pacing",
    ),
    *("inputs", "calls", "downloads", "triggers", "definitions", "authoring", "session", "client", "connections"),
    *("service", "mcp", "commands"),
)

MORE = {  # the page with details about the public names of a module or a room
    **{"client": "embedding", "session": "resilience", "transport": "resilience", "model": "embedding"},
    **{"calls.action": "embedding", "calls.files": "downloads", "downloads": "downloads", "definitions": "catalogue"},
    **{"steps": "resilience", "pacing": "limits", "connections": "connections", "stores": "connections"},
    **{"triggers": "webhook", "service": "service", "errors": "errors"},
}


def between(text: str, name: str, new: str) -> str:
    """Return the text with the part between `<!-- name -->` and `<!-- /name -->` replaced by `new`."""
    head, _, rest = text.partition(f"<!-- {name} -->\n")
    _, _, tail = rest.partition(f"<!-- /{name} -->")
    return f"{head}<!-- {name} -->\n{new}\n<!-- /{name} -->{tail}"


def actions(text: str) -> str:
    """Return docs/actions.md with the current table of actions."""
    rows = ["| action | what it does | request | effect |", "|---|---|---|---|"]
    for outline in load().outlines():
        request = f"`{outline.method} {outline.path}`" if outline.method else "any"
        description, effect = outline.description.rstrip("."), outline.effect or "by method"
        rows.append(f"| `{outline.key}` | {description} | {request} | {effect} |")
    return between(text, "actions", "\n".join(rows))


def errors(text: str) -> str:
    """Return docs/errors.md with the current table of errors."""
    rows = ["| class | `kind` | what to do | exit code | HTTP status |", "|---|---|---|---|---|"]
    rows += [
        f"| `{error.__name__}` | `{error.kind}` | {error.remedy} | {error.exit_code} | {error.http_status} |"
        for error in ERRORS
    ]
    return between(text, "errors", "\n".join(rows))


def house(text: str) -> str:
    """Return docs/house.md with the current modules, each with the first line of its docstring."""

    def row(name: str, path: Path) -> str:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        return f"| {name} | {docstring.splitlines()[0]} |"

    rows = ["| module | what it is for |", "|---|---|"]
    for room in ROOMS:
        folder = RUNTIME / room
        if not folder.is_dir():
            rows.append(row(f"**`{room}`**", RUNTIME / f"{room}.py"))
            continue
        rows.append(row(f"**`{room}/`**", folder / "__init__.py"))
        paths = sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")
        rows += [row(f"`{path.relative_to(folder).with_suffix('').as_posix()}`", path) for path in paths]
    return between(text, "house", "\n".join(rows))


def stub(text: str) -> str:
    """Return the stub of connector_runtime, which gives type checkers and editors the public names."""
    lines = ["# Written by docs/generate.py from HOMES in __init__.py.", "# ruff: noqa: I001"]
    for home, names in HOMES.items():
        parts = [f"{name} as {name}" for name in names.split()]
        line = f"from .{home} import {', '.join(parts)}"
        lines += [line] if len(line) <= 120 else [f"from .{home} import (", *(f"    {part}," for part in parts), ")"]
    return "\n".join([*lines, ""])


def connector_stub(text: str) -> str:
    """Return the stub of zoom_connector, with its own `load` and the old names that still work."""
    names = [name for name in " ".join(HOMES.values()).split() if name != "load"]
    head = ["# Written by docs/generate.py: the names of connector_runtime.", "# ruff: noqa: I001"]
    imports = ["from connector_runtime import (", *(f"    {name} as {name}," for name in names), ")"]
    own = ["from .bundled import load as load", "", "__version__: str"]
    return "\n".join([*head, *imports, *own, *(f"{old} = {new}" for old, new in RENAMED.items()), ""])


def api(text: str) -> str:
    """Return docs/api.md with each public name, the first sentence of its docstring, and the page with more."""
    rows = ["| name | what it is | more |", "|---|---|---|"]
    for home, names in HOMES.items():
        page = MORE.get(home) or MORE[home.partition(".")[0]]
        for name in names.split():
            docstring = (getattr(connector_runtime, name).__doc__ or "").partition("\n\n")[0]
            sentence = re.split(r"(?<=\.)\s", " ".join(docstring.split()), maxsplit=1)[0].rstrip(":.") + "."
            rows.append(f"| `{name}` | {sentence} | [{page}]({page}.md) |")
    return between(text, "api", "\n".join(rows))


def schema(text: str) -> str:
    """Return a schema with the current input types and, if it describes error cases, kinds of error."""
    data = json.loads(text)
    data["$defs"]["input"]["properties"]["type"]["enum"] = [*TYPES]
    if "case" in data["$defs"]:
        data["$defs"]["case"]["properties"]["kind"]["enum"] = [*KINDS]
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


PAGES = {
    "docs/actions.md": actions,
    "connector_runtime/__init__.pyi": stub,
    "zoom_connector/__init__.pyi": connector_stub,
    "docs/api.md": api,
    "docs/errors.md": errors,
    "docs/house.md": house,
    "schemas/common.schema.json": schema,
    "schemas/catalogue.schema.json": schema,
}


def main() -> int:
    """Write every file whose generated parts have changed."""
    for name, generate in PAGES.items():
        page = ROOT / name
        old = page.read_text(encoding="utf-8")
        new = generate(old)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
