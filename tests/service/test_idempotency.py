"""A run that is repeated with its idempotency key is done once, in one process and in several, whatever dies."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from connector_runtime.service import records
from connector_runtime.service.problems import ServiceRefusal
from connector_runtime.service.records import FirstAnswer, Idempotency, RunLock
from connector_runtime.stores.databases import open_store
from connector_runtime.stores.store import MemoryStore
from zoom_connector.sandbox import Sandbox

from .conftest import CREATE, MEETING, Command, Start, Tenants, until

KEY = {"Idempotency-Key": "order-4711"}


def created(zoom: Sandbox) -> int:
    return len([request for request in zoom.requests if request.method == "POST"])


def test_a_repeated_run_gives_the_first_result_and_says_so(tenants: Tenants, zoom: Sandbox) -> None:
    first = tenants.acme.post(CREATE, json=MEETING, headers=KEY)
    again = tenants.acme.post(CREATE, json=MEETING, headers=KEY)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    assert created(zoom) == 1


def test_the_order_of_a_bodys_keys_does_not_matter(tenants: Tenants, zoom: Sandbox) -> None:
    one = '{"inputs": {"user_id": "me", "topic": "a"}, "connection": "main"}'
    two = '{"connection": "main", "inputs": {"topic": "a", "user_id": "me"}}'
    headers = {**KEY, "Content-Type": "application/json"}
    assert [tenants.acme.post(CREATE, content=body, headers=headers).status_code for body in (one, two)] == [200, 200]
    assert created(zoom) == 1


@pytest.mark.parametrize(
    "other",
    [
        (CREATE, {"inputs": {"user_id": "me", "topic": "Another"}}),
        (CREATE, {**MEETING, "connection": "main"}),
        ("/v1/actions/list-users/run", {}),
    ],
)
def test_a_key_that_was_used_for_something_else_is_refused(
    tenants: Tenants, zoom: Sandbox, other: tuple[str, dict[str, Any]]
) -> None:
    tenants.acme.post(CREATE, json=MEETING, headers=KEY)
    refused = tenants.acme.post(other[0], json=other[1], headers=KEY)
    assert (refused.status_code, refused.json()["kind"]) == (422, "key_reused")
    assert created(zoom) == 1


def test_a_run_in_flight_is_not_done_a_second_time(tenants: Tenants, zoom: Sandbox) -> None:
    zoom.inject(match="POST /v2/users/me/meetings", delay=1.0)
    with ThreadPoolExecutor(1) as apart:
        first = apart.submit(tenants.acme.post, CREATE, json=MEETING, headers=KEY)
        assert until(lambda: created(zoom))
        second = tenants.acme.post(CREATE, json=MEETING, headers=KEY)
        other = tenants.acme.post(CREATE, json={"inputs": {"user_id": "me"}}, headers=KEY)
        assert (second.status_code, second.json()["kind"]) == (409, "in_flight")
        assert second.json()["retriable"] and int(second.headers["retry-after"]) >= 1
        assert (other.status_code, other.json()["kind"]) == (422, "key_reused")
        assert first.result().status_code == 200
    assert tenants.acme.post(CREATE, json=MEETING, headers=KEY).content == first.result().content
    assert created(zoom) == 1


UNSENT = {
    "wrong inputs": (lambda zoom: None, {"inputs": {"user_id": "me", "duration": "x"}}, 422),
    "an unknown connection": (lambda zoom: None, {**MEETING, "connection": "none"}, 404),
    "a rate limit": (lambda zoom: zoom.inject(status=429, headers={"retry-after": "900"}), MEETING, 429),
    "a refused token": (
        lambda zoom: zoom.inject(status=401, body={"code": 124, "message": "Expired."}, times=5),
        MEETING,
        424,
    ),
}


@pytest.mark.parametrize("name", UNSENT)
def test_a_failure_that_did_nothing_is_not_kept(tenants: Tenants, zoom: Sandbox, name: str) -> None:
    spoil, body, status = UNSENT[name]
    spoil(zoom)
    assert tenants.acme.post(CREATE, json=body, headers=KEY).status_code == status
    zoom.clear_faults()
    after = tenants.acme.post(CREATE, json=MEETING, headers=KEY)
    assert "idempotency-replayed" not in after.headers
    assert after.status_code == (429 if name == "a rate limit" else 200)  # the limit still holds, by our own count


def test_a_refusal_of_the_vendor_is_kept(tenants: Tenants, zoom: Sandbox) -> None:
    url, body = "/v1/actions/update-meeting/run", {"inputs": {"meeting_id": "99999999999", "topic": "x"}}
    first = tenants.acme.post(url, json=body, headers=KEY)
    count = len(zoom.requests)
    again = tenants.acme.post(url, json=body, headers=KEY)
    assert (again.status_code, again.content, len(zoom.requests)) == (404, first.content, count)
    assert again.headers["content-type"] == "application/problem+json" and again.headers["idempotency-replayed"]


def test_a_lost_answer_is_kept_since_it_may_have_been_done(tenants: Tenants, zoom: Sandbox) -> None:
    zoom.inject(match="POST /v2/users/me/meetings", drop="after")
    first = tenants.acme.post(CREATE, json=MEETING, headers=KEY)
    assert (first.status_code, first.json()["may_have_been_done"]) == (502, True)
    assert tenants.acme.post(CREATE, json=MEETING, headers=KEY).content == first.content
    assert created(zoom) == 1


def test_fifty_repetitions_at_a_time_are_one_run(tenants: Tenants, zoom: Sandbox) -> None:
    with ThreadPoolExecutor(50) as many:
        found = list(many.map(lambda _: tenants.acme.post(CREATE, json=MEETING, headers=KEY), range(50)))
    assert {answer.status_code for answer in found} <= {200, 409}
    assert len({answer.content for answer in found if answer.status_code == 200}) == 1
    assert created(zoom) == 1


# -- what dies -------------------------------------------------------------------------------------------------------


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_after_a_death_a_change_may_have_been_done_and_a_read_is_done_again(clock: Clock) -> None:
    kept = Idempotency(MemoryStore(), "c", 0.05, clock)
    assert isinstance(kept.begin("t", "create", "a", "create"), RunLock)  # and now its process dies
    assert isinstance(kept.begin("t", "read", "a", "read"), RunLock)
    with pytest.raises(ServiceRefusal, match="still running"):
        kept.begin("t", "create", "a", "create")
    time.sleep(0.06)
    with pytest.raises(ServiceRefusal, match="may have been done") as refused:
        kept.begin("t", "create", "a", "create")
    assert refused.value.may_have_been_done and not refused.value.retriable
    with pytest.raises(ServiceRefusal, match="another request"):
        kept.begin("t", "create", "b", "create")
    with pytest.raises(ServiceRefusal, match="may have been done"):  # it stays so: to ask is not to answer
        kept.begin("t", "create", "a", "create")
    assert isinstance(kept.begin("t", "read", "a", "read"), RunLock)


def test_a_result_is_kept_for_a_day(clock: Clock) -> None:
    store = MemoryStore()
    kept = Idempotency(store, "c", 60, clock)
    held = kept.begin("t", "k", "a", "create")
    assert isinstance(held, RunLock)
    held.end(FirstAnswer(status=200, body=b"{}"))
    clock.now += 24 * 3600 - 1
    assert kept.begin("t", "k", "a", "create") == FirstAnswer(status=200, body=b"{}")
    assert kept.purge() == 0
    clock.now += 2
    assert isinstance(kept.begin("t", "k", "b", "create"), RunLock)
    clock.now += 25 * 3600
    assert kept.purge() == 1 and not store.scan("")


def test_an_answer_too_long_to_be_kept_is_asked_for_again(
    tenants: Tenants, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connector_runtime.service import routes

    monkeypatch.setattr(routes, "LARGEST", 100)
    url = "/v1/actions/list-users/run"
    assert tenants.acme.post(url, json={}, headers=KEY).status_code == 200
    again = tenants.acme.post(url, json={}, headers=KEY)
    assert again.status_code == 200 and "idempotency-replayed" not in again.headers
    assert records.LARGEST == 1024 * 1024


def test_a_change_whose_answer_is_too_long_to_be_kept_is_not_made_again(
    tenants: Tenants, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connector_runtime.service import routes

    monkeypatch.setattr(routes, "LARGEST", 100)
    assert tenants.acme.post(CREATE, json=MEETING, headers=KEY).status_code == 200
    again = tenants.acme.post(CREATE, json=MEETING, headers=KEY)
    assert (again.status_code, again.json()["kind"]) == (409, "may_have_been_done")
    assert again.json()["may_have_been_done"] and "was not stored" in again.json()["message"]
    assert again.headers["idempotency-replayed"] == "true" and created(zoom) == 1


@pytest.mark.timeout(120)
def test_two_workers_do_it_once_and_a_killed_one_leaves_a_doubt(command: Callable[..., Command], zoom: Sandbox) -> None:
    """Two services on one store; one is killed while the vendor is at work."""
    options = ("--timeout", "2")
    one, two = command(*options, ZOOM_ACCESS_TOKEN=zoom.token), command(*options, ZOOM_ACCESS_TOKEN=zoom.token)
    with httpx.Client(trust_env=False, timeout=30) as client:
        urls = [f"{found.url}{CREATE}" for found in (one, two)] * 10
        with ThreadPoolExecutor(20) as many:
            found = list(many.map(lambda url: client.post(url, json=MEETING, headers=KEY), urls))
        assert {answer.status_code for answer in found} <= {200, 409} and created(zoom) == 1
        assert len({answer.content for answer in found if answer.status_code == 200}) == 1
        zoom.inject(match="POST /v2/users/me/meetings", delay=20.0)
        fatal = {"Idempotency-Key": "fatal"}

        def asked() -> None:
            with pytest.raises(httpx.HTTPError):
                httpx.post(f"{one.url}{CREATE}", json=MEETING, headers=fatal, trust_env=False, timeout=30)

        apart = threading.Thread(target=asked)
        apart.start()
        assert until(lambda: created(zoom) == 2)
        one.stop(signal.SIGKILL)
        apart.join()
        second = client.post(f"{two.url}{CREATE}", json=MEETING, headers=fatal)
        assert (second.status_code, second.json()["kind"]) == (409, "in_flight")
        _let_leases_lapse(command)
        third = client.post(f"{two.url}{CREATE}", json=MEETING, headers=fatal)
        assert (third.status_code, third.json()["kind"]) == (409, "may_have_been_done")
        assert third.json()["may_have_been_done"] and created(zoom) == 2


def _let_leases_lapse(command: Any) -> None:
    """What the passing of half a minute does."""
    import sqlite3

    path = command.environment["ZOOM_STORE"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        assert database.execute("UPDATE leases SET until = 0 WHERE key LIKE '%idempotency%'").rowcount == 1
    database.close()


def test_every_store_keeps_them(tmp_path: Any, clock: Clock) -> None:
    store = open_store(f"sqlite:///{tmp_path}/s.db")
    kept = Idempotency(store, "c", 60, clock)
    held = kept.begin("t/../x", "k" * 255, "a", "create")
    assert isinstance(held, RunLock)
    with pytest.raises(ServiceRefusal, match="still running"):
        kept.begin("t/../x", "k" * 255, "a", "create")
    held.end(None)  # as if it had never been used: also for another request
    again = kept.begin("t/../x", "k" * 255, "b", "create")
    assert isinstance(again, RunLock)
    again.end(FirstAnswer(status=201, body=b'{"id":1}'))
    assert kept.begin("t/../x", "k" * 255, "b", "create") == FirstAnswer(status=201, body=b'{"id":1}')
    store.close()


@pytest.mark.parametrize("another", [False, True], ids=["alone", "another process forgets"])
def test_a_service_that_runs_forgets_old_results_unless_another_process_does(start: Start, another: bool) -> None:
    store = MemoryStore()
    held = Idempotency(store, "zoom", 60, lambda: time.time() - 25 * 3600).begin("t", "k", "a", "create")
    assert isinstance(held, RunLock)
    held.end(FirstAnswer(status=200, body=b"{}"))
    place = "service/zoom/idempotency/"
    assert list(store.walk(place))
    lease = store.lease("lease/service/zoom/purge", 60) if another else None
    with start(store):
        assert until(lambda: not list(store.walk(place)), 0.5 if another else 10) is not another
    if lease is not None:
        lease.release()
