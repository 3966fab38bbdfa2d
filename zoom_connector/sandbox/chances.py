"""The random plan: chooses faults for requests at random but repeatably; it reads requests and touches nothing else.

The seed, a request's group and its number within the group determine whether it fails and how. The requests of a group
have the same endpoint, body, and query without page token. Ids in the path are ignored, because the account assigns
them in order of arrival. So the same calls meet the same faults, in whatever order concurrent workers send them.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from . import endpoints
from .faults import Fault
from .kinds import KINDS, USUAL, find_kind
from .wire import WireRequest

_TOP = 1 << 64
Latency = float | str | Sequence[float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """A random plan.

    Args:
        seed: another seed draws other faults.
        rate: the share of requests that fail, from 0 to 1.
        kinds: the names in `KINDS` to draw from; all that fit the request are equally likely. The default leaves out
            all hostile kinds and `daily_limited`, because a client that obeys it sends nothing more that day.
        delay: the longest delay (seconds) of `late` and `slow`.
    """

    seed: int = 1
    rate: float = 0.1
    kinds: tuple[str, ...] = USUAL
    delay: float = 0.05

    @classmethod
    def read(cls, plan: str | Mapping[str, Any]) -> Odds:
        """Read `seed=7,rate=0.1,kinds=late+reset_after,delay=0.2` or such a mapping, or raise ValueError."""
        values = dict(plan) if isinstance(plan, Mapping) else _read_text(plan)
        unknown = sorted(values.keys() - {"seed", "rate", "kinds", "delay"})
        if unknown:
            raise ValueError(f"a random plan has no {', '.join(unknown)}; it has seed, rate, kinds and delay")
        kinds = _read_kinds(values.get("kinds"))
        try:
            odds = cls(
                seed=int(values.get("seed", 1)),
                rate=float(values.get("rate", 0.1)),
                kinds=kinds,
                delay=float(values.get("delay", 0.05)),
            )
        except (TypeError, ValueError, OverflowError):
            raise ValueError("seed must be a whole number, rate and delay numbers") from None
        if not 0 <= odds.rate <= 1 or not 0 <= odds.delay <= 3600:
            raise ValueError("rate must be from 0 to 1 and delay from 0 to 3600 seconds")
        return odds


def _read_text(text: str) -> dict[str, Any]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not pairs or not all(equals for _, equals, _ in pairs):
        raise ValueError("write a random plan as seed=7,rate=0.1,kinds=late+reset_after")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _read_kinds(kinds: Any) -> tuple[str, ...]:
    names = kinds.split("+") if isinstance(kinds, str) else kinds
    if names is not None and not isinstance(names, list | tuple):
        raise ValueError("kinds must be a list of names")
    for name in names or ():
        find_kind(name)
    return tuple(names or USUAL)


def read_latency(latency: Latency) -> tuple[float, float]:
    """Read the shortest and longest delay in seconds from `0.05`, `0.01-0.2` or numbers; raise ValueError."""
    parts = str(latency or 0).split("-", 1) if isinstance(latency, str | int | float | None) else list(latency)
    try:
        low, high = float(parts[0]), float(parts[-1])
    except (TypeError, ValueError, LookupError):
        low, high = -1.0, -1.0
    if not 0 <= low <= high <= 3600 or len(parts) > 2:
        raise ValueError("latency must be 0 to 3600 seconds, such as 0.05, or the shortest and the longest: 0.01-0.2")
    return low, high


class Chances:
    """Draws the faults of a random plan; `may_revoke` returns True for requests whose token can be renewed."""

    def __init__(self, odds: Odds, may_revoke: Callable[[WireRequest], bool]) -> None:
        self.odds = odds
        self._may_revoke = may_revoke
        self._counts: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def take(self, request: WireRequest) -> Fault | None:
        """Return this request's fault, or None."""
        group = _group(request)
        if group is None:
            return None
        with self._lock:
            number = self._counts[group] = self._counts.get(group, 0) + 1
        hashed = hashlib.blake2b(b"%d %d " % (self.odds.seed, number) + group, digest_size=16).digest()
        if int.from_bytes(hashed[:8]) >= self.odds.rate * _TOP:
            return None
        draw = random.Random(hashed)
        names = [name for name in self.odds.kinds if self._fits(name, request)]
        if not names:
            return None
        name = draw.choice(names)
        return replace(KINDS[name].draw(draw, self.odds.delay), kind=name)

    def _fits(self, name: str, request: WireRequest) -> bool:
        return KINDS[name].fits(request) and (name != "revoked" or self._may_revoke(request))


def _group(request: WireRequest) -> bytes | None:
    """Return the group of a request; None for OAuth and unknown paths, which get no random faults."""
    path, _, query = request.target.partition("?")
    match = endpoints.find(request.method, path[3:]) if path.startswith("/v2/") else None
    if match is not None:
        path = match[0].path
    elif "/download/" in path:
        path = path.rpartition("/")[0]
    else:
        return None
    pairs = sorted(pair for pair in parse_qsl(query) if pair[0] != "next_page_token") if query else ""
    text = f"{request.method} {path} {pairs} ".encode()
    return hashlib.blake2b(text + request.body, digest_size=16).digest()
