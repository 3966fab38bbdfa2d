"""Checks headers, pages, errors, files and output in connector.yaml and in actions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...language import conditions, expressions, places
from ...language.patterns import HEADER_NAME, HEADER_VALUE, INSTANT
from ...language.schema_faults import fault_of, kind_of, nearest, schema_faults
from ...language.secrets import SECRET_WORD
from ...model import Input
from ...types.collections import GUARDED_HEADERS
from ..compiler import inline
from ..documents import Path, walk
from .faults import CheckedFile, References

SLOT = re.compile(r"\{([^{}]*)\}")
SINGLE = ("status", "code", "count")  # places of a response that take no name after them
FAILED = ("status", "header", "body")
TOKEN = ("status", "code", "header", "body")
SEEN = ("status", "code", "path", "header", "body")
HOLDS = {"status": int, "count": int, "header": str, "link": str, "path": str}  # the type of what is there
SCOPES = {"scopes_pattern", "scopes_from"}
PAGE = ("status", "count", "items", "link", "header", "body", "query")


def headers(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report constant headers that HTTP cannot carry, or that the connection sets."""
    for name, value in file.part("request").get("headers", {}).items():
        at: Path = ("request", "headers", name)
        if schema_faults({"pattern": HEADER_NAME}, name):
            file.add(at, "is not a header name; use only letters, digits and -")
        elif name.lower() in GUARDED_HEADERS:
            file.add(at, "is set by the connection or HTTP itself; put it in connection/ or leave it out")
        elif schema_faults({"pattern": HEADER_VALUE}, value):
            file.add(at, "must be one line of printable ASCII text")


def paging(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report page settings that contradict each other."""
    for at, style in _each(("paging", "next"), file.part("paging").get("next", [])):
        _looks(file, (*at, "while"), style.get("while", {}), PAGE)
        if style["to"] == "url" and ("plus" in style or "below" in style):
            file.add((*at, "to"), "is url, so `from` is a whole URL; leave out `plus` and `below`, which count")


def errors(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report error cases that test a place that no response has, or that an earlier case hides."""
    for at, condition in _each(("oauth", "revoked_when"), file.part("oauth").get("revoked_when", [])):
        _looks(file, at, condition, TOKEN)
    _errors(file, ("errors",), SEEN)
    _errors(file, ("oauth", "errors"), TOKEN)


def _errors(file: CheckedFile, root: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    section = (places.dig(file.document.data, root) if file.sound(root[0]) else None) or {}
    _looks(file, (*root, "failed"), section.get("failed") or {}, FAILED)
    for at, moment in _each((*root, "retry_at"), section.get("retry_at", [])):
        _looks(file, (*at, "when"), moment["when"] if isinstance(moment, dict) else {}, kinds)
    earlier: list[Any] = []
    for index, case in enumerate(section.get("cases", ())):
        at = (*root, "cases", index)
        _looks(file, (*at, "when"), case["when"], kinds)
        if case["when"] in earlier:
            what = "is never reached: an earlier case with the same `when` has no `text`; leave one out"
            file.add((*at, "when"), what)
        earlier += [case["when"]] if "text" not in case else []
        for slot in SLOT.findall(case.get("do", "")):
            if slot != "scopes" or not SCOPES & case.keys():
                what = "use only {scopes}, together with `scopes_pattern` or `scopes_from`"
                file.add((*at, "do"), f"has {{{slot}}}; {what}")
        if "scopes_from" in case:
            _looks(file, (*at, "scopes_from"), case["scopes_from"], kinds)
        if re.compile(case.get("scopes_pattern", "()")).groups == 0:
            file.add((*at, "scopes_pattern"), "has no group; put ( ) around the scopes")


def _looks(file: CheckedFile, at: Path, raw: Any, kinds: tuple[str, ...]) -> None:
    """Report a condition that tests anything but places of a response."""
    for name, values, _ in conditions.parse(raw):
        kind, _, rest = name.partition(".")
        if kind not in kinds or bool(rest) is (kind in SINGLE):
            shown = ", ".join(word if word in SINGLE else f"{word}.x" for word in kinds)
            file.add(at, f"looks at {name!r}; name one of {shown}.{nearest(kind, kinds)}")
        for value in [one for one in values if one is not None and type(one) is not HOLDS.get(kind, type(one))]:
            remedy = "a number, without quotes" if HOLDS[kind] is int else repr(places.text_of(value))
            file.add(at, f"compares {name} with {kind_of(value)}, which it never is; write {remedy}")


def _each(at: Path, raw: Any) -> Iterator[tuple[Path, Any]]:
    """Yield the entries of a list, or a single entry, with their paths."""
    yield from (((*at, index), entry) for index, entry in enumerate(raw)) if isinstance(raw, list) else [(at, raw)]


def files(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report file names that are not templates, and keys that the example answer lacks."""
    rules, example = file.part("files"), file.part("output").get("example")
    if not rules:
        return
    for word in ("name", "was"):
        for at, text in _each(("files", word), rules.get(word, [])):
            template(file, at, text)
    entries: list[Mapping[str, Any]] = []
    remedy = "Add it there, or name another."
    for at, text in _each(("files", "from"), rules["from"]) if isinstance(example, Mapping) else ():
        part = example if text == "." else places.at(example, text)
        if part is None:
            file.add(at, f"is {text!r}, which is not in output's example.{nearest(text, example, remedy)}")
        entries += [entry for entry in (part if isinstance(part, list) else [part]) if isinstance(entry, Mapping)]
    for word in ("url", "type", "size", "id") if entries else ():
        if word in rules and all(places.at(entry, rules[word]) is None for entry in entries):
            known, what = {key for entry in entries for key in entry}, "which no file in output's example has"
            file.add(("files", word), f"is {rules[word]!r}, {what}.{nearest(rules[word], known, remedy)}")
    _looks(file, ("files", "errors", "failed"), rules.get("errors", {}).get("failed", {}), FAILED)


def template(file: CheckedFile, at: Path, text: str) -> frozenset[str]:
    """Return the names that a template reads; empty, with a fault, if it cannot be parsed."""
    try:
        return frozenset(expressions.template(text).names)
    except ValueError as error:
        file.add(at, f"is not a template: {error}; write it as in {{{{ a or b }}}}")
        return frozenset()


def output(file: CheckedFile, rows: Mapping[str, Input], refs: References) -> None:
    """Report a schema that cannot be resolved, a wrong secret mark, and an example that does not match."""
    section = file.part("output")
    at: Path = ("output", "schema")
    try:
        schema = inline(section.get("schema", {}), refs.shared)
    except (LookupError, TypeError):
        file.add(at, "has a $ref that leads nowhere; name a definition that a file in schemas/ has")
        return
    except RecursionError:
        file.add(at, "has a $ref that leads back to itself; write out as many levels as you need")
        return
    for path, value in walk(schema):
        if path[-1:] == (SECRET_WORD,) and value is not True:
            file.add((*at, *path), "must be true; leave it out if the value is not secret")
    if "example" not in section:
        return
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import UnknownType

    formats = FormatChecker()
    formats.checks("date-time")(lambda value: not isinstance(value, str) or re.fullmatch(INSTANT, value) is not None)
    try:
        for error in Draft202012Validator(schema, format_checker=formats).iter_errors(section["example"]):
            what = f"is not a {error.validator_value}" if error.validator == "format" else fault_of(error)
            file.add(("output", "example", *error.absolute_path), f"{what}; the example must match the schema")
    except UnknownType as error:
        file.add(at, f"has the type {error.type!r}, which is not a JSON Schema type; use one that is")
