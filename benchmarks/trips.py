"""Trips of a value through `connector_runtime`: the calls, functions, modules and switches between modules of each.

    python -m benchmarks.trips [--list TRIP] [--json]

`sys.setprofile` counts the calls in every thread, on a warm client with default options; the vendor answers from
memory. Each call of a function in the package counts, and each resumption of a generator or coroutine. A switch is a
call into a module other than that of the previous call. Comprehensions and generator expressions do not count, since
Python 3.12 inlines most of them.
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
COUNTED = 3  # runs that count; the shortest is reported, since threads may interleave differently
INLINE = {"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"}
TARGETS = {"modules": Target("at most", 20), "switches": Target("at most", 55)}


class Call(NamedTuple):
    """A call of a function of the package: its dotted module, its name and its first line."""

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
    """Yield the modules in the order of the calls, each with the functions called until the next switch."""
    for module, group in groupby(calls, lambda call: call.module):
        yield module, [call.function for call in group]


class Recorder:
    """Records the calls within a package, also in threads that start while it is installed."""

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
        """Return the calls of one run."""
        calls = self._calls = []
        try:
            run()
        finally:
            self._calls = None
        return calls


Trip = Callable[[], Callable[[], Any]]  # prepares the next run of a trip and returns it


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
    """Return a receiver with a store in memory, and a function that makes the body and headers of a new event."""
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
    handled: list[str] = []

    async def handler(notification: Any) -> None:
        handled.append(notification.event)

    def ready() -> Callable[[], Any]:
        receiver.accept(*event())
        before = len(handled)

        def deliver() -> None:
            receiver.deliver(handler, once=True)
            assert len(handled) == before + 1

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
    """Return the calls of a trip after warm-up runs."""
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
    options = parser.parse_args()
    if options.list:
        for module, functions in legs(travelled(options.list)):
            print(f"{module:<28} {', '.join(functions)}")
        return
    counts = {name: count(travelled(name)) for name in TRIPS}
    if options.json:
        print(json.dumps({name: figures._asdict() for name, figures in counts.items()}, indent=2))
        return
    print(f"{'trip':<16}{''.join(f'{field:>11}' for field in Count._fields)}   what")
    for name, figures in counts.items():
        print(f"{name:<16}{''.join(f'{number:>11}' for number in figures)}   {TRIPS[name][0]}")


if __name__ == "__main__":
    main()
