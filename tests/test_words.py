"""The vocabulary: places, codecs, links, expressions."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from connector_runtime.language import codecs, expressions, places
from connector_runtime.model import Place


@pytest.mark.parametrize(
    ("text", "key", "place"),
    [
        ("path", "user_id", Place("path", ("user_id",))),
        ("body", "topic", Place("body", ("topic",))),
        ("body.settings.audio", "x", Place("body", ("settings", "audio"))),
        ("body.settings.*", "x", Place("body", ("settings",), spread=True)),
        ("body.*", "x", Place("body", (), spread=True)),
        ("query.page[size]", "x", Place("query", ("page[size]",))),
        ("query.a.b", "x", Place("query", ("a.b",))),
        ("header.*", "x", Place("header", (), spread=True)),
        ("request.path", "url", Place("request", ("path",))),
        ("call.retry.max_count", "x", Place("call", ("retry.max_count",))),
        ("base", "shop", Place("base", ("shop",))),
    ],
)
def test_a_place_says_where_a_value_goes(text: str, key: str, place: Place) -> None:
    assert places.place(text, key) == place
    assert places.place(str(place), "other") == place


def test_a_source_says_where_a_value_comes_from() -> None:
    answer = places.Answer(
        418, {"x-a": "1", "link": '<https://a.b/?p=2>; rel="next", <https://a.b/?p=9>; rel="last"'}, {"a": [{"b": 0}]}
    )
    for source, value in (
        ("status", 418),
        ("header.X-A", "1"),
        ("header.x-b", None),
        ("body.a.0.b", 0),
        ("body.a.-1.b", 0),
        ("body.a.1.b", None),
        ("body.a.x", None),
        ("body.a.0.b.c", None),
        ("body", {"a": [{"b": 0}]}),
        ("link.next", "https://a.b/?p=2"),
        ("link.last", "https://a.b/?p=9"),
        ("link.prev", None),
    ):
        assert places.look(source, answer) == value, source


@pytest.mark.parametrize(
    ("header", "links"),
    [
        ("", {}),
        ("<https://a/>; rel=next", {"next": "https://a/"}),
        (
            '<https://a/?x=1,2>; title="a, b"; rel="next prefetch"',
            {"next": "https://a/?x=1,2", "prefetch": "https://a/?x=1,2"},
        ),
        ("garbage", {}),
    ],
)
def test_links_are_read_by_their_rel(header: str, links: dict[str, str]) -> None:
    assert places.links(header) == links


@pytest.mark.parametrize(
    ("codec", "value", "written"),
    [
        ("csv", [1, 2], "1,2"),
        ("csv", "a", "a"),
        ("csv", [], ""),
        ("json", {"a": [1, None]}, '{"a":[1,null]}'),
        ("json", [1], "[1]"),
        ("json", "é", '"é"'),
        ("base64", "é", "w6k="),
        ("digits", "812 7943\u20112123", "81279432123"),
        ("digits", "abc-1", "abc-1"),
        ("digits", ["1 2", "3"], ["12", "3"]),
        ("slash_twice", "/a", "%2Fa"),
        ("slash_twice", "a//b", "a%2F%2Fb"),
        ("slash_twice", "a/b", "a/b"),
        ("utc", "2026-11-01T09:00:00-05:30", "2026-11-01T14:30:00Z"),
        ("utc", "2026-11-01t09:00z", "2026-11-01T09:00:00Z"),
        ("date_or_utc", "2026-11-01", "2026-11-01"),
        ("local_or_utc", "2026-11-01 09:00:30.9", "2026-11-01T09:00:30"),
        ("Bearer {}", "x", "Bearer x"),
        ("<{}>", 5, "<5>"),
        ("Bearer {}", "{}", "Bearer {}"),
    ],
)
def test_a_codec_writes_a_value(codec: str, value: Any, written: Any) -> None:
    found = codecs.codec(codec)
    assert found is not None
    assert codecs.encode((found,), value) == written


def test_codecs_apply_in_turn_and_others_can_be_brought() -> None:
    digits, twice = codecs.codec("digits"), codecs.codec("slash_twice")
    assert digits and twice
    assert codecs.encode((digits, twice), "123 456") == "123456"
    assert codecs.encode((digits, twice), "/x//") == "%2Fx%2F%2F"
    own = codecs.codec("loud", {"loud": str.upper})
    assert own and codecs.encode((own,), "a") == "A"
    assert codecs.codec("none") is None
    assert codecs.codec("{}{}") is None


@given(st.text())
def test_codecs_are_total_on_text(text: str) -> None:
    whole = text.encode("utf-8", "ignore").decode()
    written = {name: codecs.encode((codec,), whole) for name, codec in codecs.CODECS.items()}
    assert len(written) == 8 and {type(each) for each in written.values()} == {str}
    assert (written["csv"], json.loads(written["json"])) == (whole, whole)
    assert base64.b64decode(written["base64"]).decode() == whole
    assert set(written["digits"]) <= set(whole)
    splits = whole.startswith("/") or "//" in whole  # what Zoom asks to encode twice: a path encodes it again
    assert written["slash_twice"] == (quote(whole, safe="") if splits else whole)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1.5, "1.5"),
        (2.0, "2"),
        (10**20, "100000000000000000000"),
        (None, "null"),
        ([1, "é"], '[1,"é"]'),
        ({"a": 1}, '{"a":1}'),
    ],
)
def test_a_value_as_text(value: Any, text: str) -> None:
    assert places.text_of(value) == text


def test_an_expression_is_compiled_from_the_definition_and_knows_its_names() -> None:
    plain = expressions.expression("owner")
    assert (plain.value({"owner": "{{ x }}"}), plain.names) == ("{{ x }}", frozenset(["owner"]))
    made = expressions.expression("'repo:' ~ owner ~ '/' ~ repo")
    assert made.value({"owner": "{{ 7*7 }}", "repo": "r"}) == "repo:{{ 7*7 }}/r"
    assert made.names == {"owner", "repo"}
    with pytest.raises(ValueError, match="expected"):
        expressions.expression("'repo:' ~")


def test_an_expression_reaches_nothing_of_python() -> None:
    from jinja2.exceptions import SecurityError

    with pytest.raises(SecurityError):
        expressions.expression("x.__class__.__mro__").value({"x": ""})
