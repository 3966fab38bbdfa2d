"""Downloads over real HTTP, by both clients: whatever breaks, what has the file's name is the file, whole."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from told import whole

from zoom_connector import (
    ApiError,
    AsyncClient,
    AuthError,
    Client,
    Conflict,
    Connector,
    InputError,
    NotFound,
    TransportError,
)

TOKEN = "good-token"
Files = Callable[[], list[Any]]
VIDEO = random.Random(1).randbytes(700_000)
AUDIO = random.Random(2).randbytes(300_000)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one(files: Files) -> Any:
    (file,) = files()
    return file


# -- what arrives ----------------------------------------------------------------------------------------------------


def test_files_arrive_byte_for_byte_in_a_folder_that_is_made(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    vendor.add("talk.m4a", AUDIO)
    folder = tmp_path / "a" / "b"
    saved = client.download(files(), folder)
    assert [(each.path.name, each.size, each.is_new) for each in saved] == [
        ("talk.mp4", len(VIDEO), True),
        ("talk.m4a", len(AUDIO), True),
    ]
    assert (folder / "talk.mp4").read_bytes() == VIDEO
    assert (folder / "talk.m4a").read_bytes() == AUDIO
    assert names(folder) == ["talk.m4a", "talk.mp4"]


def test_a_single_file_is_downloaded_as_well_as_a_list_of_them(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    (saved,) = client.download(one(files), tmp_path)
    assert saved.path.read_bytes() == VIDEO


def test_a_file_of_unknown_size_arrives_too(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("captions.vtt", b"WEBVTT\n" * 999, size=None, announces_length=False, content_type="text/vtt")
    client.download(files(), tmp_path)
    assert (tmp_path / "captions.vtt").read_bytes() == b"WEBVTT\n" * 999


@pytest.mark.parametrize("announces_length", [True, False])
@pytest.mark.parametrize("size", [None, 0])
def test_a_file_of_no_bytes_is_an_error_and_no_file(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path, announces_length: bool, size: int | None
) -> None:
    vendor.add("talk.vtt", b"", size=size, announces_length=announces_length, content_type="text/vtt")
    with make(connector, token=TOKEN, base_url=vendor.base_url, retries=0) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises(ApiError) as caught:
            client.download(found, tmp_path)
    assert caught.value.to_dict() == whole(
        "api",
        f"talk.vtt: {vendor.host} sent 0 bytes.",
        "The file may not be ready yet: list the files again later.",
        retriable=True,
        status=200,
    )
    assert names(tmp_path) == []


def test_an_empty_file_of_an_earlier_run_is_downloaded_again(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.vtt", b"WEBVTT", size=None, content_type="text/vtt")
    (tmp_path / "talk.vtt").touch()
    (saved,) = client.download(files(), tmp_path)
    assert (saved.is_new, saved.path.read_bytes()) == (True, b"WEBVTT")


def test_what_is_asked_for_is_never_compressed(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO)
    client.download(files(), tmp_path)
    assert vendor.of("talk.mp4")[0].headers["accept-encoding"] == "identity"


def test_no_more_than_so_many_are_downloaded_at_once(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    for number in range(6):
        vendor.add(f"talk{number}.mp4", AUDIO, pause=0.02)
    client.download(files(), tmp_path, parallel=2)
    assert vendor.most_at_once == 2
    assert len(names(tmp_path)) == 6


def test_three_are_downloaded_at_once_unless_told(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    for number in range(8):
        vendor.add(f"talk{number}.mp4", AUDIO, pause=0.05)
    client.download(files(), tmp_path)
    assert vendor.most_at_once == 3


def test_progress_is_told_up_to_the_whole_size(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO)
    told: list[tuple[str, int, int | None]] = []
    client.download(files(), tmp_path, progress=lambda file, done, total: told.append((file.name, done, total)))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})
    assert told[-1] == ("talk.mp4", len(VIDEO), len(VIDEO))


def test_a_failure_of_the_progress_callback_is_the_callers(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("a.mp4", VIDEO)
    vendor.add("b.mp4", AUDIO)

    def fails(*_: Any) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        client.download(files(), tmp_path, progress=fails)


def test_the_callbacks_failure_is_not_hidden_by_the_end_of_the_other_downloads(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("a.mp4", VIDEO, piece=10_000, pause=0.05)
    vendor.add("b.mp4", AUDIO)

    def fails(file: Any, *_: Any) -> None:
        if file.name == "b.mp4":
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        client.download(files(), tmp_path, progress=fails)


def test_each_attempt_is_told_to_the_observer_without_secrets(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO).breaks.append(200_000)
    seen: list[Any] = []
    with make(connector, token=TOKEN, base_url=vendor.base_url, observe=seen.append) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        seen.clear()
        client.download(found, tmp_path)
    assert [(each.action, each.number, each.status, each.kind) for each in seen] == [
        ("get-meeting-recordings", 1, 200, "transport"),
        ("get-meeting-recordings", 2, 206, None),
    ]
    assert TOKEN not in repr(seen) and "/files/" not in repr(seen)


# -- breaks ----------------------------------------------------------------------------------------------------------


def test_a_download_that_breaks_off_goes_on_where_it_was(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO).breaks.extend([250_000, 100_000])
    client.download(files(), tmp_path)
    first, second, third = vendor.of("talk.mp4")
    assert "range" not in first.headers
    assert (second.headers["range"], second.headers["if-range"]) == ("bytes=250000-", '"v1"')
    assert third.headers["range"] == "bytes=350000-"
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO
    assert names(tmp_path) == ["talk.mp4"]


def test_a_later_run_goes_on_where_the_one_before_gave_up(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO).breaks.append(250_000)
    with make(connector, token=TOKEN, base_url=vendor.base_url, retries=0) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises(
            TransportError, match=r"talk\.mp4.*250000 of 700000 bytes.*Download the file again to resume"
        ) as caught:
            client.download(found, tmp_path)
        assert caught.value.retriable
        assert names(tmp_path) == [".talk.mp4.part", ".talk.mp4.part.json"]
    with make(connector, token=TOKEN, base_url=vendor.base_url) as client:
        client.download(client.files("get-meeting-recordings", {"meeting_id": "1"}), tmp_path)
    assert vendor.of("talk.mp4")[-1].headers["range"] == "bytes=250000-"
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO
    assert names(tmp_path) == ["talk.mp4"]


def test_what_says_beside_a_part_is_no_secret(make: Any, connector: Connector, vendor: Any, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO).breaks.append(250_000)
    with make(connector, token=TOKEN, base_url=vendor.base_url, retries=0) as client, pytest.raises(TransportError):
        client.download(client.files("get-meeting-recordings", {"meeting_id": "1"}), tmp_path)
    said = (tmp_path / ".talk.mp4.part.json").read_text()
    assert TOKEN not in said and "/files/" not in said


def test_a_part_is_not_gone_on_with_when_another_size_is_announced(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    stored = vendor.add("talk.mp4", VIDEO, etag=None)
    stored.breaks.append(250_000)
    with make(connector, token=TOKEN, base_url=vendor.base_url, retries=0) as client:
        with pytest.raises(TransportError):
            client.download(client.files("get-meeting-recordings", {"meeting_id": "1"}), tmp_path)
        stored.content, vendor.entries[0]["file_size"] = AUDIO, len(AUDIO)
        client.download(client.files("get-meeting-recordings", {"meeting_id": "1"}), tmp_path)
    assert ["range" in asked.headers for asked in vendor.of("talk.mp4")] == [False, False]
    assert (tmp_path / "talk.mp4").read_bytes() == AUDIO


def test_a_whole_part_gets_its_name_without_another_request(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO).breaks.append(250_000)
    with make(connector, token=TOKEN, base_url=vendor.base_url, retries=0) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises(TransportError):
            client.download(found, tmp_path)
        (tmp_path / ".talk.mp4.part").write_bytes(VIDEO)  # as if it had been killed before the last step
        client.download(found, tmp_path)
    assert len(vendor.of("talk.mp4")) == 1
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("checks", [True, False], ids=["If-Range is understood", "If-Range is ignored"])
def test_a_file_that_changed_meanwhile_begins_anew(
    vendor: Any, client: Client, files: Files, tmp_path: Path, checks: bool
) -> None:
    stored = vendor.add("talk.mp4", VIDEO, checks_if_range=checks)
    stored.breaks.append(250_000)
    changed = bytes(reversed(VIDEO))

    def change(file: Any, done: int, total: int | None) -> None:
        stored.content, stored.etag = changed, '"v2"'

    client.download(files(), tmp_path, progress=change)
    assert (tmp_path / "talk.mp4").read_bytes() == changed


def test_a_server_that_knows_no_ranges_sends_all_again(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO, knows_ranges=False).breaks.append(250_000)
    client.download(files(), tmp_path)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_a_date_of_change_stands_in_for_an_etag(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    date = "Wed, 18 Nov 2026 10:00:00 GMT"
    vendor.add("talk.mp4", VIDEO, etag=None, modified=date).breaks.append(250_000)
    client.download(files(), tmp_path)
    assert vendor.of("talk.mp4")[1].headers["if-range"] == date
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_a_weak_etag_is_compared_and_never_sent(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    stored = vendor.add("talk.mp4", VIDEO, etag='W/"1"')
    stored.breaks.append(250_000)
    changed = bytes(reversed(VIDEO))

    def change(file: Any, done: int, total: int | None) -> None:
        stored.content, stored.etag = changed, 'W/"2"'

    client.download(files(), tmp_path, progress=change)
    assert "if-range" not in vendor.of("talk.mp4")[1].headers
    assert (tmp_path / "talk.mp4").read_bytes() == changed


def test_without_any_validator_a_part_is_gone_on_with_if_the_size_is_the_same(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO, etag=None).breaks.append(250_000)
    client.download(files(), tmp_path)
    assert vendor.of("talk.mp4")[1].headers["range"] == "bytes=250000-"
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_a_part_of_another_file_is_not_gone_on_with(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO).breaks.extend([250_000] * 5)
    file = one(files)
    (tmp_path / ".talk.mp4.part").write_bytes(AUDIO)
    (tmp_path / ".talk.mp4.part.json").write_text(
        '{"of": "other", "etag": "\\"v1\\"", "modified": null, "total": 700000}'
    )
    client.download(file, tmp_path)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("beside", [None, "", "{", "[]", '{"of": 1}', "null", '{"of": "x", "etag": 5}'])
def test_a_part_of_which_nothing_is_known_begins_anew(
    vendor: Any, client: Client, files: Files, tmp_path: Path, beside: str | None
) -> None:
    vendor.add("talk.mp4", VIDEO)
    (tmp_path / ".talk.mp4.part").write_bytes(AUDIO)
    if beside is not None:
        (tmp_path / ".talk.mp4.part.json").write_text(beside)
    client.download(files(), tmp_path)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO
    assert names(tmp_path) == ["talk.mp4"]


def test_a_server_that_never_gets_further_is_given_up_with_what_to_do(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO, knows_ranges=False).breaks.extend([100_000] * 9)
    with make(connector, token=TOKEN, base_url=vendor.base_url, retries=1) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises(TransportError, match="Download the file again to resume"):
            client.download(found, tmp_path)
    assert len(vendor.of("talk.mp4")) == 2  # one that got somewhere, and one retry that did not
    assert "talk.mp4" not in names(tmp_path)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refusal_for_now_is_asked_again(
    vendor: Any, client: Client, files: Files, tmp_path: Path, status: int
) -> None:
    vendor.add("talk.mp4", VIDEO).before.append((status, {"Retry-After": "0"}, b""))
    client.download(files(), tmp_path)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


# -- the token -------------------------------------------------------------------------------------------------------


def test_the_token_goes_in_the_header_and_never_into_the_address(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    client.download(files(), tmp_path)
    (asked,) = vendor.of("talk.mp4")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert not [each.path for each in vendor.asked if TOKEN in each.path]


def test_the_token_is_dropped_when_a_redirect_leads_to_another_host(
    vendor: Any, other: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    other.add("elsewhere", VIDEO, needs=None).breaks.append(250_000)
    vendor.add("talk.mp4", VIDEO, location=f"{other.origin}/files/elsewhere?signature=s3cret")
    client.download(files(), tmp_path)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO
    assert [each.headers["authorization"] for each in vendor.of("talk.mp4")] == [f"Bearer {TOKEN}"] * 2
    assert len(other.asked) == 2  # each way begins at the vendor's own address: the signed one may have expired
    for asked in other.asked:
        assert "authorization" not in asked.headers
        assert set(asked.headers) <= {"host", "user-agent", "accept", "accept-encoding", "range", "if-range"}


def test_the_token_does_not_come_back_from_another_host(
    vendor: Any, other: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("hidden.mp4", VIDEO, needs=None)
    vendor.entries.clear()
    other.add("elsewhere", b"", needs=None, location=f"{vendor.origin}/files/hidden.mp4")
    vendor.add("talk.mp4", b"", size=None, location=f"{other.origin}/files/elsewhere")
    client.download(files(), tmp_path)
    assert "authorization" not in vendor.of("hidden.mp4")[0].headers
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_a_file_that_lies_elsewhere_from_the_start_is_fetched_without_a_token(
    vendor: Any, other: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    other.add("talk.mp4", VIDEO, needs=None)
    vendor.entries.append(
        {"id": "1", "file_name": "talk", "file_type": "MP4", "download_url": other.entries[0]["download_url"]}
    )
    client.download(files(), tmp_path)
    assert "authorization" not in other.asked[0].headers
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://example.com/a", "cross the network unencrypted"),
        ("ftp://zoom.us/a", "not an https"),
        ("file:///etc/passwd", "not an https"),
        ("https://user:password@zoom.us/a", "not an https"),
        ("https://zoom.us\\@evil.example/a", "not an https"),
        ("https://zoom.us:99999/a", "not an https"),
        ("https://[::1/a", "not an https"),
        ("//", "not an https"),
    ],
)
def test_an_address_that_is_not_safe_is_not_asked(
    vendor: Any, client: Client, files: Files, tmp_path: Path, url: str, says: str
) -> None:
    vendor.add("talk.mp4", VIDEO)
    with pytest.raises(ApiError, match=says):
        client.download(replace(one(files), url=url), tmp_path)
    assert vendor.of("talk.mp4") == []


def test_a_redirect_to_plain_http_is_not_followed(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO, location="http://example.com/talk.mp4")
    with pytest.raises(ApiError, match=r"http://example\.com"):
        client.download(files(), tmp_path)


def test_redirects_in_a_circle_end(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO, location="/files/talk.mp4")
    with pytest.raises(ApiError, match="redirected more than"):
        client.download(files(), tmp_path)


def test_a_token_that_expires_is_renewed_once_for_each_stretch(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    stored = vendor.add("talk.mp4", VIDEO, needs="Bearer t1")
    stored.breaks.extend([200_000, 200_000])
    rejected: list[str | None] = []

    def token(old: str | None) -> str:
        if old is not None:
            rejected.append(old)
        return f"t{len(rejected)}"

    def expires(file: Any, done: int, total: int | None) -> None:
        stored.needs = "Bearer t1" if done < 200_000 else "Bearer t2"

    with make(connector, token=token, base_url=vendor.base_url) as client:
        client.download(client.files("get-meeting-recordings", {"meeting_id": "1"}), tmp_path, progress=expires)
    assert rejected == ["t0", "t1"]
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_a_token_that_stays_refused_is_an_error_that_says_so(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    with make(connector, token="bad-token", base_url=vendor.base_url) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises(AuthError, match="Forbidden"):
            client.download(found, tmp_path)
    assert len(vendor.of("talk.mp4")) == 1


def test_a_vendor_that_refuses_every_new_token_is_not_asked_forever(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO, needs="Bearer never")
    count = 0

    def token() -> str:
        nonlocal count
        count += 1
        return f"t{count}"

    with make(connector, token=token, base_url=vendor.base_url) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises(AuthError):
            client.download(found, tmp_path)
    assert len(vendor.of("talk.mp4")) == 2


def test_the_answers_own_token_is_used_and_the_connections_when_that_is_refused(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.extra["download_access_token"] = "only-for-these"
    vendor.add("a.mp4", VIDEO, needs="Bearer only-for-these")
    vendor.add("b.mp4", AUDIO)
    found = files()
    client.download(found, tmp_path)
    assert [each.headers["authorization"] for each in vendor.of("a.mp4")] == ["Bearer only-for-these"]
    assert [each.headers["authorization"] for each in vendor.of("b.mp4")] == [
        "Bearer only-for-these",
        f"Bearer {TOKEN}",
    ]
    assert "only-for-these" not in repr(found)


def test_a_token_that_the_vendor_repeats_is_not_shown(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    body = f'{{"status":false,"errorCode":3301,"errorMessage":"Not with {TOKEN}."}}'.encode()
    vendor.add("talk.mp4", VIDEO).before.append((404, {}, body))
    with pytest.raises(NotFound, match=r"Not with \*\*\*"):
        client.download(files(), tmp_path)


def test_no_secret_is_logged_or_shown_in_an_error(
    vendor: Any, other: Any, client: Client, files: Files, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    other.add("gone", VIDEO, needs=None).before.append((403, {}, b"no"))
    vendor.add("talk.mp4", VIDEO, location=f"{other.origin}/files/gone?signature=s3cret")
    with pytest.raises(ApiError) as caught:
        client.download(files(), tmp_path)
    assert "URL may have expired" in str(caught.value)
    shown = caplog.text + str(caught.value) + repr(caught.value.__dict__)
    assert TOKEN not in shown and "s3cret" not in shown


# -- what is no file -------------------------------------------------------------------------------------------------


def test_a_web_page_instead_of_a_file_is_an_error_and_no_file(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", b"<!DOCTYPE html><p>Passcode?</p>" * 999, size=None, content_type="text/html; charset=utf-8")
    with pytest.raises(ApiError, match=r"a web page instead of the file\..*passcode or a sign-in"):
        client.download(files(), tmp_path)
    assert "talk.mp4" not in names(tmp_path)


def test_a_refusal_with_status_200_is_read_as_what_it_is(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    body = b'{"status":false,"errorCode":124,"errorMessage":"Forbidden"}'
    for kind in ("application/json;charset=utf-8", "video/mp4"):
        vendor.add(f"{kind[:5]}.mp4", VIDEO).before.extend([(200, {"Content-Type": kind}, body)] * 2)
    for file in files():
        with pytest.raises(AuthError, match="Forbidden"):
            client.download(file, tmp_path)
    assert [name for name in names(tmp_path) if not name.startswith(".")] == []


def test_a_refusal_is_the_error_that_the_definition_makes_of_it(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO).before.append((404, {}, b'{"status":false,"errorCode":3301,"errorMessage":"Gone."}'))
    with pytest.raises(NotFound, match="no cloud recording") as caught:
        client.download(files(), tmp_path)
    assert caught.value.code == 3301


def test_a_file_of_another_size_than_announced_is_an_error_before_it_is_written(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO, size=999)
    with pytest.raises(ApiError, match=r"reported 999 bytes, but .* declared 700000"):
        client.download(files(), tmp_path)
    assert names(tmp_path) == []
    client.download(replace(one(files), size=None), tmp_path)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("announced", [300_000, 900_000])
def test_a_body_without_a_length_is_held_against_the_announced_size(
    make: Any, connector: Connector, vendor: Any, tmp_path: Path, announced: int
) -> None:
    vendor.add("talk.mp4", VIDEO, size=announced, announces_length=False)
    with make(connector, token=TOKEN, base_url=vendor.base_url, retries=0) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises((ApiError, TransportError)):
            client.download(found, tmp_path)
    assert "talk.mp4" not in names(tmp_path)


def test_a_file_that_is_not_ready_is_an_error_without_a_request(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    vendor.entries[0]["status"] = "processing"
    with pytest.raises(Conflict, match=r"talk\.mp4: The file cannot be downloaded\. It is not ready yet"):
        client.download(files(), tmp_path)
    assert vendor.of("talk.mp4") == []


def test_one_that_fails_does_not_stop_the_others_and_all_that_failed_are_named(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("a.mp4", VIDEO)
    vendor.add("b.mp4", VIDEO).before.append((404, {}, b'{"errorCode":3301,"errorMessage":"Gone."}'))
    vendor.add("c.mp4", AUDIO)
    vendor.add("d.mp4", VIDEO)
    vendor.entries[3]["status"] = "processing"
    with pytest.raises(NotFound, match="2 of 4 files were not downloaded") as caught:
        client.download(files(), tmp_path, parallel=2)
    assert [problem.where for problem in caught.value.problems] == ["b.mp4", "d.mp4"]
    assert (caught.value.status, caught.value.code) == (404, 3301)
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["a.mp4", "c.mp4"]


# -- the folder ------------------------------------------------------------------------------------------------------


def test_a_file_that_is_there_with_the_right_size_is_left_alone(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    vendor.add("captions.vtt", b"WEBVTT", size=None)
    (tmp_path / "talk.mp4").write_bytes(bytes(len(VIDEO)))
    (tmp_path / "captions.vtt").write_bytes(b"mine")
    saved = client.download(files(), tmp_path)
    assert [each.is_new for each in saved] == [False, False]
    assert (tmp_path / "captions.vtt").read_bytes() == b"mine"
    assert vendor.of("talk.mp4") + vendor.of("captions.vtt") == []


def test_another_file_of_that_name_is_an_error_before_any_request_unless_it_may_be_replaced(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    vendor.add("talk.m4a", AUDIO)
    (tmp_path / "talk.mp4").write_bytes(b"mine")
    (tmp_path / "talk.m4a").mkdir()
    with pytest.raises(InputError) as caught:
        client.download(files(), tmp_path)
    assert [Path(problem.where).name for problem in caught.value.problems] == ["talk.mp4", "talk.m4a"]
    assert "use overwrite" in caught.value.problems[0].what
    assert (tmp_path / "talk.mp4").read_bytes() == b"mine"
    assert vendor.of("talk.mp4") == []
    (tmp_path / "talk.m4a").rmdir()
    client.download(files(), tmp_path, overwrite=True)
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_a_link_of_that_name_is_not_written_through(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO)
    (tmp_path / "precious").write_bytes(b"mine")
    folder = tmp_path / "to"
    folder.mkdir()
    (folder / "talk.mp4").symlink_to(tmp_path / "precious")
    client.download(files(), folder, overwrite=True)
    assert not (folder / "talk.mp4").is_symlink()
    (folder / "talk.mp4").unlink()
    (folder / ".talk.mp4.part").symlink_to(tmp_path / "precious")
    with pytest.raises(InputError, match="cannot be written"):
        client.download(files(), folder)
    assert (tmp_path / "precious").read_bytes() == b"mine"


@pytest.mark.parametrize("to", ["file", "file/below"])
def test_a_folder_that_is_none_is_an_error_before_any_request(
    vendor: Any, client: Client, files: Files, tmp_path: Path, to: str
) -> None:
    vendor.add("talk.mp4", VIDEO)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used"):
        client.download(files(), tmp_path / to)
    assert vendor.of("talk.mp4") == []


def test_a_folder_without_room_is_an_error_before_any_request(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO, size=10**18)
    with pytest.raises(InputError, match="needs 1000000000000000000; free up some space"):
        client.download(files(), tmp_path)
    assert vendor.of("talk.mp4") == []


def test_a_disk_that_takes_no_more_is_an_error_that_keeps_the_part(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource", reason="no limits on this system")
    vendor.add("talk.mp4", VIDEO)
    found = files()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(InputError, match="the part is kept"):
            client.download(found, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / ".talk.mp4.part").stat().st_size == 200_000
    client.download(found, tmp_path)
    assert vendor.of("talk.mp4")[-1].headers["range"] == "bytes=200000-"
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


def test_names_that_are_not_safe_or_twice_the_same_are_refused_before_any_request(
    vendor: Any, client: Client, files: Files, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    file = one(files)
    with pytest.raises(InputError) as caught:
        client.download([file, replace(file, name="TALK.mp4"), replace(file, name="../talk.mp4")], tmp_path, parallel=0)
    assert [problem.where for problem in caught.value.problems] == ["parallel", "files", "files"]
    assert vendor.of("talk.mp4") == []


def test_a_file_that_is_being_downloaded_is_not_downloaded_a_second_time(
    vendor: Any, connector: Connector, tmp_path: Path
) -> None:
    vendor.add("talk.mp4", VIDEO)
    other: list[Any] = []
    with Client(connector, token=TOKEN, base_url=vendor.base_url) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})

        def again(*_: Any) -> None:
            if not other:
                with pytest.raises(InputError, match="being downloaded by another program") as caught:
                    client.download(found, tmp_path)
                other.append(caught.value)

        client.download(found, tmp_path, progress=again)
    assert other
    assert (tmp_path / "talk.mp4").read_bytes() == VIDEO


# -- stopping --------------------------------------------------------------------------------------------------------


def test_cancelling_stops_at_once_and_keeps_what_has_arrived(vendor: Any, connector: Connector, tmp_path: Path) -> None:
    vendor.add("a.mp4", VIDEO, piece=50_000, pause=0.1)
    vendor.add("b.mp4", VIDEO, piece=50_000, pause=0.1)

    async def cancelled() -> None:
        begun = asyncio.Event()

        def begins(file: Any, *_: Any) -> None:
            if file.name == "a.mp4":
                begun.set()

        async with AsyncClient(connector, token=TOKEN, base_url=vendor.base_url) as client:
            found = await client.files("get-meeting-recordings", {"meeting_id": "1"})
            task = asyncio.create_task(client.download(found, tmp_path, progress=begins))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(cancelled())
    assert 0 < (tmp_path / ".a.mp4.part").stat().st_size < len(VIDEO)
    assert [name for name in names(tmp_path) if not name.startswith(".")] == []
    with Client(connector, token=TOKEN, base_url=vendor.base_url) as client:
        for file in vendor.files.values():
            file.pause = 0.0
        client.download(client.files("get-meeting-recordings", {"meeting_id": "1"}), tmp_path)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes() == VIDEO
    assert "range" in vendor.of("a.mp4")[-1].headers


def test_the_threads_end_when_the_caller_is_gone(vendor: Any, connector: Connector, tmp_path: Path) -> None:
    for number in range(4):
        vendor.add(f"{number}.mp4", VIDEO, piece=20_000, pause=0.02)

    raised: list[str] = []

    def interrupted(file: Any, *_: Any) -> None:
        if not raised:
            raised.append(file.name)
            raise KeyboardInterrupt

    with Client(connector, token=TOKEN, base_url=vendor.base_url) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
        with pytest.raises(KeyboardInterrupt):
            client.download(found, tmp_path, parallel=2, progress=interrupted)
        for thread in threading.enumerate():
            if thread.name == "download":
                thread.join(5)
                assert not thread.is_alive()
        assert not (tmp_path / "0.mp4").exists() and not (tmp_path / "1.mp4").exists()
    assert len({each.path for each in vendor.asked if each.path.startswith("/files/")}) == 2  # the others never began


def test_a_closed_client_downloads_nothing(vendor: Any, connector: Connector, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO)
    with Client(connector, token=TOKEN, base_url=vendor.base_url) as client:
        found = client.files("get-meeting-recordings", {"meeting_id": "1"})
    with pytest.raises(RuntimeError, match="closed"):
        client.download(found, tmp_path)


def test_an_action_without_files_offers_none(client: Client, connector: Connector) -> None:
    with pytest.raises(InputError, match="offers no files"):
        client.files("get-user", {"user_id": "me"})
    assert connector.actions["get-user"].files_in({"download_url": "https://zoom.us/x"}) == []


def test_no_descriptor_stays_open(vendor: Any, client: Client, files: Files, tmp_path: Path) -> None:
    vendor.add("talk.mp4", VIDEO).breaks.append(1000)
    vendor.add("page.mp4", b"<html>" * 9999, size=None, content_type="text/html")
    with pytest.raises(ApiError):
        client.download(files(), tmp_path)
    held = [
        os.readlink(f"/proc/self/fd/{each}")
        for each in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{each}")
    ]
    assert not [each for each in held if str(tmp_path) in each]
