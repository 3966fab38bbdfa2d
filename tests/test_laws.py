"""The laws of the design, each as a builder meets it: what is sent, what is refused, and what is said."""

from __future__ import annotations

from typing import Any

import pytest

from zoom_connector import Connector, InputError

MEETING = {"user_id": "me"}


def body(connector: Connector, inputs: dict[str, Any], action: str = "create-meeting") -> Any:
    return connector.actions[action].preview(inputs)["body"]


def refused(
    connector: Connector, inputs: dict[str, Any], action: str = "create-meeting", **more: Any
) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        connector.actions[action].preview(inputs, **more)
    return {problem.where: problem.what for problem in caught.value.problems}


# -- 1: absent stays absent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [None, "", "   "])
def test_what_forms_post_for_an_untouched_field_sends_nothing(connector: Connector, blank: Any) -> None:
    assert body(connector, {**MEETING, "topic": blank, "duration": blank, "host_video_on_start": blank}) == {}


def test_false_zero_and_empty_lists_and_objects_are_values(connector: Connector) -> None:
    sent = body(
        connector, {**MEETING, "host_video_on_start": False, "global_dial_in_countries": [], "approval_type": 0}
    )
    assert sent == {"settings": {"host_video": False, "global_dial_in_countries": [], "approval_type": 0}}
    assert body(connector, {**MEETING, "tracking_fields": []}) == {"tracking_fields": []}


def test_a_login_type_of_zero_is_sent(connector: Connector) -> None:
    assert connector.actions["get-user"].preview({"user_id": "me", "login_type": 0})["url"].endswith("?login_type=0")


def test_a_list_of_blank_rows_as_forms_post_it_clears_nothing(connector: Connector) -> None:
    assert body(connector, {**MEETING, "global_dial_in_countries": ["", None]}) == {}


def test_a_field_is_emptied_only_by_an_act_of_its_own(connector: Connector) -> None:
    action = connector.actions["update-meeting"]
    assert action.preview({"meeting_id": "123456789", "agenda": ""})["body"] == {}
    assert action.preview({"meeting_id": "123456789"}, clear=["agenda"])["body"] == {"agenda": ""}
    assert "agenda" in refused(connector, {"meeting_id": "1"}, "update-meeting", clear=["topic"])["clear.topic"]
    said = refused(connector, {"meeting_id": "1", "agenda": "x"}, "update-meeting", clear=["agenda"])
    assert said == {"clear.agenda": "has a value as well: leave the value out, or do not clear it"}


# -- 2 and 3: defaults -----------------------------------------------------------------------------------------------


def test_published_defaults_are_not_sent_for_inputs_nobody_touched(connector: Connector) -> None:
    assert body(connector, {**MEETING, "topic": "Weekly"}) == {"topic": "Weekly"}


def test_a_required_input_with_a_default_is_filled_in_so_that_nothing_destructive_is_left_to_the_vendor(
    connector: Connector,
) -> None:
    assert connector.actions["delete-user"].preview({"user_id": "x"})["url"].endswith("/users/x?action=disassociate")


def test_a_posted_default_triggers_no_rule_and_falls_away_where_it_does_not_apply(connector: Connector) -> None:
    everything = {
        row.key: row.default for row in connector.actions["create-meeting"].inputs.values() if row.has_default
    }
    sent = body(connector, {**MEETING, "type": 2, **everything})
    assert "recurrence" not in sent
    assert sent["settings"]["audio"] == "both"
    assert "registration_type" in sent["settings"]


def test_a_posted_default_gives_way_to_a_touched_rival(connector: Connector) -> None:
    recurring = {**MEETING, "type": 8, "type_recurrence": 1, "end_times": 1}
    sent = body(connector, {**recurring, "end_date_time": "2030-01-01T00:00:00Z"})
    assert sent["recurrence"] == {"type": 1, "end_date_time": "2030-01-01T00:00:00Z"}
    said = refused(connector, {**recurring, "end_times": 5, "end_date_time": "2030-01-01T00:00:00Z"})
    assert said == {"inputs.end_times": "enter only one of 'End Date Time' and 'End Times'"}


def test_a_default_in_any_spelling_is_untouched(connector: Connector) -> None:
    for spelling in (1, "1", "1.0", 1.0, " 1 "):
        assert body(connector, {**MEETING, "type": 2, "end_times": spelling}) == {"type": 2}


