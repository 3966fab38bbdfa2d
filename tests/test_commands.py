"""The commands in this process: what they print, say and end with, as a whole."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from connector_runtime.commands import action_commands
from connector_runtime.commands.action_commands import amount
from connector_runtime.commands.cli import COMMANDS
from connector_runtime.definitions import documents
from connector_runtime.errors import InputError
from connector_runtime.stores.databases import open_store
from connector_runtime.triggers.inbox import Inbox
from tests.conftest import Run
from zoom_connector import Client, Connector, Page
from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _secret(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOOM_WEBHOOK_SECRET_TOKEN", "try-me")


def wrong(subject: str, where: str, what: str) -> tuple[int, str, str]:
    return 2, "", f"error: One problem with the inputs of {subject}:\n  {where}: {what}\n"


# -- which command -----------------------------------------------------------------------------------------------------


def test_all_commands_are_listed_with_their_exit_codes(run: Run, connector: Connector) -> None:
    code, out, err = run("--help")
    assert (code, err) == (0, "") and out.startswith("usage: zoom-connector COMMAND …\n\n  list ")
    for command in COMMANDS.values():
        assert f"  {command.usage} " in out and f"  {command.says}\n" in out
    teaches = "`zoom-connector COMMAND --help` explains a command and shows an example."
    assert f"\n{teaches}\n\nexit codes: 0 success, 1 faults or breaking changes found" in out
    assert out.rstrip().endswith("130 interrupted")
    assert run("help") == run("-h") == (0, out, "") and run() == (2, out, "")
    assert run("--version") == (0, f"{connector.profile.version}\n", "")
    assert run("lst") == (2, "", "error: 'lst' is not a command. Did you mean 'list'? See: zoom-connector --help\n")


def test_the_list_is_a_table(run: Run, connector: Connector) -> None:
    code, out, _ = run("list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(connector.actions)
    assert run("list", "--all")[0] == 2


def test_what_is_known_of_an_error_is_said_below_it(run: Run, zoom: Sandbox) -> None:
    zoom.inject(
        status=429,
        headers={"retry-after": "2030-05-31T00:00:00Z", "x-zm-trackingid": "v_1"},
        body={"code": 429, "message": "Slow."},
        times=9,
    )
    code, out, err = run("run", "get-user", "--user-id", "me", "--retries", "0")
    lines = err.splitlines()
    assert (code, out) == (5, "") and lines[0].startswith("error: Slow. (429 Too Many Requests, code 429)")
    assert lines[1] == "  tracking id for the vendor's support: v_1"
    assert lines[2] == "  try again at 2030-05-31T00:00:00+00:00"


# -- actions -----------------------------------------------------------------------------------------------------------


def test_an_action_is_shown_previewed_and_run(run: Run, zoom: Sandbox, tmp_path: Path) -> None:
    code, out, _ = run("show", "get-user")
    assert code == 0 and "User Id" in out
    assert run("show", "get-user", "--output")[1] != out
    code, text, _ = run("show", "get-user", "--yaml")
    row = documents.read(text, "get-user.yaml").data["inputs"]["user_id"]
    assert (code, row["label"], row["type"], row["to"], "row" in row) == (0, "User Id", "string", "path", False)
    assert run("show", "get-user", "--yaml", "--output")[0] == 2
    code, out, _ = run("preview", "update-meeting", "--meeting-id", "1", "--clear", "agenda")
    shown = json.loads(out)
    assert (shown["method"], shown["url"], shown["body"]) == ("PATCH", f"{zoom.base_url}/meetings/1", {"agenda": ""})
    assert not zoom.requests
    code, out, err = run("run", "list-users", "--limit", "2")
    assert (code, err, len(json.loads(out)["users"])) == (0, "", 2)
    code, out, err = run("run", "list-users", "--limit", "2", "--ndjson")
    assert (code, err, [type(json.loads(line)) for line in out.splitlines()]) == (0, "", [dict, dict])
    assert run("run", "get-user", "--user-id", "me", "--ndjson")[1].count("\n") == 1
    file = tmp_path / "out.json"
    code, out, err = run("run", "get-user", "--user-id", "me", "--output", str(file))
    assert (code, out, err) == (0, "", f"wrote {file.stat().st_size} bytes to {file}\n")
    assert json.loads(file.read_text())["id"]
    code, out, err = run("run", "get-user", "--user-id", "me", "--output", str(tmp_path))
    assert (code, out) == (8, "")
    assert err == f"error: {tmp_path} cannot be written (Is a directory); correct that and run it again.\n"
    code, out, err = run("run", "create-meeting", "--user-id", "me", "--output", str(tmp_path))
    made, _, last = err.rstrip().rpartition("\n")
    assert code == 8 and json.loads(made)["id"]
    assert last == f"error: {tmp_path} cannot be written (Is a directory); the result is above; do not run it again."
    zoom.inject(status=200, body=b"\x00\xff", content_type="image/png", times=1)
    code, _, err = run(
        "run", "raw-request", "--url", "/x", "--method", "GET", "--response-type", "binary", "--output", str(file)
    )
    assert (code, err, file.read_bytes()) == (0, f"wrote 2 bytes to {file}\n", b"\x00\xff")
    zoom.inject(status=200, body=b"\x00\xff", content_type="image/png", times=1)
    code, out, _ = run("run", "raw-request", "--url", "/x", "--method", "GET", "--response-type", "binary")
    assert base64.b64decode(json.loads(out)["base64"]) == b"\x00\xff"


def test_a_list_that_fails_in_the_middle_prints_what_it_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(users=700) as zoom:
        zoom.inject(match="GET /v2/users", status=400, body={"code": 300, "message": "No."}, skip=1)
        monkeypatch.setenv("ZOOM_ACCESS_TOKEN", zoom.token)
        code, out, err = run("run", "list-users", "--base-url", zoom.base_url)
    assert (code, len(json.loads(out)["users"])) == (4, 300)
    assert err.splitlines()[-1] == "  300 items were read"


def test_warnings_of_a_run_are_said(run: Run) -> None:
    code, _, err = run(
        "run",
        "raw-request",
        "--url",
        "/users/me/meetings",
        "--method",
        "POST",
        "--data",
        "{}",
        "--max-retry-count",
        "1",
    )
    assert err.startswith("warning: inputs.max_retry_count: ") and code == 0


def test_wrong_options_and_wrong_values_are_reported_together(run: Run, zoom: Sandbox) -> None:
    missing = "/no/such.png"
    code, out, err = run("run", "create-meeting", "--topc", "x", "--type", "banana", "--user-id", "me", "--zz=1", "b")
    title, *lines = err.splitlines()
    assert (code, out, title) == (2, "", "error: 4 problems with the inputs of zoom-connector run create-meeting:")
    assert lines[:2] == [
        "  --topc: is not an option of create-meeting. Did you mean '--topic'?",
        "  --zz: is not an option of create-meeting.",
    ]
    assert lines[2] == "  b: does not belong to an option; write each value after its option"
    assert lines[3].startswith("  inputs.type: must be one of Instant meeting (1), ")
    code, out, err = run("run", "raw-request", "--url", "/x", "--method", "PSOT", "--file-data", f"logo=@{missing}")
    assert code == 2 and f"{missing}: No such file or directory" in err and "inputs.method: must be one of" in err
    assert not zoom.requests


def test_the_help_of_an_action_ends_with_an_example_of_what_it_requires(run: Run) -> None:
    assert run("run", "get-meeting", "--help")[1].endswith(
        "\nexample: zoom-connector run get-meeting --meeting-id 81279432123\n"
    )
    assert run("preview", "raw-request", "--help")[1].splitlines()[-1].startswith("example: zoom-connector preview raw")
    assert run("choices", "users", "--help")[1].endswith("\nexample: zoom-connector choices users\n")


def test_without_docstrings_the_help_says_why_a_description_is_missing() -> None:
    for words in (("show",), ("run",), ("choices",)):
        command = [sys.executable, "-OO", "-m", "zoom_connector", *words, "--help"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert "(python -OO removes this description; run it without -OO)" in done.stdout and "None" not in done.stdout


@pytest.mark.parametrize("name", ["run", "preview"])
def test_the_help_of_a_command_about_actions_leads_on(run: Run, name: str) -> None:
    code, out, err = run(name, "--help")
    assert (code, err) == (0, "") and run(name) == (2, out, "")
    assert out.startswith(f"usage: zoom-connector {name} ACTION [--INPUT VALUE …]\n\n")
    assert (
        f"`zoom-connector {name} ACTION --help` lists an action's inputs, `zoom-connector list` the actions.\n" in out
    )
    assert out.splitlines()[-1].startswith(f"example: zoom-connector {name} ")


def test_an_interrupted_change_says_how_to_look(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: Any, **more: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("connector_runtime.client.Client.pages", interrupted)
    for words, hint in (
        (("get-user", "--user-id", "me"), ""),
        (("delete-user", "--user-id", "a b"), " The change may have been made; check before you run it again."),
        (
            ("create-user", "--email", "a@b.example", "--user-type", "1"),
            " The change may have been made; check before you run it again: "
            "zoom-connector run get-user --user-id a@b.example",
        ),
    ):
        code, out, err = run("run", *words)
        assert (code, out, err) == (130, "", f"error: Interrupted.{hint}\n")


def test_choices_are_a_table_or_json(run: Run) -> None:
    code, out, err = run("choices", "get-user", "user-id", "--search", "ada")
    assert (code, err) == (0, "") and all("Ada Lovelace" in line for line in out.splitlines())
    code, out, _ = run("choices", "get-user", "user_id", "--search", "ada", "--json")
    found = json.loads(out)["choices"][0]
    assert set(json.loads(out)) == {"choices", "cursor"} and set(found) == {"value", "label", "description"}
    assert run("choices", "get-user", "user-id", "--search", "zzz") == (0, "", "no choices\n")
    code, out, err = run("choices", "create-meeting", "type")
    assert (code, err) == (0, "") and "8" in {line.split()[0] for line in out.splitlines()}
    code, out, err = run("choices", "users")
    assert code == 0 and len(out.splitlines()) == 25
    code, out, err = run("choices", "--help")
    assert (code, err) == (0, "") and run("choices") == (2, out, "")
    assert out.startswith("usage: zoom-connector choices ACTION INPUT [--search TEXT] [--INPUT VALUE …]\n")
    assert "lists: " in out and "\nexamples:\n" in out and out.rstrip().endswith("--search TEXT")
    code, _, err = run("choices", "usrs")
    what = "is neither an action of zoom nor a list of choices. Did you mean 'users'?"
    assert (code, err) == (2, f"error: 'usrs' {what}\n")
    name = "must be one that has choices: user_id, login_type"
    assert run("choices", "get-user") == wrong("choices", "INPUT", name)


def test_files_are_downloaded_and_left_alone_the_next_time(run: Run, zoom: Sandbox, tmp_path: Path) -> None:
    code, out, err = run("download", "1", "--action", "get-user", "--to", str(tmp_path))
    known = "get-meeting-recordings"
    assert code == 2 and err.startswith(
        "error: One problem with the inputs of download:\n  --action: 'get-user' offers no files; must be "
    )
    assert known in err
    assert run("download", "1", "--input", "x") == wrong("download", "--input", "'x' must be NAME=VALUE")
    meeting = next(iter(recorded(zoom)), None)
    assert meeting is not None
    code, out, err = run("download", meeting, "--to", str(tmp_path / "a"))
    paths = out.splitlines()
    assert code == 0 and paths and all(Path(path).is_file() for path in paths)
    assert all(", already downloaded" not in line for line in err.splitlines())
    again = run("download", meeting, "--to", str(tmp_path / "a"))
    assert again[:2] == (0, out) and all(line.endswith(", already downloaded") for line in again[2].splitlines())
    code, _, err = run("download", meeting, "--types", "odd, mp4", "--to", str(tmp_path / "b"))
    assert code == 2 and "--types: no file has the type ODD; choose from " in err
    code, out, _ = run("download", meeting, "--types", "mp4", "--any-size", "--to", str(tmp_path / "b"))
    assert code == 0 and all(path.lower().endswith(".mp4") for path in out.splitlines())


def recorded(zoom: Sandbox) -> list[str]:
    """The meetings that have recordings."""
    from zoom_connector import Client, load

    with Client(load(), token=zoom.token, base_url=zoom.base_url) as client:
        found = client.choices("get-meeting-recordings", "meeting_id", {"user_id": "me"}).choices
    return [str(each.value) for each in found]


def test_an_amount_is_written_for_a_person() -> None:
    told = {
        0: "0 bytes",
        999: "999 bytes",
        1000: "1.0 kB",
        24_600_000: "24.6 MB",
        10**9: "1.0 GB",
        10**16: "10000.0 TB",
    }
    assert {size: amount(size) for size in told} == told


def test_definitions_are_checked_and_the_catalogue_printed(run: Run, tmp_path: Path, connector: Connector) -> None:
    code, out, err = run("check")
    counted = (
        f"{len(connector.actions)} actions, {len(connector.triggers)} trigger, {len(connector.connections)} connections"
    )
    assert (code, out, err.splitlines()[-1]) == (0, "", f"{counted}: no faults")
    (tmp_path / "connector.yaml").write_text("key: x\nlabel: X\n")
    fault = "connector.yaml:1: lacks 'base_url'\n"
    assert run("check", str(tmp_path)) == (1, fault, "no actions, no triggers, no connections: 1 fault\n")
    code, out, _ = run("catalogue", "--locale", "de")
    assert code == 0 and json.loads(out) == connector.catalogue("de")
    assert json.loads(run("catalogue", "--events")[1]) == connector.catalogue(events=True)


# -- authors -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A connector of one action."""
    made = tmp_path / "acme"
    (made / "actions").mkdir(parents=True)
    about = "key: acme\nlabel: Acme\nversion: 1.2.3\nlanguage: en\nbase_url: https://api.acme.example\n"
    (made / "connector.yaml").write_text(about)
    action = "key: get-thing\nlabel: Get Thing\ndescription: Get a thing\neffect: read\n"
    action += 'request: {method: GET, path: "/things/{id}"}\ninputs:\n'
    action += "  id: {label: Id, type: string, required: true, to: path}\n"
    (made / "actions" / "get-thing.yaml").write_text(action)
    return made


