"""Logs and counts requests with their outcomes and faults; decides nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from .wire import WireRequest, WireResponse


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request as it arrived, and its outcome.

    Args:
        status: the status of the response, even if it broke off; 0: the connection was dropped.
        carried_out: True if Zoom carried the request out, whatever response the sender got.
        fault: the name of its fault, or "".
        number: its position among all requests, from 1.
        at: the time of arrival by the sandbox's clock, in seconds.
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
        """Return the first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def describe(self) -> dict[str, Any]:
        """Return the request and its outcome as JSON data, without headers and body."""
        names = ("number", "method", "target", "status", "carried_out", "fault", "at")
        return {name: getattr(self, name) for name in names}


class RequestLog(Sequence[LoggedRequest]):
    """The last requests, newest last, readable from any thread.

    `total`, `carried_out`, `statuses` and `faults` count all requests, including those no longer in the log.
    """

    def __init__(self, most: int) -> None:
        self._records: deque[LoggedRequest] = deque(maxlen=most)
        self.total = 0
        self.carried_out = 0
        self.statuses: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()

    def add(self, request: WireRequest, answer: WireResponse, *, at: float, fault: str = "") -> None:
        """Log a request and its response."""
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
        """Remove all requests from the log, but keep the counts."""
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
