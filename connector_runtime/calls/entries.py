"""A page's items as the entries of a drop-down: told apart, as their input takes them, searched. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

from ..language import expressions, places
from ..model import Choice, ChoiceList, Input, Json
from ..types.base import NoValue
from ..types.registry import reader

SAFE_INTEGER = 2**53
_UNMARKED = str.maketrans(  # letters that look marked and that Unicode does not take apart
    {"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe"}
)


def entries(of: ChoiceList, items: Iterable[Json]) -> tuple[Choice, ...]:
    """What a list makes of items; those without a value are left out, values stay as the vendor wrote them."""
    found = []
    for item in items:
        at = [places.dig(item, tuple(path.split("."))) for path in of.value] if isinstance(item, dict) else []
        plain = [value for value in at if isinstance(value, str | int | float) and not isinstance(value, bool)]
        value = next((value for value in plain if expressions.line(value) is not None), None)
        if value is not None:
            label = _first(of.label, item) or expressions.line(value) or ""
            found.append(Choice(value=value, label=label, description=_first(of.description, item)))
    return tuple(found)


def _first(lines: tuple[str, ...], item: Json) -> str | None:
    return next((text for text in (expressions.template(line).value(item) for line in lines) if text is not None), None)


def fitted(found: Iterable[Choice], row: Input | None) -> tuple[Choice, ...]:
    """The entries with values as an input takes them, each value and each label once.

    What the input would refuse is left out. Without an input, values are text. Where an integer is above 2^53, which
    JavaScript rounds, all values are text.
    """
    read, kind = reader(row) if row else places.text_of, row.collection if row else None
    once: dict[str, Choice] = {}
    for each in found:
        taken = read([each.value] if kind == "list" else {"key": each.value} if kind else each.value)
        if isinstance(taken, NoValue) or (kind and not taken):
            continue
        value = taken[0][1] if kind == "map" else taken[0] if kind else taken  # of a list or map, one entry's
        if value is not None:
            once.setdefault(places.text_of(value), each._replace(value=value))
    kept = [*once.values()]
    if any(isinstance(each.value, int) and abs(each.value) >= SAFE_INTEGER for each in kept):
        kept = [each._replace(value=places.text_of(each.value)) for each in kept]
    return told_apart(kept)


def told_apart(found: Iterable[Choice]) -> tuple[Choice, ...]:
    """The entries, where several have one label with their value beside it."""
    listed = [*found]
    counts = Counter(each.label for each in listed)
    taken, apart = set(counts), []
    for each in listed:
        label = each.label
        if counts[label] > 1:
            while label in taken:
                label += f" · {places.text_of(each.value)}"
            taken.add(label)
        apart.append(each._replace(label=label))
    return tuple(apart)


def matching(found: Iterable[Choice], search: str) -> tuple[Choice, ...]:
    """The entries in which every word of a search occurs, whatever its case or accents.

    It may stand anywhere in the label or the description; in the value, which often is an id of random letters, a part
    must begin with it.
    """
    sought = plain(search).split()
    kept = []
    for each in found:
        text, value = plain(f"{each.label}\n{each.description or ''}"), plain(places.text_of(each.value))
        if all(word in text or re.search(rf"(?<![^\W_]){re.escape(word)}", value) for word in sought):
            kept.append(each)
    return tuple(kept)


def plain(text: str) -> str:
    """Text without case and accents: `Żółć` is `zolc`, `Straße` is `strasse`."""
    for _ in range(2):  # taking apart can make capitals, and lower case can make marks
        text = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in text if not unicodedata.combining(letter)).translate(_UNMARKED)
