"""The state of one Zoom account: users, meetings, webinars and more. It knows no HTTP and checks no requests.

Only the server's loop touches this state. Each row has a `seq`, which orders it in every list.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from .contents import RecordedFile
from .limits import AccountLimits
from .paging import PageTokens

ACCOUNT_ID = "sandboxAccountId123456"
ACCOUNT_NUMBER = 80001234567


class Row(Protocol):
    """An object in an `ObjectTable`."""

    seq: int


R = TypeVar("R", bound=Row)


class ObjectTable(Generic[R]):
    """Rows in the order of their `seq`. Adding and removing are fast; `rows` is cached until the next change."""

    def __init__(self) -> None:
        self._rows: dict[int, R] = {}
        self._list: list[R] | None = None

    def add(self, row: R) -> None:
        is_last = not self._rows or next(reversed(self._rows)) < row.seq
        self._rows[row.seq] = row
        if not is_last:
            self._rows = dict(sorted(self._rows.items()))
            self._list = None
        elif self._list is not None:
            self._list.append(row)

    def remove(self, row: R) -> None:
        if self._rows.pop(row.seq, None) is not None:
            self._list = None

    @property
    def rows(self) -> list[R]:
        if self._list is None:
            self._list = list(self._rows.values())
        return self._list

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self._rows)


@dataclass(slots=True, kw_only=True, eq=False)
class User:
    """A user: `profile` has the fields that Zoom returns, `settings` the defaults of new meetings."""

    seq: int
    id: str
    email: str
    status: str  # active, inactive or pending
    created: float
    profile: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    meetings: ObjectTable[Meeting] = field(default_factory=lambda: ObjectTable[Meeting]())
    webinars: ObjectTable[Webinar] = field(default_factory=lambda: ObjectTable[Webinar]())

    @property
    def type(self) -> int:
        return int(self.profile["type"])

    @property
    def may_host(self) -> bool:
        """False for users of type 4 and 99, who cannot host meetings."""
        return self.type in (1, 2)


@dataclass(slots=True, kw_only=True, eq=False)
class Occurrence:
    """One date of a recurring meeting or webinar; `changes` has the updates to this date alone."""

    id: str
    start: float
    duration: int
    status: str = "available"
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class Registrant:
    """A person who registered for the dates `occurrences`; None: all dates."""

    seq: int
    id: str
    email: str
    status: str  # pending, approved or denied
    created: float
    fields: dict[str, Any]
    occurrences: frozenset[str] | None = None
    source_id: str = ""
    pin: int = 0


class Registrants:
    """The registrants of one meeting or webinar, by email and by status."""

    def __init__(self) -> None:
        self.by_email: dict[str, Registrant] = {}
        self.by_status: dict[str, ObjectTable[Registrant]] = {
            name: ObjectTable() for name in ("pending", "approved", "denied")
        }

    def add(self, registrant: Registrant) -> None:
        self.by_email[registrant.email.casefold()] = registrant
        self.by_status[registrant.status].add(registrant)

    def __len__(self) -> int:
        return len(self.by_email)


@dataclass(slots=True, kw_only=True, eq=False)
class ScheduledEvent:
    """The common part of meetings and webinars; `details` has the remaining fields that Zoom returns."""

    seq: int
    id: int
    uuid: str
    host: User
    type: int
    topic: str
    created: float
    start: float | None  # None: no fixed time
    duration: int
    timezone: str
    settings: dict[str, Any]
    details: dict[str, Any] = field(default_factory=dict)
    recurrence: dict[str, Any] | None = None
    occurrences: list[Occurrence] = field(default_factory=list)
    registrants: Registrants = field(default_factory=Registrants)

    @property
    def end(self) -> float | None:
        """The end of the last date (seconds); None without a fixed time."""
        if self.occurrences:
            return max(each.start + each.duration * 60 for each in self.occurrences)
        return None if self.start is None else self.start + self.duration * 60

    def occurrence(self, id: str) -> Occurrence | None:
        return next((each for each in self.occurrences if each.id == id), None)


@dataclass(slots=True, kw_only=True, eq=False)
class Meeting(ScheduledEvent):
    """A meeting: `password` may be "", `status` is waiting or started."""

    password: str = ""
    status: str = "waiting"
    recording: dict[str, Any] | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Webinar(ScheduledEvent):
    """A webinar; `participants` has a row for each join."""

    participants: list[dict[str, Any]] = field(default_factory=list)
    panelists: frozenset[str] = frozenset()
    is_of_events: bool = False


class Account:
    """One Zoom account; `conditions` has names from `conditions.CONDITIONS`, `origin` is the sandbox's own origin."""

    def __init__(
        self, *, clock: Callable[[], float], seed: int, page_token_lifetime: float, plan: str | None = None
    ) -> None:
        self.clock = clock
        self.draw = random.Random(seed)
        self.tokens = PageTokens(secret=f"sandbox {seed}".encode(), lifetime=page_token_lifetime)
        self.conditions: set[str] = set()
        self.limits = AccountLimits(clock, plan)
        self.origin = "https://zoom.us"
        self.owner: User | None = None
        self.users: dict[str, User] = {}  # by id
        self.users_by_email: dict[str, User] = {}
        self.users_by_status: dict[str, ObjectTable[User]] = {
            name: ObjectTable() for name in ("active", "inactive", "pending")
        }
        self.vanity_names: dict[str, User] = {}
        self.meetings: dict[int, Meeting] = {}
        self.meetings_by_uuid: dict[str, Meeting] = {}
        self.webinars: dict[int, Webinar] = {}
        self.webinars_by_uuid: dict[str, Webinar] = {}
        self.phone_recordings: dict[str, list[dict[str, Any]]] = {}  # by user id, newest last
        self.files: dict[str, RecordedFile] = {}  # by path
        self.channels: dict[str, dict[str, Any]] = {}  # by channel id
        self.members: dict[str, list[str]] = {}  # user id -> channel ids
        self.messages: dict[tuple[str, str], list[dict[str, Any]]] = {}  # (user id, contact or channel) -> messages
        self._seq = 0

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def new_id(self) -> str:
        """Return a new id of 22 URL-safe characters."""
        return base64.urlsafe_b64encode(self.draw.randbytes(16)).decode().rstrip("=")

    def new_uuid(self) -> str:
        """Return a new meeting UUID in base64, which can contain `+`, `/` and `=`, as Zoom's do."""
        return base64.b64encode(self.draw.randbytes(16)).decode()

    def new_number(self) -> int:
        """Return an unused meeting or webinar number of 11 digits."""
        while True:
            number = self.draw.randrange(80_000_000_000, 90_000_000_000)
            if number not in self.meetings and number not in self.webinars:
                return number

    def add_user(self, user: User) -> None:
        self.users[user.id] = user
        self.users_by_email[user.email.casefold()] = user
        self.users_by_status[user.status].add(user)
        self.owner = self.owner or user

    def remove_user(self, user: User) -> None:
        del self.users[user.id]
        del self.users_by_email[user.email.casefold()]
        self.users_by_status[user.status].remove(user)
        self.vanity_names = {name: owner for name, owner in self.vanity_names.items() if owner is not user}

    def find_user(self, user: str) -> User | None:
        """Find a user by id, email or `me`."""
        if user == "me":
            return self.owner
        return self.users.get(user) or self.users_by_email.get(user.casefold())

    def add_meeting(self, meeting: Meeting) -> None:
        self.meetings[meeting.id] = meeting
        self.meetings_by_uuid[meeting.uuid] = meeting
        meeting.host.meetings.add(meeting)

    def remove_meeting(self, meeting: Meeting) -> None:
        del self.meetings[meeting.id]
        del self.meetings_by_uuid[meeting.uuid]
        meeting.host.meetings.remove(meeting)

    def add_file(self, path: str, *, size: int, extension: str, meeting: int = 0) -> str:
        """Make a file available for download at `path`, and return the path."""
        self.files[path] = RecordedFile(path=path, size=size, extension=extension, meeting=meeting)
        return path

    def add_webinar(self, webinar: Webinar) -> None:
        self.webinars[webinar.id] = webinar
        self.webinars_by_uuid[webinar.uuid] = webinar
        webinar.host.webinars.add(webinar)

    def remove_webinar(self, webinar: Webinar) -> None:
        del self.webinars[webinar.id]
        del self.webinars_by_uuid[webinar.uuid]
        webinar.host.webinars.remove(webinar)
