"""Writes the generated parts: the actions in the README, the kinds of error in docs/errors.md, the types of inputs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from connector_runtime.commands.cli import markdown_table
from connector_runtime.errors import ERRORS
from connector_runtime.types.registry import TYPES
from zoom_connector import load

ROOT = Path(__file__).resolve().parents[1]


def between(text: str, name: str, new: str) -> str:
    """The text with what stands between `<!-- name -->` and `<!-- /name -->` replaced."""
    head, _, rest = text.partition(f"<!-- {name} -->\n")
    _, _, tail = rest.partition(f"<!-- /{name} -->")
    return f"{head}<!-- {name} -->\n{new}\n<!-- /{name} -->{tail}"


def readme(text: str) -> str:
    """The README with today's table of actions."""
    return between(text, "actions", "\n".join(markdown_table(load().outlines())))


def errors(text: str) -> str:
    """The page of errors with today's table of kinds."""
    rows = ["| class | `kind` | what to do | exit code | HTTP status |", "|---|---|---|---|---|"]
    rows += [
        f"| `{error.__name__}` | `{error.kind}` | {error.remedy} | {error.exit_code} | {error.http_status} |"
        for error in ERRORS
    ]
    return between(text, "errors", "\n".join(rows))


def common(text: str) -> str:
    """The schema of an input with today's types."""
    schema = json.loads(text)
    schema["$defs"]["input"]["properties"]["type"]["enum"] = [*TYPES]
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


PAGES = {"README.md": readme, "docs/errors.md": errors, "schemas/common.schema.json": common}


def main() -> int:
    """Write every page whose generated part changed."""
    for name, made in PAGES.items():
        page = ROOT / name
        old = page.read_text(encoding="utf-8")
        new = made(old)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
