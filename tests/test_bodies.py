"""How bodies and queries are written, to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connector_runtime.calls import bodies
from connector_runtime.calls.bodies import FormPart
from connector_runtime.model import Place


@pytest.mark.parametrize(
    ("data", "fields"),
    [
        ({"a": 1, "b": True, "c": "x y"}, [("a", "1"), ("b", "true"), ("c", "x y")]),
        ({"address": {"city": "Bonn"}}, [("address[city]", "Bonn")]),
        ({"items": [{"price": "p1"}, {"price": "p2"}]}, [("items[0][price]", "p1"), ("items[1][price]", "p2")]),
        ({"a": None}, [("a", "")]),
        ({}, []),
    ],
)
def test_nested_data_becomes_form_fields_with_brackets(data: Any, fields: list[tuple[str, str]]) -> None:
    assert bodies.flat(data) == fields


def test_a_multipart_body_is_written_as_rfc_7578_has_it() -> None:
    parts = [FormPart("name", b"Logo"), FormPart('f"1', b"\x00\xff", 'a"b\r\n.png', "image/png")]
    content, shown, kind = bodies.written(None, parts, "json", [])
    assert content is not None and kind is not None
    boundary = kind.partition("boundary=")[2].encode()
    assert content == (
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="name"\r\n\r\nLogo\r\n'
        b"--" + boundary + b'\r\nContent-Disposition: form-data; name="f%221"; filename="a%22b%0D%0A.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x00\xff\r\n--" + boundary + b"--\r\n"
    )
    assert shown == {
        "multipart": [
            {"name": "name", "value": "Logo"},
            {"name": 'f"1', "filename": 'a"b\r\n.png', "content_type": "image/png", "bytes": 2},
        ]
    }
    assert bodies.written(None, parts, "json", [])[0] == content, "the same values always give the same bytes"
    assert boundary not in b"".join(part.content for part in parts)


def test_a_file_is_decoded_and_named_after_its_part_unless_it_says_otherwise() -> None:
    assert bodies.part("f", {"base64": "aGk="}) == FormPart("f", b"hi", "f", "application/octet-stream")
    full = {"base64": "aGk=", "filename": "a.txt", "content_type": "text/plain"}
    assert bodies.part("f", full) == FormPart("f", b"hi", "a.txt", "text/plain")
    assert bodies.part("n", 1.0) == FormPart("n", b"1")
    assert bodies.renamed([FormPart("f", b"", "x"), FormPart("g", b"", "y")], {"f": "z"}) == [
        FormPart("f", b"", "z"),
        FormPart("g", b"", "y"),
    ]


@pytest.mark.parametrize(
    ("body", "headers", "content", "shown", "kind"),
    [
        (None, [], None, None, None),
        ({"a": "é"}, [], '{"a":"é"}'.encode(), {"a": "é"}, "application/json"),
        ([1], [("content-type", "x/y")], b"[1]", [1], None),
        ('{"a": 1}', [], b'{"a": 1}', {"a": 1}, "application/json"),
        ("[1, 2]", [], b"[1, 2]", [1, 2], "application/json"),
        ("{no json", [], b"{no json", "{no json", "text/plain; charset=utf-8"),
        ('{"a": 1}', [("Content-Type", "x/y")], b'{"a": 1}', '{"a": 1}', None),
        ("5", [], b"5", "5", "text/plain; charset=utf-8"),
        ({"base64": "aGk="}, [], b"hi", {"base64": "aGk="}, "application/octet-stream"),
        ({"base64": "aGk=", "x": 1}, [], b'{"base64":"aGk=","x":1}', {"base64": "aGk=", "x": 1}, "application/json"),
    ],
)
def test_a_body_is_written_by_what_it_is(body: Any, headers: Any, content: Any, shown: Any, kind: Any) -> None:
    assert bodies.written(body, [], "json", headers) == (content, shown, kind)


def test_a_form_body_is_url_encoded() -> None:
    content, shown, kind = bodies.written({"a": "x y&é", "b": {"c": 1}}, [], "form", [])
    assert (content, kind) == (b"a=x%20y%26%C3%A9&b%5Bc%5D=1", "application/x-www-form-urlencoded")
    assert shown == {"a": "x y&é", "b": {"c": 1}}


def test_what_json_cannot_carry_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        bodies.dumps({"a": float("inf")})
    assert json.loads(bodies.dumps({"a": 2**63})) == {"a": 2**63}


def test_new_pairs_replace_old_ones_of_their_name_and_repeats_among_them_stay() -> None:
    old = [("A", "1"), ("b", "2")]
    assert bodies.merged(old, [("a", "3")]) == [("A", "1"), ("b", "2"), ("a", "3")]
    assert bodies.merged(old, [("a", "3"), ("a", "4")], folded=True) == [("b", "2"), ("a", "3"), ("a", "4")]
    assert bodies.pairs(Place("query", ("x",)), [1, True]) == [("x", "1"), ("x", "true")]
    assert bodies.pairs(Place("query", (), spread=True), {"a": 1}) == [("a", "1")]
    assert bodies.pairs(Place("query", (), spread=True), [("a", 1), ("a", "b")]) == [("a", "1"), ("a", "b")]
