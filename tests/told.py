"""An error as the whole document that a caller can read of it, and what that document is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from zoom_connector import ConnectorError


def told(ask: Callable[[], Any]) -> dict[str, Any]:
    """The whole error that asking ends with."""
    with pytest.raises(ConnectorError) as caught:
        ask()
    return caught.value.to_dict()


def whole(kind: str, message: str, hint: str | None, **more: Any) -> dict[str, Any]:
    """An error about a request that says no more than this."""
    nothing = dict.fromkeys(("status", "code", "tracking_id", "retry_at", "items_read", "cursor"))
    about = {"kind": kind, "message": message, "hint": hint, "problems": [], "retriable": False}
    return {**about, **nothing, "may_have_been_done": False, **more}
