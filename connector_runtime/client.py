"""Runs actions over HTTP for one connection, with `Client` or, in asyncio, `AsyncClient`."""

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

    `token` is an access token, or a function that returns one before every request; it may take the token that the
    vendor has just rejected, or None. `connection` replaces `token`: it holds all values of a connection by name, as in
    `{"api_key": "…"}`, or is a function that takes the rejected values or None and returns new ones. `base_url`
    replaces the vendor's base URL and its path; it must use https, or http on this machine. `options` are
    `ClientOptions`, and each call takes `CallOptions`. Only proxies are read from the environment. Clients with equal
    `http` share a pool of HTTP connections, and threads may share a client. Raises `InputError`.
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
        """Close the client for good, and its HTTP connections unless other clients use them too."""
        if self._session.is_open:
            self._session.is_open = False
            self._pool.leave()

    def run(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Result:
        """Run an action and return its result. The result of a list contains all items, or the first `limit` items.

        Raises `InputError` before anything is sent, and any other `ConnectorError` after that.
        """
        action, steps = self._session.call(key, inputs, limit, **options)
        return fold(perform(steps, self._handlers, guarded=True), action.paging)

    def stream(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Iterator[Any]:
        """Yield a list's items, holding one page in memory; other actions yield `data` once. Raises as `run` does."""
        pages = self.pages(key, inputs, limit, **options)
        return (item for page in pages for item in ([page.data] if page.items is None else page.items))

    def pages(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Iterator[Page]:
        """Yield the pages of a call as they arrive, each with its `items`. Raises as `run` does."""
        return perform(self._session.call(key, inputs, limit, **options)[1], self._handlers, guarded=True)

    def choices(
        self, action: str, input: str | None = None, inputs: Inputs | None = None, **options: Unpack[ChoicesOptions]
    ) -> Choices:
        """Return entries of an input's drop-down or, without `input`, of the list named `action`.

        `inputs` holds the values entered so far, and `options` are `ChoicesOptions`. Raises `InputError` if other
        inputs must be filled in first, and otherwise as `run` does.
        """
        steps = self._session.choices(action, input, inputs, **options)
        outputs: list[Choices] = [*perform(steps, self._handlers, guarded=True)]
        return outputs[0]

    def files(self, key: str, inputs: Inputs) -> list[File]:
        """Run an action and return the files that its response offers. Raises as `run` does."""
        return self._session.action_with_files(key).files_in(self.run(key, inputs).data)

    def download(self, files: File | Iterable[File], to: Folder, **options: Unpack[DownloadOptions]) -> list[SavedFile]:
        """Download files into the folder `to`, which is created if it is missing; `options` are `DownloadOptions`.

        A file is written to `.NAME.part` and renamed when complete; a later run resumes the part. An existing file of
        the right size is kept; any other file of that name is an error unless `overwrite` is true. Raises `InputError`
        for files that cannot be written, before any request if possible. If downloads fail, raises the error of the
        first failed file after all downloads have ended.
        """
        from .downloads.download import download

        return download(self._session.download_plan(files, to, **options), self._handlers, self._pool)


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
    """`Client` for one asyncio event loop: `await` its `run`, and use `async for` with `stream` and `pages`.

    Its methods raise the same errors. A token or connection function may be a coroutine function.
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
        from asyncio import sleep  # not needed by `Client`

        self._session = Session(connector, token, base_url, connection, **options)
        self._pool: AsyncPool | None = None  # entered in the event loop of the first call
        send, wait = lambda step: self._enter().send(step), lambda step: sleep(step.seconds)
        self._handlers: Handlers = {**self._session.handlers, Token: self._token, Send: send, Wait: wait}

    def __repr__(self) -> str:
        return f"AsyncClient({self._session.connector.key!r})"

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """`Client.close` as a coroutine."""
        self._session.is_open = False
        if self._pool is not None:
            await self._pool.leave()
            self._pool = None

    async def run(self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]) -> Result:
        """`Client.run` as a coroutine."""
        action, steps = self._session.call(key, inputs, limit, **options)
        return await fold_async(perform_async(steps, self._handlers, guarded=True), action.paging)

    async def stream(
        self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Any]:
        """`Client.stream` for `async for`."""
        async for page in self.pages(key, inputs, limit, **options):
            for item in [page.data] if page.items is None else page.items:
                yield item

    def pages(
        self, key: str, inputs: Data, limit: int | None = None, **options: Unpack[CallOptions]
    ) -> AsyncIterator[Page]:
        """`Client.pages` for `async for`."""
        return perform_async(self._session.call(key, inputs, limit, **options)[1], self._handlers, guarded=True)

    async def choices(
        self, action: str, input: str | None = None, inputs: Inputs | None = None, **options: Unpack[ChoicesOptions]
    ) -> Choices:
        """`Client.choices` as a coroutine."""
        steps = self._session.choices(action, input, inputs, **options)
        outputs: list[Choices] = [output async for output in perform_async(steps, self._handlers, guarded=True)]
        return outputs[0]

    async def files(self, key: str, inputs: Inputs) -> list[File]:
        """`Client.files` as a coroutine."""
        return self._session.action_with_files(key).files_in((await self.run(key, inputs)).data)

    async def download(
        self, files: File | Iterable[File], to: Folder, **options: Unpack[DownloadOptions]
    ) -> list[SavedFile]:
        """`Client.download` as a coroutine. Cancelling stops it immediately, and a later run resumes the parts."""
        from .downloads.download import download_async

        return await download_async(self._session.download_plan(files, to, **options), self._handlers, self._enter())

    def _enter(self) -> AsyncPool:
        if self._pool is None:
            self._pool = AsyncPool.enter(self._session.http)
        return self._pool

    async def _token(self, step: Token) -> Any:
        granted = self._session.grants(step.rejected)
        return self._session.credentials(await granted if hasattr(granted, "__await__") else granted)
