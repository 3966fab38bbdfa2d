"""`serve` and `api-key`, as processes of their own: who may start what, several workers, and an end without loss."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector_runtime.commands.context import listening_socket
from connector_runtime.service.records import ApiKeys
from zoom_connector.sandbox import Sandbox

from .conftest import CREATE, MEETING, Command, until

ROOT = Path(__file__).parents[2]


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoom_connector", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=ROOT, timeout=60)


@pytest.fixture
def ask() -> Any:
    with httpx.Client(trust_env=False, timeout=30) as client:
        yield client


def test_beyond_this_machine_a_key_is_needed_first(command: Any, ask: httpx.Client) -> None:
    refused = run(command.environment, "serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 2 and "api-key create" in refused.stderr and "Traceback" not in refused.stderr
    key = run(command.environment, "api-key", "create", "--tenant", "acme").stdout.strip()
    found = command("--host", "0.0.0.0")
    url = found.url.replace("0.0.0.0", "127.0.0.1")
    assert ask.get(f"{url}/v1/tenant").status_code == 401
    assert ask.get(f"{url}/v1/tenant", headers={"X-API-Key": key}).json()["tenant"] == "acme"
    assert found.stop() == 0


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(command: Any) -> None:
    made = run(command.environment, "api-key", "create", "--tenant", "acme", "--label", "for the builder")
    key = made.stdout.strip()
    assert made.returncode == 0 and key.startswith("ck_") and key not in made.stderr
    listed = run(command.environment, "api-key", "list").stdout
    assert "acme" in listed and "for the builder" in listed and key.split("_", 2)[2] not in listed
    key_id = key.split("_")[1]
    assert run(command.environment, "api-key", "revoke", key_id).returncode == 0
    assert "acme" not in run(command.environment, "api-key", "list").stdout
    again = run(command.environment, "api-key", "revoke", key_id)
    assert again.returncode == 2 and key_id in again.stderr


WRONG = {
    "no workers": (["--workers", "0"], "--workers"),
    "a store that workers cannot share": (["--workers", "2", "--store", "memory://"], "--store"),
    "a store that is none": (["--store", "mysql://x:secret@y"], "URL is not supported"),
    "a port that is none": (["--port", "99999"], "cannot be opened"),
    "an address that is no origin": (["--public-url", "connector.example"], "public_url"),
    "a tenant without a name": (["--tenant", ""], "--tenant"),
    "a time of nothing": (["--timeout", "0"], "timeout"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_served_is_said_before_anything_starts(command: Any, name: str) -> None:
    words, says = WRONG[name]
    refused = run(command.environment, "serve", "--port", "0", *words)  # the usual one may be taken
    assert refused.returncode in (2, 3), refused.stderr
    assert says in refused.stderr and "Traceback" not in refused.stderr and "secret" not in refused.stderr


@pytest.mark.parametrize(("how", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_what_runs_at_the_end_is_finished(
    command: Callable[..., Command], zoom: Sandbox, ask: httpx.Client, how: signal.Signals, code: int
) -> None:
    found = command(ZOOM_ACCESS_TOKEN=zoom.token)
    zoom.inject(match="POST /v2/users/me/meetings", delay=1.5)
    zoom.inject(match="GET /v2/users", delay=1.0)
    with ThreadPoolExecutor(2) as apart:
        run = apart.submit(httpx.post, f"{found.url}{CREATE}", json=MEETING, trust_env=False, timeout=30)
        stream = apart.submit(
            httpx.post, f"{found.url}/v1/actions/list-users/stream", json={}, trust_env=False, timeout=30
        )
        assert until(lambda: len(zoom.requests) == 2)
        assert found.stop(how) == code
        assert run.result().status_code == 200
        assert json.loads(stream.result().text.splitlines()[-1])["end"]["ok"]
    with pytest.raises(httpx.ConnectError):
        ask.get(f"{found.url}/health")


@pytest.mark.timeout(120)
def test_workers_share_a_port_a_store_and_their_metrics(
    command: Callable[..., Command], zoom: Sandbox, ask: httpx.Client
) -> None:
    found = command("--workers", "2", ZOOM_ACCESS_TOKEN=zoom.token)
    with ThreadPoolExecutor(16) as many:
        key = {"Idempotency-Key": "one"}

        def asked(number: int) -> int:
            with httpx.Client(trust_env=False, timeout=30) as client:  # a connection of its own
                return client.post(f"{found.url}{CREATE}", json=MEETING, headers=key).status_code

        assert set(many.map(asked, range(40))) <= {200, 409}
    assert len([request for request in zoom.requests if request.method == "POST"]) == 1
    text = ask.get(f"{found.url}/metrics").text
    posts = [line for line in text.splitlines() if line.startswith('connector_requests_total{method="POST"')]
    (line,) = [line for line in posts if 'status="200"' in line]
    assert 'action="create-meeting",outcome="ok"' in text and float(line.rpartition(" ")[2]) >= 1
    children = _children(found.process.pid)
    assert len(children) == 2
    os.kill(children[0], signal.SIGKILL)
    assert until(lambda: len(_children(found.process.pid)) == 2 and children[0] not in _children(found.process.pid))
    assert until(lambda: ask.get(f"{found.url}/health").status_code == 200)
    zoom.inject(match="GET /v2/users/me", delay=1.0)
    with ThreadPoolExecutor(1) as apart:
        url, body = f"{found.url}/v1/actions/get-user/run", {"inputs": {"user_id": "me"}}
        run = apart.submit(httpx.post, url, json=body, trust_env=False, timeout=30)
        assert until(lambda: [request for request in zoom.requests if request.method == "GET"])
        assert found.stop() == 0
        assert run.result().status_code == 200
    assert not _children(found.process.pid)


@pytest.mark.timeout(120)
def test_what_a_dead_worker_had_under_way_is_not_counted_any_more(
    command: Callable[..., Command], zoom: Sandbox, ask: httpx.Client
) -> None:
    found = command("--workers", "2", ZOOM_ACCESS_TOKEN=zoom.token)
    zoom.inject(match="GET /v2/users/me", delay=20.0, times=2)

    def asked() -> None:
        with pytest.raises(httpx.HTTPError):
            url, body = f"{found.url}/v1/actions/get-user/run", {"inputs": {"user_id": "me"}}
            httpx.post(url, json=body, trust_env=False, timeout=30)

    def under_way() -> str:
        with httpx.Client(trust_env=False, timeout=30) as client:
            lines = client.get(f"{found.url}/metrics").text.splitlines()
        return next(line for line in lines if line.startswith("connector_in_flight_requests")).split()[1]

    with ThreadPoolExecutor(1) as apart:
        run = apart.submit(asked)
        assert until(lambda: under_way() == "2.0")  # and the one that asks
        old = _children(found.process.pid)
        for child in old:
            os.kill(child, signal.SIGKILL)
        run.result()
    assert until(lambda: len(_children(found.process.pid)) == 2 and not set(old) & set(_children(found.process.pid)))
    assert until(lambda: ask.get(f"{found.url}/health").status_code == 200)
    assert under_way() == "1.0"


@pytest.mark.timeout(120)
def test_workers_end_when_their_parent_was_killed(
    command: Callable[..., Command], zoom: Sandbox, ask: httpx.Client
) -> None:
    found = command("--workers", "2", ZOOM_ACCESS_TOKEN=zoom.token)
    assert until(lambda: ask.get(f"{found.url}/health").status_code == 200)
    found.stop(signal.SIGKILL)

    def refused() -> bool:
        try:
            httpx.get(f"{found.url}/health", trust_env=False, timeout=5)
        except httpx.ConnectError:
            return True
        except httpx.HTTPError:
            pass
        return False

    assert until(refused)


def test_the_store_is_asked_once_whether_there_are_keys(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a key revoked meanwhile does not open a service that is beyond this machine."""
    from zoom_connector.__main__ import main

    asked: list[bool] = []
    really = ApiKeys.exist

    def counted(keys: ApiKeys) -> bool:
        asked.append(really(keys))
        return asked[-1]

    monkeypatch.setattr(ApiKeys, "exist", counted)
    for name, value in command.environment.items():
        if name.startswith("ZOOM_"):
            monkeypatch.setenv(name, value)
    assert main(["api-key", "create"]) == 0
    assert main(["serve", "--host", "0.0.0.0", "--port", "0", "--plan", "platinum"]) == 2
    assert asked == [True]


