"""Counts what a vendor allows by the day for one user, registrant or meeting. Touches the store it is given.

A count lies under a digest, so that no name or address stands in the store, and is removed when its day is over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from ..errors import StoreError
from ..model import DAY
from ..stores.store import Store
from .bucket import midnight
from .kept import ALONE

log = logging.getLogger("connector_runtime.pacing")

NONE = b"[0, 0.0]"  # counted, and until when the vendor says that it is used up
SWEEP = 100  # counts of old days that are looked at in one go


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
