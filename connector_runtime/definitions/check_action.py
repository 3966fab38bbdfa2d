"""What is wrong with an action that its shape does not show: where values go, rules, pages, errors, output. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..calls.render import READS
from ..language import expressions, places
from ..language.patterns import HEADER_NAME, HEADER_VALUE, INSTANT
from ..language.secrets import MARK
from ..language.wording import misfit, misfits, nearest
from ..model import Input, Place
from ..types.collections import GUARDED_HEADERS
from . import check_files, check_recover, choice_lists, limits
from .check_rows import condition
from .documents import Path, walk
from .faults import Faults, Surroundings
from .shared import inline

Targets = dict[str, tuple[Place, str]]  # a place as text -> the place, and who goes there

SLOT = re.compile(r"\{([^{}]*)\}")
COMPUTED = ("path", "query", "header", "body")
SEEN = ("status", "code", "message", "header", "body")
PAGE = ("status", "count", "items", "link", "header", "body", "query")


def faults(own: Faults, rows: Mapping[str, Input], around: Surroundings) -> None:
    """The faults of one action."""
    data = own.document.data
    inputs = data.get("inputs", {}) if own.whole("inputs") else {}
    if own.sound("request"):
        headers(own, ("request", "headers"), data["request"].get("headers", {}))
    targets = _targets(own, data, rows)
    used = _computed(own, data, inputs, rows, targets) if own.sound("compute") else set(inputs)
    if own.sound("request") and "request" in data:
        _request(own, data["request"], rows, targets, whole=own.sound("inputs"))
    for key, row in rows.items():
        if not row.to and row.type != "connection" and key not in used:
            own.add(("inputs", key), "goes nowhere: say `to`, or use it in `compute`")
        name = row.choices_from
        lists = around.common.get("choices", {})
        if name is not None and name not in lists:
            what = f"is {name!r}, which connector.yaml's choices lack.{nearest(name, lists) or ' Add it there.'}"
            own.add(("inputs", key, "choices_from"), what)
        elif name is not None and isinstance(lists[name], dict):
            for lack in choice_lists.lacking(lists[name], inputs):
                what = f"is {name}, which reads '{lack}', no input here; give the list a parameter of that name"
                own.add(("inputs", key, "choices_from"), what)
    if own.sound("rules"):
        _rules(own, data.get("rules", ()), rows, inputs)
    if own.sound("summary"):
        for slot in SLOT.findall(data.get("summary", "")):
            if slot not in inputs:
                what = f"has the slot {{{slot}}}, which is no input.{nearest(slot, inputs) or ' Name one that is.'}"
                own.add(("summary",), what)
            elif slot in rows and rows[slot].type in ("secret", "connection"):
                own.add(("summary",), f"would show '{slot}', which is a {rows[slot].type}; leave it out")
    if own.sound("paging") and "paging" in data:
        paging(own, data["paging"])
        if "items" not in data["paging"]:
            own.add(("paging",), "lacks `items`: the key of the answer's list, or . for a bare array")
        size = {**around.common.get("paging", {}), **data["paging"]}.get("size")
        taken = targets.get(size["to"]) if isinstance(size, dict) else None
        if taken is not None and taken[1] in rows:
            own.add(("inputs", taken[1], "to"), f"is {taken[0]}, which `paging` fills in itself; leave the input out")
    if own.sound("errors"):
        cases(own, data.get("errors", {}))
    if own.sound("recover") and "recover" in data and own.sound("inputs"):
        check_recover.recover(own, rows, targets, around)
    limits.action(own, around)
    if own.sound("files") and "files" in data:
        check_files.files(own)
        looks(own, ("files", "errors", "failed"), data["files"].get("errors", {}).get("failed", {}), SEEN)
    if own.sound("output"):
        _output(own, data.get("output", {}), around)


def _targets(own: Faults, data: dict[str, Any], rows: Mapping[str, Input]) -> Targets:
    """Every place that something goes to, and what goes there twice."""
    targets: Targets = {}
    request = data.get("request", {}) if own.sound("request") else {}
    for kind, word in (("query", "query"), ("header", "headers")):
        for name in request.get(word, {}):
            targets[f"{kind}.{name}"] = Place(kind, (name,)), f"request.{word}"
    for path in _leaves(request.get("body", {})):
        targets[".".join(("body", *path))] = Place("body", path), "request.body"
    for key, row in rows.items():
        for place in row.to:
            at: Path = ("inputs", key, "to")
            taken = targets.get(str(place))
            if taken is not None and not place.spread:
                own.add(at, f"is {place}, where '{taken[1]}' goes already; send one of them elsewhere, or leave it out")
            elif place.kind == "body" and not place.spread:
                _nested(own, at, place, targets)
            targets.setdefault(str(place), (place, key))
    if "request.body" in targets:
        for place, key in targets.values():
            if place.kind == "body" and key in rows:
                what = f"is {place}, and '{targets['request.body'][1]}' is the whole body; keep one"
                own.add(("inputs", key, "to"), what)
    return targets


def _leaves(data: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(data, dict) and data:
        return [leaf for key, value in data.items() for leaf in _leaves(value, (*path, key))]
    return [path] if path else []


def _nested(own: Faults, at: Path, place: Place, targets: Targets) -> None:
    for other, key in targets.values():
        if other.kind == "body" and not other.spread and other.path != place.path:
            inner, outer = (place, other) if len(place.path) > len(other.path) else (other, place)
            if inner.path[: len(outer.path)] == outer.path:
                remedy = f"one would overwrite the other; say {outer}.* for a map"
                own.add(at, f"is {place}, and '{key}' goes to {other}: {remedy}")
                return


def _request(own: Faults, request: dict[str, Any], rows: Mapping[str, Input], targets: Targets, *, whole: bool) -> None:
    path = request.get("path", "")
    braces = SLOT.findall(path)
    bare = SLOT.sub("", path)
    if "{" in bare or "}" in bare:
        own.add(("request", "path"), f"is {path}, where a brace has no partner; write {{name}}")
    if "?" in path or "#" in path:
        own.add(("request", "path"), "has a ? or #; say constants of the query under request.query")
    for name in braces if whole else ():
        if f"path.{name}" not in targets:
            own.add(("request", "path"), f"has {{{name}}}, where no input goes: say `to: path` on one")
    for name in {name for name in braces if braces.count(name) > 1}:
        own.add(("request", "path"), f"has {{{name}}} twice; give the second a name of its own")
    for key, row in rows.items():
        for place in row.to:
            if place.kind == "path" and place.path[0] not in braces:
                what = f"is {place}, but the path {path or '(none)'} has no {{{place.path[0]}}}"
                own.add(("inputs", key, "to"), f"{what}.{nearest(place.path[0], braces) or ' Add it there.'}")
    for word in ("method", "path"):
        if word not in request and f"request.{word}" not in targets and whole:
            own.add(("request",), f"lacks `{word}`: say it, or send an input there with `to: request.{word}`")
        elif word in request and f"request.{word}" in targets:
            own.add(("request", word), f"is given, and '{targets[f'request.{word}'][1]}' goes there too; keep one")
    if request.get("method") in READS:
        for place, key in targets.values():
            if place.kind in ("body", "part") or str(place) == "request.body":
                what = f"is {request['method']}, which carries no body, and '{key}' goes there"
                own.add(("request", "method"), f"{what}; take query, or another method")
                break


def headers(own: Faults, at: Path, given: Mapping[str, str]) -> None:
    """Constant headers that HTTP could not carry, or that the connection sets."""
    for name, value in given.items():
        if misfits({"pattern": HEADER_NAME}, name):
            own.add((*at, name), "is no name of a header: letters, digits and - only")
        elif name.lower() in GUARDED_HEADERS:
            own.add((*at, name), "is set by the connection or HTTP itself; say it in connection/ or leave it out")
        elif misfits({"pattern": HEADER_VALUE}, value):
            own.add((*at, name), "must be one line of printable ASCII text")


def _computed(
    own: Faults, data: dict[str, Any], inputs: Mapping[str, Any], rows: Mapping[str, Input], targets: Targets
) -> set[str]:
    """The inputs that `compute` uses."""
    used: set[str] = set()
    for text, source in data.get("compute", {}).items():
        at: Path = ("compute", text)
        place = places.place(text)
        if place.kind not in COMPUTED or not place.path:
            known = ", ".join(f"{kind}.x" for kind in COMPUTED)
            own.add(at, f"is no place to compute: {known}.{nearest(place.kind, COMPUTED)}")
        elif text in targets:
            own.add(at, f"writes where '{targets[text][1]}' goes already; keep one")
        targets.setdefault(text, (place, "compute"))
        try:
            names = expressions.expression(source).names
        except ValueError as error:
            own.add(at, f"is no expression: {error}; write it as in \"a ~ '/' ~ b\"")
            continue
        used |= names
        for name in sorted(names - set(inputs)):
            own.add(at, f"uses {name!r}, which is no input.{nearest(name, inputs) or ' Name one that is.'}")
        for name in sorted(names & set(rows)) if place.kind == "path" else ():
            if rows[name].required != () or rows[name].only_when is not None:
                own.add(at, f"stands in the path, so '{name}' must be `required: true`, without `only_when`")
    return used


def _rules(own: Faults, rules: Any, rows: Mapping[str, Input], inputs: Mapping[str, Any]) -> None:
    for index, rule in enumerate(rules):
        at: Path = ("rules", index)
        kinds = [word for word in ("at_least_one", "at_most_one", "together") if word in rule]
        if len(kinds) != 1:
            own.add(at, "needs exactly one of at_least_one, at_most_one and together; write one rule for each")
        for word in kinds:
            known = [rows[name] for name in rule[word] if name in rows]
            always = [row.key for row in known if row.required == () and row.only_when is None]
            for name in rule[word]:
                if name not in inputs:
                    what = f"names {name!r}, which is no input here.{nearest(name, inputs) or ' Name one that is.'}"
                    own.add((*at, word), what)
                elif name in rows and rows[name].type == "connection":
                    own.add((*at, word), "names the connection, which the platform chooses; leave it out")
            if word == "at_most_one" and len(always) > 1:
                own.add((*at, word), f"can never hold: {' and '.join(always)} are required; take `required` away")
        if "when" in rule:
            condition(own, (*at, "when"), rule["when"], rows, inputs)


def paging(own: Faults, given: Mapping[str, Any]) -> None:
    """Page settings that could not work."""
    size = given.get("size", {}).get("to", "query.x")
    if places.place(size).kind not in ("query", "body") or not places.place(size).path:
        what = f"is {size}, and the size of a page goes to the query or the body: say query.x or body.x"
        own.add(("paging", "size", "to"), what)
    styles = given.get("next", [])
    for index, style in enumerate(styles if isinstance(styles, list) else [styles]):
        at: Path = ("paging", "next", *([index] if isinstance(styles, list) else []))
        looks(own, (*at, "while"), style.get("while", {}), PAGE)
        if style["to"] == "url" and ("plus" in style or "below" in style):
            own.add((*at, "to"), "is url, so `from` gives the whole URL; `plus` and `below` count, leave them out")


def cases(own: Faults, errors: Mapping[str, Any]) -> None:
    """Error cases that look where nothing stands, or that an earlier one hides."""
    failed = errors.get("failed")
    looks(own, ("errors", "failed"), failed or {}, SEEN)
    earlier: list[Any] = []
    for index, case in enumerate(errors.get("cases", ())):
        at: Path = ("errors", "cases", index)
        looks(own, (*at, "when"), case["when"], SEEN)
        if case["when"] in earlier:
            own.add((*at, "when"), "is never reached: an earlier case has the same and no `text`; leave one out")
        if "text" not in case:
            earlier.append(case["when"])
        for slot in SLOT.findall(case.get("do", "")):
            if slot != "names" or "names" not in case:
                own.add((*at, "do"), f"has {{{slot}}}; {{names}} alone can stand here: say under `names` what it is")
        if isinstance(case.get("names"), dict):
            looks(own, (*at, "names", "from"), case["names"]["from"], SEEN)
        elif "names" in case and re.compile(case["names"]).groups == 0:
            own.add((*at, "names"), "has no group; put what it is to name in ( )")


def looks(own: Faults, at: Path, raw: Any, kinds: tuple[str, ...]) -> None:
    """A condition on an answer must look at a place of it."""
    names = [raw] if isinstance(raw, str) else raw
    for name in names:
        kind, _, rest = name.partition(".")
        single = kind in ("status", "code", "message", "count")
        if kind not in kinds or (not rest and not single) or (rest and single):
            shown = ", ".join(word if word in ("status", "code", "message", "count") else f"{word}.x" for word in kinds)
            own.add(at, f"looks at {name!r}; name one of {shown}.{nearest(kind, kinds)}")


def _output(own: Faults, output: Mapping[str, Any], around: Surroundings) -> None:
    at: Path = ("output", "schema")
    try:
        schema = inline(output.get("schema", {}), around.shared)
    except (LookupError, TypeError):
        own.add(at, "has a $ref that leads nowhere; name a definition that a file of schemas/ has")
        return
    except RecursionError:
        own.add(at, "has a $ref that leads back to itself; write out as many levels as are needed")
        return
    for path, said in walk(schema):
        if path[-1:] == (MARK,) and said is not True:
            own.add((*at, *path), "must be true; leave it out where nothing is secret")
    if "example" in output:
        for path, what in _misfits(schema, output["example"]):
            own.add(("output", *path), what)


def _misfits(schema: Any, example: Any) -> Iterator[tuple[Path, str]]:
    """Every fault of an example, the formats that can be checked among them."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import UnknownType

    formats = FormatChecker()
    formats.checks("date-time")(lambda value: not isinstance(value, str) or re.fullmatch(INSTANT, value) is not None)
    try:
        for error in Draft202012Validator(schema, format_checker=formats).iter_errors(example):
            what = f"is no {error.validator_value}" if error.validator == "format" else misfit(error)
            yield ("example", *error.absolute_path), f"{what}; the example must fit the schema"
    except UnknownType as error:
        yield ("schema",), f"has the type {error.type!r}, which JSON Schema lacks; name one that it knows"
