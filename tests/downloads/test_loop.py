"""Downloads by `AsyncClient`: threads write the files, and whatever else happens, happens in the event loop."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from zoom_connector import AsyncClient, Client, Connector, Http

from .test_hostile import VIDEO, Raw, http

SIZE = len(VIDEO)
WHOLE = {"Content_Type": "video/mp4", "Content_Length": SIZE, "ETag": '"v1"'}
MOST = 10  # seconds that stopping may take on a busy machine, far below the 30 of a stalled response
CALLER: ContextVar[str] = ContextVar("caller", default="nobody")


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "download"]


@pytest.fixture
def raw() -> Iterator[Raw]:
    with Raw() as made:
        yield made


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    """What each test here checks at its end."""
    yield
    for thread in threads():
        thread.join(MOST)
    assert threads() == []


async def others() -> list[Any]:
    """The tasks beside the test's own, once what has ended is gone."""
    await asyncio.sleep(0)
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(MOST):
        while not is_so():
            await asyncio.sleep(0.01)


def resumed(connector: Connector, server: Raw, file: Any, to: Path) -> bytes:
    """Download the rest with another client, and return what the server was asked for."""
    at = (to / ".talk.mp4.part").stat().st_size
    head = http(206, **{**WHOLE, "Content_Length": SIZE - at, "Content_Range": f"bytes {at}-{SIZE - 1}/{SIZE}"})
    server.answers = [head + VIDEO[at:]]
    with Client(connector, token="t", base_url=server.origin) as client:
        client.download(file, to)
    assert (to / "talk.mp4").read_bytes() == VIDEO
    return server.asked[-1]


# -- what runs where -------------------------------------------------------------------------------------------------


