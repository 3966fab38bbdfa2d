"""Authorizes requests by their bearer token, its lifetime and its scopes. Its only state is the issued tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl

from .endpoints import Endpoint, ZoomRefusal, common, endpoints
from .wire import WireRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The rights of one token: its scopes (None: all) and its expiry in seconds since the epoch (None: never).

    `user` is the id of the user who signed in, who is `me`; None: the account's owner.
    """

    scopes: frozenset[str] | None = None
    expires: float | None = None
    user: str | None = None


class IssuedTokens:
    """The access tokens that the sandbox accepts, each with its own grant."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._grants: dict[str, Grant] = {}

    def issue(
        self,
        token: str,
        *,
        scopes: Collection[str] | None = None,
        lifetime: float | None = None,
        user: str | None = None,
    ) -> None:
        """Accept `token` for `lifetime` seconds (None: forever), with these scopes, on behalf of `user`."""
        expires = None if lifetime is None else self._clock() + lifetime
        self._grants[token] = Grant(scopes=None if scopes is None else frozenset(scopes), expires=expires, user=user)

    def revoke(self, token: str) -> None:
        """Stop accepting `token`."""
        self._grants.pop(token, None)

    def authorize(self, request: WireRequest) -> Grant:
        """Return the grant of the request's token, or raise Zoom's 124."""
        query = request.target.partition("?")[2]
        if query and "access_token" in query and any(name == "access_token" for name, _ in parse_qsl(query)):
            raise refusal(124, "Invalid")
        grant = self._grants.get(bearer(request))
        if grant is None:
            raise refusal(124, "Invalid")
        if grant.expires is not None and self._clock() >= grant.expires:
            raise refusal(124, "expired")
        return grant


def bearer(request: WireRequest) -> str:
    """Return the bearer token of a request, or ""."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def refusal(code: int, about: str) -> ZoomRefusal:
    """Return the refusal that all endpoints share with this code and with `about` in its message."""
    return next(each for each in common() if each.code == code and about in each.says).fill({})


@cache
def _classic() -> frozenset[str]:
    return frozenset(scope for endpoint in endpoints() for scope in endpoint.scopes["classic"])


def check_scopes(grant: Grant, endpoint: Endpoint) -> None:
    """Raise Zoom's 4711 unless the token has one of the endpoint's scopes.

    An app has either classic or granular scopes, so the refusal names the missing scopes of the token's own kind.
    """
    if grant.scopes is None:
        return
    classic, granular = endpoint.scopes["classic"], endpoint.scopes["granular"]
    if grant.scopes.isdisjoint(classic) and grant.scopes.isdisjoint(granular):
        missing = classic if grant.scopes & _classic() else granular
        raise endpoint.refusal(4711, scopes=", ".join(missing))
