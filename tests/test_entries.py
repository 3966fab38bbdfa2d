"""Drop-downs without a network: items become entries, are told apart, cast for their input, and searched."""

from __future__ import annotations

import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from connector_runtime.calls import choices as entries
from connector_runtime.calls.choices import browse
from connector_runtime.definitions.folders import load
from connector_runtime.errors import InputError
from connector_runtime.inputs.bind import BoundInputs
from connector_runtime.language import codecs, expressions
from connector_runtime.model import Choice, ChoiceList, Choices, Input, Json, Page
from connector_runtime.session import ValueCache
from connector_runtime.steps import Recall, Remember
from connector_runtime.types import registry

LIST = ChoiceList(key="people", value=("id",), label=("{{ name }} · {{ host.email }}", "name"), description=("note",))
TEXT = Input(key="user", label="User", type="string")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries({}, optional={"id": JSON, "name": JSON, "note": JSON, "host": JSON})
CHOICES = st.lists(
    st.builds(Choice, value=st.text(min_size=1, max_size=3), label=st.sampled_from(["a", "b", "a · x", "a · a"])),
    unique_by=lambda each: each.value,
)


# -- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "item", "shown"),
    [
        ("name", {"name": "Ada"}, "Ada"),
        ("name", {"name": " two\n lines "}, "two lines"),
        ("name", {"name": "  "}, None),
        ("name", {}, None),
        ("host.email", {"host": {"email": "a@b.example"}}, "a@b.example"),
        ("number", {"number": 0}, "0"),
        ("{{ name }} · {{ email }}", {"name": "Ada", "email": "a@b.example"}, "Ada · a@b.example"),
        ("{{ name }} · {{ email }}", {"name": "Ada", "email": None}, None),
        ("{{ name }} · {{ email }}", {"name": "Ada"}, None),
        ("{{ nick or (first ~ ' ' ~ last) }}", {"nick": None, "first": "Ada", "last": None}, "Ada"),
        ("{{ text[:3] }}", {"text": "abcdef"}, "abc"),
        ("{{ text[:3] }}", {}, None),
        ("{{ 1 // number }}", {"number": 0}, None),
        ("{{ name ~ '!' }}", {"self": "a field of the vendor's", "name": "Ada"}, "Ada!"),
        ("{{ at | moment }}", {"at": "2026-11-01T09:00:00Z"}, "2026-11-01 09:00 UTC"),
        ("{{ at | moment }}", {"at": "2026-11-01T09:00:07.25+01:00"}, "2026-11-01 09:00:07 +01:00"),
        ("{{ at | moment }}", {"at": "tomorrow"}, "tomorrow"),
        ("{{ at | moment }}", {}, None),
    ],
)
def test_a_label_is_one_line_and_none_where_a_part_is_blank(text: str, item: dict[str, Any], shown: str | None) -> None:
    assert expressions.template(text).value(item) == shown


def test_what_people_type_in_a_topic_is_never_an_expression() -> None:
    assert expressions.template("{{ name }}").value({"name": "{{ 7 * 7 }}"}) == "{{ 7 * 7 }}"


# -- items -----------------------------------------------------------------------------------------------------------


def test_an_item_without_an_id_is_left_out_and_one_without_a_name_shows_its_id() -> None:
    items = [
        {"id": 1, "name": "Ada"},
        {"name": "pending"},
        {"id": "", "name": "x"},
        {"id": 0},
        {"id": True},
        "no object",
        None,
    ]
    assert [(each.value, each.label) for each in entries.entries(LIST, items)] == [(1, "Ada"), (0, "0")]


def test_the_first_value_that_is_not_blank_is_taken() -> None:
    found = entries.entries(LIST._replace(value=("id", "user_id")), [{"id": "", "user_id": 7, "name": "Guest"}])
    assert [(each.value, each.label) for each in found] == [(7, "Guest")]


@settings(deadline=None)
@given(st.lists(FIELDS | JSON, max_size=5))
def test_whatever_a_vendor_sends_becomes_entries_with_one_line_of_label(items: list[Json]) -> None:
    found = entries.fitted(entries.entries(LIST, items), None)
    assert len(found) <= len(items)
    for each in found:
        assert isinstance(each.value, str) and each.value.strip()
        assert each.label.strip() and len(each.label.split("\n")) == 1


# -- told apart ------------------------------------------------------------------------------------------------------


def test_entries_with_one_label_show_their_values_and_others_stay_as_they_are() -> None:
    found = entries.with_distinct_labels(
        [Choice(value=value, label=label) for value, label in ((1, "A"), (2, "B"), (3, "A"))]
    )
    assert [each.label for each in found] == ["A · 1", "B", "A · 3"]


