"""The commands about webhooks: `events`, `listen`, `send-event`, `inbox`."""

from __future__ import annotations

import copy
import http.client
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from secrets import token_urlsafe
from typing import Any

from ..errors import ApiError, InputError, Problem, TransportError
from ..language import hosts
from ..language.schema_faults import nearest
from ..triggers.events import Event
from ..triggers.webhook import OWN, Notification, Trigger
from .context import Context, listening_socket, print_json, print_table, put, say, wrong
from .options import parser

TIMEOUT = 10.0  # seconds


def events(context: Context, arguments: list[str]) -> None:
    """List the events a webhook can tell of."""
    if arguments[:1] == ["show"]:
        _show(context, arguments[1:])
        return
    asked = parser(context, "events", events.__doc__, "events 'meeting.*'")
    asked.add_argument("pattern", metavar="PATTERN", nargs="?", help="only these; * stands for any text")
    asked.add_argument("--product", metavar="NAME", help="only those of this product")
    asked.epilog = f"{asked.epilog}\n\n{context.prog} events show NAME shows one with its fields and a sample."
    chosen = asked.parse_args(arguments)
    trigger = _trigger(context)
    products = sorted({event.product for event in trigger.events.values()})
    if chosen.product and chosen.product.lower() not in [name.lower() for name in products]:
        what = f"is no product here.{nearest(chosen.product, products)} Known: {', '.join(products)}."
        raise wrong("events", "--product", what)
    wanted = trigger.filter({"event": chosen.pattern})
    found = [
        event
        for name, event in trigger.events.items()
        if not wanted.patterns or any(pattern.fullmatch(name) for pattern in wanted.patterns)
        if not chosen.product or event.product.lower() == chosen.product.lower()
    ]
    if not found:
        raise InputError.of("events", wanted.warnings or [Problem("PATTERN", "fits no event of this product")])
    old = " · deprecated"
    print_table([(each.name, f"{each.label} · {each.product}{old if each.deprecated else ''}") for each in found])


def _show(context: Context, arguments: list[str]) -> None:
    """Show an event: product, scopes, the fields of its payload and a sample."""
    asked = parser(context, "events show", _show.__doc__, "events show meeting.started")
    asked.add_argument("name", metavar="NAME", help=f"a name from `{context.prog} events`")
    asked.add_argument("--json", action="store_true", help="with its JSON Schema, as the catalogue has it")
    chosen = asked.parse_args(arguments)
    event = _event(_trigger(context), chosen.name)
    if chosen.json:
        print_json(event.entry())
        return
    put(f"{event.name}: {event.label} ({event.product}){', deprecated' if event.deprecated else ''}\n")
    for kind, names in event.scopes.items():
        if names:
            put(f"  {kind} scopes, any of: {', '.join(names)}")
    put("")
    print_table(list(_fields(event.schema, event.schema.get("$defs", {}))), indent="  ")
    put("\nsample:")
    print_json(event.sample)


def _fields(shape: Mapping[str, Any], shared: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
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


def listen(context: Context, arguments: list[str]) -> None:
    """Receive webhooks on this machine and print each as JSON. Nothing is kept; a stored connection whose user has
    removed the app ends.
    """
    asked = parser(context, "listen", listen.__doc__, "listen --filter event='meeting.*'")
    trigger = _trigger(context)
    asked.add_argument("--address", default="127.0.0.1", metavar="TEXT", help="where to listen (127.0.0.1)")
    asked.add_argument("--port", type=int, default=8200, metavar="N", help="0 takes a free one (8200)")
    known = ", ".join((*OWN, *trigger.filters))
    asked.add_argument("--filter", metavar="KEY=VALUE", action="append", default=[], help=f"only what fits: {known}")
    chosen = asked.parse_args(arguments)
    secrets = _secrets(context, trigger)
    wanted: dict[str, list[str]] = {}
    for text in chosen.filter:
        key, _, value = text.partition("=")
        wanted.setdefault(key, []).append(value)
    try:
        import uvicorn
    except ImportError:
        raise InputError("listen needs uvicorn.", hint="Install it: pip install uvicorn") from None
    from ..connections.owners import end
    from ..stores.store import MemoryStore
    from ..triggers.receiver import webhook_app

    def show(found: Notification) -> None:
        text = json.dumps(found.to_dict(), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None)
        put(text)

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("connector_runtime").setLevel(logging.INFO)

    def disconnect(found: Notification) -> None:
        with context.known() as store:
            for owner in [] if store is None else end(context.load(None), store, found, trusted=True):
                say(f"{owner.name} has ended: its user has removed the app.")

    more: dict[str, Any] = {"filter": wanted, "disconnect": disconnect}
    app = webhook_app(trigger, secrets, show, store=MemoryStore(), **more)
    with listening_socket(chosen.address, chosen.port) as port:
        url = f"http://{chosen.address}:{port.getsockname()[1]}/"
        say(f"Listening at {url}; Ctrl-C ends it. In another terminal:\n")
        say(f"  {context.prog} send-event {next(iter(trigger.events), 'NAME')} --to {url}")
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[port])


