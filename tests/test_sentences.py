"""The runtime's own sentences: each keeps how it was made and is translated, and a connector speaks one language."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from connector_runtime.definitions import documents, locales
from connector_runtime.definitions.checks.connector import locale as check_locale
from connector_runtime.definitions.checks.faults import CheckedFile
from connector_runtime.definitions.sources import phrases
from connector_runtime.sentences import Phrasebook, Sentence, both, either
from zoom_connector import Connector, InputError, load

from .sentences import RUNTIME, has_words, templates

GERMAN = Phrasebook("de", "Zoom", {"must be at most {most}": "darf höchstens {most} sein", "a list": "eine Liste"})
ENGLISH = re.compile(
    r"\b(the|of|is|are|be|must|should|enter|give|not|and|or|with|when|only|used|required|clear|change|leave|out|has|have"
    r"|wrong|format|list|values?|one|for|example|problems?|did|you|mean|as|text|number|whole|empty|least)\b"
)


# -- a sentence --------------------------------------------------------------------------------------------------------


def test_a_sentence_is_its_english_text_and_can_be_said_in_another_language() -> None:
    sentence = Sentence("must be at most {most}", most=5)
    assert sentence == "must be at most 5"
    assert GERMAN.say(sentence) == "darf höchstens 5 sein"


def test_sentences_within_a_sentence_are_translated_with_it() -> None:
    outer = Sentence("{first}: {rest}", first=Sentence("a list"), rest=("x", Sentence("a list")))
    assert (outer, GERMAN.say(outer)) == ("a list: x, a list", "eine Liste: x, eine Liste")


def test_the_vendor_has_its_name_once_a_connector_speaks() -> None:
    sentence = Sentence("{vendor} failed; ask {vendor}")
    assert sentence == "The vendor failed; ask the vendor"
    assert GERMAN.say(sentence) == "Zoom failed; ask Zoom"


def test_braces_that_are_no_slots_and_values_with_braces_stay_as_they_are() -> None:
    assert Sentence('such as {"key": {}} and {name}', name="{most}") == 'such as {"key": {}} and {most}'


def test_a_text_without_a_translation_is_said_as_it_is() -> None:
    assert GERMAN.say(Sentence("is empty")) == "is empty"
    assert (GERMAN.say("must be at most {most}"), GERMAN.say(None)) == ("must be at most {most}", None)


def test_a_sentence_outlives_a_process_of_its_own() -> None:
    copied = pickle.loads(pickle.dumps(Sentence("must be at most {most}", most=5)))
    assert (copied, GERMAN.say(copied)) == ("must be at most 5", "darf höchstens 5 sein")


@pytest.mark.parametrize(
    ("parts", "told"), [(["a"], ("a", "a")), (["a", "b", "c"], ("a, b or c", "a, b and c"))], ids=["one", "three"]
)
def test_texts_are_listed_as_a_person_would(parts: list[str], told: tuple[str, str]) -> None:
    assert (either(parts), both(parts)) == told


# -- every sentence ----------------------------------------------------------------------------------------------------


def test_every_sentence_is_translated_once_with_its_slots_and_nothing_else_is() -> None:
    file = RUNTIME / "locales" / "de.yaml"
    document = documents.read(file.read_text(), "locales/de.yaml")
    said = document.data["texts"]
    known = {text: [place] for text, place in templates().items() if has_words(text) or text in said}
    assert len(known) > 300
    assert [str(problem) for problem in locales.gaps(document, known, set())] == []
    faults = CheckedFile(document, "locales")
    check_locale(faults, {}, None)  # type: ignore[arg-type]
    assert faults.all() == []


def test_no_module_that_complains_about_inputs_makes_a_complaint_in_another_way() -> None:
    for name in ("inputs", "types"):
        for path in (RUNTIME / name).rglob("*.py"):
            assert not re.search(r"(Problem\([^,]+|\(\(\)), f?[\"']", path.read_text()), path


def test_a_region_speaks_its_language_and_english_needs_no_translation() -> None:
    assert phrases("de-AT")["Yes"] == "Ja"
    assert phrases("en-GB") == phrases("tlh") == {}


# -- a translated connector --------------------------------------------------------------------------------------------


def wrong() -> list[Any]:
    long, many = "x" * 1_000_001, list(range(200))
    return [True, 0, -1, 1.5, 10**30, "x", "99999", "[1", "{a", {}, {"a": 1}, {"base64": 7}, [[]], many, long]


def complaints(connector: Connector) -> Iterator[str]:
    """What a connector says of wrong inputs, a value of each kind for each input of each action."""
    for action in connector.actions.values():
        for value in wrong():
            try:
                action.preview(dict.fromkeys(action.inputs, value) | {"unheard_of": 1})
            except InputError as error:
                yield str(error)


def test_a_translated_connector_says_what_is_wrong_in_its_language_alone(connector: Connector) -> None:
    found = "\n".join(complaints(connector.localized("de")))
    assert found.count("ist keine Eingabe von") > 100
    told = re.sub(r"\"[^\"\n]*(\"|…)|`[^`]*`|inputs\.\S+|\w+(-\w+)+|\([\w.,-]+\)", "", found)  # values and names
    assert sorted(set(ENGLISH.findall(told))) == []


def test_the_same_connector_in_english_has_not_a_word_of_german(connector: Connector) -> None:
    assert not re.search(r"\b(muss|darf|ist|Sie|oder|und)\b", "\n".join(complaints(connector)))


def test_an_input_that_is_not_used_is_to_be_cleared_and_nothing_else_is_said_of_it(connector: Connector) -> None:
    with pytest.raises(InputError) as caught:
        connector.actions["create-meeting"].preview({"user_id": "me", "topic": "x", "type": 2, "weekly_day": "9"})
    assert [problem.what for problem in caught.value.problems] == [
        "is used only when 'Type Recurrence' is Weekly: clear it, or change 'Type Recurrence'"
    ]


@pytest.mark.parametrize(
    ("inputs", "wrong"),
    [
        ({"type": "Recurring", "type_recurrence": 2, "weekly_day": [3]}, ["type"]),  # refused
        ({"type": 8, "type_recurrence": "Weekly", "weekly_day": [3]}, ["type_recurrence"]),
        ({"type": 8, "type_recurence": 2, "weekly_day": [3]}, ["type_recurence"]),  # misspelt
        ({"type": 8, "type_recurrence": "Weekly", "weekly_day": [9]}, ["type_recurrence", "weekly_day.0"]),
        ({"type": 2, "type_recurrence": 1, "weekly_day": [3]}, ["type_recurrence", "weekly_day"]),  # true in any case
        ({"type": "Recurring", "weekly_day": [3]}, ["type", "weekly_day"]),
    ],
)
def test_a_condition_on_an_input_that_is_wrong_itself_is_no_reason_to_complain(
    connector: Connector, inputs: dict[str, object], wrong: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        connector.actions["create-meeting"].preview({"user_id": "me", **inputs})
    assert sorted(problem.where for problem in caught.value.problems) == [f"inputs.{each}" for each in wrong]


@pytest.mark.parametrize(
    ("code", "told"), [("en", "enter 6 to 10 digits"), ("de", "Geben Sie 6 bis 10 Ziffern ein")], ids=["en", "de"]
)
def test_a_pattern_says_what_to_enter_in_its_own_words(connector: Connector, code: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        connector.localized(code).actions["update-user"].preview({"user_id": "me", "host_key": "12"})


def test_a_warning_is_in_the_language_too() -> None:
    told = [
        load().localized(code).actions["create-meeting"].preview({"user_id": "me", "topic": "x", "type": 2})["warnings"]
        for code in ("en", "de")
    ]
    assert [len(warnings) for warnings in told] == [len(told[0])] * 2


# -- the page ----------------------------------------------------------------------------------------------------------

PAGE = RUNTIME / "service" / "page"
MARKED = re.compile(r"\b(?:t|around)\(\"(?:[^\"\\]|\\.)*\"")
LITERAL = re.compile(r"\"((?:[^\"\\\n]|\\.)*)\"|`((?:[^`\\]|\\.)*)`")
TOLD = re.compile(r"[A-Z][a-z]{2}|[a-z]{2,} [a-z]{2,}")  # what reads as words for people
CODE = re.compile(r"Accept(-Language)?|Authorization|Content-Type|Bearer |AbortError|Arrow(Up|Down)|Enter|Escape")


class Words(HTMLParser):
    """What a page says by itself, before its scripts do."""

    found: list[str]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.skipped = tag == "noscript"
        shown = ("aria-label", "placeholder", "title", "alt")
        self.found += [value for name, value in attributes if name in shown and value]

    def handle_data(self, data: str) -> None:
        self.found += [data.strip()] if data.strip() and not self.skipped else []


def test_the_page_says_nothing_that_is_not_among_the_translated_texts() -> None:
    page = Words()
    page.found = []
    page.feed((PAGE / "page.html").read_text())
    assert page.found == []
    for path in PAGE.glob("*.js"):
        lines = [re.sub(r"(^|\s)//.*", "", line) for line in path.read_text().splitlines() if "import " not in line]
        script, before = MARKED.sub("", "\n".join(lines)), ""
        while script != before:  # from the inside out
            script, before = re.sub(r"\$\{[^{}]*\}", "", script), script
        said = [plain or template for plain, template in LITERAL.findall(script)]
        assert [text for text in said if TOLD.search(text) and not CODE.fullmatch(text)] == [], path.name


def test_every_text_of_the_page_has_its_german() -> None:
    from connector_runtime.service.app import page_texts

    texts = page_texts()
    assert {"Run", "(not set)", "All fields are shown", "No connection yet: create one first"} <= {*texts}
    assert [text for text in texts if text not in phrases("de")] == []
