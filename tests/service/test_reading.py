"""Which requests are read, and what is said of those that cannot be."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .conftest import problem, whole

JSONS = ["application/json", "APPLICATION/JSON; charset=utf-8", "application/merge-patch+json"]


@pytest.mark.parametrize("kind", JSONS)
def test_json_of_any_name_is_read(local: httpx.Client, kind: str) -> None:
    answer = local.post("/v1/actions/list-users/preview", content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "text/x+json", "json", "multipart/form-data", ""])
def test_what_is_no_json_is_not_read(local: httpx.Client, kind: str) -> None:
    answer = local.post("/v1/actions/list-users/preview", content=b"{}", headers={"Content-Type": kind} if kind else {})
    message = f"The body is {kind!r}, not JSON." if kind else "The request has no Content-Type."
    expected = whole("media_type", 415, "This content type is not accepted", message, None)
    assert problem(answer) == expected and answer.headers["accept"] == "application/json"


def test_what_is_packed_is_not_read(local: httpx.Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = local.post("/v1/actions/list-users/preview", content=b"{}", headers=headers)
    expected = whole(
        "media_type", 415, "This content type is not accepted", "Compressed bodies are not accepted.", None
    )
    assert problem(answer) == expected and answer.headers["accept-encoding"] == "identity"


UNREAD = {
    "nothing": (b"", "is empty", "Send a JSON object, at least {}."),
    "no text": (b"\xff", "is not UTF-8 text (byte 0)", None),
    "a key twice": (b'{"a": 1, "a": 2}', "contains the key 'a' twice", "Leave one of them out."),
    "no number": (b'{"limit": NaN}', "is not JSON: NaN is not a JSON number", None),
    "too large a number": (b'{"deadline": 1e400}', "contains a number that is too large", None),
    "too long a number": (b'{"limit": ' + b"9" * 5000 + b"}", "contains a number that is too long", None),
    "too deep": (b"[" * 66 + b"]" * 66, "is nested deeper than 64 levels", None),
    "far too deep": (b"[" * 100_000, "is nested deeper than 64 levels", None),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_body_that_cannot_be_read_is_a_400_that_says_why(local: httpx.Client, name: str) -> None:
    content, what, hint = UNREAD[name]
    headers = {"Content-Type": "application/json"}
    answer = local.post("/v1/actions/list-users/run", content=content, headers=headers)
    told = [{"where": "body", "what": f"The body {what}."}]
    assert problem(answer) == whole("body", 400, "The request cannot be read", f"The body {what}.", hint, problems=told)


WRONG: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "a list": ([], [("body", "must be a JSON object")]),
    "an unknown field": ({"inptus": {}}, [("inptus", "is unknown here. Did you mean 'inputs'?")]),
    "a number for text": ({"connection": 7}, [("connection", "input should be a valid string")]),
    "text for a number": ({"limit": "7"}, [("limit", "input should be a valid integer")]),
    "a limit of nothing": ({"limit": 0}, [("limit", "input should be greater than or equal to 1")]),
    "a limit of all": ({"limit": 10**9 + 1}, [("limit", "input should be less than or equal to 1000000000")]),
    "names that are none": ({"clear": [1, 2]}, [("clear.0", "input should be a valid string")]),
    "too long a deadline": ({"deadline": 60.5}, [("deadline", "must be at most 60 seconds here")]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_request_that_is_not_as_described_names_each_field(local: httpx.Client, name: str) -> None:
    sent, found = WRONG[name]
    answer = local.post("/v1/actions/list-users/run", json=sent)
    told = [{"where": where, "what": what} for where, what in found]
    message = "One problem with the inputs of the request:"
    assert problem(answer) == whole("input", 422, "Some inputs are not valid", message, None, problems=told)


@pytest.mark.parametrize("given", ["a", "A.b_c~d-9", "x" * 128])
def test_a_request_id_is_taken_over(local: httpx.Client, given: str) -> None:
    assert local.get("/health", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a/b", "é".encode()])
def test_a_request_id_that_is_none_is_not(local: httpx.Client, given: str | bytes) -> None:
    made = local.get("/health", headers={"X-Request-ID": given}).headers["x-request-id"]  # type: ignore[dict-item]
    assert len(made) == 32 and made != given
