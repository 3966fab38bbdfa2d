"""Why a value does not fit, in words a builder can act on. Pure.

Nothing here decides: the schemas of `takes` do. A secret's value is never quoted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from ..language.patterns import HEADER_VALUE
from ..model import Input
from . import takes
from .verdict import surely_fits

LONGEST = 200  # characters of a name that may be a slip of another
MOST = 100  # problems that are told of one call; who made so many made one mistake
_HEADER = "must be one line of printable ASCII text"

Fault = tuple[tuple[str | int, ...], str]

_KINDS = {
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
    close = _closest(name, known) if len(name) <= LONGEST else None
    return f" Did you mean '{close}'?" if close is not None else ""


def _closest(name: str, known: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # what only a mistake needs

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.6)), None)


def complaints(row: Input, value: Any) -> list[Fault]:
    """What is wrong with a value that `takes` refused: paths inside the value with sentences that end in the remedy."""
    if takes.is_blank(row, value):
        return [((), f"is needed: give '{row.label}'{example(row)}")]
    if row.collection:
        return _collection(row, value)
    return _scalar(row, value)


def example(row: Input) -> str:
    if row.example is None or row.type == "secret":
        return ""
    return f", such as {row.example if isinstance(row.example, str) else json.dumps(row.example, ensure_ascii=False)}"


def _scalar(row: Input, value: Any) -> list[Fault]:
    if row.choices:
        return [((), _choices(row, value))]
    if row.type in takes.TEXTS:
        return [((), _text(row, value))]
    if row.type in ("integer", "number"):
        return [((), _number(row, value))]
    if row.type == "boolean":
        return [((), f"must be true or false, not {quoted(row, value)}")]
    if row.type == "file":
        shape = '{"filename": "a.png", "content_type": "image/png", "base64": "…"}'
        return [((), f"must be text or a file: {shape}")]
    if row.type == "json":
        kind = _KINDS.get(row.schema.get("type", ""), "JSON")
        if isinstance(value, str):
            return [((), f"must be {kind}, as JSON: {_shape(row)}")]
        return list(misfits(takes.content(row), value)) or [((), f"must be {kind}, not {quoted(row, value)}")]
    return list(misfits(takes.content(row), value)) or [((), "does not fit")]


def _collection(row: Input, value: Any) -> list[Fault]:
    if row.collection == "map":
        faults = _map(row, value)
        return faults or [((), 'must be an object {"key": "value"} or a list of {"key": …, "value": …}')]
    found: list[Fault] = []
    if isinstance(value, list):
        items = takes.content(row)["items"]
        for index, item in enumerate(value):
            if len(found) > MOST:
                break
            if item is None or takes.is_blank_text(item):
                continue
            if misfits(items, item):
                found += [((index, *path), what) for path, what in _scalar(row, item)]
    elif isinstance(value, str) and not value.strip().startswith("["):
        items = takes.content(row)["items"]
        parts = (part.strip() for part in value.split(","))
        wrong = (part for part in parts if part and misfits(items, part))
        found += islice((((), what) for part in wrong for _, what in _scalar(row, part)), 5)
    shape = f'must be a list: [..] or text such as "{row.example if row.example else "a, b"}"'
    return found or [((), shape)]


def _map(row: Input, value: Any) -> list[Fault]:
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and all(isinstance(item, dict) and "key" in item for item in value):
        pairs = [(item["key"], item.get("value")) for item in value]
    else:
        return []
    names = takes.content(row)["anyOf"][0]["propertyNames"]
    values = takes.content(row)["anyOf"][0]["additionalProperties"]
    header = any(place.kind == "header" for place in row.to)
    found: list[Fault] = []
    for name, item in pairs:
        if len(found) > MOST:
            break
        if misfits(names, name):
            found.append(((str(name),), "is set by the connection" if _guarded(name, header) else "is no usable name"))
        elif misfits(values, item):
            what = _HEADER if header else "must be text; repeat the key in a list of pairs"
            found.append(((str(name),), what if row.type != "file" else _scalar(row, item)[0][1]))
    return found


def _guarded(name: Any, header: bool) -> bool:
    return header and isinstance(name, str) and name.strip().lower() in takes.GUARDED_HEADERS


def _choices(row: Input, value: Any) -> str:
    titles = [(str(choice.value), choice.label) for choice in row.choices]
    shown = [label if text == label else f"{text} ({label})" for text, label in titles]
    known = {str(choice.value): choice for choice in row.choices} | {choice.label: choice for choice in row.choices}
    close = _closest(value, known) if isinstance(value, str) and len(value) <= LONGEST else None
    meant = f" Did you mean {known[close].value}?" if close is not None else ""
    if len(shown) > 8:
        shown = [*shown[:6], f"{len(row.choices) - 6} more"]
    return f"must be one of {', '.join(shown)}, not {quoted(row, value)}.{meant}"


def _text(row: Input, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return f"must be text, not {kind_of(value)}"
    text, schema = str(value), row.schema
    if len(text) > schema.get("maxLength", len(text)):
        return f"must have at most {schema['maxLength']} characters; it has {len(text)}"
    if len(text) < schema.get("minLength", 0):
        return f"must have at least {schema['minLength']} characters; it has {len(text)}"
    if not isinstance(value, str):
        return "must be given as text, in quotes: a number does not keep its leading zeros"
    for place in row.to:
        if place.kind == "header" and misfits({"pattern": HEADER_VALUE}, text):
            return f"{_HEADER}: it goes into a header"
        if place.kind == "path" and text in (".", ".."):
            return "must not be . or .., which would leave its place in the path"
        if place.kind == "request" and place.path == ("path",):
            what = f"must be a path below the base URL that begins with one /{example(row)}"
            return f"{what}: no host, no dot segments, no backslash"
    likes = [step.like for step in row.codecs if step.like]
    like = likes[0] if likes else {"date": "2026-11-01", "datetime": "2026-11-01T09:00:00Z"}.get(row.type, row.example)
    if like is None:
        return "is not of the form that is wanted here"
    shown = quoted(row, value)
    return f"must look like {like}" + (f", not {shown}" if shown else "")


def _number(row: Input, value: Any) -> str:
    whole = "a whole number" if row.type == "integer" else "a number"
    low, high = row.schema.get("minimum"), row.schema.get("maximum")
    limits = {
        (True, True): f" from {low} to {high}",
        (True, False): f" of at least {low}",
        (False, True): f" of at most {high}",
        (False, False): "",
    }[low is not None, high is not None]
    return f"must be {whole}{limits}, not {quoted(row, value)}"


def quoted(row: Input, value: Any) -> str:
    """The value as it may be shown: short, and never a secret's."""
    if row.type == "secret":
        return "this"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    kinds = {dict: "an object", list: "a list", str: "text", int: "a number", float: "a number", type(None): "null"}
    return kinds.get(type(value), f"a Python {type(value).__name__}")


