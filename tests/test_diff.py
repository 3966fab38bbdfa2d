"""`diff` names what breaks flows: each case edits one thing in a small folder and says what must be found."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.authoring.diff import Change, bump, differences
from connector_runtime.definitions.folders import load

HERE = Path(__file__).parent

ACTION = """\
key: fly
label: Fly
description: Send a bird
summary: Fly to {loft}
effect: update
scopes: {granular: [fly:write, [fly:read, fly:go]], classic: [fly]}
request: {method: PATCH, path: /flights}
inputs:
  connection: {label: Connection, type: connection, required: true}
  loft: {label: Loft, type: string, required: true, schema: {maxLength: 20}, to: body}
  mode: {label: Mode, type: string, required: true, choices: [fast, slow], default: slow, to: body}
  colour: {label: Colour, type: string, choices: [{value: grey, label: Grey}, {value: red, label: Red}], to: body}
  count: {label: Count, type: integer, schema: {minimum: 1, maximum: 9}, default: 2, to: body}
  tags: {label: Tags, type: string, collection: list, to: body}
  at: {label: At, type: datetime, to: body, as: local_or_utc}
  why: {label: Why, type: text, only_when: {mode: fast}, clear: "", to: body}
  spare:
    label: Extra
    type: json
    schema: {type: object, properties: {a: {type: string}, b: {type: integer, maximum: 5}}}
    to: body
  old: {label: Old, type: boolean, was: ancient, to: body}
rules:
  - {at_most_one: [tags, at]}
