"""Runs actions over HTTP for one connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from . import drive, render
from .action import Action
from .bind import Bound
from .connector import Connector
from .errors import AuthError, InputError, Problem
from .exchange import exchange, fold
from .model import Page, Result

TokenSource = str | Callable[[], str]


class Client:
    """Runs a connector's actions with one account's token.

        with Client(load(), token="…") as client:
            meeting = client.run("create-meeting", {"user_id": "me", "topic": "Weekly"}).data

    `token` is an access token, or a function that returns one and is asked before every request. `base_url` replaces
    the vendor's base URL (with its path, as `https://api.zoom.us/v2`): https, or http on this machine.
    All clients of a process share one pool of HTTP connections. A client may be used by several threads.
    """

    def __init__(self, connector: Connector, token: TokenSource, base_url: str | None = None) -> None:
        if base_url is not None:
            render.check_base_url(base_url)
        self._connector = connector
        self._token = token
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

    def _grants(self, rejected: bool) -> Mapping[str, str]:
        token = self._token() if callable(self._token) else self._token
        if not isinstance(token, str) or not token.strip():
            raise AuthError("There is no access token.", hint="Give one to the client, or connect an account.")
        return {self._connector.token_name: token.strip()}
