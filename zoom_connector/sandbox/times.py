"""Converts between Zoom's formats of times and seconds since the epoch. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 86400.0
LAST_YEAR = 9000  # arithmetic on later dates could overflow
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@lru_cache(maxsize=512)
def zone(name: str) -> ZoneInfo | None:
    """Return a time zone such as `America/Los_Angeles`; None if the name is unknown."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def read_time(text: str, zone_name: str) -> float | None:
    """Read `2026-11-01T10:00:00Z`, or a local time without `Z`; None for anything else, including offsets."""
    if not _TIME.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        return None
    if not 1970 <= moment.year < LAST_YEAR:
        return None
    timezone = UTC if text.endswith("Z") else zone(zone_name)
    return None if timezone is None else moment.replace(tzinfo=timezone).timestamp()


def read_date(text: str) -> date | None:
    """Read `2026-11-01`; None for anything else."""
    if not _DATE.fullmatch(text):
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year < LAST_YEAR else None


def start_of(day: date, zone_name: str = "UTC") -> float:
    """Return the first second of a day in a time zone."""
    return datetime(day.year, day.month, day.day, tzinfo=zone(zone_name) or UTC).timestamp()


def end_of(day: date, zone_name: str = "UTC") -> float:
    """Return the first second after a day in a time zone."""
    return start_of(day + timedelta(days=1), zone_name)


@lru_cache(maxsize=4096)
def write_time(seconds: float) -> str:
    """Write `2026-11-01T10:00:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_date(seconds: float) -> str:
    """Write the UTC day as `2026-11-01`."""
    return write_time(seconds)[:10]


def day_of(seconds: float) -> int:
    """Return the number of the UTC day, for limits that reset at midnight GMT."""
    return int(seconds // DAY)
