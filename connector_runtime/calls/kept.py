"""Pages of choices kept for a moment, so that opening a form spends no rate limit. It reads the clock, nothing else."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from ..model import Choices


class Kept:
    """The pages read last, at most `most` of them. It may be used by several threads."""

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self._pages: OrderedDict[str, tuple[float, Choices]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, ttl: float) -> Choices | None:
        """The page of that key if it is younger than `ttl` seconds."""
        with self._lock:
            at, page = self._pages.get(key, (0.0, None))
        return page if page is not None and time.monotonic() - at < ttl else None

    def put(self, key: str, page: Choices, ttl: float) -> None:
        """Keep a page; with a `ttl` of 0 forget it instead."""
        with self._lock:
            self._pages.pop(key, None)
            if ttl > 0:
                self._pages[key] = (time.monotonic(), page)
                if len(self._pages) > self._most:
                    self._pages.popitem(last=False)
