"""What all requests of a connector share, and who may override it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.calls import render
from connector_runtime.calls.credentials import check_base_url, lay_out
from connector_runtime.definitions import folders
from connector_runtime.errors import AuthError, InputError

CONNECTOR = """
key: acme
label: Acme
version: 2.5.0
base_url: "{site}/v1"
base: {site: {default: "https://api.acme.example/", hosts: [acme.example], pattern: "https?://[a-z.@:]+/?"}}
request: {headers: {X-Common: one, user-agent: ours, accept: application/acme}}
"""
ACTION = """
key: make-thing
label: Make Thing
effect: create
request: {method: POST, path: "/things/{id}", headers: {x-common: two}, query: {mode: json}, body: {fixed: {a: 1}}}
inputs:
  id: {label: Id, type: string, required: true, to: path}
  kind: {label: Kind, type: string, to: query}
  ids: {label: Ids, type: string, collection: list, to: body.ids, as: digits}
  any: {label: Any, type: any, to: body.any, as: digits}
  b: {label: B, type: integer, to: body.fixed.b}
  more: {label: More, type: json, schema: {type: object}, to: "body.fixed.*"}
  people: {label: People, type: json, schema: {type: array}}
compute:
  body.names: people | map(attribute='name')
  body.oldest: (people | sort(attribute='age') | last).name
"""
CONNECTION = """
key: token
label: Token
inputs:
  site: {label: Site, type: string, to: base}
  token: {label: Token, type: secret, required: true, to: header.Authorization, as: "Bearer {}"}
"""


@pytest.fixture
def action(tmp_path: Path) -> Any:
    for folder, name, text in (
        (".", "connector", CONNECTOR),
        ("actions", "make-thing", ACTION),
        ("connection", "token", CONNECTION),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.yaml").write_text(text)
    connector = folders.load(tmp_path)
    assert connector.check() == []
    return connector.actions["make-thing"]


def sent(action: Any, granted: dict[str, str], inputs: dict[str, Any] | None = None) -> Any:
    made = render.draft(action, action.bind({"id": "a/b", **(inputs or {})}).values)
    return render.finish(made, lay_out(action.profile, None, granted))


def test_constants_stand_on_every_request_and_the_nearer_one_wins(action: Any) -> None:
    shown = action.preview({"id": "1"})
    assert shown["url"] == "https://api.acme.example/v1/things/1?mode=json"
    headers = {name.lower(): value for name, value in shown["headers"].items()}
    assert len(headers) == len(shown["headers"])
    assert (headers["x-common"], headers["user-agent"], headers["accept"]) == ("two", "ours", "application/acme")
    assert shown["body"] == {"fixed": {"a": 1}}


def test_a_map_wins_over_constants_and_may_not_repeat_a_named_input(action: Any) -> None:
    shown = action.preview({"id": "1", "kind": "x", "b": 2, "more": {"a": 9, "c": 9}})
    assert shown["url"].endswith("?mode=json&kind=x")
    assert shown["body"] == {"fixed": {"a": 9, "b": 2, "c": 9}}
    with pytest.raises(InputError) as caught:
        action.preview({"id": "1", "b": 2, "more": {"b": 9}})
    assert [problem.where for problem in caught.value.problems] == ["inputs.more.b"]
    assert action.preview({"id": "1"})["body"] == {"fixed": {"a": 1}}, "constants are not changed by a call"


def test_a_computed_value_is_json_whatever_its_expression_gives(action: Any) -> None:
    people = [{"name": "A", "age": 2}, {"name": "B", "age": 1}]
    assert action.preview({"id": "1", "people": people})["body"] == {
        "fixed": {"a": 1},
        "names": ["A", "B"],
        "oldest": "A",
    }


@pytest.mark.parametrize("people", [[{"name": "A", "age": 2}, {"name": "B", "age": "x"}], [{"name": "A"}, 1], [1]])
def test_an_expression_that_fails_on_inputs_is_a_problem_of_theirs(action: Any, people: list[Any]) -> None:
    with pytest.raises(InputError) as caught:
        action.preview({"id": "1", "people": people})
    assert [problem.where for problem in caught.value.problems] == ["inputs.people"]


def test_the_connection_gives_its_secret_and_its_site(action: Any) -> None:
    request = sent(action, {"token": "t", "site": "https://eu.acme.example/"})
    assert request.url == "https://eu.acme.example/v1/things/a%2Fb?mode=json"
    assert dict(request.headers)["Authorization"] == "Bearer t"
    assert request.template == "/things/{id}"
    assert "Bearer t" not in repr(request)


@pytest.mark.parametrize(
    "site",
    [
        "https://evil.example",
        "https://acme.example.evil",
        "https://notacme.example",
        "http://api.acme.example",
        "https://a@api.acme.example",
        "https://x y",
    ],
)
def test_a_site_that_is_not_the_vendors_gets_no_token(action: Any, site: str) -> None:
    with pytest.raises(AuthError):
        sent(action, {"token": "t", "site": site})


@pytest.mark.parametrize("token", ["", "a\nb", "é", "\x7f"])
def test_a_token_that_no_header_can_carry_is_not_sent(action: Any, token: str) -> None:
    with pytest.raises(AuthError):
        sent(action, {"token": token})


def test_values_that_no_kind_of_connection_gives_are_not_dropped_silently(action: Any) -> None:
    with pytest.raises(AuthError, match="password"):
        sent(action, {"token": "t", "password": "x"})


@pytest.mark.parametrize(
    "url", ["https://a.example/v1", "http://localhost:1/v1", "http://127.0.0.1:8/x", "http://[::1]:8"]
)
def test_a_base_url_is_https_or_on_this_machine(url: str) -> None:
    check_base_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "https://",
        "https://u@a.example",
        "https://a.example?x",
        "https://a.example#x",
        "x",
        "http://127.0.0.1.evil",
    ],
)
def test_any_other_base_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="base_url"):
        check_base_url(url)


def test_a_default_that_is_filled_in_decides_as_if_it_were_given(tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "connector.yaml").write_text("key: acme\nlabel: Acme\nbase_url: https://api.acme.example\n")
    (tmp_path / "actions" / "go.yaml").write_text("""
