"""The documented events of a trigger, each with its label, scopes, schema and sample. Pure.

Undocumented events are accepted too, because vendors add events without notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import Problem
from ..model import Json

REFUSES_NOTHING = ("title", "description", "examples", "format", "deprecated", "x-secret")


@dataclass(frozen=True, kw_only=True)
class Event:
    """One documented event. `scopes` are as in actions; `shape` is the payload as documented, and may use `shared`."""

    name: str
    label: str
    product: str
    scopes: Mapping[str, Sequence[str]]
    deprecated: bool
    sample: dict[str, Json] = field(repr=False)
    shape: Mapping[str, Json] = field(repr=False)
    shared: Mapping[str, Json] = field(repr=False)

    @cached_property
    def schema(self) -> dict[str, Json]:
        """The JSON Schema 2020-12 of the payload, open for what the documentation does not say."""
        schema = opened(self.shape, self.shared)
        return {**schema, "type": "object"} if "object" in schema.get("type", ()) else schema  # no body is null

    def head(self) -> dict[str, Json]:
        """Return the event as the catalogue lists it."""
        return {word: getattr(self, word) for word in ("name", "label", "product", "scopes", "deprecated")}

    def entry(self) -> dict[str, Json]:
        """Return the event as listed, with the schema of its payload and a sample."""
        return {**self.head(), "schema": self.schema, "sample": self.sample}


def opened(shape: Any, shared: Mapping[str, Json]) -> dict[str, Json]:
    """Return a documented shape as a schema that refuses nothing that the vendor may send instead.

    No key is required, known values are examples, and any value may be null. A string, number or boolean may be of any
    of these types; the documented type comes first. Raises `LookupError` and `RecursionError` for wrong references.
    """
    shape = shape if isinstance(shape, Mapping) else {}  # true and false are schemas too
    schema: dict[str, Any] = {}
    if "$ref" in shape:
        schema = opened(shared[shape["$ref"].removeprefix("#/$defs/")], shared)
    for word, part in shape.items():
        if word == "type":
            kinds = [part] if isinstance(part, str) else part
            others = () if {"object", "array"} & {*kinds} else ("string", "number", "boolean")
            schema["type"] = list(dict.fromkeys([*kinds, *others, "null"]))
        elif word in ("enum", "const"):
            schema["examples"] = part if word == "enum" else [part]
        elif word == "properties":
            schema[word] = {name: opened(inner, shared) for name, inner in part.items()}
        elif word in ("items", "additionalProperties"):
            schema[word] = opened(part, shared)
        elif word in REFUSES_NOTHING:
            schema[word] = part
    return schema


def catalogued(data: Mapping[str, Any]) -> dict[str, Event]:
    """Return the events of an events file: `{"$defs": shared shapes, "events": {name: …}}`."""
    events = {}
    for name, raw in data.get("events", {}).items():
        fields = {word: raw[word] for word in ("label", "product", "scopes", "sample")}
        fields |= {"shape": raw["schema"], "shared": data.get("$defs", {}), "deprecated": raw.get("deprecated", False)}
        events[name] = Event(name=name, **fields)
    return events


def faults(data: Json, path: str) -> Iterator[Problem]:
    """Yield the problems of an events file: invalid shapes, broken references, samples that do not fit."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import UnknownType

    if not isinstance(data, dict) or not isinstance(data.get("events"), dict):
        yield Problem(path, 'must be {"$defs": {…}, "events": {name: {…}}}')
        return
    for name, raw in data["events"].items():
        missing = [key for key in ("label", "product", "scopes", "schema", "sample") if key not in raw]
        if missing:
            yield Problem(f"{path} events.{name}", f"lacks {', '.join(missing)}")
            continue
        try:
            schema = catalogued({**data, "events": {name: raw}})[name].schema
            for mismatch in list(Draft202012Validator(schema).iter_errors(raw["sample"])):
                where = ".".join(str(step) for step in ("events", name, "sample", *mismatch.absolute_path))
                yield Problem(f"{path} {where}", f"does not fit the schema ({mismatch.validator})")
        except RecursionError:
            yield Problem(f"{path} events.{name}.schema", "refers to itself; write out as many levels as you need")
        except LookupError as error:
            yield Problem(f"{path} events.{name}.schema", f"refers to {error.args[0]!r}, which is not in $defs")
        except UnknownType as error:
            yield Problem(f"{path} events.{name}.schema", f"has the type {error.type!r}, which JSON Schema lacks")
