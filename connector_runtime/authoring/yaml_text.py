"""Writes definition files as an author would: actions in the house style, and translations. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from ..definitions.complete import complete
from ..definitions.locales import Locale, Texts, closest

WIDTH = 110  # characters after which a line is broken at the next space
ONE_LINE = 120  # characters of a mapping or list, as Python writes it, that goes on one line
MAX_KEY = 60  # characters; the translation of a longer string is on its own line
MISREAD = re.compile(r"[yYnN]$|[-+]?\.?[0-9]|[-+]?\.(inf|nan)$", re.IGNORECASE)  # text that some loaders misread


class HouseDumper(yaml.SafeDumper):
    """Writes YAML with short collections on one line, and text in double quotes if it needs quotes."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        return super().represent_mapping(tag, mapping, len(str(mapping)) <= ONE_LINE)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        is_list = not any(isinstance(item, dict | list) for item in sequence)
        return super().represent_sequence(tag, sequence, is_list or len(str(sequence)) <= ONE_LINE)

    def serialize(self, node: Any) -> None:
        rows = [value for key, value in node.value if key.value in ("inputs", "rules")] if node.id == "mapping" else []
        for block in (node, *rows):
            block.flow_style = False
        super().serialize(node)

    def choose_scalar_style(self) -> str:
        style: str = super().choose_scalar_style()
        text: str = self.event.value  # type: ignore[union-attr]
        is_better_single = text.isprintable() and ('"' in text or len(text) > WIDTH)  # its lines need no backslash
        return '"' if style == "'" and not is_better_single else style


HouseDumper.add_implicit_resolver("!misread", MISREAD, list("yYnN-+.0123456789"))


def definition(data: Any, width: int = WIDTH) -> str:
    return yaml.dump(data, Dumper=HouseDumper, sort_keys=False, allow_unicode=True, width=width)


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


def locale(key: str, texts: Texts, old: Locale | None, spare: set[str], schema: str | None) -> str:
    """Return the text of a file in locales/, with the existing translations and empty entries for other strings.

    Above a string that changed, a comment shows the old string and its translation. `old` is the current file, `spare`
    holds strings that need no translation, and `schema` is the path of the file's schema.
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
        lines.append("  # no definition has these strings any longer: delete them")
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
    """Return the text on one line, without quotes if YAML allows it."""
    return definition(text, 10**9).removesuffix("\n...\n").strip()
