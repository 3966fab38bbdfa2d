"""Says what may go wrong with a request, and lets it go wrong; it decides neither when nor to whom.

A `Fault` is a value. It comes from the queue of `inject` or from `chances`, the random plan; both are here or made of
what is here, and the sandbox asks each of them once for every request.
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
    """What goes wrong with the requests that it matches.

    Args:
        kind: its name in the counters.
        match: `GET /v2/users`; the path without its query, raw, `*` for any text; None: every request.
        page: only requests that carry a page token.
        status: answer this, with `body`, `headers` and `content_type`, instead of what Zoom would.
        drop: close the connection instead of answering.
        carry_out: with `status` or `drop`: the request is carried out all the same.
        cut: announce the whole body, send so many bytes of it (below 1.0: such a share), close.
        takes: seconds in which the body is sent.
        delay: seconds to wait before answering.
        condition: let Zoom refuse as if this one of `conditions.CONDITIONS` held.
        repeat_page: a page leads on to itself: it gives the page token that it was asked with.
        revoke: the token of the request is good no more, for this request and later ones.
        edit: the true answer is given, changed by this one of `edits.EDITS`.
        head: what goes out as it is before the body, from the status line to the empty line; the connection is closed
            after the body.
        endless: the body comes again and again, without a length.
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
        """Its kind, or what it does."""
        does = {
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
        return self.kind or next((name for name, is_so in does.items() if is_so), "late")

    def matches(self, request: WireRequest) -> bool:
        """Compare `GET /v2/users`, where the path may have `*` and the method may be left out or `*`."""
        if self.page and not page_token(request):
            return False
        if self.match is None:
            return True
        method, _, path = self.match.rpartition(" ")
        return method in ("", "*", request.method) and fnmatchcase(request.target.partition("?")[0], path)

    def asked(self, request: WireRequest) -> WireRequest:
        """What is to be carried out: of a list that never ends always the first page."""
        token = page_token(request)
        if self.edit != "endless_list" or not token:
            return request
        return replace(request, target=request.target.replace(quote(token, safe=""), ""))

    def spoil(self, request: WireRequest, answer: Callable[[], WireResponse]) -> WireResponse:
        """Let a request go wrong; `answer` carries it out, and is not called if it is not to be carried out."""
        is_instead = self.drop or self.status is not None
        said = answer() if self.carry_out or not is_instead else WireResponse(status=self.status or 500)
        if self.status is not None:
            said = replace(
                said, status=self.status, body=self.body, headers=self.headers, content_type=self.content_type
            )
        if self.repeat_page:
            said = _with_page_token(said, page_token(request))
        if self.edit is not None:
            said = edited(self.edit, said)
        head = self.head
        if self.endless:
            head = head or f"HTTP/1.1 {said.status} OK\r\ncontent-type: {said.content_type}\r\n\r\n".encode()
            said = replace(said, body=Endless(said.body) if isinstance(said.body, bytes) and said.body else said.body)
        size = len(said.body)
        cut = int(size * self.cut) if isinstance(self.cut, float) and self.cut < 1 else self.cut
        return replace(
            said,
            head=head,
            delay=self.delay,
            drop=self.drop,
            cut=None if cut is None else int(cut),
            pace=size / self.takes if self.takes and size else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultKind:
    """One kind of fault: `draw` makes one of random numbers and the longest delay (seconds), `fits` finds its requests.

    `by_chance` False: a random plan has it only if it names it.
    """

    says: str
    draw: Callable[[random.Random, float], Fault]
    fits: Callable[[WireRequest], bool] = lambda request: True
    by_chance: bool = True


def has_body(request: WireRequest) -> bool:
    return request.method in ("GET", "POST")  # the others are answered 204


def is_api(request: WireRequest) -> bool:
    return request.target.startswith("/v2/") and "/download/" not in request.target


FIELDS = tuple(field.name for field in fields(Fault))


def page_token(request: WireRequest) -> str:
    """Give the page token that a request carries, or ""."""
    query = request.target.partition("?")[2]
    return dict(parse_qsl(query)).get("next_page_token", "") if "next_page_token" in query else ""


def _with_page_token(answer: WireResponse, token: str) -> WireResponse:
    try:
        said = json.loads(answer.body) if isinstance(answer.body, bytes) else None
    except ValueError:
        return answer
    if not isinstance(said, dict) or "next_page_token" not in said:
        return answer
    return replace(answer, body=json.dumps({**said, "next_page_token": token}, ensure_ascii=False).encode())


def change(fault: Fault, given: Mapping[str, Any]) -> Fault:
    """Give `fault` with these fields, written as `inject` and JSON write them; None: leave it; raise ValueError.

    `body` and `head` may be bytes or text, `body` also a mapping, `headers` a mapping or pairs, `drop` "before" or
    "after".
    """
    values = {name: value for name, value in given.items() if value is not None}
    unknown = sorted(values.keys() - set(FIELDS))
    if unknown:
        raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(FIELDS)}")
    if "drop" in values:
        if values["drop"] not in ("before", "after"):
            raise ValueError('drop is "before" or "after" the request is carried out')
        values["carry_out"], values["drop"] = values["drop"] == "after", True
    for name in {"body", "head"} & values.keys():
        values[name] = _bytes(values[name])
    if "headers" in values:
        values["headers"] = _pairs(values["headers"])
    for name, value in values.items():
        if not _RIGHT[name](value):
            raise ValueError(f"{name} can't be {value!r}")
    return replace(fault, **values)


def _bytes(body: bytes | str | Mapping[str, Any]) -> bytes:
    if isinstance(body, Mapping):
        return json.dumps(body).encode()
    return body.encode() if isinstance(body, str) else body


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(headers.items() if isinstance(headers, Mapping) else ((name, value) for name, value in headers))
    except (TypeError, ValueError):
        raise ValueError(f"headers can't be {headers!r}; they are a mapping or pairs") from None


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _is_text(value: object) -> bool:
    """Texts may stand in a header."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


_RIGHT: dict[str, Callable[[Any], bool]] = {
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
class _Order:
    """A fault, how often it is still to come, and how many requests it lets pass before."""

    fault: Fault
    times: int
    skip: int


class Queue:
    """The faults that were ordered; each is spent on the requests it matches. Tests order from their own thread."""

    def __init__(self) -> None:
        self._orders: list[_Order] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(order.times for order in self._orders)

    def add(self, fault: Fault, times: int = 1, skip: int = 0) -> None:
        """Spend `fault` on `times` requests that it matches, after it has let `skip` of them pass."""
        if not (isinstance(times, int) and isinstance(skip, int) and times >= 1 and skip >= 0):
            raise ValueError("times is a whole number from 1, skip from 0")
        with self._lock:
            self._orders.append(_Order(fault=fault, times=times, skip=skip))

    def clear(self) -> None:
        with self._lock:
            self._orders.clear()

    def take(self, request: WireRequest) -> Fault | None:
        """Spend the oldest fault that matches and lets no more requests pass."""
        if not self._orders:
            return None
        with self._lock:
            for order in self._orders:
                if not order.fault.matches(request):
                    continue
                if order.skip > 0:
                    order.skip -= 1
                    continue
                order.times -= 1
                if order.times <= 0:
                    self._orders.remove(order)
                return order.fault
        return None
