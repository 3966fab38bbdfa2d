"""Connections over HTTP: made, signed in to in a browser, tested, deleted; each tenant's alone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth_requests import ConnectionRecord, Tokens
from connector_runtime.service.records import ApiKeys
from connector_runtime.service.state import OWN
from connector_runtime.stores.store import MemoryStore
from tests.connections.hanging import hanging
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import APP, PUBLIC, Start, Tenants, connect, until

CALLBACK = f"{PUBLIC}/v1/oauth/callback"
SERVER = {"account_id": "sandboxAccountId123456", "client_id": "sandbox-server", "client_secret": "sandbox-secret"}
SIGN_IN = {"kind": "oauth2", "name": "signed-in", "values": APP}


@pytest.fixture
def zoom(zoom: Sandbox) -> Sandbox:
    zoom.oauth.register("sandbox-client", "sandbox-secret", redirect_uris=[CALLBACK])
    return zoom


def come_back(url: str, decision: str = "allow") -> str:
    """What a person does in the browser; the path and query that the browser is sent back to."""
    parts = urlsplit(url)
    with httpx.Client(trust_env=False) as browser:
        assert browser.get(url).status_code == 200
        form = {**{name: values[0] for name, values in parse_qs(parts.query).items()}, "decision": decision}
        answer = browser.post(f"{parts.scheme}://{parts.netloc}{parts.path}", data=form)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(PUBLIC)
    return answer.headers["location"].removeprefix(PUBLIC)


def test_a_person_signs_in_and_the_connection_is_theirs(tenants: Tenants, zoom: Sandbox) -> None:
    begun = tenants.acme.post("/v1/connections", json=SIGN_IN)
    assert begun.status_code == 202 and begun.headers["location"] == begun.json()["authorize_url"]
    assert "sandbox-secret" not in begun.text
    browser = tenants.served.client()  # brings no key
    page = browser.get(come_back(begun.json()["authorize_url"]))
    assert page.status_code == 200 and "Connected as signed-in." in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
    found = tenants.acme.get("/v1/connections/signed-in").json()
    assert (found["kind"], found["identity"], found["health"]) == ("oauth2", "user0@sandbox.example", "ready")
    assert tenants.other.get("/v1/connections").json()["connections"] == []
    run = {"inputs": {"user_id": "me"}, "connection": "signed-in"}
    assert tenants.acme.post("/v1/actions/get-user/run", json=run).status_code == 200


def test_a_state_is_good_once_and_must_be_ours(tenants: Tenants, zoom: Sandbox) -> None:
    url = tenants.acme.post("/v1/connections", json=SIGN_IN).json()["authorize_url"]
    back = come_back(url)
    browser = tenants.served.client()
    forged = back.replace("state=", "state=x")
    answer = browser.get(forged)
    assert answer.status_code == 400 and "Sign in again." in answer.text
    for wrong in ("/v1/oauth/callback?code=abc", "/v1/oauth/callback"):  # as after the vendor's own button to add it
        answer = browser.get(wrong)
        assert answer.status_code == 400 and f"Start here: {PUBLIC}" in answer.text
    assert browser.get(back).status_code == 200
    asked = len(zoom.requests)
    again = browser.get(back)
    assert again.status_code == 200 and "Already connected as signed-in." in again.text
    assert len(zoom.requests) == asked


def test_two_tenants_sign_in_at_once_and_each_gets_its_own(tenants: Tenants, zoom: Sandbox) -> None:
    one = tenants.acme.post("/v1/connections", json=SIGN_IN).json()["authorize_url"]
    two = tenants.other.post("/v1/connections", json=SIGN_IN).json()["authorize_url"]
    browser = tenants.served.client()
    for url in (two, one):
        assert browser.get(come_back(url)).status_code == 200
    for tenant, names in ((tenants.acme, ["main", "signed-in"]), (tenants.other, ["signed-in"])):
        assert [each["name"] for each in tenant.get("/v1/connections").json()["connections"]] == names


@pytest.mark.parametrize(("public", "secure"), [("https://connector.example", True), (PUBLIC, False)])
def test_the_sign_ins_cookie_goes_over_https_alone_where_that_is_the_address(
    start: Start, zoom: Sandbox, public: str, secure: bool
) -> None:
    with start(limits={"credentials": APP, "public_url": public}, tenant="default") as served:
        led = served.client().get("/v1/oauth/authorize", params={"kind": "oauth2"})
        assert ("secure" in led.headers["set-cookie"].lower().split("; ")) is secure


def test_a_cookie_of_other_letters_is_another_browsers(start: Start, zoom: Sandbox) -> None:
    with start(limits={"credentials": APP}, tenant="default") as served:
        led = served.client().get("/v1/oauth/authorize", params={"kind": "oauth2"})
        cookie = [(b"cookie", led.headers["set-cookie"].partition("=")[0].encode() + b"=\xfc")]
        answer = served.client().get(come_back(led.headers["location"]), headers=cookie)
        assert answer.status_code == 400 and "in another browser" in answer.text


def test_a_sign_in_whose_first_call_is_refused_says_so(tenants: Tenants, zoom: Sandbox) -> None:
    url = tenants.acme.post("/v1/connections", json=SIGN_IN).json()["authorize_url"]
    zoom.inject(match="GET /v2/*", status=401, body={"code": 124, "message": "Invalid access token."}, times=2)
    page = tenants.served.client().get(come_back(url))
    assert page.status_code == 200 and "but its first call failed: Invalid access token." in page.text
    assert tenants.acme.get("/v1/connections/signed-in").json()["health"] == "failing"


def test_a_sign_in_that_is_declined_says_so(tenants: Tenants, zoom: Sandbox) -> None:
    url = tenants.acme.post("/v1/connections", json=SIGN_IN).json()["authorize_url"]
    page = tenants.served.client().get(come_back(url, "decline"))
    assert page.status_code == 400 and "declined" in page.text
    assert tenants.acme.get("/v1/connections/signed-in").status_code == 404


def test_the_callbacks_page_holds_no_markup_of_others(tenants: Tenants) -> None:
    url = tenants.acme.post("/v1/connections", json=SIGN_IN).json()["authorize_url"]
    state = parse_qs(urlsplit(url).query)["state"][0]
    said = {"state": state, "error": "x", "error_description": "<script>alert(1)</script>"}
    page = tenants.served.client().get("/v1/oauth/callback", params=said)
    assert page.status_code == 400 and "<script" not in page.text and "&lt;script&gt;" in page.text


def test_a_browser_is_led_to_the_sign_in_with_the_services_own_app(
    start: Start, connector: Connector, zoom: Sandbox
) -> None:
    store = MemoryStore()
    with start(store, {"credentials": APP}, tenant="default") as served:
        browser = served.client()
        led = browser.get("/v1/oauth/authorize", params={"kind": "oauth2", "name": "mine"})
        assert led.status_code == 303 and "sandbox-secret" not in led.headers["location"]
        assert "httponly" in led.headers["set-cookie"].lower() and "samesite=lax" in led.headers["set-cookie"].lower()
        back = come_back(led.headers["location"])
        assert served.client().get(back).status_code == 400  # another browser, without the cookie
        led = browser.get("/v1/oauth/authorize", params={"kind": "oauth2", "name": "mine"})
        assert browser.get(come_back(led.headers["location"])).status_code == 200
        assert Connections(connector, store).names() == ["mine"]
        foreign = browser.get("/v1/oauth/authorize?kind=oauth2", headers={"Sec-Fetch-Site": "cross-site"})
        assert (foreign.status_code, foreign.json()["kind"]) == (403, "forbidden")
        wrong = browser.get("/v1/oauth/authorize?kind=server-to-server")
        assert (wrong.status_code, wrong.json()["kind"]) == (422, "input")


def test_a_browser_may_begin_two_sign_ins_before_it_ends_one(start: Start, connector: Connector, zoom: Sandbox) -> None:
    store = MemoryStore()
    with start(store, {"credentials": APP}, tenant="default") as served:
        browser = served.client()
        begun = [
            browser.get("/v1/oauth/authorize", params={"kind": "oauth2", "name": name}).headers["location"]
            for name in ("one", "two")
        ]
        assert [browser.get(come_back(url)).status_code for url in begun] == [200, 200]
        assert Connections(connector, store).names() == ["one", "two"]


@pytest.mark.parametrize("path", ["", "/zoom"])
def test_a_sign_in_that_began_under_another_name_of_this_machine_comes_to_its_end(
    start: Start, zoom: Sandbox, path: str
) -> None:
    about = {"credentials": APP, "public_url": PUBLIC + path}  # which are of 127.0.0.1
    zoom.oauth.allow(f"{PUBLIC}{path}/v1/oauth/callback")
    with start(MemoryStore(), about, tenant="default") as served:
        began = served.client(Host=urlsplit(served.url).netloc.replace("127.0.0.1", "localhost"))
        led = began.get("/v1/oauth/authorize", params={"kind": "oauth2"})
        assert f"path={path}/v1/oauth;" in led.headers["set-cookie"].lower()
        back = come_back(led.headers["location"]).removeprefix(path)
        assert served.client().get(back).status_code == 200


def test_the_services_own_account_is_lent_to_no_tenant(start: Start, connector: Connector, zoom: Sandbox) -> None:
    store = MemoryStore()
    key = ApiKeys(store, connector.key).create("acme")[0]
    with start(store, {"credentials": SERVER}) as served:
        refused = served.client(key).post("/v1/connections", json={"kind": "server-to-server"})
        assert refused.status_code == 422 and "client_secret" in refused.text


def test_a_connection_without_a_person_is_made_and_tested_at_once(tenants: Tenants, zoom: Sandbox) -> None:
    body = {"kind": "server-to-server", "name": "server", "values": SERVER}
    made = tenants.acme.post("/v1/connections", json=body)
    assert made.status_code == 201 and made.json()["account"] == "sandboxAccountId123456"
    health = tenants.acme.post("/v1/connections/server/test").json()
    assert health["ok"] and health["account"] == "sandboxAccountId123456"
    wrong = tenants.acme.post("/v1/connections", json={**body, "values": {**SERVER, "client_secret": "wrong"}})
    assert (wrong.status_code, wrong.json()["kind"]) == (424, "token") and wrong.json()["hint"]


BAD = {
    "an unknown kind": ({"kind": "oauth3"}, 404, "not_found"),
    "no kind": ({}, 422, "input"),
    "missing values": ({"kind": "server-to-server"}, 422, "input"),
    "a name with a slash": ({**SIGN_IN, "name": "a/b"}, 422, "input"),
    "another host for OAuth": ({**SIGN_IN, "oauth_url": "https://evil.example"}, 422, "input"),
    "this machine for OAuth": ({**SIGN_IN, "oauth_url": "http://127.0.0.1:1"}, 422, "input"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_connection_that_cannot_be_is_refused(tenants: Tenants, name: str) -> None:
    body, status, kind = BAD[name]
    answer = tenants.acme.post("/v1/connections", json=body)
    assert (answer.status_code, answer.json()["kind"]) == (status, kind), answer.text
    assert "sandbox-secret" not in answer.text


def test_a_deleted_connection_is_gone_here_and_at_the_vendor(tenants: Tenants, zoom: Sandbox) -> None:
    body = {"kind": "server-to-server", "name": "server", "values": SERVER}
    tenants.acme.post("/v1/connections", json=body)
    run = {"connection": "server", "limit": 1}
    assert tenants.acme.post("/v1/actions/list-users/run", json=run).status_code == 200
    assert tenants.acme.delete("/v1/connections/server").json() == {"revoked": True}
    assert tenants.acme.get("/v1/connections/server").status_code == 404
    assert tenants.acme.post("/v1/actions/list-users/run", json=run).status_code == 404
    assert tenants.acme.delete("/v1/connections/server").status_code == 404


def test_a_connection_that_cannot_be_revoked_is_kept_unless_it_is_only_to_be_forgotten(
    tenants: Tenants, zoom: Sandbox
) -> None:
    tenants.acme.post("/v1/connections", json={"kind": "server-to-server", "name": "server", "values": SERVER})
    zoom.inject(match="POST /oauth/revoke", drop="before", times=5)
    kept = tenants.acme.delete("/v1/connections/server")
    assert (kept.status_code, kept.json()["kind"]) == (502, "transport")
    assert tenants.acme.get("/v1/connections/server").status_code == 200
    assert tenants.acme.delete("/v1/connections/server", params={"revoke": "false"}).json() == {"revoked": False}
    assert tenants.acme.get("/v1/connections/server").status_code == 404


def test_what_another_worker_changes_counts_for_the_next_run(
    tenants: Tenants, connector: Connector, zoom: Sandbox
) -> None:
    run = {"connection": "main", "limit": 1}

    def status() -> int:
        return tenants.acme.post("/v1/actions/list-users/run", json=run).status_code

    assert status() == 200
    other = Connections(connector, tenants.store, "acme")
    key = other._key("main")
    other.disconnect("main", revoke=False)
    assert status() == 404
    connect(connector, tenants.store, zoom, "acme")
    assert status() == 200
    tenants.store.update(key, lambda old: replace(ConnectionRecord.read(old or b""), dead="The user left.").write())
    asked = len(zoom.requests)
    assert status() == 424
    assert len(zoom.requests) == asked
    connect(connector, tenants.store, zoom, "acme")
    assert status() == 200


def test_health_says_what_was_last_seen_and_is_ready_again_after_a_success(
    tenants: Tenants, connector: Connector, zoom: Sandbox
) -> None:
    def health() -> tuple[str, str | None, dict[str, object] | None]:
        found = tenants.acme.get("/v1/connections/main").json()
        return found["health"], found["why"], found["seen"]

    run = {"connection": "main", "inputs": {"user_id": "me"}}
    assert health() == ("ready", None, None)
    refusal = {"code": 124, "message": "Invalid access token."}
    zoom.inject(match="GET /v2/*", status=401, body=refusal)
    assert tenants.acme.post("/v1/actions/get-user/run", json=run).status_code == 424
    state, why, seen = health()
    assert (state, str(why).partition(" (")[0]) == ("failing", "Invalid access token.")
    assert seen is not None
    assert (seen["kind"], seen["status"], seen["code"]) == ("token", 401, 124)
    version = tenants.store.read("connections/zoom/acme/main")
    zoom.inject(match="GET /v2/*", status=401, body=refusal)
    tenants.acme.post("/v1/actions/get-user/run", json=run)
    assert tenants.store.read("connections/zoom/acme/main") == version  # the same again is not written again
    missing = {"code": 4711, "message": "Invalid access token, does not contain scopes:[user:read:user]."}
    zoom.inject(match="GET /v2/*", status=400, body=missing)
    assert tenants.acme.post("/v1/actions/get-user/run", json=run).status_code == 403
    assert health()[0] == "failing"  # that said nothing about the token
    assert tenants.acme.post("/v1/actions/get-user/run", json=run).status_code == 200
    assert health() == ("ready", None, None)
    zoom.inject(match="GET /v2/*", status=401, body=refusal)
    assert not tenants.acme.post("/v1/connections/main/test").json()["ok"]
    assert health()[0] == "failing"
    assert tenants.acme.post("/v1/connections/main/test").json()["ok"]
    assert health()[0] == "ready"


def test_a_connection_whose_own_test_is_refused_is_not_called_ready(tenants: Tenants, zoom: Sandbox) -> None:
    zoom.inject(match="GET /v2/*", status=401, body={"code": 124, "message": "Invalid access token."}, times=2)
    made = tenants.acme.post("/v1/connections", json={"kind": "server-to-server", "name": "server", "values": SERVER})
    assert (made.status_code, made.json()["health"]) == (201, "failing")
    assert "Invalid access token." in made.json()["why"]
    assert tenants.acme.get("/v1/connections").json()["connections"][1] == made.json()


def test_a_tenant_whose_token_endpoint_hangs_stops_nobody_elses_renewal(
    start: Start, connector: Connector, zoom: Sandbox
) -> None:
    """Many more requests of one tenant wait for it than there are threads for them, and another's is answered."""
    store, heard, hold = MemoryStore(), threading.Event(), threading.Event()
    keys = ApiKeys(store, connector.key)
    acme, other = keys.create("acme")[0], keys.create("other")[0]
    connect(connector, store, zoom, "acme")
    due = Tokens(granted={"access_token": "old"}, refresh_token="r", expires_at=1.0, lifetime=3600.0)
    others = Connections(connector, store, "other")
    others.adopt("server-to-server", SERVER, replace(due, refresh_token=None))
    store.update(
        others._key("main"), lambda old: replace(ConnectionRecord.read(old or b""), origin=zoom.origin).write()
    )
    with start(store) as served, hanging(heard, hold) as origin:
        key = Connections(connector, store, "acme")._key("main")
        store.update(key, lambda old: replace(ConnectionRecord.read(old or b""), tokens=due, origin=origin).write())
        with ThreadPoolExecutor(60) as people:
            client = served.client(acme)
            run = {"connection": "main", "inputs": {"user_id": "me"}}
            runs = [people.submit(client.post, "/v1/actions/get-user/run", json=run) for _ in range(40)]
            tests = [people.submit(client.post, "/v1/connections/main/test") for _ in range(20)]
            assert heard.wait(10)
            threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("vendor")]
            theirs = served.client(other)
            assert theirs.post("/v1/actions/list-users/run", json={"limit": 1}).status_code == 200
            assert theirs.post("/v1/connections/main/test").json()["ok"]
            assert not any(each.done() for each in [*runs, *tests])
            assert 1 <= len(threads) <= 2 * OWN["vendor"] + 1  # of all forty runs there is one
            hold.set()
            assert {each.result().status_code for each in runs} == {502}


