"""What all routes of one service share, and how a route finds it: who asks, what is asked, and threads for what blocks.

Two small sets of threads keep what waits for the store apart from what waits for the vendor's token endpoint.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from inspect import isawaitable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from ..calls.action import Action
from ..definitions.connector import Connector
from ..errors import Problem
from ..language import json_text
from ..stores.store import Store
from . import models
from .clients import Clients
from .idempotency import Idempotency
from .keys import ApiKey, ApiKeys
from .problems import Refusal, unknown
from .settings import Settings
from .telemetry import PLACE, Metrics, Note

DEPTH = 64  # arrays and objects within each other
T = TypeVar("T")
M = TypeVar("M", bound=models.Asked)
TenantOf = Callable[[Request], "str | Awaitable[str | None] | None"]
LARGE = 64 * 1024  # bytes of a body that is read in a thread, so that others need not wait
MARGIN = 30.0  # seconds beyond its time limit after which a run counts as dead


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a tenant, and whether on this machine without a key."""

    tenant: str
    local: bool


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: a connector for the tenants of one store."""

    connector: Connector
    store: Store
    settings: Settings
    tenant: str | TenantOf | None
    token: Any = None
    metrics: Metrics = field(default_factory=Metrics)
    running: Counter[str] = field(default_factory=Counter)
    written: dict[Any, Any] = field(default_factory=dict)  # documents that do not change
    at_store: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "store"))
    at_vendor: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16, "vendor"))

    def __post_init__(self) -> None:
        settings, key = self.settings, self.connector.key
        clients = Clients(
            self.connector,
            self.store,
            self.in_store,
            base_url=settings.base_url,
            retries=settings.retries,
            most=settings.clients,
            token=self.token,
            plan=settings.plan,
            share=settings.share,
        )
        object.__setattr__(self, "clients", clients)
        object.__setattr__(self, "keys", ApiKeys(self.store, key))
        first = Idempotency(self.store, key, settings.timeout + MARGIN, time.time)
        object.__setattr__(self, "idempotency", first)

    clients: Clients = field(init=False)
    keys: ApiKeys = field(init=False)
    idempotency: Idempotency = field(init=False)

    @property
    def local_tenant(self) -> str | None:
        """The one tenant that needs no key, if there is one."""
        return self.tenant if isinstance(self.tenant, str) else None

    async def in_store(self, function: Callable[..., T], /, *given: Any) -> T:
        """Run what waits for the store."""
        return await self._in(self.at_store, function, *given)

    async def in_vendor(self, function: Callable[..., T], /, *given: Any) -> T:
        """Run what waits for the vendor's token endpoint."""
        return await self._in(self.at_vendor, function, *given)

    async def _in(self, threads: ThreadPoolExecutor, function: Callable[..., T], *given: Any) -> T:
        done = asyncio.get_running_loop().run_in_executor(threads, partial(function, *given))
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await asyncio.shield(done)
        except TimeoutError:
            raise timed_out(self.settings.timeout, may_have_been_done=True) from None

    def action(self, key: str, note: Note) -> Action:
        """The action of that key. Raises `Refusal` (404) with the nearest."""
        if key not in self.connector.actions:
            raise unknown("action", key, self.connector.actions)
        note.action = key
        return self.connector.actions[key]

    async def close(self) -> None:
        """Let go of clients and threads; the store is whose it was."""
        await self.clients.close()
        self.at_store.shutdown(wait=False, cancel_futures=True)
        self.at_vendor.shutdown(wait=False, cancel_futures=True)


def timed_out(seconds: float, *, may_have_been_done: bool) -> Refusal:
    hint = "It may have been done; look before you send it again." if may_have_been_done else "Try again."
    return Refusal(
        kind="timeout",
        message=f"It took longer than {seconds:g} seconds.",
        hint=hint,
        retriable=not may_have_been_done,
        may_have_been_done=may_have_been_done,
    )


# -- what a route asks of a request ----------------------------------------------------------------------------------


def of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service  # type: ignore[no-any-return]


def note_of(request: Request) -> Note:
    return request.scope[PLACE]  # type: ignore[no-any-return]


