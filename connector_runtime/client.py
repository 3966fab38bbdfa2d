"""Runs actions over HTTP for one connection: `Client`, and `AsyncClient` with the same surface."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Unpack

from .calls.exchange import fold, fold_async
from .definitions.connector import Connector
from .inputs.bind import BoundInputs
from .model import Choices, Page, Result
from .perform import Handlers, perform, perform_async
from .session import CallOptions, ChoicesOptions, ClientOptions, DownloadOptions, Folder, Session
from .steps import Send, Token, Wait
from .transport import AsyncPool, Pool

if TYPE_CHECKING:
    from .calls.files import File
    from .downloads.download import SavedFile

Inputs = Mapping[str, Any]
Data = Mapping[str, Any] | BoundInputs
Grants = Callable[[Mapping[str, str] | None], Mapping[str, str]]
TokenSource = str | Callable[[str | None], str] | Callable[[], str]
ConnectionSource = Mapping[str, str] | Grants
AsyncTokenSource = TokenSource | Callable[[str | None], Awaitable[str]] | Callable[[], Awaitable[str]]
AsyncConnectionSource = ConnectionSource | Callable[[Mapping[str, str] | None], Awaitable[Mapping[str, str]]]


class Client(AbstractContextManager["Client"]):
    """Runs a connector's actions for one connection.

        with Client(load(), token="…") as client:
            meeting = client.run("create-meeting", {"user_id": "me", "topic": "Weekly"}).data

    `token` is an access token, or a function that returns one: it is asked before every request, and if it takes an
    argument given the token that the vendor has just rejected, or None. `connection` instead gives all that a
    connection gives to requests, by name: a mapping such as `{"api_key": "…"}`, or a function that is given what was
    rejected. `base_url` replaces the vendor's base URL, with its path: https, or http on this machine. No environment
    variable is read. `options` are those of `ClientOptions`, and a call's own those of `CallOptions`.
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
        self._session = Session(connector, token, base_url, connection, **options)
        self._pool = Pool.enter(self._session.http)
        self._handlers: Handlers = {**self._session.handlers, Send: self._pool.send}

    def __repr__(self) -> str:
        return f"Client({self._session.connector.key!r})"

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; the client cannot be used any more."""
        if self._session.is_open:
            self._session.is_open = False
            self._pool.leave()

    def run(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Result:
        """Run an action; of a list, all pages (or `limit` items) in one result.

        Raises `InputError` before anything is sent, and the errors of `connector_runtime.errors` after.
        """
        action, steps = self._session.call(key, inputs, limit, **options)
        return fold(perform(steps, self._handlers, guarded=True), action.paging)

    def stream(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Iterator[Any]:
        """The items of a list one by one, a page at a time in memory; of another action its `data`, once."""
        pages = self.pages(key, inputs, limit, **options)
        return (item for page in pages for item in ([page.data] if page.items is None else page.items))

    def pages(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Iterator[Page]:
        """The answers of a call as they come, each with its `items`."""
        return perform(self._session.call(key, inputs, limit, **options)[1], self._handlers, guarded=True)

    def choices(
        self, action: str, input: str | None = None, inputs: Inputs | None = None, **options: Unpack[ChoicesOptions]
    ) -> Choices:
        """What a drop-down offers for an input of an action; without `input`, the list called `action`.

        `inputs` are those given so far, `options` those of `ChoicesOptions`. Raises `InputError` that names what has to
        be filled in first.
        """
        steps = self._session.choices(action, input, inputs, **options)
        found: list[Choices] = [*perform(steps, self._handlers, guarded=True)]
        return found[0]

    def files(self, key: str, inputs: Inputs) -> list[File]:
        """Run an action and give the files that its answer offers. Raises as `run`."""
        return self._session.action_with_files(key).files_in(self.run(key, inputs).data)

    def download(self, files: File | Iterable[File], to: Folder, **options: Unpack[DownloadOptions]) -> list[SavedFile]:
        """Download files into the folder `to`, which is made if it is missing; `options` are `DownloadOptions`.

        Each goes to `.NAME.part` first, is gone on with where it broke off, also in a later run, and gets its name when
        it is whole. One that is there with the right size is left alone; anything else of that name is an error unless
        `overwrite`. Raises `InputError` for what can't be written, before any request where that can be known, and the
        error of the first file that failed when the others are done.
        """
        from .downloads.download import download

        return download(self._session.download_plan(files, to, **options), self._handlers, self._pool)


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
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
        from asyncio import sleep  # which plain calls need not load

        self._session = Session(connector, token, base_url, connection, **options)
        self._pool: AsyncPool | None = None  # entered in the event loop of the first call
        send, wait = lambda step: self._entered().send(step), lambda step: sleep(step.seconds)
        self._handlers: Handlers = {**self._session.handlers, Token: self._token, Send: send, Wait: wait}

    def __repr__(self) -> str:
        return f"AsyncClient({self._session.connector.key!r})"

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let go of the connections; the client cannot be used any more."""
        self._session.is_open = False
        if self._pool is not None:
            await self._pool.leave()
            self._pool = None

    async def run(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Result:
        """As `Client.run`, as a coroutine."""
        action, steps = self._session.call(key, inputs, limit, **options)
        return await fold_async(perform_async(steps, self._handlers, guarded=True), action.paging)

    async def stream(
        self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Any]:
        """As `Client.stream`, for `async for`."""
        async for page in self.pages(key, inputs, limit, **options):
            for item in [page.data] if page.items is None else page.items:
                yield item

    def pages(
        self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Page]:
        """As `Client.pages`, for `async for`."""
        return perform_async(self._session.call(key, inputs, limit, **options)[1], self._handlers, guarded=True)

    async def choices(
        self, action: str, input: str | None = None, inputs: Inputs | None = None, **options: Unpack[ChoicesOptions]
    ) -> Choices:
        """As `Client.choices`, as a coroutine."""
        steps = self._session.choices(action, input, inputs, **options)
        found: list[Choices] = [output async for output in perform_async(steps, self._handlers, guarded=True)]
        return found[0]

    async def files(self, key: str, inputs: Inputs) -> list[File]:
        """As `Client.files`, as a coroutine."""
        return self._session.action_with_files(key).files_in((await self.run(key, inputs)).data)

    async def download(
        self, files: File | Iterable[File], to: Folder, **options: Unpack[DownloadOptions]
    ) -> list[SavedFile]:
        """As `Client.download`; cancelling stops at once and keeps what has arrived."""
        from .downloads.download import download_async

        return await download_async(self._session.download_plan(files, to, **options), self._handlers, self._entered())

    def _entered(self) -> AsyncPool:
        if self._pool is None:
            self._pool = AsyncPool.enter(self._session.http)
        return self._pool

    def _token(self, step: Token) -> Any:
        granted = self._session.grants(step.rejected)
        return self._later(granted) if hasattr(granted, "__await__") else self._session.credentials(granted)

    async def _later(self, granted: Awaitable[Mapping[str, str]]) -> Any:
        return self._session.credentials(await granted)
