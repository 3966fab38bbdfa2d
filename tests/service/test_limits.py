"""Whatever is sent, however slowly and however often: the service answers what it should and stays up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from connector_runtime.language import json_text
from connector_runtime.pacing import accounts
from connector_runtime.service import serving
from connector_runtime.service.app import service_app
from connector_runtime.service.gate import SCOPE_KEY, Gate
from connector_runtime.service.settings import ServiceSettings
from connector_runtime.service.state import Service
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector, InputError
from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.wire import WireRequest, WireResponse

from .conftest import CREATE, Start, Tenants, connected, problem, received, until, whole

USER = "/v1/actions/get-user/run"
ME: dict[str, Any] = {"inputs": {"user_id": "me"}}


def test_two_hundred_parallel_runs_are_all_done(local: httpx.Client, zoom: Sandbox) -> None:
    limits = httpx.Limits(max_connections=200)
    with (
        httpx.Client(base_url=local.base_url, limits=limits, timeout=60, trust_env=False) as client,
        ThreadPoolExecutor(200) as many,
    ):
        found = list(many.map(lambda number: client.post(USER, json=ME).status_code, range(200)))
    assert found == [200] * 200
    assert local.get("/health").status_code == 200


def test_more_than_the_service_takes_is_a_503_and_health_still_answers(start: Start, zoom: Sandbox) -> None:
    with start(tenant="t", token=zoom.token, limits={"concurrency": 2}) as served, ThreadPoolExecutor(6) as many:
        client = served.client()
        zoom.inject(delay=1.0, times=10)
        runs = [many.submit(client.post, USER, json=ME) for _ in range(6)]
        assert until(lambda: len(zoom.requests) == 2)
        assert served.client().get("/health").status_code == 200
        answers = [run.result() for run in runs]
        refused = [answer for answer in answers if answer.status_code == 503]
        assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503, 503, 503]
        assert {answer.json()["kind"] for answer in refused} == {"busy"}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        zoom.clear_faults()
        assert client.post(USER, json=ME).status_code == 200


def test_one_tenant_cannot_take_the_places_of_all(
    start: Start, tenants: Tenants, zoom: Sandbox, connector: Any
) -> None:
    from connector_runtime.service.records import ApiKeys

    with start(tenants.store, {"tenant_concurrency": 2}) as served, ThreadPoolExecutor(5) as many:
        acme = served.client(tenants.acme_key)
        other = served.client(ApiKeys(tenants.store, connector.key).create("other")[0])
        zoom.inject(delay=1.0, times=10)
        runs = [many.submit(acme.post, USER, json=ME) for _ in range(5)]
        assert until(lambda: len(zoom.requests) == 2)
        assert other.get("/v1/tenant").status_code == 200
        answers = [run.result() for run in runs]
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
        zoom.clear_faults()
        assert acme.post(USER, json=ME).status_code == 200


@pytest.mark.parametrize("room", ["in_store", "in_work"])
def test_what_one_tenant_asks_for_at_once_keeps_no_other_waiting(connector: Connector, room: str) -> None:
    shared = Service(connector, MemoryStore(), ServiceSettings(timeout=20), None, None)
    go_on, most, running, lock = threading.Event(), 0, 0, threading.Lock()

    def slow() -> None:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        assert go_on.wait(15)
        with lock:
            running -= 1

    async def asked() -> list[str]:
        many = [asyncio.create_task(getattr(shared, room)("acme", slow)) for _ in range(40)]
        await asyncio.sleep(0.2)
        async with asyncio.timeout(5):  # another tenant, and what is nobody's, such as the look for a key
            found = [await getattr(shared, room)(whose, str.upper, "b") for whose in ("other", None)]
        many[-1].cancel()  # who goes away leaves the turns of the others as they are
        go_on.set()
        await asyncio.gather(*many[:-1])
        return found

    assert asyncio.run(asked()) == ["B", "B"]
    assert 1 <= most <= 2 and not shared._places


@pytest.mark.parametrize("told", [True, False])
def test_a_huge_body_is_a_413(start: Start, told: bool) -> None:
    with start(tenant="t", limits={"body": 10_000}) as served:
        content = json.dumps({"inputs": {"topic": "x" * 20_000}}).encode()
        body = content if told else iter([content[:5000], content[5000:10_000], content[10_000:]])
        answer = served.client().post(CREATE, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["kind"]) == (413, "too_large")
        assert served.client().get("/health").status_code == 200


def test_a_length_that_is_a_lie_is_a_413_before_the_body_is_read(start: Start) -> None:
    with start(tenant="t") as served, connected(served) as raw:
        head = f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: 999999999999\r\n\r\n{{".encode())
        assert received(raw).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_comes_too_slowly_is_a_408(start: Start) -> None:
    with start(tenant="t", limits={"patience": 0.5}) as served, connected(served) as raw:
        head = f"POST {CREATE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: 100\r\n\r\n".encode())
        for _ in range(3):  # a byte now and then does not help
            raw.sendall(b"{")
            time.sleep(0.1)
        said = received(raw)
        assert said.startswith(b"HTTP/1.1 408 ") and b'"kind":"slow"' in said
        assert served.client().get("/health").status_code == 200


def test_who_sends_no_request_is_hung_up_on(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HEADERS", 0.3)
    with start(tenant="t") as served, connected(served) as silent, connected(served) as slow, connected(served) as done:
        done.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        while b'{"status":"ok"}' not in said:
            said += done.recv(1000)
        done.sendall(b"GET /heal")
        slow.sendall(b"GET /health HTTP/1.1\r\nHo")
        assert received(silent) == received(slow) == received(done) == b""
        assert served.client().get("/health").status_code == 200


def endless(request: WireRequest) -> WireResponse:
    """A page of a list without end."""
    users = [{"id": str(number), "email": "x" * 1000} for number in range(300)]
    return WireResponse(status=200, body=json.dumps({"users": users, "next_page_token": uuid4().hex}).encode())


def test_who_stops_reading_a_stream_is_hung_up_on(start: Start) -> None:
    with (
        Sandbox(before=endless) as zoom,
        start(tenant="t", token=zoom.token, limits={"base_url": zoom.base_url, "patience": 0.5}) as served,
        connected(served) as raw,
    ):
        head = "POST /v1/actions/list-users/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: 2\r\n\r\n{{}}".encode())
        running = served.app.state.service.running
        assert until(lambda: running["t"] == 1)
        assert until(lambda: running["t"] == 0)
        raw.settimeout(serving.LINGER + 10)
        with contextlib.suppress(ConnectionError):  # aborted, when it has lingered
            assert b'"end"' not in received(raw)


def test_who_goes_away_in_the_middle_of_a_stream_ends_it(start: Start) -> None:
    with (
        Sandbox(before=endless) as zoom,
        start(tenant="t", token=zoom.token, limits={"base_url": zoom.base_url}) as served,
    ):
        with served.client().stream("POST", "/v1/actions/list-users/stream", json={}) as answer:
            assert next(answer.iter_lines())
        assert until(lambda: not served.app.state.service.running)
        asked = len(zoom.requests)
        time.sleep(0.3)
        assert len(zoom.requests) == asked


def test_a_large_answer_survives(start: Start) -> None:
    with (
        Sandbox(users=3000) as zoom,
        start(tenant="t", token=zoom.token, limits={"base_url": zoom.base_url}) as served,
    ):
        assert len(served.client().post("/v1/actions/list-users/run", json={}).json()["data"]["users"]) == 3000


def test_pipelined_and_kept_connections_are_answered_in_order(start: Start) -> None:
    with start(tenant="t") as served, connected(served) as raw:
        last = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3 + last)
        said = received(raw)
        assert said.count(b'{"status":"ok"}') == 3 and said.count(b"HTTP/1.1 404") == 1


def test_a_service_that_knows_the_plan_keeps_to_our_share_of_it(start: Start, zoom: Sandbox) -> None:
    zoom.limits.plan = "free"  # 4 light calls a second
    with start(tenant="here", token=zoom.token, limits={"plan": "free", "share": 0.5}) as running:
        asking = running.client()

        def run(_: int) -> int:
            return asking.post("/v1/actions/get-user/run", json={"inputs": {"user_id": "me"}}).status_code

        with ThreadPoolExecutor(8) as workers:
            assert list(workers.map(run, range(8))) == [200] * 8
    times = [request.at for request in zoom.requests if request.status == 200]
    assert not [request for request in zoom.requests if request.status == 429]
    assert times[-1] - times[0] >= (8 - 2) / 2  # two a second, with at most two at once


def test_a_plan_that_there_is_not_is_refused_at_once(connector: Connector) -> None:
    with pytest.raises(InputError, match="business"):
        service_app(connector, store=MemoryStore(), settings=ServiceSettings(plan="platinum"))


SENT = {
    "unknown names": {f"user_idx{number}": 1 for number in range(8000)},
    "entries of a list": {"user_id": "me", "type": 8, "type_recurrence": 2, "weekly_day": [99] * 20_000},
    "numbers in a text": {"user_id": "me", "weekly_day": "99," * 20_000},
    "objects that are lists": {"user_id": "me", "tracking_fields": [["a"]] * 20_000},
}


@pytest.mark.parametrize("name", SENT)
def test_thousands_of_faults_are_told_by_the_first_and_by_no_more(local: httpx.Client, name: str) -> None:
    for path in ("/v1/actions/create-meeting/preview", CREATE, "/v1/actions/create-meeting/stream"):
        answer = local.post(path, json={"inputs": SENT[name]})
        assert (answer.status_code, answer.json()["kind"]) == (422, "input")
        assert len(answer.json()["problems"]) <= 100 and len(answer.content) < 64 * 1024


def test_what_is_large_is_bound_beside_the_event_loop(local: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector_runtime.inputs import bind

    seen: list[bool] = []
    problems = bind.InputReading.problems

    def spied(*given: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            seen.append(True)
        else:
            seen.append(False)
        return problems(*given)

    monkeypatch.setattr(bind.InputReading, "problems", spied)
    for path in ("/v1/actions/create-meeting/preview", CREATE, "/v1/actions/create-meeting/stream"):
        assert local.post(path, json={"inputs": SENT["unknown names"]}).status_code == 422
    assert seen == [True] * 3


@pytest.mark.parametrize(("path", "many"), [("run", True), ("stream", True), ("run", False), ("stream", False)])
def test_a_large_answer_is_written_beside_the_event_loop(
    start: Start, monkeypatch: pytest.MonkeyPatch, path: str, many: bool
) -> None:
    beside: list[bool] = []
    write = json_text.write

    def spied(value: Any) -> bytes:
        if isinstance(value, dict) and ("data" in value or "item" in value):
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                beside.append(True)
            else:
                beside.append(False)
        return write(value)

    monkeypatch.setattr(json_text, "write", spied)
    with (
        Sandbox(users=1000 if many else 5) as zoom,
        start(tenant="t", token=zoom.token, limits={"base_url": zoom.base_url}) as served,
    ):
        assert served.client().post(f"/v1/actions/list-users/{path}", json={}).status_code == 200
    assert beside and set(beside) == {many}


class Stuck(MemoryStore):
    """A store whose limits are locked by another process, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.asked = threading.Event()

    def read(self, key: str) -> Any:
        if key.startswith("pacing/"):
            self.asked.set()
            assert self.free.wait(20)
        return super().read(key)


