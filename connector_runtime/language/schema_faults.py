"""Checks JSON data against a JSON Schema 2020-12, and explains faults so flow builders can act on them. Pure.

`fits` always agrees with jsonschema, but loads it only for rare keywords, as loading it outlasts most commands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import islice, repeat
from typing import Any

from ..errors import MOST
from ..model import Json
from ..sentences import Sentence, either
from . import json_text
from .conditions import same

LONGEST = 200  # characters; longer names are not compared with known ones
LARGE = 50_000  # values; explaining the faults of this many takes a second
Schema = Mapping[str, Json]
Fault = tuple[tuple[str | int, ...], str]

KINDS = {
    "string": Sentence("text"),
    "integer": Sentence("a whole number"),
    "number": Sentence("a number"),
    "boolean": Sentence("true or false"),
    "array": Sentence("a list"),
    "object": Sentence("an object"),
    "null": Sentence("null"),
}


def nearest(name: str, known: Iterable[str], otherwise: str = "", least: float = 0.6) -> str:
    """Return ` Did you mean 'topic'?` if a known name is at `least` this similar (0 to 1); otherwise, a remedy."""
    return suggestion(closest(name, known, least)) or (otherwise and f" {otherwise}")


def suggestion(name: str | None) -> str:
    """Return ` Did you mean 'topic'?`, or nothing for None."""
    return Sentence(" Did you mean '{name}'?", name=name) if name is not None else ""


def closest(name: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """Return the known name that `name` may be a misspelling of."""
    from difflib import get_close_matches  # only needed for a mistake

    return next(iter(get_close_matches(name, list(known), 1, least)), None) if len(name) <= LONGEST else None


def kind_of(value: Any) -> str:
    known = KINDS[TYPES[type(value)][-1]] if type(value) in TYPES else None
    return known or Sentence("a Python {type}", type=type(value).__name__)


def schema_faults(schema: Mapping[str, Any], value: Any) -> list[Fault]:
    """Return the faults of JSON data, each with its path: all of them, or the first `MOST` + 1."""
    if fits(schema, value):
        return []
    if json_text.is_large(value, LARGE):
        return [((), Sentence("does not have the required structure; it is too large to say where"))]
    errors = islice(_validator()(schema).iter_errors(value), MOST + 1)
    return [(tuple(error.absolute_path), fault_of(error)) for error in errors]


def fault_of(error: Any) -> str:
    """Return a jsonschema error as a sentence, without a dump of the instance."""
    expected, value, word = error.validator_value, error.instance, error.validator
    match word:
        case "type":
            kinds = [expected] if isinstance(expected, str) else expected
            slots = {"wanted": either(KINDS[kind] for kind in kinds), "found": kind_of(value)}
            return Sentence("must be {wanted}, not {found}", **slots)
        case "const":
            return Sentence("must be {wanted}", wanted=json.dumps(expected, ensure_ascii=False))
        case "required":
            return Sentence("lacks {names}", names=tuple(repr(name) for name in expected if name not in value))
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            extra = next(name for name in value if name not in known)
            return Sentence("has the unknown key {name}.{meant}", name=repr(extra), meant=nearest(extra, known))
        case "enum":
            values = tuple(json.dumps(item, ensure_ascii=False) for item in expected[:12])
            return Sentence("must be one of {values}", values=values)
        case "pattern":
            return wrong_format(error.schema)
    return out_of_bounds(word, expected, value)


def out_of_bounds(word: str, limit: Any, value: Any) -> str:
    """Return the complaint about a value beyond the limit that a schema's keyword sets."""
    if word not in _COMPLAINTS:
        return Sentence("does not have the required structure")
    return Sentence(_COMPLAINTS[word], limit=limit, count=len(value) if isinstance(value, str | list | dict) else 0)


def wrong_format(schema: Schema) -> str:
    """Return the complaint about text that violates a `pattern`, whose `description` says what to enter."""
    what = schema.get("description")
    return Sentence("has the wrong format: enter {what}", what=what) if what else Sentence("has the wrong format")


_COMPLAINTS = {
    "maxLength": "must have at most {limit} characters; it has {count}",
    "minLength": "must have at least {limit} characters; it has {count}",
    "maxItems": "must have at most {limit} entries; it has {count}",
    "minItems": "must have at least {limit} entries; it has {count}",
    "maxProperties": "must have at most {limit} keys; it has {count}",
    "minProperties": "is empty: fill it in, or leave it out",
    "uniqueItems": "contains the same entry twice; keep one",
    "minimum": "must be at least {limit}",
    "maximum": "must be at most {limit}",
    "exclusiveMinimum": "must be more than {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "multipleOf": "must be a multiple of {limit}",
}


class _NeedsJsonschema(Exception):
    """Raised for a schema with a rare keyword."""


def fits(schema: Schema, value: Any) -> bool:
    try:
        return _fits(schema, value)
    except _NeedsJsonschema:
        return bool(_validator()(schema).is_valid(value))


