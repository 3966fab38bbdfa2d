"""One damaged entry is skipped, logged and set aside; everything around it goes on, and a wrong key is no damage."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from connector_runtime.connections.connections import Connections, PendingSignIns
from connector_runtime.connections.oauth_requests import ConnectionRecord, Tokens
from connector_runtime.errors import AuthError, StoreError
from connector_runtime.pacing.limits import Quotas
from connector_runtime.service.problems import ServiceRefusal
from connector_runtime.service.records import RETENTION, ApiKeys, Idempotency
from connector_runtime.stores.databases import SEAL, Sealed, open_store
from connector_runtime.stores.store import DAMAGED, DamagedEntry, Entry, MemoryStore, Store
from zoom_connector import Connector

from .conftest import OAUTH2

if TYPE_CHECKING:
    from .conftest import Person

GRANTED = Tokens(granted={"access_token": "a"}, refresh_token="r", expires_at=4e9, lifetime=3600.0, scopes=("x:y",))
DAY = 86400
BYTES = st.binary(max_size=60)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
SHORT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def number(value: bytes) -> int:
    return int(json.loads(value)["n"])


def keys(store: Store, prefix: str = "") -> list[str]:
    return [key for key, _ in store.scan(prefix)]


# -- the mechanism ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", b"{}", b'{"n": "x"}', b'{"n": null}', b'{"n": 1e999}'])
def test_rows_leaves_out_what_cannot_be_read_and_sets_it_aside_once(
    store: Store, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "abcd":
        store.put(f"x/{name}", b'{"n": 1}' if name != "b" else damage, None)
    store.put("y/a", b"no row of these", None)
    with caplog.at_level(logging.ERROR):
        found = [*store.rows("x/", number)]
        assert [(key, value) for key, value, _ in found] == [("x/a", 1), ("x/c", 1), ("x/d", 1)]
        assert [entry for *_, entry in found] == [store.read(key) for key, *_ in found]
        assert [*store.rows("x/", number)] == found
    assert [record.getMessage() for record in caplog.records] == [
        "The store's entry x/b is damaged and was moved to damaged/x/b."
    ]
    assert store.read("x/b") is None
    aside = store.read("damaged/x/b")
    assert aside is not None
    assert aside.value == damage
    assert store.read("y/a") is not None


def test_rows_goes_on_after_a_key_and_ends_at_a_limit_that_counts_what_can_be_read(store: Store) -> None:
    for count in range(230):
        store.put(f"x/{count:03}", b"damaged" if count < 120 else b'{"n": %d}' % count, None)
    assert [value for _, value, _ in store.rows("x/", number, limit=2)] == [120, 121]
    assert [value for _, value, _ in store.rows("x/", number, after="x/200", limit=150)] == [*range(201, 230)]
    assert [value for _, value, _ in store.rows("x/", number)] == [*range(120, 230)]
    assert [*store.rows("x/", number, limit=0)] == []


def test_an_entry_that_changed_meanwhile_is_not_set_aside(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    version = store.put("x", b"damaged", None)
    store.put("x", b"good", version)
    store.set_aside("x", Entry(b"damaged", version or 0))
    entry = store.read("x")
    assert entry is not None
    assert entry.value == b"good"
    assert caplog.records == []


def test_what_lies_aside_stays_there_and_a_long_key_fits(store: Store) -> None:
    long = f"x/{'k' * 498}"
    store.put(long, b"damaged", None)
    assert [*store.rows("x/", number)] == []
    assert [*store.rows(DAMAGED, number)] == []
    assert keys(store) == [f"{DAMAGED}{long}"[:500]]


class ReadOnly(MemoryStore):
    """A store that can't be written any more."""

    is_closed = False

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        if self.is_closed:
            raise StoreError("The store may only be read.")
        return super().put(key, value, version)


