"""The cost to a server of verifying and reading a webhook, against an app that only answers 200.

    python benchmarks/webhook.py [--rounds N] [--requests N]

Each app runs behind uvicorn in its own process and receives the requests over one connection. The rounds are
interleaved and compare the server's processor time. Only the ratios are meaningful.
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
    """Return the app to measure; its answer to `GET` is the processor time that the server has used, in seconds."""
    from zoom_connector import load, open_store, webhook_app

    trigger = load().triggers["webhook"]
    complete = webhook_app(trigger, SECRET, lambda notification: None, store=open_store("memory://"))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only http")
        if scope["method"] == "GET":
            return await answer(send, repr(time.process_time()).encode())
        if name.endswith("(in memory)"):
            return await complete(scope, receive, send)
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
    """An app in its own process, and a connection to it."""

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
    """Return distinct signed events, as the bytes of requests that Zoom would post."""
    from zoom_connector import load

    trigger = load().triggers["webhook"]
    sample = trigger.events["meeting.participant_joined"].sample
    result = []
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
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        result.append(f"POST /hooks HTTP/1.1\r\n{head}\r\n".encode() + body)
    return result


def measure(rounds: int, count: int) -> dict[str, list[float]]:
    """Return the processor time of a request in each app, in seconds, one value for each round."""
    used: dict[str, list[float]] = {name: [] for name in APPS}
    servers = {name: Server(name) for name in APPS}
    for turn in range(rounds + 1):
        sent = requests(count)
        for name, server in servers.items():
            before = server.cpu()
            for request in sent:
                status, content = server.ask(request)
                assert status == 200, (name, status, content)
            if turn:  # the first round warms up
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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    used = measure(options.rounds, options.requests)
    print(f"{'app':<48}{'processor time':>15}{'of bare, per s':>16}{'target':>9}")
    for name in APPS:
        ratios = [bare / own for bare, own in zip(used["bare"], used[name], strict=True)]
        target = f"≥ {TARGETS[name]:.0%}" if name in TARGETS else ""
        cost = f"{statistics.median(used[name]) * 1e6:.0f} µs"
        print(f"{name:<48}{cost:>15}{statistics.median(ratios):>15.0%}{target:>10}")


if __name__ == "__main__":
    main()
