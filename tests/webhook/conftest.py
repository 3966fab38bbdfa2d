"""What the webhook tests share: signing as the specifications write it, and a real server around an app."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import uvicorn

from zoom_connector import Connector, Trigger

SECRET = "8mTmnH0bS2GGJ5Gv3JrPRg"
NOW = 1_700_000_000.0
STARTED = {
    "event": "meeting.started",
    "event_ts": 1700000000123,
    "payload": {"account_id": "acc1", "object": {"id": "123", "uuid": "u==", "host_id": "h1", "topic": "Retro"}},
}


def zoom_signature(body: bytes, timestamp: str, secret: str = SECRET) -> str:
    """`v0=` and the hex HMAC-SHA256 of `v0:{timestamp}:{body}`, written out from Zoom's documentation."""
    return "v0=" + hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()


def signed(body: bytes, at: float = NOW, secret: str = SECRET) -> dict[str, str]:
    timestamp = str(int(at))
    return {"x-zm-signature": zoom_signature(body, timestamp, secret), "x-zm-request-timestamp": timestamp}


def event(number: int = 1, **more: Any) -> bytes:
    """An event of its own for each number."""
    payload = {"account_id": "acc1", "object": {"id": str(number), "uuid": f"u{number}==", "host_id": "h1"}}
    said = {"event": "meeting.started", "event_ts": 1700000000000 + number, "payload": payload, **more}
    return json.dumps(said).encode()


def until(true: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until something is true; returns what it is at last."""
    end = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < end:
        time.sleep(0.01)
    return found


class Served:
    """An app behind a real HTTP server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/hooks"

    def post(self, body: bytes, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, "/hooks", body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(self, body: bytes, at: float | None = None, secret: str = SECRET) -> int:
        return self.post(body, signed(body, time.time() if at is None else at, secret))[0]


Serve = Callable[[Any], AbstractContextManager[Served]]


@contextmanager
def serving(app: Any, lifespan: str = "on") -> Iterator[Served]:
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="error", ws="none", lifespan=lifespan)  # type: ignore[arg-type]
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    assert until(lambda: server.started or not thread.is_alive())
    try:
        yield Served(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def trigger(connector: Connector) -> Trigger:
    return connector.triggers["webhook"]
