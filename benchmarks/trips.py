"""How far a value travels through `connector_runtime`: the calls, functions, modules and switches of each trip.

    python -m benchmarks.trips [--list TRIP] [--json]

Counted with `sys.setprofile`, in every thread, on a warm client with its default options; everything is answered from
memory. A call is one of a function that lies in the package, and so is each resumption of a generator or coroutine. A
switch is a call into another module of the package than the call before it. Comprehensions and generator expressions
do not count: Python 3.12 makes no calls of most of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count as counter, groupby, pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from .frame import Row, Series, Target

GROUP = "Trips through the runtime"
THREE = {"user_id": "me", "topic": "Weekly sync", "type": 2}
SECRET = "8mTmnH0bS2GGJ5Gv3JrPRg"
WARM = 3  # runs before the one that counts
COUNTED = 3  # runs that count; the shortest is told, since the turns of threads may differ
INLINE = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
TARGETS = {"modules": Target("at most", 20), "switches": Target("at most", 55)}


class Call(NamedTuple):
    """A call of a function of the package: its module, as a path with dots, and where the function is in it."""

    module: str
    function: str
    line: int


class Count(NamedTuple):
    calls: int
    functions: int
    modules: int
    switches: int


def count(calls: Sequence[Call]) -> Count:
    modules = [call.module for call in calls]
    switches = sum(one != other for one, other in pairwise(modules))
    return Count(len(calls), len(set(calls)), len(set(modules)), switches)


def legs(calls: Iterable[Call]) -> Iterator[tuple[str, list[str]]]:
    """The modules in the order of the calls, each with the functions called until the next switch."""
    for module, found in groupby(calls, lambda call: call.module):
        yield module, [call.function for call in found]


class Recorder:
    """Writes down the calls within a package, in every thread that is started from now on."""

    def __init__(self, home: Path) -> None:
        self._home = f"{home}/"
        self._calls: list[Call] | None = None

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        calls, code = self._calls, frame.f_code
        if event != "call" or calls is None or code.co_name in INLINE:
            return
        if code.co_filename.startswith(self._home):
            module = code.co_filename.removeprefix(self._home).removesuffix(".py").replace("/", ".")
            calls.append(Call(module, code.co_qualname, code.co_firstlineno))

    @contextmanager
    def installed(self) -> Iterator[None]:
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def of(self, run: Callable[[], Any]) -> list[Call]:
        """The calls of one run."""
        calls = self._calls = []
        try:
            run()
        finally:
            self._calls = None
        return calls


Trip = Callable[[], Callable[[], Any]]  # makes ready for the next run of a trip, which is what it gives


def create_meeting() -> Trip:
    from . import memory

    create = memory.create()
    return lambda: create


def create_short() -> Trip:
    from . import memory

    create = memory.create(THREE)
    return lambda: create


def next_page() -> Trip:
    from . import memory

    client = memory.listing(pages=3)

    def ready() -> Callable[[], Any]:
        pages = client.pages("list-users", {})
        next(pages)
        return lambda: next(pages)

    return ready


def renewal() -> Trip:
    from . import memory

    renew = memory.renewal()
    return lambda: renew


def received() -> tuple[Any, Callable[[], tuple[bytes, dict[str, str]]]]:
    """A receiver over a store in memory, and what gives the body and headers of a new event."""
    from zoom_connector import Receiver, load, open_store

    trigger = load().triggers["webhook"]
    receiver = Receiver(trigger, SECRET, store=open_store("memory://"))
    sample = trigger.events["meeting.participant_joined"].sample
    times = counter(1700000000000)

    def event() -> tuple[bytes, dict[str, str]]:
        body = json.dumps({**sample, "event_ts": next(times)}).encode()
        return body, trigger.sign(body, SECRET, time.time())

    return receiver, event


def accepted() -> Trip:
    receiver, event = received()

    def ready() -> Callable[[], Any]:
        body, headers = event()

        def accept() -> None:
            assert receiver.accept(body, headers).status == 200

        return accept

    return ready


def delivered() -> Trip:
    receiver, event = received()
    seen: list[str] = []

    async def handler(found: Any) -> None:
        seen.append(found.event)

    def ready() -> Callable[[], Any]:
        receiver.accept(*event())
        before = len(seen)

        def deliver() -> None:
            receiver.deliver(handler, once=True)
            assert len(seen) == before + 1

        return deliver

    return ready


TRIPS: dict[str, tuple[str, Callable[[], Trip]]] = {
    "create-meeting": ("create a meeting with 12 inputs", create_meeting),
    "create-short": ("create a meeting with 3 inputs", create_short),
    "next-page": ("page 2 of list-users", next_page),
    "renewal": ("renew the token of a stored connection", renewal),
    "accepted": ("accept a webhook: verify, read and record it", accepted),
    "delivered": ("deliver a webhook: from the inbox to a handler", delivered),
}


def travelled(name: str) -> list[Call]:
    """The calls of a trip, warm."""
    import connector_runtime

    recorder = Recorder(Path(connector_runtime.__file__).parent)
    with recorder.installed():
        ready = TRIPS[name][1]()
        for _ in range(WARM):
            ready()()
        return min((recorder.of(ready()) for _ in range(COUNTED)), key=len)


def rows(quick: bool) -> Iterable[Row]:
    for name in ("create-meeting", "create-short"):
        for field, value in count(travelled(name))._asdict().items():
            what, mine = f"{TRIPS[name][0]}: {field}", Series("connector", (value,))
            yield Row(group=GROUP, what=what, unit="", ours=mine, target=TARGETS.get(field))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trips", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--list", choices=TRIPS, metavar="TRIP", help=f"the modules of a trip: {', '.join(TRIPS)}")
    parser.add_argument("--json", action="store_true", help="the counts as JSON")
    asked = parser.parse_args()
    if asked.list:
        for module, functions in legs(travelled(asked.list)):
            print(f"{module:<28} {', '.join(functions)}")
        return
    counts = {name: count(travelled(name)) for name in TRIPS}
    if asked.json:
        print(json.dumps({name: found._asdict() for name, found in counts.items()}, indent=2))
        return
    print(f"{'trip':<16}{''.join(f'{field:>11}' for field in Count._fields)}   what")
    for name, found in counts.items():
        print(f"{name:<16}{''.join(f'{number:>11}' for number in found)}   {TRIPS[name][0]}")


if __name__ == "__main__":
    main()
