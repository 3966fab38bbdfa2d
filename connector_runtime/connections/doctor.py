"""Examines a stored connection end to end and says of each step how it is and what to do. Prints nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import ConnectorError
from .connections import Connections

SKEW = 30.0  # seconds between our clock and the vendor's that are worth a word


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: `state` is ok, warning or fault; `says` what was found, `do` what helps."""

    step: str
    state: str
    says: str
    do: str | None = None


def examine(
    connections: Connections, name: str | None, *, actions: Iterable[str] = (), base_url: str | None = None
) -> Iterator[Finding]:
    """The findings, in order; what can't be looked at after a fault is left out."""
    try:
        stored = connections.open(name)
    except ConnectorError as error:
        yield Finding("connection" if error.kind == "token" else "store", "fault", error.message, error.hint)
        return
    yield Finding("connection", "ok", f"{stored.name} is stored, of the kind {stored.kind.key}.")
    try:
        stored(None)
    except ConnectorError as error:
        yield Finding("token", "fault", error.message, error.hint)
        return
    until = connections.summary(stored.name).expires_at
    minutes = max(0.0, (until or 0.0) - time.time()) / 60
    lasting = f"It is good for {minutes:.0f} minutes and renewed by itself."
    yield Finding("token", "ok", lasting if until is not None else "It does not expire.")
    health = connections.test(stored.name, actions=actions, base_url=base_url)
    refused = health.error
    if not health.ok and refused is not None:
        step = "reachability" if refused["kind"] == "transport" else "call"
        yield Finding(step, "fault", refused["message"], refused["hint"])
        return
    yield Finding("reachability", "ok", "The vendor answers and takes the token.")
    if health.skew is not None:
        yield _clock(health.skew)
    if refused is not None:
        yield Finding("identity", "warning", refused["message"], refused["hint"])
    else:
        account = f"account {health.account}" if health.account else "an account that the vendor does not name"
        yield Finding("identity", "ok", f"It is {', '.join(part for part in (health.identity, account) if part)}.")
    yield from _scopes(connections, stored.name, health.scopes, actions)
    for hint in health.hints:
        yield Finding("plan", "warning", hint)


def _clock(skew: float) -> Finding:
    if abs(skew) <= SKEW:
        return Finding("clock", "ok", "It agrees with the vendor's.")
    says = f"It is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the vendor's."
    return Finding("clock", "warning", says, "Set it by a time server: tokens are renewed late and webhooks refused.")


def _scopes(connections: Connections, name: str, have: tuple[str, ...], actions: Iterable[str]) -> Iterator[Finding]:
    if not have:
        yield Finding("scopes", "warning", "The vendor does not say which scopes the token has.")
        return
    lacks = connections.missing(name, actions)
    if not lacks:
        yield Finding("scopes", "ok", "They are enough for every action that was asked about.")
    for action, needed in lacks.items():
        do = f"Add {' and '.join(needed)} to the app, then reconnect {name}."
        yield Finding("scopes", "warning", f"{action} will be refused.", do)
