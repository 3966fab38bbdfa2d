"""`download` at the command line: a process, its output, its exit code, and what is left when it is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from zoom_connector import Client, Connector
from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
MEETING = "81279432123"
TOKEN = "good-token"


def begin(*arguments: str, base_url: str, token: str = TOKEN, **more: Any) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZOOM_")}
    env = {**clean, "XDG_DATA_HOME": "/nonexistent", "ZOOM_BASE_URL": base_url, "ZOOM_ACCESS_TOKEN": token}
    command = [sys.executable, "-m", "zoom_connector", "download", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, **pipes)


def run(*arguments: str, base_url: str, token: str = TOKEN) -> tuple[int, str, str]:
    with begin(*arguments, base_url=base_url, token=token) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def size_of(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def test_the_recordings_of_a_meeting_are_downloaded_and_then_left_alone(
    zoom: Sandbox, connector: Connector, tmp_path: Path
) -> None:
    meeting = next(meeting for meeting in zoom.state.meetings.values() if meeting.recording)
    with Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
        files = client.files("get-meeting-recordings", {"meeting_id": meeting.id})
    arguments = (str(meeting.id), "--to", str(tmp_path), "--types", "mp4,CHAT,cc")
    code, out, err = run(*arguments, base_url=zoom.base_url, token=zoom.token)
    assert code == 0
    wanted = [file for file in files if file.type in ("MP4", "CHAT", "CC")]
    assert out.splitlines() == [str(tmp_path / file.name) for file in wanted]
    assert f"{wanted[0].name}: 24.6 MB" in err.splitlines()
    for file in wanted:
        assert (tmp_path / file.name).read_bytes() == zoom.recording_bytes(file.url)
    assert len(list(tmp_path.iterdir())) == 3
    code, again, err = run(*arguments, base_url=zoom.base_url, token=zoom.token)
    assert (code, again) == (0, out)
    assert err.count("already downloaded") == 3


def test_files_in_a_storage_elsewhere_arrive_without_a_token_being_sent_there(tmp_path: Path) -> None:
    with Sandbox(storage=True) as zoom:
        meeting = next(meeting for meeting in zoom.state.meetings.values() if meeting.recording)
        code, out, _ = run(str(meeting.id), "--to", str(tmp_path), base_url=zoom.base_url, token=zoom.token)
        assert code == 0
        assert len(out.splitlines()) == len(zoom.storage_requests) == 5
        assert {asked.header("authorization") for asked in zoom.storage_requests} == {None}


def test_another_action_that_offers_files_can_be_named(zoom: Sandbox, tmp_path: Path) -> None:
    arguments = ("me", "--action", "get-phone-recordings", "--to", str(tmp_path), "--parallel", "8")
    code, out, err = run(*arguments, base_url=zoom.base_url, token=zoom.token)
    assert (code, len(out.splitlines())) == (0, 40), err
    (row,) = [
        row
        for row in zoom.state.phone_recordings[next(iter(zoom.state.phone_recordings))]
        if row["callee_name"] == "Customer 9"
    ]
    (path,) = [path for path in tmp_path.iterdir() if path.name.endswith(f"to Customer 9 {row['id'][-8:]}.mp3")]
    assert path.read_bytes() == zoom.recording_bytes(row["download_url"])
    code, _, err = run("me", "--action", "get-user", base_url=zoom.base_url)
    assert code == 2
    assert "offers no files; must be get-meeting-recordings or get-phone-recordings" in err
    code, _, err = run(*arguments[:-4], "--input", "to=2026-11-01", "--input", "x", base_url=zoom.base_url)
    assert (code, "'x' must be NAME=VALUE" in err) == (2, True)


def test_a_type_that_is_not_there_is_named_with_those_that_are(vendor: Any, tmp_path: Path) -> None:
    vendor.add("talk.mp4", b"x")
    code, _, err = run(MEETING, "--to", str(tmp_path), "--types", "TRANSCRIPT", base_url=vendor.base_url)
    assert code == 2
    assert "no file has the type TRANSCRIPT; choose from MP4" in err


def test_a_file_of_another_size_is_downloaded_when_the_size_is_not_to_count(vendor: Any, tmp_path: Path) -> None:
    vendor.add("talk.mp4", b"four", size=5)
    arguments = (MEETING, "--to", str(tmp_path))
    code, _, err = run(*arguments, base_url=vendor.base_url)
    assert (code, "Zoom reported 5 bytes, but " in err) == (4, True)
    assert run(*arguments, "--any-size", base_url=vendor.base_url)[0] == 0
    assert (tmp_path / "talk.mp4").read_bytes() == b"four"
    (tmp_path / "talk.mp4").write_bytes(b"mine")
    code, _, err = run(*arguments, base_url=vendor.base_url)
    assert (code, "overwrite" in err) == (2, True)
    assert run(*arguments, "--any-size", "--overwrite", base_url=vendor.base_url)[0] == 0
    assert (tmp_path / "talk.mp4").read_bytes() == b"four"


def test_a_file_of_no_announced_size_has_a_bound_that_can_be_set(vendor: Any, tmp_path: Path) -> None:
    vendor.add("talk.mp4", b"four", size=None)
    arguments = (MEETING, "--to", str(tmp_path), "--largest")
    code, out, err = run(*arguments, "3", base_url=vendor.base_url)
    assert (code, out) == (4, "")
    assert f"talk.mp4: {vendor.host} is sending 4 bytes or more, and Zoom reported no size." in err
    assert list(tmp_path.iterdir()) == []
    assert run(*arguments, "4", base_url=vendor.base_url)[0] == 0
    assert (tmp_path / "talk.mp4").read_bytes() == b"four"


def test_a_download_that_is_killed_five_times_ends_byte_identical(vendor: Any, tmp_path: Path) -> None:
    content = random.Random(5).randbytes(3_000_000)
    stored = vendor.add("talk.mp4", content, piece=10_000, pause=0.005)
    part = tmp_path / ".talk.mp4.part"
    for _ in range(5):
        had = size_of(part)
        with begin(MEETING, "--to", str(tmp_path), base_url=vendor.base_url) as process:
            until(lambda had=had: size_of(part) >= had + 200_000)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "talk.mp4").exists()
    stored.pause = 0.0
    assert run(MEETING, "--to", str(tmp_path), base_url=vendor.base_url)[0] == 0
    assert (tmp_path / "talk.mp4").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["talk.mp4"]
    starts = [int(asked.headers.get("range", "bytes=0-")[6:-1]) for asked in vendor.of("talk.mp4")]
    assert len(starts) == 6
    assert starts == sorted(set(starts)) and starts[-1] >= 1_000_000  # each run began behind the one before


@pytest.mark.parametrize("parallel", ["1", "3"])
def test_an_interrupted_download_ends_at_once_and_keeps_what_has_arrived(
    vendor: Any, tmp_path: Path, parallel: str
) -> None:
    for name in ("a.mp4", "b.mp4"):
        vendor.add(name, bytes(3_000_000), piece=50_000, pause=0.05)
    with begin(MEETING, "--to", str(tmp_path), "--parallel", parallel, base_url=vendor.base_url) as process:
        until(lambda: size_of(tmp_path / ".a.mp4.part") > 0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert 0 < size_of(tmp_path / ".a.mp4.part") < 3_000_000
    assert not (tmp_path / "a.mp4").exists()


def test_a_terminal_shows_how_far_it_is(vendor: Any, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="no terminals on this system")
    vendor.add("talk.mp4", bytes(1_000_000))
    ours, theirs = pty.openpty()
    with begin(MEETING, "--to", str(tmp_path), base_url=vendor.base_url, stderr=theirs) as process:
        out, _ = process.communicate(timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert out == f"{tmp_path / 'talk.mp4'}\n"
    assert "100%  1.0 MB of 1.0 MB  1 of 1 files" in shown
    assert shown.splitlines()[-1].endswith("talk.mp4: 1.0 MB")
