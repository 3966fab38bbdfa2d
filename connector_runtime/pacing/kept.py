"""Where the state of a limit is: in this process, or in a store that several share. Touches the store it is given."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ..errors import StoreError
from ..stores.store import Contended, Store
from .bucket import PAUSE, Bucket, Terms, today

log = logging.getLogger("connector_runtime.pacing")

BATCH = 0.05  # seconds' worth of permits that a process takes at once
FRESH = 0.5  # seconds after which it gives back what it did not use
LOOK = 0.25  # seconds between two looks at a limit of which nothing is known
ALONE = 5.0  # seconds until a store that failed is asked again
TRIES = 8
MOST = 20  # things heard that wait to be told


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
