"""What a connection gives to requests, checked like the inputs of an action. Pure: nothing is asked for or sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import InputError, Problem
from ..inputs.accept import acceptance
from ..inputs.bind import bind
from ..language import places
from ..language.wording import kind_of
from ..model import Connection, Input, Profile, Table
from . import render


def checked(about: Profile, given: Any) -> dict[str, str]:
    """The values by name, as text, for the kind of connection that takes them.

    Raises `InputError` with every problem at once.
    """
    if not isinstance(given, Mapping):
        raise InputError.of("the client", [Problem("connection", f"must be an object, not {kind_of(given)}")])
    given = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}  # as pasted
    kind = _kind(about, {name for name, value in given.items() if value is not None})
    if kind is None and not given:
        return {}
    if kind is None:
        what = f"is given, but {about.label} has no kind of connection; leave it out"
        raise InputError.of("the client", [Problem("connection", what)])
    rows = {row.key: row for row in _rows(about, kind)}
    subject = f"the connection '{kind.label}'"
    table = Table(key=subject, label=kind.label, description=kind.description, inputs=rows, by_name=rows, rules=())
    try:
        values = bind(acceptance(table), given).values
    except InputError as error:
        found = [Problem(problem.where.replace("inputs", "connection", 1), problem.what) for problem in error.problems]
        raise InputError.of(subject, found) from None
    return {name: places.text_of(value) for name, value in values.items()}


def _kind(about: Profile, names: set[str]) -> Connection | None:
    """The kind that takes the names; if none takes all, the one to which the fewest are strange, for its complaints."""
    fitting = render.connection_of(about, dict.fromkeys(names, ""))
    kinds = about.connections
    return fitting or min(kinds, key=lambda kind: len(names - {grant.name for grant in kind.grants}), default=None)


def _rows(about: Profile, kind: Connection) -> Iterator[Input]:
    """The inputs that reach requests, and what the token response gives as if a person had typed it."""
    typed = {row.key: row for row in kind.inputs}
    for grant in kind.grants:
        row = typed.get(grant.name) or Input(
            key=grant.name,
            label=grant.name.replace("_", " ").capitalize(),
            type="secret" if grant.secret else "string",
            to=grant.to,
            required=() if grant.required else None,
        )
        for place in grant.to:
            allowed = about.base.get(place.path[0]) if place.kind == "base" else None
            if allowed is not None and allowed.pattern is not None:
                row = row._replace(schema={"pattern": f"^(?:{allowed.pattern})$", **row.schema})
        yield row


def refuse_values(kind: Connection | None, action: str, bound: Mapping[str, Any]) -> None:
    """Raise `InputError` for values that make no sense under this kind of connection."""
    found = [
        Problem(f"inputs.{name}", said[str(bound[name])])
        for name, said in (kind.forbids.items() if kind else ())
        if name in bound and str(bound[name]) in said
    ]
    if found:
        raise InputError.of(action, found)
