"""Ten thousand signed requests at a receiver that is killed five times; prints what came of them.

    python -m tests.webhook.storm

Thirty of a hundred requests repeat an earlier event, one is forged. Where no 2xx comes back, the request is sent again
later, as Zoom does. The receiver is killed with SIGKILL, and its store is looked into before it starts again.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[2]))

from connector_runtime.stores.databases import open_store
from connector_runtime.triggers.inbox import Inbox
from tests.webhook.conftest import SECRET, event, signed, until

HERE = Path(__file__).parent


@dataclass
class Outcome:
    """What was seen."""

    requests: int = 0
    distinct: int = 0
    repeats: int = 0
    forged: int = 0
    kills: int = 0
    sent_again: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    reached: int = 0
    twice: int = 0
    twice_in_flight: int = 0
    thrice: int = 0
    forged_reached: int = 0
    remembered: int = 0
    lost: int = 0
    waiting_at_kills: int = 0
    seconds: float = 0.0


class Receiver:
    """The process under test."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        options = {
            "store": str(self.folder / "inbox.sqlite3"),
            "log": str(self.folder / "log"),
            "effects": str(self.folder / "effects.sqlite3"),
            "secret": SECRET,
            "port": self.port,
        }
        command = [sys.executable, str(HERE / "process.py"), json.dumps(options)]
        root = str(HERE.parents[1])
        environment = {**os.environ, "PYTHONPATH": root}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout and self.process.stdout.readline()

    def kill(self) -> None:
        assert self.process and self.process.stdout
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def starts(self) -> list[tuple[str, str]]:
        """The events whose handler began, with the process it began in."""
        lines = [line.split() for line in (self.folder / "log").read_text().splitlines()]
        return [(line[1], line[2]) for line in lines if line[0] == "start"]

    def inbox(self) -> Inbox:
        return Inbox(open_store(f"sqlite:///{self.folder / 'inbox.sqlite3'}"))


class Senders:
    """Several connections that send what is in one list, and again what was not answered with a 2xx or a 401."""

    def __init__(self, port: int, requests: list[tuple[bytes, dict[str, str]]], outcome: Outcome, count: int) -> None:
        self._port = port
        self._requests = requests
        self._outcome = outcome
        self._lock = threading.Lock()
        self.answered = 0
        self.threads = [threading.Thread(target=self._send, daemon=True) for _ in range(count)]

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        while True:
            with self._lock:
                if not self._requests:
                    connection.close()
                    return
                body, headers = self._requests.pop()
            try:
                connection.request("POST", "/", body, headers)
                answer = connection.getresponse()
                answer.read()
                status = str(answer.status)
            except (OSError, http.client.HTTPException):
                connection.close()
                status = "none"
            with self._lock:
                self._outcome.statuses[status] += 1
                if status in ("200", "401"):
                    self.answered += 1
                else:
                    self._outcome.sent_again += 1
                    self._requests.insert(random.randrange(len(self._requests) // 2 + 1), (body, headers))
            if status == "none":
                time.sleep(0.05)


def storm(folder: Path, total: int = 10_000, kills: int = 5, connections: int = 4) -> Outcome:
    """Send `total` requests and kill the receiver `kills` times on the way."""
    started = time.monotonic()
    draw = random.Random(5)
    now = time.time()
    forged_count, repeat_count = total // 100, total * 30 // 100
    bodies = [event(number) for number in range(total - forged_count - repeat_count)]
    genuine = [(body, signed(body, now)) for body in bodies]
    forged_bodies = [event(10**6 + number) for number in range(forged_count)]
    forged = [(body, signed(body, now, "guessed")) for body in forged_bodies]
    requests = genuine + draw.choices(genuine, k=repeat_count) + forged
    draw.shuffle(requests)
    outcome = Outcome(requests=total, distinct=len(bodies), repeats=repeat_count, forged=forged_count)

    receiver = Receiver(folder)
    receiver.start()
    senders = Senders(receiver.port, requests, outcome, connections)
    for thread in senders.threads:
        thread.start()
    in_flight: dict[str, set[str]] = {}
    for number in range(1, kills + 1):
        assert until(lambda number=number: senders.answered >= number * total // (kills + 1), 60)  # type: ignore[misc]
        assert receiver.process
        pid = str(receiver.process.pid)
        receiver.kill()
        outcome.kills += 1
        begun = {event_id for event_id, process in receiver.starts() if process == pid}
        waiting = {event.event_id for event in receiver.inbox().waiting()}
        outcome.waiting_at_kills += len(waiting)
        in_flight[pid] = begun & waiting
        receiver.start()
    for thread in senders.threads:
        thread.join()
    until(lambda: not any(receiver.inbox().waiting()), 30)
    receiver.kill()

    runs: dict[str, list[str]] = {}
    for event_id, process in receiver.starts():
        runs.setdefault(event_id, []).append(process)
    ids = {sha256(body).hexdigest() for body in bodies}
    outcome.reached = len(ids & set(runs))
    outcome.lost = len(ids - set(runs))
    outcome.twice = sum(len(processes) > 1 for processes in runs.values())
    outcome.thrice = sum(len(processes) > 2 for processes in runs.values())
    outcome.twice_in_flight = sum(
        all(event_id in in_flight.get(process, ()) for process in processes[:-1])
        for event_id, processes in runs.items()
        if len(processes) > 1
    )
    outcome.forged_reached = sum(sha256(body).hexdigest() in runs for body in forged_bodies)
    with sqlite3.connect(folder / "effects.sqlite3") as effects:
        outcome.remembered = effects.execute("SELECT count(*) FROM effects").fetchone()[0]
    effects.close()
    outcome.seconds = time.monotonic() - started
    return outcome


def figures(outcome: Outcome) -> str:
    return "\n".join(
        [
            f"{outcome.requests} requests: {outcome.distinct} events, {outcome.repeats} repeats,"
            f" {outcome.forged} forged;"
            f" {outcome.kills} kills; {outcome.seconds:.1f} s",
            f"answers: {', '.join(f'{count} x {status}' for status, count in sorted(outcome.statuses.items()))};"
            f" {outcome.sent_again} sent again",
            f"recorded and not yet handled at the kills: {outcome.waiting_at_kills}",
            f"reached the handler: {outcome.reached} of {outcome.distinct}, lost {outcome.lost}",
            f"reached it twice: {outcome.twice}, of which in flight at a kill {outcome.twice_in_flight};"
            f" more than twice: {outcome.thrice}",
            f"a handler that remembers event_id acted {outcome.remembered} times",
            f"forged ones that reached it: {outcome.forged_reached}",
        ]
    )


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        print(figures(storm(Path(temporary))))
