"""`new` writes drafts that pass `check`, from a name alone and from OpenAPI documents; one of them is run."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings, strategies as st

from connector_runtime.authoring import yaml_text
from connector_runtime.authoring.draft import FolderContext, blank, draft_action
from connector_runtime.authoring.draft_rows import typed
from connector_runtime.authoring.openapi import operation, server_path
from connector_runtime.commands.author_commands import read_document
from connector_runtime.definitions import documents
from connector_runtime.definitions.folders import load
from zoom_connector import Client, NotFound
from zoom_connector.sandbox import Sandbox

HERE = Path(__file__).parent
ROOT = HERE.parent
PIGEON = {"base_url": "https://eu.pigeon.example/v1"}


def new(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`zoom-connector new …` as a person types it in a definition folder."""
    line = [sys.executable, "-m", "zoom_connector", "new", *arguments]
    path = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(line, cwd=folder, env=path, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the repository's definitions."""
    made = tmp_path / "definitions"
    for name in ("actions", "connection", "triggers", "locales", "schemas"):
        shutil.copytree(ROOT / name, made / name)
    for name in ("connector.yaml", "icon.svg"):
        shutil.copy(ROOT / name, made)
    return made


@pytest.fixture
def pigeon(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / "bad/folder", tmp_path / "pigeon"))


# -- Delete Meeting: from a document to a deleted meeting --------------------------------------------------------------


def test_a_drafted_delete_meeting_deletes_a_meeting(folder: Path) -> None:
    document = str(HERE / "openapi/zoom-meeting-delete.json")
    done = new(folder, "delete-meeting", "--from", document, "--operation", "meetingDelete")
    assert done.returncode == 0, done.stderr
    assert "wrote actions/delete-meeting.yaml" in done.stdout
    connector = load(folder)
    assert connector.check() == []
    action = connector.actions["delete-meeting"]
    assert (action.method, action.path, action.effect, action.rate_limit) == (
        "DELETE",
        "/meetings/{meeting_id}",
        "delete",
        "light",
    )
    assert action.scopes == {"granular": ("meeting:delete:meeting", "meeting:delete:meeting:admin")}
    rows = {key: (row.type, row.required == (), [str(place) for place in row.to]) for key, row in action.inputs.items()}
    assert rows == {
        "connection": ("connection", True, []),
        "meeting_id": ("integer", True, ["path.meeting_id"]),
        "occurrence_id": ("string", False, ["query.occurrence_id"]),
        "schedule_for_reminder": ("boolean", False, ["query.schedule_for_reminder"]),
        "cancel_meeting_reminder": ("boolean", False, ["query.cancel_meeting_reminder"]),
    }
    with Sandbox() as zoom, Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
        meeting = client.run("create-meeting", {"user_id": "me", "topic": "Farewell"}).data["id"]
        gone = client.run("delete-meeting", {"meeting_id": meeting, "cancel_meeting_reminder": True})
        assert gone.status == 204
        assert zoom.requests[-1].target == f"/v2/meetings/{meeting}?cancel_meeting_reminder=true"
        with pytest.raises(NotFound):
            client.run("get-meeting", {"meeting_id": meeting})


def test_the_draft_reads_like_the_other_actions(folder: Path) -> None:
    new(
        folder,
        "delete-meeting",
        "--from",
        str(HERE / "openapi/zoom-meeting-delete.json"),
        "--operation",
        "meetingDelete",
    )
    assert (
        (folder / "actions/delete-meeting.yaml").read_text()
        == """\
# yaml-language-server: $schema=../schemas/action.schema.json
key: delete-meeting
label: Delete Meeting
description: Delete a meeting
summary: Delete meeting {meeting_id}
effect: delete
scopes: {granular: ["meeting:delete:meeting", "meeting:delete:meeting:admin"]}
rate_limit: light
request: {method: DELETE, path: "/meetings/{meeting_id}"}
inputs:
  connection: {row: connection}
  meeting_id: {type: integer, required: true}
  occurrence_id: {type: string}
  schedule_for_reminder: {type: boolean}
  cancel_meeting_reminder: {type: boolean}
"""
    )


