"""What is wrong in connector.yaml and in actions with headers, pages, errors, files and output. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...language import expressions, places
from ...language.patterns import HEADER_NAME, HEADER_VALUE, INSTANT
from ...language.schema_faults import fault_of, nearest, schema_faults
from ...language.secrets import SECRET_WORD
from ...model import Input
from ...types.collections import GUARDED_HEADERS
from ..compiler import inline
from ..documents import Path, walk
from .faults import Faults, References, near

SLOT = re.compile(r"\{([^{}]*)\}")
SINGLE = ("status", "code", "message", "count")  # what an answer has one of; of the others a name is said
SEEN = ("status", "code", "message", "header", "body")
SCOPES = {"scopes_pattern", "scopes_from"}
PAGE = ("status", "count", "items", "link", "header", "body", "query")


def headers(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Constant headers that HTTP could not carry, or that the connection sets."""
    for name, value in own.part("request").get("headers", {}).items():
        at: Path = ("request", "headers", name)
        if schema_faults({"pattern": HEADER_NAME}, name):
            own.add(at, "is no name of a header: letters, digits and - only")
        elif name.lower() in GUARDED_HEADERS:
            own.add(at, "is set by the connection or HTTP itself; say it in connection/ or leave it out")
        elif schema_faults({"pattern": HEADER_VALUE}, value):
            own.add(at, "must be one line of printable ASCII text")


def paging(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Page settings that could not work."""
    for at, style in _each(("paging", "next"), own.part("paging").get("next", [])):
        _looks(own, (*at, "while"), style.get("while", {}), PAGE)
        if style["to"] == "url" and ("plus" in style or "below" in style):
            own.add((*at, "to"), "is url, so `from` gives the whole URL; `plus` and `below` count, leave them out")


def errors(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Error cases that look where nothing stands, or that an earlier one hides."""
    said = own.part("errors")
    _looks(own, ("errors", "failed"), said.get("failed") or {}, SEEN)
    earlier: list[Any] = []
    for index, case in enumerate(said.get("cases", ())):
        at: Path = ("errors", "cases", index)
        _looks(own, (*at, "when"), case["when"], SEEN)
        if case["when"] in earlier:
            own.add((*at, "when"), "is never reached: an earlier case has the same and no `text`; leave one out")
        earlier += [case["when"]] if "text" not in case else []
        for slot in SLOT.findall(case.get("do", "")):
            if slot != "scopes" or not SCOPES & case.keys():
                what = "{scopes} alone can stand here: say with `scopes_pattern` or `scopes_from` what it is"
                own.add((*at, "do"), f"has {{{slot}}}; {what}")
        if "scopes_from" in case:
            _looks(own, (*at, "scopes_from"), case["scopes_from"], SEEN)
        if re.compile(case.get("scopes_pattern", "()")).groups == 0:
            own.add((*at, "scopes_pattern"), "has no group; put the scopes that it finds in ( )")


def _looks(own: Faults, at: Path, raw: Any, kinds: tuple[str, ...]) -> None:
    """A condition on an answer must look at a place of it."""
    for name in [raw] if isinstance(raw, str) else raw:
        kind, _, rest = name.partition(".")
        if kind not in kinds or bool(rest) is (kind in SINGLE):
            shown = ", ".join(word if word in SINGLE else f"{word}.x" for word in kinds)
            own.add(at, f"looks at {name!r}; name one of {shown}.{nearest(kind, kinds)}")


def _each(at: Path, raw: Any) -> Iterator[tuple[Path, Any]]:
    """The entries of what may be one or a list of them, with their paths."""
    yield from (((*at, index), entry) for index, entry in enumerate(raw)) if isinstance(raw, list) else [(at, raw)]


def files(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """Downloads whose names are no templates, and keys that the example of the answer lacks."""
    rules, example = own.part("files"), own.part("output").get("example")
    if not rules:
        return
    for word in ("name", "was"):
        for at, text in _each(("files", word), rules.get(word, [])):
            template(own, at, text)
    entries: list[Mapping[str, Any]] = []
    remedy = "Add it there, or name another."
    for at, text in _each(("files", "from"), rules["from"]) if isinstance(example, Mapping) else ():
        found = example if text == "." else places.at(example, text)
        if found is None:
            own.add(at, f"is {text!r}, which output's example lacks.{near(text, example, remedy)}")
        entries += [entry for entry in (found if isinstance(found, list) else [found]) if isinstance(entry, Mapping)]
    for word in ("url", "type", "size", "id") if entries else ():
        if word in rules and all(places.at(entry, rules[word]) is None for entry in entries):
            known, what = {key for entry in entries for key in entry}, "which no file in output's example has"
            own.add(("files", word), f"is {rules[word]!r}, {what}.{near(rules[word], known, remedy)}")
    _looks(own, ("files", "errors", "failed"), rules.get("errors", {}).get("failed", {}), SEEN)


def template(own: Faults, at: Path, text: str) -> frozenset[str]:
    """The names that a text with slots reads; none if it can't be read."""
    try:
        return frozenset(expressions.template(text).names)
    except ValueError as error:
        own.add(at, f"holds no expression: {error}; write it as in {{{{ a or b }}}}")
        return frozenset()


def output(own: Faults, rows: Mapping[str, Input], around: References) -> None:
    """A schema that can't be read, secrets that are not marked, and an example that does not fit."""
    said = own.part("output")
    at: Path = ("output", "schema")
    try:
        schema = inline(said.get("schema", {}), around.shared)
    except (LookupError, TypeError):
        own.add(at, "has a $ref that leads nowhere; name a definition that a file of schemas/ has")
        return
    except RecursionError:
        own.add(at, "has a $ref that leads back to itself; write out as many levels as are needed")
        return
    for path, value in walk(schema):
        if path[-1:] == (SECRET_WORD,) and value is not True:
            own.add((*at, *path), "must be true; leave it out where nothing is secret")
    if "example" not in said:
        return
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import UnknownType

    formats = FormatChecker()
    formats.checks("date-time")(lambda value: not isinstance(value, str) or re.fullmatch(INSTANT, value) is not None)
    try:
        for error in Draft202012Validator(schema, format_checker=formats).iter_errors(said["example"]):
            what = f"is no {error.validator_value}" if error.validator == "format" else fault_of(error)
            own.add(("output", "example", *error.absolute_path), f"{what}; the example must fit the schema")
    except UnknownType as error:
        own.add(at, f"has the type {error.type!r}, which JSON Schema lacks; name one that it knows")
