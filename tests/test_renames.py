"""`was` and `deprecated`: inputs that were saved under an old name keep working, and a person is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from connector_runtime.calls.action import Action
from connector_runtime.commands.options import input_table
from connector_runtime.definitions.connector import Connector
from connector_runtime.definitions.folders import load
from connector_runtime.errors import InputError

HERE = Path(__file__).parent

RENAMED = """\
key: renamed
label: Renamed
request: {method: POST, path: "/lofts/{loft_id}"}
inputs:
  connection: {label: Connection, type: connection, required: true}
  loft_id: {label: Loft Id, type: string, required: true, was: [loft, cote], to: path}
  mode: {label: Mode, type: string, choices: [fast, slow], default: slow, was: speed, to: body}
  reason: {label: Reason, type: string, only_when: {mode: fast}, required: true, was: why, to: body}
  note: {label: Note, type: string, clear: "", was: comment, to: body}
  colour: {label: Colour, type: string, default: grey, deprecated: Give 'Note' instead., to: body}
rules:
  - {at_most_one: [reason, note]}
"""


@pytest.fixture(scope="module")
def connector(tmp_path_factory: pytest.TempPathFactory) -> Connector:
    folder = tmp_path_factory.mktemp("pigeon") / "folder"
    shutil.copytree(HERE / "bad/folder", folder)
    (folder / "actions/renamed.yaml").write_text(RENAMED)
    made = load(folder)
    assert made.check() == []
    return made


@pytest.fixture(scope="module")
def action(connector: Connector) -> Action:
    return connector.actions["renamed"]


def problems(action: Action, inputs: dict[str, Any], **more: Any) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        action.preview(inputs, **more)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_inputs_saved_under_an_old_name_make_the_same_request_and_a_warning(action: Action) -> None:
    old = action.preview({"loft": "12", "speed": "fast", "why": "storm"})
    new = action.preview({"loft_id": "12", "mode": "fast", "reason": "storm"})
    assert old["url"].endswith("/lofts/12")
    assert old["body"] == {"mode": "fast", "reason": "storm"}
    assert {**old, "warnings": []} == new
    assert [warning["where"] for warning in old["warnings"]] == ["inputs.loft", "inputs.speed", "inputs.why"]
    assert "'loft_id'" in old["warnings"][0]["what"]


def test_the_old_and_the_new_name_together_are_an_error(action: Action) -> None:
    found = problems(action, {"loft_id": "12", "cote": "13"})
    assert found == {"inputs.cote": "is the old name of 'loft_id', which is set too: leave 'cote' out"}


def test_a_blank_under_one_name_leaves_the_other_in_force(action: Action) -> None:
    assert action.preview({"loft_id": None, "loft": "12", "cote": " "})["url"].endswith("/lofts/12")


def test_a_required_input_is_missed_under_its_new_name(action: Action) -> None:
    assert list(problems(action, {})) == ["inputs.loft_id"]
    assert list(problems(action, {"loft": ""})) == ["inputs.loft_id"]


def test_conditions_and_rules_hold_for_old_names_too(action: Action) -> None:
    assert list(problems(action, {"loft": "1", "speed": "fast"})) == ["inputs.reason"]
    assert list(problems(action, {"loft": "1", "why": "storm"})) == ["inputs.reason"]
    assert list(problems(action, {"loft": "1", "speed": "fast", "why": "storm", "comment": "x"})) == ["inputs.note"]


def test_a_wrong_value_is_reported_under_the_name_it_was_given_by(action: Action) -> None:
    assert list(problems(action, {"loft": "1", "speed": "quick"})) == ["inputs.speed"]


def test_a_field_can_be_emptied_by_its_old_name(action: Action) -> None:
    assert action.preview({"loft_id": "1"}, clear=["comment"])["body"] == {"note": ""}
    assert list(problems(action, {"loft_id": "1", "comment": "x"}, clear=["note"])) == ["clear.note"]


def test_a_deprecated_input_warns_when_it_is_given_and_not_when_its_default_is_posted(action: Action) -> None:
    given = action.preview({"loft_id": "1", "colour": "red"})
    assert given["body"] == {"colour": "red"}
    assert given["warnings"] == [{"where": "inputs.colour", "what": "'Colour' is deprecated: Give 'Note' instead."}]
    assert action.preview({"loft_id": "1"})["warnings"] == []
    assert action.preview({"loft_id": "1", "colour": "grey"})["warnings"] == []


def test_forms_and_show_say_what_is_deprecated_and_what_the_old_names_are(connector: Connector, action: Action) -> None:
    entry = next(entry for entry in connector.catalogue()["actions"] if entry["key"] == "renamed")
    hints = {hint["key"]: hint for hint in entry["inputs"]}
    assert hints["loft_id"]["was"] == ["loft", "cote"]
    assert hints["colour"]["deprecated"] == "Give 'Note' instead."
    assert "was" not in hints["colour"] and "deprecated" not in hints["loft_id"]
    assert entry["form_schema"]["properties"]["colour"]["deprecated"] is True
    assert "loft" not in entry["form_schema"]["properties"]
    assert "loft_id" in entry["form_schema"]["required"]
    shown = "\n".join(input_table(action))
    assert "Deprecated: Give 'Note' instead." in shown
    assert "Old name, still accepted: loft, cote" in shown


NAMES = ["loft_id", "loft", "cote", "mode", "speed", "reason", "why", "note", "comment", "colour", "other"]
VALUES = st.sampled_from(["fast", "slow", "grey", "red", "", " ", None, "x", 7, True, [], {}])


@settings(max_examples=600, deadline=None)
@given(inputs=st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_the_input_schema_accepts_exactly_what_preview_accepts(action: Action, inputs: dict[str, Any]) -> None:
    accepted = Draft202012Validator(action.input_schema).is_valid(inputs)
    try:
        action.preview(inputs)
    except InputError:
        assert not accepted, json.dumps(inputs)
    else:
        assert accepted, json.dumps(inputs)
