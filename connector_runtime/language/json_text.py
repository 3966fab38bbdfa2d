"""JSON text to data: leniently, as what a vendor answers is read, or strictly, as what strangers send. Pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

DIGITS = bytes.maketrans(b"123456789", b"000000000")
LONG = b"0" * 19  # digits; orjson rounds a number of more than 64 bits
VALUES = 200_000
SHOWN = 60  # characters of a key that a message quotes


class JsonError(ValueError):
    """Text that is not JSON, or that two programs could read differently.

    The message is what follows "The body": `holds the key 'a' twice`. `place` is the
    line and column of a syntax error.
    """

    def __init__(self, message: str, *, hint: str | None = None, place: str | None = None) -> None:
        super().__init__(message)
        self.hint, self.place = hint, place


def read(text: bytes | str) -> Any:
    """JSON as data, by whatever reads it fastest: orjson where it is installed. Raises `JsonError`."""
    try:
        return _fastest()(text)
    except (ValueError, RecursionError) as error:
        raise _refusal(error) from None


@cache
def _fastest() -> Callable[[bytes | str], Any]:
    """orjson where it is installed, and the standard library for what that alone reads, or reads exactly."""
    try:
        from orjson import JSONDecodeError, loads
    except ImportError:
        return json.loads

    def decode(text: bytes | str) -> Any:
        if LONG not in (text if isinstance(text, bytes) else text.encode(errors="replace")).translate(DIGITS):
            try:
                return loads(text)
            except JSONDecodeError:
                pass
        return json.loads(text)

    return decode


def read_strictly(text: bytes | str, *, depth: int | None = None, duplicates: bool = False) -> Any:
    """JSON as data, refusing NaN, Infinity, nesting deeper than `depth`, and a duplicate key unless `duplicates`.

    Raises `JsonError`, also for more than `VALUES` values, since all threads stand still until they are read.
    """
    decode = _exact if duplicates else _strict
    try:
        _check_size(text if isinstance(text, bytes) else text.encode(errors="replace"))
        value = decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        raise _refusal(error, depth) from None
    if depth is not None and _is_deeper(value, depth):
        raise JsonError(f"is nested deeper than {depth} levels")
    return value


def write(value: Any) -> bytes:
    """Data as compact JSON in UTF-8; half of a surrogate pair is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def is_large(value: Any, most: int = 2000) -> bool:
    """Whether it takes long to write or to check data: more than `most` values, or texts of 32 characters each."""
    level = [value]
    while level and most > 0:
        most -= len(level) + sum(len(item) for item in level if isinstance(item, str)) // 32
        level = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return most <= 0


def _check_size(text: bytes) -> None:
    signs = (b",", b"[", b"{")  # each value comes after one that stands in no text
    if sum(map(text.count, signs)) > VALUES:
        bare = text.replace(rb"\\", b"").replace(rb"\"", b"")
        parts = bare.split(b'"', 4 * VALUES)
        if len(parts) > 4 * VALUES or sum(map(b"".join(parts[::2]).count, signs)) > VALUES:
            raise JsonError(f"holds more than {VALUES:,} values", hint="Send less at a time.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, _ in pairs if names[name] > 1)
        raise JsonError(f"holds the key {twice[:SHOWN]!r} twice", hint="Leave one of them out.")
    return data


def _constant(name: str) -> NoReturn:
    raise JsonError(f"is not JSON: {name} is not a number there")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise JsonError("holds a number that is too large")
    return number


_strict = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float).decode
_exact = json.JSONDecoder(parse_constant=_constant, parse_float=_float).decode


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return True


def _refusal(error: Exception, depth: int | None = None) -> JsonError:
    """What is wrong with the text, as a `JsonError`."""
    match error:
        case JsonError():
            return error
        case UnicodeDecodeError():
            return JsonError(f"is no UTF-8 text (byte {error.start})")
        case json.JSONDecodeError() if not error.doc.strip():
            return JsonError("is empty", hint="Send a JSON object, {} at least.")
        case json.JSONDecodeError():
            what = f"{error.msg[0].lower()}{error.msg[1:]}"
            place = f"line {error.lineno}, column {error.colno}"
            return JsonError(f"is not JSON: {what} ({place})", place=place)
        case RecursionError():
            too = "is nested too deeply to be read"
            return JsonError(too if depth is None else f"is nested deeper than {depth} levels")
    return JsonError("holds a number that is too long to be read")
