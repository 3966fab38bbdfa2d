"""Computes a meeting's settings from Zoom's defaults, the host's own settings and the request. Pure."""

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
def _answer_schemas() -> dict[str, Any]:
    """Return the schemas of the settings that Zoom returns; it accepts others but discards them."""
    create = next(endpoint for endpoint in endpoints() if endpoint.operation == "meetingCreate")
    schemas: dict[str, Any] = (create.answer or {})["properties"]["settings"]["properties"]
    return schemas


def of_new_meeting(host: User, settings: dict[str, Any], call: Call) -> dict[str, Any]:
    """Return the settings of a new meeting; absent ones are inherited from its host."""
    inherited = {name: value for name, value in host.settings.items() if name in _answer_schemas()}
    contact = {"contact_name": host.profile["display_name"], "contact_email": host.email}
    return of_changed_meeting({**DEFAULTS, **contact, **inherited}, settings, call)


def of_changed_meeting(old: dict[str, Any], settings: dict[str, Any], call: Call) -> dict[str, Any]:
    """Return the old settings, updated with those of a request."""
    accepted: Any = (call.endpoint.body or {})["properties"]["settings"]["properties"]
    schemas = {name: schema for name, schema in _answer_schemas().items() if name in accepted}
    return {**old, **{name: _prune(value, schemas[name]) for name, value in settings.items() if name in schemas}}


def _prune(value: Any, schema: Any) -> Any:
    """Remove the parts of a value that Zoom does not document."""
    if isinstance(value, dict) and "properties" in schema:
        schemas = schema["properties"]
        return {name: _prune(each, schemas[name]) for name, each in value.items() if name in schemas}
    if isinstance(value, list) and "items" in schema:
        return [_prune(each, schema["items"]) for each in value]
    return value
