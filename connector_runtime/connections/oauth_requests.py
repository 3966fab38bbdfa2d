"""OAuth 2.0 requests, the tokens in their responses, and the steps to renew a connection. Pure.

Token requests carry secrets in headers and bodies, never in a URL, and error messages mask secrets.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from ..calls import answers
from ..calls.credentials import filled, subject
from ..errors import AuthError, InputError, MissingScope, Problem, RequestError, TransportError
from ..language import conditions, hosts, json_text
from ..model import Connection, Request, Response
from ..sentences import PLAIN, Phrasebook, Sentence
from ..steps import Acquire, Now, Read, Release, Send, Steps, Wait, Write
from ..structs import shows

CLIENT_PARTS = ("id", "secret")
ERROR_FIELDS: Any = {"kind": str, "message": str, "hint": str | None, "status": int | None, "code": int | str | None}
MAX_MARGIN = 60.0  # seconds before expiry to renew a token, or a tenth of its lifetime if less
PAUSE = 0.05  # seconds between the first two reads of the store while another process renews; doubles each time
LONGEST_PAUSE = 1.0
WAIT_LIMITS = 5  # how many time limits of a token request to wait for another process
YEAR = 366 * 86400.0  # the maximum lifetime in seconds
MAX_TIMESTAMP = 253402300799.0  # the last second of the year 9999
MAX_LENGTH = 64 * 1024  # of a string from a token endpoint


@shows("expires_at")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Tokens:
    """The tokens of a connection. `granted` goes to requests; `expires_at` is in seconds since 1970."""

    granted: Mapping[str, str]
    refresh_token: str | None = None
    expires_at: float | None = None
    lifetime: float | None = None
    scopes: tuple[str, ...] = ()

    def is_due(self, now: float) -> bool:
        """Return whether the token is in its last 60 seconds, or in the last tenth of a shorter lifetime."""
        return self.expires_at is not None and now >= self.expires_at - min(MAX_MARGIN, (self.lifetime or 0) / 10)

    @property
    def secrets(self) -> set[str]:
        """The strings that no message may show."""
        return {*self.granted.values(), self.refresh_token or ""}

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data, including the secrets, for a store."""
        plain = {"granted": dict(self.granted), "scopes": list(self.scopes)}
        return {name: getattr(self, name) for name in self.__slots__} | plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tokens:
        """Return the tokens from the data of `to_dict`. Raises `ValueError` for other data."""
        times = {"expires_at": float | int | None, "lifetime": float | int | None}
        fields = json_text.fields(data, granted=dict, refresh_token=str | None, scopes=list, **times)
        for name, most in (("expires_at", MAX_TIMESTAMP), ("lifetime", YEAR)):  # treat values out of range as unknown
            fields[name] = float(fields[name]) if fields[name] is not None and 0 <= fields[name] <= most else None
        return cls(**{**fields, "granted": _texts(fields["granted"]), "scopes": tuple(_texts(fields["scopes"]))})


