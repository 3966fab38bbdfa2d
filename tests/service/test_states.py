"""What tells how the service is, and what a client need not be sent again."""

from __future__ import annotations

import gzip
import re
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key

from connector_runtime.errors import DefinitionError, Problem, StoreError
from connector_runtime.service import app
from connector_runtime.service.gate import Metrics
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector

from .conftest import Start, problem, whole

NOT_READY = ("not_ready", 503, "The service is not ready", "The service is not ready.", None)


class Hanging(MemoryStore):
    """A store that does not answer until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()

    def read(self, key: str) -> Any:
        assert self.free.wait(20)
        return super().read(key)


def test_a_service_whose_store_hangs_is_not_ready_until_it_answers(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "STORE_TIMEOUT", 0.2)
    store = Hanging()
    with start(store, tenant="t") as served:
        client = served.client()
        try:
            listed = [{"where": "store", "what": "did not respond within 0.2 seconds"}]
            assert problem(client.get("/ready")) == whole(*NOT_READY, problems=listed, retriable=True)
            assert client.get("/health").json() == {"status": "ok"}
        finally:
            store.free.set()
        assert client.get("/ready").json() == {"status": "ready"}


def test_a_service_whose_store_fails_says_so_and_not_why(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    with start(store, tenant="t") as served:

        def fails(key: str) -> Any:
            raise StoreError("The disk at /secret is gone.")

        monkeypatch.setattr(store, "read", fails)
        listed = [{"where": "store", "what": "fails; see the log"}]
        assert problem(served.client().get("/ready")) == whole(*NOT_READY, problems=listed, retriable=True)


def test_a_service_with_a_faulty_definition_is_not_ready(
    start: Start, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = DefinitionError.of([Problem("actions/x.yaml:3 label", "is lacking")])

    def fails(key: str) -> Any:
        raise broken if key == "list-users" else KeyError(key)

    class Faulty(dict[str, Any]):
        __getitem__ = staticmethod(fails)

    with start(tenant="t") as served:
        monkeypatch.setattr(served.app.state.service.connector, "triggers", Faulty({"list-users": 1}))
        listed = [{"where": "actions/x.yaml:3 label", "what": "is lacking"}]
        for _ in range(2):  # the second time it is remembered
            assert problem(served.client().get("/ready")) == whole(*NOT_READY, problems=listed, retriable=True)
        monkeypatch.undo()


@pytest.mark.parametrize("path", ["/v1/catalogue", "/v1/actions/create-meeting", "/openapi.json", "/", "/page/page.js"])
def test_who_has_a_document_is_told_so_with_the_same_headers(local: httpx.Client, path: str) -> None:
    first = local.get(path)
    assert first.status_code == 200 and first.content
    again = local.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary", "content-security-policy", "x-content-type-options"):
        assert again.headers.get(name) == first.headers.get(name)
    assert local.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_an_etag_is_found_among_others_and_the_answer_packed_for_who_can_unpack_it(local: httpx.Client) -> None:
    first = local.get("/v1/catalogue", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in first.headers
    etag = first.headers["etag"]
    assert etag.startswith('W/"') and first.headers["vary"] == "Accept-Encoding, Accept-Language"
    for wanted in (f'"a", {etag}', etag.removeprefix("W/"), "*"):
        assert local.get("/v1/catalogue", headers={"If-None-Match": wanted}).status_code == 304
    for accepts in ("gzip", "br, gzip;q=0.5", "deflate, GZIP"):
        with local.stream("GET", "/v1/catalogue", headers={"Accept-Encoding": accepts}) as packed:
            assert packed.headers["content-encoding"] == "gzip"
            assert gzip.decompress(b"".join(packed.iter_raw())) == first.content
    for refuses in ("gzip;q=0", "br, gzip; q=0.0", "br"):
        assert "content-encoding" not in local.get("/v1/catalogue", headers={"Accept-Encoding": refuses}).headers


def test_the_metrics_of_all_workers_are_read_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two workers have left where they share it."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    for worker, count in ((1, 2.0), (2, 3.0)):
        left = MmapedDict(str(tmp_path / f"counter_{worker}.db"))
        labels = {"action": "get-user", "outcome": "ok"}
        key = mmap_key("connector_runs", "connector_runs_total", list(labels), list(labels.values()), "Runs.")
        left.write_value(key, count, 0.0)
        left.close()
    text, kind = Metrics().text()
    assert b'connector_runs_total{action="get-user",outcome="ok"} 5.0' in text
    assert kind.startswith("text/plain; version=")


def test_the_metrics_of_one_process_are_its_apps_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    one, two = Metrics(), Metrics()
    one.runs.labels("get-user", "ok").inc()
    one.seconds.labels("/x").observe(0.3)
    told = one.text()[0].decode()
    assert (
        'connector_runs_total{action="get-user",outcome="ok"} 1.0' in told and "get-user" not in two.text()[0].decode()
    )
    bounds = re.findall(r'connector_request_seconds_bucket\{le="([^"]+)",route="/x"\} ([0-9.]+)', told)
    assert bounds == [
        *((each, "0.0") for each in ("0.05", "0.1", "0.25")),
        *((each, "1.0") for each in ("0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "+Inf")),
    ]
    for name, kind in (
        ("connector_requests_total", "counter"),
        ("connector_runs_total", "counter"),
        ("connector_request_seconds", "histogram"),
        ("connector_in_flight_requests", "gauge"),
        ("connector_replays_total", "counter"),
    ):
        assert f"# TYPE {name} {kind}\n" in told and re.search(rf"# HELP {name} \w+", told), name


def test_a_fault_of_ours_is_answered_without_a_word_of_what_was_sent_and_logged_with_its_place(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with start(tenant="t") as served:

        def broken(tenant: str, connector: Connector) -> Any:
            raise ZeroDivisionError("s3cret")

        monkeypatch.setattr(served.app.state.service, "connections", broken)
        answer = served.client().get("/v1/connections", headers={"X-Request-ID": "asked-1"})
    said = whole("internal", 500, "The service failed", "The service failed.", "See the service log.")
    assert problem(answer) == said
    (record,) = [each for each in caplog.records if each.getMessage() == "failure"]
    told = record.fields  # type: ignore[attr-defined]
    assert (told["request_id"], told["error"], record.levelname) == ("asked-1", "ZeroDivisionError", "ERROR")
    assert told["at"][-1].endswith(" broken") and len(told["at"]) <= 8
    assert "s3cret" not in caplog.text and "s3cret" not in str(told)
