"""A vendor that runs here and misbehaves on order: each of its files, and each request, can go wrong by itself."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest

TOKEN = "good-token"


@dataclass
class Stored:
    """A file at the vendor: its bytes, what identifies them, and how the server treats requests for it."""

    content: bytes
    etag: str | None = '"v1"'
    modified: str | None = None
    knows_ranges: bool = True
    checks_if_range: bool = True
    announces_length: bool = True
    content_type: str = "video/mp4"
    location: str | None = None  # redirected there
    needs: str | None = f"Bearer {TOKEN}"
    piece: int = 65536
    pause: float = 0.0  # seconds between two pieces
    breaks: deque[int] = field(default_factory=deque)  # for each of the next answers: bytes of it before it breaks
    before: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)  # answers that come first


@dataclass(frozen=True)
class Asked:
    """One request as it arrived, and how many bytes of a file it was sent."""

    path: str
    headers: dict[str, str]
    sent: list[int] = field(default_factory=lambda: [0])


class Vendor:
    """Serves `files` by path on 127.0.0.1; `base_url` is that of its API, which lists `entries` as recordings."""

    def __init__(self) -> None:
        self.files: dict[str, Stored] = {}
        self.entries: list[dict[str, Any]] = []
        self.extra: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                with suppress(ConnectionError):
                    vendor.answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def host(self) -> str:
        """As errors name it."""
        return self.origin.removeprefix("http://")

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v2"

    def add(self, name: str, content: bytes, *, size: int | None = -1, **more: Any) -> Stored:
        """Store a file and list it among the recordings; `size` is announced, its real one unless told."""
        path = f"/files/{name}"
        self.files[path] = Stored(content, **more)
        stem, _, extension = name.rpartition(".")
        entry = {"id": name, "file_name": stem, "file_type": extension.upper(), "download_url": self.origin + path}
        if size is not None:
            entry["file_size"] = len(content) if size == -1 else size
        self.entries.append(entry)
        return self.files[path]

    def of(self, name: str) -> list[Asked]:
        """The requests for a file."""
        return [asked for asked in self.asked if asked.path == f"/files/{name}"]

    # -- answers -----------------------------------------------------------------------------------------------------

    def answer(self, request: Any) -> None:
        asked = Asked(request.path, {name.lower(): value for name, value in request.headers.items()})
        with self.lock:
            self.asked.append(asked)
        file = self.files.get(request.path.partition("?")[0])
        if request.path.startswith("/v2/"):
            body = json.dumps({"recording_files": self.entries, **self.extra}).encode()
            self._whole(request, 200, {"Content-Type": "application/json"}, body)
        elif file is None:
            self._whole(request, 404, {"Content-Type": "application/json"}, b'{"code": 3301, "message": "Gone."}')
        elif file.before:
            self._whole(request, *file.before.popleft())
        elif file.needs is not None and asked.headers.get("authorization") != file.needs:
            self._whole(request, 401, {}, b'{"status":false,"errorCode":124,"errorMessage":"Forbidden"}')
        elif file.location is not None:
            self._whole(request, 302, {"Location": file.location}, b"")
        else:
            self._file(request, asked, file)

    def _whole(self, request: Any, status: int, headers: dict[str, str], body: bytes) -> None:
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def _file(self, request: Any, asked: Asked, file: Stored) -> None:
        start, size = self._start(asked, file), len(file.content)
        if start >= size > 0:
            self._whole(request, 416, {"Content-Range": f"bytes */{size}"}, b"")
            return
        is_part = "range" in asked.headers and start > 0
        request.send_response(206 if is_part else 200)
        request.send_header("Content-Type", file.content_type)
        if is_part:
            request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        for name, value in (("ETag", file.etag), ("Last-Modified", file.modified)):
            if value is not None:
                request.send_header(name, value)
        if file.announces_length:
            request.send_header("Content-Length", str(size - start))
        else:
            request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        most = file.breaks.popleft() if file.breaks else None
        with self._counted():
            for piece in self._pieces(file, start, most):
                request.wfile.write(piece if file.announces_length else b"%x\r\n%s\r\n" % (len(piece), piece))
                asked.sent[0] += len(piece)
                if file.pause:
                    time.sleep(file.pause)
        if most is not None:
            request.close_connection = True
        elif not file.announces_length:
            request.wfile.write(b"0\r\n\r\n")

    def _pieces(self, file: Stored, start: int, most: int | None) -> Iterator[bytes]:
        end = len(file.content) if most is None else min(len(file.content), start + most)
        for at in range(start, end, file.piece):
            yield file.content[at : min(end, at + file.piece)]

    def _counted(self) -> Any:
        vendor = self

        class Counted:
            def __enter__(self) -> None:
                with vendor.lock:
                    vendor.at_once += 1
                    vendor.most_at_once = max(vendor.most_at_once, vendor.at_once)

            def __exit__(self, *_: Any) -> None:
                with vendor.lock:
                    vendor.at_once -= 1

        return Counted()

    def _start(self, asked: Asked, file: Stored) -> int:
        found = re.fullmatch(r"bytes=([0-9]+)-", asked.headers.get("range", ""))
        if found is None or not file.knows_ranges:
            return 0
        condition = asked.headers.get("if-range")
        if file.checks_if_range and condition is not None and condition not in (file.etag, file.modified):
            return 0
        return int(found[1])


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as made:
        yield made


@pytest.fixture
def client(make: Any, connector: Any, vendor: Vendor) -> Iterator[Any]:
    """Both clients, one after the other, for the vendor that misbehaves."""
    with make(connector, token=TOKEN, base_url=vendor.base_url) as made:
        yield made


@pytest.fixture
def files(client: Any) -> Callable[[], list[Any]]:
    """What the vendor's answer offers now."""
    return lambda: client.files("get-meeting-recordings", {"meeting_id": "81279432123"})


@pytest.fixture
def other() -> Iterator[Vendor]:
    """A host that is not the vendor's."""
    with Vendor() as made:
        yield made
