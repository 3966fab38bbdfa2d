"""Every fault of definitions, with file, line and remedy. Pure: it is given documents and reads no files.

First the shape, against the JSON Schema of the kind; then, where the shape is right, what a schema cannot say:
names that must exist, places that must be free, defaults that must fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import compile as compiler
from . import conditions, takes, words
from .documents import Document, Path, walk
from .errors import Problem
from .model import Input, Json
from .wording import misfit, nearest

RESERVED = ("inputs", "limit", "base_url", "ndjson", "clear", "help")  # the command line's own options
PLACES = {
    "actions": ("path", "query", "header", "body", "part", "request", "call"),
    "connection": ("header", "query", "base", "basic", "token", "client"),
    "triggers": ("verify",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a document may refer to: connector.yaml's data, shared schemas, codecs, the language's own schemas."""

    language: Callable[[str], Any]  # kind -> a jsonschema validator
    shared: Callable[[str], Json]
    codecs: Mapping[str, Any] = field(default_factory=dict)
    common: Mapping[str, Any] = field(default_factory=dict)
    actions: tuple[str, ...] = ()


def faults(document: Document, kind: str, stem: str, around: Surroundings) -> list[Problem]:
    """Every fault of one document; `kind` is its folder (`actions`, `connection`, `triggers`) or `connector`."""
    found = list(_shape(document, around.language(kind)))
    if found:
        return found
    data = document.data
    own = _Faults(document)
    if kind != "connector" and data["key"] != stem:
        own.add(("key",), f"is {data['key']!r} in the file {stem}.yaml; the two must be one")
    for path, text in _patterns(data):
        try:
            re.compile(text)
        except re.error as error:
            own.add(path, f"is no regular expression: {error}")
    rows = _rows(own, kind, data.get("inputs", {}), around)
    if not own.found:
        {"actions": _action, "connection": _connection, "triggers": _trigger, "connector": _connector}[kind](
            own, data, rows, around
        )
    return own.found


