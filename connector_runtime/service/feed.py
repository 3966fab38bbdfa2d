"""The feed: events stored for a day, in one log for each app and account, and read from cursors. Independent of HTTP.

A log's numbers have no gaps, because a writer takes the number after the last one, or the next if another writer was
faster. Every event is therefore stored before those with higher numbers, regardless of clocks, and a reader that has
passed a number has missed nothing. A log's last entry is never removed, because its number would then be reused. The
number of a damaged entry is not reused either.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ..connections.owners import comparable, owners
from ..definitions.connector import Connector
from ..errors import ConnectorError, InputError, Problem
from ..language import json_text
from ..stores.store import DamagedEntry, Store
from ..triggers.webhook import Filter, Notification

RETENTION = 24 * 3600.0  # seconds
MAX_EVENTS = 1000  # events that one read examines
MAX_BYTES = 4 * 1024 * 1024  # of events in one response; the last event may exceed it
DIGITS = 12
MAX_CURSOR = 64 * 1024  # characters
logger = logging.getLogger("connector_runtime.service")
Logs = Mapping[str, frozenset[str] | None]  # by log, the users whose events may be read; None for all
Positions = Mapping[str, int]  # by log, the number of the last event that was read


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """A verified event as the store holds it, for its trigger to read. `at` is in seconds, by the writer's clock."""

    at: float
    event_id: str
    trigger: str
    sender: str | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def write(self) -> bytes:
        fields = (self.at, self.event_id, self.trigger, self.sender, dict(self.headers))
        return json.dumps(fields).encode() + b"\n" + self.body

    @classmethod
    def read(cls, content: bytes) -> FeedEvent:
        """Read the result of `write`. Raises `ValueError` or `TypeError` for anything else."""
        line, _, body = content.partition(b"\n")
        at, event_id, trigger, sender, headers = json_text.read(line)
        return cls(float(at), str(event_id), str(trigger), sender and str(sender), dict(headers), body)

    def is_expired(self, now: float) -> bool:
        return self.at + RETENTION < now


