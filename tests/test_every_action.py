"""Every action runs against a Zoom that was built from Zoom's endpoints and knows no definition of ours."""

from __future__ import annotations

from typing import Any

from zoom_connector import ApiError, Client, Connector, NotFound
from zoom_connector.sandbox import Sandbox


def test_all_22_actions_run(client: Client, connector: Connector, zoom: Sandbox) -> None:
    done: dict[str, Any] = {}

    def run(key: str, **inputs: Any) -> Any:
        result = client.run(key, inputs)
        done[key] = result.status
        return result.data

    user = run("create-user", email="new@sandbox.example", user_type=1, first_name="Ada")["id"]
    run("update-user", user_id="me", department="Compilers", pronouns_option=2, phone_numbers=[])
    run("get-user", user_id="me", login_type=100)
    run("list-users", user_status="active")
    meeting = run(
        "create-meeting", user_id="me", topic="Weekly", type=8, start_time="2030-01-06T10:00:00Z", type_recurrence=2,
        weekly_day="1,3", end_times=4, approval_type=0, settings_extra_fields={"jbh_time": 5},
    )["id"]  # fmt: skip
    run("update-meeting", meeting_id=meeting, topic="Daily", mute_upon_entry=True)
    assert run("get-meeting", meeting_id=meeting)["topic"] == "Daily"
    run("get-meeting-invitation", meeting_id=meeting)
    run("add-meeting-registrant", meeting_id=meeting, email="a@b.example", first_name="A", country="US")
    assert len(run("list-meeting-registrants", meeting_id=meeting)["registrants"]) == 1
    assert run("list-meetings", user_id="me")["meetings"]
    recorded = recorded_meetings(client)[0]["id"]
    files = run("get-meeting-recordings", meeting_id=recorded, include_fields="download_access_token", time_to_live=60)
    assert files["recording_files"] and "participant_audio_files" in files
    webinars = run("list-webinars", user_id="me")["webinars"]
    webinar = webinars[0]["id"]
    run("get-webinar", webinar_id=webinar)
    open_for = next(found["id"] for found in webinars if registers(client, found["id"], done))
    run("list-webinar-registrants", webinar_id=open_for)
    run("list-webinar-participants", webinar_id=webinars[-1]["id"])
    run("get-phone-recordings", user_id="me")
    channel = run("list-users-channels", user_id="me")["channels"][0]["id"]
    run("list-users-chat-messages", user_id="me", to_channel=channel)
    run("raw-request", url=f"/meetings/{meeting}", method="DELETE")
    run("delete-user", user_id=user)
    assert sorted(done) == sorted(connector.actions)
    assert set(done.values()) <= {200, 201, 204}


def recorded_meetings(client: Client) -> list[Any]:
    """Meetings that are over and were recorded."""
    found = client.run("list-meetings", {"user_id": "me", "type_of_meeting": "previous_meetings"}).data["meetings"]
    return [meeting for meeting in found if has_recording(client, meeting["id"])]


def has_recording(client: Client, meeting: Any) -> bool:
    try:
        client.run("get-meeting-recordings", {"meeting_id": meeting})
    except NotFound:
        return False
    return True


def registers(client: Client, webinar: Any, done: dict[str, Any]) -> bool:
    """Whether somebody could be registered for the webinar."""
    person = {"webinar_id": webinar, "email": "w@b.example", "first_name": "W", "last_name": "B"}
    try:
        done["add-webinar-registrant"] = client.run("add-webinar-registrant", person).status
    except ApiError:
        return False
    return True
