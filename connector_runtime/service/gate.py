"""What every request passes: its id, limits of size, time and number, who asks, its log line. An ASGI middleware.

No request can take more than its share. What fails inside is a 500 without a word of what was sent. The log and the
metrics never tell inputs, keys or addresses; no label can have values without end.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import prometheus_client
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import multiprocess
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..calls.action import Action
from ..connections.connections import Connections
from ..errors import ConnectorError, Problem
from ..language import json_text
from ..language.hosts import LOOPBACK
from . import models, problems
from .problems import Refusal, check_known
from .records import ApiKey
from .state import Service

T = TypeVar("T")
M = TypeVar("M", bound=models.Asked)
logger = logging.getLogger("connector_runtime.service")
PLACE = "connector_runtime.context"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
ALWAYS = ("/health", "/ready", "/metrics")  # not counted: they must answer when nothing else does
HOOKS = "/v1/webhooks/"  # whose senders neither know our limits nor come again after a refusal
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
BRING = "Send a key as `Authorization: Bearer …`."
DEPTH = 64  # arrays and objects within each other
LARGE = 64 * 1024  # bytes of a body that is read in a thread, so that others need not wait
COMMON = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}


class Gate:
    """The middleware. Where the service asks for no key it may only be called by the names of this machine."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._metrics = app, service, Metrics()
        self._running = 0
        public = urlsplit(service.settings.public_url or "").hostname
        self._names = frozenset({*LOOPBACK, "[::1]", *([public] if public else [])}) if service.is_local else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else uuid4().hex
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        root = scope.get("root_path", "")
        context = scope[PLACE] = RequestContext(self._service, self._metrics, receive, send, request_id, root, method)
        path = scope["path"].removeprefix(context.root)
        counted = path not in ALWAYS
        is_hook = path.startswith(HOOKS)
        context.limit = math.inf if is_hook else self._service.settings.body
        metrics, running = self._metrics, self._service.running
        self._running += counted
        metrics.in_flight.inc()
        try:
            self._check(scope, counted, is_hook)
            await self._app(scope, context.receive, context.send)
        except ClientDisconnect as error:
            context.outcome = str(error) or "gone"
        except asyncio.CancelledError:
            context.outcome = context.outcome or "cut"
            raise
        except Exception as error:
            answer = context.problem(error if isinstance(error, Refusal) else context.failure(error))
            if not context.status:  # nothing was answered yet
                await answer(scope, context.receive, context.send)
        finally:
            self._running -= counted
            metrics.in_flight.dec()
            if context.is_known:
                running[context.tenant] -= 1
                if not running[context.tenant]:
                    del running[context.tenant]
            context.route = getattr(scope.get("route"), "path", None) or "(none)"  # as it is declared
            context.end(counted)

    def _check(self, scope: Scope, counted: bool, is_hook: bool) -> None:
        """What is wrong with a request whoever sends it. A webhook is judged by its signature, and by nothing here."""
        headers, settings = dict(scope["headers"]), self._service.settings
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._names is not None and not is_hook and re.sub(r":\d*$", "", host) not in self._names:
            message = "Without API keys the service only answers to the names of this machine."
            raise Refusal("host", message, hint="Call it as http://127.0.0.1 or http://localhost.")
        if self._names is not None and not is_hook and scope["method"] not in SAFE:
            check_origin(scope, settings.public_url)
        length = headers.get(b"content-length", b"")
        if not is_hook and length.isdigit() and int(length[:18]) > settings.body:
            raise too_large(settings.body)
        if counted and self._running > settings.concurrency:
            message = f"More than {settings.concurrency} requests are being answered."
            raise Refusal("busy", message, retriable=True, retry_after=1)


