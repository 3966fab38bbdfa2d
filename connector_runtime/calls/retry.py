"""When a failed attempt is made again, and after which pause. Pure: time and chance are given.

What may be repeated is said by the error: `retriable` where the same request again can do no harm. That is so for
reads, updates and deletes, for what never reached the vendor, and for what the vendor refused for coming too fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from ..errors import QuotaReached, RateLimited, RequestError, TransportError
from ..model import Json

FIRST_PAUSE = 0.5  # seconds; doubled at each attempt
LONGEST_PAUSE = 60.0  # a vendor that asks for more is not waited for
RATE_PAUSE = 1.0  # where the vendor says too fast, and not until when


class Policy(NamedTuple):
    """How often and when to try again. `delay`, `all_errors` and `exponential` are what a call's own inputs ask for."""

    most: int = 0
    keyed: bool = False  # the vendor knows a repetition when it sees one
    own: bool = False
    delay: float = 0.0  # seconds
    all_errors: bool = False
    exponential: bool = False

    def pause(self, attempt: int, error: RequestError, now: datetime) -> float | None:
        """Seconds to wait before the next attempt after `attempt` retries; None to give up."""
        if attempt >= self.most or not self._covers(error):
            return None
        if self.own:
            return min(2 * FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) if self.exponential else self.delay
        chance = now.microsecond / 1e6  # so that those who failed together do not come back together
        if error.retry_at is not None:
            pause = (error.retry_at - now).total_seconds()
            return max(0.0, pause) + chance * FIRST_PAUSE if pause <= LONGEST_PAUSE else None
        first = RATE_PAUSE if isinstance(error, RateLimited) else FIRST_PAUSE
        return min(first * 2.0**attempt, LONGEST_PAUSE) * (0.5 + chance)

    def _covers(self, error: RequestError) -> bool:
        if self.own:
            return self.all_errors or isinstance(error, TransportError) or (error.status or 0) >= 500
        if isinstance(error, QuotaReached):
            return False
        return error.retriable or (self.keyed and error.may_have_been_done)


def of(call: Mapping[str, Json], retries: int, keyed: bool = False) -> Policy:
    """The policy of a call: what its own `call.retry.*` inputs ask for, else by what the error says."""
    if not any(name.startswith("retry.") for name in call):
        return Policy(most=retries, keyed=keyed)
    return Policy(
        most=call.get("retry.max_count", 0),
        own=True,
        delay=call.get("retry.delay_ms", 0) / 1000,
        all_errors=call.get("retry.on_all_errors", False),
        exponential=call.get("retry.exponential", False),
    )
