"""The kinds of faults that real clients of Zoom meet. Describes faults and applies none.

`inject`, the random plan, the command line and the control paths all use `KINDS`. Random numbers determine the details
of a fault, such as its status or the point at which its body breaks off.
"""

from __future__ import annotations

import json
import random
from typing import Any

from .faults import Fault, FaultKind, has_body, is_api, page_token
from .hostile import HOSTILE
from .wire import WireRequest

_HTML = b"<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body>\r\n</html>\r\n"
_GATEWAY = {502: b"502 Bad Gateway", 503: b"503 Service Temporarily Unavailable", 504: b"504 Gateway Time-out"}


def _json(status: int, message: str) -> Fault:
    return Fault(status=status, body=json.dumps({"code": status, "message": message}).encode())


def _html(status: int, title: bytes, **fields: Any) -> Fault:
    return Fault(status=status, body=_HTML % (title, title), content_type="text/html", **fields)


def _error_json(draw: random.Random, longest: float) -> Fault:
    return _json(draw.choice((500, 503)), "Internal server error.")


def _error_html(draw: random.Random, longest: float) -> Fault:
    status = draw.choice((502, 503, 504))
    return _html(status, _GATEWAY[status])


def _error_after(draw: random.Random, longest: float) -> Fault:
    status = draw.choice((502, 504))
    return _html(status, _GATEWAY[status], carry_out=True)


def _has_page_token(request: WireRequest) -> bool:
    return bool(page_token(request))


KINDS: dict[str, FaultKind] = {
    "reset_before": FaultKind(
        description="the connection is reset; not carried out",
        draw=lambda draw, longest: Fault(drop=True),
    ),
    "reset_after": FaultKind(
        description="the connection is reset; carried out",
        draw=lambda draw, longest: Fault(drop=True, carry_out=True),
    ),
    "error_json": FaultKind(description="500 or 503 with a JSON body; not carried out", draw=_error_json),
    "error_html": FaultKind(description="502, 503 or 504 with an HTML page; not carried out", draw=_error_html),
    "error_after": FaultKind(description="502 or 504 with an HTML page; carried out", draw=_error_after),
    "html_200": FaultKind(
        description="200 with an HTML page instead of the result; carried out",
        draw=lambda draw, longest: _html(200, b"Please sign in to the network", carry_out=True),
    ),
    "truncated": FaultKind(
        description="the response breaks off; carried out",
        draw=lambda draw, longest: Fault(cut=draw.random()),
        fits=has_body,
    ),
    "late": FaultKind(
        description="the response is late",
        draw=lambda draw, longest: Fault(delay=draw.uniform(0, longest)),
    ),
    "slow": FaultKind(
        description="the body is sent slowly",
        draw=lambda draw, longest: Fault(takes=draw.uniform(0, longest)),
        fits=has_body,
    ),
    "rate_limited": FaultKind(
        description="429: too many requests in this second; not carried out",
        draw=lambda draw, longest: Fault(condition="rate_limited"),
        fits=is_api,
    ),
    "daily_limited": FaultKind(
        description="429: today's requests are used up, with Retry-After; not carried out",
        draw=lambda draw, longest: Fault(condition="daily_limited"),
        fits=is_api,
        by_chance=False,  # because a client that obeys it sends nothing more today
    ),
    "page_expired": FaultKind(
        description="400: the page token is invalid or expired",
        draw=lambda draw, longest: Fault(condition="pages_expired", page=True),
        fits=_has_page_token,
    ),
    "page_repeated": FaultKind(
        description="a page returns the page token of the request, so the list never ends",
        draw=lambda draw, longest: Fault(repeat_page=True, page=True),
        fits=_has_page_token,
    ),
    "revoked": FaultKind(
        description="the request's access token is revoked first; a random plan revokes only tokens that OAuth issued",
        draw=lambda draw, longest: Fault(revoke=True),
        fits=is_api,
    ),
    **HOSTILE,
}


USUAL = tuple(name for name, kind in KINDS.items() if kind.by_chance)


def find_kind(name: str) -> FaultKind:
    """Find a kind by name, or raise ValueError."""
    if name not in tuple(KINDS):
        raise ValueError(f"unknown kind of fault {name!r}; choose from {', '.join(KINDS)}")
    return KINDS[name]
