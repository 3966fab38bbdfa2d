"""What the words promise beyond what the five vendors need, with a folder made for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector_runtime import Client, Connector, load
from connector_runtime.calls import render
from connector_runtime.calls.credentials import lay_out
from connector_runtime.errors import ApiError, AuthError, InputError
from connector_runtime.language.places import links

from .conftest import example

FILES = {
    "connector.yaml": """
        key: acme
        label: Acme
        base_url: https://api.acme.example/v1
        request: {headers: {Accept: application/vnd.acme+json, X-Common: all}}
        idempotency: {to: query.request_id}
    """,
    "connection/regional.yaml": """
        key: regional
        label: Regional
        inputs:
          key: {label: Key, type: secret, required: true, to: query.key}
          region: {label: Region, type: string, required: true, to: header.X-Region}
    """,
    "connection/simple.yaml": """
        key: simple
        label: Simple
        inputs:
          key: {label: Key, type: secret, required: true, to: header.X-Key}
          trace: {label: Trace, type: string, to: header.X-Trace}
    """,
    "actions/make.yaml": """
        key: make
        label: Make
        effect: create
        request: {method: POST, path: /things, headers: {X-Common: mine, X-Own: "1"}, body: {kind: a}}
        inputs:
          given: {label: Given, type: string, to: header.Accept}
    """,
}


@pytest.fixture
def acme(tmp_path: Path) -> Connector:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(line[8:] for line in text.strip("\n").splitlines()) + "\n")
    connector = load(tmp_path)
    assert connector.check() == []
    return connector


def test_an_actions_own_headers_go_before_the_common_ones_and_an_input_before_both(acme: Connector) -> None:
    headers = acme.actions["make"].preview({})["headers"]
    assert (headers["X-Common"], headers["X-Own"]) == ("mine", "1")
    assert headers["Accept"] == "application/vnd.acme+json"
    assert acme.actions["make"].preview({"given": "text/csv"})["headers"]["Accept"] == "text/csv"


def test_an_idempotency_key_may_stand_in_the_query(acme: Connector) -> None:
    url = "https://api.acme.example/v1/things?request_id=***&key=***"
    assert acme.actions["make"].preview({})["url"] == url


def test_of_two_kinds_that_take_the_values_it_is_the_one_that_lacks_nothing(acme: Connector) -> None:
    def request(**given: str) -> tuple[str, dict[str, str]]:
        made = render.finish(render.draft(acme.actions["make"], {}), lay_out(acme.profile, None, given))
        return made.url, dict(made.headers)

    url, headers = request(key="abc")
    assert (url, headers["X-Key"]) == ("https://api.acme.example/v1/things", "abc")
    url, headers = request(key="abc", region="eu")
    assert (url, headers["X-Region"]) == ("https://api.acme.example/v1/things?key=abc", "eu")
    assert "X-Key" not in headers
    with Client(acme, connection={"key": "abc"}), Client(acme, connection={"key": "abc", "region": "eu"}):
        pass
    with pytest.raises(InputError, match=r"connection\.regoin: is not an input .* Did you mean 'region'"):
        Client(acme, connection={"key": "abc", "regoin": "eu"})
    with pytest.raises(AuthError, match="password"):
        request(password="x")


@pytest.mark.parametrize(
    ("onward", "query"),
    [
        ("/data/2.5/weather?q=a&appid=old%2Bkey&page=2", "q=a&page=2&appid=new%2Fkey"),
        ("/data/2.5/weather?%61ppid=old", "appid=new%2Fkey"),
        ("/data/2.5/weather", "appid=new%2Fkey"),
        ("?page=2&sig=a%2Fb+c&", "page=2&sig=a%2Fb+c&&appid=new%2Fkey"),
        ("https://API.openweathermap.org:443/data/2.5/weather?page=2#top", "page=2&appid=new%2Fkey"),
    ],
)
def test_a_key_in_the_query_goes_along_to_the_next_page_once_and_masked(onward: str, query: str) -> None:
    action = example("weather").actions["current"]
    made, given = render.draft(action, {"city": "a"}), lay_out(action.profile, None, {"api_key": "new/key"})
    request = render.finish(made.with_value(None, render.next_query(made, given, onward)), given)
    assert request.url == f"https://api.openweathermap.org/data/2.5/weather?{query}"
    assert request.shown == request.url.replace("new%2Fkey", "***")


@pytest.mark.parametrize(
    "onward",
    [
        "http://api.openweathermap.org/data/2.5/weather",
        "https://api.openweathermap.org:8443/",
        "https://api.openweathermap.org@evil.example/",
        "https://user@api.openweathermap.org/",
        "https://evil.example\\@api.openweathermap.org/",
        "https://api.openweathermap.org.evil.example/",
        "https://api.openweathermap.org:port/",
        "javascript:alert(1)",
        "//evil.example/data",
    ],
)
def test_a_next_page_elsewhere_is_refused(onward: str) -> None:
    action = example("weather").actions["current"]
    made, given = render.draft(action, {"city": "a"}), lay_out(action.profile, None, {"api_key": "new/key"})
    with pytest.raises(ApiError, match=r"another host|not a URL"):
        render.next_query(made, given, onward)


def test_a_next_page_at_another_path_is_the_query_it_has_or_refused() -> None:
    action = example("weather").actions["current"]
    made, given = render.draft(action, {"city": "a"}), lay_out(action.profile, None, {"api_key": "new/key"})
    assert render.next_query(made, given, "/data/3.0/other?page=2&appid=old") == "page=2"
    for onward in ("/data/3.0/other", "/data/2.5/weather/../other", "/"):
        with pytest.raises(ApiError, match="path differs"):
            render.next_query(made, given, onward)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('<https://a/?b=1,2;3>; rel="next"', {"next": "https://a/?b=1,2;3"}),
        ("<https://a>; rel=next", {"next": "https://a"}),
        ('<a>; title="x, y; rel=prev"; rel="next last", <b>; REL = "Prev"', {"next": "a", "last": "a", "prev": "b"}),
        ("<a>; prel=next", {}),
        ("<a>", {}),
        ("", {}),
        ("rubbish", {}),
    ],
)
def test_a_link_header_is_read_as_its_rfc_writes_it(header: str, found: dict[str, str]) -> None:
    assert links(header) == found
