"""Zoom's authorize, token and revoke endpoints for one account. Does no I/O and checks no API requests.

The behaviour follows Zoom's documentation and real logs: a refresh token is valid once, and a new sign-in ends the
previous one. The token endpoint refuses with `{"reason", "error"}`, the authorize page with `{"errorCode",
"errorMessage"}`. Only the server's loop touches this state.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from html import escape
from urllib.parse import parse_qsl, unquote_plus, urlencode

from .account import ACCOUNT_ID, User
from .auth import IssuedTokens
from .endpoints import endpoints
from .wire import WireRequest, WireResponse

CODE_LIFETIME = 300.0
CALLBACK = "http://127.0.0.1:8765/callback"  # of the command line
SERVICE = tuple(f"http://{host}:*/v1/oauth/callback" for host in ("127.0.0.1", "localhost"))  # of the HTTP service


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredApp:
    """A Marketplace app: a public client if it has no secret, server-to-server if it has an account id.

    `*` in a redirect URI matches any port.
    """

    client_id: str
    secret: str | None = field(default=None, repr=False)
    redirect_uris: tuple[str, ...] = ()
    account_id: str | None = None
    scopes: frozenset[str] | None = None  # None: all

    def takes(self, redirect_uri: str) -> bool:
        """True if the app registered this redirect URI."""
        patterns = (re.escape(uri).replace(r"\*", "[0-9]+") for uri in self.redirect_uris)
        return any(re.fullmatch(pattern, redirect_uri) for pattern in patterns)


APPS = (
    RegisteredApp(client_id="sandbox-client", secret="sandbox-secret", redirect_uris=(CALLBACK, *SERVICE)),
    RegisteredApp(client_id="sandbox-public", redirect_uris=(CALLBACK, *SERVICE)),
    RegisteredApp(client_id="sandbox-server", secret="sandbox-secret", account_id=ACCOUNT_ID),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SignIn:
    """One user's consent to one app."""

    app: RegisteredApp
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    sign_in: _SignIn
    redirect_uri: str
    challenge: str | None
    method: str
    expires: float


class _OAuthError(Exception):
    def __init__(self, error: str, reason: str, status: int = 400) -> None:
        self.answer = _json({"reason": reason, "error": error}, status)


