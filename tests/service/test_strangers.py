"""Whatever strangers send, each answer is a result or a problem of a kind that is known, and never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from connector_runtime.service.problems import KINDS
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import APP, Served, Start, connected, received, service_of, serving

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(10**400), 10**400), st.floats(), st.text(), st.just("\ud800")
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4))
NAMES = st.sampled_from(["inputs", "clear", "connection", "limit", "cursor", "deadline", "recover", "search"])
BODIES = st.dictionaries(NAMES, JSON, max_size=5) | JSON
FIELDS = ["user_id", "topic", "type", "duration", "start_time", "weekly_day", "tracking_fields", "approval_type"]
RAW = [
    "url",
    "method",
    "data",
    "form_data",
    "file_data",
    "file_data_file_names",
    "query_parameter",
    "header",
    "timeout",
]
FILES = st.fixed_dictionaries({"base64": JSON}, optional={"filename": JSON, "content_type": JSON})
PATHS = [
    "/v1/actions/create-meeting/preview",
    "/v1/actions/create-meeting/run",
    "/v1/actions/create-meeting/stream",
    "/v1/actions/list-users/run",
    "/v1/actions/create-meeting/inputs/user_id/choices",
    "/v1/connections",
    "/v1/webhooks/webhook",
]


@pytest.fixture(scope="module")
def served(connector: Connector) -> Iterator[Served]:
    """One service for all that is thrown at it, in front of a sandbox."""
    store = MemoryStore()
    with Sandbox() as zoom:
        app = service_of(connector, zoom, store, {}, tenant="t", token=zoom.token, webhook_secrets={"webhook": "s"})
        with serving(app, store) as found:
            yield found


@pytest.fixture(scope="module")
def ask(served: Served) -> httpx.Client:
    return served.client()


def settled(answer: httpx.Response) -> None:
    """A result, or a problem that is whole."""
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.status_code >= 400 and answer.headers["content-type"] == "application/problem+json":
        said = answer.json()
        assert said["kind"] in KINDS and said["status"] == answer.status_code
        assert said["request_id"] == answer.headers["x-request-id"] and len(said["problems"]) <= 100


@FUZZ
@given(path=st.sampled_from(PATHS), body=BODIES)
def test_any_json_is_answered(ask: httpx.Client, path: str, body: Any) -> None:
    content = json.dumps(body).encode()  # with NaN and halves of characters
    settled(ask.post(path, content=content, headers={"Content-Type": "application/json"}))


@FUZZ
@given(inputs=st.dictionaries(st.sampled_from(FIELDS), JSON), word=st.sampled_from(["preview", "run", "stream"]))
def test_any_inputs_are_answered(ask: httpx.Client, inputs: dict[str, Any], word: str) -> None:
    content = json.dumps({"inputs": inputs})
    url = f"/v1/actions/create-meeting/{word}"
    settled(ask.post(url, content=content, headers={"Content-Type": "application/json"}))


@FUZZ
@given(more=st.dictionaries(st.sampled_from(RAW), JSON | FILES | st.dictionaries(st.text(), FILES, max_size=2)))
def test_any_raw_request_is_answered(ask: httpx.Client, more: dict[str, Any]) -> None:
    content = json.dumps({"inputs": {"url": "/users/me", "method": "GET", **more}})
    for word in ("preview", "run"):
        url = f"/v1/actions/raw-request/{word}"
        settled(ask.post(url, content=content, headers={"Content-Type": "application/json"}))


@FUZZ
@given(body=st.binary(max_size=300), path=st.sampled_from(PATHS))
def test_any_bytes_are_answered(ask: httpx.Client, path: str, body: bytes) -> None:
    settled(ask.post(path, content=body, headers={"Content-Type": "application/json"}))


HEADERS = [
    "Cookie",
    "Authorization",
    "X-API-Key",
    "Idempotency-Key",
    "X-Request-ID",
    "Accept-Encoding",
    "If-None-Match",
]
HEADERS += [
    "Origin",
    "Content-Type",
    "Content-Encoding",
    "Range",
    "X-Forwarded-For",
    "Sec-Fetch-Site",
    "Accept-Language",
]
VALUE = st.binary(max_size=60).map(lambda raw: bytes(b for b in raw if b >= 32 and b != 127).strip())
GETS = [
    "/v1/tenant",
    "/v1/catalogue",
    "/v1/oauth/callback?state=x&code=y",
    "/",
    "/openapi.json",
    "/v1/events",
    "/metrics",
]


@FUZZ
@given(name=st.sampled_from(HEADERS), value=VALUE, path=st.sampled_from(GETS))
def test_any_header_is_answered(served: Served, name: str, value: bytes, path: str) -> None:
    with connected(served) as raw:
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{name}: ".encode()
        raw.sendall(head + value + b"\r\n\r\n")
        status = int(received(raw).split(b" ")[1])
    assert status < 500


@FUZZ
@given(query=st.text(max_size=40), path=st.sampled_from(["/v1/events", "/v1/catalogue", "/v1/oauth/callback"]))
def test_any_query_is_answered(ask: httpx.Client, path: str, query: str) -> None:
    for name in ("cursor", "limit", "wait", "locale", "state", "code"):
        settled(ask.get(path, params={name: query.replace("\ud800", "")}))


@pytest.mark.parametrize("number", ["9" * 5000, "1e999", "-1", "0", "1.5", "nan", "１"])
@pytest.mark.parametrize("name", ["limit", "wait", "cursor"])
def test_a_number_of_any_length_in_a_query_is_answered(ask: httpx.Client, name: str, number: str) -> None:
    answer = ask.get("/v1/events", params={name: number})
    assert answer.status_code in (200, 422)


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "x", "1e9"])
def test_a_length_of_any_kind_is_refused(served: Served, length: str) -> None:
    with connected(served) as raw:
        head = f"POST {PATHS[0]} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: {length}\r\n\r\n{{}}".encode())
        assert received(raw).split(b" ")[1] in (b"400", b"413")


@pytest.mark.parametrize("cookie", [b"\xff\xfe", "ж".encode(), b"x", b"", b"a=b; connector_sign_in="])
def test_a_sign_in_with_a_cookie_of_any_bytes_is_a_400(start: Start, cookie: bytes) -> None:
    with start(tenant="t", limits={"credentials": APP}) as served:
        begun = served.client().get("/v1/oauth/authorize", params={"kind": "oauth2"}, follow_redirects=False)
        state = httpx.URL(begun.headers["location"]).params["state"]
        with connected(served) as raw:
            head = f"GET /v1/oauth/callback?code=x&state={state} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            raw.sendall(f"{head}Cookie: connector_sign_in=".encode() + cookie + b"\r\n\r\n")
            said = received(raw)
    assert said.split(b" ")[1] == b"400" and b"started in another browser" in said
