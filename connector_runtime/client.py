"""Runs actions over HTTP for one connection: `Client`, and `AsyncClient` with the same surface."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack, cast

from .caller import CallOptions, ClientOptions
from .calls import drive
from .calls.exchange import fold
from .definitions.connector import Connector
from .downloading import AsyncDownloading, Downloading
from .errors import RequestError
from .http import pool
from .inputs.bind import Bound
from .model import Page, Paging, Result
from .steps import Exchange

if TYPE_CHECKING:
    from .model import Choices

TokenSource = str | Callable[[str | None], str] | Callable[[], str]
ConnectionSource = Mapping[str, str] | drive.Grants
AsyncTokenSource = TokenSource | Callable[[str | None], Awaitable[str]] | Callable[[], Awaitable[str]]
AsyncConnectionSource = ConnectionSource | drive.AsyncGrants
TTL = 60.0  # seconds for which a page of choices is not read again


class Client(Downloading):
    """Runs a connector's actions for one connection.

        with Client(load(), token="…") as client:
            meeting = client.run("create-meeting", {"user_id": "me", "topic": "Weekly"}).data

    `token` is an access token, or a function that returns one: it is asked before every request, and if it takes an
    argument given the token that the vendor has just rejected, or None. `connection` instead gives all that a
    connection gives to requests, by name: a mapping such as `{"api_key": "…"}`, or a function that is given what was
    rejected. `base_url` replaces the vendor's base URL, with its path: https, or http on this machine. `options` are
    those of `ClientOptions`, and a call's own those of `CallOptions`.
    Clients with the same way out share one pool of HTTP connections. A client may be used by several threads.
    """

    def __init__(
        self,
        connector: Connector,
        token: TokenSource | None = None,
        base_url: str | None = None,
        *,
        connection: ConnectionSource | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(connector, token, base_url, connection, **options)
        self._pool = pool.Pool.enter(self._way)

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
        self, key: str, inputs: Mapping[str, Any] | Bound, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> Result:
        """Run an action; of a list, all pages (or `limit` items) in one result.

        Raises `InputError` before anything is sent, and the errors of `connector_runtime.errors` after.
        """
        action, call = self._begin(key, inputs, limit, **options)
        return fold(drive.drive(call, self._grants, self._pool.send, self._ears), action.paging)

    def stream(
        self, key: str, inputs: Mapping[str, Any] | Bound, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> Iterator[Any]:
        """The items of a list one by one, a page at a time in memory; of another action its `data`, once."""
        pages = self.pages(key, inputs, limit, **options)
        return (item for page in pages for item in ([page.data] if page.items is None else page.items))

    def pages(
        self, key: str, inputs: Mapping[str, Any] | Bound, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> Iterator[Page]:
        """The answers of a call as they come, each with its `items`."""
        _, call = self._begin(key, inputs, limit, **options)
        return drive.drive(call, self._grants, self._pool.send, self._ears)

    def choices(
        self,
        action: str,
        input: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        search: str | None = None,
        cursor: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        ttl: float = TTL,
    ) -> Choices:
        """What a drop-down offers for an input of an action; without `input`, the list called `action`.

        `inputs` are those given so far, `parameters` what the list asks for beside them, by name. `search` narrows it,
        `cursor` goes on where earlier choices ended. A page that was read less than `ttl` seconds ago, for the same
        connection, is not read again. Raises `InputError` that names what has to be filled in first.
        """
        asked = self._browse(action, input, inputs, search, cursor, parameters)
        granted = self._grants(None) if asked.wants_page else {}
        while asked.wants_page:
            key = asked.key(granted)
            found = self._kept.get(key, ttl)
            if found is None:
                with asked.explaining():
                    found = asked.read(next(self.pages(asked.action, asked.inputs, cursor=asked.cursor)))
                self._kept.put(key, found, ttl)
            asked.take(found)
        return asked.result


class AsyncClient(AsyncDownloading):
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
        **options: Unpack[ClientOptions],
    ) -> None:
        super().__init__(connector, token, base_url, connection, **options)
        self._pool: pool.AsyncPool | None = None

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
        self, key: str, inputs: Mapping[str, Any] | Bound, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> Result:
        """As `Client.run`."""
        action, call = self._begin(key, inputs, limit, **options)
        return await collect(self._drive(call), action.paging)

    async def stream(
        self, key: str, inputs: Mapping[str, Any] | Bound, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Any]:
        """As `Client.stream`."""
        async for page in self.pages(key, inputs, limit, **options):
            for item in [page.data] if page.items is None else page.items:
                yield item

    def pages(
        self, key: str, inputs: Mapping[str, Any] | Bound, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Page]:
        """As `Client.pages`."""
        _, call = self._begin(key, inputs, limit, **options)
        return self._drive(call)

    async def choices(
        self,
        action: str,
        input: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        search: str | None = None,
        cursor: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        ttl: float = TTL,
    ) -> Choices:
        """As `Client.choices`."""
        asked = self._browse(action, input, inputs, search, cursor, parameters)
        granted = await self._awaited(None) if asked.wants_page else {}
        while asked.wants_page:
            key = asked.key(granted)
            found = self._kept.get(key, ttl)
            if found is None:
                with asked.explaining():
                    found = asked.read(await _first(self.pages(asked.action, asked.inputs, cursor=asked.cursor)))
                self._kept.put(key, found, ttl)
            asked.take(found)
        return asked.result

    def _drive(self, call: Exchange) -> AsyncIterator[Page]:
        return drive.drive_async(call, self._awaited, self._entered().send, self._ears)

    async def _awaited(self, rejected: Mapping[str, str] | None) -> Mapping[str, str]:
        granted: Any = self._grants(rejected)
        return await granted if hasattr(granted, "__await__") else granted  # type: ignore[no-any-return]


async def _first(pages: AsyncIterator[Page]) -> Page:
    async with aclosing(cast(AsyncGenerator[Page, None], pages)) as opened:
        return await anext(opened)


async def collect(pages: AsyncIterator[Page], paging: Paging | None) -> Result:
    """Pages as one result; an error on the way is raised with what came before it."""
    found: list[Page] = []
    failure: RequestError | None = None
    try:
        async for page in pages:
            found.append(page)
    except RequestError as error:
        failure = error

    def again() -> Iterator[Page]:
        yield from found
        if failure is not None:
            raise failure

    return fold(again(), paging)
