"""The scopes that actions need: the smallest set for an app, and the scopes that a token lacks. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain

from ..definitions.connector import Connector
from ..model import ActionSpec

Options = tuple[frozenset[str], ...]  # alternatives of one or more scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSet:
    """The scopes that actions need in a kind of app; `impossible` lists actions that its level does not allow."""

    scopes: tuple[str, ...]
    impossible: tuple[str, ...]


def smallest(actions: Iterable[ActionSpec], kind: str, rule: Mapping[str, str]) -> ScopeSet:
    """Return the smallest set of scopes for all actions; among equally small sets, the one listed first.

    An action lists alternatives for each kind of scope. `rule` selects the alternatives for the app's level (user or
    admin): `{scope_pattern: …}` or `{preferred_scope_pattern: …}`.
    """
    required: dict[Options, None] = {}  # deduplicated, because actions often share their options
    impossible = []
    for action in actions:
        options = _options(action, kind, rule)
        if options:
            required[tuple(options)] = None
        elif options is not None:
            impossible.append(action.key)
    groups: list[tuple[set[str], list[Options]]] = []  # groups share no scopes, so each is solved separately
    for member in required:
        scopes = {scope for option in member for scope in option}
        overlapping = [group for group in groups if group[0] & scopes]
        groups = [group for group in groups if not group[0] & scopes]
        merged = scopes.union(*(others for others, _ in overlapping))
        groups.append((merged, [*chain.from_iterable(members for _, members in overlapping), member]))
    best = {scope for _, members in groups for scope in _cover(members)}
    return ScopeSet(scopes=tuple(sorted(best)), impossible=tuple(impossible))


def _cover(members: Iterable[Options]) -> frozenset[str]:
    """Return the smallest set that contains one of the options of each member."""
    ranks: dict[frozenset[str], int] = {frozenset(): 0}  # sets that cover the members so far, by rank
    for options in members:
        longer: dict[frozenset[str], int] = {}
        for scopes, rank in ranks.items():
            for index, option in enumerate(options):
                union = scopes | option
                longer[union] = min(rank + index, longer.get(union, rank + index))
        ranks = longer
    return min(ranks, key=lambda scopes: (len(scopes), ranks[scopes], sorted(scopes)))


def missing(connector: Connector, actions: Iterable[str], scopes: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the scopes that a token with `scopes` lacks for actions (default: all), by action.

    They fit the token's kind and level. Without `scopes`, the token's scopes are unknown and the result is empty.
    """
    granted, levels = set(scopes), connector.profile.levels
    all_specs = [connector.action(key) for key in connector.actions]
    specs = [connector.action(key) for key in actions] or all_specs
    if not granted:
        return {}
    matches = Counter[str]()
    for action in all_specs:
        for kind in action.scopes:
            matches[kind] += len(granted.intersection(chain.from_iterable(_all(action, kind))))
    best = max(matches, key=lambda kind: matches[kind], default="")
    rules = [rule for level, rule in levels.items() if is_of_level(connector, level, granted)]
    rule = rules[-1] if rules else next(iter(levels.values()), {})
    lacking: dict[str, tuple[str, ...]] = {}
    for action in specs:
        if not action.scopes or any(option <= granted for kind in action.scopes for option in _all(action, kind)):
            continue
        kind = best if best in action.scopes else next(iter(action.scopes))
        options = _options(action, kind, rule) or _all(action, kind)
        lacking[action.key] = tuple(sorted(min(options, key=lambda option: len(option - granted)) - granted))
    return lacking


def is_of_level(connector: Connector, level: str, scopes: Iterable[str]) -> bool:
    """Return whether a token has a scope that identifies an app of that level."""
    pattern = connector.profile.levels.get(level, {}).get("preferred_scope_pattern")
    return pattern is not None and any(re.search(pattern, scope) for scope in scopes)


def _options(action: ActionSpec, kind: str, rule: Mapping[str, str]) -> list[frozenset[str]] | None:
    """Return the options for an app of this level; None if the action needs no scope of this kind."""
    options = _all(action, kind)
    pattern = rule.get("scope_pattern") or rule.get("preferred_scope_pattern", "")
    fitting = [option for option in options if all(re.search(pattern, scope) for scope in option)]
    return None if not options else fitting if fitting or "scope_pattern" in rule else options


def _all(action: ActionSpec, kind: str) -> list[frozenset[str]]:
    return [frozenset([entry] if isinstance(entry, str) else entry) for entry in action.scopes.get(kind, ())]
