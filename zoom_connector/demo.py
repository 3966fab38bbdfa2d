"""The demo: runs actions over real HTTP and passes each request and its result to `say` as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connector_runtime.client import Client
from connector_runtime.definitions.connector import Connector
from connector_runtime.errors import ConnectorError

Results = Mapping[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One action to run: `inputs` computes its inputs from earlier results; its own result is stored as `name`."""

    title: str
    key: str
    inputs: Callable[[Results], dict[str, Any]]
    name: str = ""
    fails: bool = False


USER = (
    Step(
        "A new colleague gets a Zoom user.",
        "create-user",
        lambda results: {"email": "grace@demo.example", "first_name": "Grace", "last_name": "Hopper", "user_type": 2},
        "host",
    ),
    Step(
        "Her profile gets a department; nothing else changes.",
        "update-user",
        lambda results: {"user_id": results["host"]["id"], "department": "Compilers"},
    ),
)
MEETING = (
    Step(
        "A meeting every Sunday and Tuesday, four times, with registration.",
        "create-meeting",
        lambda results: {
            "user_id": results["host"]["id"],
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
            lambda results, name=name: {  # type: ignore[misc]
                "meeting_id": results["meeting"]["id"],
                "email": f"{name.lower()}@demo.example",
                "first_name": name,
            },
        )
        for name in ("Ada", "Alan")
    ),
    Step(
        "The registrants so far, from all pages.",
        "list-meeting-registrants",
        lambda results: {"meeting_id": results["meeting"]["id"]},
    ),
)
CHANGES = (
    Step(
        "The topic changes; nothing else is sent.",
        "update-meeting",
        lambda results: {"meeting_id": results["meeting"]["id"], "topic": "Weekly sync, now with cake"},
    ),
    Step(
        "The invitation text.",
        "get-meeting-invitation",
        lambda results: {"meeting_id": results["meeting"]["id"]},
    ),
    Step(
        "A raw request, which can reach any endpoint, deletes the meeting.",
        "raw-request",
        lambda results: {"method": "DELETE", "url": f"/meetings/{results['meeting']['id']}"},
    ),
    Step(
        "The meeting no longer exists, so this call fails.",
        "get-meeting",
        lambda results: {"meeting_id": results["meeting"]["id"]},
        fails=True,
    ),
)
LEAVING = (
    Step("All users of the account.", "list-users", lambda results: {}),
    Step(
        "She leaves the account; her user is unlinked, not deleted.",
        "delete-user",
        lambda results: {"user_id": results["host"]["id"]},
    ),
)
SANDBOX_STEPS = (*USER, *MEETING, *REGISTRANTS, *CHANGES, *LEAVING)
ACCOUNT_STEPS = (*MEETING, *CHANGES)  # a real account gets no new users or registrants and loses none


def play(connector: Connector, client: Client, base_url: str | None, steps: tuple[Step, ...], say: Say) -> None:
    """Run the steps in order; raise the first error of a step that is not expected to fail."""
    results: dict[str, Any] = {"host": {"id": "me"}}
    for number, step in enumerate(steps, 1):
        inputs = step.inputs(results)
        say(f"\n{number}. {step.title}")
        for line in _request(connector, base_url, step.key, inputs):
            say(line)
        try:
            result = client.run(step.key, inputs)
        except ConnectorError as error:
            if not step.fails:
                raise
            say(f"   < {type(error).__name__}: {error}")
            continue
        results[step.name] = result.data
        for line in _result(result.status, result.data):
            say(line)


def _request(connector: Connector, base_url: str | None, key: str, inputs: dict[str, Any]) -> Iterator[str]:
    request = connector.actions[key].preview(inputs, base_url=base_url)
    yield f"   $ {key} " + " ".join(f"--{name.replace('_', '-')} {json.dumps(value)}" for name, value in inputs.items())
    yield f"   > {request['method']} {request['url']}"
    if request["body"] is not None:
        yield f"   > {_short(request['body'], 200)}"
    for warning in request["warnings"]:
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
