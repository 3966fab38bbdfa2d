"""Receives webhooks: verify, record, acknowledge, and only then hand over. An ASGI app, and the same without a server.

    app = webhook_app(load("folder").triggers["webhook"], secret, handler)

Answers: 200 recorded, a repeat, or not wanted; the challenge's own answer; 400 signed but unreadable; 401 not signed;
405 not a POST; 413 too big; 503 could not be recorded, so that the vendor sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConnectorError, InputError, PayloadError, Problem, SignatureError
from ..stores.opening import open_store
from ..stores.store import Store
from .deliver import Deliveries, Handler, Pace, call
from .inbox import Held, Inbox
from .webhook import Headers, Notification, Secrets, Trigger, UrlValidation, usable

SecretSource = Secrets | Callable[[], Secrets]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
STORE = "sqlite:///webhooks.sqlite3"
LIMIT = 1024 * 1024  # bytes of a body
SHARE = 0.8  # of the time until the vendor gives up
logger = logging.getLogger("connector_runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What to answer: a status and a body, which is JSON if there is one."""

    status: int
    body: bytes = b""

    @property
    def headers(self) -> dict[str, str]:
        return {"content-type": "application/json"} if self.body else {}


class Receiver:
    """What a platform with a server of its own calls: `accept` for each request, `deliver` in a thread or process.

    `secrets` is a secret, several during a rotation, or a function that gives them. `store` is a store or its address.
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
        self.trigger = trigger
        self.limit = limit
        self.clock = clock
        self.inbox = inbox or Inbox(open_store(store) if isinstance(store, str) else store, trigger.key)
        oldest = trigger.window if window is None else window
        if oldest is not None and self.inbox.remember < oldest:
            what = f"must be at least {oldest:g} seconds: as long as the vendor's signature holds"
            raise InputError.of("the receiver", [Problem("remember", what)])
        self._secrets = secrets
        self._filter = trigger.filter(filter or {})
        self._disconnect = disconnect
        self._window = window
        for warning in self._filter.warnings:
            logger.warning("%s", warning)

    def accept(self, body: bytes, headers: Headers) -> Reply:
        """Verify and record one request, and say what to answer; it is delivered by `deliver`, wherever that runs."""
        reply, found = self.verified(body, headers)
        if found is not None:
            try:
                self.inbox.record(found.event_id, found.body, found.headers, self.clock())
            except Exception as error:
                return unrecorded(error)
        return reply

    def deliver(self, handler: Handler, pace: Pace | None = None, *, once: bool = False) -> None:
        """Hand the events to `handler` until interrupted, or with `once` until nothing is due."""
        deliveries = self.deliveries(handler, pace)
        asyncio.run(deliveries.run_once() if once else deliveries.run())

    def verified(self, body: bytes, headers: Headers) -> tuple[Reply, Notification | None]:
        """The answer to a request, and the event to record before it is given; nothing is written."""
        if len(body) > self.limit:
            return problem(413, f"The body is larger than {self.limit} bytes."), None
        try:
            secrets = self._secrets() if callable(self._secrets) else self._secrets
            found = self.trigger.receive(body, headers, secrets, self.clock(), self._window)
        except SignatureError as error:
            logger.info("A webhook was refused: %s", error.message)
            return problem(401, error.message), None
        except PayloadError as error:
            logger.warning("A signed webhook cannot be read: %s", error.message)
            return problem(400, error.message), None
        except Exception as error:  # a fault of ours must not look like the vendor's: it would not send the event again
            logger.exception("A webhook cannot be verified (%s)", type(error).__name__)
            return problem(503, "The receiver is not set up."), None
        if isinstance(found, UrlValidation):
            return Reply(status=200, body=json.dumps(found.response).encode()), None
        wanted = self._filter.admits(found) or (found.disconnects and self._disconnect is not None)
        return Reply(status=self.trigger.reply_status), found if wanted else None

    def deliveries(self, handler: Handler, pace: Pace | None = None) -> Deliveries:
        """What hands the events to `handler`, and to `disconnect` those that end a connection."""
        disconnect = self._disconnect

        async def handle(held: Held) -> None:
            found = self.trigger.read(held.body, held.headers)
            if disconnect is not None and found.disconnects:
                await call(disconnect, found)
            if disconnect is None or self._filter.admits(found):
                await call(handler, found)

        return Deliveries(self.inbox, handle, pace or Pace(), self.clock)


def problem(status: int, message: str) -> Reply:
    return Reply(status=status, body=json.dumps({"message": message}).encode())


def unrecorded(error: BaseException) -> Reply:
    """The answer where an event could not be kept."""
    said = error if isinstance(error, ConnectorError) else type(error).__name__
    logger.error("A webhook could not be recorded, the vendor is asked to send it again: %s", said)
    return problem(503, "The event could not be recorded; send it again.")


def webhook_app(
    trigger: Trigger, secrets: SecretSource, handler: Handler, *, pace: Pace | None = None, **options: Any
) -> WebhookApp:
    """An ASGI app that receives a trigger's webhooks at whatever path it is mounted.

    `handler` is called with one `Notification` for each event, at least once; it may be a coroutine function. `pace`
    says how, `options` are those of `Receiver`. Raises `InputError` for an empty secret, `StoreError` for a store that
    fails.
    """
    return WebhookApp(Receiver(trigger, secrets, **options), handler, pace)


@dataclass(slots=True)
class WebhookApp:
    """The ASGI app; deliveries start with the server, or with the first request where the server tells of no start."""

    receiver: Receiver
    handler: Handler
    pace: Pace | None = None
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
            reply = await self._answer(scope, receive)
            headers = [(name.encode(), said.encode()) for name, said in reply.headers.items()]
            headers.append((b"content-length", str(len(reply.body)).encode()))
            if reply.status == 405:
                headers.append((b"allow", b"POST"))
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await send({"type": "http.response.body", "body": reply.body})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> Reply:
        if scope["method"] != "POST":
            return problem(405, "Webhooks come as POST.")
        try:
            async with asyncio.timeout(self.receiver.trigger.reply_within * SHARE):
                body = await self._body(scope["headers"], receive)
                if body is None:
                    return problem(413, f"The body is larger than {self.receiver.limit} bytes.")
                reply, found = self.receiver.verified(body, scope["headers"])
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
                with contextlib.suppress(asyncio.CancelledError):
                    await self._task