def test_catalogues_are_compared_and_the_next_version_told(run: Run, folder: Path, tmp_path: Path) -> None:
    assert run("diff", str(folder), str(folder)) == (0, "", "0 changes, none breaking; the version stays 1.2.3\n")
    action = folder / "actions" / "get-thing.yaml"
    old = tmp_path / "old.json"
    from connector_runtime.definitions import folders

    old.write_text(json.dumps(folders.load(folder).catalogue()))
    action.write_text(action.read_text() + "  kind: {label: Kind, type: string, required: true, to: query}\n")
    code, out, err = run("diff", str(old), str(folder))
    assert code == 1 and len(out.splitlines()) == 1 and "kind" in out
    assert err == "1 change, 1 breaking; after 1.2.3 the version must be at least 2.0.0; NEW has 1.2.3\n"
    code, out, _ = run("diff", str(old), str(folder), "--json")
    said = json.loads(out)
    assert (code, said["breaking"], said["version"]) == (1, 1, "2.0.0")
    assert [set(change) for change in said["changes"]] == [{"where", "what", "level"}]
    data = json.loads(old.read_text())
    old.write_text(json.dumps({**data, "version": "one"}))
    code, _, err = run("diff", str(old), str(folder))
    assert err.endswith("; the next version is unknown, because 'one' is not of the form 1.2.3\n")
    old.write_text("{}")
    assert run("diff", str(old), str(folder)) == wrong(
        "diff", str(old), "is not a catalogue; write one with `zoom-connector catalogue > FILE`"
    )


