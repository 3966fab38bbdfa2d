"""Steps: what a generator asks of its performer. Pure values.

What happens over time (calls, token renewals, downloads, choices) is a pure generator. It yields steps, each answered
with the step's result or thrown its error, and between them its outputs: the pages of a call, a renewed record, the
size of a saved file. `perform` carries it out. Below are the steps of every generator; then those about one entry of a
store and its lease, about pacing and observation, about choices, and about downloads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .errors import ConnectorError, RequestError, TransportError
from .model import Request
from .structs import Struct, shows

LONGEST_WAIT = 31_536_000  # seconds that anybody may have us wait: a year, which every clock can count


class Now(Struct):
    """Answered with the time, as a `datetime` in UTC."""


@shows("seconds")
class Wait(Struct):
    """Pauses for so many seconds."""

    seconds: float


class Key(Struct):
    """Answered with a text that no call had before, by which a vendor knows a repetition of this one."""


class Token(Struct):
    """Answered with the `Credentials` of the connection. `rejected` is what it gave and the vendor has just refused."""

    rejected: Mapping[str, str] | None = None


@shows("request", "effect")
class Send(Struct):
    """Answered with the `Response` to a request; thrown `TransportError` where there is none."""

    request: Request
    effect: str = "read"
    seconds: float | None = None  # what the deadline leaves


class Read(Struct):
    """Answered with the entry's value and its version, or None if there is none."""


class Write(Struct):
    """Writes over the version that was read; answered with the new one, or None if another writer was first."""

    value: Any
    version: int


class Acquire(Struct):
    """Takes the lease; answered with whether it was free."""


class Release(Struct):
    """Gives the lease back."""


@shows("action", "label")
@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Permit:
    """One attempt's wish to be sent. It stands for that attempt alone: make a new one for the next.

    `label` is what the action says that a call costs, `account` whose limits it counts against ("": the pacer's own).
    `quotas` are the counted quotas it falls under, each as (name, digest of what it is counted by).
    """

    action: str
    label: str | None = None
    account: str = ""
    quotas: tuple[tuple[str, str], ...] = ()
    gone: bool = False  # its call has ended or was cancelled: nobody waits any more


@shows("permit")
class AskPermit(Struct):
    """Answered with the seconds that the permit has to wait before its request may go; 0 if it may go now."""

    permit: Permit


@shows("action", "number", "status", "kind", "code", "tracking_id", "seconds", "waited", "method", "path")
class Attempt(Struct):
    """What an observer is told of one attempt: nothing in it is a secret or names anybody.

    `path` is the template with its braces, `seconds` how long the answer took, `waited` the pauses before it (for
    pacing, or after a failure), `kind` the error's kind or None if it succeeded, `status` None without an answer.
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
    def of(cls, failure: RequestError | None, began: datetime, ended: datetime, **told: Any) -> Attempt:
        """An attempt by what came of it, `failure` or an answer, and when."""
        kind, code, at = (failure.kind, failure.code, failure.retry_at) if failure else (None, None, None)
        seconds = max(0.0, (ended - began).total_seconds())
        return cls(at=began, seconds=seconds, kind=kind, code=code, retry_at=at, **told)


@shows("attempt")
class Report(Struct):
    """Tells whoever paces and observes what came of an attempt. Without a permit, pacing has nothing to do with it."""

    permit: Permit | None
    attempt: Attempt
    headers: Mapping[str, str]


class Recall(Struct):
    """Answered with what was remembered under the key less than `seconds` ago, or None."""

    key: str
    seconds: float


class Remember(Struct):
    """Keeps a value under the key for later calls of this client; with `seconds` of 0 forgets it instead."""

    key: str
    value: Any
    seconds: float


@shows("request")
class Open(Struct):
    """Answered with the `Response` to a request, its body still to come; thrown `TransportError` if there is none."""

    request: Request


@shows("least")
class Peek(Struct):
    """Answered with the beginning of the body, `least` bytes of it if there are as many; it stays to be written."""

    least: int


@shows("at", "most")
class Fill(Struct):
    """Writes the body into the part of a file, from `at` on, and nothing behind it. Answered with a `Filled`.

    `version` says what the part belongs to, `most` how many bytes it may have: of a longer one nothing is kept.
    """

    at: int
    version: Any
    most: int


@shows("size")
class Filled(Struct):
    """How many bytes the part has now, and what broke the body off."""

    size: int
    broke: TransportError | None = None


Entry = Read | Write | Acquire | Release  # about one entry of a store
Step = Now | Wait | Key | Token | Send | Entry | AskPermit | Report | Recall | Remember | Open | Peek | Fill
Steps = Generator[Any, Any, None]  # of steps and outputs


def next_output(steps: Steps) -> Generator[Step, Any, Any]:
    """Hand on the steps of an inner generator until its next output, and give that; None at its end."""
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
