"""Checks connector.yaml, connections, triggers, translations and the icon, beyond the shape of the files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ...language import hosts, places
from ...language.schema_faults import nearest
from ...model import DAY, READS, Input, Place
from ..compiler import PLAN_WORDS, choice_list, inline, rates, search, several
from ..documents import Path
from .answer import SLOT, template
from .faults import PLACES, CheckedFile, References, listed
from .tables import NAME_ONE, NO_INPUT, codec

NO_ACTION = "is {}, which is not in actions/"
ADD_IT = "Add it there."
ADD_OR_OMIT = "Add it, or leave it out."


def base(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report braces in the base URL that nothing fills, and defaults that lead to none of their hosts."""
    url, section = file.part("base_url"), file.part("base")
    if not url or not file.sound("base"):
        return
    braces = set(SLOT.findall(url))
    for name in sorted(braces - set(section)):
        file.add(("base_url",), f"has {{{name}}}; say under `base` what it may be")
    for name in sorted(set(section) - braces):
        file.add(("base", name), f"is not in base_url; write {{{name}}} there, or leave it out")
    for name, part in section.items():
        default, pattern = part.get("default"), part.get("pattern")
        if not isinstance(default, str):
            continue
        if isinstance(pattern, str) and not re.fullmatch(pattern, default):
            file.add(("base", name, "default"), f"is {default!r}, which its own pattern refuses; change one of them")
        host = urlsplit(url.replace(f"{{{name}}}", default)).hostname
        if host is not None and not hosts.is_within(host, part["hosts"]):
            file.add(("base", name, "default"), f"leads to {host}, which is not one of its hosts; add it there")


