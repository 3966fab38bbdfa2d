"""The use of a changing rate limit, and the refusals: by one process, by four, and by a client that does not pace.

    python benchmarks/pacing.py [--seconds N] [--workers N]

64 workers call a light action of the sandbox without pause. Its account has the business limits (80 a second), which
drop to half and rise again while other apps take a changing share. `used` is the number of answered calls divided by
the number that the limits allowed, including the full bucket at the start.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frame import Row
from benchmarks.measure import series
from connector_runtime.errors import RequestError
from connector_runtime.pacing.pacer import pacer
from connector_runtime.steps import Permit
from zoom_connector import Client, load, open_store
from zoom_connector.sandbox import Sandbox

CHANGES = ((1.0, 0.0), (1.0, 20.0), (0.5, 10.0), (0.5, 25.0), (1.0, 50.0), (1.0, 10.0))  # scale, others


CASES = (("naive, one process", 1, True), ("ours, one process", 1, False), ("ours, four processes", 4, False))


class Naive:
    """A pacer that permits everything at once."""

    def ask(self, permit: Permit) -> float:
        return 0.0

    def report(self, *report: Any) -> None:
        pass


def work(base_url: str, token: str, workers: int, seconds: float, store: str | None, naive: bool) -> None:
    """Call without pause from this many threads; a thread waits a second after a refusal."""
    connector = load()
    shared = open_store(store) if store else None
    pacing = Naive() if naive else pacer(connector, account="benchmark", plan="business", share=1.0, store=shared)
    until = time.monotonic() + seconds
    with Client(connector, token=token, base_url=base_url, pacing=pacing, retries=0) as client:

        def calls() -> None:
            while (left := until - time.monotonic()) > 0:
                try:
                    client.run("get-user", {"user_id": "me"}, deadline=left + 0.01)
                except RequestError as error:
                    if error.status is not None:
                        time.sleep(1)

        threads = [threading.Thread(target=calls) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Used(NamedTuple):
    """The answered calls, their share of the calls that the limits allowed, and the refusals in each phase."""

    done: int
    share: float
    refused: list[int]


def measure(processes: int, workers: int, seconds: float, naive: bool = False) -> Used:
    """Let them call through all changes of the limit."""
    with Sandbox(plan="business") as zoom, tempfile.TemporaryDirectory() as folder:
        store = f"sqlite:///{folder}/store.db" if processes > 1 else "-"
        command = [sys.executable, __file__, "--worker", zoom.base_url, zoom.token, str(workers // processes), store]
        command += [str(seconds + 0.5), "naive" if naive else "ours"]
        running = [subprocess.Popen(command) for _ in range(processes)]
        while not zoom.limits.phases[-1].requests:
            time.sleep(0.01)
        zoom.limits.change(plan="business")
        first = len(zoom.limits.phases) - 1
        for scale, others in CHANGES:
            zoom.limits.change(scale=scale, others={"light": others})
            time.sleep(seconds / len(CHANGES))
        zoom.limits.change(scale=1.0)
        phases = [phase.describe(0) for phase in zoom.limits.phases[first + 1 : -1]]
        for process in running:
            process.wait()
    left = 80 + sum(phase["left"].get("light", 0) * phase["seconds"] for phase in phases)  # the bucket was full
    refused = [phase["refused"].get("light", 0) for phase in phases]
    done = sum(phase["requests"].get("light", 0) for phase in phases) - sum(refused)
    return Used(done, done / left, refused)


def line(name: str, used: Used) -> str:
    many = sum(used.refused)
    return f"{name:22} {used.done:6} answered   {used.share:6.1%} used   {many:5} refused, by phase: {used.refused}"


def rows(quick: bool) -> Iterator[Row]:
    seconds = 3 if quick else 30
    runs = {name: measure(number, 64, seconds, naive) for name, number, naive in CASES[: 2 if quick else 3]}
    naive = runs.pop(CASES[0][0])
    for name, used in runs.items():
        for what, unit, mine, other in (
            ("used share of the limit", "%", used.share * 100, naive.share * 100),
            ("refused", "calls", sum(used.refused), sum(naive.refused)),
        ):
            rival = series("does not pace", [other])
            yield Row(group="A changing rate limit", what=what, unit=unit, ours=series(name, [mine]), rival=rival)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        url, token, workers, store, seconds, kind = options.worker
        work(url, token, int(workers), float(seconds), None if store == "-" else store, kind == "naive")
        return
    for name, number, naive in CASES:
        print(line(name, measure(number, options.workers, options.seconds, naive)), flush=True)


if __name__ == "__main__":
    main()