# -- the command -------------------------------------------------------------------------------------------------------


def test_new_says_what_is_left_to_do_and_what_comes_next(folder: Path) -> None:
    said = new(folder, "archive-meeting").stdout
    assert "replace them with those on the vendor's page" in said
    assert "scopes: the permissions that the token needs" in said
    assert said.splitlines()[-1] == "then: python -m zoom_connector check ."


@pytest.mark.parametrize(
    ("key", "path", "name"),
    [
        ("update-meeting-status", "/meeting-statuses/{meeting_status_id}", "meeting_status_id"),
        ("get-bus", "/buses/{bus_id}", "bus_id"),
        ("delete-business", "/businesses/{business_id}", "business_id"),
        ("delete-rooms", "/rooms/{room_id}", "room_id"),
    ],
)
def test_the_draft_of_one_thing_has_the_plural_in_its_path_and_the_singular_in_its_id(
    key: str, path: str, name: str
) -> None:
    data: Any = blank(key).data
    assert data["request"]["path"] == path
    assert name in data["inputs"]


def test_new_ends_with_1_and_names_what_check_would_refuse_in_a_draft(folder: Path, tmp_path: Path) -> None:
    query = {"name": "q", "in": "query", "schema": {"type": "string", "pattern": "^(a+)+$"}}
    document = {"openapi": "3.1.0", "paths": {"/a": {"get": {"operationId": "x", "parameters": [query]}}}}
    (tmp_path / "slow.json").write_text(json.dumps(document))
    done = new(folder, "look-up", "--from", str(tmp_path / "slow.json"), "--operation", "x")
    assert done.returncode == 1
    assert re.search(r"^  actions/look-up\.yaml:\d+ inputs\.q\.schema\.pattern: can take very long", done.stdout, re.M)


def test_new_never_replaces_a_file_unless_it_is_forced(folder: Path) -> None:
    before = (folder / "actions/get-meeting.yaml").read_text()
    done = new(folder, "get-meeting")
    assert (done.returncode, (folder / "actions/get-meeting.yaml").read_text()) == (2, before)
    assert "exists already; --force replaces it" in done.stderr
    assert new(folder, "get-meeting", "--force").returncode == 0
    assert (folder / "actions/get-meeting.yaml").read_text() != before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Delete Meeting"], "a key consists of lower-case letters, digits and hyphens"),
        (["x", "--operation", "y"], "needs the document of the operation; add --from FILE"),
        (["x", "--from", "none.json"], "cannot be read"),
        (["x", "--from", "connector.yaml"], "is not an OpenAPI document: it has neither `openapi` nor `swagger`"),
        (["x", "--from", str(HERE / "openapi/pigeon.yaml")], "is required. The document has: listLofts, updateBird"),
        (["x", "--from", str(HERE / "openapi/pigeon.yaml"), "--operation", "listLoft"], "Did you mean 'listLofts'?"),
        (["x", "--folder", "schemas"], "is not a definition folder: it has no connector.yaml"),
    ],
)
def test_new_refuses_with_a_remedy(folder: Path, arguments: list[str], says: str) -> None:
    done = new(folder, *arguments)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize(
    ("key", "method", "path", "effect"),
    [
        ("delete-bird", "DELETE", "/birds/{bird_id}", "delete"),
        ("get-bird", "GET", "/birds/{bird_id}", "read"),
        ("list-birds", "GET", "/birds", "read"),
        ("update-bird", "PATCH", "/birds/{bird_id}", "update"),
        ("add-bird", "POST", "/birds", "create"),
        ("fly", "POST", "/flys", "create"),
    ],
)
def test_a_draft_from_a_name_alone_passes_check(pigeon: Path, key: str, method: str, path: str, effect: str) -> None:
    made = blank(key)
    (pigeon / "actions" / f"{key}.yaml").write_text(made.text)
    connector = load(pigeon)
    assert connector.check() == []
    action = connector.actions[key]
    assert (action.method, action.path, action.effect) == (method, path, effect)