@shows("origin")
@dataclass(frozen=True, slots=True, repr=False)
class App:
    """A person's values for a kind of connection, as an OAuth client. `origin` is None for the vendor's default."""

    kind: Connection
    values: Mapping[str, str]
    origin: str | None = None

    @property
    def oauth(self) -> Mapping[str, Any]:
        """The definition of the vendor's OAuth; empty if the kind does not use it."""
        return self.kind.oauth or {}

    def sent(self, to: str) -> dict[str, str]:
        """Return the values for a place in token requests, by name; `client` has an `id` and perhaps a `secret`."""
        rows = [row for row in self.kind.inputs if row.key in self.values]
        return {place.path[0]: self.values[row.key] for row in rows for place in row.to if place.kind == to}

    @property
    def basic(self) -> str:
        """The id and secret in a Basic header, form-encoded and then joined (RFC 6749, 2.3.1)."""
        client = self.sent("client")
        return base64.b64encode(":".join(quote_plus(client.get(part, "")) for part in CLIENT_PARTS).encode()).decode()

    def authorize_url(self, redirect_uri: str, state: str, verifier: str, scopes: Iterable[str] = ()) -> str:
        """Return the URL where a person signs in. `state` and `verifier` are random strings."""
        identity = self.sent("client").get("id", "")
        query = {"response_type": "code", "client_id": identity, "redirect_uri": redirect_uri, "state": state}
        if self.oauth.get("pkce") == "S256":
            digest = hashlib.sha256(verifier.encode()).digest()
            query["code_challenge"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            query["code_challenge_method"] = "S256"
        query |= self._scope(scopes)
        address = self._address("authorize_url")
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(query)}"

    def code_request(self, code: str, redirect_uri: str, verifier: str, seconds: float) -> Request:
        """Return the request that exchanges an authorization code for tokens."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return self.request({**form, "code_verifier": verifier} if "pkce" in self.oauth else form, seconds)

    def renewal_request(self, refresh_token: str | None, seconds: float, scopes: Iterable[str] = ()) -> Request:
        """Return the request for new tokens, with a refresh token or with the app's credentials and `scopes`."""
        if refresh_token is not None:
            return self.request({"grant_type": "refresh_token", "refresh_token": refresh_token}, seconds)
        return self.request({"grant_type": self.oauth["grant"], **self.sent("token"), **self._scope(scopes)}, seconds)

    def request(self, form: dict[str, str], seconds: float, word: str = "token_url") -> Request:
        """Return the request that posts a form with the client's credentials to the definition's URL `word`."""
        headers = [("Accept", "application/json"), ("Content-Type", "application/x-www-form-urlencoded")]
        if self.oauth["client"] == "basic":
            headers.append(("Authorization", f"Basic {self.basic}"))
        else:
            client = self.sent("client")
            form["client_id"] = client.get("id", "")
            if self.oauth["client"] == "body":
                form["client_secret"] = client.get("secret", "")
        url = self._address(word)
        head, content, call = tuple(headers), urlencode(form).encode(), {"timeout": seconds * 1000}
        return Request("POST", f"({word})", url, url, headers=head, content=content, body=None, call=call)

    def _scope(self, scopes: Iterable[str]) -> dict[str, str]:
        definition, names = self.oauth.get("scope", {}), [*scopes]
        is_used = bool(names) and definition.get("from") == "actions"
        return {"scope": definition.get("separator", " ").join(names)} if is_used else {}

    def _address(self, word: str) -> str:
        url: str = self.oauth[word]
        origin = check_origin(self.kind, self.origin)  # checked again, because it may be from a store
        return url if origin is None else origin + urlsplit(url)._replace(scheme="", netloc="").geturl()

    def check(self, response: Response, now: float, secrets: Iterable[str] = ()) -> Any:
        """Return the body of a response. Raises the error of a refusal, masking the app's secrets and `secrets`."""
        answer = answers.parse(response)
        if not answers.is_refused(self.kind.errors, answer):
            return answer.body
        keys = {row.key for row in self.kind.inputs if row.type == "secret"} & self.values.keys()
        hidden, at = {*(self.values[key] for key in keys), self.basic, *secrets}, datetime.fromtimestamp(now, UTC)
        raise answers.RefusedResponse(self.kind.errors, response, hidden, "").error("read", at)

    def tokens(self, response: Response, sent_at: float, old: Tokens | None = None, sent: Iterable[str] = ()) -> Tokens:
        """Return the tokens in a response. Raises the error of a refusal, masking the secrets of the request.

        `old` are the tokens to renew, because a response may omit unchanged values. `sent` are further secrets to mask.
        """
        old = old or Tokens(granted={})
        body = self.check(response, sent_at, {*old.secrets, *sent})
        token = body.get("access_token") if isinstance(body, Mapping) else None
        if not isinstance(token, str) or not token.strip():
            hint = Sentence("Something between here and {vendor} may have responded instead. Try again.")
            raise _unusable(response, Sentence("has no access token"), hint)
        implied = self.oauth.get("origins", {}).get(self.origin, {})
        texts = {
            grant.name: body.get(grant.name) or old.granted.get(grant.name) or implied.get(grant.name)
            for grant in self.kind.grants
        }
        granted = {name: value.strip(" ") for name, value in texts.items() if isinstance(value, str)}
        scope, refresh = body.get("scope"), body.get("refresh_token")
        in_headers = {grant.name for grant in self.kind.grants for place in grant.to if place.kind == "header"}
        for name, text in {**granted, "refresh_token": refresh, "scope": scope}.items():
            if isinstance(text, str) and not _can_be_sent(text, name in in_headers or name == "refresh_token"):
                slots = {"name": name, "count": len(text)}
                what = Sentence("holds a {name} of {count} characters that cannot be sent in a request", **slots)
                raise _unusable(response, what)
        lifetime = lifetime_of(body.get("expires_in"))
        return Tokens(
            granted=granted,
            refresh_token=refresh if isinstance(refresh, str) and refresh else old.refresh_token,
            expires_at=None if lifetime is None else sent_at + lifetime,
            lifetime=lifetime,
            scopes=tuple(scope.replace(",", " ").split()) if isinstance(scope, str) else old.scopes,
        )

    def is_over(self, response: Response) -> bool:
        """Return whether a response means that the refresh token is invalid for good; a server error never does."""
        look = answers.RefusedResponse(self.kind.errors, response).look
        is_verdict = 400 <= response.status < 500 and response.status != 429
        return is_verdict and any(conditions.holds(condition, look) for condition in self.kind.revoked_when)


