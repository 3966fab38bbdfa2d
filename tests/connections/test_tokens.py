"""What a token endpoint answers is input: checked and bounded before it is stored; else it is an error."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings, strategies as st
from told import whole

from connector_runtime.connections import oauth_requests
from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth_requests import (
    MAX_LENGTH,
    MAX_TIMESTAMP,
    YEAR,
    ConnectionRecord,
    Tokens,
    lifetime_of,
)
from connector_runtime.definitions.folders import load as load_folder
from connector_runtime.errors import ConnectorError, TransportError
from connector_runtime.model import Connection, Response
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import OAUTH2, REDIRECT, SERVER

if TYPE_CHECKING:
    from .conftest import Person

GOOD = {"access_token": "a", "refresh_token": "r", "expires_in": 3600, "scope": "x:y", "api_url": "https://api.zoom.us"}


def tokens(connector: Connector, status: int = 200, old: Tokens | None = None, **said: Any) -> Tokens:
    """The tokens of an answer like `GOOD`, except for what is said."""
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    content = json.dumps({**GOOD, **said}).encode()
    return app.tokens(Response(status=status, headers={"content-type": "application/json"}, content=content), 1e9, old)


LIFETIMES: list[tuple[Any, float | None]] = [
    (3600, 3600.0), (3599.5, 3599.5), ("3600", 3600.0), (0, 0.0), (1e300, YEAR), (10**30, YEAR), (math.inf, YEAR),
    (-1, None), (-math.inf, None), (math.nan, None), ("nan", None), ("soon", None), ("", None), (True, None),
    (False, None), (None, None), ([], None), ({}, None), (10**400, None),
]  # fmt: skip


@pytest.mark.parametrize(("said", "seconds"), LIFETIMES, ids=lambda value: repr(value)[:12])
def test_a_lifetime_is_a_year_at_most_and_unknown_where_none_is_said(said: Any, seconds: float | None) -> None:
    assert lifetime_of(said) == seconds


@pytest.mark.parametrize("said", [1e300, math.nan, -5, "x", True])
def test_whatever_a_lifetime_is_said_to_be_the_connections_can_be_listed(connector: Connector, said: Any) -> None:
    connections = Connections(connector, MemoryStore(), "acme")
    connections.adopt("oauth2", OAUTH2, tokens(connector, expires_in=said))
    (summary,) = connections.list()
    assert summary.expires_at in (None, 1e9 + YEAR)
    assert summary.expires_at is None or datetime.fromtimestamp(summary.expires_at, UTC)


@pytest.mark.parametrize("said", [1e300, -1.0, math.nan, math.inf, MAX_TIMESTAMP + 1])
def test_a_time_that_an_older_version_stored_unbounded_is_unknown(said: float) -> None:
    data = {**Tokens(granted={"access_token": "a"}).to_dict(), "expires_at": said, "lifetime": said}
    read = Tokens.from_dict(json.loads(json.dumps(data)))
    assert (read.expires_at, read.lifetime) == (None, None)
    assert not read.is_due(1e12)


def test_times_at_the_bounds_are_kept() -> None:
    for name, value in (("expires_at", MAX_TIMESTAMP), ("lifetime", YEAR), ("expires_at", 0.0), ("lifetime", 0)):
        data = {**Tokens(granted={}).to_dict(), name: value}
        assert getattr(Tokens.from_dict(data), name) == value


def test_a_record_with_fields_of_a_later_version_is_read_by_those_that_are_known() -> None:
    record = ConnectionRecord(kind="oauth2", values=OAUTH2, tokens=Tokens(granted={"access_token": "a"}))
    data = json.loads(record.write())
    data["tokens"]["new"] = data["new"] = [1]
    assert ConnectionRecord.read(json.dumps(data).encode()) == record


# -- texts -----------------------------------------------------------------------------------------------------------

UNUSABLE = {
    "a line break": "a\r\nX-Evil: 1", "a tab": "a\tb", "NUL": "a\0b", "half a pair": "a\ud800", "no latin-1": "токен",
    "latin-1": "tökén", "megabytes": "a" * 3_000_000, "just too long": "a" * (MAX_LENGTH + 1),
}  # fmt: skip


@pytest.mark.parametrize("field", ["access_token", "refresh_token"])
@pytest.mark.parametrize("what", UNUSABLE)
def test_a_token_that_no_request_can_carry_is_refused_and_not_shown(
    connector: Connector, field: str, what: str
) -> None:
    with pytest.raises(TransportError) as caught:
        tokens(connector, **{field: UNUSABLE[what]})
    length = len(UNUSABLE[what])
    holds = f"holds a {field} of {length} characters that cannot be sent in a request"
    assert caught.value.to_dict() == whole(
        "transport",
        f"The token endpoint's response (200, application/json) {holds}.",
        "Try again.",
        retriable=True,
        status=200,
    )


def test_other_texts_may_have_other_letters_but_no_control_characters_and_no_megabytes(connector: Connector) -> None:
    assert tokens(connector, scope="lesen:ä").scopes == ("lesen:ä",)
    for scope in ("a\nb", "x:y " * 1_000_000):
        with pytest.raises(TransportError, match="holds a scope of"):
            tokens(connector, scope=scope)
    with pytest.raises(TransportError, match="holds a api_url of"):
        tokens(connector, api_url="https://api.zoom.us/\n")


def test_texts_of_the_largest_size_are_taken(connector: Connector) -> None:
    found = tokens(connector, access_token="a" * MAX_LENGTH, refresh_token="~ " * 10, scope="s" * MAX_LENGTH)
    assert (len(found.granted["access_token"]), found.refresh_token, len(found.scopes[0])) == (
        MAX_LENGTH,
        "~ " * 10,
        MAX_LENGTH,
    )


@pytest.mark.parametrize("token", ["", "   ", None, 5, ["a"], {"a": 1}])
def test_an_answer_without_a_token_is_none_even_where_there_was_one(connector: Connector, token: Any) -> None:
    with pytest.raises(TransportError, match=r"response \(200, application/json\) has no access token") as caught:
        tokens(connector, old=Tokens(granted={"access_token": "old"}), access_token=token)
    assert caught.value.retriable
    assert caught.value.status == 200


def test_a_connection_is_not_stored_where_its_token_could_not_be_used(person: Person, zoom: Sandbox) -> None:
    connections = person.connections(MemoryStore())
    zoom.inject(match="POST /oauth/token", status=200, body={**GOOD, "access_token": "a\nb"})
    with pytest.raises(TransportError, match="cannot be sent in a request"):
        person.connect(connections)
    assert connections.list() == []


def test_what_an_answer_leaves_out_stays_as_it_was(connector: Connector) -> None:
    old = Tokens(granted={"access_token": "o", "api_url": "https://api-eu.zoom.us"}, refresh_token="r0", scopes=("s",))
    new = tokens(connector, old=old, refresh_token=None, scope=None, api_url=None)
    assert new == Tokens(
        granted={"access_token": "a", "api_url": "https://api-eu.zoom.us"},
        refresh_token="r0",
        expires_at=1e9 + 3600,
        lifetime=3600.0,
        scopes=("s",),
    )


@pytest.mark.parametrize("refresh", ["", None, 5, True, ["r"], {"a": 1}])
def test_a_refresh_token_that_is_none_leaves_the_old_one(connector: Connector, refresh: Any) -> None:
    old = Tokens(granted={"access_token": "o"}, refresh_token="r0")
    assert tokens(connector, old=old, refresh_token=refresh).refresh_token == "r0"
    assert tokens(connector, refresh_token=refresh).refresh_token is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("access_token", "refresh_token", "expires_in", "scope", "api_url", "error", "reason", "errorCode", "code")


@given(st.integers(100, 599), JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)) | st.none(), JSON)
@settings(max_examples=150, deadline=None)
def test_any_json_as_an_answer_is_tokens_that_can_be_stored_or_a_typed_error(
    connector: Connector, status: int, body: Any, token: Any
) -> None:
    if isinstance(body, dict) and "access_token" in body:
        body["access_token"] = token if isinstance(token, str) else body["access_token"]
    for kind in connector.connections.values():
        app = oauth_requests.app(kind, {row.key: "x" for row in kind.inputs})
        response = Response(status=status, headers={}, content=json.dumps(body).encode())
        app.is_over(response)
        try:
            found = app.tokens(response, 1e9, Tokens(granted={}, refresh_token="r"))
        except ConnectorError as error:
            assert error.message
            assert json.dumps(error.to_dict())
        else:
            assert Tokens.from_dict(json.loads(json.dumps(found.to_dict()))) == found
            assert all(text.isascii() and text.isprintable() for text in (found.granted["access_token"],))
            assert found.expires_at is None or 1e9 <= found.expires_at <= 1e9 + YEAR


@given(st.binary(max_size=80), st.sampled_from([200, 400, 401, 500]))
@settings(max_examples=100, deadline=None)
def test_any_bytes_as_an_answer_are_a_typed_error(connector: Connector, content: bytes, status: int) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    with pytest.raises(ConnectorError):
        app.tokens(Response(status=status, headers={}, content=content), 1e9)


# -- addresses and scopes --------------------------------------------------------------------------------------------


def with_oauth(kind: Connection, **said: Any) -> Connection:
    return replace(kind, oauth={**(kind.oauth or {}), **said})


def test_an_authorize_url_with_a_query_of_its_own_has_one_question_mark(connector: Connector) -> None:
    kind = with_oauth(connector.connections["oauth2"], authorize_url="https://zoom.us/oauth/authorize?prompt=login")
    for origin, host in ((None, "https://zoom.us"), ("https://zoomgov.com", "https://zoomgov.com")):
        url = oauth_requests.app(kind, OAUTH2, origin).authorize_url(REDIRECT, "state", "verifier")
        assert url.count("?") == 1
        assert url.startswith(f"{host}/oauth/authorize?prompt=login&response_type=code&client_id=sandbox-client&")
    plain = oauth_requests.app(connector.connections["oauth2"], OAUTH2).authorize_url(REDIRECT, "state", "verifier")
    assert plain.startswith("https://zoom.us/oauth/authorize?response_type=code&")


@pytest.mark.parametrize(
    ("vendor", "separator", "some"),
    [("github", " ", {"repo"}), ("slack", ",", {"chat:write", "channels:read"})],
)
def test_a_sign_in_asks_for_the_scopes_of_the_actions_where_the_vendor_wants_them_asked(
    vendor: str, separator: str, some: set[str], request: pytest.FixtureRequest
) -> None:
    known = load_folder(request.config.rootpath / "examples" / vendor)
    connections = Connections(known, MemoryStore(), "acme")
    url = connections.begin("oauth2", {"client_id": "i", "client_secret": "s"}, REDIRECT)
    asked = dict(parse_qsl(urlsplit(url).query))["scope"].split(separator)
    assert some <= set(asked)
    one = next(key for key, action in known.actions.items() if action.scopes)
    url = connections.begin("oauth2", {"client_id": "i", "client_secret": "s"}, REDIRECT, actions=[one])
    fewer = dict(parse_qsl(urlsplit(url).query))["scope"].split(separator)
    assert 0 < len(fewer) <= len(asked)


def test_zooms_sign_in_asks_for_none_since_the_app_decides(connector: Connector) -> None:
    url = Connections(connector, MemoryStore()).begin("oauth2", OAUTH2, REDIRECT)
    assert "scope" not in dict(parse_qsl(urlsplit(url).query))


def test_an_app_of_its_own_asks_for_the_scopes_of_the_actions_at_first_and_again(
    zoom: Sandbox, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for name in ("actions", "connection", "triggers", "schemas"):
        shutil.copytree(request.config.rootpath / name, tmp_path / name)
    shutil.copy(request.config.rootpath / "connector.yaml", tmp_path)
    file = tmp_path / "connection" / "server-to-server.yaml"
    file.write_text(
        file.read_text().replace("client: basic", 'client: basic\n  scope: {from: actions, separator: "+"}')
    )
    connections = Connections(load_folder(tmp_path), MemoryStore(), "acme")
    said = {"access_token": "a", "expires_in": 0}
    zoom.inject(match="POST /oauth/token", status=200, body=said, times=2)
    connections.add("server-to-server", SERVER, origin=zoom.origin, actions=["create-meeting", "list-users"])
    connections.open("main")()
    forms = [dict(parse_qsl(request.body.decode())) for request in zoom.requests if request.target == "/oauth/token"]
    expected = {"meeting:write:meeting", "user:read:list_users:admin"}
    assert [set(form["scope"].split("+")) for form in forms] == [expected] * 2
    assert [form["grant_type"] for form in forms] == ["account_credentials"] * 2


def test_no_scope_is_sent_where_the_app_decides_or_none_is_needed(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["server-to-server"], SERVER)
    for scopes in ((), ("a", "b")):
        form = dict(parse_qsl((app.renewal_request(None, 1.0, scopes).content or b"").decode()))
        assert form == {"grant_type": "account_credentials", "account_id": "sandboxAccountId123456"}
    asks = replace(app, kind=with_oauth(app.kind, scope={"from": "actions"}))
    assert b"scope" not in (asks.renewal_request(None, 1.0).content or b"")
    assert b"scope=a+b" in (asks.renewal_request(None, 1.0, ("a", "b")).content or b"")
    assert b"scope" not in (asks.renewal_request("r", 1.0, ("a", "b")).content or b"")


def test_a_token_of_ones_own_is_tested_as_the_kind_that_takes_it(connector: Connector, zoom: Sandbox) -> None:
    connections = Connections(connector, MemoryStore())
    health = connections.test_token(zoom.token, base_url=zoom.base_url)
    assert (health.ok, health.identity) == (True, "user0@sandbox.example")
    health = connections.test_token("wrong", base_url=zoom.base_url)
    assert not health.ok
    assert health.error is not None
    assert health.error["kind"] == "token"
    assert connections.list() == []


def test_blanks_around_a_token_are_no_part_of_it(connector: Connector) -> None:
    assert tokens(connector, access_token=" new ").granted["access_token"] == "new"
