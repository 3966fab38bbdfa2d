"""Fills a new account. The same seed produces the same people, meetings and ids. Knows no HTTP.

* `users` active users, then two inactive and three pending ones. The first is the owner, `me`; the second is an admin;
  every seventh is Basic (type 1). The third and fourth have the rarer profile fields.
* `meetings` meetings, all hosted by `me`. The first two are over and recorded; their UUIDs start with "/" and contain
  "//". The third accepts registrants, the fourth recurs, the fifth has no fixed time, the sixth is live.
* `registrants` registrants of the third meeting: one in ten is pending, one in twenty denied.
* Webinars, phone recordings and chats of `me`: see `seed_events` and `seed_talk`.
"""

from __future__ import annotations

from typing import Any

from .account import Account, Meeting, Registrant, User
from .occurrences import complete, occurrences
from .seed_events import add_webinars, recording_of
from .seed_talk import add_chats, add_phone_recordings
from .settings import DEFAULTS
from .times import DAY
from .users import INVITATION_LIFETIME, MANAGED_DOMAIN, new_profile

NAMES = (
    ("Ada", "Lovelace"), ("Zoë", "Müller"), ("Łukasz", "Żółć"), ("美咲", "佐藤"), ("Анна", "Иванова"), ("عمر", "حسن"),
    ("नेहा", "शर्मा"), ("Νίκος", "Παπαδόπουλος"), ("지우", "김"), ("Sam 🚀", "O'Neill"), ("Grace", "Hopper"),
    ("Björk", "Guðmundsdóttir"), ("דנה", "כהן"),
)  # fmt: skip
_TOPICS = ("Weekly sync", "Design review", "1:1", "Kick-off — Überblick 🎉", "All hands", "顧客との打ち合わせ")
_RARE: dict[int, dict[str, Any]] = {
    2: {
        "company": "Sandbox Ltd",
        "dept": "Research",
        "job_title": "Engineer",
        "location": "Kraków",
        "employee_unique_id": "E-0002",
        "custom_attributes": [{"key": "cbf_cywdkexrtqc73f97gd4w6g", "name": "Team", "value": "Blue"}],
        "phone_numbers": [
            {"code": "+48", "country": "PL", "label": "Mobile", "number": "600100200", "verified": True},
        ],
        "pronouns": "they/them",
        "pronouns_option": 2,
        "plan_united_type": "1",
        "timezone": "Europe/Warsaw",
    },
    3: {"group_ids": ["t-_-d56CSWG-7BF15LLrOw"], "vanity_url": "https://zoom.us/my/misaki", "timezone": "Asia/Tokyo"},
}


def fill(account: Account, *, users: int, meetings: int, registrants: int) -> None:
    """Add users, meetings, registrants, webinars, phone recordings and chats to a new account."""
    now = float(int(account.clock()))
    owner = _add_user(account, 0, now)
    for number in range(1, users):
        _add_user(account, number, now)
    for number in range(2):
        _add_user(account, users + number, now, status="inactive")
    for number in range(3):
        age = INVITATION_LIFETIME + DAY if number == 2 else DAY
        _add_user(account, users + 2 + number, now, status="pending", age=age)
    for number in range(meetings):
        meeting = _add_meeting(account, owner, number, now)
        if number == 2:
            for index in range(registrants):
                _add_registrant(account, meeting, index, now)
    add_webinars(account, owner, now)
    add_phone_recordings(account, owner, now)
    add_chats(account, owner, now)


def _add_user(account: Account, number: int, now: float, *, status: str = "active", age: float = 400 * DAY) -> User:
    first_name, last_name = NAMES[number % len(NAMES)]
    role = {0: "0", 1: "1"}.get(number, "2")
    kind = 1 if number % 7 == 6 else 2
    profile = new_profile(account, first_name=first_name, last_name=last_name, type=kind, role=role)
    profile.update(_RARE.get(number, {}))
    if status == "active":
        profile["last_login_time"] = "2026-01-05T08:00:00Z"
        profile["last_client_version"] = "6.2.0.1855(mac)"
    if status == "pending":
        profile["verified"] = 0
    domain = MANAGED_DOMAIN if number == 5 else "sandbox.example"
    user = User(
        seq=account.next_seq(),
        id=account.new_id(),
        email=f"user{number}@{domain}",
        status=status,
        created=now - age + number / 1000,
        profile=profile,
        settings={"host_video": number % 2 == 0, "mute_upon_entry": number % 3 == 0},
    )
    if number == 2:
        user.settings["licenses"] = ("zoom_workforce_management",)
    if number == 3:
        account.vanity_names["misaki"] = user
    account.add_user(user)
    return user


def _add_meeting(account: Account, host: User, number: int, now: float) -> Meeting:
    day = {0: -3, 1: -2, 2: 7, 3: 1, 5: 0}.get(number, number % 60 - 10)
    meeting = Meeting(
        seq=account.next_seq(),
        id=account.new_number(),
        uuid={0: "/" + account.new_uuid()[1:], 1: "ab//" + account.new_uuid()[4:]}.get(number, account.new_uuid()),
        host=host,
        type={3: 8, 4: 3}.get(number, 2),
        topic=f"{_TOPICS[number % len(_TOPICS)]} {number + 1}",
        created=now - 30 * DAY,
        start=None if number == 4 else now + day * DAY - 600,
        duration=60,
        timezone="UTC",
        settings={**DEFAULTS, "approval_type": {2: 0, 3: 1}.get(number, 2), "contact_email": host.email},
        details={"agenda": f"Agenda {number + 1}"},
        password="abc123",
        status="started" if number == 5 else "waiting",
    )
    if number == 3:
        meeting.recurrence = complete({"type": 2, "weekly_days": "2,4", "end_times": 6})
        meeting.occurrences = occurrences(meeting.recurrence, meeting.start or now, 60, "UTC")
        meeting.start = meeting.occurrences[0].start
    if number in (0, 1):
        meeting.recording = recording_of(account, meeting)
    account.add_meeting(meeting)
    return meeting


def _add_registrant(account: Account, meeting: Meeting, number: int, now: float) -> None:
    first_name, last_name = NAMES[number % len(NAMES)]
    meeting.registrants.add(
        Registrant(
            seq=account.next_seq(),
            id=account.new_id(),
            email=f"registrant{number}@guest.example",
            status="pending" if number % 10 == 9 else "denied" if number % 20 == 18 else "approved",
            created=now - DAY,
            fields={"first_name": first_name, "last_name": last_name, "org": "Guest Ltd", "country": "PL"},
            pin=100_000 + number % 900_000,
        )
    )
