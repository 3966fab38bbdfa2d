"""Drafts actions that pass `check`, from a name or an OpenAPI operation, and lists what is left to do. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from ..definitions import compiler
from ..definitions.complete import title_case
from ..language.schema_faults import schema_faults
from ..model import Json
from ..types import registry
from . import yaml_text
from .draft_rows import DraftTable, Row, shape, snake, table
from .openapi import Operation, Schema, arrays

VERBS = {
    "get": "GET", "list": "GET", "find": "GET", "search": "GET", "read": "GET", "show": "GET",
    "update": "PATCH", "edit": "PATCH", "set": "PUT", "replace": "PUT", "delete": "DELETE", "remove": "DELETE",
}  # fmt: skip
EFFECTS = {"GET": "read", "HEAD": "read", "OPTIONS": "read", "POST": "create", "DELETE": "delete"}
CONNECTION: Row = {"label": "Connection", "type": "connection", "required": True}
MAX_OUTPUT = 3000  # characters of an output schema


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderContext:
    """The folder that a draft is for: connector.yaml's data and the scopes of its actions by kind."""

    common: Mapping[str, Any]
    scopes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()  # rate labels that its actions use


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A complete definition, what is left for a person to do, and connector.yaml's data, which shortens the text."""

    data: dict[str, Json]
    left: tuple[str, ...]
    common: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text of the file, without what `complete` fills in."""
        return yaml_text.definition(yaml_text.shortened(self.data, self.common))


def blank(key: str, common: Mapping[str, Any] | None = None) -> Draft:
    """Draft an action from its name alone: `delete-meeting` deletes a meeting by its id."""
    verb, _, noun = key.partition("-")
    method = VERBS.get(verb, "POST")
    many = verb in ("list", "find", "search") or (method == "POST" and verb not in VERBS)
    thing = re.sub("(?<![ius])s$", "", noun or key)  # keeps status, analysis, access
    things = f"{thing}es" if thing.endswith("s") else f"{thing}s"
    inputs: dict[str, Row] = {"connection": dict(CONNECTION)}
    path = f"/{things}"
    if not many:
        name = snake(f"{thing}_id")
        inputs[name] = {"label": title_case(name), "type": "string", "required": True, "to": "path"}
        path += f"/{{{name}}}"
    if method in ("POST", "PATCH", "PUT"):
        inputs["name"] = {"label": "Name", "type": "string", "to": "body"}
    data: dict[str, Json] = {**_head(key, "", method), "request": {"method": method, "path": path}}
    if many and method == "GET":
        data["paging"] = {"items": snake(things)}
    guesses = "method, path and inputs were guessed from the name; replace them with those on the vendor's page"
    left = (f"{guesses}, and add `docs`", *_always(inputs, scopes=False))
    return Draft(data={**data, "inputs": inputs}, left=left, common=common or {})


def draft_action(key: str, operation: Operation, folder: FolderContext) -> Draft:
    left: list[str] = []
    paging, skipped = _paging(operation, folder.common, left)
    drafted = table(operation, skipped)
    left += drafted.left
    request = _request(operation, drafted, folder.common, left)
    for name, row in drafted.rows.items():
        if "example" in row:  # the document's example may not be valid for the row
            is_accepted = registry.accepts(compiler.row(name, row, lambda name: {}, {}), row["example"])
            if row["type"] == "secret" or not is_accepted:
                del row["example"]
    inputs = {"connection": dict(CONNECTION), **drafted.rows}
    head = _head(key, operation.summary, operation.method)
    effect = head.pop("effect")
    names, scopes = list(drafted.placeholders.values()), _scopes(operation, folder)
    # the vendor's rate limit label is in an extension with "rate" in its name
    rate = next((text for key, text in operation.extensions.items() if "rate" in key and isinstance(text, str)), None)
    if rate and (rate.lower() in folder.labels or rate.isupper()):
        rate = rate.lower()
    data: dict[str, Json] = {
        **head,
        "docs": operation.docs,
        "summary": f"{title_case(key).capitalize()} {{{names[-1]}}}" if names else None,
        "effect": effect,
        "scopes": scopes,
        "rate_limit": rate,
        "request": request,
        "paging": paging,
        "inputs": inputs,
        "rules": drafted.rules,
        "output": _output(operation.answer),
    }
    left += [] if operation.docs else ["docs: the URL of the vendor's documentation page"]
    words = {word: value for word, value in data.items() if value}
    return Draft(data=words, left=(*left, *_always(inputs, scopes=bool(scopes))), common=folder.common)


def _head(key: str, summary: str, method: str) -> dict[str, Json]:
    line = " ".join(summary.split("\n")[0].split()).rstrip(".") or title_case(key).capitalize()
    line = line if len(line) <= 100 else line[:100].rpartition(" ")[0]
    return {"key": key, "label": title_case(key), "description": line, "effect": EFFECTS.get(method, "update")}


def _always(inputs: Mapping[str, Row], *, scopes: bool) -> list[str]:
    bare = [key for key, row in inputs.items() if row["type"] != "connection" and "comments" not in row]
    left = ["description: say in your own words what it does"]
    left += [f"comments: say what each input is for ({', '.join(bare[:6])}{' …' if bare[6:] else ''})"] if bare else []
    left += [] if scopes else ["scopes: the permissions that the token needs, by kind of app"]
    return [*left, "if_absent, only_when, rules: the effect of an empty input, and the inputs that depend on others"]


def _request(operation: Operation, drafted: DraftTable, common: Mapping[str, Any], left: list[str]) -> dict[str, Json]:
    path, _, query = operation.path.partition("#")[0].partition("?")
    path = operation.server + (path or "/")
    base = re.sub(r"^(https://[^/]*|\{[^}]*\})", "", str(common.get("base_url", ""))).rstrip("/")
    if base and (path == base or path.startswith(f"{base}/")):
        path = path.removeprefix(base) or "/"
    elif base:
        left.append(f"request.path: the document has {path}, which is not under the base URL's path, {base}")
    for name in re.findall(r"\{([^{}]*)\}", path):
        bare = re.sub(r"^[+#./;?&]|[*]$", "", name)
        if bare not in drafted.placeholders:
            drafted.placeholders[bare] = drafted.add((bare,), {"type": "string", "required": True}, "path")
            left.append(f"{{{name}}}: the document does not describe this part of the path; find out what it is")
        path = path.replace(f"{{{name}}}", f"{{{drafted.placeholders[bare]}}}")
    for name, key in list(drafted.placeholders.items()):
        if f"{{{key}}}" not in path:
            del drafted.rows[key], drafted.placeholders[name]
            left.append(f"the path parameter {name!r} was omitted, because {operation.path} does not contain it")
        else:
            drafted.rows[key]["to"] = "path"
    request: dict[str, Json] = {"method": operation.method, "path": path}
    if query:
        request["query"] = dict(parse_qsl(query, keep_blank_values=True))
    if operation.media in ("json", "form") and operation.media != common.get("request", {}).get("encode", "json"):
        request["encode"] = operation.media
    return request


def _paging(operation: Operation, common: Mapping[str, Any], left: list[str]) -> tuple[dict[str, Json], set[str]]:
    """Return the paging, if the operation pages the way the connector does, and the parameters that paging sets."""
    lists = arrays(operation.answer)
    query = {entry.name: entry for entry in operation.parameters if entry.place == "query"}
    size, styles = common.get("paging", {}).get("size", {}), common.get("paging", {}).get("next", [])
    places = [style["to"] for style in (styles if isinstance(styles, list) else [styles])]
    cursors = {place.removeprefix("query.") for place in places if place.startswith("query.")}
    page_size = str(size.get("to", "")).removeprefix("query.")
    if operation.method != "GET" or not lists:
        return {}, set()
    if not (page_size in query or cursors & set(query)):
        left.append(f"paging: the answer contains the list {lists[0]!r}; if it is paged, say how to get the next page")
        return {}, set()
    last = snake(operation.path.rstrip("/").rpartition("/")[2])
    items = next((name for name in lists if snake(name) == last), lists[0])
    if len(lists) > 1:
        left.append(f"paging.items: {items!r} was chosen from {', '.join(lists)}; check it")
    paging: dict[str, Json] = {"items": items}
    most = query[page_size].schema.get("maximum") if page_size in query else None
    if isinstance(most, int) and most != size.get("max"):
        paging["size"] = {**size, "max": most}
    return paging, {page_size, *cursors} & set(query)


def _scopes(operation: Operation, folder: FolderContext) -> dict[str, Json]:
    for name, value in operation.extensions.items():  # an extension may list the scopes by kind
        if "scopes" in name and isinstance(value, Mapping) and all(isinstance(part, list) for part in value.values()):
            return {kind: list(scopes) for kind, scopes in value.items() if scopes}
    by_kind: dict[str, Json] = {}
    for scheme, alternatives in operation.scopes.items():
        lengths = _lengths(alternatives)  # pick the folder's kind whose scopes have the same number of parts
        only = len(folder.scopes) == 1
        alike = (kind for kind, scopes in folder.scopes.items() if only or lengths & _lengths(scopes))
        entries = by_kind.setdefault(next(alike, snake(scheme)), [])
        for names in alternatives:
            entry = names[0] if len(names) == 1 else names
            entries += [] if entry in entries else [entry]
    return by_kind


def _lengths(scopes: Iterable[Any]) -> set[int]:
    return {name.count(":") for scope in scopes for name in ([scope] if isinstance(scope, str) else scope)}


def _output(answer: Schema | None) -> dict[str, Json]:
    """Return the response's schema, as deep as is still readable, and a sample that fits it."""
    for depth in (3, 2, 1):
        schema = shape(answer or {}, depth, answer=True)
        if len(json.dumps(schema)) <= MAX_OUTPUT:
            example = _sample(schema)
            fits = example not in ({}, [], None) and not schema_faults(schema, example)
            return {"schema": schema, **({"example": example} if fits else {})} if schema else {}
    return {"schema": {"type": (answer or {}).get("type", "object")}}


def _sample(schema: Schema) -> Json:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: _sample(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_sample(schema["items"])] if schema.get("items") else []
    return {"string": "text", "integer": 1, "number": 1, "boolean": True}.get(str(kind))
