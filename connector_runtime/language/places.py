"""Places: where a value goes in a request (`to`), and where it is in a response (`from`). Pure.

`body.settings.audio`, `query.x`, `path`; `status`, `header.link`, `link.next`, `body.users.0.id`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from ..model import Place

BARE_KINDS = ("path", "query", "header", "body", "part", "request", "call", "base")
CALL_KNOBS = {
    "response_type": "json, text or binary",
    "timeout": "milliseconds that one attempt may take",
    "debug": "log the attempt, without its inputs",
    "file_names": "names for the files of a multipart body",
    "retry.max_count": "maximum number of retries",
    "retry.delay_ms": "milliseconds between retries",
    "retry.on_all_errors": "retry after every error, not only after 5xx and network errors",
    "retry.exponential": "back off exponentially instead of using the fixed delay",
}


def place(text: str, key: str = "") -> Place:
    """Parse a `to`. A bare kind implies the input's own key: `body` on the input `topic` is `body.topic`."""
    kind, _, rest = text.partition(".")
    if not rest:
        return Place(kind, (key,)) if kind in BARE_KINDS else Place(kind, ())
    if rest == "*":
        return Place(kind, (), spread=True)
    if kind != "body":
        return Place(kind, (rest,))
    steps = tuple(rest.split("."))
    return Place(kind, steps[:-1], spread=True) if steps[-1] == "*" else Place(kind, steps)


class Answer(NamedTuple):
    """A response with its body as data: None if empty, a `JsonError` if not JSON. `odd`: numbers read as strings."""

    status: int
    headers: Mapping[str, str]
    body: Any
    odd: Sequence[str] = ()
    path: Sequence[str] = ()  # the parts of the request's path

    def __repr__(self) -> str:
        return f"Answer({self.status!r})"


def look(source: str, answer: Answer) -> Any:
    """Return the value at a place of a response: `status`, `header.x`, `body.a.0`, `link.next`; None if absent."""
    kind, rest, steps = _parts(source)
    if kind == "status":
        return answer.status
    if kind == "header":
        return answer.headers.get(rest.lower())
    if kind == "path":
        return dig(answer.path, steps)
    if kind == "link":
        return links(answer.headers.get("link", "")).get(rest)
    return dig(answer.body, steps) if rest else answer.body


@cache
def _parts(source: str) -> tuple[str, str, tuple[str, ...]]:
    kind, _, rest = source.partition(".")
    return kind, rest, tuple(rest.split("."))


def dig(data: Any, steps: Sequence[str]) -> Any:
    """Follow keys and indexes into JSON data; None if one is missing."""
    for step in steps:
        if type(data) is dict or isinstance(data, Mapping):  # a dict is usual, and quicker to recognize
            data = data.get(step)
        elif isinstance(data, list) and re.fullmatch(r"-?[0-9]+", step) and -len(data) <= int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data


def at(data: Any, path: str) -> Any:
    """Return the value at a path such as `payload.object.id`; None if absent."""
    return dig(data, path.split("."))


def links(header: str) -> dict[str, str]:
    """Return the URLs of a Link header (RFC 8288) by their `rel`."""
    urls: dict[str, str] = {}
    url = ""
    for target, name, value in re.findall(r'<([^<>]*)>|;\s*([^=,;"\s]+)\s*=\s*("[^"]*"|[^",;\s]+)', header):
        url = url if name else target
        if name.lower() == "rel":
            urls.update({rel.lower(): url for rel in value.strip('"').split()})
    return urls


def text_of(value: Any) -> str:
    """Return a value as text for a URL, a header or a form: `true`, `8`, `1.5`; lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
