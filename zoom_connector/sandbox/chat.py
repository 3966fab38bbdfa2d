"""The Team Chat endpoints for channels and messages. They read the account and know no HTTP."""

from __future__ import annotations

from itertools import chain
from typing import Any

from .account import Account, User
from .endpoints import Call
from .paging import page
from .times import DAY, end_of, read_date, read_time, start_of, write_time

_OLDEST = 184 * DAY  # Zoom returns messages of the last six months


def list_channels(account: Account, call: Call) -> dict[str, Any]:
    user = _find_member(account, call)
    rows = [account.channels[id] for id in account.members.get(user.id, ())]
    fields = call.endpoint.fields_of("channels")

    def show(row: dict[str, Any]) -> dict[str, Any]:
        return {name: row[name] for name in fields if name in row}

    return page(account.tokens, call, "channels", rows, show, order=lambda row: row["seq"])


def _find_member(account: Account, call: Call) -> User:
    """Find the user of a path, or raise the common 1001: Zoom documents no code for an unknown user here."""
    user = account.find_user(call.path["userId"])
    if user is None:
        raise call.refusal(1001, "User does not exist: {userId}")
    return user


def list_messages(account: Account, call: Call) -> dict[str, Any]:
    query = call.query
    user = _find_member(account, call)
    _refuse_contradictions(call)
    first, last = _window(call)
    rows = [row for row in _conversation(account, call, user) if first <= row["at"] < last]
    with_deleted = query["include_deleted_and_edited_message"]
    if not with_deleted:
        rows = [row for row in rows if row["status"] != "Deleted"]
    if query["exclude_child_message"]:
        rows = [row for row in rows if "reply_main_message_id" not in row]
    if query.get("search_type"):
        rows = [row for row in rows if _contains(row, query["search_type"], query["search_key"].casefold())]
    rows.sort(key=_newest_first)
    fields = call.endpoint.fields_of("messages")

    def show(row: dict[str, Any]) -> dict[str, Any]:
        message = {name: row[name] for name in fields if name in row}
        if not with_deleted:
            del message["status"]
        if query.get("download_file_formats") == "audio/mp4" and row["message_type"] == "audio_file":
            message["file_name"] = message["file_name"].rpartition(".")[0] + ".mp4"
        return message

    answer = page(account.tokens, call, "messages", rows, show, order=_newest_first)
    if "date" in query:
        answer["date"] = query["date"]
    else:
        answer.update({"from": write_time(first), "to": write_time(last - 1)})
    return answer


def _newest_first(row: dict[str, Any]) -> tuple[int, int]:
    return -row["timestamp"], row["seq"]


def _refuse_contradictions(call: Call) -> None:
    query = call.query
    is_search = "search_type" in query and "search_key" in query
    if ("search_type" in query) != ("search_key" in query):
        raise call.invalid("search_key" if "search_type" in query else "search_type")
    if is_search and query["include_deleted_and_edited_message"]:
        raise call.invalid("include_deleted_and_edited_message")
    recipients = bool(query.get("to_contact")) + bool(query.get("to_channel"))
    if recipients > 1 or (recipients == 0 and not is_search):
        raise call.refusal(300, "contact or channel")


def _window(call: Call) -> tuple[float, float]:
    """Read the time range. `date` takes precedence over `from` and `to`; the default is all that Zoom returns."""
    query = call.query
    now = call.now
    if "date" in query:
        day = read_date(query["date"])
        assert day is not None  # the query was checked
        first, last = start_of(day), end_of(day)
    else:
        first = _read_moment(query, "from", now - _OLDEST)
        last = _read_moment(query, "to", now) + 1
    if first > last:
        raise call.invalid("from", "to")
    if first < now - _OLDEST:
        raise call.refusal(300, "6 months")
    return first, last


def _read_moment(query: dict[str, Any], name: str, default: float) -> float:
    moment = read_time(query[name], "UTC") if name in query else None
    return default if moment is None else moment


def _conversation(account: Account, call: Call, user: User) -> list[dict[str, Any]]:
    """Find the messages with a contact or in a channel, or all messages that the user can read."""
    query = call.query
    if query.get("to_contact"):
        contact = account.find_user(query["to_contact"])
        if contact is None:
            raise call.refusal(1001, "to_contact", to_contact=query["to_contact"])
        return list(account.messages.get((user.id, contact.id), ()))
    if query.get("to_channel"):
        channel = query["to_channel"]
        if channel not in account.members.get(user.id, ()):
            raise call.refusal(4130, to_channel=channel)
        return list(account.messages.get(("", channel), ()))
    channels = set(account.members.get(user.id, ()))
    readable = (rows for (owner, other), rows in account.messages.items() if owner == user.id or other in channels)
    return list(chain.from_iterable(readable))


def _contains(row: dict[str, Any], kind: str, key: str) -> bool:
    if kind == "file":
        return key in str(row.get("file_name", "")).casefold()
    return key in str(row["message"]).casefold()
