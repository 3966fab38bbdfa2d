"""The two commands that are specific to this connector: `sandbox` and `demo`."""

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
    """Serve a sandbox on loopback until interrupted."""
    zoom = _make_sandbox(context, arguments)
    from .sandbox.oauth import APPS

    app = APPS[0]
    try:
        with zoom:
            put("The sandbox is running; press Ctrl-C to stop it. In another terminal:\n")
            put(f"  export ZOOM_BASE_URL={zoom.base_url}")
            put(f"  export ZOOM_ACCESS_TOKEN={zoom.token}")
            put(f"  {context.prog} run list-users --limit 3\n")
            put("To try a connection instead of a token, in a terminal without ZOOM_ACCESS_TOKEN:\n")
            put(f"  export ZOOM_BASE_URL={zoom.base_url} ZOOM_OAUTH_URL={zoom.origin}")
            put(f"  export ZOOM_CLIENT_ID={app.client_id} ZOOM_CLIENT_SECRET={app.secret}")
            put(f"  {context.prog} connect\n")
            put("To change limits and faults while it runs, and to see which requests arrived:\n")
            put(f"  curl {zoom.origin}/_sandbox")
            wait_forever()
    except OSError as error:
        raise AuthError(f"A port cannot be opened: {error.strerror}.", hint="Choose another --port.") from None
    except KeyboardInterrupt:
        put("\nThe sandbox has stopped.")
    return 0


def _make_sandbox(context: Context, arguments: list[str]) -> Sandbox:
    """Create the sandbox that the options describe; raise `InputError` for invalid ones."""
    from .sandbox import Sandbox
    from .sandbox.kinds import KINDS
    from .sandbox.plans import PLANS

    command = parser(
        context,
        "sandbox",
        "Run a simulated Zoom with real HTTP, state, paging, statuses and error bodies. It needs no account.",
        "sandbox --users 1000 --plan business --faults seed=7,rate=0.1 --latency 0.01-0.2",
    )
    command.add_argument("--port", type=int, default=8100, metavar="N", help="0 for a free port (default: 8100)")
    command.add_argument("--users", type=int, default=25, metavar="N", help="users at the start (default: 25)")
    command.add_argument("--token", default="sandbox-token", metavar="TEXT", help="the access token that it accepts")
    command.add_argument(
        "--plan",
        choices=tuple(PLANS),
        help="enforce the rate limits of this Zoom plan: buckets, daily limits, headers and 429s (default: no limits)",
    )
    command.add_argument(
        "--faults",
        metavar="TEXT",
        help="make requests fail at random but reproducibly: with seed=7,rate=0.1 one in ten fails; "
        "kinds=late+reset_after selects kinds, delay=2 delays responses by up to 2 seconds (default: none)",
    )
    redirect = "an additional redirect URL to allow after a sign-in; may be repeated"
    command.add_argument("--redirect-url", metavar="URL", action="append", default=[], help=redirect)
    command.add_argument("--latency", metavar="S", help="seconds to delay every response: 0.05, or at random 0.01-0.2")
    command.add_argument(
        "--storage",
        action="store_true",
        help="redirect downloads of recordings to a second port, which refuses requests with a token",
    )
    kinds = "\n".join(f"  {name:<20} {kind.description}" for name, kind in KINDS.items())
    command.epilog = f"kinds of faults:\n{kinds}\n\n{command.epilog}"
    options = command.parse_args(arguments)
    zoom = Sandbox(**{name: getattr(options, name) for name in ("port", "users", "token", "plan", "storage")})
    for url in options.redirect_url:
        zoom.oauth.allow(url)
    for name in ("faults", "latency"):
        try:
            setattr(zoom, name, getattr(options, name))
        except ValueError as error:
            command.error(f"--{name}: {error}")
    return zoom


def wait_forever() -> None:
    """Sleep until a signal arrives."""
    import threading

    threading.Event().wait()


def demo(context: Context, arguments: list[str]) -> int:
    """Play the demo against its own sandbox, or against the account of `ZOOM_ACCESS_TOKEN`."""
    command = parser(context, "demo", "Watch actions run over real HTTP, each with its request and result.", "demo")
    command.add_argument(
        "--account",
        action="store_true",
        help="use ZOOM_ACCESS_TOKEN: create a meeting for the user who connected, change it and delete it",
    )
    command.add_argument("--once", action="store_true", help="exit after the last step instead of serving the page")
    command.add_argument("--port", type=int, default=8300, metavar="N", help="0 for a free port (default: 8300)")
    options = command.parse_args(arguments)
    connector = context.load(None)
    if options.account:
        token = context.setting("access_token")
        if token is None:
            raise AuthError("There is no access token.", hint="Set ZOOM_ACCESS_TOKEN.")
        base_url = context.setting("base_url")
        with Client(connector, token=token, base_url=base_url) as client:
            play(connector, client, base_url, ACCOUNT_STEPS, put)
        return 0
    from .sandbox import Sandbox

    with Sandbox() as zoom, Client(connector, token=zoom.token, base_url=zoom.base_url) as client:
        put(f"A simulated Zoom is running at {zoom.base_url}; no account is needed.")
        play(connector, client, zoom.base_url, SANDBOX_STEPS, put)
        put(f"\nDone: {len(zoom.requests)} requests over HTTP.")
        if not options.once:
            _serve_page(context, connector, zoom, options.port)
    return 0


def _serve_page(context: Context, connector: Connector, zoom: Sandbox, port: int) -> None:
    """Serve the page until interrupted; it is connected to the sandbox and receives its events."""
    from importlib.util import find_spec

    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        put(f"To try it in a browser, run pip install 'zoom-connector[service]', then {context.prog} demo again.")
        return
    from .demo_page import serve_page

    try:
        with serve_page(connector, zoom, port) as url:
            put(f"\nNow try it yourself: open {url} in a browser. Press Ctrl-C to stop.")
            wait_forever()
    except OSError as error:
        raise InputError(f"Port {port} cannot be opened: {error.strerror}.", hint="Choose another --port.") from None
    except KeyboardInterrupt:
        put("\nThe demo has ended.")
