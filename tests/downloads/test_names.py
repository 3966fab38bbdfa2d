"""Names of files: whatever a vendor writes, they stay in their folder and any file system takes them."""

from __future__ import annotations

import re
import unicodedata
from math import inf, nan
from pathlib import PurePosixPath, PureWindowsPath
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, strategies as st

from connector_runtime.calls.files import MAX_NAME_BYTES, File, distinct, folded, identity, numbered, safe_name
from zoom_connector import Connector, load

CONNECTOR = load()

HARD = "./\\ .:\0\n\t_-aA\u0301\u0338<>CONnul1²\u200d\u200e\u202e\u061c\ufeff\ud800\u3000Å\u212b각\u1100\u1161\u11a8😀"
ANY = st.text(st.characters(codec=None), max_size=300) | st.text(st.sampled_from(HARD), max_size=400)
TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
PART = len("..part.json")  # what stands around a name while its file is a part


@given(ANY)
def test_a_safe_name_is_one_part_of_a_path_on_every_system(text: str) -> None:
    name = safe_name(text)
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert not set(name) & set('<>:"/\\|?*')
    assert not [char for char in name if unicodedata.category(char) in ("Cc", "Cs")]
    assert not {unicodedata.bidirectional(char) for char in name} & TURNING
    assert name[0] not in ". \u200d" and name[-1] not in ". \u200d"
    assert 0 < len(name.encode()) <= MAX_NAME_BYTES <= 255 - PART
    assert not PureWindowsPath(name).is_reserved()


