"""The form of an action: its schema, and the hints that form libraries need. Pure.

An untouched form posts nothing, because its schema has neither `default` nor anything else that makes a library fill in
a value. A run accepts whatever a form posts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..language.conditions import NO, YES
from ..model import ActionSpec, Input, Json
from ..sentences import Sentence
from ..types import registry

Say = Callable[[str], str]  # text -> its translation

SAFE_INTEGER = 2**53
KEY, VALUE = Sentence("Key"), Sentence("Value")
RJSF_WIDGETS = {"textarea": "textarea", "password": "password", "code": "textarea"}


def same(text: str) -> str:
    """Return the text unchanged, for forms in the language of the definitions."""
    return text


def form_schema(spec: ActionSpec, say: Say = same) -> dict[str, Json]:
    """Return the schema of a form, without `$schema` and `default`."""
    rows = spec.fields.values()
    return {
        "type": "object",
        "title": spec.label,
        "description": spec.description,
        "properties": {row.key: _field(row, say) for row in rows},
        # a boolean is never required, because libraries would post false if nothing was chosen
        "required": [row.key for row in rows if row.is_always_needed and (row.type != "boolean" or row.collection)],
    }


def widget(row: Input) -> str | None:
    """Return the widget of a row's values; None for a line of text."""
    return registry.TYPES[row.type].widget


def choices(row: Input) -> list[dict[str, Json]]:
    """Return the choices for a form; all values are strings if one exceeds 2^53, which JavaScript would round."""
    as_text = any(isinstance(choice.value, int) and abs(choice.value) >= SAFE_INTEGER for choice in row.choices)
    return [{"value": str(choice.value) if as_text else choice.value, "label": choice.label} for choice in row.choices]


def _field(row: Input, say: Say) -> dict[str, Json]:
    field: dict[str, Json] = {"title": row.label} | ({"description": row.comments} if row.comments else {})
    field |= {} if row.deprecated is None else {"deprecated": True}
    if row.collection == "map":
        pair = {"key": {"type": "string", "title": say(KEY)}, "value": {**_value(row), "title": say(VALUE)}}
        return {**field, "type": "array", "items": {"type": "object", "properties": pair, "required": ["key"]}}
    unique = {"uniqueItems": True} if row.choices else {}  # drawn as check boxes
    return {**field, **({"type": "array", "items": _value(row), **unique} if row.collection else _value(row))}


def _value(row: Input) -> dict[str, Json]:
    if row.choices:
        values = [choice["value"] for choice in choices(row)]
        return {"type": "string" if isinstance(values[0], str) else "integer", "enum": values}
    return registry.TYPES[row.type].field(row)


def editor_schema(spec: ActionSpec, say: Say = same) -> dict[str, Json]:
    """Return the schema of a form for json-editor, with its keywords for choice labels, multiline text and secrets.

    Use it with the option `show_opt_in`, so optional fields are posted only if a person opts in.
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
    """Return the `uiSchema` for React JSON Schema Form 6, for use with `form_schema`."""
    rows = spec.fields.values()
    fields: dict[str, Json] = {"ui:order": [row.key for row in rows]}
    for row in rows:
        value, rjsf_widget = _value(row), RJSF_WIDGETS.get(widget(row) or "")
        field = _boolean_hints(value, [say(YES), say(NO)])
        if rjsf_widget and not row.choices and value.get("type") == "string":
            field["ui:widget"] = rjsf_widget
        if row.choices:
            field["ui:enumNames"] = [choice.label for choice in row.choices]
        elif isinstance(row.example, str | int) and row.type != "secret":
            field["ui:placeholder"] = _text(row, row.example, say)
        if row.collection == "list" and row.choices:
            field["ui:widget"] = "checkboxes"
        elif row.collection and field:
            field = {"items": {"value": field} if row.collection == "map" else field}
        if notes := " · ".join(asides_of(row, say)):
            field["ui:help"] = notes
        fields |= {row.key: field} if field else {}
    return fields


def _boolean_hints(schema: Mapping[str, Any], labels: list[str]) -> dict[str, Json]:
    """Return the hints that show booleans, at any depth, as a list of yes, no and unset."""
    if schema.get("type") == "boolean":
        return {"ui:widget": "select", "ui:enumNames": labels}
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        inner = _boolean_hints(schema["items"], labels)
        return {"items": inner} if inner else {}
    properties = {name: _boolean_hints(inner, labels) for name, inner in schema.get("properties", {}).items()}
    return {name: hints for name, hints in properties.items() if hints}


def asides_of(row: Input, say: Say = same) -> Iterator[str]:
    """Yield notes on leaving a field empty: its published default, and what the vendor does without a value."""
    if row.has_default and not isinstance(row.default, list | dict) and row.default != row.if_absent:
        yield say(Sentence("Default: {value}", value=_text(row, row.default, say)))
    if row.if_absent is not None:
        yield say(Sentence("If empty: {value}", value=_text(row, row.if_absent, say)))


def _text(row: Input, value: Json, say: Say) -> str:
    if isinstance(value, bool):
        return say(YES) if value else say(NO)
    labels = [choice.label for choice in row.choices if choice.value == value and type(choice.value) is type(value)]
    return labels[0] if labels else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
