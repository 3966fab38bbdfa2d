"""Runs actions over HTTP for one connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import signature
from types import TracebackType
from typing import Any

from . import drive, render
from .action import Action
from .bind import Bound
from .connector import Connector
from .errors import AuthError, InputError, Problem
from .exchange import exchange, fold
from .model import Page, Result

TokenSource = str | Callable[[str | None], str] | Callable[[], str]
ConnectionSource = Mapping[str, str] | drive.Grants


class Client:
    """Runs a connector's actions for one connection.

        with Client(load(), token="…") as client:
            meeting = client.run("create-meeting", {"user_id": "me", "topic": "Weekly"}).data

    `token` is an access token, or a function that returns one: it is asked before every request, and if it takes an
    argument given the token that the vendor has just rejected, or None. `connection` instead gives all that a connection gives to requests, by name:
    a mapping such as `{"api_key": "…"}`, or a function that is given what was rejected. `base_url` replaces the
    vendor's base URL, with its path: https, or http on this machine.
    All clients of a process share one pool of HTTP connections. A client may be used by several threads.
    """

    def __init__(
        self,
        connector: Connector,
        token: TokenSource | None = None,
        base_url: str | None = None,
        *,
        connection: ConnectionSource | None = None,
    ) -> None:
        if base_url is not None:
            render.check_base_url(base_url)
        if token is not None and connection is not None:
            raise InputError.of("the client", [Problem("token", "is given beside a connection; choose one")])
        self._connector = connector
        self._grants = _grants(connector, token, connection)
        self._base_url = base_url
        self._open = True
        drive.POOL.enter()

    def __repr__(self) -> str:
        return f"Client({self._connector.key!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections; the client cannot be used any more."""
        if self._open:
            self._open = False
            drive.POOL.leave()

    def run(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> Result:
        """Run an action; of a list, all pages (or `limit` items) in one result.

        Raises `InputError` before anything is sent, and the errors of `connector_runtime.errors` after.
        """
        action, bound = self._bind(key, inputs, limit, clear)
        return fold(self._pages(action, bound, limit), action.paging, bound.warnings, limit)

    def stream(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> Iterator[Any]:
        """The items of a list one by one, a page at a time in memory; of another action its `data`, once."""
        action, bound = self._bind(key, inputs, limit, clear)
        return self._items(action, bound, limit)

    def pages(
        self, key: str, inputs: Mapping[str, Any], limit: int | None = None, *, clear: Iterable[str] = ()
    ) -> Iterator[Page]:
        """The answers of a call as they come, each with its `items`."""
        action, bound = self._bind(key, inputs, limit, clear)
        return self._pages(action, bound, limit)

    def _bind(self, key: str, inputs: Mapping[str, Any], limit: int | None, clear: Iterable[str]) -> tuple[Action, Bound]:
        if not self._open:
            raise RuntimeError("this client is closed")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise InputError.of(key, [Problem("limit", "must be a whole number of at least 1")])
        action = self._connector.action(key)
        return action, action.bind(inputs, clear)

    def _pages(self, action: Action, bound: Bound, limit: int | None) -> Iterator[Page]:
        call = exchange(action, bound, limit=limit, base_url=self._base_url)
        return drive.drive(call, self._grants, drive.send)

    def _items(self, action: Action, bound: Bound, limit: int | None) -> Iterator[Any]:
        left = limit
        for page in self._pages(action, bound, limit):
            if page.items is None:
                yield page.data
            else:
                yield from page.items[:left]
                left = None if left is None else left - len(page.items)


def _grants(connector: Connector, token: TokenSource | None, connection: ConnectionSource | None) -> drive.Grants:
    """What the connection gives to requests, however it was told to the client."""
    if callable(connection):
        return connection
    if connection is not None:
        values = dict(connection)
        return lambda rejected: values
    name = connector.token_name
    asks = callable(token) and bool(signature(token).parameters)

    def granted(rejected: Mapping[str, str] | None) -> Mapping[str, str]:
        old = (rejected.get(name) if rejected else None,) if asks else ()
        found = token(*old) if callable(token) else token
        if not isinstance(found, str) or not found.strip():
            raise AuthError("There is no access token.", hint="Give one to the client, or connect an account.")
        return {name: found.strip()}

    return granted
