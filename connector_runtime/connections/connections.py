"""The stored connections of one tenant: made, listed, tested, examined, ended, and as what a client asks for tokens.

A connection lies in the store under its tenant and name; an object made for one tenant never reads another's entries.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from ..definitions.connector import Connector
from ..errors import AuthError, ConnectorError, InputError, Problem
from ..language.wording import nearest
from ..model import Connection
from ..stores.store import Store
from . import connect, oauth, scopes
from .connect import App, Record, Tokens
from .oauth import AsyncStored, Health, Stored

PENDING = 600.0  # seconds that a sign-in may take
SKEW = 30.0  # seconds between our clock and the vendor's that are worth a word


class Pending:
    """The pending sign-ins below one prefix of a store. A state is a secret, so the store knows only its digest."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store, self._prefix = store, prefix

    def add(self, state: str, what: Mapping[str, Any]) -> None:
        """Keep `what`, which is JSON data, for ten minutes; sign-ins that nobody finished in time are deleted."""
        now = time.time()
        for key, entry in self._store.scan(self._prefix):  # a page at a time, however many there are
            if json.loads(entry.value)["until"] < now:
                self._store.remove(key, entry)
        self._store.put(self._prefix + digest(state), json.dumps({**what, "until": now + PENDING}).encode(), None)

    def take(self, state: str) -> dict[str, Any]:
        """What waits for a state, which is used up by this. Raises `AuthError` for a wrong, used or late one."""
        value = self._store.take(self._prefix + digest(state))
        if value is None:
            what = "The state of the callback is wrong or was used before, so it belongs to no sign-in begun here."
            raise AuthError(what, hint="Sign in again.")
        waiting: dict[str, Any] = json.loads(value)
        if waiting["until"] < time.time():
            raise AuthError("The sign-in took longer than ten minutes.", hint="Sign in again.")
        return waiting


