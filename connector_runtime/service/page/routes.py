"""Serves the page's few files. It needs no build and asks no other host for anything; the browser is held to that."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response

from ..problems import of_status

KINDS: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES: Final = ("page.css", "api.js", "dom.js", "combo.js", "fields.js", "form.js", "shown.js", "events.js", "page.js")
router = APIRouter()


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself."""
    return _file("page.html", request)


@router.get("/page/{name}")
async def part(name: str, request: Request) -> Response:
    """A file of the page."""
    if name not in FILES:
        raise of_status(404, "Not Found", None)
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
    return Response(content, media_type=KINDS[name.rpartition(".")[2]], headers=headers)


@cache
def _read(name: str) -> tuple[bytes, str]:
    content = (files(__package__) / name).read_bytes()
    return content, f'"{hashlib.blake2s(content, digest_size=8).hexdigest()}"'
