"""What an answer says does not depend on which library reads it."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector_runtime.calls.answer import page, parse
from connector_runtime.language import json_text
from connector_runtime.model import Response

pytest.importorskip("orjson", reason="the extra `fast` is not installed")


def body(content: bytes) -> Any:
    return parse(Response(status=200, headers={}, content=content)).body


def plainly(content: bytes) -> Any:
    """As it is read where orjson is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_fastest", lambda: None)
        return body(content)


@pytest.mark.parametrize(
    "text",
    [
        b"18446744073709551615",
        b"18446744073709551616",
        b"-9223372036854775809",
        b'{"id": 123456789012345678901234567890}',
        b'["1234567890123456789"]',
        b"1e400",
        b"-0.0",
        b"NaN",
        b"[-Infinity, 1e-400]",
        b"[" + b"9" * 5000 + b"]",
        b"[1,]",
        b'"\\ud800"',
        b'"\\ud83d\\ude00"',
        b"\xef\xbb\xbf[1]",
        "[1]".encode("utf-16"),
        b'"\xff"',
        b'{"a": 1, "a": 2}',
        b"[" * 2000 + b"]" * 2000,
        b"<html>",
    ],
)
def test_an_answer_is_read_alike_with_orjson_and_without(text: bytes) -> None:
    assert repr(body(text)) == repr(plainly(text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=JSON)
def test_any_json_is_read_alike_with_orjson_and_without(data: Any) -> None:
    text = json.dumps(data, ensure_ascii=False).encode(errors="surrogatepass")
    assert repr(body(text)) == repr(plainly(text))


def test_answers_are_read_where_orjson_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "orjson", None)
    json_text._fastest.cache_clear()
    try:
        assert body(b'{"id": 18446744073709551616}') == {"id": 18446744073709551616}
    finally:
        json_text._fastest.cache_clear()


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
    with pytest.raises(json_text.JsonError, match=r"^holds more than 200,000 values$") as caught:
        json_text.read_strictly(text, duplicates=duplicates)
    assert caught.value.hint == "Send less at a time." and caught.value.place is None


@pytest.mark.parametrize("charset", ["UNICODE_ESCAPE", "utf-7", "punycode", "PUNYCODE", "idna", "nonsense", "utf-16"])
def test_a_text_in_any_charset_is_text_that_can_be_written_and_takes_no_time(connector: Any, charset: str) -> None:
    content = b"\\ud800 +2AA-" + b"a9" * 500_000
    response = Response(200, {"content-type": f"text/plain; charset={charset}"}, content)
    began = time.monotonic()
    spec = connector.actions["raw-request"]
    found = page(spec, response, parse(response), "read", "text").data
    assert time.monotonic() - began < 5 and found.encode()


@pytest.mark.parametrize("part", [b"[]", b"{}", b'"[", []'])
def test_an_answer_of_very_many_objects_and_lists_is_refused_before_it_takes_their_memory(part: bytes) -> None:
    most = json_text.CONTAINERS
    assert len(json_text.read(b"[" + b",".join([part] * (most - 1)) + b"]")) >= most - 1
    with pytest.raises(json_text.JsonError, match="holds more than 1,000,000 objects and lists"):
        json_text.read(b"[" + b",".join([part] * (most + 1)) + b"]")


def test_signs_inside_texts_count_as_no_objects() -> None:
    text = json.dumps({"log": '{["' * json_text.CONTAINERS})
    assert json_text.read(text) == json.loads(text)
