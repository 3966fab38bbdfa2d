"""What changed in an input table: names, types, what is required, choices, defaults. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from ..model import Json
from .diff_values import Found, accepted, by_key, narrowed, shown

WORDS = (
    "label", "description", "summary", "docs", "rate_limit", "help", "placeholder", "group", "advanced", "if_absent",
)  # fmt: skip


def texts(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    """Words that only a reader sees."""
    changed = [word.replace("_", " ") for word in WORDS if old.get(word) != new.get(word)]
    if changed:
        yield "patch", where, f"its {', '.join(changed)} changed"


def inputs(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    """The changes of one input table."""
    olds, news = by_key(old["inputs"]), by_key(new["inputs"])
    renamed = {name: hint["key"] for hint in new["inputs"] for name in hint.get("was", ())}
    pairs: list[tuple[str, str]] = []
    for key in olds:
        place = f"{where} inputs.{key}"
        if key in news:
            pairs.append((key, key))
        elif key in renamed:
            pairs.append((key, renamed[key]))
            yield "minor", place, f"became {renamed[key]!r}; the old name still works"
        else:
            like = next((name for name in news if name not in olds and _alike(olds[key], news[name])), None)
            remedy = f"; if it became {like!r}, say `was: {key}` there" if like else ""
            yield "major", place, f"was removed{remedy}"
        for name in olds[key].get("was", ()) if key in news else ():
            if name not in news[key].get("was", ()):
                yield "major", place, f"its old name {name!r} does not work any more"
    for key in news:
        if key not in olds and not any(key == name for _, name in pairs):
            needed = always(news[key].get("required"), olds) and "filled_in" not in news[key]
            level, what = ("major", "was added, and is required") if needed else ("minor", "was added")
            yield level, f"{where} inputs.{key}", what
    ruled = {name for rule in (*old.get("rules", ()), *new.get("rules", ())) for name in rule["inputs"]}
    for before, after in pairs:
        found = list(_input(f"{where} inputs.{after}", olds[before], news[after], ruled=after in ruled))
        found += narrowed(f"{where} inputs.{after}", _field(old, olds[before]), _field(new, news[after]))
        yield from found
        if not any(level != "patch" for level, _, _ in found) and accepted(old, before) != accepted(new, after):
            yield "major", f"{where} inputs.{after}", "takes other values than before"


def _field(entry: Mapping[str, Json], hint: Mapping[str, Json]) -> Mapping[str, Json]:
    """The limits of an input: a structured one's are those of the text that may hold it, a form says only some."""
    found: Mapping[str, Json] = entry.get("form_schema", {}).get("properties", {}).get(hint["key"], {})
    if hint["type"] == "json":
        return _content(accepted(entry, hint["key"])) or found
    return found


def _content(schema: Json) -> Mapping[str, Json] | None:
    if not isinstance(schema, Mapping):
        return None
    inner = [schema.get("contentSchema"), *(_content(part) for part in schema.get("anyOf", ()))]
    return next((part for part in inner if part), None)


def _alike(old: Mapping[str, Json], new: Mapping[str, Json]) -> bool:
    return old["type"] == new["type"] and old.get("collection") == new.get("collection")


def always(required: Json, known: Collection[str]) -> bool:
    """Whether a condition may hold for a flow that knows only these inputs."""
    if required is None or required is True:
        return required is True
    return not any(test["input"] not in known and _asks(test) for test in required)


def _asks(test: Mapping[str, Json]) -> bool:
    """Whether a test holds only where the input is given."""
    return None in test["is_not"] if "is_not" in test else None not in test["is"]


def _input(where: str, old: Mapping[str, Json], new: Mapping[str, Json], *, ruled: bool) -> Found:
    yield from texts(where, old, new)
    if old["type"] != new["type"]:
        safe = (old["type"], new["type"]) in _WIDER
        yield "minor" if safe else "major", where, f"its type {old['type']} became {new['type']}"
    if old.get("collection") != new.get("collection"):
        yield "major", where, f"{_collection(old)} became {_collection(new)}"
    if old.get("required") != new.get("required"):
        yield from _required(where, old, new)
    if old.get("only_when") != new.get("only_when"):
        level = "minor" if new.get("only_when") is None else "major"
        yield level, where, "applies under another condition" if new.get("only_when") else "applies always"
    yield from _choices(where, old, new)
    if old.get("filled_in") != new.get("filled_in"):
        before, after = shown(old.get("filled_in")), shown(new.get("filled_in"))
        yield "major", where, f"what is filled in for it changed: {before} became {after}"
    if old.get("published_default") != new.get("published_default"):
        before, after = shown(old.get("published_default")), shown(new.get("published_default"))
        level = "major" if ruled or new.get("only_when") else "patch"
        yield level, where, f"its published default {before} became {after}"
    if old.get("clearable") != new.get("clearable"):
        able = new.get("clearable", False)
        yield "minor" if able else "major", where, "can be emptied now" if able else "can't be emptied any more"
    if old.get("deprecated") is None and new.get("deprecated") is not None:
        yield "minor", where, f"is deprecated: {new['deprecated']}"


_WIDER = {("string", "text"), ("text", "string"), ("secret", "string"), ("string", "secret"), ("integer", "number")}


def _collection(hint: Mapping[str, Json]) -> str:
    return f"a {hint['collection']}" if hint.get("collection") else "one value"


def _required(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    if new.get("required") is None:
        yield "minor", where, "is not required any more"
    elif "filled_in" in new:
        yield "minor", where, "is filled in if it is left out"
    elif old.get("required") is True:
        yield "minor", where, "is required only under a condition"
    elif new["required"] is True:
        yield "major", where, "is required now"
    else:
        yield "major", where, "is required under another condition" if old.get("required") else "is required at times"


def _choices(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    before = {json.dumps(choice["value"]): choice["label"] for choice in old.get("choices", ())}
    after = {json.dumps(choice["value"]): choice["label"] for choice in new.get("choices", ())}
    if not before and after:
        yield "major", where, f"takes only {', '.join(after)} now"
    elif before and not after:
        yield "minor", where, "takes any value now"
    else:
        gone = [value for value in before if value not in after]
        come = [value for value in after if value not in before]
        if gone:
            yield "major", where, f"the choice {', '.join(gone)} was removed"
        if come:
            yield "minor", where, f"the choice {', '.join(come)} was added"
        if any(before[value] != after[value] for value in before.keys() & after.keys()):
            yield "patch", where, "the words for its choices changed"
