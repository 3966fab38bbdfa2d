"""`Struct`, the base of small immutable records whose reprs show no secrets. A leaf: imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
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
    text = text or "…" if getattr(struct, "__dataclass_fields__", struct.__match_args__) else ""
    return f"{text[: MAX_LENGTH - 1]}…" if len(text) > MAX_LENGTH else text


def cut(value: Any) -> str:
    """Return the repr of a value, with a long string cut off."""
    is_long = isinstance(value, str) and len(value) > MAX_LENGTH
    return f"{value[:MAX_LENGTH]!r}…" if is_long else repr(value)


class _StructType(type):
    """Turns each annotated field into a slot, and adds an `__init__` that takes the fields in order."""

    def __new__(kind, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        names = tuple(body.get("__annotations__", ())) if bases else ()
        defaults = {field: body.pop(field) for field in names if field in body}
        shape = {"__match_args__": names} if names else {}
        struct_class: Any = super().__new__(kind, name, bases, {**body, "__slots__": names, **shape})
        if names:
            parameters = ", ".join(f"{field}={field}" if field in defaults else field for field in names)
            lines = "; ".join(f"set_{field}(self, {field})" for field in names)
            scope = {**defaults, **{f"set_{field}": getattr(struct_class, field).__set__ for field in names}}
            exec(f"def __init__(self, {parameters}): {lines}", scope)
            struct_class.__init__ = scope["__init__"]
            struct_class.__init__.__qualname__ = f"{name}.__init__"  # for error messages
        return struct_class


@dataclass_transform(frozen_default=True)
@shows()
class Struct(metaclass=_StructType):
    """The base of values that calls take and return, which are equal if their classes and fields are equal.

    A frozen dataclass takes eight times as long to define, which slows the start of every command. A NamedTuple equals
    any tuple with equal values, and a new field breaks code that unpacks it. The repr shows only the fields listed in
    `shows`. A subclass of a class with fields cannot add fields.
    """

    __match_args__: Any = ()  # the field names

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
        """Return a copy with new values for these fields."""
        return type(self)(**dict(zip(self.__match_args__, self._values(), strict=True)) | changes)

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])
