"""What a vendor allows, as connector.yaml's `limits` say it: rates by label and plan, budgets, quotas. A leaf, pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Self

from .model import NOTHING, Condition

DAY = 86400.0
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "day": DAY}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds; written `80/s`, `10/min`, `6000/day`."""

    count: int
    seconds: float

    @classmethod
    def of(cls, text: str) -> Self:
        count, _, unit = text.partition("/")
        return cls(int(count), SECONDS[unit])

    def __str__(self) -> str:
        unit = next((name for name, seconds in SECONDS.items() if seconds == self.seconds), f"{self.seconds:g} s")
        return f"{self.count}/{unit}"


Rates = Mapping[str, tuple[Rate, ...]]  # plan -> its rates; "" for what every plan has


class Label(NamedTuple):
    """What one of the vendor's labels allows. `on`: actions that are counted here whatever their own label is."""

    rates: Rates
    on: tuple[str, ...] = ()


class Combined(NamedTuple):
    """A daily budget that several labels share."""

    labels: tuple[str, ...]
    rates: Rates


class Quota(NamedTuple):
    """What a day allows for each value of some inputs: of the host, of the registrant and the meeting."""

    rates: Rates
    per: tuple[str, ...]
    on: tuple[str, ...]
    when: Condition


class Reported(NamedTuple):
    """Where an answer tells its label, the limit of the current window and what remains of it.

    `daily`: the answers whose figures are of the day.
    """

    label: str | None = None
    limit: str | None = None
    remaining: str | None = None
    daily: Condition | None = None


class Limits(NamedTuple):
    """What a vendor allows. All connections to one account share it, or (`per`) each connection has its own."""

    key: str  # the connector's
    per: str = "account"
    plans: tuple[str, ...] = ()
    labels: Mapping[str, Label] = NOTHING
    combined: tuple[Combined, ...] = ()
    quotas: Mapping[str, Quota] = NOTHING
    reported: Reported = Reported()

    def counted_as(self, action: str, label: str | None) -> str | None:
        """The label under which an action's calls are counted."""
        return next((name for name, entry in self.labels.items() if action in entry.on), label)


def rates_of(rates: Rates, plan: str | None) -> tuple[Rate, ...]:
    """The rates of a plan (None: it is not known) with those that every plan has."""
    return (*rates.get("", ()), *(rates.get(plan, ()) if plan else ()))
