"""Every fault of definitions, with file, line and remedy. Pure: it is given documents and reads no files.

First the shape, against the JSON Schema of the kind; then, wherever the shape is right, what a schema cannot say:
names that must exist, places that must be free, defaults that must fit.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import Problem
from ..model import Input
from . import check_action, check_connector, check_rows, check_shape
from .documents import Document
from .faults import PLACES, Faults, Surroundings

__all__ = ["PLACES", "Surroundings", "faults"]


def _locale(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    from . import locales  # what no other kind needs

    locales.faults(own, around)


_KINDS = {
    "actions": check_action.faults,
    "connection": check_connector.connection,
    "triggers": check_connector.trigger,
    "connector": check_connector.connector,
    "locales": _locale,
}


def faults(document: Document, kind: str, stem: str, around: Surroundings) -> list[Problem]:
    """Every fault of one document; `kind` is its folder (`actions`, `connection`, `triggers`) or `connector`."""
    own = Faults(document)
    check_shape.faults(own, around.language(kind))
    data = document.data
    if not isinstance(data, dict):
        return own.all()
    check_shape.patterns(own)
    if kind != "connector" and own.sound("key") and data.get("key", stem) != stem:
        own.add(("key",), f"is {data['key']!r} in the file {stem}.yaml; rename one of the two")
    inputs = data.get("inputs", {}) if own.whole("inputs") else {}
    rows = check_rows.faults(own, kind, inputs, around)
    _KINDS[kind](own, rows, around)
    return own.all()
