"""Other languages: complete, fallen back from text by text, and checked for what they lack or say for nothing."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector_runtime.definitions import locales
from connector_runtime.definitions.folders import load
from zoom_connector import ApiError, Client, Connector, InputError
from zoom_connector.sandbox import Sandbox

HERE = Path(__file__).parent
ROOT = HERE.parent
Edit = Callable[[str, str], None]

FRENCH = """\
key: fr
label: Français
texts:
  Send a bird: Envoyer un oiseau
  Loft: Pigeonnier
  Grey: Gris
actions:
  fly: {Loft: Volière}
"""
FLY = """\
key: fly
label: Fly
description: Send a bird
summary: "Fly to {loft}"
effect: create
request: {method: POST, path: /flights}
inputs:
  connection: {label: Connection, type: connection, required: true}
  loft: {label: Loft, type: string, comments: Where it lands., if_absent: the nearest one, to: body}
  colour: {label: Colour, type: string, choices: [red, {value: grey, label: Grey}], if_absent: red, to: body}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    shutil.copytree(HERE / "bad/folder", made)
    (made / "actions/fly.yaml").write_text(FLY)
    (made / "locales").mkdir()
    (made / "locales/fr.yaml").write_text(FRENCH)
    return made


@pytest.fixture
def edit(folder: Path) -> Edit:
    def replace(before: str, after: str) -> None:
        file = folder / "locales/fr.yaml"
        assert file.read_text().count(before) == 1
        file.write_text(file.read_text().replace(before, after))

    return replace


def entry(catalogue: dict[str, Any], key: str) -> dict[str, Any]:
    (found,) = [action for action in catalogue["actions"] if action["key"] == key]
    return found  # type: ignore[no-any-return]


# -- German ------------------------------------------------------------------------------------------------------------


def test_german_is_complete_and_says_nothing_that_is_not_asked(connector: Connector) -> None:
    assert connector.locales == ("en", "de")
    assert connector.gaps() == []


def test_the_german_catalogue_differs_in_words_alone(connector: Connector) -> None:
    def shape(value: Any, path: tuple[str, ...] = ()) -> Any:
        """The document without what a person reads."""
        texts = {"label", "help", "description", "summary", "title", "says", "group", "if_absent", "deprecated"}
        texts |= {"ui:help", "ui:enumNames", "locale"}
        if isinstance(value, dict):
            names = path[-1:] in (("properties",), ("form_schema",), ("ui_schema",))
            return {k: shape(v, (*path, k)) for k, v in value.items() if k not in texts or names}
        return [shape(item, path) for item in value] if isinstance(value, list) else value

    def plain(document: dict[str, Any]) -> Any:
        for action in document["actions"]:
            del action["form_schema"]["title"], action["form_schema"]["description"]
        return shape(document)

    assert plain(connector.catalogue("de")) == plain(connector.catalogue())


def test_every_part_of_the_german_catalogue_is_german(connector: Connector) -> None:
    german = connector.catalogue("de")
    create = entry(german, "create-meeting")
    rows = {row["key"]: row for row in create["inputs"]}
    assert (create["label"], create["summary"]) == ("Meeting erstellen", "Meeting {topic} für {user_id} erstellen")
    assert rows["topic"]["help"] == "Das Thema des Meetings."
    assert rows["type"]["choices"][0] == {"value": 1, "label": "Sofortmeeting"}
    assert rows["type_recurrence"]["group"] == "Wiederholung"
    assert rows["host_video_on_start"]["if_absent"] == "die Einstellung des Hosts"
    assert rows["audio_method"]["if_absent"] == "both", "a value, not words"
    assert create["form_schema"]["properties"]["topic"]["title"] == "Thema"
    assert create["ui_schema"]["type"]["ui:enumNames"][0] == "Sofortmeeting"
    assert create["input_schema"]["title"] == "Meeting erstellen"
    assert german["label"] == "Zoom-Konnektor"
    assert [kind["label"] for kind in german["connections"]][-1] == "Server zu Server"
    (webhook,) = german["triggers"]
    assert [row["label"] for row in webhook["filters"]][:2] == ["Ereignis", "Konto"]
    labels = {choice["value"]: choice["label"] for choice in german["choices"]["countries"]["choices"]}
    assert (labels["DE"], labels["AT"]) == ("Deutschland", "Österreich")


