"""Meetings in the form of Zoom's responses: in full, as a row of a list, and as an invitation. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .account import Meeting, Occurrence
from .times import write_time


def show_occurrences(rows: Iterable[Occurrence]) -> list[dict[str, Any]]:
    """Return occurrences in the form of Zoom's responses."""
    return [
        {
            "occurrence_id": each.id,
            "start_time": write_time(each.start),
            "duration": each.duration,
            "status": each.status,
        }
        for each in rows
    ]


def describe(meeting: Meeting, dates: list[Occurrence]) -> dict[str, Any]:
    """Return a meeting in the form of Create Meeting and Get Meeting, with these occurrences."""
    host = meeting.host
    answer: dict[str, Any] = {
        "uuid": meeting.uuid,
        "id": meeting.id,
        "host_id": host.id,
        "host_email": host.email,
        "assistant_id": "",
        "topic": meeting.topic,
        "type": meeting.type,
        "status": meeting.status,
        "duration": meeting.duration,
        "timezone": meeting.timezone,
        "agenda": "",
        "created_at": write_time(meeting.created),
        "start_url": f"https://zoom.us/s/{meeting.id}?zak=sandbox",
        "join_url": join_url(meeting),
        "pre_schedule": False,
        "settings": meeting.settings,
        "creation_source": "open_api",
        **meeting.details,
    }
    if meeting.start is not None:
        answer["start_time"] = write_time(meeting.start)
    if meeting.password:
        answer["password"] = meeting.password
        answer["h323_password"] = answer["pstn_password"] = f"{meeting.id % 1_000_000:06d}"
        answer["encrypted_password"] = f"{meeting.uuid[:16]}.1"
    if meeting.settings.get("use_pmi"):
        answer["pmi"] = str(host.profile["pmi"])
    if meeting.settings["approval_type"] != 2:
        answer["registration_url"] = f"https://zoom.us/meeting/register/{meeting.id}"
    if meeting.recurrence is not None:
        answer["recurrence"] = meeting.recurrence
        answer["occurrences"] = show_occurrences(dates)
    if meeting.details.get("tracking_fields"):
        answer["tracking_fields"] = [{"visible": True, **each} for each in meeting.details["tracking_fields"]]
    return answer


def join_url(meeting: Meeting) -> str:
    return f"https://zoom.us/j/{meeting.id}" + (f"?pwd={meeting.uuid[:8].encode().hex()}" if meeting.password else "")


def invite(meeting: Meeting) -> dict[str, Any]:
    """Return the invitation to a meeting in the form of Get Meeting Invitation."""
    lines = [f"{meeting.host.profile['display_name']} is inviting you to a scheduled Zoom meeting.", ""]
    lines.append(f"Topic: {meeting.topic}")
    if meeting.start is not None:
        lines.append(f"Time: {write_time(meeting.start)} {meeting.timezone}")
    lines += ["", "Join Zoom Meeting", join_url(meeting), "", f"Meeting ID: {meeting.id}"]
    if meeting.password:
        lines.append(f"Passcode: {meeting.password}")
    return {"invitation": "\r\n".join(lines) + "\r\n", "sip_links": [f"sip:{meeting.id}@zoomcrc.com"]}


def show_row(meeting: Meeting) -> dict[str, Any]:
    """Return a meeting as a row of List Meetings."""
    row = {
        "uuid": meeting.uuid,
        "id": meeting.id,
        "host_id": meeting.host.id,
        "topic": meeting.topic,
        "type": meeting.type,
        "duration": meeting.duration,
        "timezone": meeting.timezone,
        "agenda": meeting.details.get("agenda", "")[:250],
        "created_at": write_time(meeting.created),
        "join_url": join_url(meeting),
    }
    if meeting.start is not None:
        row["start_time"] = write_time(meeting.start)
    if meeting.settings.get("use_pmi"):
        row["pmi"] = str(meeting.host.profile["pmi"])
    return row
