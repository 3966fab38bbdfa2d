"""Downloads from a server that sends any bytes it likes, by both clients: the whole file, or a typed error."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from connector_runtime.calls.files import File
from connector_runtime.downloads.download import end_of
from zoom_connector import ApiError, Client, Connector, ConnectorError, InputError, Problem, TransportError

VIDEO = bytes(number % 251 for number in range(300_000))


class Raw:
    """Answers each connection with the next of `answers`, byte for byte, then closes it. The last one is for all more.

    With `holds` it leaves a connection open until the client closes it, and counts those in `closed`.
    """

    def __init__(self, *answers: bytes, holds: bool = False) -> None:
        self.answers = [*answers]
        self.asked: list[bytes] = []
        self.holds, self.closed = holds, threading.Semaphore(0)
        self.repeat = b""  # sent again and again behind the answer

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._socket.close()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=(self._socket.accept()[0],), daemon=True).start()

    def _answer(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request and (piece := peer.recv(65536)):
                request += piece
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.asked.append(request)
            peer.sendall(answer)
            try:
                while self.repeat:
                    peer.sendall(self.repeat)
                peer.settimeout(30)
                while self.holds and peer.recv(65536):
                    pass
            finally:
                self.closed.release()
            peer.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                peer.recv(65536)

    def file(self, **more: Any) -> File:
        return File(name="talk.mp4", id="1", action="get-meeting-recordings", url=f"{self.origin}/rec/1", **more)


def http(status: int, body: bytes = b"", **headers: object) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@pytest.fixture
def raw() -> Iterator[Raw]:
    with Raw() as made:
        yield made


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [None, 200_000])
def test_an_answer_without_an_end_is_left_at_a_bound_and_nothing_of_it_is_kept(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path, announced: int | None
) -> None:
    raw.answers = [http(200, Content_Type="video/mp4", Transfer_Encoding="chunked")]
    raw.repeat = b"10000\r\n" + bytes(65536) + b"\r\n"
    with make(connector, token="t", base_url=raw.origin) as client:
        with pytest.raises(ApiError) as caught:
            client.download(raw.file(size=announced), tmp_path, largest=200_000)
        assert raw.closed.acquire(timeout=30)  # the connection is not left to send on
    says = "is sending 200000 bytes or more, and Zoom reported no size."
    if announced is not None:
        says = "sent more than the expected 200000 bytes."
    assert caught.value.message == f"talk.mp4: {raw.origin[7:]} {says}"
    assert names(tmp_path) == []
    assert len(raw.asked) == 1


def test_a_redirect_to_what_is_no_hosts_name_is_a_typed_error(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers = [http(302, Location="https://xn--a.example/talk.mp4")]
    with (
        make(connector, token="t", base_url=raw.origin) as client,
        pytest.raises(TransportError, match="host name is invalid"),
    ):
        client.download(raw.file(), tmp_path)
    assert names(tmp_path) == []


def test_a_length_beyond_the_bound_is_refused_before_the_body(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers = [http(200, b"x" * 600, Content_Type="video/mp4", Content_Length=10**15)]
    with make(connector, token="t", base_url=raw.origin) as client, pytest.raises(ApiError, match="Raise `largest`"):
        client.download(raw.file(), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("largest", [0, -1, True, 1.5, "9", None])
def test_a_bound_is_a_whole_number(connector: Connector, raw: Raw, tmp_path: Path, largest: Any) -> None:
    with Client(connector, token="t", base_url=raw.origin) as client, pytest.raises(InputError) as caught:
        client.download(raw.file(), tmp_path, largest=largest)
    assert caught.value.problems == (Problem("largest", "must be a whole number of at least 1"),)


@pytest.mark.parametrize("sent", [300_000, 299_999])
def test_an_end_that_may_be_a_break_is_none(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path, sent: int
) -> None:
    """HTTP/1.0 ends a body by closing the connection: only an announced size says whether it is whole."""
    raw.answers = [http(200, VIDEO[:sent], Content_Type="video/mp4", Connection="close")]
    with make(connector, token="t", base_url=raw.origin, retries=0) as client:
        with pytest.raises(TransportError) as caught:
            client.download(raw.file(), tmp_path)
        said = "The connection closed, and neither Zoom nor the response gives the length of the file."
        assert (caught.value.message, caught.value.retriable) == (f"talk.mp4: {said}", False)
        assert "talk.mp4" not in names(tmp_path)
        if sent == len(VIDEO):
            client.download(raw.file(size=len(VIDEO)), tmp_path)
            assert (tmp_path / "talk.mp4").read_bytes() == VIDEO
        else:
            with pytest.raises(TransportError, match="299999 of 300000 bytes have arrived"):
                client.download(raw.file(size=len(VIDEO)), tmp_path)
            assert "talk.mp4" not in names(tmp_path)


@pytest.mark.parametrize(
    ("headers", "version", "is_an_end"),
    [
        ({}, b"HTTP/1.1", False),
        ({}, b"HTTP/1.0", False),
        ({"content-length": "5"}, b"HTTP/1.1", True),
        ({"transfer-encoding": "chunked"}, b"HTTP/1.1", True),
        ({}, b"HTTP/2", True),  # whose streams end by themselves
    ],
)
def test_a_body_ends_where_something_says_so(headers: dict[str, str], version: bytes, is_an_end: bool) -> None:
    answer = httpx.Response(200, headers=headers, extensions={"http_version": version})
    assert (end_of(answer) is None) is is_an_end


# -- connections -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [503, 401, 302])
def test_no_answer_stays_open_through_a_pause_a_renewal_or_a_redirect(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path, status: int
) -> None:
    """The first answer never ends; whoever waits, or asks for a token, finds its connection closed."""
    raw.holds = True
    endless = http(status, b" " * 70_000, Location="/rec/2", Retry_After=0, Content_Length=80_000)
    raw.answers = [endless, http(200, VIDEO, Content_Type="video/mp4", Content_Length=len(VIDEO))]
    closed: list[bool] = []

    def token(rejected: str | None) -> str:
        if rejected is not None:
            closed.append(raw.closed.acquire(timeout=30))
        return "t" if rejected is None else "new"

    def observe(attempt: Any) -> None:  # before the pause
        if attempt.status == 503:
            closed.append(raw.closed.acquire(timeout=30))

    with make(connector, token=token, base_url=raw.origin, observe=observe) as client:
        client.download(raw.file(), tmp_path)
        assert closed == ([] if status == 302 else [True])
        assert status != 302 or raw.closed.acquire(timeout=30)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_each_hop_is_asked_over_https_only_and_http_stays_on_this_machine(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers = [http(302, Location="http://files.example.com/x", Content_Length=0)]
    with make(connector, token="t", base_url=raw.origin) as client, pytest.raises(ApiError) as caught:
        client.download(raw.file(), tmp_path)
    said = "talk.mp4: The file is at http://files.example.com, so it would cross the network unencrypted."
    assert caught.value.message == said


def test_an_error_of_one_file_names_it_and_the_host_and_keeps_all_else(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers = [http(404, b'{"errorCode": 3301, "errorMessage": "Gone."}', Content_Length=44)]
    with make(connector, token="t", base_url=raw.origin) as client, pytest.raises(ApiError) as caught:
        client.download(raw.file(), tmp_path)
    assert caught.value.to_dict() == {
        "kind": "not_found",
        "message": "talk.mp4: Gone. (404 Not Found, code 3301)",
        "hint": "There is no cloud recording. Check that the meeting was recorded to the cloud; "
        "if it has just ended, try again later.",
        "problems": [],
        "retriable": False,
        "status": 404,
        "code": 3301,
        "tracking_id": None,
        "retry_at": None,
        "may_have_been_done": False,
        "items_read": None,
        "cursor": None,
    }


# -- earlier names ---------------------------------------------------------------------------------------------------


def test_a_file_that_an_earlier_version_called_otherwise_is_left_alone(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path
) -> None:
    raw.answers = [http(200, VIDEO, Content_Type="video/mp4", Content_Length=len(VIDEO), Connection="close")]
    first = replace(raw.file(size=5), name="one 1.mp4", was="old.mp4")
    second = replace(raw.file(size=7), name="two 2.mp4", was="old.mp4", id="2")
    third = replace(raw.file(size=len(VIDEO)), name="three 3.mp4", was="old.mp4", id="3")
    (tmp_path / "old.mp4").write_bytes(b"seven__")  # by its size it is the second's
    (tmp_path / "old (2).mp4").write_bytes(b"five_")
    with make(connector, token="t", base_url=raw.origin) as client:
        saved = client.download([first, second, third], tmp_path)
    assert [(each.path.name, each.size, each.is_new) for each in saved] == [
        ("old (2).mp4", 5, False),
        ("old.mp4", 7, False),
        ("three 3.mp4", len(VIDEO), True),
    ]
    assert names(tmp_path) == ["old (2).mp4", "old.mp4", "three 3.mp4"]


@pytest.mark.parametrize("case", ["no size", "another of that size", "overwrite", "another size", "no earlier name"])
def test_a_file_is_downloaded_where_an_earlier_name_says_too_little(
    connector: Connector, raw: Raw, tmp_path: Path, case: str
) -> None:
    raw.answers = [http(200, b"five_", Content_Type="video/mp4", Content_Length=5, Connection="close")]
    file = replace(
        raw.file(size=None if case == "no size" else 5), was=None if case == "no earlier name" else "old.mp4"
    )
    twin = replace(file, name="twin.mp4", id="2")
    (tmp_path / "old.mp4").write_bytes(b"mine!!" if case == "another size" else b"mine!")
    wanted = [file, twin] if case == "another of that size" else [file]
    with Client(connector, token="t", base_url=raw.origin) as client:
        saved = client.download(wanted, tmp_path, overwrite=case == "overwrite")
    assert [each.is_new for each in saved] == [True] * len(wanted)
    assert (tmp_path / "old.mp4").read_bytes().startswith(b"mine!")
    assert (tmp_path / "talk.mp4").read_bytes() == b"five_"


# -- the folder ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["a\0b", "/proc/none", "/dev/null", "/dev/null/x", "x" * 300])
def test_a_folder_that_no_system_has_is_an_error_before_any_request(
    connector: Connector, raw: Raw, tmp_path: Path, to: str
) -> None:
    with Client(connector, token="t", base_url=raw.origin) as client, pytest.raises(InputError) as caught:
        client.download(raw.file(), tmp_path / to)
    (problem,) = caught.value.problems
    assert problem.where == "to"
    assert problem.what.startswith(f"{tmp_path / to} cannot be used: ")
    assert raw.asked == []


def test_a_folder_that_takes_no_files_is_an_error_before_any_request(make: Any, connector: Connector, raw: Raw) -> None:
    to = Path("/proc/self")  # where even root can make nothing
    if not to.is_dir():
        pytest.skip("no such folder on this system")
    with make(connector, token="t", base_url=raw.origin) as client, pytest.raises(InputError) as caught:
        client.download(raw.file(), to)
    assert "cannot be written: " in caught.value.problems[0].what
    assert raw.asked == []


@pytest.mark.parametrize("files", [1, 2])
def test_one_at_a_time_is_downloaded_by_the_callers_own_thread(
    connector: Connector, raw: Raw, tmp_path: Path, files: int
) -> None:
    raw.answers = [http(200, b"five_", Content_Type="video/mp4", Content_Length=5, Connection="close")]
    wanted = [replace(raw.file(), name=f"{number}.mp4", id=str(number)) for number in range(files)]
    threads: set[str] = set()
    with Client(connector, token="t", base_url=raw.origin) as client:
        told = {"progress": lambda *_: threads.add(threading.current_thread().name)}
        saved = client.download(wanted, tmp_path, parallel=3 if files == 1 else 1, **told)
    assert [each.path.name for each in saved] == [file.name for file in wanted]
    assert threads == {threading.current_thread().name}


@pytest.mark.parametrize("name", [".talk.mp4.part", ".talk.mp4.part.json"])
def test_a_link_where_a_part_would_be_is_an_error_and_its_target_stays(
    make: Any, connector: Connector, raw: Raw, tmp_path: Path, name: str
) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / name).symlink_to(tmp_path / "precious")
    with make(connector, token="t", base_url=raw.origin) as client, pytest.raises(InputError) as caught:
        client.download(raw.file(), tmp_path / "to")
    assert caught.value.problems[0].where == str(tmp_path / "to" / name)
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert names(tmp_path / "to") == [name]


# -- whatever comes --------------------------------------------------------------------------------------------------

LINES = st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 206 Partial Content", "HTTP/1.1 401 No"])
LINES |= st.sampled_from(
    ["HTTP/1.1 403 No", "HTTP/1.1 302 Found", "HTTP/1.1 416 No", "HTTP/1.1 999 X", "HTTP/2 200", "SSH"]
)
SAID = st.sampled_from(
    [
        *(
            "Content-Length: 9",
            "Content-Length: 12",
            "Content-Length: 0",
            "Content-Length: -1",
            "Content-Length: 9\r\nX",
        ),
        *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Content-Encoding: gzip", "Content-Type: text/html"),
        *("Content-Type: video/mp4", "Content-Type: application/json", "Content-Range: bytes 3-11/12", 'ETag: "é"'),
        *("Location: /again", "Location: http://evil.example/", "Location: \xff", "Retry-After: 0", "Set-Cookie: a=b"),
        *('ETag: "v1"', "Last-Modified: Wed, 18 Nov 2026 10:00:00 GMT", "Connection: close", "é: é", ": x"),
    ]
)
BODIES = st.sampled_from(
    [
        b"",
        b"123456789",
        b"123456789abc",
        b"3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n",
        b"<html>sign in",
        b"\x1f\x8b",
        b'{"a":1}',
    ]
)
ANSWERS = st.lists(
    st.builds(
        lambda line, said, body: "\r\n".join([line, *said, "", ""]).encode("latin-1") + body,
        LINES,
        st.lists(SAID, max_size=5, unique=True),
        BODIES | st.binary(max_size=30),
    )
    | st.binary(max_size=60),
    min_size=1,
    max_size=3,
)


def is_whole(content: bytes, answer: bytes, size: int | None) -> bool:
    """Whether an answer gives these bytes as a file, and says in some way that these are all."""
    head, _, body = answer.partition(b"\r\n\r\n")
    ends_there = f"Content-Length: {len(content)}".encode() in head.split(b"\r\n") or size == len(content)
    is_chunked = b"Transfer-Encoding: chunked" in head and content == b"abc"
    return b" 200 " in head and (is_chunked or (ends_there and body.startswith(content)))


@pytest.mark.parametrize("has_part", [False, True])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(answers=ANSWERS, size=st.sampled_from([None, 9, 12]))
def test_any_bytes_make_a_whole_file_or_a_typed_error_and_no_file(
    make: Any,
    connector: Connector,
    tmp_path_factory: pytest.TempPathFactory,
    answers: list[bytes],
    size: int | None,
    has_part: bool,
) -> None:
    to = tmp_path_factory.mktemp("to")
    if has_part:
        (to / ".talk.mp4.part").write_bytes(b"123")
    with Raw(*answers) as server, make(connector, token="t", base_url=server.origin, retries=0) as client:
        file = server.file(size=size)
        try:
            (saved,) = client.download(file, to, largest=100)
        except ConnectorError as error:
            assert error.kind != "internal"
            assert str(error).startswith("talk.mp4: ")
            assert [name for name in names(to) if not name.startswith(".")] == []
            assert not (to / ".talk.mp4.part").exists() or (to / ".talk.mp4.part").stat().st_size > 0
            return
    assert names(to) == ["talk.mp4"]
    content = saved.path.read_bytes()
    assert saved.size == len(content) > 0
    assert size in (None, len(content))
    assert any(is_whole(content, answer, size) for answer in answers)