def test_labels_that_would_meet_by_their_values_are_told_apart_too() -> None:
    pairs = (("A", "b · c"), ("A", "x"), ("A · b", "c"), ("A · b", "y"), ("A · x", "z"))
    labels = [
        each.label
        for each in entries.with_distinct_labels([Choice(value=value, label=label) for label, value in pairs])
    ]
    assert len({*labels}) == 5
    assert labels[4] == "A · x"


@settings(deadline=None)
@given(CHOICES)
def test_no_two_labels_are_the_same_and_no_entry_is_lost(found: list[Choice]) -> None:
    apart = entries.with_distinct_labels(found)
    assert len({each.label for each in apart}) == len(apart)
    assert [each.value for each in apart] == [each.value for each in found]
    assert all(each.label.startswith(before.label) for each, before in zip(apart, found, strict=True))


def test_who_stands_in_a_list_twice_is_offered_once() -> None:
    twice = [Choice(value="7", label="Ada"), Choice(value=7, label="Ada, who came back"), Choice(value=8, label="Zoë")]
    assert [each.label for each in entries.fitted(twice, TEXT)] == ["Ada", "Zoë"]


# -- cast for the input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "value", "cast"),
    [
        (TEXT, 92674392836, "92674392836"),
        (TEXT._replace(type="integer"), "12", 12),
        (TEXT._replace(type="integer"), "twelve", None),
        (TEXT._replace(type="integer", collection="list"), "12", 12),
        (TEXT._replace(collection="map"), 12, "12"),
        (TEXT._replace(schema={"pattern": "^[0-9]+$", "minimum": 1}), 12, "12"),
        (TEXT._replace(schema={"pattern": "^[0-9]+$"}), "a", None),
        (TEXT._replace(collection="list", codecs=(codecs.CODECS["csv"],)), "a,b", None),
        (TEXT._replace(type="integer"), 2**60, str(2**60)),
        (TEXT._replace(type="number"), 1.5, 1.5),
        (None, 12, "12"),
    ],
)
def test_a_value_is_what_the_input_takes_and_what_it_would_refuse_is_left_out(
    row: Input | None, value: Json, cast: Json
) -> None:
    found = [each.value for each in entries.fitted([Choice(value=value, label="x")], row)]
    assert found == ([] if cast is None else [cast])
    assert [type(each) for each in found] == ([] if cast is None else [type(cast)])


@settings(deadline=None)
@given(
    st.lists(JSON, max_size=6),
    st.sampled_from(["string", "integer", "number", "date", "boolean", "json"]),
    st.sampled_from([None, "list"]),
)
def test_whatever_is_offered_the_input_accepts(values: list[Json], type: str, collection: str | None) -> None:
    row = TEXT._replace(type=type, collection=collection)
    accepts = Draft202012Validator(registry.schema(row, blank=False)).is_valid
    for each in entries.fitted([Choice(value=value, label="x") for value in values], row):
        assert accepts([each.value] if collection else each.value)


# -- search ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "label"),
    [
        ("zolc lukasz", "Łukasz Żółć"),
        ("MULLER", "Zoë Müller"),
        ("müller", "ZOE MULLER"),
        ("strasse", "Straße"),
        ("STRAßE", "strasse"),
        ("sigma ΣΑΣ", "sigma σας"),
        ("istanbul", "İstanbul"),
        ("smorrebrod", "Smørrebrød"),
        ("thor", "Þór"),
        ("佐藤", "美咲 佐藤"),
        ("ｆｕｌｌ", "full"),
        ("user7@", "Ada · user7@sandbox.example"),
        ("", "anything"),
    ],
)
def test_a_search_finds_whatever_the_case_and_the_accents(search: str, label: str) -> None:
    assert entries.matching([Choice(value=1, label=label)], search)


def test_every_word_must_occur_in_the_label_the_value_or_the_description() -> None:
    ada = Choice(value="id7", label="Ada Lovelace", description="Research")
    for search, hit in (
        ("ada id7 research", True),
        ("ada sales", False),
        ("adalovelace", False),
        ("lovelaceid7", False),
    ):
        assert bool(entries.matching([ada], search)) is hit, search


def test_in_a_value_a_part_must_begin_with_the_word() -> None:
    for search, value, hit in (
        ("berlin", "Europe/Berlin", True),
        ("europe/berlin", "Europe/Berlin", True),
        ("12", "f23e32bf5004c12f", False),
        ("f23e", "f23e32bf5004c12f", True),
        ("york", "America/New_York", True),
        ("erlin", "Europe/Berlin", False),
    ):
        assert bool(entries.matching([Choice(value=value, label="x")], search)) is hit, search


