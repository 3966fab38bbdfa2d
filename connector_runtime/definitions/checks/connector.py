"""What is wrong with connector.yaml, a connection, a trigger or a translation that its shape does not show. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ...calls.render import READS
from ...language import hosts, places
from ...model import DAY, Input, Place
from ..compiler import PLAN_WORDS, choice_list, inline, rates, search, several
from ..documents import Path
from .answer import SLOT, template
from .faults import PLACES, Faults, References, listed, near
from .tables import codec

ADD_IT = "Add it there."
WRITE_IT = "Write it, or leave it out."


def base(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """A base URL with braces that nothing may fill, and hosts that it does not lead to."""
    url, said = own.part("base_url"), own.part("base")
    if not url or not own.sound("base"):
        return
    braces = set(SLOT.findall(url))
    for name in sorted(braces - set(said)):
        own.add(("base_url",), f"has {{{name}}}; say under `base` what may stand there")
    for name in sorted(set(said) - braces):
        own.add(("base", name), f"stands in no brace of base_url; write {{{name}}} there, or leave it out")
    for name, allowed in said.items():
        default, pattern = allowed.get("default"), allowed.get("pattern")
        if not isinstance(default, str):
            continue
        if isinstance(pattern, str) and not re.fullmatch(pattern, default):
            own.add(("base", name, "default"), f"is {default!r}, which its own pattern refuses; change one of them")
        at = urlsplit(url.replace(f"{{{name}}}", default)).hostname
        if at is not None and not hosts.is_within(at, allowed["hosts"]):
            own.add(("base", name, "default"), f"leads to {at}, which is none of its hosts; add it there")


def limits(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Rates of plans, labels and actions that are none, and rates that can't be counted together."""
    said = own.part("limits")
    lists = {"on": (around.actions, "actions/ lacks"), "labels": (said.get("labels", {}), "`labels` lacks")}
    for kind in ("labels", "combined", "quotas"):
        entries = said.get(kind, {})
        for name, entry in entries.items() if isinstance(entries, dict) else enumerate(entries):
            at: Path = ("limits", kind, name)
            words = entry if isinstance(entry, dict) else {}
            rated, where = (words["rate"], (*at, "rate")) if kind == "quotas" else (entry, at)
            for plan in rated if isinstance(rated, dict) else ():
                if plan not in PLAN_WORDS:
                    own.known((*where, plan), plan, said.get("plans", []), "is none of the `plans`", ADD_IT)
            for word, (known, lacks) in lists.items():
                for index, one in enumerate(words.get(word, ())):
                    own.known((*at, word, index), one, known, f"is {one!r}, which {lacks}", WRITE_IT)
            for found in rates(rated).values():
                daily = [rate for rate in found if rate.seconds == DAY]
                others = [rate for rate in found if rate.seconds != DAY]
                for rate in others if kind != "labels" else ():
                    what = "and what is counted here is counted by the day"
                    own.add(where, f"says {rate}, {what}; write {rate.count}/day")
                for one, other, *_ in (each for each in (daily, others) if kind == "labels" and len(each) > 1):
                    own.add(where, f"says {one} and {other}, two rates of one kind; keep one a day and one for less")


