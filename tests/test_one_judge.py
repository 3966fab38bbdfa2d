"""What `bind` accepts is what `input_schema` accepts under plain jsonschema, for actions and for hand-made tables.

The schema describes values without the blanks that `bind` removes from ids, choices and formats.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from jsonschema import Draft202012Validator

from connector_runtime import load as load_folder
from connector_runtime.inputs.bind import CompiledInputs, bind, constraints
from connector_runtime.inputs.schema import input_schema
from connector_runtime.language import codecs, conditions, places
from connector_runtime.model import Choice, Input, InputTable, Rule, Warn
from connector_runtime.types import registry
from connector_runtime.types.base import is_blank
from connector_runtime.types.registry import TYPES as REGISTRY
from zoom_connector import InputError, load

ROOT = Path(__file__).parents[1]
SOME = (Choice(value=1, label="One"), Choice(value=-1, label="Last"), Choice(value=0, label="None"))
RED = (Choice(value="red", label="Red"), Choice(value="8", label="Eight"))
OBJECTS = {"type": "array", "items": {"type": "object", "properties": {"a": {"maxLength": 2}}, "required": ["a"]}}
TYPES: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "text", "schema": {"maxLength": 3}},
    {"type": "string", "schema": {"minLength": 2}},
    {"type": "string", "schema": {"pattern": "^[a-c]+$"}},
    {"type": "secret", "schema": {"pattern": "^[0-9]{3}$", "minimum": 100, "maximum": 999}},
    {"type": "string", "to": (places.place("path", "x"),)},
    {"type": "string", "to": (places.place("header.X-A", "x"),)},
    {"type": "string", "to": (places.place("request.path", "x"),)},
    {"type": "string", "choices": RED},
    {"type": "string", "codecs": (codecs.CODECS["csv"],)},
    {"type": "date"},
    {"type": "datetime"},
    {"type": "datetime", "codecs": (codecs.CODECS["utc"],)},
    {"type": "integer"},
    {"type": "integer", "schema": {"minimum": 1, "maximum": 60}},
    {"type": "integer", "choices": SOME},
    {"type": "number"},
    {"type": "number", "schema": {"minimum": 1, "exclusiveMaximum": 5, "multipleOf": 0.5}},
    {"type": "boolean"},
    {"type": "json"},
    {"type": "json", "schema": {"type": "object"}},
    {"type": "json", "schema": OBJECTS},
    {"type": "any"},
    {"type": "any", "schema": {"type": "array"}},
    {"type": "file"},
]


def test_these_are_all_types_but_the_connection_which_no_schema_describes() -> None:
    assert {entry["type"] for entry in TYPES} == {*REGISTRY} - {"connection"}


def table(key: str, rows: list[Input], *rules: Rule) -> InputTable:
    by_name = {name: row for row in rows for name in row.names}
    inputs = {row.key: row for row in rows}
    return InputTable(key=key, label=key, description=key, inputs=inputs, by_name=by_name, rules=rules)


def of_each_type(collection: str | None, needed: int) -> InputTable:
    """A table with a row of each type; some are needed, some had another name."""
    key = f"{collection or 'value'}{needed}"
    rows = [
        Input(
            f"x{at}",
            f"X {at}",
            collection=collection,
            required=() if at % 6 == needed else None,
            was=(f"old{at}",) if at % 4 == 0 else (),
            **entry,
        )
        for at, entry in enumerate(TYPES)
    ]
    return table(key, [*rows, Input("connection", "Connection", "connection")])


def ruled() -> InputTable:
    """A table of conditions, defaults and rules."""

    def row(key: str, type: str, **more: Any) -> Input:
        return Input(key, key.title(), type, **more)

    when = conditions.parse
    rows = [
        row("kind", "integer", choices=SOME, has_default=True, default=1),
        row("name", "string", required=(), was=("title",)),
        row("flag", "boolean", required=(), has_default=True, default=False),
        row("a", "string", only_when=when({"kind": [-1, None]}), has_default=True, default="red"),
        row("b", "integer", only_when=when({"flag": True}), required=when("a")),
        row("c", "date", required=when({"flag": {"not": True}})),
        row("d", "string", choices=RED, has_default=True, default="8"),
        row("e", "integer", collection="list", only_when=when({"d": {"not": ["8", None]}})),
        row("f", "any", has_default=True, default=[1], was=("ff", "fff"), deprecated="old"),
        row("g", "text", warn=(Warn(when({"flag": True}), {"maxLength": 3}, "long"),)),
        row("h", "integer", only_when=when({"i": 0, "j": "1.5"}), has_default=True, default=0),
        row("i", "integer"),
        row("j", "string"),
        row("k", "string", collection="list", has_default=True, default=["1", "a"], only_when=when("i")),
        row("l", "string", collection="map", has_default=True, default={"a": "1"}),
    ]
    rules = (
        Rule("at_most_one", ("a", "d", "h"), (), ""),
        Rule("at_least_one", ("g", "h", "e"), when({"flag": True}), "says so"),
        Rule("together", ("g", "i"), (), ""),
        Rule("together", ("e", "f", "g"), when({"name": "a"}), ""),
        Rule("at_most_one", ("k", "l"), when("g"), ""),
    )
    return table("ruled", rows, *rules)


FOLDERS = [folder for folder in sorted((ROOT / "examples").iterdir()) if folder.is_dir()]
ACTIONS = [action for connector in (load(), *map(load_folder, FOLDERS)) for action in connector.actions.values()]
MADE = [*(of_each_type(collection, needed) for collection in (None, "list", "map") for needed in (0, 1)), ruled()]

BASE: list[Any] = [
    *(None, "", " ", "\n", True, False, 0, 1, -1, 2, 8, 60, 61, 100, 999, 1.0, 8.0, 1.5, -0.0, 2**53 + 1, 10**30, 1e22),
    *(
        "a",
        "abc",
        "abcd",
        "a\n",
        "é",
        "1",
        " 1 ",
        "01",
        "1.0",
        "1.5",
        "-0",
        "-1.0",
        "1e3",
        "0x1",
        "8",
        " 8",
        "red",
        "Red",
    ),
    *("true", " FALSE ", "yes", ".", "..", "/users", "//x", "012", "2026-11-01", "2026-02-30", "2026-11-01T09:00"),
    *("2026-11-01T09:00:00Z", "1,3", "1, ,3", "a,b", "[1]", '["1", "a"]', "[", "{}", '{"a": 1}', '[{"a": "b"}]'),
    *(
        [],
        {},
        [1],
        ["1", None, ""],
        [None, " "],
        ["1", "a"],
        [1, "a"],
        [True],
        ["red", 8],
        [[1]],
        [{}],
        ["a,b"],
        ["abcd"],
    ),
    *({"a": "b"}, {"a": 1}, {"a": None}, {" ": "b"}, {"a": "1"}, {"a": " "}, {"a": {"base64": "?"}}, {"X-A": 1.5}),
    *([{"a": "b"}], [{"a": "abc"}], [{"key": "a", "value": "b"}], [{"key": "", "value": ""}], [{"key": "a", "x": 1}]),
    *({"base64": "aGk="}, {"base64": "aGk=", "filename": "a"}, {"base64": "aGk=", "filename": "a\nb"}),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def values(row: Input) -> Any:
    """Values for a row: what it takes in other spellings, what looks like it, and anything."""
    good = [*(each.value for each in row.choices), *(x for x in (row.example, row.default) if x is not None)]
    spelled = [*good, *(f" {x} " for x in good), *(float(x) for x in good if type(x) is int), *([x] for x in good)]
    return st.sampled_from([*spelled * 4, *BASE]) | (st.sampled_from(good) if good else st.sampled_from(BASE)) | JSON


def inputs(of: InputTable) -> Any:
    """Inputs of a table: mostly with what it needs, seldom with what it does not know."""
    rows = [row for row in of.inputs.values() if row.type != "connection"]
    needed = {row.key: values(row) for row in rows if row.required == () and row.only_when is None and not row.was}
    others = {name: values(row) for row in rows for name in row.names if name not in needed}
    few = st.lists(st.sampled_from([*others, "topc", "connection"]), max_size=5, unique=True)
    optional = few.flatmap(lambda names: st.fixed_dictionaries({name: others.get(name, JSON) for name in names}))
    return st.builds(lambda one, other: {**one, **other}, st.fixed_dictionaries(needed), optional)


def tidied(of: InputTable, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs as `bind` judges them: texts that are not free, without blanks, and paths with their first slash."""

    def tidy(row: Input | None, value: Any) -> Any:
        change = row and registry.type_of(row).tidy(row)
        if not change:
            return value
        if isinstance(value, list):
            return [change(item) if isinstance(item, str) else item for item in value]
        return change(value) if isinstance(value, str) else value

    return {name: tidy(of.by_name.get(name), value) for name, value in given.items()}


