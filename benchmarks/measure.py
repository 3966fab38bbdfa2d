"""Interleaved measurements: contestants take turns, round by round, each in its own process."""

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
    """Return the Python of this environment, or with `rivals` the one that has the rivals too."""
    return str(RIVALS) if rivals and RIVALS.exists() else sys.executable


def environment(root: Path | None = None, /, **variables: str) -> dict[str, str]:
    """Return the environment for processes, without this shell's variables about the connector, Python or a proxy.

    With `root` they import the connector of the tree at that path.
    """
    base = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    base = {key: value for key, value in base.items() if not key.startswith(("ZOOM_", "CONNECTOR_", "PYTHON"))}
    path = {"PYTHONPATH": str(root)} if root else {}
    return {**base, "RUNTIME__DLTHUB_TELEMETRY": "false", "NO_COLOR": "1", **path, **variables}


def interleaved(contestants: Mapping[str, Callable[[], Any]], rounds: int, warm: int = 1) -> dict[str, list[Any]]:
    """Run the contestants in turns, every other round backwards; return their results after `warm` rounds."""
    results: dict[str, list[Any]] = {name: [] for name in contestants}
    for turn in range(rounds + warm):
        for name, run in contestants.items() if turn % 2 else reversed(contestants.items()):
            result = run()
            if turn >= warm:
                results[name].append(result)
    return results


def series(name: str, values: Sequence[float], scale: float = 1.0) -> Series:
    return Series(name, tuple(value * scale for value in values))


def seconds(command: Sequence[str], root: Path = ROOT, /, **env: str) -> float:
    """Return the seconds that a process takes in the tree at `root`; raise RuntimeError if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=root, env=environment(root, **env), capture_output=True, text=True)
    elapsed = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return elapsed


class Worker:
    """A process that sets up contestants and runs one by name: `factory` is `module:function`.

    The process calls the function with `args`; it returns the contestants by name. `root` is the tree to measure, with
    a copy of these benchmarks in it.
    """

    def __init__(self, factory: str, *args: str, rivals: bool = False, root: Path = ROOT) -> None:
        command = [python(rivals), "-m", "benchmarks.worker", factory, *args]
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
        self._process.communicate()  # ends it by closing its input


def contest(workers: Sequence[Worker], rounds: int, warm: int = 1) -> dict[str, list[Any]]:
    """Run all contestants of these workers in turns and close the workers; return the results by contestant."""
    with ExitStack() as stack:
        by_name = {name: stack.enter_context(worker) for worker in workers for name in worker.names}
        return interleaved({name: (lambda n=name, w=worker: w(n)) for name, worker in by_name.items()}, rounds, warm)


def by_group(
    names: Iterable[str], rows: Callable[[str], Iterable[R]], table: Callable[[list[R]], str]
) -> tuple[list[R], list[str]]:
    """Measure each group and print its table; return all rows, and the names of the groups that failed."""
    result: list[R] = []
    broken: list[str] = []
    for name in names:
        start = time.perf_counter()
        try:
            part = list(rows(name))
        except Exception:  # continue with the other groups
            traceback.print_exc()
            broken.append(name)
            continue
        print(f"\n{table(part)}\n  ({time.perf_counter() - start:.0f} s)", flush=True)
        result += part
    return result, broken


def exit_code(broken: Sequence[str]) -> int:
    """Print the groups that failed to stderr; return 1 if there are any, else 0."""
    if broken:
        print(f"not measured: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0
