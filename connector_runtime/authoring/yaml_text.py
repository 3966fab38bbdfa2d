"""Definition files as their authors would write them: an action in the style of the house, a translation. Pure.

Every YAML loader reads an action as the same data: double quotes where they are needed, one row a line where it fits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..definitions.complete import complete
from ..definitions.locales import Locale, Texts, closest

WIDTH = 150
LONG = 60  # characters; a longer sentence stands above its translation instead of before it
_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./ '()-]*[A-Za-z0-9_./')])?")
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\ufeff\ufffe\uffff\u2028\u2029]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # some loaders read these as other than text


def definition(data: Mapping[str, Any]) -> str:
    """The text of a definition."""
    lines = [line for key, value in data.items() for line in _entry(key, value, "", blocks=key in ("inputs", "rules"))]
    return "\n".join([*lines, ""])


def in_full(data: Mapping[str, Any]) -> str:
    """The text of an action whose data is in full: rows say `to` last, and refer to no shared row."""
    rows = {}
    for key, row in data["inputs"].items():
        end = {word: row[word] for word in ("to", "as") if word in row}
        rows[key] = {word: said for word, said in row.items() if word not in ("row", *end)} | end
    return definition({**data, "inputs": rows})


def shortened(data: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    """An action's data without the words that `complete` gives back; a row that is a shared one refers to it."""
    rows = dict(data["inputs"])
    for key, row in data["inputs"].items():
        silent = (("label", "to"), ("to",), ("label",))
        for less in ({"row": key}, *({word: row[word] for word in row if word not in names} for names in silent)):
            full, doubts = complete({**data, "inputs": {**rows, key: less}}, "actions", common)
            if not doubts and {**full["inputs"][key], "row": None} == {**row, "row": None}:
                rows[key] = less
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
    """Short entries as one list over several lines, others one a line."""
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
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(value: str) -> str:
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def locale(key: str, known: Texts, old: Locale | None, spare: set[str], schema: str | None) -> str:
    """A file of locales/: what is translated as it is, all else empty, a changed sentence with its old words.

    `old` is what the file says now, `spare` are texts that need no translation, `schema` is where editors find the
    file's own schema.
    """
    said: Mapping[str, str | None] = old.texts if old else {}
    over = [text for text in said if said[text] and text not in known and text not in spare]
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"key: {key}", f"label: {_bare(old.label if old else key)}", "texts: # the original: its translation"]
    place = ""
    for text, (first, *_) in known.items():
        lines += [f"  # {first}"] if first != place else []
        place, words = first, said.get(text)
        before = None if words else closest(text, over)
        if before is not None:
            over.remove(before)
            lines.append(f"  # was: {_bare(before)}: {_bare(said[before] or '')}")
        lines += _translation(text, words, "  ")
    if others := [text for text in said if text in spare and text not in known]:
        lines.append("  # events")
        lines += [line for text in others for line in _translation(text, said[text], "  ")]
    if over:
        lines.append("  # these stand in no definition any more: take them out")
        lines += [f"  # {_bare(text)}: {_bare(said[text] or '')}" for text in over]
    if old and old.actions:
        lines.append("actions: # what means something else there")
        for action, entries in old.actions.items():
            lines.append(f"  {action}:")
            lines += [line for text, words in entries.items() for line in _translation(text, words, "    ")]
    return "\n".join(lines) + "\n"


def _translation(text: str, words: str | None, indent: str) -> list[str]:
    shown = f" {_bare(words)}" if words else ""
    if len(text) <= LONG:
        return [f"{indent}{_bare(text)}:{shown}"]
    return [f"{indent}? {_bare(text)}", f"{indent}:{shown}"]


def _bare(text: str) -> str:
    """The text without quotes where YAML allows it."""
    import yaml

    made: str = yaml.safe_dump(text, allow_unicode=True, width=10**9).removesuffix("\n...\n").strip()
    return json.dumps(text, ensure_ascii=False) if "\n" in made or made.startswith("'") else made
