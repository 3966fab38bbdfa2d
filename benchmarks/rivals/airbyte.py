"""Lists users with airbyte-cdk and the manifest in this folder."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import yaml

MANIFEST = Path(__file__).with_name("airbyte.yaml")


def users(url: str) -> Callable[[], int]:
    """Read the stream `users` and return the number of records."""
    from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, Type
    from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource

    stream = {"name": "users", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    chosen = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    catalog = ConfiguredAirbyteCatalogSerializer.load({"streams": [chosen]})
    config = {"url": url, "token": "t"}
    manifest = yaml.safe_load(MANIFEST.read_text())

    def source() -> ConcurrentDeclarativeSource:
        """Make a source; each read needs a new one."""
        return ConcurrentDeclarativeSource(catalog=catalog, config=config, state=[], source_config=deepcopy(manifest))

    logger = logging.getLogger("airbyte")
    logger.setLevel(logging.ERROR)
    return lambda: sum(message.type == Type.RECORD for message in source().read(logger, config, catalog, []))


if __name__ == "__main__":
    assert users(sys.argv[1])() == int(sys.argv[2])
