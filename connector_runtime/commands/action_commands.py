"""The commands about actions: `show`, `preview`, `run`, `check`, `catalogue`."""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..calls import bodies
from ..errors import InputError, Problem
from ..model import Page
from . import options, tables
from .cli import Context, parser


def _width() -> int:
    return min(shutil.get_terminal_size().columns, 110)


def _json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=False, indent=2))


def _put(data: Any, path: str | None) -> None:
    """Print a result, or write it to a file: bytes as they are, all else as JSON."""
    if path is None:
        _json(data)
        return
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    content = base64.b64decode(data["base64"]) if bodies.is_file(data) else text.encode()
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise InputError.of("run", [Problem("--output", f"{path}: {error.strerror}")]) from None
    print(f"wrote {len(content)} bytes to {path}", file=sys.stderr)


def show(context: Context, arguments: list[str]) -> int:
    asked = parser(
        context,
        "show",
        "Show an action's inputs: labels, options, types, limits and help.",
        f"show {context.example.split()[0]}",
    )
    asked.add_argument("action", metavar="ACTION", help=f"a key from `{context.prog} list`")
    asked.add_argument("--output", action="store_true", help="what it gives, instead of its inputs")
    chosen = asked.parse_args(arguments)
    action = context.load(None).action(chosen.action)
    for line in tables.output_table(action) if chosen.output else tables.input_table(action, _width()):
        print(line)
    return 0


def preview(context: Context, arguments: list[str]) -> int:
    says = "Print the HTTP request that `run` would send, and send nothing."
    action, inputs, chosen = _action(context, "preview", says, arguments)
    base_url = chosen.base_url or context.setting("base_url")
    _json(action.preview(inputs, clear=chosen.clear, base_url=base_url))
    return 0


def run(context: Context, arguments: list[str]) -> int:
    action, inputs, chosen = _action(
        context, "run", "Run an action and print its result as JSON.", arguments, sends=True
    )
    from ..calls.exchange import fold
    from ..client import Client

    base_url = chosen.base_url or context.setting("base_url")
    with (
        access(context, chosen.connection) as given,
        Client(context.load(None), base_url=base_url, retries=chosen.retries, **given) as client,
    ):
        call = client.pages(
            action.key,
            inputs,
            chosen.limit,
            clear=chosen.clear,
            cursor=chosen.cursor,
            deadline=chosen.deadline,
            recover=chosen.recover,
        )
        pages = _watched(call)
        warnings: list[Any] = []
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
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"


def check(context: Context, arguments: list[str]) -> int:
    asked = parser(
        context, "check", "Check every definition of a folder: file, line, what is wrong and what to do.", "check ."
    )
    asked.add_argument("folder", metavar="FOLDER", nargs="?", help="a definition folder; the bundled one if left out")
    connector = context.load(asked.parse_args(arguments).folder)
    problems = connector.check()
    for problem in problems:
        print(problem)
    for gap in [] if problems else connector.gaps():
        print(f"note: {gap}", file=sys.stderr)
    parts = {"action": connector.actions, "trigger": connector.triggers, "connection": connector.connections}
    counted = ", ".join(_count(len(found), word) for word, found in parts.items())
    print(f"{counted}: {_count(len(problems), 'fault')}", file=sys.stderr)
    return 1 if problems else 0


def catalogue(context: Context, arguments: list[str]) -> int:
    asked = parser(context, "catalogue", "Print the catalogue that platforms draw from, as JSON.", "catalogue")
    asked.add_argument("--locale", metavar="CODE", help="the language of its texts, if locales/ has it")
    asked.add_argument("--events", action="store_true", help="with the schema and a sample of every event")
    chosen = asked.parse_args(arguments)
    _json(context.load(None).catalogue(chosen.locale, events=chosen.events))
    return 0


# -- what the commands share -------------------------------------------------------------------------------------------


def _action(
    context: Context, name: str, says: str, arguments: list[str], *, sends: bool = False
) -> tuple[Any, dict[str, Any], argparse.Namespace]:
    """The action named first, the inputs that the options make, and the runtime's own options."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {context.prog} {name} ACTION [--INPUT VALUE …]\n\n{says}\n")
        print(f"{context.prog} {name} ACTION --help lists the inputs of an action; {context.prog} list the actions.\n")
        print(f"example: {context.prog} {name} {context.example}")
        raise SystemExit(0 if arguments else 2)
    action = context.load(None).action(arguments[0])
    parser = options.parser_of(f"{context.prog} {name} {action.key}", action)
    own = parser.add_argument_group("options")
    own.add_argument("-h", "--help", action="help", help="show this help")
    own.add_argument("--inputs", metavar="FILE", help="the inputs as a JSON file, - for standard input; an option wins")
    own.add_argument("--clear", metavar="INPUT", action="append", default=[], help="empty this field at the vendor")
    own.add_argument("--base-url", metavar="URL", help="the API's base URL, with its path")
    if sends:
        own.add_argument("--connection", metavar="NAME", help="a stored connection, if there are several")
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


@contextmanager
def access(context: Context, name: str | None) -> Iterator[dict[str, Any]]:
    """The token of the environment, or a stored connection: the one named, or the only one."""
    token = None if name else context.setting("access_token")
    if token is not None:
        yield {"token": token}
        return
    from .connection_commands import stored

    with stored(context, name) as connection:
        yield {"connection": connection}


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