key: go
label: Go
request: {method: POST, path: /go}
inputs:
  way: {label: Way, type: string, required: true, choices: [road, rail], default: road, to: body}
  lane: {label: Lane, type: integer, only_when: {way: road}, to: body}
  track: {label: Track, type: integer, required: true, only_when: {way: rail}, to: body}
""")
    action = folders.load(tmp_path).actions["go"]
    assert action.preview({"lane": 2})["body"] == {"way": "road", "lane": 2}
    assert action.preview({"way": "", "lane": 2})["body"] == {"way": "road", "lane": 2}
    for inputs, where in (
        ({"way": "rail", "lane": 2, "track": 1}, "inputs.lane"),
        ({"way": "rail"}, "inputs.track"),
        ({"track": 1}, "inputs.track"),
    ):
        with pytest.raises(InputError) as caught:
            action.preview(inputs)
        assert [problem.where for problem in caught.value.problems] == [where]


def test_a_value_nested_too_deeply_is_refused_with_its_place(action: Any) -> None:
    deep: Any = {}
    for _ in range(200):
        deep = {"a": deep}
    with pytest.raises(InputError) as caught:
        action.preview({"id": "1", "more": deep})
    ((where, what),) = [(problem.where, problem.what) for problem in caught.value.problems]
    assert where.startswith("inputs.more.a.a.")
    assert what == "is nested deeper than 100 levels"


def test_a_codec_writes_a_list_item_by_item(action: Any) -> None:
    """Also a list that an input of any type holds."""
    given = {"ids": ["812 79", "x-1"], "any": ["1 2", "3"]}
    body = json.loads(sent(action, {"token": "t"}, given).content)
    assert (body["ids"], body["any"]) == (["81279", "x-1"], ["12", "3"])
    assert json.loads(sent(action, {"token": "t"}, {"any": "1 2"}).content)["any"] == "12"
