"""Errors as HTTP responses: problem documents (RFC 9457) with the fields that all errors of the connector have. Pure.

`status` is the service's own, `vendor_status` the vendor's. `type` leads to the list of all kinds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple

from ..errors import ERRORS, ConnectorError, PayloadError, Problem, SignatureError
from ..language.schema_faults import nearest
from ..sentences import PLAIN, Phrasebook, Sentence

MEDIA_TYPE = "application/problem+json"


class ProblemKind(NamedTuple):
    """A kind of refusal by the service itself, with the attributes of the error classes."""

    http_status: int
    title: Sentence
    remedy: Sentence


_OWN = {
    "body": (400, "The request cannot be read", "Send what the OpenAPI document describes."),
    "key": (401, "No valid API key", "Send one as `Authorization: Bearer …` or `X-API-Key: …`."),
    "host": (421, "This host name is not served", "Without API keys, call the service as localhost or 127.0.0.1."),
    "forbidden": (403, "This key does not have permission", "Use a key that has it."),
    "method": (405, "This method is not allowed", "Use one of the methods in the Allow header."),
    "slow": (408, "The request took too long to arrive", "Send it again."),
    "in_flight": (409, "The first request with this idempotency key is still running", "Try again a little later."),
    "may_have_been_done": (409, "It may have been done", "Check whether it was done; if not, use a new key."),
    "too_large": (413, "The body is too large", "Send a smaller body."),
    "media_type": (415, "This content type is not accepted", "Send JSON as `application/json`."),
    "key_reused": (422, "The idempotency key was used for another request", "Use a new key for each operation."),
    "too_many": (429, "Too many concurrent requests from this tenant", "Try again after `Retry-After` seconds."),
    "internal": (500, "The service failed", "Give the `request_id` to the service's operator; the log shows why."),
    "busy": (503, "The service is busy", "Try again after `Retry-After` seconds."),
    "not_ready": (503, "The service is not ready", "See `problems` for the reason."),
    "timeout": (504, "The request timed out", "Retry if `retriable`; if not, first check whether the change was made."),
}
OWN = {key: ProblemKind(status, Sentence(title), Sentence(remedy)) for key, (status, title, remedy) in _OWN.items()}
KINDS: Mapping[str, ProblemKind | type[ConnectorError]] = {
    **{error.kind: error for error in ERRORS if error not in (SignatureError, PayloadError)},  # only the receiver's
    **OWN,
}
BY_STATUS = {401: "key", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_large", 415: "media_type"}


@dataclass(repr=False, eq=False)
class ServiceRefusal(ConnectorError):
    """A refusal by the service itself. `kind` is a key of `KINDS`; `retry_after` is in seconds."""

    kind: str = field()  # required, though the class above has a default
    message: str
    _: KW_ONLY
    hint: str | None = None
    problems: tuple[Problem, ...] = ()
    status: int | None = None
    retriable: bool = False
    retry_after: int | None = None
    may_have_been_done: bool = False
    headers: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        super().__init__(self.message, hint=self.hint, problems=self.problems, retriable=self.retriable)
        self.http_status = self.status or KINDS[self.kind].http_status


def document(error: ConnectorError, request_id: str, root: str = "", book: Phrasebook = PLAIN) -> dict[str, Any]:
    """Return the problem document of an error, in the language of `book`. `root` is the service's mount path."""
    error.speak(book)
    fields = error.to_dict()
    kind = error.kind if error.kind in KINDS else "internal"
    vendor_status = fields.pop("status", None)
    status = error.http_status if kind == error.kind else KINDS[kind].http_status
    if kind == "api" and vendor_status is not None and vendor_status < 500:
        status = 422  # the vendor is reachable and works; the request is at fault
    inputs: dict[str, list[str]] = {}  # by field, for a form that shows each problem at its field
    for problem in fields["problems"]:
        group, _, rest = problem["where"].partition(".")
        if group == "inputs" and rest:
            inputs.setdefault(rest.partition(".")[0].partition("[")[0], []).append(problem["what"])
    content = {
        "type": f"{root}/v1/problems#{kind}",
        "title": book.say(KINDS[kind].title),
        "status": status,
        "kind": kind,
        "message": fields["message"],
        "hint": fields["hint"],
        "inputs": inputs,
        "problems": fields["problems"],
        "retriable": fields["retriable"],
        "retry_at": fields.get("retry_at"),
        "may_have_been_done": getattr(error, "may_have_been_done", False),
        "vendor_status": vendor_status,
        "code": fields.get("code"),
        "tracking_id": fields.get("tracking_id"),
        "request_id": request_id,
    }
    return content | {name: value for name, value in fields.items() if name not in content}  # such as a list's cursor


def headers(error: ConnectorError, status: int) -> dict[str, str]:
    values = dict(getattr(error, "headers", None) or {})
    after = getattr(error, "retry_after", None)
    if (at := getattr(error, "retry_at", None)) is not None:
        after = max(1, math.ceil((at - datetime.now(UTC)).total_seconds()))
    if after is not None:
        values["Retry-After"] = str(after)
    if status == 401:
        values["WWW-Authenticate"] = "Bearer"
    return values


def of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> ServiceRefusal:
    """Return the refusal for an error of the web framework."""
    kind = BY_STATUS.get(status, "body" if status < 500 else "internal")
    text = detail or HTTPStatus(status).phrase
    return ServiceRefusal(kind, text if text.endswith(".") else f"{text}.", status=status, headers=headers)


def check_known(what: str, name: str, known: Collection[str]) -> None:
    """Raise `ServiceRefusal` (404), which suggests the nearest name, if a name is not among the known ones."""
    if name not in known:
        message = Sentence("'{name}' does not exist here.{meant}", name=name[:100], meant=nearest(name, list(known)))
        raise ServiceRefusal("not_found", message, problems=(Problem(what, message),))
