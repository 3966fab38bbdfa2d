"""Checks an action beyond the shape of its file: where values go, rules, pages, recovery, limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...language import expressions, places
from ...language.conditions import parse
from ...language.schema_faults import nearest
from ...model import READS, Input, Place
from ...types.collections import GUARDED_HEADERS
from ..compiler import RULES, sent_as, several
from ..documents import Path
from .answer import SLOT
from .faults import CheckedFile, References
from .tables import NAME_ONE, NO_INPUT, condition

Targets = dict[str, tuple[Place, str]]  # place as text -> (place, name of the value that goes there)

COMPUTED = ("path", "query", "header", "body")
CHANGES = ("update", "delete", "read")


def _sent(file: CheckedFile, rows: Mapping[str, Input]) -> Iterator[tuple[Place, str]]:
    """Yield the place and the name of every value that is sent: constants of the request first, then inputs."""
    request = file.part("request")
    for kind, word in (("query", "query"), ("header", "headers")):
        yield from ((Place(kind, (name,)), f"request.{word}") for name in request.get(word, {}))
    yield from ((Place("body", path), "request.body") for path in _leaves(request.get("body", {})))
    yield from ((place, key) for key, row in rows.items() for place in row.to)


def _leaves(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(data, dict) and data:
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*path, key))]
    return [path] if path else []


def _targets(file: CheckedFile, rows: Mapping[str, Input], *, computed: bool = True) -> Targets:
    """Return the places that values go to; if several values go to one place, the first is kept."""
    taken: Targets = {}
    for place, key in _sent(file, rows):
        taken.setdefault(str(place), (place, key))
    for text in file.part("compute") if computed else ():
        taken.setdefault(text, (places.place(text), "compute"))
    return taken


def targets(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report places that two values go to."""
    taken: Targets = {}
    for place, key in _sent(file, rows):
        at: Path = ("inputs", key, "to")
        first = taken.setdefault(str(place), (place, key))
        if key not in rows or place.spread:
            continue
        if first[0] is not place:
            file.add(at, f"is {place}, where '{first[1]}' already goes; send one of them elsewhere, or leave one out")
            continue
        for other, name in taken.values() if place.kind == "body" else ():
            inner, outer = (place, other) if len(place.path) > len(other.path) else (other, place)
            within = inner.path != outer.path and inner.path[: len(outer.path)] == outer.path
            if other.kind == "body" and not other.spread and within:
                remedy = f"one would overwrite the other; write {outer}.* for a map"
                file.add(at, f"is {place}, and '{name}' goes to {other}: {remedy}")
                break
    for place, key in taken.values() if "request.body" in taken else ():
        if place.kind == "body" and key in rows:
            file.add(("inputs", key, "to"), f"is {place}, and '{taken['request.body'][1]}' is the whole body; keep one")


