"""Cuts lists into pages and issues the opaque tokens that lead from one to the next; it keeps nothing between calls.

A token names the last row it saw, so rows that come or go between two pages neither repeat nor hide others. It is
signed over the path and the query: it leads on only in the list that issued it, and only for as long as it lives.
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
_LEADING = ("next_page_token", "page_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTokens:
    """Issues page tokens that live for `lifetime` seconds."""

    secret: bytes
    lifetime: float

    def issue(self, call: Call, after: Any) -> str:
        said = json.dumps([round(call.now + self.lifetime, 3), after]).encode()
        return base64.urlsafe_b64encode(self._sign(call, said) + said).decode().rstrip("=")

    def read(self, call: Call, token: str) -> Any:
        """Give the key of the last row the token saw, or raise Zoom's refusal."""
        refusal = call.refusal(300, "next page token")
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise refusal from None
        signature, said = raw[:12], raw[12:]
        if not hmac.compare_digest(signature, self._sign(call, said)):
            raise refusal
        expires, after = json.loads(said)
        if call.now > expires:
            raise refusal
        return tuple(after) if isinstance(after, list) else after

    def _sign(self, call: Call, said: bytes) -> bytes:
        path, _, query = call.request.target.partition("?")
        pairs = sorted(pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in _LEADING)
        text = json.dumps([call.endpoint.operation, path, pairs]).encode()
        return hashlib.blake2b(text + b"\n" + said, key=self.secret, digest_size=12).digest()


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
    """Answer one page of `rows` under `key`; `order` gives a row's ascending, unique sort key.

    Which of page_count, page_number, page_size, total_records and next_page_token the answer has is the endpoint's
    own matter: the data file says it.
    """
    size = size or call.query.get("page_size", 30)
    number = 1
    if call.query.get("next_page_token"):
        start = bisect_right(rows, tokens.read(call, call.query["next_page_token"]), key=order)
    else:
        number = call.query.get("page_number", 1)
        start = (number - 1) * size
    shown = rows[start : start + size]
    is_last = start + size >= len(rows)
    fields = {
        "page_count": -(-len(rows) // size),
        "page_number": number,
        "page_size": size,
        "total_records": len(rows),
        "next_page_token": "" if is_last or not shown else tokens.issue(call, order(shown[-1])),
    }
    known = call.endpoint.fields_of()
    answer: dict[str, Any] = {name: value for name, value in fields.items() if name in known}
    answer[key] = [show(row) for row in shown]
    return answer
