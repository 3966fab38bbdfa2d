"""`serve`, `api-key` and `mcp` in this process: what they say, serve with and end with."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sse_starlette.sse import AppStatus

from connector_runtime.commands import service_commands
from connector_runtime.mcp.tools import ToolFilter
from connector_runtime.service.serving import JsonLines
from tests.conftest import Run
from tests.mcp_server.test_stdio import MESSAGES
from tests.webhook.conftest import until
from zoom_connector.__main__ import main
from zoom_connector.sandbox import Sandbox

Serving = Callable[..., tuple[int, str, list[Any]]]


@pytest.fixture(autouse=True)
def settled(settings: dict[str, str]) -> Iterator[None]:
    """A person's environment; the log is left as it was."""
    loggers = [logging.getLogger(name) for name in (None, "connector_runtime")]
    kept = [(each, each.handlers[:], each.level) for each in loggers]
    ends = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    yield
    for each, handlers, level in kept:
        each.handlers[:] = handlers
        each.setLevel(level)
    for name, handler in ends.items():
        signal.signal(name, handler)


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Serving:
    """Runs a command that serves, asks it from another thread, and ends it by Ctrl-C: code, stderr, answers."""

    def command(*arguments: str, ask: Callable[[str], list[Any]], says: str = "at (http://[^;/, ]+)") -> Any:
        err, answers, ended = io.StringIO(), [], threading.Event()

        def asking() -> None:
            try:
                assert until(lambda: ended.is_set() or re.search(says, err.getvalue()))
                url = re.search(says, err.getvalue())[1]  # type: ignore[index]
                assert until(lambda: alive(url))
                answers.extend(ask(url))
            finally:
                if not ended.is_set():
                    os.kill(os.getpid(), signal.SIGINT)

        thread = threading.Thread(target=asking)
        with monkeypatch.context() as patched:
            patched.setattr("sys.stderr", err)
            patched.setattr(AppStatus, "should_exit", False)  # which Ctrl-C sets for the rest of the process
            thread.start()
            code = main([*arguments, "--port", "0"])
            ended.set()
            thread.join()
        return code, err.getvalue(), answers

    return command


def alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wrong(subject: str, where: str, what: str) -> tuple[int, str, str]:
    return 2, "", f"error: One problem with the inputs of {subject}:\n  {where}: {what}\n"


def test_it_serves_until_it_is_interrupted_and_logs_each_request(serving: Serving) -> None:
    def ask(url: str) -> list[Any]:
        with httpx.Client(base_url=url, trust_env=False) as client:
            me = client.post("/v1/actions/get-user/run", json={"inputs": {"user_id": "me"}})
            begun = client.get("/v1/oauth/authorize?kind=oauth2")
            return [client.get("/v1/tenant"), me, begun, client.get("/v1/nowhere"), url]

    code, err, (tenant, me, begun, nowhere, url) = serving("serve", "--tenant", "mine", "--timeout", "7", ask=ask)
    assert code == 130
    first, second, *lines, last = err.splitlines()
    assert first == f"Serving at {url}; press Ctrl-C to stop. The API is described at {url}/openapi.json."
    assert second == f"No API key is required on this machine. Try it: curl {url}/v1/tenant"
    assert last == "interrupted"
    assert (tenant.json()["tenant"], tenant.json()["local"], tenant.json()["has_token"]) == ("mine", True, True)
    assert me.status_code == 200 and begun.status_code == 422 and "server" not in tenant.headers
    logged = [json.loads(line) for line in lines if line.startswith("{")]
    routes = [line["route"] for line in logged if line["event"] == "request"]
    assert routes == ["/v1/actions/{key}/run", "/v1/oauth/authorize", "/v1/tenant", "(none)"]
    assert all(line["logger"] == "connector_runtime.service" and line["level"] == "info" for line in logged)
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in logged)
    assert nowhere.status_code == 404


