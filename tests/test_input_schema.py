"""What each type of input accepts and refuses, value by value, and what a refusal says."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector_runtime.inputs.bind import CompiledInputs, bind
from connector_runtime.inputs.schema import blanks
from connector_runtime.language import codecs, places, schema_faults
from connector_runtime.model import Choice, Input, InputTable, Place, Warn
from connector_runtime.types import registry
from connector_runtime.types.base import BLANK, REFUSED, NoValue, is_blank

ONE_TWO = (Choice(value=1, label="One"), Choice(value=-1, label="Last"))
RED = (Choice(value="red", label="Red"), Choice(value="8", label="Eight"))
BLANKS: list[Any] = [None, "", " ", "\t\n"]


def row(type: str, **more: Any) -> Input:
    return Input(key="x", label="X", type=type, **more)


def to(text: str) -> tuple[Place, ...]:
    return (places.place(text, "x"),)


def codec(name: str) -> tuple[Any, ...]:
    return (codecs.CODECS[name],)


FILE = {"filename": "a.png", "content_type": "image/png", "base64": "aGk="}
CASES: list[tuple[Input, list[Any], list[Any]]] = [
    (row("string"), ["a", "478", 478, 1.5, -3, 10**24], [True, [], {}, ["a"], 10**25]),
    (row("string", schema={"maxLength": 3}), ["abc", 999, -99], ["abcd", 1000, -100, 1.5]),
    (row("string", schema={"minLength": 2}), ["ab", 10], ["a", 9, -10, 1.5]),
    (row("string", schema={"pattern": "^[a-c]+$"}), ["abc"], ["abcd", "abc\n", 1]),
    (row("secret", schema={"pattern": "^[0-9]{3}$", "minimum": 100, "maximum": 999}), ["012", 100], [99, 1000, "12"]),
    (row("string", to=to("path")), ["a/b", "...", 5], [".", ".."]),
    (row("string", to=to("header.X-A")), ["a b", "", 5], ["a\nb", "a\n", "é", "\x00"]),
    (row("string", to=to("request.path")), ["/users?x=1"], ["users", "//x", "/a/../b", 5, "/a\n"]),
    (row("string", choices=RED), ["red", "8", 8], ["Red", "RED", 9, "1", True, ["red"]]),
    (row("date"), ["2026-02-28", " 2028-02-29 "], ["2026-02-29", "2026-2-1", 20260228, "2026-02-28T00:00:00Z"]),
    (
        row("datetime"),
        ["2026-11-01T09:00", "2026-11-01 09:00:59.5Z", "2026-11-01T09:00:00-14:59"],
        ["2026-11-01", "09:00", 1],
    ),
    (row("datetime", codecs=codec("utc")), ["2026-11-01T09:00:00Z"], ["2026-11-01T09:00:00", "2026-11-01"]),
    (row("datetime", codecs=codec("date_or_utc")), ["2026-11-01", "2026-11-01T09:00Z"], ["2026-11-01T09:00"]),
    (row("integer"), [1, "1", 1.0, "-5", " 07 ", "3.00", 10**30], [1.5, "1.5", "a", True, [], "1e3"]),
    (row("integer", schema={"minimum": 1, "maximum": 60}), [1, 60, "60", "1"], [0, 61, "0", "61", "600"]),
    (row("integer", choices=ONE_TWO), [1, "1", -1, "-1.0"], [0, 2, "11", "one", True]),
    (row("number"), [1, 1.5, "1.5", "-2e3", " 0 "], ["a", "1,5", True, "0x1", []]),
    (row("number", schema={"minimum": 1}), [1.5], [0.5]),
    (row("boolean"), [True, False, "true", "FALSE", " True "], [0, 1, "yes", "1", [], "truefalse"]),
    (row("json"), [{}, [], 5, True, {"a": None}, "[1]", '"x"', "anything that may be JSON"], []),
    (row("json", schema={"type": "object"}), [{"a": 1}, '{"a": 1}', " {} "], [[], 5, "[]", "x", True]),
    (row("json", schema={"type": "array", "maxItems": 1}), [[], [1], "[1, 2]"], [[1, 2], {}, "{}", "x"]),
    (row("any"), ["x", 1, [], {}, True], []),
    (row("file"), [FILE, {"base64": ""}, "text"], [{"filename": "a"}, {"base64": "?"}, {**FILE, "x": 1}, 5, []]),
    (row("file"), [], [{**FILE, "filename": "a\nb"}, {**FILE, "filename": ""}, {**FILE, "content_type": "png"}]),
    (
        row("integer", collection="list"),
        [[1, "2"], "1, 2", "[1,2]", 3, [], "[]", [None, 1]],
        ["a", "1;2", ["a"], {}, [[1]], "1,", True],
    ),
    (row("integer", collection="list", schema={"maximum": 7}), [[7], "1,7", 7], [[8], "1,8", 8]),
    (
        row("string", collection="list"),
        [["a"], "a, b", '["a"]', 5, [5], []],
        [{}, True, [True], [["a"]], [[None]], [[""]], "[a"],
    ),
    (row("string", collection="list", codecs=codec("csv")), [["a"], "a,b"], [["a,b"]]),
    (row("number", collection="list"), [[1.5, "-2e3"], "[1, 2]", 1.5], [["a"], {}, [[1]], True]),
    (row("json", collection="list", schema={"type": "object"}), [[{"a": 1}, "{}"]], [["x"], [[1]], {}, 5]),
    (row("integer", collection="list", choices=ONE_TWO), ["1,-1", [1, "-1"], "[1]", "-1"], ["2", "1,2", [2]]),
    (row("string", collection="list", choices=RED), [["red"], [8], "red"], [["blue"], {}]),
    (
        row("string", collection="map"),
        [{"a": "b"}, {"a": ""}, {"a": None}, [{"key": "a", "value": "b"}], [{"key": "a"}], [None], '{"a": "b"}', "[]"],
        [
            {"a": True},
            {"a": ["b"]},
            {" ": "b"},
            [{"key": "", "value": "b"}],
            [{"value": "b"}],
            [{"key": "a", "x": 1}],
            "a",
            5,
            ["a"],
        ],
    ),
    (
        row("string", collection="map", to=to("header.*")),
        [{"X-A": "b"}, {"X-A": 5}],
        [{"X A": "b"}, {"X-A": "b\n"}, {"authorization": "b"}, {"HOST": "b"}, {"a:": "b"}],
    ),
    (row("any", collection="map"), [{"a": True}, {"a": [1]}, {"a": {"b": 1}}], [5]),
    (row("file", collection="map"), [{"f": FILE}, {"f": "text"}], [{"f": 5}, {"f": {}}]),
]


@pytest.mark.parametrize(("given", "good", "bad"), CASES, ids=lambda value: getattr(value, "type", ""))
def test_a_type_accepts_its_spellings_and_nothing_else(given: Input, good: list[Any], bad: list[Any]) -> None:
    optional, needed = (Draft202012Validator(registry.schema(given, blank=blank)) for blank in (True, False))
    Draft202012Validator.check_schema(optional.schema)
    Draft202012Validator.check_schema(needed.schema)
    assert [value for value in [*good, *BLANKS] if not optional.is_valid(value)] == []
    assert [value for value in bad if optional.is_valid(value)] == []
    solid = [value for value in good if not is_blank(given, value)]
    assert [value for value in solid if not needed.is_valid(value)] == []
    assert [value for value in [*bad, *BLANKS] if needed.is_valid(value)] == []


@pytest.mark.parametrize(("given", "good", "bad"), CASES, ids=lambda value: getattr(value, "type", ""))
def test_whatever_is_accepted_can_be_read_and_whatever_is_refused_is_explained(
    given: Input, good: list[Any], bad: list[Any]
) -> None:
    for value in good:
        if not is_blank(given, value):
            found = registry.reader(given)(value)
            if isinstance(found, NoValue):
                assert isinstance(value, str) and found.args and all(what for _, what in found.args)
    assert [value for value in BLANKS if registry.reader(given)(value) is not BLANK] == []
    tidy = registry.type_of(given).tidy(given)
    for value in bad:
        if tidy and isinstance(value, str) and tidy(value) != value:
            continue  # a blank at its end, or a path without its first slash
        assert registry.reader(given)(value) is REFUSED
        found = registry.complaints(given, value)
        assert found and all(what for _, what in found), value


@pytest.mark.parametrize(
    ("given", "value", "blank"),
    [
        (row("string"), " ", True),
        (row("string"), [], False),
        (row("string", collection="list"), [], False),
        (row("string", collection="list"), ["", None, " "], True),
        (row("string", collection="list"), ["", "a"], False),
        (row("string", collection="map"), {}, False),
        (row("string", collection="map"), [{"key": "", "value": None}, {}], True),
        (row("string", collection="map"), [{"key": "a"}], False),
        (row("string", collection="list"), [{}], False),
    ],
)
def test_what_counts_as_not_given_counts_so_in_the_schema_too(given: Input, value: Any, blank: bool) -> None:
    assert is_blank(given, value) is blank
    assert Draft202012Validator(blanks(given)).is_valid(value) is blank


@pytest.mark.parametrize(
    ("given", "value", "same", "other"),
    [
        (row("boolean"), False, [False, "false", " FALSE "], [True, 0, "", None, "falsey"]),
        (row("integer"), 8, [8, 8.0, "8", " 08.0 "], [88, "18", "8.5", True]),
        (row("integer"), 1, [1, "1"], [True, "11"]),
        (row("string"), "1", ["1", 1], ["01", " 1", True]),
        (row("string"), "a", ["a"], ["A", "a "]),
        (row("json"), [1], [[1]], ["[1]", [1, 2]]),
    ],
)
def test_a_value_is_known_in_every_spelling_that_is_accepted(given: Input, value: Any, same: Any, other: Any) -> None:
    schema = Draft202012Validator(registry.type_of(given).spellings(given, value))
    assert [found for found in same if not schema.is_valid(found)] == []
    assert [found for found in other if schema.is_valid(found)] == []


def test_text_that_holds_json_says_what_it_must_hold() -> None:
    held = {"contentMediaType": "application/json", "contentSchema": {"type": "array"}}
    data, text = registry.schema(row("json", schema={"type": "array"}))["anyOf"][0]["anyOf"]
    assert data == {"type": "array"}
    assert text["type"] == "string" and held.items() <= text.items()


@pytest.mark.parametrize(
    ("given", "value", "typed"),
    [
        (row("integer"), "07.0", 7),
        (row("integer"), 5.0, 5),
        (row("number"), "1.5", 1.5),
        (row("boolean"), " TRUE ", True),
        (row("boolean"), "false", False),
        (row("string"), 1.5, "1.5"),
        (row("json"), '{"a": [1]}', {"a": [1]}),
        (row("any"), '{"a": 1}', '{"a": 1}'),
        (row("file"), "é", {"base64": "w6k=", "content_type": "text/plain; charset=utf-8"}),
        (row("file"), FILE, FILE),
        (row("integer", collection="list"), " 1 , 3 ", [1, 3]),
        (row("integer", collection="list"), 3, [3]),
        (row("number", collection="list"), [1, "1.5"], [1, 1.5]),
        (row("any", collection="list"), [[None], [""], None], [[None], [""]]),
        (row("json", collection="map"), {"a": "[1]"}, [("a", [1])]),
        (row("string", collection="list"), ["a", "", None, 5], ["a", "5"]),
        (row("string", collection="list"), '["a,b"]', ["a,b"]),
        (row("string", collection="map"), {" a ": 1, "b": None, "c": ""}, [("a", "1"), ("c", "")]),
        (
            row("string", collection="map"),
            [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}],
            [("a", "1"), ("a", "2")],
        ),
        (row("string", collection="map"), '{"a": "1"}', [("a", "1")]),
    ],
)
def test_a_value_is_read_as_its_type(given: Input, value: Any, typed: Any) -> None:
    found = registry.reader(given)(value)
    assert found == typed
    assert type(found) is type(typed)


@pytest.mark.parametrize(
    ("given", "value", "faults"),
    [
        (
            row("json"),
            "{x",
            [((), "is not JSON, from line 1, column 2 on")],
        ),
        (row("json"), "[NaN]", [((), "is not JSON: NaN is not a JSON number")]),
        (row("json"), "[-Infinity]", [((), "is not JSON: -Infinity is not a JSON number")]),
        (
            row("json"),
            "[" * 100_000,
            [((), "is nested too deeply")],
        ),
        (
            row("json", schema={"type": "array", "maxItems": 1}),
            "[1, 2]",
            [((), "must have at most 1 entries; it has 2")],
        ),
        (row("string", collection="list"), "[true]", [((0,), "does not have the required structure")]),
    ],
)
def test_text_that_cannot_be_read_says_why(given: Input, value: str, faults: Any) -> None:
    found = registry.reader(given)(value)
    assert [path for path, _ in found.args] == [path for path, _ in faults]
    if "does not have the required structure" not in faults[0][1]:
        assert list(found.args) == faults


@pytest.mark.parametrize(
    ("given", "value", "says"),
    [
        (row("string", example="abc"), None, "is required: enter 'X', for example abc"),
        (row("secret", example="abc"), "", "is required: enter 'X'"),
        (row("integer"), "a", 'must be a whole number; it is "a"'),
        (row("integer", schema={"minimum": 1}), 0, "must be a whole number of at least 1; it is 0"),
        (row("integer", schema={"maximum": 5}), 6, "must be a whole number of at most 5; it is 6"),
        (row("number"), "a", 'must be a number; it is "a"'),
        (row("boolean"), "yes", 'must be true or false; it is "yes"'),
        (row("string"), True, "must be text, not true or false"),
        (row("string"), {}, "must be text, not an object"),
        (row("string", schema={"maxLength": 2}), "abc", "must have at most 2 characters; it has 3"),
        (row("string", schema={"minLength": 2}), "a", "must have at least 2 characters; it has 1"),
        (
            row("string", schema={"pattern": "^a$"}, example="a"),
            "b",
            'has the wrong format: enter it as in a; it is "b"',
        ),
        (row("secret", schema={"pattern": "^a$"}), "b", "has the wrong format"),
        (
            row("string", schema={"pattern": "^a$"}),
            5,
            "must be text, in quotes: a number loses its leading zeros",
        ),
        (row("date"), "tomorrow", 'has the wrong format: enter it as in 2026-11-01; it is "tomorrow"'),
        (
            row("datetime", codecs=codec("utc")),
            "now",
            'has the wrong format: enter it as in 2026-11-01T09:00:00Z; it is "now"',
        ),
        (row("string", to=to("path")), "..", "must not be . or .."),
        (
            row("string", to=to("header.X")),
            "a\nb",
            "must be one line of printable ASCII text without leading or trailing blanks",
        ),
        (row("string", choices=RED), "rde", "must be one of Red (red), Eight (8); it is \"rde\". Did you mean 'red'?"),
        (row("integer", choices=ONE_TWO), 5, "must be one of One (1), Last (-1); it is 5."),
        (
            row("string", choices=tuple(Choice(value=c, label=c) for c in "abcdefgh")),
            5,
            "must be one of a, b, c, d, e, f, g, h; it is 5.",
        ),
        (
            row("string", choices=tuple(Choice(value=c, label=c) for c in "abcdefghi")),
            5,
            "must be one of a, b, c, d, e, f, 3 more; it is 5.",
        ),
        (
            row("string", schema={"pattern": "^a$"}, example="a"),
            "b\nc",
            'has the wrong format: enter it as in a; it is "b\\nc"',
        ),
        (
            row("file", collection="map"),
            {"f": 5},
            'must be text, or a file: {"filename": "a.png", "content_type": "image/png", "base64": "…"}',
        ),
        (row("json", schema={"type": "object"}), "x", 'must be an object written as JSON, such as {"key": "value"}'),
        (row("json", schema={"type": "array"}), {}, "must be a list, not an object"),
        (row("string", collection="map"), 5, 'must be name-value pairs, such as {"name": "value"}'),
    ],
)
def test_a_refusal_says_what_to_do(given: Input, value: Any, says: str) -> None:
    assert [what for _, what in registry.complaints(given, value)] == [says]


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        ({"type": "string"}, 5, "must be text, not a number"),
        ({"type": ["integer", "null"]}, "a", "must be a whole number or null, not text"),
        ({"required": ["a", "b"]}, {"a": 1}, "lacks 'b'"),
        (
            {"properties": {"topic": {}}, "additionalProperties": False},
            {"topc": 1},
            "has the unknown key 'topc'. Did you mean 'topic'?",
        ),
        ({"enum": ["a", 1]}, "b", 'must be one of "a", 1'),
        ({"maxLength": 1}, "ab", "must have at most 1 characters; it has 2"),
        ({"minLength": 3}, "ab", "must have at least 3 characters; it has 2"),
        ({"maxItems": 1}, [1, 2], "must have at most 1 entries; it has 2"),
        ({"minItems": 1}, [], "must have at least 1 entries; it has 0"),
        ({"minimum": 2}, 1, "must be at least 2"),
        ({"maximum": 2}, 3, "must be at most 2"),
        ({"pattern": "^a"}, "b", "has the wrong format"),
    ],
)
def test_a_misfit_inside_json_is_a_sentence_without_the_instance(schema: Any, value: Any, says: str) -> None:
    assert [what for _, what in schema_faults.schema_faults(schema, value)] == [says]


def test_what_is_wrong_with_very_much_data_is_not_looked_for() -> None:
    schema = {"properties": {"items": {"items": {"type": "object"}}, "id": {"type": "string"}}}
    value = {"items": [{} for _ in range(schema_faults.LARGE)], "id": 5}
    (fault,) = schema_faults.schema_faults(schema, value)
    assert fault == ((), "does not have the required structure; it is too large to say where")
    assert schema_faults.schema_faults(schema, {**value, "id": ""}) == []


def warned(row: Input, value: Any) -> list[str]:
    table = InputTable.of("t", "T", (row,))
    return [warning.what for warning in bind(CompiledInputs(table), {row.key: value}).warnings]


def test_a_number_warns_where_its_schema_says_so_and_nowhere_else() -> None:
    def row(*schemas: dict[str, Any], **more: Any) -> Input:
        warn = tuple(Warn(when=(), schema=schema, says=f"odd {number}") for number, schema in enumerate(schemas))
        return Input(key="n", label="N", type="integer", warn=warn, **more)

    both = row({"minimum": 1}, {"maximum": 5})
    assert [warned(both, value) for value in (0, 1, 5, 6)] == [["odd 0"], [], [], ["odd 1"]]
    other = row({"minimum": 1}, {"enum": [2, 4]})
    assert [warned(other, value) for value in (0, 2, 3)] == [["odd 0", "odd 1"], [], ["odd 1"]]
    old = row(deprecated="give m")
    assert warned(old, 3) == ["'N' is deprecated: give m"]
    assert warned(row({"minimum": 1}, deprecated="give m"), 3) == ["'N' is deprecated: give m"]