def holds_json(of: InputTable, given: dict[str, Any]) -> bool:
    """Whether a text is read as JSON or as a list, which a schema cannot look into."""

    def is_text(value: Any) -> bool:
        return isinstance(value, str) and bool(value.strip())

    for name, value in given.items():
        row = of.by_name.get(name)
        if row is not None and is_text(value) and (row.collection or row.type in ("json", "number")):
            return True
        if row is not None and row.collection and row.type in ("json", "number") and '"' in json.dumps(value):
            return True
    return False


@pytest.mark.parametrize("of", [*ACTIONS, *MADE], ids=lambda of: of.key)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_bind_accepts_exactly_what_the_input_schema_accepts(of: InputTable, data: st.DataObject) -> None:
    given = data.draw(inputs(of))
    try:
        bind(CompiledInputs(of), given)
    except InputError as error:
        assert error.problems
        accepted = False
    else:
        accepted = True
    fits = Draft202012Validator(input_schema(of)).is_valid(tidied(of, given))
    if accepted is not fits and any(each.test for each in constraints(of)):
        return  # a schema cannot compare two values
    assert accepted is fits or holds_json(of, given), (accepted, given)


@pytest.mark.parametrize("of", [*ACTIONS, *MADE], ids=lambda of: of.key)
def test_each_value_alone_is_accepted_exactly_where_the_input_schema_accepts_it(of: InputTable) -> None:
    accepts, schema = CompiledInputs(of), input_schema(of)
    for name, row in of.by_name.items():
        if row.type == "connection":
            continue
        alone = Draft202012Validator(schema["properties"][name])
        for value in BASE:
            try:
                bind(accepts, {name: value})
                problems: set[str] = set()
            except InputError as error:
                problems = {problem.what for problem in error.problems if problem.where.split(".")[1] == name}
            unused = {each.what for _, each in accepts.constraints if each.unless is not None}
            if problems & unused:
                continue  # what is to be cleared is not said to be wrong as well
            left = problems - {each.what for _, each in accepts.constraints}
            missing = row.required == () and is_blank(row, value)
            assert (
                (not left) is alone.is_valid(tidied(of, {name: value})[name])
                or missing
                or holds_json(of, {name: value})
            ), (name, value, left)
