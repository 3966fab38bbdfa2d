"""What a platform draws: a connector's actions, triggers and connections as one JSON document. Pure.

schemas/catalogue.schema.json is its shape; `Connector.catalogue` puts it together, in the order of keys, so that the
same definitions always give the same document.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from ..calls.action import Action
from ..calls.choices import reads
from ..model import ActionSpec, ChoiceList, Condition, Input, Json, Profile
from ..triggers.webhook import OWN as OWN_FILTERS, Trigger
from .forms import Say, choices, form_schema, same, ui_schema, widget

SHAPE = 1  # the number of the document's shape; it grows when a reader of the old shape would be misled
SAFETY = {  # effect -> nothing changes; something is lost for good; twice is as good as once
    "read": (True, False, True),
    "create": (False, False, False),
    "update": (False, False, True),
    "delete": (False, True, True),
    None: (False, True, False),  # it follows from the inputs, so that the worst is said
}
INSIDE = ("errors", "revoked_when")  # how the runtime reads a token endpoint; no platform needs it


def head(about: Profile, icon: str | None, locale: str, locales: Iterable[str]) -> dict[str, Json]:
    """How the catalogue begins: what is said of the whole connector, and its connections."""
    return {
        "catalogue_version": SHAPE,
        **_plain(about, "key", "version"),
        "locale": locale,
        "locales": list(locales),
        **_plain(about, "label", "description"),
        "icon": data_url(icon) if icon else None,
        "categories": list(about.categories),
        "connections": [
            {
                **_plain(kind, "key", "label", "description"),
                "inputs": [hints(row) for row in kind.inputs],
                "oauth": {word: said for word, said in (kind.oauth or {}).items() if word not in INSIDE} or None,
            }
            for kind in about.connections
        ],
    }


def data_url(svg: str) -> str:
    """The icon as the `src` of an image, which runs no script whatever it holds."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def trigger_entry(trigger: Trigger, say: Say, events: bool) -> dict[str, Json]:
    """One trigger of the catalogue; `events`: whether each event has its `schema` and `sample`."""
    filters = [(key, say(label), say(help)) for key, (label, help) in OWN_FILTERS.items()]
    filters += [(row.key, row.label, row.comments) for row in trigger.filters.values()]
    return {
        **_plain(trigger, "key", "label", "description"),
        "inputs": [hints(row) for row in trigger.inputs],
        "filters": [{"key": key, "label": label, "help": help} for key, label, help in filters],
        "events": [event.entry() if events else event.head() for event in trigger.events.values()],
    }


def entry(action: Action, say: Say = same) -> dict[str, Json]:
    """One action of the catalogue."""
    output = action.output or {}
    return {
        **_plain(action, "key", "label", "description", "docs", "summary", "effect"),
        "safety": safety(action.effect),
        "list": action.paging is not None,
        "scopes": {kind: list(scopes) for kind, scopes in action.scopes.items()},
        "rate_limit": action.rate_limit,
        "inputs": [{**hints(row), **needs(action, row)} for row in action.inputs.values()],
        "rules": [
            {"kind": rule.kind, "inputs": list(rule.keys), "when": condition(rule.when), "says": rule.says}
            for rule in action.rules
        ],
        "input_schema": action.input_schema,
        "form_schema": form_schema(action, say),
        "ui_schema": ui_schema(action, say),
        "output_schema": output.get("schema"),
        "sample": output.get("example"),
        "secrets": action.secrets,
    }


def _plain(found: object, *names: str) -> dict[str, Json]:
    return {name: getattr(found, name) for name in names}


def safety(effect: str | None) -> dict[str, bool]:
    """What an effect means to whoever decides whether to ask a person first, or whether to try again."""
    return dict(zip(("read_only", "destructive", "idempotent"), SAFETY[effect], strict=True))


def needs(spec: ActionSpec, row: Input) -> dict[str, Json]:
    """What a platform must know to load an input's choices: the inputs and parameters that they depend on."""
    source = spec.profile.choices.get(row.choices_from or "")
    if source is None:
        return {}
    inputs, parameters = reads(source, spec)
    said = {"depends_on": inputs, "parameters": [hints(each) for each in parameters], "searchable": True}
    return {name: value for name, value in said.items() if value}


def offered(source: ChoiceList) -> dict[str, Json]:
    """A named list: its entries, or which action gives them and what a platform that asks for it by name can say."""
    if source.action is None:
        return {"choices": [{"value": each.value, "label": each.label} for each in source.choices]}
    return {
        "action": source.action,
        "with": dict(source.fills),
        "parameters": [hints(row) for row in source.parameters.values()],
        "value": list(source.value),
        "label": list(source.label),
        "searchable": True,
    }


def hints(row: Input) -> dict[str, Json]:
    """How a form shows an input; keys that say nothing are left out."""
    needed: Json = None  # where the input applies, and its own condition holds
    if row.required is not None:
        needed = condition((*(row.only_when or ()), *row.required)) or True
    said: dict[str, Json] = {
        **_plain(row, "key", "label", "type", "collection"),
        "help": row.comments,
        "required": needed,
        "only_when": condition(row.only_when),
        "shown_when": condition(row.shown_when) or condition(row.only_when),
        "choices": choices(row),
        "choices_from": row.choices_from,
        "placeholder": None if row.type == "secret" else row.example,
        "if_absent": row.if_absent,
        "widget": widget(row),
        "secret": row.type == "secret",
        **_plain(row, "group", "advanced"),
        "clearable": bool(row.clear),
        "was": list(row.was),
        "deprecated": row.deprecated,
    }
    fields = {name: value for name, value in said.items() if value is not None}
    fields = {name: value for name, value in fields.items() if value not in (False, "", []) or name == "if_absent"}
    if row.has_default:
        fields["filled_in" if row.fills_in else "published_default"] = row.default
    return fields


def condition(parsed: Condition | None) -> Json:
    """A condition as data: `[{"input", "is": [..]}]` or `"is_not"`, null for not given; all must hold."""
    return [{"input": test.name, "is_not" if test.negate else "is": list(test.values)} for test in parsed or ()] or None
