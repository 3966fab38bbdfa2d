"""The commands about webhooks: `events`, `listen`, `send-event`, `inbox`."""

from __future__ import annotations

import copy
import http.client
import json
import logging
import secrets as randomness
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import ApiError, InputError, Problem, TransportError
from ..language.wording import nearest
from ..triggers.events import OWN, Event
from ..triggers.webhook import Notification, Trigger
from .cli import Context, parser

TIMEOUT = 10.0  # seconds


def events(context: Context, arguments: list[str]) -> int:
    """List the documented events, or show one with its fields and a sample."""
    if arguments[:1] == ["show"]:
        return _show(context, arguments[1:])
    asked = parser(context, "events", "List the events a webhook can tell of.", "events 'meeting.*'")
    asked.add_argument("pattern", metavar="PATTERN", nargs="?", help="only these; * stands for any text")
    asked.add_argument("--product", metavar="NAME", help="only those of this product")
    asked.epilog = f"{context.prog} events show NAME shows one with its fields and a sample."
    chosen = asked.parse_args(arguments)
    trigger = _trigger(context)
    products = sorted({event.product for event in trigger.events.values()})
    if chosen.product and chosen.product.lower() not in [name.lower() for name in products]:
        what = f"is no product here.{nearest(chosen.product, products)} Known: {', '.join(products)}."
        raise InputError.of("events", [Problem("--product", what)])
    wanted = trigger.filter({"event": chosen.pattern})
    found = [
        event
        for name, event in trigger.events.items()
        if any(pattern.fullmatch(name) for pattern in wanted.patterns or ()) or not wanted.patterns
        if not chosen.product or event.product.lower() == chosen.product.lower()
    ]
    if not found:
        raise InputError.of("events", wanted.warnings or [Problem("PATTERN", "fits no event of this product")])
    width = max(len(event.name) for event in found)
    for event in found:
        print(f"{event.name:<{width}}  {event.label} · {event.product}{' · deprecated' if event.deprecated else ''}")
    return 0


def _show(context: Context, arguments: list[str]) -> int:
    says = "Show an event: product, scopes, the fields of its payload and a sample."
    asked = parser(context, "events show", says, "events show meeting.started")
    asked.add_argument("name", metavar="NAME", help=f"a name from `{context.prog} events`")
    asked.add_argument("--json", action="store_true", help="with its JSON Schema, as the catalogue has it")
    chosen = asked.parse_args(arguments)
    event = _event(_trigger(context), chosen.name)
    if chosen.json:
        print(json.dumps(event.entry(), ensure_ascii=False, indent=2))
        return 0
    print(f"{event.name}: {event.label} ({event.product}){', deprecated' if event.deprecated else ''}\n")
    for kind, names in event.scopes.items():
        if names:
            print(f"  {kind} scopes, any of: {', '.join(names)}")
    rows = list(_fields(event.schema, event.schema.get("$defs", {})))
    width = max(len(path) for path, _ in rows)
    print()
    for path, kind in rows:
        print(f"  {path:<{width}}  {kind}")
    print("\nsample:")
    print(json.dumps(event.sample, ensure_ascii=False, indent=2))
    return 0


