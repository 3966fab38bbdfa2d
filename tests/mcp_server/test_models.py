"""The tools as a language model uses them: what it may write, how much it reads, and what it is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.definitions import folders
from connector_runtime.mcp import tools as module
from connector_runtime.mcp.tools import ToolFilter, answer, call, tools
from connector_runtime.model import Result
from zoom_connector import Connector, InputError
from zoom_connector.sandbox import Sandbox

from .conftest import Talk, over_stdio, talking
from .test_inside import inside

MOST = 6000 * 4  # bytes of an answer; four are about one token
WEEKLY = {"type": 8, "recurrence": {"type": 2, "weekly_days": "3"}, "topic": "Weekly"}


def size(data: Any) -> int:
    """Bytes of JSON without blanks."""
    return len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


@pytest.fixture(scope="module")
def crowd() -> Iterator[Sandbox]:
    """A Zoom with a thousand users."""
    with Sandbox(users=1000) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def destructive(account: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with talking(over_stdio(account, tmp_path_factory.mktemp("destructive"), "--destructive")) as connected:
        yield connected


# -- how much a model reads --------------------------------------------------------------------------------------------


def test_a_thousand_users_come_in_parts_of_six_thousand_tokens_and_each_of_them_once(
    crowd: Sandbox, tmp_path: Path
) -> None:
    found, arguments, before = [], {"limit": 1000}, crowd.requests.total
    with talking(over_stdio(crowd, tmp_path)) as talk:
        while True:
            result = talk.call("list-users", arguments)
            part = result.structured_content
            assert not result.is_error and json.loads(result.content[0].text) == part
            assert size(part) <= MOST and part["data"]["users"]
            found += [user["id"] for user in part["data"]["users"]]
            if "cursor" not in part:
                break
            assert size(part) > MOST * 2 // 3
            arguments = {"limit": 1000, "cursor": part["cursor"]}
    users = [user.id for user in crowd.state.users.values() if user.status == "active"]
    assert len(found) == len(set(found)) == len(users) > 900 and set(found) == set(users)
    assert crowd.requests.total - before < 25


def test_an_item_that_is_larger_than_an_answer_is_cut_and_the_list_goes_on_behind_it(
    talk: Talk, account: Sandbox
) -> None:
    body = {"users": [{"id": "u1", "about": "x" * 99_000, "pictures": list(range(9000))}, {"id": "u2"}]}
    account.inject(match="GET /v2/users", status=200, body=body)
    part = talk.call("list-users").structured_content
    (user,) = part["data"]["users"]
    assert size(part) <= MOST and user["id"] == "u1" and body["users"][0]["about"].startswith(user["about"])
    assert part["warnings"] == ["The result was too long: its lists and strings were cut. Ask for less."]
    account.inject(match="GET /v2/users", status=200, body=body)
    assert talk.call("list-users", {"cursor": part["cursor"]}).structured_content["data"]["users"] == [{"id": "u2"}]


def test_an_answer_that_is_no_list_is_cut_with_a_note_too(talk: Talk, account: Sandbox) -> None:
    body = {"id": "u1", "email": "a@b.example", "group_ids": [f"group {number}" for number in range(5000)]}
    account.inject(match="GET /v2/users/me", status=200, body=body)
    part = talk.call("get-user", {"user_id": "me"}).structured_content
    groups = part["data"]["group_ids"]
    assert size(part) <= MOST and part["data"]["email"] == "a@b.example"
    assert groups and groups == body["group_ids"][: len(groups)]
    assert any("was too long" in warning for warning in part["warnings"])


@pytest.mark.parametrize(
    "data",
    [
        "x" * 10**6,
        ["x" * 999] * 9999,
        {f"key {n}": "x" * 99 for n in range(9999)},
        {"a": [{"b": ["é" * 99] * 99}] * 99},
    ],
)
def test_an_answer_of_any_shape_is_cut(connector: Connector, data: Any) -> None:
    offer = ToolFilter(destructive=True)
    told = answer(tools(connector, offer)["raw-request"], Result(data, 200, {}), offer)
    assert 0 < size(told) <= MOST and told["warnings"]


def test_the_list_of_tools_and_its_instructions_keep_to_their_budgets(talk: Talk) -> None:
    listed = talk.tools()
    shown = {name: [name, tool.description, tool.input_schema] for name, tool in listed.items()}
    assert sum(map(size, shown.values())) < 15_200 * 4
    assert size(shown["create-meeting"]) < 3500 * 4
    assert size(talk.client.instructions) < 180 * 4


# -- what a model may write --------------------------------------------------------------------------------------------


def sent(account: Sandbox) -> Any:
    return json.loads(account.requests[-1].body)


@pytest.mark.parametrize("name", ["create-meeting", "create_meeting"])
def test_underscores_and_hyphens_are_the_same_in_names(talk: Talk, account: Sandbox, name: str) -> None:
    talk.data(name, {"user-id": "me", "topic": "Spelled", "join-before_host": True})
    assert sent(account) == {"topic": "Spelled", "settings": {"join_before_host": True}}


def test_one_argument_in_two_spellings_is_refused(talk: Talk, account: Sandbox) -> None:
    before = account.requests.total
    error = talk.error("create-meeting", {"user_id": "me", "user-id": "other"})
    assert [problem["where"] for problem in error["problems"]] == ["user-id"]
    assert account.requests.total == before


def test_a_label_is_as_good_as_its_code(talk: Talk, account: Sandbox) -> None:
    labels = {"type": "recurring meeting (FIXED time)", "type_recurrence": " Weekly ", "weekly_day": [3]}
    talk.data("create-meeting", {"user_id": "me", "topic": "Weekly", **labels})
    assert sent(account) == WEEKLY
    talk.data(
        "create-meeting", {"user_id": "me", "topic": "Weekly", "type": 8, "type_recurrence": "2", "weekly_day": 3}
    )
    assert sent(account) == WEEKLY
    made = talk.data(
        "create-meeting", {"user_id": "me", "topic": "Open", "type": 2, "approval_type": "Automatically Approve"}
    )
    person = {"meeting_id": str(made["id"]), "email": "a@b.example", "first_name": "A", "country": "germany"}
    talk.data("add-meeting-registrant", person)
    assert sent(account)["country"] == "DE"


WORKDAYS = """
key: plan
label: Plan
description: Plan something
effect: create
request: {method: POST, path: /plans}
inputs:
  days:
    type: integer
    collection: list
    choices: [{value: 1, label: Sunday}, {value: 2, label: Monday}, {value: 3, label: Tuesday}]
  size: {type: string, choices: [{value: a, label: Large}, {value: b, label: LARGE}, {value: small, label: B}]}
  text: {type: string}
