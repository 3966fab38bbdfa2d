"""A vendor, its other callers and our workers in virtual time: nothing sleeps, and a seed makes every run the same."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connector_runtime.pacing.permit import Pacing
from connector_runtime.steps import Permit

EPOCH = 1_793_523_600.0  # 2026-11-01T09:00:00Z


@dataclass(frozen=True, slots=True)
class Phase:
    """From then on: what the vendor allows a second, and what other callers take of it."""

    at: float
    limit: float
    others: float


@dataclass(slots=True)
class Figures:
    """What came of a run."""

    done: int = 0
    refused: int = 0
    left: float = 0.0  # what the others left to us
    asks: int = 0
    sent: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)

    @property
    def used(self) -> float:
        return self.done / self.left


class Vendor:
    """Counts requests as a bucket that refills all the time, or by whole windows, and tells of it in headers."""

    def __init__(self, phases: list[Phase], *, windows: bool, headers: bool) -> None:
        self.phases, self.windows, self.headers = phases, windows, headers
        self.level, self.at, self.window = phases[0].limit, 0.0, 0

    def phase(self, at: float) -> Phase:
        return next(phase for phase in reversed(self.phases) if phase.at <= at)

    def take(self, at: float) -> bool:
        limit = self.phase(at).limit
        if self.windows:
            if int(at) != self.window:
                self.window, self.level = int(at), limit
        else:
            self.level += (at - self.at) * limit
        self.level, self.at = min(limit, self.level), at
        if self.level < 1:
            return False
        self.level -= 1
        return True

    def said(self, at: float) -> Mapping[str, str]:
        if not self.headers:
            return {}
        limit = f"{self.phase(at).limit:.0f}"
        return {
            "x-ratelimit-category": "Light",
            "x-ratelimit-type": "QPS",
            "x-ratelimit-limit": limit,
            "x-ratelimit-remaining": str(int(self.level)),
        }


class Clock:
    """The virtual time, as one machine has it."""

    def __init__(self, world: World, skew: float) -> None:
        self.world, self.skew = world, skew

    def __call__(self) -> float:
        return EPOCH + self.world.now + self.skew


class World:
    """Runs everything: `workers` over the pacers, each making one call after the other, for `seconds`."""

    def __init__(
        self,
        phases: list[Phase],
        *,
        seconds: float,
        seed: int = 1,
        latency: float = 0.05,
        windows: bool = False,
        headers: bool = True,
    ) -> None:
        self.now, self.seconds = 0.0, seconds
        self.random = random.Random(seed)
        self.vendor = Vendor(phases, windows=windows, headers=headers)
        self.latency = latency
        self.figures = Figures()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def clock(self, skew: float = 0.0) -> Clock:
        return Clock(self, skew)

    def later(self, pause: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (self.now + pause, self._count, what))

    def run(self, pacers: list[Pacing], workers: int) -> Figures:
        for number in range(workers):
            self._work(pacers[number % len(pacers)])
        self._others()
        while self._events:
            at, _, what = heapq.heappop(self._events)
            if at > self.seconds:
                break
            self.now = at
            what()
        marks = [phase.at for phase in self.vendor.phases] + [self.seconds]
        given = sum(p.limit * (end - p.at) for p, end in zip(self.vendor.phases, marks[1:], strict=True))
        self.figures.left += given + self.vendor.phases[0].limit
        return self.figures

    def _others(self) -> None:
        rate = self.vendor.phase(self.now).others
        if rate:
            self.figures.left -= self.vendor.take(self.now)
        self.later(self.random.expovariate(rate) if rate else 0.05, self._others)

    def _work(self, pacer: Pacing) -> None:
        permit = Permit(action="get-thing", label="light")

        def ask() -> None:
            self.figures.asks += 1
            pause = pacer.ask(permit)
            if pause:
                self.later(pause + self.random.uniform(0, 0.002), ask)
                return
            self.figures.sent.append(self.now)
            self.later(self.latency * self.random.uniform(0.2, 0.8), arrive)

        def arrive() -> None:
            taken = self.vendor.take(self.now)
            headers = self.vendor.said(self.now)
            if taken:
                self.figures.done += 1
            else:
                self.figures.refused += 1
                self.figures.refusals.append(self.now)

            def answer() -> None:
                pacer.report(permit, 200 if taken else 429, headers, None, None if taken else "rate_limit")
                self.later(0.0 if taken else self.random.uniform(0.5, 1.0), lambda: self._work(pacer))

            self.later(self.latency * self.random.uniform(0.2, 0.8), answer)

        ask()
