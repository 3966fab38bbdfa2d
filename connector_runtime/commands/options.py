"""An action's inputs as options of the command line, and back to inputs."""

from __future__ import annotations

import argparse
import base64
import json
import mimetypes
import sys
from collections.abc import Callable, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError, Problem
from ..language.wording import nearest
from ..model import Input, Table
from .context import Context, wrong
from .tables import kind_of, limits_of, option

COMMON: dict[str, dict[str, Any]] = {  # what several commands have
    "--inputs": {"metavar": "FILE", "help": "the inputs as a JSON file, - for standard input; an option wins"},
    "--base-url": {"metavar": "URL", "help": "the API's base URL, with its path"},
    "--connection": {"metavar": "NAME", "help": "a stored connection, if there are several"},
}


def add_common(parser: argparse._ActionsContainer, *names: str) -> None:
    """Add options that several commands have."""
    for name in names:
        parser.add_argument(name, **COMMON[name])


class Parser(argparse.ArgumentParser):
    """Says what is wrong as an `InputError`, with the nearest option."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[0].upper()}{message[1:]}.", hint=f"See: {self.prog} --help")


def parser(context: Context, name: str, says: str | None, example: str = "") -> Parser:
    """The parser of a command, with its purpose (the command's docstring) and an example in the help."""
    return Parser(
        prog=f"{context.prog} {name}",
        description=cleandoc(says or ""),
        epilog=f"example: {context.prog} {example}" if example else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def parser_of(prog: str, spec: Table) -> tuple[Parser, argparse._ActionsContainer]:
    """A parser with one option for each input, and the group for a command's own options."""
    parser = Parser(
        prog=prog,
        description=f"{spec.label}: {spec.description}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    group = parser.add_argument_group("inputs")
    for row in spec.inputs.values():
        if row.type == "connection":
            continue
        repeated = "append" if row.collection else "store"
        more: dict[str, Any] = {"nargs": "?", "const": "true"} if row.type == "boolean" else {}
        group.add_argument(
            option(row), dest=f"={row.key}", metavar=_metavar(row), help=_help(row), action=repeated, **more
        )
    own = parser.add_argument_group("options")
    own.add_argument("-h", "--help", action="help", help="show this help")
    return parser, own


def parse(parser: Parser, spec: Table, arguments: list[str]) -> tuple[dict[str, Any], argparse.Namespace]:
    """The inputs and the other options; an option wins over `--inputs`. Raises `InputError` for unknown options."""
    known, rest = parser.parse_known_args([_dashed(argument) for argument in arguments])
    unknown = [argument for argument in rest if argument.startswith("--")]
    options = [name for action in parser._actions for name in action.option_strings]
    problems = [
        Problem(name.partition("=")[0], f"is no option of {spec.key}.{nearest(name, options)}") for name in unknown
    ]
    problems += [
        Problem(word, "stands alone; values follow their option") for word in rest if not word.startswith("--")
    ]
    if problems:
        raise InputError.of(parser.prog, problems)
    inputs = read_inputs(known.inputs) if getattr(known, "inputs", None) else {}
    for key, row in spec.inputs.items():
        given = getattr(known, f"={key}", None)
        if given is not None:
            inputs[key] = _value(row, given)
    return {key: files_read(spec.inputs.get(key), value) for key, value in inputs.items()}, known


def read_inputs(source: str) -> dict[str, Any]:
    """The inputs in a JSON file, or on standard input for `-`."""
    data = read_file("--inputs", source)
    if not isinstance(data, dict):
        raise wrong("--inputs", source, 'must hold a JSON object such as {"topic": "Weekly"}')
    return data


def read_file(subject: str, path: str, parse: Callable[[str], Any] = json.loads, what: str = "no JSON") -> Any:
    """What a file holds, or standard input for `-`; raises `InputError` where it cannot be read or `parse` fails."""
    try:
        return parse(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise wrong(subject, path, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise wrong(subject, path, f"is {what}: {error}") from None


def files_read(row: Input | None, value: Any) -> Any:
    """A file input's `{"path": …}` replaced by the file itself."""
    if row is None or row.type != "file" or not isinstance(value, dict):
        return value
    if set(value) == {"path"}:
        return _file(row, str(value["path"]))
    return {name: files_read(row, item) for name, item in value.items()} if row.collection else value


def _file(row: Input, path: str) -> Mapping[str, str]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise wrong("the command line", f"inputs.{row.key}", f"{path}: {error.strerror}") from None
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"filename": Path(path).name, "content_type": kind, "base64": base64.b64encode(content).decode()}


def _value(row: Input, given: Any) -> Any:
    if not row.collection:
        return given
    if row.collection == "list":
        return given[0] if len(given) == 1 else given
    if len(given) == 1 and given[0].lstrip().startswith(("{", "[")):
        return given[0]
    pairs = []
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise wrong("the command line", option(row), f"{text!r} is no name=value")
        is_path = row.type == "file" and value.startswith("@")
        pairs.append({"key": name, "value": _file(row, value[1:]) if is_path else value})
    return pairs


def _dashed(argument: str) -> str:
    """`--user_id=x` as `--user-id=x`."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return f"{name.replace('_', '-')}{equals}{value}"


def _metavar(row: Input) -> str:
    if row.collection == "map":
        return "NAME=@FILE" if row.type == "file" else "NAME=VALUE"
    if row.choices and len(row.choices) <= 5 and all(str(choice.value) == choice.label for choice in row.choices):
        return "{" + ",".join(str(choice.value) for choice in row.choices) + "}"
    return {"boolean": "true|false", "integer": "N", "number": "N", "json": "JSON"}.get(row.type, "TEXT")


def _help(row: Input) -> str:
    said = [row.comments.rstrip(".") or kind_of(row)]
    if row.choices:
        shown = [f"{choice.value} {choice.label}" for choice in row.choices[:10]]
        more = f" · and {len(row.choices) - 10} more" if row.choices[10:] else ""
        said.append(f"One of: {' · '.join(shown)}{more}")
    said += [limits_of(row).rstrip(".")] if limits_of(row) else []
    if row.required == () and not row.has_default and row.only_when is None:
        said.append("Required")
    return ". ".join(said).replace("%", "%%")
