"""Warnings about inputs that are accepted, and the rules that Zoom's documentation says only in prose."""

from __future__ import annotations

import enum
import re
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.inputs.values import as_json
from zoom_connector import Connector, InputError, load

ROOT = Path(__file__).parents[1]
MEETING = {"user_id": "me", "topic": "T"}
UPDATE = {"meeting_id": "81279432123", "topic": "T"}
WEEKLY = {"type_recurrence": 2, "weekly_day": 3}
PHONE = {"user_id": "me"}
CHAT = {"user_id": "me", "to_contact": "a@example.com"}
ONE_DATE = (
    "Zoom replaces the whole recurrence: without 'End Times' or 'End Date Time', only one date is left, "
    "and an empty 'Repeat Interval' becomes 1. Fill in all of it again."
)


def warnings(connector: Connector, key: str, inputs: dict[str, Any], **options: Any) -> dict[str, str]:
    return {
        warning["where"]: warning["what"] for warning in connector.actions[key].preview(inputs, **options)["warnings"]
    }


def refused(connector: Connector, key: str, inputs: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        connector.actions[key].preview(inputs)
    return {problem.where: problem.what for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("key", "inputs", "where", "says"),
    [
        ("update-meeting", {**UPDATE, **WEEKLY}, "type_recurrence", ONE_DATE),
        (
            "create-meeting",
            {**MEETING, "type": 8, "type_recurrence": 1},
            "type_recurrence",
            "Without 'End Times' or 'End Date Time', Zoom schedules a single meeting.",
        ),
        (
            "update-meeting",
            {**UPDATE, "type": 8},
            "type",
            "A meeting that is not recurring yet also needs 'Type Recurrence'.",
        ),
        (
            "create-meeting",
            {**MEETING, "start_time": "2026-11-02T11:00:00Z", "timezone": "America/New_York"},
            "start_time",
            "The time has a zone of its own, so the meeting starts at 2026-11-02 06:00 America/New_York. "
            "If 11:00 in America/New_York is meant, leave out the Z or the offset.",
        ),
        (
            "create-meeting",
            {**MEETING, "start_time": "2026-07-02T11:00:00+02:00", "timezone": "Asia/Kolkata"},
            "start_time",
            "The time has a zone of its own, so the meeting starts at 2026-07-02 14:30 Asia/Kolkata. "
            "If 11:00 in Asia/Kolkata is meant, leave out the Z or the offset.",
        ),
        (
            "create-meeting",
            {**MEETING, "settings_extra_fields": {"waitingroom": True}},
            "settings_extra_fields.waitingroom",
            "is not a known key, but is sent unchanged. Did you mean 'waiting_room'?",
        ),
        (
            "create-meeting",
            {**MEETING, "settings_extra_fields": {"breakout_room": {"rooms": [{"participant": ["a"]}]}}},
            "settings_extra_fields.breakout_room.rooms.0.participant",
            "is not a known key, but is sent unchanged. Did you mean 'participants'?",
        ),
        (
            "create-meeting",
            {**MEETING, "timezone": "Europe/Kyiv"},
            "timezone",
            "\"Europe/Kyiv\" is not in the list of known values. Did you mean 'Europe/Kiev'?",
        ),
        (
            "create-meeting",
            {**MEETING, "timezone": "Eastern Standard Time"},
            "timezone",
            '"Eastern Standard Time" is not in the list of known values.',
        ),
        (
            "add-meeting-registrant",
            {"meeting_id": "1", "email": "a@example.com", "first_name": "A", "country": "United States"},
            "country",
            "\"United States\" is not in the list of known values. Did you mean 'US'?",
        ),
        (
            "create-meeting",
            {**MEETING, "registration_type": 2},
            "registration_type",
            "'Registration Type' is ignored when 'Type' is not Recurring meeting (Fixed Time)",
        ),
        (
            "create-meeting",
            {**MEETING, "type": 1, "schedule_for": "a@example.com"},
            "schedule_for",
            "'Schedule For' is ignored when 'Type' is Instant meeting",
        ),
        (
            "update-meeting",
            {**UPDATE, "occurrence_id": "1648194360000"},
            "topic",
            "'Topic' is ignored when 'Occurrence Id' is filled in: "
            "one occurrence takes a start time, duration, agenda and some settings",
        ),
        (
            "create-meeting",
            {**MEETING, "audio_method": "thirdParty"},
            "audio_method",
            "A third party needs 'audio_conference_info' in 'Settings Extra Fields'.",
        ),
        (
            "get-phone-recordings",
            {**PHONE, "from": "2026-05-01", "to": "2026-11-01"},
            "from",
            "Zoom returns one month at most. Ask for each month separately.",
        ),
        (
            "list-users-chat-messages",
            {**CHAT, "date": "2026-11-01", "from": "2026-11-01T00:00:00Z"},
            "from",
            "'From' is ignored when 'Date' is filled in: the date takes precedence",
        ),
    ],
)
def test_what_zoom_accepts_but_nobody_means_causes_a_warning(
    connector: Connector, key: str, inputs: dict[str, Any], where: str, says: str
) -> None:
    assert warnings(connector, key, inputs) == {f"inputs.{where}": says}


@pytest.mark.parametrize(
    ("key", "inputs"),
    [
        ("update-meeting", {**UPDATE, **WEEKLY, "end_times": 10}),
        ("update-meeting", {**UPDATE, "type": 8, **WEEKLY, "end_date_time": "2026-12-01T00:00:00Z"}),
        ("create-meeting", {**MEETING, "start_time": "2026-11-02T11:00:00", "timezone": "America/New_York"}),
        ("create-meeting", {**MEETING, "start_time": "2026-11-02T11:00:00Z"}),
        ("create-meeting", {**MEETING, "type": 8, **WEEKLY, "end_times": 3, "registration_type": 2}),
        ("create-meeting", {**MEETING, "registration_type": 1, "settings_extra_fields": {"waiting_room": True}}),
        ("update-meeting", {"meeting_id": "1", "occurrence_id": "1", "agenda": "A", "mute_upon_entry": True}),
        ("update-meeting", {**UPDATE, "registration_type": 2}),
        ("get-phone-recordings", {**PHONE, "from": "2026-10-01", "to": "2026-11-01"}),
        ("create-meeting", {**MEETING, "start_time": "2026-11-02T09:00:00+01:00", "timezone": "Europe/Berlin"}),
        ("create-meeting", {**MEETING, "start_time": "2026-11-02T09:00:00Z", "timezone": "UTC"}),
        (
            "create-meeting",
            {
                **MEETING,
                "audio_method": "thirdParty",
                "settings_extra_fields": {"audio_conference_info": "Dial 1"},
                "global_dial_in_countries": ["US", "DE"],
            },
        ),
        ("update-user", {"user_id": "me", "remove_tsp_credentials": True}),
    ],
)
def test_the_usual_ways_cause_none(connector: Connector, key: str, inputs: dict[str, Any]) -> None:
    assert warnings(connector, key, inputs) == {}


def test_an_untouched_default_does_not_hide_what_is_missing(connector: Connector) -> None:
    inputs = {**UPDATE, **WEEKLY, "end_times": 1}  # a form posts the published default
    assert warnings(connector, "update-meeting", inputs) == {"inputs.type_recurrence": ONE_DATE}


@pytest.mark.parametrize("key", sorted(load().actions))
def test_the_published_defaults_cause_only_the_warning_about_samples(connector: Connector, key: str) -> None:
    action = connector.actions[key]
    defaults = {name: row.default for name, row in action.inputs.items() if row.has_default and not row.only_when}
    required = {
        name: "81279432123" if row.schema.get("minimum") else row.example or row.choices[0].value
        for name, row in action.inputs.items()
        if row.is_always_needed and row.type != "connection"
    }
    topic = {"topic": "T"} if "topic" in action.inputs else {"to_contact": "a@example.com"} if "chat" in key else {}
    company = {"company": "A"} if key == "update-user" else {}
    for what in warnings(connector, key, {**required, **topic, **company, **defaults}).values():
        assert "still has the sample values" in what


@pytest.mark.parametrize("inputs", [{}, {"agenda": ""}, {"host_video_on_start": None}, {"occurrence_id": "1"}])
def test_an_update_that_changes_nothing_says_so(connector: Connector, inputs: dict[str, Any]) -> None:
    says = {"inputs": "Nothing would change: fill in what is to change. To empty a field, clear it."}
    assert warnings(connector, "update-meeting", {"meeting_id": "1", **inputs}) == says
    assert warnings(connector, "update-meeting", {"meeting_id": "1", **inputs}, clear=["agenda"]) == {}
    assert warnings(connector, "update-meeting", {"meeting_id": "1", "topic": "T"}) == {}
    assert warnings(connector, "update-user", {"user_id": "me"}) == says
    extra = {"body.sensitivity_label_id": "a1"}
    assert warnings(connector, "update-meeting", {"meeting_id": "1", **inputs}, extra=extra) == {}


@pytest.mark.parametrize("what", ["meeting", "webinar", "recording", "whiteboard"])
def test_nothing_is_deleted_that_was_to_be_transferred_to_nobody(connector: Connector, what: str) -> None:
    inputs = {"user_id": "a@example.com", "action": "delete", f"transfer_{what}": True}
    label = f"Transfer {what.title()}"
    assert refused(connector, "delete-user", inputs) == {
        "inputs.transfer_email": f"enter 'Transfer Email' when '{label}' is Yes"
    }
    connector.actions["delete-user"].preview({**inputs, "transfer_email": "b@example.com"})


def test_a_recurring_meeting_needs_its_recurrence(connector: Connector) -> None:
    assert refused(connector, "create-meeting", {**MEETING, "type": 8}) == {
        "inputs.type_recurrence": "enter 'Type Recurrence' when 'Type' is Recurring meeting (Fixed Time)"
    }
    alone = refused(connector, "update-meeting", {**UPDATE, "end_times": 3})
    assert alone == {
        "inputs.end_times": "is used only when 'Type Recurrence' is filled in: clear it, or fill in 'Type Recurrence'"
    }


@pytest.mark.parametrize(
    ("key", "inputs", "begin", "end", "is_right"),
    [
        ("get-phone-recordings", PHONE, "2026-11-10", "2026-11-01", False),
        ("get-phone-recordings", PHONE, "2026-11-10", "2026-11-10", True),
        ("get-phone-recordings", PHONE, "2026-11-10T12:00:00Z", "2026-11-10", True),
        ("get-phone-recordings", PHONE, "2026-11-10T12:00:00Z", "2026-11-10T11:59:00Z", False),
        ("get-phone-recordings", PHONE, "2026-11-10T12:00:00+02:00", "2026-11-10T11:00:00Z", True),
        ("get-phone-recordings", PHONE, "2026-01-02", "2026-01-01T23:00:00-05:00", True),
        ("list-meetings", {"user_id": "me"}, "2026-11-02", "2026-11-01", False),
        ("list-users-chat-messages", CHAT, "2026-11-10T12:00:00Z", "2026-11-10T11:00:00Z", False),
    ],
)
def test_a_range_ends_after_it_begins(
    connector: Connector, key: str, inputs: dict[str, Any], begin: str, end: str, is_right: bool
) -> None:
    whole = {**inputs, "from": begin, "to": end}
    if is_right:
        connector.actions[key].preview(whole)
    else:
        assert refused(connector, key, whole) == {"inputs.to": "is earlier than 'From': enter a later one"}


def test_two_inputs_for_one_field_are_refused_unless_one_is_an_untouched_default(connector: Connector) -> None:
    both = {**MEETING, "settings_extra_fields": {"host_video": True}, "host_video_on_start": False}
    assert connector.actions["create-meeting"].preview(both)["body"]["settings"] == {"host_video": True}
    says = {"inputs.settings_extra_fields.host_video": "is also set by 'Host Video On Start': leave one of the two out"}
    for value in (False, True):
        extra = {"settings_extra_fields": {"host_video": value}, "host_video_on_start": True}
        assert refused(connector, "create-meeting", {**MEETING, **extra}) == says


@pytest.mark.parametrize(
    ("key", "inputs", "where", "meant"),
    [
        ("create-meeting", {"waiting_room": True}, "waiting_room", " It belongs in 'Settings Extra Fields'"),
        ("create-meeting", {"alternative_hosts": "a"}, "alternative_hosts", " It belongs in 'Settings Extra Fields'"),
        ("create-meeting", {"settings": {}}, "settings", " It belongs in 'Settings Extra Fields'"),
        ("add-meeting-registrant", {"org": "A"}, "org", " Did you mean 'organization'?"),
        ("update-user", {"dept": "A"}, "dept", " Did you mean 'department'?"),
        ("raw-request", {"path": "/users"}, "path", " Did you mean 'url'?"),
        ("list-users", {"page_size": 30}, "page_size", " Lists are read page by page"),
        ("list-users", {"next_page_token": "t"}, "next_page_token", " Lists are read page by page"),
    ],
)
def test_zooms_own_name_of_a_field_leads_to_its_input(
    connector: Connector, key: str, inputs: dict[str, Any], where: str, meant: str
) -> None:
    says = refused(connector, key, inputs)[f"inputs.{where}"]
    assert says.startswith(f"is not an input of {key}.{meant}")


def test_a_weekday_by_name_is_told_its_number(connector: Connector) -> None:
    inputs = {**MEETING, "type": 8, **WEEKLY, "end_times": 2, "weekly_day": "Monday"}
    assert refused(connector, "create-meeting", inputs)["inputs.weekly_day"].endswith(
        "Friday (6), Saturday (7); it is \"Monday\". Did you mean '2'?"
    )


# -- values as people have them --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "inputs", "end"),
    [
        ("get-user", {"user_id": " a@example.com\n"}, "/users/a%40example.com"),
        ("get-meeting", {"meeting_id": "812\u00a07943\u00a02123 "}, "/meetings/81279432123"),
        ("get-webinar", {"webinar_id": " 812-7943-2123"}, "/webinars/81279432123"),
        (
            "get-meeting-recordings",
            {"meeting_id": " 4mHkVq2WRT+9sPzQd1xLgA== "},
            "/meetings/4mHkVq2WRT%2B9sPzQd1xLgA%3D%3D/recordings",
        ),
        ("delete-user", {"user_id": "u", "action": " delete "}, "/users/u?action=delete"),
        ("get-user", {"user_id": "\u200ba@example.com\ufeff"}, "/users/a%40example.com"),
        ("raw-request", {"url": "groups", "method": "GET"}, "/groups"),
        ("raw-request", {"url": " users/me?a=b:c ", "method": "GET"}, "/users/me?a=b:c"),
    ],
)
def test_blanks_around_ids_and_choices_are_removed(
    connector: Connector, key: str, inputs: dict[str, Any], end: str
) -> None:
    assert connector.actions[key].preview(inputs)["url"] == f"https://api.zoom.us/v2{end}"


