"""The routes that act: runs of actions, connections, and the events that arrive. All is the caller's tenant's alone.

With an idempotency key a run's first answer is what repetitions get, unless nothing was sent or the same may succeed
later. The browser comes back from a sign-in without a key: its `state`, which nobody can guess, says who began.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import urlsplit

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from ..calls import render
from ..calls.action import Action
from ..calls.credentials import subject
from ..connections import oauth_requests
from ..connections.connections import PENDING, AlreadyConnected, Connections, ConnectionSummary, digest
from ..connections.oauth import Health
from ..errors import AuthError, ConnectorError, InputError, Problem, RequestError, StoreError, TransportError
from ..inputs.bind import BoundInputs
from ..language import json_text
from ..model import Connection, Page
from ..sentences import Sentence
from . import models, problems
from .gate import Context, RequestContext, at
from .models import shape
from .problems import ServiceRefusal, check_known
from .records import LARGEST, FirstAnswer, RunLock
from .state import Service, named, within

T = TypeVar("T")
GRACE = 2.0  # seconds beyond the deadline that a client gets to say itself that it has passed
HIDDEN = frozenset({"set-cookie", "connection", "transfer-encoding", "content-encoding", "content-length"})
logger = logging.getLogger("connector_runtime.service")
router = APIRouter(prefix="/v1", tags=["runs"])
connection_router = APIRouter(prefix="/v1", tags=["connection"])
SHOWN = "The request that a run would send; secrets are `***`."
Preview = shape(
    "Preview", SHOWN, method=str, url=str, headers=dict[str, str], body=Any, warnings=list[models.WarningBody]
)
RunAnswer = shape("RunAnswer", "What a run gave.", data=Any, meta=models.RunMeta)
PAGE = "A page of choices; `cursor` leads to the next."
ChoicesAnswer = shape("ChoicesAnswer", PAGE, choices=list[models.ChoiceAnswer], cursor=str | None)
TOLD = "A text of your own for this operation: a repeated request with it gives the first answer."
OWN_KEY = Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description=TOLD)
Key = Annotated[str | None, OWN_KEY]
HEALTH = (
    "A stored connection, without its secrets. `health`: ready, due (renewed at its next call), failing (its last test"
    " or run was refused) or dead (connect again), and `why`; `seen` is what was last seen of a failure."
)
ConnectionAnswer = shape("ConnectionAnswer", HEALTH, like=ConnectionSummary, expires_at=str | None)
ConnectionsAnswer = shape("ConnectionsAnswer", connections=list[ConnectionAnswer])  # type: ignore[valid-type]
TESTED = "What a test of a connection found; `error` is as in a problem."
HealthAnswer = shape("HealthAnswer", TESTED, like=Health)
SIGN_IN = "Where to send the person's browser; the connection is there when it has come back."
SignInAnswer = shape("SignInAnswer", SIGN_IN, name=str, kind=str, authorize_url=str)
DeletedAnswer = shape("DeletedAnswer", "Whether the vendor has taken the tokens back.", revoked=bool)
Name = Annotated[str, Path(min_length=1, max_length=100)]


@router.post("/actions/{key}/preview", response_model=Preview, summary="The request that a run would send")
async def preview(key: str, context: Context) -> Response:
    """Bind the inputs and show the request; nothing is sent and no connection is needed."""
    action = context.action(key)
    asked = await context.read(models.PreviewRequest)
    base_url = context.service.settings.base_url
    shown = await context.aside(action.preview, asked.inputs, clear=asked.clear, base_url=base_url)
    return answer(await context.write(shown))


@router.post("/actions/{key}/run", response_model=RunAnswer, summary="Run an action")
async def run(key: str, context: Context, idempotency_key: Key = None) -> Response:
    """Run an action; of a list, all pages (or `limit` items) in one answer."""
    wanted = await Run.read(context, key)
    if idempotency_key is None:
        return answer(await wanted.answer())
    service, tenant, action = context.service, context.tenant, wanted.action
    asked = {"action": key, **wanted.asked.model_dump(exclude={"deadline"})}
    effect = await wanted.effect()
    run_lock = await service.in_store(tenant, service.idempotency.begin, tenant, idempotency_key, asked, effect)
    if isinstance(run_lock, FirstAnswer):
        context.replayed = True
        media_type = "application/json" if run_lock.status < 400 else problems.MEDIA_TYPE
        return Response(run_lock.body, run_lock.status, {"Idempotency-Replayed": "true"}, media_type)
    vendors_key = None  # for a vendor that takes one: another one for each tenant, since tenants may share an account
    if action.profile.idempotency is not None and action.effect in ("create", None):
        vendors_key = hashlib.sha256(f"{tenant}\0{idempotency_key}".encode()).hexdigest()
    try:
        body = await wanted.answer(vendors_key)
    except ConnectorError as error:
        await _end(context, run_lock, error)
        raise
    first: FirstAnswer | ServiceRefusal | None = FirstAnswer(status=200, body=body)
    if len(body) > LARGEST:  # of a read nothing is kept: it can be done again
        message = Sentence("It was done, but its answer is longer than {most} bytes and was not kept.", most=LARGEST)
        hint = Sentence("Read what was made; for another one, use a new key.")
        first = (
            None
            if effect == "read"
            else ServiceRefusal("may_have_been_done", message, hint=hint, may_have_been_done=True)
        )
    await _end(context, run_lock, first)
    return answer(body)


@router.post(
    "/actions/{key}/stream",
    summary="Run an action and stream the items of its list",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def stream(key: str, context: Context) -> Response:
    """Lines of JSON: `{"item": …}` for each item, or the data of an action that is no list, then one `{"end": …}`.

    The last line says how it ended: `ok`, how many `items`, `warnings`, and where it can go on (`cursor`); if it is not
    ok, the `error` as a problem. An answer without it was cut off.
    """
    if "idempotency-key" in context.request.headers:
        context.action(key, runs=True)
        found = Problem("Idempotency-Key", Sentence("is for runs; a stream is not kept"))
        raise InputError(Sentence("A stream takes no idempotency key."), problems=[found])
    wanted = await Run.read(context, key)
    if wanted.asked.recover:
        raise _unfit("recover", Sentence("is for runs"))
    lines = wanted.lines()
    await anext(lines)
    return StreamedLines(lines, media_type="application/x-ndjson")


@router.post(
    "/actions/{key}/inputs/{input}/choices",
    response_model=ChoicesAnswer,
    summary="What an input's list offers",
    openapi_extra=models.body(models.ChoicesRequest),
)
async def choices(key: str, input: str, context: Context) -> Response:
    """A page of the choices of an input: searched, and dependent on what was filled in so far."""
    action = context.action(key)
    check_known("input", input, action.by_name)
    asked = await context.read(models.ChoicesRequest)
    async with context.service.lend(context.tenant, asked.connection, needed=False) as client:
        options = asked.model_dump(exclude={"connection"}) | {"locale": context.connector.locale}
        asking = client.choices(key, input, **options)
        found = await within(context.service.settings.timeout, asking, changes=False)
    return answer(found.to_dict())


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Data as JSON."""
    content = data if isinstance(data, bytes) else json_text.write(data)
    return Response(content, status, headers, "application/json")