def test_catalogues_with_and_without_schemas_of_events_are_told_apart(
    run: Run, tmp_path: Path, connector: Connector
) -> None:
    (tmp_path / "without.json").write_text(json.dumps(connector.catalogue()))
    (tmp_path / "with.json").write_text(json.dumps(connector.catalogue(events=True)))
    for one, two in (("without", "with"), ("with", "without")):
        code, _, err = run("diff", str(tmp_path / f"{one}.json"), str(tmp_path / f"{two}.json"))
        assert code == 0 and err.startswith(
            f"note: {tmp_path / 'without.json'} lacks the schemas of events, so they are not compared; "
            "write it with `zoom-connector catalogue --events`\n"
        )
    code, out, err = run("diff", str(tmp_path / "with.json"), str(ROOT))  # a folder has them
    assert (code, out) == (0, "") and err.startswith("0 changes, none breaking; ")


def test_a_draft_is_written_with_what_is_left_to_do(run: Run, folder: Path) -> None:
    where = ("--folder", str(folder))
    file = folder / "actions" / "delete-meeting.yaml"
    source = str(ROOT / "tests" / "openapi" / "zoom-meeting-delete.json")
    code, out, err = run("new", "delete-meeting", "--from", source, "--operation", "meetingDelete", *where)
    assert (code, err) == (0, "") and out.splitlines() == [
        f"wrote {file}",
        "left to do:",
        "  docs: the URL of the vendor's documentation page",
        "  description: say in your own words what it does",
        "  comments: say what each input is for "
        "(meeting_id, occurrence_id, schedule_for_reminder, cancel_meeting_reminder)",
        "  if_absent, only_when, rules: the effect of an empty input, and the inputs that depend on others",
        f"then: zoom-connector check {folder}",
    ]
    assert file.read_text().startswith("key: delete-meeting\n")
    assert run("new", "delete-meeting", *where) == wrong("new", str(file), "exists already; --force replaces it")
    (folder / "schemas").mkdir()
    (folder / "schemas" / "action.schema.json").write_text("{}")
    code, out, _ = run("new", "delete-meeting", "--force", *where)
    schema = "# yaml-language-server: $schema=../schemas/action.schema.json\n"
    assert code == 0 and file.read_text().startswith(f"{schema}key: delete-meeting\n")
    key = "is 'Delete'; a key consists of lower-case letters, digits and hyphens, such as delete-meeting"
    assert run("new", "Delete", *where) == wrong("new", "ACTION", key)
    assert run("new", "x", "--operation", "y", *where) == wrong(
        "new", "--operation", "needs the document of the operation; add --from FILE"
    )
    nowhere = folder / "actions"
    assert run("new", "x", "--folder", str(nowhere)) == wrong(
        "new",
        str(nowhere),
        "is not a definition folder: it has no connector.yaml; change to one, or name one with --folder",
    )


