"""What both clients share: the connector, what the connection gives to requests, and how a call begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from .calls import credentials, drive, render
from .calls.action import Action
from .calls.exchange import exchange
from .definitions.connector import Connector
from .errors import AuthError, InputError, Problem
from .http import pool
from .http.native import Http
from .inputs.bind import Bound
from .pacing import accounts
from .pacing.claim import Pacing
from .pacing.pacer import Pacer
from .steps import Exchange, Terms

if TYPE_CHECKING:
    from .calls.choices import Browse
    from .calls.kept import Kept

RETRIES = 4


class ClientOptions(TypedDict, total=False):
    """How a client sends.

    `retries` is how often a request goes again where that can do no harm; 0 where the platform does that itself.
    `deadline` bounds each call, in seconds. `pacing` says when a request may go: a `Pacer` that knows the account's
    plan; if it is left out, one that goes by what the vendor says; False for none. `observe` is called with an
    `Attempt` for each request. `http` is the way out: proxy, certificates, time-outs.
    """

    retries: int
    deadline: float | None
    pacing: Pacing | Literal[False] | None
    observe: drive.Observer | None
    http: Http


class CallOptions(TypedDict, total=False):
    """What a single call may be told.

    `clear` names inputs whose fields are to be emptied. A list goes on at a `cursor` that a page, a result or an error
    gave. `deadline` bounds the call with its attempts and pauses, in seconds. With `recover`, a create whose answer was
    lost is looked for before it is sent again, where its definition says how. `idempotency_key` goes to a vendor that
    takes one.
    """

    clear: Iterable[str]
    cursor: str | None
    deadline: float | None
    recover: bool
    idempotency_key: str | None


class Caller:
    """What both clients share: the connector, what the connection gives, and how a call begins."""

    def __init__(
        self,
        connector: Connector,
        token: Any,
        base_url: str | None,
        connection: Any,
        *,
        retries: int = RETRIES,
        deadline: float | None = None,
        pacing: Pacing | Literal[False] | None = None,
        observe: drive.Observer | None = None,
        http: Http = pool.PLAIN,
    ) -> None:
        if base_url is not None:
            render.check_base_url(base_url)
        problems = list(_unusable(retries, deadline))
        if token is not None and connection is not None:
            problems.append(Problem("token", "is given beside a connection; choose one"))
        if problems:
            raise InputError.of("the client", problems)
        self._connector = connector
        self._grants = _grants(connector, token, connection)
        self._kind = getattr(connection, "kind", None)  # a stored connection knows its kind
        self._base_url = base_url
        self._retries = retries
        self._deadline = deadline
        if pacing is None:
            limits = connector.profile.limits
            whose = getattr(connection, limits.per, None)  # a stored connection knows itself and its account
            pacing = accounts.of(limits, whose) if whose else Pacer(limits)
        self._ears = drive.Ears(pacing or None, observe)
        self._way = http
        self._open = True

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connector.key!r})"

    def _begin(
        self,
        key: str,
        inputs: Mapping[str, Any] | Bound,
        limit: int | None,
        *,
        clear: Iterable[str] = (),
        cursor: str | None = None,
        deadline: float | None = None,
        recover: bool = False,
        idempotency_key: str | None = None,
    ) -> tuple[Action, Exchange]:
        if not self._open:
            raise RuntimeError("this client is closed")
        action = self._connector.action(key)
        problems = list(_unusable(self._retries, deadline))
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            problems.append(Problem("limit", "must be a whole number of at least 1"))
        takes_key = action.profile.idempotency is not None and action.effect in ("create", None)
        if idempotency_key is not None and not takes_key:
            problems.append(Problem("idempotency_key", f"is of no use: the vendor takes none for {key}; leave it out"))
        if recover and action.recover is None:
            problems.append(Problem("recover", f"is of no use: {key} does not say how to look; leave it out"))
        if problems:
            raise InputError.of(key, problems)
        bound = inputs if isinstance(inputs, Bound) else action.bind(inputs, clear)
        credentials.refuse_values(self._kind, key, bound.values)
        terms = Terms(
            limit=limit,
            cursor=cursor,
            base_url=self._base_url,
            retries=self._retries,
            deadline=self._deadline if deadline is None else deadline,
            key=idempotency_key,
        )
        if recover and action.recover is not None:
            from .calls.recover import recovering  # what most calls do not need

            return action, recovering(action, bound, terms, self._connector.action(action.recover.action))
        return action, exchange(action, bound, terms)

    @cached_property
    def _kept(self) -> Kept:
        from .calls.kept import Kept

        return Kept()

    def _browse(
        self,
        action: str,
        input: str | None,
        inputs: Mapping[str, Any] | None,
        search: str | None,
        cursor: str | None,
        parameters: Mapping[str, Any] | None,
    ) -> Browse:
        from .calls import choices

        if not self._open:
            raise RuntimeError("this client is closed")
        about, find = self._connector.profile, self._connector.action
        return choices.browse(about, find, action, input, inputs, search=search, cursor=cursor, parameters=parameters)


def _unusable(retries: int, deadline: float | None) -> Iterator[Problem]:
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        yield Problem("retries", "must be a whole number, 0 for none")
    is_number = isinstance(deadline, int | float) and not isinstance(deadline, bool)
    if deadline is not None and not (is_number and 0 < deadline < inf):
        yield Problem("deadline", "must be a number of seconds above 0")


def _grants(connector: Connector, token: Any, connection: Any) -> Callable[[Mapping[str, str] | None], Any]:
    """What the connection gives to requests, however it was told to the client; awaitable if its function is."""
    if callable(connection):
        return connection  # type: ignore[no-any-return]
    if connection is not None:
        values = credentials.checked(connector.profile, connection)
        return lambda rejected: values
    name = connector.token_name
    if isinstance(token, str) and token.strip():
        credentials.checked(connector.profile, {name: token})  # what else it needs, a token alone cannot give
    asks = callable(token) and _takes_one(token)

    def checked(found: Any) -> Mapping[str, str]:
        if not isinstance(found, str) or not found.strip():
            raise AuthError("There is no access token.", hint="Give one to the client, or connect an account.")
        return {name: found.strip()}

    async def later(found: Awaitable[Any]) -> Mapping[str, str]:
        return checked(await found)

    def granted(rejected: Mapping[str, str] | None) -> Any:
        old = (rejected.get(name) if rejected else None,) if asks else ()
        found = token(*old) if callable(token) else token
        return later(found) if hasattr(found, "__await__") else checked(found)

    return granted


def _takes_one(token: Callable[..., Any]) -> bool:
    """Whether it wants to be told which token was rejected."""
    from inspect import signature  # heavy, and of no use to those who give a text

    return bool(signature(token).parameters)