class OAuth:
    """The apps of the sandbox and their tokens.

    `lifetime` (seconds) of new access tokens and `api_url`, the API's URL in token responses (None: absent), can be
    assigned at any time. `spent` lists the used refresh tokens in order, `issued` all access tokens.
    """

    def __init__(
        self, tokens: IssuedTokens, clock: Callable[[], float], find_user: Callable[[str], User | None]
    ) -> None:
        self.lifetime = 3600.0
        self.api_url: str | None = "https://api.zoom.us"
        self.spent: list[str] = []
        self.issued: list[str] = []
        self._tokens = tokens
        self._clock = clock
        self._find_user = find_user
        self._apps = {app.client_id: app for app in APPS}
        self._codes: dict[str, _Code] = {}
        self._refresh: dict[str, _SignIn] = {}  # by valid refresh token
        self._revoked: set[str] = set()
        self._access: dict[str, str] = {}  # access token -> the refresh token that came with it

    def register(
        self,
        client_id: str,
        secret: str | None = None,
        *,
        redirect_uris: Collection[str] = (CALLBACK,),
        account_id: str | None = None,
        scopes: Collection[str] | None = None,
    ) -> None:
        """Add an app, or replace the app with that id."""
        self._apps[client_id] = RegisteredApp(
            client_id=client_id,
            secret=secret,
            redirect_uris=tuple(redirect_uris),
            account_id=account_id,
            scopes=None if scopes is None else frozenset(scopes),
        )

    def allow(self, redirect_uri: str) -> None:
        """Add a redirect URI to every app that users sign in to."""
        for client_id, app in self._apps.items():
            if app.account_id is None:
                self._apps[client_id] = replace(app, redirect_uris=(*app.redirect_uris, redirect_uri))

    def remove(self, client_id: str, user: str) -> None:
        """End this user's consent to this app; raise ValueError for an unknown app."""
        if client_id not in self._apps:
            raise ValueError(f"there is no app {client_id!r}; the apps are {', '.join(self._apps)}")
        self._end([key for key, each in self._refresh.items() if (each.app.client_id, each.user) == (client_id, user)])

    def forget(self) -> None:
        """End every sign-in, as if the users had removed the apps."""
        self._end(list(self._refresh))

    def answer(self, request: WireRequest) -> WireResponse:
        """Respond to a request under `/oauth/`."""
        path, _, query = request.target.partition("?")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
        try:
            match request.method, path:
                case "GET", "/oauth/authorize":
                    return self._consent_page(dict(parse_qsl(query)))
                case "POST", "/oauth/authorize":
                    return self._decide(form)
                case "POST", "/oauth/token":
                    return self._token(request, form)
                case "POST", "/oauth/revoke":
                    return self._revoke(request, form)
        except _OAuthError as error:
            return error.answer
        return _json({"status": False, "errorCode": 404, "errorMessage": "Not found", "result": None}, 404)

    # -- in the browser ----------------------------------------------------------------------------------------------

    def _consent_page(self, query: dict[str, str]) -> WireResponse:
        fault = self._fault(query)
        if fault is not None:
            return fault
        hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in query.items())
        page = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Zoom sandbox</title>'
            f"<h1>{escape(query['client_id'])} wants to reach your Zoom account</h1>"
            f'<form method="post" action="/oauth/authorize">{hidden}'
            '<p><label>You are <input name="user" value="me"> (id or email; me is the owner)</label></p>'
            '<button name="decision" value="allow">Allow</button> '
            '<button name="decision" value="decline">Decline</button></form></html>'
        )
        return WireResponse(status=200, body=page.encode(), content_type="text/html; charset=utf-8")

    def _fault(self, query: dict[str, str]) -> WireResponse | None:
        app = self._apps.get(query.get("client_id", ""))
        if app is None or app.account_id is not None:
            return _browser_error(4702, f"Invalid client_id: {query.get('client_id')}")
        if not app.takes(query.get("redirect_uri", "")):
            return _browser_error(4700, "Invalid redirect url")
        if query.get("response_type") != "code":
            return _browser_error(4700, "Invalid response type")
        if app.secret is None and "code_challenge" not in query:
            return _browser_error(4700, "A public client needs a code challenge")
        return None

    def _decide(self, form: dict[str, str]) -> WireResponse:
        fault = self._fault(form)
        if fault is not None:
            return fault
        state = {"state": form["state"]} if "state" in form else {}
        if form.get("decision") != "allow":
            return _redirect(form["redirect_uri"], {"error": "access_denied", **state})
        user = self._find_user(form.get("user", "me"))
        if user is None:
            return _browser_error(1001, f"User does not exist: {form['user']}.")
        code = secrets.token_urlsafe(24)
        self._codes[code] = _Code(
            sign_in=_SignIn(app=self._apps[form["client_id"]], user=user.id),
            redirect_uri=form["redirect_uri"],
            challenge=form.get("code_challenge"),
            method=form.get("code_challenge_method", "plain"),
            expires=self._clock() + CODE_LIFETIME,
        )
        return _redirect(form["redirect_uri"], {"code": code, **state})

    # -- tokens ------------------------------------------------------------------------------------------------------

    def _client(self, request: WireRequest, form: dict[str, str]) -> RegisteredApp:
        scheme, _, encoded = (request.header("authorization") or "").partition(" ")
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(encoded, validate=True).decode().partition(":")
            except ValueError:
                raise _OAuthError("invalid_client", "Invalid client_id or client_secret", 401) from None
            app = self._apps.get(unquote_plus(pair[0]))
            if app is not None and app.secret is not None and hmac.compare_digest(app.secret, unquote_plus(pair[2])):
                return app
        elif not scheme:
            app = self._apps.get(form.get("client_id", ""))
            if app is not None and app.secret is None:
                return app
        raise _OAuthError("invalid_client", "Invalid client_id or client_secret", 401)

    def _token(self, request: WireRequest, form: dict[str, str]) -> WireResponse:
        app = self._client(request, form)
        match form.get("grant_type"):
            case "authorization_code":
                sign_in = self._check_code(app, form)
                self.remove(app.client_id, sign_in.user)
                return self._grant(app, sign_in)
            case "refresh_token":
                token = form.get("refresh_token", "")
                if token in self._revoked:
                    raise _OAuthError("invalid_grant", "The token has been revoked.")
                if self._refresh.get(token) is None or self._refresh[token].app.client_id != app.client_id:
                    raise _OAuthError("invalid_grant", "Invalid Token!")
                sign_in = self._refresh.pop(token)
                self.spent.append(token)
                return self._grant(app, sign_in)
            case "account_credentials":
                if app.account_id is None:
                    raise _OAuthError("unsupported_grant_type", "unsupported grant type")
                if form.get("account_id") != app.account_id:
                    raise _OAuthError("invalid_request", "Bad Request")
                return self._grant(app, None)
            case None:
                raise _OAuthError("invalid_request", "Missing grant type.")
        raise _OAuthError("unsupported_grant_type", "unsupported grant type")

    def _check_code(self, app: RegisteredApp, form: dict[str, str]) -> _SignIn:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.sign_in.app.client_id != app.client_id:
            raise _OAuthError("invalid_grant", "Invalid authorization code.")
        if self._clock() >= code.expires:
            raise _OAuthError("invalid_grant", "Code is expired")
        if form.get("redirect_uri") != code.redirect_uri:
            raise _OAuthError("invalid_request", "Redirect URI mismatch.")
        if code.challenge is not None:
            verifier = form.get("code_verifier", "")
            if code.method == "S256":
                verifier = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
            if not hmac.compare_digest(verifier, code.challenge):
                raise _OAuthError("invalid_grant", "Invalid code verifier")
        return code.sign_in

    def _grant(self, app: RegisteredApp, sign_in: _SignIn | None) -> WireResponse:
        access = f"access-{secrets.token_urlsafe(32)}"
        user = None if sign_in is None else sign_in.user
        self._tokens.issue(access, scopes=app.scopes, lifetime=self.lifetime, user=user)
        self.issued.append(access)
        scopes = app.scopes
        if scopes is None:
            granular = {scope for endpoint in endpoints() for scope in endpoint.scopes["granular"]}
            scopes = frozenset(scope for scope in granular if scope.endswith(":admin"))
        body: dict[str, object] = {"access_token": access, "token_type": "bearer"}
        if sign_in is not None:
            token = f"refresh-{secrets.token_urlsafe(32)}"
            self._refresh[token] = sign_in
            self._access[access] = body["refresh_token"] = token
        body |= {"expires_in": int(self.lifetime), "scope": " ".join(sorted(scopes))}
        if self.api_url is not None:
            body["api_url"] = self.api_url
        return _json(body)

    def _revoke(self, request: WireRequest, form: dict[str, str]) -> WireResponse:
        self._client(request, form)
        token = form.get("token", "")
        if token not in self.issued:
            raise _OAuthError("invalid_request", "Invalid Token!")
        self._tokens.revoke(token)
        if token in self._access:
            self._end([self._access[token]])
        return _json({"status": "success"})

    def _end(self, refresh_tokens: list[str]) -> None:
        for token in refresh_tokens:
            self._refresh.pop(token, None)
            self._revoked.add(token)
        for access, refresh in self._access.items():
            if refresh in refresh_tokens:
                self._tokens.revoke(access)


def _json(body: dict[str, object], status: int = 200) -> WireResponse:
    content = json.dumps(body).encode()
    return WireResponse(status=status, body=content, headers=(("cache-control", "no-store"),), carried_out=status < 400)


def _browser_error(code: int, message: str) -> WireResponse:
    return _json({"status": False, "errorCode": code, "errorMessage": message, "result": None}, 400)


def _redirect(redirect_uri: str, query: dict[str, str]) -> WireResponse:
    joint = "&" if "?" in redirect_uri else "?"
    return WireResponse(status=302, headers=(("location", f"{redirect_uri}{joint}{urlencode(query)}"),))
