"""What goes without saying: labels, places, shared rows and the errors of all connections, as definitions in full."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.authoring.yaml_text import definition, in_full, shortened
from connector_runtime.definitions import documents
from connector_runtime.definitions.complete import complete
from connector_runtime.definitions.folders import load
from zoom_connector import Connector

HERE = Path(__file__).parent
ROOT = HERE.parent
ROWS = {
    "agenda": {"type": "text", "comments": "What it is about.", "schema": {"maxLength": 2000}},
    "mood": {"label": "The Mood", "type": "string", "to": "body.settings.mood"},
}
COMMON = {"key": "pigeon", "rows": ROWS}


def rows_of(inputs: dict[str, Any], request: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The rows in full of an action that nothing is in doubt of."""
    data = {"request": request or {"method": "POST", "path": "/messages"}, "inputs": inputs, **more}
    full, doubts = complete(data, "actions", COMMON)
    assert doubts == []
    return dict(full["inputs"])


@pytest.mark.parametrize(
    ("key", "label"), [("user_id", "User Id"), ("x", "X"), ("line_2", "Line 2"), ("use_sso_only", "Use Sso Only")]
)
def test_a_label_left_out_is_the_key_in_title_case(key: str, label: str) -> None:
    assert rows_of({key: {"type": "string"}})[key]["label"] == label
    assert rows_of({key: {"type": "string", "label": "Mine"}})[key]["label"] == "Mine"


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("GET", "query"),
        ("DELETE", "query"),
        ("HEAD", "query"),
        ("OPTIONS", "query"),
        ("POST", "body"),
        ("PUT", "body"),
        ("PATCH", "body"),
    ],
)
def test_a_place_left_out_is_the_path_then_the_query_or_the_body_by_the_method(method: str, place: str) -> None:
    inputs = {"id": {"type": "string"}, "text": {"type": "string"}, "name": {"type": "string", "to": "header.X-Name"}}
    made = rows_of(inputs, {"method": method, "path": "/lofts/{id}"})
    assert {key: row["to"] for key, row in made.items()} == {"id": "path", "text": place, "name": "header.X-Name"}


def test_what_compute_reads_and_the_connection_go_nowhere_unless_they_say_so() -> None:
    inputs = {
        "connection": {"type": "connection"},
        "owner": {"type": "string"},
        "repo": {"type": "string", "to": "query"},
        "text": {"type": "string"},
    }
    made = rows_of(inputs, {"method": "GET", "path": "/search"}, compute={"query.q": "owner ~ '/' ~ repo"})
    assert {key: row.get("to") for key, row in made.items()} == {
        "connection": None,
        "owner": None,
        "repo": "query",
        "text": "query",
    }


def test_where_compute_can_not_be_read_it_may_read_any_input_so_that_none_has_a_place() -> None:
    made = rows_of({"a": {"type": "string"}, "b": {"type": "string"}}, compute={"query.q": "a ~", "query.r": "a"})
    assert [row.get("to") for row in made.values()] == [None, None]


def test_a_row_that_refers_to_a_shared_one_has_its_words_and_its_own_win() -> None:
    made = rows_of({"agenda": {"row": "agenda", "clear": "", "comments": "Mine."}, "humour": {"row": "mood"}})
    assert {word: said for word, said in made["agenda"].items() if word != "row"} == {
        "label": "Agenda",
        "type": "text",
        "comments": "Mine.",
        "schema": {"maxLength": 2000},
        "clear": "",
        "to": "body",
    }
    assert {word: said for word, said in made["humour"].items() if word != "row"} == ROWS["mood"]


def test_a_shared_row_goes_where_each_action_has_its_place() -> None:
    made = rows_of({"agenda": {"row": "agenda"}}, {"method": "GET", "path": "/lofts/{agenda}"})
    assert made["agenda"]["to"] == "path"
    assert "to" not in ROWS["agenda"]


def test_a_connection_has_the_errors_of_all_after_its_own_cases() -> None:
    shared = {"code": "body.code", "id": "header.x-id", "cases": [{"when": {"status": 400}, "kind": "token"}]}
    own = {"code": "body.error", "cases": [{"when": {"status": 401}, "kind": "token"}]}
    common = {"oauth": {"errors": shared}}
    for said, wanted in (
        ({}, shared),
        ({"errors": own}, {"code": "body.error", "id": "header.x-id", "cases": [*own["cases"], *shared["cases"]]}),
    ):
        full, doubts = complete({"inputs": {}, "oauth": {"grant": "x", **said}}, "connection", common)
        assert (full["oauth"], doubts) == ({"grant": "x", "errors": wanted}, [])
    assert "oauth" not in complete({"inputs": {}}, "connection", common)[0]


