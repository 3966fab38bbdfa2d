"""Received events as a feed that tenants read: kept in the store for a day, by account. Knows no HTTP.

A tenant sees the events of the accounts that its connections belong to. Events are added at least once and read in the
order in which they were added; who reads remembers a cursor. `event_id` tells a repeat.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from ..errors import InputError, Problem
from ..stores.store import Store
from ..triggers.events import Notification

KEPT = 24 * 3600  # seconds
OVERLAP = 2.0  # seconds: what others may still be writing under a time that has passed
CURSOR = re.compile(r"^[0-9]{13}(-[0-9a-f]{16})?$")
EVERY = "*"


class Feed:
    """The events of a connector. `by_account` is false where one tenant owns all of them."""

    def __init__(self, store: Store, connector: str, *, by_account: bool) -> None:
        self._store = store
        self._prefix = f"service/{connector}/events/"
        self._by_account = by_account

    def add(self, found: Notification) -> None:
        """Keep an event for its account."""
        account = (found.account or "") if self._by_account else EVERY
        place = f"{self._room(account)}{_stamp(time.time())}-{found.event_id[:16]}"
        self._store.put(place, json.dumps(found.to_dict()).encode(), None)

    def read(self, accounts: Iterable[str], cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str]:
        """At most `limit` events after a cursor (None: of the last day), and where to go on."""
        now = time.time()
        if cursor is not None and not CURSOR.fullmatch(cursor):
            raise InputError.of("the events", [Problem("cursor", "is none that was given here")])
        after = cursor or _stamp(now - KEPT)
        found: list[tuple[str, bytes]] = []
        for account in set(accounts) if self._by_account else [EVERY]:
            room = self._room(account)
            page = self._store.scan(room, room + after, limit)
            found += [(place.removeprefix(room), entry.value) for place, entry in page]
        found = sorted(found)[:limit]
        last = found[-1][0] if len(found) == limit else max(after, _stamp(now - OVERLAP))
        return [json.loads(value) for _, value in found], last

    def purge(self) -> int:
        """Forget what is older than a day; returns how many."""
        count, after, oldest = 0, "", _stamp(time.time() - KEPT)
        while page := self._store.scan(self._prefix, after):
            for place, entry in page:
                if place.rpartition("/")[2] < oldest and self._store.put(place, None, entry.version) is not None:
                    count += 1
            after = page[-1][0]
        return count

    def _room(self, account: str) -> str:
        return f"{self._prefix}{quote(account, safe='')}/"


def _stamp(seconds: float) -> str:
    return f"{int(seconds * 1000):013d}"