def test_a_locked_store_of_limits_keeps_nobody_else_waiting(start: Start, zoom: Sandbox) -> None:
    store = Stuck()
    with start(store, tenant="t", token=zoom.token, limits={"plan": "free"}) as served, ThreadPoolExecutor(1) as apart:
        run = apart.submit(served.client().post, USER, json=ME)
        try:
            assert store.asked.wait(20)
            assert served.client().get("/health", timeout=5).status_code == 200
        finally:
            store.free.set()
        assert run.result().status_code == 200


def test_the_pacers_of_a_service_are_those_of_the_process_and_bounded(
    start: Start, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MAX_ACCOUNTS", 2)
    with start(tenant="t", token=zoom.token, limits={"plan": "free"}) as served:
        assert served.client().post(USER, json=ME).status_code == 200
        assert len(accounts._accounts) == 1
        for number in range(5):
            served.app.state.service._client("acme", f"account {number}")
        assert len(accounts._accounts) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("timeout", value) for value in (math.nan, math.inf, -1.0, 0.0)],
        *[("patience", value) for value in (math.nan, math.inf)],
        *[("retries", value) for value in (-1, 1.5)],
        *[("share", value) for value in (0.0, 1.5, math.nan, -0.5)],
        ("body", 0),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        ServiceSettings(**{name: value})


