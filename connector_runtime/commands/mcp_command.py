"""The command `mcp`: the actions as tools for a language model, at standard input and output or over HTTP."""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..client import AsyncClient
from ..connections.stored import AsyncStored, Stored
from ..definitions.connector import Connector
from ..errors import InputError, Problem
from ..language.hosts import LOOPBACK
from ..service.settings import Settings
from ..stores import opening
from .action_commands import access
from .cli import Context, parser
from .service_commands import INSTALL, NEEDS, bound, in_url, keys_exist

if TYPE_CHECKING:
    from ..mcp.tools import Offer

PORT = 8400
TIMEOUT = 50.0  # clients commonly give up after 60


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that is needed to make the app that HTTP serves."""

    load: Callable[[str | None], Connector]
    offer: Offer
    store: str | None
    keys: str | None = field(repr=False)
    tenant: str | None
    token: str | None = field(repr=False)
    connection: str | None
    settings: Settings

    def __call__(self) -> Any:
        from ..mcp.web import app
        from ..service.state import Service

        connector = self.load(None)
        store = opening.open_vault(f"{connector.key}-connector", self.store, self.keys)
        return app(Service(connector, store, self.settings, self.tenant, self.token), self.offer, self.connection)


def mcp(context: Context, arguments: list[str]) -> int:
    """Offer the actions as tools until the input ends, or until interrupted."""
    asked = parser(
        context,
        "mcp",
        "Offer the actions to a language model as tools (Model Context Protocol): at standard input and output, as\n"
        "desktop clients start it, or over HTTP.",
        "mcp --read-only",
    )
    only = "only these actions, such as 'list-*'"
    asked.add_argument("--only", metavar="PATTERN", nargs="+", action="extend", default=[], help=only)
    asked.add_argument("--read-only", action="store_true", help="only what changes nothing")
    asked.add_argument("--destructive", action="store_true", help="also what can destroy")
    asked.add_argument("--show-secrets", action="store_true", help="show what is secret in results, instead of ***")
    asked.add_argument("--connection", metavar="NAME", help="a stored connection, if there are several")
    asked.add_argument("--store", metavar="URL", help="the store of connections, if it is not the usual one")
    asked.add_argument("--base-url", metavar="URL", help="the API's base URL, with its path")
    asked.add_argument("--timeout", type=float, default=TIMEOUT, metavar="S", help=f"for one call ({TIMEOUT:g})")
    asked.add_argument("--http", action="store_true", help="serve streamable HTTP at /mcp instead")
    asked.add_argument("--host", metavar="TEXT", help="where to listen (127.0.0.1)")
    asked.add_argument("--port", type=int, metavar="N", help=f"0 takes a free one ({PORT})")
    chosen = asked.parse_args(arguments)
    if not chosen.http and (chosen.host is not None or chosen.port is not None):
        what = "is for HTTP; add --http"
        raise InputError.of("mcp", [Problem("--host" if chosen.host is not None else "--port", what)])
    if chosen.timeout <= 0:
        raise InputError.of("mcp", [Problem("--timeout", "must be more than 0")])
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
        _serve(context, chosen, offer)
        return 0
    with ExitStack() as held:
        held.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the thread that waits for input could not be woken
        asyncio.run(_speak(context, chosen, offer, held))
    return 0


async def _speak(context: Context, chosen: Namespace, offer: Offer, held: ExitStack) -> None:
    from ..mcp import tools

    base_url = chosen.base_url or context.setting("base_url")
    clients: list[AsyncClient] = []

    @asynccontextmanager
    async def lend(request: Any) -> AsyncIterator[AsyncClient]:
        """The one client; made at the first call, so that tools can be listed before there is a connection."""
        if not clients:
            given = held.enter_context(access(context, chosen.connection))
            if isinstance(given.get("connection"), Stored):
                given = {"connection": AsyncStored(given["connection"])}
            clients.append(AsyncClient(context.load(None), base_url=base_url, **given))
        yield clients[0]

    made = tools.server(context.load(None), offer, lend, chosen.timeout)
    if sys.stdin.isatty():
        how = "This speaks to a program, not to a person: enter it in the program's settings. Ctrl-D ends it."
        print(how, file=sys.stderr, flush=True)
    try:
        await tools.speak(made)
    finally:
        for client in clients:
            await client.aclose()


def _serve(context: Context, chosen: Namespace, offer: Offer) -> None:
    """Serve over HTTP by the rule of `serve`: without an API key, for this machine alone."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise InputError(f"mcp --http needs {' and '.join(missing)}.", hint=f"Install them: pip install {INSTALL}")
    store, host = context.setting("store"), chosen.host or "127.0.0.1"
    is_open = not keys_exist(context, store)
    if host not in LOOPBACK and is_open:
        how = f"Make one first: {context.prog} api-key create --tenant NAME"
        raise InputError(f"{host} is beyond this machine, and there is no API key.", hint=how)
    from ..service.serving import serve

    with bound(host, PORT if chosen.port is None else chosen.port) as port:
        plan = Plan(
            load=context.load,
            offer=offer,
            store=store,
            keys=context.setting("connector_key"),
            tenant="default" if is_open else None,
            token=None if chosen.connection or not is_open else context.setting("access_token"),
            connection=chosen.connection,
            settings=Settings(base_url=chosen.base_url or context.setting("base_url"), timeout=chosen.timeout),
        )
        plan()  # what is wrong with it is said here
        key = "without a key" if is_open else "with an API key as `Authorization: Bearer …`"
        where = f"http://{in_url(host)}:{port.getsockname()[1]}/mcp"
        print(f"Tools at {where}, {key}; Ctrl-C ends it.", file=sys.stderr, flush=True)
        serve(plan, chosen.timeout, port)
