"""What requests and answers of the service look like: pydantic models, and the OpenAPI document made of them. Pure.

The document holds the routes as the framework knows them, and a preview, run and stream for each action, whose inputs
are what a run accepts, no more and no less.
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
from ..inputs.bind import MEANT, InputReading
from ..inputs.schema import input_schema
from ..language.schema_faults import nearest
from ..model import Connection, Input, InputTable
from .problems import MEDIA_TYPE
from .settings import ServiceSettings

WORDS = {"integer": 1, "number": 1.5, "boolean": True, "date": "2030-01-06", "datetime": "2030-01-06T10:00:00Z"}
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f/]+$")]
Names = Annotated[list[str], FailFast()]
Cursor = Annotated[str, Field(min_length=1, max_length=LONGEST_CURSOR)]


class StrictBody(BaseModel):
    """The body of a request: unknown fields are refused, types are not changed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PreviewRequest(StrictBody):
    """Inputs whose request is to be shown."""

    inputs: dict[str, Any] = Field(default_factory=dict, description="The action's inputs by key.")
    clear: Names = Field(default_factory=list, description="Inputs whose fields are to be emptied.")


class RunRequest(PreviewRequest):
    """Inputs to run an action with."""

    connection: Name | None = Field(None, description="The connection's name; may be left out if there is only one.")
    limit: int | None = Field(None, ge=1, le=10**9, description="At most so many items of a list.")
    cursor: Cursor | None = Field(None, description="Where a list goes on: what `meta.cursor` or `end.cursor` said.")
    deadline: float | None = Field(None, ge=0.1, description="Seconds after which to give up.")
    recover: bool = Field(False, description="Look for a create whose answer was lost, where its action says how.")


class ChoicesRequest(StrictBody):
    """What the choices of an input are asked with."""

    inputs: dict[str, Any] = Field(default_factory=dict, description="What was filled in so far.")
    connection: Name | None = Field(None, description="The connection's name; may be left out if there is only one.")
    search: str | None = Field(None, max_length=500, description="Only choices whose text fits.")
    cursor: Cursor | None = Field(None, description="The cursor of the page before.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The list's own parameters.")


class ConnectionRequest(StrictBody):
    """A connection to be made."""

    kind: str = Field(description="A key of the catalogue's `connections`.")
    name: Name = Field("main", description="Under which runs name it; one that exists is replaced.")
    values: dict[str, Any] = Field(default_factory=dict, description="What a person filled in, by key.")
    oauth_url: str | None = Field(None, description="Another of the places where the definition says OAuth lives.")


class WarningBody(BaseModel):
    where: str
    what: str


class ProblemDocument(BaseModel):
    """Why a request failed. `kind` is stable: decide by it."""

    type: str
    title: str
    status: int = Field(description="The status of this answer.")
    kind: str
    message: str
    hint: str | None = Field(description="What to do.")
    inputs: dict[str, list[str]] = Field(description="What is wrong with each input.")
    problems: list[WarningBody] = Field(description="All that is wrong, also outside of the inputs.")
    retriable: bool = Field(description="Whether the same request may succeed later without harm.")
    retry_at: str | None
    may_have_been_done: bool
    vendor_status: int | None = Field(description="The status of the vendor's answer.")
    code: int | str | None = Field(description="The vendor's error code.")
    tracking_id: str | None = Field(description="For the vendor's support.")
    request_id: str


class RunMeta(BaseModel):
    """About a run: the vendor's status and headers, and what to look at."""

    status: int
    headers: dict[str, str]
    warnings: list[WarningBody]
    cursor: str | None = Field(description="Where a list that was cut at its limit goes on.")
    request_id: str


class ChoiceAnswer(BaseModel):
    value: Any
    label: str
    description: str | None = None


def shape(name: str, says: str | None = None, /, *, like: type | None = None, **fields: Any) -> type[BaseModel]:
    """The model of an answer all of whose fields are always there: those of the record that it is `like`, and more."""
    kinds = {**(get_type_hints(like) if like is not None else {}), **fields}
    given: dict[str, Any] = {key: (kind, ...) for key, kind in kinds.items()}
    return create_model(name, __doc__=says, **given)


M = TypeVar("M", bound=StrictBody)
REQUEST = "the request"
OWN: Mapping[str, type[PreviewRequest]] = {"preview": PreviewRequest, "run": RunRequest, "stream": RunRequest}
PROBLEM: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


