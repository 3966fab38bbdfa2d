"""The command line: runs a command and returns its exit code. It imports little, so `list` is fast."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConnectorError, InputError, RequestError
from .context import UNWRITTEN, Context, OutputError, print_table, put, say

if TYPE_CHECKING:
    from .context import Load

EXIT_CODES = """exit codes: 0 success, 1 faults or breaking changes found, 2 wrong usage, input or definition,
            3 connection, 4 refused by the vendor, 5 rate limit or quota, 6 transport, 7 bug in the connector,
            8 the result could not be written (if it cannot be fetched again, it is printed to stderr),
            130 interrupted"""


class Command(NamedTuple):
    """A command: its usage, its purpose, and `module:function`, imported when it runs; the function may be omitted."""

    usage: str
    says: str
    home: str

    def run(self, context: Context, arguments: list[str]) -> int | None:
        module, _, function = self.home.partition(":")
        name = function or self.usage.split()[0].replace("-", "_")
        return getattr(import_module(module, __package__), name)(context, arguments)  # type: ignore[no-any-return]


def main(arguments: list[str], prog: str, load: Load, *, example: str, more: dict[str, Command] | None = None) -> int:
    """Run one command and return its exit code; `more` are commands that only this connector has."""
    commands = {**COMMANDS, **(more or {})}
    context = Context(prog, load, os.environ, example)
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            width = max(len(command.usage) for command in commands.values())
            lines = [f"  {command.usage:<{width}}  {command.says}" for command in commands.values()]
            put("\n".join([f"usage: {prog} COMMAND …", "", *lines]))
            put(f"\n`{prog} COMMAND --help` explains a command and shows an example.\n\n{EXIT_CODES}")
            return 0 if arguments else 2
        if arguments[0] == "--version":
            put(load(None).profile.version)
            return 0
        command = commands.get(arguments[0])
        if command is None:
            from ..language.schema_faults import nearest

            what = f"'{arguments[0]}' is not a command.{nearest(arguments[0], commands)}"
            raise InputError(what, hint=f"See: {prog} --help")
        return command.run(context, arguments[1:]) or 0
    except ConnectorError as error:
        say(f"error: {error}")
        if isinstance(error, RequestError):
            if error.tracking_id:
                say(f"  tracking id for the vendor's support: {error.tracking_id}")
            if error.items_read:
                rest = f"; to continue, add --cursor {error.cursor}" if error.cursor else ""
                say(f"  {error.items_read} items were read{rest}")
            if error.retry_at:
                say(f"  try again at {error.retry_at.isoformat()}")
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except OutputError as error:
        if not error.args:
            return 0
        say(f"error: {error}")
        return UNWRITTEN


def list_actions(context: Context, arguments: list[str]) -> None:
    """List the actions with their keys, labels and descriptions."""
    if arguments:  # the bare command must be fast, so it loads no argparse
        from .options import parser

        parser(context, "list", list_actions.__doc__, "list").parse_args(arguments)
    print_table([(outline.key, outline.label, outline.description) for outline in context.load(None).outlines()])


COMMANDS = {
    command.usage.split()[0]: command
    for command in (
        Command("list", "list the actions", ".cli:list_actions"),
        Command("show ACTION", "show an action's inputs", ".action_commands"),
        Command("preview ACTION [--INPUT VALUE …]", "print the request that run would send", ".action_commands"),
        Command("run ACTION [--INPUT VALUE …]", "run an action and print its result", ".action_commands"),
        Command("choices ACTION INPUT", "list the choices of an input", ".action_commands"),
        Command("download ID [--to FOLDER]", "download the files that an action offers", ".action_commands"),
        Command("check [FOLDER]", "check the definitions of a folder", ".action_commands"),
        Command("catalogue [--locale CODE]", "print the catalogue for platforms", ".action_commands"),
        Command("connect [KIND]", "connect an account and store the connection", ".connection_commands"),
        Command("connections", "list the stored connections", ".connection_commands"),
        Command("disconnect NAME", "revoke and delete a connection", ".connection_commands"),
        Command("scopes [ACTION …]", "list the smallest set of scopes for actions", ".connection_commands"),
        Command("doctor [NAME]", "check a connection end to end", ".connection_commands"),
        Command("diff OLD NEW", "list changes between catalogues, and which break flows", ".author_commands"),
        Command("new ACTION", "draft an action from its name or an OpenAPI document", ".author_commands"),
        Command("locale CODE", "start or complete a translation in locales/CODE.yaml", ".author_commands"),
        Command("events [PATTERN]", "list the events of webhooks, or show one", ".webhook_commands"),
        Command("listen [--port N]", "receive webhooks on this machine and print them", ".webhook_commands"),
        Command("send-event NAME --to URL", "sign a sample event and post it", ".webhook_commands"),
        Command("inbox [--replay ID]", "list the events that are waiting or have failed", ".webhook_commands"),
        Command("serve [--port N]", "serve the connector over HTTP", ".service_commands"),
        Command("api-key create|list|revoke", "manage the API keys of the service", ".service_commands"),
        Command("mcp [--only PATTERN …]", "offer the actions to a language model as tools", ".service_commands"),
    )
}
