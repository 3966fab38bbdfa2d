"""The last step of a command: what it prints arrives whole, and what can be had only once is never lost."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from connector_runtime.commands import action_commands, context
from connector_runtime.commands.cli import COMMANDS as COMMON
from connector_runtime.commands.context import as_json, escape
from connector_runtime.errors import InputError
from connector_runtime.steps import LONGEST_WAIT
from tests.conftest import Run
from zoom_connector import File
from zoom_connector.__main__ import COMMANDS
from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
CREATE = ("run", "create-meeting", "--user-id", "me", "--topic", "Weekly", "--type", "2")
SURROGATE = b'{"id":81279432123,"topic":"half \\ud83d of a pair","join_url":"https://zoom.us/j/1"}'
ENCODINGS = ["utf-8", "ascii", "latin-1", "cp1252", "cp437", "utf-16", "shift_jis", "gb18030"]
PLAIN = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
TEXT = strategies.text(strategies.characters(codec=None, exclude_categories=()))
JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats(allow_nan=False) | TEXT,
    lambda inner: strategies.lists(inner) | strategies.dictionaries(TEXT, inner),
)


def environment(zoom: Sandbox, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZOOM_")}
    return clean | {"ZOOM_BASE_URL": zoom.base_url, "ZOOM_ACCESS_TOKEN": zoom.token, **more}


def shell(script: str, zoom: Sandbox, **more: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash, where `$Z` is the command; it ends as the command does."""
    environ = environment(zoom, Z=f"{sys.executable} -m zoom_connector", **more)
    command = ["bash", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, timeout=60)


def interrupted(zoom: Sandbox, requests: int, *words: str) -> tuple[int, str, str]:
    """A command that is given Ctrl-C once so many requests have arrived at the vendor: exit code, stdout, stderr."""
    command = [sys.executable, "-m", "zoom_connector", *words]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:  # a pipe would fill up
        process = subprocess.Popen(command, cwd=ROOT, env=environment(zoom), stdout=out, stderr=err)
        try:
            until = time.monotonic() + 30
            while len(zoom.requests) < requests and time.monotonic() < until:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            process.wait(30)
        finally:
            process.kill()
        for file in (out, err):
            file.seek(0)
        return process.returncode, out.read(), err.read()


def json_in(text: bytes | str) -> Any:
    """The JSON object between what else was said."""
    decoded = text if isinstance(text, str) else text.decode()
    return json.loads(decoded[decoded.index("{") : decoded.rindex("}") + 1])


