"""The user endpoints: create, get, update, delete, list. They read and change the account and know no HTTP."""

from __future__ import annotations

import base64
from typing import Any

from .account import ACCOUNT_ID, ACCOUNT_NUMBER, Account, User
from .checks import is_email
from .endpoints import Call
from .paging import page
from .times import DAY, write_time

INVITATION_LIFETIME = 30 * DAY
INVALID_WORDS = ("zoomsupport",)  # not allowed in names
BLOCKED_DOMAIN = "blocked.example"
UNTRUSTED_DOMAIN = "untrusted.example"
MANAGED_DOMAIN = "managed.example"
FOREIGN_EMAILS = frozenset({"somebody@other-account.example"})  # active in another account
_ROLES = {"0": "Owner", "1": "Admin", "2": "Member"}
_LICENCE_FIELDS = ("type", "plan_united_type", "zoom_one_type")
_NAMES = ("first_name", "last_name", "display_name")


def find_user(account: Account, call: Call, name: str | None = None) -> User:
    """Find a user by id, email or `me` (by default the user of the path), or raise Zoom's 1001."""
    name = call.path["userId"] if name is None else name
    user = account.find_user(name)
    if user is None:
        raise call.refusal(1001, userId=name)
    return user


def new_profile(account: Account, *, first_name: str, last_name: str, type: int, role: str = "2") -> dict[str, Any]:
    """Return a profile with the values that Zoom assigns."""
    number = account.draw.randrange(1_000_000_000, 9_999_999_999)
    return {
        "first_name": first_name,
        "last_name": last_name,
        "display_name": f"{first_name} {last_name}".strip(),
        "type": type,
        "role_id": role,
        "pmi": number,
        "use_pmi": False,
        "timezone": "UTC",
        "verified": 1,
        "dept": "",
        "language": "en-US",
        "host_key": f"{number % 1_000_000:06d}",
        "login_types": [100],
    }


def create_user(account: Account, call: Call) -> dict[str, Any]:
    info: dict[str, Any] = call.body.get("user_info") or {}
    action = call.body["action"]
    if not is_email(info.get("email", "")):
        raise call.invalid("user_info.email")
    email: str = info["email"]
    _refuse_email(account, call, email)
    _refuse_invalid_word(call, info)
    password = info.get("password", "")
    if action == "autoCreate" and not (any(map(str.isalpha, password)) and any(map(str.isdigit, password))):
        raise call.refusal(300, "password")
    if info["type"] == 99 and action != "ssoCreate":
        raise call.invalid("user_info.type")
    is_pending = action == "create"
    if is_pending:
        account.limits.spend_user(call)
    first, last = info.get("first_name", ""), info.get("last_name", "")
    profile = new_profile(account, first_name=first, last_name=last, type=info["type"])
    for name in ("display_name", "division_ids", "plan_united_type", "license_info_list"):
        if name in info:
            profile[name] = info[name]
    if "zoom_one_type" in info.get("feature", {}):
        profile["zoom_one_type"] = info["feature"]["zoom_one_type"]
    profile["verified"] = 0 if is_pending else 1
    profile["login_types"] = {"custCreate": [99], "ssoCreate": [101]}.get(action, [100])
    user = User(
        seq=account.next_seq(),
        id=account.new_id(),
        email=email,
        status="pending" if is_pending else "active",
        created=call.now,
        profile=profile,
    )
    account.add_user(user)
    return {"id": user.id, "email": email, "first_name": first, "last_name": last, "type": info["type"]}


def _refuse_email(account: Account, call: Call, email: str) -> None:
    domain = email.rpartition("@")[2].casefold()
    if domain == BLOCKED_DOMAIN:
        raise call.refusal(1107)
    if domain == UNTRUSTED_DOMAIN:
        raise call.refusal(11321)
    if email.casefold() in account.users_by_email:
        raise call.refusal(1005, email=email)
    if email.casefold() in FOREIGN_EMAILS:
        raise call.refusal(1009, email=email)


def _refuse_invalid_word(call: Call, fields: dict[str, Any]) -> None:
    for name in _NAMES:
        if any(word in str(fields.get(name, "")).casefold() for word in INVALID_WORDS):
            raise call.refusal(300, "invalid word", name=fields[name])


def get_user(account: Account, call: Call) -> dict[str, Any]:
    user = _look_up(account, call)
    if call.query.get("login_type", user.profile["login_types"][0]) not in user.profile["login_types"]:
        raise call.refusal(1001)
    _refuse_expired_invitation(call, user)
    profile = user.profile
    values = {
        **profile,
        **_identity(user),
        "created_at": write_time(user.created),
        "role_name": _ROLES.get(profile["role_id"], "Member"),
        "account_id": ACCOUNT_ID,
        "account_number": ACCOUNT_NUMBER,
        "cluster": "us0",
        "jid": f"{user.id.lower()}@xmpp.zoom.us",
        "group_ids": profile.get("group_ids", []),
        "im_group_ids": [],
        "personal_meeting_url": f"https://zoom.us/j/{profile['pmi']}",
    }
    fields = call.endpoint.fields_of()
    return {name: value for name, value in values.items() if name in fields}


def _look_up(account: Account, call: Call) -> User:
    id = call.path["userId"]
    if call.query.get("search_by_unique_id"):
        user = next((each for each in account.users.values() if each.profile.get("employee_unique_id") == id), None)
        if user is None:
            raise call.refusal(1001)
        return user
    return find_user(account, call, _decrypt(call))


def _decrypt(call: Call) -> str:
    """Return the id or email in a path; an encrypted email is read as base64, since Zoom's scheme is not known."""
    name = call.path["userId"]
    if not call.query.get("encrypted_email"):
        return name
    try:
        return base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
    except ValueError:
        raise call.refusal(1001) from None


