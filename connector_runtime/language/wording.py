"""What is wrong with data, in words a builder can act on. Pure; whether anything is wrong, `schemas` says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from .schemas import TYPES, errors, fits

LONGEST = 200  # characters of a name that may be a slip of another
MOST = 100  # problems that are told of one call; who made so many made one mistake
Fault = tuple[tuple[str | int, ...], str]

KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'topic'?` or nothing."""
    close = closest(name, known)
    return f" Did you mean '{close}'?" if close is not None else ""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The one of the known names that another name may be a slip of."""
    from difflib import get_close_matches  # what only a mistake needs

    return next(iter(get_close_matches(name, list(known), n=1)), None) if len(name) <= LONGEST else None


def kind_of(value: Any) -> str:
    return KINDS[TYPES[type(value)][-1]] if type(value) in TYPES else f"a Python {type(value).__name__}"


# -- JSON inside a value ---------------------------------------------------------------------------------------------


def misfits(schema: Mapping[str, Any], value: Any) -> list[Fault]:
    """The faults of JSON data against a schema, each with its path; of very many the first."""
    if fits(schema, value):
        return []
    return [(tuple(error.absolute_path), misfit(error)) for error in islice(errors(schema, value), MOST + 1)]


def misfit(error: Any) -> str:
    """One jsonschema error as a sentence, without a dump of the instance."""
    wanted, found, word = error.validator_value, error.instance, error.validator
    match word:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"must be {' or '.join(KINDS[kind] for kind in kinds)}, not {kind_of(found)}"
        case "const":
            return f"must be {json.dumps(wanted, ensure_ascii=False)}"
        case "required":
            return f"lacks {', '.join(repr(name) for name in wanted if name not in found)}"
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            extra = next(name for name in found if name not in known)
            return f"has the unknown key {extra!r}.{nearest(extra, known)}"
        case "enum":
            return f"must be one of {', '.join(json.dumps(item, ensure_ascii=False) for item in wanted[:12])}"
        case "maxProperties":
            return f"must have at most {wanted} {'key' if wanted == 1 else 'keys'}; it has {len(found)}"
    size = len(found) if isinstance(found, str | list) else 0
    return _MISFITS.get(word, "does not fit what is wanted here").format(wanted=wanted, size=size)


_MISFITS = {
    "maxLength": "must have at most {wanted} characters; it has {size}",
    "minLength": "must have at least {wanted} characters",
    "maxItems": "must have at most {wanted} entries; it has {size}",
    "minItems": "must have at least {wanted} entries",
    "minProperties": "is empty; say something in it, or leave it out",
    "uniqueItems": "names one thing twice; keep one",
    "minimum": "must be at least {wanted}",
    "maximum": "must be at most {wanted}",
    "exclusiveMinimum": "must be above {wanted}",
    "exclusiveMaximum": "must be below {wanted}",
    "multipleOf": "must be a multiple of {wanted}",
    "pattern": "is not of the form that is wanted here",
}
