"""The command `list`. It loads little, since people wait for it at a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from .cli import Context, parser

if TYPE_CHECKING:
    from ..definitions.connector import Outline


def list_actions(context: Context, arguments: list[str]) -> int:
    markdown = False
    if arguments:
        asked = parser(context, "list", "List the actions.", "list")
        asked.add_argument("--markdown", action="store_true", help="as a table for a README")
        markdown = asked.parse_args(arguments).markdown
    outlines = context.load(None).outlines()
    for line in markdown_table(outlines) if markdown else table(outlines):
        print(line)
    return 0


def table(outlines: Iterable[Outline]) -> Iterator[str]:
    """One line an action: key, label, description."""
    rows = [(outline.key, outline.label, outline.description) for outline in outlines]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else [0, 0]
    for key, label, description in rows:
        yield f"{key:<{widths[0]}}  {label:<{widths[1]}}  {description}"


def markdown_table(outlines: Iterable[Outline]) -> Iterator[str]:
    """The table of actions for the README."""
    yield "| action | what it does | request | effect |"
    yield "|---|---|---|---|"
    for outline in outlines:
        request = f"`{outline.method} {outline.path}`" if outline.method else "any"
        says = outline.description.rstrip(".")
        yield f"| `{outline.key}` | {says} | {request} | {outline.effect or 'by method'} |"
