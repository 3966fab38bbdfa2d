"""The routes of webhooks: where the vendor posts them, and the feed in which a tenant reads what has arrived.

The receiver verifies the raw bytes and records before it acknowledges; this module only finds it. A tenant sees the
events of the accounts that its connections belong to.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope, Send

from ..errors import InputError, Problem
from ..language import json_text
from ..stores.store import Store
from ..triggers.webhook import Notification
from . import models
from .problems import Refusal, check_known
from .runs import answer
from .state import Context, of

router = APIRouter(prefix="/v1")
LONGEST = 20.0  # seconds for which somebody may wait for events
POLL = 0.5
KEPT = 24 * 3600  # seconds
OVERLAP = 2.0  # seconds: what others may still be writing under a time that has passed
CURSOR = re.compile(r"^[0-9]{13}(-[0-9a-f]{16})?$")
EVERY = "*"
SAID = {"application/json": {"schema": {"type": "object"}}}


class Passed(Response):
    """The answer that another ASGI app gives to the same request."""

    def __init__(self, app: Any) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


@router.post(
    "/webhooks/{trigger}",
    summary="Where the vendor posts its webhooks",
    responses={
        200: {"description": "Recorded, a repeat, or the answer to a challenge."},
        400: {"description": "Signed, but no JSON.", "content": SAID},
        401: {"description": "Not signed, or wrongly.", "content": SAID},
        413: {"description": "Too large.", "content": SAID},
        503: {"description": "Not recorded; send it again.", "content": {**SAID, **models.PROBLEM}},
    },
)
async def receive(trigger: str, request: Request) -> Response:
    """Needs no key: the vendor's signature counts, over the bytes as they arrive."""
    check_known("trigger", trigger, of(request).connector.triggers)
    app = request.app.state.webhooks.get(trigger)
    if app is None:
        message = "The service was not given this trigger's secret, so no signature can be verified."
        raise Refusal("not_ready", message, hint="Set it in the environment and start again.")
    return Passed(app)


@router.get("/events", response_model=models.EventsAnswer, summary="The events that have arrived")
async def events(
    context: Context,
    cursor: Annotated[str | None, Query(pattern=CURSOR.pattern, description="Only what came after it.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST, description="Seconds to wait for the first.")] = 0,
) -> Response:
    """The events of the accounts that this tenant's connections belong to, for a day; `event_id` tells a repeat."""
    service, feed = context.service, context.request.app.state.feed
    until = time.monotonic() + min(wait, service.settings.timeout / 2)
    stored = await service.in_store(context.connections.list)
    accounts = {summary.account for summary in stored if summary.account}
    while True:
        found, after = await service.in_store(feed.read, accounts, cursor, limit)
        if found or time.monotonic() >= until or await context.request.is_disconnected():
            return answer({"events": found, "cursor": after})
        await asyncio.sleep(POLL)


class Feed:
    """Received events, kept in the store for a day, by account unless one tenant owns all of them.

    Events are added at least once and read in the order in which they were added; who reads remembers a cursor.
    """

    def __init__(self, store: Store, connector: str, *, by_account: bool) -> None:
        self._store = store
        self._prefix = f"service/{connector}/events/"
        self._by_account = by_account

    def add(self, found: Notification) -> None:
        """Keep an event for its account."""
        account = (found.account or "") if self._by_account else EVERY
        place = f"{self._room(account)}{_stamp(time.time())}-{found.event_id[:16]}"
        self._store.put(place, json_text.write(found.to_dict()), None)

    def read(self, accounts: Iterable[str], cursor: str | None, limit: int) -> tuple[list[dict[str, Any]], str]:
        """At most `limit` events after a cursor (None: of the last day), and where to go on."""
        now = time.time()
        if cursor is not None and not CURSOR.fullmatch(cursor):
            raise InputError.of("the events", [Problem("cursor", "is none that was given here")])
        after = cursor or _stamp(now - KEPT)
        found: list[tuple[str, bytes]] = []
        for account in set(accounts) if self._by_account else [EVERY]:
            room = self._room(account)
            page = self._store.scan(room, room + after, limit)
            found += [(place.removeprefix(room), entry.value) for place, entry in page]
        found = sorted(found)[:limit]
        last = found[-1][0] if len(found) == limit else max(after, _stamp(now - OVERLAP))
        return [json_text.read(value) for _, value in found], last

    def purge(self) -> int:
        """Forget what is older than a day; returns how many."""
        oldest = _stamp(time.time() - KEPT)
        late = (found for found in self._store.walk(self._prefix) if found[0].rpartition("/")[2] < oldest)
        return sum(self._store.remove(place, entry) for place, entry in late)

    def _room(self, account: str) -> str:
        return f"{self._prefix}{quote(account, safe='')}/"


def _stamp(seconds: float) -> str:
    return f"{int(seconds * 1000):013d}"
