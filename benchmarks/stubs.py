"""The stub's own speed, over a socket without an HTTP library: it must not limit the other rows."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable

from . import stub_server
from .frame import Row, Target
from .measure import Worker, contest, series
from .one_call import timed

GROUP = "The stub"
BATCH = 100
USERS = 9000


class Raw:
    """A connection that sends and receives bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))

    def ask(self, requests: bytes, length: int) -> None:
        self._socket.sendall(requests)
        while length > 0:
            length -= len(self._socket.recv(1 << 18))

    def length(self, request: bytes) -> int:
        """Return the length of the answer, including its head."""
        self._socket.sendall(request)
        text = b""
        while b"\r\n\r\n" not in text:
            text += self._socket.recv(1 << 18)
        head, _, body = text.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        self.ask(b"", length - len(body))
        return len(head) + 4 + length


def contestants(url: str, origin: str) -> dict[str, Callable[[], float]]:
    from .rivals import by_hand

    raw = Raw(int(origin.rsplit(":", 1)[1]))
    user = b"GET /1/v2/users/me HTTP/1.1\r\nHost: stub\r\n\r\n"
    pages = [
        b"GET /%d/v2/users?page_size=300&next_page_token=p%d HTTP/1.1\r\nHost: stub\r\n\r\n" % (USERS, at)
        for at in range(0, USERS, stub_server.PAGE)
    ]
    one, each = raw.length(user), [raw.length(page) for page in pages]

    def listed() -> float:
        start = time.perf_counter()
        for page, length in zip(pages, each, strict=True):
            raw.ask(page, length)
        return time.perf_counter() - start

    users = by_hand.users(url)

    def by_httpx() -> float:
        start = time.perf_counter()
        assert users() == USERS
        return time.perf_counter() - start

    return {
        "batch": timed(lambda: raw.ask(user * BATCH, one * BATCH), 5),
        "call": timed(lambda: raw.ask(user, one), 50),
        "httpx": timed(by_hand.get(url), 20),
        "pages": listed,
        "pages, httpx": by_httpx,
    }


def rows(quick: bool) -> Iterable[Row]:
    with stub_server.Stub() as stub:
        worker = Worker(f"{__name__}:contestants", stub.url(USERS), stub.origin)
        results = contest([worker], 7 if quick else 31)
    httpx = series("by hand, one httpx.Client", results["httpx"], 1e6)
    batch = [seconds / BATCH for seconds in results["batch"]]
    for what, values, target in (
        (f"a user, {BATCH} requests in one write", batch, Target("at least", 10)),
        ("a user, one request after the other", results["call"], None),
    ):
        mine = series("bytes over a socket", values, 1e6)
        yield Row(group=GROUP, what=what, unit="µs", ours=mine, rival=httpx, target=target)
    yield Row(
        group=GROUP,
        what="9,000 users in pages, unread",
        unit="ms",
        ours=series("bytes over a socket", results["pages"], 1e3),
        rival=series("by hand, one httpx.Client", results["pages, httpx"], 1e3),
        target=Target("at least", 5),
    )