def compute(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report computed values with a wrong place, and expressions with names that are not inputs."""
    taken = _targets(file, rows, computed=False)
    for text, source in file.part("compute").items():
        at: Path = ("compute", text)
        place = places.place(text)
        if place.kind not in COMPUTED or not place.path:
            file.add(at, f"cannot be computed; use one of {'.x, '.join(COMPUTED)}.x.{nearest(place.kind, COMPUTED)}")
        elif text in taken:
            file.add(at, f"is a place where '{taken[text][1]}' already goes; keep one")
        try:
            names = expressions.expression(source).names
        except ValueError as error:
            file.add(at, f"is not an expression: {error}; write it as in \"a ~ '/' ~ b\"")
            continue
        if not names:
            file.add(at, "reads no input, so it is a constant; write it under `request`")
        if place.kind == "header" and ".".join(place.path).lower() in GUARDED_HEADERS:
            file.add(at, "is set by the connection or HTTP itself; leave it out")
        for name in sorted(names):
            file.known(at, name, file.inputs, "uses {}, which is not an input", NAME_ONE)
        for name in sorted(names & set(rows)) if place.kind == "path" else ():
            if rows[name].required != () or rows[name].only_when is not None:
                file.add(at, f"goes into the path, so '{name}' must have `required: true` and no `only_when`")


def request(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report braces in the path that nothing fills, and a method without a body if values go to the body."""
    section, taken, is_sound = file.part("request"), _targets(file, rows), file.sound("inputs")
    if not section:
        return
    path = section.get("path", "")
    braces = SLOT.findall(path)
    for name in braces if is_sound else ():
        if f"path.{name}" not in taken:
            file.add(("request", "path"), f"has {{{name}}}, which no input fills; write `to: path.{name}` on one")
    for name in {name for name in braces if braces.count(name) > 1}:
        file.add(("request", "path"), f"has {{{name}}} twice; give the second another name")
    for key, row in rows.items():
        for place in row.to:
            if place.kind == "path":
                what = f"is {place}, but the path {path or '(none)'} has no {{{place.path[0]}}}"
                file.known(("inputs", key, "to"), str(place), map("path.{}".format, braces), what, "Add it there.")
    for word in ("method", "path"):
        if word not in section and f"request.{word}" not in taken and is_sound:
            file.add(("request",), f"lacks `{word}`; add it, or send an input there with `to: request.{word}`")
        elif word in section and f"request.{word}" in taken:
            file.add(("request", word), f"is fixed, but '{taken[f'request.{word}'][1]}' goes there too; keep one")
    if section.get("method") in READS:
        for place, key in taken.values():
            if place.kind in ("body", "part") or str(place) == "request.body":
                what = f"is {section['method']}, which has no body, but '{key}' goes there"
                file.add(("request", "method"), f"{what}; use query, or another method")
                break


def inputs(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report lists of choices that do not exist, or that need inputs which this action lacks."""
    lists = refs.common.get("choices", {})
    for key, row in rows.items():
        at: Path = ("inputs", key, "choices_from")
        name = row.choices_from or ""
        what = "is {}, which is not in connector.yaml's `choices`"
        if row.choices_from is None or not file.known(at, name, lists, what, "Add it there."):
            continue
        raw = lists[name] if isinstance(lists[name], dict) else {}
        for needed in raw.get("with", {}).values():
            if needed not in file.inputs and needed not in raw.get("parameters", ()):
                what = f"is {name}, which needs '{needed}', which is not an input here"
                file.add(at, f"{what}; give the list a parameter of that name")


def rules(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report rules that name unknown inputs or the connection, or that can never hold."""
    for index, rule in enumerate(file.part("rules")):
        at: Path = ("rules", index)
        for word in rule.keys() & {*RULES}:
            members = [rows[name] for name in rule[word] if name in rows]
            always = [row.key for row in members if row.required == () and row.only_when is None]
            for name in rule[word]:
                is_known = file.known((*at, word), name, file.inputs, NO_INPUT, NAME_ONE)
                if is_known and name in rows and rows[name].type == "connection":
                    file.add((*at, word), "names the connection, which the platform chooses; leave it out")
            for row in members if word == "in_order" else ():
                if row.type not in ("date", "datetime") or row.collection:
                    what = f"names {row.key!r}, which is not a date; name inputs of the type date or datetime"
                    file.add((*at, word), what)
            if word == "at_most_one" and len(always) > 1:
                file.add((*at, word), f"can never hold: {' and '.join(always)} are required; remove `required`")
        if "when" in rule:
            own = [name for name in rule.get("ignored", ()) if any(test.name == name for test in parse(rule["when"]))]
            condition(file, (*at, "when"), rule["when"], rows, *own[:1])
        if "{{" in rule.get("says", ""):
            file.add((*at, "says"), "has an expression, which only the warnings of an input may have; leave it out")


def summary(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report slots that no input fills, or that would show a secret."""
    for slot in SLOT.findall(file.part("summary") or ""):
        what = f"has the slot {{{slot}}}, which is not an input"
        is_known = file.known(("summary",), slot, file.inputs, what, NAME_ONE)
        if is_known and slot in rows and rows[slot].type in ("secret", "connection"):
            file.add(("summary",), f"would show '{slot}', which is a {rows[slot].type}; leave it out")


def pages(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report an input for the page size, which `paging` fills in."""
    if not file.part("paging"):
        return
    size = {**refs.common.get("paging", {}), **file.part("paging")}.get("size")
    place, key = _targets(file, rows).get(size["to"] if isinstance(size, dict) else "", (None, ""))
    if key in rows:
        file.add(("inputs", key, "to"), f"is {place}, which `paging` fills in itself; leave the input out")


def recover(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report a `recover` that cannot find the created object after the response was lost."""
    rule = file.part("recover")
    if not rule or not file.sound("inputs"):
        return
    at: Path = ("recover",)
    if (effect := file.data.get("effect")) in CHANGES:
        file.add(at, f"is only for creates; an action with the effect {effect} can simply be repeated")
    same, taken = rule["same"], _targets(file, rows)
    for index, (name, place) in enumerate(sent_as(same).items()):
        where = (*at, "same", index if isinstance(same, list) else name)
        file.known(where, place, taken, f"is {place}, where no input goes", "Name a place that one goes to.")
    if "when" in rule:
        condition(file, (*at, "when"), rule["when"], rows)
    key = rule["action"]
    what, remedy = "is {}, which is not an action here", "Name one that lists or gets it."
    other = refs.action(key) if file.known((*at, "action"), key, refs.actions, what, remedy) else {}
    if not other:  # unknown, or a file with faults of its own
        return
    if other.get("effect", "read") != "read":
        file.add((*at, "action"), f"is {key}, which changes something; name an action that only reads")
    theirs, filled = other.get("inputs", {}), rule.get("with", {})
    for name, ours in filled.items():
        file.known((*at, "with", name), name, theirs, f"is not an input of {key}")
        file.known((*at, "with", name), ours, rows, "is {}, which is not an input here", NAME_ONE)
    for name, row in theirs.items():
        is_needed = row.get("required") is True and row.get("type") != "connection" and "default" not in row
        if is_needed and name not in filled:
            file.add(at, f"lacks `with: {{{name}: …}}`, which {key} needs; say which input of this action it is")


def limits(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report an unknown label, and quotas that count by an input that the action lacks."""
    if not isinstance(common := refs.common.get("limits"), dict):
        return
    label, labels, quotas = file.data.get("rate_limit"), common.get("labels"), common.get("quotas")
    if isinstance(label, str) and isinstance(labels, dict):
        what = "is {}, which is not a label of connector.yaml's `limits`"
        file.known(("rate_limit",), label, labels, what, "Add it there.")
    for name, quota in quotas.items() if isinstance(quotas, dict) and file.whole("inputs") else ():
        if isinstance(quota, dict) and file.data.get("key") in quota.get("on", ()):
            for key in (*several(quota.get("per", ())), *several(quota.get("when", ()))):
                if key not in file.inputs:
                    what = f"lack {key!r}, by which connector.yaml's quota '{name}' counts; name another input there"
                    file.add(("inputs",), what)
