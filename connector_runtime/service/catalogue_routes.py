"""The routes that tell what there is: catalogue, one action, kinds of problem, whose key it is; and the page's files.

They read definitions. A document is the same for the same definitions, so it is written once, and a client that has it
is told so (304). The page needs no build and asks no other host for anything; the browser is held to that.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ..definitions.connector import Connector
from ..language import json_text
from . import models
from .gate import Context, at
from .problems import KINDS, check_known, of_status
from .runs import answer

router = APIRouter(prefix="/v1")
page_router = APIRouter()
Locale = Annotated[str | None, Query(max_length=35, pattern=r"^[A-Za-z0-9_-]+$", description="A language, such as de.")]
REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")
DOCUMENT: dict[int | str, dict[str, Any]] = {
    304: {"description": "The ETag is still that of If-None-Match."},
    200: {"content": {"application/json": {"schema": {"type": "object"}}}},
}
PAGE = ("page.css", "api.js", "dom.js", "combo.js", "fields.js", "form.js", "shown.js", "events.js", "page.js")
MEDIA_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@router.get("/catalogue", responses=DOCUMENT, summary="All that a platform draws")
async def catalogue(context: Context, locale: Locale = None, events: bool = False) -> Response:
    """Actions, triggers and connections with their forms, as one document; in another language where there is one.

    With `events` each event has its schema and sample, which make it three times as long.
    """
    return await document(
        context.request, ("catalogue", events), lambda spoken: spoken.catalogue(events=events), locale=locale
    )


@router.get("/actions/{key}", responses=DOCUMENT, summary="One action of the catalogue")
async def action(key: str, context: Context, locale: Locale = None) -> Response:
    """Its inputs, schemas, sample and effect, as in the catalogue."""
    context.action(key)

    def found(spoken: Connector) -> Any:
        return next(entry for entry in spoken.catalogue()["actions"] if entry["key"] == key)

    return await document(context.request, ("action", key), found, locale=locale)


@router.get("/triggers/{trigger}/events/{name}", responses=DOCUMENT, summary="One documented event")
async def event(trigger: str, name: str, context: Context) -> Response:
    """Its label, the JSON Schema of its payload, and a sample."""
    triggers = context.service.connector.triggers
    check_known("trigger", trigger, triggers)
    events = (await context.service.in_store(triggers.__getitem__, trigger)).events
    check_known("event", name, events)
    return await document(context.request, ("event", trigger, name), lambda spoken: spoken.event(trigger, name))


@router.get("/problems", response_model=models.KindsAnswer, summary="The kinds of problem")
async def kinds() -> Response:
    """What each `kind` means and what to do."""
    found = [
        {"kind": name, "status": kind.http_status, "title": kind.title, "do": kind.remedy}
        for name, kind in sorted(KINDS.items(), key=lambda item: item[1].http_status)
    ]
    return answer({"problems": found})


@router.get("/tenant", response_model=models.TenantAnswer, summary="Whose key it is")
async def tenant(context: Context) -> Response:
    connector = context.service.connector
    said = {
        "tenant": context.tenant,
        "local": context.service.is_local,
        "connector": connector.key,
        "version": connector.profile.version,
        "has_token": context.service.token is not None,
    }
    return answer(said)


# -- documents -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """A document as it is sent."""

    content: bytes
    packed: bytes
    etag: str


async def document(
    request: Request, name: tuple[Any, ...], make: Callable[[Connector], Any], *, locale: str | None = None
) -> Response:
    """The answer that a document is: not at all if the client has it, packed if the client can unpack it.

    It stays as it is and is written, in a thread, when it is first asked for. `make` is given the connector in the
    language; de-AT and de-CH are one where only de is there.
    """
    service = at(request).service

    def found() -> Written:
        spoken = service.connector if locale is None else service.connector.localized(locale)
        place = (*name, spoken.locale)
        if place not in service.written:
            content = json_text.write(make(spoken))
            etag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
            service.written[place] = Written(content, gzip.compress(content, 6, mtime=0), etag)
        return service.written[place]  # type: ignore[no-any-return]

    written = await service.in_store(found)
    headers = {"ETag": written.etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    wanted = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if written.etag.removeprefix("W/") in wanted or "*" in wanted:
        return Response(status_code=304, headers=headers)
    if REFUSED.search(said := request.headers.get("accept-encoding", "").lower()) is None and "gzip" in said:
        return answer(written.packed, headers={**headers, "Content-Encoding": "gzip"})
    return answer(written.content, headers=headers)


# -- the page --------------------------------------------------------------------------------------------------------


@page_router.get("/")
async def page(request: Request) -> Response:
    """A page to see the connector: pick an action, fill the form, watch the request change, run it, watch events."""
    return _file("page.html", request)


@page_router.get("/page/{name}")
async def part(name: str, request: Request) -> Response:
    """A file of the page."""
    if name not in PAGE:
        raise of_status(404, "Not Found")
    return _file(name, request)


def _file(name: str, request: Request) -> Response:
    content, mark = _read(name)
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
        "ETag": mark,
    }
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[name.rpartition(".")[2]])


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (files(__package__) / "page" / name).read_bytes()
    return content, f'"{hashlib.blake2s(content, digest_size=8).hexdigest()}"'
