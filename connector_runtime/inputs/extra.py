"""Reads `extra`: values for places in the request that no input of the action reaches. Pure.

The keys are places as in `to`: `{"body.settings.x": true, "query.y": 1}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from ..errors import Problem
from ..language import patterns, places
from ..language.schema_faults import kind_of
from ..model import BODILESS, ActionSpec, InputTable, Place
from ..sentences import Sentence
from ..types.base import HEADER_LINE
from ..types.collections import GUARDED_HEADERS
from .values import as_json, json_problems, shortened

Placed = tuple[tuple[Place, Any], ...]
Path = tuple[str, ...]  # a kind of place and its steps
NO_EXTRA: Placed = ()
MAX_KEYS = 100
NAME = re.compile(r"[^.*\s]+")
OWN_HEADERS = {
    *GUARDED_HEADERS,
    *["accept", "accept-encoding", "content-type", "cookie", "expect", "te", "trailer", "upgrade"],
}
CONNECTION = Sentence("is set by the connection: leave it out")
PAGES = Sentence("is set for each page of the list: use `limit` and `cursor`")
NO_PLACE = Sentence("is not a place in this request: write body.a.b, query.x or header.X")


def read_extra(table: InputTable, extra: Any, values: Mapping[str, Any]) -> tuple[Placed, list[Problem]]:
    """Return the values of `extra` by place, and the problems with them. `values` are those of the inputs."""
    if not isinstance(extra, Mapping) or not isinstance(table, ActionSpec):
        wrong = Sentence('must be an object such as {"body.x": true}, not {found}', found=kind_of(extra))
        return NO_EXTRA, [Problem("extra", wrong)]
    if len(extra) > MAX_KEYS:
        return NO_EXTRA, [Problem("extra", Sentence("has more than {most} keys", most=MAX_KEYS))]
    placed: list[tuple[Place, Any]] = []
    problems: list[Problem] = []
    taken: dict[Path, str] = {}
    within: dict[Path, str] = {}  # the paths above the places that are taken

    def take(path: Path, what: str) -> None:
        taken.setdefault(path, what)
        for end in range(1, len(path)):
            within.setdefault(path[:end], what)

    for path, what in _taken(table, values):
        take(path, what)
    for key, raw in extra.items():
        value, place = as_json(raw), places.place(str(key))
        where, path = f"extra.{shortened(str(key))}", _path(place)
        problem = next(chain(json_problems(key, where, 0), json_problems(value, where, len(path))), None)
        what = problem.what if problem else _fault(table, place, value, taken, within)
        problems += [Problem(where, what)] if what else []
        placed.append((place, value))
        take(path, Sentence("is also set by another key of `extra`: leave one of the two out"))
    return tuple(placed), problems


def _fault(spec: ActionSpec, place: Place, value: Any, taken: Mapping[Path, str], within: Mapping[Path, str]) -> str:
    kind, path, is_spread = place
    is_named = bool(path) and all(NAME.fullmatch(step) and not step.isdigit() for step in path)
    if kind not in ("body", "query", "header") or is_spread or not is_named:  # a number would be a list index
        return NO_PLACE
    if kind == "body" and spec.method in BODILESS and ("body",) not in within:
        return Sentence("cannot be sent: this request has no body")
    if kind == "header":
        if not re.search(patterns.HEADER_NAME, path[0]) or path[0].lower() in OWN_HEADERS:
            return CONNECTION
        if not isinstance(value, str) or not re.search(patterns.HEADER_VALUE, value):
            return HEADER_LINE
    elif value is None and kind == "query":
        return Sentence("has no value: leave it out")
    whole = _path(place)
    owners = (taken.get(whole[:end]) for end in range(1, len(whole) + 1))
    return next(filter(None, owners), None) or (within.get(whole, "") if kind == "body" else "")


def _path(place: Place) -> Path:
    return (place.kind, *(step.lower() if place.kind == "header" else step for step in place.path))


def _taken(spec: ActionSpec, values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield the places that something else fills, each with the complaint about a value of `extra` there."""
    for row in spec.fields.values():
        what = Sentence("is set by the input '{label}': use that", label=row.label)
        for place in row.to:
            if place.kind == "part" or (place.kind, place.path) == ("request", ("body",)):
                yield ("body",), what
            elif not place.spread:
                yield _path(place), what
            elif isinstance(value := values.get(row.key), dict | list):
                for name in value if isinstance(value, dict) else [pair[0] for pair in value]:
                    yield _path(Place(place.kind, (*place.path, name))), what
    for connection in spec.profile.connections:
        yield from ((_path(place), CONNECTION) for grant in connection.grants for place in grant.to)
    constant = Sentence("is a constant of this action: leave it out")
    for kind, names in (
        ("query", spec.query),
        ("header", {**spec.headers, **spec.profile.headers}),
        ("body", spec.body),
    ):
        yield from ((_path(Place(kind, (name,))), constant) for name in names or ())
    yield from ((_path(place), Sentence("is computed from inputs: use those")) for place in spec.compute)
    if spec.paging:
        sent = [spec.paging.size, *(style.to for style in spec.paging.next)]
        yield from ((_path(place), PAGES) for place in sent if place)
        yield from ((("query", key), PAGES) for key in spec.paging.keys)
    if spec.profile.idempotency:
        yield _path(spec.profile.idempotency), Sentence("is the idempotency key: use `idempotency_key`")
