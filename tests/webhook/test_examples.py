"""Every example of an event that Zoom documents arrives, fits its schema, and says what it is about."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector_runtime.stores.store import MemoryStore
from connector_runtime.triggers.events import faults, opened
from zoom_connector import Notification, Receiver, Trigger

from .conftest import SECRET, signed

# From Zoom's event references, by name. Only long prose is cut.
EXAMPLES: dict[str, Any] = json.loads((Path(__file__).parents[1] / "spec" / "event-examples.json").read_text())
MISNAMED = {  # examples in which Zoom's own documents name another event
    "webinar.registration_denied": "webinar.registration_created",
    "group.member_deleted": "group.members_deleted",
    "team_chat.shared_spaces_edited": "team_chat.shared_spaces_edit",
}
WITHOUT_ACCOUNT = {
    "team_chat.channel_join_approval_requested",
    "team_chat.channel_invitation_approval_requested",
    "app.authorization_request_created",
}
# Where an example says what it is about, under `payload`, by the event's name: the first row that matches.
ABOUT: dict[str, str | None] = {
    "app_deauthorized": "client_id",
    "app.authorization_request_created": None,  # the app has only a name
    "bot_*": "robotJid",
    "interactive_message_*": "messageId",
    "recording.cloud_storage_usage_updated": None,  # the account itself
    "recording.batch_trashed": "object.meeting_uuids.*",
    "recording.batch_*": "object.meetings.*.meeting_uuid",
    "meeting.ai_companion_*": "object.meeting_number",
    "meeting.summary_*": "object.meeting_id",
    "meeting.aic_transcript_completed": "object.meeting_id",
    "meeting.chat_message_file_sent": "object.meeting_id",
    "webinar.chat_message_file_sent": "object.webinar_id",
    "meeting.*": "object.id",
    "webinar.*": "object.id",
    "recording.*": "object.id",
    "user.*": "object.id",
    "group.*": "object.id",
    "account.*": "object.id",
    "information_barriers.*": "object.id",
    "chat_message.*": "object.id",
    "chat_channel.created": None,  # Zoom documents an `id`, but its example has none
    "chat_channel.*": "object.id",
    "team_chat.channel_archived": "object.id",
    "team_chat.channel_unarchived": "object.id",
    "team_chat.channel_app_*": "object.channel_id",
    "team_chat.channel_join_*": "object.channel.channel_id",
    "team_chat.channel_invitation_*": "object.channel.channel_id",
    "team_chat.*_reaction_*": "object.msg_id",
    "team_chat.*message_*": "object.message_id",
    "team_chat.channel_pin_*": "object.message_id",
    "team_chat.bookmark_*": "object.message_id",
    "team_chat.app_mention": "object.message_id",
    "team_chat.link_shared": "object.message_id",
    "team_chat.shared_spaces_*": "object.space_id",
    "team_chat.emoji_*": "object.file_id",
    "team_chat.file_downloaded": "object.file.file_id",
    "team_chat.file_*": "object.files.*.file_id",
    "team_chat.*starred": "object.items.*.contact_id",
    "phone.ai_call_summary_changed": "object.ai_call_summary_id",
    "phone.*_call_log_completed": "object.call_logs.*.id",
    "phone.*_call_history_completed": "object.call_logs.*.id",
    "phone.*_call_element_completed": "object.call_elements.*.call_element_id",
    "phone.call_log_*deleted": "object.call_logs.*.id",
    "phone.call_history_deleted": "object.call_log_ids.*",
    "phone.call_element_deleted": "object.call_element_ids.*",
    "phone.recording_completed*": "object.recordings.*.id",
    "phone.recording_transcript_completed": "object.recordings.*.id",
    "phone.recording_*deleted": "object.recordings.*.id",
    "phone.recording_*": "object.id",
    "phone.voicemail_*deleted": "object.voice_mails.*.id",
    "phone.voicemail_*": "object.id",
    "phone.fax_log_*": "object.fax_logs.*.fax_log_id",
    "phone.fax_*": "object.fax_id",
    "phone.sms_campaign_*": "object.phone_number_campaign_opt_statuses.*.consumer_phone_number",
    "phone.sms_etiquette_*": "object.email",  # the message has no id
    "phone.sms_*": "object.message_id",
    "phone.peering_number_*": "object.phone_numbers.*",
    "phone.route_group_*": "object.route_groups.*.id",
    "phone.group_settings_updated": "object.group_id",
    "phone.account_settings_updated": "object.id",
    "phone.device_registration": "object.device_id",
    "phone.generic_device_provision": "object.id",
    "phone.*": "object.call_id",
}


def found_at(data: Any, path: str) -> list[Any]:
    """What is at a path, where `*` is every item."""
    for step in path.split("."):
        data = [inner for each in (data if isinstance(data, list) else [data]) for inner in inside(each, step)]
    return [each for each in data if each not in ("", None)]


def inside(data: Any, step: str) -> list[Any]:
    if step == "*":
        return [data]  # a list is already spread
    value = data.get(step) if isinstance(data, dict) else None
    return value if isinstance(value, list) else [value]


def objects(name: str) -> list[str]:
    path = next(path for pattern, path in ABOUT.items() if fnmatch(name, pattern))
    return [str(each) for each in found_at(EXAMPLES[name]["payload"], path)] if path else []


@pytest.fixture(scope="module")
def trigger(connector: Any) -> Trigger:
    return connector.triggers["webhook"]  # type: ignore[no-any-return]


def receive(trigger: Trigger, bodies: list[Any]) -> list[Notification]:
    """What the handler of a receiver is given, in the order of the bodies, each of which is accepted."""
    raw = [json.dumps(body).encode() + b" " * index for index, body in enumerate(bodies)]  # some examples are equal
    seen: dict[str, Notification] = {}
    receiver = Receiver(trigger, SECRET, store=MemoryStore())
    for body in raw:
        assert receiver.accept(body, signed(body, time.time())).status == 200
    receiver.deliver(lambda found: seen.update({found.event_id: found}), once=True)
    return [seen[hashlib.sha256(body).hexdigest()] for body in raw]


@pytest.fixture(scope="module")
def received(trigger: Trigger) -> dict[str, Notification]:
    return dict(zip(EXAMPLES, receive(trigger, list(EXAMPLES.values())), strict=True))


def misfits(trigger: Trigger, name: str, body: Any) -> list[str]:
    errors = Draft202012Validator(trigger.events[name].schema).iter_errors(body)
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors]


def test_every_documented_event_has_an_example(trigger: Trigger) -> None:
    assert set(EXAMPLES) == set(trigger.events)
    assert len(EXAMPLES) == 271


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_documented_example_arrives_unchanged_and_fits(
    trigger: Trigger, received: dict[str, Notification], name: str
) -> None:
    assert received[name].payload == EXAMPLES[name]
    assert received[name].event == MISNAMED.get(name, name)
    assert misfits(trigger, name, EXAMPLES[name]) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_documented_example_says_whose_it_is_and_what_it_is_about(
    received: dict[str, Notification], name: str
) -> None:
    payload, found, about = EXAMPLES[name]["payload"], received[name], objects(name)
    assert found.account == payload.get("account_id", payload.get("accountId"))
    assert (found.account is None) == (name in WITHOUT_ACCOUNT)
    assert found.object == (about[0] if about else None)
    assert found.objects == set(about)


def test_only_three_events_are_about_nothing_that_has_an_id() -> None:
    assert {name for name in EXAMPLES if not objects(name)} == {
        "app.authorization_request_created",
        "chat_channel.created",
        "recording.cloud_storage_usage_updated",
    }


# -- filters ---------------------------------------------------------------------------------------------------------

MEETING = ("meeting_id", "meeting_uuid", "meeting_number", "webinar_id", "webinar_uuid", "meeting_uuids")
HOST = ("host_id", "host_email", "meeting_host_id", "meeting_host_email")


def meetings(name: str) -> list[Any]:
    """Every meeting that an example names: its own ids, and those in a list of meetings."""
    about = EXAMPLES[name]["payload"].get("object", {})
    own = ("id", "uuid") if name.startswith(("meeting.", "webinar.", "recording.")) else ()
    named = [about.get(key) for key in (*own, *MEETING)]
    named += [meeting.get(key) for meeting in about.get("meetings", ()) for key in MEETING]
    return [each for value in named if value for each in (value if isinstance(value, list) else [value])]


def test_the_meeting_filter_finds_each_meeting_of_each_example(
    trigger: Trigger, received: dict[str, Notification]
) -> None:
    blind = [
        (name, meeting)
        for name in EXAMPLES
        for meeting in meetings(name)
        if not trigger.filter({"meeting": str(meeting)}).admits(received[name])
    ]
    assert blind == []
    assert [name for name in EXAMPLES if trigger.filter({"meeting": "5"}).admits(received[name])] == []
    assert len(meetings("recording.batch_trashed")) == 2
    about = {name for name in EXAMPLES if name.startswith(("meeting.", "webinar.", "recording."))}
    assert {name for name in about if not meetings(name)} == {"recording.cloud_storage_usage_updated"}


def test_the_host_filter_finds_the_host_of_each_example(trigger: Trigger, received: dict[str, Notification]) -> None:
    hosts = {
        name: [about[key] for key in HOST if about.get(key)]
        for name in EXAMPLES
        for about in [EXAMPLES[name]["payload"].get("object", {})]
    }
    assert sum(map(bool, hosts.values())) > 70
    for name, found in received.items():
        assert [trigger.filter({"host": host}).admits(found) for host in hosts[name]] == [True] * len(hosts[name])
        assert not trigger.filter({"host": "nobody"}).admits(found)


def test_the_object_filter_finds_each_of_several_objects(trigger: Trigger, received: dict[str, Notification]) -> None:
    for name, found in received.items():
        assert all(trigger.filter({"object": each}).admits(found) for each in objects(name)), name
        assert not trigger.filter({"object": "another"}).admits(found), name
    assert max(len(objects(name)) for name in EXAMPLES) > 1


# -- what Zoom sends beside its documents ----------------------------------------------------------------------------

STARTED = EXAMPLES["meeting.started"]
FILES = EXAMPLES["recording.completed"]


def changed(name: str, path: str, **fields: Any) -> tuple[str, Any]:
    """An example with other values at a path; a field that is `...` is left out."""
    body = copy.deepcopy(EXAMPLES[name])
    targets = found_at(body["payload"], path)
    assert targets
    for target in targets:
        target.update(fields)
        for key in [key for key, value in fields.items() if value is ...]:
            del target[key]
    return name, body


PUBLIC = {
    "a user without a licence": changed("user.created", "object", type=3),
    "a user of a type that is new": changed("user.updated", "object", type=99),
    "a message in a channel": changed("chat_message.sent", "object", channel_id="c", contact_email=...),
    "a meeting without the host's address": changed("meeting.started", "object", host_email=...),
    "a meeting with a number": changed("meeting.started", "object", id=81279432123),
    "a meeting with a number as text": changed("meeting.created", "object", id="81279432123"),
    "a participant without the time": changed("meeting.participant_left", "object.participant", leave_time=...),
    "a file without its extension": changed("recording.completed", "object.recording_files.*", file_extension=...),
    "a file that is not complete": changed("recording.completed", "object.recording_files.*", recording_end=None),
    "an event without its time": ("meeting.started", {key: STARTED[key] for key in ("event", "payload")}),
    "a time as text": ("meeting.started", {**STARTED, "event_ts": "1626230691572"}),
    "a body without anything": ("meeting.started", {"event": "meeting.started", "payload": {}}),
    "a payload that is null": ("meeting.started", {"event": "meeting.started", "payload": None}),
}


@pytest.mark.parametrize("says", PUBLIC)
def test_what_others_have_received_fits(trigger: Trigger, says: str) -> None:
    name, body = PUBLIC[says]
    assert misfits(trigger, name, body) == []


def everywhere(data: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(data, dict):
        return {**{key: everywhere(value, change) for key, value in data.items()}, "something_new": {"a": 1}}
    return [everywhere(item, change) for item in data] if isinstance(data, list) else change(data)


@pytest.mark.parametrize("value", [None, "text", "", 7, 1.5, True])
def test_no_schema_refuses_another_simple_value_or_a_key_that_is_new(trigger: Trigger, value: Any) -> None:
    for name, example in EXAMPLES.items():
        assert misfits(trigger, name, everywhere(example, lambda _: value)) == [], name


def test_no_schema_requires_a_key(trigger: Trigger) -> None:
    def emptied(data: Any) -> Any:
        return {
            key: {} if isinstance(value, dict) else [] for key, value in data.items() if isinstance(value, dict | list)
        }

    for name, example in EXAMPLES.items():
        for part in ({}, emptied(example), {"payload": emptied(example["payload"])}):
            assert misfits(trigger, name, part) == [], name


def test_an_object_where_a_list_is_documented_does_not_fit(trigger: Trigger) -> None:
    body = copy.deepcopy(FILES)
    body["payload"]["object"]["recording_files"] = {"id": "a"}
    assert misfits(trigger, "recording.completed", body) != []


def words(schema: Any) -> Iterator[str]:
    yield from schema
    for part in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from words(part)


def test_the_schemas_have_the_words_of_output_schemas_and_no_other(trigger: Trigger) -> None:
    open_words = {"title", "type", "properties", "items", "description", "examples", "format", "deprecated", "x-secret"}
    assert {word for event in trigger.events.values() for word in words(event.schema)} <= open_words


# -- events that no document of ours knows ---------------------------------------------------------------------------

STREAM = "609340fb2a7946909659956c8aa9250c"
UNKNOWN: dict[str, tuple[dict[str, Any], str | None, str | None]] = {  # from Zoom's references of other products
    "meeting.rtms_started": ({"meeting_uuid": "4A==", "operator_id": "o", "rtms_stream_id": STREAM}, None, "4A=="),
    "meeting.rtms_interrupted": ({"meeting_uuid": "4A==", "rtms_stream_id": STREAM}, None, "4A=="),
    "webinar.rtms_started": ({"webinar_uuid": "5A==", "rtms_stream_id": STREAM}, None, "5A=="),
    "session.rtms_interrupted": ({"session_id": "6A==", "session_key": "k", "rtms_stream_id": STREAM}, None, "6A=="),
    "session.user_phone_callout_ringing": (
        {"account_id": "a", "object": {"id": 713592696, "uuid": "7A==", "session_id": "7A==", "host_id": "h"}},
        "a",
        "713592696",
    ),
    "whiteboard.shared": (
        {"operator_id": "o", "object": {"whiteboard_id": "w", "meeting_id": "1234567890", "collaborators": []}},
        None,
        "w",
    ),
    "task.deleted": ({"account_id": "a", "operator": "u", "object": {"task_id": "12321312323"}}, "a", "12321312323"),
    "zoomroom.checked_in": ({"account_id": "a", "object": {"id": "r", "email": "r@example.com"}}, "a", "r"),
    "invented.tomorrow": ({"account_id": "a", "object": {"colour": "red"}}, "a", None),
    "invented.flat": ({"colours": ["red"]}, None, None),
}


def test_an_event_that_no_list_knows_is_an_event(trigger: Trigger) -> None:
    assert not UNKNOWN.keys() & trigger.events.keys()
    bodies = [{"event": name, "event_ts": 1626230691572, "payload": row[0]} for name, row in UNKNOWN.items()]
    for body, found, (_, account, about) in zip(bodies, receive(trigger, bodies), UNKNOWN.values(), strict=True):
        assert (found.event, found.payload, found.account, found.object) == (body["event"], body, account, about)
        assert found.time is not None and found.time.timestamp() == 1626230691.572


def test_the_meeting_filter_finds_the_meeting_of_a_media_stream(trigger: Trigger) -> None:
    bodies = [{"event": name, "payload": UNKNOWN[name][0]} for name in ("meeting.rtms_started", "webinar.rtms_started")]
    meeting, webinar = receive(trigger, bodies)
    assert trigger.filter({"meeting": "4A=="}).admits(meeting)
    assert not trigger.filter({"meeting": "4A=="}).admits(webinar)
    assert trigger.filter({"meeting": "5A=="}).admits(webinar)


# -- the rule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "schema"),
    [
        ({}, {}),
        (True, {}),
        ({"type": "string"}, {"type": ["string", "number", "boolean", "null"]}),
        ({"type": "integer"}, {"type": ["integer", "string", "number", "boolean", "null"]}),
        ({"type": ["boolean", "null"]}, {"type": ["boolean", "null", "string", "number"]}),
        ({"type": "object", "required": ["a"], "minProperties": 1}, {"type": ["object", "null"]}),
        ({"type": "array", "items": {"enum": [1]}}, {"type": ["array", "null"], "items": {"examples": [1]}}),
        ({"const": "a"}, {"examples": ["a"]}),
        ({"properties": {"a": {"pattern": "x"}}}, {"properties": {"a": {}}}),
        ({"additionalProperties": False}, {"additionalProperties": {}}),
        (
            {"format": "date-time", "x-secret": True, "title": "A"},
            {"format": "date-time", "x-secret": True, "title": "A"},
        ),
        ({"$ref": "#/$defs/b", "title": "C"}, {"title": "C", "examples": [1]}),
    ],
)
def test_a_documented_shape_becomes_a_schema_that_refuses_little(shape: Any, schema: Any) -> None:
    assert opened(shape, {"a": {"enum": [1], "title": "A"}, "b": {"$ref": "#/$defs/a", "title": "B"}}) == schema


def test_a_shape_that_contains_itself_is_found_by_check() -> None:
    event = {"label": "A", "product": "P", "scopes": {}, "sample": 1, "schema": {"$ref": "#/$defs/a"}}
    data: Any = {"$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}}}}, "events": {"a": event}}
    (found,) = faults(data, "events.json")
    assert str(found) == "events.json events.a.schema: refers to itself; write out as many levels as you need"
