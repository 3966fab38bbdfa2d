"""Adds, lists, tests, examines, ends and opens the stored connections of one tenant.

A connection is stored under its tenant and name. An object for one tenant never reads another tenant's entries.
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
from ..structs import Struct, shows
from . import oauth, oauth_requests, scopes
from .oauth import AsyncStoredConnection, Health, StoredConnection
from .oauth_requests import App, ConnectionRecord, Tokens

PENDING = 600.0  # seconds within which a sign-in must be completed
SIGN_IN: Any = {"name": str, "kind": str, "values": dict, "origin": str | None, "redirect_uri": str, "verifier": str}
MAX_SKEW = 30.0  # seconds between our clock and the vendor's that cause no warning


class AlreadyConnected(AuthError):
    """A repeated callback of a sign-in that has already stored the connection `name`."""

    def __init__(self, name: str) -> None:
        what = Sentence("Already connected as {name}.", name=name)
        super().__init__(what, hint=Sentence("There is nothing left to do for this sign-in."))
        self.name = name


class PendingSignIns:
    """Pending sign-ins in a store. States are secret, so only digests are stored; `fields` are the data's types."""

    def __init__(self, store: Store, prefix: str, **fields: Any) -> None:
        self._store, self._prefix, self._fields = store, prefix, fields

    def add(self, state: str, data: Mapping[str, Any]) -> None:
        """Store JSON data for ten minutes, and delete expired sign-ins."""
        now = time.time()
        for key, pending, entry in self._store.rows(self._prefix, self._read, limit=100):  # limits the clean-up
            if pending["until"] < now:
                self._store.remove(key, entry)
        self._store.put(self._prefix + digest(state), json_text.write({**data, "until": now + PENDING}), None)

    def take(self, state: str) -> dict[str, Any]:
        """Invalidate a state and return its data. Raises `AuthError`, or `AlreadyConnected` after a success."""
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
        """Remember for ten minutes that a sign-in succeeded, in case its last page is reloaded."""
        self.add(state, {"done": name})

    def _read(self, content: bytes) -> dict[str, Any]:
        data = json_text.read(content)
        is_done = isinstance(data, dict) and "done" in data
        return json_text.fields(data, until=float | int, **({"done": str} if is_done else self._fields))


def digest(state: str) -> str:
    """Return a digest to use instead of a state wherever others could read it."""
    return hashlib.sha256(state.encode()).hexdigest()


