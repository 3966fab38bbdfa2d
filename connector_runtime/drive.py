"""The shell around an exchange: performs its effects over HTTP. The only module that imports httpx.

One pool of connections serves the process; every `Client` shares it and the last one to close it ends it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from .errors import TransportError
from .exchange import Exchange, Now, Send, Token
from .model import Page, Request, Response

TIMEOUT = 30.0
CONNECT_TIMEOUT = 10.0
logger = logging.getLogger("connector_runtime")

Grants = Callable[[Mapping[str, str] | None], Mapping[str, str]]


def drive(exchange: Exchange, grants: Grants, send: Callable[[Send], Response]) -> Iterator[Page]:
    """Perform an exchange's effects and hand out its pages as they come; closing it stops it before the next request."""
    answer: Any = None
    try:
        while True:
            try:
                effect = exchange.send(answer)
            except StopIteration:
                return
            answer = None
            match effect:
                case Page():
                    yield effect
                case Send():
                    answer = send(effect)
                case Token():
                    answer = grants(effect.rejected)
                case Now():
                    answer = datetime.now(timezone.utc)
    finally:
        exchange.close()


class Pool:
    """The process's HTTP connections, opened at the first request and closed with the last user.

    Cookies are never kept: what one account was given must not reach another. A fork opens a pool of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._client: httpx.Client | None = None
        self._process = 0

    def enter(self) -> None:
        with self._lock:
            self._users += 1

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._client is not None:
                self._client.close()
                self._client = None

    def client(self) -> httpx.Client:
        with self._lock:
            if self._client is None or self._process != os.getpid():
                jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
                timeout = httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT)
                limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
                self._client = httpx.Client(cookies=jar, timeout=timeout, limits=limits, follow_redirects=False)
                self._process = os.getpid()
            return self._client


POOL = Pool()


def send(wanted: Send) -> Response:
    """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
    request = wanted.request
    client = POOL.client()
    seconds = request.call["timeout"] / 1000 if "timeout" in request.call else None
    if request.call.get("debug"):
        logger.warning("%s %s", request.method, request.shown)
    try:
        answer = client.send(_native(request, httpx.Timeout(seconds) if seconds else client.timeout))
    except httpx.HTTPError as error:
        raise _lost(error, wanted) from None
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if request.call.get("debug"):
        logger.warning("%s %s: %s, %d bytes", request.method, request.shown, answer.status_code, len(answer.content))
    return Response(status=answer.status_code, headers=headers, content=answer.content)


def _native(request: Request, timeout: httpx.Timeout) -> httpx.Request:
    return httpx.Request(
        request.method,
        request.url,
        headers=list(request.headers),
        content=request.content,
        extensions={"timeout": timeout.as_dict()},
    )


def _lost(error: httpx.HTTPError, wanted: Send) -> TransportError:
    """What a failure of the transport means. Its own text is not shown where it could quote a header."""
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol)
    done = wanted.effect != "read" and not unsent
    if isinstance(error, httpx.TimeoutException):
        what = "No connection within the time-out." if unsent else "No answer within the time-out."
    elif isinstance(error, httpx.ConnectError):
        what = f"No connection: {error}."
    elif isinstance(error, httpx.DecodingError | httpx.RemoteProtocolError | httpx.ReadError):
        what = "The answer broke off or is no HTTP."
    else:
        what = f"The request failed on its way ({type(error).__name__})."
    hint = "It may have been done; look before you send it again." if done else "Nothing was changed; try again."
    return TransportError(what, hint=hint, retriable=not done, may_have_been_done=done)
