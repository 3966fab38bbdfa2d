"""Those who wait for one limit, in the order they came. Pure; the times are given."""

from __future__ import annotations

from itertools import islice

from ..steps import Claim

NEAR = 64  # places from the head within which we count exactly
LATE = 2.0  # seconds after which somebody who did not come back is not waited for


class Line:
    """A line of claims, each with its ticket and the time at which it should be back."""

    def __init__(self) -> None:
        self._waiting: dict[Claim, tuple[int, float]] = {}
        self._last = 0
        self._seen = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def place(self, claim: Claim, now: float) -> int:
        """How many are before this one, which joins at the end if it is new; far from the head, at most so many."""
        if now < self._seen:  # the clock was set back
            back = self._seen - now
            self._waiting = {each: (ticket, due - back) for each, (ticket, due) in self._waiting.items()}
        self._seen = now
        if claim not in self._waiting:
            self._last += 1
            self._waiting[claim] = (self._last, now + LATE)
        before = 0
        for each in list(islice(self._waiting, NEAR)):
            if each is claim:
                return before
            if each.gone or self._waiting[each][1] < now:
                del self._waiting[each]
            else:
                before += 1
        return self._waiting[claim][0] - self._waiting[next(iter(self._waiting))][0]

    def comes_back(self, claim: Claim, at: float) -> None:
        """It was told to come back at that time."""
        self._waiting[claim] = (self._waiting[claim][0], at + LATE)

    def leave(self, claim: Claim) -> None:
        """It goes, or it was refused."""
        self._waiting.pop(claim, None)
