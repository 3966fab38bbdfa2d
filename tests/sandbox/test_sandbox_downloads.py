"""Recording files: their bytes, ranges as RFC 9110 says, who may have them, and lines that break off."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Sandbox


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_014_400.0

    def __call__(self) -> float:
        return self.now


def recordings(sandbox: Sandbox, meeting: int = 0, **query: Any) -> dict[str, Any]:
    number = list(sandbox.state.meetings)[meeting]
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    url = f"{sandbox.base_url}/meetings/{number}/recordings"
    found: dict[str, Any] = httpx.get(url, params=query, headers=headers, verify=False).json()
    return found


def get(url: str, token: str = "sandbox-token", **headers: str) -> httpx.Response:
    given = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(url, headers={**given, **headers}, verify=False)


def audio(sandbox: Sandbox) -> str:
    """Give the address of a file of 3,456,789 bytes."""
    return str(recordings(sandbox)["recording_files"][1]["download_url"])


# bytes and ranges


def test_every_file_has_the_announced_size_and_bytes_of_its_own(sandbox: Sandbox) -> None:
    answer = recordings(sandbox)
    files = answer["recording_files"] + answer["participant_audio_files"]
    seen = set()
    for file in files:
        assert file["download_url"].startswith(f"{sandbox.origin}/rec/download/")
        came = get(file["download_url"])
        assert came.status_code == 200
        assert came.content == sandbox.recording_bytes(file["download_url"])
        assert len(came.content) == file.get("file_size", len(came.content)) > 0
        assert came.headers["accept-ranges"] == "bytes"
        assert "attachment" in came.headers["content-disposition"]
        seen.add(came.content[:512])
    assert len(seen) == 5
    assert get(files[0]["download_url"]).headers["content-type"] == "video/mp4"


def test_phone_recordings_can_be_downloaded_too(zoom: httpx.Client, sandbox: Sandbox) -> None:
    url = zoom.get("/phone/users/me/recordings").json()["recordings"][0]["download_url"]
    assert get(url).content == sandbox.recording_bytes(url) != b""


def test_the_bytes_follow_from_the_seed(sandbox: Sandbox) -> None:
    with Sandbox() as again, Sandbox(seed=2) as other:
        here, there = audio(sandbox), audio(again)
        assert here.partition("/rec")[2] == there.partition("/rec")[2]
        assert sandbox.recording_bytes(here) == again.recording_bytes(there)
        assert other.recording_bytes(audio(other)) != sandbox.recording_bytes(here)
    whole = sandbox.recording_bytes(here)
    starts = range(0, len(whole) - 64, 4096)
    assert len({whole[start : start + 64] for start in starts}) == len(starts)  # no two places are alike
    with pytest.raises(KeyError):
        sandbox.recording_bytes(f"{sandbox.origin}/rec/download/none")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=65530-65545", 65530, 65546),
        ("bytes=3000000-", 3_000_000, 3_456_789),
        ("bytes=3456788-9999999", 3_456_788, 3_456_789),
        ("bytes=-5", 3_456_784, 3_456_789),
        ("bytes=-9999999", 0, 3_456_789),
    ],
)
def test_a_range_gives_just_these_bytes(sandbox: Sandbox, asked: str, first: int, last: int) -> None:
    url = audio(sandbox)
    part = get(url, Range=asked)
    assert part.status_code == 206
    assert part.headers["content-range"] == f"bytes {first}-{last - 1}/3456789"
    assert part.content == sandbox.recording_bytes(url)[first:last]


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,4-5", "bytes=-", "bytes=x-", "lines=0-1", "bytes 0-1"])
def test_a_range_that_is_none_is_passed_over(sandbox: Sandbox, asked: str) -> None:
    whole = get(audio(sandbox), Range=asked)
    assert (whole.status_code, len(whole.content)) == (200, 3_456_789)


@pytest.mark.parametrize("asked", ["bytes=3456789-", "bytes=9999999-99999999", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(sandbox: Sandbox, asked: str) -> None:
    refused = get(audio(sandbox), Range=asked)
    assert (refused.status_code, refused.headers["content-range"], refused.content) == (416, "bytes */3456789", b"")


def test_a_range_of_a_file_that_has_changed_gives_the_whole_new_file(sandbox: Sandbox) -> None:
    url = audio(sandbox)
    old = get(url)
    tag = old.headers["etag"]
    assert get(url, **{"Range": "bytes=100-", "If-Range": tag}).status_code == 206
    sandbox.replace_recording(url)
    new = get(url, **{"Range": "bytes=100-", "If-Range": tag})
    assert (new.status_code, len(new.content)) == (200, 3_456_789)
    assert new.headers["etag"] != tag
    assert new.content == sandbox.recording_bytes(url) != old.content
    assert get(url, Range="bytes=100-").content == new.content[100:]


def test_head_says_the_size_without_the_bytes_and_other_methods_are_refused(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    head = httpx.head(audio(sandbox), headers=headers, verify=False)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "3456789", b"")
    assert httpx.delete(audio(sandbox), headers=headers, verify=False).status_code == 405


# who may have them


def test_a_download_needs_a_good_token_in_the_header(sandbox: Sandbox) -> None:
    url = audio(sandbox)
    for refused in (get(url, token=""), get(url, token="wrong"), get(url + "?access_token=sandbox-token", token="")):
        assert (refused.status_code, refused.json()["errorMessage"]) == (401, "Forbidden")
    assert get(url + "?access_token=sandbox-token").status_code == 401  # not even beside the header
    sandbox.tokens.revoke(sandbox.token)
    assert get(url).status_code == 401


def test_a_download_token_is_good_for_its_meeting_and_its_time_only() -> None:
    clock = Clock()
    with Sandbox(clock=clock) as sandbox:
        mine, other = (recordings(sandbox, number, include_fields="download_access_token", ttl=60) for number in (0, 1))
        token = mine["download_access_token"]
        assert get(mine["recording_files"][2]["download_url"], token).status_code == 200
        assert get(other["recording_files"][2]["download_url"], token).status_code == 401
        phone = next(path for path in sandbox.state.files if path.startswith("/v2/phone"))
        assert get(sandbox.origin + phone, token).status_code == 401
        assert get(f"{sandbox.base_url}/users/me", token).status_code == 401
        for forged in (token[:-1], "A" + token[1:], "x", "ü"):
            headers = {"Authorization": f"Bearer {forged}".encode()}
            url = mine["recording_files"][2]["download_url"]
            assert httpx.get(url, headers=headers, verify=False).status_code == 401
        clock.now += 60
        assert get(mine["recording_files"][2]["download_url"], token).status_code == 401


def test_a_storage_on_another_port_takes_no_token_and_gives_the_bytes_without_one() -> None:
    with Sandbox(storage=True) as sandbox:
        url = audio(sandbox)
        assert get(url, token="wrong").status_code == 401
        sent_on = get(url)
        there = sent_on.headers["location"]
        assert sent_on.status_code == 302
        assert there.startswith(sandbox.storage_origin + "/")
        assert sandbox.storage_origin.rpartition(":")[2] != sandbox.origin.rpartition(":")[2]
        assert get(there).status_code == 400
        assert get(there, token="").content == sandbox.recording_bytes(url)
        assert get(there, token="", Range="bytes=5-9").content == sandbox.recording_bytes(url)[5:10]
        assert get(there[:-1], token="").status_code == 403
        assert get(f"{sandbox.storage_origin}/rec/download/none", token="").status_code == 403
        assert [each.status for each in sandbox.storage_requests] == [400, 200, 206, 403, 403]
        assert sandbox.storage_requests[0].header("authorization") == f"Bearer {sandbox.token}"
        assert get(f"{sandbox.storage_origin}/v2/users/me").status_code == 403
    assert sandbox.storage_origin == ""


def test_faults_hit_the_storage_too() -> None:
    with Sandbox(storage=True) as sandbox:
        url = audio(sandbox)
        sandbox.inject(match="* /storage/*", cut=10)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url, headers={"Authorization": "Bearer sandbox-token"}, follow_redirects=True, verify=False)
        assert (sandbox.storage_requests[-1].fault, sandbox.requests[-1].fault) == ("truncated", "")
        assert sandbox.faults_done == {"truncated": 1}


# lines that break


def test_a_download_that_breaks_off_goes_on_where_it_broke(sandbox: Sandbox) -> None:
    url, came = audio(sandbox), b""
    for cut in (1, 65_536, 100_000, 1_000_000, 2_000_000):
        sandbox.inject(cut=cut)
        headers = {"Authorization": f"Bearer {sandbox.token}", "Range": f"bytes={len(came)}-"}
        before = len(came)
        with httpx.stream("GET", url, headers=headers, verify=False) as answer:
            assert answer.status_code == 206
            with pytest.raises(httpx.RemoteProtocolError):
                for piece in answer.iter_raw():
                    came += piece
        assert len(came) - before == cut
    came += get(url, Range=f"bytes={len(came)}-").content
    assert came == sandbox.recording_bytes(url)


def test_a_slow_download_holds_up_nobody_else_and_comes_whole(sandbox: Sandbox) -> None:
    url = audio(sandbox)
    sandbox.inject("slow", match="* /rec/download/*", takes=1000)
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    with httpx.stream("GET", url, headers=headers, verify=False) as answer:
        pieces = answer.iter_raw()
        came = next(pieces)
        assert get(f"{sandbox.base_url}/users/me").status_code == 200
        assert len(came + next(pieces)) < 30_000
    sandbox.inject("slow", match="* /rec/download/*", takes=0.2)
    assert get(url).content == sandbox.recording_bytes(url)
    assert sandbox.faults_done == {"slow": 2}


def test_requests_behind_a_long_answer_on_one_line_are_answered_after_it(sandbox: Sandbox) -> None:
    with httpx.Client(headers={"Authorization": f"Bearer {sandbox.token}"}, verify=False) as client:
        for takes in (None, 0.05, None):
            if takes:
                sandbox.inject(takes=takes)
            assert client.get(audio(sandbox)).content == sandbox.recording_bytes(audio(sandbox))
            assert client.get(f"{sandbox.base_url}/users/me").status_code == 200


def test_a_client_that_leaves_amid_a_download_leaves_nothing_behind(sandbox: Sandbox) -> None:
    url = str(recordings(sandbox)["recording_files"][0]["download_url"])
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    for takes in (None, 30.0):
        if takes:
            sandbox.inject("slow", match="* /rec/download/*", takes=takes)
        with httpx.stream("GET", url, headers=headers, verify=False) as answer:
            next(answer.iter_raw())
    assert get(f"{sandbox.base_url}/users/me").status_code == 200


@pytest.mark.parametrize(("kind", "status"), [("html_200", 200), ("error_html", 502), ("error_json", 503)])
def test_other_faults_hit_downloads_as_well(sandbox: Sandbox, kind: str, status: int) -> None:
    url = audio(sandbox)
    sandbox.inject(kind, status=status)
    answer = get(url)
    assert answer.status_code == status
    assert len(answer.content) < 1000
    assert sandbox.requests[-1].fault == kind
