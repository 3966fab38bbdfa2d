"""Lists as lines of JSON: an `item` a line, and a last line that says how it ended. A cut-off answer lacks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from fastapi.responses import StreamingResponse

from ..errors import ConnectorError
from ..language import json_text
from ..model import Page
from .problems import Refusal, told
from .state import timed_out
from .telemetry import Note

T = TypeVar("T")


async def within(seconds: float, running: Awaitable[T], effect: str) -> T:
    """What comes of a call in time. Raises `Refusal` (504), which says whether a change may have been made."""
    try:
        async with asyncio.timeout(seconds):
            return await running
    except TimeoutError:
        raise timed_out(seconds, may_have_been_done=effect != "read") from None


def warned(found: tuple[Any, ...]) -> list[dict[str, str]]:
    """Warnings as data."""
    return [{"where": warning.where, "what": warning.what} for warning in found]


async def closable(pages: AsyncIterator[Page]) -> AsyncGenerator[Page, None]:
    """Pages that can be left in the middle."""
    async for page in pages:
        yield page


class Lines(StreamingResponse):
    """Lines of JSON; what they need is let go of at their end, also when the reader goes away."""

    def __init__(self, lines: Any, held: AsyncExitStack) -> None:
        super().__init__(lines, media_type="application/x-ndjson")
        self._lines = lines
        self._held = held

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._lines.aclose()
            await self._held.aclose()


async def lines(
    pages: AsyncIterator[Page], first: Page, note: Note, seconds: float, effect: str
) -> AsyncIterator[bytes]:
    """A chunk for each page, and the last line."""
    count = 0
    cursor: str | None = None
    warnings: list[dict[str, str]] = []
    page: Page | None = first
    failure: ConnectorError | Refusal | None = None
    note.outcome = "cut"  # until it ends
    while page is not None:
        items = [page.data] if page.items is None else page.items
        count += len(items)
        cursor = page.cursor
        warnings += warned(page.warnings)
        if items:
            yield b"".join(json_text.write({"item": item}) + b"\n" for item in items)
        try:
            page = await within(seconds, anext(pages), effect)
        except StopAsyncIteration:
            page = None
        except (ConnectorError, Refusal) as error:
            page, failure = None, error
    end: dict[str, Any] = {"ok": failure is None, "items": count, "warnings": warnings, "cursor": cursor}
    note.outcome = "ok"
    if failure is not None:
        problem = told(failure, note.request_id, note.root)
        note.outcome = problem.kind
        end |= {"error": problem.document, "cursor": getattr(failure, "cursor", None) or cursor}
    yield json_text.write({"end": end}) + b"\n"
