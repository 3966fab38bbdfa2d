"""What JSON says, and that nothing in it can harm: numbers that fit nowhere, depth, size, and keys that stand twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector_runtime.calls.answers import page, parse
from connector_runtime.language import json_text
from connector_runtime.model import Response


def body(content: bytes) -> Any:
    return parse(Response(status=200, headers={}, content=content)).body


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"18446744073709551616", 18446744073709551616),
        (b"-9223372036854775809", -9223372036854775809),
        (b'{"id": 123456789012345678901234567890}', {"id": 123456789012345678901234567890}),
        (b"[" + b"9" * 300 + b"]", [10**300 - 1]),
        (b"[" + b"9" * 301 + b"]", ["9" * 301]),
        (b"[1, -" + b"9" * 5000 + b"]", [1, "-" + "9" * 5000]),
        (b"1e400", "1e400"),
        (b"[NaN, -Infinity, 1e-400]", ["NaN", "-Infinity", 0.0]),
        (b'"\\ud800"', "\ud800"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"\xef\xbb\xbf[1]", [1]),
        ("[1]".encode("utf-16"), [1]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_an_answer_is_read_without_loss_and_what_json_cannot_hold_becomes_text(text: bytes, value: Any) -> None:
    assert repr(body(text)) == repr(value)


@pytest.mark.parametrize("text", [b"[1,]", b'{"a": [1, 2', b'"\xff"', b"[" * 2000 + b"]" * 2000, b"<html>", b""])
def test_what_is_no_json_or_nested_too_deeply_is_refused(text: bytes) -> None:
    with pytest.raises(json_text.JsonError):
        json_text.read(text)


def test_the_numbers_that_became_text_are_told() -> None:
    odd: list[str] = []
    assert json_text.read("[1, NaN, 1e999, " + "7" * 400 + "]", odd) == [1, "NaN", "1e999", "7" * 400]
    assert odd == ["NaN", "1e999", "7" * json_text.SHOWN]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=JSON)
def test_any_json_is_read_as_it_was_written(data: Any) -> None:
    text = json.dumps(data, ensure_ascii=False).encode(errors="surrogatepass")
    assert repr(body(text)) == repr(data)


@pytest.mark.parametrize(
    ("value", "is_large"),
    [
        (None, False),
        ("x" * 63_000, False),
        ("x" * 65_000, True),
        ([1] * 1_998, False),
        ([1] * 2_000, True),
        ({str(number): number for number in range(2_000)}, True),
        ([[[[{"a": ["x" * 640] * 100}]]]], True),
        ([{"a": "x" * 30}] * 600, False),
        ([{"a": "x" * 30}] * 1_100, True),
    ],
)
def test_what_takes_long_to_write_is_known_before_it_is_written(value: Any, is_large: bool) -> None:
    assert json_text.is_large(value) is is_large


@pytest.mark.parametrize(
    "text", ["[" + "1," * 199_998 + "1]", '["' + ",[{" * 200_000 + '"]', '["' + '\\",' * 300_000 + '"]']
)
def test_as_many_values_are_read_as_may_be(text: str) -> None:
    assert json_text.read_strictly(text) and json_text.read_strictly(text.encode(), duplicates=True)


@pytest.mark.parametrize("text", ["[" + "1," * 200_000 + "1]", "[" + '"",' * 900_000 + "1]", '[{"\\\\":[]},' * 70_000])
@pytest.mark.parametrize("duplicates", [True, False])
def test_more_values_are_refused_before_they_are_read(text: str, duplicates: bool) -> None:
    with pytest.raises(json_text.JsonError, match=r"^contains more than 200,000 values$") as caught:
        json_text.read_strictly(text, duplicates=duplicates)
    assert caught.value.hint == "Send less at a time." and caught.value.place is None


@pytest.mark.parametrize("charset", ["UNICODE_ESCAPE", "utf-7", "punycode", "PUNYCODE", "idna", "nonsense", "utf-16"])
def test_a_text_in_any_charset_is_text_that_can_be_written(connector: Any, charset: str) -> None:
    content = b"\\ud800 +2AA-" + b"a9" * 500_000
    response = Response(200, {"content-type": f"text/plain; charset={charset}"}, content)
    spec = connector.actions["raw-request"]
    found = page(spec, response, parse(response), "read", "text").data
    assert found.encode()
    if charset.lower() in ("punycode", "idna", "unicode_escape", "nonsense"):  # left out: slow, or no text
        assert found == content.decode(errors="replace")


@pytest.mark.parametrize("part", [b"[]", b"{}", b'"[", []'])
def test_an_answer_of_very_many_objects_and_lists_is_refused_before_it_takes_their_memory(part: bytes) -> None:
    most = json_text.CONTAINERS
    assert len(json_text.read(b"[" + b",".join([part] * (most - 1)) + b"]")) >= most - 1
    with pytest.raises(json_text.JsonError, match="contains more than 1,000,000 objects and lists"):
        json_text.read(b"[" + b",".join([part] * (most + 1)) + b"]")


def test_signs_inside_texts_count_as_no_objects() -> None:
    text = json.dumps({"log": '{["' * json_text.CONTAINERS})
    assert json_text.read(text) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message", "hint", "place"),
    [
        (b"", "is empty", "Send a JSON object, at least {}.", None),
        (b" \n", "is empty", "Send a JSON object, at least {}.", None),
        (
            b'{"a": 1,\n b}',
            "is not JSON, from line 2, column 2 on",
            None,
            "line 2, column 2",
        ),
        (b"[1] x", "is not JSON, from line 1, column 5 on", None, "line 1, column 5"),
        (b"NaN", "is not JSON: NaN is not a JSON number", None, None),
        (b"[-Infinity]", "is not JSON: -Infinity is not a JSON number", None, None),
        (b"1e400", "contains a number that is too large", None, None),
        (b"9" * 5000, "contains a number that is too long", None, None),
        (b'"\xff"', "is not UTF-8 text (byte 1)", None, None),
        (b'{"a": {"b": 1, "b": 2}}', "contains the key 'b' twice", "Leave one of them out.", None),
        (b"[[[]]]", "is nested deeper than 2 levels", None, None),
        (b"[" * 100_000, "is nested deeper than 2 levels", None, None),
        (b"[" + b"1," * 200_001 + b"1]", "contains more than 200,000 values", "Send less at a time.", None),
    ],
)
def test_what_strangers_send_is_refused_with_the_reason(
    text: bytes, message: str, hint: str | None, place: str | None
) -> None:
    with pytest.raises(json_text.JsonError) as caught:
        json_text.read_strictly(text, depth=2)
    assert (str(caught.value), caught.value.hint, caught.value.place) == (message, hint, place)


def test_a_key_that_stands_twice_may_be_read_where_that_is_wanted() -> None:
    assert json_text.read_strictly(b'{"a": 1, "a": 2}', duplicates=True) == {"a": 2}
    assert json_text.read_strictly("[[1]]", depth=2) == [[1]]
    with pytest.raises(json_text.JsonError, match="nested too deeply"):
        json_text.read_strictly(b"[" * 100_000)


def test_the_fields_of_an_object_are_of_their_types_or_it_is_none() -> None:
    assert json_text.fields({"a": 1, "more": 2}, a=int, b=str | None) == {"a": 1, "b": None}
    for data, message in (
        ([], "is not an object"),
        ({"a": "1"}, "holds 'a' of the wrong type"),
        ({}, "holds 'a' of the wrong type"),
    ):
        with pytest.raises(json_text.JsonError) as caught:
            json_text.fields(data, a=int)
        assert str(caught.value) == message


def test_what_is_written_is_compact_json_that_every_reader_takes() -> None:
    assert json_text.write({"a": ["é", 1.5, None]}) == '{"a":["é",1.5,null]}'.encode()
    assert json_text.write("\ud800é") == b'"\\ud800\\u00e9"'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            json_text.write(number)
        with pytest.raises(ValueError, match="JSON compliant"):
            json_text.write(["\ud800", number])