def test_a_translation_is_written_and_completed(run: Run, folder: Path) -> None:
    where = ("--folder", str(folder))
    file = folder / "locales" / "pt-BR.yaml"
    code, out, err = run("locale", "pt-BR", *where)
    assert (code, err) == (0, "") and out.startswith(f"wrote {file}: ") and out.endswith(" strings left to translate\n")
    left, _, known = out.rpartition(": ")[2].partition(" strings")[0].partition(" of ")
    assert left == known == "4" and "\n  Get Thing:\n" in file.read_text()
    file.write_text(file.read_text().replace("  Get Thing:\n", "  Get Thing: Obter Coisa\n", 1))
    assert run("locale", "pt-BR", *where) == (0, f"wrote {file}: 3 of 4 strings left to translate\n", "")
    assert "\n  Get Thing: Obter Coisa\n" in file.read_text()
    for code_ in ("PT", "x", "pt_BR", "pt-br"):
        what = f"is {code_!r}; must be a code such as fr, pt-BR or zh-Hant-TW"
        assert run("locale", code_, *where) == wrong("locale", "CODE", what)
    what = "is en, the language of the definitions; name another"
    assert run("locale", "en", *where) == wrong("locale", "CODE", what)


# -- webhooks ----------------------------------------------------------------------------------------------------------


