"""The documentation is true: its snippets run, its tables are current, its links resolve."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from connector_runtime.definitions import documents, folders
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
    assert {"docs/actions.md", "docs/errors.md", "docs/house.md"} < pages.keys()
    for name, write in pages.items():
        assert write((ROOT / name).read_text()) == (ROOT / name).read_text(), f"run: make docs ({name})"


def test_the_table_of_actions_has_a_row_for_each() -> None:
    rows = (ROOT / "docs/actions.md").read_text().splitlines()
    assert "| `get-user` | Get the information and metadata of a user by Id | `GET /users/{user_id}` | read |" in rows
    assert any(row.startswith("| `raw-request` |") and row.endswith("| any | by method |") for row in rows)


def test_the_readmes_python_runs_and_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = blocks("README.md", "python")
    assert len(first.splitlines()) <= 10
    names: dict[str, object] = {}
    exec(first, names)
    body, join_url, *emails = capsys.readouterr().out.splitlines()
    assert body == "{'topic': 'Weekly sync', 'duration': 30}"
    assert join_url.startswith("https://zoom.us/j/")
    assert len(emails) == 25 and all("@" in email for email in emails)
    exec(second, names)
    comments = [line.removeprefix("# ") for line in second.splitlines() if line.startswith("# ")]
    assert comments and capsys.readouterr().out.splitlines() == comments


class Tracer:
    """The part of OpenTelemetry's tracer that the documentation's observer uses; it records the calls."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    def start_span(self, name: str, start_time: int) -> Tracer:
        self.calls.append((name, start_time))
        return self

    def set_attributes(self, attributes: dict[str, object]) -> None:
        self.calls.append(attributes)

    def end(self, end_time: int) -> None:
        self.calls.append(end_time)


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
        snippets = blocks(page, "python")
        assert snippets
        for block in snippets:
            exec(block, names)
            comments = [line.removeprefix("# ") for line in block.splitlines() if line.startswith("# ")]
            assert capsys.readouterr().out.splitlines() == comments


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md"])
def test_the_commands_that_a_page_names_exist(page: str) -> None:
    from connector_runtime.commands.cli import COMMANDS as COMMON
    from zoom_connector.__main__ import COMMANDS

    text = (ROOT / page).read_text()
    lines = "\n".join([*blocks(page, "sh"), *re.findall(r"`(zoom-connector [^`]*)`", text)])
    commands = set(re.findall(r"^zoom-connector ([a-z][\w-]*)", lines, re.MULTILINE))
    assert commands and commands <= {*COMMANDS, *COMMON}


def test_the_options_that_the_command_line_page_shows_are_accepted(tmp_path: Path) -> None:
    table = "\n".join(line for line in (ROOT / "docs/command-line.md").read_text().splitlines() if line[:2] == "| ")
    (tmp_path / "logo.png").write_bytes(b"PNG")
    sent = {"1,3": '"weekly_days": "1,3"', "[1, 3]": '"weekly_days": "1,3"', "Accept=text/csv": '"Accept": "text/csv"'}
    sent["logo=@logo.png"] = '"filename": "logo.png"'
    actions = {
        "--weekly-day": ["create-meeting", "--user-id", "me", "--type", "8", "--type-recurrence", "2"],
        "--header": ["raw-request", "--url", "/x", "--method", "GET"],
        "--file-data": ["raw-request", "--url", "/x", "--method", "POST"],
    }
    examples = [shlex.split(example) for example in re.findall(r"`(--[a-z-]+ [^`]*[^`A-Z])`", table)]
    assert {value for _, value in examples} == sent.keys()
    for name, value in examples:
        line = [sys.executable, "-m", "zoom_connector", "preview", *actions[name], name, value]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert sent[value] in done.stdout, done.stderr


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
