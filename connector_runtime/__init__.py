"""A runtime for connectors declared in YAML. It knows no vendor.

In short:

    from connector_runtime import load
    load("some/folder").actions["create-thing"].preview({"name": "x"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client as Client
    from .definitions.connector import Connector as Connector
    from .definitions.folders import load as load

__all__ = ["Client", "Connector", "load"]
_HOMES = {"Client": "client", "Connector": "definitions.connector", "load": "definitions.folders"}


def __getattr__(name: str) -> Any:
    """Import the heavy parts when they are first used: most commands need only some."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
