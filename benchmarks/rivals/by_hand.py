"""The same calls written by hand with an HTTP library: one client, `post(json=…)`, `raise_for_status`, `json()`."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

TOKEN = {"Authorization": "Bearer t"}
MEETING = {
    "topic": "Weekly sync",
    "type": 8,
    "start_time": "2026-11-01T09:00:00Z",
    "duration": 45,
    "timezone": "Europe/Berlin",
    "agenda": "Plan the week",
    "recurrence": {"type": 2, "repeat_interval": 1, "weekly_days": "1,3"},
    "settings": {"host_video": True, "participant_video": True},
}


def create(url: str, library: str = "httpx", **options: Any) -> Callable[[], Any]:
    """Create a meeting with twelve fields; `library` has httpx's interface, `options` go to its client."""
    client = import_module(library).Client(base_url=url, headers=TOKEN, **options)
    count = itertools.count()
    return lambda: client.post(f"/users/host{next(count) // 50}/meetings", json=MEETING).raise_for_status().json()


def get(url: str, library: str = "httpx", **options: Any) -> Callable[[], Any]:
    """Read a user."""
    client = import_module(library).Client(base_url=url, headers=TOKEN, **options)
    return lambda: client.get("/users/me").raise_for_status().json()


def create_requests(url: str) -> Callable[[], Any]:
    import requests

    session = requests.Session()
    session.headers.update(TOKEN)

    def call() -> Any:
        answer = session.post(f"{url}/users/me/meetings", json=MEETING)
        answer.raise_for_status()
        return answer.json()

    return call


def users(url: str) -> Callable[[], int]:
    """List all users and return their number."""
    import httpx

    client = httpx.Client(base_url=url, headers=TOKEN)

    def run() -> int:
        result: list[Any] = []
        token = ""
        while True:
            query = {"page_size": 300, "status": "active", **({"next_page_token": token} if token else {})}
            page = client.get("/users", params=query).raise_for_status().json()
            result += page["users"]
            token = page["next_page_token"]
            if not token:
                return len(result)

    return run


async def at_once(url: str, workers: int, calls: int, **options: Any) -> Callable[[], Any]:
    """Read a user `calls` times over one shared `AsyncClient`, with `workers` tasks."""
    import httpx

    client = httpx.AsyncClient(base_url=url, headers=TOKEN, timeout=60, **options)

    async def task() -> None:
        for _ in range(calls // workers):
            answer = await client.get("/users/me")
            answer.raise_for_status().json()

    async def run() -> None:
        await asyncio.gather(*(task() for _ in range(workers)))

    return run


if __name__ == "__main__":
    assert users(sys.argv[1])() == int(sys.argv[2])
