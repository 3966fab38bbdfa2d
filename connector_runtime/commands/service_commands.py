"""The commands about the HTTP service: `serve`, and `api-key` for who may use it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..definitions.connector import Connector
from ..errors import InputError
from ..service.keys import ApiKeys, check_tenant
from ..service.settings import LOOPBACK, Settings
from ..stores import opening
from .access import open_vault
from .cli import Context, columns, parser, say, wrong

PORT = 8300
NEEDS = ("fastapi", "uvicorn", "prometheus_client")
INSTALL = "fastapi uvicorn prometheus-client"
SETTINGS = ("timeout", "retries", "plan", "share", "body", "concurrency", "tenant_concurrency")  # options of `serve`


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a worker needs to make its app; it goes to workers over a pipe, never through arguments."""

    maker: str  # the function that makes the app, as in `service.app.service`
    load: Callable[[str | None], Connector]
    store: str | None
    keys: str | None = field(repr=False)
    options: Mapping[str, Any] = field(repr=False)

    def __call__(self) -> Any:
        module, _, function = self.maker.rpartition(".")
        connector = self.load(None)
        store = opening.open_vault(f"{connector.key}-connector", self.store, self.keys)
        make = getattr(import_module(f"..{module}", __package__), function)
        return make(connector, store=store, **self.options)


@contextmanager
def place(
    context: Context, command: str, host: str, port: int, store: str | None
) -> Iterator[tuple[socket.socket, str, bool]]:
    """A port to serve at, its URL, and whether no API key is needed there; without one only this machine is served.

    Raises `InputError`.
    """
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise InputError(f"{command} needs {' and '.join(missing)}.", hint=f"Install them: pip install {INSTALL}")
    with closing(open_vault(context, store)) as opened:
        is_open = not ApiKeys(opened, context.load(None).key).exist()
    if host not in LOOPBACK and is_open:
        how = f"Make one first: {context.prog} api-key create --tenant NAME"
        raise InputError(f"{host} is beyond this machine, and there is no API key.", hint=how)
    with bound(host, port) as listening:
        written = f"[{host}]" if ":" in host else host
        yield listening, f"http://{written}:{listening.getsockname()[1]}", is_open


def serve_app(
    context: Context,
    port: socket.socket,
    maker: str,
    store: str | None,
    greeting: str,
    workers: int = 1,
    **options: Any,
) -> None:
    """Serve the app that `maker` makes of a store and options until interrupted; `greeting` is said before."""
    from ..service.serving import Serving, serve as serve_at

    plan = Plan(maker=maker, load=context.load, store=store, keys=context.setting("connector_key"), options=options)
    plan()  # what is wrong with it is said here, not in a worker
    say(greeting)
    serve_at(Serving(plan, options["settings"].timeout), port, workers)


def serve(context: Context, arguments: list[str]) -> int:
    """Serve the connector over HTTP: catalogue, runs, connections, webhooks. On this machine alone no API key is
    needed while there is none; beyond it, make one first.
    """
    plain = Settings()
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
    asked.add_argument("--body", type=int, default=plain.body, metavar="BYTES", help="the largest body (8388608)")
    asked.add_argument("--concurrency", type=int, default=plain.concurrency, metavar="N", help="of one worker (512)")
    per = plain.tenant_concurrency
    asked.add_argument("--tenant-concurrency", type=int, default=per, metavar="N", help=f"of one tenant ({per})")
    chosen = asked.parse_args(arguments)
    store = chosen.store or context.setting("store")
    if chosen.workers < 1:
        raise wrong("serve", "--workers", "must be at least 1")
    if chosen.workers > 1 and (store or "").startswith("memory:"):
        what = "keeps a store in each worker's memory, which they cannot share; give sqlite:/// or postgresql://"
        raise wrong("serve", "--store", what)
    connector = context.load(None)
    inputs = [row.key for kind in connector.connections.values() for row in kind.inputs]
    secrets = {key: context.setting(trigger.secret_input) for key, trigger in connector.triggers.items()}
    with place(context, "serve", chosen.host, chosen.port, store) as (port, url, is_open):
        settings = Settings(
            base_url=context.base_url(chosen),
            oauth_url=context.setting("oauth_url"),
            public_url=chosen.public_url or (url if chosen.host in LOOPBACK else None),
            credentials={key: value for key in inputs if (value := context.setting(key))},
            **{name: getattr(chosen, name) for name in SETTINGS},
        )
        hint = "There is no API key, so none is needed" if is_open else "Try it"
        key = "" if is_open else "-H 'Authorization: Bearer …' "
        serve_app(
            context,
            port,
            "service.app.service",
            store,
            f"Serving at {url}; Ctrl-C ends it. It describes itself at {url}/openapi.json.\n"
            f"{hint}: curl {key}{url}/v1/tenant",
            chosen.workers,
            settings=settings,
            tenant=check_tenant(chosen.tenant) if is_open else None,
            token=context.setting("access_token") if is_open else None,
            webhook_secrets={key: secret for key, secret in secrets.items() if secret},
        )
    return 0


def api_key(context: Context, arguments: list[str]) -> int:
    """Make, list or revoke the API keys of the service."""
    asked = parser(context, "api-key", api_key.__doc__, "api-key create --tenant acme")
    asked.add_argument("--store", metavar="URL", help="the service's store, if it is not the usual one")
    acts = asked.add_subparsers(dest="act", metavar="create | list | revoke", required=True)
    make = acts.add_parser("create", help="make a key, which is shown once", allow_abbrev=False)
    make.add_argument("--tenant", default="default", metavar="TEXT", help="whose key it is (default)")
    make.add_argument("--label", default="", metavar="TEXT", help="what it is for")
    make.add_argument("--metrics", action="store_true", help="a key that only reads /metrics")
    acts.add_parser("list", help="list the keys, without their secrets", allow_abbrev=False)
    revoke = acts.add_parser("revoke", help="take a key back", allow_abbrev=False)
    revoke.add_argument("id", metavar="ID", help=f"from `{context.prog} api-key list`")
    chosen = asked.parse_args(arguments)
    with closing(open_vault(context, chosen.store)) as store:
        keys = ApiKeys(store, context.load(None).key)
        if chosen.act == "create":
            text, made = keys.create(None if chosen.metrics else chosen.tenant, chosen.label)
            print(text)
            whose = "reads /metrics" if made.tenant is None else f"is of the tenant {made.tenant}"
            say(f"The key {made.id} {whose}. It is shown this once; the store keeps a digest of it.")
            say("A service that was started without any key asks for one once it is started again.")
        elif chosen.act == "revoke":
            keys.revoke(chosen.id)
            say(f"Revoked {chosen.id}. A service that runs refuses it within five seconds.")
        else:
            rows = [("ID", "TENANT", "MADE", "LABEL")]
            for key in keys.list():
                made_at = time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at))
                rows.append((key.id, "(metrics)" if key.tenant is None else key.tenant, made_at, key.label))
            for line in columns(rows):
                print(line)
    return 0


def bound(host: str, port: int) -> socket.socket:
    """An open port; 0 takes a free one. Raises `InputError` if it cannot be opened."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        opened = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"Port {port} of {host} cannot be opened: {reason}.", hint="Choose another --port.") from None
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else a kept connection waits 40 ms for each body
    return opened
