"""Expressions in definitions: `compute` and the labels of choices. Only this module uses Jinja2. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from . import datetimes
from .places import dig, text_of


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression and the names that it reads."""

    value: Callable[[Mapping[str, Any]], Any]
    names: frozenset[str]


@cache
def expression(source: str) -> Expression:
    """Compile an expression from a definition, which never comes from a user. Raises `ValueError` for bad syntax."""
    if source.isidentifier():
        return Expression(lambda names: names.get(source), frozenset([source]))
    from jinja2 import TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment()
    environment.filters |= {"moment": datetimes.readable, "in_zone": datetimes.in_zone}
    try:
        compiled = environment.compile_expression(source)
        names = meta.find_undeclared_variables(environment.parse(f"{{{{ {source} }}}}"))
    except TemplateSyntaxError as error:
        raise ValueError(error.message) from None

    def value(values: Mapping[str, Any]) -> Any:
        result = compiled(dict(values))
        return [*result] if isinstance(result, Iterator) else result  # a filter such as `map` gives a generator

    return Expression(value, frozenset(names))


@cache
def template(text: str) -> Expression:
    """Compile a label or a warning: a template with `{{ expressions }}`, or the path of a field (`host.email`).

    Its value is one line of text, or None if any part is blank or fails on the vendor's data. Raises `ValueError` for a
    syntax error.
    """
    if "{{" not in text:
        steps = tuple(text.split("."))
        return Expression(lambda item: line(dig(item, steps)), frozenset(steps[:1]))
    parts = re.split(r"\{\{([^{}]*(?:[{}][^{}]+)*)\}\}", text)
    if any("{{" in part or "}}" in part for part in parts[::2]):
        raise ValueError("a pair of braces is not closed")
    holes = [expression(part.strip()) for part in parts[1::2]]

    def written(item: Mapping[str, Any]) -> str | None:
        filled = [line(_tried(hole, item)) for hole in holes]
        if None in filled:
            return None
        return line("".join(part for pair in zip(parts[::2], [*filled, ""], strict=True) for part in pair if part))

    return Expression(written, frozenset().union(*(hole.names for hole in holes)))


def line(value: Any) -> str | None:
    """Return a value as one line of text; None if it is blank."""
    return None if value is None else " ".join(text_of(value).split()) or None


def _tried(hole: Expression, item: Mapping[str, Any]) -> Any:
    try:
        return hole.value({name: value for name, value in item.items() if value is not None})
    except Exception:  # on unexpected data, an author's expression can fail in any way
        return None
