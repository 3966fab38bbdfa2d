"""What a platform draws: complete, deterministic, and forms that post nothing nobody touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector_runtime.definitions import folders
from zoom_connector import Connector, bundled


@pytest.fixture(scope="module")
def catalogue(connector: Connector) -> dict[str, Any]:
    return connector.catalogue()


def actions(catalogue: dict[str, Any]) -> list[dict[str, Any]]:
    return catalogue["actions"]  # type: ignore[no-any-return]


def test_it_is_json_and_the_same_every_time(catalogue: dict[str, Any]) -> None:
    again = folders.load(bundled.root()).catalogue()
    assert json.dumps(catalogue) == json.dumps(again)


def test_it_names_the_22_actions_the_trigger_and_the_connections(catalogue: dict[str, Any]) -> None:
    assert len(actions(catalogue)) == 22
    assert "webhook" in [trigger["key"] for trigger in catalogue["triggers"]]
    assert "oauth2" in [kind["key"] for kind in catalogue["connections"]]
    assert (catalogue["label"], catalogue["version"]) == ("Zoom Connector", "0.1.0")


def test_inputs_are_listed_in_order_with_the_connection_first(
    catalogue: dict[str, Any], tables: dict[str, Any]
) -> None:
    for table in tables["actions"]:
        (entry,) = [action for action in actions(catalogue) if action["key"] == table["key"]]
        assert [row["key"] for row in entry["inputs"]] == [row["key"] for row in table["inputs"]]
        assert entry["inputs"][0]["type"] == "connection"


def test_no_form_schema_has_a_default_a_const_or_a_dialect(catalogue: dict[str, Any]) -> None:
    def words(schema: Any) -> set[str]:
        if isinstance(schema, dict):
            return set(schema) | {word for value in schema.values() for word in words(value)}
        return {word for item in schema for word in words(item)} if isinstance(schema, list) else set()

    for action in actions(catalogue):
        names = {row["key"] for row in action["inputs"]}
        assert not words(action["form_schema"]) & ({"default", "const", "oneOf", "$schema", "$ref"} - names), action[
            "key"
        ]


def test_what_a_form_can_post_for_a_choice_the_action_accepts(connector: Connector, catalogue: dict[str, Any]) -> None:
    for action in actions(catalogue):
        form, exact = action["form_schema"], action["input_schema"]
        for key, field in form["properties"].items():
            Draft202012Validator.check_schema(field)
            for value in field.get("enum", []):
                assert isinstance(value, str if field["type"] == "string" else int), (action["key"], key)
                assert Draft202012Validator(exact["properties"][key]).is_valid(value), (action["key"], key, value)


def test_a_form_that_nobody_touched_sends_nothing_but_what_must_be_filled_in(connector: Connector) -> None:
    for key, action in connector.actions.items():
        always = [row for row in action.inputs.values() if row.required == () and row.only_when is None]
        required = {row.key: row.example for row in always if not row.has_default}
        needed = {name: "GET" if name == "method" else value for name, value in required.items()}
        needed |= {"user_type": 1} if key == "create-user" else {}
        needed |= {"to_contact": "a"} if key == "list-users-chat-messages" else {}
        needed.pop("connection", None)
        untouched = {row.key: blank for row in action.inputs.values() for blank in ("",) if row.key not in needed}
        assert action.preview({**needed, **untouched}) == action.preview(needed), key


def test_choices_have_labels_and_secrets_are_marked(catalogue: dict[str, Any]) -> None:
    (create,) = [action for action in actions(catalogue) if action["key"] == "create-meeting"]
    rows = {row["key"]: row for row in create["inputs"]}
    assert rows["type"]["choices"][1] == {"value": 2, "label": "Scheduled meeting"}
    assert rows["password"]["secret"] is True
    assert rows["password"]["widget"] == "password"
    assert rows["host_video_on_start"]["published_default"] is False
    assert rows["weekly_day"]["only_when"] == [{"input": "type_recurrence", "is": [2]}]
    assert rows["user_id"]["choices_from"] == "users"
    assert catalogue["choices"]["users"]["action"] == "list-users"
    assert "Europe/Berlin" in [choice["value"] for choice in catalogue["choices"]["timezones"]["choices"]]


def test_effects_follow_the_methods(catalogue: dict[str, Any]) -> None:
    effects = {action["key"]: action["effect"] for action in actions(catalogue)}
    assert effects["delete-user"] == "delete"
    assert effects["update-meeting"] == "update"
    assert effects["add-webinar-registrant"] == "create"
    assert effects["raw-request"] is None
    assert [key for key, effect in effects.items() if effect == "read"] == [
        key for key in effects if key.startswith(("get-", "list-"))
    ]
