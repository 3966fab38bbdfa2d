"""Events: as they are documented, as one arrived, and which of them a flow wants. Pure.

A documented event is a named trigger: builders choose it by name and see its schema and a sample. What arrives is
never refused because it is not documented: vendors add events without telling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ..errors import Problem
from ..language.places import dig, text_of
from ..model import Json

Source = tuple[str, tuple[str, ...]]  # ("header", ("x-event",)) or ("body", ("payload", "object", "id"))
OWN = {
    "event": ("Event", "An event's name; * stands for any text, as in meeting.*"),
    "account": ("Account", "The id of the account that the event is about."),
    "object": ("Object", "The id of what the event is about."),
}


@dataclass(frozen=True, kw_only=True)
class Event:
    """One documented event: a named trigger. `scopes` are by kind of app, as an action's are."""

    name: str
    label: str
    product: str
    scopes: Mapping[str, tuple[str, ...]]
    deprecated: bool
    sample: dict[str, Json] = field(repr=False)
    shape: Mapping[str, Json] = field(repr=False)
    shared: Mapping[str, Json] = field(repr=False)

    @cached_property
    def schema(self) -> dict[str, Json]:
        """JSON Schema 2020-12 of the payload; it stands alone."""
        used: dict[str, Json] = {}
        _collect(self.shape, self.shared, used)
        return {**self.shape, **({"$defs": dict(sorted(used.items()))} if used else {})}

    def head(self) -> dict[str, Json]:
        """The event as the catalogue lists it."""
        return {
            "name": self.name,
            "label": self.label,
            "product": self.product,
            "scopes": {kind: list(names) for kind, names in self.scopes.items()},
            "deprecated": self.deprecated,
        }

    def entry(self) -> dict[str, Json]:
        """The event with the schema of its payload and a sample."""
        return {**self.head(), "schema": self.schema, "sample": self.sample}


def catalogued(data: Mapping[str, Any]) -> dict[str, Event]:
    """The events of an events file: `{"$defs": shared shapes, "events": {name: …}}`."""
    return {
        name: Event(
            name=name,
            label=raw["label"],
            product=raw["product"],
            scopes={kind: tuple(names) for kind, names in raw["scopes"].items()},
            deprecated=raw.get("deprecated", False),
            sample=raw["sample"],
            shape=raw["schema"],
            shared=data.get("$defs", {}),
        )
        for name, raw in data.get("events", {}).items()
    }


def faults(data: Json, path: str) -> Iterator[Problem]:
    """What is wrong with an events file: a shape that cannot be read, a reference to nowhere, a sample that misfits."""
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
            misfits = list(Draft202012Validator(schema).iter_errors(raw["sample"]))
        except LookupError as error:
            yield Problem(f"{path} events.{name}.schema", f"refers to {error.args[0]!r}, which $defs lack")
            continue
        except UnknownType as error:
            yield Problem(f"{path} events.{name}.schema", f"has the type {error.type!r}, which JSON Schema lacks")
            continue
        for misfit in misfits:
            where = ".".join(str(step) for step in ("events", name, "sample", *misfit.absolute_path))
            yield Problem(f"{path} {where}", f"does not fit the schema ({misfit.validator})")


def _collect(shape: Json, shared: Mapping[str, Json], used: dict[str, Json]) -> None:
    if isinstance(shape, list):
        for item in shape:
            _collect(item, shared, used)
    elif isinstance(shape, dict):
        target = shape.get("$ref")
        if isinstance(target, str):
            name = target.removeprefix("#/$defs/")
            if name not in used:
                used[name] = shared[name]
                _collect(shared[name], shared, used)
        for key, value in shape.items():
            if key not in ("enum", "const"):
                _collect(value, shared, used)


# -- an event that arrived, and what a flow wants ----------------------------------------------------------------------


def sources(raw: str | Iterable[str]) -> tuple[Source, ...]:
    """Compile places of a webhook, `header.x-event` or `body.payload.id`: the first that holds something counts."""
    texts = (raw,) if isinstance(raw, str) else tuple(raw)
    cut = ((kind, rest) for kind, _, rest in (text.partition(".") for text in texts))
    return tuple((kind, (rest.lower(),) if kind == "header" else tuple(rest.split("."))) for kind, rest in cut)


def first(found: Iterable[Source], headers: Mapping[str, str], payload: Json) -> Json:
    """What stands at the first of these places that holds something; None if none does."""
    for kind, steps in found:
        value = headers.get(steps[0]) if kind == "header" else dig(payload, steps)
        if value is not None and value != "":
            return value
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One verified event.

    `event` is its name ("" if it has none), `time` when it happened, `account` and `object` whose it is and what it is
    about, as text; `payload` is the JSON body unchanged. `event_id` is the same for every repeat of the event.
    `repeat` is the vendor's own id of the delivery, `disconnects` whether the account has taken its consent back.
    """

    event: str
    time: datetime | None
    account: str | None
    object: str | None
    repeat: str | None
    event_id: str
    disconnects: bool
    payload: dict[str, Json] = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # those that the definition reads, with small names

    @property
    def head(self) -> dict[str, str | None]:
        """The small head as JSON: `event`, `time` (ISO 8601, UTC), `account`, `object`."""
        time = self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if self.time else None
        return {"event": self.event, "time": time, "account": self.account, "object": self.object}

    @property
    def topic(self) -> str:
        """`event:account`, to route by where one address serves many flows."""
        return f"{self.event}:{self.account or ''}"

    def to_dict(self) -> dict[str, Json]:
        """What a flow is given: the head, the event's id and the payload."""
        return {**self.head, "event_id": self.event_id, "payload": self.payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRow:
    """One way to narrow a trigger's events: what a flow gives is compared, as text, with what stands at `sources`."""

    key: str
    label: str
    comments: str = ""
    sources: tuple[Source, ...]
    codecs: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a flow wants of a trigger's events. An empty one wants all. `warnings` name what is probably a mistake."""

    patterns: tuple[re.Pattern[str], ...]
    account: frozenset[str]
    object: frozenset[str]
    rows: tuple[tuple[tuple[Source, ...], frozenset[str]], ...]
    warnings: tuple[Problem, ...] = ()

    def admits(self, found: Notification) -> bool:
        """Whether the flow wants this event."""
        return (
            (not self.patterns or any(pattern.fullmatch(found.event) for pattern in self.patterns))
            and (not self.account or found.account in self.account)
            and (not self.object or found.object in self.object)
            and all(
                any(_same(first([source], found.headers, found.payload), texts) for source in row)
                for row, texts in self.rows
            )
        )


def _same(value: Json, texts: frozenset[str]) -> bool:
    return isinstance(value, str | int | float) and text_of(value) in texts


def pattern(name: str) -> re.Pattern[str]:
    """An event's name in a filter, where * stands for any text."""
    return re.compile(".*".join(re.escape(part) for part in name.split("*")), re.DOTALL)
