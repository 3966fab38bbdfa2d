"""What is installed from PyPI works: the wheel, in an environment of its own, from another folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GOLDEN = """
import json, sys
from pathlib import Path
from zoom_connector import load
from connector_runtime.definitions import documents
import connector_runtime, zoom_connector
assert "site-packages" in zoom_connector.__file__ and "site-packages" in connector_runtime.__file__
connector = load()
assert connector.actions["get-user"].key == "get-user" and "jsonschema" not in sys.modules
assert connector.check() == []
assert connector.localized("de").actions["get-user"].label == "Benutzer abrufen"
assert connector.catalogue()["icon"].startswith("data:image/svg+xml")
count = 0
for file in sorted(Path(sys.argv[1]).glob("*.yaml")):
    for case in documents.read(file.read_text(), file.name).data:
        shown = connector.actions[file.stem].preview(case["inputs"])
        assert shown["url"] == case["request"]["url"] and shown["body"] == case["request"].get("body"), case["says"]
        count += 1
from zoom_connector.sandbox import Sandbox
from zoom_connector import Client
with Sandbox() as zoom, Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
    assert client.run("get-user", {"user_id": "me"}).status == 200
print(json.dumps(count))
"""


def run(*command: str | Path, cwd: Path) -> str:
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    whole = [str(part) for part in command]
    done = subprocess.run(whole, cwd=cwd, env=alone, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)
def test_the_wheel_from_the_sdist_runs_the_golden_cases_from_another_folder(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    assert json.loads(run(python, "-c", GOLDEN, ROOT / "tests" / "golden", cwd=tmp_path)) >= 50
    assert "create-meeting" in run(tmp_path / "venv" / "bin" / "zoom-connector", "list", cwd=tmp_path)
    assert "Done" in run(python, "-m", "zoom_connector", "demo", "--once", cwd=tmp_path)
