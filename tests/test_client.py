"""The client against a Zoom that runs here, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
from typing import Any

import httpx
import pytest

from connector_runtime import transport
from connector_runtime.session import RETRIES, ValueCache
from connector_runtime.steps import Recall, Remember
from zoom_connector import (
    ApiError,
    AsyncClient,
    AuthError,
    Client,
    Conflict,
    Connector,
    Http,
    InputError,
    NotFound,
    RateLimited,
    TransportError,
    ValidationFailed,
)
from zoom_connector.sandbox import Sandbox

TOKEN = "secret-token-8f3a"


def test_a_meeting_lives_from_creation_to_deletion(client: Client) -> None:
    made = client.run("create-meeting", {"user_id": "me", "topic": "Weekly", "type": 2, "approval_type": 0})
    assert made.status == 201
    meeting = {"meeting_id": made.data["id"]}
    assert client.run("update-meeting", {**meeting, "topic": "Daily"}).data == {}
    assert client.run("get-meeting", meeting).data["topic"] == "Daily"
    assert "Daily" in client.run("get-meeting-invitation", meeting).data["invitation"]
    client.run("add-meeting-registrant", {**meeting, "email": "a@b.example", "first_name": "Ada"})
    registrants = client.run("list-meeting-registrants", meeting).data["registrants"]
    assert [person["email"] for person in registrants] == ["a@b.example"]
    client.run("raw-request", {"method": "DELETE", "url": f"/meetings/{made.data['id']}"})
    with pytest.raises(NotFound) as caught:
        client.run("get-meeting", meeting)
    assert caught.value.code == 3001
    assert caught.value.tracking_id


def test_what_is_sent_is_what_the_preview_showed(client: Client, connector: Connector, zoom: Sandbox) -> None:
    inputs = {
        "user_id": "me",
        "topic": "é 🎉 <b>",
        "type": 2,
        "password": "a/b?c",
        "settings_extra_fields": {"jbh_time": 5},
    }
    shown = connector.actions["create-meeting"].preview(inputs, base_url=zoom.base_url)
    client.run("create-meeting", inputs)
    sent = zoom.requests[-1]
    assert (sent.method, zoom.base_url.removesuffix("/v2") + sent.target) == (shown["method"], shown["url"])
    assert json.loads(sent.body) == shown["body"]
    masked = {name: "Bearer ***" if name == "authorization" else value for name, value in sent.headers}
    assert {name: value for name, value in masked.items() if name not in ("host", "content-length")} == {
        name.lower(): value for name, value in shown["headers"].items()
    }


def test_an_encoded_path_reaches_the_wire_as_it_was_encoded(client: Client, zoom: Sandbox) -> None:
    with pytest.raises(NotFound):
        client.run("get-meeting-recordings", {"meeting_id": "/no//such=="})
    assert zoom.requests[-1].target == "/v2/meetings/%252Fno%252F%252Fsuch%253D%253D/recordings"


def test_a_list_of_many_pages_holds_every_item_once(make: Any, connector: Connector) -> None:
    with Sandbox(users=1234) as zoom, make(connector, token=zoom.token, base_url=zoom.base_url) as client:
        result = client.run("list-users", {})
        ids = [user["id"] for user in result.data["users"]]
        assert len(ids) == len(set(ids)) == result.data["total_records"] == 1234
        assert len(zoom.requests) == 5
        assert list(client.stream("list-users", {})) == result.data["users"]
        zoom.requests.clear()
        assert [user["id"] for user in client.stream("list-users", {}, limit=301)] == ids[:301]
        assert len(zoom.requests) == 2


def test_a_stream_that_is_closed_asks_for_no_more(make: Any, connector: Connector) -> None:
    with Sandbox(users=900) as zoom, make(connector, token=zoom.token, base_url=zoom.base_url) as client:
        stream = client.stream("list-users", {})
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert len(zoom.requests) == 1


def test_a_stream_of_another_action_gives_its_data_once(client: Client) -> None:
    assert [user["id"] for user in client.stream("get-user", {"user_id": "me"})] == [
        client.run("get-user", {"user_id": "me"}).data["id"]
    ]


def test_nothing_is_sent_for_inputs_that_are_wrong(client: Client, zoom: Sandbox) -> None:
    for key, inputs in (
        ("create-meting", {}),
        ("create-meeting", {}),
        ("create-meeting", {"user_id": "me", "duration": "long"}),
        ("raw-request", {"method": "GET", "url": "https://evil.example/"}),
    ):
        with pytest.raises(InputError):
            client.run(key, inputs)
    for limit in (0, -1, True, "5", 1.5):
        with pytest.raises(InputError, match="limit"):
            client.run("list-users", {}, limit=limit)  # type: ignore[arg-type]
    assert len(zoom.requests) == 0


def test_an_unknown_action_names_the_nearest(client: Client) -> None:
    with pytest.raises(InputError, match="Did you mean 'create-meeting'"):
        client.run("create-meting", {})


def test_a_token_function_is_asked_again_with_the_rejected_token(
    make: Any, connector: Connector, zoom: Sandbox
) -> None:
    asked: list[str | None] = []

    def token(rejected: str | None) -> str:
        asked.append(rejected)
        return zoom.token if rejected else "stale"

    with make(connector, token=token, base_url=zoom.base_url) as client:
        assert client.run("get-user", {"user_id": "me"}).status == 200
    assert asked == [None, "stale"]
    with make(connector, token=lambda: zoom.token, base_url=zoom.base_url) as client:
        assert client.run("get-user", {"user_id": "me"}).status == 200


@pytest.mark.parametrize("token", ["", "  ", None, "a\nb", "a\r\nX-Evil: 1", "é"])
def test_a_token_that_no_header_can_carry_is_refused_before_anything_is_sent(
    make: Any, connector: Connector, zoom: Sandbox, token: Any
) -> None:
    with pytest.raises((AuthError, InputError)), make(connector, token=token, base_url=zoom.base_url) as client:
        client.run("get-user", {"user_id": "me"})
    with pytest.raises(AuthError), make(connector, token=lambda: token, base_url=zoom.base_url) as client:
        client.run("get-user", {"user_id": "me"})
    assert len(zoom.requests) == 0


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/v2",
        "ftp://localhost/",
        "api.zoom.us",
        "https://u:p@api.zoom.us/v2",
        "https://a.b/v2?x=1",
        "",
    ],
)
def test_a_base_url_that_would_leak_the_token_is_refused(make: Any, connector: Connector, url: str) -> None:
    with pytest.raises(InputError, match="base_url"):
        make(connector, token=TOKEN, base_url=url)


def test_the_vendors_complaints_about_fields_are_mapped_to_our_inputs(client: Client) -> None:
    user = {"email": "someone@sandbox.example", "user_type": 1}
    client.run("create-user", user)
    with pytest.raises(Conflict):
        client.run("create-user", user)
    with pytest.raises(ValidationFailed) as caught:
        client.run("create-user", {"email": "not an email", "user_type": 1})
    assert [problem.where for problem in caught.value.problems] == ["inputs.email"]


def test_faults_of_the_network_are_transport_errors_that_say_whether_it_may_have_been_done(
    once: Client, zoom: Sandbox
) -> None:
    for drop in ("before", "after"):
        zoom.inject(match="POST /v2/users/me/meetings", drop=drop)
        with pytest.raises(TransportError) as caught:
            once.run("create-meeting", {"user_id": "me"})
        assert caught.value.may_have_been_done
        assert not caught.value.retriable
        zoom.inject(match="GET /v2/users/me", drop=drop)
        with pytest.raises(TransportError) as caught:
            once.run("get-user", {"user_id": "me"})
        assert caught.value.retriable
        assert not caught.value.may_have_been_done


def test_no_connection_means_that_nothing_was_done(make: Any, connector: Connector) -> None:
    with Sandbox() as gone:
        base_url = gone.base_url
    with make(connector, token=TOKEN, base_url=base_url) as client, pytest.raises(TransportError) as caught:
        client.run("create-meeting", {"user_id": "me"})
    assert caught.value.retriable
    assert not caught.value.may_have_been_done


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 502, "body": b"<html>Bad gateway</html>", "content_type": "text/html"}, "api"),
        ({"status": 200, "body": b"<html>hello</html>", "content_type": "text/html"}, "transport"),
        ({"status": 200, "body": b"", "content_type": "application/json"}, "transport"),
        ({"truncate": True}, "transport"),
        ({"status": 302, "body": b"", "headers": {"location": "https://evil.example/"}}, "api"),
        ({"status": 429, "body": b'{"code": 429, "message": "slow down"}'}, "rate_limit"),
        ({"status": 200, "body": b'{"code": 200, "message": "No permission."}'}, "plan"),
    ],
)
def test_an_answer_that_is_not_what_the_api_promises_gives_a_typed_error(
    once: Client, zoom: Sandbox, fault: dict[str, Any], kind: str
) -> None:
    from zoom_connector import ConnectorError

    zoom.inject(match="GET /v2/users/me", **fault)
    with pytest.raises(ConnectorError) as caught:
        once.run("get-user", {"user_id": "me"})
    assert caught.value.kind == kind


def test_a_rate_limit_says_when_to_go_on(client: Client, zoom: Sandbox) -> None:
    zoom.inject(
        match="GET /v2/users/me",
        status=429,
        body=b'{"code":429,"message":"x"}',
        headers={"retry-after": "2030-05-31T00:00:00Z"},
    )
    with pytest.raises(RateLimited) as caught:
        client.run("get-user", {"user_id": "me"})
    assert caught.value.to_dict()["retry_at"] == "2030-05-31T00:00:00Z"


@pytest.mark.parametrize("proxied", [False, True], ids=["directly", "where the environment names a proxy"])
def test_cookies_of_one_account_never_reach_another(
    connector: Connector, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    if proxied:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    client = Client(connector, token=zoom.token, base_url=zoom.base_url, http=Http(connections=3))  # a pool of its own
    zoom.inject(match="GET /v2/users/me", status=200, body=b'{"id": "x"}', headers={"set-cookie": "sid=1; Path=/"})
    with client:
        client.run("get-user", {"user_id": "me"})
        client.run("get-user", {"user_id": "me"})
        opener = client._pool._sender[0]  # type: ignore[index]
        jar = opener.func.__self__.cookies.jar if proxied else ()
        assert list(jar) == []  # or it would grow with every answer
    assert all(name != "cookie" for name, _ in zoom.requests[-1].headers)


def test_clients_share_one_pool_and_a_closed_client_is_refused(connector: Connector, zoom: Sandbox) -> None:
    first = Client(connector, token=zoom.token, base_url=zoom.base_url)
    second = Client(connector, token=zoom.token, base_url=zoom.base_url)
    first.run("get-user", {"user_id": "me"})
    ours = transport.Pool.enter()
    opened = ours._sender
    second.run("get-user", {"user_id": "me"})
    first.close()
    assert second.run("get-user", {"user_id": "me"}).status == 200
    assert opened is not None
    assert ours._sender is opened
    ours.leave()
    with pytest.raises(RuntimeError, match="closed"):
        first.run("get-user", {"user_id": "me"})
    second.close()


def test_a_client_serves_several_threads(connector: Connector, zoom: Sandbox) -> None:
    client = Client(connector, token=zoom.token, base_url=zoom.base_url)
    seen: list[int] = []
    threads = [
        threading.Thread(target=lambda: seen.append(client.run("get-user", {"user_id": "me"}).status)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert seen == [200] * 8


def test_the_token_is_in_no_log_error_or_repr(
    make: Any, connector: Connector, zoom: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with make(connector, token=TOKEN, base_url=zoom.base_url, retries=0) as client:
        said.append(repr(client))
        for key, inputs in (
            ("get-user", {"user_id": "me"}),
            ("raw-request", {"method": "GET", "url": "/users/me", "debug_request": True}),
        ):
            with pytest.raises(AuthError) as caught:
                client.run(key, inputs)
            said += [str(caught.value), repr(caught.value), repr(caught.value.to_dict()), repr(caught.value.__cause__)]
        zoom.inject(match="GET /v2/users/me", drop="before")
        with pytest.raises(TransportError) as lost:
            client.run("get-user", {"user_id": "me"})
        said += [repr(lost.value), repr(lost.value.__context__ and lost.value.__context__.__dict__)]
    assert TOKEN not in caplog.text
    assert not [text for text in said if TOKEN in text]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_opens_connections_of_its_own(connector: Connector, zoom: Sandbox) -> None:
    with Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
        client.run("get-user", {"user_id": "me"})
        pool = client._pool
        before = pool._sender
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            client.run("get-user", {"user_id": "me"})
            os.write(writer, b"other" if pool._sender is not before else b"same!")
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 5) == b"other"
        assert client.run("get-user", {"user_id": "me"}).status == 200


def test_an_async_client_holds_at_64_concurrent_calls(connector: Connector, zoom: Sandbox) -> None:
    async def calls() -> list[int]:
        async with AsyncClient(connector, token=zoom.token, base_url=zoom.base_url) as client:
            results = await asyncio.gather(*(client.run("get-user", {"user_id": "me"}) for _ in range(256)))
            return [result.status for result in results]

    assert asyncio.run(calls()) == [200] * 256


def test_async_clients_of_one_loop_share_their_connections(connector: Connector, zoom: Sandbox) -> None:
    async def calls() -> int:
        seen = set()
        async with AsyncClient(connector, token=zoom.token, base_url=zoom.base_url) as one:
            await one.run("get-user", {"user_id": "me"})
            async with AsyncClient(connector, token=zoom.token, base_url=zoom.base_url) as two:
                await two.run("get-user", {"user_id": "me"})
                seen = {id(one._pool), id(two._pool)}
        return len(seen)

    assert asyncio.run(calls()) == 1


def test_a_cancelled_call_stops_at_once_and_leaves_the_client_usable(connector: Connector, zoom: Sandbox) -> None:
    async def calls() -> int:
        async with AsyncClient(connector, token=zoom.token, base_url=zoom.base_url) as client:
            zoom.inject(match="GET /v2/users/me", delay=5.0)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.run("get-user", {"user_id": "me"}), 0.2)
            return (await client.run("get-user", {"user_id": "me"})).status

    assert asyncio.run(calls()) == 200


def test_a_coroutine_may_give_the_token(connector: Connector, zoom: Sandbox) -> None:
    async def token(rejected: str | None) -> str:
        await asyncio.sleep(0)
        return zoom.token if rejected else "stale"

    async def call() -> int:
        async with AsyncClient(connector, token=token, base_url=zoom.base_url) as client:
            return (await client.run("get-user", {"user_id": "me"})).status

    assert asyncio.run(call()) == 200


RAW = {
    "method": "POST",
    "url": "/users/me/meetings?access_token=query-secret&x=1",
    "data": {"topic": "Weekly", "password": "body-secret", "email": "ada@example.com"},
    "header": {"X-Api-Key": "header-secret", "X-A": "seen"},
    "debug_request": True,
}


def test_a_debugged_request_is_logged_without_any_input(
    make: Any, connector: Connector, zoom: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with make(connector, token=zoom.token, base_url=zoom.base_url) as client, pytest.raises(AuthError):
        client.run("raw-request", RAW)  # the sandbox refuses a token in the query, as the vendor does
    names = "Accept, Accept-Encoding, User-Agent, Content-Type, X-Api-Key, X-A, Authorization"
    sent, answered = (record.getMessage() for record in caplog.records if record.name == "connector_runtime")
    assert sent == f"POST (raw), 69 bytes, headers {names}"
    assert answered == "401, 46 bytes"


def test_a_program_may_have_the_inputs_of_a_debugged_request_logged_with_their_secrets_masked(
    make: Any, connector: Connector, zoom: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    way = Http(log_inputs=True)
    with make(connector, token=zoom.token, base_url=zoom.base_url, http=way) as client, pytest.raises(AuthError):
        client.run("raw-request", RAW)
    record = caplog.records[0].getMessage()
    assert record.startswith("POST http://127.0.0.1")
    assert "X-A: seen" in record and '"topic": "Weekly"' in record and "x=1" in record
    assert not [
        secret for secret in ("query-secret", "body-secret", "header-secret", zoom.token) if secret in caplog.text
    ]


def test_what_http2_logs_of_a_calls_headers_is_not_logged(
    connector: Connector, zoom: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    line = "Adding %s=%s to the header table, sensitive:%s, huffman:%s"  # as the library has it that packs headers

    class Way(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            logging.getLogger("hpack.hpack").debug(line, b"authorization", request.headers["authorization"], True, True)
            return httpx.Response(200, json={"id": "1"})

    caplog.set_level(logging.DEBUG)
    with httpx.Client(transport=Way()) as own, Client(connector, token=TOKEN, http=Http(client=own)) as client:
        assert client.run("get-user", {"user_id": "me"}).data == {"id": "1"}
    assert TOKEN not in caplog.text
    logging.getLogger("hpack.hpack").debug(line, b"a", b"another program's", False, False)
    assert "another program's" in caplog.text


# -- what a client and a call may be told ----------------------------------------------------------------------------


SECONDS = "must be a number of seconds, more than 0 and at most 31,536,000"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"retries": -1}, [("retries", "must be a whole number, 0 for none")]),
        ({"retries": True}, [("retries", "must be a whole number, 0 for none")]),
        ({"retries": 1.0}, [("retries", "must be a whole number, 0 for none")]),
        ({"deadline": 0}, [("deadline", SECONDS)]),
        ({"deadline": 31_536_001}, [("deadline", SECONDS)]),
        ({"deadline": True}, [("deadline", SECONDS)]),
        ({"connection": {"access_token": "x"}}, [("token", "is given together with a connection; choose one")]),
    ],
)
def test_what_a_client_cannot_go_by_is_refused(
    make: Any, connector: Connector, options: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    with pytest.raises(InputError) as caught:
        make(connector, token=TOKEN, **options)
    assert caught.value.message == "One problem with the inputs of the client:"
    assert [(problem.where, problem.what) for problem in caught.value.problems] == found


@pytest.mark.parametrize(
    ("key", "options", "found"),
    [
        ("list-users", {"limit": 0}, [("limit", "must be a whole number of at least 1")]),
        ("list-users", {"limit": True}, [("limit", "must be a whole number of at least 1")]),
        ("list-users", {"limit": 1.0}, [("limit", "must be a whole number of at least 1")]),
        ("list-users", {"limit": 2**63}, [("limit", "must be a whole number of at least 1")]),
        (
            "list-users",
            {"deadline": 0, "limit": -1},
            [("deadline", SECONDS), ("limit", "must be a whole number of at least 1")],
        ),
        (
            "list-users",
            {"recover": True},
            [("recover", "has no effect for this action; omit it")],
        ),
        (
            "list-users",
            {"idempotency_key": "k"},
            [("idempotency_key", "has no effect: Zoom accepts no idempotency key for this action; omit it")],
        ),
    ],
)
def test_what_a_call_cannot_go_by_is_refused_before_anything_is_sent(
    client: Client, zoom: Sandbox, key: str, options: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    with pytest.raises(InputError) as caught:
        client.run(key, {}, **options)
    assert caught.value.message.endswith(f"with the inputs of {key}:")
    assert [(problem.where, problem.what) for problem in caught.value.problems] == found
    assert not zoom.requests


def session_of(client: Any) -> Any:
    return getattr(client, "_client", client)._session


def test_the_ends_of_what_a_client_and_a_call_may_be_told_may_be_told(
    make: Any, connector: Connector, zoom: Sandbox
) -> None:
    with make(connector, token=zoom.token, base_url=zoom.base_url, retries=0, deadline=31_536_000) as client:
        assert len(client.run("list-users", {}, 1, deadline=31_536_000).data["users"]) == 1
        assert client.run("list-users", {}, sys.maxsize).cursor is None
        assert session_of(client)._retries == 0
    with make(connector, token=zoom.token, base_url=zoom.base_url) as client:
        assert session_of(client)._retries == RETRIES == 4


@pytest.mark.parametrize("token", [None, "", "  ", lambda: "", lambda: None, lambda: 5])
def test_without_a_token_nothing_is_sent_and_it_is_said_what_to_do(
    make: Any, connector: Connector, zoom: Sandbox, token: Any
) -> None:
    with make(connector, token=token, base_url=zoom.base_url) as client, pytest.raises(AuthError) as caught:
        client.run("get-user", {"user_id": "me"})
    assert caught.value.to_dict() == {
        "kind": "token",
        "message": "There is no access token.",
        "hint": "Pass one to the client, or connect an account.",
        "problems": [],
        "retriable": False,
        **dict.fromkeys(("status", "code", "tracking_id", "retry_at", "items_read", "cursor")),
        "may_have_been_done": False,
    }
    assert not zoom.requests


def test_an_action_without_files_offers_none(client: Client) -> None:
    with pytest.raises(InputError) as caught:
        client.files("get-user", {"user_id": "me"})
    assert [(each.where, each.what) for each in caught.value.problems] == [("action", "offers no files")]


def test_what_is_remembered_is_bounded_in_number_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("connector_runtime.session.time.monotonic", lambda: now[0])
    memory = ValueCache(capacity=2)
    for key in ("a", "b", "c"):
        memory.remember(Remember(key, key.upper(), 60.0))
    assert [memory.recall(Recall(key, 60.0)) for key in ("a", "b", "c")] == [None, "B", "C"]
    memory.remember(Remember("b", "B2", 60.0))  # it is the newest now
    memory.remember(Remember("d", "D", 60.0))
    assert [memory.recall(Recall(key, 60.0)) for key in ("b", "c", "d")] == ["B2", None, "D"]
    now[0] += 59.9
    assert memory.recall(Recall("d", 60.0)) == "D" and memory.recall(Recall("d", 59.9)) is None
    now[0] += 0.2
    assert memory.recall(Recall("d", 60.0)) is None
    memory.remember(Remember("b", "x", 0.0))
    assert memory.recall(Recall("b", 1e9)) is None
    usual = ValueCache()
    for number in range(101):
        usual.remember(Remember(str(number), number, 60.0))
    assert [usual.recall(Recall(key, 60.0)) for key in ("0", "1", "100")] == [None, 1, 100]


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_redirect_is_followed_whosever_the_connections_are(
    connector: Connector, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: str, proxied: bool
) -> None:
    """The token would go with it. Where the environment names a proxy, connections are httpx's own."""
    zoom.inject(status=302, headers={"location": f"{zoom.base_url}/users/me"}, times=9)
    if proxied:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    about = {"token": zoom.token, "base_url": zoom.base_url, "retries": 0}

    def plain() -> None:
        with httpx.Client(follow_redirects=True) as own:
            way = Http() if proxied else Http(client=own)
            with Client(connector, http=way, **about) as client:
                client.run("get-user", {"user_id": "me"})

    async def later() -> None:
        async with httpx.AsyncClient(follow_redirects=True) as own:
            way = Http() if proxied else Http(client=own)
            async with AsyncClient(connector, http=way, **about) as client:
                await client.run("get-user", {"user_id": "me"})

    with pytest.raises(ApiError) as caught:
        plain() if kind == "sync" else asyncio.run(later())
    assert caught.value.status == 302 and len(zoom.requests) == 1
