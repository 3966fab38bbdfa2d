"""The command `choices`: what a drop-down offers, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..calls.choices import browse, reads
from ..definitions.connector import Connector
from ..errors import InputError, Problem
from ..language.wording import nearest
from ..model import ChoiceList, Input, Table
from . import options
from .context import Context, print_json, print_table, say, wrong

SAYS = """Print what a drop-down offers: the values that an input takes, with labels.

ACTION INPUT names an input; what its choices depend on is given as for `run`. A LIST is asked for by its own name."""


def choices(context: Context, arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help(context))
        return 0 if arguments else 2
    connector = context.load(None)
    key, name, rest = _named(connector, arguments)
    inputs, parameters = _asked(connector, key, name)
    prog = " ".join([context.prog, "choices", *arguments[: len(arguments) - len(rest)]])
    about = f"the list '{key}'" if name is None else f"what the input '{name}' of {key} takes"
    form = Table.of("choices", "Choices", (*inputs, *parameters), about)
    asked, own = options.parser_of(prog, form)
    own.add_argument("--search", metavar="TEXT", help="only entries with these words, whatever their case or accents")
    own.add_argument("--cursor", metavar="TEXT", help="go on where an earlier page ended")
    own.add_argument("--json", action="store_true", help="as JSON: {choices: [{value, label, description}], cursor}")
    options.add_common(own, "--inputs", "--base-url", "--connection")
    values, chosen = options.parse(asked, form, rest)
    said: dict[str, Any] = {
        "inputs": {row.key: values[row.key] for row in inputs if row.key in values},
        "parameters": {row.key: values[row.key] for row in parameters if row.key in values},
        "search": chosen.search,
        "cursor": chosen.cursor,
    }
    begun = browse(connector.profile, connector.action, key, name, **said)
    found = begun.result
    if begun.wants_page:
        from .access import client

        with client(context, chosen) as caller:
            found = caller.choices(key, name, **said)
    if chosen.json:
        print_json(found.to_dict())
        return 0
    texts = ((str(each.value), each.label, each.description or "") for each in found.choices)
    print_table([[_shown(text) for text in row] for row in texts])
    if not found.choices:
        say("nothing on these pages" if found.cursor else "there is nothing to choose from")
    if found.cursor is not None:
        say(f"there is more: add --cursor {found.cursor}")
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
    raise wrong("choices", "INPUT", what)


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
