"""Errors as HTTP answers: problem documents (RFC 9457) with the fields that every error of the connector has. Pure.

`status` is that of the answer; what the vendor answered is `vendor_status`. `type` leads to the list of all kinds.
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
    """One kind of refusal of the service itself, with the words that the classes of errors have."""

    http_status: int
    title: Sentence
    remedy: Sentence


_OWN = {  # the refusals of the service itself
    "body": (400, "The request cannot be read", "Send what the OpenAPI document describes."),
    "key": (401, "No valid API key", "Send one as `Authorization: Bearer …` or `X-API-Key: …`."),
    "host": (421, "This host name is not answered", "Without API keys, call the service by the name of this machine."),
    "forbidden": (403, "The key does not allow this", "Use a key that was made for this."),
    "method": (405, "This method is not allowed", "Use one of the methods in the Allow header."),
    "slow": (408, "The request arrived too slowly", "Send it again."),
    "in_flight": (409, "The first request with this key is still running", "Try again a little later."),
    "may_have_been_done": (409, "It may have been done", "Check whether it was done; if not, use another key."),
    "too_large": (413, "The body is too large", "Send less."),
    "media_type": (415, "This content type is not accepted", "Send JSON as `application/json`."),
    "key_reused": (422, "The key was used for another request", "Use a new idempotency key for each operation."),
    "too_many": (429, "Too many requests of this tenant at the same time", "Try again after `Retry-After` seconds."),
    "internal": (500, "The service failed", "Give the `request_id` to whoever runs the service; its log says why."),
    "busy": (503, "The service is busy", "Try again after `Retry-After` seconds."),
    "not_ready": (503, "The service is not ready", "See `problems` for the reason."),
    "timeout": (504, "It took too long", "Try again if `retriable`; otherwise check first whether it was done."),
}
OWN = {key: ProblemKind(status, Sentence(title), Sentence(remedy)) for key, (status, title, remedy) in _OWN.items()}
KINDS: Mapping[str, ProblemKind | type[ConnectorError]] = {
    **{error.kind: error for error in ERRORS if error not in (SignatureError, PayloadError)},  # the receiver's own
    **OWN,
}
BY_STATUS = {401: "key", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_large", 415: "media_type"}


@dataclass(repr=False, eq=False)
class ServiceRefusal(ConnectorError):
    """The service itself says no; `kind` is one of `KINDS`, `retry_after` in seconds."""

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
        super().__init__(self.message, hint=self.hint, problems=self.problems)
        self.http_status = self.status or KINDS[self.kind].http_status


def document(error: ConnectorError, request_id: str, root: str = "", book: Phrasebook = PLAIN) -> dict[str, Any]:
    """The problem that an error is answered with, in some language. `root` is where the service is mounted."""
    error.speak(book)
    said = error.to_dict()
    kind = error.kind if error.kind in KINDS else "internal"
    vendor_status = said.pop("status", None)
    status = error.http_status if kind == error.kind else KINDS[kind].http_status
    if kind == "api" and vendor_status is not None and vendor_status < 500:
        status = 422  # the vendor was reached and is well; what was asked is at fault
    inputs: dict[str, list[str]] = {}  # for a form that shows beside each field what is wrong with it
    for problem in said["problems"]:
        room, _, rest = problem["where"].partition(".")
        if room == "inputs" and rest:
            inputs.setdefault(rest.partition(".")[0].partition("[")[0], []).append(problem["what"])
    found = {
        "type": f"{root}/v1/problems#{kind}",
        "title": book.say(KINDS[kind].title),
        "status": status,
        "kind": kind,
        "message": said["message"],
        "hint": said["hint"],
        "inputs": inputs,
        "problems": said["problems"],
        "retriable": said["retriable"],
        "retry_at": said.get("retry_at"),
        "may_have_been_done": getattr(error, "may_have_been_done", False),
        "vendor_status": vendor_status,
        "code": said.get("code"),
        "tracking_id": said.get("tracking_id"),
        "request_id": request_id,
    }
    return found | {name: value for name, value in said.items() if name not in found}  # such as a list's cursor


def headers(error: ConnectorError, status: int) -> dict[str, str]:
    """The headers that go with a problem."""
    found = dict(getattr(error, "headers", None) or {})
    after = getattr(error, "retry_after", None)
    if (at := getattr(error, "retry_at", None)) is not None:
        after = max(1, math.ceil((at - datetime.now(UTC)).total_seconds()))
    if after is not None:
        found["Retry-After"] = str(after)
    if status == 401:
        found["WWW-Authenticate"] = "Bearer"
    return found


def of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> ServiceRefusal:
    """The refusal that an error of the web framework is."""
    kind = BY_STATUS.get(status, "body" if status < 500 else "internal")
    text = detail or HTTPStatus(status).phrase
    return ServiceRefusal(kind, text if text.endswith(".") else f"{text}.", status=status, headers=headers)


def check_known(what: str, name: str, known: Collection[str]) -> None:
    """Raise `ServiceRefusal` (404) if there is no such action, trigger or kind; the nearest is named."""
    if name not in known:
        message = Sentence("'{name}' does not exist here.{meant}", name=name[:100], meant=nearest(name, list(known)))
        raise ServiceRefusal("not_found", message, problems=(Problem(what, message),))
