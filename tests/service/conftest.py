"""What the tests of the service share: the app behind a real server, a Zoom behind it, and people who ask."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
import uvicorn
from cryptography.fernet import Fernet

from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth_requests import ConnectionRecord, Tokens
from connector_runtime.pacing import accounts
from connector_runtime.service.app import service_app
from connector_runtime.service.records import ApiKeys
from connector_runtime.service.serving import TimedProtocol
from connector_runtime.service.settings import ServiceSettings
from connector_runtime.stores.store import MemoryStore, Store
from tests.webhook.conftest import until
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

MEETING = {"inputs": {"user_id": "me", "topic": "Weekly sync"}}
CREATE = "/v1/actions/create-meeting/run"
APP = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
PUBLIC = "http://127.0.0.1:8765"


@dataclass
class Served:
    """A running service, and a client for it."""

    app: Any
    url: str
    server: uvicorn.Server
    store: Store
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """A client that brings an API key, if one is given."""
        given = {"Authorization": f"Bearer {key}"} if key else {}
        made = httpx.Client(base_url=self.url, headers={**given, **headers}, timeout=30, trust_env=False)
        self.clients.append(made)
        return made


@contextmanager
def serving(app: Any, store: Store) -> Iterator[Served]:
    config = uvicorn.Config(
        app, port=0, log_config=None, access_log=False, http=TimedProtocol, ws="none", timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert until(lambda: server.started or not thread.is_alive())
    port = server.servers[0].sockets[0].getsockname()[1]
    served = Served(app, f"http://127.0.0.1:{port}", server, store)
    try:
        yield served
    finally:
        for client in served.clients:
            client.close()
        server.should_exit = True
        thread.join()


Start = Callable[..., AbstractContextManager[Served]]


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """A process remembers what an account was refused; these tests' accounts bear the same names."""
    accounts._accounts.clear()


@pytest.fixture
def zoom() -> Iterator[Sandbox]:
    """A Zoom whose token is found nowhere else."""
    with Sandbox(token=f"sandbox-{uuid4().hex}") as sandbox:
        yield sandbox


def service_of(connector: Connector, zoom: Sandbox, store: Store, limits: dict[str, Any], **given: Any) -> Any:
    """A service for a sandbox; what is given wins over what tests usually want."""
    about = {"base_url": zoom.base_url, "oauth_url": zoom.origin, "public_url": PUBLIC, **limits}
    return service_app(connector, **{"store": store, "settings": ServiceSettings(**about), **given})


@pytest.fixture
def start(connector: Connector, zoom: Sandbox) -> Start:
    """Start a service for the sandbox."""

    @contextmanager
    def started(store: Store | None = None, limits: dict[str, Any] | None = None, **given: Any) -> Iterator[Served]:
        opened = store or MemoryStore()
        app = service_of(connector, zoom, opened, limits or {}, **given)
        with serving(app, opened) as served:
            yield served

    return started


@pytest.fixture
def local(start: Start, zoom: Sandbox) -> Iterator[httpx.Client]:
    """A client of a service that needs no key and goes with the sandbox's own token."""
    with start(tenant="default", token=zoom.token) as served:
        yield served.client()


@dataclass
class Tenants:
    """A service of two tenants, each with a key, and a connection `main` of the first."""

    served: Served
    store: Store
    keys: ApiKeys
    acme: httpx.Client
    other: httpx.Client
    acme_key: str


def connect(connector: Connector, store: Store, zoom: Sandbox, tenant: str, name: str = "main") -> None:
    """Store a connection with the sandbox's token for a tenant."""
    connections = Connections(connector, store, tenant)
    connections.adopt("oauth2", APP, Tokens(granted={"access_token": zoom.token}), name=name)
    key = connections._key(name)
    store.update(
        key, lambda old: replace(ConnectionRecord.read(old or b""), origin=zoom.origin).write()
    )  # not the real one


@pytest.fixture
def tenants(start: Start, connector: Connector, zoom: Sandbox) -> Iterator[Tenants]:
    store = MemoryStore()
    keys = ApiKeys(store, connector.key)
    acme, other = keys.create("acme")[0], keys.create("other")[0]
    connect(connector, store, zoom, "acme")
    with start(store) as served:
        yield Tenants(served, store, keys, served.client(acme), served.client(other), acme)


@dataclass
class Command:
    """`zoom-connector serve` as a process of its own."""

    process: subprocess.Popen[str]
    url: str
    err: Path

    def stop(self, how: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.err.read_text().splitlines() if line.startswith("{")]


@pytest.fixture
def command(tmp_path: Path, zoom: Sandbox) -> Iterator[Callable[..., Command]]:
    """Runs `zoom-connector serve` with options, against the sandbox and a store of this test's own."""
    running: list[Command] = []
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ZOOM_")},
        "ZOOM_BASE_URL": zoom.base_url,
        "ZOOM_OAUTH_URL": zoom.origin,
        "ZOOM_STORE": f"sqlite:///{tmp_path}/store.db",
        "ZOOM_CONNECTOR_KEY": Fernet.generate_key().decode(),
    }

    def started(*options: str, **more: str) -> Command:
        err = tmp_path / f"err{len(running)}"
        words = [sys.executable, "-m", "zoom_connector", "serve", "--port", "0", *options]
        with err.open("w") as file:
            folder = Path(__file__).parents[2]
            process = subprocess.Popen(words, stderr=file, text=True, env={**environment, **more}, cwd=folder)
        assert until(lambda: "Serving at " in err.read_text() or process.poll() is not None), err.read_text()
        assert process.poll() is None, err.read_text()
        url = err.read_text().partition("Serving at ")[2].partition(";")[0]
        found = Command(process, url, err)
        running.append(found)
        assert until(lambda: _answers(url)), err.read_text()
        return found

    started.environment = environment  # type: ignore[attr-defined]
    yield started
    for found in running:
        if found.process.poll() is None:
            found.process.kill()
            found.process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The whole document, without what is another at each request."""
    said: dict[str, Any] = answer.json()
    assert said.pop("request_id") == answer.headers["x-request-id"]
    return said


def whole(kind: str, status: int, title: str, message: str, hint: str | None, **more: Any) -> dict[str, Any]:
    """A problem document of the service itself."""
    about = {"type": f"/v1/problems#{kind}", "title": title, "status": status, "kind": kind, "message": message}
    nothing = dict.fromkeys(("retry_at", "vendor_status", "code", "tracking_id"))
    rest = {"inputs": {}, "problems": [], "retriable": False, "may_have_been_done": False}
    return {**about, "hint": hint, **nothing, **rest, **more}


def connected(served: Served) -> socket.socket:
    parts = urlsplit(served.url)
    assert parts.hostname and parts.port
    return socket.create_connection((parts.hostname, parts.port), timeout=15)


def received(raw: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    while piece := raw.recv(65536):
        found += piece
    return found
