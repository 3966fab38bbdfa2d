"""The command `mcp --http`: who may come in, whose connection a call goes with, sessions, limits, and its end."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connector_runtime.mcp import web as over_http
from connector_runtime.mcp.tools import ToolFilter
from connector_runtime.service.records import ApiKeys
from connector_runtime.service.settings import ServiceSettings
from connector_runtime.service.state import Service
from connector_runtime.stores.store import MemoryStore
from tests.service.conftest import serving as served
from tests.webhook.conftest import until
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.account import ACCOUNT_ID

from .conftest import Web, serving
from .test_stdio import HELLO, run

ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.fixture
def ask() -> Iterator[httpx2.Client]:
    with httpx2.Client(trust_env=False, timeout=30, headers=ACCEPT) as client:
        yield client


@pytest.fixture(scope="module")
def open_web(account: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """A server that needs no key."""
    web = serving(account, tmp_path_factory.mktemp("open"), "--only", "list-users", "get-user", "--timeout", "2")
    yield web
    assert web.stop() == 0
    assert "Traceback" not in web.err.read_text() and account.token not in web.err.read_text()


@pytest.fixture(scope="module")
def keys(account: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Web, str, str]]:
    """A server with keys of two tenants, of whom the one called `default` has a connection."""
    folder = tmp_path_factory.mktemp("keys")
    first = run(account, folder, "api-key", "create", "--tenant", "default").stdout.strip()
    second = run(account, folder, "api-key", "create", "--tenant", "other").stdout.strip()
    here = {"ZOOM_CLIENT_ID": "sandbox-server", "ZOOM_CLIENT_SECRET": "sandbox-secret"}
    connected = run(account, folder, "connect", "server-to-server", "--account-id", ACCOUNT_ID, **here)
    assert connected.returncode == 0, connected.stderr
    web = serving(account, folder, "--host", "0.0.0.0")
    web.url = web.url.replace("0.0.0.0", "127.0.0.1")
    yield web, first, second
    assert web.stop() == 0


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_clients_of_both_generations_are_answered(open_web: Web, mode: str) -> None:
    with open_web.talk(mode=mode) as talk:
        assert set(talk.tools()) == {"list-users", "get-user"}
        assert len(talk.data("list-users", {"limit": 2})["users"]) == 2


def test_beyond_this_machine_a_key_is_needed_first(zoom: Sandbox, tmp_path: Path) -> None:
    refused = run(zoom, tmp_path, "mcp", "--http", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2 and "api-key create" in refused.stderr and "Traceback" not in refused.stderr


def test_another_host_and_a_page_of_another_origin_are_refused(open_web: Web, ask: httpx2.Client) -> None:
    assert ask.post(open_web.url, json=HELLO).status_code == 200
    assert ask.post(open_web.url, json=HELLO, headers={"Host": "evil.example"}).status_code == 421
    foreign = ask.post(open_web.url, json=HELLO, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403 and foreign.json()["kind"] == "forbidden"
    assert ask.post(f"{open_web.url}/", json=HELLO).status_code == 200  # and nobody is sent elsewhere
    own = open_web.url.removesuffix("/mcp")
    assert ask.post(open_web.url, json=HELLO, headers={"Origin": own}).status_code == 200


def test_without_a_key_or_with_a_wrong_one_nobody_is_let_in(keys: tuple[Web, str, str], ask: httpx2.Client) -> None:
    web, first, _ = keys
    for headers in ({}, {"Authorization": "Bearer ck_x"}, {"X-API-Key": first[:-1] + "!"}):
        answer = ask.post(web.url, json=HELLO, headers=headers)
        assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert ask.post(web.url, json=HELLO, headers={"X-API-Key": first}).status_code == 200


def test_a_call_goes_with_the_connection_of_the_keys_tenant_and_with_no_others(keys: tuple[Web, str, str]) -> None:
    web, first, second = keys
    with web.talk(first) as talk:
        assert len(talk.tools()) == 20 and len(talk.data("list-users", {"limit": 2})["users"]) == 2
    with web.talk(second) as talk:
        error = talk.error("list-users")
        assert error["kind"] == "token"


def test_a_session_is_only_for_the_key_that_opened_it(keys: tuple[Web, str, str], ask: httpx2.Client) -> None:
    web, first, second = keys
    opened = ask.post(web.url, json=HELLO, headers={"X-API-Key": first})
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert ask.post(web.url, json=ready, headers={"X-API-Key": first, **session}).status_code == 202
    assert ask.post(web.url, json=listing, headers={"X-API-Key": second, **session}).status_code == 404
    assert "list-users" in ask.post(web.url, json=listing, headers={"X-API-Key": first, **session}).text


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no json", {}, 400),
        (b"[1, 2]", {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 400),
        (b'{"x": "' + b"x" * (9 << 20) + b'"}', {}, 413),
    ],
    ids=["no JSON", "no message", "content type", "too large"],
)
def test_what_cannot_be_read_is_refused(
    open_web: Web, ask: httpx2.Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert ask.post(open_web.url, content=body, headers=headers).status_code == status
    with open_web.talk() as talk:
        assert talk.tools()


def test_a_call_that_takes_too_long_ends_with_an_error(open_web: Web, account: Sandbox) -> None:
    account.inject(match="GET /v2/users", delay=6, times=5)
    with open_web.talk() as talk:
        error = talk.error("list-users", {"limit": 1})
    account.clear_faults()
    assert error["kind"] == "transport"


def test_it_ends_though_a_client_listens_and_logs_no_secrets(account: Sandbox, tmp_path: Path) -> None:
    web = serving(account, tmp_path, "--only", "get-user")
    with httpx2.Client(trust_env=False, timeout=30, headers=ACCEPT) as ask:
        opened = ask.post(web.url, json=HELLO)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
        with ask.stream("GET", web.url, headers=session) as listening:
            assert listening.status_code == 200
            web.process.send_signal(signal.SIGTERM)
            assert web.process.wait(10) == 0
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in web.err.read_text().splitlines() if line.startswith("{")
    ]
    assert {line["route"] for line in lines if line["event"] == "request"} == {"/mcp"}
    assert account.token not in web.err.read_text()


def test_a_key_that_was_revoked_ends_its_sessions_at_the_next_request(
    account: Sandbox, tmp_path: Path, ask: httpx2.Client
) -> None:
    key = run(account, tmp_path, "api-key", "create").stdout.strip()
    web = serving(account, tmp_path)
    try:
        opened = ask.post(web.url, json=HELLO, headers={"X-API-Key": key})
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert ask.post(web.url, json=listing, headers={"X-API-Key": key, **session}).status_code == 200
        assert run(account, tmp_path, "api-key", "revoke", key.split("_")[1]).returncode == 0
        assert ask.post(web.url, json=listing, headers={"X-API-Key": key, **session}).status_code == 401
        assert ask.get(web.url, headers={"X-API-Key": key, **session}).status_code == 401
    finally:
        web.stop()
    again = serving(account, tmp_path)  # and the store stays closed
    try:
        assert ask.post(again.url, json=HELLO).status_code == 401
    finally:
        again.stop()


def test_a_server_that_needs_no_key_notices_that_one_was_made(
    account: Sandbox, tmp_path: Path, ask: httpx2.Client
) -> None:
    web = serving(account, tmp_path)
    try:
        assert ask.post(web.url, json=HELLO).status_code == 200
        assert ask.post(web.url, json=HELLO, headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 421
        key = run(account, tmp_path, "api-key", "create").stdout.strip()
        for headers in ({}, {"X-API-Key": key}):
            refused = ask.post(web.url, json=HELLO, headers=headers)
            assert (refused.status_code, refused.json()["kind"]) == (401, "key")
    finally:
        web.stop()


@pytest.fixture
def sessions(
    connector: Connector, account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, httpx2.Client]]:
    """A server of few and short sessions."""
    monkeypatch.setattr(over_http, "SESSIONS", 2)
    monkeypatch.setattr(over_http, "IDLE", 0.3)
    store = MemoryStore()
    shared = Service(connector, store, ServiceSettings(base_url=account.base_url), "default", account.token)
    with (
        served(over_http.app(shared, ToolFilter(), None), store) as found,
        httpx2.Client(trust_env=False, headers=ACCEPT) as client,
    ):
        yield f"{found.url}/mcp", client


def test_sessions_end_when_nobody_uses_them_and_are_bounded(sessions: tuple[str, httpx2.Client]) -> None:
    url, client = sessions

    def opened() -> int:
        return client.post(url, json=HELLO).status_code

    first = client.post(url, json=HELLO)
    assert [opened(), opened()] == [200, 503]
    assert until(lambda: opened() == 200)
    old = {"Mcp-Session-Id": first.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    assert client.post(url, json=listing, headers=old).status_code == 404


def test_one_tenant_cannot_open_the_sessions_of_all(
    connector: Connector, ask: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_http, "TENANT_SESSIONS", 2)
    store = MemoryStore()
    first, again, other = (ApiKeys(store, connector.key).create(tenant)[0] for tenant in ("acme", "acme", "other"))
    with served(
        over_http.app(Service(connector, store, ServiceSettings(), None, None), ToolFilter(), None), store
    ) as found:

        def opened(key: str) -> int:
            return ask.post(f"{found.url}/mcp", json=HELLO, headers={"X-API-Key": key}).status_code

        assert [opened(key) for key in (first, again, first, again, other)] == [200, 200, 503, 503, 200]


def test_the_inputs_of_a_call_are_read_in_the_threads_of_its_tenant(
    connector: Connector, ask: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[Any] = []

    async def in_work(shared: Service, tenant: str, function: Any, *given: Any) -> Any:
        readers.append(tenant)
        return function(*given)

    monkeypatch.setattr(Service, "in_work", in_work)
    store = MemoryStore()
    headers = {"X-API-Key": ApiKeys(store, connector.key).create("acme")[0]}
    with served(
        over_http.app(Service(connector, store, ServiceSettings(), None, None), ToolFilter(), None), store
    ) as found:
        session = ask.post(f"{found.url}/mcp", json=HELLO, headers=headers).headers["mcp-session-id"]
        headers |= {"Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-06-18"}
        params = {"name": "list-users", "arguments": {}}
        called = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
        assert "No account is connected yet" in ask.post(f"{found.url}/mcp", json=called, headers=headers).text
    assert readers == ["acme"]
