"""OAuth that is carried out: typed functions for platforms that keep connections themselves, and a stored connection.

`connect.app`, `authorize`, `exchange_code`, then `refresh`: store what it gives before you use it.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from .. import transport
from ..client import Client, Grants
from ..definitions.connector import Connector
from ..errors import AuthError, ConnectorError, MissingScope, StoreError
from ..language import datetimes, places
from ..language.conditions import holds, parse
from ..model import Connection, Request, Response
from ..perform import HANDLERS, Handlers, perform
from ..sentences import Sentence
from ..steps import Acquire, Read, Release, Send, Write
from ..stores.store import UNREADABLE, DamagedEntry, Store
from ..structs import shows
from . import oauth_requests
from .oauth_requests import App, ConnectionRecord, Renewal, Tokens, app as app
from .scopes import missing

T = TypeVar("T")
SECONDS = 15.0  # for one phase of a token request
FRESH = 1.0  # seconds for which it is taken to be as it was: each page of a list asks for its token anew
PHASES = 3  # times as long as a phase: a whole token request, which a lease of four outlives
TRIES = 3  # to store a new pair


@shows()
@dataclass(frozen=True, slots=True, repr=False)
class Authorization:
    """A sign-in that was begun: keep `state` and `verifier` until the callback, then use them once."""

    url: str
    state: str
    verifier: str


@shows("ok", "skew")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
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
        """The fields as JSON data."""
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
    request = app.code_request(code, redirect_uri, verifier, seconds)
    return _tokens(app, request, seconds, None, (code, verifier))


def obtain(app: App, scopes: Iterable[str] = (), *, seconds: float = SECONDS) -> Tokens:
    """Tokens for the app itself, where no person signs in; `scopes` as for `authorize`. Raises as `exchange_code`."""
    asked = tuple(scopes)
    return _tokens(app, app.renewal_request(None, seconds, asked), seconds, Tokens(granted={}, scopes=asked))


def refresh(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> Tokens:
    """The tokens that follow these. The old refresh token may be void from now on: store the new one before its use.

    Raises as `exchange_code`; let one process do it at a time.
    """
    if tokens.refresh_token is None and oauth_requests.needs_person(app.kind):
        raise AuthError(Sentence("There is no refresh token."), hint=oauth_requests.SIGN_IN)
    return _tokens(app, app.renewal_request(tokens.refresh_token, seconds, tokens.scopes), seconds, tokens)


def _tokens(app: App, request: Request, seconds: float, old: Tokens | None, sent: Iterable[str] = ()) -> Tokens:
    now = time.time()
    return app.tokens(transport.send(request, PHASES * seconds), now, old, sent)


def revoke(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> None:
    """Have the vendor take the access token back, and with it the refresh token. Does nothing where there is no way."""
    token = tokens.granted.get("access_token")
    if "revoke_url" not in app.oauth or token is None:
        return
    request = app.request({"token": token}, seconds, "revoke_url")
    app.check(transport.send(request, PHASES * seconds), time.time(), tokens.secrets)


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
    lacks = missing(connector, actions, have)
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


def in_own_thread(function: Callable[..., T], /, *given: Any, **more: Any) -> Future[T]:
    """Do what waits for a vendor's token endpoint in a thread of its own.

    So nobody else's waiting is in its way, and neither Ctrl-C nor a cancelled task falls between answer and store.
    """
    threads = ThreadPoolExecutor(1, "vendor")
    try:
        return threads.submit(function, *given, **more)
    finally:
        threads.shutdown(wait=False)


async def shielded(done: asyncio.Future[T]) -> T:
    """What comes of something that happens apart and goes on when whoever waits for it is cancelled."""
    done.add_done_callback(lambda future: future.cancelled() or future.exception())  # nobody may be left to hear it
    return await asyncio.shield(done)


class StoredConnection:
    """A stored connection as a client asks it: called with what the vendor has just rejected, or None.

    It may be used by any number of threads and clients; each process may have its own. What another process has ended,
    deleted or connected anew is noticed within `FRESH` seconds, or at once where somebody asks for its `record`.

    Between the vendor's answer and the store lies the only moment in which a token can be lost; what can fail there is
    tried more than once, and held in memory for as long as the process lives.
    """

    def __init__(self, kind: Connection, name: str, store: Store, key: str, seconds: float, account: str) -> None:
        self.kind, self.name = kind, name
        self.account, self.connection = account, key  # whose limits its calls count against
        self._store, self._key, self._seconds = store, key, seconds
        self._lock = threading.Lock()
        self._seen: tuple[ConnectionRecord, float] | None = None  # what the store held, and when
        self._unsaved: tuple[bytes, int] | None = None  # a new pair that the store has not taken yet

    def __repr__(self) -> str:
        return f"Stored({self.name!r})"

    def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """What the connection gives to requests; renewed if it is due or rejected.

        Raises `AuthError` ("reconnect"), `StoreError`, or `TransportError` if the token endpoint does not answer.
        """
        ready = self.ready(rejected)
        return ready if ready is not None else self.renewal(rejected).result()

    def ready(self, rejected: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """What it gives if neither the store nor the vendor has to be asked, else None."""
        record, at = self._seen or (None, 0.0)
        is_fresh = record is not None and time.monotonic() < at + FRESH and record.serves(rejected, time.time())
        return record.tokens.granted if record is not None and is_fresh else None

    def record(self) -> ConnectionRecord:
        """What the store holds now. Raises `AuthError` if there is nothing, `StoreError`."""
        found = self._read(Read())
        if found is None:
            self._seen = None
            raise oauth_requests.no_connection(self.name)
        return found[0]

    def note(self, error: Mapping[str, Any] | None, **whose: str | None) -> None:
        """Remember as its health the error of a test or call, as `to_dict` gives it, or None for none.

        Nothing is written where nothing has changed, nor for a connection that is gone or damaged.
        """
        seen = error and {word: error.get(word) for word in oauth_requests.SEEN}
        found: dict[str, Any] = {word: value for word, value in whose.items() if value is not None}

        def change(old: bytes | None) -> bytes | None:
            record = ConnectionRecord.read(old or b"")
            if self._seen is not None and self._seen[0].connected_at != record.connected_at:
                return old  # it was connected anew meanwhile, perhaps by another person
            return replace(record, seen=seen, **found).write()

        with suppress(*UNREADABLE):
            self._store.update(self._key, change)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note as its health whether the vendor takes its token for what is called meanwhile."""
        try:
            yield
        except AuthError as error:
            if not isinstance(error, MissingScope):  # of which the vendor knows the token
                with suppress(ConnectorError):
                    self.note(error.to_dict())
            raise
        with suppress(ConnectorError):
            if self.record().is_failing:
                self.note(None)

    def renewal(self, rejected: Mapping[str, str] | None) -> Future[Mapping[str, str]]:
        """What it gives, to come: asked for apart, by one of this process at a time."""
        return in_own_thread(self._renewed, rejected)

    def _renewed(self, rejected: Mapping[str, str] | None) -> Mapping[str, str]:
        with self._lock:
            record = self._renew(rejected)
            self._seen = record, time.monotonic()
        return record.tokens.granted

    def _renew(self, rejected: Mapping[str, str] | None) -> ConnectionRecord:
        if self._unsaved:
            self._save_held()  # if another wrote meanwhile, that counts
        with ExitStack() as stack:

            def acquire(step: Acquire) -> bool:
                lease = self._store.lease(f"lease/{self._key}", 4 * self._seconds)
                return lease is not None and stack.enter_context(lease) is lease

            store: Handlers = {Read: self._read, Write: self._save, Acquire: acquire, Release: lambda _: stack.close()}
            handlers = {**HANDLERS, Send: self._send, **store}
            record: ConnectionRecord
            (record,) = perform(Renewal(self.kind, self.name, rejected, self._seconds).steps(), handlers)
        return record

    def _read(self, step: Read) -> tuple[ConnectionRecord, int] | None:
        try:
            found = self._store.value(self._key, ConnectionRecord.read)
        except DamagedEntry:
            raise unreadable(self.name) from None
        if found is not None:
            self._seen = found[0], time.monotonic()
        return None if found is None else (found[0], found[1].version)

    def _send(self, step: Send) -> Response:
        return transport.send(step.request, PHASES * self._seconds)

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
            in_memory = f"The new token of {self.name} is held in memory until then; let this process run."
            raise StoreError(error.message, hint=f"{error.hint or ''} {in_memory}".strip(), retriable=True) from None

    def _save_held(self) -> int | None:
        version = self._store.put(self._key, *self._unsaved) if self._unsaved else None
        self._unsaved = None
        return version


