"""The shell around an exchange: performs its effects, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ..errors import TransportError
from ..model import Page, Response
from .exchange import Effect, Exchange, Key, Now, Send, Token, Wait

Grants = Callable[[Mapping[str, str] | None], Mapping[str, str]]
AsyncGrants = Callable[[Mapping[str, str] | None], Awaitable[Mapping[str, str]]]


def drive(exchange: Exchange, grants: Grants, send: Callable[[Send], Response]) -> Iterator[Page]:
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
            match effect:
                case Page():
                    yield effect
                case Send():
                    try:
                        value = send(effect)
                    except TransportError as error:
                        step, value = exchange.throw, error
                case Token():
                    value = grants(effect.rejected)
                case Wait():
                    time.sleep(effect.seconds)
                case Key():
                    value = str(uuid4())
                case Now():
                    value = _now()
    finally:
        exchange.close()


async def drive_async(
    exchange: Exchange, grants: AsyncGrants, send: Callable[[Send], Awaitable[Response]]
) -> AsyncIterator[Page]:
    """The same for asyncio; cancelling it stops it at once."""
    step: Callable[[Any], Effect | Page] = exchange.send
    value: Any = None
    try:
        while True:
            try:
                effect = step(value)
            except StopIteration:
                return
            step, value = exchange.send, None
            match effect:
                case Page():
                    yield effect
                case Send():
                    try:
                        value = await send(effect)
                    except TransportError as error:
                        step, value = exchange.throw, error
                case Token():
                    value = await grants(effect.rejected)
                case Wait():
                    await asyncio.sleep(effect.seconds)
                case Key():
                    value = str(uuid4())
                case Now():
                    value = _now()
    finally:
        exchange.close()


def _now() -> datetime:
    return datetime.now(UTC)
