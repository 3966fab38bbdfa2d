"""A list in pieces: where it goes on, and what no cursor can do."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter

from connector_runtime.calls import pages
from connector_runtime.service import models
from zoom_connector import ApiError, Client, Connector, InputError, TransportError
from zoom_connector.sandbox import Sandbox

USERS = 25


def emails(client: Client, zoom: Sandbox) -> list[str]:
    return [user["email"] for user in client.run("list-users", {}).data["users"]]


@pytest.mark.parametrize("size", [1, 7, 10, 24, 25, 26])
def test_a_list_in_pieces_is_the_list(client: Client, zoom: Sandbox, size: int) -> None:
    found: list[str] = []
    cursor = None
    while True:
        piece = client.run("list-users", {}, size, cursor=cursor)
        found += [user["email"] for user in piece.data["users"]]
        cursor = piece.cursor
        if cursor is None:
            break
    assert found == emails(client, zoom)
    assert len(found) == USERS


def test_a_limit_inside_a_page_goes_on_inside_that_page(connector: Connector) -> None:
    from connector_runtime.calls.exchange import CallTerms, exchange, fold

    from .test_retries import Play, say

    action = connector.actions["list-users"]
    answers = [say({"users": [1, 2, 3], "next_page_token": "t"}), say({"users": [4, 5, 6], "next_page_token": ""})]
    first = fold(Play(*answers)(exchange(action, action.bind({}), CallTerms(limit=4))), action.paging)
    again = Play(answers[1])
    rest = fold(again(exchange(action, action.bind({}), CallTerms(cursor=first.cursor))), action.paging)
    assert (first.data["users"], rest.data["users"]) == ([1, 2, 3, 4], [5, 6])
    assert again.sent[0].url.endswith("?page_size=300&next_page_token=t")


@pytest.mark.parametrize("largest", [1, 40, 60, 61, 1000])
def test_a_list_that_is_cut_at_a_size_goes_on_with_the_next_item(connector: Connector, largest: int) -> None:
    from connector_runtime.calls.exchange import CallTerms, exchange, fold

    from .test_retries import Play, say

    action = connector.actions["list-users"]
    users = [{"id": f"user {number}", "dept": "x" * number} for number in range(6)]
    answers = [
        say({"users": users[:4], "next_page_token": "t"}),
        say({"users": users[4:], "next_page_token": ""}),
    ]
    found: list[Any] = []
    cursor = None
    while True:
        later = cursor is not None and json.loads(base64.urlsafe_b64decode(cursor + "==="))[3] == "t"
        terms = CallTerms(largest=largest, cursor=cursor)
        part = fold(Play(*answers[later:])(exchange(action, action.bind({}), terms)), action.paging)
        items = part.data["users"]
        assert items and (len(items) == 1 or sum(len(json.dumps(item)) for item in items) <= largest + 6 * len(items))
        found += items
        if (cursor := part.cursor) is None:
            break
    assert found == users


def test_an_error_in_the_middle_says_what_was_read_and_where_to_go_on(make: Any, zoom: Sandbox) -> None:
    from zoom_connector import load

    with make(load(), token=zoom.token, base_url=zoom.base_url, retries=0) as client:
        first = client.run("list-users", {}, 10)
        zoom.inject(match="GET /v2/users", drop="before")
        with pytest.raises(TransportError) as caught:
            client.run("list-users", {}, cursor=first.cursor)
        assert (caught.value.items_read, caught.value.cursor) == (0, first.cursor)
        assert caught.value.to_dict()["cursor"] == first.cursor
        rest = client.run("list-users", {}, cursor=caught.value.cursor)
    assert len(rest.data["users"]) == USERS - 10


def test_a_token_that_expired_says_that_the_list_starts_again(connector: Connector, zoom: Sandbox) -> None:
    from connector_runtime.calls.exchange import CallTerms, exchange, fold

    from .test_retries import Play, say

    action = connector.actions["list-users"]
    late = say({"code": 300, "message": "The next page token is invalid or expired."}, 400)
    play = Play(say({"users": [1, 2], "next_page_token": "t"}), late)
    with pytest.raises(ApiError, match="Start it again") as caught:
        fold(play(exchange(action, action.bind({}), CallTerms(retries=5))), action.paging)
    assert (caught.value.items_read, caught.value.cursor) == (2, None)
    assert caught.value.partial.data == {"users": [1, 2]}


def test_a_count_that_does_not_match_is_a_warning_with_both_figures(client: Client, zoom: Sandbox) -> None:
    zoom.inject(match="GET /v2/users", status=200, body=json.dumps({"users": [{"id": "a"}], "total_records": 3}))
    result = client.run("list-users", {})
    assert [warning.what for warning in result.warnings] == ["Zoom reported 3 items but sent 1."]
    assert client.run("list-users", {}).warnings == ()
    assert client.run("list-users", {}, 5).warnings == ()


ODD = ["", "x", "../../users", "é", "e30", base64.b64encode(b"[1,2,3]").decode(), "0" * 999]


@pytest.mark.parametrize("cursor", ODD)
def test_what_is_no_cursor_is_refused_before_anything_is_sent(client: Client, zoom: Sandbox, cursor: str) -> None:
    zoom.requests.clear()
    with pytest.raises(InputError) as caught:
        client.run("list-users", {}, cursor=cursor)
    assert [problem.where for problem in caught.value.problems] == ["cursor"]
    assert len(zoom.requests) == 0


def test_a_cursor_of_another_list_or_of_other_inputs_is_refused(client: Client) -> None:
    cursor = client.run("list-users", {}, 5).cursor
    for key, inputs in (("list-users", {"user_status": "inactive"}), ("list-meetings", {"user_id": "me"})):
        with pytest.raises(InputError, match="another list"):
            client.run(key, inputs, cursor=cursor)
    with pytest.raises(InputError):
        client.run("get-user", {"user_id": "me"}, cursor=cursor)


@settings(max_examples=300)
@given(st.recursive(st.none() | st.integers() | st.text() | st.booleans(), st.lists, max_leaves=8))
def test_no_cursor_whatever_it_holds_gets_past_the_check(said: Any) -> None:
    from zoom_connector import load

    paging = load().actions["list-webinars"].paging
    text = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    with pytest.raises(InputError):
        pages.position_of(text, "mark", paging)


@given(st.integers(1, 300), st.sampled_from([None, 0, 1]), st.text(), st.integers(0, 300))
def test_a_cursor_leads_back_to_its_spot(size: int, style: int | None, value: str, skip: int) -> None:
    from zoom_connector import load

    paging = load().actions["list-webinars"].paging
    spot = pages.ListPosition(size, style, None if style is None else value, skip)
    text = pages.cursor("mark", spot)
    assert text is not None
    assert pages.position_of(text, "mark", paging) == spot
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "token", [1.5, 2.0, True, 10**30, {"after": 1}, ["x"], "é" * 4000, "\U0001f600" * 3000, '\\"' * 2000]
)
def test_whatever_a_vendor_names_a_next_page_by_its_cursor_is_taken_back(connector: Connector, token: Any) -> None:
    from connector_runtime.calls.exchange import CallTerms, exchange, fold

    from .test_retries import Play, say

    action = connector.actions["list-users"]
    first = Play(say({"users": [1], "next_page_token": token}))
    cursor = fold(first(exchange(action, action.bind({}), CallTerms(limit=1))), action.paging).cursor
    assert TypeAdapter(models.Cursor).validate_python(cursor) == cursor  # the service takes it too
    again = Play(say({"users": [2]}))
    assert fold(again(exchange(action, action.bind({}), CallTerms(limit=1, cursor=cursor))), action.paging).data == {
        "users": [2]
    }
