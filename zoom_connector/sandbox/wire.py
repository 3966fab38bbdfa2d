"""Parses HTTP/1.1 requests and writes responses as bytes; touches no socket and knows nothing about Zoom.

`WireParser` takes bytes in pieces of any size and returns one `WireRequest` after another. It is strict wherever two
programs could otherwise disagree about the end of a request, and it never buffers more than its limits allow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from .contents import Content, Endless

HEAD_LIMIT = 64 * 1024
JSON = "application/json;charset=UTF-8"

_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[\x21-\x7e]+")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(;[^\r\n]*)?")
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Malformed(Exception):
    """The bytes are not a valid request; `status` is the HTTP status of the response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One request as it arrived: `target` is the raw path and query, header names are lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    keep_alive: bool = True

    def header(self, name: str) -> str | None:
        """Return the first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResponse:
    """One response: status, body and headers, and the ways in which its transmission fails."""

    status: int
    body: bytes | Content | Endless = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = JSON
    head: bytes | None = None  # sent verbatim instead of status line and headers; the connection closes after the body
    delay: float = 0.0  # seconds before the first byte
    drop: bool = False  # close the connection without a response
    cut: int | None = None  # declare the length of the whole body, send this many bytes of it, close
    pace: float | None = None  # bytes of the body per second
    carried_out: bool = False  # True if Zoom carried the request out, whatever happens to the response

    @property
    def has_body(self) -> bool:
        """False for a status that never has a body."""
        return self.status >= 200 and self.status not in (204, 304)


def render_head(answer: WireResponse, *, close: bool) -> bytes:
    """Return the status line, the headers and the empty line as bytes; `close` adds `connection: close`."""
    if answer.head is not None:
        return answer.head
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}"]
    lines.extend(f"{name}: {value}" for name, value in answer.headers)
    if answer.has_body:
        lines.append(f"content-type: {answer.content_type}")
        lines.append(f"content-length: {len(answer.body)}")
    if close:
        lines.append("connection: close")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")


class WireParser:
    """Collects bytes and returns complete requests; `next()` returns None until the next one is complete."""

    def __init__(self, *, body_limit: int) -> None:
        self._body_limit = body_limit
        self._buffer = bytearray()
        self._scanned = 0
        self._head: WireRequest | None = None
        self._length: int | None = 0  # None: the body comes in chunks
        self._chunks = bytearray()
        self._trailers = False
        self._continues = False

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def is_idle(self) -> bool:
        """True if no part of a request has arrived since the last one."""
        return self._head is None and not self._buffer

    def wants_continue(self) -> bool:
        """True, once per request, if the sender waits for `100 Continue` before sending the body."""
        waits, self._continues = self._continues and self._head is not None, False
        return waits

    def next(self) -> WireRequest | None:
        """Return the next complete request, or None; raise `Malformed` for invalid bytes."""
        if self._head is None and not self._read_head():
            return None
        head = self._head
        assert head is not None
        if self._length is None:
            if not self._read_chunks():
                return None
            body = bytes(self._chunks)
            self._chunks.clear()
        else:
            if len(self._buffer) < self._length:
                return None
            body = bytes(self._buffer[: self._length])
            del self._buffer[: self._length]
        self._head = None
        if not body:
            return head
        return WireRequest(
            method=head.method, target=head.target, headers=head.headers, body=body, keep_alive=head.keep_alive
        )

    def _read_head(self) -> bool:
        while self._buffer.startswith(b"\r\n"):  # some clients add a line break after a body
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n", self._scanned)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - 3)
            if len(self._buffer) > HEAD_LIMIT:
                raise Malformed(431, "the head of the request is too long")
            return False
        if end > HEAD_LIMIT:
            raise Malformed(431, "the head of the request is too long")
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        self._scanned = 0
        self._head = self._parse_head(lines)
        return True

    def _parse_head(self, lines: list[bytes]) -> WireRequest:
        parts = lines[0].split(b" ")
        if len(parts) != 3 or not _METHOD.fullmatch(parts[0]) or not _TARGET.fullmatch(parts[1]):
            raise Malformed(400, "the request line is malformed")
        method, target, version = parts
        if version not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise Malformed(505 if version.startswith(b"HTTP/") else 400, "only HTTP/1.1 is supported")
        headers = []
        for line in lines[1:]:
            match = _HEADER.fullmatch(line)
            if match is None:
                raise Malformed(400, "a header line is malformed")
            headers.append((match[1].decode("ascii").lower(), match[2].decode("latin-1")))
        by_name = dict(headers)
        if version == b"HTTP/1.1" and "host" not in by_name:
            raise Malformed(400, "the Host header is missing")
        self._length = self._body_length(headers, by_name)
        self._continues = by_name.get("expect", "").lower() == "100-continue"
        connection = {word.strip() for word in by_name.get("connection", "").lower().split(",")}
        return WireRequest(
            method=method.decode("ascii"),
            target=_origin_form(target.decode("ascii")),
            headers=tuple(headers),
            keep_alive="close" not in connection and (version == b"HTTP/1.1" or "keep-alive" in connection),
        )

    def _body_length(self, headers: Iterable[tuple[str, str]], by_name: dict[str, str]) -> int | None:
        encoding = by_name.get("transfer-encoding")
        lengths = {value for name, value in headers if name == "content-length"}
        if encoding is not None:
            if lengths or encoding.lower() != "chunked":
                raise Malformed(400, "the length of the body is ambiguous")
            return None
        if not lengths:
            return 0
        text = lengths.pop()
        if lengths or not (text.isascii() and text.isdigit() and len(text) < 19):
            raise Malformed(400, "Content-Length is malformed")
        if int(text) > self._body_limit:
            raise Malformed(413, "the body is too long")
        return int(text)

    def _read_chunks(self) -> bool:
        """Move complete chunks into the body; return True after the last chunk and the trailers."""
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > HEAD_LIMIT:
                    raise Malformed(400, "a chunk is malformed")
                return False
            if self._trailers:
                del self._buffer[: end + 2]
                if end == 0:
                    self._trailers = False
                    return True
                continue
            match = _CHUNK_SIZE.fullmatch(bytes(self._buffer[:end]))
            if match is None:
                raise Malformed(400, "a chunk is malformed")
            size = int(match[1], 16)
            if len(self._chunks) + size > self._body_limit:
                raise Malformed(413, "the body is too long")
            if size == 0:
                del self._buffer[: end + 2]
                self._trailers = True
                continue
            stop = end + 2 + size
            if len(self._buffer) < stop + 2:
                return False
            if self._buffer[stop : stop + 2] != b"\r\n":
                raise Malformed(400, "a chunk is malformed")
            self._chunks += self._buffer[end + 2 : stop]
            del self._buffer[: stop + 2]


def _origin_form(target: str) -> str:
    """Return the path and query of a target, which is `http://host/path?query` if a proxy sent it."""
    if target.startswith(("http://", "https://")):
        slash = target.find("/", target.index("//") + 2)
        return target[slash:] if slash > 0 else "/"
    return target
