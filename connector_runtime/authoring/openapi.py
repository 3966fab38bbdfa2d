"""Facts about one operation of an OpenAPI document (3.0, 3.1, Swagger 2.0). Pure: it is given data, not files.

What is read is trimmed to what an action needs: references followed, `allOf` merged, null told apart from the type.
What the document says elsewhere (another file, another host) is not fetched; it counts as not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..errors import InputError, Problem
from ..language import places
from ..language.wording import nearest
from ..model import Json

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
UNSENT_HEADERS = ("accept", "content-type", "authorization")  # OpenAPI itself says that these are not parameters
MEDIA = (
    (re.compile(r"application/json(;.*)?|application/[^;]*\+json.*|\*/\*"), "json"),
    (re.compile(r"application/x-www-form-urlencoded.*"), "form"),
    (re.compile(r"multipart/form-data.*"), "multipart"),
)
Schema = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter, its schema followed and merged. `style` is `csv` where a list is sent as one text."""

    name: str
    place: str
    required: bool
    schema: Schema
    style: str | None = None
    deprecated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a document says of one operation."""

    id: str
    method: str
    path: str
    server: str
    summary: str
    docs: str | None
    parameters: tuple[Parameter, ...]
    media: str | None
    body: Schema | None
    body_required: bool
    answer: Schema | None
    scopes: Mapping[str, list[list[str]]]
    more: Mapping[str, Json] = field(default_factory=dict)


def operations(document: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Every operation by its id, or by `METHOD /path` where it has none, with its method and path."""
    found: dict[str, tuple[str, str]] = {}
    for path, item in _mapping(document.get("paths")).items():
        for method in METHODS:
            if isinstance(item, Mapping) and isinstance(item.get(method), Mapping):
                found[str(item[method].get("operationId") or f"{method.upper()} {path}")] = method, path
    return found


