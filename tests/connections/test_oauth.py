"""Signing in, exchanging, refreshing and revoking, as a platform does it and as the stored connections do."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from told import whole

from connector_runtime.connections import oauth, oauth_requests
from connector_runtime.connections.connections import AlreadyConnected, Connections, PendingSignIns, examine
from connector_runtime.errors import AuthError, InputError, RateLimited, TransportError
from connector_runtime.model import Response
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Client, Connector
from zoom_connector.sandbox import Sandbox

if TYPE_CHECKING:
    from .conftest import Clock, Person

REDIRECT = "http://127.0.0.1:8765/callback"
OAUTH2 = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
SERVER = {"account_id": "sandboxAccountId123456", "client_id": "sandbox-server", "client_secret": "sandbox-secret"}


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


# -- the address where a person signs in -----------------------------------------------------------------------------


def test_the_authorize_url_is_zooms_with_state_and_an_s256_challenge_and_no_secret(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    start = oauth.authorize(app, REDIRECT)
    assert start.url.startswith("https://zoom.us/oauth/authorize?")
    asked = query(start.url)
    digest = base64.urlsafe_b64encode(hashlib.sha256(start.verifier.encode()).digest()).decode().rstrip("=")
    assert asked == {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": REDIRECT,
        "state": start.state,
        "code_challenge": digest,
        "code_challenge_method": "S256",
    }
    assert 43 <= len(start.verifier) <= 128  # RFC 7636, 4.1
    assert oauth.authorize(app, REDIRECT).state != start.state


def test_a_government_account_signs_in_at_its_own_host_and_calls_its_own_api(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2, "https://zoomgov.com")
    assert oauth.authorize(app, REDIRECT).url.startswith("https://zoomgov.com/oauth/authorize?")
    request = app.renewal_request("r1", 5)
    assert request.url == "https://zoomgov.com/oauth/token"
    answer = Response(status=200, headers={}, content=b'{"access_token": "a", "expires_in": 3600}')
    assert app.tokens(answer, 0.0).granted["api_url"] == "https://api.zoomgov.com"


ELSEWHERE = ["https://evil.example", "http://zoom.us", "https://zoom.us.evil.example", "http://localhost@evil.example"]


@pytest.mark.parametrize("origin", ELSEWHERE)
def test_secrets_go_to_no_host_that_the_definition_does_not_name(connector: Connector, origin: str) -> None:
    with pytest.raises(InputError, match="secrets are sent nowhere else"):
        oauth_requests.app(connector.connections["oauth2"], OAUTH2, origin)


def test_a_token_is_not_sent_where_a_token_answer_leads_if_that_is_not_zooms(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    zoom.oauth.api_url = "https://api.zoom.us.evil.example"
    person.connect(connections)
    with Client(person.connector, connection=connections.open()) as client, pytest.raises(AuthError, match="leads to"):
        client.run("get-user", {"user_id": "me"})
    assert len(zoom.oauth.issued) == 1  # and no other token was asked for in vain


def test_the_tokens_api_url_decides_where_requests_go(person: Person, connections: Connections, zoom: Sandbox) -> None:
    zoom.oauth.api_url = "https://api-eu.zoom.us"
    person.connect(connections)
    assert connections.open()()["api_url"] == "https://api-eu.zoom.us"


# -- for a platform --------------------------------------------------------------------------------------------------


def test_a_platform_signs_in_tests_refreshes_and_revokes_without_a_store(person: Person, zoom: Sandbox) -> None:
    kind = person.connector.connections["oauth2"]
    app = oauth_requests.app(kind, OAUTH2, zoom.origin)
    start = oauth.authorize(app, REDIRECT)
    back = query(person.sign_in(start.url))
    assert back["state"] == start.state
    tokens = oauth.exchange_code(app, back["code"], REDIRECT, start.verifier)
    health = oauth.test(person.connector, app, tokens.granted, token_scopes=tokens.scopes, base_url=zoom.base_url)
    assert (health.ok, health.identity, health.account) == (True, "user0@sandbox.example", "sandboxAccountId123456")
    assert health.missing_scopes == ()
    newer = oauth.refresh(app, oauth_requests.Tokens.from_dict(tokens.to_dict()))
    assert newer.refresh_token != tokens.refresh_token
    assert zoom.oauth.spent == [tokens.refresh_token]
    oauth.revoke(app, newer)
    health = oauth.test(person.connector, app, newer.granted, base_url=zoom.base_url)
    assert not health.ok
    assert health.error is not None
    assert health.error["kind"] == "token"


def test_a_platform_with_oauth_of_its_own_needs_a_function_and_is_told_what_was_rejected(
    person: Person, zoom: Sandbox
) -> None:
    zoom.tokens.issue("newer")
    asked = []

    def token(rejected: str | None) -> str:
        asked.append(rejected)
        return "older" if rejected is None else "newer"

    with Client(person.connector, token=token, base_url=zoom.base_url) as client:
        assert client.run("get-user", {"user_id": "me"}).status == 200
    assert asked == [None, "older"]


def test_a_public_client_proves_itself_by_its_verifier_and_sends_no_basic_header(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    person.connect(connections, "oauth2-public")
    asked = [request for request in zoom.requests if request.target == "/oauth/token"]
    assert [request.header("authorization") for request in asked] == [None]
    sent = dict(parse_qsl(asked[0].body.decode()))
    assert sent["client_id"] == "sandbox-public"
    assert "client_secret" not in sent
    zoom.tokens.revoke(zoom.oauth.issued[-1])
    assert connections.test(base_url=zoom.base_url).identity == "user0@sandbox.example"


def test_a_confidential_client_sends_basic_and_all_values_in_the_body(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    person.connect(connections)
    asked = [request for request in zoom.requests if request.method == "POST" and "token" in request.target]
    assert [request.target for request in asked] == ["/oauth/token"]
    expected = base64.b64encode(b"sandbox-client:sandbox-secret").decode()
    assert asked[0].header("authorization") == f"Basic {expected}"
    sent = dict(parse_qsl(asked[0].body.decode()))
    assert set(sent) == {"grant_type", "code", "redirect_uri", "code_verifier"}


def test_a_server_to_server_connection_needs_nobody_and_asks_for_its_next_token_itself(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    zoom.oauth.lifetime = 0.0
    connections.add("server-to-server", SERVER, origin=zoom.origin)
    zoom.oauth.lifetime = 3600.0
    with Client(person.connector, connection=connections.open(), base_url=zoom.base_url) as client:
        assert client.run("list-users", {}, limit=1).status == 200
    assert len(zoom.oauth.issued) == 2
    assert connections.test(base_url=zoom.base_url).account == "sandboxAccountId123456"


def test_me_is_refused_for_server_to_server_with_an_explanation_and_nothing_is_sent(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    connections.add("server-to-server", SERVER, origin=zoom.origin)
    zoom.requests.clear()
    with Client(person.connector, connection=connections.open(), base_url=zoom.base_url) as client:
        with pytest.raises(InputError, match="This connection has no signed-in user") as caught:
            client.run("create-meeting", {"user_id": "me", "topic": "x"})
        assert [problem.where for problem in caught.value.problems] == ["inputs.user_id"]
        assert len(zoom.requests) == 0
        assert client.run("get-user", {"user_id": "user0@sandbox.example"}).status == 200


def test_what_a_person_left_out_of_a_connection_is_named(connections: Connections) -> None:
    with pytest.raises(InputError) as caught:
        connections.begin("oauth2", {"client_id": "x"}, REDIRECT)
    assert [problem.where for problem in caught.value.problems] == ["inputs.client_secret"]
    with pytest.raises(InputError, match="not a kind of connection"):
        connections.begin("oauth", OAUTH2, REDIRECT)


# -- the state -------------------------------------------------------------------------------------------------------


def test_a_sign_in_begun_in_one_process_is_finished_in_another(person: Person) -> None:
    store = MemoryStore()
    url = person.begin(person.connections(store), name="work")
    assert person.connections(store).finish(person.sign_in(url)) == "work"
    assert [entry.name for entry in person.connections(store).list()] == ["work"]


def test_a_state_is_good_once_and_after_that_says_what_it_was_good_for(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    back = person.sign_in(person.begin(connections, name="work"))
    connections.finish(back)
    with pytest.raises(AlreadyConnected, match="Already connected as work") as caught:
        connections.finish(back)
    assert caught.value.name == "work"
    assert len([request for request in zoom.requests if request.target == "/oauth/token"]) == 1


def test_a_state_whose_sign_in_failed_is_used_up_all_the_same(person: Person, connections: Connections) -> None:
    back = person.sign_in(person.begin(connections), "decline")
    for says in ("was declined", "was already used"):
        with pytest.raises(AuthError, match=says):
            connections.finish(back)


def test_two_people_sign_in_at_once_and_both_are_connected(person: Person, connections: Connections) -> None:
    one, two = person.begin(connections, name="one"), person.begin(connections, name="two")
    three = person.begin(connections, name="three")
    for url, name in ((two, "two"), (one, "one"), (three, "three")):
        assert connections.finish(person.sign_in(url)) == name
    assert connections.names() == ["one", "three", "two"]


def test_a_sign_in_that_nobody_finished_is_deleted_by_a_later_one(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    connections = person.connections(store)
    person.begin(connections)
    now = time.time()
    monkeypatch.setattr("connector_runtime.connections.connections.time.time", lambda: now + 599)
    person.begin(connections)
    assert len(store.scan("pending/")) == 2
    monkeypatch.setattr("connector_runtime.connections.connections.time.time", lambda: now + 601)
    person.begin(connections)
    assert len(store.scan("pending/")) == 2


def test_however_many_sign_ins_nobody_finished_the_next_one_looks_at_a_hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    pending = PendingSignIns(store, "pending/", name=str)
    for number in range(130):
        pending.add(str(number), {"name": "main"})
    now = time.time()
    monkeypatch.setattr("connector_runtime.connections.connections.time.time", lambda: now + 601)
    pending.add("next", {"name": "main"})
    assert len(store.scan("pending/", limit=200)) == 31


def test_a_callback_without_a_state_says_where_to_begin(connections: Connections) -> None:
    with pytest.raises(AuthError, match="was not started here") as caught:
        connections.finish("https://platform.example/callback?code=abc")
    assert caught.value.hint == "Start it where you want to use the connection, not on a page of the vendor."


@pytest.mark.parametrize("state", ["", "guessed", None])
def test_a_wrong_or_missing_state_is_refused_before_the_code_is_used(
    person: Person, connections: Connections, zoom: Sandbox, state: str | None
) -> None:
    back = query(person.sign_in(person.begin(connections)))
    back.pop("state")
    with pytest.raises(AuthError, match=r"not started here|already used"):
        connections.finish(back if state is None else {**back, "state": state})
    assert not [request for request in zoom.requests if request.target == "/oauth/token"]


def test_a_state_ends_after_ten_minutes(
    person: Person, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = person.sign_in(person.begin(connections))
    now = time.time()
    monkeypatch.setattr("connector_runtime.connections.connections.time.time", lambda: now + 601)
    with pytest.raises(AuthError, match="longer than ten minutes"):
        connections.finish(back)


def test_one_tenants_state_and_connections_are_not_anothers(person: Person) -> None:
    store = MemoryStore()
    acme, evil = person.connections(store, "acme"), person.connections(store, "acme/../evil")
    back = person.sign_in(person.begin(acme))
    with pytest.raises(AuthError, match="was already used"):
        evil.finish(back)
    acme.finish(back)
    assert evil.list() == []
    for ask in (lambda: evil.open("main"), lambda: evil.test("main"), lambda: evil.disconnect("main"), evil.open):
        with pytest.raises(AuthError, match=r"There is no connection main|No account is connected"):
            ask()
    prefix = person.connections(store, "ac")
    assert prefix.list() == []


# -- what the vendor refuses -----------------------------------------------------------------------------------------


def test_a_declined_sign_in_says_so(person: Person, connections: Connections) -> None:
    back = person.sign_in(person.begin(connections), "decline")
    with pytest.raises(AuthError, match="was declined"):
        connections.finish(back)


def test_a_callback_with_an_error_says_what_the_vendor_said(person: Person, connections: Connections) -> None:
    state = query(person.begin(connections))["state"]
    with pytest.raises(AuthError, match="The scope is unknown"):
        connections.finish({"error": "invalid_scope", "error_description": "The scope is unknown", "state": state})


def test_a_callback_with_neither_code_nor_error_says_so(person: Person, connections: Connections) -> None:
    state = query(person.begin(connections))["state"]
    with pytest.raises(AuthError, match="The sign-in came back without a code"):
        connections.finish({"state": state})


def test_a_code_that_took_too_long_says_sign_in_again(person: Person, connections: Connections, clock: Clock) -> None:
    back = person.sign_in(person.begin(connections))
    clock.ahead = 301
    with pytest.raises(AuthError, match="Code is expired") as caught:
        connections.finish(back)
    assert "five minutes" in (caught.value.hint or "")


def test_a_wrong_secret_names_the_page_to_compare(person: Person, connections: Connections, zoom: Sandbox) -> None:
    values = {**OAUTH2, "client_secret": "mistyped"}
    url = connections.begin("oauth2", values, REDIRECT, origin=zoom.origin)
    with pytest.raises(AuthError) as caught:
        connections.finish(person.sign_in(url))
    assert "the Client Secret does not match" in (caught.value.hint or "")


def test_a_redirect_url_that_is_not_the_apps_is_refused_by_the_vendor(person: Person, connections: Connections) -> None:
    kind = person.connector.connections["oauth2"]
    app = oauth_requests.app(kind, OAUTH2, person.zoom.origin)
    start = oauth.authorize(app, REDIRECT)
    back = query(person.sign_in(start.url))
    with pytest.raises(AuthError) as caught:
        oauth.exchange_code(app, back["code"], "http://127.0.0.1:9999/callback", start.verifier)
    assert "in the Zoom app exactly" in (caught.value.hint or "")


def test_a_code_without_its_verifier_is_worth_nothing(person: Person) -> None:
    app = oauth_requests.app(person.connector.connections["oauth2"], OAUTH2, person.zoom.origin)
    back = query(person.sign_in(oauth.authorize(app, REDIRECT).url))
    with pytest.raises(AuthError):
        oauth.exchange_code(app, back["code"], REDIRECT, "A" * 64)


def test_a_wrong_account_id_names_what_to_compare(connections: Connections, zoom: Sandbox) -> None:
    with pytest.raises(AuthError) as caught:
        connections.add("server-to-server", {**SERVER, "account_id": "other"}, origin=zoom.origin)
    assert "the Account ID is right" in (caught.value.hint or "")
    assert connections.list() == []


# Zoom's own table of OAuth errors: code -> a word of the remedy
CODES = {
    4702: "client secret", 4704: "client secret", 4706: "client secret", 4709: "Zoom app exactly",
    4733: "five minutes", 4734: "already used", 4735: "left the account", 4741: "again", 4738: "admin",
    4717: "disabled", 4711: "sign in again", 4737: "sign in again", 4705: "another type",
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_zooms_table_has_a_remedy(connector: Connector, code: int) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    content = f'{{"status": false, "errorCode": {code}, "errorMessage": "Something", "result": null}}'.encode()
    with pytest.raises(AuthError) as caught:
        app.tokens(Response(status=400, headers={}, content=content), 0.0)
    assert caught.value.code == code
    assert CODES[code].lower() in (caught.value.hint or "").lower()


REASONS = {
    "Invalid client_id or client_secret|invalid_client": "client secret",
    "Redirect URI mismatch.|invalid_request": "in the Zoom app exactly",
    "Code is expired|invalid_grant": "five minutes",
    "Invalid authorization code.|invalid_grant": "already used",
    "The owner of the token does not exist.|invalid_grant": "left the account",
    "The token has been revoked.|invalid_grant": "again",
    "The token is disabled by admin.|invalid_grant": "admin",
    "The app has been disabled|invalid_request": "disabled",
    "Invalid Token!|invalid_grant": "sign in again",
    "Invalid Token!|invalid_request": "sign in again",
    "Something else|unauthorized_client": "Marketplace",
}


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_without_a_code_has_the_same_remedy(connector: Connector, reason: str) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    said, error = reason.split("|")
    content = f'{{"reason": "{said}", "error": "{error}"}}'.encode()
    with pytest.raises(AuthError, match=said.rstrip(".!")) as caught:
        app.tokens(Response(status=400, headers={}, content=content), 0.0)
    assert REASONS[reason].lower() in (caught.value.hint or "").lower()


@pytest.mark.parametrize(
    ("reason", "error", "says"),
    [
        ("Bad Request", "invalid_request", "the Account ID is right"),
        ("unsupported grant type", "unsupported_grant_type", "the Account ID is right"),
        ("Invalid client_id or client_secret", "invalid_client", "activate the app there"),
        ("The app has been disabled", "invalid_request", "Zoom has disabled this app"),
        ("Something else", "unauthorized_client", "its type matches this connection"),
    ],
)
def test_an_app_of_an_account_has_remedies_of_its_own_and_else_those_of_all(
    connector: Connector, reason: str, error: str, says: str
) -> None:
    app = oauth_requests.app(connector.connections["server-to-server"], SERVER)
    content = json.dumps({"reason": reason, "error": error}).encode()
    with pytest.raises(AuthError) as caught:
        app.tokens(Response(status=400, headers={}, content=content), 0.0)
    assert says in (caught.value.hint or "")


def test_too_many_token_requests_are_a_rate_limit(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    with pytest.raises(RateLimited):
        app.tokens(Response(status=429, headers={}, content=b"{}"), 0.0)


@pytest.mark.parametrize(
    "content", [b"<html>Welcome to the hotel's network</html>", b"", b"[]", b'{"access_token": 5}', b'{"access_token":']
)
def test_an_answer_that_is_no_token_says_that_something_else_answered(connector: Connector, content: bytes) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    with pytest.raises(TransportError, match="has no access token"):
        app.tokens(Response(status=200, headers={}, content=content), 0.0)


def test_what_a_vendor_quotes_of_our_secrets_is_cut_out(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    content = b'{"reason": "No such secret: sandbox-secret, token \\"r-1\\"", "error": "invalid_request"}'
    answer = Response(status=400, headers={}, content=content)
    with pytest.raises(AuthError, match=r'secret: \*\*\*, token "\*\*\*"'):
        app.tokens(answer, 0.0, sent={"sandbox-secret", "r-1"})


def test_the_apps_own_secret_is_cut_out_of_what_a_vendor_says_and_its_id_is_not(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    content = b'{"reason": "sandbox-client has no secret sandbox-secret", "error": "invalid_client"}'
    with pytest.raises(AuthError, match=r"sandbox-client has no secret \*\*\*"):
        app.tokens(Response(status=401, headers={}, content=content), 0.0)


def test_tokens_of_a_person_without_a_refresh_token_cannot_be_refreshed(connector: Connector) -> None:
    app = oauth_requests.app(connector.connections["oauth2"], OAUTH2)
    with pytest.raises(AuthError) as caught:
        oauth.refresh(app, oauth_requests.Tokens(granted={"access_token": "a"}))
    assert caught.value.to_dict() == whole("token", "There is no refresh token.", "Sign in again.")


def test_what_a_begun_sign_in_must_keep_to_itself_is_not_in_its_repr(connector: Connector) -> None:
    start = oauth.authorize(oauth_requests.app(connector.connections["oauth2"], OAUTH2), REDIRECT)
    assert repr(start) == "Authorization(…)"
    assert len({start.state, start.verifier, start.url}) == 3


def test_a_vendor_that_tells_no_time_says_nothing_of_our_clock(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    person.connect(connections)
    zoom.inject(match="GET /v2/*", status=200, body={"email": "ann@example.com"}, headers={"date": "noon"}, times=2)
    health = connections.test(base_url=zoom.base_url)
    assert (health.ok, health.identity, health.skew) == (True, "ann@example.com", None)
    assert "clock" not in {finding.step for finding in examine(connections, "main", base_url=zoom.base_url)}


# -- to end ----------------------------------------------------------------------------------------------------------


def test_disconnect_revokes_at_the_vendor_and_forgets(person: Person, connections: Connections, zoom: Sandbox) -> None:
    person.connect(connections)
    token = connections.open()()["access_token"]
    assert connections.disconnect("main")
    assert connections.list() == []
    sent = [dict(parse_qsl(r.body.decode())) for r in zoom.requests if r.target == "/oauth/revoke"]
    assert sent == [{"token": token}]
    with Client(person.connector, token=token, base_url=zoom.base_url) as client, pytest.raises(AuthError):
        client.run("get-user", {"user_id": "me"})


def test_disconnect_keeps_the_connection_while_the_vendor_cannot_be_reached(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    person.connect(connections)
    zoom.inject(match="POST /oauth/revoke", drop="before")
    with pytest.raises(TransportError):
        connections.disconnect("main")
    assert connections.names() == ["main"]
    assert not connections.disconnect("main", revoke=False)
    assert connections.names() == []


def test_disconnect_forgets_a_connection_that_the_vendor_has_ended(
    person: Person, connections: Connections, zoom: Sandbox
) -> None:
    zoom.oauth.lifetime = 0.0
    person.connect(connections)
    zoom.oauth.forget()
    assert not connections.disconnect("main")
    assert connections.names() == []


def test_a_later_sign_in_replaces_the_connection_of_that_name(person: Person, connections: Connections) -> None:
    person.connect(connections)
    first = connections.open()()
    person.connect(connections)
    assert connections.names() == ["main"]
    assert connections.open()() != first


def test_with_several_connections_one_must_be_named(person: Person, connections: Connections) -> None:
    person.connect(connections, name="one")
    person.connect(connections, name="b/two ü")
    with pytest.raises(AuthError, match="There is more than one connection: b/two ü, one"):
        connections.open()
    assert connections.open("b/two ü").name == "b/two ü"


def test_the_callback_may_come_as_url_query_or_parameters(person: Person, connections: Connections) -> None:
    back = person.sign_in(person.begin(connections))
    assert (
        oauth_requests.query_of(back)
        == oauth_requests.query_of(urlsplit(back).query)
        == oauth_requests.query_of(query(back))
    )
    assert connections.finish(urlencode(query(back))) == "main"
