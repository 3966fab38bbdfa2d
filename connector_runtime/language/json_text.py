"""Parses JSON: vendors' answers leniently, requests from strangers strictly. Pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, NoReturn

from ..sentences import Sentence

DIGITS = bytes.maketrans(b"123456789", b"000000000")
MAX_DIGITS = 300  # of a whole number; longer ones fit no `float`, and Python refuses to print huge ones
LONG = b"0" * MAX_DIGITS
DEPTH = 128  # levels of a response: more than vendors use, fewer than any JSON reader supports
NESTED = frozenset((dict, list))
VALUES = 200_000
CONTAINERS = 1_000_000  # objects and lists in a response; each takes fifty times as much memory as its text
SHOWN = 60  # characters of a key that a message quotes


class JsonError(ValueError):
    """Text that is not JSON, or is ambiguous. The message is a predicate: `contains the key 'a' twice`."""

    def __init__(self, message: str, *, hint: str | None = None, place: str | None = None) -> None:
        super().__init__(message)
        self.hint, self.place = hint, place


def read(text: bytes | str, odd: list[str] | None = None) -> Any:
    """Parse JSON into data that can be written as JSON again.

    Numbers that JSON or `float` cannot represent (NaN, Infinity, 1e400, hundreds of digits) become strings and are
    added to `odd`. Raises `JsonError`, also for more than `DEPTH` levels or `CONTAINERS` objects and lists.
    """

    def as_text(text: str) -> str:
        if odd is not None:
            odd.append(text[:SHOWN])
        return text

    def as_float(text: str) -> float | str:
        return as_text(text) if math.isinf(number := float(text)) else number

    def as_integer(text: str) -> int | str:
        return int(text) if len(text) <= MAX_DIGITS else as_text(text)

    raw = text if isinstance(text, bytes) else text.encode(errors="replace")
    count = sum(map(raw.count, (b"[", b"{")))
    try:
        if count > CONTAINERS:
            _check_size(raw, "objects and lists")
        integer = as_integer if LONG in raw.translate(DIGITS) else None  # None is faster
        value = json.loads(text, parse_constant=as_text, parse_float=as_float, parse_int=integer)
    except (ValueError, RecursionError) as error:
        raise _refusal(error, DEPTH) from None
    if count > DEPTH and _is_deeper(value, DEPTH):
        raise JsonError(Sentence("is nested deeper than {depth} levels", depth=DEPTH))
    return value


def read_strictly(text: bytes | str, *, depth: int | None = None, duplicates: bool = False) -> Any:
    """Parse JSON; refuse NaN, Infinity, nesting deeper than `depth`, and duplicate keys unless `duplicates`.

    Raises `JsonError`, also for more than `VALUES` values, because parsing blocks all other threads.
    """
    decode = _exact if duplicates else _strict
    try:
        _check_size(text if isinstance(text, bytes) else text.encode(errors="replace"))
        value = decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        raise _refusal(error, depth) from None
    if depth is not None and _is_deeper(value, depth):
        raise JsonError(Sentence("is nested deeper than {depth} levels", depth=depth))
    return value


def fields(data: Any, **types: Any) -> dict[str, Any]:
    """Return the named fields of a JSON object, None if missing. Raises `JsonError` if one has the wrong type."""
    if not isinstance(data, dict):
        raise JsonError(Sentence("is not an object"))
    values = {name: data.get(name) for name in types}
    for name, kind in types.items():
        if not isinstance(values[name], kind):
            raise JsonError(f"holds {name!r} of the wrong type")
    return values


def write(value: Any) -> bytes:
    """Return data as compact JSON in UTF-8, with lone surrogates escaped. Raises `ValueError` for NaN and infinity."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def is_large(value: Any, most: int = 2000) -> bool:
    """True if data is slow to write or check: more than `most` values, counting every 32 characters as one."""
    level = [value]
    while level and most > 0:
        most -= len(level) + sum(len(item) for item in level if isinstance(item, str)) // 32
        level = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return most <= 0


def _check_size(text: bytes, what: str = "values") -> None:
    """Refuse more than `VALUES` values, or more than `CONTAINERS` objects and lists."""
    signs, most = ((b",", b"[", b"{"), VALUES) if what == "values" else ((b"[", b"{"), CONTAINERS)
    if sum(map(text.count, signs)) > most:  # outside strings, a value follows each of these signs
        bare = text.replace(rb"\\", b"").replace(rb"\"", b"")
        parts = bare.split(b'"', 4 * most)
        if (len(parts) > 4 * most and what == "values") or sum(map(b"".join(parts[::2]).count, signs)) > most:
            too_much = Sentence("contains more than {most} {things}", most=f"{most:,}", things=what)
            raise JsonError(too_much, hint=Sentence("Send less at a time."))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = Counter(name for name, _ in pairs)
        duplicate = next(name for name, _ in pairs if names[name] > 1)
        message = Sentence("contains the key {name} twice", name=repr(duplicate[:SHOWN]))
        raise JsonError(message, hint=Sentence("Leave one of them out."))
    return data


def _constant(name: str) -> NoReturn:
    raise JsonError(Sentence("is not JSON: {name} is not a JSON number", name=name))


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise JsonError(Sentence("contains a number that is too large"))
    return number


_strict = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float).decode
_exact = json.JSONDecoder(parse_constant=_constant, parse_float=_float).decode


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value] if type(value) in NESTED else []
    for _ in range(depth):
        if not level:
            return False
        inner = (item.values() if type(item) is dict else item for item in level)
        level = [part for parts in inner for part in parts if type(part) in NESTED]
    return bool(level)


def _refusal(error: Exception, depth: int | None = None) -> JsonError:
    match error:
        case JsonError():
            return error
        case UnicodeDecodeError():
            return JsonError(Sentence("is not UTF-8 text (byte {count})", count=error.start))
        case json.JSONDecodeError() if not error.doc.strip():
            return JsonError(Sentence("is empty"), hint=Sentence("Send a JSON object, at least {}."))
        case json.JSONDecodeError():
            place = Sentence("line {line}, column {column}", line=error.lineno, column=error.colno)
            return JsonError(Sentence("is not JSON, from {place} on", place=place), place=place)
        case RecursionError():
            if depth is None:
                return JsonError(Sentence("is nested too deeply"))
            return JsonError(Sentence("is nested deeper than {depth} levels", depth=depth))
    return JsonError(Sentence("contains a number that is too long"))
