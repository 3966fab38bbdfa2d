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
    for (_, what), word in zip(found, ("twice", "tag", "JSON"), strict=True):
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
    assert "too much" in faults("\n".join(lines))[-1][1]


def test_depth_is_bounded() -> None:
    assert "depth" in faults("x: " + "[" * 500 + "]" * 500)[-1][1]


@pytest.mark.parametrize(
    "number", ["9" * 5000, "-" + "9" * 5000, "1e400", "-1e400", "0x" + "f" * 5000, "1" + "0" * 309]
)
def test_a_number_that_not_all_can_read_is_a_fault_with_its_line(number: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        documents.read(f"a: 1\nb:\n  c: {number}\nd: {number}\n", "x.yaml")
    what = "is a number that is too large for all to read it; put it in quotes if it is text"
    assert [tuple(problem) for problem in caught.value.problems] == [("x.yaml:3 b.c", what), ("x.yaml:4 d", what)]


def test_a_file_of_more_than_a_million_characters_is_not_read() -> None:
    longest = "a: b\n" + "#" * (1_000_000 - 5)
    assert documents.read(longest, "x.yaml").data == {"a": "b"}
    with pytest.raises(DefinitionError) as caught:
        documents.read(longest + "#", "x.yaml")
    what = "is longer than 1,000,000 characters; split it"
    assert [tuple(problem) for problem in caught.value.problems] == [("x.yaml:1", what)]