def test_lists_of_choices_and_filters_have_labels_as_inputs_have() -> None:
    lists = {"lofts": {"action": "list-lofts", "parameters": {"owner_id": {"required": True}}}, "hues": {"list": "x"}}
    full, _ = complete({"choices": lists}, "connector", {})
    assert full["choices"]["lofts"]["parameters"] == {"owner_id": {"label": "Owner Id", "required": True}}
    assert full["choices"]["hues"] == {"list": "x"}
    full, _ = complete({"filters": {"host_id": {"from": "body.host"}}}, "triggers", {})
    assert full["filters"] == {"host_id": {"label": "Host Id", "from": "body.host"}}


@pytest.mark.parametrize("path", sorted((ROOT / "actions").glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_in_full_stays_as_it_is_and_the_short_form_gives_it_back(path: Path) -> None:
    common = documents.read((ROOT / "connector.yaml").read_text(), "connector.yaml").data
    full, doubts = complete(documents.read(path.read_text(), path.name).data, "actions", common)
    assert doubts == []
    assert complete(full, "actions", common) == (full, [])
    plain = documents.read(in_full(full), path.name).data
    assert complete(plain, "actions", {}) == (plain, [])
    short = documents.read(definition(shortened(plain, common)), path.name).data
    again, doubts = complete(short, "actions", common)
    assert (documents.read(in_full(again), path.name).data, doubts) == (plain, [])


def test_an_action_printed_in_full_is_a_file_that_compiles_to_the_same_action(
    connector: Connector, tmp_path: Path
) -> None:
    for name in ("actions", "connection", "triggers", "locales", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name)
    text = (ROOT / "connector.yaml").read_text().partition("\nrows:")[0]
    (tmp_path / "connector.yaml").write_text(text)
    shutil.copy(ROOT / "icon.svg", tmp_path)
    for key in connector.actions:
        (tmp_path / "actions" / f"{key}.yaml").write_text(in_full(connector.definition(key)))
    printed = load(tmp_path)
    assert printed.check() == []
    for key, action in connector.actions.items():
        assert replace(printed.actions[key], profile=action.profile) == action, key


# -- bad input that lies in two files ----------------------------------------------------------------------------------


def pigeon(folder: Path, rows: str, row: str) -> list[str]:
    """The faults of a folder whose shared row and whose row that refers to it say this."""
    shutil.copytree(HERE / "bad/folder", folder)
    common, action = folder / "connector.yaml", folder / "actions/send-message.yaml"
    said = common.read_text()
    assert said.endswith("\nrows: {loft_id: {type: string, required: true}}\n")
    common.write_text(f"{said[: said.rindex('rows:')]}rows: {rows}\n")
    assert "{row: loft_id}" in action.read_text()
    action.write_text(action.read_text().replace("{row: loft_id}", row))
    return [str(problem) for problem in load(folder).check()]


def test_a_fault_in_a_word_of_a_shared_row_is_told_where_it_is_used_and_names_where_it_is_said(tmp_path: Path) -> None:
    said = "{loft_id: {type: string, required: true, schema: {minLenght: 2}}}"
    assert pigeon(tmp_path / "folder", said, "{row: loft_id}") == [
        "actions/send-message.yaml:7 inputs.loft_id.schema.minLenght: is not a JSON Schema keyword. Did you mean"
        " 'minLength'? (from rows.loft_id in connector.yaml)"
    ]


def test_a_fault_in_a_word_of_ones_own_speaks_of_no_shared_row(tmp_path: Path) -> None:
    said = "{loft_id: {type: string, required: true, schema: {minLength: 2}}}"
    assert pigeon(tmp_path / "folder", said, "{row: loft_id, schema: {minLenght: 2}}") == [
        "actions/send-message.yaml:7 inputs.loft_id.schema.minLenght: is not a JSON Schema keyword. Did you mean"
        " 'minLength'?"
    ]


def test_a_shared_row_of_the_wrong_shape_is_told_once_in_connector_yaml(tmp_path: Path) -> None:
    (found,) = pigeon(tmp_path / "folder", "{loft_id: {type: strng, required: true}}", "{row: loft_id}")
    assert found.startswith("connector.yaml:18 rows.loft_id.type: ")


def test_of_a_row_of_the_wrong_shape_no_place_is_asked(tmp_path: Path) -> None:
    said = "{loft_id: {type: string, required: true}}"
    broken = "{row: loft_id}\n  mood: {type: strng}\n  hue: {type: string, to: body.mood}"
    (found,) = pigeon(tmp_path / "folder", said, broken)
    assert found.startswith("actions/send-message.yaml:8 inputs.mood.type: ")


def test_while_connector_yaml_can_not_be_read_nothing_is_said_of_rows_that_refer_to_it(tmp_path: Path) -> None:
    (found,) = pigeon(tmp_path / "folder", "{loft_id: [}", "{row: loft_id}")
    assert found.startswith("connector.yaml:")


def test_an_action_that_can_not_be_read_may_refer_to_any_shared_row(tmp_path: Path) -> None:
    shutil.copytree(HERE / "bad/folder", tmp_path / "folder")
    (tmp_path / "folder/actions/send-message.yaml").write_text("key: [\n")
    (found,) = load(tmp_path / "folder").check()
    assert found.where.startswith("actions/send-message.yaml:")
