"""Faults: each kind as a client meets it, what the record says of it, and random plans that can be repeated."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Odds, Sandbox, WireRequest, WireResponse
from zoom_connector.sandbox.hostile import HOSTILE
from zoom_connector.sandbox.kinds import KINDS, USUAL


def ask(method: str, target: str, body: Any = None, token: str = "sandbox-token") -> WireRequest:
    headers = (("authorization", f"Bearer {token}"), ("content-type", "application/json"))
    content = b"" if body is None else json.dumps(body).encode()
    return WireRequest(method=method, target=target, headers=headers, body=content)


def create(sandbox: Sandbox) -> httpx.Response | None:
    """Create a meeting; None if the connection broke."""
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    try:
        return httpx.post(f"{sandbox.base_url}/users/me/meetings", json={"topic": "x"}, headers=headers, verify=False)
    except httpx.TransportError:
        return None


# each kind


@pytest.mark.parametrize(
    ("kind", "statuses", "content_type", "is_done"),
    [
        ("reset_before", {None}, "", False),
        ("reset_after", {None}, "", True),
        ("truncated", {None}, "", True),
        ("error_json", {500, 503}, "application/json;charset=UTF-8", False),
        ("error_html", {502, 503, 504}, "text/html", False),
        ("error_after", {502, 504}, "text/html", True),
        ("html_200", {200}, "text/html", True),
        ("late", {201}, "application/json;charset=UTF-8", True),
        ("slow", {201}, "application/json;charset=UTF-8", True),
        ("rate_limited", {429}, "application/json;charset=UTF-8", False),
        ("daily_limited", {429}, "application/json;charset=UTF-8", False),
        ("revoked", {401}, "application/json;charset=UTF-8", False),
    ],
)
def test_a_kind_of_fault_breaks_one_create_and_the_record_says_whether_it_was_carried_out(
    sandbox: Sandbox, kind: str, statuses: set[int | None], content_type: str, is_done: bool
) -> None:
    before = len(sandbox.state.meetings)
    sandbox.inject(kind, delay=0.01 if kind == "late" else None, takes=0.01 if kind == "slow" else None)
    answer = create(sandbox)
    assert (None if answer is None else answer.status_code) in statuses
    assert answer is None or answer.headers["content-type"] == content_type
    assert (len(sandbox.state.meetings) > before) is is_done
    found = sandbox.requests[-1]
    assert (found.fault, found.carried_out, found.method) == (kind, is_done, "POST")
    assert sandbox.faults_done == {kind: 1}
    sandbox.tokens.issue(sandbox.token)
    after = create(sandbox)
    assert after is not None and after.status_code == 201
    assert (sandbox.requests[-1].fault, sandbox.requests[-1].carried_out) == ("", True)


def test_faults_of_kinds_that_have_no_test_above_are_those_of_lists() -> None:
    assert {"page_expired", "page_repeated"} == KINDS.keys() - {
        "reset_before", "reset_after", "truncated", "error_json", "error_html", "error_after", "html_200", "late",
        "slow", "rate_limited", "daily_limited", "revoked", *HOSTILE,
    }  # fmt: skip


def test_429s_that_are_ordered_look_like_zooms(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject("rate_limited")
    slow = zoom.get("/users")
    assert (slow.headers["x-ratelimit-type"], "retry-after" in slow.headers) == ("QPS", False)
    sandbox.inject("daily_limited")
    daily = zoom.get("/users")
    assert daily.headers["x-ratelimit-type"] == "Daily-limit"
    assert daily.headers["retry-after"].endswith("T00:00:00Z")
    sandbox.inject("rate_limited")
    meeting = next(iter(sandbox.state.meetings))
    assert zoom.patch(f"/meetings/{meeting}", json={}).json()["code"] == 4001  # Zoom's own code for this endpoint


def test_any_condition_of_the_account_may_hold_for_one_request(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject(condition="no_webinar_plan", match="GET /v2/users/me/webinars")
    assert zoom.get("/users/me/webinars").json()["code"] == 200
    assert "webinars" in zoom.get("/users/me/webinars").json()
    assert sandbox.faults_done == {"no_webinar_plan": 1}


def test_a_page_token_expires_in_the_middle_of_a_list(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject("page_expired", skip=1)
    token = ""
    for status in (200, 200, 400):
        answer = zoom.get("/users", params={"page_size": 5, "next_page_token": token})
        assert answer.status_code == status
        token = answer.json().get("next_page_token", token)
    assert answer.json() == {"code": 300, "message": "The next page token is invalid or expired."}
    assert zoom.get("/users", params={"page_size": 5, "next_page_token": token}).status_code == 200


def test_a_page_leads_on_to_itself(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject("page_repeated")
    first = zoom.get("/users", params={"page_size": 5}).json()
    asked = {"page_size": 5, "next_page_token": first["next_page_token"]}
    second = zoom.get("/users", params=asked).json()
    assert second["next_page_token"] == first["next_page_token"]
    assert second["users"] != first["users"]
    again = zoom.get("/users", params=asked).json()
    assert again["users"] == second["users"]
    assert again["next_page_token"] != first["next_page_token"]


def test_the_token_is_revoked_in_the_middle_of_a_list_and_stays_so(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject("revoked", page=True)
    token = zoom.get("/users", params={"page_size": 5}).json()["next_page_token"]
    for _ in range(2):
        refused = zoom.get("/users", params={"page_size": 5, "next_page_token": token})
        assert (refused.status_code, refused.json()["code"]) == (401, 124)
    sandbox.tokens.issue("another")
    headers = {"Authorization": "Bearer another"}
    assert zoom.get("/users", params={"page_size": 5, "next_page_token": token}, headers=headers).status_code == 200


def test_a_fault_may_let_requests_pass_and_hit_the_third(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject(match="GET /v2/users/me", status=500, skip=2, times=2)
    paths = ["/users/me", "/users", "/users/me", "/users/me", "/users/me", "/users/me"]
    assert [zoom.get(path).status_code for path in paths] == [200, 200, 200, 500, 500, 200]


def test_a_fault_that_still_lets_requests_pass_holds_up_no_other(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject(status=500, skip=2)
    sandbox.inject(status=502, skip=1)
    assert [zoom.get("/users/me").status_code for _ in range(4)] == [200, 502, 500, 200]


def test_details_change_a_kind(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject("error_html", status=503, headers={"Retry-After": "2"}, body="<p>later")
    answer = zoom.get("/users/me")
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (503, "<p>later", "2")
    assert sandbox.requests[-1].fault == "error_html"


def test_an_answer_breaks_off_after_so_many_bytes(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    whole = httpx.get(f"{sandbox.base_url}/users", headers=headers, verify=False).content
    for cut, size in ((100, 100), (0.25, len(whole) // 4), (0, 0)):
        sandbox.inject(cut=cut)
        came = b""
        with httpx.stream("GET", f"{sandbox.base_url}/users", headers=headers, verify=False) as answer:
            assert int(answer.headers["content-length"]) == len(whole)
            with pytest.raises(httpx.RemoteProtocolError):
                for piece in answer.iter_raw():
                    came += piece
        assert came == whole[:size]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "explosion"}, "reset_before"),
        ({"status": 99}, "status"),
        ({"drop": "sometimes"}, "before"),
        ({"condition": "no_condition"}, "condition"),
        ({"delay": -1}, "delay"),
        ({"delay": "x"}, "delay"),
        ({"cut": float("nan")}, "cut"),
        ({"headers": {"x": "a\r\nb"}}, "headers"),
        ({"headers": {"x": "ł"}}, "headers"),
        ({"body": 5}, "body"),
        ({"match": 5}, "match"),
        ({"times": 0}, "times"),
        ({"skip": -1}, "skip"),
    ],
)
def test_an_impossible_fault_is_refused_when_it_is_ordered(
    zoom: httpx.Client, sandbox: Sandbox, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        sandbox.inject(**given)
    assert zoom.get("/users/me").status_code == 200


def test_a_hook_answers_where_zoom_would_also_under_a_fault() -> None:
    def before(request: WireRequest) -> WireResponse | None:
        return WireResponse(status=200, body=b"0123456789")

    sandbox = Sandbox(before=before)
    sandbox.inject(cut=4)
    answer = sandbox.answer(ask("GET", "/v2/users"))
    assert (answer.body, answer.cut) == (b"0123456789", 4)


# random plans


def play(sandbox: Sandbox, requests: list[WireRequest]) -> list[tuple[int, bool, str]]:
    for request in requests:
        sandbox.answer(request)
    return [(each.status, each.carried_out, each.fault) for each in sandbox.requests]


CALLS = [
    request
    for number in range(300)
    for request in (
        ask("GET", f"/v2/users/user{number % 20}@sandbox.example"),
        ask("GET", "/v2/users?page_size=5"),
        ask("POST", "/v2/users/me/meetings", {"topic": f"Topic {number}"}),
        ask("DELETE", f"/v2/meetings/{number}"),
    )
]


def test_the_same_seed_breaks_the_same_requests_in_the_same_way_and_another_breaks_others() -> None:
    first, again, other = (play(Sandbox(faults=f"seed={seed},rate=0.2", record=2000), CALLS) for seed in (7, 7, 8))
    assert first == again
    assert [fault for _, _, fault in first] != [fault for _, _, fault in other]


def test_the_order_in_which_calls_arrive_changes_nothing() -> None:
    shuffled = random.Random(1).sample(CALLS, len(CALLS))
    by_order = []
    for calls in (CALLS, shuffled):
        sandbox = Sandbox(faults="seed=7,rate=0.2", record=2000)
        play(sandbox, calls)
        by_order.append(
            (sandbox.faults_done, {each.body: each.fault for each in sandbox.requests if each.method == "POST"})
        )
    assert by_order[0] == by_order[1]


def test_ids_and_page_tokens_of_another_run_change_nothing() -> None:
    runs = []
    for run in ("x", "y"):
        calls = [
            request
            for number in range(200)
            for request in (
                ask("GET", f"/v2/users?page_size=5&next_page_token={run}{number}"),
                ask("GET", f"/v2/meetings/{run.encode().hex()}{number}"),
                ask("GET", f"/rec/download/{run}{number}"),
            )
        ]
        runs.append([fault for _, _, fault in play(Sandbox(faults="seed=7,rate=0.2", record=2000), calls)])
    assert runs[0] == runs[1]
    assert all(any(runs[0][sort::3]) for sort in range(3))


def test_a_rate_of_a_tenth_hits_about_every_tenth_request_with_all_kinds_alike() -> None:
    sandbox = Sandbox(faults="seed=3,rate=0.1", record=10)
    for number in range(6000):
        sandbox.answer(ask("GET", f"/v2/users?page_size=5&next_page_token=x{number}"))
    done = sandbox.faults_done
    assert 500 < done.total() < 700  # 600, and four standard deviations
    assert done.keys() == {*USUAL} - {"revoked"}
    assert min(done.values()) > 20  # of 46


def test_a_plan_of_some_kinds_has_these_alone_and_only_where_they_fit() -> None:
    sandbox = Sandbox(faults={"seed": 1, "rate": 1, "kinds": ["page_expired", "late"], "delay": 0.25})
    delays = [sandbox.answer(ask("GET", "/v2/users")).delay for _ in range(50)]
    assert sandbox.faults_done == {"late": 50}
    assert 0 < min(delays) < max(delays) <= 0.25
    for _ in range(50):
        sandbox.answer(ask("GET", "/v2/users?next_page_token=x"))
    assert sandbox.faults_done.keys() == {"late", "page_expired"}


def test_downloads_are_not_rate_limited_by_chance() -> None:
    sandbox = Sandbox(faults="rate=1,kinds=rate_limited+daily_limited")
    for path in sandbox.state.files:
        sandbox.answer(ask("GET", path))
    assert sandbox.faults_done == {}


def test_deletes_are_answered_without_a_body_that_could_break_off() -> None:
    sandbox = Sandbox(faults="rate=1,kinds=truncated+slow")
    for number in range(20):
        sandbox.answer(ask("DELETE", f"/v2/meetings/{number}"))
    assert sandbox.faults_done == {}


def test_the_record_knows_of_every_create_whether_it_was_carried_out(sandbox: Sandbox) -> None:
    sandbox.faults = "seed=5,rate=0.7,delay=0.001"
    url, headers = f"{sandbox.base_url}/users/me/meetings", {"Authorization": f"Bearer {sandbox.token}"}

    def work(worker: int) -> None:
        with httpx.Client(headers=headers, verify=False) as client:
            for number in range(40):
                try:
                    client.post(url, json={"topic": f"{worker} {number}"})
                except httpx.TransportError:
                    client.get(f"{sandbox.origin}/_sandbox")  # a new connection

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    posts = [each for each in sandbox.requests if each.method == "POST"]
    assert len(posts) == 160
    made = Counter(meeting.topic for meeting in sandbox.state.meetings.values())
    for each in posts:
        assert made[json.loads(each.body)["topic"]] == each.carried_out
        assert each.carried_out == (each.fault in {"", *DONE})
    assert sandbox.faults_done == Counter(each.fault for each in posts if each.fault)
    assert sandbox.requests.statuses.total() == sandbox.requests.total == posts[-1].number == 160


DONE = {"reset_after", "error_after", "html_200", "truncated", "late", "slow"}


def test_by_chance_only_tokens_that_oauth_issued_are_revoked_and_oauth_itself_works() -> None:
    with Sandbox(faults="rate=1,kinds=revoked") as sandbox:
        url = f"{sandbox.base_url}/users/me"
        fixed = httpx.get(url, headers={"Authorization": f"Bearer {sandbox.token}"}, verify=False)
        assert fixed.status_code == 200
        form = {"grant_type": "account_credentials", "account_id": "sandboxAccountId123456"}
        app = ("sandbox-server", "sandbox-secret")
        token = httpx.post(f"{sandbox.origin}/oauth/token", data=form, auth=app, verify=False).json()["access_token"]
        assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}, verify=False).status_code == 401
        assert sandbox.faults_done == {"revoked": 1}


def test_a_plan_ends_when_it_is_taken_away() -> None:
    sandbox = Sandbox(faults=Odds(rate=1.0))
    assert sandbox.faults == Odds(rate=1.0)
    sandbox.answer(ask("GET", "/v2/users"))
    sandbox.inject(status=500)
    sandbox.clear_faults()
    sandbox.answer(ask("GET", "/v2/users"))
    assert sandbox.faults is None
    assert (sandbox.faults_done.total(), sandbox.requests[-1].status) == (1, 200)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("often", "seed=7,rate=0.1"),
        ("", "seed=7,rate=0.1"),
        ("rate=2", "from 0 to 1"),
        ("rate=nan", "from 0 to 1"),
        ("rate=x", "numbers"),
        ("seed=1e3", "whole number"),
        ("kinds=late+soon", "unknown kind of fault 'soon'"),
        ("chance=1", "seed, rate, kinds and delay"),
        ({"kinds": 5}, "list of names"),
        ({"rate": None}, "numbers"),
    ],
)
def test_an_impossible_plan_is_refused_with_what_is_possible(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Sandbox(faults=given)


@pytest.mark.parametrize(
    ("given", "low", "high"), [(0.05, 0.05, 0.05), ("0.05", 0.05, 0.05), ("0.01-0.2", 0.01, 0.2), ((0, 3), 0, 3)]
)
def test_every_answer_waits_for_the_latency(given: Any, low: float, high: float) -> None:
    sandbox = Sandbox(latency=given)
    delays = [sandbox.answer(ask("GET", "/v2/users/me")).delay for _ in range(100)]
    assert low <= min(delays) <= max(delays) <= high
    assert (len(set(delays)) > 50) is (low < high)
    assert sandbox.faults_done == {}
    sandbox.latency = 0
    assert sandbox.answer(ask("GET", "/v2/users/me")).delay == 0


@pytest.mark.parametrize("given", ["x", "3-1", -1, (1, 2, 3), "nan", [], {"a": 1}])
def test_an_impossible_latency_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="latency must be 0 to 3600 seconds"):
        Sandbox(latency=given)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"drop": "before"}, "reset_before"),
        ({"drop": "after"}, "reset_after"),
        ({"status": 418}, "status_418"),
        ({"status": 418, "carry_out": True}, "status_418"),
        ({"status": 200, "endless": True}, "status_200"),
        ({"endless": True}, "endless_body"),
        ({"edit": "twice"}, "twice"),
        ({"head": "HTTP/1.1 299 Odd\r\n\r\n"}, "odd_head"),
        ({"cut": 5}, "truncated"),
        ({"takes": 0.01}, "slow"),
        ({"delay": 0.01}, "late"),
        ({"revoke": True}, "revoked"),
        ({"repeat_page": True}, "page_repeated"),
        ({"condition": "rate_limited"}, "rate_limited"),
        ({"kind": "late", "status": 500}, "late"),
    ],
)
def test_a_fault_is_counted_by_its_kind_or_by_what_it_does(given: dict[str, Any], name: str) -> None:
    sandbox = Sandbox()
    sandbox.inject(**given)
    sandbox.answer(ask("GET", "/v2/users"))
    assert sandbox.faults_done == {name: 1}
