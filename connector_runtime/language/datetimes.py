"""Date-times: strings in requests, text for people, and instants read from responses. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from . import patterns

_MOMENT = re.compile(patterns.MOMENT)
_ZONE = re.compile(f"{patterns.ZONE}$")
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC, microsecond=0)
MILLISECONDS = 10**11  # epochs from here on are in milliseconds; in seconds, this is the year 5138


def written(value: Any) -> Any:
    """Write `2026-11-01 09:00:00.5+01:00` as `2026-11-01T08:00:00Z`; keep local times local; strip any other text."""
    text = str(value).strip()
    if (len(text) == 20 and text[10] + text[19] == "TZ") or not _MOMENT.fullmatch(text):
        return text  # already in this form, or not a date-time
    zone = _ZONE.search(text[10:])
    local = datetime.fromisoformat(f"{text[:10]}T{text[11:19] if text[16:17] == ':' else text[11:16]}")
    if zone is None:
        return local.isoformat()
    offset = zone[0].replace(":", "")
    if offset not in "Zz":
        hours, minutes = int(offset[1:3]), int(offset[3:5])
        local -= timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1)
    return local.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def readable(value: Any) -> str:
    """Return `2026-11-01T09:00:00Z` as `2026-11-01 09:00 UTC`, and other text unchanged. A filter in expressions."""
    parts = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2})(:[0-9]{2})?(?:\.[0-9]+)?((?s:.*))", str(value)
    )
    if parts is None:
        return str(value)
    day, hour, second, zone = parts.groups()
    return f"{day} {hour}{'' if second in (None, ':00') else second} {'UTC' if zone == 'Z' else zone}".rstrip()


def is_local(text: str) -> bool:
    """True if a date-time has neither an offset nor a Z."""
    return _ZONE.search(text[10:]) is None


def in_zone(value: Any, zone: Any) -> str | None:
    """Return `2026-11-01T09:00:00Z` as `2026-11-01 04:00 America/New_York`, or in UTC if the zone is unknown.

    None if clocks in that zone show the time that the value shows. An expression filter.
    """
    from zoneinfo import ZoneInfo

    try:
        moment = datetime.fromisoformat(str(value)).astimezone(ZoneInfo(str(zone)))
    except (KeyError, ValueError, OSError, OverflowError):  # also if the machine has no time zone data
        return readable(value)
    shown = moment.isoformat(" ", "minutes")[:16]
    return None if shown == f"{str(value)[:10]} {str(value)[11:16]}" else f"{shown} {zone}"


def instant(value: Any) -> datetime | None:
    """Read an ISO date-time (UTC unless it has a zone) or an epoch in seconds or milliseconds; None if neither."""
    if type(value) not in (str, int, float):
        return None
    try:
        if isinstance(value, str) and not value.isdecimal():
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        seconds = float(value) / (1000 if float(value) >= MILLISECONDS else 1)
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def http_date(text: str | None) -> datetime | None:
    """Read an HTTP-date, such as the header `Date`; None if that fails."""
    try:
        return None if text is None else _utc(parsedate_to_datetime(text[:99]))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def retry_at(text: str, now: datetime) -> datetime | None:
    """Read a `Retry-After`: an ISO or HTTP date, or seconds from now or since 1970, limited to the year 9999."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        seconds = float(text)
        return of_epoch(seconds if seconds > 1e9 else now.timestamp() + seconds)
    try:
        return _utc(datetime.fromisoformat(text))
    except ValueError:
        return http_date(text)


def of_epoch(seconds: float) -> datetime:
    """Return the instant of an epoch in seconds, limited to the range of `datetime`."""
    return datetime.fromtimestamp(min(seconds, LAST.timestamp()), UTC)


def _utc(moment: datetime) -> datetime:
    """Return a moment in UTC, limited to the range of `datetime`; without a zone, it is treated as UTC."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return LAST if moment.year > 1 else FIRST
