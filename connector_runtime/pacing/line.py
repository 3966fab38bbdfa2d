"""Those who wait for one limit, in the order they came. Pure; the times are given."""

from __future__ import annotations

from .claim import Claim

LATE = 2.0  # seconds after which somebody who did not come back is not waited for


class Line:
    """A line of claims, each with its ticket and the time at which it should be back."""

    def __init__(self) -> None:
        self._waiting: dict[Claim, tuple[int, float]] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def place(self, claim: Claim, now: float) -> int:
        """How many are before this one, which joins at the end if it is new. Who left in the middle still counts."""
        if claim not in self._waiting:
            self._last += 1
            self._waiting[claim] = (self._last, now + LATE)
        while True:
            first = next(iter(self._waiting))
            ticket, due = self._waiting[first]
            if first is claim or not (first.gone or due < now):
                return self._waiting[claim][0] - ticket
            del self._waiting[first]

    def comes_back(self, claim: Claim, at: float) -> None:
        """It was told to come back at that time."""
        self._waiting[claim] = (self._waiting[claim][0], at + LATE)

    def leave(self, claim: Claim) -> None:
        """It goes, or it was refused."""
        self._waiting.pop(claim, None)
