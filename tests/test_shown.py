"""What is shown: reprs that hide what they hold, and secrets that are known by their name alone."""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest

import connector_runtime
from connector_runtime.calls.answers import RefusedResponse
from connector_runtime.language import secrets
from connector_runtime.mcp.tools import ToolFilter, answer, tools
from connector_runtime.model import Choice, Choices, Response
from zoom_connector import Connector, Page, Result

PLANTED = "planted-8f3a"
HOLDING = """
data items headers content body url value values cursor rejected granted query next_query parts written secret secrets
token refresh_token asked payload proxy password verifier inputs credentials search
"""  # names of fields that can hold what a vendor or a person gave, or a secret
HOLD = frozenset(HOLDING.split())
DEFINED = (  # what a definition or a schema says, or the author's own files: nothing that a vendor or an account gave
    *(f"connector_runtime.{room}" for room in ("definitions", "authoring", "model", "language", "commands")),
    "connector_runtime.calls.action",
    "connector_runtime.mcp.tools",
    "connector_runtime.service.settings",
    "connector_runtime.triggers.webhook.Trigger",
)
ANSWERS = ("Page", "Result", "Choices", "Request", "Response")  # of `model`


def classes() -> Iterator[type]:
    """Every class of the runtime whose repr is made of its fields, unless it has one of its own."""
    for module in pkgutil.walk_packages(connector_runtime.__path__, "connector_runtime."):
        for each in vars(importlib.import_module(module.name)).values():
            is_own = isinstance(each, type) and each.__module__ == module.name
            if is_own and (dataclasses.is_dataclass(each) or hasattr(each, "_fields")):
                yield each


def planted(kind: Any) -> Any:
    """An instance that holds a secret wherever one can be."""
    names = [each.name for each in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else kind._fields
    said = {name: PLANTED if name in HOLD else () for name in names}
    if hasattr(kind, "_fields"):
        return tuple.__new__(kind, [said[name] for name in names])
    made = kind.__new__(kind)
    for name, value in said.items():
        with suppress(AttributeError):
            object.__setattr__(made, name, value)
    return made


def test_no_repr_shows_what_a_vendor_or_a_person_gave() -> None:
    seen = 0
    for kind in classes():
        name = f"{kind.__module__}.{kind.__name__}"
        if not name.startswith(DEFINED) or (kind.__module__.endswith(".model") and kind.__name__ in ANSWERS):
            assert PLANTED not in repr(planted(kind)), name
            seen += 1
    assert seen > 40  # structs have a test of their own


def test_a_result_is_shown_by_its_status_its_keys_and_its_counts() -> None:
    meeting = {"id": 1, "start_url": "https://a.example/s?zak=secret", "users": [{"password": "secret"}]}
    assert repr(Result(meeting, 201, {"x": "secret"})) == "Result(201, {id, start_url, users})"
    assert repr(Result([1, 2], 200, {}, cursor="secret")) == "Result(200, [2 items], and more)"
    assert repr(Result("secret", 200, {})) == "Result(200, str)"
    many = {f"k{number}": "secret" for number in range(12)}
    assert repr(Page(many, [1], 200, {}, (), "secret")) == (
        "Page(200, {k0, k1, k2, k3, k4, k5, k6, k7, … 12 keys}, 1 items, and more)"
    )
    assert repr(Page({}, None, 204, {})) == "Page(204, {})"
    assert len(repr(Result({"k" * 5000: 1}, 200, {}))) < 300
    assert repr(Choices((Choice("a", "secret"),), "secret")) == "Choices(1 choices, and more)"
    assert repr(Choices(())) == "Choices(0 choices)"


SECRET = """
password passcode hostKey host_key start_url zak tk pwd pin X-Api-Key download_token access_token refresh_token
client_secret APIKey apikey Authorization Set-Cookie x-zm-signature h323_password JWT private_key accessToken passphrase
"""
OPEN = """
password_required next_page_token nextPageToken token_type key id primary_key sort_key join_url author pinned passed
keynote secretary sync_token tokens_used keys url start start_time é has_passcodes pinboard spa
"""


def test_a_name_is_known_by_its_words() -> None:
    assert [name for name in SECRET.split() if not secrets.sounds_secret(name)] == []
    assert [name for name in (*OPEN.split(), "", "x" * 500) if secrets.sounds_secret(name)] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.example/j/1?pwd=s.1&uname=A#ok", "https://a.example/j/1?pwd=***&uname=A#ok"),
        ("Join https://a.example/w?tk=x.y&zak=z or wait", "Join https://a.example/w?tk=***&zak=*** or wait"),
        ("https://a.example/cb#access_token=abc&code=1", "https://a.example/cb#access_token=***&code=***"),
        ("https://a.example/?next_page_token=t&key=k", "https://a.example/?next_page_token=t&key=***"),
        ("<a href='https://a.example/?a=1&amp;pwd=x'>", "<a href='https://a.example/?a=1&amp;pwd=***'>"),
        ("pwd=x without a URL", "pwd=x without a URL"),
        ("https://a.example/pwd=x", "https://a.example/pwd=x"),
    ],
)
def test_secrets_in_the_query_of_a_url_are_masked_wherever_the_url_stands(text: str, shown: str) -> None:
    assert secrets.in_text(text) == shown
    assert secrets.hide({"any": [text]}) == {"any": [shown]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Meeting ID: 812 7943\r\nPasscode: x7Kp2q\r\n", "Meeting ID: 812 7943\r\nPasscode: ***\r\n"),
        ("Passcode: 858585. One tap: +1,,812#,,*858585#", "Passcode: ***. One tap: +1,,812#,,****#"),
        ("Kenncode: geheim12, bis morgen", "Kenncode: ***, bis morgen"),
        ("Access token: abcdef and Key: C major", "Access token: *** and Key: C major"),
        ("Topic: a password reset at 12:30", "Topic: a password reset at 12:30"),
    ],
)
def test_a_word_after_a_name_that_sounds_secret_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    assert secrets.in_text(text) == shown
    assert secrets.hide({"invitation": text}) == {"invitation": shown}


