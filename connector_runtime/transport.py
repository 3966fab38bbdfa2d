"""Sends requests with httpx over connection pools that clients share. Only this module imports httpx.

A process has one pool for each `Http`, and in asyncio one for each event loop and `Http`. Clients share the pool, and
the last client closes it. The errors and logs of httpx never show a secret of a request.
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
    import asyncio  # slow to import, and not needed by plain calls

logger = logging.getLogger("connector_runtime")
MAX_SETTINGS = {"timeout": 10**6, "connect_timeout": 10**6, "connections": 10**6, "largest": 10**12}  # system limits
BINARY_FACTOR = 8  # responses with `response_type: binary` may be this many times larger than others


@shows("timeout", "connect_timeout", "connections", "largest")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Http:
    """The HTTP settings of a client: proxy, certificates, timeouts and limits. Raises `InputError` if one is invalid.

    `proxy` is a URL (`http://user:password@proxy:8080`), by default from the environment (HTTPS_PROXY). `ca` is the
    path of a file of trusted certificates, or an `ssl.SSLContext`. `timeout` limits each wait for the vendor, and
    `connect_timeout` the opening of a connection, in seconds. `connections` is the maximum number of open connections.
    `largest` limits a response, in bytes after decompression; with `response_type: binary` the limit is eight times as
    high. With `log_inputs`, calls with `debug_request` also log URL, header values and body, with secrets masked; do
    not use it where others enter the inputs. `client` is an `httpx.Client` (for `AsyncClient`, an `httpx.AsyncClient`)
    to use instead of these settings; it is never closed or changed.
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
        problems = []
        for name, most in MAX_SETTINGS.items():
            if not (isinstance(value := getattr(self, name), int | float) and 0 < value <= most):
                problems.append(Problem(name, f"must be a number above 0, and at most {most:,}"))
        if isinstance(self.ca, str) and not isfile(self.ca):
            problems.append(Problem("ca", f"{self.ca!r} is not a file"))
        if self.proxy is not None and hosts.parts(str(self.proxy)).scheme not in ("http", "https"):
            problems.append(Problem("proxy", "must be a URL such as http://proxy.example:8080, or https"))
        if problems:
            raise InputError.of("the HTTP settings", problems)


_parsed = lru_cache(maxsize=256)(httpx.URL)  # only URLs without secrets; parsing is the slowest part of a request


def to_httpx(step: Send, http: Http) -> httpx.Request:
    request = step.request
    if request.call.get("debug"):
        logger.warning("%s", secrets.request_text(request, whole=http.log_inputs))
    wait, connect = http.timeout, http.connect_timeout
    if "timeout" in request.call:
        wait = connect = min(request.call["timeout"], 1000 * MAX_SETTINGS["timeout"]) / 1000
    if step.seconds is not None:
        wait, connect = min(wait, step.seconds), min(connect, step.seconds)
    has_no_secrets = request.url == request.shown
    url = _parsed(request.url) if has_no_secrets else request.url
    bounds = {"timeout": {"connect": connect, "read": wait, "write": wait, "pool": wait}}
    headers, content = list(request.headers), request.content
    httpx_request = httpx.Request(request.method, url, headers=headers, content=content, extensions=bounds)
    if not has_no_secrets:
        httpx_request.url = _Shown(httpx_request.url, request.shown)
    return httpx_request


class _Shown(httpx.URL):
    """A URL that the logs and exceptions of httpx show with its secrets masked."""

    def __init__(self, url: httpx.URL, shown: str) -> None:
        super().__init__(url)
        self._shown = shown

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"URL({self._shown!r})"


_SENDING: ContextVar[bool] = ContextVar("sending", default=False)


def _without_headers(record: logging.LogRecord) -> bool:
    """Filter out log records of the HTTP libraries that show the headers of our requests."""
    has_headers = record.name.startswith("hpack") or "headers" in record.getMessage().partition(" ")[0]
    return not (_SENDING.get() and has_headers)


for _name in ("httpcore.http11", "httpcore.http2", "hpack.hpack"):  # hpack: if the program's own client speaks HTTP/2
    logging.getLogger(_name).addFilter(_without_headers)


def from_httpx(response: httpx.Response, request: Request, content: bytes) -> Response:
    if request.call.get("debug"):
        logger.warning("%d, %d bytes", response.status_code, len(content))
    raw = response.headers.raw
    headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in raw}
    if len(headers) < len(raw):  # httpx joins repeated headers
        headers = {name.lower(): value for name, value in response.headers.items()}
    return Response(status=response.status_code, headers=headers, content=content)


@contextmanager
def transport_errors(step: Send) -> Iterator[None]:
    """Convert httpx errors to `TransportError`. The httpx error is dropped, because it holds the request."""
    token = _SENDING.set(True)
    try:
        yield
    except httpx.HTTPError as error:
        failure = _error_of(error, step)
    except (httpx.InvalidURL, UnicodeError):  # UnicodeError: the host name is invalid
        what = Sentence("The URL is too long, or its host name is invalid.")
        failure = TransportError(what, hint=Sentence("Shorten the inputs that go into it, or correct the URL."))
    else:
        return
    finally:
        _SENDING.reset(token)
    raise failure


