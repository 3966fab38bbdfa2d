"""Each no about a connection as the whole error that platforms and the command line are given."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from told import told, whole

from connector_runtime.connections import oauth, oauth_requests
from connector_runtime.connections.connections import Connections, PendingSignIns
from connector_runtime.connections.oauth_requests import ConnectionRecord, Renewal, Tokens
from connector_runtime.errors import TransportError
from connector_runtime.model import Response
from connector_runtime.steps import Acquire, Read, Send, Write
from connector_runtime.stores.store import MemoryStore
from tests.plays import NOON, Play
from zoom_connector import Connector

from .conftest import OAUTH2, SERVER, Person

AGAIN = "Sign in again."
DATED = NOON.timestamp()


def wrong(where: str, what: str, of: str = "connect") -> dict[str, Any]:
    message = f"One problem with the inputs of {of}:"
    problems = [{"where": where, "what": what}]
    return {"kind": "input", "message": message, "hint": None, "problems": problems, "retriable": False}


def test_a_callback_that_brings_no_code_says_what_to_do() -> None:
    for brought, message, hint in (
        ({}, "The sign-in came back without a code.", AGAIN),
        ({"code": ""}, "The sign-in came back without a code.", AGAIN),
        (
            {"error": "access_denied"},
            "The sign-in was declined.",
            "Sign in again and allow the access, or ask an admin to allow it.",
        ),
        (
            {"error": "invalid_scope"},
            "The vendor refused the sign-in: invalid_scope.",
            "Correct that, then sign in again.",
        ),
        (
            {"error": "x", "error_description": f"It  is\n{'y' * 300}"},
            f"The vendor refused the sign-in: It is {'y' * 194}.",
            "Correct that, then sign in again.",
        ),
    ):
        assert told(lambda: oauth_requests.code_of(brought)) == whole("token", message, hint)  # noqa: B023
    assert oauth_requests.code_of({"code": "c", "error": "x"}) == "c"
    for query in ({}, {"state": ""}):
        what = "This sign-in was not started here."
        hint = "Start it where you want to use the connection, not on a page of the vendor."
        assert told(lambda: oauth_requests.state_of(query)) == whole("token", what, hint)  # noqa: B023


def test_a_state_that_is_not_waiting_says_what_became_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pending = PendingSignIns(MemoryStore(), "pending/", name=str)
    over = "This sign-in has expired or was already used."
    assert told(lambda: pending.take("guessed")) == whole("token", over, AGAIN)
    pending.add("s", {"name": "main"})
    assert pending.take("s")["name"] == "main"
    assert told(lambda: pending.take("s")) == whole("token", over, AGAIN)
    pending.end("s", "work")
    done = "There is nothing left to do for this sign-in."
    assert told(lambda: pending.take("s")) == whole("token", "Already connected as work.", done)
    pending.add("late", {"name": "main"})
    now = time.time()
    monkeypatch.setattr("connector_runtime.connections.connections.time.time", lambda: now + 601)
    assert told(lambda: pending.take("late")) == whole("token", "The sign-in took longer than ten minutes.", AGAIN)


def test_a_connection_that_is_not_there_says_which_are(person: Person, connections: Connections) -> None:
    none = whole("token", "No account is connected yet.", "Connect an account.")
    assert told(connections.open) == told(connections.test) == none
    for ask in (connections.open, connections.summary, connections.test, connections.disconnect, connections.missing):
        lacking = whole("token", "There is no connection main.", "Connect an account.")
        assert told(lambda: ask("main")) == lacking  # noqa: B023
    for name in ("b", "a"):
        connections.adopt("oauth2", OAUTH2, Tokens(granted={"access_token": "t"}), name=name)
    assert told(connections.open) == whole("token", "There is more than one connection: a, b.", "Choose one of them.")
    assert told(lambda: connections.open("main")) == whole(
        "token", "There is no connection main.", "Connections: a, b."
    )
    stored = connections.open("a")
    connections.disconnect("a", revoke=False)
    assert told(stored.record) == whole("token", "There is no connection a.", "Connect an account.")


def test_a_kind_that_does_not_fit_is_refused(connections: Connections) -> None:
    kinds = "oauth2, oauth2-public, server-to-server"
    for ask, what in (
        (
            lambda: connections.begin("server-to-server", SERVER, "https://a.example"),
            "is server-to-server, which needs no sign-in; use `add`",
        ),
        (lambda: connections.add("oauth2", OAUTH2), "is oauth2, which needs a sign-in; use `begin`"),
        (
            lambda: connections.add("oauth", OAUTH2),
            f"is 'oauth', which is not a kind of connection. Did you mean 'oauth2'? Known: {kinds}.",
        ),
    ):
        assert told(ask) == wrong("kind", what)
    assert told(lambda: oauth_requests.app(connections._kind("oauth2"), OAUTH2, "https://evil.example")) == wrong(
        "oauth_url",
        "must be one of https://zoom.us, https://zoomgov.com: secrets are sent nowhere else",
        "the connection 'OAuth 2.0'",
    )


def test_what_a_stored_connection_cannot_do_any_more_says_reconnect(connector: Connector) -> None:
    kind = connector.connections["oauth2"]
    old = ConnectionRecord(
        kind="oauth2", values=OAUTH2, tokens=Tokens(granted={"access_token": "a"}, refresh_token="r", expires_at=DATED)
    )

    def renew(record: ConnectionRecord | None, send: Any = None, acquire: bool = True) -> dict[str, Any]:
        answers = {Read: None if record is None else (record, 1), Acquire: acquire, Send: send, Write: 2}
        return told(lambda: [*Play(answers)(Renewal(kind, "main", None, 5.0).steps())])

    reconnect = "Sign in again: reconnect main."
    assert renew(None) == whole("token", "There is no connection main.", "Connect an account.")
    assert renew(replace(old, dead="It was removed.")) == whole(
        "token", "The connection main has ended: It was removed.", reconnect
    )
    spent = replace(old, tokens=replace(old.tokens, refresh_token=None))
    ended = "The connection main has ended: its token has expired and cannot be renewed."
    assert renew(spent) == whole("token", ended, reconnect)
    lost = TransportError("It broke off.", hint="Odd.", status=502, code=3, tracking_id="t", may_have_been_done=True)
    assert renew(old, lost) == whole(
        "transport",
        "The token of main could not be renewed: It broke off.",
        "The connection is kept. Try again.",
        retriable=True,
        status=502,
        tracking_id="t",
    )
    page = Response(status=200, headers={"content-type": "text/html; charset=x"}, content=b'{"a": 1}')
    assert renew(old, page) == whole(
        "transport",
        "The token of main could not be renewed: The token endpoint's response (200, text/html) has no access token.",
        "The connection is kept. Try again.",
        retriable=True,
        status=200,
    )


def test_an_answer_without_a_usable_token_is_no_answer(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    for content, what, hint in (
        (b"{}", "has no access token", "Something between here and the vendor may have responded instead. Try again."),
        (
            b'{"access_token": "a\\nb"}',
            "holds a access_token of 3 characters that cannot be sent in a request",
            "Try again.",
        ),
    ):
        answer = Response(status=200, headers={}, content=content)
        message = f"The token endpoint's response (200, no content type) {what}."
        wanted = whole("transport", message, hint, status=200, retriable=True)
        assert told(lambda: app.tokens(answer, DATED)) == wanted  # noqa: B023


def test_a_damaged_connection_says_reconnect(connections: Connections) -> None:
    connections.adopt("oauth2", OAUTH2, Tokens(granted={"access_token": "t"}))
    connections._store.update(connections._key("main"), lambda old: b"odd")
    damaged = whole("token", "The stored connection main is damaged.", "Sign in again: reconnect main.")
    assert told(lambda: connections.open("main")) == damaged


def test_a_token_of_no_kind_is_refused(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = Connections(connector, MemoryStore())
    monkeypatch.setattr("connector_runtime.connections.connections.connection_of", lambda *given: None)
    assert told(lambda: connections.test_token("t")) == wrong(
        "token", "is not accepted by any kind of connection", "the connection"
    )


def test_a_token_request_is_a_form_that_may_take_so_long(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    request = app.code_request("c", "https://a.example/cb", "v", 2.5)
    url = "https://zoom.us/oauth/token"
    assert (request.method, request.template, request.shown, request.url) == ("POST", "(token_url)", url, url)
    assert request.body is None
    assert request.call == {"timeout": 2500}
    assert request.content == (
        b"grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fa.example%2Fcb&code_verifier=v"
    )
    assert dict(request.headers)["Accept"] == "application/json"
    assert app.renewal_request("r", 1.0).call == {"timeout": 1000}
    assert app.request({}, 3.0, "revoke_url").call == {"timeout": 3000}


def test_what_is_known_of_tokens_and_health_stays_as_it_was_found() -> None:
    health = oauth.Health(ok=True)
    with pytest.raises(AttributeError):
        health.ok = False  # type: ignore[misc]
    assert health.to_dict() == {
        "ok": True,
        **dict.fromkeys(("identity", "account", "user", "skew", "error")),
        "scopes": [],
        "missing_scopes": [],
        "hints": [],
    }
