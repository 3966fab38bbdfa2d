"""What a platform draws: complete, deterministic, and forms that post nothing nobody touched."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft202012Validator

from connector_runtime.definitions import folders
from connector_runtime.definitions.catalogue import safety
from connector_runtime.definitions.checks import connector as checks
from zoom_connector import Connector, InputError, bundled

HERE = Path(__file__).parent
EXAMPLES = sorted((HERE.parent / "examples").iterdir())
SHAPE = json.loads((HERE.parent / "schemas" / "catalogue.schema.json").read_text())
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'


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


# -- its own schema ----------------------------------------------------------------------------------------------------


def misfits(document: Any) -> list[str]:
    errors = Draft202012Validator(SHAPE).iter_errors(document)
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors]


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize("locale", ["en", "de"])
def test_the_catalogue_fits_its_schema(connector: Connector, locale: str, events: bool) -> None:
    Draft202012Validator.check_schema(SHAPE)
    assert misfits(connector.catalogue(locale, events=events)) == []


@pytest.mark.parametrize("folder", EXAMPLES, ids=[folder.name for folder in EXAMPLES])
def test_the_catalogues_of_other_vendors_fit_it_too(folder: Path) -> None:
    assert misfits(folders.load(folder).catalogue(events=True)) == []


PLACES: list[tuple[tuple[Any, ...], set[str]]] = [  # an object of the document, and which of its keys must be there
    ((), set(SHAPE["required"])),
    (("connections", 0), {"key", "label", "description", "inputs", "oauth"}),
    (("connections", 0, "oauth"), {"grant", "token_url", "client"}),
    (("triggers", 0), {"key", "label", "description", "inputs", "filters", "events"}),
    (("triggers", 0, "filters", 0), {"key", "label", "help"}),
    (("triggers", 0, "events", 0), {"name", "label", "product", "scopes", "deprecated", "schema", "sample"}),
    (("actions", 0), set(SHAPE["$defs"]["action"]["required"])),
    (("actions", 0, "safety"), {"read_only", "destructive", "idempotent"}),
    (("actions", 0, "rules", 0), {"kind", "inputs", "when", "says", "within"}),
    (("actions", 0, "inputs", 1), {"key", "label", "type"}),
    (("actions", 0, "inputs", 3, "choices", 0), {"value", "label"}),
    (("actions", 0, "inputs", 10, "only_when", 0), {"input", "is_not"}),
    (("choices", "countries"), {"choices"}),
    (("choices", "countries", "choices", 0), {"value", "label"}),
    (("choices", "meetings"), {"action", "with", "parameters", "value", "label", "searchable"}),
]


@pytest.fixture(scope="module")
def whole(connector: Connector) -> dict[str, Any]:
    """A catalogue of one action, one event and two lists."""
    whole = connector.catalogue(events=True)
    whole["actions"] = [action for action in whole["actions"] if action["key"] == "create-meeting"]
    whole["triggers"][0]["events"] = whole["triggers"][0]["events"][:1]
    whole["choices"] = {name: whole["choices"][name] for name in ("countries", "meetings")}
    whole["choices"]["countries"] = {"choices": whole["choices"]["countries"]["choices"][:1]}
    return whole


@pytest.mark.parametrize(("path", "needed"), PLACES, ids=[".".join(map(str, path)) or "-" for path, _ in PLACES])
def test_a_key_that_is_missing_or_misspelt_does_not_fit(
    whole: dict[str, Any], path: tuple[Any, ...], needed: set[str]
) -> None:
    assert misfits(whole) == []

    def edited(old: str, new: str | None) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(json.dumps(whole))
        place: Any = document
        for step in path:
            place = place[step]
        value = place.pop(old)
        if new is not None:
            place[new] = value
        return document

    place: Any = whole
    for step in path:
        place = place[step]
    assert needed <= set(place)
    for key in place:
        assert misfits(edited(key, f"{key}s")), f"{key} misspelt"
        assert bool(misfits(edited(key, None))) is (key in needed), f"{key} missing"


def test_a_reader_can_tell_the_shape_by_its_number(catalogue: dict[str, Any]) -> None:
    assert catalogue["catalogue_version"] == SHAPE["properties"]["catalogue_version"]["const"] == 1


# -- events apart ------------------------------------------------------------------------------------------------------


def test_events_are_listed_and_their_schemas_and_samples_come_if_asked_for(connector: Connector) -> None:
    (light,) = connector.catalogue()["triggers"]
    (whole,) = connector.catalogue(events=True)["triggers"]
    assert [event["name"] for event in light["events"]] == [event["name"] for event in whole["events"]]
    assert not any({"schema", "sample"} & set(event) for event in light["events"])
    for event in whole["events"]:
        assert connector.event("webhook", event["name"]) == event
    assert len(json.dumps(connector.catalogue())) < 600_000


def test_an_unknown_trigger_or_event_is_refused_with_the_nearest(connector: Connector) -> None:
    with pytest.raises(InputError, match=r"'webhok' is not a trigger of zoom. Did you mean 'webhook'?"):
        connector.event("webhok", "meeting.ended")
    with pytest.raises(InputError, match=r"'meeting.end' is not an event of webhook. Did you mean 'meeting.ended'?"):
        connector.event("webhook", "meeting.end")


# -- sentences and safety ----------------------------------------------------------------------------------------------


def test_every_action_is_a_sentence_whose_slots_are_inputs(catalogue: dict[str, Any]) -> None:
    for action in actions(catalogue):
        slots = re.findall(r"\{(\w+)\}", action["summary"])
        assert set(slots) <= {row["key"] for row in action["inputs"]}, action["key"]
        assert slots or action["key"] == "list-users"


def test_what_may_lose_something_for_good_is_destructive(catalogue: dict[str, Any]) -> None:
    by_key = {action["key"]: action["safety"] for action in actions(catalogue)}
    assert [key for key, found in by_key.items() if found["destructive"]] == ["delete-user", "raw-request"]
    assert [key for key, found in by_key.items() if found["read_only"]] == [
        key for key in by_key if key.startswith(("get-", "list-"))
    ]
    assert not by_key["create-meeting"]["idempotent"] and by_key["update-meeting"]["idempotent"]
    assert safety("delete") == {"read_only": False, "destructive": True, "idempotent": True}


# -- the icon ----------------------------------------------------------------------------------------------------------


def test_the_icon_is_an_svg_that_an_image_can_show(catalogue: dict[str, Any]) -> None:
    head, _, data = catalogue["icon"].partition(",")
    assert head == "data:image/svg+xml;base64"
    svg = base64.b64decode(data).decode()
    assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
    assert svg == (HERE.parent / "icon.svg").read_text()
    assert list(checks.icon(svg)) == []


@pytest.mark.parametrize(
    ("svg", "what"),
    [
        (SVG.format("<script>alert(1)</script>"), "has <script>"),
        (SVG.format("<style>@import 'x'</style>"), "has <style>"),
        (SVG.format("<foreignObject/>"), "has <foreignObject>"),
        (SVG.format('<image href="https://example.com/a.png"/>'), "has <image>"),
        (SVG.format('<rect onclick="x()"/>'), "leaves the file in onclick"),
        (SVG.format('<use href="https://example.com/a.svg#b"/>'), "leaves the file in href"),
        (
            SVG.format('<use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="other.svg#b"/>'),
            "leaves the file in href",
        ),
        (SVG.format('<rect fill="url(https://example.com/a)"/>'), "leaves the file in fill"),
        (SVG.format("<rect style=\"fill: url('//example.com')\"/>"), "leaves the file in style"),
        ('<!DOCTYPE svg [<!ENTITY a "<script/>">]>' + SVG.format("&a;"), "has <script>"),
        (SVG.format("<rect>"), "is not XML"),
        ("<html/>", "is not SVG"),
        (SVG.format("<g/>" * 5000), "an icon has at most 16,384"),
    ],
)
def test_an_icon_that_is_more_than_shapes_is_refused_by_check(tmp_path: Path, svg: str, what: str) -> None:
    shutil.copytree(HERE / "bad/folder", tmp_path / "folder")
    common = tmp_path / "folder/connector.yaml"
    common.write_text(f"{common.read_text()}\nicon: icon.svg\n")
    (tmp_path / "folder/icon.svg").write_text(svg)
    found = folders.load(tmp_path / "folder").check()
    assert found and all(problem.where == "icon.svg:1" for problem in found)
    assert what in found[0].what
    (tmp_path / "folder/icon.svg").write_text(SVG.format('<defs><g id="a"/></defs><use href="#a" fill="url(#a)"/>'))
    assert folders.load(tmp_path / "folder").check() == []


def test_an_icon_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    shutil.copytree(HERE / "bad/folder", tmp_path / "folder")
    common = tmp_path / "folder/connector.yaml"
    common.write_text(f"{common.read_text()}\nicon: icon.svg\n")
    assert [str(problem) for problem in folders.load(tmp_path / "folder").check()] == [
        "icon.svg:1: is missing in folder/"
    ]
