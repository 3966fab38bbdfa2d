"""Definition data as YAML in the style of the house: one row a line where it fits, double quotes where needed. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

WIDTH = 150
_PLAIN = re.compile(r"[A-Za-z/](?:[A-Za-z0-9_./ '()-]*[A-Za-z0-9_./')])?")
_UNPRINTABLE = re.compile(r"[\x7f-\x9f\ufeff\ufffe\uffff\u2028\u2029]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # some loaders read these as other than text


def text(data: dict[str, Any]) -> str:
    """A definition; every loader reads it as the same data."""
    lines: list[str] = []
    for key, value in data.items():
        lines += _entry(key, value, "", blocks=key in ("inputs", "rules"))
    return "\n".join([*lines, ""])


def _entry(key: str, value: Any, indent: str, *, blocks: bool = False) -> Iterator[str]:
    line = f"{indent}{_scalar(key)}: {flow(value)}"
    if not blocks and (len(line) <= WIDTH or not isinstance(value, dict | list) or not value):
        yield line
    elif isinstance(value, dict):
        yield f"{indent}{_scalar(key)}:"
        for name, inner in value.items():
            yield from _entry(name, inner, f"{indent}  ")
    else:
        yield f"{indent}{_scalar(key)}:"
        yield from _packed(value, f"{indent}  ")


def _packed(items: list[Any], indent: str) -> Iterator[str]:
    """Short entries as one list over several lines, others one a line."""
    if any(isinstance(item, dict | list) for item in items):
        for item in items:
            line = f"{indent}- {flow(item)}"
            if len(line) <= WIDTH or not isinstance(item, dict):
                yield line
                continue
            lead = f"{indent}- "
            for key, value in item.items():
                for inner in _entry(key, value, f"{indent}  "):
                    yield lead + inner[len(lead) :]
                    lead = f"{indent}  "
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
