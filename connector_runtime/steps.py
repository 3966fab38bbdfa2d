"""Steps: what a generator yields so that `perform` does it, such as `Send` or `Wait`. They do nothing themselves. Pure.

Calls, token renewals, downloads and choices are pure generators. A generator yields steps; `perform` carries out each
and sends back its result, or throws its error. Between steps, the generator yields its outputs: the pages of a call, a
renewed record, the size of a saved file. The first steps below serve every generator; the others concern one entry of
a store and its lease, pacing and observers, choices, and downloads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import ConnectorError, RequestError, TransportError
from .model import Request
from .structs import Struct, shows

LONGEST_WAIT = 31_536_000  # seconds that a caller or a vendor may have us wait: a year, which any clock can represent


class Now(Struct):
    """Get the current time, a `datetime` in UTC."""


@shows("seconds")
class Wait(Struct):
    """Pause for `seconds`."""

    seconds: float


class Key(Struct):
    """Get a new unique text, by which a vendor recognizes a repeated request."""


class Token(Struct):
    """Get the `Credentials` of the connection. `rejected` are the values that the vendor has just rejected."""

    rejected: Mapping[str, str] | None = None


@shows("request", "effect")
class Send(Struct):
    """Send a request and get its `Response`. Raises `TransportError` if there is none."""

    request: Request
    effect: str = "read"
    seconds: float | None = None  # what the deadline leaves


class Read(Struct):
    """Get the entry's value and its version, or None if the store has no such entry."""


class Write(Struct):
    """Replace the version that was read and get the new one, or None if another writer was first."""

    value: Any
    version: int


class Acquire(Struct):
    """Acquire the lease and get True if it was free."""


class Release(Struct):
    """Release the lease."""


@shows("action", "label")
@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Permit:
    """The permission that one attempt needs before it is sent; the next attempt needs a new one.

    `label` is the action's rate limit label, `account` the account whose limits it counts against ("": the pacer's own)
    and `quotas` the quotas that count it, each as (name, digest of the values it is counted by).
    """

    action: str
    label: str | None = None
    account: str = ""
    quotas: tuple[tuple[str, str], ...] = ()
    gone: bool = False  # its call has ended or was cancelled, and no longer waits


@shows("permit")
class AskPermit(Struct):
    """Get the seconds to wait before the permit's request may be sent; 0 if it may be sent now."""

    permit: Permit


@shows("action", "number", "status", "kind", "code", "tracking_id", "seconds", "waited", "method", "path")
class Attempt(Struct):
    """One attempt as an observer sees it, without secrets or the names of people.

    `path` is the template with its braces, `at` the start in UTC, `seconds` the time until the answer, `waited` the
    seconds of pauses before it (for pacing, or after a failure). `kind` is the error's kind, None if the attempt
    succeeded. `status` is None without an answer. `retry_at` is a `datetime` in UTC.
    """

    action: str
    effect: str
    method: str
    path: str
    number: int  # 1 for the first
    at: datetime
    seconds: float
    waited: float
    status: int | None
    kind: str | None
    code: int | str | None
    tracking_id: str | None
    retry_at: datetime | None

    @classmethod
    def of(cls, failure: RequestError | None, began: datetime, ended: datetime, **facts: Any) -> Attempt:
        """The attempt that ended with this failure, or with an answer if that is None."""
        kind, code, at = (failure.kind, failure.code, failure.retry_at) if failure else (None, None, None)
        seconds = max(0.0, (ended - began).total_seconds())
        return cls(at=began, seconds=seconds, kind=kind, code=code, retry_at=at, **facts)


@shows("attempt")
class Report(Struct):
    """Report an attempt to the pacer and the observer; without a permit, to the observer alone."""

    permit: Permit | None
    attempt: Attempt
    headers: Mapping[str, str]


class Recall(Struct):
    """Get the value that was remembered under the key less than `seconds` ago, or None."""

    key: str
    seconds: float


class Remember(Struct):
    """Remember a value under the key for later calls of this client; `seconds` of 0 forgets it instead."""

    key: str
    value: Any
    seconds: float


@shows("request")
class Open(Struct):
    """Send a request and get its `Response` before the body is read. Raises `TransportError` if there is none."""

    request: Request


@shows("least")
class Peek(Struct):
    """Get the beginning of the body, at least `least` bytes if it has that many. `Fill` still writes all of it."""

    least: int


@shows("at", "most")
class Fill(Struct):
    """Write the body into the part of a file, which is cut to `at` bytes first, and get a `Filled`.

    `version` is the file's version that the part belongs to. A part of more than `most` bytes is emptied.
    """

    at: int
    version: Any
    most: int


@shows("size")
class Filled(Struct):
    """The size of the part in bytes, and the failure that cut the body off, if any."""

    size: int
    broke: TransportError | None = None


Entry = Read | Write | Acquire | Release  # of one entry of a store
Step = Now | Wait | Key | Token | Send | Entry | AskPermit | Report | Recall | Remember | Open | Peek | Fill
Steps = Generator[Any, Any, None]  # of steps and outputs


def next_output(steps: Steps) -> Generator[Step, Any, Any]:
    """Pass on the steps of an inner generator up to its next output, and return that; None at its end."""
    proceed: Callable[[Any], Any] = steps.send
    value: Any = None
    while True:
        try:
            step = proceed(value)
        except StopIteration:
            return None
        proceed, value = steps.send, None
        if not isinstance(step, Step):
            return step
        try:
            value = yield step
        except ConnectorError as error:
            proceed, value = steps.throw, error
        except BaseException:
            steps.close()
            raise
