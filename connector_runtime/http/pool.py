"""HTTP: requests sent and answers read, over connections that are shared.

One pool of connections serves a process for each way out of it (`Http`), and asyncio's has one for each event loop;
every client shares them and the last one to close ends them.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, ClassVar
from urllib.request import getproxies
from weakref import WeakKeyDictionary

import httpx

from ..model import Request, Response
from ..steps import Send
from .native import Http, answered, native, reported

if TYPE_CHECKING:
    import asyncio  # loaded where it is used: plain calls do without

Opener = Callable[[httpx.Request], httpx.Response]
AsyncOpener = Callable[[httpx.Request], Awaitable[httpx.Response]]
PROXIED = {"http", "https", "all"}  # what the environment may name proxies for
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
        self._line: tuple[Opener, Callable[[], None]] | None = None
        self._process = 0

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                del self._of_way[self.way]
                if self._line is not None:
                    self._line[1]()
                self._line = None

    def open(self, wanted: Send) -> httpx.Response:
        """The answer to a request, its body unread; whoever opens it closes it."""
        line = self._line
        if line is None or self._process != os.getpid():
            with self._lock:
                if self._line is None or self._process != os.getpid():
                    self._line, self._process = _line(self.way), os.getpid()
                line = self._line
        return line[0](native(wanted, self.way))

    def send(self, wanted: Send) -> Response:
        """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
        with reported(wanted):
            until = None if wanted.seconds is None else time.monotonic() + wanted.seconds
            answer = self.open(wanted)
            try:
                content = answer.read() if until is None else b"".join(_until(answer, until))
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
                await self._idle.pop()[1]()

    def __init__(self, way: Http = PLAIN) -> None:
        from asyncio import Semaphore

        self.way = way
        self._users = 0
        self._idle: list[tuple[AsyncOpener, Callable[[], Awaitable[None]]]] = []
        self._places = Semaphore(way.connections)

    async def send(self, wanted: Send) -> Response:
        """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
        from asyncio import timeout

        began = False
        with reported(wanted):
            try:
                async with timeout(wanted.seconds), self.lent() as opener:
                    began = True
                    answer = await opener(native(wanted, self.way))
                    try:
                        return answered(answer, wanted.request, await answer.aread())
                    finally:
                        await answer.aclose()
            except TimeoutError:
                late = httpx.ReadTimeout if began else httpx.PoolTimeout
                raise late("The deadline passed.") from None

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[AsyncOpener]:
        """What opens the answer to a request, over a connection of its own, for one request at a time."""
        async with self._places:
            line = self._idle.pop() if self._idle else _async_line(self.way)
            try:
                yield line[0]
            finally:
                self._idle.append(line)


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


def _line(way: Http) -> tuple[Opener, Callable[[], None]]:
    """What opens answers, and what closes its connections.

    httpx's client spends a quarter of a call on cookies, redirects and sign-ins, which are all off here: its transport
    is asked directly, except where the client is somebody's own, or knows the proxies of the environment.
    """
    if way.client is not None:
        return partial(way.client.send, stream=True, follow_redirects=False), lambda: None
    kept = min(20, way.connections)
    limits = httpx.Limits(max_connections=way.connections, max_keepalive_connections=kept)
    if way.proxy is None and PROXIED & getproxies().keys():
        client = httpx.Client(limits=limits, verify=_trusted(way.ca), cookies=_no_cookies())
        return partial(client.send, stream=True, follow_redirects=False), client.close
    transport = httpx.HTTPTransport(verify=_trusted(way.ca), limits=limits, proxy=way.proxy)
    return transport.handle_request, transport.close


def _async_line(way: Http) -> tuple[AsyncOpener, Callable[[], Awaitable[None]]]:
    """The same for asyncio, with one connection."""

    async def nothing() -> None:
        pass

    if way.client is not None:
        return partial(way.client.send, stream=True, follow_redirects=False), nothing
    limits = httpx.Limits(max_connections=1)
    if way.proxy is None and PROXIED & getproxies().keys():
        client = httpx.AsyncClient(limits=limits, verify=_trusted(way.ca), cookies=_no_cookies())
        return partial(client.send, stream=True, follow_redirects=False), client.aclose
    transport = httpx.AsyncHTTPTransport(verify=_trusted(way.ca), limits=limits, proxy=way.proxy)
    return transport.handle_async_request, transport.aclose


def _no_cookies() -> CookieJar:
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
