"""Requests as text that may be logged: what looks like a secret is masked. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from ..model import Json, Request

MASK = "***"
SECRET = re.compile(
    r"pass|secret|token|auth|cookie|credential|signature|(?:^|[-_])(?:key|pin|otp)(?:$|[-_])", re.IGNORECASE
)


def shown(request: Request) -> str:
    """A request as its log record shows it: line, headers, body."""
    lines = [f"{request.method} {url(request.shown)}"]
    lines += [f"{name}: {MASK if SECRET.search(name) else value}" for name, value in request.headers]
    if request.body is not None:
        lines.append(json.dumps(data(request.body), ensure_ascii=False))
    return "\n".join(lines)


def url(text: str) -> str:
    """A URL whose query parameters with secret names are masked."""
    parts = urlsplit(text)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if not any(SECRET.search(name) for name, _ in pairs):
        return text
    query = "&".join(f"{quote(name)}={MASK if SECRET.search(name) else quote(value)}" for name, value in pairs)
    return urlunsplit(parts._replace(query=query))


def data(value: Json) -> Any:
    """Data whose entries with secret names are masked, and whose files are named without their content."""
    if isinstance(value, Mapping):
        return {name: MASK if SECRET.search(name) or name == "base64" else data(item) for name, item in value.items()}
    if isinstance(value, list):
        if all(isinstance(item, Mapping) and set(item) == {"name", "value"} for item in value):
            return [{**item, "value": MASK} if SECRET.search(str(item["name"])) else dict(item) for item in value]
        return [data(item) for item in value]
    return value
