"""Assembles and runs the sandbox: one account behind a loopback port, served from a separate thread.

Other programs control it under `/_sandbox` (`control`). Requests there are not counted or limited, and have no faults.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from . import emits
from .account import Account
from .auth import IssuedTokens, bearer
from .background import Background
from .chances import Chances, Latency, Odds, read_latency
from .conditions import check_names
from .control import CONTROL, steer
from .downloads import Downloads
from .faults import FIELDS, Fault, Queue, change
from .hooks import CLIENT_ID, Hooks
from .kinds import find_kind
from .limits import AccountLimits
from .oauth import OAuth
from .record import RequestLog
from .seed import fill
from .server import Bounds, Listener, listen
from .wire import WireRequest, WireResponse
from .zoom import Zoom

T = TypeVar("T")
Respond = Callable[[WireRequest, Collection[str]], WireResponse]
_log = logging.getLogger(__name__)


class Sandbox:
    """A simulated Zoom: a context manager that serves one seeded account on 127.0.0.1.

    Args:
        port: the port; 0 takes any free one.
        users, meetings, registrants: how many the account starts with; see `seed`.
        seed: the same seed produces the same account and the same ids.
        token: an access token that the sandbox accepts.
        token_lifetime: seconds until it expires; None: never.
        scopes: the token's scopes; None: all.
        page_token_lifetime: seconds until a page token expires.
        clock: returns the time in seconds since the epoch.
        conditions: account states that make Zoom refuse requests; see `conditions.CONDITIONS`.
        before: a function that receives each request first and may respond to it.
        record: how many requests are kept in `requests`.
        bounds: limits on the size and duration of a client's requests.
        plan: the account's plan, free, pro or business, whose rate limits apply; None: no limits.
        faults: a random plan of faults, `seed=7,rate=0.1`; see `chances.Odds`.
        latency: seconds before every response, or the shortest and the longest.
        storage: serve recording files from a second port, `storage_origin`, and redirect downloads there.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        users: int = 25,
        meetings: int = 40,
        registrants: int = 60,
        seed: int = 1,
        token: str = "sandbox-token",
        token_lifetime: float | None = None,
        scopes: Collection[str] | None = None,
        page_token_lifetime: float = 900.0,
        clock: Callable[[], float] = time.time,
        conditions: Collection[str] = (),
        before: Callable[[WireRequest], WireResponse | None] | None = None,
        record: int = 1000,
        bounds: Bounds | None = None,
        plan: str | None = None,
        faults: str | Mapping[str, Any] | Odds | None = None,
        latency: Latency = 0.0,
        storage: bool = False,
    ) -> None:
        self.token = token
        self.requests = RequestLog(record)
        self.state = Account(clock=clock, seed=seed, page_token_lifetime=page_token_lifetime, plan=plan)
        fill(self.state, users=users, meetings=meetings, registrants=registrants)
        self.conditions = conditions
        self.tokens = IssuedTokens(clock)
        self.tokens.issue(token, scopes=scopes, lifetime=token_lifetime)
        self.hooks = Hooks(self.state)
        self._zoom = Zoom(self.state, self.tokens, self.hooks)
        self.oauth = OAuth(self.tokens, clock, self.state.find_user)
        self._downloads = Downloads(self.state, self.tokens, lambda: self.storage_origin)
        self.storage_requests = RequestLog(record)
        self._has_storage = storage
        self._before = before
        self._queue = Queue()
        self._chances: Chances | None = None
        self._draw = random.Random(seed)
        self._bounds = bounds
        self.faults = faults
        self.latency = latency
        self._port = port
        self._background: Background | None = None
        self._listener: Listener | None = None
        self._storage: Listener | None = None

    @property
    def base_url(self) -> str:
        """The API's base URL: `http://127.0.0.1:PORT/v2`."""
        if self._listener is None:
            raise RuntimeError("the sandbox is not running; use it as a context manager")
        return f"http://127.0.0.1:{self._listener.port}/v2"

    @property
    def origin(self) -> str:
        """The origin of the OAuth endpoints: `http://127.0.0.1:PORT`."""
        return self.base_url.removesuffix("/v2")

    @property
    def storage_origin(self) -> str:
        """The origin that downloads are redirected to: `http://127.0.0.1:ANOTHER PORT`; "" without storage."""
        return "" if self._storage is None else f"http://127.0.0.1:{self._storage.port}"

    def recording_bytes(self, download_url: str) -> bytes:
        """Return the bytes that a download from this URL must yield; raise KeyError if there is no such file."""
        return self.state.files[urlsplit(download_url).path].content()[:]

    def replace_recording(self, download_url: str) -> None:
        """Change a file's bytes and ETag, as when Zoom processes a recording again."""

        def act(account: Account) -> None:
            path = urlsplit(download_url).path
            account.files[path] = replace(account.files[path], version=account.files[path].version + 1)

        self.run(act)

    @property
    def conditions(self) -> Collection[str]:
        """The conditions of the account; assign any names in `conditions.CONDITIONS` at any time."""
        return frozenset(self.state.conditions)

    @conditions.setter
    def conditions(self, names: Collection[str]) -> None:
        self.state.conditions = check_names(names)

    @property
    def limits(self) -> AccountLimits:
        """The account's rate limits: assign `plan`, `scale` or `others` at any time, read `phases`."""
        return self.state.limits

    @property
    def faults(self) -> Odds | None:
        """The random plan of faults; assign a string such as `seed=7,rate=0.1`, `Odds` or None at any time."""
        return None if self._chances is None else self._chances.odds

    @faults.setter
    def faults(self, plan: str | Mapping[str, Any] | Odds | None) -> None:
        odds = plan if isinstance(plan, Odds | None) else Odds.read(plan)
        self._chances = None if odds is None else Chances(odds, self._may_revoke)

    @property
    def faults_done(self) -> Counter[str]:
        """The number of requests by the kind of fault that hit them."""
        return self.requests.faults + self.storage_requests.faults

    @property
    def latency(self) -> tuple[float, float]:
        """The shortest and longest delay (seconds) of responses; assign both, one number, or `0.01-0.2`."""
        return self._latency

    @latency.setter
    def latency(self, seconds: Latency) -> None:
        self._latency = read_latency(seconds)

    def inject(
        self,
        kind: str | None = None,
        *,
        match: str | None = None,
        times: int = 1,
        skip: int = 0,
        page: bool | None = None,
        status: int | None = None,
        body: bytes | str | Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        content_type: str | None = None,
        drop: Literal["before", "after"] | None = None,
        carry_out: bool | None = None,
        truncate: bool = False,
        cut: float | None = None,
        takes: float | None = None,
        delay: float | None = None,
        condition: str | None = None,
        repeat_page: bool | None = None,
        revoke: bool | None = None,
        edit: str | None = None,
        head: bytes | str | None = None,
        endless: bool | None = None,
    ) -> None:
        """Make the next `times` matching requests fail; the oldest matching fault is used first.

        Args:
            kind: one of `kinds.KINDS`, whose details the other arguments change; None: these arguments alone.
            match: `GET /v2/users`: method and raw path without query, `*` matches anything; None: every request.
            skip: let this many matching requests pass first.
            page: match only requests that carry a page token.
            status: respond with this status, `body`, `headers` and `content_type`; do not carry the request out.
            drop: close the connection `before` or `after` carrying the request out.
            carry_out: with `status`, carry the request out anyway.
            truncate: declare the length of the whole body, send half of it and close.
            cut: the same, but send this many bytes, or this fraction if below 1.0.
            takes: seconds that sending the body takes.
            delay: seconds to wait before responding.
            condition: refuse the request as Zoom does under this condition, one of `conditions.CONDITIONS`.
            repeat_page: return the page token of the request.
            revoke: revoke the request's token first.
            edit: return the real response, altered by this function of `edits.EDITS`.
            head: bytes to send verbatim before the body: status line, headers, empty line.
            endless: repeat the body forever, without a length.
        """
        arguments = locals()
        fault = change(
            Fault() if kind is None else find_kind(kind).draw(random.Random(0), 1.0),
            {name: arguments[name] for name in FIELDS if name in arguments} | ({"cut": 0.5} if truncate else {}),
        )
        self._queue.add(fault, times, skip)

    def clear_faults(self) -> None:
        """Drop all pending faults and the random plan."""
        self._queue.clear()
        self._chances = None

    def deauthorize(self, client_id: str = CLIENT_ID, user: str = "me") -> None:
        """Remove an app for a user (an id, an email, or `me`, the owner): end its tokens and notify the app.

        Raises ValueError for an unknown user or app.
        """
        self.run(lambda account: self.deauthorize_now(client_id, user))

    def deauthorize_now(self, client_id: str = CLIENT_ID, user: str = "me") -> dict[str, str]:
        """Do the work of `deauthorize` on the server's loop; return the ids of the app and the user."""
        owner, now = self.state.find_user(user), self.state.clock()
        if owner is None:
            raise ValueError(f"there is no user {user!r}")
        self.oauth.remove(client_id, owner.id)
        self.hooks.emit(*emits.deauthorized(client_id, owner, now), client_id=client_id)
        return {"client_id": client_id, "user": owner.id}

    def run(self, act: Callable[[Account], T]) -> T:
        """Call `act` with the account on the server's loop, between two requests, and return its result."""
        if self._background is None:
            return act(self.state)
        return self._background.run(lambda: act(self.state))

    def answer(self, request: WireRequest) -> WireResponse:
        """Respond to a request, under its fault and after `before`; called by the server's loop."""
        if request.target.startswith(CONTROL):
            return steer(self, request)
        return self._answer_or_fail(request, self._answer_as_zoom, self.requests)

    def _answer_or_fail(self, request: WireRequest, respond: Respond, record: RequestLog) -> WireResponse:
        at = self.state.clock()
        by_chance = None if self._chances is None else self._chances.take(request)
        fault = self._queue.take(request) or by_chance
        override = self._before(request) if self._before is not None else None
        if fault is None:
            answer = override or respond(request, ())
        else:
            if fault.revoke:
                self.tokens.revoke(bearer(request))
            conditions = () if fault.condition is None else (fault.condition,)
            answer = fault.apply(request, lambda: override or respond(fault.rewrite(request), conditions))
        low, high = self._latency
        if high:
            answer = replace(answer, delay=answer.delay + self._draw.uniform(low, high))
        record.add(request, answer, at=at, fault="" if fault is None else fault.name)
        return answer

    def _answer_as_zoom(self, request: WireRequest, more_conditions: Collection[str]) -> WireResponse:
        try:
            if request.target.startswith("/oauth/"):
                return self.oauth.answer(request)
            if self._downloads.serves(request):
                return self._downloads.answer(request)
            return self._zoom.answer(request, more_conditions)
        except Exception:  # a bug in the sandbox must not stop the server
            _log.exception("%s %s", request.method, request.target)
            return WireResponse(status=500, body=b'{"code":500,"message":"The sandbox failed; its log says why."}')

    def _may_revoke(self, request: WireRequest) -> bool:
        """True if a client can renew the request's token; the random plan revokes only such tokens."""
        return bearer(request) in self.oauth.issued

    def _answer_from_storage(self, request: WireRequest) -> WireResponse:
        def respond(request: WireRequest, _: Collection[str]) -> WireResponse:
            return self._downloads.answer_in_storage(request)

        return self._answer_or_fail(request, respond, self.storage_requests)

    async def start(self) -> None:
        """Open the ports on the running loop."""
        self._listener = await listen(self.answer, self._zoom.refuse_bytes, port=self._port, bounds=self._bounds)
        self.state.origin = self.origin
        if self._has_storage:
            self._storage = await listen(self._answer_from_storage, self._zoom.refuse_bytes, bounds=self._bounds)

    async def stop(self) -> None:
        """Close the ports and every connection, and send no more events."""
        self.hooks.close()
        listeners, self._listener, self._storage = (self._listener, self._storage), None, None
        for listener in listeners:
            if listener is not None:
                await listener.close()

    def __enter__(self) -> Self:
        self._background = Background(self.start, self.stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        background, self._background = self._background, None
        if background is not None:
            background.end()


def serve(*, say: Callable[[str], None] = lambda line: None, **options: Any) -> None:
    """Run a sandbox in the foreground until interrupted; `options` are those of `Sandbox`.

    `say` receives one line of text once the port is open, and another at the end.
    """
    sandbox = Sandbox(**options)

    async def run() -> None:
        await sandbox.start()
        say(f"Zoom sandbox at {sandbox.base_url}, token {sandbox.token}")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await sandbox.stop()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        say("Zoom sandbox stopped")
