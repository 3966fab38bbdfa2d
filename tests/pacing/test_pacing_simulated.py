"""64 workers under limits that change while others take a changing share, in virtual time: see simulation.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import pytest
from simulation import Figures, Phase, World

from connector_runtime.model import Limits
from connector_runtime.pacing.accounts import AccountPacing
from connector_runtime.pacing.pacer import Pacer
from connector_runtime.pacing.permit import Pacing
from connector_runtime.steps import Permit
from connector_runtime.stores.databases import open_store
from connector_runtime.stores.store import MemoryStore

PHASES = [
    Phase(0, 80, 0),
    Phase(5, 80, 20),
    Phase(10, 80, 50),
    Phase(15, 40, 10),
    Phase(20, 40, 30),
    Phase(25, 80, 30),
    Phase(30, 80, 0),
]
SECONDS = 35


class Naive:
    """Sends whenever it likes."""

    def ask(self, permit: Permit) -> float:
        return 0.0

    def report(self, *news: object) -> None:
        pass


class Watching:
    """What a client does with an account: it paces once an answer says that the limit is near, or was reached."""

    def __init__(self, limits: Limits, account: AccountPacing) -> None:
        self.reported, self.account = limits.reported, account

    def ask(self, permit: Permit) -> float:
        return self.account.pacer.ask(permit) if self.account.pacer else 0.0

    def report(self, permit: Permit, status: object, headers: Mapping[str, str], at: object, kind: str | None) -> None:
        if self.account.pacer or kind or self.reported.is_scarce(headers):
            self.account.wake().report(permit, status, headers, at, kind)  # type: ignore[arg-type]


def most_refused(figures: Figures) -> int:
    """The refusals between two changes, where there were most."""
    each = Counter(max(phase.at for phase in PHASES if phase.at <= at) for at in figures.refusals)
    return max(each.values(), default=0)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("plan", ["tower", None])
def test_64_workers_use_nine_tenths_of_what_is_left_with_one_refusal_a_change(
    limits: Limits, plan: str | None, seed: int
) -> None:
    world = World(PHASES, seconds=SECONDS, seed=seed)
    figures = world.run([Pacer(limits, plan=plan, share=1.0, clock=world.clock())], 64)
    assert figures.used > 0.9
    assert most_refused(figures) <= 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_four_processes_that_share_a_store_do_as_well_as_one(limits: Limits, seed: int) -> None:
    world, store = World(PHASES, seconds=SECONDS, seed=seed), MemoryStore()
    pacers: list[Pacing] = [Pacer(limits, plan="tower", share=1.0, store=store, clock=world.clock()) for _ in range(4)]
    figures = world.run(pacers, 64)
    assert figures.used > 0.9
    assert most_refused(figures) <= 1


@pytest.mark.parametrize("skews", [(0, 3, -2, 600), (0, -86_400, 0.5, 0)])
def test_clocks_that_differ_do_no_harm(limits: Limits, skews: tuple[float, ...]) -> None:
    world, store = World(PHASES, seconds=SECONDS), MemoryStore()
    pacers: list[Pacing] = [
        Pacer(limits, plan="tower", share=1.0, store=store, clock=world.clock(skew)) for skew in skews
    ]
    figures = world.run(pacers, 64)
    assert figures.used > 0.9
    assert most_refused(figures) <= 3


def test_a_naive_client_is_refused_more_often_than_it_is_answered() -> None:
    figures = World(PHASES, seconds=SECONDS).run([Naive()], 64)
    assert figures.refused > figures.done


@pytest.mark.parametrize("processes", [1, 4])
def test_a_share_of_a_half_is_never_exceeded_and_nearly_used(limits: Limits, processes: int) -> None:
    world, store = World([Phase(0, 80, 0)], seconds=20), MemoryStore() if processes > 1 else None
    pacers: list[Pacing] = [Pacer(limits, plan="tower", store=store, clock=world.clock()) for _ in range(processes)]
    figures = world.run(pacers, 64)
    burst = 40 / 4
    assert 0.95 * 40 * 20 < len(figures.sent) <= burst + 40 * 20
    assert figures.refused == 0


def test_where_answers_tell_nothing_a_refused_client_slows_down_and_recovers(limits: Limits) -> None:
    phases = [Phase(0, 80, 0), Phase(10, 40, 0), Phase(40, 80, 0)]
    world = World(phases, seconds=80, headers=False)
    figures = world.run([Pacer(limits, plan="tower", share=1.0, clock=world.clock())], 64)
    assert figures.used > 0.8
    assert figures.refused < 0.02 * figures.done


def test_where_nothing_is_declared_and_nothing_told_it_finds_the_rate_by_itself(limits: Limits) -> None:
    world = World([Phase(0, 40, 0)], seconds=60, headers=False)
    figures = world.run([Pacer(limits, clock=world.clock())], 64)
    assert figures.used > 0.7
    assert figures.refused < 0.05 * figures.done


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("headers", [True, False], ids=["told", "not told"])
def test_an_account_that_is_not_paced_until_its_limit_is_near_is_paced_well_from_then_on(
    limits: Limits, seed: int, headers: bool
) -> None:
    world = World([Phase(0, 80, 0)], seconds=60, seed=seed, headers=headers)
    figures = world.run([Watching(limits, AccountPacing(limits, clock=world.clock()))], 64)
    early = [at for at in figures.refusals if at < 2]
    assert len(early) < 100  # those that were under way, and what it takes to find the rate
    assert figures.used > 0.7
    assert figures.refused - len(early) < 0.05 * figures.done


def test_a_vendor_that_counts_by_whole_seconds_is_served_well_too(limits: Limits) -> None:
    world = World([Phase(0, 80, 0), Phase(10, 40, 0), Phase(20, 80, 20)], seconds=30, windows=True)
    figures = world.run([Pacer(limits, plan="tower", share=1.0, clock=world.clock())], 64)
    assert figures.used > 0.75
    assert figures.refused < 0.02 * figures.done


def test_others_who_take_everything_do_not_starve_us_for_good(limits: Limits) -> None:
    world = World([Phase(0, 80, 400), Phase(20, 80, 0)], seconds=40)
    figures = world.run([Pacer(limits, plan="tower", share=1.0, clock=world.clock())], 64)
    back = [at for at in figures.sent if at >= 20]
    assert back[0] < 25
    assert sum(at >= 30 for at in figures.sent) > 0.9 * 800


def test_waiting_workers_ask_a_few_times_and_do_not_poll(limits: Limits) -> None:
    world = World([Phase(0, 10, 0)], seconds=60)
    figures = world.run([Pacer(limits, plan="tower", share=1.0, clock=world.clock())], 64)
    assert figures.asks < 15 * len(figures.sent)


def test_workers_are_served_in_turn(limits: Limits) -> None:
    """64 workers that always want to send get the same number of turns, give or take a few."""
    world = World([Phase(0, 80, 0)], seconds=30)
    turns: Counter[int] = Counter()
    pacer = Pacer(limits, plan="tower", share=1.0, clock=world.clock())

    class Watched:
        def __init__(self, number: int) -> None:
            self.number = number

        def ask(self, permit: Permit) -> float:
            pause = pacer.ask(permit)
            turns[self.number] += pause == 0
            return pause

        report = staticmethod(pacer.report)

    world.run([Watched(number) for number in range(64)], 64)
    assert max(turns.values()) - min(turns.values()) <= 3


def test_a_store_sees_fewer_writes_than_calls_at_a_high_rate(limits: Limits) -> None:
    world, store = World([Phase(0, 80, 0)], seconds=20), Counted()
    figures = world.run([Pacer(limits, plan="tower", share=1.0, store=store, clock=world.clock())], 64)
    assert store.writes < 0.5 * len(figures.sent)


class Counted(MemoryStore):
    """A store that counts what it is told to write."""

    writes = 0

    def put(self, key: str, value: bytes | None, version: int | None) -> int | None:
        self.writes += 1
        return super().put(key, value, version)


def test_a_process_that_died_with_permits_costs_the_others_only_these(limits: Limits) -> None:
    world, store = World([Phase(0, 80, 0)], seconds=20), MemoryStore()
    dead = Pacer(limits, plan="tower", share=1.0, store=store, clock=world.clock())
    for _ in range(64):
        dead.ask(Permit(action="x", label="light"))
    figures = world.run([Pacer(limits, plan="tower", share=1.0, store=store, clock=world.clock())], 64)
    assert len(figures.sent) > 0.9 * 80 * 20


def test_a_pacer_without_its_store_goes_on_by_itself(limits: Limits, caplog: pytest.LogCaptureFixture) -> None:
    world, store = World([Phase(0, 80, 0)], seconds=20), open_store("memory://")
    broken = Broken(store)
    pacer = Pacer(limits, plan="tower", share=1.0, store=broken, clock=world.clock())
    world.later(5, broken.fail)
    world.later(15, broken.mend)
    figures = world.run([pacer], 64)
    assert figures.used > 0.9
    assert figures.refused == 0
    said = [record.message for record in caplog.records]
    assert said[0] == "pacing continues without its store: The disk is full."
    assert len(said) == 1


class Broken(MemoryStore):
    """A store that fails while it is told to."""

    def __init__(self, inner: object) -> None:
        super().__init__()
        self.fails = False

    def fail(self) -> None:
        self.fails = True

    def mend(self) -> None:
        self.fails = False

    def read(self, key: str):  # type: ignore[no-untyped-def]
        from connector_runtime.errors import StoreError

        if self.fails:
            raise StoreError("The disk is full.")
        return super().read(key)


def test_permits_come_evenly_once_the_burst_is_spent(limits: Limits) -> None:
    world = World([Phase(0, 80, 0)], seconds=10)
    figures = world.run([Pacer(limits, plan="tower", clock=world.clock())], 64)
    gaps = [late - soon for soon, late in pairwise(figures.sent[20:])]
    assert max(gaps) < 0.1
