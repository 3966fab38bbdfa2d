"""The service as an app: `service(connector, store=…)` for a platform to mount, or for `serve` to run.

Everything that is wrong is answered as a problem, also what the web framework itself refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ..definitions.connector import Connector
from ..errors import ConnectorError, Problem, StoreError
from ..stores.opening import open_store
from ..stores.store import Store
from ..triggers.receiver import Handler, SecretSource, WebhookApp, webhook_app
from . import catalogue_routes, connection_routes, models, openapi, runs, webhook_routes
from .gate import METHODS, Gate, host_names, problem
from .problems import Refusal, of_status
from .settings import Settings
from .state import Service, TenantOf, may_read_metrics, note_of, of
from .webhook_routes import Feed

PURGE = 3600.0  # seconds between two looks for what may be forgotten
ALIVE = 2.0  # seconds for the store to answer
ROOMS = {
    "catalogue": catalogue_routes.router,
    "runs": runs.router,
    "connection": connection_routes.router,
    "webhook": webhook_routes.router,
}


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
    shared = Service(connector, opened, chosen, tenant, token)
    is_local = shared.local_tenant is not None
    feed = Feed(opened, connector.key, by_account=not is_local)
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
        responses={"default": {"description": "A problem; its `kind` says which.", "content": models.PROBLEM}},
    )
    app.state.service = shared
    app.state.feed = feed
    app.state.webhooks = apps
    for tag, router in ROOMS.items():
        app.include_router(router, tags=[tag])
    _add_states(app)
    _add_problems(app)
    if page:
        app.include_router(catalogue_routes.page_router, include_in_schema=False)
    names = host_names(chosen.public_url) if is_local else None
    app.add_middleware(Gate, settings=chosen, metrics=shared.metrics, names=names)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            raw = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = openapi.document(
                raw, connector, frozenset(chosen.credentials), chosen.timeout, needs_key=not is_local
            )
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    return app


def _lifespan(shared: Service, feed: Feed, apps: Mapping[str, WebhookApp]) -> Any:
    async def purge() -> None:
        """Forget, once in an hour and in one worker at a time, what is older than a day."""
        while True:
            with suppress(StoreError, Refusal):
                await shared.in_store(once)
            await asyncio.sleep(PURGE)

    def once() -> None:
        if shared.store.lease(f"lease/service/{shared.connector.key}/purge", PURGE / 2) is not None:
            shared.idempotency.purge()
            feed.purge()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as running:
            for receiver in apps.values():
                await running.enter_async_context(receiver.delivering())
            running.push_async_callback(shared.close)
            purging = asyncio.create_task(purge())
            running.callback(purging.cancel)
            yield

    return lifespan


def _add_states(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def described(request: Request) -> Response:
        root = request.scope.get("root_path", "")
        servers = {"servers": [{"url": root}]} if root else {}
        return await catalogue_routes.document(
            request, ("openapi", root), lambda connector: {**app.openapi(), **servers}
        )

    @app.get("/health", response_model=models.StateAnswer, summary="Whether the process lives", tags=["state"])
    async def health() -> Response:
        return runs.answer({"status": "ok"})

    @app.get("/ready", response_model=models.StateAnswer, summary="Whether it can work", tags=["state"])
    async def ready(request: Request) -> Response:
        found = await _unready(of(request))
        if found:
            raise Refusal("not_ready", "The service is not ready.", problems=found, retriable=True)
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


async def _unready(shared: Service) -> list[Problem]:
    def faults() -> list[Problem]:
        """What of the definitions cannot be loaded."""
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
            await shared.in_store(shared.store.read, f"service/{shared.connector.key}/ready")
    except (StoreError, Refusal):
        return [Problem("store", "fails; the log says why")]
    except TimeoutError:
        return [Problem("store", f"does not answer within {ALIVE:g} seconds")]
    if "definitions" not in shared.written:
        shared.written["definitions"] = await shared.in_store(faults)
    return shared.written["definitions"]  # type: ignore[no-any-return]


def _add_problems(app: FastAPI) -> None:
    @app.exception_handler(ConnectorError)
    async def known(request: Request, error: ConnectorError) -> Response:
        return problem(error, note_of(request))

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
        return problem(of_status(error.status_code, str(error.detail), headers), note_of(request))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return problem(models.wrong(error.errors()), note_of(request))


def _allowed(request: Request) -> str:
    """Every method of a path; the framework names those of the first route that has it."""
    scope = {name: value for name, value in request.scope.items() if name in ("type", "path", "root_path", "headers")}
    fits = (
        method
        for method in sorted(METHODS)
        if any(route.matches({**scope, "method": method})[0] == Match.FULL for route in request.app.router.routes)
    )
    return ", ".join(fits)
