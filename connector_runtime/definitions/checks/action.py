"""What is wrong with an action that its shape does not show: where values go, rules, pages, recovery, limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...calls.render import READS
from ...language import expressions, places
from ...model import Input, Place
from ..compiler import RULES, sent_as, several
from ..documents import Path
from .answer import SLOT
from .faults import Faults, References, near
from .tables import NAME_ONE, condition

Targets = dict[str, tuple[Place, str]]  # a place as text -> the place, and who goes there

COMPUTED = ("path", "query", "header", "body")
CHANGES = ("update", "delete", "read")


def _going(own: Faults, rows: Mapping[str, Input]) -> Iterator[tuple[Place, str]]:
    """Every place that something goes to, with who goes there: constants of the request first, then inputs."""
    request = own.part("request")
    for kind, word in (("query", "query"), ("header", "headers")):
        yield from ((Place(kind, (name,)), f"request.{word}") for name in request.get(word, {}))
    yield from ((Place("body", path), "request.body") for path in _leaves(request.get("body", {})))
    yield from ((place, key) for key, row in rows.items() for place in row.to)


def _leaves(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(data, dict) and data:
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*path, key))]
    return [path] if path else []


def _targets(own: Faults, rows: Mapping[str, Input], *, computed: bool = True) -> Targets:
    """Who goes where; the first that goes to a place counts."""
    found: Targets = {}
    for place, key in _going(own, rows):
        found.setdefault(str(place), (place, key))
    for text in own.part("compute") if computed else ():
        found.setdefault(text, (places.place(text), "compute"))
    return found


def targets(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Places where two things go."""
    found: Targets = {}
    for place, key in _going(own, rows):
        at: Path = ("inputs", key, "to")
        taken = found.setdefault(str(place), (place, key))
        if key not in rows or place.spread:
            continue
        if taken[0] is not place:
            own.add(at, f"is {place}, where '{taken[1]}' goes already; send one of them elsewhere, or leave it out")
            continue
        for other, name in found.values() if place.kind == "body" else ():
            inner, outer = (place, other) if len(place.path) > len(other.path) else (other, place)
            within = inner.path != outer.path and inner.path[: len(outer.path)] == outer.path
            if other.kind == "body" and not other.spread and within:
                remedy = f"one would overwrite the other; say {outer}.* for a map"
                own.add(at, f"is {place}, and '{name}' goes to {other}: {remedy}")
                break
    for place, key in found.values() if "request.body" in found else ():
        if place.kind == "body" and key in rows:
            own.add(("inputs", key, "to"), f"is {place}, and '{found['request.body'][1]}' is the whole body; keep one")


