"""The context of a command and its output: results go to stdout, everything else to stderr. It imports little."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ..errors import AuthError, InputError, Problem

if TYPE_CHECKING:
    import socket
    from argparse import Namespace

    from ..client import Client
    from ..connections.connections import Connections
    from ..definitions.connector import Connector
    from ..stores.databases import Sealed

    Load = Callable[[str | None], Connector]  # folder, or None for the bundled one -> its connector


UNWRITTEN = 8  # the exit code if a result could not be written
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # and lone surrogates
NON_ASCII = re.compile("[^\x00-\x7f]+")


class OutputError(Exception):
    """A result could not be written. The message says why, and where it is; empty if the reader stopped reading."""


class Context(NamedTuple):
    """The surroundings of a command: the program's name, a loader of connectors, and the environment."""

    prog: str
    load: Load
    environment: Mapping[str, str]
    example: str  # the key of an action with some options

    def setting(self, name: str) -> str | None:
        """Return the value of a setting's environment variable; None if it is unset or empty."""
        return self.environment.get(self.variable(name)) or None

    def variable(self, name: str) -> str:
        """Return the environment variable of a setting: `ACME_BASE_URL` for `base_url`."""
        return f"{self.load(None).key.upper().replace('-', '_')}_{name.upper()}"

    def base_url(self, chosen: Namespace) -> str | None:
        """Return the base URL of the vendor's API from the option or the environment; None for the default."""
        return chosen.base_url or self.setting("base_url")

    @property
    def app(self) -> str:
        """The name of the folder with the user's own store."""
        return f"{self.load(None).key}-connector"

    def vault(self, url: str | None = None) -> Sealed:
        """Open the store at `url`, or the one in the environment, or the user's own."""
        from ..stores.databases import open_vault

        return open_vault(self.app, url or self.setting("store"), self.setting("connector_key"))

    @contextmanager
    def connections(self) -> Iterator[tuple[Connections, Sealed]]:
        """Yield the stored connections and their store; close the store at the end."""
        from ..connections.connections import Connections

        with closing(self.vault()) as store:
            yield Connections(self.load(None), store), store

    @contextmanager
    def existing_store(self) -> Iterator[Sealed | None]:
        """Yield the store, or None if there is none yet; create nothing and close the store at the end."""
        from ..stores.databases import data_directory

        if self.setting("store") is None and not (data_directory(self.app) / "store.db").exists():
            yield None
            return
        with closing(self.vault()) as store:
            yield store

    @contextmanager
    def access(self, name: str | None) -> Iterator[dict[str, Any]]:
        """Yield a client's `token` from the environment, or its `connection`. Raises `AuthError` without either."""
        from ..connections.connections import Connections

        token = None if name else self.setting("access_token")
        if token is not None:
            yield {"token": token}
            return
        hint = f"Set {self.variable('access_token')}, or connect an account: {self.prog} connect"
        with self.existing_store() as store:
            connections = None if store is None else Connections(self.load(None), store)
            if connections is None or (name is None and not connections.names()):
                raise AuthError("There is no access token and no stored connection.", hint=hint)
            yield {"connection": connections.open(name)}

    @contextmanager
    def client(self, chosen: Namespace, **terms: Any) -> Iterator[Client]:
        """Yield a client for the connection and the base URL in the options."""
        from ..client import Client

        terms["base_url"] = self.base_url(chosen)
        with self.access(chosen.connection) as access, Client(self.load(None), **terms, **access) as client:
            stored = access.get("connection")
            with stored.watched() if stored else nullcontext():
                yield client


def wrong(subject: str, where: str, what: str) -> InputError:
    return InputError.of(subject, [Problem(where, what)])


def put(text: str, *, once: bool = False) -> None:
    """Write text and a line break to stdout and flush. All commands print their results with this function.

    If stdout fails, a result that exists only `once`, such as that of a create, goes to stderr. Raises `OutputError`.
    """
    out = sys.stdout
    try:
        if out is None:
            raise OSError(errno.EBADF, "standard output is closed")
        out.write(f"{escape(text, out.encoding or 'utf-8')}\n")
        out.flush()
    except (OSError, ValueError) as error:  # ValueError: stdout was closed
        with suppress(OSError, ValueError, AttributeError):  # otherwise, Python writes again at exit and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError) and not once:
            raise OutputError from None
        fail_output(error, "Standard output", text, once=once)
    except KeyboardInterrupt:  # interrupted while a slow reader blocked the write
        if once:
            say(text)
        raise


def fail_output(error: Exception, where: str, text: str, *, once: bool) -> NoReturn:
    """Raise `OutputError` for a result that `where` did not accept; show it first if it exists only `once`."""
    if once:
        say(text)
    advice = "the result is above; do not run it again" if once else "correct that and run it again"
    raise OutputError(f"{where} cannot be written ({getattr(error, 'strerror', None) or error}); {advice}.") from None


def say(text: str) -> None:
    """Write a line to stderr that is not part of the result."""
    draw(f"{escape(text, getattr(sys.stderr, 'encoding', None) or 'utf-8')}\n")


def draw(text: str) -> None:
    """Write text to stderr unchanged, including control sequences; do nothing if stderr is closed."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def escape(text: str, encoding: str) -> str:
    """Return text with terminal controls escaped as in JSON, and all non-ASCII text if the encoding lacks any of it."""
    harmless = CONTROL.sub(_escaped, text)
    try:
        fits = harmless.encode(encoding).decode(encoding) == harmless  # Shift JIS encodes a yen sign as a backslash
    except UnicodeError:
        fits = False
    return harmless if fits else NON_ASCII.sub(_escaped, harmless)


def _escaped(match: re.Match[str]) -> str:
    return json.dumps(match[0])[1:-1]


def as_json(data: Any) -> str:
    """Return data as indented JSON, or on one line if it is nested too deeply for that."""
    try:
        return json.dumps(data, ensure_ascii=False, indent=2)
    except RecursionError:
        return json.dumps(data, ensure_ascii=False)


def print_json(data: Any) -> None:
    put(as_json(data))


def print_table(rows: Collection[Sequence[str]], indent: str = "") -> None:
    """Print rows of text in columns as wide as their widest cell."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    cells = [[escape(text, encoding).replace("\n", " ") for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)) for row in cells]
    if lines:
        put("\n".join(f"{indent}{line}".rstrip() for line in lines))


def listening_socket(host: str, port: int) -> socket.socket:
    """Open a port (0: any free one) and return its socket. Raises `InputError` if that fails."""
    import socket

    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        server = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"Port {port} of {host} cannot be opened: {reason}.", hint="Choose another --port.") from None
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # otherwise, reused connections wait 40 ms for a body
    return server
