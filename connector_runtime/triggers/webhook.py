"""Compiled triggers, which turn raw bytes into a verified notification or the response to a challenge. Pure.

The signature is verified over the raw bytes, before any JSON is parsed or any challenge is answered.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from typing import Any

from ..errors import InputError, PayloadError, Problem, SignatureError
from ..language import codecs, conditions, datetimes, json_text
from ..language.places import at, dig, text_of
from ..language.schema_faults import nearest
from ..model import Condition, Input, Json
from ..sentences import Sentence
from ..structs import Struct, shows
from .events import Event, catalogued

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
OneOrMore = str | Sequence[str]  # one secret, or several during a rotation
Secrets = OneOrMore | Mapping[str, OneOrMore]  # for all apps, or by client id
Source = tuple[str, tuple[str, ...]]  # ("header", ("x-event",)) or ("body", ("payload", "object", "id"))

VENDOR_ONLY = "Only the vendor's own requests are accepted."
OWN = {
    "event": (Sentence("Event"), Sentence("The event's name; * stands for any text, as in meeting.*")),
    "account": (Sentence("Account"), Sentence("The ID of the account that the event is about.")),
    "object": (Sentence("Object"), Sentence("The ID of the object that the event is about.")),
}


class SignatureScheme:
    """A vendor's signature scheme, compiled from `verify` in a trigger's file."""

    def __init__(self, verify: Mapping[str, Any]) -> None:
        time = verify.get("time", {})
        self.header: str = verify["header"].lower()
        self.time_header = time["header"].lower() if "header" in time else None
        self.past: float | None = time.get("past")  # maximum age in seconds; None: the vendor signs no time
        self._future = time.get("future", 0)
        self._per_second = 1000 if time.get("unit") == "ms" else 1
        self._field = verify.get("fields", {}).get("signature")  # of a header with parts, `t=1,v1=…`
        self._time_field = time.get("field")
        pieces = re.split(r"\{(body|timestamp)\}", verify["message"])  # every second piece is a placeholder
        self._message = [text if index % 2 else text.encode() for index, text in enumerate(pieces) if text]
        self._hmac = verify["hmac"]
        self._digest = verify.get("digest", "hex")
        self._before, _, self._after = verify.get("format", "{}").partition("{}")

    def verify(
        self, body: bytes, headers: dict[str, str], secrets: Iterable[str], now: float, window: float | None
    ) -> str:
        """Return the secret that signed the bytes, after checking the signed time; `headers` has lower-case names.

        Raises `SignatureError`, or `InputError` if this machine's clock is behind.
        """
        header = headers.get(self.header)
        if not header:
            raise SignatureError(f"There is no {self.header} header.", hint=VENDOR_ONLY)
        parts: dict[str | None, list[str]] = {}
        for part in header.split(",") if self._field else ():
            name, _, value = part.strip().partition("=")
            parts.setdefault(name, []).append(value)
        texts = parts.get(self._field, ()) if self._field else (header,)
        times = [headers.get(self.time_header, "")] if self.time_header else parts.get(self._time_field, [""])
        timestamp = "" if self.past is None else self._timestamp(times[0])
        signatures = [text.encode("utf-8", "replace") for text in texts]
        for key in secrets:
            expected = self._signature(body, key, timestamp).encode()
            if any(hmac.compare_digest(expected, signature) for signature in signatures):
                if self.past is not None:
                    self._check_age(now - int(timestamp) / self._per_second, self.past if window is None else window)
                return key
        raise SignatureError(
            f"The {self.header} header does not match the body.",
            hint="Check that the secret is this app's, and that the body is passed on byte for byte.",
        )

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        timestamp = str(int(now * self._per_second))
        signature = self._signature(body, next(iter(usable(secret))), timestamp)
        if self._field:
            signature = f"{self._field}={signature}"
            return {self.header: f"{self._time_field}={timestamp},{signature}" if self._time_field else signature}
        return {self.header: signature, **({self.time_header: timestamp} if self.time_header else {})}

    def keyed(self, message: bytes, secret: str) -> str:
        """Return the HMAC of a message as a string."""
        digest = hmac.digest(secret.encode(), message, self._hmac)
        return digest.hex() if self._digest == "hex" else base64.b64encode(digest).decode()

    def _signature(self, body: bytes, secret: str, timestamp: str) -> str:
        values = {"timestamp": timestamp.encode(), "body": body}
        message = b"".join([values[piece] if isinstance(piece, str) else piece for piece in self._message])
        return f"{self._before}{self.keyed(message, secret)}{self._after}"

    @property
    def _where(self) -> str:
        return self.time_header or f"{self._time_field} of {self.header}"

    def _timestamp(self, text: str) -> str:
        if not text:
            raise SignatureError(f"There is no {self._where}.", hint=VENDOR_ONLY)
        if not re.fullmatch("[0-9]{1,15}", text):
            raise SignatureError(f"The {self._where} is not a number.")
        return text

    def _check_age(self, age: float, past: float) -> None:
        if age > past:
            hint = "It is a replay, or this machine's clock is ahead."
            raise SignatureError(f"The {self._where} is {age:.0f} seconds old.", hint=hint)
        if -age > self._future:  # the vendor signed the time, so our clock is wrong
            what = f"This machine's clock is behind: the signed {self._where} is {-age:.0f} seconds ahead."
            raise InputError(what, hint="Synchronise the clock with a time server.")


def usable(secrets: Secrets) -> dict[str, str | None]:
    """Return the stripped secrets, each with its app's client id or None. Raises `InputError` for unusable secrets."""
    apps, problems = dict[str, str | None](), list[Problem]()
    for app, own in ((secrets or {"": ""}) if isinstance(secrets, Mapping) else {"": secrets}).items():
        where = f"secrets.{app}" if app else "secrets"
        for secret in [own] if isinstance(own, str) else list(own or ()) or [""]:
            if not isinstance(secret, str) or not (text := secret.strip()):
                what = "is empty, so anyone could sign; copy it from the vendor's app settings"
                problems.append(Problem(where, what))
            elif apps.setdefault(text, app or None) != (app or None):
                what = f"is also the secret of {apps[text] or 'no app'}, so the sender of an event would be unknown"
                problems.append(Problem(where, f"{what}; give each app its own"))
    if problems:
        raise InputError.of("the webhook", problems)
    return apps


