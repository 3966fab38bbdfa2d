"""Writes definition files as an author would: actions in the house style, and translations. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..definitions.complete import complete
from ..definitions.locales import Locale, Texts, closest

WIDTH = 150
MAX_KEY = 60  # characters; the translation of a longer text is on a line of its own
_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./ '()-]*[A-Za-z0-9_./')])?")
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\ufeff\ufffe\uffff\u2028\u2029]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # some loaders read these as other types


def definition(data: Mapping[str, Any]) -> str:
    lines = [line for key, value in data.items() for line in _entry(key, value, "", blocks=key in ("inputs", "rules"))]
    return "\n".join([*lines, ""])


def in_full(data: Mapping[str, Any]) -> str:
    """Return the text of an action with complete data: each row ends with `to`, and none refers to a shared row."""
    rows = {}
    for key, row in data["inputs"].items():
        end = {word: row[word] for word in ("to", "as") if word in row}
        rows[key] = {word: value for word, value in row.items() if word not in ("row", *end)} | end
    return definition({**data, "inputs": rows})


def shortened(data: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """Return an action's data without what `complete` adds; a row that equals a shared row refers to it."""
    rows = dict(data["inputs"])
    for key, row in data["inputs"].items():
        obvious = (("label", "to"), ("to",), ("label",))
        for short in ({"row": key}, *({word: row[word] for word in row if word not in words} for words in obvious)):
            full, doubts = complete({**data, "inputs": {**rows, key: short}}, "actions", common)
            if not doubts and {**full["inputs"][key], "row": None} == {**row, "row": None}:
                rows[key] = short
                break
    return {**data, "inputs": rows}


def _entry(key: str, value: Any, indent: str, *, blocks: bool = False) -> Iterator[str]:
    line = f"{indent}{_scalar(key)}: {flow(value)}"
    if not isinstance(value, dict | list) or not value or (not blocks and len(line) <= WIDTH):
        yield line
        return
    yield f"{indent}{_scalar(key)}:"
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _entry(name, inner, f"{indent}  ")
    else:
        yield from _packed(value, f"{indent}  ")


def _packed(items: list[Any], indent: str) -> Iterator[str]:
    """Yield the lines of a list: one per item that is a list or a mapping, otherwise as few as possible."""
    if any(isinstance(item, dict | list) for item in items):
        for item in items:
            line = f"{indent}- {flow(item)}"
            if len(line) > WIDTH and isinstance(item, dict):
                inside = [line for key, value in item.items() for line in _entry(key, value, f"{indent}  ")]
                inside[0] = f"{indent}- {inside[0].lstrip()}"
                yield from inside
            else:
                yield line
        return
    line = f"{indent}["
    for index, item in enumerate(items):
        word = flow(item) + ("," if index < len(items) - 1 else "]")
        if len(line) + len(word) + 1 > WIDTH:
            yield line.rstrip()
            line = f"{indent} "
        line += word + " "
    yield line.rstrip()


def flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))


def locale(key: str, texts: Texts, old: Locale | None, spare: set[str], schema: str | None) -> str:
    """Return the text of a file in locales/, with the existing translations and empty entries for other texts.

    Above a text that changed, a comment shows the old text and its translation. `old` is the current file, `spare` are
    texts that need no translation, `schema` is the path of the file's schema.
    """
    translations: Mapping[str, str | None] = old.texts if old else {}
    unused = [text for text in translations if translations[text] and text not in texts and text not in spare]
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"key: {key}", f"label: {_bare(old.label if old else key)}", "texts: # the original: its translation"]
    place = ""
    for text, (first, *_) in texts.items():
        lines += [f"  # {first}"] if first != place else []
        place, translation = first, translations.get(text)
        before = None if translation else closest(text, unused)
        if before is not None:
            unused.remove(before)
            lines.append(f"  # was: {_bare(before)}: {_bare(translations[before] or '')}")
        lines += _translation(text, translation, "  ")
    if others := [text for text in translations if text in spare and text not in texts]:
        lines.append("  # events")
        lines += [line for text in others for line in _translation(text, translations[text], "  ")]
    if unused:
        lines.append("  # no definition has these texts any longer: delete them")
        lines += [f"  # {_bare(text)}: {_bare(translations[text] or '')}" for text in unused]
    if old and old.actions:
        lines.append("actions: # texts with another meaning there")
        for action, entries in old.actions.items():
            lines.append(f"  {action}:")
            lines += [line for text, other in entries.items() for line in _translation(text, other, "    ")]
    return "\n".join(lines) + "\n"


def _translation(text: str, translation: str | None, indent: str) -> list[str]:
    value = f" {_bare(translation)}" if translation else ""
    if len(text) <= MAX_KEY:
        return [f"{indent}{_bare(text)}:{value}"]
    return [f"{indent}? {_bare(text)}", f"{indent}:{value}"]


def _bare(text: str) -> str:
    """Return the text without quotes, if YAML allows it."""
    import yaml

    scalar: str = yaml.safe_dump(text, allow_unicode=True, width=10**9).removesuffix("\n...\n").strip()
    return json.dumps(text, ensure_ascii=False) if "\n" in scalar or scalar.startswith("'") else scalar
