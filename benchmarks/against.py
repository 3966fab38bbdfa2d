"""Compares this tree with an older commit: `make bench AGAINST=COMMIT`. It writes no file.

It checks the commit out into a temporary folder and measures it with the benchmarks of this tree. In each round the
old tree, the new tree and the control take a turn. The control is the old tree again: its difference from itself is
noise. The rounds come in sets, each with its own processes. A ratio compares two turns of the same round, since other
load on the machine lasts many rounds and slows both turns. A row is `slower` if the ratios of all its sets are above
1 and above all ratios of the control, and `faster` if they are below. Any other difference is noise, whatever the
ratio.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from . import stub_server
from .frame import figure
from .measure import ROOT, Worker, by_group, environment, exit_code, python, seconds
from .one_call import timed

HERE = "benchmarks.against"  # __name__ would be __main__
SETS, QUICK_SETS = 5, 4
PROBE = (
    "import connector_runtime, zoom_connector; print(connector_runtime.__file__, zoom_connector.__file__, sep='\\n')"
)
HEAD = """\
{new} against {old}, in {sets} sets of rounds. Every row is a cost: a ratio above 1 is slower.
ratio: new / old within one round, the median of all rounds. sets: the lowest and the highest median of a set.
control: the same for the old tree against itself, measured in the same rounds; it shows the noise.
A row is marked slower (faster) only if all its sets are above (below) all of the control's."""

Contestants = Mapping[str, Callable[[], Any]]


# -- rows and their verdicts; pure -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: the costs of both trees and of the control, in `unit`, as sets of rounds."""

    group: str
    what: str
    unit: str
    old: list[list[float]] = field(default_factory=list)
    new: list[list[float]] = field(default_factory=list)
    control: list[list[float]] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The new tree's cost divided by the old one's in the same round: the median of all rounds."""
        return median(_paired(_all(self.new), _all(self.old)))

    @property
    def ratios(self) -> list[float]:
        """The same for each set, in ascending order."""
        return _ratios(self.new, self.old)

    @property
    def noise(self) -> list[float]:
        """The control's ratios for each set, in ascending order."""
        return _ratios(self.control, self.old)

    @property
    def verdict(self) -> str:
        if self.ratios[0] > max(1, self.noise[-1]):
            return "slower"
        return "faster" if self.ratios[-1] < min(1, self.noise[0]) else ""


def _all(sets: list[list[float]]) -> list[float]:
    return [value for values in sets for value in values]


def _ratios(ours: list[list[float]], others: list[list[float]]) -> list[float]:
    return sorted(median(_paired(mine, other)) for mine, other in zip(ours, others, strict=True))


def _paired(ours: list[float], others: list[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, others, strict=True)]


def table(lines: Iterable[Line]) -> str:
    output = []
    for group, members in groupby(lines, lambda line: line.group):
        heads = f"{'ratio':>7}  {'sets':<12} {'control':<12}"
        output.append(f"\n{group:<48}{'old: min median max':>26}{'new: min median max':>28} {'':<5}{heads}".rstrip())
        for line in members:
            old, new = (_figures(_all(values)) for values in (line.old, line.new))
            sets, noise = (f"{ratios[0]:.2f}–{ratios[-1]:.2f}" for ratios in (line.ratios, line.noise))
            ratios = f"{line.ratio:>7.2f}  {sets:<12} {noise:<12}"
            output.append(f"  {line.what:<46}{old:>26}{new:>28} {line.unit:<5}{ratios} {line.verdict}".rstrip())
    return "\n".join(output).lstrip("\n")


def _figures(values: list[float]) -> str:
    return " ".join(f"{figure(value):>8}" for value in (min(values), median(values), max(values)))


def summary(lines: Iterable[Line]) -> str:
    rows = list(lines)
    slower = [f"{line.what} ({line.ratio:.2f}x)" for line in rows if line.verdict == "slower"]
    faster = sum(line.verdict == "faster" for line in rows)
    counts = f"{len(rows)} rows: {len(slower)} slower, {faster} faster, the others within the noise."
    return f"{counts} Slower: {'; '.join(slower)}." if slower else counts


