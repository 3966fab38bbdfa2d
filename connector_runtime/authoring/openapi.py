"""Reads one operation of an OpenAPI document (3.0, 3.1, Swagger 2.0). Pure: the document is data, not a file.

References are followed, `allOf` is merged, and null is separated from the type. References to other files and hosts are
not fetched and are treated as empty.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..errors import InputError, Problem
from ..language import places
from ..language.schema_faults import nearest
from ..model import Json

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
UNSENT_HEADERS = ("accept", "content-type", "authorization")  # OpenAPI ignores parameters with these names
MEDIA = (
    (re.compile(r"application/json(;.*)?|application/[^;]*\+json.*|\*/\*", re.DOTALL), "json"),
    (re.compile(r"application/x-www-form-urlencoded.*"), "form"),
    (re.compile(r"multipart/form-data.*"), "multipart"),
)
MAX_SCHEMAS = 20_000  # per operation; further schemas are treated as empty
Schema = dict[str, Json]


class Parameter(NamedTuple):
    """One parameter with its resolved schema. `style` is `csv` for a list as one string, `json` for JSON."""

    name: str
    place: str
    required: bool
    schema: Schema
    style: str | None
    deprecated: bool


def operations(document: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the method and path of every operation by its id, or by `METHOD /path` if it has none."""
    by_id: dict[str, tuple[str, str]] = {}
    for path, item in _mapping(document.get("paths")).items():
        for method in METHODS:
            if isinstance(item, Mapping) and isinstance(item.get(method), Mapping):
                by_id[str(item[method].get("operationId") or f"{method.upper()} {path}")] = method, path
    return by_id


def operation(document: Mapping[str, Any], name: str | None) -> Operation:
    """Return one operation by its id or `METHOD /path`. Raises `InputError`, which suggests the nearest ids."""
    if not isinstance(document, Mapping) or not ("openapi" in document or "swagger" in document):
        what = "is not an OpenAPI document: it has neither `openapi` nor `swagger`"
        raise InputError.of("--from", [Problem("--from", what)])
    by_id = operations(document)
    by_path = {f"{method.upper()} {path}": (method, path) for method, path in by_id.values()}
    method, path = by_id.get(name or "") or by_path.get(name or "") or ("", "")
    if not path:
        ids = ", ".join(list(by_id)[:12]) + (f" and {len(by_id) - 12} more" if len(by_id) > 12 else "")
        what = f"is {name!r}, which the document lacks.{nearest(name, by_id)}" if name else "is required."
        raise InputError.of("--from", [Problem("--operation", f"{what} The document has: {ids}")])
    return Operation(document, method, path)


