"""Runs actions over HTTP for one connection: `Client`, and `AsyncClient` with the same surface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from inspect import isawaitable, signature
from types import TracebackType
from typing import Any

from .calls import credentials, drive, render, transport
from .calls.action import Action
from .calls.exchange import Exchange, exchange, fold
from .definitions.connector import Connector
from .errors import AuthError, InputError, Problem
from .model import Page, Result

TokenSource = str | Callable[[str | None], str] | Callable[[], str]
ConnectionSource = Mapping[str, str] | drive.Grants
AsyncTokenSource = TokenSource | Callable[[str | None], Awaitable[str]] | Callable[[], Awaitable[str]]
AsyncConnectionSource = ConnectionSource | drive.AsyncGrants


class _Caller:
    """What both clients share: the connector, what the connection gives, and how a call begins."""

    def __init__(self, connector: Connector, token: Any, base_url: str | None, connection: Any) -> None:
        if base_url is not None:
            render.check_base_url(base_url)
        if token is not None and connection is not None:
            raise InputError.of("the client", [Problem("token", "is given beside a connection; choose one")])
        self._connector = connector
        self._grants = _grants(connector, token, connection)
        self._kind = getattr(connection, "kind", None)  # a stored connection knows its kind
        self._base_url = base_url
        self._open = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connector.key!r})"

    def _begin(
        self, key: str, inputs: Mapping[str, Any], limit: int | None, clear: Iterable[str]
    ) -> tuple[Action, Exchange]:
        if not self._open:
            raise RuntimeError("this client is closed")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise InputError.of(key, [Problem("limit", "must be a whole number of at least 1")])
        action = self._connector.action(key)
        bound = action.bind(inputs, clear)
        credentials.refuse_values(self._kind, key, bound.values)
        return action, exchange(action, bound, limit=limit, base_url=self._base_url)


class Client(_Caller):
    """Runs a connector's actions for one connection.

        with Client(load(), token="…") as client:
            meeting = client.run("create-meeting", {"user_id": "me", "topic": "Weekly"}).data

    `token` is an access token, or a function that returns one: it is asked before every request, and if it takes an
    argument given the token that the vendor has just rejected, or None. `connection` instead gives all that a
    connection gives to requests, by name: a mapping such as `{"api_key": "…"}`, or a function that is given what was
    rejected. `base_url` replaces the vendor's base URL, with its path: https, or http on this machine.
    All clients of a process share one pool of HTTP connections. A client may be used by several threads.
    """

    def __init__(
        self,
        connector: Connector,
        token: TokenSource | None = None,
        base_url: str | None = None,
        *,
        connection: ConnectionSource | None = None,
    ) -> None:
        super().__init__(connector, token, base_url, connection)
        self._pool = transport.Pool.enter()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; the client cannot be used any more."""
        if self._open:
            self._open = False
            self._pool.leave()

    def run(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> Result:
        """Run an action; of a list, all pages (or `limit` items) in one result.

        `clear` names inputs whose fields are to be emptied. Raises `InputError` before anything is sent, and the
        errors of `connector_runtime.errors` after.
        """
        action, call = self._begin(key, inputs, limit, clear)
        return fold(drive.drive(call, self._grants, self._pool.send), action.paging)

    def stream(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> Iterator[Any]:
        """The items of a list one by one, a page at a time in memory; of another action its `data`, once."""
        pages = self.pages(key, inputs, limit, clear=clear)
        return (item for page in pages for item in ([page.data] if page.items is None else page.items))

    def pages(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> Iterator[Page]:
        """The answers of a call as they come, each with its `items`."""
        _, call = self._begin(key, inputs, limit, clear)
        return drive.drive(call, self._grants, self._pool.send)


class AsyncClient(_Caller):
    """`Client` for asyncio: `await run`, `async for` over `stream` and `pages`. It belongs to one event loop.

    A token or connection function may be a coroutine function.
    """

    def __init__(
        self,
        connector: Connector,
        token: AsyncTokenSource | None = None,
        base_url: str | None = None,
        *,
        connection: AsyncConnectionSource | None = None,
    ) -> None:
        super().__init__(connector, token, base_url, connection)
        self._pool: transport.AsyncPool | None = None

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections; the client cannot be used any more."""
        self._open = False
        if self._pool is not None:
            await self._pool.leave()
            self._pool = None

    async def run(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> Result:
        """As `Client.run`."""
        action, call = self._begin(key, inputs, limit, clear)
        return fold([page async for page in self._drive(call)], action.paging)

    async def stream(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> AsyncIterator[Any]:
        """As `Client.stream`."""
        async for page in self.pages(key, inputs, limit, clear=clear):
            for item in [page.data] if page.items is None else page.items:
                yield item

    def pages(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> AsyncIterator[Page]:
        """As `Client.pages`."""
        _, call = self._begin(key, inputs, limit, clear)
        return self._drive(call)

    def _drive(self, call: Exchange) -> AsyncIterator[Page]:
        if self._pool is None:
            self._pool = transport.AsyncPool.enter()
        return drive.drive_async(call, self._awaited, self._pool.send)

    async def _awaited(self, rejected: Mapping[str, str] | None) -> Mapping[str, str]:
        granted: Any = self._grants(rejected)
        return await granted if isawaitable(granted) else granted  # type: ignore[no-any-return]


def _grants(connector: Connector, token: Any, connection: Any) -> Callable[[Mapping[str, str] | None], Any]:
    """What the connection gives to requests, however it was told to the client; awaitable if its function is."""
    if callable(connection):
        return connection  # type: ignore[no-any-return]
    if connection is not None:
        values = credentials.checked(connector.profile, connection)
        return lambda rejected: values
    name = connector.token_name
    if isinstance(token, str) and token.strip():
        credentials.checked(connector.profile, {name: token})  # what else it needs, a token alone cannot give
    asks = callable(token) and bool(signature(token).parameters)

    def checked(found: Any) -> Mapping[str, str]:
        if not isinstance(found, str) or not found.strip():
            raise AuthError("There is no access token.", hint="Give one to the client, or connect an account.")
        return {name: found.strip()}

    async def later(found: Awaitable[Any]) -> Mapping[str, str]:
        return checked(await found)

    def granted(rejected: Mapping[str, str] | None) -> Any:
        old = (rejected.get(name) if rejected else None,) if asks else ()
        found = token(*old) if callable(token) else token
        return later(found) if isawaitable(found) else checked(found)

    return granted