def _children(pid: int) -> list[int]:
    """The workers of a process; Python's own resource tracker is none."""
    found = []
    for child in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((child / "stat").read_text().rpartition(")")[2].split()[1])
            command = (child / "cmdline").read_text()
        except OSError:
            continue
        if parent == pid and "spawn_main" in command:
            found.append(int(child.name))
    return sorted(found)


def test_the_log_is_lines_of_json_without_secrets(
    command: Callable[..., Command], zoom: Sandbox, ask: httpx.Client
) -> None:
    found = command(ZOOM_ACCESS_TOKEN=zoom.token, ZOOM_CLIENT_SECRET="the-apps-secret")
    ask.post(f"{found.url}{CREATE}", json=MEETING, headers={"X-Request-ID": "mine"})
    ask.get(f"{found.url}/v1/oauth/callback?code=the-code&state=the-state")
    assert found.stop() == 0
    text = found.err.read_text()
    (line,) = [line for line in found.lines() if line.get("request_id") == "mine"]
    assert (line["action"], line["status"], line["level"]) == ("create-meeting", 200, "info")
    for secret in (zoom.token, "the-apps-secret", "the-code", "the-state", "Weekly sync"):
        assert secret not in text
    rest = [line for line in text.splitlines() if not line.startswith("{")]
    assert all(line.startswith(("Serving at ", "No API key is needed")) for line in rest if line), rest