async def _hang(scope: Any, receive: Any, send: Any) -> None:
    scope[SCOPE_KEY].runs = "create-meeting"
    await asyncio.sleep(60)


def test_a_run_that_is_cancelled_counts_as_cut(connector: Connector) -> None:
    shared = Service(connector, MemoryStore(), ServiceSettings(), None, None)
    gate = Gate(_hang, shared)
    scope = {"type": "http", "path": CREATE, "method": "POST", "headers": []}

    async def asked() -> None:
        running = asyncio.create_task(gate(scope, _hang, _hang))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

    asyncio.run(asked())
    text = gate._metrics.text()[0].decode()
    assert 'connector_runs_total{action="create-meeting",outcome="cut"} 1.0' in text and 'outcome="ok"' not in text


FILE = {"inputs": {"url": "/x", "method": "POST", "file_data": {"a": {"base64": "QUJD" * 400}}}}


def test_only_actions_that_take_files_take_larger_bodies(start: Start, zoom: Sandbox) -> None:
    with start(tenant="t", token=zoom.token, limits={"body": 1000, "files": 4000}) as served:
        client = served.client()
        assert client.post("/v1/actions/raw-request/preview", json=FILE).status_code == 200
        larger = {"inputs": {**FILE["inputs"], "data": "x" * 4000}}
        for path, sent, most in (
            ("/v1/actions/raw-request/preview", larger, 4000),
            ("/v1/actions/create-meeting/run", {"inputs": {"topic": "x" * 1000}}, 1000),
            ("/v1/actions/create-meeting/inputs/user_id/choices", {"inputs": {"topic": "x" * 1000}}, 1000),
            ("/v1/connections", {"kind": "x" * 1000}, 1000),
        ):
            answer = client.post(path, json=sent)
            assert problem(answer) == whole(
                "too_large", 413, "The body is too large", f"The body is larger than {most} bytes.", None
            )
            assert answer.headers["connection"] == "close"


