"""The endpoints for webinars and their participants. They read the account and know no HTTP."""

from __future__ import annotations

import re
from typing import Any

from .account import Account, Webinar
from .endpoints import Call
from .meeting_views import show_occurrences
from .meetings import find_occurrence
from .paging import page
from .times import DAY, write_time
from .users import find_user

_UUID = re.compile(r"[A-Za-z0-9+/]{22}==")


def find_webinar(account: Account, call: Call) -> Webinar:
    """Find the webinar of a path by number or, where Zoom allows it, by UUID; raise Zoom's refusal."""
    id = call.path["webinarId"]
    is_number = id.isascii() and id.isdigit()
    webinar = account.webinars.get(int(id)) if is_number else account.webinars_by_uuid.get(id)
    if webinar is not None:
        return webinar
    if call.endpoint.operation == "webinar" and not is_number and not _UUID.fullmatch(id):
        raise call.refusal(300, "Invalid webinar ID.")
    raise call.refusal(3001)


def get_webinar(account: Account, call: Call) -> dict[str, Any]:
    webinar = find_webinar(account, call)
    answer = {
        **_row(webinar),
        "host_email": webinar.host.email,
        "settings": webinar.settings,
        "start_url": f"https://zoom.us/s/{webinar.id}?zak=sandbox",
        "creation_source": "web_portal",
        "password": "abc123",
        "h323_passcode": "123456",
        "encrypted_passcode": f"{webinar.uuid[:16]}.1",
        "transition_to_live": False,
        **webinar.details,
    }
    del answer["is_events_webinar"]
    if webinar.settings["approval_type"] != 2:
        answer["registration_url"] = f"https://zoom.us/webinar/register/{webinar.id}"
    if webinar.recurrence is not None:
        dates = webinar.occurrences
        if not call.query.get("show_previous_occurrences"):
            dates = [date for date in dates if date.start + date.duration * 60 > call.now]
        answer["recurrence"] = webinar.recurrence
        answer["occurrences"] = show_occurrences(dates)
    if call.query.get("occurrence_id"):
        date = find_occurrence(call, webinar)
        answer.update(start_time=write_time(date.start), duration=date.duration)
    return answer


def _row(webinar: Webinar) -> dict[str, Any]:
    row = {
        "uuid": webinar.uuid,
        "id": webinar.id,
        "host_id": webinar.host.id,
        "topic": webinar.topic,
        "type": webinar.type,
        "duration": webinar.duration,
        "timezone": webinar.timezone,
        "agenda": webinar.details.get("agenda", ""),
        "created_at": write_time(webinar.created),
        "join_url": f"https://zoom.us/j/{webinar.id}",
        "is_simulive": False,
        "is_events_webinar": webinar.is_of_events,
    }
    if webinar.start is not None:
        row["start_time"] = write_time(webinar.start)
    return row


def list_webinars(account: Account, call: Call) -> dict[str, Any]:
    user = find_user(account, call)
    rows = user.webinars.rows
    if call.query["type"] == "upcoming":
        rows = [each for each in rows if each.end is None or each.end > call.now]
    if call.query.get("include_events_webinar") is False:
        rows = [each for each in rows if not each.is_of_events]
    answer = page(account.tokens, call, "webinars", rows, _row, order=lambda each: each.seq)
    if "webinars_by_number" in account.conditions:
        del answer["next_page_token"]
    return answer


def list_participants(account: Account, call: Call) -> dict[str, Any]:
    webinar = find_webinar(account, call)
    if webinar.end is None or webinar.end > call.now:
        raise call.refusal(3001)
    return _list_participants(account, call, webinar, hidden=())


def report_participants(account: Account, call: Call) -> dict[str, Any]:
    webinar = find_webinar(account, call)
    if webinar.end is None or webinar.end > call.now:
        raise call.refusal(3001)
    if webinar.end < call.now - 365 * DAY:
        raise call.refusal(12702)
    hidden = () if call.query.get("include_fields") == "registrant_id" else ("registrant_id",)
    return _list_participants(account, call, webinar, hidden=hidden)


def _list_participants(account: Account, call: Call, webinar: Webinar, *, hidden: tuple[str, ...]) -> dict[str, Any]:
    fields = [name for name in call.endpoint.fields_of("participants") if name not in hidden]

    def show(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in fields if name in row}

    return page(account.tokens, call, "participants", webinar.participants, show, order=lambda row: row["seq"])
