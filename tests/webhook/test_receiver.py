"""The receiver behind a real HTTP server: what it answers, and what reaches the handler."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.errors import InputError
from connector_runtime.stores.databases import open_store
from connector_runtime.stores.store import MemoryStore
from connector_runtime.triggers.inbox import Inbox
from zoom_connector import DeliverySettings, Notification, Receiver, Trigger, webhook_app

from .conftest import SECRET, STARTED, Served, event, serving, signed, until

BODY = json.dumps(STARTED).encode()
FAST = DeliverySettings(lease=1.0, poll=0.05, timeout=0.3, grace=0.2)


class Seen(list[Notification]):
    """A handler that keeps what it is given."""

    def __call__(self, found: Notification) -> None:
        self.append(found)

    @property
    def ids(self) -> list[str | None]:
        return [found.object for found in self]


def store_of(folder: Path) -> str:
    return f"sqlite:///{folder}/inbox.sqlite3"


# -- what is answered ------------------------------------------------------------------------------------------------

FORGED = "x" + SECRET
BAD: dict[str, tuple[bytes, Callable[[float], dict[str, str]], int]] = {
    "no signature": (BODY, lambda now: {}, 401),
    "a wrong signature": (BODY, lambda now: signed(BODY, now, FORGED), 401),
    "no time": (BODY, lambda now: {"x-zm-signature": signed(BODY, now)["x-zm-signature"]}, 401),
    "an old time": (BODY, lambda now: signed(BODY, now - 6100), 401),
    "a future time of a forger": (BODY, lambda now: signed(BODY, now + 400, FORGED), 401),
    "a time that is no number": (BODY, lambda now: {**signed(BODY, now), "x-zm-request-timestamp": "soon"}, 401),
    "another body's signature": (BODY + b" ", lambda now: signed(BODY, now), 401),
    "a forged empty body": (b"", lambda now: {}, 401),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests_get_their_status_and_nothing_is_delivered(trigger: Trigger, name: str) -> None:
    body, headers, status = BAD[name]
    seen, store = Seen(), MemoryStore()
    with serving(webhook_app(trigger, SECRET, seen, store=store, pace=FAST)) as server:
        answered, said = server.post(body, headers(time.time()))
        assert answered == status
        assert SECRET.encode() not in said and json.loads(said)["message"]
        assert server.send(event(7)) == 200
        assert until(lambda: seen)
    assert seen.ids == ["7"]


@pytest.mark.parametrize("body", [b"", b"event=1", b"[1]", b'{"a":"\xff"}', b'{"a":1,"a":2}', b'{"a":NaN}'])
def test_what_is_signed_and_cannot_be_read_is_acknowledged_told_and_dropped(
    trigger: Trigger, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    store = MemoryStore()
    reply = Receiver(trigger, SECRET, store=store).accept(body, signed(body, time.time()))
    assert (reply.status, reply.body, store.scan("")) == (200, b"", [])  # a repeat would say the same
    (said,) = caplog.records
    assert said.levelname == "ERROR" and f"webhook of {len(body)} bytes cannot be read" in said.getMessage()


def test_a_clock_that_is_behind_is_our_fault_and_named(trigger: Trigger, caplog: pytest.LogCaptureFixture) -> None:
    reply = Receiver(trigger, SECRET, store=MemoryStore()).accept(BODY, signed(BODY, time.time() + 400))
    assert (reply.status, json.loads(reply.body)) == (503, {"message": "The receiver is not set up."})
    assert [said.levelname for said in caplog.records] == ["WARNING"]
    assert "This machine's clock is behind" in caplog.text and "Synchronise the clock" in caplog.text


def test_a_secret_that_was_copied_with_its_line_break_is_the_secret(trigger: Trigger) -> None:
    seen = Seen()
    for secrets in (f" {SECRET}\r\n", [f"{SECRET}\n", "the old one"], {"app": f"\t{SECRET} "}):
        receiver = Receiver(trigger, secrets, store=MemoryStore())
        assert receiver.accept(BODY, signed(BODY, time.time())).status == 200
        receiver.deliver(seen, once=True)
    assert [found.sender for found in seen] == [None, None, "app"]


def test_who_signed_an_event_is_known_by_the_secret(trigger: Trigger) -> None:
    seen, secrets = Seen(), {"one": ["new", "old"], "two": "other"}
    receiver = Receiver(trigger, secrets, store=MemoryStore())
    for number, secret in enumerate(["old", "other", "new"]):
        assert receiver.accept(event(number), signed(event(number), time.time(), secret)).status == 200
    assert receiver.accept(event(9), signed(event(9), time.time(), "one")).status == 401
    receiver.deliver(seen, once=True)
    assert {found.object: found.sender for found in seen} == {"0": "one", "1": "two", "2": "one"}


@pytest.mark.parametrize("secrets", [{}, {"one": []}, {"one": "a", "two": " "}, {"one": "a", "two": ["b", "a"]}])
def test_secrets_that_say_of_nobody_who_he_is_never_start(trigger: Trigger, secrets: Any) -> None:
    with pytest.raises(InputError, match="secrets"):
        Receiver(trigger, secrets, store=MemoryStore())


@pytest.mark.parametrize("path", ["/hook", "/hook/"])
def test_the_app_stands_at_its_address_with_and_without_the_slash(trigger: Trigger, path: str) -> None:
    """A mount alone answers the address without its slash with a redirect, which the vendor does not follow."""
    from fastapi import FastAPI
    from starlette.routing import Route

    seen = Seen()
    hook = webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=FAST)
    app = FastAPI()
    app.router.routes += [Route(path, hook) for path in ("/hook", "/hook/")]
    with serving(app) as server:
        for method, status in (("POST", 200), ("GET", 405)):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request(method, path, BODY, signed(BODY, time.time()))
            assert connection.getresponse().status == status
            connection.close()
        assert until(lambda: seen)


def test_a_body_that_is_too_big_is_asked_for_again_whether_or_not_its_length_is_told(
    trigger: Trigger, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), limit=1000)) as server:
        big = b'{"event":"' + b"x" * 1000 + b'"}'
        assert server.send(big) == 503  # a 413 would lose it for good
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("POST", "/", iter([big[:600], big[600:]]), signed(big, time.time()), encode_chunked=True)
        assert connection.getresponse().status == 503
        connection.close()
        fits = b'{"event":"' + b"x" * (1000 - 12) + b'"}'
        assert server.send(fits) == 200
        assert until(lambda: seen)
    assert len(seen) == 1
    assert caplog.text.count("more than 1000 bytes") == 2


def test_a_large_body_is_judged_beside_the_event_loop(trigger: Trigger) -> None:
    judges: list[str] = []

    def secrets() -> str:
        judges.append(threading.current_thread().name)
        return SECRET

    with serving(webhook_app(trigger, secrets, Seen(), store=MemoryStore())) as server:
        for size in (10, 100_000):
            assert server.send(b'{"event":"' + b"x" * size + b'"}') == 200
    assert len(set(judges)) == 2 and judges[1].startswith("asyncio_")


def test_only_post_is_spoken(trigger: Trigger) -> None:
    with serving(webhook_app(trigger, SECRET, Seen(), store=MemoryStore())) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")
        connection.close()


def test_a_sender_that_goes_away_amid_its_body_leaves_nothing_behind(trigger: Trigger) -> None:
    seen = Seen()
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=FAST)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as broken:
            broken.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        assert server.send(event(1)) == 200
        assert until(lambda: seen)
    assert seen.ids == ["1"]


def test_the_challenge_is_answered_and_not_delivered(trigger: Trigger) -> None:
    seen = Seen()
    body, expected = trigger.challenge("abc")  # type: ignore[misc]
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=FAST)) as server:
        status, said = server.post(body, signed(body, time.time()))
        assert (status, json.loads(said)) == (200, expected(SECRET))
        status, said = server.post(body, signed(body, time.time(), FORGED))
        assert status == 401 and b"encryptedToken" not in said
        server.send(event(1))
        assert until(lambda: seen)
    assert seen.ids == ["1"]


def test_an_event_that_no_list_knows_is_accepted_and_delivered(trigger: Trigger) -> None:
    seen = Seen()
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=FAST)) as server:
        assert server.send(b'{"event":"meeting.invented_tomorrow","payload":{"object":{"id":5}}}') == 200
        assert until(lambda: seen)
    assert (seen[0].event, seen[0].object) == ("meeting.invented_tomorrow", "5")


def test_an_empty_secret_never_starts_and_one_that_is_missing_later_asks_for_a_retry(trigger: Trigger) -> None:
    with pytest.raises(InputError):
        webhook_app(trigger, "", Seen(), store=MemoryStore())
    secrets = [""]
    seen = Seen()
    with serving(webhook_app(trigger, lambda: secrets[0], seen, store=MemoryStore(), pace=FAST)) as server:
        assert server.send(BODY, secret="x") == 503  # a 401 would lose the event for good
        secrets[0] = SECRET
        assert server.send(BODY) == 200
        assert until(lambda: seen)


def test_a_store_may_not_forget_a_repeat_while_its_signature_holds(trigger: Trigger) -> None:
    with pytest.raises(InputError, match="6000"):
        Receiver(trigger, SECRET, inbox=Inbox(MemoryStore(), remember=3600))


def test_the_app_works_where_the_server_tells_of_no_start(trigger: Trigger) -> None:
    seen = Seen()
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=FAST), lifespan="off") as server:
        assert server.send(BODY) == 200
        assert until(lambda: seen)


# -- what reaches the handler ----------------------------------------------------------------------------------------


def test_a_replayed_request_is_acknowledged_and_delivered_once(trigger: Trigger, tmp_path: Path) -> None:
    seen = Seen()
    now = time.time()
    for _ in range(2):  # the second time the receiver has been restarted
        with serving(webhook_app(trigger, SECRET, seen, store=store_of(tmp_path), pace=FAST)) as server:
            assert [server.send(BODY, now), server.send(BODY, now + 1)] == [200, 200]
            assert until(lambda: seen)
            server.send(event(len(seen) + 1))
            until(lambda: seen.count(seen[-1]) and seen[-1].object != "123")
    assert seen.ids.count("123") == 1


def test_the_handler_is_given_the_hash_of_the_bytes_and_the_payload_unchanged(trigger: Trigger) -> None:
    seen = Seen()
    body = '{"event":"a","event_ts":1,"n":12345678901234567890,"t":"\\ud83c\\udf89 🎉"}'.encode()
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=FAST)) as server:
        server.send(body)
        assert until(lambda: seen)
    assert seen[0].event_id == hashlib.sha256(body).hexdigest()
    assert seen[0].payload == {"event": "a", "event_ts": 1, "n": 12345678901234567890, "t": "🎉 🎉"}


def test_the_vendor_is_answered_while_the_handler_still_works(trigger: Trigger) -> None:
    go = threading.Event()
    seen = Seen()

    def slow(found: Notification) -> None:
        go.wait(10)
        seen(found)

    with serving(webhook_app(trigger, SECRET, slow, store=MemoryStore(), pace=DeliverySettings(timeout=30))) as server:
        assert server.send(BODY) == 200
        assert not seen
        go.set()
        assert until(lambda: seen)


def test_a_handler_that_takes_longer_than_its_claim_is_not_doubled(trigger: Trigger, tmp_path: Path) -> None:
    seen = Seen()

    async def slow(found: Notification) -> None:
        seen(found)
        await asyncio.sleep(1.5)

    pace = DeliverySettings(lease=0.4, poll=0.05, timeout=10)
    with serving(webhook_app(trigger, SECRET, slow, store=store_of(tmp_path), pace=pace)) as server:
        server.send(BODY)
        inbox = Inbox(open_store(store_of(tmp_path)))
        assert until(lambda: seen and not any(inbox.waiting()))
    assert len(seen) == 1


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_handler_that_raises_is_tried_again_and_its_event_put_aside_at_last(
    trigger: Trigger, kind: str, tmp_path: Path
) -> None:
    tried = Seen()

    def broken(found: Notification) -> None:
        tried(found)
        raise ValueError("no such flow")

    async def broken_too(found: Notification) -> None:
        broken(found)

    inbox = Inbox(open_store(store_of(tmp_path)), pauses=(0.1, 0.1))
    handler = broken if kind == "function" else broken_too
    with serving(webhook_app(trigger, SECRET, handler, inbox=inbox, pace=FAST)) as server:
        assert server.send(BODY) == 200
        assert until(lambda: list(inbox.aside()))
        assert server.send(BODY) == 200  # a repeat is not tried again
    (event,) = inbox.aside()
    assert (event.failures, event.reason, len(tried)) == (3, "ValueError: no such flow", 3)

    seen = Seen()
    inbox.replay(event.event_id, time.time())
    Receiver(trigger, SECRET, inbox=inbox).deliver(seen, FAST, once=True)
    assert seen.ids == ["123"]
    assert not list(inbox.aside())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_handler_that_hangs_stops_neither_the_receiver_nor_the_other_events(trigger: Trigger, kind: str) -> None:
    seen = Seen()
    forever = threading.Event()

    def hangs(found: Notification) -> None:
        if found.object == "123":
            forever.wait(30)
        seen(found)

    async def hangs_too(found: Notification) -> None:
        if found.object == "123":
            await asyncio.sleep(3600)
        seen(found)

    inbox = Inbox(MemoryStore(), pauses=(0.1,))
    handler = hangs if kind == "function" else hangs_too
    pace = DeliverySettings(workers=1, timeout=0.3, poll=0.05, grace=0.1)
    with serving(webhook_app(trigger, SECRET, handler, inbox=inbox, pace=pace)) as server:
        server.send(BODY)
        server.send(event(1))
        assert until(lambda: seen)
        assert until(lambda: list(inbox.aside()))
    assert seen.ids == ["1"]
    forever.set()
    assert "longer than 0.3 seconds" in (next(iter(inbox.aside())).reason or "")


def test_more_events_than_fit_in_memory_all_arrive(trigger: Trigger) -> None:
    seen = Seen()
    pace = DeliverySettings(workers=2, queue=5, poll=0.02)
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=pace)) as server:
        for number in range(60):
            server.send(event(number))
        assert until(lambda: len(seen) == 60)
    assert sorted(seen.ids, key=lambda text: int(text or 0)) == [str(number) for number in range(60)]


def test_a_filter_lets_the_flow_sleep_and_a_disconnect_through(trigger: Trigger) -> None:
    seen, left = Seen(), Seen()
    options: dict[str, Any] = {"filter": {"event": "meeting.*", "host": "h1"}, "disconnect": left}
    with serving(webhook_app(trigger, SECRET, seen, store=MemoryStore(), pace=FAST, **options)) as server:
        assert server.send(b'{"event":"user.created","payload":{"object":{"id":"u"}}}') == 200
        assert server.send(b'{"event":"app_deauthorized","payload":{"account_id":"acc9"}}') == 200
        assert server.send(BODY) == 200
        assert until(lambda: seen and left)
    assert (seen.ids, [found.account for found in left]) == (["123"], ["acc9"])


def test_a_disconnect_that_fails_is_tried_again(trigger: Trigger) -> None:
    calls: list[str | None] = []

    async def disconnect(found: Notification) -> None:
        calls.append(found.account)
        if len(calls) == 1:
            raise OSError("store away")

    inbox = Inbox(MemoryStore(), pauses=(0.1, 0.1))
    with serving(webhook_app(trigger, SECRET, Seen(), inbox=inbox, disconnect=disconnect, pace=FAST)) as server:
        server.send(b'{"event":"app_deauthorized","payload":{"account_id":"acc9"}}')
        assert until(lambda: len(calls) == 2)
    assert calls == ["acc9", "acc9"]


# -- stores and processes --------------------------------------------------------------------------------------------


class Locked:
    """Holds the write lock of a SQLite file, as a backup might."""

    def __init__(self, path: Path) -> None:
        self._other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def __enter__(self) -> None:
        self._other.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()


def test_a_store_that_cannot_be_written_is_a_503_within_three_seconds_and_the_retry_is_delivered_once(
    trigger: Trigger, tmp_path: Path
) -> None:
    seen = Seen()
    now = time.time()
    with serving(webhook_app(trigger, SECRET, seen, store=store_of(tmp_path), pace=FAST)) as server:
        with Locked(tmp_path / "inbox.sqlite3"):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=3)
            connection.request("POST", "/", BODY, signed(BODY, now))
            assert connection.getresponse().status == 503
            connection.close()
            assert not seen
        assert server.send(BODY, now) == 200
        assert until(lambda: seen)
        assert server.send(event(2)) == 200
        assert until(lambda: "2" in seen.ids)
    assert seen.ids.count("123") == 1


class Process:
    """`process.py`, the receiver as a process."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.folder = folder
        options = {
            "store": str(folder / "inbox.sqlite3"),
            "log": str(folder / "log"),
            "effects": str(folder / "effects.sqlite3"),
            "secret": SECRET,
            "port": 0,
            "lease": 1.0,
            **more,
        }
        command = [sys.executable, str(Path(__file__).with_name("process.py")), json.dumps(options)]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert self.process.stdout
        self.server = Served(int(self.process.stdout.readline()))

    def lines(self, word: str) -> list[str]:
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split()[1] for line in lines if line.startswith(word)]

    def kill(self) -> None:
        assert self.process.stdout
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def test_a_full_disk_is_a_503_and_the_event_is_delivered_when_there_is_space_again(tmp_path: Path) -> None:
    now = time.time()
    full = Process(tmp_path, most=200_000)
    statuses: list[int] = []
    while 503 not in statuses and len(statuses) < 200:
        body = event(len(statuses), filler="x" * 5000)
        statuses.append(full.server.send(body, now))
    assert statuses[0] == 200 and statuses[-1] == 503
    full.kill()
    space = Process(tmp_path)
    assert space.server.send(body, now) == 200  # the vendor's retry
    assert until(lambda: len(set(space.lines("end"))) == len(statuses))
    space.kill()


