"""What the documentation shows is what happens: snippets run, tables are current, links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from connector_runtime.definitions import documents, folders
from zoom_connector import Connector
from zoom_connector.demo_page import serve_page
from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
PAGES = [page for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]]


def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_generated_parts_are_current() -> None:
    pages = generate().PAGES
    assert {"docs/errors.md", "docs/house.md"} < pages.keys()
    for name, made in pages.items():
        assert made((ROOT / name).read_text()) == (ROOT / name).read_text(), f"run: make docs ({name})"


def test_the_readmes_python_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, _ = blocks("README.md", "python")
    with Sandbox() as zoom:
        here = first.replace('token="…"', f'token="{zoom.token}", base_url="{zoom.base_url}"')
        names: dict[str, object] = {}
        exec(here, names)
        out = capsys.readouterr().out
        assert out.startswith("POST https://api.zoom.us/v2/users/me/meetings {'topic': 'Weekly sync', 'duration': 30}")
        assert out.count("@") == 25
        exec(second, names)
        said = capsys.readouterr().out.splitlines()
    assert said == [line.removeprefix("# ") for line in second.splitlines() if line.startswith("# ")]


def test_the_readmes_ten_lines_embed_the_connector_over_http(
    capsys: pytest.CaptureFixture[str], connector: Connector
) -> None:
    block = blocks("README.md", "python")[2]
    assert len([line for line in block.splitlines() if line and line[0] != "#"]) <= 10
    with Sandbox() as zoom, serve_page(connector, zoom) as url:
        names: dict[str, Any] = {}
        exec(block.replace("http://127.0.0.1:8300", url), names)
        names["service"].close()
    assert capsys.readouterr().out.splitlines() == [
        line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")
    ]


class Tracer:
    """What the documentation's observer needs of OpenTelemetry's tracer; it keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def start_span(self, name: str, start_time: int) -> Tracer:
        self.told.append((name, start_time))
        return self

    def set_attributes(self, attributes: dict[str, object]) -> None:
        self.told.append(attributes)

    def end(self, end_time: int) -> None:
        self.told.append(end_time)


@pytest.mark.parametrize(
    "page",
    [
        f"docs/{name}.md"
        for name in ("catalogue", "choices", "downloads", "embedding", "limits", "lists", "resilience", "sandbox")
    ],
)
def test_a_pages_python_runs_in_one_go_and_prints_what_it_says(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox() as zoom:
        names: dict[str, object] = {"TOKEN": zoom.token, "BASE_URL": zoom.base_url, "tracer": Tracer()}
        parts = blocks(page, "python")
        assert parts
        for block in parts:
            exec(block, names)
            wanted = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
            assert capsys.readouterr().out.splitlines() == wanted


def test_the_readmes_commands_exist() -> None:
    from connector_runtime.commands.cli import COMMANDS as COMMON
    from zoom_connector.__main__ import COMMANDS

    named = re.findall(r"^zoom-connector (\S+)", "\n".join(blocks("README.md", "sh")), re.MULTILINE)
    assert named
    assert set(named) <= {*COMMANDS, *COMMON}


def test_the_readmes_action_is_a_valid_definition(tmp_path: Path) -> None:
    (yaml,) = blocks("README.md", "yaml")
    key = documents.read(yaml, "x.yaml").data["key"]
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / f"{key}.yaml").write_text(yaml)
    (tmp_path / "connector.yaml").write_text((ROOT / "connector.yaml").read_text().partition("\nlimits:")[0])
    shutil.copy(ROOT / "icon.svg", tmp_path)
    loaded = folders.load(tmp_path)
    assert loaded.check() == []
    assert loaded.actions[key].preview({"meeting_id": "123 456"})["url"] == "https://api.zoom.us/v2/meetings/123456"


def test_links_between_pages_lead_somewhere() -> None:
    links = [(page, to) for page in PAGES for to in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())]
    assert len(PAGES) > 20 and len(links) > 50
    assert [(page.name, to) for page, to in links if not (page.parent / to).exists()] == []