def test_events_are_listed_and_shown(run: Run, connector: Connector) -> None:
    events = connector.triggers["webhook"].events
    code, out, _ = run("events")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(events)
    code, out, _ = run("events", "meeting.*", "--product", "MEETINGS")
    assert code == 0 and out and all(line.startswith("meeting.") for line in out.splitlines())
    assert all(line.endswith((" · Meetings", " · Meetings · deprecated")) for line in out.splitlines())
    assert run("events", "phone.*", "--product", "meetings") == wrong(
        "events", "PATTERN", "matches no event of this product"
    )
    code, _, err = run("events", "--product", "meting")
    assert code == 2 and "--product: is not a product." in err and "Known: " in err
    assert run("events", "meeting.strted") == wrong(
        "events", "PATTERN", "'meeting.strted' is not a documented event. Did you mean 'meeting.started'?"
    )
    event = events["meeting.started"]
    code, out, _ = run("events", "show", "meeting.started", "--json")
    assert (code, json.loads(out)) == (0, event.entry())
    code, out, _ = run("events", "show", "meeting.started")
    assert code == 0 and out.startswith(f"meeting.started: {event.label} ({event.product})\n\n")
    assert json.loads(out.partition("\nsample:\n")[2]) == event.sample
    assert "  payload.account_id " in out and "such as 0, 1, 2, 3" in out and " scopes, any of: " in out
    what = "is not a documented event. Did you mean 'meeting.started'?"
    code, _, err = run("events", "show", "meeting.strted")
    assert (code, err) == (2, f"error: 'meeting.strted' {what}\n")


