"""The routes that run actions and manage connections, only for the caller's tenant.

A retry with the same idempotency key gets the first run's response, unless nothing was sent or it may now succeed. A
browser that returns from a sign-in has no API key; its unguessable `state` identifies the tenant.
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
from .gate import Context, RequestContext, context_of
from .models import WarningBody, shape
from .problems import ServiceRefusal, check_known
from .records import LARGEST, FirstAnswer, RunLock
from .state import Service, named, within

T = TypeVar("T")
GRACE = 2.0  # seconds after the deadline for the client to report the timeout itself
HIDDEN_HEADERS = frozenset({"set-cookie", "connection", "transfer-encoding", "content-encoding", "content-length"})
logger = logging.getLogger("connector_runtime.service")
router = APIRouter(prefix="/v1", tags=["runs"])
connection_router = APIRouter(prefix="/v1", tags=["connection"])
PREVIEW = "The request that a run would send; secrets are `***`."
Preview = shape("Preview", PREVIEW, method=str, url=str, headers=dict[str, str], body=Any, warnings=list[WarningBody])
RunAnswer = shape("RunAnswer", "The result of a run.", data=Any, meta=models.RunMeta)
PAGE = "A page of choices; `cursor` leads to the next."
ChoiceAnswer = shape("ChoiceAnswer", value=Any, label=str, description=str | None)
ChoicesAnswer = shape("ChoicesAnswer", PAGE, choices=list[ChoiceAnswer], cursor=str | None)  # type: ignore[valid-type]
KEY = "A string that you choose for this operation; a repeated request with it gets the first response."
KEY_HEADER = Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description=KEY)
IdempotencyKey = Annotated[str | None, KEY_HEADER]
HEALTH = (
    "A stored connection, without its secrets. `health`: ready, due (its next call renews it), failing (its last test"
    " failed, or its token was refused) or dead (connect again), and `why`; `seen` is its last failure."
)
ConnectionAnswer = shape("ConnectionAnswer", HEALTH, like=ConnectionSummary, expires_at=str | None)
ConnectionsAnswer = shape("ConnectionsAnswer", connections=list[ConnectionAnswer])  # type: ignore[valid-type]
HealthAnswer = shape("HealthAnswer", "The outcome of a connection's test; `error` is as in a problem.", like=Health)
SIGN_IN = "The URL for the person's browser; the connection exists once the browser has returned."
SignInAnswer = shape("SignInAnswer", SIGN_IN, name=str, kind=str, authorize_url=str)
DeletedAnswer = shape("DeletedAnswer", "`revoked` is true if the vendor has revoked the tokens.", revoked=bool)
Name = Annotated[str, Path(min_length=1, max_length=100)]


@router.post("/actions/{key}/preview", response_model=Preview, summary="The request that a run would send")
async def preview(key: str, context: Context) -> Response:
    """Bind the inputs and show the request. Sends nothing and needs no connection."""
    action = context.action(key)
    body = await context.read(models.PreviewRequest)
    base_url = context.service.settings.base_url
    request = await context.aside(action.preview, body.inputs, clear=body.clear, extra=body.extra, base_url=base_url)
    return answer(await context.write(request))


@router.post("/actions/{key}/run", response_model=RunAnswer, summary="Run an action")
async def run(key: str, context: Context, idempotency_key: IdempotencyKey = None) -> Response:
    """Run an action. A list returns all pages, or `limit` items, in one response."""
    run = await Run.read(context, key)
    if idempotency_key is None:
        return answer(await run.answer())
    service, tenant, action = context.service, context.tenant, run.action
    ignored = {"deadline"} if run.body.extra else {"deadline", "extra"}
    request = {"action": key, **run.body.model_dump(exclude=ignored)}
    effect = await run.effect()
    lock = await service.in_store(tenant, service.idempotency.begin, tenant, idempotency_key, request, effect)
    if isinstance(lock, FirstAnswer):
        context.replayed = True
        media_type = "application/json" if lock.status < 400 else problems.MEDIA_TYPE
        return Response(lock.body, lock.status, {"Idempotency-Replayed": "true"}, media_type)
    vendor_key = None  # differs by tenant, since several tenants may share a vendor's account
    if action.profile.idempotency is not None and action.effect in ("create", None):
        vendor_key = hashlib.sha256(f"{tenant}\0{idempotency_key}".encode()).hexdigest()
    try:
        content = await run.answer(vendor_key)
    except ConnectorError as error:
        await _end(context, lock, error)
        raise
    first: FirstAnswer | ServiceRefusal | None = FirstAnswer(status=200, body=content)
    if len(content) > LARGEST:
        first = None  # a read can simply run again
        if effect != "read":
            what = Sentence("The run succeeded, but its response, over {most} bytes, was not stored.", most=LARGEST)
            hint = Sentence("Read the result from {vendor}; for another operation, use a new key.")
            first = ServiceRefusal("may_have_been_done", what, hint=hint, may_have_been_done=True)
    await _end(context, lock, first)
    return answer(content)


@router.post(
    "/actions/{key}/stream",
    summary="Run an action and stream the items of its list",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def stream(key: str, context: Context) -> Response:
    """Lines of JSON: `{"item": …}` for each item, or for the data of an action that is not a list, and `{"end": …}`.

    The last line has the outcome: `ok`, the number of `items`, `warnings`, and the `cursor` to continue from; if it is
    not ok, the `error` as a problem. A response without this line was cut off.
    """
    if "idempotency-key" in context.request.headers:
        context.action(key, runs=True)
        problem = Problem("Idempotency-Key", Sentence("is for runs; the response of a stream is not stored"))
        raise InputError(Sentence("A stream does not take an idempotency key."), problems=[problem])
    run = await Run.read(context, key)
    if run.body.recover:
        raise _input_error("recover", Sentence("is for runs, not for streams"))
    lines = run.lines()
    await anext(lines)
    return StreamedLines(lines, media_type="application/x-ndjson")


@router.post(
    "/actions/{key}/inputs/{input}/choices",
    response_model=ChoicesAnswer,
    summary="The choices of an input",
    openapi_extra=models.body(models.ChoicesRequest),
)
async def choices(key: str, input: str, context: Context) -> Response:
    """A page of an input's choices, which may depend on a search and on other inputs."""
    check_known("input", input, context.action(key).by_name)
    body = await context.read(models.ChoicesRequest)
    async with context.service.lend(context.tenant, body.connection, needed=False) as client:
        options = body.model_dump(exclude={"connection"}) | {"locale": context.connector.locale}
        page = await within(context.service.settings.timeout, client.choices(key, input, **options), changes=False)
    return answer(page.to_dict())


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = data if isinstance(data, bytes) else json_text.write(data)
    return Response(content, status, headers, "application/json")


