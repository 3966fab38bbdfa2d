"""Steps such as `Send` or `Wait`, which a generator yields and `perform` carries out. Pure.

Calls, token renewals, downloads and choices are pure generators of steps. `perform` carries out each step, and sends
its result back or throws its error. Between steps, a generator yields its outputs, such as the pages of a call or the
size of a saved file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import ConnectorError, RequestError, TransportError
from .model import Request
from .structs import Struct, shows

LONGEST_WAIT = 31_536_000  # seconds (a year) that a caller or vendor may ask for; any clock can represent the end


class Now(Struct):
    """Get the current time, a `datetime` in UTC."""


@shows("seconds")
class Wait(Struct):
    """Pause for `seconds`."""

    seconds: float


class Key(Struct):
    """Get a new unique string, by which the vendor recognizes a repeated request."""


class Token(Struct):
    """Get the `Credentials` of the connection. `rejected` are the values that the vendor has just rejected."""

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
    """Replace the version that was read, and get the new version; None if another writer got there first."""

    value: Any
    version: int


class Acquire(Struct):
    """Acquire the lease and get True if it was free."""


class Release(Struct):
    """Release the lease."""


@shows("action", "label")
@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Permit:
    """The permission to send one attempt; the next attempt needs a new one.

    `label` is the action's rate limit label. `quotas` are the quotas that apply, each as (name, digest of the values in
    its `per`).
    """

    action: str
    label: str | None = None
    quotas: tuple[tuple[str, str], ...] = ()
    gone: bool = False  # its call has ended or was cancelled


@shows("permit")
class AskPermit(Struct):
    """Get the seconds to wait before the permit's request may be sent; 0 means now."""

    permit: Permit


@shows("action", "number", "status", "kind", "code", "tracking_id", "seconds", "waited", "method", "path")
class Attempt(Struct):
    """One attempt as an observer sees it, without secrets or personal data.

    `path` is the template with its braces. `at` is the start in UTC, `seconds` the time until the response, and
    `waited` the seconds of pause before the attempt, for pacing or after a failure. `kind` is the kind of the error, or
    None after a success. `status` is None if no response arrived. `retry_at` is a `datetime` in UTC.
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
        """Return the attempt that ended with this failure, or in success if `failure` is None."""
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
    """Get the value stored under the key less than `seconds` ago, or None."""

    key: str
    seconds: float


class Remember(Struct):
    """Store a value under the key for later calls of this client, or delete it if `seconds` is 0."""

    key: str
    value: Any
    seconds: float


@shows("request")
class Open(Struct):
    """Send a request and get its `Response` before the body is read. Raises `TransportError` if none arrives."""

    request: Request


@shows("least")
class Peek(Struct):
    """Get the start of the body, at least `least` bytes if there are that many. `Fill` still writes the whole body."""

    least: int


@shows("at", "most")
class Fill(Struct):
    """Cut a partial file to `at` bytes, append the body, and get a `Filled`.

    `version` is the version of the file that the body belongs to. A part larger than `most` bytes is emptied.
    """

    at: int
    version: Any
    most: int


@shows("size")
class Filled(Struct):
    """The size of the part in bytes, and the failure that cut the body short, if any."""

    size: int
    broke: TransportError | None = None


Entry = Read | Write | Acquire | Release  # steps about one entry of a store
Step = Now | Wait | Key | Token | Send | Entry | AskPermit | Report | Recall | Remember | Open | Peek | Fill
Steps = Generator[Any, Any, None]  # of steps and outputs


def next_output(steps: Steps) -> Generator[Step, Any, Any]:
    """Pass on the steps of an inner generator and return its next output, or None at the end."""
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
