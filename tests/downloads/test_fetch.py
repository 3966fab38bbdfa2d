"""How a file is fetched, as a script of effects: no network, no disk, no clock; any server, however broken."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings, strategies as st
from plays import Play

from connector_runtime.calls.credentials import lay_out
from connector_runtime.calls.files import File
from connector_runtime.downloads.fetch import DownloadSettings, FileVersion, address, fetch, read_version
from connector_runtime.errors import ApiError, RequestError, TransportError
from connector_runtime.model import Response
from connector_runtime.steps import Fill, Filled, Open, Peek, Token
from zoom_connector import Connector, load

CONNECTOR = load()
ACTION = CONNECTOR.actions["get-meeting-recordings"]
FILE = File(name="talk.mp4", id="1", size=None, action=ACTION.key, url="https://zoom.us/rec/download/1")
CREDENTIALS = lay_out(ACTION.profile, None, {"access_token": "t"})
SETTINGS = DownloadSettings(action=ACTION, token_name="access_token", retries=3)


@dataclass
class Server:
    """A server in a variable: versions of a file, and for each request what goes wrong."""

    versions: list[bytes]
    has_etag: bool
    turns: list[tuple[str, int, int]]  # what goes wrong, after how many bytes, and which version there is by then
    version: int = 0
    served: set[int] = field(default_factory=set)

    def answer(self, headers: dict[str, str]) -> tuple[Response, bytes, bool]:
        what, cut, version = self.turns.pop(0) if self.turns else ("", 10**9, self.version)
        self.version = max(self.version, min(version, len(self.versions) - 1))  # a vendor never goes back
        content = self.versions[self.version]
        etag = f'"{self.version}"'
        if what == "fails":
            raise TransportError("No answer.", retriable=True)
        if what in ("429", "500", "503"):
            return Response(status=int(what), headers={"retry-after": "0"}, content=b""), b"", False
        start = int(found[1]) if (found := re.fullmatch("bytes=([0-9]+)-", headers.get("Range", ""))) else 0
        if what == "no ranges" or ("If-Range" in headers and what != "no if" and headers["If-Range"] != etag):
            start = 0
        if start and start >= len(content):
            return Response(status=416, headers={"content-range": f"bytes */{len(content)}"}, content=b""), b"", False
        said = {"content-type": "video/mp4", "content-length": str(len(content) - start)}
        if self.has_etag:
            said["etag"] = etag
        if start:
            said["content-range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.served.add(self.version)
        return (
            Response(status=206 if start else 200, headers=said, content=b""),
            content[start:][:cut],
            cut < len(content) - start,
        )


def carried_out(server: Server, have: bytes = b"", version: FileVersion | None = None, retries: int = 3) -> bytes:
    """The file that a fetch makes, with everything in memory."""
    part, coming, is_cut = bytearray(have), b"", False

    def opened(step: Open) -> Response:
        nonlocal coming, is_cut
        response, coming, is_cut = server.answer(dict(step.request.headers))
        return response

    def filled(step: Fill) -> Filled:
        del part[step.at :]
        part.extend(coming)
        return Filled(len(part), TransportError("Broke.", retriable=True) if is_cut else None)

    plays = Play({Token: CREDENTIALS, Open: opened, Peek: lambda step: coming, Fill: filled})
    (size,) = plays(fetch(FILE, replace(SETTINGS, retries=retries), len(have), version))
    assert size == len(part)
    return bytes(part)


SIZE = 5000
VERSIONS = st.lists(st.sampled_from([SIZE, SIZE, SIZE, 7000]), min_size=1, max_size=3).map(
    lambda sizes: [bytes([65 + number]) * size for number, size in enumerate(sizes)]
)
WRONG = st.sampled_from(["", "", "", "fails", "429", "500", "503", "no ranges"])
CUTS = st.integers(0, SIZE) | st.just(10**9)
TURNS = st.lists(st.tuples(WRONG, CUTS, st.sampled_from([0, 0, 0, 1, 2])), max_size=25)


@given(VERSIONS, TURNS)
@settings(deadline=None, max_examples=200)
def test_a_file_that_is_whole_is_one_version_of_the_vendors_whatever_broke_and_changed(
    versions: list[bytes], turns: list[tuple[str, int, int]]
) -> None:
    server = Server(versions, has_etag=True, turns=turns)
    try:
        assert carried_out(server) in [versions[number] for number in server.served]
    except RequestError as error:
        assert isinstance(error, TransportError | ApiError)


@given(VERSIONS, TURNS.map(lambda turns: [("no if", *rest) for _, *rest in turns]))
@settings(deadline=None, max_examples=200)
def test_a_server_that_ignores_if_range_cannot_mix_two_versions_either(
    versions: list[bytes], turns: list[tuple[str, int, int]]
) -> None:
    server = Server(versions, has_etag=True, turns=turns)
    with suppress(RequestError):
        assert carried_out(server) in versions


@given(st.integers(0, 5000), st.lists(st.integers(1, 3000), max_size=30))
def test_as_long_as_each_attempt_brings_something_it_ends_with_the_file(have: int, cuts: list[int]) -> None:
    content = bytes(number % 251 for number in range(5000))
    version = read_version(FileVersion(of="", etag='"0"', total=5000).text())
    assert version is not None
    known = FileVersion(of=carried_version().of, etag=version.etag, total=version.total)
    server = Server([content], has_etag=True, turns=[("", cut, 0) for cut in cuts])
    assert carried_out(server, content[:have], known) == content


def carried_version() -> FileVersion:
    """What the first answer says of the file, as the fetch asks for it to be kept."""
    response = Response(status=200, headers={"content-length": "5000", "content-type": "video/mp4"}, content=b"")
    plays = Play({Token: CREDENTIALS, Open: response, Peek: b"video", Fill: Filled(5000)})
    assert list(plays(fetch(FILE, SETTINGS))) == [5000]
    (fill,) = plays.of(Fill)
    version: FileVersion = fill.version
    return version


@given(st.text() | st.binary().map(repr))
def test_a_mark_is_read_or_is_none(text: str) -> None:
    assert read_version(text) is None or isinstance(read_version(text), FileVersion)


HOSTS = st.sampled_from(
    ["zoom.us", "us02web.zoom.us", "ZOOM.us", "evilzoom.us", "zoom.us.evil.example", "evil.example", "127.0.0.1"]
)
SEPARATORS = st.sampled_from(["", "/", "@", "\\", "#", "?", ":443", ":8443", "%2F", ".", "\t", "//"])
URLS = st.tuples(
    st.sampled_from(["https://", "http://", "//", "HTTPS://", ""]), HOSTS, SEPARATORS, HOSTS, st.text(max_size=9)
)


@given(URLS.map("".join) | st.text(max_size=30))
def test_only_hosts_of_the_definition_over_https_are_given_the_token(url: str) -> None:
    import httpx

    try:
        found = address(url, ACTION.profile, None)
    except ApiError:
        return
    sent_to = httpx.URL(found.url)  # as the HTTP library reads it, which is what counts
    assert sent_to.scheme == "https" and not sent_to.userinfo
    if found.is_ours:
        assert sent_to.host == "zoom.us" or sent_to.host.endswith((".zoom.us", ".zoomgov.com"))
        assert sent_to.port in (None, 443)


@given(URLS.map("".join), URLS.map("".join))
def test_a_redirect_never_brings_the_token_back(first: str, second: str) -> None:
    try:
        away = address(first, ACTION.profile, None)
        found = address(second, ACTION.profile, None, away)
    except ApiError:
        return
    assert not found.is_ours or away.is_ours


def test_a_redirect_that_comes_back_from_elsewhere_does_not_bring_the_token() -> None:
    about = ACTION.profile
    away = address("https://storage.example/a", about, None, address("https://zoom.us/a", about, None))
    assert not away.is_ours
    assert not address("https://zoom.us/b", about, None, away).is_ours


def test_another_port_of_the_vendors_host_is_not_given_the_token() -> None:
    assert not address("https://zoom.us:8443/a", ACTION.profile, None).is_ours


def test_a_file_that_never_stops_changing_is_given_up() -> None:
    versions = [bytes([65 + number]) * SIZE for number in range(9)]
    server = Server(versions, has_etag=True, turns=[("no if", 100, number // 2) for number in range(16)])
    with pytest.raises(ApiError, match="file keeps changing"):
        carried_out(server, retries=20)


def test_the_base_url_of_the_client_is_given_the_token_too(connector: Connector) -> None:
    about = connector.profile
    assert address("https://proxy.example/rec/1", about, "https://proxy.example/v2").is_ours
    assert not address("https://proxy.example:8443/rec/1", about, "https://proxy.example/v2").is_ours
    assert not address("https://proxy.example/rec/1", about, None).is_ours
