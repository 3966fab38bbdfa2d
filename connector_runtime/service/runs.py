"""The routes that run actions: preview, run, run as a stream, choices. They read, ask a client, and write.

A run is bound in time. With an idempotency key its first answer is what repetitions get; what is kept and what is not
is said by `is_kept`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from ..calls import render
from ..calls.action import Action
from ..client import AsyncClient
from ..errors import AuthError, ConnectorError, InputError, Problem, RequestError, StoreError, TransportError
from ..language import json_text
from ..model import Result
from . import models, problems
from .idempotency import LARGEST, Held, Kept, fingerprint
from .problems import Refusal, told
from .state import Caller, CallerOf, Service, aside, is_large, note_of, of, read
from .streams import Lines, closable, lines, warned, within
from .telemetry import Note

GRACE = 2.0  # seconds beyond the deadline that a client gets to say itself that it has passed
HIDDEN = frozenset({"set-cookie", "connection", "transfer-encoding", "content-encoding", "content-length"})
TOO_LONG = Refusal(
    kind="may_have_been_done",
    message=f"It was done; its answer was longer than {LARGEST} bytes, which is too long to be kept.",
    hint="Read what was made; for another one, use a new key.",
    may_have_been_done=True,
)
logger = logging.getLogger("connector_runtime.service")
router = APIRouter(prefix="/v1")
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


@router.post("/actions/{key}/preview", response_model=models.Preview, summary="The request that a run would send")
async def preview(key: str, request: Request, caller: CallerOf) -> Response:
    """Bind the inputs and show the request; nothing is sent and no connection is needed."""
    service, note = of(request), note_of(request)
    action = service.action(key, note)
    note.action = None  # it is no run
    asked = await read(request, models.PreviewRequest)
    showing = partial(action.preview, asked.inputs, clear=asked.clear, base_url=service.settings.base_url)
    return answer(await aside(request, showing))


@router.post("/actions/{key}/run", response_model=models.RunAnswer, summary="Run an action")
async def run(key: str, request: Request, caller: CallerOf, idempotency_key: Key = None) -> Response:
    """Run an action; of a list, all pages (or `limit` items) in one answer."""
    service, note = of(request), note_of(request)
    action = service.action(key, note)
    asked = await read(request, models.RunRequest)
    seconds = _seconds(asked, service)
    if idempotency_key is None:
        await _check(request, action, asked)
        return answer(await _run(service, action, asked, caller, note, seconds, None))
    mark = fingerprint({"action": key, **asked.model_dump(exclude={"deadline"})})
    effect = await aside(request, effect_of, action, asked)
    found = await service.in_store(service.idempotency.begin, caller.tenant, idempotency_key, mark, effect)
    if isinstance(found, Kept):
        note.replayed = True
        return Response(
            found.body,
            found.status,
            {"Idempotency-Replayed": "true"},
            media_type="application/json" if found.status < 400 else problems.MEDIA_TYPE,
        )
    vendors = _vendors_key(action, caller.tenant, idempotency_key)
    try:
        await _check(request, action, asked)
        body = await _run(service, action, asked, caller, note, seconds, vendors)
        await _hold(service, found, body, effect, note)
        return answer(body)
    except (ConnectorError, Refusal) as error:
        if is_kept(error):
            problem = told(error, note.request_id, note.root)
            await _keep(service, found, Kept(status=problem.status, body=json_text.write(problem.document)))
        else:
            await _forget(service, found)
        raise


@router.post(
    "/actions/{key}/stream",
    summary="Run an action and stream the items of its list",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}},
)
async def stream(
    key: str,
    request: Request,
    caller: CallerOf,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)] = None,
) -> Response:
    """Lines of JSON: `{"item": …}` for each item, or the data of an action that is no list, then one `{"end": …}`.

    The last line says how it ended: `ok`, how many `items`, `warnings`, and where it can go on (`cursor`); if it is not
    ok, the `error` as a problem. An answer without it was cut off.
    """
    service, note = of(request), note_of(request)
    action = service.action(key, note)
    if idempotency_key is not None:
        what = "is for runs; a stream is not kept"
        found = Problem("Idempotency-Key", what)
        raise Refusal(kind="input", message="A stream takes no idempotency key.", problems=(found,))
    asked = await read(request, models.RunRequest)
    seconds = _seconds(asked, service)
    _refuse(asked.recover, "recover", "is for runs")
    await _check(request, action, asked)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(lent(service, caller, asked.connection))
        found_pages = client.pages(action.key, asked.inputs, asked.limit, clear=asked.clear, cursor=asked.cursor)
        pages = await stack.enter_async_context(aclosing(closable(found_pages)))
        first = await within(seconds, anext(pages), effect_of(action, asked))
        held = stack.pop_all()
    return Lines(lines(pages, first, note, seconds, effect_of(action, asked)), held)


@router.post(
    "/actions/{key}/inputs/{input}/choices", response_model=models.ChoicesAnswer, summary="What an input's list offers"
)
async def choices(key: str, input: str, request: Request, caller: CallerOf) -> Response:
    """A page of the choices of an input: searched, and dependent on what was filled in so far."""
    service, note = of(request), note_of(request)
    action = service.action(key, note)
    note.action = None
    if input not in action.by_name:
        raise problems.unknown("input", input, action.by_name)
    asked = await read(request, models.ChoicesRequest)
    async with lent(service, caller, asked.connection, needed=False) as client:
        asking = client.choices(
            key, input, asked.inputs, search=asked.search, cursor=asked.cursor, parameters=asked.parameters
        )
        found = await within(service.settings.timeout, asking, "read")
    listed = [
        {"value": choice.value, "label": choice.label, "description": choice.description} for choice in found.choices
    ]
    return answer({"choices": listed, "cursor": found.cursor})


# -- within ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def lent(
    service: Service, caller: Caller, name: str | None, *, needed: bool = True
) -> AsyncIterator[AsyncClient]:
    """The client of a connection of the caller's."""
    async with service.clients.lend(caller.tenant, name, token=caller.local, needed=needed) as client:
        yield client


