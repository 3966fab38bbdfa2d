"""Counts requests as Zoom does, against the limits of an account's plan; it words refusals and answers no request.

An account has a bucket for each label, shared by all its apps: it holds what one window of the limit allows (a second,
a minute) and fills up evenly. Days and the quotas of hosts end at midnight GMT. While it runs, the limits may be
scaled and other apps of the account may take their share; every such change begins a `Phase`, which counts anew.
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
_ENOUGH = 1 - 1e-4  # times of day are not finer than that of a request


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseLimits:
    """What a phase goes by: the plan, the share of its rates that holds, other apps' requests a second by label."""

    plan: str | None = None
    scale: float = 1.0
    others: Mapping[str, float] = field(default_factory=dict)

    def left(self, label: str) -> float | None:
        """Give the requests a second that others leave; None: any number."""
        if self.plan is None:
            return None
        count, window = PLANS[self.plan].rate(label)
        return max(0.0, count * self.scale / window - self.others.get(label, 0.0))


@dataclass(slots=True, kw_only=True)
class Phase:
    """What came under the same terms, by label: `requests` that were counted and those of them `refused`."""

    terms: PhaseLimits
    began: float
    ended: float | None = None
    requests: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def describe(self, now: float) -> dict[str, Any]:
        """Give everything as JSON has it; `left` is in requests a second."""
        return {
            "plan": self.terms.plan,
            "scale": self.terms.scale,
            "others": dict(self.terms.others),
            "left": {label: self.terms.left(label) for label in self.requests},
            "seconds": round((self.ended or now) - self.began, 3),
            "requests": dict(self.requests),
            "refused": dict(self.refused),
        }


class TokenBucket:
    """What is left of one label's limit; `level` is in requests and may be a fraction."""

    def __init__(self, terms: PhaseLimits, label: str, now: float) -> None:
        self._label = label
        self._at = now
        self.capacity = self.level = self.fills = 0.0
        self.change(terms, now)
        self.level = self.capacity

    def change(self, terms: PhaseLimits, now: float) -> None:
        """Go by other terms from now on; what the bucket can no longer hold is lost."""
        self.refill(now)
        assert terms.plan is not None
        count, window = PLANS[terms.plan].rate(self._label)
        self.capacity = count * terms.scale
        self.fills = self.capacity / window - terms.others.get(self._label, 0.0)
        self.level = min(self.level, self.capacity)

    def refill(self, now: float) -> None:
        """Let in what has come since, less what others took; they can't take what is not there."""
        if now > self._at:
            self.level = min(self.capacity, max(self.level + (now - self._at) * self.fills, min(self.level, 0.0)))
            self._at = now

    def take(self, now: float) -> bool:
        """Take one request, if there is one."""
        self.refill(now)
        if self.level < _ENOUGH:
            return False
        self.level -= 1
        return True

    @property
    def headers(self) -> Headers:
        """Say how it stands, as Zoom's answers do."""
        return _headers("QPS", int(self.capacity), max(0, int(self.level + 1 - _ENOUGH)))