def test_a_choice_whose_label_is_its_value_is_translated_too_and_sent_as_it_is(connector: Connector) -> None:
    german = connector.localized("de").actions["add-webinar-registrant"]
    shown = {choice.value: choice.label for choice in german.inputs["purchasing_time_frame"].choices}
    assert shown["Within a month"] == "Innerhalb eines Monats"
    given = {"webinar_id": "1", "email": "a@b.example", "first_name": "A", "purchasing_time_frame": "Within a month"}
    assert german.preview(given) == connector.actions["add-webinar-registrant"].preview(given)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("GET", True),
        ("voip", True),
        ("MP4", True),
        ("audio/mp4", True),
        ("10", True),
        (-1, True),
        ("500-1,000", False),
        ("within a month", False),
        ("Influencer", False),
        ("Evaluator/Recommender", False),
    ],
)
def test_a_value_that_is_a_code_needs_no_translation_and_words_do(value: str | int, code: bool) -> None:
    assert locales.is_code(value) is code


def test_the_hint_of_an_error_is_german_too(connector: Connector) -> None:
    with Sandbox() as zoom, Client(connector.localized("de"), token=zoom.token, base_url=zoom.base_url) as client:
        with pytest.raises(ApiError) as caught:
            client.run("get-meeting", {"meeting_id": "99999999999"})
        assert caught.value.hint == "Das Meeting oder Webinar gibt es nicht oder es ist abgelaufen. Prüfen Sie die ID."


def test_an_input_is_said_anew_under_each_of_its_names(connector: Connector) -> None:
    """A message about an input finds it by any name that it has or had."""
    german = connector.localized("de")
    for key, action in german.actions.items():
        rows = {name: row for row in action.inputs.values() for name in row.names}
        assert action.by_name == rows, key
    label = german.actions["create-meeting"].by_name["topic"].label
    assert (
        label
        == german.actions["create-meeting"].inputs["topic"].label
        != connector.actions["create-meeting"].inputs["topic"].label
    )


def test_what_is_sent_is_the_same_in_every_language(connector: Connector) -> None:
    inputs = {"user_id": "me", "topic": "Weekly sync", "type": "2", "host_video_on_start": False}
    german = connector.localized("de").actions["create-meeting"]
    assert german.preview(inputs) == connector.actions["create-meeting"].preview(inputs)


# -- which language ----------------------------------------------------------------------------------------------------


def test_a_region_falls_back_to_its_language_and_the_original_is_a_language_too(connector: Connector) -> None:
    assert connector.localized("de-AT").locale == "de"
    assert connector.localized("en-GB") is connector
    assert connector.localized("de").localized("en").actions["get-user"].label == "Get User"


def test_an_unknown_language_is_refused_with_the_known_ones(connector: Connector) -> None:
    with pytest.raises(InputError, match="'nl' is not a language of zoom; known: en, de"):
        connector.catalogue("nl")


def test_a_text_that_is_not_translated_stays_as_it_is(folder: Path) -> None:
    fly = entry(load(folder).catalogue("fr"), "fly")
    rows = {row["key"]: row for row in fly["inputs"]}
    assert (fly["label"], fly["description"]) == ("Fly", "Envoyer un oiseau")
    assert rows["loft"]["help"] == "Where it lands."
    assert rows["colour"]["choices"] == [{"value": "red", "label": "red"}, {"value": "grey", "label": "Gris"}]


def test_an_action_may_say_a_text_otherwise(folder: Path) -> None:
    (folder / "actions/soar.yaml").write_text(FLY.replace("key: fly", "key: soar"))
    french = load(folder).catalogue("fr")
    assert [row["label"] for row in entry(french, "fly")["inputs"]][1] == "Volière"
    assert [row["label"] for row in entry(french, "soar")["inputs"]][1] == "Pigeonnier"


# -- check -------------------------------------------------------------------------------------------------------------


def test_gaps_are_counted_and_named_and_break_nothing(folder: Path) -> None:
    connector = load(folder)
    assert connector.check() == []
    (gap,) = [problem for problem in connector.gaps() if "not translated" in problem.what]
    known = locales.texts(connector.profile, connector.actions, connector.triggers)
    assert gap.where == "locales/fr.yaml:3"
    assert gap.what.startswith(f"{len(known) - 3} of {len(known)} strings are not translated: ")
    assert "'Fly'" in gap.what and "Grey" not in gap.what


def test_a_choice_in_words_without_a_label_of_its_own_is_a_gap(folder: Path) -> None:
    (folder / "actions/fly.yaml").write_text(FLY.replace("choices: [red,", "choices: [red, Dark red,"))
    (gap,) = [problem for problem in load(folder).gaps() if "not translated" in problem.what]
    assert "'Dark red'" in gap.what and "'red'" not in gap.what


