"""What is sent again, after which pause, and what never is: scripts of effects, and the real client at the end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import plays
import pytest

from connector_runtime.calls.credentials import Credentials
from connector_runtime.calls.exchange import FIRST_PAUSE, LONGEST_PAUSE, CallTerms, Retries, exchange, fold, recovering
from connector_runtime.language import datetimes
from connector_runtime.model import Page, Request, Response
from connector_runtime.steps import AskPermit, Key, Now, Report, Send, Token, Wait
from zoom_connector import (
    ApiError,
    AsyncClient,
    Client,
    Connector,
    ConnectorError,
    Http,
    InputError,
    QuotaReached,
    RateLimited,
    Result,
    StoreError,
    TransportError,
)
from zoom_connector.sandbox import Sandbox

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LOST = TransportError("The response was cut off or is not HTTP.", retriable=True)
UNSENT = TransportError("No connection.", retriable=True)
DOUBT = TransportError("The response was cut off or is not HTTP.", may_have_been_done=True)


class Paced:
    """An account whose calls are paced."""

    pacer = object()


PACED = Paced()


CREDENTIALS = Credentials(
    granted={}, base="https://api.acme.example", fixed=(), headers=(), query=[], shown=[], secrets=()
)


class Play(plays.Play):
    """Answers the requests of a call from a list; its clock moves by what the call waits, and 1 s an answer."""

    def __init__(self, *answers: Any, turns: tuple[float, ...] = ()) -> None:
        self.now = START
        self._sendings, self._turns, self._keys = list(answers), list(turns), 0
        super().__init__(
            {
                Token: CREDENTIALS,
                Now: lambda step: self.now,
                Wait: lambda step: self._pass(step.seconds),
                Send: lambda step: self._pass(1.0) or self._sendings.pop(0),
                AskPermit: lambda step: self._turns.pop(0) if self._turns else 0.0,
                Key: [f"key-{number}" for number in (1, 2, 3)],
            }
        )

    def _pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @property
    def sent(self) -> list[Request]:
        return [step.request for step in self.of(Send)]

    @property
    def bounds(self) -> list[float | None]:
        return [step.seconds for step in self.of(Send)]

    @property
    def waits(self) -> list[float]:
        return [step.seconds for step in self.of(Wait)]

    @property
    def told(self) -> list[Report]:
        return self.of(Report)


def say(data: Any, status: int = 200, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = {"content-type": "application/json", **named}
    return Response(status=status, headers=content, content=json.dumps(data).encode())


FAILED = say({"message": "Internal error."}, 500)
FAST = say({"code": 429, "message": "You have reached the maximum per-second rate limit for this API."}, 429)
MADE = say({"id": 1}, 201)
INPUTS: dict[str, dict[str, Any]] = {
    "get-user": {"user_id": "me"},
    "update-meeting": {"meeting_id": "1", "topic": "x"},
    "delete-user": {"user_id": "u"},
    "create-meeting": {"user_id": "me", "topic": "x"},
    "list-users": {},
}


def run(connector: Connector, play: Play, key: str, terms: CallTerms, inputs: dict[str, Any] | None = None) -> Result:
    action = connector.actions[key]
    return fold(play(exchange(action, action.bind(inputs or INPUTS[key]), terms)), action.paging)


@pytest.mark.parametrize("key", ["get-user", "update-meeting", "delete-user"])
@pytest.mark.parametrize("trouble", [FAILED, FAST, LOST, UNSENT], ids=["500", "429", "lost", "unsent"])
def test_what_can_do_no_harm_is_sent_again_the_same(connector: Connector, key: str, trouble: Any) -> None:
    play = Play(trouble, trouble, say({"id": "x"}))
    run(connector, play, key, CallTerms(retries=2))
    assert len({(request.method, request.url, request.content) for request in play.sent}) == 1
    assert (len(play.sent), len(play.waits)) == (3, 2)


@pytest.mark.parametrize("trouble", [FAST, UNSENT], ids=["429", "unsent"])
def test_a_create_that_was_not_done_is_sent_again(connector: Connector, trouble: Any) -> None:
    play = Play(trouble, MADE)
    assert run(connector, play, "create-meeting", CallTerms(retries=1)).data == {"id": 1}


@pytest.mark.parametrize("trouble", [FAILED, DOUBT], ids=["500", "lost"])
def test_a_create_that_may_have_been_done_is_never_sent_again(connector: Connector, trouble: Any) -> None:
    play = Play(trouble)
    with pytest.raises((ApiError, TransportError)) as caught:
        run(connector, play, "create-meeting", CallTerms(retries=9))
    assert caught.value.may_have_been_done
    assert not caught.value.retriable
    assert len(play.sent) == 1


def test_no_refusal_of_the_vendor_is_asked_for_again(connector: Connector) -> None:
    for status, code in ((400, 300), (404, 1001), (409, 1005), (403, 200), (400, 4711)):
        play = Play(say({"code": code, "message": "No."}, status))
        with pytest.raises(Exception, match=r"No\."):
            run(connector, play, "get-user", CallTerms(retries=9))
        assert len(play.sent) == 1


def test_a_daily_limit_fails_at_once_and_says_until_when(connector: Connector) -> None:
    daily = say({"code": 429, "message": "x"}, 429, x_ratelimit_type="Daily-limit", retry_after="2026-11-22T12:00:05Z")
    play = Play(daily)
    with pytest.raises(QuotaReached) as caught:
        run(connector, play, "get-user", CallTerms(retries=9))
    assert caught.value.retry_at == datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)
    assert caught.value.retriable
    assert len(play.sent) == 1


@pytest.mark.parametrize(
    "said", ["2026-11-22T12:00:21Z", "Sun, 22 Nov 2026 12:00:21 GMT", "20", str(int(START.timestamp()) + 21)]
)
def test_the_pause_is_what_the_vendor_asks_for_however_it_is_written(connector: Connector, said: str) -> None:
    play = Play(say({"code": 429, "message": "Too fast."}, 429, retry_after=said), say({"id": "x"}))
    run(connector, play, "get-user", CallTerms(retries=1))  # the refusal came at 12:00:01
    assert 20.0 <= play.waits[0] <= 20.0 + FIRST_PAUSE


def test_a_vendor_that_asks_for_more_than_a_minute_is_not_waited_for(connector: Connector) -> None:
    play = Play(say({"code": 429, "message": "Too fast."}, 429, retry_after="300"))
    with pytest.raises(RateLimited) as caught:
        run(connector, play, "get-user", CallTerms(retries=9))
    assert caught.value.retry_at == START + timedelta(seconds=301)


def test_pauses_grow_and_those_who_failed_together_do_not_come_back_together() -> None:
    policy = Retries.of({}, 9)
    pauses = [policy.pause(number, LOST, START.replace(microsecond=500_000)) or 0 for number in range(9)]
    assert pauses == sorted(pauses)
    assert pauses[3] == 8 * pauses[0]
    assert max(pauses) <= 1.5 * LONGEST_PAUSE
    spread = {policy.pause(0, LOST, START.replace(microsecond=at)) for at in range(0, 1_000_000, 100_000)}
    assert len(spread) == 10


def test_a_platform_switches_retries_off_and_is_told_what_it_may_repeat(connector: Connector) -> None:
    play = Play(FAILED)
    with pytest.raises(ApiError) as caught:
        run(connector, play, "get-user", CallTerms(retries=0))
    assert caught.value.retriable
    assert not play.waits


def test_raw_request_pauses_as_its_own_inputs_say(connector: Connector) -> None:
    inputs = {"method": "GET", "url": "/users/me", "retry_max_count": 2, "retry_delay": 250}
    rows = connector.actions["raw-request"].inputs
    given = {key: value for key, value in inputs.items() if key in rows}
    named = {row.to[0].path[-1]: key for key, row in rows.items() if row.to and row.to[0].kind == "call"}
    given |= {named["retry.max_count"]: 2, named["retry.delay_ms"]: 250}
    play = Play(FAILED, FAILED, say({}))
    run(connector, play, "raw-request", CallTerms(retries=0), given)
    assert play.waits == [0.25, 0.25]


def test_a_delete_whose_answer_was_lost_and_that_finds_nothing_the_second_time_was_done(connector: Connector) -> None:
    gone = say({"code": 1001, "message": "User does not exist: u."}, 404)
    lost = TransportError("The response was cut off.", retriable=True, may_have_been_done=True)
    result = run(connector, Play(lost, gone), "delete-user", CallTerms(retries=1))
    assert result.data == {}
    assert "found nothing to delete" in result.warnings[0].what
    with pytest.raises(ApiError):
        run(connector, Play(UNSENT, gone), "delete-user", CallTerms(retries=1))  # the first never arrived


def test_what_the_last_attempt_is_told_does_not_undo_the_first(connector: Connector) -> None:
    lost = TransportError("The response was cut off.", retriable=True, may_have_been_done=True)
    refused = say({"code": 124, "message": "Invalid access token."}, 401)
    with pytest.raises(ConnectorError, match="Invalid access token") as caught:
        run(connector, Play(lost, refused), "update-meeting", CallTerms(retries=1))
    assert getattr(caught.value, "may_have_been_done", False)


# -- the deadline ----------------------------------------------------------------------------------------------------


def test_the_deadline_bounds_each_attempt_by_what_is_left_of_it(connector: Connector) -> None:
    play = Play(FAILED, say({"id": "x"}))
    run(connector, play, "get-user", CallTerms(retries=5, deadline=10.0))
    assert play.bounds[0] == 10.0
    assert play.bounds[1] == pytest.approx(10.0 - 1.0 - play.waits[0])


def test_no_pause_goes_beyond_the_deadline(connector: Connector) -> None:
    play = Play(FAILED, FAILED, FAILED)
    with pytest.raises(ApiError):
        run(connector, play, "get-user", CallTerms(retries=9, deadline=3.0))
    assert play.now - START < timedelta(seconds=3)
    slow = Play(turns=(5.0,))
    with pytest.raises(RateLimited) as caught:
        run(connector, slow, "create-meeting", CallTerms(deadline=3.0, account=PACED))
    assert caught.value.retry_at == START + timedelta(seconds=5)
    assert (slow.sent, slow.waits) == ([], [])


def test_a_list_has_one_deadline_for_all_its_pages(connector: Connector) -> None:
    pages = [say({"users": [number], "next_page_token": f"t{number}"}) for number in range(9)]
    play = Play(*pages)
    with pytest.raises(TransportError, match="time allowed") as caught:
        run(connector, play, "list-users", CallTerms(deadline=3.0))
    assert caught.value.items_read == 3
    assert caught.value.partial.data == {"users": [0, 1, 2]}


# -- what an observer and a pacer are told ---------------------------------------------------------------------------


def test_each_attempt_is_told_without_anything_that_names_anybody(connector: Connector) -> None:
    play = Play(FAST, say({"id": "secret-user"}, x_zm_trackingid="v=2.0;abc"), turns=(0.25,))
    run(connector, play, "get-user", CallTerms(retries=1, account=PACED, observed=True), {"user_id": "secret-user"})
    first, second = (told.attempt for told in play.told)
    assert (first.action, first.method, first.path, first.effect) == ("get-user", "GET", "/users/{user_id}", "read")
    assert (first.number, first.status, first.kind, first.code, first.waited) == (1, 429, "rate_limit", 429, 0.25)
    assert (second.number, second.status, second.kind, second.tracking_id) == (2, 200, None, "v=2.0;abc")
    assert second.waited == play.waits[1]
    assert (first.seconds, second.seconds) == (1.0, 1.0)
    assert "secret" not in repr(play.told)


def test_every_attempt_has_a_claim_of_its_own_under_the_label_of_its_action(connector: Connector) -> None:
    play = Play(FAILED, say({"users": []}))
    run(connector, play, "list-users", CallTerms(retries=1, account=PACED))
    first, second = (told.permit for told in play.told)
    assert first is not None and second is not None and first is not second
    assert (first.label, second.label) == ("medium", "medium")


def test_before_any_refusal_nothing_asks_for_a_turn_or_tells_of_an_attempt(connector: Connector) -> None:
    action = connector.actions["get-user"]
    call = exchange(action, action.bind(INPUTS["get-user"]))
    steps = [next(call), call.send(CREDENTIALS), call.send(say({"id": "x"}))]
    assert [type(step) for step in steps] == [Token, Send, Page]


@pytest.mark.parametrize(("remaining", "is_told"), [("25", False), ("24", True), ("0", True), ("many", False)])
def test_an_answer_by_which_little_remains_is_told_to_who_paces(
    connector: Connector, remaining: str, is_told: bool
) -> None:
    play = Play(say({"id": "x"}, x_ratelimit_limit="100", x_ratelimit_remaining=remaining))
    run(connector, play, "get-user", CallTerms())
    assert bool(play.told) is is_told


def test_who_stops_waiting_for_a_turn_gives_it_up(connector: Connector) -> None:
    action = connector.actions["get-user"]
    call = exchange(action, action.bind(INPUTS["get-user"]), CallTerms(account=PACED))
    effect: Any = next(call)
    effect = call.send(CREDENTIALS)
    assert isinstance(effect, AskPermit)
    assert isinstance(call.send(3.0), Now)
    assert isinstance(call.send(plays.NOON), Wait)
    call.close()
    assert effect.permit.gone


def test_nobody_waits_for_a_turn_without_a_bound(connector: Connector) -> None:
    play = Play(say({"id": "x"}), turns=(800.0, 99.0))
    run(connector, play, "get-user", CallTerms(account=PACED))
    assert play.waits == [800.0, 99.0]
    for last, at in ((101.0, START + timedelta(seconds=901)), (1e300, datetimes.LAST)):
        play = Play(say({"id": "x"}), turns=(800.0, last))
        with pytest.raises(RateLimited) as caught:
            run(connector, play, "get-user", CallTerms(account=PACED))
        assert (play.waits, play.sent) == ([800.0], [])
        assert caught.value.message == ("Waiting for Zoom's rate limit would take longer than the time allowed.")
        assert caught.value.retry_at == at
    play = Play(say({"id": "x"}), turns=(5000.0,))
    run(connector, play, "get-user", CallTerms(account=PACED, deadline=6000))
    assert play.waits == [5000.0]


def test_pauses_stay_numbers_however_often_or_long(connector: Connector) -> None:
    lost = Retries(most=10**6).pause(5000, LOST, START)
    assert lost is not None and lost <= 1.5 * LONGEST_PAUSE
    assert Retries.of({"retry.max_count": 9999, "retry.exponential": True}, 0).pause(5000, LOST, START) == LONGEST_PAUSE
    assert Retries.of({"retry.max_count": 1, "retry.delay_ms": 10**400}, 0).pause(0, LOST, START) == 86400.0


# -- idempotency keys ------------------------------------------------------------------------------------------------


def test_a_create_with_an_idempotency_key_goes_again_with_the_same_key(stripe: Connector) -> None:
    action = stripe.actions["create-customer"]
    play = Play(DOUBT, FAILED, say({"id": "cus_1"}))
    list(play(exchange(action, action.bind({"name": "Ada"}), CallTerms(retries=3))))
    assert [dict(request.headers)["Idempotency-Key"] for request in play.sent] == ["key-1"] * 3
    own = Play(say({"id": "cus_1"}))
    list(own(exchange(action, action.bind({"name": "Ada"}), CallTerms(key="order-7"))))
    assert dict(own.sent[0].headers)["Idempotency-Key"] == "order-7"


@pytest.fixture(scope="module")
def stripe() -> Connector:
    from pathlib import Path

    from zoom_connector import load

    return load(Path(__file__).parents[1] / "examples" / "stripe")


def test_a_key_for_a_vendor_that_takes_none_is_refused_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(InputError) as caught:
        client.run("create-meeting", INPUTS["create-meeting"], idempotency_key="k")
    assert [problem.where for problem in caught.value.problems] == ["idempotency_key"]


# -- recover ---------------------------------------------------------------------------------------------------------


def recover(connector: Connector, play: Play, inputs: dict[str, Any] | None = None, retries: int = 2) -> Result:
    action = connector.actions["create-meeting"]
    bound = action.bind(inputs or INPUTS["create-meeting"])
    call = recovering(action, bound, CallTerms(retries=retries), connector.actions["list-meetings"])
    return fold(play(call), None)


def meeting(topic: str, at: str, **more: Any) -> dict[str, Any]:
    return {"id": 7, "topic": topic, "created_at": at, **more}


def test_a_create_that_was_done_is_found_and_not_sent_again(connector: Connector) -> None:
    old, new = meeting("x", "2026-11-22T11:59:00Z"), meeting("x", "2026-11-22T12:00:01Z", join_url="u")
    play = Play(DOUBT, say({"meetings": [old, meeting("y", "2026-11-22T12:00:01Z"), new]}))
    result = recover(connector, play)
    assert result.data == new
    assert "the change was made" in result.warnings[0].what
    assert [request.method for request in play.sent] == ["POST", "GET"]


def test_a_create_that_is_not_found_is_sent_again(connector: Connector) -> None:
    play = Play(DOUBT, say({"meetings": [meeting("x", "2026-11-22T11:59:00Z")]}), MADE)
    assert recover(connector, play).data == {"id": 1}
    assert [request.method for request in play.sent] == ["POST", "GET", "POST"]


def test_the_vendors_own_clock_says_what_was_made_since(connector: Connector) -> None:
    ahead = {"date": "Sun, 22 Nov 2026 13:00:05 GMT"}  # an hour before ours
    play = Play(DOUBT, say({"meetings": [meeting("x", "2026-11-22T12:30:00Z")]}, **ahead), MADE)
    assert recover(connector, play).data == {"id": 1}
    play = Play(DOUBT, say({"meetings": [meeting("x", "2026-11-22T13:00:01Z")]}, **ahead))
    assert recover(connector, play).data["id"] == 7


def test_two_that_look_like_it_are_no_proof(connector: Connector) -> None:
    twins = [meeting("x", "2026-11-22T12:00:01Z"), meeting("x", "2026-11-22T12:00:02Z")]
    play = Play(DOUBT, say({"meetings": twins}))
    with pytest.raises(TransportError, match="2 similar objects") as caught:
        recover(connector, play)
    assert caught.value.may_have_been_done
    assert len(play.sent) == 2


def test_what_nothing_tells_apart_is_not_looked_for(connector: Connector) -> None:
    for inputs in ({"user_id": "me"}, {"user_id": "me", "topic": "x", "type": 1}):
        play = Play(DOUBT)
        with pytest.raises(TransportError):
            recover(connector, play, inputs)
        assert len(play.sent) == 1


def test_a_look_that_fails_leaves_the_doubt(connector: Connector) -> None:
    play = Play(DOUBT, say({"code": 124, "message": "Expired."}, 401))
    with pytest.raises(ConnectorError, match="Expired") as caught:
        recover(connector, play)
    assert getattr(caught.value, "may_have_been_done", False)
    assert not caught.value.retriable
    assert len(play.sent) == 2


def test_a_store_that_fails_after_an_answer_was_lost_leaves_the_doubt(stripe: Connector, connector: Connector) -> None:
    failing = StoreError("The store is locked.", retriable=True)
    action = stripe.actions["create-customer"]
    play = Play(DOUBT, say({}, 401))
    play._answers[Token] = [CREDENTIALS, failing]
    with pytest.raises(TransportError) as caught:
        [*play(exchange(action, action.bind({"email": "a@b.example"}), CallTerms(retries=3)))]
    assert caught.value.may_have_been_done and caught.value.__cause__ is failing
    looking = Play(DOUBT, failing)
    with pytest.raises(TransportError) as caught:
        recover(connector, looking)
    assert caught.value.may_have_been_done and caught.value.__cause__ is failing


def test_without_retries_a_look_is_made_and_nothing_is_sent_again(connector: Connector) -> None:
    play = Play(DOUBT, say({"meetings": []}))
    with pytest.raises(TransportError, match="most likely not made"):
        recover(connector, play, retries=0)
    assert [request.method for request in play.sent] == ["POST", "GET"]


@pytest.mark.parametrize("retries", [1, 2, 3])
def test_what_is_never_found_is_sent_again_as_often_as_may_be(connector: Connector, retries: int) -> None:
    play = Play(*[DOUBT, say({"meetings": []})] * (retries + 1))
    with pytest.raises(TransportError) as caught:
        recover(connector, play, retries=retries)
    assert caught.value.hint == "'List Meetings' does not show it, so the change was most likely not made."
    assert [request.method for request in play.sent] == ["POST", "GET"] * (retries + 1)


# -- the real client -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_lost_create_is_made_exactly_once(client: Client, zoom: Sandbox, drop: Any) -> None:
    zoom.inject(match="POST /v2/users/me/meetings", drop=drop)
    made = client.run("create-meeting", {"user_id": "me", "topic": f"Once {drop}", "type": 2}, recover=True)
    meetings = client.run("list-meetings", {"user_id": "me"}).data["meetings"]
    assert [entry["id"] for entry in meetings if entry["topic"] == f"Once {drop}"] == [made.data["id"]]


def test_a_lost_user_is_found_by_the_address(client: Client, zoom: Sandbox) -> None:
    zoom.inject(match="POST /v2/users", drop="after")
    inputs = {"user_action": "create", "email": "ada@new.example", "user_type": 1}
    assert client.run("create-user", inputs, recover=True).data["email"] == "ada@new.example"


def test_recover_for_an_action_that_does_not_say_how_is_refused(client: Client) -> None:
    with pytest.raises(InputError, match="has no effect for this action"):
        client.run("update-meeting", INPUTS["update-meeting"], recover=True)


def test_a_read_outlives_the_faults_of_the_network(client: Client, zoom: Sandbox) -> None:
    for drop in ("before", "after"):
        zoom.inject(match="GET /v2/users/me", drop=drop)
    assert client.run("get-user", {"user_id": "me"}).status == 200


def test_a_deadline_ends_a_slow_answer(make: Any, connector: Connector, zoom: Sandbox) -> None:
    zoom.inject(match="GET /v2/users/me", delay=5.0)
    with (
        make(connector, token=zoom.token, base_url=zoom.base_url, deadline=0.3) as client,
        pytest.raises(TransportError, match="No response in time"),
    ):
        client.run("get-user", {"user_id": "me"})


def test_an_observer_sees_every_attempt_and_breaks_no_call(make: Any, connector: Connector, zoom: Sandbox) -> None:
    seen: list[Any] = []

    def observe(attempt: Any) -> None:
        seen.append(attempt)
        raise ValueError("an observer's own fault")

    zoom.inject(match="GET /v2/users/me", status=503)
    with make(connector, token=zoom.token, base_url=zoom.base_url, observe=observe) as client:
        assert client.run("get-user", {"user_id": "me"}).status == 200
    assert [(attempt.number, attempt.status) for attempt in seen] == [(1, 503), (2, 200)]
    assert seen[1].tracking_id


def test_a_cancelled_pause_ends_at_once(connector: Connector, zoom: Sandbox) -> None:
    async def calls() -> None:
        zoom.inject(match="GET /v2/users/me", status=429, headers={"retry-after": "30"})
        async with AsyncClient(connector, token=zoom.token, base_url=zoom.base_url) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.run("get-user", {"user_id": "me"}), 0.3)

    asyncio.run(calls())


def test_a_client_that_is_passed_in_is_used_and_left_open(connector: Connector, zoom: Sandbox) -> None:
    import httpx

    with httpx.Client(headers={"x-mine": "yes"}) as mine:
        with Client(connector, token=zoom.token, base_url=zoom.base_url, http=Http(client=mine)) as client:
            client.run("get-user", {"user_id": "me"})
        assert not mine.is_closed

    async def calls() -> bool:
        async with httpx.AsyncClient() as own:
            way = Http(client=own)
            async with AsyncClient(connector, token=zoom.token, base_url=zoom.base_url, http=way) as client:
                await client.run("get-user", {"user_id": "me"})
            return own.is_closed

    assert asyncio.run(calls()) is False


def test_a_proxy_is_used_where_it_is_named(connector: Connector, zoom: Sandbox, proxy: Any) -> None:
    address, seen = proxy
    with Client(connector, token=zoom.token, base_url=zoom.base_url, http=Http(proxy=address)) as client:
        client.run("get-user", {"user_id": "me"})
    assert seen == [f"GET {zoom.base_url}/users/me HTTP/1.1"]
    assert "secret" not in repr(Http(proxy="http://user:secret@proxy:8080"))


@pytest.fixture
def proxy(zoom: Sandbox) -> Iterator[tuple[str, list[str]]]:
    """A forward proxy for plain HTTP that keeps the request lines it saw."""
    import socket

    seen: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                inward, _ = server.accept()
            except OSError:
                return
            with inward, socket.create_connection(("127.0.0.1", int(zoom.origin.rpartition(":")[2]))) as outward:
                head = inward.recv(65536).decode()
                line, _, rest = head.partition("\r\n")
                seen.append(line)
                method, url, version = line.split(" ")
                rest = rest.replace("Connection: keep-alive\r\n", "Connection: close\r\n")
                outward.sendall(f"{method} {url.removeprefix(zoom.origin)} {version}\r\n{rest}".encode())
                while data := outward.recv(65536):
                    inward.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
    server.close()


def test_who_waits_for_a_connection_beyond_the_deadline_has_sent_nothing(connector: Connector, zoom: Sandbox) -> None:
    async def calls() -> TransportError:
        zoom.inject(match="GET /v2/users/me", delay=1.5)
        one = Http(connections=1)
        async with AsyncClient(connector, token=zoom.token, base_url=zoom.base_url, http=one) as client:
            slow = asyncio.create_task(client.run("get-user", {"user_id": "me"}))
            await asyncio.sleep(0.2)
            with pytest.raises(TransportError) as caught:
                await client.run("create-meeting", {"user_id": "me"}, deadline=0.3)
            await slow
        return caught.value

    lost = asyncio.run(calls())
    assert (lost.may_have_been_done, lost.retriable) == (False, True)
    assert not [request for request in zoom.requests if request.method == "POST"]


@pytest.mark.parametrize(
    "options", [{"timeout": "x"}, {"timeout": 0}, {"connections": 0}, {"ca": "/no/such.pem"}, {"proxy": "socks"}]
)
def test_a_way_out_that_leads_nowhere_is_refused_at_once(options: Any) -> None:
    with pytest.raises(InputError) as caught:
        Http(**options)
    assert [problem.where for problem in caught.value.problems] == list(options)


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), True, "5"])
def test_a_deadline_that_is_no_number_of_seconds_is_refused(client: Client, deadline: Any) -> None:
    with pytest.raises(InputError, match="seconds, more than 0"):
        client.run("get-user", {"user_id": "me"}, deadline=deadline)


def test_a_post_of_raw_request_that_repeats_warns(connector: Connector) -> None:
    inputs = {"method": "POST", "url": "/x", "max_retry_count": 2}
    warnings = connector.actions["raw-request"].preview(inputs)["warnings"]
    assert [warning["where"] for warning in warnings] == ["inputs.max_retry_count"]
    assert not connector.actions["raw-request"].preview({**inputs, "method": "GET"})["warnings"]
