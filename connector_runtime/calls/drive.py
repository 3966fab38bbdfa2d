"""The shell around an exchange: performs its effects, for threads and for asyncio."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ..errors import RequestError
from ..model import Page, Response
from ..pacing.claim import Pacing
from ..steps import Attempt, Effect, Exchange, Heard, Key, Now, Send, Token, Turn, Wait

Grants = Callable[[Mapping[str, str] | None], Mapping[str, str]]
AsyncGrants = Callable[[Mapping[str, str] | None], Awaitable[Mapping[str, str]]]
Observer = Callable[[Attempt], object]
logger = logging.getLogger("connector_runtime.calls")


class Ears:
    """Who paces the calls of a client, and who is told of their attempts."""

    def __init__(self, pacing: Pacing | None, observe: Observer | None) -> None:
        self._pacing = pacing
        self._observe = observe

    def ask(self, turn: Turn) -> Any:
        return 0.0 if self._pacing is None else self._pacing.ask(turn.claim)

    def heard(self, news: Heard) -> Any:
        attempt = news.attempt
        self.told(attempt)
        if self._pacing is None:
            return None
        kind = attempt.kind if attempt.kind in ("rate_limit", "quota") else None
        return self._pacing.heard(news.claim, attempt.status, news.headers, attempt.retry_at, kind)

    def told(self, attempt: Attempt) -> None:
        """Log an attempt and tell the observer of it."""
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", attempt)
        if self._observe is not None:
            try:
                self._observe(attempt)
            except Exception:  # the call must not suffer from who watches it
                logger.exception("the observer failed")


def drive(exchange: Exchange, grants: Grants, send: Callable[[Send], Response], ears: Ears) -> Iterator[Page]:
    """Perform an exchange's effects and hand out its pages as they come; closing it stops before the next request."""
    step: Callable[[Any], Effect | Page] = exchange.send
    value: Any = None
    try:
        while True:
            try:
                effect = step(value)
            except StopIteration:
                return
            step, value = exchange.send, None
            if isinstance(effect, Page):
                yield effect
                continue
            try:
                match effect:
                    case Now():
                        value = datetime.now(UTC)
                    case Send():
                        value = send(effect)
                    case Token():
                        value = grants(effect.rejected)
                    case Turn():
                        value = ears.ask(effect)
                    case Heard():
                        ears.heard(effect)
                    case Wait():
                        time.sleep(effect.seconds)
                    case Key():
                        value = str(uuid4())
            except RequestError as error:
                step, value = exchange.throw, error
    finally:
        exchange.close()


async def drive_async(
    exchange: Exchange, grants: AsyncGrants, send: Callable[[Send], Awaitable[Response]], ears: Ears
) -> AsyncIterator[Page]:
    """The same for asyncio; cancelling it stops it at once."""
    from asyncio import sleep  # which plain calls need not load

    step: Callable[[Any], Effect | Page] = exchange.send
    value: Any = None
    try:
        while True:
            try:
                effect = step(value)
            except StopIteration:
                return
            step, value = exchange.send, None
            if isinstance(effect, Page):
                yield effect
                continue
            try:
                match effect:
                    case Now():
                        value = datetime.now(UTC)
                    case Send():
                        value = await send(effect)
                    case Token():
                        value = await grants(effect.rejected)
                    case Turn() | Heard():
                        value = ears.ask(effect) if isinstance(effect, Turn) else ears.heard(effect)
                        if hasattr(value, "__await__"):  # of a pacer that may have to wait for its store
                            value = await value
                    case Wait():
                        await sleep(effect.seconds)
                    case Key():
                        value = str(uuid4())
            except RequestError as error:
                step, value = exchange.throw, error
    finally:
        exchange.close()
