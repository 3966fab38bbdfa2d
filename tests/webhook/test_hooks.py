"""The sandbox tells of what changes in it, and the receiver understands it: from an action's call to a handler."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector_runtime.stores.store import MemoryStore
from zoom_connector import Client, Connector, DeliverySettings, NotFound, Notification, Trigger, webhook_app
from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.hooks import sign

from .conftest import NOW, SECRET, Served, serving, signed, until


class Clock:
    """The account's time, which only a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Flow:
    """A flow behind a receiver, and a Zoom that sends to it."""

    def __init__(self, zoom: Sandbox, server: Served, client: Client, clock: Clock, seen: list[Notification]) -> None:
        self.zoom, self.server, self.client, self.clock, self.seen = zoom, server, client, clock, seen

    def run(self, key: str, **inputs: Any) -> Any:
        return self.client.run(key, inputs).data

    def next(self, name: str) -> Notification:
        """The event of that name, which must be the only new one."""
        assert self.zoom.hooks.wait_until_idle()
        assert until(lambda: self.seen), name
        assert [found.event for found in self.seen] == [name]
        return self.seen.pop()


@pytest.fixture
def flow(connector: Connector, trigger: Trigger) -> Iterator[Flow]:
    seen: list[Notification] = []
    clock = Clock()
    app = webhook_app(trigger, SECRET, seen.append, store=MemoryStore(), clock=clock, pace=DeliverySettings(poll=0.05))
    with (
        Sandbox(clock=clock) as zoom,
        serving(app) as server,
        Client(connector, token=zoom.token, base_url=zoom.base_url) as client,
    ):
        zoom.hooks.subscribe(server.url, SECRET)
        yield Flow(zoom, server, client, clock, seen)


def test_the_sandbox_signs_as_the_documentation_says() -> None:
    assert sign(b'{"event":"a"}', SECRET, NOW) == signed(b'{"event":"a"}')


def test_what_the_actions_change_arrives_as_the_documented_events(flow: Flow, trigger: Trigger) -> None:
    def fits(found: Notification) -> dict[str, Any]:
        schema = trigger.events[found.event].schema
        assert [error.message for error in Draft202012Validator(schema).iter_errors(found.payload)] == []
        return found.payload["payload"]  # type: ignore[no-any-return]

    wanted = {"topic": "Weekly 🎉", "type": 2, "approval_type": 0, "mute_upon_entry": False}
    meeting = flow.run("create-meeting", user_id="me", **wanted)
    created = flow.next("meeting.created")
    assert created.object == str(meeting["id"])
    assert fits(created)["object"]["topic"] == "Weekly 🎉"

    flow.run("update-meeting", meeting_id=meeting["id"], topic="Monthly", mute_upon_entry=True)
    updated = fits(flow.next("meeting.updated"))
    assert updated["object"] == {"id": meeting["id"], "topic": "Monthly", "settings": {"mute_upon_entry": True}}
    assert updated["old_object"] == {"id": meeting["id"], "topic": "Weekly 🎉", "settings": {"mute_upon_entry": False}}

    flow.run("add-meeting-registrant", meeting_id=meeting["id"], email="ada@example.com", first_name="Ada")
    registered = fits(flow.next("meeting.registration_created"))
    assert registered["object"]["registrant"]["email"] == "ada@example.com"

    flow.zoom.hooks.start_meeting(meeting["id"])
    assert fits(flow.next("meeting.started"))["object"]["id"] == str(meeting["id"])  # text in this event
    flow.zoom.hooks.end_meeting(meeting["id"])
    assert "end_time" in fits(flow.next("meeting.ended"))["object"]

    flow.run("raw-request", method="DELETE", url=f"/meetings/{meeting['id']}")
    assert fits(flow.next("meeting.deleted"))["object"]["uuid"] == meeting["uuid"]