def test_a_service_with_a_key_says_how_to_try_it(serving: Serving, run: Run) -> None:
    code, key, err = run("api-key", "create", "--tenant", "acme", "--label", "first")
    key_id = key.split("_")[1]
    assert code == 0 and re.fullmatch(r"ck_[a-z0-9]{12}_[A-Za-z0-9_-]{43}\n", key)
    assert err.splitlines() == [
        f"The key {key_id} belongs to the tenant acme. It is shown only now, because the store holds only its digest.",
        "A service that was started before the first key existed now refuses all requests: restart it.",
    ]
    code, _, err = run("api-key", "create", "--metrics")
    assert code == 0 and " can read /metrics. It is shown only now" in err
    code, out, _ = run("api-key", "list")
    head, *rows = [line.split() for line in out.splitlines()]
    assert head == ["ID", "TENANT", "CREATED", "LABEL"]
    assert {row[1] for row in rows} == {"acme", "(metrics)"}
    assert [[row[0], row[-1]] for row in rows if row[1] == "acme"] == [[key_id, "first"]]

    def ask(url: str) -> list[Any]:
        with httpx.Client(base_url=url, trust_env=False, headers={"X-API-Key": key.strip()}) as client:
            return [client.get("/v1/tenant").json(), httpx.get(f"{url}/v1/tenant", trust_env=False).status_code, url]

    code, err, (tenant, status, url) = serving("serve", "--public-url", "https://connector.example", ask=ask)
    assert (code, status) == (130, 401)
    assert (tenant["tenant"], tenant["local"], tenant["has_token"]) == ("acme", False, False)
    assert err.splitlines()[1] == f"Try it: curl -H 'Authorization: Bearer …' {url}/v1/tenant"
    code, out, err = run("api-key", "revoke", key_id)
    assert (code, out) == (0, "")
    assert err == f"Revoked {key_id}. A running service refuses it from the next request on.\n"
    code, _, err = run("api-key", "revoke", key_id)
    assert code == 2 and f"  ID: no key has the id '{key_id}'; existing ids: " in err


def test_a_public_address_without_a_key_says_what_it_is_for(serving: Serving) -> None:
    code, err, _ = serving("serve", "--public-url", "https://connector.example", ask=lambda url: [])
    assert code == 130
    under = "At https://connector.example it serves only webhooks and returning sign-ins. "
    assert f"{under}To serve the rest there, create a key (zoom-connector api-key create) and restart it.\n" in err
    _, err, _ = serving("serve", "--public-url", "http://localhost:1", ask=lambda url: [])
    assert "Under " not in err


def test_tools_are_served_over_http(serving: Serving) -> None:
    code, err, (url,) = serving("mcp", "--http", ask=lambda url: [url])
    assert code == 130
    assert err.splitlines()[0] == f"Tools at {url}/mcp, without an API key; press Ctrl-C to stop."


