"""The types of inputs by name. A new type needs one line here: `Text` with a format, or a new class. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from ..language import patterns
from ..language.schema_faults import Fault, fits
from ..model import Input
from ..sentences import Sentence
from .base import BLANK, REFUSED, InputType, NoValue, Reader, Schema, example, is_blank
from .boolean import Boolean
from .collections import ListOf, MapOf
from .file import FileData
from .integer import Integer
from .json import Anything, JsonData
from .number import Number
from .text import Text

TYPES: dict[str, InputType] = {
    "string": Text(),
    "text": Text("textarea"),
    "secret": Text("password"),
    "integer": Integer(),
    "number": Number(),
    "boolean": Boolean(),
    "date": Text("date", patterns.DATE, sample="2026-11-01"),
    "datetime": Text("datetime", patterns.MOMENT, sample="2026-11-01T09:00:00Z", fixed=False),
    "json": JsonData(),
    "any": Anything(),
    "file": FileData(),
    "connection": InputType(),  # chosen by the platform, and never read
}
_COLLECTIONS = {"list": ListOf, "map": MapOf}


def type_of(row: Input) -> InputType:
    one = TYPES[row.type]
    return _COLLECTIONS[row.collection](one, row) if row.collection else one


def schema(row: Input, *, blank: bool = True) -> Schema:
    """Return the schema of every value that the row accepts; without `blank`, of every non-blank value."""
    return type_of(row).schema(row, blank)


def accepts(row: Input, value: Any) -> bool:
    """True if the row accepts a value, blank values included. JSON inside strings is not examined."""
    return fits(schema(row), value)


def reader(row: Input) -> Reader:
    """Return a function that turns a raw value into the typed value or a `NoValue`."""
    kind, accepted = type_of(row), cache(lambda: schema(row))
    tidy = kind.tidy(row)

    def read(value: Any) -> Any:
        value = value if tidy is None else _tidied(tidy, value)
        if not fits(accepted(), value):
            return REFUSED
        if is_blank(row, value):
            return BLANK
        try:
            return kind.convert(row, value)
        except NoValue as error:
            return error

    return read


def _tidied(tidy: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, list):
        return [tidy(item) if isinstance(item, str) else item for item in value]
    return tidy(value) if isinstance(value, str) else value


def complaints(row: Input, value: Any) -> list[Fault]:
    """Return the faults of a refused value: paths inside it, and sentences that end in the remedy."""
    if is_blank(row, value):
        return [((), Sentence("is required: enter '{label}'{example}", label=row.label, example=example(row)))]
    return type_of(row).complaints(row, value) or [((), Sentence("is not accepted"))]
