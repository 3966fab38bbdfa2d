"""Sequential calls: the connector against the same call with httpx by hand, httpx2, requests and zoomus."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import stub_server
from .frame import Row, Target
from .measure import Worker, contest, series

GROUP = "One call after the other"
CALLS = 20  # few, so that a block ends before the system schedules another process


def timed(call: Callable[[], Any], calls: int = CALLS) -> Callable[[], float]:
    """Return a function that makes this many calls and returns the seconds for one."""

    def run() -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls

    return run


def against_httpx(url: str) -> dict[str, Callable[[], float]]:
    from . import ours
    from .rivals import by_hand

    calls = {
        "create, ours": ours.create(url),
        "create, by hand": by_hand.create(url),
        "get, ours": ours.get(url),
        "get, by hand": by_hand.get(url),
    }
    assert calls["create, ours"]() == calls["create, by hand"]() and calls["get, ours"]() == calls["get, by hand"]()
    assert ours.load().action("create-meeting").preview(ours.TWELVE)["body"] == by_hand.MEETING
    return {name: timed(call) for name, call in calls.items()}


def own_work() -> dict[str, Callable[[], float]]:
    from . import memory
    from .rivals import by_hand

    meeting, user = (stub_server.bodies()[name].encode() for name in ("meeting.json", "user.json"))
    base = "https://api.zoom.us/v2"
    return {
        "create, work": timed(memory.create(), 50),
        "create, httpx work": timed(by_hand.create(base, transport=memory.by_hand("meeting.json", 201)), 50),
        "create, read json": timed(lambda: json.loads(meeting), 50),
        "get, work": timed(memory.get(), 50),
        "get, httpx work": timed(by_hand.get(base, transport=memory.by_hand("user.json")), 50),
        "get, read json": timed(lambda: json.loads(user), 50),
    }


def against_others(url: str, origin: str) -> dict[str, Callable[[], float]]:
    from . import ours
    from .rivals import by_hand, zoomus_create

    calls = {
        "create, ours again": ours.create(url),
        "create, httpx": by_hand.create(url),
        "create, httpx2": by_hand.create(url, "httpx2"),
        "create, requests": by_hand.create_requests(url),
        "create, zoomus": zoomus_create.create(origin, url),
    }
    return {name: timed(call) for name, call in calls.items()}


def over_httpx2(url: str) -> dict[str, Callable[[], float]]:
    """Set up the connector with httpx2 in place of httpx."""
    import httpx2

    sys.modules["httpx"] = httpx2
    from . import ours

    return {"create, over httpx2": timed(ours.create(url))}


def rows(quick: bool) -> Iterable[Row]:
    rounds = 60 if quick else 300
    with stub_server.Stub() as stub:
        url = stub.url()
        times = contest([Worker(f"{__name__}:against_httpx", url)], rounds, warm=3)
        times |= contest([Worker(f"{__name__}:own_work")], rounds // 3, warm=3)
        others = [
            Worker(f"{__name__}:against_others", url, stub.origin, rivals=True),
            Worker(f"{__name__}:over_httpx2", url, rivals=True),
        ]
        times |= contest(others, rounds // 3, warm=2)
    for what, key in (("create-meeting, 12 inputs", "create"), ("get-user", "get")):
        yield _row(what, times, f"{key}, ours", f"{key}, by hand", "by hand, one httpx.Client", Target("at most", 1.05))
    for what, key in (("create-meeting, own work", "create"), ("get-user, own work", "get")):
        mine = series("the call, answered from memory", times[f"{key}, work"], 1e6)
        hand = series("by hand, answered from memory", times[f"{key}, httpx work"], 1e6)
        read = series("json.loads of the answer alone", times[f"{key}, read json"], 1e6)
        yield Row(group=GROUP, what=what, unit="µs", ours=mine, target=Target("at most", 30, 15))
        yield Row(group=GROUP, what=f"{what}, against httpx", unit="µs", ours=mine, rival=hand)
        yield Row(group=GROUP, what=f"{what}, against json", unit="µs", ours=mine, rival=read)
    for name, says in (("zoomus", "zoomus"), ("requests", "by hand, requests.Session"), ("httpx2", "by hand, httpx2")):
        yield _row(f"create-meeting, against {name}", times, "create, ours again", f"create, {name}", says)
    hand = "create, httpx"
    yield _row("create-meeting, over httpx2", times, "create, over httpx2", hand, "by hand, httpx", name="over httpx2")


def _row(
    what: str,
    times: dict[str, list[Any]],
    ours: str,
    rival: str,
    says: str,
    target: Target | None = None,
    name: str = "connector",
) -> Row:
    mine, other = series(name, times[ours], 1e6), series(says, times[rival], 1e6)
    return Row(group=GROUP, what=what, unit="µs", ours=mine, rival=other, target=target)
