"""Zoom's refusals as data: each documented error has its kind and, where there is something to do, its remedy."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector_runtime.calls import answers
from connector_runtime.connections.oauth_requests import app
from connector_runtime.definitions.folders import load
from connector_runtime.errors import RequestError, TransportError
from connector_runtime.model import Response
from connector_runtime.sentences import PLAIN
from zoom_connector import Connector

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SCOPES = "Invalid access token, does not contain scopes:[meeting:write:meeting, meeting:write:meeting:admin]."
DOCUMENTED = yaml.safe_load((Path(__file__).parent / "spec" / "errors.yaml").read_text())
ROWS = [
    (entry.get("action", "raw-request"), entry["request"], *error)
    for entries in DOCUMENTED.values()
    for entry in entries
    for error in entry["errors"]
]
REFUSALS = [  # as they are met beside the documented ones: HTTP status, code, message, kind
    (401, 4700, "Access token is empty.", "token"),
    (400, 4711, SCOPES, "missing_scope"),
    (401, 4700, SCOPES, "missing_scope"),
    (401, None, "", "token"),
    (404, None, "", "not_found"),
    (409, None, "", "conflict"),
    (422, None, "", "validation"),
    (400, None, "", "api"),
    (403, None, "", "api"),
    (429, None, "Too many concurrent requests. A request to disassociate this user has already been made.", "conflict"),
    (429, 429, "You have reached the maximum per-second rate limit for this API. Try again later.", "rate_limit"),
    (400, 4001, "You have reached the maximum per-second rate limit for this API. Try again later.", "rate_limit"),
    (400, 300, "Meeting id does not exist.", "not_found"),
    (400, 3003, "You are not the meeting host.", "plan"),
    (401, 104, SCOPES, "missing_scope"),
    (400, 124, "This API does not support client credentials for authorization.", "token"),
    (400, 4700, "This API does not support client credentials for authorization.", "token"),
    (400, 200, "Invalid api key or secret.", "token"),
    (400, 200, "This API is only available for Business or higher accounts.", "plan"),
    (400, 200, "The Cloud Recording feature is not enabled.", "plan"),
    (400, 200, "Reports have been disabled by the account.", "plan"),
    (403, 403, "Your IP address is not allowed.", "plan"),
    (400, 3000, "The alternative host someone@example.com is not licensed.", "plan"),
    (500, None, "", "api"),
    (400, 99999, "Something new.", "api"),
]  # fmt: skip


def refusal(
    connector: Connector,
    status: int,
    body: Any,
    action: str = "create-meeting",
    path: str | None = None,
    **headers: str,
) -> Any:
    named = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status=status, headers=named, content=content)
    spec = connector.actions[action]
    if not answers.is_refused(spec.errors, answers.parse(response)):
        return None
    read = answers.RefusedResponse(spec.errors, response, path=path or spec.path)
    return read.error(spec.effect or "read", NOW, spec)


@pytest.mark.parametrize(("action", "request_line", "status", "code", "message", "kind", "hint"), ROWS)
def test_a_documented_error_has_the_kind_and_the_hint_that_a_reader_gives_it(
    connector: Connector,
    action: str,
    request_line: str,
    status: int,
    code: int | None,
    message: str,
    kind: str,
    hint: str | None,
) -> None:
    path = re.sub(r"\{\w+\}", "812", request_line.partition(" ")[2])
    error = refusal(connector, status, {"code": code, "message": message}, action, path)
    assert (error.kind, error.status, error.code) == (kind, status, code)
    assert error.hint is None if hint is None else hint in (error.hint or "")
    assert " ".join(message.split()) in error.message


def test_the_documented_errors_are_those_of_every_published_endpoint(connector: Connector) -> None:
    published = [entry.get("action") for entry in DOCUMENTED["published"]]
    assert {*connector.actions} - {"raw-request"} == {*published} - {None}
    assert [sum(len(entry["errors"]) for entry in DOCUMENTED[name]) for name in DOCUMENTED] == [162, 218]


@pytest.mark.parametrize(("status", "code", "message", "kind"), REFUSALS)
def test_a_refusal_is_of_its_kind(connector: Connector, status: int, code: int | None, message: str, kind: str) -> None:
    body = {name: value for name, value in (("code", code), ("message", message)) if value}
    error = refusal(connector, status, body, "get-meeting")
    assert (error.kind, error.status, error.code) == (kind, status, code)
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
@pytest.mark.parametrize("code", [4711, 4700, 124, 104])
def test_the_remedy_names_the_missing_scope_or_those_of_which_one_is_enough(
    connector: Connector, code: int, scopes: str, remedy: str
) -> None:
    message = f"Invalid access token, does not contain scopes:{scopes}."
    for status in (400, 401):
        error = refusal(connector, status, {"code": code, "message": message})
        assert (error.kind, remedy in error.hint) == ("missing_scope", True)


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        # the list as JSON, as the Calendar API writes it
        (
            104,
            'Invalid access token, does not contain scopes:["calendar:read:admin","calendar:read"]',
            "scopes: calendar:read:admin, calendar:read. Add one",
        ),
        (4711, "Das Token enthält diesen Scope nicht: [meeting:read:meeting]。", "scope: meeting:read:meeting. Add it"),
        (4700, "Ungültiges Token, es fehlt [meeting:read:meeting].", "scope: meeting:read:meeting. Add it"),
        (4700, "Es fehlt eines von [a:b, a:b:admin].", "scopes: a:b, a:b:admin. Add one"),
        (98765, "Invalid access token, does not contain required scopes.", "lacks a scope"),
    ],
)
def test_a_missing_scope_is_known_by_its_list_in_any_language_and_by_zooms_words_with_any_code(
    connector: Connector, code: int, message: str, remedy: str
) -> None:
    error = refusal(connector, 401, {"code": code, "message": message})
    assert (error.kind, remedy in error.hint) == ("missing_scope", True)


@pytest.mark.parametrize(
    ("path", "status", "code", "message", "hint"),
    [
        # a user-managed app may reach only its own user, and Zoom calls that an invalid token
        ("/users/somebody/meetings", 401, 124, "Invalid access token.", "enter 'me' as the user."),
        ("/chat/users/somebody/channels", 401, 124, "Invalid access token.", "enter 'me' as the user."),
        ("/phone/users/somebody/recordings", 401, 124, "Invalid access token.", "enter 'me' as the user."),
        ("/users/me/meetings", 401, 124, "Invalid access token.", "Reconnect the account."),
        ("/users", 401, 124, "Invalid access token.", "Reconnect the account."),
        ("/chat/users/me/channels", 401, 124, "Invalid access token.", "Reconnect the account."),
        ("/users/somebody/meetings", 401, 124, "Access token is expired.", "Reconnect the account."),
        ("/users/somebody", 400, 124, "This API does not support client credentials.", "matches the app's type."),
        ("/users/somebody", 400, 200, "Invalid api key or secret.", None),
        ("/users", 400, 3412, "基本ユーザー", None),  # of Basic or of paid users, which only the text tells
        ("/users/somebody", 404, 1120, "この招待は無効です。", "Invite the user again."),
        (
            "/phone/users/somebody",
            400,
            1201,
            "This user has no Zoom Phone license.",
            "Assign one under User Management.",
        ),
        ("/meetings/1", 400, 3000, "The alternative host is not licensed.", "Assign one under User Management."),
        ("/meetings/1", 403, 403, "Your IP address is not allowed.", None),
        ("/users/1", 403, 403, "This user is not allowed to do it.", "role and licence."),
        ("/users/1/settings", 400, 200, "This feature is not enabled.", "Ask a Zoom admin to change them."),
    ],
)
def test_the_hint_says_no_more_than_the_refusal(
    connector: Connector, path: str, status: int, code: int, message: str, hint: str | None
) -> None:
    error = refusal(connector, status, {"code": code, "message": message}, "raw-request", path)
    assert error.hint is None if hint is None else error.hint.endswith(hint)


def test_a_user_who_cannot_be_removed_is_not_an_address_that_cannot_be_added(connector: Connector) -> None:
    """Zoom has one code for both, so they are told apart by its text."""
    blocked = refusal(connector, 400, {"code": 1107, "message": "Email domain is blocked."}, "create-user")
    managed = {"code": 1107, "message": "You can not disassociate a user with managed domain."}
    assert "another domain" in blocked.hint
    assert "'Action' to Delete" in refusal(connector, 400, managed, "delete-user").hint


OF_A_USER = (
    "You have exceeded the daily rate limit (100) of Meeting Create/Update API requests permitted for this particular "
    "user. You may resume these requests at GMT 00:00:00."
)
OF_THE_ACCOUNT = (
    "You have reached the maximum daily rate limit for this API. Refer to the response header for details on when you "
    "can make another request."
)


@pytest.mark.parametrize("status", [429, 400, 200])
@pytest.mark.parametrize(
    ("message", "header", "hint"),
    [
        (OF_A_USER, None, "after 00:00 GMT"),
        ("You have exceeded the daily rate limit of (3) for Add meeting registrant.", None, "after 00:00 GMT"),
        (OF_THE_ACCOUNT, None, "The account has reached Zoom's daily limit"),
        (OF_THE_ACCOUNT, "QPS", "after 00:00 GMT"),
        (OF_A_USER, None, "per user"),
    ],
)
def test_a_daily_limit_is_known_by_its_wording(
    connector: Connector, message: str, status: int, header: str | None, hint: str
) -> None:
    headers = {"x_ratelimit_type": header} if header else {}
    error = refusal(connector, status, {"code": 429, "message": message}, **headers)
    assert (error.kind, error.retriable, error.retry_at) == ("quota", True, None)
    assert hint in error.hint


@pytest.mark.parametrize("word", ["Daily-limit", "daily-limit"])
def test_a_daily_limit_is_known_by_its_header_and_says_when_to_go_on(connector: Connector, word: str) -> None:
    body, at = {"code": 429, "message": "1日の上限"}, "2026-11-24T00:00:00Z"
    error = refusal(connector, 429, body, x_ratelimit_type=word, retry_after=at)
    assert (error.kind, error.retriable, error.retry_at) == ("quota", True, datetime(2026, 11, 24, tzinfo=UTC))
    assert refusal(connector, 429, body, x_ratelimit_type=word).kind == "quota"
    assert refusal(connector, 429, body).kind == "rate_limit"  # perhaps it is only too fast


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


@pytest.mark.parametrize(
    ("action", "field", "where"),
    [
        ("create-meeting", "settings.audio", "inputs.audio_method"),
        ("create-meeting", "recurrence.weekly_days", "inputs.weekly_day"),
        ("create-meeting", "settings[host_video]", "inputs.host_video_on_start"),
        ("create-user", "user_info.email", "inputs.email"),
        ("create-user", "email", "inputs.email"),
        # the rest of the path stays
        ("create-meeting", "settings.alternative_hosts", "inputs.settings_extra_fields.alternative_hosts"),
        (
            "create-meeting",
            "settings.meeting_invitees[0].email",
            "inputs.settings_extra_fields.meeting_invitees.0.email",
        ),
        ("create-meeting", "settings.timezone", "inputs.settings_extra_fields.timezone"),  # not the meeting's own
        ("create-meeting", "tracking_fields.0.field", "inputs.tracking_fields.0.field"),
        ("raw-request", "settings.alternative_hosts", "inputs.data.settings.alternative_hosts"),
        # a group is its first input
        ("create-meeting", "recurrence", "inputs.type_recurrence"),
        ("update-meeting", "recurrence", "inputs.type_recurrence"),
        ("create-meeting", "settings", "inputs.settings_extra_fields"),
        # nothing of ours
        ("create-meeting", "unknown", "unknown"),
        ("create-meeting", "", "request"),
        ("raw-request", "", "request"),
    ],
)
def test_a_complaint_about_a_field_names_our_input_and_the_place_in_it(
    connector: Connector, action: str, field: str, where: str
) -> None:
    errors = [{"field": field, "message": "Invalid field."}]
    error = refusal(connector, 400, {"code": 300, "message": "Validation Failed.", "errors": errors}, action)
    assert [(problem.where, problem.what) for problem in error.problems] == [(where, "Invalid field.")]


def test_a_400_without_a_known_code_is_about_values_if_it_names_fields(connector: Connector) -> None:
    body = {"code": 98765, "message": "x", "errors": [{"field": "topic", "message": "Too long."}]}
    assert refusal(connector, 400, body).kind == "validation"
    assert refusal(connector, 400, {"code": 98765, "message": "x"}).kind == "api"


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
    body = {"code": 3001, "message": "Meeting does not exist: 1."}
    assert refusal(connector, 200, body, "get-meeting").kind == "not_found"
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


@pytest.mark.parametrize(
    ("path", "status", "code", "message", "kind"),
    [
        ("/chat/users/me/messages", 400, 1005, "The channel is archived.", "api"),
        ("/zoom_events/events/1", 404, 2002, "The event does not exist.", "not_found"),
        ("/files/1", 404, 1001, "The file does not exist.", "not_found"),
        ("/contact_center/queues/1", 404, 3001, "The queue does not exist.", "not_found"),
        ("/contact_center/flows/1", 400, 3043, "The flow is in use.", "api"),
        ("/videosdk/sessions/1", 400, 3000, "The session has not begun.", "api"),
        ("/rooms/1", 400, 1000, "The room is offline.", "api"),
        ("/whiteboards/1", 400, 3034, "The whiteboard is locked.", "api"),
        ("/rtms/1", 400, 2300000, "x", "api"),
    ],
)
def test_a_code_that_means_something_else_in_another_product_gets_no_hint_of_meetings_and_users(
    connector: Connector, path: str, status: int, code: int, message: str, kind: str
) -> None:
    error = refusal(connector, status, {"code": code, "message": message}, "raw-request", f"{path}?page_size=30")
    assert (error.kind, error.hint) == (kind, None)


@pytest.mark.parametrize(
    ("path", "code", "message", "hint"),
    [
        ("/users/1/email", 1107, "Email domain is blocked.", "another domain"),
        ("/users/1/email", 1107, "Something else.", None),
        ("/accounts/1/settings", 2001, "Account does not exist.", "installed there"),
        ("/phone/users/1/recordings", 2001, "Account does not exist.", None),
        ("/webinars/1", 3000, "Cannot access meeting info.", "another kind of event"),
        ("/meetings/1", 3000, "Cannot access meeting info.", "another host or account"),
        ("/chat/users/1/messages", 3000, "Cannot access meeting info.", None),
    ],
)
def test_the_path_tells_what_a_message_is_about(
    connector: Connector, path: str, code: int, message: str, hint: str | None
) -> None:
    error = refusal(connector, 400, {"code": code, "message": message}, "raw-request", path)
    assert error.hint is None if hint is None else hint in (error.hint or "")


@pytest.mark.parametrize(
    ("action", "status", "code", "kind", "hint"),
    [
        ("get-webinar", 400, 200, "api", None),
        ("create-meeting", 400, 3000, "api", None),
        ("create-meeting", 400, 3003, "api", None),
        ("delete-user", 400, 1107, "api", None),
        ("create-meeting", 403, None, "plan", None),
        ("create-user", 400, 3412, "plan", None),
        # what the code, the status and the path say in any language
        ("create-user", 400, 1107, "validation", "another domain"),
        ("get-meeting", 404, 3001, "not_found", "Check the ID"),
        ("get-user", 404, 1001, "not_found", "user ID or email"),
        ("add-meeting-registrant", 404, 1001, "not_found", "meeting or webinar"),
        ("get-user", 401, 124, "token", "Reconnect"),
        ("list-users", 400, 300, "validation", None),
    ],
)
def test_a_message_in_another_language_is_not_guessed_at(
    connector: Connector, action: str, status: int, code: int | None, kind: str, hint: str | None
) -> None:
    error = refusal(connector, status, {"code": code, "message": "この操作は許可されていません。"}, action)
    assert error.kind == kind
    assert error.hint is None if hint is None else hint in (error.hint or "")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, "validation"),
        (401, "token"),
        (403, "plan"),
        (404, "not_found"),
        (405, "api"),
        (409, "conflict"),
        (410, "api"),
    ],
)
def test_a_code_like_an_http_status_decides_where_http_says_only_400(
    connector: Connector, code: int, kind: str
) -> None:
    assert refusal(connector, 400, {"code": code, "message": "x"}, "raw-request", "/new_product").kind == kind
    other = refusal(connector, 404, {"code": code, "message": "x"}, "raw-request", "/new_product")
    assert other.kind == "not_found"  # the real status goes first


@pytest.mark.parametrize(
    ("content", "content_type", "reason"),
    [
        (b"Bad zip code\n", "text/plain", "Bad zip code."),
        ("Ungültig".encode("latin-1"), "text/plain; charset=iso-8859-1", "Ungültig."),
        (b'"Bad zip code!"', "application/json", "Bad zip code!"),
        (b'["Bad zip code", "bad state"]', "application/json", "Bad zip code; bad state."),
        (b'{"detail": "Bad zip code"}', "application/json", '{"detail":"Bad zip code"}.'),
        (b"<?xml version='1.0'?><Error><Message>Bad &amp; zip</Message></Error>", "application/xml", "Bad & zip."),
        (b"<e><![CDATA[Bad zip code]]></e>", "text/xml", "Bad zip code."),
        (b'{"code": 300, "message": "Bad zi', "application/json", '{"code": 300, "message": "Bad zi.'),
        ("この操作は許可されていません。".encode(), "text/plain", "この操作は許可されていません。"),
        (b"\xff\xfe\x00", "application/octet-stream", "The vendor gave no reason."),
        (b"{}", "application/json", "The vendor gave no reason."),
        (b'{"ok": false}', "application/json", "The vendor gave no reason."),
        (b"x" * 9000, "text/plain", "x" * 500 + "…"),
    ],
)
def test_a_refusal_that_is_no_object_of_the_vendor_keeps_its_reason(
    connector: Connector, content: bytes, content_type: str, reason: str
) -> None:
    error = refusal(connector, 400, content, content_type=content_type)
    error.speak(PLAIN)
    assert (error.message, error.kind, error.hint) == (f"{reason} (400 Bad Request)", "api", None)


def test_a_secret_in_a_refusal_of_any_shape_is_masked(connector: Connector) -> None:
    spec = connector.actions["get-user"]
    for content in (b"bad token s3cret-word", b'["s3cret-word"]', b'{"access_token": "other", "x": "s3cret-word"}'):
        response = Response(status=400, headers={}, content=content)
        error = answers.RefusedResponse(spec.errors, response, ["s3cret-word"], spec.path).error("read", NOW, spec)
        assert "s3cret" not in error.message and "other" not in error.message and "***" in error.message


BETWEEN = "Something in between responded, such as a proxy or a firewall. Ask whoever runs the network."
FIREWALL = b"""<!DOCTYPE html><html><head><title>Blocked</title><style>p{color:red}</style>
<script>var x = "<p>no</p>";</script></head><body><p>Category: Online&nbsp;Meetings</p></body></html>"""


@pytest.mark.parametrize("status", [400, 401, 403, 404, 407, 451, 511])
@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/json"])
def test_a_web_page_is_not_zooms_verdict_but_of_something_in_between(
    connector: Connector, status: int, content_type: str
) -> None:
    error = refusal(connector, status, FIREWALL, content_type=content_type)
    error.speak(PLAIN)
    assert (error.kind, error.status, error.retriable, error.may_have_been_done) == ("transport", status, False, False)
    assert error.message.startswith(f"The response ({status} ")
    assert error.message.endswith("is not from the vendor. It says: Blocked Category: Online Meetings.")
    assert error.hint == BETWEEN


@pytest.mark.parametrize("status", [407, 511])
@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", ""), (b"Sign in first", " It says: Sign in first."), (b'{"message": "x"}', " It says: x.")],
)
def test_a_demand_to_sign_in_to_a_proxy_or_a_network_is_never_zooms(
    connector: Connector, status: int, content: bytes, says: str
) -> None:
    error = refusal(connector, status, content, content_type="text/plain")
    phrase = {407: "Proxy Authentication Required", 511: "Network Authentication Required"}[status]
    assert error.message == f"The response ({status} {phrase}) is not from the vendor.{says}"
    assert (error.kind, error.hint, error.retriable, error.may_have_been_done) == ("transport", BETWEEN, False, False)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf<!DOCTYPE html><p>Blocked</p>",
        b"<!-- " + b"licence " * 20 + b"-->\n<!-- --><HTML><p>Blocked</p>",
        b"\xef\xbb\xbf\n<html><p>Blocked</p>",
    ],
)
def test_a_web_page_is_known_without_a_type_behind_a_mark_and_comments(connector: Connector, content: bytes) -> None:
    error = refusal(connector, 403, content, content_type="")
    assert (error.kind, error.message) == (
        "transport",
        "The response (403 Forbidden) is not from the vendor. It says: Blocked.",
    )


def test_json_a_text_that_speaks_of_html_and_a_long_row_of_comments_are_no_page(connector: Connector) -> None:
    assert refusal(connector, 400, {"code": 300, "message": "x"}, content_type="text/html").kind == "validation"
    for content in (b"The name <html> is not allowed", b"<!-- -->" * 100_000, b"<!-- " * 100_000):
        assert refusal(connector, 400, content, content_type="").kind == "api"


def test_a_401_of_which_nothing_shows_that_it_is_zooms_gives_no_advice_to_reconnect(connector: Connector) -> None:
    for content in (b"Unauthorized", b""):
        error = refusal(connector, 401, content, content_type="text/plain")
        assert (error.kind, error.hint) == ("token", None)
        error = refusal(connector, 401, content, content_type="text/plain", x_zm_trackingid="v=2.0;rid=1")
        assert "Reconnect" in error.hint


def test_a_redirect_to_another_host_may_be_something_in_between(connector: Connector) -> None:
    stays = "The vendor sent a redirect. Redirects are not followed, because they would carry the token."
    leads = " If login.hotel.example is not the vendor's, a firewall or similar responded."
    for location, hint in (("https://login.hotel.example/?next=1", stays + leads), ("/v3/users", stays), ("", stays)):
        error = refusal(connector, 302, b"<html>Found</html>", content_type="text/html", location=location)
        assert (error.kind, error.hint) == ("api", hint)


@pytest.mark.parametrize("action", ["create-meeting", "update-meeting", "delete-user"])
def test_a_web_page_in_place_of_a_success_is_no_sign_that_a_change_was_made(connector: Connector, action: str) -> None:
    """Before a captive portal answered, nothing reached Zoom; but a page can also come from behind it, so: check."""
    error = unreadable(connector, action, content_type="text/html")
    assert error.hint == f"{BETWEEN} The change was probably not made. Check before you send it again."
    assert (error.retriable, error.may_have_been_done) == (False, True)
    ours = unreadable(connector, action, content_type="text/html", x_zm_trackingid="v=2.0;rid=1")
    assert ours.hint == "The request was accepted, so the change was probably made. Check before you send it again."
    assert unreadable(connector, "get-user", content_type="").hint == BETWEEN


def unreadable(connector: Connector, action: str, **headers: str) -> TransportError:
    spec, named = connector.actions[action], {name.replace("_", "-"): value for name, value in headers.items()}
    response = Response(status=200, headers=named, content=FIREWALL)
    with pytest.raises(TransportError) as caught:
        answers.page(spec, response, answers.parse(response), spec.effect, "json")
    return caught.value


def test_a_part_of_a_web_page_is_one_by_its_type(connector: Connector) -> None:
    assert refusal(connector, 403, b"Forbidden", content_type="text/html").kind == "transport"
    assert refusal(connector, 403, b"Forbidden", content_type="application/xhtml+xml").kind == "transport"
    assert refusal(connector, 403, b"Forbidden", content_type="text/plain").kind == "api"


def test_a_web_page_with_zooms_own_mark_or_of_a_server_that_fails_is_judged_by_its_status(connector: Connector) -> None:
    page = {"content_type": "text/html"}
    assert refusal(connector, 404, FIREWALL, **page, x_zm_trackingid="v=2.0;rid=1").kind == "not_found"
    assert refusal(connector, 429, FIREWALL, **page).kind == "rate_limit"
    gateway = refusal(connector, 502, FIREWALL, "get-user", **page)
    assert (gateway.kind, gateway.retriable) == ("api", True)
    assert "Category: Online Meetings. (502 Bad Gateway)" in gateway.message


def test_a_web_page_of_a_file_server_is_its_own(connector: Connector) -> None:
    response = Response(status=403, headers={"content-type": "text/html"}, content=FIREWALL)
    assert answers.RefusedResponse(connector.profile.errors, response).error("read", NOW).kind == "api"


def test_the_query_of_a_raw_request_is_not_part_of_its_path(connector: Connector) -> None:
    used = {"code": 1005, "message": "x"}
    assert "already belongs" in refusal(connector, 409, used, "raw-request", "/users?status=active").hint


def test_a_complaint_about_what_a_spread_map_may_hold_names_the_map(tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "connector.yaml").write_text(
        "key: pigeon\nlabel: Pigeon Post\nbase_url: https://pigeon.example\n"
        "errors: {fields: {each: body.errors, name: field, says: message}}\n"
    )
    (tmp_path / "actions" / "send.yaml").write_text(
        "key: send\nlabel: Send\nrequest: {method: POST, path: /messages}\n"
        "inputs: {text: {type: string}, more: {type: json, to: body.*}}\n"
    )
    spec = load(tmp_path).actions["send"]
    complaints = [{"field": name, "message": "No."} for name in ("text", "ring.colour")]
    response = Response(status=400, headers={}, content=json.dumps({"errors": complaints}).encode())
    error = answers.RefusedResponse(spec.errors, response, path=spec.path).error("create", NOW, spec)
    assert [problem.where for problem in error.problems] == ["inputs.text", "inputs.more.ring.colour"]


def test_a_permission_that_is_lacking_is_told_from_a_door_that_is_closed(connector: Connector) -> None:
    said = {"message": "authenticated user has not permitted access to the targeted resource"}
    assert "Reconnect and allow it" in refusal(connector, 403, said).hint
    denied = {"message": "Forbidden Access to the Zoom REST API has been denied for this account."}
    assert refusal(connector, 403, denied).hint == "Zoom has closed its API to this account. Ask Zoom Support."


# -- the token endpoint ------------------------------------------------------------------------------------------------

SIGN_INS = [  # status, reason, error, code, hint
    (400, "Invalid Token!", "invalid_grant", None, "Sign in again"),
    (401, "Invalid Token!", "invalid_request", None, "Sign in again"),
    (400, "Invalid client_id or client_secret", "invalid_client", None, "Client Secret does not match"),
    (401, "Invalid client_id or client_secret", "invalid_client", None, "Client Secret does not match"),
    (400, "x", None, 4702, "Client Secret does not match"),
    (400, "x", None, 4704, "Client Secret does not match"),
    (400, "x", None, 4706, "Client Secret does not match"),
    (400, "x", None, 4705, "of another type"),
    (400, "x", None, 4709, "redirect URL"),
    (400, "x", None, 4717, "Zoom has disabled this app"),
    (400, "x", None, 4711, "Sign in again"),
    (400, "x", None, 4733, "longer than five minutes"),
    (400, "x", None, 4734, "sign-in code is wrong"),
    (400, "x", None, 4735, "left the account"),
    (400, "x", None, 4737, "Sign in again"),
    (400, "x", None, 4738, "admin has disabled this app"),
    (400, "x", None, 4741, "which ended this connection"),
    (400, "この操作は許可されていません。", "invalid_grant", None, "Sign in again"),
    (400, "この操作は許可されていません。", "temporarily_unavailable", None, None),
]


@pytest.mark.parametrize(("status", "reason", "word", "code", "hint"), SIGN_INS)
def test_an_error_of_the_token_endpoint_is_about_the_token_and_says_what_to_do(
    connector: Connector, status: int, reason: str, word: str | None, code: int | None, hint: str | None
) -> None:
    body = {"reason": reason, "error": word, "errorCode": code}
    error = of_the_token_endpoint(connector, status, json.dumps({k: v for k, v in body.items() if v}).encode())
    assert (error.kind, error.status, error.code) == ("token", status, code)
    assert error.hint is None if hint is None else hint in (error.hint or "")
    assert reason in error.message


def test_a_web_page_instead_of_the_token_endpoint_is_not_a_verdict_about_the_connection(connector: Connector) -> None:
    error = of_the_token_endpoint(connector, 403, FIREWALL)
    assert error.kind == "transport" and "Category: Online Meetings" in str(error.message)


def of_the_token_endpoint(connector: Connector, status: int, content: bytes) -> RequestError:
    ours = app(connector.connections["oauth2"], {"client_id": "x", "client_secret": "y"})
    with pytest.raises(RequestError) as caught:
        ours.check(Response(status=status, headers={}, content=content), NOW.timestamp())
    return caught.value
