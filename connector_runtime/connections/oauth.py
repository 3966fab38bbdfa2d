"""OAuth that is carried out: typed functions for platforms that keep connections themselves, and a stored connection.

`connect.app`, `authorize`, `exchange_code`, then `refresh`: store what it gives before you use it.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from .. import transport
from ..client import Client, Grants
from ..definitions.connector import Connector
from ..errors import AuthError, ConnectorError, MissingScope, StoreError
from ..language import datetimes, places
from ..language.conditions import holds, parse
from ..model import Connection, Request
from ..perform import HANDLERS, Handlers, perform
from ..steps import Acquire, Read, Release, Send, Write
from ..stores.store import Store
from . import connect, scopes as scope_sets
from .connect import App, Record, Renewal, Tokens

SECONDS = 15.0  # for one phase of a token request
TRIES = 3  # to store a new pair


@dataclass(frozen=True, slots=True)
class Authorization:
    """A sign-in that was begun: keep `state` and `verifier` until the callback, then use them once."""

    url: str = field(repr=False)
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a test of a connection found.

    `missing_scopes` are those that the actions asked about lack, `skew` the seconds by which this machine's clock is
    ahead of the vendor's, `error` why it is not ok, as `ConnectorError.to_dict` gives it.
    """

    ok: bool
    identity: str | None = None
    account: str | None = None
    user: str | None = None
    skew: float | None = None
    error: Mapping[str, Any] | None = None
    scopes: tuple[str, ...] = ()
    missing_scopes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def authorize(app: App, redirect_uri: str, scopes: Iterable[str] = ()) -> Authorization:
    """Begin a sign-in. Compare the callback's state with `state` before the code is exchanged.

    `scopes` are asked for where the definition says `scope: {from: actions}`; elsewhere the app's own setup counts.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    return Authorization(app.authorize_url(redirect_uri, state, verifier, scopes), state, verifier)


def exchange_code(app: App, code: str, redirect_uri: str, verifier: str, *, seconds: float = SECONDS) -> Tokens:
    """The tokens of an authorization code; `redirect_uri` and `verifier` are those it was asked for with.

    Raises `AuthError` with a remedy if the vendor refuses, `TransportError` if there is no readable answer.
    """
    return _tokens(app, app.code_request(code, redirect_uri, verifier, seconds), None, (code, verifier))


def obtain(app: App, *, seconds: float = SECONDS) -> Tokens:
    """Tokens for the app itself, where no person signs in. Raises as `exchange_code`."""
    return _tokens(app, app.renewal_request(None, seconds))


def refresh(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> Tokens:
    """The tokens that follow these. The old refresh token may be void from now on: store the new one before its use.

    Raises as `exchange_code`; let one process do it at a time.
    """
    if tokens.refresh_token is None and connect.needs_person(app.kind):
        raise AuthError("There is no refresh token.", hint="Sign in again.")
    return _tokens(app, app.renewal_request(tokens.refresh_token, seconds), tokens)


def _tokens(app: App, request: Request, old: Tokens | None = None, sent: Iterable[str] = ()) -> Tokens:
    now = time.time()
    return app.tokens(transport.send(request), now, old, sent)


def revoke(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> None:
    """Have the vendor take the access token back, and with it the refresh token. Does nothing where there is no way."""
    token = tokens.granted.get("access_token")
    if "revoke_url" not in app.oauth or token is None:
        return
    app.check(transport.send(app.request({"token": token}, seconds, "revoke_url")), time.time(), tokens.secrets)


def test(
    connector: Connector,
    app: App,
    granted: Mapping[str, str] | Grants,
    *,
    token_scopes: Iterable[str] = (),
    actions: Iterable[str] = (),
    base_url: str | None = None,
) -> Health:
    """Call the connection's test action and say whose connection it is; never raises for what the vendor says.

    `granted` is what the connection gives to requests, or a function that gives it; `token_scopes` are `Tokens.scopes`;
    `actions` are those whose scopes are looked for, all if none is named.
    """
    have = tuple(token_scopes)
    lacks = scope_sets.missing(connector, actions, have)
    about = app.kind.test
    found = Health(ok=True, scopes=have, missing_scopes=tuple(sorted({*chain.from_iterable(lacks.values())})))
    if about is None:
        return found
    try:
        with Client(connector, base_url=base_url, connection=granted) as client:
            result = client.run(about["action"], about.get("with", {}), limit=1)
    except ConnectorError as error:  # a vendor that misses a scope knows the token, which was the question
        return replace(found, ok=isinstance(error, MissingScope), error=error.to_dict())
    answer = places.Answer(result.status, result.headers, result.data)
    theirs = datetimes.http_date(result.headers.get("date"))
    skew = None if theirs is None else time.time() - theirs.timestamp()
    hints = [hint for hint in about.get("hints", ()) if holds(parse(hint["when"]), partial(places.look, answer=answer))]
    whose: dict[str, Any] = {}
    for word in ("identity", "account", "user"):
        source = about.get(word, "")
        place, _, name = source.partition(".")
        value = app.values.get(name) if place == "input" else places.look(source, answer) if source else None
        whose[word] = None if value is None else places.text_of(value)
    return replace(found, **whose, hints=tuple(hint["says"] for hint in hints), skew=skew)


class Stored:
    """A stored connection as a client asks it: called with what the vendor has just rejected, or None.

    It may be used by any number of threads and clients; each process may have its own. Between the vendor's answer and
    the store lies the only moment in which a token can be lost; what can fail there is tried more than once, and held
    in memory for as long as the process lives.
    """

    def __init__(self, kind: Connection, name: str, store: Store, key: str, seconds: float, account: str) -> None:
        self.kind, self.name = kind, name
        self.account, self.connection = account, key  # whose limits its calls count against
        self._store, self._key, self._seconds = store, key, seconds
        self._lock = threading.Lock()
        self._record: Record | None = None
        self._unsaved: tuple[bytes, int] | None = None  # a new pair that the store has not taken yet

    def __repr__(self) -> str:
        return f"Stored({self.name!r})"

    def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """What the connection gives to requests; renewed if it is due or rejected.

        Raises `AuthError` ("reconnect"), `StoreError`, or `TransportError` if the token endpoint does not answer.
        """
        ready = self.ready(rejected)
        if ready is not None:
            return ready
        with self._lock, ThreadPoolExecutor(1) as apart:  # apart: Ctrl-C must not fall between answer and store
            record = self._record = apart.submit(self._renew, rejected).result()
        return record.tokens.granted

    def ready(self, rejected: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """What it gives if nothing has to be asked for, else None."""
        record = self._record
        return record.tokens.granted if record is not None and record.serves(rejected, time.time()) else None

    def _renew(self, rejected: Mapping[str, str] | None) -> Record:
        if self._unsaved:
            self._save_held()  # if another wrote meanwhile, that counts
        with ExitStack() as held:

            def acquire(step: Acquire) -> bool:
                lease = self._store.lease(f"lease/{self._key}", 4 * self._seconds)
                return lease is not None and held.enter_context(lease) is lease

            store: Handlers = {Read: self._read, Write: self._save, Acquire: acquire, Release: lambda _: held.close()}
            handlers = {**HANDLERS, Send: lambda step: transport.send(step.request), **store}
            record: Record
            (record,) = perform(Renewal(self.kind, self.name, rejected, self._seconds).steps(), handlers)
        return record

    def _read(self, step: Read) -> tuple[Record, int] | None:
        entry = self._store.read(self._key)
        return None if entry is None else (Record.read(entry.value), entry.version)

    def _save(self, step: Write) -> int | None:
        """Store a new pair, trying more than once: what it replaces is void."""
        self._unsaved = (step.value.write(), step.version)
        for _ in range(TRIES - 1):
            with suppress(StoreError):
                return self._save_held()
            time.sleep(0.2)
        try:
            return self._save_held()
        except StoreError as error:
            held = f"The new token of {self.name} is held in memory until then; let this process run."
            raise StoreError(error.message, hint=f"{error.hint or ''} {held}".strip(), retriable=True) from None

    def _save_held(self) -> int | None:
        version = self._store.put(self._key, *self._unsaved) if self._unsaved else None
        self._unsaved = None
        return version


class AsyncStored:
    """The same for asyncio: what blocks happens in a thread, and is carried through if the task is cancelled."""

    def __init__(self, stored: Stored) -> None:
        self.kind, self.name, self._stored = stored.kind, stored.name, stored
        self.account, self.connection = stored.account, stored.connection

    def __repr__(self) -> str:
        return f"AsyncStored({self.name!r})"

    async def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        ready = self._stored.ready(rejected)
        return ready if ready is not None else await asyncio.to_thread(self._stored, rejected)
