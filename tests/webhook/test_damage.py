"""One damaged row of an inbox is set aside, and everything around it goes on."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from connector_runtime.stores.store import MemoryStore
from connector_runtime.triggers.inbox import Inbox, InboxEntry
from zoom_connector import Notification, Receiver, Trigger

from .conftest import SECRET, event, signed

T = 1_700_000_000.0
WHOLE = InboxEntry(event_id="e", body=b"{}", headers={"x-event": "a"}, received=T, due=T).to_bytes()
DAMAGED: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"\xff\xfe",
    "cut": WHOLE[:20],
    "a list": b"[1]\n{}",
    "a number": b"7\n{}",
    "words it lacks": b'{"due":1}\n{}',
    "a word that is none": WHOLE.replace(b'"replays"', b'"replies"'),
    "a time that is a text": WHOLE.replace(b'"due": 1700000000.0', b'"due": "soon"'),
    "headers that are none": WHOLE.replace(b'{"x-event": "a"}', b"[]"),
    "too deep": b"[" * 100_000,
}


def rows(store: MemoryStore, prefix: str) -> list[str]:
    return [key for key, _ in store.scan(prefix)]


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("state", ["waiting", "aside"])
def test_a_damaged_event_stops_no_delivery_and_is_set_aside(state: str, name: str) -> None:
    store = MemoryStore()
    inbox = Inbox(store)
    store.put(f"inbox/webhook/{state}/e1", DAMAGED[name], None)
    for event_id in ("e0", "e2"):
        assert inbox.record(event_id, b"{}", {}, T) is not None
    assert {event.event_id for event in inbox.take(T, 20, 10)} == {"e0", "e2"}
    assert [event.event_id for event in inbox.aside()] == [] and not inbox.replay("e1", T)
    assert rows(store, "inbox/webhook/aside/") == []
    assert rows(store, "inbox/webhook/waiting/") == ["inbox/webhook/waiting/e0", "inbox/webhook/waiting/e2"]
    (kept,) = store.scan("damaged/")
    assert (kept[0], kept[1].value) == (f"damaged/inbox/webhook/{state}/e1", DAMAGED[name])


def test_an_event_whose_row_aside_is_damaged_is_received_anew() -> None:
    store = MemoryStore()
    store.put("inbox/webhook/aside/e1", b"\xff", None)
    assert Inbox(store).record("e1", b"{}", {}, T) is not None


def test_a_damaged_mark_stops_no_purge() -> None:
    store = MemoryStore()
    inbox = Inbox(store, remember=100)
    for event_id in ("e0", "e2"):
        event = inbox.record(event_id, b"{}", {}, T)
        assert event is not None
        inbox.done(event, T)
    store.put("inbox/webhook/done/e1", b"yesterday", None)
    assert inbox.forget(T + 101) == 2
    assert rows(store, "inbox/") == [] and rows(store, "damaged/") == ["damaged/inbox/webhook/done/e1"]


def test_a_row_of_an_earlier_version_is_whole() -> None:
    said = json.loads(WHOLE.partition(b"\n")[0])
    del said["sender"]
    event = InboxEntry.read(json.dumps(said).encode() + b"\n{}", "e", 3)
    assert event == InboxEntry(event_id="e", body=b"{}", headers={"x-event": "a"}, received=T, due=T, version=3)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.builds(lambda at, put: WHOLE[:at] + put + WHOLE[at + len(put) :],
       st.integers(0, len(WHOLE)), st.binary(max_size=3)))  # fmt: skip
def test_whatever_lies_in_the_inbox_the_others_are_delivered(content: bytes) -> None:
    store = MemoryStore()
    inbox = Inbox(store)
    store.put("inbox/webhook/waiting/e1", content, None)
    store.put("inbox/webhook/done/e2", content, None)
    assert inbox.record("e3", b"{}", {}, T) is not None
    assert "e3" in {event.event_id for event in inbox.take(T, 20, 10)}
    inbox.forget(T)


Anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def planted(trigger: Trigger, values: list[Any]) -> dict[str, Any]:
    """An event with values at the places that the definition reads, as far as they do not lie within each other."""
    data: dict[str, Any] = {}
    places = [*trigger.event.values(), *(row.sources for row in trigger.filters.values())]
    paths = [steps for sources in places for kind, steps in sources if kind == "body"]
    for path, value in zip(paths, values, strict=False):
        inner = data
        for step in path[:-1]:
            inner = inner.setdefault(step, {}) if isinstance(inner, dict) else {}
        if isinstance(inner, dict):
            inner[path[-1]] = value
    return data


@settings(max_examples=300, deadline=None)
@given(values=st.lists(Anything, min_size=50, max_size=60), names=st.lists(Anything, max_size=2))
def test_any_signed_object_is_recorded_and_delivered_whatever_stands_where_the_definition_looks(
    trigger: Trigger, values: list[Any], names: list[Any]
) -> None:
    body = json.dumps(planted(trigger, [*names, *values])).encode()
    seen: list[Notification] = []
    receiver = Receiver(trigger, {"app": SECRET}, store=MemoryStore())
    assert receiver.accept(body, signed(body, time.time())).status == 200
    receiver.deliver(seen.append, once=True)
    for found in seen:  # none where it happens to be a challenge
        assert json.loads(json.dumps(found.to_dict()))["event_id"] == found.event_id and found.sender == "app"
        assert all(isinstance(user, str) and user for user in found.users)
        trigger.filter({"host": "h", "meeting": "1", "account": "a", "object": "o", "event": "*"}).admits(found)
    assert receiver.accept(event(1), signed(event(1), time.time())).status == 200
