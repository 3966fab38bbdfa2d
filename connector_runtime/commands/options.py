"""An action's inputs as options of the command line, and as help in a terminal."""

from __future__ import annotations

import argparse
import base64
import json
import mimetypes
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import cleandoc
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from ..errors import InputError, Problem
from ..language import conditions, secrets
from ..language.schema_faults import nearest
from ..model import ActionSpec, Input, InputTable
from .context import Context, put, wrong

LONGEST = 300  # characters of an argparse error, which may quote a whole argument
COMMON: dict[str, dict[str, Any]] = {
    "--inputs": {"metavar": "FILE", "help": "inputs from a JSON file (-: stdin); command-line options take precedence"},
    "--base-url": {"metavar": "URL", "help": "the base URL of the vendor's API, if it is not the default"},
    "--connection": {"metavar": "NAME", "help": "the stored connection to use (default: the only one)"},
}


def add_common(parser: argparse._ActionsContainer, *names: str) -> None:
    for name in names:
        parser.add_argument(name, **COMMON[name])


class Parser(argparse.ArgumentParser):
    """A parser that prints help with `put` and raises `InputError`s."""

    def __init__(self, prog: str, **terms: Any) -> None:
        super().__init__(prog=prog, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **terms)

    def print_help(self, file: Any = None) -> None:
        put(self.format_help().rstrip())

    def error(self, message: str) -> NoReturn:
        text = message if len(message) <= LONGEST else f"{message[:LONGEST]}…"
        raise InputError(f"{text[0].upper()}{text[1:]}.", hint=f"See: {self.prog} --help")


def purpose(docstring: str | None) -> str:
    """Return the description of a command from its docstring."""
    return cleandoc(docstring or "(python -OO removes this description; run it without -OO)")


def parser(context: Context, name: str, docstring: str | None, example: str) -> Parser:
    """Return the parser of a command; its help shows the purpose and an example."""
    return Parser(f"{context.prog} {name}", description=purpose(docstring), epilog=f"example: {context.prog} {example}")


def parser_of(prog: str, spec: InputTable) -> tuple[Parser, argparse._ActionsContainer]:
    """Return a parser with one option for each input, and the group for a command's own options."""
    rows = [row for row in spec.inputs.values() if row.type != "connection"]
    needed = [f"{option(row)} {shlex.quote(_sample(row))}" for row in rows if row.is_always_needed]
    epilog = " ".join([f"example: {prog}", *needed])
    parser = Parser(prog, description=f"{spec.label}: {spec.description}", epilog=epilog, add_help=False)
    group = parser.add_argument_group("inputs")
    for row in rows:
        terms: dict[str, Any] = {"nargs": "?", "const": "true"} if row.type == "boolean" else {}
        terms |= {"action": "append"} if row.collection else {}
        group.add_argument(option(row), dest=f"={row.key}", metavar=_metavar(row), help=_help(row), **terms)
    own = parser.add_argument_group("options")
    own.add_argument("-h", "--help", action="help", help="show this help")
    return parser, own


def parse(
    parser: Parser, spec: InputTable, arguments: list[str], bind: Callable[..., object] = lambda *_: None
) -> tuple[dict[str, Any], argparse.Namespace]:
    """Return the inputs and the other options; options take precedence over `--inputs`.

    Raises `InputError` with every problem of the options, and with those of the inputs that `bind` finds.
    """
    dashed = [re.sub("^--[^=]*", lambda name: name[0].replace("_", "-"), argument) for argument in arguments]
    chosen, rest = parser.parse_known_args(dashed)
    chosen.clear = [key.replace("-", "_") for key in getattr(chosen, "clear", ())]
    chosen.extra, problems = _extra(getattr(chosen, "extra", ()))
    names = [name for action in parser._actions for name in action.option_strings]
    unknown = [word.partition("=")[0] for word in rest if word.startswith("--")]
    problems += [Problem(name, f"is not an option of {spec.key}.{nearest(name, names)}") for name in unknown]
    for before, word in pairwise(["", *rest]):
        if not word.startswith("--") and ("=" in before or not before.startswith("--")):  # no unknown option's value
            problems.append(Problem(word, "does not belong to an option; write each value after its option"))
    inputs = read_file(parser.prog, chosen.inputs) if getattr(chosen, "inputs", None) else {}
    if not isinstance(inputs, dict):
        raise wrong(parser.prog, chosen.inputs, 'must contain a JSON object such as {"topic": "Weekly"}')
    texts = {key: text for key in spec.inputs if (text := getattr(chosen, f"={key}", None)) is not None}
    for key, value in {**inputs, **texts}.items():
        row = spec.inputs.get(key)
        try:
            inputs[key] = _with_files(row, _value(row, value) if row and key in texts else value)
        except InputError as error:
            problems += error.problems
    if problems:
        try:
            bind(inputs, chosen.clear, chosen.extra)
        except InputError as error:
            named = {problem.where for problem in problems}
            problems += [each for each in error.problems if ".".join(each.where.split(".")[:2]) not in named]
        raise InputError.of(parser.prog, problems)
    return inputs, chosen


