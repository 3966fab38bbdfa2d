"""The routes about events: where vendors post their webhooks, and what has arrived, for whom it is.

What a tenant may read is asked of its connections at each look, also while it waits: one that has ended gives nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from ..errors import InputError, Problem, said
from ..triggers.webhook import Filter
from . import feed, models
from .gate import Context, at
from .models import shape
from .problems import ServiceRefusal, check_known
from .routes import answer
from .state import Service

router = APIRouter(prefix="/v1", tags=["webhook"])
FEED = "Received events, oldest first; ask again with `cursor` for what comes after."
WARNED = Field(
    description="Which connections give no events, and why; and what the filter says that is no event's name."
)
Warnings = Annotated[list[models.WarningBody], WARNED]
EventsAnswer = shape("EventsAnswer", FEED, events=list[dict[str, Any]], cursor=str, warnings=Warnings)
LONGEST = 20.0  # seconds for which somebody may wait for events
POLL = 0.5
NAMES = "Names; `*` stands for any text. Any of them may fit."
AFTER = "Only what came after it; `now` for what is still to come."
SAID = {"application/json": {"schema": {"type": "object"}}}


@router.post("/webhooks/{trigger}/", include_in_schema=False)
@router.post(
    "/webhooks/{trigger}",
    summary="Where the vendor posts its webhooks",
    responses={
        200: {"description": "Recorded, a repeat, the answer to a challenge, or signed and no JSON."},
        401: {"description": "Not signed, or wrongly.", "content": SAID},
        503: {"description": "Not judged or not recorded; send it again.", "content": {**SAID, **models.PROBLEM}},
    },
)
async def receive(trigger: str, request: Request) -> Response:
    """Needs no key: the vendor's signature counts, over the bytes as they arrive."""
    service = at(request).service
    check_known("trigger", trigger, service.connector.triggers)
    app = service.webhooks.get(trigger)
    if app is None:
        message = "The service was not given this trigger's secret, so no signature can be verified."
        raise ServiceRefusal("not_ready", message, hint="Set it in the environment and start again.")
    at(request).most = sys.maxsize  # the receiver has a limit of its own, and an answer that is repeated
    reply = await app.answer(request.scope, request.receive)
    return Response(reply.body, reply.status, reply.headers)


@router.get("/events", response_model=EventsAnswer, summary="The events that have arrived")
async def events(
    context: Context,
    cursor: Annotated[str | None, Query(description=AFTER)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST, description="Seconds to wait for the first.")] = 0,
    event: Annotated[list[str], Query(max_length=50, description=NAMES)] = [],  # noqa: B006
    account: Annotated[list[str], Query(description="Only of these accounts.")] = [],  # noqa: B006
    object: Annotated[list[str], Query(description="Only about these objects.")] = [],  # noqa: B006
) -> Response:
    """The events that this tenant's connections entitle it to, for a day, each once to who follows the cursor.

    Each other filter of a trigger in the catalogue is a parameter too. `warnings` say which connections give no events.
    """
    service, tenant = context.service, context.tenant
    own = ("cursor", "limit", "wait", "locale")
    asked = {key: context.request.query_params.getlist(key) for key in context.request.query_params if key not in own}
    wanted = await service.in_store(tenant, _filters, service, asked)
    until = time.monotonic() + min(wait, service.settings.timeout / 2)

    def look(after: feed.Positions | None) -> tuple[list[Any], feed.Positions, list[Problem]]:
        logs, warnings = service.feed.reach(tenant)  # at each look: a connection may have ended since
        if after is None:
            after = {log: service.feed.end(log) for log in logs}
        return *service.feed.read(logs, after, limit, wanted), warnings

    before = None if cursor == "now" else {} if cursor is None else feed.positions(tenant, cursor)
    began: int | None = None
    while True:
        found, after, warnings = await service.in_store(tenant, look, before)
        began = sum((after if before is None else before).values()) if began is None else began
        is_over = time.monotonic() >= until or sum(after.values()) - began >= feed.MOST  # numbers count what was read
        if found or is_over or await context.request.is_disconnected():
            more = [problem for each in wanted.values() for problem in each.warnings]
            told = [problem.to_dict() for problem in said((*warnings, *more), context.connector.phrasebook)]
            said_of = [event.to_dict() for event in found]
            return answer({"events": said_of, "cursor": feed.cursor(tenant, after), "warnings": told})
        if after == before:
            await asyncio.sleep(POLL)
        await context.check()
        before = after


def _filters(service: Service, said: Mapping[str, list[str]]) -> dict[str, Filter]:
    """What is wanted of each trigger that knows all these filters. Raises `InputError` if none does."""
    found, refused = {}, None
    for key, trigger in service.connector.triggers.items():
        try:
            found[key] = trigger.filter(said)
        except InputError as error:
            refused = error
    if refused is not None and not found:
        raise refused
    return found
