"""Every fault of a definition, with file, line and remedy. Pure: it is given documents and reads no files.

First the shape, against the JSON Schema of the kind, in words for an author or in the schema's `errorMessage`. Then,
wherever the shape is right, what a schema cannot say: each such check is a function in checks/ and a line of `CHECKS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..language.backtracking import is_slow
from ..language.schema_faults import fault_of, kind_of, nearest
from .checks import action, answer, connector, tables
from .checks.faults import Check, Faults, References
from .complete import complete, shared_rows
from .documents import Document, walk

TABLE: tuple[Check, ...] = (tables.entries, tables.conditions, tables.cycles)
# Kind of file -> its checks, in the order in which the faults of one line are told.
CHECKS: Mapping[str, tuple[Check, ...]] = {
    "actions": (
        *TABLE, answer.headers, action.targets, action.compute, action.request, action.inputs, action.rules,
        action.summary, answer.paging, action.pages, answer.errors, action.recover, action.limits, answer.files,
        answer.output,
    ),
    "connection": (*TABLE, connector.grants, connector.test, connector.oauth),
    "triggers": (*TABLE, connector.signature),
    "connector": (
        connector.base, answer.headers, answer.paging, answer.errors, connector.limits, connector.choices,
        connector.shared_rows,
    ),
    "locales": (connector.locale,),
}  # fmt: skip
RENAMED: Mapping[str, tuple[str, ...]] = {  # what a word was called -> what it is called now
    "dead_when": ("revoked_when",),
    "forbid_values": ("unsupported_values",),
    "names": ("scopes_pattern", "scopes_from"),
    "only": ("scope_pattern",),
    "prefer": ("preferred_scope_pattern",),
}
_SCHEMA_WORDS = {
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "items", "properties", "enum", "format",
}  # fmt: skip


def checked(document: Document, kind: str, stem: str, around: References) -> Faults:
    """One document with all its faults and its data in full; `kind` is its folder, such as `actions`, or `connector`.

    What is written is held against the schema; all else is asked of the data in full.
    """
    own = Faults(document, kind)
    schema(own, around)
    if isinstance(document.data, dict):
        patterns(own)
        in_full(own, around)
        if kind != "connector" and own.sound("key") and (said := own.data.get("key", stem)) != stem:
            own.add(("key",), f"is {said!r} in the file {stem}.yaml; rename one of the two")
        rows = tables.compiled(own, around)
        for check in CHECKS[kind]:
            check(own, rows, around)
    return own


def in_full(own: Faults, around: References) -> None:
    """The data in full from here on; rows whose silence is in doubt are broken."""
    own.shared = shared_rows(around.common)
    own.data, doubts = complete(own.data, own.kind, around.common)
    for path, what in doubts:
        if own.sound(*path[:2]):
            own.add(path, what, breaks=True)


def schema(own: Faults, around: References) -> None:
    """What does not fit the schema is broken; where it has an `errorMessage`, only what is said there is wrong."""
    errors = list(around.language(own.kind).iter_errors(own.data))
    for error in errors:
        lost = error.validator != "additionalProperties" and tuple(error.absolute_path) in own.document.holes
        if not lost and "errorMessage" not in error.schema:
            _explain(own, error)
    for error in errors:
        if "errorMessage" in error.schema and own.sound(*list(error.absolute_path)[:1]):
            own.add(tuple(error.absolute_path), error.schema["errorMessage"].replace("{value}", str(error.instance)))


SLOW = (
    "takes very long on a text that is made for it: two of its loops that follow each other can read the same text, as "
    "in `a*a*`, `(a+)+` or `,.*,.*x`; let each exclude what begins the next, such as `[^,]*`"
)


def patterns(own: Faults) -> None:
    """Regular expressions that are none, or take longer than their text."""
    for path, value in walk(own.data):
        pattern = path and (
            path[-1] == "pattern"
            or (path[-1] in ("text", "scopes_pattern") and "cases" in path)
            or (path[0] == "levels" and len(path) == 3)
        )
        try:
            if pattern and isinstance(value, str) and is_slow(value):
                own.add(path, SLOW, breaks=True)
        except (OverflowError, RecursionError):
            own.add(path, "is a regular expression too large to be judged; write it shorter", breaks=True)
        except re.error as error:
            what = f"is no regular expression: {error}; put a \\ before a character that stands for itself"
            own.add(path, what, breaks=True)


def _explain(own: Faults, error: Any) -> None:
    path = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties" if error.validator_value is False:
            known = list(error.schema.get("properties", {}))
            for key in error.instance:
                remedy = nearest(key, known) or f" Known here: {', '.join(known)}."
                if key in _SCHEMA_WORDS and "schema" in known:
                    remedy = f" Say it under schema: `schema: {{{key}: …}}`."
                what = f"is no word of the language here.{remedy}"
                if now := [f"`{word}`" for word in RENAMED.get(key, ()) if word in known]:
                    what = f"is now {' or '.join(now)}: rename it"
                if key not in known:
                    own.add((*path, key), what, breaks=True)
            return
        case "anyOf" | "oneOf" if error.context:
            deepest = max(error.context, key=_closeness)
            if len(deepest.absolute_path) > len(path) or deepest.validator in ("additionalProperties", "required"):
                _explain(own, deepest)
                return
            what = f"must be: {error.schema['description']}" if "description" in error.schema else fault_of(deepest)
            if error.instance is False:
                what += "; leave it out to say no"
        case "oneOf":
            what = f"must be of one kind only: {error.schema.get('description', 'keep the keys of one')}"
        case "pattern" if "propertyNames" in list(error.absolute_schema_path)[-2:]:
            path = (*path, error.instance)
            what = "must be snake_case: small letters, digits and _, a letter first"
        case "pattern":
            what = f"is {error.instance!r}; it must be: {error.schema.get('description', error.validator_value)}"
        case "type" if error.validator_value == "string" and not isinstance(error.instance, str):
            remedy = "; put it in quotes" if error.instance is not None else "; write it after the colon"
            what = f"must be text, not {kind_of(error.instance)}{remedy}"
        case "const" if error.validator_value is True:
            what = "must be true; leave it out to say no"
        case "type" if not path:
            what = "must hold keys with values, such as `key: send-message`"
        case _:
            what = fault_of(error)
    own.add(path, what, breaks=True)


def _closeness(error: Any) -> tuple[float, ...]:
    """How near an alternative comes to what was written: by depth, by its type, by the keys that are there."""
    missing = error.validator == "required"
    present = sum(key in error.instance for key in error.validator_value) / len(error.validator_value) if missing else 0
    return len(error.absolute_path), error.validator != "type", present
