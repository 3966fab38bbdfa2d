"""Deliveries where something fails on the way: the store, a handler that is cancelled, a stop amid everything."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import pytest

from connector_runtime.errors import StoreError
from connector_runtime.stores.store import Entry, MemoryStore
from connector_runtime.triggers import receiver as receiving
from connector_runtime.triggers.inbox import Inbox
from zoom_connector import DeliverySettings, Notification, Receiver, Trigger, webhook_app

from .conftest import NOW, SECRET, event, signed, until

FAST = DeliverySettings(workers=1, lease=1.0, poll=0.01, timeout=5.0, grace=0.2)


class Failing(MemoryStore):
    """A store of which a part fails a few times, as a database does that is being restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: dict[str, int] = {}
        self.failed: list[str] = []

    def _perhaps(self, what: str, key: str) -> None:
        for part, left in self.fails.items():
            kind, _, room = part.partition(" ")
            if left and kind == what and room in key:
                self.fails[part] -= 1
                self.failed.append(part)
                raise StoreError("The disk is away.", hint="Look after it.", retriable=True)

    def read(self, key: str) -> Entry | None:
        self._perhaps("read", key)
        return super().read(key)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        self._perhaps("put", key)
        return super().put(key, value, version)

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        self._perhaps("scan", prefix)
        return super().scan(prefix, after, limit)


def accepted(receiver: Receiver, *numbers: int) -> None:
    for number in numbers:
        body = event(number)
        assert receiver.accept(body, signed(body, receiver.clock())).status == 200


