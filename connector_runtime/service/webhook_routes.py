"""The routes of webhooks: where the vendor posts them, and where a tenant reads what has arrived.

The receiver verifies the raw bytes and records before it acknowledges; this module only finds it and starts it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ..triggers.receiver import WebhookApp
from . import models, problems
from .feed import CURSOR, Feed
from .problems import Refusal
from .runs import answer
from .state import CallerOf, Service, of

router = APIRouter(prefix="/v1")
LONGEST = 20.0  # seconds for which somebody may wait for events
POLL = 0.5


class Passed(Response):
    """The answer that another ASGI app gives to the same request."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)


@router.post(
    "/webhooks/{trigger}",
    summary="Where the vendor posts its webhooks",
    responses={200: {"description": "Recorded, a repeat, or the answer to a challenge."}},
)
async def receive(trigger: str, request: Request) -> Response:
    """Needs no key: the vendor's signature counts, over the bytes as they arrive."""
    service = of(request)
    if trigger not in service.connector.triggers:
        raise problems.unknown("trigger", trigger, service.connector.triggers)
    app = request.app.state.webhooks.get(trigger)
    if app is None:
        message = "The service was not given this trigger's secret, so no signature can be verified."
        raise Refusal(kind="not_ready", message=message, hint="Set it in the environment and start again.")
    return Passed(app)


@router.get("/events", response_model=models.EventsAnswer, summary="The events that have arrived")
async def events(
    request: Request,
    caller: CallerOf,
    cursor: Annotated[str | None, Query(pattern=CURSOR.pattern, description="Only what came after it.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST, description="Seconds to wait for the first.")] = 0,
) -> Response:
    """The events of the accounts that this tenant's connections belong to, for a day; `event_id` tells a repeat."""
    service = of(request)
    feed: Feed = request.app.state.feed
    until = time.monotonic() + min(wait, service.settings.timeout / 2)
    accounts = await service.in_store(_accounts, service, caller.tenant)
    while True:
        found, after = await service.in_store(feed.read, accounts, cursor, limit)
        if found or time.monotonic() >= until or await request.is_disconnected():
            return answer({"events": found, "cursor": after})
        await asyncio.sleep(POLL)


def _accounts(service: Service, tenant: str) -> set[str]:
    return {summary.account for summary in service.clients.connections(tenant).list() if summary.account}


@asynccontextmanager
async def delivering(apps: Mapping[str, WebhookApp]) -> AsyncIterator[None]:
    """Start the receivers and, at the end, let their handlers finish: what a server does for an app of its own."""
    ends = asyncio.Event()
    started = [asyncio.Event() for _ in apps]

    async def live(app: WebhookApp, start: asyncio.Event) -> None:
        messages = iter(["lifespan.startup", "lifespan.shutdown"])

        async def tell() -> dict[str, Any]:
            kind = next(messages)
            if kind == "lifespan.shutdown":
                start.set()
                await ends.wait()
            return {"type": kind}

        async def hear(message: Any) -> None:
            return None

        await app({"type": "lifespan"}, tell, hear)

    tasks = [asyncio.create_task(live(app, start)) for app, start in zip(apps.values(), started, strict=True)]
    try:
        for start in started:
            await start.wait()
        yield
    finally:
        ends.set()
        await asyncio.gather(*tasks, return_exceptions=True)
