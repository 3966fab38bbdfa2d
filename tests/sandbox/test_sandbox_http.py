"""The server as HTTP sees it: tokens, records, faults, malformed bytes, many clients, a clean end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Bounds, Sandbox, WireRequest, WireResponse, serve
from zoom_connector.sandbox.wire import WireParser


def raw(sandbox: Sandbox, data: bytes, *, slowly: bool = False) -> bytes:
    """Send bytes and read until the server closes or falls silent."""
    host, port = sandbox.base_url.removeprefix("http://").removesuffix("/v2").split(":")
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        for piece in [data[i : i + 1] for i in range(len(data))] if slowly else [data]:
            connection.sendall(piece)
        connection.settimeout(0.2)
        received = b""
        try:
            while more := connection.recv(65536):
                received += more
        except TimeoutError:
            pass
        except ConnectionResetError:
            received += b"(reset)"
        return received


def get(path: str = "/v2/users/me", *, version: str = "1.1", more: str = "") -> bytes:
    return f"GET {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer sandbox-token\r\n{more}\r\n".encode()


def post(body: bytes, *, more: str) -> bytes:
    head = "POST /v2/users/me/meetings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox-token\r\n"
    return f"{head}Content-Type: application/json\r\n{more}\r\n".encode() + body


# tokens


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer wrong", "Basic c2FuZGJveC10b2tlbg==", "sandbox-token"])
def test_without_the_right_bearer_token_there_is_only_401(sandbox: Sandbox, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for path in ("/users", "/nowhere"):
        response = httpx.get(sandbox.base_url + path, headers=headers, verify=False)
        assert (response.status_code, response.json()) == (401, {"code": 124, "message": "Invalid access token."})
        assert response.headers["x-zm-trackingid"]


def test_a_token_in_the_query_is_refused_even_beside_a_good_one(zoom: httpx.Client) -> None:
    assert zoom.get("/users?access_token=sandbox-token").status_code == 401


def test_a_token_expires_and_another_can_be_issued(connect: Any) -> None:
    now = [1_800_000_000.0]
    with Sandbox(clock=lambda: now[0], token="first", token_lifetime=3600) as sandbox:
        zoom = connect(sandbox)
        assert zoom.get("/users/me").status_code == 200
        now[0] += 3600
        assert zoom.get("/users/me").json() == {"code": 124, "message": "Access token has expired."}
        sandbox.tokens.issue("second")
        assert zoom.get("/users/me", headers={"Authorization": "Bearer second"}).status_code == 200
        sandbox.tokens.revoke("second")
        assert zoom.get("/users/me", headers={"Authorization": "Bearer second"}).status_code == 401


def test_a_missing_scope_is_named_in_the_kind_the_token_has(connect: Any) -> None:
    with Sandbox(scopes={"user:read:user:admin"}) as sandbox:
        zoom = connect(sandbox)
        assert zoom.get("/users/me").status_code == 200
        response = zoom.post("/users/me/meetings", json={})
        assert (response.status_code, response.json()["code"]) == (400, 4711)
        wanted = "scopes:[meeting:write:meeting, meeting:write:meeting:admin]."
        assert response.json()["message"] == f"Invalid access token, does not contain {wanted}"
        sandbox.tokens.issue("classic", scopes={"user:read"})
        answer = zoom.post("/users/me/meetings", json={}, headers={"Authorization": "Bearer classic"}).json()
        assert answer["message"].endswith("scopes:[meeting:write:admin, meeting:write].")


# paths and bodies


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/user"),
        ("GET", "/users/"),
        ("GET", "/users/me/"),
        ("PUT", "/users/me"),
        ("POST", "/users/me"),
        ("GET", "/meetings"),
        ("GET", "//users"),
        ("GET", "/users/me/meetings/1"),
        ("OPTIONS", "/users"),
    ],
)
def test_an_unknown_path_or_method_is_not_recognized(zoom: httpx.Client, method: str, path: str) -> None:
    response = zoom.request(method, f"{zoom.base_url}".rstrip("/") + path)
    assert (response.status_code, response.json()["code"]) == (404, 2300)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"null", b"{'topic': 1}", b'{"duration": NaN}', b"\xff{}", b"[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_refused(zoom: httpx.Client, body: bytes) -> None:
    response = zoom.post("/users/me/meetings", content=body, headers={"Content-Type": "application/json"})
    said = {"code": 300, "message": "Request Body should be a valid JSON object."}
    assert (response.status_code, response.json()) == (400, said)


def test_a_body_that_does_not_call_itself_json_is_refused(zoom: httpx.Client) -> None:
    for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
        response = zoom.post("/users/me/meetings", content=b"{}", headers=headers)
        assert (response.status_code, response.json()["code"]) == (415, 300)
    assert zoom.post("/users/me/meetings", content=b"{}", headers={"Content-Type": "APPLICATION/JSON; charset=utf-8"})


def test_every_answer_says_its_rate_category_and_has_an_id_of_its_own(zoom: httpx.Client) -> None:
    first, second = zoom.get("/users/me"), zoom.get("/users")
    assert (first.headers["x-ratelimit-category"], second.headers["x-ratelimit-category"]) == ("Light", "Medium")
    assert first.headers["x-zm-trackingid"] != second.headers["x-zm-trackingid"]
    assert first.headers["content-type"].startswith("application/json")


# what is remembered


def test_requests_are_remembered_exactly_as_they_came(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.requests.clear()
    zoom.get("/users/a%2Bb@x.example?login_type=0&x=%20", headers={"X-One": "1"})
    zoom.post("/users/me/meetings", json={"topic": "ü"})
    first, second = sandbox.requests
    assert (first.method, first.target) == ("GET", "/v2/users/a%2Bb@x.example?login_type=0&x=%20")
    assert ("x-one", "1") in first.headers
    assert (first.status, second.status) == (404, 201)
    assert (json.loads(second.body), sandbox.requests[-1]) == ({"topic": "ü"}, second)
    assert len(sandbox.requests[:]) == 2
    sandbox.requests.clear()
    assert list(sandbox.requests) == []


def test_only_the_last_requests_are_remembered(connect: Any) -> None:
    with Sandbox(record=3) as sandbox:
        zoom = connect(sandbox)
        for number in range(5):
            zoom.get(f"/users/{number}")
        assert [each.target for each in sandbox.requests] == ["/v2/users/2", "/v2/users/3", "/v2/users/4"]


# faults


def test_a_fault_is_spent_on_the_request_it_matches_and_once(zoom: httpx.Client, sandbox: Sandbox) -> None:
    headers = {"Retry-After": "1"}
    sandbox.inject(match="GET /v2/users", status=502, body=b"<html>", content_type="text/html", headers=headers)
    assert zoom.get("/users/me").status_code == 200
    answer = zoom.get("/users?page_size=1")
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (502, "<html>", "text/html")
    assert answer.headers["retry-after"] == "1"
    assert zoom.get("/users").status_code == 200


def test_faults_match_with_a_star_and_come_as_often_as_ordered(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject(match="* /v2/users/*", status=429, body={"code": 429, "message": "slow"}, times=2)
    assert [zoom.get(path).status_code for path in ("/users/me", "/users/me/meetings", "/users/me")] == [429, 429, 200]
    sandbox.inject(status=500, times=9)
    sandbox.clear_faults()
    assert zoom.get("/users/me").status_code == 200


@pytest.mark.parametrize(("drop", "made"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_leaves_the_thing_undone_or_done(
    zoom: httpx.Client, sandbox: Sandbox, drop: Any, made: int
) -> None:
    before = len(sandbox.state.meetings)
    sandbox.inject(match="POST /v2/users/me/meetings", drop=drop)
    with pytest.raises(httpx.TransportError):
        zoom.post("/users/me/meetings", json={})
    assert len(sandbox.state.meetings) - before == made
    assert sandbox.requests[-1].status == 0


def test_a_truncated_answer_breaks_off(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject(truncate=True)
    with pytest.raises(httpx.RemoteProtocolError):
        zoom.get("/users")
    assert zoom.get("/users").status_code == 200


def test_a_late_answer_holds_up_nobody_else(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.inject(match="GET /v2/users", delay=0.5)
    late: list[float] = []
    began = time.monotonic()

    def wait() -> None:
        headers = {"Authorization": "Bearer sandbox-token"}
        assert httpx.get(f"{sandbox.base_url}/users", headers=headers, verify=False).status_code == 200
        late.append(time.monotonic() - began)

    thread = threading.Thread(target=wait)
    thread.start()
    while not len(sandbox.requests):
        time.sleep(0.005)
    assert zoom.get("/users/me").status_code == 200
    assert not late
    thread.join()
    assert late[0] >= 0.5


def test_requests_behind_a_late_answer_keep_their_order(sandbox: Sandbox) -> None:
    sandbox.inject(match="GET /v2/users/a", delay=0.1)
    answers = raw(sandbox, get("/v2/users/a") + get("/v2/users/b") + get("/v2/users/c"))
    assert [answers.index(name) for name in (b"exist: a", b"exist: b", b"exist: c")] == sorted(
        answers.index(name) for name in (b"exist: a", b"exist: b", b"exist: c")
    )


def test_requests_behind_a_slow_body_wait_for_its_end(sandbox: Sandbox) -> None:
    path = next(path for path, file in sandbox.state.files.items() if file.extension == "M4A")
    sandbox.inject(match=f"GET {path}", takes=0.1)
    answers = raw(sandbox, get(path) + get("/v2/users/b") + get("/v2/users/c", more="Connection: close\r\n"))
    body, _, rest = answers.partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1 404 ")
    assert body == sandbox.recording_bytes(path)
    assert rest.index(b"exist: b") < rest.index(b"exist: c")


def test_a_hook_may_answer_first(connect: Any) -> None:
    def before(request: WireRequest) -> WireResponse | None:
        return WireResponse(status=503, body=b"busy") if request.target == "/v2/users" else None

    with Sandbox(before=before) as sandbox:
        zoom = connect(sandbox)
        assert (zoom.get("/users").text, zoom.get("/users/me").status_code) == ("busy", 200)


# bytes that are no requests


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1 x\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /\xc3\xbc HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (post(b"", more="Content-Length: x\r\n"), 400),
        (post(b"", more="Content-Length: -1\r\n"), 400),
        (post(b"{}", more="Content-Length: 2\r\nContent-Length: 3\r\n"), 400),
        (post(b"2\r\n{}\r\n0\r\n\r\n", more="Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"), 400),
        (post(b"", more="Transfer-Encoding: gzip\r\n"), 400),
        (post(b"zz\r\n", more="Transfer-Encoding: chunked\r\n"), 400),
        (post(b"1\r\n{}\r\n", more="Transfer-Encoding: chunked\r\n"), 400),
        (post(b"", more="Content-Length: 6000000\r\n"), 413),
        (post(b"ffffff\r\n", more="Transfer-Encoding: chunked\r\n"), 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"x" * 70_000, 431),
    ],
)
def test_malformed_requests_are_answered_and_end_the_connection(sandbox: Sandbox, data: bytes, status: int) -> None:
    answer = raw(sandbox, data)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in answer
    assert raw(sandbox, get(more="Connection: close\r\n")).startswith(b"HTTP/1.1 200 ")


def test_a_request_may_come_byte_by_byte_and_in_chunks(sandbox: Sandbox) -> None:
    body = b'5;x=y\r\n{"top\r\nb\r\nic": "abc"}\r\n0\r\nTrailer: x\r\n\r\n'
    answer = raw(sandbox, post(body, more="Transfer-Encoding: chunked\r\n") + get(), slowly=True)
    assert b'"topic":"abc"' in answer
    assert answer.count(b"HTTP/1.1 20") == 2


def test_who_waits_for_permission_to_send_gets_it(sandbox: Sandbox) -> None:
    answer = raw(sandbox, post(b"", more="Content-Length: 2\r\nExpect: 100-continue\r\n"))
    assert answer == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_old_and_closing_clients_are_answered_and_closed(sandbox: Sandbox) -> None:
    for data in (get(version="1.0"), get(more="Connection: close\r\n")):
        assert b"connection: close" in raw(sandbox, data + get())
    assert raw(sandbox, get("http://zoom.example/v2/users/me")).startswith(b"HTTP/1.1 200 ")
    assert raw(sandbox, get().replace(b"GET", b"HEAD")).startswith(b"HTTP/1.1 404 ")


def test_a_client_that_takes_no_more_of_an_answer_is_not_waited_for_as_one_that_is_idle() -> None:
    with Sandbox(bounds=Bounds(request=0.2, idle=60)) as sandbox:
        sandbox.inject(status=200, body=bytes(50_000_000))
        host, port = sandbox.base_url.removeprefix("http://").removesuffix("/v2").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(get())
            time.sleep(1)  # takes nothing, and is cut off
            received = 0
            try:
                while more := connection.recv(1 << 20):
                    received += len(more)
            except ConnectionResetError:
                pass
            assert received < 50_000_000
        with socket.create_connection((host, int(port)), timeout=10) as idle:
            idle.sendall(get())
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")
            time.sleep(1)  # between two requests there is more time
            idle.sendall(get())
            assert idle.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_clients_that_stop_amid_a_request_are_let_go() -> None:
    with Sandbox(bounds=Bounds(request=0.1, idle=0.1)) as sandbox:
        assert raw(sandbox, b"GET /v2/us") in (b"", b"(reset)")
        assert raw(sandbox, get())


def test_a_client_that_reads_nothing_does_not_fill_the_memory(sandbox: Sandbox) -> None:
    host, port = sandbox.base_url.removeprefix("http://").removesuffix("/v2").split(":")
    with socket.create_connection((host, int(port)), timeout=0.3) as connection:
        with pytest.raises(TimeoutError):
            while True:
                connection.sendall(get("/v2/users") * 200)
        assert raw(sandbox, get()).startswith(b"HTTP/1.1 200 ")


# the whole


def test_64_clients_are_served_at_once(sandbox: Sandbox) -> None:
    async def act() -> list[int]:
        headers = {"Authorization": "Bearer sandbox-token"}
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(base_url=sandbox.base_url, headers=headers, limits=limits, verify=False) as zoom:
            made = await asyncio.gather(*(zoom.post("/users/me/meetings", json={}) for _ in range(128)))
            assert len({response.json()["id"] for response in made}) == 128
            return [response.status_code for response in made]

    assert asyncio.run(act()) == [201] * 128


def test_the_port_is_free_again_afterwards_and_two_cannot_share_one() -> None:
    with Sandbox() as first:
        port = int(first.base_url.split(":")[2].removesuffix("/v2"))
        with pytest.raises(OSError, match=str(port)), Sandbox(port=port):
            pass
    with Sandbox(port=port) as again:
        assert raw(again, get()).startswith(b"HTTP/1.1 200 ")
    with pytest.raises(RuntimeError):
        _ = again.base_url


def test_the_same_seed_gives_the_same_account(connect: Any) -> None:
    answers = []
    for seed in (1, 1, 2):
        with Sandbox(seed=seed, clock=lambda: 1_800_000_000.0) as sandbox:
            answers.append(connect(sandbox).get("/users").json())
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


def test_an_account_may_have_thirty_thousand_users() -> None:
    with Sandbox(users=30_000) as sandbox:
        assert len(sandbox.state.users) == 30_005


def test_names_are_in_many_scripts(zoom: httpx.Client) -> None:
    names = " ".join(user["display_name"] for user in zoom.get("/users").json()["users"])
    assert all(part in names for part in ("美咲", "Анна", "عمر", "Łukasz", "🚀"))


def test_serve_says_where_it_is_and_runs_until_interrupted() -> None:
    program = "from zoom_connector.sandbox import serve; serve(users=1, say=lambda line: print(line, flush=True))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.split("at ")[1].split(",")[0]
        assert httpx.get(f"{url}/users", verify=False).status_code == 401
        process.send_signal(2)
        assert "stopped" in process.stdout.read()
        assert process.wait(5) == 0
    assert serve.__doc__


def test_a_fault_of_the_sandbox_itself_is_an_answer(zoom: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.run(lambda state: state.users_by_status.clear())
    assert zoom.get("/users").status_code == 500
    assert zoom.get("/users/me").status_code == 200


def test_the_sandbox_imports_nothing_else_of_the_project() -> None:
    program = (
        "import sys, zoom_connector.sandbox; "
        "print([n for n in sys.modules if n.startswith('connector_runtime') or n.split('.')[0] in ('httpx', 'yaml')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_request_in_chunks_is_whole_at_its_last_byte_and_not_before() -> None:
    chunks = b'6\r\n{"topi\r\n9\r\nc":"sync"\r\n1\r\n}\r\n0\r\n\r\n'
    sent = post(b"", more="Transfer-Encoding: chunked\r\n") + chunks
    parser = WireParser(body_limit=100)
    for number, byte in enumerate(sent, 1):
        parser.feed(bytes([byte]))
        came = parser.next()
        assert (came is not None) is (number == len(sent)), number
    assert came is not None and came.body == b'{"topic":"sync"}'
    assert parser.is_idle


def test_it_serves_in_the_foreground_until_it_is_interrupted() -> None:
    said: list[str] = []
    answers: list[int] = []

    def ask() -> None:
        url, token = said[0].removeprefix("Zoom sandbox at ").split(", token ")
        try:
            answer = httpx.get(f"{url}/users/me", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
            answers.append(answer.status_code)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 1:
            threading.Thread(target=ask).start()

    serve(say=say, users=3)
    assert answers == [200] and said[1:] == ["Zoom sandbox stopped"]