def _identity(user: User) -> dict[str, Any]:
    """Return the fields that identify a user; a user with a pending invitation has no id."""
    id = {} if user.status == "pending" else {"id": user.id}
    return {**id, "email": user.email, "status": user.status, "user_created_at": write_time(user.created)}


def _refuse_expired_invitation(call: Call, user: User) -> None:
    if user.status == "pending" and call.now > user.created + INVITATION_LIFETIME:
        raise call.refusal(1120)


def update_user(account: Account, call: Call) -> None:
    user = find_user(account, call)
    if call.query.get("login_type", user.profile["login_types"][0]) not in user.profile["login_types"]:
        raise call.refusal(1001)
    _refuse_expired_invitation(call, user)
    body = call.body
    if sum(name in body for name in _LICENCE_FIELDS) > 1:
        raise call.refusal(300, "Only one of")
    _refuse_invalid_word(call, body)
    if body.get("type", 2) == 1 and any((w.end or call.now + 1) > call.now for w in user.webinars):
        raise call.refusal(300, "upcoming webinar")
    _check_profile(account, call, user)
    fields = call.endpoint.body["properties"] if call.endpoint.body else {}
    changes = {name: value for name, value in body.items() if name in fields and name != "feature"}
    if "group_id" in changes:
        changes["group_ids"] = [changes.pop("group_id")]
    if changes.get("plan_united_type") == "none":
        del changes["plan_united_type"]
        user.profile.pop("plan_united_type", None)
    if "phone_numbers" in changes:
        changes["phone_numbers"] = [{**number, "verified": False} for number in changes["phone_numbers"]]
    if "vanity_name" in changes:
        account.vanity_names = {n: owner for n, owner in account.vanity_names.items() if owner is not user}
        account.vanity_names[changes["vanity_name"].casefold()] = user
        changes["vanity_url"] = f"https://zoom.us/my/{changes.pop('vanity_name')}"
    if ("first_name" in changes or "last_name" in changes) and "display_name" not in changes:
        names = {**user.profile, **changes}
        changes["display_name"] = f"{names['first_name']} {names['last_name']}".strip()
    user.profile.update(changes)


def _check_profile(account: Account, call: Call, user: User) -> None:
    body = call.body
    wrong = []
    if "host_key" in body and not (body["host_key"].isascii() and body["host_key"].isdigit()):
        wrong.append("host_key")
    if "pmi" in body and not 1_000_000_000 <= body["pmi"] <= 9_999_999_999:
        wrong.append("pmi")
    if "linkedin_url" in body and body["linkedin_url"] and "linkedin.com" not in body["linkedin_url"]:
        wrong.append("linkedin_url")
    if "group_id" in body and user.status != "pending":
        wrong.append("group_id")
    if wrong:
        raise call.invalid(*wrong)
    if {"pmi", "vanity_name"} & body.keys() and body.get("type", user.type) != 2:
        raise call.refusal(1109)
    holder = account.vanity_names.get(body.get("vanity_name", "").casefold(), user)
    if holder is not user:
        raise call.refusal(4100)


def delete_user(account: Account, call: Call) -> None:
    user = find_user(account, call, _decrypt(call))
    action = call.query["action"]
    heir = _heir(account, call, user)
    _refuse_expired_invitation(call, user)
    if action == "delete" and user.status == "pending":
        raise call.invalid("action")
    if action == "delete" and user.status == "inactive":
        raise call.refusal(200, "deactivated")
    if action == "delete" and user is account.owner:
        raise call.refusal(200, "out of your account")
    if action == "disassociate" and user.profile["role_id"] in ("0", "1"):
        raise call.refusal(1117)
    if action == "disassociate" and user.email.casefold().endswith("@" + MANAGED_DOMAIN):
        raise call.refusal(1107)
    for meeting in list(user.meetings):
        moves = heir is not None and (
            call.query.get("transfer_meeting") or (call.query.get("transfer_recording") and meeting.recording)
        )
        account.remove_meeting(meeting)
        if moves and heir is not None:
            meeting.host = heir
            account.add_meeting(meeting)
            if not call.query.get("transfer_recording"):
                meeting.recording = None
    for webinar in list(user.webinars):
        account.remove_webinar(webinar)
        if heir is not None and call.query.get("transfer_webinar"):
            webinar.host = heir
            account.add_webinar(webinar)
    account.phone_recordings.pop(user.id, None)
    account.members.pop(user.id, None)
    account.messages = {key: value for key, value in account.messages.items() if user.id not in key}
    account.remove_user(user)


def _heir(account: Account, call: Call, user: User) -> User | None:
    email = call.query.get("transfer_email", "")
    if not email:
        return None
    if email.casefold() == user.email.casefold():
        raise call.refusal(300, "transfer-to")
    heir = account.users_by_email.get(email.casefold())
    if heir is None or heir.status != "active":
        raise call.refusal(1001, userId=email)
    return heir


def list_users(account: Account, call: Call) -> dict[str, Any]:
    rows = account.users_by_status[call.query["status"]].rows
    if "role_id" in call.query:
        rows = [user for user in rows if user.profile["role_id"] == call.query["role_id"]]
    if "license" in call.query:
        rows = [user for user in rows if call.query["license"] in user.settings.get("licenses", ())]
    hidden = {"custom_attributes", "host_key"} - {call.query.get("include_fields")}
    fields = [name for name in call.endpoint.fields_of("users") if name not in hidden]

    def show(user: User) -> dict[str, Any]:
        profile = {name: user.profile[name] for name in fields if name in user.profile}
        return {**profile, **_identity(user)}

    return page(account.tokens, call, "users", rows, show, order=lambda user: user.seq)
