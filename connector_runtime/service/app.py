"""The service as an app: `service(connector, store=…)` for a platform to mount, or for `serve` to run.

Everything that is wrong is answered as a problem, also what the web framework itself refuses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ..definitions.connector import Connector
from ..errors import ConnectorError, Problem, StoreError
from ..stores.opening import open_store
from ..stores.store import Store
from ..triggers.deliver import Handler
from ..triggers.receiver import SecretSource, webhook_app
from . import catalogue_routes, connection_routes, models, runs
from .gate import METHODS, Gate, at, may_read_metrics
from .problems import Refusal, of_status
from .settings import Settings
from .state import Service

ALIVE = 2.0  # seconds for the store to answer
TenantOf = Callable[[Request], str | Awaitable[str | None] | None]
states = APIRouter()
ROOMS = {
    "catalogue": catalogue_routes.router,
    "runs": runs.router,
    "connection": connection_routes.router,
    "webhook": connection_routes.webhook_router,
    "state": states,
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
    opened = open_store(store) if isinstance(store, str) else store
    shared = Service(connector, opened, settings or Settings(), tenant, token)
    shared.webhooks = {
        key: webhook_app(connector.triggers[key], secrets, handler or shared.feed.add, store=opened)
        for key, secrets in (webhook_secrets or {}).items()
    }
    about = connector.profile
    app = FastAPI(
        title=about.label,
        version=about.version,
        description=about.description,
        docs_url=None,  # its page loads from other hosts
        redoc_url=None,
        lifespan=shared.lifespan,
        openapi_url=None,  # made in a thread instead, since it takes a while
        responses={"default": {"description": "A problem; its `kind` says which.", "content": models.PROBLEM}},
        exception_handlers={
            ConnectorError: _refused,
            HTTPException: _refused_by_framework,
            RequestValidationError: _invalid,
        },
    )
    app.state.service = shared
    for tag, router in ROOMS.items():
        app.include_router(router, tags=[tag])
    if page:
        app.include_router(catalogue_routes.page_router, include_in_schema=False)
    app.add_middleware(Gate, service=shared)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            raw = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = models.document(raw, connector, shared.settings, needs_key=not shared.is_local)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]
    return app


# -- how it is -------------------------------------------------------------------------------------------------------


@states.get("/openapi.json", include_in_schema=False)
async def described(request: Request) -> Response:
    root = request.scope.get("root_path", "")
    servers = {"servers": [{"url": root}]} if root else {}
    return await catalogue_routes.document(
        request, ("openapi", root), lambda connector: {**request.app.openapi(), **servers}
    )


@states.get("/health", response_model=models.StateAnswer, summary="Whether the process lives")
async def health() -> Response:
    return runs.answer({"status": "ok"})


@states.get("/ready", response_model=models.StateAnswer, summary="Whether it can work")
async def ready(request: Request) -> Response:
    found = await _unready(at(request).service)
    if found:
        raise Refusal("not_ready", "The service is not ready.", problems=tuple(found), retriable=True)
    return runs.answer({"status": "ready"})


@states.get(
    "/metrics",
    summary="Prometheus metrics",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    dependencies=[Depends(may_read_metrics)],
)
async def metrics(request: Request) -> Response:
    content, kind = at(request).service.metrics.text()
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


# -- what is wrong ---------------------------------------------------------------------------------------------------


async def _refused(request: Request, error: Any) -> Response:
    return at(request).problem(error)


async def _refused_by_framework(request: Request, error: Any) -> Response:
    headers = error.headers
    if error.status_code == 405:  # the framework names the methods of the first route alone that has the path
        scope = {
            name: value for name, value in request.scope.items() if name in ("type", "path", "root_path", "headers")
        }
        allowed = (
            method
            for method in sorted(METHODS)
            if any(route.matches({**scope, "method": method})[0] == Match.FULL for route in request.app.router.routes)
        )
        headers = {"Allow": ", ".join(allowed)}
    return at(request).problem(of_status(error.status_code, str(error.detail), headers))


async def _invalid(request: Request, error: Any) -> Response:
    return at(request).problem(models.wrong(error.errors()))
