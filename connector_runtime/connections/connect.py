"""OAuth 2.0 as requests and what their answers give. Pure: nothing is sent, and time and chance are arguments.

Secrets stand in headers and bodies of token requests, never in a URL, and are cut out of what a refusal quotes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from ..calls import answer as answers
from ..calls.credentials import filled
from ..errors import AuthError, InputError, Problem, RequestError, TransportError
from ..language import conditions
from ..language.hosts import is_loopback
from ..model import Connection, Request, Response

EARLY = 60.0  # seconds before its end at which a token is renewed, or a tenth of its life if that is less


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a token endpoint gave: `granted` goes to requests; times are seconds since 1970."""

    granted: Mapping[str, str] = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    lifetime: float | None = None
    scopes: tuple[str, ...] = ()

    def is_due(self, now: float) -> bool:
        """Whether it is time to renew: min(60 s, a tenth of the lifetime) before the end."""
        return self.expires_at is not None and now >= self.expires_at - min(EARLY, (self.lifetime or 0) / 10)

    def is_over(self, now: float) -> bool:
        return self.expires_at is not None and now >= self.expires_at

    @property
    def secrets(self) -> set[str]:
        """What no message may show."""
        return {*self.granted.values(), self.refresh_token or ""}

    def to_dict(self) -> dict[str, Any]:
        """As JSON data with its secrets, for a store."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "granted": dict(self.granted),
            "scopes": list(self.scopes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tokens:
        return cls(**{**data, "scopes": tuple(data["scopes"])})


# -- what a person fills in ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class App:
    """What a person filled in for a kind of connection, and where the vendor's OAuth lives if not as usual."""

    kind: Connection = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    origin: str | None = None

    @property
    def oauth(self) -> Mapping[str, Any]:
        """What the definition says of the vendor's OAuth."""
        return self.kind.oauth or {}

    @property
    def client(self) -> tuple[str, str]:
        """Its id and its secret; a blank one if there is none."""
        places = {str(place): self.values.get(row.key, "") for row in self.kind.inputs for place in row.to}
        return places.get("client.id", ""), places.get("client.secret", "")

    @property
    def basic(self) -> str:
        """Id and secret as a Basic header has them: written as in a form before they are joined (RFC 6749, 2.3.1)."""
        return base64.b64encode(":".join(map(quote_plus, self.client)).encode()).decode()

    @property
    def secrets(self) -> set[str]:
        """What no message may show."""
        own = {self.values[row.key] for row in self.kind.inputs if row.type == "secret" and row.key in self.values}
        return own | {self.basic}


def app(kind: Connection, given: Mapping[str, Any], origin: str | None = None) -> App:
    """The app that a person filled in, checked like the inputs of an action.

    `origin` is where OAuth lives instead of at its usual place: one of the definition's `origins`, such as a
    government's cloud, or this machine for tests. Raises `InputError` with all problems.
    """
    values = {name: text.strip() for name, text in filled(kind, kind.inputs, given).items()}
    return App(kind, values, check_origin(kind, origin))


def needs_person(kind: Connection) -> bool:
    """Whether a person has to sign in."""
    return kind.oauth is not None and kind.oauth["grant"] == "authorization_code"


# -- where the vendor's OAuth lives ----------------------------------------------------------------------------------


def check_origin(kind: Connection, origin: str | None) -> str | None:
    """Where OAuth is to live instead: one of the definition's, or this machine for tests. Raises `InputError`."""
    if origin is None or kind.oauth is None:
        return None
    origin = origin.rstrip("/")
    parts = urlsplit(origin)
    own = {"{0.scheme}://{0.netloc}".format(urlsplit(kind.oauth["token_url"]))}
    allowed = sorted(own | set(kind.oauth.get("origins", {})))
    local = parts.scheme == "http" and is_loopback(parts.hostname) and not (parts.path or parts.query or parts.username)
    if origin not in allowed and not local:
        what = f"is none of {', '.join(allowed)}; secrets are sent nowhere else"
        raise InputError.of(f"the connection '{kind.label}'", [Problem("oauth_url", what)])
    return None if origin in own else origin


def _at(app: App, word: str) -> str:
    url: str = app.oauth[word]
    origin = check_origin(app.kind, app.origin)  # again, since it may come from a store
    return url if origin is None else origin + urlsplit(url).path


# -- requests --------------------------------------------------------------------------------------------------------


