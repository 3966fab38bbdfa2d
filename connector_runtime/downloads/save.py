"""One file to disk: the handlers of what `fetch` asks for, for threads and for asyncio.

An answer is read in the pieces in which it arrives, undecoded, and what arrives is kept in a `Part`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..calls.files import File
from ..errors import TransportError
from ..model import Response
from ..perform import Handlers, only, only_async, perform, perform_async
from ..steps import Fill, Filled, Open, Peek, Send, Steps, Wait
from ..transport import AsyncPool, Pool, answered, native, reported
from .fetch import Course, fetch
from .part import Part

BATCH = 2**20  # bytes that asyncio collects before it writes them
LONGEST_HELD = 0.25  # seconds for which it does so
HEAD = 64 * 1024  # bytes of an answer that are looked at to see whether it is a refusal
T = TypeVar("T")
Progress = Callable[[File, int, int | None], object] | None


class Stopped(BaseException):
    """The caller is gone: leave the part as it is and end."""


class Job(NamedTuple):
    """One file to save, and whom to tell. `progress` is told the file, the bytes that are there, and those of all."""

    file: File
    target: Path
    course: Course
    overwrite: bool
    progress: Progress

    def begun(self, part: Part) -> Steps:
        part.open()
        return fetch(self.file, self.course, part.size, part.mark)

    def told(self, part: Part) -> None:
        if self.progress is not None:
            total = part.mark.total if part.mark else None
            self.progress(self.file, part.size, self.file.size if total is None else total)


def save(job: Job, handlers: Handlers, pool: Pool, stop: threading.Event) -> int:
    """Save one file; its size in bytes. When `stop` is set it ends with `Stopped` at the next piece or pause."""
    part, body = Part(job.target), _Body(pool)

    def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        try:
            while piece := body.piece():
                part.write(piece)
                job.told(part)
                if stop.is_set():
                    raise Stopped
                if step.most is not None and part.size > step.most:
                    break
        except TransportError as error:
            return Filled(part.size, error)
        return Filled(part.size)

    def wait(step: Wait) -> None:
        if stop.wait(step.seconds):
            raise Stopped

    try:
        own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill, Wait: wait}
        size: int = only(perform(job.begun(part), own))
        part.finish(job.overwrite)
        return size
    finally:
        try:
            body.close()
        finally:
            part.close()


class _Body:
    """The body of one answer after the other; opening the next or closing ends the one before."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._answer: Any = None
        self._pieces: Iterator[bytes] = iter(())
        self._head = b""

    def open(self, step: Open) -> Response:
        """Send a request; the response has no `content` yet. Raises `TransportError` where there is none."""
        self.close()
        self._sending = Send(step.request)
        with reported(self._sending):
            self._answer = self._pool.open(self._sending)
        self._pieces = self._answer.iter_raw()
        return answered(self._answer, step.request, b"")

    def peek(self, step: Peek) -> bytes:
        """The beginning of the body, which is still to come."""
        while len(self._head) < HEAD and (piece := self._next()):
            self._head += piece
        return self._head

    def piece(self) -> bytes:
        """The next piece of the body, empty at its end. Raises `TransportError` where it breaks off."""
        head, self._head = self._head, b""
        return head or self._next()

    def _next(self) -> bytes:
        with reported(self._sending):
            return next(self._pieces, b"")

    def close(self) -> None:
        self._head = b""
        if self._answer is not None:
            self._answer.close()
            self._answer = None


# -- for asyncio -----------------------------------------------------------------------------------------------------


async def save_async(job: Job, handlers: Handlers, pool: AsyncPool) -> int:
    """The same for asyncio; the disk is written by threads, and cancelling stops at once."""
    part, body = Part(job.target), _AsyncBody(pool)

    async def fill(step: Fill) -> Filled:
        part.begin(step.at, step.version)
        held, due, broke = bytearray(), 0.0, None
        try:
            while piece := await body.piece():
                held += piece
                if len(held) >= BATCH or time.monotonic() >= due:  # a thread for each piece would take twice the time
                    ready, held = bytes(held), bytearray()
                    await _in_thread(lambda ready=ready: part.write(ready))  # type: ignore[misc]
                    job.told(part)
                    due = time.monotonic() + LONGEST_HELD
                if step.most is not None and part.size + len(held) > step.most:
                    break
        except TransportError as error:
            broke = error
        finally:
            part.write(held)
        job.told(part)
        return Filled(part.size, broke)

    try:
        own: Handlers = {**handlers, Open: body.open, Peek: body.peek, Fill: fill}
        size: int = await only_async(perform_async(job.begun(part), own))
        await _in_thread(lambda: part.finish(job.overwrite))
        return size
    finally:
        try:
            await body.close()
        finally:
            part.close()


class _AsyncBody:
    """`_Body` for asyncio; an open answer holds one of the pool's places."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._open = AsyncExitStack()
        self._head = b""

    async def open(self, step: Open) -> Response:
        await self.close()
        self._sending = Send(step.request)
        opener = await self._open.enter_async_context(self._pool.lent())
        with reported(self._sending):
            answer = await opener(native(self._sending, self._pool.way))
        self._open.push_async_callback(answer.aclose)
        self._pieces: AsyncIterator[bytes] = answer.aiter_raw()
        return answered(answer, step.request, b"")

    async def peek(self, step: Peek) -> bytes:
        while len(self._head) < HEAD and (piece := await self._next()):
            self._head += piece
        return self._head

    async def piece(self) -> bytes:
        head, self._head = self._head, b""
        return head or await self._next()

    async def _next(self) -> bytes:
        with reported(self._sending):
            return await anext(self._pieces, b"")

    async def close(self) -> None:
        self._head = b""
        await self._open.aclose()


async def _in_thread(act: Callable[[], T]) -> T:
    """Let a thread act; who is cancelled meanwhile waits for it, since the file must not be closed under its hands."""
    job = asyncio.get_running_loop().run_in_executor(None, act)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait([job])
        raise
