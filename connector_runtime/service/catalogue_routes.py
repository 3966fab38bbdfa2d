"""The routes that tell what there is: catalogue, one action, kinds of problem, whose key it is. They read definitions.

The catalogue is the same for the same definitions, so it is written once, and a client that has it is told so (304).
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ..definitions.connector import Connector
from ..language import json_text
from . import models
from .problems import KINDS, unknown
from .runs import answer
from .state import CallerOf, Service, note_of, of

router = APIRouter(prefix="/v1")
Locale = Annotated[str | None, Query(max_length=35, pattern=r"^[A-Za-z0-9_-]+$", description="A language, such as de.")]
REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "The ETag is still that of If-None-Match."}}


@dataclass(frozen=True, slots=True)
class Written:
    """A document as it is sent."""

    content: bytes
    packed: bytes
    etag: str


@router.get(
    "/catalogue",
    responses={**UNCHANGED, 200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
    summary="All that a platform draws",
)
async def catalogue(request: Request, caller: CallerOf, locale: Locale = None, events: bool = False) -> Response:
    """Actions, triggers and connections with their forms, as one document; in another language where there is one.

    With `events` each event has its schema and sample, which make it three times as long.
    """
    service = of(request)
    return document(request, await service.in_store(_catalogue, service, locale, events))


@router.get(
    "/actions/{key}",
    responses={**UNCHANGED, 200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
    summary="One action of the catalogue",
)
async def action(key: str, request: Request, caller: CallerOf, locale: Locale = None) -> Response:
    """Its inputs, schemas, sample and effect, as in the catalogue."""
    service, note = of(request), note_of(request)
    service.action(key, note)
    note.action = None
    return document(request, await service.in_store(_entry, service, key, locale))


@router.get(
    "/triggers/{trigger}/events/{name}",
    responses={**UNCHANGED, 200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
    summary="One documented event",
)
async def event(trigger: str, name: str, request: Request, caller: CallerOf) -> Response:
    """Its label, the JSON Schema of its payload, and a sample."""
    service = of(request)
    if trigger not in service.connector.triggers:
        raise unknown("trigger", trigger, service.connector.triggers)
    events = (await service.in_store(service.connector.triggers.__getitem__, trigger)).events
    if name not in events:
        raise unknown("event", name, events)
    return document(request, await service.in_store(_event, service, trigger, name))


@router.get("/problems", response_model=models.KindsAnswer, summary="The kinds of problem")
async def kinds() -> Response:
    """What each `kind` means and what to do."""
    found = [{"kind": name, "status": kind.status, "title": kind.title, "do": kind.do} for name, kind in KINDS.items()]
    return answer({"problems": found})


@router.get("/tenant", response_model=models.TenantAnswer, summary="Whose key it is")
async def tenant(request: Request, caller: CallerOf) -> Response:
    service = of(request)
    said = {
        "tenant": caller.tenant,
        "local": caller.local,
        "connector": service.connector.key,
        "version": service.connector.profile.version,
        "has_token": caller.local and service.clients.has_token,
    }
    return answer(said)


def _in(service: Service, locale: str | None) -> Connector:
    """The connector in a language; de-AT and de-CH are one where only de is there."""
    return service.connector if locale is None else service.connector.localized(locale)


def _catalogue(service: Service, locale: str | None, events: bool) -> Written:
    spoken = _in(service, locale)
    return once(service, ("catalogue", spoken.locale, events), lambda: spoken.catalogue(events=events))


def _entry(service: Service, key: str, locale: str | None) -> Written:
    spoken = _in(service, locale)

    def found() -> Any:
        return next(entry for entry in spoken.catalogue()["actions"] if entry["key"] == key)

    return once(service, ("action", key, spoken.locale), found)


def _event(service: Service, trigger: str, name: str) -> Written:
    return once(service, ("event", trigger, name), lambda: service.connector.event(trigger, name))


def once(service: Service, place: tuple[Any, ...], make: Callable[[], Any]) -> Written:
    """A document that stays as it is, written when it is first asked for."""
    written: Written | None = service.written.get(place)
    if written is None:
        content = json_text.write(make())
        etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
        written = Written(content, gzip.compress(content, 6, mtime=0), etag)
        service.written[place] = written
    return written


def document(request: Request, written: Written) -> Response:
    """The answer that a document is: not at all if the client has it, packed if the client can unpack it."""
    headers = {"ETag": written.etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    wanted = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if written.etag.removeprefix("W/") in wanted or "*" in wanted:
        return Response(status_code=304, headers=headers)
    if REFUSED.search(said := request.headers.get("accept-encoding", "").lower()) is None and "gzip" in said:
        return Response(written.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type="application/json")
    return Response(written.content, headers=headers, media_type="application/json")
