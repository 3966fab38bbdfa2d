"""What an exchange can want of its driver, and on what terms a call is carried out. Pure values."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ..model import Page, Request
from ..pacing.claim import Claim


class Token(NamedTuple):
    """Wanted: what the connection gives to requests, by name. `rejected` is what the vendor has just refused."""

    rejected: Mapping[str, str] | None = None


class Send(NamedTuple):
    """Wanted: the answer to a request."""

    request: Request
    effect: str
    seconds: float | None = None  # what the call's deadline leaves


class Now(NamedTuple):
    """Wanted: the time."""


class Wait(NamedTuple):
    """Wanted: a pause of so many seconds."""

    seconds: float


class Key(NamedTuple):
    """Wanted: a text that no call had before, by which the vendor knows a repetition of this one."""


class Turn(NamedTuple):
    """Wanted: how many seconds the claim has to wait before its request may go; 0 if it may go now."""

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
    """Told: what came of an attempt, for whoever paces and observes."""

    claim: Claim
    attempt: Attempt
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Heard({self.claim!r}, {self.attempt!r})"


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
