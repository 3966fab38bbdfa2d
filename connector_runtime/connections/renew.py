"""How a stored connection gets its next token, as a generator of effects. Pure; `connections` performs them.

One process at a time renews: who holds the lease reads the store again, asks, and stores the new pair before anybody
uses it. Who does not hold it goes on with the old token while that is good, and otherwise waits for the new one.
The one open window lies between the vendor's answer and `Keep`: a refresh token spent and its successor not yet stored.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import AuthError, ConnectorError, RequestError, TransportError
from ..model import Connection, Request, Response
from . import connect
from .connect import App, Tokens

PAUSE = 0.05  # seconds between two looks at the store


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One stored connection. `dead` is why it can't be renewed any more."""

    kind: str
    values: Mapping[str, str] = field(repr=False)  # what a person filled in
    tokens: Tokens
    origin: str | None = None
    identity: str | None = None
    account: str | None = None
    connected_at: float = 0.0
    dead: str | None = None

    def write(self) -> bytes:
        data = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**data, "values": dict(self.values), "tokens": self.tokens.to_dict()}).encode()

    @classmethod
    def read(cls, content: bytes) -> Record:
        data = json.loads(content)
        return cls(**{**data, "tokens": Tokens.from_dict(data["tokens"])})

    def serves(self, rejected: Mapping[str, str] | None, now: float) -> bool:
        """Whether its token can be used: not the one just rejected, and not close to its end."""
        return self.dead is None and not self.is_rejected(rejected) and not self.tokens.is_due(now)

    def is_rejected(self, rejected: Mapping[str, str] | None) -> bool:
        return rejected is not None and dict(rejected) == dict(self.tokens.granted)


@dataclass(frozen=True, slots=True)
class Read:
    """Wanted: the record and its version, or None."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Wanted: the lease; True if it was free."""


@dataclass(frozen=True, slots=True)
class Free:
    """Wanted: the lease given back."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Wanted: the token endpoint's answer."""

    request: Request


@dataclass(frozen=True, slots=True)
class Keep:
    """Wanted: the record stored over this version; the new version, or None if somebody else was first."""

    record: Record
    version: int


@dataclass(frozen=True, slots=True)
class Clock:
    """Wanted: the seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wanted: a short pause."""

    seconds: float


Effect = Read | Hold | Free | Ask | Keep | Clock | Pause
Renewal = Generator[Effect, Any, Record]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose token is wanted, and what the vendor has just refused."""

    kind: Connection
    name: str
    rejected: Mapping[str, str] | None = field(repr=False)


def renewal(wanted: Wanted, seconds: float, patience: float) -> Renewal:
    """Give a record whose token can be used, renewed if need be.

    `seconds` bounds the token request, `patience` the wait for somebody else's.
    """
    name, rejected = wanted.name, wanted.rejected
    started: float = yield Clock()
    while True:
        record, version = _there(name, (yield Read()))
        now: float = yield Clock()
        if record.serves(rejected, now):
            return record
        _check_alive(name, record)
        if (yield Hold()):
            break
        if _good_yet(record, rejected, now):
            return record
        if now - started > patience:
            what = f"Somebody else has been renewing the connection {name} for {patience:.0f} s."
            raise TransportError(what, hint="Try again.", retriable=True)
        yield Pause(PAUSE)
    record, version = _there(name, (yield Read()))  # the last holder may have renewed it
    now = yield Clock()
    if not record.serves(rejected, now):
        _check_alive(name, record)
        record = yield from _renewed(wanted, seconds, record, version, now)
    yield Free()
    return record


def _renewed(wanted: Wanted, seconds: float, record: Record, version: int, now: float) -> Renewal:
    name, spent = wanted.name, record.tokens.refresh_token
    if wanted.kind.oauth is None:
        raise _gone(name, "the vendor refuses what it holds")
    if spent is None and connect.needs_person(wanted.kind):
        raise _gone(name, "its token ended and cannot be renewed")
    app = App(wanted.kind, record.values, record.origin)
    hidden = {*app.secrets, *record.tokens.granted.values(), spent or ""}
    try:
        response: Response = yield Ask(connect.renewal_request(app, spent, seconds))
        is_over = spent is not None and connect.is_over(wanted.kind, response)
        tokens = record.tokens if is_over else connect.read_tokens(app, response, now, hidden, record.tokens)
    except RequestError as error:
        if isinstance(error, TransportError) or error.retriable:
            if _good_yet(record, wanted.rejected, now):
                return record  # the next call tries again
            raise TransportError(
                f"The token of {name} could not be renewed: {error.message}",
                hint="The connection is kept; try again.",
                status=error.status,
                tracking_id=error.tracking_id,
                retriable=True,
                retry_at=error.retry_at,
            ) from None
        raise _named(name, error) from None
    if is_over:
        return (yield from _over(wanted, response, now, hidden, spent))
    return (yield from _kept(name, replace(record, tokens=tokens, dead=None), version, spent))


def _kept(name: str, new: Record, version: int, spent: str | None) -> Renewal:
    """Store the new pair. Whoever wrote meanwhile and did not connect anew only loses what is ours."""
    while (yield Keep(new, version)) is None:
        current, version = _there(name, (yield Read()))
        if current.tokens.refresh_token != spent:
            return current
        new = replace(current, tokens=new.tokens, dead=None)
    return new


def _over(wanted: Wanted, response: Response, now: float, hidden: set[str], spent: str | None) -> Renewal:
    """The refresh token is refused. If the store holds another by now, that one counts; else the connection is dead."""
    name = wanted.name
    current, version = _there(name, (yield Read()))
    if current.tokens.refresh_token != spent:
        _check_alive(name, current)
        return current
    try:
        connect.check_answer(wanted.kind, response, now, hidden)
    except RequestError as error:
        why: RequestError = error
    yield Keep(replace(current, dead=why.message), version)
    raise _gone(name, why.message, why)


def _there(name: str, found: tuple[Record, int] | None) -> tuple[Record, int]:
    if found is None:
        raise AuthError(f"There is no connection {name}.", hint="Connect an account.")
    return found


def _good_yet(record: Record, rejected: Mapping[str, str] | None, now: float) -> bool:
    return not record.is_rejected(rejected) and not record.tokens.is_over(now)


def _check_alive(name: str, record: Record) -> None:
    if record.dead is not None:
        raise _gone(name, record.dead)


def _gone(name: str, why: str, error: RequestError | None = None) -> AuthError:
    hint = f"{error.hint} To do so: reconnect {name}." if error and error.hint else f"Sign in again: reconnect {name}."
    return AuthError(
        f"The connection {name} has ended: {why.rstrip('.')}.",
        hint=hint,
        status=error.status if error else None,
        code=error.code if error else None,
        tracking_id=error.tracking_id if error else None,
    )


def _named(name: str, error: RequestError) -> ConnectorError:
    """The error of a token request with the connection's name."""
    return type(error)(
        f"The token of {name} was refused: {error.message}",
        hint=error.hint,
        status=error.status,
        code=error.code,
        tracking_id=error.tracking_id,
    )
