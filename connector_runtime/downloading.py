"""What both clients can do with files: ask which an answer offers, and download them into a folder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .caller import Caller
from .calls.action import Action
from .errors import InputError, Problem
from .http import pool
from .model import Result

if TYPE_CHECKING:
    import os

    from .calls.files import File
    from .downloads.download import Order, Saved, Told


class _Ordering(Caller):
    def _offering(self, key: str) -> Action:
        """The action of that key, which must offer files."""
        action = self._connector.action(key)
        if action.files is None:
            raise InputError.of(key, [Problem("action", "offers no files: its definition does not say `files`")])
        return action

    def _order(self, files: File | Iterable[File], to: str | os.PathLike[str], **more: Any) -> Order:
        from .downloads.download import order
        from .downloads.fetch import Course

        if not self._open:
            raise RuntimeError("this client is closed")

        def course(file: File) -> Course:
            action, name = self._offering(file.action), self._connector.token_name
            return Course(action=action, token_name=name, base_url=self._base_url, retries=self._retries)

        return order(files, to, course, observe=self._ears.told, **more)


class Downloading(_Ordering):
    """What `Client` can do with files."""

    _pool: pool.Pool

    @abstractmethod
    def run(self, key: str, inputs: Mapping[str, Any]) -> Result: ...

    def files(self, key: str, inputs: Mapping[str, Any]) -> list[File]:
        """Run an action and give the files that its answer offers. Raises as `run`."""
        return self._offering(key).files_in(self.run(key, inputs).data)

    def download(
        self,
        files: File | Iterable[File],
        to: str | os.PathLike[str],
        *,
        parallel: int = 3,
        overwrite: bool = False,
        progress: Told | None = None,
    ) -> list[Saved]:
        """Download files into the folder `to`, which is made if it is missing; `parallel` of them at a time.

        Each goes to `.NAME.part` first, is gone on with where it broke off, also in a later run, and gets its name when
        it is whole. One that is there with the right size is left alone; anything else of that name is an error unless
        `overwrite`. `progress` is called with the file, the bytes that are there and those of all (None if not known),
        now from one thread, now from another. Raises `InputError` for what can't be written, before any request where
        that can be known, and the error of the first file that failed when the others are done.
        """
        from .downloads.download import download

        order = self._order(files, to, parallel=parallel, overwrite=overwrite, progress=progress)
        return download(order, self._grants, self._pool)


class AsyncDownloading(_Ordering):
    """What `AsyncClient` can do with files."""

    _pool: pool.AsyncPool | None
    _awaited: Callable[[Any], Awaitable[Mapping[str, str]]]

    @abstractmethod
    async def run(self, key: str, inputs: Mapping[str, Any]) -> Result: ...

    async def files(self, key: str, inputs: Mapping[str, Any]) -> list[File]:
        """As `Client.files`."""
        return self._offering(key).files_in((await self.run(key, inputs)).data)

    async def download(
        self,
        files: File | Iterable[File],
        to: str | os.PathLike[str],
        *,
        parallel: int = 3,
        overwrite: bool = False,
        progress: Told | None = None,
    ) -> list[Saved]:
        """As `Client.download`; cancelling stops at once and keeps what has arrived."""
        from .downloads.download import download_async

        order = self._order(files, to, parallel=parallel, overwrite=overwrite, progress=progress)
        return await download_async(order, self._awaited, self._entered())

    def _entered(self) -> pool.AsyncPool:
        if self._pool is None:
            self._pool = pool.AsyncPool.enter(self._way)
        return self._pool
