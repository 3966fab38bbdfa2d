"""The command line: one function a command. Results go to stdout as JSON, all else to stderr."""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import bodies, options, tables
from .connector import Connector
from .errors import (
    AuthError,
    ConnectorError,
    DefinitionError,
    InputError,
    Problem,
    QuotaReached,
    RateLimited,
    RequestError,
    StoreError,
    TransportError,
)
from .model import Page

EXITS: tuple[tuple[type[ConnectorError], int], ...] = (
    (InputError, 2),
    (DefinitionError, 2),
    (AuthError, 3),
    (StoreError, 3),
    (RateLimited, 5),
    (QuotaReached, 5),
    (TransportError, 6),
    (RequestError, 4),
)
EXIT_CODES = """exit codes: 0 ok, 1 check found something, 2 usage, input or definition, 3 connection, 4 the vendor refused,
            5 rate limit or quota, 6 transport, 130 interrupted"""


@dataclass(frozen=True, slots=True)
class Context:
    """What a command needs: the program's name, a way to load a connector, the environment."""

    prog: str
    load: Callable[[str | None], Connector]
    environment: Mapping[str, str]
    example: str  # an action with some inputs

    def setting(self, name: str) -> str | None:
        """An environment variable by the connector's key and a name, as ACME_BASE_URL; None if it is not set."""
        return self.environment.get(self.variable(name)) or None

    def variable(self, name: str) -> str:
        """The environment variable's own name."""
        return f"{self.load(None).key.upper().replace('-', '_')}_{name.upper()}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its usage after the program's name, what it does in one line, and the function that does it."""

    usage: str
    says: str
    run: Callable[[Context, list[str]], int]


def main(
    arguments: list[str],
    prog: str,
    load: Callable[[str | None], Connector],
    *,
    example: str,
    more: Mapping[str, Command] | None = None,
) -> int:
    """Run one command and return its exit code; `more` adds commands of a connector's own."""
    commands = {**COMMANDS, **(more or {})}
    context = Context(prog, load, os.environ, example)
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            print(_overview(prog, commands))
            return 0 if arguments else 2
        if arguments[0] == "--version":
            print(load(None).profile.version)
            return 0
        command = commands.get(arguments[0])
        if command is None:
            from .wording import nearest

            raise InputError(f"'{arguments[0]}' is no command.{nearest(arguments[0], commands)}", hint=f"See: {prog} --help")
        return command.run(context, arguments[1:])
    except ConnectorError as error:
        print(f"error: {error}", file=sys.stderr)
        if isinstance(error, RequestError) and error.tracking_id:
            print(f"  tracking id for the vendor's support: {error.tracking_id}", file=sys.stderr)
        if isinstance(error, RequestError) and error.retry_at:
            print(f"  try again at {error.retry_at.isoformat()}", file=sys.stderr)
        return next(code for kind, code in EXITS if isinstance(error, kind))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _overview(prog: str, commands: Mapping[str, Command]) -> str:
    width = max(len(command.usage) for command in commands.values())
    lines = [f"  {command.usage:<{width}}  {command.says}" for command in commands.values()]
    return "\n".join([f"usage: {prog} COMMAND …", "", *lines, "", f"{prog} COMMAND --help tells more.", "", EXIT_CODES])


