"""Lists of choices are checked against the action that they point to, and the inputs that use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_runtime.definitions.folders import load

CONNECTOR = """\
key: pigeon
label: Pigeon Post
base_url: https://pigeon.example
choices:
  pigeons: {
    with: {loft_id: loft_id}, parameters: {loft_id: {label: Loft, required: true}}, action: get-loft,
    items: pigeons, value: id, label: "{{ name }} · {{ ring }}", description: colour}
"""
GET = """\
key: get-loft
label: Get Loft
request: {method: GET, path: "/lofts/{loft_id}"}
inputs:
  loft_id: {label: Loft Id, type: string, required: true, to: path}
  sort: {label: Sort, type: string, to: query}
output:
  schema:
    type: object
    properties:
      pigeons:
        type: array
        items:
          properties:
            id: {type: string}
            name: {type: string}
            ring: {type: string}
            colour: {type: string}
            door: {type: string, x-secret: true}
"""
SEND = """\
key: send-pigeon
label: Send Pigeon
request: {method: POST, path: /flights}
inputs:
  loft_id: {label: Loft Id, type: string, to: body}
  pigeon_id: {label: Pigeon Id, type: string, choices_from: pigeons, to: body}
"""


def faults(folder: Path, **changed: tuple[str, str]) -> list[tuple[str, str]]:
    (folder / "actions").mkdir(parents=True)
    for name, (path, text) in {
        "connector": ("connector.yaml", CONNECTOR),
        "get": ("actions/get-loft.yaml", GET),
        "send": ("actions/send-pigeon.yaml", SEND),
    }.items():
        old, new = changed.get(name, ("", ""))
        assert old in text
        (folder / path).write_text(text.replace(old, new))
    return [(problem.where.partition(" ")[2], problem.what) for problem in load(folder).check()]


def test_a_sound_folder_has_no_fault(tmp_path: Path) -> None:
    assert faults(tmp_path) == []


AT = "choices.pigeons"


@pytest.mark.parametrize(
    ("name", "old", "new", "where", "says"),
    [
        ("get", "method: GET", "method: PUT", f"{AT}.action", "is get-loft, which changes something"),
        ("get", "label: Get Loft", "label: Get Loft\neffect: update", f"{AT}.action", "a drop-down must only read"),
        (
            "connector",
            "items: pigeons, ",
            "",
            AT,
            "lacks `items`, the place of the list in the answer; add it",
        ),
        (
            "connector",
            "{loft_id: loft_id}",
            "{lofts: loft_id, loft_id: loft_id}",
            f"{AT}.with",
            "Did you mean 'loft_id'",
        ),
        ("connector", "items:", "search: sorting, items:", f"{AT}.search", "names 'sorting', which is not an input"),
        ("connector", "items:", 'search: {sort: "{}", sortt: a}, items:', f"{AT}.search", "Did you mean 'sort'"),
        (
            "connector",
            "with: {loft_id: loft_id}, parameters: {loft_id: {label: Loft, required: true}}, ",
            "",
            AT,
            "lacks 'loft_id', which get-loft needs; say under `with`",
        ),
        (
            "connector",
            ", required: true",
            "",
            f"{AT}.parameters.loft_id",
            "fills 'loft_id', which get-loft needs; add `required: true` or a `default`",
        ),
        (
            "connector",
            "required: true",
            "required: true, choices_from: pigeon",
            f"{AT}.parameters.loft_id.choices_from",
            "Did you mean 'pigeons'",
        ),
        (
            "connector",
            "value: id",
            "value: ids",
            f"{AT}.value",
            "names 'ids', which is not a field of an item. Did you",
        ),
        ("connector", "{{ ring }}", "{{ rings }}", f"{AT}.label", "Did you mean 'ring'"),
        ("connector", "{{ ring }}", "{{ ring or }}", f"{AT}.label", "is not a template"),
        ("connector", "description: colour", "description: [colours]", f"{AT}.description", "Did you mean 'colour'"),
        ("connector", "value: id", "value: door", f"{AT}.value", "would show 'door', which is a secret"),
        ("connector", "{{ name }}", "{{ name ~ door }}", f"{AT}.label", "would show 'door', which is a secret"),
        ("send", "pigeons", "pigeon", "inputs.pigeon_id.choices_from", "Did you mean 'pigeons'"),
    ],
)
def test_one_fault_is_named_where_it_stands(
    tmp_path: Path, name: str, old: str, new: str, where: str, says: str
) -> None:
    found = faults(tmp_path, **{name: (old, new)})
    assert [place for place, _ in found] == [where]
    assert says in found[0][1]


def test_an_input_whose_list_reads_what_its_action_lacks_is_a_fault(tmp_path: Path) -> None:
    with_parameter = "parameters: {loft_id: {label: Loft, required: true}}, "
    assert faults(tmp_path / "a", connector=(with_parameter, "")) == []
    lacks = "  loft_id: {label: Loft Id, type: string, to: body}\n"
    found = faults(tmp_path / "b", connector=(with_parameter, ""), send=(lacks, ""))
    assert [place for place, _ in found] == ["inputs.pigeon_id.choices_from"]
    assert "needs 'loft_id', which is not an input here; give the list a parameter of that name" in found[0][1]


def test_nothing_is_asked_of_an_action_whose_answer_is_not_declared(tmp_path: Path) -> None:
    output = GET[GET.index("output:") :]
    assert faults(tmp_path, get=(output, ""), connector=("value: id", "value: whatever")) == []


def test_loading_one_action_does_not_look_into_those_that_lists_point_to(tmp_path: Path) -> None:
    assert len(faults(tmp_path, get=("method: GET", "method: PUT"))) == 1
    assert load(tmp_path).actions["send-pigeon"].preview({})["method"] == "POST"
