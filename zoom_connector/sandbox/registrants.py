"""The endpoints for registrants of meetings and webinars. They read and change the account and know no HTTP."""

from __future__ import annotations

from typing import Any

from .account import Account, Meeting, Occurrence, Registrant, ScheduledEvent, Webinar
from .endpoints import Call
from .meeting_views import show_occurrences
from .meetings import find_meeting
from .paging import page
from .times import write_time
from .webinars import find_webinar

MOST = 4999
_ROW_FIELDS = (
    "address", "city", "comments", "country", "custom_questions", "first_name", "industry", "job_title", "last_name",
    "no_of_employees", "org", "phone", "purchasing_time_frame", "role_in_purchase_process", "state", "zip",
)  # fmt: skip


def add_meeting_registrant(account: Account, call: Call) -> dict[str, Any]:
    meeting = find_meeting(account, call)
    if meeting.settings["approval_type"] == 2:
        raise call.refusal(3000, "Registration has not been enabled")
    _refuse_registration(call, meeting)
    is_automatic = meeting.settings["approval_type"] == 0 or call.body.get("auto_approve", False)
    registrant = _register(account, call, meeting, "approved" if is_automatic else "pending")
    answer = _confirm(meeting, registrant)
    answer["participant_pin_code"] = registrant.pin
    return answer


def add_webinar_registrant(account: Account, call: Call) -> dict[str, Any]:
    webinar = find_webinar(account, call)
    if webinar.settings["approval_type"] == 2:
        raise call.refusal(3000, "does not have registration")
    if call.body["email"].casefold() in webinar.panelists:
        raise call.refusal(3000, "panelist")
    _refuse_registration(call, webinar)
    is_automatic = webinar.settings["approval_type"] == 0
    registrant = _register(account, call, webinar, "approved" if is_automatic else "pending")
    return _confirm(webinar, registrant)


def _refuse_registration(call: Call, event: ScheduledEvent) -> None:
    email = call.body["email"].casefold()
    if email == event.host.email.casefold():
        raise call.refusal(3027)
    if event.end is not None and event.end < call.now:
        raise call.refusal(3038)
    if len(event.registrants) >= MOST and email not in event.registrants.by_email:
        if isinstance(event, Meeting):
            raise call.refusal(3043)
        raise call.refusal(3000, "limit for the number")


def _register(account: Account, call: Call, event: ScheduledEvent, status: str) -> Registrant:
    """Register a person, or update the fields and dates of an existing registrant."""
    body = call.body
    chosen = _chosen_occurrences(call, event)
    registrants = event.registrants
    account.limits.spend_registrant(call, event.id, "meeting" if isinstance(event, Meeting) else "webinar")
    existing = registrants.by_email.get(body["email"].casefold())
    if existing is not None:
        existing.fields.update({name: body[name] for name in _ROW_FIELDS if name in body})
        if existing.occurrences is not None:
            existing.occurrences = None if chosen is None else existing.occurrences | chosen
        return existing
    registrant = Registrant(
        seq=account.next_seq(),
        id=account.new_id(),
        email=body["email"],
        status=status,
        created=call.now,
        fields={name: body[name] for name in _ROW_FIELDS if name in body},
        occurrences=chosen,
        source_id=body.get("source_id", ""),
        pin=account.draw.randrange(100_000, 1_000_000),
    )
    registrants.add(registrant)
    return registrant


def _chosen_occurrences(call: Call, event: ScheduledEvent) -> frozenset[str] | None:
    text = call.query.get("occurrence_ids", "")
    chosen = frozenset(part.strip() for part in text.split(",") if part.strip())
    available = {each.id for each in event.occurrences if each.status == "available"}
    if chosen - available:
        raise call.invalid("occurrence_ids")
    return chosen or None


def join_url(event: ScheduledEvent, registrant: Registrant) -> str:
    page_of = "w" if isinstance(event, Webinar) else "j"
    return f"https://zoom.us/{page_of}/{event.id}?tk={registrant.id}"


def _confirm(event: ScheduledEvent, registrant: Registrant) -> dict[str, Any]:
    answer: dict[str, Any] = {"registrant_id": registrant.id, "id": event.id, "topic": event.topic}
    if event.start is not None:
        answer["start_time"] = write_time(event.start)
    if event.occurrences:
        answer["occurrences"] = show_occurrences(each for each in event.occurrences if _attends(registrant, each))
    if registrant.status == "approved":
        answer["join_url"] = join_url(event, registrant)
    return answer


def _attends(registrant: Registrant, occurrence: Occurrence) -> bool:
    return registrant.occurrences is None or occurrence.id in registrant.occurrences


def list_meeting_registrants(account: Account, call: Call) -> dict[str, Any]:
    return _list(account, call, find_meeting(account, call))


def list_webinar_registrants(account: Account, call: Call) -> dict[str, Any]:
    return _list(account, call, find_webinar(account, call))


def _list(account: Account, call: Call, event: ScheduledEvent) -> dict[str, Any]:
    rows = event.registrants.by_status[call.query["status"]].rows
    occurrence = call.query.get("occurrence_id")
    if occurrence:
        if event.occurrence(occurrence) is None:
            raise call.refusal(300, "occurrence_id")
        rows = [each for each in rows if each.occurrences is None or occurrence in each.occurrences]
    if call.query.get("tracking_source_id"):
        rows = [each for each in rows if each.source_id == call.query["tracking_source_id"]]

    def show(registrant: Registrant) -> dict[str, Any]:
        row = {
            "id": registrant.id,
            "email": registrant.email,
            "first_name": "",
            "last_name": "",
            **registrant.fields,
            "status": registrant.status,
            "create_time": write_time(registrant.created),
        }
        if registrant.status == "approved":
            row["join_url"] = join_url(event, registrant)
            if isinstance(event, Meeting):
                row["participant_pin_code"] = registrant.pin
        return row

    return page(account.tokens, call, "registrants", rows, show, order=lambda each: each.seq)
