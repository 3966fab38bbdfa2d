"""What a command is given, and how it speaks: results go to stdout, all else to stderr. It loads little."""

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

    Load = Callable[[str | None], Connector]  # the connector of a folder, or the bundled one


UNWRITTEN = 8  # the exit code where a result could not be written
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # and half characters
BEYOND = re.compile("[^\x00-\x7f]+")


class OutputError(Exception):
    """A result could not be written. The message says why and where it is now; none: its reader had read enough."""


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
        from ..stores.databases import open_vault

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
        from ..stores.databases import data_directory

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
            stored = given.get("connection")
            with stored.watched() if stored else nullcontext():
                yield made


def wrong(subject: str, where: str, what: str) -> InputError:
    """The error for one option or argument of a command."""
    return InputError.of(subject, [Problem(where, what)])


def put(text: str, *, once: bool = False) -> None:
    """Write lines of a result to stdout before anything else happens: the one way out of every command.

    What can be had only `once`, as the answer of a create, goes to stderr where stdout fails. Raises `OutputError`.
    """
    out = sys.stdout
    try:
        if out is None:
            raise OSError(errno.EBADF, "standard output is closed")
        out.write(f"{shown(text, out.encoding or 'utf-8')}\n")
        out.flush()
    except (OSError, ValueError) as error:  # ValueError: it was closed meanwhile
        with suppress(OSError, ValueError, AttributeError):  # or Python tries again when it ends, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError) and not once:
            raise OutputError from None
        fail_output(error, "Standard output", text, once=once)
    except KeyboardInterrupt:  # while the reader let it wait
        if once:
            say(text)
        raise


def fail_output(error: Exception, where: str, text: str, *, once: bool) -> NoReturn:
    """Raise `OutputError`: a result could not be written `where`. What can be had only `once` goes to stderr first."""
    if once:
        say(text)
    advice = "the result is above; do not run it again" if once else "mend that, and run it again"
    raise OutputError(f"{where} cannot be written ({getattr(error, 'strerror', None) or error}); {advice}.") from None


def say(text: str) -> None:
    """Tell the person something that is no result."""
    draw(f"{shown(text, getattr(sys.stderr, 'encoding', None) or 'utf-8')}\n")


def draw(text: str) -> None:
    """Write to stderr as it is, control sequences too; where nobody is there to be told, nothing happens."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()


def is_watched() -> bool:
    """Whether stderr is a terminal, on which a line may be drawn anew."""
    return sys.stderr is not None and sys.stderr.isatty()


def shown(text: str, encoding: str) -> str:
    """The text with what would steer a terminal escaped as in JSON, and all but ASCII where the encoding lacks any.

    So JSON stays the same data in any encoding, and other text can be read.
    """
    harmless = STEERING.sub(_escaped, text)
    try:
        holds = harmless.encode(encoding).decode(encoding) == harmless  # Shift JIS writes a yen sign as a backslash
    except UnicodeError:
        holds = False
    return harmless if holds else BEYOND.sub(_escaped, harmless)


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def as_json(data: Any) -> str:
    """Data as JSON for people; on one line what is nested too deeply for more."""
    try:
        return json.dumps(data, ensure_ascii=False, indent=2)
    except RecursionError:
        return json.dumps(data, ensure_ascii=False)


def print_json(data: Any) -> None:
    """Print a result."""
    put(as_json(data))


def print_table(rows: Collection[Sequence[str]], indent: str = "") -> None:
    """Print rows of text, each column as wide as its widest text."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    cells = [[shown(text, encoding).replace("\n", " ") for text in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)) for row in cells]
    if lines:
        put("\n".join(f"{indent}{line}".rstrip() for line in lines))


def listening_socket(host: str, port: int) -> socket.socket:
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
