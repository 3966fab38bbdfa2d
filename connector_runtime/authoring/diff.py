"""Finds the changes between two catalogues and which of them break flows built on the old one. Pure.

A change is *major* if a flow that worked may be rejected, or may send or receive something else; *minor* if something
was added; *patch* if only descriptions changed. A change whose level cannot be decided is major.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..model import Json

LEVELS = ("major", "minor", "patch")
TEXTS = (  # keys whose values only people read
    "label", "description", "summary", "docs", "rate_limit", "help", "placeholder", "group", "advanced", "if_absent",
)  # fmt: skip
WIDENED = {("string", "text"), ("text", "string"), ("secret", "string"), ("string", "secret"), ("integer", "number")}
LOWER_LIMITS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER_LIMITS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
EXACT_WORDS = ("pattern", "const", "anyOf", "oneOf", "allOf", "not", "multipleOf", "propertyNames", "uniqueItems")
ANNOTATIONS = ("title", "description", "deprecated", "examples", "format")  # keywords that restrict nothing

Data = Mapping[str, Json]
Changes = Iterator[tuple[str, str, str]]  # level, where, what


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `level` is the part of the version that it raises, `where` its place, `what` a sentence."""

    level: str
    where: str
    what: str

    @property
    def breaking(self) -> bool:
        return self.level == "major"

    def __str__(self) -> str:
        return f"{'BREAKING ' if self.breaking else ''}{self.where}: {self.what}"


def differences(old: Data, new: Data) -> list[Change]:
    """Return every change between two catalogues, breaking ones first."""
    return sorted((Change(*parts) for parts in _catalogue(old, new)), key=lambda change: LEVELS.index(change.level))


def bump(version: str, changes: Iterable[Change]) -> str:
    """Return the next semantic version; before 1.0.0, breaking changes raise the minor number. Raises `ValueError`."""
    major, minor, patch = (int(part) for part in version.split("-")[0].split("+")[0].split("."))
    levels = {change.level for change in changes}
    if "major" in levels:
        return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
    if "minor" in levels:
        return f"{major}.{minor + 1}.0" if major else f"0.{minor}.{patch + 1}"
    return f"{major}.{minor}.{patch + 1}" if levels else version


def _catalogue(old: Data, new: Data) -> Changes:
    if old["key"] != new["key"]:
        yield "major", "connector", f"its key {old['key']!r} became {new['key']!r}"
    yield from _texts("connector", old, new)
    for kind in ("connection", "trigger", "action"):
        yield from _each(f"{kind} ", _by_key(old[f"{kind}s"]), _by_key(new[f"{kind}s"]), _entry)
    for level, where, what in _each("choices ", old["choices"], new["choices"], lambda *_: iter(())):
        yield "minor" if level == "minor" else "patch", where, what  # choices only suggest values, so no flow breaks


def _entry(where: str, old: Data, new: Data) -> Changes:
    yield from _texts(where, old, new)
    if _differ(old, new, "effect"):
        yield "major", where, f"its effect {_became(old, new, 'effect')}"
    if _differ(old, new, "list"):
        yield "major", where, "became a list: returns items, not the answer" if new["list"] else "is no longer a list"
    yield from _scopes(where, old.get("scopes", {}), new.get("scopes", {}))
    yield from _inputs(where, old, new)
    before, after = old.get("oauth") or {}, new.get("oauth") or {}
    for word in sorted(before.keys() | after.keys()):
        if _differ(before, after, word):
            level = "major" if word in ("grant", "client") else "minor"
            yield level, f"{where} oauth.{word}", _became(before, after, word)
    for word, key in (("filters", "key"), ("events", "name")):
        before, after = _by_key(old.get(word, ()), key), _by_key(new.get(word, ()), key)
        yield from _each(f"{where} {word}.", before, after, partial(_lost, word="schema"))
    old_keys = {hint["key"] for hint in old["inputs"]}
    old_rules, new_rules = old.get("rules", ()), new.get("rules", ())
    for rule in new_rules:
        if any(_covers(before, rule, old_keys) for before in old_rules):
            continue
        # this many old inputs cannot break it
        harmless = {"at_least_one": -1, "at_most_one": 1, "ignored": math.inf}.get(rule["kind"], 0)
        if _always(rule["when"] or True, old_keys) and len(old_keys.intersection(rule["inputs"])) > harmless:
            yield "major", where, f"the rule {_rule(rule)} was added"
    for rule in old_rules:
        if rule not in new_rules:
            yield "minor", where, f"the rule {_rule(rule)} was removed or changed"
    yield from _lost(f"{where} output_schema", old, new, "output_schema")


