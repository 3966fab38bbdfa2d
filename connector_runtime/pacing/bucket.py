"""The state of one limit: what the vendor still allows, and what we allow ourselves. Pure; times are given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import exp, inf
from typing import Any

from ..language import json_text
from ..model import DAY

RESERVE = 0.25  # of what the vendor allows in a window: left alone
BURST = 0.25  # of what we allow ourselves in a window: may go at once
PROBE = 0.2  # of what it adds: counted on even if others seem to take all, so that we look again
MORE = 2.0  # windows over which we come to believe that others take more
LESS = 1.5  # windows over which we come to believe that they take less
BACK = 0.7  # of the rate that was refused: where we go on
LITTLE = 0.1  # of what we allow ourselves: not less after a first refusal
GROWTH = 0.05  # of that rate, each second
DOUBLES = 1.5  # seconds in which it doubles where nothing else is known: then a refusal says little about the limit
MOST_DOUBLINGS = 64  # after which it bounds nothing
FORGOTTEN = 4  # times that rate: the refusal counts no longer
PAUSE = 1.0  # seconds after a refusal that says nothing more
TERMS = ("count", "seconds", "share")  # what of a limit no store keeps
MAY_LACK = ("own", "limit", "refused")
AHEAD = {"until": 3600.0, "since": 3600.0, "out": 2 * DAY}  # seconds that these may lie ahead, whoever wrote them


def today(now: float) -> int:
    """The UTC day of a time, in days since the epoch."""
    return int(now // DAY)


def midnight(now: float) -> float:
    """When the next UTC day begins."""
    return (today(now) + 1) * DAY


@dataclass(slots=True, kw_only=True)
class Bucket:
    """The state of one limit at the time `at`. `numbered` counts all permits that were ever given.

    Two things bound what may go. *Ours*: a token bucket at the declared rate times our share, with a small burst.
    *Theirs*: what the vendor last said remains, plus what it refills since, less what was sent since; we spend it down
    to a reserve, which is for the other apps of the account and for what we can't know yet. Where neither is known
    everything may go, until the vendor refuses; then the rate at which it did is the bound, and grows again.
    """

    count: float | None  # in `seconds`, as declared for the plan, and our share of it: what holds whatever happens
    seconds: float
    share: float
    at: float
    limit: float | None = None  # what the vendor says it allows in a window
    level: float = 0.0  # what remains of it, less what was given since
    others: float = 0.0  # what other callers seem to take of it, a second
    own: float = inf
    until: float = 0.0  # nothing goes before
    refused: float | None = None  # permits a second at which we were refused, and when
    since: float = 0.0
    recent: float = 0.0  # permits of the last second, fading
    numbered: int = 0
    day: int = 0  # since the epoch
    used: int = 0  # permits of that day
    out: float = 0.0  # until then the vendor's budget of the day is used up; by everybody's own clock

    def __post_init__(self) -> None:
        self.own = min(self.own, self._burst(self.pace))

    def advance(self, now: float) -> None:
        """Let the time pass."""
        past = now - self.at
        if past <= 0:
            return
        self.at = now
        self.recent *= exp(-past)
        unknown = self.limit is None and self.count is None
        if self.refused is not None and self._slowed() >= self.refused * FORGOTTEN ** (3 if unknown else 1):
            self.refused = None
        if self.limit is not None:
            self.level = min(self.limit, self.level + past * self.refill)
        pace = self.pace
        self.own = min(self._burst(pace), self.own + past * pace)

    @property
    def pace(self) -> float:
        """The permits a second that we allow ourselves; infinite: any number."""
        if self.count is None:
            return self._slowed()
        allowed = self.count if self.limit is None else min(self.count, self.limit)
        return min(self._slowed(), self.share * allowed / self.seconds)

    def _slowed(self) -> float:
        if self.refused is None:
            return inf
        past, unknown = max(0.0, self.at - self.since), self.limit is None and self.count is None
        return self.refused * (2.0 ** min(past / DOUBLES, MOST_DOUBLINGS) if unknown else 1 + GROWTH * past)

    def _burst(self, pace: float) -> float:
        return max(1.0, pace * self.seconds * BURST)

    @property
    def reserve(self) -> float:
        return 0.0 if self.limit is None else max(0.0, min(RESERVE * self.limit, self.limit - 1))

    @property
    def known(self) -> bool:
        """Whether anything bounds what may go."""
        return self.limit is not None or self.pace < inf

    @property
    def free(self) -> float:
        """The permits that may be given now."""
        if self.at < self.until:
            return 0.0
        return max(0.0, self.own if self.limit is None else min(self.level - self.reserve, self.own))

    @property
    def refill(self) -> float:
        """What the vendor adds a second for us to take."""
        added = (self.limit or 0.0) / self.seconds
        return max(PROBE * added, added - self.others)

    def wait(self, count: float) -> float:
        """The seconds until so many permits are free, if all goes as it does now."""
        pause = max(0.0, self.until - self.at)
        if self.limit is not None:
            pause = max(pause, (count + self.reserve - self.level) / self.refill)
        pace = self.pace
        return max(pause, (count - self.own) / pace) if pace < inf else pause

    def take(self, count: int, day: int) -> None:
        """Give so many permits, on that UTC day; a negative count takes permits back that nobody used."""
        self.numbered += max(0, count)
        self.recent = max(0.0, self.recent + count)
        if self.limit is not None:
            self.level -= count
        self.own -= count
        self.used = max(0, self.used_on(day) + count)
        if self.used == count or day > self.day:
            self.day = day

    def used_on(self, day: int) -> int:
        """The permits given on a day; another clock may be a little ahead and have begun the next one."""
        return self.used if self.day - 1 <= day <= self.day else 0

    def observe(self, limit: float, remaining: float, number: int, age: float) -> None:
        """What the vendor said `age` seconds ago, to the permit of that number: later ones it had not seen."""
        if limit < 1:
            return
        known, expected = self.limit is not None, self.level
        self.limit = limit
        self.level = min(limit, min(limit, remaining) + age * self.refill - (self.numbered - number))
        if known:
            missing = min(expected, limit) - self.level
            soon = (MORE if missing > 0 else LESS) * self.seconds
            self.others = min(max(0.0, self.others + missing / soon), limit / self.seconds)
        self.own = min(self.own, self._burst(self.pace))

    def refuse(self, ahead: float, *, until: float | None, explained: bool, counted: bool) -> None:
        """The vendor refused a call: when it takes more, if it said so, by a clock that ours is `ahead` of.

        `explained`: it said what remains. `counted`: this call and those before it were, so the rate is known that was
        too much.
        """
        if until is None and explained:
            return
        self.until = max(self.until, self.at + PAUSE if until is None else until + ahead)
        if self.limit is not None:
            self.level = min(self.level, 0.0)
        if counted and (self.refused is None or self.at > self.since):  # one for all that were on the way
            pace = self.pace
            rate = BACK * min(self.recent, pace)
            if self.refused is None:  # with few calls of our own it was others who used it up
                rate = max(rate, LITTLE * (pace if pace < inf else 1 / self.seconds))
            self.refused = max(rate, 1 / max(60.0, self.seconds))
            self.since = self.until
            self.own = min(self.own, 1.0)

    def use_up(self, until: float) -> None:
        """The vendor's budget of the day is used up until then."""
        self.out = max(self.out, until)

    def dump(self) -> bytes:
        """The state, for a store."""
        state = {name: getattr(self, name) for name in self.__slots__ if name not in TERMS}
        return json.dumps({**state, "own": None if self.own == inf else self.own}).encode()

    def load(self, at: float, data: bytes | None) -> Bucket:
        """On the same terms, a state from a store or a new one. Raises `ValueError`, `TypeError` or `KeyError`."""
        state: Any = {"at": at, "own": None} if data is None else json_text.read(data)
        terms = {name: getattr(self, name) for name in TERMS}
        for name in state:
            value = state[name]
            is_number = type(value) in (int, float) and abs(value) < inf
            if not (is_number or (value is None and name in MAY_LACK)) or (name == "at" and value > at + DAY):
                raise ValueError(f"{name} is no number, or of a time to come")
        state |= {name: min(state[name], at + most) for name, most in AHEAD.items() if name in state}
        return Bucket(**terms, **{**state, "own": inf if state["own"] is None else state["own"]})
