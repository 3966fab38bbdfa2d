"""What every request passes first and last: its id, limits of size, time and number, its log line. An ASGI middleware.

No request can take more than its share: a body that is too large or comes too slowly, a reader that stops reading, and
more requests at a time than are allowed are each ended with the right status. What fails inside is a 500 without a word
of what was sent.
"""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import urlsplit
from uuid import uuid4

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import ConnectorError
from ..language import json_text
from ..language.hosts import LOOPBACK
from . import problems, telemetry
from .problems import Refusal
from .settings import Settings
from .telemetry import PLACE, Metrics, Note

REQUEST_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
ALWAYS = ("/health", "/ready", "/metrics")  # not counted: they must answer when nothing else does
ORIGIN = (b"host", b"origin")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
COMMON = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}


class Slow(Exception):
    """The client does not read."""


class Gate:
    """The middleware; `names` are the hosts by which the service may be called where it asks for no key."""

    def __init__(self, app: ASGIApp, *, settings: Settings, metrics: Metrics, names: frozenset[str] | None) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._names = names
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note = scope[PLACE] = Note(_request_id(scope), scope.get("root_path", ""))
        passage = Passage(note, receive, send, self._settings)
        counted = scope["path"].removeprefix(note.root) not in ALWAYS
        self._running += counted
        self._metrics.in_flight.inc()
        try:
            self._check(scope, counted)
            await self._app(scope, passage.receive, passage.send)
        except Slow:
            note.outcome = "slow"
        except ClientDisconnect:
            note.outcome = "gone"
        except asyncio.CancelledError:
            note.outcome = note.outcome or "cut"
            raise
        except Refusal as refusal:
            await passage.refuse(refusal, scope)
        except Exception as error:
            telemetry.log_failure(note, error)
            await passage.refuse(Refusal("internal", "The service failed.", hint="Its log says why."), scope)
        finally:
            self._running -= counted
            self._metrics.in_flight.dec()
            for end in note.ends:
                end()
            note.route = getattr(scope.get("route"), "path", None) or "(none)"  # as it is declared
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            self._metrics.seen(note, method)
            if counted:
                telemetry.log(note, method)

    def _check(self, scope: Scope, counted: bool) -> None:
        headers = {name: value for name, value in scope["headers"] if name in (b"host", b"content-length")}
        if self._names is not None and _host(headers.get(b"host", b"")) not in self._names:
            message = "Without API keys the service only answers to the names of this machine."
            raise Refusal("host", message, hint="Call it as http://127.0.0.1 or http://localhost.")
        if self._names is not None and scope["method"] not in SAFE:
            check_origin(scope, self._settings.public_url)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:18]) > self._settings.body:
            raise too_large(self._settings.body)
        if counted and self._running > self._settings.concurrency:
            message = f"More than {self._settings.concurrency} requests are being answered."
            raise Refusal("busy", message, retriable=True, retry_after=1)


class Passage:
    """What one request receives and sends, within the limits."""

    def __init__(self, note: Note, receive: Receive, send: Send, settings: Settings) -> None:
        self._note = note
        self._receive = receive
        self._send = send
        self._settings = settings
        self._until = time.monotonic() + settings.patience
        self._started = False
        self._whole = False
        self._size = 0

    async def receive(self) -> Message:
        """The next piece of the body, which has a size and a time in all; after it, the disconnection."""
        if self._whole or self._started:
            return await self._receive()
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            what = f"The body did not come within {self._settings.patience:g} seconds."
            raise Refusal("slow", what, retriable=True, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._size > self._settings.body:
                raise too_large(self._settings.body)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self._note.status = message["status"]
            headers = list(message.get("headers", ()))
            there = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in COMMON.items() if name not in there]
            headers.append((b"x-request-id", self._note.request_id.encode()))
            message["headers"] = headers
        try:
            async with asyncio.timeout(self._settings.patience):
                await self._send(message)
        except TimeoutError:
            raise Slow from None

    async def refuse(self, error: ConnectorError, scope: Scope) -> None:
        """Answer with a problem, if nothing was answered yet."""
        answer = problem(error, self._note)
        if not self._started:
            await answer(scope, self.receive, self.send)


def problem(error: ConnectorError, note: Note) -> Response:
    """The answer that an error is, of which the request's note is told."""
    document = problems.document(error, note.request_id, note.root)
    note.outcome = document["kind"]
    headers = problems.headers(error, document["status"])
    return Response(json_text.write(document), document["status"], headers, problems.MEDIA_TYPE)


def check_origin(scope: Scope, public_url: str | None = None) -> None:
    """A browser says whose page asks; only one of this server's own may. Raises `Refusal` (403)."""
    headers = {name: value.decode("latin-1").lower() for name, value in scope["headers"] if name in ORIGIN}
    own = (headers.get(b"host", ""), urlsplit(public_url or "").netloc.lower())
    if b"origin" in headers and (headers[b"origin"].partition("://")[2] or "null") not in own:
        hint = "Call it from a program, or through a proxy of your own."
        raise Refusal("forbidden", "Pages of other origins are not answered.", hint=hint)


def too_large(limit: int) -> Refusal:
    return Refusal("too_large", f"The body is larger than {limit} bytes.", headers={"Connection": "close"})


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if REQUEST_ID.fullmatch(given) else uuid4().hex


def _host(header: bytes) -> str:
    text = header.decode("latin-1").lower()
    return text[: text.rindex(":")] if re.search(r":\d*$", text) and not text.endswith("]") else text


def host_names(more: str | None) -> frozenset[str]:
    """The names under which a service on loopback is called; any other is a page that leads a browser here."""
    given = urlsplit(more).hostname if more else None
    return frozenset({*LOOPBACK, "[::1]", *([given] if given else [])})
