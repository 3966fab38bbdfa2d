"""Events that were accepted and are not yet handled, kept in a store so that none is lost and no repeat is taken twice.

An event lies under `waiting/`, then its id under `done/`, or it is put `aside/`. The new state is written before the
old one is deleted: a process that dies between the two leaves both, and the newer one counts. Whoever delivers an event
claims it and renews the claim while its handler runs; a dead process's claims end. Every call is given the time.
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

PAUSES = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 3600.0)  # seconds before the second attempt, the third, …
REMEMBER = 3 * 86400.0
MOST_REASON = 500  # characters
Number = float | int
KEPT: dict[str, Any] = {  # what is written before the body
    "headers": dict, "received": Number, "due": Number, "claimed": Number, "failures": int, "reason": str | None,
    "turn": int, "sender": str | None,
}  # fmt: skip
_written = attrgetter(*KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEntry:
    """An event of the inbox: `failures` so far, `reason` of the last. Times are seconds since the epoch.

    `sender` is the client id of the app whose secret signed it, if that is known.
    """

    event_id: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    received: float
    due: float
    claimed: float = 0.0
    failures: int = 0
    reason: str | None = None
    turn: int = 0  # how often it was replayed
    sender: str | None = None
    version: int = 0

    def to_bytes(self) -> bytes:
        said = dict(zip(KEPT, _written(self), strict=True), headers=dict(self.headers))
        return json.dumps(said).encode() + b"\n" + self.body

    @classmethod
    def read(cls, content: bytes, event_id: str = "", version: int = 0) -> InboxEntry:
        """What `to_bytes` wrote. Raises `ValueError` and `TypeError` for what it did not."""
        said, _, body = content.partition(b"\n")
        held = cls(event_id=event_id, body=body, version=version, **json_text.read(said))
        if not all(isinstance(getattr(held, name), kind) for name, kind in KEPT.items()):
            raise ValueError("an event of the inbox has another shape")
        return held


class Inbox:
    """The events of one trigger in a store. May be used by any thread, and by several processes at once.

    `name` sets apart the inboxes of one store; `pauses` are the seconds between attempts, so an event is put aside
    after one failure more than there are pauses; `remember` is for how many seconds a repeat is recognised.
    Raises `StoreError` where the store fails.
    """

    def __init__(
        self, store: Store, name: str = "webhook", *, pauses: tuple[float, ...] = PAUSES, remember: float = REMEMBER
    ) -> None:
        if not name or "/" in name:
            raise InputError.of("the inbox", [Problem("name", "must be a text without /")])
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
        claim: float = 0.0,
        sender: str | None = None,
    ) -> InboxEntry | None:
        """Keep an event, claimed for `claim` seconds; None if it is a repeat of one that is or was here.

        What two apps are told in the same words is no repeat, so the id of an event here goes by its sender too.
        """
        if sender is not None:
            event_id += f".{hashlib.sha256(sender.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
        if self._finished(event_id, 0):
            return None
        about: dict[str, Any] = {"received": now, "due": now, "claimed": now + claim if claim else 0.0}
        held = InboxEntry(event_id=event_id, body=body, headers=headers, sender=sender, **about)
        version = self._store.put(self._key("waiting", event_id), held.to_bytes(), None)
        if version is None:
            return None
        held = replace(held, version=version)
        if self._finished(event_id, 0):  # between the look and the record
            self._delete("waiting", held)
            return None
        return held

    def take(self, now: float, claim: float, limit: int) -> list[InboxEntry]:
        """Claim at most `limit` events that are due and nobody's, the longest waiting first of each page."""
        taken: list[InboxEntry] = []
        for held in self._all("waiting"):
            if len(taken) == limit:
                break
            if held.due > now or held.claimed > now:
                continue
            if self._finished(held.event_id, held.turn):
                self._delete("waiting", held)
            elif (claimed := self.renew(held, now, claim)) is not None:
                taken.append(claimed)
        return sorted(taken, key=lambda held: held.received)

    def renew(self, held: InboxEntry, now: float, claim: float) -> InboxEntry | None:
        """Claim an event for `claim` seconds more; None if somebody else has it or had it done."""
        return self._rewrite(replace(held, claimed=now + claim))

    def release(self, held: InboxEntry) -> None:
        """Give up a claim, so that the event can be taken at once."""
        self._rewrite(replace(held, claimed=0.0))

    def done(self, held: InboxEntry, now: float) -> None:
        """Remember that the event was handled."""
        self._store.put(self._key("done", held.event_id), str(int(now)).encode(), None)
        self._delete("waiting", held)

    def fail(self, held: InboxEntry, now: float, reason: str) -> bool:
        """Count a failed attempt: the event is due again after a pause, or put aside. True if it was put aside."""
        failed = replace(held, failures=held.failures + 1, reason=reason[:MOST_REASON], claimed=0.0)
        if failed.failures <= len(self._pauses):
            self._rewrite(replace(failed, due=now + self._pauses[failed.failures - 1]))
            return False
        self._store.update(self._key("aside", held.event_id), lambda _: replace(failed, due=now).to_bytes())
        self._delete("waiting", held)
        return True

    def waiting(self) -> Iterator[InboxEntry]:
        """The events that are still to be handled, in no order."""
        return self._all("waiting")

    def aside(self) -> Iterator[InboxEntry]:
        """The events that were put aside, each with its `reason`."""
        return self._all("aside")

    def replay(self, event_id: str, now: float) -> bool:
        """Let an event that was put aside be delivered again, with all its attempts; False if there is none."""
        held = self._there("aside", event_id)
        if held is None:
            return False
        again = replace(held, due=now, claimed=0.0, failures=0, turn=held.turn + 1)
        self._store.update(self._key("waiting", event_id), lambda _: again.to_bytes())  # whatever lies there
        self._delete("aside", held)
        return True

    def forget(self, now: float) -> int:
        """Drop the marks of events that were handled more than `remember` seconds ago; returns how many."""
        marks = self._store.rows(self._key("done"), float)
        return sum(self._store.remove(key, mark) for key, at, mark in marks if at + self.remember < now)

    def _finished(self, event_id: str, turn: int) -> bool:
        """Whether the event was handled, or put aside in this turn."""
        if self._store.read(self._key("done", event_id)) is not None:
            return True
        held = self._there("aside", event_id)
        return held is not None and held.turn >= turn

    def _there(self, state: str, event_id: str) -> InboxEntry | None:
        """An event in a state; None if there is none that can be read."""
        key = self._key(state, event_id)
        entry = self._store.read(key)
        if entry is None:
            return None
        try:
            return InboxEntry.read(entry.value, event_id, entry.version)
        except (ValueError, TypeError):
            self._store.set_aside(key, entry)
            return None

    def _rewrite(self, held: InboxEntry) -> InboxEntry | None:
        version = self._store.put(self._key("waiting", held.event_id), held.to_bytes(), held.version)
        return None if version is None else replace(held, version=version)

    def _delete(self, state: str, held: InboxEntry) -> None:
        self._store.put(self._key(state, held.event_id), None, held.version)

    def _key(self, state: str, event_id: str = "") -> str:
        return f"{self._prefix}{state}/{event_id}"

    def _all(self, state: str) -> Iterator[InboxEntry]:
        for key, held, entry in self._store.rows(self._key(state), InboxEntry.read):
            yield replace(held, event_id=key.rpartition("/")[2], version=entry.version)
