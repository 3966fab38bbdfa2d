"""What verifying and reading a webhook costs a server, against an app that only answers 200.

    python benchmarks/webhook.py [--rounds N] [--requests N]

Each app runs behind uvicorn in a process of its own; the requests come over one kept connection, the rounds are
interleaved, and what is compared is the processor time of the server. Only the ratios mean anything.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frame import Row, Target
from benchmarks.measure import series

SECRET = "8mTmnH0bS2GGJ5Gv3JrPRg"
APPS = ("bare", "verify", "verify and parse", "verify, parse, record and deliver (in memory)")
TARGETS = {"verify": 0.75, "verify and parse": 0.55}


def app_of(name: str) -> Any:
    """The app to measure; `GET` tells the processor time that the server has used."""
    from zoom_connector import load, open_store, webhook_app

    trigger = load().triggers["webhook"]
    whole = webhook_app(trigger, SECRET, lambda found: None, store=open_store("memory://"))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only http")
        if scope["method"] == "GET":
            return await answer(send, repr(time.process_time()).encode())
        if name.endswith("(in memory)"):
            return await whole(scope, receive, send)
        body = (await receive())["body"]
        if name == "verify":
            trigger.verify(body, scope["headers"], SECRET, time.time())
        elif name == "verify and parse":
            trigger.receive(body, scope["headers"], SECRET, time.time())
        await answer(send, b"")

    return app


async def answer(send: Any, body: bytes) -> None:
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(name: str) -> None:
    import uvicorn

    port = socket.create_server(("127.0.0.1", 0))
    print(port.getsockname()[1], flush=True)
    config = uvicorn.Config(app_of(name), log_level="error", access_log=False, lifespan="off", ws="none")
    asyncio.run(uvicorn.Server(config).serve(sockets=[port]))


class Server:
    """One app in its process, and a connection to it."""

    def __init__(self, name: str) -> None:
        command = [sys.executable, __file__, "--serve", name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.socket = socket.create_connection(("127.0.0.1", int(self.process.stdout.readline())))
        self.file = self.socket.makefile("rb")

    def ask(self, request: bytes) -> tuple[int, bytes]:
        self.socket.sendall(request)
        status = int(self.file.readline().split()[1])
        length = 0
        while line := self.file.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, self.file.read(length)

    def cpu(self) -> float:
        return float(self.ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[1])

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait()


def requests(count: int) -> list[bytes]:
    """Distinct signed events, as Zoom posts them."""
    from zoom_connector import load

    trigger = load().triggers["webhook"]
    sample = trigger.events["meeting.participant_joined"].sample
    made = []
    for number in range(count):
        body = json.dumps({**sample, "event_ts": 1700000000000 + number}).encode()
        headers = {
            "Host": "hooks.example.com",
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Zoom Marketplace/1.0a",
            "Content-Length": str(len(body)),
            "x-zm-request-id": f"{number:032x}",
            "traceparent": f"00-{number:032x}-0000000000000001-00",
            **trigger.sign(body, SECRET, time.time()),
        }
        head = "".join(f"{name}: {said}\r\n" for name, said in headers.items())
        made.append(f"POST /hooks HTTP/1.1\r\n{head}\r\n".encode() + body)
    return made


def measure(rounds: int, count: int) -> dict[str, list[float]]:
    """The processor time of a request in each app, in seconds, once a round."""
    used: dict[str, list[float]] = {name: [] for name in APPS}
    servers = {name: Server(name) for name in APPS}
    for turn in range(rounds + 1):
        sent = requests(count)
        for name, server in servers.items():
            before = server.cpu()
            for request in sent:
                status, said = server.ask(request)
                assert status == 200, (name, status, said)
            if turn:  # the first warms up
                used[name].append((server.cpu() - before) / count)
    for server in servers.values():
        server.close()
    return used


def rows(quick: bool) -> Iterable[Row]:
    used = measure(3 if quick else 9, 500 if quick else 2000)
    for name, values in used.items():
        if name == "bare":
            continue
        target = Target("at least", TARGETS[name]) if name in TARGETS else None
        yield Row(
            group="Webhooks (the server's processor time)",
            what=name.replace(" (in memory)", ""),
            unit="µs",
            ours=series("connector", values, 1e6),
            rival=series("an app that only answers 200", used["bare"], 1e6),
            speed=True,
            target=target,
        )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    asked.add_argument("--rounds", type=int, default=7)
    asked.add_argument("--requests", type=int, default=2000)
    asked.add_argument("--serve", help=argparse.SUPPRESS)
    chosen = asked.parse_args()
    if chosen.serve:
        return serve(chosen.serve)
    used = measure(chosen.rounds, chosen.requests)
    print(f"{'app':<48}{'processor time':>15}{'of bare, per s':>16}{'target':>9}")
    for name in APPS:
        ratios = [bare / own for bare, own in zip(used["bare"], used[name], strict=True)]
        target = f"≥ {TARGETS[name]:.0%}" if name in TARGETS else ""
        cost = f"{statistics.median(used[name]) * 1e6:.0f} µs"
        print(f"{name:<48}{cost:>15}{statistics.median(ratios):>15.0%}{target:>10}")


if __name__ == "__main__":
    main()