class AccountLimits:
    """The limits of one account; `plan` None: there are none. Assign `plan`, `scale` or `others` at any time.

    `phases` counts what came under which terms, the current one last.
    """

    def __init__(self, clock: Callable[[], float], plan: str | None = None) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, TokenBucket] = {}
        self._labels: dict[str, str] = {}  # by endpoint
        self._day = day_of(clock())
        self._used: Counter[object] = Counter()  # today, by what is limited
        self.phases = [Phase(terms=_terms(PhaseLimits(plan=plan)), began=clock())]

    @property
    def terms(self) -> PhaseLimits:
        """What holds now."""
        return self.phases[-1].terms

    def change(self, **given: Any) -> None:
        """Go by other terms from now on: `plan`, `scale`, `others`, as in `PhaseLimits`; raise ValueError."""
        try:
            terms = _terms(replace(self.terms, **given))
        except TypeError:
            raise ValueError("limits have plan, scale and others") from None
        with self._lock:
            now = self._clock()
            if terms.plan != self.terms.plan:
                self._buckets.clear()
            for bucket in self._buckets.values():
                bucket.change(terms, now)
            self.phases[-1].ended = now
            self.phases.append(Phase(terms=terms, began=now))

    @property
    def plan(self) -> str | None:
        """The account's plan: free, pro, business, or None for no limits."""
        return self.terms.plan

    @plan.setter
    def plan(self, plan: str | None) -> None:
        self.change(plan=plan)

    @property
    def scale(self) -> float:
        """The share of the plan's rates that holds: 0.5 is a half; days and quotas stay as they are."""
        return self.terms.scale

    @scale.setter
    def scale(self, scale: float) -> None:
        self.change(scale=scale)

    @property
    def others(self) -> Mapping[str, float]:
        """The requests a second, by label, that other apps of the account take."""
        return self.terms.others

    @others.setter
    def others(self, others: Mapping[str, float]) -> None:
        self.change(others=others)

    def take(self, endpoint: Endpoint, now: float) -> Headers:
        """Count one request; give the headers that say what is left, or raise Zoom's 429."""
        label = self._labels.get(endpoint.key)
        if label is None:
            label = ("phone " if endpoint.path.startswith("/phone/") else "") + endpoint.rate.lower()
            self._labels[endpoint.key] = label
        with self._lock:
            phase = self.phases[-1]
            phase.requests[label] += 1
            if phase.terms.plan is None:
                return ()
            refusal = self._day_is_over(phase.terms.plan, label, endpoint, now)
            bucket = self._buckets.get(label)
            if bucket is None:
                bucket = self._buckets[label] = TokenBucket(phase.terms, label, now)
            if refusal is None and not bucket.take(now):
                refusal = too_fast(endpoint, bucket.headers)
            if refusal is not None:
                phase.refused[label] += 1
                raise refusal
            for labels in PLANS[phase.terms.plan].days:
                if label in labels:
                    self._used[labels] += 1
            return bucket.headers

    def _day_is_over(self, plan: str, label: str, endpoint: Endpoint, now: float) -> ZoomRefusal | None:
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
        """Let requests of today be used up already, as if they had been made."""
        with self._lock:
            self._turn_day(self._clock())
            for labels in PLANS[self.plan].days if self.plan else ():
                if label in labels:
                    self._used[labels] += requests

    # -- quotas of one host, of one registrant, of new users ---------------------------------------------------------

    def spend_host(self, call: Call, host: str) -> None:
        """Count a meeting that a host creates or changes, or raise Zoom's refusal."""
        if self.plan is not None and not self._spend(("host", host), HOST_A_DAY, call.now):
            raise call.refusal(429, "(100)")

    def spend_user(self, call: Call) -> None:
        """Count a user who is created with an invitation, or raise Zoom's refusal."""
        most = PLANS[self.plan].new_users if self.plan else 0
        if self.plan is not None and not self._spend("users", most, call.now):
            raise used_up(call.endpoint, call.now, most)

    def spend_registrant(self, call: Call, event: int, kind: str) -> None:
        """Count a request to register somebody for an event, or raise Zoom's refusal; it needs no plan."""
        email = call.body["email"]
        if not self._spend((event, email.casefold()), REGISTRANT_A_DAY, call.now):
            raise call.refusal(429, "registrant", email=email, kind=kind)

    def _spend(self, what: object, most: int, now: float) -> bool:
        with self._lock:
            self._turn_day(now)
            if self._used[what] >= most:
                return False
            self._used[what] += 1
            return True


def _terms(terms: PhaseLimits) -> PhaseLimits:
    """Give the terms if they are possible, or raise ValueError."""
    if terms.plan not in (None, *PLANS):
        raise ValueError(f"unknown plan {terms.plan!r}; there are {', '.join(PLANS)}")
    if not _is_amount(terms.scale) or terms.scale == 0:
        raise ValueError("scale is a number above 0; 1 is the plan's own limits")
    if not isinstance(terms.others, Mapping) or not terms.others.keys() <= set(LABELS):
        raise ValueError(f"others gives requests a second by label; labels are {', '.join(LABELS)}")
    if not all(_is_amount(each) for each in terms.others.values()):
        raise ValueError("others gives requests a second, 0 or more")
    return replace(terms, others=dict(terms.others))


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def _headers(kind: str, limit: int, remaining: int) -> Headers:
    return (
        ("X-RateLimit-Type", kind),
        ("X-RateLimit-Limit", str(limit)),
        ("X-RateLimit-Remaining", str(remaining)),
    )


def too_fast(endpoint: Endpoint, headers: Headers | None = None) -> ZoomRefusal:
    """Give Zoom's refusal of too many requests a second; it says nothing of when to try again."""
    refusal = next(each for each in endpoint.errors if each.http == 429).fill({})  # one endpoint has a code of its own
    refusal.headers = headers or (("X-RateLimit-Type", "QPS"),)  # without a plan there is no figure to tell
    return refusal


def used_up(endpoint: Endpoint, now: float, most: int = 1) -> ZoomRefusal:
    """Give Zoom's refusal when a day's requests are used up; its Retry-After is a date-time."""
    refusal = endpoint.refusal(429, "maximum daily")
    midnight = write_time((day_of(now) + 1) * DAY)
    refusal.headers = (*_headers("Daily-limit", most, 0), ("Retry-After", midnight))
    return refusal