def run_until(receiver: Receiver, handler: Any, true: Callable[[], Any], pace: DeliverySettings = FAST) -> None:
    """Deliver until something is true, then stop."""

    async def run() -> None:
        task = asyncio.create_task(receiver.deliveries(handler, pace).run())
        async with asyncio.timeout(20):
            while not true():
                await asyncio.sleep(0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_store_that_fails_when_an_event_is_recorded_is_a_503(
    trigger: Trigger, caplog: pytest.LogCaptureFixture
) -> None:
    store, body = Failing(), event(1)
    receiver = Receiver(trigger, SECRET, store=store)
    store.fails = {"put waiting": 1}
    reply = receiver.accept(body, signed(body, time.time()))
    assert (reply.status, reply.body) == (503, b'{"message": "The event could not be recorded; send it again."}')
    assert "could not be recorded; the vendor is asked to send it again: The disk is away." in caplog.text
    assert receiver.accept(body, signed(body, time.time())).status == 200


def test_secrets_that_cannot_be_asked_for_are_a_503_and_never_a_401(
    trigger: Trigger, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> str:
        raise OSError("the secret manager is away")

    reply = Receiver(trigger, away, store=MemoryStore()).accept(event(1), signed(event(1), time.time()))
    assert (reply.status, reply.body) == (503, b'{"message": "The receiver is not set up."}')
    assert [said.levelname for said in caplog.records] == ["ERROR"] and "(OSError)" in caplog.text


def test_a_filter_that_is_probably_mistyped_is_told_at_the_start(
    trigger: Trigger, caplog: pytest.LogCaptureFixture
) -> None:
    Receiver(trigger, SECRET, store=MemoryStore(), filter={"event": "meeting.strated"})
    assert "Did you mean 'meeting.started'?" in caplog.text


def test_a_store_that_fails_after_the_handler_is_asked_until_it_works_and_the_handler_ran_once(
    trigger: Trigger, caplog: pytest.LogCaptureFixture
) -> None:
    store, seen = Failing(), list[Notification]()
    receiver = Receiver(trigger, SECRET, store=store)
    accepted(receiver, 1)
    store.fails = {"put done": 3}
    run_until(receiver, seen.append, lambda: store.scan("inbox/webhook/done/") and not list(receiver.inbox.waiting()))
    assert (len(seen), store.failed) == (1, ["put done"] * 3)
    assert caplog.text.count("The inbox cannot be written; trying again: The disk is away.") == 3


def test_an_inbox_that_cannot_be_read_is_looked_at_again(trigger: Trigger, caplog: pytest.LogCaptureFixture) -> None:
    store, seen = Failing(), list[Notification]()
    receiver = Receiver(trigger, SECRET, store=store)
    accepted(receiver, 1)
    store.fails = {"scan waiting": 2}
    run_until(receiver, seen.append, lambda: seen)
    assert caplog.text.count("The inbox cannot be read; deliveries wait: The disk is away.") == 2


BROKEN = [
    (StoreError("The disk is away."), "stays in the store, which has failed: The disk"),
    (KeyError("x"), "A delivery failed; its event stays"),
]


@pytest.mark.parametrize(("error", "says"), BROKEN)
def test_an_event_whose_claim_cannot_be_renewed_is_left_to_be_taken_again(
    trigger: Trigger, caplog: pytest.LogCaptureFixture, error: Exception, says: str
) -> None:
    """The second waits behind the first for more than half of its lease, so it is claimed anew before its handler."""
    seen, now, broken = list[str | None](), [time.time()], [error]

    class Broken(Inbox):
        def renew(self, event: Any, at: float, lease: float) -> Any:
            if broken and event.claimed > 0 and seen:
                raise broken.pop()
            return super().renew(event, at, lease)

    receiver = Receiver(trigger, SECRET, inbox=Broken(MemoryStore(), trigger.key), clock=lambda: now[0])

    def handler(found: Notification) -> None:
        seen.append(found.object)
        now[0] += 15  # of a lease of 20

    accepted(receiver, 1)
    now[0] += 1
    accepted(receiver, 2)
    pace = DeliverySettings(workers=1, lease=20.0, poll=0.01, timeout=5.0, grace=0.2)

    def waits() -> bool:
        if says in caplog.text:
            now[0] += 1  # until the lease is over
        return len(seen) == 2

    run_until(receiver, handler, waits, pace)
    assert seen == ["1", "2"] and says in caplog.text


def test_a_handler_that_cancels_itself_has_failed(trigger: Trigger) -> None:
    async def cancelled(found: Notification) -> None:
        raise asyncio.CancelledError

    receiver = Receiver(trigger, SECRET, inbox=Inbox(MemoryStore(), trigger.key, pauses=()))
    accepted(receiver, 1)
    receiver.deliver(cancelled, FAST, once=True)
    (event,) = receiver.inbox.aside()
    assert event.reason == "The handler was cancelled."


def test_a_handler_may_be_a_partial_of_a_coroutine_function(trigger: Trigger) -> None:
    seen: list[Any] = []

    async def handler(word: str, found: Notification) -> None:
        seen.append((word, found.object, threading.current_thread() is threading.main_thread()))

    receiver = Receiver(trigger, SECRET, store=MemoryStore())
    accepted(receiver, 1)
    receiver.deliver(partial(handler, "x"), FAST, once=True)
    assert seen == [("x", "1", True)]


def test_marks_are_forgotten_once_an_hour(trigger: Trigger) -> None:
    now, store = [time.time()], MemoryStore()
    inbox = Inbox(store, trigger.key, remember=7000)
    receiver = Receiver(trigger, SECRET, inbox=inbox, clock=lambda: now[0])
    accepted(receiver, 1)
    receiver.deliver(lambda found: None, FAST, once=True)
    looks: list[int] = []

    def forgotten() -> bool:
        looks.append(len(store.scan("inbox/webhook/done/")))
        now[0] += 700 if len(looks) % 5 == 0 else 0
        return not looks[-1]

    began = now[0]
    run_until(receiver, print, forgotten)
    assert 7000 < now[0] - began < 7000 + receiving.PURGE_INTERVAL + 1500


def test_a_server_that_stops_ends_deliveries_without_a_word_and_leaves_its_own_cancellation_alone(
    trigger: Trigger, caplog: pytest.LogCaptureFixture
) -> None:
    async def stop() -> tuple[bool, bool]:
        app = webhook_app(trigger, SECRET, print, store=MemoryStore(), pace=FAST)
        async with app.delivering():
            await asyncio.sleep(0)
            task = app._task
        assert task is not None
        return task.cancelled(), asyncio.current_task().cancelling() > 0  # type: ignore[union-attr]

    assert asyncio.run(stop()) == (True, False)
    assert caplog.records == []


def test_who_cancels_the_server_while_deliveries_end_is_heard(trigger: Trigger) -> None:
    """What is cancelled is the server's own task: to swallow that would keep it running."""
    started, go = asyncio.Event(), threading.Event()

    async def slow(found: Notification) -> None:
        started.set()
        await asyncio.sleep(3600)

    async def run() -> None:
        app = webhook_app(
            trigger, SECRET, slow, store=MemoryStore(), pace=DeliverySettings(workers=1, grace=3600, timeout=3600)
        )

        async def serve() -> None:
            async with app.delivering():
                await app._start().record(app.receiver.trigger.read(event(1), {}))
                await started.wait()

        server = asyncio.create_task(serve())
        await started.wait()
        await asyncio.sleep(0.05)  # it waits for the handler that runs
        server.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(10):
                await server
        assert app._task is not None
        app._task.cancel()
        for each in list(app._deliveries._busy):  # type: ignore[union-attr]
            each.cancel()
        await asyncio.wait({app._task})
        go.set()

    asyncio.run(run())
    assert go.is_set()


def test_the_lifespan_of_a_server_is_followed_and_a_websocket_is_closed(trigger: Trigger) -> None:
    async def run() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        app = webhook_app(trigger, SECRET, print, store=MemoryStore(), pace=FAST)
        told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

        async def receive() -> Any:
            return next(told)

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await app({"type": "lifespan"}, receive, send)
        assert app._task is not None and app._task.done()
        await app({"type": "websocket"}, receive, send)
        await app({"type": "of another day"}, receive, send)
        return sent

    assert asyncio.run(run()) == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
        {"type": "websocket.close", "code": 1000},
    ]


def test_a_stop_amid_events_gives_back_what_is_queued_and_what_runs(trigger: Trigger) -> None:
    store, started = MemoryStore(), threading.Event()

    async def slow(found: Notification) -> None:
        started.set()
        await asyncio.sleep(3600)

    receiver = Receiver(trigger, SECRET, store=store)
    accepted(receiver, 1, 2, 3)
    run_until(
        receiver, slow, started.is_set, DeliverySettings(workers=1, lease=3600.0, timeout=3600, poll=0.01, grace=0.05)
    )
    assert until(lambda: [held.claimed for held in receiver.inbox.waiting()] == [0.0, 0.0, 0.0])
    assert [held.failures for held in receiver.inbox.waiting()] == [0, 0, 0]


def test_a_pace_is_unhurried_where_nothing_else_is_said(trigger: Trigger) -> None:
    assert asdict(DeliverySettings()) == {"workers": 8, "timeout": 60, "lease": 20, "poll": 1, "grace": 5, "queue": 256}
    assert Receiver(trigger, SECRET, store=MemoryStore()).limit == 8 * 1024 * 1024


def test_every_answer_says_what_it_is(trigger: Trigger, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(trigger, SECRET, store=MemoryStore(), limit=400, clock=lambda: NOW)
    body = event(1)
    wrong = {**signed(body), "x-zm-signature": "v0=00"}
    for content, headers, status, said in (
        (body, signed(body), 200, b""),
        (b"[1]", signed(b"[1]"), 200, b""),
        (b" " * 401, {}, 503, b'{"message": "The body is larger than 400 bytes."}'),
        (body, wrong, 401, b'{"message": "The x-zm-signature header does not match the body."}'),
        (body, signed(body, NOW + 301), 503, b'{"message": "The receiver is not set up."}'),
    ):
        reply = receiver.accept(content, headers)
        assert (reply.status, reply.body) == (status, said)
        assert reply.headers == ({"content-type": "application/json"} if said else {})
    assert receiver.accept(b" " * 400, {}).status == 401
    assert [event.received for event in receiver.inbox.waiting()] == [NOW]
    app = webhook_app(trigger, SECRET, print, store=MemoryStore())
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "GET", "headers": []}, None, send))  # type: ignore[arg-type]
    told = b'{"message": "Webhooks must be sent with POST."}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(told)).encode()),
        (b"allow", b"POST"),
    ]
    assert sent == [
        {"type": "http.response.start", "status": 405, "headers": headers},
        {"type": "http.response.body", "body": told},
    ]