@dataclass(slots=True)
class Run:
    """A requested run of an action, which may take `seconds`."""

    context: RequestContext
    action: Action
    body: models.RunRequest = field(repr=False)
    seconds: float
    _bound: BoundInputs | None = None

    @classmethod
    async def read(cls, context: RequestContext, key: str) -> Run:
        """Read the run that a request describes. Raises `ServiceRefusal` and `InputError`."""
        action, most = context.action(key, runs=True), context.service.settings.timeout
        body = await context.read(models.RunRequest)
        if body.deadline is not None and body.deadline > most:
            raise _input_error("deadline", Sentence("must be at most {most} seconds here", most=f"{most:g}"))
        return cls(context, action, body, most if body.deadline is None else body.deadline)

    async def bound(self) -> BoundInputs:
        """Return the bound inputs, binding them at the first call. Raises `InputError`."""
        if self._bound is None:
            body = self.body
            self._bound = await self.context.aside(self.action.bind, body.inputs, body.clear, body.extra)
        return self._bound

    async def effect(self) -> str:
        """Return the action's effect, or that of its HTTP method if the method is an input. Raises `InputError`."""
        action = self.action
        if action.effect is not None:
            return action.effect
        return render.effect_of(action, render.draft(action, (await self.bound()).values, action.layout).method)

    async def within(self, seconds: float, running: Awaitable[T]) -> T:
        return await within(seconds, running, changes=await self.effect() != "read")

    async def answer(self, vendor_key: str | None = None) -> bytes:
        """Run the action and return the response as JSON. `vendor_key` is an idempotency key for the vendor."""
        body, started = self.body, time.monotonic()
        async with self.context.service.lend(self.context.tenant, body.connection) as client:
            options = body.model_dump(include={"limit", "cursor", "recover"}) | {"idempotency_key": vendor_key}
            options["locale"] = self.context.connector.locale
            running = client.run(self.action.key, await self.bound(), deadline=self.seconds, **options)
            try:
                result = await self.within(self.seconds + GRACE, running)
            except TransportError as error:
                if time.monotonic() - started < self.seconds:
                    raise
                fields: Any = {name: getattr(error, name) for name in ("hint", "retriable", "may_have_been_done")}
                raise ServiceRefusal("timeout", error.message, **fields) from None
        meta = {
            "status": result.status,
            "headers": {name: value for name, value in result.headers.items() if name not in HIDDEN_HEADERS},
            "warnings": [warning.to_dict() for warning in result.warnings],
            "cursor": result.cursor,
            "request_id": self.context.request_id,
        }
        return await self.context.write({"data": result.data, "meta": meta})

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Yield an empty chunk once the first page has arrived, a chunk of lines for each page, and the last line.

        Errors before the first page are raised; later ones are part of the last line.
        """
        context, body = self.context, self.body
        end: dict[str, Any] = {"ok": True, "items": 0, "warnings": [], "cursor": None}
        async with self.context.service.lend(self.context.tenant, body.connection) as client:
            options: Any = {"cursor": body.cursor, "locale": context.connector.locale}
            unread = client.pages(self.action.key, await self.bound(), body.limit, **options)
            async with aclosing(cast(AsyncGenerator[Page, None], unread)) as pages:
                page: Any = await self.within(self.seconds, anext(pages))  # None after the last
                yield b""
                context.outcome = "cut"  # unless the loop below completes
                while page is not None:
                    items = [page.data] if page.items is None else page.items
                    end["items"] += len(items)
                    end["cursor"] = page.cursor
                    end["warnings"] += [warning.to_dict() for warning in page.warnings]
                    if items:
                        lines = (json_text.write({"item": item}) + b"\n" for item in items)
                        yield await context.aside(b"".join, lines, is_large=json_text.is_large(items))
                    try:
                        await context.check()
                        page = await self.within(self.seconds, anext(pages, None))
                    except ConnectorError as error:
                        cursor = getattr(error, "cursor", None) or page.cursor
                        end |= {"ok": False, "error": context.document(error), "cursor": cursor}
                        page = None
                context.outcome = "ok" if end["ok"] else end["error"]["kind"]
                yield json_text.write({"end": end}) + b"\n"


def _input_error(where: str, what: str) -> InputError:
    return InputError.of(models.REQUEST, [Problem(where, what)])


class StreamedLines(StreamingResponse):
    """Streams lines of JSON, and closes their generator even if the client disconnects."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(cast(AsyncGenerator[bytes, None], self.body_iterator)):
            await super().__call__(scope, receive, send)


