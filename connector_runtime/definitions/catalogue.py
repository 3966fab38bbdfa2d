"""What a platform draws: a connector's actions, triggers and connections as one JSON document. Pure.

`input_schema` says what a run accepts. `form_schema` is for drawing a form: one type a field, choices as `enum`
with their labels in `inputs`, and no `default`, so that a form nobody touched posts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..inputs import takes
from ..model import ActionSpec, Condition, Input, Json
from ..triggers.events import OWN as OWN_FILTERS

if TYPE_CHECKING:
    from .connector import Connector

WIDGETS = {"text": "textarea", "secret": "password", "boolean": "select", "json": "code", "any": "code"}
SAFE_INTEGER = 2**53


def catalogue(connector: Connector) -> dict[str, Json]:
    """The whole catalogue, in the order of keys; the same definitions always give the same document."""
    about = connector.profile
    return {
        "key": about.key,
        "version": about.version,
        "label": about.label,
        "description": about.description,
        "categories": list(about.categories),
        "connections": [
            {
                "key": kind.key,
                "label": kind.label,
                "description": kind.description,
                "inputs": [hints(row) for row in kind.inputs],
                "oauth": dict(kind.oauth) if kind.oauth else None,
            }
            for kind in about.connections
        ],
        "triggers": [
            {
                "key": trigger.key,
                "label": trigger.label,
                "description": trigger.description,
                "inputs": [hints(row) for row in trigger.inputs],
                "filters": [
                    *({"key": key, "label": said[0], "help": said[1]} for key, said in OWN_FILTERS.items()),
                    *({"key": row.key, "label": row.label, "help": row.comments} for row in trigger.filters.values()),
                ],
                "events": [event.entry() for event in trigger.events.values()],
            }
            for trigger in connector.triggers.values()
        ],
        "actions": [entry(action) for action in connector.actions.values()],
        "choices": dict(about.choices),
    }


def entry(action: Any) -> dict[str, Json]:
    """One action of the catalogue."""
    spec: ActionSpec = action
    return {
        "key": spec.key,
        "label": spec.label,
        "description": spec.description,
        "docs": spec.docs,
        "summary": spec.summary,
        "effect": spec.effect,
        "list": spec.paging is not None,
        "scopes": {kind: list(scopes) for kind, scopes in spec.scopes.items()},
        "rate_limit": spec.rate_limit,
        "input_schema": action.input_schema,
        "form_schema": form_schema(spec),
        "output_schema": spec.output.get("schema") if spec.output else None,
        "sample": spec.output.get("example") if spec.output else None,
        "inputs": [hints(row) for row in spec.inputs.values()],
        "rules": [
            {"kind": rule.kind, "inputs": list(rule.keys), "when": condition(rule.when), "says": rule.says}
            for rule in spec.rules
        ],
    }


def hints(row: Input) -> dict[str, Json]:
    """How a form shows an input; keys that say nothing are left out."""
    said: dict[str, Json] = {
        "key": row.key,
        "label": row.label,
        "type": row.type,
        "collection": row.collection,
        "help": row.comments,
        "required": True if row.required == () and row.only_when is None else _needed(row),
        "only_when": condition(row.only_when),
        "shown_when": condition(row.shown_when) or condition(row.only_when),
        "choices": form_choices(row),
        "choices_from": row.choices_from,
        "placeholder": None if row.type == "secret" else row.example,
        "if_absent": row.if_absent,
        "widget": WIDGETS.get(row.type),
        "secret": row.type == "secret",
        "group": row.group,
        "advanced": row.advanced,
        "clearable": bool(row.clear),
        "was": list(row.was),
        "deprecated": row.deprecated,
    }
    kept = {name: value for name, value in said.items() if value not in (None, False, "", []) or name == "if_absent"}
    if row.if_absent is None:
        kept.pop("if_absent")
    if row.has_default:
        kept["filled_in" if row.fills_in else "published_default"] = row.default
    return kept


def _needed(row: Input) -> Json:
    """When a value is needed: where the input applies, and its own condition holds."""
    return None if row.required is None else condition((*(row.only_when or ()), *row.required))


def condition(parsed: Condition | None) -> Json:
    """A condition as data: `[{"input", "is": [..]}]` or `"is_not"`, null for not given; all must hold."""
    if not parsed:
        return None
    return [{"input": test.name, "is_not" if test.negate else "is": list(test.values)} for test in parsed]


def form_schema(spec: ActionSpec) -> dict[str, Json]:
    """The schema that a form is drawn from. It says no `$schema` and no `default`; what it posts, a run accepts."""
    rows = [row for row in spec.inputs.values() if row.type != "connection"]
    return {
        "type": "object",
        "title": spec.label,
        "description": spec.description,
        "properties": {row.key: field(row) for row in rows},
        "required": [row.key for row in rows if row.required == () and row.only_when is None and not row.has_default],
    }


def field(row: Input) -> dict[str, Json]:
    """One field of a form."""
    titles: dict[str, Json] = {"title": row.label, **({"description": row.comments} if row.comments else {})}
    if row.deprecated is not None:
        titles["deprecated"] = True
    if row.collection == "map":
        pair = {"key": {"type": "string", "title": "Key"}, "value": {**_plain(row), "title": "Value"}}
        return {**titles, "type": "array", "items": {"type": "object", "properties": pair, "required": ["key"]}}
    if row.collection == "list":
        return {**titles, "type": "array", "items": _plain(row)}
    return {**titles, **_plain(row)}


def _plain(row: Input) -> dict[str, Json]:
    if row.choices:
        values = [choice["value"] for choice in form_choices(row)]
        return {"type": "string" if isinstance(values[0], str) else "integer", "enum": values}
    if row.type in takes.TEXTS:
        limits = {key: row.schema[key] for key in ("minLength", "maxLength", "pattern") if key in row.schema}
        return {"type": "string", **limits}
    if row.type in ("integer", "number"):
        return {"type": row.type, **row.schema}
    if row.type == "boolean":
        return {"type": "boolean"}
    if row.type == "json":
        return {"type": "object" if row.schema.get("type") == "object" else "array", **row.schema} if row.schema else {}
    return {"type": "string"}


def form_choices(row: Input) -> list[dict[str, Json]]:
    """The choices as a form can hold them: JavaScript rounds integers above 2^53, so a list that has one is text."""
    rounded = any(isinstance(choice.value, int) and abs(choice.value) >= SAFE_INTEGER for choice in row.choices)
    return [{"value": str(choice.value) if rounded else choice.value, "label": choice.label} for choice in row.choices]
