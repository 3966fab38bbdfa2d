"""The demo: real actions over real HTTP, each with its request and its result. It prints through `say` only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connector_runtime.client import Client
from connector_runtime.definitions.connector import Connector
from connector_runtime.errors import ConnectorError

Seen = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One action to run; `inputs` are made from what earlier steps gave, and its result is kept as `name`."""

    says: str
    key: str
    inputs: Callable[[Seen], dict[str, Any]]
    name: str = ""
    fails: bool = False


USER = (
    Step(
        "A new colleague gets a Zoom user.",
        "create-user",
        lambda seen: {"email": "grace@demo.example", "first_name": "Grace", "last_name": "Hopper", "user_type": 2},
        "host",
    ),
    Step(
        "Her profile gets a department, without touching anything else.",
        "update-user",
        lambda seen: {"user_id": seen["host"]["id"], "department": "Compilers"},
    ),
)
MEETING = (
    Step(
        "A meeting every Sunday and Tuesday, four times, with registration.",
        "create-meeting",
        lambda seen: {
            "user_id": seen["host"]["id"],
            "topic": "Weekly sync",
            "type": 8,
            "start_time": "2030-01-06T10:00:00+01:00",
            "timezone": "Europe/Berlin",
            "duration": 30,
            "type_recurrence": 2,
            "weekly_day": "1,3",
            "end_times": 4,
            "approval_type": 0,
        },
        "meeting",
    ),
)
REGISTRANTS = (
    *(
        Step(
            f"{name} registers.",
            "add-meeting-registrant",
            lambda seen, name=name: {  # type: ignore[misc]
                "meeting_id": seen["meeting"]["id"],
                "email": f"{name.lower()}@demo.example",
                "first_name": name,
            },
        )
        for name in ("Ada", "Alan")
    ),
    Step(
        "Who is coming? All pages are read.",
        "list-meeting-registrants",
        lambda seen: {"meeting_id": seen["meeting"]["id"]},
    ),
)
CHANGES = (
    Step(
        "The topic changes; nothing else is sent.",
        "update-meeting",
        lambda seen: {"meeting_id": seen["meeting"]["id"], "topic": "Weekly sync, now with cake"},
    ),
    Step(
        "The text to invite people with.",
        "get-meeting-invitation",
        lambda seen: {"meeting_id": seen["meeting"]["id"]},
    ),
    Step(
        "What has no action of its own goes as a raw request: the meeting is deleted.",
        "raw-request",
        lambda seen: {"method": "DELETE", "url": f"/meetings/{seen['meeting']['id']}"},
    ),
    Step(
        "It is gone, and the error says so.",
        "get-meeting",
        lambda seen: {"meeting_id": seen["meeting"]["id"]},
        fails=True,
    ),
)
LEAVING = (
    Step("All users of the account.", "list-users", lambda seen: {}),
    Step(
        "She leaves the account; what becomes of her user is never left to the vendor.",
        "delete-user",
        lambda seen: {"user_id": seen["host"]["id"]},
    ),
)
SANDBOX_STEPS = (*USER, *MEETING, *REGISTRANTS, *CHANGES, *LEAVING)
ACCOUNT_STEPS = (*MEETING, *CHANGES)  # on a real account nobody is created, registered or deleted


def play(connector: Connector, client: Client, base_url: str | None, steps: tuple[Step, ...], say: Say) -> None:
    """Run the steps; raises the first error that the demo did not expect."""
    seen: dict[str, Any] = {"host": {"id": "me"}}
    for number, step in enumerate(steps, 1):
        inputs = step.inputs(seen)
        say(f"\n{number}. {step.says}")
        for line in _request(connector, base_url, step.key, inputs):
            say(line)
        try:
            result = client.run(step.key, inputs)
        except ConnectorError as error:
            if not step.fails:
                raise
            say(f"   < {type(error).__name__}: {error}")
            continue
        seen[step.name] = result.data
        for line in _result(result.status, result.data):
            say(line)


def _request(connector: Connector, base_url: str | None, key: str, inputs: dict[str, Any]) -> Iterator[str]:
    shown = connector.actions[key].preview(inputs, base_url=base_url)
    yield f"   $ {key} " + " ".join(f"--{name.replace('_', '-')} {json.dumps(value)}" for name, value in inputs.items())
    yield f"   > {shown['method']} {shown['url']}"
    if shown["body"] is not None:
        yield f"   > {_short(shown['body'], 200)}"
    for warning in shown["warnings"]:
        yield f"   ! {warning['what']}"


def _result(status: int, data: Any) -> Iterator[str]:
    lists = {name: value for name, value in data.items() if isinstance(value, list)} if isinstance(data, dict) else {}
    plain = {name: value for name, value in data.items() if name not in lists and not isinstance(value, dict)}
    yield f"   < {status} {_short(plain, 160)}"
    for name, items in lists.items():
        yield f"   < {len(items)} {name}: {', '.join(_name(item) for item in items[:6])}{' …' if items[6:] else ''}"


def _name(item: Any) -> str:
    if not isinstance(item, dict):
        return str(item)
    return str(item.get("email") or item.get("start_time") or item.get("topic") or item.get("id"))


def _short(data: Any, most: int) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 1]}…"
