"""Folders with 22, 200 and 2,000 actions: time and memory of `run`, `list` and `check` as processes."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from . import stub_server
from .frame import Row, Target
from .measure import ROOT, environment, interleaved, python, series

GROUP = "Actions in a folder"
PARTS = ("connector.yaml", "icon.svg", "actions", "connection", "triggers", "locales", "schemas")
COMMAND = """
import sys
from connector_runtime.commands import cli
from zoom_connector import load

status = cli.main(sys.argv[2:], "zoom-connector", lambda path: load(path or sys.argv[1]), example="list")
with open("/proc/self/status") as file:
    peak = next(line.split()[1] for line in file if line.startswith("VmHWM:"))
print(status, peak, file=sys.stderr)
"""


def folder_of(number: int, folder: Path) -> Path:
    """Make a folder with this many actions: copies of the bundled ones under new keys."""
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        shutil.copytree(source, folder / part) if source.is_dir() else shutil.copy(source, folder / part)
    files = sorted((ROOT / "actions").glob("*.yaml"))
    for count in range(len(files), number):
        file = files[count % len(files)]
        text = file.read_text().replace(f"key: {file.stem}\n", f"key: {file.stem}-{count}\n", 1)
        (folder / "actions" / f"{file.stem}-{count}.yaml").write_text(text)
    return folder


def measured(folder: Path, url: str, *words: str) -> tuple[float, float]:
    """Run a command as a process; return its seconds and its peak memory in MB."""
    env = environment(ZOOM_BASE_URL=url, ZOOM_ACCESS_TOKEN="t")
    start = time.perf_counter()
    done = subprocess.run([python(), "-c", COMMAND, str(folder), *words], env=env, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    status, peak = done.stderr.split()[-2:]
    if status != "0":
        raise RuntimeError(f"{words} in {folder} ended with {done.stderr[-2000:]}")
    return seconds, int(peak) / 1024


def rows(quick: bool) -> Iterable[Row]:
    numbers = (22, 2000) if quick else (22, 200, 2000)
    with stub_server.Stub() as stub, tempfile.TemporaryDirectory() as place:
        root = Path(place)
        folders = {number: folder_of(number, root / str(number)) for number in numbers}

        def each(*words: str) -> dict[str, Callable[[], Any]]:
            return {str(n): partial(measured, folder, stub.url(), *words) for n, folder in folders.items()}

        runs = interleaved(each("run", "get-user", "--user-id", "me"), 3 if quick else 15)
        lists = {} if quick else interleaved(each("list"), 3, warm=0)
        checks = {} if quick else interleaved(each("check"), 3, warm=0)
    for what, results, target in (
        ("run get-user, start to end", runs, Target("at most", 1.5)),
        ("list, all of them checked", lists, None),
        ("check, every file of them", checks, None),
    ):
        for number in list(results)[1:]:
            row_target = target if number == str(numbers[-1]) else None
            for part, unit, scale in ((0, "ms", 1e3), (1, "MB", 1.0)):
                yield Row(
                    group=GROUP,
                    what=f"{what}{', memory' if part else ''}",
                    unit=unit,
                    ours=series(f"{int(number):,} actions", [values[part] for values in results[number]], scale),
                    rival=series("22 actions", [values[part] for values in results["22"]], scale),
                    target=None if part else row_target,
                )
