"""The files that an answer offers, under names that any file system takes. Pure: nothing is downloaded here."""

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

LONGEST = 200  # bytes of UTF-8: file systems take 255, and a part of a download adds to the name
ENDING = 96  # of them, in a name that was cut, for its end: what kind of file it is stands there
CUT = "…"
MOST_READ = 1000  # characters of a longer text from either end
LONGEST_EXTENSION = 16
LARGEST = 2**63 - 1  # bytes that a file can have
MOST_UNANNOUNCED = 10 * 2**30  # bytes that are taken of one whose size the vendor does not announce
RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
FORBIDDEN = re.compile(r'[<>:"/\\|?*]')
HIDDEN = ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
JOINERS = "\u200c\u200d"  # the only invisible characters that scripts and emoji need
EDGES = f" .{JOINERS}"  # a dot in front hides a file; Windows drops blanks and dots behind


@shows("type", "size", "id")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class File:
    """A file that an answer offers; give it to `Client.download`.

    `name` is safe in any folder and comes from the file's own facts, so it is the same in every answer; `was` is what
    earlier versions of the definition called it. `type` is the vendor's word, `size` what the vendor announces in
    bytes; None if it says nothing. `waits` says why it can't be downloaded yet.
    """

    name: str
    type: str | None = None
    size: int | None = None
    id: str | None = None
    waits: str | None = None
    was: str | None = None
    action: str  # the key of the action whose definition says how it is downloaded
    url: str
    token: str | None = None  # the answer's own, instead of the connection's


def files_of(spec: ActionSpec, data: Json, token: str | None = None) -> list[File]:
    """The files that an answer of the action offers, in its order; `token` instead of the answer's own."""
    if spec.files is None:
        return []
    rules = spec.files
    own = places.dig(data, rules.token) if rules.token else None
    token = token or (own if isinstance(own, str) and own else None)
    lists = [data if path == (".",) else places.dig(data, path) for path in rules.sources]
    entries = (entry for found in lists for entry in (found if isinstance(found, list) else [found]))
    return told_apart(_file(spec, rules, entry, data, token) for entry in entries if isinstance(entry, Mapping))


def _file(spec: ActionSpec, rules: Files, entry: Mapping[str, Json], data: Json, token: str | None) -> File:
    def at(path: tuple[str, ...]) -> Any:
        return places.dig(entry, path) if path else None

    def text(path: tuple[str, ...]) -> str | None:
        return None if at(path) in (None, "") else places.text_of(at(path))

    url, size, type_, id_ = at(rules.url), at(rules.size), text(rules.type), text(rules.id)
    is_whole = not isinstance(size, bool) and (isinstance(size, int) or (isinstance(size, float) and size.is_integer()))
    size = int(size) if is_whole and 0 <= size <= LARGEST else None
    waits = None
    if rules.ready is not None and not conditions.holds(rules.ready, lambda name: places.dig(entry, (name,))):
        waits = Sentence("It is not ready yet; try again later.")
    elif not isinstance(url, str) or not url:
        waits = Sentence("{vendor} gives no address for it.")
    around = {**data, **entry} if isinstance(data, Mapping) else entry

    def called(templates: Iterable[str]) -> str | None:
        names = (expressions.template(slots).value(around) for slots in templates)
        return next((safe_name(name) for name in names if name), None)

    name, was, url = called(rules.name) or "file", called(rules.was), url if isinstance(url, str) else ""
    waits = spec.profile.phrasebook.say(waits)
    more: dict[str, Any] = {"size": size, "id": id_, "waits": waits, "was": was, "action": spec.key, "token": token}
    return File(name=name, type=type_, url=url, **more)


# -- names -------------------------------------------------------------------------------------------------------------


def safe_name(text: str) -> str:
    """A text as the name of a file: it can't leave its folder, hide, or be refused by a file system.

    At most `LONGEST` bytes; of a longer text the middle is left out. A safe name stays as it is.
    """
    if len(text) > 2 * MOST_READ:
        text = f"{text[:MOST_READ]}{CUT}{text[-MOST_READ:]}"
    text = "".join(char for char in text if unicodedata.category(char) != "Cf" or char in JOINERS)
    text = unicodedata.normalize("NFC", text)
    text = "".join("_" if unicodedata.category(char) in HIDDEN else char for char in text)
    text = re.sub(r"\s+", " ", FORBIDDEN.sub("-", text)).strip(EDGES) or "file"
    raw = (f"_{text}" if RESERVED.match(text) else text).encode()
    if len(raw) > LONGEST:
        head, end = raw[: LONGEST - ENDING - len(CUT.encode())], raw[-ENDING:]
        raw = head.decode(errors="ignore").encode() + CUT.encode() + end.decode(errors="ignore").encode()
    return raw.decode()


def folded(name: str) -> str:
    """What two names share that some disk takes for one: neither case nor the spelling of accents counts there."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def numbered(name: str, suffix: object) -> str:
    """A name with a mark before its extension: `a (2).txt`."""
    stem, dot, extension = name.rpartition(".")
    is_short = stem and 0 < len(extension.encode()) < LONGEST_EXTENSION and " " not in extension
    stem, extension = (stem, dot + extension) if is_short else (name, "")
    return safe_name(f"{stem} ({suffix}){extension}")


def told_apart(files: Iterable[File]) -> list[File]:
    """The files, each once. Those whose facts give the same name are told apart by their ids, else by their addresses.

    So no name depends on the order of an answer.
    """
    found = list(dict.fromkeys(files))
    ways: tuple[Callable[[File], str], ...] = (identity, lambda file: digest(file.url))
    for way in ways:
        count = Counter(folded(file.name) for file in found)
        found = [
            replace(file, name=numbered(file.name, way(file)[:8])) if count[folded(file.name)] > 1 else file
            for file in found
        ]
    return found


def identity(file: File) -> str:
    """What tells a file from others of its vendor, in all its answers; no secret can be read from it."""
    parts = urlsplit(file.url)
    return digest(file.id or f"{parts.netloc}{parts.path}")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]
