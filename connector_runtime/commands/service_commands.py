"""The commands about the HTTP service: `serve`, and `api-key` for who may use it."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from ..definitions.connector import Connector
from ..errors import InputError, Problem
from ..language.hosts import LOOPBACK
from ..service.records import ApiKeys, check_tenant
from ..service.settings import Settings
from ..stores import opening
from ..stores.vault import Sealed
from .cli import Context, parser

PORT = 8300
NEEDS = ("fastapi", "uvicorn", "prometheus_client")
INSTALL = "fastapi uvicorn prometheus-client"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that a worker needs to make its app; it goes to workers over a pipe, never through arguments."""

    load: Callable[[str | None], Connector]
    store: str | None
    keys: str | None = field(repr=False)
    tenant: str | None
    token: str | None = field(repr=False)
    settings: Settings
    secrets: Mapping[str, str] = field(repr=False)

    def __call__(self) -> Any:
        from ..service.app import service

        connector = self.load(None)
        return service(
            connector,
            store=opening.open_vault(f"{connector.key}-connector", self.store, self.keys),
            tenant=self.tenant,
            token=self.token,
            settings=self.settings,
            webhook_secrets=dict(self.secrets),
        )


def serve(context: Context, arguments: list[str]) -> int:
    """Serve the connector over HTTP until interrupted."""
    plain = Settings()
    asked = parser(
        context,
        "serve",
        "Serve the connector over HTTP: catalogue, runs, connections, webhooks. On this machine alone no API key is\n"
        "needed while there is none; beyond it, make one first.",
        f"serve --port {PORT}",
    )
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
    store_url = chosen.store or context.setting("store")
    _check(chosen.workers, store_url)
    is_open = not keys_exist(context, store_url)
    if chosen.host not in LOOPBACK and is_open:
        how = f"Make one first: {context.prog} api-key create --tenant NAME"
        raise InputError(f"{chosen.host} is beyond this machine, and there is no API key.", hint=how)
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise InputError(f"serve needs {' and '.join(missing)}.", hint=f"Install them: pip install {INSTALL}")
    from ..service.serving import serve as serve_at

    with bound(chosen.host, chosen.port) as port:
        url = f"http://{in_url(chosen.host)}:{port.getsockname()[1]}"
        settings = Settings(
            base_url=chosen.base_url or context.setting("base_url"),
            oauth_url=context.setting("oauth_url"),
            public_url=chosen.public_url or (url if chosen.host in LOOPBACK else None),
            timeout=chosen.timeout,
            retries=chosen.retries,
            plan=chosen.plan,
            share=chosen.share,
            body=chosen.body,
            concurrency=chosen.concurrency,
            tenant_concurrency=chosen.tenant_concurrency,
            credentials=_from_environment(context),
        )
        plan = Plan(
            load=context.load,
            store=store_url,
            keys=context.setting("connector_key"),
            tenant=check_tenant(chosen.tenant) if is_open else None,
            token=context.setting("access_token") if is_open else None,
            settings=settings,
            secrets=_webhook_secrets(context),
        )
        plan()  # what is wrong with it is said here, not in a worker
        _say(f"Serving at {url}; Ctrl-C ends it. It describes itself at {url}/openapi.json.")
        key = "" if is_open else "-H 'Authorization: Bearer …' "
        _say(f"{'There is no API key, so none is needed' if is_open else 'Try it'}: curl {key}{url}/v1/tenant")
        serve_at(plan, settings.timeout, port, chosen.workers)
    return 0


def api_key(context: Context, arguments: list[str]) -> int:
    """Make, list or revoke API keys of the service."""
    says = "Make, list or revoke the API keys of the service."
    asked = parser(context, "api-key", says, "api-key create --tenant acme")
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
    connector = context.load(None)
    with closing(_opened(context, chosen.store)) as store:
        keys = ApiKeys(store, connector.key)
        if chosen.act == "create":
            text, made = keys.create(None if chosen.metrics else chosen.tenant, chosen.label)
            print(text)
            whose = "reads /metrics" if made.tenant is None else f"is of the tenant {made.tenant}"
            _say(f"The key {made.id} {whose}. It is shown this once; the store keeps a digest of it.")
            _say("A service that was started without any key asks for one once it is started again.")
        elif chosen.act == "revoke":
            keys.revoke(chosen.id)
            _say(f"Revoked {chosen.id}. A service that runs refuses it within five seconds.")
        else:
            _list(keys)
    return 0


def _list(keys: ApiKeys) -> None:
    rows = [("ID", "TENANT", "MADE", "LABEL")]
    for key in keys.list():
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at))
        rows.append((key.id, "(metrics)" if key.tenant is None else key.tenant, made, key.label))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([f"{text:<{width}}" for text, width in zip(row, widths, strict=False)] + [row[3]]).rstrip())


def _opened(context: Context, url: str | None) -> Sealed:
    app = f"{context.load(None).key}-connector"
    return opening.open_vault(app, url or context.setting("store"), context.setting("connector_key"))


def keys_exist(context: Context, url: str | None) -> bool:
    """Whether the store at that address, or the usual one, has any API key."""
    with closing(_opened(context, url)) as store:
        return ApiKeys(store, context.load(None).key).exist()


def _check(workers: int, store_url: str | None) -> None:
    if workers < 1:
        raise InputError.of("serve", [Problem("--workers", "must be at least 1")])
    if workers > 1 and (store_url or "").startswith("memory:"):
        what = "keeps a store in each worker's memory, which they cannot share; give sqlite:/// or postgresql://"
        raise InputError.of("serve", [Problem("--store", what)])


def _from_environment(context: Context) -> dict[str, str]:
    """The app in which people sign in, as far as the environment names it."""
    kinds = context.load(None).connections
    found = {row.key: context.setting(row.key) for key in kinds for row in kinds[key].inputs}
    return {name: value for name, value in found.items() if value is not None}


def _webhook_secrets(context: Context) -> dict[str, str]:
    """The secrets with which the vendor signs, by trigger, as far as the environment names them."""
    found = {}
    for key, trigger in context.load(None).triggers.items():
        name = next(row.key for row in trigger.inputs if any(str(place) == "verify.secret" for place in row.to))
        secret = context.setting(name)
        if secret is not None:
            found[key] = secret
    return found


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


def in_url(host: str) -> str:
    """A host as URLs write it."""
    return f"[{host}]" if ":" in host else host


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
