"""How good drafts from OpenAPI documents are: `python tests/openapi/measure.py DOCUMENT…` prints the shares.

For every operation a draft is made, checked, and previewed twice: with the inputs it requires, and with all of them.
The requests are held against the document itself, with jsonschema and without the code that made the drafts.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from hypothesis import find, strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from connector_runtime.authoring import draft, openapi
from connector_runtime.calls.action import Action
from connector_runtime.commands.author_commands import read_document
from connector_runtime.definitions import folders
from connector_runtime.errors import InputError
from connector_runtime.model import Input

HOST = "https://api.example"


class Judge:
    """Holds requests against one operation of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.raw = document
        self.document = modern(document)
        resource = Resource.from_contents(self.document, default_specification=DRAFT202012)
        self.registry: Any = Registry().with_resource("urn:document", resource)

    def follow(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            found: Any = self.document
            for step in node["$ref"].lstrip("#/").split("/"):
                found = found[step.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def fits(self, schema: Any, value: Any) -> str | None:
        """What is wrong with a value, or None; references lead into the document."""
        pinned = json.loads(json.dumps(schema).replace('"$ref": "#', '"$ref": "urn:document#'))
        error = next(Draft202012Validator(pinned, registry=self.registry).iter_errors(value), None)
        return None if error is None else f"{list(error.absolute_path)}: {error.message[:120]}"

    def complaints(self, method: str, path: str, server: str, request: Mapping[str, Any]) -> Iterator[str]:
        item = self.document["paths"][path]
        said = item[method]
        url = urlsplit(request["url"])
        raw = (server + path).partition("#")[0].partition("?")[0]
        pattern = "".join(
            f"(?P<p{index}>[^/]+)" if part.startswith("{") else re.escape(part)
            for index, part in enumerate(re.split(r"(\{[^{}]*\})", raw))
        )
        found = re.fullmatch(pattern, url.path)
        if found is None or request["method"] != method.upper():
            yield f"{request['method']} {url.path} is not {method.upper()} {raw}"
            return
        slots = {
            part.strip("{}"): unquote(found[f"p{index}"])
            for index, part in enumerate(re.split(r"(\{[^{}]*\})", raw))
            if part.startswith("{")
        }
        query = parse_qsl(url.query, keep_blank_values=True)
        headers = {name.lower(): value for name, value in request["headers"].items()}
        parameters: dict[tuple[str, str], Any] = {}
        for given in (*(item.get("parameters") or ()), *(said.get("parameters") or ())):
            parameter = self.follow(given)
            parameters[parameter["in"], parameter["name"]] = parameter
        for (place, name), parameter in parameters.items():
            if place in ("path", "query", "header") and (place, name.lower()) not in {
                ("header", header) for header in openapi.UNSENT_HEADERS
            }:
                values = {
                    "path": [slots[name]] if name in slots else [],
                    "query": [value for key, value in query if key == name],
                    "header": [headers[name.lower()]] if name.lower() in headers else [],
                }[place]
                yield from self.parameter(place, parameter, values)
        known = {name for place, name in parameters if place == "query"} | {
            n for n, _ in parse_qsl(path.partition("?")[2])
        }
        yield from (f"unknown query parameter {name}" for name, _ in query if name not in known)
        yield from self.body(said, parameters, request)

    def parameter(self, place: str, parameter: dict[str, Any], values: list[str]) -> Iterator[str]:
        name = parameter["name"]
        if not values:
            if parameter.get("required"):
                yield f"{place} {name} is missing"
            return
        if "content" in parameter:
            schema = next(iter(parameter["content"].values())).get("schema", {})
            values = [json.loads(values[0])]
        else:
            schema = parameter.get("schema") or {
                key: value for key, value in parameter.items() if key not in ("name", "in", "required", "description")
            }
        kinds = self.kinds(schema)
        if (
            "array" in kinds
            and len(values) == 1
            and (place != "query" or parameter.get("explode") is False or "in" in schema)
        ):
            values = values[0].split(",")
        candidates = [readings(value) for value in values]
        tries = [[reading[min(i, len(reading) - 1)] for reading in candidates] for i in range(4)]
        whole = [one[0] for one in tries if len(one) == 1] if "array" not in kinds or len(kinds) > 1 else []
        errors = [self.fits(schema, value) for value in [*whole, *(tries if "array" in kinds else [])]]
        if all(error is not None for error in errors):
            yield f"{place} {name}={values}: {errors[:1]}"

    def kinds(self, schema: Any) -> set[str]:
        node = self.follow(schema)
        kind = node.get("type", [])
        found = set(kind if isinstance(kind, list) else [kind])
        for word in ("anyOf", "oneOf", "allOf"):
            for part in node.get(word, ()):
                found |= self.kinds(part)
        return found | ({"array"} if "items" in node else set())

    def body(self, said: dict[str, Any], parameters: Mapping[Any, Any], request: Mapping[str, Any]) -> Iterator[str]:
        body = self.follow(said.get("requestBody")) or {}
        whole = next((one for (place, _), one in parameters.items() if place == "body"), None)
        if whole is not None:
            body = {
                "required": whole.get("required"),
                "content": {"application/json": {"schema": whole.get("schema", {})}},
            }
        content = body.get("content", {})
        if request["body"] is None:
            if body.get("required"):
                yield "the body is missing"
            return
        kind = next((name for name in content if "json" in name or name == "*/*"), None)
        if kind is None:
            if not content and not any(place == "formData" for place, _ in parameters):
                yield "a body is sent, and the document has none"
            return
        error = self.fits(content[kind].get("schema", {}), request["body"])
        if error is not None:
            yield f"body {error}"


def readings(text: Any) -> list[Any]:
    """What a text of a URL may stand for."""
    if not isinstance(text, str):
        return [text]
    found: list[Any] = [text]
    if text in ("true", "false"):
        found.insert(0, text == "true")
    with contextlib.suppress(ValueError):
        found.insert(0, json.loads(text))
    return found


def modern(node: Any) -> Any:
    """OpenAPI 3.0 and 2.0 schemas as JSON Schema: null among the types, exclusive limits as numbers."""
    if isinstance(node, list):
        return [modern(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: modern(value) for key, value in node.items()}
    if made.get("nullable") is True or made.get("x-nullable") is True:
        if isinstance(made.get("type"), str):
            made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
    for limit, beyond in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(beyond), bool) and made.pop(beyond) and limit in made:
            made[beyond] = made.pop(limit)
    if made.get("type") == "file":
        made.pop("type")
    if isinstance(made.get("required"), list) and isinstance(made.get("properties"), dict):
        inner = made["properties"]
        made["required"] = [
            name for name in made["required"] if not (isinstance(inner.get(name), dict) and inner[name].get("readOnly"))
        ]
    return made


# -- example values --------------------------------------------------------------------------------------------------


def value_of(row: Input, schema: Mapping[str, Any]) -> Any:
    """A value for an input: its example or first choice, else the smallest that its limits allow."""
    if row.example is not None:
        return row.example
    if row.type in ("json", "any"):
        return example_of(schema)
    one = row.choices[0].value if row.choices else scalar(row.type, row.schema)
    return [one] if row.collection == "list" else one


def scalar(kind: str, schema: Mapping[str, Any]) -> Any:
    if kind in ("integer", "number"):
        low, high = schema.get("minimum"), schema.get("maximum")
        return low if low is not None else min(1, high) if high is not None else schema.get("multipleOf", 1)
    if kind == "boolean":
        return True
    fixed = {"date": "2026-11-01", "datetime": "2026-11-01T09:00:00Z", "file": "text"}
    if kind in fixed:
        return fixed[kind]
    low, high = schema.get("minLength", 1), schema.get("maxLength", 10_000)
    if "pattern" in schema:
        pattern = re.compile(schema["pattern"])
        fits = [text for text in ("a", "1", "a1", "A", "abc") if pattern.search(text) and low <= len(text) <= high]
        return (
            fits[0]
            if fits
            else find(st.from_regex(pattern), lambda text: low <= len(text.strip()) and len(text) <= high)
        )
    return "a" * max(1, low)


def example_of(schema: Mapping[str, Any]) -> Any:
    """An example of what a document describes: of alternatives the first, of objects what they require."""
    if "const" in schema or schema.get("enum"):
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "anyOf" in schema:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        first = dict(schema["anyOf"][0])
        both = {"properties": {**rest.get("properties", {}), **first.get("properties", {})}}
        both["required"] = [*rest.get("required", ()), *first.get("required", ())]
        return example_of({**rest, **first, **(both if both["properties"] else {})})
    kind = schema.get("type")
    if kind == "object":
        inner = schema.get("properties", {})
        return {name: example_of(inner.get(name, {})) for name in schema.get("required", ()) if name in inner}
    if kind == "array":
        return [example_of(schema.get("items") or {}) for _ in range(max(1, schema.get("minItems", 1)))]
    form = {"date": "date", "date-time": "datetime"}.get(str(schema.get("format")))
    return scalar(form or str(kind or "string"), schema)


def described(operation: openapi.Operation, row: Input) -> Mapping[str, Any]:
    """What the document says at the place of an input."""
    place = row.to[0]
    if place.kind in ("path", "query", "header"):
        return next((entry.schema for entry in operation.parameters if entry.name == ".".join(place.path)), {})
    schema: Mapping[str, Any] = operation.body or {}
    for step in place.path if place.kind in ("body", "part") else ():
        schema = schema.get("properties", {}).get(step, {})
    return {} if place.spread else schema


def inputs_of(action: Action, operation: openapi.Operation, *, all_of_them: bool) -> dict[str, Any]:
    rows = [row for row in action.inputs.values() if row.type != "connection"]
    asked = [rule.keys[0] for rule in action.rules if rule.kind == "at_least_one"]
    chosen = [row for row in rows if row.required == () or row.key in asked or (all_of_them and row.deprecated is None)]
    return {row.key: value_of(row, described(operation, row)) for row in chosen if not row.to[0].spread}


# -- the measure -----------------------------------------------------------------------------------------------------


def folder_for(document: Mapping[str, Any], under: Path) -> Path:
    """A definition folder with no more than a base URL."""
    (under / "actions").mkdir(parents=True)
    server = openapi.server_path(document)
    (under / "connector.yaml").write_text(f'key: measured\nlabel: Measured\nbase_url: "{HOST}{server}"\n')
    return under


def measure(document: dict[str, Any], *, say: bool = False) -> Counter[str]:
    """How many operations there are, whose drafts pass `check`, and whose requests the document accepts."""
    counted: Counter[str] = Counter()
    judge = Judge(document)
    with tempfile.TemporaryDirectory() as place:
        folder = folder_for(document, Path(place) / "measured")
        connector = folders.load(folder)
        server = openapi.server_path(document)
        for name, (method, path) in openapi.operations(document).items():
            counted["operations"] += 1
            operation = openapi.operation(document, name)
            made = draft.draft_action(
                "measured-action", operation, draft.FolderContext(common=connector._sources.common)
            )
            file = "actions/measured-action.yaml"
            (folder / file).write_text(made.text)
            faults = connector._sources.faults("actions", "measured-action")
            if faults:
                if say:
                    print(f"  {name}: {faults[0]}")
                continue
            counted["check"] += 1
            action = folders.load(folder).actions["measured-action"]
            for word, everything in (("required", False), ("all", True)):
                try:
                    request = action.preview(inputs_of(action, operation, all_of_them=everything))
                    found = next(judge.complaints(method, path, server, request), None)
                except InputError as error:
                    found = f"preview: {error.problems[0]}"
                counted[word] += found is None
                if found is not None and say:
                    print(f"  {name} ({word}): {found}")
    return counted


def main(paths: list[str]) -> int:
    say = "-v" in paths
    print(f"{'document':<24}{'operations':>11}{'pass check':>12}{'required inputs':>17}{'all inputs':>12}")
    for path in paths:
        if path != "-v":
            found = measure(read_document(path), say=say)
            shares = [f"{found[word] / found['operations']:.1%}" for word in ("check", "required", "all")]
            print(f"{Path(path).name:<24}{found['operations']:>11}{shares[0]:>12}{shares[1]:>17}{shares[2]:>12}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
