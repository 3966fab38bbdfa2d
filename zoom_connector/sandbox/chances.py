"""Lets requests go wrong at random but repeatably: the random plan; it looks at requests and touches nothing else.

Whether the nth request of its sort goes wrong, and how, follows from the seed, the sort and n. The sort is the
endpoint, the query without its page token, and the body: not the ids in the path, which an account hands out in the
order of arrival. The same calls therefore meet the same faults, in whatever order many workers send them.
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
from .kinds import KINDS, USUAL, known
from .wire import WireRequest

_TOP = 1 << 64
Latency = float | str | Sequence[float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """A random plan.

    Args:
        seed: another seed gives other faults.
        rate: the share of requests that go wrong, from 0 to 1.
        kinds: those of `KINDS` that happen, each as often as any other that fits the request; none named: all
            but `daily_limited`, after which a client that believes it sends nothing more today.
        delay: the longest delay (seconds) of `late` and `slow`.
    """

    seed: int = 1
    rate: float = 0.1
    kinds: tuple[str, ...] = USUAL
    delay: float = 0.05

    @classmethod
    def read(cls, given: str | Mapping[str, Any]) -> Odds:
        """Read `seed=7,rate=0.1,kinds=late+reset_after,delay=0.2` or a mapping of the same; raise ValueError."""
        values = dict(given) if isinstance(given, Mapping) else _read_text(given)
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
            raise ValueError("seed is a whole number, rate and delay are numbers") from None
        if not 0 <= odds.rate <= 1 or not 0 <= odds.delay <= 3600:
            raise ValueError("rate goes from 0 to 1 and delay from 0 to 3600 seconds")
        return odds


def _read_text(text: str) -> dict[str, Any]:
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not pairs or not all(equals for _, equals, _ in pairs):
        raise ValueError("write a random plan like seed=7,rate=0.1,kinds=late+reset_after")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _read_kinds(given: Any) -> tuple[str, ...]:
    names = given.split("+") if isinstance(given, str) else given
    if names is not None and not isinstance(names, list | tuple):
        raise ValueError("kinds is a list of names")
    for name in names or ():
        known(name)
    return tuple(names or USUAL)


def read_latency(given: Latency) -> tuple[float, float]:
    """Read `0.05`, `0.01-0.2` or the same as numbers: the shortest and the longest wait (seconds); raise ValueError."""
    parts = str(given or 0).split("-", 1) if isinstance(given, str | int | float | None) else list(given)
    try:
        low, high = float(parts[0]), float(parts[-1])
    except (TypeError, ValueError, LookupError):
        low, high = -1.0, -1.0
    if not 0 <= low <= high <= 3600 or len(parts) > 2:
        raise ValueError("latency is seconds from 0 to 3600, such as 0.05, or the shortest and the longest: 0.01-0.2")
    return low, high


class Chances:
    """Decides by `Odds` which requests go wrong; `may_revoke` says whether a request's token can be renewed."""

    def __init__(self, odds: Odds, may_revoke: Callable[[WireRequest], bool]) -> None:
        self.odds = odds
        self._may_revoke = may_revoke
        self._seen: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def take(self, request: WireRequest) -> Fault | None:
        """Give the fault of this request, if it has one."""
        sort = _sort(request)
        if sort is None:
            return None
        with self._lock:
            number = self._seen[sort] = self._seen.get(sort, 0) + 1
        hashed = hashlib.blake2b(b"%d %d " % (self.odds.seed, number) + sort, digest_size=16).digest()
        if int.from_bytes(hashed[:8]) >= self.odds.rate * _TOP:
            return None
        draw = random.Random(hashed)
        fitting = [name for name in self.odds.kinds if self._fits(name, request)]
        if not fitting:
            return None
        name = draw.choice(fitting)
        return replace(KINDS[name].draw(draw, self.odds.delay), kind=name)

    def _fits(self, name: str, request: WireRequest) -> bool:
        return KINDS[name].fits(request) and (name != "revoked" or self._may_revoke(request))


def _sort(request: WireRequest) -> bytes | None:
    """Name the sort of a request; None for what random faults leave alone: OAuth and unknown paths."""
    path, _, query = request.target.partition("?")
    found = endpoints.find(request.method, path[3:]) if path.startswith("/v2/") else None
    if found is not None:
        path = found[0].path
    elif "/download/" in path:
        path = path.rpartition("/")[0]
    else:
        return None
    pairs = sorted(pair for pair in parse_qsl(query) if pair[0] != "next_page_token") if query else ""
    text = f"{request.method} {path} {pairs} ".encode()
    return hashlib.blake2b(text + request.body, digest_size=16).digest()
