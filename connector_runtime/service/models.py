"""What requests and answers of the service look like: pydantic models, of which the OpenAPI document is made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError, Problem
from ..language.wording import nearest
from .problems import MEDIA_TYPE

T = TypeVar("T", bound="Asked")
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f/]+$")]
Cursor = Annotated[str, Field(min_length=1, max_length=4000)]


class Asked(BaseModel):
    """The body of a request: unknown fields are refused, types are not changed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PreviewRequest(Asked):
    """Inputs whose request is to be shown."""

    inputs: dict[str, Any] = Field(default_factory=dict, description="The action's inputs by key.")
    clear: list[str] = Field(default_factory=list, description="Inputs whose fields are to be emptied.")


class RunRequest(PreviewRequest):
    """Inputs to run an action with."""

    connection: Name | None = Field(None, description="The connection's name; may be left out if there is only one.")
    limit: int | None = Field(None, ge=1, description="At most so many items of a list.")
    cursor: Cursor | None = Field(None, description="Where a list goes on: what `meta.cursor` or `end.cursor` said.")
    deadline: float | None = Field(None, ge=0.1, description="Seconds after which to give up.")
    recover: bool = Field(False, description="Look for a create whose answer was lost, where its action says how.")


class ChoicesRequest(Asked):
    """What the choices of an input are asked with."""

    inputs: dict[str, Any] = Field(default_factory=dict, description="What was filled in so far.")
    connection: Name | None = Field(None, description="The connection's name; may be left out if there is only one.")
    search: str | None = Field(None, max_length=500, description="Only choices whose text fits.")
    cursor: Cursor | None = Field(None, description="The cursor of the page before.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="The list's own parameters.")


class ConnectionRequest(Asked):
    """A connection to be made."""

    kind: str = Field(description="A key of the catalogue's `connections`.")
    name: Name = Field("main", description="Under which runs name it; one that exists is replaced.")
    values: dict[str, Any] = Field(default_factory=dict, description="What a person filled in, by key.")
    oauth_url: str | None = Field(None, description="Another of the places where the definition says OAuth lives.")


class Warned(BaseModel):
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
    problems: list[Warned] = Field(description="All that is wrong, also outside of the inputs.")
    retriable: bool = Field(description="Whether the same request may succeed later without harm.")
    retry_at: str | None
    may_have_been_done: bool
    vendor_status: int | None = Field(description="The status of the vendor's answer.")
    code: int | str | None = Field(description="The vendor's error code.")
    tracking_id: str | None = Field(description="For the vendor's support.")
    request_id: str


class Preview(BaseModel):
    """The request that a run would send; secrets are `***`."""

    method: str
    url: str
    headers: dict[str, str]
    body: Any
    warnings: list[Warned]


class RunMeta(BaseModel):
    """About a run: the vendor's status and headers, and what to look at."""

    status: int
    headers: dict[str, str]
    warnings: list[Warned]
    cursor: str | None = Field(description="Where a list that was cut at its limit goes on.")
    request_id: str


class RunAnswer(BaseModel):
    """What a run gave."""

    data: Any
    meta: RunMeta


class ChoiceAnswer(BaseModel):
    value: Any
    label: str
    description: str | None = None


class ChoicesAnswer(BaseModel):
    """A page of choices; `cursor` leads to the next."""

    choices: list[ChoiceAnswer]
    cursor: str | None


class ConnectionAnswer(BaseModel):
    """A stored connection, without its secrets. `health`: ready, due (renewed at its next call) or dead."""

    name: str
    kind: str
    identity: str | None
    account: str | None
    expires_at: str | None
    health: str
    why: str | None


class ConnectionsAnswer(BaseModel):
    connections: list[ConnectionAnswer]


class SignInAnswer(BaseModel):
    """Where to send the person's browser; the connection is there when it has come back."""

    name: str
    kind: str
    authorize_url: str


class HealthAnswer(BaseModel):
    """What a test of a connection found; `error` is as in a problem."""

    ok: bool
    identity: str | None
    account: str | None
    scopes: list[str]
    missing_scopes: list[str]
    hints: list[str]
    skew: float | None
    error: dict[str, Any] | None


class DeletedAnswer(BaseModel):
    """Whether the vendor has taken the tokens back."""

    revoked: bool


class TenantAnswer(BaseModel):
    """Whose key it is; `local` if none is needed."""

    tenant: str
    local: bool
    connector: str
    version: str
    has_token: bool = Field(description="Whether a run may go without any stored connection.")


class EventsAnswer(BaseModel):
    """Received events, oldest first; ask again with `cursor` for what comes after."""

    events: list[dict[str, Any]]
    cursor: str


class StateAnswer(BaseModel):
    status: str


class KindAnswer(BaseModel):
    kind: str
    status: int
    title: str
    do: str


class KindsAnswer(BaseModel):
    problems: list[KindAnswer]


PROBLEM: dict[str, Any] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}


def body(model: type[Asked]) -> dict[str, Any]:
    """What the OpenAPI document says of a route that reads such a body."""
    content = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def asked(model: type[T], data: Any) -> T:
    """A body as its model. Raises `InputError` with every problem at once."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise wrong(error.errors(include_url=False, include_input=False), model.model_fields) from None


def wrong(details: Iterable[Mapping[str, Any]], fields: Iterable[str] = ()) -> InputError:
    """The error of a request that is not as described, of which pydantic tells the details; values are not repeated."""
    found = [_problem(detail, fields) for detail in details]
    count = "One problem" if len(found) == 1 else f"{len(found)} problems"
    return InputError(f"{count} with the request:", problems=found)


def _problem(detail: Mapping[str, Any], fields: Iterable[str]) -> Problem:
    steps = [str(step)[:100] for step in detail["loc"]]
    what = str(detail["msg"])
    what = what[:1].lower() + what[1:]  # it goes on behind a place; a pattern in it stays as it is
    if detail["type"] == "extra_forbidden":
        what = f"is unknown here.{nearest(steps[-1], list(fields))}"
    if detail["type"] in ("model_type", "model_attributes_type"):
        what = "must be a JSON object"
    return Problem(".".join(steps) or "body", what)
