"""Lists users with dlt's rest_api source."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def users(url: str) -> Callable[[], int]:
    """Iterate over the resource `users` and return the number of items."""
    return lambda: sum(1 for _ in source(url).resources["users"])


def source(url: str) -> Any:
    """Make a source; each iteration needs a new one."""
    from dlt.sources.rest_api import rest_api_source

    return rest_api_source(
        {
            "client": {
                "base_url": f"{url}/",
                "auth": {"type": "bearer", "token": "t"},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "next_page_token",
                    "cursor_param": "next_page_token",
                },
            },
            "resources": [
                {
                    "name": "users",
                    "endpoint": {
                        "path": "users",
                        "params": {"page_size": 300, "status": "active"},
                        "data_selector": "users",
                    },
                }
            ],
        }
    )


if __name__ == "__main__":
    assert users(sys.argv[1])() == int(sys.argv[2])