def test_the_published_sample_sent_back_unchanged_is_sent_with_a_warning(connector: Connector) -> None:
    row = connector.actions["create-meeting"].inputs["tracking_fields"]
    preview = connector.actions["create-meeting"].preview({**MEETING, "tracking_fields": row.default})
    assert preview["body"] == {"tracking_fields": [{"field": "field1", "value": "value1"}]}
    assert [warning["where"] for warning in preview["warnings"]] == ["inputs.tracking_fields"]


# -- 4 and 5: text is text, and types survive ------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["478", "None", "{{ 7*7 }}", "true", "0x10", "null", "{user_id}", "${HOME}"])
def test_text_is_sent_as_it_is(connector: Connector, text: str) -> None:
    assert body(connector, {**MEETING, "topic": text}) == {"topic": text}


@pytest.mark.parametrize("spelling", [45, "45", 45.0, " 45 ", "45.0", "045"])
def test_an_integer_takes_its_spellings(connector: Connector, spelling: Any) -> None:
    sent = body(connector, {**MEETING, "duration": spelling})
    assert sent == {"duration": 45}
    assert type(sent["duration"]) is int


@pytest.mark.parametrize("spelling", [True, "true", "TRUE", "True", " true "])
def test_a_boolean_takes_its_spellings(connector: Connector, spelling: Any) -> None:
    assert body(connector, {**MEETING, "host_video_on_start": spelling}) == {"settings": {"host_video": True}}


@pytest.mark.parametrize("wrong", [1, 0, "yes", "on", [], {}])
def test_a_boolean_takes_nothing_else(connector: Connector, wrong: Any) -> None:
    assert (
        "true or false" in refused(connector, {**MEETING, "host_video_on_start": wrong})["inputs.host_video_on_start"]
    )


@pytest.mark.parametrize(
    ("number", "text"), [(478, "478"), (1.5, "1.5"), (81279432123, "81279432123"), (8.1e10, "81000000000")]
)
def test_text_takes_a_number_as_it_is_written(connector: Connector, number: Any, text: str) -> None:
    assert body(connector, {**MEETING, "topic": number}) == {"topic": text}


@pytest.mark.parametrize("wrong", [True, False, ["a"], {"a": 1}])
def test_text_takes_no_booleans_lists_or_objects(connector: Connector, wrong: Any) -> None:
    assert "must be text" in refused(connector, {**MEETING, "topic": wrong})["inputs.topic"]


def test_integers_above_two_to_the_53_stay_exact_and_are_text_in_forms(connector: Connector) -> None:
    user = {"email": "a@b.example", "user_type": 1, "zoom_one_type": "576460752303423488"}
    assert body(connector, user, "create-user")["user_info"]["feature"]["zoom_one_type"] == 576460752303423488
    rounded = {**user, "zoom_one_type": 576460752303423500}
    assert "inputs.zoom_one_type" in refused(connector, rounded, "create-user")
    entry = next(item for item in connector.catalogue()["actions"] if item["key"] == "create-user")
    assert entry["form_schema"]["properties"]["zoom_one_type"]["enum"][-1] == "576460752303423488"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("2026-11-01T09:00:00Z", "2026-11-01T09:00:00Z"),
        ("2026-11-01T09:00:00+02:00", "2026-11-01T07:00:00Z"),
        ("2026-11-01T09:00:00.250-0530", "2026-11-01T14:30:00Z"),
        ("2026-11-01 09:00", "2026-11-01T09:00:00"),
        ("2026-11-01T09:00:00", "2026-11-01T09:00:00"),
        ("2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z"),
    ],
)
def test_a_time_with_a_zone_goes_as_utc_and_a_local_time_stays_local(
    connector: Connector, given: str, sent: str
) -> None:
    assert body(connector, {**MEETING, "start_time": given}) == {"start_time": sent}


def test_a_time_that_must_be_utc_is_refused_without_a_zone(connector: Connector) -> None:
    recurring = {**MEETING, "type": 8, "type_recurrence": 1}
    said = refused(connector, {**recurring, "end_date_time": "2030-01-01T00:00:00"})
    assert said["inputs.end_date_time"].startswith("has the wrong format: enter it as in 2026-11-01T09:00:00Z")