def test_a_sentence_that_changed_loses_its_translation_and_both_are_named(folder: Path) -> None:
    (folder / "actions/fly.yaml").write_text(FLY.replace("Send a bird", "Send a big bird"))
    connector = load(folder)
    assert entry(connector.catalogue("fr"), "fly")["description"] == "Send a big bird"
    stale = [problem for problem in connector.gaps() if "is not in any definition" in problem.what]
    assert [str(problem) for problem in stale] == [
        "locales/fr.yaml:4 texts: 'Send a bird' is not in any definition; is it now 'Send a big bird'?"
    ]


def test_a_misspelt_text_is_named_with_the_nearest(folder: Path, edit: Edit) -> None:
    edit("Grey: Gris", "Gray: Gris")
    found = [str(problem) for problem in load(folder).gaps()]
    assert "locales/fr.yaml:6 texts: 'Gray' is not in any definition; is it now 'Grey'?" in found


def test_an_action_that_does_not_say_a_text_is_named(folder: Path, edit: Edit) -> None:
    edit("{Loft: Volière}", "{Bread: Pain}")
    found = [str(problem) for problem in load(folder).gaps()]
    assert "locales/fr.yaml:8 actions.fly: 'Bread' is not in any definition; delete it" in found


@pytest.mark.parametrize(
    ("before", "after", "where", "what"),
    [
        ("fly: {", "fry: {", "locales/fr.yaml:8 actions.fry", "is not an action. Did you mean 'fly'?"),
        ("key: fr", "key: es", "locales/fr.yaml:1 key", "is 'es' in the file fr.yaml; rename one of the two"),
        ("texts:", "text:", "locales/fr.yaml:3 text", "is not a word of the language here. Did you mean 'texts'?"),
        ("Gris", "5", "locales/fr.yaml:6 texts.Grey", "must be"),
        (
            "Send a bird: Envoyer un oiseau",
            '"Fly to {loft}": "Voler vers {pigeonnier}"',
            "locales/fr.yaml:4 texts.Fly to {loft}",
            "needs the slots of the original, {loft}, and no others",
        ),
        (
            "  Loft: Pigeonnier",
            "  Loft: Pigeonnier\n  Loft: Volière",
            "locales/fr.yaml:6 texts.Loft",
            "duplicate key",
        ),
    ],
)
def test_what_a_locale_gets_wrong_is_a_fault_with_its_line(
    folder: Path, edit: Edit, before: str, after: str, where: str, what: str
) -> None:
    edit(before, after)
    found = load(folder).check()
    assert [problem for problem in found if problem.where == where and what in problem.what], found


def test_a_locale_with_another_ending_is_named(folder: Path) -> None:
    (folder / "locales/fr.yaml").rename(folder / "locales/fr.yml")
    assert [problem.where for problem in load(folder).check()] == ["locales/fr.yml:1"]


# -- the commands ------------------------------------------------------------------------------------------------------


def command(*arguments: str, cwd: Path = HERE.parent) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "zoom_connector", *arguments]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_catalogue_is_printed_in_a_language() -> None:
    printed = json.loads(command("catalogue", "--locale", "de").stdout)
    assert (printed["locale"], entry(printed, "get-user")["label"]) == ("de", "Benutzer abrufen")
    assert "events" in printed["triggers"][0] and "schema" not in printed["triggers"][0]["events"][0]
    assert command("catalogue", "--locale", "nl").returncode == 2


def test_check_prints_gaps_and_passes(folder: Path) -> None:
    done = command("check", str(folder))
    assert done.returncode == 0
    assert "note: locales/fr.yaml:3: " in done.stderr and "not translated" in done.stderr


def test_a_translator_gets_a_file_with_all_there_is_to_translate(folder: Path) -> None:
    done = command("locale", "es", "--folder", str(folder))
    assert done.returncode == 0, done.stderr
    connector = load(folder)
    total = len(locales.texts(connector.profile, connector.actions, connector.triggers))
    assert done.stdout.strip() == f"wrote {folder}/locales/es.yaml: {total} of {total} strings left to translate"
    assert connector.check() == []
    text = (folder / "locales/es.yaml").read_text()
    assert "  # actions/fly.yaml\n  Fly:\n" in text
    file = folder / "locales/es.yaml"
    file.write_text(text.replace("  Where it lands.:\n", "  Where it lands.: Donde aterriza.\n"))
    assert entry(load(folder).catalogue("es"), "fly")["inputs"][1]["help"] == "Donde aterriza."


