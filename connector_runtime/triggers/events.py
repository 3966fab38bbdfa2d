"""The documented events of a trigger, each with its label, scopes, schema and sample. Pure.

Undocumented events are accepted too, because vendors add events without notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import Problem
from ..model import Json


@dataclass(frozen=True, kw_only=True)
class Event:
    """One documented event. `scopes` are as in actions; `shape` is the payload's schema and may refer to `shared`."""

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
        """The complete JSON Schema 2020-12 of the payload."""
        used: dict[str, Json] = {}
        shapes = [self.shape]
        for shape in shapes:  # the loop appends the shapes that these refer to
            for name in re.findall(r'"\$ref": "#/\$defs/([^"]*)"', json.dumps(shape, ensure_ascii=False)):
                if name not in used:
                    used[name] = self.shared[name]
                    shapes.append(used[name])
        return {**self.shape, **({"$defs": dict(sorted(used.items()))} if used else {})}

    def head(self) -> dict[str, Json]:
        """Return the event as the catalogue lists it."""
        return {word: getattr(self, word) for word in ("name", "label", "product", "scopes", "deprecated")}

    def entry(self) -> dict[str, Json]:
        """Return the event as listed, with the schema of its payload and a sample."""
        return {**self.head(), "schema": self.schema, "sample": self.sample}


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
        except LookupError as error:
            yield Problem(f"{path} events.{name}.schema", f"refers to {error.args[0]!r}, which is not in $defs")
        except UnknownType as error:
            yield Problem(f"{path} events.{name}.schema", f"has the type {error.type!r}, which JSON Schema lacks")
