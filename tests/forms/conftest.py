"""Gives the tests a page in a headless browser that draws forms with the libraries platforms use."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
FILES = ("package.json", "package-lock.json", "page.jsx")
DATA = dict[str, Any]


@pytest.fixture(scope="session")
def bundle() -> Path:
    """The libraries and the page as one script: made once for these versions, then kept beside the interpreter."""
    made = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    own = sys.prefix if sys.prefix != sys.base_prefix else tempfile.gettempdir()
    kept = Path(own) / f"form-libraries-{made}.js"
    if kept.is_file():
        return kept
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    npm = shutil.which("npm", path=path)
    if npm is None:
        pytest.skip("form libraries: there is no npm")
    with tempfile.TemporaryDirectory(prefix="forms-") as folder:
        for name in FILES:
            shutil.copy(HERE / name, folder)
        quiet = ("--silent", "--no-audit", "--no-fund", "--no-update-notifier", "--fetch-retries=1")
        for command in (["ci", "--ignore-scripts", *quiet], ["run", "bundle", *quiet]):
            line = [npm, *command]
            done = subprocess.run(
                line, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=240
            )
            if done.returncode and command[0] == "ci":
                pytest.skip(f"form libraries: npm could not fetch them: {(done.stderr or done.stdout).strip()[-200:]}")
            assert done.returncode == 0, done.stdout + done.stderr
        half = kept.with_suffix(f".{os.getpid()}")
        shutil.copy(Path(folder) / "page.js", half)
        half.replace(kept)
    return kept


@pytest.fixture(scope="module")
def browser_page(bundle: Path) -> Iterator[Page]:
    chromium = shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("browser: chromium and playwright are not both installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(10_000)
        page.set_content("<html><body></body></html>")
        page.add_script_tag(path=bundle)
        yield page
        browser.close()


@pytest.fixture
def page(browser_page: Page) -> Iterator[Page]:
    """The page; what goes wrong on it fails the test."""
    faults: list[str] = []

    def heard(fault: object) -> None:
        faults.append(str(fault))

    browser_page.on("pageerror", heard)
    yield browser_page
    browser_page.remove_listener("pageerror", heard)
    assert not faults