# -- what is read from a document --------------------------------------------------------------------------------------


def draft_of(name: str, file: str = "pigeon.yaml", common: dict[str, Any] | None = None) -> dict[str, Any]:
    facts = operation(read_document(str(HERE / "openapi" / file)), name)
    return draft_action("try-it", facts, FolderContext(common=common or PIGEON)).data


def test_parameters_become_rows_with_types_limits_choices_and_ways_of_writing() -> None:
    made = draft_of("listLofts")
    assert made["request"] == {"method": "GET", "path": "/lofts"}
    assert made["description"] == "List the lofts of an account"
    assert made["docs"] == "https://pigeon.example/docs/lofts"
    assert made["scopes"] == {"oauth": ["read"]}
    assert {key: row for key, row in made["inputs"].items() if key != "connection"} == {
        "limit_value": {
            "label": "Limit Value",
            "type": "integer",
            "schema": {"minimum": 1, "maximum": 50},
            "if_absent": 10,
            "to": "query.limit",
        },
        "cursor_value": {"label": "Cursor Value", "type": "string", "to": "query.cursor"},
        "filter_city": {
            "label": "Filter City",
            "type": "string",
            "schema": {"maxLength": 40},
            "to": "query.filter[city]",
        },
        "since": {"label": "Since", "type": "datetime", "to": "query", "as": "utc"},
        "kinds": {
            "label": "Kinds",
            "type": "string",
            "collection": "list",
            "choices": ["tower", "cot"],
            "to": "query",
            "as": "csv",
        },
        "ids": {"label": "Ids", "type": "integer", "collection": "list", "to": "query"},
        "where": {"label": "Where", "type": "json", "schema": {"type": "object"}, "to": "query", "as": "json"},
        "x_trace_id": {"label": "X Trace Id", "type": "string", "to": "header.X-Trace-Id"},
        "old_style": {
            "label": "Old Style",
            "type": "boolean",
            "deprecated": "The vendor advises against it.",
            "to": "query",
        },
    }


def test_the_connectors_own_paging_is_recognized_and_takes_its_parameters() -> None:
    common = {
        **PIGEON,
        "paging": {"size": {"to": "query.limit", "max": 100}, "next": {"from": "body.next", "to": "query.cursor"}},
    }
    made = draft_of("listLofts", common=common)
    assert made["paging"] == {"items": "lofts", "size": {"to": "query.limit", "max": 50}}
    assert not {"limit_value", "cursor_value"} & set(made["inputs"])


def test_a_body_becomes_rows_with_dotted_places_and_json_where_rows_cannot_say_it() -> None:
    made = draft_of("updateBird")
    rows = made["inputs"]
    assert made["request"]["path"] == "/lofts/{loft_id}/birds/{bird_id}"
    assert made["scopes"] == {"oauth": [["birds:write", "birds:read"], "admin"]}
    assert rows["loft_id"] == {"label": "Loft Id", "type": "string", "required": True, "to": "path"}
    assert rows["name"] == {
        "label": "Name",
        "type": "string",
        "required": True,
        "schema": {"pattern": "^[a-z]+$"},
        "example": "grey",
        "to": "body",
    }
    assert rows["kind"] == {
        "label": "Kind",
        "type": "string",
        "required": True,
        "choices": ["racer", "carrier"],
        "to": "body",
    }
    assert rows["nick"] == {"label": "Nick", "type": "string", "schema": {"maxLength": 20}, "clear": None, "to": "body"}
    assert rows["age"]["schema"] == {"minimum": 1, "maximum": 30}
    assert rows["hatched"]["type"] == "date"
    assert rows["home_city"] == {"label": "Home City", "type": "string", "group": "Home", "to": "body.home.city"}
    assert rows["home_map_x"]["to"] == "body.home.map.x"
    assert rows["ring"]["schema"] == {
        "type": "object",
        "properties": {"code": {"type": "string"}, "colour": {"type": "string"}},
        "required": ["code"],
    }
    assert rows["tags"]["schema"] == {"type": "array", "maxItems": 3, "items": {"type": "string"}}
    assert rows["limit_value"]["to"] == "body.limit"
    assert (rows["story"]["type"], rows["mood"]["type"]) == ("text", "string")
    assert "id" not in rows and "ring_code" not in rows


