"""Runs the sandbox: one account behind one loopback port, in a thread of its own; the parts do the rest."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

from . import conditions as _conditions
from .account import Account
from .auth import Tokens
from .faults import Fault, Faults, header_pairs
from .hooks import Hooks
from .oauth import OAuth
from .seed import fill
from .server import Limits, Listener, listen
from .wire import JSON, Answer, Request
from .zoom import Zoom

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request as it arrived, and the status it was answered with (0: the connection was dropped)."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    status: int

    def header(self, name: str) -> str | None:
        """Give the first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


class Record(Sequence[Recorded]):
    """The last requests, newest last; safe to read from any thread, and `clear()` forgets them."""

    def __init__(self, most: int) -> None:
        self._kept: deque[Recorded] = deque(maxlen=most)

    def add(self, request: Request, status: int) -> None:
        self._kept.append(
            Recorded(
                method=request.method,
                target=request.target,
                headers=list(request.headers),
                body=request.body,
                status=status,
            )
        )

    def clear(self) -> None:
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Recorded: ...
    @overload
    def __getitem__(self, index: slice) -> list[Recorded]: ...
    def __getitem__(self, index: int | slice) -> Recorded | list[Recorded]:
        return self._kept.copy()[index] if isinstance(index, int) else list(self._kept.copy())[index]

    def __iter__(self) -> Iterator[Recorded]:
        return iter(self._kept.copy())


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
        limits: how much a client may send, and how slowly.
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
        before: Callable[[Request], Answer | None] | None = None,
        record: int = 1000,
        limits: Limits | None = None,
    ) -> None:
        self.token = token
        self.requests = Record(record)
        self.state = Account(clock=clock, seed=seed, page_token_lifetime=page_token_lifetime)
        fill(self.state, users=users, meetings=meetings, registrants=registrants)
        self.conditions = conditions
        self.tokens = Tokens(clock)
        self.tokens.issue(token, scopes=scopes, lifetime=token_lifetime)
        self.hooks = Hooks(self.state)
        self._zoom = Zoom(self.state, self.tokens, self.hooks)
        self.oauth = OAuth(self.tokens, clock)
        self._before = before
        self._faults = Faults()
        self._limits = limits
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._listener: Listener | None = None

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
    def conditions(self) -> Collection[str]:
        """What is wrong with the account; assign other names of `conditions.CONDITIONS` at any time."""
        return frozenset(self.state.conditions)

    @conditions.setter
    def conditions(self, names: Collection[str]) -> None:
        self.state.conditions = _conditions.known(names)

    def inject(
        self,
        *,
        match: str | None = None,
        status: int | None = None,
        body: bytes | str | Mapping[str, Any] = b"",
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        content_type: str = JSON,
        drop: Literal["before", "after"] | None = None,
        truncate: bool = False,
        delay: float = 0.0,
        times: int = 1,
    ) -> None:
        """Let the next `times` requests that match go wrong; the oldest fault that matches is spent first.

        Args:
            match: `GET /v2/users`; the path without its query, raw, `*` for any text; None: every request.
            status: answer this, with `body`, `headers` and `content_type`, without carrying the request out.
            drop: close the connection `before` the request is carried out, or `after`.
            truncate: announce the whole body, send half of it, close.
            delay: seconds to wait before answering.
        """
        content = body.encode() if isinstance(body, str) else body
        if isinstance(content, Mapping):
            content = json.dumps(content).encode()
        fault = Fault(
            match=match,
            status=status,
            body=bytes(content),
            headers=header_pairs(headers),
            content_type=content_type,
            drop=drop,
            truncate=truncate,
            delay=delay,
        )
        self._faults.add(fault, times)

    def clear_faults(self) -> None:
        """Forget the faults that are still to come."""
        self._faults.clear()

    def run(self, act: Callable[[Account], T]) -> T:
        """Do something with the account where the requests do, so that none comes between."""
        if self._loop is None:
            return act(self.state)

        async def acted() -> T:
            return act(self.state)

        return asyncio.run_coroutine_threadsafe(acted(), self._loop).result()

    def answer(self, request: Request) -> Answer:
        """Answer one request, faults and hook included; the server's loop calls this."""
        fault = self._faults.take(request)
        answer = self._before(request) if self._before is not None else None
        if fault is not None and fault.is_instead:
            answer = fault.answer()
        elif answer is None:
            answer = self._answer_as_zoom(request)
            if fault is not None:
                answer = fault.spoil(answer)
        self.requests.add(request, 0 if answer.drop else answer.status)
        return answer

    def _answer_as_zoom(self, request: Request) -> Answer:
        try:
            part = self.oauth if request.target.startswith("/oauth/") else self._zoom
            return part.answer(request)
        except Exception:  # a fault of ours must not take the server down
            _log.exception("%s %s", request.method, request.target)
            return Answer(status=500, body=b'{"code":500,"message":"The sandbox failed; its log says why."}')

    async def start(self) -> None:
        """Open the port on the running loop."""
        self._listener = await listen(self.answer, self._zoom.refuse_bytes, port=self._port, limits=self._limits)

    async def stop(self) -> None:
        """Close the port and every connection, and send no more events."""
        self.hooks.close()
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.close()

    def __enter__(self) -> Self:
        ready = threading.Event()
        failure: list[OSError] = []
        loop = self._loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(self.start())
            except OSError as error:
                failure.append(error)
                return
            finally:
                ready.set()
            loop.run_forever()
            loop.run_until_complete(self.stop())

        self._thread = threading.Thread(target=run, name="zoom-sandbox", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            self.__exit__(None, None, None)
            raise failure[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        if loop is not None and thread is not None:
            if thread.is_alive():
                loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


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
