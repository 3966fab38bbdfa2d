"""`events`, `listen`, `send-event` and `inbox`, as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from connector_runtime.stores.opening import open_store
from connector_runtime.triggers.inbox import Inbox
from zoom_connector import Trigger

from .conftest import STARTED, until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "zoom_connector"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "ZOOM_WEBHOOK_SECRET_TOKEN": "try-me"}


def run(*arguments: str, secret: str | None = "try-me") -> subprocess.CompletedProcess[str]:
    environment = {name: said for name, said in ENVIRONMENT.items() if name != "ZOOM_WEBHOOK_SECRET_TOKEN"}
    if secret is not None:
        environment["ZOOM_WEBHOOK_SECRET_TOKEN"] = secret
    return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, timeout=60)


class Listening:
    """`listen` in a window of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str, out: Path) -> None:
        self.process, self.url, self.out = process, url, out

    def printed(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]


@contextmanager
def listening(folder: Path, *arguments: str) -> Iterator[Listening]:
    out, err = folder / "out", folder / "err"
    with out.open("w") as stdout, err.open("w") as stderr:
        command = [*COMMAND, "listen", "--port", "0", *arguments]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=stdout, stderr=stderr)
    try:
        found = until(lambda: re.search(r"send-event \S+ --to (\S+)", err.read_text()))
        assert found, err.read_text()
        until(lambda: run("send-event", "endpoint.url_validation", "--to", found[1]).returncode == 0)
        yield Listening(process, found[1], out)  # type: ignore[arg-type]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)


def test_listen_in_one_window_and_send_event_in_another(tmp_path: Path) -> None:
    with listening(tmp_path) as window:
        sent = run("send-event", "meeting.started", "--to", window.url, "--set", "payload.object.topic=Retro 🎉")
        assert (sent.returncode, json.loads(sent.stdout)) == (0, {"status": 200, "answer": None})
        assert until(window.printed)
        again = run("send-event", "meeting.started", "--to", window.url)
        assert again.returncode == 0
        assert until(lambda: len(window.printed()) == 2)  # its time is now, so it is another event
        forged = subprocess.run(
            [*COMMAND, "send-event", "meeting.started", "--to", window.url],
            env={**ENVIRONMENT, "ZOOM_WEBHOOK_SECRET_TOKEN": "another"},
            capture_output=True,
            text=True,
        )
        assert forged.returncode == 4 and "401" in forged.stderr
    first, second = window.printed()
    assert first["event"] == "meeting.started"
    assert first["payload"]["payload"]["object"]["topic"] == "Retro 🎉"  # type: ignore[index]
    assert first["event_id"] != second["event_id"]
    assert window.process.returncode == 130  # Ctrl-C


def test_an_unchanged_sample_repeats_itself_and_a_filter_narrows(tmp_path: Path) -> None:
    with listening(tmp_path, "--filter", "event=meeting.*", "--filter", "meeting=123 456") as window:
        for number in ("999", "123456", "123456"):
            change = f"payload.object.id={number}"
            sent = run("send-event", "meeting.ended", "--unchanged", "--to", window.url, "--set", change)
            assert sent.returncode == 0
        run("send-event", "user.created", "--to", window.url)
        assert until(window.printed)
        run("send-event", "meeting.deleted", "--to", window.url, "--set", "payload.object.id=123456")
        assert until(lambda: len(window.printed()) > 1)
    assert [(seen["event"], seen["object"]) for seen in window.printed()] == [
        ("meeting.ended", "123456"),
        ("meeting.deleted", "123456"),
    ]


def test_events_are_listed_by_pattern_and_by_product() -> None:
    assert len(run("events").stdout.splitlines()) == 271
    assert len(run("events", "--product", "team chat").stdout.splitlines()) == 54
    listed = run("events", "meeting.*started", "--product", "Meetings").stdout
    assert "meeting.started" in listed and "webinar.started" not in listed
    wrong = run("events", "meeting.strated")
    assert wrong.returncode == 2 and "meeting.started" in wrong.stderr
    wrong = run("events", "--product", "Meeting")
    assert wrong.returncode == 2 and "Meetings" in wrong.stderr


def test_one_event_is_shown_with_its_scopes_fields_and_sample(trigger: Trigger) -> None:
    shown = run("events", "show", "meeting.started").stdout
    assert "meeting:read:meeting" in shown
    assert re.search(r"payload\.object\.id +string", shown)
    assert '"topic": "My Meeting"' in shown
    entry = json.loads(run("events", "show", "meeting.started", "--json").stdout)
    assert entry == trigger.events["meeting.started"].entry()
    wrong = run("events", "show", "meeting.begun")
    assert wrong.returncode == 2 and "no event" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["send-event", "meeting.started", "--to", "http://127.0.0.1:1/"], 6, "Is the receiver running?"),
        (["send-event", "meeting.started", "--to", "ftp://x"], 2, "no URL"),
        (["send-event", "meeting.strated", "--to", "http://127.0.0.1:1/"], 2, "meeting.started"),
        (["send-event", "meeting.started", "--to", "http://127.0.0.1:1/", "--set", "nonsense"], 2, "PATH=VALUE"),
        (["send-event", "meeting.started"], 2, "--to"),
        (["listen", "--filter", "meting=1"], 2, "meeting"),
        (["listen", "--address", "203.0.113.1"], 2, "cannot be opened"),
    ],
)
def test_a_wrong_command_says_what_to_do(arguments: list[str], code: int, says: str) -> None:
    done = run(*arguments)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("command", [["listen"], ["send-event", "meeting.started", "--to", "http://127.0.0.1:1/"]])
def test_without_a_secret_nothing_is_signed_or_received(command: list[str]) -> None:
    done = run(*command, secret=None)
    assert done.returncode == 2 and "ZOOM_WEBHOOK_SECRET_TOKEN" in done.stderr


def test_events_that_were_put_aside_are_listed_and_replayed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.sqlite3"
    inbox = Inbox(open_store(url), pauses=())
    held = inbox.record("e1", json.dumps(STARTED).encode(), {}, time.time())
    assert held
    inbox.fail(held, time.time(), "ValueError: no")
    (line,) = map(json.loads, run("inbox", "--store", url).stdout.splitlines())
    assert (line["state"], line["reason"], line["event"]) == ("aside", "ValueError: no", "meeting.started")
    assert run("inbox", "--store", url, "--replay", "e2").returncode == 2
    assert run("inbox", "--store", url, "--replay", "all").returncode == 0
    (line,) = map(json.loads, run("inbox", "--store", url).stdout.splitlines())
    assert (line["state"], line["failures"]) == ("waiting", 0)