def test_all_that_the_caller_gave_is_called_in_the_loop_and_in_the_callers_context(
    connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers = [http(503, Retry_After=0, Content_Length=0), http(200, VIDEO, **WHOLE)]
    seen: list[tuple[str, str, str]] = []

    def note(what: str, *_: Any) -> None:
        asyncio.get_running_loop()  # raises elsewhere
        seen.append((what, threading.current_thread().name, CALLER.get()))

    async def token() -> str:
        note("token")
        await asyncio.sleep(0)
        return "t"

    async def run() -> None:
        CALLER.set("me")
        observe = partial(note, "observe")
        async with AsyncClient(connector, token=token, base_url=raw.origin, observe=observe) as client:
            await client.download(raw.file(size=SIZE), tmp_path, progress=partial(note, "progress"))

    asyncio.run(run())
    here = threading.current_thread().name
    assert [*dict.fromkeys(seen)] == [(what, here, "me") for what in ("token", "observe", "progress")]
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_the_loop_is_free_while_a_disk_is_slow(
    connector: Connector, raw: Raw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.answers = [http(200, VIDEO, **WHOLE)]
    from connector_runtime.downloads import part

    slow, real = [0], part.os.fsync

    def fsync(file: int) -> None:
        slow[0] += 1
        time.sleep(1)
        real(file)

    monkeypatch.setattr(part.os, "fsync", fsync)
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    async def run() -> None:
        ticking = asyncio.create_task(tick())
        async with AsyncClient(connector, token="t", base_url=raw.origin) as client:
            await client.download(raw.file(size=SIZE), tmp_path)
        ticking.cancel()

    asyncio.run(run())
    assert slow[0] > 0
    assert longest < 0.7


@pytest.mark.parametrize("connections", [1, 5])
def test_the_callers_own_client_is_used_and_stays_open(
    connector: Connector, raw: Raw, tmp_path: Path, connections: int
) -> None:
    raw.answers = [http(200, VIDEO, **WHOLE, Connection="close")]
    files = [replace(raw.file(size=SIZE), name=f"{number}.mp4", id=str(number)) for number in range(4)]
    hosts: list[str] = []

    async def asked(request: httpx.Request) -> None:
        hosts.append(request.url.host)

    async def run() -> None:
        async with httpx.AsyncClient(event_hooks={"request": [asked]}) as own:
            settings = Http(client=own, connections=connections)
            async with AsyncClient(connector, token="t", base_url=raw.origin, http=settings) as client:
                saved = await client.download(files, tmp_path)
                assert [each.path.read_bytes() for each in saved] == [VIDEO] * 4
            assert not own.is_closed

    asyncio.run(run())
    assert hosts == ["127.0.0.1"] * 4


def test_nothing_to_download_is_nothing(connector: Connector, raw: Raw, tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").write_bytes(VIDEO)

    async def run() -> None:
        async with AsyncClient(connector, token="t", base_url=raw.origin) as client:
            assert await client.download([], tmp_path) == []
            (saved,) = await client.download(raw.file(size=SIZE), tmp_path)
            assert not saved.is_new

    asyncio.run(run())
    assert raw.asked == []


# -- stopping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3])
def test_cancelling_a_stalled_download_is_immediate_and_keeps_all_that_has_arrived(
    connector: Connector, raw: Raw, tmp_path: Path, times: int
) -> None:
    raw.answers, raw.holds = [http(200, VIDEO[:200_000], **WHOLE)], True
    file = raw.file(size=SIZE)

    async def run() -> None:
        async with AsyncClient(connector, token="t", base_url=raw.origin) as client:
            task = asyncio.create_task(client.download(file, tmp_path))
            await until(lambda: bool(raw.asked))
            await asyncio.sleep(0.5)  # all has arrived, and the loop waits for more
            began = time.monotonic()
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < MOST
            assert (tmp_path / ".talk.mp4.part").stat().st_size == 200_000
            assert raw.closed.acquire(timeout=MOST)  # before the client is closed
            assert await others() == []

    asyncio.run(run())
    raw.holds = False
    assert b"bytes=200000-" in resumed(connector, raw, file, tmp_path)


def test_cancelling_ends_a_pause(connector: Connector, raw: Raw, tmp_path: Path) -> None:
    raw.answers = [http(503, Retry_After=30, Content_Length=0)]
    told = threading.Event()

    async def run() -> None:
        options: dict[str, Any] = {"observe": lambda _: told.set()}
        async with AsyncClient(connector, token="t", base_url=raw.origin, **options) as client:
            task = asyncio.create_task(client.download(raw.file(size=SIZE), tmp_path))
            await until(told.is_set)
            await asyncio.sleep(0.05)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < MOST

    asyncio.run(run())
    assert [*tmp_path.iterdir()] == []


def test_cancelling_reaches_a_token_function_that_waits(connector: Connector, raw: Raw, tmp_path: Path) -> None:
    ended: list[str] = []

    async def run() -> None:
        asked = asyncio.Event()

        async def token() -> str:
            asked.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("token")
            return "t"

        async with AsyncClient(connector, token=token, base_url=raw.origin) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await client.download(raw.file(size=SIZE), tmp_path)
            assert asked.is_set() and await others() == []

    asyncio.run(run())
    assert ended == ["token"]
    assert [*tmp_path.iterdir()] == []


def test_a_token_function_that_is_cancelled_by_others_is_no_stop_of_ours(
    connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    async def run() -> None:
        async def token() -> str:
            shared = asyncio.ensure_future(asyncio.sleep(60))
            shared.cancel()
            await shared
            return "t"

        async with AsyncClient(connector, token=token, base_url=raw.origin) as client:
            with pytest.raises(asyncio.CancelledError):
                await client.download(raw.file(size=SIZE), tmp_path)

    asyncio.run(run())


def test_a_download_cancelled_at_any_turn_of_the_loop_leaves_nothing_that_hinders_the_next(
    connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers = [http(200, VIDEO, **WHOLE, Connection="close")]
    files = [replace(raw.file(size=SIZE), name=f"{number}.mp4", id=str(number)) for number in range(3)]

    async def run() -> int:
        cancelled = 0
        settings = Http(connections=2)
        async with AsyncClient(connector, token="t", base_url=raw.origin, http=settings, retries=0) as client:
            for turns in range(80):
                to = tmp_path / str(turns)
                task = asyncio.create_task(client.download(files, to))
                for _ in range(turns):
                    await asyncio.sleep(0.0005 if turns % 2 else 0)
                task.cancel()
                (came,) = await asyncio.gather(task, return_exceptions=True)
                cancelled += isinstance(came, asyncio.CancelledError)
                assert await others() == []
                async with asyncio.timeout(MOST):
                    saved = await client.download(files, to, overwrite=True)
                assert [each.path.read_bytes() for each in saved] == [VIDEO] * 3, turns
        return cancelled

    assert asyncio.run(run()) > 20


@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt, SystemExit])
def test_what_the_progress_callback_raises_stops_all_files_and_reaches_the_caller(
    connector: Connector, raw: Raw, tmp_path: Path, error: type[BaseException]
) -> None:
    raw.answers, raw.holds = [http(200, VIDEO[:200_000], **WHOLE)], True
    files = [replace(raw.file(size=SIZE), name=f"{number}.mp4", id=str(number)) for number in range(5)]
    told: list[str] = []

    def fails(file: Any, *_: Any) -> None:
        told.append(file.name)
        raise error("mine")

    async def run() -> None:
        async with AsyncClient(connector, token="t", base_url=raw.origin) as client:
            await client.download(files, tmp_path, progress=fails)

    began = time.monotonic()
    with pytest.raises(error, match="mine"):
        asyncio.run(run())
    assert time.monotonic() - began < MOST
    assert len(raw.asked) <= 3  # the others never began
    assert (tmp_path / f".{told[0]}.part").stat().st_size > 0


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_that_is_closed_meanwhile_leaves_no_thread_behind(
    connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers, raw.holds = [http(200, VIDEO[:200_000], **WHOLE)], True
    file = raw.file(size=SIZE)
    loop = asyncio.new_event_loop()
    client = AsyncClient(connector, token="t", base_url=raw.origin)
    task = loop.create_task(client.download(file, tmp_path, progress=lambda *_: loop.stop()))
    loop.run_forever()
    assert len(threads()) == 1
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    for thread in threads():
        thread.join(MOST)
        assert not thread.is_alive()
    del task, client
    gc.collect()  # whoever closes a loop in use leaves its sockets and tasks to the collector
    raw.holds = False
    assert resumed(connector, raw, file, tmp_path)  # no lock stays on the part
