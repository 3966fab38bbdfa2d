"""What a download costs beside a plain httpx stream to a file, and what five kills cost.

    python benchmarks/downloads.py [--rounds N] [--megabytes N]

A server of its own process sends a file from memory; each download runs in a process of its own, the rounds are
interleaved. Memory is the peak of the process over what it had before the first byte. Ours also syncs to disk before it
renames. Only the ratios mean anything.
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
SLOW = 16 * 2**20  # bytes a second, so that there is something to kill
KILLS = 5


def serve(port: Any, size: int, sent: Any) -> None:
    """A server of a file of `size` bytes; `/file/N` is its first N bytes, `/slow/N` the same at 16 MB/s."""
    content = memoryview(os.urandom(2**20) * (size // 2**20))
    etag = hashlib.sha256(content).hexdigest()
    listener = socket.create_server(("127.0.0.1", 0))
    port.value = listener.getsockname()[1]

    def talk(peer: socket.socket) -> None:
        with peer:
            while head := peer.recv(65536).decode("latin-1"):
                end = int(head.split()[1].rpartition("/")[2])
                found = re.search(r"(?i)\r\nrange: bytes=([0-9]+)-", head)
                start = int(found[1]) if found else 0
                said = f'HTTP/1.1 {206 if found else 200} OK\r\nContent-Type: video/mp4\r\nETag: "{etag}"\r\n'
                said += f"Content-Length: {end - start}\r\n"
                said += f"Content-Range: bytes {start}-{end - 1}/{end}\r\n" if found else ""
                try:
                    peer.sendall(f"{said}\r\n".encode())
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
    """One download after a small one that warms everything up; prints what it took."""
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
            with taking():
                await client.download(files, folder)

    async def stream_async() -> None:
        async with httpx.AsyncClient() as client:
            await client.get(warm)
            with taking(), open(Path(folder) / "0.mp4", "wb") as target:
                async with client.stream("GET", url) as answer:
                    async for piece in answer.aiter_bytes():
                        target.write(piece)

    if kind.startswith("httpx.Async"):
        asyncio.run(stream_async())
    elif kind.startswith("httpx"):
        client = httpx.Client(headers={"Authorization": "Bearer t"})
        stream(client, warm)
        with taking():
            stream(client, url)
    elif kind.startswith("Async"):
        asyncio.run(download_async())
    else:
        with Client(load(), token="t", base_url=base_url) as ours:
            ours.download(file("warm", warm, 1024), folder)
            with taking():
                ours.download(files, folder)


@contextmanager
def taking() -> Iterator[None]:
    """Print how long it takes, in seconds, and by how many MB the process grows."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    yield
    took = time.perf_counter() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": took, "grown": grown}))


def measured(kind: str, port: int, size: int, root: Path = ROOT) -> dict[str, float]:
    """What one download in a process of its own took, in the tree at `root`."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"http://127.0.0.1:{port}/file/{size}"
        command = [sys.executable, "benchmarks/downloads.py", "--worker", kind, url, folder, str(size)]
        done = subprocess.run(command, cwd=root, env=environment(root), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def killed(port: int, size: int, sent: Any) -> str:
    """Kill a download five times, let it end, and hold it against what one without a kill brings."""
    with tempfile.TemporaryDirectory() as folder:
        whole = urlopen(f"http://127.0.0.1:{port}/file/{size}").read()
        url = f"http://127.0.0.1:{port}/slow/{size}"
        command = [sys.executable, __file__, "--worker", "download", url, folder, str(size)]
        part, sent.value, begun = Path(folder) / ".0.mp4.part", 0, time.perf_counter()
        for kill in range(1, KILLS + 1):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while not part.exists() or part.stat().st_size < size * kill // (KILLS + 1):
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        same = "byte-identical" if (Path(folder) / "0.mp4").read_bytes() == whole else "DIFFERENT"
        took = time.perf_counter() - begun
    extra = f"{sent.value / size:.3f}x its bytes were sent in {took:.1f} s, of which the line needs {size / SLOW:.1f} s"
    return f"killed {KILLS} times: {same}; {extra}"


@contextmanager
def serving(size: int) -> Iterator[tuple[int, Any]]:
    """The server's port, and the bytes that it has sent."""
    port, sent = multiprocessing.Value("i", 0), multiprocessing.Value("q", 0)
    server = multiprocessing.Process(target=serve, args=(port, size, sent), daemon=True)
    server.start()
    while port.value == 0:
        time.sleep(0.01)
    yield port.value, sent
    server.terminate()


def measure(port: int, size: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Seconds and MB grown of each kind, once a round."""
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            found[kind].append(measured(kind, port, size))
    return found


def rows(quick: bool) -> Iterator[Row]:
    size = (32 if quick else 256) * 2**20
    with serving(size) as (port, _):
        found = measure(port, size, 1 if quick else 5)
    for ours, rival in (("download", KINDS[0]), ("AsyncClient.download", "httpx.AsyncClient")):
        for key, unit, scale in (("seconds", "ms", 1e3), ("grown", "MB", 1.0)):
            yield Row(
                group=f"A download of {size // 2**20} MB",
                what=f"{ours}{', memory grown' if key == 'grown' else ''}",
                unit=unit,
                ours=series("connector, synced to disk", [each[key] for each in found[ours]], scale),
                rival=series(rival, [each[key] for each in found[rival]], scale),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        work(*chosen.worker[:3], int(chosen.worker[3]))
        return
    size = chosen.megabytes * 2**20
    with serving(size) as (port, sent):
        found = measure(port, size, chosen.rounds)
        kept = killed(port, min(size, 64 * 2**20), sent)
    print(f"{chosen.megabytes} MB, median of {chosen.rounds} interleaved rounds")
    plain = statistics.median(each["seconds"] for each in found[KINDS[0]])
    for kind, rounds in found.items():
        seconds = statistics.median(each["seconds"] for each in rounds)
        grown = statistics.median(each["grown"] for each in rounds)
        speed = chosen.megabytes * (3 if kind.startswith("3") else 1) / seconds
        ratio = plain * (3 if kind.startswith("3") else 1) / seconds
        print(f"{kind:<24} {speed:7.0f} MB/s  {ratio:5.2f}x of httpx  +{grown:.1f} MB")
    print(kept)


if __name__ == "__main__":
    main()
