"""The service's requests and responses as pydantic models, and the OpenAPI document. Pure.

The document contains FastAPI's routes, with the preview, run and stream routes repeated for each action. Their schemas
accept exactly what a run accepts.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain, repeat
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, create_model

from ..calls.pages import LONGEST_CURSOR
from ..connections import oauth_requests
from ..definitions.connector import Connector
from ..definitions.forms import form_schema
from ..errors import InputError, Problem
from ..inputs.bind import MAX_SUGGESTIONS, InputReading
from ..inputs.schema import input_schema
from ..language.schema_faults import nearest
from ..model import Connection, Input, InputTable
from .problems import MEDIA_TYPE
from .settings import ServiceSettings

SAMPLES = {"integer": 1, "number": 1.5, "boolean": True, "date": "2030-01-06", "datetime": "2030-01-06T10:00:00Z"}
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f/]+$")]
Names = Annotated[list[str], FailFast()]
Cursor = Annotated[str, Field(min_length=1, max_length=LONGEST_CURSOR)]


class StrictBody(BaseModel):
    """The body of a request. Unknown fields are rejected, and types are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PreviewRequest(StrictBody):
    """Inputs for a preview of the request."""

    inputs: dict[str, Any] = Field(default_factory=dict, description="The action's inputs by key.")
    clear: Names = Field(default_factory=list, description="Inputs whose fields are to be cleared.")
    extra: dict[str, Any] | None = Field(None, description='Values for places without an input: {"body.x": true}.')


class RunRequest(PreviewRequest):
    """Inputs to run an action with."""

    connection: Name | None = Field(None, description="The connection's name; may be left out if there is only one.")
    limit: int | None = Field(None, ge=1, le=10**9, description="The maximum number of items of a list.")
    cursor: Cursor | None = Field(None, description="`meta.cursor` or `end.cursor` of a response: continues its list.")
    deadline: float | None = Field(None, ge=0.1, description="Seconds after which to give up.")
    recover: bool = Field(False, description="If the response to a create is lost, check whether it was done.")


class ChoicesRequest(StrictBody):
    """A query for the choices of an input."""

    inputs: dict[str, Any] = Field(default_factory=dict, description="The values of the form so far.")
    connection: Name | None = Field(None, description="The connection's name; may be left out if there is only one.")
    search: str | None = Field(None, max_length=500, description="Only choices whose text matches.")
    cursor: Cursor | None = Field(None, description="The cursor of the previous page.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The list's own parameters.")


class ConnectionRequest(StrictBody):
    """A connection to create."""

    kind: str = Field(description="A key of the catalogue's `connections`.")
    name: Name = Field("main", description="The name that runs refer to; an existing connection is replaced.")
    values: dict[str, Any] = Field(default_factory=dict, description="The values of its form, by key.")
    oauth_url: str | None = Field(None, description="Another OAuth origin that the definition lists.")


class WarningBody(BaseModel):
    where: str
    what: str


class ProblemDocument(BaseModel):
    """Why a request failed. `kind` is stable, so programs can depend on it."""

    type: str
    title: str
    status: int = Field(description="The status of this response.")
    kind: str
    message: str
    hint: str | None = Field(description="What to do.")
    inputs: dict[str, list[str]] = Field(description="The problems of each input.")
    problems: list[WarningBody] = Field(description="All problems, including those outside the inputs.")
    retriable: bool = Field(description="Whether the same request may succeed later without harm.")
    retry_at: str | None
    may_have_been_done: bool
    vendor_status: int | None = Field(description="The status of the vendor's response.")
    code: int | str | None = Field(description="The vendor's error code.")
    tracking_id: str | None = Field(description="For the vendor's support.")
    request_id: str


class RunMeta(BaseModel):
    """Facts about a run: the vendor's status and headers, and warnings."""

    status: int
    headers: dict[str, str]
    warnings: list[WarningBody]
    cursor: str | None = Field(description="Continues a list that ended at its limit.")
    request_id: str


