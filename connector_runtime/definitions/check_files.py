"""What is wrong with an action's `files`, the downloads that its answer offers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..language import expressions, places
from ..language.wording import nearest
from . import compile as compiler
from .documents import Path
from .faults import Faults

ENTRY = ("url", "type", "size", "id")


def files(own: Faults) -> None:
    """The faults of `files`: names that are no templates, and keys that the example of the answer lacks."""
    data = own.document.data
    rules = data["files"]
    for index, text in enumerate(compiler.several(rules["name"])):
        at: Path = ("files", "name") if isinstance(rules["name"], str) else ("files", "name", index)
        try:
            expressions.template(text)
        except ValueError as error:
            own.add(at, f"holds no expression: {error}; write it as in {{{{ a or b }}}}")
    example = data.get("output", {}).get("example") if own.sound("output") else None
    if isinstance(example, Mapping):
        _held_against(own, rules, example)


def _held_against(own: Faults, rules: Mapping[str, Any], example: Mapping[str, Any]) -> None:
    """Keys that the example of the answer lacks are misspelt, or the example is poor."""
    entries: list[Mapping[str, Any]] = []
    for index, text in enumerate(compiler.several(rules["from"])):
        at: Path = ("files", "from") if isinstance(rules["from"], str) else ("files", "from", index)
        found = example if text == "." else places.dig(example, tuple(text.split(".")))
        if found is None:
            remedy = nearest(text, example) or " Add it there, or name another."
            own.add(at, f"is {text!r}, which output's example lacks.{remedy}")
        entries += [entry for entry in (found if isinstance(found, list) else [found]) if isinstance(entry, Mapping)]
    for word in ENTRY if entries else ():
        if word in rules and all(places.dig(entry, tuple(rules[word].split("."))) is None for entry in entries):
            known = {key for entry in entries for key in entry}
            remedy = nearest(rules[word], known) or " Add it there, or name another."
            own.add(("files", word), f"is {rules[word]!r}, which no file in output's example has.{remedy}")