def test_what_happens_to_users_arrives_too(flow: Flow, trigger: Trigger) -> None:
    user = flow.run("create-user", user_action="custCreate", email="grace@example.com", first_name="Grace", user_type=1)
    created = flow.next("user.created")
    assert (created.object, created.payload["payload"]["creation_type"]) == (user["id"], "custCreate")
    flow.run("update-user", user_id=user["id"], department="Compilers")
    updated = flow.next("user.updated").payload["payload"]
    assert (updated["object"], updated["old_object"]["id"]) == ({"id": user["id"], "dept": "Compilers"}, user["id"])
    flow.run("delete-user", user_id=user["id"], action="delete")
    deleted = flow.next("user.deleted")
    assert deleted.payload["payload"]["object"]["email"] == "grace@example.com"
    for found in (created, deleted):
        assert Draft202012Validator(trigger.events[found.event].schema).is_valid(found.payload)


def test_what_is_refused_or_only_read_causes_no_event(flow: Flow) -> None:
    flow.run("list-users")
    with pytest.raises(NotFound, match=r"not exist"):
        flow.run("update-meeting", meeting_id=1, topic="x")
    flow.run("create-meeting", user_id="me", topic="x", type=2)
    flow.next("meeting.created")


def test_a_delivery_that_fails_comes_again_after_5_25_and_85_minutes_with_its_first_timestamp(trigger: Trigger) -> None:
    clock = Clock()
    requests: list[tuple[float, str, bytes]] = []
    answers = [200, 500, 503, 500, 500, 200]  # the first is the validation's

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        headers = dict(scope["headers"])
        requests.append((clock() - NOW, headers[b"x-zm-request-timestamp"].decode(), body))
        found = trigger.receive(body, scope["headers"], SECRET, clock())  # within the window at every retry
        said = json.dumps(found.response).encode() if hasattr(found, "response") else b""
        await send({"type": "http.response.start", "status": answers.pop(0), "headers": []})
        await send({"type": "http.response.body", "body": said})

    with Sandbox(clock=clock) as zoom, serving(app, lifespan="off") as server:
        zoom.hooks.subscribe(server.url, SECRET, ["meeting.*"])
        zoom.hooks.start_meeting(next(iter(zoom.state.meetings)))
        for minute in range(0, 200):
            clock.now = NOW + minute * 60
            assert zoom.hooks.wait_until_idle()
    assert [at / 60 for at, _, _ in requests[1:]] == [0, 5, 25, 85]
    assert {timestamp for _, timestamp, _ in requests} == {str(int(NOW))}
    assert len({body for _, _, body in requests[1:]}) == 1


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
def test_a_refusal_is_not_sent_again(status: int) -> None:
    clock = Clock()
    with Sandbox(clock=clock) as zoom:
        statuses = [200]

        async def app(scope: Any, receive: Any, send: Any) -> None:
            body = json.loads((await receive())["body"])
            token = body["payload"].get("plainToken", "")
            said = {"plainToken": token, "encryptedToken": hmac.new(b"s", token.encode(), hashlib.sha256).hexdigest()}
            await send({"type": "http.response.start", "status": statuses[-1], "headers": []})
            await send({"type": "http.response.body", "body": json.dumps(said).encode()})
            statuses.append(status)

        with serving(app, lifespan="off") as server:
            zoom.hooks.subscribe(server.url, "s")
            zoom.hooks.emit("user.created", {})
            for minute in (0, 5, 25, 85):
                clock.now = NOW + minute * 60
                assert zoom.hooks.wait_until_idle()
        assert [(sent.status, sent.attempt) for sent in zoom.hooks.sent] == [(status, 1)]


def test_an_address_that_does_not_know_the_secret_is_not_subscribed(trigger: Trigger) -> None:
    app = webhook_app(trigger, SECRET, print, store=MemoryStore())
    with Sandbox() as zoom, serving(app) as server:
        with pytest.raises(ValueError, match="failed the URL validation"):
            zoom.hooks.subscribe(server.url, "another")
        with pytest.raises(ValueError):
            zoom.hooks.subscribe("http://127.0.0.1:1/", SECRET)
        zoom.hooks.subscribe(server.url, SECRET, ["user.*"])
        zoom.hooks.start_meeting(next(iter(zoom.state.meetings)))
        assert zoom.hooks.wait_until_idle()
        assert zoom.hooks.sent == []