def lifetime_of(value: Any) -> float | None:
    """Return a token's lifetime in seconds, at most a year, from `expires_in`; None if it is invalid."""
    try:
        seconds = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, YEAR) if seconds >= 0 else None


def _can_be_sent(text: str, in_header: bool) -> bool:
    return len(text) <= MAX_LENGTH and text.isprintable() and (text.isascii() or not in_header)


TRY_AGAIN = Sentence("Try again.")
SIGN_IN = Sentence("Sign in again.")


def _unusable(response: Response, what: str, hint: str = TRY_AGAIN) -> TransportError:
    media_type = response.headers.get("content-type", "no content type").partition(";")[0][: answers.MAX_TYPE_LENGTH]
    slots = {"status": response.status, "type": media_type, "what": what}
    message = Sentence("The token endpoint's response ({status}, {type}) {what}.", **slots)
    return TransportError(message, hint=hint, status=response.status, retriable=True)


def app(kind: Connection, values: Mapping[str, Any], origin: str | None = None) -> App:
    """Check a person's values like the inputs of an action, and return the app.

    `origin` replaces the default origin of the vendor's OAuth. It must be one of the definition's `origins`, such as a
    government cloud, or this machine for tests. Raises `InputError` with all problems.
    """
    texts = {name: text.strip() for name, text in filled(kind, kind.inputs, values).items()}
    return App(kind, texts, check_origin(kind, origin))


def page(text: str, book: Phrasebook = PLAIN) -> str:
    """Return the HTML page to show after a sign-in, which loads no other resources."""
    title = escape(book.say(Sentence("Sign-in")))
    head = f'<!doctype html><html lang="{book.language}"><meta charset="utf-8"><title>{title}</title>'
    return f"{head}<p>{escape(text)}</p></html>"


def needs_person(kind: Connection) -> bool:
    """Return whether a person has to sign in."""
    return kind.oauth is not None and kind.oauth["grant"] == "authorization_code"


def check_origin(kind: Connection, origin: str | None) -> str | None:
    """Return an origin, or None if it is the default. Raises `InputError` for an origin that `app` does not allow."""
    if origin is None or kind.oauth is None:
        return None
    origin = origin.rstrip("/")
    parts = hosts.parts(origin)
    usual = {"{0.scheme}://{0.netloc}".format(urlsplit(kind.oauth["token_url"]))}
    allowed = sorted(usual | set(kind.oauth.get("origins", {})))
    is_bare = not (parts.path or parts.query or parts.username)
    is_local = parts.scheme == "http" and hosts.is_loopback(parts.hostname) and is_bare
    if origin not in allowed and not is_local:
        what = Sentence("must be one of {hosts}: secrets are sent nowhere else", hosts=tuple(allowed))
        raise InputError.of(subject(kind), [Problem("oauth_url", what)])
    return None if origin in usual else origin


