"""What a vendor may answer: anything. A call ends as a result or a typed error, within bounds of memory and time."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from plays import NOON, Play

from connector_runtime import transport
from connector_runtime.calls import choices
from connector_runtime.calls.credentials import lay_out
from connector_runtime.calls.exchange import EMPTY_PAGES, CallTerms, exchange, fold
from connector_runtime.calls.pages import MAX_LENGTH
from connector_runtime.errors import Guard
from connector_runtime.language import datetimes, json_text
from connector_runtime.language.json_text import DEPTH
from connector_runtime.mcp.tools import ToolFilter, answer, tools
from connector_runtime.model import Response
from connector_runtime.steps import Send, Token
from zoom_connector import (
    ApiError,
    AsyncClient,
    AuthError,
    Client,
    Connector,
    ConnectorError,
    Http,
    InputError,
    InternalError,
    NotFound,
    Page,
    QuotaReached,
    RateLimited,
    Result,
    TransportError,
    load,
)
from zoom_connector.sandbox import Sandbox

MIB = 2**20
ME = {"user_id": "me"}
MEETING = {"user_id": "me", "topic": "Weekly"}
MADE = {
    "status": None,
    "code": None,
    "tracking_id": None,
    "retry_at": None,
    "items_read": None,
    "cursor": None,
    "problems": [],
}


class Vendor:
    """A server that answers each request with the same bytes, until nobody reads any more; `sent` counts them."""

    def __init__(self) -> None:
        self.answer: Callable[[], Iterable[bytes]] = lambda: ()
        self.sent = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def says(self, head: str, *body: bytes, then: bytes = b"", status: str = "200 OK") -> None:
        """An answer of a head, a body, and after it the same bytes again and again."""
        start = f"HTTP/1.1 {status}\r\n{head}\r\n\r\n".encode("latin-1")
        self.answer = lambda: chain([start], body, repeat(then) if then else ())

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with closing(line), suppress(OSError):
                line.settimeout(5)
                line.recv(65536)
                for piece in self.answer():
                    line.sendall(piece)
                    self.sent += len(piece)
                line.shutdown(socket.SHUT_WR)
                while line.recv(65536):
                    pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    made = Vendor()
    yield made
    made.close()


@pytest.fixture
def call(make: Any, connector: Connector, vendor: Vendor) -> Iterator[Any]:
    """A client of that server, which takes answers of up to a MiB and sends each request once."""
    with make(connector, token="t", base_url=vendor.url, retries=0, http=Http(largest=MIB, timeout=20)) as client:
        yield client


def peak(work: Callable[[], Any]) -> int:
    """The bytes that a piece of work holds at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# -- size ------------------------------------------------------------------------------------------------------------

ZEROS = gzip.compress(b"0" * 300 * MIB, 9)


def chunk(content: bytes) -> bytes:
    return f"{len(content):x}\r\n".encode() + content + b"\r\n"


@pytest.mark.parametrize(
    ("head", "body", "then"),
    [
        ("Content-Type: application/json", b"[", b"1," * 5000),
        ("Transfer-Encoding: chunked", b"", chunk(b"1" * 99) * 100),
        ("Content-Encoding: gzip", ZEROS, b""),
        ("Content-Encoding: deflate", zlib.compress(b"0" * 100 * MIB), b""),
        ("Content-Encoding: gzip", gzip.compress(b"{}"), b"more" * 5000),
        (f"Content-Length: {2**40}", b"[", b" " * 20000),
    ],
    ids=["endless", "chunked", "bomb", "deflate", "behind the end of gzip", "announced"],
)
def test_an_answer_that_is_too_large_is_not_read_on(
    call: Any, vendor: Vendor, head: str, body: bytes, then: bytes
) -> None:
    vendor.says(head, body, then=then)
    caught: list[TransportError] = []

    def run() -> None:
        with pytest.raises(TransportError) as found:
            call.run("create-meeting", MEETING)
        caught.append(found.value)

    assert peak(run) < 12 * MIB
    hint = "The request was accepted, so the change was probably made. Check before you send it again."
    assert caught[0].to_dict() == {
        **MADE,
        "kind": "transport",
        "message": "The response (200) is larger than 1,048,576 bytes.",
        "hint": f"{hint} If you expect responses this large, raise `largest` in `Http`.",
        "status": 200,
        "retriable": False,
        "may_have_been_done": True,
    }
    with pytest.raises(TransportError) as read:
        call.run("get-user", ME)
    assert (read.value.may_have_been_done, read.value.retriable) == (False, False)
    assert (
        read.value.hint == "Request less data at once. If you expect responses this large, raise `largest` in `Http`."
    )


