"""The routes that run actions: preview, run, run as a stream, choices. They read, ask a client, and write.

A run is bound in time, and its inputs are bound once. With an idempotency key its first answer is what repetitions get;
what is kept and what is not is said by `is_kept`.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..calls import render
from ..calls.action import Action
from ..errors import AuthError, ConnectorError, InputError, Problem, RequestError, StoreError, TransportError
from ..inputs.bind import Bound
from ..language import json_text
from ..model import Page
from . import models, problems
from .gate import Context, RequestContext
from .problems import Refusal
from .records import LARGEST, Held, Kept
from .state import within

T = TypeVar("T")
GRACE = 2.0  # seconds beyond the deadline that a client gets to say itself that it has passed
HIDDEN = frozenset({"set-cookie", "connection", "transfer-encoding", "content-encoding", "content-length"})
logger = logging.getLogger("connector_runtime.service")
router = APIRouter(prefix="/v1", tags=["runs"])
SHOWN = "The request that a run would send; secrets are `***`."
Preview = models.shape(
    "Preview", SHOWN, method=str, url=str, headers=dict[str, str], body=Any, warnings=list[models.Warned]
)
RunAnswer = models.shape("RunAnswer", "What a run gave.", data=Any, meta=models.RunMeta)
PAGE = "A page of choices; `cursor` leads to the next."
ChoicesAnswer = models.shape("ChoicesAnswer", PAGE, choices=list[models.ChoiceAnswer], cursor=str | None)
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="A text of your own for this operation: a repeated request with it gives the first answer.",
    ),
]


@router.post("/actions/{key}/preview", response_model=Preview, summary="The request that a run would send")
async def preview(key: str, context: Context) -> Response:
    """Bind the inputs and show the request; nothing is sent and no connection is needed."""
    action = context.action(key)
    asked = await context.read(models.PreviewRequest)
    base_url = context.service.settings.base_url
    return answer(await context.aside(action.preview, asked.inputs, clear=asked.clear, base_url=base_url))


@router.post("/actions/{key}/run", response_model=RunAnswer, summary="Run an action")
async def run(key: str, context: Context, idempotency_key: Key = None) -> Response:
    """Run an action; of a list, all pages (or `limit` items) in one answer."""
    wanted = await Run.read(context, key)
    if idempotency_key is None:
        return answer(await wanted.answer())
    service, tenant, action = context.service, context.tenant, wanted.action
    asked = {"action": key, **wanted.asked.model_dump(exclude={"deadline"})}
    effect = await wanted.effect()
    held = await service.in_store(service.idempotency.begin, tenant, idempotency_key, asked, effect)
    if isinstance(held, Kept):
        context.replayed = True
        media_type = "application/json" if held.status < 400 else problems.MEDIA_TYPE
        return Response(held.body, held.status, {"Idempotency-Replayed": "true"}, media_type)
    vendors_key = None  # for a vendor that takes one: another one for each tenant, since tenants may share an account
    if action.profile.idempotency is not None and action.effect in ("create", None):
        vendors_key = hashlib.sha256(f"{tenant}\0{idempotency_key}".encode()).hexdigest()
    try:
        body = await wanted.answer(vendors_key)
    except ConnectorError as error:
        await _end(context, held, error if is_kept(error) else None)
        raise
    first: Kept | Refusal | None = Kept(status=200, body=body)
    if len(body) > LARGEST:  # of a read nothing is kept: it can be done again
        message = f"It was done; its answer was longer than {LARGEST} bytes, which is too long to be kept."
        hint = "Read what was made; for another one, use a new key."
        done = Refusal("may_have_been_done", message, hint=hint, may_have_been_done=True)
        first = None if effect == "read" else done
    await _end(context, held, first)
    return answer(body)


@router.post(
    "/actions/{key}/stream",
    summary="Run an action and stream the items of its list",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def stream(
    key: str,
    context: Context,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)] = None,
) -> Response:
    """Lines of JSON: `{"item": …}` for each item, or the data of an action that is no list, then one `{"end": …}`.

    The last line says how it ended: `ok`, how many `items`, `warnings`, and where it can go on (`cursor`); if it is not
    ok, the `error` as a problem. An answer without it was cut off.
    """
    if idempotency_key is not None:
        context.action(key, runs=True)
        found = Problem("Idempotency-Key", "is for runs; a stream is not kept")
        raise InputError("A stream takes no idempotency key.", problems=[found])
    wanted = await Run.read(context, key)
    if wanted.asked.recover:
        raise _unfit("recover", "is for runs")
    lines = wanted.lines()
    await anext(lines)
    return Lines(lines, media_type="application/x-ndjson")


@router.post(
    "/actions/{key}/inputs/{input}/choices",
    response_model=ChoicesAnswer,
    summary="What an input's list offers",
    openapi_extra=models.body(models.ChoicesRequest),
)
async def choices(key: str, input: str, context: Context) -> Response:
    """A page of the choices of an input: searched, and dependent on what was filled in so far."""
    action = context.action(key)
    problems.check_known("input", input, action.by_name)
    asked = await context.read(models.ChoicesRequest)
    async with context.service.lend(context.tenant, asked.connection, needed=False) as client:
        asking = client.choices(
            key, input, asked.inputs, search=asked.search, cursor=asked.cursor, parameters=asked.parameters
        )
        found = await within(context.service.settings.timeout, asking, changes=False)
    return answer(found.to_dict())


def answer(data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Data as JSON."""
    content = data if isinstance(data, bytes) else json_text.write(data)
    return Response(content, status, headers, "application/json")


