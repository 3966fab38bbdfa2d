"""The inbox: nothing lost, no repeat taken twice, whoever dies in between. Time is told, never waited for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from connector_runtime.errors import InputError, StoreError
from connector_runtime.stores.databases import open_store
from connector_runtime.stores.store import Entry, Lease, MemoryStore, Store
from connector_runtime.triggers.inbox import PAUSES, Inbox, InboxEntry

T = 1_700_000_000.0
BODY = b'{"event":"a","topic":"\xf0\x9f\x8e\x89"}\n'


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "postgres":
        made = open_store(request.getfixturevalue("postgres_url"))
        for key, entry in made.scan("inbox/", limit=1000):
            made.put(key, None, entry.version)
    else:
        made = MemoryStore() if request.param == "memory" else open_store(f"sqlite:///{tmp_path}/inbox.sqlite3")
    yield made
    made.close()


@pytest.fixture
def inbox(store: Store) -> Inbox:
    return Inbox(store)


def ids(found: Any) -> set[str]:
    return {event.event_id for event in found}


def recorded(inbox: Inbox, event_id: str = "e1", lease: float = 0.0, at: float = T) -> InboxEntry:
    event = inbox.record(event_id, BODY, {"x-event": "a"}, at, lease)
    assert event is not None
    return event


def test_what_was_recorded_comes_out_as_it_was(inbox: Inbox) -> None:
    recorded(inbox)
    (event,) = inbox.take(T + 1, 20, 10)
    assert (event.event_id, event.body, event.headers, event.received) == ("e1", BODY, {"x-event": "a"}, T)


def test_an_event_is_kept_with_all_that_is_known_of_it_whatever_its_headers_are() -> None:
    """A server of the platform's own may have headers that are no dict."""
    inbox = Inbox(MemoryStore())
    event = inbox.record("e1", BODY, MappingProxyType({"x-event": "a"}), T, 20.0, "app")
    assert event is not None and event.event_id.startswith("e1.")  # and a digest of the app that sent it
    (kept,) = inbox.waiting()
    about = {
        "event_id": event.event_id,
        "body": BODY,
        "headers": {"x-event": "a"},
        "received": T,
        "due": T,
        "claimed": T + 20,
    }
    assert kept == InboxEntry(**about, failures=0, reason=None, replays=0, sender="app", version=event.version)
    assert InboxEntry.read(kept.to_bytes(), kept.event_id, kept.version) == kept
    assert repr(kept).count("x-event") == 0 and "topic" not in repr(kept)


def test_the_pauses_grow_to_an_hour_and_a_repeat_is_known_for_three_days() -> None:
    """The last is in docs/webhook.md."""
    assert PAUSES == (5, 30, 120, 600, 1800, 3600, 3600)
    assert Inbox(MemoryStore()).remember == 3 * 24 * 3600


@pytest.mark.parametrize("name", ["", "a/b"])
def test_an_inbox_has_a_name_that_sets_it_apart(name: str) -> None:
    with pytest.raises(InputError) as caught:
        Inbox(MemoryStore(), name)
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [("name", "must be text without /")]


def test_an_event_outlives_its_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.sqlite3"
    recorded(Inbox(open_store(url)))
    assert ids(Inbox(open_store(url)).take(T, 20, 10)) == {"e1"}


def test_a_repeat_is_recognised_while_the_event_waits_when_it_is_done_and_when_it_is_put_aside(store: Store) -> None:
    inbox = Inbox(store, pauses=())
    event = recorded(inbox)
    assert inbox.record("e1", BODY, {}, T + 1) is None
    inbox.done(event, T + 2)
    assert inbox.record("e1", BODY, {}, T + 3) is None
    inbox.fail(recorded(inbox, "e2"), T, "broken")
    assert inbox.record("e2", BODY, {}, T + 3) is None
    assert not ids(inbox.waiting())


