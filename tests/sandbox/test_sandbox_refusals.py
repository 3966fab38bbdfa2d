"""Every documented refusal is provoked by the request or the condition that should provoke it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.conditions import CONDITIONS
from zoom_connector.sandbox.endpoints import endpoints

WHO = {"email": "new@guest.example", "first_name": "New"}


@dataclass(frozen=True)
class Case:
    """A request that must be refused with `code` and a wording that contains `says`."""

    operation: str
    code: int | None
    says: str
    path: str
    given: dict[str, Any] = field(default_factory=dict)
    when: tuple[str, ...] = ()


def new_user(email: str = "new@sandbox.example", action: str = "create", type: int = 1, **more: Any) -> dict[str, Any]:
    return {"json": {"action": action, "user_info": {"email": email, "type": type, **more}}}


def body(**values: Any) -> dict[str, Any]:
    return {"json": values}


def query(**values: Any) -> dict[str, Any]:
    return {"params": values}


SLOW, DAILY = "per-second", "daily"
CASES = [
    Case("meetingRegistrantCreate", 3043, "capacity", "/meetings/{open}/registrants", {"json": WHO}, ("meeting_full",)),
    Case("meetingRegistrantCreate", 3000, "meeting info", "/meetings/{webinar}/registrants", {"json": WHO}),
    Case("meetingRegistrantCreate", 3161, "hosting", "/meetings/{open}/registrants", {"json": WHO}, ("no_hosting",)),
    Case("meetingRegistrantCreate", 1001, "Meeting does not exist: 1", "/meetings/1/registrants", {"json": WHO}),
    Case("webinarRegistrantCreate", 3000, "does not have", "/webinars/{unregistered}/registrants", {"json": WHO}),
    Case("webinarRegistrantCreate", 3027, "Host", "/webinars/{webinar}/registrants",
         {"json": {**WHO, "email": "USER0@sandbox.example"}}),
    Case("webinarRegistrantCreate", 3034, "work email", "/webinars/{webinar}/registrants",
         {"json": {**WHO, "email": "a@gmail.com"}}, ("work_email_only",)),
    Case("webinarRegistrantCreate", 3038, "over", "/webinars/{past_webinar}/registrants", {"json": WHO}),
    Case("webinarRegistrantCreate", 3000, "limit", "/webinars/{webinar}/registrants", {"json": WHO}, ("meeting_full",)),
    Case("webinarRegistrantCreate", 3000, "paid", "/webinars/{webinar}/registrants", {"json": WHO},
         ("paid_registration",)),
    Case("webinarRegistrantCreate", 3000, "panelist", "/webinars/{manual_webinar}/registrants",
         {"json": {**WHO, "email": "panelist@guest.example"}}),
    Case("webinarRegistrantCreate", 200, "No permission", "/webinars/{webinar}/registrants", {"json": WHO},
         ("no_permission",)),
    Case("webinarRegistrantCreate", 200, "plan is missing", "/webinars/{webinar}/registrants", {"json": WHO},
         ("no_webinar_plan",)),
    Case("webinarRegistrantCreate", 300, "Invalid webinar ID", "/webinars/abc/registrants", {"json": WHO}),
    Case("webinarRegistrantCreate", 3001, "not exist: 1", "/webinars/1/registrants", {"json": WHO}),
    Case("meetingCreate", 3161, "not allowed", "/users/{unlicensed}/meetings", body()),
    Case("meetingCreate", 3000, "Instant", "/users/me/meetings", body(type=1, schedule_for="user2@sandbox.example")),
    Case("meetingCreate", 3000, "have been blocked", "/users/me/meetings", body(), ("users_blocked",)),
    Case("meetingCreate", 3000, "cannot schedule", "/users/me/meetings", body(schedule_for="user25@sandbox.example")),
    Case("meetingCreate", 300, "schedule_for", "/users/me/meetings", body(schedule_for="nobody@x.example")),
    Case("meetingCreate", 300, "enforce_login_domains", "/users/me/meetings",
         body(settings={"enforce_login_domains": "a.example,b.example"})),
    Case("meetingCreate", 1001, "not exist: nobody", "/users/nobody/meetings", body()),
    Case("userCreate", 300, "password", "/users", new_user(action="autoCreate")),
    Case("userCreate", 300, "On-prem", "/users", new_user(type=3)),
    Case("userCreate", 200, "No privilege", "/users", new_user(), ("no_privilege",)),
    Case("userCreate", 200, "No permission.", "/users", new_user(), ("no_permission",)),
    Case("userCreate", 200, "User:Edit", "/users", new_user(), ("no_user_edit",)),
    Case("userCreate", 1000, "Call-queue", "/users", new_user(), ("call_queue_manager",)),
    Case("userCreate", 300, "invalid word", "/users", new_user(first_name="ZoomSupport")),
    Case("userCreate", 300, "plan_united_type", "/users", new_user(plan_united_type="3")),
    Case("userCreate", 1009, "already holds", "/users", new_user("somebody@other-account.example")),
    Case("userCreate", 1107, "blocked", "/users", new_user("a@blocked.example")),
    Case("userCreate", 2034, "maximum", "/users", new_user(type=2), ("no_licenses",)),
    Case("userCreate", 2033, "basic", "/users", new_user(), ("no_basic_seats",)),
    Case("userCreate", 3412, "basic users", "/users", new_user(), ("basic_seats_capped",)),
    Case("userCreate", 1108, "type", "/users", new_user(), ("no_type_change",)),
    Case("userCreate", 1116, "doesn't match", "/users", new_user("a@b.example"), ("limited_domains",)),
    Case("userCreate", 2002, "SSO", "/users", new_user(action="ssoCreate"), ("no_sso",)),
    Case("userCreate", 2032, "ssoCreate", "/users", new_user(action="ssoCreate"), ("no_sso_provision",)),
    Case("userCreate", 2035, "GPA", "/users", new_user(), ("gpa_account",)),
    Case("userCreate", 2036, "GPA", "/users", new_user(), ("gpa_owner",)),
    Case("userCreate", 2037, "forbidden", "/users", new_user(), ("force_forbidden",)),
    Case("userCreate", 2038, "Zoom One", "/users", new_user(feature={"zoom_one_type": 16}), ("no_zoom_one_seats",)),
    Case("userCreate", 11321, "Trust", "/users", new_user("a@untrusted.example")),
    Case("userCreate", 2016, "Support", "/users", new_user(), ("contact_support",)),
    Case("userCreate", 4130, "Group", "/users", new_user(), ("group_missing",)),
    Case("userCreate", 1102, "Zoom Phone", "/users", new_user(feature={"zoom_phone": True}), ("no_phone_licenses",)),
    Case("userCreate", 1005, "has already been used", "/users", new_user("USER2@sandbox.example")),
    Case("userDelete", 300, "transfer-to", "/users/{user4}", query(transfer_email="user4@sandbox.example")),
    Case("userDelete", 300, "API user", "/users/{user4}", when=("api_user",)),
    Case("userDelete", 300, "published events", "/users/{user4}", when=("published_events",)),
    Case("userDelete", 200, "out of your account", "/users/me", query(action="delete")),
    Case("userDelete", 200, "Zoom Rooms", "/users/{user4}", when=("zoom_room",)),
    Case("userDelete", 200, "deactivated", "/users/user25@sandbox.example", query(action="delete")),
    Case("userDelete", 1000, "Call-queue", "/users/{user4}", when=("call_queue_manager",)),
    Case("userDelete", 1107, "managed", "/users/user5@managed.example"),
    Case("userDelete", 1117, "Admin", "/users/user1@sandbox.example"),
    Case("userDelete", 1120, "invitation", "/users/user29@sandbox.example"),
    Case("userDelete", 1001, "not exist: nobody", "/users/nobody"),
    Case("userDelete", 429, "concurrent", "/users/{user4}", when=("concurrent_delete",)),
    Case("meeting", 3000, "webinar info", "/meetings/{webinar}"),
    Case("meeting", 3161, "not allowed", "/meetings/{open}", when=("no_hosting",)),
    Case("meeting", 3001, "not exist: 1", "/meetings/1"),
    Case("meetingInvitation", 3161, "hosting", "/meetings/{open}/invitation", when=("no_hosting",)),
    Case("meetingInvitation", 3001, "not exist: 1", "/meetings/1/invitation"),
    Case("recordingGet", 1010, "account", "/meetings/{recorded}/recordings", when=("account_mismatch",)),
    Case("recordingGet", 1001, "belong", "/meetings/{recorded}/recordings", when=("recording_owner_gone",)),
    Case("recordingGet", 3301, "no recording", "/meetings/{open}/recordings"),
    Case("phoneUserRecordings", 300, "Invalid user id", "/phone/users/x/recordings"),
    Case("phoneUserRecordings", 1001, "not exist", "/phone/users/nobody@x.example/recordings"),
    Case("phoneUserRecordings", 2001, "Account", "/phone/users/me/recordings", when=("no_phone_account",)),
    Case("user", 1120, "invitation", "/users/user29@sandbox.example"),
    Case("user", 1001, "not exist: nobody", "/users/nobody"),
    Case("webinar", 300, "Invalid webinar ID", "/webinars/abc"),
    Case("webinar", 200, "plan is missing", "/webinars/{webinar}", when=("no_webinar_plan",)),
    Case("webinar", 200, "No permission", "/webinars/{webinar}", when=("no_permission",)),
    Case("webinar", 3001, "not exist: 1", "/webinars/1"),
    Case("meetingRegistrants", 300, "webinar info", "/meetings/{webinar}/registrants"),
    Case("meetingRegistrants", 3161, "hosting", "/meetings/{open}/registrants", when=("no_hosting",)),
    Case("meetingRegistrants", 3001, "not exist: 1", "/meetings/1/registrants"),
    Case("meetings", 3161, "hosting", "/users/{unlicensed}/meetings"),
    Case("meetings", 2306, "others", "/users/{user4}/meetings", when=("others_meetings_hidden",)),
    Case("meetings", 1001, "not exist: nobody", "/users/nobody/meetings"),
    Case("users", 124, "expired", "/users", {"headers": {"Authorization": "Bearer old"}}),
    Case("users", 124, "Invalid", "/users", {"headers": {"Authorization": "Bearer wrong"}}),
    Case("users", 300, "next page token", "/users", query(next_page_token="wrong")),
    Case("users", 2300, "not recognized", "/user"),
    Case("users", None, "Forbidden", "/users", when=("api_denied",)),
    Case("getChannels", 300, "next page token", "/chat/users/me/channels", query(next_page_token="wrong")),
    Case("getChatMessages", 200, "Unauthorized", "/chat/users/me/messages", query(to_contact="user1@sandbox.example"),
         ("no_permission",)),
    Case("getChatMessages", 300, "next page token", "/chat/users/me/messages",
         query(to_contact="user1@sandbox.example", next_page_token="wrong")),
    Case("getChatMessages", 300, "contact or channel", "/chat/users/me/messages"),
    Case("getChatMessages", 300, "6 months", "/chat/users/me/messages",
         query(to_contact="user1@sandbox.example", date="2020-01-01")),
    Case("getChatMessages", 1001, "not exist: nobody", "/chat/users/me/messages", query(to_contact="nobody")),
    Case("getChatMessages", 4130, "not exist: none", "/chat/users/me/messages", query(to_channel="none")),
    Case("listWebinarParticipants", 200, "No permission", "/past_webinars/{past_webinar}/participants",
         when=("no_permission",)),
    Case("listWebinarParticipants", 300, "next page token", "/past_webinars/{past_webinar}/participants",
         query(next_page_token="wrong")),
    Case("listWebinarParticipants", 200, "Paid", "/past_webinars/{past_webinar}/participants",
         when=("account_unpaid",)),
    Case("listWebinarParticipants", 3001, "does not exist", "/past_webinars/1/participants"),
    Case("reportWebinarParticipants", 1010, "account", "/report/webinars/{past_webinar}/participants",
         when=("account_mismatch",)),
    Case("reportWebinarParticipants", 12702, "a year ago", "/report/webinars/{old_webinar}/participants"),
    Case("reportWebinarParticipants", 200, "No permission", "/report/webinars/{past_webinar}/participants",
         when=("no_permission",)),
    Case("reportWebinarParticipants", 3001, "not found or has expired", "/report/webinars/1/participants"),
    Case("webinarRegistrants", 200, "No permission", "/webinars/{webinar}/registrants", when=("no_permission",)),
    Case("webinarRegistrants", 200, "plan is missing", "/webinars/{webinar}/registrants", when=("no_webinar_plan",)),
    Case("webinarRegistrants", 3001, "not exist: 1", "/webinars/1/registrants"),
    Case("webinars", 200, "No permission", "/users/me/webinars", when=("no_permission",)),
    Case("webinars", 200, "plan is missing", "/users/me/webinars", when=("no_webinar_plan",)),
    Case("webinars", 1001, "not exist: nobody", "/users/nobody/webinars"),
    Case("meetingUpdate", 3161, "not allowed", "/meetings/{open}", body(topic="x"), ("no_hosting",)),
    Case("meetingUpdate", 300, "schedule_for", "/meetings/{open}", body(schedule_for="nobody@x.example")),
    Case("meetingUpdate", 300, "enforce_login_domains", "/meetings/{open}",
         body(settings={"enforce_login_domains": "a.example,b.example"})),
    Case("meetingUpdate", 3000, "webinar information", "/meetings/{webinar}", body(topic="x")),
    Case("meetingUpdate", 3000, "Instant", "/meetings/{open}", body(type=1, schedule_for="user2@sandbox.example")),
    Case("meetingUpdate", 3000, "have been blocked", "/meetings/{open}", body(topic="x"), ("users_blocked",)),
    Case("meetingUpdate", 3000, "cannot schedule", "/meetings/{open}", body(schedule_for="user25@sandbox.example")),
    Case("meetingUpdate", 3000, "Prescheduling", "/meetings/{recurring}", body(pre_schedule=True)),
    Case("meetingUpdate", 3000, "continuous chat", "/meetings/{open}",
         body(schedule_for="nobody@x.example", settings={"continuous_meeting_chat": {"enable": True}})),
    Case("meetingUpdate", 124, "Invalid", "/meetings/{open}",
         {"json": {}, "headers": {"Authorization": "Bearer wrong"}}),
    Case("meetingUpdate", 124, "expired", "/meetings/{open}", {"json": {}, "headers": {"Authorization": "Bearer old"}}),
    Case("meetingUpdate", 3001, "not exist: 1", "/meetings/1", body(topic="x")),
    Case("meetingUpdate", 4001, "per-second", "/meetings/{open}", body(topic="x"), ("rate_limited",)),
    Case("userUpdate", 200, "free user type", "/users/{user4}", body(type=1), ("zoom_room",)),
    Case("userUpdate", 200, "no-meeting-license", "/users/{user4}", body(type=4), ("zoom_room",)),
    Case("userUpdate", 300, "invalid word", "/users/{user4}", body(last_name="zoomsupport")),
    Case("userUpdate", 300, "upcoming webinar", "/users/me", body(type=1)),
    Case("userUpdate", 300, "Only one of", "/users/{user4}", body(type=1, plan_united_type="1")),
    Case("userUpdate", 1108, "type", "/users/{user4}", body(type=1), ("no_type_change",)),
    Case("userUpdate", 1109, "paid", "/users/user6@sandbox.example", body(vanity_name="six")),
    Case("userUpdate", 1120, "invitation", "/users/user29@sandbox.example", body(dept="x")),
    Case("userUpdate", 2034, "maximum", "/users/{user4}", body(type=2), ("no_licenses",)),
    Case("userUpdate", 2033, "Basic", "/users/{user4}", body(type=1), ("no_basic_seats",)),
    Case("userUpdate", 3412, "to a", "/users/{user4}", body(type=1), ("basic_seats_capped",)),
    Case("userUpdate", 4100, "Personal Link", "/users/{user4}", body(vanity_name="Misaki")),
    Case("userUpdate", 2038, "maximum", "/users/{user4}", body(zoom_one_type=16), ("no_zoom_one_seats",)),
    Case("userUpdate", 2039, "United", "/users/{user4}", body(plan_united_type="none"), ("no_basic_fallback",)),
    Case("userUpdate", 2039, "Zoom One", "/users/{user4}", body(zoom_one_type=0), ("no_basic_fallback",)),
    Case("userUpdate", 1001, "not exist: nobody", "/users/nobody", body(dept="x")),
    Case("meetingDelete", 3000, "webinar information", "/meetings/{webinar}"),
    Case("meetingDelete", 3001, "not exist: 1", "/meetings/1"),
]  # fmt: skip
METHODS = {endpoint.operation: endpoint.method for endpoint in endpoints()}


@dataclass(frozen=True)
class Account:
    """A running sandbox and one client for all requests: making a client takes longer than the requests."""

    sandbox: Sandbox
    client: httpx.Client


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with Sandbox() as running, httpx.Client(base_url=running.base_url, timeout=10) as client:
        running.tokens.issue("old", lifetime=-1)
        running.run(lambda state: state.users_by_email["user7@sandbox.example"].profile.update(type=4))
        yield Account(running, client)


@pytest.fixture(scope="module")
def places(account: Account) -> dict[str, Any]:
    """Name the seeded things that the paths of the cases speak of."""
    meetings = list(account.sandbox.state.meetings)
    webinars = list(account.sandbox.state.webinars)
    return {
        "recorded": meetings[0],
        "open": meetings[2],
        "recurring": meetings[3],
        "webinar": webinars[0],
        "manual_webinar": webinars[1],
        "unregistered": webinars[2],
        "past_webinar": webinars[5],
        "old_webinar": webinars[6],
        "unlicensed": "user7@sandbox.example",
        "user4": "user4@sandbox.example",
    }


def send(account: Account, method: str, path: str, given: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {account.sandbox.token}", **given.get("headers", {})}
    return account.client.request(method, path, **{**given, "headers": headers})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.operation}-{case.code}-{case.says}".replace(" ", "_"))
def test_the_request_that_should_be_refused_is_refused_in_zooms_words(
    account: Account, places: dict[str, Any], case: Case
) -> None:
    account.sandbox.conditions = case.when
    response = send(account, METHODS[case.operation], case.path.format(**places), case.given)
    answer = response.json()
    assert (answer.get("code"), response.status_code >= 400) == (case.code, True), answer
    assert case.says in answer["message"]
    assert "{" not in answer["message"]
    assert response.headers["x-zm-trackingid"]


def test_no_documented_refusal_is_left_out() -> None:
    left_out = [
        (endpoint.operation, said.code, said.says)
        for endpoint in endpoints()
        for said in endpoint.errors
        if said.code != 429  # the test below
        and not any(
            (case.operation, case.code) == (endpoint.operation, said.code) and case.says.partition(": ")[0] in said.says
            for case in CASES
        )
    ]
    assert left_out == []


@pytest.mark.parametrize("endpoint", endpoints(), ids=lambda endpoint: endpoint.operation)
def test_every_endpoint_answers_429_when_the_account_is_too_fast(
    account: Account, places: dict[str, Any], endpoint: Any
) -> None:
    paths = {"userId": "me", "meetingId": places["open"], "webinarId": places["webinar"]}
    given: dict[str, Any] = {} if endpoint.body is None else {"json": {**WHO, "action": "create"}}
    if endpoint.operation == "userCreate":
        given = new_user()
    path = endpoint.path.format(**paths)
    account.sandbox.conditions = {"rate_limited"}
    slow = send(account, endpoint.method, path, given)
    account.sandbox.conditions = {"daily_limited"}
    daily = send(account, endpoint.method, path, given)
    account.sandbox.conditions = ()
    assert (slow.status_code, daily.status_code) == (429, 429)
    assert slow.json()["code"] == (4001 if endpoint.operation == "meetingUpdate" else 429)
    assert slow.headers["x-ratelimit-type"] == "QPS"
    assert "retry-after" not in slow.headers
    assert daily.headers["x-ratelimit-type"] == "Daily-limit"
    assert daily.headers["retry-after"].endswith("T00:00:00Z")


def test_every_condition_is_used_by_some_test_of_this_folder() -> None:
    elsewhere = {"daily_limited", "host_limited", "pages_expired", "webinars_by_number", "refusals_in_200"}
    assert {name for case in CASES for name in case.when} | elsewhere == CONDITIONS


def test_a_condition_that_does_not_exist_is_refused(account: Account) -> None:
    with pytest.raises(ValueError, match="no_webinars"):
        Sandbox(conditions={"no_webinars"})
    with pytest.raises(ValueError, match="nonsense"):
        account.sandbox.conditions = {"nonsense"}


def test_a_host_who_made_100_changes_today_is_told_when_to_go_on(account: Account) -> None:
    account.sandbox.conditions = {"host_limited"}
    response = send(account, "POST", "/users/me/meetings", {"json": {}})
    account.sandbox.conditions = ()
    assert response.status_code == 429
    assert "GMT 00:00:00" in response.json()["message"]


def test_old_webinar_endpoints_may_refuse_with_200(account: Account) -> None:
    account.sandbox.conditions = {"refusals_in_200", "no_webinar_plan"}
    response = send(account, "GET", "/users/me/webinars", {})
    account.sandbox.conditions = ()
    assert response.status_code == 200
    assert response.json()["code"] == 200