def _scopes(where: str, old: Data, new: Data) -> Changes:
    """Yield the changes to scopes. One entry of a kind suffices, so each old entry must still suffice."""

    def sets(scopes: Iterable[Any]) -> list[frozenset[str]]:
        return [frozenset([scope] if isinstance(scope, str) else scope) for scope in scopes]

    for kind in sorted(old.keys() | new.keys()):
        place = f"{where} scopes.{kind}"
        before, after = sets(old.get(kind, ())), sets(new.get(kind, ()))
        if kind not in old:
            yield "minor" if old else "major", place, _became(old, new, kind)
        elif kind not in new:
            yield "major" if new else "minor", place, "was removed"
        elif before != after:
            short = not all(any(needs <= has for needs in after) for has in before)
            yield "major" if short else "minor", place, _became(old, new, kind)


def _rule(rule: Data) -> str:
    return f"{rule['kind'].replace('_', ' ').replace('one', 'one of')} {', '.join(rule['inputs'])}"


def _covers(old: Data, new: Data, keys: set[str]) -> bool:
    """True if inputs under these keys that satisfy the old rule also satisfy the new one."""
    before, after = set(old["inputs"]), set(new["inputs"])
    holds = {"at_least_one": before <= after, "at_most_one": after & keys <= before}.get(new["kind"], before == after)
    return holds and not _differ(old, new, "kind") and not _differ(old, new, "when")


def _by_key(entries: Iterable[Data], key: str = "key") -> dict[str, Any]:
    return {entry[key]: entry for entry in entries}


def _each(where: str, old: Data, new: Data, compare: Callable[[str, Data, Data], Changes]) -> Changes:
    """Yield the entries that were removed or added, and the changes that `compare` finds in the others."""
    for name in sorted(old.keys() ^ new.keys()):
        yield ("major", where + name, "was removed") if name in old else ("minor", where + name, "was added")
    for name in sorted(old.keys() & new.keys()):
        yield from compare(where + name, old[name], new[name])


def _texts(where: str, old: Data, new: Data) -> Changes:
    if changed := [word.replace("_", " ") for word in TEXTS if _differ(old, new, word)]:
        yield "patch", where, f"its {', '.join(changed)} changed"


def _differ(old: Data, new: Data, word: str) -> bool:
    return bool(old.get(word) != new.get(word))


def _became(old: Data, new: Data, word: str) -> str:
    before, after = (json.dumps(entry.get(word), ensure_ascii=False) for entry in (old, new))
    if "null" in (before, after):
        return f"{before} was removed" if after == "null" else f"{after} was added"
    return f"{before} became {after}"