def test_an_event_whose_handler_was_killed_is_delivered_again_with_the_same_id(tmp_path: Path) -> None:
    event_id = hashlib.sha256(BODY).hexdigest()
    first = Process(tmp_path, sleep=20)
    assert first.server.send(BODY) == 200
    assert until(lambda: first.lines("start"))
    first.kill()
    second = Process(tmp_path)
    assert until(lambda: second.lines("end"))
    assert second.server.send(BODY) == 200  # the repeat is recognised
    assert second.server.send(event(1)) == 200
    assert until(lambda: len(second.lines("end")) == 2)
    second.kill()
    assert second.lines("start").count(event_id) == 2
    assert second.lines("end").count(event_id) == 1


# -- a platform with a server of its own -----------------------------------------------------------------------------


def test_a_platform_with_its_own_server_accepts_here_and_delivers_there(trigger: Trigger, tmp_path: Path) -> None:
    now = time.time()
    receiver = Receiver(trigger, SECRET, store=store_of(tmp_path))
    reply = receiver.accept(BODY, signed(BODY, now))
    assert (reply.status, reply.body, reply.headers) == (200, b"", {})
    assert receiver.accept(BODY, signed(BODY, now)).status == 200
    assert receiver.accept(BODY, {}).status == 401
    assert receiver.accept(b"x" * (8 * 1024 * 1024 + 1), {}).status == 503
    assert receiver.accept(b"x" * (8 * 1024 * 1024), {}).status == 401

    seen = Seen()
    Receiver(trigger, SECRET, store=store_of(tmp_path)).deliver(seen, once=True)
    assert seen.ids == ["123"]


def test_a_platforms_worker_delivers_until_it_is_told_to_stop(trigger: Trigger, tmp_path: Path) -> None:
    seen = Seen()
    receiver = Receiver(trigger, SECRET, store=store_of(tmp_path))
    receiver.accept(BODY, signed(BODY, time.time()))

    async def run() -> None:
        task = asyncio.create_task(receiver.deliveries(seen, FAST).run())
        while not seen:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert seen.ids == ["123"]


def test_a_receiver_that_stops_gives_its_events_back_at_once(trigger: Trigger, tmp_path: Path) -> None:
    started = threading.Event()

    async def hangs(found: Notification) -> None:
        started.set()
        await asyncio.sleep(3600)

    pace = DeliverySettings(workers=1, timeout=3600, lease=3600, grace=0.1)
    with serving(webhook_app(trigger, SECRET, hangs, store=store_of(tmp_path), pace=pace)) as server:
        for number in range(3):
            server.send(event(number))
        assert started.wait(10)
    seen = Seen()
    Receiver(trigger, SECRET, store=store_of(tmp_path)).deliver(seen, once=True)
    assert sorted(seen.ids) == ["0", "1", "2"]  # type: ignore[type-var]