async def _end(context: RequestContext, lock: RunLock, first: FirstAnswer | ConnectorError | None) -> None:
    """Store the response for retries. None frees the key, as does an error after which a retry may succeed."""
    if isinstance(first, ConnectorError):
        is_final = isinstance(first, RequestError) and not isinstance(first, AuthError) and not first.retriable
        document = context.document(first)
        replayable = FirstAnswer(document["status"], json_text.write(document))
        first = replayable if is_final or getattr(first, "may_have_been_done", False) else None
    try:
        await context.service.in_store(None, lock.end, first)
    except (StoreError, ServiceRefusal) as error:  # the caller must learn how the run ended
        logger.error("The first response for an idempotency key could not be stored: %s", error)


@connection_router.get("/connections", response_model=ConnectionsAnswer, summary="The tenant's connections")
async def listed(context: Context) -> Response:
    summaries = await context.service.in_store(context.tenant, context.connections.list)
    return answer({"connections": [_entry(summary) for summary in summaries]})


@connection_router.post(
    "/connections",
    response_model=ConnectionAnswer,
    status_code=201,
    responses={202: {"model": SignInAnswer, "description": "A person has to sign in at `authorize_url`."}},
    summary="Create a connection",
    openapi_extra=models.body(models.ConnectionRequest),
)
async def create(context: Context) -> Response:
    """Store a connection (201), or begin a sign-in (202): send the person's browser to `authorize_url`."""
    service, connections = context.service, context.connections
    body = await context.read(models.ConnectionRequest)
    kind, origin = _kind(service, body)
    if oauth_requests.needs_person(kind):
        url = await _begin(context, body)
        return answer({"name": body.name, "kind": kind.key, "authorize_url": url}, 202, {"Location": url})

    def add() -> dict[str, Any]:
        connections.add(body.kind, body.values, name=body.name, origin=origin)
        connections.test(body.name, base_url=service.settings.base_url)
        return _one(connections, body.name)

    entry = await service.in_vendor(context.tenant, add)
    await service.forget(context.tenant, body.name)
    return answer(entry, 201)


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
    """Uses the app in the service's settings, so no secret appears in a URL."""
    if context.request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        what, hint = Sentence("Another site sent the browser here."), Sentence("Start at the page itself.")
        raise ServiceRefusal("forbidden", what, hint=hint)
    body = models.ConnectionRequest(kind=kind, name=name, oauth_url=None)
    if not oauth_requests.needs_person(_kind(context.service, body)[0]):
        what = Sentence("{kind} needs no sign-in; post the connection to /v1/connections", kind=kind)
        raise InputError.of("connect", [Problem("kind", what)])
    back = urlsplit(context.service.settings.callback or "")
    has_cookie = context.request.url.hostname == back.hostname  # not if one is localhost and the other 127.0.0.1
    url = await _begin(context, body, bound=has_cookie or not context.service.is_local)
    response, state_digest = RedirectResponse(url, 303), digest(oauth_requests.query_of(url)["state"])
    options: Any = {"path": back.path.rpartition("/")[0], "secure": back.scheme == "https"}
    options |= {"max_age": int(PENDING), "httponly": True, "samesite": "lax"}
    response.set_cookie(_cookie(state_digest), state_digest, **options)
    return response


