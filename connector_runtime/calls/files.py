"""The files that an answer offers, under names that any file system takes. Pure: nothing is downloaded here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..language import conditions, expressions, places
from ..model import ActionSpec, Files, Json

LONGEST = 200  # bytes of UTF-8: file systems take 255, and a part of a download adds to the name
LONGEST_EXTENSION = 16
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
HIDDEN = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
TURNING = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")  # these can make exe.mp4 of 4pm.exe


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that an answer offers; give it to `Client.download`.

    `name` is safe in any folder and differs from the other names of its answer. `type` is the vendor's word, `size`
    what the vendor announces in bytes; None if it says nothing. `waits` says why it can't be downloaded yet.
    """

    name: str
    type: str | None = None
    size: int | None = None
    id: str | None = None
    waits: str | None = None
    action: str  # the key of the action whose definition says how it is downloaded
    url: str = field(repr=False)
    token: str | None = field(default=None, repr=False)  # the answer's own, instead of the connection's


def files_of(spec: ActionSpec, data: Json, token: str | None = None) -> list[File]:
    """The files that an answer of the action offers, in its order; `token` instead of the answer's own."""
    if spec.files is None:
        return []
    rules = spec.files
    own = places.dig(data, rules.token) if rules.token else None
    token = token or (own if isinstance(own, str) and own else None)
    lists = [data if path == (".",) else places.dig(data, path) for path in rules.sources]
    entries = (entry for found in lists for entry in (found if isinstance(found, list) else [found]))
    files = [_file(spec.key, rules, entry, data, token) for entry in entries if isinstance(entry, Mapping)]
    return [replace(file, name=name) for file, name in zip(files, numbered(file.name for file in files), strict=True)]


def _file(action: str, rules: Files, entry: Mapping[str, Json], data: Json, token: str | None) -> File:
    def at(path: tuple[str, ...]) -> Any:
        return places.dig(entry, path) if path else None

    def text(path: tuple[str, ...]) -> str | None:
        return None if at(path) in (None, "") else places.text_of(at(path))

    url, size, type_, id_ = at(rules.url), at(rules.size), text(rules.type), text(rules.id)
    size = int(size) if isinstance(size, int | float) and not isinstance(size, bool) and size >= 0 else None
    waits = None
    if rules.ready is not None and not conditions.holds(rules.ready, lambda name: places.dig(entry, (name,))):
        waits = "It is not ready yet; try again later."
    elif not isinstance(url, str) or not url:
        waits = "The vendor names no address for it."
    around = {**data, **entry} if isinstance(data, Mapping) else entry
    named = (expressions.template(slots).value(around) for slots in rules.name)
    name = safe_name(next((name for name in named if name), "file"))
    url = url if isinstance(url, str) else ""
    return File(name=name, type=type_, size=size, id=id_, waits=waits, action=action, url=url, token=token)


def safe_name(text: str) -> str:
    """A text as the name of a file: it can't leave its folder, hide, or be refused by a file system."""
    text = TURNING.sub("", unicodedata.normalize("NFC", text))
    text = "".join("_" if unicodedata.category(char) in HIDDEN else char for char in text)
    text = re.sub(r"\s+", " ", FORBIDDEN.sub("-", text))
    text = _trimmed(text) or "file"
    if len(text.encode()) > LONGEST:
        stem, extension = _split(text)
        room = LONGEST - len(extension.encode())
        text = f"{_trimmed(stem.encode()[:room].decode(errors='ignore'))}{extension}"
    return f"_{text}" if RESERVED.match(text) else text


def numbered(names: Iterable[str]) -> list[str]:
    """The names, each once: `a.txt`, `a (2).txt`; upper and lower case count as the same, as on many disks."""
    given = list(names)
    taken = {name.casefold() for name in given}
    seen: set[str] = set()
    made = []
    for name in given:
        unique, number = name, 1
        while unique.casefold() in seen or (number > 1 and unique.casefold() in taken):
            number += 1
            stem, extension = _split(name)
            unique = f"{stem} ({number}){extension}"
        seen.add(unique.casefold())
        made.append(unique)
    return made


def _trimmed(text: str) -> str:
    """Without blanks around it, a dot in front (it would be hidden) and dots behind, which Windows drops."""
    return text.strip(" ").lstrip(". ").rstrip(". ")


def _split(name: str) -> tuple[str, str]:
    """The stem and the extension with its dot; what is too long for one is part of the stem."""
    stem, dot, extension = name.rpartition(".")
    is_short = stem and 0 < len(extension.encode()) < LONGEST_EXTENSION and " " not in extension
    return (stem, dot + extension) if is_short else (name, "")
