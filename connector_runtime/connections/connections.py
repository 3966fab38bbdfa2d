"""The stored connections of one tenant: made, listed, tested, examined, ended, and as what a client asks for tokens.

A connection lies in the store under its tenant and name; an object made for one tenant never reads another's entries.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ..calls.credentials import connection_of
from ..definitions.connector import Connector
from ..errors import AuthError, ConnectorError, InputError, Problem
from ..language import json_text
from ..language.schema_faults import nearest
from ..model import Connection
from ..sentences import Sentence
from ..stores.store import DamagedEntry, Store, key_part
from ..structs import shows
from . import oauth, oauth_requests, scopes
from .oauth import AsyncStoredConnection, Health, StoredConnection
from .oauth_requests import App, ConnectionRecord, Tokens

PENDING = 600.0  # seconds that a sign-in may take
WAITING: Any = {"name": str, "kind": str, "values": dict, "origin": str | None, "redirect_uri": str, "verifier": str}
SKEW = 30.0  # seconds between our clock and the vendor's that are worth a word


class AlreadyConnected(AuthError):
    """A callback that came again, of a sign-in that made the connection `name`."""

    def __init__(self, name: str) -> None:
        what = Sentence("Already connected as {name}.", name=name)
        super().__init__(what, hint=Sentence("There is nothing left to do for this sign-in."))
        self.name = name


class PendingSignIns:
    """The pending sign-ins below one prefix of a store. A state is a secret, so the store knows only its digest.

    `fields` are the names and types of what is kept of each.
    """

    def __init__(self, store: Store, prefix: str, **fields: Any) -> None:
        self._store, self._prefix, self._fields = store, prefix, fields

    def add(self, state: str, what: Mapping[str, Any]) -> None:
        """Keep `what`, which is JSON data, for ten minutes; what was not taken by then is deleted."""
        now = time.time()
        for key, waiting, entry in self._store.rows(self._prefix, self._read, limit=100):  # however many there are
            if waiting["until"] < now:
                self._store.remove(key, entry)
        self._store.put(self._prefix + digest(state), json_text.write({**what, "until": now + PENDING}), None)

    def take(self, state: str) -> dict[str, Any]:
        """What waits for a state, which is used up by this.

        Raises `AuthError` for a wrong, used or late one, `AlreadyConnected` for one whose sign-in was carried through.
        """
        key, row = self._prefix + digest(state), None
        with suppress(DamagedEntry):
            row = self._store.value(key, self._read)
        if row is not None and "done" in row[0]:
            raise AlreadyConnected(row[0]["done"])
        if row is None or not self._store.remove(key, row[1]):
            raise AuthError(Sentence("This sign-in has expired or was already used."), hint=oauth_requests.SIGN_IN)
        if row[0]["until"] < time.time():
            raise AuthError(Sentence("The sign-in took longer than ten minutes."), hint=oauth_requests.SIGN_IN)
        return row[0]

    def end(self, state: str, name: str) -> None:
        """Remember for ten minutes that a sign-in was carried through, for who loads its last page again."""
        self.add(state, {"done": name})

    def _read(self, content: bytes) -> dict[str, Any]:
        data = json_text.read(content)
        is_done = isinstance(data, dict) and "done" in data
        return json_text.fields(data, until=float | int, **({"done": str} if is_done else self._fields))


def digest(state: str) -> str:
    """What stands for a state where it may be read."""
    return hashlib.sha256(state.encode()).hexdigest()


@shows("name", "kind", "health")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ConnectionSummary:
    """A stored connection without its secrets; times in seconds.

    `health`: ready, due (renewed at the next call), failing (its last test or call was refused) or dead (connect
    again), and `why`, in the vendor's words. `seen` is what was last seen of a failure, as in `ConnectionRecord`.
    """

    name: str
    kind: str
    identity: str | None
    account: str | None
    expires_at: float | None
    health: str
    why: str | None = None
    seen: Mapping[str, Any] | None = None


class Connections:
    """The connections of one tenant in a store.

    `seconds` bounds each phase of a token request; four times that is how long a process that died in the middle of
    one keeps others from renewing.
    """

    def __init__(
        self, connector: Connector, store: Store, tenant: str = "default", *, seconds: float = oauth.SECONDS
    ) -> None:
        self._connector, self._store, self._tenant, self._seconds = connector, store, tenant, seconds
        own = key_part("tenant", tenant)
        self._prefix = f"connections/{connector.key}/{own}/"
        self._pending = PendingSignIns(store, f"pending/{connector.key}/{own}/", **WAITING)

    def __repr__(self) -> str:
        return f"Connections({self._connector.key!r}, tenant={self._tenant!r})"

    def begin(
        self,
        kind: str,
        values: Mapping[str, Any],
        redirect_uri: str,
        *,
        name: str = "main",
        origin: str | None = None,
        actions: Iterable[str] = (),
    ) -> str:
        """Begin a sign-in and give the URL to send the person to.

        The rest waits in the store for ten minutes; `finish` may run in another process. `origin` is as in
        `connect.app`. Raises `InputError`.
        """
        app = oauth_requests.app(self._kind(kind), values, origin)
        if not oauth_requests.needs_person(app.kind):
            raise InputError.of("connect", [Problem("kind", f"is {kind}, for which nobody signs in; use `add`")])
        self._key(name)  # one that cannot be kept is refused before anybody signs in
        start = oauth.authorize(app, redirect_uri, self._needed(app, actions))
        waiting = {"name": name, "kind": kind, "values": app.values, "origin": app.origin}
        self._pending.add(start.state, {**waiting, "redirect_uri": redirect_uri, "verifier": start.verifier})
        return start.url

    def finish(self, callback: str | Mapping[str, str]) -> str:
        """Carry a sign-in through with what the callback brought, and give the connection's name.

        `callback` is its URL or its parameters. A state is good once: it is used up before anything else happens.
        Raises `AuthError` for a wrong, used, late or missing state and for what the vendor refuses.
        """
        query = oauth_requests.query_of(callback)
        waiting = self._pending.take(oauth_requests.state_of(query))
        return self._exchange(waiting, oauth_requests.code_of(query), query["state"])

    def finish_code(self, url: str, code: str) -> str:
        """As `finish`, for a code that a person copied: `url` is what `begin` gave."""
        state = oauth_requests.state_of(oauth_requests.query_of(url))
        return self._exchange(self._pending.take(state), code, state)

    def add(
        self,
        kind: str,
        values: Mapping[str, Any],
        *,
        name: str = "main",
        origin: str | None = None,
        actions: Iterable[str] = (),
    ) -> str:
        """Store a connection for which nobody signs in, once the vendor has given it a token."""
        app = oauth_requests.app(self._kind(kind), values, origin)
        if oauth_requests.needs_person(app.kind):
            raise InputError.of("connect", [Problem("kind", f"is {kind}, for which a person signs in; use `begin`")])
        given = {grant.name: app.values[grant.name] for grant in app.kind.grants if grant.name in app.values}
        if app.kind.oauth is None:
            return self._write(name, app, Tokens(granted=given))
        return self._write(name, app, oauth.obtain(app, self._needed(app, actions), seconds=self._seconds))

    def adopt(self, kind: str, values: Mapping[str, Any], tokens: Tokens, *, name: str = "main") -> str:
        """Store a connection whose tokens were got elsewhere."""
        return self._write(name, oauth_requests.app(self._kind(kind), values), tokens)

    def open(self, name: str | None = None) -> StoredConnection:
        """The connection as `Client(…, connection=…)` takes it; `name` may be left out if there is only one."""
        if name is None:
            names = self.names()
            if not names:
                raise AuthError(Sentence("There is no connection yet."), hint=Sentence("Connect an account."))
            if len(names) > 1:
                what = Sentence("There are several connections: {names}.", names=tuple(names))
                raise AuthError(what, hint=Sentence("Choose one of them."))
            name = names[0]
        record, key = self._record(name), self._key(name)
        return StoredConnection(self._kind(record.kind), name, self._store, key, self._seconds, record.account or key)

    def open_async(self, name: str | None = None) -> AsyncStoredConnection:
        """The connection as `AsyncClient(…, connection=…)` takes it."""
        return AsyncStoredConnection(self.open(name))

    def names(self) -> list[str]:
        """The names of all connections, in alphabetical order."""
        return [summary.name for summary in self.list()]

    def list(self) -> list[ConnectionSummary]:
        """All connections, by name; one that is damaged is set aside and left out."""
        rows = self._store.rows(self._prefix, ConnectionRecord.read)
        return [_summary(unquote(key.removeprefix(self._prefix)), record) for key, record, _ in rows]

    def summary(self, name: str) -> ConnectionSummary:
        """One connection; raises `AuthError` if there is none of that name."""
        return _summary(name, self._record(name))

    def test(self, name: str | None = None, *, actions: Iterable[str] = (), base_url: str | None = None) -> Health:
        """Call the vendor through the connection, and remember whose it is and how it went."""
        stored = self.open(name)
        try:
            stored(None)
        except ConnectorError as error:
            stored.note(error.to_dict())
            return Health(ok=False, error=error.to_dict())
        record = self._record(stored.name)
        app, have = App(stored.kind, record.values, record.origin), record.tokens.scopes
        health = oauth.test(self._connector, app, stored, token_scopes=have, actions=actions, base_url=base_url)
        whose = {word: getattr(health, word) for word in ("identity", "account", "user")}
        stored.note(health.error, **whose)
        return health

    def test_token(self, token: str, *, actions: Iterable[str] = (), base_url: str | None = None) -> Health:
        """As `test`, for an access token of one's own; nothing is stored."""
        granted = {self._connector.token_name: token}
        kind = connection_of(self._connector.profile, granted)
        if kind is None:
            raise InputError.of("the connection", [Problem("token", "is taken by no kind of connection here")])
        return oauth.test(self._connector, App(kind, {}), granted, actions=actions, base_url=base_url)

    def missing(self, name: str, actions: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
        """The scopes that actions (all if none is named) lack under a connection, by action."""
        return scopes.missing(self._connector, actions, self._record(name).tokens.scopes)

    def disconnect(self, name: str, *, revoke: bool = True) -> bool:
        """Have the vendor take the tokens back, and forget the connection; whether the vendor did.

        A token that the vendor does not know any more counts as taken back. If the vendor can't be reached the
        connection is kept and `TransportError` raised; `revoke=False` forgets it all the same.
        """
        self._record(name)
        revoked = False
        if revoke:
            with suppress(AuthError):
                self.open(name)(None)  # an access token that has ended can't be named for revocation
                record = self._record(name)
                app = App(self._kind(record.kind), record.values, record.origin)
                oauth.revoke(app, record.tokens, seconds=self._seconds)
                revoked = True
        self._store.update(self._key(name), lambda old: None)
        return revoked

    def _key(self, name: str) -> str:
        return f"{self._prefix}{key_part('name', name)}"

    def _kind(self, key: str) -> Connection:
        kinds = self._connector.connections
        if key not in kinds:
            slots = {"name": key, "meant": nearest(key, kinds), "names": tuple(kinds)}
            what = Sentence("is '{name}', which is not a kind of connection.{meant} Known: {names}.", **slots)
            raise InputError.of("connect", [Problem("kind", what)])
        return kinds[key]

    def _needed(self, app: App, actions: Iterable[str]) -> tuple[str, ...]:
        """The scopes to ask for, where the definition says that actions decide."""
        if app.oauth.get("scope", {}).get("from") != "actions":
            return ()
        asked = [self._connector.action(key) for key in list(actions) or self._connector.actions]
        return scopes.smallest(asked, next((kind for action in asked for kind in action.scopes), ""), {}).scopes

    def _record(self, name: str) -> ConnectionRecord:
        try:
            row = self._store.value(self._key(name), ConnectionRecord.read)
        except DamagedEntry:
            raise oauth.unreadable(name) from None
        if row is None:
            raise oauth_requests.no_connection(name, self.names())
        return row[0]

    def _write(self, name: str, app: App, tokens: Tokens) -> str:
        now, kind = time.time(), app.kind.key
        record = ConnectionRecord(
            kind=kind, values=app.values, origin=app.origin, tokens=tokens, connected_at=now
        ).write()
        self._store.update(self._key(name), lambda old: record)
        return name

    def _exchange(self, waiting: dict[str, Any], code: str, state: str) -> str:
        app = App(self._kind(waiting["kind"]), waiting["values"], waiting["origin"])
        tokens = oauth.exchange_code(app, code, waiting["redirect_uri"], waiting["verifier"], seconds=self._seconds)
        name = self._write(waiting["name"], app, tokens)
        self._pending.end(state, name)
        return name


def _summary(name: str, record: ConnectionRecord) -> ConnectionSummary:
    tokens, shared = record.tokens, {key: getattr(record, key) for key in ("kind", "identity", "account", "seen")}
    why, health = record.dead, "dead" if record.dead else "due" if tokens.is_due(time.time()) else "ready"
    if why is None and (seen := record.seen):
        why = f"{seen['message']} {seen['hint'] or ''}".rstrip()
        health = "failing" if record.is_failing else health
    return ConnectionSummary(name=name, **shared, expires_at=tokens.expires_at, health=health, why=why)


@shows("step", "state")
@dataclass(frozen=True, slots=True, repr=False)
class CheckResult:
    """One step of an examined connection: `state` is ok, warning or fault, `says` which, `do` the remedy."""

    step: str
    state: str
    says: str
    do: str | None = None


def examine(
    connections: Connections,
    name: str | None,
    *,
    token: str | None = None,
    actions: Iterable[str] = (),
    base_url: str | None = None,
) -> Iterator[CheckResult]:
    """The findings, in order; what can't be looked at after a fault is left out.

    Of a stored connection, or instead of an access token of one's own.
    """
    if token is not None:
        health = connections.test_token(token, actions=actions, base_url=base_url)
    else:
        stored = None
        try:
            stored = connections.open(name)
            yield CheckResult("connection", "ok", f"{stored.name} is stored, of the kind {stored.kind.key}.")
            stored(None)
        except ConnectorError as error:
            step = "token" if stored else "connection" if error.kind == "token" else "store"
            yield CheckResult(step, "fault", error.message, error.hint)
            return
        name = stored.name
        until = connections.summary(name).expires_at
        minutes = max(0.0, (until or 0.0) - time.time()) / 60
        lasting = f"It is good for {minutes:.0f} minutes and renewed by itself."
        yield CheckResult("token", "ok", lasting if until is not None else "It does not expire.")
        health = connections.test(name, actions=actions, base_url=base_url)
    refused = health.error
    if not health.ok and refused is not None:
        step = "reachability" if refused["kind"] == "transport" else "call"
        yield CheckResult(step, "fault", refused["message"], refused["hint"])
        return
    yield CheckResult("reachability", "ok", "The vendor answers and takes the token.")
    if health.skew is not None and abs(health.skew) <= SKEW:
        yield CheckResult("clock", "ok", "It agrees with the vendor's.")
    elif health.skew is not None:
        says = f"It is {abs(health.skew):.0f} s {'ahead of' if health.skew > 0 else 'behind'} the vendor's."
        do = "Set it by a time server: tokens are renewed late and webhooks refused."
        yield CheckResult("clock", "warning", says, do)
    if refused is not None:
        yield CheckResult("identity", "warning", f"Whose it is can't be told: {refused['message']}", refused["hint"])
    else:
        account = f"account {health.account}" if health.account else "an account that the vendor does not name"
        yield CheckResult("identity", "ok", f"It is {', '.join(part for part in (health.identity, account) if part)}.")
    if not health.scopes:
        yield CheckResult("scopes", "warning", "The vendor does not say which scopes the token has.")
    elif not health.missing_scopes:
        yield CheckResult("scopes", "ok", "They are enough for every action that was asked about.")
    for action, needed in (connections.missing(name, actions) if name is not None else {}).items():
        do = f"Add {' and '.join(needed)} to the app, then reconnect {name}."
        yield CheckResult("scopes", "warning", f"{action} will be refused.", do)
    for hint in health.hints:
        yield CheckResult("plan", "warning", hint)
