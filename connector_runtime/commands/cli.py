"""The command line: which command is meant, and how it ends. It loads little: people wait for `list` at a prompt."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConnectorError, InputError, RequestError
from .context import UNWRITTEN, Context, OutputError, print_table, put, say

if TYPE_CHECKING:
    from ..definitions.connector import Outline
    from .context import Load

EXIT_CODES = """exit codes: 0 ok, 1 check or diff found something, 2 usage, input or definition, 3 connection,
            4 the vendor refused, 5 rate limit or quota, 6 transport, 7 a fault of the connector,
            8 the result could not be written (what can be had only once is on stderr), 130 interrupted"""


class Command(NamedTuple):
    """A command: its usage after the program's name, what it does, and the module with its function, imported late."""

    usage: str
    says: str
    home: str

    def run(self, context: Context, arguments: list[str]) -> int | None:
        """Do it; the exit code, or None for 0."""
        module, _, function = self.home.partition(":")
        name = function or self.usage.split()[0].replace("-", "_")
        return getattr(import_module(module, __package__), name)(context, arguments)  # type: ignore[no-any-return]


def main(arguments: list[str], prog: str, load: Load, *, example: str, more: dict[str, Command] | None = None) -> int:
    """Run one command and return its exit code; `more` adds commands of a connector's own."""
    commands = {**COMMANDS, **(more or {})}
    context = Context(prog, load, os.environ, example)
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            width = max(len(command.usage) for command in commands.values())
            listed = [f"  {command.usage:<{width}}  {command.says}" for command in commands.values()]
            put("\n".join([f"usage: {prog} COMMAND …", "", *listed]))
            put(f"\n{prog} COMMAND --help tells more.\n\n{EXIT_CODES}")
            return 0 if arguments else 2
        if arguments[0] == "--version":
            put(load(None).profile.version)
            return 0
        command = commands.get(arguments[0])
        if command is None:
            from ..language.schema_faults import nearest

            what = f"'{arguments[0]}' is no command.{nearest(arguments[0], commands)}"
            raise InputError(what, hint=f"See: {prog} --help")
        return command.run(context, arguments[1:]) or 0
    except ConnectorError as error:
        say(f"error: {error}")
        if isinstance(error, RequestError):
            if error.tracking_id:
                say(f"  tracking id for the vendor's support: {error.tracking_id}")
            if error.items_read:
                on = f"; go on with --cursor {error.cursor}" if error.cursor else ""
                say(f"  {error.items_read} items were read before it{on}")
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
    """List the actions."""
    markdown = False
    if arguments:  # people wait for the bare command at a prompt, so it loads no argparse
        from .options import parser

        asked = parser(context, "list", list_actions.__doc__, "list")
        asked.add_argument("--markdown", action="store_true", help="as a table for a README")
        markdown = asked.parse_args(arguments).markdown
    outlines = list(context.load(None).outlines())
    if markdown:
        put("\n".join(markdown_table(outlines)))
    else:
        print_table([(outline.key, outline.label, outline.description) for outline in outlines])


def markdown_table(outlines: Iterable[Outline]) -> Iterator[str]:
    """The table of actions for the README."""
    yield "| action | what it does | request | effect |"
    yield "|---|---|---|---|"
    for outline in outlines:
        request = f"`{outline.method} {outline.path}`" if outline.method else "any"
        says = outline.description.rstrip(".")
        yield f"| `{outline.key}` | {says} | {request} | {outline.effect or 'by method'} |"


COMMANDS = {
    command.usage.split()[0]: command
    for command in (
        Command("list", "list the actions", ".cli:list_actions"),
        Command("show ACTION", "show an action's inputs", ".action_commands"),
        Command("preview ACTION [--INPUT VALUE …]", "print the request that run would send", ".action_commands"),
        Command("run ACTION [--INPUT VALUE …]", "run an action and print its result", ".action_commands"),
        Command("choices ACTION INPUT", "list what an input's drop-down offers", ".action_commands"),
        Command("download ID [--to FOLDER]", "download the files that an action offers", ".action_commands"),
        Command("check [FOLDER]", "check the definitions of a folder", ".action_commands"),
        Command("catalogue [--locale CODE]", "print what platforms draw from", ".action_commands"),
        Command("connect [KIND]", "connect an account and keep it", ".connection_commands"),
        Command("connections", "list the stored connections", ".connection_commands"),
        Command("disconnect NAME", "revoke and forget a connection", ".connection_commands"),
        Command("scopes [ACTION …]", "the smallest set of scopes for actions", ".connection_commands"),
        Command("doctor [NAME]", "check a connection end to end", ".connection_commands"),
        Command("diff OLD NEW", "what changed between two catalogues, and what of it breaks", ".author_commands"),
        Command("new ACTION", "write the first draft of an action, also from an OpenAPI document", ".author_commands"),
        Command("locale CODE", "write or complete a translation: all texts into locales/CODE.yaml", ".author_commands"),
        Command("events [PATTERN]", "list the events of webhooks; events show NAME", ".webhook_commands"),
        Command("listen [--port N]", "print the webhooks that arrive here", ".webhook_commands"),
        Command("send-event NAME --to URL", "sign and post a sample event", ".webhook_commands"),
        Command("inbox [--replay ID]", "list the events that wait or failed", ".webhook_commands"),
        Command("serve [--port N]", "serve the connector over HTTP", ".service_commands"),
        Command("api-key create|list|revoke", "who may use the service", ".service_commands"),
        Command("mcp [--only PATTERN …]", "offer the actions to a language model as tools", ".service_commands"),
    )
}
