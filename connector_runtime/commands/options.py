"""An action's inputs as options of the command line and back, and as a person reads them in a terminal."""

from __future__ import annotations

import argparse
import base64
import json
import mimetypes
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError, Problem
from ..language import conditions, secrets
from ..language.schema_faults import nearest
from ..model import ActionSpec, Input, InputTable
from .context import Context, put, wrong

LONGEST = 300  # characters of what is wrong with an option, which may quote all of it
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

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog=prog, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **more)

    def print_help(self, file: Any = None) -> None:
        put(self.format_help().rstrip())

    def error(self, message: str) -> NoReturn:
        said = message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
        raise InputError(f"{said[0].upper()}{said[1:]}.", hint=f"See: {self.prog} --help")


def parser(context: Context, name: str, says: str | None, example: str) -> Parser:
    """The parser of a command, with its purpose (the command's docstring) and an example in the help."""
    purpose, epilog = cleandoc(says or ""), f"example: {context.prog} {example}"
    return Parser(f"{context.prog} {name}", description=purpose, epilog=epilog)


def parser_of(prog: str, spec: InputTable) -> tuple[Parser, argparse._ActionsContainer]:
    """A parser with one option for each input, and the group for a command's own options."""
    parser = Parser(prog, description=f"{spec.label}: {spec.description}", add_help=False)
    group = parser.add_argument_group("inputs")
    for row in spec.inputs.values():
        if row.type != "connection":
            how: dict[str, Any] = {"nargs": "?", "const": "true"} if row.type == "boolean" else {}
            how |= {"action": "append"} if row.collection else {}
            group.add_argument(option(row), dest=f"={row.key}", metavar=_metavar(row), help=_help(row), **how)
    own = parser.add_argument_group("options")
    own.add_argument("-h", "--help", action="help", help="show this help")
    return parser, own


def parse(parser: Parser, spec: InputTable, arguments: list[str]) -> tuple[dict[str, Any], argparse.Namespace]:
    """The inputs and the other options; an option wins over `--inputs`. Raises `InputError` for unknown options."""
    dashed = [re.sub("^--[^=]*", lambda name: name[0].replace("_", "-"), argument) for argument in arguments]
    known, rest = parser.parse_known_args(dashed)
    options = [name for action in parser._actions for name in action.option_strings]
    unknown = [argument.partition("=")[0] for argument in rest if argument.startswith("--")]
    alone = [word for word in rest if not word.startswith("--")]
    problems = [Problem(name, f"is no option of {spec.key}.{nearest(name, options)}") for name in unknown]
    problems += [Problem(word, "stands alone; values follow their option") for word in alone]
    if problems:
        raise InputError.of(parser.prog, problems)
    inputs = read_file("--inputs", known.inputs) if getattr(known, "inputs", None) else {}
    if not isinstance(inputs, dict):
        raise wrong("--inputs", known.inputs, 'must hold a JSON object such as {"topic": "Weekly"}')
    for key, row in spec.inputs.items():
        given = getattr(known, f"={key}", None)
        if given is not None:
            inputs[key] = _value(row, given)
    return {key: files_read(spec.inputs.get(key), value) for key, value in inputs.items()}, known


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
    said += filter(None, [limits_of(row).rstrip(".")])
    if row.is_always_needed:
        said.append("Required")
    return ". ".join(said).replace("%", "%%")


KINDS = {
    "string": "text",
    "secret": "secret text",
    "integer": "whole number",
    "boolean": "true or false",
    "datetime": "date and time",
    "json": "JSON",
    "any": "JSON or text",
    "array": "list",  # of JSON Schema
}


