"""What all requests to one service share: settings, connector, store, and the clients of its tenants' connections.

There is one client for each connection in use, held ready and shared by its runs. Each run asks the store whether the
connection is still there and the same; what was not used for longest is let go of when there are too many.
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
MARGIN = 30.0  # seconds beyond its time limit after which a run counts as dead
PURGE = 3600.0  # seconds between two looks for what may be forgotten
OWN = {"store": 2, "work": 2, "vendor": 8}  # threads of each room that a tenant has at once


class _ThreadedPacing(NamedTuple):
    """A pacer that may have to wait for its store: it is asked in a thread, and its answers are awaited."""

    pacer: Pacing
    in_thread: Callable[..., Awaitable[Any]]

    def ask(self, permit: Permit) -> Any:
        return self.in_thread(self.pacer.ask, permit)

    def report(self, *news: Any) -> Any:
        return self.in_thread(self.pacer.report, *news)


@dataclass(slots=True)
class _ReadyClient:
    client: AsyncClient
    stored: AsyncStoredConnection
    record: ConnectionRecord  # as the last run found it
    users: int = 0
    gone: bool = False


class Service:
    """One service: a connector for the tenants of one store. It belongs to one event loop.

    `tenant` says whose a request is, as for `service`; `token` counts for the one tenant that needs no key.
    """

    def __init__(self, connector: Connector, store: Store, settings: ServiceSettings, tenant: Any, token: Any) -> None:
        check_plan(connector.profile.limits, settings.plan)
        self.connector, self.store, self.settings, self.tenant = connector, store, settings, tenant
        self.is_local = isinstance(tenant, str)  # for this machine, without keys
        self.token = token if self.is_local else None
        self.running: Counter[str | None] = Counter()  # requests by tenant; None: of nobody known
        self.written: dict[Any, Any] = {}  # documents that do not change
        self.spoken: dict[str, Connector] = {connector.locale: connector}  # by language, once it was asked for
        self.keys = ApiKeys(store, connector.key)
        self.idempotency = Idempotency(store, connector.key, settings.timeout + MARGIN, time.time)
        self.feed = Feed(store, connector, is_local=self.is_local)
        self.pending = PendingSignIns(
            store, f"service/{connector.key}/states/", tenant=str, bound=bool
        )  # whose a state is
        self.webhooks: Mapping[str, WebhookApp] = {}  # by trigger
        self._ready: dict[tuple[str, str], _ReadyClient] = {}  # those used longest ago first
        self._without: dict[Any, AsyncClient] = {}
        self._threads = {"store": ThreadPoolExecutor(8, "store"), "work": ThreadPoolExecutor(4, "work")}
        self._places: WeakValueDictionary[Any, asyncio.Semaphore] = WeakValueDictionary()  # by room and tenant

    async def in_store(self, tenant: str | None, function: Callable[..., T], /, *given: Any) -> T:
        """Run what waits for the store, for a tenant or, if it is short, for nobody in particular."""
        return await self._in_turn("store", tenant, partial(function, *given))

    async def in_vendor(self, tenant: str, function: Callable[..., T], /, *given: Any, **more: Any) -> T:
        """Run what waits for the vendor's token endpoint, in a thread of its own."""
        return await self._in_turn("vendor", tenant, partial(function, *given, **more))

    async def in_work(self, tenant: str | None, function: Callable[..., T], /, *given: Any, **more: Any) -> T:
        """Run what waits for nothing and takes long: to read, check or write what is large."""
        return await self._in_turn("work", tenant, partial(function, *given, **more))

    async def _in_turn(self, room: str, tenant: str | None, work: Callable[[], T]) -> T:
        """Run it in a thread. What a tenant asks for beyond its own of the room waits for those, and nobody with it."""
        threads, key = self._threads.get(room), tenant or work  # that: of no tenant, so in nobody's turn
        places = self._places.setdefault((room, key), asyncio.Semaphore(OWN[room]))

        async def asked() -> T:
            await places.acquire()
            done = asyncio.wrap_future(threads.submit(work) if threads is not None else in_own_thread(work))
            done.add_done_callback(lambda _: places.release())
            return await shielded(done)

        return await within(self.settings.timeout, asked(), changes=True)

    def connections(self, tenant: str, connector: Connector | None = None) -> Connections:
        """The connections of a tenant, in the language of a connector."""
        return Connections(connector or self.connector, self.store, tenant)

    @asynccontextmanager
    async def lend(self, tenant: str, name: str | None, *, needed: bool = True) -> AsyncIterator[AsyncClient]:
        """The client of a tenant's connection; without a name the service's own token's, or that of its only one.

        Where none is `needed`, as for choices that never change, a tenant without any gets a client without one.
        Raises `ServiceRefusal` (404) for a connection that is not this tenant's, `AuthError` if there is none at all.
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
        ready = await self._found(tenant, name)
        ready.users += 1
        try:
            idle = [place for place, each in self._ready.items() if not each.users]
            for place in idle[: max(0, len(self._ready) - self.settings.clients)]:
                await self._let_go(self._ready.pop(place))
            yield ready.client
            if needed and ready.record.is_failing:
                await self._note(tenant, ready, None)
        except AuthError as error:
            if not isinstance(error, MissingScope):  # of which the vendor knows the token
                await self._note(tenant, ready, error)
            raise
        finally:
            ready.users -= 1
            if ready.gone and not ready.users:
                await ready.client.aclose()

    async def _note(self, tenant: str, ready: _ReadyClient, error: AuthError | None) -> None:
        with suppress(ConnectorError):  # how the run ended is what the caller must hear
            await self.in_store(tenant, ready.stored.stored.note, error and error.to_dict())

    async def forget(self, tenant: str, name: str) -> None:
        """Let go of a connection that was deleted or made anew here."""
        await self._let_go(self._ready.pop((tenant, name), None))

    async def disconnect(self, found: Notification) -> None:
        """End what a user has taken an app's consent back for, of all tenants: only that app's own word counts."""
        ending = partial(end, self.connector, self.store, found, trusted=self.is_local)
        for owner in await self.in_store(None, ending):
            await self.forget(owner.tenant, owner.name)

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """What goes on while the service serves, whatever app serves it: deliveries, and forgetting."""

        def purge() -> None:
            if self.store.lease(f"lease/service/{self.connector.key}/purge", PURGE / 2) is not None:
                self.idempotency.purge()
                self.feed.purge()

        async def purging() -> None:
            while True:
                with suppress(StoreError, ServiceRefusal):
                    await self.in_store(None, purge)
                await asyncio.sleep(PURGE)

        async with AsyncExitStack() as running:
            for receiver in self.webhooks.values():
                await running.enter_async_context(receiver.delivering())
            running.push_async_callback(self.aclose)
            running.callback(asyncio.create_task(purging()).cancel)
            yield

    async def aclose(self) -> None:
        """Let go of clients and threads; the store is whose it was."""
        while self._ready:
            await self._let_go(self._ready.popitem()[1])
        for client in self._without.values():
            await client.aclose()
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    def _client(self, tenant: str, account: str, **given: Any) -> AsyncClient:
        about, pacing = self.settings, None  # without a plan each client goes by what the vendor says
        if about.plan is not None:  # one pacer of an account, shared with the other workers
            limits = self.connector.profile.limits
            shared = accounts.account_pacing(limits, account, plan=about.plan, share=about.share, store=self.store)
            pacing = _ThreadedPacing(shared.wake(), partial(self.in_store, tenant))
        return AsyncClient(self.connector, base_url=about.base_url, retries=about.retries, pacing=pacing, **given)

    async def _found(self, tenant: str, name: str) -> _ReadyClient:
        place = (tenant, name)
        old = self._ready.get(place)

        def look() -> tuple[AsyncStoredConnection, ConnectionRecord]:
            stored = old.stored if old is not None else self.connections(tenant).open_async(name)
            record = stored.stored.record()
            if old is not None and old.record.connected_at != record.connected_at:
                stored = self.connections(tenant).open_async(name)
            return stored, record

        stored, record = await self.in_store(tenant, named, look)
        old = self._ready.pop(place, None)
        ready = old
        if ready is None or ready.record.connected_at != record.connected_at:
            client = self._client(tenant, getattr(stored, self.connector.profile.limits.per), connection=stored)
            ready = _ReadyClient(client, stored, record)
        ready.record = record
        self._ready[place] = ready
        if old is not ready:
            await self._let_go(old)
        return ready

    async def _let_go(self, ready: _ReadyClient | None) -> None:
        if ready is not None:
            ready.gone = True
            if not ready.users:
                await ready.client.aclose()


def named(function: Callable[..., T], *given: Any) -> T:
    """Ask for a connection by name: that there is none, at least not of this tenant, is a `ServiceRefusal` (404)."""
    try:
        return function(*given)
    except AuthError as error:
        raise ServiceRefusal("not_found", error.message, hint=error.hint) from None


async def within(seconds: float, running: Awaitable[T], *, changes: bool) -> T:
    """What comes of a call in time. Raises `ServiceRefusal` (504), which says whether a change may have been made."""
    try:
        async with asyncio.timeout(seconds):
            return await running
    except TimeoutError:
        what = Sentence("It took longer than {seconds} seconds.", seconds=f"{seconds:g}")
        hint = CHECK if changes else Sentence("Try again.")
        raise ServiceRefusal("timeout", what, hint=hint, retriable=not changes, may_have_been_done=changes) from None
