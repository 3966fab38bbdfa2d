"""Receives webhooks: verifies, records and acknowledges each one, and only then delivers it. With or without ASGI.

    app = webhook_app(load("folder").triggers["webhook"], secret, handler)

The response to a challenge is its proof. An event that was recorded, is a repeat, does not pass the filter, or is
signed but unreadable gets the trigger's `reply` status (200). Unsigned requests get 401, methods other than POST 405,
and events that cannot be verified or recorded here 503, so the vendor sends them again.

A handler is a function or coroutine function that takes a `Notification`; it fails if it raises or exceeds `timeout`.
If a process dies right after its handler ends, the event is delivered again, with the same `event_id`.
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
from ..structs import Struct, shows
from .inbox import Inbox, InboxEntry
from .webhook import Headers, Notification, Secrets, Trigger, UrlValidation, usable

T = TypeVar("T")
Handler = Callable[[Notification], Awaitable[object] | object]
SecretSource = Secrets | Callable[[], Secrets]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
STORE = "sqlite:///webhooks.sqlite3"
LIMIT = 8 * 1024 * 1024  # bytes of a body
LARGE_BODY = 64 * 1024  # bytes; larger bodies are verified in a thread, because anyone can send them
TIME_SHARE = 0.8  # of the vendor's timeout
MAX_PAUSE = 5.0  # seconds after a slow read of the inbox
PURGE_INTERVAL = 3600.0  # seconds between two purges of the ids of handled events
logger = logging.getLogger("connector_runtime")


@shows("status")
class Reply(Struct):
    """The response to a webhook: an HTTP status, and a body that is JSON or empty."""

    status: int
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the response, without Content-Length, which the server adds."""
        return {"content-type": "application/json"} if self.body else {}


class Receiver:
    """The receiver for a platform with its own server: call `accept` per request, and `deliver` in a thread or process.

    `secrets` is one secret, several secrets during a rotation, a mapping of client ids to secrets, or a function that
    returns any of these. `store` is a store or its URL. `limit` is the maximum body size in bytes. `filter` selects the
    events that the flow wants. `disconnect` is a second handler, for events that withdraw consent.
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
            what = f"must be at least {oldest:g} seconds: as long as the vendor's signature is valid"
            raise InputError.of("the receiver", [Problem("remember", what)])
        self._secrets, self._window = secrets, window
        self.filter, self.disconnect = trigger.filter(filter or {}), disconnect
        for warning in self.filter.warnings:
            logger.warning("%s", warning)

    def accept(self, body: bytes, headers: Headers) -> Reply:
        """Verify and record one request, and return the response. `deliver`, in any process, delivers the event."""
        reply, event = self.verified(body, headers)
        if event is not None:
            try:
                self.inbox.record(event.event_id, event.body, event.headers, self.clock(), sender=event.sender)
            except Exception as error:
                return unrecorded(error)
        return reply

    def deliver(self, handler: Handler, pace: DeliverySettings | None = None, *, once: bool = False) -> None:
        """Deliver events to `handler` until interrupted or, with `once`, until none is due."""
        deliveries = self.deliveries(handler, pace)
        asyncio.run(deliveries.run_once() if once else deliveries.run())

    def deliveries(self, handler: Handler, pace: DeliverySettings | None = None) -> Deliveries:
        """Return the deliveries as coroutines, for the platform's own event loop."""
        return Deliveries(self, handler, pace)

    def verified(self, body: bytes, headers: Headers) -> tuple[Reply, Notification | None]:
        """Return the response to a request, and the event to record before responding. Writes nothing."""
        if len(body) > self.limit:
            return self.too_large(), None
        try:
            secrets = self._secrets() if callable(self._secrets) else self._secrets
            message = self.trigger.receive(body, headers, secrets, self.clock(), self._window)
        except SignatureError as error:
            logger.info("A webhook was refused: %s", error.message)
            return problem(401, error.message), None
        except PayloadError as error:  # sending it again would not help
            logger.error("A signed webhook of %d bytes cannot be read and is dropped: %s", len(body), error.message)
            return Reply(status=self.trigger.reply_status), None
        except InputError as error:  # our fault; after a 401 the vendor would not send it again
            logger.warning("A webhook cannot be verified; the vendor is asked to send it again: %s", error)
            return problem(503, "The receiver is not set up."), None
        except Exception as error:
            logger.exception("A webhook cannot be verified (%s)", type(error).__name__)
            return problem(503, "The receiver is not set up."), None
        if isinstance(message, UrlValidation):
            return Reply(status=200, body=json.dumps(message.response).encode()), None
        is_wanted = self.filter.admits(message) or (message.disconnects and self.disconnect is not None)
        return Reply(status=self.trigger.reply_status), message if is_wanted else None

    def too_large(self) -> Reply:
        """Return the response to a body above the limit. The vendor sends it again, in case the limit is raised."""
        logger.error("A webhook has more than %d bytes; raise the limit to accept it", self.limit)
        return problem(503, f"The body is larger than {self.limit} bytes.")


