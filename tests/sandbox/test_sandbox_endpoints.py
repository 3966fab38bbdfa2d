"""Each documented endpoint is served, answers in its documented shape, and bears whatever is sent to it."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from zoom_connector.sandbox import Sandbox, WireRequest
from zoom_connector.sandbox.conditions import CONDITIONS
from zoom_connector.sandbox.endpoints import Endpoint, common, endpoints
from zoom_connector.sandbox.zoom import HANDLERS

BODIES: dict[str, dict[str, Any]] = {
    "userCreate": {"action": "create", "user_info": {"email": "new@x.example", "type": 1}},
    "meetingCreate": {
        "topic": "Everything",
        "type": 8,
        "agenda": "A",
        "start_time": "2040-01-01T10:00:00Z",
        "recurrence": {"type": 2, "weekly_days": "2,3", "end_times": 2},
        "tracking_fields": [{"field": "Team", "value": "Blue"}],
        "settings": {
            "approval_type": 0,
            "use_pmi": True,
            "meeting_invitees": [{"email": "a@x.example"}],
            "language_interpretation": {"enable": True, "interpreters": [{"email": "a@x.example"}]},
        },
    },
    "meetingRegistrantCreate": {"email": "new@x.example", "first_name": "N"},
    "webinarRegistrantCreate": {"email": "new@x.example", "first_name": "N"},
    "meetingUpdate": {"topic": "New"},
    "userUpdate": {"dept": "New"},
}


def test_all_23_documented_endpoints_are_served() -> None:
    assert len(endpoints()) == 23
    assert {endpoint.operation for endpoint in endpoints()} == set(HANDLERS)


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.operation)
def test_each_endpoint_answers_in_its_documented_shape(
    zoom: httpx.Client, sandbox: Sandbox, endpoint: Endpoint
) -> None:
    past = endpoint.path.startswith(("/past_webinars", "/report"))
    values = {
        "userId": "user2@sandbox.example" if endpoint.operation in ("user", "userDelete") else "me",
        "meetingId": list(sandbox.state.meetings)[0 if endpoint.operation == "recordingGet" else 2],
        "webinarId": list(sandbox.state.webinars)[5 if past else 0],
    }
    query = {"to_contact": "user1@sandbox.example"} if endpoint.operation == "getChatMessages" else {}
    body = BODIES.get(endpoint.operation)
    response = zoom.request(endpoint.method, endpoint.path.format(**values), params=query, json=body)
    assert response.status_code == endpoint.success  # the client compares the body with what is documented
    rows = [value for value in (response.json() if response.content else {}).values() if isinstance(value, list)]
    assert any(rows) or not rows, "empty lists show no shape"


def test_every_wording_says_what_it_leaves_open_in_one_way() -> None:
    wordings = [said.says for endpoint in endpoints() for said in endpoint.errors] + [said.says for said in common()]
    assert not [text for text in wordings if "$" in text or text.startswith("* ") or not text]


TEXTS = st.text(max_size=20) | st.sampled_from(["me", "1", "true", "2040-01-01", "2040-01-01T00:00:00Z", "%2F", "//"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def fitting(schema: Any) -> st.SearchStrategy[Any]:
    """Give values that mostly fit a body's schema, so that they come through to what lies behind the check."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema["type"] == "object":
        known = {name: fitting(each) for name, each in schema.get("properties", {}).items()}
        required = {name: known.pop(name) for name in schema.get("required", ()) if name in known}
        return st.fixed_dictionaries(required, optional=known)
    if schema["type"] == "array":
        return st.lists(fitting(schema["items"]), max_size=2)
    if schema["type"] == "string":
        words = {"email": ["a@x.example"], "date-time": ["2040-01-01T00:00:00Z", "2019-01-01T00:00:00"]}
        return st.sampled_from(words[schema["format"]]) if schema.get("format") in words else TEXTS
    ranges = {"integer": st.integers(schema.get("minimum", -3), schema.get("maximum", 2**60)), "boolean": st.booleans()}
    return ranges[schema["type"]]


def draw_request(data: st.DataObject, numbers: list[str]) -> WireRequest:
    endpoint = data.draw(st.sampled_from(endpoints()))
    segment = TEXTS.map(lambda text: quote(text, safe="")) | st.sampled_from(["me", *numbers])
    path = "/".join(data.draw(segment) if part.startswith("{") else part for part in endpoint.path.split("/"))
    query = data.draw(st.dictionaries(st.sampled_from([*endpoint.query, "x"]), TEXTS, max_size=4))
    body = data.draw(fitting(endpoint.body) | VALUES) if endpoint.body else None
    text = "&".join(f"{name}={quote(value)}" for name, value in query.items())
    return WireRequest(
        method=endpoint.method,
        target=f"/v2{path}?{text}",
        headers=(("authorization", "Bearer sandbox-token"), ("content-type", "application/json")),
        body=json.dumps(body).encode(),
    )


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_is_answered_and_never_with_a_fault_of_ours(data: st.DataObject) -> None:
    sandbox = Sandbox(users=3, meetings=4, registrants=2, clock=lambda: 1_800_000_000.0)
    numbers = [str(each) for each in (*sandbox.state.meetings, *sandbox.state.webinars)]
    sandbox.conditions = data.draw(st.sets(st.sampled_from(sorted(CONDITIONS)), max_size=2))
    for _ in range(data.draw(st.integers(1, 4))):
        answer = sandbox.answer(draw_request(data, numbers))
        assert answer.status < 500
        if answer.status >= 300:
            assert set(json.loads(answer.body)) <= {"code", "message", "errors"}


def test_only_webinars_that_are_over_have_had_participants() -> None:
    with Sandbox() as zoom:
        webinars = [each for each in zoom.state.webinars.values() if each.participants]
        assert webinars and all(each.start is not None and each.start < time.time() for each in webinars)
