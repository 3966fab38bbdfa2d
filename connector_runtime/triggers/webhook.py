"""A trigger that can be asked: raw bytes -> a verified notification, or the answer to a challenge. Pure.

Nothing is read as JSON, and no challenge answered, before the signature held; only bytes as received are compared.
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
from ..structs import shows
from .events import Event, catalogued

Headers = Mapping[str, str] | Iterable[tuple[str | bytes, str | bytes]]
Own = str | Sequence[str]  # one secret or, during a rotation, several
Secrets = Own | Mapping[str, Own]  # whoever's they are, or those of each app by its client id
Source = tuple[str, tuple[str, ...]]  # ("header", ("x-event",)) or ("body", ("payload", "object", "id"))

_is_number = re.compile("[0-9]{1,15}").fullmatch
ONLY = "Only the vendor's own requests are accepted."
OWN = {
    "event": (Sentence("Event"), Sentence("The event's name; * stands for any text, as in meeting.*")),
    "account": (Sentence("Account"), Sentence("The ID of the account that the event is about.")),
    "object": (Sentence("Object"), Sentence("The ID of what the event is about.")),
}


class SignatureScheme:
    """How a vendor signs: the `verify` of a trigger's file, compiled."""

    def __init__(self, verify: Mapping[str, Any]) -> None:
        time = verify.get("time", {})
        self.header: str = verify["header"].lower()
        self.time_header = time["header"].lower() if "header" in time else None
        self.past: float | None = time.get("past")  # seconds; None: the vendor signs no time
        self._future = time.get("future", 0)
        self._per_second = 1000 if time.get("unit") == "ms" else 1
        self._field = verify.get("fields", {}).get("signature")  # the header holds parts, `t=1,v1=…`; this one counts
        self._time_field = time.get("field")
        pieces = re.split(r"\{(body|timestamp)\}", verify["message"])  # every other one is such a word
        self._message = [text if index % 2 else text.encode() for index, text in enumerate(pieces) if text]
        self._hmac = verify["hmac"]
        self._digest = verify.get("digest", "hex")
        self._before, _, self._after = verify.get("format", "{}").partition("{}")

    def verify(
        self, body: bytes, headers: dict[str, str], secrets: Iterable[str], now: float, window: float | None
    ) -> str:
        """The secret that signed these bytes; `headers` have small names.

        The time is judged once the signature held. Raises `SignatureError`, and `InputError` where this machine's
        clock is behind.
        """
        said = headers.get(self.header)
        if not said:
            raise SignatureError(f"There is no {self.header} header.", hint=ONLY)
        parts: dict[str | None, list[str]] = {}
        for part in said.split(",") if self._field else ():
            name, _, value = part.strip().partition("=")
            parts.setdefault(name, []).append(value)
        given = parts.get(self._field, ()) if self._field else (said,)
        times = [headers.get(self.time_header, "")] if self.time_header else parts.get(self._time_field, [""])
        timestamp = "" if self.past is None else self._timestamp(times[0])
        signatures = [text.encode("utf-8", "replace") for text in given]
        for key in secrets:
            expected = self._signature(body, key, timestamp).encode()
            if any(hmac.compare_digest(expected, signature) for signature in signatures):
                if self.past is not None:
                    self._check_age(now - int(timestamp) / self._per_second, self.past if window is None else window)
                return key
        raise SignatureError(
            f"The {self.header} header does not fit the body.",
            hint="Check that the secret is this app's, and that the body is passed on as the bytes that arrived.",
        )

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        """The headers that make these bytes the vendor's."""
        timestamp = str(int(now * self._per_second))
        signature = self._signature(body, next(iter(usable(secret))), timestamp)
        if self._field:
            signature = f"{self._field}={signature}"
            return {self.header: f"{self._time_field}={timestamp},{signature}" if self._time_field else signature}
        return {self.header: signature, **({self.time_header: timestamp} if self.time_header else {})}

    def keyed(self, message: bytes, secret: str) -> str:
        """The digest of some bytes."""
        made = hmac.digest(secret.encode(), message, self._hmac)
        return made.hex() if self._digest == "hex" else base64.b64encode(made).decode()

    def _signature(self, body: bytes, secret: str, timestamp: str) -> str:
        words = {"timestamp": timestamp.encode(), "body": body}
        message = b"".join([words[part] if isinstance(part, str) else part for part in self._message])
        return f"{self._before}{self.keyed(message, secret)}{self._after}"

    @property
    def _where(self) -> str:
        return self.time_header or f"{self._time_field} of {self.header}"

    def _timestamp(self, said: str) -> str:
        if not said:
            raise SignatureError(f"There is no {self._where}.", hint=ONLY)
        if not _is_number(said):
            raise SignatureError(f"The {self._where} is no number.")
        return said

    def _check_age(self, age: float, past: float) -> None:
        if age > past:
            hint = "It is a replay, or this machine's clock is ahead."
            raise SignatureError(f"The {self._where} is {age:.0f} seconds old.", hint=hint)
        if -age > self._future:  # the vendor signed it, so it is not the vendor who is wrong about the time
            what = f"This machine's clock is behind: the signed {self._where} lies {-age:.0f} seconds ahead."
            raise InputError(what, hint="Set the clock by a time server.")


