"""The registry of types: the definition language names exactly these, and a type that no surface knows is drawn too."""

from __future__ import annotations

import base64
import dataclasses
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector_runtime.commands.options import input_table, parse, parser_of
from connector_runtime.definitions.catalogue import entry
from connector_runtime.definitions.forms import editor_schema, form_schema, ui_schema
from connector_runtime.mcp.tools import ToolFilter, tools
from connector_runtime.model import Input, Place
from connector_runtime.types.base import InputType, Schema
from connector_runtime.types.registry import TYPES
from zoom_connector import Connector, InputError

ROOT = Path(__file__).parents[1]


class Colour(InputType):
    """A made-up type, which says no more than a type must."""

    def schema(self, row: Input, blank: bool) -> Schema:
        return {"type": ["string", *(["null"] if blank else [])], "pattern": r"^\s*$|^#[0-9a-f]{6}$"}

    def complaint(self, row: Input, value: Any) -> str:
        return "must be a colour, such as #ff0000"


@pytest.mark.parametrize("given", [" 2026-11-01", "2026-11-01\n", "\t2026-11-01 "])
def test_blanks_around_a_date_are_not_sent(connector: Connector, given: str) -> None:
    preview = connector.actions["list-meetings"].preview({"user_id": "me", "from": given})
    assert preview["url"].endswith("?from=2026-11-01") or "from=2026-11-01&" in preview["url"], preview["url"]


def test_a_date_as_a_number_is_told_what_a_date_looks_like(connector: Connector) -> None:
    with pytest.raises(InputError, match=r"has the wrong format: enter it as in \d{4}-\d\d-\d\d"):
        connector.actions["list-meetings"].preview({"user_id": "me", "from": 20261101})


