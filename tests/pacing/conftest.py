"""A vendor's limits for the tests, and a clock that they set."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from connector_runtime.language import conditions
from connector_runtime.model import Label, Limits, Quota, Rate, ReportedLimits, SharedBudget

sys.path.insert(0, str(Path(__file__).parent))  # simulation.py

NOON = 1_793_534_400.0  # 2026-11-01T12:00:00Z


class Time:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(scope="session")
def limits() -> Limits:
    return Limits(
        key="pigeon",
        plans=("loft", "tower"),
        labels={
            "light": Label(rates={"loft": (Rate.of("4/s"), Rate.of("6/day")), "tower": (Rate.of("80/s"),)}),
            "heavy": Label(rates={"tower": (Rate.of("40/s"),)}),
            "slow": Label(rates={"tower": (Rate.of("10/min"),)}),
            "phone": Label(rates={"tower": (Rate.of("20/s"),)}, on=("get-calls",)),
        },
        combined=(SharedBudget(labels=("heavy", "slow"), rates={"tower": (Rate.of("5/day"),)}),),
        quotas={
            "letters": Quota(rates={"": (Rate.of("3/day"),)}, per=("loft", "email"), on=("send-letter",), when=()),
            "users": Quota(rates={"loft": (Rate.of("1/day"),)}, per=(), on=("create-user",), when=()),
        },
        reported=ReportedLimits(
            label="header.x-ratelimit-category",
            limit="header.x-ratelimit-limit",
            remaining="header.x-ratelimit-remaining",
            daily=conditions.parse({"header.x-ratelimit-type": "Daily-limit"}),
        ),
    )