def _texts(data: Any) -> Any:
    """Return a list or map of strings unchanged. Raises `ValueError` if it contains other types."""
    if not all(isinstance(text, str) for text in (data.values() if isinstance(data, dict) else data)):
        raise ValueError("a value that must be a string is not")
    return data


def query_of(callback: str | Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a callback, which is a mapping, a URL, or a query string."""
    if not isinstance(callback, str):
        return dict(callback)
    head, question_mark, query = callback.strip().partition("#")[0].partition("?")
    return dict(parse_qsl(query if question_mark else head))


def state_of(query: Mapping[str, str]) -> str:
    """Return the state of a callback. Raises `AuthError` without one, as when the sign-in began at the vendor."""
    if query.get("state"):
        return query["state"]
    what = Sentence("This sign-in was not started here.")
    raise AuthError(what, hint=Sentence("Start it where you want to use the connection, not on a page of {vendor}."))


def code_of(query: Mapping[str, str]) -> str:
    """Return the authorization code of a callback. Raises `AuthError` if it carries an error or no code."""
    if query.get("code"):
        return query["code"]
    if query.get("error") == "access_denied":
        hint = Sentence("Sign in again and allow the access, or ask an admin to allow it.")
        raise AuthError(Sentence("The sign-in was declined."), hint=hint)
    if query.get("error"):
        reason = " ".join(query.get("error_description", query["error"]).split())[:200]
        what = Sentence("{vendor} refused the sign-in: {reason}.", reason=reason)
        raise AuthError(what, hint=Sentence("Correct that, then sign in again."))
    raise AuthError(Sentence("The sign-in came back without a code."), hint=SIGN_IN)


@shows("kind")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ConnectionRecord:
    """A stored connection. `dead` is why it can no longer be renewed.

    `seen` is the error of its last test or call, with `kind`, `message`, `hint`, `status` and `code`, or None.
    """

    kind: str
    values: Mapping[str, str]  # by input
    tokens: Tokens
    origin: str | None = None
    identity: str | None = None
    account: str | None = None
    user: str | None = None
    connected_at: float = 0.0  # changes if the name is connected again
    dead: str | None = None
    seen: Mapping[str, Any] | None = None

    @property
    def is_failing(self) -> bool:
        """Whether its last test or call failed, except for a missing scope, which means that the token was accepted."""
        return self.seen is not None and self.seen["kind"] != MissingScope.kind

    def ended(self, why: str) -> ConnectionRecord:
        """Return a copy that is dead and has no tokens."""
        return replace(self, tokens=Tokens(granted={}), dead=why)

    def write(self) -> bytes:
        plain = {"values": dict(self.values), "tokens": self.tokens.to_dict()}
        return json.dumps({name: getattr(self, name) for name in self.__slots__} | plain).encode()

    @classmethod
    def read(cls, content: bytes) -> ConnectionRecord:
        """Return the record from the bytes of `write`, in any version. Raises `ValueError` for other bytes."""
        optional = dict.fromkeys(("origin", "identity", "account", "user", "dead"), str | None)
        data = json_text.read(content)
        fields = json_text.fields(data, kind=str, values=dict, connected_at=float | int, seen=dict | None, **optional)
        if fields["seen"] is not None:
            fields["seen"] = json_text.fields(fields["seen"], **ERROR_FIELDS)
        return cls(**{**fields, "values": _texts(fields["values"]), "tokens": Tokens.from_dict(data.get("tokens"))})

    def serves(self, rejected: Mapping[str, str] | None, now: float) -> bool:
        """Return whether its token is usable: neither rejected nor due for renewal."""
        return self.dead is None and rejected != self.tokens.granted and not self.tokens.is_due(now)


@dataclass(frozen=True, slots=True)
class Renewal:
    """The renewal of a stored connection's token, as `steps`.

    Only one process renews at a time: it acquires the lease, reads the store again, requests a new pair of tokens, and
    stores the pair before using it. Other processes use the old token while it is valid, then wait for the new one.

    `rejected` holds the values that the vendor has just rejected, and `seconds` the time limit of a token request.
    """

    kind: Connection
    name: str
    rejected: Mapping[str, str] | None = field(repr=False)
    seconds: float

    def steps(self) -> Steps:
        """Renew the token if necessary, and output a record with a valid one. Raises `AuthError`, `TransportError`."""
        started = (yield Now()).timestamp()
        has_lease, pause = False, PAUSE
        while True:
            record, version = self._existing((yield Read()))
            now = (yield Now()).timestamp()
            if record.serves(self.rejected, now):
                break
            if record.dead is not None:
                raise self._ended(record.dead)
            if has_lease:
                record = yield from self._renew(record, version, now)
                break
            has_lease = yield Acquire()
            if has_lease:
                continue  # the previous holder may have renewed it
            if self._is_valid(record, now):
                break
            if now - started > WAIT_LIMITS * self.seconds:
                what = Sentence("Another process is still renewing the token of {name}.", name=self.name)
                raise TransportError(what, hint=TRY_AGAIN, retriable=True)
            yield Wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        if has_lease:
            yield Release()
        yield record

    def _renew(self, record: ConnectionRecord, version: int, now: float) -> Generator[Any, Any, ConnectionRecord]:
        """Request and store new tokens; return the new record, or a newer one that another process has stored."""
        refresh_token, response = record.tokens.refresh_token, None
        if self.kind.oauth is None or (refresh_token is None and needs_person(self.kind)):
            if self.rejected is not None:
                return record  # it cannot be renewed, and the vendor's refusal is the best error
            raise self._ended(Sentence("its token has expired and cannot be renewed"))
        app = App(self.kind, record.values, record.origin)
        try:
            response = yield Send(app.renewal_request(refresh_token, self.seconds, record.tokens.scopes))
            tokens = app.tokens(response, now, record.tokens)
        except RequestError as error:
            if refresh_token is not None and response is not None and app.is_over(response):
                record, version = self._existing((yield Read()))
                if record.tokens.refresh_token == refresh_token:
                    yield Write(replace(record, dead=error.message), version)
                    raise self._ended(error.message, error) from None
                if record.dead is not None:
                    raise self._ended(record.dead) from None
                return record  # another process stored a newer record
            if not (isinstance(error, TransportError) or error.retriable):
                what = Sentence("The token of {name} was refused: {reason}", name=self.name, reason=error.message)
                raise error.with_message(what, hint=error.hint) from None
            if self._is_valid(record, now):
                return record  # the next call tries again
            what = Sentence("The token of {name} could not be renewed: {reason}", name=self.name, reason=error.message)
            facts = {**error.answered, "code": None, "retriable": True, "retry_at": error.retry_at}
            raise TransportError(what, hint=Sentence("The connection is kept. Try again."), **facts) from None
        while True:
            new = replace(record, tokens=tokens, dead=None)
            if (yield Write(new, version)) is not None:
                return new
            record, version = self._existing((yield Read()))  # another writer loses only the tokens
            if record.dead is not None:
                raise self._ended(record.dead)
            if record.tokens.refresh_token != refresh_token:
                return record  # reconnected meanwhile

    def _is_valid(self, record: ConnectionRecord, now: float) -> bool:
        """Return whether its token still works: neither rejected nor expired, though perhaps due for renewal."""
        until = record.tokens.expires_at
        return self.rejected != record.tokens.granted and (until is None or now < until)

    def _existing(self, row: tuple[ConnectionRecord, int] | None) -> tuple[ConnectionRecord, int]:
        if row is None:
            raise no_connection(self.name)
        return row

    def _ended(self, why: str, refusal: RequestError | None = None) -> AuthError:
        hint = Sentence("Sign in again: reconnect {name}.", name=self.name)
        if refusal and refusal.hint:
            hint = Sentence("{hint} To do so, reconnect {name}.", hint=refusal.hint, name=self.name)
        reason = why if isinstance(why, Sentence) else why.rstrip(".")
        what = Sentence("The connection {name} has ended: {reason}.", name=self.name, reason=reason)
        return AuthError(what, hint=hint, **(refusal.answered if refusal else {}))


def no_connection(name: str, known: Iterable[str] = ()) -> AuthError:
    """Return the error for an unknown connection; `known` are the existing names."""
    names = tuple(known)
    hint = Sentence("Connections: {names}.", names=names) if names else Sentence("Connect an account.")
    return AuthError(Sentence("There is no connection {name}.", name=name), hint=hint)