@pytest.fixture
def action(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A published action with inputs of the made-up type: one, a list and a map of it."""
    monkeypatch.setitem(TYPES, "colour", Colour())
    told = connector.actions["update-user"]
    one = Input("tint", "Tint", "colour", to=(Place("body", ("tint",)),), example="#ff0000")
    many = one._replace(key="tints", label="Tints", collection="list", to=(Place("body", ("tints",)),))
    named = one._replace(key="shades", label="Shades", collection="map", to=(Place("body", ("shades",)),))
    rows = {row.key: row for row in (one, many, named)}
    return dataclasses.replace(told, inputs={**told.inputs, **rows}, by_name={**told.by_name, **rows})


def test_a_new_type_is_read_refused_and_explained(action: Any) -> None:
    given = {"user_id": "me", "tint": "#ff0000", "tints": ["#ffffff", "#ffffff"], "shades": {"a": "#00ff00"}}
    sent = {"tint": "#ff0000", "tints": ["#ffffff", "#ffffff"], "shades": [("a", "#00ff00")]}
    assert {key: value for key, value in action.bind(given).values.items() if key != "user_id"} == sent
    with pytest.raises(InputError, match="must be a colour, such as #ff0000"):
        action.bind({"user_id": "me", "tint": "red"})
    with pytest.raises(InputError, match=r"inputs.tints.1: must be a colour"):
        action.bind({"user_id": "me", "tints": ["#ffffff", "red"]})


def test_a_type_that_no_surface_knows_is_a_text_field_everywhere(action: Any) -> None:
    text = {"type": "string", "title": "Tint"}
    assert form_schema(action)["properties"]["tint"] == editor_schema(action)["properties"]["tint"] == text
    assert form_schema(action)["properties"]["tints"]["items"] == {"type": "string"}
    assert ui_schema(action)["tint"] == {"ui:placeholder": "#ff0000"}
    shown = next(row for row in entry(action)["inputs"] if row["key"] == "tint")
    assert (shown["type"], shown["placeholder"], shown.get("widget")) == ("colour", "#ff0000", None)

    more: Any = SimpleNamespace(actions={"update-user": action})
    tool = tools(more, ToolFilter(only=("update-user",)))["update-user"]
    assert tool.listed.input_schema["properties"]["tint"]["type"] == "string"

    values, _ = parse(parser_of("run", action)[0], action, ["--tint", "#ff0000", "--tints", "#ffffff,#00ff00"])
    assert values["tint"] == "#ff0000" and action.bind({"user_id": "me", **values}).values["tints"][1] == "#00ff00"
    assert any("Tint" in line and "colour" in line for line in input_table(action))


PAGE = """
globalThis.sessionStorage = { getItem: () => null };
globalThis.document = { createElement: (tag) => ({ tag, attributes: {}, append() {}, addEventListener() {},
  setAttribute(name, value) { this.attributes[name] = value; } }) };
const { field } = await import(process.argv[1]);
const { input } = field({ key: "tint", label: "Tint", type: "colour", placeholder: "#ff0000" }, { changed() {} });
console.log(input.tag, input.attributes.type, input.attributes.placeholder);
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_page_draws_a_type_that_it_does_not_know_as_a_text_field(tmp_path: Path) -> None:
    for script in (ROOT / "connector_runtime" / "service" / "page").glob("*.js"):
        shutil.copy(script, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    command = ["node", "--input-type=module", "--eval", PAGE, (tmp_path / "fields.js").as_uri()]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "input text such as #ff0000"


BASE64 = base64.b64encode(b"x" * 3000).decode()


def raw(**more: Any) -> dict[str, Any]:
    return {"url": "/x", "method": "POST", **more}


def preview(connector: Connector, **more: Any) -> dict[str, Any]:
    return connector.actions["raw-request"].preview(raw(**more))


NO_FILES = {
    "no text": {"base64": 7},
    "no base64": {"base64": "%%%"},
    "half of it": {"base64": BASE64[:-1]},
    "blanks in it": {"base64": "QU JD"},
    "a number for a type": {"base64": "QUJD", "content_type": 7},
    "a type with a header in it": {"base64": "QUJD", "content_type": "text/plain\r\nX-Evil: 1"},
    "a type with a blank at its end": {"base64": "QUJD", "content_type": "text/plain "},
    "a type that is none": {"base64": "QUJD", "content_type": "text"},
    "a name with a line break": {"base64": "QUJD", "filename": "a\r\nX-Evil: 1"},
    "a list for a name": {"base64": "QUJD", "filename": ["a"]},
}


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.parametrize("field", ["data", "form_data", "file_data"])
def test_what_looks_like_a_file_has_to_be_one_wherever_it_is_sent(connector: Connector, field: str, name: str) -> None:
    value = NO_FILES[name] if field == "data" else {"a": NO_FILES[name]}
    with pytest.raises(InputError) as caught:
        preview(connector, **{field: value})
    assert [problem.where.partition(".a")[0] for problem in caught.value.problems] == [f"inputs.{field}"]
    assert not Draft202012Validator(connector.actions["raw-request"].input_schema).is_valid(raw(**{field: value}))


def test_files_and_data_that_are_none_are_sent(connector: Connector) -> None:
    file = {"base64": BASE64, "content_type": "image/png", "filename": "a b.png"}
    assert preview(connector, data=file)["headers"]["Content-Type"] == "image/png"
    parts = preview(connector, form_data={"a": file, "b": {"base64": "%", "more": 1}})["body"]["multipart"]
    assert parts == [
        {"name": "a", "filename": "a b.png", "content_type": "image/png", "bytes": 3000},
        {"name": "b", "value": '{"base64":"%","more":1}'},
    ]
    assert preview(connector, data={"base64": "%", "more": 1})["body"] == {"base64": "%", "more": 1}


@pytest.mark.parametrize("value", [" x", "x ", "\tx", "x\t", "a\nb", "a\r\nX-Evil: 1", "é", "\x00", "\x7f", "€", " "])
def test_a_header_value_that_cannot_be_sent_is_refused_before(connector: Connector, value: str) -> None:
    with pytest.raises(InputError) as caught:
        preview(connector, header=[{"key": "X-A", "value": value}])
    what = "must be one line of printable ASCII text without leading or trailing blanks"
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [("inputs.header.X-A", what)]


@pytest.mark.parametrize("value", ["x", "a b", "a\tb", "~!", "", 7])
def test_a_header_value_that_can_be_sent_is(connector: Connector, value: Any) -> None:
    assert preview(connector, header={"X-A": value})["headers"]["X-A"] == str(value)


@pytest.mark.parametrize(
    ("field", "most"), [("timeout", 3600000), ("retry_delay_ms", 3600000), ("max_retry_count", 100)]
)
@pytest.mark.parametrize("beyond", ["one more", "as text", 10**400, 10**19, 1e300, "9" * 400, -1])
def test_a_number_out_of_its_range_is_refused_before_anything_is_reckoned(
    connector: Connector, field: str, most: int, beyond: Any
) -> None:
    preview(connector, **{field: most})
    value = {"one more": most + 1, "as text": str(most + 1)}.get(beyond, beyond)
    with pytest.raises(InputError) as caught:
        preview(connector, **{field: value})
    assert [problem.where for problem in caught.value.problems] == [f"inputs.{field}"]


LONG = [
    ("create-meeting", "duration", " " * 256, "60", 256),
    ("create-meeting", "duration", "0" * 254, "60", 256),
    ("create-meeting", "start_time", "2030-01-06T10:00:00." + "0" * 235, "Z", 256),
    ("get-meeting", "show_previous_occurrences", " " * 252, "true", 256),
    ("create-meeting", "agenda", "x" * 1_999, "x", 2_000),
    ("raw-request", "data", "x" * 999_999, "x", 1_000_000),
    ("raw-request", "url", "/" + "x" * 999_998, "x", 1_000_000),
]


@pytest.mark.parametrize(("key", "field", "filling", "text", "most"), LONG)
def test_a_text_has_a_length(connector: Connector, key: str, field: str, filling: str, text: str, most: int) -> None:
    needed = {"create-meeting": {"user_id": "me", "topic": "T"}, "get-meeting": {"meeting_id": "1"}}.get(key, raw())
    action = connector.actions[key]
    longest = (filling + text)[-most:] if len(filling + text) > most else filling + text
    judge = Draft202012Validator(action.input_schema)
    assert len(longest) == most and judge.is_valid({**needed, field: longest})
    action.bind({**needed, field: longest})
    with pytest.raises(InputError) as caught:
        action.bind({**needed, field: filling[:1] + longest})
    assert [problem.where for problem in caught.value.problems] == [f"inputs.{field}"]
    assert len(str(caught.value)) < 1000
    assert not judge.is_valid({**needed, field: filling[:1] + longest})


@pytest.mark.parametrize(
    ("schema", "drawn"),
    [
        ({"type": "object", "required": ["a"], "properties": {"a": True, "b": {"type": "string"}}},
         {"type": "object", "properties": {"a": True, "b": {"type": "string"}}}),
        ({"type": "array", "minItems": 1, "items": True}, {"type": "array", "items": True}),
        ({"maxProperties": 3}, {"type": "string"}),
    ],
)  # fmt: skip
def test_json_of_a_known_shape_is_drawn_as_it_is_and_other_json_as_a_text(schema: Schema, drawn: Schema) -> None:
    assert TYPES["json"].field(Input(key="a", label="A", type="json", schema=schema)) == drawn


def test_a_value_that_is_no_number_in_json_is_named(connector: Connector) -> None:
    with pytest.raises(InputError) as caught:
        connector.actions["update-user"].preview({"user_id": "x", "custom_attributes": [{"key": float("nan")}]})
    assert [(each.where, each.what) for each in caught.value.problems] == [
        ("inputs.custom_attributes.0.key", "is nan, which is not a number in JSON")
    ]
