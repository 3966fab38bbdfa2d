"""The documented events, as builders choose and narrow them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from connector_runtime import load
from connector_runtime.errors import DefinitionError, InputError
from connector_runtime.triggers.events import catalogued, faults
from zoom_connector import Connector, Trigger

from .conftest import NOW, SECRET, signed

# counted in Zoom's own event references
PRODUCTS = {
    "Meetings": 105,
    "Users": 21,
    "Team Chat": 54,
    "Phone": 71,
    "Accounts": 10,
    "Chatbot": 8,
    "Marketplace": 2,
}


def test_every_documented_event_is_there(trigger: Trigger) -> None:
    counted: dict[str, int] = {}
    for event in trigger.events.values():
        counted[event.product] = counted.get(event.product, 0) + 1
    assert counted == PRODUCTS


def test_every_schema_is_one_and_every_sample_fits_with_its_formats(trigger: Trigger) -> None:
    Draft202012Validator.check_schema({"$defs": trigger.load_events()["$defs"]})  # type: ignore[misc]
    for event in trigger.events.values():
        Draft202012Validator.check_schema(dict(event.shape))
        validator = Draft202012Validator(event.schema, format_checker=FormatChecker())
        assert [error.message for error in validator.iter_errors(event.sample)] == [], event.name


def test_every_sample_can_be_received_and_says_which_event_it_is(trigger: Trigger) -> None:
    for event in trigger.events.values():
        body = json.dumps(event.sample).encode()
        found = trigger.receive(body, signed(body), SECRET, NOW)
        assert (found.event, found.payload) == (event.name, event.sample)  # type: ignore[union-attr]


def test_a_schema_says_what_the_documentation_says_of_a_field(trigger: Trigger) -> None:
    started = trigger.events["meeting.started"]
    fields = started.schema["properties"]["payload"]["properties"]["object"]["properties"]
    assert [*fields] == ["id", "uuid", "host_id", "host_email", "topic", "type", "start_time", "timezone", "duration"]
    assert (fields["id"]["type"][0], fields["duration"]["type"][0]) == ("string", "integer")  # Zoom's comes first
    assert fields["type"]["examples"] == [0, 1, 2, 3, 4, 7, 8]
    assert fields["start_time"]["format"] == "date-time"
    assert "meeting:read:meeting" in started.scopes["granular"]


def test_each_event_is_a_named_trigger_of_the_catalogue(connector: Connector) -> None:
    (webhook,) = connector.catalogue()["triggers"]
    entries = {entry["name"]: entry for entry in webhook["events"]}
    assert len(entries) == 271
    ended = connector.event("webhook", "meeting.ended")
    assert entries["meeting.ended"].items() <= ended.items()
    assert (ended["label"], ended["product"], ended["deprecated"]) == ("Meeting Ended", "Meetings", False)
    assert Draft202012Validator(ended["schema"]).is_valid(ended["sample"])
    assert [row["key"] for row in webhook["filters"]] == ["event", "account", "object", "host", "meeting"]
    assert [row["key"] for row in webhook["inputs"]] == ["webhook_secret_token"]  # filters are no part of the table


# -- filters ---------------------------------------------------------------------------------------------------------


def arrived(trigger: Trigger, name: str = "meeting.started", **object_: Any) -> Any:
    about = {"id": "81279432123", "uuid": "abc==", "host_id": "h1", **object_}
    body = json.dumps({"event": name, "payload": {"account_id": "acc1", "object": about}}).encode()
    return trigger.receive(body, signed(body), SECRET, NOW)


@pytest.mark.parametrize(
    ("given", "admitted"),
    [
        ({}, True),
        ({"event": "", "host": None, "meeting": []}, True),
        ({"event": "meeting.started"}, True),
        ({"event": "meeting.start"}, False),
        ({"event": "meeting.*"}, True),
        ({"event": "*"}, True),
        ({"event": "*.started"}, True),
        ({"event": "meetingxstarted"}, False),
        ({"event": ["user.*", "meeting.*"]}, True),
        ({"event": ["user.*", "webinar.*"]}, False),
        ({"account": "acc1"}, True),
        ({"account": "acc2"}, False),
        ({"host": "h1"}, True),
        ({"host": ["h2", "h3"]}, False),
        ({"meeting": "812 7943-2123"}, True),
        ({"meeting": 81279432123}, True),
        ({"meeting": "abc=="}, True),
        ({"meeting": "8127943212"}, False),
        ({"object": "81279432123", "event": "meeting.*", "host": "h1"}, True),
        ({"object": "81279432123", "event": "meeting.*", "host": "h2"}, False),
    ],
)
def test_a_filter_admits_what_the_flow_wants(trigger: Trigger, given: dict[str, Any], admitted: bool) -> None:
    assert trigger.filter(given).admits(arrived(trigger)) is admitted


def test_a_meeting_is_the_same_as_number_and_as_text(trigger: Trigger) -> None:
    assert trigger.filter({"meeting": "81279432123"}).admits(arrived(trigger, "meeting.created", id=81279432123))


def test_a_filter_by_host_admits_no_event_without_one(trigger: Trigger) -> None:
    assert not trigger.filter({"host": "h1"}).admits(arrived(trigger, "user.created", host_id=None))


def test_a_mistyped_event_is_warned_of_with_the_nearest_name(trigger: Trigger) -> None:
    (warning,) = trigger.filter({"event": "meeting.strated"}).warnings
    assert "meeting.started" in warning.what
    assert trigger.filter({"event": ["meeting.started", "meeting.*"]}).warnings == ()


def test_an_unknown_filter_and_a_senseless_value_are_refused_together(trigger: Trigger) -> None:
    with pytest.raises(InputError) as caught:
        trigger.filter({"meting": "1", "host": {"id": 1}, "account": True})
    assert [problem.where for problem in caught.value.problems] == ["filter.meting", "filter.host", "filter.account"]
    assert "meeting" in caught.value.problems[0].what


# -- the definition --------------------------------------------------------------------------------------------------

TRIGGER = """
key: hook
label: Hook
inputs: {secret: {label: Secret, type: secret, required: true, to: verify.secret}}
verify: {header: x-sig, message: "{body}", hmac: sha256}
event: {name: body.type}
events: {file: events.json}
"""


def folder(tmp_path: Path, events: str | None) -> Connector:
    (tmp_path / "triggers").mkdir()
    (tmp_path / "connector.yaml").write_text("key: acme\nlabel: Acme\nbase_url: https://api.acme.example\n")
    (tmp_path / "triggers" / "hook.yaml").write_text(TRIGGER)
    if events is not None:
        (tmp_path / "triggers" / "events.json").write_text(events)
    return load(tmp_path)


FILE = '{"events": {"a": {"label": "A", "product": "P", "scopes": {}, "schema": {%s}, "sample": 1}}}'


@pytest.mark.parametrize(
    ("events", "says"),
    [
        (None, "missing"),
        ("{", "not JSON"),
        ("[]", "must be"),
        ('{"events": {"a": {"label": "A"}}}', "lacks product, scopes, schema, sample"),
        (FILE % '"$ref": "#/$defs/x"', "'x'"),
        (FILE % '"type": "text"', "'text'"),
        (FILE % '"type": "object"', "does not fit"),
    ],
)
def test_a_wrong_events_file_is_found_by_check(tmp_path: Path, events: str | None, says: str) -> None:
    found = folder(tmp_path, events).check()
    assert found and says in str(found[0])


def test_a_trigger_receives_even_where_its_events_file_is_broken(tmp_path: Path) -> None:
    hook = folder(tmp_path, "{").triggers["hook"]
    found = hook.receive(b'{"type":"a"}', hook.sign(b'{"type":"a"}', "s", NOW), "s", NOW)
    assert found.event == "a"  # type: ignore[union-attr]
    with pytest.raises(DefinitionError):
        _ = hook.events


def test_shared_shapes_stand_in_the_schema_that_uses_them() -> None:
    data = {
        "$defs": {"id": {"type": "string"}, "thing": {"properties": {"id": {"$ref": "#/$defs/id"}}}, "unused": {}},
        "events": {
            "a": {
                "label": "A",
                "product": "P",
                "scopes": {},
                "schema": {"properties": {"thing": {"$ref": "#/$defs/thing"}}},
                "sample": {"thing": {"id": "1"}},
            }
        },
    }
    text = {"type": ["string", "number", "boolean", "null"]}
    assert catalogued(data)["a"].schema == {"properties": {"thing": {"properties": {"id": text}}}}
    assert list(faults(data, "events.json")) == []


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("meeting.started", "meeting.started", True),
        ("meeting.started", "meeting.started2", False),
        ("meeting.*", "meeting.started", True),
        ("*", "", True),
        ("*.started", "meeting.started", True),
        ("*.started", "started", False),
        ("m*g.*d", "meeting.started", True),
        ("*e*e*t*", "meeting", True),
        ("*t*e*e*", "meet", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*b", "abab", True),
        ("a.c", "abc", False),
        ("a*", "a\nb", True),
        ("", "a", True),  # no filter at all
    ],
)
def test_a_star_stands_for_any_text(trigger: Trigger, pattern: str, name: str, fits: bool) -> None:
    found = trigger.read(json.dumps({"event": name, "x": 1}).encode(), {})
    assert trigger.filter({"event": pattern}).admits(found) is fits


def test_a_pattern_of_many_stars_is_judged_at_once(trigger: Trigger) -> None:
    """With a pattern that backtracks this would not end before the sun does."""
    found = trigger.read(json.dumps({"event": "a" * 2000}).encode(), {})
    assert not trigger.filter({"event": "*a" * 500 + "*b"}).admits(found)
    assert not trigger.filter({"event": "*" * 500 + "b"}).admits(found)
