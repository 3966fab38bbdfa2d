"""Who may do what: API keys, tenants that see nothing of each other, and a service without keys on one machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from connector_runtime.connections.connections import Connections
from connector_runtime.errors import InputError
from connector_runtime.service.records import ApiKeys
from connector_runtime.stores.databases import Sealed, open_store
from connector_runtime.stores.store import LONGEST_PART, MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import APP, CREATE, MEETING, PUBLIC, Start, Tenants, connect, until


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_tells_whose_a_request_is(tenants: Tenants, header: str) -> None:
    value = f"Bearer {tenants.acme_key}" if header == "Authorization" else tenants.acme_key
    said = tenants.served.client(**{header: value}).get("/v1/tenant").json()
    assert (said["tenant"], said["local"]) == ("acme", False)


WRONG = {
    "none": {},
    "another word": {"Authorization": "Bearer open-sesame"},
    "a key in another scheme": {"Authorization": "Basic KEY"},
    "a key with a wrong secret": {"Authorization": "Bearer WRONG"},
    "a key that never was": {"X-API-Key": f"ck_{'a' * 12}_{'b' * 43}"},
    "a key and something more": {"X-API-Key": "KEYx"},
    "nothing": {"X-API-Key": ""},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_key_is_a_401_that_says_how_to_bring_one(tenants: Tenants, zoom: Sandbox, name: str) -> None:
    key = tenants.acme_key
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    headers = {field: said.replace("KEY", key).replace("WRONG", wrong) for field, said in WRONG[name].items()}
    client = tenants.served.client(**headers)
    for _ in range(2):  # also when the right one was just there
        answer = client.post(CREATE, json=MEETING)
        assert (answer.status_code, answer.json()["kind"]) == (401, "key")
        assert answer.headers["www-authenticate"] == "Bearer" and key not in answer.text
        assert tenants.acme.get("/v1/tenant").status_code == 200
    assert not zoom.requests


def test_a_revoked_key_is_refused(tenants: Tenants) -> None:
    text, key = tenants.keys.create("acme")
    client = tenants.served.client(text)
    assert client.get("/v1/tenant").status_code == 200
    tenants.served.app.state.service.keys.revoke(key.id)
    assert client.get("/v1/tenant").status_code == 401
    with pytest.raises(InputError, match="no key has the id"):
        tenants.keys.revoke(key.id)


def test_a_key_is_kept_as_a_digest_only(connector: Connector) -> None:
    store = MemoryStore()
    text, made = ApiKeys(store, connector.key).create("acme", "for tests")
    kept = b"".join(key.encode() + entry.value for key, entry in store.scan(""))
    secret = text.partition(f"{made.id}_")[2]  # which may have a _ itself
    assert len(secret) > 40
    assert made.id.encode() in kept and secret.encode() not in kept and text.encode() not in kept


@pytest.mark.parametrize("tenant", ["", "a\nb", "a\x7f", "x" * 201, "ж" * 34, "\ud800"])
def test_a_tenant_has_a_name_that_fits_into_a_key_of_the_store(connector: Connector, tenant: str) -> None:
    with pytest.raises(InputError, match="--tenant: must be 1 to 200 characters when URL-encoded"):
        ApiKeys(MemoryStore(), connector.key).create(tenant)
    with pytest.raises(InputError, match="tenant: must be"):
        Connections(connector, MemoryStore(), tenant)
    connections = Connections(connector, MemoryStore())
    for named in (connections.summary, connections.open, lambda name: connect_as(connections, name)):
        with pytest.raises(InputError, match="name: must be"):
            named(tenant)


def connect_as(connections: Connections, name: str) -> None:
    connections.begin("oauth2", APP, f"{PUBLIC}/v1/oauth/callback", name=name)


@pytest.mark.parametrize("letter", ["x", "ж", "会", "𝒙"])
def test_the_longest_names_work_all_the_way(
    start: Start, connector: Connector, zoom: Sandbox, letter: str, tmp_path: Path
) -> None:
    name = letter * (LONGEST_PART // len(quote(letter, safe="")))
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    connect(connector, store, zoom, name, name[:100])
    with start(store) as served, closing(store):
        client = served.client(ApiKeys(store, connector.key).create(name)[0])
        run = client.post(CREATE, json=MEETING, headers={"Idempotency-Key": "one"})
        assert run.status_code == 200, run.text
        assert client.get("/v1/tenant").json()["tenant"] == name
        assert client.delete(f"/v1/connections/{quote(name[:100], safe='')}").status_code == 200


def test_another_tenants_connection_is_as_if_it_were_not_there(tenants: Tenants, zoom: Sandbox) -> None:
    assert [found["name"] for found in tenants.acme.get("/v1/connections").json()["connections"]] == ["main"]
    assert tenants.other.get("/v1/connections").json()["connections"] == []
    asked = [
        ("GET", "/v1/connections/main", None),
        ("POST", "/v1/connections/main/test", None),
        ("DELETE", "/v1/connections/main", None),
        ("POST", CREATE, {**MEETING, "connection": "main"}),
        ("POST", "/v1/actions/list-users/stream", {"connection": "main"}),
        ("POST", "/v1/actions/create-meeting/inputs/user_id/choices", {"connection": "main"}),
    ]
    for method, url, body in asked:
        answer = tenants.other.request(method, url, json=body)
        assert (answer.status_code, answer.json()["kind"]) == (404, "not_found"), (url, answer.text)
        assert "acme" not in answer.text
    assert not zoom.requests
    assert tenants.acme.post(CREATE, json={**MEETING, "connection": "main"}).status_code == 200


def test_tenants_have_idempotency_keys_of_their_own(tenants: Tenants, connector: Connector, zoom: Sandbox) -> None:
    connect(connector, tenants.store, zoom, "other")
    key = {"Idempotency-Key": "one"}
    first = tenants.acme.post(CREATE, json=MEETING, headers=key)
    second = tenants.other.post(CREATE, json=MEETING, headers=key)
    assert first.json()["data"]["id"] != second.json()["data"]["id"]
    assert "idempotency-replayed" not in second.headers


def test_the_metrics_are_for_keys_of_their_own(tenants: Tenants) -> None:
    assert tenants.served.client().get("/metrics").status_code == 401
    assert tenants.acme.get("/metrics").status_code == 403
    reader = tenants.served.client(tenants.keys.create(None)[0])
    assert reader.get("/metrics").status_code == 200
    refused = reader.get("/v1/connections")
    assert (refused.status_code, refused.json()["kind"]) == (403, "forbidden")


def test_health_and_readiness_need_no_key(tenants: Tenants) -> None:
    client = tenants.served.client()
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}


def test_a_service_whose_store_fails_lives_and_is_not_ready(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector_runtime.errors import StoreError

    def fails(*asked: Any) -> Any:
        raise StoreError("The disk is gone.", hint="Look after it.", retriable=True)

    monkeypatch.setattr(tenants.store, "read", fails)
    client = tenants.served.client()
    assert client.get("/health").status_code == 200
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["kind"]) == (503, "not_ready")
    answer = tenants.acme.get("/v1/connections/main")
    assert (answer.status_code, answer.json()["kind"]) == (503, "store")


# -- without keys ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8300", "127.0.0.1.evil.example", "", "[::2]", "[::1"])
def test_without_keys_only_the_names_of_this_machine_are_answered(local: httpx.Client, host: str) -> None:
    answer = local.get("/v1/tenant", headers={"Host": host})
    assert answer.status_code == 421 and answer.json()["kind"] == "host"


@pytest.mark.parametrize("host", ["localhost", "localhost:8300", "127.0.0.1:1", "[::1]", "[::1]:8300", "LOCALHOST"])
def test_the_names_of_this_machine_are_answered(local: httpx.Client, host: str) -> None:
    assert local.get("/v1/tenant", headers={"Host": host}).json()["local"]


def test_no_page_of_another_origin_may_read_or_post(local: httpx.Client) -> None:
    origin = {"Origin": "https://evil.example"}
    asked = local.options(CREATE, headers={**origin, "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 405
    plain = local.post(CREATE, content=json.dumps(MEETING), headers={**origin, "Content-Type": "text/plain"})
    assert (plain.status_code, plain.json()["kind"]) == (403, "forbidden")
    for answer in (asked, plain, local.get("/v1/catalogue", headers=origin)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "http://localhost.evil.example", "null", "", "http://["]
)
def test_without_keys_no_page_of_another_origin_changes_anything(
    local: httpx.Client, zoom: Sandbox, origin: str
) -> None:
    asked = [local.post(CREATE, json=MEETING, headers={"Origin": origin})]
    asked.append(local.delete("/v1/connections/main", headers={"Origin": origin}))
    assert [(answer.status_code, answer.json()["kind"]) for answer in asked] == [(403, "forbidden")] * 2
    assert not zoom.requests


def test_a_page_of_the_services_own_may_run_actions(local: httpx.Client, tenants: Tenants) -> None:
    for own in (str(local.base_url).rstrip("/"), PUBLIC):
        assert local.post(CREATE, json=MEETING, headers={"Origin": own}).status_code == 200
    with_key = tenants.acme.post(CREATE, json=MEETING, headers={"Origin": "https://app.example"})
    assert with_key.status_code == 200  # no page has the key by itself


def test_a_platforms_own_sign_in_does_not_open_the_metrics(start: Start, connector: Connector) -> None:
    store = MemoryStore()
    keys = ApiKeys(store, connector.key)
    with start(store, tenant=lambda request: request.headers.get("x-user")) as served:
        assert served.client(**{"X-User": "acme"}).get("/metrics").status_code == 401
        assert served.client(keys.create(None)[0]).get("/metrics").status_code == 200


def test_languages_that_there_are_not_take_no_memory(start: Start) -> None:
    with start(tenant="t") as served:
        client = served.client()
        for number in range(5):
            for path in ("/v1/catalogue", "/v1/actions/create-meeting"):
                asked = client.get(path, params={"locale": f"de-{number}"})
                assert asked.status_code == 200 and asked.headers["etag"]
        assert len(served.app.state.service.written) == 2


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that is logged, with its fields."""
    found: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(f"{self.format(record)} {vars(record)}")

    handler = Keep()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)
    root.setLevel(level)