@dataclass(slots=True)
class Run:
    """A run as it was asked for, which may take so many seconds; its inputs are bound once, when that is needed."""

    context: RequestContext
    action: Action
    asked: models.RunRequest = field(repr=False)
    seconds: float
    _bound: BoundInputs | None = None

    @classmethod
    async def read(cls, context: RequestContext, key: str) -> Run:
        """The run of an action that a request asks for. Raises `ServiceRefusal` and `InputError`."""
        action, most = context.action(key, runs=True), context.service.settings.timeout
        asked = await context.read(models.RunRequest)
        if asked.deadline is not None and asked.deadline > most:
            raise _unfit("deadline", Sentence("must be at most {most} seconds here", most=f"{most:g}"))
        return cls(context, action, asked, most if asked.deadline is None else asked.deadline)

    async def bound(self) -> BoundInputs:
        """The inputs to send. Raises `InputError`."""
        if self._bound is None:
            self._bound = await self.context.aside(self.action.bind, self.asked.inputs, self.asked.clear)
        return self._bound

    async def effect(self) -> str:
        """What it does: as the action says, or as its method does where that is an input. Raises `InputError`."""
        action = self.action
        if action.effect is not None:
            return action.effect
        return render.effect_of(action, render.draft(action, (await self.bound()).values, action.layout).method)

    async def within(self, seconds: float, running: Awaitable[T]) -> T:
        return await within(seconds, running, changes=await self.effect() != "read")

    async def answer(self, vendors_key: str | None = None) -> bytes:
        """What it gave. `vendors_key` is the idempotency key for a vendor that takes one."""
        asked, started = self.asked, time.monotonic()
        async with self.context.service.lend(self.context.tenant, asked.connection) as client:
            options = asked.model_dump(include={"limit", "cursor", "recover"}) | {"idempotency_key": vendors_key}
            options["locale"] = self.context.connector.locale
            running = client.run(self.action.key, await self.bound(), deadline=self.seconds, **options)
            try:
                result = await self.within(self.seconds + GRACE, running)
            except TransportError as error:
                if time.monotonic() - started < self.seconds:
                    raise
                told: Any = {name: getattr(error, name) for name in ("hint", "retriable", "may_have_been_done")}
                raise ServiceRefusal("timeout", error.message, **told) from None
        meta = {
            "status": result.status,
            "headers": {name: value for name, value in result.headers.items() if name not in HIDDEN},
            "warnings": [warning.to_dict() for warning in result.warnings],
            "cursor": result.cursor,
            "request_id": self.context.request_id,
        }
        return await self.context.write({"data": result.data, "meta": meta})

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Nothing once the first page is there, a chunk for each page, and a last line that says how it ended.

        What fails before the first page is raised. A cut-off answer lacks the last line.
        """
        context, asked = self.context, self.asked
        end: dict[str, Any] = {"ok": True, "items": 0, "warnings": [], "cursor": None}
        async with self.context.service.lend(self.context.tenant, asked.connection) as client:
            options: Any = {"cursor": asked.cursor, "locale": context.connector.locale}
            called = client.pages(self.action.key, await self.bound(), asked.limit, **options)
            async with aclosing(cast(AsyncGenerator[Page, None], called)) as pages:
                page: Any = await self.within(self.seconds, anext(pages))  # None after the last
                yield b""
                context.outcome = "cut"  # until it ends
                while page is not None:
                    items = [page.data] if page.items is None else page.items
                    end["items"] += len(items)
                    end["cursor"] = page.cursor
                    end["warnings"] += [warning.to_dict() for warning in page.warnings]
                    if items:
                        written = partial(b"".join, (json_text.write({"item": item}) + b"\n" for item in items))
                        yield await context.aside(written, is_large=json_text.is_large(items))
                    try:
                        await context.check()
                        page = await self.within(self.seconds, anext(pages, None))
                    except ConnectorError as error:
                        cursor = getattr(error, "cursor", None) or page.cursor
                        end |= {"ok": False, "error": context.document(error), "cursor": cursor}
                        page = None
                context.outcome = "ok" if end["ok"] else end["error"]["kind"]
                yield json_text.write({"end": end}) + b"\n"


def _unfit(where: str, what: str) -> InputError:
    return InputError.of(models.REQUEST, [Problem(where, what)])


class StreamedLines(StreamingResponse):
    """Lines of JSON; what they need is let go of at their end, also when the reader goes away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(cast(AsyncGenerator[bytes, None], self.body_iterator)):
            await super().__call__(scope, receive, send)


