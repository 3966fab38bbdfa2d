"""OAuth 2.0 as requests and what their answers give, and the order in which a stored connection is renewed. Pure.

Secrets stand in headers and bodies of token requests, never in a URL, and are cut out of what a refusal quotes.
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

CLIENT = ("id", "secret")
SEEN: Any = {"kind": str, "message": str, "hint": str | None, "status": int | None, "code": int | str | None}
EARLY = 60.0  # seconds before its end at which a token is renewed, or a tenth of its life if that is less
PAUSE = 0.05  # seconds between the first two looks at the store, while another process renews; then twice as long
LONGEST_PAUSE = 1.0
PATIENCE = 5  # times as long as a token request may take: how long that is waited for
YEAR = 366 * 86400.0  # seconds: a token that is said to last longer is renewed after that
LATEST = 253402300799.0  # seconds since 1970: the last that a date can show
LONGEST = 64 * 1024  # characters of a text that a token endpoint gives


@shows("expires_at")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Tokens:
    """What a token endpoint gave: `granted` goes to requests; times are seconds since 1970."""

    granted: Mapping[str, str]
    refresh_token: str | None = None
    expires_at: float | None = None
    lifetime: float | None = None
    scopes: tuple[str, ...] = ()

    def is_due(self, now: float) -> bool:
        """Whether it is time to renew: min(60 s, a tenth of the lifetime) before the end."""
        return self.expires_at is not None and now >= self.expires_at - min(EARLY, (self.lifetime or 0) / 10)

    @property
    def secrets(self) -> set[str]:
        """What no message may show."""
        return {*self.granted.values(), self.refresh_token or ""}

    def to_dict(self) -> dict[str, Any]:
        """As JSON data with its secrets, for a store."""
        plain = {"granted": dict(self.granted), "scopes": list(self.scopes)}
        return {name: getattr(self, name) for name in self.__slots__} | plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Tokens:
        """The tokens that `to_dict` gave. Raises `ValueError` for other data."""
        times = {"expires_at": float | int | None, "lifetime": float | int | None}
        told = json_text.fields(data, granted=dict, refresh_token=str | None, scopes=list, **times)
        for name, most in (("expires_at", LATEST), ("lifetime", YEAR)):  # else unknown
            told[name] = float(told[name]) if told[name] is not None and 0 <= told[name] <= most else None
        return cls(**{**told, "granted": _texts(told["granted"]), "scopes": tuple(_texts(told["scopes"]))})


@shows("origin")
@dataclass(frozen=True, slots=True, repr=False)
class App:
    """What a person filled in for a kind of connection, and where the vendor's OAuth lives if not as usual.

    Its methods are the requests of OAuth, and what their answers give.
    """

    kind: Connection
    values: Mapping[str, str]
    origin: str | None = None

    @property
    def oauth(self) -> Mapping[str, Any]:
        """What the definition says of the vendor's OAuth."""
        return self.kind.oauth or {}

    def sent(self, to: str) -> dict[str, str]:
        """What goes to a place of token requests, by its name there: `client` has an `id` and perhaps a `secret`."""
        rows = [row for row in self.kind.inputs if row.key in self.values]
        return {place.path[0]: self.values[row.key] for row in rows for place in row.to if place.kind == to}

    @property
    def basic(self) -> str:
        """Id and secret as a Basic header has them: written as in a form before they are joined (RFC 6749, 2.3.1)."""
        client = self.sent("client")
        return base64.b64encode(":".join(quote_plus(client.get(part, "")) for part in CLIENT).encode()).decode()

    def authorize_url(self, redirect_uri: str, state: str, verifier: str, scopes: Iterable[str] = ()) -> str:
        """The address where a person signs in. `state` and `verifier` are texts that nobody can guess."""
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
        """Ask for the tokens of an authorization code."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return self.request({**form, "code_verifier": verifier} if "pkce" in self.oauth else form, seconds)

    def renewal_request(self, refresh_token: str | None, seconds: float, scopes: Iterable[str] = ()) -> Request:
        """Ask for the next tokens: with the refresh token, or with the app's own credentials and for these scopes."""
        if refresh_token is not None:
            return self.request({"grant_type": "refresh_token", "refresh_token": refresh_token}, seconds)
        return self.request({"grant_type": self.oauth["grant"], **self.sent("token"), **self._scope(scopes)}, seconds)

    def request(self, form: dict[str, str], seconds: float, word: str = "token_url") -> Request:
        """A form with the client's credentials, for one of the addresses that the definition names."""
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
        said, asked = self.oauth.get("scope", {}), [*scopes]
        return {"scope": said.get("separator", " ").join(asked)} if asked and said.get("from") == "actions" else {}

    def _address(self, word: str) -> str:
        url: str = self.oauth[word]
        origin = check_origin(self.kind, self.origin)  # again, since it may come from a store
        return url if origin is None else origin + urlsplit(url)._replace(scheme="", netloc="").geturl()

    def check(self, response: Response, now: float, secrets: Iterable[str] = ()) -> Any:
        """The body of an answer; raises the error that it is instead, without the app's secrets and these."""
        answer = answers.parse(response)
        if not answers.is_refused(self.kind.errors, answer):
            return answer.body
        own = {self.values[row.key] for row in self.kind.inputs if row.type == "secret" and row.key in self.values}
        hidden, at = {*own, self.basic, *secrets}, datetime.fromtimestamp(now, UTC)
        raise answers.RefusedResponse(self.kind.errors, response, hidden).error("read", at)

    def tokens(self, response: Response, sent_at: float, old: Tokens | None = None, sent: Iterable[str] = ()) -> Tokens:
        """The tokens of an answer; raises the error that it is instead, without the secrets that were sent.

        `old` is what the answer follows: it may leave out what has not changed. `sent` are more secrets of the request.
        """
        old = old or Tokens(granted={})
        body = self.check(response, sent_at, {*old.secrets, *sent})
        token = body.get("access_token") if isinstance(body, Mapping) else None
        if not isinstance(token, str) or not token.strip():
            hint = Sentence("Something between here and {vendor} may have answered instead. Try again.")
            raise _unusable(response, Sentence("has no access token"), hint)
        implied = self.oauth.get("origins", {}).get(self.origin, {})
        found = {
            grant.name: body.get(grant.name) or old.granted.get(grant.name) or implied.get(grant.name)
            for grant in self.kind.grants
        }
        granted = {name: value.strip(" ") for name, value in found.items() if isinstance(value, str)}
        scope, refresh = body.get("scope"), body.get("refresh_token")
        heads = {grant.name for grant in self.kind.grants for place in grant.to if place.kind == "header"}
        for name, text in {**granted, "refresh_token": refresh, "scope": scope}.items():
            if isinstance(text, str) and not _can_be_carried(text, name in heads or name == "refresh_token"):
                slots = {"name": name, "count": len(text)}
                what = Sentence("holds a {name} of {count} characters that no request can carry", **slots)
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
        """Whether an answer says that the refresh token will never be good again; a server in trouble says nothing."""
        look = answers.RefusedResponse(self.kind.errors, response).look
        is_verdict = 400 <= response.status < 500 and response.status != 429
        return is_verdict and any(conditions.holds(condition, look) for condition in self.kind.revoked_when)