def test_no_secret_is_in_a_log_a_metric_or_a_problem(
    start: Start, connector: Connector, zoom: Sandbox, logged: list[str]
) -> None:
    from cryptography.fernet import Fernet

    store = Sealed(MemoryStore(), [Fernet.generate_key().decode()])
    keys = ApiKeys(store, connector.key)
    key, reader = keys.create("acme")[0], keys.create(None)[0]
    connect(connector, store, zoom, "acme")
    topic = "the-secret-topic-of-a-meeting"
    secrets = [key, key.rpartition("_")[2], reader, zoom.token, APP["client_secret"], topic, "S3cr3t-pc"]
    with start(store) as served:
        client = served.client(key)
        inputs = {"user_id": "me", "topic": topic, "password": "S3cr3t-pc", "type": 2}
        said = [
            client.post(CREATE, json={"inputs": inputs}, headers={"Idempotency-Key": "a"}),
            client.post(CREATE, json={"inputs": {**inputs, "duration": "x"}}),
            client.post(CREATE, json={"inputs": inputs, "wrong": key}),
            client.post(CREATE, content=f'{{"inputs": "{topic}', headers={"Content-Type": "application/json"}),
            client.get(f"/v1/connections/{topic[:5]}"),
            client.get("/v1/oauth/callback", params={"code": "S3cr3t-pc", "state": topic}),
            served.client(f"{key}x").get("/v1/tenant"),
            client.post("/v1/connections", json={"kind": "server-to-server", "values": {**APP, "account_id": "x"}}),
        ]
        zoom.inject(status=400, body={"code": 300, "message": f"bad {zoom.token}"})
        said.append(client.post(CREATE, json={"inputs": inputs}))
        metrics = served.client(reader).get("/metrics").text
    assert [answer.status_code for answer in said] == [200, 422, 422, 400, 404, 400, 401, 424, 422]
    assert until(lambda: len([line for line in logged if "'fields'" in line]) >= len(said))
    ours = [line for line in logged if "'name': 'connector_runtime" in line or "'name': 'uvicorn.error" in line]
    problems = "\n".join(f"{answer.text}{answer.headers}" for answer in said[1:])
    for secret in secrets:
        assert not [line for line in ours if secret in line], secret
        assert secret not in metrics, secret
        assert secret not in problems, secret