def test_blanks_in_free_text_stay(connector: Connector) -> None:
    inputs = {**MEETING, "topic": " T ", "agenda": "A\n", "timezone": " Europe/Berlin "}
    assert connector.actions["create-meeting"].preview(inputs)["body"] == {
        "topic": " T ",
        "agenda": "A\n",
        "timezone": "Europe/Berlin",
    }
    person = {"meeting_id": "1", "email": " a@example.com ", "first_name": " A"}
    body = connector.actions["add-meeting-registrant"].preview(person)["body"]
    assert body == {"email": "a@example.com", "first_name": " A"}


@pytest.mark.parametrize(
    "url", ["https://api.zoom.us/v2/users", "//x", "../x", "a/../b", "?a=b", "\\x", "%2e%2e/x", "x y"]
)
def test_a_path_without_its_slash_cannot_lead_elsewhere(connector: Connector, url: str) -> None:
    assert list(refused(connector, "raw-request", {"url": url, "method": "GET"})) == ["inputs.url"]


class Kind(enum.Enum):
    SCHEDULED = 2


class Number(enum.IntEnum):
    SCHEDULED = 2


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (datetime(2026, 11, 1, 9, 0), "2026-11-01T09:00:00"),
        (datetime(2026, 11, 1, 9, 0, tzinfo=UTC), "2026-11-01T09:00:00Z"),
        (datetime(2026, 11, 1, 9, 0, 0, 500, tzinfo=timezone(timedelta(hours=2))), "2026-11-01T07:00:00Z"),
    ],
)
def test_a_datetime_is_written_with_its_zone_or_as_local(connector: Connector, value: datetime, sent: str) -> None:
    body = connector.actions["create-meeting"].preview({**MEETING, "start_time": value})["body"]
    assert body["start_time"] == sent


