"""Authority is asked for each time: no name but this machine's without a key, and none that was taken back."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from connector_runtime.service.problems import ServiceRefusal
from connector_runtime.service.records import ApiKeys, FirstAnswer, Idempotency, RunLock
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.wire import WireRequest, WireResponse

from .conftest import CREATE, MEETING, Start, Tenants, connected, problem, received, until, whole
from .test_limits import ME, USER
from .test_serve import run

PUBLIC = "https://connector.example"
NAMED = {"Host": "connector.example"}
OPEN = ["/v1/oauth/callback?state=x&code=y", "/v1/webhooks/webhook"]
HUGE, LATE = (
    b'{"tenant": "a", "label": "", "created_at": 1' + b"0" * digits + b', "digest": "x"}' for digits in (400, 17)
)
CLOSED = [
    "/v1/tenant",
    "/v1/connections",
    "/v1/catalogue",
    "/v1/events",
    "/metrics",
    "/",
    "/v1/oauth/authorize?kind=oauth2",
]


# -- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [NAMED, {"Host": "connector.example:443"}, {"Host": "CONNECTOR.example"}])
def test_without_keys_the_public_name_reaches_callback_and_webhooks_alone(
    start: Start, zoom: Sandbox, headers: dict[str, str]
) -> None:
    settings = {"public_url": PUBLIC}
    with start(tenant="t", token=zoom.token, webhook_secrets={"webhook": "s"}, limits=settings) as served:
        client = served.client(**headers)
        for path in CLOSED:
            assert problem(client.get(path)) == whole(
                "host",
                421,
                "This host name is not served",
                "Without API keys, the service accepts only requests addressed to this machine; "
                "its public URL serves only OAuth callbacks and webhooks.",
                "Call it as http://127.0.0.1 or http://localhost, or create a key with `api-key create`. "
                "Then restart the service.",
            )
        assert client.post(CREATE, json=MEETING).status_code == 421
        assert [client.get(OPEN[0]).status_code, client.post(OPEN[1]).status_code] == [400, 401]
        assert served.client().post(CREATE, json=MEETING).status_code == 200
    assert len(zoom.requests) == 1


@pytest.mark.parametrize(
    "header",
    ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "CF-Connecting-IP"],
)
def test_what_a_proxy_passes_on_came_from_elsewhere_whatever_its_host_says(start: Start, header: str) -> None:
    with start(tenant="t", limits={"public_url": PUBLIC}) as served:
        client = served.client(**{header: "203.0.113.7"})
        assert client.get("/v1/tenant").status_code == 421
        assert client.get(OPEN[0]).status_code == 400


def test_a_proxy_that_says_nothing_of_itself_and_gives_this_machines_name_is_known_by_its_http(start: Start) -> None:
    with start(tenant="t", limits={"public_url": PUBLIC}) as served, connected(served) as raw:
        host = served.url.partition("://")[2]  # as nginx does with no more than a proxy_pass
        raw.sendall(f"GET /v1/tenant HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert received(raw).split(b" ")[1] == b"421"


def test_no_path_that_only_looks_like_an_open_one_gets_in(start: Start) -> None:
    with start(tenant="t", limits={"public_url": PUBLIC}) as served:
        for path in ("/v1/webhooks/../tenant", "/v1/webhooks/%2e%2e/tenant", "/v1/oauth/callback/../../tenant"):
            with connected(served) as raw:
                raw.sendall(f"GET {path} HTTP/1.1\r\nHost: connector.example\r\nConnection: close\r\n\r\n".encode())
                assert received(raw).split(b" ")[1] in (b"404", b"405")


def test_with_keys_any_name_reaches_all(start: Start, connector: Connector) -> None:
    store = MemoryStore()
    key = ApiKeys(store, connector.key).create("acme")[0]
    with start(store, limits={"public_url": PUBLIC}) as served:
        for headers in (NAMED, {"Host": "10.0.0.7"}, {"X-Forwarded-For": "203.0.113.7"}):
            assert served.client(key, **headers).get("/v1/tenant").json()["tenant"] == "acme"
            assert served.client(**headers).get("/v1/tenant").status_code == 401


def test_nobody_is_sent_elsewhere_with_a_key(start: Start, connector: Connector) -> None:
    store = MemoryStore()
    key = ApiKeys(store, connector.key).create("acme")[0]
    with start(store) as served:
        for path in ("/v1/tenant/", "/v1/events/", "/health/"):
            answer = served.client(key, Host="evil.example").get(path)
            assert (answer.status_code, answer.headers.get("location")) == (404, None)


# -- a store that had a key ------------------------------------------------------------------------------------------


def test_a_store_that_ever_had_a_key_is_known_for_one(connector: Connector) -> None:
    keys = ApiKeys(MemoryStore(), connector.key)
    assert not keys.exist()
    text, made = keys.create("acme", "first")
    assert keys.exist() and [key.id for key in keys.list()] == [made.id] and keys.find(text) == made
    keys.revoke(made.id)
    assert keys.exist() and [*keys.list()] == [] and keys.find(text) is None


def test_a_running_service_without_keys_notices_that_one_was_made(start: Start, connector: Connector) -> None:
    store = MemoryStore()
    with start(store, tenant="t") as served:
        client = served.client()
        assert client.get("/v1/tenant").json()["local"] is True
        text, made = ApiKeys(store, connector.key).create("acme")
        refused = whole(
            "key",
            401,
            "No valid API key",
            "An API key was created after the service had started without keys.",
            "Restart the service; it then requires a key.",
        )
        for path in ("/v1/tenant", "/v1/connections", "/v1/events", "/metrics"):
            assert problem(client.get(path)) == refused
            assert problem(served.client(text).get(path)) == refused
        ApiKeys(store, connector.key).revoke(made.id)
        assert problem(client.get("/v1/tenant")) == refused
        assert client.get("/health").status_code == 200


def test_whoever_runs_the_service_may_open_it_again(start: Start, connector: Connector) -> None:
    store = MemoryStore()
    ApiKeys(store, connector.key).create("acme")
    with start(store, tenant="t", limits={"open": True}) as served:
        assert served.client().get("/v1/tenant").json()["tenant"] == "t"
        assert served.client().get("/metrics").status_code == 200
        assert served.client(Host="connector.example").get("/v1/tenant").status_code == 421


def test_the_command_stays_closed_after_the_last_key_is_revoked(command: Any) -> None:
    key = run(command.environment, "api-key", "create").stdout.strip()
    revoked = run(command.environment, "api-key", "revoke", key.split("_")[1])
    assert "from the next request on" in revoked.stderr
    closed = command("--public-url", PUBLIC)
    with httpx.Client(base_url=closed.url, trust_env=False) as ask:
        assert ask.get("/v1/tenant").status_code == 401
        assert ask.get("/v1/tenant", headers={"X-API-Key": key}).status_code == 401
    assert "At https" not in closed.err.read_text()
    closed.stop()
    opened = command("--open", "--public-url", PUBLIC)
    with httpx.Client(base_url=opened.url, trust_env=False) as ask:
        assert ask.get("/v1/tenant").json()["tenant"] == "default"
        assert ask.get("/v1/tenant", headers=NAMED).status_code == 421
    said = opened.err.read_text()
    assert f"At {PUBLIC} it serves only webhooks and returning sign-ins." in said
    assert "No API key is required on this machine." in said and "api-key create" in said
    refused = run(command.environment, "serve", "--open", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2 and "--open is only for this machine" in refused.stderr


# -- authority is asked again ----------------------------------------------------------------------------------------


def test_a_key_revoked_elsewhere_is_refused_at_the_next_request(tenants: Tenants, connector: Connector) -> None:
    assert tenants.acme.get("/v1/tenant").status_code == 200
    ApiKeys(tenants.store, connector.key).revoke(tenants.acme_key.split("_")[1])  # as another process does
    refused = tenants.acme.get("/v1/tenant")
    assert problem(refused) == whole(
        "key",
        401,
        "No valid API key",
        "The API key is invalid or has been revoked.",
        "Send a key as `Authorization: Bearer …`.",
    )


def test_a_key_revoked_while_its_request_waits_for_events_is_refused(tenants: Tenants, connector: Connector) -> None:
    keys = ApiKeys(tenants.store, connector.key)
    with ThreadPoolExecutor(1) as apart:
        waiting = apart.submit(tenants.acme.get, "/v1/events", params={"wait": 20})
        assert until(lambda: tenants.served.app.state.service.running["acme"] == 1)
        keys.revoke(tenants.acme_key.split("_")[1])
        answer = waiting.result(timeout=15)
    assert (answer.status_code, answer.json()["kind"]) == (401, "key")


def test_a_key_revoked_in_the_middle_of_a_stream_ends_it(start: Start, connector: Connector) -> None:
    from .conftest import connect

    store = MemoryStore()
    keys = ApiKeys(store, connector.key)
    text, made = keys.create("acme")
    pages = 0

    def page(request: WireRequest) -> WireResponse:
        nonlocal pages
        pages += 1
        if pages == 2:
            keys.revoke(made.id)
        return WireResponse(
            status=200, body=json.dumps({"users": [{"id": "a"}], "next_page_token": f"p{pages}"}).encode()
        )

    with Sandbox(before=page) as zoom, start(store, limits={"base_url": zoom.base_url}) as served:
        connect(connector, store, zoom, "acme")
        answer = served.client(text).post("/v1/actions/list-users/stream", json={})
    end = json.loads(answer.text.splitlines()[-1])["end"]
    assert (end["ok"], end["items"], end["error"]["kind"], end["error"]["status"]) == (False, 2, "key", 401)
    assert pages == 2


# -- places ----------------------------------------------------------------------------------------------------------


def test_bodies_of_nobody_known_take_no_place_from_those_who_are(tenants: Tenants, start: Start) -> None:
    few = {"concurrency": 2, "unknown_concurrency": 3}
    with start(tenants.store, webhook_secrets={"webhook": {"app": "s"}}, limits=few) as served, ExitStack() as held:
        running = served.app.state.service.running
        head, large = b"POST /v1/webhooks/webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n", b"x" * 70000
        slow: list[socket.socket] = []
        for number in range(3):
            slow.append(held.enter_context(connected(served)))
            slow[-1].sendall(head)
            assert until(lambda: running[None] == number + 1)  # noqa: B023
        refused = served.client().post("/v1/webhooks/webhook", content=large)
        assert refused.status_code == 503  # which the vendor sends again
        assert served.client().post("/v1/webhooks/webhook", content=iter([large] * 15)).status_code == 503
        assert served.client().post("/v1/webhooks/webhook", content=b"{}").status_code == 401  # what is small comes in
        assert served.client(tenants.acme_key).post(USER, json=ME).status_code == 200
        assert served.client().get("/v1/tenant").status_code == 401
        assert served.client().get("/openapi.json").status_code == 200
        for raw in slow:
            raw.sendall(large)
            assert raw.recv(100).startswith(b"HTTP/1.1 401")
        assert until(lambda: not running)
        assert served.client().post("/v1/webhooks/webhook", content=b"{}").status_code == 401


def test_a_tenants_place_is_given_back_whatever_happens(tenants: Tenants, zoom: Sandbox) -> None:
    running = tenants.served.app.state.service.running
    for sent in (b"no json", b"[]", b'{"inputs": 1}', b"{}"):
        tenants.acme.post(CREATE, content=sent, headers={"Content-Type": "application/json"})
    tenants.acme.get("/v1/actions/none")
    assert until(lambda: not running)


# -- damaged entries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"7", b"null", b"{}", b'{"tenant": "acme"}', b'"x"', HUGE, LATE]
)
def test_a_damaged_key_opens_nothing_and_the_others_work(connector: Connector, content: bytes) -> None:
    store = MemoryStore()
    keys = ApiKeys(store, connector.key)
    bad, made = keys.create("acme")
    good, other = keys.create("other")
    place = f"service/{connector.key}/keys/{made.id}"
    store.update(place, lambda old: content)
    assert keys.find(bad) is None and keys.find(good) == other
    assert [*keys.list()] == [other] and keys.exist()


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b'{"at": "x", "mark": 1}', b'{"at": 1e300, "mark": 1}']
)
def test_behind_a_damaged_idempotency_key_no_change_is_made_twice(connector: Connector, content: bytes) -> None:
    store = MemoryStore()
    known = Idempotency(store, connector.key, 60, lambda: 1000.0)
    for name in ("one", "two"):
        held = known.begin("acme", name, {"action": "x"}, "create")
        assert isinstance(held, RunLock)
        held.end(FirstAnswer(200, b"{}"))
    place = next(key for key, _ in store.scan(f"service/{connector.key}/idempotency/"))
    store.update(place, lambda old: content)
    asked = [_begun(known, name, "create") for name in ("one", "two")]
    assert sorted(asked, key=str) == [FirstAnswer(200, b"{}"), "may_have_been_done"]
    assert known.purge() == 0  # which sets it aside
    assert store.read(place) is None
    again = [_begun(known, name, effect) for name in ("one", "two") for effect in ("create", "read")]
    assert sorted(again, key=str) == [
        FirstAnswer(200, b"{}"),
        FirstAnswer(200, b"{}"),
        "key_reused",
        "may_have_been_done",
    ]


def _begun(known: Idempotency, name: str, effect: str) -> Any:
    try:
        found = known.begin("acme", name, {"action": "x"}, effect)
    except ServiceRefusal as refusal:
        return refusal.kind
    return found if isinstance(found, FirstAnswer) else "held"