def test_a_log_line_says_what_happened_without_saying_to_whom(
    tenants: Tenants, logged: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    from connector_runtime.service.serving import JsonLines

    caplog.set_level(logging.INFO, "connector_runtime.service")
    answer = tenants.acme.post(CREATE, json=MEETING)
    ours = until(lambda: [found for found in caplog.records if getattr(found, "fields", {}).get("action")])
    line = json.loads(JsonLines().format(ours[0]))
    assert line["route"] == "/v1/actions/{key}/run"
    assert line["request_id"] == answer.headers["x-request-id"] and line["tenant"] == "acme"
    assert (line["status"], line["action"], line["outcome"], line["method"]) == (200, "create-meeting", "ok", "POST")
    assert line["key"] in tenants.acme_key and line["event"] == "request" and line["ms"] >= 0


def test_a_line_of_the_log_says_this_and_no_more(
    tenants: Tenants, zoom: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "connector_runtime.service")
    nobody, key = tenants.served.client(), tenants.acme_key.split("_")[1]
    own, known = {"Idempotency-Key": "k"}, {"tenant": "acme", "key": key}
    run = {"method": "POST", "route": "/v1/actions/{key}/run", "action": "create-meeting", **known}
    tenant = {"method": "GET", "route": "/v1/tenant"}
    zoom.inject(status=400, body={"code": 300, "message": "No."}, times=1)
    for asked, wanted in (
        (lambda: tenants.acme.get("/v1/tenant"), {**tenant, "status": 200, "outcome": "ok", **known}),
        (lambda: nobody.get("/v1/tenant"), {**tenant, "status": 401, "outcome": "key"}),
        (
            lambda: nobody.get("/made/up", headers={"X-API-Key": tenants.acme_key}),
            {"method": "GET", "route": "(none)", "status": 404, "outcome": "not_found"},
        ),
        (
            lambda: nobody.request("ODD", "/v1/tenant"),
            {"method": "OTHER", "route": "/v1/tenant", "status": 405, "outcome": "method"},
        ),
        (lambda: tenants.acme.post(CREATE, json=MEETING), {**run, "status": 422, "outcome": "validation"}),
        (lambda: tenants.acme.post(CREATE, json=MEETING, headers=own), {**run, "status": 200, "outcome": "ok"}),
        (
            lambda: tenants.acme.post(CREATE, json=MEETING, headers=own),
            {**run, "status": 200, "outcome": "ok", "replayed": True},
        ),
        (
            lambda: nobody.get("/page/page.css"),
            {"method": "GET", "route": "/page/{name}", "status": 200, "outcome": "ok"},
        ),
    ):
        caplog.clear()
        answer = asked()
        assert until(lambda: caplog.records)
        (record,) = caplog.records
        said = dict(record.__dict__["fields"])
        assert 0 <= said.pop("ms") < 30_000 and said.pop("request_id") == answer.headers["x-request-id"]
        assert (said, record.levelname) == (wanted, "INFO")
    caplog.clear()
    assert nobody.get("/health").status_code == nobody.get("/ready").status_code == 200
    assert nobody.get("/page/page.js").status_code == 200
    assert until(lambda: caplog.records)
    assert [record.__dict__["fields"]["route"] for record in caplog.records] == ["/page/{name}"]


def test_metrics_count_by_route_action_and_outcome(tenants: Tenants) -> None:
    tenants.acme.post(CREATE, json=MEETING)
    tenants.acme.post("/v1/actions/get-meeting/run", json={"inputs": {"meeting_id": "99999999999"}})
    tenants.acme.post("/v1/actions/made-up-by-somebody/run", json={})
    tenants.acme.get("/made/up/by/somebody")
    reader = tenants.served.client(tenants.keys.create(None)[0])
    assert until(lambda: 'route="(none)",status="404"} 1.0' in reader.get("/metrics").text)  # the last is counted
    text = reader.get("/metrics").text
    assert 'connector_runs_total{action="create-meeting",outcome="ok"} 1.0' in text
    assert 'connector_runs_total{action="get-meeting",outcome="not_found"} 1.0' in text
    assert 'connector_requests_total{method="GET",route="(none)",status="404"} 1.0' in text
    assert "somebody" not in text and "acme" not in text
