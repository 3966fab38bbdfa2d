"""The routes about connections and the events that arrive for them. Everything is the caller's tenant's alone.

The browser comes back from a sign-in without a key: its `state`, which nobody can guess and which is good once, says
which tenant began. The receiver of webhooks verifies the raw bytes and records before it acknowledges. A tenant sees
the events of the accounts that its connections belong to.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from ..connections import connect
from ..connections.connections import PENDING, Connections, Summary, digest
from ..connections.oauth import Health
from ..errors import AuthError, ConnectorError, InputError, Problem
from ..model import Connection
from . import models
from .gate import Context, RequestContext, at
from .problems import Refusal, check_known
from .records import CURSOR
from .runs import answer
from .state import Service, named

router = APIRouter(prefix="/v1", tags=["connection"])
webhook_router = APIRouter(prefix="/v1", tags=["webhook"])
HEALTH = "A stored connection, without its secrets. `health`: ready, due (renewed at its next call) or dead."
ConnectionAnswer = models.shape("ConnectionAnswer", HEALTH, like=Summary, expires_at=str | None)
ConnectionsAnswer = models.shape("ConnectionsAnswer", connections=list[ConnectionAnswer])  # type: ignore[valid-type]
TESTED = "What a test of a connection found; `error` is as in a problem."
HealthAnswer = models.shape("HealthAnswer", TESTED, like=Health)
SIGN_IN = "Where to send the person's browser; the connection is there when it has come back."
SignInAnswer = models.shape("SignInAnswer", SIGN_IN, name=str, kind=str, authorize_url=str)
FEED = "Received events, oldest first; ask again with `cursor` for what comes after."
EventsAnswer = models.shape("EventsAnswer", FEED, events=list[dict[str, Any]], cursor=str)
DeletedAnswer = models.shape("DeletedAnswer", "Whether the vendor has taken the tokens back.", revoked=bool)
Name = Annotated[str, Path(min_length=1, max_length=100)]
COOKIE = "connector_sign_in"
LONGEST = 20.0  # seconds for which somebody may wait for events
POLL = 0.5
SAID = {"application/json": {"schema": {"type": "object"}}}


@router.get("/connections", response_model=ConnectionsAnswer, summary="The connections of this tenant")
async def listed(context: Context) -> Response:
    found = await context.service.in_store(context.connections.list)
    return answer({"connections": [_entry(summary) for summary in found]})


@router.post(
    "/connections",
    response_model=ConnectionAnswer,
    status_code=201,
    responses={202: {"model": SignInAnswer, "description": "A person has to sign in at `authorize_url`."}},
    summary="Make a connection",
    openapi_extra=models.body(models.ConnectionRequest),
)
async def create(context: Context) -> Response:
    """Store a connection (201), or begin a sign-in (202): send the person's browser to `authorize_url`."""
    service, connections = context.service, context.connections
    asked = await context.read(models.ConnectionRequest)
    kind, origin = _kind(service, asked)
    if connect.needs_person(kind):
        url = await _begin(context, asked)
        return answer({"name": asked.name, "kind": kind.key, "authorize_url": url}, 202, {"Location": url})

    def made() -> dict[str, Any]:
        connections.add(asked.kind, asked.values, name=asked.name, origin=origin)
        connections.test(asked.name, base_url=service.settings.base_url)
        return _one(connections, asked.name)

    found = await service.in_vendor(made)
    await service.forget(context.tenant, asked.name)
    return answer(found, 201)


@router.get(
    "/oauth/authorize",
    status_code=303,
    response_class=RedirectResponse,
    responses={303: {"description": "To the vendor's sign-in."}},
    summary="Begin a sign-in and send this browser to it",
)
async def authorize(
    context: Context, kind: Annotated[str, Query(max_length=100)], name: models.Name = "main"
) -> Response:
    """With the app that the service was set up with, so that no secret stands in an address."""
    if context.request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        raise Refusal("forbidden", "Another site led the browser here.", hint="Begin at the page itself.")
    asked = models.ConnectionRequest(kind=kind, name=name, oauth_url=None)
    if not connect.needs_person(_kind(context.service, asked)[0]):
        what = f"is {kind}, for which nobody signs in; post it to /v1/connections"
        raise InputError.of("connect", [Problem("kind", what)])
    url = await _begin(context, asked, bound=True)
    response = RedirectResponse(url, 303)
    response.set_cookie(
        COOKIE,
        digest(connect.query_of(url)["state"]),
        max_age=int(PENDING),
        path=f"{context.root}/v1/oauth",
        secure=(context.service.settings.callback or "").startswith("https"),
        httponly=True,
        samesite="lax",
    )
    return response


