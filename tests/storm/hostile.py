"""Every hostile answer that the sandbox knows, given to every action: by `Client`, `AsyncClient` and the service.

    python -m tests.storm.hostile [SEED]

The callers are a process of their own with an address space that ends, so that what they take for granted about the
size of answers shows as an error of theirs, and not of the machine. The sandbox stays here and records what was done.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from connector_runtime.language.json_text import read_strictly
from connector_runtime.service.app import service_app
from connector_runtime.service.settings import ServiceSettings
from connector_runtime.stores.store import MemoryStore
from zoom_connector import AsyncClient, Client, ConnectorError, Http, load
from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.hostile import HOSTILE

from .storm import CREATES, plan, world

ROOT = Path(__file__).parents[2]
WAYS = ("client", "async client", "service")
ACTIONS = 22
SECONDS = 0.5  # a call may take
MEMORY = 4 << 30  # bytes of address space that the callers have
OF_FILES = ("html_206", "empty_file", "wrong_range")  # no action gets these
KINDS = tuple(sorted(HOSTILE.keys() - {*OF_FILES}, key=lambda kind: (kind.startswith("retry"), kind)))
FINE = {
    "ok",
    "api",
    "validation",
    "transport",
    "rate_limit",
    "quota",
    "not_found",
    "token",
    "plan",
    "conflict",
    "timeout",
}
_number: ContextVar[str] = ContextVar("number", default="")


@dataclass(frozen=True)
class Told:
    """What one caller was told: `ok`, the kind of a typed error, or what is neither."""

    number: int
    way: str
    kind: str
    in_doubt: bool = False
    seconds: float = 0.0


@dataclass
class Outcome:
    """What was seen."""

    calls: int = 0
    kinds: int = 0
    actions: int = 0
    seconds: float = 0.0
    memory: int = 0  # the most that the callers had, in bytes
    longest: tuple[float, str] = (0.0, "")  # seconds of a call, and which it was
    hit: Counter[str] = field(default_factory=Counter)  # requests by the hostile answer that they got
    told: Counter[str] = field(default_factory=Counter)
    untyped: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # done, and the caller was told without a doubt that it was not


# -- the callers: a process of their own -------------------------------------------------------------------------------


def told(number: int, way: str, began: float, result: Any) -> Told:
    """What a result or an exception says to its caller."""
    seconds = time.monotonic() - began
    if isinstance(result, ConnectorError):
        # an error of the kind `internal` is typed, and yet a fault that nobody foresaw
        kind = result.kind if result.kind in FINE else f"{result.kind}: {result!r} from {result.__cause__!r}"
        return Told(number, way, kind, getattr(result, "may_have_been_done", False), seconds)
    if isinstance(result, BaseException):
        return Told(number, way, repr(result)[:300], seconds=seconds)
    try:
        json.dumps(result.data, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        return Told(number, way, f"no JSON: {error!r}", seconds=seconds)
    return Told(number, way, "ok", seconds=seconds)


def from_service(number: int, began: float, answer: httpx.Response) -> Told:
    """What an answer of the service says: its JSON is judged as strictly as anybody may."""
    seconds = time.monotonic() - began
    try:
        said = read_strictly(answer.content)
    except ValueError as error:
        return Told(number, "service", f"{answer.status_code} is no JSON: {error}", seconds=seconds)
    if answer.status_code == 200:
        return Told(number, "service", "ok", seconds=seconds)
    kind = said.get("kind")
    shown = kind if kind in FINE else f"{answer.status_code} {str(said)[:300]}"
    return Told(number, "service", shown, bool(said.get("may_have_been_done")), seconds)


def download(client: Client, control: str, meeting: Any) -> list[Told]:
    """Download a meeting's recordings, each time from a storage that gives no file: never may it be taken for one."""
    found = []
    for kind in OF_FILES:
        fault = {"kind": kind, "match": "* /rec/download/*", "times": 100}
        httpx.post(control, json=fault).raise_for_status()
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                client.download(client.files("get-meeting-recordings", {"meeting_id": meeting}), folder)
                found.append(Told(-1, kind, "taken for a file", seconds=time.monotonic() - began))
            except Exception as error:
                found.append(told(-1, kind, began, error))
            whole = [path.name for path in Path(folder).iterdir() if not path.name.startswith(".")]
            found += [Told(-1, kind, f"a file was left: {whole}")] if whole else []
        httpx.delete(control).raise_for_status()
    return found