@given(ANY)
def test_a_safe_name_is_safe_already(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@given(st.text(st.sampled_from(HARD), max_size=20))
def test_a_safe_name_does_not_depend_on_how_its_accents_are_written(text: str) -> None:
    assert safe_name(unicodedata.normalize("NFD", text)) == safe_name(unicodedata.normalize("NFC", text))


@given(ANY.map(safe_name), st.integers(2, 99) | st.just("0a1b2c3d"))
def test_a_name_with_a_mark_is_safe_and_keeps_mark_and_extension(name: str, mark: object) -> None:
    made = numbered(name, mark)
    assert made == safe_name(made)
    assert f"({mark})" in made


def test_a_name_of_any_length_is_read_from_its_ends_alone() -> None:
    name = safe_name("a" * 50_000_000 + ", gallery_view.mp4")
    assert name.startswith("aaa") and name.endswith("a, gallery_view.mp4") and len(name.encode()) == MAX_NAME_BYTES


@pytest.mark.parametrize(
    ("one", "other", "are_the_same"),
    [
        ("Talk.MP4", "talk.mp4", True),
        ("\u00e9.txt", "E\u0301.txt", True),
        ("STRASSE", "straße", True),
        ("a.txt", "b.txt", False),
        ("e.txt", "é.txt", False),
    ],
)
def test_names_are_the_same_where_some_disk_takes_them_for_one(one: str, other: str, are_the_same: bool) -> None:
    assert (folded(one) == folded(other)) is are_the_same


def of(name: str, id: str | None, url: str = "https://zoom.us/a") -> File:
    return File(name=name, id=id, action="x", url=url)


ENTRIES = st.lists(
    st.builds(
        of,
        st.sampled_from(["a.txt", "A.txt", "b", "é.mp4", "e\u0301.mp4"]).map(safe_name),
        st.none() | st.sampled_from("123"),
        st.sampled_from(["https://zoom.us/a", "https://zoom.us/b?token=1", "https://zoom.us/c"]),
    ),
    max_size=12,
    unique_by=lambda file: (file.id, file.url),
)


@given(ENTRIES, st.randoms(use_true_random=False))
def test_names_are_all_different_on_any_disk_and_do_not_depend_on_the_order(files: list[File], chance: Random) -> None:
    made = distinct(files)
    assert len({folded(file.name) for file in made}) == len(made) == len(files)
    assert all(file.name == safe_name(file.name) for file in made)
    chance.shuffle(files)
    assert {file.name: file for file in distinct(files)} == {file.name: file for file in made}


def test_files_of_one_name_are_distinct_by_their_ids_and_where_they_have_none_by_their_addresses() -> None:
    one, two, three = of("a.txt", "1"), of("A.txt", "2"), of("a.txt", None, "https://zoom.us/b?x=1")
    names = [file.name for file in distinct([one, two, three, one])]
    assert names == [f"{name} ({identity(file)[:8]}).txt" for name, file in (("a", one), ("A", two), ("a", three))]
    assert identity(three) == identity(of("", None, "https://zoom.us/b?x=2"))  # what a query gives may be gone tomorrow
    assert identity(three) != identity(of("", None, "https://zoom.us/c"))
    assert identity(one) == identity(of("", "1", "https://zoom.us/elsewhere"))


def test_an_id_that_is_there_twice_leaves_the_addresses_to_tell_files_apart() -> None:
    made = distinct([of("a.txt", "1", "https://zoom.us/a"), of("a.txt", "1", "https://zoom.us/b")])
    assert len({file.name for file in made}) == 2
    assert all(re.fullmatch(r"a \([0-9a-f]{8}\) \([0-9a-f]{8}\)\.txt", file.name) for file in made)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/passwd", "-..-etc-passwd"),
        ("..", "file"),
        ("", "file"),
        (" . .hidden", "hidden"),
        ("C:\\Windows\\x.mp4", "C--Windows-x.mp4"),
        ("con", "_con"),
        ("COM1.txt", "_COM1.txt"),
        ("com¹.txt", "_com¹.txt"),
        ("console.txt", "console.txt"),
        ("a\r\nb\0c.txt", "a__b_c.txt"),
        ("x\u202egpm.exe", "xgpm.exe"),
        ("顧客 — Überblick 🎉.mp4", "顧客 — Überblick 🎉.mp4"),
        ("e\u0301.txt", "é.txt"),
        ("dots... ", "dots"),
        ("ä" * 300 + ".mp4", "ä" * 50 + "…" + "ä" * 46 + ".mp4"),
        ("a" * 201, "a" * 101 + "…" + "a" * 96),
        ("a" * 200, "a" * 200),
        ("con" + "." + "a" * 200, "_con." + "a" * 96 + "…" + "a" * 96),
        ("\u202ecod.exe\u202c", "cod.exe"),
        ("\u061ca\u2066b\ufeff.txt", "ab.txt"),
        ("\u200d.\u200c", "file"),
        ("नमस्\u200dते 👩\u200d🚀", "नमस्\u200dते 👩\u200d🚀"),
        ("a\u200e\u0301.txt", "á.txt"),
        ("<\u0338", "≮"),
        ("lpt² .txt", "_lpt² .txt"),
        ("a\ud800b", "a_b"),
        ("a \u3000\u2003 b", "a b"),
    ],
)
def test_a_name_becomes(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_number_stands_before_the_extension() -> None:
    assert numbered("a.mp4", 2) == "a (2).mp4"
    assert numbered("v1.2 of it", 2) == "v1.2 of it (2)"
    assert numbered("a.0123456789abcdef", 2) == "a.0123456789abcdef (2)"
    assert numbered("a" * 196 + ".mp4", 2) == "a" * 101 + "…" + "a" * 88 + " (2).mp4"


PIECE = {"file_type": "MP4", "file_extension": "MP4", "recording_type": "gallery_view", "status": "completed"}
PIECE |= {"recording_start": "2026-11-17T09:00:12Z", "download_url": "https://zoom.us/rec/download/x"}
CAPTIONS = {"file_type": "CC", "file_extension": "VTT", "recording_start": "2026-11-17T09:00:12Z"}


def test_a_recording_is_called_after_its_meeting_and_its_own_id(connector: Connector) -> None:
    answer = {
        "topic": "Weekly/sync",
        "recording_files": [
            {**PIECE, "id": "388ffb46-1541-460d-8447-4624451a1db7", "file_size": 5},
            {**CAPTIONS, "download_url": "https://zoom.us/rec/download/z"},
            {"file_type": "TIMELINE", "download_url": "https://zoom.us/rec/download/y"},
        ],
        "participant_audio_files": [{**PIECE, "id": "3", "file_name": "Audio only - Ada", "file_extension": "M4A"}],
    }
    found = connector.actions["get-meeting-recordings"].files_in(answer)
    assert [(file.name, file.was, file.type, file.size) for file in found] == [
        (
            "2026-11-17T09-00 Weekly-sync, gallery_view 451a1db7.mp4",
            "2026-11-17T09-00 Weekly-sync, gallery_view.mp4",
            "MP4",
            5,
        ),
        ("2026-11-17T09-00-12Z Weekly-sync, cc.vtt", "2026-11-17T09-00 Weekly-sync, cc.vtt", "CC", None),
        ("timeline.timeline", "timeline.timeline", "TIMELINE", None),
        (
            "2026-11-17T09-00 Weekly-sync, Audio only - Ada 3.m4a",
            "2026-11-17T09-00 Weekly-sync, Audio only - Ada.m4a",
            "MP4",
            None,
        ),
    ]


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_a_file_has_one_name_whatever_else_an_answer_lists_and_in_whatever_order(
    order: list[int], there: set[int]
) -> None:
    """Two parts of a recording began in the same second, and a transcript of each comes later."""
    kinds = {"MP4": "MP4", "TRANSCRIPT": "VTT", "CHAT": "TXT"}
    entries = [
        {**PIECE, "id": str(uuid4()), "file_type": kind, "file_extension": extension, "recording_type": kind.lower()}
        for _ in range(2)
        for kind, extension in kinds.items()
    ]
    action = CONNECTOR.actions["get-meeting-recordings"]
    names = {file.id: file.name for file in action.files_in({"topic": "Sync", "recording_files": entries})}
    assert len(set(names.values())) == 6
    some = [entries[number] for number in order if number in there]
    for file in action.files_in({"topic": "Sync", "recording_files": some}):
        assert file.name == names[file.id]


def test_a_long_topic_is_cut_and_not_what_tells_files_apart(connector: Connector) -> None:
    entries = [{**PIECE, "id": f"id-{kind}", "file_extension": kind} for kind in ("MP4", "M4A", "VTT", "TXT")]
    answer = {"topic": "Überblick " * 20, "recording_files": entries}
    found = connector.actions["get-meeting-recordings"].files_in(answer)
    ends = [file.name.rpartition("gallery_view")[2] for file in found]
    assert ends == [" id-MP4.mp4", " id-M4A.m4a", " id-VTT.vtt", " id-TXT.txt"]
    assert all(file.name.startswith("2026-11-17T09-00 Überblick") for file in found)
    assert all(file.name == safe_name(file.name) for file in found)


@pytest.mark.parametrize(
    ("said", "size"),
    [
        (5, 5),
        (5.0, 5),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        *[(wrong, None) for wrong in (-1, 5.5, True, "5", None, [], inf, nan, -inf, 2**63, 1e300, 10**4000)],
    ],
)
def test_a_size_counts_if_a_file_can_have_it(connector: Connector, said: object, size: int | None) -> None:
    (file,) = connector.actions["get-meeting-recordings"].files_in({"recording_files": [{**PIECE, "file_size": said}]})
    assert file.size == size


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PIECE, "id", "topic"]), inner),
    max_leaves=9,
)


