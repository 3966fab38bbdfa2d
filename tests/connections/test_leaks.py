"""No secret in any output, log record, exception, repr or URL, whichever way things go wrong."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from connector_runtime.connections import oauth, oauth_requests
from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth_requests import ConnectionRecord
from connector_runtime.errors import ConnectorError
from connector_runtime.stores.databases import Sealed, open_store
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Client
from zoom_connector.__main__ import main
from zoom_connector.sandbox import Sandbox, WireRequest, WireResponse

if TYPE_CHECKING:
    from .conftest import Clock, Person

REDIRECT = "http://127.0.0.1:8765/callback"
SECRET = "client-secret-8b1f"
OAUTH2 = {"client_id": "leaky", "client_secret": SECRET}


class Ears:
    """Everything that a person or a log could see."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def note(self, *things: object) -> None:
        self.heard += [repr(thing) for thing in things]
        self.heard += [str(thing) for thing in things]

    def fails(self, act: Callable[[], object]) -> ConnectorError:
        try:
            act()
        except ConnectorError as error:
            self.heard += [*traceback.format_exception(error), str(error), repr(error), json.dumps(error.to_dict())]
            return error
        raise AssertionError("it did not fail")


@pytest.fixture
def ears() -> Iterator[Ears]:
    ears = Ears()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ears.heard.append(logging.Formatter("%(name)s %(message)s").format(record))
            ears.heard.append(str(record.args))

    handler, root = Handler(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield ears
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def echo(clock: Clock) -> Iterator[Sandbox]:
    """A Zoom that can be told to throw what it was sent back at us."""
    echoes: list[bool] = []

    def before(request: WireRequest) -> WireResponse | None:
        if not echoes or not request.target.startswith("/oauth/"):
            return None
        said = {"reason": f"{request.body.decode()} {request.headers}", "error": "invalid_request"}
        sent = dict(parse_qsl(request.body.decode()))
        said["reason"] += json.dumps(sent) + SECRET
        return WireResponse(status=400, body=json.dumps(said).encode())

    with Sandbox(clock=clock, before=before) as zoom:
        zoom.oauth.register("leaky", SECRET)
        zoom.echoes = echoes  # type: ignore[attr-defined]
        yield zoom


def secrets_of(zoom: Sandbox) -> set[str]:
    """Every secret that the sandbox gave or was sent."""
    found = {SECRET, *zoom.oauth.issued, *zoom.oauth.spent, *zoom.oauth._refresh, *zoom.oauth._revoked}
    for request in zoom.requests:
        sent = dict(parse_qsl(request.body.decode()))
        found |= {sent[name] for name in ("code", "code_verifier", "refresh_token", "token") if name in sent}
        header = request.header("authorization") or ""
        found |= {header.partition(" ")[2]} - {""}
    return found


def test_no_error_path_shows_a_secret(
    person: Person, echo: Sandbox, clock: Clock, ears: Ears, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoom = echo
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = Sealed(open_store(url), [key])
    held = Connections(person.connector, store, "acme", seconds=0.5)

    def begin(**changed: str) -> str:
        return held.begin("oauth2", {**OAUTH2, **changed}, REDIRECT, origin=zoom.origin)

    def sign_in(started: str) -> str:
        return person.sign_in(started)

    # signing in
    wrong = "client-secret-wrong-77"
    ears.fails(lambda: held.finish(sign_in(begin(client_secret=wrong))))
    back = sign_in(begin())
    held.finish(back)
    ears.fails(lambda: held.finish(back))
    ears.fails(lambda: held.finish(back.replace("state=", "state=x")))
    ears.fails(lambda: held.finish(back.partition("&state")[0]))
    ears.fails(lambda: held.finish(person.sign_in(begin(), "decline")))
    back = sign_in(begin())
    clock.ahead += 301
    ears.fails(lambda: held.finish(back))
    for fault in (
        {"status": 200, "body": b"<html>", "content_type": "text/html"},
        {"status": 500, "body": b""},
        {"status": 302, "headers": {"location": "https://evil.example/"}},
        {"drop": "before"},
        {"drop": "after"},
        {"truncate": True},
        {"delay": 2.0},
    ):
        back = sign_in(begin())
        zoom.inject(match="POST /oauth/token", **fault)
        ears.fails(lambda back=back: held.finish(back))  # type: ignore[misc]
    back = sign_in(begin())
    zoom.echoes.append(True)  # type: ignore[attr-defined]
    ears.fails(lambda: held.finish(back))
    zoom.echoes.clear()  # type: ignore[attr-defined]
    app = oauth_requests.app(person.connector.connections["oauth2"], OAUTH2, zoom.origin)
    start = oauth.authorize(app, REDIRECT)
    code = dict(parse_qsl(urlsplit(sign_in(start.url)).query))["code"]
    ears.fails(lambda: oauth.exchange_code(app, code, "http://127.0.0.1:1/other", start.verifier))
    ears.note(app, start)

    # renewing
    def due() -> Any:
        zoom.oauth.lifetime = 0.0
        held.finish(sign_in(begin()))
        zoom.oauth.lifetime = 3600.0
        return held.open("main")

    for fault in ({"status": 502, "body": b"<html>"}, {"drop": "after"}, {"truncate": True}, {"delay": 2.0}):
        stored = due()
        zoom.inject(match="POST /oauth/token", **fault)
        ears.fails(stored)
    stored = due()
    zoom.echoes.append(True)  # type: ignore[attr-defined]
    ears.fails(stored)
    ears.note(held.test("main"), held.test("main").to_dict())
    ears.note(held.disconnect("main"))
    zoom.echoes.clear()  # type: ignore[attr-defined]
    stored = due()
    zoom.oauth.forget()
    ears.fails(stored)
    ears.note(stored, held, held.list(), store)
    zoom.oauth.api_url = "https://evil.example"
    due()
    with Client(person.connector, connection=held.open("main")) as client:
        ears.fails(lambda: client.run("get-user", {"user_id": "me"}))
        ears.note(client)
    zoom.oauth.api_url = None

    # calling
    stored = due()
    with Client(person.connector, connection=stored, base_url=zoom.base_url, retries=0) as client:
        client.run("get-user", {"user_id": "me"})
        refused = {"status": 401, "body": {"code": 124, "message": "Invalid access token."}, "times": 2}
        for fault in (refused, {"drop": "before"}):
            zoom.inject(match="GET /v2/*", **fault)
            ears.fails(lambda: client.run("get-user", {"user_id": "me"}))
    ears.note(held.test("main", base_url=zoom.base_url))
    entry = store.read("connections/zoom/acme/main")
    assert entry is not None
    record = ConnectionRecord.read(entry.value)
    ears.note(entry, record, record.tokens, app)

    # the store
    ears.fails(lambda: Connections(person.connector, Sealed(open_store(url), ["A" * 43 + "="]), "acme").open("main"))
    ears.fails(lambda: Sealed(MemoryStore(), [key[:-4]]))

    # the commands
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name, value in {
        "ZOOM_STORE": url, "ZOOM_CONNECTOR_KEY": key, "ZOOM_BASE_URL": zoom.base_url, "ZOOM_OAUTH_URL": zoom.origin,
        "ZOOM_CLIENT_ID": "leaky", "ZOOM_CLIENT_SECRET": SECRET, "ZOOM_ACCOUNT_ID": "a",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for arguments in (
        ["connections"], ["doctor"], ["disconnect", "main"], ["run", "get-user", "--user-id", "me"],
        ["connect", "server-to-server"], ["connect", "--no-browser"], ["connect", "--client-secret", "x"],
    ):  # fmt: skip
        out, err = io.StringIO(), io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO("code-of-somebody-else\n"))
        with redirect_stdout(out), redirect_stderr(err):
            main(arguments)
        ears.heard += [out.getvalue(), err.getvalue()]

    # and now look for them
    secrets = secrets_of(zoom) | {wrong, key}
    assert len(secrets) > 40
    heard = "\n".join(ears.heard)
    assert "invalid_request" in heard or "***" in heard  # the echo was heard, without what it echoed
    assert {secret for secret in secrets if secret in heard} == set()
    targets = "\n".join(request.target for request in zoom.requests)
    assert {secret for secret in secrets if secret in targets} == set()
    store.close()
    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert {secret for secret in secrets if secret.encode() in raw} == set()