def sources(raw: str | Iterable[str]) -> tuple[Source, ...]:
    """Compile places in a webhook, such as `header.x-event` or `body.payload.id`; the first with a value is used."""
    texts = (raw,) if isinstance(raw, str) else raw
    parts = (text.partition(".") for text in texts)
    return tuple((kind, (rest.lower(),) if kind == "header" else tuple(rest.split("."))) for kind, _, rest in parts)


class UrlValidation(Struct):
    """A challenge, which has no event. Respond with 200 and `response` as JSON to prove that the URL is ours."""

    response: dict[str, str]


@shows("event", "time")
class Notification(Struct):
    """One verified event.

    `event` is its name ("" if it has none), `time` its time, `account` and `object` the ids of its account and subject
    as strings, `objects` the ids of all its subjects, and `payload` the unchanged JSON body. `event_id` is the same for
    all repeats; `repeat` is the vendor's id of the delivery. `disconnects` is true if consent was withdrawn. `users`
    are the ids and email addresses of the event's users. `app` is the client id in the event, and `sender` the client
    id whose secret signed it, or None if secrets are not configured by client id.
    """

    event: str
    time: datetime | None
    account: str | None
    object: str | None
    repeat: str | None
    event_id: str
    disconnects: bool
    payload: dict[str, Json]
    body: bytes
    headers: Mapping[str, str]  # only those that describe the event, with lower-case names
    objects: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    app: str | None = None
    sender: str | None = None

    @property
    def head(self) -> dict[str, str | None]:
        """The head as JSON: `event`, `time` (ISO 8601, UTC), `account`, `object`."""
        time = self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z") if self.time else None
        return {"event": self.event, "time": time, "account": self.account, "object": self.object}

    @property
    def topic(self) -> str:
        """`event:account`, for routing when one URL serves many flows."""
        return f"{self.event}:{self.account or ''}"

    def to_dict(self) -> dict[str, Json]:
        """Return the event as flows receive it: the head, the event's id and the payload."""
        return {**self.head, "event_id": self.event_id, "payload": self.payload}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRow:
    """A filter for events, which compares a string that a flow enters with the values at `sources`."""

    key: str
    label: str
    comments: str = ""
    sources: tuple[Source, ...]
    codecs: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Selects the events that a flow wants; an empty filter admits all. `warnings` point out probable mistakes."""

    patterns: tuple[re.Pattern[str], ...]
    own: tuple[tuple[str, frozenset[str]], ...]  # account and object
    rows: tuple[tuple[tuple[Source, ...], frozenset[str]], ...]
    warnings: tuple[Problem, ...] = ()

    def admits(self, event: Notification) -> bool:
        """Return whether the flow wants the event."""
        if self.patterns and not any(pattern.fullmatch(event.event) for pattern in self.patterns):
            return False
        own = {"account": (event.account,), "object": event.objects}
        if any(texts.isdisjoint(own[key]) for key, texts in self.own):
            return False
        for row, texts in self.rows:
            values = [_values(event.headers if kind == "header" else event.payload, steps) for kind, steps in row]
            if texts.isdisjoint(text_of(value) for each in values for value in each):
                return False
        return True


@shows("key")
@dataclass(frozen=True, repr=False, kw_only=True)
class Trigger:
    """One compiled trigger, which verifies requests and reads their events."""

    key: str
    label: str
    description: str = ""
    inputs: tuple[Input, ...]
    recipe: SignatureScheme
    challenge_when: Condition | None
    challenge_answer: Mapping[str, Mapping[str, str]]  # by key, each with `from` or `hmac`, and a place
    event: Mapping[str, tuple[Source, ...]]
    filters: Mapping[str, FilterRow]
    disconnect_when: Condition | None
    reply_status: int
    reply_within: float  # seconds until the vendor gives up
    load_events: Callable[[], Json] | None  # reads the events file on first use

    def receive(
        self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None
    ) -> Notification | UrlValidation:
        """Verify one request and read it.

        `body` is the raw bytes, and `headers` a mapping or pairs with names in any case. `secrets` is one secret,
        several during a rotation, or a mapping of client ids to secrets. `now` is in seconds since 1970, and `window`
        is the maximum age of a request in seconds (default: the definition's). Raises `SignatureError` (respond with
        401), `PayloadError` (acknowledge the event, because a repeat would not help), or `InputError` for an unusable
        secret or a clock that is behind (respond with 503, because the fault is ours).
        """
        apps, relevant = usable(secrets), self._relevant(headers)
        secret = self.recipe.verify(_raw(body), relevant, apps, now, window)
        payload = _parsed(body)
        if self.challenge_when is not None and conditions.holds(self.challenge_when, partial(at, payload)):
            return UrlValidation(response=self._proofs(payload, secret))
        return self._notification(body, relevant, payload, apps[secret])

    def verify(self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None) -> None:
        """Verify one request without reading it. Takes the arguments of `receive` and raises the same errors."""
        self.recipe.verify(_raw(body), self._relevant(headers), usable(secrets), now, window)

    def read(self, body: bytes, headers: Headers, sender: str | None = None) -> Notification:
        """Read a request that was verified earlier, such as an inbox entry. Raises `PayloadError`."""
        return self._notification(body, self._relevant(headers), _parsed(body), sender)

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        """Return the headers with which the vendor would send these bytes at `now` (seconds since 1970)."""
        return self.recipe.sign(_raw(body), secret, now)

    def challenge(self, text: str) -> tuple[bytes, Callable[[str], dict[str, str]]] | None:
        """Return a challenge's body and a function that answers it with a secret; None if the vendor sends none."""
        if self.challenge_when is None:
            return None
        payload: dict[str, Any] = {}
        for test in self.challenge_when:
            _set_at(payload, test.name, test.values[0])
        for proof in self.challenge_answer.values():
            for path in proof.values():
                _set_at(payload, path, text)
        return json.dumps(payload).encode(), lambda secret: self._proofs(payload, next(iter(usable(secret))))

    def stamp(self, payload: dict[str, Json], now: float) -> None:
        """Set the time of a sample to `now` (seconds since 1970), in the unit that the sample uses."""
        for kind, steps in self.event.get("time", ()):
            time = dig(payload, steps) if kind == "body" else None
            if type(time) is int:
                _set_at(payload, ".".join(steps), int(now * 1000) if time >= datetimes.MILLISECONDS else int(now))
                return

    @property
    def secret_input(self) -> str:
        """The key of the input that holds the secret."""
        return next(row.key for row in self.inputs if any(str(place) == "verify.secret" for place in row.to))

    @property
    def window(self) -> float | None:
        """The maximum age of a request in seconds; None if the vendor signs no time."""
        return self.recipe.past

    @cached_property
    def events(self) -> Mapping[str, Event]:
        """The documented events by name; empty if the definition names no events file."""
        return catalogued(self.load_events() if self.load_events else {})

    def filter(self, values: Mapping[str, Any]) -> Filter:
        """Return the filter for a flow's values: strings, or lists of alternatives. Raises `InputError` otherwise."""
        keys = [*OWN, *self.filters]
        problems = []
        texts: dict[str, list[str]] = {}
        for key, value in values.items():
            items = [item for item in (value if isinstance(value, list | tuple) else [value]) if item not in (None, "")]
            if key not in keys:
                what = f"is not a filter of {self.key}.{nearest(key, keys)} Known: {', '.join(keys)}."
                problems.append(Problem(f"filter.{key}", what))
            elif not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
                problems.append(Problem(f"filter.{key}", "must be a string or a list of strings"))
            elif items:
                texts[key] = [text_of(item).strip() for item in items]
        if problems:
            raise InputError.of(f"{self.key}'s filter", problems)
        names = texts.pop("event", [])
        patterns = [_pattern(name) for name in names]
        documented = self.events if names else {}
        own = tuple((key, frozenset(options)) for key, options in texts.items() if key in OWN)
        rows = tuple(
            (row.sources, frozenset(text_of(codecs.encode(row.codecs, text)) for text in texts[key]))
            for key, row in self.filters.items()
            if key in texts
        )
        warnings = tuple(  # such a name has a typo, or is newer than the list of events
            Problem("filter.event", f"{name!r} is not a documented event.{nearest(name, documented)}")
            for name, pattern in zip(names, patterns, strict=True)
            if documented and not any(map(pattern.fullmatch, documented))
        )
        return Filter(patterns=tuple(patterns), own=own, rows=rows, warnings=warnings)

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of the headers that describe the event, and of all headers that the definition reads."""
        all_sources = [*self.event.values(), *(row.sources for row in self.filters.values())]
        names = frozenset(steps[0] for places in all_sources for kind, steps in places if kind == "header")
        return names, names | {self.recipe.header, self.recipe.time_header or self.recipe.header}

    def _relevant(self, headers: Headers) -> dict[str, str]:
        """Return the headers that the definition reads, with lower-case names and the first of several values.

        Raises `SignatureError` if a header that authenticates the event has two values.
        """
        relevant: dict[str, str] = {}
        (descriptive, names), items = self._names, getattr(headers, "items", None)
        pairs: Iterable[tuple[str | bytes, str | bytes]] = items() if items else headers  # type: ignore[assignment]
        for raw_name, raw_value in pairs:
            name = (raw_name.decode("latin-1") if isinstance(raw_name, bytes) else raw_name).lower()
            if name in names:
                value = raw_value.decode("latin-1") if isinstance(raw_value, bytes) else raw_value
                if relevant.setdefault(name, value) != value and name not in descriptive:
                    raise SignatureError(f"The {name} header has two values.")
        return relevant

    def _proofs(self, payload: Json, secret: str) -> dict[str, str]:
        """Return the response to a challenge. Raises `PayloadError` if the challenge lacks a string."""
        proofs = {}
        for key, proof in self.challenge_answer.items():
            for word, path in proof.items():
                text = at(payload, path)
                if not isinstance(text, str) or not text:
                    raise PayloadError(f"The challenge has no string at {path}.")
                message = text.encode("utf-8", "surrogatepass")
                proofs[key] = self.recipe.keyed(message, secret) if word == "hmac" else text
        return proofs

    def _notification(
        self, body: bytes, headers: Mapping[str, str], payload: dict[str, Json], sender: str | None
    ) -> Notification:
        places = {
            word: (_values(headers if kind == "header" else payload, steps) for kind, steps in listed)
            for word, listed in self.event.items()
        }
        users = frozenset(text_of(value) for values in places.pop("user", ()) for value in values)  # of all places
        found = {word: next(filter(None, each), []) for word, each in places.items()}
        texts = {word: text_of(values[0]) for word, values in found.items() if values}
        name, disconnect_when = texts.get("name", ""), self.disconnect_when
        # if a header names the event, two different events may have the same body
        prefix = name.encode() + b"\n" if self.event["name"][0][0] == "header" else b""
        return Notification(
            event=name,
            time=datetimes.instant(next(iter(found.get("time", ())), None)),
            account=texts.get("account"),
            object=texts.get("object"),
            repeat=texts.get("repeat"),
            event_id=hashlib.sha256(prefix + body).hexdigest(),
            disconnects=disconnect_when is not None and conditions.holds(disconnect_when, partial(at, payload)),
            objects=frozenset(map(text_of, found.get("object", ()))),
            users=users,
            app=texts.get("app"),
            sender=sender,
            payload=payload,
            body=bytes(body),
            headers={name: headers[name] for name in self._names[0] if name in headers},
        )


def _values(data: Any, steps: tuple[str, ...]) -> list[Json]:
    """The strings and numbers at a place, in which `*` stands for every item of a list."""
    if "*" in steps:
        star = steps.index("*")
        items = dig(data, steps[:star])
        return [value for item in items for value in _values(item, steps[star + 1 :])] if type(items) is list else []
    value = dig(data, steps)
    return [value] if type(value) in (str, int, float) and value != "" else []


def _pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for a name in which `*` matches anything. It cannot backtrack, because users write filters."""
    first, *between = name.split("*")
    last = [f".*{re.escape(between.pop())}"] if between else []
    return re.compile("".join([re.escape(first), *(f"(?>.*?{re.escape(part)})" for part in between), *last]), re.DOTALL)


def _raw(body: bytes) -> bytes:
    if not isinstance(body, (bytes, bytearray)):
        raise TypeError("the body must be the raw bytes as they arrived; text or parsed JSON cannot be verified")
    return body


def _parsed(body: bytes) -> dict[str, Json]:
    """Return the JSON object in a body. Raises `PayloadError` if it is not one, or is ambiguous."""
    try:
        data = json_text.read_strictly(body)
    except json_text.JsonError as error:
        raise PayloadError(f"The body {error}.") from None
    if not isinstance(data, dict):
        raise PayloadError("The body is JSON, but not an object.")
    return data


def _set_at(data: dict[str, Any], path: str, value: Json) -> None:
    *steps, last = path.split(".")
    for step in steps:
        data = data.setdefault(step, {})
    data[last] = value
