"""`extra`: fields of the request that no input reaches, and what it cannot replace."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from zoom_connector import Connector, InputError

ROOT = Path(__file__).parents[1]
DOCUMENTED: dict[str, list[str]] = json.loads((ROOT / "tests/spec/request-fields.json").read_text())
MEETING = {"user_id": "me", "topic": "T"}
INPUTS: dict[str, dict[str, Any]] = {
    "create-meeting": MEETING,
    "update-meeting": {"meeting_id": "81279432123", "topic": "T"},
    "create-user": {"user_action": "create", "email": "a@example.com", "user_type": 1},
    "update-user": {"user_id": "me", "company": "A"},
    "delete-user": {"user_id": "me"},
    "list-webinars": {"user_id": "me"},
    "list-users": {},
    "raw-request": {"url": "/users", "method": "POST", "data": {"a": 1}},
    "add-meeting-registrant": {"meeting_id": "1", "email": "a@example.com", "first_name": "A"},
}


def named() -> dict[str, set[str]]:
    """The fields without an input that docs/actions.md names, by action."""
    page = (ROOT / "docs/actions.md").read_text().partition("## Fields without an input")[2]
    fields: dict[str, set[str]] = {}
    for actions, places in re.findall(r"^\| (`[^|]+) \| (`[^|]+) \|", page, re.MULTILINE):
        for action in re.findall("`([^`]+)`", actions):
            fields.setdefault(action, set()).update(re.findall("`([^`]+)`", places))
    return fields


def refused(connector: Connector, key: str, extra: Any, **inputs: Any) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        connector.actions[key].preview({**INPUTS.get(key, {}), **inputs}, extra=extra)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_every_field_that_zoom_documents_has_an_input_or_is_named_in_the_docs(connector: Connector) -> None:
    missing: dict[str, set[str]] = {}
    for key, places in DOCUMENTED.items():
        action = connector.actions[key]
        reached = {str(place) for row in action.inputs.values() for place in row.to}
        paging = action.paging
        pages = {f"query.{name}" for name in paging.keys} | {str(paging.size)} if paging else set()
        spread = tuple(place[:-2] for place in reached if place.endswith(".*"))
        fields = {place for place in places if place not in reached | pages and not place.startswith(spread or ("?",))}
        if fields:
            missing[key] = fields
    assert missing == named()


@pytest.mark.parametrize(
    ("key", "place"), [(key, place) for key, places in named().items() for place in sorted(places)]
)
def test_a_field_without_an_input_is_set_by_its_place(connector: Connector, key: str, place: str) -> None:
    request = connector.actions[key].preview(INPUTS[key], extra={place: "x1"})
    kind, *steps = place.split(".")
    if kind == "query":
        assert f"{steps[0]}=x1" in request["url"].partition("?")[2].split("&")
    else:
        body = request["body"]
        for step in steps:
            body = body[step]
        assert body == "x1"


def test_values_are_written_as_inputs_are(connector: Connector) -> None:
    extra = {"body.settings.new.deep": [1, {"a": None}], "query.y": True, "header.X-New": "v"}
    request = connector.actions["create-meeting"].preview(MEETING, extra=extra)
    assert request["body"] == {"topic": "T", "settings": {"new": {"deep": [1, {"a": None}]}}}
    assert request["url"].endswith("?y=true") and request["headers"]["X-New"] == "v"


@pytest.mark.parametrize(
    ("key", "place", "says"),
    [
        ("create-meeting", "body.topic", "is set by the input 'Topic': use that"),
        ("create-meeting", "body.settings.host_video", "is set by the input 'Host Video On Start': use that"),
        ("create-meeting", "body.settings", "is set by the input 'Host Video On Start': use that"),
        ("create-meeting", "body.topic.deep", "is set by the input 'Topic': use that"),
        ("list-users", "query.next_page_token", "is set for each page of the list: use `limit` and `cursor`"),
        ("list-users", "query.page_size", "is set for each page of the list: use `limit` and `cursor`"),
        ("list-users", "body.x", "cannot be sent: this request has no body"),
        ("raw-request", "body.x", "is set by the input 'Data': use that"),
        ("create-meeting", "header.User-Agent", "is a constant of this action: leave it out"),
        ("create-meeting", "header.authorization", "is set by the connection: leave it out"),
        ("create-meeting", "header.X-A", "must be one line of printable ASCII text without leading or trailing blanks"),
        *(
            ("create-meeting", place, "is not a place in this request: write body.a.b, query.x or header.X")
            for place in ("", "x", "body", "body.", "body.a.*", "path.user_id", "call.timeout", "request.method")
        ),
    ],
)
def test_it_replaces_nothing_and_goes_nowhere_else(connector: Connector, key: str, place: str, says: str) -> None:
    value = "two\nlines" if place == "header.X-A" else "v"
    assert refused(connector, key, {place: value}) == {f"extra.{place}": says}


def test_a_key_that_an_input_holds_is_that_inputs(connector: Connector) -> None:
    settings = {"settings_extra_fields": {"waiting_room": True}}
    problems = refused(connector, "create-meeting", {"body.settings.waiting_room": False}, **settings)
    assert problems == {"extra.body.settings.waiting_room": "is set by the input 'Settings Extra Fields': use that"}
    extra = {"body.settings.other": 1}
    request = connector.actions["create-meeting"].preview({**MEETING, **settings}, extra=extra)
    assert request["body"]["settings"] == {"waiting_room": True, "other": 1}


@pytest.mark.parametrize(
    "extra",
    [
        {"body.a": 1, "body.a.b": 2},
        {"body.a.b": 1, "body.a": 2},
        {"header.X-Y": "1", "header.x-y": "2"},
    ],
)
def test_two_keys_for_one_place_are_refused(connector: Connector, extra: dict[str, Any]) -> None:
    second = [*extra][1]
    says = "is also set by another key of `extra`: leave one of the two out"
    assert refused(connector, "create-meeting", extra) == {f"extra.{second}": says}


@pytest.mark.parametrize(
    "extra",
    [
        {"body.x\ud800": 1},
        {"query.x": None},
        {"body.a.0.b": 1},
        {"body." + "a." * 200 + "b": 1},
        {"header.Content-Type": "text/plain"},
        {"header.Upgrade": "h2c"},
        {"x" * 1_000_000: 1},
        {f"query.x{number}": 1 for number in range(101)},
    ],
    ids=["surrogate", "null", "index", "depth", "content type", "upgrade", "length", "number"],
)
def test_what_cannot_be_sent_is_refused_in_few_words(connector: Connector, extra: dict[str, Any]) -> None:
    problems = refused(connector, "create-meeting", extra)
    assert len(problems) == 1
    assert all(len(where) < 200 and len(what) < 200 for where, what in problems.items())


def test_what_the_connection_sets_is_its_own(tmp_path: Path) -> None:
    from connector_runtime import load as load_folder

    for file, text in (
        ("connector.yaml", "key: acme\nlabel: Acme\nbase_url: https://api.acme.example\n"),
        (
            "connection/key.yaml",
            "key: key\nlabel: Key\ninputs:\n  token: {type: secret, required: true, to: header.X-Api-Key}\n",
        ),
        (
            "actions/make.yaml",
            "key: make\nlabel: Make\nrequest: {method: POST, path: /x}\ninputs:\n  a: {type: string}\n",
        ),
    ):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match="is set by the connection"):
        load_folder(tmp_path).actions["make"].preview({"a": "1"}, extra={"header.x-api-key": "mine"})


def test_problems_of_inputs_and_of_extra_come_at_once(connector: Connector) -> None:
    problems = refused(connector, "create-meeting", {"nowhere": 1, "query.z": float("nan")}, duration=0)
    assert list(problems) == ["inputs.duration", "extra.nowhere", "extra.query.z"]
    assert refused(connector, "create-meeting", ["body.x"]) == {
        "extra": 'must be an object such as {"body.x": true}, not a list'
    }


def test_every_page_of_a_list_and_a_create_carry_it(make: Any, zoom: Any, connector: Connector) -> None:
    with make(connector, token=zoom.token, base_url=zoom.base_url) as client:
        first = client.run("list-users", {}, 2, extra={"query.include": "all"})
        client.run("list-users", {}, cursor=first.cursor, extra={"query.include": "all"})
        client.run("create-meeting", MEETING, extra={"body.sensitivity_label_id": "a1"})
        with pytest.raises(InputError, match="belongs to another list"):
            client.run("list-users", {}, cursor=first.cursor)
    *lists, made = [*zoom.requests][-3:]
    assert all("include=all" in request.target for request in lists)
    assert json.loads(made.body) == {"topic": "T", "sensitivity_label_id": "a1"}


def test_a_default_that_nobody_changed_does_not_stand_in_its_way(connector: Connector) -> None:
    problems = refused(connector, "create-meeting", {"body.settings.host_video": True}, host_video_on_start=False)
    assert list(problems) == ["extra.body.settings.host_video"], "the input is there to be used"


def test_the_command_line_takes_places_with_json_or_text(run: Any) -> None:
    arguments = ["preview", "create-meeting", "--user-id", "me", "--topic", "T", "--extra", "body.a=[1, true]"]
    code, printed, _ = run(*arguments, "--extra", "query.b=two words", "--extra", "header.X-C==")
    shown = json.loads(printed)
    assert code == 0
    assert shown["body"] == {"topic": "T", "a": [1, True]}
    assert shown["url"].endswith("?b=two%20words") and shown["headers"]["X-C"] == "="
    twice = ["--extra", "query.b=1", "--extra", "query.b=2"]
    code, _, errors = run(*arguments, "--extra", "nonsense", "--extra", "body.topic=U", *twice)
    assert code == 2
    assert "--extra nonsense: is not PLACE=VALUE" in errors and "--extra query.b: is set twice; keep one" in errors
    assert "extra.body.topic: is set by the input 'Topic'" in errors
    assert errors.count("nonsense") == 1
