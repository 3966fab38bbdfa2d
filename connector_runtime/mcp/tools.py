"""Actions as tools for a language model: which are offered, what they take, what they answer. Pure.

Every answer is an object with `data`, and where there is something to say `cursor`, `warnings`, `unexpected`, `error`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..calls import outputs
from ..calls.action import Action
from ..definitions.catalogue import condition, safety
from ..definitions.connector import Connector
from ..definitions.forms import asides_of, form_schema
from ..errors import InputError, Problem
from ..inputs.wording import nearest
from ..model import Condition, Input, Json

LIMIT = 50  # items of a list, unless the model asks for another number
MOST = 1000
LABELLED = 30  # choices whose labels are told
SHAPES = {"date": "such as 2026-11-01", "datetime": "such as 2026-11-01T09:00:00Z"}
EFFECTS: Mapping[str | None, str] = {
    "read": "Changes nothing.",
    "create": "Makes something new, once more with each call.",
    "update": "Changes what is there.",
    "delete": "Takes away what may not come back.",
    None: "Can do anything, as its inputs say.",
}
UNKEPT = ("format", "pattern", outputs.MARK)  # words of an answer's schema by which a client could refuse the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Which actions become tools, and whether what is secret in an answer is shown."""

    only: tuple[str, ...] = ()
    read_only: bool = False
    destructive: bool = False
    secrets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `annotations` are by the protocol's names, `paging` names its arguments `limit` and `cursor`."""

    action: Action
    description: str
    input_schema: dict[str, Json]
    output_schema: dict[str, Json]
    annotations: dict[str, Json]
    paging: tuple[str, str] | None


def tools(connector: Connector, offer: Offer) -> dict[str, Tool]:
    """The tools by name, in the order of keys. Raises `InputError` for a pattern that fits none."""
    wanted = offer.only or ("*",)
    lost = [each for each in wanted if not any(fnmatchcase(key, each) for key in connector.actions)]
    if lost:
        what = "fits no action; see the command list."
        raise InputError.of(
            "mcp", [Problem("--only", f"{each!r} {what}{nearest(each, connector.actions)}") for each in lost]
        )
    fits = [connector.actions[key] for key in connector.actions if any(fnmatchcase(key, each) for each in wanted)]
    offered = {action.key: action for action in fits if withheld(action, offer) is None}
    if not offered:
        raise InputError.of("mcp", [Problem("--only", f"{fits[0].key} {withheld(fits[0], offer)}")])
    return {key: _tool(action, frozenset(offered), offer) for key, action in offered.items()}


def withheld(action: Action, offer: Offer) -> str | None:
    """Why an action is no tool here, None if it is one."""
    about = safety(action.effect)
    if offer.read_only and not about["read_only"]:
        return "is not offered here: only what reads is"
    if about["destructive"] and not offer.destructive:
        return "is not offered here: it can destroy, which takes the option --destructive"
    if offer.only and not any(fnmatchcase(action.key, each) for each in offer.only):
        return "is not offered here: it is none of those that were chosen"
    return None


def _tool(action: Action, offered: frozenset[str], offer: Offer) -> Tool:
    about = safety(action.effect)
    said = (action.description, action.summary, EFFECTS[action.effect])
    paging = _paging(action)
    return Tool(
        action=action,
        description=" ".join(text if text.endswith(".") else f"{text}." for text in said if text),
        input_schema=_input_schema(action, offered, paging),
        output_schema=_output_schema(action, offer.secrets),
        annotations={
            "title": action.label,
            "readOnlyHint": about["read_only"],
            "destructiveHint": about["destructive"],
            "idempotentHint": about["idempotent"],
            "openWorldHint": True,
        },
        paging=paging,
    )


# -- what a tool takes -----------------------------------------------------------------------------------------------


def _paging(action: Action) -> tuple[str, str] | None:
    """The names of a list's own arguments, which must not be those of an input."""
    if action.paging is None:
        return None
    limit, cursor = (f"list_{name}" if name in action.inputs else name for name in ("limit", "cursor"))
    return limit, cursor