def test_of_a_refusal_that_is_too_large_the_status_counts(call: Any, vendor: Vendor) -> None:
    vendor.says("Content-Type: application/json", b"[", then=b"1," * 5000, status="401 Unauthorized")
    with pytest.raises(AuthError) as caught:
        call.run("create-meeting", MEETING)
    assert (caught.value.status, caught.value.may_have_been_done) == (401, False)


def test_an_answer_of_just_the_largest_size_is_taken_and_a_file_may_be_eight_times_as_large(
    call: Any, vendor: Vendor
) -> None:
    text = b'"' + b"a" * (MIB - 2) + b'"'
    vendor.says("Content-Encoding: gzip", gzip.compress(text))
    assert len(call.run("get-user", ME).data) == MIB - 2
    vendor.says("Content-Encoding: gzip", gzip.compress(text + b" "))
    with pytest.raises(TransportError, match="larger"):
        call.run("get-user", ME)
    raw = {"method": "GET", "url": "/x", "response_type": "binary"}
    vendor.says("Content-Encoding: gzip", gzip.compress(b"\xff" * 8 * MIB))
    assert len(call.run("raw-request", raw).data["base64"]) == 11_184_812
    vendor.says("Content-Encoding: gzip", gzip.compress(b"\xff" * (8 * MIB + 1)))
    with pytest.raises(TransportError, match="8,388,608 bytes"):
        call.run("raw-request", raw)


