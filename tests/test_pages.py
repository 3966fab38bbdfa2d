"""The styles of getting to the next page, each in a folder of its own, played without a network."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from plays import Play

from connector_runtime.calls.credentials import lay_out
from connector_runtime.calls.exchange import CallTerms, exchange, fold
from connector_runtime.definitions import folders
from connector_runtime.errors import ApiError, AuthError, TransportError
from connector_runtime.model import Response, Result
from connector_runtime.steps import Send, Token

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CONNECTOR = """
key: acme
label: Acme
base_url: https://api.acme.example/v1
paging: {paging}
"""
ACTION = """
key: list-things
label: List Things
effect: read
request: {{method: {method}, path: /things{constants}}}
paging: {{items: {items}}}
inputs:
  kind: {{label: Kind, type: string, to: {to}}}
"""


def play(
    folder: Path,
    paging: str,
    answers: list[Any],
    *,
    items: str = "things",
    limit: int | None = None,
    inputs: dict[str, Any] | None = None,
    **more: str,
) -> tuple[Result, list[Any]]:
    (folder / "actions").mkdir()
    (folder / "connector.yaml").write_text(CONNECTOR.replace("{paging}", paging))
    said = {"method": "GET", "constants": "", "to": "query", **more}
    (folder / "actions" / "list-things.yaml").write_text(ACTION.format(items=items, **said))
    action = folders.load(folder).actions["list-things"]
    plays = Play({Token: lay_out(action.profile, None, {}), Send: [_answer(*answer) for answer in answers]})
    result = fold(
        plays(exchange(action, action.bind({"kind": "a b", **(inputs or {})}), CallTerms(limit=limit))), action.paging
    )
    return result, [step.request for step in plays.of(Send)]


def _answer(headers: dict[str, str], body: Any) -> Response:
    headers = {"content-type": "application/json", **headers}
    return Response(status=200, headers=headers, content=json.dumps(body).encode())


def targets(sent: list[Any]) -> list[str]:
    return [request.url.removeprefix("https://api.acme.example/v1") for request in sent]


def test_a_link_header_is_followed_and_a_bare_array_is_the_data(tmp_path: Path) -> None:
    following = {"link": '<https://api.acme.example/v1/things?kind=a+b&page=2>; rel="next"'}
    result, sent = play(tmp_path, "{next: {from: link.next, to: url}}", [(following, [1]), ({}, [2])], items=".")
    assert result.data == [1, 2]
    assert targets(sent) == ["/things?kind=a%20b", "/things?kind=a+b&page=2"]


def test_a_next_url_on_another_host_gets_nothing(tmp_path: Path) -> None:
    away = {"link": '<https://evil.example/things>; rel="next"'}
    with pytest.raises((ApiError, AuthError, TransportError)):
        play(tmp_path, "{next: {from: link.next, to: url}}", [(away, [1])], items=".")


def test_the_last_items_id_leads_on_while_there_is_more(tmp_path: Path) -> None:
    paging = "{next: {from: items.-1.id, while: {body.more: true}, to: query.after}}"
    answers = [
        ({}, {"things": [{"id": "a"}, {"id": "b"}], "more": True}),
        ({}, {"things": [{"id": "c"}], "more": False}),
    ]
    result, sent = play(tmp_path, paging, answers)
    assert [thing["id"] for thing in result.data["things"]] == ["a", "b", "c"]
    assert targets(sent) == ["/things?kind=a%20b", "/things?kind=a%20b&after=b"]


def test_an_offset_grows_by_the_items_of_each_page_until_one_is_empty(tmp_path: Path) -> None:
    answers: list[Any] = [({}, {"things": [1, 2]}), ({}, {"things": [3]}), ({}, {"things": []})]
    result, sent = play(tmp_path, "{next: {from: query.offset, plus: count, to: query.offset}}", answers)
    assert result.data == {"things": [1, 2, 3]}
    assert targets(sent) == ["/things?kind=a%20b", "/things?kind=a%20b&offset=2", "/things?kind=a%20b&offset=3"]


def test_an_offset_list_that_gives_the_same_page_again_is_no_loop(tmp_path: Path) -> None:
    answers: list[Any] = [({}, {"things": [{"id": 1}]})] * 2
    with pytest.raises(ApiError, match="after 2 items, Acme sent the same page again") as caught:
        play(tmp_path, "{next: {from: query.offset, plus: count, to: query.offset}}", answers)
    assert (caught.value.items_read, caught.value.cursor, caught.value.retriable) == (2, None, True)


@pytest.mark.parametrize(("total", "pages"), [(2, 1), (3, 2), (4, 2), (5, 3)])
def test_an_offset_paged_list_never_asks_past_its_end(tmp_path: Path, total: int, pages: int) -> None:
    paging = "{next: {from: query.offset, plus: count, below: body.total, to: query.offset}, keys: [total]}"
    items = [*range(total)]
    answers = [({}, {"things": items[at : at + 2], "total": total}) for at in range(0, total, 2)]
    result, sent = play(tmp_path, paging, answers)
    assert result.data["things"] == items
    assert len(sent) == pages


@pytest.mark.parametrize(
    ("asked", "answered", "warns"),
    [
        ({"from": "2026-05-01", "to": "2026-11-01"}, {"from": "2026-10-01", "to": "2026-11-01"}, ["inputs.from"]),
        ({"from": "2026-10-01", "to": "2026-11-01"}, {"from": "2026-10-01", "to": "2026-11-01"}, []),
        ({"from": "2026-10-01T08:00:00Z", "to": "2026-11-01"}, {"from": "2026-10-01", "to": "2026-11-01"}, []),
        ({"from": "2026-10-01", "to": "2026-11-01"}, {"from": "soon", "to": None}, []),
        ({}, {"from": "2026-10-01", "to": "2026-11-01"}, []),
    ],
)
def test_a_response_about_another_range_than_was_asked_for_causes_a_warning(
    tmp_path: Path, asked: dict[str, str], answered: dict[str, Any], warns: list[str]
) -> None:
    rows = "".join(
        f"\n  {name}: {{label: {name.title()}, type: datetime, to: query, as: date_or_utc}}" for name in ("from", "to")
    )
    answers = [({}, {"things": [1], "next": "t", **answered}), ({}, {"things": [2], **answered})]
    paging = "{next: {from: body.next, to: query.token}}"
    result, _ = play(
        tmp_path, paging, answers, inputs=asked, to=f"query}}{rows}\n  other: {{label: Other, type: string, to: query"
    )
    assert [warning.where for warning in result.warnings] == warns
    if warns:
        assert "'From' was 2026-05-01 but came back as 2026-10-01" in result.warnings[0].what


@pytest.mark.parametrize(
    ("first", "pages"),
    [
        ({"n": 1, "of": 3}, 3),
        ({"n": "1", "of": "2"}, 2),
        ({"n": 3, "of": 3}, 1),
        ({"n": None, "of": 3}, 1),
        ({"n": 1}, 1),
        ({"n": "x", "of": 2}, 1),
    ],
)
def test_a_page_number_grows_while_it_is_below_the_count(tmp_path: Path, first: dict[str, Any], pages: int) -> None:
    paging = "{next: {from: body.n, plus: 1, below: body.of, to: query.page}, keys: [n, of]}"
    answers = [({}, {"things": [0], **first, **({"n": number} if number > 1 else {})}) for number in range(1, 5)]
    result, sent = play(tmp_path, paging, answers)
    assert len(sent) == pages
    assert result.data == {"things": [0] * pages}


def test_a_next_page_may_be_named_in_the_body_of_the_request(tmp_path: Path) -> None:
    paging = "{size: {to: body.page.size, max: 50}, next: {from: body.cursor, to: body.page.cursor}, keys: [cursor]}"
    answers = [({}, {"things": [1], "cursor": "c1"}), ({}, {"things": [2], "cursor": None})]
    result, sent = play(tmp_path, paging, answers, method="POST", to="body")
    assert result.data == {"things": [1, 2]}
    assert [request.body for request in sent] == [
        {"kind": "a b", "page": {"size": 50}},
        {"kind": "a b", "page": {"size": 50, "cursor": "c1"}},
    ]


def test_items_may_lie_deep_in_the_answer_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    paging = "{next: {from: body.meta.next, to: query.at}}"
    answers = [
        ({}, {"data": {"things": [1], "note": "x"}, "meta": {"next": "n"}}),
        ({"x-last": "1"}, {"data": {"things": [2]}, "meta": {}}),
    ]
    result, _ = play(tmp_path, paging, answers, items="data.things")
    assert result.data == {"data": {"things": [1, 2], "note": "x"}, "meta": {"next": "n"}}
    assert result.headers["x-last"] == "1"


def test_a_limit_within_a_later_page_cuts_it(tmp_path: Path) -> None:
    paging = "{size: {to: query.size, max: 2}, next: {from: body.c, to: query.c}, keys: [c]}"
    answers: list[Any] = [({}, {"things": [1, 2], "c": "x"}), ({}, {"things": [3, 4], "c": "y"})]
    result, sent = play(tmp_path, paging, answers, limit=3)
    assert result.data == {"things": [1, 2, 3]}
    assert targets(sent) == ["/things?kind=a%20b&size=2", "/things?kind=a%20b&size=2&c=x"]


@pytest.mark.parametrize("wrong", [{"things": {"a": 1}}, {"things": "x"}, {"things": 0}])
def test_an_array_that_is_none_is_an_error(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises((ApiError, TransportError)):
        play(tmp_path, "{}", [({}, wrong)])