def _input_schema(action: Action, offered: frozenset[str], paging: tuple[str, str] | None) -> dict[str, Json]:
    fields: dict[str, Json] = form_schema(action)["properties"]
    properties = {key: _argument(action, action.inputs[key], field, offered) for key, field in fields.items()}
    if paging is not None:
        limit, cursor = paging
        what = f"At most so many items; {LIMIT} if left out."
        properties[limit] = {"type": "integer", "minimum": 1, "maximum": MOST, "description": what}
        what = "Goes on where an earlier answer with this `cursor` ended; the other arguments as they were."
        properties[cursor] = {"type": "string", "description": what}
    needed = [key for key in fields if _is_needed(action.inputs[key])]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _is_needed(row: Input) -> bool:
    return row.required == () and row.only_when is None and not row.has_default


def _argument(action: Action, row: Input, field: Mapping[str, Json], offered: frozenset[str]) -> dict[str, Json]:
    described = " ".join(text if text.endswith((".", "?", "!")) else f"{text}." for text in _about(action, row, offered))
    schema = {word: said for word, said in field.items() if word not in ("title", "description")}
    return {**schema, **({"description": described} if described else {})}


def _about(action: Action, row: Input, offered: frozenset[str]) -> Iterable[str]:
    """What a model has to know of an input, in sentences."""
    yield from [row.comments] if row.comments else []
    if row.type in SHAPES:
        yield SHAPES[row.type].capitalize()
    named = [f"{choice.value} {choice.label}" for choice in row.choices if str(choice.value) != choice.label]
    if named and len(row.choices) <= LABELLED:
        yield f"Choices: {', '.join(named)}"
    source = action.profile.choices.get(row.choices_from or "")
    if source is not None and source.action in offered and source.action != action.key:
        yield f"{source.action} lists them"
    needed = row.required is not None and not _is_needed(row) and not row.has_default
    if needed:
        yield f"Needed {_when((*(row.only_when or ()), *(row.required or ())))}"
    if row.only_when and not (needed and not row.required):
        yield f"Only {_when(row.only_when)}"
    yield from list(asides_of(row))[-1:]


def _when(parsed: Condition) -> str:
    return "when " + " and ".join(_clause(test) for test in condition(parsed) or ())


def _clause(test: Mapping[str, Any]) -> str:
    values, negate = test.get("is", test.get("is_not")), "is_not" in test
    if values == [None]:
        return f"{test['input']} is {'given' if negate else 'not given'}"
    said = " or ".join("not given" if value is None else str(value) for value in values)
    return f"{test['input']} is {'not ' if negate else ''}{said}"


# -- what a tool answers ---------------------------------------------------------------------------------------------


def _output_schema(action: Action, secrets: bool) -> dict[str, Json]:
    """An object at the top whatever the action answers; nothing in it is required, since an error fits it too."""
    properties: dict[str, Json] = {"data": data_schema(action, secrets)}
    if action.paging is not None:
        properties["cursor"] = {"type": "string", "description": "There is more: call again with it."}
    properties["warnings"] = {"type": "array", "items": {"type": "string"}}
    properties["unexpected"] = {"description": "The data where it is not of the documented shape."}
    properties["error"] = {"type": "object", "description": "Why it failed, and what to do."}
    return {"type": "object", "properties": properties}


def data_schema(action: Action, secrets: bool) -> dict[str, Json]:
    """The shape of a tool's `data`; what is hidden in it is text."""
    schema = (action.output or {}).get("schema")
    opened = _opened(schema, secrets) if isinstance(schema, Mapping) else {}
    return opened if isinstance(opened, dict) else {}


def _opened(schema: Json, secrets: bool) -> Json:
    if isinstance(schema, list):
        return [_opened(part, secrets) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get(outputs.MARK) is True and not secrets:
        return {"type": ["string", "null"], "description": "hidden"}
    kept: dict[str, Json] = {}
    for word, part in schema.items():
        if word in ("properties", "patternProperties"):
            kept[word] = {name: _opened(inner, secrets) for name, inner in part.items()}
        elif word in ("enum", "const", "examples", "default"):
            kept[word] = part
        elif word not in UNKEPT:
            kept[word] = _opened(part, secrets)
    return kept
