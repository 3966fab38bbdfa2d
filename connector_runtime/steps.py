"""Steps: what a generator asks of its performer. Pure values.

What happens over time (calls, token renewals, downloads, choices) is a pure generator. It yields steps, each answered
with the step's result or thrown its error, and between them its outputs: the pages of a call, a renewed record, the
size of a saved file. `perform` carries it out.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from .model import Page, Request

# -- steps of every generator ----------------------------------------------------------------------------------------


class Now(NamedTuple):
    """Answered with the time, as a `datetime` in UTC."""


class Wait(NamedTuple):
    """Pauses for so many seconds."""

    seconds: float


class Key(NamedTuple):
    """Answered with a text that no call had before, by which a vendor knows a repetition of this one."""


class Token(NamedTuple):
    """Answered with what the connection gives to requests, by name. `rejected` is what the vendor has just refused."""

    rejected: Mapping[str, str] | None = None


class Send(NamedTuple):
    """Answered with the `Response` to a request; thrown `TransportError` where there is none."""

    request: Request
    effect: str = "read"
    seconds: float | None = None  # what the deadline leaves


# -- one entry of a store, and the lease that guards it --------------------------------------------------------------


class Read(NamedTuple):
    """Answered with the entry's value and its version, or None if there is none."""


class Write(NamedTuple):
    """Writes over the version that was read; answered with the new one, or None if another writer was first."""

    value: Any
    version: int


class Acquire(NamedTuple):
    """Takes the lease; answered with whether it was free."""


class Release(NamedTuple):
    """Gives the lease back."""


# -- pacing and observation ------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False, kw_only=True)
class Claim:
    """One attempt's wish to be sent. It stands for that attempt alone: make a new one for the next.

    `label` is what the action says that a call costs, `account` whose limits it counts against ("": the pacer's own).
    `quotas` are the counted quotas it falls under, each as (name, digest of what it is counted by).
    """

    action: str
    label: str | None = None
    account: str = ""
    quotas: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    gone: bool = False  # its call has ended or was cancelled: nobody waits any more


class Turn(NamedTuple):
    """Answered with the seconds that the claim has to wait before its request may go; 0 if it may go now."""

    claim: Claim


class Attempt(NamedTuple):
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


class Heard(NamedTuple):
    """Tells whoever paces and observes what came of an attempt."""

    claim: Claim
    attempt: Attempt
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Heard({self.claim!r}, {self.attempt!r})"


Steps = Generator[Any, Any, None]  # steps and outputs
Effect = Token | Send | Now | Wait | Key | Turn | Heard
Exchange = Generator[Effect | Page, Any, None]


class Terms(NamedTuple):
    """On what terms a call is carried out.

    `limit` bounds the items of a list, and `cursor` is where it goes on. `retries` is how often a page is asked for
    again where that can do no harm. `deadline` bounds the call with all its attempts and pauses, in seconds. `key` is
    the caller's own idempotency key.
    """

    limit: int | None = None
    cursor: str | None = None
    base_url: str | None = None
    retries: int = 0
    deadline: float | None = None
    key: str | None = None


PLAIN = Terms()