@pytest.fixture
def receiver() -> Iterator[Any]:
    """A server that answers as it is told and keeps what came."""

    class Handler(BaseHTTPRequestHandler):
        answers: ClassVar[list[tuple[int, bytes]]] = []
        came: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.came.append((self.path, {name.lower(): said for name, said in self.headers.items()}, body))
            status, said = self.answers.pop(0) if self.answers else (200, b"")
            self.send_response(status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *given: Any) -> None:
            pass

    Handler.answers, Handler.came = [], []
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Handler.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_sample_is_signed_posted_and_its_answer_told(run: Run, receiver: Any, connector: Connector) -> None:
    trigger = connector.triggers["webhook"]
    receiver.answers[:] = [(200, b""), (200, b'{"a": 1}'), (200, b"text")]
    to = ("--to", f"{receiver.url}/hooks?a=1")
    sets = ("--set", "payload.object.topic=Retro", "--set", "payload.object.new.deep=5", "--set", "event_ts=7")
    assert run("send-event", "meeting.started", *to, *sets) == (0, '{"status": 200, "answer": null}\n', "")
    assert run("send-event", "meeting.started", *to, "--unchanged") == (0, '{"status": 200, "answer": {"a": 1}}\n', "")
    assert run("send-event", "meeting.started", *to)[1] == '{"status": 200, "answer": "text"}\n'
    (path, headers, body), (_, _, sample), (_, _, stamped) = receiver.came
    said = json.loads(body)
    assert path == "/hooks?a=1" and headers["content-type"] == "application/json; charset=utf-8"
    assert said["payload"]["object"]["topic"] == "Retro" and said["payload"]["object"]["new"] == {"deep": 5}
    assert said["event_ts"] == 7 and json.loads(sample) == trigger.events["meeting.started"].sample
    assert json.loads(stamped)["event_ts"] > json.loads(sample)["event_ts"]
    trigger.verify(body, headers, "try-me", int(headers["x-zm-request-timestamp"]))
    receiver.answers[:] = [(500, b"Odd"), (302, b""), (200, b"{}")]
    assert run("send-event", "meeting.started", *to) == (4, "", f"error: {to[1]} responded with 500: Odd\n")
    assert run("send-event", "meeting.started", *to) == (4, "", f"error: {to[1]} responded with 302: (no text)\n")
    other = "error: The response to the challenge is not the digest of the secret.\n"
    assert run("send-event", "endpoint.url_validation", *to) == (4, "", other)
    for text in ("payload", "event.x=1"):
        what = f"{text!r} must be PATH=VALUE, such as payload.object.topic=Retro, where PATH leads to a field"
        assert run("send-event", "meeting.started", *to, "--set", text) == wrong("send-event", "--set", what)
    assert run("send-event", "meeting.started", "--to", "ftp://x") == wrong(
        "send-event", "--to", "'ftp://x' must be a URL such as http://127.0.0.1:8200/"
    )
    code, _, err = run("send-event", "meeting.started", "--to", "http://127.0.0.1:1/")
    assert code == 6 and err.startswith("error: Could not connect to 127.0.0.1: ")
    assert err.endswith("Connection refused. Is the receiver running?\n")


def test_without_a_secret_it_is_said_where_to_put_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOOM_WEBHOOK_SECRET_TOKEN")
    hint = "Set ZOOM_WEBHOOK_SECRET_TOKEN to the same value for the sender and the receiver."
    said = (2, "", f"error: The secret of the webhook is not set. {hint}\n")
    assert run("send-event", "meeting.started", "--to", "http://127.0.0.1:1/") == said
    assert run("listen", "--port", "0") == said


def test_the_inbox_lists_what_waits_and_delivers_again(run: Run, tmp_path: Path, connector: Connector) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    store = open_store(url)
    inbox = Inbox(store, "webhook", pauses=())
    body = json.dumps(connector.triggers["webhook"].events["meeting.started"].sample).encode()
    for event_id in ("e1", "e2"):
        assert inbox.record(event_id, body, {}, 1.0) is not None
    (failed, *_) = [held for held in inbox.take(2.0, 20.0, 9) if held.event_id == "e1"]
    inbox.fail(failed, 3.0, "It broke.")
    where = ("--store", url)
    code, out, err = run("inbox", *where)
    told = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "") and [(each["state"], each["failures"], each["reason"]) for each in told] == [
        ("waiting", 0, None),
        ("aside", 1, "It broke."),
    ]
    assert all(each["event"] == "meeting.started" and each["payload"] for each in told)
    assert run("inbox", "--replay", "e9", *where) == wrong("inbox", "--replay", "'e9' was not put aside")
    assert run("inbox", "--replay", "e1", *where) == (0, "", "1 event will be delivered again\n")
    assert run("inbox", "--replay", "all", *where) == (0, "", "0 events will be delivered again\n")
    store.close()


