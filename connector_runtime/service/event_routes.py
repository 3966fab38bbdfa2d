"""The routes for events: vendors post webhooks to one, and tenants read the received events from the other."""

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
from .gate import Context, context_of
from .models import shape
from .problems import ServiceRefusal, check_known
from .routes import answer
from .state import Service

router = APIRouter(prefix="/v1", tags=["webhook"])
FEED = "Received events, oldest first; ask again with `cursor` for later ones."
WARNINGS = Field(description="Connections that deliver no events, with the reason; filter names that match no event.")
Warnings = Annotated[list[models.WarningBody], WARNINGS]
EventsAnswer = shape("EventsAnswer", FEED, events=list[dict[str, Any]], cursor=str, warnings=Warnings)
MAX_WAIT = 20.0  # seconds that a request may wait for events
POLL_INTERVAL = 0.5  # seconds between reads while it waits
NAMES = "Names of events, any of which may match; `*` stands for any text."
AFTER = "Only events after this cursor; `now` for future events only."
ANY_JSON = {"application/json": {"schema": {"type": "object"}}}


@router.post("/webhooks/{trigger}/", include_in_schema=False)
@router.post(
    "/webhooks/{trigger}",
    summary="Receive a webhook from the vendor",
    responses={
        200: {"description": "Recorded, a repeat, the response to a challenge, or signed but not JSON."},
        401: {"description": "No signature, or a wrong one.", "content": ANY_JSON},
        503: {"description": "Not verified or not recorded; send it again.", "content": {**ANY_JSON, **models.PROBLEM}},
    },
)
async def receive(trigger: str, request: Request) -> Response:
    """Needs no key, because the vendor's signature over the bytes of the body proves the sender."""
    service = context_of(request).service
    check_known("trigger", trigger, service.connector.triggers)
    app = service.webhooks.get(trigger)
    if app is None:
        message = "The service does not have this trigger's secret, so it cannot verify signatures."
        raise ServiceRefusal("not_ready", message, hint="Set the secret in the environment, then restart the service.")
    context_of(request).body_limit = sys.maxsize  # the receiver has its own limit and its own response beyond it
    reply = await app.answer(request.scope, request.receive)
    return Response(reply.body, reply.status, reply.headers)


@router.get("/events", response_model=EventsAnswer, summary="The events that have arrived")
async def events(
    context: Context,
    cursor: Annotated[str | None, Query(description=AFTER)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=MAX_WAIT, description="Seconds to wait for the first.")] = 0,
    event: Annotated[list[str], Query(max_length=50, description=NAMES)] = [],  # noqa: B006
    account: Annotated[list[str], Query(description="Only of these accounts.")] = [],  # noqa: B006
    object: Annotated[list[str], Query(description="Only about these objects.")] = [],  # noqa: B006
) -> Response:
    """The last day's events of the tenant's connections. Clients that pass on the cursor get each event once.

    A trigger's other filters in the catalogue are parameters too. `warnings` names connections that deliver no events.
    """
    service, tenant = context.service, context.tenant
    own = ("cursor", "limit", "wait", "locale")
    query = context.request.query_params
    parameters = {key: query.getlist(key) for key in query if key not in own}
    filters = await service.in_store(tenant, _filters, service, parameters)
    until = time.monotonic() + min(wait, service.settings.timeout / 2)

    def read(after: feed.Positions | None) -> tuple[list[Any], feed.Positions, list[Problem]]:
        logs, warnings = service.feed.readable_logs(tenant)  # each time, because a connection may have ended
        if after is None:
            after = {log: service.feed.end(log) for log in logs}
        return *service.feed.read(logs, after, limit, filters), warnings

    before = None if cursor == "now" else {} if cursor is None else feed.positions(tenant, cursor)
    start: int | None = None
    while True:
        batch, after, warnings = await service.in_store(tenant, read, before)
        start = sum((after if before is None else before).values()) if start is None else start
        is_over = time.monotonic() >= until or sum(after.values()) - start >= feed.MAX_EVENTS  # numbers have no gaps
        if batch or is_over or await context.request.is_disconnected():
            warnings += [problem for each in filters.values() for problem in each.warnings]
            spoken = [problem.to_dict() for problem in said(warnings, context.connector.phrasebook)]
            data = {"events": [event.to_dict() for event in batch], "cursor": feed.cursor(tenant, after)}
            return answer({**data, "warnings": spoken})
        if after == before:
            await asyncio.sleep(POLL_INTERVAL)
        await context.check()
        before = after


def _filters(service: Service, parameters: Mapping[str, list[str]]) -> dict[str, Filter]:
    """Return the filter of each trigger that has all these parameters. Raises `InputError` if none has them."""
    filters, refusal = {}, None
    for key, trigger in service.connector.triggers.items():
        try:
            filters[key] = trigger.filter(parameters)
        except InputError as error:
            refusal = error
    if refusal is not None and not filters:
        raise refusal
    return filters
