"""Raw bytes in, a verified event or a refusal out."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector_runtime import load
from connector_runtime.errors import InputError, PayloadError, SignatureError
from connector_runtime.triggers.webhook import Notification, UrlValidation, usable
from zoom_connector import Trigger, load as load_zoom

from .conftest import NOW, SECRET, STARTED, signed, zoom_signature

ONLY = "Only the vendor's own requests are accepted."
COMPARE = "Check that the secret is this app's, and that the body is passed on byte for byte."
BODY = json.dumps(STARTED).encode()


def receive(trigger: Trigger, body: bytes, **more: Any) -> Any:
    return trigger.receive(body, more.pop("headers", None) or signed(body), more.pop("secrets", SECRET), NOW, **more)


def test_a_signed_event_comes_with_its_head_and_its_payload_unchanged(trigger: Trigger) -> None:
    found = receive(trigger, BODY)
    assert isinstance(found, Notification)
    assert found.head == {
        "event": "meeting.started",
        "time": "2023-11-14T22:13:20.123Z",
        "account": "acc1",
        "object": "123",
    }
    assert found.payload == STARTED
    assert found.body == BODY
    assert found.event_id == hashlib.sha256(BODY).hexdigest()
    assert found.topic == "meeting.started:acc1"
    assert not found.disconnects


def test_our_own_signature_is_the_one_the_documentation_describes(trigger: Trigger) -> None:
    assert trigger.sign(BODY, SECRET, NOW) == signed(BODY)


@pytest.mark.parametrize("write", [str.lower, str.upper, str.title])
def test_header_names_are_found_in_any_case(trigger: Trigger, write: Any) -> None:
    headers = {write(name): said for name, said in signed(BODY).items()}
    assert receive(trigger, BODY, headers=headers).event == "meeting.started"


def test_headers_may_be_pairs_of_bytes_as_asgi_gives_them(trigger: Trigger) -> None:
    pairs = [(name.encode(), said.encode()) for name, said in signed(BODY).items()]
    assert receive(trigger, BODY, headers=pairs).event == "meeting.started"


@pytest.mark.parametrize("name", ["x-zm-signature", "x-zm-request-timestamp"])
@pytest.mark.parametrize("said", [None, "", " ", "v0=", f"v0={'0' * 64}", "none", "v0=é", "-5", "1e9", "٣", "9" * 30])
def test_a_missing_or_senseless_header_is_refused(trigger: Trigger, name: str, said: str | None) -> None:
    headers = {**signed(BODY), name: said}
    if said is None:
        del headers[name]
    with pytest.raises(SignatureError):
        receive(trigger, BODY, headers=headers)


def test_a_timestamp_that_is_no_number_is_refused_even_when_it_was_signed(trigger: Trigger) -> None:
    for said in ("now", "1700000000.0", "0x1", "-1", "1_700", "１７０００００００００"):
        headers = {"x-zm-signature": zoom_signature(BODY, said), "x-zm-request-timestamp": said}
        with pytest.raises(SignatureError, match="not a number"):
            receive(trigger, BODY, headers=headers)


def test_a_header_that_stands_twice_is_refused(trigger: Trigger) -> None:
    pairs = [*signed(BODY).items(), ("X-Zm-Signature", "v0=00")]
    with pytest.raises(SignatureError, match="two values"):
        receive(trigger, BODY, headers=pairs)


def test_a_header_that_somebody_between_has_doubled_keeps_no_signed_event_out(trigger: Trigger) -> None:
    pairs = [*signed(BODY).items(), *signed(BODY).items(), ("x-zm-request-id", "a"), ("x-zm-request-id", "b")]
    assert receive(trigger, BODY, headers=pairs).repeat == "a"


def test_a_signature_over_reserialised_json_is_refused(trigger: Trigger) -> None:
    raw = b'{"event": "meeting.started", "payload": {"object": {"topic": "caf\\u00e9 \\ud83c\\udf89"}}}'
    again = json.dumps(json.loads(raw), ensure_ascii=False, separators=(",", ":")).encode()
    assert json.loads(again) == json.loads(raw)
    with pytest.raises(SignatureError):
        receive(trigger, raw, headers=signed(again))
    assert receive(trigger, raw).payload["payload"]["object"]["topic"] == "café 🎉"


def test_emoji_as_bytes_and_as_escapes_are_both_read(trigger: Trigger) -> None:
    for raw in ('{"event":"a","topic":"🎉"}'.encode(), b'{"event":"a","topic":"\\ud83c\\udf89"}'):
        assert receive(trigger, raw).payload["topic"] == "🎉"


@given(body=st.binary(max_size=200), place=st.integers(min_value=0))
def test_one_changed_bit_of_the_body_breaks_the_signature(body: bytes, place: int) -> None:
    body = body or b"{}"
    at = place % len(body)
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    with pytest.raises(SignatureError):
        load_zoom().triggers["webhook"].receive(changed, signed(body), SECRET, NOW)


# -- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [0, 5, 25, 85])
def test_the_vendors_own_retries_with_the_first_timestamp_are_let_in(trigger: Trigger, minutes: int) -> None:
    headers = signed(BODY, NOW - minutes * 60)
    assert receive(trigger, BODY, headers=headers).event == "meeting.started"


def test_what_is_older_than_a_hundred_minutes_is_a_replay(trigger: Trigger) -> None:
    assert receive(trigger, BODY, headers=signed(BODY, NOW - 6000))
    with pytest.raises(SignatureError, match="6001 seconds old"):
        receive(trigger, BODY, headers=signed(BODY, NOW - 6001))
    with pytest.raises(SignatureError, match="301 seconds old"):
        receive(trigger, BODY, headers=signed(BODY, NOW - 301), window=300)


def test_a_signed_time_more_than_five_minutes_ahead_means_that_our_clock_is_behind(trigger: Trigger) -> None:
    assert receive(trigger, BODY, headers=signed(BODY, NOW + 300))
    with pytest.raises(InputError) as caught:
        receive(trigger, BODY, headers=signed(BODY, NOW + 301))
    assert caught.value.to_dict() == {
        "kind": "input",
        "message": "This machine's clock is behind: the signed x-zm-request-timestamp is 301 seconds ahead.",
        "hint": "Synchronise the clock with a time server.",
        "problems": [],
        "retriable": False,
    }
    with pytest.raises(SignatureError, match="does not match"):  # a forger's time says nothing of our clock
        receive(trigger, BODY, headers=signed(BODY, NOW + 301, secret="forged"))


@pytest.mark.parametrize(
    ("change", "window", "message", "hint"),
    [
        ({"x-zm-signature": None}, None, "There is no x-zm-signature header.", ONLY),
        ({"x-zm-request-timestamp": None}, None, "There is no x-zm-request-timestamp.", ONLY),
        ({"x-zm-request-timestamp": "now"}, None, "The x-zm-request-timestamp is not a number.", None),
        ({"x-zm-signature": "v0=00"}, None, "The x-zm-signature header does not match the body.", COMPARE),
        ({}, -1.0, "The x-zm-request-timestamp is 0 seconds old.", "It is a replay, or this machine's clock is ahead."),
    ],
)
def test_a_refusal_says_what_is_wrong_and_what_to_do(
    trigger: Trigger, change: dict[str, str | None], window: float | None, message: str, hint: str | None
) -> None:
    headers = {name: said for name, said in {**signed(BODY), **change}.items() if said is not None}
    with pytest.raises(SignatureError) as caught:
        receive(trigger, BODY, headers=headers, window=window)
    said = {"kind": "signature", "message": message, "hint": hint, "problems": [], "retriable": False}
    assert caught.value.to_dict() == said


def test_secrets_that_are_none_are_all_told() -> None:
    empty = "is empty, so anyone could sign; copy it from the vendor's app settings"
    shared = "is also the secret of {}, so the sender of an event would be unknown; give each app its own"
    for given_, found in (
        ("", [("secrets", empty)]),
        ({}, [("secrets", empty)]),
        ({"a": "", "b": [" "], "c": []}, [("secrets.a", empty), ("secrets.b", empty), ("secrets.c", empty)]),
        ({"a": "s", "b": " s "}, [("secrets.b", shared.format("a"))]),
        ({"": "s", "b": "s"}, [("secrets.b", shared.format("no app"))]),
    ):
        with pytest.raises(InputError) as caught:
            usable(given_)  # type: ignore[arg-type]
        assert caught.value.message.endswith("with the inputs of the webhook:")
        assert [(problem.where, problem.what) for problem in caught.value.problems] == found
    assert usable({"a": ["s", " t\n"], "": "u"}) == {"s": "a", "t": "a", "u": None}


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secrets", ["", "  ", [], [""], [SECRET, ""], None])
def test_an_empty_secret_is_refused_whatever_was_signed_with_it(trigger: Trigger, secrets: Any) -> None:
    headers = {"x-zm-signature": zoom_signature(BODY, "1700000000", ""), "x-zm-request-timestamp": "1700000000"}
    for given_headers in (headers, signed(BODY)):
        with pytest.raises(InputError, match="empty"):
            trigger.receive(BODY, given_headers, secrets, NOW)
    with pytest.raises(InputError):
        trigger.sign(BODY, "", NOW)


def test_during_a_rotation_either_secret_is_good_and_a_third_is_not(trigger: Trigger) -> None:
    for secret in ("old", "new"):
        assert receive(trigger, BODY, headers=signed(BODY, NOW, secret), secrets=["new", "old"])
    with pytest.raises(SignatureError):
        receive(trigger, BODY, headers=signed(BODY, NOW, "third"), secrets=["new", "old"])


def test_no_secret_and_no_right_signature_stands_in_an_error_or_a_repr(trigger: Trigger) -> None:
    token = {**STARTED, "download_token": "eyJhbGciOiJIUzUxMiJ9"}
    body = json.dumps(token).encode()
    with pytest.raises(SignatureError) as caught:
        receive(trigger, body, headers={**signed(body), "x-zm-signature": "v0=00"})
    shown = f"{caught.value} {caught.value.to_dict()} {receive(trigger, body)!r} {trigger!r}"
    assert SECRET not in shown
    assert signed(body)["x-zm-signature"] not in shown
    assert "eyJhbGciOiJIUzUxMiJ9" not in shown


# -- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"hello", "not JSON"),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b"null", "not an object"),
        (b'{"event": "a"', "not JSON"),
        (b'{"event": "a"} x', "not JSON"),
        (b'{"event": "\xff"}', "not UTF-8"),
        ('{"event": "a"}'.encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"event": "a", "event": "b"}', "'event' twice"),
        (b'{"event": "a", "payload": {"x": [{"id": 1, "id": 2}]}}', "'id' twice"),
        (b'{"event": "a", "n": NaN}', "NaN"),
        (b'{"event": "a", "n": -Infinity}', "Infinity"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"n": ' + b"9" * 5000 + b"}", "too long"),
    ],
)
def test_what_is_signed_but_cannot_be_read_without_doubt_is_refused(trigger: Trigger, body: bytes, says: str) -> None:
    with pytest.raises(PayloadError, match=says):
        receive(trigger, body)
    with pytest.raises(SignatureError):
        trigger.receive(body, {**signed(body), "x-zm-signature": "v0=00"}, SECRET, NOW)


def test_text_and_parsed_json_are_no_raw_bytes(trigger: Trigger) -> None:
    for body in (BODY.decode(), STARTED):
        with pytest.raises(TypeError, match="raw bytes"):
            trigger.receive(body, signed(BODY), SECRET, NOW)  # type: ignore[arg-type]


@given(
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
        max_leaves=12,
    )
)
def test_whatever_is_signed_gives_an_event_or_a_payload_error(payload: Any) -> None:
    trigger = load_zoom().triggers["webhook"]
    inner = {"account_id": payload, "object": payload}
    for data in (payload, {"event": payload, "event_ts": payload, "payload": inner}):
        body = json.dumps(data).encode()
        try:
            found = trigger.receive(body, signed(body), SECRET, NOW)
        except PayloadError:
            continue
        assert isinstance(found, Notification)
        assert (found.payload, found.body) == (json.loads(body), body)
        assert json.loads(json.dumps(found.to_dict()))["event_id"] == hashlib.sha256(body).hexdigest()


# -- heads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("object_", "expected"),
    [
        ({"id": "123"}, "123"),
        ({"id": 92674392836}, "92674392836"),
        ({"id": 9223372036854775807}, "9223372036854775807"),
        ({"uuid": "/abc=="}, "/abc=="),
        ({"id": "", "uuid": "u"}, "u"),
        ({"meeting_id": 5, "meeting_uuid": "u"}, "5"),
        ({"call_id": "c1"}, "c1"),
        ({"recordings": [{"id": "r1"}]}, "r1"),
        ({"id": {"x": 1}}, None),
        ({}, None),
        (None, None),
        ([], None),
        ("text", None),
    ],
)
def test_the_object_is_named_as_text_wherever_the_vendor_says_it(trigger: Trigger, object_: Any, expected: Any) -> None:
    body = json.dumps({"event": "x", "payload": {"object": object_}}).encode()
    assert receive(trigger, body).object == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (1626230691572, datetime(2021, 7, 14, 2, 44, 51, 572000, UTC)),
        ("1641884378841", datetime(2022, 1, 11, 6, 59, 38, 841000, UTC)),
        (1234567890, datetime(2009, 2, 13, 23, 31, 30, tzinfo=UTC)),
        ("2024-09-08 15:58:40", datetime(2024, 9, 8, 15, 58, 40, tzinfo=UTC)),
        ("2024-09-08T15:58:40+02:00", datetime(2024, 9, 8, 13, 58, 40, tzinfo=UTC)),
        ("soon", None),
        (True, None),
        (10**400, None),
        ("0001-01-01T00:00+23:00", None),
        (None, None),
    ],
)
def test_the_time_is_read_however_the_vendor_writes_it(trigger: Trigger, said: Any, expected: Any) -> None:
    body = json.dumps({"event": "x", "event_ts": said}).encode()
    assert receive(trigger, body).time == expected


def test_an_event_without_a_name_is_accepted_with_an_empty_one(trigger: Trigger) -> None:
    found = receive(trigger, b"{}")
    assert found.head == {"event": "", "time": None, "account": None, "object": None}


def test_only_the_event_that_says_so_disconnects(trigger: Trigger) -> None:
    left = {"event": "app_deauthorized", "payload": {"account_id": "acc1", "user_id": "u", "client_id": "c"}}
    found = receive(trigger, json.dumps(left).encode())
    assert (found.disconnects, found.account) == (True, "acc1")
    assert not receive(trigger, BODY).disconnects


def test_two_topics_with_one_body_are_two_events_where_only_a_header_names_them() -> None:
    shopify = load(Path(__file__).parents[2] / "examples" / "shopify").triggers["webhook"]
    ids = set()
    for topic in ("orders/create", "orders/paid", "orders/paid"):
        headers = {**shopify.sign(b'{"id":1}', "s", NOW), "X-Shopify-Topic": topic}
        found = shopify.receive(b'{"id":1}', headers, "s", NOW)
        assert isinstance(found, Notification)
        ids.add(found.event_id)
    assert len(ids) == 2


# -- the challenge ---------------------------------------------------------------------------------------------------

CHALLENGE = (
    b'{"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}'
)


def test_the_challenge_is_answered_with_the_tokens_digest(trigger: Trigger) -> None:
    found = receive(trigger, CHALLENGE)
    digest = hmac.new(SECRET.encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert found == UrlValidation(response={"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": digest})


def test_the_challenge_is_answered_with_the_secret_that_asked(trigger: Trigger) -> None:
    found = receive(trigger, CHALLENGE, headers=signed(CHALLENGE, NOW, "old"), secrets=["new", "old"])
    digest = hmac.new(b"old", b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert found.response["encryptedToken"] == digest


def test_a_challenge_is_not_answered_without_its_own_signature(trigger: Trigger) -> None:
    for headers in ({}, signed(CHALLENGE, NOW, "guess"), signed(CHALLENGE, NOW - 7000)):
        with pytest.raises(SignatureError):
            receive(trigger, CHALLENGE, headers=headers or {"x": "y"})


@pytest.mark.parametrize("payload", [{}, {"plainToken": ""}, {"plainToken": 5}, {"plainToken": None}, None, []])
def test_a_challenge_without_a_text_is_a_payload_error(trigger: Trigger, payload: Any) -> None:
    body = json.dumps({"event": "endpoint.url_validation", "payload": payload}).encode()
    with pytest.raises(PayloadError):
        receive(trigger, body)
