"""The types of inputs by name. A new type is a line here, with a class of its own or as a text of one form. Pure."""

from __future__ import annotations

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
    "datetime": Text("datetime", patterns.MOMENT, sample="2026-11-01T09:00:00Z", gives_way=True),
    "json": JsonData(),
    "any": Anything(),
    "file": FileData(),
    "connection": InputType(),  # the platform chooses it; it is never read
}
_COLLECTIONS = {"list": ListOf, "map": MapOf}


def of(row: Input) -> InputType:
    """What the row takes: a value of its type, or a list or a map of them."""
    one = TYPES[row.type]
    return _COLLECTIONS[row.collection](one, row) if row.collection else one


def schema(row: Input, *, blank: bool = True) -> Schema:
    """The schema of all that the row accepts; without `blank`, of all that counts as given."""
    return of(row).schema(row, blank)


def accepts(row: Input, value: Any) -> bool:
    """Whether the row accepts a value; a blank one counts as well, and what a text holds is not looked into."""
    return fits(schema(row), value)


def reader(row: Input) -> Reader:
    """A function from a value as it was given to the typed value, or to `NoValue` where there is none."""
    kind, accepted = of(row), cache(lambda: schema(row))

    def read(value: Any) -> Any:
        if not fits(accepted(), value):
            return REFUSED
        if is_blank(row, value):
            return BLANK
        try:
            return kind.convert(row, value)
        except NoValue as error:
            return error

    return read


def complaints(row: Input, value: Any) -> list[Fault]:
    """What is wrong with a value that is refused: paths inside it with sentences that end in the remedy."""
    if is_blank(row, value):
        return [((), Sentence("is required: enter '{label}'{example}", label=row.label, example=example(row)))]
    return of(row).complaints(row, value) or [((), Sentence("is not accepted"))]
