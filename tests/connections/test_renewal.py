"""A token is renewed by one at a time, stored before it is used, and survives whatever happens in between."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from plays import Play

from connector_runtime.connections import oauth
from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth import AsyncStoredConnection
from connector_runtime.connections.oauth_requests import ConnectionRecord, Renewal, Tokens
from connector_runtime.errors import AuthError, MissingScope, StoreError, TransportError
from connector_runtime.model import Response
from connector_runtime.steps import Acquire, Now, Read, Release, Send, Wait, Write
from connector_runtime.stores.databases import Sealed, open_store
from connector_runtime.stores.store import MemoryStore, Store
from tests.connections.hanging import hanging
from zoom_connector import AsyncClient, Client, Connector
from zoom_connector.sandbox import Sandbox

if TYPE_CHECKING:
    from .conftest import Person

VALUES = {"client_id": "id", "client_secret": "secret"}
OLD = ConnectionRecord(
    kind="oauth2",
    values=VALUES,
    tokens=Tokens(granted={"access_token": "a1"}, refresh_token="r1", expires_at=1000.0, lifetime=3600.0),
)
LATER = Tokens(granted={"access_token": "a2"}, refresh_token="r2", expires_at=4600.0, lifetime=3600.0)
NEW = replace(OLD, tokens=LATER)
GIVEN = Response(
    status=200, headers={}, content=b'{"access_token": "a2", "refresh_token": "r2", "expires_in": 3600, "scope": ""}'
)
DEAD = Response(status=400, headers={}, content=b'{"reason": "Invalid Token!", "error": "invalid_grant"}')


def renewed(
    connector: Connector, script: list[tuple[type, Any]], rejected: dict[str, str] | None = None
) -> ConnectionRecord:
    """The record that a renewal gives whose steps, in this order, are answered so; an error in it is raised there."""
    answers: dict[type, list[Any]] = {}
    for kind, answer in script:
        answers.setdefault(kind, []).append(answer)
    play = Play(answers)
    try:
        (record,) = play(Renewal(connector.connections["oauth2"], "main", rejected, 5.0).steps())
    finally:
        assert [type(step) for step in play.steps] == [kind for kind, _ in script]
    return record  # type: ignore[no-any-return]


def at(seconds: float) -> tuple[type, datetime]:
    return Now, datetime.fromtimestamp(seconds, UTC)


START = [at(950.0), (Read, (OLD, 1)), at(950.0), (Acquire, True), (Read, (OLD, 1)), at(950.0)]


def test_a_token_is_renewed_a_minute_or_a_tenth_of_its_life_before_it_ends() -> None:
    hour = Tokens(granted={}, expires_at=10_000.0, lifetime=3600.0)
    assert not hour.is_due(9939.9)
    assert hour.is_due(9940.0)
    second = Tokens(granted={}, expires_at=10_000.0, lifetime=1.0)
    assert not second.is_due(9999.89)
    assert second.is_due(9999.9)
    assert not Tokens(granted={}).is_due(1e12)


def test_a_good_token_is_given_without_the_lease(connector: Connector) -> None:
    assert renewed(connector, [at(0.0), (Read, (OLD, 1)), at(0.0)]) == OLD


def test_the_new_pair_is_stored_before_it_is_given_and_the_lease_freed_after(connector: Connector) -> None:
    assert renewed(connector, [*START, (Send, GIVEN), (Write, 2), (Release, None)]).tokens.refresh_token == "r2"


def test_who_gets_the_lease_looks_again_and_takes_what_the_last_holder_stored(connector: Connector) -> None:
    script = [*START[:4], (Read, (NEW, 2)), at(950.0), (Release, None)]
    assert renewed(connector, script) == NEW


def test_who_does_not_get_the_lease_goes_on_with_a_token_that_is_still_good(connector: Connector) -> None:
    assert renewed(connector, [*START[:3], (Acquire, False)]) == OLD


def test_who_does_not_get_the_lease_and_has_no_good_token_waits_for_the_new_one(connector: Connector) -> None:
    late = [at(1001.0), (Read, (OLD, 1)), at(1001.0), (Acquire, False), (Wait, None)]
    assert renewed(connector, [*late, (Read, (NEW, 2)), at(1001.1)]) == NEW


def test_a_rejected_token_is_never_given_again(connector: Connector) -> None:
    early = [at(0.0), (Read, (OLD, 1)), at(0.0), (Acquire, False), (Wait, None)]
    assert renewed(connector, [*early, (Read, (NEW, 2)), at(0.0)], dict(OLD.tokens.granted)) == NEW


def test_a_rejected_token_that_was_renewed_meanwhile_costs_no_refresh(connector: Connector) -> None:
    assert renewed(connector, [at(0.0), (Read, (NEW, 2)), at(0.0)], dict(OLD.tokens.granted)) == NEW


def test_waiting_for_a_holder_ends_with_a_clear_message(connector: Connector) -> None:
    with pytest.raises(TransportError, match="Another process is still renewing the token of main") as caught:
        renewed(connector, [at(1001.0), (Read, (OLD, 1)), at(1030.0), (Acquire, False)])
    assert (caught.value.retriable, caught.value.may_have_been_done) == (True, False)


def test_on_invalid_grant_the_store_is_read_once_more_and_another_token_there_wins(connector: Connector) -> None:
    assert renewed(connector, [*START, (Send, DEAD), (Read, (NEW, 2)), (Release, None)]) == NEW


def test_on_invalid_grant_with_nothing_new_in_the_store_the_connection_is_dead_and_says_reconnect(
    connector: Connector,
) -> None:
    with pytest.raises(AuthError, match="main has ended: Invalid Token!") as caught:
        renewed(connector, [*START, (Send, DEAD), (Read, (OLD, 1)), (Write, 2)])
    assert "reconnect main" in (caught.value.hint or "")


def refusal(status: int, **body: Any) -> Response:
    return Response(status=status, headers={}, content=json.dumps(body).encode())


VERDICTS = {
    "an invalid grant": refusal(400, reason="Invalid Token!", error="invalid_grant"),
    "an invalid grant, unauthorized": refusal(401, reason="Invalid Token!", error="invalid_grant"),
    "an invalid request for the token's sake": refusal(401, reason="Invalid Token!", error="invalid_request"),
    "the user left": refusal(400, errorCode=4735, errorMessage="The owner of the token does not exist."),
}
FAULTS = {
    "another invalid request": refusal(400, reason="Missing grant type.", error="invalid_request"),
    "a wrong client secret": refusal(401, reason="Invalid client_id or client_secret", error="invalid_client"),
}
TROUBLE = {
    "a gateway that repeats the words": refusal(502, reason="Invalid Token!", error="invalid_grant"),
    "a server that is busy": refusal(503, error="invalid_grant"),
    "too many requests": refusal(429, reason="Invalid Token!", error="invalid_request"),
    "a page": Response(status=200, headers={}, content=b"<html>Invalid Token!</html>"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_refresh_token_that_zoom_calls_over_ends_the_connection(connector: Connector, name: str) -> None:
    with pytest.raises(AuthError, match="main has ended") as caught:
        renewed(connector, [*START, (Send, VERDICTS[name]), (Read, (OLD, 1)), (Write, 2)])
    assert caught.value.status == VERDICTS[name].status
    assert "reconnect main" in (caught.value.hint or "")


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_the_set_up_is_told_and_ends_nothing(connector: Connector, name: str) -> None:
    with pytest.raises(AuthError, match="The token of main was refused"):
        renewed(connector, [*START, (Send, FAULTS[name])])


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_at_the_token_endpoint_ends_nothing(connector: Connector, name: str) -> None:
    assert renewed(connector, [*START, (Send, TROUBLE[name]), (Release, None)]) == OLD
    late = [at(1001.0), (Read, (OLD, 1)), at(1001.0), (Acquire, True), (Read, (OLD, 1)), at(1001.0)]
    with pytest.raises(TransportError, match="The token of main could not be renewed") as caught:
        renewed(connector, [*late, (Send, TROUBLE[name])])
    assert (caught.value.retriable, caught.value.hint) == (True, "The connection is kept. Try again.")


def test_where_there_is_no_other_token_the_vendors_own_refusal_is_what_the_call_ends_with(connector: Connector) -> None:
    spent = replace(OLD, tokens=replace(OLD.tokens, refresh_token=None))
    early = [at(0.0), (Read, (spent, 1)), at(0.0), (Acquire, True), (Read, (spent, 1)), at(0.0), (Release, None)]
    assert renewed(connector, early, dict(OLD.tokens.granted)) == spent
    late = [at(1001.0), (Read, (spent, 1)), at(1001.0), (Acquire, True), (Read, (spent, 1)), at(1001.0)]
    with pytest.raises(AuthError, match="its token has expired and cannot be renewed"):
        renewed(connector, late)


def test_who_waits_for_another_looks_less_and_less_often(connector: Connector) -> None:
    waits: list[float] = []
    late = replace(OLD, tokens=replace(OLD.tokens, expires_at=0.0))

    def wait(step: Wait) -> None:
        waits.append(step.seconds)

    found = [(late, 1)] * 7 + [(NEW, 2)]
    play = Play({Now: datetime.fromtimestamp(950.0, UTC), Read: found, Acquire: False, Wait: wait})
    assert [*play(Renewal(connector.connections["oauth2"], "main", None, 5.0).steps())] == [NEW]
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_dead_connection_asks_nobody(connector: Connector) -> None:
    dead = replace(OLD, dead="Invalid Token! (400 Bad Request).")
    with pytest.raises(AuthError, match="reconnect main"):
        renewed(connector, [at(0.0), (Read, (dead, 1)), at(0.0)])


def test_what_another_wrote_meanwhile_is_kept_beside_the_new_pair(connector: Connector) -> None:
    named = replace(OLD, identity="ann@example.com")
    kept = renewed(connector, [*START, (Send, GIVEN), (Write, None), (Read, (named, 2)), (Write, 3), (Release, None)])
    assert (kept.identity, kept.tokens.refresh_token) == ("ann@example.com", "r2")


def test_a_connection_made_anew_meanwhile_wins_over_the_renewed_one(connector: Connector) -> None:
    fresh = replace(OLD, tokens=replace(OLD.tokens, refresh_token="r9"))
    assert renewed(connector, [*START, (Send, GIVEN), (Write, None), (Read, (fresh, 2)), (Release, None)]) == fresh


def test_a_connection_that_was_ended_meanwhile_says_so(connector: Connector) -> None:
    with pytest.raises(AuthError, match="There is no connection main"):
        renewed(connector, [*START, (Send, GIVEN), (Write, None), (Read, None)])


@pytest.mark.parametrize("trouble", [TransportError("gone"), Response(status=503, headers={}, content=b"<html>")])
def test_a_token_that_is_still_good_outlives_a_token_endpoint_in_trouble(connector: Connector, trouble: Any) -> None:
    assert renewed(connector, [*START, (Send, trouble), (Release, None)]) == OLD


def test_a_record_survives_the_store_and_shows_no_secret(connector: Connector) -> None:
    record = replace(NEW, identity="ann@example.com", origin="https://zoomgov.com", dead="x")
    assert ConnectionRecord.read(record.write()) == record
    assert not any(secret in repr(record) for secret in ("secret", "a2", "r2"))


# -- against a real token endpoint -----------------------------------------------------------------------------------


def due(person: Person, connections: Connections) -> None:
    """A connection whose token has ended; the next one lives for an hour."""
    person.zoom.oauth.lifetime = 0.0
    person.connect(connections)
    person.zoom.oauth.lifetime = 3600.0


def test_of_many_threads_one_renews_and_all_use_the_new_token(person: Person, store: Store, zoom: Sandbox) -> None:
    connections = person.connections(store)
    due(person, connections)
    holders = [connections.open() for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        given = list(pool.map(lambda number: holders[number % 4]()["access_token"], range(32)))
    assert set(given) == {zoom.oauth.issued[-1]}
    assert len(zoom.oauth.spent) == 1


def test_of_many_tasks_one_renews_and_the_event_loop_goes_on(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    due(person, connections)
    zoom.inject(match="POST /oauth/token", delay=0.3)

    async def main() -> int:
        ticks = 0
        async with AsyncClient(person.connector, connection=connections.open_async(), base_url=zoom.base_url) as client:
            calls = [asyncio.create_task(client.run("get-user", {"user_id": "me"})) for _ in range(8)]
            while not all(call.done() for call in calls):
                await asyncio.sleep(0.01)
                ticks += 1
            assert {call.result().status for call in calls} == {200}
        return ticks

    assert asyncio.run(main()) > 5
    assert len(zoom.oauth.spent) == 1


def test_tasks_that_wait_for_a_renewal_take_up_no_threads_and_each_hear_of_its_failure(
    person: Person, connections: Connections, caplog: pytest.LogCaptureFixture
) -> None:
    person.connect(connections)
    heard, hold = threading.Event(), threading.Event()

    async def main(stored: AsyncStoredConnection) -> list[Any]:
        asked = [asyncio.create_task(stored()) for _ in range(40)]  # type: ignore[arg-type, var-annotated]
        while not heard.is_set():
            await asyncio.sleep(0.01)
        asked[0].cancel()
        assert len([thread for thread in threading.enumerate() if thread.name.startswith("vendor")]) == 1
        hold.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    with hanging(heard, hold) as origin:
        due = replace(OLD.tokens, expires_at=1.0)
        key, store = connections._key("main"), connections._store
        store.update(key, lambda old: replace(ConnectionRecord.read(old or b""), tokens=due, origin=origin).write())
        cancelled, *others = asyncio.run(main(connections.open_async()))
    assert isinstance(cancelled, asyncio.CancelledError)
    assert {type(error) for error in others} == {TransportError}
    assert len({id(error) for error in others}) == len(others)  # what a call notes on its error is its own
    del cancelled, others
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def test_a_token_endpoint_that_answers_without_end_is_left_before_its_lease_is_over(person: Person) -> None:
    connections = person.connections(MemoryStore(), seconds=0.2)
    person.connect(connections)
    heard, hold = threading.Event(), threading.Event()
    with hanging(heard, hold, drips=True) as origin:
        due = replace(OLD.tokens, expires_at=1.0)
        key, store = connections._key("main"), connections._store
        store.update(key, lambda old: replace(ConnectionRecord.read(old or b""), tokens=due, origin=origin).write())
        with pytest.raises(TransportError, match="No response in time") as caught:
            connections.open()()
    assert caught.value.retriable
    assert heard.is_set()


def test_who_brings_a_newer_rejected_token_than_the_one_being_renewed_gets_another(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    due(person, connections)

    async def main() -> tuple[Any, Any]:
        stored = connections.open_async()
        first = await stored()
        zoom.inject(match="POST /oauth/token", delay=0.2)
        asked = [asyncio.create_task(stored(first)) for _ in range(2)]  # type: ignore[arg-type, var-annotated]
        return first, await asyncio.gather(*asked)

    first, (one, two) = asyncio.run(main())
    assert one == two != first
    assert len(zoom.oauth.spent) == 2


def test_what_another_process_ends_is_noticed_within_a_second(
    person: Person, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.connect(connections)
    stored = connections.open()
    granted = stored()
    person.connections(connections._store).disconnect("main", revoke=False)
    assert stored() == granted
    monkeypatch.setattr(oauth, "RECORD_TTL", 0.0)
    with pytest.raises(AuthError, match="There is no connection main"):
        stored()
    stored.note(None, account="acc-1")  # nor does a note bring it back
    assert connections.names() == []


def test_connections_of_one_account_share_its_limits(person: Person, connections: Connections) -> None:
    for name in ("one", "two"):
        person.connect(connections, name=name)
    assert connections.open("one").account == connections._key("one")  # as long as nobody knows whose it is
    for name in ("one", "two"):
        connections.open(name).note(None, account="acc-1")
    one, two = (connections.open(name) for name in ("one", "two"))
    assert (one.account, two.account) == ("acc-1", "acc-1")
    assert one.connection != two.connection
    limits = person.connector.profile.limits
    sessions = [Client(person.connector, connection=each)._session for each in (one, two)]
    assert limits.per == "account"
    assert sessions[0]._account is sessions[1]._account is not None


def test_a_cancelled_task_does_not_lose_the_pair_that_is_on_its_way(person: Person, zoom: Sandbox) -> None:
    store = MemoryStore()
    connections = person.connections(store)
    due(person, connections)
    zoom.inject(match="POST /oauth/token", delay=0.2)

    async def main() -> None:
        task = asyncio.create_task(connections.open_async()())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())  # it waits for its threads
    assert person.connections(store).open()()["access_token"] == zoom.oauth.issued[-1]
    assert len(zoom.oauth.spent) == 1


def test_a_running_list_takes_the_new_token_mid_way(person: Person, connections: Connections, zoom: Sandbox) -> None:
    person.connect(connections)
    with Client(person.connector, connection=connections.open(), base_url=zoom.base_url) as client:
        pages = client.pages("list-meetings", {"user_id": "me"}, limit=None)
        first = next(pages)
        zoom.tokens.revoke(zoom.oauth.issued[-1])
        rest = [item for page in pages for item in page.items or ()]
    assert len((first.items or []) + rest) == 40
    assert {r.header("authorization") for r in zoom.requests if r.target.startswith("/v2")} >= {
        f"Bearer {zoom.oauth.issued[0]}"
    }


def test_a_refused_token_is_renewed_once_and_not_for_ever(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    person.connect(connections)
    refusal = {"code": 124, "message": "Invalid access token."}
    zoom.inject(match="GET /v2/*", status=401, body=refusal, times=50)
    client = Client(person.connector, connection=connections.open(), base_url=zoom.base_url)
    with client, pytest.raises(AuthError, match="Invalid access token"):
        client.run("get-user", {"user_id": "me"})
    assert len(zoom.oauth.spent) == 1


def test_a_missing_scope_costs_no_refresh(person: Person, connections: Connections, zoom: Sandbox) -> None:
    zoom.oauth.register("sandbox-client", "sandbox-secret", scopes=["user:read:user"])
    person.connect(connections)
    client = Client(person.connector, connection=connections.open(), base_url=zoom.base_url)
    with client, pytest.raises(MissingScope, match="meeting:write:meeting"):
        client.run("create-meeting", {"user_id": "me", "topic": "x"})
    assert zoom.oauth.spent == []


def test_an_answer_that_is_lost_before_zoom_has_seen_the_request_costs_nothing(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    due(person, connections)
    stored = connections.open()
    zoom.inject(match="POST /oauth/token", drop="before")
    with pytest.raises(TransportError, match="could not be renewed") as caught:
        stored()
    assert caught.value.retriable
    assert stored()["access_token"] == zoom.oauth.issued[-1]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "body": b"<html>Bad gateway</html>", "content_type": "text/html"},
        {"status": 200, "body": b"<html>Sign in to the hotel</html>", "content_type": "text/html"},
        {"delay": 5.0},
    ],
    ids=["gateway", "html", "slow"],
)
def test_a_token_endpoint_in_trouble_leaves_the_refresh_token_in_the_store(
    person: Person, zoom: Sandbox, fault: dict[str, Any]
) -> None:
    connections = person.connections(MemoryStore(), seconds=0.3)
    due(person, connections)
    zoom.inject(match="POST /oauth/token", **fault)
    with pytest.raises(TransportError, match="The connection is kept"):
        connections.open()()
    assert connections.list()[0].health == "due"
    if "delay" not in fault:  # a slow answer may have spent it: the window that the protocol leaves open
        assert connections.open()()["access_token"] == zoom.oauth.issued[-1]


class Failing:
    """A store that another program or a full disk gets between: its next writes of entries fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failures = 0
        self.lease_fails = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        if self.failures:
            self.failures -= 1
            raise StoreError("The store is full.")
        return self._store.put(key, value, version)

    def lease(self, key: str, seconds: float) -> Any:
        if self.lease_fails:
            raise StoreError("The store may only be read.")
        return self._store.lease(key, seconds)


