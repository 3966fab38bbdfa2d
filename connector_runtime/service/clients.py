"""The clients of all tenants: one for each connection in use, held ready and shared by its runs.

A stored connection renews its tokens itself. What another worker has deleted or connected anew is noticed within some
seconds; what has not been used for longest is let go of when there are too many.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ..client import AsyncClient
from ..connections.connections import Connections
from ..definitions.connector import Connector
from ..errors import AuthError
from ..pacing import accounts
from ..pacing.claim import Pacing
from ..pacing.pacer import check_plan
from ..steps import Claim
from ..stores.store import Store
from .problems import Refusal
from .settings import Settings

InThread = Callable[..., Awaitable[Any]]  # runs a function that blocks, with its arguments, in a thread
FRESH = 5.0  # seconds for which a connection is taken to be as it was


@dataclass(frozen=True, slots=True)
class _Apart:
    """A pacer that may have to wait for its store: it is asked in a thread, and its answers are awaited."""

    pacer: Pacing
    in_thread: InThread

    def ask(self, claim: Claim) -> Any:
        return self.in_thread(self.pacer.ask, claim)

    def heard(self, *news: Any) -> Any:
        return self.in_thread(self.pacer.heard, *news)


@dataclass(slots=True)
class _Ready:
    client: AsyncClient
    stamp: Any
    checked: float
    users: int = 0
    gone: bool = False


class Clients:
    """Lends clients to runs. It belongs to one event loop."""

    def __init__(self, connector: Connector, store: Store, settings: Settings, token: Any, in_thread: InThread) -> None:
        check_plan(connector.profile.limits, settings.plan)
        self._connector = connector
        self._store = store
        self._settings = settings
        self._token = token
        self._in_thread = in_thread
        self._ready: dict[tuple[str, str], _Ready] = {}  # those used longest ago first
        self._without: dict[Any, AsyncClient] = {}

    def connections(self, tenant: str) -> Connections:
        """The connections of a tenant."""
        return Connections(self._connector, self._store, tenant)

    @property
    def has_token(self) -> bool:
        return self._token is not None

    @asynccontextmanager
    async def lend(
        self, tenant: str, name: str | None, *, token: bool, needed: bool = True
    ) -> AsyncIterator[AsyncClient]:
        """The client of a tenant's connection; without a name, of its only one, or with `token` the service's own.

        Where none is `needed`, as for choices that never change, a tenant without any gets a client without one.
        Raises `Refusal` (404) for a connection that this tenant does not have, `AuthError` if there is none at all.
        """
        if name is None and token and self._token is not None:
            yield self._shared(self._token)
            return
        if name is None:
            try:
                name = (await self._in_thread(self.connections(tenant).open)).name
            except AuthError:
                if needed:
                    raise
                yield self._shared(None)
                return
        ready = await self._found(tenant, name)
        ready.users += 1
        try:
            await self._make_room()
            yield ready.client
        finally:
            ready.users -= 1
            if ready.gone and not ready.users:
                await ready.client.aclose()

    async def forget(self, tenant: str, name: str) -> None:
        """Let go of a connection that was deleted or made anew here."""
        ready = self._ready.pop((tenant, name), None)
        if ready is not None:
            await self._let_go(ready)

    async def close(self) -> None:
        """Let go of all."""
        while self._ready:
            await self._let_go(self._ready.popitem()[1])
        for client in self._without.values():
            await client.aclose()

    def _pacing(self, account: str) -> Pacing | None:
        """The pacer of an account, shared with the other workers; None: each client goes by what the vendor says."""
        limits, plan = self._connector.profile.limits, self._settings.plan
        if plan is None:
            return None
        account_of = accounts.of(limits, account, plan=plan, share=self._settings.share, store=self._store)
        return _Apart(account_of.wake(), self._in_thread)

    def _client(self, account: str, **given: Any) -> AsyncClient:
        about = self._settings
        pacing = self._pacing(account)
        return AsyncClient(self._connector, base_url=about.base_url, retries=about.retries, pacing=pacing, **given)

    def _shared(self, token: Any) -> AsyncClient:
        """The client with the service's own token, or with none."""
        if token not in self._without:
            self._without[token] = self._client("", token=token)
        return self._without[token]

    async def _found(self, tenant: str, name: str) -> _Ready:
        place = (tenant, name)
        old = self._ready.get(place)
        if old is not None and time.monotonic() <= old.checked + FRESH:
            self._ready[place] = self._ready.pop(place)
            return old
        stamp, stored = await self._in_thread(self._look, tenant, name)
        old = self._ready.pop(place, None)
        if old is not None and old.stamp == stamp:
            old.checked = time.monotonic()
            self._ready[place] = old
            return old
        client = self._client(getattr(stored, self._connector.profile.limits.per), connection=stored)
        ready = self._ready[place] = _Ready(client, stamp, time.monotonic())
        if old is not None:
            await self._let_go(old)
        return ready

    def _look(self, tenant: str, name: str) -> tuple[Any, Any]:
        connections = self.connections(tenant)
        try:
            return connections.connected_at(name), connections.open_async(name)
        except AuthError as error:
            raise missing(error) from None

    async def _make_room(self) -> None:
        idle = [place for place, ready in self._ready.items() if not ready.users]
        for place in idle[: max(0, len(self._ready) - self._settings.clients)]:
            await self._let_go(self._ready.pop(place))

    async def _let_go(self, ready: _Ready) -> None:
        ready.gone = True
        if not ready.users:
            await ready.client.aclose()


def missing(error: AuthError) -> Refusal:
    """There is no such connection, at least not of this tenant."""
    return Refusal("not_found", error.message, hint=error.hint)
