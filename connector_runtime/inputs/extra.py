"""Reads `extra`: values for places of the request that no input of the action reaches. Pure.

The keys are places as in `to`: `{"body.settings.x": true, "query.y": 1}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import Problem
from ..language import patterns, places
from ..language.schema_faults import kind_of
from ..model import ActionSpec, InputTable, Place
from ..sentences import Sentence
from ..types.base import HEADER_LINE
from ..types.collections import GUARDED_HEADERS
from .values import as_json, json_problems

Placed = tuple[tuple[Place, Any], ...]
NO_EXTRA: Placed = ()
BODILESS = ("GET", "HEAD", "OPTIONS", "DELETE")
NAME = re.compile(r"[^.*\s]+")
PAGES = Sentence("is set for each page of the list: use `limit` and `cursor`")
NO_PLACE = Sentence("is not a place in this request: write body.a.b, query.x or header.X")


def read_extra(table: InputTable, extra: Any, values: Mapping[str, Any]) -> tuple[Placed, list[Problem]]:
    """Return the values of `extra` by place, and the problems with them. `values` are those of the inputs."""
    if not isinstance(extra, Mapping):
        what = Sentence('must be an object such as {"body.x": true}, not {found}', found=kind_of(extra))
        return NO_EXTRA, [Problem("extra", what)]
    if not isinstance(table, ActionSpec):
        return NO_EXTRA, []
    placed: list[tuple[Place, Any]] = []
    problems: list[Problem] = []
    for key, raw in extra.items():
        value, place = as_json(raw), places.place(str(key))
        faults = [*json_problems(value, f"extra.{key}", 1)]
        complaint = _fault(table, place, value, [*_taken(table, values)])
        problems += [Problem(f"extra.{key}", complaint)] if complaint else faults
        placed.append((place, value))
    return tuple(placed), problems


def _fault(spec: ActionSpec, place: Place, value: Any, taken: list[tuple[Place, str]]) -> str:
    kind, path, is_spread = place
    if kind not in ("body", "query", "header") or is_spread or not path or not all(map(NAME.fullmatch, path)):
        return NO_PLACE
    if kind == "body" and spec.method in BODILESS and all(other.kind != "body" for other, _ in taken):
        return Sentence("cannot be sent: this request has no body")
    if kind == "header":
        if not re.search(patterns.HEADER_NAME, path[0]) or path[0].lower() in GUARDED_HEADERS:
            return Sentence("is set by the connection: leave it out")
        if not isinstance(value, str) or not re.search(patterns.HEADER_VALUE, value):
            return HEADER_LINE
    for other, what in taken:
        shorter, longer = sorted((_folded(place), _folded(other)), key=len)
        is_whole = (other.kind, other.path) == ("request", ("body",)) or other.kind == "part"
        if (kind == "body" and is_whole) or longer[: len(shorter)] == shorter:
            return what
    return ""


def _folded(place: Place) -> tuple[str, ...]:
    return (place.kind, *(step.lower() if place.kind == "header" else step for step in place.path))


def _taken(spec: ActionSpec, values: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """The places that the action fills itself, each with the complaint about an `extra` there."""
    for row in spec.fields.values():
        what = Sentence("is set by the input '{label}': use that", label=row.label)
        for place in row.to:
            if not place.spread:
                yield place, what
            elif isinstance(value := values.get(row.key), dict | list):
                for name in value if isinstance(value, dict) else [pair[0] for pair in value]:
                    yield Place(place.kind, (*place.path, name)), what
    constant = Sentence("is a constant of this action: leave it out")
    for kind, names in (("query", spec.query), ("header", {**spec.headers, **spec.profile.headers})):
        yield from ((Place(kind, (name,)), constant) for name in names)
    yield from ((Place("body", (name,)), constant) for name in spec.body or ())
    yield from ((place, Sentence("is computed from inputs: use those")) for place in spec.compute)
    if spec.paging:
        sent = [spec.paging.size, *(style.to for style in spec.paging.next)]
        yield from ((place, PAGES) for place in sent if place)
        yield from ((Place("query", (key,)), PAGES) for key in spec.paging.keys)
    if spec.profile.idempotency:
        yield spec.profile.idempotency, Sentence("is the idempotency key: use `idempotency_key`")