@cache
def _validator() -> Any:
    """Return a validator that does not list why each alternative failed: that can be long, and no message uses it."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def any_of(validator: Any, schemas: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not any(validator.evolve(schema=alternative).is_valid(value) for alternative in schemas):
            yield ValidationError("fits none of the alternatives")

    return extend(Draft202012Validator, {"anyOf": any_of})  # type: ignore[no-untyped-call]


def _fits(schema: Any, value: Any) -> bool:
    if schema is True or schema is False:
        return bool(schema)
    for word, expected in schema.items():
        if word == "type" and type(expected) is str and type(value) is _EXACT.get(expected):
            continue  # the usual case needs no call
        holds = _WORDS.get(word)  # keywords without an entry restrict nothing, such as title and default
        if holds is not None and not holds(value, expected, schema):
            if "patternProperties" in schema or "prefixItems" in schema:  # these change the meaning of other keywords
                raise _NeedsJsonschema
            return False
    return True


def _rare(value: Any, expected: Any, schema: Schema) -> bool:
    """Give up on a keyword that only jsonschema can check, together with the whole schema."""
    raise _NeedsJsonschema


def _is_type(value: Any, expected: str | list[str], _: Schema) -> bool:
    kinds = TYPES.get(type(value)) or next((kinds for kind, kinds in TYPES.items() if isinstance(value, kind)), ())
    if isinstance(value, float) and value.is_integer():
        kinds = ("number", "integer")
    return expected in kinds if isinstance(expected, str) else any([kind in expected for kind in kinds])


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _has_fitting_values(value: Any, parts: Mapping[str, Json], _: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    names = value.keys() & parts.keys()
    return all(map(_fits, map(parts.get, names), map(value.get, names)))


def _has_fitting_rest(value: Any, inner: Json, schema: Schema) -> bool:
    rest = value.keys() - schema.get("properties", ()) if isinstance(value, dict) else ()
    return all(map(_fits, repeat(inner), [value[name] for name in rest]))


_RARE_WORDS = (
    "$ref $dynamicRef if contains prefixItems patternProperties multipleOf uniqueItems dependentRequired"
    " dependentSchemas unevaluatedItems unevaluatedProperties"
)
_compiled = lru_cache(maxsize=4096)(re.compile)  # Python's own cache of 512 is too small for many connectors
_NUMBERS = (int, float)  # `int | float` would be built on every call
_EXACT = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}
TYPES: dict[type, tuple[str, ...]] = {  # Python type -> its JSON types, the widest last
    str: ("string",), bool: ("boolean",), int: ("integer", "number"), float: ("number",),
    list: ("array",), dict: ("object",), type(None): ("null",),
}  # fmt: skip
_WORDS: dict[str, Callable[[Any, Any, Schema], bool]] = {  # each accepts data of types that it does not apply to
    "type": _is_type,
    "enum": lambda value, values, _: any(map(same, values, repeat(value))),
    "const": lambda value, expected, _: same(value, expected),
    "pattern": lambda value, pattern, _: not isinstance(value, str) or _compiled(pattern).search(value) is not None,
    "minLength": lambda value, least, _: not isinstance(value, str) or len(value) >= least,
    "maxLength": lambda value, most, _: not isinstance(value, str) or len(value) <= most,
    "minimum": lambda value, least, _: not _is_number(value) or not value < least,
    "maximum": lambda value, most, _: not _is_number(value) or not value > most,
    "exclusiveMinimum": lambda value, limit, _: not _is_number(value) or not value <= limit,
    "exclusiveMaximum": lambda value, limit, _: not _is_number(value) or not value >= limit,
    "minItems": lambda value, least, _: not isinstance(value, list) or len(value) >= least,
    "maxItems": lambda value, most, _: not isinstance(value, list) or len(value) <= most,
    "minProperties": lambda value, least, _: not isinstance(value, dict) or len(value) >= least,
    "maxProperties": lambda value, most, _: not isinstance(value, dict) or len(value) <= most,
    "required": lambda value, names, _: not isinstance(value, dict) or value.keys() >= {*names},
    "properties": _has_fitting_values,
    "additionalProperties": _has_fitting_rest,
    "propertyNames": lambda value, inner, _: not isinstance(value, dict) or all(map(_fits, repeat(inner), value)),
    "items": lambda value, inner, _: not isinstance(value, list) or all(map(_fits, repeat(inner), value)),
    "anyOf": lambda value, schemas, _: any(map(_fits, schemas, repeat(value))),
    "allOf": lambda value, schemas, _: all(map(_fits, schemas, repeat(value))),
    "oneOf": lambda value, schemas, _: sum(map(_fits, schemas, repeat(value))) == 1,
    "not": lambda value, inner, _: not _fits(inner, value),
    **dict.fromkeys(_RARE_WORDS.split(), _rare),
}
