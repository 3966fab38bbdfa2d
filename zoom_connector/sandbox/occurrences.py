"""Computes the dates of a recurring meeting from its recurrence. Pure: uses neither account nor clock.

As at Zoom, dates keep their wall-clock time in the meeting's time zone when daylight saving time starts or ends.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any

from .account import Occurrence
from .times import read_time, zone

MOST = 60  # Zoom's maximum number of dates, and the number for `end_times: 0`, which means no end
_LONGEST_INTERVAL = {1: 99, 2: 50, 3: 10}


def wrong_fields(recurrence: dict[str, Any]) -> list[str]:
    """Return the names of a recurrence's fields that are out of range or contradict others."""
    wrong = []
    if not 1 <= recurrence.get("repeat_interval", 1) <= _LONGEST_INTERVAL[recurrence["type"]]:
        wrong.append("recurrence.repeat_interval")
    if "end_date_time" in recurrence:
        if "end_times" in recurrence:
            wrong.append("recurrence.end_times")
        if not recurrence["end_date_time"].endswith("Z"):
            wrong.append("recurrence.end_date_time")
    if "monthly_week" in recurrence or "monthly_week_day" in recurrence:
        if "monthly_day" in recurrence:
            wrong.append("recurrence.monthly_day")
        wrong.extend(f"recurrence.{name}" for name in ("monthly_week", "monthly_week_day") if name not in recurrence)
    return wrong


def complete(recurrence: dict[str, Any]) -> dict[str, Any]:
    """Return a recurrence with the defaults that Zoom documents filled in."""
    full = {"repeat_interval": 1, **recurrence}
    if full["type"] == 2:
        full.setdefault("weekly_days", "1")
    if full["type"] == 3 and "monthly_week" not in full:
        full.setdefault("monthly_day", 1)
    if "end_date_time" not in full:
        full.setdefault("end_times", 1)
    return full


def occurrences(recurrence: dict[str, Any], start: float, duration: int, zone_name: str) -> list[Occurrence]:
    """Return the dates of a completed recurrence from `start` (seconds) on; `duration` is in minutes."""
    timezone = zone(zone_name) or UTC
    first = datetime.fromtimestamp(start, timezone)
    most = min(recurrence.get("end_times", MOST) or MOST, MOST)
    last = read_time(recurrence["end_date_time"], "UTC") if "end_date_time" in recurrence else None
    result: list[Occurrence] = []
    for day in _days(recurrence, first.date()):
        moment = datetime.combine(day, time(first.hour, first.minute, first.second), timezone).timestamp()
        if len(result) >= most or (last is not None and moment > last):
            break
        if moment >= start:
            result.append(Occurrence(id=str(int(moment * 1000)), start=moment, duration=duration))
    return result


def _days(recurrence: dict[str, Any], first: date) -> Iterator[date]:
    interval = recurrence["repeat_interval"]
    if recurrence["type"] == 1:
        for number in count():
            yield first + timedelta(days=number * interval)
    elif recurrence["type"] == 2:
        weekdays = sorted({int(text) for text in recurrence["weekly_days"].split(",")})
        sunday = first - timedelta(days=(first.weekday() + 1) % 7)
        for number in count():
            week = sunday + timedelta(weeks=number * interval)
            yield from (week + timedelta(days=weekday - 1) for weekday in weekdays)
    else:
        for number in count(step=interval):
            year, month = divmod(first.year * 12 + first.month - 1 + number, 12)
            day = _day_of_month(recurrence, year, month + 1)
            if day is not None:
                yield day


def _day_of_month(recurrence: dict[str, Any], year: int, month: int) -> date | None:
    """Return the recurrence's date in a month, e.g. the 31st (None in June) or the last Friday."""
    length = calendar.monthrange(year, month)[1]
    if "monthly_week" not in recurrence:
        day = recurrence["monthly_day"]
        return date(year, month, day) if day <= length else None
    weekday = (recurrence["monthly_week_day"] + 5) % 7  # Sunday is 1 for Zoom, 6 in Python
    matching = [day for day in range(1, length + 1) if date(year, month, day).weekday() == weekday]
    week = recurrence["monthly_week"]
    return date(year, month, matching[week if week < 0 else week - 1])