def send_event(context: Context, arguments: list[str]) -> None:
    """Sign a sample of an event and post it, so that a flow can be tried without waiting for the real one."""
    example = "send-event meeting.started --to http://127.0.0.1:8200/ --set payload.object.topic=Retro"
    asked = parser(context, "send-event", send_event.__doc__, example)
    asked.add_argument("name", metavar="NAME", help=f"an event from `{context.prog} events`, or the challenge's name")
    asked.add_argument("--to", metavar="URL", required=True, help="where the receiver listens")
    asked.add_argument("--set", metavar="PATH=VALUE", action="append", default=[], help="change a field of the sample")
    asked.add_argument("--unchanged", action="store_true", help="keep the sample's time, so that it repeats itself")
    chosen = asked.parse_args(arguments)
    trigger = _trigger(context)
    secret = next(iter(_secrets(context, trigger).values()))[0]
    token = token_urlsafe(16)
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
    put(json.dumps({"status": status, "answer": _as_json(answer)}, ensure_ascii=False), once=True)


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
        raise wrong("send-event", "--set", what)
    data[steps[-1]] = value if isinstance(data.get(steps[-1]), str) else _as_json(value.encode())


def _as_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace") or None


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Post once, without following redirects."""
    parts = hosts.parts(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong("send-event", "--to", f"{url!r} is no URL such as http://127.0.0.1:8200/")
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


def inbox(context: Context, arguments: list[str]) -> None:
    """List the events of a receiver's store that wait or were put aside, as lines of JSON."""
    from ..stores.databases import open_store
    from ..triggers.inbox import Inbox
    from ..triggers.receiver import STORE

    asked = parser(context, "inbox", inbox.__doc__, "inbox --replay all")
    asked.add_argument("--store", metavar="URL", default=STORE, help=f"the receiver's store ({STORE})")
    asked.add_argument("--replay", metavar="EVENT_ID", help="deliver this event again, or all that were put aside")
    chosen = asked.parse_args(arguments)
    trigger = _trigger(context)
    found = Inbox(open_store(chosen.store), trigger.key)
    if chosen.replay:
        ids = [queued.event_id for queued in found.aside()] if chosen.replay == "all" else [chosen.replay]
        missing = [event_id for event_id in ids if not found.replay(event_id, time.time())]
        if missing:
            raise wrong("inbox", "--replay", f"{missing[0]!r} was not put aside")
        say(f"{len(ids)} to be delivered again")
        return
    for state, entries in (("waiting", found.waiting()), ("aside", found.aside())):
        for queued in entries:
            said = trigger.read(queued.body, queued.headers)
            put(
                json.dumps(
                    {
                        "state": state,
                        "failures": queued.failures,
                        "reason": queued.reason,
                        **said.to_dict(),
                    }
                )
            )


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


def secrets_of(context: Context, trigger: Trigger) -> dict[str, list[str]]:
    """The secrets of a trigger by client id, as the environment has them; empty if it has none.

    There may be several with blanks or commas between them, each alone or as CLIENT_ID=SECRET. One that stands alone is
    of the app whose client id the environment has, or of no known app.
    """
    connector, found = context.load(None), dict[str, list[str]]()
    rows = [row for kind in connector.connections.values() for row in kind.inputs]
    named = (context.setting(row.key) for row in rows if any(str(place) == "client.id" for place in row.to))
    own = next(filter(None, named), "")
    for text in (context.setting(trigger.secret_input) or "").replace(",", " ").split():
        app, _, secret = text.partition("=")
        if not secret.strip("="):  # what ends a text in base64 makes no pair
            app, secret = own, text
        found.setdefault(app, []).append(secret)
    return found


def _secrets(context: Context, trigger: Trigger) -> dict[str, list[str]]:
    found = secrets_of(context, trigger)
    if not found:
        hint = f"Set {context.variable(trigger.secret_input)} to the same text here and there."
        raise InputError("There is no secret to sign with.", hint=hint)
    return found