def usable(secrets: Secrets) -> dict[str, str | None]:
    """The secrets, each with the client id of its app, or None where none is named; white space around them is cut.

    Raises `InputError` if there is none, if one is empty, which everybody knows, or if two apps share one.
    """
    whose: dict[str, str | None] = {}
    found: list[Problem] = []
    for app, own in ((secrets or {"": ""}) if isinstance(secrets, Mapping) else {"": secrets}).items():
        where = f"secrets.{app}" if app else "secrets"
        for secret in [own] if isinstance(own, str) else list(own or ()) or [""]:
            if not isinstance(secret, str) or not (text := secret.strip()):
                what = "is empty; with an empty secret anybody could sign. Copy it from the vendor's app settings"
                found.append(Problem(where, what))
            elif whose.setdefault(text, app or None) != (app or None):
                what = f"is also the secret of {whose[text] or 'no app'}, so that nobody could say who sent an event"
                found.append(Problem(where, f"{what}; each app has its own"))
    if found:
        raise InputError.of("the webhook", found)
    return whose


def sources(raw: str | Iterable[str]) -> tuple[Source, ...]:
    """Compile places of a webhook, `header.x-event` or `body.payload.id`: the first that holds something counts."""
    texts = (raw,) if isinstance(raw, str) else raw
    cut = (text.partition(".") for text in texts)
    return tuple((kind, (rest.lower(),) if kind == "header" else tuple(rest.split("."))) for kind, _, rest in cut)


@shows()
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class UrlValidation:
    """The vendor asks whether the address is ours: answer 200 with `response` as JSON. Nothing is to be delivered."""

    response: dict[str, str]


@shows("event", "time")
@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Notification:
    """One verified event.

    `event` is its name ("" if it has none), `time` when it happened, `account` and `object` whose it is and what it is
    about, as text; `payload` is the JSON body unchanged. `event_id` is the same for every repeat of the event.
    `repeat` is the vendor's own id of the delivery, `disconnects` whether the account has taken its consent back.
    `users` are the ids and addresses of the users whose event it is, `app` is the client id that the event names, and
    `sender` the one whose secret signed it: None where the secrets are not given by client id.
    """

    event: str
    time: datetime | None
    account: str | None
    object: str | None
    repeat: str | None
    event_id: str
    disconnects: bool
    users: frozenset[str] = frozenset()
    app: str | None = None
    sender: str | None = None
    payload: dict[str, Json]
    body: bytes
    headers: Mapping[str, str]  # those that the definition reads, with small names

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
class FilterRow:
    """One way to narrow a trigger's events: what a flow gives is compared, as text, with what stands at `sources`."""

    key: str
    label: str
    comments: str = ""
    sources: tuple[Source, ...]
    codecs: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a flow wants of a trigger's events. An empty one wants all. `warnings` name what is probably a mistake."""

    patterns: tuple[re.Pattern[str], ...]
    own: tuple[tuple[str, frozenset[str]], ...]  # account and object
    rows: tuple[tuple[tuple[Source, ...], frozenset[str]], ...]
    warnings: tuple[Problem, ...] = ()

    def admits(self, found: Notification) -> bool:
        """Whether the flow wants this event."""
        if self.patterns and not any(pattern.fullmatch(found.event) for pattern in self.patterns):
            return False
        if any(getattr(found, key) not in texts for key, texts in self.own):
            return False
        for row, texts in self.rows:
            there = [dig(found.headers if kind == "header" else found.payload, steps) for kind, steps in row]
            if not any(isinstance(said, str | int | float) and said != "" and text_of(said) in texts for said in there):
                return False
        return True