@connection_router.get(
    "/oauth/callback",
    response_class=HTMLResponse,
    responses={400: {"content": {"text/html": {}}, "description": "The sign-in was not completed."}},
    summary="Receive the browser after a sign-in",
)
async def callback(request: Request) -> Response:
    """Complete a sign-in. Needs no key, because its `state` is secret and works only once."""
    context = context_of(request)
    await context.speak(request)
    service = context.service
    query = dict(request.query_params)
    try:
        pending = await service.in_store(None, service.pending.take, oauth_requests.state_of(query))
        state_digest = digest(query["state"])
        cookie = request.cookies.get(_cookie(state_digest), "").encode(errors="replace")
        if pending["bound"] and not hmac.compare_digest(cookie, state_digest.encode()):
            raise AuthError(Sentence("The sign-in was started in another browser."), hint=oauth_requests.SIGN_IN)
        connections = service.connections(pending["tenant"])

        def finish() -> tuple[str, Health]:
            name = connections.finish(query)
            service.pending.end(query["state"], name)
            return name, connections.test(name, base_url=service.settings.base_url)  # which also stores the owner

        name, health = await service.in_vendor(pending["tenant"], finish)
    except AlreadyConnected as error:
        return _page(context, 200, error.message, CLOSE)
    except ServiceRefusal:
        raise
    except ConnectorError as error:
        context.outcome = error.kind
        start = Sentence("Start here: {url}", url=service.settings.public_url or context.root)
        error.speak(context.connector.phrasebook)
        return _page(context, 400, str(error), *([] if query.get("state") else [start]))
    await service.forget(pending["tenant"], name)
    if not health.ok and health.error is not None:
        slots = {"name": name, "reason": health.error["message"]}
        return _page(context, 200, Sentence("Connected as {name}, but its first call failed: {reason}", **slots))
    return _page(context, 200, Sentence("Connected as {name}.", name=name), CLOSE)


