"""What is wrong with an input table that its shape does not show: types, limits, places, defaults, conditions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...language import codecs, places
from ...language.conditions import parse
from ...language.wording import nearest
from ...model import Input
from ...types import registry
from ...types.base import ALL_WORDS
from ...types.collections import GUARDED_HEADERS
from ..compile import row as compiled_row, several
from ..documents import Path
from .faults import PLACES, Faults, Surroundings, listed

RESERVED = (  # the command line's own options, and the tools' own arguments
    "inputs", "limit", "cursor", "base_url", "ndjson", "output", "clear", "help", "retries", "deadline", "recover",
)  # fmt: skip

NAME_ONE = "Name one that is."
_PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))


def compiled(own: Faults, around: Surroundings) -> dict[str, Input]:
    """The rows that could be compiled."""
    rows: dict[str, Input] = {}
    for key, raw in own.inputs.items():
        at: Path = ("inputs", key, "schema")
        try:
            if own.sound("inputs", key):
                rows[key] = compiled_row(key, raw, around.shared, around.codecs)
        except LookupError as error:
            own.add(at, f"names {error.args[0]!r}, which is in no file of schemas/; mend the name")
        except TypeError:
            own.add(at, "has a $ref that leads nowhere; name a definition that the file has")
    return rows


def entries(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """What is wrong with a row by itself."""
    for key, row in rows.items():
        before, raw = own.count(), own.inputs[key]
        at: Path = ("inputs", key)
        codec(own, (*at, "as"), raw, around)
        _codecs(own, at, raw, row)
        _schema(own, at, raw, row)
        _places(own, at, row)
        _row(own, at, row)
        if own.count() == before and row.type != "connection":
            _values(own, at, row, raw)


def conditions(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """What is wrong between rows: conditions on others, and old names that others have."""
    for key, raw in own.inputs.items():
        if own.sound("inputs", key):
            for word in ("only_when", "shown_when", "required"):
                if word in raw and raw[word] is not True:
                    condition(own, ("inputs", key, word), raw[word], rows, key)
            for index, warn in enumerate(raw.get("warn", ())):
                if "when" in warn:
                    condition(own, ("inputs", key, "warn", index, "when"), warn["when"], rows)
            _names(own, key)


def codec(own: Faults, at: Path, raw: Mapping[str, Any], around: Surroundings) -> None:
    """Names under `as` that no codec has."""
    known = [*codecs.CODECS, *around.codecs]
    for name in several(raw.get("as", ())):
        if codecs.codec(name, around.codecs) is None:
            own.add(at, f"is {name!r}, which is no codec.{nearest(name, known)} {listed(known)}")


def _codecs(own: Faults, at: Path, raw: Mapping[str, Any], row: Input) -> None:
    if "csv" in several(raw.get("as", ())) and row.collection != "list" and row.type not in ("json", "any"):
        own.add((*at, "as"), "joins a list, and this is none: say `collection: list`")
    if "as" in raw and not row.to:
        own.add((*at, "as"), "says how a value is written that goes nowhere: say `to` as well")


def _schema(own: Faults, at: Path, raw: Mapping[str, Any], row: Input) -> None:
    schema = raw.get("schema", {})
    known = registry.TYPES[row.type].words
    for word in () if "$ref" in schema else schema:
        if word in known:
            continue
        if row.collection and word in ("minItems", "maxItems", "uniqueItems"):
            remedy = f"say `type: json` with `schema: {{type: array, {word}: …}}`"
            what = f"is about the list, and `schema` is of one entry: {remedy}"
        elif word in ALL_WORDS:
            what = f"says nothing about {row.type}; " + (f"it takes {', '.join(known)}" if known else "leave it out")
        else:
            what = f"is no word of JSON Schema.{nearest(word, known or ALL_WORDS)}"
        own.add((*at, "schema", word), what)
    _limits(own, (*at, "schema"), schema)
    for index, warn in enumerate(raw.get("warn", ())):
        _limits(own, (*at, "warn", index, "schema"), warn["schema"])


def _limits(own: Faults, at: Path, schema: Any) -> None:
    """Words of JSON Schema that hold what they cannot, at any depth."""
    if not isinstance(schema, dict):
        own.add(at, "must be a schema, such as {type: string}")
        return
    for word, value in schema.items():
        if len(at) > 3 and word not in ALL_WORDS:
            own.add((*at, word), f"is no word of JSON Schema.{nearest(word, ALL_WORDS)}")
        elif word in ALL_WORDS and (
            not isinstance(value, ALL_WORDS[word])
            or (isinstance(value, bool) and ALL_WORDS[word] in (int, (int, float)))
        ):
            wanted = {int: "a whole number", str: "text", list: "a list", dict: "a schema", bool: "true or false"}
            own.add((*at, word), f"is {value!r}; it must be {wanted.get(ALL_WORDS[word], 'a number')}")
        elif word == "properties":
            for name, inner in value.items():
                _limits(own, (*at, word, name), inner)
        elif word in ("anyOf", "oneOf", "allOf"):
            for index, inner in enumerate(value):
                _limits(own, (*at, word, index), inner)
        elif word in ("items", "not", "propertyNames") or (word == "additionalProperties" and isinstance(value, dict)):
            _limits(own, (*at, word), value)
    for word, other in _PAIRS:
        low, high = schema.get(word), schema.get(other)
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            own.add((*at, word), f"is {low}, above the {other} of {high}, so that nothing fits; change one")


def _places(own: Faults, at: Path, row: Input) -> None:
    def add(what: str) -> None:
        own.add((*at, "to"), what)

    for place in row.to:
        name = ".".join(place.path)
        if place.kind not in PLACES[own.kind]:
            add(f"is {place}; in {own.kind}/ values go to {', '.join(PLACES[own.kind])}")
        elif place.kind == "call" and name not in places.CALL_KNOBS:
            add(f"is {place}; the runtime knows call.{', call.'.join(places.CALL_KNOBS)}")
        elif place.kind == "request" and name not in ("method", "path", "body"):
            add(f"is {place}; say request.method, request.path or request.body")
        elif place.kind in FIXED and name not in FIXED[place.kind]:
            add(f"is {place}; there is {' and '.join(f'{place.kind}.{name}' for name in FIXED[place.kind])}")
        elif any("*" in step.split(".") for step in place.path):
            add(f"is {place}; .* stands only at the end, and in {place.kind} right after it: body.a.*, query.*")
        elif place.spread and row.collection != "map" and row.type not in ("json", "any"):
            add("spreads a value with .*, which takes a map: say `collection: map` or `type: json`")
        elif place.kind == "path":
            _in_path(own, at, row)
        elif own.kind == "actions" and place.kind == "header" and name.lower() in GUARDED_HEADERS:
            add(f"is {place}, which the connection or HTTP itself sets; say it in connection/ or leave it out")
        if row.type == "file" and place.kind not in ("part", *PLACES["triggers"]):
            add("takes a file to a place that cannot carry one; files go to part.x")
    if row.type == "connection" and row.to:
        add("says where the connection goes; the connection's own file does that, leave it out")


FIXED = {"client": ("id", "secret"), "basic": ("user", "password"), "verify": ("secret",)}


def _in_path(own: Faults, at: Path, row: Input) -> None:
    if row.required != () or row.only_when is not None:
        own.add(at, "stands in the path, so it must be `required: true`, without `only_when`")
    if row.collection == "map" or (row.collection == "list" and not any(step.joins for step in row.codecs)):
        own.add((*at, "to"), "puts many values into one place of the path: say `as: csv`, or leave `collection` out")
    elif row.type in ("json", "any"):
        own.add((*at, "type"), f"is {row.type}, which does not go into a path; take string or integer")


def _row(own: Faults, at: Path, row: Input) -> None:
    if row.key in RESERVED:
        own.add(at, "is an option of the command line; give the input another name and say `to`")
    if (row.key == "connection") is not (row.type == "connection"):
        own.add((*at, "type"), "is connection where the input is called connection, and nowhere else; rename the input")
    if row.has_default and row.required is not None and (row.required or row.only_when is not None):
        what = "is filled in for a required input, so `required` must be true and without `only_when`"
        own.add((*at, "default"), what)
    if row.has_default and row.type == "secret":
        own.add((*at, "default"), "stands in a file for all to read; a secret has no default, leave it out")
    if row.clear and row.required == ():
        own.add((*at, "clear"), "empties an input that is required; leave one of the two out")
    if row.clear == ([],) and row.collection != "list" and row.type not in ("json", "any"):
        own.add((*at, "clear"), 'empties it with a list, and it takes none; say `clear: ""` or `clear: null`')
    if row.deprecated is not None and row.required == () and not row.has_default:
        own.add((*at, "deprecated"), "asks to leave out what is required; take `required` away")
    _choices(own, at, row)


def _choices(own: Faults, at: Path, row: Input) -> None:
    at = (*at, "choices")
    kind, values = registry.TYPES[row.type].choice, [choice.value for choice in row.choices]
    for index, value in enumerate(values):
        if kind is int and not isinstance(value, int):
            own.add((*at, index), f"is {value!r}, which is no integer; change it, or the type to string")
        elif kind is str and not isinstance(value, str):
            own.add((*at, index), f"is {value!r}; put it in quotes, the type is {row.type}")
        elif kind is None:
            own.add(at, f"does not go with the type {row.type}; take string or integer")
            return
        elif value in values[:index]:
            own.add((*at, index), f"is {value!r} once more; keep one")
    if row.choices and row.choices_from:
        what = "offers values beside `choices`, which are the only ones; keep one of the two"
        own.add((*at[:-1], "choices_from"), what)


def _values(own: Faults, at: Path, row: Input, raw: Mapping[str, Any]) -> None:
    for word in ("default", "example"):
        if word in raw and not registry.accepts(row, raw[word]):
            known = ", ".join(str(choice.value) for choice in row.choices)
            among = f"one of {known}" if known else "what it accepts"
            own.add((*at, word), f"is {raw[word]!r}, which is not {among}; change one of them")


def _names(own: Faults, key: str) -> None:
    """Old names must lead to one input."""
    olds = {name: several(other.get("was", ())) for name, other in own.inputs.items() if own.sound("inputs", name)}
    for old in olds[key]:
        holder = next(name for name, others in olds.items() if old in others)
        if old in own.inputs:
            own.add(("inputs", key, "was"), f"is {old!r}, which is an input of today; an old name must be free")
        elif old in RESERVED:
            own.add(("inputs", key, "was"), f"is {old!r}, which is an option of the command line; leave it out")
        elif holder != key:
            own.add(("inputs", key, "was"), f"is {old!r}, which '{holder}' was already; keep one")


def condition(own: Faults, at: Path, raw: Any, rows: Mapping[str, Input], subject: str | None = None) -> None:
    """The faults of a condition: names that are no input, values that an input never has."""
    for test in parse(raw):
        row = rows.get(test.name)
        values = [value for value in test.values if value is not None]
        if not own.known(at, test.name, own.inputs, f"speaks of {test.name!r}, which is no input here", NAME_ONE):
            continue
        if test.name == subject:
            own.add(at, "waits for its own input; name another")
        elif row is None:
            continue
        elif row.type == "connection":
            own.add(at, "asks for the connection, which the platform chooses; name another input")
        elif values and (row.collection or row.type in ("json", "any", "file")):
            remedy = f"say `{test.name}` or {{{test.name}: null}}"
            own.add(at, f"compares '{test.name}', which can only be given or not: {remedy}")
        else:
            for value in values:
                if not registry.accepts(row, value):
                    known = ", ".join(str(choice.value) for choice in row.choices)
                    shown = f"; it takes {known}" if known else f"; its type is {row.type}"
                    own.add(at, f"waits for {value!r}, which '{test.name}' never is{shown}")


def cycles(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """Inputs that wait for each other, so that none can ever be given."""
    waits = {
        key: [test.name for test in row.only_when or () if test.negate is (None in test.values)]
        for key, row in rows.items()
    }
    behind: dict[str, set[str]] = {}
    for key in rows:
        found, ahead = behind.setdefault(key, set()), list(waits[key])
        while ahead:
            name = ahead.pop()
            if name not in found:
                found.add(name)
                ahead += waits.get(name, ())
    for key in rows:
        circle = [name for name in rows if name in behind[key] and key in behind[name]]
        if circle[:1] == [key] and waits[key] != [key]:  # it is told once, and waiting for oneself elsewhere
            what = f"waits for '{waits[key][0]}', which waits for it; take one away"
            own.add(("inputs", key, "only_when"), what)
