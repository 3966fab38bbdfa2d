"""A file of locales/ with every text there is to translate, by the files that say them. Pure: it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from ..definitions.locales import Locale, Texts, closest

LONG = 60  # characters; a longer sentence stands above its translation instead of before it


def draft(key: str, known: Texts, old: Locale | None, spare: set[str], schema: str | None) -> str:
    """The file: what is translated already as it is, all else left empty, a sentence that changed with its old words.

    `old` is what the file says now, `spare` are texts that may be translated and need not be, `schema` is where the
    file's own schema lies, for editors.
    """
    said: Mapping[str, str | None] = old.texts if old else {}
    over = [text for text in said if said[text] and text not in known and text not in spare]
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"key: {key}", f"label: {_scalar(old.label if old else key)}", "texts: # the original: its translation"]
    place = ""
    for text, places in known.items():
        if places[0] != place:
            place = places[0]
            lines.append(f"  # {place}")
        words = said.get(text)
        before = None if words else closest(text, over)
        if before is not None:
            over.remove(before)
            lines.append(f"  # was: {_scalar(before)}: {_scalar(said[before] or '')}")
        lines += _entry(text, words, "  ")
    others = [text for text in said if text in spare and text not in known]
    if others:
        lines.append("  # events")
        lines += [line for text in others for line in _entry(text, said[text], "  ")]
    if over:
        lines.append("  # these stand in no definition any more: take them out")
        lines += [f"  # {_scalar(text)}: {_scalar(said[text] or '')}" for text in over]
    if old and old.actions:
        lines.append("actions: # what means something else there")
        for action, entries in old.actions.items():
            lines.append(f"  {action}:")
            lines += [line for text, words in entries.items() for line in _entry(text, words, "    ")]
    return "\n".join(lines) + "\n"


def _entry(text: str, words: str | None, indent: str) -> Iterator[str]:
    shown = f" {_scalar(words)}" if words else ""
    if len(text) <= LONG:
        yield f"{indent}{_scalar(text)}:{shown}"
    else:
        yield f"{indent}? {_scalar(text)}"
        yield f"{indent}:{shown}"


def _scalar(text: str) -> str:
    """The text as it stands in YAML: bare where it can be, in quotes where it must."""
    import yaml

    made: str = yaml.safe_dump(text, allow_unicode=True, width=10**9).removesuffix("\n...\n").strip()
    return json.dumps(text, ensure_ascii=False) if "\n" in made or made.startswith("'") else made