def digest(state: str) -> str:
    """What stands for a state where it may be read."""
    return hashlib.sha256(state.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A stored connection without its secrets. `health`: ready, due (renewed at the next call) or dead; times in s."""

    name: str
    kind: str
    identity: str | None
    account: str | None
    expires_at: float | None
    health: str
    why: str | None = None


class Connections:
    """The connections of one tenant in a store.

    `seconds` bounds each phase of a token request; four times that is how long a process that died in the middle of
    one keeps others from renewing.
    """

    def __init__(
        self, connector: Connector, store: Store, tenant: str = "default", *, seconds: float = oauth.SECONDS
    ) -> None:
        self._connector, self._store, self._tenant, self._seconds = connector, store, tenant, seconds
        self._prefix = f"connections/{connector.key}/{quote(tenant, safe='')}/"
        self._pending = Pending(store, f"pending/{connector.key}/{quote(tenant, safe='')}/")

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
        app = connect.app(self._kind(kind), values, origin)
        if not connect.needs_person(app.kind):
            raise InputError.of("connect", [Problem("kind", f"is {kind}, for which nobody signs in; use `add`")])
        needed: tuple[str, ...] = ()
        if app.oauth.get("scope", {}).get("from") == "actions":
            asked = [self._connector.action(key) for key in list(actions) or self._connector.actions]
            needed = scopes.smallest(asked, next((kind for action in asked for kind in action.scopes), ""), {}).scopes
        start = oauth.authorize(app, redirect_uri, needed)
        waiting = {"name": name, "kind": kind, "values": app.values, "origin": app.origin}
        self._pending.add(start.state, {**waiting, "redirect_uri": redirect_uri, "verifier": start.verifier})
        return start.url

    def finish(self, callback: str | Mapping[str, str]) -> str:
        """Carry a sign-in through with what the callback brought, and give the connection's name.

        `callback` is its URL or its parameters. A state is good once: it is used up before anything else happens.
        Raises `AuthError` for a wrong, used, late or missing state and for what the vendor refuses.
        """
        query = connect.query_of(callback)
        if not query.get("state"):
            raise AuthError("The callback brought no state, so nobody can say who sent it.", hint="Sign in again.")
        return self._exchange(self._pending.take(query["state"]), connect.code_of(query))

    def finish_code(self, url: str, code: str) -> str:
        """As `finish`, for a code that a person copied: `url` is what `begin` gave."""
        return self._exchange(self._pending.take(connect.query_of(url)["state"]), code)

    def add(self, kind: str, values: Mapping[str, Any], *, name: str = "main", origin: str | None = None) -> str:
        """Store a connection for which nobody signs in, once the vendor has given it a token."""
        app = connect.app(self._kind(kind), values, origin)
        if connect.needs_person(app.kind):
            raise InputError.of("connect", [Problem("kind", f"is {kind}, for which a person signs in; use `begin`")])
        given = {grant.name: app.values[grant.name] for grant in app.kind.grants if grant.name in app.values}
        tokens = Tokens(granted=given) if app.kind.oauth is None else oauth.obtain(app, seconds=self._seconds)
        return self._write(name, app, tokens)

    def adopt(self, kind: str, values: Mapping[str, Any], tokens: Tokens, *, name: str = "main") -> str:
        """Store a connection whose tokens were got elsewhere."""
        return self._write(name, connect.app(self._kind(kind), values), tokens)

    def open(self, name: str | None = None) -> Stored:
        """The connection as `Client(…, connection=…)` takes it; `name` may be left out if there is only one."""
        if name is None:
            names = self.names()
            if not names:
                raise AuthError("There is no stored connection.", hint="Connect an account.")
            if len(names) > 1:
                raise AuthError(f"There are several connections: {', '.join(names)}.", hint="Say which one.")
            name = names[0]
        record, key = self._record(name), self._key(name)
        return Stored(self._kind(record.kind), name, self._store, key, self._seconds, record.account or key)

    def open_async(self, name: str | None = None) -> AsyncStored:
        """The connection as `AsyncClient(…, connection=…)` takes it."""
        return AsyncStored(self.open(name))

    def stamp(self, name: str) -> tuple[float, str | None]:
        """When a connection was made, in seconds since 1970, and why it ended: another stamp is another connection."""
        record = self._record(name)
        return record.connected_at, record.dead

    def names(self) -> list[str]:
        return [summary.name for summary in self.list()]

    def list(self) -> list[Summary]:
        """All connections, by name."""
        found = self._store.walk(self._prefix)
        return [_summary(unquote(key.removeprefix(self._prefix)), Record.read(entry.value)) for key, entry in found]

    def summary(self, name: str) -> Summary:
        """One connection; raises `AuthError` if there is none of that name."""
        return _summary(name, self._record(name))

    def test(self, name: str | None = None, *, actions: Iterable[str] = (), base_url: str | None = None) -> Health:
        """Call the vendor through the connection, and remember whose it is."""
        stored = self.open(name)
        try:
            stored(None)
        except ConnectorError as error:
            return Health(ok=False, error=error.to_dict())
        record = self._record(stored.name)
        app, have = App(stored.kind, record.values, record.origin), record.tokens.scopes
        health = oauth.test(self._connector, app, stored, token_scopes=have, actions=actions, base_url=base_url)
        whose: dict[str, Any] = {word: getattr(health, word) for word in ("identity", "account", "user")}

        def told(old: bytes | None) -> bytes | None:
            found = self._read(stored.name, old)  # what was connected anew meanwhile may be another person's
            return replace(found, **whose).write() if found.connected_at == record.connected_at else old

        if any(whose.values()):
            self._store.update(stored.connection, told)
        return health

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
        return f"{self._prefix}{quote(name, safe='')}"

    def _kind(self, key: str) -> Connection:
        kinds = self._connector.connections
        if key not in kinds:
            what = f"is {key!r}, which is no kind of connection here.{nearest(key, kinds)} Known: {', '.join(kinds)}."
            raise InputError.of("connect", [Problem("kind", what)])
        return kinds[key]

    def _record(self, name: str) -> Record:
        entry = self._store.read(self._key(name))
        return self._read(name, entry.value if entry else None)

    def _read(self, name: str, content: bytes | None) -> Record:
        if content is None:
            names = self.names()
            hint = f"There are: {', '.join(names)}." if names else "Connect an account."
            raise AuthError(f"There is no connection {name}.", hint=hint)
        return Record.read(content)

    def _write(self, name: str, app: App, tokens: Tokens) -> str:
        now, kind = time.time(), app.kind.key
        record = Record(kind=kind, values=app.values, origin=app.origin, tokens=tokens, connected_at=now).write()
        self._store.update(self._key(name), lambda old: record)
        return name

    def _exchange(self, waiting: dict[str, Any], code: str) -> str:
        app = App(self._kind(waiting["kind"]), waiting["values"], waiting["origin"])
        tokens = oauth.exchange_code(app, code, waiting["redirect_uri"], waiting["verifier"], seconds=self._seconds)
        return self._write(waiting["name"], app, tokens)


def _summary(name: str, record: Record) -> Summary:
    tokens, shared = record.tokens, {key: getattr(record, key) for key in ("kind", "identity", "account")}
    health = "dead" if record.dead else "due" if tokens.is_due(time.time()) else "ready"
    return Summary(name=name, **shared, expires_at=tokens.expires_at, health=health, why=record.dead)


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: `state` is ok, warning or fault; `says` what was found, `do` what helps."""

    step: str
    state: str
    says: str
    do: str | None = None


def examine(
    connections: Connections, name: str | None, *, actions: Iterable[str] = (), base_url: str | None = None
) -> Iterator[Finding]:
    """The findings, in order; what can't be looked at after a fault is left out."""
    stored = None
    try:
        stored = connections.open(name)
        yield Finding("connection", "ok", f"{stored.name} is stored, of the kind {stored.kind.key}.")
        stored(None)
    except ConnectorError as error:
        step = "token" if stored else "connection" if error.kind == "token" else "store"
        yield Finding(step, "fault", error.message, error.hint)
        return
    until = connections.summary(stored.name).expires_at
    minutes = max(0.0, (until or 0.0) - time.time()) / 60
    lasting = f"It is good for {minutes:.0f} minutes and renewed by itself."
    yield Finding("token", "ok", lasting if until is not None else "It does not expire.")
    health = connections.test(stored.name, actions=actions, base_url=base_url)
    refused = health.error
    if not health.ok and refused is not None:
        step = "reachability" if refused["kind"] == "transport" else "call"
        yield Finding(step, "fault", refused["message"], refused["hint"])
        return
    yield Finding("reachability", "ok", "The vendor answers and takes the token.")
    if health.skew is not None and abs(health.skew) <= SKEW:
        yield Finding("clock", "ok", "It agrees with the vendor's.")
    elif health.skew is not None:
        says = f"It is {abs(health.skew):.0f} s {'ahead of' if health.skew > 0 else 'behind'} the vendor's."
        do = "Set it by a time server: tokens are renewed late and webhooks refused."
        yield Finding("clock", "warning", says, do)
    if refused is not None:
        yield Finding("identity", "warning", refused["message"], refused["hint"])
    else:
        account = f"account {health.account}" if health.account else "an account that the vendor does not name"
        yield Finding("identity", "ok", f"It is {', '.join(part for part in (health.identity, account) if part)}.")
    lacks = connections.missing(stored.name, actions)
    if not health.scopes:
        yield Finding("scopes", "warning", "The vendor does not say which scopes the token has.")
    elif not lacks:
        yield Finding("scopes", "ok", "They are enough for every action that was asked about.")
    for action, needed in lacks.items():
        do = f"Add {' and '.join(needed)} to the app, then reconnect {stored.name}."
        yield Finding("scopes", "warning", f"{action} will be refused.", do)
    for hint in health.hints:
        yield Finding("plan", "warning", hint)