@shows("name", "kind", "health")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ConnectionSummary:
    """A stored connection without its secrets; `expires_at` is in seconds since 1970.

    `health` is ready, due (the next call renews it), failing (the last test failed, or the vendor refused the token) or
    dead (reconnect it). `why` is the reason, and `seen` the error, as in `ConnectionRecord`.
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

    `seconds` limits each phase of a token request. If a process dies during such a request, other processes cannot
    renew the token for up to four times `seconds`.
    """

    def __init__(
        self, connector: Connector, store: Store, tenant: str = "default", *, seconds: float = oauth.SECONDS
    ) -> None:
        self._connector, self._store, self._tenant, self._seconds = connector, store, tenant, seconds
        part = key_part("tenant", tenant)
        self._prefix = f"connections/{connector.key}/{part}/"
        self._pending = PendingSignIns(store, f"pending/{connector.key}/{part}/", **SIGN_IN)

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
        """Begin a sign-in and return the URL to send the person to.

        `finish` may run in another process, within ten minutes. For `origin`, see `oauth.app`. Raises `InputError`.
        """
        app = oauth_requests.app(self._kind(kind), values, origin)
        if not oauth_requests.needs_person(app.kind):
            raise InputError.of("connect", [Problem("kind", f"is {kind}, which needs no sign-in; use `add`")])
        self._key(name)  # rejects an invalid name before the person signs in
        start = oauth.authorize(app, redirect_uri, self._needed(app, actions))
        sign_in = {"name": name, "kind": kind, "values": app.values, "origin": app.origin}
        self._pending.add(start.state, {**sign_in, "redirect_uri": redirect_uri, "verifier": start.verifier})
        return start.url

    def finish(self, callback: str | Mapping[str, str]) -> str:
        """Complete a sign-in with its callback, a URL or its parameters, and return the connection's name.

        The state works only once. Raises `AuthError` for an invalid state, or if the vendor refuses.
        """
        query = oauth_requests.query_of(callback)
        sign_in = self._pending.take(oauth_requests.state_of(query))
        return self._exchange(sign_in, oauth_requests.code_of(query), query["state"])

    def finish_code(self, url: str, code: str) -> str:
        """Complete a sign-in as `finish` does, with a code that a person copied. `url` is the result of `begin`."""
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
        """Store a connection without a sign-in, with a token from the vendor or from `values`; return its name."""
        app = oauth_requests.app(self._kind(kind), values, origin)
        if oauth_requests.needs_person(app.kind):
            raise InputError.of("connect", [Problem("kind", f"is {kind}, which needs a sign-in; use `begin`")])
        granted = {grant.name: app.values[grant.name] for grant in app.kind.grants if grant.name in app.values}
        if app.kind.oauth is None:
            return self._write(name, app, Tokens(granted=granted))
        return self._write(name, app, oauth.obtain(app, self._needed(app, actions), seconds=self._seconds))

    def adopt(self, kind: str, values: Mapping[str, Any], tokens: Tokens, *, name: str = "main") -> str:
        """Store a connection with tokens that were obtained elsewhere; return its name."""
        return self._write(name, oauth_requests.app(self._kind(kind), values), tokens)

    def open(self, name: str | None = None) -> StoredConnection:
        """Return the connection for `Client(…, connection=…)`; omit `name` if there is only one."""
        if name is None:
            names = self.names()
            if not names:
                raise AuthError(Sentence("No account is connected yet."), hint=Sentence("Connect an account."))
            if len(names) > 1:
                what = Sentence("There is more than one connection: {names}.", names=tuple(names))
                raise AuthError(what, hint=Sentence("Choose one of them."))
            name = names[0]
        record, key = self._record(name), self._key(name)
        return StoredConnection(self._kind(record.kind), name, self._store, key, self._seconds, record.account or key)

    def open_async(self, name: str | None = None) -> AsyncStoredConnection:
        """Return the connection for `AsyncClient(…, connection=…)`."""
        return AsyncStoredConnection(self.open(name))

    def names(self) -> list[str]:
        """Return the names of all connections in alphabetical order."""
        return [summary.name for summary in self.list()]

    def list(self) -> list[ConnectionSummary]:
        """Return all connections, sorted by name. Damaged entries are set aside and omitted."""
        rows = self._store.rows(self._prefix, ConnectionRecord.read)
        return [_summary(unquote(key.removeprefix(self._prefix)), record) for key, record, _ in rows]

    def summary(self, name: str) -> ConnectionSummary:
        """Return one connection. Raises `AuthError` if no connection has this name."""
        return _summary(name, self._record(name))

    def test(self, name: str | None = None, *, actions: Iterable[str] = (), base_url: str | None = None) -> Health:
        """Call the vendor with the connection, and store the connection's owner and health."""
        stored = self.open(name)
        try:
            stored(None)
        except ConnectorError as error:
            stored.note(error.to_dict())
            return Health(ok=False, error=error.to_dict())
        record = self._record(stored.name)
        app, token_scopes = App(stored.kind, record.values, record.origin), record.tokens.scopes
        health = oauth.test(self._connector, app, stored, token_scopes=token_scopes, actions=actions, base_url=base_url)
        stored.note(health.error, identity=health.identity, account=health.account, user=health.user)
        return health

    def test_token(self, token: str, *, actions: Iterable[str] = (), base_url: str | None = None) -> Health:
        """Test an access token as `test` does, without storing anything."""
        granted = {self._connector.token_name: token}
        kind = connection_of(self._connector.profile, granted)
        if kind is None:
            raise InputError.of("the connection", [Problem("token", "is not accepted by any kind of connection")])
        return oauth.test(self._connector, App(kind, {}), granted, actions=actions, base_url=base_url)

    def missing(self, name: str, actions: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
        """Return the scopes that a connection lacks for actions (default: all), by action."""
        return scopes.missing(self._connector, actions, self._record(name).tokens.scopes)

    def disconnect(self, name: str, *, revoke: bool = True) -> bool:
        """Revoke the tokens and delete the connection; return whether the vendor revoked them.

        The connection is deleted even if the vendor rejects its token, but kept if the vendor cannot be reached
        (`TransportError`). `revoke=False` deletes it without a request to the vendor.
        """
        self._record(name)
        revoked = False
        if revoke:
            with suppress(AuthError):
                self.open(name)(None)  # renews first, because an expired access token cannot be revoked
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
        """Return the scopes to request, if the definition derives them from actions."""
        if app.oauth.get("scope", {}).get("from") != "actions":
            return ()
        specs = [self._connector.action(key) for key in list(actions) or self._connector.actions]
        return scopes.smallest(specs, next((kind for action in specs for kind in action.scopes), ""), {}).scopes

    def _record(self, name: str) -> ConnectionRecord:
        row = oauth.stored_record(self._store, self._key(name), name)
        if row is None:
            raise oauth_requests.no_connection(name, self.names())
        return row[0]

    def _write(self, name: str, app: App, tokens: Tokens) -> str:
        fields: Any = {"kind": app.kind.key, "values": app.values, "origin": app.origin, "tokens": tokens}
        content = ConnectionRecord(**fields, connected_at=time.time()).write()
        self._store.update(self._key(name), lambda old: content)
        return name

    def _exchange(self, sign_in: dict[str, Any], code: str, state: str) -> str:
        app = App(self._kind(sign_in["kind"]), sign_in["values"], sign_in["origin"])
        tokens = oauth.exchange_code(app, code, sign_in["redirect_uri"], sign_in["verifier"], seconds=self._seconds)
        name = self._write(sign_in["name"], app, tokens)
        self._pending.end(state, name)
        return name


def _summary(name: str, record: ConnectionRecord) -> ConnectionSummary:
    tokens, fields = record.tokens, {key: getattr(record, key) for key in ("kind", "identity", "account", "seen")}
    why, health = record.dead, "dead" if record.dead else "due" if tokens.is_due(time.time()) else "ready"
    if why is None and (seen := record.seen):
        why = f"{seen['message']} {seen['hint'] or ''}".rstrip()
        health = "failing" if record.is_failing else health
    return ConnectionSummary(name=name, **fields, expires_at=tokens.expires_at, health=health, why=why)


@shows("step", "state")
class CheckResult(Struct):
    """The result of one check: `state` is ok, warning or fault, `says` the finding, and `do` the remedy."""

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
    """Check a stored connection or an access token; yield results until a fault prevents further checks."""
    if token is not None:
        health = connections.test_token(token, actions=actions, base_url=base_url)
    else:
        stored = None
        try:
            stored = connections.open(name)
            yield CheckResult("connection", "ok", f"{stored.name} is stored; its kind is {stored.kind.key}.")
            stored(None)
        except ConnectorError as error:
            step = "token" if stored else "connection" if error.kind == "token" else "store"
            yield CheckResult(step, "fault", error.message, error.hint)
            return
        name = stored.name
        until = connections.summary(name).expires_at
        minutes = max(0.0, (until or 0.0) - time.time()) / 60
        lifetime = f"It is valid for {minutes:.0f} minutes and renewed automatically."
        yield CheckResult("token", "ok", lifetime if until is not None else "It does not expire.")
        health = connections.test(name, actions=actions, base_url=base_url)
    failure = health.error
    if not health.ok and failure is not None:
        step = "reachability" if failure["kind"] == "transport" else "call"
        yield CheckResult(step, "fault", failure["message"], failure["hint"])
        return
    yield CheckResult("reachability", "ok", "The vendor responds and accepts the token.")
    if health.skew is not None and abs(health.skew) <= MAX_SKEW:
        yield CheckResult("clock", "ok", "It agrees with the vendor's.")
    elif health.skew is not None:
        says = f"It is {abs(health.skew):.0f} s {'ahead of' if health.skew > 0 else 'behind'} the vendor's."
        do = "Synchronise it with a time server: otherwise tokens are renewed late and webhooks refused."
        yield CheckResult("clock", "warning", says, do)
    if failure is not None:
        yield CheckResult("identity", "warning", f"The owner is unknown: {failure['message']}", failure["hint"])
    else:
        account = f"account {health.account}" if health.account else "an account that the vendor does not name"
        yield CheckResult("identity", "ok", f"It is {', '.join(part for part in (health.identity, account) if part)}.")
    if not health.scopes:
        yield CheckResult("scopes", "warning", "The vendor does not report the token's scopes.")
    elif not health.missing_scopes:
        yield CheckResult("scopes", "ok", "They are enough for all of these actions.")
    for action, scopes_needed in (connections.missing(name, actions) if name is not None else {}).items():
        do = f"Add {' and '.join(scopes_needed)} to the app, then reconnect {name}."
        yield CheckResult("scopes", "warning", f"{action} will be refused.", do)
    for hint in health.hints:
        yield CheckResult("plan", "warning", hint)
