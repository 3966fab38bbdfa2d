"""A form tells the truth: what nobody touched is not posted, in the libraries that platforms draw forms with."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connector_runtime import load as load_folder
from connector_runtime.definitions.catalogue import entry
from connector_runtime.definitions.forms import editor_schema
from zoom_connector import load

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
ZOOM = load(ROOT)
KEYS = sorted(ZOOM.actions)
OTHERS = [(folder.name, key) for folder in sorted((ROOT / "examples").iterdir()) for key in load_folder(folder).actions]
OPT_IN = {"show_opt_in": True}
pytestmark = pytest.mark.timeout(300)  # the first run fetches the libraries


class Rjsf:
    """React JSON Schema Form, with the catalogue's `form_schema` and `ui_schema` and no option of its own."""

    def __init__(self, page: Page, action: dict[str, Any]) -> None:
        self.page = page
        page.evaluate("([schema, ui]) => drawRjsf(schema, ui)", [action["form_schema"], action["ui_schema"]])

    def field(self, key: str) -> Any:
        return self.page.locator(f"[id='root_{key}']")

    def pick(self, key: str, label: str) -> None:
        self.field(key).select_option(label=label)

    def type(self, key: str, text: str) -> None:
        self.field(key).fill(text)

    def held(self) -> Any:
        return self.page.evaluate("held()")

    def post(self) -> Any:
        self.page.locator("button[type=submit]").click()
        return self.page.evaluate("posted")


class JsonEditor:
    """json-editor, with the option by which an optional field is posted only if it was asked for."""

    def __init__(self, page: Page, schema: dict[str, Any]) -> None:
        self.page = page
        page.evaluate("([schema, options]) => drawJsonEditor(schema, options)", [schema, OPT_IN])

    def field(self, key: str) -> Any:
        return self.page.locator(f"[name='root[{key}]']")

    def ask_for(self, key: str) -> None:
        self.page.locator(f"[data-schemapath='root.{key}'] .json-editor-opt-in").first.check()

    def pick(self, key: str, label: str) -> None:
        self.field(key).select_option(label=label)

    def type(self, key: str, text: str) -> None:
        self.field(key).fill(text)
        self.field(key).press("Tab")

    def post(self) -> Any:
        return self.page.evaluate("held()")


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Any]:
    return {action["key"]: action for action in ZOOM.catalogue()["actions"]}


def answer(form: Rjsf | JsonEditor, action: dict[str, Any]) -> dict[str, Any]:
    """Type or pick the required inputs; gives what was typed."""
    typed: dict[str, Any] = {}
    rows = {row["key"]: row for row in action["inputs"]}
    for key in action["form_schema"]["required"]:
        if "choices" in rows[key]:
            choice = rows[key]["choices"][-1]
            form.pick(key, choice["label"])
            typed[key] = choice["value"]
        else:
            typed[key] = rows[key]["placeholder"]
            form.type(key, typed[key])
    return typed


# -- nothing but what was typed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_react_json_schema_form_posts_the_typed_inputs_and_nothing_else(
    page: Page, catalogue: dict[str, Any], key: str
) -> None:
    form = Rjsf(page, catalogue[key])
    assert form.held() == {}, "before anybody touched it"
    typed = answer(form, catalogue[key])
    posted = form.post()
    assert posted == typed
    assert [(name, type(value)) for name, value in posted.items()] == [(name, type(typed[name])) for name in posted]


@pytest.mark.parametrize("key", KEYS)
def test_json_editor_posts_the_typed_inputs_and_nothing_else(page: Page, catalogue: dict[str, Any], key: str) -> None:
    form = JsonEditor(page, editor_schema(ZOOM.actions[key]))
    assert set(form.post()) <= set(catalogue[key]["form_schema"]["required"]), "before anybody touched it"
    typed = answer(form, catalogue[key])
    assert form.post() == typed