"""


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Connector:
    folder = tmp_path_factory.mktemp("plans")
    about = "key: acme\nlabel: Acme\nversion: 1.0.0\nbase_url: https://api.acme.example\n"
    (folder / "connector.yaml").write_text(about)
    (folder / "actions").mkdir()
    (folder / "actions" / "plan.yaml").write_text(WORKDAYS.lstrip())
    return folders.load(folder)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"days": ["Monday", "tuesday", 1]}, {"days": [2, 3, 1]}),
        ({"days": "Monday, 3"}, {"days": [2, 3]}),
        ({"days": "[2, 3]"}, {"days": [2, 3]}),
        ({"days": "Monday"}, {"days": [2]}),
        ({"size": "b"}, {"size": "b"}),
        ({"size": "small"}, {"size": "small"}),
        ({"text": "Monday"}, {"text": "Monday"}),
        ({"days": None, "text": ""}, {}),
    ],
)
def test_labels_are_read_in_lists_and_a_code_comes_before_a_label(
    plans: Connector, given: dict[str, Any], read: dict[str, Any]
) -> None:
    assert call(tools(plans, ToolFilter())["plan"], given)[0].values == read


@pytest.mark.parametrize("given", [{"days": "Friday"}, {"days": ["Mon"]}, {"size": "Large"}, {"days": [["Monday"]]}])
def test_a_label_that_is_unknown_or_not_unique_is_refused(plans: Connector, given: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        call(tools(plans, ToolFilter())["plan"], given)


# -- tools that are not there ------------------------------------------------------------------------------------------


def test_a_withheld_tool_is_named_with_its_option_in_either_spelling(talk: Talk) -> None:
    assert "delete-user, raw-request" in talk.client.instructions and "--destructive" in talk.client.instructions
    for name in ("delete-user", "delete_user"):
        message = talk.error(name, {"user_id": "u3"})["message"]
        assert "delete-user is not offered here" in message and "--destructive" in message
        assert "Did you mean" not in message


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("list-user", "list-users"),
        ("create_meetin", "create-meeting"),
        ("get-meetings", "get-meeting"),
        ("delete-meeting", None),
        ("delete_webinar_registrant", None),
        ("remove-user", None),
        ("send-user", None),
        ("user", None),
    ],
)
def test_only_a_tool_of_the_same_effect_is_suggested(destructive: Talk, name: str, meant: str | None) -> None:
    message = destructive.error(name)["message"]
    assert message == f"'{name}' is not a tool here." + (f" Did you mean '{meant}'?" if meant else "")


def test_the_instructions_name_what_other_options_withhold(connector: Connector, account: Sandbox) -> None:
    with talking(inside(connector, account, ToolFilter(read_only=True))) as talk:
        told = talk.client.instructions or ""
        assert re.search(r"create-meeting, .*update-user \([^()]*--read-only[^()]*\)", told)
    with talking(inside(connector, account, ToolFilter(only=("list-*",)))) as talk:
        told = talk.client.instructions or ""
        assert re.search(r"get-user, .*\([^()]*--only[^()]*\)", told) and "list-users," not in told


def test_each_session_is_told_its_own_date(
    connector: Connector, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime

    for day, told in ((datetime(2026, 11, 1, 9, 5, tzinfo=UTC), "Sunday, 2026-11-01, 09:05 UTC."),
                      (datetime(2026, 11, 2, 9, 5, tzinfo=UTC), "Monday, 2026-11-02, 09:05 UTC.")):  # fmt: skip
        clock = type("Clock", (), {"now": staticmethod(lambda zone, day=day: day)})
        monkeypatch.setattr(module, "datetime", clock)
        served = served if day.day == 2 else inside(connector, account, ToolFilter())  # noqa: F821
        with talking(served) as talk:
            assert (talk.client.instructions or "").endswith(f"When this session began, it was {told}")


# -- what a model is told ----------------------------------------------------------------------------------------------


def test_an_update_says_what_it_changed_and_shows_no_secret(talk: Talk, account: Sandbox) -> None:
    key = str(talk.data("create-meeting", {"user_id": "me", "topic": "Old", "agenda": "Old", "type": 2})["id"])
    arguments = {"meeting_id": key, "topic": "New", "password": "s3cr3tpw", "clear": ["agenda"]}
    result = talk.call("update-meeting", arguments)
    assert result.structured_content == {
        "done": f"Update meeting {key}",
        "changed": {"topic": "New", "password": "***", "agenda": ""},
    }
    assert sent(account) == {"topic": "New", "password": "s3cr3tpw", "agenda": ""}
    assert "s3cr3tpw" not in result.model_dump_json()


def test_a_deletion_says_what_was_deleted_and_a_disassociation_is_none(destructive: Talk) -> None:
    one, two, three = [user["id"] for user in destructive.data("list-users")["users"][-3:]]
    disassociated = [(one, "disassociate", "Disassociate"), (two, None, "Disassociate")]
    for key, action, done in [*disassociated, (three, "delete", "Delete")]:
        result = destructive.call("delete-user", {"user_id": key, "action": action})
        assert result.structured_content == {"done": f"{done} user {key}"}
        assert json.loads(result.content[0].text) == result.structured_content


def test_an_update_with_an_answer_tells_the_answer(connector: Connector) -> None:
    tool = tools(connector, ToolFilter())["update-user"]
    told = answer(tool, Result({"id": "u1"}, 200, {}), ToolFilter(), {"user_id": "u1", "company": "Acme"})
    assert told == {"data": {"id": "u1"}}


def test_an_empty_answer_to_a_question_is_data(connector: Connector) -> None:
    tool = tools(connector, ToolFilter())["get-user"]
    assert answer(tool, Result({}, 200, {}), ToolFilter(), {"user_id": "u1"}) == {"data": {}}


def test_problems_speak_of_arguments_and_cost_little(talk: Talk, account: Sandbox) -> None:
    error = talk.error("list-users-chat-messages", {"user_id": "me", "from": "2026-01-01T00:00:00Z"})
    (problem,) = error["problems"]
    assert problem == {"where": "to_contact", "what": "enter 'to_contact' or 'to_channel' when 'search_key' is empty"}
    assert size(error) <= 80 * 4
    missing = talk.call("get-meeting", {"meeting_id": "99999999999"})
    assert set(missing.structured_content["error"]) == {"kind", "message", "hint", "code"}
    assert size(missing.structured_content) <= 80 * 4
    assert missing.meta["tracking_id"].startswith("v=2.0;")
    body = {"code": 3000, "message": "This meeting does not have registration enabled."}
    account.inject(match="POST /v2/meetings/81234567890/registrants", status=400, body=body)
    person = {"meeting_id": "81234567890", "email": "a@b.example", "first_name": "A"}
    assert "'Approval Type'" in talk.error("add-meeting-registrant", person)["hint"]  # an input of another tool


def test_a_hint_that_names_a_label_of_the_tool_names_the_argument(destructive: Talk, account: Sandbox) -> None:
    body = {"code": 1107, "message": "The user's email domain is managed."}
    account.inject(match="DELETE /v2/users/u3", status=400, body=body)
    error = destructive.error("delete-user", {"user_id": "u3", "action": "disassociate"})
    assert "set 'action' to Delete" in error["hint"]


def test_an_error_says_what_is_so_and_leaves_out_what_is_not(talk: Talk, account: Sandbox) -> None:
    account.inject(match="POST /v2/users/me/meetings", drop="after", times=9)
    error = talk.error("create-meeting", {"user_id": "me", "topic": "Once"})
    account.clear_faults()
    assert error["may_have_been_done"] is True and "status" not in error


def test_no_false_consequences_are_told_of_a_wrong_label(talk: Talk) -> None:
    asked = {"user_id": "me", "type": "Recurring", "type_recurrence": 2, "weekly_day": [3]}
    assert [problem["where"] for problem in talk.error("create-meeting", asked)["problems"]] == ["type"]


def test_descriptions_have_no_filler_and_forms_keep_their_comments(connector: Connector) -> None:
    filler = re.compile(
        r"string value|default content|provided list|supplied list|\{\w+\}|https://developers", re.IGNORECASE
    )
    fills_in = {
        (key, row.key) for key, action in connector.actions.items() for row in action.inputs.values() if row.fills_in
    }
    for key, tool in tools(connector, ToolFilter(destructive=True)).items():
        assert not filler.search(tool.listed.description or ""), key
        for name, schema in tool.listed.input_schema["properties"].items():
            told = schema.get("description", "")
            assert not filler.search(told) and not told.startswith("Provide"), (key, name, told)
            if connector.actions[key].effect == "update" and (key, name) not in fills_in:
                assert "Default:" not in told and "If empty:" not in told, (key, name)
    topic = connector.actions["update-meeting"].inputs["topic"]
    assert topic.comments == "Provide a string value for the topic."
    told = tools(connector, ToolFilter())["update-meeting"].listed.input_schema["properties"]
    assert told["topic"]["description"] == "The topic."
    assert told["type"]["description"].startswith("1 = Instant meeting")
    assert told["timezone"]["description"] == "A valid timezone. Such as America/New_York."


def test_a_time_beside_a_zone_says_whose_clock_counts(connector: Connector) -> None:
    found = tools(connector, ToolFilter())
    for key in ("create-meeting", "update-meeting"):
        told = found[key].listed.input_schema["properties"]["start_time"]["description"]
        assert "2026-11-01T09:00:00 is nine o'clock in `timezone`" in told and "with Z or an offset" in told
    messages = found["list-users-chat-messages"].listed.input_schema["properties"]["from"]["description"]
    assert "Such as 2026-11-01T09:00:00Z" in messages and "timezone" not in messages


# -- what a model must not see -----------------------------------------------------------------------------------------


def test_passcodes_and_links_that_let_anyone_in_are_hidden(talk: Talk, account: Sandbox) -> None:
    key = str(talk.data("create-meeting", {"user_id": "me", "topic": "Shown", "type": 2, "password": "geheim12"})["id"])
    invitation = talk.call("get-meeting-invitation", {"meeting_id": key})
    text = invitation.structured_content["data"]["invitation"]
    assert "Passcode: ***" in text and "pwd=***" in text and "Topic: Shown" in text
    assert "geheim12" not in invitation.model_dump_json()
    recordings = {
        "id": 1,
        "recording_files": [
            {"id": "r1", "play_url": "https://zoom.us/rec/play/s3cret", "download_url": "https://zoom.us/rec/s3cret"}
        ],
    }
    account.inject(match=f"GET /v2/meetings/{key}/recordings", status=200, body=recordings)
    (file,) = talk.data("get-meeting-recordings", {"meeting_id": key})["recording_files"]
    assert file == {"id": "r1", "play_url": "***", "download_url": "***"}
    registrants = {"registrants": [{"id": "a", "join_url": "https://zoom.us/w/1?tk=s3cret.x&uuid=1"}]}
    account.inject(match=f"GET /v2/meetings/{key}/registrants", status=200, body=registrants)
    (person,) = talk.data("list-meeting-registrants", {"meeting_id": key})["registrants"]
    assert person["join_url"] == "https://zoom.us/w/1?tk=***&uuid=1"
