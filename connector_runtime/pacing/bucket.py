"""The state of one limit: what the vendor still allows, and what we allow ourselves. Pure; callers pass the time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import exp, inf
from typing import Any

from ..language import json_text
from ..model import DAY

RESERVE = 0.25  # share of the vendor's limit that we leave to other apps
BURST = 0.25  # share of our own limit that we may send without a pause
MIN_REFILL = 0.2  # share of the vendor's refill that we assume is ours even if others seem to use it all
RISE_WINDOWS = 2.0  # windows over which we adapt when other apps send more
FALL_WINDOWS = 1.5  # windows over which we adapt when other apps send less
REDUCTION = 0.7  # share of the refused rate at which we resume
MIN_REDUCED = 0.1  # share of our own rate that is the lowest reduced rate after a first refusal
GROWTH = 0.05  # share of the reduced rate by which it grows per second
DOUBLING_TIME = 1.5  # seconds; used if no limit is known, because a refusal then reveals little about the limit
MAX_DOUBLINGS = 64  # after which the rate no longer limits anything
RECOVERY = 4  # multiple of the reduced rate at which the refusal is forgotten
PAUSE = 1.0  # seconds after a refusal that names no time
TERMS = ("count", "seconds", "share")  # declared, and therefore not stored
MAY_LACK = ("own", "limit", "refused")  # may be null in a store
MAX_AHEAD = {"until": 3600.0, "since": 3600.0, "out": 2 * DAY}  # seconds by which stored times may lie ahead


def today(now: float) -> int:
    """Return the UTC day of a time, in days since the epoch."""
    return int(now // DAY)


def midnight(now: float) -> float:
    """Return the time at which the next UTC day begins."""
    return (today(now) + 1) * DAY


@dataclass(slots=True, kw_only=True)
class Bucket:
    """The state of one limit at the time `at`. `numbered` counts all permits ever issued.

    Two bounds apply. *Ours* is a token bucket at the declared rate times our share, with a small burst. *Theirs* is the
    remainder that the vendor last reported, plus its refill and less our requests since then; we leave a reserve of it
    for the account's other apps and for requests not yet reported. If neither is known, everything may be sent until
    the vendor refuses; then a reduced rate applies, which grows again.
    """

    count: float | None  # per `seconds`, as declared for the plan; `share` is our part; all three are constant
    seconds: float
    share: float
    at: float
    limit: float | None = None  # requests per window, as reported by the vendor
    level: float = 0.0  # the vendor's remainder, less the permits issued since
    others: float = 0.0  # requests per second that other callers seem to send
    own: float = inf  # permits in our own bucket
    until: float = 0.0  # time before which nothing may be sent
    refused: float | None = None  # reduced rate after a refusal, in permits per second, growing from `since`
    since: float = 0.0
    recent: float = 0.0  # permits in about the last second, decaying
    numbered: int = 0
    day: int = 0  # since the epoch
    used: int = 0  # permits issued on that day
    out: float = 0.0  # time until which the vendor's daily budget is used up, by each process's own clock

    def __post_init__(self) -> None:
        self.own = min(self.own, self._burst(self.pace))

    def advance(self, now: float) -> None:
        elapsed = now - self.at
        if elapsed <= 0:
            return
        self.at = now
        self.recent *= exp(-elapsed)
        unknown = self.limit is None and self.count is None
        if self.refused is not None and self._slowed() >= self.refused * RECOVERY ** (3 if unknown else 1):
            self.refused = None
        if self.limit is not None:
            self.level = min(self.limit, self.level + elapsed * self.refill)
        pace = self.pace
        self.own = min(self._burst(pace), self.own + elapsed * pace)

    @property
    def pace(self) -> float:
        """The permits per second that we allow ourselves; infinite without a bound."""
        if self.count is None:
            return self._slowed()
        allowed = self.count if self.limit is None else min(self.count, self.limit)
        return min(self._slowed(), self.share * allowed / self.seconds)

    def _slowed(self) -> float:
        if self.refused is None:
            return inf
        elapsed, unknown = max(0.0, self.at - self.since), self.limit is None and self.count is None
        return self.refused * (2.0 ** min(elapsed / DOUBLING_TIME, MAX_DOUBLINGS) if unknown else 1 + GROWTH * elapsed)

    def _burst(self, pace: float) -> float:
        return max(1.0, pace * self.seconds * BURST)

    @property
    def reserve(self) -> float:
        return 0.0 if self.limit is None else max(0.0, min(RESERVE * self.limit, self.limit - 1))

    @property
    def known(self) -> bool:
        return self.limit is not None or self.pace < inf

    @property
    def free(self) -> float:
        """The permits that may be issued now."""
        if self.at < self.until:
            return 0.0
        return max(0.0, self.own if self.limit is None else min(self.level - self.reserve, self.own))

    @property
    def refill(self) -> float:
        """The part of the vendor's refill per second that is ours."""
        added = (self.limit or 0.0) / self.seconds
        return max(MIN_REFILL * added, added - self.others)

    def wait(self, count: float) -> float:
        """Return the seconds until `count` permits are free at the present rates."""
        pause = max(0.0, self.until - self.at)
        if self.limit is not None:
            pause = max(pause, (count + self.reserve - self.level) / self.refill)
        pace = self.pace
        return max(pause, (count - self.own) / pace) if pace < inf else pause

    def take(self, count: int, day: int) -> None:
        """Issue `count` permits on a UTC day; a negative count returns unused permits."""
        self.numbered += max(0, count)
        self.recent = max(0.0, self.recent + count)
        if self.limit is not None:
            self.level -= count
        self.own -= count
        self.used = max(0, self.used_on(day) + count)
        if self.used == count or day > self.day:
            self.day = day

    def used_on(self, day: int) -> int:
        """Return the permits issued on a day, even if a clock slightly ahead has already begun the next day."""
        return self.used if self.day - 1 <= day <= self.day else 0

    def observe(self, limit: float, remaining: float, number: int, age: float) -> None:
        """Learn what the vendor reported `age` seconds ago, when it had seen permit `number` but no later one."""
        if limit < 1:
            return
        was_known, expected = self.limit is not None, self.level
        self.limit = limit
        self.level = min(limit, min(limit, remaining) + age * self.refill - (self.numbered - number))
        if was_known:
            missing = min(expected, limit) - self.level
            period = (RISE_WINDOWS if missing > 0 else FALL_WINDOWS) * self.seconds
            self.others = min(max(0.0, self.others + missing / period), limit / self.seconds)
        self.own = min(self.own, self._burst(self.pace))

    def refuse(self, ahead: float, *, until: float | None, explained: bool, counted: bool) -> None:
        """Learn of a refusal, perhaps `until` a time by a clock that is `ahead` seconds behind the bucket's.

        `explained`: the vendor also reported what remains. `counted`: the request had a permit, so the rate that was
        too high is known.
        """
        if until is None and explained:
            return
        self.until = max(self.until, self.at + PAUSE if until is None else until + ahead)
        if self.limit is not None:
            self.level = min(self.level, 0.0)
        if counted and (self.refused is None or self.at > self.since):  # one reduction for all requests in flight
            pace = self.pace
            rate = REDUCTION * min(self.recent, pace)
            if self.refused is None:  # if we sent little, others used up the limit
                rate = max(rate, MIN_REDUCED * (pace if pace < inf else 1 / self.seconds))
            self.refused = max(rate, 1 / max(60.0, self.seconds))
            self.since = self.until
            self.own = min(self.own, 1.0)

    def use_up(self, until: float) -> None:
        """Learn that the vendor's daily budget is used up until a time."""
        self.out = max(self.out, until)

    def dump(self) -> bytes:
        state = {name: getattr(self, name) for name in self.__slots__ if name not in TERMS}
        return json.dumps({**state, "own": None if self.own == inf else self.own}).encode()

    def load(self, at: float, data: bytes | None) -> Bucket:
        """Return a bucket with these terms and a stored or new state. Raises `ValueError`, `TypeError`, `KeyError`."""
        state: Any = {"at": at, "own": None} if data is None else json_text.read(data)
        terms = {name: getattr(self, name) for name in TERMS}
        for name in state:
            value = state[name]
            is_number = type(value) in (int, float) and abs(value) < inf
            if not (is_number or (value is None and name in MAY_LACK)) or (name == "at" and value > at + DAY):
                raise ValueError(f"{name} is not a number, or lies in the future")
        state |= {name: min(state[name], at + most) for name, most in MAX_AHEAD.items() if name in state}
        return Bucket(**terms, **{**state, "own": inf if state["own"] is None else state["own"]})
