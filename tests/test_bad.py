"""Anti-examples: each file of tests/bad has one fault, and `check` must name it, its line and what to do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from connector_runtime.definitions.folders import load
from connector_runtime.errors import DefinitionError, Problem

HERE = Path(__file__).parent
BAD = HERE / "bad"
ROOT = HERE.parent
KINDS = ("actions", "connection", "connector", "triggers")
FILES = sorted(file for kind in KINDS for file in (BAD / kind).glob("*.yaml"))


REMEDIES = """
add change delete end extend give go keep known lacks leave make mean must name needs never put
remove rename save say shorter sign take takes type use write
"""


def folder_with(file: Path, folder: Path) -> Path:
    """The sound folder of tests/bad with one file put in; returns the file's path in it."""
    if not folder.exists():
        shutil.copytree(BAD / "folder", folder)
    kind = file.parent.name
    target = folder / ("connector.yaml" if kind == "connector" else f"{kind}/{file.name}")
    shutil.copy(file, target)
    return target.relative_to(folder)


def expected(file: Path) -> tuple[str, str]:
    says, at = (line.partition(": ")[2].strip() for line in file.read_bytes().decode(errors="replace").splitlines()[:2])
    return says, at


def test_the_folder_around_the_bad_files_has_no_fault() -> None:
    assert load(BAD / "folder").check() == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_check_names_the_one_fault_of_a_bad_file_with_its_line_and_remedy(file: Path, tmp_path: Path) -> None:
    says, at = expected(file)
    name = folder_with(file, tmp_path / "folder")
    found = load(tmp_path / "folder").check()
    assert [problem.where for problem in found] == [f"{name.as_posix()}{at}"]
    assert re.search(says, found[0].what), found[0].what


@pytest.mark.parametrize(
    "file", [file for file in FILES if file.parent.name != "connector"], ids=lambda file: file.stem
)
def test_a_bad_definition_is_refused_when_it_is_asked_for(file: Path, tmp_path: Path) -> None:
    folder_with(file, tmp_path / "folder")
    connector = load(tmp_path / "folder")
    kinds = {"actions": connector.actions, "connection": connector.connections, "triggers": connector.triggers}
    with pytest.raises(DefinitionError):
        kinds[file.parent.name][file.stem]


def test_one_folder_with_every_bad_file_reports_all_faults_at_once(tmp_path: Path) -> None:
    """Actions, connections and triggers lie side by side; there is one connector.yaml, with a fault at its end."""
    wanted = {"connector.yaml:19 pagin"}
    for file in FILES:
        if file.parent.name != "connector":
            wanted.add(f"{folder_with(file, tmp_path / 'folder').as_posix()}{expected(file)[1]}")
    with (tmp_path / "folder/connector.yaml").open("a") as common:
        common.write("pagin: {}\n")
    found = load(tmp_path / "folder").check()
    assert {problem.where for problem in found} == wanted
    assert len(wanted) > 150


MANY = """\
key: many-faults
label: Many
sumary: "Send {txt}"
summary: "Send {txt}"
request: {method: GET, path: "/lofts/{loft}"}
inputs:
  loft_id: {label: Loft, type: string, required: true, to: path}
  text: {label: Text, type: str, to: body}
  text: {label: Text, type: string, requird: true, to: body}
  mode: {label: Mode, type: string, choices: [a, b], default: c, to: body}
  at: {label: At, type: datetime, only_when: {mode: z}, to: body, as: uct}
rules:
  - {at_least_one: [mode, nothing]}
"""


def test_one_file_with_many_faults_reports_all_of_them_by_line(tmp_path: Path) -> None:
    shutil.copytree(BAD / "folder", tmp_path / "folder")
    (tmp_path / "folder/actions/many-faults.yaml").write_text(MANY)
    found = load(tmp_path / "folder").check()
    assert [problem.where.removeprefix("actions/many-faults.yaml") for problem in found] == [
        ":3 sumary",
        ":4 summary",
        ":5 request.method",
        ":7 inputs.loft_id.to",
        ":9 inputs.text",
        ":9 inputs.text.requird",
        ":10 inputs.mode.default",
        ":11 inputs.at.as",
        ":11 inputs.at.only_when",
        ":13 rules.0.at_least_one",
    ]


def test_every_fault_says_what_to_do_and_none_dumps_the_file(tmp_path: Path) -> None:
    for file in FILES:
        if file.parent.name != "connector":
            folder_with(file, tmp_path / "folder")
    remedies = set(REMEDIES.split())
    for problem in load(tmp_path / "folder").check():
        assert remedies & set(re.findall("[a-z]+", problem.what.lower())), problem
        assert len(problem.what) < 400, problem


def folders_of_the_repository() -> list[Path]:
    return sorted(file.parent for file in [ROOT / "connector.yaml", *ROOT.glob("examples/*/connector.yaml")])


@pytest.mark.parametrize("folder", folders_of_the_repository(), ids=lambda folder: folder.name)
def test_no_definition_of_the_repository_is_refused(folder: Path) -> None:
    found: list[Problem] = load(folder).check()
    assert found == []


def test_a_file_with_another_ending_is_a_fault_and_not_silently_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(BAD / "folder", folder)
    (folder / "actions" / "late.yml").write_text("key: late\n")
    assert [str(problem) for problem in load(folder).check()] == [
        "actions/late.yml:1: is not read: a definition's file ends in .yaml; rename it"
    ]


def test_an_input_with_the_key_of_a_camel_case_brace_learns_the_place_to_write(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(BAD / "folder", folder)
    row = "  loft_id: {type: string, required: true, to: %s}\n"
    head = 'key: late\nlabel: Late\nrequest: {method: GET, path: "/lofts/{loftId}"}\ninputs:\n'
    (folder / "actions" / "late.yaml").write_text(head + row % "path")
    assert [str(problem) for problem in load(folder).check()] == [
        "actions/late.yaml:3 request.path: has {loftId}, which no input fills; write `to: path.loftId` on one",
        "actions/late.yaml:5 inputs.loft_id.to: is path.loft_id, but the path /lofts/{loftId} has no {loft_id}."
        " Did you mean 'path.loftId'?",
    ]
    (folder / "actions" / "late.yaml").write_text(head + row % "path.loftId")
    assert load(folder).check() == []