@pytest.mark.parametrize(("folder", "key"), OTHERS)
def test_the_forms_of_other_vendors_are_born_empty_too(page: Page, folder: str, key: str) -> None:
    action = load_folder(ROOT / "examples" / folder).actions[key]
    assert Rjsf(page, entry(action)).held() == {}
    assert set(JsonEditor(page, editor_schema(action)).post()) <= set(entry(action)["form_schema"]["required"])


TRAPS = """\
key: trap
label: Trap
request: {method: POST, path: /traps}
inputs:
  connection: {label: Connection, type: connection, required: true}
  armed: {label: Armed, type: boolean, required: true, to: body}
  bait:
    label: Bait
    type: json
    schema:
      type: object
      required: [fresh, kinds]
      properties:
        fresh: {type: boolean}
        kinds: {type: array, minItems: 2, items: {type: object, required: [name], properties: {name: {type: string}}}}
    to: body
  springs: {label: Springs, type: json, schema: {type: array, minItems: 1, items: {type: string}}, to: body}
"""


def test_what_a_library_would_fill_in_is_not_in_the_schema(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(ROOT / "tests/bad/folder", folder)
    (folder / "actions/trap.yaml").write_text(TRAPS)
    connector = load_folder(folder)
    assert connector.check() == []
    action = entry(connector.actions["trap"])
    form = Rjsf(page, action)
    assert form.held() == {}
    assert form.post() == {}, "the browser asks for nothing inside what nobody wants"
    raw = {**action, "form_schema": {**action["form_schema"], "required": ["armed"]}}
    assert Rjsf(page, raw).held() == {"armed": False}, "so that the test would see it"


def test_what_a_form_posts_the_action_accepts(page: Page, catalogue: dict[str, Any]) -> None:
    for key in ("create-meeting", "delete-user", "create-user"):
        form = Rjsf(page, catalogue[key])
        typed = answer(form, catalogue[key])
        assert ZOOM.actions[key].preview(form.post()) == ZOOM.actions[key].preview(typed)


def test_a_default_in_the_schema_would_be_posted_by_a_form_that_nobody_touched(
    page: Page, catalogue: dict[str, Any]
) -> None:
    action = copy.deepcopy(catalogue["create-meeting"])
    action["form_schema"]["properties"]["type"]["default"] = 1
    assert Rjsf(page, action).held() == {"type": 1}, "so that the tests above would see it"


# -- three states, labels, widgets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_an_optional_boolean_is_yes_no_or_nothing(page: Page, catalogue: dict[str, Any], key: str) -> None:
    form = Rjsf(page, catalogue[key])
    typed = answer(form, catalogue[key])
    rows = {row["key"]: row for row in catalogue[key]["inputs"]}
    for name in [name for name in rows if rows[name]["type"] == "boolean"][:2]:
        assert form.field(name).locator("option").all_inner_texts() == ["", "Yes", "No"]
        form.pick(name, "No")
        assert form.held() == {**typed, name: False}
        form.pick(name, "Yes")
        assert form.held() == {**typed, name: True}
        form.field(name).select_option("")
        assert form.held() == typed
        assert form.post() == typed


def test_a_boolean_inside_a_structured_input_has_three_states_and_brings_nothing_along(
    page: Page, catalogue: dict[str, Any]
) -> None:
    form = Rjsf(page, catalogue["create-meeting"])
    form.type("user_id", "me")
    form.pick("settings_extra_fields_waiting_room", "No")
    posted = form.post()
    assert ZOOM.actions["create-meeting"].preview(posted)["body"] == {"settings": {"waiting_room": False}}


def test_in_json_editor_an_optional_input_is_posted_when_it_is_asked_for(page: Page) -> None:
    form = JsonEditor(page, editor_schema(ZOOM.actions["create-meeting"]))
    form.type("user_id", "me")
    form.ask_for("host_video_on_start")
    form.pick("host_video_on_start", "No")
    form.ask_for("type")
    form.pick("type", "Scheduled meeting")
    assert form.post() == {"user_id": "me", "host_video_on_start": False, "type": 2}


def test_choices_are_shown_by_their_labels_and_posted_by_their_values(page: Page, catalogue: dict[str, Any]) -> None:
    for key, name in (("create-meeting", "type"), ("create-user", "zoom_one_type"), ("create-user", "user_type")):
        (row,) = [row for row in catalogue[key]["inputs"] if row["key"] == name]
        form = Rjsf(page, catalogue[key])
        labels = [choice["label"] for choice in row["choices"]]
        assert [text for text in form.field(name).locator("option").all_inner_texts() if text] == labels
        form.pick(name, labels[-1])
        assert form.held() == {name: row["choices"][-1]["value"]}


def test_a_list_of_choices_is_a_row_of_check_boxes(page: Page, catalogue: dict[str, Any]) -> None:
    form = Rjsf(page, catalogue["create-meeting"])
    days = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
    for day in days:
        assert page.get_by_label(day, exact=True).get_attribute("type") == "checkbox"
    page.get_by_label("Monday", exact=True).check()
    page.get_by_label("Friday", exact=True).check()
    assert form.held() == {"weekly_day": [2, 6]}


def test_an_integer_that_javascript_would_round_arrives_as_it_was(page: Page, catalogue: dict[str, Any]) -> None:
    form = Rjsf(page, catalogue["create-user"])
    answer(form, catalogue["create-user"])
    form.pick("zoom_one_type", "Zoom One for Education Enterprise Student")
    body = ZOOM.actions["create-user"].preview(form.post())["body"]
    assert body["user_info"]["feature"]["zoom_one_type"] == 576460752303423488


def test_fields_stand_in_the_order_of_the_table_with_their_widgets(page: Page, catalogue: dict[str, Any]) -> None:
    action = copy.deepcopy(catalogue["create-meeting"])
    action["form_schema"]["properties"] = dict(sorted(action["form_schema"]["properties"].items()))
    form = Rjsf(page, action)  # as a store that sorts keys gives it
    shown = page.evaluate(
        "[...document.querySelectorAll('#root > .rjsf-field, #root > div > .rjsf-field, #root .rjsf-field')]"
        ".map(e => e.querySelector('[id]')?.id).filter(Boolean)"
    )
    wanted = [row["key"] for row in action["inputs"] if row["type"] != "connection"]
    places = [next(i for i, found in enumerate(shown) if found.startswith(f"root_{key}")) for key in wanted[:10]]
    assert places == sorted(places)
    assert form.field("password").get_attribute("type") == "password"
    assert form.field("agenda").evaluate("field => field.tagName") == "TEXTAREA"
    assert form.field("topic").get_attribute("placeholder") == "Daily Meeting"


def test_what_happens_without_a_value_stands_beside_the_field(page: Page, catalogue: dict[str, Any]) -> None:
    Rjsf(page, catalogue["create-meeting"])
    assert "If empty: the host's own setting" in page.locator("#root_host_video_on_start__help").inner_text()
    assert "Default: No" in page.locator("#root_host_video_on_start__help").inner_text()


def test_a_form_speaks_german(page: Page) -> None:
    (create,) = [action for action in ZOOM.catalogue("de")["actions"] if action["key"] == "create-meeting"]
    form = Rjsf(page, create)
    assert "Meeting erstellen" in page.locator("legend").first.inner_text()
    assert "Thema" in page.locator("label[for=root_topic]").inner_text()
    assert "Sofortmeeting" in form.field("type").locator("option").all_inner_texts()
    assert form.field("host_video_on_start").locator("option").all_inner_texts() == ["", "Ja", "Nein"]


def test_a_field_that_was_emptied_again_sends_nothing(page: Page, catalogue: dict[str, Any]) -> None:
    form = Rjsf(page, catalogue["update-meeting"])
    form.type("meeting_id", "123")
    form.type("topic", "Weekly sync")
    form.type("topic", "")
    form.type("duration", "30")
    form.type("duration", "")
    assert form.post() == {"meeting_id": "123"}