def paired(value: Any) -> Any:
    """Two halves that stand side by side are one character: JSON cannot tell them apart."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [paired(item) for item in value]
    return {paired(name): paired(item) for name, item in value.items()} if isinstance(value, dict) else value


# -- what is printed, in any encoding ----------------------------------------------------------------------------------


@given(JSON, strategies.sampled_from(ENCODINGS))
def test_any_json_in_any_encoding_is_the_same_data_to_whoever_reads_it(value: Any, encoding: str) -> None:
    sent = escape(as_json(value), encoding).encode(encoding)  # raises if anything is left that it cannot hold
    assert json.loads(sent.decode(encoding)) == paired(value)


@given(TEXT, strategies.sampled_from(ENCODINGS))
def test_any_text_can_be_printed_and_nothing_in_it_steers_a_terminal(text: str, encoding: str) -> None:
    printed = escape(text, encoding)
    printed.encode(encoding)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", printed)
    assert printed.count("\n") == text.count("\n")


def test_what_an_encoding_holds_and_steers_nothing_is_printed_as_it_is() -> None:
    assert escape("Ödön 🎉 山田\n“tea”", "utf-8") == "Ödön 🎉 山田\n“tea”"
    assert escape("é", "latin-1") == "é"
    assert escape("é €", "latin-1") == "\\u00e9 \\u20ac"
    assert escape("é \ud83d", "utf-8") == "é \\ud83d"
    assert escape('"¥"', "shift_jis") == '"\\u00a5"'  # where it would be written as a backslash
    assert escape("\x1b]0;owned\x07 \x9b31m \u202egnp", "utf-8") == "\\u001b]0;owned\\u0007 \\u009b31m \\u202egnp"


def test_data_nested_as_deep_as_json_can_be_read_can_be_printed() -> None:
    depth = 900
    value = json.loads("[" * depth + "]" * depth)
    assert json.loads(as_json(value)) == value


def test_a_table_keeps_its_columns_whatever_stands_in_its_cells(capsys: pytest.CaptureFixture[str]) -> None:
    context.print_table([("a\x1b[2J", "one\ntwo"), ("longer than that", "three")], indent="  ")
    assert capsys.readouterr().out == "  a\\u001b[2J        one two\n  longer than that  three\n"
    context.print_table([])
    assert capsys.readouterr().out == ""


def test_every_command_prints_by_the_one_way_out() -> None:
    modules = [*sorted((ROOT / "connector_runtime/commands").glob("*.py")), ROOT / "zoom_connector/commands.py"]
    assert len(modules) > 8
    for module in modules:
        assert not re.search(r"(?<!\w)print\(|sys\.stdout\.write", module.read_text()) or module.name == "context.py"
    assert "print(" not in re.sub(r'"""[\s\S]*?"""', "", (ROOT / "connector_runtime/commands/context.py").read_text())


# -- an answer that can be had only once -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", **PLAIN}, {"PYTHONIOENCODING": "utf-8:strict"}]
)
def test_half_a_character_in_the_answer_of_a_create_is_printed_escaped(zoom: Sandbox, given: dict[str, str]) -> None:
    zoom.inject(match="POST *", status=201, body=SURROGATE)
    done = shell(f"$Z {' '.join(CREATE)}", zoom, **given)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["topic"] == "half \ud83d of a pair"


@pytest.mark.parametrize(
    ("where", "why"),
    [
        (">/dev/full", "Standard output cannot be written (No space left on device)"),
        ("--ndjson >/dev/full", "Standard output cannot be written (No space left on device)"),
        ("| head -c 0", "Standard output cannot be written (Broken pipe)"),
        (">&-", "Standard output cannot be written (standard output is closed)"),
        ("--output /no/such/folder/m.json", "/no/such/folder/m.json cannot be written (No such file or directory)"),
    ],
)
def test_the_answer_of_a_create_goes_to_stderr_where_it_cannot_be_written(zoom: Sandbox, where: str, why: str) -> None:
    done = shell(f"$Z {' '.join(CREATE)} {where}", zoom)
    assert done.returncode == 8
    assert done.stdout == b""
    (meeting,) = [made for made in zoom.state.meetings.values() if made.topic == "Weekly"]
    assert json_in(done.stderr)["id"] == meeting.id
    said = done.stderr.decode().splitlines()[-1]
    assert said == f"error: {why}; the result is above; do not run it again."
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


def test_where_nothing_can_be_said_at_all_the_exit_code_remains(zoom: Sandbox) -> None:
    done = shell(f"$Z {' '.join(CREATE)} >/dev/full 2>/dev/full", zoom)
    assert (done.returncode, done.stdout, done.stderr) == (8, b"", b"")
    done = shell(f"$Z {' '.join(CREATE)} 2>&-", zoom)  # closed: and what belongs there is not among the results
    assert done.returncode == 0 and json.loads(done.stdout)["topic"] == "Weekly"
    done = shell("$Z run get-meeting --meeting-id 99999999999 2>&-", zoom)
    assert (done.returncode, done.stdout) == (4, b"")


@pytest.mark.parametrize(
    "command",
    [
        "list", "list --help", "show create-meeting", "catalogue", "events", "events show meeting.started",
        "scopes", "--help", "run create-meeting --help", "choices create-meeting timezone", "run list-users",
        "preview get-user --user-id me",
    ],
)  # fmt: skip
def test_what_can_be_asked_again_only_says_that_it_could_not_be_written(zoom: Sandbox, command: str) -> None:
    full = shell(f"$Z {command} >/dev/full", zoom)
    says = b"error: Standard output cannot be written (No space left on device); correct that and run it again.\n"
    assert (full.returncode, full.stderr) == (8, says)
    enough = shell(f"$Z {command} | head -c 0", zoom)  # its reader has read enough
    assert (enough.returncode, enough.stderr) == (0, b"")


def test_a_new_api_key_is_shown_where_stdout_fails(zoom: Sandbox, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.db"
    done = shell("$Z api-key create --tenant acme >/dev/full", zoom, ZOOM_STORE=store)
    assert done.returncode == 8
    assert done.stderr.decode().startswith("ck_") and "the result is above" in done.stderr.decode()


def test_what_a_vendor_writes_steers_no_terminal(zoom: Sandbox) -> None:
    title = "\x1b]0;owned\x07\x9b2J\u202e"
    meeting = next(iter(zoom.state.meetings.values()))
    zoom.run(lambda account: setattr(meeting, "topic", title))
    done = shell(f"$Z run get-meeting --meeting-id {meeting.id}", zoom)
    assert json.loads(done.stdout)["topic"] == title
    listed = shell(f"$Z choices get-meeting meeting_id --user-id {meeting.host.id}", zoom).stdout
    zoom.inject(match="GET *", status=400, body=json.dumps({"code": 300, "message": title}))
    refused = shell(f"$Z run get-meeting --meeting-id {meeting.id}", zoom).stderr
    for shown_there in (done.stdout, listed, refused):
        assert b"owned" in shown_there
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown_there.decode())


# -- Ctrl-C, and an error in the middle --------------------------------------------------------------------------------


def test_an_interrupted_create_says_that_it_may_have_been_done_and_how_to_look(zoom: Sandbox) -> None:
    zoom.inject(match="POST *", delay=20)
    code, out, err = interrupted(zoom, 1, *CREATE)
    assert (code, out) == (130, "")
    (line,) = err.splitlines()
    assert line.startswith("error: Interrupted. The change may have been made; check before you run it again: ")
    assert line.endswith(" -m zoom_connector run list-meetings --user-id me")


@pytest.mark.parametrize(
    ("words", "method"),
    [
        (("update-meeting", "--meeting-id", "81279432123", "--agenda", "x"), "PATCH"),
        (("raw-request", "--url", "/users", "--method", "POST"), "POST"),
        (("create-meeting", "--user-id", "me", "--type", "1"), "POST"),  # is in no list
    ],
)
def test_an_interrupted_change_without_a_way_to_look_says_so(
    zoom: Sandbox, words: tuple[str, ...], method: str
) -> None:
    zoom.inject(match=f"{method} *", delay=20)
    code, out, err = interrupted(zoom, 1, "run", *words)
    said = "error: Interrupted. The change may have been made; check before you run it again.\n"
    assert (code, out, err) == (130, "", said)


def test_an_interrupted_read_changed_nothing_and_says_nothing_of_it(zoom: Sandbox) -> None:
    zoom.inject(match="GET *", delay=20)
    read = ("run", "raw-request", "--url", "/users", "--method", "GET")
    assert interrupted(zoom, 1, *read) == (130, "", "error: Interrupted.\n")


@pytest.mark.parametrize("how", [(), ("--ndjson",), ("--output",)])
def test_an_interrupted_list_prints_what_it_read_and_how_to_go_on(how: tuple[str, ...], tmp_path: Path) -> None:
    with Sandbox(users=700) as zoom:
        zoom.inject(match="GET /v2/users", delay=20, skip=2)
        file = tmp_path / "users.json"
        words = ("--output", str(file)) if how == ("--output",) else how
        code, out, err = interrupted(zoom, 3, "run", "list-users", *words)
        assert code == 130
        printed = file.read_text() if how == ("--output",) else out
        first = (
            [json.loads(line) for line in out.splitlines()] if how == ("--ndjson",) else json.loads(printed)["users"]
        )
        assert len(first) == 600, err
        said = re.search(r"error: Interrupted\.\n  600 items were read; to continue, add --cursor (\S+)$", err)
        assert said
        rest = json.loads(shell(f"$Z run list-users --cursor {said[1]}", zoom).stdout)["users"]
        assert len({user["id"] for user in [*first, *rest]}) == len(first) + len(rest) == 700


@pytest.mark.parametrize("how", [(), ("--ndjson",)])
def test_a_list_that_an_error_ends_prints_what_it_read_and_how_to_go_on(how: tuple[str, ...]) -> None:
    with Sandbox(users=700) as zoom:
        zoom.inject(match="GET /v2/users", status=503, body=b"", skip=1)
        done = shell(f"$Z run list-users --retries 0 {' '.join(how)}", zoom)
        assert done.returncode == 4
        first = [json.loads(line) for line in done.stdout.splitlines()] if how else json.loads(done.stdout)["users"]
        assert len(first) == 300
        said = re.search(r"300 items were read; to continue, add --cursor (\S+)", done.stderr.decode())
        assert said
        rest = json.loads(shell(f"$Z run list-users --cursor {said[1]}", zoom).stdout)["users"]
        assert len({user["id"] for user in [*first, *rest]}) == 700


# -- numbers that are too long, too small, or none ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["--limit", "--retries", "--deadline"])
@pytest.mark.parametrize("value", ["9" * 5_000, "-1", "0.0", "nan", "1e300", "1e999", "x", ""])
def test_an_absurd_option_is_refused_in_a_few_words_and_nothing_is_sent(
    zoom: Sandbox, run: Run, name: str, value: str
) -> None:
    code, out, said = run("run", "list-users", f"{name}={value}")
    assert (code, out) == (2, "")
    assert name.strip("-") in said and len(said) < 500
    assert not zoom.requests


def test_a_deadline_of_a_year_is_taken_and_of_more_is_not(zoom: Sandbox) -> None:
    from zoom_connector import Client, load

    with Client(load(), token=zoom.token, base_url=zoom.base_url) as client:
        assert client.run("get-user", {"user_id": "me"}, deadline=LONGEST_WAIT).status == 200
        with pytest.raises(InputError, match="and at most 31,536,000") as refused:
            client.run("get-user", {"user_id": "me"}, deadline=LONGEST_WAIT + 1)
    assert [problem.where for problem in refused.value.problems] == ["deadline"]
    assert len(zoom.requests) == 1


@pytest.mark.parametrize("row", ["duration", "type", "weekly-day"])
def test_a_number_of_five_thousand_digits_as_an_input_is_refused_in_a_few_words(
    zoom: Sandbox, run: Run, row: str
) -> None:
    code, out, said = run("run", "create-meeting", "--user-id", "me", f"--{row}", "9" * 5_000)
    assert (code, out) == (2, "")
    assert f"inputs.{row.replace('-', '_')}: " in said and len(said) < 500
    assert not zoom.requests


def test_the_help_of_an_input_names_its_values_where_they_are_few_and_their_kind_where_not(run: Run) -> None:
    helped = run("run", "create-meeting", "--help")[1]
    for option in ("--topic TEXT", "--duration N", "--host-video-on-start [true|false]", "--agenda TEXT"):
        assert f" {option}" in helped, option
    registrant = " ".join(run("run", "add-meeting-registrant", "--help")[1].split())
    assert (
        " --purchasing-time-frame {Within a month,1-3 months,4-6 months,More than 6 months,No timeframe} " in registrant
    )
    raw = run("run", "raw-request", "--help")[1]
    for option in ("--header NAME=VALUE", "--file-data NAME=@FILE", "--data TEXT", "--timeout N"):
        assert f" {option}" in raw, option


def test_the_help_of_every_command_says_what_it_is_for_and_gives_an_example(run: Run) -> None:
    names = [*COMMON, *COMMANDS]
    assert len(names) > 20
    for name in names:
        code, out, err = run(name, "--help")
        assert (code, err) == (0, ""), name
        assert f" {name} " in out.partition("\n")[0], name  # its usage
        assert re.search(rf"examples?:\s+\S.* {name}\b", out), name


def test_every_option_of_every_command_has_its_help(run: Run) -> None:
    pages = [(name, "--help") for name in (*COMMON, *COMMANDS)]
    pages += [("run", "create-meeting", "--help"), ("run", "raw-request", "--help"), ("preview", "get-user", "--help")]
    seen = 0
    for words in pages:
        lines = run(*words)[1].splitlines()
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            if line.startswith("  -"):
                seen += 1
                assert re.search(r"\S {2,}\S", line) or after.startswith(" " * 24), (words, line)
    assert seen > 150


def test_a_log_has_a_line_for_each_ten_pages_of_a_long_list() -> None:
    with Sandbox(users=6300) as zoom:
        command = [sys.executable, "-m", "zoom_connector", "run", "list-users", "--ndjson"]
        done = subprocess.run(command, cwd=ROOT, env=environment(zoom), capture_output=True, timeout=60)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 6300
    assert done.stderr.decode() == "3000 items …\n6000 items …\n"  # at Zoom's 300 a page


def test_only_an_action_that_lists_says_that_all_pages_are_read(run: Run) -> None:
    assert "a list: all pages are read" in run("show", "list-users")[1]
    assert "a list" not in run("show", "get-user")[1]


def test_a_terminal_shows_how_far_a_list_is_and_how_long_it_was() -> None:
    pty = pytest.importorskip("pty", reason="no terminals on this system")
    ours, theirs = pty.openpty()
    with Sandbox(users=700) as zoom:
        command = [sys.executable, "-m", "zoom_connector", "run", "list-users", "--ndjson"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment(zoom), stdout=subprocess.PIPE, stderr=theirs, timeout=60
        )
    os.close(theirs)
    drawn = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 700
    assert drawn == "\r600 items …\r700 items …\r700 items in 3 pages\r\n"


@pytest.mark.parametrize("once", [True, False])
def test_ctrl_c_while_a_reader_lets_it_wait_loses_nothing_that_can_be_had_only_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], once: bool
) -> None:
    class Waiting:
        encoding = "utf-8"

        def write(self, text: str) -> None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sys, "stdout", Waiting())
        context.put('{"id": 77}', once=once)
    assert capsys.readouterr().err == ('{"id": 77}\n' if once else "")


def test_a_stdout_that_names_no_encoding_gets_the_text_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    assert out.encoding is None
    monkeypatch.setattr(sys, "stdout", out)
    context.put("Zoë 🎉")
    assert out.getvalue() == "Zoë 🎉\n"


def test_the_progress_of_downloads_is_drawn_before_a_file_is_complete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(action_commands, "is_watched", lambda: True)
    file = File(action="a", url="https://x.example/f", name="talk.mp4", size=100)
    bar = action_commands._Bar([file])
    bar.update(file, 50, 100)
    first = capsys.readouterr().err
    bar.update(file, 60, 100)  # within the time between two drawings
    assert "50" in first and capsys.readouterr().err == ""
    assert first.count("█") == first.count("░") == 10  # half of the bar
    bar.update(file, 100, 100)
    assert capsys.readouterr().err