def authorize_url(app: App, *, redirect_uri: str, state: str, verifier: str, scopes: Iterable[str] = ()) -> str:
    """The address where a person signs in. `state` and `verifier` are texts that nobody can guess."""
    query = {"response_type": "code", "client_id": app.client[0], "redirect_uri": redirect_uri, "state": state}
    if app.oauth.get("pkce") == "S256":
        digest = hashlib.sha256(verifier.encode()).digest()
        query["code_challenge"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        query["code_challenge_method"] = "S256"
    scope = app.oauth.get("scope", {})
    if scope.get("from") == "actions":
        query["scope"] = scope.get("separator", " ").join(scopes)
    return f"{_at(app, 'authorize_url')}?{urlencode(query)}"


def code_request(app: App, code: str, redirect_uri: str, verifier: str, seconds: float) -> Request:
    """Ask for the tokens of an authorization code."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    if "pkce" in app.oauth:
        form["code_verifier"] = verifier
    return _post(app, "token_url", form, seconds)


def renewal_request(app: App, refresh_token: str | None, seconds: float) -> Request:
    """Ask for the next tokens: with the refresh token, or with the app's own credentials."""
    if refresh_token is not None:
        return _post(app, "token_url", {"grant_type": "refresh_token", "refresh_token": refresh_token}, seconds)
    own = {place.path[0]: app.values[row.key] for row in app.kind.inputs for place in row.to if place.kind == "token"}
    return _post(app, "token_url", {"grant_type": app.oauth["grant"], **own}, seconds)


def revoke_request(app: App, token: str, seconds: float) -> Request:
    """Ask the vendor to take a token back."""
    return _post(app, "revoke_url", {"token": token}, seconds)


def _post(app: App, word: str, form: dict[str, str], seconds: float) -> Request:
    headers = [("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded")]
    identity, secret = app.client
    if app.oauth["client"] == "basic":
        headers.append(("Authorization", f"Basic {app.basic}"))
    else:
        form["client_id"] = identity
        if app.oauth["client"] == "body":
            form["client_secret"] = secret
    url = _at(app, word)
    return Request(
        method="POST",
        template=f"({word})",
        shown=url,
        url=url,
        headers=tuple(headers),
        content=urlencode(form).encode(),
        body=None,
        call={"timeout": seconds * 1000},
    )


# -- answers ---------------------------------------------------------------------------------------------------------


def read_tokens(
    app: App, response: Response, sent_at: float, old: Tokens | None = None, sent: Iterable[str] = ()
) -> Tokens:
    """The tokens of an answer; raises the error that it is instead, without the secrets that were sent.

    `old` is what the answer follows: it may leave out what has not changed. `sent` are other secrets of the request.
    """
    if error := refusal(app, response, sent_at, old, sent):
        raise error
    body = answers.parse(response).body
    if not isinstance(body, Mapping) or not isinstance(body.get("access_token"), str):
        kind_of = response.headers.get("content-type", "no content type").partition(";")[0]
        raise TransportError(
            f"The token endpoint's answer ({response.status}, {kind_of}) holds no access token.",
            hint="Something between here and the vendor may have answered instead; try again.",
            status=response.status,
            retriable=True,
        )
    implied = app.oauth.get("origins", {}).get(app.origin, {})
    before = old.granted if old else {}
    granted = {}
    for name in (grant.name for grant in app.kind.grants):
        found = body.get(name) or before.get(name) or implied.get(name)
        if isinstance(found, str):
            granted[name] = found
    lifetime = _seconds(body.get("expires_in"))
    scope = body.get("scope")
    refresh = body.get("refresh_token")
    return Tokens(
        granted=granted,
        refresh_token=refresh if isinstance(refresh, str) and refresh else old.refresh_token if old else None,
        expires_at=None if lifetime is None else sent_at + lifetime,
        lifetime=lifetime,
        scopes=tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else old.scopes if old else (),
    )


def refusal(
    app: App, response: Response, now: float, old: Tokens | None, sent: Iterable[str] = ()
) -> RequestError | None:
    """The error that an answer of the token endpoint is, if any, without the secrets of the app and the tokens."""
    if not answers.is_refused(app.kind.errors, answers.parse(response)):
        return None
    secrets = {*app.secrets, *(old.secrets if old else ()), *sent}
    return answers.Refusal(app.kind.errors, response, secrets).error("read", datetime.fromtimestamp(now, UTC))


def is_over(kind: Connection, response: Response) -> bool:
    """Whether an answer says that the refresh token will never be good again."""
    if response.status < 400:
        return False
    look = answers.Refusal(kind.errors, response).look
    return any(conditions.holds(condition, look) for condition in kind.over)


def _seconds(value: Any) -> float | None:
    try:
        return None if value is None or isinstance(value, bool) else max(0.0, float(value))
    except (TypeError, ValueError):
        return None


# -- callbacks -------------------------------------------------------------------------------------------------------


def query_of(callback: str | Mapping[str, str]) -> dict[str, str]:
    """The parameters of a callback: given as such, as the whole URL, or as what follows its question mark."""
    if not isinstance(callback, str):
        return dict(callback)
    return dict(parse_qsl(urlsplit(callback).query or callback.strip().lstrip("?"), keep_blank_values=True))


def code_of(query: Mapping[str, str]) -> str:
    """The authorization code of a callback; raises `AuthError` for the error that it may carry instead."""
    if query.get("code"):
        return query["code"]
    if query.get("error") == "access_denied":
        raise AuthError("The sign-in was declined.", hint="Sign in again and allow the access, or ask an admin to.")
    if query.get("error"):
        said = " ".join(query.get("error_description", query["error"]).split())[:200]
        raise AuthError(f"The vendor refused the sign-in: {said}.", hint="Mend what it says and sign in again.")
    raise AuthError("The callback brought no code.", hint="Sign in again.")
