"""The state that all requests to one service share: settings, connector, store, and clients of tenants' connections.

Each connection in use has one client, which its runs share. Every run checks in the store that the connection still
exists and is the same. If too many clients are ready, the least recently used ones are closed.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from ..client import AsyncClient
from ..connections.connections import Connections, PendingSignIns
from ..connections.oauth import AsyncStoredConnection, in_own_thread, shielded
from ..connections.oauth_requests import ConnectionRecord
from ..connections.owners import end
from ..definitions.connector import Connector
from ..errors import CHECK, AuthError, ConnectorError, MissingScope, StoreError
from ..pacing import accounts
from ..pacing.pacer import check_plan
from ..pacing.permit import Pacing
from ..sentences import Sentence
from ..steps import Permit
from ..stores.store import Store
from ..triggers.receiver import WebhookApp
from ..triggers.webhook import Notification
from .feed import Feed
from .problems import ServiceRefusal
from .records import ApiKeys, Idempotency
from .settings import ServiceSettings

T = TypeVar("T")
MARGIN = 30.0  # seconds past its time limit after which a run is presumed dead
PURGE_INTERVAL = 3600.0  # seconds between removals of old records
TENANT_THREADS = {"store": 2, "work": 2, "vendor": 8}  # maximum for one tenant, by pool


class _ThreadedPacing(NamedTuple):
    """A pacer whose methods run in a thread, because its store may be slow."""

    pacer: Pacing
    in_thread: Callable[..., Awaitable[Any]]

    def ask(self, permit: Permit) -> Any:
        return self.in_thread(self.pacer.ask, permit)

    def report(self, *reports: Any) -> Any:
        return self.in_thread(self.pacer.report, *reports)


@dataclass(slots=True)
class _ReadyClient:
    client: AsyncClient
    stored: AsyncStoredConnection
    record: ConnectionRecord  # as the last run read it
    runs: int = 0  # that use the client now
    is_retired: bool = False  # the last of these runs closes the client


class Service:
    """A connector for the tenants of one store, in one event loop; see `service_app`. Raises `InputError`."""

    def __init__(self, connector: Connector, store: Store, settings: ServiceSettings, tenant: Any, token: Any) -> None:
        check_plan(connector.profile.limits, settings.plan)
        self.connector, self.store, self.settings, self.tenant = connector, store, settings, tenant
        self.is_local = isinstance(tenant, str)  # for this machine, without keys
        self.token = token if self.is_local else None
        self.running: Counter[str | None] = Counter()  # requests by tenant; None: not known yet
        self.written: dict[Any, Any] = {}  # documents that do not change, once they were requested
        self.spoken: dict[str, Connector] = {connector.locale: connector}  # by language, once it was requested
        self.keys = ApiKeys(store, connector.key)
        self.idempotency = Idempotency(store, connector.key, settings.timeout + MARGIN, time.time)
        self.feed = Feed(store, connector, is_local=self.is_local)
        self.pending = PendingSignIns(store, f"service/{connector.key}/states/", tenant=str, bound=bool)
        self.webhooks: Mapping[str, WebhookApp] = {}  # by trigger
        self._ready: dict[tuple[str, str], _ReadyClient] = {}  # by tenant and name, the least recently used first
        self._without: dict[Any, AsyncClient] = {}  # clients without a stored connection, by token
        self._threads = {"store": ThreadPoolExecutor(8, "store"), "work": ThreadPoolExecutor(4, "work")}
        self._places: WeakValueDictionary[Any, asyncio.Semaphore] = WeakValueDictionary()  # by pool and tenant

    async def in_store(self, tenant: str | None, function: Callable[..., T], /, *arguments: Any) -> T:
        """Run a function that waits for the store. Calls without a tenant must be short."""
        return await self._in_thread("store", tenant, partial(function, *arguments))

    async def in_vendor(self, tenant: str, function: Callable[..., T], /, *arguments: Any, **keywords: Any) -> T:
        """Run a function that waits for the vendor's token endpoint, in a new thread."""
        return await self._in_thread("vendor", tenant, partial(function, *arguments, **keywords))

    async def in_work(self, tenant: str | None, function: Callable[..., T], /, *arguments: Any, **keywords: Any) -> T:
        """Run a long computation, such as reading, checking or writing large data."""
        return await self._in_thread("work", tenant, partial(function, *arguments, **keywords))

    async def _in_thread(self, pool: str, tenant: str | None, work: Callable[[], T]) -> T:
        """Run work in a thread of a pool. A tenant that has used up its share of the pool delays no other tenant."""
        threads, key = self._threads.get(pool), tenant or work  # work without a tenant shares no limit
        places = self._places.setdefault((pool, key), asyncio.Semaphore(TENANT_THREADS[pool]))

        async def run() -> T:
            await places.acquire()
            done = asyncio.wrap_future(threads.submit(work) if threads is not None else in_own_thread(work))
            done.add_done_callback(lambda _: places.release())
            return await shielded(done)

        return await within(self.settings.timeout, run(), changes=True)

    def connections(self, tenant: str, connector: Connector | None = None) -> Connections:
        """Return the connections of a tenant, with messages in the language of `connector`."""
        return Connections(connector or self.connector, self.store, tenant)

    @asynccontextmanager
    async def lend(self, tenant: str, name: str | None, *, needed: bool = True) -> AsyncIterator[AsyncClient]:
        """Lend the client of a tenant's connection; without a name, of the service's token or the only connection.

        If no connection is `needed`, as for fixed choices, a tenant without one gets an unconnected client. Raises
        `ServiceRefusal` (404) if the tenant has no connection of this name, or `AuthError` if it has none at all.
        """
        if name is None:
            try:
                if self.token is None:
                    name = (await self.in_store(tenant, self.connections(tenant).open)).name
            except AuthError:
                if needed:
                    raise
        if name is None:
            if self.token not in self._without:
                self._without[self.token] = self._client(tenant, "", token=self.token)
            yield self._without[self.token]
            return
        ready = await self._ready_client(tenant, name)
        ready.runs += 1
        try:
            idle = [place for place, other in self._ready.items() if not other.runs]
            for place in idle[: max(0, len(self._ready) - self.settings.clients)]:
                await self._retire(self._ready.pop(place))
            yield ready.client
            if needed and ready.record.is_failing:
                await self._note(tenant, ready, None)
        except AuthError as error:
            if not isinstance(error, MissingScope):  # then the vendor accepts the token, so the connection works
                await self._note(tenant, ready, error)
            raise
        finally:
            ready.runs -= 1
            if ready.is_retired and not ready.runs:
                await ready.client.aclose()

    async def _note(self, tenant: str, ready: _ReadyClient, error: AuthError | None) -> None:
        with suppress(ConnectorError):  # the caller needs the outcome of the run, not of this note
            await self.in_store(tenant, ready.stored.stored.note, error and error.to_dict())

    async def forget(self, tenant: str, name: str) -> None:
        """Close the client of a connection that was deleted or replaced."""
        await self._retire(self._ready.pop((tenant, name), None))

    async def disconnect(self, event: Notification) -> None:
        """End the connections of a user who removed the app, for all tenants, if the event was signed for that app."""
        ending = partial(end, self.connector, self.store, event, trusted=self.is_local)
        for owner in await self.in_store(None, ending):
            await self.forget(owner.tenant, owner.name)

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """Deliver webhooks and remove old records in the background while any app serves this service."""

        def purge() -> None:
            if self.store.lease(f"lease/service/{self.connector.key}/purge", PURGE_INTERVAL / 2) is not None:
                self.idempotency.purge()
                self.feed.purge()

        async def purging() -> None:
            while True:
                with suppress(StoreError, ServiceRefusal):
                    await self.in_store(None, purge)
                await asyncio.sleep(PURGE_INTERVAL)

        async with AsyncExitStack() as running:
            for receiver in self.webhooks.values():
                await running.enter_async_context(receiver.delivering())
            running.push_async_callback(self.aclose)
            running.callback(asyncio.create_task(purging()).cancel)
            yield

    async def aclose(self) -> None:
        """Close clients and threads; the store stays open, since the caller owns it."""
        while self._ready:
            await self._retire(self._ready.popitem()[1])
        for client in self._without.values():
            await client.aclose()
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def _client(self, tenant: str, account: str, **options: Any) -> AsyncClient:
        settings, pacing = self.settings, None  # without a plan, each client follows the vendor's refusals
        if settings.plan is not None:  # one pacer for each account, which all workers share
            limits, plan, share = self.connector.profile.limits, settings.plan, settings.share
            shared = accounts.account_pacing(limits, account, plan=plan, share=share, store=self.store)
            pacing = _ThreadedPacing(shared.wake(), partial(self.in_store, tenant))
        options |= {"base_url": settings.base_url, "retries": settings.retries, "pacing": pacing}
        return AsyncClient(self.connector, **options)

    async def _ready_client(self, tenant: str, name: str) -> _ReadyClient:
        place = (tenant, name)
        old = self._ready.get(place)

        def read() -> tuple[AsyncStoredConnection, ConnectionRecord]:
            stored = old.stored if old is not None else self.connections(tenant).open_async(name)
            record = stored.stored.record()
            if old is not None and old.record.connected_at != record.connected_at:
                stored = self.connections(tenant).open_async(name)
            return stored, record

        stored, record = await self.in_store(tenant, named, read)
        ready = old = self._ready.pop(place, None)
        if ready is None or ready.record.connected_at != record.connected_at:
            client = self._client(tenant, getattr(stored, self.connector.profile.limits.per), connection=stored)
            ready = _ReadyClient(client, stored, record)
        ready.record = record
        self._ready[place] = ready
        if old is not ready:
            await self._retire(old)
        return ready

    async def _retire(self, ready: _ReadyClient | None) -> None:
        if ready is not None:
            ready.is_retired = True
            if not ready.runs:
                await ready.client.aclose()


def named(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that looks a connection up by name; an unknown name raises `ServiceRefusal` (404)."""
    try:
        return function(*arguments)
    except AuthError as error:
        raise ServiceRefusal("not_found", error.message, hint=error.hint) from None


async def within(seconds: float, running: Awaitable[T], *, changes: bool) -> T:
    """Await a call for at most `seconds`, then raise `ServiceRefusal` (504); `changes`: it may have changed data."""
    try:
        async with asyncio.timeout(seconds):
            return await running
    except TimeoutError:
        what = Sentence("The call took longer than {seconds} seconds.", seconds=f"{seconds:g}")
        hint = CHECK if changes else Sentence("Try again.")
        raise ServiceRefusal("timeout", what, hint=hint, retriable=not changes, may_have_been_done=changes) from None