def unreadable(name: str) -> AuthError:
    """What is raised for a stored connection that is damaged."""
    what = Sentence("The stored connection {name} is damaged.", name=name)
    return AuthError(what, hint=Sentence("Sign in again: reconnect {name}.", name=name))


class AsyncStoredConnection:
    """A stored connection for asyncio: what blocks happens apart, one at a time, also if a task is cancelled.

    Who asks while it happens waits for it as a task and takes up no thread.
    """

    def __init__(self, stored: StoredConnection) -> None:
        self.kind, self.name, self.stored = stored.kind, stored.name, stored
        self.account, self.connection = stored.account, stored.connection
        self._renewal: Future[Mapping[str, str]] | None = None

    def __repr__(self) -> str:
        return f"AsyncStored({self.name!r})"

    async def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        granted = self.stored.ready(rejected)
        is_own = False
        while granted is None or (granted == rejected and not is_own):  # the other's was rejected meanwhile
            is_own = self._renewal is None or self._renewal.done()
            if is_own:
                self._renewal = self.stored.renewal(rejected)
            renewal: Future[Mapping[str, str]] = self._renewal  # type: ignore[assignment]
            try:
                granted = await shielded(asyncio.wrap_future(renewal))
            except ConnectorError as error:  # of several who wait each gets one of its own
                raise copy(error) from None
        return granted
