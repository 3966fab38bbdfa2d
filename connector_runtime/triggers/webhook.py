"""A trigger that can be asked: raw bytes -> a verified notification, or the answer to a challenge. Pure.

Nothing of a request is read as JSON, and no challenge is answered, before its signature held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import InputError, PayloadError, Problem
from ..language import codecs, conditions, datetimes, json_text
from ..language.places import dig, text_of
from ..language.wording import nearest
from ..model import Condition, Input, Json
from .events import OWN, Event, Filter, FilterRow, Notification, Source, catalogued, first, pattern, sources
from .signature import Headers, Recipe, Secrets, picked, recipe, usable


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlValidation:
    """The vendor asks whether the address is ours: answer 200 with `response` as JSON. Nothing is to be delivered."""

    response: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """One compiled trigger: what its file says of how a request is verified, and of what its event is."""

    key: str
    label: str
    description: str = ""
    inputs: tuple[Input, ...]
    verify_with: Mapping[str, Json] = field(repr=False)
    challenge_with: Mapping[str, Json] | None = field(repr=False)
    event: Mapping[str, Json] = field(repr=False)
    filters: Mapping[str, FilterRow] = field(repr=False)
    disconnect_when: Condition | None
    reply_status: int
    reply_within: float  # seconds until the vendor gives up
    load_events: Callable[[], Json] | None = field(repr=False)  # the data of the events file, read when first needed

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
        payload = _parsed(body)
        if self._challenge is not None and _holds(self._challenge, payload):
            return UrlValidation(response=self._proofs(payload, secret))
        return self._read(body, found, payload)

    def verify(self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None) -> None:
        """Verify one request without reading it; arguments and errors are those of `receive`."""
        self._recipe.verify(_raw(body), picked(headers, self._names), secrets, now, window)

    def read(self, body: bytes, headers: Headers) -> Notification:
        """What a request says that was verified before, as when it comes out of an inbox. Raises `PayloadError`."""
        return self._read(body, picked(headers, self._names), _parsed(body))

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        """The headers with which the vendor would send these bytes at `now` (seconds since the epoch)."""
        return self._recipe.sign(_raw(body), secret, now)

    def challenge(self, text: str) -> tuple[bytes, Callable[[str], dict[str, str]]] | None:
        """A challenge as the vendor would send it, and the answer it expects for a secret; None if it sends none."""
        if self._challenge is None:
            return None
        asked: dict[str, Any] = {}
        for test in self._challenge:
            _plant(asked, test.name.split("."), test.values[0])
        for _, _, path in self._answers():
            _plant(asked, path.split("."), text)
        return json.dumps(asked).encode(), lambda secret: self._proofs(asked, usable(secret)[0])

    def stamp(self, payload: dict[str, Json], now: float) -> None:
        """Set a sample's time to `now` (seconds since the epoch), as the sample writes it."""
        for kind, steps in self._head.get("time", ()):
            said = dig(payload, steps) if kind == "body" else None
            if type(said) is int:
                in_milliseconds = said >= datetimes.MILLISECONDS
                _plant(payload, steps, int(now * 1000) if in_milliseconds else int(now))
                return

    @property
    def secret_input(self) -> str:
        """The key of the input that holds the secret."""
        return next(row.key for row in self.inputs if any(str(place) == "verify.secret" for place in row.to))

    @property
    def window(self) -> float | None:
        """How many seconds old a request may be; None where the vendor signs no time."""
        return self._recipe.past

    @cached_property
    def events(self) -> Mapping[str, Event]:
        """The documented events by name; empty if the definition names no file of them."""
        return catalogued(self.load_events() if self.load_events else {})

    def filter(self, given: Mapping[str, Any]) -> Filter:
        """What narrows the events to those a flow wants: each key has a text, or a list of texts any of which may hold.

        Raises `InputError` for a key that this trigger has not.
        """
        known = [*OWN, *self.filters]
        problems = []
        wanted: dict[str, list[str]] = {}
        for key, value in given.items():
            several = value if isinstance(value, list | tuple) else [value]
            values = [item for item in several if item not in (None, "")]
            if key not in known:
                what = f"is no filter of {self.key}.{nearest(key, known)} Known: {', '.join(known)}."
                problems.append(Problem(f"filter.{key}", what))
            elif not all(isinstance(item, str | int) and not isinstance(item, bool) for item in values):
                problems.append(Problem(f"filter.{key}", "must be a text or a list of texts"))
            elif values:
                wanted[key] = [text_of(item).strip() for item in values]
        if problems:
            raise InputError.of(f"{self.key}'s filter", problems)
        names = wanted.get("event", [])
        patterns = tuple(pattern(name) for name in names)
        documented = self.events if names else {}
        return Filter(
            patterns=patterns,
            account=frozenset(wanted.get("account", ())),
            object=frozenset(wanted.get("object", ())),
            rows=tuple(
                (row.sources, frozenset(text_of(codecs.encode(row.codecs, text)) for text in wanted[key]))
                for key, row in self.filters.items()
                if key in wanted
            ),
            warnings=tuple(  # a name is mistyped, or newer than the list of events
                Problem("filter.event", f"{name!r} is no event that is documented.{nearest(name, documented)}")
                for name, wanted_name in zip(names, patterns, strict=True)
                if documented and not any(map(wanted_name.fullmatch, documented))
            ),
        )

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
    def _challenge(self) -> Condition | None:
        return None if self.challenge_with is None else conditions.parse(self.challenge_with["when"])

    def _answers(self) -> Iterator[tuple[str, str, str]]:
        """What a challenge's answer holds: its key, `from` or `hmac`, and the place of the text."""
        for key, how in (self.challenge_with or {})["answer"].items():
            for word, path in how.items():
                yield key, word, path

    def _proofs(self, payload: Json, secret: str) -> dict[str, str]:
        """The answer to a challenge; raises `PayloadError` where it lacks a text."""
        proofs = {}
        for key, word, path in self._answers():
            text = dig(payload, path.split("."))
            if not isinstance(text, str) or not text:
                raise PayloadError(f"The challenge has no text at {path}.")
            proofs[key] = self._recipe.keyed(text, secret) if word == "hmac" else text
        return proofs

    def _read(self, body: bytes, headers: Mapping[str, str], payload: dict[str, Json]) -> Notification:
        head = self._head
        name = first(head["name"], headers, payload)
        event = _text(name) or ""
        # where only a header names the event, two events may have one body
        named = event.encode() + b"\n" if head["name"][0][0] == "header" else b""
        return Notification(
            event=event,
            time=datetimes.instant(first(head.get("time", ()), headers, payload)),
            account=_text(first(head.get("account", ()), headers, payload)),
            object=_text(first(head.get("object", ()), headers, payload)),
            repeat=_text(first(head.get("repeat", ()), headers, payload)),
            event_id=hashlib.sha256(named + body).hexdigest(),
            disconnects=self.disconnect_when is not None and _holds(self.disconnect_when, payload),
            payload=payload,
            body=bytes(body),
            headers={name: headers[name] for name in self._read_names if name in headers},
        )


def _raw(body: bytes) -> bytes:
    if not isinstance(body, (bytes, bytearray)):
        raise TypeError("the body must be the raw bytes as they arrived; text or parsed JSON cannot be verified")
    return body


def _parsed(body: bytes) -> dict[str, Json]:
    """The JSON object that the bytes hold; raises `PayloadError` if they are none, or one that is ambiguous."""
    try:
        data = json_text.read_strictly(body)
    except json_text.JsonError as error:
        raise PayloadError(f"The body {error}.") from None
    if not isinstance(data, dict):
        raise PayloadError("The body is JSON, but no object.")
    return data


def _holds(condition: Condition, payload: Json) -> bool:
    return conditions.holds(condition, lambda name: dig(payload, name.split(".")))


def _text(value: Json) -> str | None:
    if type(value) is str:
        return value
    return text_of(value) if type(value) in (int, float) else None


def _plant(data: dict[str, Any], path: Sequence[str], value: Json) -> None:
    for step in path[:-1]:
        data = data.setdefault(step, {})
    data[path[-1]] = value
