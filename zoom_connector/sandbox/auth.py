"""Decides whether a request may do what it asks for: bearer tokens, their lifetimes and scopes; no other state."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qsl

from .endpoints import Endpoint, ZoomRefusal, common, endpoints
from .wire import WireRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one token may do, and until when (seconds; None: for ever). `scopes` None: everything.

    `user` is the id of whoever signed in, who is `me`; None: the account's owner.
    """

    scopes: frozenset[str] | None = None
    expires: float | None = None
    user: str | None = None


class IssuedTokens:
    """The tokens that are good here; several may be, each with its own end and scopes."""

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
        """Accept `token` from now on, for `lifetime` seconds, with these scopes, as that user's."""
        expires = None if lifetime is None else self._clock() + lifetime
        self._grants[token] = Grant(scopes=None if scopes is None else frozenset(scopes), expires=expires, user=user)

    def revoke(self, token: str) -> None:
        """Accept `token` no more."""
        self._grants.pop(token, None)

    def authorize(self, request: WireRequest) -> Grant:
        """Give what the request's token may do, or raise Zoom's 124."""
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
    """Give the bearer token of a request, or ""."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def refusal(code: int, about: str) -> ZoomRefusal:
    """Give a refusal that is no endpoint's own."""
    return next(said for said in common() if said.code == code and about in said.says).fill({})


@cache
def _classic() -> frozenset[str]:
    return frozenset(scope for endpoint in endpoints() for scope in endpoint.scopes["classic"])


def check_scopes(grant: Grant, endpoint: Endpoint) -> None:
    """Raise Zoom's 4711 unless the token has one of the endpoint's scopes.

    An app has classic or granular scopes, so those that are missing are named in the kind that the token has.
    """
    if grant.scopes is None:
        return
    classic, granular = endpoint.scopes["classic"], endpoint.scopes["granular"]
    if grant.scopes.isdisjoint(classic) and grant.scopes.isdisjoint(granular):
        missing = classic if grant.scopes & _classic() else granular
        raise endpoint.refusal(4711, scopes=", ".join(missing))
