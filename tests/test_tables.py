"""The definitions equal the published tables: every label, comment, default, and the place where each input goes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.language import conditions
from zoom_connector import Connector

ROOT = Path(__file__).parents[1]
TABLES = json.loads((ROOT / "tests" / "spec" / "input-tables.json").read_text())
ACTIONS = {table["key"]: table for table in TABLES["actions"]}
ROWS = [(key, row) for key, table in ACTIONS.items() for row in table["inputs"]]
TYPES = {  # what Zoom calls a value -> the types of inputs that take it
    "connection": {"connection"},
    "string": {"string", "text", "secret", "date", "datetime", "integer"},
    "integer": {"integer", "string"},
    "boolean": {"boolean"},
    "array": {"json", "string"},
    "object": {"json"},
    "json": {"any"},
    "any": {"any"},
    "file": {"file"},
}
ADDED_CHOICES = {"weekly_day"}  # docs/actions.md lists what is added to the published rows
DISAMBIGUATED = {"department": "Department", "pronouns_option": "Pronouns Option"}


def published(row: dict[str, Any]) -> str:
    return DISAMBIGUATED.get(row["key"], row["label"])


def condition(raw: Any) -> Any:
    """A condition of the tables as a definition's would be compiled; None where there is none."""
    return None if raw is None else conditions.parse(raw)


@pytest.mark.parametrize("key", ACTIONS)
def test_an_action_says_what_the_published_table_says_of_it(connector: Connector, key: str) -> None:
    ours, theirs = connector.actions[key], ACTIONS[key]
    assert ours.label == theirs["label"]
    assert ours.description == theirs["description"]
    request = theirs.get("request", {})
    assert (ours.method, ours.path) == (request.get("method"), request.get("path", ""))
    assert (ours.headers, ours.query, ours.body) == ({}, {}, None)
    assert ours.rate_limit == theirs.get("rate_limit")
    assert {kind: sorted(scopes) for kind, scopes in ours.scopes.items()} == {
        kind: sorted(
            "recording:read:admin" if scope == "phone_recording:read:admin" and "meeting-recordings" in key else scope
            for scope in scopes
        )
        for kind, scopes in theirs.get("scopes", {}).items()
    }


@pytest.mark.parametrize("key", ACTIONS)
def test_the_rows_stand_in_the_published_order(connector: Connector, key: str) -> None:
    assert list(connector.actions[key].inputs) == [row["key"] for row in ACTIONS[key]["inputs"]]


@pytest.mark.parametrize("key", ACTIONS)
def test_every_published_row_is_a_line_of_its_own_in_its_actions_file(key: str) -> None:
    written = re.findall(r"^  ([a-z_]+):", inputs_of((ROOT / f"actions/{key}.yaml").read_text()), re.MULTILINE)
    assert written == [row["key"] for row in ACTIONS[key]["inputs"]]


def inputs_of(text: str) -> str:
    """The block under `inputs:` of a file."""
    (found,) = re.findall(r"^inputs:\n((?:  .*\n)+)", text, re.MULTILINE)
    return str(found)


@pytest.mark.parametrize("key", ACTIONS)
def test_the_rules_about_groups_begin_with_the_published_ones(connector: Connector, key: str) -> None:
    ours = [(rule.kind, rule.keys, rule.when, rule.says) for rule in connector.actions[key].rules]
    theirs = [
        (kind, tuple(rule[kind]), condition(rule.get("when")) or (), rule.get("says", ""))
        for rule in ACTIONS[key].get("rules", [])
        for kind in rule.keys() - {"when", "says"}
    ]
    assert ours[: len(theirs)] == theirs


@pytest.mark.parametrize(("key", "row"), ROWS, ids=[f"{key}-{row['key']}" for key, row in ROWS])
def test_a_row_has_the_published_words(connector: Connector, key: str, row: dict[str, Any]) -> None:
    ours = connector.actions[key].inputs[row["key"]]
    assert ours.label == published(row)
    assert ours.comments == row.get("comments", "")
    assert ours.has_default == ("default" in row)
    assert ours.default == row.get("default")
    required = row.get("required", False)
    assert ours.required == (None if required is False else () if required is True else condition(required))
    assert ours.only_when == condition(row.get("only_when"))
    assert ours.shown_when == condition(row.get("shown_when"))
    assert ours.type in TYPES[row.get("zoom", {}).get("type", "connection")]


@pytest.mark.parametrize(("key", "row"), ROWS, ids=[f"{key}-{row['key']}" for key, row in ROWS])
def test_a_row_takes_the_published_choices_and_limits_and_goes_where_the_table_says(
    connector: Connector, key: str, row: dict[str, Any]
) -> None:
    ours = connector.actions[key].inputs[row["key"]]
    assert [str(place) for place in ours.to] == ([row["to"]] if "to" in row else [])
    if "choices" in row or row["key"] not in ADDED_CHOICES:
        assert [(choice.value, choice.label) for choice in ours.choices] == [
            (choice["value"], choice["label"]) for choice in row.get("choices", [])
        ]
    assert (ours.type == "secret") == row.get("secret", False)
    zoom = row.get("zoom", {})
    of_text = zoom.get("type") == "string" and "pattern" in zoom and row["key"] == "weekly_day"
    for limit in ("minLength", "maxLength", "minimum", "maximum", "maxItems"):
        if limit in zoom and not of_text:
            assert ours.schema[limit] == zoom[limit]
    if "choices_from" in row:
        assert ours.choices_from == row["choices_from"]
    if "collection" in row:
        assert ours.collection == row["collection"]


