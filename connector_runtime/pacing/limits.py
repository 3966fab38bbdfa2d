"""The state of limits and quotas, in this process or in a store that several processes share. Callers pass the time."""

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

MAX_COUNTED = 64  # permits at the front of a queue that are counted exactly
LATE = 2.0  # seconds by which a permit may be overdue before it is removed
BATCH = 0.05  # seconds' worth of permits that a process takes together
PERMIT_LIFETIME = 0.5  # seconds after which a process returns unused permits
READ_INTERVAL = 0.25  # seconds between two reads of an unknown limit
ALONE = 5.0  # seconds without the store after it failed
TRIES = 8
MAX_UPDATES = 20  # updates that may wait to be written to the store
NO_COUNT = b"[0, 0.0]"  # a count, and the time until which the quota is used up according to the vendor
SWEEP = 100  # counts checked at a time for past days

Budget = tuple[Rate, tuple[str, ...]]  # a rate per day, and the labels that share it
Update = Callable[[Bucket, float], None]  # applies a report; the float is how far the bucket's clock is ahead of ours


class PermitQueue(dict[Permit, tuple[int, float]]):
    """The permits that wait for one limit, in order of arrival, each with its ticket and the time to ask again."""

    last_ticket = 0
    latest = 0.0  # time of the last call

    def ahead_of(self, permit: Permit, now: float) -> int:
        """Return the number of permits ahead, or an upper bound if there are many. A new permit joins at the end."""
        if now < self.latest:  # the clock was set back
            self.update({other: (ticket, due - self.latest + now) for other, (ticket, due) in self.items()})
        self.latest = now
        if permit not in self:
            self.last_ticket += 1
            self[permit] = (self.last_ticket, now + LATE)
        ahead = 0
        for other in list(islice(self, MAX_COUNTED)):
            if other is permit:
                return ahead
            if other.gone or self[other][1] < now:
                del self[other]
            else:
                ahead += 1
        return self[permit][0] - self[next(iter(self))][0]


@dataclass(slots=True, eq=False, repr=False)
class LabelLimit:
    """One label of one account: its limit, the permits that wait for it, and its daily budgets.

    A process takes a few permits at a time from a store, and writes its reports when it takes more. Machines' clocks
    differ, so all follow the one furthest ahead. While the store fails, each process relies on its own state.
    """

    name: str
    bucket: Bucket
    budgets: list[Budget]
    _store: Store | None = None
    _key: str = ""
    queue: PermitQueue = field(default_factory=PermitQueue)
    answers: int = 0  # received so far
    _ahead: float = 0.0  # seconds by which the shared clock is ahead of ours
    _permits: int = 0  # taken from the store and not yet used
    _owed: int = 0  # permits used but not taken, less those taken but not used
    _updates: list[Update] = field(default_factory=list)
    _synced: float = -READ_INTERVAL
    _failed: float = -ALONE  # when the store last failed
    _next: float = 0.0  # when to take permits again

    def ready(self, now: float, count: int) -> bool:
        """Return whether `count` permits can be issued now."""
        bucket = self.bucket
        if self._store is None:
            if now < bucket.at - PAUSE:  # the clock was set back: keep future times as far ahead as they were
                back = bucket.at - now
                bucket.at, bucket.until, bucket.since = now, bucket.until - back, bucket.since - back
            bucket.advance(now)
            return bucket.free >= count
        if now < self._synced:  # the clock was set back
            self._synced = self._next = now
            self._ahead = max(self._ahead, bucket.at - now)
        if self._permits and now > self._synced + PERMIT_LIFETIME:
            self._owed -= self._permits
            self._permits = 0
        if self._permits >= count:
            return True
        bucket.advance(now + self._ahead)
        if not bucket.known:
            if now >= self._synced + READ_INTERVAL:
                self._sync(now, 0)
            return not self.bucket.known and self.bucket.free >= count
        if now >= self._next and self._permits + bucket.free >= count:
            self._sync(now, max(count, min(len(self.queue), self._batch())) - self._permits)
        return self._permits >= count

    def take(self, now: float) -> int:
        """Issue one permit that is ready; return its number."""
        if self._store is None:
            self.bucket.take(1, today(now))
        elif self._permits:
            self._permits -= 1
        else:
            self._owed += 1
        return self.bucket.numbered - self._permits

    def wait(self, now: float, count: int) -> float:
        """Return the seconds until `count` permits should be ready."""
        return max(self.bucket.wait(count - self._permits), self._next - now)

    def refused_for(self, now: float) -> float:
        """Return the seconds for which the vendor still accepts nothing."""
        return self.bucket.until - now - self._ahead

    def learn(self, now: float, update: Update, *, urgent: bool = False) -> None:
        """Apply a report to the state; write an urgent report to the store immediately."""
        self.bucket.advance(now + self._ahead)
        was_known = self._store is not None and self.bucket.known
        update(self.bucket, self._ahead)
        if self._store is not None:
            self._updates = [*self._updates[-MAX_UPDATES:], update]
            if urgent or was_known is not self.bucket.known:
                self._sync(now, 0)

    def look(self, now: float) -> Bucket:
        """Return the state, at most `PAUSE` seconds old."""
        if self._store is not None and not self._synced <= now <= self._synced + PAUSE:
            self._sync(now, 0)
        return self.bucket

    def _batch(self) -> int:
        bucket = self.bucket
        rate = bucket.pace if bucket.limit is None else min(bucket.pace, bucket.refill)
        return max(1, int(rate * BATCH)) if rate < inf else 1

    def _sync(self, now: float, count: int) -> None:
        """Read the stored state, apply our reports, take up to `count` permits, and write it."""
        is_alone = self._failed <= now < self._failed + ALONE
        try:
            permits = self._take(self.bucket, now, count) if is_alone else self._take_shared(now, count)
            self._failed = self._failed if is_alone else -ALONE
        except WriteConflict:
            self._next = now + READ_INTERVAL / 10
            return
        except StoreError as error:
            if self._failed < 0:
                log.warning("pacing continues without its store: %s", error.message)
            self._failed = now
            permits = self._take(self.bucket, now, count)
        self._synced, self._updates, self._owed = now, [], 0
        self._permits += permits
        self._next = now if permits == count else now + self.bucket.wait(min(count, self._batch()))

    def _take_shared(self, now: float, count: int) -> int:
        assert self._store is not None
        bucket, permits = self.bucket, 0

        def change(state: bytes | None) -> bytes:
            nonlocal bucket, permits
            try:
                bucket = self.bucket.load(now + self._ahead, state)
            except UNREADABLE:
                log.warning("pacing starts over: its state can't be read from the store")
                bucket = self.bucket.load(now + self._ahead, None)
            self._ahead = max(self._ahead, bucket.at - now)
            bucket.advance(now + self._ahead)
            for update in self._updates:
                update(bucket, self._ahead)
            permits = self._take(bucket, now, count)
            return bucket.dump()

        self._store.update(self._key, change, tries=TRIES)
        self.bucket = bucket
        return permits

    def _take(self, bucket: Bucket, now: float, count: int) -> int:
        bucket.advance(now + self._ahead)
        bucket.take(self._owed, today(now))
        permits = int(min(bucket.free, count))
        bucket.take(permits, today(now))
        return permits


