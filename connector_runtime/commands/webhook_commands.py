"""The commands about webhooks: `events`, `listen`, `send-event`, `inbox`."""

from __future__ import annotations

import copy
import json
import logging
import sys
import time
from collections.abc import Iterator, Mapping
from secrets import token_urlsafe
from typing import Any

from ..errors import ApiError, InputError, Problem, TransportError
from ..language import hosts, secrets
from ..language.schema_faults import nearest
from ..model import Request
from ..triggers.events import Event
from ..triggers.webhook import OWN, Notification, Trigger
from .context import Context, listening_socket, print_json, print_table, put, say, wrong
from .options import parser

TIMEOUT = 10.0  # seconds


def events(context: Context, arguments: list[str]) -> None:
    """List the events that a webhook can report."""
    if arguments[:1] == ["show"]:
        _show(context, arguments[1:])
        return
    command = parser(context, "events", events.__doc__, "events 'meeting.*'")
    command.add_argument("pattern", metavar="PATTERN", nargs="?", help="only matching events; * matches any characters")
    command.add_argument("--product", metavar="NAME", help="only events of this product")
    command.epilog = f"{command.epilog}\n\n`{context.prog} events show NAME` shows one event, its fields and a sample."
    chosen = command.parse_args(arguments)
    trigger = _trigger(context)
    products = sorted({event.product for event in trigger.events.values()})
    if chosen.product and chosen.product.lower() not in [name.lower() for name in products]:
        what = f"is not a product.{nearest(chosen.product, products)} Known: {', '.join(products)}."
        raise wrong("events", "--product", what)
    selection = trigger.filter({"event": chosen.pattern})
    rows = [
        (name, f"{event.label} · {event.product}{' · deprecated' if event.deprecated else ''}")
        for name, event in trigger.events.items()
        if not selection.patterns or any(pattern.fullmatch(name) for pattern in selection.patterns)
        if not chosen.product or event.product.lower() == chosen.product.lower()
    ]
    if not rows:
        unknown = [problem.replace(where="PATTERN") for problem in selection.warnings]
        raise InputError.of("events", unknown or [Problem("PATTERN", "matches no event of this product")])
    print_table(rows)


