"""Texts, numbers and shapes at the far end: a value or a problem, with few words and little work."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from connector_runtime.inputs import values
from connector_runtime.language.schema_faults import _WORDS
from zoom_connector import Client, Connector, Http, InputError, load

CONNECTOR = load()
FIELDS = [(key, name) for key in sorted(CONNECTOR.actions) for name in CONNECTOR.actions[key].inputs]
LONG = 2_000
TEXTS = {
    "blanks and a letter": " " * LONG + "x",
    "zeros and a letter": "0" * LONG + "x",
    "digits": "9" * LONG,
    "a list that ends badly": "1," * LONG + "x",
    "an open list": "[" + "1, " * LONG,
    "a list of blanks": "[" + " " * LONG + "x",
    "open braces": "{" * LONG,
    "slashes": "/" * LONG + "\x01",
    "a path encoded again and again": "/%" + "25" * LONG,
    "dots": "/." * LONG,
    "many at signs": "a@" * LONG,
    "a fraction": "1." + "0" * LONG + "x",
    "letters beyond ASCII": "é" * LONG + "\ud800",
    "line breaks": "\r\n" * LONG,
}
VALUES = {
    "a huge number": 10**400,
    "a huge negative number": -(10**5000),
    "infinity": float("inf"),
    "no number": float("nan"),
    "many items": [[]] * LONG,
    "many keys": {str(number): number for number in range(LONG)},
    "rows": [{"key": "a", "value": [1]}] * LONG,
    "a deep one": None,
}
deep: Any = []
for _ in range(5000):
    deep = [deep]
VALUES["a deep one"] = deep


@pytest.mark.parametrize("name", [*TEXTS, *VALUES])
def test_whatever_an_input_is_given_is_a_value_or_few_problems(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = TEXTS.get(name, VALUES.get(name))
    matched = 0
    matches = _WORDS["pattern"]

    def counted(value: Any, wanted: Any, schema: Any) -> bool:
        nonlocal matched
        matched += 1
        return matches(value, wanted, schema)

    monkeypatch.setitem(_WORDS, "pattern", counted)
    for key, field in FIELDS:
        matched = 0
        try:
            CONNECTOR.actions[key].bind({field: value})
        except InputError as error:
            assert 0 < len(error.problems) <= 100
            assert len(str(error)) < 60_000, (key, field)
        assert matched < 20 * LONG, (key, field)


@pytest.mark.parametrize("size", [1, 99, 100, 101, 5000])
def test_of_all_problems_the_first_hundred_are_told(connector: Connector, size: int) -> None:
    with pytest.raises(InputError) as caught:
        connector.actions["list-users"].bind({f"unknown{number}": 1 for number in range(size)})
    count = "One problem" if size == 1 else f"{size} problems" if size <= 100 else "More than 100 problems"
    first = ", the first 100" if size > 100 else ""
    assert caught.value.message == f"{count} with the inputs of list-users{first}:"
    assert len(caught.value.problems) == min(size, 100)


LARGEST = int(sys.float_info.max)


@pytest.mark.parametrize("number", [LARGEST, -LARGEST])
def test_numbers_reach_as_far_as_a_double_does(connector: Connector, number: int) -> None:
    action = connector.actions["raw-request"]
    asked = {"url": "/x", "method": "POST"}
    assert action.bind({**asked, "data": {"a": [number]}}).values["data"] == {"a": [number]}
    beyond = number + (1 if number > 0 else -1)
    for data in (beyond, [beyond], {"a": {"b": beyond}}):
        with pytest.raises(InputError) as caught:
            action.bind({**asked, "data": data})
        (problem,) = caught.value.problems
        assert problem.where.startswith("inputs.data")
        assert problem.what == "is too large: JSON numbers go up to 1.8e308"
    assert values.MAX_NUMBER == LARGEST


WRONG_CALLS: dict[str, dict[str, Any]] = {
    "a deadline beyond all clocks": {"deadline": 10**400},
    "a deadline of a year and more": {"deadline": 31_536_001},
    "a deadline that is no number": {"deadline": float("nan")},
    "a deadline of nothing": {"deadline": 0},
    "a limit beyond all counting": {"limit": sys.maxsize + 1},
    "a limit of nothing": {"limit": 0},
}


@pytest.mark.parametrize("name", WRONG_CALLS)
def test_a_call_on_terms_that_nobody_can_keep_is_refused(connector: Connector, name: str) -> None:
    (field,) = WRONG_CALLS[name]
    with Client(connector, token="x") as client, pytest.raises(InputError) as caught:
        client.run("list-users", {}, **WRONG_CALLS[name])
    assert [problem.where for problem in caught.value.problems] == [field]


@pytest.mark.parametrize("seconds", [10**400, 1_000_001, 0, -1, float("nan"), float("inf")])
def test_a_way_out_that_waits_for_ever_is_refused(seconds: float) -> None:
    with pytest.raises(InputError) as caught:
        Http(timeout=seconds)
    assert [(each.where, each.what) for each in caught.value.problems] == [
        ("timeout", "must be a number above 0, and at most 1,000,000")
    ]
