"""OAuth over the network: functions for platforms that store connections themselves, and the stored connection.

Call `app`, `authorize` and `exchange_code`, later `refresh`; store its tokens before you use them.
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
FRESH = 1.0  # seconds for which a record is not read again: each page of a list asks for the token
PHASES = 3  # at most in a token request; its lease lasts four
TRIES = 3  # to store a new pair


@shows()
@dataclass(frozen=True, slots=True, repr=False)
class Authorization:
    """A sign-in under way: keep `state` and `verifier` until the callback, then use them once."""

    url: str
    state: str
    verifier: str


@shows("ok", "skew")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Health:
    """The result of testing a connection.

    `missing_scopes` are those that the actions in question lack, `skew` is how many seconds this machine's clock is
    ahead of the vendor's, `error` is the failure as from `ConnectorError.to_dict`; a missing scope leaves `ok` true.
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

    `scopes` are asked for if the definition says `scope: {from: actions}`; otherwise the app's own setup decides.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    return Authorization(app.authorize_url(redirect_uri, state, verifier, scopes), state, verifier)


def exchange_code(app: App, code: str, redirect_uri: str, verifier: str, *, seconds: float = SECONDS) -> Tokens:
    """Exchange an authorization code for tokens; `redirect_uri` and `verifier` are those of its sign-in.

    Raises `AuthError` with a remedy if the vendor refuses, `TransportError` without a readable answer.
    """
    request = app.code_request(code, redirect_uri, verifier, seconds)
    return _tokens(app, request, seconds, None, (code, verifier))


def obtain(app: App, scopes: Iterable[str] = (), *, seconds: float = SECONDS) -> Tokens:
    """Obtain tokens for an app without a sign-in. `scopes` are as for `authorize`, errors as for `exchange_code`."""
    scopes = tuple(scopes)
    return _tokens(app, app.renewal_request(None, seconds, scopes), seconds, Tokens(granted={}, scopes=scopes))


