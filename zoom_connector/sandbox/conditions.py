"""Conditions: account states that make Zoom refuse requests. Raises refusals and changes no state.

Zoom refuses many valid requests because of the state of the account. Each name turns on one such state:
`Sandbox(conditions={"no_webinar_plan"})`. `DESCRIPTIONS` explains every name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .endpoints import Call
from .limits import too_fast, used_up

_HOSTING = (
    "meetingRegistrantCreate", "meetingCreate", "meeting", "meetingInvitation", "meetingRegistrants", "meetings",
    "meetingUpdate",
)  # fmt: skip
_WEBINARS = ("webinarRegistrantCreate", "webinar", "webinarRegistrants", "webinars")
_FREE_MAIL = ("@gmail.com", "@hotmail.com", "@yahoo.com", "@freemail.example")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRule:
    """A documented refusal that a condition causes at the endpoints `at`, for the requests that `when` accepts."""

    name: str
    at: tuple[str, ...]  # operations; empty: all
    code: int | None
    about: str = ""
    when: Callable[[Call], bool] = lambda call: True


def _info(call: Call) -> dict[str, Any]:
    """Return the user's fields from a request: create wraps them in `user_info`, update does not."""
    info: dict[str, Any] = call.body.get("user_info", call.body)
    return info


def _is_type(*types: int) -> Callable[[Call], bool]:
    return lambda call: _info(call).get("type") in types


def _zoom_one(call: Call) -> Any:
    info = _info(call)
    return info.get("zoom_one_type", info.get("feature", {}).get("zoom_one_type"))


DESCRIPTIONS: dict[str, str] = {
    "no_hosting": "no user of the account may host or schedule meetings",
    "no_permission": "the caller's role lacks the permission",
    "no_privilege": "the caller's role lacks the privilege to create users",
    "no_user_edit": "the token lacks the permission User:Edit",
    "no_webinar_plan": "the account has no webinar plan",
    "meeting_full": "meetings and webinars accept no more registrants",
    "paid_registration": "registering for webinars costs money",
    "work_email_only": "webinars accept no addresses of free mail services",
    "users_blocked": "the host is blocked from meetings",
    "account_unpaid": "the account is neither paid nor ZMP",
    "account_mismatch": "the host belongs to another account",
    "recording_owner_gone": "the owner of the recordings no longer exists",
    "no_phone_account": "the account has no Zoom Phone",
    "others_meetings_hidden": "other users' meetings are not visible",
    "api_denied": "the account may not use the API",
    "call_queue_manager": "the user manages a call queue",
    "limited_domains": "only addresses of sandbox.example are accepted",
    "no_type_change": "the type of users may not be changed",
    "no_licenses": "all licences are in use",
    "no_basic_seats": "all basic seats are in use",
    "basic_seats_capped": "the account has reached its maximum number of basic users",
    "no_zoom_one_seats": "all Zoom One licences are in use",
    "no_basic_fallback": "no basic licence is left for a user who returns a licence",
    "no_sso": "single sign-on is off",
    "no_sso_provision": "the account may not create users by single sign-on",
    "gpa_account": "the account is a GPA account",
    "gpa_owner": "the invited user owns a GPA account",
    "force_forbidden": "the invited user is forbidden",
    "contact_support": "Zoom asks the account to contact support",
    "group_missing": "the group of new users does not exist",
    "no_phone_licenses": "no Zoom Phone licence is left",
    "published_events": "users have published Zoom Events",
    "api_user": "users were created through the API and cannot be unlinked",
    "zoom_room": "users are Zoom Rooms",
    "concurrent_delete": "another request is deleting the same user",
    "rate_limited": "the account has used up this second's requests",
    "daily_limited": "the account has used up today's requests",
    "host_limited": "the host has used up today's 100 creations and updates",
    "pages_expired": "page tokens have expired",
    "webinars_by_number": "lists of webinars have page numbers but no next_page_token",
    "refusals_in_200": "webinar endpoints refuse with HTTP 200, as they used to",
}
CONDITIONS = frozenset(DESCRIPTIONS)

