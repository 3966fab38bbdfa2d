"""What is kept between two starts: never stale, never damaging, never code, and nobody else's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.definitions import check, folders as caches
from connector_runtime.errors import DefinitionError
from zoom_connector import load

ROOT = Path(__file__).parents[1]
OLD = 1_700_000_000  # seconds; a file that was not changed lately


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where entries are kept in this test; files count as settled at once."""
    monkeypatch.setenv("CONNECTOR_CACHE", str(tmp_path / "place"))
    monkeypatch.setattr(caches, "MIN_FILE_AGE", -3600.0)
    return tmp_path / "place"


FILES = {
    "connector.yaml": """
key: acme
label: Acme
base_url: https://api.acme.example/v1
choices: {users: {action: list-users, value: id, label: name}}
""",
    "actions/get-user.yaml": """
key: get-user
label: Get User
effect: read
request: {method: GET, path: "/users/{user_id}"}
inputs:
  user_id: {label: User Id, type: string, required: true, choices_from: users, to: path}
""",
    "actions/list-users.yaml": """
key: list-users
label: List Users
effect: read
request: {method: GET, path: /users}
inputs:
  near: {label: Near, type: json, schema: {$ref: "shared.schema.json#/$defs/near"}, to: query}
paging: {items: users}
""",
    "connection/token.yaml": """
key: token
label: Token
inputs:
  token: {label: Token, type: secret, required: true, to: header.Authorization, as: "Bearer {}"}
""",
    "schemas/shared.schema.json": '{"$defs": {"near": {"type": "object"}}}',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A definition folder of two actions."""
    root = tmp_path / "folder"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


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


def entries(place: Path) -> list[Path]:
    return sorted(place.rglob("*.json"))


def label(folder: Path) -> str:
    return load(folder).actions["get-user"].label


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_second_start_checks_nothing_and_gives_the_same_actions(place: Path, folder: Path, checks: list[str]) -> None:
    checks.clear()
    first = load(folder).catalogue()
    assert set(checks) == {name for name in FILES if name.endswith(".yaml")}
    checks.clear()
    assert load(folder).catalogue() == first
    assert not checks


def test_a_file_that_changed_is_read_again_though_it_is_as_long_and_as_old(place: Path, folder: Path) -> None:
    path = folder / "actions/get-user.yaml"
    os.utime(path, (OLD, OLD))
    was = label(folder)
    change(path, f"label: {was}", f"label: {was[::-1]}")
    os.utime(path, (OLD, OLD))
    assert label(folder) == was[::-1]


def test_a_file_replaced_by_another_of_the_same_length_and_age_is_read_again(place: Path, folder: Path) -> None:
    path = folder / "actions/get-user.yaml"
    os.utime(path, (OLD, OLD))
    was = label(folder)
    other = folder / "actions/other"
    other.write_text(path.read_text().replace(f"label: {was}", f"label: {was[::-1]}"))
    os.utime(other, (OLD, OLD))
    other.replace(path)
    assert label(folder) == was[::-1]


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("connector.yaml", "users: {action", "people: {action", "which is not in connector.yaml"),
        ("schemas/shared.schema.json", "near", "far", "leads nowhere"),
    ],
)
def test_a_fault_that_another_file_brings_is_found_at_the_next_start(
    place: Path, folder: Path, name: str, old: str, new: str, says: str
) -> None:
    assert len(load(folder).catalogue()["actions"]) == 2
    change(folder / name, old, new)
    with pytest.raises(DefinitionError, match=says):
        load(folder).catalogue()


def test_faulty_definitions_are_told_at_every_start(place: Path, folder: Path) -> None:
    change(folder / "actions/get-user.yaml", "label: Get User", "lable: Get User")
    for _ in range(2):
        with pytest.raises(DefinitionError, match="lable"):
            load(folder).action("get-user")


def test_another_runtime_does_not_trust_what_this_one_checked(
    place: Path, folder: Path, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    label(folder)
    checks.clear()
    now = caches._runtime()
    monkeypatch.setattr(caches, "_runtime", lambda: now + 1)
    label(folder)
    assert "actions/get-user.yaml" in checks


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "\0" * len(text),
        lambda text: text.replace("Get User", "Got User"),
        lambda text: text.partition("\n")[0] + "\n{}",
        lambda text: "[]\n" + text.partition("\n")[2],
        lambda text: '{"sources": 5}\n{}',
        lambda text: "[" * 100_000,
    ],
)
def test_a_damaged_entry_is_as_none(place: Path, folder: Path, damage: Any) -> None:
    label(folder)
    for entry in entries(place):
        entry.write_text(damage(entry.read_text()))
    assert label(folder) == "Get User"


def test_an_entry_that_is_no_text_is_as_none(place: Path, folder: Path) -> None:
    label(folder)
    for entry in entries(place):
        entry.write_bytes(b"\xff\xfe\x00" * 50)
    assert label(folder) == "Get User"


def test_an_entry_is_json_and_nothing_that_python_would_run(place: Path, folder: Path) -> None:
    label(folder)
    assert entries(place)
    for entry in entries(place):
        head, body = entry.read_text().split("\n")
        assert set(json.loads(head)) == {"root", "runtime", "sum", "sources"}
        assert json.loads(body)["key"]
    used = (ROOT / "connector_runtime/definitions/folders.py").read_text()
    assert not [word for word in ("pickle", "marshal", "eval", "exec(", "import_module") if word in used]


def test_the_entries_are_the_users_alone(place: Path, folder: Path) -> None:
    label(folder)
    assert {path.stat().st_mode & 0o777 for path in place.rglob("*") if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in entries(place)} == {0o600}


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707])
def test_a_place_that_others_can_enter_is_neither_read_nor_written(
    place: Path, folder: Path, checks: list[str], mode: int
) -> None:
    label(folder)
    for path in place.glob("connector-runtime"):
        path.chmod(mode)
    kept = {path: path.stat().st_mtime_ns for path in entries(place)}
    checks.clear()
    label(folder)
    assert "actions/get-user.yaml" in checks
    assert {path: path.stat().st_mtime_ns for path in entries(place)} == kept


def test_a_link_in_place_of_the_entries_is_not_followed(place: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.mkdir()
    (place / "connector-runtime").symlink_to(tmp_path / "elsewhere")
    assert label(folder) == "Get User"
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_place_that_cannot_be_written_is_no_error(place: Path, folder: Path) -> None:
    place.write_text("a file where a folder should be")
    assert label(folder) == "Get User"


@pytest.mark.parametrize("word", ["off", "0", "no"])
def test_it_can_be_switched_off(word: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MIN_FILE_AGE", -3600.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CONNECTOR_CACHE", word)
    assert label(folder) == "Get User"
    assert not (tmp_path / "home").exists()


def test_a_file_changed_a_moment_ago_is_not_kept_since_it_may_change_again_unseen(
    place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches, "MIN_FILE_AGE", 3600.0)
    label(folder)
    assert not entries(place)


def test_two_folders_do_not_share_an_entry(place: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    change(other / "actions/get-user.yaml", "label: Get User", "label: Other")
    assert [label(folder), label(other), label(folder), label(other)] == ["Get User", "Other", "Get User", "Other"]


def test_an_entry_of_another_folder_is_not_taken_for_this_ones(place: Path, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    change(other / "actions/get-user.yaml", "label: Get User", "label: Other")
    label(folder)
    label(other)
    (mine,) = {path.parent for path in entries(place) if f'"root": "{folder}"' in path.read_text()}
    for path in entries(place):
        if path.parent != mine:
            shutil.copy(path, mine / path.name)
    assert label(folder) == "Get User"


def test_folders_long_forgotten_go_when_a_new_one_comes(place: Path, folder: Path, tmp_path: Path) -> None:
    label(folder)
    (kept,) = {path.parent for path in entries(place)}
    os.utime(kept, (OLD, OLD))
    shutil.copytree(folder, tmp_path / "other")
    label(tmp_path / "other")
    assert not kept.exists()
    assert entries(place)


def test_words_of_ones_own_are_checked_each_time(place: Path, folder: Path, checks: list[str]) -> None:
    for _ in range(2):
        checks.clear()
        assert load(folder, codecs={"loud": str.upper}).actions["get-user"].label == "Get User"
        assert "actions/get-user.yaml" in checks
    assert not entries(place)


def test_many_processes_that_start_at_once_all_get_the_same(place: Path, folder: Path) -> None:
    script = (
        "import sys; from connector_runtime.definitions import folders; folders.MIN_FILE_AGE = -3600.0\n"
        f"from zoom_connector import load; print(*[o.label for o in load({str(folder)!r}).outlines()])"
    )
    for _ in range(2):
        command = [sys.executable, "-c", script]
        runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
        assert [run.communicate()[0] for run in runs] == ["Get User List Users\n"] * 4
    assert len(entries(place)) == len(list(place.rglob("*.json*"))) > 0


def test_a_list_of_actions_loads_little(place: Path) -> None:
    heavy = {"httpx", "jsonschema", "jinja2", "yaml", "argparse", "connector_runtime.model"}
    assert not _modules("list") & heavy


def test_a_preview_at_a_second_start_loads_nothing_that_only_a_check_needs(place: Path) -> None:
    heavy = {"jsonschema", "jinja2", "yaml", "cryptography", "importlib.resources"}
    assert not _modules("preview", "get-user", "--user-id", "me") & heavy


def _modules(*arguments: str) -> set[str]:
    script = (
        "import sys; from connector_runtime.definitions import folders; folders.FRESH = -3600.0\n"
        f"from zoom_connector.__main__ import main; main({list(arguments)!r})\n"
        "print('loaded:', *sys.modules)"
    )
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(run.stdout.rpartition("loaded:")[2].split())
