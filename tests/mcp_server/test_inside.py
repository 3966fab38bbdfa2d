"""The server of tools and its app, both in this process: what a client is told word for word."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from mcp.client.streamable_http import streamable_http_client

from connector_runtime.client import AsyncClient
from connector_runtime.errors import ApiError
from connector_runtime.mcp import web
from connector_runtime.mcp.tools import LIMIT, ToolFilter, answer, call, failure, plain, server, tools
from connector_runtime.model import Result
from connector_runtime.service.records import ApiKeys
from connector_runtime.service.settings import ServiceSettings
from connector_runtime.service.state import Service
from connector_runtime.stores.store import MemoryStore
from tests.service.conftest import connect, serving
from zoom_connector import Connector, InputError
from zoom_connector.sandbox import Sandbox

from .conftest import Talk, talking


def inside(connector: Connector, zoom: Sandbox, offer: ToolFilter, deadline: float = 30.0, **given: Any) -> Any:
    """A server whose calls go with a client of the sandbox."""

    @asynccontextmanager
    async def lend(request: Any) -> AsyncIterator[AsyncClient]:
        assert request is None
        about = {"token": zoom.token, "base_url": zoom.base_url, "retries": 0, **given}
        async with AsyncClient(connector, **about) as client:
            yield client

    return server(connector, offer, lend, deadline)


@pytest.fixture(scope="module")
def here(connector: Connector, account: Sandbox) -> Iterator[Talk]:
    with talking(inside(connector, account, ToolFilter())) as connected:
        yield connected


def failed(talk: Talk, name: str, arguments: dict[str, Any]) -> Any:
    """All that a call that fails gives: the same as data and as text."""
    result = talk.call(name, arguments)
    assert result.is_error and [json.loads(each.text) for each in result.content] == [result.structured_content]  # type: ignore[union-attr]
    return result.structured_content


def test_a_server_says_who_it_is_and_what_a_model_has_to_know(here: Talk, connector: Connector) -> None:
    about = here.client.server_info
    assert (about.name, about.version, about.title, about.description) == (
        "zoom-connector",
        connector.profile.version,
        "Zoom Connector",
        connector.profile.description,
    )
    (icon,) = about.icons or []
    assert icon.mime_type == "image/svg+xml" and icon.src.startswith("data:image/svg+xml")
    told, began, now = (here.client.instructions or "").partition(" When this session began, it was ")
    assert told == (
        "Each tool is one action of Zoom Connector; its result is `data`, or what was `done`. A list returns 50 items "
        "unless `limit` says otherwise, and at most about 6,000 tokens; a result with `cursor` has more. A choice may "
        "be given by its label. An `error` says what to change (`problems`, `hint`), whether the same call may succeed "
        "later (`retriable`, `retry_at`), and whether it may have been done (`may_have_been_done`): if so, check "
        "before trying again. Secrets are shown as ***. Not offered here: delete-user, raw-request (it can destroy "
        "data, which requires the option --destructive)."
    )
    days = [datetime.now(UTC) - timedelta(days=days) for days in (0, 1)]  # midnight may have passed since
    assert began and any(now.startswith(f"{day:%A, %Y-%m-%d, }") for day in days) and now.endswith(" UTC.")


def test_secrets_that_are_shown_are_not_said_to_be_hidden(connector: Connector, account: Sandbox) -> None:
    with talking(inside(connector, account, ToolFilter(secrets=True))) as talk:
        assert "***" not in (talk.client.instructions or "")
        made = talk.data("create-meeting", {"user_id": "me", "topic": "a", "type": 2})
        assert talk.data("get-meeting", {"meeting_id": made["id"]})["start_url"] != "***"


def test_a_tool_is_listed_word_for_word(here: Talk, connector: Connector) -> None:
    users, meeting = here.tools()["list-users"], here.tools()["create-meeting"]
    what = "List all users connected to your Zoom account."
    assert (users.title, users.description) == ("List Users", what)
    own = users.input_schema["properties"]
    assert own["limit"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000,
        "description": "Maximum number of items; 50 if left out.",
    }
    goes_on = "Continues after the result that returned this cursor; repeat the other arguments unchanged."
    assert own["cursor"] == {"type": "string", "description": goes_on}
    assert users.input_schema["type"] == "object" and users.input_schema["additionalProperties"] is False
    assert users.annotations is not None and users.annotations.model_dump(by_alias=False) == {
        "title": "List Users",
        "read_only_hint": True,
        "destructive_hint": False,
        "idempotent_hint": True,
        "open_world_hint": True,
    }
    assert meeting.description == "Create a new meeting with an existing user as the host."
    shapes = users.output_schema["properties"]  # type: ignore[index]
    kinds = [{"type": kind} for kind in ("object", "array", "string", "number", "boolean", "null")]
    assert shapes["unexpected"] == {
        "anyOf": kinds,
        "description": "The data, if it does not have the documented shape.",
    }
    assert shapes["error"] == {"type": "object", "description": "Why the call failed, and what to do."}
    assert shapes["cursor"] == {"type": "string", "description": "The list has more items: call again with this."}
    assert shapes["warnings"] == {"type": "array", "items": {"type": "string"}}
    assert "cursor" not in meeting.output_schema["properties"]  # type: ignore[index]
    update = here.tools()["update-meeting"].input_schema["properties"]["clear"]
    clearable = [row.key for row in connector.actions["update-meeting"].inputs.values() if row.clear]
    empties = "Fields to clear; blank strings and null leave a field unchanged."
    items = {"type": "string", "enum": clearable}
    assert update == {"type": "array", "items": items, "description": empties}


def test_what_is_no_tool_here_says_which_are(here: Talk, connector: Connector) -> None:
    hint = "Call only tools on the list."
    unknown = {"kind": "input", "message": "'list-user' is not a tool here. Did you mean 'list-users'?", "hint": hint}
    assert failed(here, "list-user", {}) == {"error": unknown}
    assert failed(here, "x" * 200, {})["error"]["message"].startswith(f"'{'x' * 100}' is not a tool here.")
    why = "delete-user is not offered here: it can destroy data, which requires the option --destructive."
    tell = "Tell the person who runs this server."
    assert failed(here, "delete-user", {}) == {"error": {"kind": "input", "message": why, "hint": tell}}


def test_what_is_withheld_says_why(connector: Connector) -> None:
    for offer, key, why in (
        (
            ToolFilter(only=("create-*",), read_only=True),
            "create-meeting",
            "the option --read-only allows only read actions",
        ),
        (
            ToolFilter(only=("delete-user",)),
            "delete-user",
            "it can destroy data, which requires the option --destructive",
        ),
    ):
        with pytest.raises(InputError) as caught:
            tools(connector, offer)
        assert [(problem.where, problem.what) for problem in caught.value.problems] == [
            ("--only", f"{key} is not offered here: {why}")
        ]
    with pytest.raises(InputError) as caught:
        tools(connector, ToolFilter(only=("list-user", "get-user", "zzz")))
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("--only", "'list-user' matches no action. Did you mean 'list-users'?"),
        ("--only", "'zzz' matches no action."),
    ]


def test_a_call_is_answered_with_data_and_goes_on(connector: Connector, account: Sandbox) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append((done, total, message))

    with talking(inside(connector, account, ToolFilter())) as talk:
        first = talk.call("list-users", {"limit": 1}, progress_callback=progress)
        assert not first.is_error and set(first.structured_content) == {"data", "cursor"}
        assert [json.loads(each.text) for each in first.content] == [first.structured_content]  # type: ignore[union-attr]
        assert heard == [(1, 1, "1 items")]
        rest = talk.call("list-users", {"cursor": first.structured_content["cursor"]}).structured_content
        assert set(rest) == {"data"} and rest["data"]["users"][0] != first.structured_content["data"]["users"][0]


def test_a_call_is_bounded_and_its_failure_told(connector: Connector, account: Sandbox) -> None:
    with talking(inside(connector, account, ToolFilter(), deadline=0.3)) as talk:
        account.inject(delay=1.5, times=1)
        assert failed(talk, "get-user", {"user_id": "me"})["error"] == {
            "kind": "transport",
            "message": "No response in time.",
            "hint": "Nothing was changed; try again.",
            "retriable": True,
        }
    account.clear_faults()
    with talking(inside(connector, account, ToolFilter(), token=None)) as talk:
        assert failed(talk, "get-user", {"user_id": "me"})["error"] == {
            "kind": "token",
            "message": "There is no access token.",
            "hint": "Pass one to the client, or connect an account.",
        }


def test_all_that_is_wrong_with_a_call_is_told(connector: Connector) -> None:
    found = tools(connector, ToolFilter())
    with pytest.raises(InputError) as caught:
        call(found["list-users"], {"limit": 0, "cursor": [5], "status": "odd"})
    assert [(problem.where, problem.what) for problem in caught.value.problems][:2] == [
        ("limit", "must be a whole number from 1 to 1000; it is 0"),
        ("cursor", "must be text, not a list"),
    ]
    assert [problem.where for problem in caught.value.problems][2:] == ["inputs.status"]
    assert caught.value.message == "3 problems with the inputs of list-users:"
    with pytest.raises(InputError) as caught:
        call(found["update-meeting"], {"meeting_id": "1", "clear": ["agenda", {}]})
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("clear.1", "must be text, not an object")
    ]
    _, limit, cursor = call(found["list-users"], {"limit": " ", "cursor": " "})
    assert (limit, cursor) == (LIMIT, None) == (50, None)
    assert call(found["get-user"], {"user_id": "me"})[1:] == (None, None)


def test_an_answer_says_what_is_odd_about_it_and_a_failure_keeps_what_was_read(connector: Connector) -> None:
    tool = tools(connector, ToolFilter())["list-users"]
    result = Result({"users": 5}, 200, {}, (), "c")
    odd = answer(tool, result, ToolFilter())
    (warning,) = odd.pop("warnings")  # type: ignore[misc]
    assert odd == {"unexpected": {"users": 5}, "cursor": "c"}
    assert warning.startswith("The response does not have the documented shape: data.users ")
    error = ApiError("No.", status=400)
    assert failure(None, error, ToolFilter())["error"] == {"kind": "api", "message": "No."}
    error.partial = Result({"users": []}, 200, {}, (), None)
    assert failure(tool, error, ToolFilter())["data"] == {"users": []}
    assert plain([2**53, 2**53 + 1, -(2**53) - 1, True, 1.5, "\ud800é"]) == [
        2**53,
        str(2**53 + 1),
        str(-(2**53) - 1),
        True,
        1.5,
        "?é",
    ]


def test_the_app_lets_in_who_has_a_key_and_goes_with_the_tenants_connection(
    connector: Connector, account: Sandbox
) -> None:
    store = MemoryStore()
    keys = ApiKeys(store, connector.key)
    one, two = keys.create("acme")[0], keys.create("other")[0]
    connect(connector, store, account, "acme")
    settings = ServiceSettings(base_url=account.base_url, oauth_url=account.origin, retries=0, body=2000)
    shared = Service(connector, store, settings, None, None)
    with serving(web.app(shared, ToolFilter(), "main"), store) as served:

        def talk(key: str) -> Any:
            http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30)
            return talking(streamable_http_client(f"{served.url}/mcp", http_client=http), "auto", http)

        with talk(one) as acme:
            assert acme.data("get-user", {"user_id": "me"})["id"]
        with talk(two) as other:
            assert failed(other, "get-user", {"user_id": "me"})["error"] == {
                "kind": "token",
                "message": "There is no connection main.",
                "hint": "Connect an account.",
            }
        asked = served.client(one)
        assert asked.get("/health").json() == {"status": "ok"} and asked.post("/health").status_code == 405
        page = asked.post("/mcp", json={}, headers={"Origin": "https://evil.example"})
        assert (page.status_code, page.json()["kind"]) == (403, "forbidden")
        assert (served.client().post("/mcp", json={}).status_code, asked.get("/nowhere").status_code) == (401, 404)
        large = asked.post("/mcp", content=b" " * 2001, headers={"Content-Type": "application/json"})
        assert large.status_code == 413
    assert (web.IDLE, web.SESSIONS) == (600, 1000)
