"""A service whose store has a damaged entry in every room starts, and serves everything around them."""

from __future__ import annotations

import logging

import pytest
from cryptography.fernet import Fernet

from connector_runtime.connections.connections import Connections
from connector_runtime.service.records import ApiKeys
from connector_runtime.stores.databases import Sealed
from connector_runtime.stores.store import DAMAGED, MemoryStore
from zoom_connector import Connector
from zoom_connector.sandbox import Sandbox

from .conftest import APP, CREATE, MEETING, Start, connect

SIGN_IN = {"kind": "oauth2", "name": "signed-in", "values": APP}


@pytest.mark.parametrize("damage", [b"garbage", b"", b"\xff{}"])
def test_every_room_goes_on_around_a_damaged_entry(
    start: Start, connector: Connector, zoom: Sandbox, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    inner = MemoryStore()
    store = Sealed(inner, [Fernet.generate_key().decode()])
    keys = ApiKeys(store, connector.key)
    good, lost = keys.create("acme"), keys.create("acme")
    for name in ("main", "lost"):
        connect(connector, store, zoom, "acme", name)
    with start(store) as served:
        client = served.client(good[0])
        run = {**MEETING, "connection": "main"}
        assert client.post(CREATE, json=run, headers={"Idempotency-Key": "lost"}).status_code == 200
        assert client.post("/v1/connections", json=SIGN_IN).status_code == 202
    places = [f"service/zoom/keys/{lost[1].id}", Connections(connector, store, "acme")._key("lost")]
    for prefix in ("service/zoom/idempotency/", "service/zoom/states/", "pending/"):
        places += [key for key, _ in inner.scan(prefix)]
    assert len(places) == 5
    for place in places:
        inner.update(place, lambda old: damage)
    with caplog.at_level(logging.ERROR), start(store) as served:
        client = served.client(good[0])
        assert client.get("/ready").json() == {"status": "ready"}
        assert served.client(lost[0]).get("/v1/connections").status_code == 401
        refused = client.post(CREATE, json=run, headers={"Idempotency-Key": "lost"})
        assert (refused.status_code, refused.json()["kind"]) == (409, "may_have_been_done")
        missing = client.get("/v1/connections/lost")
        assert (missing.status_code, missing.json()["kind"]) == (404, "not_found")
        assert "The stored connection lost is damaged." in missing.text
        assert [each["name"] for each in client.get("/v1/connections").json()["connections"]] == ["main"]
        assert client.post(CREATE, json=run, headers={"Idempotency-Key": "new"}).status_code == 200
        assert client.post("/v1/connections", json=SIGN_IN).status_code == 202
        assert served.app.state.service.idempotency.purge() == 0
        assert [key.id for key in keys.list()] == [good[1].id]
    assert {key.removeprefix(DAMAGED) for key, _ in inner.scan(DAMAGED)} == set(places)
    said = [record.getMessage() for record in caplog.records if record.name == "connector_runtime.stores"]
    assert len(said) == len(set(said)) == 5
