"""The connector as a program would use it: what the rows measure."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from zoom_connector import AsyncClient, Client, Http, load

TWELVE = {
    "user_id": "me",
    "topic": "Weekly sync",
    "type": 8,
    "start_time": "2026-11-01T09:00:00Z",
    "duration": 45,
    "timezone": "Europe/Berlin",
    "agenda": "Plan the week",
    "type_recurrence": 2,
    "repeat_interval": 1,
    "weekly_day": [1, 3],
    "host_video_on_start": True,
    "participant_video": True,
}


def create(url: str, **options: Any) -> Callable[[], Any]:
    """Create a meeting; every 50th is another host's, since the pacer knows how many a host may create a day."""
    client = Client(load(), token="t", base_url=url, **options)
    count = itertools.count()
    return lambda: client.run("create-meeting", {**TWELVE, "user_id": f"host{next(count) // 50}"}).data


def get(url: str, **options: Any) -> Callable[[], Any]:
    client = Client(load(), token="t", base_url=url, **options)
    return lambda: client.run("get-user", {"user_id": "me"}).data


def users(url: str) -> Callable[[], int]:
    """List all users; how many there are."""
    client = Client(load(), token="t", base_url=url)
    return lambda: len(client.run("list-users", {}).data["users"])


async def at_once(url: str, workers: int, calls: int, http: Http | None = None) -> Callable[[], Any]:
    """So many reads of a user with one `AsyncClient`, by so many tasks."""
    client = AsyncClient(load(), token="t", base_url=url, http=http or Http(timeout=60))

    async def task() -> None:
        for _ in range(calls // workers):
            await client.run("get-user", {"user_id": "me"})

    async def run() -> None:
        await asyncio.gather(*(task() for _ in range(workers)))

    return run


def alone(key: str, inputs: dict[str, Any], content: bytes) -> Callable[[], Any]:
    """The connector's own work on a call: bind, check, render and read, with an answer that is there at once."""
    from connector_runtime import steps as effects
    from connector_runtime.calls.exchange import exchange, fold
    from connector_runtime.model import Page, Response

    action = load().action(key)
    answer = Response(status=200, headers={"content-type": "application/json"}, content=content)
    now = datetime.now(UTC)
    told = {
        effects.Send: answer,
        effects.Token: {"access_token": "t"},
        effects.Now: now,
        effects.Turn: 0.0,
        effects.Key: "key",
    }

    def pages() -> Any:
        call = exchange(action, action.bind(inputs))
        said = None
        while True:
            try:
                wanted = call.send(said)
            except StopIteration:
                return
            said = None
            if isinstance(wanted, Page):
                yield wanted
            else:
                said = told.get(type(wanted))

    return lambda: fold(pages(), action.paging).data


if __name__ == "__main__":
    assert users(sys.argv[1])() == int(sys.argv[2])
