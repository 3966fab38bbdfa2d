"""Every fault of a definition, with file, line and remedy. Pure: it is given documents and reads no files.

First the shape, against the JSON Schema of the kind; then, wherever the shape is right, what a schema cannot say:
names that must exist, places that must be free, defaults that must fit. A new check is a function `check(own, rows,
around)` in one of the modules of checks/, and an entry in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import Problem
from .checks import action, answer, connection, connector, rows as table, shape
from .checks.faults import Check, Faults, Surroundings
from .documents import Document

FIRST: tuple[Check, ...] = (shape.patterns, shape.key)
TABLE: tuple[Check, ...] = (table.entries, table.conditions, table.cycles)
CHECKS: Mapping[
    str, tuple[Check, ...]
] = {  # kind of file -> its checks, in the order in which faults of a line are told
    "actions": (
        *TABLE,
        answer.headers,
        action.targets,
        action.compute,
        action.request,
        action.inputs,
        action.rules,
        action.summary,
        answer.paging,
        action.pages,
        answer.errors,
        action.recover,
        action.limits,
        answer.files,
        answer.output,
    ),
    "connection": (*TABLE, connection.places, connection.test, connection.oauth),
    "triggers": (*TABLE, connection.secret, connection.verify),
    "connector": (
        connector.base,
        answer.headers,
        answer.paging,
        answer.errors,
        connector.limits,
        connector.choices,
    ),
    "locales": (connector.locale,),
}


def faults(document: Document, kind: str, stem: str, around: Surroundings) -> list[Problem]:
    """Every fault of one document; `kind` is its folder (`actions`, `connection`, `triggers`) or `connector`."""
    own = Faults(document, kind, stem)
    shape.schema(own, {}, around)
    if isinstance(document.data, dict):
        for check in FIRST:
            check(own, {}, around)
        rows = table.compiled(own, around)
        for check in CHECKS[kind]:
            check(own, rows, around)
    return own.all()