# -- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Rows of a group that are measured together.

    `open` sets up the contestants of the tree at a path, by name. `rows` has for each contestant the row's name, its
    unit, and a function from the contestant's result to a cost in that unit.
    """

    group: str
    open: Callable[[Path], AbstractContextManager[Contestants]]
    rows: Mapping[str, tuple[str, str, Callable[[Any], float]]]
    rounds: int
    warm: int = 1


def measured(experiment: Experiment, old: Path, new: Path, sets: int) -> list[Line]:
    lines = {key: Line(group=experiment.group, what=row[0], unit=row[1]) for key, row in experiment.rows.items()}
    for _ in range(sets):
        with ExitStack() as stack:
            sides = {"old": old, "new": new, "control": old}
            contestants = {side: stack.enter_context(experiment.open(root)) for side, root in sides.items()}
            for key, line in lines.items():
                turns = {side: by_name[key] for side, by_name in contestants.items()}
                cost = experiment.rows[key][2]
                for side, values in in_turn(turns, experiment.rounds, experiment.warm).items():
                    getattr(line, side).append([cost(value) for value in values])
    return list(lines.values())


def in_turn(contestants: Contestants, rounds: int, warm: int) -> dict[str, list[Any]]:
    """Run the contestants in turns, always in the same order; return their results after `warm` rounds.

    If every other round went backwards, the first and the last contestant would run twice in a row and find the
    processor's caches warm; the middle one never would.
    """
    results: dict[str, list[Any]] = {name: [] for name in contestants}
    for turn in range(-warm, rounds):
        for name, run in contestants.items():
            result = run()
            if turn >= 0:
                results[name].append(result)
    return results


def scaled(scale: float) -> Callable[[float], float]:
    return lambda value: value * scale


def per_second(rate: float) -> float:
    """Return the µs for one call at this rate per second."""
    return 1e6 / rate


def worker(factory: str, *arguments: str) -> Callable[[Path], AbstractContextManager[Contestants]]:
    """Return a function that sets up contestants in a process of the tree at a path."""

    @contextmanager
    def opened(root: Path) -> Iterator[Contestants]:
        with Worker(factory, *arguments, root=root) as running:
            yield {name: partial(running, name) for name in running.names}

    return opened


# -- the groups ------------------------------------------------------------------------------------------------------


def from_memory() -> dict[str, Callable[[], float]]:
    from . import memory

    return {
        "create": timed(memory.create(), 20),  # few, so that the turns of a round follow each other closely
        "get": timed(memory.get(), 20),
        "page": timed(memory.page(), 5),
        "renewal": timed(memory.renewal(), 10),
    }


def over_stub(url: str) -> dict[str, Callable[[], float]]:
    from . import ours

    return {"create": timed(ours.create(url), 10), "get": timed(ours.get(url), 10)}


def one_call(quick: bool) -> Iterator[Experiment]:
    micro, rounds = scaled(1e6), 40 if quick else 100
    yield Experiment(
        group="One call, answered from memory: the connector's own work",
        open=worker(f"{HERE}:from_memory"),
        rows={
            "create": ("create-meeting, 12 inputs", "µs", micro),
            "get": ("get-user", "µs", micro),
            "page": ("list-users, a page of 300", "µs", micro),
            "renewal": ("a token renewed", "µs", micro),
        },
        rounds=rounds,
        warm=3,
    )
    with stub_server.Stub() as stub:
        yield Experiment(
            group=f"One call, over the stub in {stub_server.kind()}",
            open=worker(f"{HERE}:over_stub", stub.url()),
            rows={"create": ("create-meeting, 12 inputs", "µs", micro), "get": ("get-user", "µs", micro)},
            rounds=rounds // 2,
            warm=3,
        )


def at_once(quick: bool) -> Iterator[Experiment]:
    with stub_server.Stub() as stub:
        for number in (64, 256):
            yield Experiment(
                group=f"{number} calls at once (get-user)",
                open=worker("benchmarks.at_once:contestants", stub.url(), str(number), "256", "quick"),
                rows={f"{number}, ours": (f"{number} at once, each call", "µs", per_second)},
                rounds=2 if quick else 5,
            )


def lists(quick: bool) -> Iterator[Experiment]:
    with stub_server.Stub() as stub:
        yield Experiment(
            group="9,000 users listed",
            open=worker("benchmarks.lists:contestant", "list", "benchmarks.ours", stub.url(9000)),
            rows={"list": ("the call", "ms", scaled(1e3))},
            rounds=3 if quick else 7,
        )


def starts(quick: bool) -> Iterator[Experiment]:
    commands = {
        "list": ["list"],
        "run": ["run", "get-user", "--user-id", "me"],
        "preview": ["preview", "create-meeting", "--user-id", "me", "--topic", "Weekly sync"],
    }
    with stub_server.Stub() as stub:

        @contextmanager
        def opened(root: Path) -> Iterator[Contestants]:
            env = {"ZOOM_BASE_URL": stub.url(), "ZOOM_ACCESS_TOKEN": "t"}
            yield {
                name: partial(seconds, [python(), "-m", "zoom_connector", *words], root, **env)
                for name, words in commands.items()
            }

        yield Experiment(
            group="Commands as whole processes",
            open=opened,
            rows={
                name: (f"zoom-connector {' '.join(words[:2])}", "ms", scaled(1e3)) for name, words in commands.items()
            },
            rounds=2 if quick else 4,
        )


def events() -> dict[str, Callable[[], float]]:
    from .trips import SECRET, received

    receiver, event = received()

    def accept() -> float:
        """Return the seconds for one event; each event must be new."""
        posts = [event() for _ in range(20)]
        start = time.perf_counter()
        for body, headers in posts:
            assert receiver.accept(body, headers).status == 200
        return (time.perf_counter() - start) / len(posts)

    body, headers = event()
    return {"read": timed(lambda: receiver.trigger.receive(body, headers, SECRET, time.time()), 20), "accept": accept}


def webhook(quick: bool) -> Iterator[Experiment]:
    yield Experiment(
        group="Webhooks",
        open=worker(f"{HERE}:events"),
        rows={
            "read": ("verified and read", "µs", scaled(1e6)),
            "accept": ("accepted: verified, read, recorded in memory", "µs", scaled(1e6)),
        },
        rounds=40 if quick else 100,
        warm=3,
    )


def service(quick: bool) -> Iterator[Experiment]:
    from . import service

    cases = {
        "/health": ("GET", "/health"),
        "preview": ("POST", "/v1/actions/get-user/preview"),
        "run": ("POST", service.RUN),
    }
    vendor = service.Server("vendor")

    @contextmanager
    def opened(root: Path) -> Iterator[Contestants]:
        with serving(root, f"http://127.0.0.1:{vendor.port}") as port:
            yield {
                name: partial(service.rate, port, service.request(*case), 200 if quick else 400)
                for name, case in cases.items()
            }

    try:
        yield Experiment(
            group="The service over HTTP, 16 requests at once",
            open=opened,
            rows={name: (f"{name}, each request", "µs", per_second) for name in cases},
            rounds=2 if quick else 3,
        )
    finally:
        vendor.close()


@contextmanager
def serving(root: Path, vendor: str) -> Iterator[int]:
    """Run `zoom-connector serve` of the tree at `root` and yield its port."""
    command = [python(), "-m", "zoom_connector", "serve", "--port", "0", "--store", "memory://", "--base-url", vendor]
    with tempfile.TemporaryDirectory() as folder:
        env = environment(root, ZOOM_ACCESS_TOKEN="t", XDG_DATA_HOME=folder)
        log = Path(folder, "log")  # a pipe would fill up: the service logs a line for each request
        with log.open("w") as out:
            process = subprocess.Popen(command, cwd=root, env=env, stdout=out, stderr=out)
        try:
            while not (match := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
                if process.poll() is not None:
                    raise RuntimeError(f"serve in {root} ended with {process.returncode}:\n{log.read_text()}")
                time.sleep(0.05)
            yield int(match[1])
        finally:
            process.terminate()
            process.wait()


def downloads(quick: bool) -> Iterator[Experiment]:
    from . import downloads

    size = (32 if quick else 128) * 2**20
    kinds = ("download", "AsyncClient.download")
    with downloads.serving(size) as (port, _):

        @contextmanager
        def opened(root: Path) -> Iterator[Contestants]:
            yield {kind: partial(downloads.measured, kind, port, size, root) for kind in kinds}

        yield Experiment(
            group=f"A download of {size // 2**20} MB",
            open=opened,
            rows={kind: (kind, "ms", lambda result: float(result["seconds"] * 1e3)) for kind in kinds},
            rounds=2 if quick else 3,
            warm=0,  # each download has its own process, which warms itself up
        )


GROUPS: dict[str, Callable[[bool], Iterator[Experiment]]] = {
    "one_call": one_call,
    "at_once": at_once,
    "lists": lists,
    "starts": starts,
    "webhook": webhook,
    "service": service,
    "downloads": downloads,
}


# -- the other tree --------------------------------------------------------------------------------------------------


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Check the commit out, with this tree's benchmarks, and yield the folder; remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="against-") as folder:
        tree = Path(folder).resolve() / "old"
        git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            shutil.rmtree(tree / "benchmarks", ignore_errors=True)
            shutil.copytree(ROOT / "benchmarks", tree / "benchmarks", ignore=shutil.ignore_patterns("__pycache__"))
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def install_dependencies(root: Path) -> None:
    """Install a tree's missing dependencies: without a library that it prefers, it would seem slow."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["service"]]
    pip = [python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *requirements], check=True)