class Feed:
    """The events of a service, for many threads and processes. If `is_local`, one tenant owns all events."""

    def __init__(self, store: Store, connector: Connector, *, is_local: bool) -> None:
        self._store, self._connector, self._is_local = store, connector, is_local
        self._logs, self._seen = (f"service/{connector.key}/{kind}/" for kind in ("feed", "fed"))
        self._ends: dict[str, int] = {}  # by log, a number in use, from which `end` searches

    def add(self, trigger: str, event: Notification) -> None:
        """Store an event of a trigger unless it was stored before."""
        log = log_of("*", "*") if self._is_local else log_of(event.sender, event.account)
        if not self._is_local and (event.sender is None or event.account is None):
            logger.info("An event without a known app or account belongs to no tenant and was dropped")
            return
        seen_key, last, now = f"{self._seen}{log}/{event.event_id}", self.end(log), time.time()
        if self._store.put(seen_key, json_text.write([last, now]), None) is None:
            row = None  # an earlier writer stored the event, or died before it did
            with suppress(DamagedEntry):
                row = self._store.value(seen_key, _read_seen)
            after = 0 if row is None else row[0][0]
            if any(stored.event_id == event.event_id for _, _, stored in self._after(log, after)):
                return
        content = FeedEvent(now, event.event_id, trigger, event.sender, event.headers, event.body).write()
        while not self._is_free(log, last + 1) or self._store.put(self._key(log, last + 1), content, None) is None:
            last += 1
        self._ends[log] = last + 1

    def end(self, log: str) -> int:
        """Return the number of a log's last event (0 if it is empty), found by doubling steps and then bisection."""
        low, step = self._ends.get(log, 0), 1
        while (number := self._next(log, low + step - 1)) is not None:
            low, step = number, 2 * step
        high = low + step - 1  # no event has a higher number
        while low < high:
            number = self._next(log, middle := (low + high) // 2)
            low, high = (low, middle) if number is None else (number, high)
        return low

    def readable_logs(self, tenant: str) -> tuple[Logs, list[Problem]]:
        """Return the logs that a tenant's connections may read, and a problem for each connection without events."""
        warnings: list[Problem] = []
        if self._is_local:
            return {log_of("*", "*"): None}, warnings
        logs: dict[str, frozenset[str] | None] = {}
        for _, owner, _ in owners(self._connector, self._store, tenant):
            if owner.why is not None:
                warnings.append(Problem(f"connections.{owner.name}", owner.why))
                continue
            log = log_of(owner.app, owner.account)
            users = logs.get(log, frozenset())
            logs[log] = None if owner.users is None or users is None else users | owner.users
        return logs, warnings

    def read(
        self, logs: Logs, after: Positions, limit: int, filters: Mapping[str, Filter]
    ) -> tuple[list[Notification], Positions]:
        """Return up to `limit` events, oldest first, and the positions reached. Skips triggers without a filter."""
        now, reached, events, size = time.time(), dict(after), list[Notification](), 0
        log_limit = max(1, MAX_EVENTS // max(1, len(logs)))
        entries = [self._after(log, after.get(log, 0), log_limit) for log in logs]
        for log, number, stored in heapq.merge(*entries, key=lambda entry: entry[2].at):
            reached[log] = number
            event = None if stored.is_expired(now) else self._event(stored)
            if event is not None and stored.trigger in filters and filters[stored.trigger].admits(event):
                users = logs[log]
                if users is None or users & comparable(event.users):
                    events.append(event)
                    size += len(stored.body)
            if len(events) == limit or size >= MAX_BYTES:
                break
        return events, reached

    def purge(self) -> int:
        """Remove events older than a day; return their number. The last entry of a log is kept, without content."""
        now, count, ends = time.time(), 0, dict[str, int]()
        for key, stored, entry in self._store.rows(self._logs, FeedEvent.read):
            log, _, number = key.removeprefix(self._logs).partition("/")
            if not stored.is_expired(now):
                continue
            if log not in ends:
                ends[log] = self.end(log)
            if number != f"{ends[log]:0{DIGITS}}":
                count += self._store.remove(key, entry)
            elif stored.body:
                emptied = FeedEvent(stored.at, "", "", None, {}, b"").write()
                count += self._store.put(key, emptied, entry.version) is not None
        for key, (_, at), entry in self._store.rows(self._seen, _read_seen):
            if at + RETENTION < now:
                self._store.remove(key, entry)
        return count

    def _event(self, stored: FeedEvent) -> Notification | None:
        """Return the event of an entry; None if the current triggers cannot read it."""
        try:
            return self._connector.triggers[stored.trigger].read(stored.body, stored.headers, stored.sender)
        except (ConnectorError, KeyError):
            return None

    def _key(self, log: str, number: int) -> str:
        return f"{self._logs}{log}/{number:0{DIGITS}}"

    def _is_free(self, log: str, number: int) -> bool:
        """Return whether a number was never used; a damaged entry uses its number."""
        try:
            return self._store.value(self._key(log, number), FeedEvent.read) is None
        except DamagedEntry:
            return False

    def _next(self, log: str, number: int) -> int | None:
        """Return the number of the first entry after a number, or None."""
        return next((following for _, following, _ in self._after(log, number, 1)), None)

    def _after(self, log: str, number: int, limit: int | None = None) -> Iterator[tuple[str, int, FeedEvent]]:
        rows = self._store.rows(f"{self._logs}{log}/", FeedEvent.read, self._key(log, number), limit)
        return ((log, int(key.rpartition("/")[2]), stored) for key, stored, _ in rows)


def log_of(app: str | None, account: str | None) -> str:
    """Return the name of the log of an app and an account, which may be any strings."""
    return hashlib.sha256(json.dumps([app, account]).encode()).hexdigest()[:24]


def _read_seen(content: bytes) -> tuple[int, float]:
    last, at = json_text.read(content)
    return int(last), float(at)


def cursor(tenant: str, positions: Positions) -> str:
    """Return a tenant's positions as an opaque string that only this tenant can use."""
    return base64.urlsafe_b64encode(json_text.write([_digest(tenant), positions])).decode().rstrip("=")


def positions(tenant: str, text: str) -> Positions:
    """Read a cursor. Raises `InputError` for a string that is not one of this tenant's cursors."""
    try:
        padded = text[:MAX_CURSOR] + "=" * (-len(text) % 4)
        digest, numbers = json_text.read(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError):
        digest, numbers = None, None
    is_valid = isinstance(numbers, dict) and all(type(n) is int and 0 <= n < 10**DIGITS for n in numbers.values())
    if digest != _digest(tenant) or not is_valid:
        what = "is not a valid cursor for this feed; omit it, or pass `now`"
        raise InputError.of("the events", [Problem("cursor", what)])
    return dict(numbers)


def _digest(tenant: str) -> str:
    return hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()[:16]
