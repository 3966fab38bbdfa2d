"""Actions as tools for a language model: which are offered, what they take, what they answer. Pure.

Every answer is an object with `data`, and where there is something to say `cursor`, `warnings`, `unexpected`, `error`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from ..calls.action import Action
from ..definitions.catalogue import condition, safety
from ..definitions.connector import Connector
from ..definitions.forms import asides_of, form_schema
from ..errors import InputError, Problem
from ..language.secrets import MARK
from ..language.wording import nearest
from ..model import Condition, Input, Json

LIMIT = 50  # items of a list, unless the model asks for another number
MOST = 1000
LABELLED = 30  # choices whose labels are told
SHAPES = {"date": "Such as 2026-11-01", "datetime": "Such as 2026-11-01T09:00:00Z"}
EFFECTS: Mapping[str | None, str] = {
    "read": "Changes nothing.",
    "create": "Makes something new, once more with each call.",
    "update": "Changes what is there.",
    "delete": "Takes away what may not come back.",
    None: "Can do anything, as its inputs say.",
}
UNKEPT = ("format", "pattern", MARK)  # words of an answer's schema by which a client could refuse the answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Which actions become tools, and whether what is secret in an answer is shown."""

    only: tuple[str, ...] = ()
    read_only: bool = False
    destructive: bool = False
    secrets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. `annotations` are by the protocol's names; `own` are the arguments that are no inputs."""

    action: Action
    description: str
    input_schema: dict[str, Json]
    output_schema: dict[str, Json]
    annotations: dict[str, Json]
    own: tuple[str, ...]


def tools(connector: Connector, offer: Offer) -> dict[str, Tool]:
    """The tools by name, in the order of keys. Raises `InputError` for a pattern that fits none."""
    wanted = offer.only or ("*",)
    lost = [each for each in wanted if not any(fnmatchcase(key, each) for key in connector.actions)]
    if lost:
        raise InputError.of(
            "mcp", [Problem("--only", f"{each!r} fits no action.{nearest(each, connector.actions)}") for each in lost]
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
    own = _own(action)
    return Tool(
        action=action,
        description=_sentences(said),
        input_schema=_input_schema(action, offered, own),
        output_schema=_output_schema(action, offer.secrets),
        annotations={
            "title": action.label,
            "readOnlyHint": about["read_only"],
            "destructiveHint": about["destructive"],
            "idempotentHint": about["idempotent"],
            "openWorldHint": True,
        },
        own=own,
    )


def _sentences(said: Iterable[str | None]) -> str:
    return " ".join(text if text.endswith((".", "?", "!")) else f"{text}." for text in said if text)


# -- what a tool takes -----------------------------------------------------------------------------------------------


def _own(action: Action) -> tuple[str, ...]:
    """The arguments of a tool that are no inputs; no input may bear their names."""
    paging = ("limit", "cursor") if action.paging is not None else ()
    return (*paging, "clear") if any(row.clear for row in action.inputs.values()) else paging


def _input_schema(action: Action, offered: frozenset[str], own: tuple[str, ...]) -> dict[str, Json]:
    fields: dict[str, Json] = form_schema(action)["properties"]
    clearable = [row.key for row in action.inputs.values() if row.clear]
    about: dict[str, dict[str, Json]] = {
        "limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST,
            "description": f"At most so many items; {LIMIT} if left out.",
        },
        "cursor": {
            "type": "string",
            "description": "Goes on where an answer with this cursor ended; the other arguments as they were.",
        },
        "clear": {
            "type": "array",
            "items": {"type": "string", "enum": clearable},
            "description": "Fields to empty; blank text and null only leave a field as it is.",
        },
    }
    properties = {key: _argument(action, action.inputs[key], field, offered) for key, field in fields.items()}
    properties |= {name: about[name] for name in own}
    needed = [key for key in fields if _is_needed(action.inputs[key])]
    return {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}


def _is_needed(row: Input) -> bool:
    return row.required == () and row.only_when is None and not row.has_default


def _argument(action: Action, row: Input, field: Mapping[str, Json], offered: frozenset[str]) -> dict[str, Json]:
    described = _sentences(_about(action, row, offered))
    schema = {word: said for word, said in field.items() if word not in ("title", "description")}
    return {**schema, **({"description": described} if described else {})}


def _about(action: Action, row: Input, offered: frozenset[str]) -> Iterator[str | None]:
    """What a model has to know of an input, in sentences."""
    yield row.comments
    if row.type in SHAPES:
        yield SHAPES[row.type]
    named = [f"{choice.value} = {choice.label}" for choice in row.choices if str(choice.value) != choice.label]
    if named and len(row.choices) <= LABELLED:
        yield ", ".join(named)
    source = action.profile.choices.get(row.choices_from or "")
    if source is not None and source.action in offered and source.action != action.key:
        yield f"{source.action} lists them"
    if row.required and not row.has_default:
        yield f"Needed {_when((*(row.only_when or ()), *row.required))}"
    elif row.required is not None and row.only_when and not row.has_default:
        yield f"Needed {_when(row.only_when)}, and only then"
        return
    if row.only_when:
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
    properties["unexpected"] = {**ANY, "description": "The data where it is not of the documented shape."}
    properties["error"] = {"type": "object", "description": "Why it failed, and what to do."}
    return {"type": "object", "properties": properties}


def data_schema(action: Action, secrets: bool) -> dict[str, Json]:
    """The shape of a tool's `data`; what is hidden in it is text."""
    schema = (action.output or {}).get("schema")
    opened: dict[str, Json] = _opened(schema, secrets) if isinstance(schema, Mapping) else {}
    return opened or ANY


def _opened(schema: Json, secrets: bool) -> Json:
    if isinstance(schema, list):
        return [_opened(part, secrets) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    if schema.get(MARK) is True and not secrets:
        return {**_of_types(["string", "null"]), "description": "hidden"}
    kept: dict[str, Json] = {}
    for word, part in schema.items():
        if word in ("properties", "patternProperties"):
            kept[word] = {name: _opened(inner, secrets) for name, inner in part.items()}
        elif word in ("enum", "const", "examples", "default"):
            kept[word] = part
        elif word == "type" and isinstance(part, list) and "anyOf" not in schema:
            kept |= _of_types(part)
        elif word not in UNKEPT:
            kept[word] = _opened(part, secrets)
    return kept


def _of_types(types: list[str]) -> dict[str, Json]:
    """One of several types, as also those clients read it that know no list of types."""
    return {"anyOf": [{"type": each} for each in types]}


ANY = _of_types(["object", "array", "string", "number", "boolean", "null"])