@settings(deadline=None)
@given(st.text(min_size=1))
def test_an_entry_is_found_by_its_own_label_in_another_case_or_another_form_of_unicode(label: str) -> None:
    found = [Choice(value="v", label=label)]
    for search in (label, label.casefold(), unicodedata.normalize("NFD", label), unicodedata.normalize("NFC", label)):
        assert entries.matching(found, search)


# -- page by page ----------------------------------------------------------------------------------------------------

FOLDER = Path(__file__).parent / "bad" / "folder"  # the sound folder around the anti-examples


def page(*names: str, cursor: str | None) -> Choices:
    return Choices(choices=tuple(Choice(value=name, label=name) for name in names), cursor=cursor)


def test_a_search_goes_on_to_the_page_that_has_something_and_no_further() -> None:
    connector = load(FOLDER)
    asked = browse(connector.profile, connector.action, "lofts", None, search="b")
    seen = []
    for cursor, found in ((None, page("a", cursor="2")), ("2", page("c", "b", "bb", cursor="3"))):
        assert asked.wants_page
        assert asked.cursor == cursor
        asked.take(found)
        seen.append(found)
    assert not asked.wants_page
    assert asked.result == page("b", "bb", cursor="3")


def test_a_search_that_finds_nothing_gives_up_after_some_pages_and_leaves_a_cursor() -> None:
    connector = load(FOLDER)
    asked = browse(connector.profile, connector.action, "lofts", None, search="nobody")
    read = 0
    while asked.wants_page:
        read += 1
        asked.take(page("a", cursor=str(read)))
    assert read == 5
    assert asked.result == page(cursor="5")


def test_what_the_vendor_found_is_not_looked_through_again() -> None:
    connector = load(FOLDER)
    asked = browse(connector.profile, connector.action, "lofts", None, search="b")
    asked.source = asked.source._replace(search={"query": "{}"})
    asked.take(page("a", cursor=None))
    assert asked.result == page("a", cursor=None)


def test_the_answer_of_an_action_that_is_no_list_is_read_where_the_list_says() -> None:
    connector = load(FOLDER)
    asked = browse(connector.profile, connector.action, "lofts", None)
    asked.source = asked.source._replace(items=("grey", "white.birds", "none"))
    data = {"grey": [{"id": 1}], "white": {"birds": [{"id": 2}]}, "none": "no list"}
    found = asked.read(Page(data=data, items=None, status=200, headers={}))
    assert [each.value for each in found.choices] == [1, 2]


def test_a_page_is_kept_under_another_name_for_another_connection_list_input_or_cursor() -> None:
    connector = load(FOLDER)
    asked = browse(connector.profile, connector.action, "lofts", None, search="a")
    other = browse(connector.profile, connector.action, "lofts", None, search="b")
    key = asked.key({"access_token": "one"})
    assert key == other.key({"access_token": "one"})
    assert "one" not in key
    keys = {key, asked.key({"access_token": "two"})}
    for change in (
        {"cursor": "2"},
        {"bound": BoundInputs({"owner": "me"}, ())},
        {"source": asked.source._replace(key="doves")},
    ):
        changed = browse(connector.profile, connector.action, "lofts", None)
        for name, value in change.items():
            setattr(changed, name, value)
        keys.add(changed.key({"access_token": "one"}))
    assert len(keys) == 5


def test_no_more_pages_are_kept_than_there_is_room_for_and_none_with_a_ttl_of_0() -> None:
    memory = ValueCache(capacity=2)
    for key in "abc":
        memory.remember(Remember(key, page(key, cursor=None), 60))
    recalled = [memory.recall(Recall(key, 60)) for key in "abc"]
    assert recalled == [None, page("b", cursor=None), page("c", cursor=None)]
    assert memory.recall(Recall("c", 0)) is None
    memory.remember(Remember("c", page("new", cursor=None), 0))
    assert memory.recall(Recall("c", 60)) is None


# -- what is asked for -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"inputs": ["me"]}, "inputs"),
        ({"parameters": "me"}, "parameters"),
        ({"search": 7}, "search"),
        ({"parameters": {"owner": "me"}}, "parameters.owner"),
    ],
)
def test_what_cannot_be_read_is_named(given: dict[str, Any], where: str) -> None:
    connector = load(FOLDER)
    with pytest.raises(InputError) as caught:
        browse(connector.profile, connector.action, "lofts", None, **given)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_marks_in_any_number_and_order_take_no_time() -> None:
    began = time.monotonic()
    assert entries.plain("Zo\u0301\u0316e" + "\u0301\u0316" * 200_000 + "\u0f73" * 100_000) == "zoe"
    assert time.monotonic() - began < 5
