"""Zoom's documented endpoints, read from `endpoints.json`, and the search for the endpoint of a path; touches no state.

An `Endpoint` has its parameters, its documented refusals, and the schemas of its request and response bodies.
A `ZoomRefusal` is an error response; its message always comes from the data file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

from .wire import WireRequest

_SLASHES = re.compile("//+")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")


class ZoomRefusal(Exception):
    """A refusal by Zoom: HTTP status, Zoom's own code, message, and the invalid fields if it names any."""

    def __init__(
        self,
        status: int,
        code: int | None,
        message: str,
        *,
        fields: tuple[str, ...] = (),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        self.headers = headers

    def body(self) -> dict[str, Any]:
        """Return the error in the form of Zoom's JSON."""
        body: dict[str, Any] = {} if self.code is None else {"code": self.code}
        body["message"] = self.message
        if self.fields:
            body["errors"] = [{"field": name, "message": "Invalid field."} for name in self.fields]
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedRefusal:
    """One documented refusal: HTTP status, Zoom's code and message, with `{names}` to fill in."""

    http: int
    code: int | None
    says: str

    def fill(self, words: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> ZoomRefusal:
        message = re.sub(r"\{(\w+)\}", lambda match: str(words.get(match[1], match[0])), self.says)
        return ZoomRefusal(self.http, self.code, message, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Zoom's documentation of one method and path; `answer` is the JSON Schema of a success, None for a 204."""

    method: str
    path: str
    operation: str
    rate: str
    success: int
    scopes: Mapping[str, list[str]]
    path_params: Mapping[str, Mapping[str, Any]]
    query: Mapping[str, Mapping[str, Any]]
    body: Mapping[str, Any] | None
    errors: tuple[DocumentedRefusal, ...]
    answer: Mapping[str, Any] | None

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    def refusal(self, code: int | None, about: str = "", /, **words: Any) -> ZoomRefusal:
        """Return the documented refusal with this code whose message contains `about`."""
        for refusal in (*self.errors, *common()):
            if refusal.code == code and about in refusal.says:
                return refusal.fill(words)
        raise LookupError(f"{self.key} documents no refusal {code} about {about!r}")

    def fields_of(self, *path: str) -> tuple[str, ...]:
        """Return the names of a response's fields at `path`, e.g. `("users",)` for the rows of a list."""
        node: Any = self.answer or {}
        for name in path:
            node = node["properties"][name]
            node = node.get("items", node)
        return tuple(node.get("properties", ()))


@dataclass(slots=True, kw_only=True)
class Call:
    """A checked request to one endpoint, with converted path and query values and with defaults filled in."""

    endpoint: Endpoint
    request: WireRequest
    now: float
    path: dict[str, str]
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    def refusal(self, code: int | None, about: str = "", /, **words: Any) -> ZoomRefusal:
        """Return a documented refusal, with the values of the path filled into its message."""
        return self.endpoint.refusal(code, about, **{**self.path, **words})

    def invalid(self, *fields: str) -> ZoomRefusal:
        """Return Zoom's `300 Validation Failed.` for these fields."""
        refusal = self.endpoint.refusal(300, "Validation Failed.")
        refusal.fields = fields
        return refusal


@cache
def _data() -> Any:
    return json.loads((files(__package__) / "endpoints.json").read_text("utf-8"))


@cache
def common() -> tuple[DocumentedRefusal, ...]:
    """Return the refusals that all endpoints share."""
    return tuple(DocumentedRefusal(**row) for row in _data()["common"])


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """Return every endpoint of the data file."""
    result = []
    for key, row in _data()["endpoints"].items():
        method, path = key.split(" ")
        rest = {name: value for name, value in row.items() if name not in ("path", "errors")}
        errors = tuple(DocumentedRefusal(**error) for error in row["errors"])
        result.append(Endpoint(method=method, path=path, path_params=row["path"], errors=errors, **rest))
    return tuple(result)


@cache
def _routes() -> dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]]:
    """Group the endpoints by method and number of path segments, so `find` compares only a few."""
    routes: dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]] = {}
    for endpoint in endpoints():
        segments = tuple(endpoint.path[1:].split("/"))
        routes.setdefault((endpoint.method, len(segments)), []).append((segments, endpoint))
    return routes


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
    """Return the endpoint of a raw path under `/v2` and the path's values; None for an unknown path."""
    segments = path[1:].split("/")
    for pattern, endpoint in _routes().get((method, len(segments)), ()):
        if all(part[0] == "{" or part == segment for part, segment in zip(pattern, segments, strict=True)):
            pairs = zip(pattern, segments, strict=True)
            values = {part[1:-1]: read_segment(segment) for part, segment in pairs if part[0] == "{"}
            return (endpoint, values) if all(values.values()) else None
    return None


def read_segment(raw: str) -> str:
    """Decode one path segment as Zoom's gateway and then Zoom itself do.

    A value that starts with "/" or contains "//" loses slashes on the way unless it was encoded twice. Any other value
    is decoded once. A bare "+" is a space, so email addresses and UUIDs must write it as %2B.
    """
    value = unquote(raw.replace("+", " "))
    if _ESCAPE.search(value):
        again = unquote(value)
        if again.startswith("/") or "//" in again:
            return again
        return value
    return _SLASHES.sub("/", value).lstrip("/")
