"""Catalogue, previews, runs, streams and choices over HTTP, with a Zoom that runs here behind them."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

import zoom_connector
from connector_runtime.errors import InputError
from connector_runtime.service.settings import ServiceSettings
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.wire import WireRequest, WireResponse

from .conftest import CREATE, MEETING, Start, Tenants, connect, serving, until

PROBLEM = "application/problem+json"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_gives_data_and_meta(local: httpx.Client, zoom: Sandbox) -> None:
    answer = local.post(CREATE, json=MEETING)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    said = answer.json()
    assert said["data"]["topic"] == "Weekly sync"
    assert said["meta"]["status"] == 201 and said["meta"]["warnings"] == []
    assert said["meta"]["request_id"] == answer.headers["x-request-id"]
    assert json.loads(zoom.requests[-1].body) == {"topic": "Weekly sync"}


def test_a_list_is_cut_at_its_limit_and_goes_on_at_its_cursor(local: httpx.Client) -> None:
    url = "/v1/actions/list-users/run"
    whole = local.post(url, json={}).json()
    assert len(whole["data"]["users"]) == 25 and whole["meta"]["cursor"] is None
    first = local.post(url, json={"limit": 10}).json()
    more = local.post(url, json={"limit": 10, "cursor": first["meta"]["cursor"]}).json()
    both = [*first["data"]["users"], *more["data"]["users"]]
    assert [user["id"] for user in both] == [user["id"] for user in whole["data"]["users"]][:20]


def test_a_preview_shows_the_request_and_sends_nothing(local: httpx.Client, zoom: Sandbox) -> None:
    shown = local.post("/v1/actions/create-meeting/preview", json=MEETING).json()
    assert (shown["method"], shown["body"]) == ("POST", {"topic": "Weekly sync"})
    assert shown["url"] == f"{zoom.base_url}/users/me/meetings" and shown["headers"]["Authorization"] == "Bearer ***"
    assert not zoom.requests


def test_a_stream_has_a_line_for_each_item_and_one_that_says_how_it_ended(local: httpx.Client) -> None:
    answer = local.post("/v1/actions/list-users/stream", json={"limit": 3})
    assert answer.headers["content-type"] == "application/x-ndjson"
    *items, end = lines(answer.text)
    assert [set(item) for item in items] == [{"item"}] * 3
    assert end["end"]["ok"] and end["end"]["items"] == 3 and end["end"]["cursor"]
    *items, end = lines(local.post("/v1/actions/create-meeting/stream", json=MEETING).text)
    assert [item["item"]["topic"] for item in items] == ["Weekly sync"] and end["end"]["ok"]


def test_a_stream_that_fails_in_the_middle_ends_with_the_problem_and_goes_on_at_its_cursor(start: Start) -> None:
    fails = {"code": 4711, "message": "Invalid access token, does not contain scopes:[a:b]."}
    asked: list[str] = []

    def second_page_fails(request: WireRequest) -> WireResponse | None:
        asked.append(request.target)
        return WireResponse(status=400, body=json.dumps(fails).encode()) if len(asked) == 2 else None

    with (
        Sandbox(users=700, before=second_page_fails) as zoom,
        start(tenant="t", token=zoom.token, limits={"base_url": zoom.base_url}) as served,
    ):
        client = served.client()
        *items, last = lines(client.post("/v1/actions/list-users/stream", json={}).text)
        end = last["end"]
        assert (end["ok"], end["items"], len(items)) == (False, 300, 300)
        assert end["error"]["kind"] == "missing_scope" and end["error"]["hint"]
        *rest, last = lines(client.post("/v1/actions/list-users/stream", json={"cursor": end["cursor"]}).text)
        assert last["end"]["ok"] and len({item["item"]["id"] for item in [*items, *rest]}) == 700


def test_a_stream_that_is_refused_at_its_first_page_is_a_problem(local: httpx.Client) -> None:
    answer = local.post("/v1/actions/list-meeting-registrants/stream", json={"inputs": {"meeting_id": "99999999999"}})
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM)
    assert answer.json()["kind"] == "not_found" and answer.json()["code"] == 3001


def test_choices_are_searched_and_paged(local: httpx.Client) -> None:
    url = "/v1/actions/create-meeting/inputs/user_id/choices"
    found = local.post(url, json={"search": "ada"}).json()
    assert "Ada Lovelace · user0@sandbox.example" in [choice["label"] for choice in found["choices"]]
    assert all("ada" in f"{choice['label']}{choice['description']}".lower() for choice in found["choices"])
    zones = local.post("/v1/actions/create-meeting/inputs/timezone/choices", json={"search": "berlin"}).json()
    assert [choice["value"] for choice in zones["choices"]] == ["Europe/Berlin"]


def test_choices_that_never_change_need_no_connection(tenants: Tenants) -> None:
    url = "/v1/actions/create-meeting/inputs/timezone/choices"
    assert tenants.other.post(url, json={"search": "berlin"}).status_code == 200
    refused = tenants.other.post("/v1/actions/create-meeting/inputs/user_id/choices", json={})
    assert (refused.status_code, refused.json()["kind"]) == (424, "token")


def test_the_catalogue_is_sent_once(local: httpx.Client, connector: Connector) -> None:
    first = local.get("/v1/catalogue")
    assert first.json() == json.loads(json.dumps(connector.catalogue()))
    assert first.headers["content-encoding"] == "gzip"
    again = local.get("/v1/catalogue", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    plain = local.get("/v1/catalogue", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers and plain.json() == first.json()
    one = local.get("/v1/actions/create-meeting").json()
    assert one == next(entry for entry in first.json()["actions"] if entry["key"] == "create-meeting")


def test_the_catalogue_speaks_the_languages_that_there_are(local: httpx.Client) -> None:
    german = local.get("/v1/catalogue", params={"locale": "de"})
    assert german.json()["locale"] == "de" and german.headers["etag"] != local.get("/v1/catalogue").headers["etag"]
    refused = local.get("/v1/catalogue", params={"locale": "tlh"})
    assert (refused.status_code, refused.json()["problems"][0]["where"]) == (422, "locale")


def test_one_event_is_told_with_schema_and_sample(local: httpx.Client) -> None:
    found = local.get("/v1/triggers/webhook/events/meeting.started").json()
    assert found["sample"]["event"] == "meeting.started" and found["schema"]["type"] == "object"
    assert "meeting.started" in local.get("/v1/triggers/webhook/events/meeting.strated").json()["message"]


# -- what is wrong ---------------------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
BAD: dict[str, tuple[str, str, dict[str, str], str | bytes, int, str, str]] = {
    "an unknown path": ("GET", "/v1/nothing", {}, b"", 404, "not_found", "Not Found."),
    "an unknown action": ("POST", "/v1/actions/create-meetin/run", JSON, "{}", 404, "not_found", "'create-meeting'?"),
    "an unknown input": (
        "POST",
        "/v1/actions/create-meeting/inputs/user/choices",
        JSON,
        "{}",
        404,
        "not_found",
        "does not exist here",
    ),
    "an unknown connection": ("GET", "/v1/connections/nobody", {}, b"", 404, "not_found", "no connection nobody"),
    "a run with an unknown connection": ("POST", CREATE, JSON, '{"connection": "x"}', 404, "not_found", "connection x"),
    "an unknown trigger": ("POST", "/v1/webhooks/none", JSON, "{}", 404, "not_found", "does not exist here"),
    "another method": ("PUT", CREATE, JSON, "{}", 405, "method", "Method Not Allowed."),
    "no content type": ("POST", CREATE, {}, "{}", 415, "media_type", "no Content-Type"),
    "another content type": ("POST", CREATE, {"Content-Type": "text/plain"}, "{}", 415, "media_type", "text/plain"),
    "a form": ("POST", CREATE, {"Content-Type": "application/x-www-form-urlencoded"}, "a=1", 415, "media_type", "form"),
    "a packed body": ("POST", CREATE, {**JSON, "Content-Encoding": "gzip"}, "{}", 415, "media_type", "Compressed"),
    "nothing": ("POST", CREATE, JSON, "", 400, "body", "empty"),
    "no JSON": ("POST", CREATE, JSON, '{"inputs":\n {]}', 400, "body", "line 2, column 3"),
    "half of it": ("POST", CREATE, JSON, '{"inputs": {', 400, "body", "line 1, column 13"),
    "a key that stands twice": ("POST", CREATE, JSON, '{"inputs":{"topic":"a","topic":"b"}}', 400, "body", "'topic'"),
    "no UTF-8": ("POST", CREATE, JSON, b'{"inputs":{"topic":"\xff"}}', 400, "body", "byte 20"),
    "NaN": ("POST", CREATE, JSON, '{"inputs":{"duration":NaN}}', 400, "body", "NaN"),
    "a number without end": ("POST", CREATE, JSON, '{"inputs":{"duration":1e999}}', 400, "body", "too large"),
    "an integer of 5000 digits": ("POST", CREATE, JSON, '{"limit":' + "9" * 5000 + "}", 400, "body", "too long"),
    "a nest of 100 lists": ("POST", CREATE, JSON, "[" * 100 + "]" * 100, 400, "body", "deeper than 64"),
    "a nest of 100,000 lists": ("POST", CREATE, JSON, "[" * 100_000, 400, "body", "deeper than 64"),
    "a list": ("POST", CREATE, JSON, "[]", 422, "input", "One problem"),
    "an unknown field": ("POST", CREATE, JSON, '{"input": {}}', 422, "input", "One problem"),
    "inputs that are none": ("POST", CREATE, JSON, '{"inputs": 5}', 422, "input", "One problem"),
    "a limit that is a text": ("POST", CREATE, JSON, '{"limit": "5"}', 422, "input", "One problem"),
    "a deadline beyond the service's": ("POST", CREATE, JSON, '{"deadline": 61}', 422, "input", "One problem"),
    "a wrong input": ("POST", CREATE, JSON, '{"inputs":{"user_id":"me","type":"x"}}', 422, "input", "create-meeting"),
    "a forged cursor": ("POST", "/v1/actions/list-users/run", JSON, '{"cursor":"../../x"}', 422, "input", "the list"),
    "a path in a choice cursor": (
        "POST",
        "/v1/actions/create-meeting/inputs/user_id/choices",
        JSON,
        '{"cursor": "/etc/passwd"}',
        422,
        "input",
        "choices",
    ),
    "a cursor of events that is a path": ("GET", "/v1/events?cursor=../../x", {}, b"", 422, "input", "One problem"),
    "a key that is too long": ("POST", CREATE, {**JSON, "Idempotency-Key": "k" * 256}, "{}", 422, "input", "problem"),
    "a stream with a key": (
        "POST",
        "/v1/actions/list-users/stream",
        {**JSON, "Idempotency-Key": "k"},
        "{}",
        422,
        "input",
        "not take an idempotency key",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_answered_with_the_right_problem(local: httpx.Client, zoom: Sandbox, name: str) -> None:
    method, url, headers, content, status, kind, says = BAD[name]
    answer = local.request(method, url, headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    said = answer.json()
    assert (said["status"], said["kind"], said["type"]) == (status, kind, f"/v1/problems#{kind}")
    assert says in said["message"] and said["request_id"] == answer.headers["x-request-id"]
    assert not zoom.requests


def test_a_problem_has_every_field_of_the_connectors_errors(local: httpx.Client) -> None:
    said = local.post("/v1/actions/get-meeting/run", json={"inputs": {"meeting_id": "99999999999"}}).json()
    assert {"kind", "message", "hint", "inputs", "retriable", "retry_at", "status", "code", "tracking_id"} <= set(said)
    assert (said["status"], said["vendor_status"], said["code"], said["kind"]) == (404, 404, 3001, "not_found")
    assert said["title"] and said["tracking_id"] and said["hint"]


def test_a_problem_says_which_input_is_wrong(local: httpx.Client) -> None:
    said = local.post(CREATE, json={"inputs": {"topic": "x" * 300, "duration": "soon"}}).json()
    assert set(said["inputs"]) == {"user_id", "topic", "duration"}
    assert {problem["where"] for problem in said["problems"]} == {"inputs.user_id", "inputs.topic", "inputs.duration"}


def test_every_kind_of_problem_is_explained(local: httpx.Client) -> None:
    kinds = {entry["kind"] for entry in local.get("/v1/problems").json()["problems"]}
    assert kinds >= {kind for *_, kind, _ in BAD.values()} | {"token", "rate_limit", "transport", "store", "timeout"}


VENDOR = {
    "rate limit": ({"status": 429, "headers": {"retry-after": "30"}}, 429, "rate_limit"),
    "plan": ({"status": 400, "body": {"code": 200, "message": "Webinar plan is missing."}}, 403, "plan"),
    "scope": (
        {"status": 400, "body": {"code": 4711, "message": "Invalid access token, does not contain scopes:[a:b]."}},
        403,
        "missing_scope",
    ),
    "token": ({"status": 401, "body": {"code": 124, "message": "Access token is expired."}}, 424, "token"),
    "validation": ({"status": 400, "body": {"code": 300, "message": "Bad value."}}, 422, "validation"),
    "conflict": ({"status": 409, "body": {"code": 1005, "message": "There."}}, 409, "conflict"),
    "broken": ({"status": 500, "body": "<html>"}, 502, "api"),
    "cut": ({"drop": "after"}, 502, "transport"),
}


@pytest.mark.parametrize("name", VENDOR)
def test_what_the_vendor_refuses_has_a_status_of_its_own(start: Start, zoom: Sandbox, name: str) -> None:
    fault, status, kind = VENDOR[name]
    with start(tenant="t", token=zoom.token, limits={"timeout": 3.0}) as served:
        zoom.inject(match="GET /v2/users/me", times=9, **fault)  # type: ignore[arg-type]
        answer = served.client().post("/v1/actions/get-user/run", json={"inputs": {"user_id": "me"}})
    assert (answer.status_code, answer.json()["kind"]) == (status, kind), answer.text
    if status == 429:
        assert 25 <= int(answer.headers["retry-after"]) <= 31 and answer.json()["retry_at"]


def test_a_run_that_takes_too_long_is_a_504_that_says_what_may_have_happened(start: Start, zoom: Sandbox) -> None:
    with start(tenant="t", token=zoom.token, limits={"timeout": 0.5}) as served:
        client = served.client()
        zoom.inject(delay=5.0, times=2)
        read = client.post("/v1/actions/get-user/run", json={"inputs": {"user_id": "me"}})
        created = client.post(CREATE, json=MEETING)
        zoom.clear_faults()
        assert (read.status_code, read.json()["kind"], read.json()["retriable"]) == (504, "timeout", True)
        assert (created.status_code, created.json()["may_have_been_done"]) == (504, True)
        assert not created.json()["retriable"]
        zoom.inject(delay=5.0)
        sooner = client.post("/v1/actions/get-user/run", json={"inputs": {"user_id": "me"}, "deadline": 0.2})
        assert sooner.status_code == 504


def test_a_connection_is_used_by_name_and_the_only_one_without(
    tenants: Tenants, connector: Connector, zoom: Sandbox
) -> None:
    assert tenants.acme.post(CREATE, json={**MEETING, "connection": "main"}).status_code == 200
    assert tenants.acme.post(CREATE, json=MEETING).status_code == 200
    connect(connector, tenants.store, zoom, "acme", "second")
    refused = tenants.acme.post(CREATE, json=MEETING)
    assert (
        refused.status_code == 424 and "There is more than one connection: main, second." in refused.json()["message"]
    )


def test_a_request_id_is_kept_if_it_is_one(local: httpx.Client) -> None:
    assert local.get("/v1/tenant", headers={"X-Request-ID": "abc-1.2_3~4"}).headers["x-request-id"] == "abc-1.2_3~4"
    for bad in ("a b", "x" * 129, "<script>", "ä"):
        made = local.get("/v1/tenant", headers=[(b"X-Request-ID", bad.encode())]).headers["x-request-id"]
        assert made != bad and len(made) == 32


def test_a_platform_mounts_the_service_in_an_app_of_its_own(connector: Connector, zoom: Sandbox) -> None:
    from fastapi import FastAPI, Request as Asked

    def signed_in(request: Asked) -> str | None:
        return request.headers.get("x-user")

    store = MemoryStore()
    inner = zoom_connector.service_app(
        connector, store=store, tenant=signed_in, settings=ServiceSettings(base_url=zoom.base_url)
    )
    platform = FastAPI(lifespan=inner.router.lifespan_context)
    platform.mount("/connector", inner)
    with serving(platform, store) as served:
        assert served.client().get("/connector/v1/tenant").status_code == 401
        ada = served.client(**{"X-User": "ada"})
        assert ada.get("/connector/v1/tenant").json()["tenant"] == "ada"
        assert ada.get("/connector/v1/connections/x").json()["type"] == "/connector/v1/problems#not_found"


def test_a_setting_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="public_url"):
        ServiceSettings(public_url="http://connector.example")
    with pytest.raises(InputError, match="timeout"):
        ServiceSettings(timeout=0)


def test_bytes_that_are_no_http_leave_the_service_up(local: httpx.Client) -> None:
    parts = urlsplit(str(local.base_url))
    assert parts.hostname and parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no HTTP\r\n\r\n")
        assert until(lambda: raw.recv(100).startswith(b"HTTP/1.1 400"))
    assert local.get("/health").status_code == 200
