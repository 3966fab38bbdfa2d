"""The form of an action: the schema that it is drawn from, and what form libraries want beside it. Pure.

A form that nobody touched posts nothing: the schema has no `default`, and nothing that makes a library fill something
in. What a form posts, a run accepts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..language.conditions import NO, YES
from ..model import ActionSpec, Input, Json
from ..sentences import Sentence
from ..types import registry

Say = Callable[[str], str]  # a text of ours -> the same in the language of the form

SAFE_INTEGER = 2**53
KEY, VALUE = Sentence("Key"), Sentence("Value")
RJSF_WIDGETS = {"textarea": "textarea", "password": "password", "code": "textarea"}


def same(text: str) -> str:
    """The text as it is: what forms say in the language of the definitions."""
    return text


def form_schema(spec: ActionSpec, say: Say = same) -> dict[str, Json]:
    """The schema that a form is drawn from. It says no `$schema` and no `default`."""
    rows = spec.fields.values()
    return {
        "type": "object",
        "title": spec.label,
        "description": spec.description,
        "properties": {row.key: _field(row, say) for row in rows},
        # of a boolean the form asks nothing: libraries answer no for a person who says nothing
        "required": [row.key for row in rows if row.is_always_needed and (row.type != "boolean" or row.collection)],
    }


def widget(row: Input) -> str | None:
    """How a value is drawn, if not as a line of text."""
    return registry.TYPES[row.type].widget


def choices(row: Input) -> list[dict[str, Json]]:
    """The choices as a form can hold them: JavaScript rounds integers above 2^53, so a list that has one is text."""
    rounded = any(isinstance(choice.value, int) and abs(choice.value) >= SAFE_INTEGER for choice in row.choices)
    return [{"value": str(choice.value) if rounded else choice.value, "label": choice.label} for choice in row.choices]


def _field(row: Input, say: Say) -> dict[str, Json]:
    field: dict[str, Json] = {"title": row.label} | ({"description": row.comments} if row.comments else {})
    field |= {} if row.deprecated is None else {"deprecated": True}
    if row.collection == "map":
        pair = {"key": {"type": "string", "title": say(KEY)}, "value": {**_plain(row), "title": say(VALUE)}}
        return {**field, "type": "array", "items": {"type": "object", "properties": pair, "required": ["key"]}}
    return {**field, **({"type": "array", "items": _plain(row)} if row.collection else _plain(row))}


def _plain(row: Input) -> dict[str, Json]:
    if row.choices:
        values = [choice["value"] for choice in choices(row)]
        return {"type": "string" if isinstance(values[0], str) else "integer", "enum": values}
    return registry.TYPES[row.type].field(row)


def editor_schema(spec: ActionSpec, say: Say = same) -> dict[str, Json]:
    """The form's schema for json-editor: with labels of choices, long texts and secrets said in its own words.

    To go with its option `show_opt_in`, by which an optional field is posted only if a person asked for it.
    """
    schema = form_schema(spec, say)
    for row in spec.fields.values():
        field = schema["properties"][row.key]
        inner = field["items"] if row.collection else field
        if row.collection == "map":
            continue
        if row.choices or row.type == "boolean":
            inner["options"] = {"enum_titles": [choice.label for choice in row.choices] or [say(YES), say(NO)]}
        elif widget(row) in ("textarea", "password"):
            inner["format"] = widget(row)
    return schema


def ui_schema(spec: ActionSpec, say: Say = same) -> dict[str, Json]:
    """The `uiSchema` for React JSON Schema Form 6, to go with `form_schema`; help says what a field left out is."""
    rows = spec.fields.values()
    shown: dict[str, Json] = {"ui:order": [row.key for row in rows]}
    for row in rows:
        plain, drawn = _plain(row), RJSF_WIDGETS.get(widget(row) or "")
        said = _nested(plain, [say(YES), say(NO)])
        if drawn and not row.choices and plain.get("type") == "string":
            said["ui:widget"] = drawn
        if row.choices:
            said["ui:enumNames"] = [choice.label for choice in row.choices]
        elif isinstance(row.example, str | int) and row.type != "secret":
            said["ui:placeholder"] = _text(row, row.example, say)
        if row.collection and said:
            said = {"items": {"value": said} if row.collection == "map" else said}
        if asides := " · ".join(asides_of(row, say)):
            said["ui:help"] = asides
        shown |= {row.key: said} if said else {}
    return shown


def _nested(schema: Mapping[str, Any], answers: list[str]) -> dict[str, Json]:
    """A boolean, here or inside a structured value, as a list of yes, no and nothing."""
    if schema.get("type") == "boolean":
        return {"ui:widget": "select", "ui:enumNames": answers}
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        inner = _nested(schema["items"], answers)
        return {"items": inner} if inner else {}
    found = {name: _nested(inner, answers) for name, inner in schema.get("properties", {}).items()}
    return {name: said for name, said in found.items() if said}


def asides_of(row: Input, say: Say = same) -> Iterator[str]:
    """What is shown and not sent: the published default, and what the vendor does without a value."""
    if row.has_default and not isinstance(row.default, list | dict) and row.default != row.if_absent:
        yield say(Sentence("Default: {value}", value=_text(row, row.default, say)))
    if row.if_absent is not None:
        yield say(Sentence("If empty: {value}", value=_text(row, row.if_absent, say)))


def _text(row: Input, value: Json, say: Say) -> str:
    """A value as a person reads it: a choice by its label, a boolean as yes or no."""
    if isinstance(value, bool):
        return say(YES) if value else say(NO)
    named = [choice.label for choice in row.choices if choice.value == value and type(choice.value) is type(value)]
    return named[0] if named else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
