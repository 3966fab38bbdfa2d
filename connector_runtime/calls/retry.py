"""When a failed attempt is made again, and after which pause. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import RequestError, TransportError
from ..model import Json

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds; the exponential strategy doubles from one to the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How often and when to try again; by default never."""

    most: int = 0
    delay: float = 0.0  # seconds
    all_errors: bool = False
    exponential: bool = False

    def pause(self, attempt: int, error: RequestError) -> float | None:
        """Seconds to wait before the next attempt after `attempt` retries; None to give up."""
        if attempt >= self.most or not self._covers(error):
            return None
        return min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE) if self.exponential else self.delay

    def _covers(self, error: RequestError) -> bool:
        return self.all_errors or isinstance(error, TransportError) or (error.status or 0) >= 500


def of(call: Mapping[str, Json]) -> Policy:
    """The policy that a call's own `call.retry.*` inputs ask for."""
    return Policy(
        most=call.get("retry.max_count", 0),
        delay=call.get("retry.delay_ms", 0) / 1000,
        all_errors=call.get("retry.on_all_errors", False),
        exponential=call.get("retry.exponential", False),
    )
