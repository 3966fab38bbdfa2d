"""Measuring in turn: contestants one after the other, round by round, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from .frame import Series

R = TypeVar("R")

ROOT = Path(__file__).parents[1]
RIVALS = ROOT / ".venv-bench" / "rivals" / "bin" / "python"


def python(rivals: bool = False) -> str:
    """The Python that has the connector and what it needs, or the one that has its rivals and orjson too."""
    return str(RIVALS) if rivals and RIVALS.exists() else sys.executable


def environment(root: Path | None = None, /, **more: str) -> dict[str, str]:
    """What processes are started with; none of what this shell says about the connector or a proxy is passed on.

    With `root` they import the connector of the tree at that path.
    """
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    kept = {key: value for key, value in kept.items() if not key.startswith(("ZOOM_", "CONNECTOR_", "PYTHON"))}
    found = {"PYTHONPATH": str(root)} if root else {}
    return {**kept, "RUNTIME__DLTHUB_TELEMETRY": "false", "NO_COLOR": "1", **found, **more}


def interleaved(contestants: Mapping[str, Callable[[], Any]], rounds: int, warm: int = 1) -> dict[str, list[Any]]:
    """What each gave, once a round, after `warm` rounds that do not count; every other round goes backwards."""
    given: dict[str, list[Any]] = {name: [] for name in contestants}
    for turn in range(rounds + warm):
        for name, run in contestants.items() if turn % 2 else reversed(contestants.items()):
            found = run()
            if turn >= warm:
                given[name].append(found)
    return given


def series(name: str, values: Sequence[float], scale: float = 1.0) -> Series:
    return Series(name, tuple(value * scale for value in values))


def seconds(command: Sequence[str], root: Path = ROOT, /, **env: str) -> float:
    """How long a whole process takes in the tree at `root`, in seconds. Raises where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, env=environment(root, **env), capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return taken


class Worker:
    """A process that has set up contestants and runs the one that is named: `factory` is `module:function`.

    The function is called with `given` and returns the contestants by name. `without` names modules that are as if
    they were not installed. `root` is the tree that is measured, with a copy of these benchmarks in it.
    """

    def __init__(self, factory: str, *given: str, rivals: bool = False, without: str = "", root: Path = ROOT) -> None:
        command = [python(rivals), "-m", "benchmarks.worker", factory, without, *given]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env=environment(root)
        )
        self.names: list[str] = self._read()

    def __call__(self, name: str) -> Any:
        assert self._process.stdin
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return json.loads(line)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def contest(workers: Sequence[Worker], rounds: int, warm: int = 1) -> dict[str, list[Any]]:
    """All contestants of these workers, interleaved; the workers are closed."""
    with ExitStack() as open_:
        found = {name: open_.enter_context(worker) for worker in workers for name in worker.names}
        return interleaved({name: (lambda n=name, w=worker: w(n)) for name, worker in found.items()}, rounds, warm)


def by_group(
    names: Iterable[str], rows: Callable[[str], Iterable[R]], table: Callable[[list[R]], str]
) -> tuple[list[R], list[str]]:
    """The rows of all groups, each group printed when it is done, and the names of groups that cannot be measured."""
    found: list[R] = []
    broken: list[str] = []
    for name in names:
        start = time.perf_counter()
        try:
            part = list(rows(name))
        except Exception:  # the other groups can still be measured
            traceback.print_exc()
            broken.append(name)
            continue
        print(f"\n{table(part)}\n  ({time.perf_counter() - start:.0f} s)", flush=True)
        found += part
    return found, broken


def exit_code(broken: Sequence[str]) -> int:
    """Name the groups that were not measured: 1 if there are any."""
    if broken:
        print(f"not measured: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0