@router.get(
    "/oauth/callback",
    response_class=HTMLResponse,
    responses={400: {"content": {"text/html": {}}, "description": "The sign-in did not come to its end."}},
    summary="Where the browser comes back to from a sign-in",
)
async def callback(request: Request) -> Response:
    """Carry a sign-in through; needs no key, for its state is good once and known to nobody else."""
    context = at(request)
    service = context.service
    query = dict(request.query_params)
    try:
        waiting = await service.in_store(service.pending.take, query.get("state", ""))
        if waiting["bound"] and not hmac.compare_digest(request.cookies.get(COOKIE, ""), digest(query["state"])):
            raise AuthError("The sign-in was begun in another browser.", hint="Sign in again in this one.")
        connections = service.connections(waiting["tenant"])

        def finished() -> str:
            name = connections.finish(query)
            connections.test(name, base_url=service.settings.base_url)  # remembers whose it is
            return name

        name = await service.in_vendor(finished)
    except Refusal:
        raise
    except ConnectorError as error:
        context.outcome = error.kind
        return _page(400, str(error))
    await service.forget(waiting["tenant"], name)
    return _page(200, f"Connected as {name}. You can close this window.")


@router.get("/connections/{name}", response_model=ConnectionAnswer, summary="One connection")
async def shown(name: Name, context: Context) -> Response:
    return answer(await context.service.in_store(_one, context.connections, name))


@router.post("/connections/{name}/test", response_model=HealthAnswer, summary="Call the vendor through it")
async def test(name: Name, context: Context) -> Response:
    """Whether it works, whose it is, which scopes it lacks; `ok: false` with the reason is an answer, no problem."""
    service, connections = context.service, context.connections

    def tested() -> dict[str, Any]:
        _one(connections, name)
        return connections.test(name, base_url=service.settings.base_url).to_dict()

    return answer(await service.in_vendor(tested))


@router.delete("/connections/{name}", response_model=DeletedAnswer, summary="Revoke and forget a connection")
async def delete(name: Name, context: Context, revoke: bool = True) -> Response:
    """Have the vendor take the tokens back. If it can't be reached all is kept; `revoke=false` forgets it."""
    service, connections = context.service, context.connections

    def ended() -> bool:
        _one(connections, name)
        return connections.disconnect(name, revoke=revoke)

    revoked = await service.in_vendor(ended)
    await service.forget(context.tenant, name)
    return answer({"revoked": revoked})


# -- events ----------------------------------------------------------------------------------------------------------


@webhook_router.post(
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
    service = at(request).service
    check_known("trigger", trigger, service.connector.triggers)
    app = service.webhooks.get(trigger)
    if app is None:
        message = "The service was not given this trigger's secret, so no signature can be verified."
        raise Refusal("not_ready", message, hint="Set it in the environment and start again.")
    reply = await app.answer(request.scope, request.receive)
    return Response(reply.body, reply.status, reply.headers)


@webhook_router.get("/events", response_model=EventsAnswer, summary="The events that have arrived")
async def events(
    context: Context,
    cursor: Annotated[str | None, Query(pattern=CURSOR, description="Only what came after it.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    wait: Annotated[float, Query(ge=0, le=LONGEST, description="Seconds to wait for the first.")] = 0,
) -> Response:
    """The events of the accounts that this tenant's connections belong to, for a day; `event_id` tells a repeat."""
    service = context.service
    until = time.monotonic() + min(wait, service.settings.timeout / 2)
    stored = await service.in_store(context.connections.list)
    accounts = {summary.account for summary in stored if summary.account}
    while True:
        found, after = await service.in_store(service.feed.read, accounts, cursor, limit)
        if found or time.monotonic() >= until or await context.request.is_disconnected():
            return answer({"events": found, "cursor": after})
        await asyncio.sleep(POLL)


def _kind(service: Service, asked: models.ConnectionRequest) -> tuple[Connection, str | None]:
    """The kind of a connection, and where OAuth lives: only where the definition or whoever runs the service says."""
    check_known("kind of connection", asked.kind, service.connector.connections)
    kind, origin = service.connector.connections[asked.kind], asked.oauth_url
    known = list((kind.oauth or {}).get("origins", {}))
    if origin is not None and origin.rstrip("/") not in known:
        what = f"is none of {', '.join(known) or 'the places that the definition names'}"
        raise InputError.of(f"the connection '{kind.label}'", [Problem("oauth_url", what)])
    return kind, service.settings.oauth_url if origin is None else origin


async def _begin(context: RequestContext, asked: models.ConnectionRequest, *, bound: bool = False) -> str:
    """Where to send a person's browser. A sign-in that is `bound` is finished in the browser that began it alone."""
    service, connections = context.service, context.connections
    callback, credentials = service.settings.callback, service.settings.credentials
    kind, origin = _kind(service, asked)
    if callback is None:
        what = "The service was not told under which address browsers reach it."
        raise Refusal("not_ready", what, hint="Start it with --public-url.")

    def begun() -> str:
        own = {row.key: credentials[row.key] for row in kind.inputs if credentials.get(row.key) is not None}
        url = connections.begin(kind.key, {**own, **asked.values}, callback, name=asked.name, origin=origin)
        service.pending.add(connect.query_of(url)["state"], {"tenant": context.tenant, "bound": bound})
        return url

    return await service.in_store(begun)


def _one(connections: Connections, name: str) -> dict[str, Any]:
    with named():
        return _entry(connections.summary(name))


def _entry(summary: Summary) -> dict[str, Any]:
    at = summary.expires_at
    until = None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**asdict(summary), "expires_at": until}


def _page(status: int, text: str) -> Response:
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign-in</title>'
    return HTMLResponse(f"{head}<p>{escape(text)}</p></html>", status)
