"""What each action says that it gives: all that Zoom documents, open for what it adds, secrets marked and hidden."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from connector_runtime.language import secrets
from zoom_connector import ApiError, Client, Connector, load
from zoom_connector.sandbox import Sandbox

SPEC = Path(__file__).parent / "spec"
# What Zoom's OpenAPI document says of each answer: the paths of its fields with their types.
FIELDS: dict[str, dict[str, str]] = json.loads((SPEC / "output-fields.json").read_text())
ADDED = {  # what that document lacks: named in Zoom's changelog, or told of the same meeting by Get Meeting
    "create-meeting": {"settings.meeting_invitees[].internal_user"},
    "add-webinar-registrant": {"status", "share_url"},
    "list-users-chat-messages": {"messages[].sender_member_id"},
}
SECRET = re.compile(r"start_url|(.*_)?(password|passcode|token|download_url|play_url|host_key|pin_code)")
FORMATS = FormatChecker()


@FORMATS.checks("date-time", ValueError)
def is_instant(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


CONNECTOR = load(Path(__file__).parents[1])
KEYS = sorted(CONNECTOR.actions)
HIDING = [key for key in KEYS if CONNECTOR.actions[key].secrets]


def output(key: str) -> Any:
    return CONNECTOR.actions[key].output


def declared(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every field of a schema as Zoom's document writes it: `meetings[].id`."""
    for name, part in schema.get("properties", {}).items():
        here = f"{path}{name}"
        yield here, part
        yield from declared(part, f"{here}.")
        if "items" in part:
            if part["items"].get("type") != "object":
                yield f"{here}[]", part["items"]
            yield from declared(part["items"], f"{here}[].")


def documented(key: str) -> dict[str, str]:
    """The fields of an answer as a run gives it: without the keys that are about pages."""
    paging = CONNECTOR.actions[key].paging
    return {name: kind for name, kind in FIELDS.get(key, {}).items() if paging is None or name not in paging.keys}


def kinds(schema: Any) -> set[str]:
    said = schema["type"]
    return {said} if isinstance(said, str) else set(said)


def words(schema: Any) -> Iterator[str]:
    yield from schema
    for part in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from words(part)


# -- the schemas -----------------------------------------------------------------------------------------------------


def test_every_action_of_the_specification_is_looked_at() -> None:
    assert sorted([*FIELDS, "raw-request"]) == KEYS


@pytest.mark.parametrize("key", KEYS)
def test_the_output_schema_is_json_schema_and_a_sample_fits_it(key: str) -> None:
    Draft202012Validator.check_schema(output(key)["schema"])
    Draft202012Validator(output(key)["schema"], format_checker=FORMATS).validate(output(key)["example"])


@pytest.mark.parametrize("key", KEYS)
def test_it_has_every_field_that_zoom_documents_with_its_type_and_no_other(key: str) -> None:
    fields = dict(declared(output(key)["schema"]))
    missing = [name for name, kind in documented(key).items() if kind not in kinds(fields.get(name, {"type": ()}))]
    assert not missing
    assert set(fields) - set(documented(key)) == ADDED.get(key, set())


@pytest.mark.parametrize("key", KEYS)
def test_it_is_open_for_what_zoom_adds_and_needs_nothing_but_the_items_of_a_list(key: str) -> None:
    action = CONNECTOR.actions[key]
    schema = output(key)["schema"]
    open_words = {"title", "type", "properties", "items", "description", "examples", "format", "deprecated", "x-secret"}
    assert set(words(schema)) - open_words == ({"required"} if action.paging else set())
    assert schema.get("required", []) == ([action.paging.items] if action.paging else [])
    assert {word for part in schema.get("properties", {}).values() for word in words(part)} <= open_words


def test_a_recording_type_may_be_text_or_a_number_and_a_license_may_exceed_2_to_the_53() -> None:
    recordings = Draft202012Validator(output("get-meeting-recordings")["schema"])
    assert recordings.is_valid({"type": "2"}) and recordings.is_valid({"type": 2})
    user = Draft202012Validator(output("get-user")["schema"])
    assert user.is_valid({"zoom_one_type": 576460752303423488, "license_info_list": [{"license_option": 2**57}]})
    assert user.is_valid({"type": 3, "phone_numbers": [{"label": ""}]})


