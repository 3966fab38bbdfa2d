"""The commands that serve: `serve`, `api-key` for the keys of the service, and `mcp` for language models."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
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
    from .context import Load

PORT = 8300
MCP_PORT = 8400
MCP_TIMEOUT = 50.0  # seconds; clients commonly give up after 60
NEEDS = ("fastapi", "uvicorn", "prometheus_client")
SETTINGS: dict[str, tuple[Callable[[str], Any], str, str]] = {  # options of `serve`: type, metavar, help
    "timeout": (float, "SECONDS", "time limit of one request"),
    "retries": (int, "N", "how many times to retry a failed request"),
    "plan": (str, "TEXT", "the plan of the vendor's account, whose limits all workers share"),
    "share": (float, "N", "fraction of these limits that the service may use, above 0 and up to 1"),
    "body": (int, "BYTES", "maximum size of a request body in bytes"),
    "files": (int, "BYTES", "maximum size of a request body with files in bytes"),
    "webhook_body": (int, "BYTES", "maximum size of a webhook body in bytes"),
    "concurrency": (int, "N", "maximum concurrent requests per worker"),
    "tenant_concurrency": (int, "N", "maximum concurrent requests per tenant"),
}


def _made(make: Callable[..., Any], load: Load, store: str | None, keys: str | None, options: Mapping[str, Any]) -> Any:
    """Make the app in a worker, which gets these arguments through a pipe, where no other process can read them."""
    connector = load(None)
    vault = databases.open_vault(f"{connector.key}-connector", store, keys)
    return make(connector, store=vault, **options)


@contextmanager
def listening(
    context: Context, name: str, host: str, port: int, store: str | None, *, without_keys: bool = False
) -> Iterator[tuple[socket, str, bool]]:
    """Yield a port, its URL, and whether it needs no API key. Raises `InputError` if others can reach such a port."""
    missing = [module for module in NEEDS if find_spec(module) is None]
    if missing:
        hint = f"Install them: pip install {' '.join(NEEDS).replace('_', '-')}"
        raise InputError(f"{name} needs {' and '.join(missing)}.", hint=hint)
    with closing(context.vault(store)) as vault:
        is_open = without_keys or not ApiKeys(vault, context.load(None).key).exist()
    if host not in LOOPBACK and is_open:
        hint = f"Create a key first: {context.prog} api-key create --tenant NAME"
        why = "--open is only for this machine" if without_keys else "there is no API key"
        raise InputError(f"Other machines can reach {host}, but {why}.", hint=hint)
    with listening_socket(host, port) as server:
        name = f"[{host}]" if ":" in host else host
        yield server, f"http://{name}:{server.getsockname()[1]}", is_open


def serve_app(
    context: Context, port: socket, make: Any, store: str | None, says: str, workers: int = 1, **options: Any
) -> None:
    """Print `says`, then serve the app that `make` returns for a store and options, until interrupted."""
    from ..service.serving import serve as serve_at

    factory = partial(_made, make, context.load, store, context.setting("connector_key"), options)
    factory()  # errors should appear here, not in a worker
    say(says)
    serve_at(factory, options["settings"].timeout, port, workers)


def serve(context: Context, arguments: list[str]) -> None:
    """Serve the connector over HTTP: catalogue, runs, connections and webhooks.

    On this machine, no API key is required until the first one is created. Other machines always need one.
    """
    command = parser(context, "serve", serve.__doc__, f"serve --port {PORT}")
    command.add_argument("--host", default="127.0.0.1", metavar="TEXT", help="the address (default: 127.0.0.1)")
    command.add_argument("--port", type=int, default=PORT, metavar="N", help=f"the port; 0 picks one (default: {PORT})")
    command.add_argument("--store", metavar="URL", help="the store of connections, keys and events")
    owner = "the tenant that owns everything while no API key is required (default: default)"
    command.add_argument("--tenant", default="default", metavar="TEXT", help=owner)
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes sharing the port (default: 1)")
    add_common(command, "--base-url")
    command.add_argument("--public-url", metavar="URL", help="the service's URL for browsers and the vendor")
    for name, (kind, metavar, text) in SETTINGS.items():
        default = getattr(ServiceSettings(), name)
        usual = "" if default is None else f" (default: {default:.12g})"
        option = f"--{name.replace('_', '-')}"
        command.add_argument(option, type=kind, default=default, metavar=metavar, help=f"{text}{usual}")
    command.add_argument("--open", action="store_true", help="require no API key on this machine, even if keys exist")
    chosen = command.parse_args(arguments)
    store = chosen.store or context.setting("store")
    if chosen.workers < 1:
        raise wrong("serve", "--workers", "must be at least 1")
    if chosen.workers > 1 and (store or "").startswith("memory:"):
        what = "is an in-memory store, which workers cannot share; use sqlite:/// or postgresql://"
        raise wrong("serve", "--store", what)
    connector = context.load(None)
    inputs = [row.key for kind in connector.connections.values() for row in kind.inputs]
    secrets = {key: secrets_of(context, trigger) for key, trigger in connector.triggers.items()}
    with listening(context, "serve", chosen.host, chosen.port, store, without_keys=chosen.open) as (port, url, is_open):
        from ..service.app import service_app

        for trigger_key in [] if is_open else [key for key, own in secrets.items() if "" in own]:
            name = context.variable(connector.triggers[trigger_key].secret_input)
            what = "belongs to no known app, so no tenant could read its events; write CLIENT_ID=SECRET"
            raise wrong("serve", name, what)
        settings = ServiceSettings(
            base_url=context.base_url(chosen),
            oauth_url=context.setting("oauth_url"),
            public_url=chosen.public_url or (url if chosen.host in LOOPBACK else None),
            credentials={key: value for key in inputs if (value := context.setting(key))},
            open=chosen.open,
            **{name: getattr(chosen, name) for name in SETTINGS},
        )
        hint = "No API key is required on this machine. Try it" if is_open else "Try it"
        key = "" if is_open else "-H 'Authorization: Bearer …' "
        says = f"Serving at {url}; press Ctrl-C to stop. The API is described at {url}/openapi.json.\n"
        says += f"{hint}: curl {key}{url}/v1/tenant"
        if is_open and chosen.public_url and not is_loopback(urlsplit(chosen.public_url).hostname):
            says += f"\nAt {chosen.public_url} it serves only webhooks and returning sign-ins. "
            says += f"To serve the rest there, create a key ({context.prog} api-key create) and restart it."
        terms: dict[str, Any] = {"webhook_secrets": {key: secret for key, secret in secrets.items() if secret}}
        if is_open:
            key_part("--tenant", chosen.tenant)
            terms |= {"tenant": chosen.tenant, "token": context.setting("access_token")}
        serve_app(context, port, service_app, store, says, chosen.workers, settings=settings, **terms)


def api_key(context: Context, arguments: list[str]) -> None:
    """Create, list or revoke the API keys of the service."""
    command = parser(context, "api-key", api_key.__doc__, "api-key create --tenant acme")
    command.add_argument("--store", metavar="URL", help="the service's store, if it is not the default")
    acts = command.add_subparsers(dest="act", metavar="create | list | revoke", required=True)
    create = acts.add_parser("create", help="create a key and show it once")
    create.add_argument("--tenant", default="default", metavar="TEXT", help="the tenant of the key (default: default)")
    create.add_argument("--label", default="", metavar="TEXT", help="a note on its purpose")
    create.add_argument("--metrics", action="store_true", help="create a key that can only read /metrics")
    acts.add_parser("list", help="list the keys, without their secrets")
    revoke = acts.add_parser("revoke", help="revoke a key")
    revoke.add_argument("id", metavar="ID", help=f"the id of a key, from `{context.prog} api-key list`")
    chosen = command.parse_args(arguments)
    with closing(context.vault(chosen.store)) as store:
        keys = ApiKeys(store, context.load(None).key)
        if chosen.act == "create":
            text, key = keys.create(None if chosen.metrics else chosen.tenant, chosen.label)
            put(text, once=True)
            use = "can read /metrics" if key.tenant is None else f"belongs to the tenant {key.tenant}"
            say(f"The key {key.id} {use}. It is shown only now, because the store holds only its digest.")
            say("A service that was started before the first key existed now refuses all requests: restart it.")
        elif chosen.act == "revoke":
            keys.revoke(chosen.id)
            say(f"Revoked {chosen.id}. A running service refuses it from the next request on.")
        else:
            rows = [("ID", "TENANT", "CREATED", "LABEL")]
            for key in keys.list():
                created = time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at))
                rows.append((key.id, "(metrics)" if key.tenant is None else key.tenant, created, key.label))
            print_table(rows)


def mcp(context: Context, arguments: list[str]) -> None:
    """Offer the actions to a language model as tools (Model Context Protocol).

    Desktop clients start this command and communicate over stdin and stdout. With --http it serves HTTP.
    """
    command = parser(context, "mcp", mcp.__doc__, "mcp --read-only")
    only = "offer only these actions, such as 'list-*'"
    command.add_argument("--only", metavar="PATTERN", nargs="+", action="extend", default=[], help=only)
    command.add_argument("--read-only", action="store_true", help="offer only actions that change nothing")
    command.add_argument("--destructive", action="store_true", help="also offer actions that can destroy data")
    command.add_argument("--show-secrets", action="store_true", help="show secrets in results, instead of ***")
    command.add_argument("--extra", action="store_true", help="let tools set fields that have no input")
    add_common(command, "--connection")
    command.add_argument("--store", metavar="URL", help="the store of connections, if it is not the default")
    add_common(command, "--base-url")
    timeout = f"time limit of one call (default: {MCP_TIMEOUT:g})"
    command.add_argument("--timeout", type=float, default=MCP_TIMEOUT, metavar="SECONDS", help=timeout)
    command.add_argument("--http", action="store_true", help="serve streamable HTTP at /mcp")
    command.add_argument("--host", metavar="TEXT", help="with --http: the address (default: 127.0.0.1)")
    command.add_argument("--port", type=int, metavar="N", help=f"with --http: the port (default: {MCP_PORT})")
    chosen = command.parse_args(arguments)
    if not chosen.http and (chosen.host is not None or chosen.port is not None):
        raise wrong("mcp", "--host" if chosen.host is not None else "--port", "applies only to HTTP; add --http")
    if not 0 < chosen.timeout <= LONGEST_WAIT:
        raise wrong("mcp", "--timeout", f"must be more than 0 and at most {LONGEST_WAIT:,}")
    if find_spec("mcp_types") is None:  # comes with mcp 2
        raise InputError("mcp needs the package mcp, version 2.", hint="Install it: pip install 'mcp>=2.3'")
    if chosen.store is not None:
        context = context._replace(environment={**context.environment, context.variable("store"): chosen.store})
    from ..mcp.tools import ToolFilter

    reach = {name: getattr(chosen, name) for name in ("read_only", "destructive", "extra")}
    tool_filter = ToolFilter(only=tuple(chosen.only), secrets=chosen.show_secrets, **reach)
    if chosen.http:
        host, port = chosen.host or "127.0.0.1", MCP_PORT if chosen.port is None else chosen.port
        store = context.setting("store")
        with listening(context, "mcp --http", host, port, store) as (server, url, is_open):
            key = "without an API key" if is_open else "with an API key as `Authorization: Bearer …`"
            says = f"Tools at {url}/mcp, {key}; press Ctrl-C to stop."
            settings = ServiceSettings(base_url=context.base_url(chosen), timeout=chosen.timeout)
            token = context.setting("access_token") if is_open and not chosen.connection else None
            terms = {"tenant": "default" if is_open else None, "token": token, "connection": chosen.connection}
            serve_app(context, server, _tools_app, store, says, settings=settings, tool_filter=tool_filter, **terms)
        return
    with ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's handler cannot wake the thread that reads stdin
        asyncio.run(_speak(context, chosen, tool_filter, stack))


def _tools_app(
    connector: Connector, store: Store, tool_filter: ToolFilter, connection: str | None, **terms: Any
) -> Any:
    from ..mcp.web import app
    from ..service.state import Service

    return app(Service(connector, store, **terms), tool_filter, connection)


async def _speak(context: Context, chosen: Namespace, tool_filter: ToolFilter, stack: ExitStack) -> None:
    from ..mcp import tools

    clients: list[AsyncClient] = []

    @asynccontextmanager
    async def lend(request: Any) -> AsyncIterator[AsyncClient]:
        """Yield the one client, opened on the first call, because listing the tools needs no connection."""
        if not clients:
            access = stack.enter_context(context.access(chosen.connection))
            if isinstance(access.get("connection"), StoredConnection):
                access = {"connection": AsyncStoredConnection(access["connection"])}
            clients.append(AsyncClient(context.load(None), base_url=context.base_url(chosen), **access))
        yield clients[0]

    server = tools.server(context.load(None), tool_filter, lend, chosen.timeout)
    if sys.stdin.isatty():
        say("This command talks to an MCP client: add it to the client's settings. Press Ctrl-D to stop.")
    try:
        await tools.speak(server)
    finally:
        for client in clients:
            await client.aclose()