async def call(base_url: str, token: str, meeting: Any, rounds: Mapping[str, list[tuple[int, str, Any]]]) -> list[Told]:
    """Make all calls, a kind of hostile answer after the other."""

    def tag(request: httpx.Request) -> None:
        request.headers["x-call"] = _number.get()

    async def tag_too(request: httpx.Request) -> None:
        tag(request)

    def run(number: int, key: str, inputs: Any) -> Told:
        _number.set(str(number))
        began = time.monotonic()
        try:
            return told(number, WAYS[0], began, client.run(key, inputs, deadline=SECONDS))
        except Exception as error:
            return told(number, WAYS[0], began, error)

    async def run_async(number: int, key: str, inputs: Any) -> Told:
        _number.set(str(number))
        began = time.monotonic()
        try:
            return told(number, WAYS[1], began, await tasks.run(key, inputs, deadline=SECONDS))
        except Exception as error:
            return told(number, WAYS[1], began, error)

    async def ask(number: int, key: str, inputs: Any) -> Told:
        began = time.monotonic()
        try:
            answer = await web.post(f"/v1/actions/{key}/run", json={"inputs": inputs})
        except Exception as error:
            return told(number, WAYS[2], began, error)
        return from_service(number, began, answer)

    found: list[Told] = []
    loop = asyncio.get_running_loop()
    connector = load()
    settings = ServiceSettings(base_url=base_url, timeout=SECONDS, retries=0)
    app = service_app(connector, store=MemoryStore(), tenant="storm", token=token, settings=settings)
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(8))
        sync = Http(client=stack.enter_context(httpx.Client(event_hooks={"request": [tag]})))
        client = stack.enter_context(
            Client(connector, token=token, base_url=base_url, http=sync, retries=0, pacing=False)
        )
        async with (
            httpx.AsyncClient(event_hooks={"request": [tag_too]}) as own,
            AsyncClient(
                connector, token=token, base_url=base_url, http=Http(client=own), retries=0, pacing=False
            ) as tasks,
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", timeout=30) as web,
            httpx.AsyncClient() as control,
        ):
            faults = f"{base_url.removesuffix('/v2')}/_sandbox/faults"
            for kind, calls in rounds.items():
                (await control.put(faults, json={"rate": 1, "kinds": [kind]})).raise_for_status()
                jobs: list[Any] = []
                for number, key, inputs in calls:
                    match number % 3:
                        case 0:
                            jobs.append(loop.run_in_executor(threads, run, number, key, inputs))
                        case 1:
                            jobs.append(run_async(number, key, inputs))
                        case _:
                            jobs.append(ask(number, key, inputs))
                found += await asyncio.gather(*jobs)
            (await control.delete(faults)).raise_for_status()
            found += await loop.run_in_executor(threads, download, client, faults, meeting)
    return found


