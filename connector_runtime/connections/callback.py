"""Waits on a loopback port for the browser to come back from a sign-in; judges nothing but the state.

What the browser brings is never printed or logged, and the page it gets refers to nothing outside itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from ..errors import AuthError, ConnectorError, InputError, Problem

LOOPBACK = ("127.0.0.1", "localhost")


def is_ours(redirect_url: str) -> bool:
    """Whether the browser comes back to this machine, so that somebody here can wait for it."""
    parts = urlsplit(redirect_url)
    return parts.scheme == "http" and parts.hostname in LOOPBACK


@contextmanager
def callback(redirect_url: str, state: str, finish: Callable[[str], str]) -> Iterator[Callable[[float], str]]:
    """Open the port on which one sign-in comes back, and give what waits for it, for so many seconds.

    That returns the name of the connection that was made, and raises what went wrong, or `AuthError` when nobody came
    back. `state` is the sign-in's; a callback with another is told so in the browser and does not end the wait.
    """
    parts = urlsplit(redirect_url)
    port, outcome = parts.port or 80, Future[str]()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if asked.path != (parts.path or "/") or outcome.done():
                self._say(404, "Nothing is waited for here.")
            elif parse_qs(asked.query).get("state") != [state]:
                self._say(400, "This belongs to no sign-in begun here, or to one that is over. Begin again.")
            else:
                try:
                    name = finish(asked.query)
                    self._say(200, f"Connected as {name}. You can close this window.")
                    outcome.set_result(name)
                except ConnectorError as error:
                    self._say(400, str(error))
                    outcome.set_exception(error)

        def _say(self, status: int, text: str) -> None:
            head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign-in</title>'
            content = f"{head}<p>{escape(text)}</p></html>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return  # the request line holds the code

    def wait(seconds: float) -> str:
        try:
            return outcome.result(seconds)
        except TimeoutError:
            what = f"Nobody came back from the browser within {seconds / 60:.0f} minutes."
            raise AuthError(what, hint="Sign in again.") from None

    try:
        server = HTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        what = f"{port} can't be listened on ({error.strerror}); end what uses it, or choose another"
        raise InputError.of("connect", [Problem("--port", what)]) from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield wait
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
