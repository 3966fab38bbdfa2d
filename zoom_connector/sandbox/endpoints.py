"""Reads `endpoints.json` and finds the endpoint a path means; it holds what Zoom documents and touches no state.

An `Endpoint` carries its parameters, its body check, its documented refusals and the shape of its answer.
A `ZoomRefusal` is what a request is told instead: its wording always comes from the data file.
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
    """Zoom says no: an HTTP status, Zoom's own code, a message, and perhaps the fields that are wrong."""

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
        """Give the error as Zoom's JSON says it."""
        said: dict[str, Any] = {} if self.code is None else {"code": self.code}
        said["message"] = self.message
        if self.fields:
            said["errors"] = [{"field": name, "message": "Invalid field."} for name in self.fields]
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentedRefusal:
    """One documented refusal: HTTP status, Zoom's code and the wording, with `{names}` to fill in."""

    http: int
    code: int | None
    says: str

    def fill(self, words: Mapping[str, Any], headers: tuple[tuple[str, str], ...] = ()) -> ZoomRefusal:
        message = re.sub(r"\{(\w+)\}", lambda match: str(words.get(match[1], match[0])), self.says)
        return ZoomRefusal(self.http, self.code, message, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What Zoom documents of one method and path; `answer` is the JSON Schema of a success, None for 204."""

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
        """Give the documented refusal with this code whose wording contains `about`."""
        for said in (*self.errors, *common()):
            if said.code == code and about in said.says:
                return said.fill(words)
        raise LookupError(f"{self.key} documents no refusal {code} about {about!r}")

    def fields_of(self, *path: str) -> tuple[str, ...]:
        """Name the fields an answer may have at `path`, e.g. `("users",)` for the rows of a list."""
        node: Any = self.answer or {}
        for name in path:
            node = node["properties"][name]
            node = node.get("items", node)
        return tuple(node.get("properties", ()))


@dataclass(slots=True, kw_only=True)
class Call:
    """One request to one endpoint, checked: path and query values have their types, defaults are filled in."""

    endpoint: Endpoint
    request: WireRequest
    now: float
    path: dict[str, str]
    query: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)

    def refusal(self, code: int | None, about: str = "", /, **words: Any) -> ZoomRefusal:
        """Give a documented refusal, with the path's own values filled into its wording."""
        return self.endpoint.refusal(code, about, **{**self.path, **words})

    def invalid(self, *fields: str) -> ZoomRefusal:
        """Give Zoom's `300 Validation Failed.`, naming the fields that are wrong."""
        refusal = self.endpoint.refusal(300, "Validation Failed.")
        refusal.fields = fields
        return refusal


@cache
def _data() -> Any:
    return json.loads((files(__package__) / "endpoints.json").read_text("utf-8"))


@cache
def common() -> tuple[DocumentedRefusal, ...]:
    """Give the refusals that every endpoint may answer."""
    return tuple(DocumentedRefusal(**said) for said in _data()["common"])


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """Give every endpoint of the data file."""
    found = []
    for key, row in _data()["endpoints"].items():
        method, path = key.split(" ")
        rest = {name: value for name, value in row.items() if name not in ("path", "errors")}
        errors = tuple(DocumentedRefusal(**said) for said in row["errors"])
        found.append(Endpoint(method=method, path=path, path_params=row["path"], errors=errors, **rest))
    return tuple(found)


@cache
def _routes() -> dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]]:
    """Sort the endpoints by method and number of segments, so that few remain to compare."""
    routes: dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]] = {}
    for endpoint in endpoints():
        segments = tuple(endpoint.path[1:].split("/"))
        routes.setdefault((endpoint.method, len(segments)), []).append((segments, endpoint))
    return routes


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
    """Find the endpoint for a raw path below `/v2`, and read the values out of its segments."""
    segments = path[1:].split("/")
    for pattern, endpoint in _routes().get((method, len(segments)), ()):
        if all(want[0] == "{" or want == have for want, have in zip(pattern, segments, strict=True)):
            values = {
                want[1:-1]: read_segment(have) for want, have in zip(pattern, segments, strict=True) if want[0] == "{"
            }
            return (endpoint, values) if all(values.values()) else None
    return None


def read_segment(raw: str) -> str:
    """Read one path segment as Zoom's gateway and then Zoom do.

    A value that starts with "/" or contains "//" loses slashes on the way unless it was encoded twice; any other
    value is decoded once. A bare "+" is a space, so addresses and UUIDs must write it as %2B.
    """
    value = unquote(raw.replace("+", " "))
    if _ESCAPE.search(value):
        again = unquote(value)
        if again.startswith("/") or "//" in again:
            return again
        return value
    return _SLASHES.sub("/", value).lstrip("/")
