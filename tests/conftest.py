"""What the tests share: the bundled connector, a Zoom that runs here, and a client between the two."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import pytest

from connector_runtime.errors import Guard
from connector_runtime.model import Choices
from zoom_connector import AsyncClient, Client, Connector, Page, Result, load
from zoom_connector.__main__ import main
from zoom_connector.sandbox import Sandbox

HERE = Path(__file__).parent
signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # a shell's background job ignores it, and so would its children
sys.path.append(str(HERE))  # plays.py


@pytest.fixture(scope="session")
def connector() -> Connector:
    return load(HERE.parent)  # compiled anew, so that a mutated compiler is seen to be wrong


@pytest.fixture(scope="session")
def tables() -> dict[str, Any]:
    """The published specification."""
    return json.loads((HERE / "spec" / "input-tables.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _open_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong is seen as it is: the guard of calls must hide no fault of ours."""
    monkeypatch.setattr(Guard, "is_open", True)


@pytest.fixture
def zoom() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def settings(zoom: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A person's environment for commands: the sandbox, its token, and a data directory of this test's own."""
    for name in [name for name in os.environ if name.startswith("ZOOM_")]:
        monkeypatch.delenv(name)
    variables = {"XDG_DATA_HOME": str(tmp_path), "ZOOM_BASE_URL": zoom.base_url, "ZOOM_ACCESS_TOKEN": zoom.token}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["zoom-connector"])
    return variables


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(settings: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in this process: exit code, stdout, stderr."""
    return in_process(main, capsys, monkeypatch)


def in_process(
    command: Callable[[list[str]], int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """A function that runs a command line with what a person types: exit code, stdout, stderr."""

    def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        try:
            code = command([*arguments])
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 2
        return code, *capsys.readouterr()

    return run


class Blocking:
    """An `AsyncClient` driven from plain tests, so that one suite holds for both clients."""

    def __init__(self, connector: Connector, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(connector, **options)

    def __enter__(self) -> Blocking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._client)

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def run(self, key: str, inputs: dict[str, Any], limit: int | None = None, **more: Any) -> Result:
        return self._runner.run(self._client.run(key, inputs, limit, **more))

    def stream(self, key: str, inputs: dict[str, Any], limit: int | None = None) -> Iterator[Any]:
        return self._each(self._client.stream(key, inputs, limit))

    def pages(self, key: str, inputs: dict[str, Any], limit: int | None = None) -> Iterator[Page]:
        return self._each(self._client.pages(key, inputs, limit))

    def files(self, key: str, inputs: dict[str, Any]) -> list[Any]:
        return self._runner.run(self._client.files(key, inputs))

    def download(self, files: Any, to: Any, **more: Any) -> list[Any]:
        return self._runner.run(self._client.download(files, to, **more))

    def choices(self, action: str, input: str | None = None, *given: Any, **more: Any) -> Choices:
        return self._runner.run(self._client.choices(action, input, *given, **more))

    def _each(self, stream: Any) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._runner.run(anext(stream))
                except StopAsyncIteration:
                    return
        finally:
            self._runner.run(stream.aclose())


Made = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest) -> Made:
    """The client classes, one after the other."""
    return {"sync": Client, "async": Blocking}[request.param]


@pytest.fixture
def client(make: Made, connector: Connector, zoom: Sandbox) -> Iterator[Client]:
    with make(connector, token=zoom.token, base_url=zoom.base_url) as made:
        yield made


@pytest.fixture
def once(make: Made, connector: Connector, zoom: Sandbox) -> Iterator[Client]:
    """A client that sends each request once, whatever becomes of it."""
    with make(connector, token=zoom.token, base_url=zoom.base_url, retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL of our own, or of the one that TEST_POSTGRES_URL names."""
    if os.environ.get("TEST_POSTGRES_URL"):
        yield os.environ["TEST_POSTGRES_URL"]
        return
    pytest.importorskip("psycopg", reason="PostgreSQL: psycopg is not installed")
    pgserver = pytest.importorskip("pgserver", reason="PostgreSQL: pgserver is not installed")
    # not below pytest's folder: every other run of pytest closes that to all but its owner, whom PostgreSQL is not
    with tempfile.TemporaryDirectory(prefix="runtime-") as runtime, tempfile.TemporaryDirectory(prefix="pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", runtime)
        for attempt in range(3):
            try:
                server = pgserver.get_server(folder, cleanup_mode="stop")
                break
            except subprocess.TimeoutExpired:  # it gives a start ten seconds, which a busy machine may exceed
                if attempt == 2:
                    raise
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """A database of this test's own."""
    import psycopg

    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return urlsplit(postgres_server)._replace(path=f"/{name}").geturl()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """With NO_SKIPS set, as in CI, a test that was skipped is named."""
    if os.environ.get("NO_SKIPS"):
        for report in terminalreporter.stats.get("skipped", []):
            terminalreporter.write_line(f"NO_SKIPS: {report.nodeid} was skipped", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With NO_SKIPS set, a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
