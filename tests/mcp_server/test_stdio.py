"""The command `mcp` at standard input and output: what is offered, what reaches stdout, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.account import ACCOUNT_ID

from .conftest import ROOT, environment, over_stdio, talking

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
READY = {"jsonrpc": "2.0", "method": "notifications/initialized"}
CALL = {"name": "list-users", "arguments": {"limit": 1}}
MESSAGES: list[dict[str, Any]] = [  # of a short talk, which gets three answers
    HELLO,
    READY,
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": CALL},
]


def start(zoom: Sandbox, folder: Path, *options: str, **more: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "zoom_connector", "mcp", *options]
    return subprocess.Popen(
        words,
        env=environment(zoom, folder, **more),
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(zoom: Sandbox, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoom_connector", *words]
    given = environment(zoom, folder, **more)
    return subprocess.run(
        command, env=given, cwd=ROOT, text=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL
    )


def test_the_options_choose_what_is_offered_and_shown(zoom: Sandbox, tmp_path: Path) -> None:
    options = ("--destructive", "--show-secrets", "--only", "*-user", "create-meeting", "--only", "raw-request")
    with talking(over_stdio(zoom, tmp_path, *options)) as talk:
        users = {"create-user", "delete-user", "get-user", "update-user"}
        assert set(talk.tools()) == {*users, "create-meeting", "raw-request"}
        made = talk.data("create-meeting", {"user_id": "me", "topic": "Open", "password": "s3cr3tpw"})
        assert made["password"] == "s3cr3tpw" and made["start_url"].startswith("https://")
        assert talk.data("raw-request", {"method": "GET", "url": "/users/me"})["id"]
        listed = talk.data("raw-request", {"method": "GET", "url": "/users", "query_parameter": {"page_size": "3"}})
        gone = listed["users"][-1]["id"]
        assert not talk.call("delete-user", {"user_id": gone, "action": "delete"}).is_error
        assert talk.error("get-user", {"user_id": gone})["kind"] == "not_found"


def test_a_stored_connection_is_used_as_run_uses_it(zoom: Sandbox, tmp_path: Path) -> None:
    here = {"ZOOM_ACCESS_TOKEN": "", "ZOOM_CLIENT_ID": "sandbox-server", "ZOOM_CLIENT_SECRET": "sandbox-secret"}
    connected = run(zoom, tmp_path, "connect", "server-to-server", "--account-id", ACCOUNT_ID, **here)
    assert connected.returncode == 0, connected.stderr
    with talking(over_stdio(zoom, tmp_path, "--only", "list-users", ZOOM_ACCESS_TOKEN="")) as talk:
        assert len(talk.data("list-users", {"limit": 2})["users"]) == 2
    with talking(over_stdio(zoom, tmp_path, "--connection", "other", ZOOM_ACCESS_TOKEN="")) as talk:
        error = talk.error("list-users")
        assert error["kind"] == "token" and "other" in error["message"]


def test_without_a_connection_tools_are_listed_and_a_call_says_what_to_do(zoom: Sandbox, tmp_path: Path) -> None:
    with talking(over_stdio(zoom, tmp_path, ZOOM_ACCESS_TOKEN="")) as talk:
        assert len(talk.tools()) == 20
        error = talk.error("list-users")
        assert error["kind"] == "token" and "connect" in error["hint"]


def test_an_older_client_is_answered_and_only_the_protocol_reaches_stdout(zoom: Sandbox, tmp_path: Path) -> None:
    process = start(zoom, tmp_path)
    assert process.stdin and process.stdout
    for line in MESSAGES:
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
    answers = {answer["id"]: answer["result"] for answer in (json.loads(process.stdout.readline()) for _ in range(3))}
    assert answers[1]["protocolVersion"] == "2025-06-18" and answers[1]["serverInfo"]["name"] == "zoom-connector"
    assert "`cursor`" in answers[1]["instructions"]
    assert len(answers[2]["tools"]) == 20
    assert len(answers[3]["structuredContent"]["data"]["users"]) == 1
    rest, _ = process.communicate(timeout=20)  # closes its input
    assert rest == "" and process.returncode == 0


def test_what_is_no_message_does_not_end_it(zoom: Sandbox, tmp_path: Path) -> None:
    process = start(zoom, tmp_path, "--only", "list-users")
    assert process.stdin and process.stdout
    for line in ("no json", "[]", '{"jsonrpc": "2.0"}', json.dumps(HELLO)):
        process.stdin.write(line + "\n")
        process.stdin.flush()
    found = json.loads(process.stdout.readline())
    while found.get("id") != 1:
        found = json.loads(process.stdout.readline())
    assert found["result"]["serverInfo"]["name"] == "zoom-connector"
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_an_interrupt_ends_it(zoom: Sandbox, tmp_path: Path) -> None:
    process = start(zoom, tmp_path, "--only", "list-users")
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(HELLO) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["id"] == 1
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT  # 130 in a shell
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--port", "1"], "--http"),
        (["--timeout", "0"], "--timeout"),
        (["--only", "list-user"], "Did you mean 'list-users'?"),
        (["--onli", "x"], "--onli"),
    ],
)
def test_options_that_make_no_sense_are_refused(zoom: Sandbox, tmp_path: Path, options: list[str], says: str) -> None:
    refused = run(zoom, tmp_path, "mcp", *options)
    assert refused.returncode == 2 and says in refused.stderr and "Traceback" not in refused.stderr
    assert refused.stdout == ""
