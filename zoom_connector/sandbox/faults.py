"""Faults: the ways in which a request can fail, and the queue of injected faults. Draws none at random.

A `Fault` is plain data. It comes from the queue that `inject` fills or from the random plan (`chances`); the sandbox
asks each once for every request.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, quote

from .conditions import CONDITIONS
from .contents import Endless
from .edits import EDITS, edited
from .wire import JSON, WireRequest, WireResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail, and the requests that it affects.

    Args:
        kind: the name in the counters.
        match: `GET /v2/users`: method and raw path without query, `*` matches anything; None: every request.
        page: match only requests that carry a page token.
        status: respond with this status, `body`, `headers` and `content_type` instead of Zoom's response.
        drop: close the connection without a response.
        carry_out: with `status` or `drop`, carry the request out anyway.
        cut: declare the length of the whole body, send this many bytes of it (below 1.0: this fraction) and close.
        takes: seconds that sending the body takes.
        delay: seconds to wait before responding.
        condition: refuse the request as Zoom does under this condition, one of `conditions.CONDITIONS`.
        repeat_page: return the page token of the request, so the page leads to itself.
        revoke: first revoke the request's token for good.
        edit: return the real response, altered by this function of `edits.EDITS`.
        head: bytes to send verbatim before the body, from the status line to the empty line; the connection closes
            after the body.
        endless: repeat the body forever, without a length.
    """

    kind: str = ""
    match: str | None = None
    page: bool = False
    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    drop: bool = False
    carry_out: bool = False
    cut: float | None = None
    takes: float | None = None
    delay: float = 0.0
    condition: str | None = None
    repeat_page: bool = False
    revoke: bool = False
    edit: str | None = None
    head: bytes | None = None
    endless: bool = False

    @property
    def name(self) -> str:
        """The kind, or a name derived from the first effect that is set."""
        effects = {
            "revoked": self.revoke,
            "reset_after": self.drop and self.carry_out,
            "reset_before": self.drop,
            f"status_{self.status}": self.status is not None,
            f"{self.condition}": self.condition is not None,
            "page_repeated": self.repeat_page,
            f"{self.edit}": self.edit is not None,
            "endless_body": self.endless,
            "odd_head": self.head is not None,
            "truncated": self.cut is not None,
            "slow": self.takes is not None,
        }
        return self.kind or next((name for name, is_set in effects.items() if is_set), "late")

    def matches(self, request: WireRequest) -> bool:
        """True if `match` and `page` fit the request; the method of `match` may be missing or `*`."""
        if self.page and not page_token(request):
            return False
        if self.match is None:
            return True
        method, _, path = self.match.rpartition(" ")
        return method in ("", "*", request.method) and fnmatchcase(request.target.partition("?")[0], path)

    def rewrite(self, request: WireRequest) -> WireRequest:
        """Return the request to carry out: under the edit `endless_list`, always the first page of the list."""
        token = page_token(request)
        if self.edit != "endless_list" or not token:
            return request
        return replace(request, target=request.target.replace(quote(token, safe=""), ""))

    def apply(self, request: WireRequest, carry_out: Callable[[], WireResponse]) -> WireResponse:
        """Return the response to a request under this fault; call `carry_out` only if Zoom carries the request out."""
        is_instead = self.drop or self.status is not None
        response = carry_out() if self.carry_out or not is_instead else WireResponse(status=self.status or 500)
        if self.status is not None:
            response = replace(
                response, status=self.status, body=self.body, headers=self.headers, content_type=self.content_type
            )
        if self.repeat_page:
            response = _with_page_token(response, page_token(request))
        if self.edit is not None:
            response = edited(self.edit, response)
        head = self.head
        if self.endless:
            head = head or f"HTTP/1.1 {response.status} OK\r\ncontent-type: {response.content_type}\r\n\r\n".encode()
            if isinstance(response.body, bytes) and response.body:
                response = replace(response, body=Endless(response.body))
        size = len(response.body)
        cut = int(size * self.cut) if isinstance(self.cut, float) and self.cut < 1 else self.cut
        return replace(
            response,
            head=head,
            delay=self.delay,
            drop=self.drop,
            cut=None if cut is None else int(cut),
            pace=size / self.takes if self.takes and size else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault: `draw` makes a fault from random numbers and the longest delay in seconds.

    `fits` returns True for requests that the kind can affect. If `by_chance` is False, only a random plan that names
    the kind draws it.
    """

    description: str
    draw: Callable[[random.Random, float], Fault]
    fits: Callable[[WireRequest], bool] = lambda request: True
    by_chance: bool = True


def has_body(request: WireRequest) -> bool:
    return request.method in ("GET", "POST")  # Zoom responds to other methods with 204


def is_api(request: WireRequest) -> bool:
    return request.target.startswith("/v2/") and "/download/" not in request.target


FIELDS = tuple(field.name for field in fields(Fault))


def page_token(request: WireRequest) -> str:
    """Return the page token that a request carries, or ""."""
    query = request.target.partition("?")[2]
    return dict(parse_qsl(query)).get("next_page_token", "") if "next_page_token" in query else ""


def _with_page_token(answer: WireResponse, token: str) -> WireResponse:
    try:
        data = json.loads(answer.body) if isinstance(answer.body, bytes) else None
    except ValueError:
        return answer
    if not isinstance(data, dict) or "next_page_token" not in data:
        return answer
    return replace(answer, body=json.dumps({**data, "next_page_token": token}, ensure_ascii=False).encode())


def change(fault: Fault, changes: Mapping[str, Any]) -> Fault:
    """Return `fault` with the fields that `inject` or a JSON body gives; None leaves a field unchanged.

    `body` and `head` may be bytes or text, `body` also a mapping, `headers` a mapping or pairs, `drop` "before" or
    "after". Raises ValueError for unknown fields and invalid values.
    """
    values = {name: value for name, value in changes.items() if value is not None}
    unknown = sorted(values.keys() - set(FIELDS))
    if unknown:
        raise ValueError(f"unknown: {', '.join(unknown)}; a fault has {', '.join(FIELDS)}")
    if "drop" in values:
        if values["drop"] not in ("before", "after"):
            raise ValueError('drop must be "before" or "after"')
        values["carry_out"], values["drop"] = values["drop"] == "after", True
    for name in {"body", "head"} & values.keys():
        values[name] = _bytes(values[name])
    if "headers" in values:
        values["headers"] = _pairs(values["headers"])
    for name, value in values.items():
        if not _VALID[name](value):
            raise ValueError(f"{name} cannot be {value!r}")
    return replace(fault, **values)


def _bytes(body: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(body, Mapping):
        return json.dumps(body).encode()
    return body.encode() if isinstance(body, str) else body


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(headers.items() if isinstance(headers, Mapping) else ((name, value) for name, value in headers))
    except (TypeError, ValueError):
        raise ValueError(f"headers cannot be {headers!r}; give a mapping or pairs") from None


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_text(value: object) -> bool:
    """True for text that a header can carry."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_VALID: dict[str, Callable[[Any], bool]] = {
    "kind": _is_text,
    "match": _is_text,
    "page": _is_bool,
    "status": lambda value: isinstance(value, int) and 200 <= value <= 599,
    "body": lambda value: isinstance(value, bytes),
    "headers": lambda value: all(_is_text(part) for pair in value for part in pair),
    "content_type": _is_text,
    "drop": _is_bool,
    "carry_out": _is_bool,
    "cut": _is_amount,
    "takes": _is_amount,
    "delay": _is_amount,
    "condition": lambda value: value in tuple(CONDITIONS),
    "repeat_page": _is_bool,
    "revoke": _is_bool,
    "edit": lambda value: value in tuple(EDITS),
    "head": lambda value: isinstance(value, bytes),
    "endless": _is_bool,
}


