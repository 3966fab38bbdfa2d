"""Answers that would hurt a trusting client: each does what its name says, over a plain socket that trusts nothing."""

from __future__ import annotations

import json
import re
import socket
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from zoom_connector.sandbox import Sandbox
from zoom_connector.sandbox.edits import EDITS
from zoom_connector.sandbox.hostile import HOSTILE, bomb

MOST = 3_000_000  # bytes that are read of what may have no end


def ask(sandbox: Sandbox, path: str = "/v2/users?page_size=3", method: str = "GET", body: bytes = b"") -> bytes:
    """All that comes back, as it is on the wire."""
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {sandbox.token}\r\nconnection: close\r\n"
    if body:
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", int(sandbox.origin.rpartition(":")[2])), timeout=10) as line:
        line.sendall(f"{head}\r\n".encode() + body)
        came = bytearray()
        while len(came) < MOST and (piece := line.recv(1 << 16)):
            came += piece
    return bytes(came)


def data(answer: bytes) -> Any:
    """The JSON of a body as Python's own reader takes it, which is very lenient."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [leaf for each in inner for leaf in leaves(each)]
    return [value]


def texts(answer: bytes) -> list[str]:
    found = [leaf for leaf in leaves(data(answer)) if isinstance(leaf, str)]
    assert len(found) > 10
    return found


def body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def unpacked(packed: bytes, most: int) -> int:
    return len(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, most))


TRUE = b'"email":"user0@sandbox.example"'
DOES: dict[str, Callable[[bytes], bool]] = {
    "gzip_bomb": lambda came: b"content-encoding: gzip" in came and unpacked(body(came), 1 << 26) == 1 << 26,
    "no_gzip": lambda came: b"content-encoding: gzip" in came and TRUE in body(came),
    "endless_body": lambda came: len(came) >= MOST and b"content-length" not in came,
    "no_numbers": lambda came: all(token in body(came) for token in (b":NaN,", b":Infinity,", b":1e400,")),
    "long_numbers": lambda came: re.search(rb":9{5000},", body(came)) is not None,
    "deep": lambda came: b"[" * 100_000 + b"]" * 100_000 in came and TRUE in came.replace(b'": ', b'":'),
    "half_characters": lambda came: all(text.endswith("\ud83d") for text in texts(came)),
    "escapes": lambda came: (
        all(text.startswith("\x1b]0;owned\x07") and text.endswith("\0") for text in texts(came))
        and b"\\u001b]0;owned\\u0007" in came
    ),
    "twice": lambda came: re.search(rb'"email":"user0@sandbox.example","email":null', came) is not None,
    "no_lists": lambda came: data(came)["users"] == "none",
    "odd_items": lambda came: data(came)["users"] == [None, 7, "text"],
    "no_object": lambda came: isinstance(data(came), list) and len(data(came)[0]["users"]) == 3,
    "far_dates": lambda came: data(came)["users"][0]["user_created_at"] == "99999-12-31T23:59:59Z",
    "endless_list": lambda came: len(data(came)["users"]) == 3 and len(data(came)["next_page_token"]) == 16,
    "charset": lambda came: len(json.loads(body(came).decode("utf-16"))["users"]) == 3 and b"UTF-8" in came,
    "huge_header": lambda came: b"x-huge: " + b"x" * (1 << 20) in came and TRUE in came,
    "many_headers": lambda came: came.count(b"x-many: x\r\n") == 20_000 and TRUE in came,
    "cookies": lambda came: came.count(b"set-cookie: ") == 1000 and TRUE in came,
    "odd_reason": lambda came: came.startswith(b"HTTP/1.1 200 \x1b]0;owned\x07\x00\r\n") and TRUE in came,
    "early_hints": lambda came: came.count(b"HTTP/1.1 103 ") == 1000 and TRUE in came,
    "body_in_204": lambda came: came.startswith(b"HTTP/1.1 204 ") and TRUE in came,
    "long_length": lambda came: b"content-length: 1000000000\r\n" in came and TRUE in came,
    "short_length": lambda came: b"content-length: 5\r\n" in came and TRUE in came,
    "odd_length": lambda came: b"content-length: -1\r\n" in came and TRUE in came,
    "no_http": lambda came: came.startswith(b"220 smtp.example"),
    "redirect": lambda came: came.startswith(b"HTTP/1.1 302 ") and b"location: http://attacker.invalid/" in came,
    "retry_in_ages": lambda came: came.startswith(b"HTTP/1.1 429 ") and b"retry-after: 999999999999\r\n" in came,
    "retry_long_ago": lambda came: b"retry-after: -5\r\n" in came,
    "retry_in_words": lambda came: b"retry-after: in a while\r\n" in came,
    "retry_in_99999": lambda came: b"retry-after: 99999-12-31T23:59:59Z\r\n" in came,
    "retry_of_5000_digits": lambda came: b"retry-after: " + b"9" * 5000 + b"\r\n" in came,
}
APART = {"drip", "long_lifetime", "no_lifetime", "html_206", "empty_file", "wrong_range"}  # have tests below
UNDONE = {"redirect", *(name for name in HOSTILE if name.startswith("retry_"))}


def test_every_kind_has_a_test() -> None:
    assert DOES.keys() | APART == HOSTILE.keys()
    assert EDITS.keys() <= HOSTILE.keys()


@pytest.mark.parametrize("kind", DOES)
def test_a_hostile_answer_is_what_its_name_says(sandbox: Sandbox, kind: str) -> None:
    assert TRUE in ask(sandbox)
    sandbox.inject(kind)
    assert DOES[kind](ask(sandbox))
    assert sandbox.faults_done == {kind: 1}
    assert TRUE in ask(sandbox)


@pytest.mark.parametrize("kind", sorted(DOES.keys() - {"endless_body"}))
def test_what_is_done_all_the_same_is_done_and_what_is_not_is_not(sandbox: Sandbox, kind: str) -> None:
    before = len(sandbox.state.meetings)
    sandbox.inject(kind)
    ask(sandbox, "/v2/users/me/meetings", "POST", b'{"topic":"once"}')
    done = len(sandbox.state.meetings) - before
    assert done == (0 if kind in UNDONE else 1)
    assert sandbox.requests[-1].carried_out is bool(done)


def test_a_drip_takes_an_hour(sandbox: Sandbox) -> None:
    sandbox.inject("drip")
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{sandbox.base_url}/users/me", headers={"authorization": f"Bearer {sandbox.token}"}, timeout=0.3)
    assert sandbox.requests[-1].carried_out


def test_a_list_without_an_end_goes_on_page_after_page_with_the_items_of_the_first(sandbox: Sandbox) -> None:
    sandbox.inject("endless_list", times=5)
    token, tokens = "", set()
    for _ in range(5):
        said = data(ask(sandbox, f"/v2/users?page_size=3&next_page_token={token}"))
        assert said["users"][0]["email"] == "user0@sandbox.example"
        token = said["next_page_token"]
        tokens.add(token)
    assert len(tokens) == 5


@pytest.mark.parametrize(("kind", "seconds"), [("long_lifetime", 1e300), ("no_lifetime", -1e9)])
def test_a_token_is_given_with_an_absurd_lifetime(sandbox: Sandbox, kind: str, seconds: float) -> None:
    sandbox.inject(kind, match="POST /oauth/token")
    form = {"grant_type": "account_credentials", "account_id": "sandboxAccountId123456"}
    answer = httpx.post(f"{sandbox.origin}/oauth/token", data=form, auth=("sandbox-server", "sandbox-secret"))
    assert answer.json()["expires_in"] == seconds
    token = answer.json()["access_token"]
    assert httpx.get(f"{sandbox.base_url}/users/me", headers={"authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "headers", "size"),
    [
        ("html_206", 206, {"content-range": "bytes 0-36/37", "content-type": "text/html"}, 37),
        ("empty_file", 200, {"content-length": "0", "content-type": "video/mp4"}, 0),
        ("wrong_range", 206, {"content-range": "bytes 5-9/10", "content-type": "video/mp4"}, 1000),
    ],
)
def test_a_download_is_answered_with_what_is_no_file(
    sandbox: Sandbox, kind: str, status: int, headers: dict[str, str], size: int
) -> None:
    sandbox.inject(kind, match="* /rec/download/*")
    path = next(iter(sandbox.state.files))
    answer = httpx.get(sandbox.origin + path, headers={"authorization": f"Bearer {sandbox.token}", "range": "bytes=0-"})
    assert (answer.status_code, len(answer.content)) == (status, size)
    assert headers.items() <= dict(answer.headers).items()


def test_a_random_plan_has_them_only_if_it_names_them() -> None:
    assert not any(kind.by_chance for kind in HOSTILE.values())
    sandbox = Sandbox(faults="seed=1,rate=1,kinds=no_lists+drip")
    assert sandbox.faults is not None and sandbox.faults.kinds == ("no_lists", "drip")


def test_details_of_a_head_and_an_endless_body_come_over_http_too(sandbox: Sandbox) -> None:
    fault = {"head": "HTTP/1.1 299 Odd\r\nx-a: b\r\n\r\n", "edit": "no_object", "match": "GET /v2/users"}
    assert httpx.post(f"{sandbox.origin}/_sandbox/faults", json=fault).status_code == 200
    came = ask(sandbox)
    assert came.startswith(b"HTTP/1.1 299 Odd\r\nx-a: b\r\n\r\n[{")
    assert [each["fault"] for each in httpx.get(f"{sandbox.origin}/_sandbox/requests").json()["requests"]] == [
        "no_object"
    ]
    sandbox.inject(status=200, body=b"abc", endless=True, content_type="text/plain")
    came = ask(sandbox)
    assert b"content-type: text/plain" in came and body(came)[:1_000_001] == (b"abc" * 400_000)[:1_000_001]
    for wrong in ({"edit": "soon"}, {"endless": 1}, {"head": 5}):
        refused = httpx.post(f"{sandbox.origin}/_sandbox/faults", json=wrong)
        assert refused.status_code == 400 and next(iter(wrong)) in refused.json()["error"].lower()


def test_the_bomb_is_small_until_it_is_unpacked() -> None:
    assert len(bomb()) < 1_200_000
    unpacker, size = zlib.decompressobj(zlib.MAX_WBITS | 16), 0
    packed = bomb()
    while packed:
        size += len(unpacker.decompress(packed, 1 << 24))
        packed = unpacker.unconsumed_tail
    assert size == 1 << 30