@shows("key")
@dataclass(frozen=True, repr=False, kw_only=True)
class Trigger:
    """One compiled trigger: what its file says of how a request is verified, and of what its event is."""

    key: str
    label: str
    description: str = ""
    inputs: tuple[Input, ...]
    recipe: SignatureScheme
    challenge_when: Condition | None
    challenge_answer: Mapping[str, Mapping[str, str]]  # by key: `from` or `hmac`, and a place
    event: Mapping[str, tuple[Source, ...]]
    filters: Mapping[str, FilterRow]
    disconnect_when: Condition | None
    reply_status: int
    reply_within: float  # seconds until the vendor gives up
    load_events: Callable[[], Json] | None  # the data of the events file, read when first needed

    def receive(
        self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None
    ) -> Notification | UrlValidation:
        """Verify one request and read it.

        `body` is the raw bytes as they arrived; `headers` a mapping or pairs, names in any case; `secrets` one or,
        during a rotation, several, or those of each app by its client id; `now` seconds since the epoch; `window` how
        many seconds old a request may be (left out: what the definition says). Raises `SignatureError` (answer 401),
        `PayloadError` (acknowledge it: a repeat says the same), and `InputError` for an empty secret or a clock that
        is behind (503: the fault is here).
        """
        whose, picked = usable(secrets), self._picked(headers)
        secret = self.recipe.verify(_raw(body), picked, whose, now, window)
        payload = _parsed(body)
        if self.challenge_when is not None and conditions.holds(self.challenge_when, partial(at, payload)):
            return UrlValidation(response=self._proofs(payload, secret))
        return self._notification(body, picked, payload, whose[secret])

    def verify(self, body: bytes, headers: Headers, secrets: Secrets, now: float, window: float | None = None) -> None:
        """Verify one request without reading it; arguments and errors are those of `receive`."""
        self.recipe.verify(_raw(body), self._picked(headers), usable(secrets), now, window)

    def read(self, body: bytes, headers: Headers, sender: str | None = None) -> Notification:
        """What a request says that was verified before, as when it comes out of an inbox. Raises `PayloadError`."""
        return self._notification(body, self._picked(headers), _parsed(body), sender)

    def sign(self, body: bytes, secret: str, now: float) -> dict[str, str]:
        """The headers with which the vendor would send these bytes at `now` (seconds since the epoch)."""
        return self.recipe.sign(_raw(body), secret, now)

    def challenge(self, text: str) -> tuple[bytes, Callable[[str], dict[str, str]]] | None:
        """A challenge as the vendor would send it, and the answer it expects for a secret; None if it sends none."""
        if self.challenge_when is None:
            return None
        asked: dict[str, Any] = {}
        for test in self.challenge_when:
            _plant(asked, test.name, test.values[0])
        for how in self.challenge_answer.values():
            for path in how.values():
                _plant(asked, path, text)
        return json.dumps(asked).encode(), lambda secret: self._proofs(asked, next(iter(usable(secret))))

    def stamp(self, payload: dict[str, Json], now: float) -> None:
        """Set a sample's time to `now` (seconds since the epoch), as the sample writes it."""
        for kind, steps in self.event.get("time", ()):
            said = dig(payload, steps) if kind == "body" else None
            if type(said) is int:
                _plant(payload, ".".join(steps), int(now * 1000) if said >= datetimes.MILLISECONDS else int(now))
                return

    @property
    def secret_input(self) -> str:
        """The key of the input that holds the secret."""
        return next(row.key for row in self.inputs if any(str(place) == "verify.secret" for place in row.to))

    @property
    def window(self) -> float | None:
        """How many seconds old a request may be; None where the vendor signs no time."""
        return self.recipe.past

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
        names = wanted.pop("event", [])
        patterns = [_pattern(name) for name in names]
        documented = self.events if names else {}
        own = tuple((key, frozenset(texts)) for key, texts in wanted.items() if key in OWN)
        rows = tuple(
            (row.sources, frozenset(text_of(codecs.encode(row.codecs, text)) for text in wanted[key]))
            for key, row in self.filters.items()
            if key in wanted
        )
        warnings = tuple(  # a name is mistyped, or newer than the list of events
            Problem("filter.event", f"{name!r} is no event that is documented.{nearest(name, documented)}")
            for name, pattern in zip(names, patterns, strict=True)
            if documented and not any(map(pattern.fullmatch, documented))
        )
        return Filter(patterns=tuple(patterns), own=own, rows=rows, warnings=warnings)

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The headers that say something about the event, and these with those that say who sent it."""
        lists = [*self.event.values(), *(row.sources for row in self.filters.values())]
        told = frozenset(steps[0] for found in lists for kind, steps in found if kind == "header")
        return told, told | {self.recipe.header, self.recipe.time_header or self.recipe.header}

    def _picked(self, headers: Headers) -> dict[str, str]:
        """The headers that count, with small names; of two that say the same, or that nobody signs, the first.

        Raises `SignatureError` if one by which the sender is known says two things.
        """
        found: dict[str, str] = {}
        (told, names), items = self._names, getattr(headers, "items", None)
        pairs: Iterable[tuple[str | bytes, str | bytes]] = items() if items else headers  # type: ignore[assignment]
        for raw, said in pairs:
            name = (raw.decode("latin-1") if isinstance(raw, bytes) else raw).lower()
            if name in names:
                text = said.decode("latin-1") if isinstance(said, bytes) else said
                if found.setdefault(name, text) != text and name not in told:
                    raise SignatureError(f"The {name} header stands twice.")
        return found

    def _proofs(self, payload: Json, secret: str) -> dict[str, str]:
        """The answer to a challenge; raises `PayloadError` where it lacks a text."""
        proofs = {}
        for key, how in self.challenge_answer.items():
            for word, path in how.items():
                text = at(payload, path)
                if not isinstance(text, str) or not text:
                    raise PayloadError(f"The challenge has no text at {path}.")
                message = text.encode("utf-8", "surrogatepass")
                proofs[key] = self.recipe.keyed(message, secret) if word == "hmac" else text
        return proofs

    def _notification(
        self, body: bytes, headers: Mapping[str, str], payload: dict[str, Json], sender: str | None
    ) -> Notification:
        said: dict[str, Json] = {}
        text: dict[str, str] = {}
        users: set[str] = set()
        for word, places in self.event.items():
            for kind, steps in places:
                value = headers.get(steps[0]) if kind == "header" else dig(payload, steps)
                if value is None or value == "":
                    continue
                is_text = type(value) in (str, int, float)
                if word == "user":  # each place names somebody whose event it is
                    users |= {text_of(value)} if is_text else set()
                    continue
                said[word] = value
                if is_text:
                    text[word] = text_of(value)
                break
        event, gone = text.get("name", ""), self.disconnect_when
        # where only a header names the event, two events may have one body
        named = event.encode() + b"\n" if self.event["name"][0][0] == "header" else b""
        return Notification(
            event=event,
            time=datetimes.instant(said.get("time")),
            account=text.get("account"),
            object=text.get("object"),
            repeat=text.get("repeat"),
            event_id=hashlib.sha256(named + body).hexdigest(),
            disconnects=gone is not None and conditions.holds(gone, partial(at, payload)),
            users=frozenset(users),
            app=text.get("app"),
            sender=sender,
            payload=payload,
            body=bytes(body),
            headers={name: headers[name] for name in self._names[0] if name in headers},
        )


def _pattern(name: str) -> re.Pattern[str]:
    """What fits a name in which `*` stands for any text; it tries no place twice: who filters may be anybody."""
    first, *between = name.split("*")
    last = [f".*{re.escape(between.pop())}"] if between else []
    return re.compile("".join([re.escape(first), *(f"(?>.*?{re.escape(part)})" for part in between), *last]), re.DOTALL)


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


def _plant(data: dict[str, Any], path: str, value: Json) -> None:
    *steps, last = path.split(".")
    for step in steps:
        data = data.setdefault(step, {})
    data[last] = value