@dataclass(slots=True, kw_only=True, eq=False)
class _Injection:
    """A fault with its remaining uses, and the number of matching requests to let pass before them."""

    fault: Fault
    times: int
    skip: int


class Queue:
    """The injected faults, each for a number of matching requests. Thread-safe, because tests inject from outside."""

    def __init__(self) -> None:
        self._injections: list[_Injection] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(injection.times for injection in self._injections)

    def add(self, fault: Fault, times: int = 1, skip: int = 0) -> None:
        """Use `fault` for `times` matching requests, after letting `skip` others pass."""
        if not (isinstance(times, int) and isinstance(skip, int) and times >= 1 and skip >= 0):
            raise ValueError("times must be a whole number of at least 1, skip of at least 0")
        with self._lock:
            self._injections.append(_Injection(fault=fault, times=times, skip=skip))

    def clear(self) -> None:
        with self._lock:
            self._injections.clear()

    def take(self, request: WireRequest) -> Fault | None:
        """Return the oldest fault that is due for this request, and count its use; None if there is none."""
        if not self._injections:
            return None
        with self._lock:
            for injection in self._injections:
                if not injection.fault.matches(request):
                    continue
                if injection.skip > 0:
                    injection.skip -= 1
                    continue
                injection.times -= 1
                if injection.times <= 0:
                    self._injections.remove(injection)
                return injection.fault
        return None