async def read(request: Request, model: type[M]) -> M:
    """The body of a request as its model. Raises `Refusal`: 400, 413, 415 or 422."""
    said = request.headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        what = f"The body is {kind[:100]!r}, not JSON." if kind else "The request does not say what its body is."
        raise Refusal(kind="media_type", message=what, headers={"Accept": "application/json"})
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        what = "Compressed bodies are not read."
        raise Refusal(kind="media_type", message=what, headers={"Accept-Encoding": "identity"})
    return models.asked(model, await aside(request, _data, await request.body()))


def _data(content: bytes) -> Any:
    """The JSON that a body holds. Raises `Refusal` (400) that says where it cannot be read."""
    try:
        return json_text.read_strictly(content, depth=DEPTH)
    except json_text.JsonError as error:
        message = f"The body {error}."
        problem = Problem(error.place or "body", message)
        raise Refusal(kind="body", message=message, hint=error.hint, problems=(problem,)) from None


async def aside(request: Request, function: Callable[..., T], /, *given: Any) -> T:
    """Do what takes long for a large body: in a thread if this one is, so that others need not wait."""
    return await asyncio.to_thread(function, *given) if await is_large(request) else function(*given)


async def is_large(request: Request) -> bool:
    """Whether a body, which was read, is so large that to read its content takes a while."""
    return len(await request.body()) > LARGE


_bearer = HTTPBearer(auto_error=False, description="An API key, made with the command `api-key create`.")
_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same key, where Authorization is taken.")


async def _caller(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
    header: Annotated[str | None, Security(_header)] = None,
) -> Caller:
    service, note = of(request), note_of(request)
    given = bearer.credentials if bearer is not None else header
    found = service.tenant
    local = isinstance(found, str)
    if callable(found):
        answer = found(request)
        found = await answer if isawaitable(answer) else answer
        if found is None:
            raise no_key("Nobody is signed in.")
    elif found is None:
        key = await _key(service, given, note)
        found = key.tenant
        if found is None:
            raise Refusal(kind="forbidden", message="This key is for /metrics only.")
    _take_place(service, note, found)
    note.tenant = found
    return Caller(found, local)


CallerOf = Annotated[Caller, Depends(_caller)]


async def caller_of(request: Request) -> Caller:
    """The same for an app that is none of FastAPI's. Raises `Refusal` (401, 403, 429)."""
    return await _caller(request, await _bearer(request), await _header(request))


async def may_read_metrics(
    request: Request,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,
    header: Annotated[str | None, Security(_header)] = None,
) -> None:
    """Let through who may see the numbers of all tenants."""
    service = of(request)
    if service.local_tenant is None:
        key = await _key(service, bearer.credentials if bearer is not None else header, note_of(request))
        if key.tenant is not None:
            hint = "Make one: api-key create --metrics"
            raise Refusal(kind="forbidden", message="The metrics are of all tenants.", hint=hint)


async def _key(service: Service, given: str | None, note: Note) -> ApiKey:
    if not given:
        raise no_key("The request brought no API key.")
    found = service.keys.known(given)
    key = await service.in_store(service.keys.find, given) if found is False else found
    if not isinstance(key, ApiKey):
        raise no_key("The API key is wrong or was revoked.")
    note.key = key.id
    return key


def no_key(message: str) -> Refusal:
    return Refusal(kind="key", message=message, hint="Send a key as `Authorization: Bearer …`.")


def _take_place(service: Service, note: Note, tenant: str) -> None:
    """Count a tenant's requests, so that one cannot take the places of all."""
    if service.running[tenant] >= service.settings.tenant_concurrency:
        message = f"More than {service.settings.tenant_concurrency} requests of this tenant are being answered."
        raise Refusal(kind="too_many", message=message, retriable=True, retry_after=1)
    service.running[tenant] += 1
    note.ends.append(partial(_leave_place, service.running, tenant))


def _leave_place(running: Counter[str], tenant: str) -> None:
    running[tenant] -= 1
    if not running[tenant]:
        del running[tenant]
