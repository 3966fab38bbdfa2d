"""docs/mcp.md: its snippets run."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from mcp.client.stdio import StdioServerParameters

from connector_runtime.commands import service_commands
from connector_runtime.commands.cli import COMMANDS
from zoom_connector.sandbox import Sandbox

from .conftest import ROOT, environment, talking

PAGE = (ROOT / "docs" / "mcp.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_settings_of_a_client_start_a_server(zoom: Sandbox, tmp_path: Path) -> None:
    (text,) = blocks("json")
    server = json.loads(text)["mcpServers"]["zoom"]
    assert server["command"] == "zoom-connector"
    given = {**environment(zoom, tmp_path), **server["env"]}
    words = ["-m", "zoom_connector", *server["args"]]
    with talking(StdioServerParameters(command=sys.executable, args=words, env=given, cwd=ROOT)) as talk:
        assert "list-users" in talk.tools() and "create-meeting" not in talk.tools()


def test_the_python_runs_and_prints_what_it_says(
    zoom: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (block,) = blocks("python")
    monkeypatch.chdir(ROOT)
    here = {"COMMAND": sys.executable, "ARGUMENTS": ["-m", "zoom_connector"]}
    exec(block, {**here, "TOKEN": zoom.token, "BASE_URL": zoom.base_url})
    wanted = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
    assert capsys.readouterr().out.splitlines() == wanted


def test_the_commands_and_options_exist() -> None:
    named = re.findall(r"zoom-connector (\w[\w-]*)", "\n".join(blocks("sh")))
    assert "mcp" in named and set(named) <= set(COMMANDS)
    source = Path(service_commands.__file__).read_text()
    for option in re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE):
        assert f'"{option}"' in source
