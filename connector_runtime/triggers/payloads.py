"""The JSON of a webhook: read strictly, and looked into by the places of a definition. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import PayloadError
from ..language import conditions, json_text, places
from ..model import Condition, Json

Source = tuple[str, tuple[str, ...]]  # ("header", ("x-event",)) or ("body", ("payload", "object", "id"))
Tests = list[tuple[tuple[str, ...], tuple[Json, ...], bool]]


def parse(body: bytes) -> dict[str, Json]:
    """The JSON object that the bytes hold; raises `PayloadError` if they are none, or one that is ambiguous."""
    try:
        data = json_text.read_strictly(body)
    except json_text.JsonError as error:
        raise PayloadError(f"The body {error}.") from None
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
    """`places.dig` for what JSON text gives, where nearly every step is a key."""
    for at, step in enumerate(steps):
        if type(data) is not dict:
            return places.dig(data, steps[at:])
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
    return places.text_of(value) if type(value) in (int, float) else None
