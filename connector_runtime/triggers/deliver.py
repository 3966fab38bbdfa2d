"""Hands the events of an inbox to a handler: at least once, again with pauses when it fails. Uses asyncio; no HTTP.

A handler is a function, or a coroutine function, of one `Notification`. What it raises, and what takes longer than
`timeout`, is a failure. It may see an event a second time, where a process died between the handler's end and the
mark of it; `event_id` is then the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ..errors import StoreError
from .inbox import Held, Inbox
from .webhook import Notification

T = TypeVar("T")
Handler = Callable[[Notification], Awaitable[object] | object]
logger = logging.getLogger("connector_runtime")

REST = 5.0  # seconds at most between two looks that are slow
PURGE = 3600.0  # seconds between two looks for marks that may be forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How events are delivered; all but the counts in seconds.

    `workers` handlers run at a time, each for at most `timeout`. A claim lasts `claim` and is renewed while a handler
    runs: so long does an event wait that a process took with it when it died. `poll` is between two looks for events
    that others left or that are due again; `grace` is how long a stop waits for handlers that run.
    """

    workers: int = 8
    timeout: float = 60.0
    claim: float = 20.0
    poll: float = 1.0
    grace: float = 5.0
    queue: int = 256  # events that may wait in memory; more wait in the store alone


class Deliveries:
    """Delivers until it is cancelled. One for each process; several may work on one inbox."""

    def __init__(
        self, inbox: Inbox, handle: Callable[[Held], Coroutine[Any, Any, None]], pace: Pace, clock: Callable[[], float]
    ) -> None:
        self._inbox = inbox
        self._handle = handle
        self._pace = pace
        self._clock = clock
        self._queue: asyncio.Queue[Held] = asyncio.Queue()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def room(self) -> int:
        """How many more events may wait in memory."""
        return max(0, self._pace.queue - self._queue.qsize())

    async def record(self, found: Notification) -> None:
        """Keep an event, and deliver it from here if there is room."""
        claim = self._pace.claim if self.room else 0.0
        held = await stored(self._inbox.record, found.event_id, found.body, found.headers, self._clock(), claim)
        if held is not None and claim:
            self._queue.put_nowait(held)

    async def run(self) -> None:
        """Deliver until cancelled; then handlers that run may end, and every claim is given up."""
        tasks = [asyncio.create_task(self._work()) for _ in range(self._pace.workers)]
        tasks.append(asyncio.create_task(self._look()))
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._stopping = True
            for task in tasks:
                if task not in self._busy:
                    task.cancel()
            if self._busy:
                await asyncio.wait(self._busy, timeout=self._pace.grace)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            while not self._queue.empty():
                await self._release(self._queue.get_nowait())

    async def run_once(self) -> int:
        """Deliver what is due now, one after the other; returns how many events were tried."""
        count = 0
        while taken := await stored(self._inbox.take, self._clock(), self._pace.claim, 1):
            await self._deliver(taken[0])
            count += 1
        return count

    async def _look(self) -> None:
        """Fill the queue with what others left and what is due again."""
        purged = self._clock()
        while True:
            started = time.monotonic()
            try:
                while (room := self.room) and self._queue.empty():
                    taken = await stored(self._inbox.take, self._clock(), self._pace.claim, room)
                    for held in taken:
                        self._queue.put_nowait(held)
                    if len(taken) < room:
                        break
                if self._clock() - purged >= PURGE:
                    purged = self._clock()
                    await stored(self._inbox.forget, purged)
            except StoreError as error:
                logger.error("The inbox cannot be read, deliveries wait: %s", error)
            took = time.monotonic() - started
            await asyncio.sleep(max(self._pace.poll, min(5 * took, REST)))  # a long backlog leaves the store some rest

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        while not self._stopping:
            held = await self._queue.get()
            self._busy.add(me)
            try:
                is_late = held.claimed - self._clock() < self._pace.claim / 2  # it waited long in the queue
                ours = await stored(self._inbox.renew, held, self._clock(), self._pace.claim) if is_late else held
                if ours is not None:
                    await self._deliver(ours)
            except StoreError as error:
                logger.error("Event %s waits in the store, which fails: %s", held.event_id, error)
            except Exception:
                logger.exception("A delivery broke off; its event stays in the inbox")
            finally:
                self._busy.discard(me)

    async def _deliver(self, held: Held) -> None:
        reason, held = await self._attempt(held)
        if reason is None:
            await self._settle(partial(self._inbox.done, held, self._clock()))
            return
        was_last = await self._settle(partial(self._inbox.fail, held, self._clock(), reason))
        outcome = "it is put aside" if was_last else "it will be tried again"
        logger.warning("Event %s failed for the %d. time, %s", held.event_id, held.failures + 1, outcome)

    async def _attempt(self, held: Held) -> tuple[str | None, Held]:
        """Run the handler once: why it failed, or None; the claim is renewed while it runs."""
        started = time.monotonic()
        task = asyncio.create_task(self._handle(held))
        try:
            while not task.done():
                left = started + self._pace.timeout - time.monotonic()
                if left <= 0:
                    return f"The handler took longer than {self._pace.timeout:g} seconds.", held
                await asyncio.wait({task}, timeout=min(left, self._pace.claim / 2))
                if not task.done():
                    with contextlib.suppress(StoreError):
                        renewed = await stored(self._inbox.renew, held, self._clock(), self._pace.claim)
                        held = renewed or held
        except asyncio.CancelledError:
            await self._release(held)
            raise
        finally:
            if not task.done():
                task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
                task.cancel()  # a handler in a thread cannot be stopped: its thread is left to itself
        if task.cancelled():
            return "The handler was cancelled.", held
        error = task.exception()
        return (None if error is None else f"{type(error).__name__}: {error}"), held

    async def _settle(self, write: Callable[[], T]) -> T:
        """Write what became of an event; while the store fails, try until it works: the handler has run already."""
        while True:
            try:
                return await stored(write)
            except StoreError as error:
                logger.error("The inbox cannot be written, this is tried again: %s", error)
                await asyncio.sleep(self._pace.poll)

    async def _release(self, held: Held) -> None:
        with contextlib.suppress(StoreError):
            await stored(self._inbox.release, held)


async def call(handler: Handler, found: Notification) -> None:
    """Let a handler have an event: a coroutine function on this loop, any other in a thread of its own, which does not
    keep the process from ending if it hangs.
    """
    inner: Any = handler
    while isinstance(inner, partial):
        inner = inner.func
    if inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None)):  # noqa: B004
        await handler(found)  # type: ignore[misc]
        return
    outcome: Future[Any] = Future()

    def work() -> None:
        try:
            outcome.set_result(handler(found))
        except BaseException as error:
            outcome.set_exception(error)

    outcome.set_running_or_notify_cancel()  # so that the thread may end whenever it wants
    threading.Thread(target=work, name="webhook", daemon=True).start()
    await asyncio.wrap_future(outcome)


_stores = ThreadPoolExecutor(max_workers=4, thread_name_prefix="inbox")


async def stored(function: Callable[..., T], *arguments: Any) -> T:
    """Call the store in one of a few threads; a call that nobody waits for any more is not begun."""
    return await asyncio.get_running_loop().run_in_executor(_stores, partial(function, *arguments))
