"""Requests per second of the service against a bare FastAPI app, in one run.

    python benchmarks/service.py [--rounds N] [--requests N] [--connections N]

Each app runs behind uvicorn in its own process; the rounds are interleaved. Runs of actions call a vendor in another
process, which answers at once. Only the ratios are meaningful.
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

USER = {"id": "u1", "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace", "type": 2}
BODY = json.dumps({"inputs": {"user_id": "me"}}).encode()
RUN = "/v1/actions/get-user/run"
MARK = "KEY"  # placeholder for a new idempotency key
CASES = {  # name -> app, method, path, whether each request has its own idempotency key
    "bare FastAPI, a small answer": ("bare", "GET", "/small", False),
    "service: /health": ("service", "GET", "/health", False),
    "service: /v1/tenant (API key)": ("service", "GET", "/v1/tenant", False),
    "service: catalogue, unchanged (304)": ("service", "GET", "/v1/catalogue", False),
    "service: preview": ("service", "POST", "/v1/actions/get-user/preview", False),
    "bare FastAPI, one httpx call": ("bare", "POST", "/call", False),
    "service: run": ("service", "POST", RUN, False),
    "service: run, a new idempotency key each": ("service", "POST", RUN, True),
}
RAW = "/v1/actions/raw-request/run"
MEETING = "/v1/actions/create-meeting/preview"
MIB = 1024 * 1024
HEAVY = {  # the largest accepted requests, in the slowest shapes: name -> path, inputs as JSON, filling, size
    "a file of 8 MiB": (RAW, '{"url": "/x", "method": "POST", "file_data": {"a": {"base64": "%s"}}}', "QUJD", 8 * MIB),
    "8 MiB of texts": (RAW, '{"url": "/x", "method": "POST", "data": [%s1]}', f'"{"x" * 40}",', 8 * MIB),
    "8 MiB of lists": (RAW, '{"url": "/x", "method": "POST", "data": [%s1]}', "[],", 8 * MIB),
    "200,000 values": (RAW, '{"url": "/x", "method": "POST", "data": [%s1]}', '{"a":[]},', 9 * 66_000),
    "1 MiB of wrong days": (MEETING, '{"user_id": "me", "weekly_day": "%s1"}', "9,", MIB),
    "1 MiB of blanks": (MEETING, '{"user_id": "me", "duration": "%sx"}', " ", MIB),
    "1 MiB of unknown inputs": (MEETING, "{%s}", None, MIB),
}
AGAINST = {"service: run": "bare FastAPI, one httpx call", "service: run, a new idempotency key each": "service: run"}


def vendor() -> Any:
    """Return the vendor's app, which answers at once."""
    body = json.dumps(USER).encode()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def bare(url: str) -> Any:
    """Return the app that one would write by hand with FastAPI."""
    import httpx
    from fastapi import FastAPI

    app = FastAPI()
    client = httpx.AsyncClient(limits=httpx.Limits(max_connections=100))

    @app.get("/small")
    async def small() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/call")
    async def call(body: dict[str, Any]) -> Any:
        user = body["inputs"]["user_id"]
        answer = await client.get(f"{url}/users/{user}", headers={"Authorization": "Bearer x"})
        return {"data": answer.json()}

    return app


def served(url: str) -> tuple[Any, str]:
    """Return the service and an API key for it."""
    from connector_runtime.connections.oauth_requests import Tokens
    from connector_runtime.service.records import ApiKeys
    from connector_runtime.service.settings import ServiceSettings
    from zoom_connector import Connections, load, open_store, service_app

    store = open_store("memory://")
    values = {"client_id": "a", "client_secret": "b"}
    Connections(load(), store, "acme").adopt("oauth2", values, Tokens(granted={"access_token": "x"}))
    key = ApiKeys(store, load().key).create("acme")[0]
    return service_app(load(), store=store, settings=ServiceSettings(base_url=url)), key


def serve(name: str, url: str) -> None:
    import uvicorn

    key = ""
    if name == "service":
        app, key = served(url)
    else:
        app = vendor() if name == "vendor" else bare(url)
    port = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as `serve` does
    print(port.getsockname()[1], key, flush=True)
    lifespan = "off" if name == "vendor" else "on"
    config = uvicorn.Config(app, log_level="error", access_log=False, ws="none", lifespan=lifespan, http="h11")
    uvicorn.Server(config).run(sockets=[port])


