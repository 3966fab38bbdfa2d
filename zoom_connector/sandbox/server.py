"""Serves HTTP/1.1 on a loopback port with asyncio, with delays and slow bodies. Knows nothing about Zoom.

Each client has an `HttpConnection` but no thread; everything runs on the loop that called `listen`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import cast

from .contents import Content, Endless
from .wire import Malformed, WireParser, WireRequest, WireResponse, render_head

Respond = Callable[[WireRequest], WireResponse]
Refuse = Callable[[int, str], WireResponse]
_PIECE = 1 << 16  # bytes computed and written at once, at most
_BEATS = 20  # writes per second of a slow body


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Limits for clients: bytes in a body, seconds between requests, and seconds for one request."""

    body: int = 5 * 1024 * 1024
    idle: float = 75.0
    request: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An open port; `close` closes it and all remaining connections."""

    port: int
    server: asyncio.Server
    connections: set[HttpConnection]
    sweeper: asyncio.Task[None]

    async def close(self) -> None:
        self.sweeper.cancel()
        self.server.close()
        for connection in list(self.connections):
            connection.abort()
        await asyncio.gather(self.sweeper, return_exceptions=True)
        await self.server.wait_closed()


async def listen(
    respond: Respond, refuse: Refuse, *, host: str = "127.0.0.1", port: int = 0, bounds: Bounds | None = None
) -> Listener:
    """Open a port (0: any free one); `respond` handles requests, `refuse` handles bytes that are not a request."""
    connections: set[HttpConnection] = set()
    allowed = bounds or Bounds()
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpConnection(respond, refuse, connections, allowed), host, port, backlog=1024
    )
    return Listener(
        port=server.sockets[0].getsockname()[1],
        server=server,
        connections=connections,
        sweeper=asyncio.create_task(_sweep(connections, allowed)),
    )


async def _sweep(connections: set[HttpConnection], bounds: Bounds) -> None:
    """Close the connections of silent clients."""
    while True:
        await asyncio.sleep(min(bounds.idle, bounds.request) / 4)
        now = time.monotonic()
        for connection in list(connections):
            connection.expire(now)


@dataclass(slots=True, kw_only=True)
class _Outgoing:
    """A partly sent body; the bytes from `at` up to but excluding `end` remain."""

    body: bytes | Content | Endless
    at: int = 0
    end: int
    pace: float | None
    close: bool

    @property
    def step(self) -> int:
        """The number of bytes to write at once."""
        return _PIECE if self.pace is None else max(1, min(_PIECE, int(self.pace / _BEATS)))


class HttpConnection(asyncio.Protocol):
    """One client's connection, which responds to each request before it parses the next."""

    def __init__(self, respond: Respond, refuse: Refuse, peers: set[HttpConnection], bounds: Bounds) -> None:
        self._respond = respond
        self._refuse = refuse
        self._peers = peers
        self._bounds = bounds
        self._parser = WireParser(body_limit=bounds.body)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.TimerHandle | None = None  # a delayed response, which holds up later requests
        self._outgoing: _Outgoing | None = None  # a slow body, or one that the client has not read yet
        self._writable = True
        self._since = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.discard(self)
        self._transport = None
        if self._waiting is not None:
            self._waiting.cancel()

    def data_received(self, data: bytes) -> None:
        if self._parser.is_idle:
            self._since = time.monotonic()
        self._parser.feed(data)
        self._advance()

    def pause_writing(self) -> None:
        self._writable = False  # the client is not reading, so do not fill its buffers
        self._read(False)

    def resume_writing(self) -> None:
        self._writable = True
        if self._outgoing is None:
            self._read(True)
        elif self._waiting is None:  # not now, because asyncio is in the middle of a write
            asyncio.get_running_loop().call_soon(self._pump)
        self._advance()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def expire(self, now: float) -> None:
        """Close this connection if its client has been silent, or busy with one request, for too long."""
        if self._waiting is None:
            is_idle = self._parser.is_idle and self._outgoing is None
            allowed = self._bounds.idle if is_idle else self._bounds.request
            if now - self._since > allowed:
                self.abort()

    def _read(self, on: bool) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing():
            (transport.resume_reading if on else transport.pause_reading)()

    def _advance(self) -> None:
        while self._transport is not None and not self._transport.is_closing():
            if self._waiting is not None or not self._writable:
                return
            try:
                request = self._parser.next()
            except Malformed as error:
                self._send(self._refuse(error.status, str(error)), close=True)
                return
            if request is None:
                if self._parser.wants_continue():
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            answer = self._respond(request)
            if answer.delay > 0:
                self._read(False)
                loop = asyncio.get_running_loop()
                self._waiting = loop.call_later(answer.delay, self._send_late, request, answer)
                return
            self._finish(request, answer)

    def _send_late(self, request: WireRequest, answer: WireResponse) -> None:
        self._waiting = None
        self._read(True)
        self._finish(request, answer)
        self._advance()

    def _finish(self, request: WireRequest, answer: WireResponse) -> None:
        self._since = time.monotonic()
        if self._transport is None:
            return
        if answer.drop:
            self._transport.abort()
        else:
            self._send(answer, close=not request.keep_alive, with_body=request.method != "HEAD")

    def _send(self, answer: WireResponse, *, close: bool, with_body: bool = True) -> None:
        transport = self._transport
        if transport is None:
            return
        dated = replace(answer, headers=(*answer.headers, ("date", _date(int(time.time())))))
        body = answer.body if with_body and (answer.has_body or answer.head is not None) else b""
        end = len(body) if answer.cut is None else min(answer.cut, len(body))
        head = render_head(dated, close=close)
        close = close or answer.cut is not None or answer.head is not None
        if end <= _PIECE and answer.pace is None:
            transport.write(head + body[:end])
            if close:
                transport.close()
            return
        transport.write(head)
        self._read(False)
        self._outgoing = _Outgoing(body=body, end=end, pace=answer.pace, close=close)
        if not self._wait_for_beat():
            self._pump()

    def _pump(self) -> None:
        """Write as much of the body as the client reads and the pace allows."""
        out = self._outgoing
        while out is not None and self._writable and self._transport is not None:
            if self._transport.is_closing():  # the client has left, but connection_lost has not been called yet
                return
            piece = out.body[out.at : min(out.at + out.step, out.end)]
            out.at += len(piece)
            self._since = time.monotonic()
            self._transport.write(piece)
            if out.at == out.end:
                self._outgoing = None
                if out.close:
                    self._transport.close()
                elif self._writable:
                    self._read(True)
                return
            if self._wait_for_beat():
                return

    def _wait_for_beat(self) -> bool:
        """Schedule the next piece of a slow body; False if the body is not slow."""
        out = self._outgoing
        if out is None or out.pace is None:
            return False
        seconds = min(out.step, out.end - out.at) / out.pace
        self._waiting = asyncio.get_running_loop().call_later(seconds, self._resume)
        return True

    def _resume(self) -> None:
        self._waiting = None
        self._pump()
        self._advance()


_last_date = (0, "")


def _date(second: int) -> str:
    """Return an HTTP date, cached for its second because every response has one."""
    global _last_date
    if _last_date[0] != second:
        _last_date = (second, formatdate(second, usegmt=True))
    return _last_date[1]
