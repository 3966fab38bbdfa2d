"""What an answer has to be to count as the file, or as a part of it: the same for 200 and 206. No network, no disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from plays import Play

from connector_runtime.calls.credentials import lay_out
from connector_runtime.calls.files import File, identity
from connector_runtime.downloads.fetch import (
    MAX_REDIRECTS,
    PATH,
    DownloadSettings,
    FileVersion,
    fetch,
    read_version,
    rest,
    version_of,
)
from connector_runtime.errors import ApiError, AuthError, Conflict, MissingScope, NotFound, RequestError, TransportError
from connector_runtime.model import Response
from connector_runtime.steps import Fill, Filled, Open, Peek, Report, Token, Wait
from zoom_connector import load

CONNECTOR = load()
ACTION = CONNECTOR.actions["get-meeting-recordings"]
FILE = File(name="talk.mp4", id="1", size=None, action=ACTION.key, url="https://zoom.us/rec/download/1")
CREDENTIALS = lay_out(ACTION.profile, None, {"access_token": "first"})
RENEWED = lay_out(ACTION.profile, None, {"access_token": "second"})
SETTINGS = DownloadSettings(action=ACTION, token_name="access_token", retries=0)
SIZE = 5000
VIDEO = bytes(number % 251 for number in range(SIZE))
VERSION = FileVersion(of=identity(FILE), etag='"v1"', modified="Wed, 18 Nov 2026 10:00:00 GMT", total=SIZE)
KIND = {"content-type": "video/mp4"}
PART = {**KIND, "etag": '"v1"', "content-length": "4000", "content-range": "bytes 1000-4999/5000"}
WHOLE = {**KIND, "etag": '"v1"', "content-length": "5000"}
PAGE = b"<!DOCTYPE html><p>Sign in</p>" * 200


class Site:
    """Answers requests one after the other with (status, headers, body), the last one again and again."""

    def __init__(self, *answers: tuple[int, Mapping[str, str], bytes], have: bytes = b"", **said: Any) -> None:
        self.answers = [*answers]
        self.part = bytearray(have)
        self.body = b""
        self.said = said
        self.plays = Play({Token: [CREDENTIALS, RENEWED], Open: self.opened, Peek: self.peeked, Fill: self.filled})

    def opened(self, step: Open) -> Response:
        status, headers, self.body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Response(status=status, headers=headers, content=b"")

    def peeked(self, step: Peek) -> bytes:
        return self.body[: step.least]

    def filled(self, step: Fill) -> Filled:
        assert len(self.part) >= step.at
        del self.part[step.at :]
        self.part.extend(self.body)
        self.version = step.version
        return Filled(len(self.part), self.said.get("broke"))

    def run(self, file: File = FILE, version: FileVersion | None = None, **settings: Any) -> bytes:
        (size,) = self.plays(fetch(file, replace(SETTINGS, **settings), len(self.part), version))
        assert size == len(self.part)
        return bytes(self.part)

    @property
    def asked(self) -> list[dict[str, str]]:
        return [dict(step.request.headers) for step in self.plays.of(Open)]

    @property
    def tokens(self) -> list[str | None]:
        return [headers.get("Authorization") for headers in self.asked]


# -- parts -----------------------------------------------------------------------------------------------------------


def test_a_part_is_completed_by_the_rest() -> None:
    site = Site((206, PART, VIDEO[1000:]), have=VIDEO[:1000])
    assert site.run(version=VERSION) == VIDEO
    (asked,) = site.asked
    assert (asked["Range"], asked["If-Range"]) == ("bytes=1000-", '"v1"')
    assert site.version == VERSION


@pytest.mark.parametrize("status", [200, 206])
@pytest.mark.parametrize(
    ("headers", "body", "says"),
    [
        ({"content-encoding": "gzip"}, VIDEO, "zoom.us sent the file compressed, which was not requested."),
        ({"content-encoding": " BR "}, VIDEO, "zoom.us sent the file compressed, which was not requested."),
        ({"content-type": "text/html"}, VIDEO, "zoom.us sent a web page instead of the file."),
        ({"content-type": "Application/XHTML+xml; a=b"}, VIDEO, "zoom.us sent a web page instead of the file."),
        ({}, b"\xef\xbb\xbf\r\n <HTML>" * 400, "zoom.us sent a web page instead of the file."),
        ({"content-type": ""}, PAGE[:4000], "zoom.us sent a web page instead of the file."),
        ({"content-type": "application/json"}, VIDEO, "zoom.us sent JSON instead of the file."),
        (
            {"content-type": "application/json"},
            b'{"status": false, "errorCode": 3301, "errorMessage": "Gone"}',
            "Gone. (STATUS, code 3301)",
        ),
    ],
)
def test_what_is_no_file_is_an_error_in_part_as_in_whole(
    status: int, headers: dict[str, str], body: bytes, says: str
) -> None:
    usual = PART if status == 206 else {**KIND, "etag": '"v1"'}
    site = Site((status, {**usual, **headers}, body), have=VIDEO[:1000])
    with pytest.raises(ApiError) as caught:
        site.run(version=VERSION)
    phrase = {200: "200 OK", 206: "206 Partial Content"}[status]
    assert caught.value.message == says.replace("STATUS", phrase)
    told = caught.value.to_dict()
    assert (told["status"], told["retriable"], told["may_have_been_done"]) == (status, False, False)
    assert site.plays.of(Fill) == []
    assert site.part == VIDEO[:1000]


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_file_that_is_not_compressed_may_say_so(encoding: str) -> None:
    assert Site((200, {**WHOLE, "content-encoding": encoding}, VIDEO)).run() == VIDEO


@pytest.mark.parametrize(
    ("name", "kind", "body"),
    [("page.html", "text/html", PAGE), ("page.htm", "text/html", PAGE), ("timeline.json", "application/json", b"[1]")],
)
def test_a_page_or_json_may_be_the_file(name: str, kind: str, body: bytes) -> None:
    site = Site((200, {"content-type": kind, "content-length": str(len(body))}, body))
    assert site.run(replace(FILE, name=name)) == body


@pytest.mark.parametrize(
    "second",
    [
        (206, {**PART, "content-range": "bytes 1000-6999/7000", "content-length": "6000"}, b"x" * 6000),
        (206, {**PART, "content-range": "bytes 1000-4999/7000"}, b"x" * 4000),
        (206, {**PART, "content-range": "bytes 900-4999/5000", "content-length": "4100"}, b"x" * 4100),
        (206, {**PART, "content-range": "bytes 1000-999/5000"}, b"x" * 4000),
        (206, {**PART, "content-length": "3999"}, b"x" * 4000),
        (206, {**PART, "etag": '"v2"'}, b"x" * 4000),
        (206, {**PART, "last-modified": "Thu, 19 Nov 2026 10:00:00 GMT"}, b"x" * 4000),
        (206, {**KIND, "content-length": "4000"}, b"x" * 4000),
        (206, {**PART, "content-range": "bytes 1000-6999/*", "content-length": "6000"}, b"x" * 6000),
        (206, {**PART, "content-range": "items 1000-4999/5000"}, b"x" * 4000),
        (416, {"content-range": "bytes */900"}, b""),
        (416, {}, b"no"),
    ],
)
def test_what_is_no_rest_of_the_part_begins_anew(second: tuple[int, Mapping[str, str], bytes]) -> None:
    site = Site(second, (200, WHOLE, VIDEO), have=b"y" * 1000)
    assert site.run(version=VERSION) == VIDEO
    assert ["Range" in asked for asked in site.asked] == [True, False]
    assert site.plays.of(Wait) == []


@pytest.mark.parametrize("status", [206, 416, 204, 304])
def test_an_answer_to_what_was_not_asked_is_an_error(status: int) -> None:
    site = Site((status, {}, b""))
    with pytest.raises(ApiError) as caught:
        site.run()
    assert str(status) in caught.value.message
    assert (caught.value.status, caught.value.retriable, site.plays.of(Fill)) == (status, False, [])


def test_a_server_that_never_has_the_rest_is_given_up() -> None:
    site = Site((416, {}, b""), *[(200, WHOLE, VIDEO[:1000]), (416, {}, b"")] * 9, have=VIDEO[:1000])
    with pytest.raises(ApiError) as caught:
        site.run(version=VERSION, retries=9)
    says = "The file keeps changing, or zoom.us cannot send the rest."
    assert (caught.value.message, caught.value.hint) == (says, "Try again later.")
    assert len([asked for asked in site.asked if "Range" in asked]) == 4


def test_without_a_total_the_announced_size_says_where_the_rest_ends() -> None:
    unsaid = {**PART, "content-range": "bytes 1000-4999/*"}
    assert Site((206, unsaid, VIDEO[1000:]), have=VIDEO[:1000]).run(version=VERSION) == VIDEO
    assert rest(unsaid, 1000, None) is None


@given(st.text(max_size=40) | st.from_regex(r"bytes [0-9]{1,4}-[0-9]{1,4}/([0-9]{1,4}|\*)", fullmatch=True))
def test_a_range_is_the_rest_only_if_it_goes_from_there_to_the_end(said: str) -> None:
    total = rest({"content-range": said}, 5, 9)
    assert total is None or said.lower().strip() in (f"bytes 5-{total - 1}/{total}", "bytes 5-8/*")


def test_a_part_without_anything_to_compare_is_not_gone_on_with() -> None:
    chunked = (200, KIND, VIDEO[:1000])
    broke = TransportError("Broke.", retriable=True)
    site = Site(chunked, chunked, broke=broke)
    with pytest.raises(TransportError):
        site.run(retries=1)
    assert ["Range" in asked for asked in site.asked] == [False, False]


@pytest.mark.parametrize(
    ("version", "goes_on"),
    [
        (VERSION, True),
        (replace(VERSION, etag=None), True),
        (replace(VERSION, modified=None), True),
        (replace(VERSION, etag=None, modified=None), False),  # whether it has changed since that run nobody can say
        (replace(VERSION, total=None), True),
        (replace(VERSION, total=999), False),
        (replace(VERSION, of="other"), False),
        (None, False),
    ],
)
def test_a_later_run_goes_on_only_with_a_version_that_it_can_tell(version: FileVersion | None, goes_on: bool) -> None:
    site = Site((206, PART, VIDEO[1000:]) if goes_on else (200, WHOLE, VIDEO), have=VIDEO[:1000])
    assert site.run(version=version) == VIDEO
    assert ("Range" in site.asked[0]) is goes_on


def test_a_part_that_is_whole_needs_no_request_and_an_empty_one_does() -> None:
    site = Site((500, {}, b""), have=VIDEO)
    assert site.run(version=replace(VERSION, etag=None, modified=None)) == VIDEO
    assert site.asked == []
    site = Site((200, WHOLE, VIDEO))
    assert site.run(version=replace(VERSION, total=0)) == VIDEO


@pytest.mark.parametrize("etag", ['"é"', '"a b"', 'W/"v1"', '"\x7f"'])
def test_a_tag_that_no_header_can_carry_is_compared_and_never_sent(etag: str) -> None:
    site = Site((206, {**PART, "etag": etag}, VIDEO[1000:]), have=VIDEO[:1000])
    assert site.run(version=replace(VERSION, etag=etag, modified=None)) == VIDEO
    assert "If-Range" not in site.asked[0]


# -- version -----------------------------------------------------------------------------------------------------------

TEXTS = st.none() | st.text(max_size=9) | st.sampled_from(['"v1"', 'W/"v1"', '"\r\nX: y"', VERSION.modified, "Wed"])
NUMBERS = st.none() | st.integers() | st.booleans() | st.floats() | st.just(2**63)
MARKS = st.fixed_dictionaries({"of": TEXTS | NUMBERS, "etag": TEXTS | NUMBERS, "modified": TEXTS, "total": NUMBERS})


@given(MARKS)
def test_a_mark_that_is_read_could_have_been_written(data: dict[str, Any]) -> None:
    version = read_version(json.dumps(data))
    if version is not None:
        headers = {name: text for name, text in (("etag", version.etag), ("last-modified", version.modified)) if text}
        assert version_of(FILE, headers, version.total) == replace(version, of=VERSION.of)
        assert read_version(version.text()) == version
        assert version.total is None or (type(version.total) is int and 0 <= version.total < 2**63)
        assert version.validator is None or (version.validator.isascii() and version.validator.isprintable())


@given(st.builds(lambda etag, total: version_of(FILE, {"etag": etag}, total), st.text(), st.none() | st.integers(0, 9)))
def test_a_mark_that_is_written_is_read(version: FileVersion) -> None:
    assert read_version(version.text()) == version


# -- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "status"), [(WHOLE, 200), (KIND, 200)])
def test_a_file_of_no_announced_size_has_a_bound(said: dict[str, str], status: int) -> None:
    site = Site((status, said, VIDEO))
    with pytest.raises(ApiError) as caught:
        site.run(largest=SIZE - 1)
    size = SIZE if "content-length" in said else SIZE - 1
    assert caught.value.message == f"zoom.us is sending {size} bytes or more, and the vendor reported no size."
    assert caught.value.hint == "Without a size, the limit is 4999 bytes. Raise `largest` for larger files."
    assert caught.value.retriable is False
    assert [step.most for step in site.plays.of(Fill)] == ([] if "content-length" in said else [SIZE - 1])
    assert Site((status, said, VIDEO)).run(largest=SIZE) == VIDEO


def test_the_bound_is_10_gib_unless_told() -> None:
    most = 10 * 1024 * 1024 * 1024
    site = Site((200, {**KIND, "content-length": str(most)}, b"x"))
    with pytest.raises(TransportError, match="cut off"):
        site.run()
    assert [step.most for step in site.plays.of(Fill)] == [most]
    site = Site((200, {**KIND, "content-length": str(most + 1)}, b"x"))
    with pytest.raises(ApiError, match="Raise `largest`"):
        site.run()
    assert site.plays.of(Fill) == []


def test_an_announced_size_is_the_bound_of_its_file() -> None:
    file = replace(FILE, size=SIZE)
    assert Site((200, WHOLE, VIDEO)).run(file, largest=1) == VIDEO
    site = Site((200, KIND, VIDEO + b"more"))
    with pytest.raises(ApiError) as caught:
        site.run(file, largest=1)
    assert caught.value.message == "zoom.us sent more than the expected 5000 bytes."
    assert [step.most for step in site.plays.of(Fill)] == [SIZE]


def test_another_size_than_announced_is_an_error_before_anything_is_written() -> None:
    site = Site((200, WHOLE, VIDEO))
    with pytest.raises(ApiError) as caught:
        site.run(replace(FILE, size=999))
    assert caught.value.message == "The vendor reported 999 bytes, but zoom.us declared 5000."
    assert site.plays.of(Fill) == []


def test_less_than_announced_is_a_break_and_what_has_arrived_is_told() -> None:
    site = Site((200, KIND, VIDEO[:999]))
    with pytest.raises(TransportError) as caught:
        site.run(replace(FILE, size=SIZE))
    assert caught.value.message == "The response was cut off. 999 of 5000 bytes have arrived from zoom.us."
    assert caught.value.hint == "The part is kept. Download the file again to resume."
    assert caught.value.retriable is True


def test_an_end_that_says_nothing_is_one_if_the_announced_bytes_are_there() -> None:
    unended = TransportError("The connection was closed.")
    assert Site((200, KIND, VIDEO), broke=unended).run(replace(FILE, size=SIZE)) == VIDEO
    with pytest.raises(TransportError) as caught:
        Site((200, KIND, VIDEO), broke=unended).run()
    assert caught.value is unended


@pytest.mark.parametrize(("headers", "size"), [({"content-length": "0"}, None), ({}, None), ({}, 0)])
def test_no_bytes_are_no_file(headers: dict[str, str], size: int | None) -> None:
    with pytest.raises(ApiError) as caught:
        Site((200, {**KIND, **headers}, b"")).run(replace(FILE, size=size))
    assert (caught.value.message, caught.value.retriable) == ("zoom.us sent 0 bytes.", True)


# -- tokens ----------------------------------------------------------------------------------------------------------

FORMS = {
    "401": (401, {}, b""),
    "403": (403, {}, b"Forbidden"),
    "a page": (200, {"content-type": "text/html"}, PAGE),
    "a page that says it is a video": (200, WHOLE, PAGE),
    "JSON": (200, {"content-type": "application/json"}, b'{"some": "thing"}'),
    "a refusal": (200, KIND | {"content-length": "60"}, b'{"status":false,"errorCode":124,"errorMessage":"Forbidden"}'),
    "another": (200, KIND | {"content-length": "60"}, b'{"status":false,"errorCode":9,"errorMessage":"Forbidden"}'),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_next_token_is_tried_whatever_form_the_refusal_takes(form: tuple[int, Mapping[str, str], bytes]) -> None:
    """The event's own, then the connection's, then that renewed."""
    file = replace(FILE, token="own")
    site = Site(form, (200, WHOLE, VIDEO))
    assert site.run(file) == VIDEO
    assert site.tokens == ["Bearer own", "Bearer first"]
    site = Site(form, form, (200, WHOLE, VIDEO))
    assert site.run(file) == VIDEO
    assert site.tokens == ["Bearer own", "Bearer first", "Bearer second"]
    assert [step.rejected for step in site.plays.of(Token)] == [None, {"access_token": "first"}]
    site = Site(form)
    with pytest.raises(ApiError if form[0] != 401 and b"124" not in form[2] else RequestError):
        site.run(file)
    assert site.tokens == ["Bearer own", "Bearer first", "Bearer second"]
    assert site.plays.of(Wait) == [] and site.plays.of(Fill) == []


def test_a_page_to_which_a_refusal_redirects_is_one_too() -> None:
    to_page = (302, {"location": "https://sso.example.com/sign-in"}, b"")
    page = (200, {"content-type": "text/html"}, PAGE)
    site = Site(to_page, page, (200, WHOLE, VIDEO))
    assert site.run(replace(FILE, token="own")) == VIDEO
    assert site.tokens == ["Bearer own", None, "Bearer first"]


def test_a_token_that_no_header_can_carry_gives_way_to_the_connections() -> None:
    site = Site((200, WHOLE, VIDEO))
    assert site.run(replace(FILE, token="a\r\nX: y")) == VIDEO
    assert site.tokens == ["Bearer first"]


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ((404, {}, b'{"status":false,"errorCode":3301,"errorMessage":"Gone"}'), NotFound),
        ((500, {}, b""), ApiError),
        ((200, {**WHOLE, "content-encoding": "gzip"}, VIDEO), ApiError),
    ],
)
def test_no_other_token_is_tried_for_what_no_token_mends(form: Any, kind: type[RequestError]) -> None:
    site = Site(form)
    with pytest.raises(kind):
        site.run(replace(FILE, token="own"))
    assert site.tokens == ["Bearer own"]


def test_a_scope_that_is_missing_is_not_mended_by_renewing() -> None:
    body = b'{"errorCode": 4711, "errorMessage": "Invalid access token, does not contain scopes:[a:b]."}'
    site = Site((403, {}, body))
    with pytest.raises(MissingScope):
        site.run(replace(FILE, token="own"))
    assert site.tokens == ["Bearer own", "Bearer first"]


def test_a_refusal_by_a_host_elsewhere_is_no_question_of_the_token() -> None:
    site = Site((302, {"location": "https://storage.example/x?key=s3cret"}, b""), (403, {}, b"no"))
    with pytest.raises(ApiError) as caught:
        site.run(replace(FILE, token="own"))
    assert caught.value.message == "storage.example, to which the vendor redirected, refused the file (403)."
    assert caught.value.hint == "The file's URL may have expired: list the files again."
    assert site.tokens == ["Bearer own", None]


@pytest.mark.parametrize("status", [429, 500])
def test_a_host_elsewhere_that_fails_for_now_is_asked_again(status: int) -> None:
    site = Site((302, {"location": "https://storage.example/x"}, b""), (status, {}, b""), (200, WHOLE, VIDEO))
    assert site.run(retries=1) == VIDEO
    assert site.tokens == ["Bearer first", None, "Bearer first"]


def test_a_refusal_is_read_however_long_it_is() -> None:
    body = json.dumps({"status": False, "trace": "x" * 60_000, "errorCode": 3301, "errorMessage": "Gone"}).encode()
    with pytest.raises(NotFound, match="Gone"):
        Site((404, {}, body)).run()


def test_each_attempt_is_told_with_its_number_its_pause_and_what_came_of_it() -> None:
    site = Site((503, {}, b""), (429, {"retry-after": "2"}, b""), (416, {}, b""), (200, WHOLE, VIDEO), have=VIDEO[:99])
    assert site.run(version=VERSION, retries=2) == VIDEO
    told = [(step.attempt.number, step.attempt.status, step.attempt.kind) for step in site.plays.of(Report)]
    assert told == [(1, 503, "api"), (2, 429, "rate_limit"), (3, 416, None), (4, 200, None)]
    pauses = [step.seconds for step in site.plays.of(Wait)]
    assert len(pauses) == 2
    assert [step.attempt.waited for step in site.plays.of(Report)] == [0.0, *pauses, 0.0]
    for step in site.plays.of(Report):
        attempt = step.attempt
        assert step.permit is None
        assert (attempt.action, attempt.effect, attempt.method, attempt.path) == (ACTION.key, "read", "GET", PATH)


def test_what_waits_is_not_asked_for() -> None:
    site = Site((200, WHOLE, VIDEO))
    with pytest.raises(Conflict) as caught:
        site.run(replace(FILE, waits="It is not ready yet; try again later."))
    assert caught.value.message == "The file cannot be downloaded. It is not ready yet; try again later."
    assert caught.value.retriable is True
    assert site.plays.steps == []


# -- hosts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("https://zoom.us/rec/1", "Bearer first"),
        ("https://us02web.zoom.us/rec/1", "Bearer first"),
        ("https://a.b.zoom.us:443/rec/1", "Bearer first"),
        ("https://US02WEB.ZOOM.US/rec/1", "Bearer first"),
        ("https://evilzoom.us/rec/1", None),
        ("https://zoom.us.evil.example/rec/1", None),
        ("https://us02web.zoom.us:8443/rec/1", None),
        ("https://zoom.us./rec/1", None),
        ("https://ssrweb.zoom.us.example.com/rec/1", None),
    ],
)
def test_the_token_goes_to_the_vendors_hosts_and_those_below_and_to_no_other(url: str, token: str | None) -> None:
    site = Site((200, WHOLE, VIDEO))
    assert site.run(replace(FILE, url=url)) == VIDEO
    assert site.tokens == [token]
    site = Site((302, {"location": url}, b""), (200, WHOLE, VIDEO))
    assert site.run() == VIDEO
    assert site.tokens == ["Bearer first", token]  # each hop is judged for itself


@pytest.mark.parametrize(
    "url",
    [
        *("http://zoom.us/x", "ftp://zoom.us/x", "file:///etc/passwd", "javascript:1", "//", "", " ", "zoom.us/x"),
        *("https://u:p@zoom.us/x", "https://zoom.us:0x/", "https://zoom.us:99999/", "https://a..b/", "https://[::::]/"),
        *(f"https://{'a' * 64}.com/", "https://.zoom.us/", "https://zoom.us\\@evil.example/", "http://127.0.0.1/x"),
    ],
)
def test_an_address_that_is_not_safe_is_never_asked(url: str) -> None:
    with pytest.raises(ApiError, match=r"nothing was downloaded from it|cross the network unencrypted"):
        Site((200, WHOLE, VIDEO)).run(replace(FILE, url=url))


@pytest.mark.parametrize("url", ["http://evil.example/x", "ftp://zoom.us/x", "https://a..b/s3cret"])
def test_a_redirect_to_an_address_that_is_not_safe_names_who_redirects(url: str) -> None:
    site = Site((302, {"location": url}, b""))
    with pytest.raises(ApiError, match=r"zoom\.us redirects to a location|file is at http://evil\.example") as caught:
        site.run()
    assert "s3cret" not in str(caught.value)
    assert len(site.asked) == 1


def test_redirects_end() -> None:
    site = Site((307, {"location": "/again"}, b""))
    with pytest.raises(ApiError) as caught:
        site.run(retries=3)
    assert caught.value.message == "The vendor redirected more than 8 times, finally to zoom.us."
    assert len(site.asked) == MAX_REDIRECTS == 8
    assert Site(*[(301, {"location": "/again"}, b"")] * 7, (200, WHOLE, VIDEO)).run() == VIDEO


def test_a_redirect_that_names_no_place_is_an_error() -> None:
    with pytest.raises(ApiError) as caught:
        Site((302, {}, b"")).run()
    assert caught.value.status == 302


def test_an_error_of_the_network_names_the_host_that_was_asked() -> None:
    def opened(step: Open) -> Response:
        if "storage" in step.request.url:
            raise TransportError("No connection: Name or service not known.", retriable=True)
        return Response(302, {"location": "https://storage.example/x?key=s3cret"}, b"")

    plays = Play({Token: CREDENTIALS, Open: opened})
    with pytest.raises(TransportError) as caught:
        list(plays(fetch(FILE, SETTINGS)))
    said = "No connection: Name or service not known. 0 bytes have arrived from storage.example."
    assert caught.value.message == said


# -- whatever comes --------------------------------------------------------------------------------------------------

HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(["video/mp4", "text/html", "application/json", "multipart/byteranges", "é"]),
        "content-length": st.sampled_from(["0", "3", "9", "12", "-1", "1e3", "9" * 30, "9, 9"]),
        "content-encoding": st.sampled_from(["gzip", "identity", "br, gzip"]),
        "content-range": st.sampled_from(["bytes 3-11/12", "bytes 3-11/*", "bytes */12", "bytes 0-2/12", "x", "bytes"]),
        "etag": st.sampled_from(['"v1"', '"v2"', 'W/"v1"', '"é"', "v1", '"']),
        "last-modified": st.sampled_from(["Wed, 18 Nov 2026 10:00:00 GMT", "yesterday"]),
        "location": st.sampled_from(["/x", "https://us02web.zoom.us/x", "https://evil.example/x", "http://x/", "\x00"]),
        "retry-after": st.sampled_from(["0", "-1", "99999999999999", "soon"]),
    },
)
STATUSES = st.sampled_from([200, 200, 206, 206, 302, 416, 401, 403, 404, 429, 500, 204, 304]) | st.integers(100, 599)
BODIES = st.sampled_from(
    [b"", b"123", b"123456789", b"abcdefghijkl", b"<html>xxxxxx", b'{"status":false,"errorCode":1}']
)
ANSWERS = st.lists(st.tuples(STATUSES, HEADERS, BODIES), min_size=1, max_size=6)
OLD = FileVersion(of=VERSION.of, etag='"v1"', total=12)


@given(ANSWERS, st.booleans(), st.sampled_from([None, 12, 9, 0]), st.sampled_from([None, "own"]))
@settings(deadline=None, max_examples=500)
def test_any_answers_make_a_whole_file_or_a_typed_error(
    answers: list[Any], has_part: bool, size: int | None, token: str | None
) -> None:
    site = Site(*answers, have=b"old" if has_part else b"")
    try:
        made = site.run(replace(FILE, size=size, token=token), OLD if has_part else None, retries=2, largest=50)
    except RequestError as error:
        assert isinstance(error, ApiError | AuthError | TransportError)
        return
    assert made and size in (None, len(made))
    # only an answer that is the file was written: not compressed, no page, of the length that it says
    last = site.plays.of(Fill)[-1]
    assert not made.startswith(b"<html")
    assert len(made) in (last.most, len(site.body))
    if last.at:
        assert (last.at, made[:3], len(made)) == (3, b"old", 12)
