"""OAuth for platforms that keep their connections themselves: typed functions, without a browser, server or store.

app = connect.app(load().connections["oauth2"], {"client_id": "…", "client_secret": "…"})
start = oauth.authorize(app, "https://platform.example/callback")     # send the person to start.url
tokens = oauth.exchange_code(app, code, "https://platform.example/callback", start.verifier)
tokens = oauth.refresh(app, tokens)                                   # store it before you use it
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from .. import transport
from ..client import Client, Grants
from ..definitions.connector import Connector
from ..errors import AuthError, ConnectorError, MissingScope
from ..language import datetimes, places
from ..language.conditions import holds, parse
from ..model import Request
from . import connect, scopes
from .connect import App, Tokens

SECONDS = 15.0  # for one phase of a token request


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
    scopes: tuple[str, ...] = ()
    missing_scopes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    skew: float | None = None
    error: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        lists = {name: list(getattr(self, name)) for name in ("scopes", "missing_scopes", "hints")}
        named = {name: getattr(self, name) for name in ("ok", "identity", "account", "skew", "error")}
        return {**named, **lists}


def authorize(app: App, redirect_uri: str, scopes: Iterable[str] = ()) -> Authorization:
    """Begin a sign-in. Compare the callback's state with `state` before the code is exchanged.

    `scopes` are asked for where the definition says `scope: {from: actions}`; elsewhere the app's own setup counts.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    url = connect.authorize_url(app, redirect_uri=redirect_uri, state=state, verifier=verifier, scopes=scopes)
    return Authorization(url, state, verifier)


def exchange_code(app: App, code: str, redirect_uri: str, verifier: str, *, seconds: float = SECONDS) -> Tokens:
    """The tokens of an authorization code; `redirect_uri` and `verifier` are those it was asked for with.

    Raises `AuthError` with a remedy if the vendor refuses, `TransportError` if there is no readable answer.
    """
    return _tokens(app, connect.code_request(app, code, redirect_uri, verifier, seconds), None, (code, verifier))


def obtain(app: App, *, seconds: float = SECONDS) -> Tokens:
    """Tokens for the app itself, where no person signs in. Raises as `exchange_code`."""
    return _tokens(app, connect.renewal_request(app, None, seconds))


def refresh(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> Tokens:
    """The tokens that follow these. The old refresh token may be void from now on: store the new one before its use.

    Raises as `exchange_code`; let one process do it at a time.
    """
    if tokens.refresh_token is None and connect.needs_person(app.kind):
        raise AuthError("There is no refresh token.", hint="Sign in again.")
    return _tokens(app, connect.renewal_request(app, tokens.refresh_token, seconds), tokens)


def _tokens(app: App, request: Request, old: Tokens | None = None, sent: Iterable[str] = ()) -> Tokens:
    now = time.time()
    return connect.read_tokens(app, transport.send(request), now, old, sent)


def revoke(app: App, tokens: Tokens, *, seconds: float = SECONDS) -> None:
    """Have the vendor take the access token back, and with it the refresh token. Does nothing where there is no way."""
    token = tokens.granted.get("access_token")
    if "revoke_url" not in app.oauth or token is None:
        return
    response = transport.send(connect.revoke_request(app, token, seconds))
    if error := connect.refusal(app, response, time.time(), tokens):
        raise error


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
    return replace(
        found,
        identity=_named(about.get("identity"), app, answer),
        account=_named(about.get("account"), app, answer),
        hints=tuple(
            hint["says"]
            for hint in about.get("hints", ())
            if holds(parse(hint["when"]), lambda name: places.look(name, answer))
        ),
        skew=None if theirs is None else time.time() - theirs.timestamp(),
    )


def missing(connector: Connector, actions: Iterable[str], have: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The scopes that actions (all if none is named) lack where a token has these, by action."""
    every = [connector.action(key) for key in connector.actions]
    asked = [connector.action(key) for key in actions] or every
    return scopes.missing(asked, every, have, connector.profile.levels)


def _named(source: str | None, app: App, answer: places.Answer) -> str | None:
    if source is None:
        return None
    place, _, name = source.partition(".")
    value = app.values.get(name) if place == "input" else places.look(source, answer)
    return None if value is None else places.text_of(value)