def _extra(texts: Iterable[str]) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Return the values of `--extra PLACE=VALUE` by place; a value that is not JSON is a string."""
    extra: dict[str, Any] = {}
    problems: list[Problem] = []
    for place, equals, value in (text.partition("=") for text in texts):
        if not equals or place in extra:
            what = "is set twice; keep one" if equals else "is not PLACE=VALUE, such as query.x=1"
            problems.append(Problem(f"--extra {place}", what))
            continue
        try:
            extra[place] = json.loads(value)
        except (ValueError, RecursionError):
            extra[place] = value
    return extra or None, problems


def read_file(subject: str, path: str, parse: Callable[[str], Any] = json.loads, what: str = "not JSON") -> Any:
    """Return the content of a file, or of stdin for `-`. Raises `InputError` if it cannot be read or parsed."""
    try:
        return parse(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise wrong(subject, path, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise wrong(subject, path, f"is {what}: {error}") from None


def _with_files(row: Input | None, value: Any) -> Any:
    """Return a value of a file input with `{"path": …}` replaced by the file itself."""
    if row is None or row.type != "file" or not isinstance(value, dict):
        return value
    if set(value) == {"path"}:
        return _file(row, str(value["path"]))
    return {name: _with_files(row, item) for name, item in value.items()} if row.collection else value


def _file(row: Input, path: str) -> Mapping[str, str]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise wrong("the command line", f"inputs.{row.key}", f"{path}: {error.strerror}") from None
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"filename": Path(path).name, "content_type": kind, "base64": base64.b64encode(content).decode()}


def _value(row: Input, texts: Any) -> Any:
    """Return the value of an option. An option for a collection can be repeated, so its value is a list of strings."""
    if not row.collection:
        return texts
    if row.collection == "list":
        return texts[0] if len(texts) == 1 else texts
    if len(texts) == 1 and texts[0].lstrip().startswith(("{", "[")):
        return texts[0]
    pairs = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise wrong("the command line", option(row), f"{text!r} must be NAME=VALUE")
        is_path = row.type == "file" and value.startswith("@")
        pairs.append({"key": name, "value": _file(row, value[1:]) if is_path else value})
    return pairs


def _metavar(row: Input) -> str:
    if row.collection == "map":
        return "NAME=@FILE" if row.type == "file" else "NAME=VALUE"
    if row.choices and len(row.choices) <= 5 and all(str(choice.value) == choice.label for choice in row.choices):
        return "{" + ",".join(str(choice.value) for choice in row.choices) + "}"
    one = {"boolean": "true|false", "integer": "N", "number": "N", "json": "JSON"}.get(row.type, "TEXT")
    return f"{one}[,{one}…]" if row.collection == "list" and row.type != "json" else one


def _sample(row: Input) -> str:
    """Return an input's value for examples: its own example, its first choice, or its metavar."""
    first = row.choices[0].value if row.choices else _metavar(row)
    return _plain(first if row.example is None else row.example)


def _help(row: Input) -> str:
    choices = _choices(row)
    rest = f" · and {len(choices) - 10} more" if choices[10:] else ""
    one_of = f"One of: {' · '.join(choices[:10])}{rest}" if choices else ""
    sentences = (row.comments or kind_of(row), one_of, limits_of(row), "Required" if row.is_always_needed else "")
    return ". ".join(text.rstrip(".") for text in sentences if text).replace("%", "%%")


