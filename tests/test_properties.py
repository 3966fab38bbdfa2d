"""Open inputs: whatever is given becomes a request under the base URL or an `InputError`, and nothing else."""

from __future__ import annotations

import json
import os
import random
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from jsonschema import Draft202012Validator

from connector_runtime.inputs.bind import constraints
from connector_runtime.model import Input
from zoom_connector import Connector, InputError, load

from .test_one_judge import tidied

CONNECTOR = load()
ACTIONS = sorted(CONNECTOR.actions)
COUNT = int(os.environ.get("RANDOM_INPUTS", "4400"))  # the long run: RANDOM_INPUTS=100000

WORDS = [
    "",
    " ",
    "me",
    ".",
    "..",
    "../x",
    "a/b",
    "//x",
    "/a//b==",
    "%2e%2e",
    "a\nb",
    "a\r\nX: y",
    "\x00",
    "\x7f",
    "é",
    "🎉",
    "{{7*7}}",
    "true",
    "FALSE",
    "null",
    "None",
    "0",
    "1",
    "8",
    "1.0",
    "-1",
    "007",
    "1e3",
    "576460752303423488",
    "99999999999999999999",
    "2026-11-01",
    "2026-02-30",
    "2026-11-01T09:00:00Z",
    "2026-11-01T09:00:00+02:00",
    "2026-11-01 09:00",
    "1,3",
    "[1, 3]",
    "[",
    "{}",
    '{"a": 1}',
    "[]",
    "a@b.example",
    "812 7943 2123",
    "x" * 300,
    "https://evil.example/",
    "/users",
    "/../x",
    "/users?a=b",
    "download_access_token",
    "linkedin.com/in/x",
]
JSONS: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    2,
    3,
    8,
    -1,
    1.0,
    1.5,
    45,
    5000,
    2**53 + 1,
    10**30,
    [],
    {},
    [1, 3],
    ["US", ""],
    ["a,b"],
    [None],
    [[1]],
    {"a": 1},
    {"a": None},
    {"a": {"b": [1]}},
    [{"key": "a", "value": "b"}],
    [{"key": "", "value": ""}],
    [{"field": "x"}],
    {"Authorization": "x"},
    {"base64": "aGk=", "filename": "x"},
    {"f": {"base64": "aGk="}},
    {"f": {"base64": "?"}},
]


def likely(row: Input, chance: random.Random) -> Any:
    """A value for a row: often a good one, often not."""
    good = [choice.value for choice in row.choices] + [x for x in (row.example, row.default) if x is not None]
    if good and chance.random() < 0.6:
        value = chance.choice(good)
        return chance.choice([value, str(value), value]) if isinstance(value, int) else value
    return chance.choice(WORDS) if chance.random() < 0.5 else chance.choice(JSONS)


def inputs_for(key: str, chance: random.Random) -> dict[str, Any]:
    rows = [row for row in CONNECTOR.actions[key].inputs.values() if row.type != "connection"]
    chosen = [row for row in rows if (row.required == () and chance.random() < 0.95) or chance.random() < 0.15]
    inputs = {row.key: likely(row, chance) for row in chosen}
    if chance.random() < 0.05:
        inputs[chance.choice(["x", "connection", "topc"])] = "y"
    return inputs


def check(key: str, inputs: dict[str, Any]) -> bool:
    """Preview, and hold what comes out against the promises; tells whether it was accepted."""
    action = CONNECTOR.actions[key]
    accepted = Draft202012Validator(action.input_schema).is_valid(tidied(action, inputs))
    try:
        shown = action.preview(inputs)
    except InputError as error:
        assert error.problems
        assert all(problem.where and problem.what for problem in error.problems)
        holds_json = any(isinstance(value, str) and value.lstrip().startswith(("[", "{")) for value in inputs.values())
        compares = any(constraint.test for constraint in constraints(action))  # two values, which a schema cannot
        assert not accepted or holds_json or compares, (key, inputs, error)
        return False
    assert accepted, (key, inputs)
    json.dumps(shown, allow_nan=False)
    url = urlsplit(shown["url"])
    assert (url.scheme, url.netloc) == ("https", "api.zoom.us")
    assert url.path.startswith("/v2/")
    assert not {".", ".."} & set(unquote(unquote(url.path)).split("/")) or key != "raw-request"
    assert not {".", ".."} & set(url.path.split("/"))
    assert url.path.isascii() and url.query.isascii()
    assert not any(ord(letter) <= 32 for letter in shown["url"])
    for name, value in shown["headers"].items():
        assert (name + value).isprintable() and (name + value).isascii()
    assert [name for name in shown["headers"] if name.lower() == "authorization"] == ["Authorization"]
    assert shown["headers"]["Authorization"] == "Bearer ***"
    return True


def test_random_inputs_become_a_request_under_the_base_or_an_input_error() -> None:
    chance = random.Random(20261122)
    accepted = sum(check(key, inputs_for(key, chance)) for _ in range(COUNT // len(ACTIONS)) for key in ACTIONS)
    print(f"{COUNT} random inputs: {accepted} requests, {COUNT - accepted} refusals")
    assert accepted > COUNT // 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("key", ACTIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_json_becomes_a_request_under_the_base_or_an_input_error(key: str, data: st.DataObject) -> None:
    names = [name for name, row in CONNECTOR.actions[key].inputs.items() if row.type != "connection"]
    check(key, data.draw(st.dictionaries(st.sampled_from(names), JSON, max_size=6)))


@pytest.mark.parametrize("key", ACTIONS)
def test_an_input_schema_is_a_schema_of_2020_12(connector: Connector, key: str) -> None:
    Draft202012Validator.check_schema(connector.actions[key].input_schema)


@pytest.mark.parametrize("wrong", [None, [], "x", 5, True])
def test_inputs_that_are_no_object_are_refused(connector: Connector, wrong: Any) -> None:
    with pytest.raises(InputError, match="must be an object"):
        connector.actions["list-users"].preview(wrong)