def problem(status: int, message: str) -> Reply:
    return Reply(status=status, body=json.dumps({"message": message}).encode())


def unrecorded(error: BaseException) -> Reply:
    """Return the response to an event that could not be recorded, and log the reason."""
    reason = error if isinstance(error, ConnectorError) else type(error).__name__
    logger.error("A webhook could not be recorded; the vendor is asked to send it again: %s", reason)
    return problem(503, "The event could not be recorded; send it again.")


def webhook_app(
    trigger: Trigger, secrets: SecretSource, handler: Handler, *, pace: DeliverySettings | None = None, **options: Any
) -> WebhookApp:
    """Return an ASGI app that receives a trigger's webhooks at any path, as a route or mounted.

    It calls `handler` with a `Notification`, at least once per event. `pace` holds the delivery settings, and `options`
    go to `Receiver`. Raises `InputError` for an empty secret, `StoreError` for a store that fails.
    """
    return WebhookApp(Receiver(trigger, secrets, **options), handler, pace)


@dataclass(slots=True)
class WebhookApp:
    """The ASGI app. Deliveries start with the server or, if it sends no lifespan events, with the first request."""

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
            headers = reply.headers | {"content-length": str(len(reply.body))}
            headers |= {"allow": "POST"} if reply.status == 405 else {}
            pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
            await send({"type": "http.response.body", "body": reply.body})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def answer(self, scope: Mapping[str, Any], receive: Receive) -> Reply:
        if scope["method"] != "POST":
            return problem(405, "Webhooks must be sent with POST.")
        try:
            async with asyncio.timeout(self.receiver.trigger.reply_within * TIME_SHARE):
                body = await self._body(scope["headers"], receive)
                if body is None:
                    return self.receiver.too_large()
                verify = partial(self.receiver.verified, body, scope["headers"])
                reply, event = await asyncio.to_thread(verify) if len(body) > LARGE_BODY else verify()
                if event is not None:
                    await self._start().record(event)
                return reply
        except Exception as error:
            return unrecorded(error)

    async def _body(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> bytes | None:
        """Return the body; None if it, or its Content-Length header, exceeds the limit."""
        limit = self.receiver.limit
        for name, value in headers:
            if name == b"content-length" and value.isdigit() and int(value[:18]) > limit:
                return None
        body, is_more = bytearray(), True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the sender disconnected")
            body += message.get("body", b"")
            if len(body) > limit:
                return None
            is_more = message.get("more_body", False)
        return bytes(body)

    def _start(self) -> Deliveries:
        if self._deliveries is None or self._task is None or self._task.done():
            self._deliveries = self.receiver.deliveries(self.handler, self.pace)
            self._task = asyncio.create_task(self._deliveries.run())
        return self._deliveries

    @contextlib.asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver events during the block, then let handlers finish; for a server that mounts this app."""
        self._start()
        try:
            yield
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})  # unlike `await`, this does not raise its cancellation


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """The settings of deliveries; times are in seconds.

    Up to `workers` handlers run concurrently, each for at most `timeout`. A lease lasts `lease` and is renewed while a
    handler runs; if the process dies, the event waits until the lease expires. `poll` is the interval between searches
    for events that other processes left behind or that are due again. Stopping waits up to `grace` for handlers.
    """

    workers: int = 8
    timeout: float = 60.0
    lease: float = 20.0
    poll: float = 1.0
    grace: float = 5.0
    queue: int = 256  # maximum number of events in memory; more events wait in the store


class Deliveries:
    """Delivers events in one process until cancelled. Several processes may share an inbox."""

    def __init__(self, receiver: Receiver, handler: Handler, pace: DeliverySettings | None = None) -> None:
        self._receiver, self._handler, self._pace = receiver, handler, pace or DeliverySettings()
        self._inbox, self._clock = receiver.inbox, receiver.clock
        self._queue: asyncio.Queue[InboxEntry] = asyncio.Queue()
        self._busy: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def record(self, event: Notification) -> None:
        """Record an event, and deliver it from this process if the queue has room."""
        lease = self._pace.lease if self._queue.qsize() < self._pace.queue else 0.0
        arguments = (event.event_id, event.body, event.headers, self._clock(), lease, event.sender)
        entry = await stored(self._inbox.record, *arguments)
        if entry is not None and lease:
            self._queue.put_nowait(entry)

    async def run(self) -> None:
        """Deliver until cancelled, then let running handlers end, and release every lease."""
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

    async def run_once(self) -> None:
        """Deliver the events that are due now, one after another."""
        while events := await stored(self._inbox.take, self._clock(), self._pace.lease, 1):
            await self._deliver(events[0])

    async def _look(self) -> None:
        """Fill the queue with events that other processes left or that are due again."""
        purged = self._clock()
        while True:
            started = time.monotonic()
            try:
                if self._queue.empty():
                    for event in await stored(self._inbox.take, self._clock(), self._pace.lease, self._pace.queue):
                        self._queue.put_nowait(event)
                if self._clock() - purged >= PURGE_INTERVAL:
                    purged = self._clock()
                    await stored(self._inbox.forget, purged)
            except StoreError as error:
                logger.error("The inbox cannot be read; deliveries wait: %s", error)
            elapsed = time.monotonic() - started
            await asyncio.sleep(max(self._pace.poll, min(5 * elapsed, MAX_PAUSE)))  # a backlog must not load the store

    async def _work(self) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        while not self._stopping:
            event = await self._queue.get()
            self._busy.add(task)
            try:
                is_late = event.claimed - self._clock() < self._pace.lease / 2  # after a long wait in the queue
                leased = await stored(self._inbox.renew, event, self._clock(), self._pace.lease) if is_late else event
                if leased is not None:
                    await self._deliver(leased)
            except StoreError as error:
                logger.error("Event %s stays in the store, which has failed: %s", event.event_id, error)
            except Exception:
                logger.exception("A delivery failed; its event stays in the inbox")
            finally:
                self._busy.discard(task)

    async def _deliver(self, event: InboxEntry) -> None:
        reason, event = await self._attempt(event)
        if reason is None:
            await self._record_outcome(self._inbox.done, event, self._clock())
            return
        was_last = await self._record_outcome(self._inbox.fail, event, self._clock(), reason)
        outcome = "it is put aside" if was_last else "it will be tried again"
        logger.warning("Event %s failed in attempt %d; %s", event.event_id, event.failures + 1, outcome)

    async def _attempt(self, event: InboxEntry) -> tuple[str | None, InboxEntry]:
        """Run the handler once, renewing the lease; return the reason of a failure, and the event with its lease."""
        started = time.monotonic()
        task = asyncio.create_task(self._handle(event))
        try:
            while not task.done():
                remaining = started + self._pace.timeout - time.monotonic()
                if remaining <= 0:
                    return f"The handler took longer than {self._pace.timeout:g} seconds.", event
                await asyncio.wait({task}, timeout=min(remaining, self._pace.lease / 2))
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
                task.cancel()  # a handler in a thread cannot be stopped and keeps running
        if task.cancelled():
            return "The handler was cancelled.", event
        error = task.exception()
        return (None if error is None else f"{type(error).__name__}: {error}"), event

    async def _handle(self, event: InboxEntry) -> None:
        """Call the handler if the flow wants the event, and `disconnect` if the event withdraws consent."""
        notification = self._receiver.trigger.read(event.body, event.headers, event.sender)
        disconnect = self._receiver.disconnect
        if disconnect is not None and notification.disconnects:
            await call(disconnect, notification)
        if disconnect is None or self._receiver.filter.admits(notification):
            await call(self._handler, notification)

    async def _record_outcome(self, write: Callable[..., T], *arguments: Any) -> T:
        """Write the outcome of an event, retrying while the store fails, because the handler has already run."""
        while True:
            try:
                return await stored(write, *arguments)
            except StoreError as error:
                logger.error("The inbox cannot be written; trying again: %s", error)
                await asyncio.sleep(self._pace.poll)

    async def _release(self, event: InboxEntry) -> None:
        with contextlib.suppress(StoreError):
            await stored(self._inbox.release, event)


async def call(handler: Handler, event: Notification) -> None:
    """Call a handler: a coroutine function on this loop, any other function in a thread that may outlive the loop."""
    inner: Any = handler
    while isinstance(inner, partial):
        inner = inner.func
    if inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None)):  # noqa: B004
        await handler(event)  # type: ignore[misc]
        return
    outcome: Future[Any] = Future()

    def work() -> None:
        try:
            outcome.set_result(handler(event))
        except BaseException as error:
            outcome.set_exception(error)

    outcome.set_running_or_notify_cancel()  # so the thread can set its outcome after a cancellation
    threading.Thread(target=work, name="webhook", daemon=True).start()
    await asyncio.wrap_future(outcome)


_stores = ThreadPoolExecutor(max_workers=4, thread_name_prefix="inbox")


async def stored(function: Callable[..., T], *arguments: Any) -> T:
    """Call the store in a small thread pool. A call that is cancelled before it starts does not run."""
    return await asyncio.get_running_loop().run_in_executor(_stores, partial(function, *arguments))