def test_a_model_sees_no_secret_that_only_its_name_tells(connector: Connector) -> None:
    tool = tools(connector, ToolFilter())["list-meetings"]
    urls = {"start_url": "https://a.example/s?zak=s3cret", "join_url": "https://a.example/j/1?pwd=s3cret"}
    data = {"meetings": [{"id": 1, **urls}]}
    shown = {"id": 1, "start_url": "***", "join_url": "https://a.example/j/1?pwd=***"}
    assert answer(tool, Result(data, 200, {}), ToolFilter())["data"] == {"meetings": [shown]}
    assert answer(tool, Result(data, 200, {}), ToolFilter(secrets=True))["data"] == data


TOKEN = "1//0gPlanted+secret/abc=="


@pytest.mark.parametrize(
    "told",
    [
        TOKEN,
        TOKEN.replace("/", "\\/"),  # as PHP writes it
        TOKEN.replace("+", "\\u002B").replace("=", "\\u003d"),  # as .NET and Java write it
        "".join(f"\\u{ord(sign):04x}" for sign in TOKEN),
        quote(TOKEN, safe=""),
        quote(TOKEN, safe="").replace("%2F", "%2f").replace("%3D", "%3d"),
        json.dumps(json.dumps({"token": TOKEN}).replace("/", "\\/"))[1:-1],  # JSON in a text
    ],
)
def test_no_spelling_of_a_token_gets_into_an_error(connector: Connector, told: str) -> None:
    content = f'{{"code": 124, "message": "bad {told}", "errors": [{{"field": "{told}"}}]}}'.encode()
    response = Response(401, {"x-zm-trackingid": f"id {TOKEN}"}, content)
    error = RefusedResponse(connector.profile.errors, response, [TOKEN]).error("read", datetime.now(UTC))
    said = json.dumps([error.to_dict(), str(error), error.tracking_id])
    assert "Planted" not in said and "***" in said and error.tracking_id == "id ***"


def test_a_secret_that_comes_back_as_a_number_is_masked_and_all_else_stays() -> None:
    data = {"a": [12345678, True, None, 1.5, "x"], "12345678": "me"}
    assert secrets.mask(data, ["12345678", ""]) == {"a": ["***", True, None, 1.5, "x"], "***": "me"}
    assert secrets.mask(data, []) == data
    assert secrets.mask("a pin, spinning", ["pin"]) == "a ***, spinning"