def test_the_values_that_a_field_of_an_event_can_have_are_shown(run: Run) -> None:
    _, out, _ = run("events", "show", "meeting.started")
    fields = [line.split(maxsplit=1) for line in out.partition("\n\n  event ")[2].splitlines()]
    said = {name: facts for name, facts in (each for each in fields if len(each) == 2)}
    assert said["payload.object.type"] == "integer · such as 0, 1, 2, 3, 4, 7, 8"
    assert said["payload.object.start_time"] == "date-time"
    assert said["payload.object.timezone"] == "string"
    _, out, _ = run("events", "show", "account.settings_updated")
    assert ' string · such as "jbh_only", "all", "none"\n' in out
    _, out, _ = run("events", "show", "phone.fax_log_deleted")
    assert re.search(r"\n  payload\.object\.fax_logs\[\]\.fax_log_id  string\n", out)


def test_a_sample_goes_out_in_utf_8_as_zoom_sends_it_and_its_answer_is_printed_so(run: Run, receiver: Any) -> None:
    receiver.answers[:] = [(200, '{"é": "🎉"}'.encode())]
    code, out, err = run("send-event", "meeting.started", "--to", receiver.url, "--set", "payload.object.topic=Fête 🎉")
    assert (code, out, err) == (0, '{"status": 200, "answer": {"é": "🎉"}}\n', "")
    ((path, headers, body),) = receiver.came
    assert path == "/" and '"topic": "Fête 🎉"'.encode() in body
    assert headers["content-length"] == str(len(body))


def test_what_is_set_in_a_sample_is_json_unless_the_field_is_text(run: Run, receiver: Any) -> None:
    sets = ("payload.object.topic=5", "payload.object.duration=5", "payload.object.host=a=b", "payload.list=[1]")
    words = [word for text in sets for word in ("--set", text)]
    assert run("send-event", "meeting.started", "--to", receiver.url, *words)[0] == 0
    payload = json.loads(receiver.came[0][2])["payload"]
    changed = {name: payload["object"][name] for name in ("topic", "duration", "host")}
    assert (changed, payload["list"]) == ({"topic": "5", "duration": 5, "host": "a=b"}, [1])


def test_a_receiver_that_accepts_and_never_answers_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector_runtime.commands.webhook_commands.TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        end = threading.Timer(10, silent.shutdown, [socket.SHUT_RDWR])  # else a command without a limit waits for ever
        end.start()
        code, out, err = run("send-event", "meeting.started", "--to", url)
        end.cancel()
    assert (code, out, err) == (6, "", "error: No response in time. Is the receiver running?\n")


def test_listen_opens_the_documented_port_of_this_machine_unless_told_otherwise(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def taken(host: str, port: int) -> Any:
        asked.append((host, port))
        raise InputError("Taken.")

    monkeypatch.setattr("connector_runtime.commands.webhook_commands.listening_socket", taken)
    for words in ((), ("--address", "::1", "--port", "0")):
        assert run("listen", *words) == (2, "", "error: Taken.\n")
    assert asked == [("127.0.0.1", 8200), ("::1", 0)]


# -- lists and choices that go on --------------------------------------------------------------------------------------


def page(count: int | None, cursor: str | None = None) -> Page:
    return Page({}, None if count is None else [{}] * count, 200, {}, (), cursor)


@pytest.mark.parametrize(
    ("pages", "live", "says"),
    [
        ([300], True, ""),
        ([None], True, ""),
        ([None, None], True, ""),
        ([300, 0, 7], True, "\r300 items …\r307 items …\r307 items in 3 pages\n"),
        ([0, 0], True, "\r0 items …"),
        ([300] * 9, False, ""),
        ([300] * 20 + [1], False, "3000 items …\n6000 items …\n"),
        ([None] * 10, False, ""),
    ],
)
def test_a_list_of_several_pages_says_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, pages: list[int | None], live: bool, says: str
) -> None:
    monkeypatch.setattr(action_commands, "is_watched", lambda: live)
    given = [page(count) for count in pages]
    assert list(action_commands._counted(iter(given))) == given
    assert capsys.readouterr() == ("", says)


