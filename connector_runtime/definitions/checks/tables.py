"""What is wrong with an input table that its shape does not show: types, limits, places, defaults, conditions. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...language import codecs, places
from ...language.conditions import parse
from ...language.schema_faults import nearest
from ...model import Input, Place
from ...types import registry
from ...types.base import ALL_WORDS
from ...types.collections import GUARDED_HEADERS
from ..compiler import row as compiled_row, several
from ..documents import Path
from .faults import PLACES, Faults, References, listed

RESERVED = (  # the command line's own options, and the tools' own arguments
    "inputs", "limit", "cursor", "base_url", "ndjson", "output", "clear", "help", "retries", "deadline", "recover",
)  # fmt: skip

NAME_ONE = "Name one that is."
_PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
FIXED = {"client": ("id", "secret"), "basic": ("user", "password"), "verify": ("secret",)}


def compiled(own: Faults, around: References) -> dict[str, Input]:
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


def entries(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """What is wrong with a row by itself."""
    for key, row in rows.items():
        before, raw = len(own.found), own.inputs[key]
        at: Path = ("inputs", key)
        codec(own, (*at, "as"), raw, around)
        _words(own, at, raw, row)
        _schema(own, at, raw, row)
        for place in row.to:
            _place(own, at, row, place)
        _choices(own, (*at, "choices"), row)
        if len(own.found) > before or row.type == "connection":
            continue
        for word in ("default", "example"):
            if word in raw and not registry.accepts(row, raw[word]):
                known = ", ".join(str(choice.value) for choice in row.choices)
                among = f"one of {known}" if known else "what it accepts"
                own.add((*at, word), f"is {raw[word]!r}, which is not {among}; change one of them")


def conditions(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """What is wrong between rows: conditions on others, and old names that others have."""
    sound = {key: raw for key, raw in own.inputs.items() if own.sound("inputs", key)}
    holders: dict[str, str] = {}  # an old name -> the first input that had it
    for key, raw in sound.items():
        for name in several(raw.get("was", ())):
            holders.setdefault(name, key)
    for key, raw in sound.items():
        at: Path = ("inputs", key)
        for word in ("only_when", "shown_when", "required"):
            if raw.get(word, True) is not True:
                condition(own, (*at, word), raw[word], rows, key)
        for index, warn in enumerate(raw.get("warn", ())):
            if "when" in warn:
                condition(own, (*at, "warn", index, "when"), warn["when"], rows)
        for name in several(raw.get("was", ())):
            if name in own.inputs:
                own.add((*at, "was"), f"is {name!r}, which is an input of today; an old name must be free")
            elif name in RESERVED:
                own.add((*at, "was"), f"is {name!r}, which is an option of the command line; leave it out")
            elif holders[name] != key:
                own.add((*at, "was"), f"is {name!r}, which '{holders[name]}' was already; keep one")


def codec(own: Faults, at: Path, raw: Mapping[str, Any], around: References) -> None:
    """Names under `as` that no codec has."""
    known = [*codecs.CODECS, *around.codecs]
    for name in several(raw.get("as", ())):
        if codecs.codec(name, around.codecs) is None:
            own.add(at, f"is {name!r}, which is no codec.{nearest(name, known)} {listed(known)}")


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
        elif word in ("properties", "anyOf", "oneOf", "allOf"):
            for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
                _limits(own, (*at, word, step), inner)
        elif word in ("items", "not", "propertyNames") or (word == "additionalProperties" and isinstance(value, dict)):
            _limits(own, (*at, word), value)
    for word, other in _PAIRS:
        low, high = schema.get(word), schema.get(other)
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            own.add((*at, word), f"is {low}, above the {other} of {high}, so that nothing fits; change one")


def _place(own: Faults, at: Path, row: Input, place: Place) -> None:
    name, many, what = ".".join(place.path), row.type in ("json", "any"), ""
    if place.kind not in PLACES[own.kind]:
        what = f"is {place}; in {own.kind}/ values go to {', '.join(PLACES[own.kind])}"
    elif place.kind == "call" and name not in places.CALL_KNOBS:
        what = f"is {place}; the runtime knows call.{', call.'.join(places.CALL_KNOBS)}"
    elif place.kind == "request" and name not in ("method", "path", "body"):
        what = f"is {place}; say request.method, request.path or request.body"
    elif place.kind in FIXED and name not in FIXED[place.kind]:
        what = f"is {place}; there is {' and '.join(f'{place.kind}.{name}' for name in FIXED[place.kind])}"
    elif any("*" in step.split(".") for step in place.path):
        what = f"is {place}; .* stands only at the end, and in {place.kind} right after it: body.a.*, query.*"
    elif place.spread and row.collection != "map" and not many:
        what = "spreads a value with .*, which takes a map: say `collection: map` or `type: json`"
    elif place.kind == "path":
        if row.required != () or row.only_when is not None:
            own.add(at, "stands in the path, so it must be `required: true`, without `only_when`")
        if row.collection == "map" or (row.collection == "list" and not any(step.joins for step in row.codecs)):
            what = "puts many values into one place of the path: say `as: csv`, or leave `collection` out"
        elif many:
            own.add((*at, "type"), f"is {row.type}, which does not go into a path; take string or integer")
    elif own.kind == "actions" and place.kind == "header" and name.lower() in GUARDED_HEADERS:
        what = f"is {place}, which the connection or HTTP itself sets; say it in connection/ or leave it out"
    if what:
        own.add((*at, "to"), what)
    if row.type == "file" and place.kind not in ("part", *PLACES["triggers"]):
        own.add((*at, "to"), "takes a file to a place that cannot carry one; files go to part.x")
    if row.type == "connection":
        own.add((*at, "to"), "says where the connection goes; the connection's own file does that, leave it out")


def _words(own: Faults, at: Path, raw: Mapping[str, Any], row: Input) -> None:
    """Words of a row that do not go together."""
    always, single = row.required == (), row.collection != "list" and row.type not in ("json", "any")
    if "csv" in several(raw.get("as", ())) and single:
        own.add((*at, "as"), "joins a list, and this is none: say `collection: list`")
    if "as" in raw and not row.to:
        own.add((*at, "as"), "says how a value is written that goes nowhere: say `to` as well")
    if row.key in RESERVED:
        own.add(at, "is an option of the command line; give the input another name and say `to`")
    if (row.key == "connection") is not (row.type == "connection"):
        own.add((*at, "type"), "is connection where the input is called connection, and nowhere else; rename the input")
    if row.fills_in and (row.required or row.only_when is not None):
        what = "is filled in for a required input, so `required` must be true and without `only_when`"
        own.add((*at, "default"), what)
    if row.has_default and row.type == "secret":
        own.add((*at, "default"), "stands in a file for all to read; a secret has no default, leave it out")
    if row.clear and always:
        own.add((*at, "clear"), "empties an input that is required; leave one of the two out")
    if row.clear == ([],) and single:
        own.add((*at, "clear"), 'empties it with a list, and it takes none; say `clear: ""` or `clear: null`')
    if row.deprecated is not None and always and not row.has_default:
        own.add((*at, "deprecated"), "asks to leave out what is required; take `required` away")
    if row.choices and row.choices_from:
        own.add((*at, "choices_from"), "offers values beside `choices`, which are the only ones; keep one of the two")


def _choices(own: Faults, at: Path, row: Input) -> None:
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
            what = f"compares '{test.name}', which can only be given or not"
            own.add(at, f"{what}: say `{test.name}` or {{{test.name}: null}}")
        else:
            known = ", ".join(str(choice.value) for choice in row.choices)
            for value in (value for value in values if not registry.accepts(row, value)):
                shown = f"it takes {known}" if known else f"its type is {row.type}"
                own.add(at, f"waits for {value!r}, which '{test.name}' never is; {shown}")


def cycles(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Inputs that wait for each other, so that none can ever be given."""
    waits = {
        key: [test.name for test in row.only_when or () if test.negate is (None in test.values)]
        for key, row in rows.items()
    }
    behind = {key: set(names) for key, names in waits.items()}
    for between in rows:
        for names in behind.values():
            if between in names:
                names |= behind[between]
    for key in rows:
        circle = [name for name in rows if name in behind[key] and key in behind[name]]
        if circle[:1] == [key] and waits[key] != [key]:  # it is told once, and waiting for oneself elsewhere
            own.add(("inputs", key, "only_when"), f"waits for '{waits[key][0]}', which waits for it; take one away")
