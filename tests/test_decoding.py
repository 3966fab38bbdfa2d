"""What an answer says does not depend on which library reads it."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector_runtime.calls.answer import parse
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
