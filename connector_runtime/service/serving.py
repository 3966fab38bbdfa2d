"""Runs the service behind uvicorn: in this process, or in several that share one port and one store.

An end (SIGTERM, Ctrl-C) lets what runs finish. A worker that dies is replaced.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any

import uvicorn
from prometheus_client import multiprocess
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import InputError

logger = logging.getLogger("connector_runtime.service")
HEAD = 10.0  # seconds for the head of a request
KEEP_ALIVE = 30  # seconds for which an idle connection is kept
END = 15  # seconds beyond a run's own time that an end waits for it
LINGER = 5.0  # seconds for a closing connection to take what was written


class TimedProtocol(H11Protocol):
    """HTTP whose patience with slow heads, and with readers that have stopped, ends."""

    _until_head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._until_head = self.loop.call_later(HEAD, self._too_slow)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._until_head is None:
            self._until_head = self.loop.call_later(HEAD, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self.loop.call_later(LINGER, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._until_head is not None:
            self._until_head.cancel()
            self._until_head = None

    def _too_slow(self) -> None:
        self._until_head = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
            self.loop.call_later(LINGER, self.transport.abort)


def serve(app: Callable[[], Any], end: float, port: socket.socket, workers: int = 1) -> None:
    """Serve at an open port until the end is asked for. Raises `KeyboardInterrupt` after an end by Ctrl-C.

    `app` makes the app, in each worker; `end` is how many seconds what runs at the end may take.
    """
    if workers == 1:
        _run(app, end, port, signal.SIGTERM)
        return
    with tempfile.TemporaryDirectory(prefix="metrics-", ignore_cleanup_errors=True) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # where the workers put their metrics, for any of them to read
        _supervise(partial(_run, app, end, port, signal.SIGTERM, signal.SIGINT), workers)  # Ctrl-C reaches them too


def _run(app: Callable[[], Any], end: float, port: socket.socket, *ends: signal.Signals) -> None:
    """A worker's whole life. The server raises a signal again when it has ended by it; there is no more to do then."""
    for name in ends:
        signal.signal(name, lambda number, frame: None)
    if multiprocessing.parent_process():
        threading.Thread(target=_end_with_parent, daemon=True).start()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # of others; of ours all that happens
    logging.getLogger("connector_runtime").setLevel(logging.INFO)
    quiet: Any = {"log_config": None, "access_log": False, "server_header": False}
    waits: Any = {"timeout_keep_alive": KEEP_ALIVE, "timeout_graceful_shutdown": int(end) + END}
    config = uvicorn.Config(app, factory=True, http=TimedProtocol, ws="none", backlog=2048, **quiet, **waits)
    uvicorn.Server(config).run(sockets=[port])


def _supervise(work: Callable[[], None], count: int) -> None:
    """Keep several workers that accept at one port; one that dies is replaced until the end is asked for."""
    spawn = multiprocessing.get_context("spawn")
    workers: dict[BaseProcess, float] = {}  # and when each began
    ended_by: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, frame: ended_by.append(number))

    while not ended_by:
        while len(workers) < count:
            process = spawn.Process(target=work, daemon=False)
            process.start()
            workers[process] = time.monotonic()
        multiprocessing.connection.wait([process.sentinel for process in workers], timeout=0.5)
        for dead in [each for each in workers if each.exitcode is not None and not ended_by]:
            logger.error("worker %s ended with %s", dead.pid, dead.exitcode)
            multiprocess.mark_process_dead(dead.pid)  # type: ignore[no-untyped-call]
            if dead.exitcode and dead.exitcode > 0 and time.monotonic() < workers[dead] + HEAD:
                ended_by.append(0)  # it could not start, and would not a second time
                break
            del workers[dead]
    for each in workers:
        each.terminate()
    for each in workers:
        each.join()
    if signal.SIGINT in ended_by:
        raise KeyboardInterrupt
    if any(process.exitcode not in (0, -signal.SIGTERM) for process in workers):  # that: still starting
        raise InputError("A worker did not start or did not end as it should.", hint="Its log says why.")


def _end_with_parent() -> None:
    """End this worker when its parent is gone, however it went: nobody else would, and the port would stay taken."""
    if parent := multiprocessing.parent_process():
        parent.join()
    while True:  # the first may come before the server listens to signals
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)


class JsonLines(logging.Formatter):
    """A log record as one line of JSON. Of an exception only its type is told."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "said", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)
