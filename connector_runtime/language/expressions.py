"""Expressions of definitions: `compute`, and the labels of drop-downs. The one place that uses Jinja2. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from . import datetimes
from .places import dig, text_of


@dataclass(frozen=True, slots=True)
class Expression:
    """A definition's expression and the names it needs."""

    value: Callable[[Mapping[str, Any]], Any]
    names: frozenset[str]


@cache
def expression(source: str) -> Expression:
    """Compile an expression of a definition (`compute`); nothing a user gives ever comes here.

    A plain name is a lookup and does not touch Jinja2. Raises `ValueError` for what is no expression.
    """
    if source.isidentifier():
        return Expression(lambda names: names.get(source), frozenset([source]))
    from jinja2 import TemplateSyntaxError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment()
    environment.filters["moment"] = datetimes.readable
    try:
        compiled = environment.compile_expression(source)
        names = meta.find_undeclared_variables(environment.parse(f"{{{{ {source} }}}}"))
    except TemplateSyntaxError as error:
        raise ValueError(error.message) from None
    return Expression(lambda given: compiled(dict(given)), frozenset(names))


@cache
def template(text: str) -> Expression:
    """Compile a line of a drop-down: a text with `{{ expressions }}` in it, or the path of a field (`host.email`).

    It gives one line of text, or None where any part of it is blank. An expression that fails on what a vendor sent
    counts as blank. Raises `ValueError` for what is no expression.
    """
    if "{{" not in text:
        steps = tuple(text.split("."))
        return Expression(lambda item: line(dig(item, steps)), frozenset(steps[:1]))
    parts = re.split(r"\{\{([^{}]*(?:[{}][^{}]+)*)\}\}", text)
    holes = [expression(part.strip()) for part in parts[1::2]]

    def written(item: Mapping[str, Any]) -> str | None:
        filled = [line(_tried(hole, item)) for hole in holes]
        if None in filled:
            return None
        return line("".join(part for pair in zip(parts[::2], [*filled, ""], strict=True) for part in pair if part))

    return Expression(written, frozenset().union(*(hole.names for hole in holes)))


def line(value: Any) -> str | None:
    """A value as one line of text; None if it is blank."""
    return None if value is None else " ".join(text_of(value).split()) or None


def _tried(hole: Expression, item: Mapping[str, Any]) -> Any:
    try:
        return hole.value({name: value for name, value in item.items() if value is not None})
    except Exception:  # an author's expression can fail in any way on data that nobody foresaw
        return None