def input_table(spec: ActionSpec, width: int = 100) -> Iterator[str]:
    """An action and its inputs: label, option, type, what is needed when, help."""
    yield f"{spec.label} ({spec.key})"
    yield f"  {spec.description}"
    facts = [f"{spec.method} {spec.path}" if spec.method else "any request", f"effect: {spec.effect or 'by method'}"]
    facts += [f"rate limit: {spec.rate_limit}"] if spec.rate_limit else []
    facts += ["a list: all pages are read"] if spec.paging else []
    yield f"  {' · '.join(facts)}"
    for kind, scopes in spec.scopes.items():
        named = " or ".join(scope if isinstance(scope, str) else " with ".join(scope) for scope in scopes)
        yield from _wrapped(f"{kind} scope: {named}", 2, width)
    if spec.docs:
        yield f"  {spec.docs}"
    for row in spec.inputs.values():
        if row.type != "connection":
            yield ""
            yield from _input(row, spec, width)
    if spec.rules:
        yield ""
        for rule in spec.rules:
            names = ", ".join(spec.inputs[key].label for key in rule.keys)
            when = f" when {conditions.phrase(rule.when, dict(spec.inputs))}" if rule.when else ""
            yield from _wrapped(f"{rule.kind.replace('_', ' ')} of: {names}{when}", 2, width)


def output_table(spec: ActionSpec) -> Iterator[str]:
    """What an action gives, a line a value: path, type, whether it is a secret, what it means."""
    schema = spec.output.get("schema", {}) if spec.output else {}
    shown = {path: said for path, said in secrets.fields(schema) if path and said.get("type") != "object"}
    nothing = schema.get("description", "what the vendor answers; its fields are not declared")
    yield f"{spec.label} ({spec.key}) gives{':' if shown else f' {nothing}.'}"
    for path, said in shown.items():
        kinds = said.get("type", [])
        kind = " or ".join(KINDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
        facts = [kind, "secret" if said.get(secrets.SECRET_WORD) else "", said.get("description", "")]
        yield f"  {path}  {' · '.join(fact for fact in facts if fact)}"


def _input(row: Input, spec: ActionSpec, width: int) -> Iterator[str]:
    rows = dict(spec.inputs)
    needed = ""
    if row.required is not None and not row.has_default:
        when = (*(row.only_when or ()), *row.required)
        needed = f"  required{f' when {conditions.phrase(when, rows)}' if when else ''}"
    yield f"  {row.label}  {option(row)}  {kind_of(row)}{needed}"
    same = all(str(choice.value) == choice.label for choice in row.choices)
    shown = [str(choice.value) if same else f"{choice.value} {choice.label}" for choice in row.choices]
    is_example = row.example is not None and not row.choices and row.type != "secret"
    default = "Filled in if left out" if row.fills_in else "Published default (shown, not sent)"
    above = (
        row.comments,
        "" if row.deprecated is None else f"Deprecated: {row.deprecated}",
        f"Old name, which still works: {', '.join(row.was)}" if row.was else "",
        f"Only when {conditions.phrase(row.only_when, rows)}." if row.only_when else "",
        f"One of: {' · '.join(shown)}" if row.choices else "",
    )
    below = (
        limits_of(row),
        f"{default}: {_plain(row.default)}" if row.has_default else "",
        "" if row.if_absent is None else f"Left out: {_plain(row.if_absent)}",
        f"Example: {_plain(row.example)}" if is_example else "",
    )
    for text in filter(None, above):
        yield from _wrapped(text, 6, width)
    if row.choices_from:
        yield f"      To list what it can be: choices {spec.key} {row.key}"
    for text in filter(None, below):
        yield from _wrapped(text, 6, width)


def limits_of(row: Input) -> str:
    """The limits of a value in words, or nothing."""
    schema = row.schema
    if row.type in ("integer", "number") and ("minimum" in schema or "maximum" in schema):
        return f"From {schema.get('minimum', 'any')} to {schema.get('maximum', 'any')}."
    if "maxLength" in schema:
        low = f"{schema['minLength']} to " if "minLength" in schema else "At most "
        return f"{low}{schema['maxLength']} characters."
    return ""


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _wrapped(text: str, indent: int, width: int) -> list[str]:
    lines = textwrap.wrap(text, max(width, 40) - indent, break_long_words=False, break_on_hyphens=False)
    return [f"{' ' * indent}{line}" for line in lines]


def option(row: Input) -> str:
    """The command line's option for an input."""
    return f"--{row.key.replace('_', '-')}"


def kind_of(row: Input) -> str:
    kind = KINDS.get(row.type, row.type)
    return {"list": f"list of {kind}", "map": f"map of {kind}"}.get(row.collection or "", kind)
