"""A tenant sees the events that its own living connections entitle it to, and no others, whenever it looks."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connector_runtime.connections import owners
from connector_runtime.connections.connections import Connections
from connector_runtime.connections.oauth_requests import ConnectionRecord, Renewal, Tokens
from connector_runtime.errors import AuthError, InputError
from connector_runtime.model import Response
from connector_runtime.service import feed
from connector_runtime.service.app import service_app
from connector_runtime.service.records import ApiKeys
from connector_runtime.steps import Acquire, Now, Read, Send, Write
from connector_runtime.stores.store import MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import MEETING, Served, Start, until
from .test_webhooks import HOOK, signed

SECRETS = {"app-one": ["one-new", "one-old"], "app-two": "two"}
SIGNS = {"app-one": "one-old", "app-two": "two"}
ADA, BOB = ("u-ada", "ada@example.com"), ("u-bob", "bob@example.com")
WHERE = {"account": "acc1", "scopes": ("meeting:read:meeting", "user:read:user")}


@dataclass
class World:
    """A service of several tenants, whose apps one and two send it events."""

    connector: Connector
    zoom: Sandbox
    served: Served
    store: MemoryStore
    keys: ApiKeys
    clients: dict[str, httpx.Client] = field(default_factory=dict)
    sent: int = 0

    def connect(self, tenant: str, who: tuple[str, str] | None, name: str = "main", **more: Any) -> ConnectionRecord:
        """Store a connection of a user; `more` is what else is to be known of it."""
        about = {**WHERE, "app": "app-one", "kind": "oauth2", **more}
        tokens = Tokens(
            granted={"access_token": self.zoom.token}, refresh_token=f"refresh-{tenant}-{name}", scopes=about["scopes"]
        )
        connections = Connections(self.connector, self.store, tenant)
        values = {"client_id": about["app"], "client_secret": "s"}
        if about["kind"] == "server-to-server":
            values["account_id"] = "acc1"
        connections.adopt(about["kind"], values, tokens, name=name)
        user, identity = who or (None, None)
        known = {"user": user, "identity": identity, "account": about["account"], "dead": about.get("dead")}
        origin = {"origin": self.zoom.origin}
        key = connections._key(name)
        self.store.update(key, lambda old: replace(ConnectionRecord.read(old or b""), **known, **origin).write())
        return self.record(tenant, name)

    def record(self, tenant: str, name: str = "main") -> ConnectionRecord:
        entry = self.store.read(Connections(self.connector, self.store, tenant)._key(name))
        assert entry is not None
        return ConnectionRecord.read(entry.value)

    def of(self, tenant: str) -> httpx.Client:
        if tenant not in self.clients:
            self.clients[tenant] = self.served.client(self.keys.create(tenant)[0])
        return self.clients[tenant]

    def send(self, payload: dict[str, Any], app: str = "app-one", event: str = "meeting.started", **more: Any) -> str:
        """Send an event as an app; gives its id once it has been handled."""
        self.sent += 1
        said = {"account_id": "acc1", **payload}
        at = int(time.time() * 1000) + 5000 + self.sent
        body = json.dumps({"event": event, "event_ts": at, "payload": said, **more}).encode()
        client = self.served.client()
        assert client.post(HOOK, content=body, headers=signed(body, SIGNS[app])).status_code == 200
        found, own = self.connector.triggers["webhook"].read(body, {}), hashlib.sha256(app.encode()).hexdigest()[:16]
        done = f"inbox/webhook/done/{found.event_id}.{own}"
        assert until(lambda: self.store.read(done))
        return found.event_id

    def read(self, tenant: str, **asked: Any) -> dict[str, Any]:
        answer = self.of(tenant).get("/v1/events", params=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def ids(self, tenant: str, **asked: Any) -> list[str]:
        return [said["event_id"] for said in self.read(tenant, **asked)["events"]]


@pytest.fixture
def world(start: Start, connector: Connector, zoom: Sandbox) -> Iterator[World]:
    store = MemoryStore()
    with start(store, webhook_secrets={"webhook": SECRETS}) as served:
        yield World(connector, zoom, served, store, ApiKeys(store, connector.key))


def hosted(user: str) -> dict[str, Any]:
    return {"object": {"id": "1", "host_id": user, "topic": "Secret"}}


def test_two_tenants_whose_users_share_an_account_see_nothing_of_each_other(world: World) -> None:
    world.connect("one", ADA)
    world.connect("two", BOB)
    ada, bob = world.send(hosted("u-ada")), world.send(hosted("u-bob"))
    carol = world.send(hosted("u-carol"))
    assert (world.ids("one"), world.ids("two")) == ([ada], [bob])
    assert world.ids("none") == [] and carol
    assert world.ids("one", account="acc1") == [ada] and world.ids("two", host="u-ada") == []


def test_an_app_of_ones_own_shows_nothing_of_what_another_app_was_sent(world: World) -> None:
    world.connect("one", ADA)
    world.connect("two", BOB, app="app-two")
    world.connect("three", ADA, app="app-three")
    world.connect("four", None, app="app-two", kind="server-to-server")
    first, second = world.send(hosted("u-ada")), world.send(hosted("u-bob"))
    own = world.send(hosted("u-bob"), app="app-two")
    assert world.ids("one") == [first] and second
    assert (world.ids("two"), world.ids("three"), world.ids("four")) == ([own], [], [own])


def test_what_two_apps_are_told_in_the_same_words_reaches_the_users_of_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.connect("one", ADA)
    world.connect("two", ADA, app="app-two")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # Zoom gives both the time at which it happened
    first = world.send(hosted("u-ada"))
    world.sent -= 1
    assert world.send(hosted("u-ada"), app="app-two") == first
    assert (world.ids("one"), world.ids("two")) == ([first], [first])


WIDE: dict[str, dict[str, Any]] = {
    "server-to-server": {"who": None, "kind": "server-to-server"},
    "a granular scope of an admin": {"who": ADA, "scopes": ("user:read:user", "meeting:read:meeting:admin")},
    "a classic scope of an admin": {"who": ADA, "scopes": ("meeting:read:admin",)},
}


@pytest.mark.parametrize("name", WIDE)
def test_a_connection_of_a_whole_account_sees_its_accounts_events(world: World, name: str) -> None:
    world.connect("one", **WIDE[name])
    found = [world.send(hosted("u-ada")), world.send(hosted("u-bob")), world.send({"object": {"id": "7"}})]
    world.send({**hosted("u-ada"), "account_id": "acc2"})
    world.send(hosted("u-ada"), app="app-two")
    assert world.ids("one") == found


@pytest.mark.parametrize(
    "scope", ["meeting:read:meeting", "meeting:read:administrator", "administer:x", "meeting:read"]
)
def test_a_scope_of_no_admin_makes_nothing_account_wide(world: World, scope: str) -> None:
    world.connect("one", ADA, scopes=(scope,))
    world.send(hosted("u-bob"))
    assert world.ids("one") == []


HERS: dict[str, dict[str, Any]] = {
    "the host": hosted("u-ada"),
    "the host by address": {"object": {"host_email": "Ada@Example.COM"}},
    "the host of a meeting's summary": {"object": {"meeting_host_id": "u-ada"}},
    "the host of a meeting's summary by address": {"object": {"meeting_host_email": "ada@example.com"}},
    "who did it": {"operator_id": "u-ada", "object": {"id": "1", "host_id": "u-bob"}},
    "who did it by address": {"operator": "ada@example.com", "object": {}},
    "the user": {"object": {"id": "u-ada"}},
    "the user by address": {"object": {"email": "ada@example.com"}},
    "a phone's user": {"object": {"user_id": "u-ada"}},
    "a phone's owner": {"object": {"owner": {"id": "u-ada"}}},
    "the caller": {"object": {"caller": {"user_id": "u-ada"}}},
    "the callee": {"object": {"callee": {"user_id": "u-ada"}}},
    "a bot's user": {"account_id": None, "accountId": "acc1", "userId": "u-ada"},
}
NOT_HERS: dict[str, dict[str, Any]] = {
    "a participant": {"object": {"host_id": "u-bob", "participant": {"email": "ada@example.com", "user_id": "u-ada"}}},
    "a registrant": {"object": {"host_id": "u-bob", "registrant": {"email": "ada@example.com"}}},
    "an id in another case": hosted("U-ADA"),
    "a text that holds it": hosted("u-ada2"),
    "a list that holds it": {"object": {"host_id": ["u-ada"]}},
    "a topic": {"object": {"topic": "u-ada", "host_id": "u-bob"}},
    "another account": {**hosted("u-ada"), "account_id": "acc2"},
    "no account": {**hosted("u-ada"), "account_id": None},
    "nobody": {"object": {"host_id": None}},
}


@pytest.mark.parametrize("name", HERS)
def test_an_event_is_hers_where_the_definition_says_the_user_stands(world: World, name: str) -> None:
    world.connect("one", ("u-ada", "ADA@example.com"))
    world.connect("two", BOB, scopes=("x",)) if name != "who did it" else None
    sent = world.send(HERS[name])
    assert (world.ids("one"), world.ids("two")) == ([sent], [])


@pytest.mark.parametrize("name", NOT_HERS)
def test_an_event_is_not_hers_because_anybody_wrote_her_name_into_it(world: World, name: str) -> None:
    world.connect("one", ADA)
    world.send(NOT_HERS[name])
    assert world.ids("one") == []


def test_the_rights_of_a_tenants_connections_add_up(world: World) -> None:
    world.connect("one", ADA)
    world.connect("one", BOB, name="second")
    world.connect("one", ADA, name="other", account="acc2")
    found = [world.send(hosted("u-ada")), world.send(hosted("u-bob"))]
    found.append(world.send({**hosted("u-ada"), "account_id": "acc2"}))
    world.send({**hosted("u-bob"), "account_id": "acc2"})
    assert world.ids("one") == found
    first = world.read("one", limit=2)
    assert [said["event_id"] for said in first["events"]] == found[:2]
    assert world.ids("one", cursor=first["cursor"]) == found[2:]


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "no account": (
        {"who": ADA, "account": None, "scopes": ("user:read:user",)},
        "has no known account, so its events cannot be recognised; test it once",
    ),
    "no scope to tell": (
        {"who": None, "account": None, "scopes": ("meeting:read:meeting",)},
        "has no known account or user, so its events cannot be recognised; "
        "add the scope user:read:user to the app, reconnect, and test it",
    ),
    "an admin who is not known": (
        {"who": None, "scopes": ("user:read:user:admin",)},
        "has no known user, so its events cannot be recognised; test it once",
    ),
    "dead": ({"who": ADA, "dead": "Token revoked."}, "has ended (Token revoked); reconnect it"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_connection_that_entitles_to_nothing_is_named_with_the_reason(world: World, name: str) -> None:
    more, why = UNKNOWN[name]
    world.connect("one", **more)
    world.send(hosted("u-ada"))
    told = world.read("one")
    assert (told["events"], told["warnings"]) == ([], [{"where": "connections.main", "what": why}])
    world.connect("one", ADA)
    assert len(world.ids("one")) == 1 and world.read("one")["warnings"] == []


def test_a_kind_without_a_client_id_entitles_to_nothing(connector: Connector) -> None:
    record = ConnectionRecord(kind="oauth2", values={}, tokens=Tokens(granted={}), account="a", user="u")
    owner = owners.Owner.of(connector, "t", "main", record)
    assert owner.why == "is of a kind without a client ID, so its app's events cannot be recognised"


def test_a_connection_tells_its_user_when_it_is_tested(world: World) -> None:
    world.connect("one", None, account=None)
    assert world.read("one")["warnings"]
    tested = world.of("one").post("/v1/connections/main/test").json()
    assert tested["ok"] and tested["user"] and tested["account"]
    record = world.record("one")
    assert (record.user, record.account) == (tested["user"], tested["account"])
    sent = world.send({**hosted(tested["user"]), "account_id": tested["account"]})
    assert world.ids("one") == [sent] and world.read("one")["warnings"] == []


def test_what_a_test_finds_is_not_said_of_a_connection_made_meanwhile(connector: Connector, zoom: Sandbox) -> None:
    class Racing(MemoryStore):
        first: Callable[[], object] | None = None

        def update(self, key: str, change: Any, **more: Any) -> Any:
            first, self.first = self.first, None
            if first is not None:
                first()
            return super().update(key, change, **more)

    store = Racing()
    connections = Connections(connector, store)
    tokens = Tokens(granted={"access_token": zoom.token})
    values = {"client_id": "a", "client_secret": "s"}
    connections.adopt("oauth2", values, tokens)
    assert connections.test(base_url=zoom.base_url).user
    connections.adopt("oauth2", values, tokens)
    store.first = lambda: connections.adopt("oauth2", values, tokens)
    assert connections.test(base_url=zoom.base_url).user
    entry = store.read(connections._key("main"))
    assert entry is not None and (
        ConnectionRecord.read(entry.value).user,
        ConnectionRecord.read(entry.value).account,
    ) == (None, None)


def test_a_right_that_ends_while_somebody_waits_has_ended(world: World) -> None:
    world.connect("one", ADA)
    client, found = world.of("one"), list[Any]()
    cursor = world.read("one", cursor="now")["cursor"]
    asked = {"wait": 3, "cursor": cursor}
    waiting = threading.Thread(target=lambda: found.append(client.get("/v1/events", params=asked).json()))
    waiting.start()
    assert until(lambda: world.served.app.state.service.running["one"] == 1)
    world.connect("one", ADA, dead="Revoked.")
    world.send(hosted("u-ada"))
    waiting.join(20)
    assert found[0]["events"] == [] and found[0]["warnings"][0]["where"] == "connections.main"


def test_one_local_tenant_sees_all_whoever_signed_it(start: Start, connector: Connector, zoom: Sandbox) -> None:
    store = MemoryStore()
    with start(store, tenant="t", webhook_secrets={"webhook": SECRETS}) as served:
        world = World(connector, zoom, served, store, ApiKeys(store, connector.key), {"t": served.client()})
        found = [
            world.send(hosted("u-ada")),
            world.send({"object": {}}, app="app-two"),
            world.send({"account_id": None}),
        ]
        assert (world.ids("t"), world.read("t")["warnings"]) == (found, [])


@pytest.mark.parametrize("secrets", ["plain", ["a", "b"], {"": "a"}, {"app": "a", "": "b"}])
@pytest.mark.parametrize("tenant", [None, lambda request: "t"])
def test_several_tenants_and_a_secret_of_no_known_app_never_start(
    connector: Connector, secrets: Any, tenant: Any
) -> None:
    with pytest.raises(InputError) as caught:
        service_app(connector, store="memory://", tenant=tenant, webhook_secrets={"webhook": secrets})
    (problem,) = caught.value.problems
    assert problem.where == "webhook_secrets.webhook" and '{"CLIENT_ID": "SECRET"}' in problem.what
    assert "plain" not in str(caught.value)
    service_app(connector, store="memory://", tenant="t", webhook_secrets={"webhook": secrets})
    service_app(connector, store="memory://", webhook_secrets={"webhook": secrets}, handler=print)


# -- filters and cursors ---------------------------------------------------------------------------------------------


def test_a_tenant_narrows_its_events_by_what_the_trigger_knows(world: World) -> None:
    world.connect("one", None, kind="server-to-server")
    first = world.send({"object": {"id": 11, "host_id": "h1"}})
    second = world.send({"object": {"id": "22", "host_id": "h2"}}, event="meeting.ended")
    third = world.send({"object": {"id": "u1"}}, event="user.created")
    asked: list[tuple[Any, list[str]]] = [
        ({"event": "meeting.*"}, [first, second]),
        ({"event": ["meeting.ended", "user.*"]}, [second, third]),
        ({"object": "11"}, [first]),
        ({"meeting": "1 1"}, [first]),
        ({"host": "h2"}, [second]),
        ({"account": "acc1", "host": ["h1", "h2"]}, [first, second]),
        ({"account": "acc2"}, []),
        ({"event": "*"}, [first, second, third]),
    ]
    for params, found in asked:
        assert world.ids("one", **params) == found, params
    told = world.read("one", event="meeting.strated")
    (warned,) = told["warnings"]
    assert warned["where"] == "filter.event" and "Did you mean 'meeting.started'?" in warned["what"]


@pytest.mark.parametrize("key", ["hosts", "Cursor", "page", "topic", "%00"])
def test_a_filter_that_there_is_not_is_refused_with_those_there_are(world: World, key: str) -> None:
    answer = world.of("one").get("/v1/events", params={key: "x"})
    problem = answer.json()
    assert (answer.status_code, problem["kind"]) == (422, "input")
    assert problem["problems"][0]["where"] == f"filter.{key}"
    assert "Known: event, account, object, host, meeting." in problem["problems"][0]["what"]


def test_now_begins_at_the_end(world: World) -> None:
    world.connect("one", ADA)
    world.send(hosted("u-ada"))
    now = world.read("one", cursor="now")
    assert (now["events"], now["warnings"]) == ([], [])
    second = world.send(hosted("u-ada"))
    assert world.ids("one", cursor=now["cursor"]) == [second]


@pytest.mark.parametrize("text", ["x", "1700000000000", "é", "W10", "a" * 21_000])
def test_a_cursor_of_nobodys_is_refused(world: World, text: str) -> None:
    answer = world.of("one").get("/v1/events", params={"cursor": text})
    assert (answer.status_code, [said["where"] for said in answer.json()["problems"]]) == (422, ["cursor"])


def test_a_request_that_has_looked_at_enough_answers_and_one_that_waits_goes_on_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MAX_EVENTS", 2)
    world.connect("one", ADA)
    for number in range(5):
        world.send({"object": {"id": str(number), "host_id": "u-bob"}})
    cursor, moved = world.read("one", cursor="now")["cursor"], []
    at: dict[str, Any] = {"wait": 20}
    while at.get("cursor") != cursor:
        told = world.read("one", **at)  # which does not wait, since there was something to look at
        assert told["events"] == []
        at["cursor"] = told["cursor"]
        moved.append(sum(feed.positions("one", told["cursor"]).values()))
        at["wait"] = 0 if moved[-1] == 4 else 20
    assert moved == [2, 4, 5]
    found: list[str] = []
    client = world.of("one")
    asked = {"wait": 20, "cursor": cursor}
    waiting = threading.Thread(
        target=lambda: found.extend(
            each["event_id"] for each in client.get("/v1/events", params=asked).json()["events"]
        )
    )
    waiting.start()
    assert until(lambda: world.served.app.state.service.running["one"] == 1)
    time.sleep(0.1)  # so that it has looked
    sent = world.send(hosted("u-ada"))
    waiting.join(25)
    assert found == [sent]


def test_a_cursor_of_another_tenants_is_refused(world: World) -> None:
    world.connect("one", ADA)
    world.send(hosted("u-ada"))
    given = world.read("one")["cursor"]
    answer = world.of("two").get("/v1/events", params={"cursor": given})
    problem = answer.json()
    assert (answer.status_code, problem["kind"], problem["retriable"]) == (422, "input", False)
    assert [said["where"] for said in problem["problems"]] == ["cursor"]


# -- when a user removes the app -------------------------------------------------------------------------------------


def removed(world: World, user: str = "u-ada", app: str = "app-one", account: str = "acc1", **more: Any) -> str:
    payload = {"account_id": account, "user_id": user, "client_id": app}
    return world.send(payload, event="app_deauthorized", **{"app": app, **more})


def test_who_removes_the_app_ends_the_connection_its_tokens_and_its_rights(world: World) -> None:
    world.connect("one", ADA)
    world.connect("two", ADA, name="second")  # another tenant's of the same user
    kept = world.send(hosted("u-ada"))
    assert world.ids("one") == world.ids("two") == [kept]
    run = world.of("one").post("/v1/actions/create-meeting/run", json=MEETING)
    assert run.status_code == 200  # so that a client is held
    removed(world)
    for tenant, name in (("one", "main"), ("two", "second")):
        record = world.record(tenant, name)
        assert record.dead == "The user has removed the app (app_deauthorized)."
        assert record.tokens == Tokens(granted={})
        summary = world.of(tenant).get(f"/v1/connections/{name}").json()
        assert (summary["health"], summary["why"]) == ("dead", record.dead)
        told = world.read(tenant)
        assert told["events"] == []
        assert (
            told["warnings"][0]["what"] == "has ended (The user has removed the app (app_deauthorized)); reconnect it"
        )
    sent = len(world.zoom.requests)
    answer = world.of("one").post("/v1/actions/create-meeting/run", json=MEETING)
    assert (answer.status_code, answer.json()["kind"]) == (424, "token")
    assert len(world.zoom.requests) == sent
    everything = b"".join(entry.value for _, entry in world.store.scan("connections/", limit=1000))
    assert world.zoom.token.encode() not in everything and b"refresh-one" not in everything


def test_another_worker_lets_go_of_its_client_too(world: World, start: Start) -> None:
    world.connect("one", ADA)
    key = world.keys.create("one")[0]
    with start(world.store) as other:
        client = other.client(key)
        assert client.post("/v1/actions/create-meeting/run", json=MEETING).status_code == 200
        removed(world)
        assert client.post("/v1/actions/create-meeting/run", json=MEETING).status_code == 424


OTHERS: dict[str, dict[str, Any]] = {
    "another user": {"who": BOB},
    "another app": {"who": ADA, "app": "app-two"},
    "another account": {"who": ADA, "account": "acc2"},
    "an admin of the account": {"who": BOB, "scopes": ("meeting:read:admin",)},
    "a user who is not known": {"who": None},
    "an account's own app": {"who": None, "kind": "server-to-server", "account": "acc2"},
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_the_event_does_not_name_goes_on(world: World, name: str) -> None:
    before = world.connect("one", **OTHERS[name])
    world.connect("one", ADA, name="hers")
    removed(world)
    assert world.record("one") == before
    assert world.record("one", "hers").dead


def test_an_admins_connection_and_an_accounts_own_end_with_their_user_and_account(world: World) -> None:
    world.connect("one", ADA, scopes=("meeting:read:admin",))
    world.connect("one", None, kind="server-to-server", name="own")
    removed(world)
    assert world.record("one").dead and world.record("one", "own").dead


FORGED: dict[str, Callable[[World], str]] = {
    "signed by another app": lambda world: world.send(
        {"user_id": "u-ada", "client_id": "app-one"}, app="app-two", event="app_deauthorized"
    ),
    "of no app": lambda world: world.send({"user_id": "u-ada"}, event="app_deauthorized"),
    "of a user's list": lambda world: removed(world, user=["u-ada"]),  # type: ignore[arg-type]
    "another event": lambda world: world.send({"user_id": "u-ada", "client_id": "app-one"}, event="app_authorized"),
}


@pytest.mark.parametrize("name", FORGED)
def test_no_other_word_ends_anything(world: World, name: str, caplog: pytest.LogCaptureFixture) -> None:
    before = world.connect("one", ADA)
    FORGED[name](world)
    assert world.record("one") == before
    is_told = "was not signed by the app that it names; no connection is ended" in caplog.text
    assert is_told is (name in ("signed by another app", "of no app"))


def test_what_was_connected_after_the_removal_is_kept(world: World) -> None:
    record = world.connect("one", ADA)
    said = {"account_id": "acc1", "user_id": "u-ada", "client_id": "app-one", "event_ts": 0}
    at = int((record.connected_at - 60) * 1000)
    body = json.dumps({"event": "app_deauthorized", "payload": {**said, "event_ts": at}}).encode()
    found = world.connector.triggers["webhook"].read(body, {}, "app-one")
    assert owners.end(world.connector, world.store, found, trusted=False) == []
    assert world.record("one") == record
    at_once = found.replace(time=datetime.fromtimestamp(record.connected_at, UTC))
    world.store.update(
        Connections(world.connector, world.store, "one")._key("main"),
        lambda old: replace(ConnectionRecord.read(old or b""), connected_at=at_once.time.timestamp()).write(),  # type: ignore[union-attr]
    )
    (ended,) = owners.end(world.connector, world.store, at_once, trusted=False)
    assert (ended.tenant, ended.name, world.record("one").dead is None) == ("one", "main", False)
    assert owners.end(world.connector, world.store, found.replace(time=None), trusted=False) == []


def test_a_connection_that_is_deleted_while_it_is_ended_stays_deleted(world: World) -> None:
    class Deleting(MemoryStore):
        def update(self, key: str, change: Any, **more: Any) -> Any:
            if entry := self.read(key):
                self.remove(key, entry)
            return super().update(key, change, **more)

    world.connect("one", ADA)
    store = Deleting()
    for key, entry in world.store.scan("connections/"):
        store.put(key, entry.value, None)
    said = {"account_id": "acc1", "user_id": "u-ada", "client_id": "app-one"}
    body = json.dumps({"event": "app_deauthorized", "payload": said}).encode()
    owners.end(world.connector, store, world.connector.triggers["webhook"].read(body, {}, "app-one"), trusted=False)
    assert store.scan("") == []


@pytest.mark.parametrize(("trusted", "sender", "ends"), [(True, None, 1), (False, None, 0), (True, "app-two", 0)])
def test_a_signature_of_nobody_known_counts_where_all_is_one_persons(
    world: World, trusted: bool, sender: str | None, ends: int
) -> None:
    world.connect("one", ADA)
    body = json.dumps(
        {"event": "app_deauthorized", "payload": {"account_id": "acc1", "user_id": "u-ada", "client_id": "app-one"}}
    )
    found = world.connector.triggers["webhook"].read(body.encode(), {}, sender)
    assert len(owners.end(world.connector, world.store, found, trusted=trusted)) == ends


@pytest.mark.parametrize(("kind", "spent"), [("oauth2", "refresh"), ("server-to-server", None)])
def test_a_renewal_under_way_does_not_bring_an_ended_connection_back(
    connector: Connector, kind: str, spent: str | None
) -> None:
    values = {"client_id": "a", "client_secret": "s", "account_id": "acc1"}
    due = Tokens(granted={"access_token": "old"}, refresh_token=spent, expires_at=0.0, lifetime=3600.0)
    record = ConnectionRecord(kind=kind, values=values, tokens=due)
    content = json.dumps({"access_token": "new", "refresh_token": "r2", "expires_in": 3600}).encode()
    reads = iter([(record, 1), (record, 1), (record.ended("Removed."), 2)])
    answers: dict[type, Callable[[Any], Any]] = {
        Now: lambda step: datetime.now(UTC),
        Read: lambda step: next(reads),
        Acquire: lambda step: True,
        Send: lambda step: Response(200, {"content-type": "application/json"}, content),
        Write: lambda step: None,  # the entry was ended meanwhile
    }
    steps = Renewal(connector.connections[kind], "main", None, 1.0).steps()
    with pytest.raises(AuthError, match="has ended: Removed"):
        step = next(steps)
        while True:
            step = steps.send(answers[type(step)](step))
