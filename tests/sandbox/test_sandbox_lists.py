"""Lists: pages and their tokens, webinars, participants, recordings, phone and chat."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Sandbox

WRONG_TOKEN = {"code": 300, "message": "The next page token is invalid or expired."}


def walk(zoom: httpx.Client, path: str, key: str, **query: Any) -> list[Any]:
    """Collect a whole list by its tokens."""
    rows: list[Any] = []
    token = ""
    while True:
        answer = zoom.get(path, params={**query, **({"next_page_token": token} if token else {})}).json()
        rows += answer[key]
        token = answer["next_page_token"]
        if not token:
            return rows


def seeded(sandbox: Sandbox, kind: str, number: int) -> Any:
    return list(getattr(sandbox.state, kind).values())[number]


@pytest.mark.parametrize("size", [1, 7, 25, 300])
def test_tokens_lead_through_the_whole_list_once(zoom: httpx.Client, size: int) -> None:
    emails = [user["email"] for user in walk(zoom, "/users", "users", page_size=size)]
    assert len(emails) == len(set(emails)) == 25


def test_page_numbers_lead_through_it_too(zoom: httpx.Client) -> None:
    answer = zoom.get("/users", params={"page_size": 10, "page_number": 3}).json()
    assert (answer["page_number"], answer["page_count"], answer["total_records"]) == (3, 3, 25)
    assert (len(answer["users"]), answer["next_page_token"]) == (5, "")


def test_rows_that_come_and_go_between_pages_hide_no_others(zoom: httpx.Client) -> None:
    first = zoom.get("/users", params={"page_size": 10}).json()
    zoom.delete(f"/users/{first['users'][3]['id']}")
    zoom.post("/users", json={"action": "custCreate", "user_info": {"email": "late@x.example", "type": 1}})
    emails = [user["email"] for user in first["users"]]
    token = first["next_page_token"]
    while token:
        answer = zoom.get("/users", params={"page_size": 10, "next_page_token": token}).json()
        emails += [user["email"] for user in answer["users"]]
        token = answer["next_page_token"]
    assert len(emails) == len(set(emails)) == 26


def test_a_token_is_good_for_its_own_list_only(zoom: httpx.Client) -> None:
    token = zoom.get("/users", params={"page_size": 10}).json()["next_page_token"]
    for path in ("/users?page_size=11", "/users?page_size=10&role_id=2", "/users/me/meetings?page_size=10"):
        response = zoom.get(f"{path}&next_page_token={token}")
        assert (response.status_code, response.json()) == (400, WRONG_TOKEN)
    for wrong in (token[:-1], token + "A", "x", "ü", "%00", "A" * 3000):
        assert zoom.get("/users", params={"page_size": 10, "next_page_token": wrong}).json() == WRONG_TOKEN
    assert zoom.get("/users", params={"page_size": 10, "next_page_token": token}).status_code == 200


def test_a_token_expires(connect: Any) -> None:
    now = [1_800_000_000.0]
    with Sandbox(clock=lambda: now[0], page_token_lifetime=900) as sandbox:
        zoom = connect(sandbox)
        token = zoom.get("/users", params={"page_size": 10}).json()["next_page_token"]
        now[0] += 899
        assert zoom.get("/users", params={"page_size": 10, "next_page_token": token}).status_code == 200
        now[0] += 2
        assert zoom.get("/users", params={"page_size": 10, "next_page_token": token}).json() == WRONG_TOKEN


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/users", 2000),
        ("/users/me/meetings", 300),
        ("/users/me/webinars", 300),
        ("/phone/users/me/recordings", 300),
        ("/chat/users/me/channels", 1000),
        ("/chat/users/me/messages?to_contact=user1@sandbox.example", 50),
    ],
)
def test_a_page_has_a_largest_size(zoom: httpx.Client, path: str, most: int) -> None:
    join = "&" if "?" in path else "?"
    assert zoom.get(f"{path}{join}page_size={most}").json()["page_size"] == most
    for wrong in (most + 1, 0, -1, "x", ""):
        assert zoom.get(f"{path}{join}page_size={wrong}").json()["errors"][0]["field"] == "page_size"


def test_tens_of_thousands_of_rows_page_quickly(connect: Any) -> None:
    with Sandbox(users=5000, meetings=5000, registrants=10_000) as sandbox:
        zoom = connect(sandbox)
        zoom.event_hooks = {}  # checking so many rows takes longer than making them
        assert len(walk(zoom, "/users", "users", page_size=2000)) == 5000
        assert len(walk(zoom, "/users/me/meetings", "meetings", page_size=300)) == 5000
        meeting = seeded(sandbox, "meetings", 2).id
        registrants = [
            walk(zoom, f"/meetings/{meeting}/registrants", "registrants", page_size=300, status=status)
            for status in ("approved", "pending", "denied")
        ]
        assert [len(rows) for rows in registrants] == [8500, 1000, 500]


def test_webinars_page_by_token_and_by_number(zoom: httpx.Client, sandbox: Sandbox) -> None:
    by_token = walk(zoom, "/users/me/webinars", "webinars", page_size=3)
    pages = [zoom.get("/users/me/webinars", params={"page_size": 3, "page_number": n}).json() for n in (1, 2, 3)]
    assert [row["id"] for row in by_token] == [row["id"] for page in pages for row in page["webinars"]]
    assert [page["page_number"] for page in pages] == [1, 2, 3]
    sandbox.conditions = {"webinars_by_number"}
    assert "next_page_token" not in zoom.get("/users/me/webinars", params={"page_size": 3}).json()


def test_webinars_are_narrowed_by_type_and_by_events(zoom: httpx.Client) -> None:
    def count(**query: str) -> int:
        total: int = zoom.get("/users/me/webinars", params=query).json()["total_records"]
        return total

    assert (count(), count(type="upcoming"), count(include_events_webinar="false")) == (7, 5, 6)


@pytest.mark.parametrize(("number", "written"), [(6, "%252F"), (5, "ab%252F%252F")])
def test_a_uuid_with_slashes_must_be_encoded_twice(
    zoom: httpx.Client, sandbox: Sandbox, number: int, written: str
) -> None:
    webinar = seeded(sandbox, "webinars", number)
    twice = webinar.uuid.replace("/", "%252F").replace("+", "%252B").replace("=", "%253D")
    once = webinar.uuid.replace("/", "%2F").replace("+", "%2B").replace("=", "%3D")
    assert twice.startswith(written)
    assert zoom.get(f"/webinars/{twice}").json()["id"] == webinar.id
    assert zoom.get(f"/webinars/{once}").status_code >= 400
    assert zoom.get(f"/past_webinars/{twice}/participants").json()["total_records"] == 45


def test_another_uuid_must_be_encoded_once(zoom: httpx.Client, sandbox: Sandbox) -> None:
    def give_uuid(state: Any) -> int:
        webinar = seeded(sandbox, "webinars", 0)
        state.webinars_by_uuid["a/b+cdefghijklmnopqrstu=="] = webinar
        return int(webinar.id)

    number = sandbox.run(give_uuid)
    assert zoom.get("/webinars/a%2Fb%2Bcdefghijklmnopqrstu==").json()["id"] == number
    assert zoom.get("/webinars/a%252Fb%252Bcdefghijklmnopqrstu%253D%253D").status_code >= 400


def test_a_recurring_webinar_has_dates(zoom: httpx.Client, sandbox: Sandbox) -> None:
    webinar = seeded(sandbox, "webinars", 3)
    found = zoom.get(f"/webinars/{webinar.id}").json()
    assert len(found["occurrences"]) == 5
    second = found["occurrences"][1]
    one = zoom.get(f"/webinars/{webinar.id}", params={"occurrence_id": second["occurrence_id"]}).json()
    assert one["start_time"] == second["start_time"]


def test_webinar_registrants_can_be_told_by_their_source(zoom: httpx.Client, sandbox: Sandbox) -> None:
    path = f"/webinars/{seeded(sandbox, 'webinars', 0).id}/registrants"
    made = zoom.post(path, json={"email": "n@x.example", "first_name": "N", "source_id": "newsletter"})
    assert made.json()["join_url"]
    listed = zoom.get(path, params={"tracking_source_id": "newsletter"}).json()
    assert [row["email"] for row in listed["registrants"]] == [
        "guest1@guest.example",
        "guest3@guest.example",
        "n@x.example",
    ]


def test_a_webinar_with_manual_approval_lets_registrants_wait(zoom: httpx.Client, sandbox: Sandbox) -> None:
    path = f"/webinars/{seeded(sandbox, 'webinars', 1).id}/registrants"
    assert "join_url" not in zoom.post(path, json={"email": "n@x.example", "first_name": "N"}).json()
    assert zoom.get(path, params={"status": "pending"}).json()["total_records"] == 1


def test_participants_have_one_row_for_each_time_they_joined(zoom: httpx.Client, sandbox: Sandbox) -> None:
    rows = walk(zoom, f"/past_webinars/{seeded(sandbox, 'webinars', 5).id}/participants", "participants", page_size=20)
    assert len(rows) == 45
    assert len({row["id"] for row in rows}) == 40
    assert "" in {row["user_email"] for row in rows}


def test_the_report_names_registrants_only_when_asked(zoom: httpx.Client, sandbox: Sandbox) -> None:
    path = f"/report/webinars/{seeded(sandbox, 'webinars', 5).id}/participants"
    assert "registrant_id" not in zoom.get(path).json()["participants"][0]
    assert "registrant_id" in zoom.get(path, params={"include_fields": "registrant_id"}).json()["participants"][0]
    assert zoom.get(path).headers["x-ratelimit-category"] == "Heavy"


def test_a_webinar_that_is_not_over_has_no_participants_yet(zoom: httpx.Client, sandbox: Sandbox) -> None:
    number = seeded(sandbox, "webinars", 0).id
    assert zoom.get(f"/past_webinars/{number}/participants").json()["code"] == 3001


def test_recordings_are_found_by_number_and_by_uuid(zoom: httpx.Client, sandbox: Sandbox) -> None:
    for number in (0, 1):
        meeting = seeded(sandbox, "meetings", number)
        uuid = meeting.uuid.replace("/", "%252F").replace("+", "%252B")
        answer = zoom.get(f"/meetings/{uuid}/recordings").json()
        assert answer == zoom.get(f"/meetings/{meeting.id}/recordings").json()
        assert answer["recording_count"] == len(answer["recording_files"]) == 4
        assert "download_access_token" not in answer
        captions = [each for each in answer["recording_files"] if each["file_type"] == "CC"]
        assert "id" not in captions[0]


def test_a_download_token_lives_as_long_as_asked(zoom: httpx.Client, sandbox: Sandbox) -> None:
    path = f"/meetings/{seeded(sandbox, 'meetings', 0).id}/recordings"
    asked = {"include_fields": "download_access_token"}
    first = zoom.get(path, params=asked).json()["download_access_token"]
    assert zoom.get(path, params={**asked, "ttl": 60}).json()["download_access_token"] != first
    assert zoom.get(path, params={**asked, "ttl": 604801}).json()["errors"][0]["field"] == "ttl"
    assert "download_access_token" not in zoom.get(path, params={"ttl": 60}).json()


def test_phone_recordings_are_windowed(connect: Any) -> None:
    with Sandbox(clock=lambda: 1_800_014_400.0) as sandbox:  # 2027-01-15T12:00:00Z
        zoom = connect(sandbox)
        path = "/phone/users/me/recordings"
        everything = walk(zoom, path, "recordings", page_size=7)
        assert len(everything) == 40
        assert everything[0]["date_time"] > everything[-1]["date_time"]
        day = {"from": "2027-01-10", "to": "2027-01-11"}
        answer = zoom.get(path, params=day).json()
        assert (answer["total_records"], answer["from"], answer["to"]) == (4, "2027-01-10", "2027-01-11")
        hour = {"from": "2027-01-10T11:00:00Z", "to": "2027-01-10T13:00:00Z"}
        assert zoom.get(path, params=hour).json()["total_records"] == 1
        for wrong, field in (
            ({"from": "2027-01-01"}, "to"),
            ({"from": "2026-11-01", "to": "2027-01-01"}, "from"),
            ({"from": "2026-01-01", "to": "2026-01-02"}, "from"),
            ({"from": "2027-01-02", "to": "2027-01-01T00:00:00"}, "to"),
        ):
            assert zoom.get(path, params=wrong).json()["errors"][0]["field"] == field


def test_channels_page_by_ten(zoom: httpx.Client) -> None:
    first = zoom.get("/chat/users/me/channels").json()
    assert (len(first["channels"]), first["total_records"], "page_count" in first) == (10, 12, False)
    assert len(walk(zoom, "/chat/users/me/channels", "channels")) == 12
    assert zoom.get("/chat/users/user1@sandbox.example/channels").json()["channels"] == []
    assert zoom.get("/chat/users/nobody/channels").json()["code"] == 1001


def test_messages_of_a_channel_and_of_a_contact(zoom: httpx.Client, sandbox: Sandbox) -> None:
    path, channel = "/chat/users/me/messages", next(iter(sandbox.state.channels))
    rows = walk(zoom, path, "messages", to_channel=channel, page_size=50)
    assert len(rows) == 59  # the deleted one is not shown
    assert all(row.keys().isdisjoint({"status"}) for row in rows)
    assert len(walk(zoom, path, "messages", to_contact="user1@sandbox.example")) == 5
    whole = walk(zoom, path, "messages", to_channel=channel, include_deleted_and_edited_message="true")
    assert [row["status"] for row in whole[:3]] == ["Deleted", "Edited", "Normal"]
    assert len(walk(zoom, path, "messages", to_channel=channel, exclude_child_message="true")) == 58
    files = zoom.get(path, params={"to_channel": channel, "download_file_formats": "audio/mp4"}).json()["messages"]
    assert "note.mp4" in [row.get("file_name") for row in files]


def test_messages_are_found_by_a_word_and_by_a_file(zoom: httpx.Client) -> None:
    path = "/chat/users/me/messages"
    assert len(walk(zoom, path, "messages", search_type="message", search_key="こんにちは")) == 11
    assert len(walk(zoom, path, "messages", search_type="file", search_key="NOTE")) == 1
    for wrong, field in (
        ({"search_type": "file"}, "search_key"),
        ({"search_key": "x"}, "search_type"),
        ({"search_type": "file", "search_key": "x" * 257}, "search_key"),
        (
            {"search_type": "file", "search_key": "x", "include_deleted_and_edited_message": "true"},
            "include_deleted_and_edited_message",
        ),
    ):
        assert zoom.get(path, params=wrong).json()["errors"][0]["field"] == field
    both = {"to_contact": "user1@sandbox.example", "to_channel": "x"}
    assert zoom.get(path, params=both).json()["message"] == "Must provide either contact or channel parameter."


def test_a_date_wins_over_from_and_to(connect: Any) -> None:
    with Sandbox(clock=lambda: 1_800_014_400.0) as sandbox:
        zoom = connect(sandbox)
        query = {"to_channel": next(iter(sandbox.state.channels)), "page_size": "50"}
        span = {"from": "2027-01-15T00:00:00Z", "to": "2027-01-15T05:00:00Z"}
        path = "/chat/users/me/messages"
        assert len(zoom.get(path, params={**query, **span}).json()["messages"]) == 6
        answer = zoom.get(path, params={**query, **span, "date": "2027-01-14"}).json()
        assert (len(answer["messages"]), answer["date"], "from" in answer) == (24, "2027-01-14", False)
        assert zoom.get(path, params={**query, "from": "2027-01-15"}).json()["errors"][0]["field"] == "from"