def test_a_store_that_cannot_be_written_gives_the_other_rows_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    store = ReadOnly()
    store.put("x/a", b"damaged", None)
    store.put("x/b", b'{"n": 2}', None)
    store.is_closed = True
    assert [value for _, value, _ in store.rows("x/", number)] == [2]
    assert "can't be moved: The store may only be read." in caplog.text


def test_one_entry_that_is_asked_for_and_cannot_be_read_is_a_typed_error(store: Store) -> None:
    store.put("x", b"damaged", None)
    store.put("y", b'{"n": 3}', None)
    with pytest.raises(DamagedEntry, match="The store's entry x is damaged") as caught:
        store.value("x", number)
    assert caught.value.to_dict() == {
        "kind": "store",
        "message": "The store's entry x is damaged.",
        "hint": "Restore it from a backup, or create it again.",
        "problems": [],
        "retriable": False,
    }
    assert store.value("y", number) == (3, store.read("y"))
    assert store.value("z", number) is None


@pytest.mark.parametrize(
    ("value", "bytes_"), [("'text'", b"text"), ("5", b"5"), ("1.5", b"1.5"), ("CAST(x'ff41' AS TEXT)", b"\xffA")]
)
def test_what_another_program_wrote_into_sqlite_as_no_bytes_is_an_entry_all_the_same(
    tmp_path: Path, value: str, bytes_: bytes
) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    store.put("x/a", b'{"n": 1}', None)
    store.put("x/b", b'{"n": 2}', None)
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute(f"UPDATE entries SET value = {value} WHERE key = 'x/a'")
    other.close()
    entry = store.read("x/a")
    assert entry is not None
    assert entry.value == bytes_
    assert [value for _, value, _ in store.rows("x/", number)] == [2]
    store.close()


# -- sealed ----------------------------------------------------------------------------------------------------------


def sealed(key: str) -> tuple[MemoryStore, Sealed]:
    inner = MemoryStore()
    store = Sealed(inner, [key])
    for name in "abc":
        store.put(f"x/{name}", b'{"n": 1}', None)
    return inner, store


def damage(inner: Store, key: str, value: bytes) -> None:
    inner.update(key, lambda old: value)


def moved(inner: MemoryStore) -> bytes:
    entry = inner.read("x/a")
    assert entry is not None
    return entry.value