def refresh(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> Tokens:
    """Renew tokens. The old refresh token may become invalid, so store the new tokens before you use them.

    Let one process at a time do this. Raises as `exchange_code` does.
    """
    if tokens.refresh_token is None and oauth_requests.needs_person(app.kind):
        raise AuthError(Sentence("There is no refresh token."), hint=oauth_requests.SIGN_IN)
    return _tokens(app, app.renewal_request(tokens.refresh_token, seconds, tokens.scopes), seconds, tokens)


def _tokens(app: App, request: Request, seconds: float, old: Tokens | None, sent: Iterable[str] = ()) -> Tokens:
    now = time.time()
    return app.tokens(transport.send(request, PHASES * seconds), now, old, sent)


def revoke(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> None:
    """Revoke the access token and with it the refresh token; does nothing if the vendor has no address for that."""
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
    """Call the connection's test action, and return its health and owner; does not raise if the vendor refuses.

    `granted` are the connection's credentials, or a function that returns them; `token_scopes` are `Tokens.scopes`;
    `actions` (default: all) are those whose scopes are checked.
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
    """Run a function that waits for a vendor's token endpoint in a thread of its own.

    It does not queue behind other waits, and Ctrl-C or a cancelled task cannot interrupt it between answer and store.
    """
    threads = ThreadPoolExecutor(1, "vendor")
    try:
        return threads.submit(function, *arguments, **options)
    finally:
        threads.shutdown(wait=False)


async def shielded(future: asyncio.Future[T]) -> T:
    """Await a future that continues even if the waiting task is cancelled."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps no task is left to look
    return await asyncio.shield(future)


class StoredConnection:
    """A stored connection as clients use it: call it with the credentials that the vendor has just rejected, or None.

    Any number of threads and clients may share it; each process may have its own. If another process ends, deletes or
    reconnects the connection, that takes effect within `FRESH` seconds, or at once through `record`.

    Tokens can be lost only between the vendor's answer and the store. Storing them is therefore tried more than once,
    and until it succeeds they stay in memory.
    """

    def __init__(self, kind: Connection, name: str, store: Store, key: str, seconds: float, account: str) -> None:
        self.kind, self.name = kind, name
        self.account, self.connection = account, key  # whose limits its calls count against
        self._store, self._key, self._seconds = store, key, seconds
        self._lock = threading.Lock()
        self._seen: tuple[ConnectionRecord, float] | None = None  # the stored record, and when it was read
        self._unsaved: tuple[bytes, int] | None = None  # a new pair that is not yet stored

    def __repr__(self) -> str:
        return f"Stored({self.name!r})"

    def __call__(self, rejected: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """Return the credentials for requests, renewed if they are due or rejected.

        Raises `AuthError` ("reconnect"), `StoreError`, or `TransportError` if the token endpoint does not answer.
        """
        granted = self.ready(rejected)
        return granted if granted is not None else self.renewal(rejected).result()

    def ready(self, rejected: Mapping[str, str] | None) -> Mapping[str, str] | None:
        """Return the credentials if neither the store nor the vendor has to be asked, else None."""
        record, at = self._seen or (None, 0.0)
        is_fresh = record is not None and time.monotonic() < at + FRESH and record.serves(rejected, time.time())
        return record.tokens.granted if record is not None and is_fresh else None

    def record(self) -> ConnectionRecord:
        """Return the record that is stored now. Raises `AuthError` if it is gone, and `StoreError`."""
        row = self._read(Read())
        if row is None:
            self._seen = None
            raise oauth_requests.no_connection(self.name)
        return row[0]

    def note(self, error: Mapping[str, Any] | None, **owner: str | None) -> None:
        """Store the connection's health: the error of a test or call, as from `to_dict`, or None after a success.

        Writes nothing if nothing has changed, or if the connection is gone or damaged.
        """
        seen = error and {word: error.get(word) for word in oauth_requests.SEEN}
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
        """Store as health whether the vendor accepts the token in the calls of the block."""
        try:
            yield
        except AuthError as error:
            if not isinstance(error, MissingScope):  # then the vendor has accepted the token
                with suppress(ConnectorError):
                    self.note(error.to_dict())
            raise
        with suppress(ConnectorError):
            if self.record().is_failing:
                self.note(None)

    def renewal(self, rejected: Mapping[str, str] | None) -> Future[Mapping[str, str]]:
        """Return the renewed credentials as a future; one renewal at a time runs in this process."""
        return in_own_thread(self._renew, rejected)

    def _renew(self, rejected: Mapping[str, str] | None) -> Mapping[str, str]:
        with self._lock:
            record = self._perform(rejected)
            self._seen = record, time.monotonic()
        return record.tokens.granted

    def _perform(self, rejected: Mapping[str, str] | None) -> ConnectionRecord:
        if self._unsaved:
            self._put_unsaved()  # if another process wrote meanwhile, its pair counts
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
            row = self._store.value(self._key, ConnectionRecord.read)
        except DamagedEntry:
            raise unreadable(self.name) from None
        if row is not None:
            self._seen = row[0], time.monotonic()
        return None if row is None else (row[0], row[1].version)

    def _send(self, step: Send) -> Response:
        return transport.send(step.request, PHASES * self._seconds)

    def _save(self, step: Write) -> int | None:
        """Store a new pair, trying more than once, because the old pair is invalid."""
        self._unsaved = (step.value.write(), step.version)
        for _ in range(TRIES - 1):
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


def unreadable(name: str) -> AuthError:
    """Return the error for a stored connection that is damaged."""
    what = Sentence("The stored connection {name} is damaged.", name=name)
    return AuthError(what, hint=Sentence("Sign in again: reconnect {name}.", name=name))


class AsyncStoredConnection:
    """A `StoredConnection` for asyncio: renewals run in a thread, one at a time, and complete if a task is cancelled.

    Tasks that need the token meanwhile await the same renewal and occupy no thread.
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
