"""The service as an app: `service_app(connector, store=…)` for a platform to mount, or for `serve` to run.

Here are also the routes that tell what there is and how it is. A document is the same for the same definitions, so it
is written once, and a client that has it is told so (304). The page asks no other host for anything.
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
from ..errors import ConnectorError, InputError, Problem, StoreError
from ..language import json_text
from ..stores.databases import open_store
from ..stores.store import Store
from ..triggers.receiver import Handler, SecretSource, webhook_app
from ..triggers.webhook import usable
from . import event_routes, models, routes
from .gate import METHODS, Bearer, Context, Gate, KeyHeader, Locale, at, check_open, key_of
from .models import shape
from .problems import KINDS, ServiceRefusal, check_known, of_status
from .routes import answer
from .settings import ServiceSettings
from .state import Service

ALIVE = 2.0  # seconds for the store to answer
TenantOf = Callable[[Request], str | Awaitable[str | None] | None]
router = APIRouter(prefix="/v1", tags=["catalogue"])
states = APIRouter(tags=["state"])
page_router = APIRouter()
REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")
StateAnswer = shape("StateAnswer", status=str)
KindAnswer = shape("KindAnswer", kind=str, status=int, title=str, do=str)
KindsAnswer = shape("KindsAnswer", problems=list[KindAnswer])  # type: ignore[valid-type]
WHOSE = "Whose key it is; `local` if none is needed."
HasToken = Annotated[bool, Field(description="Whether a run may go without any stored connection.")]
TenantAnswer = shape("TenantAnswer", WHOSE, tenant=str, local=bool, connector=str, version=str, has_token=HasToken)
DOCUMENT: dict[int | str, dict[str, Any]] = {
    304: {"description": "The ETag is still that of If-None-Match."},
    200: {"content": {"application/json": {"schema": {"type": "object"}}}},
}
SCRIPTS = ("words", "api", "dom", "combo", "fields", "form", "shown", "events", "page")
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
    """The HTTP service of a connector as an ASGI app.

    `store` is a store, best a sealed one (`open_vault`), or its address. `tenant` says whose a request is: None for API
    keys, a function of the request for a platform's own sign-in (None: nobody), or the one tenant of an app that only
    this machine can reach, which answers to no other name and needs no key as long as the store never had one. `token`
    is what runs of that one tenant go with where no connection is named. `webhook_secrets` are by trigger, and those of
    a trigger by client id where there are several tenants: what an app's secret signed is for that app's connections
    alone. `handler` gets the events instead of `/v1/events`. Raises `InputError`, `StoreError`.
    """
    opened = open_store(store) if isinstance(store, str) else store
    settings = settings or ServiceSettings()
    shared = Service(connector, opened, settings, tenant, token)
    more: Any = {"store": opened, "disconnect": shared.disconnect, "limit": settings.webhook_body}
    shared.webhooks = {
        key: webhook_app(connector.triggers[key], secrets, handler or partial(shared.feed.add, key), **more)
        for key, secrets in (webhook_secrets or {}).items()
    }
    if handler is None and not shared.is_local:
        check_apps(webhook_secrets or {})
    profile = connector.profile
    about: Any = {"title": profile.label, "version": profile.version, "description": profile.description}
    without: Any = dict.fromkeys(("docs_url", "redoc_url", "openapi_url"))  # pages of other hosts; one made in a thread
    app = FastAPI(
        **about,
        **without,
        redirect_slashes=False,  # to an address that the request names, where a key might follow
        lifespan=shared.lifespan,
        responses={"default": {"description": "A problem; its `kind` says which.", "content": models.PROBLEM}},
        exception_handlers=dict.fromkeys((ConnectorError, HTTPException, RequestValidationError), _refused),
    )
    app.state.service = shared
    for each in (router, routes.router, routes.connection_router, event_routes.router, states):
        app.include_router(each)
    if page:
        app.include_router(page_router, include_in_schema=False)
    app.add_middleware(Gate, service=shared)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            raw = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = models.document(raw, connector, settings, needs_key=not shared.is_local)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    return app


def check_apps(webhook_secrets: Mapping[str, SecretSource]) -> None:
    """Raise `InputError` for secrets of no known app: nobody would be entitled to what they signed."""
    what = 'belong to no app, so no tenant could read its events: give them by client id, {"CLIENT_ID": "SECRET"}'
    plain = [key for key, said in webhook_secrets.items() if not callable(said) and None in usable(said).values()]
    if plain:
        raise InputError.of("the service", [Problem(f"webhook_secrets.{key}", what) for key in plain])


@router.get("/catalogue", responses=DOCUMENT, summary="All that a platform draws")
async def catalogue(context: Context, events: bool = False) -> Response:
    """Actions, triggers and connections with their forms, as one document; in another language where there is one.

    With `events` each event has its schema and sample, which make it three times as long.
    """
    return await document(context.request, ("catalogue", events), lambda spoken: spoken.catalogue(events=events))


@router.get("/actions/{key}", responses=DOCUMENT, summary="One action of the catalogue")
async def action(key: str, context: Context) -> Response:
    """Its inputs, schemas, sample and effect, as in the catalogue."""
    context.action(key)

    def found(spoken: Connector) -> Any:
        return entry(spoken.actions[key], spoken.phrasebook.say)

    return await document(context.request, ("action", key), found)


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
    """What each `kind` means and what to do."""
    context = at(request)
    await context.speak(request, locale)
    say = context.connector.phrasebook.say
    known = sorted(KINDS.items(), key=lambda item: item[1].http_status)
    told = [
        {"kind": key, "status": kind.http_status, "title": say(kind.title), "do": say(kind.remedy)}
        for key, kind in known
    ]
    return answer({"problems": told})


@router.get("/tenant", response_model=TenantAnswer, summary="Whose key it is")
async def tenant(context: Context) -> Response:
    service, connector = context.service, context.service.connector
    who = {"tenant": context.tenant, "local": service.is_local, "connector": connector.key}
    return answer({**who, "version": connector.profile.version, "has_token": service.token is not None})


@states.get("/openapi.json", include_in_schema=False)
async def described(request: Request) -> Response:
    root = request.scope.get("root_path", "")
    servers = {"servers": [{"url": root}]} if root else {}
    return await document(request, ("openapi", root), lambda connector: {**request.app.openapi(), **servers})


@states.get("/health", response_model=StateAnswer, summary="Whether the process lives")
async def health() -> Response:
    return answer({"status": "ok"})


@states.get("/ready", response_model=StateAnswer, summary="Whether it can work")
async def ready(request: Request) -> Response:
    shared = at(request).service

    def faults() -> list[Problem]:
        found: list[Problem] = []
        for definitions in (shared.connector.actions, shared.connector.triggers, shared.connector.connections):
            for key in definitions:
                try:
                    definitions[key]
                except ConnectorError as error:
                    found += error.problems or (Problem(key, error.message),)
        return found

    try:
        async with asyncio.timeout(ALIVE):
            await shared.in_store(None, shared.store.read, f"service/{shared.connector.key}/ready")
    except (StoreError, ServiceRefusal):
        found = [Problem("store", "fails; the log says why")]
    except TimeoutError:
        found = [Problem("store", f"does not answer within {ALIVE:g} seconds")]
    else:
        if "definitions" not in shared.written:
            shared.written["definitions"] = await shared.in_work(None, faults)
        found = shared.written["definitions"]
    if found:
        raise ServiceRefusal("not_ready", "The service is not ready.", problems=tuple(found), retriable=True)
    return answer({"status": "ready"})


@states.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(request: Request, bearer: Bearer = None, header: KeyHeader = None) -> Response:
    context = at(request)
    if context.service.is_local:
        await check_open(context.service)
    elif (await key_of(context, bearer, header)).tenant is not None:
        raise ServiceRefusal("forbidden", "The metrics are of all tenants.", hint="Make one: api-key create --metrics")
    content, kind = context.metrics.text()
    return Response(content, headers={"Content-Type": kind})


async def _refused(request: Request, error: Any) -> Response:
    if isinstance(error, RequestValidationError):
        error = models.wrong(error.errors())
    elif isinstance(error, HTTPException):
        headers = error.headers
        if error.status_code == 405:  # the framework names the methods of the first route alone that has the path
            scope = {name: request.scope.get(name, "") for name in ("type", "path", "root_path", "headers")}
            asked = [{**scope, "method": method} for method in sorted(METHODS)]
            known = request.app.router.routes
            fits = [each for each in asked if any(route.matches(each)[0] == Match.FULL for route in known)]
            headers = {"Allow": ", ".join(each["method"] for each in fits)}
        error = of_status(error.status_code, str(error.detail), headers)
    return at(request).problem(error)


async def document(request: Request, name: tuple[Any, ...], make: Callable[[Connector], Any]) -> Response:
    """The answer that a document is: not at all if the client has it, packed if the client can unpack it.

    `make` is given the connector in the language of the request.
    """
    service, spoken = at(request).service, at(request).connector

    def found() -> Any:
        place = (*name, spoken.locale)
        if place not in service.written:
            content = json_text.write(make(spoken))
            etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
            service.written[place] = content, gzip.compress(content, 6, mtime=0), etag
        return service.written[place]

    content, packed, etag = await service.in_work(at(request).tenant, found)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Accept-Language"}
    wanted = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag.removeprefix("W/") in wanted or "*" in wanted:
        return Response(status_code=304, headers=headers)
    if REFUSED.search(said := request.headers.get("accept-encoding", "").lower()) is None and "gzip" in said:
        return answer(packed, headers={**headers, "Content-Encoding": "gzip"})
    return answer(content, headers=headers)


@page_router.get("/")
async def page(request: Request) -> Response:
    """A page to see the connector: pick an action, fill the form, watch the request change, run it, watch events."""
    return _file("page.html", request)


@page_router.get("/page/words")
async def words(request: Request) -> Response:
    """The page's texts in the language of the request: those that its scripts say with `t("…")`."""
    context = at(request)
    await context.speak(request)
    book = context.connector.phrasebook
    said = {text: book.texts[text] for text in page_texts() if text in book.texts}
    return answer({"locale": book.language, "words": said}, headers={"Vary": "Accept-Language"})


@cache
def page_texts() -> tuple[str, ...]:
    """Every text of the page, by which its translations are found."""
    scripts = (_read(f"{name}.js")[0].decode() for name in SCRIPTS)
    found = (re.findall(r'\b(?:t|around)\("((?:[^"\\]|\\.)*)"', script) for script in scripts)
    return tuple(dict.fromkeys(chain.from_iterable(found)))


@page_router.get("/page/{name}")
async def part(name: str, request: Request) -> Response:
    """A file of the page."""
    if name not in PAGE:
        raise of_status(404, "Not Found")
    return _file(name, request)


def _file(name: str, request: Request) -> Response:
    content, entity_tag = _read(name)
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
        "ETag": entity_tag,
    }
    if request.headers.get("if-none-match") == entity_tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[name.rpartition(".")[2]])


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (files(__package__) / "page" / name).read_bytes()
    return content, f'"{hashlib.blake2s(content, digest_size=8).hexdigest()}"'