class _Faults:
    """Faults gathered for one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.found: list[Problem] = []

    def add(self, path: Path, what: str) -> None:
        self.found.append(Problem(self.document.where(path), what))


def _shape(document: Document, validator: Any) -> Iterator[Problem]:
    for error in validator.iter_errors(document.data):
        yield from _explain(document, error)


def _explain(document: Document, error: Any) -> Iterator[Problem]:
    path = tuple(error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.validator_value, bool):
        known = list(error.schema.get("properties", {}))
        for key in error.instance:
            if key not in known:
                hint = nearest(key, known) or f" Known here: {', '.join(known)}."
                yield Problem(document.where((*path, key)), f"is no word of the language.{hint}")
    elif error.validator in ("anyOf", "oneOf") and error.context:
        deepest = max(error.context, key=lambda inner: (len(inner.absolute_path), inner.validator != "type"))
        if len(deepest.absolute_path) > len(path) or deepest.validator == "additionalProperties":
            yield from _explain(document, deepest)
        else:
            described = error.schema.get("description")
            yield Problem(document.where(path), f"must be: {described}" if described else misfit(deepest))
    elif error.validator == "propertyNames" or (error.parent and error.parent.validator == "propertyNames"):
        yield Problem(document.where((*path, error.instance)), "must be snake_case: small letters, digits and _")
    elif error.validator == "pattern":
        described = error.schema.get("description")
        yield Problem(document.where(path), f"is {error.instance!r}; wanted: {described or error.validator_value}")
    else:
        yield Problem(document.where(path), misfit(error))


def _patterns(data: Any) -> Iterator[tuple[Path, str]]:
    for path, value in walk(data):
        if isinstance(value, str) and path and (
            path[-1] in ("text", "names") and "cases" in path or path[-1] == "pattern"
        ):
            yield path, value


# -- rows ------------------------------------------------------------------------------------------------------------


def _rows(own: _Faults, kind: str, inputs: dict[str, Any], around: Surroundings) -> dict[str, Input]:
    rows: dict[str, Input] = {}
    for key, raw in inputs.items():
        at: Path = ("inputs", key)
        for name in [raw["as"]] if isinstance(raw.get("as"), str) else raw.get("as", []):
            if words.codec(name, around.codecs) is None:
                known = [*words.CODECS, *around.codecs]
                own.add((*at, "as"), f"is {name!r}, which is no codec.{nearest(name, known)} Known: {', '.join(known)}.")
        try:
            row = compiler.row(key, raw, around.shared, around.codecs)
        except LookupError as error:
            own.add((*at, "schema"), f"names {error.args[0]!r}, which is in no file of schemas/")
            continue
        except TypeError:
            own.add((*at, "schema"), "has a $ref that leads nowhere")
            continue
        rows[key] = row
        _row(own, kind, at, row, raw)
    names = set(inputs)
    for key, raw in inputs.items():
        for word in ("only_when", "shown_when", "required"):
            if word in raw and raw[word] is not True:
                _condition(own, ("inputs", key, word), raw[word], rows, names)
        for index, warn in enumerate(raw.get("warn", ())):
            if "when" in warn:
                _condition(own, ("inputs", key, "warn", index, "when"), warn["when"], rows, names)
    return rows


def _row(own: _Faults, kind: str, at: Path, row: Input, raw: dict[str, Any]) -> None:
    if row.key in RESERVED:
        own.add(at, "is an option of the command line; give the input another name and say `to`")
    for place in row.to:
        if place.kind not in PLACES[kind]:
            own.add((*at, "to"), f"is {place}; in {kind}/ values go to {', '.join(PLACES[kind])}")
        elif place.kind == "call" and ".".join(place.path) not in words.CALL_KNOBS:
            own.add((*at, "to"), f"is {place}; the runtime knows call.{', call.'.join(words.CALL_KNOBS)}")
        elif place.kind == "request" and place.path not in (("method",), ("path",), ("body",)):
            own.add((*at, "to"), f"is {place}; a request has request.method, request.path and request.body")
        elif place.spread and row.collection != "map" and row.type not in ("json", "any"):
            own.add((*at, "to"), "spreads a value with .*, which takes a map: say `collection: map` or `type: json`")
        elif place.kind == "path" and row.required != ():
            own.add(at, "stands in the path, so it must be `required: true`")
    if row.type == "file" and any(place.kind != "part" for place in row.to):
        own.add((*at, "to"), "takes a file to a place that cannot carry one; files go to part.x")
    if row.type == "connection" and row.to:
        own.add((*at, "to"), "says where the connection goes; the connection's own file does that")
    if row.has_default and row.required is not None and (row.required or row.only_when is not None):
        own.add((*at, "default"), "is filled in for a required input, so `required` must be true and without `only_when`")
    if row.clear and row.required == ():
        own.add((*at, "clear"), "empties an input that is required")
    for choice in row.choices:
        if row.type == "integer" and not isinstance(choice.value, int):
            own.add((*at, "choices"), f"holds {choice.value!r}, which is no integer")
        elif row.type in takes.TEXTS and not isinstance(choice.value, str):
            own.add((*at, "choices"), f"holds {choice.value!r}; put it in quotes, the type is {row.type}")
        elif row.type not in ("integer", *takes.TEXTS):
            own.add((*at, "choices"), f"does not go with the type {row.type}")
            break
    if own.found or row.type == "connection":
        return
    for word in ("default", "example"):
        if word in raw and not _fits(row, raw[word]):
            among = f"one of {', '.join(str(choice.value) for choice in row.choices)}" if row.choices else "what it accepts"
            own.add((*at, word), f"is {raw[word]!r}, which is not {among}")


def _fits(row: Input, value: Json) -> bool:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(takes.takes(row)).is_valid(value)


def _condition(own: _Faults, at: Path, raw: Any, rows: Mapping[str, Input], names: Iterable[str]) -> None:
    for test in conditions.parse(raw):
        if test.name not in names:
            own.add(at, f"speaks of {test.name!r}, which is no input here.{nearest(test.name, names)}")
            continue
        row = rows.get(test.name)
        for value in test.values:
            if row is not None and value is not None and not _fits(row, value):
                known = f": {', '.join(str(choice.value) for choice in row.choices)}" if row.choices else ""
                own.add(at, f"waits for {value!r}, which '{test.name}' never is{known}")


# -- one function a kind ---------------------------------------------------------------------------------------------


def _action(own: _Faults, data: dict[str, Any], rows: dict[str, Input], around: Surroundings) -> None:
    request = data["request"]
    targets: dict[str, str] = {}
    for key, row in rows.items():
        for place in row.to:
            if str(place) in targets and not place.spread:
                own.add(("inputs", key, "to"), f"is {place}, where '{targets[str(place)]}' goes already")
            targets.setdefault(str(place), key)
    _paths(own, request, rows, targets)
    computed = _computed(own, data, rows, targets)
    for key, row in rows.items():
        if not row.to and row.type != "connection" and key not in computed:
            own.add(("inputs", key), "goes nowhere: say `to`, or use it in `compute`")
    for index, rule in enumerate(data.get("rules", ())):
        kinds = [word for word in ("at_least_one", "at_most_one", "together") if word in rule]
        if len(kinds) != 1:
            own.add(("rules", index), "needs exactly one of at_least_one, at_most_one and together")
        for word in kinds:
            for name in rule[word]:
                if name not in rows:
                    own.add(("rules", index, word), f"names {name!r}, which is no input here.{nearest(name, rows)}")
        if "when" in rule:
            _condition(own, ("rules", index, "when"), rule["when"], rows, rows)
    for slot in re.findall(r"\{([^{}]*)\}", data.get("summary", "")):
        if slot not in rows:
            own.add(("summary",), f"has the slot {{{slot}}}, which is no input.{nearest(slot, rows)}")
    lists = around.common.get("choices", {})
    for key, raw in data["inputs"].items():
        name = raw.get("choices_from")
        if name is not None and name not in lists:
            own.add(("inputs", key, "choices_from"), f"is {name!r}, which connector.yaml's choices lack.{nearest(name, lists)}")
    if "paging" in data and "items" not in data["paging"]:
        own.add(("paging",), "lacks `items`: the key of the answer's list, or . for a bare array")


def _paths(own: _Faults, request: dict[str, Any], rows: dict[str, Input], targets: dict[str, str]) -> None:
    path = request.get("path", "")
    braces = re.findall(r"\{([^{}]*)\}", path)
    for name in braces:
        if f"path.{name}" not in targets:
            own.add(("request", "path"), f"has {{{name}}}, where no input goes: say `to: path` on one")
    for key, row in rows.items():
        for place in row.to:
            if place.kind == "path" and place.path[0] not in braces:
                own.add(("inputs", key, "to"), f"is {place}, but the path {path or '(none)'} has no {{{place.path[0]}}}")
    for word in ("method", "path"):
        if word not in request and f"request.{word}" not in targets:
            own.add(("request",), f"lacks `{word}`")
    if request.get("method") in ("GET", "HEAD") and any(place.startswith("body") for place in targets):
        own.add(("request", "method"), f"is {request['method']}, which carries no body, and inputs go there")


def _computed(own: _Faults, data: dict[str, Any], rows: dict[str, Input], targets: dict[str, str]) -> set[str]:
    used: set[str] = set()
    for place, source in data.get("compute", {}).items():
        if place in targets:
            own.add(("compute", place), f"writes where '{targets[place]}' goes already")
        try:
            names = words.expression(source).names
        except ValueError as error:
            own.add(("compute", place), f"is no expression: {error}")
            continue
        used |= names
        for name in sorted(names - set(rows)):
            own.add(("compute", place), f"uses {name!r}, which is no input.{nearest(name, rows)}")
    return used


def _connection(own: _Faults, data: dict[str, Any], rows: dict[str, Input], around: Surroundings) -> None:
    braces = around.common.get("base", {})
    places = [(("inputs", key, "to"), place) for key, row in rows.items() for place in row.to]
    places += [(("token", key, "to"), words.place(raw["to"], key)) for key, raw in data.get("token", {}).items()]
    for path, place in places:
        if place.kind not in PLACES["connection"]:
            own.add(path, f"is {place}; a connection gives to {', '.join(PLACES['connection'])}")
        elif place.kind == "base" and place.path[0] not in braces:
            own.add(path, f"is {place}, but connector.yaml's `base` has no {place.path[0]!r}.{nearest(place.path[0], braces)}")
    if data.get("oauth", {}).get("grant") == "authorization_code" and "authorize_url" not in data["oauth"]:
        own.add(("oauth",), "lacks `authorize_url`, where a person signs in")
    if "oauth" in data and "access_token" not in data.get("token", {}):
        own.add(("oauth",), "gets a token that goes nowhere: say `token: {access_token: {to: …}}`")


def _trigger(own: _Faults, data: dict[str, Any], rows: dict[str, Input], around: Surroundings) -> None:
    verify = data["verify"]
    for word in re.findall(r"\{([^{}]*)\}", verify["message"]):
        if word not in ("body", "timestamp"):
            own.add(("verify", "message"), f"uses {{{word}}}; {{body}} and {{timestamp}} are the only words here")
    if "{timestamp}" in verify["message"] and "time" not in verify:
        own.add(("verify",), "signs the {timestamp} and does not say under `time` where it stands")
    if not any(str(place) == "verify.secret" for row in rows.values() for place in row.to):
        own.add(("inputs",), "lacks the secret: one input with `to: verify.secret`")


def _connector(own: _Faults, data: dict[str, Any], rows: dict[str, Input], around: Surroundings) -> None:
    braces = set(re.findall(r"\{([^{}]*)\}", data["base_url"]))
    for name in sorted(braces - set(data.get("base", {}))):
        own.add(("base_url",), f"has {{{name}}}; say under `base` what may stand there")
    for name in sorted(set(data.get("base", {})) - braces):
        own.add(("base", name), "stands in no brace of base_url")
    for name, entry in data.get("choices", {}).items():
        if "action" in entry and entry["action"] not in around.actions:
            own.add(("choices", name, "action"), f"is {entry['action']!r}, which actions/ lacks.{nearest(entry['action'], around.actions)}")
        if "list" in entry:
            try:
                compiler.choice_list(entry, around.shared)
            except (LookupError, TypeError):
                own.add(("choices", name, "list"), "leads to no `oneOf` list in a file of schemas/")
