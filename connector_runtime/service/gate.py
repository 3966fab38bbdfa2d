"""What every request passes: its id, limits of size, time and number, who asks, its log line. An ASGI middleware.

No request can take more than its share. What fails inside is a 500 without a word of what was sent. The log and the
metrics never tell inputs, keys or addresses; no label can have values without end.
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
PLACE = "connector_runtime.context"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._~-]{1,128}")
ALWAYS = ("/health", "/ready", "/metrics")  # not counted: they must answer when nothing else does
HOOKS = "/v1/webhooks/"  # whose senders neither know our limits nor come again after a refusal
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
BRING = Sentence("Send a key as `Authorization: Bearer …`.")
LONGEST = 500  # characters of an Accept-Language header that are read
DEPTH = 64  # arrays and objects within each other
SMALL = 64 * 1024  # bytes of a body that needs no place, so that who sends it slowly keeps no webhook out
LARGE = 16 * 1024  # bytes of a body that is read in a thread, so that others need not wait
HERE = frozenset({*LOOPBACK, "[::1]"})
FORWARDED = re.compile(
    rb"\A(?:forwarded|via|x-(?:forwarded|original)-.*|x-real-ip|[a-z]{1,20}-connecting-ip|true-client-ip)\Z"
)
CALLBACK = "/v1/oauth/callback"  # where browsers come back to, which have no key
COMMON = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}


class Gate:
    """The middleware. A service that asks for no key is called by this machine's names, or by those who have none."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service, self._metrics = app, service, Metrics()
        self._public = urlsplit(service.settings.public_url or "").hostname

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, metrics = dict(scope["headers"]), self._metrics
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else uuid4().hex
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        root = scope.get("root_path", "")
        context = scope[PLACE] = RequestContext(self._service, metrics, receive, send, request_id, root, method)
        length = headers.get(b"content-length", b"")
        context.length = int(length[:18]) if length.isdigit() else 0
        path = scope["path"].removeprefix(root)
        metrics.in_flight.inc()
        try:
            if self._service.is_local and not path.startswith(HOOKS):  # which are judged by their signature
                self._check(scope, headers, path.startswith(CALLBACK))
            await self._app(scope, context.receive, context.send)
        except ClientDisconnect as error:
            context.outcome = str(error) or "gone"
        except asyncio.CancelledError:
            context.outcome = context.outcome or "cut"
            raise
        except Exception as error:
            answer = context.problem(error if isinstance(error, ServiceRefusal) else context.failure(error))
            if not context.status:  # nothing was answered yet
                await answer(scope, context.receive, context.send)
        finally:
            metrics.in_flight.dec()
            context.leave()
            context.route = getattr(scope.get("route"), "path", None) or "(none)"  # as it is declared
            context.end(path not in ALWAYS)

    def _check(self, scope: Scope, headers: Mapping[bytes, bytes], is_callback: bool) -> None:
        host = re.sub(r":[0-9]*\Z", "", headers.get(b"host", b"").decode("latin-1").lower())
        is_passed_on = scope.get("http_version") == "1.0" or any(map(FORWARDED.fullmatch, headers))  # 1.0: nginx's own
        is_here = host in HERE and not is_passed_on
        if not is_here and not (is_callback and (host in HERE or host == self._public)):
            message = "Without API keys the service only answers to the names of this machine"
            message += ", and elsewhere to sign-ins that come back and to webhooks." if self._public else "."
            hint = "Call it as http://127.0.0.1 or http://localhost, or make a key with `api-key create`."
            raise ServiceRefusal("host", message, hint=f"{hint} Then start it again.")
        if scope["method"] not in SAFE:
            check_origin(scope, self._service.settings.public_url)


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
    length: int = 0  # of the body, as it was told
    most: int = 0  # that it may have
    size: int = 0  # of the body that has come
    whole: bool = False
    places: list[str | None] = field(default_factory=list)  # among the requests that run
    request: Request = field(init=False)  # where it is known who asks
    connector: Connector = field(init=False)  # in the language of the request

    def __post_init__(self) -> None:
        self.most, self.connector = self.service.settings.body, self.service.connector

    async def speak(self, request: Request, locale: str | None = None) -> None:
        """Answer in a language: `locale`, else what Accept-Language prefers. Raises `InputError` for an unknown one."""
        own, spoken = self.service.connector, self.service.spoken
        code = locale or preferred(request.headers.get("accept-language", ""), own.locales)
        if code is not None and code not in spoken:
            found = await self.service.in_work(None, own.localized, code)
            code = found.locale
            spoken[code] = found
        self.connector = spoken[code] if code is not None else own

    def enter(self, whose: str | None) -> None:
        """Take a place among the requests of a tenant, or of those of whom nobody is known. Raises `ServiceRefusal`.

        Who is not known takes one when a body that is not small is waited for, and none from those who are.
        """
        running, settings = self.service.running, self.service.settings
        most = settings.unknown_concurrency if whose is None else settings.concurrency
        if (running[None] if whose is None else running.total() - running[None]) >= most:
            message = Sentence("More than {most} requests are running at the same time.", most=most)
            raise ServiceRefusal("busy", message, retriable=True, retry_after=1)
        if whose is not None and running[whose] >= (most := settings.tenant_concurrency):
            message = Sentence("More than {most} requests of this tenant are running at the same time.", most=most)
            raise ServiceRefusal("too_many", message, retriable=True, retry_after=1)
        running[whose] += 1
        self.places.append(whose)

    def leave(self) -> None:
        """Give the places back."""
        running = self.service.running
        for whose in self.places:
            running[whose] -= 1
            if not running[whose]:
                del running[whose]

    async def check(self) -> None:
        """Check again, after a while, that the request still belongs to the same tenant. Raises `ServiceRefusal`."""
        if await _whose(self) != self.tenant:
            raise ServiceRefusal("key", Sentence("The request no longer belongs to the same tenant."), hint=BRING)

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

    def failure(self, error: BaseException) -> ServiceRefusal:
        """What a fault of ours is answered with. The log says where it was; its message may quote what was sent."""
        steps = [f"{step.filename}:{step.lineno} {step.name}" for step in traceback.extract_tb(error.__traceback__)]
        said = {"request_id": self.request_id, "route": self.route, "error": type(error).__name__, "at": steps[-8:]}
        logger.error("failure", extra={"said": said})
        return ServiceRefusal("internal", Sentence("The service failed."), hint=Sentence("Its log says why."))

    async def receive(self) -> Message:
        """The next piece of the body, which has a size and a time in all; after it, the disconnection."""
        settings = self.service.settings
        if self.whole or self.status:
            return await self.receiving()
        if self.length > self.most:
            raise too_large(self.most)
        if not self.places and max(self.length, self.size) > SMALL:
            self.enter(None)
        try:
            async with asyncio.timeout(max(0.0, self.began + settings.patience - time.monotonic())):
                message = await self.receiving()
        except TimeoutError:
            what = Sentence("The body did not arrive within {seconds} seconds.", seconds=f"{settings.patience:g}")
            raise ServiceRefusal("slow", what, retriable=True, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self.size += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.size > self.most:
                raise too_large(self.most)
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
        return problems.document(error, self.request_id, self.root, self.connector.phrasebook)

    def problem(self, error: ConnectorError) -> Response:
        """The answer that an error is; it is what the log calls the outcome."""
        document = self.document(error)
        self.outcome = document["kind"]
        headers = problems.headers(error, document["status"])
        return Response(json_text.write(document), document["status"], headers, problems.MEDIA_TYPE)

    @property
    def connections(self) -> Connections:
        """The connections of the tenant."""
        return self.service.connections(self.tenant, self.connector)

    def action(self, key: str, *, runs: bool = False) -> Action:
        """The action of that key, counted if it runs; it limits the size of the body. Raises `ServiceRefusal` (404)."""
        actions = self.connector.actions
        check_known("action", key, actions)
        self.runs = key if runs else None
        self.most = self.service.settings.most(actions[key])
        return actions[key]

    async def read(self, model: type[M]) -> M:
        """The body of the request as its model. Raises `ServiceRefusal` (400, 413, 415) and `InputError`."""
        headers = self.request.headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            what = Sentence("The request does not say what its body is.")
            if kind:
                what = Sentence("The body is '{type}', not JSON.", type=kind[:100])
            raise ServiceRefusal("media_type", what, headers={"Accept": "application/json"})
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise ServiceRefusal(
                "media_type", Sentence("Compressed bodies are not accepted."), headers={"Accept-Encoding": "identity"}
            )
        return await self.aside(_body, model, await self.request.body())

    async def aside(self, function: Callable[..., T], /, *given: Any, is_large: bool | None = None, **more: Any) -> T:
        """Do what takes long for a large body, or for what else `is_large`: in a thread then, so that nobody waits."""
        if len(await self.request.body()) > LARGE if is_large is None else is_large:
            return await self.service.in_work(self.tenant, function, *given, **more)
        return function(*given, **more)

    async def write(self, value: Any) -> bytes:
        """Data as JSON."""
        return await self.aside(json_text.write, value, is_large=json_text.is_large(value))


def _body(model: type[M], content: bytes) -> M:
    try:
        data = json_text.read_strictly(content, depth=DEPTH)
    except json_text.JsonError as error:
        what = Sentence("The body {what}.", what=error.args[0])
        raise ServiceRefusal("body", what, hint=error.hint, problems=(Problem(error.place or "body", what),)) from None
    return models.read(model, data)


def at(request: Request) -> RequestContext:
    """The context of a request, for which nobody needs to be known."""
    return request.scope[PLACE]  # type: ignore[no-any-return]


def preferred(header: str, known: Collection[str]) -> str | None:
    """The language of `known` that an Accept-Language header prefers; of de-AT, de. None if it names none of them."""
    wanted: list[tuple[float, str]] = []
    for part in header[:LONGEST].lower().split(","):
        code, _, weight = (text.strip() for text in part.partition(";"))
        found = re.fullmatch(r"q=([01](?:\.[0-9]{0,3})?)", weight)
        wanted += [(float(found[1]) if found else 1.0, each) for each in (code, code.partition("-")[0])]
    names = {code.lower(): code for code in known}
    ranked = sorted(((weight, code) for weight, code in wanted if weight and code in names), key=lambda it: -it[0])
    return names[ranked[0][1]] if ranked else None


def check_origin(scope: Scope, public_url: str | None = None) -> None:
    """A browser says whose page asks; only one of this server's own may. Raises `ServiceRefusal` (403)."""
    headers = {name: value.decode("latin-1").lower() for name, value in scope["headers"]}
    own = (headers.get(b"host", ""), urlsplit(public_url or "").netloc.lower())
    if b"origin" in headers and (headers[b"origin"].partition("://")[2] or "null") not in own:
        hint = Sentence("Call it from a program, or through a proxy of your own.")
        raise ServiceRefusal("forbidden", Sentence("Pages of other origins are not answered."), hint=hint)


def too_large(limit: int) -> ServiceRefusal:
    return ServiceRefusal(
        "too_large", Sentence("The body is larger than {most} bytes.", most=limit), headers={"Connection": "close"}
    )


_bearer = HTTPBearer(auto_error=False, description="An API key, made with the command `api-key create`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, where Authorization is taken.")
LANGUAGE = "The language of labels, problems and hints, such as de; without it that of Accept-Language."
Locale = Annotated[str | None, Query(max_length=35, pattern=r"^[A-Za-z0-9_-]+$", description=LANGUAGE)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
KeyHeader = Annotated[str | None, Security(_header)]


async def _known(
    request: Request, bearer: Bearer = None, header: KeyHeader = None, locale: Locale = None
) -> RequestContext:
    """The context of a request: who asks, in which language. The parameters are for the OpenAPI document too."""
    context = at(request)
    context.request = request
    await context.speak(request)
    tenant = await _whose(context)
    context.enter(tenant)
    context.tenant, context.is_known = tenant, True
    if locale is not None:
        await context.speak(request, locale)
    return context


async def _whose(context: RequestContext) -> str:
    """The tenant whose a request is, asked anew. Raises `ServiceRefusal` (401, 403)."""
    service, request = context.service, context.request
    tenant = service.tenant
    if callable(tenant):
        answer = tenant(request)
        tenant = await answer if isawaitable(answer) else answer
        if tenant is None:
            raise ServiceRefusal("key", Sentence("Nobody is signed in."), hint=BRING)
    elif tenant is None:
        tenant = (await key_of(context, await _bearer(request), await _header(request))).tenant
        if tenant is None:
            raise ServiceRefusal("forbidden", "This key is for /metrics only.")
    else:
        await check_open(service)
    return str(tenant)


async def check_open(service: Service) -> None:
    """Whether a service that was started without a key may still go without. Raises `ServiceRefusal` (401)."""
    if not service.settings.open and await service.in_store(None, service.keys.exist):
        message = "An API key was made since the service was started without one."
        raise ServiceRefusal("key", message, hint="Start it again: then it asks for a key.")


Context = Annotated[RequestContext, Depends(_known)]


async def context_of(request: Request) -> RequestContext:
    """The same for an app that is none of FastAPI's. Raises `ServiceRefusal` (401, 403, 429)."""
    return await _known(request)


async def key_of(context: RequestContext, bearer: HTTPAuthorizationCredentials | None, header: str | None) -> ApiKey:
    """The API key that a request brought. Raises `ServiceRefusal` (401)."""
    service, given = context.service, bearer.credentials if bearer is not None else header
    if not given:
        raise ServiceRefusal("key", Sentence("The request has no API key."), hint=BRING)
    key = await service.in_store(None, service.keys.find, given)
    if key is None:
        raise ServiceRefusal("key", Sentence("The API key is wrong or was revoked."), hint=BRING)
    context.key = key.id
    return key
