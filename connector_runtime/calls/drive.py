"""The shell around an exchange: performs its effects over HTTP. The only module that imports httpx.

One pool of connections serves the process; every `Client` shares it and the last one to close it ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, ClassVar
from uuid import uuid4
from weakref import WeakKeyDictionary

import httpx

from ..errors import TransportError
from ..model import Page, Request, Response
from . import redact
from .exchange import Effect, Exchange, Key, Now, Send, Token, Wait

TIMEOUT = 30.0
CONNECT_TIMEOUT = 10.0
CONNECTIONS = 100
logger = logging.getLogger("connector_runtime")

Grants = Callable[[Mapping[str, str] | None], Mapping[str, str]]
AsyncGrants = Callable[[Mapping[str, str] | None], Awaitable[Mapping[str, str]]]


def drive(exchange: Exchange, grants: Grants) -> Iterator[Page]:
    """Perform an exchange's effects and hand out its pages as they come; closing it stops before the next request."""
    step: Callable[[Any], Effect | Page] = exchange.send
    value: Any = None
    try:
        while True:
            try:
                effect = step(value)
            except StopIteration:
                return
            step, value = exchange.send, None
            match effect:
                case Page():
                    yield effect
                case Send():
                    try:
                        value = _send(effect)
                    except TransportError as error:
                        step, value = exchange.throw, error
                case Token():
                    value = grants(effect.rejected)
                case Wait():
                    time.sleep(effect.seconds)
                case Key():
                    value = str(uuid4())
                case Now():
                    value = _now()
    finally:
        exchange.close()


async def drive_async(exchange: Exchange, grants: AsyncGrants, pool: AsyncPool) -> AsyncIterator[Page]:
    """The same for asyncio; cancelling it stops it at once."""
    step: Callable[[Any], Effect | Page] = exchange.send
    value: Any = None
    try:
        while True:
            try:
                effect = step(value)
            except StopIteration:
                return
            step, value = exchange.send, None
            match effect:
                case Page():
                    yield effect
                case Send():
                    try:
                        value = await pool.send(effect)
                    except TransportError as error:
                        step, value = exchange.throw, error
                case Token():
                    value = await grants(effect.rejected)
                case Wait():
                    await asyncio.sleep(effect.seconds)
                case Key():
                    value = str(uuid4())
                case Now():
                    value = _now()
    finally:
        exchange.close()


def _now() -> datetime:
    return datetime.now(UTC)


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
                limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=20)
                self._client = httpx.Client(verify=_trusted(), limits=limits, **_settings())
                self._process = os.getpid()
            return self._client


POOL = Pool()


class AsyncPool:
    """Connections for one event loop, each in a client of its own that is lent to one call at a time.

    httpx's own pool looks through all its connections at every request, which at 64 concurrent calls costs more than
    the requests; a stack of clients with one connection each costs nothing to choose from.
    """

    _of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncPool]] = WeakKeyDictionary()

    @classmethod
    def enter(cls) -> AsyncPool:
        """The pool of the running event loop; `leave` lets go of it."""
        pool = cls._of_loop.setdefault(asyncio.get_running_loop(), cls())
        pool._users += 1
        return pool

    async def leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            while self._idle:
                await self._idle.pop().aclose()

    def __init__(self, connections: int = CONNECTIONS) -> None:
        self._users = 0
        self._context: ssl.SSLContext | None = None
        self._idle: list[httpx.AsyncClient] = []
        self._places = asyncio.Semaphore(connections)

    async def send(self, wanted: Send) -> Response:
        """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
        async with self._places:
            client = self._idle.pop() if self._idle else self._new()
            try:
                with _reported(wanted):
                    return _answer(await client.send(_native(wanted.request)), wanted.request)
            finally:
                self._idle.append(client)

    def _new(self) -> httpx.AsyncClient:
        if self._context is None:
            self._context = httpx.create_ssl_context()
        limits = httpx.Limits(max_connections=1)
        return httpx.AsyncClient(verify=self._context, limits=limits, **_settings())


def send(request: Request) -> Response:
    """Send one request outside of any exchange. Raises `TransportError` where there is no answer."""
    POOL.enter()
    try:
        return _send(Send(request, "read"))
    finally:
        POOL.leave()


def _send(wanted: Send) -> Response:
    """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
    with _reported(wanted):
        return _answer(POOL.client().send(_native(wanted.request)), wanted.request)


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes longer than many a request."""
    return httpx.create_ssl_context()


def _settings() -> dict[str, Any]:
    """What every client of ours is made with; its cookie jar keeps nothing."""
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return {"cookies": jar, "timeout": httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT), "follow_redirects": False}


def _native(request: Request) -> httpx.Request:
    if request.call.get("debug"):
        logger.warning("%s", redact.shown(request))
    timeout = httpx.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT)
    if "timeout" in request.call:
        timeout = httpx.Timeout(request.call["timeout"] / 1000)
    native = httpx.Request(
        request.method,
        request.url,
        headers=list(request.headers),
        content=request.content,
        extensions={"timeout": timeout.as_dict()},
    )
    native.url = _Shown(request.url, request.shown)
    return native


class _Shown(httpx.URL):
    """A URL that logs and exceptions of httpx show with its secrets masked; only on the wire it is complete."""

    def __init__(self, url: str, shown: str) -> None:
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


def _answer(answer: httpx.Response, request: Request) -> Response:
    if request.call.get("debug"):
        logger.warning("%d %s, %d bytes", answer.status_code, answer.reason_phrase, len(answer.content))
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(status=answer.status_code, headers=headers, content=answer.content)


@contextmanager
def _reported(wanted: Send) -> Iterator[None]:
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
        error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol
    )
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