def parser(context: Context, name: str, says: str, example: str = "") -> options.Parser:
    return options.Parser(
        prog=f"{context.prog} {name}",
        description=says,
        epilog=f"example: {context.prog} {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


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


# -- commands --------------------------------------------------------------------------------------------------------


def list_actions(context: Context, arguments: list[str]) -> int:
    asked = parser(context, "list", "List the actions.", "list")
    asked.add_argument("--markdown", action="store_true", help="as a table for a README")
    markdown = asked.parse_args(arguments).markdown
    specs = list(context.load(None).actions.values())
    for line in tables.markdown(specs) if markdown else tables.action_list(specs):
        print(line)
    return 0


def show(context: Context, arguments: list[str]) -> int:
    asked = parser(context, "show", "Show an action's inputs: labels, options, types, limits and help.", f"show {context.example.split()[0]}")
    asked.add_argument("action", metavar="ACTION", help=f"a key from `{context.prog} list`")
    action = context.load(None).action(asked.parse_args(arguments).action)
    for line in tables.input_table(action, _width()):
        print(line)
    return 0


def preview(context: Context, arguments: list[str]) -> int:
    says = "Print the HTTP request that `run` would send, and send nothing."
    action, inputs, chosen = _action(context, "preview", says, arguments)
    base_url = chosen.base_url or context.setting("base_url")
    _json(action.preview(inputs, clear=chosen.clear, base_url=base_url))
    return 0


def run(context: Context, arguments: list[str]) -> int:
    action, inputs, chosen = _action(context, "run", "Run an action and print its result as JSON.", arguments, sends=True)
    from .client import Client
    from .exchange import fold

    base_url = chosen.base_url or context.setting("base_url")
    with _access(context, chosen.connection) as access, Client(context.load(None), base_url=base_url, **access) as client:
        pages = _watched(client.pages(action.key, inputs, chosen.limit, clear=chosen.clear))
        if chosen.ndjson:
            for page in pages:
                for item in [page.data] if page.items is None else page.items:
                    print(json.dumps(item, ensure_ascii=False))
            warnings = list(action.bind(inputs, chosen.clear).warnings)
        else:
            bound = action.bind(inputs, chosen.clear)
            result = fold(pages, action.paging, bound.warnings)
            _put(result.data, chosen.output)
            warnings = list(result.warnings)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def check(context: Context, arguments: list[str]) -> int:
    asked = parser(context, "check", "Check every definition of a folder: file, line, what is wrong and what to do.", "check .")
    asked.add_argument("folder", metavar="FOLDER", nargs="?", help="a definition folder; the bundled one if left out")
    connector = context.load(asked.parse_args(arguments).folder)
    problems = connector.check()
    for problem in problems:
        print(problem)
    counted = f"{len(connector.actions)} actions, {len(connector.triggers)} triggers, {len(connector.connections)} connections"
    print(f"{counted}: {len(problems) or 'no'} fault{'' if len(problems) == 1 else 's'}", file=sys.stderr)
    return 1 if problems else 0


def catalogue(context: Context, arguments: list[str]) -> int:
    parser(context, "catalogue", "Print the catalogue that platforms draw from, as JSON.", "catalogue").parse_args(arguments)
    _json(context.load(None).catalogue())
    return 0


def later(module: str, function: str) -> Callable[[Context, list[str]], int]:
    """A command in a module that is imported when it is first run, so that light commands stay light."""

    def run(context: Context, arguments: list[str]) -> int:
        from importlib import import_module

        return getattr(import_module(module), function)(context, arguments)  # type: ignore[no-any-return]

    return run


CONNECTIONS = "connector_runtime.connection_commands"
WEBHOOKS = "connector_runtime.webhook_commands"
AUTHORS = "connector_runtime.author_commands"
COMMANDS = {
    "list": Command("list", "list the actions", list_actions),
    "show": Command("show ACTION", "show an action's inputs", show),
    "preview": Command("preview ACTION [--INPUT VALUE …]", "print the request that run would send", preview),
    "run": Command("run ACTION [--INPUT VALUE …]", "run an action and print its result", run),
    "check": Command("check [FOLDER]", "check the definitions of a folder", check),
    "catalogue": Command("catalogue", "print what platforms draw from", catalogue),
    "connect": Command("connect [KIND]", "connect an account and keep it", later(CONNECTIONS, "connect")),
    "connections": Command("connections", "list the stored connections", later(CONNECTIONS, "connections")),
    "disconnect": Command("disconnect NAME", "revoke and forget a connection", later(CONNECTIONS, "disconnect")),
    "scopes": Command("scopes [ACTION …]", "the smallest set of scopes for actions", later(CONNECTIONS, "scopes")),
    "doctor": Command("doctor [NAME]", "check a connection end to end", later(CONNECTIONS, "doctor")),
    "diff": Command("diff OLD NEW", "what changed between two catalogues, and what of it breaks", later(AUTHORS, "diff")),
    "new": Command("new ACTION", "write the first draft of an action, also from an OpenAPI document", later(AUTHORS, "new")),
    "events": Command(
        "events [PATTERN]", "list the events of webhooks; events show NAME", later(WEBHOOKS, "events")
    ),
    "listen": Command("listen [--port N]", "print the webhooks that arrive here", later(WEBHOOKS, "listen")),
    "send-event": Command("send-event NAME --to URL", "sign and post a sample event", later(WEBHOOKS, "send_event")),
    "inbox": Command("inbox [--replay ID]", "list the events that wait or failed", later(WEBHOOKS, "inbox")),
}


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
    inputs, chosen = options.parse(parser, action, arguments[1:])
    chosen.clear = [key.replace("-", "_") for key in chosen.clear]
    return action, inputs, chosen


@contextmanager
def _access(context: Context, name: str | None) -> Iterator[dict[str, Any]]:
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
