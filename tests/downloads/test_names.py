"""Names of files: whatever a vendor writes, they stay in their folder and any file system takes them."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, strategies as st

from connector_runtime.calls.files import LONGEST, numbered, safe_name
from zoom_connector import Connector

ANY = st.text(st.characters(codec=None), max_size=300) | st.text(
    st.sampled_from("./\\ .:\0\n\t_-aA\u0301CONnul1²"), max_size=40
)


@given(ANY)
def test_a_safe_name_is_one_part_of_a_path_on_every_system(text: str) -> None:
    name = safe_name(text)
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert not set(name) & set('<>:"/\\|?*')
    assert not [char for char in name if unicodedata.category(char) in ("Cc", "Cs")]
    assert name[0] not in ". " and name[-1] not in ". "
    assert 0 < len(name.encode()) <= LONGEST + 1
    assert not PureWindowsPath(name).is_reserved()


@given(ANY)
def test_a_safe_name_is_safe_already(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@given(st.lists(ANY.map(safe_name) | st.sampled_from(["a.txt", "A.txt", "a (2).txt", "a (3).TXT", "b"]), max_size=12))
def test_numbered_names_are_all_different_on_any_disk_and_in_their_order(names: list[str]) -> None:
    made = numbered(names)
    assert len({name.casefold() for name in made}) == len(names)
    seen: set[str] = set()
    for given_name, name in zip(names, made, strict=True):
        if given_name.casefold() not in seen:
            assert name == given_name  # the first of its name keeps it
        seen.add(given_name.casefold())


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
        ("ä" * 300 + ".mp4", "ä" * 98 + ".mp4"),
    ],
)
def test_a_name_becomes(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_the_same_name_twice_gets_a_number_before_its_extension() -> None:
    assert numbered(["a.mp4", "a.mp4", "A.MP4", "a (2).mp4"]) == ["a.mp4", "a (3).mp4", "A (4).MP4", "a (2).mp4"]


def test_a_recording_is_called_after_its_meeting_and_keeps_its_name_whichever_types_are_wanted(
    connector: Connector,
) -> None:
    part = {"file_type": "MP4", "file_extension": "MP4", "recording_type": "gallery_view", "status": "completed"}
    part |= {
        "recording_start": "2026-11-17T09:00:12Z",
        "download_url": "https://zoom.us/rec/download/x",
        "file_size": 5,
    }
    answer = {
        "topic": "Weekly/sync",
        "recording_files": [
            {**part, "id": "1"},
            {**part, "id": "2"},
            {"file_type": "TIMELINE", "download_url": "https://zoom.us/rec/download/y"},
        ],
        "participant_audio_files": [
            {**part, "id": "3", "file_name": "Audio only - Ada", "file_type": "M4A", "file_extension": "M4A"}
        ],
    }
    found = connector.actions["get-meeting-recordings"].files_in(answer)
    assert [(file.name, file.type, file.size) for file in found] == [
        ("2026-11-17T09-00 Weekly-sync, gallery_view.mp4", "MP4", 5),
        ("2026-11-17T09-00 Weekly-sync, gallery_view (2).mp4", "MP4", 5),
        ("timeline.timeline", "TIMELINE", None),
        ("2026-11-17T09-00 Weekly-sync, Audio only - Ada.m4a", "M4A", 5),
    ]


def test_a_webhooks_payload_offers_its_files_with_its_own_token(connector: Connector) -> None:
    payload = {
        "topic": "Sync",
        "recording_files": [{"id": "1", "file_type": "MP4", "download_url": "https://zoom.us/a"}],
    }
    (file,) = connector.actions["get-meeting-recordings"].files_in(payload, token="from-the-event")
    assert (file.name, file.token) == ("mp4.mp4", "from-the-event")
    assert "from-the-event" not in repr(file) and "zoom.us/a" not in repr(file)


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"recording_files": "x"}, {"recording_files": [1, None, []]}])
def test_an_answer_without_files_offers_none(connector: Connector, answer: object) -> None:
    assert connector.actions["get-meeting-recordings"].files_in(answer) == []


def test_an_entry_without_an_address_waits(connector: Connector) -> None:
    (file,) = connector.actions["get-meeting-recordings"].files_in({"recording_files": [{"file_type": "MP4"}]})
    assert file.waits == "The vendor names no address for it."