class Metrics:
    """The metrics of one app. Where PROMETHEUS_MULTIPROC_DIR is set, all workers' are read together."""

    def __init__(self) -> None:
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = prometheus_client.CollectorRegistry()
        here: Any = {"registry": None if self._shared else self._registry}
        self.requests = prometheus_client.Counter(
            "connector_requests", "Requests, by route, method and status.", ("route", "method", "status"), **here
        )
        self.runs = prometheus_client.Counter(
            "connector_runs", "Runs of actions; the outcome is ok or a kind of problem.", ("action", "outcome"), **here
        )
        self.seconds = prometheus_client.Histogram(
            "connector_request_seconds", "How long requests took.", ("route",), buckets=BUCKETS, **here
        )
        self.in_flight = prometheus_client.Gauge(
            "connector_in_flight_requests", "Requests that are being answered.", multiprocess_mode="livesum", **here
        )
        self.replays = prometheus_client.Counter("connector_replays", "Runs answered from an idempotency key.", **here)

    def text(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and its content type."""
        registry = self._registry
        if self._shared:
            registry = prometheus_client.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


@dataclass(slots=True, eq=False)
class RequestContext:
    """One request: its way in and out within the limits, who asks and what, and what the log and metrics say of it."""

    service: Service
    metrics: Metrics
    receiving: Receive
    sending: Send
    request_id: str
    root: str = ""  # where the service is mounted
    method: str = ""
    route: str = ""
    tenant: str = ""
    is_known: bool = False  # whose it is
    key: str | None = None  # the id of the API key
    runs: str | None = None  # the key of an action
    outcome: str = ""
    replayed: bool = False
    status: int = 0  # of the answer, once it has begun
    began: float = field(default_factory=time.monotonic)
    size: int = 0  # of the body that has come
    whole: bool = False
    limit: float = math.inf  # bytes of a body; a webhook's receiver has its own
    request: Request = field(init=False)  # where it is known who asks

    def end(self, logged: bool) -> None:
        """Have the metrics count a request that is over, and write its line if it is to be `logged`."""
        metrics, seconds = self.metrics, time.monotonic() - self.began
        metrics.requests.labels(self.route, self.method, str(self.status)).inc()
        metrics.seconds.labels(self.route).observe(seconds)
        if self.runs is not None:
            metrics.runs.labels(self.runs, self.outcome or "ok").inc()
        if self.replayed:
            metrics.replays.inc()
        if not logged:
            return
        said = {
            "request_id": self.request_id,
            "method": self.method,
            "route": self.route,
            "status": self.status,
            "ms": round(seconds * 1000, 1),
            "tenant": self.tenant if self.is_known else None,
            "key": self.key,
            "action": self.runs,
            "outcome": self.outcome or ("ok" if self.status < 400 else None),
            "replayed": self.replayed or None,
        }
        level = logging.ERROR if self.status >= 500 and self.outcome in ("", "internal") else logging.INFO
        logger.log(level, "request", extra={"said": {name: value for name, value in said.items() if value is not None}})

    def failure(self, error: BaseException) -> Refusal:
        """What a fault of ours is answered with. The log says where it was; its message may quote what was sent."""
        steps = [f"{step.filename}:{step.lineno} {step.name}" for step in traceback.extract_tb(error.__traceback__)]
        said = {"request_id": self.request_id, "route": self.route, "error": type(error).__name__, "at": steps[-8:]}
        logger.error("failure", extra={"said": said})
        return Refusal("internal", "The service failed.", hint="Its log says why.")

    async def receive(self) -> Message:
        """The next piece of the body, which has a size and a time in all; after it, the disconnection."""
        settings = self.service.settings
        if self.whole or self.status:
            return await self.receiving()
        try:
            async with asyncio.timeout(max(0.0, self.began + settings.patience - time.monotonic())):
                message = await self.receiving()
        except TimeoutError:
            what = f"The body did not come within {settings.patience:g} seconds."
            raise Refusal("slow", what, retriable=True, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self.size += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.size > self.limit:
                raise too_large(settings.body)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            there = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in COMMON.items() if name not in there]
            headers.append((b"x-request-id", self.request_id.encode()))
            message["headers"] = headers
        try:
            async with asyncio.timeout(self.service.settings.patience):
                await self.sending(message)
        except TimeoutError:
            raise ClientDisconnect("slow") from None  # it does not read

    def document(self, error: ConnectorError) -> dict[str, Any]:
        """The problem that an error is."""
        return problems.document(error, self.request_id, self.root)

    def problem(self, error: ConnectorError) -> Response:
        """The answer that an error is; it is what the log calls the outcome."""
        document = self.document(error)
        self.outcome = document["kind"]
        headers = problems.headers(error, document["status"])
        return Response(json_text.write(document), document["status"], headers, problems.MEDIA_TYPE)

    @property
    def connections(self) -> Connections:
        """The connections of the tenant."""
        return self.service.connections(self.tenant)

    def action(self, key: str, *, runs: bool = False) -> Action:
        """The action of that key, counted if it runs. Raises `Refusal` (404) with the nearest."""
        actions = self.service.connector.actions
        check_known("action", key, actions)
        self.runs = key if runs else None
        return actions[key]

    async def read(self, model: type[M]) -> M:
        """The body of the request as its model. Raises `Refusal` (400, 413, 415) and `InputError`."""
        headers = self.request.headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            what = f"The body is {kind[:100]!r}, not JSON." if kind else "The request does not say what its body is."
            raise Refusal("media_type", what, headers={"Accept": "application/json"})
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal("media_type", "Compressed bodies are not read.", headers={"Accept-Encoding": "identity"})
        try:
            data = await self.aside(json_text.read_strictly, await self.request.body(), depth=DEPTH)
        except json_text.JsonError as error:
            what = f"The body {error}."
            raise Refusal("body", what, hint=error.hint, problems=(Problem(error.place or "body", what),)) from None
        try:
            return model.model_validate(data)
        except ValidationError as error:
            raise models.wrong(error.errors(include_url=False, include_input=False), model.model_fields) from None

    async def aside(self, function: Callable[..., T], /, *given: Any, **more: Any) -> T:
        """Do what takes long for a large body: in a thread if this one is, so that others need not wait."""
        if len(await self.request.body()) > LARGE:
            return await asyncio.to_thread(function, *given, **more)
        return function(*given, **more)


def at(request: Request) -> RequestContext:
    """The context of a request, for which nobody needs to be known."""
    return request.scope[PLACE]  # type: ignore[no-any-return]


def check_origin(scope: Scope, public_url: str | None = None) -> None:
    """A browser says whose page asks; only one of this server's own may. Raises `Refusal` (403)."""
    headers = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
    own = (headers.get(b"host", ""), urlsplit(public_url or "").netloc.lower())
    if b"origin" in headers and (headers[b"origin"].partition("://")[2] or "null") not in own:
        hint = "Call it from a program, or through a proxy of your own."
        raise Refusal("forbidden", "Pages of other origins are not answered.", hint=hint)


def too_large(limit: int) -> Refusal:
    return Refusal("too_large", f"The body is larger than {limit} bytes.", headers={"Connection": "close"})


_bearer = HTTPBearer(auto_error=False, description="An API key, made with the command `api-key create`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, where Authorization is taken.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
KeyHeader = Annotated[str | None, Security(_header)]


async def _known(request: Request, bearer: Bearer = None, header: KeyHeader = None) -> RequestContext:
    context = at(request)
    context.request = request
    tenant, running, most = context.service.tenant, context.service.running, context.service.settings.tenant_concurrency
    if callable(tenant):
        answer = tenant(request)
        tenant = await answer if isawaitable(answer) else answer
        if tenant is None:
            raise Refusal("key", "Nobody is signed in.", hint=BRING)
    elif tenant is None:
        tenant = (await key_of(context, bearer, header)).tenant
        if tenant is None:
            raise Refusal("forbidden", "This key is for /metrics only.")
    if running[tenant] >= most:
        message = f"More than {most} requests of this tenant are being answered."
        raise Refusal("too_many", message, retriable=True, retry_after=1)
    running[tenant] += 1
    context.tenant, context.is_known = tenant, True
    return context


Context = Annotated[RequestContext, Depends(_known)]


async def context_of(request: Request) -> RequestContext:
    """The same for an app that is none of FastAPI's. Raises `Refusal` (401, 403, 429)."""
    return await _known(request, await _bearer(request), await _header(request))


async def key_of(context: RequestContext, bearer: HTTPAuthorizationCredentials | None, header: str | None) -> ApiKey:
    """The API key that a request brought. Raises `Refusal` (401)."""
    service, given = context.service, bearer.credentials if bearer is not None else header
    if not given:
        raise Refusal("key", "The request brought no API key.", hint=BRING)
    key = service.keys.remembered(given) or await service.in_store(service.keys.find, given)
    if key is None:
        raise Refusal("key", "The API key is wrong or was revoked.", hint=BRING)
    context.key = key.id
    return key
