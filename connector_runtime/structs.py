"""`Struct`, the base of small immutable records whose reprs show no secrets. Imports nothing from this package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar, dataclass_transform

MAX_LENGTH = 180  # characters of the fields in a repr
Kind = TypeVar("Kind", bound=type)


def shows(*names: str) -> Callable[[Kind], Kind]:
    """Give a class a repr of only these fields, because other fields may hold secrets."""

    def decorate(kind: Kind) -> Kind:
        setattr(kind, "__repr__", lambda self: f"{type(self).__name__}({_fields(self, names)})")  # noqa: B010
        return kind

    return decorate


def _fields(struct: Any, names: tuple[str, ...]) -> str:
    values = {name: getattr(struct, name) for name in names}
    text = ", ".join(f"{name}={cut(value)}" for name, value in values.items() if value is not None)
    text = text or "…" if getattr(struct, "__match_args__", names) else ""
    return f"{text[: MAX_LENGTH - 1]}…" if len(text) > MAX_LENGTH else text


def cut(value: Any) -> str:
    """Return the repr of a value, with a long string cut off."""
    is_long = isinstance(value, str) and len(value) > MAX_LENGTH
    return f"{value[:MAX_LENGTH]!r}…" if is_long else repr(value)


@dataclass_transform(frozen_default=True)
@shows()
class Struct:
    """The base of values that calls take and return: frozen dataclasses whose repr shows only the fields in `shows`.

    They are equal if their classes and fields are equal, and always truthy. A NamedTuple equals any tuple with equal
    values, and a new field breaks code that unpacks it.
    """

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, repr=False)(cls)

    def replace(self, **changes: Any) -> Self:
        """Return a copy with new values for these fields."""
        return type(self)(**self.__dict__ | changes)  # twice as fast as `dataclasses.replace`