def effect_of(action: Action, asked: models.RunRequest) -> str:
    """What a run does: as the action says, or as its method does where that is an input."""
    if action.effect is not None:
        return action.effect
    try:
        return render.effect_of(action, render.draft(action, action.bind(asked.inputs, asked.clear).values).method)
    except InputError:
        return "read"  # nothing will be sent


def is_kept(error: ConnectorError | Refusal) -> bool:
    """Whether a failure is what repetitions get: not if nothing was sent, nor if the same may succeed later."""
    if isinstance(error, Refusal) or (isinstance(error, RequestError) and error.may_have_been_done):
        return error.may_have_been_done
    return isinstance(error, RequestError) and not isinstance(error, AuthError) and not error.retriable


def answer(data: Any, status: int = 200) -> Response:
    """Data as JSON."""
    content = data if isinstance(data, bytes) else json_text.write(data)
    return Response(content, status, media_type="application/json")


async def _check(request: Request, action: Action, asked: models.RunRequest) -> None:
    """Bind large inputs apart first: to tell what is wrong with them takes a while. Raises `InputError`."""
    if await is_large(request):
        await asyncio.to_thread(action.bind, asked.inputs, asked.clear)


async def _run(
    service: Service,
    action: Action,
    asked: models.RunRequest,
    caller: Caller,
    note: Note,
    seconds: float,
    vendors_key: str | None,
) -> bytes:
    started = time.monotonic()
    async with lent(service, caller, asked.connection) as client:
        running = client.run(
            action.key,
            asked.inputs,
            asked.limit,
            clear=asked.clear,
            cursor=asked.cursor,
            deadline=seconds,
            recover=asked.recover,
            idempotency_key=vendors_key,
        )
        try:
            result = await within(seconds + GRACE, running, effect_of(action, asked))
        except TransportError as error:
            raise _late(error) if time.monotonic() - started >= seconds else error from None
    return json_text.write({"data": result.data, "meta": _meta(result, note)})


def _meta(result: Result, note: Note) -> dict[str, Any]:
    return {
        "status": result.status,
        "headers": {name: value for name, value in result.headers.items() if name not in HIDDEN},
        "warnings": warned(result.warnings),
        "cursor": result.cursor,
        "request_id": note.request_id,
    }


def _late(error: TransportError) -> Refusal:
    return Refusal(
        kind="timeout",
        message=error.message,
        hint=error.hint,
        retriable=error.retriable,
        may_have_been_done=error.may_have_been_done,
    )


def _seconds(asked: models.RunRequest, service: Service) -> float:
    most = service.settings.timeout
    if asked.deadline is not None and asked.deadline > most:
        _refuse(True, "deadline", f"must be at most {most:g} seconds here")
    return most if asked.deadline is None else asked.deadline


def _refuse(wrong: bool, where: str, what: str) -> None:
    if wrong:
        raise Refusal(kind="input", message="One problem with the request:", problems=(Problem(where, what),))


def _vendors_key(action: Action, tenant: str, key: str) -> str | None:
    """The key for a vendor that takes one: another one for each tenant, since tenants may share an account."""
    if action.profile.idempotency is None or action.effect not in ("create", None):
        return None
    return hashlib.sha256(f"{tenant}\0{key}".encode()).hexdigest()


async def _hold(service: Service, held: Held, body: bytes, effect: str, note: Note) -> None:
    """Keep an answer; of one that is too long, that it was done. A read can be done again."""
    if len(body) <= LARGEST:
        await _keep(service, held, Kept(status=200, body=body))
    elif effect == "read":
        await _forget(service, held)
    else:
        done = told(TOO_LONG, note.request_id, note.root)
        await _keep(service, held, Kept(status=done.status, body=json_text.write(done.document)))


async def _keep(service: Service, held: Held, first: Kept) -> None:
    try:
        await service.in_store(held.keep, first)
    except (StoreError, Refusal) as error:  # it was done, which is what the caller must hear
        logger.error("An answer could not be kept for its idempotency key: %s", error)


async def _forget(service: Service, held: Held) -> None:
    try:
        await service.in_store(held.forget)
    except (StoreError, Refusal) as error:
        logger.error("An idempotency key could not be given back: %s", error)
