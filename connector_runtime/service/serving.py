"""Runs the service under uvicorn: in this process, or in several that share one port and one store.

On SIGTERM or Ctrl-C, requests in progress may finish. A worker that dies is replaced.
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
HEADERS = 10.0  # seconds for a client to send the headers of a request
STARTUP_TIME = 10.0  # seconds; a worker that fails earlier is presumed unable to start
KEEP_ALIVE = 30  # seconds for which an idle connection stays open
GRACE = 15  # seconds that a shutdown waits for a run beyond its time limit
LINGER = 5.0  # seconds for a closing connection to send its remaining data


class TimedProtocol(H11Protocol):
    """HTTP/1.1 that disconnects clients that send their headers too slowly or stop reading."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._header_timer = self.loop.call_later(HEADERS, self._disconnect)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADERS, self._disconnect)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self.loop.call_later(LINGER, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _disconnect(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()
            self.loop.call_later(LINGER, self.transport.abort)


def serve(app: Callable[[], Any], timeout: float, port: socket.socket, workers: int = 1) -> None:
    """Serve on an open port until SIGTERM or Ctrl-C. Raises `KeyboardInterrupt` after Ctrl-C.

    `app` builds the app, once in each worker; `timeout` is the time limit of a run, in seconds.
    """
    if workers == 1:
        _run(app, timeout, port, signal.SIGTERM)
        return
    with tempfile.TemporaryDirectory(prefix="metrics-", ignore_cleanup_errors=True) as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # shared, so any worker can report for all
        _supervise(partial(_run, app, timeout, port, signal.SIGTERM, signal.SIGINT), workers)  # Ctrl-C reaches them too


def _run(app: Callable[[], Any], timeout: float, port: socket.socket, *handled: signal.Signals) -> None:
    """Run one worker. uvicorn raises the signal that ended it a second time, which the handlers here ignore."""
    for name in handled:
        signal.signal(name, lambda number, frame: None)
    if multiprocessing.parent_process():
        threading.Thread(target=_end_with_parent, daemon=True).start()
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # for libraries
    logging.getLogger("connector_runtime").setLevel(logging.INFO)
    quiet: Any = {"log_config": None, "access_log": False, "server_header": False}
    waits: Any = {"timeout_keep_alive": KEEP_ALIVE, "timeout_graceful_shutdown": int(timeout) + GRACE}
    config = uvicorn.Config(app, factory=True, http=TimedProtocol, ws="none", backlog=2048, **quiet, **waits)
    uvicorn.Server(config).run(sockets=[port])


def _supervise(work: Callable[[], None], count: int) -> None:
    """Run several workers on one port, and replace those that die, until a signal ends the service."""
    spawn = multiprocessing.get_context("spawn")
    workers: dict[BaseProcess, float] = {}  # with the time at which each began
    signals: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, frame: signals.append(number))

    while not signals:
        while len(workers) < count:
            process = spawn.Process(target=work, daemon=False)
            process.start()
            workers[process] = time.monotonic()
        multiprocessing.connection.wait([process.sentinel for process in workers], timeout=0.5)
        for dead in [worker for worker in workers if worker.exitcode is not None and not signals]:
            logger.error("worker %s ended with exit code %s", dead.pid, dead.exitcode)
            multiprocess.mark_process_dead(dead.pid)  # type: ignore[no-untyped-call]
            if dead.exitcode and dead.exitcode > 0 and time.monotonic() < workers[dead] + STARTUP_TIME:
                signals.append(0)  # it could not start, so its replacement would not either
                break
            del workers[dead]
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
    if signal.SIGINT in signals:
        raise KeyboardInterrupt
    if any(worker.exitcode not in (0, -signal.SIGTERM) for worker in workers):  # SIGTERM: it was still starting
        raise InputError("A worker did not start, or did not shut down properly.", hint="See the service log.")


def _end_with_parent() -> None:
    """End this worker when its parent is gone, because it would otherwise keep occupying the port."""
    if parent := multiprocessing.parent_process():
        parent.join()
    while True:  # the first signal may arrive before the server handles signals
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1)


class JsonLines(logging.Formatter):
    """Formats a log record as a line of JSON. Exceptions are shown by type only; their messages may quote secrets."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
        return json.dumps(line)