def choices(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Lists that lead nowhere, and actions and fields that can't give one."""
    lists = own.data.get("choices", {}) if own.whole("choices") else {}
    for key, raw in lists.items():
        at: Path = ("choices", key)
        if not own.sound(*at):
            continue
        if "list" in raw:
            try:
                choice_list(key, raw, around.shared)
            except (LookupError, TypeError):
                own.add((*at, "list"), "leads to no `oneOf` list in a file of schemas/; write schemas/FILE#/$defs/NAME")
        else:
            action, what = around.action(raw["action"]), f"is {raw['action']!r}, which actions/ lacks"
            if own.known((*at, "action"), raw["action"], around.actions, what, "Write it, or leave this list out."):
                _source(own, at, raw, action)
            _fields(own, at, raw, action, around)
        for name, entry in raw.get("parameters", {}).items():
            where = (*at, "parameters", name)
            if name not in raw.get("with", {}).values():
                what = f"is read by nothing: say under `with` which input of {raw.get('action', 'the action')} it gives"
                own.add(where, what)
            if (source := entry.get("choices_from")) is not None:
                what = f"is {source!r}, which is none of these lists"
                own.known((*where, "choices_from"), source, lists, what, "Add it here.")


def _source(own: Faults, at: Path, raw: Mapping[str, Any], action: Mapping[str, Any]) -> None:
    """What does not fit the action that the list points to; of a file that can't be read nothing is asked."""
    inputs, request = action.get("inputs"), action.get("request")
    if not isinstance(inputs, dict) or not isinstance(request, dict):
        return
    key, given = raw["action"], raw.get("with", {})
    if action.get("effect", "read" if request.get("method") in READS else None) != "read":
        own.add((*at, "action"), f"is {key}, which changes something; a drop-down must only read, name another")
        return
    for word, name in [*(("with", name) for name in given), *(("search", name) for name in search(raw))]:
        what = f"speaks of {name!r}, which is no input of {key}"
        own.known((*at, word), name, inputs, what, f"Name one that is. {listed(inputs)}")
    for name, row in inputs.items():
        always = isinstance(row, dict) and row.get("required") is True and "default" not in row
        if not always or row.get("type") == "connection":
            continue
        source = raw.get("parameters", {}).get(given.get(name))
        if name not in given:
            own.add(at, f"lacks {name!r}, which {key} needs: say under `with` which input or parameter gives it")
        elif source is not None and "default" not in source and not source.get("required"):
            what = f"gives {name!r}, which {key} needs: say `required: true`, or a `default`"
            own.add((*at, "parameters", given[name]), what)
    if "paging" not in action and "items" not in raw:
        own.add(at, f"lacks `items`, where the list lies in the answer of {key}, which has no `paging` that says it")


def _fields(own: Faults, at: Path, raw: Mapping[str, Any], action: Mapping[str, Any], around: References) -> None:
    """Fields that an item never has by the action's output schema, and secrets in the open."""
    paging, output = action.get("paging"), action.get("output")
    fields: dict[str, Any] = {}
    try:
        schema = inline(output.get("schema") if isinstance(output, dict) else None, around.shared)
    except (LookupError, TypeError, RecursionError):  # a fault of that action, and told there
        schema = None
    for path in several(raw.get("items", paging.get("items", ()) if isinstance(paging, dict) else ())):
        steps = [step for name in path.split(".") if name for step in ("properties", name)]
        found = places.dig(schema, (*steps, "items", "properties"))
        if not isinstance(found, dict):  # it does not say all fields
            fields = {}
            break
        fields |= found
    for word in ("value", "label", "description"):
        for text in several(raw.get(word, ())):
            names = template(own, (*at, word), text)
            for name in sorted(names) if fields else ():
                what = f"speaks of {name!r}, which is no field of an item"
                known = own.known((*at, word), name, fields, what, "Name one that is.")
                if known and isinstance(fields[name], dict) and fields[name].get("x-secret") is True:
                    own.add((*at, word), f"would show {name!r}, which is a secret; name another field")


def shared_rows(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Shared rows that no action refers to; an action that can't be read may refer to any."""
    tables = [around.action(key).get("inputs") for key in around.actions]
    used = {row.get("row") for table in tables for row in (table or {}).values() if isinstance(row, dict)}
    for name in own.data.get("rows", {}) if own.whole("rows") and None not in tables else ():
        if name not in used:
            own.add(("rows", name), f"is used by no action: refer to it with `row: {name}`, or delete it")


def _taken(own: Faults, rows: Mapping[str, Input]) -> list[tuple[Path, Place]]:
    """What a connection gives to a request: its inputs, then the values of its token."""
    token = [(("token", name, "to"), places.place(raw["to"], name)) for name, raw in own.part("token").items()]
    return [*((("inputs", key, "to"), place) for key, row in rows.items() for place in row.to), *token]


def grants(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Values that go nowhere, to no place, or where another goes."""
    braces, kinds = around.common.get("base", {}), PLACES["connection"]
    taken: dict[str, Path] = {}
    for path, place in _taken(own, rows):
        if path[0] == "token" and place.kind not in kinds:
            own.add(path, f"is {place}; say one of {', '.join(kinds)}, where a connection gives to")
        earlier = taken.get(str(place).lower())
        if place.kind == "base" and place.path[0] not in braces:
            what = f"is {place}, but connector.yaml's `base` has no {place.path[0]!r}"
            own.add(path, f"{what}.{near(place.path[0], braces, 'Add it there.')}")
        elif earlier is not None:
            own.add(path, f"is {place}, where '{earlier[1]}' goes already; keep one")
        taken.setdefault(str(place).lower(), path)
    for name, raw in own.part("token").items():
        codec(own, ("token", name, "as"), raw, around)
    for key, row in rows.items():
        if not row.to:
            own.add(("inputs", key), f"goes nowhere: say `to`, one of {', '.join(kinds)}")


def test(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """A test of the connection by an action that is none, or by an input that is none; a level that is none."""
    said = own.part("test")
    if (action := said.get("action")) is not None:
        what = f"is {action!r}, which actions/ lacks"
        own.known(("test", "action"), action, around.actions, what, "Write it, or take another.")
    levels = around.common.get("levels", {})
    telling = (
        [name for name, rule in levels.items() if "preferred_scope_pattern" in rule] if isinstance(levels, dict) else []
    )
    if isinstance(level := own.data.get("account_wide"), str):
        what = (
            f"is {level!r}, which is no level of connector.yaml that tells itself by scopes (`preferred_scope_pattern`)"
        )
        own.known(("account_wide",), level, telling, what, "Name one, or say true.")
    for word in ("identity", "account", "user") if own.sound("inputs") else ():
        place, _, name = said.get(word, "").partition(".")
        if place == "input":
            own.known(("test", word), name, rows, f"names {name!r}, which is no input here", "Name one.")


def oauth(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """A sign-in that lacks a part, or has one that its grant does not know."""
    if not own.sound("oauth") or not own.sound("token"):
        return
    said, token = own.data.get("oauth"), own.data.get("token", {})
    if not isinstance(said, dict):
        if token:
            own.add(("token",), "is what `oauth` would get, and there is none; send the inputs where they go with `to`")
        return
    for word in sorted({"authorize_url", "pkce"} & said.keys()) if said["grant"] != "authorization_code" else ():
        own.add(("oauth", word), f"is for a person who signs in, and the grant {said['grant']} has none; leave it out")
    if not isinstance(token, dict) or "access_token" not in token:
        own.add(("oauth",), "gets a token that goes nowhere: say `token: {access_token: {to: …}}`")
    taken = {str(place).lower() for _, place in _taken(own, rows)}
    for word in ("client.id",) if said["client"] == "none" else ("client.id", "client.secret"):
        if own.sound("inputs") and word not in taken:
            own.add(("oauth", "client"), f"is {said['client']}, and no input gives {word}: say `to: {word}` on one")


def signature(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """A signature without one input that gives its secret, or of what is not there."""
    secrets = [key for key, row in rows.items() for place in row.to if str(place) == "verify.secret"]
    if not secrets and own.sound("inputs"):
        own.add(("inputs",), "lacks the secret: one input with `to: verify.secret`")
    for key in secrets[1:]:
        own.add(("inputs", key, "to"), f"is verify.secret, where '{secrets[0]}' goes already; keep one")
    said = own.part("verify")
    for word in SLOT.findall(said.get("message", "")):
        if word not in ("body", "timestamp"):
            own.add(("verify", "message"), f"uses {{{word}}}; take {{body}} and {{timestamp}}, the only words here")
    if "field" in said.get("time", {}) and "fields" not in said:
        own.add(("verify", "time", "field"), "names a part of the header, which has none: say `fields: {signature: …}`")


def locale(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Words for actions that are none, and slots that are not kept."""
    blocks: dict[Path, Any] = {("texts",): own.part("texts")}
    for key, entries in own.part("actions").items():
        own.known(("actions", key), key, around.actions, "is no action", "Take it out.")
        blocks["actions", key] = entries
    for path, entries in blocks.items():
        for text, words in entries.items():
            wanted, has = (set(re.findall(r"\{[^{}]*\}", said)) for said in (text, words or ""))
            if words and wanted != has:
                shown = f"{', '.join(sorted(wanted)) or 'none'}, and no others: they are filled in later"
                own.add((*path, text), f"needs the slots of the original, {shown}")


LONGEST = 16_384  # characters of an icon
SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {
    "svg", "g", "defs", "title", "desc", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text",
    "tspan", "linearGradient", "radialGradient", "stop", "clipPath", "mask", "pattern", "symbol", "use",
}  # fmt: skip
AWAY = re.compile(r"url\(\s*['\"]?(?!#)|@import|expression\(|javascript:", re.IGNORECASE)


def icon(svg: str) -> Iterator[str]:
    """What is wrong with an icon: no SVG, too long, or more than shapes that stand alone."""
    from xml.etree import ElementTree

    if len(svg) > LONGEST:
        yield f"has {len(svg):,} characters; an icon has at most {LONGEST:,}"
        return
    if "<!DOCTYPE" in svg.upper() or "<!ENTITY" in svg.upper():
        yield "declares a DOCTYPE or an entity; leave it out"
        return
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        yield f"is no XML: {error}"
        return
    if root.tag != f"{SVG}svg":
        yield 'is no SVG: its root must be <svg xmlns="http://www.w3.org/2000/svg">'
        return
    if "viewBox" not in root.attrib:
        yield 'lacks a viewBox, without which it does not scale: as in viewBox="0 0 24 24"'
    for element in root.iter():
        name = str(element.tag).removeprefix(SVG)
        if name not in SHAPES:
            yield f"holds <{name.rpartition('}')[2]}>; an icon is made of shapes, without scripts, styles and images"
        for attribute, value in element.attrib.items():
            word = attribute.rpartition("}")[2]
            if word.lower().startswith("on"):
                yield f"runs a script at {word}; leave it out"
            elif (word == "href" and not value.startswith("#")) or AWAY.search(value):
                yield f"refers at {word} to something outside; draw it here"
