"""Counts requests against the limits of an account's plan, as Zoom does. Raises refusals and handles no requests.

An account has a bucket for each label, shared by all its apps. A bucket holds the requests of one window (a second or a
minute) and refills evenly. Daily limits and the quotas of hosts reset at midnight GMT. A running sandbox can scale the
limits and let other apps of the account use them; each such change starts a `Phase` with its own counters.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .endpoints import Call, Endpoint, ZoomRefusal
from .plans import HOST_A_DAY, LABELS, PLANS, REGISTRANT_A_DAY
from .times import DAY, day_of, write_time

Headers = tuple[tuple[str, str], ...]
_ENOUGH = 1 - 1e-4  # of a request; allows for the rounding of clock times


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseLimits:
    """The limits of a phase: the plan, the scale of its rates, and other apps' requests per second by label."""

    plan: str | None = None
    scale: float = 1.0
    others: Mapping[str, float] = field(default_factory=dict)

    def left(self, label: str) -> float | None:
        """Return the requests per second that other apps leave; None: no limit."""
        if self.plan is None:
            return None
        count, window = PLANS[self.plan].rate(label)
        return max(0.0, count * self.scale / window - self.others.get(label, 0.0))


@dataclass(slots=True, kw_only=True)
class Phase:
    """The counts, by label, of requests that arrived under the same limits, and of those that were refused."""

    limits: PhaseLimits
    began: float
    ended: float | None = None
    requests: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def describe(self, now: float) -> dict[str, Any]:
        """Return the phase as JSON data: `left` in requests per second, `seconds` its length so far."""
        return {
            "plan": self.limits.plan,
            "scale": self.limits.scale,
            "others": dict(self.limits.others),
            "left": {label: self.limits.left(label) for label in self.requests},
            "seconds": round((self.ended or now) - self.began, 3),
            "requests": dict(self.requests),
            "refused": dict(self.refused),
        }


class TokenBucket:
    """The remainder of one label's limit; `level` is in requests and may be a fraction."""

    def __init__(self, limits: PhaseLimits, label: str, now: float) -> None:
        self._label = label
        self._at = now
        self.capacity = self.level = self.fills = 0.0
        self.change(limits, now)
        self.level = self.capacity

    def change(self, limits: PhaseLimits, now: float) -> None:
        """Apply other limits from now on; the level drops to the new capacity if that is smaller."""
        self.refill(now)
        assert limits.plan is not None
        count, window = PLANS[limits.plan].rate(self._label)
        self.capacity = count * limits.scale
        self.fills = self.capacity / window - limits.others.get(self._label, 0.0)
        self.level = min(self.level, self.capacity)

    def refill(self, now: float) -> None:
        """Add the requests accrued since the last call, less those of other apps, which never overdraw the bucket."""
        if now > self._at:
            self.level = min(self.capacity, max(self.level + (now - self._at) * self.fills, min(self.level, 0.0)))
            self._at = now

    def take(self, now: float) -> bool:
        """Take one request; False if the bucket has none left."""
        self.refill(now)
        if self.level < _ENOUGH:
            return False
        self.level -= 1
        return True

    @property
    def headers(self) -> Headers:
        """Return the rate limit headers that Zoom would send now."""
        return _headers("QPS", int(self.capacity), max(0, int(self.level + 1 - _ENOUGH)))


