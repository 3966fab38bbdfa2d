"""Users: create, get, update, delete and list, as Zoom does it."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Sandbox


def create(zoom: httpx.Client, email: str, action: str = "custCreate", type: int = 2, **info: Any) -> httpx.Response:
    return zoom.post("/users", json={"action": action, "user_info": {"email": email, "type": type, **info}})


def test_a_created_user_is_found_by_id_and_by_email_in_any_case(zoom: httpx.Client) -> None:
    made = create(zoom, "Kim+1@x.example", first_name="Kim", last_name="지우").json()
    assert made == {"id": made["id"], "email": "Kim+1@x.example", "first_name": "Kim", "last_name": "지우", "type": 2}
    for path in (made["id"], "kim%2B1@x.example"):
        found = zoom.get(f"/users/{path}").json()
        assert (found["id"], found["display_name"], found["status"]) == (made["id"], "Kim 지우", "active")


def test_a_bare_plus_in_a_path_is_not_a_plus(zoom: httpx.Client) -> None:
    create(zoom, "kim+1@x.example")
    assert zoom.get("/users/kim+1@x.example").status_code == 404


def test_me_is_the_owner(zoom: httpx.Client) -> None:
    assert zoom.get("/users/me").json()["role_name"] == "Owner"


@pytest.mark.parametrize(
    ("action", "more", "login"),
    [("custCreate", {}, 99), ("ssoCreate", {"type": 99}, 101), ("autoCreate", {"password": "secret123"}, 100)],
)
def test_each_way_of_creating_gives_an_active_user_at_once(
    zoom: httpx.Client, action: str, more: dict[str, Any], login: int
) -> None:
    assert create(zoom, "new@x.example", action, **more).status_code == 201
    found = zoom.get("/users/new@x.example").json()
    assert (found["status"], found["login_types"]) == ("active", [login])


def test_an_invited_user_is_pending_and_listed_without_an_id(zoom: httpx.Client) -> None:
    create(zoom, "invited@x.example", "create")
    pending = zoom.get("/users", params={"status": "pending"}).json()["users"]
    assert "invited@x.example" in [user["email"] for user in pending]
    assert all("id" not in user for user in pending)


def test_an_address_can_be_used_once(zoom: httpx.Client) -> None:
    create(zoom, "twice@x.example")
    again = create(zoom, "TWICE@x.example")
    assert (again.status_code, again.json()["code"]) == (409, 1005)


@pytest.mark.parametrize(
    ("info", "field"),
    [
        ({"email": "no address"}, "user_info.email"),
        ({"type": "2"}, "user_info.type"),
        ({"type": 99}, "user_info.type"),
        ({"first_name": "x" * 65}, "user_info.first_name"),
        ({"password": "short"}, "user_info.password"),
        ({"feature": {"zoom_one_type": 72057594037927940}}, "user_info.feature.zoom_one_type"),
    ],
)
def test_a_wrong_field_is_named(zoom: httpx.Client, info: dict[str, Any], field: str) -> None:
    response = create(zoom, **{"email": "new@x.example", **info})
    assert response.status_code == 400
    assert response.json() == {
        "code": 300,
        "message": "Validation Failed.",
        "errors": [{"field": field, "message": "Invalid field."}],
    }


def test_an_update_is_flat_and_answers_204(zoom: httpx.Client) -> None:
    changes = {
        "first_name": "Ida",
        "dept": "R&D",
        "about_me": "x",
        "vanity_name": "ida",
        "phone_numbers": [{"code": "+1", "country": "US", "label": "Office", "number": "555"}],
        "zoom_one_type": 576460752303423488,
        "unknown": 1,
    }
    assert zoom.patch("/users/user4@sandbox.example", json=changes).status_code == 204
    found = zoom.get("/users/user4@sandbox.example").json()
    assert (found["first_name"], found["dept"], found["zoom_one_type"]) == ("Ida", "R&D", 576460752303423488)
    assert found["vanity_url"].endswith("/my/ida")
    assert found["phone_numbers"][0]["verified"] is False
    assert found["display_name"].startswith("Ida ")


@pytest.mark.parametrize(
    "changes",
    [
        {"host_key": "12345x"},
        {"pmi": 123},
        {"linkedin_url": "https://example.com/me"},
        {"group_id": "g"},
        {"phone_numbers": [{"label": "Work"}]},
        {"dept": None},
        {"plan_united_type": 1},
    ],
)
def test_an_update_that_zoom_would_not_take_is_refused(zoom: httpx.Client, changes: dict[str, Any]) -> None:
    response = zoom.patch("/users/user4@sandbox.example", json=changes)
    assert response.json()["code"] == 300
    assert response.json()["errors"][0]["field"].startswith(next(iter(changes)))


def test_login_type_finds_only_those_who_log_in_that_way(zoom: httpx.Client) -> None:
    assert zoom.get("/users/me", params={"login_type": 100}).status_code == 200
    assert zoom.get("/users/me", params={"login_type": 0}).status_code == 404
    assert zoom.get("/users/me", params={"login_type": 7}).json()["errors"][0]["field"] == "login_type"


def test_a_user_is_found_by_employee_id_and_by_encrypted_address(zoom: httpx.Client) -> None:
    by_id = zoom.get("/users/E-0002", params={"search_by_unique_id": "true"}).json()
    hidden = base64.urlsafe_b64encode(b"user2@sandbox.example").decode()
    assert zoom.get(f"/users/{hidden}", params={"encrypted_email": "true"}).json()["id"] == by_id["id"]
    assert zoom.get(f"/users/{hidden}").status_code == 404


def test_a_deleted_user_takes_along_what_is_theirs(zoom: httpx.Client, sandbox: Sandbox) -> None:
    meeting = zoom.post("/users/user4@sandbox.example/meetings", json={}).json()["id"]
    assert zoom.delete("/users/user4@sandbox.example", params={"action": "delete"}).status_code == 204
    assert zoom.get("/users/user4@sandbox.example").status_code == 404
    assert zoom.get(f"/meetings/{meeting}").json()["code"] == 3001


def test_meetings_can_be_left_to_somebody(zoom: httpx.Client) -> None:
    meeting = zoom.post("/users/user4@sandbox.example/meetings", json={}).json()["id"]
    left = {"transfer_email": "user2@sandbox.example", "transfer_meeting": "true"}
    assert zoom.delete("/users/user4@sandbox.example", params=left).status_code == 204
    assert zoom.get(f"/meetings/{meeting}").json()["host_email"] == "user2@sandbox.example"


def test_a_pending_user_can_only_be_disassociated(zoom: httpx.Client) -> None:
    path = "/users/user27@sandbox.example"
    assert zoom.delete(path, params={"action": "delete"}).json()["errors"][0]["field"] == "action"
    assert zoom.delete(path).status_code == 204


def test_the_list_can_be_narrowed(zoom: httpx.Client) -> None:
    def count(**query: str) -> int:
        total: int = zoom.get("/users", params=query).json()["total_records"]
        return total

    assert (count(), count(status="inactive"), count(status="pending")) == (25, 2, 3)
    assert (count(role_id="0"), count(role_id="1"), count(license="zoom_workforce_management")) == (1, 1, 1)


def test_rare_fields_are_listed_only_when_asked_for(zoom: httpx.Client) -> None:
    plain = zoom.get("/users").json()["users"][2]
    assert "host_key" not in plain
    assert "custom_attributes" not in plain
    assert "host_key" in zoom.get("/users", params={"include_fields": "host_key"}).json()["users"][2]
    assert "custom_attributes" in zoom.get("/users?include_fields=custom_attributes").json()["users"][2]


def test_a_boolean_in_a_query_is_lower_case_and_unknown_parameters_are_ignored(zoom: httpx.Client) -> None:
    assert zoom.get("/users/me?encrypted_email=True").json()["errors"][0]["field"] == "encrypted_email"
    assert zoom.get("/users/me?encrypted_email=1").status_code == 400
    assert zoom.get("/users/me?nonsense=1").status_code == 200
