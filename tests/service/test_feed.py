"""The feed of events: nothing is lost, whoever writes late, and nothing is given twice to who follows the cursor."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from connector_runtime.errors import InputError
from connector_runtime.language import json_text
from connector_runtime.service import feed as feeds
from connector_runtime.service.feed import Feed, FeedEvent, cursor, log_of, positions
from connector_runtime.stores.databases import open_store
from connector_runtime.stores.store import MemoryStore, Store
from tests.webhook.test_damage import Anything, planted
from zoom_connector import Connector, Notification

OWN = log_of("*", "*")
ALL: dict[str, frozenset[str] | None] = {OWN: None}
DAY = 24 * 3600.0


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    urls: dict[str, Callable[[], str]] = {
        "memory": lambda: "memory://",
        "sqlite": lambda: f"sqlite:///{tmp_path}/feed.db",
        "postgres": lambda: request.getfixturevalue("postgres_url"),
    }
    made = open_store(urls[request.param]())
    yield made
    made.close()


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Opens stores and closes them at the end."""
    with ExitStack() as held:

        def open_it(url: str) -> Store:
            return held.enter_context(closing(open_store(url)))

        yield open_it


@pytest.fixture
def note(connector: Connector) -> Callable[..., Notification]:
    """An event of its own for each number."""

    def made(number: int, **more: Any) -> Notification:
        said = {"account_id": "acc1", "object": {"id": str(number), "host_id": "h1"}, **more}
        body = json.dumps({"event": "meeting.started", "event_ts": 1700000000000 + number, "payload": said})
        return connector.triggers["webhook"].read(body.encode(), {}, "app")

    return made


@pytest.fixture
def wanted(connector: Connector) -> dict[str, Any]:
    return {"webhook": connector.triggers["webhook"].filter({})}


def local(store: Store, connector: Connector) -> Feed:
    return Feed(store, connector, is_local=True)


def numbers(found: list[Notification]) -> list[int]:
    return [int(each.object or "") for each in found]


Note = Callable[..., Notification]


def test_events_come_in_the_order_in_which_the_store_took_them(
    store: Store, connector: Connector, note: Note, wanted: Any
) -> None:
    feed = local(store, connector)
    for number in range(7):
        feed.add("webhook", note(number))
    first, at = feed.read(ALL, {}, 3, wanted)
    rest, at = feed.read(ALL, at, 10, wanted)
    assert (numbers(first), numbers(rest), at) == ([0, 1, 2], [3, 4, 5, 6], {OWN: 7})
    assert feed.read(ALL, at, 10, wanted) == ([], {OWN: 7})
    assert [key.rpartition("/")[2] for key, _ in store.scan("service/zoom/feed/")] == [
        f"{number:012}" for number in range(1, 8)
    ]


