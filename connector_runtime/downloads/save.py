"""One file to disk: performs what `fetch` wants, for threads and for asyncio, and keeps what arrives in a `Part`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from ..calls.files import File
from ..errors import TransportError
from ..http.pool import AsyncPool, Pool
from ..steps import Attempt, Now, Send, Token, Wait
from .fetch import Course, Fetch, Open, Peek, Store, Stored, fetch
from .part import Part
from .stream import AsyncStream, Stream

BATCH = 2**20  # bytes that asyncio collects before it writes them
LONGEST_HELD = 0.25  # seconds for which it does so
HEAD = 64 * 1024  # bytes of an answer that are looked at to see whether it is a refusal
T = TypeVar("T")


class Stopped(BaseException):
    """The caller is gone: leave the part as it is and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to save, and whom to tell. `progress` is told the file, the bytes that are there, and those of all."""

    file: File
    target: Path
    course: Course
    overwrite: bool
    progress: Callable[[File, int, int | None], object] | None
    observe: Callable[[Attempt], object] | None

    def begun(self, part: Part) -> Fetch:
        part.open()
        return fetch(self.file, self.course, part.size, part.mark)

    def told(self, part: Part) -> None:
        if self.progress is not None:
            total = part.mark.total if part.mark else None
            self.progress(self.file, part.size, self.file.size if total is None else total)

    def own(self, effect: object) -> datetime | None:
        """What needs neither network nor disk."""
        if isinstance(effect, Attempt) and self.observe is not None:
            self.observe(effect)
        return datetime.now(UTC) if isinstance(effect, Now) else None


def save(job: Job, grants: Callable[[Any], Mapping[str, str]], pool: Pool, stop: threading.Event) -> int:
    """Save one file; its size in bytes. When `stop` is set it ends with `Stopped` at the next piece or pause."""
    part, stream, head = Part(job.target), Stream(pool), b""
    try:
        course = job.begun(part)
        step: Callable[[Any], Any] = course.send
        value: Any = None
        while True:
            try:
                effect = step(value)
            except StopIteration as end:
                part.finish(job.overwrite)
                return int(end.value)
            step, value = course.send, None
            try:
                match effect:
                    case Open():
                        head = b""
                        value = stream.open(Send(effect.request, "read"))
                    case Peek():
                        while len(head) < HEAD and (piece := stream.piece()):
                            head += piece
                        value = head
                    case Store():
                        value, head = _stored(job, effect, part, stream, head, stop), b""
                    case Token():
                        value = grants(effect.rejected)
                    case Wait():
                        if stop.wait(effect.seconds):
                            raise Stopped
                    case _:
                        value = job.own(effect)
            except TransportError as error:
                step, value = course.throw, error
    finally:
        try:
            stream.close()
        finally:
            part.close()


def _stored(job: Job, effect: Store, part: Part, stream: Stream, head: bytes, stop: threading.Event) -> Stored:
    part.begin(effect.at, effect.mark)
    try:
        piece = head or stream.piece()
        while piece:
            part.write(piece)
            job.told(part)
            if stop.is_set():
                raise Stopped
            if effect.most is not None and part.size > effect.most:
                break
            piece = stream.piece()
    except TransportError as error:
        return Stored(part.size, error)
    return Stored(part.size)


async def save_async(job: Job, grants: Callable[[Any], Awaitable[Mapping[str, str]]], pool: AsyncPool) -> int:
    """The same for asyncio; the disk is written by threads, and cancelling stops at once."""
    part, stream, head = Part(job.target), AsyncStream(pool), b""
    try:
        course = job.begun(part)
        step: Callable[[Any], Any] = course.send
        value: Any = None
        while True:
            try:
                effect = step(value)
            except StopIteration as end:
                await _in_thread(lambda: part.finish(job.overwrite))
                return int(end.value)
            step, value = course.send, None
            try:
                match effect:
                    case Open():
                        head = b""
                        value = await stream.open(Send(effect.request, "read"))
                    case Peek():
                        while len(head) < HEAD and (piece := await stream.piece()):
                            head += piece
                        value = head
                    case Store():
                        value, head = await _stored_async(job, effect, part, stream, head), b""
                    case Token():
                        value = await grants(effect.rejected)
                    case Wait():
                        await asyncio.sleep(effect.seconds)
                    case _:
                        value = job.own(effect)
            except TransportError as error:
                step, value = course.throw, error
    finally:
        try:
            await stream.close()
        finally:
            part.close()


async def _stored_async(job: Job, effect: Store, part: Part, stream: AsyncStream, head: bytes) -> Stored:
    part.begin(effect.at, effect.mark)
    held, due, broke = bytearray(head), 0.0, None
    try:
        while piece := await stream.piece():
            held += piece
            if len(held) >= BATCH or time.monotonic() >= due:  # going to a thread for each piece takes twice the time
                ready, held = bytes(held), bytearray()
                await _in_thread(lambda ready=ready: part.write(ready))  # type: ignore[misc]
                job.told(part)
                due = time.monotonic() + LONGEST_HELD
            if effect.most is not None and part.size + len(held) > effect.most:
                break
    except TransportError as error:
        broke = error
    finally:
        part.write(held)
    job.told(part)
    return Stored(part.size, broke)


async def _in_thread(act: Callable[[], T]) -> T:
    """Let a thread act; who is cancelled meanwhile waits for it, since the file must not be closed under its hands."""
    job = asyncio.get_running_loop().run_in_executor(None, act)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait([job])
        raise
