"""Webhooks at the service: verified over the raw bytes, and read by the tenants whose accounts they are about."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from connector_runtime.connections.connect import Record, Tokens
from connector_runtime.connections.connections import Connections
from connector_runtime.service.feed import Feed
from connector_runtime.service.records import ApiKeys
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector, Notification
from zoom_connector.sandbox import Sandbox

from .conftest import APP, Start, until

SECRET = "8mTmnH0bS2GGJ5Gv3JrPRg"
HOOK = "/v1/webhooks/webhook"


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers as Zoom's documentation describes them."""
    at = str(int(time.time()))
    digest = hmac.new(secret.encode(), b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-zm-signature": f"v0={digest}", "x-zm-request-timestamp": at, "Content-Type": "application/json"}


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
    with start(webhook_secrets={"webhook": SECRET}) as served:
        answer = served.client().post(HOOK, content=body, headers=signed(body))
        assert answer.json() == {"plainToken": "abc", "encryptedToken": proof}


def test_what_is_not_signed_is_refused(start: Start) -> None:
    with start(webhook_secrets={"webhook": SECRET}) as served:
        client = served.client()
        assert client.post(HOOK, content=event(1)).status_code == 401
        assert client.post(HOOK, content=event(1), headers=signed(event(1), "wrong")).status_code == 401
        assert client.post(HOOK, content=event(1), headers=signed(event(2))).status_code == 401
        big = b" " * (1024 * 1024 + 1)
        assert client.post(HOOK, content=big, headers=signed(big)).status_code == 413
        assert client.get(HOOK).status_code == 405


def test_without_a_secret_the_vendor_is_asked_to_come_again(start: Start) -> None:
    with start(tenant="t") as served:
        answer = served.client().post(HOOK, content=event(1), headers=signed(event(1)))
        assert (answer.status_code, answer.json()["kind"]) == (503, "not_ready")


def test_a_tenant_reads_the_events_of_its_own_accounts(start: Start, connector: Connector, zoom: Sandbox) -> None:
    store = MemoryStore()
    keys = {tenant: ApiKeys(store, connector.key).create(tenant)[0] for tenant in ("one", "two", "none")}
    for tenant, account in (("one", "acc1"), ("two", "acc2")):
        connections = Connections(connector, store, tenant)
        connections.adopt("server-to-server", {**APP, "account_id": account}, Tokens(granted={"access_token": "x"}))
        store.update(connections._key("main"), partial(_with, account))
    with start(store, webhook_secrets={"webhook": SECRET}) as served:
        clients = {tenant: served.client(key) for tenant, key in keys.items()}
        for number, account in enumerate(["acc1", "acc2", "acc1", "acc3"]):
            assert post(served.client(), event(number, account)) == 200
        assert until(lambda: len(_read(clients["one"])) == 2 and len(_read(clients["two"])) == 1)
        assert {said["account"] for said in _read(clients["one"])} == {"acc1"}
        assert [said["object"] for said in _read(clients["two"])] == ["1"]
        assert _read(clients["none"]) == []
        assert served.client().get("/v1/events").status_code == 401


def _with(account: str, content: bytes | None) -> bytes:
    assert content is not None
    return replace(Record.read(content), account=account).write()


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
        nothing = client.get("/v1/events", params={"cursor": f"{int(time.time() * 1000):013d}"}).json()
        assert nothing["events"] == []


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


def test_events_are_forgotten_after_a_day(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    feed = Feed(store, connector.key, by_account=True)
    found = connector.triggers["webhook"].read(event(1), {})
    feed.add(found)
    assert feed.purge() == 0
    later = time.time() + 24 * 3600 + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert feed.read(["acc1"], None, 10)[0] == [] and feed.purge() == 1 and not store.scan("")