def _inputs(where: str, old: Data, new: Data) -> Changes:
    """Yield the changes to an input table: names, types, what is required, choices, defaults."""
    olds, news = _by_key(old["inputs"]), _by_key(new["inputs"])
    renamed = {name: hint["key"] for hint in new["inputs"] for name in hint.get("was", ())}
    pairs: dict[str, str] = {}
    for key in olds:
        place = f"{where} inputs.{key}"
        if key in news:
            pairs[key] = key
        elif key in renamed:
            pairs[key] = renamed[key]
            yield "minor", place, f"was renamed to {renamed[key]!r}; the old name still works"
        else:
            same = (name for name in news if not any(_differ(olds[key], news[name], w) for w in ("type", "collection")))
            like = next((name for name in same if name not in olds), None)
            remedy = f"; if it was renamed to {like!r}, write `was: {key}` there" if like else ""
            yield "major", place, f"was removed{remedy}"
        for name in olds[key].get("was", ()) if key in news else ():
            if name not in news[key].get("was", ()):
                yield "major", place, f"its old name {name!r} no longer works"
    for key in news:
        if key not in olds and key not in pairs.values():
            is_needed = _always(news[key].get("required"), olds) and "filled_in" not in news[key]
            level, what = ("major", "was added and is required") if is_needed else ("minor", "was added")
            yield level, f"{where} inputs.{key}", what
    ruled = {name for rule in (*old.get("rules", ()), *new.get("rules", ())) for name in rule["inputs"]}
    for before, after in pairs.items():
        place = f"{where} inputs.{after}"
        changes = list(_input(place, olds[before], news[after], ruled=after in ruled))
        changes += _narrowed(place, _field(old, olds[before]), _field(new, news[after]))
        yield from changes
        if all(level == "patch" for level, _, _ in changes) and _accepted(old, before) != _accepted(new, after):
            yield "major", place, "accepts different values than before"


def _accepted(entry: Data, key: str) -> Json:
    """Return the schema of the values that a run accepts for an input, without annotations."""
    schema = entry.get("input_schema", {}).get("properties", {}).get(key)
    return {word: schema[word] for word in schema if word not in ANNOTATIONS} if isinstance(schema, dict) else schema


def _field(entry: Data, hint: Data) -> Data:
    """Return the schema with an input's limits: its form field or, for JSON data, the more precise `contentSchema`."""
    field: Data = entry.get("form_schema", {}).get("properties", {}).get(hint["key"], {})
    return (hint["type"] == "json" and _content(_accepted(entry, hint["key"]))) or field


def _content(schema: Json) -> Data | None:
    words = schema if isinstance(schema, Mapping) else {}
    inner = [words.get("contentSchema"), *(_content(part) for part in words.get("anyOf", ()))]
    return next((part for part in inner if part), None)


def _always(required: Json, old_keys: Collection[str]) -> bool:
    """True if a condition may hold for a flow that sets only these inputs."""
    if required is None or required is True:
        return required is True
    new = (test for test in required if test["input"] not in old_keys)
    return all(None in test["is"] if "is" in test else None not in test["is_not"] for test in new)


def _input(where: str, old: Data, new: Data, *, ruled: bool) -> Changes:
    changed = {word for word in old.keys() | new.keys() if _differ(old, new, word)}
    yield from _texts(where, old, new)
    if "type" in changed:
        level = "minor" if (old["type"], new["type"]) in WIDENED else "major"
        yield level, where, f"its type {old['type']} became {new['type']}"
    if "collection" in changed:
        was, now = (f"a {hint['collection']}" if hint.get("collection") else "one value" for hint in (old, new))
        yield "major", where, f"{was} became {now}"
    if "required" in changed:
        before, after = old.get("required"), new.get("required")
        if after is None:
            yield "minor", where, "is no longer required"
        elif "filled_in" in new or before is True:
            what = "is filled in if it is left out" if "filled_in" in new else "is required only under a condition"
            yield "minor", where, what
        else:
            conditional = f"is now required under {'another' if before else 'a'} condition"
            yield "major", where, "is now required" if after is True else conditional
    if "only_when" in changed:
        what = "applies under another condition" if new.get("only_when") else "always applies"
        yield "minor" if new.get("only_when") is None else "major", where, what
    yield from _choices(where, old, new)
    if "filled_in" in changed:
        yield "major", where, f"the value that is filled in changed: {_became(old, new, 'filled_in')}"
    if "published_default" in changed:
        level = "major" if ruled or new.get("only_when") else "patch"
        yield level, where, f"its published default {_became(old, new, 'published_default')}"
    if "clearable" in changed:
        able = new.get("clearable", False)
        yield "minor" if able else "major", where, f"can {'now' if able else 'no longer'} be cleared"
    if old.get("deprecated") is None and new.get("deprecated") is not None:
        yield "minor", where, f"is deprecated: {new['deprecated']}"


