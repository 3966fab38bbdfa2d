"""What all routes of one service share, and what a route has of its request: who asks, what is asked, its connections.

Two small sets of threads keep what waits for the store apart from what waits for the vendor's token endpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from ..calls.action import Action
from ..client import AsyncClient
from ..connections.connections import Connections
from ..definitions.connector import Connector
from ..errors import Problem
from ..language import json_text
from ..stores.store import Store
from . import models
from .clients import Clients
from .idempotency import Idempotency
from .keys import ApiKey, ApiKeys
from .problems import Refusal, check_known
from .settings import Settings
from .telemetry import PLACE, Metrics, Note

DEPTH = 64  # arrays and objects within each other
T = TypeVar("T")
M = TypeVar("M", bound=models.Asked)
TenantOf = Callable[[Request], "str | Awaitable[str | None] | None"]
LARGE = 64 * 1024  # bytes of a body that is read in a thread, so that others need not wait
MARGIN = 30.0  # seconds beyond its time limit after which a run counts as dead


class Service:
    """One service: a connector for the tenants of one store."""

    def __init__(
        self, connector: Connector, store: Store, settings: Settings, tenant: str | TenantOf | None, token: Any = None
    ) -> None:
        self.connector = connector
        self.store = store
        self.settings = settings
        self.tenant = tenant
        self.metrics = Metrics()
        self.running: Counter[str] = Counter()  # requests by tenant
        self.written: dict[Any, Any] = {}  # documents that do not change
        self.clients = Clients(connector, store, settings, token, self.in_store)
        self.keys = ApiKeys(store, connector.key)
        self.idempotency = Idempotency(store, connector.key, settings.timeout + MARGIN, time.time)
        self._at_store = ThreadPoolExecutor(8, "store")
        self._at_vendor = ThreadPoolExecutor(16, "vendor")

    @property
    def local_tenant(self) -> str | None:
        """The one tenant that needs no key, if there is one."""
        return self.tenant if isinstance(self.tenant, str) else None

    async def in_store(self, function: Callable[..., T], /, *given: Any) -> T:
        """Run what waits for the store."""
        return await self._in(self._at_store, function, *given)

    async def in_vendor(self, function: Callable[..., T], /, *given: Any) -> T:
        """Run what waits for the vendor's token endpoint."""
        return await self._in(self._at_vendor, function, *given)

    async def _in(self, threads: ThreadPoolExecutor, function: Callable[..., T], *given: Any) -> T:
        done = asyncio.get_running_loop().run_in_executor(threads, partial(function, *given))
        return await within(self.settings.timeout, asyncio.shield(done), may_have_been_done=True)

    async def close(self) -> None:
        """Let go of clients and threads; the store is whose it was."""
        await self.clients.close()
        self._at_store.shutdown(wait=False, cancel_futures=True)
        self._at_vendor.shutdown(wait=False, cancel_futures=True)


async def within(seconds: float, running: Awaitable[T], *, may_have_been_done: bool) -> T:
    """What comes of a call in time. Raises `Refusal` (504), which says whether a change may have been made."""
    try:
        async with asyncio.timeout(seconds):
            return await running
    except TimeoutError:
        raise Refusal(
            "timeout",
            f"It took longer than {seconds:g} seconds.",
            hint="It may have been done; look before you send it again." if may_have_been_done else "Try again.",
            retriable=not may_have_been_done,
            may_have_been_done=may_have_been_done,
        ) from None


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What a route has: its service and request, and who asks: a tenant, and whether on this machine without a key."""

    service: Service
    request: Request
    note: Note
    tenant: str
    local: bool

    @property
    def connections(self) -> Connections:
        """The connections of the tenant."""
        return self.service.clients.connections(self.tenant)

    def client(self, name: str | None, *, needed: bool = True) -> AbstractAsyncContextManager[AsyncClient]:
        """The client of a connection of the tenant's."""
        return self.service.clients.lend(self.tenant, name, token=self.local, needed=needed)

    def action(self, key: str, *, runs: bool = False) -> Action:
        """The action of that key, counted if it runs. Raises `Refusal` (404) with the nearest."""
        actions = self.service.connector.actions
        check_known("action", key, actions)
        self.note.action = key if runs else None
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
        return models.asked(model, await self.aside(_data, await self.request.body()))

    async def aside(self, function: Callable[..., T], /, *given: Any, **more: Any) -> T:
        """Do what takes long for a large body: in a thread if this one is, so that others need not wait."""
        if len(await self.request.body()) > LARGE:
            return await asyncio.to_thread(function, *given, **more)
        return function(*given, **more)