def test_days_of_the_week_are_one_text_for_zoom_however_they_are_given(connector: Connector) -> None:
    for given in ("1,3", [1, 3], ["1", "3"], "[1, 3]", " 1 , 3 "):
        sent = body(connector, {**MEETING, "type": 8, "type_recurrence": 2, "weekly_day": given})
        assert sent["recurrence"] == {"type": 2, "weekly_days": "1,3"}


# -- 6: places guard themselves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dots", [".", ".."])
def test_a_dot_segment_is_no_id(connector: Connector, dots: str) -> None:
    assert refused(connector, {"user_id": dots}, "get-user")["inputs.user_id"] == "must not be . or .."


@pytest.mark.parametrize(
    ("given", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("a+b@c.example", "a%2Bb%40c.example"),
        ("../../x", "..%2F..%2Fx"),
        ("a?b#c", "a%3Fb%23c"),
        ("é 🎉", "%C3%A9%20%F0%9F%8E%89"),
        ("%2e%2e", "%252e%252e"),
    ],
)
def test_a_path_value_is_one_encoded_segment(connector: Connector, given: str, segment: str) -> None:
    assert connector.actions["get-user"].preview({"user_id": given})["url"] == f"https://api.zoom.us/v2/users/{segment}"


@pytest.mark.parametrize(
    ("uuid", "segment"),
    [
        ("4444AAAiAAAAAiAiAiiAii==", "4444AAAiAAAAAiAiAiiAii%3D%3D"),
        ("/abc==", "%252Fabc%253D%253D"),
        ("ab//cd==", "ab%252F%252Fcd%253D%253D"),
        ("ab/cd==", "ab%2Fcd%3D%3D"),
        ("812 7943-2123", "81279432123"),
    ],
)
def test_a_uuid_with_slashes_is_encoded_twice_where_zoom_needs_it(
    connector: Connector, uuid: str, segment: str
) -> None:
    url = connector.actions["get-meeting-recordings"].preview({"meeting_id": uuid})["url"]
    assert url == f"https://api.zoom.us/v2/meetings/{segment}/recordings"


def test_a_meeting_id_is_a_number_where_zoom_takes_no_uuid(connector: Connector) -> None:
    assert (
        "has the wrong format: enter it as in 81279432123"
        in refused(connector, {"meeting_id": "abc=="}, "get-meeting")["inputs.meeting_id"]
    )


@pytest.mark.parametrize("name", ["Authorization", "HOST", "content-length", "Transfer-Encoding"])
def test_a_raw_request_cannot_replace_what_the_connection_sets(connector: Connector, name: str) -> None:
    raw = {"method": "GET", "url": "/users", "header": {name: "x"}}
    assert refused(connector, raw, "raw-request") == {f"inputs.header.{name}": "is set by the connection: leave it out"}


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "caf\u00e9"])
def test_a_raw_header_is_one_line_of_ascii(connector: Connector, value: str) -> None:
    raw = {"method": "GET", "url": "/users", "header": [{"key": "X-A", "value": value}]}
    assert "one line" in refused(connector, raw, "raw-request")["inputs.header.X-A"]


# -- 7 and 8: the connection, and all problems at once ---------------------------------------------------------------


def test_the_connection_is_listed_for_forms_and_ignored_when_it_is_given(connector: Connector) -> None:
    action = connector.actions["create-meeting"]
    assert next(iter(action.inputs)) == "connection"
    assert "connection" not in action.input_schema["properties"]
    assert action.preview({**MEETING, "connection": "mine"}) == action.preview(MEETING)


def test_all_problems_come_at_once_each_with_its_place_and_its_remedy(connector: Connector) -> None:
    said = refused(
        connector,
        {
            "topc": "x",
            "type": 8,
            "duration": 2000,
            "type_recurrence": 2,
            "audio_method": "voice",
            "tracking_fields": "{not json",
            "start_time": "tomorrow",
            "agenda": "x" * 2001,
        },
    )
    assert said == {
        "inputs.user_id": "is required: enter 'User Id', for example aB9kLmNsYxErt3VzjKp-2w",
        "inputs.topc": "is not an input of create-meeting. Did you mean 'topic'?",
        "inputs.duration": "must be a whole number from 1 to 1440; it is 2000",
        "inputs.weekly_day": "is required when 'Type Recurrence' is Weekly: enter 'Weekly Day', for example 1",
        "inputs.audio_method": "must be one of Both telephony and VoIP (both), Telephony only (telephony), "
        "VoIP only (voip), Third party audio conference (thirdParty); it is \"voice\". Did you mean 'voip'?",
        "inputs.tracking_fields": 'must be a list written as JSON, such as [{"key": "value"}]',
        "inputs.start_time": "has the wrong format: enter it as in 2026-11-01T09:00:00 or 2026-11-01T09:00:00Z; "
        'it is "tomorrow"',
        "inputs.agenda": "must have at most 2000 characters; it has 2001",
    }


