"""What a command is given, and how it speaks: results go to stdout, all else to stderr. It loads little."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError, Problem

if TYPE_CHECKING:
    import socket
    from argparse import Namespace

    from ..definitions.connector import Connector


class Context(NamedTuple):
    """What a command needs: the program's name, a way to load a connector, the environment."""

    prog: str
    load: Callable[[str | None], Connector]
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