def body(model: type[StrictBody]) -> dict[str, Any]:
    """What the OpenAPI document says of a route that reads such a body."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def read(model: type[M], data: Any) -> M:
    """A body as its model. Raises `InputError` with the first problems; those of unknown fields are counted."""
    unknown = [name for name in data if name not in model.model_fields] if isinstance(data, dict) else []
    if unknown:
        meant = (nearest(name, model.model_fields) for name in unknown[:MEANT])
        whats = (f"is unknown here.{close}" for close in chain(meant, repeat("")))
        raise InputError.of(REQUEST, map(Problem, unknown, whats))
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise wrong(error.errors(include_url=False, include_input=False)) from None


def wrong(details: Iterable[Mapping[str, Any]]) -> InputError:
    """The error of a request that is not as described, of which pydantic tells the details; values are not repeated."""
    found = []
    for detail in details:
        what = str(detail["msg"])
        what = what[:1].lower() + what[1:]  # it goes on behind a place; a pattern in it stays as it is
        if detail["type"] in ("model_type", "model_attributes_type"):
            what = "must be a JSON object"
        found.append(Problem(".".join(map(str, detail["loc"])) or "body", what))
    return InputError.of(REQUEST, found)


def document(
    raw: dict[str, Any], connector: Connector, settings: ServiceSettings, *, needs_key: bool
) -> dict[str, Any]:
    """The whole document; `raw` is what the framework made."""
    made = copy.deepcopy(raw)
    schemas: dict[str, Any] = made.setdefault("components", {}).setdefault("schemas", {})
    for model in (PreviewRequest, RunRequest, ChoicesRequest, ConnectionRequest, ProblemDocument):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schemas[model.__name__].pop("$defs", {}))
    kinds = connector.connections.values()
    schemas["ConnectionRequest"]["anyOf"] = [_kind(kind, settings.credentials) for kind in kinds]
    known = {"key": connector.actions, "trigger": connector.triggers, "locale": connector.locales}
    for operation in (each for operations in made["paths"].values() for each in operations.values()):
        if not needs_key:
            operation.pop("security", None)
        for parameter in operation.get("parameters", []):
            if parameter["name"] in known:
                parameter["schema"] = {"type": "string", "enum": list(known[parameter["name"]])}
    inputs = {key: inputs_schema(action) for key, action in connector.actions.items()}
    examples = {key: example(action) for key, action in connector.actions.items()}
    for word in OWN:
        generic = made["paths"].pop("/v1/actions/{key}/" + word, None)
        for key, action in connector.actions.items() if generic else ():
            schemas[f"{key}.inputs"] = inputs[key]
            needs = bool(inputs[key].get("required"))
            own = _own(generic["post"], action, word, settings, needs, examples[key])
            made["paths"][f"/v1/actions/{key}/{word}"] = {"post": own}
    return made


def _kind(kind: Connection, credentials: Collection[str]) -> dict[str, Any]:
    """A connection's values for one kind; what the service itself has may be left out where a person signs in."""
    schema = _bare(input_schema(InputTable.of(kind.key, kind.label, kind.inputs)))
    own = credentials if oauth_requests.needs_person(kind) else ()
    needed = [key for key in schema.get("required", ()) if key not in own]
    values = {**{name: value for name, value in schema.items() if name != "title"}, "required": needed}
    origins = [None, *(kind.oauth or {}).get("origins", {})]
    properties = {"kind": {"const": kind.key}, "values": values, "oauth_url": {"enum": origins}}
    return {"properties": properties, **({"required": ["values"]} if needed else {})}


def _own(
    generic: Mapping[str, Any], action: Any, word: str, settings: ServiceSettings, needs_inputs: bool, example: Any
) -> dict[str, Any]:
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
        body["properties"]["deadline"]["anyOf"][0]["maximum"] = settings.timeout
    if "recover" in body["properties"] and (action.recover is None or word == "stream"):
        body["properties"]["recover"] = {"const": False}
    if needs_inputs:
        body["required"] = ["inputs"]
    shown = {"schema": body, "example": {"inputs": example}}
    most = f"At most {settings.most(action)} bytes."
    made["requestBody"] = {"required": True, "description": most, "content": {"application/json": shown}}
    if word == "run":
        properties = {
            "data": _bare((action.output or {}).get("schema", {})),
            "meta": {"$ref": "#/components/schemas/RunMeta"},
        }
        said = {"schema": {"type": "object", "properties": properties, "required": ["data", "meta"]}}
        made["responses"]["200"] = {"description": "What the run gave.", "content": {"application/json": said}}
    return made


def inputs_schema(action: Any) -> dict[str, Any]:
    """What a run accepts, with the labels of its form."""
    form, exact = form_schema(action)["properties"], _bare(action.input_schema)
    labels = {key: {name: form[key][name] for name in ("title", "description") if name in form[key]} for key in form}
    return {**exact, "properties": {key: {**labels.get(key, {}), **how} for key, how in exact["properties"].items()}}


def example(action: Any) -> dict[str, Any]:
    """Inputs with which the action can be tried: what it needs, and as much of its examples as goes together."""
    found = dict(_examples(action, lambda row: row.is_always_needed))
    left = len(InputReading(action.accepts, found).problems())
    for key, value in _examples(action, lambda row: row.only_when is None and not row.advanced):
        faults = len(InputReading(action.accepts, {**found, key: value}).problems())
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
            usual = {} if row.collection == "map" else WORDS.get(row.type, row.key.replace("_", "-"))
            value = row.choices[0].value if row.choices else usual
            yield row.key, [value] if row.collection == "list" else value


def _bare(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without the word that names its dialect, which is the document's."""
    return {name: value for name, value in schema.items() if name != "$schema"}