def test_the_document_says_how_large_a_body_may_be(local: httpx.Client) -> None:
    paths = local.get("/openapi.json").json()["paths"]
    said = {
        key: paths[f"/v1/actions/{key}/run"]["post"]["requestBody"]["description"]
        for key in ("get-user", "raw-request")
    }
    assert said == {"get-user": "At most 1048576 bytes.", "raw-request": "At most 8388608 bytes."}


@pytest.mark.parametrize("piece", ["[],", '"",', "{},", "1,", '{"a":1},', '"a\\"b",'])
def test_a_body_of_too_many_values_is_a_400(local: httpx.Client, piece: str) -> None:
    many = f'{{"inputs": {{"url": "/x", "method": "POST", "data": [{piece * 200_001}1]}}}}'.encode()
    answer = local.post("/v1/actions/raw-request/preview", content=many, headers={"Content-Type": "application/json"})
    message = "The body contains more than 200,000 values."
    problems = [{"where": "body", "what": message}]
    expected = whole("body", 400, "The request cannot be read", message, "Send less at a time.", problems=problems)
    assert problem(answer) == expected


def test_commas_in_texts_are_no_values(local: httpx.Client) -> None:
    text = ',[{\\"' * 100_000
    body = f'{{"inputs": {{"url": "/x", "method": "POST", "data": "{text}"}}}}'.encode()
    answer = local.post("/v1/actions/raw-request/preview", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200 and answer.json()["body"] == text.replace("\\", "")


def test_the_first_hundred_problems_are_listed_with_the_total(local: httpx.Client) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {f"unknown{number}": 1 for number in range(5000)},
            "5000 problems with the inputs of the request, the first 100:",
        ),
        ({"inputs": SENT["unknown names"]}, "More than 100 problems with the inputs of create-meeting, the first 100:"),
        (
            {"inputs": SENT["entries of a list"]},
            "More than 100 problems with the inputs of create-meeting, the first 100:",
        ),
        ({"clear": [1] * 5000}, "One problem with the inputs of the request:"),
    ]
    for sent, message in cases:
        answer = local.post("/v1/actions/create-meeting/preview", json=sent)
        assert (answer.status_code, answer.json()["message"]) == (422, message)
        assert len(answer.json()["problems"]) == (1 if message.startswith("One") else 100)


def test_what_a_problem_quotes_is_cut(local: httpx.Client) -> None:
    long = "x" * 100_000
    for sent in ({long: 1}, {"inputs": {long: 1}}, {"inputs": {"user_id": {long: {long: 1}}}}, {"clear": [long]}):
        answer = local.post("/v1/actions/create-meeting/preview", json=sent)
        assert answer.status_code == 422 and len(answer.content) < 6000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in ("timeout", "patience", "body", "files", "concurrency", "clients")
        for value in (10**400, 1e300)
    ],
)
def test_a_setting_beyond_all_use_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        ServiceSettings(**{name: value})
    most = "86,400" if name in ("timeout", "patience") else "1,099,511,627,776"
    assert [(each.where, each.what) for each in caught.value.problems] == [
        (name, f"must be more than 0 and at most {most}")
    ]