class AccountLimits:
    """The limits of one account; none if `plan` is None. Assign `plan`, `scale` or `others` at any time.

    `phases` counts the requests under each set of limits; the last phase is the current one.
    """

    def __init__(self, clock: Callable[[], float], plan: str | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, TokenBucket] = {}
        self._labels: dict[str, str] = {}  # by endpoint
        self._day = day_of(clock())
        self._used: Counter[object] = Counter()  # today's requests, by labels, host or registrant
        self.phases = [Phase(limits=_checked(PhaseLimits(plan=plan)), began=clock())]

    @property
    def current(self) -> PhaseLimits:
        """The limits of the current phase."""
        return self.phases[-1].limits

    def change(self, **changes: Any) -> None:
        """Change any of `plan`, `scale` and `others` from now on (see `PhaseLimits`); raise ValueError."""
        try:
            limits = _checked(replace(self.current, **changes))
        except TypeError:
            raise ValueError("limits have plan, scale and others") from None
        with self._lock:
            now = self._clock()
            if limits.plan != self.current.plan:
                self._buckets.clear()
            for bucket in self._buckets.values():
                bucket.change(limits, now)
            self.phases[-1].ended = now
            self.phases.append(Phase(limits=limits, began=now))

    @property
    def plan(self) -> str | None:
        """The account's plan: free, pro, business, or None for no limits."""
        return self.current.plan

    @plan.setter
    def plan(self, plan: str | None) -> None:
        self.change(plan=plan)

    @property
    def scale(self) -> float:
        """The factor for the plan's rates, e.g. 0.5 for half of them; daily limits and quotas do not change."""
        return self.current.scale

    @scale.setter
    def scale(self, scale: float) -> None:
        self.change(scale=scale)

    @property
    def others(self) -> Mapping[str, float]:
        """The requests per second, by label, that other apps of the account make."""
        return self.current.others

    @others.setter
    def others(self, others: Mapping[str, float]) -> None:
        self.change(others=others)

    def take(self, endpoint: Endpoint, now: float) -> Headers:
        """Count one request; return the rate limit headers, or raise Zoom's 429."""
        label = self._labels.get(endpoint.key)
        if label is None:
            label = ("phone " if endpoint.path.startswith("/phone/") else "") + endpoint.rate.lower()
            self._labels[endpoint.key] = label
        with self._lock:
            phase = self.phases[-1]
            phase.requests[label] += 1
            if phase.limits.plan is None:
                return ()
            refusal = self._daily_refusal(phase.limits.plan, label, endpoint, now)
            bucket = self._buckets.get(label)
            if bucket is None:
                bucket = self._buckets[label] = TokenBucket(phase.limits, label, now)
            if refusal is None and not bucket.take(now):
                refusal = too_fast(endpoint, bucket.headers)
            if refusal is not None:
                phase.refused[label] += 1
                raise refusal
            for labels in PLANS[phase.limits.plan].days:
                if label in labels:
                    self._used[labels] += 1
            return bucket.headers

    def _daily_refusal(self, plan: str, label: str, endpoint: Endpoint, now: float) -> ZoomRefusal | None:
        self._turn_day(now)
        for labels, most in PLANS[plan].days.items():
            if label in labels and self._used[labels] >= most:
                return used_up(endpoint, now, most)
        return None

    def _turn_day(self, now: float) -> None:
        if day_of(now) != self._day:
            self._day = day_of(now)
            self._used.clear()

    def use_today(self, label: str, requests: int) -> None:
        """Count this many of today's requests as used, without sending any."""
        with self._lock:
            self._turn_day(self._clock())
            for labels in PLANS[self.plan].days if self.plan else ():
                if label in labels:
                    self._used[labels] += requests

    # -- quotas of one host, of one registrant, of new users ---------------------------------------------------------

    def spend_host(self, call: Call, host: str) -> None:
        """Count a meeting that the host creates or changes, or raise Zoom's refusal."""
        if self.plan is not None and not self._spend(("host", host), HOST_A_DAY, call.now):
            raise call.refusal(429, "(100)")

    def spend_user(self, call: Call) -> None:
        """Count an invitation for a new user, or raise Zoom's refusal."""
        most = PLANS[self.plan].new_users if self.plan else 0
        if self.plan is not None and not self._spend("users", most, call.now):
            raise used_up(call.endpoint, call.now, most)

    def spend_registrant(self, call: Call, event: int, kind: str) -> None:
        """Count a registration for an event, or raise Zoom's refusal; this quota holds without a plan too."""
        email = call.body["email"]
        if not self._spend((event, email.casefold()), REGISTRANT_A_DAY, call.now):
            raise call.refusal(429, "registrant", email=email, kind=kind)

    def _spend(self, key: object, most: int, now: float) -> bool:
        with self._lock:
            self._turn_day(now)
            if self._used[key] >= most:
                return False
            self._used[key] += 1
            return True


def _checked(limits: PhaseLimits) -> PhaseLimits:
    """Return valid limits, or raise ValueError."""
    if limits.plan not in (None, *PLANS):
        raise ValueError(f"unknown plan {limits.plan!r}; choose from {', '.join(PLANS)}")
    if not _is_amount(limits.scale) or limits.scale == 0:
        raise ValueError("scale must be a number above 0; with 1 the plan's own limits apply")
    if not isinstance(limits.others, Mapping) or not limits.others.keys() <= set(LABELS):
        raise ValueError(f"others must map labels to requests per second; the labels are {', '.join(LABELS)}")
    if not all(_is_amount(each) for each in limits.others.values()):
        raise ValueError("others must give requests per second, 0 or more")
    return replace(limits, others=dict(limits.others))


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _headers(kind: str, limit: int, remaining: int) -> Headers:
    return (
        ("X-RateLimit-Type", kind),
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(remaining)),
    )


def too_fast(endpoint: Endpoint, headers: Headers | None = None) -> ZoomRefusal:
    """Return Zoom's refusal of too many requests per second; it does not say when to try again."""
    refusal = next(each for each in endpoint.errors if each.http == 429).fill({})  # one endpoint has a code of its own
    refusal.headers = headers or (("X-RateLimit-Type", "QPS"),)  # without a plan there are no figures
    return refusal


def used_up(endpoint: Endpoint, now: float, most: int = 1) -> ZoomRefusal:
    """Return Zoom's refusal when the day's requests are used up; its Retry-After is a date-time."""
    refusal = endpoint.refusal(429, "maximum daily")
    midnight = write_time((day_of(now) + 1) * DAY)
    refusal.headers = (*_headers("Daily-limit", most, 0), ("Retry-After", midnight))
    return refusal
