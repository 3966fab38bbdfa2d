"""What changed between two catalogues, and what of it breaks flows that were built on the old one. Pure.

A change is *major* if a flow that worked may be refused, may send something else, or may get something else; *minor*
if there is more than before; *patch* if only words changed. What cannot be told apart counts as major.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..model import Json
from .diff_inputs import always, inputs, texts
from .diff_values import Found, by_key, lost, shown

LEVELS = ("major", "minor", "patch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change: where, what, and which part of the version it moves."""

    where: str
    what: str
    level: str

    @property
    def breaking(self) -> bool:
        return self.level == "major"

    def __str__(self) -> str:
        return f"{'BREAKING ' if self.breaking else ''}{self.where}: {self.what}"


def differences(old: Mapping[str, Json], new: Mapping[str, Json]) -> list[Change]:
    """Every change between two catalogues, breaking ones first."""
    found = [Change(where=where, what=what, level=level) for level, where, what in _catalogue(old, new)]
    return sorted(found, key=lambda change: LEVELS.index(change.level))


def bump(version: str, changes: Iterable[Change]) -> str:
    """The least version that semantic versioning asks for; before 1.0.0 a break moves the minor number.

    Raises `ValueError` if `version` is not of the form 1.2.3.
    """
    major, minor, patch = (int(part) for part in version.split("-")[0].split("+")[0].split("."))
    levels = {change.level for change in changes}
    if "major" in levels:
        return f"{major + 1}.0.0" if major else f"0.{minor + 1}.0"
    if "minor" in levels:
        return f"{major}.{minor + 1}.0" if major else f"0.{minor}.{patch + 1}"
    return f"{major}.{minor}.{patch + 1}" if levels else version


def _catalogue(old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    if old["key"] != new["key"]:
        yield "major", "connector", f"its key {old['key']!r} became {new['key']!r}"
    yield from texts("connector", old, new)
    for kind, compare in (("connection", _connection), ("trigger", _trigger), ("action", _action)):
        olds, news = by_key(old[f"{kind}s"]), by_key(new[f"{kind}s"])
        for key in olds.keys() - news.keys():
            yield "major", f"{kind} {key}", "was removed"
        for key in news.keys() - olds.keys():
            yield "minor", f"{kind} {key}", "was added"
        for key in sorted(olds.keys() & news.keys()):
            yield from texts(f"{kind} {key}", olds[key], news[key])
            yield from compare(f"{kind} {key}", olds[key], news[key])
    for name in sorted(set(old["choices"]) ^ set(new["choices"])):
        added = name in new["choices"]  # a list only offers values, so that its end breaks no flow
        yield "minor" if added else "patch", f"choices {name}", "was added" if added else "was removed"


def _connection(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    yield from inputs(where, old, new)
    before, after = old.get("oauth") or {}, new.get("oauth") or {}
    for word in sorted(before.keys() | after.keys()):
        if before.get(word) != after.get(word):
            level = "major" if word in ("grant", "client") else "minor"
            yield level, f"{where} oauth.{word}", f"{shown(before.get(word))} became {shown(after.get(word))}"


def _trigger(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    yield from inputs(where, old, new)
    for word, key in (("filters", "key"), ("events", "name")):
        olds, news = by_key(old.get(word, ()), key), by_key(new.get(word, ()), key)
        for name in sorted(olds.keys() ^ news.keys()):
            was = name in olds
            yield "major" if was else "minor", f"{where} {word}.{name}", "was removed" if was else "was added"
        for name in sorted(olds.keys() & news.keys()):
            before, after = olds[name].get("schema"), news[name].get("schema")
            for path, what in lost(before, after, ""):
                yield "major", f"{where} {word}.{name}{path}", what


def _action(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    if old["effect"] != new["effect"]:
        yield "major", where, f"its effect {shown(old['effect'])} became {shown(new['effect'])}"
    if old["list"] != new["list"]:
        yield "major", where, "became a list: it gives items, not the answer" if new["list"] else "is no list any more"
    yield from _scopes(where, old["scopes"], new["scopes"])
    yield from inputs(where, old, new)
    known = {hint["key"] for hint in old["inputs"]}
    for rule in new.get("rules", ()):
        if not any(_covers(before, rule, known) for before in old.get("rules", ())) and not _new_only(rule, known):
            yield "major", where, f"the rule {_rule(rule)} was added"
    for rule in old.get("rules", ()):
        if rule not in new.get("rules", ()):
            yield "minor", where, f"the rule {_rule(rule)} is gone, or is another"
    for path, what in lost(old.get("output_schema"), new.get("output_schema"), ""):
        yield "major", f"{where} output_schema{path}", what


def _scopes(where: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
    """Any one entry of a kind is enough; an app that has one of the old ones must still have enough."""

    def sets(scopes: Iterable[Any]) -> list[frozenset[str]]:
        return [frozenset([scope] if isinstance(scope, str) else scope) for scope in scopes]

    for kind in sorted(old.keys() | new.keys()):
        before, after = sets(old.get(kind, ())), sets(new.get(kind, ()))
        if kind not in old:
            level = "minor" if old else "major"
            yield level, f"{where} scopes.{kind}", f"{shown(new[kind])} was added"
        elif kind not in new:
            yield "major" if new else "minor", f"{where} scopes.{kind}", "was removed"
        elif before != after:
            short = [has for has in before if not any(needs <= has for needs in after)]
            what = f"{shown(old[kind])} became {shown(new[kind])}"
            yield "major" if short else "minor", f"{where} scopes.{kind}", what


# -- rules -----------------------------------------------------------------------------------------------------------


def _rule(rule: Mapping[str, Json]) -> str:
    return f"{rule['kind'].replace('_', ' ')} of {', '.join(rule['inputs'])}"


def _covers(old: Mapping[str, Json], new: Mapping[str, Json], known: set[str]) -> bool:
    """Whether inputs that kept the old rule keep the new one."""
    if old["kind"] != new["kind"] or old["when"] != new["when"]:
        return False
    before, after = set(old["inputs"]), set(new["inputs"])
    if new["kind"] == "at_least_one":
        return before <= after
    return after & known <= before if new["kind"] == "at_most_one" else before == after


def _new_only(rule: Mapping[str, Json], known: set[str]) -> bool:
    """Whether a rule can only be broken, or only counts, where a new input is given."""
    if not always(rule["when"] or True, known):
        return True
    old = set(rule["inputs"]) & known
    return rule["kind"] != "at_least_one" and len(old) <= (1 if rule["kind"] == "at_most_one" else 0)