def test_a_body_of_several_forms_is_one_input() -> None:
    assert draft_of("sendMessage")["inputs"]["body"] == {
        "label": "Body",
        "type": "json",
        "required": True,
        "to": "request",
    }


def test_forms_files_text_and_alternatives_of_keys_are_kept() -> None:
    photo = draft_of("addPhoto")["inputs"]
    assert photo["photo"] == {"label": "Photo", "type": "file", "required": True, "to": "part"}
    assert photo["title"] == {"label": "Title", "type": "string", "to": "part"}
    search = draft_of("search")
    assert search["request"] == {"method": "POST", "path": "/search", "encode": "form"}
    assert search["rules"] == [{"at_least_one": ["name", "city"]}]
    assert draft_of("putNote")["inputs"]["body"] == {"label": "Body", "type": "any", "required": True, "to": "request"}


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"swagger": "2.0", "basePath": "/v1/", "servers": [{"url": "https://x.example/no"}]}, "/v1"),
        ({"swagger": "2.0"}, ""),
        ({"openapi": "3.1.0", "basePath": "/no", "servers": [{"url": "https://x.example/v2/"}]}, "/v2"),
        ({"servers": [{"url": "/{v}", "variables": {"v": {"default": "v3"}}}]}, "/v3"),
        ({"openapi": "3.1.0"}, ""),
    ],
)
def test_the_path_of_the_server_is_where_each_version_says_it(document: dict[str, Any], path: str) -> None:
    assert server_path(document) == path


def test_a_placeholder_that_is_no_parameter_becomes_a_row_and_is_named_among_what_is_left_to_do() -> None:
    document = {"openapi": "3.1.0", "paths": {"/lofts/{loft}": {"get": {"operationId": "look"}}}}
    made = draft_action("try-it", operation(document, "look"), FolderContext(common={}))
    assert made.data["request"]["path"] == "/lofts/{loft}"
    assert made.data["inputs"]["loft"]["required"] is True
    assert [line for line in made.left if line.startswith("{loft}: ")]


def test_a_long_list_is_packed_into_lines_that_are_full_and_not_too_long() -> None:
    words = [f"word-{'x' * (number % 13)}-{number}" for number in range(60)]
    text = yaml_text.definition(
        {"key": "a", "request": {"method": "GET", "path": "/"}, "inputs": {"a": {"choices": words}}}
    )
    packed = [line for line in text.splitlines() if "word-" in line]
    assert len(packed) > 5 and max(map(len, packed)) <= 130 and min(map(len, packed[:-1])) >= 90


def test_a_definition_has_its_rows_on_lines_of_their_own_and_its_keys_in_order() -> None:
    text = yaml_text.definition(
        {
            "key": "b",
            "label": "A: thing",
            "request": {"method": "GET", "path": "/things/{id}"},
            "inputs": {"id": {"type": "string", "example": "81279432"}},
            "rules": [{"at_most_one": ["b", "a"]}],
            "description": "It's said: " + "long words " * 12,
        }
    )
    assert (
        text
        == """\
key: b
label: "A: thing"
request: {method: GET, path: "/things/{id}"}
inputs:
  id: {type: string, example: "81279432"}
rules:
  - {at_most_one: [b, a]}
description: 'It''s said: long words long words long words long words long words long words long words long words
  long words long words long words long words '
"""
    )


