"""What the pacer says to single calls: budgets, quotas, refusals, labels; the time is set by the tests."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import Time

from connector_runtime.calls.action import Action
from connector_runtime.calls.credentials import lay_out
from connector_runtime.calls.render import draft
from connector_runtime.client import Client
from connector_runtime.connections.oauth import StoredConnection
from connector_runtime.errors import InputError, QuotaReached, RateLimited, StoreError
from connector_runtime.model import Label, Limits, Rate, ReportedLimits
from connector_runtime.pacing import accounts
from connector_runtime.pacing.accounts import AccountPacing
from connector_runtime.pacing.limits import ALONE, Quotas
from connector_runtime.pacing.pacer import MOST_LABELS, Pacer, pacer
from connector_runtime.pacing.permit import Pacing, permit_of
from connector_runtime.steps import AskPermit, Permit, Token
from connector_runtime.stores.databases import open_store
from connector_runtime.stores.store import Entry, MemoryStore, Store
from tests.plays import Play
from zoom_connector import load

MIDNIGHT = datetime(2026, 11, 2, tzinfo=UTC)


def permit(label: str | None = "light", action: str = "get-thing", **more: object) -> Permit:
    return Permit(action=action, label=label, **more)  # type: ignore[arg-type]


def claimed(action: Action, values: Mapping[str, Any]) -> Permit:
    return permit_of(action, draft(action, values).written, "")


def said(limit: int, remaining: int, category: str = "Light", kind: str = "QPS") -> Mapping[str, str]:
    return {
        "x-ratelimit-category": category,
        "x-ratelimit-type": kind,
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
    }


def go(pacer: Pacer, time: Time, wanted: Permit) -> Permit:
    """Ask until it may go, moving the clock as told."""
    while pause := pacer.ask(wanted):
        time.now += pause
    return wanted


def count_now(pacer: Pacing, label: str | None = "light", action: str = "get-thing") -> int:
    """How many calls may go without waiting."""
    count = 0
    while count < 1000:
        new = permit(label, action)
        if pacer.ask(new):
            new.gone = True
            break
        count += 1
    return count


# -- what is declared ------------------------------------------------------------------------------------------------


def test_a_quarter_of_our_share_may_go_at_once_and_the_rest_evenly(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)  # 40 a second are ours
    assert count_now(pacer) == 10
    assert pacer.ask(permit()) == pytest.approx(1 / 40)
    time.now += 10
    assert count_now(pacer) == 10


def test_calls_of_different_labels_and_accounts_do_not_wait_for_each_other(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    assert count_now(pacer) == 10
    assert pacer.ask(permit("heavy")) == 0
    assert Pacer(limits, account="another", plan="tower", clock=time).ask(permit()) == 0


def test_an_action_that_is_counted_apart_has_its_own_limit(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    assert count_now(pacer, "light", "get-calls") == 5  # a quarter of 20
    assert count_now(pacer, "light") == 20


def test_a_vendor_that_allows_less_than_the_plan_says_lowers_our_cap(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    pacer.report(go(pacer, time, permit()), 200, said(20, 19))
    time.now += 5
    assert count_now(pacer) == 2  # a quarter of a half of 20


def test_without_a_plan_only_the_vendors_word_counts(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, clock=time)
    pacer.report(go(pacer, time, permit()), 200, said(80, 50))
    assert count_now(pacer) == 30  # down to the reserve, a quarter of 80


def test_a_plan_or_share_that_can_not_be_is_refused(limits: Limits) -> None:
    with pytest.raises(InputError, match="plan: must be one of loft, tower"):
        Pacer(limits, plan="castle")
    with pytest.raises(InputError, match="plan: must be omitted"):
        Pacer(Limits(key="x"), plan="castle")
    for share in (0, -1, 1.5, float("nan")):
        with pytest.raises(InputError, match="share: must be more than 0 and at most 1"):
            Pacer(limits, share=share)


# -- what the vendor says --------------------------------------------------------------------------------------------


def test_nothing_known_eight_calls_go_and_each_answer_lets_more_follow(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, clock=time)
    first, second, *_ = [go(pacer, time, permit()) for _ in range(8)]
    assert pacer.ask(permit()) > 0
    pacer.report(first, 200, {})
    pacer.report(second, 200, {})
    assert count_now(pacer) == 6  # two for those that were answered, and two more for each answer


def test_an_answer_that_never_comes_does_not_stop_the_others(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, clock=time)
    for _ in range(8):
        go(pacer, time, permit())
    time.now += 1.1
    assert pacer.ask(permit()) == 0


def test_a_refusal_with_a_time_stops_the_label_until_then_and_nothing_else(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    sent = go(pacer, time, permit())
    pacer.report(sent, 429, {}, datetime.fromtimestamp(time.now + 30, UTC), "rate_limit")
    waits = permit()
    assert pacer.ask(waits) == pytest.approx(30, abs=0.1)
    assert pacer.ask(permit("heavy")) == 0
    time.now += 30.1
    assert pacer.ask(waits) == 0


def test_a_vendor_that_shuts_for_longer_than_a_call_waits_is_not_waited_for(
    limits: Limits, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    pacer.report(go(pacer, time, permit()), 429, {}, datetime.fromtimestamp(time.now + 61, UTC), "rate_limit")
    waits = permit()
    with pytest.raises(RateLimited) as caught:
        pacer.ask(waits)
    assert caught.value.to_dict() == {
        "kind": "rate_limit",
        "message": "The vendor is not accepting 'light' requests from this account until 2026-11-01 12:01:01 UTC.",
        "hint": "Nothing was sent. Try again after that time.",
        "problems": [],
        "retriable": True,
        "status": None,
        "code": None,
        "tracking_id": None,
        "retry_at": "2026-11-01T12:01:01Z",
        "may_have_been_done": False,
        "items_read": None,
        "cursor": None,
    }
    time.now += 1
    assert pacer.ask(waits) == pytest.approx(60, abs=0.1)
    time.now += 60
    assert pacer.ask(waits) == 0
    assert caplog.text == ""


@pytest.mark.parametrize("store", [None, MemoryStore()])
def test_a_lockout_is_believed_for_ten_minutes_and_the_log_says_so(
    limits: Limits, time: Time, store: Store | None, caplog: pytest.LogCaptureFixture
) -> None:
    pacer = Pacer(limits, plan="tower", store=store, clock=time)
    pacer.report(go(pacer, time, permit()), 429, {}, datetime.max.replace(tzinfo=UTC), "rate_limit")
    assert [record.getMessage() for record in caplog.records] == [
        "the vendor reports that it accepts no 'light' requests until 9999-12-31 23:59 UTC;"
        " the pacer waits only 600 seconds"
    ]
    for each in (pacer, Pacer(limits, plan="tower", store=store, clock=time) if store else pacer):
        with pytest.raises(RateLimited, match="2026-11-01 12:10:00 UTC"):
            each.ask(permit())
    time.now += 600
    assert pacer.ask(permit()) == 0


def test_a_used_up_day_is_believed_until_the_end_of_the_next(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    day = {"x-ratelimit-type": "Daily-limit"}
    pacer.report(go(pacer, time, permit()), 429, day, datetime.max.replace(tzinfo=UTC), "quota")
    letter = permit("light", "send-letter", quotas=(("letters", "x"),))
    with pytest.raises(QuotaReached) as caught:
        pacer.ask(letter)
    assert caught.value.retry_at == datetime(2026, 11, 3, tzinfo=UTC)
    other = Pacer(limits, plan="tower", clock=time)
    other.report(go(other, time, letter), 429, {}, datetime.max.replace(tzinfo=UTC), "quota")
    with pytest.raises(QuotaReached) as caught:
        other.ask(permit("light", "send-letter", quotas=(("letters", "x"),)))
    assert caught.value.retry_at == datetime(2026, 11, 3, tzinfo=UTC)


def test_a_refusal_is_forgotten_however_long_nobody_asks(time: Time) -> None:
    pacer = Pacer(Limits(key="any"), clock=time)
    pacer.report(go(pacer, time, permit(None)), 429, {}, None, "rate_limit")
    time.now += 10 * 365 * 86400
    assert pacer.ask(permit(None)) == 0


def test_a_vendor_that_names_a_new_label_in_each_answer_fills_no_memory(time: Time) -> None:
    pacer = Pacer(Limits(key="any", reported=ReportedLimits(label="header.x")), clock=time)
    for number in range(3 * MOST_LABELS):
        pacer.report(permit(None), 200, {"x": f"label {number}"})
    for odd in ("a/b", "x" * 65, "é" * 70, ""):
        pacer.report(permit(None, "other"), 200, {"x": odd})
    assert len(pacer._label_limits) == MOST_LABELS + 1  # and one for the other action
    assert "other" not in pacer._learned


def test_a_refusal_that_says_nothing_stops_it_for_a_second_and_slows_it_down(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    sent = [go(pacer, time, permit()) for _ in range(120)]
    for each in sent[-5:]:
        pacer.report(each, 429, {}, None, "rate_limit")
    waits = permit()
    assert pacer.ask(waits) == pytest.approx(1, abs=0.1)
    time.now += 2
    assert pacer.ask(waits) == 0
    assert 7 <= count_now(pacer) <= 14
    time.now += 60
    assert count_now(pacer) == 20


def test_a_refusal_that_tells_what_remains_waits_for_the_reserve_to_fill(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    pacer.report(go(pacer, time, permit()), 429, said(80, 0), None, "rate_limit")
    assert pacer.ask(permit()) == pytest.approx(21 / 80, abs=0.02)


def test_what_came_in_while_an_answer_was_on_its_way_is_counted_on(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, clock=time)
    sent = go(pacer, time, permit())
    time.now += 0.5  # so the answer is a quarter of a second old, in which 20 came in
    pacer.report(sent, 200, said(80, 30))
    assert count_now(pacer) == 30


def test_an_answer_does_not_know_of_what_was_sent_after_its_call(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    first = go(pacer, time, permit())
    for _ in range(9):
        assert pacer.ask(permit()) == 0
    pacer.report(first, 200, said(80, 31))
    assert count_now(pacer) == 2  # 31, less the 9 and the reserve of 20


def test_a_limit_of_nothing_is_not_believed(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    pacer.report(go(pacer, time, permit()), 200, said(0, 0))
    assert count_now(pacer) == 9


def test_a_call_without_a_label_is_counted_where_the_answer_says(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    pacer.report(go(pacer, time, permit(None, "raw-request")), 200, said(40, 11, "Heavy"))
    assert count_now(pacer, "heavy") == 1
    assert pacer.ask(permit(None, "raw-request")) > 0


def test_a_label_that_the_vendor_contradicts_is_learned(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    pacer.report(go(pacer, time, permit("light", "get-report")), 200, said(40, 11, "Heavy"))
    assert count_now(pacer, "light", "get-report") == 1
    assert count_now(pacer, "light") == 19, "the first one was counted here"


def test_an_action_that_is_counted_apart_stays_there_whatever_label_answers_name(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    pacer.report(go(pacer, time, permit("light", "get-calls")), 200, said(20, 6, "Light"))
    assert count_now(pacer, "light", "get-calls") == 1  # 6, less the reserve of 5
    assert count_now(pacer, "light") == 20


def test_a_category_that_is_no_label_of_ours_changes_nothing(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    pacer.report(go(pacer, time, permit()), 200, said(80, 79, "Featherweight"))
    assert count_now(pacer) == 19


# -- accounts that are not paced yet ----------------------------------------------------------------------------------


def test_an_account_has_no_pacer_until_it_is_woken_or_a_limit_is_declared(limits: Limits) -> None:
    account = AccountPacing(limits)
    assert account.pacer is None
    paced = account.wake()
    assert account.pacer is paced is account.wake()
    assert AccountPacing(limits, plan="tower").pacer is not None
    always = limits._replace(labels={"light": Label(rates={"": (Rate.of("4/s"),)})})
    assert AccountPacing(always).pacer is not None
    given = Pacer(limits)
    assert AccountPacing(limits, pacer=given).wake() is given


def test_little_remains_where_an_answer_tells_less_than_a_quarter_of_the_limit(limits: Limits) -> None:
    told = limits.reported
    assert told.is_scarce(said(80, 19))
    assert not told.is_scarce(said(80, 20))
    assert not told.is_scarce({**said(80, 0), "x-ratelimit-limit": "many"})
    assert not told.is_scarce({"x-ratelimit-remaining": "0"})
    assert not Limits(key="dove").reported.is_scarce(said(80, 0))


def test_a_call_that_never_asked_teaches_what_its_answer_tells(limits: Limits, time: Time) -> None:
    paced = AccountPacing(limits, clock=time).wake()
    paced.report(permit(), 200, said(80, 30))
    assert count_now(paced) == 10  # down to the reserve


def test_a_refusal_of_a_call_that_never_asked_makes_all_wait_but_says_nothing_of_the_rate(
    limits: Limits, time: Time
) -> None:
    paced = AccountPacing(limits, clock=time).wake()
    paced.report(permit(), 429, {}, datetime.fromtimestamp(time.now + 30, UTC), "rate_limit")
    waits = permit()
    assert paced.ask(waits) == pytest.approx(30, abs=0.1)
    time.now += 30.1
    assert paced.ask(waits) == 0
    assert count_now(paced) == 7  # as at the beginning: how fast it was nobody counted


def test_a_used_up_day_or_quota_is_learned_from_a_call_that_never_asked(limits: Limits, time: Time) -> None:
    paced = AccountPacing(limits, clock=time).wake()
    paced.report(permit(), 429, said(6000, 0, kind="Daily-limit"), None, "quota")
    with pytest.raises(QuotaReached, match="accepts no more 'light' requests"):
        paced.ask(permit())
    paced.report(letter(), 429, {}, None, "quota")
    with pytest.raises(QuotaReached, match="allows 3 'letters' a day"):
        paced.ask(letter())
    assert paced.ask(letter("b")) == 0


def test_a_call_that_never_asked_counts_against_its_quota_if_it_was_done(limits: Limits, time: Time) -> None:
    paced = AccountPacing(limits, clock=time).wake()
    for status in (201, 400, 201, 201):
        paced.report(letter(), status, {})
    with pytest.raises(QuotaReached):
        paced.ask(letter())


# -- the line --------------------------------------------------------------------------------------------------------


def test_who_is_gone_is_not_waited_for(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    count_now(pacer)
    first, second = permit(), permit()
    assert 0 < pacer.ask(first) <= pacer.ask(second)
    first.gone = True
    time.now += 1 / 40 + 1e-6
    assert pacer.ask(second) == 0


def test_who_does_not_come_back_loses_its_place_after_two_seconds(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="loft", clock=time)  # 2 a second are ours
    go(pacer, time, permit())
    lost, last = permit(), permit()
    pacer.ask(lost)
    pacer.ask(last)
    time.now += 0.51
    assert pacer.ask(last) > 0, "the first permit is the other's"
    time.now += 2.1
    assert pacer.ask(last) == 0


def test_a_clock_that_is_set_back_stops_nobody_for_long(limits: Limits, time: Time) -> None:
    for store in (None, MemoryStore()):
        pacer = Pacer(limits, plan="loft", store=store, clock=time)
        go(pacer, time, permit())
        time.now -= 3600
        assert pacer.ask(permit()) <= 1


def test_a_clock_that_is_set_back_keeps_a_pause_as_long_as_it_was(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    pacer.report(go(pacer, time, permit()), 429, {}, datetime.fromtimestamp(time.now + 30, UTC), "rate_limit")
    time.now -= 3600
    assert pacer.ask(permit()) == pytest.approx(30, abs=0.1)


def test_who_got_lost_before_the_clock_was_set_back_is_not_waited_for_either(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="loft", clock=time)
    go(pacer, time, permit())
    pacer.ask(permit())
    time.now -= 3600
    last, began = permit(), time.now
    go(pacer, time, last)
    assert time.now - began < 5


# -- budgets of a day ------------------------------------------------------------------------------------------------


def stores() -> list[Store | None]:
    return [None, MemoryStore()]


@pytest.mark.parametrize("store", stores(), ids=["alone", "shared"])
def test_a_days_budget_ends_before_anything_is_sent_and_begins_anew_at_midnight(
    limits: Limits, time: Time, store: Store | None
) -> None:
    pacer = Pacer(limits, plan="loft", share=1.0, store=store, clock=time)
    for _ in range(6):
        go(pacer, time, permit())
    with pytest.raises(QuotaReached) as caught:
        pacer.ask(permit())
    assert str(caught.value) == (
        "This account has used up its daily allowance of 6 'light' requests. Wait until 2026-11-02 00:00 UTC."
    )
    assert caught.value.retry_at == MIDNIGHT
    assert caught.value.retriable
    time.now = MIDNIGHT.timestamp() + 1
    assert pacer.ask(permit()) == 0


def test_of_a_budget_too_only_our_share_is_ours(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="loft", clock=time)
    for _ in range(3):
        go(pacer, time, permit())
    with pytest.raises(
        QuotaReached, match=r"its share \(50%\) of the account's daily allowance of 6 'light' requests.* larger share"
    ):
        pacer.ask(permit())


@pytest.mark.parametrize("store", stores(), ids=["alone", "shared"])
def test_labels_that_share_a_budget_use_it_up_together(limits: Limits, time: Time, store: Store | None) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, store=store, clock=time)
    for _ in range(3):
        go(pacer, time, permit("heavy"))
    for _ in range(2):
        go(pacer, time, permit("slow"))
    for label in ("heavy", "slow"):
        with pytest.raises(QuotaReached, match="5 'heavy' and 'slow' requests"):
            pacer.ask(permit(label))
    assert pacer.ask(permit("light")) == 0


def test_a_budget_is_shared_through_the_store(limits: Limits, time: Time) -> None:
    store = MemoryStore()
    one, other = (Pacer(limits, plan="loft", share=1.0, store=store, clock=time) for _ in range(2))
    for _ in range(3):
        go(one, time, permit())
        go(other, time, permit())
    time.now += 1.1
    for each in (one, other):
        with pytest.raises(QuotaReached):
            each.ask(permit())


@pytest.mark.parametrize("store", stores(), ids=["alone", "shared"])
def test_a_vendors_daily_refusal_stops_the_label_until_the_time_it_gives(
    limits: Limits, time: Time, store: Store | None
) -> None:
    pacer = Pacer(limits, store=store, clock=time)
    until = datetime(2026, 11, 1, 20, tzinfo=UTC)
    pacer.report(go(pacer, time, permit()), 429, said(6000, 0, kind="Daily-limit"), until, "quota")
    with pytest.raises(QuotaReached, match=r"accepts no more 'light' requests .* until 2026-11-01 20:00 UTC") as caught:
        pacer.ask(permit())
    assert caught.value.retry_at == until
    assert pacer.ask(permit("heavy")) == 0
    time.now = until.timestamp() + 1
    assert pacer.ask(permit()) == 0


def test_another_process_hears_of_a_vendors_daily_refusal(limits: Limits, time: Time) -> None:
    store = MemoryStore()
    one, other = (Pacer(limits, plan="tower", store=store, clock=time) for _ in range(2))
    go(other, time, permit())
    one.report(go(one, time, permit()), 429, said(6000, 0, kind="Daily-limit"), MIDNIGHT, "quota")
    time.now += 2
    with pytest.raises(QuotaReached):
        for _ in range(100):
            go(other, time, permit())


def test_figures_of_the_day_are_not_taken_for_those_of_the_second(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", share=1.0, clock=time)
    pacer.report(go(pacer, time, permit()), 200, said(60000, 3, kind="Daily-limit"))
    assert count_now(pacer) == 19


# -- quotas ----------------------------------------------------------------------------------------------------------


def letter(email: str = "a") -> Permit:
    return Permit(action="send-letter", label="heavy", quotas=(("letters", email),))


@pytest.mark.parametrize("store", stores(), ids=["alone", "shared"])
def test_a_quota_is_counted_by_what_it_is_per_and_refused_before_sending(
    limits: Limits, time: Time, store: Store | None
) -> None:
    pacer = Pacer(limits, store=store, clock=time)
    for _ in range(3):
        pacer.report(go(pacer, time, letter()), 201, {})
    with pytest.raises(QuotaReached) as caught:
        pacer.ask(letter())
    assert str(caught.value) == (
        "The vendor allows 3 'letters' a day, and they are used up."
        " Wait until 2026-11-02 00:00 UTC, or use a different 'loft' or 'email'."
    )
    assert caught.value.retry_at == MIDNIGHT
    assert pacer.ask(letter("b")) == 0
    time.now = MIDNIGHT.timestamp()
    assert pacer.ask(letter()) == 0


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit"), (None, None), (401, None), (503, None)])
def test_a_call_that_did_nothing_does_not_count(
    limits: Limits, time: Time, status: int | None, kind: str | None
) -> None:
    pacer = Pacer(limits, clock=time)
    for _ in range(10):
        pacer.report(go(pacer, time, letter()), status, {}, None, kind)
        time.now += 60


def test_who_is_refused_leaves_the_line(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, plan="tower", clock=time)
    first, second = letter(), letter()
    first.label = second.label = "light"
    pacer.report(go(pacer, time, first), 429, {}, None, "quota")
    with pytest.raises(QuotaReached):
        pacer.ask(second)
    assert count_now(pacer) == 9  # a quarter of 40, less the first


def test_two_accounts_with_one_store_have_quotas_of_their_own(limits: Limits, time: Time) -> None:
    store = MemoryStore()
    one, other = (Pacer(limits, account=name, store=store, clock=time) for name in ("one", "other"))
    for _ in range(3):
        one.report(go(one, time, letter()), 201, {})
    with pytest.raises(QuotaReached):
        one.ask(letter())
    assert other.ask(letter()) == 0


def test_of_two_quotas_none_is_counted_when_one_is_full(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, clock=time)
    for _ in range(3):
        pacer.report(go(pacer, time, letter("full")), 201, {})
    for _ in range(5):
        with pytest.raises(QuotaReached):
            pacer.ask(Permit(action="send-letter", label="heavy", quotas=(("letters", "other"), ("letters", "full"))))
    assert pacer.ask(letter("other")) == 0


def test_the_vendors_refusal_of_a_quota_stops_that_one_and_nobody_else(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, clock=time)
    pacer.report(go(pacer, time, letter()), 429, {}, None, "quota")
    with pytest.raises(QuotaReached):
        pacer.ask(letter())
    assert pacer.ask(letter("b")) == 0
    assert pacer.ask(permit("heavy")) == 0


def test_a_refusal_of_a_quota_that_we_can_not_count_stops_nothing(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, clock=time)
    for until in (None, MIDNIGHT):  # such as the updates of one user's meetings
        pacer.report(go(pacer, time, permit()), 429, {"x-ratelimit-category": "Light"}, until, "quota")
        assert pacer.ask(permit()) == 0


def test_a_vendor_that_marks_no_days_is_believed_by_its_time(limits: Limits, time: Time) -> None:
    unmarked = limits._replace(reported=limits.reported._replace(daily=None))
    pacer = Pacer(unmarked, clock=time)
    pacer.report(go(pacer, time, permit()), 429, {}, MIDNIGHT, "quota")
    with pytest.raises(QuotaReached):
        pacer.ask(permit())


def test_what_me_may_do_is_counted_for_each_connection_of_an_account() -> None:
    connector, paced = load(), pacer(load())
    kind, asked = connector.connections["oauth2"], {"user_id": "me", "topic": "x"}

    def claimed_by(tenant: str) -> Permit:
        stored = StoredConnection(kind, "main", MemoryStore(), f"connections/zoom/{tenant}/main", 1.0, "acc1")
        with Client(connector, connection=stored, pacing=paced) as client:
            plays = Play(
                {Token: lay_out(connector.profile, None, {"access_token": "t"}), AskPermit: LookupError("no further")}
            )
            with pytest.raises(LookupError):
                list(plays(client._session.call("create-meeting", asked)[1]))
        return plays.of(AskPermit)[0].permit  # type: ignore[no-any-return]

    paced.report(claimed_by("acme"), 429, {}, None, "quota")
    with pytest.raises(QuotaReached):
        paced.ask(claimed_by("acme"))
    assert paced.ask(claimed_by("other")) == 0


def test_a_quota_of_one_plan_is_not_counted_on_another(limits: Limits, time: Time) -> None:
    def user() -> Permit:
        return Permit(action="create-user", label="heavy", quotas=(("users", "x"),))

    small, large = Pacer(limits, plan="loft", clock=time), Pacer(limits, plan="tower", clock=time)
    for _ in range(3):
        large.report(go(large, time, user()), 201, {})
    small.report(go(small, time, user()), 201, {})
    with pytest.raises(QuotaReached, match=r"used up\. Wait until 2026-11-02 00:00 UTC\.$"):  # counted by no input
        small.ask(user())


def test_a_store_that_fails_is_left_alone_for_some_seconds_by_quotas_too(time: Time) -> None:
    class Failing(MemoryStore):
        fails = True
        asked = 0

        def _ask(self) -> None:
            self.asked += 1
            if self.fails:
                raise StoreError("The store is locked.")

        def read(self, key: str) -> Entry | None:
            self._ask()
            return super().read(key)

        def scan(self, prefix: str, after: str = "", limit: int = 100) -> list[tuple[str, Entry]]:
            self._ask()
            return super().scan(prefix, after, limit)

    store = Failing()
    quotas = Quotas(store, "p")
    for _ in range(10):
        assert quotas.count([("a", 1), ("b", 1)], time()) is None
        quotas.give_back(["a"], time())
        quotas.use_up(["b"], time(), time() + 60)
    assert store.asked == 1
    time.now += ALONE
    store.fails = False
    assert quotas.count([("a", 1)], time()) is None
    assert quotas.count([("a", 1)], time()) is not None


def test_whoever_declares_other_terms_has_a_pacer_of_their_own(limits: Limits) -> None:
    store = MemoryStore()
    declared = accounts.account_pacing(limits, "first", plan="loft", share=0.25, store=store)
    assert accounts.account_pacing(limits, "first", plan="loft", share=0.25, store=store) is declared
    others = [{}, {"plan": "tower"}, {"plan": "loft", "share": 0.5}, {"plan": "loft", "share": 0.25}]
    assert declared not in [accounts.account_pacing(limits, "first", **terms) for terms in others]  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must be one of loft, tower"):
        accounts.account_pacing(limits, "first", plan="attic")
    accounts._accounts.clear()


def test_counts_of_old_days_are_removed_and_no_name_stands_in_the_store(time: Time) -> None:
    store, connector = MemoryStore(), load()
    add = connector.actions["add-meeting-registrant"]
    pacer = Pacer(connector.profile.limits, account="acme@example.com", store=store, clock=time)
    for number in range(150):
        values = {"meeting_id": "123 456", "email": f"jill{number}@example.com"}
        pacer.report(go(pacer, time, claimed(add, values)), 201, {})
    kept = store.scan("", limit=1000)
    assert len(kept) >= 150
    assert not [key for key, entry in kept if b"@" in key.encode() + entry.value or b"123456" in key.encode()]
    time.now += 2 * 86_400
    for _ in range(3):
        pacer.report(go(pacer, time, claimed(add, {"meeting_id": "1", "email": "x"})), 201, {})
    assert len(store.scan("pacing/zoom/quotas/", limit=1000)) == 1


def test_one_person_or_meeting_written_in_two_ways_is_one() -> None:
    add = load().actions["add-meeting-registrant"]
    one = claimed(add, {"meeting_id": "123 456", "email": "Jill@Example.com"})
    other = claimed(add, {"meeting_id": "123456", "email": "jill@example.com"})
    third = claimed(add, {"meeting_id": "123456", "email": "jack@example.com"})
    assert one.quotas == other.quotas != third.quotas
    assert one.quotas[0][0] == "registrations_of_a_person"


def test_a_quota_with_a_condition_counts_only_under_it() -> None:
    create = load().actions["create-user"]
    assert [name for name, _ in claimed(create, {"user_action": "create"}).quotas] == ["new_users"]
    assert claimed(create, {"user_action": "custCreate"}).quotas == ()


# -- the rest --------------------------------------------------------------------------------------------------------


def test_no_claim_or_pacer_shows_whose_it_is_or_what_it_counts(limits: Limits) -> None:
    pacer = Pacer(limits, account="acme@example.com", store=MemoryStore())
    shown = repr(pacer) + str(pacer) + repr(letter("jill@example.com"))
    assert "@" not in shown


def test_errors_do_not_name_the_account(limits: Limits, time: Time) -> None:
    pacer = Pacer(limits, account="acme@example.com", plan="loft", clock=time)
    with pytest.raises(QuotaReached) as caught:
        for _ in range(10):
            go(pacer, time, permit())
    assert "acme" not in str(caught.value) + str(caught.value.to_dict())


def test_a_process_has_one_pacer_for_an_account_and_keeps_those_used_last(limits: Limits) -> None:
    first = accounts.account_pacing(limits, "first")
    assert accounts.account_pacing(limits, "first") is first
    assert accounts.account_pacing(limits, "second") is not first
    assert accounts.account_pacing(Limits(key="dove"), "first") is not first
    for number in range(accounts.MAX_ACCOUNTS):
        accounts.account_pacing(limits, f"account {number}")
        accounts.account_pacing(limits, "first")
    assert accounts.account_pacing(limits, "first") is first
    assert len(accounts._accounts) <= accounts.MAX_ACCOUNTS
    accounts._accounts.clear()
    gc.collect()


def test_a_connectors_pacer_knows_its_limits() -> None:
    ours = pacer(load(), plan="pro", share=1.0)
    assert repr(ours) == "Pacer('zoom', plan='pro', share=1.0)"
    assert count_now(ours) in (7, 8)  # a quarter of 30 a second, and the clock goes on


ODD = [
    b'{"own": null, "at": 1e400}',
    b'{"own": null, "at": NaN}',
    b'{"own": null, "at": true}',
    b'{"own": null, "at": "now"}',
    b'{"own": null, "at": null}',
    b'{"own": null, "at": 1, "level": null}',
    b'{"own": null, "at": 1, "level": 1e400}',
    b'{"own": null, "at": 9999999999}',
    b"\xff",
]


def test_a_state_of_a_time_to_come_holds_nobody_for_long(limits: Limits, time: Time) -> None:
    store = MemoryStore()
    Pacer(limits, plan="tower", store=store, clock=time).ask(permit())
    ((key, entry),) = store.scan("pacing/")
    first = json.loads(entry.value)
    version: int | None = entry.version
    for name, error, day, hour in (("until", RateLimited, 1, 13), ("out", QuotaReached, 3, 12)):
        assert version is not None
        version = store.put(key, json.dumps({**first, name: 1e15}).encode(), version)
        with pytest.raises(error) as caught:
            Pacer(limits, plan="loft", store=store, clock=time).ask(permit())
        assert caught.value.retry_at == datetime(2026, 11, day, hour, tzinfo=UTC)
        found = store.read(key)
        assert found is not None
        version = found.version


@pytest.mark.parametrize("nonsense", [b"[]", b"5", b"[1]", b'["a", 0]', b"[1e400, 0]", b"[-5, 1e400]", b"\xff", b"{}"])
def test_a_count_that_can_not_be_read_is_begun_anew(
    limits: Limits, time: Time, nonsense: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    pacer = Pacer(limits, plan="loft", store=store, clock=time)
    letter = (("letters", "x"),)
    go(pacer, time, permit("light", "send-letter", quotas=letter))
    ((key, entry),) = store.scan("pacing/pigeon/quotas/")
    store.put(key, nonsense, entry.version)
    go(Pacer(limits, plan="tower", store=store, clock=time), time, permit("light", "send-letter", quotas=letter))
    ((_, entry),) = store.scan("pacing/pigeon/quotas/")
    assert json.loads(entry.value) == [1, 0.0]
    assert "starts over" in caplog.text


def test_a_state_that_can_not_be_read_is_begun_anew(
    limits: Limits, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    first = Pacer(limits, plan="tower", store=store, clock=time)
    first.ask(permit())
    ((key, entry),) = store.scan("pacing/")
    for number, nonsense in enumerate([b"", b"[]", b"5", b'{"at": 1}', b'{"own": null, "new": 1}', *ODD]):
        assert store.put(key, nonsense, entry.version + number)
        caplog.clear()
        assert Pacer(limits, plan="tower", store=store, clock=time).ask(permit()) == 0
        assert "its state can't be read from the store" in caplog.text, nonsense
        entry_now = store.read(key)
        assert entry_now is not None
        store.put(key, entry.value, entry_now.version)
        found = store.read(key)
        assert found is not None
        entry = type(entry)(entry.value, found.version - number - 1)


def test_a_process_gives_back_the_permits_that_it_did_not_use(limits: Limits, time: Time) -> None:
    store = MemoryStore()
    pacer = Pacer(limits, plan="tower", share=1.0, store=store, clock=time)
    went = count_now(pacer)
    waiting = [permit() for _ in range(10)]
    for each in waiting:
        pacer.ask(each)
    time.now += 1
    assert pacer.ask(waiting[0]) == 0
    ((_, entry),) = store.scan("pacing/")
    assert json.loads(entry.value)["used"] == went + 4  # a twentieth of a second's worth
    for each in waiting:
        each.gone = True
    time.now += 10
    assert pacer.ask(permit()) == 0
    ((_, entry),) = store.scan("pacing/")
    assert json.loads(entry.value)["used"] == went + 2


def test_permits_that_went_while_nothing_was_known_are_told_to_the_others(limits: Limits, time: Time) -> None:
    store = MemoryStore()
    pacer = Pacer(limits, store=store, clock=time)
    for _ in range(2):
        pacer.report(go(pacer, time, permit()), 200, {})
    time.now += 1
    assert pacer.ask(permit()) == 0
    ((_, entry),) = store.scan("pacing/")
    assert json.loads(entry.value)["used"] == 2


def test_a_store_that_fails_stops_no_call(limits: Limits, time: Time) -> None:
    class Full(MemoryStore):
        def read(self, key: str) -> None:
            raise StoreError("The disk is full.")

    pacer = Pacer(limits, plan="tower", store=Full(), clock=time)
    assert count_now(pacer) == 10
    assert pacer.ask(letter()) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_is_not_stopped_by_what_the_parent_was_just_doing(limits: Limits) -> None:
    pacer = Pacer(limits)
    with pacer._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if pacer.ask(permit()) == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_store_may_be_a_database(limits: Limits, time: Time, tmp_path: object) -> None:
    stores = [open_store(f"sqlite:///{tmp_path}/pacing.db") for _ in range(2)]
    one, other = (Pacer(limits, plan="loft", share=1.0, store=store, clock=time) for store in stores)
    for each in (one, other, one, other, one, other):
        go(each, time, permit())
    time.now += 1.1
    with pytest.raises(QuotaReached):
        one.ask(permit())
    for store in stores:
        store.close()