def test_pythons_own_values_are_accepted_at_any_depth(connector: Connector) -> None:
    key = uuid.UUID("12345678-1234-5678-1234-567812345678")
    inputs = {**MEETING, "type": Kind.SCHEDULED, "duration": Decimal("60"), "template_id": key}
    settings = {"custom_keys": [{"key": key}], "new": [Decimal("1.5")]}
    body = connector.actions["create-meeting"].preview({**inputs, "settings_extra_fields": settings})["body"]
    assert (body["type"], body["duration"], body["template_id"]) == (2, 60, str(key))
    assert body["settings"] == {"custom_keys": [{"key": str(key)}], "new": [1.5]}
    body = connector.actions["create-meeting"].preview({**MEETING, "type": Number.SCHEDULED})["body"]
    assert body["type"] == 2 and type(body["type"]) is int
    shown = connector.actions["list-meetings"].preview({"user_id": "me", "from": date(2026, 11, 1)})
    assert "from=2026-11-01" in shown["url"]


@pytest.mark.parametrize("zone", ["EST", "Asia/Yangon", "Europe/Busingen", "Pacific/Kanton", "Nowhere/Land"])
def test_a_zone_that_is_only_spelled_alike_is_not_suggested(connector: Connector, zone: str) -> None:
    says = {"inputs.timezone": f'"{zone}" is not in the list of known values.'}
    assert warnings(connector, "create-meeting", {**MEETING, "timezone": zone}) == says


