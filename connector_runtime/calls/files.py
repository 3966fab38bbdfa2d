"""The files that a response offers, under names that every file system accepts. Pure: nothing is downloaded here."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..language import conditions, expressions, places
from ..model import ActionSpec, Files, Json
from ..sentences import Sentence
from ..structs import shows

MAX_NAME_BYTES = 200  # in UTF-8; file systems allow 255, and the name of a part is longer
END_BYTES = 96  # kept from the end of a shortened name, because the extension is there
ELLIPSIS = "…"
MAX_READ = 1000  # characters to read from each end of a long name
MAX_EXTENSION_BYTES = 16
MAX_FILE_BYTES = 2**63 - 1  # the largest size that a file can have
MOST_UNANNOUNCED = 10 * 2**30  # bytes of a file whose size is unknown
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
HIDDEN = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
JOINERS = "\u200c\u200d"  # the only invisible characters that scripts and emoji need
EDGES = f" .{JOINERS}"  # a leading dot hides a file, and Windows drops trailing blanks and dots


@shows("type", "size", "id")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class File:
    """A file that a response offers; pass it to `Client.download`.

    `name` is safe in any folder and the same in every response. `was` is its name in earlier versions of the
    definition. `type`, `size` (in bytes) and `id` come from the vendor, or are None. `waits` is the reason why the file
    cannot be downloaded yet, or None.
    """

    name: str
    type: str | None = None
    size: int | None = None
    id: str | None = None
    waits: str | None = None
    was: str | None = None
    action: str  # the key of the action that offers the file
    url: str
    token: str | None = None  # used instead of the connection's token


def files_of(spec: ActionSpec, data: Json, token: str | None = None) -> list[File]:
    """Return the files in a response's data, in order. `token` replaces the token in the data."""
    if spec.files is None:
        return []
    rules = spec.files
    answer_token = places.dig(data, rules.token) if rules.token else None
    token = token or (answer_token if isinstance(answer_token, str) and answer_token else None)
    sources = [data if path == (".",) else places.dig(data, path) for path in rules.sources]
    entries = (entry for source in sources for entry in (source if isinstance(source, list) else [source]))
    return distinct(_file(spec, rules, entry, data, token) for entry in entries if isinstance(entry, Mapping))


def _file(spec: ActionSpec, rules: Files, entry: Mapping[str, Json], data: Json, token: str | None) -> File:
    def at(path: tuple[str, ...]) -> Any:
        return places.dig(entry, path) if path else None

    def text(path: tuple[str, ...]) -> str | None:
        return None if at(path) in (None, "") else places.text_of(at(path))

    url, size, type_, id_ = at(rules.url), at(rules.size), text(rules.type), text(rules.id)
    is_whole = not isinstance(size, bool) and (isinstance(size, int) or (isinstance(size, float) and size.is_integer()))
    size = int(size) if is_whole and 0 <= size <= MAX_FILE_BYTES else None
    waits = None
    if rules.ready is not None and not conditions.holds(rules.ready, lambda name: places.dig(entry, (name,))):
        waits = Sentence("It is not ready yet; try again later.")
    elif not isinstance(url, str) or not url:
        waits = Sentence("{vendor} provides no URL for it.")
    facts_of_entry = {**data, **entry} if isinstance(data, Mapping) else entry

    def named(templates: Iterable[str]) -> str | None:
        names = (expressions.template(slots).value(facts_of_entry) for slots in templates)
        return next((safe_name(name) for name in names if name), None)

    name, was, url = named(rules.name) or "file", named(rules.was), url if isinstance(url, str) else ""
    waits = spec.profile.phrasebook.say(waits)
    return File(name=name, type=type_, url=url, size=size, id=id_, waits=waits, was=was, action=spec.key, token=token)


def safe_name(text: str) -> str:
    """Return text as a file name that every file system accepts, that stays in its folder and is not hidden.

    Names longer than `MAX_NAME_BYTES` bytes lose their middle. Safe names are unchanged.
    """
    if len(text) > 2 * MAX_READ:
        text = f"{text[:MAX_READ]}{ELLIPSIS}{text[-MAX_READ:]}"
    text = "".join(char for char in text if unicodedata.category(char) != "Cf" or char in JOINERS)
    text = unicodedata.normalize("NFC", text)
    text = "".join("_" if unicodedata.category(char) in HIDDEN else char for char in text)
    text = re.sub(r"\s+", " ", FORBIDDEN.sub("-", text)).strip(EDGES) or "file"
    raw = (f"_{text}" if RESERVED.match(text) else text).encode()
    if len(raw) > MAX_NAME_BYTES:
        head, end = raw[: MAX_NAME_BYTES - END_BYTES - len(ELLIPSIS.encode())], raw[-END_BYTES:]
        raw = head.decode(errors="ignore").encode() + ELLIPSIS.encode() + end.decode(errors="ignore").encode()
    return raw.decode()


def folded(name: str) -> str:
    """Return a key that is equal for names that any file system treats as equal, ignoring case and normal form."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def numbered(name: str, suffix: object) -> str:
    """Return a name with a suffix before its extension, such as `a (2).txt`."""
    stem, dot, extension = name.rpartition(".")
    is_short = stem and 0 < len(extension.encode()) < MAX_EXTENSION_BYTES and " " not in extension
    stem, extension = (stem, dot + extension) if is_short else (name, "")
    return safe_name(f"{stem} ({suffix}){extension}")


def distinct(files: Iterable[File]) -> list[File]:
    """Return distinct files. Equal names get suffixes from ids, otherwise from URLs, so order does not matter."""
    unique = list(dict.fromkeys(files))
    suffixes: tuple[Callable[[File], str], ...] = (identity, lambda file: digest(file.url))
    for suffix in suffixes:
        count = Counter(folded(file.name) for file in unique)
        unique = [
            replace(file, name=numbered(file.name, suffix(file)[:8])) if count[folded(file.name)] > 1 else file
            for file in unique
        ]
    return unique


def identity(file: File) -> str:
    """Return a digest that identifies a vendor's file in every response and reveals no secret."""
    parts = urlsplit(file.url)
    return digest(file.id or f"{parts.netloc}{parts.path}")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]
