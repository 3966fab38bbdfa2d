"""What the service tells of itself: one JSON line a request, and Prometheus metrics. Never inputs, keys or addresses.

Labels are routes as they are declared, action keys that exist, and kinds of outcome: none of them can grow without end.
"""

from __future__ import annotations

import json
import logging
import os
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

import prometheus_client
from prometheus_client import multiprocess

logger = logging.getLogger("connector_runtime.service")
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(slots=True)
class Note:
    """What is known of a request while it runs; its log line and metrics are made of it."""

    request_id: str
    root: str = ""  # where the service is mounted
    method: str = ""
    route: str = ""
    tenant: str = ""
    is_known: bool = False  # whose it is
    key: str | None = None  # the id of the API key
    runs: str | None = None  # the key of an action
    outcome: str = ""
    replayed: bool = False
    status: int = 0  # of the answer, once it has begun
    began: float = field(default_factory=time.monotonic)

    def log(self) -> None:
        """One line for a request that is over."""
        said = {
            "request_id": self.request_id,
            "method": self.method,
            "route": self.route,
            "status": self.status,
            "ms": round((time.monotonic() - self.began) * 1000, 1),
            "tenant": self.tenant if self.is_known else None,
            "key": self.key,
            "action": self.runs,
            "outcome": self.outcome or ("ok" if self.status < 400 else None),
            "replayed": self.replayed or None,
        }
        level = logging.ERROR if self.status >= 500 and self.outcome in ("", "internal") else logging.INFO
        logger.log(level, "request", extra={"said": {name: value for name, value in said.items() if value is not None}})

    def log_failure(self, error: BaseException) -> None:
        """Where a fault of ours happened. Its message is left out: it may quote what was sent."""
        steps = [f"{step.filename}:{step.lineno} {step.name}" for step in traceback.extract_tb(error.__traceback__)]
        said = {"request_id": self.request_id, "route": self.route, "error": type(error).__name__, "at": steps[-8:]}
        logger.error("failure", extra={"said": said})


class Metrics:
    """The metrics of one app. Where PROMETHEUS_MULTIPROC_DIR is set, all workers' are read together."""

    def __init__(self) -> None:
        self._shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ
        self._registry = prometheus_client.CollectorRegistry()
        here: Any = {"registry": None if self._shared else self._registry}
        self.requests = prometheus_client.Counter(
            "connector_requests", "Requests, by route, method and status.", ("route", "method", "status"), **here
        )
        self.runs = prometheus_client.Counter(
            "connector_runs", "Runs of actions; the outcome is ok or a kind of problem.", ("action", "outcome"), **here
        )
        self.seconds = prometheus_client.Histogram(
            "connector_request_seconds", "How long requests took.", ("route",), buckets=BUCKETS, **here
        )
        self.in_flight = prometheus_client.Gauge(
            "connector_in_flight_requests", "Requests that are being answered.", multiprocess_mode="livesum", **here
        )
        self.replays = prometheus_client.Counter("connector_replays", "Runs answered from an idempotency key.", **here)

    def seen(self, note: Note) -> None:
        """Count a request that is over."""
        self.requests.labels(note.route, note.method, str(note.status)).inc()
        self.seconds.labels(note.route).observe(time.monotonic() - note.began)
        if note.runs is not None:
            self.runs.labels(note.runs, note.outcome or "ok").inc()
        if note.replayed:
            self.replays.inc()

    def text(self) -> tuple[bytes, str]:
        """The metrics in Prometheus' text format, and its content type."""
        registry = self._registry
        if self._shared:
            registry = prometheus_client.CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


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


def log_as_json(level: int = logging.INFO) -> None:
    """Have this process write its log as lines of JSON to stderr: of others warnings, of ours from `level` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("connector_runtime").setLevel(level)
