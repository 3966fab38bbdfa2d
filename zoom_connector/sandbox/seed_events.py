"""Seeds an account with webinars, their participants, and cloud recordings; deterministic, as is `seed`.

`me` hosts seven webinars: one with automatic approval, one with manual approval and a panelist, one without
registration, a recurring one, one of Zoom Events, one that ended recently (its UUID contains "//"), and one that ended
more than a year ago (its UUID starts with "/").
"""

from __future__ import annotations

from typing import Any

from .account import Account, Meeting, Registrant, User, Webinar
from .occurrences import complete, occurrences
from .times import DAY, write_time

_CAPTIONS = 2345  # bytes; Zoom's response has no size for captions
PANELIST = "panelist@guest.example"
_SETTINGS: dict[str, Any] = {
    "host_video": True,
    "panelists_video": True,
    "practice_session": False,
    "hd_video": False,
    "approval_type": 0,
    "registration_type": 1,
    "audio": "both",
    "auto_recording": "none",
    "alternative_hosts": "",
    "close_registration": True,
    "show_share_button": True,
    "allow_multiple_devices": True,
    "on_demand": False,
    "registrants_confirmation_email": True,
    "registrants_email_notification": True,
    "meeting_authentication": False,
    "question_and_answer": {"enable": True, "allow_anonymous_questions": True},
}


def add_webinars(account: Account, host: User, now: float) -> None:
    """Add the seven webinars of `host`."""
    first = _add(account, host, "Product launch", now + 14 * DAY)
    for number in range(5):
        _register(account, first, number, now)
    _add(account, host, "Quarterly results 決算", now + 20 * DAY, approval=1, panelists=frozenset({PANELIST}))
    _add(account, host, "Open day", now + 25 * DAY, approval=2)
    weekly = _add(account, host, "Office hours", now + DAY, kind=9)
    weekly.recurrence = complete({"type": 2, "weekly_days": "3", "end_times": 5})
    weekly.occurrences = occurrences(weekly.recurrence, weekly.start or now, weekly.duration, weekly.timezone)
    weekly.start = weekly.occurrences[0].start
    _add(account, host, "Festival 🎪", now + 40 * DAY, is_of_events=True)
    recent = _add(account, host, "Spring review", now - 10 * DAY, uuid="ab//" + account.new_uuid()[4:])
    old = _add(account, host, "Spring review of last year", now - 400 * DAY, uuid="/" + account.new_uuid()[1:])
    for webinar in (recent, old):
        webinar.participants = [_participant(account, webinar, number) for number in range(45)]


def _add(
    account: Account,
    host: User,
    topic: str,
    start: float,
    *,
    kind: int = 5,
    approval: int = 0,
    uuid: str | None = None,
    panelists: frozenset[str] = frozenset(),
    is_of_events: bool = False,
) -> Webinar:
    webinar = Webinar(
        seq=account.next_seq(),
        id=account.new_number(),
        uuid=uuid or account.new_uuid(),
        host=host,
        type=kind,
        topic=topic,
        created=start - 60 * DAY,
        start=start,
        duration=60,
        timezone="UTC",
        settings={**_SETTINGS, "approval_type": approval, "contact_email": host.email},
        details={"agenda": f"About: {topic}"},
        panelists=panelists,
        is_of_events=is_of_events,
    )
    account.add_webinar(webinar)
    return webinar


def _register(account: Account, webinar: Webinar, number: int, now: float) -> None:
    webinar.registrants.add(
        Registrant(
            seq=account.next_seq(),
            id=account.new_id(),
            email=f"guest{number}@guest.example",
            status="denied" if number == 4 else "approved",
            created=now - DAY,
            fields={"first_name": "Guest", "last_name": str(number), "no_of_employees": "1-20"},
            source_id="newsletter" if number % 2 else "",
        )
    )


def _participant(account: Account, webinar: Webinar, number: int) -> dict[str, Any]:
    """Return the row of one join; every ninth is a person who rejoined, and every fifth person has no address."""
    person = number - 1 if number % 9 == 8 else number
    start = (webinar.start or 0.0) + number
    minutes = 20 if number % 9 in (7, 8) else 55
    return {
        "seq": account.next_seq(),
        "id": f"participantId{person:09d}",
        "user_id": str(16_778_240 + number),
        "participant_user_id": f"participantId{person:09d}",
        "name": f"Guest {person}",
        "user_email": "" if person % 5 == 4 else f"guest{person}@guest.example",
        "registrant_id": f"registrantId{person:010d}",
        "join_time": write_time(start),
        "leave_time": write_time(start + minutes * 60),
        "duration": minutes * 60,
        "failover": False,
        "status": "in_meeting",
        "internal_user": False,
        "customer_key": "",
        "bo_mtg_id": "",
    }


def recording_of(account: Account, meeting: Meeting) -> dict[str, Any]:
    """Return the recordings of a past meeting; as at Zoom, the caption file has fewer fields.

    The download URLs are only paths, because the sandbox's port is not known yet.
    """
    start = meeting.start or 0.0
    span = {"recording_start": write_time(start), "recording_end": write_time(start + meeting.duration * 60)}

    def file(kind: str, extension: str, recording_type: str, size: int) -> dict[str, Any]:
        id = account.new_id()
        path = f"/rec/download/{id}"
        return {
            "id": id,
            "meeting_id": meeting.uuid,
            "file_type": kind,
            "file_extension": extension,
            "file_size": size,
            "play_url": f"https://zoom.us/rec/play/{id}",
            "download_url": account.add_file(path, size=size, extension=extension, meeting=meeting.id),
            "recording_type": recording_type,
            "status": "completed",
            **span,
        }

    path = f"/rec/download/{account.new_id()}"
    captions = {
        "meeting_id": meeting.uuid,
        "file_type": "CC",
        "file_extension": "VTT",
        "download_url": account.add_file(path, size=_CAPTIONS, extension="VTT", meeting=meeting.id),
        **span,
    }
    audio_id = account.new_id()
    audio = account.add_file(f"/rec/download/{audio_id}", size=1_234_567, extension="M4A", meeting=meeting.id)
    return {
        "recording_files": [
            file("MP4", "MP4", "shared_screen_with_speaker_view", 24_567_890),
            file("M4A", "M4A", "audio_only", 3_456_789),
            file("CHAT", "TXT", "chat_file", 512),
            captions,
        ],
        "participant_audio_files": [
            {
                "id": audio_id,
                "file_name": f"Audio only - {meeting.host.profile['display_name']}",
                "file_type": "M4A",
                "file_size": 1_234_567,
                "play_url": f"https://zoom.us/rec/play/{audio_id}",
                "download_url": audio,
                "status": "completed",
                **span,
            }
        ],
    }