def test_no_more_clients_are_held_than_are_allowed(start: Start, connector: Connector, zoom: Sandbox) -> None:
    store = MemoryStore()
    for number in range(5):
        connect(connector, store, zoom, "t", f"c{number}")
    with start(store, {"clients": 2}, tenant="t") as served:
        client = served.client()
        for number in [*range(5), *range(5)]:
            body = {"connection": f"c{number}", "inputs": {"user_id": "me"}}
            assert client.post("/v1/actions/get-user/run", json=body).status_code == 200
            assert len(served.app.state.service._ready) <= 2


def test_without_a_public_address_nobody_can_sign_in(start: Start) -> None:
    with start(limits={"public_url": None}, tenant="t") as served:
        answer = served.client().post("/v1/connections", json=SIGN_IN)
        assert (answer.status_code, answer.json()["kind"]) == (503, "not_ready")
        assert "--public-url" in answer.json()["hint"]


def test_what_a_deleted_connection_held_is_let_go_of_when_its_last_run_is_over(
    start: Start, connector: Connector, zoom: Sandbox
) -> None:
    """Its client keeps a connection to the vendor open, which nobody would close any more."""
    store = MemoryStore()
    connect(connector, store, zoom, "default")
    with start(store, tenant="default") as served:
        client, service, closed = served.client(), served.app.state.service, list[str]()
        assert client.post("/v1/actions/get-user/run", json={"inputs": {"user_id": "me"}}).status_code == 200
        (ready,) = service._ready.values()
        close = ready.client.aclose

        async def closing() -> None:
            closed.append("client")
            await close()

        ready.client.aclose = closing
        zoom.inject(delay=1.0, times=1)
        with ThreadPoolExecutor(1) as aside:
            running = aside.submit(client.post, "/v1/actions/get-user/run", json={"inputs": {"user_id": "me"}})
            assert until(lambda: ready.users == 1)
            assert client.delete("/v1/connections/main", params={"revoke": "false"}).status_code == 200
            assert not service._ready and not closed  # the run still needs it
            assert running.result().status_code == 200
        assert until(lambda: closed == ["client"])