def test_connections_made_in_the_terminal_are_served(
    command: Callable[..., Any], zoom: Sandbox, ask: httpx.Client
) -> None:
    app = {"ZOOM_ACCOUNT_ID": "sandboxAccountId123456", "ZOOM_CLIENT_ID": "sandbox-server"}
    environment = {**command.environment, **app, "ZOOM_CLIENT_SECRET": "sandbox-secret"}  # type: ignore[attr-defined]
    made = run(environment, "connect", "server-to-server")
    assert made.returncode == 0, made.stderr
    found = command()
    assert [entry["name"] for entry in ask.get(f"{found.url}/v1/connections").json()["connections"]] == ["main"]
    assert ask.post(f"{found.url}/v1/actions/list-users/run", json={"limit": 1}).status_code == 200


def test_webhooks_reach_a_service_that_knows_the_secret(command: Callable[..., Any], ask: httpx.Client) -> None:
    secret = {"ZOOM_WEBHOOK_SECRET_TOKEN": "try-me"}
    found = command(**secret)
    environment = {**command.environment, **secret}  # type: ignore[attr-defined]
    sent = run(environment, "send-event", "meeting.started", "--to", f"{found.url}/v1/webhooks/webhook")
    assert sent.returncode == 0, sent.stderr
    events = ask.get(f"{found.url}/v1/events", params={"wait": 10}).json()["events"]
    assert [event["event"] for event in events] == ["meeting.started"]


def test_several_secrets_are_several_apps_and_one_of_no_known_app_does_not_start(
    command: Callable[..., Any], ask: httpx.Client
) -> None:
    environment = {**command.environment}  # type: ignore[attr-defined]
    key = run(environment, "api-key", "create", "--tenant", "acme").stdout.strip()
    refused = run({**environment, "ZOOM_WEBHOOK_SECRET_TOKEN": "try-me"}, "serve", "--port", "0")
    assert refused.returncode == 2 and "try-me" not in refused.stderr
    assert "ZOOM_WEBHOOK_SECRET_TOKEN: is of no known app" in refused.stderr and "CLIENT_ID=SECRET" in refused.stderr
    told: list[dict[str, str]] = [
        {"ZOOM_WEBHOOK_SECRET_TOKEN": "try-me", "ZOOM_CLIENT_ID": "app-one"},
        {"ZOOM_WEBHOOK_SECRET_TOKEN": "app-two=other,app-one=old app-one=try-me"},
    ]
    for more in told:
        found = command(**more)
        sent = run({**environment, "ZOOM_WEBHOOK_SECRET_TOKEN": "try-me"}, "send-event", "meeting.started", "--to",
                   f"{found.url}/v1/webhooks/webhook")  # fmt: skip
        assert sent.returncode == 0, sent.stderr
        headers = {"Authorization": f"Bearer {key}"}
        assert ask.get(f"{found.url}/v1/events", headers=headers).json()["events"] == []
        found.stop()


def test_a_kept_connection_does_not_wait_for_bodies() -> None:
    with listening_socket("127.0.0.1", 0) as port:
        assert port.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