def lifetime_of(said: Any) -> float | None:
    """The seconds that a token endpoint says a token lasts, a year at most; None if it says nothing that is one."""
    try:
        seconds = -1.0 if isinstance(said, bool) else float(said)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, YEAR) if seconds >= 0 else None


def _can_be_carried(text: str, in_header: bool) -> bool:
    return len(text) <= LONGEST and text.isprintable() and (text.isascii() or not in_header)


AGAIN = Sentence("Try again.")
SIGN_IN = Sentence("Sign in again.")


def _unusable(response: Response, what: str, hint: str = AGAIN) -> TransportError:
    kind_of = response.headers.get("content-type", "no content type").partition(";")[0][: answers.SHOWN]
    slots = {"status": response.status, "type": kind_of, "what": what}
    said = Sentence("The token endpoint's answer ({status}, {type}) {what}.", **slots)
    return TransportError(said, hint=hint, status=response.status, retriable=True)


def app(kind: Connection, given: Mapping[str, Any], origin: str | None = None) -> App:
    """The app that a person filled in, checked like the inputs of an action.

    `origin` is where OAuth lives instead of at its usual place: one of the definition's `origins`, such as a
    government's cloud, or this machine for tests. Raises `InputError` with all problems.
    """
    values = {name: text.strip() for name, text in filled(kind, kind.inputs, given).items()}
    return App(kind, values, check_origin(kind, origin))


def page(text: str, book: Phrasebook = PLAIN) -> str:
    """What a browser that came back from a sign-in is shown; it refers to nothing outside itself."""
    title = escape(book.say(Sentence("Sign-in")))
    head = f'<!doctype html><html lang="{book.language}"><meta charset="utf-8"><title>{title}</title>'
    return f"{head}<p>{escape(text)}</p></html>"


def needs_person(kind: Connection) -> bool:
    """Whether a person has to sign in."""
    return kind.oauth is not None and kind.oauth["grant"] == "authorization_code"


