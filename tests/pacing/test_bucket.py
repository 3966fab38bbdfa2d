"""The arithmetic of one limit, worked out by hand from what docs/limits.md and the bucket's own words say."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest

from connector_runtime.errors import QuotaReached, RateLimited
from connector_runtime.model import DAY, Limits
from connector_runtime.pacing.bucket import Bucket, midnight, today
from connector_runtime.pacing.limits import PermitQueue
from connector_runtime.pacing.pacer import Pacer
from connector_runtime.steps import Permit

from .conftest import Time


def bucket(count: float | None = None, share: float = 0.5, seconds: float = 1.0, **more: Any) -> Bucket:
    return Bucket(**{"count": count, "seconds": seconds, "share": share, "at": 0.0, **more})


def test_of_what_is_declared_our_share_goes_a_quarter_at_once_and_the_rest_evenly() -> None:
    ours = bucket(80)
    assert (ours.pace, ours.free, ours.reserve, ours.known) == (40, 10, 0, True)
    assert ours.wait(10) == 0 and ours.wait(11) == pytest.approx(1 / 40)
    ours.take(10, 0)
    assert (ours.free, ours.numbered, ours.recent) == (0, 10, 10)
    assert ours.wait(1) == pytest.approx(1 / 40)
    ours.advance(0.1)
    assert ours.free == pytest.approx(4)
    ours.advance(0.05)  # a clock that goes back changes nothing
    assert ours.free == pytest.approx(4) and ours.at == 0.1
    ours.advance(9.0)
    assert ours.free == 10
    ours.take(-3, 0)  # back from somebody who did not use them
    assert (ours.numbered, ours.own) == (10, 13)
    assert bucket(2).free == 1  # never less than one
    assert bucket(120, seconds=60.0).pace == 1 and bucket(120, seconds=60.0).free == 15
    assert bucket().pace == bucket().free == inf and not bucket().known


def test_what_the_vendor_says_remains_is_spent_down_to_a_quarter_of_the_limit() -> None:
    theirs = bucket()
    theirs.observe(80, 50, 0, 0.0)
    assert (theirs.limit, theirs.level, theirs.reserve, theirs.free, theirs.known) == (80, 50, 20, 30, True)
    assert theirs.wait(31) == pytest.approx(1 / 80) and theirs.wait(30) == 0
    theirs.take(5, 0)
    assert (theirs.level, theirs.free) == (45, 25)
    theirs.observe(80, 50, 5, 0.25)  # a quarter of a second ago; it has refilled since
    assert theirs.level == 70
    theirs.observe(80, 70, 3, 0.0)  # two of ours it had not seen
    assert theirs.level == 68
    theirs.advance(10.0)
    assert theirs.level == 80
    theirs.observe(0.5, 0, 5, 0.0)  # no limit
    assert theirs.limit == 80
    theirs.observe(40, 90, 5, 0.0)
    assert (theirs.limit, theirs.level) == (40, 40)
    for limit, reserve in ((1, 0), (2, 0.5), (4, 1)):
        theirs.observe(limit, limit, 5, 0.0)
        assert theirs.reserve == reserve


def test_a_vendor_that_allows_less_than_was_declared_lowers_our_share() -> None:
    both = bucket(80)
    both.observe(20, 20, 0, 0.0)
    assert (both.pace, both.own, both.free) == (10, 2.5, 2.5)
    both.observe(200, 200, 0, 0.0)
    assert both.pace == 40


def test_what_others_take_is_believed_over_two_windows_and_unbelieved_over_one_and_a_half() -> None:
    theirs = bucket()
    theirs.observe(80, 50, 0, 0.0)
    assert (theirs.others, theirs.refill) == (0, 80)
    theirs.observe(80, 30, 0, 0.0)
    assert (theirs.others, theirs.refill) == (10, 70)
    theirs.observe(80, 36, 0, 0.0)
    assert (theirs.others, theirs.refill) == (6, 74)
    theirs.observe(80, 60, 0, 0.0)
    assert theirs.others == 0
    for _ in range(9):
        theirs.level = 80
        theirs.observe(80, 0, 0, 0.0)
    assert theirs.others == 80 and theirs.refill == 16  # a fifth is looked for all the same


def test_a_refusal_stops_for_a_second_and_goes_on_at_seven_tenths() -> None:
    slow = bucket()
    slow.take(10, 0)
    slow.refuse(0.0, until=None, explained=False, counted=True)
    assert (slow.until, slow.refused, slow.since, slow.own, slow.free) == (1.0, 7.0, 1.0, 1.0, 0.0)
    assert slow.wait(1) == 1.0
    slow.advance(1.0)
    assert slow.pace == 7 and slow.free == 1.75  # a quarter of it
    slow.advance(2.5)
    assert slow.pace == pytest.approx(14)  # doubled: nothing else is known of the limit
    slow.advance(9.99)
    assert slow.refused is not None
    slow.advance(10.01)
    assert slow.refused is None and slow.pace == inf
    again = bucket()
    again.take(10, 0)
    again.refuse(0.0, until=None, explained=False, counted=True)
    again.refuse(0.0, until=None, explained=False, counted=True)  # one for all that were on the way
    assert again.refused == 7
    again.refuse(5.0, until=100.0, explained=True, counted=False)
    assert (again.until, again.refused) == (105, 7)
    again.refuse(0.0, until=50.0, explained=True, counted=False)
    assert again.until == 105


def test_where_a_limit_is_known_the_rate_grows_by_a_twentieth_a_second() -> None:
    ours = bucket(80)
    ours.refuse(0.0, until=None, explained=False, counted=True)
    assert ours.refused == 4  # a tenth of ours: others used it up
    ours.advance(21.0)
    assert ours.pace == pytest.approx(8)
    ours.advance(60.9)
    assert ours.refused is not None
    ours.advance(61.1)
    assert ours.refused is None and ours.pace == 40
    theirs = bucket()
    theirs.observe(80, 50, 0, 0.0)
    theirs.refuse(0.0, until=None, explained=True, counted=True)  # what remains says it all
    assert (theirs.until, theirs.refused, theirs.level) == (0, None, 50)
    theirs.refuse(0.0, until=3.0, explained=True, counted=False)
    assert (theirs.until, theirs.refused, theirs.level) == (3, None, 0)
    rare = bucket(seconds=3600.0)
    rare.refuse(0.0, until=None, explained=False, counted=True)
    assert rare.refused == pytest.approx(1 / 3600)
    seldom = bucket(seconds=1.0, share=0.001, count=1)
    seldom.refuse(0.0, until=None, explained=False, counted=True)
    assert seldom.refused == pytest.approx(1 / 60)


def test_a_day_counts_what_went_in_it_whoevers_clock_is_a_little_ahead() -> None:
    ours = bucket()
    ours.take(3, 5)
    assert [ours.used_on(day) for day in (3, 4, 5, 6)] == [0, 3, 3, 0]
    ours.take(1, 6)
    assert (ours.used, ours.day) == (1, 6)
    ours.take(1, 5)
    assert (ours.used, ours.day) == (2, 6)
    ours.take(-5, 6)
    assert ours.used == 0
    ours.use_up(100.0)
    ours.use_up(50.0)
    assert ours.out == 100
    assert (today(0), today(DAY - 1), today(DAY)) == (0, 0, 1)
    assert (midnight(0), midnight(DAY - 1), midnight(DAY)) == (DAY, DAY, 2 * DAY)


def test_a_state_is_read_as_it_was_written_or_not_at_all() -> None:
    ours = bucket(80)
    ours.observe(100, 70, 0, 0.0)
    ours.take(4, 2)
    ours.refuse(0.0, until=9.0, explained=False, counted=True)
    ours.use_up(50.0)
    assert bucket(80).load(0.0, ours.dump()) == ours
    assert bucket().load(0.0, bucket().dump()).own == inf
    assert bucket(80).load(7.0, None) == bucket(80, at=7.0)
    state = json.loads(ours.dump())
    for name, wrong in (("at", DAY + 1), ("level", nan), ("level", inf), ("used", None), ("used", True), ("out", "1")):
        with pytest.raises((ValueError, TypeError)):
            bucket(80).load(0.0, json.dumps({**state, name: wrong}).encode())
    far = bucket(80).load(0.0, json.dumps({**state, "until": 1e9, "since": 1e9, "out": 1e9, "at": DAY}).encode())
    assert (far.until, far.since, far.out, far.at) == (3600, 3600, 2 * DAY, DAY)


def test_each_no_of_a_pacer_is_the_whole_error(limits: Limits, time: Time) -> None:
    nothing = dict.fromkeys(("status", "code", "tracking_id", "items_read", "cursor"))
    about = {"problems": [], "retriable": True, **nothing, "may_have_been_done": False}
    paced = Pacer(limits, clock=time)
    time.now = midnight(time.now)
    first = Permit(action="get-thing", label="light")
    assert paced.ask(first) == 0
    limit = paced._label_limit(first)
    limit.bucket.until = time.now + 61
    with pytest.raises(RateLimited) as caught:
        paced.ask(Permit(action="get-thing", label="light"))
    said = caught.value.to_dict()
    at = said.pop("retry_at")
    assert at.endswith("T00:01:01Z")
    day = at.partition("T")[0]
    assert said == {
        "kind": "rate_limit",
        "message": f"The vendor is not accepting 'light' requests from this account until {day} 00:01:01 UTC.",
        "hint": "Nothing was sent. Try again after that time.",
        **about,
    }
    limit.bucket.until = time.now + 60
    assert 0 < paced.ask(Permit(action="get-thing", label="light")) <= 60
    limit.bucket.use_up(midnight(time.now))
    with pytest.raises(QuotaReached) as over:
        paced.ask(Permit(action="get-thing", label="light"))
    said = over.value.to_dict()
    until = said.pop("retry_at")
    assert until.endswith("T00:00:00Z")
    assert said == {
        "kind": "quota",
        "message": "The vendor accepts no more 'light' requests from this account today.",
        "hint": f"Wait until {until.partition('T')[0]} 00:00 UTC.",
        **about,
    }


def test_a_place_in_the_line_is_how_many_came_before() -> None:
    line = PermitQueue()
    permits = [Permit(action=f"a{number}") for number in range(70)]
    assert [line.ahead_of(each, 0.0) for each in permits] == list(range(70))
    assert [line.ahead_of(each, 0.0) for each in permits] == list(range(70))
    permits[0].gone = True
    assert [line.ahead_of(each, 0.0) for each in permits[1:4]] == [0, 1, 2]
    assert line.ahead_of(permits[69], 0.0) == 68
    assert line.ahead_of(permits[5], 2.1) == 0  # the others did not come back within two seconds
