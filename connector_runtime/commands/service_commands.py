"""The commands that serve: `serve`, `api-key` for who may use the service, and `mcp` for language models."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from socket import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..client import AsyncClient
from ..connections.oauth import AsyncStoredConnection, StoredConnection
from ..definitions.connector import Connector
from ..errors import InputError
from ..language.hosts import LOOPBACK, is_loopback
from ..service.records import ApiKeys
from ..service.settings import ServiceSettings
from ..steps import LONGEST_WAIT
from ..stores import databases
from ..stores.store import key_part
from .context import Context, listening_socket, print_table, put, say, wrong
from .options import add_common, parser
from .webhook_commands import secrets_of

if TYPE_CHECKING:
    from ..mcp.tools import ToolFilter
    from ..stores.store import Store

PORT = 8300
MCP_PORT = 8400
MCP_TIMEOUT = 50.0  # seconds; clients commonly give up after 60
NEEDS = ("fastapi", "uvicorn", "prometheus_client")
SETTINGS = (  # options of `serve`
    *("timeout", "retries", "plan", "share", "body", "files", "webhook_body"),
    *("concurrency", "tenant_concurrency", "open"),
)


@dataclass(frozen=True, kw_only=True)
class AppFactory:
    """All that a worker needs to make its app; it goes to workers over a pipe, never through arguments."""

    make: Callable[..., Any]  # makes the app of a connector, a store and the options
    load: Callable[[str | None], Connector]
    store: str | None
    keys: str | None = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)

    def __call__(self) -> Any:
        connector = self.load(None)
        store = databases.open_vault(f"{connector.key}-connector", self.store, self.keys)
        return self.make(connector, store=store, **self.options)


@contextmanager
def place(
    context: Context, name: str, host: str, port: int, store: str | None, *, opened: bool = False
) -> Iterator[tuple[socket, str, bool]]:
    """A port, its URL, and whether it needs no API key: where the store never had one, or as it is `opened`.

    Raises `InputError` where a key is missing beyond this machine.
    """
    missing = [module for module in NEEDS if find_spec(module) is None]
    if missing:
        hint = f"Install them: pip install {' '.join(NEEDS).replace('_', '-')}"
        raise InputError(f"{name} needs {' and '.join(missing)}.", hint=hint)
    with closing(context.vault(store)) as opened_vault:
        is_open = opened or not ApiKeys(opened_vault, context.load(None).key).exist()
    if host not in LOOPBACK and is_open:
        how = f"Make one first: {context.prog} api-key create --tenant NAME"
        why = "--open is for this machine alone" if opened else "there is no API key"
        raise InputError(f"{host} is beyond this machine, and {why}.", hint=how)
    with listening_socket(host, port) as listening:
        written = f"[{host}]" if ":" in host else host
        yield listening, f"http://{written}:{listening.getsockname()[1]}", is_open


def serve_app(
    context: Context, port: socket, make: Any, store: str | None, says: str, workers: int = 1, **options: Any
) -> None:
    """Serve the app that `make` makes of a store and options until interrupted; `says` is told before."""
    from ..service.serving import serve as serve_at

    plan = AppFactory(make=make, load=context.load, store=store, keys=context.setting("connector_key"), options=options)
    plan()  # what is wrong with it is said here, not in a worker
    say(says)
    serve_at(plan, options["settings"].timeout, port, workers)


def serve(context: Context, arguments: list[str]) -> None:
    """Serve the connector over HTTP: catalogue, runs, connections, webhooks. On this machine alone no API key is
    needed as long as there never was one; beyond it, make one first.
    """
    plain = ServiceSettings()
    asked = parser(context, "serve", serve.__doc__, f"serve --port {PORT}")
    asked.add_argument("--host", default="127.0.0.1", metavar="TEXT", help="where to listen (127.0.0.1)")
    asked.add_argument("--port", type=int, default=PORT, metavar="N", help=f"0 takes a free one ({PORT})")
    asked.add_argument("--store", metavar="URL", help="the store of connections, keys and events")
    whose = "whose all is where no key is needed (default)"
    asked.add_argument("--tenant", default="default", metavar="TEXT", help=whose)
    asked.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the port (1)")
    asked.add_argument("--base-url", metavar="URL", help="the vendor's API, if it is not at its usual place")
    asked.add_argument("--public-url", metavar="URL", help="where browsers and the vendor reach this service")
    asked.add_argument("--timeout", type=float, default=plain.timeout, metavar="S", help="for one request (60)")
    asked.add_argument("--retries", type=int, default=plain.retries, metavar="N", help="of the vendor; 0 for none (4)")
    asked.add_argument("--plan", metavar="TEXT", help="of the vendor's account: all workers keep to its limits")
    asked.add_argument("--share", type=float, default=plain.share, metavar="N", help="which part of them is ours (0.5)")
    asked.add_argument("--body", type=int, default=plain.body, metavar="BYTES", help="the largest body (1048576)")
    larger = "the same where an action takes files (8388608)"
    asked.add_argument("--files", type=int, default=plain.files, metavar="BYTES", help=larger)
    of_hook = "the same of a webhook (8388608)"
    asked.add_argument("--webhook-body", type=int, default=plain.webhook_body, metavar="BYTES", help=of_hook)
    asked.add_argument("--concurrency", type=int, default=plain.concurrency, metavar="N", help="of one worker (512)")
    per = plain.tenant_concurrency
    asked.add_argument("--tenant-concurrency", type=int, default=per, metavar="N", help=f"of one tenant ({per})")
    need = "need no API key on this machine, though the store has some or had some"
    asked.add_argument("--open", action="store_true", help=need)
    chosen = asked.parse_args(arguments)
    store = chosen.store or context.setting("store")
    if chosen.workers < 1:
        raise wrong("serve", "--workers", "must be at least 1")
    if chosen.workers > 1 and (store or "").startswith("memory:"):
        what = "keeps a store in each worker's memory, which they cannot share; give sqlite:/// or postgresql://"
        raise wrong("serve", "--store", what)
    connector = context.load(None)
    inputs = [row.key for kind in connector.connections.values() for row in kind.inputs]
    secrets = {key: secrets_of(context, trigger) for key, trigger in connector.triggers.items()}
    with place(context, "serve", chosen.host, chosen.port, store, opened=chosen.open) as (port, url, is_open):
        from ..service.app import service_app

        for trigger_key in [] if is_open else [key for key, own in secrets.items() if "" in own]:
            name = context.variable(connector.triggers[trigger_key].secret_input)
            what = "is of no known app, so that no tenant could read its events; write CLIENT_ID=SECRET"
            raise wrong("serve", name, what)
        settings = ServiceSettings(
            base_url=context.base_url(chosen),
            oauth_url=context.setting("oauth_url"),
            public_url=chosen.public_url or (url if chosen.host in LOOPBACK else None),
            credentials={key: value for key in inputs if (value := context.setting(key))},
            **{name: getattr(chosen, name) for name in SETTINGS},
        )
        hint = "No API key is needed, on this machine alone" if is_open else "Try it"
        key = "" if is_open else "-H 'Authorization: Bearer …' "
        says = f"Serving at {url}; Ctrl-C ends it. It describes itself at {url}/openapi.json.\n"
        says += f"{hint}: curl {key}{url}/v1/tenant"
        if is_open and chosen.public_url and not is_loopback(urlsplit(chosen.public_url).hostname):
            says += f"\nUnder {chosen.public_url} it answers to webhooks and sign-ins that come back, and to no more: "
            says += f"for that, make a key ({context.prog} api-key create) and start it again."
        about: dict[str, Any] = {"webhook_secrets": {key: secret for key, secret in secrets.items() if secret}}
        if is_open:
            key_part("--tenant", chosen.tenant)
            about |= {"tenant": chosen.tenant, "token": context.setting("access_token")}
        serve_app(context, port, service_app, store, says, chosen.workers, settings=settings, **about)


def api_key(context: Context, arguments: list[str]) -> None:
    """Make, list or revoke the API keys of the service."""
    asked = parser(context, "api-key", api_key.__doc__, "api-key create --tenant acme")
    asked.add_argument("--store", metavar="URL", help="the service's store, if it is not the usual one")
    acts = asked.add_subparsers(dest="act", metavar="create | list | revoke", required=True)
    make = acts.add_parser("create", help="make a key, which is shown once")
    make.add_argument("--tenant", default="default", metavar="TEXT", help="whose key it is (default)")
    make.add_argument("--label", default="", metavar="TEXT", help="what it is for")
    make.add_argument("--metrics", action="store_true", help="a key that only reads /metrics")
    acts.add_parser("list", help="list the keys, without their secrets")
    revoke = acts.add_parser("revoke", help="take a key back")
    revoke.add_argument("id", metavar="ID", help=f"from `{context.prog} api-key list`")
    chosen = asked.parse_args(arguments)
    with closing(context.vault(chosen.store)) as store:
        keys = ApiKeys(store, context.load(None).key)
        if chosen.act == "create":
            text, made = keys.create(None if chosen.metrics else chosen.tenant, chosen.label)
            put(text, once=True)
            whose = "reads /metrics" if made.tenant is None else f"is of the tenant {made.tenant}"
            say(f"The key {made.id} {whose}. It is shown this once; the store keeps a digest of it.")
            say("A service that was started without any key refuses all requests now; start it again.")
        elif chosen.act == "revoke":
            keys.revoke(chosen.id)
            say(f"Revoked {chosen.id}. A service that runs refuses it from its next request on.")
        else:
            rows = [("ID", "TENANT", "MADE", "LABEL")]
            for key in keys.list():
                made_at = time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at))
                rows.append((key.id, "(metrics)" if key.tenant is None else key.tenant, made_at, key.label))
            print_table(rows)


def mcp(context: Context, arguments: list[str]) -> None:
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
    each = f"for one call ({MCP_TIMEOUT:g})"
    asked.add_argument("--timeout", type=float, default=MCP_TIMEOUT, metavar="S", help=each)
    asked.add_argument("--http", action="store_true", help="serve streamable HTTP at /mcp instead")
    asked.add_argument("--host", metavar="TEXT", help="where to listen (127.0.0.1)")
    asked.add_argument("--port", type=int, metavar="N", help=f"0 takes a free one ({MCP_PORT})")
    chosen = asked.parse_args(arguments)
    if not chosen.http and (chosen.host is not None or chosen.port is not None):
        raise wrong("mcp", "--host" if chosen.host is not None else "--port", "is for HTTP; add --http")
    if not 0 < chosen.timeout <= LONGEST_WAIT:
        raise wrong("mcp", "--timeout", f"must be more than 0 and at most {LONGEST_WAIT:,}")
    if find_spec("mcp_types") is None:  # which comes with version 2
        raise InputError("mcp needs the package mcp, version 2.", hint="Install it: pip install 'mcp>=2.3'")
    if chosen.store is not None:
        context = context._replace(environment={**context.environment, context.variable("store"): chosen.store})
    from ..mcp.tools import ToolFilter

    reach = {"read_only": chosen.read_only, "destructive": chosen.destructive, "secrets": chosen.show_secrets}
    tool_filter = ToolFilter(only=tuple(chosen.only), **reach)
    if chosen.http:
        host, port = chosen.host or "127.0.0.1", MCP_PORT if chosen.port is None else chosen.port
        store = context.setting("store")
        with place(context, "mcp --http", host, port, store) as (listening, url, is_open):
            key = "without a key" if is_open else "with an API key as `Authorization: Bearer …`"
            says = f"Tools at {url}/mcp, {key}; Ctrl-C ends it."
            settings = ServiceSettings(base_url=context.base_url(chosen), timeout=chosen.timeout)
            token = context.setting("access_token") if is_open and not chosen.connection else None
            about = {"tenant": "default" if is_open else None, "token": token, "connection": chosen.connection}
            serve_app(context, listening, _tools_app, store, says, settings=settings, tool_filter=tool_filter, **about)
        return
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the thread that waits for input could not be woken
        asyncio.run(_speak(context, chosen, tool_filter, stack))


def _tools_app(
    connector: Connector, store: Store, tool_filter: ToolFilter, connection: str | None, **about: Any
) -> Any:
    from ..mcp.web import app
    from ..service.state import Service

    return app(Service(connector, store, **about), tool_filter, connection)


async def _speak(context: Context, chosen: Namespace, tool_filter: ToolFilter, stack: ExitStack) -> None:
    from ..mcp import tools

    clients: list[AsyncClient] = []

    @asynccontextmanager
    async def lend(request: Any) -> AsyncIterator[AsyncClient]:
        """The one client; made at the first call, so that tools can be listed before there is a connection."""
        if not clients:
            given = stack.enter_context(context.access(chosen.connection))
            if isinstance(given.get("connection"), StoredConnection):
                given = {"connection": AsyncStoredConnection(given["connection"])}
            clients.append(AsyncClient(context.load(None), base_url=context.base_url(chosen), **given))
        yield clients[0]

    made = tools.server(context.load(None), tool_filter, lend, chosen.timeout)
    if sys.stdin.isatty():
        say("This speaks to a program, not to a person: enter it in the program's settings. Ctrl-D ends it.")
    try:
        await tools.speak(made)
    finally:
        for client in clients:
            await client.aclose()