def check_origin(kind: Connection, origin: str | None) -> str | None:
    """Where OAuth is to live instead: one of the definition's, or this machine for tests. Raises `InputError`."""
    if origin is None or kind.oauth is None:
        return None
    origin = origin.rstrip("/")
    parts = hosts.parts(origin)
    own = {"{0.scheme}://{0.netloc}".format(urlsplit(kind.oauth["token_url"]))}
    allowed = sorted(own | set(kind.oauth.get("origins", {})))
    local = (
        parts.scheme == "http"
        and hosts.is_loopback(parts.hostname)
        and not (parts.path or parts.query or parts.username)
    )
    if origin not in allowed and not local:
        what = Sentence("must be one of {hosts}: secrets are sent nowhere else", hosts=tuple(allowed))
        raise InputError.of(subject(kind), [Problem("oauth_url", what)])
    return None if origin in own else origin


def _texts(told: Any) -> Any:
    """A list or map of texts, as it is. Raises `ValueError` if anything else is in it."""
    if not all(isinstance(text, str) for text in (told.values() if isinstance(told, dict) else told)):
        raise ValueError("what should be a text is none")
    return told


def query_of(callback: str | Mapping[str, str]) -> dict[str, str]:
    """The parameters of a callback: given as such, as the whole URL, or as what follows its question mark."""
    if not isinstance(callback, str):
        return dict(callback)
    head, question_mark, query = callback.strip().partition("#")[0].partition("?")
    return dict(parse_qsl(query if question_mark else head))


def state_of(query: Mapping[str, str]) -> str:
    """The state of a callback; raises `AuthError` where there is none, as after a sign-in that the vendor began."""
    if query.get("state"):
        return query["state"]
    what = Sentence("This sign-in was not started here.")
    raise AuthError(what, hint=Sentence("Start it where you want to use the connection, not on a page of {vendor}."))


def code_of(query: Mapping[str, str]) -> str:
    """The authorization code of a callback; raises `AuthError` for the error that it may carry instead."""
    if query.get("code"):
        return query["code"]
    if query.get("error") == "access_denied":
        hint = Sentence("Sign in again and allow the access, or ask an admin to allow it.")
        raise AuthError(Sentence("The sign-in was declined."), hint=hint)
    if query.get("error"):
        said = " ".join(query.get("error_description", query["error"]).split())[:200]
        what = Sentence("{vendor} refused the sign-in: {reason}.", reason=said)
        raise AuthError(what, hint=Sentence("Correct what it says, then sign in again."))
    raise AuthError(Sentence("The sign-in came back without a code."), hint=SIGN_IN)


@shows("kind")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ConnectionRecord:
    """One stored connection. `dead` is why it can't be renewed any more.

    `seen` is what its last test or call failed with, None after one that did not: `kind`, `message`, `hint`, `status`,
    `code`.
    """

    kind: str
    values: Mapping[str, str]  # what a person filled in
    tokens: Tokens
    origin: str | None = None
    identity: str | None = None
    account: str | None = None
    user: str | None = None
    connected_at: float = 0.0  # another time is another connection under its name
    dead: str | None = None
    seen: Mapping[str, Any] | None = None

    @property
    def is_failing(self) -> bool:
        """Whether its last test or call was refused; for want of a scope the vendor knows it all the same."""
        return self.seen is not None and self.seen["kind"] != MissingScope.kind

    def ended(self, why: str) -> ConnectionRecord:
        """The same connection without its tokens, dead."""
        return replace(self, tokens=Tokens(granted={}), dead=why)

    def write(self) -> bytes:
        plain = {"values": dict(self.values), "tokens": self.tokens.to_dict()}
        return json.dumps({name: getattr(self, name) for name in self.__slots__} | plain).encode()

    @classmethod
    def read(cls, content: bytes) -> ConnectionRecord:
        """The record that `write` wrote, perhaps in another version. Raises `ValueError` for other bytes."""
        optional = dict.fromkeys(("origin", "identity", "account", "user", "dead"), str | None)
        data = json_text.read(content)
        told = json_text.fields(data, kind=str, values=dict, connected_at=float | int, seen=dict | None, **optional)
        if told["seen"] is not None:
            told["seen"] = json_text.fields(told["seen"], **SEEN)
        return cls(**{**told, "values": _texts(told["values"]), "tokens": Tokens.from_dict(data.get("tokens"))})

    def serves(self, rejected: Mapping[str, str] | None, now: float) -> bool:
        """Whether its token can be used: not the one just rejected, and not close to its end."""
        return self.dead is None and rejected != self.tokens.granted and not self.tokens.is_due(now)


