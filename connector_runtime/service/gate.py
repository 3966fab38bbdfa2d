"""ASGI middleware for every request: its id, caller, log line, and limits on size, time and concurrency.

An unexpected error becomes a 500 that quotes nothing from the request. The log and the metrics never show inputs, keys
or addresses, and every label has a bounded set of values.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import prometheus_client
from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import multiprocess
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..calls.action import Action
from ..connections.connections import Connections
from ..definitions.connector import Connector
from ..errors import ConnectorError, Problem
from ..language import json_text
from ..language.hosts import LOOPBACK
from ..sentences import Sentence
from . import models, problems
from .problems import ServiceRefusal, check_known
from .records import ApiKey
from .state import Service

T = TypeVar("T")
M = TypeVar("M", bound=models.StrictBody)
logger = logging.getLogger("connector_runtime.service")
SCOPE_KEY = "connector_runtime.context"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
UNLOGGED_PATHS = ("/health", "/ready", "/metrics")  # probes would fill the log
WEBHOOKS = "/v1/webhooks/"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
SEND_KEY = Sentence("Send a key as `Authorization: Bearer …`.")
MAX_ACCEPT_LANGUAGE = 500  # characters of an Accept-Language header that are read
MAX_DEPTH = 64  # nested arrays and objects in a body
SMALL_BODY = 64 * 1024  # bytes; bodies up to this size take no slot, so slow senders cannot block webhooks
LARGE_BODY = 16 * 1024  # bytes; larger bodies are parsed in a thread, so other requests need not wait
THIS_MACHINE = frozenset({*LOOPBACK, "[::1]"})
FORWARDED = re.compile(
    rb"\A(?:forwarded|via|x-(?:forwarded|original)-.*|x-real-ip|[a-z]{1,20}-connecting-ip|true-client-ip)\Z"
)
CALLBACK = "/v1/oauth/callback"  # for browsers, which have no key
COMMON_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}


class Gate:
    """The middleware. Without keys, it admits only requests addressed to this machine, plus callbacks and webhooks."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._metrics = app, service, Metrics()
        self._public = urlsplit(service.settings.public_url or "").hostname

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, metrics = dict(scope["headers"]), self._metrics
        client_id = headers.get(b"x-request-id", b"")
        request_id = client_id.decode() if REQUEST_ID.fullmatch(client_id) else uuid4().hex
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        root = scope.get("root_path", "")
        context = scope[SCOPE_KEY] = RequestContext(self._service, metrics, receive, send, request_id, root, method)
        length = headers.get(b"content-length", b"")
        context.length = int(length[:18]) if length.isdigit() else 0
        path = scope["path"].removeprefix(root)
        metrics.in_flight.inc()
        try:
            if self._service.is_local and not path.startswith(WEBHOOKS):  # a signature protects webhooks
                self._check_host(scope, headers, path.startswith(CALLBACK))
            await self._app(scope, context.receive, context.send)
        except ClientDisconnect as error:
            context.outcome = str(error) or "gone"
        except asyncio.CancelledError:
            context.outcome = context.outcome or "cut"
            raise
        except Exception as error:
            answer = context.problem(error if isinstance(error, ServiceRefusal) else context.failure(error))
            if not context.status:  # the response has not begun
                await answer(scope, context.receive, context.send)
        finally:
            metrics.in_flight.dec()
            context.leave()
            context.route = getattr(scope.get("route"), "path", None) or "(none)"  # with placeholders, not their values
            context.end(path not in UNLOGGED_PATHS)

    def _check_host(self, scope: Scope, headers: Mapping[bytes, bytes], is_callback: bool) -> None:
        host = re.sub(r":[0-9]*\Z", "", headers.get(b"host", b"").decode("latin-1").lower())
        is_proxied = scope.get("http_version") == "1.0" or any(map(FORWARDED.fullmatch, headers))  # nginx speaks 1.0
        is_direct = host in THIS_MACHINE and not is_proxied
        if not is_direct and not (is_callback and (host in THIS_MACHINE or host == self._public)):
            message = "Without API keys, the service accepts only requests addressed to this machine"
            message += "; its public URL serves only OAuth callbacks and webhooks." if self._public else "."
            hint = "Call it as http://127.0.0.1 or http://localhost, or create a key with `api-key create`."
            raise ServiceRefusal("host", message, hint=f"{hint} Then restart the service.")
        if scope["method"] not in SAFE_METHODS:
            check_origin(scope, self._service.settings.public_url)


