"""Results lost or duplicated and errors without a type under a storm of faults: the tests' storm, and a long list."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.storm import storm
from zoom_connector import Client, Connections, load, open_store
from zoom_connector.sandbox import Sandbox

from .frame import Row, Series, Target

GROUP = "When everything goes wrong"
NONE = Target("at most", 0)


def rows(quick: bool) -> Iterable[Row]:
    outcome = storm.storm(total=1_100 if quick else storm.CALLS)
    what = f"{outcome.calls:,} calls, {sum(outcome.faults.values()):,} faults"
    for name, problems in (
        ("results lost", outcome.lost),
        ("creates doubled", outcome.doubled),
        ("untyped errors", outcome.untyped),
        ("errors of the wrong kind", outcome.wrong_kind),
        ("lists incomplete", outcome.incomplete),
    ):
        yield Row(group=GROUP, what=f"{what}: {name}", unit="", ours=Series("connector", (len(problems),)), target=NONE)
    users = 9_000 if quick else 30_000
    (calm, missing), (rough, gone) = _listed(users, faults=False), _listed(users, faults=True)
    lacking = Series("connector", (missing + gone,))
    yield Row(group=GROUP, what=f"{users:,} users, disturbed: missing", unit="", ours=lacking, target=NONE)
    ours, rival = Series("401, two 429s, a reset", (rough,)), Series("undisturbed", (calm,))
    yield Row(group=GROUP, what=f"{users:,} users, disturbed", unit="s", ours=ours, rival=rival)


def _listed(users: int, *, faults: bool) -> tuple[float, int]:
    """List the users; return the seconds that it took, and how many users are missing or duplicated."""
    with Sandbox(users=users, meetings=0, registrants=0) as zoom:
        connections = Connections(load(), open_store("memory://"))
        connections.add("server-to-server", storm.SERVER, origin=zoom.origin)
        if faults:
            zoom.inject("revoked", match="GET /v2/users", skip=5)
            zoom.inject("rate_limited", match="GET /v2/users", skip=10, times=2)
            zoom.inject("reset_after", match="GET /v2/users", skip=15)
        start = time.perf_counter()
        with Client(load(), connection=connections.open(), base_url=zoom.base_url) as client:
            ids = [user["id"] for user in client.stream("list-users", {})]
        seconds = time.perf_counter() - start
    return seconds, (users - len(set(ids))) + (len(ids) - len(set(ids)))
