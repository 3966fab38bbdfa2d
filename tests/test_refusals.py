"""Zoom's refusals as data: each documented code has its kind and, where there is something to do, its remedy."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connector_runtime.calls import answers
from connector_runtime.model import Response
from zoom_connector import Connector

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCOPES = "Invalid access token, does not contain scopes:[meeting:write:meeting, meeting:write:meeting:admin]."
REFUSALS = [
    # the connection
    (401, 124, "Invalid access token.", "token"),
    (400, 124, "Access token is expired.", "token"),
    (401, 4700, "Access token is empty.", "token"),
    (400, 4711, SCOPES, "missing_scope"),
    (401, 4700, SCOPES, "missing_scope"),
    (401, None, "", "token"),
    # the account's plan, role and licences
    (400, 200, "Webinar plan is missing. You must subscribe to the webinar plan and enable webinars for this.", "plan"),
    (400, 200, "Only available for Paid or ZMP account: abc.", "plan"),
    (400, 200, "No permission.", "plan"),
    (400, 200, "No privilege.", "plan"),
    (400, 200, "Unauthorized request. You do not have permission to access this user's chat messages.", "plan"),
    (400, 200, "Invalid access token. Does not contain permissions [User:Edit].", "plan"),
    (404, 1102, "You cannot enable the Zoom Phone feature because you do not have any available licenses.", "plan"),
    (400, 1109, "Host is not a paid user.", "plan"),
    (400, 2002, "SSO has not been enabled for this account.", "plan"),
    (400, 2016, "No permission. Please contact Zoom Customer Support.", "plan"),
    (400, 2032, "The ssoCreate option is only available for SSO Partners.", "plan"),
    (400, 2033, "Your request to add a basic user wasn't approved.", "plan"),
    (400, 2034, "Your request to add a new user could not be approved at this time.", "plan"),
    (400, 2035, "GPA accounts cannot add users.", "plan"),
    (400, 2038, "Your request to add a new Zoom One user could not be approved at this time.", "plan"),
    (400, 2039, "You can't turn off your Zoom United license now.", "plan"),
    (403, 2306, "Not allowed to view meetings scheduled for others.", "plan"),
    (400, 3161, "Your user account is not allowed meeting hosting and scheduling capabilities.", "plan"),
    (400, 3412, "Your request to add a basic user couldn't be approved at this time.", "plan"),
    (403, None, "Forbidden Access to the Zoom REST API has been denied for this account.", "plan"),
    # what is not there
    (404, 1001, "User does not exist: abc.", "not_found"),
    (404, 1001, "Meeting does not exist: 123.", "not_found"),
    (400, 1010, "User not found on this account: abc.", "not_found"),
    (400, 1120, "A valid invitation to join the Zoom account was not found for this user.", "not_found"),
    (404, 2001, "Account does not exist.", "not_found"),
    (404, 2300, "This API endpoint is not recognized.", "not_found"),
    (404, 3001, "Meeting does not exist: 123.", "not_found"),
    (404, 3301, "There is no recording for this meeting.", "not_found"),
    (404, 4130, "Channel does not exist: abc.", "not_found"),
    (400, 12702, "Can not access a webinar a year ago.", "not_found"),
    (400, 3000, "Cannot access webinar info.", "not_found"),
    (404, None, "", "not_found"),
    # what is there already, or in a state that forbids it
    (409, 1005, 'Email "a@b.example" has already been used.', "conflict"),
    (400, 1009, "The user a@b.example already holds an active account.", "conflict"),
    (400, 200, "Cannot delete a user out of your account.", "conflict"),
    (400, 1000, "The user cannot be changed because they are a Call-queue manager.", "conflict"),
    (400, 1107, "You can not disassociate a user with managed domain.", "conflict"),
    (400, 1117, "You can not disassociate an Admin user.", "conflict"),
    (400, 3000, "This webinar does not have registration as required: 123.", "conflict"),
    (400, 3027, "Host cannot register.", "conflict"),
    (400, 3034, "If you have been invited, please input your work email address.", "conflict"),
    (400, 3038, "Webinar is over, you cannot register now.", "conflict"),
    (400, 3043, "Meeting has reached maximum attendee capacity.", "conflict"),
    (400, 4100, "User is already taken by another user from your account.", "conflict"),
    (429, None, "Too many concurrent requests. A request to disassociate this user has already been made.", "conflict"),
    # values
    (400, 300, "Validation Failed.", "validation"),
    (400, 300, "The next page token is invalid or expired.", "validation"),
    (400, 1108, "Permission requirements to change the user type of this user were not met.", "validation"),
    (400, 1116, "Email address a@b.example doesn't match limited domains: c.example", "validation"),
    (400, 1107, "Email domain is blocked.", "validation"),
    (400, 11321, "Email domain is blocked by Zoom Trust & Safety.", "validation"),
    (400, 2036, "Other accounts cannot invite GPA account owners.", "validation"),
    (400, 2037, "Force forbidden user can not be invited.", "validation"),
    # too much
    (429, 429, "You have reached the maximum per-second rate limit for this API. Try again later.", "rate_limit"),
    (429, 4001, "You have reached the maximum per-second rate limit for this API. Try again later.", "rate_limit"),
    (429, 429, "You have reached the maximum daily rate limit for this API.", "quota"),
    (429, 429, "You have exceeded the daily rate limit (100) of Meeting Create/Update API requests permitted for this "
     "particular user. You may resume these requests at GMT 00:00:00.", "quota"),
    # nothing known
    (500, None, "", "api"),
    (400, 99999, "Something new.", "api"),
]  # fmt: skip


def refusal(connector: Connector, status: int, body: Any, action: str = "create-meeting", **headers: str) -> Any:
    named = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status=status, headers=named, content=content)
    spec = connector.actions[action]
    if not answers.is_refused(spec.errors, answers.parse(response)):
        return None
    return answers.RefusedResponse(spec.errors, response).error(spec.effect or "read", NOW, spec)


@pytest.mark.parametrize(("status", "code", "message", "kind"), REFUSALS)
def test_a_refusal_is_of_its_kind(connector: Connector, status: int, code: int | None, message: str, kind: str) -> None:
    body = {"message": message} if code is None else {"code": code, "message": message}
    error = refusal(connector, status, body)
    assert error.kind == kind
    assert (error.status, error.code) == (status, code)
    if kind not in ("api", "validation") and (status, code) != (404, None):
        assert error.hint
    if message:
        assert message in error.message


def test_an_unknown_address_is_the_path_of_an_action_but_an_input_of_raw_request(connector: Connector) -> None:
    body = {"code": 2300, "message": "This API endpoint is not recognized."}
    assert refusal(connector, 404, body).hint == "Zoom has no API address like this. Check the action's path."
    error = refusal(connector, 404, body, "raw-request")
    assert error.hint == "Zoom has no API address like this. Check 'Method' and 'URL'."


@pytest.mark.parametrize(
    ("scopes", "remedy"),
    [
        ("[a:b]", "lacks this scope: a:b. Add it"),
        ("[a:b, a:b:admin]", "needs one of these scopes: a:b, a:b:admin. Add one"),
        ("[]", "lacks a scope for this. Add it"),
    ],
)
@pytest.mark.parametrize("code", [4711, 4700, 124])
def test_the_remedy_names_the_missing_scope_or_those_of_which_one_is_enough(
    connector: Connector, code: int, scopes: str, remedy: str
) -> None:
    message = f"Invalid access token, does not contain scopes:{scopes}."
    error = refusal(connector, 400, {"code": code, "message": message})
    assert (error.kind, remedy in error.hint) == ("missing_scope", True)


def test_a_user_who_cannot_be_removed_is_not_an_address_that_cannot_be_added(connector: Connector) -> None:
    """Zoom has one code for both, so they are told apart by its text."""
    blocked = refusal(connector, 400, {"code": 1107, "message": "Email domain is blocked."}, "create-user")
    managed = {"code": 1107, "message": "You can not disassociate a user with managed domain."}
    assert "another domain" in blocked.hint
    assert "'Action' to Delete" in refusal(connector, 400, managed, "delete-user").hint


def test_a_daily_limit_is_known_by_its_header_and_says_when_to_go_on(connector: Connector) -> None:
    error = refusal(
        connector,
        429,
        {"code": 429, "message": "x"},
        x_ratelimit_type="Daily-limit",
        retry_after="2026-11-23T00:00:00Z",
    )
    assert error.kind == "quota"
    assert error.retriable
    assert error.retry_at == datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retry_after", "at"),
    [
        ("2026-11-22T13:00:00Z", "2026-11-22T13:00:00+00:00"),
        ("Sun, 22 Nov 2026 13:00:00 GMT", "2026-11-22T13:00:00+00:00"),
        ("90", "2026-11-22T12:01:30+00:00"),
        ("1795349000", "2026-11-22T12:43:20+00:00"),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_comes_as_date_time_http_date_seconds_or_epoch(
    connector: Connector, retry_after: str, at: str | None
) -> None:
    error = refusal(connector, 429, {"code": 429, "message": "x"}, retry_after=retry_after)
    found = error.retry_at.isoformat() if error.retry_at else None
    assert found == (datetime.fromtimestamp(1795349000, UTC).isoformat() if retry_after == "1795349000" else at)


def test_complaints_about_fields_are_mapped_back_to_our_inputs(connector: Connector) -> None:
    errors = [
        {"field": "settings.audio", "message": "Invalid field."},
        {"field": "recurrence.weekly_days", "message": "Invalid field."},
        {"field": "settings.brand_new", "message": "Not known."},
        {"field": "unknown", "message": "Hm."},
    ]
    error = refusal(connector, 400, {"code": 300, "message": "Validation Failed.", "errors": errors})
    assert [(problem.where, problem.what) for problem in error.problems][:2] == [
        ("inputs.audio_method", "Invalid field."),
        ("inputs.weekly_day", "Invalid field."),
    ]
    assert len(error.problems) == 4
    user = [{"field": "user_info.email", "message": "Invalid field."}]
    error = refusal(connector, 400, {"code": 300, "message": "x", "errors": user}, "create-user")
    assert [problem.where for problem in error.problems] == ["inputs.email"]


def test_a_refusal_tells_status_and_code_and_complaints_without_a_field_are_about_the_request(
    connector: Connector,
) -> None:
    error = refusal(connector, 400, {"code": 300, "message": "Validation Failed", "errors": [{"message": "Too old."}]})
    assert error.message == "Validation Failed. (400 Bad Request, code 300)"
    assert [(problem.where, problem.what) for problem in error.problems] == [("request", "Too old.")]
    assert refusal(connector, 500, {}).message == "The vendor gave no reason. (500 Internal Server Error)"


def test_the_tracking_id_is_kept_for_zooms_support(connector: Connector) -> None:
    assert (
        refusal(connector, 404, {"code": 3001, "message": "x"}, x_zm_trackingid="v=2.0;rid=1").tracking_id
        == "v=2.0;rid=1"
    )


def test_an_error_body_in_a_200_is_a_refusal_and_a_meeting_with_a_code_is_none(connector: Connector) -> None:
    assert refusal(connector, 200, {"code": 3001, "message": "Meeting does not exist: 1."}).kind == "not_found"
    assert refusal(connector, 200, {"id": 1, "code": 3001, "message": "hello"}) is None
    assert refusal(connector, 200, {"message": "hello"}) is None


@pytest.mark.parametrize("content", [b"", b"<html>Bad gateway</html>", b"[1]", b'"x"', b"\xff"])
def test_a_refusal_without_a_readable_body_falls_back_to_its_status(connector: Connector, content: bytes) -> None:
    error = refusal(connector, 502, content)
    assert error.kind == "api"
    assert "502 Bad Gateway" in error.message
    assert error.hint


def test_a_server_error_is_retriable_only_where_repeating_does_no_harm(connector: Connector) -> None:
    read, create = (refusal(connector, 503, {}, action) for action in ("get-user", "create-meeting"))
    assert (read.retriable, read.may_have_been_done) == (True, False)
    assert (create.retriable, create.may_have_been_done) == (False, True)
