"""Runs a generator and performs the steps that it yields: one performer for threads, one for asyncio.

A performer calls the handler of each step and yields all other values, which are the generator's outputs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from .errors import ConnectorError, Guard
from .steps import Key, Now, Send, Step, Steps, Token, Wait

Handlers = Mapping[type, Callable[[Any], Any]]
HANDLERS: Handlers = {
    Now: lambda step: datetime.now(UTC),
    Key: lambda step: str(uuid4()),
    Wait: lambda step: time.sleep(step.seconds),
}


def perform(steps: Steps, handlers: Handlers, *, guarded: bool = False) -> Iterator[Any]:
    """Perform the steps of a generator and yield its outputs as they arrive.

    A `ConnectorError` from a handler is thrown into the generator. Any other exception ends the generator; with
    `guarded`, it becomes an `InternalError` unless a token function raised it. Closing prevents further steps.
    """
    proceed: Callable[[Any], Any] = steps.send
    value: Any = None
    try:
        with Guard(passes=not guarded) as guard:
            while True:
                try:
                    step = proceed(value)
                except StopIteration:
                    return
                proceed, value = steps.send, None
                handler = handlers.get(type(step))
                if handler is None:
                    if isinstance(step, Step):
                        raise TypeError(f"no handler for the step {type(step).__name__}")
                    yield step
                    continue
                if type(step) is Send and step.effect != "read":
                    guard.sent = True
                try:
                    value = handler(step)
                except ConnectorError as error:
                    proceed, value = steps.throw, error
                except Exception:
                    guard.passes |= type(step) is Token
                    raise
    finally:
        steps.close()


async def perform_async(steps: Steps, handlers: Handlers, *, guarded: bool = False) -> AsyncIterator[Any]:
    """`perform` for asyncio: handlers may return awaitables. Cancelling stops the generator immediately."""
    proceed: Callable[[Any], Any] = steps.send
    value: Any = None
    try:
        with Guard(passes=not guarded) as guard:
            while True:
                try:
                    step = proceed(value)
                except StopIteration:
                    return
                proceed, value = steps.send, None
                handler = handlers.get(type(step))
                if handler is None:
                    if isinstance(step, Step):
                        raise TypeError(f"no handler for the step {type(step).__name__}")
                    yield step
                    continue
                if type(step) is Send and step.effect != "read":
                    guard.sent = True
                try:
                    value = handler(step)
                    if hasattr(value, "__await__"):
                        value = await value
                except ConnectorError as error:
                    proceed, value = steps.throw, error
                except Exception:
                    guard.passes |= type(step) is Token
                    raise
    finally:
        steps.close()
