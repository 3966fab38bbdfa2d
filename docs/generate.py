"""Writes the generated parts: the table of actions in the README, and the types of inputs in their schema."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from connector_runtime.commands.list_command import markdown_table
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


def common(text: str) -> str:
    """The schema of an input with today's types."""
    schema = json.loads(text)
    schema["$defs"]["input"]["properties"]["type"]["enum"] = [*TYPES]
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


PAGES = {"README.md": readme, "schemas/common.schema.json": common}


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
