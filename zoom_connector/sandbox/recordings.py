"""The endpoints for cloud and phone recordings. They read the account and know no HTTP."""

from __future__ import annotations

import re
from typing import Any

from . import downloads
from .account import ACCOUNT_ID, Account
from .endpoints import Call
from .paging import page
from .times import DAY, read_date, read_time, start_of, write_date, write_time
from .users import find_user

_USER_ID = re.compile(r"me|[A-Za-z0-9_-]{22}|[^@\s]+@[^@\s]+")
_DEFAULT_WINDOW = 30 * DAY
_WIDEST_WINDOW = 31 * DAY
_OLDEST = 184 * DAY
_DEFAULT_TTL = 86400


def get_recordings(account: Account, call: Call) -> dict[str, Any]:
    """Return the recordings of a meeting: of its latest instance for a number, of one instance for a UUID."""
    id = call.path["meetingId"]
    is_number = id.isascii() and id.isdigit()
    meeting = account.meetings.get(int(id)) if is_number else account.meetings_by_uuid.get(id)
    if meeting is None or meeting.recording is None:
        raise call.refusal(3301)
    files = meeting.recording["recording_files"]
    answer = {
        "account_id": ACCOUNT_ID,
        "host_id": meeting.host.id,
        "id": meeting.id,
        "uuid": meeting.uuid,
        "topic": meeting.topic,
        "type": str(meeting.type),
        "start_time": write_time(meeting.start or meeting.created),
        "duration": meeting.duration,
        "total_size": sum(file.get("file_size", 0) for file in files),
        "recording_count": len(files),
        "password": "rec123",
        "recording_play_passcode": f"{meeting.uuid[:12]}",
        "auto_delete": False,
        **{key: [_with_url(account, file) for file in files] for key, files in meeting.recording.items()},
    }
    if "download_access_token" in call.query.get("include_fields", "").split(","):
        expires = int(call.now) + call.query.get("ttl", _DEFAULT_TTL)
        answer["download_access_token"] = downloads.issue(account, meeting.id, expires)
    return answer


def _with_url(account: Account, file: dict[str, Any]) -> dict[str, Any]:
    """Return a file with its download URL on this sandbox."""
    return {**file, "download_url": f"{account.origin}{file['download_url']}"}


def list_phone_recordings(account: Account, call: Call) -> dict[str, Any]:
    if not _USER_ID.fullmatch(call.path["userId"]):
        raise call.refusal(300, "Invalid user id.")
    user = find_user(account, call)
    first, last = _window(call)
    rows = [row for row in account.phone_recordings.get(user.id, ()) if first <= row["at"] < last]
    rows.sort(key=lambda row: -row["seq"])  # newest first
    fields = call.endpoint.fields_of("recordings")

    def show(row: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in _with_url(account, row).items() if name in fields}

    answer = page(account.tokens, call, "recordings", rows, show, order=lambda row: -row["seq"])
    return {**answer, "from": write_date(first), "to": write_date(last - 1)}


def _window(call: Call) -> tuple[float, float]:
    """Read `from` and `to`. `from` requires `to`; they span at most a month within the last six months."""
    query = call.query
    if "from" in query and "to" not in query:
        raise call.invalid("to")
    last = _read(query["to"], is_end=True) if "to" in query else call.now + 1
    first = _read(query["from"], is_end=False) if "from" in query else last - _DEFAULT_WINDOW
    if not first <= last or last - first > _WIDEST_WINDOW + DAY or first < call.now - _OLDEST:
        raise call.invalid("from", "to")
    return first, last


def _read(text: str, *, is_end: bool) -> float:
    """Read a date or date-time; a window includes the whole day with which it ends."""
    day = read_date(text)
    if day is not None:
        return start_of(day) + (DAY if is_end else 0)
    moment = read_time(text, "UTC")
    return (moment or 0.0) + (1 if is_end else 0)