def _shape(row: Input) -> str:
    shapes = {"object": '{"key": "value"}', "array": '[{"key": "value"}]'}
    return shapes.get(row.schema.get("type", ""), "quote text in it")


# -- JSON inside a value ---------------------------------------------------------------------------------------------


def misfits(schema: Mapping[str, Any], value: Any) -> list[Fault]:
    """The faults of JSON data against a schema, each with its path; of very many the first."""
    if surely_fits(schema, value):
        return []
    return [(tuple(error.absolute_path), misfit(error)) for error in islice(errors(schema, value), MOST + 1)]


def errors(schema: Mapping[str, Any], value: Any) -> Iterator[Any]:
    """What jsonschema says of data, one error after the other."""
    return _judge()(schema).iter_errors(value)  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _judge() -> Any:
    """A validator that does not list why each alternative was none, since nobody reads it and it may be long."""
    from jsonschema import Draft202012Validator, ValidationError
    from jsonschema.validators import extend

    def any_of(validator: Any, schemas: Any, value: Any, schema: Any) -> Iterator[Any]:
        if not any(validator.evolve(schema=each).is_valid(value) for each in schemas):
            yield ValidationError(f"{kind_of(value)} fits none of the alternatives")

    return extend(Draft202012Validator, {"anyOf": any_of})  # type: ignore[no-untyped-call]


def misfit(error: Any) -> str:
    """One jsonschema error as a sentence, without a dump of the instance."""
    wanted, found = error.validator_value, error.instance
    match error.validator:
        case "type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return f"must be {' or '.join(_KINDS[kind] for kind in kinds)}, not {kind_of(found)}"
        case "const":
            return f"must be {json.dumps(wanted, ensure_ascii=False)}"
        case "required":
            missing = [name for name in wanted if name not in found]
            return f"lacks {', '.join(repr(name) for name in missing)}"
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            extra = [name for name in found if name not in known]
            return f"has the unknown key {extra[0]!r}.{nearest(extra[0], known)}"
        case "enum":
            shown = ", ".join(json.dumps(item, ensure_ascii=False) for item in wanted[:12])
            return f"must be one of {shown}"
        case "maxLength":
            return f"must have at most {wanted} characters; it has {len(found)}"
        case "minLength":
            return f"must have at least {wanted} characters"
        case "maxItems":
            return f"must have at most {wanted} entries; it has {len(found)}"
        case "minItems":
            return f"must have at least {wanted} entries"
        case "minProperties":
            return "is empty; say something in it, or leave it out"
        case "maxProperties":
            return f"must have at most {wanted} {'key' if wanted == 1 else 'keys'}; it has {len(found)}"
        case "uniqueItems":
            return "names one thing twice; keep one"
        case "minimum" | "maximum":
            return f"must be {'at least' if error.validator == 'minimum' else 'at most'} {wanted}"
        case "exclusiveMinimum" | "exclusiveMaximum":
            return f"must be {'above' if error.validator == 'exclusiveMinimum' else 'below'} {wanted}"
        case "multipleOf":
            return f"must be a multiple of {wanted}"
        case "pattern":
            return "is not of the form that is wanted here"
    return "does not fit what is wanted here"
