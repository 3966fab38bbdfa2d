"""How a command gets at what is stored: the store, a connection, a client that goes with it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from ..client import Client
from ..connections.connections import Connections
from ..connections.oauth import Stored
from ..errors import AuthError
from ..stores import opening
from .context import Context


def open_vault(context: Context, url: str | None = None) -> opening.Sealed:
    """The store at that address, the one that the environment names, or the user's own."""
    return opening.open_vault(_app(context), url or context.setting("store"), context.setting("connector_key"))


@contextmanager
def connections(context: Context) -> Iterator[tuple[Connections, opening.Sealed]]:
    """The stored connections and their store, which is closed at the end."""
    with closing(open_vault(context)) as store:
        yield Connections(context.load(None), store), store


@contextmanager
def stored(context: Context, name: str | None) -> Iterator[Stored]:
    """The stored connection of that name, or the only one; raises `AuthError` with the ways to give one."""
    hint = f"Set {context.variable('access_token')}, or connect an account: {context.prog} connect"
    neither = AuthError("There is no access token and no stored connection.", hint=hint)
    if context.setting("store") is None and not (opening.data_directory(_app(context)) / "store.db").exists():
        raise neither  # and no empty store is left behind
    with connections(context) as (known, _):
        if name is None and not known.names():
            raise neither
        yield known.open(name)


@contextmanager
def access(context: Context, name: str | None) -> Iterator[dict[str, Any]]:
    """The token of the environment, or a stored connection: the one named, or the only one."""
    token = None if name else context.setting("access_token")
    if token is not None:
        yield {"token": token}
        return
    with stored(context, name) as connection:
        yield {"connection": connection}


@contextmanager
def client(context: Context, chosen: Namespace, **more: Any) -> Iterator[Client]:
    """A client for the connection and the base URL that were chosen."""
    with (
        access(context, chosen.connection) as given,
        Client(context.load(None), base_url=context.base_url(chosen), **more, **given) as made,
    ):
        yield made


def _app(context: Context) -> str:
    return f"{context.load(None).key}-connector"
