"""The connector as a program uses it, for the rows to measure."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Mapping
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


def create(url: str | None, inputs: Mapping[str, Any] = TWELVE, **options: Any) -> Callable[[], Any]:
    """Create a meeting; the host changes every 50 calls, since the pacer limits the meetings of a host and day."""
    client = Client(load(), token="t", base_url=url, **options)
    count = itertools.count()
    return lambda: client.run("create-meeting", {**inputs, "user_id": f"host{next(count) // 50}"}).data


def get(url: str | None, **options: Any) -> Callable[[], Any]:
    client = Client(load(), token="t", base_url=url, **options)
    return lambda: client.run("get-user", {"user_id": "me"}).data


def users(url: str) -> Callable[[], int]:
    """List all users and return their number."""
    client = Client(load(), token="t", base_url=url)
    return lambda: len(client.run("list-users", {}).data["users"])


async def at_once(url: str, workers: int, calls: int, http: Http | None = None) -> Callable[[], Any]:
    """Read a user `calls` times with one `AsyncClient` and `workers` tasks."""
    client = AsyncClient(load(), token="t", base_url=url, http=http or Http(timeout=60))

    async def task() -> None:
        for _ in range(calls // workers):
            await client.run("get-user", {"user_id": "me"})

    async def run() -> None:
        await asyncio.gather(*(task() for _ in range(workers)))

    return run


if __name__ == "__main__":
    assert users(sys.argv[1])() == int(sys.argv[2])
