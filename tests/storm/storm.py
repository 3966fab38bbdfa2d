"""Five thousand calls over all 22 actions, half in threads and half in asyncio, while everything goes wrong at random.

    python -m tests.storm.storm [SEED]

The sandbox's random plan spoils a share of the requests in every way it knows, the same for the same seed. Each call
puts its number on its requests, so that what became of them at the vendor can be held against what the caller was told.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[2]))

from connector_runtime.stores.store import MemoryStore
from zoom_connector import AsyncClient, Client, Connections, Connector, ConnectorError, Http, load
from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.kinds import USUAL
from zoom_connector.sandbox.record import LoggedRequest

CALLS, RATE, WORKERS = 5_060, 0.15, 48
SERVER = {"account_id": "sandboxAccountId123456", "client_id": "sandbox-server", "client_secret": "sandbox-secret"}
CREATES = ("create-meeting", "create-user", "add-meeting-registrant", "add-webinar-registrant")
TOLD = {  # what the fault that hit a call's last request must be told as
    "reset_before": {"transport"},
    "reset_after": {"transport"},
    "html_200": {"transport"},
    "truncated": {"transport"},
    "error_json": {"api"},
    "error_html": {"api"},
    "error_after": {"api"},
    "rate_limited": {"rate_limit"},
    "daily_limited": {"quota"},
    "page_expired": {"validation"},
    "page_repeated": {"api"},
}
APPS = ("one", "two", "three", "four", "five", "six")  # stored connections that share the work
_number: ContextVar[str] = ContextVar("number", default="")


@dataclass(frozen=True)
class Call:
    """One call: its number, what it asks, and whether a lost create is to be looked for."""

    number: int
    key: str
    inputs: Mapping[str, Any]
    recover: bool = False


@dataclass
class Outcome:
    """What was seen."""

    calls: int = 0
    actions: int = 0
    requests: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    succeeded: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    recovered: int = 0
    lost: list[str] = field(default_factory=list)  # done, and the caller was told it was not; or told, and not done
    doubled: list[str] = field(default_factory=list)
    untyped: list[str] = field(default_factory=list)
    wrong_kind: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)  # a list that ended early, or has an item twice


@dataclass(frozen=True)
class World:
    """What the account holds before the storm: ids to ask for, and the lists that nobody changes."""

    user: str
    host: str  # of what the storm creates
    meeting: Any
    recorded: Any
    webinar: Any
    open_webinar: Any
    channel: str
    lists: Mapping[str, tuple[Mapping[str, Any], list[str]]]


def world(client: Client) -> World:
    """Look around, while nothing goes wrong."""
    users = client.run("list-users", {}).data["users"]
    user, host = users[0]["id"], users[1]["id"]
    past = client.run("list-meetings", {"user_id": user, "type_of_meeting": "previous_meetings"}).data["meetings"]
    recorded = next(meeting["id"] for meeting in past if _works(client, "get-meeting-recordings", meeting["id"]))
    open_meeting = {"user_id": host, "topic": "Open", "type": 2, "approval_type": 0}
    meeting = client.run("create-meeting", open_meeting).data["id"]
    webinars = client.run("list-webinars", {"user_id": user}).data["webinars"]
    open_webinar = next(found["id"] for found in webinars if _registers(client, found["id"]))
    channel = client.run("list-users-channels", {"user_id": user}).data["channels"][0]["id"]
    still: dict[str, Mapping[str, Any]] = {
        "list-meetings": {"user_id": user},
        "list-users-channels": {"user_id": user},
        "list-users-chat-messages": {"user_id": user, "to_channel": channel},
        "list-webinars": {"user_id": user},
        "list-webinar-participants": {"webinar_id": webinars[-1]["id"]},
        "get-phone-recordings": {"user_id": user},
        "list-users": {"user_status": "inactive"},
    }
    lists = {key: (inputs, [str(item) for item in client.stream(key, inputs)]) for key, inputs in still.items()}
    return World(user, host, meeting, recorded, webinars[0]["id"], open_webinar, channel, lists)


def _works(client: Client, key: str, meeting: Any) -> bool:
    try:
        client.run(key, {"meeting_id": meeting})
    except ConnectorError:
        return False
    return True


def _registers(client: Client, webinar: Any) -> bool:
    try:
        person = {"webinar_id": webinar, "email": "first@storm.example", "first_name": "F", "last_name": "S"}
        client.run("add-webinar-registrant", person)
    except ConnectorError:
        return False
    return True


def plan(seed: int, total: int, here: World) -> list[Call]:
    """The calls of a storm, the same for the same seed: every action as often as any other."""
    draw = random.Random(seed)
    fixed: dict[str, Mapping[str, Any]] = {
        **{key: inputs for key, (inputs, _) in here.lists.items()},
        "get-user": {"user_id": here.user},
        "get-meeting": {"meeting_id": here.meeting},
        "get-meeting-invitation": {"meeting_id": here.meeting},
        "get-meeting-recordings": {"meeting_id": here.recorded},
        "get-webinar": {"webinar_id": here.webinar},
        "list-meeting-registrants": {"meeting_id": here.meeting},
        "list-webinar-registrants": {"webinar_id": here.open_webinar},
    }
    keys = [*fixed, *CREATES, "update-meeting", "update-user", "delete-user", "raw-request"]
    calls = []
    for number in range(total):
        key = keys[number % len(keys)]
        person = {"email": f"p{number}@storm.example", "first_name": "P", "last_name": str(number)}
        inputs = (
            fixed.get(key)
            or {
                "create-meeting": {"user_id": here.host, "topic": f"Storm {number}", "type": 2},
                "create-user": {"email": f"p{number}@storm.example", "user_type": 1, "first_name": "P"},
                "add-meeting-registrant": {"meeting_id": here.meeting, **person},
                "add-webinar-registrant": {"webinar_id": here.open_webinar, **person},
                "update-meeting": {"meeting_id": here.meeting, "agenda": f"Agenda {number}"},
                "update-user": {"user_id": here.user, "department": f"Department {number}"},
                "delete-user": {"user_id": f"gone{number}@storm.example", "action": "delete"},
                "raw-request": {"method": "GET", "url": "/users/" + here.user, "query_parameter": {"n": str(number)}},
            }[key]
        )
        calls.append(Call(number, key, inputs, recover=key in CREATES and draw.random() < 0.5))
    draw.shuffle(calls)
    return calls


def storm(seed: int = 7, total: int = CALLS, rate: float = RATE) -> Outcome:
    """Let a storm happen, and judge what callers were told by what the vendor did."""
    connector = load()
    told: dict[int, Any] = {}
    with Sandbox(users=120, meetings=400, registrants=500, record=20 * total) as zoom:
        connections = Connections(connector, MemoryStore())
        for name in APPS:
            connections.add("server-to-server", SERVER, name=name, origin=zoom.origin)
        with Client(connector, connection=connections.open(APPS[0]), base_url=zoom.base_url) as client:
            here = world(client)
            calls = plan(seed, total, here)
            for call in calls:  # those who are to be deleted
                if call.key == "delete-user":
                    gone = {"email": call.inputs["user_id"], "user_type": 1, "user_action": "custCreate"}
                    client.run("create-user", gone)
        zoom.requests.clear()
        zoom.faults = {"seed": seed, "rate": rate, "delay": 0.02, "kinds": [*USUAL, "daily_limited"]}
        began = time.monotonic()
        half = len(calls) // 2
        _in_threads(connector, zoom, connections, calls[:half], told)
        asyncio.run(_in_tasks(connector, zoom, connections, calls[half:], told))
        seconds = time.monotonic() - began
        zoom.faults = None
        sent: dict[int, list[LoggedRequest]] = defaultdict(list)
        for request in zoom.requests:
            if request.header("x-call"):
                sent[int(request.header("x-call") or 0)].append(request)
        outcome = judge(calls, told, sent, here)
        outcome.seconds, outcome.faults = seconds, zoom.faults_done
    return outcome


def _in_threads(
    connector: Connector, zoom: Sandbox, connections: Connections, calls: list[Call], told: dict[int, Any]
) -> None:
    def tag(request: httpx.Request) -> None:
        request.headers["x-call"] = _number.get()

    def run(call: Call) -> None:
        _number.set(str(call.number))
        client = clients[call.number % len(clients)]
        try:
            told[call.number] = client.run(call.key, call.inputs, recover=call.recover)
        except Exception as error:
            told[call.number] = error

    with ExitStack() as stack:
        way = Http(client=stack.enter_context(httpx.Client(event_hooks={"request": [tag]})))
        clients = [
            stack.enter_context(
                Client(connector, connection=connections.open(name), base_url=zoom.base_url, http=way, pacing=False)
            )
            for name in APPS
        ]
        workers = stack.enter_context(ThreadPoolExecutor(WORKERS))
        list(workers.map(run, calls))


async def _in_tasks(
    connector: Connector, zoom: Sandbox, connections: Connections, calls: list[Call], told: dict[int, Any]
) -> None:
    async def tag(request: httpx.Request) -> None:
        request.headers["x-call"] = _number.get()

    async def run(call: Call) -> None:
        async with places:
            _number.set(str(call.number))
            client = clients[call.number % len(clients)]
            try:
                told[call.number] = await client.run(call.key, call.inputs, recover=call.recover)
            except Exception as error:
                told[call.number] = error

    places = asyncio.Semaphore(WORKERS)
    async with AsyncExitStack() as stack:
        way = Http(client=await stack.enter_async_context(httpx.AsyncClient(event_hooks={"request": [tag]})))
        clients = [
            await stack.enter_async_context(
                AsyncClient(
                    connector, connection=connections.open_async(name), base_url=zoom.base_url, http=way, pacing=False
                )
            )
            for name in APPS
        ]
        await asyncio.gather(*(run(call) for call in calls))


def judge(calls: list[Call], told: Mapping[int, Any], sent: Mapping[int, list[LoggedRequest]], here: World) -> Outcome:
    """Hold what callers were told against what the vendor did."""
    outcome = Outcome(calls=len(calls), actions=len({call.key for call in calls}))
    for call in calls:
        result, requests = told[call.number], sent[call.number]
        outcome.requests += len(requests)
        name = f"{call.number} {call.key}"
        done = sum(request.carried_out and request.method != "GET" for request in requests)
        if call.key in CREATES and done > 1:
            outcome.doubled.append(name)
        if isinstance(result, ConnectorError):
            outcome.failures[result.kind] += 1
            in_doubt = getattr(result, "may_have_been_done", False)
            if done and not in_doubt:
                outcome.lost.append(f"{name}: done, but told {result.kind} without a doubt")
            fault = requests[-1].fault if requests else "nothing was sent"
            refused = [request for request in requests if request.status == 401]
            if result.kind == "token" and len(refused) > 1:  # renewed once, and revoked again under another call
                continue
            if result.kind not in TOLD.get(fault, ()):
                outcome.wrong_kind.append(f"{name}: {fault or 'no fault'} was told as {result.kind}: {result.message}")
        elif isinstance(result, Exception):
            outcome.untyped.append(f"{name}: {result!r}")
        else:
            outcome.succeeded += 1
            outcome.recovered += any("shows that the change was made" in str(warning) for warning in result.warnings)
            if call.key in (*CREATES, "update-meeting", "update-user", "delete-user") and not done:
                outcome.lost.append(f"{name}: told done, but was not")
            if call.key in here.lists:
                items = next(value for value in result.data.values() if isinstance(value, list))
                if [str(item) for item in items] != here.lists[call.key][1]:
                    outcome.incomplete.append(f"{name}: {len(items)} of {len(here.lists[call.key][1])}")
    return outcome


def figures(outcome: Outcome) -> str:
    """The outcome as a few lines for a person."""
    faults = ", ".join(f"{count} {name}" for name, count in outcome.faults.most_common())
    failures = ", ".join(f"{count} {kind}" for kind, count in outcome.failures.most_common()) or "none"
    lines = [
        f"{outcome.calls} calls over {outcome.actions} actions, {outcome.requests} requests in {outcome.seconds:.0f} s",
        f"faults: {sum(outcome.faults.values())} ({faults})",
        f"succeeded: {outcome.succeeded}, of these {outcome.recovered} found by looking; failed: {failures}",
        f"results lost {len(outcome.lost)}, creates doubled {len(outcome.doubled)}, untyped {len(outcome.untyped)},"
        f" of the wrong kind {len(outcome.wrong_kind)}, lists incomplete {len(outcome.incomplete)}",
    ]
    for found in (outcome.lost, outcome.doubled, outcome.untyped, outcome.wrong_kind, outcome.incomplete):
        lines += [f"  {line}" for line in found[:5]]
    return "\n".join(lines)


if __name__ == "__main__":
    print(figures(storm(int(sys.argv[1]) if sys.argv[1:] else 7)))
