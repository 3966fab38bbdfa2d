"""CONTRIBUTING.md is followed exactly as written, in a copy of the repository; the language reference is current."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from connector_runtime.definitions.folders import load
from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
PARTS = (
    "actions",
    "connection",
    "triggers",
    "locales",
    "schemas",
    "icon.svg",
    "connector_runtime",
    "zoom_connector",
    "tests",
    "pyproject.toml",
)


def steps() -> Iterator[tuple[str, str]]:
    """The fenced blocks of the section, in order, as (language, text)."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition("## Add an action in five minutes")[2].partition("\n## ")[0]
    yield from re.findall(r"```(\w+)\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    made = tmp_path / "clone"
    made.mkdir()
    skip = shutil.ignore_patterns("__pycache__", ".*")
    for name in (*PARTS, "connector.yaml"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, made / name, ignore=skip)
        else:
            shutil.copy(source, made / name)
    commands = made / "bin"
    commands.mkdir()
    for name, line in (("zoom-connector", "-m zoom_connector"), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {line} "$@"\n')
        (commands / name).chmod(0o755)
    return made


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_an_action_is_added_by_following_the_page(clone: Path) -> None:
    files = iter(["actions/delete-meeting.yaml", "tests/golden/delete-meeting.yaml"])
    printed = ""
    with Sandbox() as zoom:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("ZOOM_", "PYTEST_", "COV_"))}
        env |= {
            "PATH": f"{clone / 'bin'}:{os.environ['PATH']}",
            "ZOOM_BASE_URL": zoom.base_url,
            "ZOOM_ACCESS_TOKEN": zoom.token,
        }
        for language, text in steps():
            if language == "yaml":
                (clone / next(files)).write_text(text)
            elif language == "text":
                wanted = "".join(".*" if line == "…\n" else re.escape(line) for line in text.splitlines(keepends=True))
                shown = printed.replace("python -m zoom_connector", "zoom-connector").replace(
                    zoom.base_url, "https://api.zoom.us/v2"
                )
                assert re.fullmatch(wanted, shown, re.DOTALL), printed
            else:
                done = subprocess.run(
                    ["bash", "-ec", text], cwd=clone, env=env, capture_output=True, text=True, timeout=100
                )
                assert done.returncode == 0, text + done.stdout + done.stderr
                printed = done.stdout
        assert [request.method for request in zoom.requests] == ["POST", "DELETE"]
        assert zoom.requests[-1].status == 204
    assert next(files, None) is None


def test_each_file_that_the_page_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for name in re.findall(r"`((?:tests|docs|schemas|connector_runtime|zoom_connector)/[\w./-]*)`", text):
        if name != "tests/golden/delete-meeting.yaml":  # the page makes that one
            assert (ROOT / name).exists(), name


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_language", ROOT / "docs/make_language.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_language_reference_is_current() -> None:
    assert (ROOT / "docs/language.md").read_text() == maker().page(), "run: python docs/make_language.py"


def test_the_tour_of_one_action_holds(clone: Path) -> None:
    tour = (ROOT / "docs/language.md").read_text().partition("## A tour of one action")[2].partition("\n## ")[0]
    (text,) = re.findall(r"```yaml\n(.*?)```", tour, re.DOTALL)
    (clone / "actions/send-chat-message.yaml").write_text(text)
    connector = load(clone)
    assert connector.check() == []
    shown = connector.actions["send-chat-message"].preview({"user_id": "me", "message": "Hello", "to_channel": "C123"})
    assert f"{shown['method']} {shown['url']}" in tour
    assert json.dumps(shown["body"]) in tour
    lines = [number for first, last in re.findall(r"^\| (\d+)(?:–(\d+))? \|", tour, re.MULTILINE) for number in
             range(int(first), int(last or first) + 1)]  # fmt: skip
    assert lines == list(range(1, len(text.splitlines()) + 1))


def test_every_word_of_the_language_says_what_it_means() -> None:
    silent = [line for line in maker().page().splitlines() if re.search(r"\|\s*\|$", line)]
    assert silent == []
