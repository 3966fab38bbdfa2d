"""What drop-downs offer, from a Zoom that runs here: paged, searched, dependent, and kept for a moment."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from zoom_connector import AuthError, Client, Connector, InputError, NotFound, load
from zoom_connector.sandbox import Sandbox

from .conftest import Made
from .test_cli import run

ROOT = Path(__file__).parents[1]
PARTS = ("actions", "connection", "triggers", "schemas", "locales", "connector.yaml", "icon.svg")


@pytest.fixture
def zoom() -> Iterator[Sandbox]:
    with Sandbox(users=30) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Connector]:
    """The same connector with smaller pages."""

    def made(size: int) -> Connector:
        folder = tmp_path_factory.mktemp("paged")
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part)
            elif source.exists():
                shutil.copy(source, folder)
        common = folder / "connector.yaml"
        common.write_text(common.read_text().replace("max: 300", f"max: {size}"))
        return load(folder)

    return made


def refused(call: Callable[..., Any], *given: Any, **more: Any) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        call(*given, **more)
    return {problem.where: problem.what for problem in caught.value.problems}


def sent(zoom: Sandbox) -> list[str]:
    """The requests since the last look, without the token of the page."""
    targets = [f"{request.method} {request.target.partition('?')[0]}" for request in zoom.requests]
    zoom.requests.clear()
    return targets


# -- pages -----------------------------------------------------------------------------------------------------------


def test_thirty_users_come_in_two_pages(make: Made, zoom: Sandbox, paged: Callable[[int], Connector]) -> None:
    with make(paged(20), token=zoom.token, base_url=zoom.base_url) as client:
        first = client.choices("create-meeting", "user_id")
        rest = client.choices("create-meeting", "user_id", cursor=first.cursor)
        ids = [user["id"] for user in client.run("list-users", {}).data["users"]]
    assert (len(first.choices), len(rest.choices), rest.cursor) == (20, 10, None)
    assert [each.value for each in (*first.choices, *rest.choices)] == ids
    assert first.choices[0].label == "Ada Lovelace · user0@sandbox.example"
    assert first.choices[2].description == "Research"


def test_a_search_reads_on_until_a_page_has_something(
    make: Made, zoom: Sandbox, paged: Callable[[int], Connector]
) -> None:
    with make(paged(10), token=zoom.token, base_url=zoom.base_url) as client:
        found = client.choices("create-meeting", "user_id", search="USER25@")
        assert [each.label.partition(" · ")[2] for each in found.choices] == ["user25@sandbox.example"]
        assert len(sent(zoom)) == 3
        first = client.choices("create-meeting", "user_id", search="zolc lukasz")
        assert [each.label for each in first.choices] == ["Łukasz Żółć · user2@sandbox.example"]
        second = client.choices("create-meeting", "user_id", search="zolc lukasz", cursor=first.cursor)
        assert [each.label for each in second.choices] == ["Łukasz Żółć · user15@sandbox.example"]


def test_a_search_for_nobody_ends_after_five_pages_and_can_go_on(
    make: Made, zoom: Sandbox, paged: Callable[[int], Connector]
) -> None:
    with make(paged(5), token=zoom.token, base_url=zoom.base_url) as client:
        found = client.choices("create-meeting", "user_id", search="user29@")
        assert found.choices == ()
        assert found.cursor is not None
        assert len(sent(zoom)) == 5
        rest = client.choices("create-meeting", "user_id", search="user29@", cursor=found.cursor)
        assert [each.label.partition(" · ")[2] for each in rest.choices] == ["user29@sandbox.example"]
        assert (rest.cursor, len(sent(zoom))) == (None, 1)


@pytest.mark.parametrize("cursor", ["../../etc/passwd", "abc", "https://evil.example/", "\x00", "e30", "WzFd"])
def test_a_forged_cursor_is_refused_and_nothing_is_sent(client: Client, zoom: Sandbox, cursor: str) -> None:
    assert list(refused(client.choices, "create-meeting", "user_id", cursor=cursor)) == ["cursor"]
    assert sent(zoom) == []


def test_a_cursor_of_another_list_is_refused(make: Made, zoom: Sandbox, paged: Callable[[int], Connector]) -> None:
    with make(paged(20), token=zoom.token, base_url=zoom.base_url) as client:
        cursor = client.choices("create-meeting", "user_id").cursor
        assert list(refused(client.choices, "get-meeting", "meeting_id", cursor=cursor)) == ["cursor"]
        assert list(refused(client.choices, "create-meeting", "type", cursor=cursor)) == ["cursor"]


# -- what they depend on ---------------------------------------------------------------------------------------------


def test_what_has_to_be_filled_in_first_is_named(client: Client, zoom: Sandbox) -> None:
    what = "fill in 'User Id' first"
    for blank in ({}, {"user_id": ""}, {"user_id": None, "topic": "x"}):
        assert refused(client.choices, "list-users-chat-messages", "to_channel", blank) == {"inputs.user_id": what}
    what = "fill in 'Meeting' first"
    assert refused(client.choices, "recordings") == {"parameters.meeting_id": what}
    assert sent(zoom) == []


def test_an_input_that_was_filled_in_decides_which_list_it_is(client: Client) -> None:
    found = client.choices("list-users-chat-messages", "to_channel", {"user_id": "me", "date": "no date"})
    assert [each.label for each in found.choices][:2] == ["Channel 1", "Channel 2"]
    assert len(found.choices) == 12
    recurring = client.choices("meetings", search="kick-off uberblick").choices[0]
    dates = client.choices("get-meeting", "occurrence_id", {"meeting_id": recurring.value})
    wanted = client.run("get-meeting", {"meeting_id": recurring.value}).data["occurrences"]
    assert [each.value for each in dates.choices] == [each["occurrence_id"] for each in wanted]
    assert [each.description for each in dates.choices] == ["available"] * 6


def test_a_parameter_stands_in_for_an_input_that_the_action_lacks(client: Client, zoom: Sandbox) -> None:
    mine = client.choices("get-meeting", "meeting_id")
    assert len(mine.choices) == 40
    assert sent(zoom) == ["GET /v2/users/me/meetings"]
    other = client.choices("users").choices[1].value
    assert client.choices("get-meeting", "meeting_id", parameters={"user_id": other}).choices == ()
    assert client.choices("get-meeting", "meeting_id", parameters={"user_id": " "}) == mine


def test_a_parameter_that_is_none_or_an_input_here_is_refused(client: Client) -> None:
    found = refused(client.choices, "get-meeting", "meeting_id", parameters={"userid": "me"})
    assert found == {"parameters.userid": "is not a parameter of this list. Did you mean 'user_id'?"}
    found = refused(
        client.choices, "list-users-chat-messages", "to_channel", {"user_id": "me"}, parameters={"user_id": "x"}
    )
    assert found == {"parameters.user_id": "is an input of this action: move it to `inputs`"}


def test_what_the_list_finds_wrong_is_said_of_where_it_was_given(client: Client) -> None:
    found = refused(client.choices, "list-users-chat-messages", "to_channel", {"user_id": ["me"]})
    assert list(found) == ["inputs.user_id"]
    found = refused(client.choices, "messages", parameters={"to_channel": "a", "to_contact": "b"})
    assert list(found) == ["parameters.to_channel"]


class ServerToServer:
    """A connection of the kind that has no user behind it."""

    def __init__(self, connector: Connector, token: str) -> None:
        self.kind = next(kind for kind in connector.profile.connections if kind.unsupported_values)
        self._token = token

    def __call__(self, rejected: Mapping[str, str] | None) -> Mapping[str, str]:
        return {"access_token": self._token}


def test_where_there_is_no_me_the_form_learns_that_it_must_ask_for_the_host(
    connector: Connector, zoom: Sandbox
) -> None:
    connection = ServerToServer(connector, zoom.token)
    with Client(connector, connection=connection, base_url=zoom.base_url) as client:
        assert list(refused(client.choices, "get-meeting", "meeting_id")) == ["parameters.user_id"]
        host = client.choices("create-meeting", "user_id").choices[0].value
        assert len(client.choices("get-meeting", "meeting_id", parameters={"user_id": host}).choices) == 40


# -- which lists there are -------------------------------------------------------------------------------------------


def test_the_ten_lists_of_users_can_be_asked_for_by_name(client: Client) -> None:
    meetings = {each.label.partition(" · ")[0]: each.value for each in client.choices("meetings").choices}
    webinars = {each.label.partition(" · ")[0]: each.value for each in client.choices("webinars").choices}
    channel = client.choices("channels", search="Channel 1").choices[0].value
    counts = {
        name: len(client.choices(name, parameters=parameters).choices)
        for name, parameters in {
            "users": {},
            "meetings": {},
            "webinars": {},
            "meeting-registrants": {"meeting_id": meetings["1:1 3"]},
            "webinar-registrants": {"webinar_id": webinars["Product launch"]},
            "recordings": {"meeting_id": meetings["Weekly sync 1"]},
            "webinar-participants": {"webinar_id": webinars["Spring review"]},
            "channels": {},
            "messages": {"to_channel": channel},
            "phone-recordings": {},
        }.items()
    }
    files = client.run("get-meeting-recordings", {"meeting_id": meetings["Weekly sync 1"]}).data
    with_id = [each for each in (*files["recording_files"], *files["participant_audio_files"]) if each.get("id")]
    rows = client.run("list-webinar-participants", {"webinar_id": webinars["Spring review"]}).data["participants"]
    assert counts == {
        "users": 30,
        "meetings": 40,
        "webinars": 7,
        "meeting-registrants": 51,  # the approved of sixty
        "webinar-registrants": 4,
        "recordings": len(with_id),
        "webinar-participants": len({row["id"] or row["user_id"] for row in rows}),
        "channels": 12,
        "messages": 50,  # a page
        "phone-recordings": 40,
    }
    assert len(with_id) < len(files["recording_files"]) + len(files["participant_audio_files"])
    assert counts["webinar-participants"] < len(rows)


def test_fixed_choices_and_named_fixed_lists_come_from_the_same_call_and_send_nothing(
    client: Client, zoom: Sandbox
) -> None:
    kinds = client.choices("create-meeting", "type")
    assert [(each.value, each.label) for each in kinds.choices][:2] == [
        (1, "Instant meeting"),
        (2, "Scheduled meeting"),
    ]
    assert kinds.cursor is None
    assert [each.value for each in client.choices("create-meeting", "timezone", search="berlin").choices] == [
        "Europe/Berlin"
    ]
    assert "PL" in [each.value for each in client.choices("add-meeting-registrant", "country").choices]
    assert "ko-KR" in [each.value for each in client.choices("update-user", "user_language").choices]
    assert len(client.choices("timezones").choices) == 135
    assert sent(zoom) == []


def test_a_list_of_values_offers_what_one_of_them_may_be(client: Client) -> None:
    (poland,) = client.choices("create-meeting", "global_dial_in_countries", search="poland").choices
    assert (poland.value, poland.label) == ("PL", "Poland")


def test_numbers_that_javascript_would_round_are_text(client: Client) -> None:
    values = [each.value for each in client.choices("update-user", "zoom_one_type").choices]
    assert "576460752303423488" in values
    assert {type(value) for value in values} == {str}


def test_every_offered_value_is_accepted_by_its_input(client: Client, connector: Connector) -> None:
    (meeting, *_) = client.choices("get-meeting", "meeting_id").choices
    assert meeting.value.isdigit()
    assert connector.actions["get-meeting"].preview({"meeting_id": meeting.value})["url"].endswith(meeting.value)
    (user, *_) = client.choices("delete-user", "transfer_email", search="user3@").choices
    assert user.value == "user3@sandbox.example"


def test_an_unknown_input_or_list_and_an_input_without_choices_name_the_nearest(client: Client) -> None:
    found = refused(client.choices, "create-meeting", "userid")
    assert found == {"input": "'userid' is not an input of create-meeting. Did you mean 'user_id'?"}
    found = refused(client.choices, "get-meeting", "show_previous_occurrences")
    assert found["input"].startswith(
        "'show_previous_occurrences' has no choices. Inputs of get-meeting with choices: meet"
    )
    assert "Did you mean 'users'" in refused(client.choices, "user")["action"]
    assert "Did you mean 'get-user'" in refused(client.choices, "get-usr", "user_id")["action"]


def test_entries_with_the_same_label_show_their_ids(client: Client) -> None:
    made = [client.run("create-meeting", {"user_id": "me", "topic": "Twin", "type": 3}).data["id"] for _ in range(2)]
    found = client.choices("get-meeting", "meeting_id", search="twin")
    assert sorted(each.label for each in found.choices) == sorted(f"Twin · {id}" for id in made)


def test_messages_are_searched_by_zoom(client: Client, zoom: Sandbox) -> None:
    channel = client.choices("channels").choices[0].value
    zoom.requests.clear()
    found = client.choices("messages", parameters={"to_channel": channel}, search="こんにちは")
    assert len(found.choices) == 10
    assert all("こんにちは" in each.label for each in found.choices)
    (request,) = zoom.requests
    assert "search_type=message" in request.target
    too_long = refused(client.choices, "messages", parameters={"to_channel": channel}, search="x" * 257)
    assert list(too_long) == ["search"]


# -- errors and the cache --------------------------------------------------------------------------------------------


def test_what_the_vendor_refuses_comes_as_it_is(
    make: Made, client: Client, connector: Connector, zoom: Sandbox
) -> None:
    with pytest.raises(NotFound) as caught:
        client.choices("meeting-registrants", parameters={"meeting_id": "99999999999"})
    assert caught.value.code == 3001
    with make(connector, token="wrong", base_url=zoom.base_url) as stranger, pytest.raises(AuthError):
        stranger.choices("create-meeting", "user_id")


def test_a_form_that_opens_twice_asks_once(client: Client, zoom: Sandbox) -> None:
    first = client.choices("create-meeting", "user_id")
    assert client.choices("create-meeting", "user_id") == first
    assert len(client.choices("update-user", "user_id", search="user7@").choices) == 1  # the same list elsewhere
    assert sent(zoom) == ["GET /v2/users"]
    assert client.choices("create-meeting", "user_id", ttl=0) == first
    assert sent(zoom) == ["GET /v2/users"]
    client.choices("get-meeting", "meeting_id")
    client.choices("get-meeting", "meeting_id", parameters={"user_id": first.choices[1].value})
    assert len(sent(zoom)) == 2


def test_another_connection_does_not_see_what_is_kept(make: Made, connector: Connector, zoom: Sandbox) -> None:
    tokens = {"now": zoom.token}
    with make(connector, token=lambda: tokens["now"], base_url=zoom.base_url) as client:
        client.choices("create-meeting", "user_id")
        zoom.tokens.issue("of-somebody-else", scopes=None, lifetime=None)
        tokens["now"] = "of-somebody-else"
        client.choices("create-meeting", "user_id")
        assert [request.header("authorization") for request in zoom.requests] == [
            f"Bearer {zoom.token}",
            "Bearer of-somebody-else",
        ]
        tokens["now"] = "revoked"
        with pytest.raises(AuthError):
            client.choices("create-meeting", "user_id")


def test_threads_may_ask_at_once(connector: Connector, zoom: Sandbox) -> None:
    found: list[int] = []
    with Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
        threads = [
            threading.Thread(target=lambda: found.append(len(client.choices("users", ttl=60).choices)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [30] * 8


def test_a_closed_client_offers_nothing_more(connector: Connector) -> None:
    client = Client(connector, token="x")
    client.close()
    with pytest.raises(RuntimeError):
        client.choices("create-meeting", "type")


# -- what platforms and people see -----------------------------------------------------------------------------------


def hint(connector: Connector, action: str, key: str) -> dict[str, Any]:
    entry = next(entry for entry in connector.catalogue()["actions"] if entry["key"] == action)
    return next(row for row in entry["inputs"] if row["key"] == key)


def test_the_catalogue_says_what_choices_depend_on(connector: Connector) -> None:
    channel = hint(connector, "list-users-chat-messages", "to_channel")
    assert (channel["choices_from"], channel["depends_on"], channel["searchable"]) == ("channels", ["user_id"], True)
    assert "parameters" not in channel
    meeting = hint(connector, "get-meeting", "meeting_id")
    (host,) = meeting["parameters"]
    assert (host["key"], host["label"], host["choices_from"], host["filled_in"]) == ("user_id", "Host", "users", "me")
    assert "depends_on" not in meeting
    assert "depends_on" not in hint(connector, "create-meeting", "topic")
    lists = connector.catalogue()["choices"]
    assert [each["key"] for each in lists["recordings"]["parameters"]] == ["meeting_id"]
    assert lists["recordings"]["parameters"][0]["required"] is True
    assert lists["timezones"]["choices"][0] == {"value": "Pacific/Midway", "label": "Midway Island, Samoa"}


def test_every_pointer_to_a_list_can_be_followed_from_the_catalogue(connector: Connector) -> None:
    catalogue = connector.catalogue()
    for action in catalogue["actions"]:
        for row in action["inputs"]:
            for each in (row, *row.get("parameters", ())):
                assert each.get("choices_from") in (None, *catalogue["choices"]), (action["key"], row["key"])


def test_the_documentation_names_every_list(connector: Connector) -> None:
    page = (ROOT / "docs" / "choices.md").read_text()
    table = page[page.index("| list | belongs to |") : page.index("Choices are suggestions")]
    assert sorted(re.findall(r"`([a-z-]+)`", table)) == sorted(connector.profile.choices)


def test_the_command_prints_values_and_labels(zoom: Sandbox) -> None:
    done = run("choices", "get-meeting", "meeting-id", "--search", "weekly 7", zoom=zoom)
    (line,) = [line for line in done.stdout.splitlines() if "Weekly sync 7" in line]
    assert line.split("  ")[0].isdigit() and line.endswith("Agenda 7")
    data = json.loads(run("choices", "channels", "--search", "channel 12", "--json", zoom=zoom).stdout)
    assert [each["label"] for each in data["choices"]] == ["Channel 12"]
    assert data["cursor"] is None
    done = run("choices", "list-users-chat-messages", "to_channel", "--user-id", "me", zoom=zoom)
    assert len(done.stdout.splitlines()) == 12


def test_the_command_needs_no_connection_for_fixed_choices() -> None:
    done = run("choices", "create-meeting", "timezone", "--search", "warsaw")
    assert (done.returncode, done.stdout) == (0, "Europe/Warsaw  Warsaw\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["list-users-chat-messages", "to_channel"], "inputs.user_id: fill in 'User Id' first"),
        (["recordings"], "parameters.meeting_id: fill in 'Meeting' first"),
        (["get-meeting"], "must be one that has choices: meeting_id"),
        (["meeting"], "Did you mean 'meetings'?"),
        (["get-meeting", "meeting_id", "--usr", "me"], "Did you mean '--user-id'?"),
        (["get-meeting", "meeting_id", "--cursor", "x"], "cursor: is not a valid cursor"),
    ],
)
def test_the_command_says_what_is_wrong(zoom: Sandbox, arguments: list[str], says: str) -> None:
    done = run("choices", *arguments, zoom=zoom)
    assert done.returncode == 2
    assert says in done.stderr


def test_the_commands_help_teaches() -> None:
    assert "To list its choices: choices get-meeting meeting_id" in run("show", "get-meeting").stdout
    done = run("choices", "--help")
    assert done.returncode == 0
    for text in ("choices ACTION INPUT", "choices LIST", "phone-recordings", "meeting_id"):
        assert text in done.stdout
    told = run("choices", "get-meeting", "meeting_id", "--help").stdout
    assert "Host. Default: me" in told
