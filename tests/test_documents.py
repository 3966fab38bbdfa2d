"""Strict YAML: what a definition may hold, and where its faults are reported."""

from __future__ import annotations

from typing import Any

import pytest

from connector_runtime.definitions import documents
from connector_runtime.errors import DefinitionError


def faults(text: str) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionError) as caught:
        documents.read(text, "actions/x.yaml")
    return [(problem.where, problem.what) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("12:30:00", "12:30:00"),
        ("2026-11-01", "2026-11-01"),
        ("1_000", "1_000"),
        ("~", None),
        ("true", True),
        ("'true'", "true"),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5e3", 1500.0),
        ("-3", -3),
        ('"8"', "8"),
        ("[a, 'b']", ["a", "b"]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    data = documents.read(f"x: {text}", "x.yaml").data["x"]
    assert data == value
    assert type(data) is type(value)


def test_a_path_is_reported_with_the_line_of_its_nearest_key() -> None:
    document = documents.read("a:\n  b:\n    - c: 1\n    - d: 2\n", "actions/x.yaml")
    assert document.where(("a", "b", 1, "d")) == "actions/x.yaml:4 a.b.1.d"
    assert document.where(("a", "b", 0, "missing")) == "actions/x.yaml:3 a.b.0.missing"
    assert document.where() == "actions/x.yaml:1"


def test_all_faults_that_can_be_told_at_once_are_told() -> None:
    found = faults("a: 1\na: 2\nb: !!python/object:os.system x\nc: .nan\n")
    assert [where for where, _ in found] == ["actions/x.yaml:2 a", "actions/x.yaml:3 b", "actions/x.yaml:4 c"]
    for (_, what), word in zip(found, ("duplicate", "tag", "JSON"), strict=True):
        assert word in what


def test_a_merge_key_is_refused_so_that_each_file_reads_alone() -> None:
    ((where, what),) = faults("a: &a {x: 1}\nb:\n  <<: *a\n")
    assert where == "actions/x.yaml:3 b"
    assert "<<" in what


def test_a_tab_and_an_empty_file_are_named() -> None:
    for text, line, word in (("a:\n\tb: 1\n", 2, "tab"), ("", 1, "empty"), ("# only a comment\n", 1, "empty")):
        ((where, what),) = faults(text)
        assert where == f"actions/x.yaml:{line}"
        assert word in what


def test_an_alias_bomb_is_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 8)]
    assert "aliases" in faults("\n".join(lines))[-1][1]


def test_depth_is_bounded() -> None:
    assert "deeply" in faults("x: " + "[" * 500 + "]" * 500)[-1][1]


@pytest.mark.parametrize(
    "number", ["9" * 5000, "-" + "9" * 5000, "1e400", "-1e400", "0x" + "f" * 5000, "1" + "0" * 309]
)
def test_a_number_that_not_all_can_read_is_a_fault_with_its_line(number: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        documents.read(f"a: 1\nb:\n  c: {number}\nd: {number}\n", "x.yaml")
    what = "is a number too large for some programs; put it in quotes if it is text"
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("x.yaml:3 b.c", what),
        ("x.yaml:4 d", what),
    ]


def test_a_file_of_more_than_a_million_characters_is_not_read() -> None:
    longest = "a: b\n" + "#" * (1_000_000 - 5)
    assert documents.read(longest, "x.yaml").data == {"a": "b"}
    with pytest.raises(DefinitionError) as caught:
        documents.read(longest + "#", "x.yaml")
    what = "is longer than 1,000,000 characters; split it"
    assert [(problem.where, problem.what) for problem in caught.value.problems] == [("x.yaml:1", what)]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("a: 1\na: 2\n", ":2 a", "is a duplicate key; keep one"),
        ("a: !x b\n", ":1 a", "has the tag !x, which definitions do not use; put text that begins with ! in quotes"),
        (
            "a: !!int 5\n",
            ":1 a",
            "has the tag !!int, which definitions do not use; put text that begins with ! in quotes",
        ),
        ("a: .inf\n", ":1 a", ".inf is not a number in JSON; put it in quotes if it is text"),
        ("a: -.INF\n", ":1 a", "-.INF is not a number in JSON; put it in quotes if it is text"),
        ("{a: 1}: 2\n", ":1", "has a key that is not text; put a value that begins with { or [ in quotes"),
        (
            "a: &a {x: 1}\nb: {<<: *a}\n",
            ":2 b",
            "merges with <<, which definitions do not use; write the keys out",
        ),
        ("a:\n\tb: 1\n", ":2", "is indented with a tab; use spaces"),
        ("", ":1", "is empty; write a definition, or delete the file"),
        (
            "a: b: c\n",
            ":1",
            "is not YAML: mapping values are not allowed in this context; put text with a colon "
            "in quotes, or change the indentation",
        ),
        ("a: [1, 2\nb: 3\n", ":1", "is not YAML: a { or [ that begins here is not closed; close it, or add a comma"),
        ('a: "b\n', ":1", "is not YAML: a quote that begins here is not closed; close it, or add a comma"),
        ("a: @b\n", ":1", "is not YAML: found character that cannot start any token; put the text in quotes"),
        ("a: 1\n---\nb: 2\n", ":2", "is not YAML: but found another document; write one file for each"),
        (
            "a: *b\n",
            ":1",
            "is not YAML: found undefined alias; put text that begins with * in quotes, or write out the "
            "value of the alias",
        ),
        ("a: \x01\n", ":1", "is not YAML: control characters are not allowed; type the line again"),
    ],
)
def test_each_fault_says_where_it_is_and_what_to_do(text: str, where: str, what: str) -> None:
    assert faults(text) == [(f"actions/x.yaml{where}", what)]


def test_as_much_as_may_be_is_read_and_no_more() -> None:
    deepest = "x: " + "[" * 60 + "]" * 60
    assert documents.read(deepest, "x.yaml").data["x"]
    ((where, what),) = faults("x: " + "[" * 61 + "]" * 61)
    assert (where, what) == ("actions/x.yaml:1", "is nested too deeply; write less")
    nodes = documents.MAX_NODES
    assert len(documents.read("[" + "1," * (nodes - 1) + "]", "x.yaml").data) == nodes - 1
    assert faults("[" + "1," * nodes + "]")[-1][1] == "is too large with its aliases; write less"


def test_quoted_texts_are_texts_and_lines_are_those_of_keys() -> None:
    document = documents.read("a:\n  '<<': 1\n  b: '.inf'\n", "x.yaml")
    assert document.data == {"a": {"<<": 1, "b": ".inf"}}
    assert document.where(("a", "b")) == "x.yaml:3 a.b" and document.where(("c",), 7) == "x.yaml:7 c"
    assert document.line() == 1 and document.line(("a", "b", "c")) == 3