def shape(name: str, doc: str | None = None, /, *, like: type | None = None, **fields: Any) -> type[BaseModel]:
    """Return the model of a response with the fields of the record type `like` and with `fields`, all required."""
    types = {**(get_type_hints(like) if like is not None else {}), **fields}
    required: dict[str, Any] = {key: (field_type, ...) for key, field_type in types.items()}
    return create_model(name, __doc__=doc, **required)


M = TypeVar("M", bound=StrictBody)
REQUEST = "the request"
BODIES: Mapping[str, type[PreviewRequest]] = {"preview": PreviewRequest, "run": RunRequest, "stream": RunRequest}
PROBLEM: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


def body(model: type[StrictBody]) -> dict[str, Any]:
    """Return the OpenAPI fields of a route that reads a body of this model."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def read(model: type[M], data: Any) -> M:
    """Return a body as its model. Raises `InputError` for unknown fields or, if there are none, for wrong values."""
    unknown = [name for name in data if name not in model.model_fields] if isinstance(data, dict) else []
    if unknown:
        hints = (nearest(name, model.model_fields) for name in unknown[:MAX_SUGGESTIONS])
        whats = (f"is unknown here.{hint}" for hint in chain(hints, repeat("")))
        raise InputError.of(REQUEST, map(Problem, unknown, whats))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise validation_error(error.errors(include_url=False, include_input=False)) from None


def validation_error(details: Iterable[Mapping[str, Any]]) -> InputError:
    """Return the error for pydantic's details of a wrong request, without the request's values."""
    problems = []
    for detail in details:
        what = str(detail["msg"])
        what = what[:1].lower() + what[1:]  # it follows the place in a sentence; a pattern in it stays unchanged
        if detail["type"] in ("model_type", "model_attributes_type"):
            what = "must be a JSON object"
        problems.append(Problem(".".join(map(str, detail["loc"])) or "body", what))
    return InputError.of(REQUEST, problems)


def document(
    raw: dict[str, Any], connector: Connector, settings: ServiceSettings, *, needs_key: bool
) -> dict[str, Any]:
    """Return the complete OpenAPI document; `raw` is FastAPI's."""
    openapi = copy.deepcopy(raw)
    schemas: dict[str, Any] = openapi.setdefault("components", {}).setdefault("schemas", {})
    for model in (PreviewRequest, RunRequest, ChoicesRequest, ConnectionRequest, ProblemDocument):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas[model.__name__].pop("$defs", {}))
    kinds = connector.connections.values()
    schemas["ConnectionRequest"]["anyOf"] = [_kind(kind, settings.credentials) for kind in kinds]
    names = {"key": connector.actions, "trigger": connector.triggers, "locale": connector.locales}
    for operation in (each for operations in openapi["paths"].values() for each in operations.values()):
        if not needs_key:
            operation.pop("security", None)
        for parameter in operation.get("parameters", []):
            if parameter["name"] in names:
                parameter["schema"] = {"type": "string", "enum": list(names[parameter["name"]])}
    inputs = {key: inputs_schema(action) for key, action in connector.actions.items()}
    examples = {key: example(action) for key, action in connector.actions.items()}
    for word in BODIES:
        generic = openapi["paths"].pop("/v1/actions/{key}/" + word, None)
        for key, action in connector.actions.items() if generic else ():
            schemas[f"{key}.inputs"] = inputs[key]
            needs_inputs = bool(inputs[key].get("required"))
            operation = _operation(generic["post"], action, word, settings, needs_inputs, examples[key])
            openapi["paths"][f"/v1/actions/{key}/{word}"] = {"post": operation}
    return openapi


