"""A trigger that can be asked: raw bytes -> a verified notification, or the answer to a challenge. Pure.

Nothing of a request is read as JSON, and no challenge is answered, before its signature held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import PayloadError
from ..language import conditions, datetimes
from ..model import Json
from . import payloads
from .payloads import Source, Tests
from .signature import Headers, Recipe, Secrets, picked, recipe, usable
from .spec import TriggerSpec

if TYPE_CHECKING:
    from .events import Event, Filter


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

        `body` is the raw bytes as they arrived; `headers` a mapping or pairs, names in any case; `secrets` one or,
        during a rotation, several; `now` seconds since the epoch; `window` how many seconds old a request may be
        (left out: what the definition says). Raises `SignatureError` (answer 401), `PayloadError` (400), and
        `InputError` for an empty secret (503: the fault is here).
        """
        found = picked(headers, self._names)
        secret = self._recipe.verify(_raw(body), found, secrets, now, window)
        payload = payloads.parse(body)
        if self._challenge is not None and payloads.holds(self._challenge[0], payload):
            return UrlValidation(response={key: self._proof(how, payload, secret) for key, how in self._challenge[1]})
        return self._read(body, found, payload)

    def verify(self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None) -> None:
        """Verify one request without reading it; arguments and errors are those of `receive`."""
        self._recipe.verify(_raw(body), picked(headers, self._names), secrets, now, window)

    def read(self, body: bytes, headers: Headers) -> Notification:
        """What a request says that was verified before, as when it comes out of an inbox. Raises `PayloadError`."""
        return self._read(body, picked(headers, self._names), payloads.parse(body))

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        """The headers with which the vendor would send these bytes at `now` (seconds since the epoch)."""
        return self._recipe.sign(_raw(body), secret, now)

    def challenge(self, text: str) -> tuple[bytes, Callable[[str], dict[str, str]]] | None:
        """A challenge as the vendor would send it, and the answer it expects for a secret; None if it sends none."""
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

    def stamp(self, payload: dict[str, Json], now: float) -> None:
        """Set a sample's time to `now` (seconds since the epoch), as the sample writes it."""
        for kind, steps in self._head.get("time", ()):
            said = payloads.dig(payload, steps) if kind == "body" else None
            if type(said) is int:
                in_milliseconds = said >= datetimes.MILLISECONDS
                _plant(payload, steps, int(now * 1000) if in_milliseconds else int(now))
                return

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
        return {name: payloads.sources(raw) for name, raw in self.event.items()}

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
    def _challenge(self) -> tuple[Tests, list[tuple[str, tuple[str, tuple[str, ...]]]]] | None:
        if self.challenge_with is None:
            return None
        answer = [
            (key, next((word, tuple(path.split("."))) for word, path in how.items()))
            for key, how in self.challenge_with["answer"].items()
        ]
        return payloads.tests(conditions.parse(self.challenge_with["when"])), answer

    @cached_property
    def _disconnects(self) -> Tests | None:
        return None if self.disconnect_when is None else payloads.tests(self.disconnect_when)

    def _proof(self, how: tuple[str, tuple[str, ...]], payload: Json, secret: str) -> str:
        word, path = how
        text = payloads.dig(payload, path)
        if not isinstance(text, str) or not text:
            raise PayloadError(f"The challenge has no text at {'.'.join(path)}.")
        return self._recipe.keyed(text, secret) if word == "hmac" else text

    def _read(self, body: bytes, headers: Mapping[str, str], payload: dict[str, Json]) -> Notification:
        head = self._head
        name = payloads.first(head["name"], headers, payload)
        event = payloads.text_of(name) or ""
        # where only a header names the event, two events may have one body
        named = event.encode() + b"\n" if head["name"][0][0] == "header" else b""
        return Notification(
            event=event,
            time=datetimes.instant(payloads.first(head.get("time", ()), headers, payload)),
            account=payloads.text_of(payloads.first(head.get("account", ()), headers, payload)),
            object=payloads.text_of(payloads.first(head.get("object", ()), headers, payload)),
            repeat=payloads.text_of(payloads.first(head.get("repeat", ()), headers, payload)),
            event_id=hashlib.sha256(named + body).hexdigest(),
            disconnects=self._disconnects is not None and payloads.holds(self._disconnects, payload),
            payload=payload,
            body=bytes(body),
            headers={name: headers[name] for name in self._read_names if name in headers},
        )


def _raw(body: bytes) -> bytes:
    if not isinstance(body, (bytes, bytearray)):
        raise TypeError("the body must be the raw bytes as they arrived; text or parsed JSON cannot be verified")
    return body


def _plant(data: dict[str, Any], path: tuple[str, ...], value: Json) -> None:
    for step in path[:-1]:
        data = data.setdefault(step, {})
    data[path[-1]] = value
