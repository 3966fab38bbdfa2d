"""Keeps the faults that a test has ordered and spends each on the requests it matches; it touches nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from .wire import JSON, Answer, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong: another answer (`status`), none at all (`drop`), half of one (`truncate`), or a late one."""

    match: str | None = None
    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    drop: Literal["before", "after"] | None = None
    truncate: bool = False
    delay: float = 0.0

    def matches(self, request: Request) -> bool:
        """Compare `GET /v2/users`, where the path may have `*` and the method may be left out or `*`."""
        if self.match is None:
            return True
        method, _, path = self.match.rpartition(" ")
        return method in ("", "*", request.method) and fnmatchcase(request.target.partition("?")[0], path)

    @property
    def is_instead(self) -> bool:
        """True if the request is not carried out at all."""
        return self.drop == "before" or self.status is not None

    def answer(self) -> Answer:
        """Give the answer that stands in for Zoom's."""
        answer = Answer(status=self.status or 500, body=self.body, headers=self.headers, content_type=self.content_type)
        return self.spoil(answer)

    def spoil(self, answer: Answer) -> Answer:
        """Let an answer go wrong on its way."""
        return replace(answer, delay=self.delay, drop=self.drop is not None, truncate=self.truncate)


def header_pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Give headers as pairs, from a mapping or from pairs."""
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)


class Faults:
    """A queue of faults; tests add from their own thread, so it has a lock."""

    def __init__(self) -> None:
        self._queue: list[Fault] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, fault: Fault, times: int) -> None:
        with self._lock:
            self._queue.extend([fault] * times)

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()

    def take(self, request: Request) -> Fault | None:
        """Spend the oldest fault that matches."""
        if not self._queue:
            return None
        with self._lock:
            for position, fault in enumerate(self._queue):
                if fault.matches(request):
                    return self._queue.pop(position)
        return None
