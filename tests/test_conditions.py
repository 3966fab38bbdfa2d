"""The condition grammar: what holds, and how it is said to a person."""

from __future__ import annotations

from typing import Any

import pytest

from connector_runtime.language import conditions
from connector_runtime.model import Choice, Input, Test

ROWS = {
    "a": Input(key="a", label="A Thing", type="string"),
    "n": Input(
        key="n", label="Number", type="integer", choices=(Choice(value=1, label="One"), Choice(value=2, label="Two"))
    ),
}


@pytest.mark.parametrize(
    ("raw", "given", "holds"),
    [
        ("a", {"a": 1}, True),
        ("a", {}, False),
        (["a", "b"], {"a": 1, "b": 2}, True),
        (["a", "b"], {"a": 1}, False),
        ({"a": 2}, {"a": 2}, True),
        ({"a": 2}, {"a": 2.0}, True),
        ({"a": 2}, {"a": 3}, False),
        ({"a": 2}, {}, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": False}, {"a": 0}, False),
        ({"a": [1, 3]}, {"a": 3}, True),
        ({"a": [1, 3]}, {"a": 2}, False),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": 0}, False),
        ({"a": [8, None]}, {}, True),
        ({"a": [8, None]}, {"a": 8}, True),
        ({"a": [8, None]}, {"a": 2}, False),
        ({"a": {"not": 2}}, {"a": 3}, True),
        ({"a": {"not": 2}}, {}, True),
        ({"a": {"not": 2}}, {"a": 2}, False),
        ({"a": {"not": [2, 3]}}, {"a": 3}, False),
        ({"a": {"not": None}}, {"a": 0}, True),
        ({"a": {"not": None}}, {}, False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, False),
    ],
)
def test_a_condition_holds_when_all_its_tests_do(raw: Any, given: dict[str, Any], holds: bool) -> None:
    assert conditions.holds(conditions.parse(raw), given.get) is holds


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("a", "'A Thing' is filled in"),
        ({"a": None}, "'A Thing' is empty"),
        ({"a": "x"}, "'A Thing' is x"),
        ({"n": 2}, "'Number' is Two"),
        ({"n": [1, 2]}, "'Number' is One or Two"),
        ({"n": [2, None]}, "'Number' is Two or empty"),
        ({"n": {"not": 2}}, "'Number' is not Two"),
        ({"n": {"not": [2, None]}}, "'Number' is filled in and not Two"),
        ({"n": 7}, "'Number' is 7"),
        ({"status": 404}, "status is 404"),
        ({"a": True, "n": 1}, "'A Thing' is Yes and 'Number' is One"),
    ],
)
def test_a_condition_is_said_with_labels(raw: Any, words: str) -> None:
    assert conditions.phrase(conditions.parse(raw), ROWS) == words


def test_given_is_the_negation_of_null() -> None:
    assert conditions.parse("a") == conditions.parse({"a": {"not": None}}) == (Test("a", (None,), negate=True),)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (False, False, True),
        ("a", "a", True),
        ("1", 1, False),
        (None, None, True),
        (None, 0, False),
        ([1, "a"], [1.0, "a"], True),
        ([1], [True], False),
        ([1, 2], [1], False),
        ([], [], True),
        ({"a": [1]}, {"a": [1.0]}, True),
        ({"a": [1]}, {"a": [True]}, False),
        ({"a": 1}, {"b": 1}, False),
    ],
)
def test_equal_is_what_json_calls_so_at_any_depth(one: Any, other: Any, same: bool) -> None:
    assert conditions.same(one, other) is same and conditions.same(other, one) is same
    assert conditions.holds(conditions.parse({"a": {"not": [one]}}), {"a": other}.get) is not same
