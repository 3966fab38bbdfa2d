"""Tools called by the real client, over stdio and over streamable HTTP alike, against the sandbox."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from jsonschema import Draft202012Validator

from zoom_connector.sandbox import Sandbox

from .conftest import Talk, until


def test_twenty_tools_are_offered_and_none_that_can_destroy(talk: Talk, account: Sandbox) -> None:
    tools = talk.tools()
    assert len(tools) == 20
    assert not {"delete-user", "raw-request"} & set(tools)
    assert {name for name, tool in tools.items() if tool.annotations and tool.annotations.destructive_hint} == {
        "update-meeting",  # which overwrite, but delete nothing
        "update-user",
    }


def test_every_tool_has_valid_schemas_with_an_object_at_the_top(talk: Talk) -> None:
    for tool in talk.tools().values():
        for schema in (tool.input_schema, tool.output_schema):
            assert schema is not None
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object" and schema["properties"]
        assert "connection" not in tool.input_schema["properties"]
        assert tool.title and tool.description and tool.annotations


def test_a_meeting_is_made_and_told_as_data_and_as_text(talk: Talk, account: Sandbox) -> None:
    result = talk.call("create-meeting", {"user_id": "me", "topic": "Weekly sync", "type": 2, "duration": 30})
    assert not result.is_error
    made = result.structured_content["data"]
    assert (made["topic"], made["duration"]) == ("Weekly sync", 30)
    assert json.loads(result.content[0].text) == result.structured_content
    sent = account.requests[-1]
    assert (sent.method, sent.target) == ("POST", "/v2/users/me/meetings")
    assert json.loads(sent.body) == {"topic": "Weekly sync", "type": 2, "duration": 30}
    assert talk.data("get-meeting", {"meeting_id": str(made["id"])})["topic"] == "Weekly sync"


def test_a_list_goes_on_by_its_cursor_to_its_end(talk: Talk) -> None:
    everyone = talk.call("list-users").structured_content
    assert len(everyone["data"]["users"]) == 25 and "cursor" not in everyone
    found: list[str] = []
    asked: dict[str, Any] = {"limit": 10}
    sizes = []
    while True:
        part = talk.call("list-users", asked).structured_content
        found += [user["id"] for user in part["data"]["users"]]
        sizes.append(len(part["data"]["users"]))
        if "cursor" not in part:
            break
        asked["cursor"] = part["cursor"]
    assert sizes == [10, 10, 5]
    assert found == [user["id"] for user in everyone["data"]["users"]]


def test_a_list_ends_at_fifty_items_unless_the_model_asks_for_more(talk: Talk, account: Sandbox) -> None:
    asked = {"user_id": "me"}
    for number in range(60):
        talk.data("create-meeting", {**asked, "topic": f"Number {number}", "type": 2})
    first = talk.call("list-meetings", asked).structured_content
    assert len(first["data"]["meetings"]) == 50 and first["cursor"]
    more = talk.call("list-meetings", {**asked, "limit": 55}).structured_content
    assert len(more["data"]["meetings"]) == 55 and more["cursor"]


def test_a_foreign_cursor_and_a_wrong_limit_are_refused_beside_all_other_problems(talk: Talk, account: Sandbox) -> None:
    before = account.requests.total
    error = talk.error("list-users", {"limit": 0, "cursor": [7], "user_statuss": "active"})
    assert error["kind"] == "input" and "retriable" not in error
    assert [problem["where"] for problem in error["problems"]] == ["limit", "cursor", "user_statuss"]
    assert "Did you mean 'user_status'?" in error["problems"][2]["what"]
    assert talk.error("list-users", {"cursor": "bm90IG91cnM"})["problems"][0]["where"] == "cursor"
    assert account.requests.total == before


def test_wrong_arguments_are_all_told_at_once_and_nothing_is_sent(talk: Talk, account: Sandbox) -> None:
    before = account.requests.total
    error = talk.error("create-meeting", {"topic": "x" * 201, "type": 9, "weekly_day": [3]})
    assert {problem["where"] for problem in error["problems"]} == {
        "user_id",
        "topic",
        "type",
        "weekly_day",
    }
    assert account.requests.total == before


def test_null_and_blank_text_are_not_given_and_a_field_is_emptied_by_name(talk: Talk, account: Sandbox) -> None:
    made = talk.data("create-meeting", {"user_id": "me", "topic": "Mine", "agenda": "Old", "timezone": None})
    key = str(made["id"])
    assert not talk.call("update-meeting", {"meeting_id": key, "topic": "Yours", "agenda": ""}).is_error
    assert json.loads(account.requests[-1].body) == {"topic": "Yours"}
    assert not talk.call("update-meeting", {"meeting_id": key, "clear": ["agenda"]}).is_error
    assert json.loads(account.requests[-1].body) == {"agenda": ""}
    error = talk.error("update-meeting", {"meeting_id": key, "clear": ["meeting_id"]})
    assert "clear" in json.dumps(error["problems"])


def test_a_refusal_says_what_to_do(talk: Talk) -> None:
    error = talk.error("get-meeting", {"meeting_id": "99999999999"})
    assert error["kind"] == "not_found" and error["code"] == 3001
    assert error["message"] and error["hint"] and "retriable" not in error


def test_a_missing_scope_is_named(talk: Talk, account: Sandbox) -> None:
    body = {"code": 4711, "message": "Invalid access token, does not contain scopes:[user:read:list_users:admin]."}
    account.inject(match="GET /v2/users", status=400, body=body)
    error = talk.error("list-users")
    assert error["kind"] == "missing_scope" and "user:read:list_users:admin" in error["hint"]


def test_what_may_have_been_done_is_told(talk: Talk, account: Sandbox) -> None:
    account.inject(match="POST /v2/users/me/meetings", drop="after", times=9)
    error = talk.error("create-meeting", {"user_id": "me", "topic": "Once"})
    account.clear_faults()
    assert error["kind"] == "transport" and error["may_have_been_done"] is True


def test_secrets_are_hidden_in_data_and_text(talk: Talk, account: Sandbox) -> None:
    result = talk.call("create-meeting", {"user_id": "me", "topic": "Secret", "password": "s3cr3tpw"})
    made = result.structured_content["data"]
    assert made["start_url"] == made["password"] == "***"
    assert "s3cr3tpw" not in result.model_dump_json()


def test_an_unknown_tool_is_told_the_nearest_and_a_withheld_one_why(talk: Talk) -> None:
    assert "Did you mean 'create-meeting'?" in talk.error("create_meetin")["message"]
    assert "--destructive" in talk.error("delete-user", {"user_id": "me"})["message"]


def test_an_answer_of_another_shape_is_not_lost(talk: Talk, account: Sandbox) -> None:
    account.inject(match="GET /v2/users/me", status=200, body={"id": ["not", "text"], "email": "a@b.example"})
    result = talk.call("get-user", {"user_id": "me"})
    said = result.structured_content
    assert not result.is_error and said["unexpected"]["email"] == "a@b.example" and "data" not in said
    assert any("data.id" in warning for warning in said["warnings"])


def test_large_integers_come_as_text_and_half_characters_do_no_harm(talk: Talk, account: Sandbox) -> None:
    body = '{"users": [{"id": "u1", "more": 9007199254740993, "odd": "\\ud83d"}]}'
    account.inject(match="GET /v2/users", status=200, body=body)
    (user,) = talk.data("list-users")["users"]
    assert user["more"] == "9007199254740993" and user["odd"] == "?"


def test_a_long_list_reports_its_progress(talk: Talk, account: Sandbox) -> None:
    heard: list[tuple[float, float | None]] = []

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total))

    for number in range(3):  # three pages instead of one
        rows = [{"id": f"u{number}{row}"} for row in range(2)]
        body = {"users": rows, "next_page_token": f"t{number}" if number < 2 else ""}
        account.inject(match="GET /v2/users", status=200, body=body)
    result = talk.call("list-users", {"limit": 100}, progress_callback=on_progress)
    assert len(result.structured_content["data"]["users"]) == 6
    assert heard == [(2, 100), (4, 100), (6, 100)]


def test_a_failure_in_the_middle_of_a_list_keeps_what_was_read(talk: Talk, account: Sandbox) -> None:
    body = {"users": [{"id": "u1"}, {"id": "u2"}], "next_page_token": "t1"}
    account.inject(match="GET /v2/users", status=200, body=body)
    account.inject(match="GET /v2/users", status=400, body={"code": 300, "message": "Bad."})
    result = talk.call("list-users")
    said = result.structured_content
    assert result.is_error and [user["id"] for user in said["data"]["users"]] == ["u1", "u2"]
    assert said["error"]["items_read"] == 2


def test_twenty_calls_at_a_time_each_get_their_own_answer(talk: Talk, account: Sandbox) -> None:
    topics = [f"Parallel {number}" for number in range(20)]
    found: dict[str, str] = {}

    async def one(topic: str) -> None:
        result = await talk.client.call_tool("create-meeting", {"user_id": "me", "topic": topic})
        found[topic] = result.structured_content["data"]["topic"]

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for topic in topics:
                group.start_soon(one, topic)

    talk.portal.call(all_of_them)
    assert found == {topic: topic for topic in topics}


def test_a_call_that_is_cancelled_stops_and_the_next_is_answered(talk: Talk, account: Sandbox) -> None:
    before = account.requests.total
    for number in range(200):
        body = {"users": [{"id": f"u{number}"}], "next_page_token": f"t{number}"}
        account.inject(match="GET /v2/users", status=200, body=body, delay=0.05)

    async def given_up() -> None:
        with anyio.move_on_after(0.5):
            await talk.client.call_tool("list-users", {"limit": 1000})

    talk.portal.call(given_up)
    assert until(lambda: account.requests.total > before)
    seen = -1
    while seen != account.requests.total:  # the sandbox hears no more of it
        seen = account.requests.total
        anyio.run(anyio.sleep, 0.3)
    account.clear_faults()
    assert seen - before < 100
    assert len(talk.data("list-users", {"limit": 3})["users"]) == 3


@pytest.mark.parametrize("name", ["list-users", "get-user"])
def test_the_client_finds_no_fault_with_what_the_sandbox_answers(talk: Talk, name: str) -> None:
    arguments = {} if name == "list-users" else {"user_id": "me"}
    assert "unexpected" not in talk.call(name, arguments).structured_content


def test_a_limit_that_holds_for_long_tells_when_to_try_again(talk: Talk, account: Sandbox) -> None:
    """The last, since it holds for all lists of this account."""
    headers = {"X-RateLimit-Type": "Daily-limit", "Retry-After": "2099-01-01T00:00:00Z"}
    body = {"code": 429, "message": "You have reached the maximum daily rate limit for this API."}
    account.inject(match="GET /v2/users", status=429, headers=headers, body=body)
    error = talk.error("list-users")
    assert error["kind"] == "quota" and error["retriable"] is True
    assert error["retry_at"] == "2099-01-01T00:00:00Z"
