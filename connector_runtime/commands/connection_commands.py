"""The commands about connections: `connect`, `connections`, `disconnect`, `scopes`, `doctor`."""

from __future__ import annotations

import getpass
import sys
import threading
import time
import webbrowser
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain
from urllib.parse import parse_qs

from ..connections import oauth_requests
from ..connections.connections import PENDING, CheckResult, Connections, examine
from ..connections.oauth import Health
from ..connections.scopes import smallest
from ..errors import ApiError, AuthError, ConnectorError, TransportError
from ..language.hosts import parts as parts_of
from ..model import Connection
from .context import Context, draw, print_table, put, say, wrong
from .options import parser

PORT = 8765
MARKS = {"ok": "ok", "warning": "!!", "fault": "FAULT"}


def connect(context: Context, arguments: list[str]) -> int:
    """Connect an account and store the connection. If a person has to sign in, the browser opens."""
    kinds = context.load(None).connections
    command = parser(context, "connect", connect.__doc__, f"connect {next(iter(kinds), '')}")
    command.add_argument("kind", metavar="KIND", nargs="?", help=f"one of {', '.join(kinds)} (default: the first)")
    command.add_argument("--name", metavar="NAME", default="main", help="the connection's name (default: main)")
    command.add_argument("--port", metavar="N", type=int, default=PORT, help=f"port of the redirect (default: {PORT})")
    command.add_argument("--redirect-url", metavar="URL", help="the app's redirect URL, if it is not on that port")
    command.add_argument("--no-browser", action="store_true", help="print the sign-in URL and ask for the result")
    command.add_argument("--oauth-url", metavar="URL", help="the vendor's OAuth server, if it is not the default")
    names = {row.key: row for kind in [*kinds.values()][::-1] for row in kind.inputs}
    for row in names.values():
        if row.type != "secret":
            command.add_argument(f"--{row.key.replace('_', '-')}", dest=f"={row.key}", metavar="TEXT", help=row.label)
    variables = ", ".join(sorted(context.variable(name) for name in names))
    command.epilog = f"{command.epilog}\n\nWithout an option, a value comes from {variables}, or you are asked for it."
    chosen = command.parse_args(arguments)
    key = chosen.kind or next(iter(kinds), "")
    if key not in kinds:
        raise wrong("connect", "KIND", f"is {key!r}; must be one of {', '.join(kinds)}")
    kind = kinds[key]
    values = _values(context, kind, chosen)
    origin = chosen.oauth_url or context.setting("oauth_url")
    with context.connections() as (connections, _):
        if oauth_requests.needs_person(kind):
            _sign_in(connections, key, values, origin, chosen)
        else:
            connections.add(key, values, name=chosen.name, origin=origin)
        health = connections.test(chosen.name, base_url=context.setting("base_url"))
        _greet(context, chosen.name, health)
    return 0 if health.ok else 3


def _values(context: Context, kind: Connection, chosen: Namespace) -> dict[str, str]:
    """Read the inputs from options, the environment or a prompt. Secrets have no option: every process can read one."""
    values = {}
    for row in kind.inputs:
        value = getattr(chosen, f"={row.key}", None) or context.setting(row.key)
        if value is None and row.required is not None:
            if not sys.stdin.isatty():
                value = sys.stdin.readline().strip()
            elif row.type == "secret":
                value = getpass.getpass(f"{row.label}: ")
            else:
                draw(f"{row.label}: ")
                value = input().strip()
        if value is not None:
            values[row.key] = value
    return values


def _sign_in(connections: Connections, key: str, values: dict[str, str], origin: str | None, chosen: Namespace) -> None:
    redirect_url = chosen.redirect_url or f"http://127.0.0.1:{chosen.port}/callback"
    parts = parts_of(redirect_url)
    if "://" in redirect_url and not parts.hostname:
        raise wrong("connect", "--redirect-url", f"{redirect_url!r} is not a URL to which a browser can be redirected")
    url = connections.begin(key, values, redirect_url, name=chosen.name, origin=origin)
    say(f"The app's redirect URL must be: {redirect_url}")
    if chosen.no_browser or parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost"):
        say(f"Sign in at:\n\n{url}\n")
        say("Then paste the URL at which the browser ends up, or the code in that URL:")
        pasted = sys.stdin.readline().strip()
        if not pasted:
            raise AuthError("No code was entered.", hint="Sign in again.")
        if "=" in pasted or "://" in pasted:
            connections.finish(pasted)
        else:
            connections.finish_code(url, pasted)
        return
    with callback(redirect_url, oauth_requests.query_of(url)["state"], connections.finish) as wait:
        say(f"Sign in in the browser. If it does not open, go to:\n\n{url}\n")
        try:
            webbrowser.open(url)
        except webbrowser.Error:
            say("No browser could be opened.")
        wait(PENDING)


