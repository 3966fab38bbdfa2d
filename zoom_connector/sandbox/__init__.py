"""A simulated Zoom: the documented endpoints over real HTTP, with state, for tests, demos and offline work.

It is built from Zoom's documentation (`endpoints.json`) and not from the connector's definitions, and it imports
nothing from the connector, so it can contradict them.

    with Sandbox(users=25) as zoom:
        httpx.get(f"{zoom.base_url}/users", headers={"Authorization": f"Bearer {zoom.token}"})

The modules: `sandbox` assembles the parts; `server` and `wire` speak HTTP; `zoom` takes a request through `auth`,
`endpoints` (the data file), `limits`, `checks` and `conditions` to its handler in `users`, `meetings`, `registrants`,
`webinars`, `recordings` or `chat`; the handlers read and change the `account`, which `seed` has filled. `downloads`
serves recording files. A `Fault` (`faults`) describes how a request fails; it is injected, or drawn from `kinds` by
`chances`. Responses that would harm a trusting client are kinds of faults too (`hostile`, `edits`). `record` logs the
outcome of each request, and other programs control the sandbox over HTTP under `/_sandbox` (`control`).

Where Zoom documents nothing, the sandbox is strict: a number with a decimal point is not an integer, null is not a
string, a page cannot exceed its maximum size, and a "+" in a path must be written %2B. It ignores fields and parameters
that Zoom does not document.
"""

from .account import Account
from .chances import Odds
from .limits import AccountLimits, Phase, PhaseLimits
from .record import LoggedRequest, RequestLog
from .sandbox import Sandbox, serve
from .server import Bounds
from .wire import WireRequest, WireResponse

__all__ = [
    "Account",
    "AccountLimits",
    "Bounds",
    "LoggedRequest",
    "Odds",
    "Phase",
    "PhaseLimits",
    "RequestLog",
    "Sandbox",
    "WireRequest",
    "WireResponse",
    "serve",
]