DAMAGES: dict[str, Callable[[MemoryStore], bytes]] = {
    "garbage": lambda inner: b"garbage",
    "nothing": lambda inner: b"",
    "a bit": lambda inner: moved(inner)[:-3] + b"AA=",
    "another place's": moved,
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_sealed_entry_that_does_not_open_is_set_aside_as_it_lies(
    key: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    inner, store = sealed(key)
    raw = DAMAGES[what](inner)
    damage(inner, "x/b", raw)
    with pytest.raises(DamagedEntry, match="copied from another" if what == "another place's" else "is damaged"):
        store.read("x/b")
    assert [name for name, *_ in store.rows("x/", number)] == ["x/a", "x/c"]
    assert [*store.walk("")] == [("damaged/x/b", inner.read("damaged/x/b")), *store.scan("x/")]
    assert [name for name, _ in store.scan("x/", limit=1)] == ["x/a"]
    aside = inner.read("damaged/x/b")
    assert aside is not None
    assert aside.value == raw
    assert len(caplog.records) == 1
    assert store.rekey() == 2


def test_a_sealed_entry_that_opens_but_cannot_be_read_is_sealed_where_it_lies_aside(key: str) -> None:
    _, store = sealed(key)
    store.update("x/b", lambda old: b"damaged")
    assert [name for name, *_ in store.rows("x/", number)] == ["x/a", "x/c"]
    entry = store.read("damaged/x/b")
    assert entry is not None
    assert entry.value == b"damaged"
    assert store.rekey() == 3


def test_what_is_damaged_can_be_written_over(key: str) -> None:
    inner, store = sealed(key)
    damage(inner, "x/b", b"garbage")
    olds: list[bytes | None] = []

    def change(old: bytes | None) -> bytes:
        olds.append(old)
        return b'{"n": 5}'

    store.update("x/b", change)
    assert olds == [None]
    assert [value for _, value, _ in store.rows("x/", number)] == [1, 5, 1]


def test_a_wrong_key_sets_nothing_aside_and_writes_nothing(key: str) -> None:
    inner, _ = sealed(key)
    before = inner.scan("")
    wrong = Sealed(inner, ["A" * 43 + "="])
    asks: list[Callable[[], Any]] = [
        lambda: wrong.read("x/a"),
        lambda: wrong.scan("x/"),
        lambda: [*wrong.rows("x/", number)],
        lambda: wrong.put("x/new", b"1", None),
        lambda: wrong.update("x/a", lambda old: b"1"),
        wrong.rekey,
    ]
    for ask in asks:
        with pytest.raises(StoreError, match="is encrypted with another key") as caught:
            ask()
        assert not isinstance(caught.value, DamagedEntry)
        assert (
            caught.value.hint == "Use the key that encrypted it. If that is lost, delete the store and connect again."
        )
    assert inner.scan("") == before


def test_a_store_that_was_sealed_before_there_were_marks_is_known_by_what_opens(key: str) -> None:
    inner, _ = sealed(key)
    inner.update(SEAL, lambda old: None)
    damage(inner, "x/a", b"garbage")
    with pytest.raises(StoreError, match="another key"):
        Sealed(inner, ["A" * 43 + "="]).put("x/d", b"1", None)
    assert inner.read(SEAL) is None
    store = Sealed(inner, [key])
    assert [name for name, *_ in store.rows("x/", number)] == ["x/b", "x/c"]
    store.put("x/d", b'{"n": 4}', None)
    assert inner.read(SEAL) is not None


def test_a_mark_that_is_damaged_is_made_anew(key: str) -> None:
    inner, _ = sealed(key)
    damage(inner, SEAL, b"garbage")
    damage(inner, "x/a", b"garbage")
    store = Sealed(inner, [key])
    assert [name for name, *_ in store.rows("x/", number)] == ["x/b", "x/c"]
    store.put("x/d", b'{"n": 4}', None)
    mark = inner.read(SEAL)
    assert mark is not None
    assert mark.value != b"garbage"


def test_a_process_that_lacks_the_newest_key_does_not_take_what_that_sealed_for_damaged(key: str) -> None:
    inner, behind = sealed(key)
    ahead = Sealed(inner, ["B" * 43 + "=", key])
    ahead.put("x/d", b'{"n": 4}', None)
    with pytest.raises(StoreError, match="another key"):
        [*behind.rows("x/", number)]
    assert keys(inner, DAMAGED) == []
    assert [name for name, *_ in ahead.rows("x/", number)] == ["x/a", "x/b", "x/c", "x/d"]


def test_the_mark_is_no_entry_of_ours_and_follows_the_keys(key: str) -> None:
    inner, store = sealed(key)
    assert SEAL in keys(inner)
    assert SEAL not in keys(store)
    both = Sealed(inner, ["B" * 43 + "=", key])
    assert both.rekey() == 3
    alone = Sealed(inner, ["B" * 43 + "="])
    alone.put("x/d", b'{"n": 4}', None)
    assert len(alone.scan("x/")) == 4


# -- what the product keeps ------------------------------------------------------------------------------------------


@pytest.fixture(params=["plain", "sealed"])
def kept(request: pytest.FixtureRequest, key: str) -> tuple[Store, MemoryStore]:
    """A store, and where its bytes lie."""
    inner = MemoryStore()
    return (inner if request.param == "plain" else Sealed(inner, [key])), inner


def test_a_damaged_connection_says_connect_again_and_the_others_go_on(
    connector: Connector, kept: tuple[Store, MemoryStore]
) -> None:
    store, raw = kept
    connections = Connections(connector, store, "acme")
    for name in ("one", "two", "three"):
        connections.adopt("oauth2", OAUTH2, GRANTED, name=name)
    stored = connections.open("two")
    damage(raw, connections._key("two"), b"garbage")
    asks = (lambda: connections.open("two"), lambda: connections.summary("two"), lambda: connections.test("two"))
    for ask in (*asks, lambda: connections.missing("two"), lambda: connections.disconnect("two"), stored.record):
        with pytest.raises(AuthError, match="The stored connection two is damaged") as caught:
            ask()
        assert caught.value.hint == "Sign in again: reconnect two."
    assert connections.open("one")() == {"access_token": "a"}
    assert [summary.name for summary in connections.list()] == ["one", "three"]
    connections.adopt("oauth2", OAUTH2, GRANTED, name="two")
    assert connections.names() == ["one", "three", "two"]


def test_a_damaged_connection_can_be_made_anew_at_once(connector: Connector, kept: tuple[Store, MemoryStore]) -> None:
    store, raw = kept
    connections = Connections(connector, store, "acme")
    connections.adopt("oauth2", OAUTH2, GRANTED)
    damage(raw, connections._key("main"), b"garbage")
    connections.adopt("oauth2", OAUTH2, GRANTED)
    assert connections.summary("main").health == "ready"


def test_a_damaged_sign_in_is_none_and_hinders_no_other(person: Person, kept: tuple[Store, MemoryStore]) -> None:
    store, raw = kept
    connections = person.connections(store)
    lost = person.sign_in(person.begin(connections, name="lost"))
    (at,) = keys(raw, "pending/")
    damage(raw, at, b"[]")
    with pytest.raises(AuthError, match="was already used"):
        connections.finish(lost)
    assert person.connect(connections) == "main"
    assert connections.names() == ["main"]
    assert [name for name in keys(raw, "pending/") if name == at] == []  # the next sign-in found it


def test_a_damaged_api_key_is_refused_and_the_others_are_good(
    connector: Connector, kept: tuple[Store, MemoryStore]
) -> None:
    store, raw = kept
    api = ApiKeys(store, connector.key)
    made = [api.create("acme", label) for label in ("one", "two", "three")]
    damage(raw, f"service/{connector.key}/keys/{made[1][1].id}", b"{}")
    assert [api.find(text) for text, _ in made] == [made[0][1], None, made[2][1]]
    assert sorted(each.label for each in api.list()) == ["one", "three"]


def test_a_service_whose_only_key_is_damaged_does_not_stand_open(
    connector: Connector, kept: tuple[Store, MemoryStore]
) -> None:
    store, raw = kept
    api = ApiKeys(store, connector.key)
    assert not api.exist()
    _, made = api.create("acme")
    assert api.exist()
    damage(raw, f"service/{connector.key}/keys/{made.id}", b"garbage")
    assert list(api.list()) == []
    assert api.exist()


def test_a_damaged_first_answer_may_have_been_done_and_the_purge_goes_on(
    connector: Connector, kept: tuple[Store, MemoryStore]
) -> None:
    store, raw = kept
    now = [1000.0]
    first_answers = Idempotency(store, connector.key, 60.0, lambda: now[0])
    for name in ("one", "two"):
        first_answers.begin("acme", name, {}, "create").end(None)  # type: ignore[union-attr]
        first_answers.begin("acme", name, {}, "create")
    first, second = keys(raw, f"service/{connector.key}/idempotency/")
    damage(raw, first, b"[]")
    refused = {}
    for name in ("one", "two"):
        with pytest.raises(ServiceRefusal) as caught:
            first_answers.begin("acme", name, {}, "create")
        refused[caught.value.kind] = caught.value
    assert set(refused) == {"may_have_been_done", "in_flight"}
    assert refused["may_have_been_done"].may_have_been_done
    assert not refused["may_have_been_done"].retriable
    now[0] += RETENTION
    assert first_answers.purge() == 1
    assert keys(raw, "service/") == []
    assert keys(raw, DAMAGED) == [f"{DAMAGED}{first}"]
    assert second not in keys(raw)


def test_a_damaged_count_of_a_quota_begins_anew_and_the_others_count_on() -> None:
    store = MemoryStore()
    quotas = Quotas(store, "pacing")
    now = 20_000.0 * DAY
    for _ in range(2):
        assert quotas.count([("one", 3), ("two", 3)], now) is None
    place = next(key for key in keys(store) if key.endswith("/one"))
    damage(store, place, b'["x", {}]')
    assert quotas.count([("one", 3), ("two", 3)], now) is None
    assert [json.loads(entry.value) for _, entry in store.scan("pacing/quotas/")] == [[1, 0.0], [3, 0.0]]
    assert quotas.count([("one", 3), ("two", 3)], now) == now + DAY


# -- any bytes, any JSON ---------------------------------------------------------------------------------------------


@given(BYTES | JSON.map(lambda value: json.dumps(value).encode()))
@SHORT
def test_any_bytes_in_a_connections_place_are_a_typed_error_and_hinder_no_list(
    connector: Connector, value: bytes
) -> None:
    store = MemoryStore()
    connections = Connections(connector, store, "acme")
    connections.adopt("oauth2", OAUTH2, GRANTED, name="good")
    store.put(connections._key("bad"), value, None)
    with pytest.raises(AuthError, match="is damaged"):
        connections.open("bad")
    assert connections.names() == ["good"]


FIELDS = ["kind", "values", "tokens", "origin", "identity", "account", "connected_at", "dead", "seen"]
TOKENS = ["granted", "refresh_token", "expires_at", "lifetime", "scopes"]


@given(st.sampled_from([*FIELDS, *TOKENS]), JSON)
@SHORT
def test_any_json_in_a_field_of_a_record_is_damaged_or_a_connection_that_can_be_listed_and_asked(
    connector: Connector, name: str, value: Any
) -> None:
    store = MemoryStore()
    connections = Connections(connector, store, "acme")
    whole = json.loads(ConnectionRecord(kind="oauth2", values=OAUTH2, tokens=GRANTED).write())
    (whole["tokens"] if name in TOKENS else whole)[name] = value
    store.put(connections._key("main"), json.dumps(whole).encode(), None)
    for summary in connections.list():
        assert summary.expires_at is None or time.gmtime(summary.expires_at)
        ConnectionRecord.read(
            ConnectionRecord.read((store.read(connections._key("main")) or Entry(b"", 0)).value).write()
        )
    try:
        connections.open("main").ready(None)
    except (AuthError, StoreError) as error:
        assert error.message
    except Exception as error:
        assert type(error).__name__ == "InputError", error  # a kind that is none


@given(BYTES | JSON.map(lambda value: json.dumps(value).encode()))
@SHORT
def test_any_bytes_in_the_services_places_are_left_out_or_a_typed_error(connector: Connector, value: bytes) -> None:
    store = MemoryStore()
    api = ApiKeys(store, connector.key)
    text, _ = api.create("acme")
    (place,) = keys(store)
    damage(store, place, value)
    api.find(text)
    assert list(api.list()) == []
    pending = PendingSignIns(store, "pending/", name=str)
    pending.add("state", {"name": "x"})
    (place,) = keys(store, "pending/")
    damage(store, place, value)
    with pytest.raises(AuthError):
        pending.take("state")
    kept = Idempotency(store, connector.key, 60.0, time.time)
    kept.begin("acme", "key", {}, "create")
    (place,) = keys(store, f"service/{connector.key}/idempotency/")
    damage(store, place, value)
    with pytest.raises(ServiceRefusal):
        kept.begin("acme", "key", {}, "create")
    kept.purge()
    assert keys(store, f"service/{connector.key}/idempotency/") == []
