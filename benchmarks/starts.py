"""Commands as processes: `list` and `preview` against a bare Python, `run` against a five-line script."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from . import stub_server
from .frame import Row, Target
from .measure import ROOT, interleaved, python, seconds, series

GROUP = "Commands as whole processes"
COMMANDS = {
    "list": ("list",),
    "preview": ("preview", "create-meeting", "--user-id", "me", "--topic", "Weekly sync"),
    "run": ("run", "get-user", "--user-id", "me"),
}


def rows(quick: bool) -> Iterable[Row]:
    script = str(Path(__file__).parent / "rivals" / "script.py")
    pip = [python(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with stub_server.Stub() as stub, tempfile.TemporaryDirectory() as folder:
        subprocess.run([*pip, "--target", folder, str(ROOT)], check=True)
        env = {"ZOOM_BASE_URL": stub.url(), "ZOOM_ACCESS_TOKEN": "t"}
        ours = {
            f"{name}{suffix}": partial(seconds, [python(), "-m", "zoom_connector", *words], root, **env)
            for name, words in COMMANDS.items()
            for suffix, root in (("", Path(folder)), (", checkout", ROOT))
        }
        results = interleaved(
            {
                "bare": lambda: seconds([python(), "-c", "pass"]),
                **ours,
                "script": lambda: seconds([python(), script], **env),
                "import httpx": lambda: seconds([python(), "-c", "import httpx"]),
            },
            3 if quick else 21,
        )
    bare, httpx = ("bare", "python -c pass"), ("script", "five lines of httpx")
    for what, contestant, (rival, says), target in (
        ("zoom-connector list", "list", bare, Target("at most", 5)),
        ("zoom-connector list, in a checkout", "list, checkout", bare, None),
        ("zoom-connector preview create-meeting", "preview", bare, None),
        ("zoom-connector preview, in a checkout", "preview, checkout", bare, None),
        ("zoom-connector run get-user", "run", httpx, Target("at most", 1.25)),
        ("zoom-connector run, in a checkout", "run, checkout", httpx, None),
        ("zoom-connector run, against an import", "run", ("import httpx", "python -c 'import httpx'"), None),
    ):
        mine, other = series("connector", results[contestant], 1e3), series(says, results[rival], 1e3)
        yield Row(group=GROUP, what=what, unit="ms", ours=mine, rival=other, target=target)