def test_a_recording_whose_end_is_null_fits() -> None:
    recordings = Draft202012Validator(output("get-meeting-recordings")["schema"])
    for word in ("recording_files", "participant_audio_files"):
        assert recordings.is_valid({word: [{"id": "a", "recording_end": None}]})


def test_what_is_said_beside_a_reference_adds_to_it() -> None:
    meeting, webinar = (output(f"add-{kind}-registrant")["schema"]["properties"] for kind in ("meeting", "webinar"))
    assert set(meeting) - set(webinar) == {"participant_pin_code"}
    assert set(meeting) & set(webinar) == {"id", "registrant_id", "topic", "start_time", "join_url", "occurrences"}


# -- the samples -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [key for key in KEYS if key != "raw-request"])
def test_a_sample_shows_only_declared_fields_and_something_of_what_there_is(key: str) -> None:
    def shown(data: Any, path: str) -> Iterator[str]:
        for name, value in data.items() if isinstance(data, dict) else ():
            yield f"{path}{name}"
            yield from shown(value, f"{path}{name}.")
            for item in value if isinstance(value, list) else ():
                yield from shown(item, f"{path}{name}[].")

    names = set(shown(output(key)["example"], ""))
    assert names <= {name for name, _ in declared(output(key)["schema"])}
    assert bool(names) == bool(documented(key))


def test_the_samples_are_of_one_account_and_name_no_real_host() -> None:
    samples = {key: output(key)["example"] for key in KEYS}
    text = json.dumps(samples)
    assert set(re.findall(r"https?://([^/\"]+)", text)) == {"example.com"}
    assert set(re.findall(r"[\w.]+@([\w.]+)", text)) <= {"example.com", "conference.example.com"}
    user = samples["get-user"]["id"]
    assert samples["list-users"]["users"][0]["id"] == user == samples["get-meeting"]["host_id"]
    meeting = samples["get-meeting"]["id"]
    assert meeting == samples["list-meetings"]["meetings"][0]["id"] == samples["get-meeting-recordings"]["id"]
    assert samples["get-webinar"]["id"] == samples["list-webinars"]["webinars"][0]["id"]
    assert samples["create-meeting"] == samples["get-meeting"]


# -- what Zoom answers -----------------------------------------------------------------------------------------------


def runs(client: Client) -> Iterator[tuple[str, Any]]:
    """Every action, most in several ways, with what it gave."""

    def run(key: str, **inputs: Any) -> Any:
        data = client.run(key, inputs).data
        done.append((key, data))
        return data

    done: list[tuple[str, Any]] = []
    user = run("create-user", email="new@sandbox.example", user_type=1)["id"]
    run("update-user", user_id=user, department="Compilers")
    for status in ("active", "inactive", "pending"):
        run("list-users", user_status=status, include_fields="host_key")
    run("list-users", role_id="no-such-role")
    for each in client.run("list-users", {}, limit=5).data["users"]:
        run("get-user", user_id=each["id"])
    weekly = {"type": 8, "start_time": "2030-01-06T10:00:00Z", "type_recurrence": 2, "weekly_day": 1, "end_times": 3}
    monthly = {"type": 8, "type_recurrence": 3, "monthly_week": -1, "monthly_week_day": 2, "end_times": 2}
    extras: dict[str, Any] = {"agenda": "Numbers", "settings_extra_fields": {"use_pmi": True}, "approval_type": 0}
    for more in ({"type": 1}, extras, {"type": 3}, {**weekly, "approval_type": 1}, monthly):
        made = run("create-meeting", user_id="me", topic="Weekly", **more)["id"]
        run("get-meeting", meeting_id=made, show_previous_occurrences=True)
        run("get-meeting-invitation", meeting_id=made)
        if "approval_type" in more:
            for name in ("A", "B"):
                run("add-meeting-registrant", meeting_id=made, email=f"{name}@guest.example", first_name=name)
        for status in ("pending", "approved", "denied"):
            run("list-meeting-registrants", meeting_id=made, registrant_status=status)
        run("update-meeting", meeting_id=made, topic="Daily")
    for kind in ("scheduled", "live", "upcoming", "upcoming_meetings", "previous_meetings"):
        for meeting in run("list-meetings", user_id="me", type_of_meeting=kind)["meetings"]:
            run("list-meeting-registrants", meeting_id=meeting["id"])
    past = run("list-meetings", user_id="me", type_of_meeting="previous_meetings")["meetings"][0]["uuid"]
    run("get-meeting-recordings", meeting_id=past)
    run("get-meeting-recordings", meeting_id=past, include_fields="download_access_token", time_to_live=60)
    for webinar in run("list-webinars", user_id="me")["webinars"]:
        found = run("get-webinar", webinar_id=webinar["id"], show_previous_occurrences=True)
        run("list-webinar-registrants", webinar_id=webinar["id"])
        if found["settings"]["approval_type"] != 2:
            person = {"email": "w@guest.example", "first_name": "W", "last_name": "B"}
            with contextlib.suppress(ApiError):  # it is over
                run("add-webinar-registrant", webinar_id=webinar["id"], **person)
        with contextlib.suppress(ApiError):  # it has not begun
            run("list-webinar-participants", webinar_id=webinar["id"])
    run("get-phone-recordings", user_id="me")
    for channel in run("list-users-channels", user_id="me")["channels"][:2]:
        run("list-users-chat-messages", user_id="me", to_channel=channel["id"])
    run("list-users-chat-messages", user_id="me", to_contact="user1@sandbox.example")
    run("raw-request", url="/users/me", method="GET")
    run("delete-user", user_id=user)
    yield from done


