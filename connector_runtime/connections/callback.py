"""Waits on a loopback port for the browser to come back from a sign-in; judges nothing but the state.

What the browser brings is never printed or logged, and the page it gets refers to nothing outside itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from ..errors import AuthError, ConnectorError, InputError, Problem

LOOPBACK = ("127.0.0.1", "localhost")


def is_ours(redirect_url: str) -> bool:
    """Whether the browser comes back to this machine, so that somebody here can wait for it."""
    parts = urlsplit(redirect_url)
    return parts.scheme == "http" and parts.hostname in LOOPBACK


class Callback:
    """An open port on which one sign-in comes back; `with` closes it.

    `state` is the sign-in's; a callback with another is told so in the browser and does not end the wait.
    """

    def __init__(self, redirect_url: str, state: str, finish: Callable[[str], str]) -> None:
        parts = urlsplit(redirect_url)
        self._done = threading.Event()
        self._name: str | None = None
        self._error: ConnectorError | None = None
        wait = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                if asked.path != (parts.path or "/") or wait._done.is_set():
                    self._say(404, "Nothing is waited for here.")
                elif parse_qs(asked.query).get("state") != [state]:
                    self._say(400, "This belongs to no sign-in begun here, or to one that is over. Begin again.")
                else:
                    try:
                        wait._name = finish(asked.query)
                        self._say(200, f"Connected as {wait._name}. You can close this window.")
                    except ConnectorError as error:
                        wait._error = error
                        self._say(400, str(error))
                    wait._done.set()

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

        try:
            self._server = HTTPServer(("127.0.0.1", parts.port or 80), Handler)
        except OSError as error:
            what = f"{parts.port or 80} can't be listened on ({error.strerror}); end what uses it, or choose another"
            raise InputError.of("connect", [Problem("--port", what)]) from None
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> str:
        """The name of the connection that was made. Raises what went wrong, or `AuthError` when nobody came back."""
        if not self._done.wait(seconds):
            what = f"Nobody came back from the browser within {seconds / 60:.0f} minutes."
            raise AuthError(what, hint="Sign in again.")
        if self._error is not None:
            raise self._error
        assert self._name is not None
        return self._name

    def __enter__(self) -> Callback:
        return self

    def __exit__(self, *what: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
