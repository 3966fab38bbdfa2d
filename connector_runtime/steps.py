"""Steps: what a generator yields so that `perform` does it, such as `Send` or `Wait`. They do nothing themselves. Pure.

Calls, token renewals, downloads and choices are pure generators. A generator yields steps. `perform` carries out each
step and sends back its result, or throws its error. Between steps, the generator yields its outputs, such as the pages
of a call or the size of a saved file. All generators use the first steps below. The later steps are for store entries
and leases, for pacing and observers, for choices, and for downloads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import ConnectorError, RequestError, TransportError
from .model import Request
from .structs import Struct, shows

LONGEST_WAIT = 31_536_000  # seconds (a year) that a caller or a vendor may set; any clock can represent the end


class Now(Struct):
    """Get the current time, a `datetime` in UTC."""


@shows("seconds")
class Wait(Struct):
    """Pause for `seconds`."""

    seconds: float


class Key(Struct):
    """Get a new unique string, by which a vendor recognizes a repeated request."""


class Token(Struct):
    """Get the `Credentials` of the connection. `rejected` holds the values that the vendor has just rejected."""

    rejected: Mapping[str, str] | None = None


@shows("request", "effect")
class Send(Struct):
    """Send a request and get its `Response`. Raises `TransportError` if none arrives."""

    request: Request
    effect: str = "read"
    seconds: float | None = None  # until the deadline


class Read(Struct):
    """Get the entry's value and its version, or None if the store has no such entry."""


class Write(Struct):
    """Replace the version that was read, and get the new version, or None if another writer was first."""

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

    `label` is the action's rate limit label, `account` the account whose limits apply ("" for the pacer's default), and
    `quotas` the quotas that apply, each as (name, digest of the values in its `per`).
    """

    action: str
    label: str | None = None
    account: str = ""
    quotas: tuple[tuple[str, str], ...] = ()
    gone: bool = False  # True once its call has ended or was cancelled


@shows("permit")
class AskPermit(Struct):
    """Get the seconds to wait before the permit's request may be sent; 0 if it may be sent now."""

    permit: Permit


@shows("action", "number", "status", "kind", "code", "tracking_id", "seconds", "waited", "method", "path")
class Attempt(Struct):
    """One attempt as an observer sees it, without secrets or the names of people.

    `path` is the template with its braces, `at` the start in UTC, `seconds` the time until the answer, and `waited` the
    pauses before the attempt in seconds (for pacing, or after a failure). `kind` is the kind of the error, or None
    after a success. `status` is None if no answer arrived. `retry_at` is a `datetime` in UTC.
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
        """Return the attempt that ended with this failure, or with a success if `failure` is None."""
        kind, code, at = (failure.kind, failure.code, failure.retry_at) if failure else (None, None, None)
        seconds = max(0.0, (ended - began).total_seconds())
        return cls(at=began, seconds=seconds, kind=kind, code=code, retry_at=at, **facts)


@shows("attempt")
class Report(Struct):
    """Report an attempt to the observer and, with a permit, to the pacer."""

    permit: Permit | None
    attempt: Attempt
    headers: Mapping[str, str]


class Recall(Struct):
    """Get the value that was stored under the key less than `seconds` ago, or None."""

    key: str
    seconds: float


class Remember(Struct):
    """Store a value under the key for later calls of this client; if `seconds` is 0, delete it instead."""

    key: str
    value: Any
    seconds: float


@shows("request")
class Open(Struct):
    """Send a request and get its `Response` before the body is read. Raises `TransportError` if none arrives."""

    request: Request


@shows("least")
class Peek(Struct):
    """Get the start of the body, at least `least` bytes if it is that long. `Fill` still writes the whole body."""

    least: int


@shows("at", "most")
class Fill(Struct):
    """Cut the part of a file to `at` bytes, append the body, and get a `Filled`.

    `version` is the version of the file that the body belongs to. A part larger than `most` bytes is emptied.
    """

    at: int
    version: Any
    most: int


@shows("size")
class Filled(Struct):
    """The size of the part in bytes, and the failure that cut off the body, if any."""

    size: int
    broke: TransportError | None = None


Entry = Read | Write | Acquire | Release  # steps for one entry of a store
Step = Now | Wait | Key | Token | Send | Entry | AskPermit | Report | Recall | Remember | Open | Peek | Fill
Steps = Generator[Any, Any, None]  # of steps and outputs


def next_output(steps: Steps) -> Generator[Step, Any, Any]:
    """Pass on the steps of an inner generator, and return its next output; None at its end."""
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
