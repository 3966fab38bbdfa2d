"""Webhooks at the service: verified over the raw bytes, kept, and read on; whose they are is another file's matter."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from typing import Any

import httpx
import pytest

from zoom_connector import Notification

from .conftest import Start, until

SECRET = "8mTmnH0bS2GGJ5Gv3JrPRg"
HOOK = "/v1/webhooks/webhook"


def signed(body: bytes, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    """The headers as Zoom's documentation describes them."""
    said = str(int(time.time() if at is None else at))
    digest = hmac.new(secret.encode(), b"v0:" + said.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-zm-signature": f"v0={digest}", "x-zm-request-timestamp": said, "Content-Type": "application/json"}


def event(number: int, account: str = "acc1") -> bytes:
    said = {"account_id": account, "object": {"id": str(number), "topic": "Rétro 🎉"}}
    return json.dumps({"event": "meeting.started", "event_ts": 1700000000000 + number, "payload": said}).encode()


def post(client: httpx.Client, body: bytes, **more: str) -> int:
    return client.post(HOOK, content=body, headers={**signed(body), **more}).status_code


def test_an_event_is_verified_kept_and_read(start: Start) -> None:
    with start(tenant="t", webhook_secrets={"webhook": SECRET}) as served:
        client = served.client()
        body = json.dumps(json.loads(event(1)), ensure_ascii=False, indent=3).encode()  # other bytes, same JSON
        assert post(client, body) == 200
        found = client.get("/v1/events", params={"wait": 10}).json()
        assert [(said["event"], said["object"]) for said in found["events"]] == [("meeting.started", "1")]
        assert found["events"][0]["event_id"] == hashlib.sha256(body).hexdigest()
        assert post(client, body) == 200  # a repeat
        assert post(client, event(2)) == 200
        more = until(lambda: [said for said in _read(client) if said["object"] == "2"])
        assert len(more) == 1 and len(_read(client)) == 2


def _read(client: httpx.Client, **asked: Any) -> list[dict[str, Any]]:
    return client.get("/v1/events", params=asked).json()["events"]  # type: ignore[no-any-return]


def test_the_vendors_challenge_is_answered(start: Start) -> None:
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}'
    proof = hmac.new(SECRET.encode(), b"abc", hashlib.sha256).hexdigest()
    with start(webhook_secrets={"webhook": {"app": SECRET}}) as served:
        answer = served.client().post(HOOK, content=body, headers=signed(body))
        assert answer.json() == {"plainToken": "abc", "encryptedToken": proof}


def test_what_is_not_signed_is_refused(start: Start) -> None:
    with start(webhook_secrets={"webhook": {"app": SECRET}}) as served:
        client = served.client()
        assert client.post(HOOK, content=event(1)).status_code == 401
        assert client.post(HOOK, content=event(1), headers=signed(event(1), "wrong")).status_code == 401
        assert client.post(HOOK, content=event(1), headers=signed(event(2))).status_code == 401
        assert client.get(HOOK).status_code == 405


def test_a_body_above_the_webhooks_own_limit_is_asked_for_again(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """The limit of other bodies does not count; a 413 would lose the event for good."""
    with start(limits={"body": 1000, "webhook_body": 2000}, tenant="t", webhook_secrets={"webhook": SECRET}) as served:
        client = served.client()
        sent = []
        for size in (2000, 2001):
            body = event(size)[:-1] + b" " * (size - len(event(size))) + b"}"
            sent.append(client.post(HOOK, content=body, headers=signed(body)).status_code)
            sent.append(client.post(HOOK, content=iter([body]), headers=signed(body)).status_code)
        assert sent == [200, 200, 503, 503]
        assert "more than 2000 bytes" in caplog.text
        assert [said["object"] for said in _read(client, wait=10)] == ["2000"]
        assert (
            client.post(
                "/v1/actions/create-meeting/run", content=b" " * 1001, headers={"Content-Type": "application/json"}
            ).status_code
            == 413
        )


@pytest.mark.parametrize("path", [HOOK, f"{HOOK}/"])
@pytest.mark.parametrize("headers", [{}, {"Host": "hooks.example"}, {"Origin": "https://elsewhere.example"}])
def test_the_signature_alone_says_whether_a_webhook_is_taken(start: Start, path: str, headers: dict[str, str]) -> None:
    """A redirect, or a refusal of the name under which the vendor knows us, would lose the event for good."""
    with start(limits={"public_url": None}, tenant="t", webhook_secrets={"webhook": SECRET}) as served:
        answer = served.client().post(path, content=event(1), headers={**signed(event(1)), **headers})
        assert (answer.status_code, answer.content) == (200, b"")
        assert served.client().post(path, content=event(1), headers=headers).status_code == 401


@pytest.mark.parametrize("body", [b"[1]", b"no JSON"])
def test_what_is_signed_and_no_event_is_acknowledged(start: Start, body: bytes) -> None:
    with start(tenant="t", webhook_secrets={"webhook": SECRET}) as served:
        assert served.client().post(HOOK, content=body, headers=signed(body)).status_code == 200
        assert _read(served.client()) == []


def test_a_clock_that_is_behind_is_no_forgery(start: Start) -> None:
    headers = signed(event(1), at=time.time() + 600)
    with start(tenant="t", webhook_secrets={"webhook": SECRET}) as served:
        assert served.client().post(HOOK, content=event(1), headers=headers).status_code == 503


def test_without_a_secret_the_vendor_is_asked_to_come_again(start: Start) -> None:
    with start(tenant="t") as served:
        answer = served.client().post(HOOK, content=event(1), headers=signed(event(1)))
        assert (answer.status_code, answer.json()["kind"]) == (503, "not_ready")


def test_events_are_read_on_from_a_cursor(start: Start) -> None:
    with start(tenant="t", webhook_secrets={"webhook": SECRET}) as served:
        client = served.client()
        for number in range(5):
            assert post(client, event(number)) == 200
        assert until(lambda: len(_read(client)) == 5)
        first = client.get("/v1/events", params={"limit": 3}).json()
        rest = client.get("/v1/events", params={"cursor": first["cursor"]}).json()
        assert len({said["event_id"] for said in [*first["events"], *rest["events"]]}) == 5
        assert len(rest["events"]) == 2
        again = client.get("/v1/events", params={"cursor": rest["cursor"]}).json()
        assert again == {"events": [], "cursor": rest["cursor"], "warnings": []}


def test_who_waits_is_answered_when_something_arrives(start: Start) -> None:
    with start(tenant="t", webhook_secrets={"webhook": SECRET}) as served:
        found: list[Any] = []
        waiting = served.client()
        apart = threading.Thread(target=lambda: found.extend(_read(waiting, wait=20)))
        apart.start()
        assert until(lambda: served.app.state.service.running["t"] == 1)
        assert post(served.client(), event(1)) == 200
        apart.join(15)
        assert [said["object"] for said in found] == ["1"]


def test_a_platform_gives_a_handler_of_its_own(start: Start) -> None:
    seen: list[Notification] = []
    with start(tenant="t", webhook_secrets={"webhook": SECRET}, handler=seen.append) as served:
        assert post(served.client(), event(7)) == 200
        assert until(lambda: seen) and seen[0].object == "7"
        assert _read(served.client()) == []
