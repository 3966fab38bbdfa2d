"""Gives the tests the real client of the protocol, connected to the command `mcp` over stdio and over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from cryptography.fernet import Fernet
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, Tool

from tests.webhook.conftest import until
from zoom_connector.sandbox import Sandbox

ROOT = Path(__file__).parents[2]


@dataclass
class Talk:
    """A client that is connected, driven from plain tests."""

    portal: BlockingPortal
    client: Client

    def tools(self) -> dict[str, Tool]:
        return {tool.name: tool for tool in self.portal.call(self.client.list_tools).tools}

    def call(self, name: str, arguments: dict[str, Any] | None = None, **more: Any) -> CallToolResult:
        async def called() -> CallToolResult:
            return await self.client.call_tool(name, arguments or {}, **more)

        return self.portal.call(called)

    def data(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """What a call gave that has to go well."""
        result = self.call(name, arguments)
        assert not result.is_error, result.content
        return result.structured_content["data"]

    def error(self, name: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
        """The error of a call that has to fail."""
        result = self.call(name, arguments)
        assert result.is_error, result.content
        error: dict[str, Any] = result.structured_content["error"]
        return error


@contextmanager
def talking(server: Any, mode: str = "auto", http: httpx2.AsyncClient | None = None) -> Iterator[Talk]:
    """Connect to a server; `http` is closed at the end."""
    with start_blocking_portal() as portal, ExitStack() as held:
        if http is not None:
            held.enter_context(portal.wrap_async_context_manager(http))
        client = Client(server, mode=mode, read_timeout_seconds=30)
        yield Talk(portal, held.enter_context(portal.wrap_async_context_manager(client)))


def environment(zoom: Sandbox, folder: Path, **more: str) -> dict[str, str]:
    """What the command finds: the sandbox, its token, and a store of the test's own."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "ZOOM_ACCESS_TOKEN": zoom.token,
        "ZOOM_BASE_URL": zoom.base_url,
        "ZOOM_OAUTH_URL": zoom.origin,
        "ZOOM_STORE": f"sqlite:///{folder}/store.db",
        "ZOOM_CONNECTOR_KEY": KEY,
        **more,
    }


KEY = Fernet.generate_key().decode()


def over_stdio(zoom: Sandbox, folder: Path, *options: str, **more: str) -> StdioServerParameters:
    words = ["-m", "zoom_connector", "mcp", *options]
    return StdioServerParameters(command=sys.executable, args=words, env=environment(zoom, folder, **more), cwd=ROOT)


@dataclass
class Web:
    """`zoom-connector mcp --http` as a process of its own."""

    process: subprocess.Popen[str]
    url: str
    err: Path

    def stop(self, how: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)

    def talk(self, key: str | None = None, mode: str = "auto") -> AbstractContextManager[Talk]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        http = httpx2.AsyncClient(headers=headers, trust_env=False, timeout=30)
        return talking(streamable_http_client(self.url, http_client=http), mode, http)


def serving(zoom: Sandbox, folder: Path, *options: str, **more: str) -> Web:
    err = folder / f"err{time.monotonic_ns()}"
    words = [sys.executable, "-m", "zoom_connector", "mcp", "--http", "--port", "0", *options]
    with err.open("w") as file:
        process = subprocess.Popen(words, stderr=file, text=True, env=environment(zoom, folder, **more), cwd=ROOT)
    assert until(lambda: "Tools at " in err.read_text() or process.poll() is not None), err.read_text()
    assert process.poll() is None, err.read_text()
    url = err.read_text().partition("Tools at ")[2].partition(",")[0]
    web = Web(process, url, err)
    health = url.replace("/mcp", "/health").replace("0.0.0.0", "127.0.0.1")
    assert until(lambda: _answers(health)), err.read_text()
    return web


def _answers(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture(scope="module")
def account() -> Iterator[Sandbox]:
    """A Zoom that the tests of a module share."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module", params=["stdio", "http"])
def talk(request: pytest.FixtureRequest, account: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """The client, connected over each of the two ways."""
    folder = tmp_path_factory.mktemp("mcp")
    if request.param == "stdio":
        with talking(over_stdio(account, folder)) as connected:
            yield connected
        return
    web = serving(account, folder)
    with web.talk() as connected:
        yield connected
    assert web.stop() == 0
