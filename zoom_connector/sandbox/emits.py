"""Builds the events that changes of the account cause, with the payloads that Zoom documents; sends nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from .account import ACCOUNT_ID, Account, Meeting, Registrant, ScheduledEvent, User, Webinar
from .endpoints import Call
from .meeting_views import join_url as meeting_url, show_occurrences
from .registrants import join_url
from .times import write_time

Emitted = tuple[str, dict[str, Any]]  # the event's name and its payload

_OF_CREATED = ("use_pmi", "alternative_hosts", "join_before_host", "jbh_time")
_OF_UPDATED = (
    *_OF_CREATED, "host_video", "participant_video", "mute_upon_entry", "audio", "auto_recording", "waiting_room",
    "watermark", "approval_type", "registration_type", "meeting_authentication",
)  # fmt: skip
_OF_DETAILS = ("agenda", "tracking_fields")
_OF_USER = (
    "first_name", "last_name", "display_name", "type", "company", "pmi", "use_pmi", "timezone", "vanity_name",
    "host_key", "dept", "language",
)  # fmt: skip
_NOT_DELETED = ("uuid", "id", "host_id", "topic", "type", "start_time", "duration", "timezone")


def before(account: Account, call: Call) -> dict[str, Any] | None:
    """Describe the object that a call is about to change or delete; None for any other call."""
    if call.endpoint.operation in ("meetingUpdate", "meetingDelete"):
        meeting = account.meetings.get(int(call.path["meetingId"]))
        return None if meeting is None else _meeting(meeting)
    if call.endpoint.operation in ("userUpdate", "userDelete"):
        user = account.find_user(call.path["userId"])
        return None if user is None else _user(user)
    return None


def after(
    account: Account, call: Call, old: dict[str, Any] | None, answer: Mapping[str, Any] | None
) -> Iterator[Emitted]:
    """Yield the events that a call caused; `old` comes from `before`, `answer` is the data of the response."""
    operation = call.endpoint.operation
    by = _operator(account)
    occurrence = call.query.get("occurrence_id")
    if operation == "meetingCreate" and answer:
        details = _meeting(account.meetings[answer["id"]])
        settings = {name: details["settings"][name] for name in _OF_CREATED if name in details["settings"]}
        details["settings"] = {"use_pmi": False, "alternative_hosts": "", **settings}
        details.pop("agenda", None)
        yield "meeting.created", {**by, "operation": "all", "object": {**details, "creation_source": "open_api"}}
    elif operation == "meetingUpdate" and old:
        now, then = _difference(_meeting(account.meetings[old["id"]]), old)
        scope = "single" if occurrence else "all"
        rest = {"scope": scope, "time_stamp": int(call.now * 1000), "old_object": then}
        yield "meeting.updated", {**by, "object": now, **rest}
    elif operation == "meetingDelete" and old:
        deleted = {name: old[name] for name in _NOT_DELETED if name in old}
        if occurrence:
            deleted["occurrences"] = [
                {name: row[name] for name in ("occurrence_id", "start_time")}
                for row in old.get("occurrences", ())
                if row["occurrence_id"] == occurrence
            ]
        yield "meeting.deleted", {**by, "operation": "single" if occurrence else "all", "object": deleted}
    elif operation in ("meetingRegistrantCreate", "webinarRegistrantCreate") and answer:
        kind = "meeting" if operation.startswith("meeting") else "webinar"
        event: ScheduledEvent = (account.meetings if kind == "meeting" else account.webinars)[answer["id"]]
        registrant = event.registrants.by_email[call.body["email"].casefold()]
        details = {name: value for name, value in _event(event).items() if name in _NOT_DELETED}
        details["start_time"] = write_time(event.start or event.created)
        yield (
            f"{kind}.registration_created",
            {"account_id": ACCOUNT_ID, "object": {**details, "registrant": _registrant(event, registrant)}},
        )
    elif operation == "userCreate" and answer:
        yield "user.created", {**by, "creation_type": call.body["action"], "object": dict(answer)}
    elif operation == "userUpdate" and old:
        user = account.users.get(old["id"])
        now, then = _difference(_user(user) if user else old, old)
        yield "user.updated", {**by, "object": now, "time_stamp": int(call.now * 1000), "old_object": then}
    elif operation == "userDelete" and old:
        deleted = {name: old.get(name, "") for name in ("id", "first_name", "last_name", "email", "type")}
        yield f"user.{'deleted' if call.query['action'] == 'delete' else 'disassociated'}", {**by, "object": deleted}


def live(meeting: Meeting, ended: float | None) -> Emitted:
    """Return the event that a meeting started, or ended at `ended`, in which Zoom writes the meeting number as text."""
    details = {name: value for name, value in _event(meeting).items() if name in _NOT_DELETED}
    details.update(id=str(meeting.id), host_email=meeting.host.email)
    details["start_time"] = write_time(meeting.start or meeting.created)
    if ended is not None:
        details["end_time"] = write_time(ended)
    return f"meeting.{'started' if ended is None else 'ended'}", {"account_id": ACCOUNT_ID, "object": details}


def deauthorized(client_id: str, user: User, now: float) -> Emitted:
    """Return the event that a user removed an app, which has its `event_ts` in the payload."""
    time = write_time(now)
    payload = {"account_id": ACCOUNT_ID, "user_id": user.id, "client_id": client_id, "deauthorization_time": time}
    signature = hashlib.sha256(f"{client_id} {user.id} {now}".encode()).hexdigest()
    return "app_deauthorized", {**payload, "signature": signature, "event_ts": int(now * 1000)}


def _operator(account: Account) -> dict[str, Any]:
    owner = account.owner
    operator = {"operator": owner.email, "operator_id": owner.id} if owner else {}
    return {"account_id": ACCOUNT_ID, **operator}


def _event(event: ScheduledEvent) -> dict[str, Any]:
    details: dict[str, Any] = {
        "uuid": event.uuid,
        "id": event.id,
        "host_id": event.host.id,
        "topic": event.topic,
        "type": event.type,
        "duration": event.duration,
        "timezone": event.timezone,
    }
    if event.start is not None:
        details["start_time"] = write_time(event.start)
    if event.recurrence is not None:
        details["recurrence"] = dict(event.recurrence)
        details["occurrences"] = show_occurrences(event.occurrences)
    return details


def _meeting(meeting: Meeting) -> dict[str, Any]:
    details = _event(meeting)
    details["join_url"] = meeting_url(meeting)
    details["settings"] = {name: meeting.settings[name] for name in _OF_UPDATED if name in meeting.settings}
    if meeting.password:
        details["password"] = meeting.password
    return {**details, **{name: meeting.details[name] for name in _OF_DETAILS if name in meeting.details}}


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        **{name: user.profile[name] for name in _OF_USER if name in user.profile},
    }


def _registrant(event: ScheduledEvent, registrant: Registrant) -> dict[str, Any]:
    row = {"id": registrant.id, "email": registrant.email, "first_name": "", **registrant.fields}
    row.update(status=registrant.status, join_url=join_url(event, registrant))
    if not isinstance(event, Webinar):
        row["participant_pin_code"] = registrant.pin
    return row


def _difference(now: dict[str, Any], then: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the changed fields with their new values, and with their old values; both results include the id."""
    new, old = {"id": now["id"]}, {"id": now["id"]}
    for name in {**now, **then}:
        if isinstance(now.get(name), dict) and isinstance(then.get(name), dict) and name == "settings":
            changed = [key for key in {**now[name], **then[name]} if now[name].get(key) != then[name].get(key)]
            if changed:
                new[name] = {key: now[name][key] for key in changed if key in now[name]}
                old[name] = {key: then[name][key] for key in changed if key in then[name]}
        elif now.get(name) != then.get(name):
            if name in now:
                new[name] = now[name]
            if name in then:
                old[name] = then[name]
    return new, old
