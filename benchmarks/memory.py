"""A vendor that answers from memory, without a socket, to measure the connector's own work on a call.

This module uses only public names, so that it can measure an older tree too.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from zoom_connector import Client, Connections, Http, load, open_store

from . import ours, stub_server

HEADERS = {
    "content-type": "application/json;charset=UTF-8",
    "x-zm-trackingid": "v=2.0;clid=aw1;rid=WEB_0123456789abcdef",
    "date": "Sun, 22 Nov 2026 12:00:00 GMT",
}
REDIRECT = "https://platform.example/callback"
APP = {"client_id": "an id", "client_secret": "a secret"}


class Memory:
    """A replacement for `httpx.Client`: `answer` returns the status and body for a request."""

    def __init__(self, answer: Callable[[httpx.Request], tuple[int, bytes]]) -> None:
        self._answer = answer

    def send(self, request: httpx.Request, *, stream: bool = False, follow_redirects: bool = False) -> httpx.Response:
        status, content = self._answer(request)
        return httpx.Response(status, headers=HEADERS, content=content, request=request)


def http(name: str, status: int = 200) -> Http:
    """Return an `Http` that answers every request with one of the stub's bodies."""
    content = stub_server.bodies()[name].encode()
    return Http(client=Memory(lambda request: (status, content)))


def create(inputs: Mapping[str, Any] = ours.TWELVE) -> Callable[[], Any]:
    return ours.create(None, inputs, http=http("meeting.json", 201))


def get() -> Callable[[], Any]:
    return ours.get(None, http=http("user.json"))


def by_hand(name: str, status: int = 200) -> httpx.MockTransport:
    """Return a transport with the same answer, for a plain `httpx.Client`."""
    content = stub_server.bodies()[name].encode()
    return httpx.MockTransport(lambda request: httpx.Response(status, headers=HEADERS, content=content))


def listing(pages: int = 1) -> Client:
    """Return a client whose list of users has this many pages of 300."""
    users = [json.loads(line) for line in stub_server.bodies()["users.json"].splitlines()]

    def body(page: int) -> bytes:
        token = f"p{page + 1}" if page + 1 < pages else ""
        head = {"page_size": stub_server.PAGE, "total_records": pages * stub_server.PAGE, "next_page_token": token}
        return json.dumps({**head, "users": users}).encode()

    bodies = [body(page) for page in range(pages)]

    def answer(request: httpx.Request) -> tuple[int, bytes]:
        match = re.search(rb"next_page_token=p(\d+)", request.url.query)
        return 200, bodies[int(match[1]) if match else 0]

    return Client(load(), token="t", http=Http(client=Memory(answer)))


def page() -> Callable[[], int]:
    """List 300 users, which fit on one page."""
    client = listing()
    return lambda: len(client.run("list-users", {}).data["users"])


def renewal() -> Callable[[], Any]:
    """Renew the token of a stored connection, as a client does when Zoom has just rejected it.

    Token requests do not accept a custom client, so this replaces httpx's transport for the whole process.
    """
    count = itertools.count()

    def answer(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        number = next(count)
        tokens = {"access_token": f"access {number}", "refresh_token": f"refresh {number}", "token_type": "bearer"}
        content = json.dumps({**tokens, "expires_in": 3599, "scope": "user:read:user"}).encode()
        return httpx.Response(200, headers=HEADERS, content=content, request=request)

    httpx.HTTPTransport.handle_request = answer  # type: ignore[method-assign]
    connections = Connections(load(), open_store("memory://"))
    state = parse_qs(urlsplit(connections.begin("oauth2", APP, REDIRECT)).query)["state"][0]
    stored = connections.open(connections.finish({"code": "a code", "state": state}))
    granted = stored(None)

    def renew() -> Any:
        nonlocal granted
        before, granted = granted, stored(granted)
        assert granted != before
        return granted

    return renew
