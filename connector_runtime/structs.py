"""Structs: small immutable classes of named fields, and reprs that show no secret. A leaf: touches nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar, dataclass_transform

LONGEST = 180  # characters that a repr shows of the fields
Kind = TypeVar("Kind", bound=type)


def shows(*names: str) -> Callable[[Kind], Kind]:
    """A class whose repr is short and shows these fields alone: any other may hold a secret."""

    def decorate(kind: Kind) -> Kind:
        setattr(kind, "__repr__", lambda self: f"{type(self).__name__}({_fields(self, names)})")  # noqa: B010
        return kind

    return decorate


def _fields(struct: Any, names: tuple[str, ...]) -> str:
    values = {name: getattr(struct, name) for name in names}
    text = ", ".join(f"{name}={cut(value)}" for name, value in values.items() if value is not None)
    text = text or "…" if getattr(struct, "__dataclass_fields__", struct.__match_args__) else ""
    return f"{text[: LONGEST - 1]}…" if len(text) > LONGEST else text


def cut(value: Any) -> str:
    """The repr of a value; of a long text its beginning."""
    is_long = isinstance(value, str) and len(value) > LONGEST
    return f"{value[:LONGEST]!r}…" if is_long else repr(value)


class _StructType(type):
    """Makes a slot of each annotated field, and an `__init__` that takes them in their order."""

    def __new__(kind, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        names = tuple(body.get("__annotations__", ())) if bases else ()
        defaults = {each: body.pop(each) for each in names if each in body}
        shape = {"__match_args__": names} if names else {}
        made: Any = super().__new__(kind, name, bases, {**body, "__slots__": names, **shape})
        if names:
            parameters = ", ".join(f"{each}={each}" if each in defaults else each for each in names)
            lines = "; ".join(f"set_{each}(self, {each})" for each in names)
            scope = {**defaults, **{f"set_{each}": getattr(made, each).__set__ for each in names}}
            exec(f"def __init__(self, {parameters}): {lines}", scope)
            made.__init__ = scope["__init__"]
            made.__init__.__qualname__ = f"{name}.__init__"  # for its errors
        return made


@dataclass_transform(frozen_default=True)
@shows()
class Struct(metaclass=_StructType):
    """The base of what calls take and give. A struct equals those of its own class with equal fields, and is true.

    A frozen dataclass would do the same, but takes eight times as long to define, which each start of a command would
    pay for every class. A NamedTuple equals any tuple of its values, and a new field breaks code that unpacks it.
    A repr shows only the fields that `shows` names. A class of structs cannot be extended by fields.
    """

    __match_args__: Any = ()  # the names of the fields

    def __setattr__(self, name: str, *value: object) -> None:
        raise AttributeError(f"{name} of a {type(self).__name__} cannot be changed; `replace` makes a changed copy")

    __delattr__ = __setattr__

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __reduce__(self) -> Any:
        return type(self), self._values()

    def replace(self, **changes: Any) -> Self:
        """A copy in which these fields have other values."""
        return type(self)(**dict(zip(self.__match_args__, self._values(), strict=True)) | changes)

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])
