"""The `choices` of connector.yaml: what they compile to, and what is wrong with them that their shape does not show.

Pure: what an action's file says is asked of the surroundings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..calls.render import READS
from ..language import expressions, places
from ..language.wording import nearest
from ..model import Choice, ChoiceList, Input, Json
from .shared import inline

if TYPE_CHECKING:
    from .documents import Path
    from .faults import Faults, Surroundings


def choice_list(key: str, raw: Mapping[str, Any], shared: Callable[[str], Json]) -> ChoiceList:
    """Compile one list; raises `LookupError` or `TypeError` where a `list` leads to none."""
    if "list" in raw:
        name, _, pointer = raw["list"].partition("#")
        found = places.dig(shared(name.rpartition("/")[2]), tuple(pointer.strip("/").split("/")))["oneOf"]
        return ChoiceList(key=key, choices=tuple(Choice(value=one["const"], label=one["title"]) for one in found))
    search = raw.get("search", {})
    return ChoiceList(
        key=key,
        action=raw["action"],
        fills=raw.get("with", {}),
        parameters={name: _parameter(name, entry) for name, entry in raw.get("parameters", {}).items()},
        search={search: "{}"} if isinstance(search, str) else search,
        items=_several(raw.get("items", ())),
        value=_several(raw["value"]),
        label=_several(raw["label"]),
        description=_several(raw.get("description", ())),
    )


def _parameter(name: str, raw: Mapping[str, Any]) -> Input:
    """A parameter as a row of a form: a default is filled in, so that the list opens with it."""
    return Input(
        key=name,
        label=raw["label"],
        type=raw.get("type", "string"),
        comments=raw.get("comments", ""),
        choices_from=raw.get("choices_from"),
        example=raw.get("example"),
        required=() if raw.get("required") or "default" in raw else None,
        has_default="default" in raw,
        default=raw.get("default"),
    )


def _several(raw: Any) -> tuple[str, ...]:
    return (raw,) if isinstance(raw, str) else tuple(raw)


# -- faults ----------------------------------------------------------------------------------------------------------


def faults(own: Faults, lists: Mapping[str, Any], around: Surroundings) -> None:
    """The faults of the block."""
    for key, raw in lists.items():
        if not own.sound("choices", key):
            continue
        at: Path = ("choices", key)
        if "list" in raw:
            try:
                choice_list(key, raw, around.shared)
            except (LookupError, TypeError):
                own.add((*at, "list"), "leads to no `oneOf` list in a file of schemas/; write schemas/FILE#/$defs/NAME")
        elif raw["action"] not in around.actions:
            remedy = nearest(raw["action"], around.actions) or " Write it, or leave this list out."
            own.add((*at, "action"), f"is {raw['action']!r}, which actions/ lacks.{remedy}")
        else:
            _pointer(own, at, raw, around.action(raw["action"]))
        if "list" not in raw:
            _lines(own, at, raw, _fields(raw, around))
        _parameters(own, at, raw, lists)


def lacking(raw: Mapping[str, Any], inputs: Iterable[str]) -> list[str]:
    """What a list reads that is neither among a form's inputs nor a parameter of its own."""
    known = {*inputs, *raw.get("parameters", ())}
    return [name for name in raw.get("with", {}).values() if name not in known]


def _parameters(own: Faults, at: Path, raw: Mapping[str, Any], lists: Mapping[str, Any]) -> None:
    for name, entry in raw.get("parameters", {}).items():
        if name not in raw.get("with", {}).values():
            what = f"is read by nothing: say under `with` which input of {raw.get('action', 'the action')} it gives"
            own.add((*at, "parameters", name), what)
        source = entry.get("choices_from")
        if source is not None and source not in lists:
            what = f"is {source!r}, which is none of these lists.{nearest(source, lists) or ' Add it here.'}"
            own.add((*at, "parameters", name, "choices_from"), what)


def _pointer(own: Faults, at: Path, raw: Mapping[str, Any], action: Mapping[str, Any]) -> None:
    """What does not fit the action that the list points to; of a file that can't be read nothing is asked."""
    from .faults import listed

    inputs, request = action.get("inputs"), action.get("request")
    if not isinstance(inputs, dict) or not isinstance(request, dict):
        return
    key = raw["action"]
    if action.get("effect", "read" if request.get("method") in READS else None) != "read":
        own.add((*at, "action"), f"is {key}, which changes something; a drop-down must only read, name another")
        return
    search = raw.get("search", {})
    given = {"with": raw.get("with", {}), "search": {search: "{}"} if isinstance(search, str) else search}
    for word, names in given.items():
        for name in names:
            if name not in inputs:
                remedy = nearest(name, inputs) or f" Name one that is. {listed(inputs)}"
                own.add((*at, word), f"speaks of {name!r}, which is no input of {key}.{remedy}")
    for name, row in inputs.items():
        if not isinstance(row, dict) or row.get("required") is not True or "default" in row:
            continue
        source = raw.get("parameters", {}).get(raw.get("with", {}).get(name))
        if row.get("type") == "connection":
            continue
        if name not in given["with"]:
            own.add(at, f"lacks {name!r}, which {key} needs: say under `with` which input or parameter gives it")
        elif source is not None and "default" not in source and not source.get("required"):
            what = f"gives {name!r}, which {key} needs: say `required: true`, or a `default`"
            own.add((*at, "parameters", raw["with"][name]), what)
    if "paging" not in action and "items" not in raw:
        own.add(at, f"lacks `items`, where the list lies in the answer of {key}, which has no `paging` that says it")


def _lines(own: Faults, at: Path, raw: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Fields that an item never has, and secrets in the open."""
    for word in ("value", "label", "description"):
        for text in _several(raw.get(word, ())):
            try:
                names = expressions.template(text).names
            except ValueError as error:
                own.add((*at, word), f"holds no expression: {error}; write it as in {{{{ a or b }}}}")
                continue
            for name in sorted(names) if fields else ():
                if name not in fields:
                    remedy = nearest(name, fields) or " Name one that is."
                    own.add((*at, word), f"speaks of {name!r}, which is no field of an item.{remedy}")
                elif isinstance(fields[name], dict) and fields[name].get("x-secret") is True:
                    own.add((*at, word), f"would show {name!r}, which is a secret; name another field")


def _fields(raw: Mapping[str, Any], around: Surroundings) -> Mapping[str, Any]:
    """The fields of an item by the action's output schema; none if it does not say them all."""
    action = around.action(raw["action"])
    paging, output = action.get("paging"), action.get("output")
    try:
        schema = inline(output.get("schema") if isinstance(output, dict) else None, around.shared)
    except (LookupError, TypeError, RecursionError):  # a fault of that action, and told there
        return {}
    found: dict[str, Any] = {}
    for path in _several(raw.get("items", paging.get("items", ()) if isinstance(paging, dict) else ())):
        here = schema
        for step in () if path == "." else path.split("."):
            here = places.dig(here, ("properties", step))
        fields = places.dig(here, ("items", "properties"))
        if not isinstance(fields, dict):
            return {}
        found |= fields
    return found