@pytest.mark.parametrize("stored", [False, True])
def test_tools_are_served_to_a_program(zoom: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch, stored: bool) -> None:
    """At standard input and output, with the token of the environment or a stored connection."""
    name = []
    if stored:
        monkeypatch.setenv("ZOOM_OAUTH_URL", zoom.origin)
        monkeypatch.setenv("ZOOM_CLIENT_SECRET", "sandbox-secret")
        words = ("--client-id", "sandbox-server", "--account-id", "sandboxAccountId123456", "--name", "work")
        assert run("connect", "server-to-server", *words)[0] == 0
        name = ["--connection", "work"]
    there, ours = os.pipe()
    out = io.BytesIO()

    def talk() -> None:
        with os.fdopen(ours, "wb") as sending:
            for line in MESSAGES:
                sending.write(f"{json.dumps(line)}\n".encode())
                sending.flush()
            assert until(lambda: out.getvalue().count(b"\n") == 3)

    thread = threading.Thread(target=talk)
    leaving = io.TextIOWrapper(out, write_through=True)
    with io.TextIOWrapper(os.fdopen(there, "rb")) as coming, monkeypatch.context() as patched:
        patched.setattr("sys.stdin", coming)
        patched.setattr("sys.stdout", leaving)
        thread.start()
        code = main(["mcp", "--only", "list-*", "--read-only", *name])
        thread.join()
        said = [json.loads(line) for line in out.getvalue().splitlines()]
    answers = {each["id"]: each["result"] for each in said}
    assert code == 0 and answers[1]["serverInfo"]["name"] == "zoom-connector"
    assert all(tool["name"].startswith("list-") for tool in answers[2]["tools"])
    assert len(answers[3]["structuredContent"]["data"]["users"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve", "--workers", "0"), wrong("serve", "--workers", "must be at least 1")),
        (
            ("serve", "--workers", "2", "--store", "memory://"),
            wrong(
                "serve",
                "--store",
                "is an in-memory store, which workers cannot share; use sqlite:/// or postgresql://",
            ),
        ),
        (
            ("serve", "--host", "0.0.0.0"),
            (
                2,
                "",
                "error: Other machines can reach 0.0.0.0, but there is no API key. "
                "Create a key first: zoom-connector api-key create --tenant NAME\n",
            ),
        ),
        (
            ("serve", "--host", "0.0.0.0", "--open"),
            (
                2,
                "",
                "error: Other machines can reach 0.0.0.0, but --open is only for this machine. "
                "Create a key first: zoom-connector api-key create --tenant NAME\n",
            ),
        ),
        (("mcp", "--host", "x"), wrong("mcp", "--host", "applies only to HTTP; add --http")),
        (("mcp", "--port", "1"), wrong("mcp", "--port", "applies only to HTTP; add --http")),
        (("mcp", "--timeout", "0"), wrong("mcp", "--timeout", "must be more than 0 and at most 31,536,000")),
        (("mcp", "--timeout", "31536001"), wrong("mcp", "--timeout", "must be more than 0 and at most 31,536,000")),
    ],
)
def test_what_cannot_be_served_is_said_and_nothing_starts(run: Run, words: tuple[str, ...], said: Any) -> None:
    assert run(*words) == said


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What a command that serves would have listened at and served with; nothing is served."""
    seen: list[Any] = []
    sockets = []

    def listening_socket(host: str, port: int) -> socket.socket:
        seen.append((host, port))
        sockets.append(socket.create_server(("127.0.0.1", 0)))
        return sockets[-1]

    def serve_app(context: Any, port: Any, make: Any, store: Any, says: str, workers: int = 1, **options: Any) -> None:
        seen.append({"store": store, "workers": workers, "says": says, **options})

    monkeypatch.setattr(service_commands, "listening_socket", listening_socket)
    monkeypatch.setattr(service_commands, "serve_app", serve_app)
    yield seen
    assert all(each.fileno() == -1 for each in sockets)  # closed by the command


def test_the_service_starts_with_the_documented_defaults(run: Run, started: list[Any]) -> None:
    assert run("serve") == (0, "", "")
    address, terms = started
    settings = terms["settings"]
    assert address == ("127.0.0.1", 8300)
    assert (terms["store"], terms["workers"], terms["tenant"]) == (None, 1, "default")
    assert (settings.timeout, settings.retries, settings.plan, settings.share) == (60, 4, None, 0.5)
    assert (settings.body, settings.files, settings.webhook_body) == (2**20, 8 * 2**20, 8 * 2**20)
    assert (settings.concurrency, settings.tenant_concurrency, settings.open) == (512, 256, False)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", settings.public_url)


def test_the_help_of_the_service_names_each_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    help_ = " ".join(capsys.readouterr().out.split())
    found = re.findall(r"\(default: ([^)]+)\)", help_)
    assert found == [
        "127.0.0.1",
        "8300",
        "default",
        "1",
        "60",
        "4",
        "0.5",
        "1048576",
        "8388608",
        "8388608",
        "512",
        "256",
    ]
    assert "--plan TEXT the plan of the vendor's account, whose limits all workers share --share" in help_


def test_the_service_starts_with_what_it_was_told(run: Run, started: list[Any], tmp_path: Any) -> None:
    store = f"sqlite:///{tmp_path}/x.db"
    words = """--host ::1 --port 7 --workers 2 --plan pro --share 0.25 --timeout 9 --retries 0 --body 1 --files 2
        --webhook-body 3 --concurrency 4 --tenant-concurrency 5 --tenant t --open --base-url https://api.eu.zoom.us/v2"""
    assert run("serve", *words.split(), "--store", store)[0] == 0
    address, terms = started
    settings = terms["settings"]
    assert address == ("::1", 7) and " at http://[::1]:" in terms["says"]
    assert (terms["store"], terms["workers"], terms["tenant"]) == (store, 2, "t")
    assert (settings.timeout, settings.retries, settings.plan, settings.share) == (9, 0, "pro", 0.25)
    assert (settings.body, settings.files, settings.webhook_body) == (1, 2, 3)
    assert (settings.concurrency, settings.tenant_concurrency, settings.open) == (4, 5, True)
    assert settings.base_url == "https://api.eu.zoom.us/v2"


