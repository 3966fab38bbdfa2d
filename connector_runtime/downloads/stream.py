"""Answers whose bodies are read in the pieces in which they arrive, undecoded: for threads and for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

from ..http.native import answered, native, reported
from ..http.pool import AsyncPool, Pool
from ..model import Response
from ..steps import Send


class Stream:
    """One answer after the other; opening the next or closing ends the one before."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._answer: Any = None
        self._pieces: Iterator[bytes] = iter(())

    def open(self, wanted: Send) -> Response:
        """Send a request; the response has no `content` yet. Raises `TransportError` where there is none."""
        self.close()
        self._wanted = wanted
        with reported(wanted):
            self._answer = self._pool.open(wanted)
        self._pieces = self._answer.iter_raw()
        return answered(self._answer, wanted.request, b"")

    def piece(self) -> bytes:
        """The next piece of the body, empty at its end. Raises `TransportError` where it breaks off."""
        with reported(self._wanted):
            return next(self._pieces, b"")

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None


class AsyncStream:
    """`Stream` for asyncio; an open answer holds one of the pool's places."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._open = AsyncExitStack()

    async def open(self, wanted: Send) -> Response:
        """As `Stream.open`."""
        await self.close()
        self._wanted = wanted
        opener = await self._open.enter_async_context(self._pool.lent())
        with reported(wanted):
            answer = await opener(native(wanted, self._pool.way))
        self._open.push_async_callback(answer.aclose)
        self._pieces: AsyncIterator[bytes] = answer.aiter_raw()
        return answered(answer, wanted.request, b"")

    async def piece(self) -> bytes:
        """As `Stream.piece`."""
        with reported(self._wanted):
            return await anext(self._pieces, b"")

    async def close(self) -> None:
        await self._open.aclose()
