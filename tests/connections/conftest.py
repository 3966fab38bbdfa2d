"""What the tests of connections share: stores of every kind, a person who signs in, a Zoom whose time can be moved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from cryptography.fernet import Fernet

from connector_runtime.connections.connections import Connections
from connector_runtime.stores.databases import open_store
from connector_runtime.stores.store import MemoryStore, Store
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

REDIRECT = "http://127.0.0.1:8765/callback"
OAUTH2 = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
SERVER = {"account_id": "sandboxAccountId123456", "client_id": "sandbox-server", "client_secret": "sandbox-secret"}


class Clock:
    """The sandbox's time, which a test may move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def zoom(clock: Clock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as sandbox:
        yield sandbox


def sign_in(url: str, decision: str = "allow") -> str:
    """What a person does in the browser; gives the address that the browser is sent back to."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.netloc)) as browser:  # unlike httpx it logs nothing, as a browser would not
        browser.request("GET", f"{parts.path}?{parts.query}")
        page = browser.getresponse()
        assert page.status == 200, page.read()
        page.read()
        form = urlencode({**dict(parse_qsl(parts.query)), "decision": decision})
        browser.request("POST", parts.path, form, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = browser.getresponse()
        assert answer.status == 302, answer.read()
        return answer.headers["location"]


@dataclass(frozen=True)
class Person:
    """Somebody with a sandbox account who connects it."""

    connector: Connector
    zoom: Sandbox

    def connections(self, store: Store, tenant: str = "acme", seconds: float = 5.0) -> Connections:
        return Connections(self.connector, store, tenant, seconds=seconds)

    def begin(self, connections: Connections, kind: str = "oauth2", name: str = "main") -> str:
        values = OAUTH2 if kind == "oauth2" else {"client_id": "sandbox-public"}
        return connections.begin(kind, values, REDIRECT, name=name, origin=self.zoom.origin)

    def sign_in(self, url: str, decision: str = "allow") -> str:
        return sign_in(url, decision)

    def connect(self, connections: Connections, kind: str = "oauth2", name: str = "main") -> str:
        return connections.finish(sign_in(self.begin(connections, kind, name)))


@pytest.fixture
def person(connector: Connector, zoom: Sandbox) -> Person:
    return Person(connector, zoom)


@pytest.fixture
def connections(person: Person) -> Connections:
    return person.connections(MemoryStore())


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "memory":
        return "memory://"
    return shared_url(request.param, request, tmp_path)


@pytest.fixture(params=["sqlite", "postgres"])
def shared_store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that several processes can share."""
    return shared_url(request.param, request, tmp_path)


def shared_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}" if kind == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def opened() -> Iterator[Callable[[str], Store]]:
    """Opens stores and closes them at the end."""
    stores: list[Store] = []

    def open_it(url: str) -> Store:
        stores.append(open_store(url))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


@pytest.fixture
def store(store_url: str, opened: Callable[[str], Store]) -> Store:
    return opened(store_url)


@pytest.fixture(scope="session")
def key() -> str:
    return Fernet.generate_key().decode()