@dataclass(frozen=True, slots=True)
class Renewal:
    """How a stored connection gets its next token: `steps`.

    One process at a time renews: who holds the lease reads the store again, asks, and stores the new pair before
    anybody uses it. Who does not hold it goes on with the old token while that is good, and otherwise waits for the new
    one. The one open window lies between the vendor's answer and `Write`: a refresh token is spent and its successor
    not yet stored.

    `rejected` is what the vendor has just refused, `seconds` how long a token request may take.
    """

    kind: Connection
    name: str
    rejected: Mapping[str, str] | None = field(repr=False)
    seconds: float

    def steps(self) -> Steps:
        """Yield, as the output, a record whose token can be used, renewed if need be.

        Raises `AuthError` ("reconnect"), or `TransportError` if the token endpoint does not answer.
        """
        started = (yield Now()).timestamp()
        has_lease, pause = False, PAUSE
        while True:
            record, version = self._there((yield Read()))
            now = (yield Now()).timestamp()
            if record.serves(self.rejected, now):
                break
            if record.dead is not None:
                raise self._ended(record.dead)
            if has_lease:
                record = yield from self._renewed(record, version, now)
                break
            has_lease = yield Acquire()
            if has_lease:
                continue  # the last holder may have renewed it
            if self._lasts(record, now):
                break
            if now - started > PATIENCE * self.seconds:
                what = Sentence("The connection {name} is being renewed elsewhere.", name=self.name)
                raise TransportError(what, hint=AGAIN, retriable=True)
            yield Wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        if has_lease:
            yield Release()
        yield record

    def _renewed(self, record: ConnectionRecord, version: int, now: float) -> Generator[Any, Any, ConnectionRecord]:
        """The record after a token request: with the new pair, stored by then, or with what another stored."""
        spent, response = record.tokens.refresh_token, None
        if self.kind.oauth is None or (spent is None and needs_person(self.kind)):
            if self.rejected is not None:
                return record  # there is no other, and the vendor's own refusal says more than we could
            raise self._ended(Sentence("its token has expired and cannot be renewed"))
        app = App(self.kind, record.values, record.origin)
        try:
            response = yield Send(app.renewal_request(spent, self.seconds, record.tokens.scopes))
            tokens = app.tokens(response, now, record.tokens)
        except RequestError as error:
            if spent is not None and response is not None and app.is_over(response):
                record, version = self._there((yield Read()))
                if record.tokens.refresh_token == spent:
                    yield Write(replace(record, dead=error.message), version)
                    raise self._ended(error.message, error) from None
                if record.dead is not None:
                    raise self._ended(record.dead) from None
                return record  # somebody stored a newer one
            if not (isinstance(error, TransportError) or error.retriable):
                what = Sentence("The token of {name} was refused: {reason}", name=self.name, reason=error.message)
                raise error.with_message(what, hint=error.hint) from None
            if self._lasts(record, now):
                return record  # the next call tries again
            what = Sentence("The token of {name} could not be renewed: {reason}", name=self.name, reason=error.message)
            facts = {**error.answered, "code": None, "retriable": True, "retry_at": error.retry_at}
            raise TransportError(what, hint=Sentence("The connection is kept. Try again."), **facts) from None
        while True:
            new = replace(record, tokens=tokens, dead=None)
            if (yield Write(new, version)) is not None:
                return new
            record, version = self._there((yield Read()))  # whoever wrote meanwhile loses only the tokens
            if record.dead is not None:
                raise self._ended(record.dead)
            if record.tokens.refresh_token != spent:
                return record  # connected anew

    def _lasts(self, record: ConnectionRecord, now: float) -> bool:
        """Whether its token can be used for want of a newer one, until its very end."""
        until = record.tokens.expires_at
        return self.rejected != record.tokens.granted and (until is None or now < until)

    def _there(self, found: tuple[ConnectionRecord, int] | None) -> tuple[ConnectionRecord, int]:
        if found is None:
            raise no_connection(self.name)
        return found

    def _ended(self, why: str, refusal: RequestError | None = None) -> AuthError:
        hint = Sentence("Sign in again: reconnect {name}.", name=self.name)
        if refusal and refusal.hint:
            hint = Sentence("{hint} To do so, reconnect {name}.", hint=refusal.hint, name=self.name)
        reason = why if isinstance(why, Sentence) else why.rstrip(".")
        what = Sentence("The connection {name} has ended: {reason}.", name=self.name, reason=reason)
        return AuthError(what, hint=hint, **(refusal.answered if refusal else {}))


def no_connection(name: str, known: Iterable[str] = ()) -> AuthError:
    """The error for a name that no stored connection has."""
    names = tuple(known)
    hint = Sentence("Connections: {names}.", names=names) if names else Sentence("Connect an account.")
    return AuthError(Sentence("There is no connection {name}.", name=name), hint=hint)