def test_an_input_outside_its_condition_is_refused_with_the_condition(connector: Connector) -> None:
    assert refused(connector, {**MEETING, "type": 2, "type_recurrence": 1}) == {
        "inputs.type_recurrence": "is used only when 'Type' is Recurring meeting (Fixed Time): clear it, "
        "or change 'Type'"
    }


def test_a_month_needs_a_day_or_a_week_and_a_week_needs_its_day(connector: Connector) -> None:
    monthly = {**MEETING, "type": 8, "type_recurrence": 3}
    assert list(refused(connector, monthly)) == ["inputs.monthly_day"]
    assert list(refused(connector, {**monthly, "monthly_week": -1})) == ["inputs.monthly_week_day"]
    assert body(connector, {**monthly, "monthly_week": -1, "monthly_week_day": 2})["recurrence"] == {
        "type": 3,
        "monthly_week": -1,
        "monthly_week_day": 2,
    }


def test_messages_need_a_contact_or_a_channel_unless_a_search_says_what_to_look_for(connector: Connector) -> None:
    chat = "list-users-chat-messages"
    assert list(refused(connector, {"user_id": "me"}, chat)) == ["inputs.to_contact"]
    both = {"user_id": "me", "to_contact": "a", "to_channel": "b"}
    assert list(refused(connector, both, chat)) == ["inputs.to_channel"]
    assert list(refused(connector, {"user_id": "me", "search_key": "x"}, chat)) == ["inputs.search_type"]
    found = connector.actions[chat].preview({"user_id": "me", "search_key": "x", "search_type": "file"})
    assert found["url"].endswith("/chat/users/me/messages?search_type=file&search_key=x&page_size=50")


def test_faults_inside_json_are_named_with_their_path(connector: Connector) -> None:
    phones = [{"code": "+1", "label": "Mobil"}, 5]
    for given in (phones, '[{"code": "+1", "label": "Mobil"}, 5]'):
        said = refused(connector, {"user_id": "me", "phone_numbers": given}, "update-user")
        assert said == {
            "inputs.phone_numbers.0.label": 'must be one of "Mobile", "Office", "Home", "Fax"',
            "inputs.phone_numbers.1": "must be an object, not a number",
        }


def test_a_secret_that_is_refused_is_not_quoted(connector: Connector) -> None:
    with pytest.raises(InputError) as caught:
        connector.actions["update-user"].preview({"user_id": "me", "host_key": "abcdef"})
    assert "abcdef" not in str(caught.value)
    assert "abcdef" not in repr(caught.value.to_dict())


def test_what_json_cannot_carry_is_refused(connector: Connector) -> None:
    assert "NaN" not in refused(connector, {**MEETING, "topic": float("nan")})["inputs.topic"]
    assert list(refused(connector, {**MEETING, "topic": "\ud800"})) == ["inputs.topic"]
    assert list(refused(connector, {**MEETING, "tracking_fields": [{"field": b"x"}]})) == [
        "inputs.tracking_fields.0.field"
    ]
    assert list(refused(connector, {**MEETING, "tracking_fields": '[{"field": NaN}]'})) == ["inputs.tracking_fields"]


def test_a_large_interval_warns_and_is_sent_since_zoom_contradicts_itself(connector: Connector) -> None:
    preview = connector.actions["create-meeting"].preview(
        {**MEETING, "type": 8, "type_recurrence": 1, "repeat_interval": 95, "end_times": 2}
    )
    assert preview["body"]["recurrence"]["repeat_interval"] == 95
    assert [warning["where"] for warning in preview["warnings"]] == ["inputs.repeat_interval"]


def test_one_licence_at_a_time(connector: Connector) -> None:
    said = refused(connector, {"user_id": "me", "user_type": 1, "zoom_one_type": 16}, "update-user")
    assert said == {
        "inputs.zoom_one_type": "enter only one of 'User Type' and 'Zoom One Type': Zoom changes one licence at a time"
    }