def test_choices_of_several_pages_go_on_at_the_cursor_that_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(users=350) as zoom:
        monkeypatch.setenv("ZOOM_ACCESS_TOKEN", zoom.token)
        base = ("--base-url", zoom.base_url)
        code, out, err = run("choices", "users", *base)
        more = re.fullmatch(r"more choices follow: add --cursor (\S+)\n", err)
        assert more and (code, len(out.splitlines())) == (0, 300)
        assert json.loads(run("choices", "users", *base, "--json")[1])["cursor"]
        code, rest, err = run("choices", "users", "--cursor", more[1], *base)
        assert (code, err, len(rest.splitlines())) == (0, "", 50)
        assert len({line.split()[0] for line in (out + rest).splitlines()}) == 350


def test_a_search_that_found_nothing_so_far_says_that_there_are_more_pages(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(users=1700) as zoom:  # more than the five pages of 300 that one search reads
        monkeypatch.setenv("ZOOM_ACCESS_TOKEN", zoom.token)
        code, out, err = run("choices", "users", "--search", "zzz", "--base-url", zoom.base_url)
    assert (code, out) == (0, "") and re.fullmatch(
        r"no choices on these pages\nmore choices follow: add --cursor \S+\n", err
    )


# -- what an option is if it is left out -------------------------------------------------------------------------------


def test_a_run_and_a_download_go_out_with_the_documented_defaults(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    terms: list[dict[str, Any]] = []

    class Recording(Client):
        def __init__(self, *given: Any, **more: Any) -> None:
            terms.append(more)
            super().__init__(*given, **more)

        def files(self, *given: Any, **more: Any) -> list[Any]:
            return []

        def pages(self, action: str, inputs: Any, limit: int | None = None, **more: Any) -> Any:
            terms.append({"limit": limit, **more})
            return iter([page(None)])

        def download(self, files: Any, folder: Any, **more: Any) -> Any:
            terms.append({"folder": folder, **more})
            return iter(())

    monkeypatch.setattr("connector_runtime.client.Client", Recording)
    assert run("run", "get-user", "--user-id", "me")[0] == 0
    made, asked = terms
    assert (made["retries"], made["token"]) == (4, os.environ["ZOOM_ACCESS_TOKEN"])
    assert asked == {"limit": None, "cursor": None, "deadline": None, "recover": False}
    terms.clear()
    words = ("--limit", "3", "--retries", "0", "--deadline", "60", "--recover")
    assert run("run", "get-user", "--user-id", "me", *words)[0] == 0
    assert terms[0]["retries"] == 0 and terms[1] == {"limit": 3, "cursor": None, "deadline": 60.0, "recover": True}
    terms.clear()
    assert run("download", "81279432123") == (0, "", "")
    asked = terms[-1]
    assert asked.pop("progress") is not None
    assert asked == {"folder": ".", "parallel": 3, "overwrite": False, "largest": 10 * 2**30}


def test_choices_that_depend_on_an_input_are_read_for_its_value(run: Run, zoom: Sandbox) -> None:
    about = ("choices", "get-meeting", "meeting-id")
    code, out, err = run(*about, "--help")
    assert (code, err) == (0, "") and "\nChoices: the input 'meeting_id' of get-meeting\n" in out
    assert re.search(r"\n  --user-id TEXT +Host\. Default: me\n", out)
    assert "\nChoices: the list 'users'\n" in run("choices", "users", "--help")[1]
    code, mine, err = run(*about)
    assert (code, err) == (0, "") and zoom.requests[-1].target.startswith("/v2/users/me/meetings?")
    meeting = next(iter(zoom.state.meetings.values()))
    assert str(meeting.id) in {line.split()[0] for line in mine.splitlines()}
    code, theirs, err = run(*about, "--user-id", meeting.host.id)
    assert (code, err, theirs) == (0, "", mine) and f"/v2/users/{meeting.host.id}/meetings?" in zoom.requests[-1].target
    assert run("choices", "get-meeting", "occurrence-id", "--meeting-id", str(meeting.id))[0] == 0
    assert zoom.requests[-1].target.startswith(f"/v2/meetings/{meeting.id}")
    code, out, err = run("choices", "get-meeting", "meetin-id")
    assert (code, out) == (2, "") and "  input: 'meetin_id' " in err
