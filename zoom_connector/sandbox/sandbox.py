"""Runs the sandbox: one account behind one loopback port, in a thread of its own; the parts do the rest.

Below `/_sandbox` other programs steer it (`control`). Nothing there is counted, limited or hit by a fault.
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
from .kinds import known
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
    """A Zoom that runs here: a context manager that serves one seeded account on 127.0.0.1.

    Args:
        port: the port; 0 takes any free one.
        users, meetings, registrants: how many the account is born with; see `seed`.
        seed: the same seed gives the same account and the same ids.
        token: the bearer token that is good here.
        token_lifetime: seconds until it expires; None: never.
        scopes: the scopes it has; None: all.
        page_token_lifetime: seconds until a page token expires.
        clock: gives the time in seconds since the epoch.
        conditions: what is wrong with the account; the names are in `conditions.CONDITIONS`.
        before: sees each request first and may answer it itself.
        record: how many requests `requests` remembers.
        bounds: how much a client may send, and how slowly.
        plan: the account's plan, free, pro or business, whose rate limits hold; None: there are none.
        faults: a random plan of faults, `seed=7,rate=0.1`; see `chances.Odds`.
        latency: seconds before every answer, or the shortest and the longest.
        storage: recording files lie on a second port, `storage_origin`, to which downloads are redirected.
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
        """Where it answers: `http://127.0.0.1:PORT/v2`."""
        if self._listener is None:
            raise RuntimeError("the sandbox does not run; use it as a context manager")
        return f"http://127.0.0.1:{self._listener.port}/v2"

    @property
    def origin(self) -> str:
        """Where its OAuth lives: `http://127.0.0.1:PORT`."""
        return self.base_url.removesuffix("/v2")

    @property
    def storage_origin(self) -> str:
        """Where downloads are redirected to: `http://127.0.0.1:ANOTHER PORT`; "" without a storage."""
        return "" if self._storage is None else f"http://127.0.0.1:{self._storage.port}"

    def recording_bytes(self, download_url: str) -> bytes:
        """Give what a download from this address must bring; raise KeyError for an address that has no file."""
        return self.state.files[urlsplit(download_url).path].content()[:]

    def replace_recording(self, download_url: str) -> None:
        """Give a file other bytes and another ETag, as when Zoom processes a recording again."""

        def act(account: Account) -> None:
            path = urlsplit(download_url).path
            account.files[path] = replace(account.files[path], version=account.files[path].version + 1)

        self.run(act)

    @property
    def conditions(self) -> Collection[str]:
        """What is wrong with the account; assign other names of `conditions.CONDITIONS` at any time."""
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
        """The random plan of faults; assign a text such as `seed=7,rate=0.1`, `Odds` or None at any time."""
        return None if self._chances is None else self._chances.odds

    @faults.setter
    def faults(self, given: str | Mapping[str, Any] | Odds | None) -> None:
        odds = given if isinstance(given, Odds | None) else Odds.read(given)
        self._chances = None if odds is None else Chances(odds, self._may_revoke)

    @property
    def faults_done(self) -> Counter[str]:
        """How often each kind of fault hit a request."""
        return self.requests.faults + self.storage_requests.faults

    @property
    def latency(self) -> tuple[float, float]:
        """Shortest and longest wait (seconds) before every answer; assign them, or one number, or `0.01-0.2`."""
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
        """Let the next `times` requests that match go wrong; the oldest fault that matches is spent first.

        Args:
            kind: one of `kinds.KINDS`; the other arguments change its details. None: only what they say.
            match: `GET /v2/users`; the path without its query, raw, `*` for any text; None: every request.
            skip: let so many requests that match pass first.
            page: only requests that carry a page token.
            status: answer this, with `body`, `headers` and `content_type`, without carrying the request out.
            drop: close the connection `before` the request is carried out, or `after`.
            carry_out: with `status`: carry the request out all the same.
            truncate: announce the whole body, send half of it, close.
            cut: the same after so many bytes; below 1.0: after such a share.
            takes: seconds in which the body is sent.
            delay: seconds to wait before answering.
            condition: refuse this request as Zoom does when this one of `conditions.CONDITIONS` holds.
            repeat_page: give the page token that the request was asked with.
            revoke: revoke the request's token first.
            edit: give the true answer, changed by this one of `edits.EDITS`.
            head: what goes out before the body as it is: status line, headers, empty line.
            endless: send the body again and again, without a length.
        """
        given = locals()
        fault = change(
            Fault() if kind is None else known(kind).draw(random.Random(0), 1.0),
            {name: given[name] for name in FIELDS if name in given} | ({"cut": 0.5} if truncate else {}),
        )
        self._queue.add(fault, times, skip)

    def clear_faults(self) -> None:
        """Forget the faults that are still to come, the random plan too."""
        self._queue.clear()
        self._chances = None

    def deauthorize(self, client_id: str = CLIENT_ID, user: str = "me") -> None:
        """Let a user (an id, an email, or `me`, the owner) remove an app: its tokens end, and it is told so.

        Raises ValueError for a user or an app that there is not.
        """

        self.run(lambda account: self.deauthorize_now(client_id, user))

    def deauthorize_now(self, client_id: str = CLIENT_ID, user: str = "me") -> dict[str, str]:
        """The same where the requests are answered; gives the app's id and the user's."""
        found, now = self.state.find_user(user), self.state.clock()
        if found is None:
            raise ValueError(f"there is no user {user!r}")
        self.oauth.remove(client_id, found.id)
        self.hooks.emit(*emits.deauthorized(client_id, found, now), client_id=client_id)
        return {"client_id": client_id, "user": found.id}

    def run(self, act: Callable[[Account], T]) -> T:
        """Do something with the account where the requests do, so that none comes between."""
        if self._background is None:
            return act(self.state)
        return self._background.run(lambda: act(self.state))

    def answer(self, request: WireRequest) -> WireResponse:
        """Answer one request, faults and hook included; the server's loop calls this."""
        if request.target.startswith(CONTROL):
            return steer(self, request)
        return self._answer_or_fail(request, self._answer_as_zoom, self.requests)

    def _answer_or_fail(self, request: WireRequest, respond: Respond, record: RequestLog) -> WireResponse:
        at = self.state.clock()
        by_chance = None if self._chances is None else self._chances.take(request)
        fault = self._queue.take(request) or by_chance
        hooked = self._before(request) if self._before is not None else None
        if fault is None:
            answer = hooked or respond(request, ())
        else:
            if fault.revoke:
                self.tokens.revoke(bearer(request))
            more = () if fault.condition is None else (fault.condition,)
            answer = fault.spoil(request, lambda: hooked or respond(fault.asked(request), more))
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
        except Exception:  # a fault of ours must not take the server down
            _log.exception("%s %s", request.method, request.target)
            return WireResponse(status=500, body=b'{"code":500,"message":"The sandbox failed; its log says why."}')

    def _may_revoke(self, request: WireRequest) -> bool:
        """By chance only tokens that can be had anew are revoked."""
        return bearer(request) in self.oauth.issued

    def _answer_from_storage(self, request: WireRequest) -> WireResponse:
        def respond(request: WireRequest, _: Collection[str]) -> WireResponse:
            return self._downloads.answer_in_storage(request)

        return self._answer_or_fail(request, respond, self.storage_requests)

    async def start(self) -> None:
        """Open the port on the running loop."""
        self._listener = await listen(self.answer, self._zoom.refuse_bytes, port=self._port, bounds=self._bounds)
        self.state.origin = self.origin
        if self._has_storage:
            self._storage = await listen(self._answer_from_storage, self._zoom.refuse_bytes, bounds=self._bounds)

    async def stop(self) -> None:
        """Close the port and every connection, and send no more events."""
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
    """Run a sandbox in the foreground until it is interrupted; `say` is told where it answers.

    Args:
        say: takes one line of text; called once the port is open.
        options: those of `Sandbox`.
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
