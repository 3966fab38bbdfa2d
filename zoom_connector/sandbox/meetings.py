"""The meeting endpoints, except registrants. They read and change the account and know no HTTP."""

from __future__ import annotations

from typing import Any

from . import settings
from .account import Account, Meeting, Occurrence, ScheduledEvent, User
from .endpoints import Call
from .meeting_views import describe, invite, show_row
from .occurrences import complete, occurrences, wrong_fields
from .paging import page
from .times import DAY, end_of, read_date, read_time, start_of, write_time, zone
from .users import find_user

_WINDOW = 183 * DAY  # Zoom lists upcoming and previous meetings of six months
_DETAILS = ("agenda", "pre_schedule", "template_id", "sensitivity_label_id", "tracking_fields")
_OF_ONE_DATE = ("host_video", "participant_video", "join_before_host", "mute_upon_entry", "waiting_room", "watermark")


def find_meeting(account: Account, call: Call) -> Meeting:
    """Find the meeting of a path by number; raise Zoom's refusal if the number is unknown or that of a webinar."""
    number = int(call.path["meetingId"])
    meeting = account.meetings.get(number)
    if meeting is None:
        if number in account.webinars:
            code = 300 if call.endpoint.operation == "meetingRegistrants" else 3000
            raise call.refusal(code, "Cannot access")
        raise call.refusal(1001 if call.endpoint.operation == "meetingRegistrantCreate" else 3001)
    if not meeting.host.may_host and call.endpoint.operation != "meetingDelete":  # deleting is always allowed
        raise call.refusal(3161)
    return meeting


def create_meeting(account: Account, call: Call) -> dict[str, Any]:
    user = find_user(account, call)
    body = call.body
    kind = body.get("type", 2)
    _check_body(call, kind, None)
    host = _scheduled_for(account, call, kind) or user
    if not host.may_host:
        raise call.refusal(3161)
    zone_name = body.get("timezone") or host.profile["timezone"] or "UTC"
    start = read_time(body["start_time"], zone_name) if "start_time" in body else None
    meeting = Meeting(
        seq=account.next_seq(),
        id=account.new_number(),
        uuid=account.new_uuid(),
        host=host,
        type=kind,
        topic=body.get("topic") or "Zoom Meeting",
        created=call.now,
        start=None if kind == 3 else max(start or 0.0, float(int(call.now))),
        duration=body.get("duration", 60),
        timezone=zone_name,
        settings=settings.of_new_meeting(host, body.get("settings", {}), call),
        details={name: body[name] for name in _DETAILS if name in body},
    )
    meeting.password = _password(account, host, body)
    if not meeting.password and not meeting.settings["meeting_authentication"]:
        meeting.settings["waiting_room"] = True  # Zoom requires some protection for every meeting
    if host is not user:
        meeting.details["assistant_id"] = user.id
    if kind == 8:
        _plan(call, meeting, body["recurrence"])
    account.limits.spend_host(call, host.id)
    account.add_meeting(meeting)
    return describe(meeting, meeting.occurrences)


def _check_body(call: Call, kind: int, old: Meeting | None) -> None:
    """Refuse values that are valid by themselves but not together."""
    body = call.body
    wrong = []
    if body.get("timezone") and zone(body["timezone"]) is None:
        wrong.append("timezone")
    if kind == 8 and "recurrence" in body:
        wrong.extend(wrong_fields(body["recurrence"]))
    elif kind == 8 and (old is None or old.recurrence is None):
        wrong.append("recurrence")
    if body.get("settings", {}).get("audio") == "thirdParty" and not body["settings"].get("audio_conference_info"):
        wrong.append("settings.audio_conference_info")
    if wrong:
        raise call.invalid(*wrong)
    if "," in str(body.get("settings", {}).get("enforce_login_domains", "")):
        raise call.refusal(300, "enforce_login_domains")
    if body.get("pre_schedule") and kind not in (2, 3):
        raise call.refusal(3000, "Prescheduling")


def _scheduled_for(account: Account, call: Call, kind: int) -> User | None:
    host = call.body.get("schedule_for")
    if not host:
        return None
    if kind == 1:
        raise call.refusal(3000, "schedule_for")
    user = account.find_user(host)
    if user is None:
        chat = call.body.get("settings", {}).get("continuous_meeting_chat", {})
        if call.endpoint.operation == "meetingUpdate" and chat.get("enable"):
            raise call.refusal(3000, "outside of your account")
        raise call.refusal(300, "schedule_for")
    if user.status != "active":
        raise call.refusal(3000, "cannot schedule", userId=host)
    return user


def _password(account: Account, host: User, body: dict[str, Any]) -> str:
    if body.get("password"):
        return str(body["password"])
    if body.get("default_password", True) and host.settings.get("require_password", True):
        return "".join(account.draw.choices("abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789", k=6))
    return ""


def _plan(call: Call, meeting: ScheduledEvent, recurrence: dict[str, Any]) -> None:
    """Set a meeting's recurrence and dates; the first date becomes its start."""
    full = complete(recurrence)
    dates = occurrences(full, meeting.start or call.now, meeting.duration, meeting.timezone)
    if not dates:
        raise call.invalid("recurrence.end_date_time")
    meeting.recurrence, meeting.occurrences, meeting.start = full, dates, dates[0].start