def callers() -> None:
    """Read the calls from standard input, and write what was told to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    asked = json.load(sys.stdin)
    found = asyncio.run(call(*(asked[name] for name in ("base_url", "token", "meeting", "rounds"))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    json.dump({"told": [asdict(each) for each in found], "memory": peak}, sys.stdout)


# -- the sandbox, and the judgement ------------------------------------------------------------------------------------


def hostile(seed: int = 7) -> Outcome:
    """Let every kind of hostile answer meet every action, and judge what callers were told by what the vendor did."""
    total = ACTIONS * len(KINDS)
    with Sandbox(users=60, meetings=120, registrants=60, record=40 * total) as zoom:
        with Client(load(), token=zoom.token, base_url=zoom.base_url) as client:
            here = world(client)
            calls = plan(seed, total, here)
            for gone in (call.inputs["user_id"] for call in calls if call.key == "delete-user"):
                client.run("create-user", {"email": gone, "user_type": 1, "user_action": "custCreate"})
        by_key: dict[str, list[Any]] = {}
        for each in sorted(calls, key=lambda call: call.number):
            by_key.setdefault(each.key, []).append(each)
        rounds: dict[str, list[Any]] = {kind: [] for kind in KINDS}
        for number, (kind, key) in enumerate((kind, key) for kind in KINDS for key in by_key):
            rounds[kind].append((number + number // ACTIONS, key, by_key[key].pop().inputs))
        about = {number: (key, kind) for kind, made in rounds.items() for number, key, _ in made}
        zoom.requests.clear()
        began = time.monotonic()
        asked = {"base_url": zoom.base_url, "token": zoom.token, "meeting": here.recorded, "rounds": rounds}
        words = [sys.executable, "-m", "tests.storm.hostile", "--callers"]
        ran = subprocess.run(words, input=json.dumps(asked), cwd=ROOT, capture_output=True, text=True, timeout=240)
        if ran.returncode:
            raise RuntimeError(f"the callers ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
        said = json.loads(ran.stdout)
        outcome = judge([Told(**each) for each in said["told"]], about, zoom)
        outcome.seconds, outcome.memory, outcome.hit = time.monotonic() - began, said["memory"], zoom.faults_done
    return outcome


def judge(all_told: list[Told], about: Mapping[int, tuple[str, str]], zoom: Sandbox) -> Outcome:
    """Hold what callers were told against what the vendor did. `about` gives a call's action and hostile answer."""
    done: Counter[int] = Counter()
    for request in zoom.requests:
        if request.header("x-call"):  # the service's calls carry none
            done[int(request.header("x-call") or 0)] += request.carried_out and request.method != "GET"
    actions = {key for key, _ in about.values()}
    outcome = Outcome(calls=len(all_told), kinds=len(KINDS), actions=len(actions))
    for each in all_told:
        key, kind = about.get(each.number, ("download", each.way))
        name = f"{kind}, {key}, {each.way}: {each.kind}"
        outcome.told[each.kind if each.kind in FINE else "untyped"] += 1
        if each.seconds > outcome.longest[0]:
            outcome.longest = (each.seconds, name)
        if each.kind not in FINE:
            outcome.untyped.append(name)
        elif each.kind != "ok" and done[each.number] and not each.in_doubt:
            outcome.lost.append(name)
        if key in CREATES and done[each.number] > 1:
            outcome.lost.append(f"{name}, done {done[each.number]} times")
    return outcome


def figures(outcome: Outcome) -> str:
    """The outcome as a few lines for a person."""

    def lines() -> Iterator[str]:
        what = f"{outcome.kinds} kinds of hostile answers to {outcome.actions} actions in {outcome.seconds:.0f} s"
        yield f"{outcome.calls} calls: {what}, {outcome.hit.total()} such answers"
        yield "told: " + ", ".join(f"{count} {kind}" for kind, count in outcome.told.most_common())
        size = f"{outcome.memory / 1e6:.0f} MB"
        yield f"untyped {len(outcome.untyped)}, lost {len(outcome.lost)}, {size}"
        yield f"longest call: {outcome.longest[0]:.1f} s ({outcome.longest[1]})"
        for name in (*outcome.untyped[:20], *outcome.lost[:20]):
            yield f"  {name}"

    return "\n".join(lines())


if __name__ == "__main__":
    if sys.argv[1:] == ["--callers"]:
        callers()
    else:
        print(figures(hostile(int(sys.argv[1]) if sys.argv[1:] else 7)))
