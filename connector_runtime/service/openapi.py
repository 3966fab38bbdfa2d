"""The OpenAPI document: the routes as the framework knows them, and a preview, run and stream for each action. Pure.

An action's inputs are what a run accepts, no more and no less. Its example is made of its inputs' examples; its answer
holds its output schema.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..connections import connect
from ..definitions.connector import Connector
from ..definitions.forms import form_schema
from ..inputs.bind import problems
from ..inputs.schema import input_schema
from ..model import Connection, Input, Table
from .models import ChoicesRequest, ConnectionRequest, PreviewRequest, ProblemDocument, RunRequest

ACTION = "/v1/actions/{key}/"
OWN: Mapping[str, type[PreviewRequest]] = {"preview": PreviewRequest, "run": RunRequest, "stream": RunRequest}
WORDS = {"integer": 1, "number": 1.5, "boolean": True, "date": "2030-01-06", "datetime": "2030-01-06T10:00:00Z"}


def document(
    raw: dict[str, Any], connector: Connector, credentials: frozenset[str], timeout: float, *, needs_key: bool
) -> dict[str, Any]:
    """The whole document; `raw` is what the framework made, `credentials` name the values that the service has."""
    made = copy.deepcopy(raw)
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for model in (PreviewRequest, RunRequest, ChoicesRequest, ConnectionRequest, ProblemDocument):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas[model.__name__].pop("$defs", {}))
    schemas["ConnectionRequest"]["anyOf"] = [_kind(kind, credentials) for kind in connector.connections.values()]
    known = {"key": connector.actions, "trigger": connector.triggers, "locale": connector.locales}
    for operation in (each for operations in made["paths"].values() for each in operations.values()):
        if not needs_key:
            operation.pop("security", None)
        for parameter in operation.get("parameters", []):
            if parameter["name"] in known:
                parameter["schema"] = {"type": "string", "enum": list(known[parameter["name"]])}
    for word in OWN:
        generic = made["paths"].pop(ACTION + word, None)
        for key, action in connector.actions.items() if generic else ():
            schemas[f"{key}.inputs"] = inputs_schema(action)
            made["paths"][f"/v1/actions/{key}/{word}"] = {"post": _own(generic["post"], action, word, timeout)}
    return made


def _kind(kind: Connection, credentials: frozenset[str]) -> dict[str, Any]:
    """A connection's values for one kind; what the service itself has may be left out where a person signs in."""
    schema = _bare(input_schema(Table.of(kind.key, kind.label, kind.inputs)))
    own = credentials if connect.needs_person(kind) else ()
    needed = [key for key in schema.get("required", ()) if key not in own]
    values = {**{name: value for name, value in schema.items() if name != "title"}, "required": needed}
    origins = [None, *(kind.oauth or {}).get("origins", {})]
    properties = {"kind": {"const": kind.key}, "values": values, "oauth_url": {"enum": origins}}
    return {"properties": properties, **({"required": ["values"]} if needed else {})}


def _own(generic: Mapping[str, Any], action: Any, word: str, timeout: float) -> dict[str, Any]:
    """One operation of one action."""
    made = copy.deepcopy(dict(generic))
    key = action.key
    label = action.label if word == "run" else f"{action.label}: {word}"
    made |= {"operationId": f"{word}_{key.replace('-', '_')}", "summary": label, "description": action.description}
    made["parameters"] = [parameter for parameter in made.get("parameters", []) if parameter["name"] != "key"]
    body = OWN[word].model_json_schema()
    body["title"] = label
    body["properties"]["inputs"] = {"$ref": f"#/components/schemas/{key}.inputs"}
    clearable = [row.key for row in action.inputs.values() if row.clear]
    body["properties"]["clear"].update({"items": {"enum": clearable}} if clearable else {"maxItems": 0})
    if "deadline" in body["properties"]:
        body["properties"]["deadline"]["anyOf"][0]["maximum"] = timeout
    if "recover" in body["properties"] and (action.recover is None or word == "stream"):
        body["properties"]["recover"] = {"const": False}
    if inputs_schema(action).get("required"):
        body["required"] = ["inputs"]
    shown = {"schema": body, "example": {"inputs": example(action)}}
    made["requestBody"] = {"required": True, "content": {"application/json": shown}}
    if word == "run":
        data = _bare((action.output or {}).get("schema", {}))
        properties = {"data": data, "meta": {"$ref": "#/components/schemas/RunMeta"}}
        said = {"schema": {"type": "object", "properties": properties, "required": ["data", "meta"]}}
        made["responses"]["200"] = {"description": "What the run gave.", "content": {"application/json": said}}
    return made


def inputs_schema(action: Any) -> dict[str, Any]:
    """What a run accepts, with the labels of its form."""
    form, exact = form_schema(action)["properties"], _bare(action.input_schema)
    labels = {key: {name: form[key][name] for name in ("title", "description") if name in form[key]} for key in form}
    fields = {key: {**labels.get(key, {}), **shape} for key, shape in exact["properties"].items()}
    return {**exact, "properties": fields}


def example(action: Any) -> dict[str, Any]:
    """Inputs with which the action can be tried: what it needs, and as much of its examples as goes together."""
    found = dict(_examples(action, lambda row: row.is_always_needed))
    left = len(problems(action.accepts, found))
    for key, value in _examples(action, lambda row: row.only_when is None and not row.advanced):
        faults = len(problems(action.accepts, {**found, key: value}))
        if faults <= left:
            found[key], left = value, faults
    return found


def _examples(action: Any, wanted: Callable[[Input], bool]) -> Iterator[tuple[str, Any]]:
    for row in action.inputs.values():
        if row.type in ("connection", "secret") or not wanted(row):
            continue
        if row.example is not None and row.collection is None:
            yield row.key, row.example
        elif row.is_always_needed:
            yield row.key, [_value(row)] if row.collection == "list" else _value(row)


def _value(row: Input) -> Any:
    if row.choices:
        return row.choices[0].value
    if row.collection == "map":
        return {}
    return WORDS.get(row.type, row.key.replace("_", "-"))


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without the word that names its dialect, which is the document's."""
    return {name: value for name, value in schema.items() if name != "$schema"}
