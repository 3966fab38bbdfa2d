"""The command line as a person types it: a process, its output, its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[1]


def run(*arguments: str, zoom: Sandbox | None = None, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ZOOM_")}
    clean["XDG_DATA_HOME"] = "/nonexistent"  # a developer's own connections are not the tests'
    if zoom is not None:
        clean |= {"ZOOM_BASE_URL": zoom.base_url, "ZOOM_ACCESS_TOKEN": zoom.token}
    return subprocess.run(
        [sys.executable, "-m", "zoom_connector", *arguments],
        cwd=ROOT,
        env={**clean, **env},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_list_names_the_22_actions() -> None:
    done = run("list")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 22
    assert "create-meeting" in done.stdout and "Create a new meeting with an existing user as the host" in done.stdout


def test_show_prints_labels_options_choices_and_conditions() -> None:
    shown = run("show", "create-meeting").stdout
    for text in (
        "Weekly Day",
        "--weekly-day",
        "required when 'Type Recurrence' is Weekly",
        "8 Recurring meeting (Fixed Time)",
    ):
        assert text in shown
    assert "Published default (shown, not sent): false" in shown
    assert "--weekly-day  list of whole numbers  required" in shown
    assert "--global-dial-in-countries  list of strings" in shown


def test_the_help_of_a_list_option_shows_that_commas_separate_its_values() -> None:
    assert "  --weekly-day N[,N…]" in run("run", "create-meeting", "--help").stdout


def test_show_prints_what_an_action_gives_and_which_of_it_is_secret() -> None:
    lines = run("show", "get-meeting-recordings", "--output").stdout.splitlines()
    assert lines[0] == "Get Meeting Recordings (get-meeting-recordings) returns:"
    assert "  recording_files.*.download_url  text · secret · needs an access token" in lines
    assert "  recording_count  whole number" in lines
    assert "fields are not declared" in run("show", "raw-request", "--output").stdout


def test_preview_prints_the_request_that_zooms_documentation_expects() -> None:
    done = run(
        "preview", "create-meeting", "--user-id", "me", "--type", "8", "--type-recurrence", "2", "--weekly-day", "1,3"
    )
    request = json.loads(done.stdout)
    assert (request["method"], request["url"]) == ("POST", "https://api.zoom.us/v2/users/me/meetings")
    assert request["body"] == {"type": 8, "recurrence": {"type": 2, "weekly_days": "1,3"}}
    assert request["headers"]["Authorization"] == "Bearer ***"


def test_an_option_wins_over_the_inputs_file(tmp_path: Path) -> None:
    file = tmp_path / "inputs.json"
    file.write_text('{"user_id": "me", "topic": "from the file", "duration": 30}')
    done = run("preview", "create-meeting", "--inputs", str(file), "--topic", "from the option")
    assert json.loads(done.stdout)["body"] == {"topic": "from the option", "duration": 30}
    done = run("preview", "create-meeting", "--inputs", "-", stdin='{"user_id": "me"}')
    assert json.loads(done.stdout)["url"].endswith("/users/me/meetings")


def test_a_boolean_option_needs_no_value() -> None:
    done = run("preview", "create-meeting", "--user_id=me", "--host-video-on-start", "--mute-upon-entry", "false")
    assert json.loads(done.stdout)["body"]["settings"] == {"host_video": True, "mute_upon_entry": False}


def test_maps_and_lists_are_options_that_repeat() -> None:
    done = run(
        "preview", "raw-request", "--url", "/users", "--method", "GET",
        "--query-parameter", "a=1", "--query-parameter", "a=2", "--header", "X-A=b=c",
    )  # fmt: skip
    request = json.loads(done.stdout)
    assert request["url"] == "https://api.zoom.us/v2/users?a=1&a=2"
    assert request["headers"]["X-A"] == "b=c"


def test_clear_empties_a_field() -> None:
    done = run("preview", "update-meeting", "--meeting-id", "812 7943 2123", "--clear", "agenda")
    assert json.loads(done.stdout)["body"] == {"agenda": ""}


def test_run_prints_only_the_result_on_stdout() -> None:
    with Sandbox(users=700) as zoom:
        done = run("run", "list-users", zoom=zoom)
        assert done.returncode == 0
        assert len(json.loads(done.stdout)["users"]) == 700
        done = run("run", "list-users", "--ndjson", "--limit", "301", zoom=zoom)
        assert len([json.loads(line) for line in done.stdout.splitlines()]) == 301


def test_a_long_list_says_on_stderr_how_far_it_is() -> None:
    with Sandbox(users=3100) as zoom:
        done = run("run", "list-users", zoom=zoom)
        assert "3000 items …" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, ""),
        (("lst",), 2, "Did you mean 'list'?"),
        (("run", "create-meting"), 2, "Did you mean 'create-meeting'?"),
        (("run", "create-meeting", "--topc", "x"), 2, "Did you mean '--topic'?"),
        (("run", "create-meeting", "--user-id"), 2, "expected one argument"),
        (("preview", "create-meeting"), 2, "inputs.user_id: is required"),
        (("preview", "create-meeting", "--inputs", "/no/such.json"), 2, "cannot be read"),
        (("preview", "create-meeting", "--inputs", "-"), 2, "is not JSON"),
        (("check", "/no/such/folder"), 2, "it has no connector.yaml"),
        (("run", "get-user", "--user-id", "me"), 3, "ACCESS_TOKEN"),
        (("run", "get-user", "--user-id", "me", "--base-url", "http://example.com/v2"), 3, ""),
    ],
)
def test_a_mistake_has_its_exit_code_and_its_remedy(arguments: tuple[str, ...], code: int, says: str) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_name_of_an_action_is_named_once() -> None:
    said = "error: 'get-meting' is not an action of zoom. Did you mean 'get-meeting'?\n"
    assert run("run", "get-meting").stderr == said


def test_refusals_have_exit_codes_of_their_own(zoom: Sandbox) -> None:
    assert run("run", "get-user", "--user-id", "me", zoom=zoom, ZOOM_ACCESS_TOKEN="wrong").returncode == 3
    gone = run("run", "get-meeting", "--meeting-id", "99999999999", zoom=zoom)
    assert gone.returncode == 4
    assert "tracking id" in gone.stderr
    zoom.inject(match="GET /v2/users/me", status=429, body=b'{"code":429,"message":"slow"}')
    assert run("run", "get-user", "--user-id", "me", "--retries", "0", zoom=zoom).returncode == 5
    with Sandbox() as closed:
        gone_url = closed.base_url
    nowhere = ("--retries", "0", "--base-url", gone_url)
    assert run("run", "get-user", "--user-id", "me", *nowhere, zoom=zoom).returncode == 6


def test_check_reports_a_typo_with_file_line_and_remedy(tmp_path: Path) -> None:
    import shutil

    for part in ("actions", "connection", "triggers", "locales", "schemas"):
        shutil.copytree(ROOT / part, tmp_path / part)
    for part in ("connector.yaml", "icon.svg"):
        shutil.copy(ROOT / part, tmp_path)
    assert run("check", str(tmp_path)).returncode == 0
    file = tmp_path / "actions" / "get-user.yaml"
    file.write_text(file.read_text().replace("{row: user_id}", "{row: user_id, coments: Whose.}"))
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "coments" in text)
    done = run("check", str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.startswith(f"actions/get-user.yaml:{line} inputs.user_id.coments: ")
    assert done.stdout.endswith("Did you mean 'comments'?\n")


def test_the_demo_runs_without_an_account() -> None:
    done = run("demo", "--once")
    assert done.returncode == 0
    assert "Done: 12 requests" in done.stdout
    assert "POST http://127.0.0.1" in done.stdout


def test_help_teaches_with_an_example() -> None:
    assert "check [FOLDER]" in run("--help").stdout
    assert "example:" in run("run", "--help").stdout
    helped = run("run", "create-meeting", "--help")
    assert helped.returncode == 0
    assert "--weekly-day" in helped.stdout and "--ndjson" in helped.stdout


def test_the_catalogue_is_json() -> None:
    assert len(json.loads(run("catalogue").stdout)["actions"]) == 22


def test_a_binary_answer_goes_to_a_file_as_it_is(tmp_path: Path) -> None:
    content = bytes(range(256))
    with Sandbox() as zoom:
        zoom.inject(match="GET /v2/file", status=200, body=content, content_type="application/octet-stream")
        raw = ("run", "raw-request", "--url", "/file", "--method", "GET", "--response-type", "binary")
        done = run(*raw, "--output", str(tmp_path / "f.bin"), zoom=zoom)
    assert done.returncode == 0 and done.stdout == ""
    assert (tmp_path / "f.bin").read_bytes() == content


def test_a_file_is_uploaded_from_its_path(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    raw = ("preview", "raw-request", "--url", "/x", "--method", "POST")
    for given in (
        ("--file-data", f"file=@{tmp_path}/logo.png"),
        ("--inputs", str(tmp_path / "inputs.json")),
    ):
        (tmp_path / "inputs.json").write_text(json.dumps({"file_data": {"file": {"path": f"{tmp_path}/logo.png"}}}))
        request = json.loads(run(*raw, *given).stdout)
        assert request["body"] == {
            "multipart": [{"name": "file", "filename": "logo.png", "content_type": "image/png", "bytes": 4}]
        }
