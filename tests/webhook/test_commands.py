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
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from connector_runtime.commands.context import Context
from connector_runtime.commands.webhook_commands import secrets_of
from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth_requests import ConnectionRecord, Tokens
from connector_runtime.errors import StoreError
from connector_runtime.stores.databases import open_store, open_vault
from connector_runtime.triggers.inbox import Inbox
from zoom_connector import Connector, Trigger

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
def listening(folder: Path, *arguments: str, **environment: str) -> Iterator[Listening]:
    out, err = folder / "out", folder / "err"
    with out.open("w") as stdout, err.open("w") as stderr:
        command = [*COMMAND, "listen", "--port", "0", *arguments]
        process = subprocess.Popen(command, env={**ENVIRONMENT, **environment}, stdout=stdout, stderr=stderr)
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
        assert until(lambda: "A webhook was refused: " in (tmp_path / "err").read_text())
    first, second = window.printed()
    assert first["event"] == "meeting.started"
    assert first["payload"]["payload"]["object"]["topic"] == "Retro 🎉"  # type: ignore[index]
    assert first["event_id"] != second["event_id"]
    assert window.process.returncode == 130  # Ctrl-C


def test_listen_takes_the_old_secret_and_the_new_one_during_a_rotation(tmp_path: Path) -> None:
    with listening(tmp_path, ZOOM_WEBHOOK_SECRET_TOKEN="the-new-one, try-me\n") as window:
        for secret in ("try-me", "the-new-one"):
            assert run("send-event", "meeting.started", "--to", window.url, secret=secret).returncode == 0
        assert run("send-event", "meeting.started", "--to", window.url, secret="another").returncode == 4
        assert until(lambda: len(window.printed()) == 2)


def test_listen_ends_the_stored_connection_of_a_user_who_removed_the_app(tmp_path: Path, connector: Connector) -> None:
    url, key = f"sqlite:///{tmp_path}/store.db", Fernet.generate_key().decode()
    with closing(open_vault("x", url, key)) as store:
        connections = Connections(connector, store)
        for name in ("hers", "his"):
            tokens = Tokens(granted={"access_token": "t"}, refresh_token="r")
            connections.adopt("oauth2", {"client_id": "c1", "client_secret": "s"}, tokens, name=name)
            about = {"user": name, "account": "a1"}
            store.update(
                connections._key(name), lambda old, about=about: replace(ConnectionRecord.read(old), **about).write()
            )
        with listening(tmp_path, ZOOM_STORE=url, ZOOM_CONNECTOR_KEY=key) as window:
            changes = ["payload.user_id=hers", "payload.account_id=a1", "payload.client_id=c1"]
            words = [word for change in changes for word in ("--set", change)]
            sent = run("send-event", "app_deauthorized", "--to", window.url, *words)
            assert sent.returncode == 0, sent.stderr
            assert until(window.printed)
            assert until(lambda: "hers has ended, because its user removed the app." in (tmp_path / "err").read_text())
        assert {each.name: each.health for each in connections.list()} == {"hers": "dead", "his": "ready"}


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
    assert wrong.returncode == 2 and "is not a documented event" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["send-event", "meeting.started", "--to", "http://127.0.0.1:1/"], 6, "Is the receiver running?"),
        (["send-event", "meeting.started", "--to", "ftp://x"], 2, "must be a URL"),
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


SECRETS: dict[str, tuple[str, dict[str, list[str]]]] = {
    "one": ("abc", {"": ["abc"]}),
    "with the line break it was copied with": (" abc\n", {"": ["abc"]}),
    "several during a rotation": ("new, old", {"": ["new", "old"]}),
    "by client id": ("one=new two=b one=old", {"one": ["new", "old"], "two": ["b"]}),
    "one alone among them": ("one=a\nb", {"one": ["a"], "": ["b"]}),
    "a text in base64": ("c2VjcmV0==", {"": ["c2VjcmV0=="]}),
    "a text in base64 by client id": ("one=c2VjcmV0==", {"one": ["c2VjcmV0=="]}),
    "nothing": ("", {}),
    "blanks": (" , ", {}),
}


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_in_the_environment_belong_to_apps(connector: Connector, name: str) -> None:
    text, found = SECRETS[name]
    environment = {"ZOOM_WEBHOOK_SECRET_TOKEN": text}
    for own in ("", "app"):
        context = Context("x", lambda folder: connector, {**environment, "ZOOM_CLIENT_ID": own}, "")
        by_app: dict[str, list[str]] = {}
        for app, several in found.items():
            by_app[app or own] = several
        assert secrets_of(context, connector.triggers["webhook"]) == by_app


@pytest.mark.parametrize("command", [["listen"], ["send-event", "meeting.started", "--to", "http://127.0.0.1:1/"]])
def test_without_a_secret_nothing_is_signed_or_received(command: list[str]) -> None:
    done = run(*command, secret=None)
    assert done.returncode == 2 and "ZOOM_WEBHOOK_SECRET_TOKEN" in done.stderr


def test_events_that_were_put_aside_are_listed_and_replayed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.sqlite3"
    inbox = Inbox(open_store(url), pauses=())
    event = inbox.record("e1", json.dumps(STARTED).encode(), {}, time.time())
    assert event
    inbox.fail(event, time.time(), "ValueError: no")
    (line,) = map(json.loads, run("inbox", "--store", url).stdout.splitlines())
    assert (line["state"], line["reason"], line["event"]) == ("aside", "ValueError: no", "meeting.started")
    assert run("inbox", "--store", url, "--replay", "e2").returncode == 2
    assert run("inbox", "--store", url, "--replay", "all").returncode == 0
    (line,) = map(json.loads, run("inbox", "--store", url).stdout.splitlines())
    assert (line["state"], line["failures"]) == ("waiting", 0)


def test_an_event_id_with_half_a_character_is_refused_in_words(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    done = run("inbox", "--store", url, "--replay", "\udcff")
    assert (done.returncode, "was not put aside" in done.stderr) == (2, True), done.stderr
    with closing(open_store(url)) as store, pytest.raises(StoreError, match="without NUL"):
        store.put("inbox/\udcff", b"", None)
