"""The OpenAPI document: the routes as the framework knows them, and a preview, run and stream for each action. Pure.

An action's inputs are what a run accepts, no more and no less. Its example is made of its inputs' examples; its answer
holds its output schema.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..definitions.forms import form_schema
from ..inputs.bind import problems
from ..inputs.schema import input_schema
from ..model import Connection, Input, Table
from .models import ChoicesRequest, ConnectionRequest, PreviewRequest, ProblemDocument, RunRequest
from .problems import MEDIA_TYPE

ACTION = "/v1/actions/{key}/"
OWN: Mapping[str, type[PreviewRequest]] = {"preview": PreviewRequest, "run": RunRequest, "stream": RunRequest}
BODIES = {f"{ACTION}inputs/{{input}}/choices": ChoicesRequest, "/v1/connections": ConnectionRequest}
WEBHOOK = {
    "400": "Signed, but no JSON.",
    "401": "Not signed, or wrongly.",
    "413": "Too large.",
    "503": "Not recorded; send it again.",
}
WORDS = {"integer": 1, "number": 1.5, "boolean": True, "date": "2030-01-06", "datetime": "2030-01-06T10:00:00Z"}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the document says beside the routes. `credentials` are the values that the service itself has."""

    actions: Mapping[str, Any]
    kinds: Mapping[str, Connection]
    triggers: tuple[str, ...]
    locales: tuple[str, ...]
    credentials: frozenset[str]
    timeout: float
    needs_key: bool


def document(raw: dict[str, Any], about: About) -> dict[str, Any]:
    """The whole document; `raw` is what the framework made."""
    made = copy.deepcopy(raw)
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for model in (PreviewRequest, RunRequest, ChoicesRequest, ConnectionRequest, ProblemDocument):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas[model.__name__].pop("$defs", {}))
    schemas["ConnectionRequest"]["anyOf"] = [_kind(kind, about.credentials) for kind in about.kinds.values()]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    known = {"key": list(about.actions), "trigger": list(about.triggers), "locale": list(about.locales)}
    for path, operations in made["paths"].items():
        for operation in operations.values():
            _describe(path, operation, known, about)
    for word in OWN:
        generic = made["paths"].pop(ACTION + word, None)
        for key, action in about.actions.items() if generic else ():
            schemas[f"{key}.inputs"] = inputs_schema(action)
            made["paths"][f"/v1/actions/{key}/{word}"] = {"post": _own(generic["post"], action, word, about.timeout)}
    return made


def _describe(path: str, operation: dict[str, Any], known: Mapping[str, list[str]], about: About) -> None:
    answers = operation.setdefault("responses", {})
    answers.pop("422", None)
    if path.startswith("/v1/webhooks"):
        said = {"application/json": {"schema": {"type": "object"}}}
        answers.update({status: {"description": text, "content": said} for status, text in WEBHOOK.items()})
        answers["503"]["content"] = {**said, MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    answers["default"] = {"description": "A problem; its `kind` says which.", "content": problem}
    if not about.needs_key:
        operation.pop("security", None)
    for parameter in operation.get("parameters", []):
        values = known.get(parameter["name"])
        if values is not None:
            parameter["schema"] = {"type": "string", "enum": values}
    model = BODIES.get(path) if "summary" in operation and operation["operationId"].endswith("_post") else None
    if model is not None:
        content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}


def _kind(kind: Connection, credentials: frozenset[str]) -> dict[str, Any]:
    """A connection's values for one kind; what the service itself has may be left out where a person signs in."""
    rows = {row.key: row for row in kind.inputs}
    table = Table(key=kind.key, label=kind.label, description="", inputs=rows, by_name=rows, rules=())
    schema = _bare(input_schema(table))
    signs_in = kind.oauth is not None and kind.oauth["grant"] == "authorization_code"
    needed = [key for key in schema.get("required", ()) if not (signs_in and key in credentials)]
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
    found = dict(_examples(action, _is_needed))
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
        elif _is_needed(row):
            yield row.key, [_value(row)] if row.collection == "list" else _value(row)


def _is_needed(row: Input) -> bool:
    return row.required == () and row.only_when is None and not row.has_default


def _value(row: Input) -> Any:
    if row.choices:
        return row.choices[0].value
    if row.collection == "map":
        return {}
    return WORDS.get(row.type, row.key.replace("_", "-"))


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without the word that names its dialect, which is the document's."""
    return {name: value for name, value in schema.items() if name != "$schema"}