def _show(context: Context, arguments: list[str]) -> None:
    """Show an event: product, scopes, the fields of its payload and a sample."""
    command = parser(context, "events show", _show.__doc__, "events show meeting.started")
    command.add_argument("name", metavar="NAME", help=f"a name from `{context.prog} events`")
    command.add_argument("--json", action="store_true", help="print its entry in the catalogue, with a JSON Schema")
    chosen = command.parse_args(arguments)
    event = _event(_trigger(context), chosen.name)
    if chosen.json:
        print_json(event.entry())
        return
    put(f"{event.name}: {event.label} ({event.product}){', deprecated' if event.deprecated else ''}\n")
    for kind, names in event.scopes.items():
        if names:
            put(f"  {kind} scopes, any of: {', '.join(names)}")
    put("")
    print_table(list(_fields(event.schema)), indent="  ")
    put("\nsample:")
    print_json(event.sample)


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the path and the facts of each field of an event, without the items of lists, which have no name."""
    for path, face in secrets.fields(schema):
        facts = [str(face.get("format") or face.get("type", ["any"])[0])]  # the documented type comes first
        if "examples" in face:
            facts.append(f"such as {', '.join(json.dumps(value) for value in face['examples'])}")
        if path and not path.endswith("*"):
            yield path.replace(".*", "[]"), " · ".join(facts)


def listen(context: Context, arguments: list[str]) -> None:
    """Receive webhooks on this machine and print each as JSON.

    Events are not stored. If a user removes the app, the stored connection ends.
    """
    command = parser(context, "listen", listen.__doc__, "listen --filter event='meeting.*'")
    trigger = _trigger(context)
    command.add_argument("--address", default="127.0.0.1", metavar="TEXT", help="the address (default: 127.0.0.1)")
    command.add_argument("--port", type=int, default=8200, metavar="N", help="the port; 0 picks one (default: 8200)")
    keys = f"only matching events, by {', '.join((*OWN, *trigger.filters))}; repeatable"
    command.add_argument("--filter", metavar="KEY=VALUE", action="append", default=[], help=keys)
    chosen = command.parse_args(arguments)
    secrets = _secrets(context, trigger)
    patterns: dict[str, list[str]] = {}
    for text in chosen.filter:
        key, _, value = text.partition("=")
        patterns.setdefault(key, []).append(value)
    try:
        import uvicorn
    except ImportError:
        raise InputError("listen needs uvicorn.", hint="Install it: pip install uvicorn") from None
    from ..connections.owners import end
    from ..stores.store import MemoryStore
    from ..triggers.receiver import webhook_app

    def show(event: Notification) -> None:
        put(json.dumps(event.to_dict(), ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    logging.getLogger("connector_runtime").setLevel(logging.INFO)

    def disconnect(event: Notification) -> None:
        with context.existing_store() as store:
            for owner in [] if store is None else end(context.load(None), store, event, trusted=True):
                say(f"{owner.name} has ended, because its user removed the app.")

    app = webhook_app(trigger, secrets, show, store=MemoryStore(), filter=patterns, disconnect=disconnect)
    with listening_socket(chosen.address, chosen.port) as port:
        url = f"http://{chosen.address}:{port.getsockname()[1]}/"
        say(f"Listening at {url}; press Ctrl-C to stop. In another terminal:\n")
        say(f"  {context.prog} send-event {next(iter(trigger.events), 'NAME')} --to {url}")
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[port])


def send_event(context: Context, arguments: list[str]) -> None:
    """Sign a sample event and post it, to try out a flow without waiting for a real event."""
    example = "send-event meeting.started --to http://127.0.0.1:8200/ --set payload.object.topic=Retro"
    command = parser(context, "send-event", send_event.__doc__, example)
    command.add_argument("name", metavar="NAME", help=f"an event from `{context.prog} events`, or the challenge")
    command.add_argument("--to", metavar="URL", required=True, help="the URL of the receiver")
    command.add_argument("--set", metavar="PATH=VALUE", action="append", default=[], help="change a field; repeatable")
    command.add_argument("--unchanged", action="store_true", help="keep the sample's time, to repeat the same event")
    chosen = command.parse_args(arguments)
    trigger = _trigger(context)
    secret = next(iter(_secrets(context, trigger).values()))[0]
    challenge = trigger.challenge(token_urlsafe(16))
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
    from .. import transport  # slow to load

    parts = hosts.parts(chosen.to)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong("send-event", "--to", f"{chosen.to!r} must be a URL such as http://127.0.0.1:8200/")
    request = Request("POST", parts.path, chosen.to, chosen.to, tuple(headers.items()), body, body=None)
    try:
        response = transport.send(request, TIMEOUT)
    except TransportError as error:
        raise error.with_message(error.message, hint="Is the receiver running?") from None
    status, answer = response.status, response.content
    if not 200 <= status < 300:
        text = answer.decode("utf-8", "replace")[:300]
        raise ApiError(f"{chosen.to} responded with {status}: {text or '(no text)'}", status=status)
    if expected is not None and _as_json(answer) != expected:
        raise ApiError("The response to the challenge is not the digest of the secret.", status=status)
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
        what = f"{text!r} must be PATH=VALUE, such as payload.object.topic=Retro, where PATH leads to a field"
        raise wrong("send-event", "--set", what)
    data[steps[-1]] = value if isinstance(data.get(steps[-1]), str) else _as_json(value.encode())


def _as_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace") or None


def inbox(context: Context, arguments: list[str]) -> None:
    """List the events in a receiver's store that are waiting or were put aside, one JSON object per line."""
    from ..stores.databases import open_store
    from ..triggers.inbox import Inbox
    from ..triggers.receiver import STORE

    command = parser(context, "inbox", inbox.__doc__, "inbox --replay all")
    command.add_argument("--store", metavar="URL", default=STORE, help=f"the receiver's store (default: {STORE})")
    command.add_argument("--replay", metavar="EVENT_ID", help="deliver an event again; `all` for every event put aside")
    chosen = command.parse_args(arguments)
    trigger = _trigger(context)
    queue = Inbox(open_store(chosen.store), trigger.key)
    if chosen.replay:
        ids = [entry.event_id for entry in queue.aside()] if chosen.replay == "all" else [chosen.replay]
        missing = [event_id for event_id in ids if not queue.replay(event_id, time.time())]
        if missing:
            raise wrong("inbox", "--replay", f"{missing[0]!r} was not put aside")
        say(f"{len(ids)} event{'' if len(ids) == 1 else 's'} will be delivered again")
        return
    for state, entries in (("waiting", queue.waiting()), ("aside", queue.aside())):
        for entry in entries:
            event = trigger.read(entry.body, entry.headers).to_dict()
            put(json.dumps({"state": state, "failures": entry.failures, "reason": entry.reason, **event}))


def _trigger(context: Context) -> Trigger:
    connector = context.load(None)
    if not connector.triggers:
        raise InputError(f"{connector.profile.label} has no trigger.")
    return next(iter(connector.triggers.values()))


def _event(trigger: Trigger, name: str) -> Event:
    if name not in trigger.events:
        what = f"is not a documented event.{nearest(name, trigger.events)}"
        raise InputError(f"'{name}' {what}", problems=[Problem("NAME", f"{name!r} {what}")])
    return trigger.events[name]


def secrets_of(context: Context, trigger: Trigger) -> dict[str, list[str]]:
    """Return the secrets of a trigger by client id, from the environment; empty if there are none.

    They are separated by spaces or commas, each as SECRET or CLIENT_ID=SECRET. A bare secret belongs to the app whose
    client id is in the environment; its key is "" if there is none.
    """
    connector, secrets = context.load(None), dict[str, list[str]]()
    rows = [row for kind in connector.connections.values() for row in kind.inputs]
    client_ids = (context.setting(row.key) for row in rows if any(str(place) == "client.id" for place in row.to))
    own = next(filter(None, client_ids), "")
    for text in (context.setting(trigger.secret_input) or "").replace(",", " ").split():
        app, _, secret = text.partition("=")
        if not secret.strip("="):  # = at the end is base64 padding, not a pair
            app, secret = own, text
        secrets.setdefault(app, []).append(secret)
    return secrets


def _secrets(context: Context, trigger: Trigger) -> dict[str, list[str]]:
    secrets = secrets_of(context, trigger)
    if not secrets:
        hint = f"Set {context.variable(trigger.secret_input)} to the same value for the sender and the receiver."
        raise InputError("The secret of the webhook is not set.", hint=hint)
    return secrets