def test_of_many_at_once_one_records(inbox: Inbox) -> None:
    results: list[InboxEntry | None] = []
    threads = [threading.Thread(target=lambda: results.append(inbox.record("e1", BODY, {}, T))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result is not None for result in results) == 1


def test_of_many_at_once_one_claims(inbox: Inbox) -> None:
    for number in range(20):
        recorded(inbox, f"e{number}")
    taken: list[str] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(event.event_id for event in inbox.take(T, 20, 20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted({f"e{number}" for number in range(20)})


def test_a_claimed_event_is_left_alone_until_the_claim_ends(inbox: Inbox) -> None:
    event = recorded(inbox, lease=20)
    assert inbox.take(T + 19, 20, 10) == []
    renewed = inbox.renew(event, T + 15, 20)
    assert inbox.take(T + 34, 20, 10) == []
    assert ids(inbox.take(T + 35, 20, 10)) == {"e1"}
    assert renewed is not None
    assert inbox.renew(renewed, T + 36, 20) is None  # somebody else has it


def test_a_released_event_can_be_taken_at_once(inbox: Inbox) -> None:
    inbox.release(recorded(inbox, lease=20))
    assert ids(inbox.take(T + 1, 20, 10)) == {"e1"}


def test_a_failed_event_comes_again_after_longer_and_longer_pauses(store: Store) -> None:
    inbox = Inbox(store, pauses=(5, 30))
    recorded(inbox)
    now = T
    for pause in (5, 30):
        (event,) = inbox.take(now, 20, 10)
        assert inbox.fail(event, now, "ValueError: no") is False
        assert inbox.take(now + pause - 1, 20, 10) == []
        now += pause
    (event,) = inbox.take(now, 20, 10)
    assert (event.failures, event.reason) == (2, "ValueError: no")
    assert inbox.fail(event, now, "KeyError: 'x'") is True
    (aside,) = inbox.aside()
    assert (aside.event_id, aside.failures, aside.reason, aside.body) == ("e1", 3, "KeyError: 'x'", BODY)
    assert not ids(inbox.waiting())


def test_by_default_an_event_is_tried_for_hours_before_it_is_put_aside() -> None:
    assert list(PAUSES) == sorted(PAUSES)
    assert sum(PAUSES) > 2 * 3600


def test_an_event_that_was_put_aside_can_be_replayed_again_and_again(store: Store) -> None:
    inbox = Inbox(store, pauses=())
    recorded(inbox)
    for turn in range(3):
        (event,) = inbox.take(T + turn, 20, 10)
        assert inbox.fail(event, T + turn, "broken")
        assert inbox.replay("e1", T + turn)
        assert not ids(inbox.aside())
    (event,) = inbox.take(T + 9, 20, 10)
    inbox.done(event, T + 9)
    assert not inbox.replay("e1", T + 10)
    assert not inbox.replay("unknown", T + 10)


def test_marks_of_handled_events_are_forgotten_after_their_time_and_not_before(store: Store) -> None:
    inbox = Inbox(store, remember=100)
    inbox.done(recorded(inbox), T)
    assert inbox.forget(T + 99) == 0
    assert inbox.record("e1", BODY, {}, T + 99) is None
    assert inbox.forget(T + 101) == 1
    assert inbox.record("e1", BODY, {}, T + 102) is not None


def test_more_events_than_a_page_of_the_store_are_all_found(inbox: Inbox) -> None:
    for number in range(250):
        recorded(inbox, f"e{number:03}", at=T - number)
    assert len(ids(inbox.waiting())) == 250
    assert len(inbox.take(T, 20, 240)) == 240
    assert len(inbox.take(T, 20, 240)) == 10


def test_two_inboxes_of_one_store_know_nothing_of_each_other(store: Store) -> None:
    recorded(Inbox(store, "one"))
    assert Inbox(store, "two").record("e1", BODY, {}, T) is not None
    for name in ("", "a/b"):
        with pytest.raises(InputError):
            Inbox(store, name)


def test_an_entry_that_nothing_here_wrote_does_not_keep_the_others_waiting(store: Store) -> None:
    store.put("inbox/webhook/waiting/a", b"junk", None)
    inbox = Inbox(store)
    recorded(inbox)
    assert ids(inbox.take(T, 20, 10)) == {"e1"}


# -- a process that dies between two writes --------------------------------------------------------------------------


class Dies(Exception):
    """The process ends here."""


class Wrapped(Store):
    """A store over another; the loops are its own, over its own primitives."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, key: str) -> Entry | None:
        return self._store.read(key)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        return self._store.put(key, value, version)

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
        return self._store.scan(prefix, after, limit)

    def lease(self, key: str, seconds: float) -> Lease | None:
        return self._store.lease(key, seconds)

    def close(self) -> None:
        self._store.close()


class Mortal(Wrapped):
    """A store whose process dies before the n-th write: that write and all later ones never happen."""

    def __init__(self, store: Store, writes: int) -> None:
        super().__init__(store)
        self._left = writes

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        if self._left == 0:
            raise Dies
        self._left -= 1
        return super().put(key, value, version)


def finish(inbox: Inbox, now: float) -> list[str]:
    """Deliver all that is due; returns what was delivered."""
    delivered = []
    while taken := inbox.take(now, 20, 1):
        delivered.append(taken[0].event_id)
        inbox.done(taken[0], now)
    return delivered


@pytest.mark.parametrize("writes", [0, 1])
def test_a_kill_while_recording_loses_nothing_that_was_acknowledged(store: Store, writes: int) -> None:
    acknowledged = False
    with contextlib.suppress(Dies):
        acknowledged = recorded(Inbox(Mortal(store, writes))) is not None
    assert acknowledged is (writes == 1)
    inbox = Inbox(store)
    again = inbox.record("e1", BODY, {}, T + 300)  # the vendor sends it again where it heard nothing
    assert (again is None) is acknowledged
    assert finish(inbox, T + 300) == ["e1"]


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_kill_after_the_handler_delivers_again_only_where_the_mark_was_not_written(store: Store, writes: int) -> None:
    event = recorded(Inbox(store), lease=20)
    with contextlib.suppress(Dies):
        Inbox(Mortal(store, writes)).done(event, T)
    inbox = Inbox(store)
    assert inbox.record("e1", BODY, {}, T + 300) is None
    assert finish(inbox, T + 300) == (["e1"] if writes == 0 else [])
    assert not ids(inbox.waiting())


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_kill_while_an_event_is_put_aside_keeps_it_once(store: Store, writes: int) -> None:
    event = recorded(Inbox(store, pauses=()), lease=20)
    with contextlib.suppress(Dies):
        Inbox(Mortal(store, writes), pauses=()).fail(event, T, "broken")
    inbox = Inbox(store, pauses=())
    for taken in inbox.take(T + 300, 20, 10):
        inbox.fail(taken, T + 300, "broken")
    assert [event.event_id for event in inbox.aside()] == ["e1"]
    assert not ids(inbox.waiting())


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_kill_during_a_replay_loses_nothing(store: Store, writes: int) -> None:
    inbox = Inbox(store, pauses=())
    inbox.fail(recorded(inbox), T, "broken")
    with contextlib.suppress(Dies):
        Inbox(Mortal(store, writes)).replay("e1", T + 1)
    delivered = finish(inbox, T + 2)
    if writes == 0:
        assert delivered == [] and ids(inbox.aside()) == {"e1"}
        inbox.replay("e1", T + 3)
        delivered = finish(inbox, T + 3)
    assert delivered == ["e1"]


def test_a_repeat_that_arrives_while_its_event_is_being_finished_is_not_delivered(store: Store) -> None:
    """The repeat looks before the mark is written, and writes after the event is gone."""
    inbox = Inbox(store)
    event = recorded(inbox)

    class Late(Wrapped):
        looked = False

        def read(self, key: str) -> Entry | None:
            found = super().read(key)
            if "/aside/" in key and not self.looked:
                self.looked = True
                inbox.done(event, T + 1)
            return found

    assert Inbox(Late(store)).record("e1", BODY, {}, T + 1) is None
    assert finish(inbox, T + 300) == []


def test_a_store_that_fails_says_so(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite3"
    store = open_store(f"sqlite:///{path}")
    store.close()
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError):
        Inbox(store).record("e1", BODY, {}, T)