def test_tools_over_http_start_with_the_documented_defaults(run: Run, started: list[Any], zoom: Sandbox) -> None:
    assert run("mcp", "--http") == (0, "", "")
    address, terms = started
    assert address == ("127.0.0.1", 8400)
    assert (terms["store"], terms["tenant"], terms["connection"], terms["token"]) == (None, "default", None, zoom.token)
    assert (terms["settings"].timeout, terms["settings"].base_url) == (50, zoom.base_url)
    assert terms["tool_filter"] == ToolFilter(only=(), read_only=False, destructive=False, secrets=False)
    assert re.fullmatch(
        r"Tools at http://127\.0\.0\.1:\d+/mcp, without an API key; press Ctrl-C to stop\.", terms["says"]
    )
    started.clear()
    words = ("--host", "::1", "--port", "0", "--only", "list-*", "get-*", "--only", "x", "--timeout", "86400")
    assert (
        run("mcp", "--http", *words, "--read-only", "--destructive", "--show-secrets", "--connection", "main")[0] == 0
    )
    address, terms = started
    assert address == ("::1", 0)
    assert (terms["connection"], terms["token"], terms["settings"].timeout) == ("main", None, 86_400)
    assert terms["tool_filter"] == ToolFilter(
        only=("list-*", "get-*", "x"), read_only=True, destructive=True, secrets=True
    )


def test_a_port_that_is_taken_says_so(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("serve", "--port", str(port))
        assert (code, out) == (2, "")
        assert err.startswith(f"error: Port {port} of 127.0.0.1 cannot be opened: Address already in use")
        assert err.endswith(". Choose another --port.\n")


def test_with_keys_a_secret_of_no_known_app_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("api-key", "create")[0] == 0
    monkeypatch.setenv("ZOOM_WEBHOOK_SECRET_TOKEN", "s")
    what = "belongs to no known app, so no tenant could read its events; write CLIENT_ID=SECRET"
    assert run("serve", "--port", "0") == wrong("serve", "ZOOM_WEBHOOK_SECRET_TOKEN", what)


def test_a_line_of_the_log_is_json_and_of_an_error_only_its_type() -> None:
    record = logging.LogRecord(
        "a.b", logging.ERROR, "x.py", 1, "It %s", ("broke",), (ValueError, ValueError("s3cret"), None)
    )
    record.created, record.msecs = 1_700_000_000.007, 7.0
    record.fields = {"route": "/x"}
    assert json.loads(JsonLines().format(record)) == {
        "time": "2023-11-14T22:13:20.007Z",
        "level": "error",
        "logger": "a.b",
        "event": "It broke",
        "route": "/x",
        "error": "ValueError",
    }
    plain = logging.LogRecord("a", logging.INFO, "x.py", 1, "Yes", (), None)
    assert set(json.loads(JsonLines().format(plain))) == {"time", "level", "logger", "event"}


@pytest.mark.parametrize("command", ["serve", "mcp"])
def test_without_the_extra_a_command_names_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr("connector_runtime.commands.service_commands.find_spec", lambda name: None)
    code, out, err = run(command, *(["--http"] if command == "mcp" else []))
    assert (code, out) == (2, "") and "needs" in err and "pip install" in err
