"""The cost of a download against a plain httpx stream to a file, and of five kills during a download.

    python benchmarks/downloads.py [--rounds N] [--megabytes N]

A server in a separate process sends a file from memory. Each download runs in its own process, and the rounds are
interleaved. Memory is the peak of the process minus its size before the first byte. The connector also syncs to disk
before it renames the file. Only the ratios are meaningful.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import re
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frame import Row
from benchmarks.measure import ROOT, environment, series

KINDS = ("httpx stream to a file", "download", "httpx.AsyncClient", "AsyncClient.download", "3 files at once")
SLOW = 16 * 2**20  # bytes per second, slow enough to kill a download in progress
KILLS = 5


def serve(port: Any, size: int, sent: Any) -> None:
    """Serve a file of `size` bytes: `/file/N` sends its first N bytes, `/slow/N` the same at 16 MB/s."""
    content = memoryview(os.urandom(2**20) * (size // 2**20))
    etag = hashlib.sha256(content).hexdigest()
    listener = socket.create_server(("127.0.0.1", 0))
    port.value = listener.getsockname()[1]

    def talk(peer: socket.socket) -> None:
        with peer:
            while head := peer.recv(65536).decode("latin-1"):
                end = int(head.split()[1].rpartition("/")[2])
                match = re.search(r"(?i)\r\nrange: bytes=([0-9]+)-", head)
                start = int(match[1]) if match else 0
                reply = f'HTTP/1.1 {206 if match else 200} OK\r\nContent-Type: video/mp4\r\nETag: "{etag}"\r\n'
                reply += f"Content-Length: {end - start}\r\n"
                reply += f"Content-Range: bytes {start}-{end - 1}/{end}\r\n" if match else ""
                try:
                    peer.sendall(f"{reply}\r\n".encode())
                    for at in range(start, end, 2**18):
                        peer.sendall(content[at : min(end, at + 2**18)])
                        sent.value += min(end, at + 2**18) - at
                        if " /slow" in head:
                            time.sleep(2**18 / SLOW)
                except OSError:
                    return

    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


def work(kind: str, url: str, folder: str, size: int) -> None:
    """Download a small file to warm up, then measure one download and print the measurement."""
    import httpx

    from zoom_connector import AsyncClient, Client, File, load

    base_url = f"{url.partition('/file')[0].partition('/slow')[0]}/v2"
    warm = url.replace("/slow", "/file").rpartition("/")[0] + "/1024"
    count = 3 if kind.startswith("3") else 1

    def file(name: str, at: str, size: int) -> File:
        return File(name=name, size=size, id=name, action="get-meeting-recordings", url=at)

    files = [file(f"{number}.mp4", url, size) for number in range(count)]

    def stream(client: Any, at: str) -> None:
        with client.stream("GET", at) as answer, open(Path(folder) / "0.mp4", "wb") as target:
            for piece in answer.iter_bytes():
                target.write(piece)

    async def download_async() -> None:
        async with AsyncClient(load(), token="t", base_url=base_url) as client:
            await client.download(file("warm", warm, 1024), folder)
            with measuring():
                await client.download(files, folder)

    async def stream_async() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(warm)
            with measuring(), open(Path(folder) / "0.mp4", "wb") as target:
                async with client.stream("GET", url) as answer:
                    async for piece in answer.aiter_bytes():
                        target.write(piece)

    if kind.startswith("httpx.Async"):
        asyncio.run(stream_async())
    elif kind.startswith("httpx"):
        client = httpx.Client(headers={"Authorization": "Bearer t"})
        stream(client, warm)
        with measuring():
            stream(client, url)
    elif kind.startswith("Async"):
        asyncio.run(download_async())
    else:
        with Client(load(), token="t", base_url=base_url) as ours:
            ours.download(file("warm", warm, 1024), folder)
            with measuring():
                ours.download(files, folder)


@contextmanager
def measuring() -> Iterator[None]:
    """Print the seconds that the block takes and the MB by which the process grows, as JSON."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": seconds, "grown": grown}))


def measured(kind: str, port: int, size: int, root: Path = ROOT) -> dict[str, float]:
    """Measure one download in its own process, with the tree at `root`."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{port}/file/{size}"
        command = [sys.executable, "benchmarks/downloads.py", "--worker", kind, url, folder, str(size)]
        done = subprocess.run(command, cwd=root, env=environment(root), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def killed(port: int, size: int, sent: Any) -> str:
    """Kill a download five times, let it finish, and compare the file with the original."""
    with tempfile.TemporaryDirectory() as folder:
        original = urlopen(f"http://127.0.0.1:{port}/file/{size}").read()
        url = f"http://127.0.0.1:{port}/slow/{size}"
        command = [sys.executable, __file__, "--worker", "download", url, folder, str(size)]
        part, sent.value, start = Path(folder) / ".0.mp4.part", 0, time.perf_counter()
        for kill in range(1, KILLS + 1):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while not part.exists() or part.stat().st_size < size * kill // (KILLS + 1):
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        verdict = "byte-identical" if (Path(folder) / "0.mp4").read_bytes() == original else "DIFFERENT"
        seconds = time.perf_counter() - start
    cost = f"server sent {sent.value / size:.3f}x its bytes in {seconds:.1f} s, without kills in {size / SLOW:.1f} s"
    return f"killed {KILLS} times: {verdict}; {cost}"


@contextmanager
def serving(size: int) -> Iterator[tuple[int, Any]]:
    """Run the server; yield its port and a counter of the bytes that it sends."""
    port, sent = multiprocessing.Value("i", 0), multiprocessing.Value("q", 0)
    server = multiprocessing.Process(target=serve, args=(port, size, sent), daemon=True)
    server.start()
    while port.value == 0:
        time.sleep(0.01)
    yield port.value, sent
    server.terminate()


def measure(port: int, size: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Return the measurements of each kind, one for each round."""
    results: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            results[kind].append(measured(kind, port, size))
    return results


def rows(quick: bool) -> Iterator[Row]:
    size = (32 if quick else 256) * 2**20
    with serving(size) as (port, _):
        results = measure(port, size, 1 if quick else 5)
    for ours, rival in (("download", KINDS[0]), ("AsyncClient.download", "httpx.AsyncClient")):
        for key, unit, scale in (("seconds", "ms", 1e3), ("grown", "MB", 1.0)):
            yield Row(
                group=f"A download of {size // 2**20} MB",
                what=f"{ours}{', memory grown' if key == 'grown' else ''}",
                unit=unit,
                ours=series("connector, synced to disk", [each[key] for each in results[ours]], scale),
                rival=series(rival, [each[key] for each in results[rival]], scale),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(*options.worker[:3], int(options.worker[3]))
        return
    size = options.megabytes * 2**20
    with serving(size) as (port, sent):
        results = measure(port, size, options.rounds)
        kills = killed(port, min(size, 64 * 2**20), sent)
    print(f"{options.megabytes} MB, median of {options.rounds} interleaved rounds")
    plain = statistics.median(each["seconds"] for each in results[KINDS[0]])
    for kind, rounds in results.items():
        seconds = statistics.median(each["seconds"] for each in rounds)
        grown = statistics.median(each["grown"] for each in rounds)
        speed = options.megabytes * (3 if kind.startswith("3") else 1) / seconds
        ratio = plain * (3 if kind.startswith("3") else 1) / seconds
        print(f"{kind:<24} {speed:7.0f} MB/s  {ratio:5.2f}x of httpx  +{grown:.1f} MB")
    print(kills)


if __name__ == "__main__":
    main()