@contextmanager
def callback(redirect_url: str, state: str, finish: Callable[[str], str]) -> Iterator[Callable[[float], str]]:
    """Open the port to which a sign-in returns and yield `wait(seconds)`.

    `wait` returns the name of the new connection. It raises the error of `finish`, or `AuthError` if the browser does
    not return in time. A callback with the `state` of another sign-in gets an error page, and the wait continues. The
    query is never printed or logged, and the page refers to nothing outside itself.
    """
    parts = parts_of(redirect_url)
    port, outcome = parts.port or 80, Future[str]()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            states = parse_qs(query).get("state")
            if path != (parts.path or "/"):
                self._say(404, "There is no page at this address.")
            elif states is None:
                self._say(400, "This sign-in was not started here. Open the URL that the terminal shows.")
            elif states != [state]:
                self._say(400, "This sign-in has expired or was already used. Start it again.")
            elif outcome.done() and outcome.exception() is None:
                self._say(200, "You are already connected.")
            elif outcome.done():
                self._say(400, "The sign-in failed. Start it again.")
            else:
                try:
                    name = finish(query)
                    self._say(200, f"Connected as {name}. You can close this window.")
                    outcome.set_result(name)
                except ConnectorError as error:
                    self._say(400, str(error))
                    outcome.set_exception(error)

        def _say(self, status: int, text: str) -> None:
            content = oauth_requests.page(text).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return  # the request line would show the code

    def wait(seconds: float) -> str:
        try:
            return outcome.result(seconds)
        except TimeoutError:
            what = f"The browser did not return within {seconds / 60:.0f} minutes."
            raise AuthError(what, hint="Sign in again.") from None

    try:
        server = HTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        what = f"{port} cannot be opened ({error.strerror}); end the program that uses it, or choose another port"
        raise wrong("connect", "--port", what) from None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield wait
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _greet(context: Context, name: str, health: Health) -> None:
    if not health.ok and health.error is not None:
        reason = f"{health.error['message']} {health.error['hint'] or ''}".rstrip()
        put(f"Stored {name}, but its first call failed: {reason}")
        return
    owner = " of ".join(part for part in (health.identity, health.account and f"account {health.account}") if part)
    put(f"Connected {name}{f': {owner}' if owner else ''}.")
    if health.missing_scopes:
        count = len(health.missing_scopes)
        gap = f"{count} scope{'s are' if count > 1 else ' is'} missing for some actions"
        put(f"{gap}: see {context.prog} doctor {name}")


def connections(context: Context, arguments: list[str]) -> None:
    """List the stored connections: name, kind, identity, expiry and health."""
    command = parser(context, "connections", connections.__doc__, "connections")
    command.add_argument("--rekey", action="store_true", help="encrypt the whole store again with the newest key")
    chosen = command.parse_args(arguments)
    with context.connections() as (stored, store):
        if chosen.rekey:
            say(f"Encrypted {store.rekey()} entries with the newest key.")
        summaries = stored.list()
    rows = [("NAME", "KIND", "IDENTITY", "TOKEN UNTIL", "HEALTH")]
    states = {"ready": "ready", "due": "ready, renewed at the next call", "dead": "reconnect"}
    for entry in summaries:
        until = "" if entry.expires_at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.expires_at))
        health = states.get(entry.health, "failing") + (f": {entry.why}" if entry.why else "")
        rows.append((entry.name, entry.kind, entry.identity or entry.account or "", until, health))
    if summaries:
        print_table(rows)
    else:
        say(f"No connection is stored. Connect an account: {context.prog} connect")


def disconnect(context: Context, arguments: list[str]) -> None:
    """Revoke a connection's tokens at the vendor and delete the connection."""
    command = parser(context, "disconnect", disconnect.__doc__, "disconnect main")
    command.add_argument("name", metavar="NAME", help="the connection's name")
    command.add_argument("--forget", action="store_true", help="delete it without revoking its tokens")
    chosen = command.parse_args(arguments)
    with context.connections() as (connections, _):
        try:
            revoked = connections.disconnect(chosen.name, revoke=not chosen.forget)
        except (ApiError, TransportError) as error:
            hint = f"Try again, or delete it without revoking: {context.prog} disconnect {chosen.name} --forget"
            raise error.with_message(f"{chosen.name} was not deleted: {error.message}", hint=hint) from None
    put(f"{'Revoked and deleted' if revoked else 'Deleted'} {chosen.name}.")


def scopes(context: Context, arguments: list[str]) -> None:
    """Print the smallest set of scopes that the actions need, for each kind and level of app."""
    command = parser(context, "scopes", scopes.__doc__, f"scopes {context.example.split()[0]}")
    command.add_argument("actions", metavar="ACTION", nargs="*", help="the keys of actions (default: all)")
    connector = context.load(None)
    actions = [connector.action(key) for key in command.parse_args(arguments).actions or connector.actions]
    kinds = dict.fromkeys(kind for action in actions for kind in action.scopes)
    levels = connector.profile.levels or {"app": {}}
    for kind in kinds:
        for level, rule in levels.items():
            needed = smallest(actions, kind, rule)
            put(f"{kind} scopes, {level}:" if connector.profile.levels else f"{kind} scopes:")
            for scope in needed.scopes:
                put(f"  {scope}")
            if needed.impossible:
                put(f"  (not possible: {', '.join(needed.impossible)})")
    if not kinds:
        say("These actions need no scopes.")


def doctor(context: Context, arguments: list[str]) -> int:
    """Check a connection end to end: store, token, network, clock, identity, scopes. Each fault has a remedy."""
    command = parser(context, "doctor", doctor.__doc__, "doctor main")
    command.add_argument("name", metavar="NAME", nargs="?", help="the connection to check (default: the only one)")
    command.add_argument("--action", metavar="ACTION", action="append", default=[], help="check its scopes; repeatable")
    chosen = command.parse_args(arguments)
    has_fault = False
    token = None if chosen.name else context.setting("access_token")
    first = []
    if token is not None:
        says = f"{context.variable('access_token')} is set, so commands use that token unless a connection is named."
        do = f"The checks below use that token. To check a stored connection: {context.prog} doctor main"
        first = [CheckResult("connection", "warning", says, do)]
    with context.connections() as (connections, _):
        terms = {"actions": chosen.action, "base_url": context.setting("base_url")}
        for result in chain(first, examine(connections, chosen.name, token=token, **terms)):
            put(f"{MARKS[result.state]:<5} {result.step:<12} {result.says}")
            if result.do:
                put(f"{'':<18} {result.do}")
            has_fault |= result.state == "fault"
    return 3 if has_fault else 0
