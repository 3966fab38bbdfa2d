"""Decides a meeting's settings: Zoom's defaults, what the host's own settings say, what a request says; pure."""

from __future__ import annotations

from functools import cache
from typing import Any

from .account import User
from .endpoints import Call, endpoints

DEFAULTS: dict[str, Any] = {
    "host_video": False,
    "participant_video": False,
    "join_before_host": False,
    "jbh_time": 0,
    "mute_upon_entry": False,
    "watermark": False,
    "use_pmi": False,
    "approval_type": 2,
    "registration_type": 1,
    "audio": "both",
    "auto_recording": "none",
    "alternative_hosts": "",
    "alternative_hosts_email_notification": True,
    "alternative_host_update_polls": False,
    "close_registration": False,
    "show_share_button": False,
    "allow_multiple_devices": False,
    "registrants_confirmation_email": True,
    "registrants_email_notification": True,
    "meeting_authentication": False,
    "waiting_room": False,
    "encryption_type": "enhanced_encryption",
    "email_notification": True,
    "focus_mode": False,
    "private_meeting": False,
    "internal_meeting": False,
    "participant_focused_meeting": False,
    "push_change_to_calendar": False,
    "host_save_video_order": False,
    "device_testing": False,
    "request_permission_to_unmute_participants": False,
    "disable_participant_video": False,
    "auto_start_meeting_summary": False,
    "auto_start_ai_companion_questions": False,
    "global_dial_in_countries": ["US"],
    "approved_or_denied_countries_or_regions": {"enable": False},
    "breakout_room": {"enable": False},
}


@cache
def _known() -> dict[str, Any]:
    """Give the settings that answers show; others are accepted and forgotten."""
    create = next(endpoint for endpoint in endpoints() if endpoint.operation == "meetingCreate")
    known: dict[str, Any] = (create.answer or {})["properties"]["settings"]["properties"]
    return known


def of_new_meeting(host: User, given: dict[str, Any], call: Call) -> dict[str, Any]:
    """Settle the settings of a new meeting: what is left out is inherited from the host."""
    inherited = {name: value for name, value in host.settings.items() if name in _known()}
    named = {"contact_name": host.profile["display_name"], "contact_email": host.email}
    return of_changed_meeting({**DEFAULTS, **named, **inherited}, given, call)


def of_changed_meeting(old: dict[str, Any], given: dict[str, Any], call: Call) -> dict[str, Any]:
    """Lay a request's settings over the old ones."""
    schema: Any = (call.endpoint.body or {})["properties"]["settings"]["properties"]
    changed = {
        name: _keep(value, _known()[name]) for name, value in given.items() if name in _known() and name in schema
    }
    return {**old, **changed}


def _keep(value: Any, shape: Any) -> Any:
    """Forget the parts of a value that Zoom does not know."""
    if isinstance(value, dict) and "properties" in shape:
        known = shape["properties"]
        return {name: _keep(each, known[name]) for name, each in value.items() if name in known}
    if isinstance(value, list) and "items" in shape:
        return [_keep(each, shape["items"]) for each in value]
    return value
