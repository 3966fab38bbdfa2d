"""Memory and time of streams of users of growing length, against collecting the same users."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any

from . import stub_server
from .frame import Row, Target
from .measure import ROOT, environment, interleaved, python, series

GROUP = "Users streamed"
TARGETS = {100_000: Target("at most", 15)}


def grown(kind: str, url: str, users: int) -> dict[str, float]:
    """Measure in this process, which should be new: peak MB above an idle client, and seconds for each item."""
    from zoom_connector import Client, load

    with Client(load(), token="t", base_url=url) as client:
        client.run("get-user", {"user_id": "me"})
        idle = memory("VmRSS")
        start = time.perf_counter()
        if kind == "stream":
            count = sum(1 for _ in client.stream("list-users", {}))
        else:
            count = len(client.run("list-users", {}).data["users"])
        seconds = time.perf_counter() - start
    assert count == users, count
    return {"grown": memory("VmHWM") - idle, "each": seconds / users}


def memory(name: str) -> float:
    """Return this process's memory in MB: now (VmRSS) or at its peak (VmHWM)."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(f"{name}:"))


def _process(kind: str, url: str, users: int) -> dict[str, float]:
    command = [python(), "-m", "benchmarks.streams", kind, url, str(users)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def rows(quick: bool) -> Iterable[Row]:
    numbers = (1_000, 10_000, 100_000) if quick else (1_000, 10_000, 100_000, 1_000_000)
    streamed: dict[int, list[Any]] = {}
    collected: dict[int, list[Any]] = {}
    with stub_server.Stub() as stub:
        for users in numbers:
            runs: Any = {"stream": lambda n=users: _process("stream", stub.url(n), n)}
            if users <= 100_000:
                runs["run"] = lambda n=users: _process("run", stub.url(n), n)
            results = interleaved(runs, 1 if quick or users > 100_000 else 3, warm=0)
            streamed[users], collected[users] = results["stream"], results.get("run", [])
    for users in numbers:
        mine = series("stream", [run["grown"] for run in streamed[users]])
        if users in TARGETS:
            what = f"{users:,} users, over an idle client"
            yield Row(group=GROUP, what=what, unit="MB", ours=mine, target=TARGETS[users])
        rival = series("collected with run", [run["grown"] for run in collected[users]]) if collected[users] else None
        yield Row(group=GROUP, what=f"{users:,} users, memory grown", unit="MB", ours=mine, rival=rival)
    for users in numbers[1:]:
        yield Row(
            group=GROUP,
            what=f"growth of time, {users:,} users",
            unit="µs/user",
            ours=series(f"{users:,}", [run["each"] for run in streamed[users]], 1e6),
            rival=series(f"{numbers[0]:,}", [run["each"] for run in streamed[numbers[0]]], 1e6),
        )


if __name__ == "__main__":
    print(json.dumps(grown(*sys.argv[1:3], int(sys.argv[3]))))