def _choices(where: str, old: Data, new: Data) -> Changes:
    labels = ({json.dumps(each["value"]): each["label"] for each in hint.get("choices", ())} for hint in (old, new))
    before, after = labels
    if not before and after:
        yield "major", where, f"now accepts only {', '.join(after)}"
    elif before and not after:
        yield "minor", where, "now accepts any value"
    else:
        for level, values, others, what in (("major", before, after, "removed"), ("minor", after, before, "added")):
            if missing := [value for value in values if value not in others]:
                yield level, where, f"the choice {', '.join(missing)} was {what}"
        if any(before[value] != after[value] for value in before.keys() & after.keys()):
            yield "patch", where, "the labels of its choices changed"


def _narrowed(where: str, old: Any, new: Any, *, deep: bool = False) -> Changes:
    """Yield limits that became tighter (major) or looser (minor); with `deep`, inside JSON, compare types too."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return
    for word in (*LOWER_LIMITS, *UPPER_LIMITS):
        before, after = old.get(word), new.get(word)
        if before != after:
            tighter = after is not None and (before is None or (after > before) is (word in LOWER_LIMITS))
            yield "major" if tighter else "minor", where, f"{word} {_became(old, new, word)}"
    for word in EXACT_WORDS:
        if _differ(old, new, word):
            removed = word not in new
            what = f"its {word} was {'removed' if removed else 'changed' if word in old else 'added'}"
            yield "minor" if removed else "major", where, what
    if deep and _differ(old, new, "type"):
        any_type, types = "type" not in new, _became(old, new, "type")
        yield "minor" if any_type else "major", where, "now accepts any type" if any_type else f"its type {types}"
    before, after = old.get("enum"), new.get("enum")
    if deep and before != after:
        wider = after is None or (before is not None and all(value in after for value in before))
        yield "minor" if wider else "major", where, f"now accepts {'more' if wider else 'fewer'} values"
    if "items" in old or "items" in new:
        items = new.get("items")
        inside = deep or (isinstance(items, Mapping) and bool({"properties", "items"} & set(items)))
        yield from _narrowed(f"{where}[]" if deep else where, old.get("items", {}), new.get("items", {}), deep=inside)
    closed = new.get("additionalProperties") is False
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before.keys() | after.keys()):
        place = f"{where}.{name}"
        if name not in before:
            yield "minor", place, "was added"
        elif name not in after:
            yield "major" if closed else "patch", place, "was removed" if closed else "is no longer described"
        else:
            yield from _narrowed(place, before[name], after[name], deep=True)
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield "major", f"{where}.{name}", "is now required"
    if closed and old.get("additionalProperties") is not False:
        yield "major", where, "no longer accepts other keys"


def _lost(where: str, before: Data, after: Data, word: str) -> Changes:
    """Yield the keys and types that the schema of a response or an event, under `word`, no longer promises."""
    old, new = before.get(word), after.get(word)
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return
    if "type" in old and _differ(old, new, "type"):
        yield "major", where, f"its type {_became(old, new, 'type')}"
        return
    for name in old.get("properties", {}):
        if name not in new.get("properties", {}):
            yield "major", f"{where}.{name}", "is no longer part of it"
        else:
            yield from _lost(f"{where}.{name}", old["properties"], new["properties"], name)
    for inner in ("items", "schema"):
        yield from _lost(where, old, new, inner)