def operation(document: Mapping[str, Any], wanted: str | None) -> Operation:
    """The facts of one operation, by its id or `METHOD /path`; raises `InputError` with the nearest ids."""
    if not isinstance(document, Mapping) or not ("openapi" in document or "swagger" in document):
        what = "is no OpenAPI document: it has neither `openapi` nor `swagger`"
        raise InputError.of("--from", [Problem("--from", what)])
    known = operations(document)
    by_path = {f"{method.upper()} {path}": (method, path) for method, path in known.values()}
    method, path = known.get(wanted or "") or by_path.get(wanted or "") or ("", "")
    if not path:
        shown = ", ".join(list(known)[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
        what = f"is {wanted!r}, which the document lacks.{nearest(wanted, known)}" if wanted else "is needed."
        raise InputError.of("--from", [Problem("--operation", f"{what} It has: {shown}")])
    return _Reader(document).operation(method, path)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


class _Reader:
    """Follows the references of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.old = "swagger" in document

    def operation(self, method: str, path: str) -> Operation:
        item = self.follow(self.document["paths"][path])
        said = item[method]
        parameters, media, body, body_required = self.inputs(item, said)
        link = self.follow(said.get("externalDocs")).get("url") or ""
        return Operation(
            id=str(said.get("operationId") or f"{method.upper()} {path}"),
            method=method.upper(),
            path=path,
            server=self.server(item, said),
            summary=str(said.get("summary") or "").strip(),
            docs=link if link.startswith("https://") else None,
            parameters=parameters,
            media=media,
            body=body,
            body_required=body_required,
            answer=self.answer(said),
            scopes=self.scopes(said),
            more={name: value for name, value in said.items() if name.startswith("x-")},
        )

    def server(self, item: Mapping[str, Any], said: Mapping[str, Any]) -> str:
        """The path of the first server, to which the operation's own is added."""
        if self.old:
            return str(self.document.get("basePath") or "").rstrip("/")
        servers = said.get("servers") or item.get("servers") or self.document.get("servers") or [{}]
        server = _mapping(servers[0])
        url = str(server.get("url") or "")
        for name, variable in _mapping(server.get("variables")).items():
            url = url.replace(f"{{{name}}}", str(_mapping(variable).get("default", "")))
        return urlsplit(url).path.rstrip("/")

    # -- inputs ------------------------------------------------------------------------------------------------------

    def inputs(self, item: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[Any, ...]:
        raw: dict[tuple[str, str], Mapping[str, Any]] = {}
        for given in (*(item.get("parameters") or ()), *(said.get("parameters") or ())):
            parameter = self.follow(given)
            if "name" in parameter and "in" in parameter:
                raw[parameter["in"], parameter["name"]] = parameter
        found = [self.parameter(entry) for (place, _), entry in raw.items() if place in ("path", "query", "header")]
        kept = tuple(entry for entry in found if entry.place != "header" or entry.name.lower() not in UNSENT_HEADERS)
        if self.old:
            return kept, *self.old_body(raw, said)
        body = self.follow(said.get("requestBody"))
        media, schema = self.content(body.get("content"))
        return kept, media, schema, bool(body.get("required"))

    def old_body(self, raw: Mapping[tuple[str, str], Any], said: Mapping[str, Any]) -> tuple[Any, ...]:
        whole = next((entry for (place, _), entry in raw.items() if place == "body"), None)
        fields = {name: entry for (place, name), entry in raw.items() if place == "formData"}
        if whole is not None:
            return "json", self.schema(whole.get("schema")), bool(whole.get("required"))
        if not fields:
            return None, None, False
        kinds = said.get("consumes") or self.document.get("consumes") or []
        properties = {name: self.parameter(entry).schema for name, entry in fields.items()}
        required = [name for name, entry in fields.items() if entry.get("required")]
        multipart = "multipart/form-data" in kinds or any(entry.get("type") == "file" for entry in fields.values())
        schema = {"type": "object", "properties": properties, "required": required}
        return "multipart" if multipart else "form", schema, bool(required)

    def content(self, content: Any) -> tuple[str | None, Schema | None]:
        for pattern, media in MEDIA:
            for name, entry in _mapping(content).items():
                if pattern.fullmatch(name):
                    return media, self.schema(_mapping(entry).get("schema"))
        return ("other", {}) if content else (None, None)

    def parameter(self, raw: Mapping[str, Any]) -> Parameter:
        style = None
        if isinstance(raw.get("content"), Mapping):
            _, schema = self.content(raw["content"])
            style = "json"
        elif self.old:
            schema = self.schema({key: value for key, value in raw.items() if key not in ("required", "description")})
            style = "csv" if raw.get("collectionFormat", "csv") == "csv" else None
        else:
            schema = self.schema(raw.get("schema"))
            if raw["in"] != "query" or raw.get("explode") is False:
                style = "csv"
        example = raw.get("example", raw.get("x-example"))
        return Parameter(
            name=str(raw["name"]),
            place=raw["in"],
            required=bool(raw.get("required")) or raw["in"] == "path",
            schema={**(schema or {}), **({} if example is None else {"example": example})},
            style=style,
            deprecated=bool(raw.get("deprecated")),
        )

    # -- answers and permissions -------------------------------------------------------------------------------------

    def answer(self, said: Mapping[str, Any]) -> Schema | None:
        """The schema of the first answer that is a success and JSON."""
        for status, raw in sorted(_mapping(said.get("responses")).items(), key=lambda entry: str(entry[0])):
            if str(status).startswith("2"):
                response = self.follow(raw)
                media, schema = self.content(response.get("content"))
                if self.old and "schema" in response:
                    media, schema = "json", self.schema(response["schema"])
                if media == "json" and schema:
                    return schema
        return None

    def scopes(self, said: Mapping[str, Any]) -> dict[str, list[list[str]]]:
        """By scheme, the alternatives: each is the scopes that are needed together."""
        found: dict[str, list[list[str]]] = {}
        for requirement in said.get("security", self.document.get("security")) or ():
            for scheme, scopes in _mapping(requirement).items():
                if scopes and list(scopes) not in found.setdefault(scheme, []):
                    found[scheme].append([str(scope) for scope in scopes])
        return {scheme: alternatives for scheme, alternatives in found.items() if alternatives}

    # -- schemas -----------------------------------------------------------------------------------------------------

    def follow(self, raw: Any) -> Mapping[str, Any]:
        """What a reference leads to, through others; nothing where it leads out of the document."""
        for _ in range(20):
            if not isinstance(raw, Mapping):
                return {}
            if not isinstance(raw.get("$ref"), str):
                return raw
            raw = self.target(raw["$ref"])
        return {}

    def target(self, ref: str) -> Any:
        steps = (step.replace("~1", "/").replace("~0", "~") for step in ref.lstrip("#").strip("/").split("/"))
        return places.dig(self.document, tuple(steps)) if ref.startswith("#") else None

    def schema(self, raw: Any, depth: int = 0) -> Schema:
        """A schema without references, eight levels deep: one type, `nullable` beside it, `allOf` merged in."""
        given = self.follow(raw)
        if depth > 8:
            return {}
        rest = {key: value for key, value in given.items() if key != "allOf"}
        made = self.inner(self.alternatives(rest, depth), depth)
        for part in given.get("allOf") or ():
            made = _merged(self.schema(part, depth + 1), made)
        return made

    def alternatives(self, schema: Schema, depth: int) -> Schema:
        """One type, or `anyOf` of several; null among them becomes `nullable`."""
        if schema.get("x-nullable"):
            schema = {**schema, "nullable": True}
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                others = [self.schema(part, depth + 1) for part in schema[word]]
                kept = [part for part in others if part.get("type") != "null" and part.get("enum") != [None]]
                nullable = {"nullable": True} if len(kept) < len(others) else {}
                schema = {key: value for key, value in schema.items() if key != word} | nullable
                if "properties" in schema:  # alternatives that only say which of its keys go together
                    groups = [part for part in kept if set(part) <= {"required", "type", "not"}]
                    schema["needs"] = [part["required"] for part in groups if "required" in part]
                    kept = [part for part in kept if part not in groups]
                if kept:
                    schema = _merged(kept[0], schema) if len(kept) == 1 else {**schema, "anyOf": kept}
        if isinstance(schema.get("type"), list):
            kinds = [kind for kind in schema["type"] if kind != "null"]
            schema = {**schema, **({"nullable": True} if len(kinds) < len(schema["type"]) else {})}
            schema.pop("type")
            schema.update({"type": kinds[0]} if len(kinds) == 1 else {"anyOf": [{"type": kind} for kind in kinds]})
        if "type" not in schema and "anyOf" not in schema:
            guessed = {"properties": "object", "items": "array"}
            schema.update(next(({"type": kind} for word, kind in guessed.items() if word in schema), {}))
        return schema

    def inner(self, schema: Schema, depth: int) -> Schema:
        if isinstance(schema.get("properties"), Mapping):
            inside = schema["properties"].items()
            schema["properties"] = {str(name): self.schema(part, depth + 1) for name, part in inside}
        if "items" in schema:
            schema["items"] = self.schema(schema["items"], depth + 1)
        if isinstance(schema.get("additionalProperties"), Mapping):
            schema["additionalProperties"] = self.schema(schema["additionalProperties"], depth + 1)
        return schema


def _merged(one: Schema, other: Schema) -> Schema:
    """Two schemas that must both hold, as one; where they disagree the second wins."""
    made = {**one, **other}
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        made["properties"] = {**one["properties"], **other["properties"]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        made["required"] = list(dict.fromkeys([*one["required"], *other["required"]]))
    return made


def arrays(schema: Schema | None) -> Iterator[tuple[str, Schema]]:
    """The lists of an answer: `.` for a bare one, else the names of its keys, one level down as `data.users`."""
    if not schema:
        return
    if schema.get("type") == "array":
        yield ".", schema
    for name, part in _mapping(schema.get("properties")).items():
        if part.get("type") == "array":
            yield name, part
        for inner, deep in _mapping(part.get("properties")).items():
            if deep.get("type") == "array":
                yield f"{name}.{inner}", deep