def check_imports(root: Path) -> None:
    """Exit if a process in a tree would import a connector from outside that tree."""
    command = [python(), "-c", PROBE]
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=True)
    for file in done.stdout.split("\n")[:2]:
        if not Path(file).resolve().is_relative_to(root.resolve()):
            raise SystemExit(f"Python would import the connector from {file} instead of {root}.")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commit", help="the commit to compare this tree with")
    parser.add_argument("--quick", action="store_true", help="fewer rounds in fewer sets")
    parser.add_argument("--only", choices=GROUPS, action="append", help="only these groups of rows")
    options = parser.parse_args()
    commit = git("rev-parse", "--verify", f"{options.commit}^{{commit}}")
    sets = QUICK_SETS if options.quick else SETS
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # runs the clean-up of the checkout
    with checked_out(commit) as old:
        install_dependencies(old)
        for root in (old, ROOT):
            check_imports(root)
        print(HEAD.format(new=f"This tree ({git('describe', '--always', '--dirty')})", old=commit[:12], sets=sets))

        def rows(name: str) -> Iterator[Line]:
            experiments = GROUPS[name](options.quick)
            return (line for experiment in experiments for line in measured(experiment, old, ROOT, sets))

        lines, broken = by_group(options.only or GROUPS, rows, table)
    print(f"\n{summary(lines)}")
    return exit_code(broken)


if __name__ == "__main__":
    sys.exit(main())