# -- a run -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """A run as it was asked for, which may take so many seconds; its inputs are bound once, when that is needed."""

    context: RequestContext
    action: Action
    asked: models.RunRequest
    seconds: float
    _bound: Bound | None = None

    @classmethod
    async def read(cls, context: RequestContext, key: str) -> Run:
        """The run of an action that a request asks for. Raises `Refusal` and `InputError`."""
        action, most = context.action(key, runs=True), context.service.settings.timeout
        asked = await context.read(models.RunRequest)
        if asked.deadline is not None and asked.deadline > most:
            raise _unfit("deadline", f"must be at most {most:g} seconds here")
        return cls(context, action, asked, most if asked.deadline is None else asked.deadline)

    async def bound(self) -> Bound:
        """The inputs to send. Raises `InputError`."""
        if self._bound is None:
            self._bound = await self.context.aside(self.action.bind, self.asked.inputs, self.asked.clear)
        return self._bound

    async def effect(self) -> str:
        """What it does: as the action says, or as its method does where that is an input. Raises `InputError`."""
        action = self.action
        return action.effect or render.effect_of(action, render.draft(action, (await self.bound()).values).method)

    async def within(self, seconds: float, running: Awaitable[T]) -> T:
        return await within(seconds, running, changes=await self.effect() != "read")

    async def answer(self, vendors_key: str | None = None) -> bytes:
        """What it gave. `vendors_key` is the idempotency key for a vendor that takes one."""
        asked, started = self.asked, time.monotonic()
        async with self.context.service.lend(self.context.tenant, asked.connection) as client:
            running = client.run(
                self.action.key,
                await self.bound(),
                asked.limit,
                cursor=asked.cursor,
                deadline=self.seconds,
                recover=asked.recover,
                idempotency_key=vendors_key,
            )
            try:
                result = await self.within(self.seconds + GRACE, running)
            except TransportError as error:
                if time.monotonic() - started < self.seconds:
                    raise
                told: Any = {name: getattr(error, name) for name in ("hint", "retriable", "may_have_been_done")}
                raise Refusal("timeout", error.message, **told) from None
        meta = {
            "status": result.status,
            "headers": {name: value for name, value in result.headers.items() if name not in HIDDEN},
            "warnings": [warning._asdict() for warning in result.warnings],
            "cursor": result.cursor,
            "request_id": self.context.request_id,
        }
        return json_text.write({"data": result.data, "meta": meta})

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Nothing once the first page is there, a chunk for each page, and a last line that says how it ended.

        What fails before the first page is raised. A cut-off answer lacks the last line.
        """
        context, asked = self.context, self.asked
        end: dict[str, Any] = {"ok": True, "items": 0, "warnings": [], "cursor": None}
        async with self.context.service.lend(self.context.tenant, asked.connection) as client:
            called = client.pages(self.action.key, await self.bound(), asked.limit, cursor=asked.cursor)
            async with aclosing(cast(AsyncGenerator[Page, None], called)) as pages:
                page: Any = await self.within(self.seconds, anext(pages))  # None after the last
                yield b""
                context.outcome = "cut"  # until it ends
                while page is not None:
                    items = [page.data] if page.items is None else page.items
                    end["items"] += len(items)
                    end["cursor"] = page.cursor
                    end["warnings"] += [warning._asdict() for warning in page.warnings]
                    if items:
                        yield b"".join(json_text.write({"item": item}) + b"\n" for item in items)
                    try:
                        page = await self.within(self.seconds, anext(pages, None))
                    except ConnectorError as error:
                        cursor = getattr(error, "cursor", None) or page.cursor
                        end |= {"ok": False, "error": context.document(error), "cursor": cursor}
                        page = None
                context.outcome = "ok" if end["ok"] else end["error"]["kind"]
                yield json_text.write({"end": end}) + b"\n"


def _unfit(where: str, what: str) -> InputError:
    return InputError("One problem with the request:", problems=[Problem(where, what)])


class Lines(StreamingResponse):
    """Lines of JSON; what they need is let go of at their end, also when the reader goes away."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(cast(AsyncGenerator[bytes, None], self.body_iterator)):
            await super().__call__(scope, receive, send)


def is_kept(error: ConnectorError) -> bool:
    """Whether a failure is what repetitions get: not if nothing was sent, nor if the same may succeed later."""
    if getattr(error, "may_have_been_done", False):
        return True
    return isinstance(error, RequestError) and not isinstance(error, AuthError) and not error.retriable


async def _end(context: RequestContext, held: Held, first: Kept | ConnectorError | None) -> None:
    """Keep what repetitions get; None gives the key back."""
    if isinstance(first, ConnectorError):
        document = context.document(first)
        first = Kept(status=document["status"], body=json_text.write(document))
    try:
        await context.service.in_store(held.end, first)
    except (StoreError, Refusal) as error:  # how the run ended is what the caller must hear
        logger.error("What repetitions of an idempotency key get could not be stored: %s", error)