def server_path(document: Mapping[str, Any], *parts: Mapping[str, Any]) -> str:
    """Return the path of the first server, which precedes an operation's path; `parts` may name other servers."""
    if "swagger" in document:
        return str(document.get("basePath") or "").rstrip("/")
    owner: Any = next((part for part in (*reversed(parts), document) if part.get("servers")), {"servers": [{}]})
    server = _mapping(owner["servers"][0])
    url = str(server.get("url") or "")
    for name, variable in _mapping(server.get("variables")).items():
        url = url.replace(f"{{{name}}}", str(_mapping(variable).get("default", "")))
    return urlsplit(url).path.rstrip("/")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class Operation:
    """One operation of a document, with its references resolved."""

    def __init__(self, document: Mapping[str, Any], method: str, path: str) -> None:
        self._document, self._schemas = document, 0
        self._is_old = "swagger" in document
        item = self._follow(document["paths"][path])
        words = item[method]
        link = self._follow(words.get("externalDocs")).get("url") or ""
        self.method, self.path = method.upper(), path
        self.server = server_path(document, item, words)
        self.summary = str(words.get("summary") or "").strip()
        self.docs: str | None = link if link.startswith("https://") else None
        raw: dict[tuple[str, str], Mapping[str, Any]] = {}
        for entry in map(self._follow, (*(item.get("parameters") or ()), *(words.get("parameters") or ()))):
            if "name" in entry and "in" in entry:
                raw[entry["in"], entry["name"]] = entry
        entries = [self._parameter(entry) for (place, _), entry in raw.items() if place in ("path", "query", "header")]
        self.parameters = [one for one in entries if one.place != "header" or one.name.lower() not in UNSENT_HEADERS]
        body = self._follow(words.get("requestBody"))
        self.media, self.body = self._content(body.get("content"))
        self.body_required = bool(body.get("required"))
        if self._is_old:
            self.media, self.body, self.body_required = self._old_body(raw, words)
        self.answer = self._answer(words)
        self.scopes: dict[str, list[list[str]]] = {}  # by scheme: alternatives, each a list of scopes needed together
        for requirement in words.get("security", document.get("security")) or ():
            for scheme, scopes in _mapping(requirement).items():
                if scopes and list(scopes) not in self.scopes.setdefault(scheme, []):
                    self.scopes[scheme].append([str(scope) for scope in scopes])
        self.extensions = {name: value for name, value in words.items() if name.startswith("x-")}

    def _old_body(self, raw: Mapping[tuple[str, str], Any], words: Mapping[str, Any]) -> tuple[Any, Any, bool]:
        """Return the media type and schema of a Swagger 2.0 body, and whether it is required."""
        for (place, _), entry in raw.items():
            if place == "body":
                return "json", self._schema(entry.get("schema")), bool(entry.get("required"))
        fields = {name: entry for (place, name), entry in raw.items() if place == "formData"}
        if not fields:
            return None, None, False
        kinds = words.get("consumes") or self._document.get("consumes") or []
        properties = {name: self._parameter(entry).schema for name, entry in fields.items()}
        required = [name for name, entry in fields.items() if entry.get("required")]
        multipart = "multipart/form-data" in kinds or any(entry.get("type") == "file" for entry in fields.values())
        schema = {"type": "object", "properties": properties, "required": required}
        return "multipart" if multipart else "form", schema, bool(required)

    def _content(self, content: Any) -> tuple[str | None, Schema | None]:
        for pattern, media in MEDIA:
            for name, entry in _mapping(content).items():
                if pattern.fullmatch(name):
                    return media, self._schema(_mapping(entry).get("schema"))
        return ("other", {}) if content else (None, None)

    def _parameter(self, raw: Mapping[str, Any]) -> Parameter:
        style, schema = None, None
        if isinstance(raw.get("content"), Mapping):
            style, (_, schema) = "json", self._content(raw["content"])
        elif self._is_old:
            schema = self._schema({key: value for key, value in raw.items() if key not in ("required", "description")})
            style = "csv" if raw.get("collectionFormat", "csv") == "csv" else None
        else:
            schema = self._schema(raw.get("schema"))
            style = "csv" if raw["in"] != "query" or raw.get("explode") is False else None
        example = raw.get("example", raw.get("x-example"))
        schema = {**(schema or {}), **({} if example is None else {"example": example})}
        required = bool(raw.get("required")) or raw["in"] == "path"
        return Parameter(str(raw["name"]), raw["in"], required, schema, style, bool(raw.get("deprecated")))

    def _answer(self, words: Mapping[str, Any]) -> Schema | None:
        """Return the schema of the first successful response in JSON."""
        for status, raw in sorted(_mapping(words.get("responses")).items(), key=lambda entry: str(entry[0])):
            if str(status).startswith("2"):
                response = self._follow(raw)
                media, schema = self._content(response.get("content"))
                if self._is_old and "schema" in response:
                    media, schema = "json", self._schema(response["schema"])
                if media == "json" and schema:
                    return schema
        return None

    def _follow(self, raw: Any) -> Mapping[str, Any]:
        """Return the target of a chain of references; empty if the chain leads out of the document."""
        for _ in range(20):
            ref = _mapping(raw).get("$ref")
            if not isinstance(ref, str):
                return _mapping(raw)
            steps = (step.replace("~1", "/").replace("~0", "~") for step in ref.lstrip("#").strip("/").split("/"))
            raw = places.dig(self._document, tuple(steps)) if ref.startswith("#") else None
        return {}

    def _schema(self, raw: Any, depth: int = 0) -> Schema:
        """Return a schema without references, eight levels deep, with one type, `nullable`, and `allOf` merged."""
        source = self._follow(raw)
        self._schemas += 1
        if depth > 8 or self._schemas > MAX_SCHEMAS:
            return {}
        schema = self._alternatives({key: value for key, value in source.items() if key != "allOf"}, depth)
        if isinstance(schema.get("properties"), Mapping):
            parts = schema["properties"].items()
            schema["properties"] = {str(name): self._schema(part, depth + 1) for name, part in parts}
        for word in ("items", "additionalProperties"):
            if word in schema and (word == "items" or isinstance(schema[word], Mapping)):
                schema[word] = self._schema(schema[word], depth + 1)
        for part in source.get("allOf") or ():
            schema = _merged(self._schema(part, depth + 1), schema)
        return schema

    def _alternatives(self, schema: Schema, depth: int) -> Schema:
        """Return a schema with one type or `anyOf`; a type of null becomes `nullable`."""
        if schema.get("x-nullable"):
            schema = {**schema, "nullable": True}
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                others = [self._schema(part, depth + 1) for part in schema.pop(word)]
                parts_left = [part for part in others if part.get("type") != "null" and part.get("enum") != [None]]
                schema |= {"nullable": True} if len(parts_left) < len(others) else {}
                if "properties" in schema:  # some alternatives only list keys that are required together
                    groups = [part for part in parts_left if set(part) <= {"required", "type", "not"}]
                    schema["needs"] = [part["required"] for part in groups if "required" in part]
                    parts_left = [part for part in parts_left if part not in groups]
                if parts_left:
                    schema = _merged(parts_left[0], schema) if len(parts_left) == 1 else {**schema, "anyOf": parts_left}
        if isinstance(schema.get("type"), list):
            types = schema.pop("type")
            kinds = [kind for kind in types if kind != "null"]
            schema |= {"nullable": True} if len(kinds) < len(types) else {}
            schema |= {"type": kinds[0]} if len(kinds) == 1 else {"anyOf": [{"type": kind} for kind in kinds]}
        if "type" not in schema and "anyOf" not in schema:
            implied = {"properties": "object", "items": "array"}
            schema |= next(({"type": kind} for word, kind in implied.items() if word in schema), {})
        return schema


def _merged(one: Schema, other: Schema) -> Schema:
    """Return one schema for two that must both hold; if they contradict each other, the second wins."""
    both = {**one, **other}
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        both["properties"] = {**one["properties"], **other["properties"]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        both["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return both


def arrays(schema: Schema | None) -> list[str]:
    """Return the paths of the lists in a response, such as `users` or `data.users`; `.` is the response itself."""
    places = {".": schema or {}}
    for name, part in _mapping(places["."].get("properties")).items():
        places[name] = part
        places |= {f"{name}.{inner}": deep for inner, deep in _mapping(part.get("properties")).items()}
    return [name for name, part in places.items() if part.get("type") == "array"]