def test_every_published_action_has_a_file_and_no_other_exists(connector: Connector) -> None:
    assert sorted(connector.actions) == sorted(ACTIONS)


def test_the_connector_and_its_trigger_and_connection_have_the_published_words(connector: Connector) -> None:
    assert connector.profile.label == TABLES["title"]
    assert connector.profile.description == TABLES["description"]
    for theirs, ours in (
        (TABLES["connections"][0], connector.connections["oauth2"]),
        (TABLES["triggers"][0], connector.triggers["webhook"]),
    ):
        assert (ours.key, ours.label, ours.description) == (theirs["key"], theirs["label"], theirs["description"])
        assert [
            (row.key, row.label, row.comments, row.required == (), row.type == "secret") for row in ours.inputs
        ] == [
            (row["key"], row["label"], row["comments"], row["required"], row.get("secret", False))
            for row in theirs["inputs"]
        ]


# -- placement: each input alone lands where the table says ----------------------------------------------------------

CONDITIONS: dict[tuple[str, str], dict[str, Any]] = {
    ("create-meeting", "type_recurrence"): {"type": 8, "monthly_day": 1},
    ("update-meeting", "type_recurrence"): {"type": 8, "monthly_day": 1},
    **{
        (action, key): {"type": 8, "type_recurrence": 1}
        for action in ("create-meeting", "update-meeting")
        for key in ("repeat_interval", "end_date_time", "end_times")
    },
    **{(action, "weekly_day"): {"type": 8, "type_recurrence": 2} for action in ("create-meeting", "update-meeting")},
    **{
        (action, key): {"type": 8, "type_recurrence": 3, **more}
        for action in ("create-meeting", "update-meeting")
        for key, more in (
            ("monthly_day", {}),
            ("monthly_week", {"monthly_week_day": 3}),
            ("monthly_week_day", {"monthly_week": -1}),
        )
    },
    ("create-user", "user_password"): {"user_action": "autoCreate"},
    ("get-meeting-recordings", "time_to_live"): {"include_fields": "download_access_token"},
    ("get-phone-recordings", "from"): {"to": "2026-11-30"},
    **{
        ("delete-user", f"transfer_{what}"): {"transfer_email": "jchill@example.com"}
        for what in ("meeting", "webinar", "recording", "whiteboard")
    },
    ("list-users-chat-messages", "search_type"): {"search_key": "cake"},
    ("list-users-chat-messages", "search_key"): {"search_type": "message"},
    ("list-users-chat-messages", "to_channel"): {"to_contact": None},
    ("raw-request", "file_data_file_names"): {"file_data": {"file": "text"}},
}
EXAMPLES = {
    "password": "s3cret!",
    "user_password": "Passw0rdXy",
    "host_key": "123456",
    "settings_extra_fields": {"jbh_time": 5},
}
NEEDED: dict[str, dict[str, Any]] = {"list-users-chat-messages": {"to_contact": "someone@example.com"}}


def example(row: dict[str, Any]) -> Any:
    if row["key"] in EXAMPLES:
        return EXAMPLES[row["key"]]
    if "choices" in row:
        return row["choices"][-1]["value"]
    if row.get("zoom", {}).get("type") == "boolean":
        return not row.get("default", False)
    return row.get("example", row.get("default"))


def wanted(row: dict[str, Any], value: Any) -> Any:
    """What the specification puts on the wire for a row's example."""
    if row.get("zoom", {}).get("type") == "integer" and isinstance(value, str) and row["to"].startswith("body"):
        return int(value)
    if row.get("collection") == "list":
        return [value]
    return value


@pytest.mark.parametrize(
    ("key", "row"),
    [(key, row) for key, row in ROWS if row.get("to", "").split(".")[0] in ("path", "query", "body")],
    ids=[f"{key}-{row['key']}" for key, row in ROWS if row.get("to", "").split(".")[0] in ("path", "query", "body")],
)
def test_a_value_lands_where_the_table_says_and_as_zoom_types_it(
    connector: Connector, key: str, row: dict[str, Any]
) -> None:
    needed = {
        other["key"]: example(other)
        for other in ACTIONS[key]["inputs"]
        if other.get("required") is True and "only_when" not in other and "to" in other
    }
    inputs = {**NEEDED.get(key, {}), **needed, **CONDITIONS.get((key, row["key"]), {}), row["key"]: example(row)}
    if key == "raw-request":
        inputs["method"] = "POST"
    request = connector.actions[key].preview(inputs)
    kind, _, place = row["to"].partition(".")
    value = wanted(row, example(row))
    if row["to"].endswith(".*"):
        if kind == "query":
            assert f"{value[0]['key']}={value[0]['value']}" in request["url"]
        else:
            for name, item in value.items():
                assert dig(request["body"], [*place.split(".")[:-1], name]) == item
    elif kind == "body":
        found = dig(request["body"], place.split("."))
        assert found == value
        assert type(found) is type(value)
    elif kind == "query":
        from urllib.parse import parse_qs, urlsplit

        text = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        assert parse_qs(urlsplit(request["url"]).query)[place] == [text]
    else:
        from urllib.parse import quote

        template = ACTIONS[key]["request"]["path"].replace(f"{{{place}}}", quote(str(value), safe=""))
        assert f"https://api.zoom.us/v2{template}" == request["url"].partition("?")[0]


def dig(data: Any, path: list[str]) -> Any:
    for step in path:
        data = data[step]
    return data
