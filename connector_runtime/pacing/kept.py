"""Where the state of limits and quotas is: in this process, or in a store that several share. Touches that store.

A quota is what a vendor allows by the day for one user, registrant or meeting. Its count lies under a digest, so that
no name or address stands in the store, and is removed when its day is over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ..errors import StoreError
from ..model import DAY
from ..stores.store import Contended, Store
from .bucket import PAUSE, Bucket, Terms, midnight, today

log = logging.getLogger("connector_runtime.pacing")

BATCH = 0.05  # seconds' worth of permits that a process takes at once
FRESH = 0.5  # seconds after which it gives back what it did not use
LOOK = 0.25  # seconds between two looks at a limit of which nothing is known
ALONE = 5.0  # seconds until a store that failed is asked again
TRIES = 8
MOST = 20  # things heard that wait to be told
NONE = b"[0, 0.0]"  # counted, and until when the vendor says that it is used up
SWEEP = 100  # counts of old days that are looked at in one go


class Kept:
    """A limit in this process."""

    def __init__(self, terms: Terms, now: float) -> None:
        self.bucket = Bucket(terms=terms, at=now)

    def ready(self, now: float, count: int, waiting: int) -> bool:
        """Whether so many permits can be given now; `waiting` are asked for in all."""
        if now < self.bucket.at - PAUSE:  # the clock was set back
            self.bucket.rewind(now)
        self.bucket.advance(now)
        return self.bucket.free >= count

    def take(self, now: float) -> int:
        """Give one permit that is ready; returns its number."""
        self.bucket.take(1, today(now))
        return self.bucket.numbered

    def wait(self, now: float, count: int) -> float:
        """The seconds until so many permits should be ready."""
        return self.bucket.wait(count)

    def learn(self, now: float, news: Callable[[Bucket, float], None], *, urgent: bool = False) -> None:
        """Change the state by what was heard: a function of the bucket and of what its clock is ahead of ours."""
        self.bucket.advance(now)
        news(self.bucket, 0.0)

    def look(self, now: float) -> Bucket:
        """The state, not older than a moment."""
        return self.bucket


class Shared(Kept):
    """A limit in a store. A process takes a few permits at a time, and tells what it heard when it comes for more.

    The clocks of machines differ; everybody follows the one that is furthest ahead. While the store fails, each process
    goes by what it knows.
    """

    def __init__(self, store: Store, key: str, terms: Terms, now: float) -> None:
        super().__init__(terms, now)
        self._store, self._key = store, key
        self._ahead = 0.0  # what the shared clock is ahead of ours
        self._permits = 0
        self._owed = 0  # permits that we used and did not take, less those that we took and did not use
        self._news: list[Callable[[Bucket, float], None]] = []
        self._looked = -LOOK
        self._failed = -ALONE  # when the store last did
        self._next = 0.0

    def ready(self, now: float, count: int, waiting: int) -> bool:
        if now < self._looked:  # the clock was set back
            self._looked = self._next = now
            self._ahead = max(self._ahead, self.bucket.at - now)
        if self._permits and now > self._looked + FRESH:
            self._owed -= self._permits
            self._permits = 0
        if self._permits >= count:
            return True
        self.bucket.advance(now + self._ahead)
        if not self.bucket.known:
            if now >= self._looked + LOOK:
                self._visit(now, 0)
            return not self.bucket.known and self.bucket.free >= count
        if now >= self._next and self._permits + self.bucket.free >= count:
            self._visit(now, max(count, min(waiting, self._batch())) - self._permits)
        return self._permits >= count

    def take(self, now: float) -> int:
        if self._permits:
            self._permits -= 1
            return self.bucket.numbered - self._permits
        self._owed += 1
        return self.bucket.numbered

    def wait(self, now: float, count: int) -> float:
        return max(self.bucket.wait(count - self._permits), self._next - now)

    def learn(self, now: float, news: Callable[[Bucket, float], None], *, urgent: bool = False) -> None:
        self.bucket.advance(now + self._ahead)
        was_known = self.bucket.known
        news(self.bucket, self._ahead)
        self._news = [*self._news[-MOST:], news]
        if urgent or was_known is not self.bucket.known:
            self._visit(now, 0)

    def look(self, now: float) -> Bucket:
        if not self._looked <= now <= self._looked + PAUSE:
            self._visit(now, 0)
        return self.bucket

    def _batch(self) -> int:
        return max(1, int((self.bucket.rate or 0.0) * BATCH))

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
        bucket, given = self.bucket, 0

        def trade(state: bytes | None) -> bytes:
            nonlocal bucket, given
            bucket = self._read(state, now)
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
        given = min(wanted, int(min(bucket.free, wanted)))
        bucket.take(given, today(now))
        return given

    def _read(self, data: bytes | None, now: float) -> Bucket:
        terms = self.bucket.terms
        if data is not None:
            try:
                return Bucket.load(terms, data)
            except (ValueError, TypeError, LookupError):
                log.warning("pacing begins anew: its state in the store can't be read")
        return Bucket(terms=terms, at=now + self._ahead)


class Quotas:
    """The counts of one connector, each under the digest of what is counted.

    A store that fails is left alone for some seconds, in which nothing is counted.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, f"{prefix}/quotas/"
        self._swept = ""
        self._failed = -ALONE  # when the store last did

    def count(self, keys: Iterable[tuple[str, int]], now: float) -> float | None:
        """Count one more under each key, which allows so many a day; if one is full, nothing, and until when it is."""
        self._sweep(now)
        counted: list[str] = []
        for key, allowed in keys:
            until = self._count(key, allowed, now)
            if until is not None:
                self.give_back(counted, now)
                return until
            counted.append(key)
        return None

    def _count(self, key: str, allowed: int, now: float) -> float | None:
        until: float | None = None

        def more(used: int, out: float) -> tuple[int, float]:
            nonlocal until
            until = out if out > now else midnight(now) if used >= allowed else None
            return (used + 1, out) if until is None else (used, out)

        self._change(key, now, more)
        return until

    def give_back(self, keys: Iterable[str], now: float) -> None:
        """Count one less under each key: the call did nothing."""
        for key in keys:
            self._change(key, now, lambda used, out: (max(0, used - 1), out))

    def use_up(self, keys: Iterable[str], now: float, until: float) -> None:
        """The vendor says that nothing more goes under these keys until then."""
        for key in keys:
            self._change(key, now, lambda used, out: (used, max(out, until)))

    def _change(self, key: str, now: float, change: Callable[[int, float], tuple[int, float]]) -> None:
        if self._is_alone(now):
            return

        def written(state: bytes | None) -> bytes:
            return json.dumps(change(*json.loads(state or NONE))).encode()

        try:
            self._store.update(f"{self._prefix}{_day(now)}/{key}", written)
        except StoreError as error:
            self._failed = now
            log.warning("quotas are not counted: %s", error.message)

    def _is_alone(self, now: float) -> bool:
        return self._failed <= now < self._failed + ALONE

    def _sweep(self, now: float) -> None:
        """Remove counts of days before yesterday, some at a time; another clock may still have yesterday."""
        yesterday = _day(now, -1)
        if self._swept == yesterday or self._is_alone(now):
            return
        try:
            found = self._store.scan(self._prefix, limit=SWEEP)
            over = [(key, entry) for key, entry in found if key < f"{self._prefix}{yesterday}"]
            for key, entry in over:
                self._store.remove(key, entry)
        except StoreError as error:
            self._failed = now
            log.warning("old quotas are not removed: %s", error.message)
            return
        if len(over) < SWEEP:
            self._swept = yesterday


def _day(now: float, days: int = 0) -> str:
    return f"{datetime.fromtimestamp(now + days * DAY, UTC):%Y-%m-%d}"
