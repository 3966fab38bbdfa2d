"""The pacer: decides when each attempt of an account may be sent, in order of arrival. Uses a clock and a store.

Permits with the same label wait in one queue. Those behind the first ask again early, because the state may change.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypedDict, Unpack

from ..errors import InputError, Problem, QuotaReached, RateLimited
from ..language import conditions, datetimes
from ..model import DAY, Limits, rates_of
from ..sentences import Sentence, both, either
from ..steps import Permit
from ..stores.store import MemoryStore, Store, forking
from .bucket import Bucket, midnight, today
from .limits import LATE, Budget, LabelLimit, Quotas, log
from .permit import Head, digest

SHARE = 0.5  # the rest is for other apps, because the limit belongs to the whole account
RESPONSE_TIMEOUT = 60.0  # seconds after which no response is expected
LEARNING = 64  # responses after which a label without a known limit is unrestricted
START = 8  # requests that may be in flight before the first response
RESPONSE_EXPECTED_WITHIN = 1.0  # seconds; used while no limit is known
RECHECK_FRACTION = 0.5  # fraction of its wait after which a permit behind the first asks again
MIN_WAIT = 0.001  # seconds
MAX_REFUSAL = 60.0  # seconds; if the vendor refuses for longer, calls fail instead of waiting
MAX_RATE_LIMIT_WAIT = 600.0  # seconds; if the vendor asks for more, the pacer waits only this long
MOST_LABELS = 1000  # after which new labels from the vendor are ignored

WAIT = Sentence("Nothing was sent. Try again after that time.")
WAIT_UNTIL = Sentence("Wait until {time}.")


class PermitUse(NamedTuple):
    """The use of a permit: the limit that counted it, its number, and the time."""

    limit: LabelLimit
    number: int
    at: float


class Declaration(TypedDict, total=False):
    """The options of a pacer, all optional; see `Pacer`."""

    plan: str | None
    share: float
    store: Store | None
    clock: Callable[[], float]


class Pacer:
    """Keeps the calls of an account within its limits. It never sleeps, so threads and asyncio can share one.

    `limits` are a connector's (`connector.profile.limits`). `account` is any string that identifies the account
    everywhere. `plan` is one of the vendor's plans; without one, only the vendor's reports and the rates that hold for
    every plan apply. `share` is our part of the declared limits, more than 0 and at most 1. `store` shares the state
    with all processes and machines that use the same store. Raises `InputError`.
    """

    def __init__(self, limits: Limits, *, account: str = "", **declared: Unpack[Declaration]) -> None:
        plan, share, store = declared.get("plan"), declared.get("share", SHARE), declared.get("store")
        check_plan(limits, plan)
        if not 0 < share <= 1:
            raise InputError.of("the pacer", [Problem("share", "must be more than 0 and at most 1")])
        self._limits, self._account, self._plan, self._share = limits, account, plan, share
        self._store, self._clock = store, declared.get("clock", time.time)
        self._lock = threading.Lock()
        self._label_limits: dict[str, LabelLimit] = {}
        self._learned: dict[str, str] = {}  # action -> its label in the vendor's responses
        self._sent: dict[Permit, PermitUse] = {}
        self._quotas = Quotas(store or MemoryStore(), f"pacing/{limits.key}")
        forking.add(self)

    def __repr__(self) -> str:
        return f"Pacer({self._limits.key!r}, plan={self._plan!r}, share={self._share})"

    def forked(self) -> None:
        """Replace the lock, which a thread of the parent process may have held."""
        self._lock = threading.Lock()

    def ask(self, permit: Permit) -> float:
        """Return the seconds to wait before asking again, 0.0 to send now; see `Pacing.ask`."""
        with self._lock:
            now = self._clock()
            limit = self._label_limit(permit)
            try:
                if limit.budgets or limit.bucket.out > now:
                    self._check_budgets(permit, limit, now)
                ahead = limit.queue.ahead_of(permit, now)
                ready = limit.ready(now, ahead + 1)
                if ready and limit.answers < LEARNING and not limit.bucket.known:  # each response allows two more
                    uses = [use for use in self._sent.values() if use.limit is limit]
                    under_way = sum(abs(now - use.at) < RESPONSE_EXPECTED_WITHIN for use in uses)
                    ready = under_way < START + 2 * limit.answers
                if not ready:
                    if (refused_for := limit.refused_for(now)) > MAX_REFUSAL:
                        raise self._refused(limit, now + refused_for)
                    pause = limit.wait(now, ahead + 1)
                    if ahead and pause > 0:
                        pause = max(pause * RECHECK_FRACTION, limit.wait(now, 1))
                    pause = max(MIN_WAIT, pause) if pause > 0 else 0.01 * (1 + ahead)  # a response may free it
                    limit.queue[permit] = (limit.queue[permit][0], now + pause + LATE)
                    return pause
                if permit.quotas:
                    self._count_quotas(permit, now)
            except (QuotaReached, RateLimited):
                limit.queue.pop(permit, None)
                raise
            limit.queue.pop(permit, None)
            self._sent[permit] = PermitUse(limit, limit.take(now), now)
            return 0.0

    def report(
        self, permit: Permit, status: int | None, head: Head, retry_at: datetime | None = None, kind: str | None = None
    ) -> None:
        """Learn from the response to an attempt; see `Pacing.report`."""
        with self._lock:
            now = self._clock()
            while self._sent:
                first = next(iter(self._sent))
                if not first.gone and self._sent[first].at + RESPONSE_TIMEOUT > now:
                    break
                del self._sent[first]
            use = self._sent.pop(permit, None)
            is_paced = use is not None
            if not is_paced and permit.quotas:  # sent before the account had a pacer: count it as if it had asked
                with suppress(QuotaReached):
                    self._count_quotas(permit, now)
            limit = use.limit if use else self._label_limit(permit)
            sent = use or PermitUse(limit, limit.take(now), now)
            limit, number = self._limit_of(permit, sent, head, now)
            limit.answers += is_paced
            reported = self._limits.reported
            figures = reported.figures(head)
            is_daily = bool(reported.daily) and conditions.holds(reported.daily or (), partial(_at, head))
            window = None if is_daily else figures
            if window is not None:
                midway = (now + sent.at) / 2  # the vendor counted somewhere between request and response
                limit.learn(now, lambda bucket, ahead: bucket.observe(*window, number, bucket.at - midway - ahead))
            longest = now + MAX_RATE_LIMIT_WAIT if kind == "rate_limit" else midnight(now) + DAY
            until = min(retry_at.timestamp(), longest) if retry_at else None
            if retry_at is not None and until == longest:
                what = "the vendor reports that it accepts no '%s' requests until %s; the pacer waits only %d seconds"
                log.warning(what, limit.name, f"{retry_at:%Y-%m-%d %H:%M} UTC", longest - now)
            if kind == "rate_limit":
                refuse = partial(Bucket.refuse, until=until, explained=window is not None, counted=is_paced)
                limit.learn(now, refuse, urgent=True)
            elif kind == "quota" and permit.quotas:  # or the label's budget; a refusal without quotas will reveal that
                self._quotas.use_up(self._keys(permit), now, until or midnight(now))
            elif (kind == "quota" and (is_daily or (until and not reported.daily))) or (
                is_daily and figures and figures[1] == 0
            ):  # if responses mark the daily budget, an unmarked refusal concerns one user or object
                limit.learn(now, lambda bucket, ahead: bucket.use_up(until or midnight(now)), urgent=True)
            if permit.quotas and kind != "quota" and (status is None or status >= 300):  # probably failed
                self._quotas.give_back(self._keys(permit), now)

    def _limit_of(self, permit: Permit, sent: PermitUse, head: Head, now: float) -> tuple[LabelLimit, int]:
        """Return the limit and number for a response: those of the vendor's label, unless a label is declared."""
        text = _at(head, self._limits.reported.label)
        label = "-".join(text.casefold().split()) if text else None
        labels = self._limits.labels
        is_declared = any(permit.action in entry.on for entry in labels.values())
        is_valid = re.fullmatch(r"[\w-]{1,64}", label or "") and len(self._label_limits) < MOST_LABELS
        if label is None or is_declared or not is_valid or label == sent.limit.name or (labels and label not in labels):
            return sent.limit, sent.number
        self._learned[permit.action] = label
        limit = self._label_limit(permit)
        return limit, limit.take(now)

    def _label_limit(self, permit: Permit, label: str | None = None) -> LabelLimit:
        label = label or self._learned.get(permit.action) or self._limits.counted_as(permit.action, permit.label)
        name = label or f"action:{permit.action}"
        if limit := self._label_limits.get(name):
            return limit
        entry = self._limits.labels.get(name)
        all_rates = [rate for rates in entry.rates.values() for rate in rates] if entry else []
        plan_rates = rates_of(entry.rates, self._plan) if entry else ()
        declared = next((rate for rate in plan_rates if rate.seconds < DAY), None)
        window = next((rate.seconds for rate in all_rates if rate.seconds < DAY), 1.0)
        budgets: list[Budget] = [(rate, (name,)) for rate in plan_rates if rate.seconds == DAY]
        for combined in self._limits.combined:
            if name in combined.labels:
                budgets += [(rate, combined.labels) for rate in rates_of(combined.rates, self._plan)]
        count, seconds = (declared.count, declared.seconds) if declared else (None, window)
        bucket = Bucket(count=count, seconds=seconds, share=self._share, at=self._clock())
        key = f"pacing/{self._limits.key}/{digest(self._account)}/{name}"
        limit = self._label_limits[name] = LabelLimit(name, bucket, budgets, self._store, key)
        return limit

    def _refused(self, limit: LabelLimit, until: float) -> RateLimited:
        at = datetimes.of_epoch(until)
        slots = {"name": limit.name, "time": f"{at:%Y-%m-%d %H:%M:%S} UTC"}
        what = Sentence("{vendor} is not accepting '{name}' requests from this account until {time}.", **slots)
        return RateLimited(what, hint=WAIT, retriable=True, retry_at=at)

    def _check_budgets(self, permit: Permit, limit: LabelLimit, now: float) -> None:
        out = limit.look(now).out
        if out > now:
            what = Sentence("{vendor} accepts no more '{name}' requests from this account today.", name=limit.name)
            raise _used_up(what, WAIT_UNTIL, out)
        for rate, labels in limit.budgets:
            used = sum(self._label_limit(permit, label).look(now).used_on(today(now)) for label in labels)
            if used >= max(1.0, self._share * rate.count):
                data = {"share": f"{self._share:.0%}", "count": rate.count}
                data["names"] = both(f"'{label}'" for label in labels)
                if self._share == 1:
                    what = Sentence("This account has used up its daily allowance of {count} {names} requests.", **data)
                    raise _used_up(what, WAIT_UNTIL, midnight(now))
                what = Sentence(
                    "This connector has used up its share ({share}) of the account's daily allowance of"
                    " {count} {names} requests.",
                    **data,
                )
                raise _used_up(what, Sentence("Wait until {time}, or give the pacer a larger share."), midnight(now))

    def _count_quotas(self, permit: Permit, now: float) -> None:
        quotas = self._limits.quotas
        declared = {key: rates_of(quotas[name].rates, self._plan) for key, name in self._keys(permit).items()}
        keys = [(key, min(rate.count for rate in rates)) for key, rates in declared.items() if rates]
        until = self._quotas.count(keys, now)
        if until is not None:
            names = " or ".join(name.replace("_", " ") for name, _ in permit.quotas)
            daily = ", ".join(str(count) for _, count in keys)
            what = Sentence("{vendor} allows {count} '{names}' a day, and they are used up.", count=daily, names=names)
            inputs = dict.fromkeys(f"'{key}'" for name in self._keys(permit).values() for key in quotas[name].per)
            other = Sentence("Wait until {time}, or use a different {inputs}.", inputs=either(inputs or [""]))
            raise _used_up(what, other if inputs else WAIT_UNTIL, until)

    def _keys(self, permit: Permit) -> dict[str, str]:
        """Return the names of a permit's quotas by the keys of their counts."""
        names = self._limits.quotas
        return {f"{name}-{digest(self._account, key)}": name for name, key in permit.quotas if name in names}


def check_plan(limits: Limits, plan: str | None) -> None:
    """Raise `InputError` if the connector does not declare the plan."""
    if plan is not None and plan not in limits.plans:
        allowed = f"one of {', '.join(limits.plans)}" if limits.plans else "omitted: the connector has no plans"
        raise InputError.of("the pacer", [Problem("plan", f"must be {allowed}")])


def pacer(connector: Any, *, account: str = "", **declared: Unpack[Declaration]) -> Pacer:
    """Create the pacer of an account; the arguments are those of `Pacer`."""
    return Pacer(connector.profile.limits, account=account, **declared)


def _used_up(what: str, hint: Sentence, until: float) -> QuotaReached:
    at = datetimes.of_epoch(until)
    hint = Sentence(hint.template, **hint.slots, time=f"{at:%Y-%m-%d %H:%M} UTC")
    return QuotaReached(what, hint=hint, retriable=True, retry_at=at)


def _at(head: Head, source: str | None) -> str | None:
    return head.get(source.removeprefix("header.").lower()) if source else None