ODD = """y N yes No on OFF true null 0123 0899 81279432 -5 +1 1e3 0x1f 0o7 1_000 12:30:00 2026-12-01 .5 .inf -.INF .nan
= ~ << {a} [a] *a &a !a %a @a"""


@pytest.mark.parametrize("text", [*ODD.split(), "- a", "a: b", "a #b", "", " a", "a\n"])
def test_text_that_some_loader_would_read_as_something_else_is_in_quotes(text: str) -> None:
    written = yaml_text.definition({"key": text, text: [text, {"a": text}]})
    assert written.splitlines()[0].startswith(('key: "', "key: '"))
    assert yaml.safe_load(written) == documents.read(written, "x.yaml").data == {"key": text, text: [text, {"a": text}]}


def test_swagger_two_is_read_as_well() -> None:
    rows = draft_of("listBirds", "pigeon-old.json")["inputs"]
    assert (rows["tags"]["as"], "as" in rows["ids"], rows["age"]["schema"]) == (
        "csv",
        False,
        {"minimum": 1, "maximum": 30},
    )
    added = draft_of("addBird", "pigeon-old.json")["inputs"]
    assert (added["name"]["required"], added["nick"]["clear"]) == (True, None)
    assert draft_of("addPhoto", "pigeon-old.json")["inputs"]["photo"]["to"] == "part"


def test_the_answer_becomes_a_schema_and_a_sample_that_fits_it() -> None:
    assert draft_of("listLofts")["output"] == {
        "schema": {
            "type": "object",
            "properties": {
                "next": {"type": "string"},
                "lofts": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"id": {"type": "string"}, "city": {"type": ["string", "null"]}},
                    },
                },
            },
        },
        "example": {"next": "text", "lofts": [{"id": "text", "city": "text"}]},
    }


@pytest.mark.parametrize("file", ["pigeon.yaml", "pigeon-old.json", "zoom-meeting-delete.json"])
def test_every_draft_of_a_document_passes_check_and_makes_requests_that_the_document_accepts(file: str) -> None:
    spec = importlib.util.spec_from_file_location("measure", HERE / "openapi/measure.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    document = read_document(str(HERE / "openapi" / file))
    found = module.measure(document)
    assert found["operations"] >= 1
    assert found == dict.fromkeys(("operations", "check", "required", "all"), found["operations"])


# -- the writer --------------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=30
)


@settings(max_examples=300, deadline=None)
@given(data=st.dictionaries(st.text(min_size=1), TREES, min_size=1, max_size=6))
@example(data={"rules": {}})
@example(data={"inputs": None})
def test_what_is_written_is_read_back_by_our_loader(data: dict[str, Any]) -> None:
    text = yaml_text.definition(data)
    assert documents.read(text, "x.yaml").data == data
    assert json.loads(json.dumps(documents.read(text, "x.yaml").data)) == data


@settings(max_examples=200, deadline=None)
@given(data=st.dictionaries(st.text(min_size=1), TREES, min_size=1, max_size=6))
def test_it_is_the_same_for_any_other_yaml_reader_too(data: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text.definition(data)) == data


SELF = {"$ref": "#/components/schemas/A"}
ODD_SCHEMAS: list[Any] = [
    {"allOf": 5},
    {"type": [[1], {}]},
    {"type": "object", "required": [1, {}], "properties": {"a": {"type": "string"}}},
    {"type": "object", "properties": {"a": {"type": "string", "enum": 5}}},
]


def document_of(schema: Any, **said: Any) -> dict[str, Any]:
    asked = {"operationId": "it", "requestBody": {"content": {"application/json": {"schema": SELF}}}, **said}
    return {"openapi": "3.0.0", "paths": {"/x": {"post": asked}}, "components": {"schemas": {"A": schema}}}


