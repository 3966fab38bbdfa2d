"""Apps and the users who let them in: where these are sent back to, who `me` is, and what is told when they leave."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from zoom_connector.sandbox import Sandbox

APP = ("sandbox-client", "sandbox-secret")
SERVICE = "http://127.0.0.1:8300/v1/oauth/callback"
ACCOUNT = "sandboxAccountId123456"


def let_in(sandbox: Sandbox, redirect_uri: str = SERVICE, client_id: str = APP[0], **form: str) -> httpx.Response:
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "state": "s", **form}
    return httpx.post(f"{sandbox.origin}/oauth/authorize", data={**asked, "decision": "allow"})


def token(sandbox: Sandbox, app: tuple[str, str] = APP, redirect_uri: str = SERVICE, **form: str) -> str:
    """The access token of a user who signs in."""
    back = let_in(sandbox, redirect_uri, app[0], **form)
    assert back.status_code == 302, back.text
    code = parse_qs(urlsplit(back.headers["location"]).query)["code"][0]
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
    answer = httpx.post(f"{sandbox.origin}/oauth/token", data=asked, auth=app)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def me(sandbox: Sandbox, access: str) -> httpx.Response:
    return httpx.get(f"{sandbox.base_url}/users/me", headers={"authorization": f"Bearer {access}"})


class Inbox:
    """What an app's endpoint was sent: the event's body and whether it was signed with the app's secret."""

    def __init__(self, secret: str) -> None:
        self.secret, self.url = secret, ""
        self.events: list[dict[str, object]] = []


@contextmanager
def listening(secret: str) -> Iterator[Inbox]:
    inbox = Inbox(secret)

    def digest(message: bytes) -> str:
        return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            signed = f"v0={digest(b'v0:' + self.headers['x-zm-request-timestamp'].encode() + b':' + body)}"
            said = json.loads(body)
            answer = b""
            if said["event"] == "endpoint.url_validation":
                plain = said["payload"]["plainToken"]
                answer = json.dumps({"plainToken": plain, "encryptedToken": digest(plain.encode())}).encode()
            else:
                inbox.events.append({**said, "is signed": signed == self.headers["x-zm-signature"]})
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("redirect_uri", "status"),
    [
        (SERVICE, 302),
        ("http://localhost:41234/v1/oauth/callback", 302),
        ("http://127.0.0.1:8765/callback", 302),
        ("http://127.0.0.1:8766/callback", 400),
        ("http://127.0.0.1:/v1/oauth/callback", 400),
        ("http://127.0.0.1:1@attacker.example:8300/v1/oauth/callback", 400),
        ("http://127.0.0.1:8300/v1/oauth/callback/more", 400),
        ("https://connector.example/v1/oauth/callback", 400),
        ("", 400),
    ],
)
def test_people_are_sent_back_to_the_command_line_and_to_the_service_on_any_port(
    sandbox: Sandbox, redirect_uri: str, status: int
) -> None:
    back = let_in(sandbox, redirect_uri)
    assert back.status_code == status
    if status == 302:
        assert back.headers["location"].startswith(f"{redirect_uri}?code=")
    else:
        assert (back.json()["errorCode"], back.json()["errorMessage"]) == (4700, "Invalid redirect url")


def test_another_address_is_allowed_for_every_app_that_people_sign_in_to(sandbox: Sandbox) -> None:
    public = "https://connector.example/v1/oauth/callback"
    sandbox.oauth.allow(public)
    assert let_in(sandbox, public).status_code == 302
    assert let_in(sandbox, public, "sandbox-public", code_challenge="x").status_code == 302
    assert let_in(sandbox, public, "sandbox-server").json()["errorCode"] == 4702


def test_me_is_whoever_signed_in(sandbox: Sandbox) -> None:
    email = "user3@sandbox.example"
    assert me(sandbox, token(sandbox)).json()["email"] == "user0@sandbox.example"
    other = token(sandbox, user=email)
    assert me(sandbox, other).json()["email"] == email
    made = httpx.post(
        f"{sandbox.base_url}/users/me/meetings", json={"topic": "x"}, headers={"authorization": f"Bearer {other}"}
    )
    assert made.json()["host_email"] == email
    refused = let_in(sandbox, user="nobody@sandbox.example")
    assert (refused.status_code, refused.json()["errorCode"]) == (400, 1001)


def test_signing_in_again_ends_the_earlier_sign_in_of_that_user_in_that_app_only(sandbox: Sandbox) -> None:
    sandbox.oauth.register("another", "another-secret", redirect_uris=[SERVICE])
    first, other_user = token(sandbox), token(sandbox, user="user3@sandbox.example")
    other_app = token(sandbox, ("another", "another-secret"))
    again = token(sandbox)
    assert [me(sandbox, each).status_code for each in (first, other_user, other_app, again)] == [401, 200, 200, 200]


