"""The pacer: says to each call of an account when it may be sent, in the order they asked. Touches a clock and a store.

Calls of one label wait in one line; who is not at its head is told to come back half-way, since things may change.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol, TypedDict, Unpack

from ..errors import InputError, Problem, QuotaReached, RateLimited
from ..language import conditions, datetimes
from ..model import DAY, Limits, rates_of
from ..sentences import Sentence, both
from ..steps import Permit
from ..stores.store import MemoryStore, Store, forking
from .bucket import Bucket, midnight, today
from .limits import LATE, Budget, LabelLimit, Quotas, log
from .permit import Head, digest

SHARE = 0.5  # the limit belongs to the account, and other apps use it too
FORGET = 60.0  # seconds after which an answer that never came is not expected any more
LEARNING = 64  # answers until a label of which nothing is known may be used at will
START = 8  # calls that may be under way before the first answer
SOON = 1.0  # seconds in which an answer is expected while nothing is known
EARLY = 0.5  # of its time, when somebody further back looks again
LEAST = 0.001  # seconds that anybody waits
PATIENCE = 60.0  # seconds that a call waits for a vendor that takes nothing
BELIEVED = 600.0  # seconds for which a vendor that refuses one call is believed to take none
MOST_LABELS = 1000  # labels that a vendor can make us learn


WAIT = Sentence("Nothing was sent. Try again after that time.")
WAIT_UNTIL = Sentence("Wait until {time}.")


class PermitUse(NamedTuple):
    """A permit that went: where it counted, as which permit, and when."""

    limit: LabelLimit
    number: int
    at: float


class Declaration(TypedDict, total=False):
    """What is declared of an account: see `Pacer`."""

    plan: str | None
    share: float
    store: Store | None
    clock: Callable[[], float]


class Pacer:
    """Keeps the calls of an account within its limits. It never sleeps, so threads and asyncio can share one.

    `limits`: a connector's (`connector.profile.limits`). `account`: whose limits they are, any text that is the same
    wherever the account is used. `plan`: one of the vendor's plans; without it nothing is declared, and only what the
    vendor says counts. `share`: which part of the declared limits is ours, more than 0 and at most 1. `store`: shares
    what is known with every process and machine that uses the same store. Raises `InputError`.
    """

    def __init__(self, limits: Limits, *, account: str = "", **declared: Unpack[Declaration]) -> None:
        plan, share, store = declared.get("plan"), declared.get("share", SHARE), declared.get("store")
        check_plan(limits, plan)
        if not 0 < share <= 1:
            raise InputError.of("the pacer", [Problem("share", "must be more than 0 and at most 1")])
        self._limits, self._account, self._plan, self._share = limits, account, plan, share
        self._store, self._clock = store, declared.get("clock", time.time)
        self._lock = threading.Lock()
        self._label_limits: dict[tuple[str, str], LabelLimit] = {}
        self._learned: dict[str, str] = {}  # action -> the label that the vendor says it has
        self._sent: dict[Permit, PermitUse] = {}
        self._quotas = Quotas(store or MemoryStore(), f"pacing/{limits.key}")
        forking.add(self)

    def __repr__(self) -> str:
        return f"Pacer({self._limits.key!r}, plan={self._plan!r}, share={self._share})"

    def forked(self) -> None:
        """A thread of the parent's may have held the lock."""
        self._lock = threading.Lock()

    def ask(self, permit: Permit) -> float:
        """Seconds to wait before asking again, 0.0 to send now; see `Pacing.ask`."""
        with self._lock:
            now = self._clock()
            limit = self._label_limit(permit)
            try:
                if limit.budgets or limit.bucket.out > now:
                    self._check_budgets(permit, limit, now)
                place = limit.queue.place(permit, now)
                ready = limit.ready(now, place + 1)
                if ready and limit.answers < LEARNING and not limit.bucket.known:  # more at a time with each answer
                    under_way = sum(sent.limit is limit and abs(now - sent.at) < SOON for sent in self._sent.values())
                    ready = under_way < START + 2 * limit.answers
                if not ready:
                    if (shut := limit.shut(now)) > PATIENCE:
                        raise self._shut(limit, now + shut)
                    pause = limit.wait(now, place + 1)
                    if place and pause > 0:
                        pause = max(pause * EARLY, limit.wait(now, 1))
                    pause = max(LEAST, pause) if pause > 0 else 0.01 * (1 + place)  # for an answer that tells more
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
        self,
        permit: Permit,
        status: int | None,
        headers: Head,
        retry_at: datetime | None = None,
        kind: str | None = None,
    ) -> None:
        """Learn from what came of an attempt; see `Pacing.report`."""
        with self._lock:
            now = self._clock()
            while self._sent:
                first = next(iter(self._sent))
                if not first.gone and self._sent[first].at + FORGET > now:
                    break
                del self._sent[first]
            asked = self._sent.pop(permit, None)
            if asked is None and permit.quotas:  # it went before anybody paced, and counts as if it had asked
                with suppress(QuotaReached):
                    self._count_quotas(permit, now)
            limit = asked.limit if asked else self._label_limit(permit)
            sent = asked or PermitUse(limit, limit.take(now), now)
            limit, number = self._limit_of(permit, sent, headers, now)
            limit.answers += asked is not None
            reported = self._limits.reported
            figures = reported.figures(headers)
            of_the_day = bool(reported.daily) and conditions.holds(reported.daily or (), partial(_at, headers))
            told = None if of_the_day else figures
            if told is not None:
                limit.learn(now, lambda it, ahead: it.observe(*told, number, it.at - (now + sent.at) / 2 - ahead))
            longest = now + BELIEVED if kind == "rate_limit" else midnight(now) + DAY
            until = min(retry_at.timestamp(), longest) if retry_at else None
            if retry_at is not None and until == longest:
                what = "the vendor takes no more '%s' requests until %s, it says; believed for %d seconds"
                log.warning(what, limit.name, f"{retry_at:%Y-%m-%d %H:%M} UTC", longest - now)
            if kind == "rate_limit":
                refuse = partial(Bucket.refuse, until=until, explained=told is not None, counted=asked is not None)
                limit.learn(now, refuse, urgent=True)
            elif kind == "quota" and permit.quotas:  # if it was the label's budget, a call without quotas will tell
                self._quotas.use_up(self._keys(permit), now, until or midnight(now))
            elif (kind == "quota" and (of_the_day or (until and not reported.daily))) or (
                of_the_day and figures and figures[1] == 0
            ):  # a vendor that marks its days means one user or one object where it does not
                limit.learn(now, lambda it, ahead: it.use_up(until or midnight(now)), urgent=True)
            if permit.quotas and kind != "quota" and (status is None or status >= 300):  # as far as we know it failed
                self._quotas.give_back(self._keys(permit), now)

    def _limit_of(self, permit: Permit, sent: PermitUse, headers: Head, now: float) -> tuple[LabelLimit, int]:
        """Where an answer belongs: the vendor's word for the label counts, unless the definition counts it apart."""
        named = _at(headers, self._limits.reported.label)
        label = "-".join(named.casefold().split()) if named else None
        labels = self._limits.labels
        apart = any(permit.action in entry.on for entry in labels.values())
        is_odd = label is not None and (
            not re.fullmatch(r"[\w-]{1,64}", label) or len(self._label_limits) >= MOST_LABELS
        )
        if label is None or apart or is_odd or label == sent.limit.name or (labels and label not in labels):
            return sent.limit, sent.number
        self._learned[permit.action] = label
        limit = self._label_limit(permit)
        return limit, limit.take(now)

    def _label_limit(self, permit: Permit, label: str | None = None) -> LabelLimit:
        account = permit.account or self._account
        label = label or self._learned.get(permit.action) or self._limits.counted_as(permit.action, permit.label)
        name = label or f"action:{permit.action}"
        if limit := self._label_limits.get((account, name)):
            return limit
        entry = self._limits.labels.get(name)
        every = [rate for rates in entry.rates.values() for rate in rates] if entry else []
        ours = rates_of(entry.rates, self._plan) if entry else ()
        declared = next((rate for rate in ours if rate.seconds < DAY), None)
        window = next((rate.seconds for rate in every if rate.seconds < DAY), 1.0)
        budgets: list[Budget] = [(rate, (name,)) for rate in ours if rate.seconds == DAY]
        for joint in self._limits.combined:
            if name in joint.labels:
                budgets += [(rate, joint.labels) for rate in rates_of(joint.rates, self._plan)]
        count, seconds = (declared.count, declared.seconds) if declared else (None, window)
        bucket = Bucket(count=count, seconds=seconds, share=self._share, at=self._clock())
        key = f"pacing/{self._limits.key}/{digest(account)}/{name}"
        limit = self._label_limits[account, name] = LabelLimit(name, bucket, budgets, self._store, key)
        return limit

    def _shut(self, limit: LabelLimit, until: float) -> RateLimited:
        at = datetimes.of_epoch(until)
        slots = {"name": limit.name, "time": f"{at:%Y-%m-%d %H:%M:%S} UTC"}
        what = Sentence("{vendor} accepts no '{name}' requests of this account until {time}.", **slots)
        return RateLimited(what, hint=WAIT, retriable=True, retry_at=at)

    def _check_budgets(self, permit: Permit, limit: LabelLimit, now: float) -> None:
        out = limit.look(now).out
        if out > now:
            what = Sentence("{vendor} accepts no more '{name}' requests of this account today.", name=limit.name)
            raise _used_up(what, WAIT_UNTIL, out)
        for rate, labels in limit.budgets:
            used = sum(self._label_limit(permit, label).look(now).used_on(today(now)) for label in labels)
            if used >= max(1.0, self._share * rate.count):
                slots = {"share": f"{self._share:.0%}", "count": rate.count}
                slots["names"] = both(f"'{label}'" for label in labels)
                if self._share == 1:
                    what = Sentence("This account has used its {count} {names} requests a day.", **slots)
                    raise _used_up(what, WAIT_UNTIL, midnight(now))
                what = Sentence(
                    "This connector has used its share ({share}) of the account's {count} {names} requests a day.",
                    **slots,
                )
                raise _used_up(what, Sentence("Wait until {time}, or give the pacer a larger share."), midnight(now))

    def _count_quotas(self, permit: Permit, now: float) -> None:
        known = self._limits.quotas
        declared = {key: rates_of(known[name].rates, self._plan) for key, name in self._keys(permit).items()}
        keys = [(key, min(rate.count for rate in ours)) for key, ours in declared.items() if ours]
        until = self._quotas.count(keys, now)
        if until is not None:
            names = " or ".join(name.replace("_", " ") for name, _ in permit.quotas)
            allowed = ", ".join(str(count) for _, count in keys)
            what = Sentence("{vendor}'s limit of {count} a day for '{names}' is reached.", count=allowed, names=names)
            raise _used_up(what, Sentence("Wait until {time}, or use another one."), until)

    def _keys(self, permit: Permit) -> dict[str, str]:
        """The quotas that a permit falls under, by the keys of their counts."""
        account, known = permit.account or self._account, self._limits.quotas
        return {f"{name}-{digest(account, key)}": name for name, key in permit.quotas if name in known}


def check_plan(limits: Limits, plan: str | None) -> None:
    """Raises `InputError` for a plan that there is not."""
    if plan is not None and plan not in limits.plans:
        known = f"one of {', '.join(limits.plans)}" if limits.plans else "left out: the connector names no plans"
        raise InputError.of("the pacer", [Problem("plan", f"must be {known}")])


class HasProfile(Protocol):
    """What has limits: a connector."""

    @property
    def profile(self) -> Any: ...  # a `Profile`; pyright takes no `cached_property` for one


def pacer(connector: HasProfile, *, account: str = "", **declared: Unpack[Declaration]) -> Pacer:
    """The pacer of an account of a connector; the arguments are those of `Pacer`."""
    return Pacer(connector.profile.limits, account=account, **declared)


def _used_up(what: str, hint: Sentence, until: float) -> QuotaReached:
    at = datetime.fromtimestamp(until, UTC)
    hint = Sentence(hint.template, time=f"{at:%Y-%m-%d %H:%M} UTC")
    return QuotaReached(what, hint=hint, retriable=True, retry_at=at)


def _at(headers: Head, source: str | None) -> str | None:
    return headers.get(source.removeprefix("header.").lower()) if source else None
