"""What is known of limits and quotas: in this process, or in a store that several share. Times are given."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from math import exp, inf

from ..errors import StoreError
from ..model import DAY, Rate
from ..steps import Claim
from ..stores.store import Contended, Store

log = logging.getLogger("connector_runtime.pacing")

RESERVE = 0.25  # of what the vendor allows in a window: left alone
BURST = 0.25  # of what we allow ourselves in a window: may go at once
PROBE = 0.2  # of what it adds: counted on even if others seem to take all, so that we look again
MORE = 2.0  # windows over which we come to believe that others take more
LESS = 1.5  # windows over which we come to believe that they take less
BACK = 0.7  # of the rate that was refused: where we go on
LITTLE = 0.1  # of what we allow ourselves: not less after a first refusal
GROWTH = 0.05  # of that rate, each second
DOUBLES = 1.5  # seconds in which it doubles where nothing else is known: then a refusal says little about the limit
FORGOTTEN = 4  # times that rate: the refusal counts no longer
PAUSE = 1.0  # seconds after a refusal that says nothing more
NEAR = 64  # places from the head of a line within which we count exactly
LATE = 2.0  # seconds after which somebody who did not come back is not waited for
BATCH = 0.05  # seconds' worth of permits that a process takes at once
FRESH = 0.5  # seconds after which it gives back what it did not use
LOOK = 0.25  # seconds between two looks at a limit of which nothing is known
ALONE = 5.0  # seconds until a store that failed is asked again
TRIES = 8
MOST = 20  # things heard that wait to be told
NONE = b"[0, 0.0]"  # counted, and until when the vendor says that it is used up
TERMS = ("count", "seconds", "share")  # what of a limit no store keeps
SWEEP = 100  # counts of old days that are looked at in one go


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
        return self.refused * (2.0 ** (past / DOUBLES) if unknown else 1 + GROWTH * past)

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
        """On the same terms, a state from a store or a new one. Raises `ValueError`, `TypeError` or `LookupError`."""
        state = {"at": at, "own": None} if data is None else json.loads(data)
        terms = {name: getattr(self, name) for name in TERMS}
        return Bucket(**terms, **{**state, "own": inf if state["own"] is None else state["own"]})


Budget = tuple[Rate, tuple[str, ...]]  # what a day allows, and the labels that share it
News = Callable[[Bucket, float], None]  # changes the state by what was heard; told what its clock is ahead of ours


class Line(dict[Claim, tuple[int, float]]):
    """Those who wait for one limit, in the order they came: claims, each with its ticket and when it should be back."""

    last = 0
    seen = 0.0

    def place(self, claim: Claim, now: float) -> int:
        """How many are before this one, which joins at the end if it is new; far from the head, at most so many."""
        if now < self.seen:  # the clock was set back
            self.update({each: (ticket, due - self.seen + now) for each, (ticket, due) in self.items()})
        self.seen = now
        if claim not in self:
            self.last += 1
            self[claim] = (self.last, now + LATE)
        before = 0
        for each in list(islice(self, NEAR)):
            if each is claim:
                return before
            if each.gone or self[each][1] < now:
                del self[each]
            else:
                before += 1
        return self[claim][0] - self[next(iter(self))][0]


@dataclass(slots=True, eq=False, repr=False)
class Lane:
    """One label of one account: its limit, those who wait for it, and its daily budgets. `heard` counts the answers.

    Where its limit is in a store, a process takes a few permits at a time, and tells what it heard when it comes for
    more. The clocks of machines differ; everybody follows the one that is furthest ahead. While the store fails, each
    process goes by what it knows.
    """

    name: str
    bucket: Bucket
    budgets: list[Budget]
    _store: Store | None = None
    _key: str = ""
    line: Line = field(default_factory=Line)
    heard: int = 0
    _ahead: float = 0.0  # what the shared clock is ahead of ours
    _permits: int = 0
    _owed: int = 0  # permits that we used and did not take, less those that we took and did not use
    _news: list[News] = field(default_factory=list)
    _looked: float = -LOOK
    _failed: float = -ALONE  # when the store last did
    _next: float = 0.0

    def ready(self, now: float, count: int) -> bool:
        """Whether so many permits can be given now."""
        bucket = self.bucket
        if self._store is None:
            if now < bucket.at - PAUSE:  # the clock was set back; what was to come stays as far away as it was
                back = bucket.at - now
                bucket.at, bucket.until, bucket.since = now, bucket.until - back, bucket.since - back
            bucket.advance(now)
            return bucket.free >= count
        if now < self._looked:  # the clock was set back
            self._looked = self._next = now
            self._ahead = max(self._ahead, bucket.at - now)
        if self._permits and now > self._looked + FRESH:
            self._owed -= self._permits
            self._permits = 0
        if self._permits >= count:
            return True
        bucket.advance(now + self._ahead)
        if not bucket.known:
            if now >= self._looked + LOOK:
                self._visit(now, 0)
            return not self.bucket.known and self.bucket.free >= count
        if now >= self._next and self._permits + bucket.free >= count:
            self._visit(now, max(count, min(len(self.line), self._batch())) - self._permits)
        return self._permits >= count

    def take(self, now: float) -> int:
        """Give one permit that is ready; returns its number."""
        if self._store is None:
            self.bucket.take(1, today(now))
        elif self._permits:
            self._permits -= 1
        else:
            self._owed += 1
        return self.bucket.numbered - self._permits

    def wait(self, now: float, count: int) -> float:
        """The seconds until so many permits should be ready."""
        return max(self.bucket.wait(count - self._permits), self._next - now)

    def learn(self, now: float, news: News, *, urgent: bool = False) -> None:
        """Change the state by what was heard."""
        self.bucket.advance(now + self._ahead)
        was_known = self._store is not None and self.bucket.known
        news(self.bucket, self._ahead)
        if self._store is not None:
            self._news = [*self._news[-MOST:], news]
            if urgent or was_known is not self.bucket.known:
                self._visit(now, 0)

    def look(self, now: float) -> Bucket:
        """The state, not older than a moment."""
        if self._store is not None and not self._looked <= now <= self._looked + PAUSE:
            self._visit(now, 0)
        return self.bucket

    def _batch(self) -> int:
        bucket = self.bucket
        rate = bucket.pace if bucket.limit is None else min(bucket.pace, bucket.refill)
        return max(1, int(rate * BATCH)) if rate < inf else 1

    def _visit(self, now: float, wanted: int) -> None:
        """Read the state, tell what we heard, take permits, write it if nobody was faster."""
        is_alone = self._failed <= now < self._failed + ALONE
        try:
            given = self._take(self.bucket, now, wanted) if is_alone else self._trade(now, wanted)
            self._failed = self._failed if is_alone else -ALONE
        except Contended:
            self._next = now + LOOK / 10
            return
        except StoreError as error:
            if self._failed < 0:
                log.warning("pacing goes on without its store: %s", error.message)
            self._failed = now
            given = self._take(self.bucket, now, wanted)
        self._looked, self._news, self._owed = now, [], 0
        self._permits += given
        self._next = now if given == wanted else now + self.bucket.wait(min(wanted, self._batch()))

    def _trade(self, now: float, wanted: int) -> int:
        assert self._store is not None
        bucket, given = self.bucket, 0

        def trade(state: bytes | None) -> bytes:
            nonlocal bucket, given
            try:
                bucket = self.bucket.load(now + self._ahead, state)
            except (ValueError, TypeError, LookupError):
                log.warning("pacing begins anew: its state in the store can't be read")
                bucket = self.bucket.load(now + self._ahead, None)
            self._ahead = max(self._ahead, bucket.at - now)
            bucket.advance(now + self._ahead)
            for news in self._news:
                news(bucket, self._ahead)
            given = self._take(bucket, now, wanted)
            return bucket.dump()

        self._store.update(self._key, trade, tries=TRIES)
        self.bucket = bucket
        return given

    def _take(self, bucket: Bucket, now: float, wanted: int) -> int:
        bucket.advance(now + self._ahead)
        bucket.take(self._owed, today(now))
        given = int(min(bucket.free, wanted))
        bucket.take(given, today(now))
        return given


class Quotas:
    """What a vendor allows by the day for one user, registrant or meeting: the counts of one connector.

    Each lies under a digest, so that no name or address stands in the store, and is removed when its day is over. A
    store that fails is left alone for some seconds, in which nothing is counted.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, f"{prefix}/quotas/"
        self._swept = ""
        self._failed = -ALONE  # when the store last did

    def count(self, keys: Iterable[tuple[str, int]], now: float) -> float | None:
        """Count one more under each key, which allows so many a day; if one is full, nothing, and until when it is."""
        until: float | None = None
        counted: list[str] = []
        for key, allowed in keys:

            def more(used: int, out: float, allowed: int = allowed) -> tuple[int, float]:
                nonlocal until
                until = out if out > now else midnight(now) if used >= allowed else None
                return (used + 1, out) if until is None else (used, out)

            self._change([key], now, more)
            if until is not None:
                self.give_back(counted, now)
                return until
            counted.append(key)
        return None

    def give_back(self, keys: Iterable[str], now: float) -> None:
        """Count one less under each key: the call did nothing."""
        self._change(keys, now, lambda used, out: (max(0, used - 1), out))

    def use_up(self, keys: Iterable[str], now: float, until: float) -> None:
        """The vendor says that nothing more goes under these keys until then."""
        self._change(keys, now, lambda used, out: (used, max(out, until)))

    def _change(self, keys: Iterable[str], now: float, change: Callable[[int, float], tuple[int, float]]) -> None:
        def written(state: bytes | None) -> bytes:
            return json.dumps(change(*json.loads(state or NONE))).encode()

        if self._failed <= now < self._failed + ALONE:
            return
        try:
            yesterday, day = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}" for at in (now - DAY, now))
            if self._swept != yesterday:  # another clock may still have it: what is older goes
                found = self._store.scan(self._prefix, limit=SWEEP)
                over = [(key, entry) for key, entry in found if key < f"{self._prefix}{yesterday}"]
                for key, entry in over:
                    self._store.remove(key, entry)
                if len(over) < SWEEP:
                    self._swept = yesterday
            for key in keys:
                self._store.update(f"{self._prefix}{day}/{key}", written)
        except StoreError as error:
            self._failed = now
            log.warning("quotas are not counted: %s", error.message)
