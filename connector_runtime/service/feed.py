"""The events that have arrived: kept for a day in a log for each app and account, read on from cursors. Knows no HTTP.

The numbers of a log have no gaps: who adds takes the number after the last, and the next one if another was first. So
an event is there before any that has a higher number, whenever its writer commits and whatever its clock says; a reader
that has passed a number has missed none. Where the numbers stand is asked of the store, and the last entry of a log is
never removed, since its number would be given again; that of a damaged entry is not either.
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
from typing import Any

from ..connections.owners import comparable, owners
from ..definitions.connector import Connector
from ..errors import ConnectorError, InputError, Problem
from ..language import json_text
from ..stores.store import DamagedEntry, Store
from ..triggers.webhook import Filter, Notification

RETENTION = 24 * 3600.0  # seconds
MOST = 1000  # events that one read looks at
LARGEST = 4 * 1024 * 1024  # bytes of events in one answer, beyond the last
DIGITS = 12
LONGEST = 64 * 1024  # characters of a cursor
logger = logging.getLogger("connector_runtime.service")
Logs = Mapping[str, frozenset[str] | None]  # those to read, each with the users whose events alone count, or None
Positions = Mapping[str, int]  # by log: the number of the last event that was read


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event as it was verified: what it says is asked of its trigger. `at` is when, by the clock of its writer."""

    at: float
    event_id: str
    trigger: str
    sender: str | None
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def write(self) -> bytes:
        said = (self.at, self.event_id, self.trigger, self.sender, dict(self.headers))
        return json.dumps(said).encode() + b"\n" + self.body

    @classmethod
    def read(cls, content: bytes) -> FeedEvent:
        """What `write` wrote. Raises `ValueError` and `TypeError` for what it did not."""
        said, _, body = content.partition(b"\n")
        at, event_id, trigger, sender, headers = json_text.read(said)
        return cls(float(at), str(event_id), str(trigger), sender and str(sender), dict(headers), body)

    def is_late(self, now: float) -> bool:
        return self.at + RETENTION < now