def compute(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Computed values that go nowhere, or are made of what is no input."""
    sent = _targets(own, rows, computed=False)
    for text, source in own.part("compute").items():
        at: Path = ("compute", text)
        place = places.place(text)
        if place.kind not in COMPUTED or not place.path:
            own.add(at, f"is no place to compute: {'.x, '.join(COMPUTED)}.x.{near(place.kind, COMPUTED)}")
        elif text in sent:
            own.add(at, f"writes where '{sent[text][1]}' goes already; keep one")
        try:
            names = expressions.expression(source).names
        except ValueError as error:
            own.add(at, f"is no expression: {error}; write it as in \"a ~ '/' ~ b\"")
            continue
        for name in sorted(names):
            own.known(at, name, own.inputs, f"uses {name!r}, which is no input", NAME_ONE)
        for name in sorted(names & set(rows)) if place.kind == "path" else ():
            if rows[name].required != () or rows[name].only_when is not None:
                own.add(at, f"stands in the path, so '{name}' must be `required: true`, without `only_when`")


def request(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Paths with braces that nothing fills, and a method that can't carry what goes to it."""
    said, found, whole = own.part("request"), _targets(own, rows), own.sound("inputs")
    if not said:
        return
    path = said.get("path", "")
    braces = SLOT.findall(path)
    for name in braces if whole else ():
        if f"path.{name}" not in found:
            own.add(("request", "path"), f"has {{{name}}}, where no input goes: say `to: path` on one")
    for name in {name for name in braces if braces.count(name) > 1}:
        own.add(("request", "path"), f"has {{{name}}} twice; give the second a name of its own")
    for key, row in rows.items():
        for place in row.to:
            if place.kind == "path":
                what = f"is {place}, but the path {path or '(none)'} has no {{{place.path[0]}}}"
                own.known(("inputs", key, "to"), place.path[0], braces, what, "Add it there.")
    for word in ("method", "path"):
        if word not in said and f"request.{word}" not in found and whole:
            own.add(("request",), f"lacks `{word}`: say it, or send an input there with `to: request.{word}`")
        elif word in said and f"request.{word}" in found:
            own.add(("request", word), f"is given, and '{found[f'request.{word}'][1]}' goes there too; keep one")
    if said.get("method") in READS:
        for place, key in found.values():
            if place.kind in ("body", "part") or str(place) == "request.body":
                what = f"is {said['method']}, which carries no body, and '{key}' goes there"
                own.add(("request", "method"), f"{what}; take query, or another method")
                break


def inputs(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Lists of choices that are none or ask for what is no input."""
    lists = around.common.get("choices", {})
    for key, row in rows.items():
        at: Path = ("inputs", key, "choices_from")
        name = row.choices_from or ""
        what = f"is {name!r}, which connector.yaml's choices lack"
        if row.choices_from is None or not own.known(at, name, lists, what, "Add it there."):
            continue
        raw = lists[name] if isinstance(lists[name], dict) else {}
        for read in raw.get("with", {}).values():
            if read not in own.inputs and read not in raw.get("parameters", ()):
                own.add(at, f"is {name}, which reads '{read}', no input here; give the list a parameter of that name")


def rules(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Rules of no kind or of two, about what is no input, or that can never hold."""
    for index, rule in enumerate(own.part("rules")):
        at: Path = ("rules", index)
        for word in rule.keys() & RULES:
            named = [rows[name] for name in rule[word] if name in rows]
            always = [row.key for row in named if row.required == () and row.only_when is None]
            for name in rule[word]:
                known = own.known((*at, word), name, own.inputs, f"names {name!r}, which is no input here", NAME_ONE)
                if known and name in rows and rows[name].type == "connection":
                    own.add((*at, word), "names the connection, which the platform chooses; leave it out")
            if word == "at_most_one" and len(always) > 1:
                own.add((*at, word), f"can never hold: {' and '.join(always)} are required; take `required` away")
        if "when" in rule:
            condition(own, (*at, "when"), rule["when"], rows)


def summary(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Slots that no input fills, or that would show a secret."""
    for slot in SLOT.findall(own.part("summary") or ""):
        known = own.known(("summary",), slot, own.inputs, f"has the slot {{{slot}}}, which is no input", NAME_ONE)
        if known and slot in rows and rows[slot].type in ("secret", "connection"):
            own.add(("summary",), f"would show '{slot}', which is a {rows[slot].type}; leave it out")


def pages(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """An input for what `paging` fills in."""
    if not own.part("paging"):
        return
    size = {**around.common.get("paging", {}), **own.part("paging")}.get("size")
    place, key = _targets(own, rows).get(size["to"] if isinstance(size, dict) else "", (None, ""))
    if key in rows:
        own.add(("inputs", key, "to"), f"is {place}, which `paging` fills in itself; leave the input out")


def recover(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """What can't be looked for after a lost answer, or not in that way."""
    rule = own.part("recover")
    if not rule or not own.sound("inputs"):
        return
    at: Path = ("recover",)
    if (effect := own.data.get("effect")) in CHANGES:
        own.add(at, f"is only for a create; what has the effect {effect} may simply be repeated")
    same, found = rule["same"], _targets(own, rows)
    for index, (name, place) in enumerate(sent_as(same).items()):
        where = (*at, "same", index if isinstance(same, list) else name)
        own.known(where, place, found, f"is {place}, where no input goes", "Name a place that one goes to.")
    if "when" in rule:
        condition(own, (*at, "when"), rule["when"], rows)
    key = rule["action"]
    what, remedy = f"is {key!r}, no action here", "Name one that lists or gets it."
    other = around.action(key) if own.known((*at, "action"), key, around.actions, what, remedy) else {}
    if not other:  # or its file can't be read now; `check` reads it
        return
    if other.get("effect", "read") != "read":
        own.add((*at, "action"), f"is {key}, which changes things; looking must be a read")
    theirs, given = other.get("inputs", {}), rule.get("with", {})
    for name, ours in given.items():
        own.known((*at, "with", name), name, theirs, f"is no input of {key}")
        own.known((*at, "with", name), ours, rows, f"is {ours!r}, no input here", NAME_ONE)
    for name, row in theirs.items():
        needed = row.get("required") is True and row.get("type") != "connection" and "default" not in row
        if needed and name not in given:
            own.add(at, f"lacks `with: {{{name}: …}}`, which {key} needs; say which input of ours it is")


def limits(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """How an action is counted: its label, and the inputs that a quota goes by."""
    if not isinstance(common := around.common.get("limits"), dict):
        return
    label, labels, quotas = own.data.get("rate_limit"), common.get("labels"), common.get("quotas")
    if isinstance(label, str) and isinstance(labels, dict):
        what = f"is {label!r}, which the labels of connector.yaml's `limits` lack"
        own.known(("rate_limit",), label, labels, what, "Add it there.")
    for name, quota in quotas.items() if isinstance(quotas, dict) and own.whole("inputs") else ():
        if isinstance(quota, dict) and own.data.get("key") in quota.get("on", ()):
            for key in (*several(quota.get("per", ())), *several(quota.get("when", ()))):
                if key not in own.inputs:
                    what = f"lack {key!r}, by which connector.yaml counts the quota '{name}'; name another one there"
                    own.add(("inputs",), what)
