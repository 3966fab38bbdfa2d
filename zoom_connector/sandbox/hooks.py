"""Sends events to the subscribed URLs, with Zoom's signature, retries and URL validation.

A delivery whose response is late, missing, or has a status of 500 or above is repeated 5, 25 and 85 minutes after the
event, by the account's clock, with the original timestamp and signature. One thread sends all deliveries.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import urlsplit

from . import emits
from .account import Account
from .endpoints import Call

PATIENCE = 3.0  # seconds until a response is late
RETRIES = (300.0, 1500.0, 5100.0)  # seconds after the event
MOST = 20  # subscriptions of one app
CLIENT_ID = "sandbox-client"  # the default app


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One URL and the names of the events that it receives; `*` matches anything."""

    url: str
    secret: str = field(repr=False)
    events: tuple[str, ...]
    client_id: str  # of the app that subscribed


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One attempt to deliver an event; `status` 0: no response."""

    event: str
    url: str
    status: int
    attempt: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event on its way to one subscription; `due` is the time of the next attempt."""

    event: str
    to: Subscription
    body: bytes
    headers: dict[str, str]
    since: float
    due: float
    attempt: int = 1


class Hooks:
    """The subscriptions of an account's apps, and their pending deliveries; `sent` lists all attempts."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._subscriptions: list[Subscription] = []
        self._pending: list[Delivery] = []
        self._sending = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_open = True
        self.sent: list[DeliveryAttempt] = []

    def subscribe(self, url: str, secret: str, events: Collection[str] = ("*",), *, client_id: str = CLIENT_ID) -> None:
        """Send these events to `url` from now on, signed with the app's `secret`.

        Raises `ValueError` if the URL validation fails or the app has too many subscriptions.
        """
        if sum(each.client_id == client_id for each in self._subscriptions) >= MOST:
            raise ValueError(f"an app can have at most {MOST} subscriptions")
        subscription = Subscription(url=url, secret=secret, events=tuple(events), client_id=client_id)
        self.validate(subscription)
        with self._changed:
            self._subscriptions.append(subscription)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="zoom-sandbox-hooks", daemon=True)
                self._thread.start()

    def validate(self, subscription: Subscription) -> None:
        """Check, as Zoom does, that a URL knows the secret; raise ValueError if it does not."""
        token = token_urlsafe(16)
        now = self._account.clock()
        challenge = {
            "event": "endpoint.url_validation",
            "payload": {"plainToken": token},
            "event_ts": int(now * 1000),
        }
        body = json.dumps(challenge).encode()
        status, answer = _post(subscription.url, body, sign(body, subscription.secret, now))
        expected = {"plainToken": token, "encryptedToken": _digest(subscription.secret, token.encode())}
        try:
            is_valid = status == 200 and json.loads(answer) == expected
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ValueError(f"{subscription.url} failed the URL validation (status {status})")

    @property
    def subscriptions(self) -> list[Subscription]:
        """A copy of the list of subscriptions."""
        return list(self._subscriptions)

    def emit(self, event: str, payload: dict[str, Any], *, client_id: str | None = None) -> None:
        """Send an event to all matching subscriptions, or only to those of the app `client_id`.

        The event has no `event_ts` of its own if its payload has one.
        """
        now = self._account.clock()
        data = {"event": event, "event_ts": int(now * 1000), "payload": payload}
        if "event_ts" in payload:
            del data["event_ts"]
        body = json.dumps(data, ensure_ascii=False).encode()
        with self._changed:
            for to in self._subscriptions:
                is_theirs = client_id is None or to.client_id == client_id
                if is_theirs and any(fnmatchcase(event, pattern) for pattern in to.events):
                    headers = {**sign(body, to.secret, now), "x-zm-request-id": token_hex(16)}
                    self._pending.append(Delivery(event=event, to=to, body=body, headers=headers, since=now, due=now))
            self._changed.notify_all()

    def start_meeting(self, number: int) -> None:
        """Start a meeting, as if its host had joined."""
        meeting = self._account.meetings[number]
        meeting.status = "started"
        self.emit(*emits.live(meeting, None))

    def end_meeting(self, number: int) -> None:
        """End a meeting."""
        meeting = self._account.meetings[number]
        meeting.status = "waiting"
        self.emit(*emits.live(meeting, self._account.clock()))

    def carry_out(self, handler: Callable[[Account, Call], Any], call: Call) -> Any:
        """Call the handler, send the events that the call causes, and return the handler's result."""
        if not self._subscriptions:
            return handler(self._account, call)
        old = emits.before(self._account, call)
        answer = handler(self._account, call)
        for event, payload in emits.after(self._account, call, old, answer):
            self.emit(event, payload)
        return answer

    def wait_until_idle(self, seconds: float = 10.0) -> bool:
        """Wait up to `seconds` until no delivery is due by the account's clock; return False if one still is."""
        until = time.monotonic() + seconds
        with self._changed:
            self._changed.notify_all()
            while self._sending or any(each.due <= self._account.clock() for each in self._pending):
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True

    def close(self) -> None:
        """Stop sending and wait for the thread."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                now = self._account.clock()
                delivery = next((each for each in self._pending if each.due <= now), None)
                if not self._is_open:
                    return
                if delivery is None:
                    self._changed.wait(0.2)  # a test can move its clock without notifying this thread
                    continue
                self._pending.remove(delivery)
                self._sending += 1
            status, _ = _post(delivery.to.url, delivery.body, delivery.headers)
            with self._changed:
                self.sent.append(
                    DeliveryAttempt(
                        event=delivery.event,
                        url=delivery.to.url,
                        status=status,
                        attempt=delivery.attempt,
                        body=delivery.body,
                    )
                )
                if (status == 0 or status >= 500) and delivery.attempt <= len(RETRIES):
                    due = delivery.since + RETRIES[delivery.attempt - 1]
                    self._pending.append(replace(delivery, due=due, attempt=delivery.attempt + 1))
                self._sending -= 1
                self._changed.notify_all()


def sign(body: bytes, secret: str, now: float) -> dict[str, str]:
    """Return the signature headers that Zoom would send with these bytes at `now`."""
    timestamp = str(int(now))
    return {
        "x-zm-signature": f"v0={_digest(secret, f'v0:{timestamp}:'.encode() + body)}",
        "x-zm-request-timestamp": timestamp,
    }


def _digest(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Post once; return status and body. The status is 0 if no response arrives in time."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    sent = {"content-type": "application/json; charset=utf-8", "user-agent": "Zoom Marketplace/1.0a", **headers}
    try:
        connection.request("POST", f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read(100_000)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
