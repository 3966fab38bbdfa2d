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
from ..errors import AuthError, ConnectorError, TransportError
from ..language.hosts import parts as parts_of
from ..model import Connection
from .context import Context, draw, print_table, put, say, wrong
from .options import parser

PORT = 8765
MARKS = {"ok": "ok", "warning": "!!", "fault": "FAULT"}


def connect(context: Context, arguments: list[str]) -> int:
    """Connect an account and store the connection."""
    kinds = context.load(None).connections
    asked = parser(context, "connect", connect.__doc__, f"connect {next(iter(kinds), '')}")
    asked.add_argument("kind", metavar="KIND", nargs="?", help=f"one of {', '.join(kinds)}; the first if left out")
    asked.add_argument("--name", metavar="NAME", default="main", help="the connection's name (main)")
    asked.add_argument("--port", metavar="N", type=int, default=PORT, help=f"where the browser comes back to ({PORT})")
    asked.add_argument("--redirect-url", metavar="URL", help="the app's redirect URL, if it is not on that port")
    asked.add_argument("--no-browser", action="store_true", help="print the address and take the code that it leads to")
    asked.add_argument("--oauth-url", metavar="URL", help="where OAuth lives, if not at the vendor's usual place")
    names = {row.key: row for kind in [*kinds.values()][::-1] for row in kind.inputs}
    for row in names.values():
        if row.type != "secret":
            asked.add_argument(f"--{row.key.replace('_', '-')}", dest=f"={row.key}", metavar="TEXT", help=row.label)
    variables = ", ".join(sorted(context.variable(name) for name in names))
    asked.epilog = f"{asked.epilog}\n\nWhat is not given is taken from {variables}, or asked for."
    chosen = asked.parse_args(arguments)
    key = chosen.kind or next(iter(kinds), "")
    if key not in kinds:
        raise wrong("connect", "KIND", f"is {key!r}; known: {', '.join(kinds)}")
    kind = kinds[key]
    values = _values(context, kind, chosen)
    origin = chosen.oauth_url or context.setting("oauth_url")
    with context.connections() as (known, _):
        if oauth_requests.needs_person(kind):
            _sign_in(known, key, values, origin, chosen)
        else:
            known.add(key, values, name=chosen.name, origin=origin)
        health = known.test(chosen.name, base_url=context.setting("base_url"))
        _greet(context, chosen.name, health)
    return 0 if health.ok else 3


def _values(context: Context, kind: Connection, chosen: Namespace) -> dict[str, str]:
    """What the person gives: by option, in the environment, or when asked; no secret by option, which all can see."""
    values = {}
    for row in kind.inputs:
        given = getattr(chosen, f"={row.key}", None) or context.setting(row.key)
        if given is None and row.required is not None:
            if not sys.stdin.isatty():
                given = sys.stdin.readline().strip()
            elif row.type == "secret":
                given = getpass.getpass(f"{row.label}: ")
            else:
                draw(f"{row.label}: ")
                given = input().strip()
        if given is not None:
            values[row.key] = given
    return values


def _sign_in(known: Connections, key: str, values: dict[str, str], origin: str | None, chosen: Namespace) -> None:
    redirect_url = chosen.redirect_url or f"http://127.0.0.1:{chosen.port}/callback"
    back = parts_of(redirect_url)
    if "://" in redirect_url and not back.hostname:
        raise wrong("connect", "--redirect-url", f"{redirect_url!r} is no address that a browser could come back to")
    url = known.begin(key, values, redirect_url, name=chosen.name, origin=origin)
    say(f"The app's redirect URL must be: {redirect_url}")
    if chosen.no_browser or back.scheme != "http" or back.hostname not in ("127.0.0.1", "localhost"):
        say(f"Sign in at:\n\n{url}\n")
        say("Then paste the address that the browser ended at, or the code in it:")
        pasted = sys.stdin.readline().strip()
        if not pasted:
            raise AuthError("No code was given.", hint="Sign in again.")
        if "=" in pasted or "://" in pasted:
            known.finish(pasted)
        else:
            known.finish_code(url, pasted)
        return
    with callback(redirect_url, oauth_requests.query_of(url)["state"], known.finish) as wait:
        say(f"Sign in in the browser. If none opens, go to:\n\n{url}\n")
        try:
            webbrowser.open(url)
        except webbrowser.Error:
            say("There is no browser that could be opened.")
        wait(PENDING)


