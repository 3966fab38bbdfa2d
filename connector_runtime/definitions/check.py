"""Finds every fault in a definition, with file, line and remedy. Pure: takes documents and reads no files.

First, the JSON Schema for the kind of file validates the shape; its `errorMessage` or this module explains each fault.
The functions in checks/ then check the parts with a valid shape for rules that a schema cannot express.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..language.backtracking import is_slow
from ..language.schema_faults import closest, fault_of, kind_of, nearest
from ..types import registry
from .checks import action, answer, connector, tables
from .checks.faults import Check, CheckedFile, References
from .complete import complete, shared_rows
from .documents import Document, walk

TABLE: tuple[Check, ...] = (tables.entries, tables.conditions, tables.cycles)
# Kind of file -> its checks, in the order in which faults on one line are reported.
CHECKS: Mapping[str, tuple[Check, ...]] = {
    "actions": (
        *TABLE, answer.headers, action.targets, action.compute, action.request, action.inputs, action.rules,
        action.summary, answer.paging, action.pages, answer.errors, action.recover, action.limits, answer.files,
        answer.output,
    ),
    "connection": (*TABLE, answer.errors, connector.grants, connector.test, connector.oauth),
    "triggers": (*TABLE, connector.signature),
    "connector": (
        connector.base, answer.headers, answer.paging, answer.errors, connector.limits, connector.choices,
        connector.shared_rows,
    ),
    "locales": (connector.locale,),
}  # fmt: skip
RENAMED: Mapping[str, tuple[str, ...]] = {  # a word of earlier versions or other languages -> its equivalents here
    "dead_when": ("revoked_when",), "forbid_values": ("unsupported_values",), "only": ("scope_pattern",),
    "names": ("scopes_pattern", "scopes_from"), "prefer": ("preferred_scope_pattern",), "title": ("label",),
    "description": ("comments",), "enum": ("choices",), "help": ("comments",), "placeholder": ("example",),
}  # fmt: skip


def checked(document: Document, kind: str, stem: str, refs: References) -> CheckedFile:
    """Check the document of `stem`.yaml: the schema sees it as written; all other checks see it completed."""
    file = CheckedFile(document, kind)
    schema(file, refs)
    if isinstance(document.data, dict):
        patterns(file)
        file.shared = shared_rows(refs.common)
        file.data, doubts = complete(file.data, kind, refs.common)
        for path, what in doubts:  # rows that cannot be completed are treated as broken
            if file.sound(*path[:2]):
                file.add(path, what, breaks=True)
        if kind != "connector" and file.sound("key") and (key := file.data.get("key", stem)) != stem:
            file.add(("key",), f"is {key!r} in the file {stem}.yaml; rename one of the two")
        rows = tables.compiled(file, refs)
        for check in CHECKS[kind]:
            check(file, rows, refs)
    return file


def schema(file: CheckedFile, refs: References) -> None:
    """Validate against the schema. A part that fails is broken, unless its schema has an `errorMessage`."""
    errors = list(refs.language(file.kind).iter_errors(file.data))
    for error in errors:
        is_lost = error.validator != "additionalProperties" and tuple(error.absolute_path) in file.document.holes
        if not is_lost and "errorMessage" not in error.schema:
            _explain(file, error)
    for error in errors:
        if "errorMessage" in error.schema and file.sound(*list(error.absolute_path)[:1]):
            file.add(tuple(error.absolute_path), error.schema["errorMessage"].replace("{value}", str(error.instance)))


SLOW = (
    "can take very long on malicious text: two loops in sequence can read the same text, as in `a*a*`, `(a+)+` or "
    "`,.*,.*x`; make each exclude the beginning of the next, as in `[^,]*`"
)


def patterns(file: CheckedFile) -> None:
    """Report regular expressions that are invalid or can be very slow."""
    for path, value in walk(file.data):
        is_pattern = path and (
            path[-1] == "pattern"
            or (path[-1] in ("text", "scopes_pattern") and "cases" in path)
            or (path[0] == "levels" and len(path) == 3)
        )
        try:
            if is_pattern and isinstance(value, str) and is_slow(value):
                file.add(path, SLOW, breaks=True)
        except (OverflowError, RecursionError):
            file.add(path, "is a regular expression too large to examine; write a shorter one", breaks=True)
        except re.error as error:
            file.add(path, f"is not a regular expression: {error}; put a \\ before a literal character", breaks=True)


def _explain(file: CheckedFile, error: Any) -> None:
    path = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties" if error.validator_value is False:
            known = list(error.schema.get("properties", {}))
            every, kind = registry.TYPES["any"], str(error.instance.get("type"))
            takes = registry.TYPES.get(kind, every).words
            for key in [key for key in error.instance if key not in known]:
                remedy = nearest(key, known, f"Known here: {', '.join(known)}.")
                if key in every.words and "schema" in known:
                    put = f"Put it under schema: `schema: {{{key}: …}}`."
                    remedy = f" {put if key in takes else f'The type {kind} has no such limit; leave it out.'}"
                ours = " or ".join(f"`{word}`" for word in RENAMED.get(key, ()) if word in known)
                what = f"is {ours} here; rename it" if ours else f"is not a word of the language here.{remedy}"
                file.add((*path, key), what, breaks=True)
            return
        case "anyOf" | "oneOf" if error.context:
            deepest = max(error.context, key=_closeness)
            if len(deepest.absolute_path) > len(path) or deepest.validator in ("additionalProperties", "required"):
                _explain(file, deepest)
                return
            what = f"must be: {error.schema['description']}" if "description" in error.schema else fault_of(deepest)
            if error.instance is False:
                what += "; leave it out to say no"
        case "oneOf":
            what = f"must be of one kind only: {error.schema.get('description', 'keep the keys of one')}"
        case "pattern" if "propertyNames" in list(error.absolute_schema_path)[-2:]:
            path = (*path, error.instance)
            what = "must be snake_case: lower-case letters, digits and _, starting with a letter"
        case "pattern":
            what = f"is {error.instance!r}; it must be: {error.schema.get('description', error.validator_value)}"
            words = re.match(r"\^\(([a-z|]+)\)", error.validator_value)
            if words and (word := closest(error.instance.partition(".")[0], words[1].split("|"))):
                what += f". Did you mean '{re.sub('^[^.]*', word, error.instance)}'?"
        case "type" if error.validator_value == "string" and not isinstance(error.instance, str):
            remedy = "; put it in quotes" if error.instance is not None else "; write it after the colon"
            what = f"must be text, not {kind_of(error.instance)}{remedy}"
        case "const" if error.validator_value is True:
            what = "must be true; leave it out to say no"
        case "type" if not path:
            what = "must have keys with values, such as `key: send-message`"
        case "type" if "description" in error.schema:
            what = f"{fault_of(error)}: {error.schema['description']}"
        case _:
            what = fault_of(error)
    file.add(path, what, breaks=True)


def _closeness(error: Any) -> tuple[float, ...]:
    """Return a sort key for how closely an alternative matches the data: depth, type, share of required keys."""
    missing = error.validator == "required"
    present = sum(key in error.instance for key in error.validator_value) / len(error.validator_value) if missing else 0
    return len(error.absolute_path), error.validator != "type", present
