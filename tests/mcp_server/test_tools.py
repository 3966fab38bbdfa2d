"""Which actions become tools, and how each describes itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mcp_types as protocol
import pytest
from jsonschema import Draft202012Validator

from connector_runtime.definitions import folders
from connector_runtime.errors import Problem
from connector_runtime.language import conditions
from connector_runtime.mcp.tools import LIMIT, ToolFilter, _tool_result, _when, answer, call, failure, tools
from connector_runtime.model import Result
from zoom_connector import Connector, InputError

OWN = ("limit", "cursor", "clear")


def test_with_leave_to_destroy_there_are_all_twenty_two(connector: Connector) -> None:
    found = tools(connector, ToolFilter(destructive=True))
    assert list(found) == list(connector.actions) and len(found) == 22
    assert found["delete-user"].listed.annotations.destructive_hint is True
    assert found["raw-request"].listed.annotations.destructive_hint is True


def test_only_what_reads_is_offered_if_that_is_wanted(connector: Connector) -> None:
    found = tools(connector, ToolFilter(read_only=True, destructive=True))
    assert set(found) == {key for key, action in connector.actions.items() if action.effect == "read"}
    assert all(tool.listed.annotations.read_only_hint for tool in found.values())


def test_patterns_choose_among_what_is_offered(connector: Connector) -> None:
    assert list(tools(connector, ToolFilter(only=("get-user", "list-web*")))) == [
        "get-user",
        "list-webinar-participants",
        "list-webinar-registrants",
        "list-webinars",
    ]


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        (ToolFilter(only=("list-user",)), "Did you mean 'list-users'?"),
        (ToolFilter(only=("delete-user",)), "--destructive"),
        (ToolFilter(only=("create-*",), read_only=True), "the option --read-only allows only read actions"),
    ],
)
def test_nothing_to_offer_is_refused_with_the_reason(connector: Connector, offer: ToolFilter, says: str) -> None:
    with pytest.raises(InputError) as caught:
        tools(connector, offer)
    assert says in str(caught.value)


def test_the_annotations_say_what_the_effect_means(connector: Connector) -> None:
    found = tools(connector, ToolFilter(destructive=True))
    hints = {
        key: (said.read_only_hint, said.destructive_hint, said.idempotent_hint)
        for key in ("list-users", "create-meeting", "update-meeting", "delete-user", "raw-request")
        if (said := found[key].listed.annotations)
    }
    assert hints == {
        "list-users": (True, False, True),
        "create-meeting": (False, False, False),
        "update-meeting": (False, True, True),
        "delete-user": (False, True, True),
        "raw-request": (False, True, False),
    }
    assert all(tool.listed.annotations.open_world_hint is True for tool in found.values())


def test_names_are_such_as_every_client_takes(connector: Connector) -> None:
    found = tools(connector, ToolFilter(destructive=True))
    assert len(found) == len(connector.actions) > 20
    for name in found:
        assert len(name) <= 64 and all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in name)


def test_arguments_say_their_choices_conditions_sources_and_what_leaving_out_means(connector: Connector) -> None:
    properties = tools(connector, ToolFilter())["create-meeting"].listed.input_schema["properties"]
    kind = properties["type"]
    assert kind["enum"] == [1, 2, 3, 8, 10] and "8 = Recurring meeting (Fixed Time)" in kind["description"]
    assert "If empty: Scheduled meeting." in kind["description"]
    assert "list-users lists them." in properties["user_id"]["description"]
    assert "Only when type is 8." in properties["type_recurrence"]["description"]
    assert "Required when type_recurrence is 2, and used only then." in properties["weekly_day"]["description"]
    assert "2026-11-01T09:00:00 is nine o'clock in `timezone`" in properties["start_time"]["description"]
    assert not [key for key, said in properties.items() if "default" in said]


def test_a_source_that_is_no_tool_here_is_not_named(connector: Connector) -> None:
    properties = tools(connector, ToolFilter(only=("create-meeting",)))["create-meeting"].listed.input_schema[
        "properties"
    ]
    assert "list-users" not in properties["user_id"]["description"]


def test_required_are_the_inputs_that_nothing_else_gives(connector: Connector) -> None:
    found = tools(connector, ToolFilter(destructive=True))
    assert found["create-meeting"].listed.input_schema["required"] == ["user_id"]
    assert found["raw-request"].listed.input_schema["required"] == ["url", "method"]
    assert found["list-users"].listed.input_schema["required"] == []


def test_lists_and_only_lists_have_a_limit_and_a_cursor(connector: Connector) -> None:
    lists = 0
    for key, tool in tools(connector, ToolFilter(destructive=True)).items():
        is_list = connector.actions[key].paging is not None
        lists += is_list
        assert ({"limit", "cursor"} <= set(tool.listed.input_schema["properties"])) is is_list, key
        assert ("cursor" in tool.listed.output_schema["properties"]) is is_list, key
    assert lists == sum(action.paging is not None for action in connector.actions.values()) > 5


def test_only_what_can_be_emptied_can_be_cleared(connector: Connector) -> None:
    tool = tools(connector, ToolFilter())["update-meeting"]
    wanted = [row.key for row in connector.actions["update-meeting"].inputs.values() if row.clear]
    assert wanted and tool.listed.input_schema["properties"]["clear"]["items"]["enum"] == wanted
    assert "clear" not in tools(connector, ToolFilter())["get-user"].listed.input_schema["properties"]


def test_no_input_may_bear_the_name_of_an_argument_of_ours(tmp_path: Path) -> None:
    about = "key: acme\nlabel: Acme\nversion: 1.0.0\nbase_url: https://api.acme.example\n"
    (tmp_path / "connector.yaml").write_text(about)
    (tmp_path / "actions").mkdir()
    rows = "".join(f"  {name}: {{label: Own, type: string, to: query.x_{name}}}\n" for name in OWN)
    (tmp_path / "actions" / "list-things.yaml").write_text(
        "key: list-things\nlabel: List Things\ndescription: List things\neffect: read\n"
        f"request: {{method: GET, path: /things}}\ninputs:\n{rows}"
    )
    faults = [fault.where for fault in folders.load(tmp_path).check() if "option of the command line" in fault.what]
    assert [where.rpartition(".")[2] for where in faults] == list(OWN)


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ({"limit": 0}, False),
        ({"limit": 1}, True),
        ({"limit": 1000}, True),
        ({"limit": 1001}, False),
        ({"odd": 1}, False),
    ],
)
def test_what_a_model_may_give_is_bounded_by_the_schema_too(
    connector: Connector, given: dict[str, Any], fits: bool
) -> None:
    schema = tools(connector, ToolFilter())["list-users"].listed.input_schema
    assert Draft202012Validator(schema).is_valid(given) is fits


@pytest.mark.parametrize("given", [None, "", 50, "50", 50.0, " 50 "])
def test_a_limit_is_read_as_models_write_it(connector: Connector, given: Any) -> None:
    assert call(tools(connector, ToolFilter())["list-users"], {"limit": given})[1] == LIMIT == 50


@pytest.mark.parametrize("given", [0, -1, 1001, 2.5, True, "many", [5], {}, "9" * 5000, 1e300])
def test_a_limit_that_is_none_is_refused(connector: Connector, given: Any) -> None:
    with pytest.raises(InputError) as caught:
        call(tools(connector, ToolFilter())["list-users"], {"limit": given})
    assert [problem.where for problem in caught.value.problems] == ["limit"]


def test_every_sample_fits_the_schema_of_its_tool_with_secrets_and_without(connector: Connector) -> None:
    samples = 0
    for shown in (False, True):
        for key, tool in tools(connector, ToolFilter(destructive=True, secrets=shown)).items():
            action = connector.actions[key]
            if action.output is None or "example" not in action.output:
                continue
            samples += 1
            sample = action.output["example"]
            data = sample if shown else action.hide(sample)
            Draft202012Validator(tool.listed.output_schema).validate({"data": data})
            Draft202012Validator(tool.listed.output_schema["properties"]["data"]).validate(data)
    assert samples > 20


def words(schema: Any) -> set[str]:
    """The words of a schema, without the names of properties."""
    if isinstance(schema, list):
        return {word for part in schema for word in words(part)}
    if not isinstance(schema, dict):
        return set()
    named = [part for key in ("properties", "patternProperties") for part in schema.get(key, {}).values()]
    rest = [part for key, part in schema.items() if key not in ("properties", "patternProperties", "examples")]
    return {*schema, *words(named), *words(rest)}


def test_output_schemas_say_nothing_by_which_some_clients_refuse_answers(connector: Connector) -> None:
    found = tools(connector, ToolFilter(destructive=True))
    assert {"type", "properties"} <= words(found["get-user"].listed.output_schema)
    for tool in found.values():
        assert not {"format", "pattern", "x-secret", "$ref"} & words(tool.listed.output_schema)


def test_an_error_fits_every_output_schema(connector: Connector) -> None:
    found = tools(connector, ToolFilter(destructive=True))
    assert len(found) == len(connector.actions)
    for tool in found.values():
        said = failure(tool, InputError("Wrong."), ToolFilter())
        Draft202012Validator(tool.listed.output_schema).validate(said)


@pytest.mark.parametrize("levels", [10, 63, 64, 65, 300])
def test_an_answer_of_any_depth_is_a_result_that_every_client_reads(connector: Connector, levels: int) -> None:
    offer = ToolFilter(destructive=True)
    tool = tools(connector, offer)["raw-request"]
    data: Any = "the bottom"
    for level in range(levels):
        data = {"a": data} if level % 2 else [data]
    result = _tool_result(answer(tool, Result(data, 200, {}), offer))
    told = protocol.CallToolResult.model_validate_json(result.model_dump_json()).structured_content["data"]
    depth = 0
    while not isinstance(told, str):
        told, depth = (told["a"] if isinstance(told, dict) else told[0]), depth + 1
    assert depth == min(levels, 64)
    assert "the bottom" in told and (told == "the bottom") is (levels <= 64)


@pytest.mark.parametrize("clear", [True, {"agenda": 1}, [{}], ["agenda", True], ["topc"], 5])
def test_all_that_is_wrong_with_a_call_is_told_at_once(connector: Connector, clear: Any) -> None:
    update = tools(connector, ToolFilter())["update-meeting"]
    with pytest.raises(InputError) as caught:
        call(update, {"clear": clear, "duration": "long"})
    wheres = [problem.where.split(".")[0] for problem in caught.value.problems]
    assert sorted({*wheres}) == ["clear", "inputs"] and len(wheres) == 3


def test_what_is_to_be_cleared_may_come_as_one_text(connector: Connector) -> None:
    update = tools(connector, ToolFilter())["update-meeting"]
    listed, _, _ = call(update, {"meeting_id": "81234567890", "clear": ["agenda"]})
    text, limit, cursor = call(update, {"meeting_id": "81234567890", "clear": " agenda, "})
    assert text.values == listed.values and "agenda" in text.values and (limit, cursor) == (None, None)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "many", True, 10**9])
def test_a_limit_and_a_cursor_that_are_none_are_told_together(connector: Connector, limit: Any) -> None:
    users = tools(connector, ToolFilter())["list-users"]
    with pytest.raises(InputError) as caught:
        call(users, {"limit": limit, "cursor": [5]})
    assert [problem.where for problem in caught.value.problems] == ["limit", "cursor"]
    assert caught.value.problems[1].what == "must be text, not a list"


def test_a_tool_takes_fields_without_an_input_only_if_the_operator_allows_it(connector: Connector) -> None:
    arguments = {"user_id": "me", "topic": "T", "extra": {"body.sensitivity_label_id": "a1"}}
    with pytest.raises(InputError, match="extra: is not an input"):
        call(tools(connector, ToolFilter())["create-meeting"], arguments)
    tool = tools(connector, ToolFilter(extra=True))["create-meeting"]
    assert tool.listed.input_schema["properties"]["extra"]["type"] == "object"
    bound, _, _ = call(tool, arguments)
    assert [(str(place), value) for place, value in bound.extra] == [("body.sensitivity_label_id", "a1")]
    with pytest.raises(InputError, match="is set by the input 'Topic'"):
        call(tool, {**arguments, "extra": {"body.topic": "U"}})


def test_an_answer_says_no_more_than_there_is_to_say(connector: Connector) -> None:
    user = tools(connector, ToolFilter())["get-user"]
    plainly = Result(data={"id": "é\ud800"}, status=200, headers={}, warnings=(), cursor=None)
    assert answer(user, plainly, ToolFilter()) == {"data": {"id": "é?"}}
    warned = plainly.replace(data={"id": "1"}, warnings=(Problem("topic", "is cut"),), cursor="on")
    assert answer(user, warned, ToolFilter()) == {"data": {"id": "1"}, "cursor": "on", "warnings": ["topic: is cut"]}


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"type": 8}, "when type is 8"),
        ({"type": [2, 8]}, "when type is 2 or 8"),
        ({"topic": {"not": None}}, "when topic is filled in"),
        ({"topic": None}, "when topic is empty"),
        ({"type": {"not": [2, 8]}}, "when type is not 2 or 8"),
    ],
)
def test_a_condition_is_told_in_words(condition: Any, says: str) -> None:
    assert _when(conditions.parse(condition)) == says
