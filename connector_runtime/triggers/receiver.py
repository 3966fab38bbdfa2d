"""Receives webhooks: verify, record, acknowledge, and only then hand over. An ASGI app, and the same without a server.

    app = webhook_app(load("folder").triggers["webhook"], secret, handler)

Answers: 200 recorded, a repeat, not wanted, or signed but unreadable for good; the challenge's own answer; 401 not
signed; 405 not a POST; 503 could not be judged or recorded here, so that the vendor sends it again.

A handler is a function, or a coroutine function, of one `Notification`; it fails if it raises or takes longer than
`timeout`. It may see an event twice, where a process died right after it ended; `event_id` is then the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, cast

from ..errors import ConnectorError, InputError, PayloadError, Problem, SignatureError, StoreError
from ..stores.databases import open_store
from ..stores.store import Store
from ..structs import shows
from .inbox import Inbox, InboxEntry
from .webhook import Headers, Notification, Secrets, Trigger, UrlValidation, usable

T = TypeVar("T")
Handler = Callable[[Notification], Awaitable[object] | object]
SecretSource = Secrets | Callable[[], Secrets]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
STORE = "sqlite:///webhooks.sqlite3"
LIMIT = 8 * 1024 * 1024  # bytes of a body
LARGE = 64 * 1024  # bytes of a body that is judged in a thread: anybody may send it, and there may be many secrets
SHARE = 0.8  # of the time until the vendor gives up
REST = 5.0  # seconds at most between two looks that are slow
PURGE = 3600.0  # seconds between two looks for marks that may be forgotten
logger = logging.getLogger("connector_runtime")


@shows("status")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Reply:
    """The answer to a webhook: an HTTP status, and a body, which is JSON if there is one."""

    status: int
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers to answer with; a server adds the length."""
        return {"content-type": "application/json"} if self.body else {}