@connection_router.get("/connections/{name}", response_model=ConnectionAnswer, summary="One connection")
async def shown(name: Name, context: Context) -> Response:
    return answer(await context.service.in_store(context.tenant, _one, context.connections, name))


@connection_router.post("/connections/{name}/test", response_model=HealthAnswer, summary="Test a connection")
async def test(name: Name, context: Context) -> Response:
    """Its health, owner and missing scopes. A failing connection is reported as `ok: false`, not as a problem."""
    service, connections = context.service, context.connections
    await service.in_store(context.tenant, _one, connections, name)
    health = await service.in_vendor(context.tenant, connections.test, name, base_url=service.settings.base_url)
    return answer(health.to_dict())


@connection_router.delete("/connections/{name}", response_model=DeletedAnswer, summary="Revoke and delete a connection")
async def delete(name: Name, context: Context, revoke: bool = True) -> Response:
    """Have the vendor revoke the tokens. If it cannot be reached, nothing is deleted unless `revoke=false`."""
    service, connections = context.service, context.connections
    await service.in_store(context.tenant, _one, connections, name)
    revoked = await service.in_vendor(context.tenant, connections.disconnect, name, revoke=revoke)
    await service.forget(context.tenant, name)
    return answer({"revoked": revoked})


def _kind(service: Service, body: models.ConnectionRequest) -> tuple[Connection, str | None]:
    """Return a connection's kind and OAuth origin, which must come from the definition or the settings."""
    check_known("kind of connection", body.kind, service.connector.connections)
    kind, origin = service.connector.connections[body.kind], body.oauth_url
    origins = list((kind.oauth or {}).get("origins", {}))
    if origin is not None and origin.rstrip("/") not in origins:
        one_of = Sentence("must be one of {values}", values=tuple(origins))
        what = one_of if origins else Sentence("must be left out")
        raise InputError.of(subject(kind), [Problem("oauth_url", what)])
    return kind, service.settings.oauth_url if origin is None else origin


async def _begin(context: RequestContext, body: models.ConnectionRequest, *, bound: bool = False) -> str:
    """Begin a sign-in and return its URL. If it is `bound`, only the browser that began it can complete it."""
    service, connections = context.service, context.connections
    callback, credentials = service.settings.callback, service.settings.credentials
    kind, origin = _kind(service, body)
    if callback is None:
        what = Sentence("The service does not know the URL at which browsers reach it.")
        raise ServiceRefusal("not_ready", what, hint=Sentence("Start it with --public-url."))

    def begin() -> str:
        own = {row.key: credentials[row.key] for row in kind.inputs if credentials.get(row.key) is not None}
        url = connections.begin(kind.key, {**own, **body.values}, callback, name=body.name, origin=origin)
        service.pending.add(oauth_requests.query_of(url)["state"], {"tenant": context.tenant, "bound": bound})
        return url

    return await service.in_store(context.tenant, begin)


def _cookie(state_digest: str) -> str:
    """Return the name of a sign-in's cookie. It is unique, because a browser may have begun several sign-ins."""
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
