"""Writes the generated parts of the documentation: the table of actions in the README."""

from __future__ import annotations

import sys
from pathlib import Path

from connector_runtime.commands.cli import markdown_table
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


PAGES = {"README.md": readme}


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
