"""Whether a field takes less than it did: the limits of two JSON Schemas, side by side. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..model import Json

_LOW = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGH = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EQUAL = ("pattern", "const", "anyOf", "oneOf", "allOf", "not", "multipleOf", "propertyNames", "uniqueItems")
_SAID = ("title", "description", "deprecated", "examples", "format")


Found = Iterator[tuple[str, str, str]]  # level, where, what


def by_key(entries: Iterable[Mapping[str, Json]], key: str = "key") -> dict[str, Any]:
    return {entry[key]: entry for entry in entries}


def shown(value: Json) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def accepted(entry: Mapping[str, Json], key: str) -> Json:
    """What a run takes for an input, without what is only said about it."""
    found = entry.get("input_schema", {}).get("properties", {}).get(key)
    return {word: value for word, value in found.items() if word not in _SAID} if isinstance(found, dict) else found


def narrowed(where: str, old: Any, new: Any, *, deep: bool = False) -> Found:
    """Limits that changed, as (level, where, what): tighter ones are major, looser ones minor."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return
    for word in (*_LOW, *_HIGH):
        before, after = old.get(word), new.get(word)
        if before != after:
            tighter = after is not None and (before is None or (after > before) is (word in _LOW))
            what = f"{word} {'is' if before is None else f'{before} became'} {'gone' if after is None else after}"
            yield "major" if tighter else "minor", where, what
    for word in _EQUAL:
        if old.get(word) != new.get(word):
            gone = word not in new
            yield "minor" if gone else "major", where, f"its {word} {'is gone' if gone else 'is new or another'}"
    if deep:
        yield from _nested(where, old, new)
    if "items" in old or "items" in new:
        place, inside = f"{where}[]" if deep else where, deep or _holds(new)
        yield from narrowed(place, old.get("items", {}), new.get("items", {}), deep=inside)
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before.keys() | after.keys()):
        place = f"{where}.{name}"
        if name not in before:
            yield "minor", place, "was added"
        elif name not in after:
            closed = new.get("additionalProperties") is False
            yield "major" if closed else "patch", place, "was removed" if closed else "is not described any more"
        else:
            yield from narrowed(place, before[name], after[name], deep=True)
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield "major", f"{where}.{name}", "is required now"
    if new.get("additionalProperties", True) is False and old.get("additionalProperties", True) is not False:
        yield "major", where, "takes no other keys any more"


def _holds(schema: Mapping[str, Any]) -> bool:
    """Whether a list's entries are structured, so that their types are told here and not by the input's own type."""
    items = schema.get("items")
    return isinstance(items, Mapping) and bool({"properties", "items"} & set(items))


def _nested(where: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Found:
    if old.get("type") != new.get("type"):
        gone = "type" not in new
        what = "takes any type now" if gone else f"its type {shown(old.get('type'))} became {shown(new['type'])}"
        yield "minor" if gone else "major", where, what
    before, after = old.get("enum"), new.get("enum")
    if before != after:
        kept = after is None or (before is not None and all(value in after for value in before))
        yield "minor" if kept else "major", where, "takes more values now" if kept else "takes fewer values now"


def lost(old: Any, new: Any, path: str) -> Iterator[tuple[str, str]]:
    """What an answer's schema promised and promises no more."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return
    if "type" in old and old["type"] != new.get("type"):
        yield path, f"its type {shown(old['type'])} became {shown(new.get('type'))}"
        return
    for name, inner in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{path}.{name}", "is no longer part of it"
        else:
            yield from lost(inner, new["properties"][name], f"{path}.{name}")
    for word in ("items", "schema"):
        yield from lost(old.get(word), new.get(word), path)