"""

CASES = [  # what is edited in the action, the level, where in the action, what is said
    ("  old: {label: Old, type: boolean, was: ancient, to: body}\n", "", "major", "inputs.old", "was removed"),
    ("  old: {", "  renewed: {", "major", "inputs.old", "if it was renamed to 'renewed', write `was: old` there"),
    (
        "  old: {label: Old, type: boolean, was: ancient,",
        "  renewed: {label: Old, type: boolean, was: [old, ancient],",
        "minor",
        "inputs.old",
        "was renamed to 'renewed'; the old name still works",
    ),
    (", was: ancient", "", "major", "inputs.old", "its old name 'ancient' no longer works"),
    ("  tags: {", "  more: {label: More, type: string, to: body}\n  tags: {", "minor", "inputs.more", "was added"),
    (
        "  tags: {",
        "  more: {label: More, type: string, required: true, to: body}\n  tags: {",
        "major",
        "inputs.more",
        "was added and is required",
    ),
    (
        "  tags: {",
        "  more: {label: More, type: string, required: true, default: a, to: body}\n  tags: {",
        "minor",
        "inputs.more",
        "was added",
    ),
    (
        "  tags: {",
        "  more: {label: More, type: string, required: tags, to: body}\n  tags: {",
        "major",
        "inputs.more",
        "was added and is required",
    ),
    (
        "{label: Colour, type: string,",
        "{label: Colour, type: string, required: tags,",
        "major",
        "inputs.colour",
        "is now required under a condition",
    ),
    (
        "{label: Tags, type: string,",
        "{label: Tags, type: string, required: true,",
        "major",
        "inputs.tags",
        "is now required",
    ),
    (
        "required: true, schema: {maxLength: 20}",
        "schema: {maxLength: 20}",
        "minor",
        "inputs.loft",
        "is no longer required",
    ),
    ("type: boolean", "type: string", "major", "inputs.old", "its type boolean became string"),
    ("type: text,", "type: string,", "minor", "inputs.why", "its type text became string"),
    ("type: string, collection: list", "type: string", "major", "inputs.tags", "a list became one value"),
    ("choices: [fast, slow]", "choices: [slow, calm, fast]", "minor", "inputs.mode", 'the choice "calm" was added'),
    (", {value: red, label: Red}]", "]", "major", "inputs.colour", 'the choice "red" was removed'),
    (
        "choices: [{value: grey, label: Grey}, {value: red, label: Red}], ",
        "",
        "minor",
        "inputs.colour",
        "now accepts any value",
    ),
    (
        "{label: Tags, type: string,",
        "{label: Tags, type: string, choices: [a, b],",
        "major",
        "inputs.tags",
        "now accepts only",
    ),
    ("label: Grey}", "label: Gray}", "patch", "inputs.colour", "the labels of its choices changed"),
    ("{maxLength: 20}", "{maxLength: 10}", "major", "inputs.loft", "maxLength 20 became 10"),
    ("{maxLength: 20}", "{maxLength: 30}", "minor", "inputs.loft", "maxLength 20 became 30"),
    ("schema: {maxLength: 20}, ", "", "minor", "inputs.loft", "maxLength 20 was removed"),
    ("{maxLength: 20}", "{maxLength: 20, pattern: a}", "major", "inputs.loft", "its pattern was added"),
    ("{minimum: 1, maximum: 9}", "{minimum: 2, maximum: 9}", "major", "inputs.count", "minimum 1 became 2"),
    ("{minimum: 1, maximum: 9}", "{minimum: 0, maximum: 9}", "minor", "inputs.count", "minimum 1 became 0"),
    (
        "b: {type: integer, maximum: 5}",
        "b: {type: integer, maximum: 4}",
        "major",
        "inputs.spare.b",
        "maximum 5 became 4",
    ),
    ("a: {type: string}", "a: {type: integer}", "major", "inputs.spare.a", 'its type "string" became "integer"'),
    ("properties: {a", "required: [a], properties: {a", "major", "inputs.spare.a", "is now required"),
    (
        "properties: {a",
        "additionalProperties: false, properties: {a",
        "major",
        "inputs.spare",
        "no longer accepts other keys",
    ),
    ("as: local_or_utc", "as: utc", "major", "inputs.at", "accepts different values than before"),
    (
        "default: slow, ",
        "default: fast, ",
        "major",
        "inputs.mode",
        'the value that is filled in changed: "slow" became "fast"',
    ),
    ("default: 2, ", "default: 3, ", "patch", "inputs.count", "its published default 2 became 3"),
    ("only_when: {mode: fast}, ", "", "minor", "inputs.why", "always applies"),
    (
        "only_when: {mode: fast}, ",
        "only_when: {mode: slow}, ",
        "major",
        "inputs.why",
        "applies under another condition",
    ),
    ('clear: "", ', "", "major", "inputs.why", "can no longer be cleared"),
    ("{label: Old,", "{label: Old, deprecated: Leave it out.,", "minor", "inputs.old", "is deprecated: Leave it out."),
    ("{label: Old,", "{label: Older,", "patch", "inputs.old", "its label changed"),
    ("effect: update", "effect: create", "major", "", 'its effect "update" became "create"'),
    ("rules:", "paging: {items: flights}\nrules:", "major", "", "became a list"),
    ("classic: [fly]", "classic: [[fly, soar]]", "major", "scopes.classic", "became"),
    ("classic: [fly]", "classic: [fly, soar]", "minor", "scopes.classic", "became"),
    ("granular: [fly:write, [", "granular: [[", "major", "scopes.granular", "became"),
    ("[fly:read, fly:go]]", "fly:read]", "minor", "scopes.granular", "became"),
    (", classic: [fly]", "", "major", "scopes.classic", "was removed"),
    (
        "scopes: {granular: [fly:write, [fly:read, fly:go]], classic: [fly]}\n",
        "",
        "minor",
        "scopes.classic",
        "was removed",
    ),
    (
        "  - {at_most_one: [tags, at]}",
        "  - {at_most_one: [tags, at, old]}",
        "major",
        "",
        "the rule at most one of tags, at, old was",
    ),
    (
        "  - {at_most_one: [tags, at]}",
        "  - {at_least_one: [tags, at]}",
        "major",
        "",
        "the rule at least one of tags, at was added",
    ),
    ("rules:\n  - {at_most_one: [tags, at]}\n", "", "minor", "", "the rule at most one of tags, at was removed"),
    ("description: Send a bird", "description: Send birds", "patch", "", "its description changed"),
]


def catalogue(folder: Path) -> dict[str, Any]:
    connector = load(folder)
    assert connector.check() == []
    return json.loads(json.dumps(connector.catalogue()))  # type: ignore[no-any-return]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    shutil.copytree(HERE / "bad/folder", made)
    (made / "actions/fly.yaml").write_text(ACTION)
    return made


@pytest.mark.parametrize(
    ("before", "after", "level", "where", "what"), CASES, ids=[f"{c[3]}-{c[4]}"[:60] for c in CASES]
)
def test_a_change_of_an_action_has_its_level_place_and_words(
    folder: Path, before: str, after: str, level: str, where: str, what: str
) -> None:
    old = catalogue(folder)
    assert ACTION.count(before) == 1, "the edit must be unambiguous"
    (folder / "actions/fly.yaml").write_text(ACTION.replace(before, after))
    found = differences(old, catalogue(folder))
    place = f"action fly {where}".strip()
    assert [change for change in found if change.where == place and re.search(re.escape(what), change.what)], found
    assert found[0].level == level, found


def test_a_catalogue_does_not_differ_from_itself(folder: Path) -> None:
    assert differences(catalogue(folder), catalogue(folder)) == []


def test_whole_actions_triggers_and_connections_come_and_go(folder: Path) -> None:
    old = catalogue(folder)
    (folder / "actions/fly.yaml").rename(folder / "actions/soar.yaml")
    (folder / "actions/soar.yaml").write_text(ACTION.replace("key: fly", "key: soar"))
    (folder / "triggers/webhook.yaml").unlink()
    (folder / "connection/token.yaml").rename(folder / "connection/key.yaml")
    text = (folder / "connection/key.yaml").read_text().replace("key: token", "key: key")
    (folder / "connection/key.yaml").write_text(text)
    found = {(change.where, change.level) for change in differences(old, catalogue(folder))}
    assert found == {
        ("action fly", "major"),
        ("action soar", "minor"),
        ("trigger webhook", "major"),
        ("connection token", "major"),
        ("connection key", "minor"),
    }


@pytest.mark.parametrize(
    ("rule", "level"),
    [
        ("{at_most_one: [tags, more]}", "minor"),
        ("{at_least_one: [tags, more]}", "major"),
        ("{at_least_one: [tags, at], when: more}", "minor"),
        ("{together: [tags, more]}", "major"),
    ],
)
def test_a_rule_about_a_new_input_breaks_only_if_an_old_flow_can_meet_it(folder: Path, rule: str, level: str) -> None:
    old = catalogue(folder)
    text = ACTION.replace("  tags:", "  more: {label: More, type: string, to: body}\n  tags:")
    (folder / "actions/fly.yaml").write_text(f"{text}  - {rule}\n")
    assert differences(old, catalogue(folder))[0].level == level


@pytest.mark.parametrize(
    ("condition", "rule", "level"),
    [
        ("", "", "patch"),
        ("only_when: {mode: fast}, ", "", "major"),
        ("", "  - {at_most_one: [gust, at]}\n", "major"),
    ],
    ids=["free", "under a condition", "in a rule"],
)
def test_a_published_default_breaks_where_giving_it_may_be_refused(
    folder: Path, condition: str, rule: str, level: str
) -> None:
    def text(default: int) -> str:
        row = f"  gust: {{label: Gust, type: integer, {condition}default: {default}, to: body}}\n"
        return ACTION.replace("  tags:", f"{row}  tags:") + rule

    (folder / "actions/fly.yaml").write_text(text(2))
    old = catalogue(folder)
    (folder / "actions/fly.yaml").write_text(text(3))
    assert [(change.where, change.level) for change in differences(old, catalogue(folder))] == [
        ("action fly inputs.gust", level)
    ]


def test_a_new_input_that_another_new_one_calls_for_breaks_nothing(folder: Path) -> None:
    old = catalogue(folder)
    rows = (
        "  more: {label: More, type: string, to: body}\n  most: {label: Most, type: string, required: more, to: body}\n"
    )
    (folder / "actions/fly.yaml").write_text(ACTION.replace("  tags:", f"{rows}  tags:"))
    assert {change.level for change in differences(old, catalogue(folder))} == {"minor"}


@pytest.mark.parametrize(
    ("version", "levels", "wanted"),
    [
        ("1.4.2", ["patch", "major", "minor"], "2.0.0"),
        ("1.4.2", ["patch", "minor"], "1.5.0"),
        ("1.4.2", ["patch"], "1.4.3"),
        ("1.4.2", [], "1.4.2"),
        ("0.4.2", ["major"], "0.5.0"),
        ("0.4.2", ["minor"], "0.4.3"),
    ],
)
def test_the_next_version_is_what_semantic_versioning_asks_for(version: str, levels: list[str], wanted: str) -> None:
    assert bump(version, [Change(where="x", what="y", level=level) for level in levels]) == wanted


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "zoom_connector", "diff", *arguments]
    return subprocess.run(line, cwd=HERE.parent, capture_output=True, text=True, timeout=60)


def test_the_command_compares_a_saved_catalogue_with_a_folder_and_exits_1_if_something_breaks(folder: Path) -> None:
    saved = folder.parent / "old.json"
    saved.write_text(json.dumps(catalogue(folder)))
    same = command(str(saved), str(folder))
    assert (same.returncode, same.stdout) == (0, "")
    assert "the version stays 1.0.0" in same.stderr
    (folder / "actions/fly.yaml").unlink()
    broken = command(str(saved), str(folder))
    assert (broken.returncode, broken.stdout) == (1, "BREAKING action fly: was removed\n")
    assert "after 1.0.0 the version must be at least 2.0.0; NEW has 1.0.0" in broken.stderr
    data = json.loads(command(str(saved), str(folder), "--json").stdout)
    assert data == {
        "breaking": 1,
        "version": "2.0.0",
        "changes": [{"where": "action fly", "what": "was removed", "level": "major"}],
    }


def test_the_command_refuses_what_is_no_catalogue(folder: Path) -> None:
    (folder / "x.json").write_text("{}")
    done = command(str(folder / "x.json"), str(folder))
    assert done.returncode == 2
    assert "is not a catalogue; write one with" in done.stderr
    assert command(str(folder / "none.json"), str(folder)).returncode == 2


# -- limits, by themselves -------------------------------------------------------------------------------------------


def limited(field: dict[str, Any], accepted: dict[str, Any] | None = None) -> dict[str, Any]:
    """A catalogue of one action with one input of this form."""
    hint = {"key": "x", "label": "X", "type": "string"}
    schemas: dict[str, Any] = {"form_schema": {"properties": {"x": field}}, "input_schema": {"properties": {}}}
    if accepted is not None:
        schemas["input_schema"]["properties"]["x"] = accepted
    about = {"key": "a", "label": "A", "inputs": [hint], "effect": "read", "list": False, **schemas}
    return {"key": "k", "version": "1.0.0", "actions": [about], "triggers": [], "connections": [], "choices": {}}


def found(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each.level, each.where, each.what) for each in differences(old, new)]


PLACE = "action a inputs.x"
OBJECT = {"type": "object", "properties": {"p": {"type": "string"}}}


@pytest.mark.parametrize("word", ["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"])
def test_a_higher_least_breaks_and_a_lower_one_does_not(word: str) -> None:
    assert found(limited({word: 1}), limited({word: 2})) == [("major", PLACE, f"{word} 1 became 2")]
    assert found(limited({word: 2}), limited({word: 1})) == [("minor", PLACE, f"{word} 2 became 1")]
    assert found(limited({}), limited({word: 0})) == [("major", PLACE, f"{word} 0 was added")]
    assert found(limited({word: 0}), limited({})) == [("minor", PLACE, f"{word} 0 was removed")]


@pytest.mark.parametrize("word", ["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"])
def test_a_lower_most_breaks_and_a_higher_one_does_not(word: str) -> None:
    assert found(limited({word: 2}), limited({word: 1})) == [("major", PLACE, f"{word} 2 became 1")]
    assert found(limited({word: 1}), limited({word: 2})) == [("minor", PLACE, f"{word} 1 became 2")]
    assert found(limited({}), limited({word: 9})) == [("major", PLACE, f"{word} 9 was added")]
    assert found(limited({word: 9}), limited({})) == [("minor", PLACE, f"{word} 9 was removed")]


@pytest.mark.parametrize(
    "word", ["pattern", "const", "anyOf", "oneOf", "allOf", "not", "multipleOf", "propertyNames", "uniqueItems"]
)
def test_what_cannot_be_compared_breaks_unless_it_goes(word: str) -> None:
    assert found(limited({word: "a"}), limited({word: "b"})) == [("major", PLACE, f"its {word} was changed")]
    assert found(limited({}), limited({word: "b"})) == [("major", PLACE, f"its {word} was added")]
    assert found(limited({word: "a"}), limited({})) == [("minor", PLACE, f"its {word} was removed")]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ({"type": "string"}, {"type": "integer"}, ("major", ".p", 'its type "string" became "integer"')),
        ({"type": "string"}, {}, ("minor", ".p", "now accepts any type")),
        ({}, {"type": "string"}, ("major", ".p", 'its type "string" was added')),
        ({"enum": [1]}, {"enum": [1, 2]}, ("minor", ".p", "now accepts more values")),
        ({"enum": [1, 2]}, {"enum": [1]}, ("major", ".p", "now accepts fewer values")),
        ({"enum": [1]}, {}, ("minor", ".p", "now accepts more values")),
        ({}, {"enum": [1]}, ("major", ".p", "now accepts fewer values")),
        ({"items": {}}, {"items": {"maximum": 1}}, ("major", ".p[]", "maximum 1 was added")),
        ({"items": {"maximum": 1}}, {}, ("minor", ".p[]", "maximum 1 was removed")),
        ({}, {"items": {"maximum": 1}}, ("major", ".p[]", "maximum 1 was added")),
        ({}, {"required": ["q"]}, ("major", ".p.q", "is now required")),
        ({}, {"additionalProperties": False}, ("major", ".p", "no longer accepts other keys")),
        ({"properties": {"q": {}}}, {}, ("patch", ".p.q", "is no longer described")),
        ({}, {"properties": {"q": {}}}, ("minor", ".p.q", "was added")),
        (
            {"properties": {"q": {}}, "additionalProperties": False},
            {"additionalProperties": False},
            ("major", ".p.q", "was removed"),
        ),
    ],
)
def test_inside_of_a_value_all_is_compared(old: Any, new: Any, change: tuple[str, str, str]) -> None:
    before, after = ({"properties": {"p": inner}} for inner in (old, new))
    level, place, what = change
    assert found(limited(before), limited(after)) == [(level, f"{PLACE}{place}", what)]
    assert found(limited(before), limited(before)) == []


def test_values_that_are_taken_otherwise_than_the_form_says_break() -> None:
    one, two = limited({}, {"pattern": "a", "title": "A"}), limited({}, {"pattern": "b", "title": "A"})
    assert found(one, two) == [("major", PLACE, "accepts different values than before")]
    assert found(limited({}, {"title": "A"}), limited({}, {"title": "B", "examples": [1], "format": "x"})) == []
