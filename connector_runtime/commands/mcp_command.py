"""The command `mcp`: the actions as tools for a language model, at standard input and output or over HTTP."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..client import AsyncClient
from ..connections.stored import AsyncStored, Stored
from ..errors import InputError
from ..service.settings import Settings
from .access import access
from .cli import Context, parser, say, wrong
from .options import add_common
from .service_commands import place, serve_app

if TYPE_CHECKING:
    from ..mcp.tools import Offer

PORT = 8400
TIMEOUT = 50.0  # clients commonly give up after 60


def mcp(context: Context, arguments: list[str]) -> int:
    """Offer the actions to a language model as tools (Model Context Protocol): at standard input and output, as
    desktop clients start it, or over HTTP.
    """
    asked = parser(context, "mcp", mcp.__doc__, "mcp --read-only")
    only = "only these actions, such as 'list-*'"
    asked.add_argument("--only", metavar="PATTERN", nargs="+", action="extend", default=[], help=only)
    asked.add_argument("--read-only", action="store_true", help="only what changes nothing")
    asked.add_argument("--destructive", action="store_true", help="also what can destroy")
    asked.add_argument("--show-secrets", action="store_true", help="show what is secret in results, instead of ***")
    add_common(asked, "--connection")
    asked.add_argument("--store", metavar="URL", help="the store of connections, if it is not the usual one")
    add_common(asked, "--base-url")
    asked.add_argument("--timeout", type=float, default=TIMEOUT, metavar="S", help=f"for one call ({TIMEOUT:g})")
    asked.add_argument("--http", action="store_true", help="serve streamable HTTP at /mcp instead")
    asked.add_argument("--host", metavar="TEXT", help="where to listen (127.0.0.1)")
    asked.add_argument("--port", type=int, metavar="N", help=f"0 takes a free one ({PORT})")
    chosen = asked.parse_args(arguments)
    if not chosen.http and (chosen.host is not None or chosen.port is not None):
        raise wrong("mcp", "--host" if chosen.host is not None else "--port", "is for HTTP; add --http")
    if chosen.timeout <= 0:
        raise wrong("mcp", "--timeout", "must be more than 0")
    if find_spec("mcp_types") is None:  # which comes with version 2
        raise InputError("mcp needs the package mcp, version 2.", hint="Install it: pip install 'mcp>=2.3'")
    if chosen.store is not None:
        given = {**context.environment, context.variable("store"): chosen.store}
        context = context._replace(environment=given)
    from ..mcp.tools import Offer

    offer = Offer(
        only=tuple(chosen.only),
        read_only=chosen.read_only,
        destructive=chosen.destructive,
        secrets=chosen.show_secrets,
    )
    if chosen.http:
        host, port = chosen.host or "127.0.0.1", PORT if chosen.port is None else chosen.port
        store = context.setting("store")
        with place(context, "mcp --http", host, port, store) as (listening, url, is_open):
            key = "without a key" if is_open else "with an API key as `Authorization: Bearer …`"
            serve_app(
                context,
                listening,
                "mcp.web.app",
                store,
                f"Tools at {url}/mcp, {key}; Ctrl-C ends it.",
                offer=offer,
                tenant="default" if is_open else None,
                token=None if chosen.connection or not is_open else context.setting("access_token"),
                connection=chosen.connection,
                settings=Settings(base_url=context.base_url(chosen), timeout=chosen.timeout),
            )
        return 0
    with ExitStack() as held:
        held.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the thread that waits for input could not be woken
        asyncio.run(_speak(context, chosen, offer, held))
    return 0


async def _speak(context: Context, chosen: Namespace, offer: Offer, held: ExitStack) -> None:
    from ..mcp import speak

    clients: list[AsyncClient] = []

    @asynccontextmanager
    async def lend(request: Any) -> AsyncIterator[AsyncClient]:
        """The one client; made at the first call, so that tools can be listed before there is a connection."""
        if not clients:
            given = held.enter_context(access(context, chosen.connection))
            if isinstance(given.get("connection"), Stored):
                given = {"connection": AsyncStored(given["connection"])}
            clients.append(AsyncClient(context.load(None), base_url=context.base_url(chosen), **given))
        yield clients[0]

    made = speak.server(context.load(None), offer, lend, chosen.timeout)
    if sys.stdin.isatty():
        say("This speaks to a program, not to a person: enter it in the program's settings. Ctrl-D ends it.")
    try:
        await speak.speak(made)
    finally:
        for client in clients:
            await client.aclose()
