"""The commands that only this connector has: `sandbox` and `demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_runtime.client import Client
from connector_runtime.commands.context import Context, put
from connector_runtime.commands.options import parser
from connector_runtime.errors import AuthError, InputError

from .demo import ACCOUNT_STEPS, SANDBOX_STEPS, play

if TYPE_CHECKING:
    from connector_runtime.definitions.connector import Connector

    from .sandbox import Sandbox


def sandbox(context: Context, arguments: list[str]) -> int:
    """Serve a Zoom on loopback until interrupted."""
    zoom = _sandbox_as_asked(context, arguments)
    from .sandbox.oauth import APPS

    app = APPS[0]
    try:
        with zoom:
            put("The sandbox runs until you press Ctrl-C. In another terminal:\n")
            put(f"  export ZOOM_BASE_URL={zoom.base_url}")
            put(f"  export ZOOM_ACCESS_TOKEN={zoom.token}")
            put(f"  {context.prog} run list-users --limit 3\n")
            put("To try a connection instead of a token, in a terminal without ZOOM_ACCESS_TOKEN:\n")
            put(f"  export ZOOM_BASE_URL={zoom.base_url} ZOOM_OAUTH_URL={zoom.origin}")
            put(f"  export ZOOM_CLIENT_ID={app.client_id} ZOOM_CLIENT_SECRET={app.secret}")
            put(f"  {context.prog} connect\n")
            put("To change limits and faults meanwhile, and to read what happened:\n")
            put(f"  curl {zoom.origin}/_sandbox")
            wait_forever()
    except OSError as error:
        raise AuthError(f"A port cannot be opened: {error.strerror}.", hint="Choose another --port.") from None
    except KeyboardInterrupt:
        put("\nThe sandbox has stopped.")
    return 0


def _sandbox_as_asked(context: Context, arguments: list[str]) -> Sandbox:
    """Make the sandbox that the options describe, or raise `InputError`."""
    from .sandbox import Sandbox
    from .sandbox.kinds import KINDS
    from .sandbox.plans import PLANS

    asked = parser(
        context,
        "sandbox",
        "Run a Zoom on this machine: real HTTP, state, paging, Zoom's statuses and error bodies. No account is needed.",
        "sandbox --users 1000 --plan business --faults seed=7,rate=0.1 --latency 0.01-0.2",
    )
    asked.add_argument("--port", type=int, default=8100, metavar="N", help="on 127.0.0.1; 0 takes a free one (8100)")
    asked.add_argument("--users", type=int, default=25, metavar="N", help="how many users it begins with (25)")
    asked.add_argument("--token", default="sandbox-token", metavar="TEXT", help="the access token that it takes")
    asked.add_argument(
        "--plan",
        choices=tuple(PLANS),
        help="hold the rate limits of this Zoom plan: buckets by label, days, quotas, headers and 429s (no limits)",
    )
    asked.add_argument(
        "--faults",
        metavar="TEXT",
        help="let requests go wrong at random, and the same ones the next time: seed=7,rate=0.1 is every tenth; "
        "kinds=late+reset_after chooses kinds, delay=2 lets answers be up to 2 seconds late (none)",
    )
    back = "another address to which people may be sent back when they have signed in; repeatable"
    asked.add_argument("--redirect-url", metavar="URL", action="append", default=[], help=back)
    asked.add_argument("--latency", metavar="S", help="wait before every answer: 0.05 seconds, or 0.01-0.2 at random")
    asked.add_argument(
        "--storage",
        action="store_true",
        help="keep recording files on a second port, to which downloads are redirected and no token may follow",
    )
    kinds = "\n".join(f"  {name:<20} {kind.says}" for name, kind in KINDS.items())
    asked.epilog = f"kinds of faults:\n{kinds}\n\n{asked.epilog}"
    chosen = asked.parse_args(arguments)
    zoom = Sandbox(port=chosen.port, users=chosen.users, token=chosen.token, plan=chosen.plan, storage=chosen.storage)
    for url in chosen.redirect_url:
        zoom.oauth.allow(url)
    for name in ("faults", "latency"):
        try:
            setattr(zoom, name, getattr(chosen, name))
        except ValueError as error:
            asked.error(f"--{name}: {error}")
    return zoom


def wait_forever() -> None:
    """Sleep until a signal comes."""
    import threading

    threading.Event().wait()


def demo(context: Context, arguments: list[str]) -> int:
    """Play the demo against a sandbox of its own, or against the account of `ZOOM_ACCESS_TOKEN`."""
    asked = parser(
        context, "demo", "Watch the actions run over real HTTP, each with its request and its result.", "demo"
    )
    asked.add_argument(
        "--account",
        action="store_true",
        help="use ZOOM_ACCESS_TOKEN: creates one meeting for the user who connected, changes it and deletes it",
    )
    asked.add_argument("--once", action="store_true", help="end when it has been played, instead of serving the page")
    asked.add_argument("--port", type=int, default=8300, metavar="N", help="of the page; 0 takes a free one (8300)")
    chosen = asked.parse_args(arguments)
    connector = context.load(None)
    if chosen.account:
        token = context.setting("access_token")
        if token is None:
            raise AuthError("There is no access token.", hint="Set ZOOM_ACCESS_TOKEN.")
        base_url = context.setting("base_url")
        with Client(connector, token=token, base_url=base_url) as client:
            play(connector, client, base_url, ACCOUNT_STEPS, put)
        return 0
    from .sandbox import Sandbox

    with Sandbox() as zoom, Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
        put(f"A Zoom that runs on this machine answers at {zoom.base_url}; no account is needed.")
        play(connector, client, zoom.base_url, SANDBOX_STEPS, put)
        put(f"\nDone: {len(zoom.requests)} requests over HTTP.")
        if not chosen.once:
            _show(context, connector, zoom, chosen.port)
    return 0


def _show(context: Context, connector: Connector, zoom: Sandbox, port: int) -> None:
    """Serve the page with the sandbox behind it, and its events coming in, until interrupted."""
    from importlib.util import find_spec

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        put(f"To see it in a browser: pip install 'zoom-connector[service]', and {context.prog} demo again.")
        return
    from .showing import shown

    try:
        with shown(connector, zoom, port) as url:
            put(f"\nNow try it yourself: open {url} in a browser. Ctrl-C ends it.")
            wait_forever()
    except OSError as error:
        raise InputError(f"Port {port} cannot be opened: {error.strerror}.", hint="Choose another --port.") from None
    except KeyboardInterrupt:
        put("\nThe demo has ended.")
