"""The JSON of a webhook: read strictly, and looked into by the places of a definition. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from .. import conditions, words
from ..errors import PayloadError
from ..model import Condition, Json

Source = tuple[str, tuple[str, ...]]  # ("header", ("x-event",)) or ("body", ("payload", "object", "id"))
Tests = list[tuple[tuple[str, ...], tuple[Json, ...], bool]]
MILLISECONDS = 10**11  # an epoch above it counts milliseconds: in seconds it would be the year 5138


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        keys = [key for key, _ in pairs]
        raise _Refused(f"holds the key {next(key for key in data if keys.count(key) > 1)!r} twice")
    return data


def _constant(name: str) -> Any:
    raise _Refused(f"holds {name}, which is no number in JSON")


class _Refused(ValueError):
    """JSON that two programs could read differently."""


_decode = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_constant).decode


def parse(body: bytes) -> dict[str, Json]:
    """The JSON object that the bytes hold; raises `PayloadError` if they are none, or one that is ambiguous."""
    try:
        data = _decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PayloadError(f"The body is no UTF-8 text (byte {error.start}).") from None
    except _Refused as error:
        raise PayloadError(f"The body {error}.") from None
    except (ValueError, RecursionError) as error:
        where = f" (byte {error.pos})" if isinstance(error, json.JSONDecodeError) else ""
        raise PayloadError(f"The body is no JSON{where}." if body else "The body is empty.") from None
    if not isinstance(data, dict):
        raise PayloadError("The body is JSON, but no object.")
    return data


def sources(raw: str | Iterable[str]) -> tuple[Source, ...]:
    """Compile the places of a head: the first that holds something is taken."""
    texts = (raw,) if isinstance(raw, str) else tuple(raw)
    cut = ((kind, rest) for kind, _, rest in (text.partition(".") for text in texts))
    return tuple((kind, (rest.lower(),) if kind == "header" else tuple(rest.split("."))) for kind, rest in cut)


def first(found: Iterable[Source], headers: Mapping[str, str], payload: Json) -> Json:
    """What stands at the first of these places that holds something; None if none does."""
    for kind, steps in found:
        value = headers.get(steps[0]) if kind == "header" else dig(payload, steps)
        if value is not None and value != "":
            return value
    return None


def dig(data: Json, steps: tuple[str, ...]) -> Json:
    """`words.dig` for what JSON text gives, where nearly every step is a key."""
    for at, step in enumerate(steps):
        if type(data) is not dict:
            return words.dig(data, steps[at:])
        data = data.get(step)
    return data


def tests(condition: Condition) -> Tests:
    return [(tuple(test.name.split(".")), test.values, test.negate) for test in condition]


def holds(tests: Tests, payload: Json) -> bool:
    for steps, values, negate in tests:
        value = dig(payload, steps)
        if any([conditions.same(value, wanted) for wanted in values]) is negate:
            return False
    return True


def text_of(value: Json) -> str | None:
    if type(value) is str:
        return value
    return words.text_of(value) if type(value) in (int, float) else None


def time_of(value: Json) -> datetime | None:
    """An epoch in seconds or milliseconds, as a number or digits, or a date-time; without a zone it is UTC."""
    if isinstance(value, str) and not value.isdecimal():
        try:
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    if type(value) not in (str, int, float):
        return None
    try:
        seconds = float(value) / (1000 if float(value) >= MILLISECONDS else 1)
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