class Feed:
    """The events of a service. May be used from several threads, and by several processes at once.

    `is_local` where one tenant owns all that arrives: then nothing is asked of its connections.
    """

    def __init__(self, store: Store, connector: Connector, *, is_local: bool) -> None:
        self._store, self._connector, self._is_local = store, connector, is_local
        self._logs, self._seen = (f"service/{connector.key}/{room}/" for room in ("feed", "fed"))
        self._ends: dict[str, int] = {}  # by log: a number that was given

    def add(self, trigger: str, found: Notification) -> None:
        """Keep an event of a trigger; one that was added before is not added again."""
        log = log_of("*", "*") if self._is_local else log_of(found.sender, found.account)
        if not self._is_local and (found.sender is None or found.account is None):
            logger.info("An event of no known app or account is nobody's and is not kept")
            return
        seen_key, last, now = f"{self._seen}{log}/{found.event_id}", self.end(log), time.time()
        if (
            self._store.put(seen_key, json_text.write([last, now]), None) is None
        ):  # added, or its writer died before that
            row = None
            with suppress(DamagedEntry):
                row = self._store.value(seen_key, _read_seen)
            after = 0 if row is None else row[0][0]
            if any(there.event_id == found.event_id for _, _, there in self._after(log, after)):
                return
        content = FeedEvent(now, found.event_id, trigger, found.sender, found.headers, found.body).write()
        while not self._is_free(log, last + 1) or self._store.put(self._place(log, last + 1), content, None) is None:
            last += 1
        self._ends[log] = last + 1

    def end(self, log: str) -> int:
        """The number of the last event of a log, 0 if there is none: found in steps that grow, then by halves."""
        low, step = self._ends.get(log, 0), 1
        while (number := self._next(log, low + step - 1)) is not None:
            low, step = number, 2 * step
        high = low + step - 1  # beyond which there is nothing
        while low < high:
            number = self._next(log, middle := (low + high) // 2)
            low, high = (low, middle) if number is None else (number, high)
        return low

    def reach(self, tenant: str) -> tuple[Logs, list[Problem]]:
        """What a tenant may read by its connections as they are now, and why some of them give it nothing."""
        warnings: list[Problem] = []
        if self._is_local:
            return {log_of("*", "*"): None}, warnings
        logs: dict[str, frozenset[str] | None] = {}
        for _, owner, _ in owners(self._connector, self._store, tenant):
            if owner.why is not None:
                warnings.append(Problem(f"connections.{owner.name}", owner.why))
                continue
            log = log_of(owner.app, owner.account)
            known = logs.get(log, frozenset())
            logs[log] = None if owner.users is None or known is None else known | owner.users
        return logs, warnings

    def read(
        self, logs: Logs, after: Positions, limit: int, wanted: Mapping[str, Filter]
    ) -> tuple[list[Notification], Positions]:
        """At most `limit` events of some logs, the oldest first, and where to go on: also past others.

        `wanted` are the filters by trigger: events of no other are read.
        """
        now, positions, found, size = time.time(), dict(after), list[Notification](), 0
        each = max(1, MOST // max(1, len(logs)))
        entries = [self._after(log, after.get(log, 0), each) for log in logs]
        for log, number, arrived in heapq.merge(*entries, key=lambda entry: entry[2].at):
            positions[log] = number
            event = None if arrived.is_late(now) else self._event(arrived)
            if event is not None and arrived.trigger in wanted and wanted[arrived.trigger].admits(event):
                users = logs[log]
                if users is None or users & comparable(event.users):
                    found.append(event)
                    size += len(arrived.body)
            if len(found) == limit or size >= LARGEST:
                break
        return found, positions

    def purge(self) -> int:
        """Forget what is older than a day; returns how many. The last entry of a log stays, without what it said."""
        now, count, ends = time.time(), 0, dict[str, int]()
        for key, arrived, entry in self._store.rows(self._logs, FeedEvent.read):
            log, _, number = key.removeprefix(self._logs).partition("/")
            if not arrived.is_late(now):
                continue
            if log not in ends:
                ends[log] = self.end(log)
            if number != f"{ends[log]:0{DIGITS}}":
                count += self._store.remove(key, entry)
            elif arrived.body:
                emptied = FeedEvent(arrived.at, "", "", None, {}, b"").write()
                count += self._store.put(key, emptied, entry.version) is not None
        for key, (_, at), entry in self._store.rows(self._seen, _read_seen):
            if at + RETENTION < now:
                self._store.remove(key, entry)
        return count

    def _event(self, arrived: FeedEvent) -> Notification | None:
        """What an entry says; None if it says nothing to the triggers of today."""
        try:
            return self._connector.triggers[arrived.trigger].read(arrived.body, arrived.headers, arrived.sender)
        except (ConnectorError, KeyError):
            return None

    def _place(self, log: str, number: int) -> str:
        return f"{self._logs}{log}/{number:0{DIGITS}}"

    def _is_free(self, log: str, number: int) -> bool:
        """Whether a number was never given; one whose entry is damaged was."""
        try:
            return self._store.value(self._place(log, number), FeedEvent.read) is None
        except DamagedEntry:
            return False

    def _next(self, log: str, number: int) -> int | None:
        """The number of the first entry after a number."""
        return next((int(key.rpartition("/")[2]) for key, _, _ in self._rows(log, number, 1)), None)

    def _after(self, log: str, number: int, limit: int | None = None) -> Iterator[tuple[str, int, FeedEvent]]:
        rows = self._rows(log, number, limit)
        return ((log, int(key.rpartition("/")[2]), arrived) for key, arrived, _ in rows)

    def _rows(self, log: str, number: int, limit: int | None) -> Iterator[tuple[str, FeedEvent, Any]]:
        return self._store.rows(f"{self._logs}{log}/", FeedEvent.read, self._place(log, number), limit)


def log_of(app: str | None, account: str | None) -> str:
    """The name of the log of an app and an account, which may be any texts."""
    return hashlib.sha256(json.dumps([app, account]).encode()).hexdigest()[:24]


def _read_seen(content: bytes) -> tuple[int, float]:
    last, at = json_text.read(content)
    return int(last), float(at)


def cursor(tenant: str, positions: Positions) -> str:
    """Where a tenant goes on, as a text for it alone."""
    return base64.urlsafe_b64encode(json_text.write([_digest(tenant), positions])).decode().rstrip("=")


def positions(tenant: str, text: str) -> Positions:
    """What a cursor says. Raises `InputError` for a text that this tenant was not given."""
    try:
        padded = text[:LONGEST] + "=" * (-len(text) % 4)
        whose, found = json_text.read(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError):
        whose, found = None, None
    if whose != _digest(tenant) or not isinstance(found, dict) or not all(map(_is_number, found.values())):
        what = "is none that this service has given for these events; leave it out, or say now"
        raise InputError.of("the events", [Problem("cursor", what)])
    return found


def _is_number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 10**DIGITS


def _digest(tenant: str) -> str:
    return hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()[:16]
