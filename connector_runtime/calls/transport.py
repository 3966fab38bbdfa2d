"""HTTP: requests sent and answers read, over connections that are shared. The only module that imports httpx.

One pool of connections serves a process for each way out of it (`Http`), and asyncio's has one for each event loop;
every client shares them and the last one to close ends them.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

import httpx

from ..errors import TransportError
from ..model import Request, Response
from . import redact
from .effects import Send

if TYPE_CHECKING:
    import asyncio  # loaded where it is used: plain calls do without

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


PLAIN = Http()


class Pool:
    """A process's HTTP connections by one way out, opened at the first request and closed with the last user.

    Cookies are never kept: what one account was given must not reach another. A fork opens a pool of its own.
    """

    _of_way: ClassVar[dict[Http, Pool]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def enter(cls, way: Http = PLAIN) -> Pool:
        """The pool of that way out; `leave` lets go of it."""
        with cls._lock:
            pool = cls._of_way.setdefault(way, cls(way))
            pool._users += 1
            return pool

    def __init__(self, way: Http = PLAIN) -> None:
        self.way = way
        self._users = 0
        self._client: httpx.Client | None = None
        self._process = 0

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                del self._of_way[self.way]
                if self._client is not None and self.way.client is None:
                    self._client.close()
                self._client = None

    def client(self) -> httpx.Client:
        client = self._client
        if client is not None and self._process == os.getpid():
            return client
        with self._lock:
            if self._client is None or self._process != os.getpid():
                kept = min(20, self.way.connections)
                limits = httpx.Limits(max_connections=self.way.connections, max_keepalive_connections=kept)
                self._client = self.way.client or httpx.Client(limits=limits, **_settings(self.way))
                self._process = os.getpid()
            return self._client

    def send(self, wanted: Send) -> Response:
        """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
        client = self.client()
        with reported(wanted):
            if wanted.seconds is None:
                return answered(client.send(native(wanted, self.way), follow_redirects=False), wanted.request)
            until = time.monotonic() + wanted.seconds
            answer = client.send(native(wanted, self.way), stream=True, follow_redirects=False)
            try:
                content = b"".join(_until(answer, until))
            finally:
                answer.close()
            return answered(answer, wanted.request, content)


def _until(answer: httpx.Response, until: float) -> Iterator[bytes]:
    for chunk in answer.iter_bytes():
        yield chunk
        if time.monotonic() > until:
            raise httpx.ReadTimeout("The deadline passed.")


class AsyncPool:
    """Connections for one event loop, each in a client of its own that is lent to one call at a time.

    httpx's own pool looks through all its connections at every request, which at 64 concurrent calls costs more than
    the requests; a stack of clients with one connection each costs nothing to choose from.
    """

    _of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Http, AsyncPool]]] = WeakKeyDictionary()

    @classmethod
    def enter(cls, way: Http = PLAIN) -> AsyncPool:
        """The pool of the running event loop and that way out; `leave` lets go of it."""
        from asyncio import get_running_loop

        pools = cls._of_loop.setdefault(get_running_loop(), {})
        pool = pools.setdefault(way, cls(way))
        pool._users += 1
        return pool

    async def leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            from asyncio import get_running_loop

            self._of_loop[get_running_loop()].pop(self.way, None)
            while self._idle:
                await self._idle.pop().aclose()

    def __init__(self, way: Http = PLAIN) -> None:
        self.way = way
        self._users = 0
        self._idle: list[httpx.AsyncClient] = []
        from asyncio import Semaphore

        self._places = Semaphore(way.connections)

    async def send(self, wanted: Send) -> Response:
        """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
        from asyncio import timeout

        async with self.lent() as client:
            with reported(wanted):
                ready = native(wanted, self.way)
                if wanted.seconds is None:
                    return answered(await client.send(ready, follow_redirects=False), wanted.request)
                try:
                    async with timeout(wanted.seconds):
                        return answered(await client.send(ready, follow_redirects=False), wanted.request)
                except TimeoutError:
                    raise httpx.ReadTimeout("The deadline passed.") from None

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a connection of its own, for one request at a time."""
        async with self._places:
            client = self.way.client or (self._idle.pop() if self._idle else self._new())
            try:
                yield client
            finally:
                if self.way.client is None:
                    self._idle.append(client)

    def _new(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(limits=httpx.Limits(max_connections=1), **_settings(self.way))


def send(request: Request, way: Http = PLAIN) -> Response:
    """Send one request outside of any exchange. Raises `TransportError` where there is no answer."""
    pool = Pool.enter(way)
    try:
        return pool.send(Send(request, "read"))
    finally:
        pool.leave()


@cache
def _trusted(ca: str | ssl.SSLContext | None) -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes longer than many a request."""
    if isinstance(ca, ssl.SSLContext):
        return ca
    return httpx.create_ssl_context() if ca is None else ssl.create_default_context(cafile=ca)


def _settings(way: Http) -> dict[str, Any]:
    """What every client of ours is made with; its cookie jar keeps nothing."""
    return {
        "verify": _trusted(way.ca),
        "proxy": way.proxy,
        "cookies": CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        "timeout": httpx.Timeout(way.timeout, connect=way.connect_timeout),
    }


def native(wanted: Send, way: Http) -> httpx.Request:
    request = wanted.request
    if request.call.get("debug"):
        logger.warning("%s", redact.shown(request))
    each, connect = way.timeout, way.connect_timeout
    if "timeout" in request.call:
        each = connect = request.call["timeout"] / 1000
    if wanted.seconds is not None:
        each, connect = min(each, wanted.seconds), min(connect, wanted.seconds)
    made = httpx.Request(
        request.method,
        request.url,
        headers=list(request.headers),
        content=request.content,
        extensions={"timeout": {"connect": connect, "read": each, "write": each, "pool": each}},
    )
    made.url = _Shown(made.url, request.shown)
    return made


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


def answered(answer: httpx.Response, request: Request, content: bytes | None = None) -> Response:
    content = answer.content if content is None else content
    if request.call.get("debug"):
        logger.warning("%d %s, %d bytes", answer.status_code, answer.reason_phrase, len(content))
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