def test_a_store_that_cannot_be_written_is_noticed_before_the_refresh_token_is_spent(
    person: Person, zoom: Sandbox
) -> None:
    store = Failing(MemoryStore())
    connections = person.connections(store)
    due(person, connections)
    store.lease_fails = True
    with pytest.raises(StoreError, match="may only be read"):
        connections.open()()
    assert zoom.oauth.spent == []


def test_a_pair_that_cannot_be_stored_is_tried_again_then_held_and_stored_later(person: Person, zoom: Sandbox) -> None:
    store = Failing(MemoryStore())
    connections = person.connections(store)
    due(person, connections)
    stored = connections.open()
    store.failures = 2
    assert stored()["access_token"] == zoom.oauth.issued[-1]
    refused = stored()
    store.failures = 3
    with pytest.raises(StoreError, match="stays in memory"):
        stored(refused)
    assert stored(refused)["access_token"] == zoom.oauth.issued[-1]
    assert person.connections(store).open()()["access_token"] == zoom.oauth.issued[-1]
    assert len(set(zoom.oauth.spent)) == 2


# -- many processes, and processes that die --------------------------------------------------------------------------


class Worker:
    def __init__(self, url: str, key: str, base_url: str, seconds: float) -> None:
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), url, key, base_url, str(seconds)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, what: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture
def workers(shared_store_url: str, key: str, zoom: Sandbox) -> Iterator[Any]:
    made: list[Worker] = []

    def make(count: int, seconds: float) -> list[Worker]:
        made.extend(Worker(shared_store_url, key, zoom.base_url, seconds) for _ in range(count))
        assert [worker.hear() for worker in made] == ["ready"] * count
        return made

    yield make
    for worker in made:
        worker.close()


