"""OAuth over the network: functions for platforms that store tokens themselves, and stored connections.

Call `app`, `authorize` and `exchange_code`, and later `refresh`. Store refreshed tokens before you use them.
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
from ..stores.store import UNREADABLE, DamagedEntry, Entry, Store
from ..structs import Struct, shows
from . import oauth_requests
from .oauth_requests import App, ConnectionRecord, Renewal, Tokens, app as app
from .scopes import missing

T = TypeVar("T")
SECONDS = 15.0  # for one phase of a token request
RECORD_TTL = 1.0  # seconds for which a record is cached, because each page of a list needs the token
REQUEST_PHASES = 3  # of a token request, at most; a renewal's lease lasts four
WRITE_ATTEMPTS = 3  # for a new pair of tokens


class Authorization(Struct):
    """A sign-in that has begun. Keep `state` and `verifier` until the callback, and use them only once."""

    url: str
    state: str
    verifier: str


@shows("ok", "skew")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Health:
    """The result of testing a connection.

    `missing_scopes` are the scopes that the tested actions lack. `skew` is the number of seconds by which our clock is
    ahead of the vendor's. `error` is a `ConnectorError.to_dict`; `ok` stays true if only a scope is missing.
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
        """Return the fields as JSON data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def authorize(app: App, redirect_uri: str, scopes: Iterable[str] = ()) -> Authorization:
    """Begin a sign-in. Compare the callback's state with `state` before you exchange the code.

    `scopes` are requested if the definition has `scope: {from: actions}`; otherwise the app's setup decides.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    return Authorization(app.authorize_url(redirect_uri, state, verifier, scopes), state, verifier)


def exchange_code(app: App, code: str, redirect_uri: str, verifier: str, *, seconds: float = SECONDS) -> Tokens:
    """Exchange an authorization code for tokens, with the `redirect_uri` and `verifier` of its sign-in.

    Raises `AuthError` with a remedy if the vendor refuses, and `TransportError` if no readable response arrives.
    """
    return _tokens(app, app.code_request(code, redirect_uri, verifier, seconds), seconds, None, (code, verifier))


def obtain(app: App, scopes: Iterable[str] = (), *, seconds: float = SECONDS) -> Tokens:
    """Obtain tokens for an app without a sign-in. For `scopes`, see `authorize`. Raises as `exchange_code` does."""
    scopes = tuple(scopes)
    return _tokens(app, app.renewal_request(None, seconds, scopes), seconds, Tokens(granted={}, scopes=scopes))