def _fields(shape: Mapping[str, Any], shared: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Each field's path and what it holds."""
    if "$ref" in shape:
        shape = shared[shape["$ref"].removeprefix("#/$defs/")]
    for name, inner in shape.get("properties", {}).items():
        while "$ref" in inner:
            inner = shared[inner["$ref"].removeprefix("#/$defs/")]
        here = f"{path}.{name}" if path else name
        said = [str(inner.get("format") or inner.get("type") or ("text" if "const" in inner else "any"))]
        if "enum" in inner:
            said.append(f"one of {', '.join(json.dumps(value) for value in inner['enum'])}")
        if name in shape.get("required", ()):
            said.append("always there")
        yield here, " · ".join(said)
        yield from _fields(inner, shared, here)
        if "items" in inner:
            yield from _fields(inner["items"], shared, f"{here}[]")


def listen(context: Context, arguments: list[str]) -> int:
    """Receive webhooks on this machine and print each as it arrives."""
    asked = parser(
        context,
        "listen",
        "Receive webhooks on this machine and print each as JSON. Nothing is kept.",
        "listen --filter event='meeting.*'",
    )
    trigger = _trigger(context)
    asked.add_argument("--address", default="127.0.0.1", metavar="TEXT", help="where to listen (127.0.0.1)")
    asked.add_argument("--port", type=int, default=8200, metavar="N", help="0 takes a free one (8200)")
    known = ", ".join((*OWN, *trigger.filters))
    asked.add_argument("--filter", metavar="KEY=VALUE", action="append", default=[], help=f"only what fits: {known}")
    chosen = asked.parse_args(arguments)
    secret = _secret(context, trigger)
    wanted: dict[str, list[str]] = {}
    for text in chosen.filter:
        key, _, value = text.partition("=")
        wanted.setdefault(key, []).append(value)
    try:
        import uvicorn
    except ImportError:
        raise InputError("listen needs uvicorn.", hint="Install it: pip install uvicorn") from None
    from ..stores.store import MemoryStore
    from ..triggers.receiver import webhook_app

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("connector_runtime").setLevel(logging.INFO)
    app = webhook_app(trigger, secret, _print, store=MemoryStore(), filter=wanted)
    with _bound(chosen.address, chosen.port) as port:
        url = f"http://{chosen.address}:{port.getsockname()[1]}/"
        print(f"Listening at {url}; Ctrl-C ends it. In another terminal:\n", file=sys.stderr)
        name = next(iter(trigger.events), "NAME")
        print(f"  {context.prog} send-event {name} --to {url}", file=sys.stderr, flush=True)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
        server.run(sockets=[port])
    return 0


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        hint = "Choose another --port."
        raise InputError(f"Port {port} of {host} cannot be opened: {error.strerror}.", hint=hint) from None


def _print(found: Notification) -> None:
    text = json.dumps(found.to_dict(), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
    print(text.encode("utf-8", "backslashreplace").decode(), flush=True)


def send_event(context: Context, arguments: list[str]) -> int:
    """Sign a sample event and post it, as the vendor would."""
    asked = parser(
        context,
        "send-event",
        "Sign a sample of an event and post it, so that a flow can be tried without waiting for the real one.",
        "send-event meeting.started --to http://127.0.0.1:8200/ --set payload.object.topic=Retro",
    )
    asked.add_argument("name", metavar="NAME", help=f"an event from `{context.prog} events`, or the challenge's name")
    asked.add_argument("--to", metavar="URL", required=True, help="where the receiver listens")
    asked.add_argument("--set", metavar="PATH=VALUE", action="append", default=[], help="change a field of the sample")
    asked.add_argument("--unchanged", action="store_true", help="keep the sample's time, so that it repeats itself")
    chosen = asked.parse_args(arguments)
    trigger = _trigger(context)
    secret = _secret(context, trigger)
    token = randomness.token_urlsafe(16)
    challenge = trigger.challenge(token)
    if challenge and trigger.read(challenge[0], {}).event == chosen.name:
        body, expected = challenge[0], challenge[1](secret)
    else:
        sample = copy.deepcopy(_event(trigger, chosen.name).sample)
        if not chosen.unchanged:
            trigger.stamp(sample, time.time())
        for text in chosen.set:
            _set(sample, text)
        body, expected = json.dumps(sample, ensure_ascii=False).encode(), None
    headers = {"content-type": "application/json; charset=utf-8", **trigger.sign(body, secret, time.time())}
    status, answer = _post(chosen.to, body, headers)
    if not 200 <= status < 300:
        said = answer.decode("utf-8", "replace")[:300]
        raise ApiError(f"{chosen.to} answered {status}: {said or 'nothing'}", status=status)
    if expected is not None and _as_json(answer) != expected:
        raise ApiError("The challenge was answered with something else than the secret's digest.", status=status)
    print(json.dumps({"status": status, "answer": _as_json(answer)}, ensure_ascii=False))
    return 0


def _set(sample: dict[str, Any], text: str) -> None:
    path, equals, value = text.partition("=")
    steps = path.split(".")
    data: Any = sample
    for step in steps[:-1]:
        data = data[int(step)] if isinstance(data, list) and step.isdecimal() and int(step) < len(data) else data
        if isinstance(data, dict):
            data = data.setdefault(step, {})
    if not equals or not isinstance(data, dict):
        what = f"{text!r} must be PATH=VALUE, as in payload.object.topic=Retro, and lead to a field"
        raise InputError.of("send-event", [Problem("--set", what)])
    data[steps[-1]] = value if isinstance(data.get(steps[-1]), str) else _as_json(value.encode())


def _as_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace") or None


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Post once, without following redirects."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError.of("send-event", [Problem("--to", f"{url!r} is no URL such as http://127.0.0.1:8200/")])
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname, parts.port, timeout=TIMEOUT)
        target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request("POST", target, body, headers)
        answer = connection.getresponse()
        said = answer.read(100_000)
        connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise TransportError(f"{url} cannot be reached: {reason}.", hint="Is the receiver running?") from None
    return answer.status, said


def inbox(context: Context, arguments: list[str]) -> int:
    """List the events that wait or were put aside, or replay some."""
    from ..stores.opening import open_store
    from ..triggers.inbox import Held, Inbox
    from ..triggers.receiver import STORE

    says = "List the events of a receiver's store that wait or were put aside, as lines of JSON."
    asked = parser(context, "inbox", says, "inbox --replay all")
    asked.add_argument("--store", metavar="URL", default=STORE, help=f"the receiver's store ({STORE})")
    asked.add_argument("--replay", metavar="EVENT_ID", help="deliver this event again, or all that were put aside")
    chosen = asked.parse_args(arguments)
    found = Inbox(open_store(chosen.store), _trigger(context).key)
    if chosen.replay:
        ids = [held.event_id for held in found.aside()] if chosen.replay == "all" else [chosen.replay]
        missing = [event_id for event_id in ids if not found.replay(event_id, time.time())]
        if missing:
            raise InputError.of("inbox", [Problem("--replay", f"{missing[0]!r} was not put aside")])
        print(f"{len(ids)} to be delivered again", file=sys.stderr)
        return 0

    def line(state: str, held: Held) -> None:
        said = _trigger(context).read(held.body, held.headers)
        print(json.dumps({"state": state, "failures": held.failures, "reason": held.reason, **said.to_dict()}))

    for held in found.waiting():
        line("waiting", held)
    for held in found.aside():
        line("aside", held)
    return 0


def _trigger(context: Context) -> Trigger:
    connector = context.load(None)
    if not connector.triggers:
        raise InputError(f"{connector.profile.label} has no trigger.")
    return next(iter(connector.triggers.values()))


def _event(trigger: Trigger, name: str) -> Event:
    if name not in trigger.events:
        what = f"is no event that is documented.{nearest(name, trigger.events)}"
        raise InputError(f"'{name}' {what}", problems=[Problem("NAME", f"{name!r} {what}")])
    return trigger.events[name]


def _secret(context: Context, trigger: Trigger) -> str:
    key = next(row.key for row in trigger.inputs if any(str(place) == "verify.secret" for place in row.to))
    secret = context.setting(key)
    if secret is None:
        name = f"{context.load(None).key}_{key}".upper().replace("-", "_")
        raise InputError("There is no secret to sign with.", hint=f"Set {name} to the same text here and there.")
    return secret