def limits(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report unknown plans, labels and actions, and rates that cannot be combined."""
    section = file.part("limits")
    lists = {"on": (refs.actions, "in actions/"), "labels": (section.get("labels", {}), "one of the `labels`")}
    for kind in ("labels", "combined", "quotas"):
        entries = section.get(kind, {})
        for name, entry in entries.items() if isinstance(entries, dict) else enumerate(entries):
            at: Path = ("limits", kind, name)
            words = entry if isinstance(entry, dict) else {}
            by_plan, where = (words["rate"], (*at, "rate")) if kind == "quotas" else (entry, at)
            for plan in by_plan if isinstance(by_plan, dict) else ():
                if plan not in PLAN_WORDS:
                    file.known((*where, plan), plan, section.get("plans", []), "is not one of the `plans`", ADD_IT)
            for word, (known, what) in lists.items():
                for index, item in enumerate(words.get(word, ())):
                    file.known((*at, word, index), item, known, f"is {{}}, which is not {what}", ADD_OR_OMIT)
            for limit in rates(by_plan).values():
                daily = [rate for rate in limit if rate.seconds == DAY]
                others = [rate for rate in limit if rate.seconds != DAY]
                for rate in others if kind != "labels" else ():
                    file.add(where, f"is {rate}, but {kind} are counted by the day; write {rate.count}/day")
                for one, other, *_ in (group for group in (daily, others) if kind == "labels" and len(group) > 1):
                    file.add(where, f"has both {one} and {other}; keep one rate per day and one for a shorter period")


def choices(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report lists that cannot be resolved, and actions and fields that cannot supply one."""
    lists = file.data.get("choices", {}) if file.whole("choices") else {}
    for key, raw in lists.items():
        at: Path = ("choices", key)
        if not file.sound(*at):
            continue
        if "list" in raw:
            try:
                choice_list(key, raw, refs.shared)
            except (LookupError, TypeError):
                file.add((*at, "list"), "is not a `oneOf` list in a file in schemas/; write schemas/FILE#/$defs/NAME")
        else:
            action, remedy = refs.action(raw["action"]), "Add it, or leave this list out."
            if file.known((*at, "action"), raw["action"], refs.actions, NO_ACTION, remedy):
                _source(file, at, raw, action)
            _fields(file, at, raw, action, refs)
        for name, entry in raw.get("parameters", {}).items():
            where = (*at, "parameters", name)
            if name not in raw.get("with", {}).values():
                what = f"is not used; say under `with` which input of {raw.get('action', 'the action')} it fills"
                file.add(where, what)
            if (source := entry.get("choices_from")) is not None:
                what = "is {}, which is not one of these lists"
                file.known((*where, "choices_from"), source, lists, what, "Add it here.")


def _source(file: CheckedFile, at: Path, raw: Mapping[str, Any], action: Mapping[str, Any]) -> None:
    """Compare a list with the action that supplies it, unless that action's file cannot be read."""
    inputs, request = action.get("inputs"), action.get("request")
    if not isinstance(inputs, dict) or not isinstance(request, dict):
        return
    key, filled = raw["action"], raw.get("with", {})
    if action.get("effect", "read" if request.get("method") in READS else None) != "read":
        file.add((*at, "action"), f"is {key}, which changes something, but a drop-down must only read; name another")
        return
    for word, name in [*(("with", name) for name in filled), *(("search", name) for name in search(raw))]:
        what = f"names {name!r}, which is not an input of {key}"
        file.known((*at, word), name, inputs, what, f"Name one that is. {listed(inputs)}")
    for name, row in inputs.items():
        is_needed = isinstance(row, dict) and row.get("required") is True and "default" not in row
        if not is_needed or row.get("type") == "connection":
            continue
        source = raw.get("parameters", {}).get(filled.get(name))
        if name not in filled:
            file.add(at, f"lacks {name!r}, which {key} needs; say under `with` which input or parameter fills it")
        elif source is not None and "default" not in source and not source.get("required"):
            what = f"fills {name!r}, which {key} needs; add `required: true` or a `default`"
            file.add((*at, "parameters", filled[name]), what)
    if "paging" not in action and "items" not in raw:
        file.add(at, f"lacks `items`, the place of the list in the answer; add it, since {key} has no `paging`")


def _fields(file: CheckedFile, at: Path, raw: Mapping[str, Any], action: Mapping[str, Any], refs: References) -> None:
    """Report fields that the action's output schema lacks, and labels that would show a secret."""
    paging, output = action.get("paging"), action.get("output")
    fields: dict[str, Any] = {}
    try:
        schema = inline(output.get("schema") if isinstance(output, dict) else None, refs.shared)
    except (LookupError, TypeError, RecursionError):  # the action's own check reports this
        schema = None
    for path in several(raw.get("items", paging.get("items", ()) if isinstance(paging, dict) else ())):
        steps = [step for name in path.split(".") if name for step in ("properties", name)]
        properties = places.dig(schema, (*steps, "items", "properties"))
        if not isinstance(properties, dict):  # the schema does not name the fields
            fields = {}
            break
        fields |= properties
    for word in ("value", "label", "description"):
        for text in several(raw.get(word, ())):
            names = template(file, (*at, word), text)
            for name in sorted(names) if fields else ():
                is_known = file.known((*at, word), name, fields, "names {}, which is not a field of an item", NAME_ONE)
                if is_known and isinstance(fields[name], dict) and fields[name].get("x-secret") is True:
                    file.add((*at, word), f"would show {name!r}, which is a secret; name another field")


def shared_rows(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report shared rows that no action uses, unless some action's file cannot be read."""
    tables = [refs.action(key).get("inputs") for key in refs.actions]
    used = {row.get("row") for table in tables for row in (table or {}).values() if isinstance(row, dict)}
    for name in file.data.get("rows", {}) if file.whole("rows") and None not in tables else ():
        if name not in used:
            file.add(("rows", name), f"is used by no action; refer to it with `row: {name}`, or delete it")


def _granted(file: CheckedFile, rows: Mapping[str, Input]) -> list[tuple[Path, Place]]:
    """Return the places that a connection fills: with its inputs, then with the values of its token."""
    token = [(("token", name, "to"), places.place(raw["to"], name)) for name, raw in file.part("token").items()]
    return [*((("inputs", key, "to"), place) for key, row in rows.items() for place in row.to), *token]


def grants(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report values without a place, with a wrong place, or with the place of another value."""
    braces, kinds = refs.common.get("base", {}), PLACES["connection"]
    taken: dict[str, Path] = {}
    for path, place in _granted(file, rows):
        if path[0] == "token" and place.kind not in kinds:
            file.add(path, f"is {place}; use one of {', '.join(kinds)}")
        earlier = taken.get(str(place).lower())
        if place.kind == "base" and place.path[0] not in braces:
            what = f"is {place}, but connector.yaml's `base` has no {place.path[0]!r}"
            file.add(path, f"{what}.{nearest(place.path[0], braces, ADD_IT)}")
        elif earlier is not None:
            file.add(path, f"is {place}, where '{earlier[1]}' already goes; keep one")
        taken.setdefault(str(place).lower(), path)
    for name, raw in file.part("token").items():
        codec(file, ("token", name, "as"), raw, refs)
    for key, row in rows.items():
        if not row.to:
            file.add(("inputs", key), f"goes nowhere; add `to`, one of {', '.join(kinds)}")


def test(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report unknown actions and inputs in a connection's test, and an unknown level."""
    section = file.part("test")
    if (action := section.get("action")) is not None:
        file.known(("test", "action"), action, refs.actions, NO_ACTION, "Add it, or name another.")
    levels = refs.common.get("levels", {})
    rules = levels.items() if isinstance(levels, dict) else ()
    preferred = [name for name, rule in rules if "preferred_scope_pattern" in rule]
    if isinstance(level := file.data.get("account_wide"), str):
        what = "is {}, which is not a level of connector.yaml with a `preferred_scope_pattern`"
        file.known(("account_wide",), level, preferred, what, "Name one, or write true.")
    for word in ("identity", "account", "user") if file.sound("inputs") else ():
        place, _, name = section.get(word, "").partition(".")
        if place == "input":
            file.known(("test", word), name, rows, NO_INPUT, "Name one.")


def oauth(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report a sign-in that lacks a part or has one that its grant does not use."""
    if not file.sound("oauth") or not file.sound("token"):
        return
    section, token = file.data.get("oauth"), file.data.get("token", {})
    if not isinstance(section, dict):
        if token:
            file.add(("token",), "needs `oauth`, which this file does not have; send the inputs themselves with `to`")
        return
    grant, client = section["grant"], section["client"]
    for word in sorted({"authorize_url", "pkce"} & section.keys()) if grant != "authorization_code" else ():
        file.add(("oauth", word), f"is for a person's sign-in, which the grant {grant} does not have; leave it out")
    if not isinstance(token, dict) or "access_token" not in token:
        file.add(("oauth",), "gets a token that goes nowhere; add `token: {access_token: {to: …}}`")
    granted = {str(place).lower() for _, place in _granted(file, rows)}
    for word in ("client.id",) if client == "none" else ("client.id", "client.secret"):
        if file.sound("inputs") and word not in granted:
            file.add(("oauth", "client"), f"is {client}, but no input gives {word}; write `to: {word}` on one")


def signature(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report a signature without exactly one input for its secret, or with unknown slots."""
    secrets = [key for key, row in rows.items() for place in row.to if str(place) == "verify.secret"]
    if not secrets and file.sound("inputs"):
        file.add(("inputs",), "lack the secret; add an input with `to: verify.secret`")
    for key in secrets[1:]:
        file.add(("inputs", key, "to"), f"is verify.secret, where '{secrets[0]}' already goes; keep one")
    section = file.part("verify")
    for slot in SLOT.findall(section.get("message", "")):
        if slot not in ("body", "timestamp"):
            file.add(("verify", "message"), f"has {{{slot}}}; use {{body}} and {{timestamp}}, the only slots here")
    if "field" in section.get("time", {}) and "fields" not in section:
        file.add(("verify", "time", "field"), "is a part of the header, which has none; add `fields: {signature: …}`")


def locale(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report translations for unknown actions, and translations that change a string's slots."""
    blocks: dict[Path, Any] = {("texts",): file.part("texts")}
    for key, entries in file.part("actions").items():
        file.known(("actions", key), key, refs.actions, "is not an action", "Delete it.")
        blocks["actions", key] = entries
    for path, entries in blocks.items():
        for text, words in entries.items():
            slots, translated = (set(re.findall(r"\{[^{}]*\}", line)) for line in (text, words or ""))
            if words and slots != translated:
                names = f"{', '.join(sorted(slots)) or 'none'}, and no others: they are filled in later"
                file.add((*path, text), f"needs the slots of the original, {names}")


LONGEST = 16_384  # characters of an icon
SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {
    "svg", "g", "defs", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text",
    "tspan", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "pattern", "symbol", "use",
}  # fmt: skip


def icon(svg: str) -> Iterator[str]:
    """Yield the faults of an icon: not SVG, too long, or more than self-contained shapes."""
    from xml.etree import ElementTree

    if len(svg) > LONGEST:
        yield f"has {len(svg):,} characters; an icon has at most {LONGEST:,}"
        return
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        yield f"is not XML: {error}"
        return
    if root.tag != f"{SVG}svg":
        yield 'is not SVG: its root must be <svg xmlns="http://www.w3.org/2000/svg">'
        return
    for element in root.iter():
        name = element.tag.removeprefix(SVG)
        if name not in SHAPES:
            yield f"has <{name.rpartition('}')[2]}>; use only shapes, without scripts, styles and images"
        for attribute, value in element.attrib.items():
            word = attribute.rpartition("}")[2]
            if word.lower().startswith("on") or (word == "href" and value[:1] != "#") or "//" in value:
                yield f"runs a script or leaves the file in {word}; leave it out"
