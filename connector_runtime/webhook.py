"""A trigger that can be asked: raw bytes -> a verified notification, or the answer to a challenge. Pure.

Nothing of a request is read as JSON, and no challenge is answered, before its signature held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import conditions, words
from .errors import PayloadError
from .model import Condition, Json, TriggerSpec
from .signature import Headers, Recipe, Secrets, picked, recipe, usable

if TYPE_CHECKING:
    from .events import Event, Filter

_Tests = list[tuple[tuple[str, ...], tuple[Json, ...], bool]]
Source = tuple[str, tuple[str, ...]]  # ("header", ("x-event",)) or ("body", ("payload", "object", "id"))
MILLISECONDS = 10**11  # an epoch above it counts milliseconds: in seconds it would be the year 5138


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One verified event.

    `event` is its name ("" if it has none), `time` when it happened, `account` and `object` whose it is and what it is
    about, as text; `payload` is the JSON body unchanged. `event_id` is the same for every repeat of the event.
    `repeat` is the vendor's own id of the delivery, `disconnects` whether the account has taken its consent back.
    """

    event: str
    time: datetime | None
    account: str | None
    object: str | None
    repeat: str | None
    event_id: str
    disconnects: bool
    payload: dict[str, Json] = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # those that the definition reads, with small names

    @property
    def head(self) -> dict[str, str | None]:
        """The small head as JSON: `event`, `time` (ISO 8601, UTC), `account`, `object`."""
        time = self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if self.time else None
        return {"event": self.event, "time": time, "account": self.account, "object": self.object}

    @property
    def topic(self) -> str:
        """`event:account`, to route by where one address serves many flows."""
        return f"{self.event}:{self.account or ''}"

    def to_dict(self) -> dict[str, Json]:
        """What a flow is given: the head, the event's id and the payload."""
        return {**self.head, "event_id": self.event_id, "payload": self.payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlValidation:
    """The vendor asks whether the address is ours: answer 200 with `response` as JSON. Nothing is to be delivered."""

    response: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Trigger(TriggerSpec):
    """One compiled trigger."""

    def receive(
        self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None
    ) -> Notification | UrlValidation:
        """Verify one request and read it.

        `body` is the raw bytes as they arrived; `headers` a mapping or pairs, names in any case; `secrets` one or, during
        a rotation, several; `now` seconds since the epoch; `window` how many seconds old a request may be (left out: what
        the definition says). Raises `SignatureError` (answer 401), `PayloadError` (400), and `InputError` for an
        empty secret (503: the fault is here).
        """
        found = picked(headers, self._names)
        secret = self._recipe.verify(_raw(body), found, secrets, now, window)
        payload = parse(body)
        if self._challenge is not None and _holds(self._challenge[0], payload):
            return UrlValidation(response={key: self._proof(how, payload, secret) for key, how in self._challenge[1]})
        return self._read(body, found, payload)

    def verify(self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None) -> None:
        """Verify one request without reading it; arguments and errors are those of `receive`."""
        self._recipe.verify(_raw(body), picked(headers, self._names), secrets, now, window)

    def read(self, body: bytes, headers: Headers) -> Notification:
        """What a request says that was verified before, as when it comes out of an inbox. Raises `PayloadError`."""
        return self._read(body, picked(headers, self._names), parse(body))

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        """The headers with which the vendor would send these bytes at `now` (seconds since the epoch)."""
        return self._recipe.sign(_raw(body), secret, now)

    def challenge(self, text: str) -> tuple[bytes, Callable[[str], dict[str, str]]] | None:
        """A challenge as the vendor would send it, and the answer it would expect for a secret; None if it sends none."""
        if self._challenge is None:
            return None
        asked: dict[str, Any] = {}
        for steps, values, _ in self._challenge[0]:
            _plant(asked, steps, values[0])
        for _, how in self._challenge[1]:
            _plant(asked, how[1], text)

        def expected(secret: str) -> dict[str, str]:
            assert self._challenge is not None
            return {key: self._proof(how, asked, usable(secret)[0]) for key, how in self._challenge[1]}

        return json.dumps(asked).encode(), expected

    @property
    def window(self) -> float | None:
        """How many seconds old a request may be; None where the vendor signs no time."""
        return self._recipe.past

    @cached_property
    def events(self) -> Mapping[str, Event]:
        """The documented events by name; empty if the definition names no file of them."""
        from .events import catalogued

        return catalogued(self.load_events() if self.load_events else {})

    def filter(self, given: Mapping[str, Any]) -> Filter:
        """What narrows the events to those a flow wants; raises `InputError` for a key that this trigger has not."""
        from .events import Filter

        return Filter.of(self, given)

    # -- the definition, compiled when it is first needed ------------------------------------------------------------

    @cached_property
    def _recipe(self) -> Recipe:
        return recipe(self.verify_with)

    @cached_property
    def _head(self) -> dict[str, tuple[Source, ...]]:
        return {name: sources(raw) for name, raw in self.event.items()}

    @cached_property
    def _names(self) -> frozenset[str]:
        """The headers that this trigger looks at."""
        return frozenset({self._recipe.header, self._recipe.time_header or self._recipe.header, *self._read_names})

    @cached_property
    def _read_names(self) -> frozenset[str]:
        """Those of them that say something about the event."""
        lists = [*self._head.values(), *(row.sources for row in self.filters.values())]
        return frozenset(steps[0] for found in lists for kind, steps in found if kind == "header")

    @cached_property
    def _challenge(self) -> tuple[_Tests, list[tuple[str, tuple[str, tuple[str, ...]]]]] | None:
        if self.challenge_with is None:
            return None
        answer = [
            (key, next((word, tuple(path.split("."))) for word, path in how.items()))
            for key, how in self.challenge_with["answer"].items()
        ]
        return _tests(conditions.parse(self.challenge_with["when"])), answer

    @cached_property
    def _disconnects(self) -> _Tests | None:
        return None if self.disconnect_when is None else _tests(self.disconnect_when)

    def _proof(self, how: tuple[str, tuple[str, ...]], payload: Json, secret: str) -> str:
        word, path = how
        text = _dig(payload, path)
        if not isinstance(text, str) or not text:
            raise PayloadError(f"The challenge has no text at {'.'.join(path)}.")
        return self._recipe.keyed(text, secret) if word == "hmac" else text

    def _read(self, body: bytes, headers: Mapping[str, str], payload: dict[str, Json]) -> Notification:
        head = self._head
        name = first(head["name"], headers, payload)
        event = _text(name) or ""
        # where only a header names the event, two events may have one body
        named = event.encode() + b"\n" if head["name"][0][0] == "header" else b""
        return Notification(
            event=event,
            time=_time(first(head.get("time", ()), headers, payload)),
            account=_text(first(head.get("account", ()), headers, payload)),
            object=_text(first(head.get("object", ()), headers, payload)),
            repeat=_text(first(head.get("repeat", ()), headers, payload)),
            event_id=hashlib.sha256(named + body).hexdigest(),
            disconnects=self._disconnects is not None and _holds(self._disconnects, payload),
            payload=payload,
            body=bytes(body),
            headers={name: headers[name] for name in self._read_names if name in headers},
        )


def sources(raw: str | Iterable[str]) -> tuple[Source, ...]:
    """Compile the places of a head: the first that holds something is taken."""
    texts = (raw,) if isinstance(raw, str) else tuple(raw)
    return tuple((kind, (rest.lower(),) if kind == "header" else tuple(rest.split("."))) for kind, _, rest in map(_cut, texts))


def _cut(text: str) -> tuple[str, str, str]:
    return text.partition(".")


def first(found: Iterable[Source], headers: Mapping[str, str], payload: Json) -> Json:
    """What stands at the first of these places that holds something; None if none does."""
    for kind, steps in found:
        value = headers.get(steps[0]) if kind == "header" else _dig(payload, steps)
        if value is not None and value != "":
            return value
    return None


# -- strict JSON -----------------------------------------------------------------------------------------------------


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


# -- values ----------------------------------------------------------------------------------------------------------


def _raw(body: bytes) -> bytes:
    if not isinstance(body, (bytes, bytearray)):  # noqa: UP038 (quicker)
        raise TypeError("the body must be the raw bytes as they arrived; text or parsed JSON cannot be verified")
    return body


def _dig(data: Json, steps: tuple[str, ...]) -> Json:
    """`words.dig` for what JSON text gives, where nearly every step is a key."""
    for at, step in enumerate(steps):
        if type(data) is not dict:
            return words.dig(data, steps[at:])
        data = data.get(step)
    return data


def _tests(condition: Condition) -> _Tests:
    return [(tuple(test.name.split(".")), test.values, test.negate) for test in condition]


def _holds(tests: _Tests, payload: Json) -> bool:
    for steps, values, negate in tests:
        value = _dig(payload, steps)
        if any([conditions.same(value, wanted) for wanted in values]) is negate:
            return False
    return True


def _text(value: Json) -> str | None:
    if type(value) is str:
        return value
    return words.text_of(value) if type(value) in (int, float) else None


def _time(value: Json) -> datetime | None:
    """An epoch in seconds or milliseconds, as a number or digits, or a date-time; without a zone it is UTC."""
    if isinstance(value, str) and not value.isdecimal():
        try:
            moment = datetime.fromisoformat(value.strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
        except (ValueError, OverflowError):
            return None
    if type(value) not in (str, int, float):
        return None
    try:
        seconds = float(value) / (1000 if float(value) >= MILLISECONDS else 1)
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


def _plant(data: dict[str, Any], path: tuple[str, ...], value: Json) -> None:
    for step in path[:-1]:
        data = data.setdefault(step, {})
    data[path[-1]] = value
