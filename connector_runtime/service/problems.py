"""Errors as HTTP answers: problem documents (RFC 9457) with the fields that every error of the connector has. Pure.

`status` is that of the answer; what the vendor answered is `vendor_status`. `type` leads to the list of all kinds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from ..errors import ConnectorError, Problem
from ..language.wording import nearest

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: the status it is answered with, its title, and what the caller should do."""

    status: int
    title: str
    do: str


KINDS: Mapping[str, Kind] = {
    "input": Kind(422, "The inputs are wrong", "Mend what `problems` names; nothing was sent."),
    "body": Kind(400, "The request cannot be read", "Send what the OpenAPI document describes."),
    "key": Kind(401, "No valid API key", "Send one as `Authorization: Bearer …` or `X-API-Key: …`."),
    "host": Kind(421, "Not this host", "Without API keys, call the service by the name of this machine."),
    "forbidden": Kind(403, "The key is not for this", "Use a key that was made for this."),
    "missing_scope": Kind(403, "The app lacks a scope", "Add the scope that `hint` names, then reconnect."),
    "plan": Kind(403, "The account lacks a plan, licence or role", "Do what `hint` says."),
    "not_found": Kind(404, "There is no such thing", "See `message`; it names what is nearest."),
    "method": Kind(405, "Not with this method", "Use one of those in the header Allow."),
    "slow": Kind(408, "The request came too slowly", "Send it again, whole."),
    "conflict": Kind(409, "It exists already, or is being changed", "Look what is there before you try again."),
    "in_flight": Kind(409, "The first request with this key is not over", "Ask again a little later."),
    "may_have_been_done": Kind(409, "Nobody knows whether it was done", "Look, then use another key if it was not."),
    "too_large": Kind(413, "The body is too large", "Send less."),
    "media_type": Kind(415, "Not with this content type", "Send JSON as `application/json`."),
    "key_reused": Kind(422, "The key was used for something else", "Take a new idempotency key for each operation."),
    "validation": Kind(422, "The vendor found values wrong", "Mend what `problems` names."),
    "token": Kind(424, "The connection does not work", "Reconnect it."),
    "rate_limit": Kind(429, "Too many requests at the vendor", "Wait until `retry_at`."),
    "quota": Kind(429, "The vendor's quota is used up", "Wait until `retry_at`, which may be hours away."),
    "too_many": Kind(429, "Too many requests of this tenant at a time", "Try again after `Retry-After` seconds."),
    "definition": Kind(500, "A definition is faulty", "Whoever runs the service has to mend it."),
    "internal": Kind(500, "The service failed", "Tell whoever runs it the `request_id`; its log says why."),
    "api": Kind(502, "The vendor said no", "See `message` and `code`."),
    "transport": Kind(502, "No readable answer of the vendor", "Try again if `retriable`; else look what was done."),
    "busy": Kind(503, "The service is busy", "Try again after `Retry-After` seconds."),
    "store": Kind(503, "The store fails", "Try again later; nothing that was stored is lost."),
    "not_ready": Kind(503, "The service is not ready", "Whoever runs it sees why in `problems`."),
    "timeout": Kind(504, "It took too long", "Try again if `retriable`; else look what was done."),
}
BY_STATUS = {401: "key", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_large", 415: "media_type"}


@dataclass(eq=False, kw_only=True)
class Refusal(Exception):
    """The service itself says no; `kind` is one of `KINDS`, `retry_after` in seconds."""

    kind: str
    message: str
    hint: str | None = None
    problems: tuple[Problem, ...] = ()
    status: int | None = None
    retriable: bool = False
    retry_after: int | None = None
    may_have_been_done: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Told:
    """A problem as it is answered."""

    status: int
    document: dict[str, Any]
    headers: dict[str, str]

    @property
    def kind(self) -> str:
        return str(self.document["kind"])


def told(error: ConnectorError | Refusal, request_id: str, root: str = "", now: datetime | None = None) -> Told:
    """What to answer for an error. `root` is where the service is mounted, `now` the time for `Retry-After`."""
    if isinstance(error, Refusal):
        said: dict[str, Any] = {
            "kind": error.kind,
            "message": error.message,
            "hint": error.hint,
            "problems": [{"where": problem.where, "what": problem.what} for problem in error.problems],
            "retriable": error.retriable,
            "may_have_been_done": error.may_have_been_done,
        }
        headers = dict(error.headers)
        after = error.retry_after
    else:
        said, headers = error.to_dict(), {}
        after = _seconds_until(getattr(error, "retry_at", None), now or datetime.now(UTC))
    if after is not None:
        headers["Retry-After"] = str(after)
    kind = said["kind"] if said["kind"] in KINDS else "internal"
    status = error.status if isinstance(error, Refusal) and error.status else _status(kind, said.get("status"))
    document = {
        "type": f"{root}/v1/problems#{kind}",
        "title": KINDS[kind].title,
        "status": status,
        "kind": kind,
        "message": said["message"],
        "hint": said["hint"],
        "inputs": by_input(said["problems"]),
        "problems": said["problems"],
        "retriable": said["retriable"],
        "retry_at": said.get("retry_at"),
        "may_have_been_done": said.get("may_have_been_done", False),
        "vendor_status": None if isinstance(error, Refusal) else said.get("status"),
        "code": said.get("code"),
        "tracking_id": said.get("tracking_id"),
        "request_id": request_id,
    }
    known = {*document, "status"}
    document.update({name: value for name, value in said.items() if name not in known})  # such as a list's cursor
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Told(status, document, headers)


def by_input(problems: Iterable[Mapping[str, str]]) -> dict[str, list[str]]:
    """What is wrong with each input, for a form that shows it beside the field."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        room, _, rest = problem["where"].partition(".")
        if room == "inputs" and rest:
            found.setdefault(rest.partition(".")[0].partition("[")[0], []).append(problem["what"])
    return found


def of_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """The refusal that an error of the web framework is."""
    kind = BY_STATUS.get(status, "body" if status < 500 else "internal")
    return Refusal(kind=kind, message=_sentence(detail, status), status=status, headers=dict(headers or {}))


def unknown(what: str, name: str, known: Iterable[str]) -> Refusal:
    """There is no such action, trigger or kind; the nearest is named."""
    message = f"'{name[:100]}' is no {what} here.{nearest(name, list(known))}"
    return Refusal(kind="not_found", message=message, problems=(Problem(what, message),))


def _sentence(detail: str, status: int) -> str:
    text = detail or HTTPStatus(status).phrase
    return text if text.endswith(".") else f"{text}."


def _status(kind: str, vendor_status: int | None) -> int:
    if kind == "api" and vendor_status is not None and vendor_status < 500:
        return 422  # the vendor was reached and is well; what was asked is at fault
    return KINDS[kind].status


def _seconds_until(at: datetime | None, now: datetime) -> int | None:
    return None if at is None else max(1, math.ceil((at - now).total_seconds()))
