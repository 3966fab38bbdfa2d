"""A Zoom that runs here: the documented endpoints over real HTTP, with state, for tests, demos and offline work.

It is built from what Zoom documents (`endpoints.json`), not from the connector's definitions, and imports nothing
of the connector, so that it can contradict them.

    with Sandbox(users=25) as zoom:
        httpx.get(f"{zoom.base_url}/users", headers={"Authorization": f"Bearer {zoom.token}"})

Where things are: `sandbox` puts it together; `server` and `wire` speak HTTP; `zoom` leads a request past `auth`,
`endpoints` (the data file), `limits`, `checks` and `conditions` to its handler in `users`, `meetings`, `registrants`,
`webinars`, `recordings` or `chat`; these read and change the `account`, which `seed` has filled. `downloads` serves
recording files. What goes wrong is a `Fault` (`faults`), ordered one by one or drawn by `chances` among `kinds`;
`record` remembers what became of each request, and below `/_sandbox` other programs steer all this over HTTP
(`control`). Answers that would hurt a trusting client are kinds of faults too (`hostile`, `edits`).

Where Zoom documents nothing, it is strict: a number with a decimal point is no integer, null is no text, a page may
not be larger than its maximum, and a "+" in a path must be written %2B. Fields and parameters that Zoom does not
know are ignored.
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
