"""The service as an app: `service(connector, store=…)` for a platform to mount, or for `serve` to run.

Everything that is wrong is answered as a problem, also what the web framework itself refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ..definitions.connector import Connector
from ..errors import ConnectorError, Problem, StoreError
from ..language import json_text
from ..stores.opening import open_store
from ..stores.store import Store
from ..triggers.deliver import Handler
from ..triggers.receiver import SecretSource, WebhookApp, webhook_app
from . import catalogue_routes, connection_routes, models, openapi, problems, runs, webhook_routes
from .catalogue_routes import document, once
from .feed import Feed
from .gate import METHODS, Gate, host_names
from .problems import Refusal, of_status, told
from .settings import Settings
from .state import Service, TenantOf, may_read_metrics, note_of, of
from .webhook_routes import delivering

PURGE = 3600.0  # seconds between two looks for what may be forgotten
ALIVE = 2.0  # seconds for the store to answer
PAGE = "connector_runtime.service.page.routes"
ROOMS = (catalogue_routes, runs, connection_routes, webhook_routes)


def service(
    connector: Connector,
    *,
    store: Store | str,
    tenant: str | TenantOf | None = None,
    settings: Settings | None = None,
    token: str | Callable[..., Any] | None = None,
    webhook_secrets: Mapping[str, SecretSource] | None = None,
    handler: Handler | None = None,
    page: bool = True,
) -> FastAPI:
    """The HTTP service of a connector as an ASGI app.

    `store` is a store, best a sealed one (`open_vault`), or its address. `tenant` says whose a request is: None for API
    keys, a function of the request for a platform's own sign-in (None: nobody), or the one tenant of an app that only
    this machine can reach, which needs no key and answers to no other name. `token` is what runs of that one tenant go
    with where no connection is named. `webhook_secrets` are by trigger; `handler` gets their events instead of
    `/v1/events`. Raises `InputError`, `StoreError`.
    """
    chosen = settings or Settings()
    opened = open_store(store) if isinstance(store, str) else store
    shared = Service(connector=connector, store=opened, settings=chosen, tenant=tenant, token=token)
    feed = Feed(opened, connector.key, by_account=shared.local_tenant is None)
    apps = {
        key: webhook_app(connector.triggers[key], secrets, handler or feed.add, store=opened)
        for key, secrets in (webhook_secrets or {}).items()
    }
    about = connector.profile
    app = FastAPI(
        title=about.label,
        version=about.version,
        description=about.description,
        docs_url=None,  # its page loads from other hosts
        redoc_url=None,
        lifespan=_lifespan(shared, feed, apps),
        openapi_url=None,  # made in a thread instead, since it takes a while
    )
    app.state.service = shared
    app.state.feed = feed
    app.state.webhooks = apps
    for room in ROOMS:
        app.include_router(room.router, tags=[_tag(room.__name__)])
    _add_states(app)
    _add_problems(app)
    if page and find_spec(PAGE.rpartition(".")[0]) is not None and find_spec(PAGE) is not None:
        app.include_router(import_module(PAGE).router, include_in_schema=False)
    names = host_names(chosen.public_url) if shared.local_tenant is not None else None
    app.add_middleware(Gate, settings=chosen, metrics=shared.metrics, names=names)
    app.openapi = lambda: _openapi(app, shared)  # type: ignore[method-assign]
    return app


def _lifespan(shared: Service, feed: Feed, apps: Mapping[str, WebhookApp]) -> Any:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with delivering(apps):
            purging = asyncio.create_task(_purge(shared, feed))
            try:
                yield
            finally:
                purging.cancel()
                with suppress(asyncio.CancelledError):
                    await purging
                await shared.close()

    return lifespan


async def _purge(shared: Service, feed: Feed) -> None:
    """Forget, once in an hour and in one worker at a time, what is older than a day."""

    def once() -> None:
        lease = shared.store.lease(f"lease/service/{shared.connector.key}/purge", PURGE / 2)
        if lease is not None:
            shared.idempotency.purge()
            feed.purge()

    while True:
        with suppress(StoreError, Refusal):
            await shared.in_store(once)
        await asyncio.sleep(PURGE)


def _add_states(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def described(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        servers = {"servers": [{"url": root}]} if root else {}

        def made() -> dict[str, Any]:
            return {**app.openapi(), **servers}

        return document(request, await of(request).in_store(once, of(request), ("openapi", root), made))

    @app.get("/health", response_model=models.StateAnswer, summary="Whether the process lives", tags=["state"])
    async def health() -> Response:
        return runs.answer({"status": "ok"})

    @app.get("/ready", response_model=models.StateAnswer, summary="Whether it can work", tags=["state"])
    async def ready(request: Request) -> Response:
        found = await _unready(of(request))
        if found:
            raise Refusal(kind="not_ready", message="The service is not ready.", problems=found, retriable=True)
        return runs.answer({"status": "ready"})

    @app.get(
        "/metrics",
        summary="Prometheus metrics",
        tags=["state"],
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics(request: Request, allowed: Annotated[None, Depends(may_read_metrics)]) -> Response:
        content, kind = of(request).metrics.text()
        return Response(content, headers={"Content-Type": kind})


async def _unready(shared: Service) -> tuple[Problem, ...]:
    try:
        async with asyncio.timeout(ALIVE):
            await shared.in_store(shared.store.read, f"service/{shared.connector.key}/ready")
    except (StoreError, Refusal):
        return (Problem("store", "fails; the log says why"),)
    except TimeoutError:
        return (Problem("store", f"does not answer within {ALIVE:g} seconds"),)
    if "definitions" not in shared.written:
        shared.written["definitions"] = await shared.in_store(_faults, shared.connector)
    return shared.written["definitions"]  # type: ignore[no-any-return]


def _faults(connector: Connector) -> tuple[Problem, ...]:
    """What of the definitions cannot be loaded."""
    found: list[Problem] = []
    for definitions in (connector.actions, connector.triggers, connector.connections):
        for key in definitions:
            try:
                definitions[key]
            except ConnectorError as error:
                found += error.problems or (Problem(key, error.message),)
    return tuple(found)


def _add_problems(app: FastAPI) -> None:
    def answered(request: Request, error: ConnectorError | Refusal) -> Response:
        note = note_of(request)
        problem = told(error, note.request_id, request.scope.get("root_path", ""))
        note.outcome = problem.kind
        headers = {"Content-Type": problems.MEDIA_TYPE, **problem.headers}
        return Response(json_text.write(problem.document), problem.status, headers)

    async def known(request: Request, error: Any) -> Response:
        return answered(request, error)

    async def framework(request: Request, error: Any) -> Response:
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return answered(request, of_status(error.status_code, str(error.detail), headers))

    async def invalid(request: Request, error: Any) -> Response:
        found = tuple(
            Problem(".".join(str(step)[:100] for step in detail["loc"]), models.uncapitalized(str(detail["msg"])))
            for detail in error.errors()
        )
        message = "One problem with the request:" if len(found) == 1 else f"{len(found)} problems with the request:"
        return answered(request, Refusal(kind="input", message=message, problems=found))

    app.add_exception_handler(Refusal, known)
    app.add_exception_handler(ConnectorError, known)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, invalid)


def _allowed(request: Request) -> str:
    """Every method of a path; the framework names those of the first route that has it."""
    scope = {name: value for name, value in request.scope.items() if name in ("type", "path", "root_path", "headers")}
    routes = request.app.router.routes
    fits = [method for method in sorted(METHODS) if any(_fits(route, {**scope, "method": method}) for route in routes)]
    return ", ".join(fits)


def _fits(route: Any, scope: dict[str, Any]) -> bool:
    return bool(route.matches(scope)[0] == Match.FULL)


def _openapi(app: FastAPI, shared: Service) -> dict[str, Any]:
    if app.openapi_schema is None:
        connector = shared.connector
        profile = connector.profile
        raw = get_openapi(
            title=profile.label, version=profile.version, description=profile.description, routes=app.routes
        )
        about = openapi.About(
            actions=connector.actions,
            kinds=connector.connections,
            triggers=tuple(connector.triggers),
            locales=tuple(connector.locales),
            credentials=frozenset(shared.settings.credentials),
            timeout=shared.settings.timeout,
            needs_key=shared.local_tenant is None,
        )
        app.openapi_schema = openapi.document(raw, about)
    return app.openapi_schema


def _tag(module: str) -> str:
    return module.rpartition(".")[2].removesuffix("_routes")