@pytest.mark.parametrize(
    "document",
    [
        *map(document_of, ODD_SCHEMAS),
        *(document_of({}, parameters=odd) for odd in (5, [{"name": [], "in": "query"}])),
        document_of({}, security=5),
        document_of({}, summary="\ud800"),
        {**document_of({}), "servers": [{"url": "http://[::1"}]},
    ],
)
def test_a_document_that_is_not_as_openapi_asks_is_refused_and_nothing_is_written(folder: Path, document: Any) -> None:
    (folder / "api.json").write_text(json.dumps(document))
    made = new(folder, "do-it", "--from", "api.json", "--operation", "it")
    assert made.returncode == 2 and "in a way that OpenAPI does not allow" in made.stderr, made.stderr
    assert not (folder / "actions" / "do-it.yaml").exists()


@pytest.mark.parametrize(
    "schema",
    [{"allOf": [SELF] * 12}, {"anyOf": [SELF] * 12}, {"properties": {f"p{n}": SELF for n in range(30)}}],
    ids=["allOf", "anyOf", "properties"],
)
def test_a_schema_that_holds_itself_many_times_is_drafted_once(schema: Any) -> None:
    assert draft_action("do-it", operation(document_of(schema), "it"), FolderContext(common=PIGEON)).text


# -- one schema, one row -----------------------------------------------------------------------------------------------

TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}
ROWS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({}, "body", {"type": "any"}),
    ({}, "query", {"type": "string"}),
    (TEXT, "body", {"type": "string"}),
    ({**TEXT, "maxLength": 499}, "body", {"type": "string", "schema": {"maxLength": 499}}),
    ({**TEXT, "maxLength": 500}, "body", {"type": "text", "schema": {"maxLength": 500}}),
    (
        {**TEXT, "maxLength": 500, "pattern": "^a"},
        "body",
        {"type": "string", "schema": {"maxLength": 500, "pattern": "^a"}},
    ),
    ({**TEXT, "pattern": "("}, "body", {"type": "string"}),
    ({**TEXT, "pattern": "a" * 200}, "body", {"type": "string", "schema": {"pattern": "a" * 200}}),
    ({**TEXT, "pattern": "a" * 201}, "body", {"type": "string"}),
    ({**TEXT, "minLength": 1}, "body", {"type": "string"}),
    ({**TEXT, "minLength": 2}, "body", {"type": "string", "schema": {"minLength": 2}}),
    ({**TEXT, "format": "password"}, "body", {"type": "secret"}),
    ({**TEXT, "format": "date"}, "body", {"type": "date"}),
    ({**TEXT, "format": "date-time"}, "body", {"type": "datetime", "as": "utc"}),
    ({**TEXT, "format": "binary"}, "part", {"type": "file"}),
    ({**TEXT, "format": "binary"}, "body", {"type": "string"}),
    ({**TEXT, "enum": ["a", "a", None, " ", "b"]}, "body", {"type": "string", "choices": ["a", "b"]}),
    ({"const": "a"}, "body", {"type": "string", "choices": ["a"]}),
    ({"enum": [1, 2]}, "body", {"type": "integer", "choices": [1, 2]}),
    (WHOLE, "body", {"type": "integer"}),
    ({**WHOLE, "minimum": 1, "maximum": 5}, "body", {"type": "integer", "schema": {"minimum": 1, "maximum": 5}}),
    ({**NUMBER, "multipleOf": 0.5}, "body", {"type": "number", "schema": {"multipleOf": 0.5}}),
    ({"type": "boolean"}, "body", {"type": "boolean"}),
    ({"type": "object"}, "body", {"type": "json", "schema": {"type": "object"}}),
    ({"type": "array", "items": TEXT}, "body", {"type": "string", "collection": "list"}),
    ({"type": "array", "items": {"type": "object"}}, "body", {"type": "json", "schema": {"type": "array"}}),
    (
        {"type": "array", "items": TEXT, "maxItems": 3},
        "body",
        {"type": "json", "schema": {"type": "array", "maxItems": 3, "items": TEXT}},
    ),
    ({"type": "array", "items": TEXT, "maxItems": 3}, "query", {"type": "string", "collection": "list"}),
    ({"anyOf": [{**TEXT, "format": "date"}]}, "body", {"type": "date"}),
    ({"anyOf": [{**TEXT, "format": "date"}, WHOLE]}, "body", {"type": "string"}),
    ({"anyOf": [{**TEXT, "format": "date"}, TEXT]}, "body", {"type": "string"}),
    ({"anyOf": [WHOLE, NUMBER]}, "body", {"type": "number"}),
    ({"anyOf": [{"type": "object"}, {"type": "array"}]}, "body", {"type": "json"}),
    ({"anyOf": [{"type": "object"}, TEXT]}, "body", {"type": "any"}),
    ({**TEXT, "default": "a", "example": "b"}, "body", {"type": "string", "if_absent": "a", "example": "b"}),
    (
        {**TEXT, "default": "a" * 60, "examples": ["b"]},
        "body",
        {"type": "string", "if_absent": "a" * 60, "example": "b"},
    ),
    ({**TEXT, "default": "a" * 61, "example": "b" * 61}, "body", {"type": "string"}),
    ({**TEXT, "default": "", "examples": []}, "body", {"type": "string"}),
    ({**TEXT, "minLength": 2}, "body", {"type": "string", "schema": {"minLength": 2}}),
    ({**TEXT, "minLength": 1}, "body", {"type": "string"}),  # an input that is filled in has a character
    ({**TEXT, "enum": ["a"], "example": "a"}, "body", {"type": "string", "choices": ["a"]}),
]


