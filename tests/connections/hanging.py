"""A token endpoint that takes a request and does not answer, or does not end its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def hanging(heard: threading.Event, hold: threading.Event, *, drips: bool = False) -> Iterator[str]:
    """Its origin. `heard` is set when a request has come; once `hold` is set each connection is cut.

    With `drips` it answers a byte at a time, until somebody hangs up.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=100)

    def take() -> None:
        while True:
            try:
                line, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=keep, args=(line,), daemon=True).start()

    def keep(line: socket.socket) -> None:
        with line:
            line.recv(65536)
            heard.set()
            if drips:
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
            with suppress(OSError):
                while not hold.wait(0.02 if drips else 60):
                    line.sendall(b" ")

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        hold.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