@pytest.fixture(scope="module")
def answers() -> list[tuple[str, Any]]:
    with Sandbox() as zoom, Client(CONNECTOR, token=zoom.token, base_url=zoom.base_url) as client:
        return list(runs(client))


def test_all_that_the_sandbox_answers_fits(answers: list[tuple[str, Any]]) -> None:
    validators = {key: Draft202012Validator(output(key)["schema"], format_checker=FORMATS) for key in KEYS}
    assert sorted({key for key, _ in answers}) == KEYS
    for key, data in answers:
        errors = [f"{list(error.absolute_path)}: {error.message[:200]}" for error in validators[key].iter_errors(data)]
        assert not errors, (key, errors)


def test_recurring_meetings_registrants_and_empty_lists_are_among_the_answers(answers: list[tuple[str, Any]]) -> None:
    def some(key: str, wanted: Any) -> bool:
        return any(wanted(data) for found, data in answers if found == key)

    assert some("get-meeting", lambda data: len(data.get("occurrences", [])) == 3)
    assert some("get-meeting", lambda data: "start_time" not in data)
    assert some("list-meeting-registrants", lambda data: len(data["registrants"]) > 1)
    assert some("list-meeting-registrants", lambda data: data["registrants"] == [])
    assert some("list-users", lambda data: data["users"] == [])
    assert some("list-users", lambda data: any("id" not in user for user in data["users"]))
    assert some("get-webinar", lambda data: "recurrence" in data)
    assert some("get-meeting-recordings", lambda data: "download_access_token" in data)
    assert some("update-meeting", lambda data: data == {})


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_what_is_named_like_a_secret_is_marked_and_nothing_else(key: str) -> None:
    wanted = {name.replace("[]", ".*") for name in documented(key) if SECRET.fullmatch(name.rpartition(".")[2])}
    assert set(CONNECTOR.actions[key].secrets) == wanted


def test_the_catalogue_names_the_paths_of_secrets(connector: Connector) -> None:
    entries = {entry["key"]: entry for entry in connector.catalogue()["actions"]}
    assert "start_url" in entries["create-meeting"]["secrets"]
    assert "recording_files.*.download_url" in entries["get-meeting-recordings"]["secrets"]
    assert entries["list-meetings"]["secrets"] == []


def by_name(data: Any) -> Any:
    """The data without what is named like a secret."""
    if isinstance(data, dict):
        return {
            name: "***" if value is not None and SECRET.fullmatch(name) else by_name(value)
            for name, value in data.items()
        }
    if isinstance(data, str) and "://" in data:
        data = re.sub(r"(?<=Passcode: )\S+", "***", data)  # of an invitation
        return re.sub(r"(?<=[?&])(pwd|tk|zak|token|access_token)=[^&\s]+", r"\1=***", data)
    return [by_name(item) for item in data] if isinstance(data, list) else data


