"""Stores events between acceptance and handling, so none is lost and duplicates are detected.

An event waits under `waiting/`; after that, either its id is under `done/` or the event itself is under `aside/`. The
new state is written before the old one is deleted, so after a crash both may exist, and the newer one wins. The process
that delivers an event leases it, and renews the lease while its handler runs. Callers pass the current time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from ..errors import InputError, Problem
from ..language import json_text
from ..stores.store import Store

PAUSES = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3600.0)  # seconds before each attempt after the first
RETENTION = 3 * 86400.0
MAX_REASON = 500  # characters
Number = float | int
FIELDS: dict[str, Any] = {  # the head, written before the body
    "headers": dict, "received": Number, "due": Number, "claimed": Number, "failures": int, "reason": str | None,
    "replays": int, "sender": str | None,
}  # fmt: skip
_head = attrgetter(*FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """An event in the inbox, leased until `claimed`. Times are seconds since 1970; `sender` is a client id or None."""

    event_id: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    received: float
    due: float
    claimed: float = 0.0
    failures: int = 0
    reason: str | None = None
    replays: int = 0
    sender: str | None = None
    version: int = 0

    def to_bytes(self) -> bytes:
        head = dict(zip(FIELDS, _head(self), strict=True), headers=dict(self.headers))
        return json.dumps(head).encode() + b"\n" + self.body

    @classmethod
    def read(cls, content: bytes, event_id: str = "", version: int = 0) -> InboxEntry:
        """Return the entry from the bytes of `to_bytes`. Raises `ValueError` or `TypeError` for other bytes."""
        head, _, body = content.partition(b"\n")
        fields = json_text.read(head)
        if "turn" in fields:  # versions up to 0.1 used this name for `replays`
            fields["replays"] = fields.pop("turn")
        event = cls(event_id=event_id, body=body, version=version, **fields)
        if not all(isinstance(getattr(event, name), kind) for name, kind in FIELDS.items()):
            raise ValueError("the bytes are not an inbox event")
        return event


class Inbox:
    """The events of one trigger in a store. Several threads and processes may share it.

    `name` distinguishes the inboxes of one store. `pauses` are the seconds between attempts; if the attempt after the
    last pause fails, the event is put aside. Repeats are recognised for `remember` seconds. Raises `StoreError`.
    """

    def __init__(
        self, store: Store, name: str = "webhook", *, pauses: tuple[float, ...] = PAUSES, remember: float = RETENTION
    ) -> None:
        if not name or "/" in name:
            raise InputError.of("the inbox", [Problem("name", "must be text without /")])
        self._store = store
        self._prefix = f"inbox/{name}/"
        self._pauses = pauses
        self.remember = remember

    def record(
        self,
        event_id: str,
        body: bytes,
        headers: Mapping[str, str],
        now: float,
        lease: float = 0.0,
        sender: str | None = None,
    ) -> InboxEntry | None:
        """Record an event, lease it for `lease` seconds, and return it; return None if it is a repeat.

        Identical events from two apps are not repeats, so an entry's id includes a digest of the sender.
        """
        if sender is not None:
            event_id += f".{hashlib.sha256(sender.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        if self._finished(event_id, 0):
            return None
        times: dict[str, Any] = {"received": now, "due": now, "claimed": now + lease if lease else 0.0}
        event = InboxEntry(event_id=event_id, body=body, headers=headers, sender=sender, **times)
        version = self._store.put(self._key("waiting", event_id), event.to_bytes(), None)
        if version is None:
            return None
        event = replace(event, version=version)
        if self._finished(event_id, 0):  # since the check above
            self._delete("waiting", event)
            return None
        return event

    def take(self, now: float, lease: float, limit: int) -> list[InboxEntry]:
        """Lease up to `limit` due events that nobody has leased; return them, oldest first."""
        events: list[InboxEntry] = []
        for event in self._all("waiting"):
            if len(events) == limit:
                break
            if event.due > now or event.claimed > now:
                continue
            if self._finished(event.event_id, event.replays):
                self._delete("waiting", event)
            elif (renewed := self.renew(event, now, lease)) is not None:
                events.append(renewed)
        return sorted(events, key=lambda event: event.received)

    def renew(self, event: InboxEntry, now: float, lease: float) -> InboxEntry | None:
        """Lease an event for another `lease` seconds; None if another process has taken or handled it."""
        return self._rewrite(replace(event, claimed=now + lease))

    def release(self, event: InboxEntry) -> None:
        """Release the lease on an event, so any process can take it."""
        self._rewrite(replace(event, claimed=0.0))

    def done(self, event: InboxEntry, now: float) -> None:
        self._store.put(self._key("done", event.event_id), str(int(now)).encode(), None)
        self._delete("waiting", event)

    def fail(self, event: InboxEntry, now: float, reason: str) -> bool:
        """Count a failed attempt, and make the event due after a pause (returns False) or put it aside (True)."""
        failed = replace(event, failures=event.failures + 1, reason=reason[:MAX_REASON], claimed=0.0)
        if failed.failures <= len(self._pauses):
            self._rewrite(replace(failed, due=now + self._pauses[failed.failures - 1]))
            return False
        self._store.update(self._key("aside", event.event_id), lambda _: replace(failed, due=now).to_bytes())
        self._delete("waiting", event)
        return True

    def waiting(self) -> Iterator[InboxEntry]:
        """Yield the events that are not yet handled, in no particular order."""
        return self._all("waiting")

    def aside(self) -> Iterator[InboxEntry]:
        """Yield the events that were put aside, each with its `reason`."""
        return self._all("aside")

    def replay(self, event_id: str, now: float) -> bool:
        """Make an event that was put aside due again, with no failures; return False if there is no such event."""
        event = self._event("aside", event_id)
        if event is None:
            return False
        replayed = replace(event, due=now, claimed=0.0, failures=0, replays=event.replays + 1)
        self._store.update(self._key("waiting", event_id), lambda _: replayed.to_bytes())  # even over another entry
        self._delete("aside", event)
        return True

    def forget(self, now: float) -> int:
        """Delete the ids of events handled more than `remember` seconds ago; return their number."""
        handled = self._store.rows(self._key("done"), float)
        return sum(self._store.remove(key, done) for key, at, done in handled if at + self.remember < now)

    def _finished(self, event_id: str, replays: int) -> bool:
        """Return whether the event was handled, or put aside since it was last replayed."""
        if self._store.read(self._key("done", event_id)) is not None:
            return True
        event = self._event("aside", event_id)
        return event is not None and event.replays >= replays

    def _event(self, state: str, event_id: str) -> InboxEntry | None:
        """Return the event in a state; None if it is absent or unreadable."""
        key = self._key(state, event_id)
        entry = self._store.read(key)
        if entry is None:
            return None
        try:
            return InboxEntry.read(entry.value, event_id, entry.version)
        except (ValueError, TypeError):
            self._store.set_aside(key, entry)
            return None

    def _rewrite(self, event: InboxEntry) -> InboxEntry | None:
        version = self._store.put(self._key("waiting", event.event_id), event.to_bytes(), event.version)
        return None if version is None else replace(event, version=version)

    def _delete(self, state: str, event: InboxEntry) -> None:
        self._store.put(self._key(state, event.event_id), None, event.version)

    def _key(self, state: str, event_id: str = "") -> str:
        return f"{self._prefix}{state}/{event_id}"

    def _all(self, state: str) -> Iterator[InboxEntry]:
        for key, event, entry in self._store.rows(self._key(state), InboxEntry.read):
            yield replace(event, event_id=key.rpartition("/")[2], version=entry.version)
