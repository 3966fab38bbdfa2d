"""Creates a meeting with zoomus, as its README shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from .by_hand import MEETING


def create(origin: str, url: str) -> Callable[[], Any]:
    from zoomus import ZoomClient

    client = ZoomClient("id", "secret", "account", base_uri=url, oauth_uri=f"{origin}/oauth/token")

    meeting = {name: value for name, value in MEETING.items() if name != "start_time"}

    def call() -> Any:
        answer = client.meeting.create(user_id="me", **meeting, start_time=datetime(2026, 11, 1, 9))
        answer.raise_for_status()
        return answer.json()

    return call