_RULES: tuple[StateRule, ...] = (
    StateRule(name="rate_limited", at=(), code=429, about="per-second"),
    StateRule(name="daily_limited", at=(), code=429, about="maximum daily"),
    StateRule(name="host_limited", at=("meetingCreate", "meetingUpdate"), code=429, about="(100)"),
    StateRule(name="pages_expired", at=(), code=300, about="next page token",
         when=lambda call: bool(call.query.get("next_page_token"))),
    StateRule(name="api_denied", at=("users",), code=None, about="Forbidden"),
    StateRule(name="no_hosting", at=_HOSTING, code=3161),
    StateRule(name="no_webinar_plan", at=_WEBINARS, code=200, about="plan is missing"),
    StateRule(name="no_permission", at=_WEBINARS, code=200, about="No permission"),
    StateRule(name="no_permission", at=("listWebinarParticipants", "reportWebinarParticipants"), code=200,
         about="No perm"),
    StateRule(name="no_permission", at=("getChatMessages",), code=200, about="Unauthorized"),
    StateRule(name="no_permission", at=("userCreate",), code=200, about="No permission."),
    StateRule(name="no_privilege", at=("userCreate",), code=200, about="No privilege"),
    StateRule(name="no_user_edit", at=("userCreate",), code=200, about="User:Edit"),
    StateRule(name="meeting_full", at=("meetingRegistrantCreate",), code=3043),
    StateRule(name="meeting_full", at=("webinarRegistrantCreate",), code=3000, about="limit for the number"),
    StateRule(name="paid_registration", at=("webinarRegistrantCreate",), code=3000, about="paid registration"),
    StateRule(name="work_email_only", at=("webinarRegistrantCreate",), code=3034,
         when=lambda call: call.body["email"].casefold().endswith(_FREE_MAIL)),
    StateRule(name="users_blocked", at=("meetingCreate", "meetingUpdate"), code=3000, about="have been blocked"),
    StateRule(name="account_unpaid", at=("listWebinarParticipants",), code=200, about="Paid or ZMP"),
    StateRule(name="account_mismatch", at=("recordingGet", "reportWebinarParticipants"), code=1010),
    StateRule(name="recording_owner_gone", at=("recordingGet",), code=1001, about="does not belong to this account"),
    StateRule(name="no_phone_account", at=("phoneUserRecordings",), code=2001),
    StateRule(name="others_meetings_hidden", at=("meetings",), code=2306,
         when=lambda call: call.path["userId"] != "me"),
    StateRule(name="call_queue_manager", at=("userCreate", "userDelete"), code=1000),
    StateRule(name="limited_domains", at=("userCreate",), code=1116,
         when=lambda call: not _info(call).get("email", "").casefold().endswith("@sandbox.example")),
    StateRule(name="no_type_change", at=("userCreate", "userUpdate"), code=1108,
         when=lambda call: "type" in _info(call)),
    StateRule(name="no_licenses", at=("userCreate", "userUpdate"), code=2034, when=_is_type(2)),
    StateRule(name="no_basic_seats", at=("userCreate", "userUpdate"), code=2033, when=_is_type(1)),
    StateRule(name="basic_seats_capped", at=("userCreate", "userUpdate"), code=3412, when=_is_type(1)),
    StateRule(name="no_zoom_one_seats", at=("userCreate", "userUpdate"), code=2038,
         when=lambda call: bool(_zoom_one(call))),
    StateRule(name="no_basic_fallback", at=("userUpdate",), code=2039, about="Zoom United",
         when=lambda call: call.body.get("plan_united_type") == "none"),
    StateRule(name="no_basic_fallback", at=("userUpdate",), code=2039, about="Zoom One",
         when=lambda call: call.body.get("zoom_one_type") == 0),
    StateRule(name="no_sso", at=("userCreate",), code=2002, when=lambda call: call.body["action"] == "ssoCreate"),
    StateRule(name="no_sso_provision", at=("userCreate",), code=2032,
         when=lambda call: call.body["action"] == "ssoCreate"),
    StateRule(name="gpa_account", at=("userCreate",), code=2035),
    StateRule(name="gpa_owner", at=("userCreate",), code=2036),
    StateRule(name="force_forbidden", at=("userCreate",), code=2037),
    StateRule(name="contact_support", at=("userCreate",), code=2016),
    StateRule(name="group_missing", at=("userCreate",), code=4130),
    StateRule(name="no_phone_licenses", at=("userCreate",), code=1102,
         when=lambda call: _info(call).get("feature", {}).get("zoom_phone") is True),
    StateRule(name="published_events", at=("userDelete",), code=300, about="published events",
         when=lambda call: call.query["transfer_events"] and not call.query.get("transfer_email")),
    StateRule(name="api_user", at=("userDelete",), code=300, about="API user"),
    StateRule(name="zoom_room", at=("userDelete",), code=200, about="Zoom Rooms"),
    StateRule(name="zoom_room", at=("userUpdate",), code=200, about="free user type", when=_is_type(1)),
    StateRule(name="zoom_room", at=("userUpdate",), code=200, about="no-meeting-license", when=_is_type(4, 99)),
    StateRule(name="concurrent_delete", at=("userDelete",), code=429, about="concurrent"),
)  # fmt: skip


def check_names(names: Iterable[str]) -> set[str]:
    """Return the names as a set, or raise ValueError if one is unknown."""
    conditions = set(names)
    unknown = sorted(conditions - CONDITIONS)
    if unknown:
        raise ValueError(f"unknown conditions {unknown}; choose from {sorted(CONDITIONS)}")
    return conditions


def refuse(conditions: set[str], call: Call) -> None:
    """Raise the first refusal that these conditions cause for this request."""
    for rule in _RULES:
        if rule.name not in conditions or (rule.at and call.endpoint.operation not in rule.at) or not rule.when(call):
            continue
        if rule.name == "rate_limited":
            raise too_fast(call.endpoint)
        if rule.name == "daily_limited":
            raise used_up(call.endpoint, call.now)
        raise call.refusal(rule.code, rule.about, **_words(call))


def _words(call: Call) -> dict[str, Any]:
    info = _info(call)
    return {
        "email": info.get("email", ""),
        "userId": call.path.get("userId", "sandbox"),
        "domains": "sandbox.example",
        "accountId": "sandbox",
        "groupId": "sandbox",
        "maximum": 25,
        "userType": "Licensed",
        "0": "licensed",
        "1": "licensed",
    }
