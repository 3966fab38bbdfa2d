"""1 to 256 concurrent calls: the connector's `AsyncClient` against one shared `httpx.AsyncClient`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from . import stub_server
from .frame import Row, Target
from .measure import Worker, contest, series

SHARED = "one shared httpx.AsyncClient()"
GROUP = "Calls at once (get-user)"
TARGETS = {64: Target("at least", 3), 256: Target("at least", 3)}


def contestants(url: str, workers: str, calls: str, quick: str = "") -> dict[str, Callable[[], float]]:
    import httpx

    from . import ours
    from .rivals import by_hand

    number, count = int(workers), int(calls)
    runs = {
        f"{workers}, ours": ours.at_once(url, number, count),
        f"{workers}, httpx": by_hand.at_once(url, number, count),
    }
    if not quick:
        limits = httpx.Limits(max_connections=number, max_keepalive_connections=number)
        runs[f"{workers}, pooled"] = by_hand.at_once(url, number, count, limits=limits)
    runner = asyncio.Runner()
    return {name: _rate(runner, runner.run(run), count) for name, run in runs.items()}


def over_aiohttp(url: str, workers: str, calls: str) -> dict[str, Callable[[], float]]:
    """Set up the connector with the user's own httpx client, over aiohttp's transport."""
    import httpx
    from httpx_aiohttp import AiohttpTransport

    from . import ours

    async def setup() -> Any:
        limits = httpx.Limits(max_connections=int(workers), max_keepalive_connections=int(workers))
        client = httpx.AsyncClient(transport=AiohttpTransport(limits=limits), timeout=60)
        http = ours.Http(client=client, connections=int(workers))
        return await ours.at_once(url, int(workers), int(calls), http)

    runner = asyncio.Runner()
    return {f"{workers}, aiohttp": _rate(runner, runner.run(setup()), int(calls))}


def _rate(runner: asyncio.Runner, run: Callable[[], Any], calls: int) -> Callable[[], float]:
    def measure() -> float:
        start = time.perf_counter()
        runner.run(run())
        return calls / (time.perf_counter() - start)

    return measure


def rows(quick: bool) -> Iterable[Row]:
    rounds = 2 if quick else 9
    results: dict[str, list[Any]] = {}
    numbers = (1, 64, 256) if quick else (1, 4, 16, 64, 256)
    with stub_server.Stub() as stub:
        for number in numbers:
            arguments = (stub.url(), str(number), str(256 if quick else max(256, number * 2)))
            results |= contest([Worker(f"{__name__}:contestants", *arguments, "quick" if quick else "")], rounds)
            if number == 64 and not quick:
                aiohttp = Worker(f"{__name__}:over_aiohttp", *arguments, rivals=True)
                results |= contest([aiohttp], rounds)
    for number in numbers:
        for rival, says in (("httpx", SHARED), ("pooled", "the same, with as many connections"))[: 1 if quick else 2]:
            yield Row(
                group=GROUP,
                what=f"{number} at once",
                unit="calls/s",
                ours=series("connector", results[f"{number}, ours"]),
                rival=series(says, results[f"{number}, {rival}"]),
                more=True,
                target=TARGETS.get(number) if rival == "httpx" else None,
            )
    for who, name in (("ours", "connector"), ("httpx", "httpx.AsyncClient")):
        yield Row(
            group=GROUP,
            what=f"growth of {name}",
            unit="calls/s",
            ours=series("256 at once", results[f"256, {who}"]),
            rival=series("1 at once", results[f"1, {who}"]),
            more=True,
        )
    if not quick:
        yield Row(
            group=GROUP,
            what="64 at once, over httpx-aiohttp",
            unit="calls/s",
            ours=series("connector, Http(client=…)", results["64, aiohttp"]),
            rival=series(SHARED, results["64, httpx"]),
            more=True,
        )
