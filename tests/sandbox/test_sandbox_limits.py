"""Rate limits: buckets by label, days and quotas, with the figures and words that Zoom publishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import AccountLimits, Sandbox
from zoom_connector.sandbox.endpoints import Endpoint, ZoomRefusal, endpoints

Connect = Callable[[Sandbox], httpx.Client]
NOON = 1_800_014_400.0  # 2027-01-15T12:00:00Z
MIDNIGHT = "2027-01-16T00:00:00Z"
PER_SECOND = "You have reached the maximum per-second rate limit for this API. Try again later."
DAILY = (
    "You have reached the maximum daily rate limit for this API. Refer to the response header for details on when you "
    "can make another request."
)
BY_LABEL = {
    "light": "user",
    "medium": "users",
    "heavy": "reportWebinarParticipants",
    "phone medium": "phoneUserRecordings",
}


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def endpoint(label: str) -> Endpoint:
    return next(each for each in endpoints() if each.operation == BY_LABEL[label])


def takes(limits: AccountLimits, label: str, now: float) -> bool:
    try:
        limits.take(endpoint(label), now)
    except ZoomRefusal as refusal:
        assert (refusal.status, refusal.message) == (429, PER_SECOND)
        return False
    return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def business(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock, plan="business") as running:
        yield running


# buckets


@pytest.mark.parametrize(
    ("plan", "label", "path", "most"),
    [
        ("free", "Light", "/users/me", 4),
        ("free", "Medium", "/users", 2),
        ("free", "Heavy", "/report/webinars/{webinar}/participants", 1),
        ("pro", "Light", "/users/me", 30),
        ("pro", "Medium", "/users", 20),
        ("pro", "Heavy", "/report/webinars/{webinar}/participants", 10),
        ("pro", "Medium", "/phone/users/me/recordings", 10),
        ("business", "Light", "/users/me", 80),
        ("business", "Medium", "/users", 60),
        ("business", "Heavy", "/report/webinars/{webinar}/participants", 40),
        ("business", "Medium", "/phone/users/me/recordings", 20),
    ],
)
def test_a_plan_allows_as_many_requests_a_second_as_zoom_says_and_then_refuses_in_zooms_words(
    connect: Connect, clock: Clock, plan: str, label: str, path: str, most: int
) -> None:
    with Sandbox(clock=clock, plan=plan) as sandbox:
        zoom = connect(sandbox)
        path = path.format(webinar=list(sandbox.state.webinars)[5])
        for left in range(most - 1, -1, -1):
            answer = zoom.get(path)
            assert answer.status_code == 200
            said = {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit")}
            assert said == {
                "x-ratelimit-category": label,
                "x-ratelimit-type": "QPS",
                "x-ratelimit-limit": str(most),
                "x-ratelimit-remaining": str(left),
            }
        refused = zoom.get(path)
        assert (refused.status_code, refused.json()) == (429, {"code": 429, "message": PER_SECOND})
        assert (refused.headers["x-ratelimit-category"], refused.headers["x-ratelimit-type"]) == (label, "QPS")
        assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == (str(most), "0")
        assert "retry-after" not in refused.headers


def test_a_bucket_fills_evenly_and_holds_one_second(clock: Clock) -> None:
    limits = AccountLimits(clock, "business")
    assert [takes(limits, "light", clock.now) for _ in range(81)] == [True] * 80 + [False]
    for wait, granted in ((1 / 80, 1), (1 / 160, 0), (1 / 160, 1), (0.5, 40), (60.0, 80)):
        clock.now += wait
        assert [takes(limits, "light", clock.now) for _ in range(granted + 1)] == [True] * granted + [False]


def test_who_keeps_to_the_rate_for_hours_is_never_refused_and_who_is_faster_gets_just_the_rate(clock: Clock) -> None:
    limits = AccountLimits(clock, "business")
    assert all(takes(limits, "medium", NOON + number / 60) for number in range(60_000))
    assert limits.phases[-1].refused["medium"] == 0
    limits = AccountLimits(clock, "business")
    granted = sum(takes(limits, "medium", NOON + number / 600) for number in range(60_000))
    assert granted in (60 + 60 * 100 - 1, 60 + 60 * 100)  # a full bucket, and a hundred seconds


def test_a_label_of_ten_a_minute_holds_ten_and_gets_one_every_six_seconds(clock: Clock) -> None:
    limits = AccountLimits(clock, "pro")
    heaviest = replace(endpoint("heavy"), rate="RESOURCE-INTENSIVE")
    for now, granted in ((NOON, 10), (NOON + 5.9, 0), (NOON + 6, 1), (NOON + 306, 10)):
        for _ in range(granted):
            limits.take(heaviest, now)
        with pytest.raises(ZoomRefusal, match="per-second"):
            limits.take(heaviest, now)


def test_labels_do_not_share_a_bucket_nor_does_the_phone(business: Sandbox, connect: Connect) -> None:
    zoom = connect(business)
    assert [zoom.get("/users").status_code for _ in range(61)][-1] == 429
    assert zoom.get("/users/me/meetings").status_code == 429  # medium too
    assert zoom.get("/phone/users/me/recordings").status_code == 200
    assert zoom.get("/users/me").status_code == 200


def test_a_request_without_a_good_token_takes_nothing_and_an_unknown_user_does(
    business: Sandbox, connect: Connect
) -> None:
    zoom = connect(business)
    wrong = zoom.get("/users/me", headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, "x-ratelimit-remaining" in wrong.headers) == (401, False)
    missing = zoom.get("/users/nobody@x.example")
    assert (missing.status_code, missing.headers["x-ratelimit-remaining"]) == (404, "79")
    made = zoom.post("/users/me/meetings", json={})
    assert made.headers["x-ratelimit-remaining"] == "78"
    business.tokens.issue("narrow", scopes={"user:read:user:admin"})
    narrow = zoom.post("/users/me/meetings", json={}, headers={"Authorization": "Bearer narrow"})
    assert (narrow.json()["code"], narrow.headers["x-ratelimit-remaining"]) == (4711, "77")
    gone = zoom.delete(f"/meetings/{made.json()['id']}")
    assert (gone.status_code, gone.headers["x-ratelimit-remaining"]) == (204, "76")


def test_without_a_plan_there_are_no_limits(connect: Connect) -> None:
    with Sandbox() as sandbox:
        zoom = connect(sandbox)
        answers = [zoom.get("/report/webinars/1/participants") for _ in range(50)]
        assert {answer.status_code for answer in answers} == {404}
        assert [name for name in answers[0].headers if name.startswith("x-ratelimit")] == ["x-ratelimit-category"]


# while it runs


def test_limits_drop_to_a_half_and_rise_again(business: Sandbox, clock: Clock, connect: Connect) -> None:
    zoom = connect(business)
    business.limits.scale = 0.5
    answers = [zoom.get("/users/me") for _ in range(41)]
    assert [answer.status_code for answer in answers] == [200] * 40 + [429]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"40"}
    clock.now += 0.5
    assert [zoom.get("/users/me").status_code for _ in range(21)] == [200] * 20 + [429]
    business.limits.scale = 1.0
    clock.now += 0.5
    assert [zoom.get("/users/me").status_code for _ in range(41)] == [200] * 40 + [429]


def test_others_take_their_share_of_what_fills_the_bucket(clock: Clock) -> None:
    limits = AccountLimits(clock, "business")
    limits.others = {"light": 60.0}
    for _ in range(80):
        assert takes(limits, "light", clock.now)
    clock.now += 1.0
    assert [takes(limits, "light", clock.now) for _ in range(21)] == [True] * 20 + [False]
    clock.now += 4.0
    limits.others = {"light": 100.0}  # more than there is: they drain the bucket
    clock.now += 2.0
    assert [takes(limits, "light", clock.now) for _ in range(41)] == [True] * 40 + [False]
    clock.now += 60.0
    assert not takes(limits, "light", clock.now)
    limits.others = {}
    clock.now += 0.5
    assert [takes(limits, "light", clock.now) for _ in range(41)] == [True] * 40 + [False]
    assert takes(limits, "medium", clock.now)


def test_each_change_begins_a_phase_that_counts_for_itself(clock: Clock) -> None:
    limits = AccountLimits(clock, "business")
    for number in range(100):
        takes(limits, "light", clock.now + number / 1000)
    clock.now += 10.0
    limits.change(scale=0.5, others={"light": 10})
    for _ in range(50):
        takes(limits, "light", clock.now)
    takes(limits, "medium", clock.now)
    clock.now += 5.0
    first, second = (phase.describe(clock.now) for phase in limits.phases)
    assert first == {
        "plan": "business",
        "scale": 1.0,
        "others": {},
        "left": {"light": 80.0},
        "seconds": 10.0,
        "requests": {"light": 100},
        "refused": {"light": 13},  # 80 at once, 80/s for the 99 ms that the hundred took
    }
    assert second["left"] == {"light": 30.0, "medium": 30.0}
    assert (second["requests"], second["refused"]) == ({"light": 50, "medium": 1}, {"light": 10})
    assert second["seconds"] == 5.0


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"plan": "enterprise"}, "free, pro, business"),
        ({"scale": 0}, "above 0"),
        ({"scale": "half"}, "above 0"),
        ({"others": {"lite": 1}}, "light, medium"),
        ({"others": {"light": -1}}, "0 or more"),
        ({"others": 5}, "map labels"),
        ({"speed": 1}, "plan, scale and others"),
    ],
)
def test_impossible_limits_are_refused_with_what_is_possible(clock: Clock, given: dict[str, Any], says: str) -> None:
    limits = AccountLimits(clock, "business")
    with pytest.raises(ValueError, match=says):
        limits.change(**given)
    assert len(limits.phases) == 1


def test_an_unknown_plan_of_a_sandbox_is_refused() -> None:
    with pytest.raises(ValueError, match="free, pro, business"):
        Sandbox(plan="gold")


# days


def test_a_used_up_day_ends_at_midnight_and_says_so_as_a_date_time(connect: Connect, clock: Clock) -> None:
    with Sandbox(clock=clock, plan="free") as sandbox:
        zoom = connect(sandbox)
        sandbox.limits.use_today("light", 5999)
        assert zoom.get("/users/me").status_code == 200
        refused = zoom.get("/users/me")
        assert (refused.status_code, refused.json()) == (429, {"code": 429, "message": DAILY})
        assert refused.headers["x-ratelimit-type"] == "Daily-limit"
        assert refused.headers["x-ratelimit-limit"] == "6000"
        assert refused.headers["x-ratelimit-remaining"] == "0"
        assert refused.headers["retry-after"] == MIDNIGHT
        assert zoom.get("/users").status_code == 200  # medium has a day of its own
        types = [zoom.get("/users/me").headers["x-ratelimit-type"] for _ in range(5)]
        assert types == ["Daily-limit"] * 5  # though this second has only 3 requests left
        clock.now += 12 * 3600 - 0.1
        assert zoom.get("/users/me").status_code == 429
        clock.now += 0.1
        assert zoom.get("/users/me").status_code == 200


@pytest.mark.parametrize(("plan", "most"), [("pro", 30_000), ("business", 60_000)])
def test_heavy_and_resource_intensive_requests_share_one_day(clock: Clock, plan: str, most: int) -> None:
    limits = AccountLimits(clock, plan)
    limits.use_today("resource-intensive", most - 1)
    limits.take(endpoint("heavy"), clock.now)
    with pytest.raises(ZoomRefusal, match="daily") as caught:
        limits.take(endpoint("heavy"), clock.now)
    assert dict(caught.value.headers)["X-RateLimit-Limit"] == str(most)
    assert takes(limits, "medium", clock.now)


def test_a_refused_request_uses_up_nothing_of_the_day(clock: Clock) -> None:
    limits = AccountLimits(clock, "free")
    limits.use_today("heavy", 998)
    assert [takes(limits, "heavy", clock.now) for _ in range(10)] == [True] + [False] * 9
    assert takes(limits, "heavy", clock.now + 1)
    with pytest.raises(ZoomRefusal, match="daily"):
        limits.take(endpoint("heavy"), clock.now + 2)


# quotas


def test_a_host_has_100_creations_and_updates_a_day(connect: Connect, clock: Clock) -> None:
    with Sandbox(clock=clock, plan="business") as sandbox:
        zoom = connect(sandbox)

        def change(meeting: int) -> int:
            clock.now += 0.1
            return zoom.patch(f"/meetings/{meeting}", json={"agenda": "x"}).status_code

        first = zoom.post("/users/me/meetings", json={}).json()["id"]
        assert zoom.patch("/meetings/1", json={}).status_code == 404  # not carried out: not counted
        for _ in range(49):
            clock.now += 0.1
            assert zoom.post("/users/user0@sandbox.example/meetings", json={}).status_code == 201
        assert [change(first) for _ in range(50)] == [204] * 50
        refused = zoom.post("/users/me/meetings", json={})
        assert refused.status_code == 429
        assert refused.json() == {
            "code": 429,
            "message": "You have exceeded the daily rate limit (100) of Meeting Create/Update API requests permitted "
            "for this particular user. You may resume these requests at GMT 00:00:00.",
        }
        assert "retry-after" not in refused.headers
        assert change(first) == 429
        assert zoom.get(f"/meetings/{first}").status_code == 200
        assert zoom.delete(f"/meetings/{first}").status_code == 204
        assert zoom.post("/users/user1@sandbox.example/meetings", json={}).status_code == 201
        clock.now = NOON + 12 * 3600
        assert zoom.post("/users/me/meetings", json={}).status_code == 201


def test_a_meeting_counts_for_its_host_whoever_creates_it(connect: Connect, clock: Clock) -> None:
    with Sandbox(clock=clock, plan="business") as sandbox:
        zoom = connect(sandbox)
        for _ in range(100):
            clock.now += 0.1
            made = zoom.post("/users/me/meetings", json={"schedule_for": "user1@sandbox.example"})
            assert made.status_code == 201
        assert zoom.post("/users/user1@sandbox.example/meetings", json={}).status_code == 429
        assert zoom.post("/users/me/meetings", json={}).status_code == 201


def test_the_quota_of_hosts_needs_a_plan(zoom: httpx.Client) -> None:
    assert {zoom.post("/users/me/meetings", json={}).status_code for _ in range(101)} == {201}


def test_a_free_account_invites_50_users_a_day(connect: Connect, clock: Clock) -> None:
    with Sandbox(clock=clock, plan="free") as sandbox:
        zoom = connect(sandbox)

        def create(number: int, action: str = "create") -> httpx.Response:
            clock.now += 1.0
            info = {"email": f"new{number}@sandbox.example", "type": 1}
            return zoom.post("/users", json={"action": action, "user_info": info})

        assert [create(number).status_code for number in range(50)] == [201] * 50
        refused = create(50)
        assert (refused.status_code, refused.json()["message"]) == (429, DAILY)
        assert refused.headers["retry-after"] == MIDNIGHT
        assert create(50, "custCreate").status_code == 201
