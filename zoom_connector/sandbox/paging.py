"""Splits lists into pages and issues the opaque tokens that lead to the next page; it stores nothing between calls.

A token names the last row of its page, so rows added or removed between two pages neither repeat nor hide others. Its
signature covers the path and the query, so it is valid only for the list that issued it, and until it expires.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from .endpoints import Call

T = TypeVar("T")
_PAGE_NAMES = ("next_page_token", "page_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTokens:
    """Issues page tokens that live for `lifetime` seconds."""

    secret: bytes
    lifetime: float

    def issue(self, call: Call, after: Any) -> str:
        """Return the token of the page that follows the row with this sort key."""
        content = json.dumps([round(call.now + self.lifetime, 3), after]).encode()
        return base64.urlsafe_b64encode(self._sign(call, content) + content).decode().rstrip("=")

    def read(self, call: Call, token: str) -> Any:
        """Return the sort key of the row after which the token's page begins, or raise Zoom's refusal."""
        refusal = call.refusal(300, "next page token")
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise refusal from None
        signature, content = raw[:12], raw[12:]
        if not hmac.compare_digest(signature, self._sign(call, content)):
            raise refusal
        expires, after = json.loads(content)
        if call.now > expires:
            raise refusal
        return tuple(after) if isinstance(after, list) else after

    def _sign(self, call: Call, content: bytes) -> bytes:
        path, _, query = call.request.target.partition("?")
        pairs = sorted(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in _PAGE_NAMES)
        text = json.dumps([call.endpoint.operation, path, pairs]).encode()
        return hashlib.blake2b(text + b"\n" + content, key=self.secret, digest_size=12).digest()


def page(
    tokens: PageTokens,
    call: Call,
    key: str,
    rows: Sequence[T],
    show: Callable[[T], Any],
    *,
    order: Callable[[T], Any],
    size: int | None = None,
) -> dict[str, Any]:
    """Return one page of `rows` under `key`; `order` returns a row's ascending, unique sort key.

    Of page_count, page_number, page_size, total_records and next_page_token, the page has those that Zoom documents.
    """
    size = size or call.query.get("page_size", 30)
    number = 1
    if call.query.get("next_page_token"):
        start = bisect_right(rows, tokens.read(call, call.query["next_page_token"]), key=order)
    else:
        number = call.query.get("page_number", 1)
        start = (number - 1) * size
    selected = rows[start : start + size]
    is_last = start + size >= len(rows)
    fields = {
        "page_count": -(-len(rows) // size),
        "page_number": number,
        "page_size": size,
        "total_records": len(rows),
        "next_page_token": "" if is_last or not selected else tokens.issue(call, order(selected[-1])),
    }
    known = call.endpoint.fields_of()
    answer: dict[str, Any] = {name: value for name, value in fields.items() if name in known}
    answer[key] = [show(row) for row in selected]
    return answer
