"""The fast verdict: its yes is jsonschema's yes, whatever it is asked."""

from __future__ import annotations

import enum
import sys
from collections import OrderedDict
from typing import Any

import pytest
from connector_runtime.inputs.verdict import verdict
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from connector_runtime.language import patterns

BLANK = {"type": "string", "pattern": patterns.BLANK}


class Level(enum.IntEnum):
    HIGH = 1


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        ({"type": "object"}, {"a": [1, "é", None, True, 1.5]}),
        ({"maxLength": 2}, "日本"),
        ({"type": "integer", "maximum": 10**30}, 10**30),
        ({"type": "integer"}, 8.0),
        ({"pattern": patterns.whole("a|b")}, " a\n"),
        ({"pattern": "^[^@\\s]+@[^@\\s]+" + patterns.END}, "zoë@example.com"),
    ],
)
def test_what_fits_is_told_at_once(schema: dict[str, Any], data: Any) -> None:
    assert verdict(schema)(data)


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (BLANK, "\ufeff"),  # a blank to ECMAScript alone
        ({"pattern": r"\S"}, "\x1c"),  # a blank to Python alone
        ({"pattern": r"\S"}, "\x85"),
        ({"not": {"pattern": "^a$"}}, "a\n"),  # Python's $ stands before a last line break too
        ({"not": {"pattern": r"\d"}}, "٣"),  # a digit to Python alone
        ({"pattern": r"^[^\w]$"}, "é"),
        ({"multipleOf": 0.01}, 0.07),  # floats do not divide
        ({"not": {"const": 2**63}}, float(2**63)),
    ],
)
def test_what_the_two_judge_differently_is_left_to_jsonschema(schema: dict[str, Any], data: Any) -> None:
    from jsonschema_rs import Draft202012Validator as Fast

    assert Fast(schema).is_valid(data) and not Draft202012Validator(schema).is_valid(data)
    assert not verdict(schema)(data)


@pytest.mark.parametrize(
    "data",
    [
        (1, 2),
        {1, 2},
        b"x",
        object(),
        float("nan"),
        float("inf"),
        "\ud800",
        {"\ud800": 1},
        {1: 2},
        {Text("a"): 1},
        Text("a"),
        Level.HIGH,
        OrderedDict(a=1),
        {"a": [{"b": (1,)}]},
    ],
)
def test_what_is_no_plain_json_is_left_to_the_slower_checks(data: Any) -> None:
    assert not verdict({})(data)


def test_data_nested_without_end_is_not_followed() -> None:
    data: list[Any] = []
    for _ in range(100_000):
        data = [data]
    assert not verdict({})(data)


@pytest.mark.parametrize("pattern", [r"^a\Z", "(a)(?(1)b|c)", "(?P<x>a)(?P=x)", "\\a"])
def test_a_pattern_of_python_alone_makes_no_difference(pattern: str) -> None:
    fits = verdict({"pattern": pattern})
    slow = Draft202012Validator({"pattern": pattern})
    assert [text for text in ("a", "aa", "ab", "c", "\a", "") if fits(text) and not slow.is_valid(text)] == []


def test_without_the_fast_library_nothing_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    assert not verdict({})("a")


@pytest.mark.parametrize(
    "pattern", [patterns.BLANK, patterns.BASE64, patterns.whole(patterns.MOMENT), r"\S", "^a-?[x$]?"]
)
def test_patterns_that_python_and_ecmascript_share_are_known(pattern: str) -> None:
    assert patterns.is_shared(pattern) is ("$]" not in pattern)


TEXTS = st.text(st.sampled_from('a1 \t\n\x0b\x1c\x1f\x85\xa0\u2028\u3000\ufeffé٣Aſ-_/.,[]{}"\\'), max_size=6)
PATTERNS = st.sampled_from(
    [
        r"\s",
        r"\S",
        r"^\s*$",
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\b",
        "a$",
        "^a",
        "(?i)a",
        ".",
        "[^a]",
        r"[\s,]",
        "^a$",
        patterns.END,
    ]
)
SCHEMAS = st.recursive(
    st.builds(lambda pattern: {"pattern": pattern}, PATTERNS)
    | st.sampled_from([{"type": "string"}, {"maxLength": 3}, {"minLength": 2}, {"const": "a"}, {"enum": ["1", "a"]}]),
    lambda inner: (
        st.builds(lambda part: {"not": part}, inner)
        | st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: {"oneOf": parts}, st.lists(inner, min_size=2, max_size=3))
        | st.builds(lambda test, then: {"if": test, "then": then}, inner, inner)
    ),
    max_leaves=4,
)


@settings(max_examples=500, deadline=None)
@given(schema=SCHEMAS, text=TEXTS)
def test_no_text_surely_fits_a_schema_that_it_does_not_fit(schema: dict[str, Any], text: str) -> None:
    assert not verdict(schema)(text) or Draft202012Validator(schema).is_valid(text)