def _kind(kind: Connection, credentials: Collection[str]) -> dict[str, Any]:
    """Return the schema of a connection of one kind. Values in the service's settings are not required for sign-ins."""
    schema = _bare(input_schema(InputTable.of(kind.key, kind.label, kind.inputs)))
    own = credentials if oauth_requests.needs_person(kind) else ()
    required = [key for key in schema.get("required", ()) if key not in own]
    values = {**{name: value for name, value in schema.items() if name != "title"}, "required": required}
    origins = [None, *(kind.oauth or {}).get("origins", {})]
    properties = {"kind": {"const": kind.key}, "values": values, "oauth_url": {"enum": origins}}
    return {"properties": properties, **({"required": ["values"]} if required else {})}


def _operation(
    generic: Mapping[str, Any], action: Any, word: str, settings: ServiceSettings, needs_inputs: bool, example: Any
) -> dict[str, Any]:
    operation = copy.deepcopy(dict(generic))
    key = action.key
    label = action.label if word == "run" else f"{action.label}: {word}"
    operation |= {"operationId": f"{word}_{key.replace('-', '_')}", "summary": label, "description": action.description}
    operation["parameters"] = [each for each in operation.get("parameters", []) if each["name"] != "key"]
    body = BODIES[word].model_json_schema()
    body["title"] = label
    body["properties"]["inputs"] = {"$ref": f"#/components/schemas/{key}.inputs"}
    clearable = [row.key for row in action.inputs.values() if row.clear]
    body["properties"]["clear"].update({"items": {"enum": clearable}} if clearable else {"maxItems": 0})
    if "deadline" in body["properties"]:
        body["properties"]["deadline"]["anyOf"][0]["maximum"] = settings.timeout
    if "recover" in body["properties"] and (action.recover is None or word == "stream"):
        body["properties"]["recover"] = {"const": False}
    if needs_inputs:
        body["required"] = ["inputs"]
    content = {"application/json": {"schema": body, "example": {"inputs": example}}}
    most = f"At most {settings.body_limit(action)} bytes."
    operation["requestBody"] = {"required": True, "description": most, "content": content}
    if word == "run":
        data = _bare((action.output or {}).get("schema", {}))
        properties = {"data": data, "meta": {"$ref": "#/components/schemas/RunMeta"}}
        schema = {"type": "object", "properties": properties, "required": ["data", "meta"]}
        content = {"application/json": {"schema": schema}}
        operation["responses"]["200"] = {"description": "The result of the run.", "content": content}
    return operation


def inputs_schema(action: Any) -> dict[str, Any]:
    """Return the schema of the inputs that a run accepts, with the labels of its form."""
    form, exact = form_schema(action)["properties"], _bare(action.input_schema)
    labels = {key: {name: form[key][name] for name in ("title", "description") if name in form[key]} for key in form}
    properties = {key: {**labels.get(key, {}), **schema} for key, schema in exact["properties"].items()}
    return {**exact, "properties": properties}


def example(action: Any) -> dict[str, Any]:
    """Return example inputs: the required inputs, and as many optional inputs as are valid together."""
    values = dict(_examples(action, lambda row: row.is_always_needed))
    fewest = len(InputReading(action.accepts, values).problems())
    for key, value in _examples(action, lambda row: row.only_when is None and not row.advanced):
        count = len(InputReading(action.accepts, {**values, key: value}).problems())
        if count <= fewest:
            values[key], fewest = value, count
    return values


def _examples(action: Any, fits: Callable[[Input], bool]) -> Iterator[tuple[str, Any]]:
    for row in action.inputs.values():
        if row.type in ("connection", "secret") or not fits(row):
            continue
        if row.example is not None and row.collection is None:
            yield row.key, row.example
        elif row.is_always_needed:
            sample = {} if row.collection == "map" else SAMPLES.get(row.type, row.key.replace("_", "-"))
            value = row.choices[0].value if row.choices else sample
            yield row.key, [value] if row.collection == "list" else value


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema without `$schema`, because the document sets the dialect."""
    return {name: value for name, value in schema.items() if name != "$schema"}
