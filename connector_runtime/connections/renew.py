"""How a stored connection gets its next token, as a generator of steps. Pure; `stored` performs them.

One process at a time renews: who holds the lease reads the store again, asks, and stores the new pair before anybody
uses it. Who does not hold it goes on with the old token while that is good, and otherwise waits for the new one.
The one open window lies between the vendor's answer and `Write`: a refresh token is spent and its successor
not yet stored.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from ..errors import AuthError, RequestError, TransportError
from ..model import Connection, Response
from ..steps import Acquire, Now, Read, Release, Send, Steps, Wait, Write
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

    def is_good(self, rejected: Mapping[str, str] | None, now: float) -> bool:
        """Whether its token can be used for want of a newer one, until its very end."""
        return not self.is_rejected(rejected) and not self.tokens.is_over(now)

    def is_rejected(self, rejected: Mapping[str, str] | None) -> bool:
        return rejected is not None and dict(rejected) == dict(self.tokens.granted)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose token is wanted, what the vendor has just refused, and how long a token request may take."""

    kind: Connection
    name: str
    rejected: Mapping[str, str] | None = field(repr=False)
    seconds: float


def renewal(wanted: Wanted, patience: float) -> Steps:
    """Yield, as the output, a record whose token can be used, renewed if need be.

    `patience` bounds the wait for another holder's renewal, in seconds. Raises `AuthError` ("reconnect"), or
    `TransportError` if the token endpoint does not answer.
    """
    name, rejected = wanted.name, wanted.rejected
    started: float = yield from _time()
    while True:
        record, version = _there(name, (yield Read()))
        now: float = yield from _time()
        if record.serves(rejected, now):
            yield record
            return
        _check_alive(name, record)
        if (yield Acquire()):
            break
        if record.is_good(rejected, now):
            yield record
            return
        if now - started > patience:
            what = f"Somebody else has been renewing the connection {name} for {patience:.0f} s."
            raise TransportError(what, hint="Try again.", retriable=True)
        yield Wait(PAUSE)
    record, version = _there(name, (yield Read()))  # the last holder may have renewed it
    now = yield from _time()
    if not record.serves(rejected, now):
        _check_alive(name, record)
        record = yield from _renewed(wanted, record, version, now)
    yield Release()
    yield record


def _time() -> Generator[Now, datetime, float]:
    return (yield Now()).timestamp()


def _renewed(wanted: Wanted, record: Record, version: int, now: float) -> Generator[Any, Any, Record]:
    """The record after a token request: with the new pair, which is stored by then, or with what another stored."""
    kind, name = wanted.kind, wanted.name
    spent = record.tokens.refresh_token
    if kind.oauth is None:
        raise _gone(name, "the vendor refuses what it holds")
    if spent is None and connect.needs_person(kind):
        raise _gone(name, "its token ended and cannot be renewed")
    app = App(kind, record.values, record.origin)
    try:
        response: Response = yield Send(connect.renewal_request(app, spent, wanted.seconds))
        is_over = spent is not None and connect.is_over(kind, response)
        tokens = record.tokens if is_over else connect.read_tokens(app, response, now, record.tokens)
    except RequestError as error:
        if not (isinstance(error, TransportError) or error.retriable):
            raise _error(type(error), f"The token of {name} was refused: {error.message}", error.hint, error) from None
        if record.is_good(wanted.rejected, now):
            return record  # the next call tries again
        raise TransportError(
            f"The token of {name} could not be renewed: {error.message}",
            hint="The connection is kept; try again.",
            status=error.status,
            tracking_id=error.tracking_id,
            retriable=True,
            retry_at=error.retry_at,
        ) from None
    if is_over:  # unless the store holds another refresh token by now, the connection is dead
        current, version = _there(name, (yield Read()))
        if current.tokens.refresh_token == spent:
            refusal = connect.refusal(app, response, now, record.tokens)
            assert refusal is not None
            yield Write(replace(current, dead=refusal.message), version)
            raise _gone(name, refusal.message, refusal)
        _check_alive(name, current)
        return current
    new = replace(record, tokens=tokens, dead=None)
    while (yield Write(new, version)) is None:  # whoever wrote meanwhile and did not connect anew loses only the tokens
        current, version = _there(name, (yield Read()))
        if current.tokens.refresh_token != spent:
            return current
        new = replace(current, tokens=tokens, dead=None)
    return new


def _there(name: str, found: tuple[Record, int] | None) -> tuple[Record, int]:
    if found is None:
        raise AuthError(f"There is no connection {name}.", hint="Connect an account.")
    return found


def _check_alive(name: str, record: Record) -> None:
    if record.dead is not None:
        raise _gone(name, record.dead)


def _gone(name: str, why: str, error: RequestError | None = None) -> RequestError:
    hint = f"{error.hint} To do so: reconnect {name}." if error and error.hint else f"Sign in again: reconnect {name}."
    return _error(AuthError, f"The connection {name} has ended: {why.rstrip('.')}.", hint, error)


def _error(kind: type[RequestError], message: str, hint: str | None, cause: RequestError | None) -> RequestError:
    """An error with what the vendor said in another."""
    facts: dict[str, Any] = {name: getattr(cause, name, None) for name in ("status", "code", "tracking_id")}
    return kind(message, hint=hint, **facts)
