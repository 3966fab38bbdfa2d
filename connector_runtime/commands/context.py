"""What a command is given, and how it speaks: results go to stdout, all else to stderr. It loads little."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import AuthError, InputError, Problem

if TYPE_CHECKING:
    import socket
    from argparse import Namespace

    from ..client import Client
    from ..connections.connections import Connections
    from ..definitions.connector import Connector
    from ..stores.opening import Sealed

    Load = Callable[[str | None], Connector]  # the connector of a folder, or the bundled one


class Context(NamedTuple):
    """What a command needs: the program's name, a way to load a connector, the environment, and what is stored."""

    prog: str
    load: Load
    environment: Mapping[str, str]
    example: str  # an action with some inputs

    def setting(self, name: str) -> str | None:
        """An environment variable by the connector's key and a name, as ACME_BASE_URL; None if it is not set."""
        return self.environment.get(self.variable(name)) or None

    def variable(self, name: str) -> str:
        """The environment variable's own name."""
        return f"{self.load(None).key.upper().replace('-', '_')}_{name.upper()}"

    def base_url(self, chosen: Namespace) -> str | None:
        """Where the vendor's API is: as an option says, or the environment; None for its usual place."""
        return chosen.base_url or self.setting("base_url")

    @property
    def app(self) -> str:
        """The name under which the user's own store is kept."""
        return f"{self.load(None).key}-connector"

    def vault(self, url: str | None = None) -> Sealed:
        """The store at that address, the one that the environment names, or the user's own."""
        from ..stores.opening import open_vault

        return open_vault(self.app, url or self.setting("store"), self.setting("connector_key"))

    @contextmanager
    def connections(self) -> Iterator[tuple[Connections, Sealed]]:
        """The stored connections and their store, which is closed at the end."""
        from ..connections.connections import Connections

        with closing(self.vault()) as store:
            yield Connections(self.load(None), store), store

    @contextmanager
    def known(self) -> Iterator[Sealed | None]:
        """The store, which is closed at the end; None if there is none, and then none is made."""
        from ..stores.opening import data_directory

        if self.setting("store") is None and not (data_directory(self.app) / "store.db").exists():
            yield None
            return
        with closing(self.vault()) as store:
            yield store

    @contextmanager
    def access(self, name: str | None) -> Iterator[dict[str, Any]]:
        """The token of the environment, or a stored connection, named or the only one; raises `AuthError` for none."""
        from ..connections.connections import Connections

        token = None if name else self.setting("access_token")
        if token is not None:
            yield {"token": token}
            return
        hint = f"Set {self.variable('access_token')}, or connect an account: {self.prog} connect"
        neither = AuthError("There is no access token and no stored connection.", hint=hint)
        with self.known() as store:
            known = None if store is None else Connections(self.load(None), store)
            if known is None or (name is None and not known.names()):
                raise neither
            yield {"connection": known.open(name)}

    @contextmanager
    def client(self, chosen: Namespace, **more: Any) -> Iterator[Client]:
        """A client for the connection and the base URL that were chosen."""
        from ..client import Client

        url = self.base_url(chosen)
        with self.access(chosen.connection) as given, Client(self.load(None), base_url=url, **more, **given) as made:
            yield made


def wrong(subject: str, where: str, what: str) -> InputError:
    """The error for one option or argument of a command."""
    return InputError.of(subject, [Problem(where, what)])


def say(text: str) -> None:
    """Tell the person something that is no result."""
    print(text, file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    """Print a result."""
    print(json.dumps(data, ensure_ascii=False, indent=2))


def print_table(rows: Collection[Sequence[str]], indent: str = "") -> None:
    """Print rows of text, each column as wide as its widest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(indent + "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip())


def bound(host: str, port: int) -> socket.socket:
    """An open port; 0 takes a free one. Raises `InputError` if it cannot be opened."""
    import socket

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"Port {port} of {host} cannot be opened: {reason}.", hint="Choose another --port.") from None
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a kept connection waits 40 ms for each body
    return opened
