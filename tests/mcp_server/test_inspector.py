"""The protocol's own inspector, at its command line, lists the tools, finds no fault with them, and runs some."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoom_connector.sandbox import Sandbox

from .conftest import ROOT, environment, serving

HERE = Path(__file__).parent / "inspector"
FILES = ("package.json", "package-lock.json")
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
Inspect = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def inspector() -> Path:
    """The inspector: fetched once for its version, then kept beside the interpreter."""
    made = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    own = sys.prefix if sys.prefix != sys.base_prefix else tempfile.gettempdir()
    kept = Path(own) / f"mcp-inspector-{made}"
    if not kept.is_dir():
        npm = shutil.which("npm", path=PATH)
        if npm is None:
            pytest.skip("inspector: there is no npm")
        with tempfile.TemporaryDirectory(prefix="inspector-", dir=own) as folder:
            half = Path(folder) / "half"
            shutil.copytree(HERE, half)
            quiet = ("--silent", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=1")
            line = [npm, "ci", "--ignore-scripts", *quiet]
            done = subprocess.run(
                line, cwd=half, env={**os.environ, "PATH": PATH}, capture_output=True, text=True, timeout=110
            )
            if done.returncode:
                said = (done.stderr or done.stdout).strip()[-200:]
                pytest.skip(f"inspector: npm could not fetch it: {said}")
            half.rename(kept)
    return kept / "node_modules" / ".bin" / "mcp-inspector"


@pytest.fixture
def inspect(inspector: Path, zoom: Sandbox, tmp_path: Path) -> Inspect:
    """Runs the inspector with a server: words of a command, or an address."""

    def run(server: list[str], *words: str) -> subprocess.CompletedProcess[str]:
        given = {**environment(zoom, tmp_path), "PATH": PATH, "HOME": str(tmp_path)}
        ours = [f"{name}={value}" for name, value in given.items() if name.startswith("ZOOM_")]
        shown = [word for pair in ours for word in ("-e", pair)]
        line = [str(inspector), "--cli", *(shown if len(server) > 1 else []), *server, *words]
        return subprocess.run(line, env=given, cwd=ROOT, capture_output=True, text=True, timeout=60)

    return run


STDIO = [sys.executable, "-m", "zoom_connector", "mcp"]


def test_it_lists_all_tools_and_finds_their_schemas_portable(inspect: Inspect) -> None:
    done = inspect([*STDIO, "--destructive"], "--method", "tools/list", "--strict")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["tools"]) == 22
    assert "Warning" not in done.stderr and "Error" not in done.stderr, done.stderr


def test_it_runs_one(inspect: Inspect, zoom: Sandbox) -> None:
    arguments = ["--tool-arg", "user_id=me", "topic=Weekly sync", "type=2"]
    done = inspect(STDIO, "--method", "tools/call", "--tool-name", "create-meeting", *arguments)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["isError"] is False and made["structuredContent"]["data"]["topic"] == "Weekly sync"
    assert json.loads(zoom.requests[-1].body) == {"topic": "Weekly sync", "type": 2}


def test_it_lists_and_runs_over_http(inspect: Inspect, zoom: Sandbox, tmp_path: Path) -> None:
    web = serving(zoom, tmp_path)
    listed = inspect([web.url], "--transport", "http", "--method", "tools/list")
    assert len(json.loads(listed.stdout)["tools"]) == 20, listed.stderr
    arguments = ["--method", "tools/call", "--tool-name", "list-users", "--tool-arg", "limit=3"]
    called = inspect([web.url], "--transport", "http", *arguments)
    assert len(json.loads(called.stdout)["structuredContent"]["data"]["users"]) == 3, called.stderr
    assert web.stop() == 0
