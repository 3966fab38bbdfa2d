"""The command `choices`: what a drop-down offers, as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from ..calls.choices import browse, reads
from ..definitions.connector import Connector
from ..errors import InputError, Problem
from ..language.wording import nearest
from ..model import ChoiceList, Choices, Input, Table
from . import options
from .action_commands import access
from .cli import Context

SAYS = """Print what a drop-down offers: the values that an input takes, with labels.

ACTION INPUT names an input; what its choices depend on is given as for `run`. A LIST is asked for by its own name."""


def choices(context: Context, arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help(context))
        return 0 if arguments else 2
    connector = context.load(None)
    key, name, rest = _named(connector, arguments)
    inputs, parameters = _asked(connector, key, name)
    rows = {row.key: row for row in (*inputs, *parameters)}
    prog = " ".join([context.prog, "choices", *arguments[: len(arguments) - len(rest)]])
    form = Table(key="choices", label="Choices", description=_purpose(key, name), inputs=rows, by_name=rows, rules=())
    values, chosen = options.parse(_parser(prog, form), form, rest)
    said: dict[str, Any] = {
        "inputs": {row.key: values[row.key] for row in inputs if row.key in values},
        "parameters": {row.key: values[row.key] for row in parameters if row.key in values},
        "search": chosen.search,
        "cursor": chosen.cursor,
    }
    begun = browse(connector.profile, connector.action, key, name, **said)
    found = begun.result
    if begun.wants_page:
        from ..client import Client

        base_url = chosen.base_url or context.setting("base_url")
        with access(context, chosen.connection) as given, Client(connector, base_url=base_url, **given) as client:
            found = client.choices(key, name, **said)
    _print(found, as_json=chosen.json)
    return 0


def _named(connector: Connector, arguments: list[str]) -> tuple[str, str | None, list[str]]:
    """The action and the input, or the list, and the arguments after them."""
    key = arguments[0]
    if key not in connector.actions and key in connector.profile.choices:
        return key, None, arguments[1:]
    if key not in connector.actions:
        close = nearest(key, [*connector.actions, *connector.profile.choices])
        what = f"is neither an action of {connector.key} nor a list of choices.{close}"
        raise InputError(f"'{key}' {what}", problems=[Problem("action", f"{key!r} {what}")])
    if len(arguments) > 1 and not arguments[1].startswith("-"):
        return key, arguments[1].replace("-", "_"), arguments[2:]
    able = [row.key for row in connector.action(key).inputs.values() if row.choices or row.choices_from]
    what = f"name one that has choices: {', '.join(able)}" if able else f"none of {key} has choices"
    raise InputError.of("choices", [Problem("INPUT", what)])


def _asked(connector: Connector, key: str, name: str | None) -> tuple[list[Input], list[Input]]:
    """The inputs and the parameters that the choices depend on."""
    lists = connector.profile.choices
    spec = connector.action(key) if name is not None else None
    row = spec.by_name.get(name or "") if spec else None
    source = lists.get(key, ChoiceList(key=key)) if spec is None else lists.get((row and row.choices_from) or "")
    own, parameters = reads(source, spec) if source else ([], [])
    return [spec.inputs[each] for each in own] if spec else [], [_told(row) for row in parameters]


def _told(row: Input) -> Input:
    """A parameter with its label and default in its help, where an input of the action has its comments."""
    said = [row.label, *([f"{row.default} if left out"] if row.has_default else []), row.comments]
    return row._replace(comments=". ".join(each.rstrip(".") for each in said if each))


def _purpose(key: str, name: str | None) -> str:
    return f"the list '{key}'" if name is None else f"what the input '{name}' of {key} takes"


def _parser(prog: str, form: Table) -> options.Parser:
    parser = options.parser_of(prog, form)
    own = parser.add_argument_group("options")
    own.add_argument("-h", "--help", action="help", help="show this help")
    own.add_argument("--search", metavar="TEXT", help="only entries with these words, whatever their case or accents")
    own.add_argument("--cursor", metavar="TEXT", help="go on where an earlier page ended")
    own.add_argument("--json", action="store_true", help="as JSON: {choices: [{value, label, description}], cursor}")
    own.add_argument("--inputs", metavar="FILE", help="the inputs as a JSON file, - for standard input; an option wins")
    own.add_argument("--base-url", metavar="URL", help="the API's base URL, with its path")
    own.add_argument("--connection", metavar="NAME", help="a stored connection, if there are several")
    return parser


def _print(found: Choices, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2))
        return
    for line in table(found):
        print(line)
    if not found.choices:
        print("nothing on these pages" if found.cursor else "there is nothing to choose from", file=sys.stderr)
    if found.cursor is not None:
        print(f"there is more: add --cursor {found.cursor}", file=sys.stderr)


def table(found: Choices) -> Iterator[str]:
    """One line an entry: value, label, description."""
    rows = [(_shown(str(each.value)), _shown(each.label), _shown(each.description or "")) for each in found.choices]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else [0, 0]
    for value, label, description in rows:
        yield f"{value:<{widths[0]}}  {label:<{widths[1]}}  {description}".rstrip()


def _shown(text: str) -> str:
    """Text of a vendor's users without what would steer the terminal."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)


def _help(context: Context) -> str:
    connector = context.load(None)
    prog = f"{context.prog} choices"
    lines = [f"usage: {prog} ACTION INPUT [--search TEXT] [--INPUT VALUE …]", f"       {prog} LIST [--search TEXT] …"]
    lines += ["", SAYS, "", f"{prog} ACTION INPUT --help lists what the choices of an input depend on."]
    names = list(connector.profile.choices)
    if names:
        lines += ["", "lists: " + ", ".join(names)]
    examples = [
        f"{prog} {key} {row.key}{' --search TEXT' if number else ''}"
        for number, kind in enumerate(("choices_from", "choices"))
        for key, row in _first(connector, kind)
    ]
    return "\n".join([*lines, *(["", "examples:"] if examples else []), *(f"  {each}" for each in examples)])


def _first(connector: Connector, kind: str) -> Iterator[tuple[str, Input]]:
    for key, action in connector.actions.items():
        for row in action.inputs.values():
            if getattr(row, kind):
                yield key, row
                return
