"""Names the kinds of faults that happen to real clients of Zoom and says how each looks; it decides nothing.

`KINDS` is what `inject`, the random plan, the command line and the control endpoint offer. A kind is drawn: its
details (which status, where a body breaks off) follow from the random numbers it is given.
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


def _html(status: int, title: bytes, **more: Any) -> Fault:
    return Fault(status=status, body=_HTML % (title, title), content_type="text/html", **more)


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
        says="the connection is reset, and the request is not carried out",
        draw=lambda draw, longest: Fault(drop=True),
    ),
    "reset_after": FaultKind(
        says="the connection is reset after the request was carried out",
        draw=lambda draw, longest: Fault(drop=True, carry_out=True),
    ),
    "error_json": FaultKind(says="500 or 503 with a JSON body; not carried out", draw=_error_json),
    "error_html": FaultKind(says="502, 503 or 504 with an HTML page; not carried out", draw=_error_html),
    "error_after": FaultKind(says="502 or 504 with an HTML page, after the request was carried out", draw=_error_after),
    "html_200": FaultKind(
        says="200 with an HTML page instead of the answer, after the request was carried out",
        draw=lambda draw, longest: _html(200, b"Please sign in to the network", carry_out=True),
    ),
    "truncated": FaultKind(
        says="the answer breaks off; carried out",
        draw=lambda draw, longest: Fault(cut=draw.random()),
        fits=has_body,
    ),
    "late": FaultKind(
        says="the answer comes late",
        draw=lambda draw, longest: Fault(delay=draw.uniform(0, longest)),
    ),
    "slow": FaultKind(
        says="the body comes slowly",
        draw=lambda draw, longest: Fault(takes=draw.uniform(0, longest)),
        fits=has_body,
    ),
    "rate_limited": FaultKind(
        says="429: too many requests in this second; not carried out",
        draw=lambda draw, longest: Fault(condition="rate_limited"),
        fits=is_api,
    ),
    "daily_limited": FaultKind(
        says="429: today's requests are used up, with Retry-After; not carried out",
        draw=lambda draw, longest: Fault(condition="daily_limited"),
        fits=is_api,
        by_chance=False,  # whoever believes it sends nothing more today
    ),
    "page_expired": FaultKind(
        says="400: the page token is invalid or expired",
        draw=lambda draw, longest: Fault(condition="pages_expired", page=True),
        fits=_has_page_token,
    ),
    "page_repeated": FaultKind(
        says="a page gives the page token that it was asked with, so that the list would never end",
        draw=lambda draw, longest: Fault(repeat_page=True, page=True),
        fits=_has_page_token,
    ),
    "revoked": FaultKind(
        says="the request's access token is revoked first; by chance only one that OAuth issued",
        draw=lambda draw, longest: Fault(revoke=True),
        fits=is_api,
    ),
    **HOSTILE,
}


USUAL = tuple(name for name, kind in KINDS.items() if kind.by_chance)


def known(name: str) -> FaultKind:
    """Find a kind, or raise ValueError."""
    if name not in tuple(KINDS):
        raise ValueError(f"unknown kind of fault {name!r}; there are {', '.join(KINDS)}")
    return KINDS[name]
