"""Checks an input table beyond its shape: types, limits, places, defaults, conditions. Pure."""

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
from .answer import template
from .faults import PLACES, CheckedFile, References, listed

RESERVED = (  # the command line's own options, and the tools' own arguments
    "inputs", "extra", "limit", "cursor", "base_url", "ndjson", "output", "clear", "help", "retries", "deadline",
    "recover",
)  # fmt: skip

NO_INPUT, NAME_ONE = "names {}, which is not an input here", "Name one that is."
_PAIRS = (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems"))
FIXED = {"client": ("id", "secret"), "basic": ("user", "password"), "verify": ("secret",)}


def compiled(file: CheckedFile, refs: References) -> dict[str, Input]:
    """Compile the rows that can be compiled, and report the others."""
    rows: dict[str, Input] = {}
    for key, raw in file.inputs.items():
        at: Path = ("inputs", key, "schema")
        try:
            if file.sound("inputs", key):
                rows[key] = compiled_row(key, raw, refs.shared, refs.codecs)
        except LookupError as error:
            file.add(at, f"names {error.args[0]!r}, which is not a file in schemas/; change the name")
        except TypeError:
            file.add(at, "has a $ref that leads nowhere; name a definition that the file has")
    return rows


def entries(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report the faults of single rows."""
    for key, row in rows.items():
        before, raw = len(file.found), file.inputs[key]
        at: Path = ("inputs", key)
        codec(file, (*at, "as"), raw, refs)
        _words(file, at, raw, row)
        _schema(file, at, raw, row)
        for place in row.to:
            _place(file, at, row, place)
        _choices(file, (*at, "choices"), row)
        if len(file.found) > before or row.type == "connection":
            continue
        for word in ("default", "example"):
            if word in raw and not registry.accepts(row, raw[word]):
                known = ", ".join(str(choice.value) for choice in row.choices)
                reason = f"is not one of {known}" if known else "the input does not accept"
                file.add((*at, word), f"is {raw[word]!r}, which {reason}; change one of them")


def conditions(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report faults between rows: conditions on other inputs, and old names that are in use."""
    sound = {key: raw for key, raw in file.inputs.items() if file.sound("inputs", key)}
    owners: dict[str, str] = {}  # old name -> the first input that lists it
    for key, raw in sound.items():
        for name in several(raw.get("was", ())):
            owners.setdefault(name, key)
    for key, raw in sound.items():
        at: Path = ("inputs", key)
        for word in ("only_when", "shown_when", "required"):
            if raw.get(word, True) is not True:
                condition(file, (*at, word), raw[word], rows, key)
        for index, warn in enumerate(raw.get("warn", ())):
            where = (*at, "warn", index)
            if "when" in warn:
                condition(file, (*where, "when"), warn["when"], rows)
            for name in sorted(template(file, (*where, "says"), warn["says"])) if "{{" in warn["says"] else ():
                is_known = file.known((*where, "says"), name, file.inputs, "uses {}, which is not an input", NAME_ONE)
                if is_known and name in rows and rows[name].type == "secret":
                    file.add((*where, "says"), f"would show '{name}', which is secret; leave it out")
        for name in several(raw.get("was", ())):
            if name in file.inputs:
                file.add((*at, "was"), f"is {name!r}, which is an input now; an old name must be free")
            elif name in RESERVED:
                file.add((*at, "was"), f"is {name!r}, which is an option of the command line; leave it out")
            elif owners[name] != key:
                file.add((*at, "was"), f"is {name!r}, which is already an old name of '{owners[name]}'; keep one")


def codec(file: CheckedFile, at: Path, raw: Mapping[str, Any], refs: References) -> None:
    known = [*codecs.CODECS, *refs.codecs]
    for name in several(raw.get("as", ())):
        if codecs.codec(name, refs.codecs) is None:
            file.add(at, f"is {name!r}, which is not a codec.{nearest(name, known)} {listed(known)}")


def _schema(file: CheckedFile, at: Path, raw: Mapping[str, Any], row: Input) -> None:
    schema = raw.get("schema", {})
    known = registry.TYPES[row.type].words
    for word in [word for word in schema if word not in known and "$ref" not in schema]:
        if row.collection and word in ("minItems", "maxItems", "uniqueItems"):
            remedy = f"use `type: json` with `schema: {{type: array, {word}: …}}`"
            what = f"limits the list, but `schema` describes one entry; {remedy}"
        elif word == "enum":
            what = "is not for a row; write `choices` beside `schema`"
        elif word in ALL_WORDS:
            what = f"has no meaning for {row.type}; " + (f"use {', '.join(known)}" if known else "leave it out")
        else:
            what = f"is not a JSON Schema keyword.{nearest(word, known or ALL_WORDS)}"
        file.add((*at, "schema", word), what)
    _limits(file, (*at, "schema"), schema)
    for index, warn in enumerate(raw.get("warn", ())):
        _limits(file, (*at, "warn", index, "schema"), warn.get("schema", {}))


def _limits(file: CheckedFile, at: Path, schema: Any) -> None:
    """Report unknown JSON Schema keywords and wrong values, at any depth."""
    if not isinstance(schema, dict):
        file.add(at, "must be a schema, such as {type: string}")
        return
    for word, value in schema.items():
        wanted = ALL_WORDS.get(word, object)
        if len(at) > 3 and word not in ALL_WORDS:
            file.add((*at, word), f"is not a JSON Schema keyword.{nearest(word, ALL_WORDS)}")
        elif not isinstance(value, wanted) or (isinstance(value, bool) and wanted in (int, (int, float))):
            kinds = {int: "a whole number", str: "text", list: "a list", dict: "a schema", bool: "true or false"}
            file.add((*at, word), f"is {value!r}; it must be {kinds.get(wanted, 'a number')}")
        elif word in ("properties", "anyOf", "oneOf", "allOf"):
            for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
                _limits(file, (*at, word, step), inner)
        elif word in ("items", "not", "propertyNames") or (word == "additionalProperties" and isinstance(value, dict)):
            _limits(file, (*at, word), value)
    for word, other in _PAIRS:
        low, high = schema.get(word), schema.get(other)
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            file.add((*at, word), f"is {low}, above the {other} of {high}, so nothing fits; change one")


def _place(file: CheckedFile, at: Path, row: Input, place: Place) -> None:
    name, is_structured, what = ".".join(place.path), row.type in ("json", "any"), ""
    if place.kind not in PLACES[file.kind]:
        what = f"is {place}; in {file.kind}/ values go to {', '.join(PLACES[file.kind])}"
    elif place.kind == "call" and name not in places.CALL_KNOBS:
        what = f"is {place}; the runtime knows call.{', call.'.join(places.CALL_KNOBS)}"
    elif place.kind == "request" and name not in ("method", "path", "body"):
        what = f"is {place}; use request.method, request.path or request.body"
    elif place.kind in FIXED and name not in FIXED[place.kind]:
        what = f"is {place}; use {' or '.join(f'{place.kind}.{name}' for name in FIXED[place.kind])}"
    elif any("*" in step.split(".") for step in place.path):
        what = f"is {place}; use .* only at the end, and in {place.kind} right after it: body.a.*, query.*"
    elif place.spread and row.collection != "map" and not is_structured:
        what = "spreads a value with .*, which takes a map; write `collection: map` or `type: json`"
    elif place.kind == "path":
        if row.required != () or row.only_when is not None:
            file.add(at, "goes into the path, so it must have `required: true` and no `only_when`")
        if row.collection == "map" or (row.collection == "list" and not any(codec.joins for codec in row.codecs)):
            what = "puts several values into one place of the path; add `as: csv`, or leave `collection` out"
        elif is_structured:
            file.add((*at, "type"), f"is {row.type}, which cannot go into a path; use string or integer")
    elif file.kind == "actions" and place.kind == "header" and name.lower() in GUARDED_HEADERS:
        what = f"is {place}, which the connection or HTTP itself sets; put it in connection/ or leave it out"
    if what:
        file.add((*at, "to"), what)
    if row.type == "file" and place.kind not in ("part", *PLACES["triggers"]):
        file.add((*at, "to"), "sends a file to a place that cannot carry one; use part.x")
    if row.type == "connection":
        file.add((*at, "to"), "is set by the connection's own file; leave it out")


def _words(file: CheckedFile, at: Path, raw: Mapping[str, Any], row: Input) -> None:
    """Report keys of a row that contradict each other."""
    always, single = row.required == (), row.collection != "list" and row.type not in ("json", "any")
    if "csv" in several(raw.get("as", ())) and single:
        file.add((*at, "as"), "joins a list, but the input is not a list; add `collection: list`")
    if "as" in raw and not row.to:
        file.add((*at, "as"), "converts a value that goes nowhere; add `to`")
    if row.key in RESERVED:
        file.add(at, "is an option of the command line; give the input another name and add `to`")
    if (row.key == "connection") is not (row.type == "connection"):
        file.add((*at, "type"), "must be connection for an input called connection, and for no other; rename the input")
    if row.fills_in and (row.required or row.only_when is not None):
        file.add((*at, "default"), "fills in a required input, which must have `required: true` and no `only_when`")
    if row.has_default and row.type == "secret":
        what = "is in a file that anyone can read, so a secret must not have a default; leave it out"
        file.add((*at, "default"), what)
    if row.clear and always:
        file.add((*at, "clear"), "clears a required input; leave out `clear` or `required`")
    if row.clear == ([],) and single:
        file.add((*at, "clear"), 'clears it with a list, but it is not a list; write `clear: ""` or `clear: null`')
    if row.deprecated is not None and always and not row.has_default:
        file.add((*at, "deprecated"), "is on a required input, which cannot be left out; remove `required`")
    if row.choices and row.choices_from:
        file.add((*at, "choices_from"), "offers more values, but `choices` allows no others; keep one of the two")


def _choices(file: CheckedFile, at: Path, row: Input) -> None:
    kind, values = registry.TYPES[row.type].choice, [choice.value for choice in row.choices]
    for index, value in enumerate(values):
        if kind is int and not isinstance(value, int):
            file.add((*at, index), f"is {value!r}, which is not an integer; change it, or the type to string")
        elif kind is str and not isinstance(value, str):
            file.add((*at, index), f"is {value!r}; put it in quotes, the type is {row.type}")
        elif kind is None:
            file.add(at, f"does not go with the type {row.type}; use string or integer")
            return
        elif value in values[:index]:
            file.add((*at, index), f"repeats {value!r}; keep one")


def condition(file: CheckedFile, at: Path, raw: Any, rows: Mapping[str, Input], subject: str | None = None) -> None:
    """Report unknown inputs in a condition, and values that an input never has."""
    for test in parse(raw):
        row = rows.get(test.name)
        values = [value for value in test.values if value is not None]
        remedy = "Write `true`." if (at[-1], test.name) == ("required", "yes") else NAME_ONE
        if not file.known(at, test.name, file.inputs, NO_INPUT, remedy):
            continue
        if test.name == subject:
            file.add(at, "depends on its own input; name another")
        elif row is None:
            continue
        elif row.type == "connection":
            file.add(at, "depends on the connection, which the platform chooses; name another input")
        elif values and (row.collection or row.type in ("json", "any", "file")):
            what = f"compares '{test.name}', which can only be tested for presence"
            file.add(at, f"{what}; write `{test.name}` or {{{test.name}: null}}")
        else:
            known = ", ".join(str(choice.value) for choice in row.choices)
            for value in (value for value in values if not registry.accepts(row, value)):
                accepted = f"it takes {known}" if known else f"its type is {row.type}"
                file.add(at, f"tests for {value!r}, which '{test.name}' never is; {accepted}")


def cycles(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report inputs that depend on each other in a cycle, so none can be filled in."""
    needs = {
        key: [test.name for test in row.only_when or () if test.negate is (None in test.values)]
        for key, row in rows.items()
    }
    reach = {key: set(names) for key, names in needs.items()}
    for between in rows:
        for names in reach.values():
            if between in names:
                names |= reach[between]
    for key in rows:
        circle = [name for name in rows if name in reach[key] and key in reach[name]]
        if circle[:1] == [key] and needs[key] != [key]:  # one report per cycle; `condition` reports self-reference
            file.add(("inputs", key, "only_when"), f"needs '{needs[key][0]}', which needs it; remove one")
