"""The command line: which command is meant, and how it ends. Results go to stdout, all else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConnectorError, InputError, RequestError

if TYPE_CHECKING:
    from ..definitions.connector import Connector
    from . import options

EXIT_CODES = """exit codes: 0 ok, 1 check or diff found something, 2 usage, input or definition, 3 connection,
            4 the vendor refused, 5 rate limit or quota, 6 transport, 130 interrupted"""


class Context(NamedTuple):
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


class Command(NamedTuple):
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
            from ..language.wording import nearest

            raise InputError(
                f"'{arguments[0]}' is no command.{nearest(arguments[0], commands)}", hint=f"See: {prog} --help"
            )
        return command.run(context, arguments[1:])
    except ConnectorError as error:
        print(f"error: {error}", file=sys.stderr)
        if isinstance(error, RequestError) and error.tracking_id:
            print(f"  tracking id for the vendor's support: {error.tracking_id}", file=sys.stderr)
        if isinstance(error, RequestError) and error.items_read:
            on = f"; go on with --cursor {error.cursor}" if error.cursor else ""
            print(f"  {error.items_read} items were read before it{on}", file=sys.stderr)
        if isinstance(error, RequestError) and error.retry_at:
            print(f"  try again at {error.retry_at.isoformat()}", file=sys.stderr)
        return error.exit_code
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
    """The parser of a command, with its purpose and an example in the help."""
    import argparse

    from . import options

    return options.Parser(
        prog=f"{context.prog} {name}",
        description=says,
        epilog=f"example: {context.prog} {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def later(module: str, function: str) -> Callable[[Context, list[str]], int]:
    """A command in a module that is imported when it is first run, so that light commands stay light."""

    def run(context: Context, arguments: list[str]) -> int:
        from importlib import import_module

        return getattr(import_module(module), function)(context, arguments)  # type: ignore[no-any-return]

    return run


LIST = "connector_runtime.commands.list_command"
ACTIONS = "connector_runtime.commands.action_commands"
CHOICES = "connector_runtime.commands.choices_command"
CONNECTIONS = "connector_runtime.commands.connection_commands"
DOWNLOADS = "connector_runtime.commands.download_command"
WEBHOOKS = "connector_runtime.commands.webhook_commands"
AUTHORS = "connector_runtime.commands.author_commands"
SERVICE = "connector_runtime.commands.service_commands"
MCP = "connector_runtime.commands.mcp_command"
COMMANDS = {
    "list": Command("list", "list the actions", later(LIST, "list_actions")),
    "show": Command("show ACTION", "show an action's inputs", later(ACTIONS, "show")),
    "preview": Command(
        "preview ACTION [--INPUT VALUE …]", "print the request that run would send", later(ACTIONS, "preview")
    ),
    "run": Command("run ACTION [--INPUT VALUE …]", "run an action and print its result", later(ACTIONS, "run")),
    "choices": Command("choices ACTION INPUT", "list what an input's drop-down offers", later(CHOICES, "choices")),
    "download": Command(
        "download ID [--to FOLDER]", "download the files that an action offers", later(DOWNLOADS, "download")
    ),
    "check": Command("check [FOLDER]", "check the definitions of a folder", later(ACTIONS, "check")),
    "catalogue": Command("catalogue [--locale CODE]", "print what platforms draw from", later(ACTIONS, "catalogue")),
    "connect": Command("connect [KIND]", "connect an account and keep it", later(CONNECTIONS, "connect")),
    "connections": Command("connections", "list the stored connections", later(CONNECTIONS, "connections")),
    "disconnect": Command("disconnect NAME", "revoke and forget a connection", later(CONNECTIONS, "disconnect")),
    "scopes": Command("scopes [ACTION …]", "the smallest set of scopes for actions", later(CONNECTIONS, "scopes")),
    "doctor": Command("doctor [NAME]", "check a connection end to end", later(CONNECTIONS, "doctor")),
    "diff": Command(
        "diff OLD NEW", "what changed between two catalogues, and what of it breaks", later(AUTHORS, "diff")
    ),
    "new": Command(
        "new ACTION", "write the first draft of an action, also from an OpenAPI document", later(AUTHORS, "new")
    ),
    "locale": Command(
        "locale CODE", "write or complete a translation: all texts into locales/CODE.yaml", later(AUTHORS, "locale")
    ),
    "events": Command("events [PATTERN]", "list the events of webhooks; events show NAME", later(WEBHOOKS, "events")),
    "listen": Command("listen [--port N]", "print the webhooks that arrive here", later(WEBHOOKS, "listen")),
    "send-event": Command("send-event NAME --to URL", "sign and post a sample event", later(WEBHOOKS, "send_event")),
    "inbox": Command("inbox [--replay ID]", "list the events that wait or failed", later(WEBHOOKS, "inbox")),
    "serve": Command("serve [--port N]", "serve the connector over HTTP", later(SERVICE, "serve")),
    "api-key": Command("api-key create|list|revoke", "who may use the service", later(SERVICE, "api_key")),
    "mcp": Command("mcp [--only PATTERN …]", "offer the actions to a language model as tools", later(MCP, "mcp")),
}
