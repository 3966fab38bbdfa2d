"""JSON data against a JSON Schema 2020-12: whether it fits, and what is wrong in words a builder can act on. Pure.

`fits` says of any data exactly what jsonschema says, which is loaded for an explanation and for the rare words alone:
to load it takes longer than most commands take to run.
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

LONGEST = 200  # characters of a name that may be a slip of another
LARGE = 50_000  # values, of which an explanation takes a second
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


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'topic'?` or nothing."""
    close = closest(name, known)
    return Sentence(" Did you mean '{name}'?", name=close) if close is not None else ""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The one of the known names that another name may be a slip of."""
    from difflib import get_close_matches  # what only a mistake needs

    return next(iter(get_close_matches(name, list(known), n=1)), None) if len(name) <= LONGEST else None


def kind_of(value: Any) -> str:
    known = KINDS[TYPES[type(value)][-1]] if type(value) in TYPES else None
    return known or Sentence("a Python {type}", type=type(value).__name__)


def schema_faults(schema: Mapping[str, Any], value: Any) -> list[Fault]:
    """The faults of JSON data against a schema, each with its path; of very many the first."""
    if fits(schema, value):
        return []
    if json_text.is_large(value, LARGE):
        return [((), Sentence("does not have the shape that is described here; it is too large to say where"))]
    errors = islice(_validator()(schema).iter_errors(value), MOST + 1)
    return [(tuple(error.absolute_path), fault_of(error)) for error in errors]


def fault_of(error: Any) -> str:
    """One jsonschema error as a sentence, without a dump of the instance."""
    wanted, found, word = error.validator_value, error.instance, error.validator
    match word:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            slots = {"wanted": either(KINDS[kind] for kind in kinds), "found": kind_of(found)}
            return Sentence("must be {wanted}, not {found}", **slots)
        case "const":
            return Sentence("must be {wanted}", wanted=json.dumps(wanted, ensure_ascii=False))
        case "required":
            return Sentence("lacks {names}", names=tuple(repr(name) for name in wanted if name not in found))
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            extra = next(name for name in found if name not in known)
            return Sentence("has the unknown key {name}.{meant}", name=repr(extra), meant=nearest(extra, known))
        case "enum":
            some = tuple(json.dumps(item, ensure_ascii=False) for item in wanted[:12])
            return Sentence("must be one of {values}", values=some)
        case "pattern":
            return wrong_format(error.schema)
    return out_of_bounds(word, wanted, found)


def out_of_bounds(word: str, limit: Any, value: Any) -> str:
    """What is said of a value beyond the limit that a word of a schema sets."""
    if word not in _MISFITS:
        return Sentence("does not have the shape that is described here")
    return Sentence(_MISFITS[word], limit=limit, count=len(value) if isinstance(value, str | list | dict) else 0)


def wrong_format(schema: Schema) -> str:
    """What is said of text that a schema's `pattern` refuses: its `description` says what to enter."""
    what = schema.get("description")
    return Sentence("has the wrong format: enter {what}", what=what) if what else Sentence("has the wrong format")


_MISFITS = {  # what is said of each other word
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
    """A rare word was met."""


def fits(schema: Schema, value: Any) -> bool:
    """Whether data fits."""
    try:
        return _fits(schema, value)
    except _NeedsJsonschema:
        return bool(_validator()(schema).is_valid(value))


@cache
def _validator() -> Any:
    """A validator that does not list why each alternative failed, since nobody reads it and it may be long."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def any_of(validator: Any, schemas: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not any(validator.evolve(schema=each).is_valid(value) for each in schemas):
            yield ValidationError("fits none of the alternatives")

    return extend(Draft202012Validator, {"anyOf": any_of})  # type: ignore[no-untyped-call]


def _fits(schema: Any, value: Any) -> bool:
    if schema is True or schema is False:
        return bool(schema)
    for word, wanted in schema.items():
        if word == "type" and type(wanted) is str and type(value) is _EXACT.get(wanted):
            continue  # as nearly all data is
        holds = _WORDS.get(word)  # what has no entry here says nothing about data: a title, a default
        if holds is not None and not holds(value, wanted, schema):
            if "patternProperties" in schema or "prefixItems" in schema:  # which change what other words mean
                raise _NeedsJsonschema
            return False
    return True


def _rare(value: Any, wanted: Any, schema: Schema) -> bool:
    """A word that jsonschema judges, with the whole schema in which it stands."""
    raise _NeedsJsonschema


def _is_type(value: Any, wanted: str | list[str], _: Schema) -> bool:
    kinds = TYPES.get(type(value)) or next((kinds for kind, kinds in TYPES.items() if isinstance(value, kind)), ())
    if isinstance(value, float) and value.is_integer():
        kinds = ("number", "integer")
    return wanted in kinds if isinstance(wanted, str) else any([kind in wanted for kind in kinds])


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _has_fitting_values(value: Any, parts: Mapping[str, Json], _: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    names = value.keys() & parts.keys()
    return all(map(_fits, map(parts.get, names), map(value.get, names)))


def _has_fitting_rest(value: Any, wanted: Json, schema: Schema) -> bool:
    rest = value.keys() - schema.get("properties", ()) if isinstance(value, dict) else ()
    return all(map(_fits, repeat(wanted), [value[name] for name in rest]))


_RARE_WORDS = (
    "$ref $dynamicRef if contains prefixItems patternProperties multipleOf uniqueItems dependentRequired"
    " dependentSchemas unevaluatedItems unevaluatedProperties"
)
_compiled = lru_cache(maxsize=4096)(re.compile)  # Python's own cache holds 512, too few for many connectors
_NUMBERS = (int, float)  # not `int | float`, which is made anew whenever it is asked
_EXACT = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}
TYPES: dict[type, tuple[str, ...]] = {  # the JSON types that a value is of, the widest last
    str: ("string",), bool: ("boolean",), int: ("integer", "number"), float: ("number",),
    list: ("array",), dict: ("object",), type(None): ("null",),
}  # fmt: skip
_WORDS: dict[str, Callable[[Any, Any, Schema], bool]] = {  # each lets data pass that it is not about
    "type": _is_type,
    "enum": lambda value, wanted, _: any(map(same, wanted, repeat(value))),
    "const": lambda value, wanted, _: same(value, wanted),
    "pattern": lambda value, wanted, _: not isinstance(value, str) or _compiled(wanted).search(value) is not None,
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
    "propertyNames": lambda value, wanted, _: not isinstance(value, dict) or all(map(_fits, repeat(wanted), value)),
    "items": lambda value, wanted, _: not isinstance(value, list) or all(map(_fits, repeat(wanted), value)),
    "anyOf": lambda value, schemas, _: any(map(_fits, schemas, repeat(value))),
    "allOf": lambda value, schemas, _: all(map(_fits, schemas, repeat(value))),
    "oneOf": lambda value, schemas, _: sum(map(_fits, schemas, repeat(value))) == 1,
    "not": lambda value, wanted, _: not _fits(wanted, value),
    **dict.fromkeys(_RARE_WORDS.split(), _rare),
}