class Quotas:
    """One connector's counts of daily quotas, such as those per user, registrant or meeting.

    Counts are stored under digests, so the store contains no names or addresses, and are removed after their day. When
    the store has failed, nothing is counted for `ALONE` seconds.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, f"{prefix}/quotas/"
        self._swept = ""
        self._failed = -ALONE  # when the store last failed

    def count(self, keys: Iterable[tuple[str, int]], now: float) -> float | None:
        """Count a request under each key with a daily quota. If one is full, count none and return the time it ends."""
        until: float | None = None
        counted: list[str] = []
        for key, allowed in keys:

            def increase(used: int, out: float, allowed: int = allowed) -> tuple[int, float]:
                nonlocal until
                until = out if out > now else midnight(now) if used >= allowed else None
                return (used + 1, out) if until is None else (used, out)

            self._change([key], now, increase)
            if until is not None:
                self.give_back(counted, now)
                return until
            counted.append(key)
        return None

    def give_back(self, keys: Iterable[str], now: float) -> None:
        """Subtract a request that changed nothing from the count under each key."""
        self._change(keys, now, lambda used, out: (max(0, used - 1), out))

    def use_up(self, keys: Iterable[str], now: float, until: float) -> None:
        """Record that the vendor accepts nothing more under these keys until a time."""
        self._change(keys, now, lambda used, out: (used, max(out, until)))

    def _change(self, keys: Iterable[str], now: float, change: Callable[[int, float], tuple[int, float]]) -> None:
        def apply(state: bytes | None) -> bytes:
            try:
                used, out = json_text.read(state or NO_COUNT)
                used, out = max(0, int(used)), float(out)
                if not out <= now + 2 * DAY:
                    raise ValueError
            except UNREADABLE:
                log.warning("a quota's count starts over: it can't be read from the store")
                used, out = 0, 0.0
            return json.dumps(change(used, out)).encode()

        if self._failed <= now < self._failed + ALONE:
            return
        try:
            yesterday, day = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}" for at in (now - DAY, now))
            if self._swept != yesterday:  # yesterday may still be today by another clock, so its counts are kept
                page = self._store.scan(self._prefix, limit=SWEEP)
                old = [(key, entry) for key, entry in page if key < f"{self._prefix}{yesterday}"]
                for key, entry in old:
                    self._store.remove(key, entry)
                if len(old) < SWEEP:
                    self._swept = yesterday
            for key in keys:
                self._store.update(f"{self._prefix}{day}/{key}", apply)
        except StoreError as error:
            self._failed = now
            log.warning("quotas are not counted: %s", error.message)
