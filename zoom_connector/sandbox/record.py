"""Remembers the requests that came, what was done with each, and which fault hit it; it counts and decides nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from .wire import WireRequest, WireResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request as it arrived, and what became of it.

    Args:
        status: what it was answered with, 0: the connection was dropped; an answer that broke off has its status.
        carried_out: Zoom did what was asked, whatever the sender heard of it.
        fault: the name of the fault that hit it, "" for none.
        number: its place among all, from 1.
        at: when it arrived, by the sandbox's clock.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    status: int
    carried_out: bool = False
    fault: str = ""
    number: int = 0
    at: float = 0.0

    def header(self, name: str) -> str | None:
        """Give the first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def describe(self) -> dict[str, Any]:
        """Give what became of it as JSON has it."""
        names = ("number", "method", "target", "status", "carried_out", "fault", "at")
        return {name: getattr(self, name) for name in names}


class RequestLog(Sequence[LoggedRequest]):
    """The last requests, newest last; safe to read from any thread, and `clear()` forgets them.

    `total`, `carried_out`, `statuses` and `faults` count all requests, also those that were forgotten.
    """

    def __init__(self, most: int) -> None:
        self._records: deque[LoggedRequest] = deque(maxlen=most)
        self.total = 0
        self.carried_out = 0
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()

    def add(self, request: WireRequest, answer: WireResponse, *, at: float, fault: str = "") -> None:
        """Remember a request."""
        status = 0 if answer.drop else answer.status
        self.total += 1
        self.carried_out += answer.carried_out
        self.statuses[status] += 1
        if fault:
            self.faults[fault] += 1
        self._records.append(
            LoggedRequest(
                method=request.method,
                target=request.target,
                headers=list(request.headers),
                body=request.body,
                status=status,
                carried_out=answer.carried_out,
                fault=fault,
                number=self.total,
                at=at,
            )
        )

    def clear(self) -> None:
        """Forget the requests; what was counted stays."""
        self._records.clear()

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[LoggedRequest]: ...
    def __getitem__(self, index: int | slice) -> LoggedRequest | list[LoggedRequest]:
        return self._records.copy()[index] if isinstance(index, int) else list(self._records.copy())[index]

    def __iter__(self) -> Iterator[LoggedRequest]:
        return iter(self._records.copy())
