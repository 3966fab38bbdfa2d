"""The commands with which a person connects, looks after and ends connections."""

from __future__ import annotations

import http.client
import importlib.util
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest

from connector_runtime.commands.connection_commands import _greet, callback, disconnect
from connector_runtime.commands.context import Context
from connector_runtime.connections.connections import Connections
from connector_runtime.errors import AuthError, InputError, RequestError
from connector_runtime.stores.databases import open_vault
from tests.conftest import Run
from zoom_connector import Connector, Health, load
from zoom_connector.__main__ import main
from zoom_connector.sandbox import Sandbox

if TYPE_CHECKING:
    from .conftest import Clock, Person


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def settings(settings: dict[str, str], zoom: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A person who has an app, and no token yet."""
    monkeypatch.delenv("ZOOM_ACCESS_TOKEN")
    app = {"ZOOM_OAUTH_URL": zoom.origin, "ZOOM_CLIENT_SECRET": "sandbox-secret"}
    for name, value in app.items():
        monkeypatch.setenv(name, value)
    return {name: value for name, value in settings.items() if name != "ZOOM_ACCESS_TOKEN"} | app


SERVER = ("connect", "server-to-server", "--client-id", "sandbox-server", "--account-id", "sandboxAccountId123456")


def test_connect_opens_a_real_browser_takes_the_callback_and_greets_with_the_account(
    settings: dict[str, str], zoom: Sandbox, tmp_path: Path
) -> None:
    if shutil.which("chromium") is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("browser: chromium and playwright are not both installed")
    port = free_port()
    zoom.oauth.register("sandbox-client", "sandbox-secret", redirect_uris=[f"http://127.0.0.1:{port}/callback"])
    driver = tmp_path / "browser"
    page = tmp_path / "page"
    person = Path(__file__).with_name("browser.py")
    driver.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{person}" "$1" > "{page}"\n')
    driver.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "zoom_connector", "connect", "--client-id", "sandbox-client", "--port", str(port)],
        env={**os.environ, **settings, "BROWSER": f"{driver} %s"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Connected main: user0@sandbox.example of account sandboxAccountId123456.\n"
    assert f"The app's redirect URL must be: http://127.0.0.1:{port}/callback" in done.stderr
    assert page.read_text() == "Connected as main. You can close this window.\n"


def test_without_a_browser_the_address_that_it_ended_at_is_pasted(
    run: Run, person: Person, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read, write = os.pipe()
    monkeypatch.setattr("sys.stdin", os.fdopen(read))
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)

    def somebody() -> None:
        while "Then paste" not in said.getvalue():
            pass
        url = next(line for line in said.getvalue().splitlines() if "/oauth/authorize" in line)
        os.write(write, f"{person.sign_in(url)}\n".encode())
        os.close(write)

    thread = threading.Thread(target=somebody)
    thread.start()
    code = main(["connect", "oauth2", "--client-id", "sandbox-client", "--no-browser", "--name", "work"])
    thread.join()
    sys.stdin.close()
    assert code == 0, said.getvalue()
    assert capsys.readouterr().out == "Connected work: user0@sandbox.example of account sandboxAccountId123456.\n"


@pytest.mark.parametrize(
    ("typed", "says"),
    [("", "No code was entered"), ("wrong\n", "Invalid authorization code"), ("http://x/?code=a&state=b\n", "state")],
)
def test_what_is_pasted_wrongly_is_refused_with_the_reason(run: Run, typed: str, says: str) -> None:
    code, _, err = run("connect", "--client-id", "sandbox-client", "--no-browser", typed=typed)
    assert code == 3
    assert says in err


def test_a_person_at_a_terminal_is_asked_and_a_secret_is_not_shown(settings: dict[str, str]) -> None:
    pty = pytest.importorskip("pty", reason="no terminals on this system")
    environment = {name: text for name, text in {**os.environ, **settings}.items() if name != "ZOOM_CLIENT_SECRET"}
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [sys.executable, "-m", "zoom_connector", "connect", "server-to-server"], environment)
    shown, answers = "", iter(["sandboxAccountId123456", "sandbox-server", "sandbox-secret"])
    with suppress(OSError):  # which Linux raises at the end of a terminal
        while piece := os.read(terminal, 4096):
            shown += piece.decode()
            if shown.endswith(": "):
                os.write(terminal, f"{next(answers)}\n".encode())
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    assert "sandbox-server" in shown and "Client Secret: " in shown and "sandbox-secret" not in shown


@pytest.mark.parametrize(("scopes", "gap"), [(("a",), "1 scope is missing"), (("a", "b"), "2 scopes are missing")])
def test_a_new_connection_says_how_many_scopes_are_missing(
    capsys: pytest.CaptureFixture[str], scopes: tuple[str, ...], gap: str
) -> None:
    _greet(
        Context("zoom-connector", lambda folder: load(), {}, "get-user"), "main", Health(ok=True, missing_scopes=scopes)
    )
    assert capsys.readouterr().out == (f"Connected main.\n{gap} for some actions: see zoom-connector doctor main\n")


def test_only_at_a_terminal_somebody_is_asked(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("ZOOM_CLIENT_SECRET")
    asked: list[str] = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "sandbox-secret")
    monkeypatch.setattr("sys.stdin", Terminal("sandboxAccountId123456\nsandbox-server\n"))
    assert main(["connect", "server-to-server"]) == 0
    assert asked == ["Client Secret: "] and "Account ID: Client ID: " in capsys.readouterr().err


def test_server_to_server_connects_without_anybody_and_is_used_by_run(run: Run) -> None:
    assert run(*SERVER)[:2] == (0, "Connected main: account sandboxAccountId123456.\n")
    code, out, _ = run("run", "list-users", "--limit", "1")
    assert code == 0
    assert len(json.loads(out)["users"]) == 1
    code, _, err = run("run", "get-user", "--user-id", "me")
    assert code == 2
    assert "This connection has no signed-in user" in err


def test_run_without_token_or_connection_names_both_ways_and_makes_no_file(run: Run, tmp_path: Path) -> None:
    code, _, err = run("run", "get-user", "--user-id", "me")
    assert code == 3
    assert "Set ZOOM_ACCESS_TOKEN, or connect an account: " in err
    assert list(tmp_path.iterdir()) == []


def test_a_named_connection_wins_over_the_environments_token(
    run: Run, monkeypatch: pytest.MonkeyPatch, zoom: Sandbox
) -> None:
    run(*SERVER, "--name", "one")
    monkeypatch.setenv("ZOOM_ACCESS_TOKEN", "wrong")
    assert run("run", "list-users", "--limit", "1")[0] == 3
    assert run("run", "list-users", "--limit", "1", "--connection", "one")[0] == 0
    assert "Connections: one." in run("run", "list-users", "--connection", "two")[2]


def test_a_secret_is_no_option_that_every_process_could_see(run: Run) -> None:
    code, _, err = run(*SERVER, "--client-secret", "sandbox-secret")
    assert code == 2
    assert "sandbox-secret" not in err.replace("--client-secret sandbox-secret", "")
    code, out, _ = run("connect", "--help")
    assert code == 0 and "--client-id" in out and "--client-secret" not in out


def test_what_is_not_given_is_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOOM_CLIENT_SECRET")
    typed = "sandboxAccountId123456\nsandbox-server\nsandbox-secret\n"
    assert run("connect", "server-to-server", typed=typed)[0] == 0


def test_connections_lists_kind_identity_expiry_and_health(run: Run, zoom: Sandbox, clock: Clock) -> None:
    assert run("connections")[1] == ""
    run(*SERVER, "--name", "one")
    lines = run("connections")[1].splitlines()
    assert lines[0].split() == ["NAME", "KIND", "IDENTITY", "TOKEN", "UNTIL", "HEALTH"]
    assert lines[1].split()[:3] == ["one", "server-to-server", "sandboxAccountId123456"]
    assert lines[1].endswith("ready")
    assert re.search(r"  20\d\d-\d\d-\d\d \d\d:\d\d  ready$", lines[1])  # until when its token is valid
    assert lines[0].index("HEALTH") == lines[1].index("ready")
    code, out, err = run("connections", "--rekey")
    assert (code, out.splitlines()) == (0, lines) and err.endswith(" with the newest key.\n")


def test_disconnect_revokes_and_deletes(run: Run, zoom: Sandbox) -> None:
    run(*SERVER)
    assert run("disconnect", "main")[:2] == (0, "Revoked and deleted main.\n")
    assert [request.status for request in zoom.requests if request.target == "/oauth/revoke"] == [200]
    assert run("disconnect", "main")[0] == 3
    run(*SERVER)
    zoom.inject(match="POST /oauth/revoke", drop="before")
    code, _, err = run("disconnect", "main")
    assert code == 6
    assert "disconnect main --forget" in err
    assert run("disconnect", "main", "--forget")[:2] == (0, "Deleted main.\n")


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [({"drop": "before"}, None, 6), ({"status": 503, "body": b"x"}, 503, 4), ({"status": 429, "body": b"x"}, 429, 5)],
)
def test_a_connection_that_could_not_be_revoked_stays_and_the_error_has_the_vendors_status(
    run: Run, zoom: Sandbox, connector: Connector, fault: dict[str, Any], status: int | None, code: int
) -> None:
    run(*SERVER)
    zoom.inject(match="POST /oauth/revoke", **fault)
    context = Context("acme", lambda folder: connector, os.environ, "")
    with pytest.raises(RequestError) as failed:
        disconnect(context, ["main"])
    error = failed.value
    assert error.message.startswith("main was not deleted: ")
    assert error.hint == "Try again, or delete it without revoking: acme disconnect main --forget"
    assert (error.status, error.to_dict()["status"], error.exit_code) == (status, status, code)
    assert run("connections")[1].splitlines()[1].startswith("main  server-to-server ")


def test_a_sign_in_returns_to_the_documented_port_unless_told_otherwise(run: Run) -> None:
    for words, url in (
        ((), "http://127.0.0.1:8765/callback"),
        (("--port", "9000"), "http://127.0.0.1:9000/callback"),
        (("--redirect-url", "https://acme.example/back"), "https://acme.example/back"),
    ):
        code, out, err = run("connect", "--client-id", "sandbox-client", "--no-browser", *words)
        assert (code, out) == (3, "")
        assert err.splitlines()[0] == f"The app's redirect URL must be: {url}"
        assert quote(url, safe="") in err.splitlines()[3]  # the address to sign in at
        assert err.endswith("\nerror: No code was entered. Sign in again.\n")


def test_doctor_finds_nothing_wrong_with_a_good_connection(run: Run) -> None:
    run(*SERVER)
    code, out, _ = run("doctor")
    assert code == 0
    steps = [line.split()[:2] for line in out.splitlines()]
    assert steps == [["ok", step] for step in ("connection", "token", "reachability", "clock", "identity", "scopes")]


def test_doctor_names_the_actions_whose_scopes_are_missing_and_what_to_add(run: Run, zoom: Sandbox) -> None:
    zoom.oauth.register(
        "sandbox-server", "sandbox-secret", account_id="sandboxAccountId123456", scopes=["user:read:list_users:admin"]
    )
    run(*SERVER)
    code, out, _ = run("doctor", "--action", "create-meeting", "--action", "list-users")
    assert code == 0
    assert "create-meeting will be refused." in out
    assert "Add meeting:write:meeting:admin to the app, then reconnect main." in out
    assert "list-users will" not in out


def test_doctor_tells_a_clock_that_is_wrong_a_plan_that_is_small_and_a_vendor_that_is_away(
    run: Run, person: Person, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*SERVER)
    zoom.inject(
        match="GET /v2/users", status=200, body={"users": []}, headers={"date": "Sun, 01 Nov 2026 00:00:00 GMT"}
    )
    assert "ahead of the vendor's" in run("doctor")[1]
    zoom.inject(match="GET /v2/users", drop="before", times=5)
    code, out, _ = run("doctor")
    assert code == 3
    assert "FAULT reachability" in out
    zoom.clear_faults()
    monkeypatch.setenv("ZOOM_CONNECTOR_KEY", "A" * 43 + "=")
    code, out, _ = run("doctor")
    assert code == 3
    assert "FAULT store" in out
    assert "encrypted with another key" in out


def test_a_dead_connection_reads_reconnect_and_no_token_is_called_ok(run: Run, person: Person, zoom: Sandbox) -> None:
    vault = open_vault("zoom-connector")
    zoom.oauth.lifetime = 0.0
    person.connect(Connections(person.connector, vault))
    vault.close()
    zoom.oauth.forget()
    for _ in range(2):  # found out, then remembered
        code, out, _ = run("doctor")
        assert code == 3
        assert [line.split()[:2] for line in out.splitlines()[:2]] == [["ok", "connection"], ["FAULT", "token"]]
        assert "ok    token" not in out
        assert "reconnect main" in out
    assert "reconnect: The token has been revoked. (400 Bad Request)" in run("connections")[1]


def test_health_after_a_refused_run_is_failing_in_the_vendors_words_and_after_a_good_one_ready(
    run: Run, zoom: Sandbox
) -> None:
    run(*SERVER)
    assert run("connections")[1].splitlines()[1].endswith("ready")
    zoom.inject(match="GET /v2/*", status=401, body={"code": 124, "message": "Invalid access token."}, times=2)
    assert run("run", "list-users", "--limit", "1")[0] == 3
    assert "failing: Invalid access token. (401 Unauthorized, code 124)" in run("connections")[1]
    assert run("run", "get-user", "--user-id", "me")[0] == 2  # nothing was sent
    assert "failing" in run("connections")[1]
    assert run("run", "list-users", "--limit", "1")[0] == 0
    assert run("connections")[1].splitlines()[1].endswith("ready")


def test_a_scope_without_which_nobody_knows_whose_a_connection_is_is_named(
    run: Run, person: Person, zoom: Sandbox
) -> None:
    zoom.oauth.register("sandbox-client", "sandbox-secret", scopes=["meeting:write:meeting"])
    vault = open_vault("zoom-connector")
    connections = Connections(person.connector, vault)
    person.connect(connections)
    health = connections.test("main", base_url=zoom.base_url)
    assert (health.ok, health.identity, health.account) == (True, None, None)
    summary = connections.summary("main")
    assert (summary.health, summary.identity) == ("ready", None)
    assert "user:read:user" in (summary.why or "")
    vault.close()
    code, out, _ = run("doctor", "--action", "create-meeting")
    assert code == 0
    assert "!!    identity     The owner is unknown: " in out
    assert "user:read:user" in out
    assert "ready: " in run("connections")[1]


def test_doctor_looks_at_the_token_that_commands_go_with(
    run: Run, monkeypatch: pytest.MonkeyPatch, zoom: Sandbox
) -> None:
    monkeypatch.setenv("ZOOM_ACCESS_TOKEN", zoom.token)
    code, out, _ = run("doctor")
    assert code == 0
    assert out.startswith("!!    connection   ZOOM_ACCESS_TOKEN is set, so commands use that token")
    assert "ok    identity     It is user0@sandbox.example" in out
    monkeypatch.setenv("ZOOM_ACCESS_TOKEN", "wrong")
    run(*SERVER)
    code, out, _ = run("doctor")
    assert code == 3
    assert "FAULT call         Invalid access token." in out
    code, out, _ = run("doctor", "main")
    assert code == 0
    assert "ZOOM_ACCESS_TOKEN" not in out
    assert "ok    token" in out


def test_scopes_prints_the_smallest_set_for_each_kind_and_level_of_app(run: Run) -> None:
    code, out, _ = run("scopes", "create-meeting", "list-users")
    assert code == 0
    assert out.splitlines() == [
        "granular scopes, user:",
        "  meeting:write:meeting",
        "  (not possible: list-users)",
        "granular scopes, admin:",
        "  meeting:write:meeting:admin",
        "  user:read:list_users:admin",
        "classic scopes, user:",
        "  meeting:write",
        "  user:read",
        "classic scopes, admin:",
        "  meeting:write:admin",
        "  user:read:admin",
    ]


# the set that was put together from Zoom's own pages for all actions of an admin's app
ALL_GRANULAR = {
    "meeting:write:meeting:admin", "meeting:update:meeting:admin", "meeting:read:meeting:admin",
    "meeting:read:invitation:admin", "meeting:read:list_meetings:admin", "meeting:write:registrant:admin",
    "meeting:read:list_registrants:admin", "webinar:read:webinar:admin", "webinar:read:list_webinars:admin",
    "webinar:write:registrant:admin", "webinar:read:list_registrants:admin",
    "webinar:read:list_past_participants:admin", "user:read:user:admin", "user:read:list_users:admin",
    "user:write:user:admin", "user:update:user:admin", "user:delete:user:admin",
    "cloud_recording:read:list_recording_files:admin", "phone:read:list_recordings:admin",
    "team_chat:read:list_user_channels:admin", "team_chat:read:list_user_messages:admin",
}  # fmt: skip


def test_the_smallest_set_for_all_actions_is_the_documented_one(run: Run) -> None:
    out = run("scopes")[1]
    section = out.partition("granular scopes, admin:\n")[2].partition("classic")[0]
    assert set(section.split()) == ALL_GRANULAR


def test_one_scope_that_serves_two_actions_is_taken_instead_of_two(run: Run) -> None:
    out = run("scopes", "get-user", "update-user")[1]
    assert out.partition("classic scopes, user:\n")[2].split()[0] == "user:write"
    assert "user:read" not in out.partition("classic scopes, user:\n")[2]


def test_rekey_seals_the_store_with_the_newest_key(run: Run, tmp_path: Path) -> None:
    from cryptography.fernet import Fernet

    run(*SERVER)
    key = tmp_path / "zoom-connector" / "store.key"
    new = Fernet.generate_key().decode()
    key.write_text(f"{new}\n{key.read_text()}")
    assert "1 entries" in run("connections", "--rekey")[2]
    key.write_text(new)
    assert "server-to-server" in run("connections")[1]


# -- the port that waits for the browser -----------------------------------------------------------------------------


def visit(port: int, path: str) -> tuple[int, str]:
    browser = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    browser.request("GET", path)
    answer = browser.getresponse()
    found = (answer.status, answer.read().decode())
    browser.close()
    return found


def test_the_port_waits_on_for_the_right_state_and_tells_the_browser_what_is_wrong() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/callback"
    got: list[Any] = []
    with callback(url, "right", lambda query: got.append(query) or "main") as wait:  # type: ignore[func-returns-value]
        assert visit(port, "/favicon.ico")[0] == 404
        for query in ("code=1&state=wrong", "state=right&state=wrong"):
            status, page = visit(port, f"/callback?{query}")
            assert status == 400
            assert "This sign-in has expired or was already used." in page
        for query in ("code=1", ""):  # as after a click on the vendor's own pages
            status, page = visit(port, f"/callback?{query}")
            assert status == 400
            assert "Open the URL that the terminal shows." in page
        assert got == []
        assert visit(port, "/callback?code=1&state=right")[0] == 200
        assert wait(5) == "main"
        status, page = visit(port, "/callback?code=1&state=right")  # loaded again
        assert (status, "You are already connected." in page) == (200, True)
    assert got == ["code=1&state=right"]


def test_the_page_after_a_sign_in_is_html_that_nobody_stores_and_that_names_nobody() -> None:
    port = free_port()
    with callback(f"http://127.0.0.1:{port}/callback", "s", lambda query: "Zoë") as wait:
        browser = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        browser.request("GET", "/callback?state=s")
        answer = browser.getresponse()
        content = answer.read()
        browser.close()
        assert wait(5) == "Zoë"
    assert "Connected as Zoë." in content.decode() and answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")


def test_the_port_passes_on_what_went_wrong_and_nobody_coming_back() -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/callback"

    def refuse(query: str) -> str:
        raise AuthError("The sign-in was <declined>.")

    with callback(url, "s", refuse) as wait:
        with pytest.raises(AuthError, match="did not return"):
            wait(0.01)
        assert "was &lt;declined&gt;" in visit(port, "/callback?state=s")[1]
        with pytest.raises(AuthError, match="was <declined>"):
            wait(5)
        assert visit(port, "/callback?state=s")[0] == 400
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        there = f"http://127.0.0.1:{taken.getsockname()[1]}/callback"
        with pytest.raises(InputError, match="cannot be opened"), callback(there, "s", refuse):
            pass
    assert urlsplit(url).hostname == "127.0.0.1"


def shown(name: str) -> tuple[list[str], str]:
    """The command of a block in the documentation, and its output there."""
    page = (Path(__file__).parents[2] / "docs" / "connections.md").read_text()
    block = page.partition(f"<!-- {name} -->\n```\n")[2].partition("```\n")[0]
    command, _, output = block.partition("\n")
    return command.removeprefix("$ zoom-connector ").split(), output


def test_the_documentation_shows_what_scopes_and_doctor_print(run: Run, person: Person, zoom: Sandbox) -> None:
    command, output = shown("scopes")
    assert run(*command)[1] == output
    zoom.oauth.register("sandbox-client", "sandbox-secret", scopes=["user:read:user", "meeting:write:meeting"])
    vault = open_vault("zoom-connector")
    person.connect(Connections(person.connector, vault))
    vault.close()
    zoom.run(lambda account: account.find_user("me").profile.update(type=1))
    command, output = shown("doctor")
    assert run(*command)[1] == output