def test_each_value_of_a_list_is_compared_with_the_list_that_is_offered(connector: Connector) -> None:
    inputs = {**MEETING, "global_dial_in_countries": ["US", "Germany"]}
    says = "\"Germany\" is not in the list of known values. Did you mean 'DE'?"
    assert warnings(connector, "create-meeting", inputs) == {"inputs.global_dial_in_countries": says}


def test_a_choice_in_another_case_is_suggested(connector: Connector) -> None:
    says = refused(connector, "raw-request", {"url": "/users", "method": "get"})
    assert says["inputs.method"].endswith("Did you mean 'GET'?")


def test_a_key_inside_a_secret_is_not_repeated(connector: Connector) -> None:
    problems = refused(connector, "create-meeting", {**MEETING, "password": {"s3cret": object()}})
    assert problems == {"inputs.password": "must be JSON, not a Python object"}


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, b"x", Decimal("NaN"), Decimal("1e5000000"), Decimal("-1e400"), (1, 2)]
)
def test_other_values_are_still_refused(connector: Connector, value: Any) -> None:
    assert as_json(value) is value
    assert list(refused(connector, "create-meeting", {**MEETING, "duration": value})) == ["inputs.duration"]


# -- what is added to the published tables ---------------------------------------------------------------------------


def test_the_docs_list_what_is_added_to_the_published_tables(connector: Connector) -> None:
    from .test_tables import ACTIONS, ADDED_CHOICES

    page = (ROOT / "docs/actions.md").read_text()
    table = page.partition("## Added to the published tables")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)[1:]
    listed = {(action.strip(" `"), label) for action, labels, _ in lines for label in labels.split(", ")}
    listed |= {(key, label) for name, label in listed if name == "both" for key in ("create-meeting", "update-meeting")}
    missing = []
    for key, action in connector.actions.items():
        keys = {row.key for row in action.inputs.values() if row.key in ADDED_CHOICES}
        for rule in action.rules[len(ACTIONS[key].get("rules", [])) :]:
            named = {test.name for test in rule.when} if rule.kind == "ignored" else set(rule.keys)
            keys |= named if rule.when == (("occurrence_id", (None,), True),) else set(rule.keys)
        labels = {action.inputs[name].label for name in keys}
        missing += [(key, label) for label in labels if (key, label) not in listed]
    assert missing == []
