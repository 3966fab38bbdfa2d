"""The commands about actions: `show`, `preview`, `run`, `check`, `catalogue`."""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..calls import bodies
from ..model import Page
from . import options, tables
from .context import Context, print_json, say, wrong
from .options import parser


def _put(data: Any, path: str | None) -> None:
    """Print a result, or write it to a file: bytes as they are, all else as JSON."""
    if path is None:
        print_json(data)
        return
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    content = base64.b64decode(data["base64"]) if bodies.is_file(data) else text.encode()
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise wrong("run", "--output", f"{path}: {error.strerror}") from None
    say(f"wrote {len(content)} bytes to {path}")


def show(context: Context, arguments: list[str]) -> None:
    """Show an action's inputs: labels, options, types, limits and help."""
    asked = parser(context, "show", show.__doc__, f"show {context.example.split()[0]}")
    asked.add_argument("action", metavar="ACTION", help=f"a key from `{context.prog} list`")
    asked.add_argument("--output", action="store_true", help="what it gives, instead of its inputs")
    chosen = asked.parse_args(arguments)
    action = context.load(None).action(chosen.action)
    width = min(shutil.get_terminal_size().columns, 110)
    for line in tables.output_table(action) if chosen.output else tables.input_table(action, width):
        print(line)


def preview(context: Context, arguments: list[str]) -> None:
    """Print the HTTP request that `run` would send, and send nothing."""
    action, inputs, chosen = _action(context, "preview", preview.__doc__, arguments)
    print_json(action.preview(inputs, clear=chosen.clear, base_url=context.base_url(chosen)))


def run(context: Context, arguments: list[str]) -> None:
    """Run an action and print its result as JSON."""
    action, inputs, chosen = _action(context, "run", run.__doc__, arguments, sends=True)
    from ..calls.exchange import fold
    from .access import client

    how = {name: getattr(chosen, name) for name in ("clear", "cursor", "deadline", "recover")}
    warnings: list[Any] = []
    with client(context, chosen, retries=chosen.retries) as caller:
        pages = _watched(caller.pages(action.key, inputs, chosen.limit, **how))
        if chosen.ndjson:
            for page in pages:
                for item in [page.data] if page.items is None else page.items:
                    print(json.dumps(item, ensure_ascii=False))
                warnings += page.warnings
        else:
            result = fold(pages, action.paging)
            _put(result.data, chosen.output)
            warnings += result.warnings
    for warning in warnings:
        say(f"warning: {warning}")


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def check(context: Context, arguments: list[str]) -> int:
    """Check every definition of a folder: file, line, what is wrong and what to do."""
    asked = parser(context, "check", check.__doc__, "check .")
    asked.add_argument("folder", metavar="FOLDER", nargs="?", help="a definition folder; the bundled one if left out")
    connector = context.load(asked.parse_args(arguments).folder)
    problems = connector.check()
    for problem in problems:
        print(problem)
    for gap in [] if problems else connector.gaps():
        say(f"note: {gap}")
    parts = {"action": connector.actions, "trigger": connector.triggers, "connection": connector.connections}
    counted = ", ".join(_count(len(found), word) for word, found in parts.items())
    say(f"{counted}: {_count(len(problems), 'fault')}")
    return 1 if problems else 0


def catalogue(context: Context, arguments: list[str]) -> None:
    """Print the catalogue that platforms draw from, as JSON."""
    asked = parser(context, "catalogue", catalogue.__doc__, "catalogue")
    asked.add_argument("--locale", metavar="CODE", help="the language of its texts, if locales/ has it")
    asked.add_argument("--events", action="store_true", help="with the schema and a sample of every event")
    chosen = asked.parse_args(arguments)
    print_json(context.load(None).catalogue(chosen.locale, events=chosen.events))
    return


# -- what the commands share -------------------------------------------------------------------------------------------


def _action(
    context: Context, name: str, says: str | None, arguments: list[str], *, sends: bool = False
) -> tuple[Any, dict[str, Any], argparse.Namespace]:
    """The action named first, the inputs that the options make, and the runtime's own options."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {context.prog} {name} ACTION [--INPUT VALUE …]\n\n{says}\n")
        print(f"{context.prog} {name} ACTION --help lists the inputs of an action; {context.prog} list the actions.\n")
        print(f"example: {context.prog} {name} {context.example}")
        raise SystemExit(0 if arguments else 2)
    action = context.load(None).action(arguments[0])
    parser, own = options.parser_of(f"{context.prog} {name} {action.key}", action)
    options.add_common(own, "--inputs")
    own.add_argument("--clear", metavar="INPUT", action="append", default=[], help="empty this field at the vendor")
    options.add_common(own, "--base-url")
    if sends:
        options.add_common(own, "--connection")
        own.add_argument("--limit", metavar="N", type=int, help="at most so many items of a list")
        own.add_argument("--ndjson", action="store_true", help="one line of JSON for each item, as they come")
        own.add_argument("--output", metavar="FILE", help="write the result there; a binary one as it is")
        own.add_argument("--cursor", metavar="TEXT", help="go on with a list where an error or a limit ended it")
        own.add_argument("--retries", metavar="N", type=int, default=4, help="how often to try again (default: 4)")
        own.add_argument("--deadline", metavar="SECONDS", type=float, help="give up after so long, pauses included")
        own.add_argument("--recover", action="store_true", help="if an answer is lost, look before creating again")
    inputs, chosen = options.parse(parser, action, arguments[1:])
    chosen.clear = [key.replace("-", "_") for key in chosen.clear]
    return action, inputs, chosen


def _watched(pages: Iterator[Page]) -> Iterator[Page]:
    """The pages, with a line on stderr that counts the items of a long list."""
    live = sys.stderr.isatty()
    count = 0
    for number, page in enumerate(pages, 1):
        count += len(page.items or ())
        if page.items is not None and number > 1 and (live or number % 10 == 0):
            print(f"{chr(13) if live else ''}{count} items …", end="" if live else "\n", file=sys.stderr, flush=True)
        yield page
    if live and count and number > 1:
        print(f"\r{count} items in {number} pages", file=sys.stderr)
