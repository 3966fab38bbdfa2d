"""Meetings and their registrants: defaults, inheritance, recurrence, registration."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.times import DAY

ME = "/users/me/meetings"
NOON = 1_800_014_400.0  # 2027-01-15T12:00:00Z, a Friday


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def create(zoom: httpx.Client, path: str = ME, **body: Any) -> Any:
    response = zoom.post(path, json=body)
    assert response.status_code == 201, response.text
    return response.json()


def test_a_meeting_without_a_word_gets_zooms_defaults(zoom: httpx.Client) -> None:
    made = create(zoom)
    assert (made["type"], made["duration"], made["timezone"], made["topic"]) == (2, 60, "UTC", "Zoom Meeting")
    assert made["settings"]["approval_type"] == 2
    assert len(made["password"]) == 6
    assert zoom.get(f"/meetings/{made['id']}").json() == made


def test_what_is_left_out_is_inherited_and_false_is_not_left_out(zoom: httpx.Client) -> None:
    assert create(zoom)["settings"]["host_video"] is True
    assert create(zoom, settings={"host_video": False})["settings"]["host_video"] is False
    assert create(zoom, "/users/user1@sandbox.example/meetings")["settings"]["host_video"] is False


def test_default_password_false_makes_none_and_then_the_waiting_room_is_forced(zoom: httpx.Client) -> None:
    made = create(zoom, default_password=False, settings={"waiting_room": False})
    assert "password" not in made
    assert made["settings"]["waiting_room"] is True


def test_a_time_without_z_is_local_and_an_offset_is_refused(zoom: httpx.Client) -> None:
    local = create(zoom, start_time="2040-07-01T10:00:00", timezone="Europe/Warsaw")
    assert (local["start_time"], local["timezone"]) == ("2040-07-01T08:00:00Z", "Europe/Warsaw")
    assert create(zoom, start_time="2040-07-01T10:00:00Z", timezone="Europe/Warsaw")["start_time"].endswith(
        "T10:00:00Z"
    )
    for text in (
        "2040-07-01T10:00:00+02:00",
        "2040-07-01T10:00:00.000Z",
        "2040-07-01T10:00:00z",
        "2040-13-01T10:00:00Z",
        "9999-12-31T23:59:59Z",
    ):
        response = zoom.post(ME, json={"start_time": text})
        assert response.json()["errors"] == [{"field": "start_time", "message": "Invalid field."}]


def test_a_start_in_the_past_becomes_now_and_an_update_to_the_past_is_ignored(zoom: httpx.Client) -> None:
    made = create(zoom, start_time="2020-01-01T00:00:00Z")
    assert made["start_time"] == made["created_at"]
    assert zoom.patch(f"/meetings/{made['id']}", json={"start_time": "2020-01-01T00:00:00Z"}).status_code == 204
    assert zoom.get(f"/meetings/{made['id']}").json()["start_time"] == made["start_time"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"duration": 0}, "duration"),
        ({"duration": 1441}, "duration"),
        ({"duration": "60"}, "duration"),
        ({"duration": 60.0}, "duration"),
        ({"topic": "x" * 201}, "topic"),
        ({"type": 5}, "type"),
        ({"type": True}, "type"),
        ({"agenda": None}, "agenda"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"type": 8}, "recurrence"),
        ({"type": 8, "recurrence": {}}, "recurrence.type"),
        ({"type": 8, "recurrence": {"type": 1, "repeat_interval": 100}}, "recurrence.repeat_interval"),
        ({"type": 8, "recurrence": {"type": 2, "weekly_days": [1]}}, "recurrence.weekly_days"),
        ({"type": 8, "recurrence": {"type": 1, "end_times": 61}}, "recurrence.end_times"),
        (
            {"type": 8, "recurrence": {"type": 1, "end_times": 1, "end_date_time": "2040-01-01T00:00:00Z"}},
            "recurrence.end_times",
        ),
        ({"type": 8, "recurrence": {"type": 1, "end_date_time": "2040-01-01T00:00:00"}}, "recurrence.end_date_time"),
        ({"type": 8, "recurrence": {"type": 1, "end_date_time": "2020-01-01T00:00:00Z"}}, "recurrence.end_date_time"),
        ({"type": 8, "recurrence": {"type": 3, "monthly_week": 1}}, "recurrence.monthly_week_day"),
        ({"settings": {"audio": "thirdParty"}}, "settings.audio_conference_info"),
        ({"settings": {"audio": "phone"}}, "settings.audio"),
        ({"settings": {"host_video": "true"}}, "settings.host_video"),
        ({"settings": {"global_dial_in_countries": ["PL", 1]}}, "settings.global_dial_in_countries[1]"),
        ({"tracking_fields": [{"value": "x"}]}, "tracking_fields[0].field"),
    ],
)
def test_what_zoom_would_not_take_is_named(zoom: httpx.Client, body: dict[str, Any], field: str) -> None:
    response = zoom.post(ME, json=body)
    assert response.status_code == 400
    assert response.json()["errors"] == [{"field": field, "message": "Invalid field."}]


def test_a_weekly_meeting_gets_its_dates(connect: Any) -> None:
    with Sandbox(clock=Clock()) as sandbox:
        made = create(
            connect(sandbox),
            type=8,
            start_time="2027-01-18T09:30:00",
            timezone="America/New_York",
            recurrence={"type": 2, "weekly_days": "3,5", "end_times": 4},
        )
    starts = [each["start_time"] for each in made["occurrences"]]
    assert starts == ["2027-01-19T14:30:00Z", "2027-01-21T14:30:00Z", "2027-01-26T14:30:00Z", "2027-01-28T14:30:00Z"]
    assert made["start_time"] == starts[0]
    assert made["occurrences"][0]["occurrence_id"] == "1800369000000"


@pytest.mark.parametrize(
    ("recurrence", "days"),
    [
        ({"type": 1, "repeat_interval": 3, "end_times": 3}, ["01-20", "01-23", "01-26"]),
        ({"type": 1, "end_date_time": "2027-01-22T09:00:00Z"}, ["01-20", "01-21"]),
        ({"type": 1}, ["01-20"]),
        ({"type": 2, "repeat_interval": 2, "weekly_days": "4", "end_times": 2}, ["01-20", "02-03"]),
        ({"type": 3, "monthly_day": 31, "end_times": 3}, ["01-31", "03-31", "05-31"]),
        ({"type": 3, "monthly_week": -1, "monthly_week_day": 6, "end_times": 2}, ["01-29", "02-26"]),
        ({"type": 3, "monthly_week": 2, "monthly_week_day": 1, "end_times": 2}, ["02-14", "03-14"]),
    ],
)
def test_each_kind_of_recurrence_falls_on_the_right_days(
    connect: Any, recurrence: dict[str, Any], days: list[str]
) -> None:
    with Sandbox(clock=Clock(), users=1, meetings=0) as sandbox:
        made = create(connect(sandbox), type=8, start_time="2027-01-20T10:00:00Z", recurrence=recurrence)
    assert [each["start_time"][5:10] for each in made["occurrences"]] == days


def test_without_an_end_sixty_dates_are_made(zoom: httpx.Client) -> None:
    assert len(create(zoom, type=8, recurrence={"type": 1, "end_times": 0})["occurrences"]) == 60


def test_dates_keep_their_hour_when_the_clocks_change(connect: Any) -> None:
    with Sandbox(clock=Clock()) as sandbox:
        rule = {"type": 3, "monthly_day": 28, "end_times": 3}
        zone = "Europe/Warsaw"
        made = create(connect(sandbox), type=8, start_time="2027-02-28T10:00:00", timezone=zone, recurrence=rule)
    assert [each["start_time"][11:13] for each in made["occurrences"]] == ["09", "08", "08"]


def test_one_date_can_be_changed_and_deleted_alone(zoom: httpx.Client) -> None:
    made = create(zoom, type=8, recurrence={"type": 1, "end_times": 3})
    path, second = f"/meetings/{made['id']}", made["occurrences"][1]["occurrence_id"]
    changes = {
        "agenda": "Only today",
        "duration": 15,
        "topic": "ignored",
        "settings": {"host_video": False, "audio": "voip"},
    }
    assert zoom.patch(path, params={"occurrence_id": second}, json=changes).status_code == 204
    one = zoom.get(path, params={"occurrence_id": second}).json()
    assert (one["agenda"], one["duration"], one["topic"]) == ("Only today", 15, "Zoom Meeting")
    assert (one["settings"]["host_video"], one["settings"]["audio"]) == (False, "both")
    assert zoom.get(path).json()["settings"]["host_video"] is True
    assert zoom.delete(path, params={"occurrence_id": second}).status_code == 204
    assert [each["status"] for each in zoom.get(path).json()["occurrences"]] == ["available", "deleted", "available"]
    assert zoom.get(path, params={"occurrence_id": second}).json()["code"] == 300
    assert zoom.get(path, params={"occurrence_id": "1"}).json()["code"] == 300


def test_past_dates_are_shown_when_asked_for(connect: Any) -> None:
    clock = Clock()
    with Sandbox(clock=clock) as sandbox:
        zoom = connect(sandbox)
        path = f"/meetings/{create(zoom, type=8, recurrence={'type': 1, 'end_times': 5})['id']}"
        clock.now += 2 * DAY
        assert len(zoom.get(path).json()["occurrences"]) == 3
        assert len(zoom.get(path, params={"show_previous_occurrences": "true"}).json()["occurrences"]) == 5


def test_an_update_of_the_series_makes_new_dates_and_keeps_the_rest(zoom: httpx.Client) -> None:
    made = create(zoom, type=8, topic="Kept", recurrence={"type": 1, "end_times": 3}, settings={"audio": "voip"})
    path = f"/meetings/{made['id']}"
    zoom.patch(path, json={"recurrence": {"type": 1, "end_times": 5}, "settings": {"host_video": False}})
    found = zoom.get(path).json()
    assert (found["topic"], len(found["occurrences"])) == ("Kept", 5)
    assert (found["settings"]["audio"], found["settings"]["host_video"]) == ("voip", False)
    zoom.patch(path, json={"type": 2})
    assert "occurrences" not in zoom.get(path).json()


def test_a_meeting_can_be_scheduled_for_and_handed_to_somebody(zoom: httpx.Client) -> None:
    made = create(zoom, schedule_for="user2@sandbox.example")
    assert made["host_email"] == "user2@sandbox.example"
    assert made["assistant_id"] == zoom.get("/users/me").json()["id"]
    zoom.patch(f"/meetings/{made['id']}", json={"schedule_for": "user3@sandbox.example"})
    assert zoom.get(f"/meetings/{made['id']}").json()["host_email"] == "user3@sandbox.example"


def test_unknown_settings_are_accepted_and_forgotten(zoom: httpx.Client) -> None:
    made = create(zoom, nonsense=1, settings={"nonsense": 1, "breakout_room": {"enable": True, "nonsense": 1}})
    assert "nonsense" not in made["settings"]
    assert made["settings"]["breakout_room"] == {"enable": True}


def test_the_invitation_says_how_to_join(zoom: httpx.Client) -> None:
    made = create(zoom, topic="Überblick 🎉")
    text = zoom.get(f"/meetings/{made['id']}/invitation").json()["invitation"]
    assert all(part in text for part in ("Überblick 🎉", made["join_url"], made["password"], "\r\n"))


def test_a_deleted_meeting_is_gone(zoom: httpx.Client) -> None:
    path = f"/meetings/{create(zoom)['id']}"
    assert zoom.delete(path).status_code == 204
    assert zoom.get(path).json()["code"] == 3001
    assert zoom.delete(path).json()["code"] == 3001


def test_a_host_without_meetings_keeps_none_but_can_have_them_removed(zoom: httpx.Client) -> None:
    path = f"/meetings/{create(zoom, '/users/user4@sandbox.example/meetings')['id']}"
    zoom.patch("/users/user4@sandbox.example", json={"type": 4})
    assert zoom.get(path).json()["code"] == 3161
    assert zoom.delete(path).status_code == 204


def test_a_meeting_id_is_a_number(zoom: httpx.Client) -> None:
    for path in ("/meetings/abc", "/meetings/123-456", "/meetings/-1"):
        assert zoom.get(path).json()["code"] == 300
    assert zoom.get("/meetings/%D9%A1").json()["code"] == 300  # a digit, but not one of ours


def test_each_type_of_list_has_what_belongs_there(zoom: httpx.Client) -> None:
    create(zoom, type=1)

    def count(**query: str) -> int:
        total: int = zoom.get(ME, params=query).json()["total_records"]
        return total

    assert count() == 40  # the instant one is not listed
    assert count(type="live") == 1
    assert count(type="previous_meetings") + count(type="upcoming") == 40
    assert count(type="upcoming") == count(type="upcoming_meetings")
    assert zoom.get(ME, params={"type": "past"}).json()["errors"][0]["field"] == "type"


def test_from_and_to_are_days_in_a_time_zone(zoom: httpx.Client) -> None:
    create(zoom, start_time="2040-07-01T23:30:00Z")

    def count(**query: str) -> int:
        total: int = zoom.get(ME, params=query).json()["total_records"]
        return total

    day = {"from": "2040-07-01", "to": "2040-07-01"}
    assert count(**day) == 1
    assert count(**day, timezone="Asia/Tokyo") == 0
    assert count(**{"from": "2040-07-02", "to": "2040-07-02"}, timezone="Asia/Tokyo") == 1
    for wrong in ({"from": "2040-07-01T00:00:00Z"}, {"from": "2040-07-02", "to": "2040-07-01"}, {"timezone": "x"}):
        assert zoom.get(ME, params=wrong).json()["code"] == 300


def register(zoom: httpx.Client, meeting: int, email: str = "guest@x.example", **more: Any) -> httpx.Response:
    params = more.pop("params", None)
    body = {"email": email, "first_name": "Gu", **more}
    return zoom.post(f"/meetings/{meeting}/registrants", json=body, params=params)


def test_registration_must_be_on(zoom: httpx.Client) -> None:
    response = register(zoom, create(zoom)["id"])
    assert (response.status_code, response.json()["code"]) == (400, 3000)


def test_with_automatic_approval_the_registrant_may_join_at_once(zoom: httpx.Client) -> None:
    made = create(zoom, settings={"approval_type": 0})
    answer = register(zoom, made["id"], no_of_employees="500-1,000", language="Tr-TR").json()
    assert answer["join_url"].startswith("https://")
    listed = zoom.get(f"/meetings/{made['id']}/registrants").json()["registrants"]
    assert [(each["id"], each["status"]) for each in listed] == [(answer["registrant_id"], "approved")]


def test_with_manual_approval_the_registrant_waits_unless_approved_by_the_request(zoom: httpx.Client) -> None:
    meeting = create(zoom, settings={"approval_type": 1})["id"]
    assert "join_url" not in register(zoom, meeting, "waits@x.example").json()
    assert "join_url" in register(zoom, meeting, "goes@x.example", auto_approve=True).json()
    for status, email in (("pending", "waits@x.example"), ("approved", "goes@x.example")):
        listed = zoom.get(f"/meetings/{meeting}/registrants", params={"status": status}).json()["registrants"]
        assert [each["email"] for each in listed] == [email]


def test_the_host_cannot_register(zoom: httpx.Client) -> None:
    meeting = create(zoom, settings={"approval_type": 0})["id"]
    assert register(zoom, meeting, "user0@sandbox.example").json() == {"code": 3027, "message": "Host cannot register."}


def test_the_fourth_request_of_a_day_for_one_registrant_is_refused(connect: Any) -> None:
    clock = Clock()
    with Sandbox(clock=clock) as sandbox:
        zoom = connect(sandbox)
        meeting = create(zoom, settings={"approval_type": 0}, start_time="2027-02-01T00:00:00Z")["id"]
        same = {register(zoom, meeting).json()["registrant_id"] for _ in range(3)}
        assert len(same) == 1
        refused = register(zoom, meeting, "GUEST@x.example")
        assert refused.status_code == 429
        assert "(3)" in refused.json()["message"]
        assert register(zoom, meeting, "other@x.example").status_code == 201
        clock.now += DAY
        assert register(zoom, meeting).status_code == 201


def test_registrants_choose_dates(zoom: httpx.Client) -> None:
    made = create(
        zoom, type=8, recurrence={"type": 1, "end_times": 3}, settings={"approval_type": 0, "registration_type": 3}
    )
    ids = [each["occurrence_id"] for each in made["occurrences"]]
    answer = register(zoom, made["id"], params={"occurrence_ids": f"{ids[0]},{ids[2]}"}).json()
    assert [each["occurrence_id"] for each in answer["occurrences"]] == [ids[0], ids[2]]
    path = f"/meetings/{made['id']}/registrants"
    counts = [zoom.get(path, params={"occurrence_id": id}).json()["total_records"] for id in ids]
    assert counts == [1, 0, 1]
    assert register(zoom, made["id"], params={"occurrence_ids": "1"}).json()["code"] == 300


def test_a_registrant_needs_an_address_and_a_name(zoom: httpx.Client) -> None:
    meeting = create(zoom, settings={"approval_type": 0})["id"]
    response = zoom.post(f"/meetings/{meeting}/registrants", json={"language": "ja", "country": 1})
    assert {each["field"] for each in response.json()["errors"]} == {"email", "first_name", "language", "country"}


def test_a_meeting_takes_4999_registrants(connect: Any) -> None:
    with Sandbox(registrants=4998, clock=Clock()) as sandbox:
        zoom = connect(sandbox)
        meeting = list(sandbox.state.meetings)[2]
        assert register(zoom, meeting, "last@x.example").status_code == 201
        assert register(zoom, meeting, "late@x.example").json()["code"] == 3043
        assert register(zoom, meeting, "last@x.example").status_code == 201
