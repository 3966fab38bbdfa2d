"""The service as an app: `service_app(connector, store=…)` for a platform to mount, or for `serve` to run.

This module also has the routes for the catalogue, health, metrics and the page. Documents depend only on the
definitions, so each is written once, and a client that has it gets a 304. The page loads nothing from other hosts.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from importlib.resources import files
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import PlainTextResponse
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ..definitions.catalogue import entry
from ..definitions.connector import Connector
from ..definitions.sources import collected
from ..errors import ConnectorError, InputError, Problem, StoreError
from ..language import json_text
from ..stores.databases import open_store
from ..stores.store import Store
from ..triggers.receiver import Handler, SecretSource, webhook_app
from ..triggers.webhook import usable
from . import event_routes, models, routes
from .gate import METHODS, Bearer, Context, Gate, KeyHeader, Locale, check_open, context_of, key_of
from .models import shape
from .problems import KINDS, ServiceRefusal, check_known, of_status
from .routes import answer
from .settings import ServiceSettings
from .state import Service

STORE_TIMEOUT = 2.0  # seconds for the store to answer a readiness check
TenantOf = Callable[[Request], str | Awaitable[str | None] | None]
router = APIRouter(prefix="/v1", tags=["catalogue"])
states = APIRouter(tags=["state"])
page_router = APIRouter()
NO_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")
StateAnswer = shape("StateAnswer", status=str)
KindAnswer = shape("KindAnswer", kind=str, status=int, title=str, do=str)
KindsAnswer = shape("KindsAnswer", problems=list[KindAnswer])  # type: ignore[valid-type]
TENANT = "The tenant of the key; `local` if the service needs no key."
HasToken = Annotated[bool, Field(description="True if a run needs no stored connection.")]
TenantAnswer = shape("TenantAnswer", TENANT, tenant=str, local=bool, connector=str, version=str, has_token=HasToken)
DOCUMENT: dict[int | str, dict[str, Any]] = {
    304: {"description": "The document is unchanged: its ETag is in If-None-Match."},
    200: {"content": {"application/json": {"schema": {"type": "object"}}}},
}
TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
SCRIPTS = ("words", "api", "dom", "combo", "fields", "form", "views", "events", "page")
PAGE = ("page.css", *(f"{name}.js" for name in SCRIPTS))
MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def service_app(
    connector: Connector,
    *,
    store: Store | str,
    tenant: str | TenantOf | None = None,
    settings: ServiceSettings | None = None,
    token: str | Callable[..., Any] | None = None,
    webhook_secrets: Mapping[str, SecretSource] | None = None,
    handler: Handler | None = None,
    page: bool = True,
) -> FastAPI:
    """Return the HTTP service of a connector as an ASGI app. Raises `InputError` or `StoreError`.

    `store` is a store, preferably encrypted (`open_vault`), or its URL. `tenant` identifies the tenant of a request. It
    is None for API keys; for a platform's sign-in, a function of the request that returns None if nobody is signed in;
    or the name of the only tenant of a local service, which accepts only requests addressed to this machine and needs
    no key as long as its store never had one. Runs of that tenant without a connection use `token`. `webhook_secrets`
    are keyed by trigger and, with several tenants, by client id, because only an app's own connections may receive the
    events that its secret signs. `handler` gets the events instead of `/v1/events`.
    """
    opened = open_store(store) if isinstance(store, str) else store
    settings = settings or ServiceSettings()
    shared = Service(connector, opened, settings, tenant, token)
    options: Any = {"store": opened, "disconnect": shared.disconnect, "limit": settings.webhook_body}
    shared.webhooks = {
        key: webhook_app(connector.triggers[key], secrets, handler or partial(shared.feed.add, key), **options)
        for key, secrets in (webhook_secrets or {}).items()
    }
    if handler is None and not shared.is_local:
        what = 'belong to no app, so no tenant could read the events: set them by client id, {"CLIENT_ID": "SECRET"}'
        fixed = {key: secrets for key, secrets in (webhook_secrets or {}).items() if not callable(secrets)}
        plain = [key for key, secrets in fixed.items() if None in usable(secrets).values()]
        if plain:
            raise InputError.of("the service", [Problem(f"webhook_secrets.{key}", what) for key in plain])
    profile = connector.profile
    texts: Any = {"title": profile.label, "version": profile.version, "description": profile.description}
    off: Any = dict.fromkeys(("docs_url", "redoc_url", "openapi_url"))  # load from other hosts; own route below
    app = FastAPI(
        **texts,
        **off,
        redirect_slashes=False,  # a redirect would go to the host that the request names, perhaps with a key
        lifespan=shared.lifespan,
        responses={"default": {"description": "A problem; `kind` names it.", "content": models.PROBLEM}},
        exception_handlers=dict.fromkeys((ConnectorError, HTTPException, RequestValidationError), _refuse),
    )
    app.state.service = shared
    for included in (router, routes.router, routes.connection_router, event_routes.router, states):
        app.include_router(included)
    if page:
        app.include_router(page_router, include_in_schema=False)
    app.add_middleware(Gate, service=shared)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            raw = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = models.document(raw, connector, settings, needs_key=not shared.is_local)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


@router.get("/catalogue", responses=DOCUMENT, summary="The whole catalogue")
async def catalogue(context: Context, events: bool = False) -> Response:
    """Actions, triggers and connections with their forms, as one document, in the language of the request.

    With `events`, each event has its schema and sample, which triples the size.
    """
    return await document(context.request, ("catalogue", events), lambda spoken: spoken.catalogue(events=events))


@router.get("/actions/{key}", responses=DOCUMENT, summary="One action of the catalogue")
async def action(key: str, context: Context) -> Response:
    """Its inputs, schemas, sample and effect, as in the catalogue."""
    context.action(key)

    def write(spoken: Connector) -> Any:
        return entry(spoken.actions[key], spoken.phrasebook.say)

    return await document(context.request, ("action", key), write)


@router.get("/triggers/{trigger}/events/{name}", responses=DOCUMENT, summary="One documented event")
async def event(trigger: str, name: str, context: Context) -> Response:
    """Its label, the JSON Schema of its payload, and a sample."""
    triggers = context.service.connector.triggers
    check_known("trigger", trigger, triggers)
    events = (await context.service.in_store(context.tenant, triggers.__getitem__, trigger)).events
    check_known("event", name, events)
    return await document(context.request, ("event", trigger, name), lambda spoken: spoken.event(trigger, name))


@router.get("/problems", response_model=KindsAnswer, summary="The kinds of problem")
async def kinds(request: Request, locale: Locale = None) -> Response:
    """The meaning of each `kind`, and its remedy."""
    context = context_of(request)
    await context.speak(request, locale)
    say = context.connector.phrasebook.say
    entries = [
        {"kind": key, "status": kind.http_status, "title": say(kind.title), "do": say(kind.remedy)}
        for key, kind in sorted(KINDS.items(), key=lambda item: item[1].http_status)
    ]
    return answer({"problems": entries})


@router.get("/tenant", response_model=TenantAnswer, summary="The tenant of the key")
async def tenant(context: Context) -> Response:
    service, connector = context.service, context.service.connector
    fields = {"tenant": context.tenant, "local": service.is_local, "connector": connector.key}
    return answer({**fields, "version": connector.profile.version, "has_token": service.token is not None})


@states.get("/openapi.json", include_in_schema=False)
async def openapi_document(request: Request) -> Response:
    root = request.scope.get("root_path", "")
    servers = {"servers": [{"url": root}]} if root else {}
    return await document(request, ("openapi", root), lambda connector: {**request.app.openapi(), **servers})


@states.get("/health", response_model=StateAnswer, summary="Check that the process responds")
async def health() -> Response:
    return answer({"status": "ok"})


@states.get("/ready", response_model=StateAnswer, summary="Check that the store and the definitions work")
async def ready(request: Request) -> Response:
    shared = context_of(request).service

    def check_definitions() -> list[Problem]:
        problems: list[Problem] = []
        for definitions in (shared.connector.actions, shared.connector.triggers, shared.connector.connections):
            for key in definitions:
                with collected(problems):
                    definitions[key]
        return problems

    try:
        async with asyncio.timeout(STORE_TIMEOUT):
            await shared.in_store(None, shared.store.read, f"service/{shared.connector.key}/ready")
    except (StoreError, ServiceRefusal):
        problems = [Problem("store", "fails; see the log")]
    except TimeoutError:
        problems = [Problem("store", f"did not respond within {STORE_TIMEOUT:g} seconds")]
    else:
        if "definitions" not in shared.written:
            shared.written["definitions"] = await shared.in_work(None, check_definitions)
        problems = shared.written["definitions"]
    if problems:
        raise ServiceRefusal("not_ready", "The service is not ready.", problems=tuple(problems), retriable=True)
    return answer({"status": "ready"})


@states.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse, responses=TEXT)
async def metrics(request: Request, bearer: Bearer = None, header: KeyHeader = None) -> Response:
    context = context_of(request)
    if context.service.is_local:
        await check_open(context.service)
    elif (await key_of(context, bearer, header)).tenant is not None:
        what = "The metrics cover all tenants, so a tenant's key cannot read them."
        raise ServiceRefusal("forbidden", what, hint="Create a key for them: api-key create --metrics")
    content, media_type = context.metrics.text()
    return Response(content, headers={"Content-Type": media_type})


async def _refuse(request: Request, error: Any) -> Response:
    if isinstance(error, RequestValidationError):
        error = models.validation_error(error.errors())
    elif isinstance(error, HTTPException):
        headers = error.headers
        if error.status_code == 405:  # FastAPI names the methods of the path's first route only
            scope = {name: request.scope.get(name, "") for name in ("type", "path", "root_path", "headers")}
            scopes = [{**scope, "method": method} for method in sorted(METHODS)]
            matchers = [route.matches for route in request.app.router.routes]
            allowed = [each for each in scopes if any(matches(each)[0] == Match.FULL for matches in matchers)]
            headers = {"Allow": ", ".join(each["method"] for each in allowed)}
        error = of_status(error.status_code, str(error.detail), headers)
    return context_of(request).problem(error)


async def document(request: Request, name: tuple[Any, ...], make: Callable[[Connector], Any]) -> Response:
    """Return the document that `make` builds: 304 if the client has it, compressed if the client accepts gzip."""
    service, spoken = context_of(request).service, context_of(request).connector

    def write() -> Any:
        place = (*name, spoken.locale)
        if place not in service.written:
            content = json_text.write(make(spoken))
            etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
            service.written[place] = content, gzip.compress(content, 6, mtime=0), etag
        return service.written[place]

    content, compressed, etag = await service.in_work(context_of(request).tenant, write)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Accept-Language"}
    tags = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag.removeprefix("W/") in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    encodings = request.headers.get("accept-encoding", "").lower()
    if "gzip" in encodings and NO_GZIP.search(encodings) is None:
        return answer(compressed, headers={**headers, "Content-Encoding": "gzip"})
    return answer(content, headers=headers)


@page_router.get("/")
async def page(request: Request) -> Response:
    """The page: choose an action, fill in its form, watch the request change, run it, and watch events."""
    return _file("page.html", request)


@page_router.get("/page/words")
async def words(request: Request) -> Response:
    """The translations of the strings that the page's scripts pass to `t("…")`, in the language of the request."""
    context = context_of(request)
    await context.speak(request)
    book = context.connector.phrasebook
    translations = {text: book.texts[text] for text in page_texts() if text in book.texts}
    return answer({"locale": book.language, "words": translations}, headers={"Vary": "Accept-Language"})


@cache
def page_texts() -> tuple[str, ...]:
    """Return every string of the page; each is the key of its translation."""
    scripts = (_read(f"{name}.js")[0].decode() for name in SCRIPTS)
    texts = (re.findall(r'\b(?:t|around)\("((?:[^"\\]|\\.)*)"', script) for script in scripts)
    return tuple(dict.fromkeys(chain.from_iterable(texts)))


@page_router.get("/page/{name}")
async def part(name: str, request: Request) -> Response:
    if name not in PAGE:
        raise of_status(404, "Not Found")
    return _file(name, request)


def _file(name: str, request: Request) -> Response:
    content, entity_tag = _read(name)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "ETag": entity_tag}
    if request.headers.get("if-none-match") == entity_tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[name.rpartition(".")[2]])


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (files(__package__) / "page" / name).read_bytes()
    return content, f'"{hashlib.blake2s(content, digest_size=8).hexdigest()}"'