@contextmanager
def callback(redirect_url: str, state: str, finish: Callable[[str], str]) -> Iterator[Callable[[float], str]]:
    """Open the port on which one sign-in comes back, and give what waits for it, for so many seconds.

    That returns the name of the connection that was made, and raises what went wrong, or `AuthError` when nobody came
    back. `state` is the sign-in's; a callback with another is told so in the browser and does not end the wait. What
    the browser brings is never printed or logged, and the page it gets refers to nothing outside itself.
    """
    parts = parts_of(redirect_url)
    port, outcome = parts.port or 80, Future[str]()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            states = parse_qs(query).get("state")
            if path != (parts.path or "/"):
                self._say(404, "Nothing is waited for here.")
            elif states is None:
                self._say(400, "This sign-in was not begun here. Go to the address that the terminal shows.")
            elif states != [state]:
                self._say(400, "This belongs to no sign-in begun here, or to one that is over. Begin again.")
            elif outcome.done():
                again = outcome.exception() is not None
                self._say(400 if again else 200, "It failed; begin again." if again else "You are connected already.")
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
        said = f"{health.error['message']} {health.error['hint'] or ''}".rstrip()
        put(f"Stored {name}, but its first call failed: {said}")
        return
    whose = " of ".join(part for part in (health.identity, health.account and f"account {health.account}") if part)
    put(f"Connected {name}{f': {whose}' if whose else ''}.")
    if health.missing_scopes:
        count = len(health.missing_scopes)
        some = f"{count} scope{'s are' if count > 1 else ' is'} missing for some actions"
        put(f"{some}: see {context.prog} doctor {name}")


def connections(context: Context, arguments: list[str]) -> None:
    """List the stored connections."""
    asked = parser(context, "connections", connections.__doc__, "connections")
    asked.add_argument("--rekey", action="store_true", help="encrypt everything in the store anew with the newest key")
    chosen = asked.parse_args(arguments)
    with context.connections() as (known, store):
        if chosen.rekey:
            say(f"{store.rekey()} entries are encrypted with the newest key.")
        found = known.list()
    rows = [("NAME", "KIND", "IDENTITY", "TOKEN UNTIL", "HEALTH")]
    for entry in found:
        until = "" if entry.expires_at is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.expires_at))
        said = {"ready": "ready", "due": "ready, renewed at its next call", "dead": "reconnect"}.get(
            entry.health, "failing"
        )
        said = f"{said}: {entry.why}" if entry.why else said
        rows.append((entry.name, entry.kind, entry.identity or entry.account or "", until, said))
    if found:
        print_table(rows)
    else:
        say(f"There is none. Make one: {context.prog} connect")


def disconnect(context: Context, arguments: list[str]) -> None:
    """Have the vendor take the tokens back, and forget the connection."""
    asked = parser(context, "disconnect", disconnect.__doc__, "disconnect main")
    asked.add_argument("name", metavar="NAME", help="the connection's name")
    asked.add_argument("--forget", action="store_true", help="forget it without asking the vendor")
    chosen = asked.parse_args(arguments)
    with context.connections() as (known, _):
        try:
            revoked = known.disconnect(chosen.name, revoke=not chosen.forget)
        except TransportError as error:
            how = f"Try again, or only forget it: {context.prog} disconnect {chosen.name} --forget"
            raise TransportError(f"{chosen.name} is kept: {error.message}", hint=how, status=error.status) from None
    put(f"{'Revoked and forgot' if revoked else 'Forgot'} {chosen.name}.")


def scopes(context: Context, arguments: list[str]) -> None:
    """Print the smallest set of scopes for the actions named, or for all."""
    asked = parser(context, "scopes", scopes.__doc__, f"scopes {context.example.split()[0]}")
    asked.add_argument("actions", metavar="ACTION", nargs="*", help=f"keys from `{context.prog} list`")
    connector = context.load(None)
    actions = [connector.action(key) for key in asked.parse_args(arguments).actions or connector.actions]
    kinds = dict.fromkeys(kind for action in actions for kind in action.scopes)
    levels = connector.profile.levels or {"app": {}}
    for kind in kinds:
        for level, rule in levels.items():
            found = smallest(actions, kind, rule)
            put(f"{kind} scopes, {level}:" if connector.profile.levels else f"{kind} scopes:")
            for scope in found.scopes:
                put(f"  {scope}")
            if found.impossible:
                put(f"  (not possible: {', '.join(found.impossible)})")
    if not kinds:
        say("These actions need no scopes.")


def doctor(context: Context, arguments: list[str]) -> int:
    """Check a connection end to end and say what to do."""
    asked = parser(context, "doctor", doctor.__doc__, "doctor main")
    asked.add_argument("name", metavar="NAME", nargs="?", help="the connection's name, if there are several")
    only = "look for its scopes only; repeatable"
    asked.add_argument("--action", metavar="ACTION", action="append", default=[], help=only)
    chosen = asked.parse_args(arguments)
    worst = "ok"
    token = None if chosen.name else context.setting("access_token")
    first = []
    if token is not None:
        says = f"{context.variable('access_token')} is set: commands that name no connection go with that token."
        do = f"What follows is about it; to look at a stored connection, name it: {context.prog} doctor main"
        first = [CheckResult("connection", "warning", says, do)]
    with context.connections() as (known, _):
        about = {"actions": chosen.action, "base_url": context.setting("base_url")}
        for found in chain(first, examine(known, chosen.name, token=token, **about)):
            put(f"{MARKS[found.state]:<5} {found.step:<12} {found.says}")
            if found.do:
                put(f"{'':<18} {found.do}")
            worst = "fault" if "fault" in (worst, found.state) else worst
    return 3 if worst == "fault" else 0
