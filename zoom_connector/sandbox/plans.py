"""Zoom's documented rate limits by plan; data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_DAILY = ("heavy", "resource-intensive")
_PHONE_DAILY = ("phone heavy", "phone resource-intensive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan's limits: (requests, seconds) by label, requests a day by the labels sharing them, invitations a day."""

    rates: Mapping[str, tuple[int, float]]
    days: Mapping[tuple[str, ...], int]
    new_users: int

    def rate(self, label: str) -> tuple[int, float]:
        """Return the requests and seconds of a label; a phone label without its own limit has the common one."""
        return self.rates.get(label) or self.rates[label.removeprefix("phone ")]


PLANS: Mapping[str, Plan] = {
    "free": Plan(
        rates={"light": (4, 1), "medium": (2, 1), "heavy": (1, 1), "resource-intensive": (10, 60)},
        days={("light",): 6000, ("medium",): 2000, ("heavy",): 1000, ("resource-intensive",): 30_000},
        new_users=50,
    ),
    "pro": Plan(
        rates={
            "light": (30, 1), "medium": (20, 1), "heavy": (10, 1), "resource-intensive": (10, 60),
            "phone light": (20, 1), "phone medium": (10, 1), "phone heavy": (5, 1),
            "phone resource-intensive": (5, 60),
        },
        days={_DAILY: 30_000, _PHONE_DAILY: 15_000},
        new_users=1500,
    ),
    "business": Plan(
        rates={
            "light": (80, 1), "medium": (60, 1), "heavy": (40, 1), "resource-intensive": (20, 60),
            "phone light": (40, 1), "phone medium": (20, 1), "phone heavy": (10, 1),
            "phone resource-intensive": (10, 60),
        },
        days={_DAILY: 60_000, _PHONE_DAILY: 30_000},
        new_users=10_000,
    ),
}  # fmt: skip
LABELS = tuple(PLANS["business"].rates)
HOST_A_DAY = 100  # meetings that a host creates or updates
REGISTRANT_A_DAY = 3  # requests for one registrant and one meeting or webinar
