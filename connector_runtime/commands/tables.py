"""Actions as a person reads them in a terminal or in Markdown. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from ..language import conditions, secrets
from ..model import ActionSpec, Input

KINDS = {
    "string": "text",
    "secret": "secret text",
    "integer": "whole number",
    "boolean": "true or false",
    "datetime": "date and time",
    "json": "JSON",
    "any": "JSON or text",
}


SHAPES = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list"}  # of JSON Schema


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
        kind = " or ".join(SHAPES.get(kind, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))
        facts = [kind, "secret" if said.get(secrets.MARK) else "", said.get("description", "")]
        yield f"  {path}  {' · '.join(fact for fact in facts if fact)}"


def option(row: Input) -> str:
    """The command line's option for an input."""
    return f"--{row.key.replace('_', '-')}"


def kind_of(row: Input) -> str:
    kind = KINDS.get(row.type, row.type)
    return {"list": f"list of {kind}", "map": f"map of {kind}"}.get(row.collection or "", kind)


def _input(row: Input, spec: ActionSpec, width: int) -> Iterator[str]:
    rows = dict(spec.inputs)
    needed = ""
    if row.required is not None and not row.has_default:
        when = (*(row.only_when or ()), *row.required)
        needed = f"  required{f' when {conditions.phrase(when, rows)}' if when else ''}"
    yield f"  {row.label}  {option(row)}  {kind_of(row)}{needed}"
    if row.comments:
        yield from _wrapped(row.comments, 6, width)
    if row.deprecated is not None:
        yield from _wrapped(f"Deprecated: {row.deprecated}", 6, width)
    if row.was:
        yield from _wrapped(f"Old name, which still works: {', '.join(row.was)}", 6, width)
    if row.only_when:
        yield from _wrapped(f"Only when {conditions.phrase(row.only_when, rows)}.", 6, width)
    if row.choices:
        same = all(str(choice.value) == choice.label for choice in row.choices)
        shown = [str(choice.value) if same else f"{choice.value} {choice.label}" for choice in row.choices]
        yield from _wrapped(f"One of: {' · '.join(shown)}", 6, width)
    if row.choices_from:
        yield f"      To list what it can be: choices {spec.key} {row.key}"
    limits = limits_of(row)
    if limits:
        yield f"      {limits}"
    if row.has_default:
        what = "Filled in if left out" if row.fills_in else "Published default (shown, not sent)"
        yield from _wrapped(f"{what}: {_plain(row.default)}", 6, width)
    if row.if_absent is not None:
        yield from _wrapped(f"Left out: {_plain(row.if_absent)}", 6, width)
    if row.example is not None and not row.choices and row.type != "secret":
        yield from _wrapped(f"Example: {_plain(row.example)}", 6, width)


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