def test_a_server_to_server_app_gets_tokens_for_its_own_account_only(sandbox: Sandbox) -> None:
    def ask(app: tuple[str, str], **form: str) -> tuple[int, dict[str, str]]:
        answer = httpx.post(f"{sandbox.origin}/oauth/token", data=form, auth=app)
        return answer.status_code, answer.json()

    server = ("sandbox-server", "sandbox-secret")
    status, said = ask(server, grant_type="account_credentials", account_id=ACCOUNT)
    assert status == 200 and "refresh_token" not in said and me(sandbox, said["access_token"]).status_code == 200
    wrong = {"reason": "Bad Request", "error": "invalid_request"}
    assert ask(server, grant_type="account_credentials", account_id="another") == (400, wrong)
    assert ask(server, grant_type="account_credentials") == (400, wrong)
    secret = {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}
    assert ask(("sandbox-server", "x"), grant_type="account_credentials", account_id=ACCOUNT) == (401, secret)
    kind = {"reason": "unsupported grant type", "error": "unsupported_grant_type"}
    assert ask(APP, grant_type="account_credentials", account_id=ACCOUNT) == (400, kind)


def test_a_user_who_removes_an_app_ends_its_tokens_and_only_that_app_is_told(sandbox: Sandbox) -> None:
    sandbox.oauth.register("another", "another-secret", redirect_uris=[SERVICE])
    with listening("hook-secret") as ours, listening("another-hook") as theirs:
        sandbox.hooks.subscribe(ours.url, ours.secret)
        sandbox.hooks.subscribe(theirs.url, theirs.secret, client_id="another")
        user = sandbox.state.find_user("user3@sandbox.example")
        assert user is not None
        mine, owners, other = (
            token(sandbox, user=user.id),
            token(sandbox),
            token(sandbox, ("another", "another-secret")),
        )
        sandbox.deauthorize(user=user.email)
        assert sandbox.hooks.wait_until_idle()
        assert [me(sandbox, each).status_code for each in (mine, owners, other)] == [401, 200, 200]
        (event,) = ours.events
        payload = event.pop("payload")
        assert event == {"event": "app_deauthorized", "is signed": True}  # when it was sent is said in the payload
        assert isinstance(payload, dict) and payload.keys() == {
            "account_id", "user_id", "client_id", "deauthorization_time", "signature", "event_ts"
        }  # fmt: skip
        assert (payload["account_id"], payload["user_id"], payload["client_id"]) == (ACCOUNT, user.id, APP[0])
        assert theirs.events == []
        (sent,) = sandbox.hooks.sent
        assert (sent.event, sent.url, sent.status, sent.attempt) == ("app_deauthorized", ours.url, 200, 1)
        assert json.loads(sent.body)["payload"] == payload
        httpx.post(f"{sandbox.base_url}/users/me/meetings", json={}, headers={"authorization": f"Bearer {owners}"})
        assert sandbox.hooks.wait_until_idle()
        assert [event["is signed"] for event in (*ours.events[1:], *theirs.events)] == [True, True]  # each its secret


def test_other_programs_subscribe_and_remove_apps_over_http(sandbox: Sandbox) -> None:
    control = f"{sandbox.origin}/_sandbox"
    with listening("hook-secret") as inbox:
        asked = {"url": inbox.url, "secret": inbox.secret, "events": ["app_*"]}
        said = httpx.post(f"{control}/subscriptions", json=asked)
        listed = {"subscriptions": [{"url": inbox.url, "events": ["app_*"], "client_id": APP[0]}]}
        assert (said.status_code, said.json()) == (200, listed)
        assert httpx.get(f"{control}/subscriptions").json() == listed
        owner = sandbox.state.find_user("me")
        assert owner is not None
        gone = httpx.post(f"{control}/deauthorize", json={})
        assert gone.json() == {"client_id": APP[0], "user": owner.id}
        assert sandbox.hooks.wait_until_idle()
        assert [event["event"] for event in inbox.events] == ["app_deauthorized"]


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/deauthorize", {"user": "nobody"}, "There is no user 'nobody'."),
        ("/deauthorize", {"client_id": "nothing"}, "There is no app 'nothing'; the apps are sandbox-client"),
        ("/deauthorize", {"user": 5}, "User must be a string."),
        ("/deauthorize", {"who": "x"}, "Send client_id (optional), user (optional)."),
        ("/subscriptions", {"url": "http://127.0.0.1:9/"}, "Send url, secret, client_id (optional)."),
        ("/subscriptions", {"url": "http://127.0.0.1:9/", "secret": "s"}, "http://127.0.0.1:9/ failed the URL"),
        ("/subscriptions", {"url": "x", "secret": "s", "events": "all"}, "Events must be a list of names"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(sandbox: Sandbox, path: str, body: object, says: str) -> None:
    refused = httpx.post(f"{sandbox.origin}/_sandbox{path}", json=body)
    assert refused.status_code == 400
    assert says.casefold() in refused.json()["error"].casefold()
