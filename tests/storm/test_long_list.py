"""A list of 30,000 users outlives what usually ends such lists."""

from __future__ import annotations

import pytest

from connector_runtime.stores.store import MemoryStore
from zoom_connector import Client, Connections, load
from zoom_connector.sandbox import Sandbox

from .storm import SERVER

USERS = 30_000


@pytest.mark.timeout(180)
def test_a_list_of_30_000_users_survives_an_expired_token_two_429s_and_a_reset_with_every_user_once() -> None:
    with Sandbox(users=USERS, meetings=0, registrants=0) as zoom:
        connections = Connections(load(), MemoryStore())
        connections.add("server-to-server", SERVER, origin=zoom.origin)
        zoom.inject("revoked", match="GET /v2/users", skip=20)
        zoom.inject("rate_limited", match="GET /v2/users", skip=40, times=2)
        zoom.inject("reset_after", match="GET /v2/users", skip=60)
        with Client(load(), connection=connections.open(), base_url=zoom.base_url) as client:
            ids = [user["id"] for user in client.stream("list-users", {})]
        pages = [request.status for request in zoom.requests if request.target.startswith("/v2/users")]
    assert len(ids) == USERS
    assert len(set(ids)) == USERS
    assert (pages.count(401), pages.count(429), pages.count(0)) == (1, 2, 1)
    assert pages.count(200) == USERS / 300