async def _end(context: RequestContext, run_lock: RunLock, first: FirstAnswer | ConnectorError | None) -> None:
    """Keep what repetitions get; None gives the key back, and so does a failure that need not be the last word."""
    if isinstance(first, ConnectorError):
        final = isinstance(first, RequestError) and not isinstance(first, AuthError) and not first.retriable
        document = context.document(first)
        replayable = FirstAnswer(document["status"], json_text.write(document))
        first = replayable if final or getattr(first, "may_have_been_done", False) else None
    try:
        await context.service.in_store(None, run_lock.end, first)
    except (StoreError, ServiceRefusal) as error:  # how the run ended is what the caller must hear
        logger.error("What repetitions of an idempotency key get could not be stored: %s", error)


@connection_router.get("/connections", response_model=ConnectionsAnswer, summary="The connections of this tenant")
async def listed(context: Context) -> Response:
    found = await context.service.in_store(context.tenant, context.connections.list)
    return answer({"connections": [_entry(summary) for summary in found]})


@connection_router.post(
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
    if oauth_requests.needs_person(kind):
        url = await _begin(context, asked)
        return answer({"name": asked.name, "kind": kind.key, "authorize_url": url}, 202, {"Location": url})

    def made() -> dict[str, Any]:
        connections.add(asked.kind, asked.values, name=asked.name, origin=origin)
        connections.test(asked.name, base_url=service.settings.base_url)
        return _one(connections, asked.name)

    found = await service.in_vendor(context.tenant, made)
    await service.forget(context.tenant, asked.name)
    return answer(found, 201)


@connection_router.get(
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
        raise ServiceRefusal(
            "forbidden", Sentence("Another site led the browser here."), hint=Sentence("Start at the page itself.")
        )
    asked = models.ConnectionRequest(kind=kind, name=name, oauth_url=None)
    if not oauth_requests.needs_person(_kind(context.service, asked)[0]):
        what = Sentence("is {kind}, for which nobody signs in; post it to /v1/connections", kind=kind)
        raise InputError.of("connect", [Problem("kind", what)])
    back = urlsplit(context.service.settings.callback or "")
    returns = context.request.url.hostname == back.hostname  # else no cookie of ours does: localhost is not 127.0.0.1
    url = await _begin(context, asked, bound=returns or not context.service.is_local)
    response, name = RedirectResponse(url, 303), digest(oauth_requests.query_of(url)["state"])
    scope: Any = {"path": back.path.rpartition("/")[0], "secure": back.scheme == "https"}
    response.set_cookie(_cookie(name), name, max_age=int(PENDING), httponly=True, samesite="lax", **scope)
    return response


@connection_router.get(
    "/oauth/callback",
    response_class=HTMLResponse,
    responses={400: {"content": {"text/html": {}}, "description": "The sign-in did not come to its end."}},
    summary="Where the browser comes back to from a sign-in",
)
async def callback(request: Request) -> Response:
    """Carry a sign-in through; needs no key, for its state is good once and known to nobody else."""
    context = at(request)
    await context.speak(request)
    service = context.service
    query = dict(request.query_params)
    try:
        waiting = await service.in_store(None, service.pending.take, oauth_requests.state_of(query))
        state_digest = digest(query["state"])
        brought = request.cookies.get(_cookie(state_digest), "").encode(errors="replace")
        if waiting["bound"] and not hmac.compare_digest(brought, state_digest.encode()):
            raise AuthError(Sentence("The sign-in was started in another browser."), hint=oauth_requests.SIGN_IN)
        connections = service.connections(waiting["tenant"])

        def finished() -> tuple[str, Health]:
            name = connections.finish(query)
            service.pending.end(query["state"], name)
            return name, connections.test(name, base_url=service.settings.base_url)  # remembers whose it is

        name, health = await service.in_vendor(waiting["tenant"], finished)
    except AlreadyConnected as error:
        return _page(context, 200, error.message, CLOSE)
    except ServiceRefusal:
        raise
    except ConnectorError as error:
        context.outcome = error.kind
        begin = Sentence("Start here: {url}", url=service.settings.public_url or context.root)
        error.speak(context.connector.phrasebook)
        return _page(context, 400, str(error), *([] if query.get("state") else [begin]))
    await service.forget(waiting["tenant"], name)
    if not health.ok and health.error is not None:
        slots = {"name": name, "reason": health.error["message"]}
        return _page(context, 200, Sentence("Connected as {name}, but its first call failed: {reason}", **slots))
    return _page(context, 200, Sentence("Connected as {name}.", name=name), CLOSE)


@connection_router.get("/connections/{name}", response_model=ConnectionAnswer, summary="One connection")
async def shown(name: Name, context: Context) -> Response:
    return answer(await context.service.in_store(context.tenant, _one, context.connections, name))


@connection_router.post("/connections/{name}/test", response_model=HealthAnswer, summary="Call the vendor through it")
async def test(name: Name, context: Context) -> Response:
    """Whether it works, whose it is, which scopes it lacks; `ok: false` with the reason is an answer, no problem."""
    service, connections = context.service, context.connections
    await service.in_store(context.tenant, _one, connections, name)
    found = await service.in_vendor(context.tenant, connections.test, name, base_url=service.settings.base_url)
    return answer(found.to_dict())


@connection_router.delete("/connections/{name}", response_model=DeletedAnswer, summary="Revoke and forget a connection")
async def delete(name: Name, context: Context, revoke: bool = True) -> Response:
    """Have the vendor take the tokens back. If it can't be reached all is kept; `revoke=false` forgets it."""
    service, connections = context.service, context.connections
    await service.in_store(context.tenant, _one, connections, name)
    revoked = await service.in_vendor(context.tenant, connections.disconnect, name, revoke=revoke)
    await service.forget(context.tenant, name)
    return answer({"revoked": revoked})


def _kind(service: Service, asked: models.ConnectionRequest) -> tuple[Connection, str | None]:
    """The kind of a connection, and where OAuth lives: only where the definition or whoever runs the service says."""
    check_known("kind of connection", asked.kind, service.connector.connections)
    kind, origin = service.connector.connections[asked.kind], asked.oauth_url
    known = list((kind.oauth or {}).get("origins", {}))
    if origin is not None and origin.rstrip("/") not in known:
        what = Sentence("must be left out")
        if known:
            what = Sentence("must be one of {values}", values=tuple(known))
        raise InputError.of(subject(kind), [Problem("oauth_url", what)])
    return kind, service.settings.oauth_url if origin is None else origin


async def _begin(context: RequestContext, asked: models.ConnectionRequest, *, bound: bool = False) -> str:
    """Where to send a person's browser. A sign-in that is `bound` is finished in the browser that began it alone."""
    service, connections = context.service, context.connections
    callback, credentials = service.settings.callback, service.settings.credentials
    kind, origin = _kind(service, asked)
    if callback is None:
        what = Sentence("The service does not know the address at which browsers reach it.")
        raise ServiceRefusal("not_ready", what, hint=Sentence("Start it with --public-url."))

    def begun() -> str:
        own = {row.key: credentials[row.key] for row in kind.inputs if credentials.get(row.key) is not None}
        url = connections.begin(kind.key, {**own, **asked.values}, callback, name=asked.name, origin=origin)
        service.pending.add(oauth_requests.query_of(url)["state"], {"tenant": context.tenant, "bound": bound})
        return url

    return await service.in_store(context.tenant, begun)


def _cookie(state_digest: str) -> str:
    """The name of a sign-in's cookie: a browser may have begun several."""
    return f"connector_sign_in_{state_digest[:16]}"


def _one(connections: Connections, name: str) -> dict[str, Any]:
    return _entry(named(connections.summary, name))


def _entry(summary: ConnectionSummary) -> dict[str, Any]:
    at = summary.expires_at
    until = None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**asdict(summary), "expires_at": until}


CLOSE = Sentence("You can close this window.")


def _page(context: RequestContext, status: int, *texts: str) -> Response:
    book = context.connector.phrasebook
    return HTMLResponse(oauth_requests.page(" ".join(map(book.say, texts)), book), status)