LONGEST_ANSWER = 900.0  # seconds for a response without a deadline, because a server may trickle bytes forever
UNSENT_ERRORS = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError),
    httpx.LocalProtocolError,  # a request that is not valid HTTP
)


def _error_of(error: httpx.HTTPError, step: Send) -> TransportError:
    """Return the `TransportError` for an httpx error, without its message if that could quote a header."""
    unsent = isinstance(error, UNSENT_ERRORS)
    done = step.effect != "read" and not unsent
    host = urlsplit(step.request.shown).hostname
    if isinstance(error, httpx.TimeoutException):
        what = Sentence("No response in time.")
        if unsent:
            what = Sentence("Could not connect to {host} in time.", host=host)
    elif isinstance(error, httpx.ConnectError):
        what = Sentence("Could not connect to {host}: {reason}.", host=host, reason=str(error))
    elif isinstance(error, httpx.LocalProtocolError):
        what = Sentence("The request cannot be sent: a header contains characters that are not allowed.")
    elif isinstance(error, httpx.ProxyError):
        what = Sentence("The proxy refused the connection.")
    elif isinstance(error, httpx.DecodingError | httpx.RemoteProtocolError | httpx.ReadError):
        what = Sentence("The response was cut off or is not HTTP.")
    else:
        what = Sentence("The request failed ({error}).", error=type(error).__name__)
    hint = CHECK if done else Sentence("Nothing was changed; try again.")
    return TransportError(what, hint=hint, retriable=unsent or step.effect != "create", may_have_been_done=done)


class _ResponseBody:
    """The decompressed body of one response. A body above the limit raises an error; that of a refusal is dropped."""

    def __init__(self, response: httpx.Response, step: Send, http: Http) -> None:
        self._response, self._step = response, step
        self._most = int(http.largest) * (BINARY_FACTOR if step.request.call.get("response_type") == "binary" else 1)
        self._read = 0  # compressed bytes
        self._content = bytearray()
        coding = response.headers.get("content-encoding", "").strip().lower()
        self._coding = "" if response.is_stream_consumed else coding  # a custom client has decompressed it
        self._plain: Any = None

    def add(self, piece: bytes) -> bool:
        """Add a piece; return False if no more pieces are needed. Raises `TransportError` if the body is too large."""
        self._read += len(piece)
        if self._coding in ("gzip", "x-gzip", "deflate") and piece:
            if self._plain is None:  # `deflate` may come with or without a zlib header
                bits = -15 if self._coding == "deflate" and piece[0] & 15 != 8 else 15
                self._plain = zlib.decompressobj(bits if self._coding == "deflate" else bits + 16)
            try:  # one byte above the limit shows that the body is too large
                piece = self._plain.decompress(piece, self._most - len(self._content) + 1)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from None
        self._content += piece
        if max(self._read, len(self._content)) <= self._most:
            return True
        self._content, self._plain, status = bytearray(), None, self._response.status_code
        if status >= 300:
            return False
        done = self._step.effect != "read"
        hint = Sentence("The request was accepted, so the change was probably made. Check before you send it again.")
        if not done:
            hint = Sentence("Request less data at once.")
        hint = hint.then(Sentence("If you expect responses this large, raise `largest` in `Http`."))
        what = Sentence("The response ({status}) is larger than {most} bytes.", status=status, most=f"{self._most:,}")
        raise TransportError(what, hint=hint, status=status, may_have_been_done=done)

    def response(self) -> Response:
        """Return the response with its complete body, once all pieces have been added."""
        if self._plain is not None and not self._plain.eof:
            raise httpx.DecodingError("The compressed body is cut off.")
        return from_httpx(self._response, self._step.request, bytes(self._content))


Opener = Callable[[httpx.Request], httpx.Response]
AsyncOpener = Callable[[httpx.Request], Awaitable[httpx.Response]]
PROXIED = {"http", "https", "all"}  # schemes with proxies in the environment
PLAIN = Http()


