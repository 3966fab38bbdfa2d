"""What is known of limits and quotas: in this process, or in a store that several share. Times are given."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from math import inf

from ..errors import StoreError
from ..language import json_text
from ..model import DAY, Rate
from ..steps import Permit
from ..stores.store import UNREADABLE, Store, WriteConflict
from .bucket import PAUSE, Bucket, midnight, today

log = logging.getLogger("connector_runtime.pacing")

NEAR = 64  # places from the head of a line within which we count exactly
LATE = 2.0  # seconds after which somebody who did not come back is not waited for
BATCH = 0.05  # seconds' worth of permits that a process takes at once
FRESH = 0.5  # seconds after which it gives back what it did not use
LOOK = 0.25  # seconds between two looks at a limit of which nothing is known
ALONE = 5.0  # seconds until a store that failed is asked again
TRIES = 8
MOST = 20  # reports that wait to be written to the store
NONE = b"[0, 0.0]"  # counted, and until when the vendor says that it is used up
SWEEP = 100  # counts of old days that are looked at in one go


Budget = tuple[Rate, tuple[str, ...]]  # what a day allows, and the labels that share it
News = Callable[[Bucket, float], None]  # changes the state by a report; it is given what its clock is ahead of ours


class PermitQueue(dict[Permit, tuple[int, float]]):
    """The permits that wait for one limit, in the order they came, each with its ticket and when it is next due."""

    last = 0
    seen = 0.0

    def place(self, permit: Permit, now: float) -> int:
        """How many are before this one, which joins at the end if it is new; far from the head, at most so many."""
        if now < self.seen:  # the clock was set back
            self.update({each: (ticket, due - self.seen + now) for each, (ticket, due) in self.items()})
        self.seen = now
        if permit not in self:
            self.last += 1
            self[permit] = (self.last, now + LATE)
        before = 0
        for each in list(islice(self, NEAR)):
            if each is permit:
                return before
            if each.gone or self[each][1] < now:
                del self[each]
            else:
                before += 1
        return self[permit][0] - self[next(iter(self))][0]


@dataclass(slots=True, eq=False, repr=False)
class LabelLimit:
    """One label of one account: its limit, the permits that wait for it, and its daily budgets.

    Where its limit is in a store, a process takes a few permits at a time, and reports when it comes for
    more. The clocks of machines differ; everybody follows the one that is furthest ahead. While the store fails, each
    process goes by what it knows.
    """

    name: str
    bucket: Bucket
    budgets: list[Budget]
    _store: Store | None = None
    _key: str = ""
    queue: PermitQueue = field(default_factory=PermitQueue)
    answers: int = 0  # that have come
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
            self._visit(now, max(count, min(len(self.queue), self._batch())) - self._permits)
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

    def shut(self, now: float) -> float:
        """The seconds for which the vendor takes nothing."""
        return self.bucket.until - now - self._ahead

    def learn(self, now: float, news: News, *, urgent: bool = False) -> None:
        """Change the state by a report."""
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
        """Read the state, apply our reports, take permits, write it if nobody was faster."""
        is_alone = self._failed <= now < self._failed + ALONE
        try:
            given = self._take(self.bucket, now, wanted) if is_alone else self._trade(now, wanted)
            self._failed = self._failed if is_alone else -ALONE
        except WriteConflict:
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
            try:
                return traded(state)
            except UNREADABLE:
                log.warning("pacing begins anew: its state in the store can't be read")
                return traded(None)

        def traded(state: bytes | None) -> bytes:
            nonlocal bucket, given
            bucket = self.bucket.load(now + self._ahead, state)
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
            try:
                used, out = json_text.read(state or NONE)
                known = max(0, int(used)), float(out)
                if not known[1] <= now + 2 * DAY:
                    raise ValueError
            except UNREADABLE:
                log.warning("a quota is counted anew: its count in the store can't be read")
                known = 0, 0.0
            return json.dumps(change(*known)).encode()

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