class Receiver:
    """What a platform with a server of its own calls: `accept` for each request, `deliver` in a thread or process.

    `secrets` is a secret, several during a rotation, those of several apps by client id, or a function that gives them.
    `store` is a store or its address. `limit` is how many bytes a body may have.
    `filter` narrows what is recorded to what the flow wants. `disconnect` is called, like the handler, for the event
    that says that an account has taken its consent back.
    """

    def __init__(
        self,
        trigger: Trigger,
        secrets: SecretSource,
        *,
        store: Store | str = STORE,
        filter: Mapping[str, Any] | None = None,
        disconnect: Handler | None = None,
        window: float | None = None,
        limit: int = LIMIT,
        inbox: Inbox | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not callable(secrets):
            usable(secrets)
        self.trigger, self.limit, self.clock = trigger, limit, clock
        self.inbox = inbox or Inbox(open_store(store) if isinstance(store, str) else store, trigger.key)
        oldest = trigger.window if window is None else window
        if oldest is not None and self.inbox.remember < oldest:
            what = f"must be at least {oldest:g} seconds: as long as the vendor's signature holds"
            raise InputError.of("the receiver", [Problem("remember", what)])
        self._secrets, self._window = secrets, window
        self.filter, self.disconnect = trigger.filter(filter or {}), disconnect
        for warning in self.filter.warnings:
            logger.warning("%s", warning)

    def accept(self, body: bytes, headers: Headers) -> Reply:
        """Verify and record one request, and say what to answer; it is delivered by `deliver`, wherever that runs."""
        reply, found = self.verified(body, headers)
        if found is not None:
            try:
                self.inbox.record(found.event_id, found.body, found.headers, self.clock(), sender=found.sender)
            except Exception as error:
                return unrecorded(error)
        return reply

    def deliver(self, handler: Handler, pace: DeliverySettings | None = None, *, once: bool = False) -> None:
        """Hand the events to `handler` until interrupted, or with `once` until nothing is due."""
        deliveries = self.deliveries(handler, pace)
        asyncio.run(deliveries.run_once() if once else deliveries.run())

    def deliveries(self, handler: Handler, pace: DeliverySettings | None = None) -> Deliveries:
        """What delivers, as coroutines for a loop of the platform's own."""
        return Deliveries(self, handler, pace)

    def verified(self, body: bytes, headers: Headers) -> tuple[Reply, Notification | None]:
        """The answer to a request, and the event to record before it is given; nothing is written."""
        if len(body) > self.limit:
            return self.too_large(), None
        try:
            secrets = self._secrets() if callable(self._secrets) else self._secrets
            found = self.trigger.receive(body, headers, secrets, self.clock(), self._window)
        except SignatureError as error:
            logger.info("A webhook was refused: %s", error.message)
            return problem(401, error.message), None
        except PayloadError as error:  # a repeat would say the same
            logger.error("A signed webhook of %d bytes cannot be read and is dropped: %s", len(body), error.message)
            return Reply(status=self.trigger.reply_status), None
        except InputError as error:  # a fault of ours must not look like the vendor's, who would not come again
            logger.warning("A webhook cannot be verified, the vendor is asked to send it again: %s", error)
            return problem(503, "The receiver is not set up."), None
        except Exception as error:
            logger.exception("A webhook cannot be verified (%s)", type(error).__name__)
            return problem(503, "The receiver is not set up."), None
        if isinstance(found, UrlValidation):
            return Reply(status=200, body=json.dumps(found.response).encode()), None
        wanted = self.filter.admits(found) or (found.disconnects and self.disconnect is not None)
        return Reply(status=self.trigger.reply_status), found if wanted else None

    def too_large(self) -> Reply:
        """The answer to a body above the limit: the vendor sends it again, by when the limit may be raised."""
        logger.error("A webhook has more than %d bytes, which is the limit here; raise it", self.limit)
        return problem(503, f"The body is larger than {self.limit} bytes.")


def problem(status: int, message: str) -> Reply:
    return Reply(status=status, body=json.dumps({"message": message}).encode())


def unrecorded(error: BaseException) -> Reply:
    """The answer where an event could not be kept."""
    said = error if isinstance(error, ConnectorError) else type(error).__name__
    logger.error("A webhook could not be recorded, the vendor is asked to send it again: %s", said)
    return problem(503, "The event could not be recorded; send it again.")


def webhook_app(
    trigger: Trigger, secrets: SecretSource, handler: Handler, *, pace: DeliverySettings | None = None, **options: Any
) -> WebhookApp:
    """An ASGI app that receives a trigger's webhooks at whatever path it stands: as a route, or mounted.

    `handler` is called with one `Notification` for each event, at least once, as `pace` says; `options` are those of
    `Receiver`. Raises `InputError` for an empty secret, `StoreError` for a store that fails.
    """
    return WebhookApp(Receiver(trigger, secrets, **options), handler, pace)


@dataclass(slots=True)
class WebhookApp:
    """The ASGI app; deliveries start with the server, or with the first request where the server tells of no start."""

    receiver: Receiver
    handler: Handler
    pace: DeliverySettings | None = None
    _deliveries: Deliveries | None = field(default=None, init=False)
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            async with self.delivering():
                await send({"type": "lifespan.startup.complete"})
                await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            reply = await self.answer(scope, receive)
            told = reply.headers | {"content-length": str(len(reply.body))}
            told |= {"allow": "POST"} if reply.status == 405 else {}
            headers = [(name.encode(), said.encode()) for name, said in told.items()]
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def answer(self, scope: Mapping[str, Any], receive: Receive) -> Reply:
        if scope["method"] != "POST":
            return problem(405, "Webhooks come as POST.")
        try:
            async with asyncio.timeout(self.receiver.trigger.reply_within * SHARE):
                body = await self._body(scope["headers"], receive)
                if body is None:
                    return self.receiver.too_large()
                judged = partial(self.receiver.verified, body, scope["headers"])
                reply, found = await asyncio.to_thread(judged) if len(body) > LARGE else judged()
                if found is not None:
                    await self._started().record(found)
                return reply
        except Exception as error:
            return unrecorded(error)

    async def _body(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes | None:
        """The whole body; None if it is too big, which is known before it is read where its length is told."""
        limit = self.receiver.limit
        for name, said in headers:
            if name == b"content-length" and said.isdigit() and int(said[:18]) > limit:
                return None
        body, is_more = bytearray(), True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the sender went away")
            body += message.get("body", b"")
            if len(body) > limit:
                return None
            is_more = message.get("more_body", False)
        return bytes(body)

    def _started(self) -> Deliveries:
        if self._deliveries is None or self._task is None or self._task.done():
            self._deliveries = self.receiver.deliveries(self.handler, self.pace)
            self._task = asyncio.create_task(self._deliveries.run())
        return self._deliveries

    @contextlib.asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver while it is open, and at the end let the handlers finish: for a server of which this is a part."""
        self._started()
        try:
            yield
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})  # its end is no cancellation of ours


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How events are delivered; all but the counts in seconds.

    `workers` handlers run at a time, each for at most `timeout`. A lease lasts `lease` and is renewed while a handler
    runs: so long does an event wait that a process took with it when it died. `poll` is between two looks for events
    that others left or that are due again; `grace` is how long a stop waits for handlers that run.
    """

    workers: int = 8
    timeout: float = 60.0
    lease: float = 20.0
    poll: float = 1.0
    grace: float = 5.0
    queue: int = 256  # events that may wait in memory; more wait in the store alone


class Deliveries:
    """Delivers until it is cancelled. One for each process; several may work on one inbox."""

    def __init__(self, receiver: Receiver, handler: Handler, pace: DeliverySettings | None = None) -> None:
        self._receiver, self._handler, self._pace = receiver, handler, pace or DeliverySettings()
        self._inbox, self._clock = receiver.inbox, receiver.clock
        self._queue: asyncio.Queue[InboxEntry] = asyncio.Queue()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def record(self, found: Notification) -> None:
        """Keep an event, and deliver it from here if there is room."""
        lease = self._pace.lease if self._queue.qsize() < self._pace.queue else 0.0
        about = (found.event_id, found.body, found.headers, self._clock(), lease, found.sender)
        event = await stored(self._inbox.record, *about)
        if event is not None and lease:
            self._queue.put_nowait(event)

    async def run(self) -> None:
        """Deliver until cancelled; then handlers that run may end, and every lease is given up."""
        tasks = [asyncio.create_task(self._work()) for _ in range(self._pace.workers)]
        tasks.append(asyncio.create_task(self._look()))
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._stopping = True
            for task in set(tasks) - self._busy:
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
        while taken := await stored(self._inbox.take, self._clock(), self._pace.lease, 1):
            await self._deliver(taken[0])
            count += 1
        return count

    async def _look(self) -> None:
        """Fill the queue with what others left and what is due again."""
        purged = self._clock()
        while True:
            started = time.monotonic()
            try:
                if self._queue.empty():
                    for event in await stored(self._inbox.take, self._clock(), self._pace.lease, self._pace.queue):
                        self._queue.put_nowait(event)
                if self._clock() - purged >= PURGE:
                    purged = self._clock()
                    await stored(self._inbox.forget, purged)
            except StoreError as error:
                logger.error("The inbox cannot be read, deliveries wait: %s", error)
            took = time.monotonic() - started
            await asyncio.sleep(max(self._pace.poll, min(5 * took, REST)))  # a long backlog leaves the store some rest

    async def _work(self) -> None:
        me = cast("asyncio.Task[None]", asyncio.current_task())
        while not self._stopping:
            event = await self._queue.get()
            self._busy.add(me)
            try:
                is_late = event.claimed - self._clock() < self._pace.lease / 2  # it waited long in the queue
                ours = await stored(self._inbox.renew, event, self._clock(), self._pace.lease) if is_late else event
                if ours is not None:
                    await self._deliver(ours)
            except StoreError as error:
                logger.error("Event %s waits in the store, which fails: %s", event.event_id, error)
            except Exception:
                logger.exception("A delivery broke off; its event stays in the inbox")
            finally:
                self._busy.discard(me)

    async def _deliver(self, event: InboxEntry) -> None:
        reason, event = await self._attempt(event)
        if reason is None:
            await self._record_outcome(self._inbox.done, event, self._clock())
            return
        was_last = await self._record_outcome(self._inbox.fail, event, self._clock(), reason)
        outcome = "it is put aside" if was_last else "it will be tried again"
        logger.warning("Event %s failed for the %d. time, %s", event.event_id, event.failures + 1, outcome)

    async def _attempt(self, event: InboxEntry) -> tuple[str | None, InboxEntry]:
        """Run the handler once: why it failed, or None; the lease is renewed while it runs."""
        started = time.monotonic()
        task = asyncio.create_task(self._handle(event))
        try:
            while not task.done():
                left = started + self._pace.timeout - time.monotonic()
                if left <= 0:
                    return f"The handler took longer than {self._pace.timeout:g} seconds.", event
                await asyncio.wait({task}, timeout=min(left, self._pace.lease / 2))
                if not task.done():
                    with contextlib.suppress(StoreError):
                        renewed = await stored(self._inbox.renew, event, self._clock(), self._pace.lease)
                        event = renewed or event
        except asyncio.CancelledError:
            await self._release(event)
            raise
        finally:
            if not task.done():
                task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
                task.cancel()  # a handler in a thread cannot be stopped: its thread is left to itself
        if task.cancelled():
            return "The handler was cancelled.", event
        error = task.exception()
        return (None if error is None else f"{type(error).__name__}: {error}"), event

    async def _handle(self, event: InboxEntry) -> None:
        """Let the handler have what the flow wants, and `disconnect` what ends a connection."""
        found = self._receiver.trigger.read(event.body, event.headers, event.sender)
        disconnect = self._receiver.disconnect
        if disconnect is not None and found.disconnects:
            await call(disconnect, found)
        if disconnect is None or self._receiver.filter.admits(found):
            await call(self._handler, found)

    async def _record_outcome(self, write: Callable[..., T], *arguments: Any) -> T:
        """Write what became of an event; while the store fails, try until it works: the handler has run already."""
        while True:
            try:
                return await stored(write, *arguments)
            except StoreError as error:
                logger.error("The inbox cannot be written, this is tried again: %s", error)
                await asyncio.sleep(self._pace.poll)

    async def _release(self, event: InboxEntry) -> None:
        with contextlib.suppress(StoreError):
            await stored(self._inbox.release, event)


async def call(handler: Handler, found: Notification) -> None:
    """Let a handler have an event: a coroutine function on this loop, any other in a thread that may outlive it."""
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