class Metrics:
    """Metrics for one app, or for all its workers combined if PROMETHEUS_MULTIPROC_DIR is set."""

    def __init__(self) -> None:
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = prometheus_client.CollectorRegistry()
        own: Any = {"registry": None if self._shared else self._registry}
        self.requests = prometheus_client.Counter(
            "connector_requests", "Requests by route, method and status.", ("route", "method", "status"), **own
        )
        self.runs = prometheus_client.Counter(
            "connector_runs", "Runs of actions; the outcome is ok or a kind of problem.", ("action", "outcome"), **own
        )
        self.seconds = prometheus_client.Histogram(
            "connector_request_seconds", "Duration of requests in seconds.", ("route",), buckets=BUCKETS, **own
        )
        self.in_flight = prometheus_client.Gauge(
            "connector_in_flight_requests", "Requests in progress.", multiprocess_mode="livesum", **own
        )
        self.replays = prometheus_client.Counter("connector_replays", "Runs answered from an idempotency key.", **own)

    def text(self) -> tuple[bytes, str]:
        """Return the metrics in Prometheus' text format, and its content type."""
        registry = self._registry
        if self._shared:
            registry = prometheus_client.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


@dataclass(slots=True, eq=False)
class RequestContext:
    """One request: its caller, its body and response within the limits, and the facts for its log line and metrics."""

    service: Service
    metrics: Metrics
    receiving: Receive
    sending: Send
    request_id: str
    root: str = ""  # the path under which the service is mounted
    method: str = ""
    route: str = ""
    tenant: str = ""
    is_known: bool = False  # True once `tenant` is set
    key: str | None = None  # the id of the API key
    runs: str | None = None  # the key of the action that the request runs
    outcome: str = ""
    replayed: bool = False
    status: int = 0  # of the response, once it has begun
    began: float = field(default_factory=time.monotonic)
    length: int = 0  # of the body, from Content-Length
    body_limit: int = 0  # bytes
    size: int = 0  # bytes of the body so far
    is_complete: bool = False  # the body has arrived
    places: list[str | None] = field(default_factory=list)  # tenants under which this request is counted in `running`
    request: Request = field(init=False)  # set before the caller is identified
    connector: Connector = field(init=False)  # in the language of the request

    def __post_init__(self) -> None:
        self.body_limit, self.connector = self.service.settings.body, self.service.connector

    async def speak(self, request: Request, locale: str | None = None) -> None:
        """Set the response's language: `locale`, otherwise from Accept-Language. Raises `InputError` if unknown."""
        own, spoken = self.service.connector, self.service.spoken
        code = locale or preferred(request.headers.get("accept-language", ""), own.locales)
        if code is not None and code not in spoken:
            localized = await self.service.in_work(None, own.localized, code)
            code = localized.locale
            spoken[code] = localized
        self.connector = spoken[code] if code is not None else own

    def enter(self, tenant: str | None) -> None:
        """Take a slot for a tenant or, if None, for an unknown caller. Raises `ServiceRefusal` if none is left.

        An unknown caller takes a slot only for a body larger than `SMALL_BODY`, and cannot use up the tenants' slots.
        """
        running, settings = self.service.running, self.service.settings
        most = settings.unknown_concurrency if tenant is None else settings.concurrency
        if (running[None] if tenant is None else running.total() - running[None]) >= most:
            message = Sentence("The limit of {most} concurrent requests has been reached.", most=most)
            raise ServiceRefusal("busy", message, retriable=True, retry_after=1)
        if tenant is not None and running[tenant] >= (most := settings.tenant_concurrency):
            message = Sentence("The tenant's limit of {most} concurrent requests has been reached.", most=most)
            raise ServiceRefusal("too_many", message, retriable=True, retry_after=1)
        running[tenant] += 1
        self.places.append(tenant)

    def leave(self) -> None:
        running = self.service.running
        for tenant in self.places:
            running[tenant] -= 1
            if not running[tenant]:
                del running[tenant]

    async def check(self) -> None:
        """Raise `ServiceRefusal` if a long request no longer belongs to the same tenant."""
        if await _tenant(self) != self.tenant:
            raise ServiceRefusal("key", Sentence("The request no longer belongs to the same tenant."), hint=SEND_KEY)

    def end(self, is_logged: bool) -> None:
        """Count a finished request in the metrics, and write its log line if `is_logged`."""
        metrics, seconds = self.metrics, time.monotonic() - self.began
        metrics.requests.labels(self.route, self.method, str(self.status)).inc()
        metrics.seconds.labels(self.route).observe(seconds)
        if self.runs is not None:
            metrics.runs.labels(self.runs, self.outcome or "ok").inc()
        if self.replayed:
            metrics.replays.inc()
        if not is_logged:
            return
        fields = {
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
        fields = {name: value for name, value in fields.items() if value is not None}
        logger.log(level, "request", extra={"fields": fields})

    def failure(self, error: BaseException) -> ServiceRefusal:
        """Log where an unexpected error arose, but not its message, which may quote inputs. Return the refusal."""
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        at = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        fields = {"request_id": self.request_id, "route": self.route, "error": type(error).__name__, "at": at}
        logger.error("failure", extra={"fields": fields})
        return ServiceRefusal("internal", Sentence("The service failed."), hint=Sentence("See the service log."))

    async def receive(self) -> Message:
        """Return the next chunk of the body, within the limits; once the body is complete, wait for a disconnect."""
        settings = self.service.settings
        if self.is_complete or self.status:
            return await self.receiving()
        self._check_size()
        if not self.places and max(self.length, self.size) > SMALL_BODY:
            self.enter(None)
        try:
            async with asyncio.timeout(max(0.0, self.began + settings.patience - time.monotonic())):
                message = await self.receiving()
        except TimeoutError:
            what = Sentence("The body did not arrive within {seconds} seconds.", seconds=f"{settings.patience:g}")
            raise ServiceRefusal("slow", what, retriable=True, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self.size += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
            self._check_size()
        return message

    def _check_size(self) -> None:
        if max(self.length, self.size) > self.body_limit:
            what = Sentence("The body is larger than {most} bytes.", most=self.body_limit)
            raise ServiceRefusal("too_large", what, headers={"Connection": "close"})

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in COMMON_HEADERS.items() if name not in names]
            headers.append((b"x-request-id", self.request_id.encode()))
            message["headers"] = headers
        try:
            async with asyncio.timeout(self.service.settings.patience):
                await self.sending(message)
        except TimeoutError:
            raise ClientDisconnect("slow") from None  # the client has stopped reading

    def document(self, error: ConnectorError) -> dict[str, Any]:
        return problems.document(error, self.request_id, self.root, self.connector.phrasebook)

    def problem(self, error: ConnectorError) -> Response:
        """Return the response for an error, whose kind becomes the outcome in the log."""
        document = self.document(error)
        self.outcome = document["kind"]
        headers = problems.headers(error, document["status"])
        return Response(json_text.write(document), document["status"], headers, problems.MEDIA_TYPE)

    @property
    def connections(self) -> Connections:
        return self.service.connections(self.tenant, self.connector)

    def action(self, key: str, *, runs: bool = False) -> Action:
        """Return an action and apply its body limit; metrics count it if it `runs`. Raises `ServiceRefusal` (404)."""
        actions = self.connector.actions
        check_known("action", key, actions)
        self.runs = key if runs else None
        self.body_limit = self.service.settings.body_limit(actions[key])
        return actions[key]

    async def read(self, model: type[M]) -> M:
        """Return the body of the request as a model. Raises `ServiceRefusal` (400, 413, 415) and `InputError`."""
        headers = self.request.headers
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not re.fullmatch(r"application/(json|.*\+json)", media_type):
            what = Sentence("The request has no Content-Type.")
            if media_type:
                what = Sentence("The body is '{type}', not JSON.", type=media_type[:100])
            raise ServiceRefusal("media_type", what, headers={"Accept": "application/json"})
        if headers.get("content-encoding", "identity").lower() != "identity":
            what = Sentence("Compressed bodies are not accepted.")
            raise ServiceRefusal("media_type", what, headers={"Accept-Encoding": "identity"})
        return await self.aside(_body, model, await self.request.body())

    async def aside(self, function: Callable[..., T], /, *args: Any, is_large: bool | None = None, **kwargs: Any) -> T:
        """Call a function, in a thread if `is_large` (None: if the body is), so other requests need not wait."""
        if len(await self.request.body()) > LARGE_BODY if is_large is None else is_large:
            return await self.service.in_work(self.tenant, function, *args, **kwargs)
        return function(*args, **kwargs)

    async def write(self, value: Any) -> bytes:
        return await self.aside(json_text.write, value, is_large=json_text.is_large(value))


def _body(model: type[M], content: bytes) -> M:
    try:
        data = json_text.read_strictly(content, depth=MAX_DEPTH)
    except json_text.JsonError as error:
        what = Sentence("The body {what}.", what=error.args[0])
        raise ServiceRefusal("body", what, hint=error.hint, problems=(Problem(error.place or "body", what),)) from None
    return models.read(model, data)


def context_of(request: Request) -> RequestContext:
    """Return the context of a request, even if its caller is unknown."""
    return request.scope[SCOPE_KEY]  # type: ignore[no-any-return]


def preferred(header: str, known: Collection[str]) -> str | None:
    """Return the language of `known` that an Accept-Language header prefers, or None; de-AT falls back to de."""
    weights: list[tuple[float, str]] = []
    for part in header[:MAX_ACCEPT_LANGUAGE].lower().split(","):
        code, _, parameter = (text.strip() for text in part.partition(";"))
        match = re.fullmatch(r"q=([01](?:\.[0-9]{0,3})?)", parameter)
        weights += [(float(match[1]) if match else 1.0, language) for language in (code, code.partition("-")[0])]
    names = {code.lower(): code for code in known}
    ranked = sorted(((weight, code) for weight, code in weights if weight and code in names), key=lambda it: -it[0])
    return names[ranked[0][1]] if ranked else None


def check_origin(scope: Scope, public_url: str | None = None) -> None:
    """Raise `ServiceRefusal` (403) if the Origin header names another server."""
    headers = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
    own = (headers.get(b"host", ""), urlsplit(public_url or "").netloc.lower())
    if b"origin" in headers and (headers[b"origin"].partition("://")[2] or "null") not in own:
        hint = Sentence("Call it from a program, or through your own proxy.")
        raise ServiceRefusal("forbidden", Sentence("Cross-origin requests are refused."), hint=hint)


_bearer = HTTPBearer(auto_error=False, description="An API key, created with the command `api-key create`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, if Authorization is unavailable.")
LANGUAGE = "The language of labels, problems and hints, such as de; by default from Accept-Language."
Locale = Annotated[str | None, Query(max_length=35, pattern=r"^[A-Za-z0-9_-]+$", description=LANGUAGE)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
KeyHeader = Annotated[str | None, Security(_header)]


async def identify(
    request: Request, bearer: Bearer = None, header: KeyHeader = None, locale: Locale = None
) -> RequestContext:
    """Identify the caller and language of a request. Raises `ServiceRefusal` (401, 403, 429) and `InputError`.

    FastAPI documents the parameters and validates `locale`; callers without FastAPI pass only the request.
    """
    context = context_of(request)
    context.request = request
    await context.speak(request)
    tenant = await _tenant(context)
    context.enter(tenant)
    context.tenant, context.is_known = tenant, True
    if locale is not None:
        await context.speak(request, locale)
    return context


async def _tenant(context: RequestContext) -> str:
    """Return the tenant that the caller now belongs to. Raises `ServiceRefusal` (401, 403)."""
    service, request = context.service, context.request
    tenant = service.tenant
    if callable(tenant):
        answer = tenant(request)
        tenant = await answer if isawaitable(answer) else answer
        if tenant is None:
            raise ServiceRefusal("key", Sentence("Nobody is signed in."), hint=SEND_KEY)
    elif tenant is None:
        tenant = (await key_of(context, await _bearer(request), await _header(request))).tenant
        if tenant is None:
            raise ServiceRefusal("forbidden", "This key is for /metrics only.")
    else:
        await check_open(service)
    return str(tenant)


async def check_open(service: Service) -> None:
    """Raise `ServiceRefusal` (401) if the service was started without keys and has one now."""
    if not service.settings.open and await service.in_store(None, service.keys.exist):
        message = "An API key was created after the service had started without keys."
        raise ServiceRefusal("key", message, hint="Restart the service; it then requires a key.")


Context = Annotated[RequestContext, Depends(identify)]


async def key_of(context: RequestContext, bearer: HTTPAuthorizationCredentials | None, header: str | None) -> ApiKey:
    """Return the API key of a request. Raises `ServiceRefusal` (401)."""
    service, text = context.service, bearer.credentials if bearer is not None else header
    if not text:
        raise ServiceRefusal("key", Sentence("The request has no API key."), hint=SEND_KEY)
    key = await service.in_store(None, service.keys.find, text)
    if key is None:
        raise ServiceRefusal("key", Sentence("The API key is invalid or has been revoked."), hint=SEND_KEY)
    context.key = key.id
    return key