def test_an_answer_that_drips_for_ever_ends(call: Any, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes within the time-out, so that only the answer as a whole can be late."""
    monkeypatch.setattr(transport, "LONGEST_ANSWER", 0.5)

    def dripping() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
        while True:
            time.sleep(0.05)
            yield b" "

    vendor.answer = dripping
    with pytest.raises(TransportError) as caught:
        call.run("create-meeting", MEETING)
    assert (caught.value.message, caught.value.retriable) == ("No response in time.", False)
    assert caught.value.may_have_been_done is True


def test_endless_headers_are_an_error(call: Any, vendor: Vendor) -> None:
    vendor.says("X-A: b", then=b"")
    vendor.answer = lambda: chain([b"HTTP/1.1 200 OK\r\n"], repeat(b"X-A: " + b"b" * 900 + b"\r\n"))
    with pytest.raises(TransportError) as caught:
        call.run("create-meeting", MEETING)
    assert (caught.value.may_have_been_done, caught.value.message) == (True, "The response was cut off or is not HTTP.")


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b'{"id": 1}')),
        ("X-GZIP", gzip.compress(b'{"id": 1}')),
        ("deflate", zlib.compress(b'{"id": 1}')),
        ("deflate", zlib.compressobj(wbits=-15).compress(b"") + zlib.compress(b'{"id": 1}', wbits=-15)),
        ("identity", b'{"id": 1}'),
        ("br", b'{"id": 1}'),
    ],
)
def test_a_body_is_decompressed_as_it_was_written(call: Any, vendor: Vendor, coding: str, body: bytes) -> None:
    vendor.says(f"Content-Encoding: {coding}", *(body[at : at + 1] for at in range(len(body))))
    assert call.run("get-user", ME).data == {"id": 1}


@pytest.mark.parametrize("body", [gzip.compress(b'{"id": 1}')[:-9], b"{}", gzip.compress(b"{}")[:12] + b"x" * 50])
def test_a_compressed_body_that_is_cut_off_or_none_is_an_error(call: Any, vendor: Vendor, body: bytes) -> None:
    vendor.says("Content-Encoding: gzip", body)
    with pytest.raises(TransportError, match="cut off"):
        call.run("get-user", ME)


def test_an_empty_body_needs_no_decompression(call: Any, vendor: Vendor) -> None:
    vendor.says("Content-Encoding: gzip", status="204 No Content")
    assert call.run("update-meeting", {"meeting_id": "1", "topic": "x"}).data == {}


def test_a_client_of_somebodys_own_may_have_read_and_decompressed_the_answer(connector: Connector) -> None:
    def say(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=gzip.compress(b'{"id": 1}'))

    own = httpx.Client(transport=httpx.MockTransport(say))
    with Client(connector, token="t", http=Http(client=own)) as client:
        assert client.run("get-user", ME).data == {"id": 1}
    with Client(connector, token="t", http=Http(client=own, largest=5)) as client, pytest.raises(TransportError):
        client.run("get-user", ME)

    async def later() -> Any:
        own = httpx.AsyncClient(transport=httpx.MockTransport(say))
        async with AsyncClient(connector, token="t", http=Http(client=own)) as client:
            return (await client.run("get-user", ME)).data

    assert asyncio.run(later()) == {"id": 1}


@pytest.mark.parametrize("options", [{"largest": 0}, {"largest": "1"}, {"timeout": 1e7}, {"timeout": 10**400}])
def test_a_way_out_with_numbers_that_no_socket_takes_is_refused(options: Any) -> None:
    with pytest.raises(InputError, match="must be a number above 0, and at most 1,000,000"):
        Http(**options)


def test_a_call_may_ask_for_the_longest_time_out(call: Any, vendor: Vendor) -> None:
    vendor.says("Content-Type: application/json", b"[1]")
    assert call.run("raw-request", {"method": "GET", "url": "/x", "timeout": 3_600_000}).data == [1]


def test_an_error_of_the_network_names_the_host(make: Any, connector: Connector) -> None:
    way = {"token": "t", "base_url": "http://localhost:1/v2", "retries": 0}
    with make(connector, **way) as client, pytest.raises(TransportError) as caught:
        client.run("create-meeting", MEETING)
    assert caught.value.message.startswith("Could not connect to localhost: ")
    assert (caught.value.may_have_been_done, caught.value.retriable) == (False, True)


# -- JSON that is none -----------------------------------------------------------------------------------------------


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


def test_numbers_that_json_has_not_come_as_text_with_a_warning(call: Any, vendor: Vendor) -> None:
    long = "9" * 5000
    vendor.says("Content-Type: application/json", f'{{"a": [NaN, -Infinity, 1e400, {long}, 1e-400, 7]}}'.encode())
    result = call.run("get-user", ME)
    assert result.data == {"a": ["NaN", "-Infinity", "1e400", long, 0.0, 7]}
    assert [(warning.where, warning.what) for warning in result.warnings] == [
        (
            "body",
            f"The response has numbers that JSON cannot hold (NaN, -Infinity, 1e400, {'9' * 60}); they became strings.",
        )
    ]
    assert json.loads(json_text.write(result.data)) == result.data
    with pytest.raises(ValueError, match="JSON compliant"):
        json_text.write(float("nan"))


def test_numbers_that_fit_stay_numbers(call: Any, vendor: Vendor) -> None:
    vendor.says("Content-Type: application/json", b'{"a": 123456789012345678901234567890, "b": 1e308}')
    result = call.run("get-user", ME)
    assert (result.data, result.warnings) == ({"a": 123456789012345678901234567890, "b": 1e308}, ())


@pytest.mark.parametrize("levels", [DEPTH + 1, 300, 5000, 150_000])
def test_an_answer_that_is_nested_too_deeply_is_an_error(call: Any, vendor: Vendor, levels: int) -> None:
    vendor.says("Content-Type: application/json", deep(levels))
    with pytest.raises(TransportError) as caught:
        call.run("create-meeting", MEETING)
    assert caught.value.message == f"The response (200) is nested deeper than {DEPTH} levels."
    assert (caught.value.may_have_been_done, caught.value.retriable) == (True, False)


def test_what_is_nested_as_deeply_as_may_be_survives_every_later_step(connector: Connector) -> None:
    action = connector.actions["get-user"]
    data = json_text.read(deep(DEPTH))
    result = Result(data, 200, {})
    assert repr(result) == "Result(200, {a})"
    assert json_text.read(json_text.write(data)) == data == action.hide(data)
    told = answer(tools(connector, ToolFilter())["get-user"], result, ToolFilter())
    assert json_text.write(told).count(b"{") == DEPTH + 1
    many = json_text.read(b"[" + b",".join([b"{}"] * 2 * DEPTH) + b"]")
    assert len(many) == 2 * DEPTH  # many brackets are no depth


# -- when to go on ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("999999999999", datetimes.LAST),
        ("9" * 400, datetimes.LAST),
        ("3600", NOON.replace(hour=13)),
        ("1e999", None),
        ("-5", None),
        ("٣", None),
        ("9999-12-31T23:59:59-14:00", datetimes.LAST),
        ("0001-01-01T00:00:00+14:00", datetimes.FIRST),
        ("Fri, 31 Dec 9999 23:59:59 -2359", datetimes.LAST),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("Fri, 31 Dec 2026 23:59:59 +999999999999", None),
    ],
)
def test_a_retry_after_is_cut_to_a_date_that_can_be(said: str, at: datetime | None) -> None:
    assert datetimes.retry_at(said, NOON) == at


@given(st.text() | st.from_regex(r"[0-9]{1,20}", fullmatch=True) | st.datetimes().map(str))
def test_any_retry_after_is_a_date_or_none(text: str) -> None:
    found = datetimes.retry_at(text, NOON)
    assert found is None or (found.tzinfo is UTC and isinstance(found.timestamp(), float) and found.isoformat())
    http = datetimes.http_date(text)
    assert http is None or http.utcoffset() is not None


@pytest.mark.parametrize("status", [429, 503])
def test_a_create_that_is_told_to_come_back_in_31_000_years_gets_a_typed_error(
    call: Any, vendor: Vendor, status: int
) -> None:
    vendor.says("Retry-After: 999999999999\r\nContent-Type: application/json", b"{}", status=f"{status} Not Now")
    with pytest.raises(ApiError) as caught:
        call.run("create-meeting", MEETING)
    assert caught.value.to_dict()["retry_at"] == "9999-12-31T23:59:59Z"
    assert caught.value.may_have_been_done is (status == 503)


def test_the_next_call_of_an_account_that_is_shut_does_not_sleep(call: Any, vendor: Vendor) -> None:
    vendor.says("Retry-After: 3600\r\nContent-Type: application/json", b"{}", status="429 Too Many Requests")
    with pytest.raises(RateLimited) as first:
        call.run("get-user", ME)
    before = vendor.sent
    with pytest.raises(RateLimited, match="is not accepting 'light' requests from this account until") as second:
        call.run("get-user", ME)
    assert vendor.sent == before
    assert first.value.retry_at is not None and second.value.retry_at is not None
    assert 3590 < (first.value.retry_at - datetime.now(UTC)).total_seconds() <= 3600
    assert 590 < (second.value.retry_at - datetime.now(UTC)).total_seconds() <= 600
    assert (second.value.retriable, second.value.may_have_been_done) == (True, False)


# -- lists -----------------------------------------------------------------------------------------------------------


def users(connector: Connector, *said: Any, **terms: Any) -> Result:
    """`list-users` with these answers."""
    action = connector.actions["list-users"]
    kind = {"content-type": "application/json"}
    play = Play(
        {
            Token: lay_out(action.profile, None, {"access_token": "t"}),
            Send: [Response(200, kind, json.dumps(each).encode()) for each in said],
        }
    )
    return fold(play(exchange(action, action.bind({}), CallTerms(**terms))), action.paging)


@pytest.mark.parametrize("token", ["a\ud800", "x" * (MAX_LENGTH + 1), {"a": ["x" * MAX_LENGTH]}])
def test_a_next_page_that_no_request_can_carry_is_an_error_after_its_page(connector: Connector, token: Any) -> None:
    with pytest.raises(ApiError) as caught:
        users(connector, {"users": [{"id": "a"}], "next_page_token": token})
    assert caught.value.message == "The response points to a next page that cannot be requested."
    assert (caught.value.items_read, caught.value.cursor) == (1, None)
    assert caught.value.partial.data == {"users": [{"id": "a"}]}


def test_a_list_of_empty_pages_ends(connector: Connector) -> None:
    pages = [{"users": [], "next_page_token": f"t{number}"} for number in range(EMPTY_PAGES + 2)]
    with pytest.raises(ApiError, match=f"{EMPTY_PAGES + 1} pages in a row were empty") as caught:
        users(connector, *pages)
    assert (caught.value.items_read, caught.value.retriable) == (0, True)
    assert users(connector, {"users": [{"id": "a"}]}, cursor=caught.value.cursor).data == {"users": [{"id": "a"}]}
    few = [*pages[:EMPTY_PAGES], {"users": [{"id": "a"}], "next_page_token": "x"}, *pages[:EMPTY_PAGES], {"users": []}]
    assert users(connector, *few[: EMPTY_PAGES + 1], *[{"users": []}]).data == {"users": [{"id": "a"}]}


@pytest.mark.parametrize("total", [True, -1, "9" * 5000, 10**200, [1], "٣", 1.5])
def test_an_absurd_total_is_no_announcement(connector: Connector, total: Any) -> None:
    assert users(connector, {"users": [{"id": "a"}], "total_records": total}).warnings == ()


@pytest.mark.parametrize("spot", [[-1, 0, "t", 0], [300, 0, "t", -1], [300, 0, "t", 2**31], [300, -1, "t", 0]])
def test_a_cursor_with_numbers_out_of_range_is_refused(connector: Connector, spot: list[Any]) -> None:
    real = users(connector, {"users": [{"id": "a"}], "next_page_token": "t"}, limit=1).cursor
    assert real is not None
    mark = json.loads(base64.urlsafe_b64decode(real + "=" * (-len(real) % 4)))[0]
    for text in ([mark, *spot], [mark, 300, 0, "x" * (MAX_LENGTH + 1), 0], [mark, 300, 0, "\ud800", 0]):
        bent = base64.urlsafe_b64encode(json.dumps(text).encode()).decode().rstrip("=")
        with pytest.raises(InputError) as caught:
            users(connector, cursor=bent)
        assert [problem.where for problem in caught.value.problems] == ["cursor"]
    with pytest.raises(InputError):
        users(connector, cursor="A" * 10 * MIB)


# -- anything --------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from([10**400, "9" * 20, "\ud800", "2026-11-01T09:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "users",
                    "meetings",
                    "next_page_token",
                    "page_number",
                    "page_count",
                    "total_records",
                    "code",
                    "message",
                    "errors",
                    "field",
                    "id",
                    "from",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
ITEM = st.dictionaries(
    st.sampled_from(["id", "email", "first_name", "last_name", "topic", "start_time", "name", "type"]), JSON, max_size=6
)
BODIES = st.binary(max_size=60) | JSON.map(lambda data: json.dumps(data).encode())
NAMES = st.sampled_from(
    [
        "content-type",
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-type",
        "x-ratelimit-category",
        "x-zm-trackingid",
        "content-disposition",
        "link",
        "date",
    ]
)
VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40) | st.sampled_from(
    ["application/json", "text/plain; charset=idna", "text/x; charset=unicode_escape", "999999999999", "9" * 15, "0"]
)
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get-user", ME),
    ("list-users", {}),
    ("list-webinars", ME),
    ("create-meeting", MEETING),
    ("delete-user", {"user_id": "u"}),
    *(("raw-request", {"url": "/x", "method": "POST", "response_type": kind}) for kind in ("json", "text", "binary")),
]


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(CALLS),
    st.integers(200, 999),
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.lists(BODIES, max_size=3),
)
@example(CALLS[6], 200, {"content-type": "text/x; charset=unicode_escape"}, [b"\\q"])
@example(CALLS[6], 200, {"content-type": "text/x; charset=raw-unicode-escape"}, [b"\\q\\u12"])
@example(CALLS[1], 200, {}, [b'{"users": [1], "next_page_token": "\\ud800"}'])
@example(CALLS[1], 400, {}, [b'{"code": "\\ud800", "message": "\\ud800"}'])
def test_any_answer_is_a_result_that_can_be_written_or_a_typed_error(
    called: tuple[str, dict[str, Any]], status: int, headers: dict[str, str], bodies: list[bytes]
) -> None:
    key, inputs = called
    action = load().actions[key]
    said = [Response(status, headers, body) for body in bodies]
    lost = TransportError("The response was cut off.")
    play = Play(
        {
            Token: lay_out(action.profile, None, {"access_token": "t"}),
            Send: lambda step: said.pop(0) if said else lost,
        }
    )
    try:
        result = fold(play(exchange(action, action.bind(inputs), CallTerms(retries=2))), action.paging)
    except ConnectorError as error:
        document = {**error.to_dict(), "said": str(error), "shown": repr(error)}
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
        result = getattr(error, "partial", None) or Result({}, 0, {})
    written = json_text.write({"data": result.data, "warnings": [str(each) for each in result.warnings]})
    assert json.loads(written)["data"] == json.loads(json.dumps(result.data, allow_nan=False))
    json_text.write(action.hide(result.data))
    repr(result).encode()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(load().profile.choices)), st.lists(ITEM | JSON, max_size=4), st.text(max_size=5))
def test_any_items_make_choices_that_can_be_written(name: str, items: list[Any], search: str) -> None:
    source = load().profile.choices[name]
    wrote = json_text.read(json.dumps(items).encode())
    asked = choices.Browse(subject="x", row=None, source=source, search=search)
    asked.take(asked.read(Page({}, wrote, 200, {})))
    json.loads(json_text.write(asked.result.to_dict()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"]),
    rest=st.binary(max_size=200),
)
@example(start=b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n", rest=b"\x08\x00\x00")
@example(start=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", rest=b"fffffffffffffffffffff\r\n")
def test_any_bytes_on_the_wire_are_a_result_or_a_typed_error(start: bytes, rest: bytes, vendor: Vendor) -> None:
    vendor.answer = lambda: [start + rest]
    client = Client(load(), token="t", base_url=vendor.url, retries=0, http=Http(timeout=5))
    with client, suppress(ConnectorError):
        json_text.write(client.run("get-user", ME).data)


# -- the outer guard -------------------------------------------------------------------------------------------------


class Broken:
    """A pacer with a fault."""

    def __init__(self, after: bool) -> None:
        self._after = after

    def ask(self, claim: Any) -> float:
        if not self._after:
            raise ZeroDivisionError("secret-token")
        return 0.0

    def report(self, *said: Any) -> None:
        raise ZeroDivisionError("secret-token")


LINES = {False: Broken.ask.__code__.co_firstlineno + 2, True: Broken.report.__code__.co_firstlineno + 1}


@pytest.mark.parametrize("after", [False, True])
def test_what_nobody_foresaw_is_an_internal_error_that_says_whether_it_may_have_been_done(
    make: Any, connector: Connector, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    with make(connector, token=zoom.token, base_url=zoom.base_url, pacing=Broken(after)) as client:
        with pytest.raises(ZeroDivisionError):  # the guard of the tests is open
            client.run("create-meeting", MEETING)
        monkeypatch.setattr(Guard, "is_open", False)
        for ask in (
            lambda: client.run("create-meeting", MEETING),
            lambda: next(iter(client.pages("create-meeting", MEETING))),
        ):
            with pytest.raises(InternalError) as caught:
                ask()
            hint = (
                "The change may have been made. Check in the vendor before you send it again."
                if after
                else "Nothing was changed."
            )
            assert caught.value.to_dict() == {
                **MADE,
                "kind": "internal",
                "message": f"The connector failed (ZeroDivisionError in {__name__}, line {LINES[after]}).",
                "hint": hint,
                "retriable": False,
                "may_have_been_done": after,
            }
            assert isinstance(caught.value.__cause__, ZeroDivisionError)
        for read in (lambda: client.run("list-users", {}), lambda: client.choices("update-meeting", "meeting_id", ME)):
            with pytest.raises(InternalError) as caught:
                read()
            assert caught.value.may_have_been_done is False
    assert len(zoom.requests) == (5 if after else 0)


def test_the_guard_holds_before_anything_is_sent_too(
    make: Any, connector: Connector, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(dict[str, Any]):
        def items(self) -> Any:
            raise ZeroDivisionError

        __iter__ = __getitem__ = get = keys = items  # type: ignore[assignment]

    monkeypatch.setattr(Guard, "is_open", False)
    with make(connector, token=zoom.token, base_url=zoom.base_url) as client:
        for ask in (
            lambda: client.run("create-meeting", Odd(MEETING)),
            lambda: client.pages("create-meeting", Odd(MEETING)),
            lambda: client.choices("update-meeting", "meeting_id", {}, parameters=Odd(MEETING)),
            lambda: connector.actions["create-meeting"].preview(Odd(MEETING)),
        ):
            with pytest.raises(InternalError) as caught:
                list(ask() or ())
            assert (caught.value.may_have_been_done, caught.value.hint) == (False, "Nothing was changed.")
    assert len(zoom.requests) == 0


def test_the_guard_lets_pass_what_is_the_callers_own(
    make: Any, connector: Connector, zoom: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Guard, "is_open", False)
    for trouble in (LookupError("vault"), KeyboardInterrupt(), AuthError("no token")):

        def token() -> str:
            raise trouble  # noqa: B023  # it is called in this round

        with make(connector, token=token, base_url=zoom.base_url) as client:
            with pytest.raises(type(trouble)) as caught:
                client.run("get-user", ME)
            assert caught.value is trouble
    client = make(connector, token=zoom.token, base_url=zoom.base_url)
    with client, pytest.raises(TypeError, match="unexpected keyword"):
        client.run("get-user", ME, tpyo=1)
    with Client(connector, token=zoom.token, base_url=zoom.base_url) as closed:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        closed.run("get-user", ME)


def test_a_fault_of_a_stored_connection_is_the_connectors(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stored:
        kind = connector.profile.connections[0]
        account = "a"

        def __call__(self, rejected: Any) -> Any:
            raise OverflowError

    monkeypatch.setattr(Guard, "is_open", False)
    with Client(connector, connection=Stored()) as client, pytest.raises(InternalError):  # type: ignore[arg-type]
        client.run("get-user", ME)


def test_a_used_up_day_is_believed_until_the_end_of_the_next(call: Any, vendor: Vendor) -> None:
    head = "Retry-After: 9999999999\r\nX-RateLimit-Type: Daily-limit\r\nContent-Type: application/json"
    vendor.says(
        head,
        b'{"code": 429, "message": "You have reached the maximum daily rate limit for this API."}',
        status="429 Too Many Requests",
    )
    with pytest.raises(QuotaReached) as first:
        call.run("get-user", ME)
    assert first.value.to_dict()["retry_at"] == "2286-11-20T17:46:39Z"
    before = vendor.sent
    with pytest.raises(QuotaReached) as second:
        call.run("get-user", ME)
    assert vendor.sent == before
    assert second.value.retry_at is not None
    assert 24 * 3600 - 5 < (second.value.retry_at - datetime.now(UTC)).total_seconds() <= 48 * 3600


def test_the_first_error_of_a_used_up_day_says_when_it_ends_even_if_zoom_does_not(call: Any, vendor: Vendor) -> None:
    said = "You have reached the maximum daily rate limit for this API."
    vendor.says("Content-Type: application/json", json.dumps({"message": said}).encode(), status="429 Too Many")
    before = datetime.now(UTC)
    with pytest.raises(QuotaReached) as caught:
        call.run("get-user", ME)
    midnight = before.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert caught.value.retry_at in (midnight, midnight + timedelta(days=1))  # the test may run at midnight


def test_a_raw_request_to_another_product_gets_no_hint_of_meetings(call: Any, vendor: Vendor) -> None:
    vendor.says("Content-Type: application/json", b'{"code": 3001, "message": "No queue."}', status="404 Not Found")
    for url, hint in (("/contact_center/queues/1?a=/meetings", None), ("/meetings/1", "Check the ID")):
        with pytest.raises(NotFound) as caught:
            call.run("raw-request", {"url": url, "method": "GET"})
        assert hint in (caught.value.hint or "") if hint else caught.value.hint is None


def test_a_firewalls_page_says_nothing_about_the_plan_and_renews_no_token(call: Any, vendor: Vendor) -> None:
    for status in ("403 Forbidden", "401 Unauthorized"):
        vendor.says("Content-Type: text/html", b"<html><body><h1>Blocked</h1> by policy</body></html>", status=status)
        with pytest.raises(TransportError, match=r"not from Zoom. It says: Blocked by policy") as caught:
            call.run("create-meeting", MEETING)
        assert (caught.value.retriable, caught.value.may_have_been_done) == (False, False)