def test_secrets_of_real_answers_are_hidden_and_nothing_else(answers: list[tuple[str, Any]]) -> None:
    hidden = 0
    for key, data in answers:
        before = json.dumps(data)
        shown = CONNECTOR.actions[key].hide(data)
        assert shown == by_name(data), key
        assert json.dumps(data) == before, "the data itself was changed"
        hidden += json.dumps(shown).count('"***"')
    assert hidden > 50


ANY = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))


def like(schema: Any) -> st.SearchStrategy[Any]:
    """Data of a schema's shape, with keys that it lacks, and here and there something else."""
    if "properties" in schema:
        fields = {name: like(part) for name, part in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional={**fields, "something_new": ANY}) | ANY
    if "items" in schema:
        return st.lists(like(schema["items"]), max_size=2) | ANY
    return ANY


@pytest.mark.parametrize("key", HIDING)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_hide_hides_every_secret_and_nothing_else(key: str, data: st.DataObject) -> None:
    given_data = data.draw(like(output(key)["schema"]))
    assert CONNECTOR.actions[key].hide(given_data) == by_name(given_data)


S: dict[str, Any] = {"x-secret": True}


@pytest.mark.parametrize(
    ("schema", "data", "paths", "shown"),
    [
        ({**S}, "a", [""], "***"),
        ({}, {"password": "a"}, [], {"password": "***"}),
        ({"properties": {"pwd": {"x-secret": False}}}, {"pwd": "a"}, [], {"pwd": "a"}),
        (
            {},
            {"pwd": True, "passcode": None, "pin": "", "host_key": 8},
            [],
            {"pwd": True, "passcode": None, "pin": "", "host_key": "***"},
        ),
        (
            {},
            [{"name": "X-Api-Key", "value": "a"}, {"key": "b", "value": "c"}],
            [],
            [{"name": "X-Api-Key", "value": "***"}, {"key": "b", "value": "c"}],
        ),
        (
            {},
            {"passwords": ["a"], "tokens": 3, "secrets": ["a", {"b": 1}]},
            [],
            {"passwords": ["a"], "tokens": 3, "secrets": ["***", {"b": 1}]},
        ),
        ({}, "at https://a.example/j?pwd=x.1&a=b&tk=c#d, or", [], "at https://a.example/j?pwd=***&a=b&tk=***#d, or"),
        ({"properties": {"a": S}}, {"a": {"b": 1}, "b": 2}, ["a"], {"a": "***", "b": 2}),
        ({"properties": {"a": {**S, "properties": {"b": S}}}}, {"a": {"b": 1}}, ["a"], {"a": "***"}),
        ({"properties": {"a": S}}, {"a": None}, ["a"], {"a": None}),
        ({"properties": {"a": S}}, {"a": ""}, ["a"], {"a": "***"}),
        ({"items": {"properties": {"a": S}}}, [{"a": 1}, 2], ["*.a"], [{"a": "***"}, 2]),
        ({"prefixItems": [S], "items": {}}, [1, 2], ["*"], ["***", 2]),
        ({"additionalProperties": S, "properties": {"a": {}}}, {"a": 1, "b": 2}, ["*"], {"a": 1, "b": "***"}),
        ({"patternProperties": {"^x": S}}, {"x1": 1, "y": 2}, ["*"], {"x1": "***", "y": 2}),
        ({"anyOf": [{"type": "null"}, S]}, "a", [""], "***"),
        ({"allOf": [{"properties": {"a": S}}]}, {"a": 1}, ["a"], {"a": "***"}),
        ({"properties": {"a": {}}, "then": {"properties": {"a": S}}}, {"a": 1}, ["a"], {"a": "***"}),
        ({"properties": {"a": True}, "additionalProperties": False}, {"a": 1, "b": 2}, [], {"a": 1, "b": 2}),
    ],
)
def test_a_mark_is_found_wherever_a_schema_may_carry_it(schema: Any, data: Any, paths: list[str], shown: Any) -> None:
    assert secrets.secrets(schema) == paths
    assert secrets.hide(data, schema) == shown
