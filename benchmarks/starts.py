"""Commands as processes: `list` against a bare Python, `run` against a five-line script."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from . import stub_server
from .frame import Row, Target
from .measure import interleaved, python, seconds, series

GROUP = "Commands as whole processes"


def rows(quick: bool) -> Iterable[Row]:
    command = str(Path(sys.executable).with_name("zoom-connector"))
    script = str(Path(__file__).parent / "rivals" / "script.py")
    with stub_server.Stub() as stub, tempfile.TemporaryDirectory() as folder:
        env = {"ZOOM_BASE_URL": stub.url(), "ZOOM_ACCESS_TOKEN": "t"}
        warm, off = {"CONNECTOR_CACHE": f"{folder}/warm"}, {"CONNECTOR_CACHE": "off"}
        Path(folder, "warm").mkdir()

        def cold(*words: str) -> float:
            """Start with an empty cache, which the command fills."""
            with tempfile.TemporaryDirectory(dir=folder) as fresh:
                return seconds([command, *words], CONNECTOR_CACHE=fresh, **env)

        results = interleaved(
            {
                "bare": lambda: seconds([python(), "-c", "pass"]),
                "list": lambda: seconds([command, "list"], **warm),
                "list, cold": lambda: cold("list"),
                "list, off": lambda: seconds([command, "list"], **off),
                "run": lambda: seconds([command, "run", "get-user", "--user-id", "me"], **warm, **env),
                "run, cold": lambda: cold("run", "get-user", "--user-id", "me"),
                "script": lambda: seconds([python(), script], **env),
                "import httpx": lambda: seconds([python(), "-c", "import httpx"]),
            },
            3 if quick else 21,
        )
    for what, ours, rival, says, target in (
        ("zoom-connector list", "list", "bare", "python -c pass", Target("at most", 5)),
        ("zoom-connector list, cache empty", "list, cold", "bare", "python -c pass", None),
        ("zoom-connector list, without a cache", "list, off", "bare", "python -c pass", None),
        ("zoom-connector run get-user", "run", "script", "five lines of httpx", Target("at most", 1.25)),
        ("zoom-connector run, cache empty", "run, cold", "script", "five lines of httpx", None),
        ("zoom-connector run, against an import", "run", "import httpx", "python -c 'import httpx'", None),
    ):
        mine, other = series("connector", results[ours], 1e3), series(says, results[rival], 1e3)
        yield Row(group=GROUP, what=what, unit="ms", ours=mine, rival=other, target=target)