@pytest.mark.parametrize(("schema", "place", "row"), ROWS)
def test_a_schema_becomes_a_row(schema: dict[str, Any], place: str, row: dict[str, Any]) -> None:
    found = typed(schema, place)
    if row.get("schema") == {"type": "array"}:
        assert found["type"] == "json" and found["schema"]["type"] == "array"
    else:
        assert found == row and next(iter(found)) == "type"


@pytest.mark.parametrize(
    ("consumes", "kind", "place"),
    [
        (["multipart/form-data"], "string", "part"),
        (["application/x-www-form-urlencoded"], "string", "body"),
        ([], "string", "body"),
        ([], "file", "part"),
    ],
)
def test_the_fields_of_a_form_in_swagger_two_go_as_it_says(consumes: list[str], kind: str, place: str) -> None:
    fields = [{"name": "a", "in": "formData", "type": kind, "required": True}]
    said = {"operationId": "x", "consumes": consumes, "parameters": fields, "responses": {}}
    document = {"swagger": "2.0", "info": {}, "paths": {"/x": {"post": said}}}
    made = draft_action("try-it", operation(document, "x"), FolderContext(common=PIGEON)).data
    assert made["inputs"]["a"]["to"] == place and made["inputs"]["a"]["required"] is True
    assert made["request"].get("encode") == ("form" if place == "body" else None)


def test_the_answer_that_is_told_is_the_first_that_is_json_and_a_success() -> None:
    def answer(kind: str, name: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {name: {"type": "string"}}}
        return {"description": "x", "content": {kind: {"schema": schema}}}

    responses = {
        "404": answer("application/json", "no"),
        "202": answer("application/json", "second"),
        "201": answer("text/html", "page"),
    }
    said = {"operationId": "x", "responses": responses}
    document = {"openapi": "3.0.0", "info": {}, "paths": {"/x": {"post": said}}}
    made = draft_action("try-it", operation(document, "x"), FolderContext(common=PIGEON)).data
    assert set(made["output"]["schema"]["properties"]) == {"second"}
