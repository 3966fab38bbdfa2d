"""JSON data against a JSON Schema 2020-12: whether it fits, compiled; and by which errors it does not. Pure.

`judge` says of any data exactly what jsonschema says, which is loaded for an explanation and for the rare words alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from ..model import Json
from .conditions import same

Judge = Callable[[Any], bool]
Schema = Mapping[str, Json]

_NUMBERS = (int, float)  # not `int | float`, which is made anew whenever it is asked
RARE = frozenset(  # words that jsonschema judges, with the whole schema in which they stand
    {
        "$ref", "$dynamicRef", "if", "contains", "prefixItems", "patternProperties", "multipleOf", "uniqueItems",
        "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip


def judge(schema: Schema) -> Judge:
    """A function that tells whether data fits the schema."""
    try:
        return _compiled(schema)
    except LookupError:
        return later(lambda: _explainer()(schema).is_valid)


def later(make: Callable[[], Judge]) -> Judge:
    """A judge that is made when it is first asked."""
    made = cache(make)
    return lambda value: made()(value)


def fits(schema: Schema, value: Any) -> bool:
    """Whether data fits; a schema that was seen before is not compiled again."""
    return not schema or _known(json.dumps(schema))(value)


def errors(schema: Schema, value: Any) -> Iterator[Any]:
    """What jsonschema says of data, one error after the other."""
    return _explainer()(schema).iter_errors(value)  # type: ignore[no-any-return]


@lru_cache(maxsize=512)
def _known(schema: str) -> Judge:
    return judge(json.loads(schema))


@cache
def _explainer() -> Any:
    """A validator that does not list why each alternative failed, since nobody reads it and it may be long."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def any_of(validator: Any, schemas: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not any(validator.evolve(schema=each).is_valid(value) for each in schemas):
            yield ValidationError("fits none of the alternatives")

    return extend(Draft202012Validator, {"anyOf": any_of})  # type: ignore[no-untyped-call]


# -- the compiler ----------------------------------------------------------------------------------------------------


def _compiled(schema: Any) -> Judge:
    """Raises `LookupError` at a word, or a type, that is left to jsonschema."""
    if isinstance(schema, bool):
        return lambda value: schema
    if not RARE.isdisjoint(schema):
        raise LookupError
    judges = [_WORDS[word](schema[word], schema) for word in schema if word in _WORDS]
    return judges[0] if len(judges) == 1 else lambda value: all([fit(value) for fit in judges])


def is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


_KINDS: dict[str, Judge] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: is_number(value) and (isinstance(value, int) or value.is_integer()),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def _type(wanted: str | list[str], _: Schema) -> Judge:
    kinds = [_KINDS[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted)]
    return kinds[0] if len(kinds) == 1 else lambda value: any([kind(value) for kind in kinds])


def _enum(wanted: list[Json], _: Schema) -> Judge:
    return lambda value: any([same(value, each) for each in wanted])


def _pattern(wanted: str, _: Schema) -> Judge:
    search = re.compile(wanted).search
    return lambda value: not isinstance(value, str) or search(value) is not None


def _limit(kind: Judge, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Schema], Judge]:
    """A word that limits one kind of data: data of another kind fits."""
    return lambda limit, _: lambda value: not kind(value) or holds(value, limit)


def _properties(wanted: Mapping[str, Json], _: Schema) -> Judge:
    parts = {name: _compiled(part) for name, part in wanted.items()}
    return lambda value: (
        not isinstance(value, dict) or all([parts[name](part) for name, part in value.items() if name in parts])
    )


def _additional(wanted: Json, schema: Schema) -> Judge:
    known, fit = schema.get("properties", {}), _compiled(wanted)
    return lambda value: (
        not isinstance(value, dict) or all([fit(part) for name, part in value.items() if name not in known])
    )


def _each(kind: Judge) -> Callable[[Any, Schema], Judge]:
    """A word about every entry of a list, or every key of an object."""

    def word(wanted: Json, _: Schema) -> Judge:
        fit = _compiled(wanted)
        return lambda value: not kind(value) or all(map(fit, value))

    return word


def _of(decide: Callable[[Iterator[bool]], bool]) -> Callable[[Any, Schema], Judge]:
    """A word that decides by how data fits several schemas."""

    def word(wanted: list[Json], _: Schema) -> Judge:
        judges = [_compiled(part) for part in wanted]
        return lambda value: decide(fit(value) for fit in judges)

    return word


def _not(wanted: Json, _: Schema) -> Judge:
    fit = _compiled(wanted)
    return lambda value: not fit(value)


_STRING, _ARRAY, _OBJECT = (_KINDS[kind] for kind in ("string", "array", "object"))
_WORDS: dict[str, Callable[[Any, Schema], Judge]] = {
    "type": _type,
    "enum": _enum,
    "const": lambda wanted, _: lambda value: same(value, wanted),
    "pattern": _pattern,
    "minLength": _limit(_STRING, lambda value, limit: len(value) >= limit),
    "maxLength": _limit(_STRING, lambda value, limit: len(value) <= limit),
    "minimum": _limit(is_number, lambda value, limit: not value < limit),
    "maximum": _limit(is_number, lambda value, limit: not value > limit),
    "exclusiveMinimum": _limit(is_number, lambda value, limit: not value <= limit),
    "exclusiveMaximum": _limit(is_number, lambda value, limit: not value >= limit),
    "minItems": _limit(_ARRAY, lambda value, limit: len(value) >= limit),
    "maxItems": _limit(_ARRAY, lambda value, limit: len(value) <= limit),
    "minProperties": _limit(_OBJECT, lambda value, limit: len(value) >= limit),
    "maxProperties": _limit(_OBJECT, lambda value, limit: len(value) <= limit),
    "required": _limit(_OBJECT, lambda value, names: all([name in value for name in names])),
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _each(_OBJECT),
    "items": _each(_ARRAY),
    "anyOf": _of(any),
    "allOf": _of(all),
    "oneOf": _of(lambda fits: sum(fits) == 1),
    "not": _not,
}