def refresh(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> Tokens:
    """Renew tokens; only one process may do this at a time. Raises as `exchange_code` does.

    The old refresh token may become invalid, so store the new tokens before you use them.
    """
    if tokens.refresh_token is None and oauth_requests.needs_person(app.kind):
        raise AuthError(Sentence("There is no refresh token."), hint=oauth_requests.SIGN_IN)
    return _tokens(app, app.renewal_request(tokens.refresh_token, seconds, tokens.scopes), seconds, tokens)


def _tokens(app: App, request: Request, seconds: float, old: Tokens | None, sent: Iterable[str] = ()) -> Tokens:
    now = time.time()
    return app.tokens(transport.send(request, REQUEST_PHASES * seconds), now, old, sent)


def revoke(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> None:
    """Revoke the access token, and with it the refresh token, if the definition has a `revoke_url`."""
    token = tokens.granted.get("access_token")
    if "revoke_url" not in app.oauth or token is None:
        return
    request = app.request({"token": token}, seconds, "revoke_url")
    app.check(transport.send(request, REQUEST_PHASES * seconds), time.time(), tokens.secrets)


def test(
    connector: Connector,
    app: App,
    granted: Mapping[str, str] | Grants,
    *,
    token_scopes: Iterable[str] = (),
    actions: Iterable[str] = (),
    base_url: str | None = None,
) -> Health:
    """Call the connection's test action, and return its health and owner. A refusal is part of the health.

    `granted` are the connection's credentials, or a function that returns them. `token_scopes` are `Tokens.scopes`.
    `actions` (default: all) are the actions whose scopes are checked.
    """
    scopes = tuple(token_scopes)
    missing_by_action = missing(connector, actions, scopes)
    definition = app.kind.test
    missing_scopes = tuple(sorted({*chain.from_iterable(missing_by_action.values())}))
    health = Health(ok=True, scopes=scopes, missing_scopes=missing_scopes)
    if definition is None:
        return health
    try:
        with Client(connector, base_url=base_url, connection=granted) as client:
            result = client.run(definition["action"], definition.get("with", {}), limit=1)
    except ConnectorError as error:  # if only a scope is missing, the vendor has accepted the token
        return replace(health, ok=isinstance(error, MissingScope), error=error.to_dict())
    answer = places.Answer(result.status, result.headers, result.data)
    vendor_time = datetimes.http_date(result.headers.get("date"))
    skew = None if vendor_time is None else time.time() - vendor_time.timestamp()
    look = partial(places.look, answer=answer)
    hints = [hint for hint in definition.get("hints", ()) if holds(parse(hint["when"]), look)]
    owner: dict[str, Any] = {}
    for word in ("identity", "account", "user"):
        source = definition.get(word, "")
        place, _, name = source.partition(".")
        value = app.values.get(name) if place == "input" else look(source) if source else None
        owner[word] = None if value is None else places.text_of(value)
    return replace(health, **owner, hints=tuple(hint["says"] for hint in hints), skew=skew)


def in_own_thread(function: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
    """Run a function that calls a token endpoint in its own thread.

    It does not wait for other calls, and neither Ctrl-C nor cancellation can interrupt it before the tokens are stored.
    """
    threads = ThreadPoolExecutor(1, "vendor")
    try:
        return threads.submit(function, *arguments, **options)
    finally:
        threads.shutdown(wait=False)


async def shielded(future: asyncio.Future[T]) -> T:
    """Await a future that continues even if the waiting task is cancelled."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # there may be no task left to read it
    return await asyncio.shield(future)


class StoredConnection:
    """A stored connection for clients. Call it with the credentials that the vendor has just rejected, or with None.

    Threads and clients may share it, and every process may open it. If another process ends, deletes or reconnects the
    connection, the change takes effect within `RECORD_TTL` seconds, or immediately after `record`.

    Tokens can be lost only between the vendor's response and the store, so storing is retried and the tokens stay in
    memory until it succeeds.
    """

    def __init__(self, kind: Connection, name: str, store: Store, key: str, seconds: float, account: str) -> None:
        self.kind, self.name = kind, name
        self.account, self.connection = account, key  # for the pacing of its calls
        self._store, self._key, self._seconds = store, key, seconds
        self._lock = threading.Lock()
        self._seen: tuple[ConnectionRecord, float] | None = None  # the stored record, and when it was read
        self._unsaved: tuple[bytes, int] | None = None  # a new pair that is not yet stored

    def __repr__(self) -> str:
        return f"Stored({self.name!r})"

    def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Return the credentials, renewed if due or rejected. Raises `AuthError`, `StoreError` or `TransportError`."""
        granted = self.ready(rejected)
        return granted if granted is not None else self.renewal(rejected).result()

    def ready(self, rejected: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """Return the credentials if they need no request to the store or the vendor, otherwise None."""
        record, at = self._seen or (None, 0.0)
        is_fresh = record is not None and time.monotonic() < at + RECORD_TTL and record.serves(rejected, time.time())
        return record.tokens.granted if record is not None and is_fresh else None

    def record(self) -> ConnectionRecord:
        """Read the record from the store. Raises `AuthError` if it is gone, and `StoreError`."""
        row = self._read(Read())
        if row is None:
            self._seen = None
            raise oauth_requests.no_connection(self.name)
        return row[0]

    def note(self, error: Mapping[str, Any] | None, **owner: str | None) -> None:
        """Store the health: the `to_dict` of a test's or call's error, or None. Ignores a missing or damaged record."""
        seen = error and {word: error.get(word) for word in oauth_requests.ERROR_FIELDS}
        fields: dict[str, Any] = {word: value for word, value in owner.items() if value is not None}

        def change(old: bytes | None) -> bytes | None:
            record = ConnectionRecord.read(old or b"")
            if self._seen is not None and self._seen[0].connected_at != record.connected_at:
                return old  # it was reconnected meanwhile, perhaps by another person
            return replace(record, seen=seen, **fields).write()

        with suppress(*UNREADABLE):
            self._store.update(self._key, change)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Record in the health whether the vendor accepts the token during the block."""
        try:
            yield
        except AuthError as error:
            if not isinstance(error, MissingScope):  # a missing scope means that the token was accepted
                with suppress(ConnectorError):
                    self.note(error.to_dict())
            raise
        with suppress(ConnectorError):
            if self.record().is_failing:
                self.note(None)

    def renewal(self, rejected: Mapping[str, str] | None) -> Future[Mapping[str, str]]:
        """Return a future of the renewed credentials. This process runs one renewal at a time."""
        return in_own_thread(self._renew, rejected)

    def _renew(self, rejected: Mapping[str, str] | None) -> Mapping[str, str]:
        record: ConnectionRecord
        with self._lock, ExitStack() as stack:
            self._put_unsaved()  # writes nothing if another process has written meanwhile

            def acquire(step: Acquire) -> bool:
                lease = self._store.lease(f"lease/{self._key}", 4 * self._seconds)
                return lease is not None and stack.enter_context(lease) is lease

            def send(step: Send) -> Response:
                return transport.send(step.request, REQUEST_PHASES * self._seconds)

            store: Handlers = {Read: self._read, Write: self._save, Acquire: acquire, Release: lambda _: stack.close()}
            renewal = Renewal(self.kind, self.name, rejected, self._seconds)
            (record,) = perform(renewal.steps(), {**HANDLERS, Send: send, **store})
            self._seen = record, time.monotonic()
        return record.tokens.granted

    def _read(self, step: Read) -> tuple[ConnectionRecord, int] | None:
        row = stored_record(self._store, self._key, self.name)
        if row is None:
            return None
        self._seen = row[0], time.monotonic()
        return row[0], row[1].version

    def _save(self, step: Write) -> int | None:
        """Store a new pair of tokens, with retries, because the old pair is invalid."""
        self._unsaved = (step.value.write(), step.version)
        for _ in range(WRITE_ATTEMPTS - 1):
            with suppress(StoreError):
                return self._put_unsaved()
            time.sleep(0.2)
        try:
            return self._put_unsaved()
        except StoreError as error:
            in_memory = f"The new token of {self.name} stays in memory until then; keep this process running."
            raise StoreError(error.message, hint=f"{error.hint or ''} {in_memory}".strip(), retriable=True) from None

    def _put_unsaved(self) -> int | None:
        version = self._store.put(self._key, *self._unsaved) if self._unsaved else None
        self._unsaved = None
        return version


def stored_record(store: Store, key: str, name: str) -> tuple[ConnectionRecord, Entry] | None:
    """Return the record and entry of a connection; None if there is none. Raises `AuthError` if it is damaged."""
    try:
        return store.value(key, ConnectionRecord.read)
    except DamagedEntry:
        what = Sentence("The stored connection {name} is damaged.", name=name)
        raise AuthError(what, hint=Sentence("Sign in again: reconnect {name}.", name=name)) from None


class AsyncStoredConnection:
    """A `StoredConnection` for asyncio. Tasks share one renewal, which runs in a thread and survives cancellation."""

    def __init__(self, stored: StoredConnection) -> None:
        self.kind, self.name, self.stored = stored.kind, stored.name, stored
        self.account, self.connection = stored.account, stored.connection
        self._renewal: Future[Mapping[str, str]] | None = None

    def __repr__(self) -> str:
        return f"AsyncStored({self.name!r})"

    async def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        granted = self.stored.ready(rejected)
        is_own = False
        while granted is None or (granted == rejected and not is_own):  # another task's result was rejected
            is_own = self._renewal is None or self._renewal.done()
            if is_own:
                self._renewal = self.stored.renewal(rejected)
            renewal: Future[Mapping[str, str]] = self._renewal  # type: ignore[assignment]
            try:
                granted = await shielded(asyncio.wrap_future(renewal))
            except ConnectorError as error:  # each waiting task raises its own copy
                raise copy(error) from None
        return granted
