"""When a folder's files are read and checked: once in a process, and not at all where they came with the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.definitions import check
from connector_runtime.definitions.connector import Connector
from connector_runtime.definitions.sources import Sources
from connector_runtime.errors import DefinitionError
from zoom_connector import bundled, load

ROOT = Path(__file__).parents[1]
KINDS = ("actions", "connection", "triggers", "locales")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled definitions."""
    for name in (*KINDS, "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("connector.yaml", "icon.svg"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are checked from here on."""
    seen: list[str] = []
    checked = check.checked

    def noted(document: Any, kind: str, stem: str, around: Any) -> Any:
        seen.append(document.name)
        return checked(document, kind, stem, around)

    monkeypatch.setattr(check, "checked", noted)
    return seen


def released(folder: Path) -> Connector:
    """The connector as an installed package loads its own folder."""
    return Connector(Sources(folder, {}, is_checked=True))


def test_a_file_is_checked_when_it_is_first_used_and_never_again(folder: Path, checks: list[str]) -> None:
    connector = load(folder)
    assert connector.actions["get-user"].key == "get-user"
    assert "actions/get-user.yaml" in checks and "actions/get-meeting.yaml" not in checks
    for _ in range(2):
        connector.catalogue()
        connector.catalogue("de")
        list(connector.outlines())
        connector.definition("get-user")
    files = [f"{kind}/{file.name}" for kind in KINDS for file in (folder / kind).glob("*.yaml")]
    assert sorted(checks) == sorted([*files, "connector.yaml"])


def test_a_folder_that_is_loaded_again_is_read_and_checked_again(folder: Path, checks: list[str]) -> None:
    assert load(folder).actions["get-user"].label == "Get User"
    path = folder / "actions/get-user.yaml"
    path.write_text(path.read_text().replace("label: Get User\n", "label: User\n"))
    checks.clear()
    assert load(folder).actions["get-user"].label == "User"
    assert "actions/get-user.yaml" in checks


def test_a_faulty_file_is_refused_each_time_that_it_is_used(folder: Path) -> None:
    path = folder / "actions/get-user.yaml"
    path.write_text(path.read_text().replace("label: Get User\n", "lable: User\n"))
    connector = load(folder)
    assert connector.actions["get-meeting"].key == "get-meeting"
    for _ in range(2):
        with pytest.raises(DefinitionError, match="lable"):
            connector.action("get-user")
        with pytest.raises(DefinitionError, match="lable"):
            list(connector.outlines())


def test_what_came_with_the_package_loads_unchecked_and_says_the_same(folder: Path, checks: list[str]) -> None:
    known, unchecked = load(folder), released(folder)
    checks.clear()
    for locale in (None, "de"):
        shown = unchecked.catalogue(locale, events=True)
        assert not checks
        assert shown == known.catalogue(locale, events=True)
        checks.clear()
    assert list(unchecked.outlines()) == list(known.outlines())
    assert [unchecked.definition(key) for key in known.actions] == [known.definition(key) for key in known.actions]
    assert not checks
    assert unchecked.check() == [] and checks


def test_a_checkout_is_checked_though_it_is_the_bundled_folder(checks: list[str]) -> None:
    bundled._bundled.cache_clear()
    assert load().actions["get-user"].key == "get-user"
    assert "actions/get-user.yaml" in checks
    assert load() is load()


def test_a_definition_that_is_changed_by_its_reader_is_changed_for_nobody_else(folder: Path) -> None:
    connector = load(folder)
    connector.definition("get-user")["inputs"].clear()
    assert connector.definition("get-user")["inputs"]


def test_commands_of_an_installed_package_load_nothing_that_only_a_check_needs() -> None:
    heavy = {"jsonschema", "jinja2", "cryptography", "connector_runtime.definitions.check"}
    assert not _modules("list") & {*heavy, "httpx", "argparse"}
    assert not _modules("preview", "get-user", "--user-id", "me") & heavy


def _modules(*arguments: str) -> set[str]:
    script = (
        "import sys; from connector_runtime.commands import cli\n"
        "from connector_runtime.definitions.connector import Connector\n"
        "from connector_runtime.definitions.sources import Sources\n"
        "from zoom_connector import bundled\n"
        "connector = Connector(Sources(bundled.root(), {}, is_checked=True))\n"
        f"cli.main({list(arguments)!r}, 'acme', lambda path: connector, example='list')\n"
        "print('loaded:', *sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.rpartition("loaded:")[2].split())
