"""The registry of types: the definition language names exactly these, and a type that no surface knows is drawn too."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector_runtime.commands.options import input_table, parse, parser_of
from connector_runtime.definitions.catalogue import entry
from connector_runtime.definitions.forms import editor_schema, form_schema, ui_schema
from connector_runtime.mcp.tools import Offer, tools
from connector_runtime.model import Input, Place
from connector_runtime.types.base import InputType, Plain, Schema
from connector_runtime.types.registry import TYPES
from zoom_connector import Connector, InputError

ROOT = Path(__file__).parents[1]


class Colour(InputType):
    """A made-up type, which says no more than a type must."""

    def schema(self, row: Input, blank: bool) -> Schema:
        return {"type": ["string", *(["null"] if blank else [])], "pattern": r"^\s*$|^#[0-9a-f]{6}$"}

    def plain(self, row: Input) -> Plain:
        return str, {"#ffffff"}.__contains__

    def complaint(self, row: Input, value: Any) -> str:
        return "must be a colour, such as #ff0000"


@pytest.mark.parametrize("given", [" 2026-11-01", "2026-11-01\n", "\t2026-11-01 "])
def test_blanks_around_a_date_are_not_sent(connector: Connector, given: str) -> None:
    preview = connector.actions["list-meetings"].preview({"user_id": "me", "from": given})
    assert preview["url"].endswith("?from=2026-11-01") or "from=2026-11-01&" in preview["url"], preview["url"]


def test_a_date_as_a_number_is_told_what_a_date_looks_like(connector: Connector) -> None:
    with pytest.raises(InputError, match=r"must look like \d{4}-\d\d-\d\d"):
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
    tool = tools(more, Offer(only=("update-user",)))["update-user"]
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