def test_a_writer_whose_clock_is_behind_is_still_read(
    connector: Connector, note: Note, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, clock = local(MemoryStore(), connector), time.time
    feed.add("webhook", note(1))
    _, at = feed.read(ALL, {}, 10, wanted)
    monkeypatch.setattr(time, "time", lambda: clock() - 5)
    feed.add("webhook", note(2))
    monkeypatch.undo()
    found, _ = feed.read(ALL, at, 10, wanted)
    assert numbers(found) == [2]


def test_an_event_that_arrives_while_sqlite_is_locked_is_still_read(
    tmp_path: Path, opened: Callable[[str], Store], connector: Connector, note: Note, wanted: Any
) -> None:
    url = f"sqlite:///{tmp_path}/feed.db"
    feed = local(opened(url), connector)
    feed.add("webhook", note(1))
    _, at = feed.read(ALL, {}, 10, wanted)
    other = sqlite3.connect(tmp_path / "feed.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=feed.add, args=("webhook", note(2)))
    waiting.start()
    late, at = local(opened(url), connector).read(ALL, at, 10, wanted)  # who reads meanwhile passes nothing
    assert late == []
    other.execute("ROLLBACK")
    other.close()
    waiting.join(20)
    assert numbers(feed.read(ALL, at, 10, wanted)[0]) == [2]


def test_a_postgresql_writer_that_commits_late_is_not_overtaken(
    postgres_url: str, opened: Callable[[str], Store], connector: Connector, note: Note, wanted: Any
) -> None:
    import psycopg

    feed = local(opened(postgres_url), connector)
    feed.add("webhook", note(1))
    _, at = feed.read(ALL, {}, 10, wanted)
    event = note(2)
    content = FeedEvent(time.time(), event.event_id, "webhook", "app", {}, event.body).write()
    with psycopg.connect(postgres_url) as late:  # another worker's feed, stopped between its insert and its commit
        late.execute("INSERT INTO entries VALUES (%s, %s, 1)", (f"service/zoom/feed/{OWN}/{2:012}", content))
        other = local(opened(postgres_url), connector)
        behind = threading.Thread(target=other.add, args=("webhook", note(3)))
        behind.start()
        behind.join(0.5)
        assert behind.is_alive()  # it waits for the one before it
        seen, at = feed.read(ALL, at, 10, wanted)
        assert (seen, at) == ([], {OWN: 1})
        late.commit()
    behind.join(20)
    assert numbers(feed.read(ALL, at, 10, wanted)[0]) == [2, 3]


def test_a_postgresql_writer_that_gives_up_leaves_its_number_to_the_next(
    postgres_url: str, opened: Callable[[str], Store], connector: Connector, note: Note, wanted: Any
) -> None:
    import psycopg

    feed = local(opened(postgres_url), connector)
    with psycopg.connect(postgres_url) as late:
        late.execute("INSERT INTO entries VALUES (%s, 'x', 1)", (f"service/zoom/feed/{OWN}/{1:012}",))
        behind = threading.Thread(target=feed.add, args=("webhook", note(3)))
        behind.start()
        late.rollback()
    behind.join(20)
    assert feed.read(ALL, {}, 10, wanted)[1] == {OWN: 1}


def test_who_follows_the_cursor_sees_each_event_once_while_several_write(
    store: Store, connector: Connector, note: Note, wanted: Any
) -> None:
    feed, seen, done = local(store, connector), list[int](), threading.Event()
    writers = [
        threading.Thread(
            target=lambda first: [feed.add("webhook", note(first + n)) for n in range(25)], args=(100 * w,)
        )
        for w in range(4)
    ]

    def follow() -> None:
        at: Any = {}
        while True:
            is_last = done.is_set()
            found, at = feed.read(ALL, positions("t", cursor("t", at)), 7, wanted)
            seen.extend(numbers(found))
            if is_last and not found:
                return

    reader = threading.Thread(target=follow)
    for each in (reader, *writers):
        each.start()
    for each in writers:
        each.join()
    done.set()
    reader.join(30)
    assert sorted(seen) == sorted(100 * writer + number for writer in range(4) for number in range(25))


def test_an_event_that_is_delivered_again_is_listed_once(
    store: Store, connector: Connector, note: Note, wanted: Any
) -> None:
    for number in (1, 2, 1, 3, 2):  # each by a worker that knows nothing of the others
        local(store, connector).add("webhook", note(number))
    assert numbers(local(store, connector).read(ALL, {}, 10, wanted)[0]) == [1, 2, 3]


def test_an_event_whose_writer_died_between_its_mark_and_its_entry_is_added_by_the_next(
    connector: Connector, note: Note, wanted: Any
) -> None:
    store, event = MemoryStore(), note(1)
    feed = local(store, connector)
    feed.add("webhook", note(0))
    store.put(f"service/zoom/fed/{OWN}/{event.event_id}", b"[1, 1700000000]", None)
    feed.add("webhook", event)
    feed.add("webhook", event)
    assert numbers(feed.read(ALL, {}, 10, wanted)[0]) == [0, 1]


class Counting(MemoryStore):
    """Counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def scan(self, prefix: str, after: str = "", limit: int = 100) -> Any:
        self.asked.append(limit)
        return super().scan(prefix, after, limit)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 8, 100, 1000])
def test_the_end_of_a_log_is_found_in_few_looks_also_where_its_beginning_is_gone(
    connector: Connector, note: Note, length: int
) -> None:
    store, event = Counting(), note(1)
    content = FeedEvent(time.time(), event.event_id, "webhook", "app", {}, event.body).write()
    for number in range(1, length + 1):
        store.put(f"service/zoom/feed/{OWN}/{number:012}", content, None)
    assert local(store, connector).end(OWN) == length
    assert len(store.asked) <= 22 and set(store.asked) == {1}
    for key, entry in store.scan("service/zoom/feed/", limit=length)[:-1]:
        store.remove(key, entry)
    assert local(store, connector).end(OWN) == length


def test_one_look_reads_a_thousand_events_at_most_and_still_gets_on(
    connector: Connector, note: Note, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MAX_EVENTS", 10)
    feed = local(MemoryStore(), connector)
    for number in range(25):
        feed.add("webhook", note(number))
    only = {"webhook": connector.triggers["webhook"].filter({"object": "24"})}
    at: Any = {}
    steps = []
    for _ in range(3):
        found, at = feed.read(ALL, at, 10, only)
        steps.append((numbers(found), at[OWN]))
    assert steps == [([], 10), ([], 20), ([24], 25)]


def test_an_answer_ends_with_the_event_that_makes_it_large(
    connector: Connector, note: Note, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "MAX_BYTES", 250)
    feed = local(MemoryStore(), connector)
    for number in range(5):
        feed.add("webhook", note(number))
    found, at = feed.read(ALL, {}, 10, wanted)
    assert (numbers(found), at) == ([0, 1], {OWN: 2})


def test_what_is_older_than_a_day_is_forgotten_and_no_number_is_given_again(
    store: Store, connector: Connector, note: Note, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = local(store, connector)
    for number in range(3):
        feed.add("webhook", note(number))
    _, at = feed.read(ALL, {}, 10, wanted)
    assert feed.purge() == 0 and len(store.scan("service/zoom/fed/")) == 3  # by which a repeat is known
    later = time.time() + DAY + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert feed.read(ALL, {}, 10, wanted) == ([], {OWN: 3})
    assert (feed.purge(), feed.purge()) == (3, 0)
    assert len(store.scan("")) == 1 and b"meeting" not in store.scan("")[0][1].value
    local(store, connector).add("webhook", note(9))
    found, at = feed.read(ALL, at, 10, wanted)
    assert (numbers(found), at) == ([9], {OWN: 4})
    local(store, connector).add("webhook", note(9))
    assert feed.read(ALL, at, 10, wanted) == ([], {OWN: 4})


def test_the_purge_keeps_the_last_entry_of_each_log(
    connector: Connector, note: Note, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    feed = Feed(store, connector, is_local=False)
    for account in ("a", "b"):
        for number in range(2):
            feed.add("webhook", note(number, account_id=account))
    later = time.time() + DAY + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert feed.purge() == 4
    assert {log: feed.end(log) for log in map(lambda account: log_of("app", account), "ab")} == {
        log_of("app", "a"): 2,
        log_of("app", "b"): 2,
    }


def test_events_of_several_logs_are_merged_by_their_time_and_none_starves(
    connector: Connector, note: Note, wanted: Any
) -> None:
    feed = Feed(MemoryStore(), connector, is_local=False)
    for number in range(6):
        feed.add("webhook", note(number, account_id="ab"[number % 2]))
    logs: dict[str, frozenset[str] | None] = {log_of("app", "a"): None, log_of("app", "b"): None}
    found, at = feed.read(logs, {}, 4, wanted)
    rest, _ = feed.read(logs, at, 4, wanted)
    assert (numbers(found), numbers(rest)) == ([0, 1, 2, 3], [4, 5])


def test_an_event_of_no_known_app_or_account_is_kept_for_nobody(connector: Connector, note: Note) -> None:
    store = MemoryStore()
    feed = Feed(store, connector, is_local=False)
    feed.add("webhook", note(1, account_id=None))
    feed.add("webhook", connector.triggers["webhook"].read(note(1).body, {}, None))
    assert store.scan("") == []


# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"\xff", b"[1]\n{}", b"{}\n{}", b'["soon","e","t",null,{}]\n{}', b"7"])
def test_a_damaged_entry_is_skipped_told_and_set_aside(
    connector: Connector, note: Note, wanted: Any, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    feed = local(store, connector)
    for number in range(3):
        feed.add("webhook", note(number))
    place = f"service/zoom/feed/{OWN}/{2:012}"
    store.update(place, lambda _: content)
    assert numbers(feed.read(ALL, {}, 10, wanted)[0]) == [0, 2]
    assert feed.purge() == 0
    feed.add("webhook", note(3))
    assert numbers(feed.read(ALL, {}, 10, wanted)[0]) == [0, 2, 3]
    assert [(key, entry.value) for key, entry in store.scan("damaged/")] == [(f"damaged/{place}", content)]
    assert place in caplog.text


def test_the_number_of_a_damaged_entry_is_not_given_again(
    connector: Connector, note: Note, wanted: Any, store: Store
) -> None:
    first, second = (Feed(store, connector, is_local=True) for _ in range(2))
    for number in (1, 2):
        first.add("webhook", note(number))
    assert second.end(OWN) == 2  # of another worker, which remembers it
    found, after = first.read(ALL, {}, 10, wanted)
    assert len(found) == 2
    for number in (1, 2):  # what was read before is damaged now
        store.update(first._key(OWN, number), lambda _: b"\0")
    for feed, number in ((Feed(store, connector, is_local=True), 3), (second, 4)):
        feed.add("webhook", note(number))
    assert [event.object for event in first.read(ALL, after, 10, wanted)[0]] == ["3", "4"]


def test_an_event_that_todays_definition_cannot_read_is_passed(connector: Connector, note: Note, wanted: Any) -> None:
    store = MemoryStore()
    feed = local(store, connector)
    for trigger, body in (("webhook", b"no JSON"), ("gone", b"{}")):
        content = FeedEvent(time.time(), "e", trigger, None, {}, body).write()
        store.put(f"service/zoom/feed/{OWN}/{feed.end(OWN) + 1:012}", content, None)
    feed.add("webhook", note(3))
    found, at = feed.read(ALL, {}, 10, wanted)
    assert (numbers(found), at) == ([3], {OWN: 3})


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=100))
def test_whatever_lies_in_the_feed_events_are_added_read_and_forgotten(connector: Connector, content: bytes) -> None:
    store, trigger = MemoryStore(), connector.triggers["webhook"]
    feed = local(store, connector)
    for place in (f"feed/{OWN}/{1:012}", "fed/x/y", "feed/x", "feed/x/1"):
        store.put(f"service/zoom/{place}", content, None)
    feed.add("webhook", trigger.read(b'{"event":"a"}', {}))
    found, _ = feed.read(ALL, {}, 10, {"webhook": trigger.filter({})})
    assert [each.event for each in found] == ["a"]
    feed.purge()


@settings(max_examples=150, deadline=None)
@given(values=st.lists(Anything, min_size=50, max_size=60), names=st.lists(Anything, max_size=2))
def test_any_event_is_kept_read_and_written_whatever_stands_where_the_definition_looks(
    connector: Connector, values: list[Any], names: list[Any]
) -> None:
    trigger = connector.triggers["webhook"]
    found = trigger.read(json.dumps(planted(trigger, [*names, *values])).encode(), {}, "app")
    for is_local in (True, False):
        feed = Feed(MemoryStore(), connector, is_local=is_local)
        feed.add("webhook", found)
        log = OWN if is_local else log_of("app", found.account)
        events, _ = feed.read({log: None}, {}, 10, {"webhook": trigger.filter({})})
        assert events == ([found] if is_local or found.account is not None else [])
        assert all(json_text.read(json_text.write(each.to_dict())) for each in events)
        mine, _ = feed.read({log: frozenset({"u-ada"})}, {}, 10, {"webhook": trigger.filter({})})
        assert mine == ([found] if events and "u-ada" in found.users else [])


# -- cursors ---------------------------------------------------------------------------------------------------------


def test_a_cursor_is_one_tenants_alone() -> None:
    given = cursor("one", {OWN: 5})
    assert positions("one", given) == {OWN: 5}
    with pytest.raises(InputError) as caught:
        positions("two", given)
    assert (caught.value.kind, caught.value.http_status) == ("input", 422)
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("cursor", "is not a valid cursor for this feed; omit it, or pass `now`")
    ]


def test_what_an_event_says_is_in_no_repr() -> None:
    shown = repr(FeedEvent(1.0, "e", "webhook", "app", {"x-secret": "s3cret"}, b"s3cret"))
    assert "s3cret" not in shown and "webhook" in shown


def test_a_cursor_of_a_thousand_logs_is_read() -> None:
    many = {log_of("app", str(number)): 10**12 - 1 for number in range(1000)}
    assert positions("t", cursor("t", many)) == many


def forged(data: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


MARK = json.loads(base64.urlsafe_b64decode(cursor("t", {}) + "=="))[0]


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "é", "\ud800", "====", "1700000000000", "1700000000000-0123456789abcdef", forged(None), forged([MARK]),
        forged([MARK, []]), forged([MARK, {OWN: -1}]), forged([MARK, {OWN: 10**12}]), forged([MARK, {OWN: 1.5}]),
        forged([MARK, {OWN: True}]), forged([MARK, {OWN: "1"}]), forged(["", {OWN: 1}]), forged([[], {}]),
        forged([MARK, {}, 1]), "W" * 19_999, cursor("t", {OWN: 1}) + "!",
    ],
)  # fmt: skip
def test_a_cursor_made_by_hand_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        positions("t", text)
    assert [problem.where for problem in caught.value.problems] == ["cursor"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=50) | st.binary(max_size=50).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_any_text_as_a_cursor_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(positions("t", text), dict)
    except InputError as error:
        assert [problem.where for problem in error.problems] == ["cursor"]