class Pool:
    """The HTTP connections of a process for one `Http`, opened at the first request and closed by the last user.

    Cookies are not stored, so one account's cookies cannot reach another account. A forked process opens its own pool.
    """

    _pools: ClassVar[dict[Http, Pool]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    @classmethod
    def enter(cls, http: Http = PLAIN) -> Pool:
        """Return the pool for these settings; call `leave` when done."""
        with cls._lock:
            pool = cls._pools.setdefault(http, cls(http))
            pool._users += 1
            return pool

    def __init__(self, http: Http = PLAIN) -> None:
        self.http = http
        self._users = 0
        self._sender: tuple[Opener, Callable[[], None] | None] | None = None
        self._process = 0

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                del self._pools[self.http]
                if self._sender is not None and self._sender[1] is not None:
                    self._sender[1]()
                self._sender = None

    def open(self, step: Send) -> httpx.Response:
        """Send a request and return its response with the body unread; the caller closes it."""
        sender = self._sender
        if sender is None or self._process != os.getpid():
            with self._lock:
                if self._sender is None or self._process != os.getpid():
                    self._sender, self._process = _new_sender(self.http), os.getpid()
                sender = self._sender
        return sender[0](to_httpx(step, self.http))

    def send(self, step: Send) -> Response:
        """Send one request and read the whole response. Raises `TransportError` if none arrives."""
        with transport_errors(step):
            until = time.monotonic() + (LONGEST_ANSWER if step.seconds is None else step.seconds)
            response = self.open(step)
            try:
                body = _ResponseBody(response, step, self.http)
                for piece in [response.content] if response.is_stream_consumed else response.iter_raw():
                    if not body.add(piece):
                        break
                    if time.monotonic() > until:
                        raise httpx.ReadTimeout("The deadline passed.")
            finally:
                response.close()
            return body.response()


class AsyncPool:
    """The HTTP connections of one event loop. Each has its own transport, which serves one call at a time.

    The httpx pool searches all its connections on every request. With 64 concurrent calls, this takes longer than the
    requests themselves, whereas popping a transport off a stack of idle ones takes no time.
    """

    _pools: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Http, AsyncPool]]] = WeakKeyDictionary()

    @classmethod
    def enter(cls, http: Http = PLAIN) -> AsyncPool:
        """Return the running event loop's pool for these settings; call `leave` when done."""
        from asyncio import get_running_loop

        pools = cls._pools.setdefault(get_running_loop(), {})
        pool = pools.setdefault(http, cls(http))
        pool._users += 1
        pool._siblings = pools
        return pool

    async def leave(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._siblings.pop(self.http, None)
            while self._idle:
                _, close = self._idle.pop()
                if close is not None:
                    await close()

    def __init__(self, http: Http = PLAIN) -> None:
        from asyncio import Semaphore

        self.http = http
        self._users = 0
        self._siblings: dict[Http, AsyncPool] = {}  # the pools of the event loop
        self._idle: list[tuple[AsyncOpener, Callable[[], Awaitable[None]] | None]] = []
        self._slots = Semaphore(http.connections)

    async def send(self, step: Send) -> Response:
        """`Pool.send` as a coroutine."""
        from asyncio import timeout

        began = False
        with transport_errors(step):
            try:
                longest = LONGEST_ANSWER if step.seconds is None else step.seconds
                async with timeout(longest), self.lend() as opener:
                    began = True
                    response = await opener(to_httpx(step, self.http))
                    try:
                        body = _ResponseBody(response, step, self.http)
                        if response.is_stream_consumed:
                            body.add(response.content)
                        else:
                            async for piece in response.aiter_raw():
                                if not body.add(piece):
                                    break
                        return body.response()
                    finally:
                        await response.aclose()
            except TimeoutError:
                late = httpx.ReadTimeout if began else httpx.PoolTimeout
                raise late("The deadline passed.") from None

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[AsyncOpener]:
        """Lend a function that sends a request over its own connection and returns the response with an unread body."""
        async with self._slots:
            sender = self._idle.pop() if self._idle else _new_sender(self.http, is_async=True)
            try:
                yield sender[0]
            except BaseException:  # the interrupted connection may never become idle again
                if sender[1] is not None:
                    await sender[1]()
                raise
            self._idle.append(sender)


def send(request: Request, seconds: float, http: Http = PLAIN) -> Response:
    """Send one request outside a call. Raises `TransportError` if no response arrives within `seconds`."""
    pool = Pool.enter(http)
    try:
        return pool.send(Send(request, "read", seconds))
    finally:
        pool.leave()


@cache
def _trusted(ca: str | ssl.SSLContext | None) -> ssl.SSLContext:
    """Return a context with the certificates to trust, cached because reading them takes longer than many requests."""
    if isinstance(ca, ssl.SSLContext):
        return ca
    try:
        return httpx.create_ssl_context() if ca is None else ssl.create_default_context(cafile=ca)
    except OSError as error:
        what = f"{ca!r} has no readable certificates ({error.strerror})"
        raise InputError.of("the HTTP settings", [Problem("ca", what)]) from None


def _new_sender(http: Http, is_async: bool = False) -> tuple[Any, Any]:
    """Return functions that send a request and close the connections (None: a custom client owns them).

    The httpx client spends a quarter of a call on cookies, redirects and sign-ins, none of which we use. Requests
    therefore go straight to its transport, except with a custom client or with proxies from the environment.
    """
    if http.client is not None:
        return partial(http.client.send, stream=True, follow_redirects=False), None
    most = 1 if is_async else http.connections
    limits = httpx.Limits(max_connections=most, max_keepalive_connections=min(20, most))
    transport: Any
    if http.proxy is None and PROXIED & getproxies().keys():
        cookies = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
        client = httpx.AsyncClient if is_async else httpx.Client
        transport = client(limits=limits, verify=_trusted(http.ca), cookies=cookies)
        opener = partial(transport.send, stream=True, follow_redirects=False)
    else:
        factory = httpx.AsyncHTTPTransport if is_async else httpx.HTTPTransport
        transport = factory(verify=_trusted(http.ca), limits=limits, proxy=http.proxy)
        opener = transport.handle_async_request if is_async else transport.handle_request
    return opener, transport.aclose if is_async else transport.close