class Server:
    """An app in its own process."""

    def __init__(self, name: str, url: str = "") -> None:
        command = [sys.executable, __file__, "--serve", name, "--url", url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        port, self.key = [*self.process.stdout.readline().split(), ""][:2]
        self.port = int(port)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def request(method: str, path: str, key: str = "", own_key: bool = False, etag: str = "") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    head += [f"Authorization: Bearer {key}"] if key else []
    head += [f"Idempotency-Key: {MARK}"] if own_key else []
    head += [f"If-None-Match: {etag}"] if etag else []
    head += ["Content-Type: application/json", f"Content-Length: {len(BODY)}"] if method == "POST" else []
    return "\r\n".join([*head, "", ""]).encode() + (BODY if method == "POST" else b"")


async def fire(port: int, sent: bytes, count: int, connections: int) -> float:
    """Send `count` requests over persistent connections and return the rate per second."""
    left = iter(range(count))

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(sent.replace(MARK.encode(), f"{time.time_ns()}-{id(writer)}".encode()))
            status, _ = await answer(reader)
            assert status in (200, 304), status
        writer.close()
        await writer.wait_closed()

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return count / (time.perf_counter() - started)


def rate(port: int, sent: bytes, count: int, connections: int = 16) -> float:
    return asyncio.run(fire(port, sent, count, connections))


async def answer(reader: asyncio.StreamReader) -> tuple[int, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(head[0].split()[1]), headers.get("etag", "").replace("w/", "W/")


async def etag_of(server: Server) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request("GET", "/v1/catalogue", server.key))
    etag = (await answer(reader))[1]
    writer.close()
    return etag


def heavy(name: str, key: str) -> bytes:
    path, inputs, piece, size = HEAVY[name]
    room = size - len(inputs) - 100
    filling = piece * (room // len(piece)) if piece else ",".join(f'"{number:08}":1' for number in range(room // 13))
    content = ('{"inputs": ' + inputs % filling + "}").encode()
    head = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {key}"]
    head += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*head, "", ""]).encode() + content


async def longest_wait(server: Server, sent: bytes) -> float:
    """Return the seconds of the slowest answer of /health while the service handles a heavy request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=32 * MIB)
    health = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    handled = asyncio.create_task(answer(reader))
    longest = 0.0
    while not handled.done():
        started = time.perf_counter()
        health[1].write(request("GET", "/health"))
        assert (await answer(health[0]))[0] == 200
        longest = max(longest, time.perf_counter() - started)
        await asyncio.sleep(0.001)
    assert (await handled)[0] in (200, 400, 422), await handled
    for each in (writer, health[1]):
        each.close()
        await each.wait_closed()
    return longest


def waits(rounds: int) -> dict[str, list[float]]:
    """Return the longest wait of /health during each of the heavy requests (seconds), one for each round."""
    backend = Server("vendor")
    server = Server("service", f"http://127.0.0.1:{backend.port}")
    results: dict[str, list[float]] = {name: [] for name in HEAVY}
    for turn in range(rounds + 1):
        for name, values in results.items():
            longest = asyncio.run(longest_wait(server, heavy(name, server.key)))
            values += [longest] if turn else []
    for running in (server, backend):
        running.close()
    return results


def measure(rounds: int, requests: int, connections: int) -> dict[str, list[float]]:
    """Return the requests per second of each case, one value for each round."""
    backend = Server("vendor")
    url = f"http://127.0.0.1:{backend.port}"
    servers = {name: Server(name, url) for name in ("bare", "service")}
    etag = asyncio.run(etag_of(servers["service"]))
    rates: dict[str, list[float]] = {name: [] for name in CASES}
    for turn in range(rounds + 1):
        for name, (app, method, path, own_key) in CASES.items():
            server = servers[app]
            sent = request(method, path, server.key, own_key, etag if path == "/v1/catalogue" else "")
            value = rate(server.port, sent, requests, connections)
            if turn:  # the first round warms up
                rates[name].append(value)
    for running in (*servers.values(), backend):
        running.close()
    return rates


def rows(quick: bool) -> Iterable[Row]:
    rates = measure(1 if quick else 5, 200 if quick else 1000, 16)
    for name, values in rates.items():
        if name.startswith("service: "):
            rival = AGAINST.get(name, "bare FastAPI, a small answer")
            yield Row(
                group="The service over HTTP",
                what=name.removeprefix("service: "),
                unit="req/s",
                ours=series("service", values),
                rival=series(rival, rates[rival]),
                more=True,
            )
    for name, values in waits(1 if quick else 5).items():
        yield Row(
            group="The service over HTTP",
            what=f"longest wait of /health during {name}",
            unit="ms",
            ours=series("service", values, 1000),
            target=Target("at most", 300),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.url)
    rates = measure(options.rounds, options.requests, options.connections)
    print(f"{'':<44}{'requests/s':>11}  against")
    for name in CASES:
        first = AGAINST.get(name, "bare FastAPI, a small answer")
        ratio = statistics.median(own / bare for own, bare in zip(rates[name], rates[first], strict=True))
        comparison = "" if name == first or name.startswith("bare") else f"{ratio:4.0%} of {first}"
        print(f"{name:<44}{statistics.median(rates[name]):>11.0f}  {comparison}")
    for name, values in waits(options.rounds).items():
        print(f"/health during {name:<29}{max(values) * 1000:>11.0f} ms at most")


if __name__ == "__main__":
    main()
