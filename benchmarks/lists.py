"""A list of 9,000 users: the connector against a hand-written loop, airbyte-cdk and dlt, as a call and as a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module

from . import stub_server
from .frame import Row, Target
from .measure import Worker, contest, interleaved, python, seconds, series

GROUP = "9,000 users listed"
USERS = 9000
RIVALS = {"airbyte": "airbyte-cdk", "dlt_rest": "dlt rest_api", "by_hand": "by hand, one httpx.Client"}
TARGETS = {"airbyte": 6, "dlt_rest": 2.2, "by_hand": 0.95}


def contestant(name: str, module: str, url: str) -> dict[str, Callable[[], float]]:
    users = import_module(module).users(url)

    def run() -> float:
        start = time.perf_counter()
        count = users()
        seconds = time.perf_counter() - start
        assert count == USERS, (module, count)
        return seconds

    return {name: run}


def rows(quick: bool) -> Iterable[Row]:
    rounds = 2 if quick else 11
    factory = f"{__name__}:contestant"
    with stub_server.Stub() as stub:
        url = stub.url(USERS)
        workers = [
            Worker(factory, "ours", "benchmarks.ours", url),
            *(Worker(factory, name, f"benchmarks.rivals.{name}", url, rivals=True) for name in RIVALS),
        ]
        calls = contest(workers, rounds)
        scripts = {
            "ours": [python(), "-m", "benchmarks.ours"],
            **{name: [python(rivals=True), "-m", f"benchmarks.rivals.{name}"] for name in RIVALS},
            "by_hand": [python(), "-m", "benchmarks.rivals.by_hand"],
        }
        commands = {name: [*script, url, str(USERS)] for name, script in scripts.items()}
        runs = {name: partial(seconds, command) for name, command in commands.items()}
        processes = interleaved(runs, 1 if quick else 5, warm=0 if quick else 1)
    for name, limit in TARGETS.items():
        yield Row(
            group=GROUP,
            what=f"the call, against {RIVALS[name].split(',')[0]}",
            unit="ms",
            ours=series("connector", calls["ours"], 1e3),
            rival=series(RIVALS[name], calls[name], 1e3),
            target=Target("at least", limit),
        )
    for name in TARGETS:
        yield Row(
            group=GROUP,
            what=f"whole process, against {RIVALS[name].split(',')[0]}",
            unit="ms",
            ours=series("connector", processes["ours"], 1e3),
            rival=series(RIVALS[name], processes[name], 1e3),
            speed=True,
        )