def _choices(row: Input) -> list[str]:
    """Return the choices as people read them: values with labels, or bare values if no label adds anything."""
    same = all(str(choice.value) == choice.label for choice in row.choices)
    return [str(choice.value) if same else f"{choice.value} {choice.label}" for choice in row.choices]


KINDS = {
    "string": "text",
    "secret": "secret text",
    "integer": "whole number",
    "boolean": "true or false",
    "datetime": "date and time",
    "json": "JSON",
    "any": "JSON or text",
    "array": "list",  # from JSON Schema
}
PLURALS = {"string": "strings", "text": "strings", "secret": "secrets", "boolean": "booleans"}
PLURALS |= {"datetime": "dates and times", "json": "JSON values", "any": "values"}


def input_table(spec: ActionSpec, width: int = 100) -> Iterator[str]:
    """Yield the lines about an action and its inputs: label, option, type, requirement, help."""
    yield f"{spec.label} ({spec.key})"
    yield f"  {spec.description}"
    facts = [f"{spec.method} {spec.path}" if spec.method else "any request", f"effect: {spec.effect or 'by method'}"]
    facts += [f"rate limit: {spec.rate_limit}"] if spec.rate_limit else []
    facts += ["a list: all pages are read"] if spec.paging else []
    yield f"  {' · '.join(facts)}"
    for kind, scopes in spec.scopes.items():
        names = " or ".join(scope if isinstance(scope, str) else " with ".join(scope) for scope in scopes)
        yield from _wrapped(f"{kind} scope: {names}", 2, width)
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
            kind = rule.kind.replace("together", "all or none").replace("_", " ").replace("one", "one of")
            yield from _wrapped(f"{kind}: {names}{when}" + (f": {rule.says}" if rule.says else ""), 2, width)


def output_table(spec: ActionSpec) -> Iterator[str]:
    """Yield the lines about an action's result, one per field: path, type, `secret` if it is one, description."""
    schema = spec.output.get("schema", {}) if spec.output else {}
    fields = {path: field for path, field in secrets.fields(schema) if path and field.get("type") != "object"}
    undeclared = schema.get("description", "the vendor's response; its fields are not declared")
    yield f"{spec.label} ({spec.key}) returns{':' if fields else f' {undeclared}.'}"
    for path, field in fields.items():
        kinds = field.get("type", [])
        kind = " or ".join(KINDS.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
        facts = [kind, "secret" if field.get(secrets.SECRET_WORD) else "", field.get("description", "")]
        yield f"  {path}  {' · '.join(fact for fact in facts if fact)}"


def _input(row: Input, spec: ActionSpec, width: int) -> Iterator[str]:
    rows = dict(spec.inputs)
    required = ""
    if row.required is not None and not row.has_default:
        when = (*(row.only_when or ()), *row.required)
        required = f"  required{f' when {conditions.phrase(when, rows)}' if when else ''}"
    yield f"  {row.label}  {option(row)}  {kind_of(row)}{required}"
    is_example = row.example is not None and not row.choices and row.type != "secret"
    default = "Filled in if omitted" if row.fills_in else "Published default (shown, not sent)"
    texts = (
        row.comments,
        "" if row.deprecated is None else f"Deprecated: {row.deprecated}",
        f"Old name, still accepted: {', '.join(row.was)}" if row.was else "",
        f"Only when {conditions.phrase(row.only_when, rows)}." if row.only_when else "",
        f"One of: {' · '.join(_choices(row))}" if row.choices else "",
        f"To list its choices: choices {spec.key} {row.key}" if row.choices_from else "",
        limits_of(row),
        f"{default}: {_plain(row.default)}" if row.has_default else "",
        "" if row.if_absent is None else f"If omitted: {_plain(row.if_absent)}",
        f"Example: {_plain(row.example)}" if is_example else "",
    )
    for text in filter(None, texts):
        yield from _wrapped(text, 6, width)


def limits_of(row: Input) -> str:
    """Return the limits of a value as a sentence; empty if it has none."""
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
    return f"--{row.key.replace('_', '-')}"


def kind_of(row: Input) -> str:
    """Return the type of an input as people read it: `list of strings`."""
    kind = KINDS.get(row.type, row.type)
    return f"{row.collection} of {PLURALS.get(row.type, f'{kind}s')}" if row.collection else kind
