"""The OpenAPI document: the routes as the framework knows them, with a run for each action. Pure.

A run's body is that action's own schema, with an example made of its inputs' examples and required choices, and its
answer holds the action's output schema. All other operations on actions are described once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from ..definitions.forms import form_schema
from ..model import ActionSpec, Input
from .models import ChoicesRequest, ConnectionRequest, PreviewRequest, ProblemDocument, RunRequest
from .problems import MEDIA_TYPE

BODIES = {
    ("/v1/actions/{key}/preview", "post"): PreviewRequest,
    ("/v1/actions/{key}/run", "post"): RunRequest,
    ("/v1/actions/{key}/stream", "post"): RunRequest,
    ("/v1/actions/{key}/inputs/{input}/choices", "post"): ChoicesRequest,
    ("/v1/connections", "post"): ConnectionRequest,
}
RUN = "/v1/actions/{key}/run"
SOME = 3  # examples of the routes that are described once
WORDS = {"integer": 1, "number": 1.5, "boolean": True, "date": "2030-01-06", "datetime": "2030-01-06T10:00:00Z"}


def document(raw: dict[str, Any], actions: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """The whole document. `raw` is what the framework made, `actions` are by key, `kinds` those of connections."""
    made = copy.deepcopy(raw)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    for model in (PreviewRequest, RunRequest, ChoicesRequest, ConnectionRequest, ProblemDocument):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas[model.__name__].pop("$defs", {}))
    schemas["ConnectionRequest"]["properties"]["kind"]["enum"] = list(kinds)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _describe(path, method, operation, actions)
    generic = made["paths"].pop(RUN, None)
    if generic is not None:
        for key, action in actions.items():
            made["paths"][RUN.replace("{key}", key)] = {"post": _run(generic["post"], key, action)}
    return made


def _describe(path: str, method: str, operation: dict[str, Any], actions: Mapping[str, Any]) -> None:
    answers = operation.setdefault("responses", {})
    answers.pop("422", None)
    if not path.startswith("/v1/webhooks"):
        problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
        answers["default"] = {"description": "A problem; its `kind` says which.", "content": problem}
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "key" and parameter["in"] == "path":
            parameter["schema"]["enum"] = list(actions)
    model = BODIES.get((path, method))
    if model is not None:
        content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
        if "/actions/" in path:
            some = [(key, action) for key, action in actions.items()][:SOME]
            content["examples"] = {
                key: {"summary": action.label, "value": {"inputs": example(action)}} for key, action in some
            }
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}


def _run(generic: Mapping[str, Any], key: str, action: Any) -> dict[str, Any]:
    made = copy.deepcopy(dict(generic))
    made |= {"operationId": f"run_{key.replace('-', '_')}", "summary": action.label, "description": action.description}
    made["parameters"] = [parameter for parameter in made.get("parameters", []) if parameter["name"] != "key"]
    body = RunRequest.model_json_schema()
    body["properties"]["inputs"] = inputs_schema(action)
    body["properties"]["clear"]["items"] = {"enum": [row.key for row in action.inputs.values() if row.clear] or [""]}
    if inputs_schema(action)["required"]:
        body["required"] = ["inputs"]
    shown = {"schema": body, "example": {"inputs": example(action)}}
    made["requestBody"] = {"required": True, "content": {"application/json": shown}}
    output = action.output or {}
    data = {key: value for key, value in output.get("schema", {}).items() if key != "$schema"}
    said: dict[str, Any] = {
        "schema": {
            "type": "object",
            "properties": {"data": data, "meta": {"$ref": "#/components/schemas/RunMeta"}},
            "required": ["data", "meta"],
        }
    }
    made["responses"]["200"] = {"description": "What the run gave.", "content": {"application/json": said}}
    return made


def inputs_schema(action: ActionSpec) -> dict[str, Any]:
    """What a run's inputs may be: a form's fields, which is what every client can send, and nothing else."""
    form = form_schema(action)
    return {**{name: form[name] for name in ("type", "properties", "required")}, "additionalProperties": False}


def example(action: ActionSpec) -> dict[str, Any]:
    """Inputs with which the action can be tried: what it needs, and what its definition gives an example of."""
    return dict(_examples(action))


def _examples(action: ActionSpec) -> Iterator[tuple[str, Any]]:
    for row in action.inputs.values():
        if row.type == "connection" or row.only_when is not None or row.type == "secret":
            continue
        if row.example is not None and (_is_needed(row) or not row.advanced) and row.collection is None:
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