@given(st.dictionaries(st.sampled_from(["recording_files", "participant_audio_files", "topic"]), VALUES) | VALUES)
def test_any_answer_offers_files_with_safe_names(answer: Any) -> None:
    for file in CONNECTOR.actions["get-meeting-recordings"].files_in(answer):
        assert file.name == safe_name(file.name)
        assert isinstance(file.url, str) and (file.url or file.waits)


def test_a_webhooks_payload_offers_its_files_with_its_own_token(connector: Connector) -> None:
    payload = {
        "topic": "Sync",
        "recording_files": [{"id": "1", "file_type": "MP4", "download_url": "https://zoom.us/a"}],
    }
    (file,) = connector.actions["get-meeting-recordings"].files_in(payload, token="from-the-event")
    assert (file.name, file.token, file.waits) == ("mp4.mp4", "from-the-event", None)
    assert "from-the-event" not in repr(file) and "zoom.us/a" not in repr(file)


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"recording_files": "x"}, {"recording_files": [1, None, []]}])
def test_an_answer_without_files_offers_none(connector: Connector, answer: object) -> None:
    assert connector.actions["get-meeting-recordings"].files_in(answer) == []


def test_an_entry_without_an_address_waits(connector: Connector) -> None:
    (file,) = connector.actions["get-meeting-recordings"].files_in({"recording_files": [{"file_type": "MP4"}]})
    assert file.waits == "Zoom provides no URL for it."
    for wrong in ("", 5, None, []):
        (file,) = connector.actions["get-meeting-recordings"].files_in({"recording_files": [{"download_url": wrong}]})
        assert (file.url, file.waits) == ("", "Zoom provides no URL for it.")


def test_an_answers_own_token_goes_with_its_files_unless_one_is_given(connector: Connector) -> None:
    action = connector.actions["get-meeting-recordings"]
    answer = {"recording_files": [PIECE], "download_access_token": "own"}
    assert [file.token for file in action.files_in(answer)] == ["own"]
    assert [file.token for file in action.files_in(answer, token="event's")] == ["event's"]
    for wrong in ("", 5, None, ["x"]):
        assert [file.token for file in action.files_in({**answer, "download_access_token": wrong})] == [None]
