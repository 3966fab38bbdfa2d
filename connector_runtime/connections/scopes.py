"""Which scopes actions need: the smallest set for an app of a kind and level, and what a token lacks. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from ..definitions.connector import Connector
from ..model import ActionSpec

Choice = tuple[frozenset[str], ...]  # alternatives of which one is enough, each perhaps several scopes at once


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSet:
    """The scopes that actions need of one kind of app; `impossible` are actions for which its level has none."""

    scopes: tuple[str, ...]
    impossible: tuple[str, ...]


def smallest(actions: Iterable[ActionSpec], kind: str, rule: Mapping[str, str]) -> ScopeSet:
    """The smallest set with which all actions work; of two that are equally small, the one listed earlier.

    An action lists alternatives for each kind of scope an app can have. `rule` says which of them an app of the level
    (one user's, an admin's) has at all: `{only: pattern}` or `{prefer: pattern}`.
    """
    wanted: dict[Choice, None] = {}  # each choice once: actions often share theirs
    impossible = []
    for action in actions:
        options = _options(action, kind, rule)
        if options:
            wanted[tuple(options)] = None
        elif options is not None:
            impossible.append(action.key)
    groups: list[tuple[set[str], list[Choice]]] = []  # with no scope in common, so that each is served by itself
    for choice in wanted:
        own = {scope for option in choice for scope in option}
        touched = [group for group in groups if group[0] & own]
        groups = [group for group in groups if not group[0] & own]
        merged = own.union(*(scopes for scopes, _ in touched))
        groups.append((merged, [*chain.from_iterable(choices for _, choices in touched), choice]))
    best = {scope for _, choices in groups for scope in _cover(choices)}
    return ScopeSet(scopes=tuple(sorted(best)), impossible=tuple(impossible))


def _cover(choices: Iterable[Choice]) -> frozenset[str]:
    """The smallest set that holds one option of each choice."""
    found: dict[frozenset[str], int] = {frozenset(): 0}  # a set that serves the choices so far -> how late it is listed
    for options in choices:
        grown: dict[frozenset[str], int] = {}
        for chosen, late in found.items():
            for place, option in enumerate(options):
                union = chosen | option
                grown[union] = min(late + place, grown.get(union, late + place))
        found = grown
    return min(found, key=lambda scopes: (len(scopes), found[scopes], sorted(scopes)))


def missing(connector: Connector, actions: Iterable[str], scopes: Collection[str]) -> dict[str, tuple[str, ...]]:
    """What actions (all if none is named) lack, by action, where a token has these scopes, in their kind and level.

    Empty if the vendor does not say what a token has.
    """
    have, levels = set(scopes), connector.profile.levels
    every = [connector.action(key) for key in connector.actions]
    asked = [connector.action(key) for key in actions] or every
    if not have:
        return {}
    shared = Counter[str]()
    for action in every:
        for kind in action.scopes:
            shared[kind] += len(have.intersection(chain.from_iterable(_all(action, kind))))
    best = max(shared, key=lambda kind: shared[kind], default="")
    rules = [rule for level, rule in levels.items() if is_of_level(connector, level, have)]
    rule = rules[-1] if rules else next(iter(levels.values()), {})
    found: dict[str, tuple[str, ...]] = {}
    for action in asked:
        if not action.scopes or any(option <= have for kind in action.scopes for option in _all(action, kind)):
            continue
        kind = best if best in action.scopes else next(iter(action.scopes))
        options = _options(action, kind, rule) or _all(action, kind)
        found[action.key] = tuple(sorted(min(options, key=lambda option: len(option - have)) - have))
    return found


def is_of_level(connector: Connector, level: str, scopes: Iterable[str]) -> bool:
    """Whether a token has scopes by which an app of that level tells itself."""
    pattern = connector.profile.levels.get(level, {}).get("preferred_scope_pattern")
    return pattern is not None and any(re.search(pattern, scope) for scope in scopes)


def _options(action: ActionSpec, kind: str, rule: Mapping[str, str]) -> list[frozenset[str]] | None:
    """The alternatives that an app of this level can have; None if the action needs no scope of this kind."""
    options = _all(action, kind)
    pattern = rule.get("scope_pattern") or rule.get("preferred_scope_pattern", "")
    fitting = [option for option in options if all(re.search(pattern, scope) for scope in option)]
    return None if not options else fitting if fitting or "scope_pattern" in rule else options


def _all(action: ActionSpec, kind: str) -> list[frozenset[str]]:
    return [frozenset([entry] if isinstance(entry, str) else entry) for entry in action.scopes.get(kind, ())]
