"""The catalogue for platforms: actions, triggers and connections as one JSON document, in key order. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from ..calls.action import Action
from ..calls.choices import reads
from ..model import ActionSpec, ChoiceList, Condition, Input, Json, Profile
from ..triggers.webhook import OWN as OWN_FILTERS, Trigger
from .forms import Say, choices, form_schema, same, ui_schema, widget

SHAPE = 1  # the version of the shape; raise it if a reader of the old shape could misread the new one
SAFETY = {  # effect -> (read-only, destructive, idempotent)
    "read": (True, False, True),
    "create": (False, False, False),
    "update": (False, False, True),
    "delete": (False, True, True),
    None: (False, True, False),  # the effect depends on the inputs, so assume the worst
}
INTERNAL = ("errors", "revoked_when")  # keys of `oauth` that only the runtime needs


def head(profile: Profile, icon: str | None, locale: str, locales: Iterable[str]) -> dict[str, Json]:
    """Return the first fields of the catalogue: the connector's metadata and its connections."""
    return {
        "catalogue_version": SHAPE,
        **_attributes(profile, "key", "version"),
        "locale": locale,
        "locales": list(locales),
        **_attributes(profile, "label", "description"),
        "icon": data_url(icon) if icon else None,
        "categories": list(profile.categories),
        "connections": [
            {
                **_attributes(kind, "key", "label", "description"),
                "inputs": [hints(row) for row in kind.inputs],
                "oauth": {word: value for word, value in (kind.oauth or {}).items() if word not in INTERNAL} or None,
            }
            for kind in profile.connections
        ],
    }


def data_url(svg: str) -> str:
    """Return an icon as a data URL for the `src` of an image, where no script in it can run."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def trigger_entry(trigger: Trigger, say: Say, events: bool) -> dict[str, Json]:
    """Return the catalogue entry of a trigger; with `events`, each event includes its `schema` and `sample`."""
    filters = [(key, say(label), say(help)) for key, (label, help) in OWN_FILTERS.items()]
    filters += [(row.key, row.label, row.comments) for row in trigger.filters.values()]
    return {
        **_attributes(trigger, "key", "label", "description"),
        "inputs": [hints(row) for row in trigger.inputs],
        "filters": [{"key": key, "label": label, "help": help} for key, label, help in filters],
        "events": [event.entry() if events else event.head() for event in trigger.events.values()],
    }


def entry(action: Action, say: Say = same) -> dict[str, Json]:
    output = action.output or {}
    return {
        **_attributes(action, "key", "label", "description", "docs", "summary", "effect"),
        "safety": safety(action.effect),
        "list": action.paging is not None,
        "scopes": {kind: list(scopes) for kind, scopes in action.scopes.items()},
        "rate_limit": action.rate_limit,
        "inputs": [{**hints(row), **needs(action, row)} for row in action.inputs.values()],
        "rules": [
            {**_attributes(rule, "kind", "says", "within"), "inputs": list(rule.keys), "when": condition(rule.when)}
            for rule in action.rules
        ],
        "input_schema": action.input_schema,
        "form_schema": form_schema(action, say),
        "ui_schema": ui_schema(action, say),
        "output_schema": output.get("schema"),
        "sample": output.get("example"),
        "secrets": action.secrets,
    }


def _attributes(definition: object, *names: str) -> dict[str, Json]:
    return {name: getattr(definition, name) for name in names}


def safety(effect: str | None) -> dict[str, bool]:
    """Return hints on whether to ask a person for confirmation, and whether a retry is harmless."""
    return dict(zip(("read_only", "destructive", "idempotent"), SAFETY[effect], strict=True))


def needs(spec: ActionSpec, row: Input) -> dict[str, Json]:
    """Return the inputs and parameters that a platform needs to load an input's choices."""
    source = spec.profile.choices.get(row.choices_from or "")
    if source is None:
        return {}
    inputs, parameters = reads(source, spec)
    fields = {"depends_on": inputs, "parameters": [hints(parameter) for parameter in parameters], "searchable": True}
    return {name: value for name, value in fields.items() if value}


def choice_list(source: ChoiceList) -> dict[str, Json]:
    """Return a named list of choices: its entries, or the action that supplies them and the list's parameters."""
    if source.action is None:
        return {"choices": [{"value": choice.value, "label": choice.label} for choice in source.choices]}
    return {
        "action": source.action,
        "with": dict(source.fills),
        "parameters": [hints(row) for row in source.parameters.values()],
        "value": list(source.value),
        "label": list(source.label),
        "searchable": True,
    }


def hints(row: Input) -> dict[str, Json]:
    """Return the properties of an input that a form shows, without the empty ones."""
    required: Json = None
    if row.required is not None:
        required = condition((*(row.only_when or ()), *row.required)) or True
    hints: dict[str, Json] = {
        **_attributes(row, "key", "label", "type", "collection"),
        "help": row.comments,
        "required": required,
        "only_when": condition(row.only_when),
        "shown_when": condition(row.shown_when) or condition(row.only_when),
        "choices": choices(row),
        "choices_from": row.choices_from,
        "placeholder": None if row.type == "secret" else row.example,
        "if_absent": row.if_absent,
        "widget": widget(row),
        "secret": row.type == "secret",
        **_attributes(row, "group", "advanced"),
        "clearable": bool(row.clear),
        "was": list(row.was),
        "deprecated": row.deprecated,
    }
    hints = {name: value for name, value in hints.items() if value is not None}
    hints = {name: value for name, value in hints.items() if value not in (False, "", []) or name == "if_absent"}
    if row.has_default:
        hints["filled_in" if row.fills_in else "published_default"] = row.default
    return hints


def condition(parsed: Condition | None) -> Json:
    """Return a condition as `[{"input", "is" or "is_not": [..]}]`: all tests must hold, and null means no value."""
    return [{"input": test.name, "is_not" if test.negate else "is": list(test.values)} for test in parsed or ()] or None