def get_meeting(account: Account, call: Call) -> dict[str, Any]:
    meeting = find_meeting(account, call)
    dates = meeting.occurrences
    if not call.query.get("show_previous_occurrences"):
        dates = [date for date in dates if date.start + date.duration * 60 > call.now]
    answer = describe(meeting, dates)
    if call.query.get("occurrence_id"):
        date = find_occurrence(call, meeting)
        answer.update(start_time=write_time(date.start), duration=date.duration)
        answer["settings"] = {**meeting.settings, **date.changes.get("settings", {})}
        answer["agenda"] = date.changes.get("agenda", answer["agenda"])
    return answer


def find_occurrence(call: Call, event: ScheduledEvent) -> Occurrence:
    """Find the date that `occurrence_id` names, or raise Zoom's refusal."""
    date = event.occurrence(call.query["occurrence_id"])
    if date is None or date.status == "deleted":
        raise call.refusal(300, "occurrence_id")
    return date


def update_meeting(account: Account, call: Call) -> None:
    meeting = find_meeting(account, call)
    body = call.body
    kind = body.get("type", meeting.type)
    _check_body(call, kind, meeting)
    account.limits.spend_host(call, meeting.host.id)
    if call.query.get("occurrence_id"):
        _update_occurrence(call, meeting, find_occurrence(call, meeting))
        return
    host = _scheduled_for(account, call, kind)
    if host is not None and host is not meeting.host:
        account.remove_meeting(meeting)
        meeting.details["assistant_id"] = meeting.host.id
        meeting.host = host
        account.add_meeting(meeting)
    meeting.topic = body.get("topic", meeting.topic)
    meeting.duration = body.get("duration", meeting.duration)
    meeting.timezone = body.get("timezone") or meeting.timezone
    meeting.password = body.get("password", meeting.password)
    meeting.details.update({name: body[name] for name in _DETAILS if name in body})
    meeting.settings = settings.of_changed_meeting(meeting.settings, body.get("settings", {}), call)
    meeting.type = kind
    start = read_time(body["start_time"], meeting.timezone) if "start_time" in body else None
    has_moved = start is not None and start > call.now  # Zoom silently ignores a time in the past
    if has_moved:
        meeting.start = start
    if kind == 3:
        meeting.start = None
    elif meeting.start is None:
        meeting.start = float(int(call.now))
    if kind != 8:
        meeting.recurrence, meeting.occurrences = None, []
    elif "recurrence" in body or (has_moved and meeting.recurrence):
        _plan(call, meeting, body.get("recurrence") or meeting.recurrence or {})
    elif "duration" in body:
        for each in meeting.occurrences:
            each.duration = meeting.duration


def _update_occurrence(call: Call, meeting: Meeting, date: Occurrence) -> None:
    """Change a single date; Zoom applies only these fields and ignores all others."""
    body = call.body
    if "agenda" in body:
        date.changes["agenda"] = body["agenda"]
    date.duration = body.get("duration", date.duration)
    start = read_time(body["start_time"], meeting.timezone) if "start_time" in body else None
    if start is not None and start > call.now:
        date.start = start
    names = (*_OF_ONE_DATE, "auto_recording")
    changes = {name: value for name, value in body.get("settings", {}).items() if name in names}
    date.changes["settings"] = {**date.changes.get("settings", {}), **changes}


def delete_meeting(account: Account, call: Call) -> None:
    meeting = find_meeting(account, call)
    if call.query.get("occurrence_id"):
        find_occurrence(call, meeting).status = "deleted"
    else:
        account.remove_meeting(meeting)


def get_invitation(account: Account, call: Call) -> dict[str, Any]:
    return invite(find_meeting(account, call))


def list_meetings(account: Account, call: Call) -> dict[str, Any]:
    user = find_user(account, call)
    if not user.may_host:
        raise call.refusal(3161)
    query = call.query
    zone_name = query.get("timezone", "UTC")
    if zone(zone_name) is None:
        raise call.invalid("timezone")
    first_day, last_day = read_date(query.get("from", "")), read_date(query.get("to", ""))
    first = start_of(first_day, zone_name) if first_day else float("-inf")
    last = end_of(last_day, zone_name) if last_day else float("inf")
    if first >= last:
        raise call.invalid("from", "to")
    is_bounded = "from" in query or "to" in query

    def is_listed(meeting: Meeting) -> bool:
        if meeting.type in (1, 10) and query["type"] != "live":
            return False  # Zoom lists instant meetings only while they are live
        if is_bounded and (meeting.start is None or not first <= meeting.start < last):
            return False
        if query["type"] == "scheduled":
            return True
        if query["type"] == "live":
            return meeting.status == "started"
        end = meeting.end
        if query["type"] == "previous_meetings":
            return end is not None and call.now - _WINDOW <= end <= call.now
        if meeting.status == "started":
            return True
        return end is None or (end > call.now and (meeting.start or 0) <= call.now + _WINDOW)

    rows = [meeting for meeting in user.meetings.rows if is_listed(meeting)]
    return page(account.tokens, call, "meetings", rows, show_row, order=lambda meeting: meeting.seq)