@pytest.fixture
def shared(shared_store_url: str, key: str, person: Person) -> Iterator[Connections]:
    store = Sealed(open_store(shared_store_url), [key])
    yield person.connections(store, seconds=0.3)
    store.close()


def test_eight_processes_on_one_connection_whose_tokens_live_a_second_lose_no_call_and_no_token(
    workers: Any, shared: Connections, person: Person, zoom: Sandbox
) -> None:
    crowd = workers(8, 5.0)
    zoom.oauth.lifetime = 1.0
    person.connect(shared)
    for worker in crowd:
        worker.tell({"calls": 20, "seconds": 10})
    assert [worker.hear() for worker in crowd] == [["200"] * 20] * 8
    asked = [request for request in zoom.requests if request.target == "/oauth/token"]
    assert {request.status for request in asked} == {200}
    assert len(zoom.oauth.spent) == len(set(zoom.oauth.spent))
    used = {r.header("authorization") for r in zoom.requests if r.target.startswith("/v2")}
    assert used <= {f"Bearer {token}" for token in zoom.oauth.issued}
    assert len(zoom.oauth.spent) == len(set(zoom.oauth.issued)) - 1
    assert 5 < len(zoom.oauth.spent) < 40  # each on its own would need eight times ten


STEPS = ["Now 1", "Read 1", "Now 2", "Acquire", "Read 2", "Now 3", "Send", "Write", "Release"]
WINDOW = {("Send", "after"), ("Write", "before")}


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL: this system has none")
def test_killed_before_or_after_any_step_the_connection_works_or_says_reconnect_in_one_window_alone(
    workers: Any, shared: Connections, person: Person, zoom: Sandbox, connector: Connector
) -> None:
    (worker,) = workers(1, 0.3)
    lost = set()
    for step in STEPS:
        for when in ("before", "after"):
            due(person, shared)
            worker.tell({"kill": [step, when]})
            assert worker.hear() == "signal 9", (step, when)
            with Client(connector, connection=shared.open("main"), base_url=zoom.base_url) as client:
                try:
                    assert client.run("get-user", {"user_id": "me"}).status == 200
                except AuthError as error:
                    assert "reconnect main" in str(error)
                    assert shared.list()[0].health == "dead"
                    lost.add((step, when))
    assert lost == WINDOW


def test_the_steps_that_are_killed_at_are_all_that_a_renewal_has(connector: Connector) -> None:
    script = [*START, (Send, GIVEN), (Write, 2), (Release, None)]
    renewed(connector, script)  # the only other step is to wait for another holder
    assert [kind.__name__ for kind, _ in script] == [step.partition(" ")[0] for step in STEPS]


def test_a_holder_that_died_keeps_others_waiting_no_longer_than_its_lease(person: Person, zoom: Sandbox) -> None:
    store = MemoryStore()
    connections = person.connections(store, seconds=0.2)
    due(person, connections)
    assert store.lease("lease/connections/zoom/acme/main", 4 * 0.2) is not None  # and its holder is gone
    began = time.monotonic()
    assert connections.open()()["access_token"] == zoom.oauth.issued[-1]
    assert time.monotonic() - began > 0.5