def _data(content: bytes) -> Any:
    """The JSON that a body holds. Raises `Refusal` (400) that says where it cannot be read."""
    try:
        return json_text.read_strictly(content, depth=DEPTH)
    except json_text.JsonError as error:
        message = f"The body {error}."
        raise Refusal("body", message, hint=error.hint, problems=[Problem(error.place or "body", message)]) from None


# -- who asks --------------------------------------------------------------------------------------------------------


def of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service  # type: ignore[no-any-return]


def note_of(request: Request) -> Note:
    return request.scope[PLACE]  # type: ignore[no-any-return]


_bearer = HTTPBearer(auto_error=False, description="An API key, made with the command `api-key create`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, where Authorization is taken.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
KeyHeader = Annotated[str | None, Security(_header)]


async def _context(request: Request, bearer: Bearer = None, header: KeyHeader = None) -> RequestContext:
    service, note = of(request), note_of(request)
    tenant = service.tenant
    local = isinstance(tenant, str)
    if callable(tenant):
        answer = tenant(request)
        tenant = await answer if isawaitable(answer) else answer
        if tenant is None:
            raise no_key("Nobody is signed in.")
    elif tenant is None:
        tenant = (await _key(service, bearer, header, note)).tenant
        if tenant is None:
            raise Refusal("forbidden", "This key is for /metrics only.")
    _take_place(service, note, tenant)
    note.tenant = tenant
    return RequestContext(service, request, note, tenant, local)


Context = Annotated[RequestContext, Depends(_context)]


async def context_of(request: Request) -> RequestContext:
    """The same for an app that is none of FastAPI's. Raises `Refusal` (401, 403, 429)."""
    return await _context(request, await _bearer(request), await _header(request))


async def may_read_metrics(request: Request, bearer: Bearer = None, header: KeyHeader = None) -> None:
    """Let through who may see the numbers of all tenants."""
    service = of(request)
    if service.local_tenant is None and (await _key(service, bearer, header, note_of(request))).tenant is not None:
        raise Refusal("forbidden", "The metrics are of all tenants.", hint="Make one: api-key create --metrics")


async def _key(service: Service, bearer: HTTPAuthorizationCredentials | None, header: str | None, note: Note) -> ApiKey:
    given = bearer.credentials if bearer is not None else header
    if not given:
        raise no_key("The request brought no API key.")
    found = service.keys.known(given)
    key = await service.in_store(service.keys.find, given) if found is False else found
    if not isinstance(key, ApiKey):
        raise no_key("The API key is wrong or was revoked.")
    note.key = key.id
    return key


def no_key(message: str) -> Refusal:
    return Refusal("key", message, hint="Send a key as `Authorization: Bearer …`.")


def _take_place(service: Service, note: Note, tenant: str) -> None:
    """Count a tenant's requests, so that one cannot take the places of all."""
    running, most = service.running, service.settings.tenant_concurrency
    if running[tenant] >= most:
        message = f"More than {most} requests of this tenant are being answered."
        raise Refusal("too_many", message, retriable=True, retry_after=1)
    running[tenant] += 1
    note.ends.append(partial(_leave_place, running, tenant))


def _leave_place(running: Counter[str], tenant: str) -> None:
    running[tenant] -= 1
    if not running[tenant]:
        del running[tenant]
