"""What holds of the pacer whatever comes: the cap in every window, the order of the line, a turn for everybody."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

from conftest import NOON
from hypothesis import given, settings, strategies as st

from connector_runtime.model import Label, Limits, Rate, ReportedLimits
from connector_runtime.pacing.pacer import Pacer
from connector_runtime.steps import Permit
from connector_runtime.stores.store import MemoryStore

RATES = st.builds(Rate, st.integers(1, 100), st.sampled_from([1.0, 60.0]))
SHARES = st.floats(0.05, 1.0)
PAUSES = st.lists(st.floats(0, 3) | st.sampled_from([0.0, 0.0001, 30.0]), min_size=1, max_size=30)
ANSWERS = st.lists(
    st.tuples(st.sampled_from([200, 200, 200, 429, 503, None]), st.integers(0, 120), st.integers(-5, 120)), max_size=30
)


STATUSES = st.sampled_from([200, 429, None])


class Machine:
    """A pacer for one label with a clock that is moved."""

    def __init__(self, rate: Rate, share: float, processes: int = 1, plan: str | None = "all") -> None:
        self.now = NOON
        said = ReportedLimits(limit="header.limit", remaining="header.remaining")
        limits = Limits(key="p", plans=("all",), labels={"light": Label(rates={"all": (rate,)})}, reported=said)
        store = MemoryStore() if processes > 1 else None
        self.pacers = [
            Pacer(limits, plan=plan, share=share, store=store, clock=lambda: self.now) for _ in range(processes)
        ]
        self.sent: list[float] = []

    def ask(self, permit: Permit, process: int = 0) -> float:
        pause = self.pacers[process].ask(permit)
        if pause == 0:
            self.sent.append(self.now)
        return pause

    def hear(self, permit: Permit, answer: tuple[int | None, int, int], process: int = 0) -> None:
        status, limit, remaining = answer
        headers = {"limit": str(limit), "remaining": str(remaining)} if limit else {}
        self.pacers[process].report(permit, status, headers, None, "rate_limit" if status == 429 else None)


def permit() -> Permit:
    return Permit(action="x", label="light")


def exceeds(sent: list[float], rate: float, burst: float) -> list[Any]:
    """The windows with more permits than the burst and the rate allow."""
    return [
        (first, last)
        for first, last in combinations(range(len(sent)), 2)
        if last - first + 1 > burst + rate * (sent[last] - sent[first]) + 1e-6
    ]


@settings(deadline=None, max_examples=60)
@given(RATES, SHARES, PAUSES, ANSWERS)
def test_no_window_ever_has_more_permits_than_the_cap_and_its_burst(
    rate: Rate, share: float, pauses: list[float], answers: list[Any]
) -> None:
    machine, waiting, gone = Machine(rate, share), [permit() for _ in range(20)], 0
    for number, pause in enumerate(pauses):
        machine.now += pause
        waiting += [permit(), permit()]
        for each in list(waiting):
            if machine.ask(each) == 0:
                waiting.remove(each)
                if gone < len(answers):
                    machine.hear(each, answers[gone])
                    gone += 1
        if number % 5 == 4 and waiting:
            waiting.pop().gone = True
    cap = share * rate.count / rate.seconds
    assert not exceeds(machine.sent, cap, max(1.0, 0.25 * share * rate.count))


@settings(deadline=None, max_examples=60)
@given(RATES, SHARES, PAUSES, st.integers(2, 4))
def test_nor_do_several_processes_that_share_a_store(
    rate: Rate, share: float, pauses: list[float], processes: int
) -> None:
    """Each may hold for half a second what it has taken, a twentieth of a second's worth at most."""
    machine = Machine(rate, share, processes)
    waiting = [(permit(), number % processes) for number in range(20)]
    for pause in pauses:
        machine.now += pause
        waiting += [(permit(), process) for process in range(processes)]
        for each in list(waiting):
            if machine.ask(*each) == 0:
                waiting.remove(each)
    cap = share * rate.count / rate.seconds
    held = processes * max(1.0, 0.05 * cap)
    assert not exceeds(machine.sent, cap, max(1.0, 0.25 * share * rate.count) + held)


@settings(deadline=None, max_examples=60)
@given(RATES, PAUSES, st.randoms(use_true_random=False), st.sets(st.integers(0, 29)))
def test_nobody_goes_before_those_who_asked_earlier(
    rate: Rate, pauses: list[float], chance: random.Random, leaving: set[int]
) -> None:
    """All look again at every step, in any order: who goes at one step asked before all who go at a later one."""
    machine = Machine(rate, 1.0)
    everybody = [permit() for _ in range(30)]
    waiting = {number: each for number, each in enumerate(everybody) if machine.ask(each)}
    went = [[number for number in range(30) if number not in waiting]]
    for number, each in list(waiting.items()):
        if number in leaving:
            each.gone = True
            del waiting[number]
    for pause in pauses:
        machine.now += min(pause, 1.0)  # who stays away for longer loses its place
        step = []
        for number in chance.sample(sorted(waiting), len(waiting)):
            before = len(machine.sent)
            machine.ask(waiting[number])
            if len(machine.sent) > before:
                step.append(number)
        for number in step:
            del waiting[number]
        went.append(step)
    order = [(number, step) for step, numbers in enumerate(went) for number in numbers]
    assert all(one[0] < other[0] for one in order for other in order if one[1] < other[1])


@settings(deadline=None, max_examples=60)
@given(RATES, SHARES, PAUSES, ANSWERS, st.integers(1, 3), st.sampled_from(["all", None]))
def test_whatever_happened_before_a_call_that_comes_back_when_told_gets_its_turn(
    rate: Rate, share: float, pauses: list[float], answers: list[Any], processes: int, plan: str | None
) -> None:
    """Others never come back, never answer, or are gone; the clock is set back once; the vendor says anything."""
    machine = Machine(rate, share, processes, plan)
    for number, pause in enumerate(pauses):
        machine.now += pause if number != 7 else -100.0
        each, process = permit(), number % processes
        if machine.ask(each, process) == 0 and answers:
            machine.hear(each, answers[number % len(answers)], process)
        each.gone = number % 3 == 0
    last, began, asked = permit(), machine.now, 0
    while pause := machine.ask(last):
        assert pause > 0
        machine.now += pause
        asked += 1
        assert asked < 1000
    assert machine.now - began <= max(60 * 60, 5 * rate.seconds / (rate.count * share))  # of a slow rate: a few permits


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from(["limit", "remaining"]), st.text(max_size=20)), STATUSES)
def test_any_text_in_a_header_is_survived(headers: dict[str, str], status: int | None) -> None:
    machine, each = Machine(Rate(80, 1.0), 1.0), permit()
    machine.ask(each)
    machine.pacers[0].report(each, status, headers, None, "rate_limit" if status == 429 else None)
    assert machine.pacers[0].ask(permit()) <= 2.0