def test_a_file_that_is_completed_keeps_what_was_said_and_shows_what_a_changed_sentence_was(folder: Path) -> None:
    (folder / "actions/fly.yaml").write_text(FLY.replace("Send a bird", "Send a big bird"))
    before = load(folder).catalogue("fr")
    assert command("locale", "fr", "--folder", str(folder)).returncode == 0
    text = (folder / "locales/fr.yaml").read_text()
    assert "  # was: Send a bird: Envoyer un oiseau\n  Send a big bird:\n" in text
    assert load(folder).check() == []
    assert load(folder).catalogue("fr") == before
    assert not [gap for gap in load(folder).gaps() if "is not in any definition" in gap.what]


@pytest.mark.parametrize(("code", "what"), [("English", "must be a code such as fr"), ("en", "name another")])
def test_what_is_no_other_language_is_refused(folder: Path, code: str, what: str) -> None:
    done = command("locale", code, "--folder", str(folder))
    assert done.returncode == 2 and what in done.stderr
    assert not (folder / "locales" / f"{code}.yaml").exists()


def test_the_locale_that_the_page_shows_fits_our_definitions(tmp_path: Path) -> None:
    made = tmp_path / "clone"
    for part in ("actions", "connection", "triggers", "schemas"):
        shutil.copytree(HERE.parent / part, made / part)
    for part in ("connector.yaml", "icon.svg"):
        shutil.copy(HERE.parent / part, made)
    (block,) = re.findall(r"```yaml\n(.*?)```", (HERE.parent / "docs/catalogue.md").read_text(), re.DOTALL)
    (made / "locales").mkdir()
    (made / "locales/fr.yaml").write_text(block)
    connector = load(made)
    assert connector.check() == []
    assert [gap for gap in connector.gaps() if "not translated" not in gap.what] == []
    assert connector.localized("fr").actions["raw-request"].inputs["header"].label == "En-tête HTTP"


def test_the_schemas_of_events_are_compared_where_both_catalogues_have_them(tmp_path: Path) -> None:
    for name, options in (("light", ()), ("whole", ("--events",))):
        (tmp_path / f"{name}.json").write_text(command("catalogue", *options).stdout)
    done = command("diff", str(tmp_path / "light.json"), str(tmp_path / "whole.json"))
    assert done.returncode == 0
    assert "light.json lacks the schemas of events" in done.stderr and "catalogue --events" in done.stderr
    assert "note" not in command("diff", str(tmp_path / "whole.json"), ".").stderr


# -- the runtime's own sentences ---------------------------------------------------------------------------------------


def test_a_folder_may_say_the_runtimes_sentences_in_a_language_that_the_runtime_lacks(folder: Path, edit: Edit) -> None:
    own = '  "must be one of {choices}; it is {value}.{meant}": "choisissez {choices} au lieu de {value}.{meant}"\n'
    edit("  Loft: Pigeonnier\n", f"  Loft: Pigeonnier\n{own}")
    connector = load(folder)
    assert connector.check() == []
    assert not [gap for gap in connector.gaps() if "must be one of" in gap.what]
    with pytest.raises(InputError, match=r"colour: choisissez red, Gris \(grey\) au lieu de \"blue\""):
        connector.localized("fr").actions["fly"].preview({"colour": "blue"})


def test_a_single_call_may_be_answered_in_a_language(connector: Connector) -> None:
    with Sandbox() as zoom, Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
        with pytest.raises(InputError, match="ist erforderlich: Füllen Sie „Benutzer-ID“ aus"):
            client.run("get-user", {}, locale="de")
        with pytest.raises(ApiError) as caught:
            client.run("get-meeting", {"meeting_id": "99999999999"}, locale="de")
        assert caught.value.hint is not None and caught.value.hint.startswith("Das Meeting oder Webinar gibt es nicht")
        assert client.choices("create-meeting", "type", locale="de").choices[0].label == "Sofortmeeting"
        with pytest.raises(InputError, match="is required: enter 'User Id'"):
            client.run("get-user", {})


def test_a_complete_translation_is_written_as_it_stands(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a later `locale de` shows only what is new."""
    for name in ("connector.yaml", "icon.svg", "actions", "connection", "triggers", "schemas", "locales"):
        source = ROOT / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert run("locale", "de")[0] == 0
    assert (tmp_path / "locales/de.yaml").read_text() == (ROOT / "locales/de.yaml").read_text()
