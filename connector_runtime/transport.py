"""HTTP: our requests and answers in httpx's terms, and the connections that they share. The one place that knows httpx.

One pool serves a process for each way out of it (`Http`), in asyncio one for each event loop; all clients share it and
the last one to close ends it. What httpx and its logs say of a request never holds a secret.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from os.path import isfile
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies
from weakref import WeakKeyDictionary

import httpx

from .errors import CHECK, InputError, Problem, TransportError
from .language import hosts, secrets
from .model import Request, Response
from .sentences import Sentence
from .steps import Send
from .structs import shows

if TYPE_CHECKING:
    import asyncio  # loaded where it is used: plain calls do without

logger = logging.getLogger("connector_runtime")


MOST = {"timeout": 10**6, "connect_timeout": 10**6, "connections": 10**6, "largest": 10**12}  # what a system can do
BINARY = 8  # times as large as other answers may one be that is asked for as a file


@shows("timeout", "connect_timeout", "connections", "largest")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Http:
    """How requests leave this process: proxy, certificates, time-outs, and how much is sent and taken at once.

    `proxy` is a URL (`http://user:password@proxy:8080`); the environment's HTTPS_PROXY counts if it is left out.
    `ca` is a file of certificates to trust, or an `ssl.SSLContext`. `timeout` bounds each wait for the vendor and
    `connect_timeout` opening a connection, in seconds; `connections` is how many are open at once. `largest` bounds
    an answer, in bytes after decompression; one that is asked for as a file (`response_type: binary`) may be eight
    times as large. `log_inputs` lets a call that asks for `debug_request` log its URL, header values and body too,
    secrets masked: for a program of your own, not where others give the inputs. `client` is an `httpx.Client` (for
    `AsyncClient` an `httpx.AsyncClient`) to use instead: it stays yours, open and configured as you made it.
    """

    proxy: str | None = None
    ca: str | ssl.SSLContext | None = None
    timeout: float = 30.0
    connect_timeout: float = 10.0
    connections: int = 100
    largest: int = 16 * 2**20
    log_inputs: bool = False
    client: Any = None

    def __post_init__(self) -> None:
        found = []
        for name, most in MOST.items():
            if not (isinstance(value := getattr(self, name), int | float) and 0 < value <= most):
                found.append(Problem(name, f"must be a number above 0, and at most {most:,}"))
        if isinstance(self.ca, str) and not isfile(self.ca):
            found.append(Problem("ca", f"{self.ca!r} is no file"))
        if self.proxy is not None and hosts.parts(str(self.proxy)).scheme not in ("http", "https"):
            found.append(Problem("proxy", "must be a URL such as http://proxy.example:8080, or https"))
        if found:
            raise InputError.of("the way out", found)


_parsed = lru_cache(maxsize=256)(httpx.URL)  # of URLs without secrets: it takes longer than all else of a request


def native(wanted: Send, way: Http) -> httpx.Request:
    request = wanted.request
    if request.call.get("debug"):
        logger.warning("%s", secrets.request_text(request, whole=way.log_inputs))
    each, connect = way.timeout, way.connect_timeout
    if "timeout" in request.call:
        each = connect = min(request.call["timeout"], 1000 * MOST["timeout"]) / 1000
    if wanted.seconds is not None:
        each, connect = min(each, wanted.seconds), min(connect, wanted.seconds)
    is_shown = request.url == request.shown  # then nothing in it is secret
    url = _parsed(request.url) if is_shown else request.url
    bounds = {"timeout": {"connect": connect, "read": each, "write": each, "pool": each}}
    headers, content = list(request.headers), request.content
    made = httpx.Request(request.method, url, headers=headers, content=content, extensions=bounds)
    if not is_shown:
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
    """Whether a record of the HTTP libraries may be logged: not if it holds the headers of a call of ours."""
    is_told = record.name.startswith("hpack") or "headers" in record.getMessage().partition(" ")[0]
    return not (_SENDING.get() and is_told)


for _name in ("httpcore.http11", "httpcore.http2", "hpack.hpack"):  # the last writes them for a client of HTTP/2
    logging.getLogger(_name).addFilter(_without_headers)


def answered(answer: httpx.Response, request: Request, content: bytes) -> Response:
    if request.call.get("debug"):
        logger.warning("%d, %d bytes", answer.status_code, len(content))
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
    except (httpx.InvalidURL, UnicodeError):  # the latter is what is raised for a name that no host can have
        what = Sentence("The URL is too long, or its host is not a name.")
        failure = TransportError(what, hint=Sentence("Shorten the inputs that go into it, or correct the address."))
    else:
        return
    finally:
        _SENDING.reset(outside)
    raise failure


LONGEST_ANSWER = 900.0  # seconds for an answer to arrive in, of a call without a deadline: a vendor may drip for ever
UNSENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError),
    httpx.LocalProtocolError,  # a request that is no HTTP
)


def _lost(error: httpx.HTTPError, wanted: Send) -> TransportError:
    """What a failure of the transport means. Its own text is not shown where it could quote a header."""
    unsent = isinstance(error, UNSENT)
    done = wanted.effect != "read" and not unsent
    host = urlsplit(wanted.request.shown).hostname
    if isinstance(error, httpx.TimeoutException):
        what = Sentence("No answer in time.")
        if unsent:
            what = Sentence("No connection to {host} in time.", host=host)
    elif isinstance(error, httpx.ConnectError):
        what = Sentence("No connection to {host}: {reason}.", host=host, reason=str(error))
    elif isinstance(error, httpx.LocalProtocolError):
        what = Sentence("The request cannot be sent: a header has characters that are not allowed.")
    elif isinstance(error, httpx.ProxyError):
        what = Sentence("The proxy refused the connection.")
    elif isinstance(error, httpx.DecodingError | httpx.RemoteProtocolError | httpx.ReadError):
        what = Sentence("The answer was cut off or is not HTTP.")
    else:
        what = Sentence("The request failed on its way ({error}).", error=type(error).__name__)
    hint = CHECK if done else Sentence("Nothing was changed; try again.")
    return TransportError(what, hint=hint, retriable=unsent or wanted.effect != "create", may_have_been_done=done)


class _ResponseBody:
    """The body of one answer as it is read: decompressed piece by piece, never more of it than may be kept.

    What is read beyond that is an error; only of a refusal, which its status says, the body is left out.
    """

    def __init__(self, answer: httpx.Response, wanted: Send, way: Http) -> None:
        self._answer, self._wanted = answer, wanted
        self._most = int(way.largest) * (BINARY if wanted.request.call.get("response_type") == "binary" else 1)
        self._read = 0  # bytes, as they were sent
        self._content = bytearray()
        coding = answer.headers.get("content-encoding", "").strip().lower()
        self._coding = "" if answer.is_stream_consumed else coding  # a client of somebody's own has decompressed it
        self._plain: Any = None

    def add(self, piece: bytes) -> bool:
        """Take the next piece; False if nothing more is wanted. Raises `TransportError` if it is too much."""
        self._read += len(piece)
        if self._coding in ("gzip", "x-gzip", "deflate") and piece:
            if self._plain is None:  # `deflate` comes with its envelope or without
                bits = -15 if self._coding == "deflate" and piece[0] & 15 != 8 else 15
                self._plain = zlib.decompressobj(bits if self._coding == "deflate" else bits + 16)
            try:  # one byte more than may be kept, by which we know
                piece = self._plain.decompress(piece, self._most - len(self._content) + 1)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from None
        self._content += piece
        if max(self._read, len(self._content)) <= self._most:
            return True
        self._content, self._plain, status = bytearray(), None, self._answer.status_code
        if status >= 300:
            return False
        done = self._wanted.effect != "read"
        hint = Sentence("The request was accepted, so the change was probably made. Check before you send it again.")
        if not done:
            hint = Sentence("Ask for less at a time.")
        hint = hint.then(Sentence("Where answers are that large, raise `largest` of `Http`."))
        what = Sentence("The answer ({status}) is larger than {most} bytes.", status=status, most=f"{self._most:,}")
        raise TransportError(what, hint=hint, status=status, may_have_been_done=done)

    def whole(self) -> Response:
        """The answer, once all is read."""
        if self._plain is not None and not self._plain.eof:
            raise httpx.DecodingError("The compressed body is cut off.")
        return answered(self._answer, self._wanted.request, bytes(self._content))


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
        self._line: tuple[Opener, Callable[[], None] | None] | None = None
        self._process = 0

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                del self._of_way[self.way]
                if self._line is not None and self._line[1] is not None:
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
            until = time.monotonic() + (LONGEST_ANSWER if wanted.seconds is None else wanted.seconds)
            answer = self.open(wanted)
            try:
                body = _ResponseBody(answer, wanted, self.way)
                for piece in [answer.content] if answer.is_stream_consumed else answer.iter_raw():
                    if not body.add(piece):
                        break
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout("The deadline passed.")
            finally:
                answer.close()
            return body.whole()


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
        pool._fellows = pools
        return pool

    async def leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._fellows.pop(self.way, None)
            while self._idle:
                _, close = self._idle.pop()
                if close is not None:
                    await close()

    def __init__(self, way: Http = PLAIN) -> None:
        from asyncio import Semaphore

        self.way = way
        self._users = 0
        self._fellows: dict[Http, AsyncPool] = {}  # all pools of its loop
        self._idle: list[tuple[AsyncOpener, Callable[[], Awaitable[None]] | None]] = []
        self._places = Semaphore(way.connections)

    async def send(self, wanted: Send) -> Response:
        """Send one request and read its answer to the end. Raises `TransportError` where there is none."""
        from asyncio import timeout

        began = False
        with reported(wanted):
            try:
                longest = LONGEST_ANSWER if wanted.seconds is None else wanted.seconds
                async with timeout(longest), self.lent() as opener:
                    began = True
                    answer = await opener(native(wanted, self.way))
                    try:
                        body = _ResponseBody(answer, wanted, self.way)
                        if answer.is_stream_consumed:
                            body.add(answer.content)
                        else:
                            async for piece in answer.aiter_raw():
                                if not body.add(piece):
                                    break
                        return body.whole()
                    finally:
                        await answer.aclose()
            except TimeoutError:
                late = httpx.ReadTimeout if began else httpx.PoolTimeout
                raise late("The deadline passed.") from None

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[AsyncOpener]:
        """What opens the answer to a request, over a connection of its own, for one request at a time."""
        async with self._places:
            line = self._idle.pop() if self._idle else _line(self.way, is_async=True)
            try:
                yield line[0]
            except BaseException:  # cut off: its one connection may count as taken for ever
                if line[1] is not None:
                    await line[1]()
                raise
            self._idle.append(line)


def send(request: Request, seconds: float, way: Http = PLAIN) -> Response:
    """Send one request outside of any exchange. Raises `TransportError` where there is no answer within `seconds`."""
    pool = Pool.enter(way)
    try:
        return pool.send(Send(request, "read", seconds))
    finally:
        pool.leave()


@cache
def _trusted(ca: str | ssl.SSLContext | None) -> ssl.SSLContext:
    """The certificates that are trusted; reading them takes longer than many a request."""
    if isinstance(ca, ssl.SSLContext):
        return ca
    try:
        return httpx.create_ssl_context() if ca is None else ssl.create_default_context(cafile=ca)
    except OSError as error:
        what = f"{ca!r} holds no certificates that can be read ({error.strerror})"
        raise InputError.of("the way out", [Problem("ca", what)]) from None


def _line(way: Http, is_async: bool = False) -> tuple[Any, Any]:
    """What opens answers, and what closes its connections, if that is not somebody else's; of asyncio just one.

    httpx's client spends a quarter of a call on cookies, redirects and sign-ins, which are all off here: its transport
    is asked directly, except where the client is somebody's own, or knows the proxies of the environment.
    """
    if way.client is not None:
        return partial(way.client.send, stream=True, follow_redirects=False), None
    most = 1 if is_async else way.connections
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=min(20, most))
    line: Any
    if way.proxy is None and PROXIED & getproxies().keys():
        cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        client = httpx.AsyncClient if is_async else httpx.Client
        line = client(limits=limits, verify=_trusted(way.ca), cookies=cookies)
        opener = partial(line.send, stream=True, follow_redirects=False)
    else:
        kind = httpx.AsyncHTTPTransport if is_async else httpx.HTTPTransport
        line = kind(verify=_trusted(way.ca), limits=limits, proxy=way.proxy)
        opener = line.handle_async_request if is_async else line.handle_request
    return opener, line.aclose if is_async else line.close
