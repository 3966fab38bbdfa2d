"""Seeds an account with phone recordings, channels and messages; deterministic, as is `seed`.

`me` has forty phone recordings, two a day; twelve channels, the first of which has sixty messages, one an hour; and
five messages with the second user. The newest channel message is deleted, the second newest edited, the third newest an
audio file, and the second oldest replies to the oldest.
"""

from __future__ import annotations

from typing import Any

from .account import Account, User
from .times import DAY, write_time

_HOUR = 3600.0
_MESSAGES = ("Hello", "Guten Tag, schön", "こんにちは", "Привет", "Done 🎉", "See the report")


def add_phone_recordings(account: Account, user: User, now: float) -> None:
    """Add forty recorded calls of `user`, two a day."""
    rows: list[dict[str, Any]] = []
    for number in range(40):
        at = now - (40 - number) * DAY / 2
        id = account.new_id()
        rows.append(
            {
                "seq": account.next_seq(),
                "at": at,
                "id": id,
                "call_id": str(7_000_000_000_000_000_000 + number),
                "call_element_id": account.new_id(),
                "call_history_id": account.new_id(),
                "caller_name": user.profile["display_name"],
                "caller_number": "1000",
                "caller_number_type": 1,
                "callee_name": f"Customer {number}",
                "callee_number": f"+4860010{number:04d}",
                "callee_number_type": 2,
                "direction": "outbound",
                "duration": 30 + number,
                "date_time": write_time(at),
                "download_url": account.add_file(
                    f"/v2/phone/recording/download/{id}", size=20_000 + number, extension="MP3"
                ),
                "outgoing_by": {"name": user.profile["display_name"], "extension_number": "1000"},
            }
        )
    account.phone_recordings[user.id] = rows


def add_chats(account: Account, user: User, now: float) -> None:
    """Add the channels and messages of `user`."""
    ids = []
    for number in range(12):
        id = account.draw.randbytes(12).hex()
        account.channels[id] = {
            "seq": account.next_seq(),
            "id": id,
            "jid": f"{id}@conference.xmpp.zoom.us",
            "name": f"Channel {number + 1}",
            "type": (3, 1, 2, 4, 5)[number % 5],
            "channel_url": f"https://zoom.us/launch/chat/v2/{id}",
            "channel_settings": {
                "add_member_permissions": 1,
                "new_members_can_see_previous_messages_files": True,
                "posting_permissions": 1,
                "mention_all_permissions": 1,
                "allow_to_add_external_users": 0,
            },
        }
        ids.append(id)
    account.members[user.id] = ids
    rows = [_message(account, user, now - (60 - number) * _HOUR, number) for number in range(60)]
    rows[1] |= {"reply_main_message_id": rows[0]["id"], "reply_main_message_timestamp": rows[0]["timestamp"]}
    rows[-1]["status"] = "Deleted"
    rows[-2]["status"] = "Edited"
    file = {"file_id": account.new_id(), "file_name": "note.m4a", "file_size": 4096}
    rows[-3] |= {"message_type": "audio_file", **file, "download_url": f"https://file.zoom.us/file/{file['file_id']}"}
    account.messages["", ids[0]] = rows
    contact = next((each for each in account.users.values() if each is not user), None)
    if contact is not None:
        messages = [_message(account, contact, now - (5 - number) * _HOUR, number) for number in range(5)]
        account.messages[user.id, contact.id] = account.messages[contact.id, user.id] = messages


def _message(account: Account, sender: User, at: float, number: int) -> dict[str, Any]:
    """Return one message; every eleventh has a sender outside the account, whose address Zoom leaves blank."""
    is_external = number % 11 == 10
    return {
        "seq": account.next_seq(),
        "at": at,
        "id": account.draw.randbytes(16).hex().upper(),
        "message": f"{_MESSAGES[number % len(_MESSAGES)]} {number}",
        "message_type": "plain_text_message",
        "sender": "" if is_external else sender.email,
        "send_member_id": account.new_id() if is_external else sender.id,
        "sender_display_name": "Somebody else" if is_external else sender.profile["display_name"],
        "date_time": write_time(at),
        "timestamp": int(at * 1000),
        "status": "Normal",
    }
