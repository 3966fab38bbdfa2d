"""The words of the definitions: plain English, and German that follows one glossary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.definitions import locales
from zoom_connector import Connector

HERE = Path(__file__).parent
LONGEST = 170  # characters of a German help, addresses aside
TRANSLATED = (  # what nobody writes whose language is English, and what only we would understand
    r"vendor|pacer|surrogate|token expired|page token|endpoint",
    r"go on\b|mend\b|take it out|stand in for|this kind\b(?! of)|in this state|so many\b|used up",
    r"(?<!there )\bis no (?!longer)",
    r"\btype \d|\(\d\)",
    r"\blicenses?\b",  # Zoom's own labels say license; we say licence
)
TERMS = {  # what the English says -> what the German says then
    r"(?<!not )\bhosts?\b(?! key| meetings| or )": "Host",
    "host key": "Hostschlüssel",
    "regist(rant|ration|er)": "registrier",
    "participant|attendee": "Teilnehmer",
    "passcode": "Kenncode",
    "user password": "Kennwort",
    "licen[cs]e": "Lizenz",
    "occurrence": "Termin",
    "recording": "aufzeichnung|aufgezeichnet",
    "(call|phone) recording": "Anrufaufzeichnung",
    "personal meeting id": "persönliche Meeting-ID",
    "recurr": "wiederhol|wiederkehrend",
    "instant meeting": "Sofortmeeting",
    "channel": "Kanal|Kanäle",
    "disassociate": "trennen",
    r"\badmin\b": "Administrator",
    r"\bscopes?\b": "Scope",
    "pending": "ausstehend",
    "client secret": "Client-Secret",
    "sign(ed)?[ -]in": "meld",
}
FORBIDDEN = {  # what no German text says -> what it says instead
    "Moderator|Gastgeber|Veranstalter": "Host",
    "Passw[oö]rt": "Kenncode for a meeting, Kennwort for a user",
    "Bereich": "Scope",
    "Host-Schlüssel": "Hostschlüssel",
    "Personal-Meeting": "Persönliche Meeting-ID",
    "[Gg]eheime|Geheimnis": "Secret Token, Client-Secret",
    "(?<!Konto)[Ii]nhaber": "Besitzer; only an account has a Kontoinhaber",
    "Mitarbeitend|Teilnehmend|[a-zß][:*/_]in(?:nen)?\\b": "Mitarbeiter, Teilnehmer",
    "Telefonaufzeichnung|Aufnahme": "Anrufaufzeichnung, Aufzeichnung",
    "Seitentoken|Endpunkt": "what the reader sees of it",
    r"Account|Login|(?<!-)\bE?mail|\bUser\b": "Konto, Anmeldung, E-Mail, Benutzer",
    r"\b[Dd](u|ich|ir|eine?[mnrs]?)\b": "Sie",
    r"Art \d|Genehmigungsart \d|\(\d\)": "the label",
    "['\"]": "„…“",
}
NAMES = r"Zoom One for Education( School and Campus)?|Isle of Man|„OAuth [^“]*“"
ENGLISH = r"(?i)\b(the|and|with|for|of|or|your|is|are|must|please|not|this|that|use|value)\b"


@pytest.fixture(scope="module")
def german(connector: Connector) -> dict[str, str]:
    """The German of every text of the definitions, by the English, both without addresses and slots."""
    known = locales.texts(connector.profile, connector.actions, connector.triggers)
    said = connector.localized("de")
    return {bare(text): bare(said.say(text)) for text in known}


def bare(text: str) -> str:
    return re.sub(r"https?://\S+|\{\{.*?\}\}|\{\w+\}", "", text)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(item)


@pytest.mark.parametrize("words", TRANSLATED)
def test_our_english_does_not_read_as_translated(german: dict[str, str], words: str) -> None:
    """Published labels and comments stay as they are."""
    published = {bare(text) for text in strings(json.loads((HERE / "spec/input-tables.json").read_text()))}
    own = [text for text in german if text not in published and not text.startswith(("Zoom One", "Turn off"))]
    assert len(own) > 80
    assert [text for text in own if re.search(f"(?i){words}", text)] == []


@pytest.mark.parametrize("english", TERMS)
def test_a_term_is_translated_in_one_way(german: dict[str, str], english: str) -> None:
    texts = [(text, said) for text, said in german.items() if re.search(english, text, re.IGNORECASE)]
    assert texts
    assert [pair for pair in texts if not re.search(TERMS[english], pair[1], re.IGNORECASE)] == []


@pytest.mark.parametrize("word", FORBIDDEN)
def test_german_says_no_word_that_the_glossary_replaces(german: dict[str, str], word: str) -> None:
    assert [said for said in german.values() if re.search(word, said)] == []


def test_to_register_is_not_called_to_sign_in(german: dict[str, str]) -> None:
    texts = [said for text, said in german.items() if re.search("regist", text, re.IGNORECASE)]
    assert [said for said in texts if re.search("anmeld|angemeldet", said, re.IGNORECASE)] == []


def test_german_has_no_english_left_in_it(german: dict[str, str]) -> None:
    assert [said for said in german.values() if re.search(ENGLISH, re.sub(NAMES, "", said))] == []


def test_german_closes_the_quotes_that_it_opens(german: dict[str, str]) -> None:
    assert [said for said in german.values() if re.search("[„“]", re.sub("„[^„“]*“", "", said))] == []


def test_a_german_help_is_short_enough_for_a_form(connector: Connector) -> None:
    actions = connector.localized("de").actions.values()
    helps = {row.comments for action in actions for row in action.inputs.values() if row.comments}
    assert [said for said in helps if len(bare(said)) > LONGEST] == []
