"""Our requests and answers in httpx's terms, and its failures in ours; nothing is sent here.

What httpx and its logs say of a request never holds a secret.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from os.path import isfile
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..errors import InputError, Problem, TransportError
from ..language import secrets
from ..model import Request, Response
from ..steps import Send

logger = logging.getLogger("connector_runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """The way out: what stands between this process and the vendor.

    `proxy` is a URL (`http://user:password@proxy:8080`); the environment's HTTPS_PROXY counts if it is left out.
    `ca` is a file of certificates to trust, or an `ssl.SSLContext`. `timeout` bounds each wait for the vendor and
    `connect_timeout` opening a connection, in seconds; `connections` is how many are open at once. `client` is an
    `httpx.Client` (for `AsyncClient` an `httpx.AsyncClient`) to use instead: it stays yours, open and configured as
    you made it.
    """

    proxy: str | None = field(default=None, repr=False)
    ca: str | ssl.SSLContext | None = None
    timeout: float = 30.0
    connect_timeout: float = 10.0
    connections: int = 100
    client: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        found = [
            Problem(name, "must be a number above 0")
            for name in ("timeout", "connect_timeout", "connections")
            if not isinstance(value := getattr(self, name), int | float) or not 0 < value < inf
        ]
        if isinstance(self.ca, str) and not isfile(self.ca):
            found.append(Problem("ca", f"{self.ca!r} is no file"))
        if self.proxy is not None and urlsplit(str(self.proxy)).scheme not in ("http", "https"):
            found.append(Problem("proxy", "must begin with http:// or https://"))
        if found:
            raise InputError.of("the way out", found)


def native(wanted: Send, way: Http) -> httpx.Request:
    request = wanted.request
    if request.call.get("debug"):
        logger.warning("%s", secrets.request_text(request))
    each, connect = way.timeout, way.connect_timeout
    if "timeout" in request.call:
        each = connect = request.call["timeout"] / 1000
    if wanted.seconds is not None:
        each, connect = min(each, wanted.seconds), min(connect, wanted.seconds)
    is_shown = request.url == request.shown  # then nothing in it is secret
    made = httpx.Request(
        request.method,
        _parsed(request.url) if is_shown else request.url,
        headers=list(request.headers),
        content=request.content,
        extensions={"timeout": {"connect": connect, "read": each, "write": each, "pool": each}},
    )
    if not is_shown:
        made.url = _Shown(made.url, request.shown)
    return made


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """A URL without secrets, taken apart: httpx spends more time on that than on all else of a request."""
    return httpx.URL(url)


class _Shown(httpx.URL):
    """A URL that logs and exceptions of httpx show with its secrets masked; only on the wire it is complete."""

    def __init__(self, url: httpx.URL, shown: str) -> None:
        super().__init__(url)
        self._shown = shown

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"URL({self._shown!r})"


_SENDING: ContextVar[bool] = ContextVar("sending", default=False)


def _without_headers(record: logging.LogRecord) -> bool:
    """Whether a record of the HTTP library may be logged: not if it holds the headers of a call of ours."""
    return not (_SENDING.get() and "headers" in record.getMessage().partition(" ")[0])


for _name in ("httpcore.http11", "httpcore.http2"):
    logging.getLogger(_name).addFilter(_without_headers)


def answered(answer: httpx.Response, request: Request, content: bytes) -> Response:
    if request.call.get("debug"):
        logger.warning("%d %s, %d bytes", answer.status_code, answer.reason_phrase, len(content))
    raw = answer.headers.raw
    headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(headers) < len(raw):  # one of them was said more than once
        headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(status=answer.status_code, headers=headers, content=content)


@contextmanager
def reported(wanted: Send) -> Iterator[None]:
    """Failures of the transport as `TransportError`; httpx's own error is dropped, since it holds the request."""
    outside = _SENDING.set(True)
    try:
        yield
    except httpx.HTTPError as error:
        failure = _lost(error, wanted)
    except httpx.InvalidURL:
        failure = TransportError("The URL is too long to be sent.", hint="Shorten the inputs that stand in it.")
    else:
        return
    finally:
        _SENDING.reset(outside)
    raise failure


def _lost(error: httpx.HTTPError, wanted: Send) -> TransportError:
    """What a failure of the transport means. Its own text is not shown where it could quote a header."""
    unsent = isinstance(
        error,
        httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol | httpx.ProxyError,
    )
    done = wanted.effect != "read" and not unsent
    if isinstance(error, httpx.TimeoutException):
        what = "No connection within the time-out." if unsent else "No answer within the time-out."
    elif isinstance(error, httpx.ConnectError):
        what = f"No connection: {error}."
    elif isinstance(error, httpx.ProxyError):
        what = "The proxy refused the connection."
    elif isinstance(error, httpx.DecodingError | httpx.RemoteProtocolError | httpx.ReadError):
        what = "The answer broke off or is no HTTP."
    else:
        what = f"The request failed on its way ({type(error).__name__})."
    hint = "It may have been done; look before you send it again." if done else "Nothing was changed; try again."
    return TransportError(what, hint=hint, retriable=unsent or wanted.effect != "create", may_have_been_done=done)
